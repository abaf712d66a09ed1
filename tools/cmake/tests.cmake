# Tests by place and name: tests/<room>/<kind>_<name>.{c,cpp,sh}; the kind is the label for `ctest -L`.
# A test that exits with 77 is skipped. Tests named in tests/slow.txt carry the label slow too, those with "tsan"
# behind the name the label slow_tsan.
if(NOT TENGEN_TESTS)
    return()
endif()
if(NOT cmocka_FOUND)
    message(STATUS "tests: cmocka not found (Debian: libcmocka-dev), the tests are not built")
    return()
endif()
enable_testing()

set(scratch ${CMAKE_BINARY_DIR}/scratch)
set(slow_tests "")
if(EXISTS ${CMAKE_SOURCE_DIR}/tests/slow.txt)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/slow.txt)
    file(STRINGS ${CMAKE_SOURCE_DIR}/tests/slow.txt slow_tests REGEX "^[a-z]")
endif()

# Label, working folder, time limit and surroundings that all tests share.
function(tengen_test_properties name)
    string(REGEX REPLACE "_.*" "" kind ${name})
    set(labels_test unit)
    set(labels_emulated cuda_emulated)
    if(DEFINED labels_${kind})
        set(kind ${labels_${kind}})
    endif()
    set(timeout 300)
    if(name IN_LIST slow_tests)
        set(timeout 900)
        list(APPEND kind slow)
    elseif("${name} tsan" IN_LIST slow_tests)
        list(APPEND kind slow_tsan)
    endif()
    file(MAKE_DIRECTORY ${scratch}/${name})
    set(environment TENGEN=${CMAKE_BINARY_DIR}/tengen TENGEN_SOURCE=${CMAKE_SOURCE_DIR}
        TENGEN_BUILD=${CMAKE_BINARY_DIR} OMP_WAIT_POLICY=passive
        "ASAN_OPTIONS=abort_on_error=0:detect_stack_use_after_return=1"
        "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")
    set_tests_properties(${name} PROPERTIES LABELS "${kind}" SKIP_RETURN_CODE 77 TIMEOUT ${timeout}
        WORKING_DIRECTORY ${scratch}/${name} ENVIRONMENT "${environment}")
    # Test programs lie in a folder of their own, and find libtengen_cuda.so as the system does.
    set_tests_properties(${name} PROPERTIES
        ENVIRONMENT_MODIFICATION LD_LIBRARY_PATH=path_list_prepend:${CMAKE_BINARY_DIR})
endfunction()

file(GLOB test_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*/*.c ${CMAKE_SOURCE_DIR}/tests/*/*.cpp)
include(CheckLanguage)
check_language(CXX)
if(CMAKE_CXX_COMPILER)
    enable_language(CXX)
    set(CMAKE_CXX_STANDARD 17)
    include(cuda_emulated)
else()
    message(STATUS "tests: no C++ compiler, CUDA kernels are not run on the CPU")
    list(FILTER test_sources EXCLUDE REGEX "\\.cpp$|/emulated_")
endif()
foreach(source ${test_sources})
    get_filename_component(name ${source} NAME_WE)
    get_filename_component(folder ${source} DIRECTORY)
    get_filename_component(room ${folder} NAME)
    if(NOT name MATCHES "^(test|learning|resume|gpu|emulated|dist)_")
        continue() # helpers that tests include
    endif()
    if(NOT room IN_LIST tengen_rooms)
        set(room cli) # tests/cuda, tests/house and the like see everything
    endif()
    add_executable(${name} ${source})
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}
        ${CMAKE_SOURCE_DIR}/tests)
    target_compile_definitions(${name} PRIVATE TENGEN_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
        TENGEN_BUILD_DIR="${CMAKE_BINARY_DIR}")
    target_link_libraries(${name} PRIVATE tengen_${room} tengen::cmocka)
    if(tengen_has_cuda AND folder MATCHES "/cuda$") # headers only: the runtime is the test's own
        target_include_directories(${name} SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
        target_compile_definitions(${name} PRIVATE TENGEN_CUDNN=1)
        target_link_options(${name} PRIVATE LINKER:--as-needed)
        target_link_libraries(${name} PRIVATE tengen::cudnn)
    endif()
    if(name MATCHES "^emulated_")
        target_link_libraries(${name} PRIVATE tengen_cuda_emulated)
    endif()
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests
        ENABLE_EXPORTS ON)
    add_test(NAME ${name} COMMAND ${name})
    tengen_test_properties(${name})
endforeach()

file(GLOB test_scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*/*.sh)
foreach(script ${test_scripts})
    get_filename_component(name ${script} NAME_WE)
    if(NOT name MATCHES "^(test|learning|resume|gpu|emulated|dist)_")
        continue()
    endif()
    if(TEST ${name}) # of that name in another room
        get_filename_component(folder ${script} DIRECTORY)
        get_filename_component(room ${folder} NAME)
        string(APPEND name _${room})
    endif()
    add_test(NAME ${name} COMMAND bash ${script})
    tengen_test_properties(${name})
endforeach()
