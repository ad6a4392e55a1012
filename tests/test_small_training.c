// SPDX-License-Identifier: MIT
/*
 * The training of small networks: many steps and several epochs at once, against the steps one by one and a loop of public functions:
 * the same to the bit.
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
#include "backprop/trainer.h"
#include "net/small.h"
#include "support/levels.h"

#define R(x) ((bp_real)(x))
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { MOST_PARAMS = 96 };

static void fill(uint64_t seed, size_t n, bp_real *x)
{
    bp_rng rng;
    bp_rng_init(&rng, seed);
    for (size_t i = 0; i < n; i++)
        x[i] = (bp_real)(2 * bp_rng_uniform(&rng) - 1);
}

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

enum { MOST_ROWS = 43, MOST_IN = 6, MOST_OUT = 3 };

struct training {
    size_t rows, epochs, batch;
    bp_reduction reduction;
    bp_real rate, target;
    uint64_t steps_a_call; /* 0: all of them */
    bp_real first_x;       /* not 0: the first input, whose target is 0 then */
};

struct trained {
    bp_network net;
    bp_optimizer opt;
    bp_train_report report;
    bp_status status;
    char sentence[512];
};

static bp_real X[MOST_ROWS * MOST_IN], T[MOST_ROWS * MOST_OUT];

static void make(struct trained *trained, const struct shape *shape, const struct training *how)
{
    *trained = (struct trained){ .status = BP_OK };
    const bp_network_config config = {
        .n_in = shape->n_in, .n_layers = shape->n_layers, .layers = shape->layers, .seed = 7
    };
    const bp_optimizer_config rule = { .learning_rate = how->rate };
    assert_int_equal(bp_network_init(&trained->net, &config), BP_OK);
    assert_int_equal(bp_optimizer_init(&trained->opt, &rule, &trained->net.parameters), BP_OK);
    fill(8, COUNT(X), X);
    fill(9, COUNT(T), T);
    X[0] = how->first_x != R(0) ? how->first_x : X[0];
    T[0] = how->first_x != R(0) ? R(0) : T[0];
}

static void free_trained(struct trained *trained)
{
    bp_train_report_free(&trained->report);
    bp_optimizer_free(&trained->opt);
    bp_network_free(&trained->net);
}

/* In one call or in several; the report is taken from the trainer, which is freed. */
static bp_status run(bp_trainer *trainer, uint64_t steps_a_call)
{
    for (;;) {
        const bp_status status = bp_trainer_run(trainer, &(bp_run_limit){ .steps = steps_a_call });
        if (status != BP_OK || trainer->report.reason != BP_STOPPED_NOT)
            return status;
    }
}

static bp_signal go_on(const bp_progress *at, void *user)
{
    (void)at, (void)user;
    return BP_CONTINUE;
}

/* With a callback to be called after each step they are taken one by one. */
static void train(struct trained *trained, const struct training *how, bool one_by_one)
{
    const bp_dataset data = {
        .rows = how->rows, .n_in = trained->net.n_in, .n_out = trained->net.n_out, .X = { .data = X }, .T = { .data = T }
    };
    const bp_train_config config = { .epochs = how->epochs,
                                     .batch = how->batch,
                                     .keep_order = true,
                                     .loss = { .kind = BP_SQUARED_ERROR, .reduction = how->reduction },
                                     .target_loss = how->target,
                                     .on_step = one_by_one ? go_on : NULL };
    bp_trainer trainer;
    assert_int_equal(bp_trainer_init(&trainer, &trained->net, &trained->opt, &data, &config), BP_OK);
    trained->status = run(&trainer, how->steps_a_call);
    trained->report = trainer.report;
    trainer.report = (bp_train_report){ 0 };
    bp_trainer_free(&trainer);
    (void)snprintf(trained->sentence, sizeof trained->sentence, "%s", bp_error_message());
}

static void train_by_own_loop(struct trained *trained, const struct training *how)
{
    const size_t batch = how->batch;
    bp_workspace ws;
    bp_real grad[MOST_PARAMS], L;
    const bp_loss loss = { .kind = BP_SQUARED_ERROR, .reduction = how->reduction };
    assert_int_equal(bp_workspace_init(&ws, &trained->net, batch, BP_TRAINING), BP_OK);
    for (size_t epoch = 0; epoch < how->epochs; epoch++)
        for (size_t row = 0; row < how->rows; row += batch) {
            const bp_targets targets = { .values = T + row * trained->net.n_out };
            const size_t n = how->rows - row < batch ? how->rows - row : batch;
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
    assert_memory_equal(a->learning_rates, b->learning_rates, a->n_epochs * sizeof(bp_real));
    assert_memory_equal(&a->loss, &b->loss, sizeof a->loss);
}

/* What comes of it at once and one by one, with the parameters begun from `params`, or NULL. */
static void train_both(const struct shape *shape, const struct training *how, const bp_real *params,
                       struct trained *at_once, struct trained *one_by_one)
{
    make(at_once, shape, how);
    make(one_by_one, shape, how);
    assert_true(bpi_network_is_small(&at_once->net));
    for (size_t i = 0; params != NULL && i < at_once->net.parameters.n_params; i++)
        at_once->net.parameters.params[i] = one_by_one->net.parameters.params[i] = params[i];
    train(at_once, how, false);
    train(one_by_one, how, true);
    assert_int_equal(at_once->status, one_by_one->status);
    assert_string_equal(at_once->sentence, one_by_one->sentence);
    assert_same_parameters(at_once, one_by_one);
    assert_same_report(&at_once->report, &one_by_one->report);
}

static void hold_to_single_steps(const struct shape *shape, const struct training *how)
{
    struct trained at_once, one_by_one, own;
    make(&own, shape, how);
    train_both(shape, how, NULL, &at_once, &one_by_one);
    train_by_own_loop(&own, how);
    assert_int_equal(at_once.status, BP_OK);
    assert_same_parameters(&at_once, &own);
    free_trained(&at_once);
    free_trained(&one_by_one);
    free_trained(&own);
}

/* ---- Steps ----------------------------------------------------------------------------------------------------------- */

static void steps_taken_at_once_are_those_one_by_one(void **state)
{
    (void)state;
    AT_EACH_LEVEL (level)
        for (size_t s = 0; s < COUNT(shapes); s++)
            for (size_t batch = 1; batch <= 9; batch++)
                hold_to_single_steps(&shapes[s],
                                     &(struct training){ .rows = 43,
                                                         .epochs = 3,
                                                         .batch = batch,
                                                         .reduction = batch % 2 == 0 ? BP_REDUCE_MEAN : BP_REDUCE_SUM,
                                                         .rate = R(0.05) });
}

/* Both end at the same step, say the same of it, and return to the same numbers. */
static void divergence_among_steps_taken_at_once_is_found_at_its_step(void **state)
{
    (void)state;
    AT_EACH_LEVEL (level)
        for (size_t batch = 1; batch <= 5; batch++) {
            struct trained at_once, one_by_one;
            const struct training how = {
                .rows = 43, .epochs = 3, .batch = batch, .rate = R(sizeof(bp_real) == sizeof(float) ? 30 : 3e8)
            };
            train_both(&shapes[2], &how, NULL, &at_once, &one_by_one);
            assert_int_equal(at_once.status, BP_ERR_DIVERGED);
            assert_true(at_once.report.step > 1);
            free_trained(&at_once);
            free_trained(&one_by_one);
        }
}

/* ---- Epochs ---------------------------------------------------------------------------------------------------------- */

/* Epochs of 1 to 12 steps, of which up to 32 are taken at once, and a number of epochs that is no multiple of anything. */
static void epochs_taken_at_once_are_those_step_by_step(void **state)
{
    (void)state;
    static const size_t batches[] = { 1, 2, 3, 4, 6, 12 };
    AT_EACH_LEVEL (level)
        for (size_t s = 0; s < COUNT(shapes); s++)
            for (size_t i = 0; i < COUNT(batches); i++)
                hold_to_single_steps(&shapes[s],
                                     &(struct training){ .rows = 12,
                                                         .epochs = 41,
                                                         .batch = batches[i],
                                                         .reduction = i % 2 == 0 ? BP_REDUCE_MEAN : BP_REDUCE_SUM,
                                                         .rate = R(0.02) });
}

/* However few steps a call of the trainer may take. */
static void epochs_taken_at_once_end_where_a_call_does(void **state)
{
    (void)state;
    for (uint64_t steps = 1; steps <= 23; steps++)
        hold_to_single_steps(
            &shapes[0], &(struct training){ .rows = 12, .epochs = 17, .batch = 4, .rate = R(0.02), .steps_a_call = steps });
}

/* Not at the end of those that are taken at once. */
static void the_target_is_met_among_epochs_taken_at_once(void **state)
{
    (void)state;
    struct training how = { .rows = 12, .epochs = 41, .batch = 4, .rate = R(0.02) };
    struct trained whole, at_once, one_by_one;
    make(&whole, &shapes[0], &how);
    train(&whole, &how, false);
    assert_int_equal(whole.report.n_epochs, how.epochs);
    for (size_t i = 0; i < how.epochs; i++) {
        how.target = whole.report.losses[i];
        train_both(&shapes[0], &how, NULL, &at_once, &one_by_one);
        assert_int_equal(at_once.report.reason, BP_STOPPED_TARGET);
        assert_true(at_once.report.n_epochs <= i + 1);
        assert_true(at_once.report.losses[at_once.report.n_epochs - 1] <= how.target);
        free_trained(&at_once);
        free_trained(&one_by_one);
    }
    assert_true(whole.report.losses[how.epochs - 1] < whole.report.losses[0]);
    free_trained(&whole);
}

static void divergence_among_epochs_taken_at_once_is_found_at_its_step(void **state)
{
    (void)state;
    static const size_t batches[] = { 1, 3, 4, 12 };
    AT_EACH_LEVEL (level)
        for (size_t i = 0; i < COUNT(batches); i++) {
            struct trained at_once, one_by_one;
            const struct training how = { .rows = 12, .epochs = 1000, .batch = batches[i], .rate = R(4) };
            train_both(&shapes[5], &how, NULL, &at_once, &one_by_one);
            assert_int_equal(at_once.status, BP_ERR_DIVERGED);
            assert_true(at_once.report.n_epochs > 1);
            free_trained(&at_once);
            free_trained(&one_by_one);
        }
}

/* y = w x, of which a step of descent with x = 1 and t = 0 makes (1 - rate) w. */
static const struct shape scalar = { 1, 1, { { .n_out = 1, .no_bias = true } } };

static void train_scalar(bp_real w, bp_real rate, size_t epochs, struct trained *at_once, struct trained *one_by_one)
{
    const struct training how = { .rows = 1, .epochs = epochs, .batch = 1, .rate = rate, .first_x = R(1) };
    train_both(&scalar, &how, &w, at_once, one_by_one);
}

/* The second step makes it infinite, and no loss tells. */
static void a_parameter_that_is_not_finite_ends_epochs_taken_at_once(void **state)
{
    (void)state;
    const bool is_single = sizeof(bp_real) == sizeof(float);
    AT_EACH_LEVEL (level) {
        struct trained at_once, one_by_one;
        train_scalar(R(is_single ? 1e-3 : 1e-10), R(is_single ? 1e21 : 1e160), 20, &at_once, &one_by_one);
        assert_int_equal(at_once.status, BP_ERR_DIVERGED);
        assert_non_null(strstr(at_once.sentence, "a parameter is not finite at epoch 2"));
        assert_int_equal(at_once.report.n_epochs, 1);
        free_trained(&at_once);
        free_trained(&one_by_one);
    }
}

/* Half of it is left each time; below the normal numbers it is 0 at the end of an epoch. */
static void a_parameter_that_vanishes_is_flushed_among_epochs_taken_at_once(void **state)
{
    (void)state;
    AT_EACH_LEVEL (level) {
        struct trained at_once, one_by_one;
        train_scalar(8 * BP_REAL_MIN, R(0.5), 30, &at_once, &one_by_one);
        assert_int_equal(at_once.status, BP_OK);
        assert_true(at_once.net.parameters.params[0] == R(0));
        free_trained(&at_once);
        free_trained(&one_by_one);
    }
}

/* ---- What they stand on ---------------------------------------------------------------------------------------------- */

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
            const bp_real off = net.parameters.params[5] - (bp_real)0.5;   /* b of the output: down its gradient of -1 */
            assert_true(fabs((double)off) <= 8 * (double)BP_REAL_EPSILON); /* a share of 1 / 7, seven times */
            bp_optimizer_free(&opt);
            bp_network_free(&net);
        }
}

/* What must be looked at more closely: a 0 with a sign, which is flushed, a number below the normal ones, one that is not finite. */
static void parameters_are_normal_unless_one_is_not(void **state)
{
    (void)state;
    const bp_real others[] = { -R(0), BP_REAL_MIN / 2, -BP_REAL_MIN / 2, R(INFINITY), R(-INFINITY), R(NAN) };
    const bp_real normal[] = { R(0), BP_REAL_MIN, -BP_REAL_MIN, BP_REAL_MAX, -BP_REAL_MAX, R(1), R(-1) };
    AT_EACH_LEVEL (level) {
        struct trained of;
        make(&of, &shapes[0], &(struct training){ .rate = R(0.1) });
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
        cmocka_unit_test(steps_taken_at_once_are_those_one_by_one),
        cmocka_unit_test(divergence_among_steps_taken_at_once_is_found_at_its_step),
        cmocka_unit_test(epochs_taken_at_once_are_those_step_by_step),
        cmocka_unit_test(epochs_taken_at_once_end_where_a_call_does),
        cmocka_unit_test(the_target_is_met_among_epochs_taken_at_once),
        cmocka_unit_test(divergence_among_epochs_taken_at_once_is_found_at_its_step),
        cmocka_unit_test(a_parameter_that_is_not_finite_ends_epochs_taken_at_once),
        cmocka_unit_test(a_parameter_that_vanishes_is_flushed_among_epochs_taken_at_once),
        cmocka_unit_test(lanes_without_a_row_do_no_harm),
        cmocka_unit_test(parameters_are_normal_unless_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
