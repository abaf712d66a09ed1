# libtengen_cuda.so: the CUDA twins of the operations, opened by the program when a GPU is wanted. The program
# itself does not link it, so that one binary runs on machines with and without CUDA.
if(NOT tengen_has_cuda)
    return()
endif()
set(architectures ${TENGEN_CUDA_ARCHITECTURES})
if(NOT architectures)
    # Code for what is common, and PTX of the newest for what comes after it.
    if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.9)
        set(architectures 75-real 80-real 86-real 89-real 90-real 100-real 103-real 120)
    elseif(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
        set(architectures 75-real 80-real 86-real 89-real 90-real 100-real 120)
    else()
        set(architectures 75-real 80-real 86-real 89-real 90)
    endif()
endif()
list(JOIN architectures " " built_for)

add_library(tengen_cuda SHARED ${cuda_sources})
target_include_directories(tengen_cuda PRIVATE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src
    ${CMAKE_SOURCE_DIR})
target_link_libraries(tengen_cuda PRIVATE tengen_tensor tengen_options CUDA::cudart_static CUDA::cublas CUDA::cublasLt
    tengen::cudnn tengen::nccl)
target_compile_definitions(tengen_cuda PRIVATE CUDA_BUILT_FOR="${built_for}")
set_target_properties(tengen_cuda PROPERTIES
    CUDA_ARCHITECTURES "${architectures}" CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON CXX_STANDARD 17
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR} POSITION_INDEPENDENT_CODE ON)
# Sources show in profiles (-lineinfo); a missing twin must fail the build, not the first call.
target_compile_options(tengen_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-lineinfo;--expt-relaxed-constexpr;
    -Xcompiler=-Wall,-Wextra,-Wno-unused-parameter;$<$<BOOL:${TENGEN_WERROR}>:-Werror;all-warnings>>)
target_link_options(tengen_cuda PRIVATE LINKER:--no-undefined LINKER:--as-needed)
# Lanes of environments equal the host's bit for bit. What their rules do not name in an initialiser is zero, which C++
# warns of and C does not.
set_source_files_properties(${CMAKE_SOURCE_DIR}/cuda/env.cu PROPERTIES
    COMPILE_OPTIONS "--fmad=false;-Xcompiler=-Wno-missing-field-initializers")
