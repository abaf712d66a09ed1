#!/usr/bin/env bash
# Episodes that die with their worker process count neither in training's figures nor in an evaluation, and restarts are a
# figure; what is wrong with an outside environment is told as such.
set -euo pipefail
python3 -c '' || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export PYTHONPATH=$TENGEN_SOURCE/tests/env/fake
python=$(python3 -c 'import sys; print(sys.executable)') # python3 may be a script that takes long

# train CONFIG SETTING...
train() {
    local config=$1
    shift
    rm -rf run
    "$TENGEN" train "$TENGEN_SOURCE/configs/$config.ini" run.dir=run run.device=cpu run.iterations=1 env.count=4 \
        env.workers=2 env.python="$python" --quiet "$@"
}

# A quarter of the episodes is broken off at step 3; whole ones are five steps long.
while read -r -a settings; do
    train "${settings[@]}" env.name=gym:Counter-crash 2>log
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        $at["length_mean"] == 5 && $at["env_restarts"] > 0 { good = 1 }
        END { exit !good }' run/metrics.csv || { echo "${settings[*]}"; cat run/metrics.csv log; exit 1; }
done <<'ALGORITHMS'
ppo_cartpole ppo.horizon=16 actor.groups=2
dqn_cartpole dqn.steps=16
ALGORITHMS
"$TENGEN" eval run --episodes 12 --json >figures 2>log
grep -q 'started again' log || { echo "no worker died"; exit 1; }
grep -q '"eval.length.mean", "value": 5,' figures || { cat figures; exit 1; }

# fails STATUS TEXT COMMAND...
fails() {
    local status=$1 text=$2 got=0
    shift 2
    "$@" 2>error || got=$?
    grep '^tengen:' error >said || true
    if [ "$got" != "$status" ] || ! grep -q "$text" said || grep -q optimiser said; then
        echo "$*: exit $got"
        cat error
        exit 1
    fi
}
fails 1 'gym:Counter-doomed: none of 10 episodes outlived its worker' \
    "$TENGEN" eval run --episodes 1 env.name=gym:Counter-doomed
fails 1 'given up after 3 restarts: worker .*ValueError: the rules broke' train ppo_cartpole env.name=gym:Counter-broken
fails 1 'of gym:Counter-nan: reward nan after 3 steps' train ppo_cartpole env.name=gym:Counter-nan
fails 1 'of gym:Counter-blurred: number 2 of its observation is -inf after 3 steps' \
    train ppo_cartpole env.name=gym:Counter-blurred
fails 2 "KeyError: 'Other-v0'" train ppo_cartpole env.name=gym:Other-v0
fails 2 'did you mean pong' train ppo_cartpole env.name=atari:Pomg

# Our own environments have no workers.
train ppo_cartpole ppo.horizon=16
if grep -q env_restarts run/metrics.csv; then exit 1; fi
