// SPDX-License-Identifier: MIT
/*
 * Products of whole matrices, and products cut into parts for the threads of a pool.
 */
#include "math/shared_gemm.h"

/* ---- Packed matrices ------------------------------------------------------------------------------------------------- */

struct bpi_product bpi_packed_product(enum bpi_gemm_form form, size_t m, size_t n, size_t k, bp_real alpha,
                                      const bp_real *A, const bp_real *B, bp_real beta, bp_real *C)
{
    return (struct bpi_product){ .form = form,
                                 .m = m,
                                 .n = n,
                                 .k = k,
                                 .alpha = alpha,
                                 .beta = beta,
                                 .A = A,
                                 .B = B,
                                 .C = C,
                                 .lda = form == BPI_TN ? m : k,
                                 .ldb = form == BPI_NT ? k : n,
                                 .ldc = n };
}

/* ---- Parts ----------------------------------------------------------------------------------------------------------- */

/*
 * Measured with OpenBLAS 0.3.21, SkylakeX kernels, for 784-512-256-10 and 2048 x 2048: what the parts of a product take one after
 * the other, compared with the whole. In 2 parts 1.01 to 1.09, in 4 parts 1.03 to 1.19 (the most for A^T B), in 8 up to 1.24;
 * each packs again what is not cut. So parts are few and wide, and their number is even: half of 3 parts is 2.
 */
enum {
    WIDTH_FOR_2 = 256, /* numbers in a row or column that is cut in 2 */
    WIDTH_FOR_4 = 1024,
    MOST_ROW_PARTS = 8,
    LEAST_WORK = 1 << 17, /* multiplications of a part: some microseconds, ten times what handing it out takes */
    GRAIN = 16            /* parts begin at multiples of it: whole vectors, and whole tiles of BLAS kernels */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

struct bpi_cut bpi_cut(size_t n, size_t work)
{
    size_t parts = n >= WIDTH_FOR_4 ? BPI_MOST_PRODUCT_PARTS : n >= WIDTH_FOR_2 ? 2 : 1;
    while (parts > 1 && work / parts < LEAST_WORK)
        parts /= 2;
    return (struct bpi_cut){ .n = n, .n_parts = parts, .grain = GRAIN };
}

struct bpi_cut bpi_cut_rows(size_t n, size_t work)
{
    const size_t parts = smaller(smaller(n, work / LEAST_WORK), MOST_ROW_PARTS);
    return (struct bpi_cut){ .n = n, .n_parts = parts > 1 ? parts : 1 };
}

size_t bpi_cut_begin(const struct bpi_cut *cut, size_t part)
{
    if (part == cut->n_parts)
        return cut->n;
    const size_t even = cut->n * part / cut->n_parts; /* n is below 2^31 */
    return cut->grain > 1 ? even / cut->grain * cut->grain : even;
}

struct shared_product {
    const struct bpi_product *whole;
    struct bpi_way way;
    struct bpi_cut cut;
    bool by_rows;
};

/* Rows first .. first + m - 1 of C, and what they need of A. */
static struct bpi_product rows_of(const struct bpi_product *whole, size_t first, size_t m)
{
    struct bpi_product part = *whole;
    part.m = m;
    part.A += whole->form == BPI_TN ? first : first * whole->lda;
    part.C += first * whole->ldc;
    return part;
}

/* Columns first .. first + n - 1 of C, and what they need of B. */
static struct bpi_product columns_of(const struct bpi_product *whole, size_t first, size_t n)
{
    struct bpi_product part = *whole;
    part.n = n;
    part.B += whole->form == BPI_NT ? first * whole->ldb : first;
    part.C += first;
    return part;
}

static void compute_part(void *job, size_t i)
{
    const struct shared_product *shared = job;
    const size_t first = bpi_cut_begin(&shared->cut, i), size = bpi_cut_begin(&shared->cut, i + 1) - first;
    const struct bpi_product part =
        shared->by_rows ? rows_of(shared->whole, first, size) : columns_of(shared->whole, first, size);
    shared->way.multiply(&part);
}

/* A part for each thread, as far as it is worth handing out. */
static struct bpi_cut cut_for_threads(size_t n, size_t work, size_t n_threads)
{
    const size_t parts = smaller(smaller(n / GRAIN, work / LEAST_WORK), n_threads);
    return (struct bpi_cut){ .n = n, .n_parts = parts > 1 ? parts : 1, .grain = GRAIN };
}

void bpi_gemm_shared(struct bp_threads_pool *pool, const struct bpi_product *product, struct bpi_way way)
{
    struct shared_product shared = { .whole = product, .way = way, .by_rows = product->m > product->n };
    const size_t n = shared.by_rows ? product->m : product->n, work = product->m * product->n * product->k;
    if (pool == NULL) {
        way.multiply(product);
        return;
    }
    shared.cut = way.keeps_bits ? cut_for_threads(n, work, bpi_pool_size(pool)) : bpi_cut(n, work);
    bpi_pool_run(pool, shared.cut.n_parts, compute_part, &shared);
}
