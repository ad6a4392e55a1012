// SPDX-License-Identifier: MIT
/*
 * The same tests once for each way that the library can compute: each instruction set that the machine has kernels for, and
 * all products by gemm.c, where a single row and small networks otherwise go ways of their own.
 */
#ifndef TEST_SUPPORT_LEVELS_H
#define TEST_SUPPORT_LEVELS_H

#include <stdbool.h>

#include "math/kernels.h"
#include "math/products.h"

enum { BY_GEMM = BPI_N_KERNEL_LEVELS, N_PATHS };

/** Takes a path below N_PATHS, unless the machine does not have it. N_PATHS: the usual one again, and false. */
static inline bool take_path(int path)
{
    bpi_products_force_gemm(path == BY_GEMM);
    (void)bpi_kernels_force(BPI_N_KERNEL_LEVELS);
    return path == BY_GEMM || (path < BY_GEMM && bpi_kernels_force((bpi_kernel_level)path));
}

/** Has all products done by gemm.c until hand_back() with what this returns: where bits of a network that is small are
 * compared with those of one that is not. */
static inline bool take_gemm(void)
{
    const bool was_forced = !bpi_product_is_own(1);
    bpi_products_force_gemm(true);
    return was_forced;
}

static inline void hand_back(bool was_forced)
{
    bpi_products_force_gemm(was_forced);
}

static inline const char *name_of_path(int path)
{
    return path == BY_GEMM ? "gemm" : bpi_kernels()->name;
}

/** Runs the statement after it with each path in turn. */
#define AT_EACH_PATH(path)                                                                                                 \
    for (int path = 0; path <= N_PATHS; path++)                                                                            \
        if (take_path(path))

/** The same for the instruction sets alone. */
#define AT_EACH_LEVEL(level)                                                                                               \
    for (int level = 0; level <= N_PATHS; level++)                                                                         \
        if (take_path(level) && level != BY_GEMM)

#endif
