#!/usr/bin/env bash
# PyTorch computes from an exported file what the program computes. Skipped where torch or h5py is missing;
# TENGEN_PYTHON names another interpreter.
set -euo pipefail
python=${TENGEN_PYTHON:-python3}
"$python" -c 'import torch, h5py' 2>/dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir out

cat >go.ini <<'INI'
[run]
algorithm = alphazero
iterations = 3
device = cpu
dir = go
[game]
name = go
size = 5
[net]
model = resnet
blocks = 2
channels = 16
value_hidden = 16
[search]
simulations = 8
[selfplay]
games = 8
group = 4
moves = 12
fast_simulations = 4
[alphazero]
batch = 16
start_games = 1
INI
cat >cart.ini <<'INI'
[run]
algorithm = ppo
iterations = 3
device = cpu
dir = cart
[env]
name = cartpole
count = 8
[net]
model = mlp
blocks = 2
channels = 16
[optimiser]
kind = adam
[ppo]
horizon = 32
minibatches = 4
INI
cat >game.ini <<'INI'
[run]
iterations = 3
device = cpu
[env]
name = breakout
count = 4
[net]
model = minatar_cnn
[optimiser]
kind = adam
INI
cat >values.ini <<'INI'
[run]
algorithm = dqn
iterations = 3
device = cpu
dir = values
[env]
name = cartpole
count = 4
[net]
model = mlp
head = q
blocks = 2
channels = 16
[dqn]
steps = 50
learning_starts = 100
INI
"$TENGEN" train game.ini run.algorithm=a2c run.dir=game --quiet
"$TENGEN" train game.ini run.algorithm=dqn run.dir=rainbow --quiet net.head=q net.dueling=true net.atoms=5 net.noisy=true \
    dqn.steps=50 dqn.learning_starts=100
# A game of Atari, by what stands for the Arcade Learning Environment in tests; nothing is played.
export PYTHONPATH=$TENGEN_SOURCE/tests/env/fake
"$TENGEN" train game.ini run.algorithm=dqn run.dir=nature --quiet net.head=q net.model=nature_cnn run.iterations=0 \
    env.name=atari:pong env.workers=1 env.python="$python" dqn.capacity=100
"$TENGEN" export nature out/nature.h5 --example
unset PYTHONPATH
"$python" "$TENGEN_SOURCE/tools/load_weights.py" out/nature.h5
for run in go cart values; do
    "$TENGEN" train "$run.ini" --quiet
done
"$TENGEN" train cart.ini run.dir=memory net.gru_units=8 --quiet
"$TENGEN" train game.ini run.algorithm=a2c run.dir=remembered net.gru_units=8 --quiet
for run in go cart values game rainbow memory remembered; do
    "$TENGEN" export "$run" "out/$run.h5" --example
    "$python" "$TENGEN_SOURCE/tools/load_weights.py" "out/$run.h5"
done
# A file without examples says so.
"$TENGEN" export cart out/plain.h5
if "$python" "$TENGEN_SOURCE/tools/load_weights.py" out/plain.h5 2>error; then exit 1; fi
grep -q 'holds no /example' error
