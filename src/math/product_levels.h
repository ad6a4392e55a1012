// SPDX-License-Identifier: MIT
/*
 * The own products of each instruction set, for products.c to choose from.
 */
#ifndef BPI_MATH_PRODUCT_LEVELS_H
#define BPI_MATH_PRODUCT_LEVELS_H

#include "base/real.h"

#include <stddef.h>

#include "math/gemm.h"
#include "math/products.h"

/** z = W x + b, a = f(z): W is read once. */
void bpi_multiply_row_plain(const struct bpi_row_product *product);
void bpi_multiply_row_avx2(const struct bpi_row_product *product);
void bpi_multiply_row_avx512(const struct bpi_row_product *product);

struct bpi_product_kernels {
    /** dx = W^T dz + beta dx for n columns of W, whose rows lie `stride` apart. */
    void (*pull_row_back)(size_t n_out, size_t n, size_t stride, const bp_real *W, const bp_real *dz, bp_real beta,
                          bp_real *dx);

    /** dx = W^T dz with W as it was, and W += alpha dz x^T, for n columns, in one sweep over them. */
    void (*pull_row_back_and_update)(size_t n_out, size_t n, size_t stride, bp_real alpha, const bp_real *dz,
                                     const bp_real *x, bp_real *W, bp_real *dx);

    /** W = alpha dz x^T + beta W */
    void (*outer_product)(size_t n_out, size_t n_in, bp_real alpha, const bp_real *dz, const bp_real *x, bp_real beta,
                          bp_real *W);
};

/** Whether there are own products of matrices: the compiler must be able to shuffle vectors. */
#if defined(BACKPROP_X86_KERNELS) && (defined(__clang__) || __GNUC__ >= 12)
#define BPI_HAS_MATRICES 1
#else
#define BPI_HAS_MATRICES 0
#endif

/** Computes a product, by AVX2 or AVX-512. Needs some 50 KiB of the stack. */
void bpi_multiply_matrices_avx2(const struct bpi_product *product);
void bpi_multiply_matrices_avx512(const struct bpi_product *product);

extern const struct bpi_product_kernels bpi_product_kernels_plain, bpi_product_kernels_avx2, bpi_product_kernels_avx512;

#endif
