#!/usr/bin/env bash
# tengen export: what --force overwrites and what not, and that no damage to an export goes unnoticed.
set -euo pipefail
fail() { echo "$*" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# refuses TEXT ARGUMENTS...: fails with one line on stderr, which holds TEXT.
refuses() {
    local text=$1 got=0
    shift
    "$TENGEN" "$@" >out 2>all </dev/null || got=$?
    grep -v '^device auto' all >err || true
    if [ "$got" != 1 ] && [ "$got" != 2 ]; then cat err; fail "$*: exit $got"; fi
    if [ "$(wc -l <err)" != 1 ] || ! grep -q -- "$text" err; then cat err; fail "$*: not one line with: $text"; fi
}

"$TENGEN" train "$TENGEN_SOURCE/configs/alphazero_tictactoe.ini" run.dir=run run.iterations=1 run.device=cpu --quiet 2>log ||
    { cat log; fail "the training run"; }
checkpoint=$(echo run/checkpoints/*1.h5)
md5sum "$checkpoint" >before

refuses 'is a checkpoint, .*another name' export run "$checkpoint" --force
refuses 'is a checkpoint, .*another name' export run "$checkpoint"
md5sum --quiet -c before || fail "an export replaced a checkpoint"
mkfifo pipe
refuses 'pipe: is a pipe or a device' export run pipe --force
[ -p pipe ] || fail "an export replaced a pipe"
mkdir folder
refuses 'folder: is a folder' export run folder --force
refuses 'folder: is a folder' export run folder --force --example
[ -z "$(ls folder)" ] && [ -z "$(find . -name '*.tmp')" ] || fail "something was left behind"

"$TENGEN" export run weights.h5 >out
refuses 'is there already' export run weights.h5
cp weights.h5 first.h5
"$TENGEN" export run weights.h5 --force >out
cmp weights.h5 first.h5 || fail "a second export differs"

# One byte anywhere, and the end at any place.
size=$(stat -c %s weights.h5)
for i in $(seq 0 24); do
    at=$((i * (size - 1) / 24))
    cp weights.h5 damaged.h5
    byte=$(od -An -tu1 -j "$at" -N 1 damaged.h5)
    printf "\\x$(printf %x $((byte ^ 16)))" | dd of=damaged.h5 bs=1 seek="$at" conv=notrunc status=none
    refuses 'damaged.h5: truncated or damaged' export damaged.h5 out.h5
    refuses 'damaged.h5: truncated or damaged' gtp --weights damaged.h5
    head -c "$at" weights.h5 >damaged.h5
    refuses 'damaged.h5: ' export damaged.h5 out.h5
done
cp first.h5 damaged.h5
truncate -s 3000 damaged.h5
cp damaged.h5 before.h5
refuses 'is damaged, and may have been a checkpoint' export run damaged.h5 --force
cmp damaged.h5 before.h5 || fail "an export replaced a damaged file"
echo "notes" >foreign.h5
"$TENGEN" export run foreign.h5 --force >out
cmp foreign.h5 first.h5 || fail "what was foreign was not replaced"
cat weights.h5 first.h5 >damaged.h5
refuses 'damaged.h5: truncated or damaged' eval damaged.h5
[ ! -e out.h5 ] || fail "a damaged file was exported"
