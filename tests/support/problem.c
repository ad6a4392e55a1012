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

int problem_activation(const struct problem *problem, size_t l)
{
    return l + 1 < problem->kind.n_layers ? problem->kind.hidden : problem->kind.output;
}

double problem_parameter(const struct problem *problem)
{
    return problem->kind.parameter != 0 ? problem->kind.parameter : 0.01;
}

double problem_factor(const struct problem *problem, size_t i)
{
    double sum = 0;
    for (size_t k = 0; k < problem->kind.batch; k++)
        sum += problem->weights[k];
    return problem->weights[i] / (problem->kind.reduction == BP_REDUCE_MEAN ? sum : 1);
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
    size_t n_in = kind->n_in;
    for (size_t l = 0; l < kind->n_layers; l++) {
        problem->n_params += kind->units[l] * (n_in + 1);
        n_in = kind->units[l];
    }
    problem->params = take(problem->n_params, sizeof(double));
    problem->X = take(problem->n_X, sizeof(double));
    problem->T = take(kind->batch * problem->n_out, sizeof(double));
    problem->weights = take(kind->batch, sizeof(double));
    problem->labels = take(kind->batch, sizeof(int32_t));
}

void problem_free(struct problem *problem)
{
    free(problem->params);
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
        return 3 / sqrt(n);
    case BP_RELU:
    case BP_LEAKY_RELU:
        return sqrt(2 / n);
    default:
        return 1 / sqrt(n);
    }
}

static void draw_params(struct problem *problem, bp_rng *rng)
{
    double *p = problem->params;
    size_t n_in = problem->kind.n_in;
    for (size_t l = 0; l < problem->kind.n_layers; l++) {
        const size_t n_out = problem->kind.units[l];
        const double deviation = deviation_of_weights(l == 0 ? BP_IDENTITY : problem_activation(problem, l - 1), n_in);
        for (size_t k = 0; k < n_out * n_in; k++)
            *p++ = normal(rng, deviation);
        for (size_t j = 0; j < n_out; j++)
            *p++ = normal(rng, 0.5);
        n_in = n_out;
    }
}

static void draw_weights(struct problem *problem, bp_rng *rng)
{
    const size_t batch = problem->kind.batch;
    for (size_t i = 0; i < batch; i++)
        problem->weights[i] = problem->kind.weighted ? uniform(rng, 0.5, 2) : 1;
    if (problem->kind.weighted && batch >= 5)
        problem->weights[0] = 0;
}

static void draw_probabilities(bp_rng *rng, size_t n, double *t)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += t[j] = bp_rng_uniform(rng);
    for (size_t j = 0; j < n; j++)
        t[j] = (double)(float)(t[j] / sum);
}

static void draw_targets(struct problem *problem, bp_rng *rng, size_t i)
{
    const size_t n = problem->n_out;
    double *t = problem->T + i * n;
    if (problem->kind.labels) {
        problem->labels[i] = (int32_t)bp_rng_below(rng, n);
        for (size_t j = 0; j < n; j++)
            t[j] = j == (size_t)problem->labels[i];
    } else if (problem->kind.loss == BP_CROSS_ENTROPY) {
        draw_probabilities(rng, n, t);
    } else {
        for (size_t j = 0; j < n; j++)
            t[j] = problem->kind.loss == BP_BINARY_CROSS_ENTROPY ? uniform(rng, 0, 1) : normal(rng, 1);
    }
}

/* Rows are independent of each other, so that one row too near to a kink costs a row and not the whole batch. */
static bool draw_row(struct problem *problem, bp_rng *rng, size_t i)
{
    const size_t n_in = problem->kind.n_in;
    for (int attempt = 0; attempt < 200; attempt++) {
        for (size_t k = 0; k < n_in; k++)
            problem->X[i * n_in + k] = normal(rng, 1);
        draw_targets(problem, rng, i);

        struct naive_row row;
        naive_forward(problem, i, 0, &row);
        if (naive_clearance(problem, &row) >= problem->kind.clearance &&
            naive_loss_of_row(problem, i, &row) >= least_loss_of_row)
            return true;
    }
    return false;
}

bool problem_draw(struct problem *problem, uint64_t seed)
{
    bp_rng rng;
    bp_rng_init(&rng, seed);
    draw_params(problem, &rng);
    draw_weights(problem, &rng);
    for (size_t i = 0; i < problem->kind.batch; i++)
        if (!draw_row(problem, &rng, i))
            return false;
    return true;
}

/* ---- Kinds ----------------------------------------------------------------------------------------------------------- */

size_t problem_endings(struct problem_ending endings[PROBLEM_ENDINGS])
{
    size_t n = 0;
    for (int output = 0; output < BP_N_ACTIVATIONS; output++)
        endings[n++] = (struct problem_ending){ output, BP_SQUARED_ERROR };
    for (int loss = 0; loss < BP_N_LOSSES; loss++)
        if (bpi_loss((bp_loss_kind)loss)->fused)
            endings[n++] = (struct problem_ending){ (int)bpi_loss((bp_loss_kind)loss)->output, loss };
    return n;
}

const char *problem_name(const struct problem_kind *kind)
{
    static char name[256];
    const size_t size = sizeof name;
    int n = snprintf(name, size, "%zu", kind->n_in);
    for (size_t l = 0; l < kind->n_layers; l++)
        n += snprintf(name + n, size - (size_t)n, " -> %zu %s", kind->units[l],
                      bp_activation_name((bp_activation)(l + 1 < kind->n_layers ? kind->hidden : kind->output)));
    (void)snprintf(name + n, size - (size_t)n, ", %s, %s, %s%s, batch %zu", bp_loss_name((bp_loss_kind)kind->loss),
                   kind->reduction == BP_REDUCE_MEAN ? "mean" : "sum", kind->labels ? "labels" : "values",
                   kind->weighted ? ", weighted" : "", kind->batch);
    return name;
}
