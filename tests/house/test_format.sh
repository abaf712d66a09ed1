#!/usr/bin/env bash
# All sources are formatted; skipped where clang-format 14 is not installed.
exec "${TENGEN_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}/tools/format.sh" --check
