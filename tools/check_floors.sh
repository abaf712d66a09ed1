#!/usr/bin/env bash
# Checks what ARCHITECTURE.md promises of the house, over src/, include/, models/ and cuda/:
#   - an include points to a room that the including room may use (tools/cmake/rooms.cmake says which), never up;
#   - algorithms never include each other;
#   - #ifdef TENGEN_CUDA stands in three files at most;
#   - only src/cli exits or reads argv;
#   - no file has more than 800 lines;
#   - git, where there is one, keeps nothing at the top but what is known there.
# Prints each breach as FILE:LINE: text and exits with 1 if there is any.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

folders=()
for folder in src include models cuda; do
    if [ -d "$folder" ]; then folders+=("$folder"); fi
done
mapfile -t files < <(find "${folders[@]}" -type f -regextype posix-extended -regex '.*\.(c|h|cu|cuh|def)' | sort)

bad=0
folders_known='cuda|src|include|models|configs|benchmarks|tests|tools'
files_known='CMakeLists\.txt|CMakePresets\.json|(README|ARCHITECTURE|CONTRIBUTING)\.md|LICENSE'
while read -r stray; do
    printf '%s:1: is not known at the top; git rm it, or name it in tools/check_floors.sh\n' "$stray"
    bad=1
done < <(git ls-files 2>/dev/null | grep -vE "^($folders_known)/|^($files_known)$|^\.")

# Public headers whose room does not follow from their name (room.h, or a source of that name in the room).
header_rooms='rng base  ops tensor  model nn  env_kernels env'

awk -v header_rooms="$header_rooms" -v file_list="${files[*]}" '
function breach(text) { print FILENAME ":" FNR ": " text; bad = 1 }

# The room that a file belongs to; "" if that cannot be told.
function room_of(path,   part, name, i) {
    split(path, part, "/")
    if (part[1] == "src") return part[2]
    if (part[1] == "models") return "nn"
    if (part[1] == "cuda") return "cuda"
    name = part[3]                                    # include/tengen/NAME.h
    sub(/\.(h|def)$/, "", name)
    if (name in fixed) return fixed[name]
    if (name in uses) return name
    if (name in source_room) return source_room[name]
    for (i = 1; i <= rooms; i++)                      # src/room/NAME_*.c
        if ((room_name[i] SUBSEP name) in stem) return room_name[i]
    return ""
}

# The file that an include means, tried as the compiler does; "" for headers of the system.
function resolve(from, text,   folder) {
    folder = from
    sub(/[^\/]*$/, "", folder)
    if ((folder text) in known) return folder text
    if (("include/" text) in known) return "include/" text
    if (("src/" text) in known) return "src/" text
    if (text in known) return text
    return ""
}

function may_use(room, other) { return room == other || (room, other) in reach }

BEGIN {
    n = split(header_rooms, word, " ")
    for (i = 1; i < n; i += 2) fixed[word[i]] = word[i + 1]
    n = split(file_list, list, " ")
    for (i = 1; i <= n; i++) {
        known[list[i]] = 1
        if (list[i] ~ /^src\/[a-z]+\/[^\/]*\.c$/) {
            split(list[i], part, "/")
            name = part[3]
            sub(/\.c$/, "", name)
            source_room[name] = part[2]
            while (sub(/_[^_]*$/, "", name)) stem[part[2], name] = 1
        }
    }
    while ((getline line < "tools/cmake/rooms.cmake") > 0)
        if (line ~ /^tengen_room\(/) {
            gsub(/^tengen_room\(|\).*$/, "", line)
            n = split(line, word, " ")
            room_name[++rooms] = word[1]
            uses[word[1]] = 1
            for (i = 2; i <= n; i++) {                # rooms are listed from the ground up
                reach[word[1], word[i]] = 1
                for (j = 1; j < rooms; j++)
                    if ((word[i], room_name[j]) in reach) reach[word[1], room_name[j]] = 1
            }
        }
    while ((getline line < "src/algo/algos.def") > 0)
        if (line ~ /^ALGO\(/) {
            gsub(/^ALGO\(|\).*$/, "", line)
            algorithm["src/algo/" line] = 1
        }
    n = split("base tensor ops env game", word, " ")  # a GPU runs the same rules
    for (i = 1; i <= n; i++) reach["cuda", word[i]] = 1
}

FNR == 1 {
    room = room_of(FILENAME)
    comment = 0
    if (room == "")
        breach("no room has a source of this name; name its room in header_rooms of tools/check_floors.sh")
}

FNR == 801 { breach("more than 800 lines; split the file") }

{
    code = $0                                         # without comments
    if (comment) {
        if (code !~ /\*\//) next
        sub(/^.*\*\//, "", code)
        comment = 0
    }
    gsub(/\/\*([^*]|\*[^\/])*\*\//, " ", code)
    sub(/\/\/.*$/, "", code)
    if (code ~ /\/\*/) { sub(/\/\*.*$/, "", code); comment = 1 }
}

code ~ /^[ \t]*#[ \t]*include[ \t]*"/ {
    text = code
    sub(/^[^"]*"/, "", text)
    sub(/".*$/, "", text)
    target = resolve(FILENAME, text)
    other = target == "" ? "" : room_of(target)
    if (other != "" && room != "" && !may_use(room, other))
        breach("room " room " must not include " text " of room " other)
    if (FILENAME ~ /^src\/algo\// && target ~ /^src\/algo\/.*\.h$/) {
        mine = FILENAME
        sub(/\.[a-z]*$/, "", mine)
        theirs = target
        sub(/\.h$/, "", theirs)
        if (mine != theirs && theirs in algorithm) breach("algorithms never include each other: " text)
    }
}

code ~ /^[ \t]*#[ \t]*(el)?if.*TENGEN_CUDA([^_A-Z]|$)/ && !(FILENAME in cuda_seen) {
    cuda_seen[FILENAME] = 1
    if (++cuda_files > 3) breach("#ifdef TENGEN_CUDA in more than three files")
}

room != "cli" && code ~ /(^|[^_A-Za-z0-9.>])exit[ ]*\(/ { breach("only src/cli exits; return a status") }
room != "cli" && code ~ /(^|[^_A-Za-z0-9])argc([^_A-Za-z0-9]|$)/ { breach("only src/cli reads the command line") }

END { exit bad }
' "${files[@]}" || bad=1
exit $bad
