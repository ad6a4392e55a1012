// SPDX-License-Identifier: MIT
/*
 * Products of matrices, named by which factor is transposed: n as it is, t transposed.
 *
 * All matrices are row-major and packed. The sizes are at least 1 and at most BPI_MAX_EXTENT: whoever makes an object
 * checks them, so that none of these can fail. C must not overlap A or B.
 */
#ifndef BPI_MATH_GEMM_H
#define BPI_MATH_GEMM_H

#include "base/real.h"

#include <stddef.h>

#include "backprop/memory.h"
#include "backprop/status.h"
#include "base/pool.h"

/** The largest size of a matrix: what a CBLAS with 32-bit integers takes. The same without BLAS, so that builds agree. */
#define BPI_MAX_EXTENT ((size_t)2147483647)

/** Which factor is transposed: by rows and columns, C is m x n and sums over k. */
enum bpi_gemm_form {
    BPI_NT, /**< C = alpha A B^T + beta C;  A m x k, B n x k */
    BPI_TN, /**< C = alpha A^T B + beta C;  A k x m, B k x n */
    BPI_NN  /**< C = alpha A B + beta C;    A m x k, B k x n */
};

/** A product of row-major matrices, or of parts of them: one row of A lies lda numbers behind the one before it, and so on. */
struct bpi_product {
    enum bpi_gemm_form form;
    size_t m, n, k;
    bp_real alpha, beta; /**< with beta = 0 what C held does not matter */
    const bp_real *A, *B;
    bp_real *C;
    size_t lda, ldb, ldc;
};

/** Computes it. */
void bpi_gemm(const struct bpi_product *product);

/** The product of packed matrices. */
struct bpi_product bpi_packed_product(enum bpi_gemm_form form, size_t m, size_t n, size_t k, bp_real alpha,
                                      const bp_real *A, const bp_real *B, bp_real beta, bp_real *C);

/**
 * Runs a product large enough for BLAS to allocate the buffers that it keeps, so that no later one has to: in each thread
 * of a pool that is idle, one after the other, or without a pool in the caller.
 * Takes memory for the call only; BP_ERR_MEMORY if there is none.
 */
bp_status bpi_gemm_warm_up(struct bp_threads_pool *pool, const bp_allocator *allocator);

#endif
