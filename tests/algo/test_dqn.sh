#!/usr/bin/env bash
# Every switch of dqn, alone and all together, finds the way between the mines of a grid world: 4 steps, a return of 96.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >dqn.ini <<'INI'
[run]
algorithm = dqn
iterations = 60
threads = 1
device = cpu
[env]
name = gridworld
map = S.M/.../M.E
count = 8
[net]
model = mlp
head = q
blocks = 1
channels = 64
[optimiser]
kind = adam
rate = 0.002@0 ~0@60
[dqn]
steps = 50
capacity = 20000
learning_starts = 500
train_period = 8
batch = 64
target_period = 50
epsilon = 1@0 ~0.1@30
delta = 10
low = -120
high = 120
INI
while read -r -a settings; do
    rm -rf run
    "$TENGEN" train dqn.ini run.dir=run --quiet "${settings[@]}"
    "$TENGEN" eval run --episodes 10 --json >figures
    least=$(sed -n 's/.*"eval.return.min", "value": \([-0-9.]*\).*/\1/p' figures)
    echo "${settings[*]}: $least"
    [ "$least" = 96 ]
done <<'SWITCHES'
dqn.double_q=false
dqn.double_q=true
dqn.n_step=3
dqn.prioritised=true
net.dueling=true
net.atoms=41
net.noisy=true dqn.epsilon=0
dqn.double_q=true dqn.n_step=3 dqn.prioritised=true net.dueling=true net.atoms=41 net.noisy=true
SWITCHES
# An evaluation that takes any action half of the time is another. It needs no replay, which would not fit here.
"$TENGEN" eval run --episodes 10 --json dqn.eval_epsilon=0.5 dqn.capacity=1 >figures
if grep -q '"eval.return.min", "value": 96' figures; then exit 1; fi

# What does not fit is said before the run.
refused() {
    local text=$1
    shift
    if "$TENGEN" train dqn.ini run.dir=refused "$@" 2>error; then exit 1; fi
    if ! grep -q "$text" error; then
        cat error
        exit 1
    fi
    [ ! -e refused ]
}
refused '\[dqn\] low = 5: must be less than high = 5' net.atoms=2 dqn.low=5 dqn.high=5
refused 'has no output "q", only policy, value; set net.head' net.head=actor_critic
refused '\[dqn\] capacity: a replay of 10 steps is too short for 8 environments: 32 are the least' dqn.capacity=10
refused 'its actions are continuous, but dqn needs' env.name=pendulum
