#!/usr/bin/env bash
# What a run takes of memory is said before it begins; what does not fit is refused, with a size that does, and leaves
# nothing; `auto` becomes a number. TENGEN_MEMORY stands for a small machine.
set -euo pipefail
fail() { echo "$*" >&2; exit 1; }
has() { grep -q -- "$1" "$2" || { cat "$2"; fail "no \"$1\" in $2"; }; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
config=$TENGEN_SOURCE/configs/alphazero_tictactoe.ini
settings=(run.device=cpu run.dir=run run.iterations=1 run.precision=f32)

"$TENGEN" train "$config" "${settings[@]}" --plan >plan
has '^  training activations .* MiB$' plan
has '^  all  ' plan
[ ! -e run ] || fail "a plan began a run"

got=0
TENGEN_MEMORY=64 "$TENGEN" train "$config" "${settings[@]}" alphazero.batch=32768 2>err || got=$?
[ "$got" = 1 ] || fail "what does not fit: exit $got"
[ "$(wc -l <err)" = 1 ] || { cat err; fail "not one line"; }
has 'most of it for training activations .* are free: alphazero.batch = [0-9]* is the largest that fits' err
[ ! -e run ] || fail "a refused run left its folder"
largest=$(sed 's/.*alphazero.batch = \([0-9]*\) is.*/\1/' err)
TENGEN_MEMORY=64 "$TENGEN" train "$config" "${settings[@]}" alphazero.batch="$largest" --plan >plan || fail "$largest does not fit"
got=0
TENGEN_MEMORY=64 "$TENGEN" train "$config" "${settings[@]}" alphazero.batch=32768 --plan >plan 2>err || got=$?
[ "$got" = 1 ] || fail "the plan of what does not fit: exit $got"
has '^  free now ' plan

"$TENGEN" train "$config" "${settings[@]}" alphazero.batch=auto selfplay.group=auto run.threads=2 --quiet 2>log ||
    { cat log; fail "auto"; }
has 'memory: .*training activations' log
has 'alphazero.batch = auto: 256' log
has '^batch = 256$' run/config.ini
"$TENGEN" train --resume run run.iterations=2 --quiet 2>log || { cat log; fail "resume"; }

for batch in 0 many; do
    if "$TENGEN" train "$config" "${settings[@]}" run.dir=other alphazero.batch=$batch 2>err; then fail "batch = $batch"; fi
    [ "$(wc -l <err)" = 1 ] || { cat err; fail "not one line"; }
done
has 'nor `auto`' err
