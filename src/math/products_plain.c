// SPDX-License-Identifier: MIT
/*
 * The own products for the instruction set of the whole library: products_body.h once more; CMakeLists.txt has the options of the compiler.
 */
#define PRODUCT_KERNELS bpi_product_kernels_plain
#define MULTIPLY_ROW bpi_multiply_row_plain
#include "math/products_body.h"
