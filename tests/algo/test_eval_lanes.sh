#!/usr/bin/env bash
# How many environments play at once in an evaluation is asked for by env.count, whatever the run was trained with, and changes
# no figure.
set -euo pipefail
python3 -c '' || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export PYTHONPATH=$TENGEN_SOURCE/tests/env/fake

# same_figures RUN LANES...
same_figures() {
    local run=$1 lanes
    shift
    "$TENGEN" eval "$run" --episodes 6 --json >figures
    grep -q '"name": "eval.episodes", "value": 6' figures || { cat figures; exit 1; }
    for lanes in "$@"; do
        "$TENGEN" eval "$run" --episodes 6 --json env.count="$lanes" >asked
        cmp figures asked || { echo "$run with $lanes environments"; exit 1; }
    done
}

train=("$TENGEN" train "$TENGEN_SOURCE/configs/ppo_cartpole.ini" run.device=cpu run.iterations=1 env.count=4 ppo.horizon=16 --quiet)
"${train[@]}" run.dir=ours
same_figures ours 1 4 5
"${train[@]}" run.dir=outside env.name=gym:Counter-v0 env.workers=1
same_figures outside 5
if "$TENGEN" eval ours env.count=0 2>error; then echo "was not refused"; exit 1; fi
grep -q 'env.count=0: out of range' error || { cat error; exit 1; }
