#!/usr/bin/env bash
# The program as a GTP engine on pipes: whole sessions, analysis that the next line ends, thinking that is interrupted.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
tengen=${TENGEN:?path of the program}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# A session from a file; the answers are compared in full.
"$tengen" gtp --player random --size 5 --komi 0.5 >answers <<'EOF'
# a comment
1 protocol_version

name
2 known_command lz-analyze
boardsize 3
play b B2
play w B2
4 list_stones b
undo
list_stones b
quit
name
EOF
printf '=1 2\n\n= Tengen\n\n=2 true\n\n= \n\n= \n\n? illegal move\n\n=4 B2\n\n= \n\n= \n\n= \n\n' | diff - answers ||
    fail "the session's answers differ"

# Wrong options are refused with status 2 and a text.
for wrong in "gtp" "gtp --player nobody" "gtp --player random --simulations x" "gtp --player random --nonsense" \
    "gtp --player random extra" "gtp --weights a.h5 extra" "gtp --player uniform --resign 2" \
    "gtp --player uniform --memory 0"; do
    set +e
    # shellcheck disable=SC2086
    "$tengen" $wrong </dev/null >out 2>err
    status=$?
    set -e
    [ $status -eq 2 ] || fail "tengen $wrong: status $status instead of 2"
    [ -s err ] || fail "tengen $wrong: no error text"
    [[ $wrong != *extra ]] || [ "$(grep -c '"extra"' err)" -eq 1 ] || fail "tengen $wrong: $(cat err)"
done

# A tree that is full is told of once, and moves go on.
printf 'genmove b\ngenmove w\nquit\n' |
    "$tengen" gtp --player uniform --size 9 --simulations 20000 --memory 1 >answers 2>err
[ "$(grep -c '^= [A-J][1-9]$' answers)" -eq 2 ] || fail "no two moves with a full tree: $(cat answers)"
[ "$(grep -c 'tree is full: .* --memory MIB' err)" -eq 1 ] || fail "a full tree is not told of once: $(cat err)"

# A record is loaded or not as sgf --replay judges it, and for the same reason.
echo '(;SZ[5];B[aa];W[];B[];W[bb])' >goes-on.sgf
"$tengen" sgf --replay --verbose --quiet goes-on.sgf >/dev/null 2>err
printf 'loadsgf goes-on.sgf\n' | "$tengen" gtp --player random >answers
reason=$(sed 's/.*): //' err)
[ "$reason" = "move 4, white B4: the game has ended" ] || fail "sgf --replay says $(cat err)"
grep -qF "? cannot load file: $reason" answers || fail "sgf --replay says $reason, loadsgf $(cat answers)"

coproc ENGINE { "$tengen" gtp --player uniform --simulations 10000000 --size 9; }
say() { printf '%s\n' "$*" >&"${ENGINE[1]}"; }
hear() { IFS= read -r -t 20 line <&"${ENGINE[0]}" || fail "no line from the engine after \"$1\""; }

# Analysis goes on until the next command comes.
say "7 lz-analyze b 2"
hear analyze
[ "$line" = "=7" ] || fail "analysis begins with \"$line\""
for _ in 1 2 3; do
    hear info
    [[ $line == "info move "*" visits "*" winrate "*" order 0 pv "* ]] || fail "no line of analysis: \"$line\""
done
say name
while hear name && [ "$line" != "= Tengen" ]; do
    [[ -z $line || $line == "info move "* ]] || fail "unexpected \"$line\""
done
hear "end of name"

# So it does where nothing is left to think about: every end of two lines is proved.
say "boardsize 2"
hear boardsize
hear "end of boardsize"
say "lz-analyze b 2"
hear analyze
[ "$line" = "=" ] || fail "analysis begins with \"$line\""
sleep 0.5
say "boardsize 9"
while hear boardsize && [ "$line" != "= " ]; do
    [[ -z $line || $line == "info move "* ]] || fail "unexpected \"$line\""
done
hear "end of boardsize"

# Ten million simulations would take minutes.
say "genmove b"
sleep 0.3
say "# interrupt"
hear genmove
[[ $line =~ ^=\ [A-J][1-9]$ ]] || fail "genmove answers \"$line\""
hear "end of genmove"
say quit
hear quit
[ "$line" = "= " ] || fail "quit answers \"$line\""
wait "$ENGINE_PID" 2>/dev/null || true
echo passed
