#!/usr/bin/env bash
# Shell scripts are free of what shellcheck warns of, Python scripts compile.
set -euo pipefail
cd "$TENGEN_SOURCE"
command -v shellcheck >/dev/null || exit 77
find . -path './build*' -prune -o -path './.git' -prune -o -path ./runs -prune -o \( -name '*.sh' -o -path './.ci/run' \) -print0 |
    xargs -0 shellcheck --severity=warning
find tools benchmarks tests -name '*.py' -print0 |
    xargs -0 -n1 python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])'
