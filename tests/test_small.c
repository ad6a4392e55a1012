// SPDX-License-Identifier: MIT
/*
 * Small networks in one call against the layers by matrix products: the same up to rounding, and which networks are small.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "backprop/network.h"
#include "backprop/propagation.h"
#include "backprop/rng.h"
#include "backprop/status.h"
#include "net/small.h"
#include "support/close.h"
#include "support/levels.h"

#define R(x) ((bp_real)(x))
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { N_IN = 3, N_OUT = 2, MOST_BATCH = 11, MOST_PARAMS = 96 };

static const double bound = 400 * (double)BP_REAL_EPSILON; /* sums of up to 11 rows of numbers around 1 */

static void init(bp_network *net, size_t n_layers, const bp_layer_config *layers)
{
    const bp_network_config config = { .n_in = N_IN, .n_layers = n_layers, .layers = layers, .seed = 5 };
    assert_int_equal(bp_network_init(net, &config), BP_OK);
}

static void fill(uint64_t seed, size_t n, bp_real *x)
{
    bp_rng rng;
    bp_rng_init(&rng, seed);
    for (size_t i = 0; i < n; i++)
        x[i] = (bp_real)(2 * bp_rng_uniform(&rng) - 1);
}

/* All that can be asked for. */
struct results {
    bp_real Y[MOST_BATCH * N_OUT], predicted[MOST_BATCH * N_OUT], L;
    bp_real grad[MOST_PARAMS], dX[MOST_BATCH * N_IN], grad_of_dY[MOST_PARAMS], dX_of_dY[MOST_BATCH * N_IN];
};

static struct results compute(const bp_network *net, size_t batch, bool expects_small)
{
    struct results got = { .L = 0 };
    bp_real X[MOST_BATCH * N_IN], T[MOST_BATCH * N_OUT];
    fill(1, COUNT(X), X);
    fill(2, COUNT(T), T);
    fill(3, COUNT(got.grad), got.grad); /* added to */
    fill(4, COUNT(got.dX), got.dX);
    bp_workspace ws, inference;
    assert_int_equal(bp_workspace_init(&ws, net, MOST_BATCH, BP_TRAINING), BP_OK);
    assert_int_equal(bp_workspace_init(&inference, net, batch, BP_INFERENCE), BP_OK);
    assert_true(ws.small == expects_small && inference.small == expects_small);

    const bp_loss loss = { .kind = BP_SQUARED_ERROR };
    const bp_targets targets = { .values = T };
    assert_int_equal(bp_network_forward(net, &ws, X, batch), BP_OK);
    for (size_t i = 0; i < batch * N_OUT; i++)
        got.Y[i] = ws.Y[i];
    assert_int_equal(bp_network_loss(net, &ws, &loss, &targets, &got.L), BP_OK);
    assert_int_equal(bp_network_backward(net, &ws, NULL, got.grad, got.dX, BP_ACCUMULATE), BP_OK);
    assert_int_equal(bp_network_backward(net, &ws, T, got.grad_of_dY, got.dX_of_dY, BP_OVERWRITE), BP_OK);
    assert_int_equal(bp_predict(net, &inference, X, batch, got.predicted), BP_OK);
    bp_workspace_free(&ws);
    bp_workspace_free(&inference);
    return got;
}

static void assert_all_close(size_t n, const bp_real *a, const bp_real *b)
{
    for (size_t i = 0; i < n; i++)
        assert_close((double)a[i], (double)b[i], bound * fmax(1, fabs((double)b[i])));
}

static void assert_same_results(const struct results *a, const struct results *b)
{
    assert_all_close(COUNT(a->Y), a->Y, b->Y);
    assert_all_close(COUNT(a->predicted), a->predicted, b->predicted);
    assert_all_close(COUNT(a->Y), a->predicted, a->Y);
    assert_close((double)a->L, (double)b->L, bound);
    assert_all_close(COUNT(a->grad), a->grad, b->grad);
    assert_all_close(COUNT(a->dX), a->dX, b->dX);
    assert_all_close(COUNT(a->grad_of_dY), a->grad_of_dY, b->grad_of_dY);
    assert_all_close(COUNT(a->dX_of_dY), a->dX_of_dY, b->dX_of_dY);
}

static void hold_to_products(const bp_network *net)
{
    for (size_t batch = 1; batch <= MOST_BATCH; batch++) {
        bpi_products_force_gemm(true);
        const struct results by_products = compute(net, batch, false);
        bpi_products_force_gemm(false);
        const struct results by_small = compute(net, batch, true);
        assert_same_results(&by_small, &by_products);
    }
}

static void small_networks_compute_what_layers_do(void **state)
{
    (void)state;
    AT_EACH_LEVEL (level)
        for (int activation = 0; activation < BP_N_ACTIVATIONS; activation++) {
            if (bpi_kernels()->apply[activation] == NULL)
                continue;
            const bp_layer_config layers[] = { { .n_out = 5, .activation = (bp_activation)activation },
                                               { .n_out = 4, .activation = BP_SIGMOID },
                                               { .n_out = N_OUT, .activation = (bp_activation)activation } };
            for (size_t n_layers = 1; n_layers <= 3; n_layers++) {
                bp_network net;
                init(&net, n_layers, layers + 3 - n_layers);
                hold_to_products(&net);
                bp_network_free(&net);
            }
        }
}

/* Down to the smallest numbers there are, with one row and with several, which go other ways. */
static void sigmoid_is_right_in_its_tails(void **state)
{
    (void)state;
    static const struct {
        double z, expected; /* to 21 digits, by arithmetic of 60 */
    } points[] = {
        /* clang-format off */
        { -800, 0.00000000000000000000e+00 },
        { -745, 4.94065645841246544177e-324 },
        { -720, 2.03223080241835991556e-313 },
        { -709.875, 5.07229681210811586274e-309 },
        { -708, 3.30755300363840782552e-308 },
        { -104, 6.81355682154529835213e-46 },
        { -100, 3.72007597602083612001e-44 },
        { -88.875, 2.52393357446626339848e-39 },
        { -87, 1.64581143108227370036e-38 },
        { -20, 2.06115361819020373880e-09 },
        { -1, 2.68941421369995103952e-01 },
        { 0, 5.00000000000000000000e-01 },
        { 5, 9.93307149075715156705e-01 },
        { 40, 1.00000000000000000000e+00 },
        { 750, 1.00000000000000000000e+00 },
        /* clang-format on */
    };
    const bp_layer_config layer = { .n_out = 1, .activation = BP_SIGMOID, .no_bias = true };
    bp_network net;
    bp_workspace ws;
    init(&net, 1, &layer);
    net.layers[0].W[0] = R(1);
    assert_int_equal(bp_workspace_init(&ws, &net, 3, BP_INFERENCE), BP_OK);
    for (size_t i = 0; i < COUNT(points); i++) {
        const bp_real X[3 * N_IN] = { [0] = R(points[i].z), [N_IN] = R(points[i].z), [2 * N_IN] = R(points[i].z) };
        bp_real one, three[3];
        assert_int_equal(bp_predict(&net, &ws, X, 1, &one), BP_OK);
        assert_int_equal(bp_predict(&net, &ws, X, 3, three), BP_OK);
        const double expected = points[i].expected, least = (double)BP_REAL_MIN * (double)BP_REAL_EPSILON;
        const double ulp = fmax(expected * (double)BP_REAL_EPSILON, least);
        assert_true(fabs((double)one - expected) <= 2 * ulp);
        for (size_t k = 0; k < COUNT(three); k++)
            assert_true(fabs((double)three[k] - expected) <= 2 * ulp);
    }
    bp_workspace_free(&ws);
    bp_network_free(&net);
}

/* ---- Which ----------------------------------------------------------------------------------------------------------- */

static bool is_small(bp_layer_config hidden, bp_layer_config output)
{
    const bp_layer_config layers[] = { hidden, output };
    bp_network net;
    init(&net, 2, layers);
    const bool small = bpi_network_is_small(&net);
    bp_network_free(&net);
    return small;
}

static void only_few_plain_units_make_a_network_small(void **state)
{
    (void)state;
    const bp_layer_config output = { .n_out = 2, .activation = BP_SIGMOID };
    assert_true(is_small((bp_layer_config){ .n_out = 8, .activation = BP_TANH }, output));
    assert_true(is_small((bp_layer_config){ .n_out = 8, .activation = BP_TANH, .frozen = true }, output));
    assert_false(is_small((bp_layer_config){ .n_out = 100, .activation = BP_TANH }, output));
    assert_true(is_small((bp_layer_config){ .n_out = 8, .activation = BP_TANH, .no_bias = true }, output));
    assert_false(is_small((bp_layer_config){ .n_out = 8, .activation = BP_TANH, .dropout = R(0.5) }, output));
    assert_false(is_small((bp_layer_config){ .n_out = 8, .normalization = BP_LAYER_NORMALIZATION }, output));
    assert_false(is_small((bp_layer_config){ .n_out = 8 }, (bp_layer_config){ .n_out = 2, .activation = BP_SOFTMAX }));
    bpi_products_force_gemm(true);
    assert_false(is_small((bp_layer_config){ .n_out = 8, .activation = BP_TANH }, output));
    bpi_products_force_gemm(false);
}

/* The parameters stay as they were: the caller falls back on none. */
static void a_step_whose_loss_is_not_finite_writes_nothing(void **state)
{
    (void)state;
    const bp_layer_config layers[] = { { .n_out = N_OUT } };
    bp_network net;
    init(&net, 1, layers);
    const size_t n = net.parameters.n_params;
    bp_real before[MOST_PARAMS], X[2 * N_IN] = { R(1), R(2) }, T[2 * N_OUT] = { R(0) };
    for (size_t i = 0; i < n; i++)
        before[i] = net.parameters.params[i];
    X[4] = R(INFINITY);
    const struct bpi_sink sink = { .base = net.parameters.params, .alpha = R(-0.1), .beta = R(1) };
    const struct bpi_small_batches batches = { .n = 1, .batch = 2, .X = X, .T = T, .share = 0.5 };
    double L;
    assert_int_equal(bpi_small_steps(&net, &batches, &sink, &L), 0);
    assert_true(isinf(L) != 0);
    assert_memory_equal(net.parameters.params, before, n * sizeof *before);
    X[4] = R(1);
    assert_int_equal(bpi_small_steps(&net, &batches, &sink, &L), 1);
    assert_true(L < 10);
    assert_memory_not_equal(net.parameters.params, before, n * sizeof *before);
    bp_network_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_networks_compute_what_layers_do),
        cmocka_unit_test(sigmoid_is_right_in_its_tails),
        cmocka_unit_test(only_few_plain_units_make_a_network_small),
        cmocka_unit_test(a_step_whose_loss_is_not_finite_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
