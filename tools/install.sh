#!/usr/bin/env bash
# Installs, on Debian or Ubuntu, those packages that are missing. Says nothing where none is.
#   tools/install.sh build    what building and running needs
#   tools/install.sh test     that, and what the tests need
set -euo pipefail

packages=(cmake ninja-build gcc g++ libc6-dev pkg-config git ca-certificates libdnnl-dev libhdf5-dev libinih-dev
    zlib1g-dev)
case ${1:-build} in
build) ;;
test) packages+=(libcmocka-dev clang clang-format libclang-rt-14-dev gnugo shellcheck python3) ;;
*)
    echo "usage: tools/install.sh [build | test]" >&2
    exit 2
    ;;
esac

if ! command -v apt-get >/dev/null; then
    echo "tools/install.sh: no apt-get here; needed (by Debian's names): ${packages[*]}" >&2
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    if [ "$state" != installed ]; then missing+=("$package"); fi
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "tools/install.sh: to be installed by root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >>"$log" 2>&1; }
if ! { apt update && apt install -y --no-install-recommends "${missing[@]}"; }; then
    cat "$log" >&2
    echo "tools/install.sh: installing failed" >&2
    exit 1
fi
