#!/usr/bin/env bash
# Ctrl-C saves first, exits with 130 and says how to go on; a kill -9 at any moment leaves a run that goes on.
set -euo pipefail
fail() { echo "$*" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >tiny.ini <<'INI'
[run]
algorithm = ppo
iterations = 100000000
checkpoint_every = 40
device = cpu
threads = 1
dir = run
[env]
name = cartpole
count = 8
[net]
model = mlp
channels = 16
[optimiser]
kind = adam
[ppo]
horizon = 32
minibatches = 4
INI
trained() { tail -n 1 run/metrics.csv | cut -d, -f1; }
wait_for_rows() {
    for _ in $(seq 200); do
        if [ -f run/metrics.csv ] && [ "$(wc -l <run/metrics.csv)" -gt "$1" ]; then return; fi
        sleep 0.05
    done
    fail "no training within 10 seconds"
}

set -m # children with SIGINT as it is on a terminal
for signal in INT TERM HUP; do
    [ -d run ] && start="--resume run" || start=tiny.ini
    rows=$([ -f run/metrics.csv ] && wc -l <run/metrics.csv || echo 0)
    # shellcheck disable=SC2086
    "$TENGEN" train $start --quiet 2>log &
    child=$!
    wait_for_rows $((rows + 3))
    kill -$signal $child
    code=0
    wait $child || code=$?
    [ $code = 130 ] || fail "SIG$signal: exit $code"
    grep -q 'go on with: tengen train --resume run' log || { cat log; fail "no resume command"; }
    newest=$(ls run/checkpoints/*.h5 | tail -1)
    [ "$(basename "$newest" .h5)" = "$(printf %09d "$(trained)")" ] || fail "the last iteration was not saved"
done

newest_saved() { basename "$(printf '%s\n' run/checkpoints/*.h5 | tail -1)" .h5 | sed 's/^0*//'; }

# The reader of the log is gone before the signal comes: the state is saved all the same.
("$TENGEN" train --resume run 2>&1 & echo $! >child) | head -n 1 >/dev/null
sleep 1
kill -0 "$(cat child)" 2>/dev/null || fail "a broken pipe ended the training"
kill -INT "$(cat child)"
for _ in $(seq 200); do kill -0 "$(cat child)" 2>/dev/null && sleep 0.05; done
[ "$(newest_saved)" = "$(trained)" ] || fail "with its log gone the last iteration was not saved"

# What was ignored stays ignored: a hangup does not end what nohup started.
(trap '' HUP; exec "$TENGEN" train --resume run --quiet 2>log) &
child=$!
sleep 0.5
kill -HUP $child
sleep 0.5
kill -0 $child 2>/dev/null || fail "a hangup ended what ignores it"
kill -INT $child
wait $child || true

for round in $(seq 8); do
    before=$(newest_saved) # rows behind it are trained again
    "$TENGEN" train --resume run run.checkpoint_every=1 --quiet 2>log &
    child=$!
    sleep "0.$((RANDOM % 4))$round"
    kill -KILL $child
    wait $child || true
    "$TENGEN" eval run --episodes 1 >/dev/null 2>log || { cat log; fail "round $round: the run was lost"; }
done
[ "$(trained)" -ge "$before" ] || fail "rows were lost"
next=$(($(newest_saved) + 2))
"$TENGEN" train --resume run run.iterations=$next --quiet 2>log || { cat log; fail "resume"; }
cut -d, -f1 run/metrics.csv | tail -n +2 | cmp - <(seq "$next") || fail "rows are not one an iteration"
if compgen -G "run/checkpoints/*tmp*" >/dev/null; then fail "leftovers"; fi
