#!/usr/bin/env bash
# Whole games between two engines as other programs' referees play them: in the order of commands of gogui-twogtp and of
# GNU Go's twogtp. Opponent is GNU Go where it is installed, and Tengen itself in any case. Both must count the same.
set -euo pipefail
tengen=${TENGEN:?path of the program}
gnugo=$(PATH=$PATH:/usr/games command -v gnugo || true)

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# Engine N (0: black, 1: white) is the process behind the descriptors to[N] and from[N].
to=() from=()
engine() { # N, command ...
    local n=$1 in out
    shift
    rm -f "in$n" "out$n"
    mkfifo "in$n" "out$n"
    "$@" <"in$n" >"out$n" 2>>"errors$n" &
    exec {in}>"in$n" {out}<"out$n"
    to[n]=$in from[n]=$out
}

# Sends a command and reads its whole answer into $answer, without the "= ". $end is what the referee writes behind it.
ask() { # N, command
    local n=$1 line lines=()
    shift
    printf "%s$end" "$*" >&"${to[n]}"
    while IFS= read -r -t 20 line <&"${from[n]}" || fail "engine $n: no answer to \"$*\""; do
        line=${line%$'\r'}
        [ -n "$line" ] || break
        lines+=("$line")
    done
    [[ ${lines[0]-} == "="* ]] || fail "engine $n: \"$*\" is answered by \"${lines[0]-}\""
    lines[0]=${lines[0]#=}
    lines[0]=${lines[0]# }
    answer=$(printf '%s\n' "${lines[@]}")
}

knows() { grep -qx -- "$2" "commands$1"; } # N, command

both() { # command
    ask 0 "$@"
    ask 1 "$@"
}

close_both() {
    local n out in
    end='\n' # the engine may be gone before a second one is written
    for n in 0 1; do
        ask "$n" quit
        in=${to[n]} out=${from[n]}
        exec {in}>&- {out}<&-
    done
    wait
}

# "W+9.0" and "W+9" are one score, and so are "0" and "B+0".
plain() { sed -E 's/(\.[0-9]*[1-9])0+$/\1/; s/\.0*$//; s/^[BW]\+0$/0/' <<<"$1"; }

same_score() { # of what
    local black
    ask 0 final_score
    black=$(plain "$answer")
    ask 1 final_score
    [[ $black =~ ^(0|[BW]\+[0-9.]+)$ ]] || fail "$1: black's score is \"$black\""
    [ "$black" = "$(plain "$answer")" ] || fail "$1: black counts $black, white $(plain "$answer")"
    echo "$1: $moves moves, $black"
}

# Moves in turn until two passes; $first begins. $tell_pass: whether a pass is told to the other side.
play_out() { # of what
    local passes=0 n=$first colours=(b w)
    [ "$long_colours" = no ] || colours=(black white)
    moves=0
    while [ $passes -lt 2 ]; do
        ask "$n" genmove "${colours[n]}"
        [ "${answer,,}" != resign ] || fail "$1: ${colours[n]} resigns"
        moves=$((moves + 1))
        [ $moves -lt 300 ] || fail "$1: the game does not end"
        if [ "${answer,,}" = pass ]; then passes=$((passes + 1)); else passes=0; fi
        if [ $passes -eq 0 ] || [ "$tell_pass" = yes ]; then ask $((1 - n)) play "${colours[n]}" "$answer"; fi
        n=$((1 - n))
    done
    [ $moves -gt 10 ] || fail "$1: only $moves moves"
}

# gogui-twogtp -size 7 -komi 9 -time ...: asks both for what they know, sets up twice (when it starts and for the
# game), tells every move, and compares the CPU time before and after.
gogui() { # of what
    local n cpu
    end='\n' tell_pass=yes long_colours=no first=0
    both protocol_version
    [ "$answer" = 2 ] || fail "$1: protocol version $answer"
    both name
    both version
    for n in 0 1; do
        ask $n list_commands
        echo "$answer" >commands$n
        if knows $n gogui-interrupt; then ask $n gogui-interrupt; fi
    done
    for n in 0 1; do
        ask $n boardsize 7
        ask $n clear_board
        ask $n komi 9
        ask $n time_settings "$clock"
    done
    for n in 0 1; do
        knows $n cputime || fail "$1: engine $n knows no cputime"
        ask $n cputime
        cpu[n]=$answer
    done
    for n in 0 1; do
        ask $n boardsize 7
        ask $n clear_board
        ask $n komi 9
        ask $n time_settings "$clock"
    done
    both komi 9
    both time_settings "$clock"
    play_out "$1"
    same_score "$1"
    for n in 0 1; do
        ask $n cputime
        awk -v a="${cpu[n]}" -v b="$answer" 'BEGIN { exit !(b >= a && b < 600) }' ||
            fail "$1: engine $n: CPU time from ${cpu[n]} to $answer"
    done
    close_both
}

# GNU Go's twogtp: an empty line behind each command, colours in full, handicap stones placed by black and told to
# white one by one; a pass is not told to the other side.
gnugo_twogtp() { # of what, handicap
    local n stone dead
    end='\n\n' tell_pass=no long_colours=yes first=0
    both protocol_version
    for n in 0 1; do
        ask $n boardsize 7
        ask $n clear_board
        ask $n komi 9
    done
    if [ "$2" -gt 1 ]; then
        first=1
        ask 0 fixed_handicap "$2"
        [ "$(wc -w <<<"$answer")" -eq "$2" ] || fail "$1: $2 handicap stones are \"$answer\""
        for stone in $answer; do ask 1 play black "$stone"; done
    fi
    play_out "$1"
    same_score "$1"
    ask 0 final_status_list dead
    dead=$(tr ' ' '\n' <<<"$answer" | sort)
    ask 1 final_status_list dead
    [ "$dead" = "$(tr ' ' '\n' <<<"$answer" | sort)" ] || fail "$1: the dead are $dead for black and $answer for white"
    for n in 0 1; do
        ask $n known_command cputime
        [ "$answer" = true ] || fail "$1: engine $n knows no cputime"
        ask $n cputime
    done
    both name
    both version
    both get_random_seed
    close_both
}

ours() { echo "$tengen" gtp --player "$1" --simulations 100 --size 7 --resign 0 --seed "$2"; }
# Under a clock (main time, period, stones) the moves depend on the machine's speed. Two engines of one kind count the
# same anyway; against another both are told that there is none, so that the games are the same everywhere.
games() { # name and command of the opponent
    local name=$1 us clock="0 1 0"
    [ "$name" != Tengen ] || clock="1 1 50"
    shift
    # shellcheck disable=SC2046
    for us in random uniform; do
        engine 0 $(ours $us 1)
        engine 1 "$@"
        gogui "gogui-twogtp: $us, $name"
        engine 0 "$@"
        engine 1 $(ours $us 2)
        gogui "gogui-twogtp: $name, $us"
        engine 0 $(ours $us 3)
        engine 1 "$@"
        gnugo_twogtp "twogtp: $us, $name" 0
        engine 0 $(ours $us 4)
        engine 1 "$@"
        gnugo_twogtp "twogtp, handicap: $us, $name" 2
    done
}

# shellcheck disable=SC2046
games Tengen $(ours random 5)
if [ -n "$gnugo" ]; then
    games "GNU Go" "$gnugo" --mode gtp --chinese-rules --level 1 --seed 1
else
    echo "without GNU Go: it is not installed"
fi
echo passed
