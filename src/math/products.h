// SPDX-License-Identifier: MIT
/*
 * The products of a layer: by own kernels for a single row, which needs no BLAS; for more rows by own kernels or by gemm.c,
 * whichever is faster.
 *
 * Sizes and overlap as in math/gemm.h. Which way a product goes follows from its shape, from the BLAS as the host has set it, and
 * from whether there is a pool, but not from its size. NULL for the pool: nothing is cut.
 */
#ifndef BPI_MATH_PRODUCTS_H
#define BPI_MATH_PRODUCTS_H

#include "base/real.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "backprop/activation.h"
#include "base/pool.h"
#include "math/kernels.h"

/** Z (batch x n_out) = A_in W^T. */
void bpi_product_forward(struct bp_threads_pool *pool, size_t batch, size_t n_out, size_t n_in, const bp_real *A_in,
                         const bp_real *W, bp_real *Z);

/** What bpi_products_force_gemm() has set. */
extern atomic_bool bpi_gemm_is_forced;

static inline bool bpi_products_are_forced(void)
{
    return atomic_load_explicit(&bpi_gemm_is_forced, memory_order_relaxed);
}

/** Whether a batch of this many rows goes through the kernels for a single row. */
static inline bool bpi_product_is_own(size_t batch)
{
    return batch == 1 && !bpi_products_are_forced();
}

/** z = W x + b, a = f(z) for one row: f is applied where W x comes out, in registers, if they are wide. */
struct bpi_row_product {
    size_t n_out, n_in;
    const bp_real *W, *b, *x; /**< b may be NULL */
    bp_real *z, *a;           /**< a may be z */
    bp_activation f;          /**< one that bpi_product_row_has() */
};

static inline bool bpi_product_row_has(bp_activation f)
{
    return f == BP_IDENTITY || f == BP_SIGMOID || f == BP_TANH || f == BP_RELU;
}

/** The kernel for one, of each instruction set; NULL where the library has none. */
typedef void (*bpi_row_kernel)(const struct bpi_row_product *product);
extern const bpi_row_kernel bpi_row_kernels[BPI_N_KERNEL_LEVELS];

/** Computes one, by own kernels. Inline, like the next but one: between two narrow layers a call is noticed. */
static inline void bpi_product_row_alone(const struct bpi_row_product *product)
{
    bpi_row_kernels[bpi_kernels_level()](product);
}

/** Computes one with the threads of a pool. */
void bpi_product_row_shared(struct bp_threads_pool *pool, const struct bpi_row_product *product);

/** Computes one, with a pool or without. */
static inline void bpi_product_row(struct bp_threads_pool *pool, const struct bpi_row_product *product)
{
    if (pool != NULL)
        bpi_product_row_shared(pool, product);
    else
        bpi_product_row_alone(product);
}

/** dA_in (batch x n_in) = dZ W + beta dA_in. */
void bpi_product_back(struct bp_threads_pool *pool, size_t batch, size_t n_out, size_t n_in, const bp_real *dZ,
                      const bp_real *W, bp_real beta, bp_real *dA_in);

/** W_to (n_out x n_in) = alpha dZ^T A_in + beta W_to. */
void bpi_product_out(struct bp_threads_pool *pool, size_t batch, size_t n_out, size_t n_in, bp_real alpha,
                     const bp_real *dZ, const bp_real *A_in, bp_real beta, bp_real *W_to);

/** b_to (n_out) = alpha dZ^T 1 + beta b_to. False, nothing done: the layer is not narrow. */
bool bpi_product_sums(size_t batch, size_t n_out, bp_real alpha, const bp_real *dZ, bp_real beta, bp_real *b_to);

/** dA_in = dZ W with W as it was, and W += alpha dZ^T A_in: bpi_product_back(), then bpi_product_out(), in one. */
void bpi_product_back_and_update(struct bp_threads_pool *pool, size_t batch, size_t n_out, size_t n_in, bp_real alpha,
                                 const bp_real *dZ, const bp_real *A_in, bp_real *W, bp_real *dA_in);

/** For tests: whether gemm.c does all products from now on, instead of any own kernels, in all threads. */
void bpi_products_force_gemm(bool forced);

#endif
