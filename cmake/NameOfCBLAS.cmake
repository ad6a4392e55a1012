# What the CBLAS that was found is called: OpenBLAS only if it has the functions by which it can be asked about itself
# (src/math/blas_info.c calls them), whatever its file's name; others by their file's name; CBLAS if that says nothing.
include(CheckCSourceCompiles)
include(CMakePushCheckState)

function(backprop_name_of_cblas result)
    cmake_push_check_state(RESET)
    set(CMAKE_REQUIRED_QUIET TRUE)
    set(CMAKE_REQUIRED_LIBRARIES ${CBLAS_LIBRARIES})
    unset(_cblas_is_openblas CACHE) # another library may have been chosen since
    check_c_source_compiles("
        char *openblas_get_config(void);
        char *openblas_get_corename(void);
        int openblas_get_num_threads(void);
        int openblas_get_parallel(void);
        int main(void)
        {
            return openblas_get_config()[0] + openblas_get_corename()[0] + openblas_get_num_threads() + openblas_get_parallel();
        }" _cblas_is_openblas)
    set(name CBLAS)
    if(_cblas_is_openblas)
        set(name OpenBLAS)
    elseif(CBLAS_LIBRARIES MATCHES "blis")
        set(name BLIS)
    elseif(CBLAS_LIBRARIES MATCHES "mkl")
        set(name MKL)
    elseif(CBLAS_LIBRARIES MATCHES "Accelerate")
        set(name Accelerate)
    endif()
    unset(_cblas_is_openblas CACHE)
    cmake_pop_check_state()
    set(${result} ${name} PARENT_SCOPE)
endfunction()
