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
#include "support/levels.h"

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

/* All of the table but custom, whose functions are the layer's and not the table's. */
enum { N_IN_TABLE = BP_CUSTOM_ACTIVATION };

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
    { BP_ELU, 1, 3, 3 },
    { BP_ELU, 1, -1, -0.63212055882855767840 },
    { BP_ELU, 0.5, -1, -0.31606027941427883920 },
    { BP_SELU, 0, 1, 1.0507009873554804934 },
    { BP_SELU, 0, -1, -1.1113307378125625857 },
    { BP_GELU, 0, 0, 0 },
    { BP_GELU, 0, 1, 0.84134474606854294859 },
    { BP_GELU, 0, -1, -0.15865525393145705141 },
    { BP_GELU_TANH, 0, 0, 0 },
    { BP_GELU_TANH, 0, 1, 0.84119199060827670 },
    { BP_SILU, 0, 1, 0.73105857863000487925 },
    { BP_SILU, 0, -1, -0.26894142136999512075 },
    { BP_MISH, 0, 0, 0 },
    { BP_MISH, 0, 1, 0.86509838826731034 },
    { BP_SOFTPLUS, 0, 0, 0.69314718055994530942 },
    { BP_SOFTPLUS, 0, 1, 1.3132616875182228340 },
    { BP_SOFTPLUS, 0, -1, 0.31326168751822283405 },
    { BP_SOFTSIGN, 0, 1, 0.5 },
    { BP_SOFTSIGN, 0, -3, -0.75 },
    { BP_HARD_SIGMOID, 0, 0, 0.5 },
    { BP_HARD_SIGMOID, 0, -3, 0 },
    { BP_HARD_SIGMOID, 0, 3, 1 },
    { BP_HARD_SIGMOID, 0, 1.5, 0.75 },
    { BP_HARD_TANH, 0, 0.25, 0.25 },
    { BP_HARD_TANH, 0, 2, 1 },
    { BP_HARD_TANH, 0, -2, -1 },
    { BP_GAUSSIAN, 0, 0, 1 },
    { BP_GAUSSIAN, 0, -1, 0.36787944117144232160 },
    { BP_SINE, 0, 0, 0 },
    { BP_SINE, 0, 1, 0.84147098480789650665 },
    { BP_SINE, 0, -2, -0.90929742682568169540 },
};

static void functions_have_their_known_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(known); i++) {
        const double a = (double)f(known[i].activation, known[i].p, known[i].z);
        assert_close(a, known[i].a, 4 * eps * fabs(known[i].a));
    }
}

static const long double selu_scale = 1.0507009873554804934193349852946L, selu_alpha = 1.6732632423543772848170429916717L;
static const long double sqrt_2 = 1.4142135623730950488L, sqrt_2_by_pi = 0.79788456080286535588L;

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
    case BP_ELU:
        return z > 0 ? z : p * expm1l(z);
    case BP_SELU:
        return selu_scale * (z > 0 ? z : selu_alpha * expm1l(z));
    case BP_GELU:
        return z * erfcl(-z / sqrt_2) / 2;
    case BP_GELU_TANH: /* (1 + tanh u) / 2 = 1 / (1 + e^-2u) */
        return z / (1 + expl(-2 * sqrt_2_by_pi * (z + 0.044715L * z * z * z)));
    case BP_SILU:
        return z / (1 + expl(-z));
    case BP_MISH:
        return z * tanhl(log1pl(expl(z)));
    case BP_SOFTPLUS:
        return log1pl(expl(z));
    case BP_SOFTSIGN:
        return z / (1 + fabsl(z));
    case BP_HARD_SIGMOID:
        return fminl(fmaxl(z + 3, 0), 6) / 6;
    case BP_HARD_TANH:
        return fminl(fmaxl(z, -1), 1);
    case BP_GAUSSIAN:
        return expl(-z * z);
    case BP_SINE:
        return sinl(z);
    default:
        fail_msg("activation %d has no definition here yet", activation);
        return 0;
    }
}

/* Differences of the definition, a fourth-order formula: wrong by some 1e-14 for functions whose derivatives are moderate. */
static long double difference_of_definition(int activation, long double p, long double z)
{
    const long double h = 0x1p-12L;
    const long double near = definition(activation, p, z + h) - definition(activation, p, z - h);
    const long double far = definition(activation, p, z + 2 * h) - definition(activation, p, z - 2 * h);
    return (8 * near - far) / (12 * h);
}

static long double definition_of_slope(int activation, long double p, long double z)
{
    switch (activation) {
    case BP_IDENTITY:
        return 1;
    case BP_SIGMOID:
    case BP_SILU: {
        const long double s = 1 / (1 + expl(-z)), slope_of_s = expl(-fabsl(z)) / powl(1 + expl(-fabsl(z)), 2);
        return activation == BP_SIGMOID ? slope_of_s : s + z * slope_of_s;
    }
    case BP_TANH:
        return 1 / (coshl(z) * coshl(z));
    case BP_RELU:
        return z > 0;
    case BP_LEAKY_RELU:
        return z > 0 ? 1 : p;
    case BP_ELU:
        return z > 0 ? 1 : p * expl(z);
    case BP_SELU:
        return selu_scale * (z > 0 ? 1 : selu_alpha * expl(z));
    case BP_SOFTPLUS:
        return 1 / (1 + expl(-z));
    case BP_SOFTSIGN:
        return 1 / ((1 + fabsl(z)) * (1 + fabsl(z)));
    case BP_HARD_SIGMOID:
        return fabsl(z) < 3 ? 1 / 6.0L : 0;
    case BP_HARD_TANH:
        return fabsl(z) < 1;
    case BP_GAUSSIAN:
        return -2 * z * expl(-z * z);
    case BP_SINE:
        return cosl(z);
    default: /* gelu, gelu_tanh and mish are smooth, and theirs are long */
        return difference_of_definition(activation, p, z);
    }
}

/* From -end to end, dense in the middle: 0, +-end / 1.1^k. */
static double grid_point(int k, double end)
{
    return k == 0 ? 0 : (k > 0 ? 1 : -1) * end / pow(1.1, (k > 0 ? k : -k) - 1);
}

/*
 * How much of the rounding of an intermediate result, relative to its share of f, may come through. z^2 is rounded before e^z^2
 * is taken, so where the tail falls like that its relative error is z^2 times as large. And 1 + tanh u loses the digits of tanh u
 * near -1: what is left is right to an eps of |z|, not of f.
 */
static double conditioning(int activation, double z)
{
    switch (activation) {
    case BP_GELU:
    case BP_GAUSSIAN:
        return 1 + z * z;
    case BP_GELU_TANH:
        return z < 0 ? (double)(1 / fmaxl(definition(BP_GELU_TANH, 0, z) / z, (long double)BP_REAL_MIN)) : 1;
    default:
        return 1;
    }
}

/* Whether long double is wider than double as the program runs: valgrind computes it with 53 bits. */
static bool long_double_is_wide(void)
{
    volatile long double sum = 1;
    sum += LDBL_EPSILON;
    return sum > 1 && LDBL_MANT_DIG > DBL_MANT_DIG;
}

/* A few units in the last place, also where f is tiny. */
static void functions_follow_their_definitions(void **state)
{
    (void)state;
    if (!long_double_is_wide())
        skip();
    for (int activation = 0; activation < N_IN_TABLE; activation++)
        for (int k = -200; k <= 200 && is_elementwise(activation); k++) {
            const double z = (double)(float)grid_point(k, far_out);
            const double expected = (double)definition(activation, 0.25L, z);
            const double bound =
                8 * eps * conditioning(activation, z) * fabs(expected) + (double)BP_REAL_MIN * fmax(1, fabs(z));
            assert_close((double)f((bp_activation)activation, 0.25, z), expected, bound);
        }
}

/* Where the truth is a difference it is off, too. */
static double bound_of_slope(int activation)
{
    const bool by_difference = activation == BP_GELU || activation == BP_GELU_TANH || activation == BP_MISH;
    return 16 * eps + (by_difference ? 1e-13 : 0);
}

/* They come from f(z), so the rounding of f is in them: of 1 - f, half an eps wherever f is near to 1. */
static void derivatives_follow_their_definitions(void **state)
{
    (void)state;
    if (!long_double_is_wide())
        skip();
    for (int activation = 0; activation < N_IN_TABLE; activation++)
        for (int k = -200; k <= 200 && is_elementwise(activation); k++) {
            const double z = (double)(float)grid_point(k, far_out / 4);
            const double expected = (double)definition_of_slope(activation, 0.25L, z);
            assert_close((double)slope((bp_activation)activation, 0.25, z), expected, bound_of_slope(activation));
        }
}

/* dZ is dA times the derivative, in rows of any length. */
static void pulling_back_multiplies_by_the_derivative(void **state)
{
    (void)state;
    const bp_real Z[6] = { (bp_real)-2, (bp_real)-0.5, (bp_real)0, (bp_real)0.25, (bp_real)1, (bp_real)3 };
    const bp_real dA[6] = { (bp_real)1, (bp_real)-2, (bp_real)3, (bp_real)-4, (bp_real)0, (bp_real)0.5 };
    for (int activation = 0; activation < N_IN_TABLE; activation++) {
        const bpi_activation_row *row = bpi_activation((bp_activation)activation);
        bp_real A[6], dZ[6];
        row->apply(2, 3, (bp_real)0.25, NULL, Z, A);
        row->pull_back(2, 3, (bp_real)0.25, NULL, Z, A, dA, dZ);
        for (size_t i = 0; i < 6 && is_elementwise(activation); i++) {
            const double expected = (double)dA[i] * (double)definition_of_slope(activation, 0.25L, (long double)Z[i]);
            assert_close((double)dZ[i], expected, 4 * bound_of_slope(activation));
        }
    }
}

/* Nor are the written down derivatives others than those of the functions. */
static void definitions_of_slopes_are_differences_of_the_definitions(void **state)
{
    (void)state;
    if (!long_double_is_wide())
        skip();
    for (int activation = 0; activation < N_IN_TABLE; activation++)
        for (double z = -6.03; z < 6 && is_elementwise(activation); z += 0.125) {
            const double slope_at_z = (double)definition_of_slope(activation, 0.25L, z);
            assert_close((double)difference_of_definition(activation, 0.25L, z), slope_at_z, 1e-12);
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
        assert_true(slope(BP_ELU, p, 0.0) == (bp_real)p);
        assert_true(slope(BP_ELU, p, -0.0) == (bp_real)p);
        assert_true(slope(BP_ELU, p, tiny) == (bp_real)1);
    }
    assert_true(slope(BP_SELU, 0, 0.0) > (bp_real)1.75 && slope(BP_SELU, 0, tiny) < (bp_real)1.06);
}

static void hard_functions_have_slope_0_at_both_kinks(void **state)
{
    (void)state;
    const double inside_3 = 3 * (1 - eps), inside_1 = 1 - eps;
    for (int side = -1; side <= 1; side += 2) {
        assert_true(slope(BP_HARD_SIGMOID, 0, side * 3.0) == (bp_real)0);
        assert_true(slope(BP_HARD_SIGMOID, 0, side * inside_3) == (bp_real)1 / (bp_real)6);
        assert_true(slope(BP_HARD_TANH, 0, side) == (bp_real)0);
        assert_true(slope(BP_HARD_TANH, 0, side * inside_1) == (bp_real)1);
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
#define FOUR_LIMITS(f, p, up, down, top, bottom)                                                                           \
    { f, p, 1000, up }, { f, p, -1000, down }, { f, p, INFINITY, top },                                                    \
    {                                                                                                                      \
        f, p, -INFINITY, bottom                                                                                            \
    }
    FOUR_LIMITS(BP_ELU, 0.25, 1000, -0.25, INFINITY, -0.25),
    FOUR_LIMITS(BP_GELU, 0, 1000, 0, INFINITY, 0),
    FOUR_LIMITS(BP_GELU_TANH, 0, 1000, 0, INFINITY, 0),
    FOUR_LIMITS(BP_SILU, 0, 1000, 0, INFINITY, 0),
    FOUR_LIMITS(BP_MISH, 0, 1000, 0, INFINITY, 0),
    FOUR_LIMITS(BP_SOFTPLUS, 0, 1000, 0, INFINITY, 0),
    FOUR_LIMITS(BP_SOFTSIGN, 0, 1000 / 1001.0, -1000 / 1001.0, 1, -1),
    FOUR_LIMITS(BP_HARD_SIGMOID, 0, 1, 0, 1, 0),
    FOUR_LIMITS(BP_HARD_TANH, 0, 1, -1, 1, -1),
    FOUR_LIMITS(BP_GAUSSIAN, 0, 0, 0, 0, 0),
    { BP_SELU, 0, INFINITY, INFINITY },
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
    const bp_activation both_ways[] = { BP_SIGMOID, BP_TANH, BP_HARD_SIGMOID, BP_HARD_TANH, BP_GAUSSIAN };
    const bp_activation below[] = { BP_RELU, BP_ELU, BP_SELU, BP_GELU, BP_GELU_TANH, BP_SILU, BP_MISH, BP_SOFTPLUS };
    for (size_t i = 0; i < COUNT(far); i++) {
        for (size_t k = 0; k < COUNT(both_ways); k++)
            assert_true(slope(both_ways[k], 0.25, far[i]) == (bp_real)0);
        for (size_t k = 0; k < COUNT(below) && far[i] < 0; k++)
            assert_true(slope(below[k], 0.25, far[i]) == (bp_real)0);
    }
    assert_true(slope(BP_SOFTSIGN, 0, (double)INFINITY) == (bp_real)0);
}

/* They are the identity there; selu with its scale. */
static void derivatives_far_above_0_are_1_where_functions_grow(void **state)
{
    (void)state;
    const bp_activation growing[] = { BP_IDENTITY,  BP_RELU, BP_LEAKY_RELU, BP_ELU,     BP_GELU,
                                      BP_GELU_TANH, BP_SILU, BP_MISH,       BP_SOFTPLUS };
    for (size_t i = 0; i < COUNT(growing); i++) {
        assert_true(slope(growing[i], 0.25, 1000) == (bp_real)1);
        assert_true(slope(growing[i], 0.25, (double)INFINITY) == (bp_real)1);
    }
    assert_true(slope(BP_SELU, 0, (double)INFINITY) == (bp_real)1.0507009873554804934);
    assert_true(f(BP_SELU, 0, 1000) == (bp_real)1.0507009873554804934 * (bp_real)1000);
    assert_close((double)f(BP_SELU, 0, -1000), -1.7580993408473768600, 4 * eps);
    assert_close((double)f(BP_SELU, 0, (double)-INFINITY), -1.7580993408473768600, 4 * eps);
}

/* A sine has no limit, but at all finite numbers it is what libm says, and of infinity it is no number. */
static void sine_of_large_numbers_is_that_of_the_library(void **state)
{
    (void)state;
    assert_close((double)f(BP_SINE, 0, 1000), 0.82687954053200256025, 4 * eps);
    assert_close((double)slope(BP_SINE, 0, 1000), 0.56237907629070299320, 4 * eps);
    assert_close((double)f(BP_SINE, 0, -1000), -0.82687954053200256025, 4 * eps);
    assert_true(isnan(f(BP_SINE, 0, (double)INFINITY)));
}

/* Through relu too, whose comparison with 0 is false for it: it must reach the loss. */
static void a_nan_goes_through_every_function(void **state)
{
    (void)state;
    for (int activation = 0; activation < N_IN_TABLE; activation++)
        assert_true(isnan(f((bp_activation)activation, 0.25, (double)NAN)));
}

static void a_nan_error_goes_back_through_every_function(void **state)
{
    (void)state;
    const bp_real Z[] = { (bp_real)1, (bp_real)2 }, dA[] = { (bp_real)NAN, (bp_real)1 };
    for (int activation = 0; activation < N_IN_TABLE; activation++) {
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
    for (int activation = 0; activation < N_IN_TABLE; activation++) {
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
    for (int activation = 0; activation < N_IN_TABLE; activation++) {
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
    for (int activation = 0; activation < N_IN_TABLE; activation++) {
        const bpi_activation_row *row = bpi_activation((bp_activation)activation);
        bp_real Z[ALL], A[ALL], dA[ALL], other[ALL], with_Z[ALL], without[ALL];
        fill(Z, ALL);
        fill(dA, ALL);
        for (size_t i = 0; i < ALL; i++)
            other[i] = Z[ALL - 1 - i];
        row->apply(ROWS, UNITS, (bp_real)-0.5, NULL, Z, A);
        row->pull_back(ROWS, UNITS, (bp_real)-0.5, NULL, Z, A, dA, with_Z);
        row->pull_back(ROWS, UNITS, (bp_real)-0.5, NULL, other, A, dA, without);
        assert_true(row->needs_Z == (memcmp(with_Z, without, sizeof without) != 0));
    }
}

static void rows_of_a_batch_do_not_know_of_each_other(void **state)
{
    (void)state;
    for (int activation = 0; activation < N_IN_TABLE; activation++) {
        const bpi_activation_row *row = bpi_activation((bp_activation)activation);
        bp_real Z[ALL], together[ALL], alone[ALL];
        fill(Z, ALL);
        row->apply(ROWS, UNITS, (bp_real)0.25, NULL, Z, together);
        for (size_t i = 0; i < ROWS; i++)
            row->apply(1, UNITS, (bp_real)0.25, NULL, Z + i * UNITS, alone + i * UNITS);
        assert_memory_equal(alone, together, sizeof together);
    }
}

/* Kinks, and bends of the second derivative, where a difference formula would be wrong; NAN: there is no more. */
static void breaks_of(int activation, double breaks[2])
{
    breaks[0] = breaks[1] = (double)NAN;
    switch (activation) {
    case BP_RELU:
    case BP_LEAKY_RELU:
    case BP_ELU:
    case BP_SELU:
    case BP_SOFTSIGN:
        breaks[0] = 0;
        return;
    case BP_HARD_SIGMOID:
        breaks[0] = -3, breaks[1] = 3;
        return;
    case BP_HARD_TANH:
        breaks[0] = -1, breaks[1] = 1;
        return;
    default:
        return;
    }
}

static int piece_at(int activation, double z)
{
    return bpi_activation((bp_activation)activation)->piece((bp_real)z, f((bp_activation)activation, -0.5, z));
}

/* At a break it is on a side whose derivative is taken there: on the outer one of the hard functions, else the left. */
static void pieces_tell_the_sides_of_a_break_and_smooth_functions_have_none(void **state)
{
    (void)state;
    for (int activation = 0; activation < N_IN_TABLE; activation++) {
        double breaks[2];
        breaks_of(activation, breaks);
        assert_true((bpi_activation((bp_activation)activation)->piece != NULL) == !isnan(breaks[0]));
        for (size_t i = 0; i < 2 && !isnan(breaks[i]); i++) {
            const int left = piece_at(activation, breaks[i] - 0.5), right = piece_at(activation, breaks[i] + 0.5);
            assert_int_not_equal(left, right);
            assert_int_equal(piece_at(activation, breaks[i]), i == 0 ? left : right);
        }
        if (!isnan(breaks[1]))
            assert_int_equal(piece_at(activation, breaks[0] + 0.5), piece_at(activation, breaks[1] - 0.5));
    }
}

/* As activation.h says. */
static void parameters_have_their_defaults_and_other_functions_none(void **state)
{
    (void)state;
    for (int activation = 0; activation < BP_N_ACTIVATIONS; activation++) {
        const bpi_activation_row *row = bpi_activation((bp_activation)activation);
        const bool leaky = activation == BP_LEAKY_RELU, elu = activation == BP_ELU;
        assert_true(row->has_parameter == (leaky || elu || activation == BP_CUSTOM_ACTIVATION));
        assert_true(row->default_parameter == (bp_real)(leaky ? 0.01 : elu ? 1 : 0));
    }
}

static void the_functions_of_custom_are_not_in_the_table(void **state)
{
    (void)state;
    const bpi_activation_row *row = bpi_activation(BP_CUSTOM_ACTIVATION);
    assert_true(row->apply == NULL && row->pull_back == NULL && row->piece == NULL);
    assert_true(row->needs_Z); /* it may read it */
    assert_int_equal(BP_N_ACTIVATIONS, N_IN_TABLE + 1);
}

/* They stand in files and in other people's code. */
static const struct {
    bp_activation activation;
    int value;
    const char *name;
} names[] = {
    { BP_IDENTITY, 0, "identity" },
    { BP_SIGMOID, 1, "sigmoid" },
    { BP_TANH, 2, "tanh" },
    { BP_RELU, 3, "relu" },
    { BP_LEAKY_RELU, 4, "leaky_relu" },
    { BP_SOFTMAX, 5, "softmax" },
    { BP_ELU, 6, "elu" },
    { BP_SELU, 7, "selu" },
    { BP_GELU, 8, "gelu" },
    { BP_GELU_TANH, 9, "gelu_tanh" },
    { BP_SILU, 10, "silu" },
    { BP_MISH, 11, "mish" },
    { BP_SOFTPLUS, 12, "softplus" },
    { BP_SOFTSIGN, 13, "softsign" },
    { BP_HARD_SIGMOID, 14, "hard_sigmoid" },
    { BP_HARD_TANH, 15, "hard_tanh" },
    { BP_GAUSSIAN, 16, "gaussian" },
    { BP_SINE, 17, "sine" },
    { BP_CUSTOM_ACTIVATION, 18, "custom" },
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
        cmocka_unit_test(definitions_of_slopes_are_differences_of_the_definitions),
        cmocka_unit_test(pulling_back_multiplies_by_the_derivative),
        cmocka_unit_test(derivatives_at_kinks_are_those_from_the_left),
        cmocka_unit_test(hard_functions_have_slope_0_at_both_kinks),
        cmocka_unit_test(extreme_arguments_give_the_limits),
        cmocka_unit_test(derivatives_of_saturated_units_are_0),
        cmocka_unit_test(derivatives_far_above_0_are_1_where_functions_grow),
        cmocka_unit_test(sine_of_large_numbers_is_that_of_the_library),
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
        cmocka_unit_test(pieces_tell_the_sides_of_a_break_and_smooth_functions_have_none),
        cmocka_unit_test(parameters_have_their_defaults_and_other_functions_none),
        cmocka_unit_test(the_functions_of_custom_are_not_in_the_table),
        cmocka_unit_test(every_activation_has_its_value_and_its_name),
        cmocka_unit_test(other_values_are_unknown),
    };
    int n_failed = 0;
    AT_EACH_PATH (path)
        n_failed += cmocka_run_group_tests_name(name_of_path(path), tests, NULL, NULL);
    return n_failed;
}
