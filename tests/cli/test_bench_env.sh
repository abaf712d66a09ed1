#!/usr/bin/env bash
# tengen bench env times the environment that is named, either way, and without a name all of ours.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
bench=("$TENGEN" bench env env.count=64 --threads 1 --seconds 0.001 --json)

for name in breakout env.name=breakout; do
    "${bench[@]}" $name >figures
    if [ "$(wc -l <figures)" != 1 ] || ! grep -q '"env.breakout.steps"' figures; then cat figures; exit 1; fi
done
"${bench[@]}" >figures
[ "$(wc -l <figures)" -gt 5 ] || { cat figures; exit 1; }
if "${bench[@]}" cartpole env.name=breakout 2>error; then echo "two names were taken"; exit 1; fi
grep -q 'two environments, cartpole and breakout' error || { cat error; exit 1; }
