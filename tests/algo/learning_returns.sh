#!/usr/bin/env bash
# Algorithms as configured learn: mean returns over 100 fresh greedy episodes.
set -euo pipefail
while read -r config bar; do
    rm -rf run
    "$TENGEN" train "$TENGEN_SOURCE/configs/$config.ini" run.dir=run run.seed=3 run.device=cpu --quiet
    "$TENGEN" eval run --episodes 100 --json run.device=cpu >figures
    mean=$(sed -n 's/.*"eval.return.mean", "value": \([-0-9.]*\).*/\1/p' figures)
    echo "$config: mean return $mean, at least $bar wanted"
    awk -v mean="$mean" -v bar="$bar" 'BEGIN { exit !(mean >= bar) }'
done <<'BARS'
ppo_cartpole 475
reinforce_cartpole 475
a2c_cartpole 475
dqn_cartpole 475
ppo_pendulum -200
ppo_acrobot -90
ppo_mountaincar -130
ppo_cartpole_hidden 400
BARS
