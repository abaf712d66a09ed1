#!/usr/bin/env bash
# tengen match from the command line: figures, records, engines of its own kind, errors, Ctrl-C.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
tengen=${TENGEN:?path of the program}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

"$tengen" match random:gentle random --games 20 --size 5 --komi 0.5 --threads 2 --json --quiet --sgf records >figures
for name in games wins draws losses winrate winrate.low winrate.high elo elo.low elo.high forfeits.a forfeits.b length; do
    grep -q "\"name\": \"match.$name\", \"value\": [-0-9.e+]*, \"unit\"" figures || fail "no match.$name in $(cat figures)"
done
grep -q '"match.games", "value": 20,' figures || fail "not 20 games"
[ "$(find records -name 'game-*.sgf' | wc -l)" -eq 20 ] || fail "not 20 records"
"$tengen" sgf records --replay --ko positional --json --quiet >counted
grep -q '"sgf.games", "value": 20,' counted || fail "the records are not read back"
grep -q '"sgf.illegal", "value": 0,' counted || fail "the records are not legal"

# The same games with another number of threads.
"$tengen" match random:gentle random --games 20 --size 5 --komi 0.5 --threads 1 --json --quiet --sgf again >figures1
diff figures figures1 || fail "the result depends on --threads"
diff -r records again || fail "the games depend on --threads"

# Against itself through GTP.
"$tengen" match random:gentle "gtp:exec '$tengen' gtp --player random" --games 4 --size 5 --json --quiet >figures
grep -q '"match.forfeits.b", "value": 0,' figures || fail "the engine forfeits against itself"

refused() { # status, part of the text, arguments
    local expected=$1 text=$2 status
    shift 2
    set +e
    "$tengen" match "$@" >out 2>err
    status=$?
    set -e
    [ $status -eq "$expected" ] || fail "match $*: status $status instead of $expected"
    grep -q -- "$text" err || fail "match $*: \"$(cat err)\" has no \"$text\""
}
refused 2 "needs two players" random
refused 2 "no such file" random nobody.h5
refused 2 "gtp: needs a command" random gtp:
refused 2 "what is" random random random
refused 2 "games" random random --games 0
refused 1 "exit status 127" random gtp:/nowhere/engine
refused 2 "plays Go, not" random "gtp:exec '$tengen' gtp --player random" --game connect4 --games 2

# Ctrl-C ends a long match with what there is.
rm -rf cut
"$tengen" match random:gentle random:gentle --games 1000000 --quiet --sgf cut >out 2>err &
match=$!
for _ in {1..200}; do
    [ -z "$(find cut -name 'game-*.sgf' -print -quit 2>/dev/null)" ] || break
    sleep 0.1
done
kill -INT $match
set +e
wait $match
status=$?
set -e
[ $status -eq 130 ] || fail "Ctrl-C: status $status instead of 130"
grep -q "match.games" out || fail "Ctrl-C: no figures"
grep -q "stopped after" err || fail "Ctrl-C: no word"
echo passed
