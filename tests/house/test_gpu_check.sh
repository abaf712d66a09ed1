#!/usr/bin/env bash
# tools/gpu_check.sh where there is no GPU, and with one that is played: which stages run, what the table says of them,
# and that one which fails or never ends stops no other.
set -euo pipefail
source_dir=${TENGEN_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*" >&2; [ ! -e "$work/said" ] || cat "$work/said" >&2; exit 1; }
has() { grep -Eq -- "$1" "$work/said" || fail "no \"$1\""; }
# gpu_check EXIT ARGUMENT...
gpu_check() {
    local expected=$1 got=0
    shift
    "$source_dir/tools/gpu_check.sh" --build "$work/build" "$@" >"$work/said" 2>&1 || got=$?
    [ $got = "$expected" ] || fail "$*: exit $got instead of $expected"
}
mkdir -p "$work/bin" "$work/build/tests"
export TENGEN_RESULTS=$work/results PYTHON=$work/bin/python CUDNN_ROOT=/nowhere NCCL_ROOT=/nowhere
# program NAME: an executable of these lines.
program() { { echo '#!/usr/bin/env bash'; cat; } >"$work/$1"; chmod +x "$work/$1"; }

program bin/nvidia-smi <<<'echo "No devices were found"; exit 6'
export PATH=$work/bin:$PATH
gpu_check 77
has 'no GPU; nvidia-smi: No devices were found'
gpu_check 0 --dry-run
for stage in build gpu unit memcheck racecheck initcheck check train ops net_resnet selfplay env pytorch_resnet ppo_breakout; do has "^$stage "; done
gpu_check 0 --dry-run --stages ops,net_resnet
[ "$(wc -l <"$work/said")" = 2 ] || fail "two stages are asked for"
gpu_check 2 --stages ops,net
has 'there is no stage net'

program bin/nvidia-smi <<<'[[ $* != *compute_cap* ]] && echo "Test GPU X1, 999.1" || echo "Test GPU X1, 999.1, 9.0"'
gpu_check 1 --stages ops
has 'run the stage build first'

program bin/cmake <<<'echo "$*"'
program bin/ctest <<<'[[ $* != *\^gpu* ]] || sleep 60; echo "100% tests passed, 0 tests failed out of 7"'
program bin/compute-sanitizer <<<'[ $2 != racecheck ] || exit 9; echo "========= ERROR SUMMARY: 0 errors"'
program bin/python <<'PYTHON'
[ "$1" = -c ] && exit 0
script=$1
while [ "$1" != --json ]; do shift; done
if [ "$script" = benchmarks/ppo_device_compare.py ]; then
    echo '{"machine": "X"}
{"name": "ppo_device.cartpole.n4096.tengen.t8.steps", "value": 9e6, "unit": "steps/s"}
{"name": "ppo_device.cartpole.n4096.ratio", "value": 1.2, "unit": "of PyTorch"}
{"name": "ppo_device.cartpole.n4096.bar", "value": 1.0, "unit": "of PyTorch"}
{"name": "ppo_device.cartpole.goal.ratio", "value": 0.9, "unit": "of 10000000 steps/s"}
{"name": "ppo_device.cartpole.goal.bar", "value": 1.0, "unit": "of 10000000 steps/s"}' >"$2"
    exit 3 # it did not get to the end
fi
echo '{"machine": "X"}
{"name": "compare.resnet.infer.b32.ratio.bf16", "value": 1.05, "unit": "of PyTorch"}
{"name": "compare.resnet.train.b32.ratio.bf16", "value": 1.02, "unit": "of PyTorch"}
{"name": "compare.resnet.train.b32.bar.bf16", "value": 1.0, "unit": "of PyTorch"}' >"$2"
PYTHON
program build/tengen <<'TENGEN'
case "$1 $2" in
--version*) echo "tengen 0 (abc)" ;;
"check mlp") echo "policy.fc is the first beyond tolerance" >&2; exit 1 ;;
check*) echo "largest error 1e-6 in x" ;;
"bench ops") echo '{"name": "ops.large_rows.fill.f32.share", "value": 0.91, "unit": "of peak"}
{"name": "ops.large_rows.scale.f32.share", "value": 0.70, "unit": "of peak"}' ;;
"bench net") echo '{"name": "net.resnet_10x128_19.train.b256.bf16.share", "value": 0.5, "unit": "of peak"}
{"name": "net.resnet_10x128_19.train.b64.bf16.share", "value": 0.4, "unit": "of peak"}' ;;
eval*) echo '{"name": "eval.return.mean", "value": 500, "unit": "return"}' ;;
bench*) echo '{"name": "selfplay.moves", "value": 12, "unit": "moves/s"}' ;;
esac
TENGEN
TENGEN_STAGE_SECONDS=1 gpu_check 1 --stages gpu
has '^gpu +failed +- +was stopped after 1 s'
gpu_check 1 --stages build,unit,memcheck,racecheck,check,train,ops,net_resnet,selfplay,pytorch_resnet,ppo_cartpole
has '^Test GPU X1, driver 999.1, compute capability 9.0'
has '^build +passed +- +architecture 90$'
has '^gpu +failed +- +was stopped after 1 s'
has '^unit +passed +- +100% tests passed'
has '^memcheck gpu_ops +passed +- +ERROR SUMMARY: 0 errors'
has '^racecheck gpu_ops +failed'
has '^check resnet bf16 +passed +- +largest error 1e-6'
has '^check mlp f32 +failed +- +policy.fc is the first'
has '^train ppo_cartpole +passed'
has '^learn dqn_cartpole +passed +475 +return 500'
has '^ops.large_rows.fill.f32 +passed +0.8 +0.91 of'
has '^ops.large_rows.scale.f32 +missed +0.8 +0.70 of'
has '^net resnet +passed +- +2 figures in'
has '^net.resnet_10x128_19.train.b256.bf16.share +- +- +0.5'
has '^selfplay.moves +- +- +12'
has '^compare.resnet.infer.b32.ratio.bf16 +- +- +1.05 of PyTorch'
has '^compare.resnet.train.b32.ratio.bf16 +passed +1.0 +1.02 of PyTorch'
has '^ppo_cartpole +failed +- +exit 3: '
has '^ppo_device.cartpole.n4096.ratio +passed +1.0 +1.2 of PyTorch'
has '^ppo_device.cartpole.goal.ratio +missed +1.0 +0.9 of 10000000 steps/s'

# The stage that was stopped and those that were not asked for are the rest, and the table keeps the others' rows.
gpu_check 0 --dry-run --stages rest
[ "$(cut -d ' ' -f 1 "$work/said" | tr '\n' ' ')" = \
    "gpu initcheck net_alphago_policy net_resnet_20x256 net_nature_cnn env pytorch_alphago_policy pytorch_resnet_20x256 pytorch_nature_cnn ppo_breakout ppo_space_invaders " ] || fail "another rest"
gpu_check 1 --stages env
has '^check mlp f32 +failed'
has '^env +passed'

# What is kept is JSON, and says where it comes from.
python3 - "$work/results" <<'CHECK'
import json, pathlib, sys

folder = pathlib.Path(sys.argv[1])
for name in ("check", "ops", "selfplay"):
    head, *rows = [json.loads(line) for line in (folder / f"test_gpu_x1_{name}.jsonl").open()]
    assert rows and head["driver"] == "999.1" and head["commit"] and head["command"], head
    assert "Test GPU X1" in head["machine"], head
rows = [json.loads(line) for line in (folder / "test_gpu_x1_check.jsonl").open()][1:]
assert {"check": "ops.large_rows.scale.f32", "result": "missed", "figure": "0.70 of a copy's bandwidth", "bar": 0.8} in rows
CHECK
