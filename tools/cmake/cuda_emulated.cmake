# tengen_cuda_emulated: the kernels of cuda/*.cu compiled as C++ and run on the CPU (tests/cuda/emulation.h), for the
# tests named emulated_*. A wrapper in the build folder includes each file, since the .cu files themselves belong to
# nvcc. architecture.cu asks a GPU and has no kernel.
set(emulated_sources ${CMAKE_SOURCE_DIR}/tests/cuda/emulation.cpp ${CMAKE_SOURCE_DIR}/tests/cuda/planted.cpp
    ${CMAKE_SOURCE_DIR}/tests/cuda/recorder.cpp)
file(GLOB kernel_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cuda/*.cu)
list(REMOVE_ITEM kernel_files ${CMAKE_SOURCE_DIR}/cuda/architecture.cu)
foreach(file ${kernel_files})
    get_filename_component(name ${file} NAME_WE)
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/emulated_${name}.cpp
        CONTENT "#include \"tests/cuda/emulation.h\"\n\n#include \"cuda/${name}.cu\"\n")
    list(APPEND emulated_sources ${CMAKE_BINARY_DIR}/generated/emulated_${name}.cpp)
endforeach()

add_library(tengen_cuda_emulated STATIC EXCLUDE_FROM_ALL ${emulated_sources})
set_target_properties(tengen_cuda_emulated PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON)
target_include_directories(tengen_cuda_emulated PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/src)
target_compile_options(tengen_cuda_emulated PRIVATE -Wno-unknown-pragmas) # unroll is nvcc's
target_link_libraries(tengen_cuda_emulated PUBLIC tengen_ops)
set_source_files_properties(${CMAKE_BINARY_DIR}/generated/emulated_env.cpp PROPERTIES
    COMPILE_OPTIONS "-ffp-contract=off;-Wno-missing-field-initializers")
