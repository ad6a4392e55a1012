// SPDX-License-Identifier: MIT
/*
 * Products of matrices without a BLAS: portable C in place of gemm.c, for builds with BACKPROP_BLAS=OFF.
 *
 * Each element of C is summed over k in rising order, in blocks of BLOCK_K, whatever m and n are: a fixed order of
 * summation, the same for a row alone as for the row in a batch.
 */
#include "math/gemm.h"

enum {
    LANES = 8,    /* columns of C at a time: accumulators that a compiler keeps in vector registers */
    BLOCK_K = 256 /* rows of B at a time: a panel of 16 KiB in double, which stays in the first cache */
};

/* Any of the three forms of a matrix: element (i, j) lies at data[i * row + j * column]. */
struct strided {
    const bp_real *data;
    size_t row, column;
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void scale(size_t n, bp_real beta, bp_real *C)
{
    for (size_t i = 0; i < n; i++)
        C[i] = beta == (bp_real)0 ? (bp_real)0 : beta * C[i];
}

/* panel (n_k x LANES) = B from (k, j) on, `columns` of it, the other lanes 0. */
static void pack_panel(struct strided B, size_t k, size_t n_k, size_t j, size_t columns, bp_real *panel)
{
    for (size_t p = 0; p < n_k; p++)
        for (size_t lane = 0; lane < LANES; lane++)
            panel[p * LANES + lane] = lane < columns ? B.data[(k + p) * B.row + (j + lane) * B.column] : (bp_real)0;
}

/* Adds alpha times a row of A (n_k elements, `step` apart) times the panel to `columns` elements of C. */
static void add_row_times_panel(size_t n_k, bp_real alpha, const bp_real *a, size_t step, const bp_real *panel,
                                size_t columns, bp_real *c)
{
    bp_real sum[LANES] = { 0 };
    for (size_t p = 0; p < n_k; p++)
        for (size_t lane = 0; lane < LANES; lane++)
            sum[lane] += a[p * step] * panel[p * LANES + lane];
    for (size_t lane = 0; lane < columns; lane++)
        c[lane] += alpha * sum[lane];
}

void bpi_gemm(const struct bpi_product *p)
{
    const struct strided A = p->form == BPI_TN ? (struct strided){ p->A, 1, p->lda } : (struct strided){ p->A, p->lda, 1 };
    const struct strided B = p->form == BPI_NT ? (struct strided){ p->B, 1, p->ldb } : (struct strided){ p->B, p->ldb, 1 };
    bp_real panel[BLOCK_K * LANES];

    for (size_t i = 0; i < p->m; i++)
        scale(p->n, p->beta, p->C + i * p->ldc);
    for (size_t j = 0; j < p->n; j += LANES) {
        const size_t columns = smaller(LANES, p->n - j);
        for (size_t first = 0; first < p->k; first += BLOCK_K) {
            const size_t n_k = smaller(BLOCK_K, p->k - first);
            pack_panel(B, first, n_k, j, columns, panel);
            for (size_t i = 0; i < p->m; i++)
                add_row_times_panel(n_k, p->alpha, A.data + i * A.row + first * A.column, A.column, panel, columns,
                                    p->C + i * p->ldc + j);
        }
    }
}

bp_status bpi_gemm_warm_up(struct bp_threads_pool *pool, const bp_allocator *allocator)
{
    (void)pool, (void)allocator; /* nothing here allocates */
    return BP_OK;
}
