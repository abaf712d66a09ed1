#!/usr/bin/env bash
# A disk that is full while a run saves ends the run with one line; what was saved before is intact, and the run goes on
# from it. A limit on the size of files stands for the disk.
set -euo pipefail
fail() { echo "$*" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >tiny.ini <<'INI'
[run]
algorithm = ppo
iterations = 4
checkpoint_every = 2
device = cpu
dir = run
[env]
name = cartpole
count = 8
[net]
model = mlp
channels = 64
[ppo]
horizon = 32
INI
"$TENGEN" train tiny.ini run.dir=whole run.iterations=8 --quiet 2>log || { cat log; fail "the run without a limit"; }
"$TENGEN" train tiny.ini --quiet 2>log || { cat log; fail "the first half"; }
(find run/checkpoints -type f -exec md5sum {} + | sort) >before

# full KILOBYTES ARGUMENTS...: fails with one line that names the file, and leaves no other file behind.
full() {
    local size=$1 got=0
    shift
    (trap '' XFSZ && ulimit -f "$size" && exec "$TENGEN" train "$@" --quiet 2>err) || got=$?
    if [ "$got" != 1 ] || [ "$(grep -c '^tengen: ' err)" != 1 ]; then cat err; fail "a limit of $size KB: exit $got"; fi
    grep -q "$text" err || { cat err; fail "a limit of $size KB: not with: $text"; }
    if [ -n "$(find . -name '*.tmp')" ]; then fail "a limit of $size KB: something was left behind"; fi
}
text='run/checkpoints/000000006.h5: .*run/checkpoints/000000004.h5 is intact.*tengen train --resume run'
for size in 8 40 80; do
    full $size --resume run run.iterations=8
    (find run/checkpoints -type f -exec md5sum {} + | sort) | cmp - before || fail "a full disk changed a checkpoint"
done
text='run2/checkpoints/000000000.h5: '
full 8 tiny.ini run.dir=run2

"$TENGEN" train --resume run run.iterations=8 --quiet 2>log || { cat log; fail "with room again"; }
# All figures but the times, which stand second and last.
figures() { cut -d, -f1,3- "$1/metrics.csv" | sed 's/,[^,]*$//'; }
cmp <(figures run) <(figures whole) || fail "the run did not go on as if nothing had happened"
