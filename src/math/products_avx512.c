// SPDX-License-Identifier: MIT
/*
 * The own products for AVX-512: products_body.h once more; CMakeLists.txt has the options of the compiler.
 */
#define PRODUCT_KERNELS bpi_product_kernels_avx512
#define MULTIPLY_ROW bpi_multiply_row_avx512
#include "math/products_body.h"
