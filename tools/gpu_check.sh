#!/usr/bin/env bash
# What only a machine with a GPU can show. Builds for the GPU that is there, then runs
#   tests       ctest -L gpu: every operation against double precision, transfers, copies of weights; and the unit and
#               emulated tests of the same build
#   memcheck    compute-sanitizer's tools on the operations with own kernels
#   racecheck
#   initcheck
#   check       tengen check: whole networks layer by layer, in every precision
#   bench       tengen bench ops --device cuda --json, into benchmarks/results/
# and prints one table. Needs no network. cuDNN and NCCL come from CUDNN_ROOT and NCCL_ROOT, from Python's nvidia
# packages, or from where the toolkit is. Exits with 1 if anything failed, with 77 where there is no GPU.
#   tools/gpu_check.sh [BUILD_FOLDER]          (build-gpu)
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
folder=${1:-build-gpu}
jobs=$(nproc)

gpu="not installed"
if command -v nvidia-smi >/dev/null; then
    gpu=$(nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv,noheader 2>&1 | head -1)
fi
if [[ $gpu != *,*,* ]]; then
    echo "tools/gpu_check.sh: no GPU; nvidia-smi: ${gpu:-says nothing}" >&2
    exit 77
fi
IFS=, read -r name driver capability <<<"$gpu"
architecture=$(tr -d ' .' <<<"$capability")

# The folder of Python's package nvidia.NAME, if it is installed.
python_package() {
    python3 -c "import importlib, sys
print(list(importlib.import_module('nvidia.' + sys.argv[1]).__path__)[0])" "$1" 2>/dev/null
}
if [ -z "${CUDNN_ROOT:-}" ] && root=$(python_package cudnn); then export CUDNN_ROOT=$root; fi
if [ -z "${NCCL_ROOT:-}" ] && root=$(python_package nccl); then export NCCL_ROOT=$root; fi

logs=$folder/gpu_check
table=()
failed=0
# note STEP RESULT DETAIL: a line of the table.
note() {
    table+=("$(printf '%-10s %-8s %s' "$1" "$2" "$3")")
    if [ "$2" = failed ]; then failed=1; fi
    printf '== %s %s: %s\n' "$1" "$2" "$3"
}
finish() {
    printf '\n%s, driver%s, compute capability%s\n' "$name" "$driver" "$capability"
    printf '%-10s %-8s %s\n' step result detail
    printf '%s\n' "${table[@]}"
    exit $failed
}

mkdir -p "$logs"
if cmake --preset release -B "$folder" -DTENGEN_CUDA=ON -DTENGEN_CUDA_ARCHITECTURES="$architecture" \
    >"$logs/build" 2>&1 && cmake --build "$folder" -j "$jobs" >>"$logs/build" 2>&1; then
    note build passed "architecture $architecture"
else
    tail -20 "$logs/build"
    note build failed "$logs/build"
    finish
fi
export LD_LIBRARY_PATH=$PWD/$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
"$folder/tengen" info

# One thing at a time: a GPU is there for tests that measure it, too. A test that finds no GPU here has failed.
ctest --test-dir "$folder" -L 'gpu|unit|cuda_emulated' -LE '^slow$' --output-on-failure >"$logs/tests" 2>&1
result=$?
summary=$(grep 'tests passed' "$logs/tests")
if grep -Eq 'gpu_[a-z]+ .*(Skipped|Not Run)' "$logs/tests"; then
    note tests failed "gpu tests were skipped: $logs/tests"
elif [ $result = 0 ]; then
    note tests passed "$summary"
else
    grep -E 'ERROR|Failed|\*\*\*' "$logs/tests" | head -20
    note tests failed "$summary: $logs/tests"
fi

# Own kernels only: what the libraries do with their memory is their business.
own=(bias activation add_forward scale fill batchnorm pool softmax cross_entropy squared_error ppo sum_squares sgd adam)
for tool in memcheck racecheck initcheck; do
    if ! command -v compute-sanitizer >/dev/null; then
        note $tool failed "compute-sanitizer is not installed; it comes with the toolkit"
    elif compute-sanitizer --tool $tool --error-exitcode 9 "$folder/tests/gpu_ops" "${own[@]}" >"$logs/$tool" 2>&1; then
        note $tool passed "$(grep -m1 'ERROR SUMMARY\|RACECHECK SUMMARY' "$logs/$tool" | sed 's/^=* *//')"
    else
        note $tool failed "$logs/$tool"
    fi
done

for network in models/go7.h5 resnet nature_cnn alphago_policy; do
    for precision in f32 tf32 bf16; do
        if "$folder/tengen" check "$network" --device cuda --precision $precision >"$logs/check" 2>&1; then
            note check passed "$(head -1 "$logs/check")"
        else
            note check failed "$(tail -1 "$logs/check")"
        fi
    done
done

recorded=$(tr -cs 'A-Za-z0-9' _ <<<"$name" | sed 's/_*$//')_ops
results=benchmarks/results/$recorded.jsonl
if benchmarks/record.sh "$folder" "$recorded" bench ops --device cuda --verbose 2>"$logs/bench"; then
    note bench passed "$(wc -l <"$results") figures in $results"
    note fused "$(grep -c 'convolution .*cuDNN.s graphs, ' "$logs/bench")" \
        "convolutions by cuDNN's graphs, $(grep -c "by cuDNN's older interface" "$logs/bench") by its older interface: $logs/bench"
    # Least shares of the measured copy bandwidth among what own kernels do where no cache holds the operands.
    while read -r share figure; do
        note slowest "$share" "$figure"
    done < <(sed -n 's/.*"name": "ops\.\(.*\)\.share", "value": \([0-9.e-]*\),.*/\2 \1/p' "$results" |
        grep ' large_' | grep -v clip_scale | sort -g | head -5)
else
    note bench failed "$logs/bench"
fi
finish
