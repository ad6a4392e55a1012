// SPDX-License-Identifier: MIT
/*
 * The kernels of each level, for kernels.c to choose from.
 */
#ifndef BPI_MATH_KERNEL_LEVELS_H
#define BPI_MATH_KERNEL_LEVELS_H

#include "math/kernels.h"

extern const struct bpi_kernels bpi_kernels_plain, bpi_kernels_avx2, bpi_kernels_avx512;

#endif
