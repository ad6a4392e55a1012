// SPDX-License-Identifier: MIT
/*
 * Products of matrices by CBLAS; the only file that knows it. Without BLAS, plain_gemm.c stands in for this file.
 */
#include "math/gemm.h"

#include <assert.h>
#include BACKPROP_CBLAS_HEADER

#include "base/memory.h"
#include "base/status.h"
#include "math/blas_calls.h"

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
    const int before = bpi_blas_begin();
    BLAS_GEMM(CblasRowMajor, of_A, of_B, extent(p->m), extent(p->n), extent(p->k), p->alpha, p->A, extent(p->lda), p->B,
              extent(p->ldb), p->beta, p->C, extent(p->ldc));
    bpi_blas_end(before);
}

/* ---- Warming up ------------------------------------------------------------------------------------------------------ */

/* Above the sizes for which OpenBLAS has small-matrix kernels that need no buffer. */
#define WARM ((size_t)128)

struct warming {
    const bp_real *zeros; /* WARM x WARM */
    bp_real *C;           /* the same */
};

static void multiply_zeros(void *job, size_t i)
{
    const struct warming *warming = job;
    (void)i;
    const struct bpi_product product =
        bpi_packed_product(BPI_NT, WARM, WARM, WARM, (bp_real)1, warming->zeros, warming->zeros, (bp_real)0, warming->C);
    bpi_gemm(&product);
}

bp_status bpi_gemm_warm_up(struct bp_threads_pool *pool, const bp_allocator *allocator)
{
    struct bpi_plan plan = { 0 };
    const size_t A = bpi_plan_matrix(&plan, WARM, WARM, sizeof(bp_real));
    const size_t C = bpi_plan_matrix(&plan, WARM, WARM, sizeof(bp_real));
    void *block;
    BPI_TRY(bpi_plan_allocate(&plan, "warming up BLAS", allocator, &block));

    struct warming warming = { bpi_place(block, A), bpi_place(block, C) };
    bpi_pool_run_in_each(pool, multiply_zeros, &warming);
    bpi_release(allocator, block);
    return BP_OK;
}
