// SPDX-License-Identifier: MIT
/*
 * The product of matrices for AVX2 and FMA: matrices_body.h once more; CMakeLists.txt has the options of the compiler.
 */
#define MULTIPLY_MATRICES bpi_multiply_matrices_avx2
#include "math/matrices_body.h"
