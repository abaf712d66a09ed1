#!/usr/bin/env bash
# A Python behind a script that waits for it, as version managers have them.
python3 "$@"
exit $?
