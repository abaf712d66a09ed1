#!/usr/bin/env bash
# PPO as configured learns CartPole: at least 475 over 100 fresh greedy episodes.
set -euo pipefail
rm -rf run
"$TENGEN" train "$TENGEN_SOURCE/configs/ppo_cartpole.ini" run.dir=run run.seed=3 run.device=cpu --quiet
"$TENGEN" eval run --episodes 100 --json run.device=cpu | tee figures
mean=$(sed -n 's/.*"eval.return.mean", "value": \([0-9.]*\).*/\1/p' figures)
awk -v mean="$mean" 'BEGIN { exit !(mean >= 475) }' || { echo "mean return $mean, less than 475"; exit 1; }
