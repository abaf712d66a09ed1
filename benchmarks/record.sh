#!/usr/bin/env bash
# Runs a benchmark of a build and keeps its figures, with where they come from in the first line:
#   benchmarks/record.sh BUILD NAME COMMAND ...      BUILD/tengen COMMAND ... --json > benchmarks/results/NAME.jsonl
#   benchmarks/record.sh build cpu_epyc_go bench go
# Nothing is kept of a command that fails. TENGEN_RESULTS is another folder than benchmarks/results.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -lt 3 ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
build=$1 name=$2
shift 2

machine="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores"
driver=none
if command -v nvidia-smi >/dev/null && gpu=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null); then
    machine="${gpu%%,*}; $machine"
    driver=${gpu##*, }
fi
command=$(sed 's/[\\"]/\\&/g' <<<"$*")
result=$(mktemp)
trap 'rm -f "$result"' EXIT
printf '{"machine": "%s", "driver": "%s", "commit": "%s", "date": "%s", "command": "tengen %s --json"}\n' "$machine" \
    "$driver" "$("$build/tengen" --version | sed 's/.*(\(.*\))/\1/')" "$(date -u +%F)" "$command" >"$result"
"$build/tengen" "$@" --json >>"$result"
results=${TENGEN_RESULTS:-benchmarks/results}
mkdir -p "$results"
install -m 644 "$result" "$results/$name.jsonl"
