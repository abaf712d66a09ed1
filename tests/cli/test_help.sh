#!/usr/bin/env bash
# Help, version and info say what they should, to the right stream, and mistakes are answered with a suggestion.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "$*" >&2; exit 1; }
has() { grep -q -- "$1" "$2" || { cat "$2"; fail "no \"$1\" in $2"; }; }

"$TENGEN" >overview && "$TENGEN" help >help && "$TENGEN" --help >help2
cmp overview help && cmp help help2
for command in train eval export info; do
    has "^  $command " overview
    "$TENGEN" help "$command" >text
    has "^usage: tengen $command" text
    "$TENGEN" "$command" --help >text2
    cmp text text2 || fail "help $command and $command --help differ"
done
"$TENGEN" --version >text && grep -Eq '^tengen [0-9]+\.[0-9]+\.[0-9]+ \(' text || fail "version"

"$TENGEN" help train >text && has ppo text && has alphazero text
for algorithm in alphazero ppo q_learning; do
    "$TENGEN" help train "$algorithm" >text
    has '^\[run\]' text && has "^\\[$algorithm\\]" text && has checkpoint_minutes text
done

"$TENGEN" info >text
for key in tengen: compiler: HDF5: zlib: cores: memory: cpu cuda; do has "$key" text; done

# wrong EXIT TEXT ARGUMENTS...: one line on stderr that holds TEXT, nothing on stdout.
wrong() {
    local code=$1 text=$2 got=0
    shift 2
    "$TENGEN" "$@" >out 2>err || got=$?
    [ "$got" = "$code" ] || fail "$*: exit $got, expected $code"
    [ "$(wc -l <err)" = 1 ] || { cat err; fail "$*: not one line"; }
    [ ! -s out ] || fail "$*: writes to stdout"
    has "$text" err
}
wrong 2 'did you mean `train`' trian
wrong 2 'tengen help' zzzzzzz
wrong 2 'did you mean --resume' train --resme x
wrong 2 'needs a value' train --resume
wrong 2 'which config' train
wrong 2 'which run' eval
wrong 2 'whole number' eval x --episodes many
wrong 2 'between' eval x --episodes -3
wrong 2 'two names' export x
wrong 1 'no such run' eval absent
wrong 1 'no such run' export absent out.h5
wrong 2 'no algorithm' help train nothing
