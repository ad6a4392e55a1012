// SPDX-License-Identifier: MIT
/*
 * From plain doubles to the library's objects. A float holds each of the numbers, so none of them changes.
 */
#include "support/subject.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static bp_real *take(size_t n)
{
    bp_real *array = calloc(n, sizeof *array);
    assert_non_null(array);
    return array;
}

static void init_network(struct subject *subject, const struct problem_kind *kind)
{
    bp_layer_config layers[PROBLEM_LAYERS] = { 0 };
    for (size_t l = 0; l < kind->n_layers; l++) {
        layers[l].n_out = kind->units[l];
        layers[l].activation = (bp_activation)(l + 1 < kind->n_layers ? kind->hidden : kind->output);
        layers[l].parameter = layers[l].activation == BP_LEAKY_RELU ? (bp_real)kind->parameter : (bp_real)0;
    }
    const bp_network_config config = { .n_in = kind->n_in, .n_layers = kind->n_layers, .layers = layers };
    assert_int_equal(bp_network_init(&subject->net, &config), BP_OK);
    assert_int_equal(bp_workspace_init(&subject->ws, &subject->net, kind->batch, BP_TRAINING), BP_OK);
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

    subject->loss = (bp_loss){ .kind = (bp_loss_kind)kind->loss, .reduction = (bp_reduction)kind->reduction };
    subject->T = (bp_targets){ .values = kind->labels ? NULL : subject->values,
                               .labels = kind->labels ? subject->labels : NULL,
                               .weights = kind->weighted ? subject->weights : NULL };
}

static void convert(size_t n, const double *from, bp_real *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (bp_real)from[i];
}

void subject_load(struct subject *subject, const struct problem *problem)
{
    assert_int_equal(problem->n_params, subject->n_params);
    convert(subject->n_params, problem->params, subject->net.parameters.params);
    convert(subject->n_X, problem->X, subject->X);
    convert(subject->batch * subject->n_out, problem->T, subject->values);
    convert(subject->batch, problem->weights, subject->weights);
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
    free(subject->labels);
    free(subject->grad);
    *subject = (struct subject){ 0 };
}
