#!/usr/bin/env bash
# Acting: two groups of environments that alternate see and do what one does; actions and algorithms that do not fit are
# refused with a remedy.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

figures() { cut -d, -f1,3-14 "$1/metrics.csv"; }

for groups in 1 2; do
    rm -rf "groups$groups"
    "$TENGEN" train "$TENGEN_SOURCE/configs/ppo_cartpole.ini" run.dir="groups$groups" run.iterations=3 run.device=cpu \
        actor.groups="$groups" --quiet
done
[ "$(figures groups1)" = "$(figures groups2)" ] || { echo "two groups lived through something else than one"; exit 1; }

# Learning unrolls recurrent units as acting carried them, over episodes' ends and from iteration to iteration: before the
# first step of an iteration the policy is the one that acted, so that all ratios are 1.
for groups in 1 2; do
    rm -rf recurrent
    "$TENGEN" train "$TENGEN_SOURCE/configs/ppo_cartpole_hidden.ini" run.dir=recurrent run.iterations=5 run.device=cpu \
        actor.groups="$groups" env.count=16 ppo.epochs=1 ppo.minibatches=1 optimiser.rate=0.01 --quiet
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        { kl = $at["kl"]; if (!(kl < 1e-7 && kl > -1e-7) || $at["episodes"] < 1) exit 1 }
        END { exit NR != 6 }' recurrent/metrics.csv || { cat recurrent/metrics.csv; exit 1; }
done

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
refuse "must divide the 32 environments, whose steps" ppo_cartpole_hidden env.count=32 ppo.minibatches=64
refuse "use ppo or a2c" reinforce_cartpole net.gru_units=8
refuse "ppo and a2c do, elsewhere it must be 0" alphazero_tictactoe net.gru_units=8
refuse "resnet with head = actor_critic has no recurrent units" ppo_cartpole net.model=resnet net.gru_units=8
refuse "has no output .value." ppo_cartpole net.head=policy
refuse "its actions are continuous" q_learning_gridworld env.name=pendulum
