// SPDX-License-Identifier: MIT
/*
 * Each activation as a function of its own: values, derivatives, kinks, extreme arguments, and the contract of the table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "backprop/activation.h"
#include "math/activation.h"
#include "support/close.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const double eps = (double)BP_REAL_EPSILON;

/* exp() of this and of its negative is a normal number. */
#ifdef BACKPROP_SINGLE
static const double far_out = 80;
#else
static const double far_out = 700;
#endif

/* ---- One number at a time -------------------------------------------------------------------------------------------- */

static bp_real f(bp_activation activation, double p, double z)
{
    const bp_real Z = (bp_real)z;
    bp_real A;
    bpi_activation(activation)->apply(1, 1, (bp_real)p, NULL, &Z, &A);
    return A;
}

/* f'(z), by pulling back dA = 1. */
static bp_real slope(bp_activation activation, double p, double z)
{
    const bp_real Z = (bp_real)z, A = f(activation, p, z), dA = (bp_real)1;
    bp_real dZ;
    bpi_activation(activation)->pull_back(1, 1, (bp_real)p, NULL, &Z, &A, &dA, &dZ);
    return dZ;
}

static bool is_elementwise(int activation)
{
    return activation != BP_SOFTMAX;
}

/* ---- Values and derivatives ------------------------------------------------------------------------------------------ */

struct known {
    bp_activation activation;
    double p, z, a;
};

/* Constants from tables, 20 digits. */
static const struct known known[] = {
    { BP_IDENTITY, 0, -2.5, -2.5 },
    { BP_SIGMOID, 0, 0, 0.5 },
    { BP_SIGMOID, 0, 1, 0.73105857863000487925 },
    { BP_SIGMOID, 0, -1, 0.26894142136999512075 },
    { BP_SIGMOID, 0, -10, 4.5397868702434393e-5 },
    { BP_TANH, 0, 0, 0 },
    { BP_TANH, 0, 1, 0.76159415595576488812 },
    { BP_TANH, 0, -0.5, -0.46211715726000975850 },
    { BP_RELU, 0, 3, 3 },
    { BP_RELU, 0, -3, 0 },
    { BP_RELU, 0, 0, 0 },
    { BP_LEAKY_RELU, 0.25, 3, 3 },
    { BP_LEAKY_RELU, 0.25, -3, -0.75 },
    { BP_LEAKY_RELU, -0.5, -3, 1.5 },
    { BP_LEAKY_RELU, 2, -3, -6 },
    { BP_SOFTMAX, 0, 5, 1 },
};

static void functions_have_their_known_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(known); i++) {
        const double a = (double)f(known[i].activation, known[i].p, known[i].z);
        assert_close(a, known[i].a, 4 * eps * fabs(known[i].a));
    }
}

/* f and f' from their definitions, in long double. */
static long double definition(int activation, long double p, long double z)
{
    switch (activation) {
    case BP_IDENTITY:
        return z;
    case BP_SIGMOID:
        return 1 / (1 + expl(-z));
    case BP_TANH:
        return tanhl(z);
    case BP_RELU:
        return z > 0 ? z : 0;
    case BP_LEAKY_RELU:
        return z > 0 ? z : p * z;
    default:
        fail_msg("activation %d has no definition here yet", activation);
        return 0;
    }
}

static long double definition_of_slope(int activation, long double p, long double z)
{
    switch (activation) {
    case BP_SIGMOID:
        return expl(-z) / ((1 + expl(-z)) * (1 + expl(-z)));
    case BP_TANH:
        return 1 / (coshl(z) * coshl(z));
    case BP_RELU:
        return z > 0;
    case BP_LEAKY_RELU:
        return z > 0 ? 1 : p;
    default:
        return 1;
    }
}

/* From -end to end, dense in the middle: 0, +-end / 1.1^k. */
static double grid_point(int k, double end)
{
    return k == 0 ? 0 : (k > 0 ? 1 : -1) * end / pow(1.1, (k > 0 ? k : -k) - 1);
}

/* A few units in the last place, also where f is tiny. */
static void functions_follow_their_definitions(void **state)
{
    (void)state;
    for (int activation = 0; activation < BP_N_ACTIVATIONS; activation++)
        for (int k = -200; k <= 200 && is_elementwise(activation); k++) {
            const double z = (double)(float)grid_point(k, far_out);
            const double expected = (double)definition(activation, 0.25L, z);
            assert_close((double)f((bp_activation)activation, 0.25, z), expected, 8 * eps * fabs(expected));
        }
}

/* They come from f(z), so the rounding of f is in them: of 1 - f, half an eps wherever f is near to 1. */
static void derivatives_follow_their_definitions(void **state)
{
    (void)state;
    for (int activation = 0; activation < BP_N_ACTIVATIONS; activation++)
        for (int k = -200; k <= 200 && is_elementwise(activation); k++) {
            const double z = (double)(float)grid_point(k, far_out / 4);
            const double expected = (double)definition_of_slope(activation, 0.25L, z);
            assert_close((double)slope((bp_activation)activation, 0.25, z), expected, 8 * eps);
        }
}

/* dZ is dA times the derivative, in rows of any length. */
static void pulling_back_multiplies_by_the_derivative(void **state)
{
    (void)state;
    const bp_real Z[6] = { (bp_real)-2, (bp_real)-0.5, (bp_real)0, (bp_real)0.25, (bp_real)1, (bp_real)3 };
    const bp_real dA[6] = { (bp_real)1, (bp_real)-2, (bp_real)3, (bp_real)-4, (bp_real)0, (bp_real)0.5 };
    for (int activation = 0; activation < BP_N_ACTIVATIONS; activation++) {
        const bpi_activation_row *row = bpi_activation((bp_activation)activation);
        bp_real A[6], dZ[6];
        row->apply(2, 3, (bp_real)0.25, NULL, Z, A);
        row->pull_back(2, 3, (bp_real)0.25, NULL, Z, A, dA, dZ);
        for (size_t i = 0; i < 6 && is_elementwise(activation); i++) {
            const double expected = (double)dA[i] * (double)definition_of_slope(activation, 0.25L, (long double)Z[i]);
            assert_close((double)dZ[i], expected, 8 * eps);
        }
    }
}

/* As activation.h says in brackets. Either zero is the kink, and the smallest number beside it is beyond. */
static void derivatives_at_kinks_are_those_from_the_left(void **state)
{
    (void)state;
    const double tiny = (double)BP_REAL_MIN, parameters[] = { 0.01, 0.25, -0.5 };
    assert_true(slope(BP_RELU, 0, 0.0) == (bp_real)0);
    assert_true(slope(BP_RELU, 0, -0.0) == (bp_real)0);
    assert_true(slope(BP_RELU, 0, -tiny) == (bp_real)0);
    assert_true(slope(BP_RELU, 0, tiny) == (bp_real)1);
    for (size_t i = 0; i < COUNT(parameters); i++) {
        const double p = parameters[i];
        assert_true(slope(BP_LEAKY_RELU, p, 0.0) == (bp_real)p);
        assert_true(slope(BP_LEAKY_RELU, p, -0.0) == (bp_real)p);
        assert_true(slope(BP_LEAKY_RELU, p, -tiny) == (bp_real)p);
        assert_true(slope(BP_LEAKY_RELU, p, tiny) == (bp_real)1);
    }
}

/* ---- Extreme arguments ----------------------------------------------------------------------------------------------- */

/* Where e^-|z| is 0 in both precisions, f is what it tends to, and nothing overflows on the way. */
static const struct known limits[] = {
    { BP_IDENTITY, 0, 1000, 1000 },
    { BP_IDENTITY, 0, -1000, -1000 },
    { BP_IDENTITY, 0, INFINITY, INFINITY },
    { BP_IDENTITY, 0, -INFINITY, -INFINITY },
    { BP_SIGMOID, 0, 1000, 1 },
    { BP_SIGMOID, 0, -1000, 0 },
    { BP_SIGMOID, 0, INFINITY, 1 },
    { BP_SIGMOID, 0, -INFINITY, 0 },
    { BP_TANH, 0, 1000, 1 },
    { BP_TANH, 0, -1000, -1 },
    { BP_TANH, 0, INFINITY, 1 },
    { BP_TANH, 0, -INFINITY, -1 },
    { BP_RELU, 0, 1000, 1000 },
    { BP_RELU, 0, -1000, 0 },
    { BP_RELU, 0, INFINITY, INFINITY },
    { BP_RELU, 0, -INFINITY, 0 },
    { BP_LEAKY_RELU, 0.25, 1000, 1000 },
    { BP_LEAKY_RELU, 0.25, -1000, -250 },
    { BP_LEAKY_RELU, 0.25, INFINITY, INFINITY },
    { BP_LEAKY_RELU, 0.25, -INFINITY, -INFINITY },
    { BP_SOFTMAX, 0, 1000, 1 },
    { BP_SOFTMAX, 0, -1000, 1 },
};

static void extreme_arguments_give_the_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(limits); i++)
        assert_true(f(limits[i].activation, limits[i].p, limits[i].z) == (bp_real)limits[i].a);
}

static void derivatives_of_saturated_units_are_0(void **state)
{
    (void)state;
    const double far[] = { 1000, -1000, INFINITY, -INFINITY };
    for (size_t i = 0; i < COUNT(far); i++) {
        assert_true(slope(BP_SIGMOID, 0, far[i]) == (bp_real)0);
        assert_true(slope(BP_TANH, 0, far[i]) == (bp_real)0);
    }
}

/* Through relu too, whose comparison with 0 is false for it: it must reach the loss. */
static void a_nan_goes_through_every_function(void **state)
{
    (void)state;
    for (int activation = 0; activation < BP_N_ACTIVATIONS; activation++)
        assert_true(isnan(f((bp_activation)activation, 0.25, (double)NAN)));
}

static void a_nan_error_goes_back_through_every_function(void **state)
{
    (void)state;
    const bp_real Z[] = { (bp_real)1, (bp_real)2 }, dA[] = { (bp_real)NAN, (bp_real)1 };
    for (int activation = 0; activation < BP_N_ACTIVATIONS; activation++) {
        const bpi_activation_row *row = bpi_activation((bp_activation)activation);
        bp_real A[2], dZ[2];
        row->apply(1, 2, (bp_real)0.25, NULL, Z, A);
        row->pull_back(1, 2, (bp_real)0.25, NULL, Z, A, dA, dZ);
        assert_true(isnan(dZ[0]));
        assert_true(isnan(dZ[1]) == !is_elementwise(activation));
    }
}

/* ---- Softmax --------------------------------------------------------------------------------------------------------- */

static void softmax(size_t rows, size_t n, const bp_real *Z, bp_real *A)
{
    bpi_activation(BP_SOFTMAX)->apply(rows, n, (bp_real)0, NULL, Z, A);
}

/* Numbers between -4 and 4 that two rows do not share. */
static void fill(bp_real *Z, size_t n)
{
    for (size_t i = 0; i < n; i++)
        Z[i] = (bp_real)((double)(i * i * 37 % 257) / 32 - 4);
}

static void softmax_follows_its_definition(void **state)
{
    (void)state;
    enum { N = 7 };
    bp_real Z[N], A[N];
    fill(Z, N);
    softmax(1, N, Z, A);
    long double sum = 0;
    for (size_t k = 0; k < N; k++)
        sum += expl((long double)Z[k]);
    for (size_t j = 0; j < N; j++) {
        const double expected = (double)(expl((long double)Z[j]) / sum);
        assert_close((double)A[j], expected, 2 * N * eps * expected);
    }
}

/* d a_j / d z_k = a_j ((j == k) - a_k), a column at a time by dA = e_j. */
static void softmax_pulls_back_by_its_jacobian(void **state)
{
    (void)state;
    enum { N = 5 };
    bp_real Z[N], A[N];
    fill(Z, N);
    softmax(1, N, Z, A);
    for (size_t j = 0; j < N; j++) {
        bp_real dA[N] = { 0 }, dZ[N];
        dA[j] = (bp_real)1;
        bpi_activation(BP_SOFTMAX)->pull_back(1, N, (bp_real)0, NULL, Z, A, dA, dZ);
        for (size_t k = 0; k < N; k++)
            assert_close((double)dZ[k], (double)A[j] * ((j == k) - (double)A[k]), 4 * eps);
    }
}

static void rows_of_softmax_sum_to_1(void **state)
{
    (void)state;
    enum { MAX = 40 };
    for (size_t n = 1; n <= MAX; n++) {
        bp_real Z[3 * MAX], A[3 * MAX];
        fill(Z, 3 * n);
        softmax(3, n, Z, A);
        for (size_t i = 0; i < 3; i++) {
            double sum = 0;
            for (size_t j = 0; j < n; j++)
                sum += (double)A[i * n + j];
            assert_close(sum, 1, (double)n * eps);
        }
    }
}

/* Where adding c to the logits does not round, they are the same to the bit. */
static void softmax_does_not_change_with_a_shift_of_a_row(void **state)
{
    (void)state;
    enum { N = 9 };
    bp_real Z[N], A[N], shifted[N];
    for (int c = -1024; c <= 1024; c += 512) {
        fill(Z, N);
        softmax(1, N, Z, A);
        for (size_t j = 0; j < N; j++)
            Z[j] += (bp_real)c;
        softmax(1, N, Z, shifted);
        assert_memory_equal(shifted, A, sizeof A);
    }
}

static void softmax_of_huge_logits_does_not_overflow(void **state)
{
    (void)state;
    const bp_real max = BP_REAL_MAX;
    const bp_real Z[][3] = { { max, 0, -max },   { -max, -max, -max }, { max, max, -max },
                             { 1000, -1000, 0 }, { -1000, 1000, 0 },   { 0, -max, max } };
    const double expected[][3] = { { 1, 0, 0 }, { 1 / 3.0, 1 / 3.0, 1 / 3.0 }, { 0.5, 0.5, 0 }, { 1, 0, 0 }, { 0, 1, 0 },
                                   { 0, 0, 1 } };
    bp_real A[COUNT(Z)][3];
    softmax(COUNT(Z), 3, Z[0], A[0]);
    for (size_t i = 0; i < COUNT(Z); i++)
        for (size_t j = 0; j < 3; j++)
            assert_close((double)A[i][j], expected[i][j], eps);
}

static void a_logit_of_minus_infinity_has_probability_0(void **state)
{
    (void)state;
    const bp_real Z[] = { 1, -(bp_real)INFINITY, 1 };
    bp_real A[3];
    softmax(1, 3, Z, A);
    assert_true(A[0] == (bp_real)0.5 && A[1] == (bp_real)0 && A[2] == (bp_real)0.5);
}

/* Infinity over infinity is no probability; a NaN is none either, wherever it stands. Other rows know nothing of it. */
static void a_row_without_a_softmax_is_nan_and_the_next_one_is_not(void **state)
{
    (void)state;
    const bp_real bad[] = { (bp_real)NAN, (bp_real)INFINITY };
    for (size_t which = 0; which < COUNT(bad); which++)
        for (size_t at = 0; at < 3; at++) {
            bp_real Z[2][3] = { { 1, 2, 3 }, { 1, 1, 1 } }, A[2][3];
            Z[0][at] = bad[which];
            softmax(2, 3, Z[0], A[0]);
            assert_true(isnan(A[0][at]));
            for (size_t j = 0; j < 3; j++)
                assert_close((double)A[1][j], 1 / 3.0, eps);
        }
}

/* ---- The contract of the table --------------------------------------------------------------------------------------- */

enum { ROWS = 5, UNITS = 7, ALL = ROWS * UNITS };

static void apply_may_overwrite_its_argument(void **state)
{
    (void)state;
    for (int activation = 0; activation < BP_N_ACTIVATIONS; activation++) {
        const bpi_activation_row *row = bpi_activation((bp_activation)activation);
        bp_real Z[ALL], A[ALL];
        fill(Z, ALL);
        row->apply(ROWS, UNITS, (bp_real)0.25, NULL, Z, A);
        row->apply(ROWS, UNITS, (bp_real)0.25, NULL, Z, Z);
        assert_memory_equal(Z, A, sizeof A);
    }
}

static void pull_back_may_overwrite_its_argument(void **state)
{
    (void)state;
    for (int activation = 0; activation < BP_N_ACTIVATIONS; activation++) {
        const bpi_activation_row *row = bpi_activation((bp_activation)activation);
        bp_real Z[ALL], A[ALL], dA[ALL], dZ[ALL];
        fill(Z, ALL);
        for (size_t i = 0; i < ALL; i++)
            dA[i] = Z[ALL - 1 - i];
        row->apply(ROWS, UNITS, (bp_real)0.25, NULL, Z, A);
        row->pull_back(ROWS, UNITS, (bp_real)0.25, NULL, Z, A, dA, dZ);
        row->pull_back(ROWS, UNITS, (bp_real)0.25, NULL, Z, A, dA, dA);
        assert_memory_equal(dA, dZ, sizeof dZ);
    }
}

/* Hidden layers rely on it: where needs_Z is not set, Z is the memory of A. */
static void functions_that_do_not_need_Z_do_not_read_it(void **state)
{
    (void)state;
    for (int activation = 0; activation < BP_N_ACTIVATIONS; activation++) {
        const bpi_activation_row *row = bpi_activation((bp_activation)activation);
        bp_real Z[ALL], A[ALL], dA[ALL], with_Z[ALL], without[ALL];
        fill(Z, ALL);
        fill(dA, ALL);
        row->apply(ROWS, UNITS, (bp_real)-0.5, NULL, Z, A);
        row->pull_back(ROWS, UNITS, (bp_real)-0.5, NULL, Z, A, dA, with_Z);
        row->pull_back(ROWS, UNITS, (bp_real)-0.5, NULL, A, A, dA, without);
        assert_true(row->needs_Z == (memcmp(with_Z, without, sizeof without) != 0));
    }
}

static void rows_of_a_batch_do_not_know_of_each_other(void **state)
{
    (void)state;
    for (int activation = 0; activation < BP_N_ACTIVATIONS; activation++) {
        const bpi_activation_row *row = bpi_activation((bp_activation)activation);
        bp_real Z[ALL], together[ALL], alone[ALL];
        fill(Z, ALL);
        row->apply(ROWS, UNITS, (bp_real)0.25, NULL, Z, together);
        for (size_t i = 0; i < ROWS; i++)
            row->apply(1, UNITS, (bp_real)0.25, NULL, Z + i * UNITS, alone + i * UNITS);
        assert_memory_equal(alone, together, sizeof together);
    }
}

/* At a kink it is on the side whose derivative is taken there. */
static void pieces_tell_the_sides_of_a_kink_and_smooth_functions_have_none(void **state)
{
    (void)state;
    for (int activation = 0; activation < BP_N_ACTIVATIONS; activation++) {
        const bpi_piece piece = bpi_activation((bp_activation)activation)->piece;
        const bool has_kink = activation == BP_RELU || activation == BP_LEAKY_RELU;
        assert_true((piece != NULL) == has_kink);
        if (!has_kink)
            continue;
        const bp_activation kinked = (bp_activation)activation;
        const int left = piece((bp_real)-1, f(kinked, -0.5, -1)), right = piece((bp_real)1, f(kinked, -0.5, 1));
        assert_int_not_equal(left, right);
        assert_int_equal(piece((bp_real)0, f(kinked, -0.5, 0)), left);
    }
}

static void only_leaky_relu_has_a_parameter_and_it_defaults_to_a_hundredth(void **state)
{
    (void)state;
    for (int activation = 0; activation < BP_N_ACTIVATIONS; activation++) {
        const bpi_activation_row *row = bpi_activation((bp_activation)activation);
        assert_true(row->has_parameter == (activation == BP_LEAKY_RELU));
        assert_true(row->default_parameter == (row->has_parameter ? (bp_real)0.01 : (bp_real)0));
    }
}

/* They stand in files and in other people's code. */
static const struct {
    bp_activation activation;
    int value;
    const char *name;
} names[] = {
    { BP_IDENTITY, 0, "identity" }, { BP_SIGMOID, 1, "sigmoid" },       { BP_TANH, 2, "tanh" },
    { BP_RELU, 3, "relu" },         { BP_LEAKY_RELU, 4, "leaky_relu" }, { BP_SOFTMAX, 5, "softmax" },
};

static void every_activation_has_its_value_and_its_name(void **state)
{
    (void)state;
    assert_int_equal(COUNT(names), BP_N_ACTIVATIONS);
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal((int)names[i].activation, names[i].value);
        assert_string_equal(bp_activation_name(names[i].activation), names[i].name);
        assert_string_equal(bpi_activation(names[i].activation)->name, names[i].name);
    }
}

static void other_values_are_unknown(void **state)
{
    (void)state;
    const int unknown[] = { BP_N_ACTIVATIONS, BP_N_ACTIVATIONS + 1, -1, INT32_MAX, INT32_MIN };
    for (size_t i = 0; i < COUNT(unknown); i++) {
        bp_activation activation;
        memcpy(&activation, &unknown[i], sizeof activation); /* as a damaged struct would have it */
        assert_null(bpi_activation(activation));
        assert_string_equal(bp_activation_name(activation), "unknown");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_have_their_known_values),
        cmocka_unit_test(functions_follow_their_definitions),
        cmocka_unit_test(derivatives_follow_their_definitions),
        cmocka_unit_test(pulling_back_multiplies_by_the_derivative),
        cmocka_unit_test(derivatives_at_kinks_are_those_from_the_left),
        cmocka_unit_test(extreme_arguments_give_the_limits),
        cmocka_unit_test(derivatives_of_saturated_units_are_0),
        cmocka_unit_test(a_nan_goes_through_every_function),
        cmocka_unit_test(a_nan_error_goes_back_through_every_function),
        cmocka_unit_test(softmax_follows_its_definition),
        cmocka_unit_test(softmax_pulls_back_by_its_jacobian),
        cmocka_unit_test(rows_of_softmax_sum_to_1),
        cmocka_unit_test(softmax_does_not_change_with_a_shift_of_a_row),
        cmocka_unit_test(softmax_of_huge_logits_does_not_overflow),
        cmocka_unit_test(a_logit_of_minus_infinity_has_probability_0),
        cmocka_unit_test(a_row_without_a_softmax_is_nan_and_the_next_one_is_not),
        cmocka_unit_test(apply_may_overwrite_its_argument),
        cmocka_unit_test(pull_back_may_overwrite_its_argument),
        cmocka_unit_test(functions_that_do_not_need_Z_do_not_read_it),
        cmocka_unit_test(rows_of_a_batch_do_not_know_of_each_other),
        cmocka_unit_test(pieces_tell_the_sides_of_a_kink_and_smooth_functions_have_none),
        cmocka_unit_test(only_leaky_relu_has_a_parameter_and_it_defaults_to_a_hundredth),
        cmocka_unit_test(every_activation_has_its_value_and_its_name),
        cmocka_unit_test(other_values_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
