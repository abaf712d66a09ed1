# One static library a room; what a room may use it links, and everything below comes with it.
set(tengen_rooms base tensor ops nn game env search data run play algo cli)

include(cuda_find) # sets tengen_has_cuda

function(tengen_room name)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.c)
    if(name STREQUAL nn)
        file(GLOB models CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/models/*.c)
        list(APPEND sources ${models})
    endif()
    list(FILTER sources EXCLUDE REGEX "/src/cli/main\\.c$")
    set(lower ${ARGN})
    list(TRANSFORM lower PREPEND tengen_)
    if(sources)
        add_library(tengen_${name} STATIC ${sources})
        target_link_libraries(tengen_${name} PUBLIC ${lower} tengen_options)
        target_include_directories(tengen_${name} PUBLIC ${CMAKE_SOURCE_DIR}/include
            PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
    else()
        add_library(tengen_${name} INTERFACE)
        target_link_libraries(tengen_${name} INTERFACE ${lower} tengen_options)
        target_include_directories(tengen_${name} INTERFACE ${CMAKE_SOURCE_DIR}/include)
    endif()
endfunction()

# Links libraries and definitions to a room, whether or not it has sources yet.
function(tengen_room_uses name)
    get_target_property(type tengen_${name} TYPE)
    if(NOT type STREQUAL INTERFACE_LIBRARY)
        target_link_libraries(tengen_${name} PUBLIC ${ARGN})
    endif()
endfunction()

function(tengen_room_defines name)
    get_target_property(type tengen_${name} TYPE)
    if(NOT type STREQUAL INTERFACE_LIBRARY)
        target_compile_definitions(tengen_${name} PRIVATE ${ARGN})
    endif()
endfunction()

tengen_room(base)
tengen_room(tensor base)
tengen_room(ops tensor)
tengen_room(nn ops)
tengen_room(game base)
tengen_room(env ops)
tengen_room(search game)
tengen_room(data search game env ops)
tengen_room(run nn)
tengen_room(play nn search data run)
tengen_room(algo nn env search data run play)
tengen_room(cli algo play)

# Environments take the same steps in every lane of a batch, in vectors and their remainders, and on every device.
# Screens shrink to the bytes that OpenCV makes of them.
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/env/native.c ${CMAKE_SOURCE_DIR}/src/env/atari_screen.c
    PROPERTIES COMPILE_OPTIONS -ffp-contract=off)
tengen_room_uses(base Threads::Threads tengen::inih ZLIB::ZLIB m)
# device_open() hands out the CPU's back end, which lives a floor higher: the linker is told of the circle.
tengen_room_uses(tensor ${CMAKE_DL_LIBS} tengen_ops)
tengen_room_uses(run tengen::hdf5)
if(dnnl_FOUND)
    tengen_room_uses(ops tengen::dnnl gomp)
    tengen_room_defines(ops TENGEN_ONEDNN=1)
endif()

# base and tensor are linked into libtengen_cuda.so too. The program exports its symbols, so that the copies in
# the library give way to the program's: there is one error text, one log.
foreach(name base tensor)
    get_target_property(type tengen_${name} TYPE)
    if(NOT type STREQUAL INTERFACE_LIBRARY)
        set_target_properties(tengen_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
        target_compile_options(tengen_${name} PRIVATE -fno-semantic-interposition)
    endif()
endforeach()

# What was chosen at configure time, for `tengen info`.
set(build ${CMAKE_BUILD_TYPE})
if(TENGEN_NATIVE)
    string(APPEND build ", -march=native")
endif()
if(TENGEN_SANITIZE)
    string(APPEND build ", -fsanitize=${TENGEN_SANITIZE}")
endif()
foreach(part "oneDNN dnnl_FOUND" "CUDA tengen_has_cuda")
    separate_arguments(part)
    list(GET part 0 title)
    list(GET part 1 found)
    if(${found})
        string(APPEND build ", with ${title}")
    else()
        string(APPEND build ", without ${title}")
    endif()
endforeach()

# The commit is asked for at every build; the header changes only when the answer does.
set(version_header ${CMAKE_BINARY_DIR}/generated/version_generated.h)
add_custom_target(tengen_version BYPRODUCTS ${version_header} VERBATIM
    COMMAND ${CMAKE_COMMAND} -DHEADER=${version_header} -DSOURCE=${CMAKE_SOURCE_DIR}
            -DVERSION=${PROJECT_VERSION} -DBUILD=${build} -DINIH=${inih_VERSION} -P ${CMAKE_SOURCE_DIR}/tools/cmake/version.cmake)
target_include_directories(tengen_base PRIVATE ${CMAKE_BINARY_DIR}/generated)
add_dependencies(tengen_base tengen_version)

if(EXISTS ${CMAKE_SOURCE_DIR}/src/cli/main.c)
    add_executable(tengen src/cli/main.c)
    target_include_directories(tengen PRIVATE ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(tengen PRIVATE tengen_cli)
    set_target_properties(tengen PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR} ENABLE_EXPORTS ON)
endif()

file(GLOB benchmarks CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/benchmarks/*.c)
foreach(source ${benchmarks})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} EXCLUDE_FROM_ALL ${source})
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
    target_link_libraries(${name} PRIVATE tengen_cli)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/benchmarks
        ENABLE_EXPORTS ON)
endforeach()

# The worker that env runs by Python, as a string of C.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/env/worker.py)
file(READ ${CMAKE_SOURCE_DIR}/src/env/worker.py text)
string(REPLACE "\\" "\\\\" text "${text}")
string(REPLACE "\"" "\\\"" text "${text}")
string(REPLACE "\n" "\\n\"\n\"" text "${text}")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/worker_source.h CONTENT
    "static const char worker_source[] =\n\"@text@\";\n" @ONLY)
target_include_directories(tengen_env PRIVATE ${CMAKE_BINARY_DIR}/generated)
