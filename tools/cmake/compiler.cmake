# How C is compiled here: interface library tengen_options.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_C_FLAGS_RELEASE "-O3 -g1")

# The tests hold the sources free of warnings under these compilers; a later compiler may know new warnings,
# which should not keep anybody from building.
set(werror OFF)
if((CMAKE_C_COMPILER_ID STREQUAL GNU AND CMAKE_C_COMPILER_VERSION VERSION_LESS 13)
   OR (CMAKE_C_COMPILER_ID STREQUAL Clang AND CMAKE_C_COMPILER_VERSION VERSION_LESS 15))
    set(werror ON)
endif()
option(TENGEN_WERROR "Treat warnings as errors" ${werror})

set(warnings -Wall -Wextra -Wshadow -Wundef -Wwrite-strings -Wpointer-arith -Wvla -Wformat=2
    -Wno-format-nonliteral -Wconversion -Wno-sign-conversion)
set(warnings_c -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition)
if(CMAKE_C_COMPILER_ID STREQUAL GNU)
    list(APPEND warnings -Wno-format-truncation) # cutting a text to its buffer is what snprintf is used for
endif()
if(CMAKE_C_COMPILER_ID MATCHES Clang)
    # clang does not know gcc's ivdep, and warns where it could not do what a pragma suggests.
    list(APPEND warnings -Wno-unknown-pragmas -Wno-pass-failed)
endif()
if(TENGEN_WERROR)
    list(APPEND warnings -Werror)
endif()

# No -ffast-math: infinities mask illegal actions and NaNs must be seen. Contraction to fused multiply-add is
# welcome; a run repeats bit for bit with the same program on the same kind of device, which is what we promise.
set(floats -fno-math-errno -fno-trapping-math -ffp-contract=fast)

add_library(tengen_options INTERFACE)
target_compile_definitions(tengen_options INTERFACE _GNU_SOURCE)
target_compile_options(tengen_options INTERFACE
    $<$<COMPILE_LANGUAGE:C,CXX>:${warnings};${floats}> $<$<COMPILE_LANGUAGE:C>:${warnings_c}>)
if(TENGEN_NATIVE)
    target_compile_options(tengen_options INTERFACE $<$<COMPILE_LANGUAGE:C,CXX>:-march=native>)
endif()
if(TENGEN_SANITIZE)
    set(sanitize -fsanitize=${TENGEN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_compile_options(tengen_options INTERFACE $<$<COMPILE_LANGUAGE:C,CXX>:${sanitize}>)
    target_link_options(tengen_options INTERFACE ${sanitize})
endif()
