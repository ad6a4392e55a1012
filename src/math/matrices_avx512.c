// SPDX-License-Identifier: MIT
/*
 * The product of matrices for AVX-512: matrices_body.h and narrow_body.h once more; CMakeLists.txt has the options of the compiler.
 */
#define MULTIPLY_MATRICES bpi_multiply_matrices_avx512
#include "math/matrices_body.h"

#define NARROW_PRODUCTS bpi_narrow_products_avx512
#include "math/narrow_body.h"
