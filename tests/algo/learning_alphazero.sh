#!/usr/bin/env bash
# A short run of tic-tac-toe through the program: afterwards the search never loses to a search that knows nothing, and
# the raw policy beats random play.
set -euo pipefail
rm -rf run weights.h5
"$TENGEN" train "$TENGEN_SOURCE/configs/alphazero_tictactoe.ini" run.dir=run run.iterations=40 run.device=cpu --quiet
"$TENGEN" export run weights.h5
"$TENGEN" match weights.h5 uniform --games 100 --simulations 50 --opening-moves 0 --json | tee figures
losses=$(sed -n 's/.*"match.losses", "value": \([0-9]*\).*/\1/p' figures)
[ "$losses" = 0 ] || { echo "$losses games lost"; exit 1; }
"$TENGEN" match policy:weights.h5 random --games 200 --json | tee figures
rate=$(sed -n 's/.*"match.winrate", "value": \([0-9.]*\).*/\1/p' figures)
awk -v rate="$rate" 'BEGIN { exit !(rate >= 0.85) }' || { echo "win rate $rate, less than 0.85"; exit 1; }
