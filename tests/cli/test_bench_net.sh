#!/usr/bin/env bash
# tengen bench net says which batches memory is too small for, and goes on with the others.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "$*" >&2; cat said >&2; exit 1; }
# A board of 1024 x 1024 with 48 planes: 200 MB a position.
"$TENGEN" bench net alphago_policy --blocks 1 --channels 1 --size 1024 --batch 65536,1 --seconds 0.01 --device cpu >said
for mode in infer train; do
    grep -q "^alphago_policy, $mode, batch 65536: skipped: .*: take a smaller batch" said || fail "$mode is not skipped"
done
grep -q '^net.alphago_policy.infer.b1\..*positions' said || fail "nothing comes after what was skipped"
