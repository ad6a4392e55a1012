// SPDX-License-Identifier: MIT
/*
 * bp_gradient_check(): small errors on right networks, what it does at kinks, where it says that the worst component is, and
 * how it fails. Whether the gradients themselves are right is test_gradients.c's affair.
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

#include "backprop/gradient_check.h"
#include "support/close.h"
#include "support/heap.h"
#include "support/levels.h"
#include "support/problem.h"
#include "support/refusal.h"
#include "support/subject.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Errors of a right gradient, for components not much smaller than the rest: in double far below the 1e-6 that
 * gradient_check.h speaks of; in single precision about the 1e-2 that it says, twice that for the
 * most curved (h^4 of three custom layers) and for steps made small beside kinks (eps |L| / h). And the step it begins with, eps^(1/5).
 * And how large, beside the loss, the largest component must be for that; and which part of it smaller ones are held to. */
#ifdef BACKPROP_SINGLE
static const double small = 2e-2, first_step = 0.04, alive = 0.05, scale_of_small = 1e-1;
#else
static const double small = 1e-8, first_step = 7e-4, alive = 0.05, scale_of_small = 1e-2;
#endif

/* ---- Fixture --------------------------------------------------------------------------------------------------------- */

/* Gives the subject a problem of its kind, the first one from `seed` on, and takes loss and gradient.
 * Returns the next seed. */
static uint64_t load(struct subject *subject, const struct problem_kind *kind, uint64_t seed)
{
    struct problem problem;
    problem_init(&problem, kind);
    while (!problem_draw(&problem, seed))
        seed++;
    subject_load(subject, &problem);
    (void)subject_gradient(subject);
    problem_free(&problem);
    return seed + 1;
}

static void set_up(struct subject *subject, const struct problem_kind *kind, uint64_t seed)
{
    subject_init(subject, kind);
    (void)load(subject, kind, seed);
}

static bp_gradient_check_report check(const struct subject *subject)
{
    bp_gradient_check_report report;
    memset(&report, 0xA5, sizeof report); /* nothing of it may be left */
    assert_int_equal(bp_gradient_check(&subject->net, &subject->loss, subject->X, &subject->T, subject->batch, &report),
                     BP_OK);
    return report;
}

static size_t count_components(const struct subject *subject)
{
    return subject->n_params + subject->n_X;
}

/* index, layer, kind, row and column must name the same component, whose gradient is `analytic`. */
static void assert_located(const struct subject *subject, const bp_gradient_check_report *report)
{
    if (report->in_input) {
        assert_true(report->index < subject->n_X);
        assert_int_equal(report->row * subject->net.n_in + report->column, report->index);
        assert_true(report->column < subject->net.n_in);
        assert_memory_equal(&report->analytic, &subject->dX[report->index], sizeof(bp_real));
        return;
    }
    const bp_segment *segment = bp_parameters_segment(&subject->net.parameters, report->index);
    assert_non_null(segment);
    assert_int_equal(report->layer, segment->layer);
    assert_int_equal(report->kind, segment->kind);
    const bp_layer *layer = &subject->net.layers[report->layer];
    const bp_real *array = report->kind == BP_WEIGHT ? layer->W : layer->b;
    const size_t columns = report->kind == BP_WEIGHT ? layer->n_in : layer->n_out;
    assert_true(report->column < columns);
    assert_ptr_equal(&array[report->row * columns + report->column], &subject->net.parameters.params[report->index]);
    assert_memory_equal(&report->analytic, &subject->grad[report->index], sizeof(bp_real));
}

/* The error is that of the two numbers beside it. The floor of 1e-8 times the largest only makes it smaller. */
static void assert_error_is_of_its_numbers(const bp_gradient_check_report *report)
{
    const double a = (double)report->analytic, n = (double)report->numeric, error = (double)report->max_relative_error;
    const double relative = fabs(a - n) / fmax(fabs(a), fabs(n));
    const double rounding = 2 * (double)BP_REAL_EPSILON; /* of `numeric`, kept as a bp_real */
    assert_true(error <= relative + rounding);
    assert_true(error >= 0);
}

/* ---- The step -------------------------------------------------------------------------------------------------------- */

/* Half the square of y, in which *user sees how far y strays from 0. */
static double watch(size_t n, const bp_real *y, const bp_real *t, void *user, bp_real *dy)
{
    (void)t;
    assert_int_equal(n, 1);
    double *farthest = user;
    *farthest = fmax(*farthest, fabs((double)y[0]));
    if (dy != NULL)
        dy[0] = y[0];
    return (double)y[0] * (double)y[0] / 2;
}

/*
 * y = w x + b with b = -w x is 0 but for what is added to one of the three. With a step of h max(1, |p|) for each, the farthest
 * is h times the largest of max(1, w) x, max(1, x) w and max(1, w x).
 */
static void the_step_is_the_fifth_root_of_eps_times_the_parameter_or_1_whichever_is_larger(void **state)
{
    (void)state;
    const double h = pow((double)BP_REAL_EPSILON, 0.2);
    const struct {
        double w, x, farthest;
    } cases[] = { { 0.0078125, 0.0078125, 1 }, { 0.0078125, 1, 1 }, { 1, 1, 1 }, { 2, 8, 16 }, { 64, 0.25, 64 } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const bp_real x = (bp_real)cases[i].x, t = 0;
        double farthest = 0;
        const bp_loss_function watching = { .name = "watch", .of_row = watch, .user = &farthest };
        bp_network net;
        assert_int_equal(
            bp_network_init(&net,
                            &(bp_network_config){ .n_in = 1, .n_layers = 1, .layers = &(bp_layer_config){ .n_out = 1 } }),
            BP_OK);
        net.layers[0].W[0] = (bp_real)cases[i].w;
        net.layers[0].b[0] = (bp_real)(-cases[i].w * cases[i].x);
        bp_gradient_check_report report;
        assert_int_equal(bp_gradient_check(&net, &(bp_loss){ .kind = BP_CUSTOM_LOSS, .custom = &watching }, &x,
                                           &(bp_targets){ .values = &t }, 1, &report),
                         BP_OK);
        assert_int_equal(report.n_checked, 3);
        assert_close(farthest, cases[i].farthest * h, 1e-3 * h + 100 * (double)BP_REAL_EPSILON);
        bp_network_free(&net);
    }
}

/* ---- Right networks -------------------------------------------------------------------------------------------------- */

static struct problem_kind kind_of(int hidden, struct problem_ending ending, unsigned setting)
{
    return (struct problem_kind){ .n_in = 3,
                                  .n_layers = 3,
                                  .units = { 4, 5, 2 },
                                  .batch = 3,
                                  .hidden = hidden,
                                  .output = ending.output,
                                  .loss = ending.loss,
                                  .reduction = setting & 1 ? BP_REDUCE_SUM : BP_REDUCE_MEAN,
                                  .weighted = setting & 2,
                                  .labels = setting & 4 };
}

static double largest_component(const struct subject *subject)
{
    double largest = 0;
    for (size_t k = 0; k < subject->n_params; k++)
        largest = fmax(largest, fabs((double)subject->grad[k]));
    return largest;
}

/*
 * Units that are dead or deep in saturation leave a gradient in which nothing can be seen: a difference has the rounding of L
 * over h, eps |L| / h, in it. Then the next seed is taken.
 */
static void set_up_alive(struct subject *subject, const struct problem_kind *kind)
{
    subject_init(subject, kind);
    uint64_t seed = load(subject, kind, 1);
    for (int tries = 1; largest_component(subject) < alive * fmax(fabs((double)subject_loss(subject)), 1); tries++) {
        if (tries == 1000)
            fail_msg("%s: no seed gives a gradient", problem_name(kind));
        seed = load(subject, kind, seed);
    }
}

/* Components much smaller than the rest are lost in the rounding of L; they are held to the scale of the larger ones. */
static double error_in_scale(const struct subject *subject, const bp_gradient_check_report *report)
{
    const double scale = scale_of_small * largest_component(subject);
    return fabs((double)report->analytic - (double)report->numeric) / fmax(fabs((double)report->analytic), scale);
}

static void right_gradients_have_small_errors(void **state)
{
    (void)state;
    struct problem_ending endings[PROBLEM_ENDINGS];
    const size_t n_endings = problem_endings(endings);
    unsigned setting = 0;
    for (int hidden = 0; hidden < BP_N_ACTIVATIONS; hidden++)
        for (size_t i = 0; i < n_endings; i++, setting++) {
            const struct problem_kind kind = kind_of(hidden, endings[i], setting);
            struct subject subject;
            set_up_alive(&subject, &kind);
            const bp_gradient_check_report report = check(&subject);
            assert_int_equal(report.n_checked + report.n_at_kink, count_components(&subject));
            assert_int_equal(report.n_at_kink, 0);
            assert_close(error_in_scale(&subject, &report), 0, small);
            assert_error_is_of_its_numbers(&report);
            assert_located(&subject, &report);
            subject_free(&subject);
        }
}

/* Its gradient is exactly 0, and so is every difference: nothing differs. */
static void a_loss_that_is_constant_has_no_error(void **state)
{
    (void)state;
    const struct problem_kind kind = { .n_in = 2, .n_layers = 1, .units = { 1 }, .batch = 2, .output = BP_SOFTMAX };
    struct subject subject;
    (void)set_up(&subject, &kind, 1);
    const bp_gradient_check_report report = check(&subject);
    assert_close((double)report.max_relative_error, 0, 0);
    assert_int_equal(report.n_checked, count_components(&subject));
    subject_free(&subject);
}

/* ---- Kinks ----------------------------------------------------------------------------------------------------------- */

/* One input, two hidden units, one output. The first hidden unit has z = distance, the second is far from 0. */
static bp_gradient_check_report check_beside_kink(bp_activation activation, double distance)
{
    const bp_layer_config layers[] = { { .n_out = 2, .activation = activation }, { .n_out = 1 } };
    bp_network net;
    assert_int_equal(bp_network_init(&net, &(bp_network_config){ .n_in = 1, .n_layers = 2, .layers = layers }), BP_OK);
    const double params[] = { 1, 2, -0.5 + distance, 1, 0.75, -1.5, 0.25 };
    assert_int_equal(net.parameters.n_params, COUNT(params));
    for (size_t k = 0; k < COUNT(params); k++)
        net.parameters.params[k] = (bp_real)params[k];

    const bp_real x = (bp_real)0.5, t = (bp_real)1.5;
    bp_gradient_check_report report;
    assert_int_equal(bp_gradient_check(&net, &(bp_loss){ 0 }, &x, &(bp_targets){ .values = &t }, 1, &report), BP_OK);
    bp_network_free(&net);
    return report;
}

static const bp_activation with_kink[] = { BP_RELU, BP_LEAKY_RELU };

/* Weight and bias of the unit, and the input, which goes through it. The other five move nothing across a kink. */
static void components_at_a_kink_are_left_out_and_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(with_kink); i++) {
        const bp_gradient_check_report report = check_beside_kink(with_kink[i], 0);
        assert_int_equal(report.n_at_kink, 3);
        assert_int_equal(report.n_checked, 5);
        assert_true((double)report.max_relative_error < small);
    }
}

static void components_closer_to_a_kink_than_any_step_are_left_out_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(with_kink); i++)
        for (int side = -1; side <= 1; side += 2) {
            const bp_gradient_check_report report = check_beside_kink(with_kink[i], side * first_step / 1000);
            assert_int_equal(report.n_at_kink, 3);
            assert_int_equal(report.n_checked, 5);
        }
}

/* The step is made smaller, so rounding counts for more: up to 2^6 times. A difference across the kink would be wrong by half
 * of what the kink changes, which is more than 1 here. The output weight of the unit has a tiny gradient, so what the worst
 * component is off by is compared as it is. */
static void components_near_to_a_kink_are_checked_with_a_smaller_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(with_kink); i++)
        for (int side = -1; side <= 1; side += 2) {
            const bp_gradient_check_report report = check_beside_kink(with_kink[i], side * first_step / 10);
            assert_int_equal(report.n_at_kink, 0);
            assert_int_equal(report.n_checked, 8);
            assert_close((double)report.numeric, (double)report.analytic, 64 * small);
        }
}

/* ---- Where the worst component is ------------------------------------------------------------------------------------ */

/*
 * No call makes a gradient wrong from outside, but one can make a component hard to tell: what rounding does to R is of the
 * size eps |L| / h for all components, so one whose gradient is much smaller than all the others has by far the largest
 * relative error. With identities everywhere L is a square, on which R has no other error.
 */
#ifdef BACKPROP_SINGLE
#define TINY 1e-3
#else
#define TINY 1e-5
#endif

struct hard_case {
    size_t units, batch; /* two inputs, `units` hidden ones, one output */
    double X[4], T[2];
    double params[9];
    bool in_input; /* where the smallest component is, from here on */
    size_t index, layer;
    bp_segment_kind kind;
    size_t row, column;
};

static const struct hard_case hard_cases[] = {
    /* dW[0][1] of layer 0 = dZ x_1, x_1 tiny */
    { 1, 1, { 0.7, TINY }, { 3.1 }, { 0.9, 1.1, 0.3, 1.3, 0.2 }, false, 1, 0, BP_WEIGHT, 0, 1 },
    /* dW[0][1] of layer 1 = dZ a_1, a_1 = 0.8 * 0.7 - 0.6 * 0.4 + b_1 tiny */
    { 2,
      1,
      { 0.7, 0.4 },
      { 3.1 },
      { 0.9, 1.1, 0.8, -0.6, 0.3, -0.32 + TINY, 1.3, 0.7, 0.2 },
      false,
      7,
      1,
      BP_WEIGHT,
      0,
      1 },
    /* db of layer 1 = the sum of two errors, 100 and -100.01; what is below gets it times W = 1000 */
    { 1,
      2,
      { 0.7, 0.3, -0.4, -0.6 },
      { 1260.2 - 100, -720.0 + 0.2 + 100.01 },
      { 0.9, 1.1, 0.3, 1000, 0.2 },
      false,
      4,
      1,
      BP_BIAS,
      0,
      0 },
    /* dX[0][1] = dZ W[0][1], W[0][1] tiny, and the first of the two errors 0.02 */
    { 1,
      2,
      { 0.7, 0.4, 0.6, -0.3 },
      { 0.9 * 0.7 * 1.3 + 0.3 * 1.3 + 0.2 - 0.02, 4 },
      { 0.9, TINY, 0.3, 1.3, 0.2 },
      true,
      1,
      0,
      BP_WEIGHT,
      0,
      1 },
};

static void load_hard_case(struct subject *subject, const struct hard_case *hard)
{
    for (size_t k = 0; k < subject->n_params; k++)
        subject->net.parameters.params[k] = (bp_real)hard->params[k];
    for (size_t k = 0; k < subject->n_X; k++)
        subject->X[k] = (bp_real)hard->X[k];
    for (size_t k = 0; k < subject->batch; k++)
        subject->values[k] = (bp_real)hard->T[k];
    (void)subject_gradient(subject);
}

static void the_component_hardest_to_tell_is_found_and_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(hard_cases); i++) {
        const struct hard_case *hard = &hard_cases[i];
        const struct problem_kind kind = {
            .n_in = 2, .n_layers = 2, .units = { hard->units, 1 }, .batch = hard->batch, .reduction = BP_REDUCE_SUM
        };
        struct subject subject;
        subject_init(&subject, &kind);
        load_hard_case(&subject, hard);
        const bp_gradient_check_report report = check(&subject);
        assert_true(report.max_relative_error > (bp_real)0);
        assert_int_equal(report.in_input, hard->in_input);
        assert_int_equal(report.index, hard->index);
        if (!hard->in_input) {
            assert_int_equal(report.layer, hard->layer);
            assert_int_equal(report.kind, hard->kind);
        }
        assert_int_equal(report.row, hard->row);
        assert_int_equal(report.column, hard->column);
        assert_located(&subject, &report);
        assert_error_is_of_its_numbers(&report);
        subject_free(&subject);
    }
}

/* Over many networks the worst component lies everywhere, and each time all fields name the same one. */
static void all_fields_of_the_report_name_the_same_component(void **state)
{
    (void)state;
    const struct problem_kind kind = kind_of(BP_TANH, (struct problem_ending){ BP_IDENTITY, BP_SQUARED_ERROR }, 0);
    const uint64_t n_networks = getenv("TEST_QUICK") != NULL ? 40 : 300;
    size_t n_inputs = 0, n_weights = 0, n_biases = 0;
    struct subject subject;
    subject_init(&subject, &kind);
    for (uint64_t i = 0; i < n_networks; i++) {
        (void)load(&subject, &kind, 100 * i);
        const bp_gradient_check_report report = check(&subject);
        assert_located(&subject, &report);
        n_inputs += report.in_input;
        n_weights += !report.in_input && report.kind == BP_WEIGHT;
        n_biases += !report.in_input && report.kind == BP_BIAS;
    }
    assert_true(n_inputs > 0 && n_weights > 0 && n_biases > 0);
    subject_free(&subject);
}

/* Where 0 times infinity comes up on the way down though the loss is finite: behind a saturated unit, an error times a weight
 * that overflows. No relative error can be told, so the largest number stands for it. */
static void a_component_that_is_no_number_is_the_worst(void **state)
{
    (void)state;
    const struct problem_kind kind = { .n_in = 1, .n_layers = 2, .units = { 1, 1 }, .batch = 1, .hidden = BP_TANH };
    const bool is_single = sizeof(bp_real) == sizeof(float);
    const bp_real weight = (bp_real)(is_single ? 1e20 : 1e156), error = (bp_real)(is_single ? 1e19 : 1e153);
    struct subject subject;
    subject_init(&subject, &kind);
    subject.X[0] = (bp_real)1;
    subject.net.layers[0].b[0] = (bp_real)1000;
    subject.net.layers[1].W[0] = weight;
    subject.values[0] = weight - error;
    (void)subject_gradient(&subject);
    assert_true(isnan(subject.grad[0]));

    const bp_gradient_check_report report = check(&subject);
    assert_true(report.max_relative_error == BP_REAL_MAX);
    assert_true(isnan(report.analytic) && report.numeric == (bp_real)0);
    assert_int_equal(report.index, 0);
    subject_free(&subject);
}

/* ---- What it leaves alone -------------------------------------------------------------------------------------------- */

static void the_network_and_the_data_are_not_changed(void **state)
{
    (void)state;
    const struct problem_kind kind = kind_of(BP_RELU, (struct problem_ending){ BP_SOFTMAX, BP_CROSS_ENTROPY }, 2);
    struct subject subject, before;
    (void)set_up(&subject, &kind, 1);
    set_up(&before, &kind, 1);
    (void)check(&subject);
    assert_memory_equal(subject.net.parameters.params, before.net.parameters.params, subject.n_params * sizeof(bp_real));
    assert_memory_equal(subject.X, before.X, subject.n_X * sizeof(bp_real));
    assert_memory_equal(subject.values, before.values, subject.batch * subject.n_out * sizeof(bp_real));
    assert_memory_equal(subject.weights, before.weights, subject.batch * sizeof(bp_real));
    subject_free(&before);
    subject_free(&subject);
}

/* ---- Failing --------------------------------------------------------------------------------------------------------- */

static void assert_zeroed(const bp_gradient_check_report *report)
{
    assert_true(report->max_relative_error == (bp_real)0 && report->analytic == (bp_real)0);
    assert_true(report->numeric == (bp_real)0 && !report->in_input && report->kind == BP_WEIGHT);
    assert_int_equal(report->index | report->layer | report->row | report->column, 0);
    assert_int_equal(report->n_checked | report->n_at_kink, 0);
}

/* bp_gradient_check() with a report that held something else before; where it fails, the report must be zeroed. */
static bp_status check_anew(const bp_network *net, const bp_loss *loss, const bp_real *X, const bp_targets *T, size_t batch)
{
    bp_gradient_check_report report;
    memset(&report, 0xA5, sizeof report);
    const bp_status status = bp_gradient_check(net, loss, X, T, batch, &report);
    if (status != BP_OK)
        assert_zeroed(&report);
    return status;
}

static void null_pointers_are_refused_by_name(void **state)
{
    (void)state;
    const struct problem_kind kind = kind_of(BP_TANH, (struct problem_ending){ BP_IDENTITY, BP_SQUARED_ERROR }, 0);
    struct subject s;
    set_up(&s, &kind, 1);
    assert_refused(bp_gradient_check(&s.net, &s.loss, s.X, &s.T, 1, NULL), BP_ERR_ARGUMENT, "bp_gradient_check", "report");
    assert_refused(check_anew(NULL, &s.loss, s.X, &s.T, 1), BP_ERR_ARGUMENT, "net", "NULL");
    assert_refused(check_anew(&s.net, NULL, s.X, &s.T, 1), BP_ERR_ARGUMENT, "bp_gradient_check", "loss");
    assert_refused(check_anew(&s.net, &s.loss, NULL, &s.T, 1), BP_ERR_ARGUMENT, "bp_gradient_check", "X");
    assert_refused(check_anew(&s.net, &s.loss, s.X, NULL, 1), BP_ERR_ARGUMENT, "bp_gradient_check", "T");
    subject_free(&s);
}

static void what_its_callees_refuse_is_refused(void **state)
{
    (void)state;
    const struct problem_kind kind = kind_of(BP_TANH, (struct problem_ending){ BP_SOFTMAX, BP_CROSS_ENTROPY }, 4);
    struct subject s;
    set_up(&s, &kind, 1);

    assert_refused(check_anew(&(bp_network){ 0 }, &s.loss, s.X, &s.T, 3), BP_ERR_STATE, "net");
    assert_refused(check_anew(&s.net, &s.loss, s.X, &s.T, 0), BP_ERR_SHAPE, "is 0");
    assert_refused(check_anew(&s.net, &s.loss, s.X, &s.T, SIZE_MAX), BP_ERR_TOO_LARGE, "max_batch");
    assert_refused(check_anew(&s.net, &s.loss, s.X, &(bp_targets){ 0 }, 3), BP_ERR_ARGUMENT, "targets");
    assert_refused(check_anew(&s.net, &(bp_loss){ .kind = BP_N_LOSSES }, s.X, &s.T, 3), BP_ERR_ARGUMENT, "loss");
    assert_refused(check_anew(&s.net, &(bp_loss){ .kind = BP_BINARY_CROSS_ENTROPY }, s.X, &s.T, 3), BP_ERR_UNSUPPORTED,
                   "sigmoid", "softmax");
    s.labels[1] = 2;
    assert_refused(check_anew(&s.net, &s.loss, s.X, &s.T, 3), BP_ERR_TARGET, "row 1", "2");
    s.labels[1] = 1;
    s.X[4] = (bp_real)NAN;
    assert_refused(check_anew(&s.net, &s.loss, s.X, &s.T, 3), BP_ERR_NONFINITE, "loss");
    subject_free(&s);
}

/* The clone, two workspaces and the arrays all come from the allocator of the network. Each of their allocations fails once. */
static void any_allocation_may_fail(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    const bp_layer_config layers[] = { { .n_out = 3, .activation = BP_TANH }, { .n_out = 2 } };
    const bp_network_config config = { .n_in = 2, .n_layers = 2, .layers = layers, .allocator = &heap.allocator };
    bp_network net;
    assert_int_equal(bp_network_init(&net, &config), BP_OK);
    static const bp_real X[] = { (bp_real)0.5, (bp_real)-0.25 }, t[] = { (bp_real)1, (bp_real)2 }; /* in read-only memory */
    const bp_targets T = { .values = t };
    const size_t bytes = heap.live_bytes, before = heap.n_allocs;

    bp_gradient_check_report report;
    assert_int_equal(bp_gradient_check(&net, &(bp_loss){ 0 }, X, &T, 1, &report), BP_OK);
    const size_t n_allocs = heap.n_allocs - before;
    assert_true(n_allocs >= 4);
    for (size_t i = 1; i <= n_allocs; i++) {
        heap.fail_at = heap.n_allocs + i;
        assert_refused(check_anew(&net, &(bp_loss){ 0 }, X, &T, 1), BP_ERR_MEMORY, "bytes");
        assert_int_equal(heap.live_bytes, bytes);
    }
    heap.fail_at = 0;
    assert_int_equal(bp_gradient_check(&net, &(bp_loss){ 0 }, X, &T, 1, &report), BP_OK);
    bp_network_free(&net);
    assert_true(test_heap_is_clean(&heap));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_step_is_the_fifth_root_of_eps_times_the_parameter_or_1_whichever_is_larger),
        cmocka_unit_test(right_gradients_have_small_errors),
        cmocka_unit_test(a_loss_that_is_constant_has_no_error),
        cmocka_unit_test(components_at_a_kink_are_left_out_and_counted),
        cmocka_unit_test(components_closer_to_a_kink_than_any_step_are_left_out_too),
        cmocka_unit_test(components_near_to_a_kink_are_checked_with_a_smaller_step),
        cmocka_unit_test(the_component_hardest_to_tell_is_found_and_named),
        cmocka_unit_test(all_fields_of_the_report_name_the_same_component),
        cmocka_unit_test(a_component_that_is_no_number_is_the_worst),
        cmocka_unit_test(the_network_and_the_data_are_not_changed),
        cmocka_unit_test(null_pointers_are_refused_by_name),
        cmocka_unit_test(what_its_callees_refuse_is_refused),
        cmocka_unit_test(any_allocation_may_fail),
    };
    int n_failed = 0;
    AT_EACH_PATH (path)
        n_failed += cmocka_run_group_tests_name(name_of_path(path), tests, NULL, NULL);
    return n_failed;
}
