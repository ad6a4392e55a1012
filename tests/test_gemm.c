// SPDX-License-Identifier: MIT
/*
 * The three products of matrices against triple loops: small, odd and large sizes, all alpha and beta that are used, and
 * what C held before. Nothing here depends on the BLAS but one test of the GEMM of our own, for builds without one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backprop/rng.h"
#include "math/gemm.h"
#include "support/close.h"
#include "support/heap.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

typedef void (*gemm)(size_t m, size_t n, size_t k, bp_real alpha, const bp_real *A, const bp_real *B, bp_real beta,
                     bp_real *C);

/* Element (i, p) of the left factor and (p, j) of the right one, by how each is stored. */
static const struct form {
    gemm multiply;
    bool left_transposed, right_transposed;
} forms[] = {
    { bpi_gemm_nt, false, true },
    { bpi_gemm_tn, true, false },
    { bpi_gemm_nn, false, false },
};

/* One product; each matrix is a block of its own, so that sanitizers and valgrind see its ends. */
struct product {
    size_t m, n, k;
    bp_real *A, *B, *C, *C_before;
};

static bp_real *random_matrix(size_t n, bp_rng *rng)
{
    bp_real *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = R(bp_rng_normal(rng));
    return x;
}

static struct product make(size_t m, size_t n, size_t k)
{
    bp_rng rng;
    bp_rng_init(&rng, m * 1000003 + n * 1009 + k);
    struct product p = { m, n, k, NULL, NULL, NULL, NULL };
    p.A = random_matrix(m * k, &rng);
    p.B = random_matrix(k * n, &rng);
    p.C_before = random_matrix(m * n, &rng);
    p.C = malloc(m * n * sizeof *p.C);
    assert_non_null(p.C);
    return p;
}

static void release(struct product *p)
{
    free(p->A);
    free(p->B);
    free(p->C);
    free(p->C_before);
}

/* alpha (A B)_ij + beta C_ij in double, and the sum of the sizes of all that is added. */
static double element(const struct form *form, const struct product *p, size_t i, size_t j, double alpha, double beta,
                      double *sizes)
{
    double sum = 0, sum_of_sizes = 0;
    for (size_t q = 0; q < p->k; q++) {
        const double a = (double)p->A[form->left_transposed ? q * p->m + i : i * p->k + q];
        const double b = (double)p->B[form->right_transposed ? j * p->k + q : q * p->n + j];
        sum += a * b;
        sum_of_sizes += fabs(a * b);
    }
    const double c = beta == 0 ? 0 : beta * (double)p->C_before[i * p->n + j];
    *sizes = fabs(alpha) * sum_of_sizes + fabs(c);
    return alpha * sum + c;
}

/*
 * A sum of k products, in any order and with or without fused multiply-add, is wrong by at most k + 2 roundings of the sum
 * of sizes (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1); so is the reference in double.
 */
static void check(const struct form *form, struct product *p, bp_real alpha, bp_real beta)
{
    if (beta == R(0))
        for (size_t i = 0; i < p->m * p->n; i++)
            p->C[i] = R(NAN); /* does not matter */
    else
        memcpy(p->C, p->C_before, p->m * p->n * sizeof *p->C);
    form->multiply(p->m, p->n, p->k, alpha, p->A, p->B, beta, p->C);

    for (size_t i = 0; i < p->m; i++) {
        for (size_t j = 0; j < p->n; j++) {
            double sizes;
            const double expected = element(form, p, i, j, (double)alpha, (double)beta, &sizes);
            const double bound = ((double)p->k + 2) * (double)BP_REAL_EPSILON * sizes;
            assert_close((double)p->C[i * p->n + j], expected, bound);
        }
    }
}

/* What the library uses: overwrite, add, descend by a rate; and something of everything. */
static const struct {
    double alpha, beta;
} factors[] = { { 1, 0 }, { 1, 1 }, { -0.01, 1 }, { 0.75, 0 }, { -2, 0.5 }, { 1, -1 }, { 0, 1 }, { 0, 0 } };

static void check_all_forms(size_t m, size_t n, size_t k, size_t n_factors)
{
    struct product p = make(m, n, k);
    for (size_t f = 0; f < COUNT(forms); f++)
        for (size_t i = 0; i < n_factors; i++)
            check(&forms[f], &p, R(factors[i].alpha), R(factors[i].beta));
    release(&p);
}

static void all_small_sizes_are_right(void **state)
{
    (void)state;
    for (size_t m = 1; m <= 9; m++)
        for (size_t n = 1; n <= 9; n++)
            for (size_t k = 1; k <= 9; k++)
                check_all_forms(m, n, k, COUNT(factors));
}

static void sizes_around_blocks_and_lanes_are_right(void **state)
{
    (void)state;
    const size_t sizes[] = { 1, 7, 8, 13, 16, 17, 31, 33, 53 };
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (size_t j = 0; j < COUNT(sizes); j++)
            for (size_t l = 0; l < COUNT(sizes); l++)
                check_all_forms(sizes[i], sizes[j], sizes[l], 2);
}

static void large_sizes_are_right(void **state)
{
    (void)state;
    static const size_t sizes[][3] = { { 257, 3, 5 },  { 3, 257, 5 },    { 3, 5, 257 },   { 1, 1, 1021 }, { 257, 1, 1 },
                                       { 1, 257, 1 },  { 101, 97, 103 }, { 2, 300, 513 }, { 61, 9, 768 }, { 131, 137, 257 },
                                       { 37, 512, 7 }, { 64, 64, 64 },   { 128, 65, 256 } };
    for (size_t i = 0; i < COUNT(sizes); i++)
        check_all_forms(sizes[i][0], sizes[i][1], sizes[i][2], 3);
}

/* Infinities of C are no better than NaN: with beta = 0 they are not multiplied by it. */
static void what_C_held_does_not_matter_when_it_is_overwritten(void **state)
{
    (void)state;
    const bp_real held[] = { R(NAN), R(INFINITY), R(-INFINITY) };
    const size_t sizes[] = { 1, 4, 9, 33, 130 };
    for (size_t s = 0; s < COUNT(sizes); s++) {
        struct product p = make(sizes[s], sizes[s], sizes[s]);
        const size_t n = sizes[s] * sizes[s];
        for (size_t f = 0; f < COUNT(forms); f++) {
            for (size_t h = 0; h < COUNT(held); h++) {
                for (size_t i = 0; i < n; i++)
                    p.C[i] = held[h];
                forms[f].multiply(p.m, p.n, p.k, R(1), p.A, p.B, R(0), p.C);
                for (size_t i = 0; i < n; i++)
                    assert_true(isfinite(p.C[i]));
            }
        }
        release(&p);
    }
}

static void factors_are_only_read(void **state)
{
    (void)state;
    struct product p = make(17, 19, 23), same = make(17, 19, 23);
    for (size_t f = 0; f < COUNT(forms); f++)
        forms[f].multiply(p.m, p.n, p.k, R(1), p.A, p.B, R(0), p.C);

    assert_memory_equal(p.A, same.A, p.m * p.k * sizeof *p.A);
    assert_memory_equal(p.B, same.B, p.k * p.n * sizeof *p.B);
    release(&p);
    release(&same);
}

static void same_product_gives_the_same_bits(void **state)
{
    (void)state;
    struct product p = make(65, 130, 257);
    for (size_t f = 0; f < COUNT(forms); f++) {
        forms[f].multiply(p.m, p.n, p.k, R(1), p.A, p.B, R(0), p.C);
        forms[f].multiply(p.m, p.n, p.k, R(1), p.A, p.B, R(0), p.C_before);
        assert_memory_equal(p.C, p.C_before, p.m * p.n * sizeof *p.C);
    }
    release(&p);
}

/* Our own GEMM promises it; a BLAS does not. Rows of A are rows of the batch in the forms that forward and backward use. */
static void row_alone_has_the_bits_of_the_row_in_a_batch(void **state)
{
    (void)state;
#ifndef PLAIN_GEMM
    skip();
#endif
    const gemm by_rows[] = { bpi_gemm_nt, bpi_gemm_nn };
    struct product p = make(23, 37, 600); /* more than two blocks of k */
    bp_real row[37];
    for (size_t f = 0; f < COUNT(by_rows); f++) {
        by_rows[f](p.m, p.n, p.k, R(1), p.A, p.B, R(0), p.C);
        for (size_t i = 0; i < p.m; i++) {
            by_rows[f](1, p.n, p.k, R(1), p.A + i * p.k, p.B, R(0), row);
            assert_memory_equal(row, p.C + i * p.n, sizeof row);
        }
    }
    release(&p);
}

/* ---- Warming up -------------------------------------------------------------------------------------------------- */

static void warming_up_gives_its_memory_back(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    assert_int_equal(bpi_gemm_warm_up(NULL, &heap.allocator), BP_OK);
    assert_true(test_heap_is_clean(&heap));
}

static void warming_up_without_memory_is_refused(void **state)
{
    (void)state;
#ifdef PLAIN_GEMM
    skip(); /* takes none */
#endif
    struct test_heap heap;
    test_heap_init(&heap);
    heap.fail_at = 1;
    assert_refused(bpi_gemm_warm_up(NULL, &heap.allocator), BP_ERR_MEMORY, "warming up BLAS");
    assert_true(test_heap_is_clean(&heap));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_small_sizes_are_right),
        cmocka_unit_test(sizes_around_blocks_and_lanes_are_right),
        cmocka_unit_test(large_sizes_are_right),
        cmocka_unit_test(what_C_held_does_not_matter_when_it_is_overwritten),
        cmocka_unit_test(factors_are_only_read),
        cmocka_unit_test(same_product_gives_the_same_bits),
        cmocka_unit_test(row_alone_has_the_bits_of_the_row_in_a_batch),
        cmocka_unit_test(warming_up_gives_its_memory_back),
        cmocka_unit_test(warming_up_without_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
