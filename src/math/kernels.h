// SPDX-License-Identifier: MIT
/*
 * The loops that a network spends its time in outside of matrix products, compiled for several instruction sets from one
 * text, kernels_body.h; kernels.c picks those that the processor has.
 *
 * The sets differ in their last digits. Within one, a number comes out the same wherever in an array it stands. A NaN
 * always stays one. Arrays need no alignment; they do not overlap unless it is said that they may be the same.
 */
#ifndef BPI_MATH_KERNELS_H
#define BPI_MATH_KERNELS_H

#include "base/real.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "backprop/activation.h"

/** Instruction sets, each needing all before it. */
typedef enum bpi_kernel_level {
    BPI_KERNELS_PLAIN = 0,  /**< what the whole library is compiled for: anywhere */
    BPI_KERNELS_AVX2 = 1,   /**< x86: AVX2 and FMA */
    BPI_KERNELS_AVX512 = 2, /**< x86: AVX-512 F, DQ, VL and BW */
    BPI_N_KERNEL_LEVELS
} bpi_kernel_level;

/** y = f(x), n of each; y may be x. */
typedef void (*bpi_map)(size_t n, const bp_real *x, bp_real *y);

/** A = f(Z), elementwise, n of each. A may be Z. */
typedef void (*bpi_apply_kernel)(size_t n, bp_real parameter, const bp_real *Z, bp_real *A);

/** Z += 1 b^T, A = f(Z), both rows x n. A may be Z. */
typedef void (*bpi_bias_kernel)(size_t rows, size_t n, bp_real parameter, const bp_real *b, bp_real *Z, bp_real *A);

/** dZ = dA f'(Z), n of each. Reads Z where the function's row says so, else A. dZ may be dA. */
typedef void (*bpi_pull_back_kernel)(size_t n, bp_real parameter, const bp_real *Z, const bp_real *A, const bp_real *dA,
                                     bp_real *dZ);

struct bpi_kernels {
    const char *name;
    bpi_map exp, tanh, sigmoid; /**< within 2 units in the last place, over all numbers */

    /** By activation: elementwise functions but for the sine; NULL for the others. */
    bpi_apply_kernel apply[BP_N_ACTIVATIONS];
    bpi_bias_kernel apply_with_bias[BP_N_ACTIVATIONS];
    bpi_pull_back_kernel pull_back[BP_N_ACTIVATIONS];

    /** Softmax of each row. A may be Z. */
    void (*softmax)(size_t rows, size_t n, const bp_real *Z, bp_real *A);

    /** sums += 1^T dZ, row after row: dZ is rows x n. */
    void (*add_column_sums)(size_t rows, size_t n, const bp_real *dZ, bp_real *sums);
};

/** The kernels of each level; NULL where the library has none. */
extern const struct bpi_kernels *const bpi_kernels_of_level[BPI_N_KERNEL_LEVELS];

/** The level in use; BPI_N_KERNEL_LEVELS: not looked up yet. */
extern atomic_int bpi_kernels_in_use;

/** Looks up the best level that the processor has, and puts it to use. */
bpi_kernel_level bpi_kernels_look(void);

/** The level to use, for others who have compiled their loops by level. Any thread. Inline: a small layer asks often. */
static inline bpi_kernel_level bpi_kernels_level(void)
{
    const int level = atomic_load_explicit(&bpi_kernels_in_use, memory_order_relaxed);
    return level != BPI_N_KERNEL_LEVELS ? (bpi_kernel_level)level : bpi_kernels_look();
}

/** The kernels to use: the best that the processor has, unless others were forced. Any thread. */
static inline const struct bpi_kernels *bpi_kernels(void)
{
    return bpi_kernels_of_level[bpi_kernels_level()];
}

/** Whether the library has kernels of this level and the processor what they need. */
bool bpi_kernels_have(bpi_kernel_level level);

/**
 * For tests: uses this level from now on, in all threads. BPI_N_KERNEL_LEVELS: the best again. false: it is not to be had,
 * nothing is changed.
 */
bool bpi_kernels_force(bpi_kernel_level level);

#endif
