#!/usr/bin/env bash
# What only a machine with a GPU can show, as one command that needs no network:
#   tools/gpu_check.sh                         all stages, goes on after one that failed
#   tools/gpu_check.sh --stages build,gpu      some of them;  --stages rest: those that have no result yet
#   tools/gpu_check.sh --dry-run               lists the stages, their limits and what each does
#   --build FOLDER   where to build, and where logs and results of the stages lie (build-gpu)
# Each stage has a limit of time (all of them: TENGEN_STAGE_SECONDS), so that a place which ends commands after ten
# minutes can run them one by one; the table at the end holds the results of earlier calls, too. Figures go to
# benchmarks/results/ (TENGEN_RESULTS), the table itself as GPU_check.jsonl. Exits with 1 if anything failed or missed
# its bar, with 77 where there is no GPU.
#
# cuDNN and NCCL come from CUDNN_ROOT and NCCL_ROOT, from Python's nvidia packages, or from where the toolkit is.
# TENGEN_DEPS is a folder with what else a bare machine lacks (HDF5, inih, zlib, cmocka, oneDNN), as include/ and lib/ or
# as `dpkg -x PACKAGE.deb FOLDER` unpacks them. PYTHON (python3) is the Python whose PyTorch is compared with.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

# name, limit in seconds, what it does
stages=(
    "build      590 configures and builds for the GPU that is there"
    "gpu        590 ctest -L gpu: every operation against double precision, transfers, environments"
    "unit       590 ctest: unit tests and emulated kernels of the same build"
    "memcheck   590 compute-sanitizer on the operations and environments with own kernels"
    "racecheck  590 the same for races in shared memory"
    "initcheck  590 the same for memory that is read before it is written"
    "check      590 tengen check: each model layer by layer beside the CPU, in every precision"
    "train      300 some iterations of several algorithms, with passes repeated on the CPU; CartPole to its bar"
    "ops        590 tengen bench ops; own kernels beyond the cache against 80% of a copy's bandwidth"
    "net_alphago_policy     590 tengen bench net, batches 32 to 4096"
    "net_resnet_20x256      590 the same"
    "net_resnet             590 the same"
    "net_nature_cnn         590 the same"
    "selfplay   120 tengen bench selfplay"
    "env        120 tengen bench env on the GPU"
    "pytorch_alphago_policy 590 benchmarks/pytorch_compare.py: bf16 against PyTorch on the same GPU, with its bars"
    "pytorch_resnet_20x256  590 the same"
    "pytorch_resnet         590 the same"
    "pytorch_nature_cnn     590 the same"
    "ppo_cartpole           590 benchmarks/ppo_device_compare.py: PPO wholly on the GPU against PyTorch, with its bars"
    "ppo_breakout           590 the same"
    "ppo_space_invaders     590 the same"
)
stage_names=()
for stage in "${stages[@]}"; do stage_names+=("${stage%% *}"); done

usage() {
    sed -n '2,6s/^# \{0,1\}//p' tools/gpu_check.sh >&2
    echo "stages: ${stage_names[*]}" >&2
    exit 2
}

folder=build-gpu wanted=all dry=""
while [ $# -gt 0 ]; do
    case $1 in
    --stages) wanted=${2:-} && shift ;;
    --build) folder=${2:-} && shift ;;
    --dry-run) dry=1 ;;
    *) usage ;;
    esac
    shift || usage
done
if [ -z "$wanted" ] || [ -z "$folder" ]; then usage; fi
state=$folder/gpu_check
export PYTHON=${PYTHON:-python3} TENGEN_RESULTS=${TENGEN_RESULTS:-benchmarks/results}

selected=()
case $wanted in
all) selected=("${stage_names[@]}") ;;
rest)
    for name in "${stage_names[@]}"; do
        [ -e "$state/$name.done" ] || selected+=("$name")
    done
    ;;
*)
    IFS=, read -ra selected <<<"$wanted"
    for name in "${selected[@]}"; do
        if [[ " ${stage_names[*]} " != *" $name "* ]]; then
            echo "tools/gpu_check.sh: there is no stage $name" >&2
            usage
        fi
    done
    ;;
esac

if [ -n "$dry" ]; then
    for stage in "${stages[@]}"; do
        read -r name limit about <<<"$stage"
        [[ " ${selected[*]} " == *" $name "* ]] && printf '%-22s %4s s  %s\n' "$name" "$limit" "$about"
    done
    exit 0
fi

# ---- the GPU, and where libraries are ----------------------------------------------------------------------------

gpu="not installed"
if command -v nvidia-smi >/dev/null; then
    gpu=$(nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv,noheader 2>&1 | head -1)
fi
if [[ $gpu != *,*,* ]]; then
    echo "tools/gpu_check.sh: no GPU; nvidia-smi: ${gpu:-says nothing}. What needs none: tools/test.sh" >&2
    exit 77
fi
IFS=, read -r name driver capability <<<"$gpu"
architecture=$(tr -d ' .' <<<"$capability")
recorded=$(tr -cs 'A-Za-z0-9' _ <<<"$name" | tr '[:upper:]' '[:lower:]' | sed 's/_*$//')

# The folder of Python's package nvidia.NAME, if it is installed.
python_package() {
    "$PYTHON" -c "import importlib, sys
print(list(importlib.import_module('nvidia.' + sys.argv[1]).__path__)[0])" "$1" 2>/dev/null
}
export PATH=$PATH:/usr/local/cuda/bin # compute-sanitizer
if [ -z "${CUDNN_ROOT:-}" ] && root=$(python_package cudnn); then export CUDNN_ROOT=$root; fi
if [ -z "${NCCL_ROOT:-}" ] && root=$(python_package nccl); then export NCCL_ROOT=$root; fi
if [ -n "${TENGEN_DEPS:-}" ]; then
    deps=$(realpath "$TENGEN_DEPS")
    export CMAKE_PREFIX_PATH=$deps:$deps/usr${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}
    export PATH=$PATH:$deps/bin:$deps/usr/bin
    for lib in "$deps"/lib "$deps"/usr/lib "$deps"/usr/lib/*-linux-gnu; do
        [ -d "$lib" ] && export LD_LIBRARY_PATH=$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    done
fi
LD_LIBRARY_PATH=$(realpath -m "$folder")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH

# ---- all that is wanted, then the table --------------------------------------------------------------------------

mkdir -p "$state" "$TENGEN_RESULTS"
if [[ " ${selected[*]} " != *" build "* ]] && [ ! -x "$folder/tengen" ]; then
    echo "tools/gpu_check.sh: $folder/tengen is not there; run the stage build first" >&2
    exit 1
fi
for stage in "${stages[@]}"; do
    read -r check limit about <<<"$stage"
    limit=${TENGEN_STAGE_SECONDS:-$limit}
    [[ " ${selected[*]} " == *" $check "* ]] || continue
    rows=$state/$check.rows log=$state/$check.log
    rm -f "$rows" "$state/$check.done"
    touch "$rows"
    printf '\n== %s: %s\n' "$check" "$about"
    timeout --kill-after=10 "$limit" tools/gpu_stage.sh "$check" "$folder" "$rows" "$recorded" "$architecture" >"$log" 2>&1
    result=$?
    if [ $result = 124 ] || [ $result = 137 ]; then
        printf '%s\tfailed\twas stopped after %s s: %s\t-\n' "$check" "$limit" "$log" >>"$rows"
    elif [ ! -s "$rows" ]; then
        printf '%s\tfailed\texit %s: %s\t-\n' "$check" "$result" "$log" >>"$rows"
    else
        touch "$state/$check.done"
    fi
    if grep -q $'\tfailed\t' "$rows"; then tail -20 "$log"; fi
    cut -f 1-3 "$rows"
    if [ "$check" = build ] && [ ! -x "$folder/tengen" ]; then break; fi
done

# As benchmarks/record.sh writes its first line.
quote() { sed 's/[\\"]/\\&/g' <<<"$1"; }
table=$TENGEN_RESULTS/${recorded}_check.jsonl
printf '{"machine": "%s", "driver": "%s", "commit": "%s", "date": "%s", "command": "tools/gpu_check.sh"}\n' \
    "$name" "${driver# }" "$("$folder/tengen" --version 2>/dev/null | sed 's/.*(\(.*\))/\1/')" "$(date -u +%F)" >"$table"
printf '\n%s, driver%s, compute capability%s\n' "$name" "$driver" "$capability"
printf '%-48s %-7s %-6s %s\n' check result bar figure
failed=0
for check in "${stage_names[@]}"; do
    [ -e "$state/$check.rows" ] || continue
    while IFS=$'\t' read -r what result figure least; do
        printf '%-48s %-7s %-6s %s\n' "$what" "$result" "$least" "$figure"
        printf '{"check": "%s", "result": "%s", "figure": "%s", "bar": %s}\n' "$(quote "$what")" "$result" \
            "$(quote "$figure")" "${least/#-/null}" >>"$table"
        case $result in failed | missed) failed=1 ;; esac
    done <"$state/$check.rows"
done
echo "kept in $table; logs in $state"
exit $failed
