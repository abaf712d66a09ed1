#!/usr/bin/env bash
# The house has the floors that ARCHITECTURE.md promises, and the check sees it when it has not.
set -euo pipefail
source_dir=${TENGEN_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}

"$source_dir/tools/check_floors.sh" "$source_dir"

# Breaches planted in a small house must all be found, and nothing else.
house=$(mktemp -d)
trap 'rm -rf "$house"' EXIT
mkdir -p "$house"/{tools/cmake,include/tengen,src/{base,game,nn,algo,search}}
cp "$source_dir/tools/cmake/rooms.cmake" "$house/tools/cmake/"
cd "$house"
printf '#include "tengen/game.h"\n' >src/base/status.c
printf '#include "tengen/base_odd.h"\n' >include/tengen/status.h
printf '/* #include "tengen/game.h" */\n' >include/tengen/base_odd.h
printf '#include "tengen/status.h"\nint f(void) {\n    exit(1);\n}\n' >src/game/chess.c
printf '#pragma once\n' >include/tengen/game.h
printf '#include "tengen/net.h"\n#include "tengen/game.h"\n' >src/search/tree.c
printf '#include "tengen/status.h"\n' >include/tengen/net.h
printf '#include "net_more.h"\n/* exit(\n exit(1) */ int g(int argc);\n' >src/nn/net.c
printf 'int x;\n' >src/nn/net_more.h
printf '#include "ppo.h"\n#include "dqn.h"\n#include "shared.h"\n' >src/algo/ppo.c
printf 'int a;\n' | tee src/algo/{ppo.h,dqn.h,dqn.c,shared.h} >src/algo/shared.c
printf 'ALGO(ppo)\nALGO(dqn)\n' >src/algo/algos.def
for i in 1 2 3 4; do printf '#ifdef TENGEN_CUDA\n#endif\n#if TENGEN_CUDA_X\n#endif\n' >"src/nn/part$i.c"; done
printf '\n%.0s' {1..801} >src/nn/long.c
unset "${!GIT_@}" # a hook may name another house
if git init -q . 2>/dev/null; then
    printf 'x\n' | tee net.h5 README.md >.gitignore
    git add net.h5 README.md .gitignore src tools
    echo 'net.h5:1: is not known at the top; git rm it, or name it in tools/check_floors.sh' >expected
fi

cat >>expected <<'EOF'
include/tengen/base_odd.h:1: no room has a source of this name; name its room in header_rooms of tools/check_floors.sh
src/algo/ppo.c:2: algorithms never include each other: dqn.h
src/base/status.c:1: room base must not include tengen/game.h of room game
src/game/chess.c:3: only src/cli exits; return a status
src/nn/long.c:801: more than 800 lines; split the file
src/nn/net.c:3: only src/cli reads the command line
src/nn/part4.c:1: #ifdef TENGEN_CUDA in more than three files
src/search/tree.c:1: room search must not include tengen/net.h of room nn
EOF
if "$source_dir/tools/check_floors.sh" "$house" >found; then
    echo "the check saw no breach"
    exit 1
fi
diff -u expected found
