// SPDX-License-Identifier: MIT
/*
 * Drawing problems whose gradients can be judged: signals of size about 1 in every layer, no unit at a kink, and losses that
 * are no small differences of large numbers.
 */
#include "support/problem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop/rng.h"
#include "math/loss.h"
#include "support/naive.h"

/* The rounding of a loss is counted in eps |L|. That is fair only where L itself is not smaller than what it is made of. */
static const double least_loss_of_row = 0.05;

/* A step is small only beside the deviation that it is divided by. */
static const double most_steepness = 6;

/* Above 0, for a loss that divides by outputs; those of a softmax are smaller, but so is what they change by. */
static const double least_output = 0.05;

/* ---- Kinds ----------------------------------------------------------------------------------------------------------- */

size_t problem_layers(const struct problem_kind *kind, struct problem_layer layers[PROBLEM_LAYERS])
{
    size_t at = 0, n_in = kind->n_in;
    for (size_t l = 0; l < kind->n_layers; l++) {
        const bool output = l + 1 == kind->n_layers;
        struct problem_layer layer = { .n_in = n_in,
                                       .n_out = kind->units[l],
                                       .activation = output ? kind->output : kind->hidden,
                                       .normalization = output ? kind->output_normalization : kind->hidden_normalization,
                                       .dropout = output ? 0 : kind->dropout,
                                       .W = at };
        const size_t n = layer.n_out;
        layer.b = layer.W + n * n_in;
        layer.gamma = layer.b + (kind->no_bias ? 0 : n);
        layer.beta = layer.gamma + (layer.normalization != BP_NO_NORMALIZATION ? n : 0);
        layer.end = at = layer.beta + (layer.normalization != BP_NO_NORMALIZATION ? n : 0);
        layers[l] = layer;
        n_in = n;
    }
    return at;
}

double problem_parameter(const struct problem_kind *kind, int activation)
{
    if (kind->parameter != 0)
        return kind->parameter;
    return activation == BP_LEAKY_RELU ? 0.01 : (activation == BP_CUSTOM_ACTIVATION ? 0.75 : 1);
}

double problem_loss_parameter(const struct problem_kind *kind)
{
    if (kind->loss_parameter != 0)
        return kind->loss_parameter;
    return kind->loss == BP_QUANTILE ? 0.5 : 1;
}

bool problem_has_class_weights(const struct problem_kind *kind)
{
    const bool binary = kind->loss == BP_BINARY_CROSS_ENTROPY && kind->units[kind->n_layers - 1] == 1;
    return kind->class_weights && (kind->loss == BP_CROSS_ENTROPY || binary);
}

double problem_label_smoothing(const struct problem_kind *kind)
{
    return kind->loss == BP_CROSS_ENTROPY ? kind->label_smoothing : 0;
}

bool problem_mixes_rows(const struct problem_kind *kind)
{
    return kind->output_normalization == BP_BATCH_NORMALIZATION ||
           (kind->n_layers > 1 && kind->hidden_normalization == BP_BATCH_NORMALIZATION);
}

static double class_weight(const struct problem *problem, size_t i)
{
    if (!problem_has_class_weights(&problem->kind))
        return 1;
    const double *t = problem->T + i * problem->n_out, *c = problem->class_weights;
    if (problem->n_out == 1)
        return (1 - t[0]) * c[0] + t[0] * c[1];
    double sum = 0;
    for (size_t j = 0; j < problem->n_out; j++)
        sum += t[j] * c[j];
    return sum;
}

double problem_factor(const struct problem *problem, size_t i)
{
    double sum = 0;
    for (size_t k = 0; k < problem->kind.batch; k++)
        sum += problem->weights[k] * class_weight(problem, k);
    return problem->weights[i] * class_weight(problem, i) / (problem->kind.reduction == BP_REDUCE_MEAN ? sum : 1);
}

double problem_target(const struct problem *problem, size_t i, size_t j)
{
    const double s = problem_label_smoothing(&problem->kind);
    return problem->T[i * problem->n_out + j] * (1 - s) + s / (double)problem->n_out;
}

/* ---- Memory ---------------------------------------------------------------------------------------------------------- */

static void *take(size_t n, size_t size)
{
    void *memory = calloc(n, size);
    assert_non_null(memory);
    return memory;
}

void problem_init(struct problem *problem, const struct problem_kind *kind)
{
    *problem = (struct problem){ .kind = *kind, .n_out = kind->units[kind->n_layers - 1], .n_X = kind->batch * kind->n_in };
    struct problem_layer layers[PROBLEM_LAYERS];
    problem->n_params = problem_layers(kind, layers);
    problem->params = take(problem->n_params, sizeof(double));
    problem->no_effect = calloc(problem->n_params, sizeof *problem->no_effect);
    assert_non_null(problem->no_effect);
    problem->X = take(problem->n_X, sizeof(double));
    problem->T = take(kind->batch * problem->n_out, sizeof(double));
    problem->weights = take(kind->batch, sizeof(double));
    problem->labels = take(kind->batch, sizeof(int32_t));
}

void problem_free(struct problem *problem)
{
    free(problem->params);
    free(problem->no_effect);
    free(problem->X);
    free(problem->T);
    free(problem->weights);
    free(problem->labels);
    *problem = (struct problem){ 0 };
}

/* ---- Drawing --------------------------------------------------------------------------------------------------------- */

static double uniform(bp_rng *rng, double low, double high)
{
    return (double)(float)(low + (high - low) * bp_rng_uniform(rng));
}

/* Cut off at two deviations: a step h is small only beside signals and weights that are not large. */
static double normal(bp_rng *rng, double deviation)
{
    double x;
    do
        x = bp_rng_normal(rng);
    while (fabs(x) > 2);
    return (double)(float)(deviation * x);
}

/* Deviation of the weights of n_in inputs that makes pre-activations of size about 1, whatever made the inputs: outputs of a
 * softmax differ by about 1 / n_in only, of a sigmoid by about 1 / 4, and half of a relu's are 0. */
static double deviation_of_weights(int below, size_t n_in)
{
    const double n = (double)n_in;
    switch (below) {
    case BP_SOFTMAX:
        return sqrt(n);
    case BP_SIGMOID:
    case BP_CUSTOM_ACTIVATION:
        return 4 / sqrt(n);
    case BP_HARD_SIGMOID:
        return 5 / sqrt(n);
    case BP_SOFTSIGN:
    case BP_GAUSSIAN:
        return 1.75 / sqrt(n);
    case BP_RELU:
    case BP_LEAKY_RELU:
    case BP_GELU:
    case BP_GELU_TANH:
    case BP_SILU:
    case BP_MISH:
    case BP_SOFTPLUS:
        return sqrt(2 / n);
    default:
        return 1 / sqrt(n);
    }
}

static void draw_normals(bp_rng *rng, double deviation, size_t n, double *to)
{
    for (size_t j = 0; j < n; j++)
        to[j] = normal(rng, deviation);
}

static void draw_uniforms(bp_rng *rng, double low, double high, size_t n, double *to)
{
    for (size_t j = 0; j < n; j++)
        to[j] = uniform(rng, low, high);
}

static void draw_params(struct problem *problem, bp_rng *rng)
{
    struct problem_layer layers[PROBLEM_LAYERS];
    (void)problem_layers(&problem->kind, layers);
    double *p = problem->params;
    for (size_t l = 0; l < problem->kind.n_layers; l++) {
        const struct problem_layer *layer = &layers[l];
        const bool normalized = layer->normalization != BP_NO_NORMALIZATION;
        const double deviation = deviation_of_weights(l == 0 ? BP_IDENTITY : layers[l - 1].activation, layer->n_in);
        draw_normals(rng, normalized ? 1.5 * deviation : deviation, layer->b - layer->W, p + layer->W);
        draw_normals(rng, 0.5, layer->gamma - layer->b, p + layer->b);
        draw_uniforms(rng, 0.5, 1.5, layer->beta - layer->gamma, p + layer->gamma);
        draw_normals(rng, 0.5, layer->end - layer->beta, p + layer->beta);
        draw_normals(rng, 0.5, layer->n_out, problem->running_mean[l]);
        draw_uniforms(rng, 1, 2, layer->n_out, problem->running_var[l]);
    }
    problem->dropout_seed = bp_rng_next(rng);
    problem->pass = bp_rng_below(rng, 1000);
}

static void draw_weights(struct problem *problem, bp_rng *rng)
{
    const size_t batch = problem->kind.batch;
    for (size_t i = 0; i < batch; i++)
        problem->weights[i] = problem->kind.weighted ? uniform(rng, 0.5, 2) : 1;
    if (problem->kind.weighted && batch >= 5)
        problem->weights[0] = 0;
    draw_uniforms(rng, 0.5, 2, PROBLEM_UNITS, problem->class_weights);
}

static void draw_probabilities(bp_rng *rng, size_t n, double *t)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += t[j] = bp_rng_uniform(rng);
    for (size_t j = 0; j < n; j++)
        t[j] = (double)(float)(t[j] / sum);
}

/* A label is the target itself of a single output that is no softmax. */
static void draw_label(struct problem *problem, bp_rng *rng, size_t i)
{
    const size_t n = problem->n_out;
    const bool itself = n == 1 && problem->kind.loss != BP_CROSS_ENTROPY;
    problem->labels[i] = (int32_t)bp_rng_below(rng, itself ? 2 : n);
    for (size_t j = 0; j < n; j++)
        problem->T[i * n + j] = itself ? problem->labels[i] : j == (size_t)problem->labels[i];
}

static void draw_targets(struct problem *problem, bp_rng *rng, size_t i)
{
    const size_t n = problem->n_out;
    double *t = problem->T + i * n;
    if (problem->kind.labels)
        draw_label(problem, rng, i);
    else if (problem->kind.loss == BP_CROSS_ENTROPY)
        draw_probabilities(rng, n, t);
    else if (problem->kind.loss == BP_BINARY_CROSS_ENTROPY)
        draw_uniforms(rng, 0, 1, n, t);
    else if (problem->kind.loss == BP_POISSON)
        draw_uniforms(rng, 0, 2, n, t);
    else
        draw_normals(rng, 1, n, t);
}

static bool outputs_are_fit(const struct problem *problem, const struct naive_row *row)
{
    const struct number *y = row->A[problem->kind.n_layers];
    const double least = problem->kind.output == BP_SOFTMAX ? least_output / 25 : least_output;
    for (size_t j = 0; problem->kind.loss == BP_POISSON && j < problem->n_out; j++)
        if (!(y[j].value >= least))
            return false;
    return true;
}

/* Whether rows first ... first + n - 1, computed together, are as they should be. */
static bool rows_are_fit(const struct problem *problem, size_t first, size_t n)
{
    struct naive_row rows[PROBLEM_BATCH];
    naive_forward(problem, first, n, 0, rows);
    for (size_t r = 0; r < n; r++) {
        const size_t i = first + r;
        if (!(naive_clearance(problem, i, &rows[r]) >= problem->kind.clearance && rows[r].steepness <= most_steepness &&
              outputs_are_fit(problem, &rows[r]) && naive_loss_of_row(problem, i, &rows[r]) >= least_loss_of_row))
            return false;
    }
    return true;
}

static bool draw_rows(struct problem *problem, bp_rng *rng, size_t first, size_t n)
{
    const size_t n_in = problem->kind.n_in;
    for (size_t attempt = 0; attempt < 200 / n; attempt++) {
        draw_normals(rng, 1, n * n_in, problem->X + first * n_in);
        for (size_t i = first; i < first + n; i++)
            draw_targets(problem, rng, i);
        if (rows_are_fit(problem, first, n))
            return true;
    }
    return false;
}

/* Where rows are independent of each other, one row too near to a kink costs a row and not the whole batch. */
static bool draw_batch(struct problem *problem, bp_rng *rng)
{
    if (problem_mixes_rows(&problem->kind))
        return draw_rows(problem, rng, 0, problem->kind.batch);
    for (size_t i = 0; i < problem->kind.batch; i++)
        if (!draw_rows(problem, rng, i, 1))
            return false;
    return true;
}

/* ---- What has no effect ---------------------------------------------------------------------------------------------- */

/* Whether shifts of what layer l gets, from its W A + b on, each the same in all rows, end in a mean that is taken away. */
static bool shift_is_lost(const struct problem *problem, const struct problem_layer *layers, const struct naive_row *rows,
                          size_t l)
{
    if (l == problem->kind.n_layers || layers[l].normalization == BP_LAYER_NORMALIZATION)
        return false;
    if (layers[l].normalization == BP_BATCH_NORMALIZATION)
        return true;
    for (size_t j = 0; j < layers[l].n_out; j++)
        if (!naive_passes_shift(problem, rows, l, j))
            return false;
    return shift_is_lost(problem, layers, rows, l + 1);
}

static bool is_constant(const struct problem *problem, const struct naive_row *rows, size_t l, size_t k)
{
    for (size_t i = 1; i < problem->kind.batch; i++)
        if (rows[i].A[l][k].value != rows[0].A[l][k].value)
            return false;
    return true;
}

/* The parameters of layer l that shift unit j by the same number in all rows: b, beta, and w from a constant input. */
static void find_no_effect(struct problem *problem, const struct problem_layer *layers, const struct naive_row *rows,
                           size_t l, size_t j)
{
    const struct problem_layer *layer = &layers[l];
    const bool lost_above = naive_passes_shift(problem, rows, l, j) && shift_is_lost(problem, layers, rows, l + 1);
    const bool lost =
        layer->normalization == BP_BATCH_NORMALIZATION || (lost_above && layer->normalization != BP_LAYER_NORMALIZATION);
    for (size_t k = 0; k < layer->n_in; k++)
        problem->no_effect[layer->W + j * layer->n_in + k] = lost && is_constant(problem, rows, l, k);
    if (layer->gamma > layer->b)
        problem->no_effect[layer->b + j] = lost;
    if (layer->end > layer->beta) {
        problem->no_effect[layer->gamma + j] = false;
        problem->no_effect[layer->beta + j] = lost_above;
    }
}

static void find_all_no_effect(struct problem *problem)
{
    struct problem_layer layers[PROBLEM_LAYERS];
    struct naive_row rows[PROBLEM_BATCH];
    (void)problem_layers(&problem->kind, layers);
    naive_forward(problem, 0, problem->kind.batch, 0, rows);
    for (size_t l = 0; l < problem->kind.n_layers; l++)
        for (size_t j = 0; j < layers[l].n_out; j++)
            find_no_effect(problem, layers, rows, l, j);
}

bool problem_draw(struct problem *problem, uint64_t seed)
{
    bp_rng rng;
    bp_rng_init(&rng, seed);
    draw_params(problem, &rng);
    draw_weights(problem, &rng);
    if (!draw_batch(problem, &rng))
        return false;
    find_all_no_effect(problem);
    return true;
}

/* ---- Names ----------------------------------------------------------------------------------------------------------- */

/* Outputs above 0 for Poisson's loss, and not as near to 0 as a gaussian's. */
static bool is_positive(int output)
{
    return output == BP_SIGMOID || output == BP_SOFTMAX || output == BP_SOFTPLUS || output == BP_CUSTOM_ACTIVATION;
}

static bool can_end(int output, int loss)
{
    const struct bpi_loss_rule *rule = bpi_loss((bp_loss_kind)loss);
    if (rule->fused)
        return output == (int)rule->output;
    return loss != BP_POISSON || is_positive(output);
}

size_t problem_endings(struct problem_ending endings[PROBLEM_ENDINGS])
{
    size_t n = 0;
    for (int output = 0; output < BP_N_ACTIVATIONS; output++)
        for (int loss = 0; loss < BP_N_LOSSES; loss++)
            if (can_end(output, loss))
                endings[n++] = (struct problem_ending){ output, loss };
    return n;
}

static const char *normalization_name(int normalization)
{
    return normalization == PROBLEM_FROZEN_NORMALIZATION ? "frozen"
                                                         : bp_normalization_name((bp_normalization)normalization);
}

static void add_layers(const struct problem_kind *kind, char *name, size_t size)
{
    struct problem_layer layers[PROBLEM_LAYERS];
    (void)problem_layers(kind, layers);
    int n = snprintf(name, size, "%zu", kind->n_in);
    for (size_t l = 0; l < kind->n_layers; l++) {
        n += snprintf(name + n, size - (size_t)n, " -> %zu %s", layers[l].n_out,
                      bp_activation_name((bp_activation)layers[l].activation));
        if (layers[l].normalization != BP_NO_NORMALIZATION)
            n += snprintf(name + n, size - (size_t)n, " (%s)", normalization_name(layers[l].normalization));
    }
}

const char *problem_name(const struct problem_kind *kind)
{
    static char name[512];
    add_layers(kind, name, sizeof name);
    const size_t n = strlen(name);
    (void)snprintf(name + n, sizeof name - n, ", %s, %s, %s%s%s%s%s, dropout %g, p %g %g, epsilon %g, batch %zu",
                   bp_loss_name((bp_loss_kind)kind->loss), kind->reduction == BP_REDUCE_MEAN ? "mean" : "sum",
                   kind->labels ? "labels" : "values", kind->weighted ? ", weighted" : "",
                   problem_has_class_weights(kind) ? ", class weights" : "",
                   problem_label_smoothing(kind) > 0 ? ", smoothed" : "", kind->no_bias ? ", no bias" : "", kind->dropout,
                   kind->parameter, kind->loss_parameter, kind->epsilon, kind->batch);
    return name;
}
