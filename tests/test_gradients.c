// SPDX-License-Identifier: MIT
/*
 * Is every component of every gradient right? Backpropagation against differences of the library's own loss, and the loss
 * against a network of plain loops.
 *
 * With central differences D(h) = L' + h^2 L''' / 6 + ..., R = (4 D(h/2) - D(h)) / 3 has an error of order h^4. Since
 * D(h/2) - D(h) is -h^2 L''' / 8, h^2 |D(h/2) - D(h)| is a measured number of that order; 100 eps |L| / h is what the
 * rounding of L can do. A right component differs from R by no more than the sum of the two, a small multiple of the first
 * being granted. The bound is tuned to no case: it follows from h, L and the differences themselves.
 *
 * That the comparison can fail is shown component by component: once made wrong by one part in ten thousand, each of them
 * is beyond the same bound. So that it can be, problems are drawn again until 1e-4 of each component stands out from the
 * rounding; none is left out. Components that are exactly 0 (behind a dead relu, dropped out, of a row of weight 0), and
 * those that are 0 but for rounding because a batch normalization takes away what they add (no_effect in support/problem.h), are
 * made wrong by 1e-4 of the largest one instead, since 1e-4 of 0 is no mistake.
 *
 * Differences in single precision see coarse mistakes only; there this file holds a sanity check, and
 * test_gradients_precisions.c compares with the gradient in double.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backprop/rng.h"
#include "math/activation.h"
#include "math/loss.h"
#include "support/close.h"
#include "support/levels.h"
#include "support/naive.h"
#include "support/problem.h"
#include "support/subject.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The power of two below eps^(1/5) / 2. The errors h^4 / s^4 and eps / h of R are alike where h is s^(4/5) eps^(1/5), and
 * what a normalization divides by makes the loss bend on a scale s below 1. */
#ifdef BACKPROP_SINGLE
static const double step = 0x1p-5;
#else
static const double step = 0x1p-12;
#endif

static const double eps = (double)BP_REAL_EPSILON;

/* ---- Differences ----------------------------------------------------------------------------------------------------- */

/* The loss where *p has another value. */
static double loss_at(struct subject *subject, bp_real *p, bp_real value)
{
    const bp_real kept = *p;
    *p = value;
    const bp_real L = subject_loss(subject);
    *p = kept;
    return (double)L;
}

/* D(h). In double p + h and p - h are exact (see support/problem.h); in single the step is what they make of it. */
static double central_difference(struct subject *subject, bp_real *p, double h)
{
    const bp_real above = (bp_real)((double)*p + h), below = (bp_real)((double)*p - h);
    return (loss_at(subject, p, above) - loss_at(subject, p, below)) / ((double)above - (double)below);
}

struct difference {
    double value; /* R */
    double bound; /* of |R - right component| */
};

static double rounding_of_difference(double L)
{
    return 100 * eps * fabs(L) / step;
}

/* R of the steps h and h / 2. */
static double extrapolated(double coarse, double fine)
{
    return (4 * fine - coarse) / 3;
}

/* ---- All components of a problem ------------------------------------------------------------------------------------- */

/* The component numbered k: first those of the parameters, then those of the inputs. */
static bp_real *variable(const struct subject *subject, size_t k)
{
    return k < subject->n_params ? &subject->net.parameters.params[k] : &subject->X[k - subject->n_params];
}

static double component(const struct subject *subject, size_t k)
{
    return (double)(k < subject->n_params ? subject->grad[k] : subject->dX[k - subject->n_params]);
}

static size_t count_components(const struct subject *subject)
{
    return subject->n_params + subject->n_X;
}

static double largest_component(const struct subject *subject)
{
    double largest = 0;
    for (size_t k = 0; k < count_components(subject); k++)
        largest = fmax(largest, fabs(component(subject, k)));
    return largest;
}

/* Three layers, nothing special about them. */
static struct problem_kind usual_kind(int hidden, int output, int loss)
{
    return (struct problem_kind){
        .n_in = 3, .n_layers = 3, .units = { 7, 5, 2 }, .batch = 5, .hidden = hidden, .output = output, .loss = loss
    };
}

#ifndef BACKPROP_SINGLE

static bool has_no_effect(const struct problem *problem, size_t k)
{
    return k < problem->n_params && problem->no_effect[k];
}

/* Whether a component is 0: exactly, or but for rounding since its parameter has no effect. */
static bool is_zero(const struct subject *subject, const struct problem *problem, size_t k)
{
    return component(subject, k) == 0 || has_no_effect(problem, k);
}

/* ---- Problems on which mistakes show --------------------------------------------------------------------------------- */

static const double mistake = 1e-4;

/* Whether 1e-4 of each component that is not 0, and of the largest, is four times what the rounding of L is granted, and
 * whether it is more than a few dead relus that are compared. */
static bool mistakes_show(const struct subject *subject, const struct problem *problem, double L)
{
    const double least = 4 * rounding_of_difference(L) / mistake;
    size_t n_dead = 0;
    for (size_t k = 0; k < count_components(subject); k++) {
        const bool zero = is_zero(subject, problem, k);
        n_dead += zero && !has_no_effect(problem, k);
        if (!zero && !(fabs(component(subject, k)) >= least))
            return false;
    }
    return largest_component(subject) >= least && 3 * n_dead <= count_components(subject);
}

/* Takes the difference for a component; false if the loss bends too sharply for the step. With R at 2 h and h, whose errors
 * are as 16 to 1, a fifteenth of their distance is the error at h. Only the loss decides here, the gradient has no part. */
static bool take_difference(struct subject *subject, size_t k, double L, struct difference *R)
{
    bp_real *p = variable(subject, k);
    const double h = step, widest = central_difference(subject, p, 2 * h), coarse = central_difference(subject, p, h);
    const double fine = central_difference(subject, p, h / 2);
    R->value = extrapolated(coarse, fine);
    R->bound = 4 * h * h * fabs(fine - coarse) + rounding_of_difference(L);
    return fabs(extrapolated(widest, coarse) - R->value) / 15 <= R->bound / 2;
}

static bool take_differences(struct subject *subject, double L, struct difference *R)
{
    for (size_t k = 0; k < count_components(subject); k++)
        if (!take_difference(subject, k, L, &R[k]))
            return false;
    return true;
}

/* Draws until mistakes show and the step is small enough. R receives the differences. The problem and the subject then hold the same numbers; returns the loss. */
static double draw(struct problem *problem, struct subject *subject, uint64_t seed, struct difference *R)
{
    for (uint64_t attempt = 0; attempt < 20000; attempt++) {
        if (!problem_draw(problem, seed << 32 | attempt))
            continue;
        subject_load(subject, problem);
        const double L = (double)subject_gradient(subject);
        if (mistakes_show(subject, problem, L) && take_differences(subject, L, R))
            return L;
    }
    fail_msg("%s: no problem found on which mistakes would show", problem_name(&problem->kind));
    return 0;
}

/* ---- Comparing ------------------------------------------------------------------------------------------------------- */

/* Of a component and the difference that it should equal: at most 1 if it does. */
static double error_in_bounds(struct difference difference, double component)
{
    return fabs(difference.value - component) / difference.bound;
}

/* What was compared, printed at the end of a test. */
struct tally {
    size_t n_problems, n_components, n_zero;
    double largest_error; /* in bounds: below 1, or the test has failed */
    double least_mistake; /* in bounds: above 1, or the test has failed */
};

static void check_component(const struct subject *subject, const struct problem *problem, size_t k, struct difference R,
                            struct tally *tally)
{
    const bool zero = is_zero(subject, problem, k);
    const double right = component(subject, k), size = zero ? largest_component(subject) : right;
    const double error = error_in_bounds(R, right), made_wrong = error_in_bounds(R, right + mistake * size);

    if (!(error <= 1))
        fail_msg("%s: component %zu of %zu + %zu is %.12g, the loss says %.12g within %.2g", problem_name(&problem->kind),
                 k, problem->n_params, problem->n_X, right, R.value, R.bound);
    if (!(made_wrong > 1))
        fail_msg("%s: a mistake of 1e-4 in component %zu, %.12g, would not be seen: the bound is %.2g",
                 problem_name(&problem->kind), k, right, R.bound);
    tally->n_components++;
    tally->n_zero += zero;
    tally->largest_error = fmax(tally->largest_error, error);
    tally->least_mistake = fmin(tally->least_mistake, made_wrong);
}

static void check_problem(const struct problem_kind *kind, uint64_t seed, struct tally *tally)
{
    struct problem problem;
    struct subject subject;
    problem_init(&problem, kind);
    subject_init(&subject, kind);

    struct difference *R = calloc(count_components(&subject), sizeof *R);
    assert_non_null(R);
    const double L = draw(&problem, &subject, seed, R);
    assert_close(L, naive_loss(&problem), 1e-12 * (L + 1));
    for (size_t k = 0; k < count_components(&subject); k++)
        check_component(&subject, &problem, k, R[k], tally);
    tally->n_problems++;

    free(R);
    subject_free(&subject);
    problem_free(&problem);
}

/* ---- Which problems -------------------------------------------------------------------------------------------------- */

/* Every hidden activation meets every output and its losses, in one problem each, or in every n-th pair of them. All else
 * is drawn. */
static const struct shape {
    size_t n_in, n_layers, units[PROBLEM_LAYERS], batch, every;
} shapes[] = {
    { 1, 1, { 1 }, 1, 1 },
    { 3, 1, { 2 }, 5, 1 },
    { 7, 1, { 17 }, 4, 1 },
    { 17, 1, { 7 }, 33, 2 },
    { 1, 2, { 1, 1 }, 1, 2 },
    { 2, 2, { 3, 2 }, 5, 1 },
    { 3, 2, { 7, 2 }, 2, 2 },
    { 3, 2, { 5, 3 }, 7, 1 },
    { 7, 2, { 17, 3 }, 33, 37 },
    { 2, 3, { 3, 2, 3 }, 5, 3 },
    { 1, 3, { 2, 1, 1 }, 2, 3 },
    { 7, 3, { 17, 7, 3 }, 5, 37 },
    { 2, 3, { 3, 7, 2 }, 17, 13 },
    { 2, 5, { 1, 2, 1, 2, 1 }, 2, 7 },
    { 3, 5, { 3, 4, 7, 4, 3 }, 6, 7 },
    { 7, 5, { 17, 17, 17, 17, 17 }, 33, 463 },
};

/* By the number of layers. 0 is the default; below 0 f is not monotonic, and only z tells on which side of the kink it is. */
static double parameter_of(size_t n_layers)
{
    static const double by_layers[PROBLEM_LAYERS + 1] = { [1] = 0.25, [2] = 0, [3] = -0.5, [5] = 0.5 };
    return by_layers[n_layers];
}

/* Of 2 a layer normalization makes 1 and -1 whatever they are, but for epsilon, and of a single unit 0. A batch
 * normalization does the same to 2 rows. */
static bool is_narrow(const struct problem_kind *kind)
{
    size_t least = kind->batch < kind->n_in ? kind->batch : kind->n_in;
    for (size_t l = 0; l < kind->n_layers; l++)
        least = kind->units[l] < least ? kind->units[l] : least;
    return least < 3;
}

/* Many layers of one and two units would divide by less and less: they go without. */
static int draw_normalization(bp_rng *rng, const struct shape *shape)
{
    const int normalization = (int)bp_rng_below(rng, PROBLEM_NORMALIZATIONS);
    if (shape->n_layers == PROBLEM_LAYERS && shape->units[0] == 1)
        return BP_NO_NORMALIZATION;
    return normalization == BP_BATCH_NORMALIZATION && shape->batch < 2 ? BP_LAYER_NORMALIZATION : normalization;
}

static bool toss(bp_rng *rng)
{
    return bp_rng_below(rng, 2) == 1;
}

/* For what only few losses have. */
static bool toss_or_toss(bp_rng *rng)
{
    return toss(rng) || toss(rng);
}

/* A softmax of one unit is the constant 1, a layer normalization of one the constant 0: below it nothing has a gradient
 * (for the softmax there is a test of its own). They get two. */
static size_t units_of(size_t units, int activation, int normalization)
{
    return units == 1 && (activation == BP_SOFTMAX || normalization == BP_LAYER_NORMALIZATION) ? 2 : units;
}

/* Whether outputs stand still at 0 or 1 and the loss may have a kink there, the target being 0 or 1: no labels for them. */
static bool rests_on_kinks(struct problem_ending ending)
{
    const bool rests = ending.output == BP_RELU || ending.output == BP_HARD_SIGMOID || ending.output == BP_HARD_TANH;
    return rests && (ending.loss == BP_MAE || ending.loss == BP_QUANTILE || ending.loss == BP_HUBER);
}

/* What an activation, its ending and a shape leave open is drawn, `turn` being the seed. */
static struct problem_kind kind_of(const struct shape *shape, int hidden, struct problem_ending ending, uint64_t turn)
{
    bp_rng rng;
    bp_rng_init(&rng, turn);
    struct problem_kind kind = { .n_in = shape->n_in,
                                 .n_layers = shape->n_layers,
                                 .batch = shape->batch,
                                 .hidden = hidden,
                                 .output = ending.output,
                                 .parameter = parameter_of(shape->n_layers),
                                 .hidden_normalization = draw_normalization(&rng, shape),
                                 .output_normalization = draw_normalization(&rng, shape),
                                 .no_bias = toss(&rng),
                                 .loss = ending.loss,
                                 .reduction = toss(&rng) ? BP_REDUCE_SUM : BP_REDUCE_MEAN,
                                 .loss_parameter = toss(&rng) ? 0.75 : 0,
                                 .label_smoothing = toss_or_toss(&rng) ? 0.125 : 0,
                                 .class_weights = toss_or_toss(&rng),
                                 .labels = toss(&rng) && !rests_on_kinks(ending),
                                 .weighted = toss(&rng),
                                 .clearance = 10 * step };
    for (size_t l = 0; l < shape->n_layers; l++)
        kind.units[l] = l + 1 < shape->n_layers ? units_of(shape->units[l], hidden, kind.hidden_normalization)
                                                : units_of(shape->units[l], ending.output, kind.output_normalization);
    kind.dropout = toss(&rng) && shape->units[0] >= 3 ? 0.25 : 0;
    kind.epsilon = is_narrow(&kind) || toss(&rng) ? 0.25 : 0;
    return kind;
}

/* The problems of a shape, one after the other: each hidden activation with each output and its losses. One layer has no
 * hidden activation to choose; there it only counts. Returns false past the last one. */
static bool kind_number(const struct shape *shape, size_t number, struct problem_kind *kind, uint64_t *turn)
{
    struct problem_ending endings[PROBLEM_ENDINGS];
    const size_t n_endings = problem_endings(endings), pair = number * shape->every;
    if (pair >= (shape->n_layers > 1 ? BP_N_ACTIVATIONS : 4) * n_endings)
        return false;
    *turn = (uint64_t)(shape - shapes) << 16 | pair;
    *kind = kind_of(shape, (int)(pair / n_endings), endings[pair % n_endings], *turn);
    return true;
}

/* With TEST_QUICK one problem in ten, and the widest shapes not at all. */
static void check_shape(const struct shape *shape, struct tally *tally)
{
    const bool quick = getenv("TEST_QUICK") != NULL;
    struct problem_kind kind;
    uint64_t turn;
    for (size_t i = 0; !(quick && shape->every > 13) && kind_number(shape, i, &kind, &turn); i += quick ? 10 : 1)
        check_problem(&kind, turn, tally);
}

static void print_tally(const struct tally *tally)
{
    print_message(
        "%zu problems, %zu components (%zu of them 0): largest error %.2g of its bound, least mistake %.2g times\n",
        tally->n_problems, tally->n_components, tally->n_zero, tally->largest_error, tally->least_mistake);
}

static void check_layers(size_t n_layers)
{
    struct tally tally = { .least_mistake = INFINITY };
    for (size_t i = 0; i < COUNT(shapes); i++) {
        if (shapes[i].n_layers == n_layers)
            check_shape(&shapes[i], &tally);
    }
    print_tally(&tally);
}

static void gradients_of_one_layer_meet_differences_and_mistakes_do_not(void **state)
{
    (void)state;
    check_layers(1);
}

static void gradients_of_two_layers_meet_differences_and_mistakes_do_not(void **state)
{
    (void)state;
    check_layers(2);
}

static void gradients_of_three_layers_meet_differences_and_mistakes_do_not(void **state)
{
    (void)state;
    check_layers(3);
}

static void gradients_of_five_layers_meet_differences_and_mistakes_do_not(void **state)
{
    (void)state;
    check_layers(5);
}

/* ---- What they cover ------------------------------------------------------------------------------------------------- */

enum setting {
    HIDDEN,
    OUTPUT,
    LOSS,
    HIDDEN_NORMALIZATION,
    OUTPUT_NORMALIZATION,
    REDUCTION,
    SAMPLE_WEIGHTS,
    CLASS_WEIGHTS,
    SMOOTHING,
    LABELS,
    NO_BIAS,
    DROPOUT,
    N_SETTINGS
};

static const size_t n_values[N_SETTINGS] = {
    BP_N_ACTIVATIONS, BP_N_ACTIVATIONS, BP_N_LOSSES, PROBLEM_NORMALIZATIONS, PROBLEM_NORMALIZATIONS, 2, 2, 2, 2, 2, 2, 2
};

static void settings_of(const struct problem_kind *kind, size_t values[N_SETTINGS])
{
    values[HIDDEN] = (size_t)kind->hidden;
    values[OUTPUT] = (size_t)kind->output;
    values[LOSS] = (size_t)kind->loss;
    values[HIDDEN_NORMALIZATION] = (size_t)kind->hidden_normalization;
    values[OUTPUT_NORMALIZATION] = (size_t)kind->output_normalization;
    values[REDUCTION] = kind->reduction == BP_REDUCE_SUM;
    values[SAMPLE_WEIGHTS] = kind->weighted;
    values[CLASS_WEIGHTS] = problem_has_class_weights(kind);
    values[SMOOTHING] = problem_label_smoothing(kind) > 0;
    values[LABELS] = kind->labels;
    values[NO_BIAS] = kind->no_bias;
    values[DROPOUT] = kind->dropout > 0;
}

static bool is_ending(size_t output, size_t loss)
{
    struct problem_ending endings[PROBLEM_ENDINGS];
    const size_t n_endings = problem_endings(endings);
    for (size_t i = 0; i < n_endings; i++)
        if ((size_t)endings[i].output == output && (size_t)endings[i].loss == loss)
            return true;
    return false;
}

/* Whether a problem can have these two, a being the setting before b. The widest shapes aside, rests_on_kinks() and the
 * losses that need an output of their own are all that stands in the way. */
static bool go_together(enum setting a, size_t value_of_a, enum setting b, size_t value_of_b)
{
    if (a == OUTPUT && b == LOSS)
        return is_ending(value_of_a, value_of_b);
    if (b == CLASS_WEIGHTS || b == SMOOTHING) {
        const bool fits = (a == LOSS && value_of_a == BP_CROSS_ENTROPY) || (a == OUTPUT && value_of_a == BP_SOFTMAX);
        return value_of_b == 0 || fits || (a != LOSS && a != OUTPUT);
    }
    return true;
}

typedef bool pairs_seen[N_SETTINGS][N_SETTINGS][BP_N_ACTIVATIONS][BP_N_ACTIVATIONS];

static void look_at_shape(const struct shape *shape, pairs_seen seen)
{
    struct problem_kind kind;
    uint64_t turn;
    for (size_t i = 0; kind_number(shape, i, &kind, &turn); i++) {
        size_t values[N_SETTINGS];
        settings_of(&kind, values);
        for (size_t a = 0; a < N_SETTINGS; a++)
            for (size_t b = a + 1; b < N_SETTINGS; b++)
                seen[a][b][values[a]][values[b]] = true;
    }
}

/* Drawing leaves nothing to luck: the draws are always the same, and here is what came of them. */
static void each_pair_of_settings_occurs_in_some_network_with_hidden_layers(void **state)
{
    (void)state;
    static pairs_seen seen;
    size_t n_pairs = 0;
    for (size_t i = 0; i < COUNT(shapes); i++)
        if (shapes[i].n_layers > 1)
            look_at_shape(&shapes[i], seen);
    for (enum setting a = 0; a < N_SETTINGS; a++)
        for (enum setting b = a + 1; b < N_SETTINGS; b++)
            for (size_t i = 0; i < n_values[a]; i++)
                for (size_t j = 0; j < n_values[b]; j++, n_pairs++)
                    if (go_together(a, i, b, j) && !seen[a][b][i][j])
                        fail_msg("no problem has setting %d = %zu with setting %d = %zu", (int)a, i, (int)b, j);
    print_message("%zu pairs\n", n_pairs);
}

/* ---- The classic sign ------------------------------------------------------------------------------------------------ */

static double max_gradient_error(struct subject *subject, double h, double wrong_by)
{
    double largest = 0;
    for (size_t k = 0; k < count_components(subject); k++) {
        const double gradient = component(subject, k) * (1 + wrong_by);
        largest = fmax(largest, fabs(central_difference(subject, variable(subject, k), h) - gradient));
    }
    return largest;
}

/* A central difference is wrong by c h^2, so a right gradient sees a quarter of the error at h / 2. A wrong gradient leaves
 * an error that does not shrink at all. */
static void gradient_error_quarters_when_the_step_halves(void **state)
{
    (void)state;
    const struct problem_kind kind = usual_kind(BP_TANH, BP_SIGMOID, BP_SQUARED_ERROR);
    struct problem problem;
    struct subject subject;
    problem_init(&problem, &kind);
    subject_init(&subject, &kind);
    assert_true(problem_draw(&problem, 1));
    subject_load(&subject, &problem);
    (void)subject_gradient(&subject);

    const double coarse = max_gradient_error(&subject, 0x1p-6, 0), fine = max_gradient_error(&subject, 0x1p-7, 0);
    assert_close(coarse / fine, 4, 0.1);
    const double coarse_if_wrong = max_gradient_error(&subject, 0x1p-6, 0.01);
    const double fine_if_wrong = max_gradient_error(&subject, 0x1p-7, 0.01);
    assert_true(coarse_if_wrong / fine_if_wrong < 2);

    subject_free(&subject);
    problem_free(&problem);
}

#else

/* ---- Single precision ------------------------------------------------------------------------------------------------ */

static struct difference difference(struct subject *subject, bp_real *p, double L)
{
    const double h = step, coarse = central_difference(subject, p, h), fine = central_difference(subject, p, h / 2);
    return (struct difference){ .value = extrapolated(coarse, fine),
                                .bound = 4 * h * h * fabs(fine - coarse) + rounding_of_difference(L) };
}

static void check_coarsely(const struct problem_kind *kind, uint64_t seed)
{
    struct problem problem;
    struct subject subject;
    problem_init(&problem, kind);
    subject_init(&subject, kind);
    while (!problem_draw(&problem, seed))
        seed++;
    subject_load(&subject, &problem);

    const double L = (double)subject_gradient(&subject);
    assert_close(L, naive_loss(&problem), 100 * eps * (L + 1));
    for (size_t k = 0; k < count_components(&subject); k++) {
        const struct difference R = difference(&subject, variable(&subject, k), L);
        assert_close(component(&subject, k), R.value, R.bound);
    }
    subject_free(&subject);
    problem_free(&problem);
}

/* All smooth activations, one shape. 10 h is too far from a kink for a whole batch to keep away from it. The bound is some
 * 4e-4 of the loss: a missing factor shows, a mistake of one in a thousand does not. */
static void gradients_are_near_differences_of_the_loss(void **state)
{
    (void)state;
    struct problem_ending endings[PROBLEM_ENDINGS];
    const size_t n_endings = problem_endings(endings);
    for (int hidden = 0; hidden < BP_N_ACTIVATIONS; hidden++)
        for (size_t i = 0; i < n_endings; i++) {
            const struct problem_kind kind = { .n_in = 3,
                                               .n_layers = 2,
                                               .units = { 7, 2 },
                                               .batch = 5,
                                               .hidden = hidden,
                                               .output = endings[i].output,
                                               .loss = endings[i].loss };
            if (bpi_activation((bp_activation)hidden)->piece == NULL &&
                bpi_activation((bp_activation)endings[i].output)->piece == NULL &&
                bpi_loss((bp_loss_kind)endings[i].loss)->piece == NULL)
                check_coarsely(&kind, 1000 * i);
        }
}

#endif

/* ---- Ways to ask for a gradient, in both precisions ------------------------------------------------------------------ */

/* A problem with its gradient taken, and a second place to put one. */
struct fixture {
    struct problem problem;
    struct subject subject;
    bp_real *grad, *dX;
};

static void set_up(struct fixture *f, const struct problem_kind *kind)
{
    problem_init(&f->problem, kind);
    subject_init(&f->subject, kind);
    uint64_t seed = 1;
    while (!problem_draw(&f->problem, seed))
        seed++;
    subject_load(&f->subject, &f->problem);
    (void)subject_gradient(&f->subject);
    f->grad = calloc(f->subject.n_params, sizeof(bp_real));
    f->dX = calloc(f->subject.n_X, sizeof(bp_real));
    assert_non_null(f->grad);
    assert_non_null(f->dX);
}

static void tear_down(struct fixture *f)
{
    free(f->grad);
    free(f->dX);
    subject_free(&f->subject);
    problem_free(&f->problem);
}

static void backward(struct fixture *f, const bp_real *dY, bp_real *grad, bp_real *dX, bp_write write)
{
    assert_int_equal(bp_network_backward(&f->subject.net, &f->subject.ws, dY, grad, dX, write), BP_OK);
}

static void assert_same_bits(const bp_real *a, const bp_real *b, size_t n)
{
    assert_memory_equal(a, b, n * sizeof *a);
}

static void assert_same_gradient(const struct fixture *f)
{
    assert_same_bits(f->grad, f->subject.grad, f->subject.n_params);
    assert_same_bits(f->dX, f->subject.dX, f->subject.n_X);
}

/* The gradient of sum 1/2 (y - t)^2 for y is y - t without a rounding of its own, so the two ways are the same to the bit. */
static void gradient_from_dY_of_the_squared_error_is_that_from_the_loss(void **state)
{
    (void)state;
    for (int output = 0; output < BP_N_ACTIVATIONS; output++) {
        struct problem_kind kind = usual_kind(BP_TANH, output, BP_SQUARED_ERROR);
        kind.reduction = BP_REDUCE_SUM;
        struct fixture f;
        set_up(&f, &kind);

        bp_real dY[10];
        assert_true(f.subject.batch * f.subject.n_out == COUNT(dY));
        for (size_t k = 0; k < COUNT(dY); k++)
            dY[k] = f.subject.ws.Y[k] - f.subject.values[k];
        backward(&f, dY, f.grad, f.dX, BP_OVERWRITE);
        assert_same_gradient(&f);
        tear_down(&f);
    }
}

static double dY_of_cross_entropies(const struct fixture *f, size_t k)
{
    const double y = (double)f->subject.ws.Y[k], t = (double)f->subject.values[k];
    const double dy = f->problem.kind.loss == BP_CROSS_ENTROPY ? -t / y : (y - t) / (y * (1 - y));
    return dy / (double)f->subject.batch;
}

/* Where an output is well inside (0, 1), the long way round through dY is right too; only the rounding differs. */
static void gradient_from_dY_of_a_fused_loss_is_near_that_from_the_loss(void **state)
{
    (void)state;
    static const struct problem_ending fused[] = { { BP_SIGMOID, BP_BINARY_CROSS_ENTROPY },
                                                   { BP_SOFTMAX, BP_CROSS_ENTROPY } };
    for (size_t i = 0; i < COUNT(fused); i++) {
        const struct problem_kind kind = usual_kind(BP_RELU, fused[i].output, fused[i].loss);
        struct fixture f;
        set_up(&f, &kind);

        bp_real dY[10];
        for (size_t k = 0; k < COUNT(dY); k++)
            dY[k] = (bp_real)dY_of_cross_entropies(&f, k);
        backward(&f, dY, f.grad, f.dX, BP_OVERWRITE);
        const double bound = 100 * eps * largest_component(&f.subject);
        for (size_t k = 0; k < f.subject.n_params; k++)
            assert_close((double)f.grad[k], (double)f.subject.grad[k], bound);
        for (size_t k = 0; k < f.subject.n_X; k++)
            assert_close((double)f.dX[k], (double)f.subject.dX[k], bound);
        tear_down(&f);
    }
}

static void each_of_grad_and_dX_is_the_same_without_the_other(void **state)
{
    (void)state;
    for (int hidden = 0; hidden < BP_N_ACTIVATIONS; hidden++) {
        const struct problem_kind kind = usual_kind(hidden, BP_SIGMOID, BP_BINARY_CROSS_ENTROPY);
        struct fixture f;
        set_up(&f, &kind);
        backward(&f, NULL, f.grad, NULL, BP_OVERWRITE);
        backward(&f, NULL, NULL, NULL, BP_OVERWRITE);
        backward(&f, NULL, NULL, f.dX, BP_OVERWRITE);
        assert_same_gradient(&f);
        tear_down(&f);
    }
}

static void backward_gives_the_same_bits_again(void **state)
{
    (void)state;
    for (int hidden = 0; hidden < BP_N_ACTIVATIONS; hidden++) {
        const struct problem_kind kind = usual_kind(hidden, hidden, BP_SQUARED_ERROR);
        struct fixture f;
        set_up(&f, &kind);
        backward(&f, NULL, f.grad, f.dX, BP_OVERWRITE);
        assert_same_gradient(&f);
        (void)subject_gradient(&f.subject); /* forward and loss again, too */
        assert_same_gradient(&f);
        tear_down(&f);
    }
}

/* What lies in the arrays before does not matter, not even where 0 times it is no number. */
static void overwriting_forgets_what_was_there(void **state)
{
    (void)state;
    const struct problem_kind kind = usual_kind(BP_TANH, BP_SOFTMAX, BP_CROSS_ENTROPY);
    struct fixture f;
    set_up(&f, &kind);
    for (size_t k = 0; k < f.subject.n_params; k++)
        f.grad[k] = (bp_real)NAN;
    for (size_t k = 0; k < f.subject.n_X; k++)
        f.dX[k] = (bp_real)INFINITY;
    backward(&f, NULL, f.grad, f.dX, BP_OVERWRITE);
    assert_same_gradient(&f);
    tear_down(&f);
}

/* One rounding more than the gradient alone, or as many as a sum over the batch that starts from what is there. */
static void accumulating_adds_to_what_is_there(void **state)
{
    (void)state;
    const struct problem_kind kind = usual_kind(BP_LEAKY_RELU, BP_IDENTITY, BP_SQUARED_ERROR);
    struct fixture f;
    set_up(&f, &kind);
    for (size_t k = 0; k < f.subject.n_params; k++)
        f.grad[k] = (bp_real)k;
    for (size_t k = 0; k < f.subject.n_X; k++)
        f.dX[k] = -(bp_real)k;
    backward(&f, NULL, f.grad, f.dX, BP_ACCUMULATE);

    const double roundings = 20 * eps, largest = largest_component(&f.subject);
    for (size_t k = 0; k < f.subject.n_params; k++)
        assert_close((double)f.grad[k], (double)k + (double)f.subject.grad[k], roundings * ((double)k + largest));
    for (size_t k = 0; k < f.subject.n_X; k++)
        assert_close((double)f.dX[k], (double)f.subject.dX[k] - (double)k, roundings * ((double)k + largest));
    tear_down(&f);
}

/* Adds the gradient of n rows from `first` on, with their losses summed. */
static void accumulate_rows(struct fixture *f, size_t first, size_t n)
{
    struct subject *s = &f->subject;
    const bp_targets T = { .values = s->values + first * s->n_out };
    assert_int_equal(bp_network_forward(&s->net, &s->ws, s->X + first * s->net.n_in, n), BP_OK);
    assert_int_equal(bp_network_loss(&s->net, &s->ws, &s->loss, &T, NULL), BP_OK);
    backward(f, NULL, f->grad, f->dX + first * s->net.n_in, BP_ACCUMULATE);
}

static void batches_accumulated_equal_one_batch_of_all_their_rows(void **state)
{
    (void)state;
    struct problem_kind kind = usual_kind(BP_SIGMOID, BP_TANH, BP_SQUARED_ERROR);
    kind.reduction = BP_REDUCE_SUM;
    struct fixture f;
    set_up(&f, &kind);
    accumulate_rows(&f, 0, 2);
    accumulate_rows(&f, 2, 3);

    const double bound = 20 * eps * largest_component(&f.subject);
    for (size_t k = 0; k < f.subject.n_params; k++)
        assert_close((double)f.grad[k], (double)f.subject.grad[k], bound);
    for (size_t k = 0; k < f.subject.n_X; k++)
        assert_close((double)f.dX[k], (double)f.subject.dX[k], bound);
    tear_down(&f);
}

/* Takes the gradient of the first two rows in a workspace for `max_batch`, after `before` rows have gone through it. */
static void gradient_of_two_rows(struct fixture *f, size_t max_batch, size_t before, bp_real *grad, bp_real *dX)
{
    struct subject *s = &f->subject;
    bp_workspace ws;
    assert_int_equal(bp_workspace_init(&ws, &s->net, max_batch, BP_TRAINING), BP_OK);
    for (size_t pass = before > 0 ? 0 : 1; pass < 2; pass++) {
        assert_int_equal(bp_network_forward(&s->net, &ws, s->X, pass == 0 ? before : 2), BP_OK);
        assert_int_equal(bp_network_loss(&s->net, &ws, &s->loss, &s->T, NULL), BP_OK);
        assert_int_equal(bp_network_backward(&s->net, &ws, NULL, grad, dX, BP_OVERWRITE), BP_OK);
    }
    bp_workspace_free(&ws);
}

static void rows_of_a_larger_batch_before_leave_no_trace(void **state)
{
    (void)state;
    for (int hidden = 0; hidden < BP_N_ACTIVATIONS; hidden++) {
        const struct problem_kind kind = usual_kind(hidden, BP_SOFTMAX, BP_CROSS_ENTROPY);
        struct fixture f;
        set_up(&f, &kind);
        gradient_of_two_rows(&f, 2, 0, f.subject.grad, f.subject.dX);
        memcpy(f.dX, f.subject.dX, f.subject.n_X * sizeof(bp_real));
        gradient_of_two_rows(&f, 5, 5, f.grad, f.dX);
        assert_same_bits(f.grad, f.subject.grad, f.subject.n_params);
        assert_same_bits(f.dX, f.subject.dX, 2 * f.subject.net.n_in);
        tear_down(&f);
    }
}

/* It is the constant 1, whatever goes in: a (da - a da) with a = 1, without rounding. */
static void nothing_below_a_softmax_of_one_unit_has_a_gradient(void **state)
{
    (void)state;
    struct problem_kind kind = usual_kind(BP_SOFTMAX, BP_IDENTITY, BP_SQUARED_ERROR);
    kind.units[1] = 1;
    struct fixture f;
    set_up(&f, &kind);
    const size_t of_output = f.subject.net.parameters.segments[4].offset;
    for (size_t k = 0; k < f.subject.n_params; k++)
        assert_true((f.subject.grad[k] == (bp_real)0) == (k < of_output));
    for (size_t k = 0; k < f.subject.n_X; k++)
        assert_true(f.subject.dX[k] == (bp_real)0);
    tear_down(&f);
}

static void parameters_inputs_and_workspace_stay_as_they_are(void **state)
{
    (void)state;
    const struct problem_kind kind = usual_kind(BP_RELU, BP_SOFTMAX, BP_CROSS_ENTROPY);
    struct fixture f;
    set_up(&f, &kind);
    struct subject before;
    subject_init(&before, &kind);
    subject_load(&before, &f.problem);
    (void)subject_loss(&before); /* forward and loss, no backward */
    for (size_t l = 0; l < 3; l++) {
        const size_t n = f.subject.batch * kind.units[l];
        assert_same_bits(f.subject.ws.Z[l], before.ws.Z[l], n);
        assert_same_bits(f.subject.ws.A[l], before.ws.A[l], n);
    }
    assert_same_bits(f.subject.ws.dZ, before.ws.dZ, f.subject.batch * f.subject.n_out);
    assert_same_bits(f.subject.net.parameters.params, before.net.parameters.params, f.subject.n_params);
    assert_same_bits(f.subject.X, before.X, f.subject.n_X);
    subject_free(&before);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifndef BACKPROP_SINGLE
        cmocka_unit_test(gradients_of_one_layer_meet_differences_and_mistakes_do_not),
        cmocka_unit_test(gradients_of_two_layers_meet_differences_and_mistakes_do_not),
        cmocka_unit_test(gradients_of_three_layers_meet_differences_and_mistakes_do_not),
        cmocka_unit_test(gradients_of_five_layers_meet_differences_and_mistakes_do_not),
        cmocka_unit_test(each_pair_of_settings_occurs_in_some_network_with_hidden_layers),
        cmocka_unit_test(gradient_error_quarters_when_the_step_halves),
#else
        cmocka_unit_test(gradients_are_near_differences_of_the_loss),
#endif
        cmocka_unit_test(gradient_from_dY_of_the_squared_error_is_that_from_the_loss),
        cmocka_unit_test(gradient_from_dY_of_a_fused_loss_is_near_that_from_the_loss),
        cmocka_unit_test(each_of_grad_and_dX_is_the_same_without_the_other),
        cmocka_unit_test(backward_gives_the_same_bits_again),
        cmocka_unit_test(overwriting_forgets_what_was_there),
        cmocka_unit_test(accumulating_adds_to_what_is_there),
        cmocka_unit_test(batches_accumulated_equal_one_batch_of_all_their_rows),
        cmocka_unit_test(rows_of_a_larger_batch_before_leave_no_trace),
        cmocka_unit_test(nothing_below_a_softmax_of_one_unit_has_a_gradient),
        cmocka_unit_test(parameters_inputs_and_workspace_stay_as_they_are),
    };
    int n_failed = 0;
    AT_EACH_PATH (path)
        n_failed += cmocka_run_group_tests_name(name_of_path(path), tests, NULL, NULL);
    return n_failed;
}
