# Libraries from outside. Needed: pthread, m, zlib, inih, HDF5. Optional: oneDNN, cmocka (tests).
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)

# tengen_find(NAME header h library names... suffixes ...): imported target tengen::NAME and NAME_FOUND.
function(tengen_find name)
    cmake_parse_arguments(arg "" "HEADER" "LIBRARY;SUFFIXES;HINTS" ${ARGN})
    find_path(${name}_INCLUDE ${arg_HEADER} PATH_SUFFIXES ${arg_SUFFIXES} HINTS ${arg_HINTS})
    find_library(${name}_LIBRARY NAMES ${arg_LIBRARY} PATH_SUFFIXES ${arg_SUFFIXES} HINTS ${arg_HINTS})
    mark_as_advanced(${name}_INCLUDE ${name}_LIBRARY)
    if(${name}_INCLUDE AND ${name}_LIBRARY)
        if(NOT TARGET tengen::${name})
            add_library(tengen::${name} UNKNOWN IMPORTED GLOBAL)
            set_target_properties(tengen::${name} PROPERTIES IMPORTED_LOCATION ${${name}_LIBRARY}
                INTERFACE_INCLUDE_DIRECTORIES ${${name}_INCLUDE})
        endif()
        set(${name}_FOUND TRUE PARENT_SCOPE)
    else()
        set(${name}_FOUND FALSE PARENT_SCOPE)
    endif()
endfunction()

function(tengen_require name package)
    if(NOT ${name}_FOUND)
        message(FATAL_ERROR "${name} is needed and was not found; on Debian: apt install ${package}")
    endif()
endfunction()

tengen_find(inih HEADER ini.h LIBRARY inih)
tengen_require(inih libinih-dev)
set(inih_VERSION unknown) # its headers do not tell
find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
    execute_process(COMMAND ${PKG_CONFIG_EXECUTABLE} --modversion inih OUTPUT_VARIABLE version ERROR_QUIET
        OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
    if(NOT failed)
        set(inih_VERSION ${version})
    endif()
endif()

# HDF5's own package prefers a parallel build where one is installed; the serial C library is what we use.
tengen_find(hdf5 HEADER hdf5.h LIBRARY hdf5_serial hdf5 SUFFIXES hdf5/serial)
tengen_require(hdf5 libhdf5-dev)

# oneDNN's CMake package asks for OpenCL, which nothing here uses, so header and library are looked for by name.
set(dnnl_FOUND FALSE)
if(NOT TENGEN_ONEDNN STREQUAL OFF)
    tengen_find(dnnl HEADER dnnl.h LIBRARY dnnl)
    if(dnnl_FOUND)
        message(STATUS "oneDNN: ${dnnl_LIBRARY}")
    elseif(TENGEN_ONEDNN STREQUAL AUTO)
        message(STATUS "oneDNN: not found (Debian: libdnnl-dev), plain loops are used, which is many times slower")
    else()
        tengen_require(dnnl libdnnl-dev)
    endif()
endif()

tengen_find(cmocka HEADER cmocka.h LIBRARY cmocka)
