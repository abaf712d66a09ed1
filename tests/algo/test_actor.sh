#!/usr/bin/env bash
# Acting: two groups of environments that alternate see and do what one does; actions and algorithms that do not fit are
# refused with a remedy.
set -euo pipefail

figures() { cut -d, -f1,3-14 "$1/metrics.csv"; }

for groups in 1 2; do
    rm -rf "groups$groups"
    "$TENGEN" train "$TENGEN_SOURCE/configs/ppo_cartpole.ini" run.dir="groups$groups" run.iterations=3 run.device=cpu \
        actor.groups="$groups" --quiet
done
[ "$(figures groups1)" = "$(figures groups2)" ] || { echo "two groups lived through something else than one"; exit 1; }

# refuse WHAT-THE-ERROR-SAYS CONFIG SETTING...
refuse() {
    local text=$1 config=$2
    shift 2
    rm -rf refused
    if "$TENGEN" train "$TENGEN_SOURCE/configs/$config.ini" run.dir=refused run.device=cpu "$@" --quiet 2>error; then
        echo "was not refused: $*"
        exit 1
    fi
    grep -q "$text" error || { echo "no \"$text\" in:"; cat error; exit 1; }
    [ ! -e refused ] || { echo "a refused run left a directory"; exit 1; }
}
refuse "groups = 2: must divide the 7 environments" ppo_cartpole env.count=7 actor.groups=2 ppo.horizon=8
refuse "shows pixels" ppo_cartpole env.name=breakout actor.normalise_observations=true net.model=minatar_cnn
refuse "has no output .value." ppo_cartpole net.head=policy
refuse "its actions are continuous" q_learning_gridworld env.name=pendulum
