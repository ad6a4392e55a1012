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

/** A product is narrow if it has at most so many rows, columns and numbers in a sum: the sums are taken in one go. */
enum { BPI_MOST_NARROW = 64 };

/** The products of a narrow layer, for more than one row; overlap as in math/gemm.h, and bits as by bpi_multiply_matrices_...(). */
struct bpi_narrow_products {
    /** Z (batch x n_out) = A_in W^T */
    void (*forward)(size_t batch, size_t n_out, size_t n_in, const bp_real *A_in, const bp_real *W, bp_real *Z);

    /** dA_in (batch x n_in) = dZ W + beta dA_in */
    void (*back)(size_t batch, size_t n_out, size_t n_in, const bp_real *dZ, const bp_real *W, bp_real beta,
                 bp_real *dA_in);

    /** W_to (n_out x n_in) = alpha dZ^T A_in + beta W_to */
    void (*out)(size_t batch, size_t n_out, size_t n_in, bp_real alpha, const bp_real *dZ, const bp_real *A_in,
                bp_real beta, bp_real *W_to);

    /** b_to (n_out) = alpha 1^T dZ + beta b_to: 0 and one row after the other, then alpha and beta, each rounded by itself */
    void (*sum_columns)(size_t batch, size_t n_out, bp_real alpha, const bp_real *dZ, bp_real beta, bp_real *b_to);
};

#if BPI_HAS_MATRICES
extern const struct bpi_narrow_products bpi_narrow_products_avx2, bpi_narrow_products_avx512;
#endif

extern const struct bpi_product_kernels bpi_product_kernels_plain, bpi_product_kernels_avx2, bpi_product_kernels_avx512;

#endif
