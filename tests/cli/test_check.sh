#!/usr/bin/env bash
# tengen check: the library agrees with the plain loops layer by layer, and a tensor beyond tolerance is named.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "$*" >&2; exit 1; }
for network in "$TENGEN_SOURCE/models/go7.h5" nature_cnn mlp; do
    for precision in f32 bf16; do
        "$TENGEN" check "$network" --device cpu --precision $precision --batch 2 --all --json >figures ||
            fail "$network in $precision"
        for stage in training gradient inference; do
            [ "$(grep -c "\"check.$stage\." figures)" -gt 3 ] || { cat figures; fail "$stage of $network is not looked at"; }
        done
    done
done
status=0
"$TENGEN" check "$TENGEN_SOURCE/models/go7.h5" --device cpu --precision bf16 --tolerance 1e-9 >said 2>&1 || status=$?
[ $status = 1 ] || fail "errors beyond tolerance: exit $status"
grep -q 'training\.[a-z0-9.]* is the first beyond tolerance' said || { cat said; fail "the tensor is not named"; }
