// SPDX-License-Identifier: MIT
/*
 * The kernels of every instruction set that the machine has: within their bounds of the truth, which is libm's in long
 * double, at all sizes of numbers; the same bits for a number wherever it stands; nothing touched beyond the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "backprop/rng.h"
#include "math/activation.h"
#include "math/kernels.h"
#include "support/levels.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#ifdef BACKPROP_SINGLE
enum { DIGITS = 24, LEAST_EXPONENT = -149, MOST_EXPONENT = 127 };
#else
enum { DIGITS = 53, LEAST_EXPONENT = -1074, MOST_EXPONENT = 1023 };
#endif

/* Whether long double is wider than double as the program runs: valgrind computes it with 53 bits. */
static bool long_double_is_wide(void)
{
    volatile long double sum = 1;
    sum += LDBL_EPSILON;
    return sum > 1 && LDBL_MANT_DIG > DBL_MANT_DIG;
}

/* ---- Within 2 units in the last place -------------------------------------------------------------------------------- */

typedef long double (*truth)(long double x);

static long double sigmoid_truth(long double x)
{
    return 1 / (1 + expl(-x));
}

static bpi_map map_of(int function)
{
    const struct bpi_kernels *kernels = bpi_kernels();
    const bpi_map maps[] = { kernels->exp, kernels->tanh, kernels->sigmoid };
    return maps[function];
}

static const truth truths[] = { expl, tanhl, sigmoid_truth };
static const char *const names[] = { "exp", "tanh", "sigmoid" };

/* The distance of neighbours of the number type at x, below the normal range the smallest there is. */
static long double unit_at(long double x)
{
    int exponent;
    (void)frexpl(x, &exponent);
    const int last = exponent - DIGITS;
    return ldexpl(1, last > LEAST_EXPONENT ? last : LEAST_EXPONENT);
}

/* How far y is from f(x), in units in the last place. Beyond the largest number there is infinity, half a unit away. */
static long double error_in_units(int function, bp_real x, bp_real y)
{
    const long double right = truths[function]((long double)x);
    if (isinf(y))
        return right >= (long double)BP_REAL_MAX ? 0 : (long double)INFINITY;
    return fabsl((long double)y - right) / unit_at(right);
}

enum { MANY = 1000 };

static void hold_to_bound(int function, size_t n, const bp_real *x)
{
    bp_real y[MANY];
    map_of(function)(n, x, y);
    for (size_t i = 0; i < n; i++) {
        const long double error = error_in_units(function, x[i], y[i]);
        if (!(error <= 2))
            fail_msg("%s, %s: f(%a) is %a, %.3Lf units off", bpi_kernels()->name, names[function], (double)x[i],
                     (double)y[i], error);
    }
}

/* Of both signs, each exponent as often as any other: up to the largest number, down to the smallest. */
static void numbers_of_every_size_are_within_two_units(void **state)
{
    (void)state;
    if (!long_double_is_wide())
        skip();
    bp_rng rng;
    bp_rng_init(&rng, 1);
    AT_EACH_LEVEL (level)
        for (int function = 0; function < 3; function++)
            for (int exponent = LEAST_EXPONENT; exponent <= MOST_EXPONENT; exponent++) {
                bp_real x[40];
                for (size_t i = 0; i < COUNT(x); i++)
                    x[i] = (bp_real)(ldexp(1 + bp_rng_uniform(&rng), exponent) * (i % 2 ? -1 : 1));
                for (size_t i = 0; i < COUNT(x); i++)
                    x[i] = isinf(x[i]) ? BP_REAL_MAX : x[i];
                hold_to_bound(function, COUNT(x), x);
            }
}

/* Where the functions are neither 0, 1 nor infinite, thresholds included. */
static void numbers_of_middling_size_are_within_two_units(void **state)
{
    (void)state;
    if (!long_double_is_wide())
        skip();
    const double ends[] = { 1, 25, 110, 760 };
    bp_rng rng;
    bp_rng_init(&rng, 2);
    AT_EACH_LEVEL (level)
        for (int function = 0; function < 3; function++)
            for (size_t end = 0; end < COUNT(ends); end++)
                for (int times = 0; times < 40; times++) {
                    bp_real x[MANY];
                    for (size_t i = 0; i < MANY; i++)
                        x[i] = (bp_real)(ends[end] * (2 * bp_rng_uniform(&rng) - 1));
                    hold_to_bound(function, MANY, x);
                }
}

/* Between whole multiples of ln 2 / 2, at a half or at 3/4, the remainder is largest, and rounding may take either side. */
static void numbers_at_the_seams_are_within_two_units(void **state)
{
    (void)state;
    if (!long_double_is_wide())
        skip();
    AT_EACH_LEVEL (level)
        for (int function = 0; function < 3; function++)
            for (int k = -8640; k <= 8400; k++) {
                bp_real x[9];
                x[4] = (bp_real)(0.08664339756999316368L * k);
                for (size_t i = 5; i < 9; i++) {
                    x[i] = (bp_real)nextafter((double)x[i - 1], INFINITY);
                    x[8 - i] = (bp_real)nextafter((double)x[9 - i], -INFINITY);
                }
                hold_to_bound(function, COUNT(x), x);
            }
}

#ifdef BACKPROP_SINGLE
/* One float of every 4099. */
static void a_sweep_of_the_floats_is_within_two_units(void **state)
{
    (void)state;
    if (!long_double_is_wide())
        skip();
    AT_EACH_LEVEL (level)
        for (uint64_t bits = (uint64_t)level; bits < UINT64_C(1) << 32;) {
            bp_real x[MANY];
            size_t n = 0;
            for (; n < MANY && bits < UINT64_C(1) << 32; bits += 4099) {
                const uint32_t word = (uint32_t)bits;
                memcpy(&x[n], &word, sizeof word);
                n += isfinite(x[n]) != 0;
            }
            for (int function = 0; function < 3; function++)
                hold_to_bound(function, n, x);
        }
}
#endif

/* Else a derivative 1 - tanh^2 would change its sign, and a network of odd functions would not be odd. */
static void tanh_is_odd_and_at_most_1(void **state)
{
    (void)state;
    bp_rng rng;
    bp_rng_init(&rng, 3);
    AT_EACH_LEVEL (level)
        for (int times = 0; times < 200; times++) {
            bp_real x[MANY], y[MANY], opposite[MANY];
            for (size_t i = 0; i < MANY; i++)
                x[i] = (bp_real)(22 * bp_rng_uniform(&rng));
            bpi_kernels()->tanh(MANY, x, y);
            for (size_t i = 0; i < MANY; i++)
                x[i] = -x[i];
            bpi_kernels()->tanh(MANY, x, opposite);
            for (size_t i = 0; i < MANY; i++) {
                assert_true(y[i] >= 0 && y[i] <= 1);
                assert_true(opposite[i] == -y[i]);
            }
        }
}

/* ---- Special numbers ------------------------------------------------------------------------------------------------- */

static bp_real at(int function, double x)
{
    const bp_real argument = (bp_real)x;
    bp_real y;
    map_of(function)(1, &argument, &y);
    return y;
}

static bool is_zero_with_sign(bp_real x, bool negative)
{
    return x == (bp_real)0 && (signbit(x) != 0) == negative;
}

static void special_numbers_have_their_values(void **state)
{
    (void)state;
    enum { EXP, TANH, SIGMOID };
    AT_EACH_LEVEL (level) {
        assert_true(at(EXP, 0.0) == (bp_real)1 && at(EXP, -0.0) == (bp_real)1);
        assert_true(isinf(at(EXP, INFINITY)) && is_zero_with_sign(at(EXP, -INFINITY), false));
        assert_true(is_zero_with_sign(at(TANH, 0.0), false) && is_zero_with_sign(at(TANH, -0.0), true));
        assert_true(at(TANH, INFINITY) == (bp_real)1 && at(TANH, -INFINITY) == (bp_real)-1);
        assert_true(at(SIGMOID, 0.0) == (bp_real)0.5 && at(SIGMOID, -0.0) == (bp_real)0.5);
        assert_true(at(SIGMOID, INFINITY) == (bp_real)1 && is_zero_with_sign(at(SIGMOID, -INFINITY), false));
        for (int function = 0; function < 3; function++)
            assert_true(isnan(at(function, (double)NAN)) && isnan(at(function, -(double)NAN)));
    }
}

/* ---- Where a number stands ------------------------------------------------------------------------------------------- */

enum { LONGEST = 67, SHIFTS = 3, ROOM = LONGEST + SHIFTS + 1 };

/* Numbers between -12 and 12, kinks among them. */
static void fill(bp_rng *rng, size_t n, bp_real *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = i % 11 == 5 ? (bp_real)0 : (bp_real)(24 * bp_rng_uniform(rng) - 12);
}

static bool same_bits(size_t n, const bp_real *a, const bp_real *b)
{
    return memcmp(a, b, n * sizeof *a) == 0;
}

/* One call for all against a call for each; in place too; and what lies beyond stays. */
static void hold_map_to_places(bpi_map map, size_t n, const bp_real *x)
{
    bp_real one_by_one[ROOM], y[ROOM];
    for (size_t i = 0; i < n; i++)
        map(1, x + i, one_by_one + i);
    y[n] = (bp_real)42;
    map(n, x, y);
    assert_true(same_bits(n, y, one_by_one));
    memcpy(y, x, n * sizeof *y);
    map(n, y, y);
    assert_true(same_bits(n, y, one_by_one));
    assert_true(y[n] == (bp_real)42);
}

static void functions_do_not_depend_on_the_place_of_a_number(void **state)
{
    (void)state;
    bp_rng rng;
    bp_rng_init(&rng, 3);
    bp_real x[ROOM];
    fill(&rng, ROOM, x);
    AT_EACH_LEVEL (level)
        for (int function = 0; function < 3; function++)
            for (size_t n = 0; n <= LONGEST; n++)
                for (size_t shift = 0; shift <= SHIFTS; shift++)
                    hold_map_to_places(map_of(function), n, x + shift);
}

static const bp_real parameter = (bp_real)0.25;

static void hold_activation_to_places(size_t activation, size_t n, const bp_real *Z, const bp_real *dA)
{
    const bpi_apply_kernel apply = bpi_kernels()->apply[activation];
    const bpi_pull_back_kernel pull_back = bpi_kernels()->pull_back[activation];
    bp_real A1[ROOM], dZ1[ROOM], A[ROOM], dZ[ROOM];
    for (size_t i = 0; i < n; i++) {
        apply(1, parameter, Z + i, A1 + i);
        pull_back(1, parameter, Z + i, A1 + i, dA + i, dZ1 + i);
    }
    A[n] = dZ[n] = (bp_real)42;
    apply(n, parameter, Z, A);
    pull_back(n, parameter, Z, A, dA, dZ);
    assert_true(same_bits(n, A, A1) && same_bits(n, dZ, dZ1));
    memcpy(dZ, dA, n * sizeof *dZ);
    pull_back(n, parameter, Z, A, dZ, dZ);
    assert_true(same_bits(n, dZ, dZ1));
    memcpy(A, Z, n * sizeof *A);
    apply(n, parameter, A, A);
    assert_true(same_bits(n, A, A1));
    assert_true(A[n] == (bp_real)42 && dZ[n] == (bp_real)42);
}

static void activations_do_not_depend_on_the_place_of_a_number(void **state)
{
    (void)state;
    bp_rng rng;
    bp_rng_init(&rng, 4);
    bp_real Z[ROOM], dA[ROOM];
    fill(&rng, ROOM, Z);
    fill(&rng, ROOM, dA);
    AT_EACH_LEVEL (level)
        for (size_t activation = 0; activation < BP_N_ACTIVATIONS; activation++)
            for (size_t n = 0; n <= LONGEST && bpi_kernels()->apply[activation] != NULL; n++)
                for (size_t shift = 0; shift <= SHIFTS; shift++)
                    hold_activation_to_places(activation, n, Z + shift, dA + shift);
}

/* Z + 1 b^T in Z, f of it in A, whether A is Z or not. */
static void hold_bias_to_two_steps(size_t activation, size_t rows, size_t n, const bp_real *raw, const bp_real *b)
{
    const struct bpi_kernels *kernels = bpi_kernels();
    bp_real Z1[3 * ROOM], A1[3 * ROOM], Z[3 * ROOM], A[3 * ROOM];
    for (size_t i = 0; i < rows * n; i++)
        Z1[i] = raw[i] + b[i % n];
    kernels->apply[activation](rows * n, parameter, Z1, A1);

    memcpy(Z, raw, rows * n * sizeof *Z);
    Z[rows * n] = A[rows * n] = (bp_real)42;
    kernels->apply_with_bias[activation](rows, n, parameter, b, Z, A);
    assert_true(same_bits(rows * n, Z, Z1) && same_bits(rows * n, A, A1));
    memcpy(A, raw, rows * n * sizeof *A);
    kernels->apply_with_bias[activation](rows, n, parameter, b, A, A);
    assert_true(same_bits(rows * n, A, A1));
    assert_true(Z[rows * n] == (bp_real)42 && A[rows * n] == (bp_real)42);
}

static void bias_and_activation_in_one_are_those_in_two_steps(void **state)
{
    (void)state;
    bp_rng rng;
    bp_rng_init(&rng, 5);
    bp_real raw[3 * ROOM], b[ROOM];
    fill(&rng, 3 * ROOM, raw);
    fill(&rng, ROOM, b);
    AT_EACH_LEVEL (level)
        for (size_t activation = 0; activation < BP_N_ACTIVATIONS; activation++)
            for (size_t n = 1; n <= LONGEST && bpi_kernels()->apply[activation] != NULL; n++)
                for (size_t rows = 1; rows <= 3; rows++)
                    hold_bias_to_two_steps(activation, rows, n, raw, b);
}

/* All but softmax, the sine, which is libm's, and the user's own. */
static void kernels_know_the_functions_of_the_table(void **state)
{
    (void)state;
    AT_EACH_LEVEL (level)
        for (size_t activation = 0; activation < BP_N_ACTIVATIONS; activation++) {
            const bool others = activation == BP_SOFTMAX || activation == BP_SINE || activation == BP_CUSTOM_ACTIVATION;
            assert_true((bpi_kernels()->apply[activation] == NULL) == others);
            assert_true((bpi_kernels()->apply_with_bias[activation] == NULL) == others);
            assert_true((bpi_kernels()->pull_back[activation] == NULL) == others);
        }
}

/* ---- Softmax and sums ------------------------------------------------------------------------------------------------ */

/* A row alone, and in a batch of others. */
static void rows_of_softmax_do_not_depend_on_their_place(void **state)
{
    (void)state;
    bp_rng rng;
    bp_rng_init(&rng, 6);
    bp_real Z[5 * LONGEST], A[5 * LONGEST], alone[LONGEST];
    fill(&rng, COUNT(Z), Z);
    AT_EACH_LEVEL (level)
        for (size_t n = 1; n <= LONGEST; n++) {
            bpi_kernels()->softmax(5, n, Z, A);
            for (size_t i = 0; i < 5; i++) {
                bpi_kernels()->softmax(1, n, Z + i * n, alone);
                assert_true(same_bits(n, alone, A + i * n));
            }
        }
}

/* Small whole numbers, so that nothing is rounded. */
static void columns_are_summed(void **state)
{
    (void)state;
    AT_EACH_LEVEL (level)
        for (size_t n = 1; n <= LONGEST; n++) {
            bp_real dZ[7 * LONGEST], sums[LONGEST + 1];
            for (size_t i = 0; i < 7 * n; i++)
                dZ[i] = (bp_real)(i / n) * (bp_real)(i % n + 1);
            for (size_t j = 0; j <= n; j++)
                sums[j] = (bp_real)1;
            bpi_kernels()->add_column_sums(7, n, dZ, sums);
            for (size_t j = 0; j < n; j++)
                assert_true(sums[j] == (bp_real)(1 + 21 * (j + 1)));
            assert_true(sums[n] == (bp_real)1);
        }
}

/* ---- Which ----------------------------------------------------------------------------------------------------------- */

static void the_best_level_is_in_use_unless_another_is_forced(void **state)
{
    (void)state;
    assert_true(bpi_kernels_have(BPI_KERNELS_PLAIN));
    const bpi_kernel_level best = bpi_kernels_level();
    for (int level = (int)best + 1; level < (int)BPI_N_KERNEL_LEVELS; level++) {
        assert_false(bpi_kernels_have((bpi_kernel_level)level));
        assert_false(bpi_kernels_force((bpi_kernel_level)level));
    }
    assert_true(bpi_kernels_force(BPI_KERNELS_PLAIN));
    assert_int_equal(bpi_kernels_level(), BPI_KERNELS_PLAIN);
    assert_string_equal(bpi_kernels()->name, "plain");
    assert_true(bpi_kernels_force(BPI_N_KERNEL_LEVELS));
    assert_int_equal(bpi_kernels_level(), best);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_level_is_in_use_unless_another_is_forced),
        cmocka_unit_test(numbers_of_every_size_are_within_two_units),
        cmocka_unit_test(numbers_of_middling_size_are_within_two_units),
        cmocka_unit_test(numbers_at_the_seams_are_within_two_units),
#ifdef BACKPROP_SINGLE
        cmocka_unit_test(a_sweep_of_the_floats_is_within_two_units),
#endif
        cmocka_unit_test(tanh_is_odd_and_at_most_1),
        cmocka_unit_test(special_numbers_have_their_values),
        cmocka_unit_test(functions_do_not_depend_on_the_place_of_a_number),
        cmocka_unit_test(activations_do_not_depend_on_the_place_of_a_number),
        cmocka_unit_test(bias_and_activation_in_one_are_those_in_two_steps),
        cmocka_unit_test(kernels_know_the_functions_of_the_table),
        cmocka_unit_test(rows_of_softmax_do_not_depend_on_their_place),
        cmocka_unit_test(columns_are_summed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
