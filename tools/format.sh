#!/usr/bin/env bash
# Formats the sources by .clang-format (clang-format 14, Debian 12's).
#   tools/format.sh [FOLDER|FILE ...]          in place; everything where nothing is named
#   tools/format.sh --check [FOLDER|FILE ...]  only names what is not formatted; 77 without clang-format 14
set -euo pipefail
cd "$(dirname "$0")/.."

check=0
if [ "${1:-}" = --check ]; then
    check=1
    shift
fi

program=""
for candidate in clang-format-14 clang-format; do
    # Other versions break lines in other places.
    if command -v "$candidate" >/dev/null && "$candidate" --version | grep -q 'version 14\.'; then
        program=$candidate
        break
    fi
done
if [ -z "$program" ]; then
    echo "tools/format.sh: clang-format 14 is not installed (apt install clang-format)" >&2
    exit 77
fi

if [ $# -eq 0 ]; then
    set -- src include models cuda tests benchmarks
fi
present=()
for path in "$@"; do
    if [ -e "$path" ]; then present+=("$path"); fi
done
mapfile -t files < <(find "${present[@]}" -type f -regextype posix-extended -regex '.*\.(c|h|cu|cuh|cpp)' | sort)
if [ ${#files[@]} -eq 0 ]; then exit 0; fi

if [ $check = 0 ]; then
    exec "$program" -i "${files[@]}"
fi
bad=0
for file in "${files[@]}"; do
    if ! "$program" "$file" | cmp -s - "$file"; then
        echo "$file: not formatted; tools/format.sh $file"
        bad=1
    fi
done
exit $bad
