// SPDX-License-Identifier: MIT
/*
 * Batch and layer normalization: the numbers against sums written down plainly, the gradient against differences, and who
 * writes the running statistics when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "backprop/gradient_check.h"
#include "backprop/network.h"
#include "backprop/propagation.h"
#include "backprop/rng.h"
#include "backprop/workspace.h"
#include "net/propagation.h"
#include "support/close.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

enum { IN = 3, UNITS = 4, ROWS = 7 };

/* Rounding of sums of a few dozen products of numbers about 1. */
static const double rounding = 1000 * (double)BP_REAL_EPSILON;

static void fill_normal(bp_real *x, size_t n, uint64_t seed)
{
    bp_rng rng;
    bp_rng_init(&rng, seed);
    for (size_t i = 0; i < n; i++)
        x[i] = R(bp_rng_normal(&rng));
}

/* A network with its two workspaces. All parameters are drawn, also those that start at 0 or 1. */
struct fixture {
    bp_network net;
    bp_workspace training, inference;
    bp_real X[ROWS * IN];
};

static void make(struct fixture *f, size_t n_layers, const bp_layer_config *layers)
{
    const bp_network_config config = { .n_in = IN, .n_layers = n_layers, .layers = layers, .seed = 3 };
    assert_int_equal(bp_network_init(&f->net, &config), BP_OK);
    fill_normal(f->net.parameters.params, f->net.parameters.n_params, 4);
    assert_int_equal(bp_workspace_init(&f->training, &f->net, ROWS, BP_TRAINING), BP_OK);
    assert_int_equal(bp_workspace_init(&f->inference, &f->net, ROWS, BP_INFERENCE), BP_OK);
    fill_normal(f->X, COUNT(f->X), 5);
}

static void destroy(struct fixture *f)
{
    bp_workspace_free(&f->inference);
    bp_workspace_free(&f->training);
    bp_network_free(&f->net);
}

static void forward(struct fixture *f)
{
    assert_int_equal(bp_network_forward(&f->net, &f->training, f->X, ROWS), BP_OK);
}

static const bp_layer_config batch_layer[] = { { .n_out = UNITS, .normalization = BP_BATCH_NORMALIZATION } };
static const bp_layer_config row_layer[] = { { .n_out = UNITS, .normalization = BP_LAYER_NORMALIZATION } };

/* ---- Numbers ----------------------------------------------------------------------------------------------------- */

/* z of row i and unit j, before any normalization. */
static double plain_z(const struct fixture *f, size_t i, size_t j)
{
    const bp_layer *layer = &f->net.layers[0];
    double z = layer->b != NULL ? (double)layer->b[j] : 0;
    for (size_t k = 0; k < IN; k++)
        z += (double)f->X[i * IN + k] * (double)layer->W[j * IN + k];
    return z;
}

/* Mean and variance (1/n) of n numbers. */
static void moments(size_t n, const double *z, double *mean, double *variance)
{
    *mean = *variance = 0;
    for (size_t i = 0; i < n; i++)
        *mean += z[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        *variance += (z[i] - *mean) * (z[i] - *mean) / (double)n;
}

static void column_moments(const struct fixture *f, size_t j, double *mean, double *variance)
{
    double z[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        z[i] = plain_z(f, i, j);
    moments(ROWS, z, mean, variance);
}

static double normalized(const struct fixture *f, size_t i, size_t j, double mean, double variance)
{
    const bp_layer *layer = &f->net.layers[0];
    const double n = (plain_z(f, i, j) - mean) / sqrt(variance + (double)layer->epsilon);
    return n * (double)layer->gamma[j] + (double)layer->beta[j];
}

static void batch_normalization_takes_mean_and_variance_of_each_unit(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, 1, batch_layer);
    forward(&f);
    for (size_t j = 0; j < UNITS; j++) {
        double mean, variance;
        column_moments(&f, j, &mean, &variance);
        assert_close((double)f.training.statistics[0][j], mean, rounding);
        assert_close((double)f.training.statistics[0][UNITS + j], variance, rounding * (1 + variance));
        for (size_t i = 0; i < ROWS; i++)
            assert_close((double)f.training.Y[i * UNITS + j], normalized(&f, i, j, mean, variance), rounding);
    }
    destroy(&f);
}

static void layer_normalization_takes_mean_and_variance_of_each_row(void **state)
{
    (void)state;
    struct fixture f;
    bp_real Y[ROWS * UNITS];
    make(&f, 1, row_layer);
    forward(&f);
    assert_int_equal(bp_predict(&f.net, &f.inference, f.X, ROWS, Y), BP_OK);
    for (size_t i = 0; i < ROWS; i++) {
        double z[UNITS], mean, variance;
        for (size_t j = 0; j < UNITS; j++)
            z[j] = plain_z(&f, i, j);
        moments(UNITS, z, &mean, &variance);
        for (size_t j = 0; j < UNITS; j++)
            assert_close((double)f.training.Y[i * UNITS + j], normalized(&f, i, j, mean, variance), rounding);
    }
    assert_memory_equal(Y, f.training.Y, sizeof Y); /* the same in training and in use */
    destroy(&f);
}

/* A unit that always gives the same has variance 0; epsilon keeps it finite, and beta is what comes out. */
static void unit_without_variance_gives_beta(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, 1, batch_layer);
    for (size_t k = 0; k < IN; k++)
        f.net.layers[0].W[k] = R(0);
    forward(&f);
    for (size_t i = 0; i < ROWS; i++)
        assert_true(f.training.Y[i * UNITS] == f.net.layers[0].beta[0]);
    destroy(&f);
}

static void epsilon_is_in_the_root(void **state)
{
    (void)state;
    const bp_layer_config layers[] = { { .n_out = UNITS, .normalization = BP_BATCH_NORMALIZATION, .epsilon = R(0.5) } };
    struct fixture f;
    make(&f, 1, layers);
    forward(&f);
    double mean, variance;
    column_moments(&f, 2, &mean, &variance);
    assert_close((double)f.training.Y[2], normalized(&f, 0, 2, mean, variance), rounding);
    assert_true(f.net.layers[0].epsilon == R(0.5));
    destroy(&f);
}

/* ---- Running statistics ------------------------------------------------------------------------------------------ */

static void new_network_has_mean_0_variance_1_gamma_1_and_beta_0(void **state)
{
    (void)state;
    const bp_network_config config = { .n_in = IN, .n_layers = 1, .layers = batch_layer };
    bp_network net;
    assert_int_equal(bp_network_init(&net, &config), BP_OK);
    const bp_layer *layer = &net.layers[0];
    assert_int_equal(net.n_state, 2 * UNITS);
    assert_ptr_equal(layer->running_mean, net.state);
    assert_ptr_equal(layer->running_var, net.state + UNITS);
    for (size_t j = 0; j < UNITS; j++) {
        assert_true(layer->running_mean[j] == R(0) && layer->running_var[j] == R(1));
        assert_true(layer->gamma[j] == R(1) && layer->beta[j] == R(0));
    }
    bp_network_free(&net);
}

static void only_update_state_writes_the_state(void **state)
{
    (void)state;
    struct fixture f;
    bp_real before[2 * UNITS], Y[ROWS * UNITS], dY[ROWS * UNITS], dX[ROWS * IN];
    make(&f, 1, batch_layer);
    fill_normal(dY, COUNT(dY), 9);
    memcpy(before, f.net.state, sizeof before);
    forward(&f);
    assert_int_equal(bp_network_backward(&f.net, &f.training, dY, NULL, dX, BP_OVERWRITE), BP_OK);
    assert_int_equal(bp_predict(&f.net, &f.inference, f.X, ROWS, Y), BP_OK);
    assert_memory_equal(f.net.state, before, sizeof before);

    forward(&f);
    assert_int_equal(bp_network_update_state(&f.net, &f.training), BP_OK);
    assert_memory_not_equal(f.net.state, before, sizeof before);
    destroy(&f);
}

/* running = (1 - r) running + r new, the variance with 1/(n - 1); twice, so that a start from elsewhere is seen too. */
static void running_statistics_move_by_their_rate(void **state)
{
    (void)state;
    const bp_layer_config layers[] = {
        { .n_out = UNITS, .normalization = BP_BATCH_NORMALIZATION, .running_rate = R(0.25) }
    };
    struct fixture f;
    make(&f, 1, layers);
    for (int step = 0; step < 2; step++) {
        forward(&f);
        assert_int_equal(bp_network_update_state(&f.net, &f.training), BP_OK);
    }
    for (size_t j = 0; j < UNITS; j++) {
        double mean, variance;
        column_moments(&f, j, &mean, &variance);
        const double unbiased = variance * ROWS / (ROWS - 1.0);
        assert_close((double)f.net.layers[0].running_mean[j], (0.75 * 0.25 + 0.25) * mean, rounding);
        assert_close((double)f.net.layers[0].running_var[j], 0.75 * 0.75 + (0.75 * 0.25 + 0.25) * unbiased,
                     rounding * (1 + unbiased));
    }
    destroy(&f);
}

/* Units that see nothing any more: what decays ends at 0, not among the denormal numbers. */
static void running_statistics_that_vanish_become_0(void **state)
{
    (void)state;
    const bp_layer_config layers[] = {
        { .n_out = UNITS, .normalization = BP_BATCH_NORMALIZATION, .running_rate = R(0.25) }
    };
    struct fixture f;
    make(&f, 1, layers);
    for (size_t i = 0; i < COUNT(f.X); i++)
        f.X[i] = R(0);
    for (size_t j = 0; j < UNITS; j++) {
        f.net.layers[0].b[j] = R(0);
        f.net.layers[0].running_mean[j] = R(1);
    }
    for (int step = 0; step < 3000; step++) { /* 0.75^3000 < 10^-374 */
        forward(&f);
        assert_int_equal(bp_network_update_state(&f.net, &f.training), BP_OK);
    }
    for (size_t j = 0; j < 2 * UNITS; j++)
        assert_true(f.net.state[j] == R(0));
    destroy(&f);
}

static void predictions_take_the_running_statistics(void **state)
{
    (void)state;
    struct fixture f;
    bp_real Y[ROWS * UNITS], again[ROWS * UNITS];
    make(&f, 1, batch_layer);
    for (size_t j = 0; j < UNITS; j++) {
        f.net.layers[0].running_mean[j] = R(0.5) * R(j);
        f.net.layers[0].running_var[j] = R(0.25) + R(j);
    }
    assert_int_equal(bp_predict(&f.net, &f.training, f.X, ROWS, Y), BP_OK);
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < UNITS; j++)
            assert_close((double)Y[i * UNITS + j], normalized(&f, i, j, 0.5 * (double)j, 0.25 + (double)j), rounding);

    assert_int_equal(bp_predict(&f.net, &f.inference, f.X, ROWS, again), BP_OK);
    assert_memory_equal(again, Y, sizeof Y);
    assert_int_equal(bp_network_forward(&f.net, &f.inference, f.X, ROWS), BP_OK);
    assert_memory_equal(f.inference.Y, Y, sizeof Y);
    destroy(&f);
}

static void clones_and_copies_take_the_state_along(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, 1, batch_layer);
    const bp_network_config config = { .n_in = IN, .n_layers = 1, .layers = batch_layer };
    bp_network clone, copy;
    forward(&f);
    assert_int_equal(bp_network_update_state(&f.net, &f.training), BP_OK);
    assert_int_equal(bp_network_clone(&clone, &f.net, NULL), BP_OK);
    assert_int_equal(bp_network_init(&copy, &config), BP_OK);
    assert_int_equal(bp_network_copy_params(&copy, &f.net), BP_OK);

    assert_memory_equal(clone.state, f.net.state, f.net.n_state * sizeof(bp_real));
    assert_memory_equal(copy.state, f.net.state, f.net.n_state * sizeof(bp_real));
    assert_ptr_equal(clone.layers[0].running_mean, clone.state);
    assert_ptr_equal(clone.layers[0].gamma, clone.parameters.params + UNITS * IN + UNITS);
    assert_true(clone.state != f.net.state);
    bp_network_free(&copy);
    bp_network_free(&clone);
    destroy(&f);
}

/* ---- Gradients --------------------------------------------------------------------------------------------------- */

static const bp_layer_config batch_hidden[] = {
    { .n_out = 5, .activation = BP_GELU, .normalization = BP_BATCH_NORMALIZATION },
    { .n_out = 4, .activation = BP_RELU, .normalization = BP_BATCH_NORMALIZATION, .no_bias = true },
    { .n_out = 3, .activation = BP_SOFTMAX },
};
static const bp_layer_config row_hidden[] = {
    { .n_out = 5, .activation = BP_LEAKY_RELU, .normalization = BP_LAYER_NORMALIZATION },
    { .n_out = 4, .activation = BP_TANH, .normalization = BP_LAYER_NORMALIZATION, .no_bias = true },
    { .n_out = 3, .activation = BP_SOFTMAX },
};
static const bp_layer_config batch_everywhere_dropped[] = {
    { .n_out = 6, .activation = BP_SIGMOID, .normalization = BP_BATCH_NORMALIZATION, .dropout = R(0.3) },
    { .n_out = 6, .activation = BP_SILU, .normalization = BP_LAYER_NORMALIZATION, .dropout = R(0.5) },
    { .n_out = 3, .activation = BP_SOFTMAX, .normalization = BP_BATCH_NORMALIZATION },
};
static const bp_layer_config frozen_below[] = {
    { .n_out = 5, .activation = BP_TANH, .normalization = BP_BATCH_NORMALIZATION, .frozen = true },
    { .n_out = 3, .activation = BP_SOFTMAX, .normalization = BP_LAYER_NORMALIZATION },
};

static const struct {
    size_t n_layers;
    const bp_layer_config *layers;
} networks[] = { { COUNT(batch_hidden), batch_hidden },
                 { COUNT(row_hidden), row_hidden },
                 { COUNT(batch_everywhere_dropped), batch_everywhere_dropped },
                 { COUNT(frozen_below), frozen_below } };

static const bp_loss losses[] = { { .kind = BP_CROSS_ENTROPY }, { .kind = BP_SQUARED_ERROR }, { .kind = BP_HUBER } };
static const int32_t labels[ROWS] = { 0, 2, 1, 1, 0, 2, 2 };

/* A relative 1e-6 (single precision: coarse mistakes only), and the rounding of a loss about 1 over the step h. */
static void assert_gradient_right(const bp_gradient_check_report *report)
{
    const double eps = (double)BP_REAL_EPSILON, relative = sizeof(bp_real) == sizeof(double) ? 1e-6 : 1e-2;
    const double bound = relative * fabs((double)report->analytic) + 100 * eps / pow(eps, 0.2);
    assert_close((double)report->numeric, (double)report->analytic, bound);
    assert_true(report->n_at_kink < report->n_checked / 10);
}

static void gradients_meet_differences_of_the_loss(void **state)
{
    (void)state;
    for (size_t n = 0; n < COUNT(networks); n++)
        for (size_t k = 0; k < COUNT(losses); k++) {
            struct fixture f;
            bp_gradient_check_report report;
            const bp_targets T = { .labels = labels };
            make(&f, networks[n].n_layers, networks[n].layers);
            assert_int_equal(bp_gradient_check(&f.net, &losses[k], f.X, &T, ROWS, &report), BP_OK);
            assert_gradient_right(&report);
            assert_int_equal(report.n_checked + report.n_at_kink, f.net.parameters.n_params + ROWS * IN);
            destroy(&f);
        }
}

/* gamma's gradient and dZ pass through scratch and the loss's dZ: neither may change what a second call gives. */
static void backward_of_a_normalized_output_may_be_repeated(void **state)
{
    (void)state;
    struct fixture f;
    bp_real first[200], second[200], dZ[ROWS * 3];
    const bp_targets T = { .labels = labels };
    make(&f, COUNT(batch_everywhere_dropped), batch_everywhere_dropped);
    assert_true(f.net.parameters.n_params <= COUNT(first));
    forward(&f);
    assert_int_equal(bp_network_loss(&f.net, &f.training, &losses[0], &T, NULL), BP_OK);
    memcpy(dZ, f.training.dZ, sizeof dZ);
    assert_int_equal(bp_network_backward(&f.net, &f.training, NULL, first, NULL, BP_OVERWRITE), BP_OK);
    assert_int_equal(bp_network_backward(&f.net, &f.training, NULL, second, NULL, BP_OVERWRITE), BP_OK);
    assert_memory_equal(first, second, f.net.parameters.n_params * sizeof(bp_real));
    assert_memory_equal(f.training.dZ, dZ, sizeof dZ);
    destroy(&f);
}

/* (params, -rate, 1) as the sink: what a layer reads must be read before it changes. */
static void descending_within_the_parameters_is_a_step_along_the_gradient(void **state)
{
    (void)state;
    for (size_t n = 0; n < COUNT(networks); n++) {
        struct fixture f;
        bp_real grad[200], start[200];
        const bp_targets T = { .labels = labels };
        make(&f, networks[n].n_layers, networks[n].layers);
        const size_t n_params = f.net.parameters.n_params;
        assert_true(n_params <= COUNT(grad));
        memcpy(start, f.net.parameters.params, n_params * sizeof(bp_real));
        forward(&f);
        assert_int_equal(bp_network_loss(&f.net, &f.training, &losses[0], &T, NULL), BP_OK);
        assert_int_equal(bp_network_backward(&f.net, &f.training, NULL, grad, NULL, BP_OVERWRITE), BP_OK);

        const struct bpi_sink sink = { .base = f.net.parameters.params, .alpha = R(-0.5), .beta = R(1) };
        bpi_network_backward(&f.net, &f.training, NULL, &sink, NULL, R(0));
        for (size_t i = 0; i < n_params; i++)
            assert_close((double)f.net.parameters.params[i], (double)start[i] - 0.5 * (double)grad[i], rounding);
        destroy(&f);
    }
}

/* A bias moves all of a unit's values and their mean alike: no rounding may make it drift. */
static void bias_under_batch_statistics_has_the_gradient_0(void **state)
{
    (void)state;
    struct fixture f;
    bp_real grad[UNITS * IN + 3 * UNITS], dY[ROWS * UNITS];
    make(&f, 1, batch_layer);
    fill_normal(dY, COUNT(dY), 9);
    forward(&f);
    assert_int_equal(bp_network_backward(&f.net, &f.training, dY, grad, NULL, BP_OVERWRITE), BP_OK);
    for (size_t j = 0; j < UNITS; j++)
        assert_true(grad[UNITS * IN + j] == R(0));
    destroy(&f);
}

/* ---- Frozen layers ----------------------------------------------------------------------------------------------- */

static void frozen_layer_trains_with_its_running_statistics_and_keeps_them(void **state)
{
    (void)state;
    const bp_layer_config layers[] = {
        { .n_out = UNITS, .normalization = BP_BATCH_NORMALIZATION, .frozen = true },
    };
    struct fixture f;
    bp_real Y[ROWS * UNITS], before[2 * UNITS];
    make(&f, 1, layers);
    fill_normal(f.net.state, UNITS, 7);
    memcpy(before, f.net.state, sizeof before);
    forward(&f);
    assert_int_equal(bp_network_update_state(&f.net, &f.training), BP_OK);
    assert_memory_equal(f.net.state, before, sizeof before);
    assert_int_equal(bp_predict(&f.net, &f.inference, f.X, ROWS, Y), BP_OK);
    for (size_t i = 0; i < COUNT(Y); i++)
        assert_close((double)f.training.Y[i], (double)Y[i], rounding);
    assert_int_equal(bp_network_forward(&f.net, &f.training, f.X, 1), BP_OK); /* one row will do */
    destroy(&f);
}

static void segments_of_a_layer_are_those_that_it_has(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, COUNT(batch_hidden), batch_hidden);
    static const struct {
        size_t layer, n, rows;
        bp_segment_kind kind;
    } expected[] = { { 0, 15, 5, BP_WEIGHT }, { 0, 5, 1, BP_BIAS },    { 0, 5, 1, BP_GAMMA },
                     { 0, 5, 1, BP_BETA },    { 1, 20, 4, BP_WEIGHT }, { 1, 4, 1, BP_GAMMA },
                     { 1, 4, 1, BP_BETA },    { 2, 12, 3, BP_WEIGHT }, { 2, 3, 1, BP_BIAS } };
    size_t offset = 0;
    assert_int_equal(f.net.parameters.n_segments, COUNT(expected));
    for (size_t s = 0; s < COUNT(expected); s++) {
        const bp_segment *segment = &f.net.parameters.segments[s];
        assert_int_equal(segment->offset, offset);
        assert_int_equal(segment->layer, expected[s].layer);
        assert_int_equal(segment->n, expected[s].n);
        assert_int_equal(segment->rows, expected[s].rows);
        assert_int_equal(segment->kind, expected[s].kind);
        assert_false(segment->frozen);
        offset += segment->n;
    }
    assert_int_equal(f.net.parameters.n_params, offset);
    assert_null(f.net.layers[1].b);
    assert_null(f.net.layers[2].gamma);
    assert_string_equal(bp_segment_name(BP_GAMMA), "gamma");
    assert_string_equal(bp_segment_name(BP_BETA), "beta");
    destroy(&f);
}

/* ---- Refusals ---------------------------------------------------------------------------------------------------- */

static void one_row_is_refused_to_train_on(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, COUNT(batch_hidden), batch_hidden);
    forward(&f);
    const bp_workspace before = f.training;
    assert_refused(bp_network_forward(&f.net, &f.training, f.X, 1), BP_ERR_SHAPE, "batch is 1", "layer 0",
                   "at least 2 rows");
    assert_int_equal(f.training.batch, before.batch);
    assert_int_equal(bp_network_forward(&f.net, &f.inference, f.X, 1), BP_OK);
    destroy(&f);

    make(&f, COUNT(row_hidden), row_hidden);
    assert_int_equal(bp_network_forward(&f.net, &f.training, f.X, 1), BP_OK);
    destroy(&f);
}

static void settings_out_of_range_are_refused(void **state)
{
    (void)state;
    const bp_normalization batch = BP_BATCH_NORMALIZATION, row = BP_LAYER_NORMALIZATION;
    const struct {
        bp_layer_config layer;
        const char *part;
    } refused[] = {
        { { .n_out = 2, .normalization = BP_N_NORMALIZATIONS }, "3 is no normalization" },
        { { .n_out = 2, .normalization = (bp_normalization)-1 }, "-1 is no normalization" },
        { { .n_out = 2, .normalization = batch, .epsilon = R(-1) }, "epsilon is -1" },
        { { .n_out = 2, .normalization = row, .epsilon = R(INFINITY) }, "epsilon is inf" },
        { { .n_out = 2, .normalization = row, .epsilon = R(NAN) }, "epsilon is nan" },
        { { .n_out = 2, .epsilon = R(0.1) }, "there is no normalization" },
        { { .n_out = 2, .normalization = batch, .running_rate = R(1.5) }, "running_rate is 1.5" },
        { { .n_out = 2, .normalization = batch, .running_rate = R(-0.5) }, "running_rate is -0.5" },
        { { .n_out = 2, .normalization = batch, .running_rate = R(NAN) }, "running_rate is nan" },
        { { .n_out = 2, .normalization = row, .running_rate = R(0.5) }, "there is no batch normalization" },
    };
    for (size_t i = 0; i < COUNT(refused); i++) {
        const bp_network_config config = { .n_in = 1, .n_layers = 1, .layers = &refused[i].layer };
        bp_network net;
        assert_refused(bp_network_init(&net, &config), BP_ERR_ARGUMENT, "layer 0", refused[i].part);
        assert_null(net.block);
    }
}

static void update_state_needs_a_training_pass(void **state)
{
    (void)state;
    struct fixture f;
    make(&f, 1, batch_layer);
    assert_refused(bp_network_update_state(NULL, &f.training), BP_ERR_ARGUMENT, "net is NULL");
    assert_refused(bp_network_update_state(&f.net, NULL), BP_ERR_ARGUMENT, "ws is NULL");
    assert_refused(bp_network_update_state(&f.net, &f.training), BP_ERR_STATE, "no forward pass");
    assert_int_equal(bp_network_forward(&f.net, &f.inference, f.X, ROWS), BP_OK);
    assert_refused(bp_network_update_state(&f.net, &f.inference), BP_ERR_STATE, "made for inference");
    destroy(&f);
}

static void workspaces_tell_normalizations_and_biases_apart(void **state)
{
    (void)state;
    const bp_layer_config others[] = { { .n_out = UNITS },
                                       { .n_out = UNITS, .normalization = BP_LAYER_NORMALIZATION },
                                       { .n_out = UNITS, .normalization = BP_BATCH_NORMALIZATION, .no_bias = true } };
    struct fixture f, g;
    make(&f, 1, batch_layer);
    for (size_t i = 0; i < COUNT(others); i++) {
        make(&g, 1, &others[i]);
        assert_refused(bp_network_forward(&f.net, &g.training, f.X, ROWS), BP_ERR_SHAPE, "normalization");
        assert_refused(bp_network_copy_params(&f.net, &g.net), BP_ERR_SHAPE, "differ");
        destroy(&g);
    }
    destroy(&f);
}

static void normalizations_have_names(void **state)
{
    (void)state;
    assert_string_equal(bp_normalization_name(BP_NO_NORMALIZATION), "none");
    assert_string_equal(bp_normalization_name(BP_BATCH_NORMALIZATION), "batch");
    assert_string_equal(bp_normalization_name(BP_LAYER_NORMALIZATION), "layer");
    assert_string_equal(bp_normalization_name(BP_N_NORMALIZATIONS), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_normalization_takes_mean_and_variance_of_each_unit),
        cmocka_unit_test(layer_normalization_takes_mean_and_variance_of_each_row),
        cmocka_unit_test(unit_without_variance_gives_beta),
        cmocka_unit_test(epsilon_is_in_the_root),
        cmocka_unit_test(new_network_has_mean_0_variance_1_gamma_1_and_beta_0),
        cmocka_unit_test(only_update_state_writes_the_state),
        cmocka_unit_test(running_statistics_move_by_their_rate),
        cmocka_unit_test(running_statistics_that_vanish_become_0),
        cmocka_unit_test(predictions_take_the_running_statistics),
        cmocka_unit_test(clones_and_copies_take_the_state_along),
        cmocka_unit_test(gradients_meet_differences_of_the_loss),
        cmocka_unit_test(backward_of_a_normalized_output_may_be_repeated),
        cmocka_unit_test(descending_within_the_parameters_is_a_step_along_the_gradient),
        cmocka_unit_test(bias_under_batch_statistics_has_the_gradient_0),
        cmocka_unit_test(frozen_layer_trains_with_its_running_statistics_and_keeps_them),
        cmocka_unit_test(segments_of_a_layer_are_those_that_it_has),
        cmocka_unit_test(one_row_is_refused_to_train_on),
        cmocka_unit_test(settings_out_of_range_are_refused),
        cmocka_unit_test(update_state_needs_a_training_pass),
        cmocka_unit_test(workspaces_tell_normalizations_and_biases_apart),
        cmocka_unit_test(normalizations_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
