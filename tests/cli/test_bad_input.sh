#!/usr/bin/env bash
# Bad input gives one clear line, a non-zero exit, and overwrites nothing.
set -uo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit
configs=$TENGEN_SOURCE/configs
failures=0

# refuses TEXT COMMAND...: the command fails, prints one line, and that line holds TEXT.
refuses() {
    local text=$1
    shift
    local said
    if said=$("$TENGEN" "$@" 2>&1 >/dev/null </dev/null); then
        echo "tengen $*: was accepted"
        failures=$((failures + 1))
        return
    fi
    if [ "$(wc -l <<<"$said")" != 1 ] || [[ "$said" != *"$text"* ]]; then
        printf 'tengen %s: said\n%s\ninstead of one line with: %s\n' "$*" "$said" "$text"
        failures=$((failures + 1))
    fi
}

refuses 'did you mean' trian
refuses 'did you mean resnet_20x256' bench net resnet_20x25
refuses '--blocks, --channels and --size go with the name of one' bench net all --size 9
refuses 'missing.ini: No such file' train missing.ini
printf '[run]\nalgorithm = ppo\n[ppo]\nclipp = 1\n' >wrong.ini
refuses 'wrong.ini:4' train wrong.ini
refuses 'algorithm' train "$configs/ppo_cartpole.ini" run.algorithm=pppo run.dir=run
refuses 'run.seed' train "$configs/ppo_cartpole.ini" run.seed=many run.dir=run
refuses 'cuda' train "$configs/ppo_cartpole.ini" run.device=cuda:99 run.dir=run
printf '[run]\nalgoritm = ppo\n' >wrong.ini
refuses 'wrong.ini:2: [run] algoritm = ppo: unknown key `algoritm` in [run]; did you mean `algorithm`' train wrong.ini
printf '[env]\nname = cartpole\n[rum]\nalgorithm = ppo\n' >wrong.ini
refuses 'wrong.ini:3: unknown section `rum`; did you mean `run`?' train wrong.ini
printf '[run]\nalgorithm = ppo\n[enb]\nname = cartpole\n' >wrong.ini
refuses 'wrong.ini:3: unknown section `enb`; did you mean `env`?' train wrong.ini
printf '[run]\nalgorithm = pppo\n' >wrong.ini
refuses 'wrong.ini:2: [run] algorithm = pppo: unknown; did you mean `ppo`' train wrong.ini
printf '[run]\nalgorithm ppo\n' >wrong.ini
refuses 'wrong.ini:2' train wrong.ini
printf '\0\1\2' >wrong.ini
refuses 'wrong.ini: is not a text file' train wrong.ini
for head in q policy; do
    refuses 'has no output "' train "$configs/ppo_cartpole.ini" net.head=$head run.dir=run run.device=cpu
done
refuses 'did you mean `cartpole`' train "$configs/ppo_cartpole.ini" env.name=cartpol run.dir=run
refuses 'actions are continuous' train "$configs/q_learning_gridworld.ini" env.name=pendulum run.dir=run run.device=cpu
refuses 'no numbered states' train "$configs/q_learning_gridworld.ini" env.name=cartpole run.dir=run
refuses 'has not one start' train "$configs/q_learning_gridworld.ini" env.map=..E run.dir=run
refuses 'has no output "value"' train "$configs/alphazero_go7.ini" net.model=mlp net.head=policy run.dir=run run.device=cpu
refuses 'fewer blocks or channels' train "$configs/alphazero_go7.ini" net.blocks=200 net.channels=4096 run.dir=run \
    run.device=cpu
[ ! -e run ] || { echo "a refused run left its folder"; failures=$((failures + 1)); }

"$TENGEN" train "$configs/alphazero_tictactoe.ini" run.dir=run run.iterations=2 run.device=cpu --quiet 2>/dev/null ||
    { echo "the training run failed"; exit 1; }
before=$(sha256sum run/checkpoints/*.h5)
refuses 'holds a run already' train "$configs/alphazero_tictactoe.ini" run.dir=run run.device=cpu
[ "$before" = "$(sha256sum run/checkpoints/*.h5)" ] || { echo "a refused run changed a checkpoint"; failures=$((failures + 1)); }

"$TENGEN" export run weights.h5 >/dev/null || exit 1
head -c 2000 weights.h5 >broken.h5
echo "no HDF5" >foreign.h5
refuses 'broken.h5' match broken.h5 random --games 2
refuses 'foreign.h5' match foreign.h5 random --games 2
refuses 'weights' train --resume weights.h5
for command in 'train --resume' eval; do
    # shellcheck disable=SC2086 # two words
    refuses 'run.algorithm=ppo: run/checkpoints/000000002.h5 is a state of alphazero' $command run run.algorithm=ppo
done
refuses 'net/' train "$configs/alphazero_tictactoe.ini" --init weights.h5 net.channels=16 run.dir=other run.device=cpu
[ ! -e other ] || { echo "a refused --init left a run"; failures=$((failures + 1)); }
refuses 'such' match weights.h5 nobody.h5 --games 2
refuses 'uses no network' gtp --player random --weights weights.h5
refuses '--size: is given twice' bench go --size 5 --size 7
refuses 'what is "extra"' info extra
refuses "no figure's name holds it" bench ops --filter zzz --seconds 0.001 --device cpu
refuses 'is no metrics.csv' curve weights.h5
if [ -w /dev/full ]; then
    "$TENGEN" info 2>said >/dev/full && { echo "a full standard output was no error"; failures=$((failures + 1)); }
    grep -q 'could not be written' said || { cat said; failures=$((failures + 1)); }
fi
exit $((failures > 0))
