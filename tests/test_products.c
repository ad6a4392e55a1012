// SPDX-License-Identifier: MIT
/*
 * The products of a layer against the sums that define them, by each way that they can go: small whole numbers, so that
 * nothing is rounded and every way gives the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "backprop/rng.h"
#include "math/kernels.h"
#include "math/products.h"
#include "support/levels.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { MOST_OUT = 35, MOST_IN = 300, MOST_BATCH = 5, SHIFT = 1 };

static const size_t widths[] = {
    1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 67, 100, 127, 128, 129, 255, 256, 257, 300
};

/* Room for all shapes, and one more number, which stays. */
struct arrays {
    bp_real W[MOST_OUT * MOST_IN + SHIFT + 1], A_in[MOST_BATCH * MOST_IN + SHIFT + 1],
        dA_in[MOST_BATCH * MOST_IN + SHIFT + 1];
    bp_real Z[MOST_BATCH * MOST_OUT + SHIFT + 1], dZ[MOST_BATCH * MOST_OUT + SHIFT + 1], b[MOST_OUT + SHIFT + 1];
};

static void fill(bp_rng *rng, size_t n, bp_real *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (bp_real)bp_rng_below(rng, 9) - (bp_real)4;
}

static void fill_all(struct arrays *at)
{
    bp_rng rng;
    bp_rng_init(&rng, 7);
    fill(&rng, COUNT(at->W), at->W);
    fill(&rng, COUNT(at->A_in), at->A_in);
    fill(&rng, COUNT(at->dA_in), at->dA_in);
    fill(&rng, COUNT(at->Z), at->Z);
    fill(&rng, COUNT(at->dZ), at->dZ);
    fill(&rng, COUNT(at->b), at->b);
}

/* z = W x + b */
static void multiply_row(size_t n_out, size_t n_in, const bp_real *W, const bp_real *b, const bp_real *x, bp_real *z)
{
    bpi_product_row(NULL,
                    &(struct bpi_row_product){ .n_out = n_out, .n_in = n_in, .W = W, .b = b, .x = x, .z = z, .a = z });
}

struct shape {
    size_t batch, n_out, n_in;
};

static void hold_forward(const struct shape *is, const struct arrays *at)
{
    struct arrays got = *at;
    bp_real *Z = got.Z + SHIFT;
    const bp_real *W = at->W + SHIFT, *A_in = at->A_in + SHIFT, beyond = Z[is->batch * is->n_out];
    bpi_product_forward(NULL, is->batch, is->n_out, is->n_in, A_in, W, Z);
    for (size_t i = 0; i < is->batch; i++)
        for (size_t k = 0; k < is->n_out; k++) {
            bp_real sum = 0;
            for (size_t j = 0; j < is->n_in; j++)
                sum += A_in[i * is->n_in + j] * W[k * is->n_in + j];
            assert_true(Z[i * is->n_out + k] == sum);
        }
    assert_true(Z[is->batch * is->n_out] == beyond);

    bp_real with_b[MOST_OUT];
    multiply_row(is->n_out, is->n_in, W, at->b, A_in, with_b);
    for (size_t k = 0; k < is->n_out; k++)
        assert_true(with_b[k] == Z[k] + at->b[k]);
}

static void hold_back(const struct shape *is, const struct arrays *at, bp_real beta)
{
    struct arrays got = *at;
    bp_real *dA_in = got.dA_in + SHIFT;
    const bp_real *before = at->dA_in + SHIFT, *dZ = at->dZ + SHIFT, *W = at->W + SHIFT;
    bpi_product_back(NULL, is->batch, is->n_out, is->n_in, dZ, W, beta, dA_in);
    for (size_t i = 0; i < is->batch; i++)
        for (size_t j = 0; j < is->n_in; j++) {
            bp_real sum = beta * before[i * is->n_in + j];
            for (size_t k = 0; k < is->n_out; k++)
                sum += dZ[i * is->n_out + k] * W[k * is->n_in + j];
            assert_true(dA_in[i * is->n_in + j] == sum);
        }
    assert_true(dA_in[is->batch * is->n_in] == before[is->batch * is->n_in]);
}

static void hold_out(const struct shape *is, const struct arrays *at, bp_real alpha, bp_real beta)
{
    struct arrays got = *at;
    bp_real *W = got.W + SHIFT;
    const bp_real *before = at->W + SHIFT, *dZ = at->dZ + SHIFT, *A_in = at->A_in + SHIFT;
    bpi_product_out(NULL, is->batch, is->n_out, is->n_in, alpha, dZ, A_in, beta, W);
    for (size_t k = 0; k < is->n_out; k++)
        for (size_t j = 0; j < is->n_in; j++) {
            bp_real sum = 0;
            for (size_t i = 0; i < is->batch; i++)
                sum += dZ[i * is->n_out + k] * A_in[i * is->n_in + j];
            assert_true(W[k * is->n_in + j] == alpha * sum + beta * before[k * is->n_in + j]);
        }
    assert_true(W[is->n_out * is->n_in] == before[is->n_out * is->n_in]);
}

static void products_are_the_sums_that_define_them(void **state)
{
    (void)state;
    static struct arrays at;
    fill_all(&at);
    AT_EACH_PATH (path)
        for (size_t batch = 1; batch <= MOST_BATCH; batch += 2)
            for (size_t n_out = 1; n_out <= MOST_OUT; n_out += batch)
                for (size_t w = 0; w < COUNT(widths); w++) {
                    const struct shape is = { batch, n_out, widths[w] };
                    hold_forward(&is, &at);
                    for (int beta = 0; beta <= 2; beta++) {
                        hold_back(&is, &at, (bp_real)beta / 2);
                        hold_out(&is, &at, (bp_real)-0.5, (bp_real)beta / 2);
                    }
                }
}

/* W does not fit the second cache, and x not the room that a kernel has for a copy. */
static void a_large_matrix_is_multiplied_as_others_are(void **state)
{
    (void)state;
    enum { N_OUT = 130, N_IN = 2101 };
    static bp_real W[N_OUT * N_IN], x[N_IN];
    bp_rng rng;
    bp_rng_init(&rng, 8);
    fill(&rng, COUNT(W), W);
    fill(&rng, COUNT(x), x);
    AT_EACH_LEVEL (level)
        for (size_t n_in = 2000; n_in <= N_IN; n_in += 101) {
            bp_real z[N_OUT];
            multiply_row(N_OUT, n_in, W, NULL, x, z);
            for (size_t k = 0; k < N_OUT; k++) {
                bp_real sum = 0;
                for (size_t j = 0; j < n_in; j++)
                    sum += x[j] * W[k * n_in + j];
                assert_true(z[k] == sum);
            }
        }
}

/* ---- Bits ------------------------------------------------------------------------------------------------------------ */

static void fill_with_fractions(size_t n, uint64_t seed, bp_real *x)
{
    bp_rng rng;
    bp_rng_init(&rng, seed);
    for (size_t i = 0; i < n; i++)
        x[i] = (bp_real)(bp_rng_uniform(&rng) - 0.5);
}

/* So rows may be shared out among threads. */
static void a_row_of_W_gives_the_same_bits_whatever_its_neighbours_are(void **state)
{
    (void)state;
    static bp_real W[MOST_OUT * MOST_IN], x[MOST_IN];
    fill_with_fractions(COUNT(W), 1, W);
    fill_with_fractions(COUNT(x), 2, x);
    AT_EACH_LEVEL (level)
        for (size_t w = 0; w < COUNT(widths); w++) {
            const size_t n_in = widths[w];
            bp_real all[MOST_OUT], some[MOST_OUT];
            multiply_row(MOST_OUT, n_in, W, NULL, x, all);
            for (size_t first = 0; first < MOST_OUT; first++)
                for (size_t n = 1; first + n <= MOST_OUT; n++) {
                    multiply_row(n, n_in, W + first * n_in, NULL, x, some);
                    assert_memory_equal(some, all + first, n * sizeof *some);
                }
        }
}

/* A NaN, then numbers to the end. */
static void hold_same(const bp_real x[MOST_OUT + 1], const bp_real y[MOST_OUT + 1])
{
    assert_true(isnan(x[0]) && isnan(y[0]));
    assert_memory_equal(x + 1, y + 1, MOST_OUT * sizeof *x);
}

/* z is what it is without f, a what the kernel of f makes of it, and no number behind them is touched. */
static void hold_function(const struct bpi_row_product *is)
{
    bp_real z[MOST_OUT + 1] = { 0 }, a[MOST_OUT + 1] = { 0 }, in_place[MOST_OUT + 1] = { 0 },
                         expected[MOST_OUT + 1] = { 0 };
    struct bpi_row_product product = *is;
    product.z = product.a = z;
    product.f = BP_IDENTITY;
    bpi_product_row(NULL, &product);
    bpi_kernels()->apply[is->f](is->n_out, (bp_real)0, z, expected);

    product.z = product.a = in_place;
    product.f = is->f;
    bpi_product_row(NULL, &product);
    hold_same(in_place, expected);

    bp_real kept[MOST_OUT + 1] = { 0 };
    product.z = kept;
    product.a = a;
    bpi_product_row(NULL, &product);
    hold_same(kept, z);
    hold_same(a, expected);
}

static void a_function_is_applied_to_the_bits_that_its_kernel_gives(void **state)
{
    (void)state;
    static bp_real W[MOST_OUT * MOST_IN], x[MOST_IN], b[MOST_OUT];
    fill_with_fractions(COUNT(W), 1, W);
    fill_with_fractions(COUNT(x), 2, x);
    fill_with_fractions(COUNT(b), 3, b);
    b[0] = (bp_real)NAN;
    AT_EACH_LEVEL (level)
        for (int f = 0; f < BP_N_ACTIVATIONS; f++)
            for (size_t w = 0; w < COUNT(widths) && bpi_product_row_has((bp_activation)f); w++)
                for (size_t n_out = 1; n_out <= MOST_OUT; n_out++)
                    hold_function(&(struct bpi_row_product){
                        .n_out = n_out, .n_in = widths[w], .W = W, .b = b, .x = x, .f = (bp_activation)f });
}

/* With one row and with several: dA_in is that of W before the update. */
static void back_and_update_in_one_give_the_bits_of_both(void **state)
{
    (void)state;
    static bp_real W[MOST_OUT * MOST_IN], W1[MOST_OUT * MOST_IN], W2[MOST_OUT * MOST_IN];
    static bp_real A_in[MOST_BATCH * MOST_IN], dA1[MOST_BATCH * MOST_IN], dA2[MOST_BATCH * MOST_IN];
    bp_real dZ[MOST_BATCH * MOST_OUT];
    fill_with_fractions(COUNT(W), 1, W);
    fill_with_fractions(COUNT(A_in), 2, A_in);
    fill_with_fractions(COUNT(dZ), 3, dZ);
    AT_EACH_PATH (path)
        for (size_t batch = 1; batch <= MOST_BATCH; batch += 2)
            for (size_t n_out = 1; n_out <= MOST_OUT; n_out++)
                for (size_t w = 0; w < COUNT(widths); w++) {
                    const size_t n_in = widths[w], n = n_out * n_in;
                    memcpy(W1, W, sizeof W);
                    memcpy(W2, W, sizeof W);
                    bpi_product_back(NULL, batch, n_out, n_in, dZ, W1, (bp_real)0, dA1);
                    bpi_product_out(NULL, batch, n_out, n_in, (bp_real)-0.1, dZ, A_in, (bp_real)1, W1);
                    bpi_product_back_and_update(NULL, batch, n_out, n_in, (bp_real)-0.1, dZ, A_in, W2, dA2);
                    assert_memory_equal(W1, W2, n * sizeof *W);
                    assert_memory_equal(dA1, dA2, batch * n_in * sizeof *dA1);
                }
}

static void a_single_row_is_multiplied_by_own_kernels_unless_forced_otherwise(void **state)
{
    (void)state;
    assert_true(bpi_product_is_own(1));
    assert_false(bpi_product_is_own(2));
    bpi_products_force_gemm(true);
    assert_false(bpi_product_is_own(1));
    bpi_products_force_gemm(false);
    assert_true(bpi_product_is_own(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_row_is_multiplied_by_own_kernels_unless_forced_otherwise),
        cmocka_unit_test(products_are_the_sums_that_define_them),
        cmocka_unit_test(a_large_matrix_is_multiplied_as_others_are),
        cmocka_unit_test(a_row_of_W_gives_the_same_bits_whatever_its_neighbours_are),
        cmocka_unit_test(a_function_is_applied_to_the_bits_that_its_kernel_gives),
        cmocka_unit_test(back_and_update_in_one_give_the_bits_of_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
