#!/usr/bin/env bash
# Everything that is tested without a GPU, on a bare Debian 12: installs what is missing, then
#   asan      clang, address and undefined behaviour sanitizers: unit and emulated CUDA tests
#   tsan      gcc, thread sanitizer: unit tests
#   release   gcc, as the program is used: all tests
# Warnings are errors under both compilers. Each stage runs whether or not the one before passed; the last lines
# are ctest's summary, that of the first stage that failed or else of the release. Takes some ten minutes on two
# cores.
#   tools/test.sh [STAGE ...]
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

tools/install.sh test || exit 1
export PATH=$PATH:/usr/games # gnugo
jobs=$(nproc)
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# gcc 12's thread sanitizer cannot cope with the address layout of newer kernels; a fixed layout suits it.
calm=()
if setarch -R true 2>/dev/null; then calm=(setarch -R); fi

# stage NAME [cmake option ...]: configures, builds and tests a preset.
stage() {
    local name=$1 folder=build-$1
    shift
    echo "== $name"
    cmake --preset "$name" -B "$folder" "$@" >"$logs/cmake" 2>&1 || { cat "$logs/cmake"; return 1; }
    # Test programs only matter once everything compiles, so all errors are shown at once.
    cmake --build "$folder" -j "$jobs" -- -k 0 >"$logs/build" 2>&1 || { grep -v '^\[' "$logs/build"; return 1; }
    case $name in
    asan) set -- -L 'unit|cuda_emulated' -LE '^slow$' ;;
    tsan) set -- -L unit -LE slow ;;
    *) set -- ;;
    esac
    "${calm[@]}" ctest --test-dir "$folder" -j "$jobs" --output-on-failure "$@"
}

stages=("$@")
if [ ${#stages[@]} -eq 0 ]; then stages=(asan tsan release); fi
failed=""
for name in "${stages[@]}"; do
    options=()
    # In build-release, not build, which is the user's: one GPU architecture is enough to see that CUDA compiles.
    if [ "$name" = release ]; then options=(-DTENGEN_CUDA_ARCHITECTURES=90); fi
    if ! stage "$name" "${options[@]}" 2>&1 | tee "$logs/$name" && [ -z "$failed" ]; then failed=$name; fi
done

if [ -n "$failed" ]; then
    echo
    echo "== $failed failed"
    if [ "$failed" != "${stages[-1]}" ]; then sed -n '/tests passed/,$p' "$logs/$failed"; fi
    exit 1
fi
