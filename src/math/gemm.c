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

void bpi_gemm(const struct bpi_product *p)
{
    const enum CBLAS_TRANSPOSE of_A = p->form == BPI_TN ? CblasTrans : CblasNoTrans;
    const enum CBLAS_TRANSPOSE of_B = p->form == BPI_NT ? CblasTrans : CblasNoTrans;
    BLAS_GEMM(CblasRowMajor, of_A, of_B, extent(p->m), extent(p->n), extent(p->k), p->alpha, p->A, extent(p->lda), p->B,
              extent(p->ldb), p->beta, p->C, extent(p->ldc));
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
