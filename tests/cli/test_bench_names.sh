#!/usr/bin/env bash
# Every figure has a name that benchmarks/README.md documents, and is JSON of the promised form.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

"$TENGEN" bench env env.count=64 --seconds 0.01 --json >>figures
"$TENGEN" bench env env.count=64 --seconds 0.01 --device cpu --json >>figures
"$TENGEN" bench go --size 7 --seconds 0.01 --json >>figures
"$TENGEN" bench ops --seconds 0.01 --filter _7x7 --device cpu --json >>figures
for shape in frames_ rows_6. rollout_ units_64 weights_ linear_64_64.; do
    "$TENGEN" bench ops --seconds 0.01 --filter "ops.$shape" --device cpu --json >>figures
done
"$TENGEN" bench net resnet --blocks 1 --channels 16 --size 5 --batch 1,32 --seconds 0.01 --device cpu --json >>figures
"$TENGEN" bench selfplay --blocks 1 --channels 16 --size 5 --games 8 --group 4 --simulations 2 --seconds 0.1 \
    --device cpu --json >>figures
"$TENGEN" match random random --size 5 --games 4 --quiet --json >>figures
"$TENGEN" check mlp --device cpu --all --json >>figures
printf '(;GM[1]SZ[9];B[ee];W[])' >game.sgf
"$TENGEN" sgf --replay game.sgf --json >>figures
for algorithm in ppo_cartpole alphazero_tictactoe; do
    "$TENGEN" train "$TENGEN_SOURCE/configs/$algorithm.ini" run.dir=run run.iterations=1 run.device=cpu --quiet 2>/dev/null
    "$TENGEN" eval run --episodes 2 run.device=cpu --json 2>/dev/null >>figures
    rm -r run
done
export PYTHONPATH=$TENGEN_SOURCE/tests/env/fake # for Atari
"$TENGEN" bench env atari:pong env.workers=1 env.count=2 --seconds 0.01 --json >>figures
"$TENGEN" train "$TENGEN_SOURCE/configs/ppo_atari_pong.ini" run.dir=run run.iterations=1 env.count=2 env.workers=1 actor.groups=1 \
    ppo.horizon=4 ppo.minibatches=1 --quiet 2>/dev/null
"$TENGEN" eval run --episodes 2 --json 2>/dev/null >>figures
unset PYTHONPATH

# Every operation is timed.
sed -n 's/^OP(\([a-z0-9_]*\),.*/\1/p' "$TENGEN_SOURCE/include/tengen/ops.def" | while read -r operation; do
    grep -q "\"ops\.[A-Za-z0-9_]*\.$operation\.f32\.us\"" figures || { echo "bench ops does not time $operation" >&2; exit 1; }
done

python3 - "$TENGEN_SOURCE/benchmarks/README.md" figures <<'PYTHON'
import json, re, sys

documented = []
for line in open(sys.argv[1]):
    if line.startswith("| `"):
        documented += re.findall(r"`([^`]+)`", line.split("|")[1])
documented = [name for name in documented if not name.startswith(("compare.", "peers.", "ppo_device."))]  # need PyTorch
words = {"TENSOR": "[a-z0-9_.]+"}  # other words in capitals stand for a part without dots
patterns = {
    name: re.compile(re.sub("[A-Z]+", lambda word: words.get(word[0], "[A-Za-z0-9_]+"), name.replace(".", r"\.")))
    for name in documented
}
seen, unknown = set(), set()
for line in open(sys.argv[2]):
    figure = json.loads(line)
    assert list(figure) == ["name", "value", "unit"], line
    assert isinstance(figure["unit"], str) and isinstance(figure["value"], (int, float, type(None))), line
    found = [name for name, pattern in patterns.items() if pattern.fullmatch(figure["name"])]
    seen.update(found)
    if not found:
        unknown.add(figure["name"])
if unknown:
    sys.exit("not in benchmarks/README.md: " + ", ".join(sorted(unknown)))
missing = set(documented) - seen
if missing:
    sys.exit("documented, but not printed: " + ", ".join(sorted(missing)))
PYTHON
