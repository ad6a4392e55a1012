// SPDX-License-Identifier: MIT
/*
 * Initial values: the distribution of each kind, which kind is the default, the order of drawing, and what is refused.
 * All of it through bp_network_init(), as users see it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "backprop/init.h"
#include "backprop/network.h"
#include "backprop/rng.h"
#include "support/close.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

/* One layer of n_in x n_out; the network in *net is to be freed. */
static void make_layer(bp_network *net, size_t n_in, const bp_layer_config *layer, uint64_t seed)
{
    const bp_network_config config = { .n_in = n_in, .n_layers = 1, .layers = layer, .seed = seed };
    assert_int_equal(bp_network_init(net, &config), BP_OK);
}

static void assert_same_parameters(const bp_network *a, const bp_network *b)
{
    assert_int_equal(a->parameters.n_params, b->parameters.n_params);
    assert_memory_equal(a->parameters.params, b->parameters.params, a->parameters.n_params * sizeof(bp_real));
}

static bool all_zero(size_t n, const bp_real *x)
{
    for (size_t i = 0; i < n; i++)
        if (x[i] != R(0))
            return false;
    return true;
}

static void values_are_fixed(void **state)
{
    (void)state;
    const bp_init_kind in_order[] = { BP_INIT_DEFAULT,        BP_INIT_ZEROS,         BP_INIT_UNIFORM,    BP_INIT_NORMAL,
                                      BP_INIT_GLOROT_UNIFORM, BP_INIT_GLOROT_NORMAL, BP_INIT_HE_UNIFORM, BP_INIT_HE_NORMAL,
                                      BP_INIT_LECUN_UNIFORM,  BP_INIT_LECUN_NORMAL,  BP_INIT_ORTHOGONAL };
    assert_int_equal(COUNT(in_order), BP_N_INIT_KINDS);
    for (size_t i = 0; i < COUNT(in_order); i++)
        assert_int_equal(in_order[i], i);
}

/* ---- Distributions ----------------------------------------------------------------------------------------------- */

enum { N_IN = 8, N_OUT = 20000 }; /* 160 000 weights, 20 000 biases */

/* The kinds with what their documentation says for N_IN and N_OUT. */
struct expected {
    bp_init init;
    bool is_uniform; /* in mean +- sqrt(3 variance); else normal */
    double mean, variance;
};

static const struct expected distributions[] = {
    { { .kind = BP_INIT_UNIFORM, .a = R(-0.25), .b = R(0.75) }, true, 0.25, 1.0 / 12 },
    { { .kind = BP_INIT_UNIFORM, .a = R(-3), .b = R(-2) }, true, -2.5, 1.0 / 12 },
    { { .kind = BP_INIT_NORMAL, .a = R(-2), .b = R(0.5) }, false, -2, 0.25 },
    { { .kind = BP_INIT_NORMAL, .a = R(0), .b = R(3) }, false, 0, 9 },
    { { .kind = BP_INIT_GLOROT_UNIFORM }, true, 0, 2.0 / (N_IN + N_OUT) },
    { { .kind = BP_INIT_GLOROT_NORMAL }, false, 0, 2.0 / (N_IN + N_OUT) },
    { { .kind = BP_INIT_HE_UNIFORM }, true, 0, 2.0 / N_IN },
    { { .kind = BP_INIT_HE_NORMAL }, false, 0, 2.0 / N_IN },
    { { .kind = BP_INIT_LECUN_UNIFORM }, true, 0, 1.0 / N_IN },
    { { .kind = BP_INIT_LECUN_NORMAL }, false, 0, 1.0 / N_IN },
};

/*
 * With n numbers the mean is uncertain by sqrt(v / n). Their squared deviations have the variance (K - 1) v^2, where the
 * kurtosis K is 9/5 for a uniform distribution and 3 for a normal one.
 */
static void check_moments(const struct expected *expected, size_t n, const bp_real *x)
{
    const double v = expected->variance, kurtosis = expected->is_uniform ? 1.8 : 3;
    double sum = 0, sum_of_squares = 0;
    for (size_t i = 0; i < n; i++) {
        const double deviation = (double)x[i] - expected->mean;
        sum += deviation;
        sum_of_squares += deviation * deviation;
    }
    assert_close(sum / (double)n, 0, 5 * sqrt(v / (double)n));
    assert_close(sum_of_squares / (double)n, v, 5 * v * sqrt((kurtosis - 1) / (double)n));
}

/*
 * A uniform distribution reaches its ends and goes no further: of 20 000 numbers none within a thousandth of an end has a
 * probability of 2e-9. A normal one is not truncated: none beyond three deviations has e^-54.
 */
static void check_support(const struct expected *expected, size_t n, const bp_real *x)
{
    const double deviation = sqrt(expected->variance), end = sqrt(3) * deviation;
    double lowest = INFINITY, highest = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        lowest = fmin(lowest, (double)x[i] - expected->mean);
        highest = fmax(highest, (double)x[i] - expected->mean);
    }
    if (expected->is_uniform) {
        const double rounding = (double)BP_REAL_EPSILON * (end + fabs(expected->mean));
        assert_true(lowest >= -end - rounding && lowest < -0.998 * end);
        assert_true(highest <= end + rounding && highest > 0.998 * end);
    } else {
        assert_true(lowest < -3 * deviation && highest > 3 * deviation);
    }
}

static void weights_and_biases_have_the_distribution_asked_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(distributions); i++) {
        const struct expected *expected = &distributions[i];
        const bp_layer_config layer = { .n_out = N_OUT, .weights = expected->init, .biases = expected->init };
        bp_network net;
        make_layer(&net, N_IN, &layer, 17);
        check_moments(expected, (size_t)N_IN * N_OUT, net.layers[0].W);
        check_support(expected, (size_t)N_IN * N_OUT, net.layers[0].W);
        check_moments(expected, N_OUT, net.layers[0].b); /* by the layer's fans, too */
        check_support(expected, N_OUT, net.layers[0].b);
        bp_network_free(&net);
    }
}

static void zeros_are_zeros(void **state)
{
    (void)state;
    const bp_init zeros = { .kind = BP_INIT_ZEROS, .a = R(5), .b = R(NAN) }; /* a and b are unused */
    const bp_layer_config layer = { .n_out = 3, .activation = BP_RELU, .weights = zeros, .biases = zeros };
    bp_network net;
    make_layer(&net, 4, &layer, 1);

    assert_true(all_zero(net.parameters.n_params, net.parameters.params));
    bp_network_free(&net);
}

static void distribution_without_width_is_its_one_number(void **state)
{
    (void)state;
    const bp_init inits[] = { { .kind = BP_INIT_UNIFORM, .a = R(0.3), .b = R(0.3) },
                              { .kind = BP_INIT_NORMAL, .a = R(0.3), .b = R(0) } };
    for (size_t i = 0; i < COUNT(inits); i++) {
        const bp_layer_config layer = { .n_out = 3, .weights = inits[i], .biases = inits[i] };
        bp_network net;
        make_layer(&net, 4, &layer, 1);
        for (size_t p = 0; p < net.parameters.n_params; p++)
            assert_true(net.parameters.params[p] == R(0.3));
        bp_network_free(&net);
    }
}

/* ---- Defaults ---------------------------------------------------------------------------------------------------- */

/* A custom activation needs functions; none is called here. */
static void apply_nothing(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    (void)rows, (void)n, (void)parameter, (void)user, (void)Z, (void)A;
}

static void pull_nothing(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                         const bp_real *dA, bp_real *dZ)
{
    (void)rows, (void)n, (void)parameter, (void)user, (void)Z, (void)A, (void)dA, (void)dZ;
}

static const bp_activation_function *custom_of(int activation)
{
    static const bp_activation_function nothing = { .name = "nothing", .apply = apply_nothing, .pull_back = pull_nothing };
    return activation == (int)BP_CUSTOM_ACTIVATION ? &nothing : NULL;
}

/* As init.h says. */
static bp_init_kind documented_default(int activation)
{
    switch (activation) {
    case BP_RELU:
    case BP_LEAKY_RELU:
    case BP_ELU:
    case BP_GELU:
    case BP_GELU_TANH:
    case BP_SILU:
    case BP_MISH:
        return BP_INIT_HE_NORMAL;
    case BP_SELU:
        return BP_INIT_LECUN_NORMAL;
    default:
        return BP_INIT_GLOROT_UNIFORM;
    }
}

static void default_of_weights_follows_the_activation(void **state)
{
    (void)state;
    for (int f = 0; f < (int)BP_N_ACTIVATIONS; f++) {
        const bp_layer_config by_default = { .n_out = 5, .activation = (bp_activation)f, .custom = custom_of(f) };
        bp_layer_config as_documented = by_default;
        as_documented.weights.kind = documented_default(f);
        bp_network a, b;
        make_layer(&a, 7, &by_default, 3);
        make_layer(&b, 7, &as_documented, 3);
        assert_same_parameters(&a, &b);
        bp_network_free(&a);
        bp_network_free(&b);
    }
}

static void default_of_biases_is_zeros(void **state)
{
    (void)state;
    for (int f = 0; f < (int)BP_N_ACTIVATIONS; f++) {
        const bp_layer_config layer = { .n_out = 5, .activation = (bp_activation)f, .custom = custom_of(f) };
        bp_network net;
        make_layer(&net, 7, &layer, 3);
        assert_false(all_zero(35, net.layers[0].W));
        assert_true(all_zero(5, net.layers[0].b));
        bp_network_free(&net);
    }
}

/* ---- The order of drawing ---------------------------------------------------------------------------------------- */

/* What a network of this shape draws, by the public generator and the formulas of init.h, in double. */
struct drawn {
    size_t n;
    double numbers[64];
};

/* The sum is a statement of its own, so that no compiler contracts it with the product. */
static void draw_uniform(struct drawn *drawn, bp_rng *rng, size_t n, double low, double width)
{
    for (size_t i = 0; i < n; i++) {
        const double above_low = width * bp_rng_uniform(rng);
        drawn->numbers[drawn->n++] = low + above_low;
    }
}

static void draw_normal(struct drawn *drawn, bp_rng *rng, size_t n, double deviation)
{
    for (size_t i = 0; i < n; i++)
        drawn->numbers[drawn->n++] = deviation * bp_rng_normal(rng);
}

static void draw_zeros(struct drawn *drawn, size_t n)
{
    for (size_t i = 0; i < n; i++)
        drawn->numbers[drawn->n++] = 0;
}

/*
 * Layer by layer W, then b, row by row; zeros take no number. Drawn and scaled in double, then rounded: the
 * single-precision library starts from the rounded numbers of the double one, since this expectation is the same in both.
 */
static void layers_draw_in_order_weights_before_biases(void **state)
{
    (void)state;
    const bp_layer_config layers[] = {
        { .n_out = 4, .activation = BP_TANH, .biases = { .kind = BP_INIT_UNIFORM, .a = R(-0.5), .b = R(1) } },
        { .n_out = 2, .activation = BP_RELU },
        { .n_out = 5, .activation = BP_SOFTMAX, .biases = { .kind = BP_INIT_LECUN_NORMAL } },
    };
    const bp_network_config config = { .n_in = 3, .n_layers = 3, .layers = layers, .seed = 99 };
    bp_network net;
    assert_int_equal(bp_network_init(&net, &config), BP_OK);

    bp_rng rng;
    bp_rng_init(&rng, 99);
    struct drawn drawn = { 0 };
    const double s0 = sqrt(6.0 / (3 + 4)), s2 = sqrt(6.0 / (2 + 5));
    draw_uniform(&drawn, &rng, 12, -s0, 2 * s0);
    draw_uniform(&drawn, &rng, 4, -0.5, 1.5);
    draw_normal(&drawn, &rng, 8, sqrt(2.0 / 4));
    draw_zeros(&drawn, 2);
    draw_uniform(&drawn, &rng, 10, -s2, 2 * s2);
    draw_normal(&drawn, &rng, 5, sqrt(1.0 / 2));

    assert_int_equal(net.parameters.n_params, drawn.n);
    for (size_t i = 0; i < drawn.n;
         i++) /* the library may take sqrt(3 variance) for s: two roundings more, of 2^-53 each */
        assert_close((double)net.parameters.params[i], (double)R(drawn.numbers[i]),
                     (double)BP_REAL_EPSILON * 2 * fabs(drawn.numbers[i]) + 0x1p-52);
    bp_network_free(&net);
}

/* 2 inputs, 3 tanh units, 1 relu, seed 7: by Python's integers and mpmath (see test_rng.c). */
static void seed_gives_the_network_of_an_independent_program(void **state)
{
    (void)state;
    static const double by_mpmath[] = {
        -0.97415647560027262026,
        -0.71835817106829238741,
        0.47668541390670881901,
        -0.1594752957556797841,
        1.0158271165456384398,
        -0.075139452387877406215,
        0,
        0,
        0,
        0.98626928947411864519,
        0.26808898950735896908,
        -0.010115605903234301992,
        0,
    };
    const bp_layer_config layers[] = { { .n_out = 3, .activation = BP_TANH }, { .n_out = 1, .activation = BP_RELU } };
    const bp_network_config config = { .n_in = 2, .n_layers = 2, .layers = layers, .seed = 7 };
    bp_network net;
    assert_int_equal(bp_network_init(&net, &config), BP_OK);

    assert_int_equal(net.parameters.n_params, COUNT(by_mpmath));
    for (size_t i = 0; i < COUNT(by_mpmath); i++)
        assert_close((double)net.parameters.params[i], by_mpmath[i], 4 * (double)BP_REAL_EPSILON);
    bp_network_free(&net);
}

static void same_seed_gives_the_same_bits(void **state)
{
    (void)state;
    const uint64_t seeds[] = { 0, 1, 42, UINT64_MAX };
    const bp_layer_config layer = { .n_out = 30, .biases = { .kind = BP_INIT_HE_UNIFORM } };
    for (size_t i = 0; i < COUNT(seeds); i++) {
        bp_network a, b;
        make_layer(&a, 20, &layer, seeds[i]);
        make_layer(&b, 20, &layer, seeds[i]);
        assert_same_parameters(&a, &b);
        bp_network_free(&a);
        bp_network_free(&b);
    }
}

static void different_seeds_give_different_numbers(void **state)
{
    (void)state;
    const bp_layer_config layer = { .n_out = 30, .biases = { .kind = BP_INIT_HE_UNIFORM } };
    bp_network a, b;
    make_layer(&a, 20, &layer, 0);
    make_layer(&b, 20, &layer, 1);

    size_t n_equal = 0;
    for (size_t i = 0; i < a.parameters.n_params; i++)
        n_equal += a.parameters.params[i] == b.parameters.params[i];
    assert_true(n_equal <= 1); /* 630 floats: two the same by chance in one network of some thousand */
    bp_network_free(&a);
    bp_network_free(&b);
}

/* ---- What is refused --------------------------------------------------------------------------------------------- */

static void settings_that_are_no_distribution_are_refused(void **state)
{
    (void)state;
    const struct {
        bp_init init;
        const char *sentence; /* after "layer 1: weights: " */
    } cases[] = {
        { { .kind = BP_N_INIT_KINDS }, "11 is no initialiser" },
        { { .kind = (bp_init_kind)77 }, "77 is no initialiser" },
        { { .kind = (bp_init_kind)-1 }, "-1 is no initialiser" },
        { { .kind = BP_INIT_UNIFORM, .a = R(1), .b = R(0.5) }, "uniform in [1, 0.5] is empty" },
        { { .kind = BP_INIT_NORMAL, .a = R(1), .b = R(-0.5) }, "standard deviation -0.5 is below 0" },
        { { .kind = BP_INIT_UNIFORM, .a = R(NAN), .b = R(1) }, "a = nan and b = 1; both must be finite" },
        { { .kind = BP_INIT_UNIFORM, .a = R(0), .b = R(NAN) }, "b = nan" },
        { { .kind = BP_INIT_UNIFORM, .a = R(-INFINITY), .b = R(1) }, "a = -inf" },
        { { .kind = BP_INIT_UNIFORM, .a = R(0), .b = R(INFINITY) }, "b = inf" },
        { { .kind = BP_INIT_NORMAL, .a = R(NAN), .b = R(1) }, "a = nan" },
        { { .kind = BP_INIT_NORMAL, .a = R(INFINITY), .b = R(1) }, "a = inf" },
        { { .kind = BP_INIT_NORMAL, .a = R(0), .b = R(NAN) }, "b = nan" },
        { { .kind = BP_INIT_NORMAL, .a = R(0), .b = R(INFINITY) }, "b = inf" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const bp_layer_config bad_weights[] = { { .n_out = 2 }, { .n_out = 2, .weights = cases[i].init } };
        const bp_layer_config bad_biases[] = { { .n_out = 2, .biases = cases[i].init } };
        const bp_network_config weights = { .n_in = 2, .n_layers = 2, .layers = bad_weights };
        const bp_network_config biases = { .n_in = 2, .n_layers = 1, .layers = bad_biases };
        bp_network net;
        assert_refused(bp_network_init(&net, &weights), BP_ERR_ARGUMENT, "layer 1: weights", cases[i].sentence);
        assert_refused(bp_network_init(&net, &biases), BP_ERR_ARGUMENT, "layer 0: biases", cases[i].sentence);
    }
}

static void numbers_of_other_kinds_are_not_looked_at(void **state)
{
    (void)state;
    for (int kind = 0; kind < (int)BP_N_INIT_KINDS; kind++) {
        if (kind == (int)BP_INIT_UNIFORM || kind == (int)BP_INIT_NORMAL || kind == (int)BP_INIT_ORTHOGONAL)
            continue;
        const bp_init init = { .kind = (bp_init_kind)kind, .a = R(NAN), .b = R(-1) };
        const bp_layer_config with = { .n_out = 5, .weights = init, .biases = init };
        const bp_layer_config without = { .n_out = 5, .weights = { .kind = init.kind }, .biases = { .kind = init.kind } };
        bp_network a, b;
        make_layer(&a, 3, &with, 1);
        make_layer(&b, 3, &without, 1);
        assert_same_parameters(&a, &b);
        bp_network_free(&a);
        bp_network_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_fixed),
        cmocka_unit_test(weights_and_biases_have_the_distribution_asked_for),
        cmocka_unit_test(zeros_are_zeros),
        cmocka_unit_test(distribution_without_width_is_its_one_number),
        cmocka_unit_test(default_of_weights_follows_the_activation),
        cmocka_unit_test(default_of_biases_is_zeros),
        cmocka_unit_test(layers_draw_in_order_weights_before_biases),
        cmocka_unit_test(seed_gives_the_network_of_an_independent_program),
        cmocka_unit_test(same_seed_gives_the_same_bits),
        cmocka_unit_test(different_seeds_give_different_numbers),
        cmocka_unit_test(settings_that_are_no_distribution_are_refused),
        cmocka_unit_test(numbers_of_other_kinds_are_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
