// SPDX-License-Identifier: MIT
/*
 * Products of matrices by CBLAS; the only file that knows it. Without BLAS, plain_gemm.c stands in for this file.
 */
#include "math/gemm.h"

#include <assert.h>
#include BACKPROP_CBLAS_HEADER

#include "base/memory.h"
#include "base/status.h"

#ifdef BACKPROP_SINGLE
#define BLAS_GEMM cblas_sgemm
#else
#define BLAS_GEMM cblas_dgemm
#endif

/* A CBLAS may count in 32 bits: sizes were refused long before they reach this. */
static int extent(size_t n)
{
    assert(n >= 1 && n <= BPI_MAX_EXTENT);
    return (int)n;
}

void bpi_gemm_nt(size_t m, size_t n, size_t k, bp_real alpha, const bp_real *A, const bp_real *B, bp_real beta, bp_real *C)
{
    const int lda = extent(k), ldb = extent(k), ldc = extent(n);
    BLAS_GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, extent(m), ldc, lda, alpha, A, lda, B, ldb, beta, C, ldc);
}

void bpi_gemm_tn(size_t m, size_t n, size_t k, bp_real alpha, const bp_real *A, const bp_real *B, bp_real beta, bp_real *C)
{
    const int lda = extent(m), ldb = extent(n), ldc = extent(n);
    BLAS_GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, lda, ldc, extent(k), alpha, A, lda, B, ldb, beta, C, ldc);
}

void bpi_gemm_nn(size_t m, size_t n, size_t k, bp_real alpha, const bp_real *A, const bp_real *B, bp_real beta, bp_real *C)
{
    const int lda = extent(k), ldb = extent(n), ldc = extent(n);
    BLAS_GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, extent(m), ldc, lda, alpha, A, lda, B, ldb, beta, C, ldc);
}

bp_status bpi_gemm_warm_up(const bp_allocator *allocator)
{
    const size_t n = 128; /* above the sizes for which OpenBLAS has small-matrix kernels that need no buffer */
    struct bpi_plan plan = { 0 };
    const size_t A = bpi_plan_matrix(&plan, n, n, sizeof(bp_real)), C = bpi_plan_matrix(&plan, n, n, sizeof(bp_real));
    void *block;
    BPI_TRY(bpi_plan_allocate(&plan, "warming up BLAS", allocator, &block));

    const bp_real *zeros = bpi_place(block, A);
    bpi_gemm_nt(n, n, n, (bp_real)1, zeros, zeros, (bp_real)0, bpi_place(block, C));
    bpi_release(allocator, block);
    return BP_OK;
}
