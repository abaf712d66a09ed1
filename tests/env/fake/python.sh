#!/usr/bin/env bash
# A Python behind a script that waits for it, as version managers have them. $TENGEN_FAKE_LOG gets a line for each start.
[ -z "${TENGEN_FAKE_LOG:-}" ] || echo start >>"$TENGEN_FAKE_LOG"
python3 "$@"
exit $?
