// SPDX-License-Identifier: MIT
/*
 * The kernels for the instruction set of the whole library: kernels_body.h once more; CMakeLists.txt has the options of the compiler.
 */
#define KERNELS bpi_kernels_plain
#define KERNELS_NAME "plain"
#include "math/kernels_body.h"
