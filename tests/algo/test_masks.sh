#!/usr/bin/env bash
# Actions that an environment's masks forbid are never taken, in training nor in evaluation: the fake's Gates raise at one, and
# their worker would be started again. What does not know masks says how to go without.
set -euo pipefail
python3 -c '' || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export PYTHONPATH=$TENGEN_SOURCE/tests/env/fake

# legal NAME COMMAND...: no worker was started again
legal() {
    local name=$1
    shift
    "$TENGEN" "$@" >"$name" 2>&1 || { cat "$name"; exit 1; }
    if grep 'started again' "$name"; then echo "$name: an illegal action"; exit 1; fi
}

for env in one several; do
    for algorithm in ppo a2c; do
        legal "train" train "$TENGEN_SOURCE/configs/${algorithm}_cartpole.ini" run.dir="$algorithm-$env" run.device=cpu run.iterations=3 \
            env.name=gym:Gates-$env env.count=4 env.workers=2 actor.groups=2 optimiser.rate=0.01
        legal "eval" eval "$algorithm-$env" --episodes 8 --json
        grep -q '"eval.return.mean", "value": 4,' eval || { cat eval; exit 1; }
    done
done
if "$TENGEN" train "$TENGEN_SOURCE/configs/dqn_cartpole.ini" run.dir=dqn run.device=cpu env.name=gym:Gates-one 2>error; then
    echo "was not refused"
    exit 1
fi
grep -q 'which dqn does not know; take ppo, or env.masks = false' error || { cat error; exit 1; }
"$TENGEN" train "$TENGEN_SOURCE/configs/dqn_cartpole.ini" run.dir=dqn run.device=cpu run.iterations=0 env.name=gym:Gates-one env.masks=false --quiet
