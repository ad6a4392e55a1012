// SPDX-License-Identifier: MIT
/*
 * The product of matrices for AVX2 and FMA: matrices_body.h and narrow_body.h once more; CMakeLists.txt has the options of the compiler.
 */
#define MULTIPLY_MATRICES bpi_multiply_matrices_avx2
#include "math/matrices_body.h"

#define NARROW_PRODUCTS bpi_narrow_products_avx2
#include "math/narrow_body.h"
