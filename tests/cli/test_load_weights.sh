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
for run in go cart; do
    "$TENGEN" train "$run.ini" --quiet
    "$TENGEN" export "$run" "out/$run.h5" --example
    "$python" "$TENGEN_SOURCE/tools/load_weights.py" "out/$run.h5"
done
# A file without examples says so.
"$TENGEN" export cart out/plain.h5
if "$python" "$TENGEN_SOURCE/tools/load_weights.py" out/plain.h5 2>error; then exit 1; fi
grep -q 'holds no /example' error
