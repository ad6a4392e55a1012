// SPDX-License-Identifier: MIT
/*
 * The three products of matrices against triple loops, by each way that there is: BLAS, or what stands in for it, and the own kernels
 * of each instruction set. Small, odd and large sizes, all alpha and beta that are used, and what C held before.
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
#include "math/kernels.h"
#include "math/product_levels.h"
#include "support/close.h"
#include "support/heap.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

/* ---- Ways ------------------------------------------------------------------------------------------------------------ */

static const struct way {
    const char *name;
    void (*multiply)(const struct bpi_product *product);
    bpi_kernel_level level; /* what it needs */
    bool is_own;
} ways[] = {
    { "gemm", bpi_gemm, BPI_KERNELS_PLAIN, false },
#if BPI_HAS_MATRICES
    { "AVX2", bpi_multiply_matrices_avx2, BPI_KERNELS_AVX2, true },
    { "AVX-512", bpi_multiply_matrices_avx512, BPI_KERNELS_AVX512, true },
#endif
};

static const struct way *way = ways; /* in use */

/* Runs the statement after it with each way that the machine has. */
#define AT_EACH_WAY                                                                                                        \
    for (way = ways; way < ways + COUNT(ways); way++)                                                                      \
        if (bpi_kernels_have(way->level))

/* ---- Products -------------------------------------------------------------------------------------------------------- */

/* Element (i, p) of the left factor and (p, j) of the right one, by how each is stored. */
static const struct form {
    enum bpi_gemm_form form;
    bool left_transposed, right_transposed;
} forms[] = {
    { BPI_NT, false, true },
    { BPI_TN, true, false },
    { BPI_NN, false, false },
};

/* One product; each matrix is a block of its own, so that sanitizers and valgrind see its ends. */
struct product {
    size_t m, n, k;
    bp_real *A, *B, *C, *C_before;
};

static void multiply(const struct form *form, const struct product *p, bp_real alpha, bp_real beta, bp_real *C)
{
    const struct bpi_product product = bpi_packed_product(form->form, p->m, p->n, p->k, alpha, p->A, p->B, beta, C);
    way->multiply(&product);
}

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
    multiply(form, p, alpha, beta, p->C);

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
    AT_EACH_WAY
        for (size_t m = 1; m <= 9; m++)
            for (size_t n = 1; n <= 9; n++)
                for (size_t k = 1; k <= 9; k++)
                    check_all_forms(m, n, k, COUNT(factors));
}

static void sizes_around_blocks_and_lanes_are_right(void **state)
{
    (void)state;
    const size_t sizes[] = { 1, 7, 8, 13, 16, 17, 31, 33, 53 };
    AT_EACH_WAY
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
    AT_EACH_WAY
        for (size_t i = 0; i < COUNT(sizes); i++)
            check_all_forms(sizes[i][0], sizes[i][1], sizes[i][2], 3);
}

/* Infinities of C are no better than NaN: with beta = 0 they are not multiplied by it. */
static void overwrite_what_C_held(void)
{
    const bp_real held[] = { R(NAN), R(INFINITY), R(-INFINITY) };
    const size_t sizes[] = { 1, 4, 9, 33, 130 };
    for (size_t s = 0; s < COUNT(sizes); s++) {
        struct product p = make(sizes[s], sizes[s], sizes[s]);
        const size_t n = sizes[s] * sizes[s];
        for (size_t f = 0; f < COUNT(forms); f++) {
            for (size_t h = 0; h < COUNT(held); h++) {
                for (size_t i = 0; i < n; i++)
                    p.C[i] = held[h];
                multiply(&forms[f], &p, R(1), R(0), p.C);
                for (size_t i = 0; i < n; i++)
                    assert_true(isfinite(p.C[i]));
            }
        }
        release(&p);
    }
}

static void what_C_held_does_not_matter_when_it_is_overwritten(void **state)
{
    (void)state;
    AT_EACH_WAY
        overwrite_what_C_held();
}

static void read_factors(void)
{
    struct product p = make(17, 19, 23), same = make(17, 19, 23);
    for (size_t f = 0; f < COUNT(forms); f++)
        multiply(&forms[f], &p, R(1), R(0), p.C);

    assert_memory_equal(p.A, same.A, p.m * p.k * sizeof *p.A);
    assert_memory_equal(p.B, same.B, p.k * p.n * sizeof *p.B);
    release(&p);
    release(&same);
}

static void factors_are_only_read(void **state)
{
    (void)state;
    AT_EACH_WAY
        read_factors();
}

static void multiply_twice(void)
{
    struct product p = make(65, 130, 257);
    for (size_t f = 0; f < COUNT(forms); f++) {
        multiply(&forms[f], &p, R(1), R(0), p.C);
        multiply(&forms[f], &p, R(1), R(0), p.C_before);
        assert_memory_equal(p.C, p.C_before, p.m * p.n * sizeof *p.C);
    }
    release(&p);
}

static void same_product_gives_the_same_bits(void **state)
{
    (void)state;
    AT_EACH_WAY
        multiply_twice();
}

/* ---- Bits of parts --------------------------------------------------------------------------------------------------- */

/* What is promised of our own products, and not of a BLAS's. */
static bool keeps_bits(void)
{
#ifdef PLAIN_GEMM
    return true;
#else
    return way->is_own;
#endif
}

static const struct part {
    size_t first, n;
} parts[] = { { 0, 1 }, { 0, 7 }, { 1, 8 }, { 3, 17 }, { 5, 1 }, { 16, 24 }, { 31, 14 }, { 0, 45 } };

/* Some rows of C and some columns, computed alone, have the bits that they have in the whole. */
static void cut_out(const struct form *form, const struct product *p, struct part rows, struct part columns, bp_real beta)
{
    struct bpi_product part = bpi_packed_product(form->form, p->m, p->n, p->k, R(-0.3), p->A, p->B, beta, NULL);
    bp_real *C = malloc(p->m * p->n * sizeof *C);
    assert_non_null(C);
    memcpy(C, p->C_before, p->m * p->n * sizeof *C);
    part.A += form->left_transposed ? rows.first : rows.first * part.lda;
    part.B += form->right_transposed ? columns.first * part.ldb : columns.first;
    part.C = C + rows.first * part.ldc + columns.first;
    part.m = rows.n;
    part.n = columns.n;
    way->multiply(&part);

    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++) {
            const bool is_in = i - rows.first < rows.n && j - columns.first < columns.n;
            const bp_real *expected = is_in ? p->C : p->C_before;
            assert_memory_equal(&C[i * p->n + j], &expected[i * p->n + j], sizeof *C);
        }
    free(C);
}

static void a_part_has_the_bits_of_the_whole_and_nothing_else_is_written(void **state)
{
    (void)state;
    struct product p = make(45, 45, 600); /* more than two depths */
    AT_EACH_WAY
        for (size_t f = 0; f < COUNT(forms) && keeps_bits(); f++)
            for (int beta = 0; beta <= 2; beta++) {
                memcpy(p.C, p.C_before, p.m * p.n * sizeof *p.C);
                multiply(&forms[f], &p, R(-0.3), R(beta / 2.0), p.C);
                for (size_t i = 0; i < COUNT(parts); i++)
                    for (size_t j = 0; j < COUNT(parts); j++)
                        cut_out(&forms[f], &p, parts[i], parts[j], R(beta / 2.0));
            }
    release(&p);
}

/* ---- Narrow layers --------------------------------------------------------------------------------------------------- */

#if BPI_HAS_MATRICES

static const struct narrow_way {
    const struct bpi_narrow_products *by;
    void (*multiply)(const struct bpi_product *product); /* what it must agree with */
    bpi_kernel_level level;
} narrow_ways[] = {
    { &bpi_narrow_products_avx2, bpi_multiply_matrices_avx2, BPI_KERNELS_AVX2 },
    { &bpi_narrow_products_avx512, bpi_multiply_matrices_avx512, BPI_KERNELS_AVX512 },
};

#define AT_EACH_NARROW_WAY(way)                                                                                            \
    for (const struct narrow_way *way = narrow_ways; way < narrow_ways + COUNT(narrow_ways); way++)                        \
        if (bpi_kernels_have(way->level))

/* p->C and `expected`, both from C_before. */
static void hold_narrow(const struct narrow_way *by, const struct product *p, enum bpi_gemm_form form, bp_real alpha,
                        bp_real beta, bp_real *expected)
{
    const size_t size = p->m * p->n * sizeof *p->C;
    memcpy(p->C, p->C_before, size);
    memcpy(expected, p->C_before, size);
    const struct bpi_product product = bpi_packed_product(form, p->m, p->n, p->k, alpha, p->A, p->B, beta, expected);
    by->multiply(&product);
    if (form == BPI_NT)
        by->by->forward(p->m, p->n, p->k, p->A, p->B, p->C);
    else if (form == BPI_NN)
        by->by->back(p->m, p->k, p->n, p->A, p->B, beta, p->C);
    else
        by->by->out(p->k, p->m, p->n, alpha, p->A, p->B, beta, p->C);
    assert_memory_equal(p->C, expected, size);
}

static void hold_narrow_shape(size_t m, size_t n, size_t k)
{
    struct product p = make(m, n, k);
    bp_real *expected = malloc(m * n * sizeof *expected);
    assert_non_null(expected);
    AT_EACH_NARROW_WAY (by) {
        hold_narrow(by, &p, BPI_NT, R(1), R(0), expected);
        for (int beta = 0; beta <= 2; beta++) {
            hold_narrow(by, &p, BPI_NN, R(1), R(beta / 2.0), expected);
            hold_narrow(by, &p, BPI_TN, R(-0.3), R(beta / 2.0), expected);
        }
    }
    free(expected);
    release(&p);
}

static void a_narrow_layer_gets_the_bits_of_any_other(void **state)
{
    (void)state;
    static const size_t sizes[] = {
        1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 23, 24, 25, 31, 32, 33, 47, 48, 49, 50, 63, 64
    };
    for (size_t a = 0; a < COUNT(sizes); a++)
        for (size_t b = 0; b < COUNT(sizes); b++)
            for (size_t c = 0; c < COUNT(sizes); c++)
                hold_narrow_shape(sizes[a], sizes[b], sizes[c]);
}

/* Row after row from 0, as bpi_kernels()->add_column_sums() adds them; alpha and beta as the layer puts what has been added up. */
static void sums_of_columns_are_taken_row_after_row(void **state)
{
    (void)state;
    for (size_t n = 1; n <= BPI_MOST_NARROW; n++) {
        struct product p = make(37, n, 1);
        AT_EACH_NARROW_WAY (by)
            for (int beta = 0; beta <= 2; beta++) {
                bp_real to[BPI_MOST_NARROW + 1];
                memcpy(to, p.C_before, n * sizeof *to);
                to[n] = R(5);
                by->by->sum_columns(36, n, R(-0.3), p.C_before + n, R(beta / 2.0), to);
                for (size_t j = 0; j < n; j++) {
                    volatile bp_real sum = R(0), put; /* rounded after each operation */
                    for (size_t i = 1; i < 37; i++)
                        sum = sum + p.C_before[i * n + j];
                    put = R(-0.3) * sum;
                    const volatile bp_real before = R(beta / 2.0) * p.C_before[j];
                    assert_true(to[j] == (beta == 0 ? put : put + before));
                }
                assert_true(to[n] == R(5));
            }
        release(&p);
    }
}

#endif

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
        cmocka_unit_test(a_part_has_the_bits_of_the_whole_and_nothing_else_is_written),
#if BPI_HAS_MATRICES
        cmocka_unit_test(a_narrow_layer_gets_the_bits_of_any_other),
        cmocka_unit_test(sums_of_columns_are_taken_row_after_row),
#endif
        cmocka_unit_test(warming_up_gives_its_memory_back),
        cmocka_unit_test(warming_up_without_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
