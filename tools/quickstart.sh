#!/usr/bin/env bash
# From a fresh clone to a network that has taught itself 7x7 Go: installs what is missing, builds, trains for at most
# ten minutes on two CPU cores, and shows what was learned. Safe to run again: a finished run is shown, an interrupted
# one goes on.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/install.sh build

echo "== building =="
if [ ! -f build/CMakeCache.txt ]; then
    cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release
fi
cmake --build build

tengen=build/tengen
run=runs/alphazero_go7
"$tengen" info

echo
echo "== training: 7x7 Go by self-play (configs/alphazero_go7.ini) =="
if compgen -G "$run/checkpoints/*.h5" >/dev/null; then
    "$tengen" train --resume "$run"
else
    "$tengen" train configs/alphazero_go7.ini run.dir="$run"
fi
"$tengen" export "$run" "$run/weights.h5" --force

echo
echo "== what was learned =="
"$tengen" curve "$run" policy_loss value_loss
echo "The raw policy, one forward pass a move, against a uniform random player:"
"$tengen" match "policy:$run/weights.h5" random --games 200
echo
echo "With search, against the untrained network with the same search:"
"$tengen" match "$run/weights.h5" "untrained:$run/weights.h5" --games 200 --simulations 64 --opening-moves 2

cat <<EOF

Play against it with any program that speaks GTP (Sabaki, GoGui, q5Go, ...); the command for its engine list is
    $PWD/$tengen gtp --weights $PWD/$run/weights.h5
The network that the repository ships, trained longer (configs/alphazero_go7_long.ini):
    $PWD/$tengen gtp --weights $PWD/models/go7.h5
EOF
