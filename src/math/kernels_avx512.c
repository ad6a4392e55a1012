// SPDX-License-Identifier: MIT
/*
 * The kernels for AVX-512: kernels_body.h once more; CMakeLists.txt has the options of the compiler.
 */
#define KERNELS bpi_kernels_avx512
#define KERNELS_NAME "avx512"
#include "math/kernels_body.h"
