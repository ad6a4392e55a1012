// SPDX-License-Identifier: MIT
/*
 * From plain doubles to the library's objects. A float holds each of the numbers, so none of them changes.
 */
#include "support/subject.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/naive.h"

static bp_real *take(size_t n)
{
    bp_real *array = calloc(n, sizeof *array);
    assert_non_null(array);
    return array;
}

/* ---- Functions of the test's own ------------------------------------------------------------------------------------ */

/* f(z) = gain e^(p sin z), f'(z) = f(z) p cos z: its derivative reads what came out as well as what went in. */
static void waves_apply(size_t rows, size_t n, bp_real p, void *user, const bp_real *Z, bp_real *A)
{
    const double *gain = user;
    for (size_t i = 0; i < rows * n; i++)
        A[i] = (bp_real)(*gain * exp((double)p * sin((double)Z[i])));
}

static void waves_pull_back(size_t rows, size_t n, bp_real p, void *user, const bp_real *Z, const bp_real *A,
                            const bp_real *dA, bp_real *dZ)
{
    assert_non_null(user);
    for (size_t i = 0; i < rows * n; i++)
        dZ[i] = (bp_real)((double)dA[i] * (double)A[i] * (double)p * cos((double)Z[i]));
}

/* l = gain sqrt(1 + |y - t|^2), which is no sum over the outputs; dl/dy = gain (y - t) / sqrt(1 + |y - t|^2). */
static double distance_of_row(size_t n, const bp_real *y, const bp_real *t, void *user, bp_real *dy)
{
    const double *gain = user;
    double sum = 1;
    for (size_t j = 0; j < n; j++)
        sum += ((double)y[j] - (double)t[j]) * ((double)y[j] - (double)t[j]);
    for (size_t j = 0; dy != NULL && j < n; j++)
        dy[j] = (bp_real)(*gain * ((double)y[j] - (double)t[j]) / sqrt(sum));
    return *gain * sqrt(sum);
}

static double gain_of_waves = NAIVE_GAIN_OF_WAVES, gain_of_distance = NAIVE_GAIN_OF_DISTANCE;
static const bp_activation_function waves = { "waves", waves_apply, waves_pull_back, &gain_of_waves };
static const bp_loss_function distance = { "distance", distance_of_row, &gain_of_distance };

/* ---- Objects --------------------------------------------------------------------------------------------------------- */

static bp_layer_config config_of(const struct problem_kind *kind, const struct problem_layer *layer)
{
    const bool frozen = layer->normalization == PROBLEM_FROZEN_NORMALIZATION;
    const bool custom = layer->activation == BP_CUSTOM_ACTIVATION;
    const bool has_parameter = layer->activation == BP_LEAKY_RELU || layer->activation == BP_ELU;
    return (bp_layer_config){
        .n_out = layer->n_out,
        .activation = (bp_activation)layer->activation,
        .parameter = (bp_real)(custom ? problem_parameter(kind, layer->activation) : (has_parameter ? kind->parameter : 0)),
        .custom = custom ? &waves : NULL,
        .no_bias = kind->no_bias,
        .frozen = frozen,
        .normalization = frozen ? BP_BATCH_NORMALIZATION : (bp_normalization)layer->normalization,
        .epsilon = (bp_real)(layer->normalization != BP_NO_NORMALIZATION ? kind->epsilon : 0),
        .dropout = (bp_real)layer->dropout,
    };
}

static void init_network(struct subject *subject, const struct problem_kind *kind)
{
    struct problem_layer layers[PROBLEM_LAYERS];
    (void)problem_layers(kind, layers);
    bp_layer_config configs[PROBLEM_LAYERS];
    for (size_t l = 0; l < kind->n_layers; l++)
        configs[l] = config_of(kind, &layers[l]);
    const bp_network_config config = { .n_in = kind->n_in, .n_layers = kind->n_layers, .layers = configs };
    assert_int_equal(bp_network_init(&subject->net, &config), BP_OK);
    assert_int_equal(bp_workspace_init(&subject->ws, &subject->net, kind->batch, BP_TRAINING), BP_OK);
}

static bp_loss loss_of(const struct subject *subject, const struct problem_kind *kind)
{
    const bool has_parameter = kind->loss == BP_HUBER || kind->loss == BP_QUANTILE;
    return (bp_loss){ .kind = (bp_loss_kind)kind->loss,
                      .reduction = (bp_reduction)kind->reduction,
                      .parameter = (bp_real)(has_parameter ? kind->loss_parameter : 0),
                      .label_smoothing = (bp_real)problem_label_smoothing(kind),
                      .class_weights = problem_has_class_weights(kind) ? subject->class_weights : NULL,
                      .custom = kind->loss == BP_CUSTOM_LOSS ? &distance : NULL };
}

void subject_init(struct subject *subject, const struct problem_kind *kind)
{
    *subject = (struct subject){ .batch = kind->batch, .n_X = kind->batch * kind->n_in };
    init_network(subject, kind);
    subject->n_params = subject->net.parameters.n_params;
    subject->n_out = subject->net.n_out;
    subject->X = take(subject->n_X);
    subject->dX = take(subject->n_X);
    subject->values = take(kind->batch * subject->n_out);
    subject->weights = take(kind->batch);
    subject->labels = calloc(kind->batch, sizeof *subject->labels);
    subject->grad = take(subject->n_params);
    assert_non_null(subject->labels);

    subject->class_weights = take(PROBLEM_UNITS);
    subject->loss = loss_of(subject, kind);
    subject->T = (bp_targets){ .values = kind->labels ? NULL : subject->values,
                               .labels = kind->labels ? subject->labels : NULL,
                               .weights = kind->weighted ? subject->weights : NULL };
}

static void convert(size_t n, const double *from, bp_real *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (bp_real)from[i];
}

static void load_state(struct subject *subject, const struct problem *problem)
{
    for (size_t l = 0; l < subject->net.n_layers; l++) {
        const bp_layer *layer = &subject->net.layers[l];
        if (layer->running_mean == NULL)
            continue;
        convert(layer->n_out, problem->running_mean[l], layer->running_mean);
        convert(layer->n_out, problem->running_var[l], layer->running_var);
    }
}

void subject_load(struct subject *subject, const struct problem *problem)
{
    assert_int_equal(problem->n_params, subject->n_params);
    convert(subject->n_params, problem->params, subject->net.parameters.params);
    convert(subject->n_X, problem->X, subject->X);
    convert(subject->batch * subject->n_out, problem->T, subject->values);
    convert(subject->batch, problem->weights, subject->weights);
    convert(PROBLEM_UNITS, problem->class_weights, subject->class_weights);
    load_state(subject, problem);
    subject->ws.seed = problem->dropout_seed;
    subject->ws.pass = problem->pass;
    memcpy(subject->labels, problem->labels, subject->batch * sizeof *subject->labels);
}

bp_real subject_loss(struct subject *subject)
{
    bp_real L;
    assert_int_equal(bp_network_forward(&subject->net, &subject->ws, subject->X, subject->batch), BP_OK);
    assert_int_equal(bp_network_loss(&subject->net, &subject->ws, &subject->loss, &subject->T, &L), BP_OK);
    return L;
}

bp_real subject_gradient(struct subject *subject)
{
    const bp_real L = subject_loss(subject);
    assert_int_equal(bp_network_backward(&subject->net, &subject->ws, NULL, subject->grad, subject->dX, BP_OVERWRITE),
                     BP_OK);
    return L;
}

void subject_free(struct subject *subject)
{
    bp_workspace_free(&subject->ws);
    bp_network_free(&subject->net);
    free(subject->X);
    free(subject->dX);
    free(subject->values);
    free(subject->weights);
    free(subject->class_weights);
    free(subject->labels);
    free(subject->grad);
    *subject = (struct subject){ 0 };
}
