#!/usr/bin/env bash
# The program as a GTP engine on pipes: whole sessions, analysis that the next line ends, thinking that is interrupted.
set -euo pipefail
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
for wrong in "gtp" "gtp --player nobody" "gtp --player random --simulations x" "gtp --player random --nonsense"; do
    set +e
    # shellcheck disable=SC2086
    "$tengen" $wrong </dev/null >out 2>err
    status=$?
    set -e
    [ $status -eq 2 ] || fail "tengen $wrong: status $status instead of 2"
    [ -s err ] || fail "tengen $wrong: no error text"
done

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
