// SPDX-License-Identifier: MIT
/*
 * Small networks in one call against the layers by matrix products: the same up to rounding, and which networks are small. And
 * their training, many steps at once, against the steps one by one and a loop of public functions: the same to the bit.
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

#include "backprop/network.h"
#include "backprop/propagation.h"
#include "backprop/rng.h"
#include "backprop/status.h"
#include "backprop/train.h"
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

/* ---- Training -------------------------------------------------------------------------------------------------------- */

/* Those of which a vector holds each layer, those of which it does not, and those with functions that are called. */
static const struct shape {
    size_t n_in, n_layers;
    bp_layer_config layers[3];
} shapes[] = {
    { 2, 2, { { .n_out = 2, .activation = BP_SIGMOID }, { .n_out = 1, .activation = BP_SIGMOID } } },
    { 3, 2, { { .n_out = 4, .activation = BP_TANH }, { .n_out = 2, .activation = BP_IDENTITY } } },
    { 4, 3, { { .n_out = 1, .activation = BP_RELU }, { .n_out = 4, .no_bias = true }, { .n_out = 3 } } },
    { 1, 1, { { .n_out = 3, .activation = BP_SIGMOID } } },
    { 3, 2, { { .n_out = 4, .activation = BP_SOFTPLUS }, { .n_out = 2, .activation = BP_TANH } } },
    { 6, 2, { { .n_out = 3, .activation = BP_TANH }, { .n_out = 1 } } },
    { 3, 2, { { .n_out = 5, .activation = BP_SIGMOID }, { .n_out = 2, .activation = BP_SIGMOID } } },
    { 5, 3, { { .n_out = 5, .activation = BP_ELU }, { .n_out = 6, .activation = BP_TANH }, { .n_out = 3 } } },
};

enum { ROWS = 43, EPOCHS = 3, MOST_IN = 6, MOST_OUT = 3 };

struct trained {
    bp_network net;
    bp_optimizer opt;
    bp_train_report report;
    bp_status status;
    char sentence[512];
};

static bp_real X[ROWS * MOST_IN], T[ROWS * MOST_OUT];

static void make(struct trained *trained, const struct shape *shape, bp_real rate)
{
    *trained = (struct trained){ .status = BP_OK };
    const bp_network_config config = {
        .n_in = shape->n_in, .n_layers = shape->n_layers, .layers = shape->layers, .seed = 7
    };
    const bp_optimizer_config rule = { .learning_rate = rate };
    assert_int_equal(bp_network_init(&trained->net, &config), BP_OK);
    assert_int_equal(bp_optimizer_init(&trained->opt, &rule, &trained->net.parameters), BP_OK);
    fill(8, COUNT(X), X);
    fill(9, COUNT(T), T);
}

static void free_trained(struct trained *trained)
{
    bp_train_report_free(&trained->report);
    bp_optimizer_free(&trained->opt);
    bp_network_free(&trained->net);
}

static bp_signal go_on(const bp_progress *at, void *user)
{
    (void)at, (void)user;
    return BP_CONTINUE;
}

/* With a callback to be called after each step they are taken one by one. */
static void train(struct trained *trained, size_t batch, bp_reduction reduction, bool one_by_one)
{
    const bp_dataset data = {
        .rows = ROWS, .n_in = trained->net.n_in, .n_out = trained->net.n_out, .X = { .data = X }, .T = { .data = T }
    };
    const bp_train_config config = { .epochs = EPOCHS,
                                     .batch = batch,
                                     .keep_order = true,
                                     .loss = { .kind = BP_SQUARED_ERROR, .reduction = reduction },
                                     .on_step = one_by_one ? go_on : NULL };
    trained->status = bp_train(&trained->net, &trained->opt, &data, &config, &trained->report);
    (void)snprintf(trained->sentence, sizeof trained->sentence, "%s", bp_error_message());
}

static void train_by_own_loop(struct trained *trained, size_t batch, bp_reduction reduction)
{
    bp_workspace ws;
    bp_real grad[MOST_PARAMS], L;
    const bp_loss loss = { .kind = BP_SQUARED_ERROR, .reduction = reduction };
    assert_int_equal(bp_workspace_init(&ws, &trained->net, batch, BP_TRAINING), BP_OK);
    for (size_t epoch = 0; epoch < EPOCHS; epoch++)
        for (size_t row = 0; row < ROWS; row += batch) {
            const bp_targets targets = { .values = T + row * trained->net.n_out };
            const size_t n = ROWS - row < batch ? ROWS - row : batch;
            assert_int_equal(bp_network_forward(&trained->net, &ws, X + row * trained->net.n_in, n), BP_OK);
            assert_int_equal(bp_network_loss(&trained->net, &ws, &loss, &targets, &L), BP_OK);
            assert_int_equal(bp_network_backward(&trained->net, &ws, NULL, grad, NULL, BP_OVERWRITE), BP_OK);
            assert_int_equal(bp_optimizer_step(&trained->opt, &trained->net.parameters, grad, L), BP_OK);
        }
    bp_workspace_free(&ws);
}

static void assert_same_parameters(const struct trained *a, const struct trained *b)
{
    assert_memory_equal(a->net.parameters.params, b->net.parameters.params, a->net.parameters.n_params * sizeof(bp_real));
    assert_true(a->opt.n_steps == b->opt.n_steps);
}

static void assert_same_report(const bp_train_report *a, const bp_train_report *b)
{
    assert_int_equal(a->reason, b->reason);
    assert_true(a->n_steps == b->n_steps && a->n_epochs == b->n_epochs && a->epoch == b->epoch && a->step == b->step);
    assert_memory_equal(a->losses, b->losses, a->n_epochs * sizeof(bp_real));
    assert_memory_equal(&a->loss, &b->loss, sizeof a->loss);
}

static void hold_to_single_steps(const struct shape *shape, size_t batch, bp_reduction reduction)
{
    struct trained at_once, one_by_one, own;
    make(&at_once, shape, R(0.05));
    make(&one_by_one, shape, R(0.05));
    make(&own, shape, R(0.05));
    assert_true(bpi_network_is_small(&at_once.net));
    train(&at_once, batch, reduction, false);
    train(&one_by_one, batch, reduction, true);
    train_by_own_loop(&own, batch, reduction);
    assert_int_equal(at_once.status, BP_OK);
    assert_same_parameters(&at_once, &one_by_one);
    assert_same_parameters(&at_once, &own);
    assert_same_report(&at_once.report, &one_by_one.report);
    free_trained(&at_once);
    free_trained(&one_by_one);
    free_trained(&own);
}

static void steps_taken_at_once_are_those_one_by_one(void **state)
{
    (void)state;
    AT_EACH_LEVEL (level)
        for (size_t s = 0; s < COUNT(shapes); s++)
            for (size_t batch = 1; batch <= 9; batch++)
                hold_to_single_steps(&shapes[s], batch, batch % 2 == 0 ? BP_REDUCE_MEAN : BP_REDUCE_SUM);
}

/* Both end at the same step, say the same of it, and return to the same numbers. */
static void divergence_among_steps_taken_at_once_is_found_at_its_step(void **state)
{
    (void)state;
    AT_EACH_LEVEL (level)
        for (size_t batch = 1; batch <= 5; batch++) {
            struct trained at_once, one_by_one;
            const bp_real rate = R(sizeof(bp_real) == sizeof(float) ? 30 : 3e8);
            make(&at_once, &shapes[2], rate);
            make(&one_by_one, &shapes[2], rate);
            train(&at_once, batch, BP_REDUCE_MEAN, false);
            train(&one_by_one, batch, BP_REDUCE_MEAN, true);
            assert_int_equal(at_once.status, BP_ERR_DIVERGED);
            assert_int_equal(one_by_one.status, BP_ERR_DIVERGED);
            assert_true(at_once.report.step > 1);
            assert_string_equal(at_once.sentence, one_by_one.sentence);
            assert_same_parameters(&at_once, &one_by_one);
            assert_same_report(&at_once.report, &one_by_one.report);
            free_trained(&at_once);
            free_trained(&one_by_one);
        }
}

/* What must be looked at more closely: a 0, a number below the normal ones, one that is not finite. */
/* A batch that does not fill the lanes: what is computed where there is no row may overflow, and must not come to anything. */
static void lanes_without_a_row_do_no_harm(void **state)
{
    (void)state;
    const bp_real big = sizeof(bp_real) == sizeof(double) ? (bp_real)1e200 : (bp_real)1e25;
    const bp_layer_config layers[] = { { .n_out = 1 }, { .n_out = 1 }, { .n_out = 1 } };
    const bp_real params[] = { big, -big, big, 0, 0, 0 }; /* x = 1 is pulled back to 0, and 0 is not */
    const bp_real ones[] = { 1, 1, 1, 1, 1, 1, 1 };
    AT_EACH_LEVEL (level)
        for (size_t rows = 1; rows <= COUNT(ones); rows++) {
            bp_network net;
            bp_optimizer opt;
            assert_int_equal(bp_network_init(&net, &(bp_network_config){ .n_in = 1, .layers = layers, .n_layers = 3 }),
                             BP_OK);
            memcpy(net.parameters.params, params, sizeof params);
            assert_int_equal(
                bp_optimizer_init(&opt, &(bp_optimizer_config){ .learning_rate = (bp_real)0.5 }, &net.parameters), BP_OK);
            const bp_dataset data = { .rows = rows, .n_in = 1, .n_out = 1, .X = { .data = ones }, .T = { .data = ones } };
            assert_int_equal(
                bp_train(&net, &opt, &data, &(bp_train_config){ .epochs = 1, .batch = rows, .keep_order = true }, NULL),
                BP_OK);
            assert_true(net.parameters.params[5] == (bp_real)0.5); /* b of the output: down its gradient of -1 */
            bp_optimizer_free(&opt);
            bp_network_free(&net);
        }
}

static void parameters_are_normal_unless_one_is_not(void **state)
{
    (void)state;
    const bp_real others[] = { R(0), -R(0), BP_REAL_MIN / 2, -BP_REAL_MIN / 2, R(INFINITY), R(-INFINITY), R(NAN) };
    const bp_real normal[] = { BP_REAL_MIN, -BP_REAL_MIN, BP_REAL_MAX, -BP_REAL_MAX, R(1), R(-1) };
    AT_EACH_LEVEL (level) {
        struct trained of;
        make(&of, &shapes[0], R(0.1));
        bp_real *params = of.net.parameters.params;
        for (size_t i = 0; i < of.net.parameters.n_params; i++)
            params[i] = normal[i % COUNT(normal)];
        assert_true(bpi_small_is_normal(&of.net));
        for (size_t i = 0; i < of.net.parameters.n_params; i++)
            for (size_t k = 0; k < COUNT(others); k++) {
                const bp_real was = params[i];
                params[i] = others[k];
                assert_false(bpi_small_is_normal(&of.net));
                params[i] = was;
            }
        free_trained(&of);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_networks_compute_what_layers_do),
        cmocka_unit_test(sigmoid_is_right_in_its_tails),
        cmocka_unit_test(only_few_plain_units_make_a_network_small),
        cmocka_unit_test(a_step_whose_loss_is_not_finite_writes_nothing),
        cmocka_unit_test(steps_taken_at_once_are_those_one_by_one),
        cmocka_unit_test(divergence_among_steps_taken_at_once_is_found_at_its_step),
        cmocka_unit_test(lanes_without_a_row_do_no_harm),
        cmocka_unit_test(parameters_are_normal_unless_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
