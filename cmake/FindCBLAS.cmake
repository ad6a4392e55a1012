# Finds a CBLAS: header and library, and the target CBLAS::CBLAS.
#
# Tried in this order: OpenBLAS, BLIS, MKL (mkl_rt), Accelerate on Apple, a separate libcblas, a libblas that contains it.
# To choose one, set CBLAS_LIBRARY to its file (or files, a list) and, if need be, CBLAS_INCLUDE_DIR.
#
# Sets CBLAS_FOUND, CBLAS_LIBRARIES, CBLAS_INCLUDE_DIRS and CBLAS_HEADER (what to include: cblas.h and its kin).
include(FindPackageHandleStandardArgs)
include(CheckCSourceCompiles)
include(CheckCXXSourceCompiles)
include(CMakePushCheckState)

# Whether header and libraries go together and have the function that we call.
function(_cblas_works result include_dir header libraries)
    cmake_push_check_state(RESET)
    set(CMAKE_REQUIRED_QUIET TRUE)
    set(CMAKE_REQUIRED_INCLUDES ${include_dir})
    set(CMAKE_REQUIRED_LIBRARIES ${libraries})
    unset(_cblas_compiles CACHE)
    set(source "
        #include <${header}>
        int main(void)
        {
            double a = 1, c = 0;
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, 1, 1, 1, 1.0, &a, 1, &a, 1, 0.0, &c, 1);
            return c != 1.0;
        }")
    # Programs that use an installed libbackprop may be C++ alone.
    get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
    if("C" IN_LIST languages)
        check_c_source_compiles("${source}" _cblas_compiles)
    else()
        check_cxx_source_compiles("${source}" _cblas_compiles)
    endif()
    set(${result} ${_cblas_compiles} PARENT_SCOPE)
    unset(_cblas_compiles CACHE)
    cmake_pop_check_state()
endfunction()

set(_cblas_candidates openblas blis blis-mt mkl_rt Accelerate cblas,blas cblas blas)
set(_cblas_headers cblas.h mkl_cblas.h Accelerate/Accelerate.h)
set(_cblas_suffixes openblas openblas-pthread blis mkl)

if(NOT CBLAS_LIBRARY)
    foreach(candidate IN LISTS _cblas_candidates)
        set(_files "")
        string(REPLACE "," ";" _names "${candidate}")
        foreach(name IN LISTS _names)
            find_library(_cblas_file NAMES ${name})
            if(_cblas_file)
                list(APPEND _files ${_cblas_file})
            endif()
            unset(_cblas_file CACHE)
        endforeach()
        if(_files)
            foreach(header IN LISTS _cblas_headers)
                find_path(_cblas_dir NAMES ${header} HINTS ${CBLAS_INCLUDE_DIR} PATH_SUFFIXES ${_cblas_suffixes})
                if(_cblas_dir)
                    _cblas_works(_works "${_cblas_dir}" ${header} "${_files}")
                    if(_works)
                        set(CBLAS_LIBRARY "${_files}" CACHE STRING "Libraries of the CBLAS")
                        set(CBLAS_INCLUDE_DIR "${_cblas_dir}" CACHE PATH "Where the CBLAS header is")
                    endif()
                endif()
                unset(_cblas_dir CACHE)
            endforeach()
        endif()
        if(CBLAS_LIBRARY)
            break()
        endif()
    endforeach()
endif()

if(CBLAS_LIBRARY AND NOT CBLAS_INCLUDE_DIR)
    find_path(CBLAS_INCLUDE_DIR NAMES ${_cblas_headers} PATH_SUFFIXES ${_cblas_suffixes})
endif()
foreach(header IN LISTS _cblas_headers)
    if(NOT CBLAS_HEADER AND CBLAS_INCLUDE_DIR AND EXISTS "${CBLAS_INCLUDE_DIR}/${header}")
        set(CBLAS_HEADER ${header})
    endif()
endforeach()
if(CBLAS_LIBRARY MATCHES "Accelerate")
    set(CBLAS_HEADER Accelerate/Accelerate.h)
endif()

find_package_handle_standard_args(CBLAS
    REQUIRED_VARS CBLAS_LIBRARY CBLAS_INCLUDE_DIR CBLAS_HEADER
    REASON_FAILURE_MESSAGE "install OpenBLAS (Debian, Ubuntu: libopenblas-dev), or set BACKPROP_BLAS=OFF to do without")
mark_as_advanced(CBLAS_LIBRARY CBLAS_INCLUDE_DIR)

if(CBLAS_FOUND)
    set(CBLAS_LIBRARIES "${CBLAS_LIBRARY}")
    set(CBLAS_INCLUDE_DIRS "${CBLAS_INCLUDE_DIR}")
    if(NOT TARGET CBLAS::CBLAS)
        add_library(CBLAS::CBLAS INTERFACE IMPORTED)
        set_target_properties(CBLAS::CBLAS PROPERTIES
            INTERFACE_INCLUDE_DIRECTORIES "${CBLAS_INCLUDE_DIRS}"
            INTERFACE_LINK_LIBRARIES "${CBLAS_LIBRARIES}")
    endif()
endif()
