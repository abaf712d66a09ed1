#!/usr/bin/env bash
# A match against GNU Go: no forfeits, legal records, and nothing dead left for Tromp-Taylor counting to get wrong.
set -euo pipefail
tengen=${TENGEN:?path of the program}
gnugo=$(PATH=$PATH:/usr/games command -v gnugo) || {
    echo "skipped: gnugo is not installed"
    exit 77
}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

engine="gtp:exec $gnugo --mode gtp --chinese-rules --positional-superko --level 1"
"$tengen" match random:gentle "$engine" --games 6 --size 7 --komi 9 --json --quiet --sgf records >figures
grep -q '"match.forfeits.b", "value": 0,' figures || fail "GNU Go forfeits: $(cat figures)"
grep -q '"match.losses", "value": 6,' figures || fail "GNU Go does not win all: $(cat figures)"

# GNU Go against itself, both sides cleaning up: its own count of the final position is the referee's.
"$tengen" match "$engine" "$engine" --games 6 --opening-moves 4 --size 7 --komi 9 --json --quiet --sgf selves >figures
grep -q '"match.forfeits.[ab]", "value": [1-9]' figures && fail "GNU Go forfeits: $(cat figures)"
"$tengen" sgf selves --replay --ko positional --json --quiet >counted
grep -q '"sgf.illegal", "value": 0,' counted || fail "records are not legal: $(cat counted)"
for record in selves/*.sgf; do
    referee=$(grep -o 'RE\[[^]]*\]' "$record" | sed -n 1p)
    referee=${referee:3:-1}
    [[ $referee == ?+R ]] && continue
    own=$(printf 'loadsgf %s\nfinal_score\nquit\n' "$record" | "$gnugo" --mode gtp --chinese-rules 2>/dev/null |
        grep -o '[BW]+[0-9.]*\|^= 0$' | sed -n 1p)
    own=${own%.0}
    [ "${own#= }" = "$referee" ] || fail "$record: the referee counts $referee, GNU Go $own"
done
echo passed
