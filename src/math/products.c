// SPDX-License-Identifier: MIT
/*
 * Which way a product goes.
 */
#include "math/products.h"

#include <assert.h>
#include <stdint.h>

#include "base/memory.h"
#include "math/blas_calls.h"
#include "math/kernels.h"
#include "math/product_levels.h"
#include "math/shared_gemm.h"

#ifdef BACKPROP_X86_KERNELS
#define LEVEL(kernels) (&(kernels))
#else
#define LEVEL(kernels) NULL
#endif

const bpi_row_kernel bpi_row_kernels[BPI_N_KERNEL_LEVELS] = {
    [BPI_KERNELS_PLAIN] = bpi_multiply_row_plain,
#ifdef BACKPROP_X86_KERNELS
    [BPI_KERNELS_AVX2] = bpi_multiply_row_avx2,
    [BPI_KERNELS_AVX512] = bpi_multiply_row_avx512,
#endif
};

static const struct bpi_product_kernels *own(void)
{
    static const struct bpi_product_kernels *const levels[BPI_N_KERNEL_LEVELS] = {
        [BPI_KERNELS_PLAIN] = &bpi_product_kernels_plain,
        [BPI_KERNELS_AVX2] = LEVEL(bpi_product_kernels_avx2),
        [BPI_KERNELS_AVX512] = LEVEL(bpi_product_kernels_avx512),
    };
    return levels[bpi_kernels_level()];
}

atomic_bool bpi_gemm_is_forced;

void bpi_products_force_gemm(bool forced)
{
    atomic_store_explicit(&bpi_gemm_is_forced, forced, memory_order_relaxed);
}

/* ---- Matrices -------------------------------------------------------------------------------------------------------- */

/*
 * Where BLAS takes over from own kernels, in multiplications. Measured with OpenBLAS 0.3.21, its best kernels for each set, one
 * thread: own ones take, of its time, for 784-512-256-10 and batches of 32, 128 and 512
 *
 *     AVX-512, double   0.75  0.84  0.86      2048 x 2048, batch of 256  0.91      32 x 32, batch of 32  1.05
 *     AVX-512, single   0.80  0.95  1.05                                 1.04                            0.90
 *     AVX2, double      0.92  0.97  1.00                                 1.01                            0.82
 *     AVX2, single      0.92  0.99  1.02                                 1.05                            0.94
 */
static const size_t most_own[BPI_N_KERNEL_LEVELS] = {
    [BPI_KERNELS_AVX2] = (size_t)1 << 26,
    [BPI_KERNELS_AVX512] = sizeof(bp_real) == sizeof(double) ? SIZE_MAX : (size_t)1 << 26,
};

/* Some 40 microseconds: from here on the threads that the host has given to its BLAS are worth more than faster kernels. */
#define WORTH_THREADS ((size_t)1 << 22)

/*
 * Rows a page apart fall into the same lines of the first cache; AVX2's tiles, narrower than a line of it, would fetch each line of
 * the left factor twice.
 */
static bool is_awkward(const struct bpi_product *p)
{
    enum { PAGE = 4096 };
    return bpi_kernels_level() == BPI_KERNELS_AVX2 && p->form == BPI_TN && p->lda * sizeof(bp_real) % PAGE == 0;
}

/*
 * OpenBLAS's kernels for small products on AVX-512, which copy nothing, are ahead where a batch or a layer is narrow: they take 0.2 to
 * 0.9 of the time of own ones.
 */
static bool is_narrow(const struct bpi_product *p, size_t work)
{
    enum { NARROW = 16, SMALL = 1 << 20 };
    return bpi_kernels_level() == BPI_KERNELS_AVX512 && work <= SMALL && (p->m < NARROW || p->n < NARROW || p->k < NARROW);
}

/* How a product is computed: always the same way for the same shape, as long as the host leaves the BLAS as it is. */
static struct bpi_way way_of(const struct bp_threads_pool *pool, const struct bpi_product *p)
{
    static const struct bpi_way by_blas = { bpi_gemm, false }, own_ways[BPI_N_KERNEL_LEVELS] = {
        [BPI_KERNELS_PLAIN] = { NULL, false },
#if BPI_HAS_MATRICES
        [BPI_KERNELS_AVX2] = { bpi_multiply_matrices_avx2, true },
        [BPI_KERNELS_AVX512] = { bpi_multiply_matrices_avx512, true },
#endif
    };
    const bpi_kernel_level level = bpi_kernels_level();
    const size_t work = p->m * p->n * p->k;
    if (own_ways[level].multiply == NULL || bpi_products_are_forced())
        return by_blas;
    if (!bpi_blas_is_good())
        return own_ways[level];
    if (pool == NULL && work >= WORTH_THREADS && bpi_blas_threads() > 1)
        return by_blas;
    return work <= most_own[level] && !is_awkward(p) && !is_narrow(p, work) ? own_ways[level] : by_blas;
}

/*
 * Narrow layers: NULL if this is none, or if there are no kernels for it. They are so small that handing out parts of them would not pay. Measured
 * as above, over 1500 shapes up to 64 with AVX-512: of OpenBLAS's time they take 0.2 to 0.8, but for 29 shapes, nearly all of them products
 * of few rows in single precision, which take up to twice as long.
 */
static const struct bpi_narrow_products *narrow(size_t batch, size_t n_out, size_t n_in)
{
    static const struct bpi_narrow_products *const levels[BPI_N_KERNEL_LEVELS] = {
        [BPI_KERNELS_PLAIN] = NULL,
#if BPI_HAS_MATRICES
        [BPI_KERNELS_AVX2] = &bpi_narrow_products_avx2,
        [BPI_KERNELS_AVX512] = &bpi_narrow_products_avx512,
#endif
    };
    const bool fits = n_out <= BPI_MOST_NARROW && n_in <= BPI_MOST_NARROW && batch <= BPI_MOST_NARROW;
    return fits && batch > 1 && !bpi_products_are_forced() ? levels[bpi_kernels_level()] : NULL;
}

static void multiply(struct bp_threads_pool *pool, struct bpi_product product)
{
    bpi_gemm_shared(pool, &product, way_of(pool, &product));
}

/* ---- A single row, cut ----------------------------------------------------------------------------------------------- */

/*
 * Work with one row is cut by rows of W, forward, backward and in the update: so of two threads each meets the half of W again that
 * its caches have. What the parts of a backward pass have come to is added up in the order of the parts.
 */
enum {
    READING = 4, /* a number of W that is read once and used once takes as long as so many multiplications of a GEMM */
    MOST_PARTS = 4,
    COLUMNS = 1024 /* of the sums of parts at a time: they are on the stack */
};

/* A product with one row: each task does what lies between two cuts, and of the columns `width` from `column` on. */
struct row_job {
    struct bpi_cut cut;
    size_t n_out, n_in, column, width;
    bp_real alpha, beta;
    const bp_real *W, *x, *dz;
    bp_real *W_to, *dx;
    bp_real (*sums)[COLUMNS];              /* of the parts behind the first */
    const struct bpi_row_product *product; /* forward, where all but the sizes is in it */
};

struct rows {
    size_t first, n;
};

static struct rows rows_of_part(const struct row_job *job, size_t i)
{
    const size_t first = bpi_cut_begin(&job->cut, i);
    return (struct rows){ first, bpi_cut_begin(&job->cut, i + 1) - first };
}

static struct bpi_cut cut_of(size_t n_out, size_t n_in)
{
    return bpi_cut(n_out, READING * n_out * n_in);
}

/* Whether the threads of a pool share this; else a kernel does it in one call. */
static bool is_cut(const struct bp_threads_pool *pool, size_t n_out, size_t n_in)
{
    return pool != NULL && cut_of(n_out, n_in).n_parts > 1;
}

static void run_row_job(struct bp_threads_pool *pool, struct row_job *job, bpi_task *task)
{
    job->cut = cut_of(job->n_out, job->n_in);
    assert(job->cut.n_parts <= MOST_PARTS);
    bpi_pool_run(pool, job->cut.n_parts, task, job);
}

static void multiply_rows(void *argument, size_t i)
{
    const struct row_job *job = argument;
    const struct rows rows = rows_of_part(job, i);
    struct bpi_row_product part = *job->product;
    part.n_out = rows.n;
    part.W += rows.first * part.n_in;
    part.b = part.b != NULL ? part.b + rows.first : NULL;
    part.z += rows.first;
    part.a += rows.first;
    bpi_product_row_alone(&part);
}

static void add_outer_product(void *argument, size_t i)
{
    const struct row_job *job = argument;
    const struct rows rows = rows_of_part(job, i);
    own()->outer_product(rows.n, job->n_in, job->alpha, job->dz + rows.first, job->x, job->beta,
                         job->W_to + rows.first * job->n_in);
}

/* Where a part's sums go. */
static bp_real *sums_of_part(const struct row_job *job, size_t i)
{
    return i == 0 ? job->dx + job->column : job->sums[i - 1];
}

static void pull_rows_back(void *argument, size_t i)
{
    const struct row_job *job = argument;
    const struct rows rows = rows_of_part(job, i);
    own()->pull_row_back(rows.n, job->width, job->n_in, job->W + rows.first * job->n_in + job->column, job->dz + rows.first,
                         i == 0 ? job->beta : (bp_real)0, sums_of_part(job, i));
}

static void pull_rows_back_and_update(void *argument, size_t i)
{
    const struct row_job *job = argument;
    const struct rows rows = rows_of_part(job, i);
    own()->pull_row_back_and_update(rows.n, job->width, job->n_in, job->alpha, job->dz + rows.first, job->x + job->column,
                                    job->W_to + rows.first * job->n_in + job->column, sums_of_part(job, i));
}

/* Backward, with the update or without: some columns after the other, for which the sums of the parts are then added. */
static void run_back_job(struct bp_threads_pool *pool, const struct row_job *whole, bpi_task *task)
{
    _Alignas(BPI_ALIGNMENT) bp_real sums[MOST_PARTS - 1][COLUMNS];
    struct row_job job = *whole;
    job.sums = sums;
    for (; job.column < job.n_in; job.column += job.width) {
        const size_t left = job.n_in - job.column;
        job.width = left < COLUMNS ? left : COLUMNS;
        run_row_job(pool, &job, task);
        for (size_t i = 1; i < job.cut.n_parts; i++)
            for (size_t j = 0; j < job.width; j++)
                job.dx[job.column + j] += sums[i - 1][j];
    }
}

/* ---- Products -------------------------------------------------------------------------------------------------------- */

void bpi_product_forward(struct bp_threads_pool *pool, size_t batch, size_t n_out, size_t n_in, const bp_real *A_in,
                         const bp_real *W, bp_real *Z)
{
    const struct bpi_narrow_products *by = narrow(batch, n_out, n_in);
    if (by != NULL)
        by->forward(batch, n_out, n_in, A_in, W, Z);
    else if (bpi_product_is_own(batch))
        bpi_product_row(pool, &(struct bpi_row_product){ .n_out = n_out, .n_in = n_in, .W = W, .x = A_in, .z = Z, .a = Z });
    else
        multiply(pool, bpi_packed_product(BPI_NT, batch, n_out, n_in, (bp_real)1, A_in, W, (bp_real)0, Z));
}

void bpi_product_row_shared(struct bp_threads_pool *pool, const struct bpi_row_product *product)
{
    if (is_cut(pool, product->n_out, product->n_in)) {
        struct row_job job = { .n_out = product->n_out, .n_in = product->n_in, .product = product };
        run_row_job(pool, &job, multiply_rows);
    } else {
        bpi_product_row_alone(product);
    }
}

void bpi_product_back(struct bp_threads_pool *pool, size_t batch, size_t n_out, size_t n_in, const bp_real *dZ,
                      const bp_real *W, bp_real beta, bp_real *dA_in)
{
    const struct bpi_narrow_products *by = narrow(batch, n_out, n_in);
    if (by != NULL) {
        by->back(batch, n_out, n_in, dZ, W, beta, dA_in);
    } else if (!bpi_product_is_own(batch)) {
        multiply(pool, bpi_packed_product(BPI_NN, batch, n_in, n_out, (bp_real)1, dZ, W, beta, dA_in));
    } else if (is_cut(pool, n_out, n_in)) {
        const struct row_job job = { .n_out = n_out, .n_in = n_in, .beta = beta, .W = W, .dz = dZ, .dx = dA_in };
        run_back_job(pool, &job, pull_rows_back);
    } else {
        own()->pull_row_back(n_out, n_in, n_in, W, dZ, beta, dA_in);
    }
}

void bpi_product_out(struct bp_threads_pool *pool, size_t batch, size_t n_out, size_t n_in, bp_real alpha,
                     const bp_real *dZ, const bp_real *A_in, bp_real beta, bp_real *W_to)
{
    const struct bpi_narrow_products *by = narrow(batch, n_out, n_in);
    if (by != NULL) {
        by->out(batch, n_out, n_in, alpha, dZ, A_in, beta, W_to);
    } else if (!bpi_product_is_own(batch)) {
        multiply(pool, bpi_packed_product(BPI_TN, n_out, n_in, batch, alpha, dZ, A_in, beta, W_to));
    } else if (is_cut(pool, n_out, n_in)) {
        struct row_job job = {
            .n_out = n_out, .n_in = n_in, .alpha = alpha, .beta = beta, .x = A_in, .dz = dZ, .W_to = W_to
        };
        run_row_job(pool, &job, add_outer_product);
    } else {
        own()->outer_product(n_out, n_in, alpha, dZ, A_in, beta, W_to);
    }
}

bool bpi_product_sums(size_t batch, size_t n_out, bp_real alpha, const bp_real *dZ, bp_real beta, bp_real *b_to)
{
    const struct bpi_narrow_products *by = narrow(batch, n_out, n_out);
    if (by != NULL)
        by->sum_columns(batch, n_out, alpha, dZ, beta, b_to);
    return by != NULL;
}

void bpi_product_back_and_update(struct bp_threads_pool *pool, size_t batch, size_t n_out, size_t n_in, bp_real alpha,
                                 const bp_real *dZ, const bp_real *A_in, bp_real *W, bp_real *dA_in)
{
    if (!bpi_product_is_own(batch)) {
        bpi_product_back(pool, batch, n_out, n_in, dZ, W, (bp_real)0, dA_in);
        bpi_product_out(pool, batch, n_out, n_in, alpha, dZ, A_in, (bp_real)1, W);
    } else if (is_cut(pool, n_out, n_in)) {
        const struct row_job job = {
            .n_out = n_out, .n_in = n_in, .alpha = alpha, .x = A_in, .dz = dZ, .W_to = W, .dx = dA_in
        };
        run_back_job(pool, &job, pull_rows_back_and_update);
    } else {
        own()->pull_row_back_and_update(n_out, n_in, n_in, alpha, dZ, A_in, W, dA_in);
    }
}
