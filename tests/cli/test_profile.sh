#!/usr/bin/env bash
# tengen train --profile: the lines of the table add up to the time of the iterations, and the run's bits stay the same.
set -euo pipefail
fail() { echo "$*" >&2; exit 1; }
has() { grep -q -- "$1" "$2" || { cat "$2"; fail "no \"$1\" in $2"; }; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
configs=$TENGEN_SOURCE/configs

# adds_up LOG NAME...: shares and times of the main thread's lines sum up; lines of these names are among them.
adds_up() {
    local log=$1
    shift
    sed -n '/^  host, main thread/,/^  all /p' "$log" | sed 1d >lines
    awk '{ all = $1 == "all"; for (i = 1; i <= NF; i++) if ($i == "s") { t = $(i - 1); p = $(i + 1); sub("%", "", p); break } }
        all { wall = t; next }
        { time += t; share += p }
        END { if (!(wall > 0) || time < 0.95 * wall || time > 1.05 * wall || share < 95 || share > 105) {
                  print time " of " wall " s, " share "%"; exit 1 } }' lines || { cat "$log"; fail "the lines do not add up"; }
    for name; do has "^  $name " lines; done
}

"$TENGEN" train "$configs/alphazero_tictactoe.ini" run.dir=a run.iterations=4 run.device=cpu run.threads=2 --quiet --profile 2>log
has 'profile of 4 iterations' log
has '^  device, acting' log
has '^  device, learn' log
has '^  conv_forward ' log
has '^  sgd_step ' log
adds_up log search encode evaluate sample learn save operations other
has 'profile of 4 iterations' a/log.txt
"$TENGEN" train "$configs/alphazero_tictactoe.ini" run.dir=b run.iterations=4 run.device=cpu run.threads=2 --quiet 2>log
if grep -q profile log; then fail "a profile that nobody asked for"; fi
"$TENGEN" export a a.h5 2>log
"$TENGEN" export b b.h5 2>log
"$TENGEN" eval a.h5 --episodes 10 --json >figures.a 2>log
"$TENGEN" eval b.h5 --episodes 10 --json >figures.b 2>log
cmp figures.a figures.b || fail "profiling changed the run"

# Ctrl-C: the table comes before the end.
"$TENGEN" train "$configs/ppo_cartpole.ini" run.dir=c run.iterations=100000 run.device=cpu --quiet --profile 2>log &
process=$!
while [ ! -s c/metrics.csv ]; do sleep 0.05; done
sleep 0.2
kill -INT $process
got=0
wait $process || got=$?
[ "$got" = 130 ] || { cat log; fail "interrupted: exit $got"; }
has '^profile of [1-9]' log
adds_up log act gather learn save operations other
has '^  adam_step ' log
