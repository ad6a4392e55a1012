// SPDX-License-Identifier: MIT
/*
 * The own products for AVX2 and FMA: products_body.h once more; CMakeLists.txt has the options of the compiler.
 */
#define PRODUCT_KERNELS bpi_product_kernels_avx2
#define MULTIPLY_ROW bpi_multiply_row_avx2
#include "math/products_body.h"
