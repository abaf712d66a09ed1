#!/usr/bin/env bash
# Without a GPU that can be used, device = cuda is refused with one line and its remedy, and device = auto takes the CPU
# and says why. A library of the test's own beside the program stands for the machines there are.
set -euo pipefail
fail() { echo "$*" >&2; exit 1; }
cc=$(command -v cc || command -v gcc || command -v clang) || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cp "$TENGEN" tengen
config=$TENGEN_SOURCE/configs/ppo_cartpole.ini
library() { "$cc" -shared -fPIC -I"$TENGEN_SOURCE/include" -o libtengen_cuda.so "$@"; }
export LD_LIBRARY_PATH=

# refused TEXT ... -- SETTINGS: one line that holds every TEXT; nothing is left.
refused() {
    local got=0 texts=()
    while [ "$1" != -- ]; do texts+=("$1") && shift; done
    shift
    ./tengen train "$config" run.dir=run "$@" 2>err || got=$?
    [ "$got" = 1 ] || { cat err; fail "$*: exit $got"; }
    [ "$(wc -l <err)" = 1 ] || { cat err; fail "$*: not one line"; }
    for text in "${texts[@]}"; do grep -q -- "$text" err || { cat err; fail "$*: not with: $text"; }; done
    [ ! -e run ] || fail "$*: a refused run left its folder"
}
# falls_back TEXT: device = auto trains on the CPU and says why.
falls_back() {
    ./tengen train "$config" run.dir=run run.iterations=1 run.device=auto --quiet 2>log || { cat log; fail "auto: $1"; }
    grep -q "$1" log || { cat log; fail "auto does not say: $1"; }
    rm -r run
}

# No library, no library of ours, one that lacks another library.
refused 'device cuda: libtengen_cuda.so is not there: rebuild where nvcc is installed' 'or use device cpu' -- run.device=cuda
falls_back 'without a GPU: libtengen_cuda.so is not there'
echo 'int unrelated;' >empty.c
library empty.c
refused 'holds no tengen_cuda_backend: it belongs to another version; rebuild' -- run.device=cuda
falls_back 'without a GPU: .*holds no tengen_cuda_backend'
for part in cudnn:9:cuDNN cublasLt:13:cuBLAS nccl:2:NCCL; do
    IFS=: read -r name version title <<<"$part"
    echo 'int part(void) { return 1; }' >part.c
    "$cc" -shared -fPIC -Wl,-soname,"lib$name.so.$version" -o "lib$name.so.$version" part.c
    echo 'int part(void); int user(void) { return part(); }' >user.c
    library user.c "./lib$name.so.$version"
    rm "lib$name.so.$version"
    sed -i "s/lib$name.so.$version/lib$name.so.${version//[0-9]/X}/" libtengen_cuda.so # no machine has it
    refused "lib$name.so.X" "install $title" 'LD_LIBRARY_PATH' 'or use device cpu' -- run.device=cuda
    falls_back "without a GPU: .*lib$name.so.X"
done

# A library that works, on machines that do not.
library "$TENGEN_SOURCE/tests/cuda/fake_backend.c"
export FAKE_GPU=stale
refused 'libtengen_cuda.so belongs to another version; rebuild or remove it' -- run.device=cuda
falls_back 'without a GPU: .*belongs to another version'
FAKE_GPU=none
refused 'device cuda: no GPU: the fake driver finds none' 'check nvidia-smi and CUDA_VISIBLE_DEVICES; or use device cpu' -- run.device=cuda
falls_back 'without a GPU: no GPU: the fake driver finds none'
FAKE_GPU=old
refused 'device cuda:0: Old GPU has compute capability 5.2' -- run.device=cuda
falls_back 'without a GPU: Old GPU has compute capability 5.2'

# And one with 6 MiB free, which the plan knows.
FAKE_GPU=little
refused 'of the memory of Fake GPU' 'and 6.0 MiB are free' 'env.count = [0-9]* is the largest that fits' -- run.device=cuda env.count=65536
refused 'there is 1 GPU' -- run.device=cuda:1
./tengen train "$config" run.dir=run run.iterations=2 run.device=auto --quiet 2>log || { cat log; fail "the fake GPU"; }
grep -q 'on Fake GPU' log || { cat log; fail "auto did not take the GPU"; }
grep -q 'memory: .* of the device' log || { cat log; fail "no plan"; }
