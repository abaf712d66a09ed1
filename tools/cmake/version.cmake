# Writes HEADER with VERSION, the commit of SOURCE, BUILD (type and options) and INIH (its version); leaves it alone where
# nothing changed.
cmake_policy(VERSION 3.22)
set(commit unknown)
find_program(GIT git)
if(GIT AND EXISTS ${SOURCE}/.git)
    execute_process(COMMAND ${GIT} -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
        OUTPUT_VARIABLE text OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
    if(NOT failed)
        set(commit ${text})
    endif()
endif()
file(CONFIGURE OUTPUT ${HEADER} CONTENT
"#define VERSION_NUMBER \"@VERSION@\"
#define VERSION_COMMIT \"@commit@\"
#define VERSION_BUILD \"@BUILD@\"
#define VERSION_INIH \"@INIH@\"
" @ONLY)
