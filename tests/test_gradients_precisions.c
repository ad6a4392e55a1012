// SPDX-License-Identifier: MIT
/*
 * The gradient in single precision against that in double, both libraries in one program.
 *
 * This file and all it calls by name is compiled for single precision; support/double_gradient.c is the other half. Both
 * get the same problem, whose numbers a float holds, so what they differ by is rounding alone: at most the bound that
 * support/naive.c carries from the inputs up to the loss and down again, with a unit roundoff of 2^-24. On a path of
 * products it amounts to roundings on the path times 2^-24 times the sum of the magnitudes of what is added up.
 *
 * A bound for all cases grows with every layer by the row sums of |W|, where errors in fact cancel. So wide networks have few
 * layers here and deep ones are narrow, and it is checked that the comparison says something: with a mistake of one in
 * a thousand of the largest component, no component would pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "backprop/rng.h"
#include "math/loss.h"
#include "support/close.h"
#include "support/double_gradient.h"
#include "support/naive.h"
#include "support/problem.h"
#include "support/subject.h"

#ifndef BACKPROP_SINGLE
#error "this file is the single-precision half of a program"
#endif

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const double unit_roundoff = 0x1p-24;

/* The bounds are right to first order in u. Errors here are below 1e-3, so the second order is far below a tenth of them. */
static const double second_order = 1.1;

/* A gradient off by one in a thousand of its largest component must be seen. */
static const double mistake = 1e-3;

/* All there is to compare about a problem: components of the parameters, then of the inputs. */
struct comparison {
    size_t n;
    double *in_double, *in_single;
    struct number *naive;
};

static void init_comparison(struct comparison *c, const struct problem *problem)
{
    c->n = problem->n_params + problem->n_X;
    c->in_double = calloc(c->n, sizeof *c->in_double);
    c->in_single = calloc(c->n, sizeof *c->in_single);
    c->naive = calloc(c->n, sizeof *c->naive);
    assert_true(c->in_double != NULL && c->in_single != NULL && c->naive != NULL);
}

static void free_comparison(struct comparison *c)
{
    free(c->in_double);
    free(c->in_single);
    free(c->naive);
}

static double single_gradient(const struct problem *problem, double *components)
{
    struct subject subject;
    subject_init(&subject, &problem->kind);
    subject_load(&subject, problem);
    const double L = (double)subject_gradient(&subject);
    for (size_t k = 0; k < subject.n_params; k++)
        components[k] = (double)subject.grad[k];
    for (size_t k = 0; k < subject.n_X; k++)
        components[subject.n_params + k] = (double)subject.dX[k];
    subject_free(&subject);
    return L;
}

/* In bounds of the rounding. */
struct tally {
    size_t n_problems, n_components;
    double largest_error, least_mistake;
};

static double largest_component(const struct comparison *c)
{
    double largest = 0;
    for (size_t k = 0; k < c->n; k++)
        largest = fmax(largest, fabs(c->in_double[k]));
    return largest;
}

static void compare(const struct comparison *c, const char *name, struct tally *tally)
{
    const double largest = largest_component(c);
    for (size_t k = 0; k < c->n; k++) {
        const double error = fabs(c->in_single[k] - c->in_double[k]), bound = second_order * c->naive[k].error;
        assert_close(c->naive[k].value, c->in_double[k], 1e-13 * largest);
        if (!(error <= bound))
            fail_msg("%s: component %zu is %.9g in single, %.9g in double; rounding explains %.2g", name, k,
                     c->in_single[k], c->in_double[k], bound);
        if (!(bound < mistake * largest - error))
            fail_msg("%s: component %zu is known within %.2g only, the largest is %.2g", name, k, bound, largest);
        if (bound > 0) {
            tally->largest_error = fmax(tally->largest_error, error / bound);
            tally->least_mistake = fmin(tally->least_mistake, (mistake * largest - error) / bound);
        }
    }
    tally->n_components += c->n;
    tally->n_problems++;
}

/* Whether rounding explains less than half of a mistake of one in a thousand everywhere. */
static bool mistakes_show(const struct comparison *c)
{
    const double largest = largest_component(c);
    for (size_t k = 0; k < c->n; k++)
        if (!(second_order * c->naive[k].error < mistake * largest / 2))
            return false;
    return true;
}

/* Draws until mistakes show; returns the loss in double. */
static double draw(struct problem *problem, struct comparison *c, uint64_t seed)
{
    for (uint64_t attempt = 0; attempt < 1000; attempt++) {
        if (!problem_draw(problem, seed << 32 | attempt))
            continue;
        const double L = double_gradient(problem, c->in_double, c->in_double + problem->n_params);
        naive_gradient(problem, unit_roundoff, c->naive, c->naive + problem->n_params);
        if (mistakes_show(c))
            return L;
    }
    fail_msg("%s: no problem found on which mistakes would show", problem_name(&problem->kind));
    return 0;
}

static void check_problem(const struct problem_kind *kind, uint64_t seed, struct tally *tally)
{
    struct problem problem;
    struct comparison c;
    problem_init(&problem, kind);
    init_comparison(&c, &problem);

    const double L_in_double = draw(&problem, &c, seed);
    const double L_in_single = single_gradient(&problem, c.in_single);
    assert_close(L_in_single, L_in_double, 1e-4 * L_in_double);
    compare(&c, problem_name(kind), tally);

    free_comparison(&c);
    problem_free(&problem);
}

static const struct shape {
    size_t n_in, n_layers, units[PROBLEM_LAYERS], batch;
} shapes[] = {
    { 1, 1, { 2 }, 1 },      { 17, 1, { 7 }, 33 },     { 3, 2, { 7, 2 }, 5 },
    { 7, 2, { 17, 3 }, 33 }, { 2, 3, { 3, 7, 2 }, 5 }, { 2, 5, { 2, 2, 2, 2, 2 }, 33 },
};

static bool toss(bp_rng *rng)
{
    return bp_rng_below(rng, 2) == 1;
}

/* Deep and wide networks go without, for the bound counts each rounding of a mean for each of the numbers under
 * it, which is also why there is one at most; and a batch of one row goes without that by the batch. */
static int draw_normalization(bp_rng *rng, const struct shape *shape)
{
    const int normalization = (int)bp_rng_below(rng, PROBLEM_NORMALIZATIONS);
    const bool fits =
        shape->n_layers <= 2 && shape->units[0] < 17 && (normalization != BP_BATCH_NORMALIZATION || shape->batch > 1);
    return fits ? normalization : BP_NO_NORMALIZATION;
}

/* What is open is drawn, `turn` being the seed. No unit is near to a kink, where a rounding would count; no labels, on
 * which outputs may rest. */
static struct problem_kind kind_of(const struct shape *shape, int hidden, struct problem_ending ending, uint64_t turn)
{
    bp_rng rng;
    bp_rng_init(&rng, turn);
    const bool smooth = bpi_loss((bp_loss_kind)ending.loss)->piece == NULL;
    struct problem_kind kind = { .n_in = shape->n_in,
                                 .n_layers = shape->n_layers,
                                 .batch = shape->batch,
                                 .hidden = hidden,
                                 .output = ending.output,
                                 .parameter = toss(&rng) ? 0.25 : 0,
                                 .hidden_normalization = draw_normalization(&rng, shape),
                                 .output_normalization = draw_normalization(&rng, shape),
                                 .epsilon = 0.25,
                                 .no_bias = toss(&rng),
                                 .loss = ending.loss,
                                 .reduction = toss(&rng) ? BP_REDUCE_SUM : BP_REDUCE_MEAN,
                                 .loss_parameter = toss(&rng) ? 0.75 : 0,
                                 .label_smoothing = toss(&rng) ? 0.125 : 0,
                                 .class_weights = toss(&rng),
                                 .labels = toss(&rng) && smooth,
                                 .weighted = toss(&rng),
                                 .clearance = 1e-3 };
    if (shape->n_layers > 1 && kind.hidden_normalization != BP_NO_NORMALIZATION)
        kind.output_normalization = BP_NO_NORMALIZATION;
    for (size_t l = 0; l < PROBLEM_LAYERS; l++)
        kind.units[l] = shape->units[l];
    kind.dropout = toss(&rng) && shape->units[0] >= 3 ? 0.25 : 0;
    return kind;
}

static void gradients_in_single_are_those_in_double_but_for_rounding(void **state)
{
    (void)state;
    struct problem_ending endings[PROBLEM_ENDINGS];
    const size_t n_endings = problem_endings(endings);
    struct tally tally = { .least_mistake = INFINITY };
    const size_t n_pairs = BP_N_ACTIVATIONS * n_endings, every = getenv("TEST_QUICK") != NULL ? 19 : 3;
    for (size_t s = 0; s < COUNT(shapes); s++)
        for (size_t pair = s % every; pair < n_pairs; pair += every) {
            const uint64_t turn = (uint64_t)s << 16 | pair;
            const struct problem_kind kind = kind_of(&shapes[s], (int)(pair / n_endings), endings[pair % n_endings], turn);
            check_problem(&kind, turn, &tally);
        }
    print_message("%zu problems, %zu components: largest error %.2g of its bound, least mistake %.2g times\n",
                  tally.n_problems, tally.n_components, tally.largest_error, tally.least_mistake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_in_single_are_those_in_double_but_for_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
