// SPDX-License-Identifier: MIT
/*
 * The kernels for AVX2 and FMA: kernels_body.h once more; CMakeLists.txt has the options of the compiler.
 */
#define KERNELS bpi_kernels_avx2
#define KERNELS_NAME "avx2"
#include "math/kernels_body.h"
