#!/usr/bin/env bash
# A run from the command line: its folder, its end, its mistakes. Mistakes are one line, and overwrite nothing.
set -euo pipefail
fail() { echo "$*" >&2; exit 1; }
has() { grep -q -- "$1" "$2" || { cat "$2"; fail "no \"$1\" in $2"; }; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >tiny.ini <<'INI'
[run]
algorithm = ppo
iterations = 4
device = cpu
[env]
name = cartpole
count = 8
[net]
model = mlp
blocks = 2
channels = 16
[optimiser]
kind = adam
rate = 0.001
[ppo]
horizon = 32
minibatches = 4
INI

# wrong EXIT TEXT ARGUMENTS...: exactly one line on stderr, which holds TEXT.
wrong() {
    local code=$1 text=$2 got=0
    shift 2
    "$TENGEN" "$@" >out 2>err || got=$?
    [ "$got" = "$code" ] || { cat err; fail "$*: exit $got, expected $code"; }
    [ "$(wc -l <err)" = 1 ] || { cat err; fail "$*: not one line"; }
    has "$text" err
}
state() { find "$1" -type f ! -name log.txt -exec md5sum {} + | sort; }

"$TENGEN" train tiny.ini 2>log
for file in config.ini metrics.csv log.txt checkpoints/000000004.h5; do [ -f "runs/tiny/$file" ] || fail "$file"; done
[ "$(wc -l <runs/tiny/metrics.csv)" = 5 ] || fail "rows"
has 'iterations = 4' runs/tiny/config.ini
has 'done after 4 of 4' log
state runs/tiny >before

wrong 2 'holds a run already; .*--resume runs/tiny' train tiny.ini
wrong 1 'absent.ini: No such file' train absent.ini
wrong 2 'did you mean `horizon`' train tiny.ini ppo.horizn=3 run.dir=other
wrong 2 'did you mean `ppo`' train tiny.ini pp.horizon=3 run.dir=other
wrong 2 'channels' train tiny.ini net.channels=many run.dir=other
wrong 2 'did you mean `ppo`' train tiny.ini run.algorithm=pppo run.dir=other
wrong 1 'f32\[16,4\], but the config asks for f32\[32,4\]' train --resume runs/tiny net.channels=32 run.iterations=9
wrong 1 'absent: there is no such run' train --resume absent
wrong 2 'cuda' train tiny.ini run.device=cudda run.dir=other
sed 's/^rate = .*/rate = fast/' tiny.ini >bad.ini
wrong 2 'bad.ini:14' train bad.ini
sed 's/^rate = .*/rat = 1/' tiny.ini >bad.ini
wrong 2 'bad.ini:14.*did you mean `rate`' train bad.ini
sed '/^algorithm/d' tiny.ini >bad.ini
wrong 2 'algorithm is missing' train bad.ini
echo 'not HDF5 at all' >foreign.h5
wrong 1 'foreign.h5: is not an HDF5 file' eval foreign.h5
wrong 1 'foreign.h5: is not an HDF5 file' train tiny.ini --init foreign.h5 run.dir=other
[ ! -e other ] && [ ! -e runs/bad ] || fail "a mistake left a folder behind"
state runs/tiny | cmp - before || fail "a mistake changed the run"

# Export, initialise, branch off, evaluate.
"$TENGEN" export runs/tiny weights.h5
wrong 2 'is there already' export runs/tiny weights.h5
wrong 2 'weights alone' train --resume weights.h5
"$TENGEN" train tiny.ini --init weights.h5 run.dir=second --quiet 2>log
"$TENGEN" train --resume runs/tiny run.dir=branch run.iterations=6 --quiet 2>log
[ -f branch/checkpoints/000000006.h5 ] || fail "branch"
[ "$(sed -n 2p branch/metrics.csv | cut -d, -f1)" = 5 ] || fail "the branch's first row"
state runs/tiny | cmp - before || fail "the branch changed its origin"
"$TENGEN" eval runs/tiny --episodes 5 --json >figures 2>log
has '"name": "eval.return.mean", "value": ' figures
"$TENGEN" eval weights.h5 --episodes 5 --json 2>log >figures2
cmp figures figures2 || fail "the weights alone evaluate differently"

# A damaged newest checkpoint: the one before is taken.
"$TENGEN" train --resume runs/tiny run.iterations=6 run.checkpoint_every=1 --quiet 2>log
truncate -s 5000 runs/tiny/checkpoints/000000006.h5
"$TENGEN" train --resume runs/tiny run.iterations=8 --quiet 2>log
has 'truncated or damaged' log
has 'from iteration 5' log
[ "$(cut -d, -f1 runs/tiny/metrics.csv | tr '\n' ' ')" = 'iteration 1 2 3 4 5 6 7 8 ' ] || fail "rows after resuming"
[ -f runs/tiny/checkpoints/000000006.h5.damaged ] || fail "the damaged file was not set aside"
wrong_newer=$(ls runs/tiny/checkpoints/*.h5 | head -1)
wrong 2 'is newer than iteration' train --resume "$wrong_newer" run.iterations=9

# Figures that are no numbers end the run with a remedy; what was saved stays.
got=0
"$TENGEN" train tiny.ini run.dir=nan optimiser.kind=sgd optimiser.rate=10 run.iterations=500 --quiet 2>log || got=$?
[ "$got" = 1 ] || { cat log; fail "NaN: exit $got"; }
has '^tengen: iteration .* not finite.*lower optimiser.rate, or set optimiser.clip; .*go on from it by `tengen train --resume nan`' log
"$TENGEN" eval nan --episodes 1 >out 2>log || { cat log; fail "the checkpoint before the NaN"; }
