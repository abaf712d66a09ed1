#!/usr/bin/env bash
# A run with worker processes asks one of them what its environment is like, for the plan of its memory, and then starts each
# once, which resets an environment to see whether it has masks; a run that is refused starts no other, and plans reset nothing
# else.
set -euo pipefail
python3 -c '' || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONPATH=$TENGEN_SOURCE/tests/env/fake TENGEN_FAKE_LOG=$work/log
train=("$TENGEN" train "$TENGEN_SOURCE/configs/ppo_cartpole.ini" run.dir="$work/run" run.device=cpu run.iterations=1
    env.name=gym:Counter-v0 env.python="$PYTHONPATH/python.sh" env.workers=2)

# expect STARTS PLAYED WHAT
expect() {
    local starts resets
    starts=$(grep -c '^start$' "$TENGEN_FAKE_LOG" || true)
    resets=$(grep -c '^reset$' "$TENGEN_FAKE_LOG" || true)
    [ "$starts $((resets > starts))" = "$1 $2" ] || { echo "$3: $starts starts, $resets resets"; exit 1; }
    rm "$TENGEN_FAKE_LOG"
}

"${train[@]}" --quiet
expect 3 1 "a run"
"${train[@]}" --plan >/dev/null
expect 1 0 "a plan"
if TENGEN_MEMORY=64 "${train[@]}" run.dir="$work/other" env.count=500000 ppo.horizon=16 2>"$work/error"; then echo "was not refused"; exit 1; fi
grep -q 'env.count = [0-9]* is the largest that fits' "$work/error" || { cat "$work/error"; exit 1; }
expect 1 0 "a refused run"
