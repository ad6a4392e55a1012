// SPDX-License-Identifier: MIT
/*
 * Which way a product goes.
 */
#include "math/products.h"

#include <stdatomic.h>

#include "math/kernels.h"
#include "math/product_levels.h"
#include "math/shared_gemm.h"

#ifdef BACKPROP_X86_KERNELS
#define LEVEL(kernels) (&(kernels))
#else
#define LEVEL(kernels) NULL
#endif

static const struct bpi_product_kernels *own(void)
{
    static const struct bpi_product_kernels *const levels[BPI_N_KERNEL_LEVELS] = {
        [BPI_KERNELS_PLAIN] = &bpi_product_kernels_plain,
        [BPI_KERNELS_AVX2] = LEVEL(bpi_product_kernels_avx2),
        [BPI_KERNELS_AVX512] = LEVEL(bpi_product_kernels_avx512),
    };
    return levels[bpi_kernels_level()];
}

/* Rows of W shorter than this are multiplied in one sum. */
enum { SHORT = 8 };

static atomic_bool gemm_is_forced;

static bool is_own(size_t batch)
{
    return batch == 1 && !atomic_load_explicit(&gemm_is_forced, memory_order_relaxed);
}

void bpi_products_force_gemm(bool forced)
{
    atomic_store_explicit(&gemm_is_forced, forced, memory_order_relaxed);
}

bool bpi_product_is_own(size_t batch)
{
    return is_own(batch);
}

static void multiply(struct bp_threads_pool *pool, struct bpi_product product)
{
    bpi_gemm_shared(pool, &product);
}

/* ---- A single row, cut ----------------------------------------------------------------------------------------------- */

/*
 * Numbers of W from which a product with one row is cut. Below, W stays in the cache of the core that works on it, and is read
 * from there faster than two cores can hand it to each other: forward goes by rows, backward by columns.
 */
#define BEYOND_CACHES ((size_t)1 << 20)

enum { READING = 4 }; /* a number of W that is read once and used once takes as long as so many multiplications of a GEMM */

/* A product with one row, by rows of W or by its columns: each task does what lies between two cuts. */
struct row_job {
    struct bpi_cut cut;
    size_t n_out, n_in;
    bp_real alpha, beta;
    const bp_real *W, *b, *x, *dz;
    bp_real *W_to, *z, *dx;
};

static void run_row_job(struct bp_threads_pool *pool, struct row_job *job, size_t n, bpi_task *task)
{
    const size_t size = job->n_out * job->n_in;
    job->cut =
        pool != NULL && size >= BEYOND_CACHES ? bpi_cut(n, READING * size) : (struct bpi_cut){ .n = n, .n_parts = 1 };
    bpi_pool_run(pool, job->cut.n_parts, task, job);
}

static void multiply_rows(void *argument, size_t i)
{
    const struct row_job *job = argument;
    const size_t first = bpi_cut_begin(&job->cut, i), n = bpi_cut_begin(&job->cut, i + 1) - first;
    own()->multiply_row(n, job->n_in, job->W + first * job->n_in, job->b != NULL ? job->b + first : NULL, job->x,
                        job->z + first);
}

static void pull_columns_back(void *argument, size_t i)
{
    const struct row_job *job = argument;
    const size_t first = bpi_cut_begin(&job->cut, i), n = bpi_cut_begin(&job->cut, i + 1) - first;
    own()->pull_row_back(job->n_out, n, job->n_in, job->W + first, job->dz, job->beta, job->dx + first);
}

static void pull_columns_back_and_update(void *argument, size_t i)
{
    const struct row_job *job = argument;
    const size_t first = bpi_cut_begin(&job->cut, i), n = bpi_cut_begin(&job->cut, i + 1) - first;
    own()->pull_row_back_and_update(job->n_out, n, job->n_in, job->alpha, job->dz, job->x + first, job->W_to + first,
                                    job->dx + first);
}

static void add_outer_product(void *argument, size_t i)
{
    const struct row_job *job = argument;
    const size_t first = bpi_cut_begin(&job->cut, i), n = bpi_cut_begin(&job->cut, i + 1) - first;
    own()->outer_product(n, job->n_in, job->alpha, job->dz + first, job->x, job->beta, job->W_to + first * job->n_in);
}

/* ---- Products -------------------------------------------------------------------------------------------------------- */

void bpi_product_forward(struct bp_threads_pool *pool, size_t batch, size_t n_out, size_t n_in, const bp_real *A_in,
                         const bp_real *W, bp_real *Z)
{
    if (is_own(batch))
        bpi_product_row(pool, n_out, n_in, W, NULL, A_in, Z);
    else
        multiply(pool, bpi_packed_product(BPI_NT, batch, n_out, n_in, (bp_real)1, A_in, W, (bp_real)0, Z));
}

void bpi_product_row(struct bp_threads_pool *pool, size_t n_out, size_t n_in, const bp_real *W, const bp_real *b,
                     const bp_real *x, bp_real *z)
{
    if (n_in >= SHORT) {
        run_row_job(pool, &(struct row_job){ .n_out = n_out, .n_in = n_in, .W = W, .b = b, .x = x, .z = z }, n_out,
                    multiply_rows);
        return;
    }
    for (size_t i = 0; i < n_out; i++, W += n_in) { /* there are hardly vectors to fill */
        bp_real sum = b != NULL ? b[i] : (bp_real)0;
        for (size_t j = 0; j < n_in; j++)
            sum += W[j] * x[j];
        z[i] = sum;
    }
}

void bpi_product_back(struct bp_threads_pool *pool, size_t batch, size_t n_out, size_t n_in, const bp_real *dZ,
                      const bp_real *W, bp_real beta, bp_real *dA_in)
{
    if (is_own(batch))
        run_row_job(pool, &(struct row_job){ .n_out = n_out, .n_in = n_in, .beta = beta, .W = W, .dz = dZ, .dx = dA_in },
                    n_in, pull_columns_back);
    else
        multiply(pool, bpi_packed_product(BPI_NN, batch, n_in, n_out, (bp_real)1, dZ, W, beta, dA_in));
}

void bpi_product_out(struct bp_threads_pool *pool, size_t batch, size_t n_out, size_t n_in, bp_real alpha,
                     const bp_real *dZ, const bp_real *A_in, bp_real beta, bp_real *W_to)
{
    struct row_job job = { .n_out = n_out, .n_in = n_in, .alpha = alpha, .beta = beta, .x = A_in, .dz = dZ, .W_to = W_to };
    if (is_own(batch))
        run_row_job(pool, &job, n_out, add_outer_product);
    else
        multiply(pool, bpi_packed_product(BPI_TN, n_out, n_in, batch, alpha, dZ, A_in, beta, W_to));
}

void bpi_product_back_and_update(struct bp_threads_pool *pool, size_t batch, size_t n_out, size_t n_in, bp_real alpha,
                                 const bp_real *dZ, const bp_real *A_in, bp_real *W, bp_real *dA_in)
{
    struct row_job job = { .n_out = n_out, .n_in = n_in, .alpha = alpha, .x = A_in, .dz = dZ, .W_to = W, .dx = dA_in };
    if (is_own(batch)) {
        run_row_job(pool, &job, n_in, pull_columns_back_and_update);
        return;
    }
    bpi_product_back(pool, batch, n_out, n_in, dZ, W, (bp_real)0, dA_in);
    bpi_product_out(pool, batch, n_out, n_in, alpha, dZ, A_in, (bp_real)1, W);
}
