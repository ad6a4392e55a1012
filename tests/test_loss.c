// SPDX-License-Identifier: MIT
/*
 * Losses: their values and the gradient that they leave in the workspace, for ordinary and extreme outputs; how rows become
 * one number; and every target that is refused, with the sentence that says why.
 *
 * All through bp_network_loss(), on networks of one layer whose W is the identity and whose b is 0, so that X is Z.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "backprop/network.h"
#include "backprop/propagation.h"
#include "backprop/workspace.h"
#include "math/loss.h"
#include "support/close.h"
#include "support/levels.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const double eps = (double)BP_REAL_EPSILON;

/* ---- Fixture --------------------------------------------------------------------------------------------------------- */

enum { ROWS = 3, UNITS = 4, ALL = ROWS * UNITS };

struct fixture {
    bp_network net;
    bp_workspace ws;
    bp_real X[ALL];
    size_t batch;
};

/* f(z) = 2 z, as a user's function. */
static void apply_doubling(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    (void)parameter, (void)user;
    for (size_t i = 0; i < rows * n; i++)
        A[i] = Z[i] + Z[i];
}

static void pull_doubling(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                          const bp_real *dA, bp_real *dZ)
{
    (void)Z, (void)A;
    apply_doubling(rows, n, parameter, user, dA, dZ);
}

static const bp_activation_function doubling = { .name = "doubling", .apply = apply_doubling, .pull_back = pull_doubling };

static void init(struct fixture *f, bp_activation output, size_t n, bp_mode mode)
{
    const bp_layer_config layer = { .n_out = n,
                                    .activation = output,
                                    .custom = output == BP_CUSTOM_ACTIVATION ? &doubling : NULL,
                                    .weights = { .kind = BP_INIT_ZEROS } };
    *f = (struct fixture){ 0 };
    assert_int_equal(bp_network_init(&f->net, &(bp_network_config){ .n_in = n, .n_layers = 1, .layers = &layer }), BP_OK);
    for (size_t j = 0; j < n; j++)
        f->net.layers[0].W[j * n + j] = (bp_real)1;
    assert_int_equal(bp_workspace_init(&f->ws, &f->net, ROWS, mode), BP_OK);
}

static void forward(struct fixture *f, size_t batch, const double *Z)
{
    f->batch = batch;
    for (size_t k = 0; k < batch * f->net.n_in; k++)
        f->X[k] = (bp_real)Z[k];
    assert_int_equal(bp_network_forward(&f->net, &f->ws, f->X, batch), BP_OK);
}

/* ROWS rows of UNITS outputs, all of size about 1. */
static const double usual_Z[ALL] = { 0.5, -1.25, 2, 0.25, -0.75, 1.5, 0.125, -2, 1, 0, -0.5, 0.75 };

static void set_up(struct fixture *f, bp_activation output)
{
    init(f, output, UNITS, BP_TRAINING);
    forward(f, ROWS, usual_Z);
}

static void tear_down(struct fixture *f)
{
    bp_workspace_free(&f->ws);
    bp_network_free(&f->net);
}

/* sum e^4 / 4, as a user's loss; `user` counts its calls. */
static double quartic(size_t n, const bp_real *y, const bp_real *t, void *user, bp_real *dy)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++) {
        const double e = (double)y[j] - (double)t[j];
        sum += e * e * e * e / 4;
        if (dy != NULL)
            dy[j] = (bp_real)(e * e * e);
    }
    *(size_t *)user += 1;
    return sum;
}

static size_t n_quartic_calls;
static const bp_loss_function quartic_loss = { .name = "quartic", .of_row = quartic, .user = &n_quartic_calls };

/* With all defaults, and a function where the loss is the user's. */
static bp_loss loss_of_kind(bp_loss_kind kind, bp_reduction reduction)
{
    return (bp_loss){ .kind = kind, .reduction = reduction, .custom = kind == BP_CUSTOM_LOSS ? &quartic_loss : NULL };
}

static double loss_by(struct fixture *f, const bp_loss *loss, const bp_targets *T)
{
    bp_real L = (bp_real)NAN;
    assert_int_equal(bp_network_loss(&f->net, &f->ws, loss, T, &L), BP_OK);
    return (double)L;
}

static double loss(struct fixture *f, bp_loss_kind kind, bp_reduction reduction, const bp_targets *T)
{
    const bp_loss loss = loss_of_kind(kind, reduction);
    return loss_by(f, &loss, T);
}

/* The loss of a single row of logits, with targets as values. */
static double loss_of_row(struct fixture *f, bp_loss_kind kind, const double *z, const bp_real *t)
{
    forward(f, 1, z);
    return loss(f, kind, BP_REDUCE_SUM, &(bp_targets){ .values = t });
}

/* Probabilities that sum to 1: targets which every loss takes. */
static const bp_real usual_T[ALL] = { (bp_real)0.25,  (bp_real)0.5,  0,           (bp_real)0.25, 1, 0, 0, 0, (bp_real)0.125,
                                      (bp_real)0.125, (bp_real)0.25, (bp_real)0.5 };

/* Each loss with an output that it can have. */
static const struct pair {
    bp_loss_kind loss;
    bp_activation output;
} pairs[] = {
    { BP_SQUARED_ERROR, BP_IDENTITY },
    { BP_SQUARED_ERROR, BP_SIGMOID },
    { BP_SQUARED_ERROR, BP_SOFTMAX },
    { BP_BINARY_CROSS_ENTROPY, BP_SIGMOID },
    { BP_CROSS_ENTROPY, BP_SOFTMAX },
    { BP_MAE, BP_IDENTITY },
    { BP_HUBER, BP_IDENTITY },
    { BP_POISSON, BP_SOFTPLUS },
    { BP_QUANTILE, BP_TANH },
    { BP_CUSTOM_LOSS, BP_IDENTITY },
    { BP_MAE, BP_SOFTMAX },
};

/* ---- Values ---------------------------------------------------------------------------------------------------------- */

static void squared_error_is_half_the_sum_of_squares(void **state)
{
    (void)state;
    const double y[] = { 1, 2, -3 };
    const bp_real t[] = { 0, 4, -3 };
    struct fixture f;
    init(&f, BP_IDENTITY, 3, BP_TRAINING);
    assert_close(loss_of_row(&f, BP_SQUARED_ERROR, y, t), 2.5, 0);
    tear_down(&f);
}

/* Through every activation; the outputs are checked in test_activation.c. */
static void squared_error_is_taken_of_the_outputs(void **state)
{
    (void)state;
    for (int output = 0; output < BP_N_ACTIVATIONS; output++) {
        struct fixture f;
        set_up(&f, (bp_activation)output);
        double sum = 0;
        for (size_t k = 0; k < ALL; k++)
            sum += pow((double)f.ws.Y[k] - (double)usual_T[k], 2) / 2;
        assert_close(loss(&f, BP_SQUARED_ERROR, BP_REDUCE_SUM, &(bp_targets){ .values = usual_T }), sum, 4 * eps * sum);
        tear_down(&f);
    }
}

/* log(1 + e^x) */
static long double softplus(long double x)
{
    return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x));
}

static const double logits[] = { 800, 100, 40, 20, 5, 1, 1e-3, 0, -1e-3, -1, -5, -20, -40, -100, -800 };

/* -log y = softplus(-z) for t = 1, -log(1 - y) = softplus(z) for t = 0: no digit may be lost however small or large they
 * are, but where they are below the smallest normal number. */
static void binary_cross_entropy_of_a_certain_target_keeps_all_digits(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, BP_SIGMOID, 1, BP_TRAINING);
    for (size_t i = 0; i < COUNT(logits); i++)
        for (int t = 0; t <= 1; t++) {
            const double z = (double)(bp_real)logits[i], expected = (double)softplus(t == 1 ? -z : z);
            const double L = loss_of_row(&f, BP_BINARY_CROSS_ENTROPY, &z, &(bp_real){ (bp_real)t });
            assert_true(isfinite(L));
            assert_close(L, expected, 4 * eps * expected + (double)BP_REAL_MIN);
        }
    tear_down(&f);
}

/* t softplus(-z) + (1 - t) softplus(z). It is a difference of numbers of size |z|, whose rounding it has. */
static void binary_cross_entropy_of_a_probability_is_right_to_the_rounding_of_its_logit(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, BP_SIGMOID, 1, BP_TRAINING);
    const double targets[] = { 0.5, 0.25, 0.9375, 0x1p-10, 1 - 0x1p-10 };
    for (size_t i = 0; i < COUNT(logits); i++)
        for (size_t k = 0; k < COUNT(targets); k++) {
            const double z = (double)(bp_real)logits[i], t = targets[k];
            const double expected = (double)(t * softplus(-z) + (1 - t) * softplus(z));
            const double L = loss_of_row(&f, BP_BINARY_CROSS_ENTROPY, &z, &(bp_real){ (bp_real)t });
            assert_close(L, expected, 4 * eps * fmax(expected, fabs(z)));
        }
    tear_down(&f);
}

static void binary_cross_entropy_adds_up_its_outputs(void **state)
{
    (void)state;
    struct fixture all, one;
    init(&all, BP_SIGMOID, UNITS, BP_TRAINING);
    init(&one, BP_SIGMOID, 1, BP_TRAINING);
    double sum = 0;
    for (size_t j = 0; j < UNITS; j++)
        sum += loss_of_row(&one, BP_BINARY_CROSS_ENTROPY, &usual_Z[j], &usual_T[j]);
    assert_close(loss_of_row(&all, BP_BINARY_CROSS_ENTROPY, usual_Z, usual_T), sum, 4 * eps * sum);
    tear_down(&one);
    tear_down(&all);
}

/* log sum_k e^(z_k) - z_j, about the largest logit, without the 1 that its own term adds. */
static long double minus_log_softmax(size_t n, const double *z, size_t j)
{
    size_t largest = 0;
    for (size_t k = 1; k < n; k++)
        largest = z[k] > z[largest] ? k : largest;
    long double others = 0;
    for (size_t k = 0; k < n; k++)
        others += k != largest ? expl((long double)z[k] - (long double)z[largest]) : 0;
    return log1pl(others) + ((long double)z[largest] - (long double)z[j]);
}

static const double rows_of_logits[][3] = {
    { 800, -800, 0 }, { -800, -800, -800 }, { 800, 800, -800 }, { 0, 30, -1 },
    { 40, 1, 2 },     { -5, -4.5, -5.25 },  { 1, 2, 3 },        { 0, 0, 0 },
};

static void cross_entropy_of_a_class_keeps_all_digits(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, BP_SOFTMAX, 3, BP_TRAINING);
    for (size_t i = 0; i < COUNT(rows_of_logits); i++)
        for (size_t j = 0; j < 3; j++) {
            bp_real t[3] = { 0 };
            t[j] = (bp_real)1;
            const double expected = (double)minus_log_softmax(3, rows_of_logits[i], j);
            const double L = loss_of_row(&f, BP_CROSS_ENTROPY, rows_of_logits[i], t);
            assert_true(isfinite(L));
            assert_close(L, expected, 4 * eps * expected + (double)BP_REAL_MIN);
        }
    tear_down(&f);
}

static void cross_entropy_weighs_the_classes_by_their_probabilities(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, BP_SOFTMAX, 3, BP_TRAINING);
    const bp_real t[3] = { (bp_real)0.5, (bp_real)0.125, (bp_real)0.375 };
    for (size_t i = 0; i < COUNT(rows_of_logits); i++) {
        double expected = 0;
        for (size_t j = 0; j < 3; j++)
            expected += (double)t[j] * (double)minus_log_softmax(3, rows_of_logits[i], j);
        assert_close(loss_of_row(&f, BP_CROSS_ENTROPY, rows_of_logits[i], t), expected, 4 * eps * expected);
    }
    tear_down(&f);
}

static void an_impossible_class_costs_nothing_where_it_is_not_the_target(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, BP_SOFTMAX, 2, BP_TRAINING);
    f.net.layers[0].b[1] = -(bp_real)INFINITY;
    forward(&f, 1, (const double[]){ 1, 2 });
    assert_close(loss(&f, BP_CROSS_ENTROPY, BP_REDUCE_MEAN, &(bp_targets){ .labels = &(int32_t){ 0 } }), 0, 0);
    tear_down(&f);
}

/* ---- Gradients ------------------------------------------------------------------------------------------------------- */

static double slope_of_output(bp_activation output, double y)
{
    return output == BP_SIGMOID ? y * (1 - y) : 1;
}

/* dZ = c_i (y - t), times f'(z) where the loss is not fused. Softmax with squared error is left to test_gradients.c. */
static void the_gradient_in_the_workspace_is_y_minus_t(void **state)
{
    (void)state;
    const bp_real weights[ROWS] = { (bp_real)0.5, 0, 2 };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        if (pairs[i].loss > BP_CROSS_ENTROPY || (pairs[i].loss == BP_SQUARED_ERROR && pairs[i].output == BP_SOFTMAX))
            continue;
        struct fixture f;
        set_up(&f, pairs[i].output);
        (void)loss(&f, pairs[i].loss, BP_REDUCE_MEAN, &(bp_targets){ .values = usual_T, .weights = weights });
        for (size_t k = 0; k < ALL; k++) {
            const double y = (double)f.ws.Y[k], slope = slope_of_output(pairs[i].output, y);
            const double right = (double)weights[k / UNITS] / 2.5 * (y - (double)usual_T[k]) *
                                 (pairs[i].loss == BP_SQUARED_ERROR ? slope : 1);
            assert_close((double)f.ws.dZ[k], right, 4 * eps);
        }
        tear_down(&f);
    }
}

/* The gradient is that of the loss as it is: sum(t) is within the slack of 1, not 1. */
static void the_gradient_of_cross_entropy_knows_the_sum_of_the_targets(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, BP_SOFTMAX, 2, BP_TRAINING);
    forward(&f, 1, (const double[]){ 0, 0 });
    const double more = 0x1p-21; /* 4.8e-7 */
    const bp_real t[] = { (bp_real)(0.5 + more), (bp_real)0.5 };
    (void)loss(&f, BP_CROSS_ENTROPY, BP_REDUCE_MEAN, &(bp_targets){ .values = t });
    assert_close((double)f.ws.dZ[0], 0.5 * (1 + more) - (0.5 + more), eps / 2);
    assert_close((double)f.ws.dZ[1], 0.5 * (1 + more) - 0.5, eps / 2);
    tear_down(&f);
}

/* ---- From rows to a batch -------------------------------------------------------------------------------------------- */

/* Leaves the workspace with all rows, as set_up() does. */
static void losses_of_rows(struct fixture *f, bp_loss_kind kind, double L[ROWS])
{
    for (size_t i = 0; i < ROWS; i++)
        L[i] = loss_of_row(f, kind, usual_Z + i * UNITS, usual_T + i * UNITS);
    forward(f, ROWS, usual_Z);
}

static void the_loss_of_a_batch_is_the_mean_or_the_sum_of_its_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct fixture f;
        double row[ROWS];
        set_up(&f, pairs[i].output);
        losses_of_rows(&f, pairs[i].loss, row);
        const double sum = row[0] + row[1] + row[2], bound = 4 * eps * sum;
        const bp_targets T = { .values = usual_T };
        assert_close(loss(&f, pairs[i].loss, BP_REDUCE_SUM, &T), sum, bound);
        assert_close(loss(&f, pairs[i].loss, BP_REDUCE_MEAN, &T), sum / ROWS, bound);
        tear_down(&f);
    }
}

static void sample_weights_multiply_rows_and_divide_the_mean_by_their_sum(void **state)
{
    (void)state;
    const bp_real weights[ROWS] = { (bp_real)0.5, 0, 2 };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct fixture f;
        double row[ROWS];
        set_up(&f, pairs[i].output);
        losses_of_rows(&f, pairs[i].loss, row);
        const double sum = 0.5 * row[0] + 2 * row[2], bound = 4 * eps * sum;
        const bp_targets T = { .values = usual_T, .weights = weights };
        assert_close(loss(&f, pairs[i].loss, BP_REDUCE_SUM, &T), sum, bound);
        assert_close(loss(&f, pairs[i].loss, BP_REDUCE_MEAN, &T), sum / 2.5, bound);
        tear_down(&f);
    }
}

static void the_size_of_all_weights_together_does_not_matter_to_a_mean(void **state)
{
    (void)state;
    const bp_real least = BP_REAL_MIN, most = BP_REAL_MAX / 8; /* extremes whose sums are finite */
    const bp_real small[ROWS] = { least, 0, 4 * least }, large[ROWS] = { most, 0, 4 * most };
    const bp_real *const weights[] = { small, large };
    for (size_t i = 0; i < COUNT(weights); i++) {
        struct fixture f;
        double row[ROWS];
        set_up(&f, BP_IDENTITY);
        losses_of_rows(&f, BP_SQUARED_ERROR, row);
        const double mean = (row[0] + 4 * row[2]) / 5;
        const bp_targets T = { .values = usual_T, .weights = weights[i] };
        assert_close(loss(&f, BP_SQUARED_ERROR, BP_REDUCE_MEAN, &T), mean, 4 * eps * mean);
        tear_down(&f);
    }
}

static void weights_whose_sum_is_infinite_are_refused(void **state)
{
    (void)state;
    if (sizeof(bp_real) < sizeof(double))
        skip(); /* floats add up in double */
    const bp_real weights[ROWS] = { BP_REAL_MAX, BP_REAL_MAX, 0 };
    const bp_loss mean = { .kind = BP_SQUARED_ERROR };
    struct fixture f;
    set_up(&f, BP_IDENTITY);
    assert_int_equal(bp_network_loss(&f.net, &f.ws, &mean, &(bp_targets){ .values = usual_T, .weights = weights }, NULL),
                     BP_ERR_NONFINITE);
    assert_non_null(strstr(bp_error_message(), "weights"));
    tear_down(&f);
}

/* Loss and gradient of one set of targets must be those of another, to the bit. */
static void assert_same_loss(const struct pair *pair, bp_reduction reduction, const bp_targets *T, const bp_targets *other)
{
    struct fixture f, g;
    set_up(&f, pair->output);
    set_up(&g, pair->output);
    const double L = loss(&f, pair->loss, reduction, T), L_other = loss(&g, pair->loss, reduction, other);
    assert_memory_equal(&L, &L_other, sizeof L);
    assert_memory_equal(f.ws.dZ, g.ws.dZ, ALL * sizeof(bp_real));
    tear_down(&g);
    tear_down(&f);
}

static void weights_of_1_are_no_weights(void **state)
{
    (void)state;
    const bp_real ones[ROWS] = { 1, 1, 1 };
    for (size_t i = 0; i < COUNT(pairs); i++)
        for (int reduction = BP_REDUCE_MEAN; reduction <= BP_REDUCE_SUM; reduction++)
            assert_same_loss(&pairs[i], (bp_reduction)reduction, &(bp_targets){ .values = usual_T },
                             &(bp_targets){ .values = usual_T, .weights = ones });
}

static void labels_are_rows_of_0_with_a_1(void **state)
{
    (void)state;
    const int32_t labels[ROWS] = { 3, 0, 2 };
    const bp_real values[ALL] = { 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0 };
    const bp_real weights[ROWS] = { (bp_real)0.75, 3, (bp_real)0.1 };
    for (size_t i = 0; i < COUNT(pairs); i++)
        for (int reduction = BP_REDUCE_MEAN; reduction <= BP_REDUCE_SUM; reduction++)
            for (int weighted = 0; weighted < 2; weighted++)
                assert_same_loss(&pairs[i], (bp_reduction)reduction,
                                 &(bp_targets){ .values = values, .weights = weighted ? weights : NULL },
                                 &(bp_targets){ .labels = labels, .weights = weighted ? weights : NULL });
}

static void a_batch_of_weight_0_has_loss_and_gradient_0(void **state)
{
    (void)state;
    const bp_real zeros[ALL] = { 0 };
    for (size_t i = 0; i < COUNT(pairs); i++)
        for (int reduction = BP_REDUCE_MEAN; reduction <= BP_REDUCE_SUM; reduction++) {
            struct fixture f;
            set_up(&f, pairs[i].output);
            const bp_targets T = { .values = usual_T, .weights = zeros };
            assert_close(loss(&f, pairs[i].loss, (bp_reduction)reduction, &T), 0, 0);
            for (size_t k = 0; k < ALL; k++)
                assert_true(f.ws.dZ[k] == (bp_real)0);
            tear_down(&f);
        }
}

static void the_loss_is_the_same_without_a_gradient(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct fixture training, inference;
        const bp_targets T = { .values = usual_T };
        set_up(&training, pairs[i].output);
        init(&inference, pairs[i].output, UNITS, BP_INFERENCE);
        forward(&inference, ROWS, usual_Z);
        assert_close(loss(&inference, pairs[i].loss, BP_REDUCE_MEAN, &T),
                     loss(&training, pairs[i].loss, BP_REDUCE_MEAN, &T), 0);
        assert_null(inference.ws.dZ);
        assert_false(inference.ws.has_loss);
        tear_down(&inference);
        tear_down(&training);
    }
}

static void the_gradient_is_the_same_without_the_loss(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct fixture f, g;
        const bp_targets T = { .values = usual_T };
        set_up(&f, pairs[i].output);
        set_up(&g, pairs[i].output);
        (void)loss(&f, pairs[i].loss, BP_REDUCE_MEAN, &T);
        const bp_loss same = loss_of_kind(pairs[i].loss, BP_REDUCE_MEAN);
        assert_int_equal(bp_network_loss(&g.net, &g.ws, &same, &T, NULL), BP_OK);
        assert_memory_equal(f.ws.dZ, g.ws.dZ, ALL * sizeof(bp_real));
        tear_down(&g);
        tear_down(&f);
    }
}

static void the_zeroed_loss_is_the_mean_of_the_squared_error(void **state)
{
    (void)state;
    const bp_loss zeroed = { 0 };
    assert_int_equal(zeroed.kind, BP_SQUARED_ERROR);
    assert_int_equal(zeroed.reduction, BP_REDUCE_MEAN);
}

/* ---- Targets that are refused ---------------------------------------------------------------------------------------- */

static bp_status try_loss(struct fixture *f, bp_loss_kind kind, const bp_targets *T)
{
    const bp_loss loss = loss_of_kind(kind, BP_REDUCE_MEAN);
    return bp_network_loss(&f->net, &f->ws, &loss, T, NULL);
}

/* After a refusal there is no gradient, and the same workspace takes right targets as if nothing had been. */
static void assert_still_usable(struct fixture *f, bp_loss_kind kind)
{
    bp_real grad[UNITS * (UNITS + 1)];
    assert_false(f->ws.has_loss);
    assert_refused(bp_network_backward(&f->net, &f->ws, NULL, grad, NULL, BP_OVERWRITE), BP_ERR_STATE, "no loss");

    struct fixture fresh;
    set_up(&fresh, f->net.layers[0].activation);
    const bp_targets T = { .labels = (const int32_t[ROWS]){ 1, 3, 0 } };
    assert_close(loss(f, kind, BP_REDUCE_MEAN, &T), loss(&fresh, kind, BP_REDUCE_MEAN, &T), 0);
    assert_memory_equal(f->ws.dZ, fresh.ws.dZ, ALL * sizeof(bp_real));
    assert_int_equal(bp_network_backward(&f->net, &f->ws, NULL, grad, NULL, BP_OVERWRITE), BP_OK);
    tear_down(&fresh);
}

/* One value of the usual targets is another. */
struct bad_value {
    struct pair pair;
    double value;
    bp_status status;
    const char *needed; /* what the sentence says of what is needed */
};

static const struct bad_value bad_values[] = {
    { { BP_SQUARED_ERROR, BP_IDENTITY }, NAN, BP_ERR_NONFINITE, "nan" },
    { { BP_SQUARED_ERROR, BP_IDENTITY }, INFINITY, BP_ERR_NONFINITE, "inf" },
    { { BP_SQUARED_ERROR, BP_IDENTITY }, -INFINITY, BP_ERR_NONFINITE, "-inf" },
    { { BP_BINARY_CROSS_ENTROPY, BP_SIGMOID }, NAN, BP_ERR_NONFINITE, "nan" },
    { { BP_BINARY_CROSS_ENTROPY, BP_SIGMOID }, 1.5, BP_ERR_TARGET, "1.5, binary_cross_entropy takes 0 to 1" },
    { { BP_BINARY_CROSS_ENTROPY, BP_SIGMOID }, -0.25, BP_ERR_TARGET, "-0.25, binary_cross_entropy takes 0 to 1" },
    { { BP_CROSS_ENTROPY, BP_SOFTMAX }, INFINITY, BP_ERR_NONFINITE, "inf" },
    { { BP_CROSS_ENTROPY, BP_SOFTMAX }, 2, BP_ERR_TARGET, "2, cross_entropy takes 0 to 1" },
    { { BP_CROSS_ENTROPY, BP_SOFTMAX }, -0.5, BP_ERR_TARGET, "-0.5, cross_entropy takes 0 to 1" },
    { { BP_POISSON, BP_SOFTPLUS }, -0.25, BP_ERR_TARGET, "-0.25, poisson takes 0 and above" },
    { { BP_POISSON, BP_SOFTPLUS }, INFINITY, BP_ERR_NONFINITE, "inf" },
    { { BP_MAE, BP_IDENTITY }, NAN, BP_ERR_NONFINITE, "nan" },
    { { BP_HUBER, BP_IDENTITY }, -INFINITY, BP_ERR_NONFINITE, "-inf" },
    { { BP_QUANTILE, BP_TANH }, NAN, BP_ERR_NONFINITE, "nan" },
    { { BP_CUSTOM_LOSS, BP_IDENTITY }, NAN, BP_ERR_NONFINITE, "nan" },
};

static void check_bad_value(const struct bad_value *bad, size_t at, const char *row, const char *column)
{
    struct fixture f;
    set_up(&f, bad->pair.output);
    bp_real t[ALL];
    memcpy(t, usual_T, sizeof t);
    t[at] = (bp_real)bad->value;
    (void)loss(&f, bad->pair.loss, BP_REDUCE_MEAN, &(bp_targets){ .values = usual_T }); /* a gradient that has to go */
    assert_refused(try_loss(&f, bad->pair.loss, &(bp_targets){ .values = t }), bad->status, "targets", row, column,
                   bad->needed);
    assert_still_usable(&f, bad->pair.loss);
    tear_down(&f);
}

static void values_that_a_loss_cannot_take_are_refused_with_row_and_column(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad_values); i++) {
        check_bad_value(&bad_values[i], 0, "row 0,", "column 0 ");
        check_bad_value(&bad_values[i], 1 * UNITS + 2, "row 1,", "column 2 ");
        check_bad_value(&bad_values[i], ALL - 1, "row 2,", "column 3 ");
    }
}

static void the_ends_of_the_range_of_probabilities_are_taken(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, BP_SIGMOID);
    const bp_real t[ALL] = { 0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1 };
    assert_int_equal(try_loss(&f, BP_BINARY_CROSS_ENTROPY, &(bp_targets){ .values = t }), BP_OK);
    tear_down(&f);
}

static void the_squared_error_takes_any_finite_target(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, BP_SOFTMAX);
    const bp_real t[ALL] = { -1000, 1000, (bp_real)1e-30, 0, 5, 6, 7, 8, -9, -10, -11, 12 };
    assert_int_equal(try_loss(&f, BP_SQUARED_ERROR, &(bp_targets){ .values = t }), BP_OK);
    tear_down(&f);
}

/* 1e-6 is the slack for targets from single precision; 1e-5 is no rounding. */
static void probabilities_that_do_not_sum_to_1_are_refused_with_their_sum(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, BP_SOFTMAX);
    bp_real t[ALL];
    memcpy(t, usual_T, sizeof t);
    t[UNITS] = (bp_real)0.75;
    assert_refused(try_loss(&f, BP_CROSS_ENTROPY, &(bp_targets){ .values = t }), BP_ERR_TARGET, "targets", "row 1", "0.75",
                   "cross_entropy", "sum to 1");
    assert_still_usable(&f, BP_CROSS_ENTROPY);
    t[UNITS] = (bp_real)(1 - 1e-5);
    assert_refused(try_loss(&f, BP_CROSS_ENTROPY, &(bp_targets){ .values = t }), BP_ERR_TARGET, "row 1", "0.9999");
    t[UNITS] = (bp_real)(1 - 5e-7);
    assert_int_equal(try_loss(&f, BP_CROSS_ENTROPY, &(bp_targets){ .values = t }), BP_OK);
    tear_down(&f);
}

static void labels_that_are_no_class_are_refused_with_their_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct fixture f;
        set_up(&f, pairs[i].output);
        const bp_targets above = { .labels = (const int32_t[ROWS]){ 0, 1, UNITS } };
        const bp_targets below = { .labels = (const int32_t[ROWS]){ 0, -1, 2 } };
        const bp_targets far_below = { .labels = (const int32_t[ROWS]){ INT32_MIN, 0, 0 } };
        assert_refused(try_loss(&f, pairs[i].loss, &above), BP_ERR_TARGET, "labels", "row 2 is 4", "0 to 3");
        assert_still_usable(&f, pairs[i].loss);
        assert_refused(try_loss(&f, pairs[i].loss, &below), BP_ERR_TARGET, "labels", "row 1 is -1", "0 to 3");
        assert_refused(try_loss(&f, pairs[i].loss, &far_below), BP_ERR_TARGET, "labels", "row 0 is -2", "0 to 3");
        assert_still_usable(&f, pairs[i].loss);
        tear_down(&f);
    }
}

static void weights_below_0_or_not_finite_are_refused_with_their_row(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, BP_IDENTITY);
    bp_real weights[ROWS] = { 1, 1, (bp_real)-0.5 };
    const bp_targets T = { .values = usual_T, .weights = weights };
    assert_refused(try_loss(&f, BP_SQUARED_ERROR, &T), BP_ERR_TARGET, "weights", "row 2 is -0.5", "at least 0");
    assert_still_usable(&f, BP_SQUARED_ERROR);
    weights[2] = (bp_real)NAN;
    assert_refused(try_loss(&f, BP_SQUARED_ERROR, &T), BP_ERR_NONFINITE, "weights", "row 2 is", "nan");
    weights[2] = (bp_real)INFINITY;
    assert_refused(try_loss(&f, BP_SQUARED_ERROR, &T), BP_ERR_NONFINITE, "weights", "row 2 is inf");
    weights[2] = (bp_real)-0.0;
    assert_int_equal(try_loss(&f, BP_SQUARED_ERROR, &T), BP_OK);
    tear_down(&f);
}

static void targets_are_given_once(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, BP_SOFTMAX);
    const int32_t labels[ROWS] = { 0, 1, 2 };
    const bp_targets both = { .values = usual_T, .labels = labels };
    assert_refused(try_loss(&f, BP_CROSS_ENTROPY, &(bp_targets){ 0 }), BP_ERR_ARGUMENT, "neither values nor labels");
    assert_refused(try_loss(&f, BP_CROSS_ENTROPY, &both), BP_ERR_ARGUMENT, "both values and labels");
    assert_still_usable(&f, BP_CROSS_ENTROPY);
    tear_down(&f);
}

/* ---- Losses by their formulas ---------------------------------------------------------------------------------------- */

/* Loss of one output and its derivative for y, as loss.h has them. */
struct formula {
    const char *what;
    bp_loss loss;
    bp_activation output; /* identity, or softplus where y must be above 0 */
    double (*value)(double p, double y, double t);
    double (*slope)(double p, double y, double t);
    double p;
};

static double sign(double x)
{
    return (x > 0) - (x < 0);
}

static double mae(double p, double y, double t)
{
    (void)p;
    return fabs(y - t);
}

static double slope_of_mae(double p, double y, double t)
{
    (void)p;
    return sign(y - t);
}

static double huber(double p, double y, double t)
{
    const double e = fabs(y - t);
    return e <= p ? e * e / 2 : p * (e - p / 2);
}

static double slope_of_huber(double p, double y, double t)
{
    return fabs(y - t) <= p ? y - t : p * sign(y - t);
}

static double poisson(double p, double y, double t)
{
    (void)p;
    return y - (t > 0 ? t * log(y) : 0);
}

static double slope_of_poisson(double p, double y, double t)
{
    (void)p;
    return 1 - t / y;
}

static double quantile(double p, double y, double t)
{
    return fmax(p * (t - y), (p - 1) * (t - y));
}

static double slope_of_quantile(double p, double y, double t)
{
    return t > y ? -p : t < y ? 1 - p : 0;
}

static double fourth_power(double p, double y, double t)
{
    (void)p;
    return pow(y - t, 4) / 4;
}

static double slope_of_fourth_power(double p, double y, double t)
{
    (void)p;
    return pow(y - t, 3);
}

static const struct formula formulas[] = {
    { "mae", { .kind = BP_MAE }, BP_IDENTITY, mae, slope_of_mae, 0 },
    { "huber", { .kind = BP_HUBER }, BP_IDENTITY, huber, slope_of_huber, 1 },
    { "huber 0.25", { .kind = BP_HUBER, .parameter = (bp_real)0.25 }, BP_IDENTITY, huber, slope_of_huber, 0.25 },
    { "poisson", { .kind = BP_POISSON }, BP_SOFTPLUS, poisson, slope_of_poisson, 0 },
    { "median", { .kind = BP_QUANTILE }, BP_IDENTITY, quantile, slope_of_quantile, 0.5 },
    { "quantile 0.875",
      { .kind = BP_QUANTILE, .parameter = (bp_real)0.875 },
      BP_IDENTITY,
      quantile,
      slope_of_quantile,
      0.875 },
    { "custom", { .kind = BP_CUSTOM_LOSS, .custom = &quartic_loss }, BP_IDENTITY, fourth_power, slope_of_fourth_power, 0 },
};

/* Among them outputs that are met (0.5, 2), errors of either sign, and errors of exactly Huber's 1 and 0.25. */
static const bp_real formula_T[ALL] = { (bp_real)0.5,   (bp_real)0.25, 2, (bp_real)1.25,
                                        (bp_real)0.25,  (bp_real)1.75, 0, 3,
                                        (bp_real)0.125, (bp_real)0.25, 5, 0 };

/* Of a sum with weights 0.5, 0, 2: c_i l(y) and c_i l'(y) f'(z), where f' is 1 or, for softplus, 1 - e^-y. */
static void each_loss_and_its_gradient_are_the_formulas(void **state)
{
    (void)state;
    const bp_real weights[ROWS] = { (bp_real)0.5, 0, 2 };
    for (size_t i = 0; i < COUNT(formulas); i++) {
        const struct formula *formula = &formulas[i];
        struct fixture f;
        set_up(&f, formula->output);
        bp_loss sum = formula->loss;
        sum.reduction = BP_REDUCE_SUM;
        const double L = loss_by(&f, &sum, &(bp_targets){ .values = formula_T, .weights = weights });
        double expected = 0;
        for (size_t k = 0; k < ALL; k++) {
            const double y = (double)f.ws.Y[k], t = (double)formula_T[k], c = (double)weights[k / UNITS];
            const double of_output = formula->output == BP_SOFTPLUS ? -expm1(-y) : 1;
            const double right = c * formula->slope(formula->p, y, t) * of_output;
            expected += c * formula->value(formula->p, y, t);
            assert_close((double)f.ws.dZ[k], right, 8 * eps * (1 + fabs(right)));
        }
        assert_close(L, expected, 8 * eps * fabs(expected));
        tear_down(&f);
    }
}

static void a_custom_loss_is_asked_once_a_row_with_its_own_data(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, BP_IDENTITY);
    n_quartic_calls = 0;
    (void)loss(&f, BP_CUSTOM_LOSS, BP_REDUCE_MEAN, &(bp_targets){ .values = usual_T });
    assert_int_equal(n_quartic_calls, ROWS);
    tear_down(&f);
}

/* ---- Smoothing, class weights, labels of one output -------------------------------------------------------------------- */

/* Loss and gradient of two losses with their targets, on the same outputs, up to rounding. */
static void assert_equal_losses(bp_activation output, size_t n, const bp_loss *one, const bp_targets *T,
                                const bp_loss *other, const bp_targets *T_other)
{
    struct fixture f, g;
    init(&f, output, n, BP_TRAINING);
    init(&g, output, n, BP_TRAINING);
    forward(&f, ROWS, usual_Z);
    forward(&g, ROWS, usual_Z);
    const double expected = loss_by(&g, other, T_other);
    assert_close(loss_by(&f, one, T), expected, 8 * eps * fabs(expected));
    for (size_t k = 0; k < ROWS * n; k++)
        assert_close((double)f.ws.dZ[k], (double)g.ws.dZ[k], 8 * eps);
    tear_down(&g);
    tear_down(&f);
}

static const int32_t usual_labels[ROWS] = { 3, 0, 2 };

/* t (1 - s) + s / n, for values and for labels; afterwards nothing is left in the scratch row. */
static void smoothed_labels_are_targets_moved_towards_the_mean(void **state)
{
    (void)state;
    const double s = 0.25;
    bp_real smoothed[ALL], smoothed_labels[ALL];
    for (size_t k = 0; k < ALL; k++) {
        smoothed[k] = (bp_real)((double)usual_T[k] * (1 - s) + s / UNITS);
        smoothed_labels[k] = (bp_real)((usual_labels[k / UNITS] == (int32_t)(k % UNITS)) * (1 - s) + s / UNITS);
    }
    for (int reduction = BP_REDUCE_MEAN; reduction <= BP_REDUCE_SUM; reduction++) {
        const bp_loss plain = { .kind = BP_CROSS_ENTROPY, .reduction = (bp_reduction)reduction };
        bp_loss smooth = plain;
        smooth.label_smoothing = (bp_real)s;
        assert_equal_losses(BP_SOFTMAX, UNITS, &smooth, &(bp_targets){ .values = usual_T }, &plain,
                            &(bp_targets){ .values = smoothed });
        assert_equal_losses(BP_SOFTMAX, UNITS, &smooth, &(bp_targets){ .labels = usual_labels }, &plain,
                            &(bp_targets){ .values = smoothed_labels });
    }
}

/* A row counts sum_k t_k c_k times, on top of its own weight: the same as sample weights made so, not smoothed. */
static void class_weights_are_sample_weights_by_class(void **state)
{
    (void)state;
    const bp_real classes[UNITS] = { (bp_real)0.5, 2, (bp_real)0.25, 3 };
    const bp_real weights[ROWS] = { (bp_real)1.5, 1, (bp_real)0.5 };
    bp_real of_values[ROWS], of_labels[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        double sum = 0;
        for (size_t k = 0; k < UNITS; k++)
            sum += (double)usual_T[i * UNITS + k] * (double)classes[k];
        of_values[i] = (bp_real)((double)weights[i] * sum);
        of_labels[i] = weights[i] * classes[usual_labels[i]];
    }
    for (int setting = 0; setting < 4; setting++) {
        const bp_loss plain = { .kind = BP_CROSS_ENTROPY,
                                .reduction = (bp_reduction)(setting & 1),
                                .label_smoothing = (bp_real)(setting & 2 ? 0.125 : 0) };
        bp_loss weighted = plain;
        weighted.class_weights = classes;
        assert_equal_losses(BP_SOFTMAX, UNITS, &weighted, &(bp_targets){ .values = usual_T, .weights = weights }, &plain,
                            &(bp_targets){ .values = usual_T, .weights = of_values });
        assert_equal_losses(BP_SOFTMAX, UNITS, &weighted, &(bp_targets){ .labels = usual_labels, .weights = weights },
                            &plain, &(bp_targets){ .labels = usual_labels, .weights = of_labels });
    }
}

/* (1 - t) c_0 + t c_1 */
static void class_weights_of_one_sigmoid_output_are_two(void **state)
{
    (void)state;
    const bp_real classes[2] = { (bp_real)0.5, 3 }, t[ROWS] = { 1, 0, (bp_real)0.25 };
    const bp_real of_values[ROWS] = { 3, (bp_real)0.5, (bp_real)(0.75 * 0.5 + 0.25 * 3) };
    const int32_t labels[ROWS] = { 1, 0, 1 };
    const bp_real of_labels[ROWS] = { 3, (bp_real)0.5, 3 };
    const bp_loss plain = { .kind = BP_BINARY_CROSS_ENTROPY };
    const bp_loss weighted = { .kind = BP_BINARY_CROSS_ENTROPY, .class_weights = classes };
    assert_equal_losses(BP_SIGMOID, 1, &weighted, &(bp_targets){ .values = t }, &plain,
                        &(bp_targets){ .values = t, .weights = of_values });
    assert_equal_losses(BP_SIGMOID, 1, &weighted, &(bp_targets){ .labels = labels }, &plain,
                        &(bp_targets){ .labels = labels, .weights = of_labels });
}

/* But for cross-entropy, where one output is one class. */
static void labels_of_one_output_are_its_target(void **state)
{
    (void)state;
    const int32_t labels[ROWS] = { 1, 0, 1 };
    const bp_real values[ROWS] = { 1, 0, 1 };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        if (pairs[i].loss == BP_CROSS_ENTROPY)
            continue;
        const bp_loss same = loss_of_kind(pairs[i].loss, BP_REDUCE_MEAN);
        assert_equal_losses(pairs[i].output, 1, &same, &(bp_targets){ .labels = labels }, &same,
                            &(bp_targets){ .values = values });
    }
}

static void labels_of_one_output_are_0_and_1_and_no_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct fixture f;
        const bool one_class = pairs[i].loss == BP_CROSS_ENTROPY;
        const bp_targets two = { .labels = (const int32_t[ROWS]){ 0, 1, 2 } };
        const bp_targets below = { .labels = (const int32_t[ROWS]){ 0, 0, -1 } };
        init(&f, pairs[i].output, 1, BP_TRAINING);
        forward(&f, ROWS, usual_Z);
        assert_refused(try_loss(&f, pairs[i].loss, &two), BP_ERR_TARGET, "labels",
                       one_class ? "row 1 is 1, the classes are 0 to 0" : "row 2 is 2, the classes are 0 to 1");
        assert_refused(try_loss(&f, pairs[i].loss, &below), BP_ERR_TARGET, "labels", "row 2 is -1");
        tear_down(&f);
    }
}

/* ---- Losses that are refused ----------------------------------------------------------------------------------------- */

static const bp_real some_class_weights[UNITS] = { 1, 1, 1, 1 };
static const bp_real bad_class_weights[UNITS] = { 1, 1, -1, 1 };
static const bp_real infinite_class_weights[UNITS] = { 1, (bp_real)INFINITY, 1, 1 };
static const bp_loss_function without_function = { .name = "x" }, without_name = { .of_row = quartic };

static const struct {
    bp_loss loss;
    bp_activation output;
    bp_status status;
    const char *sentence;
} refused_losses[] = {
    { { .kind = BP_MAE, .parameter = 1 }, BP_IDENTITY, BP_ERR_ARGUMENT, "mae takes no parameter" },
    { { .kind = BP_CROSS_ENTROPY, .parameter = (bp_real)NAN }, BP_SOFTMAX, BP_ERR_ARGUMENT, "takes no parameter" },
    { { .kind = BP_HUBER, .parameter = -1 }, BP_IDENTITY, BP_ERR_ARGUMENT, "the parameter of huber is -1" },
    { { .kind = BP_HUBER, .parameter = (bp_real)INFINITY }, BP_IDENTITY, BP_ERR_ARGUMENT, "the parameter of huber is inf" },
    { { .kind = BP_HUBER, .parameter = (bp_real)NAN }, BP_IDENTITY, BP_ERR_ARGUMENT, "the parameter of huber is nan" },
    { { .kind = BP_QUANTILE, .parameter = 1 }, BP_IDENTITY, BP_ERR_ARGUMENT, "the parameter of quantile is 1" },
    { { .kind = BP_QUANTILE, .parameter = (bp_real)-0.5 }, BP_IDENTITY, BP_ERR_ARGUMENT, "quantile is -0.5" },
    { { .kind = BP_CROSS_ENTROPY, .label_smoothing = 1 }, BP_SOFTMAX, BP_ERR_ARGUMENT, "label_smoothing is 1" },
    { { .kind = BP_CROSS_ENTROPY, .label_smoothing = (bp_real)-0.5 },
      BP_SOFTMAX,
      BP_ERR_ARGUMENT,
      "label_smoothing is -0.5" },
    { { .kind = BP_CROSS_ENTROPY, .label_smoothing = (bp_real)NAN },
      BP_SOFTMAX,
      BP_ERR_ARGUMENT,
      "label_smoothing is nan" },
    { { .label_smoothing = (bp_real)0.5 }, BP_SOFTMAX, BP_ERR_UNSUPPORTED, "smoothing goes with cross_entropy" },
    { { .class_weights = some_class_weights }, BP_SOFTMAX, BP_ERR_UNSUPPORTED, "class weights go with cross_entropy" },
    { { .kind = BP_BINARY_CROSS_ENTROPY, .class_weights = some_class_weights },
      BP_SIGMOID,
      BP_ERR_UNSUPPORTED,
      "not with binary_cross_entropy of 4" },
    { { .kind = BP_CROSS_ENTROPY, .class_weights = bad_class_weights }, BP_SOFTMAX, BP_ERR_ARGUMENT, "class 2 is -1" },
    { { .kind = BP_CROSS_ENTROPY, .class_weights = infinite_class_weights },
      BP_SOFTMAX,
      BP_ERR_ARGUMENT,
      "class 1 is inf" },
    { { .kind = BP_CUSTOM_LOSS }, BP_IDENTITY, BP_ERR_ARGUMENT, "`custom` is NULL" },
    { { .custom = &quartic_loss }, BP_IDENTITY, BP_ERR_ARGUMENT, "`custom` is given" },
    { { .kind = BP_CUSTOM_LOSS, .custom = &without_function }, BP_IDENTITY, BP_ERR_ARGUMENT, "has no function" },
    { { .kind = BP_CUSTOM_LOSS, .custom = &without_name }, BP_IDENTITY, BP_ERR_ARGUMENT, "has no name" },
};

static void settings_that_a_loss_does_not_have_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused_losses); i++) {
        struct fixture f;
        set_up(&f, refused_losses[i].output);
        const bp_targets T = { .labels = usual_labels };
        assert_refused(bp_network_loss(&f.net, &f.ws, &refused_losses[i].loss, &T, NULL), refused_losses[i].status,
                       "loss: ", refused_losses[i].sentence);
        assert_still_usable(&f, BP_SQUARED_ERROR);
        tear_down(&f);
    }
}

static void a_fused_loss_needs_its_own_output(void **state)
{
    (void)state;
    for (int output = 0; output < BP_N_ACTIVATIONS; output++) {
        struct fixture f;
        set_up(&f, (bp_activation)output);
        const bp_targets T = { .labels = (const int32_t[ROWS]){ 0, 1, 2 } };
        const char *found = bp_activation_name((bp_activation)output);
        if (output != BP_SIGMOID)
            assert_refused(try_loss(&f, BP_BINARY_CROSS_ENTROPY, &T), BP_ERR_UNSUPPORTED,
                           "binary_cross_entropy needs a sigmoid output", found);
        if (output != BP_SOFTMAX)
            assert_refused(try_loss(&f, BP_CROSS_ENTROPY, &T), BP_ERR_UNSUPPORTED, "cross_entropy needs a softmax output",
                           found);
        assert_still_usable(&f, BP_SQUARED_ERROR);
        tear_down(&f);
    }
}

static void unknown_losses_and_reductions_are_refused_by_number(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, BP_IDENTITY);
    const bp_targets T = { .values = usual_T };
    const int unknown[] = { BP_N_LOSSES, 99, -1 };
    const char *const text[] = { "8 is no", "99 is no", "-1 is no" };
    for (size_t i = 0; i < COUNT(unknown); i++) {
        bp_loss loss = { 0 };
        memcpy(&loss.kind, &unknown[i], sizeof loss.kind); /* as a struct never initialised would have it */
        assert_refused(bp_network_loss(&f.net, &f.ws, &loss, &T, NULL), BP_ERR_ARGUMENT, text[i], "loss");
        loss = (bp_loss){ 0 };
        memcpy(&loss.reduction, &unknown[i], sizeof loss.reduction);
        assert_refused(bp_network_loss(&f.net, &f.ws, &loss, &T, NULL), BP_ERR_ARGUMENT, text[i], "reduction");
    }
    assert_still_usable(&f, BP_SQUARED_ERROR);
    tear_down(&f);
}

static void null_pointers_are_refused_by_name(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, BP_IDENTITY);
    const bp_loss loss = { 0 };
    const bp_targets T = { .values = usual_T };
    assert_refused(bp_network_loss(NULL, &f.ws, &loss, &T, NULL), BP_ERR_ARGUMENT, "bp_network_loss", "net is NULL");
    assert_refused(bp_network_loss(&f.net, NULL, &loss, &T, NULL), BP_ERR_ARGUMENT, "bp_network_loss", "ws is NULL");
    assert_refused(bp_network_loss(&f.net, &f.ws, NULL, &T, NULL), BP_ERR_ARGUMENT, "bp_network_loss", "loss is NULL");
    assert_refused(bp_network_loss(&f.net, &f.ws, &loss, NULL, NULL), BP_ERR_ARGUMENT, "bp_network_loss", "T is NULL");
    tear_down(&f);
}

static void a_loss_needs_a_forward_pass_before_it(void **state)
{
    (void)state;
    struct fixture f;
    bp_real Y[ALL];
    init(&f, BP_IDENTITY, UNITS, BP_TRAINING);
    const bp_targets T = { .values = usual_T };
    assert_refused(try_loss(&f, BP_SQUARED_ERROR, &T), BP_ERR_STATE, "no forward pass");
    assert_int_equal(bp_predict(&f.net, &f.ws, f.X, ROWS, Y), BP_OK);
    assert_refused(try_loss(&f, BP_SQUARED_ERROR, &T), BP_ERR_STATE, "no forward pass");
    tear_down(&f);
}

/* ---- Losses that are not finite -------------------------------------------------------------------------------------- */

/* One output of the usual ones gets another bias. */
static void check_nonfinite_loss(const struct pair *pair, bp_real bias, bool is_nan)
{
    struct fixture f;
    init(&f, pair->output, UNITS, BP_TRAINING);
    f.net.layers[0].b[1] = bias;
    forward(&f, ROWS, usual_Z);

    bp_real L = 0;
    const bp_targets T = { .labels = (const int32_t[ROWS]){ 1, 1, 1 } };
    const bp_loss loss = loss_of_kind(pair->loss, BP_REDUCE_MEAN);
    assert_refused(bp_network_loss(&f.net, &f.ws, &loss, &T, &L), BP_ERR_NONFINITE, "loss is");
    assert_true(is_nan ? isnan(L) : L == (bp_real)INFINITY);
    f.net.layers[0].b[1] = 0;
    forward(&f, ROWS, usual_Z);
    assert_still_usable(&f, pair->loss);
    tear_down(&f);
}

static void a_nan_in_the_outputs_is_a_nan_in_the_loss(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++)
        check_nonfinite_loss(&pairs[i], (bp_real)NAN, true);
}

static void a_loss_that_is_infinite_is_reported_as_such(void **state)
{
    (void)state;
    check_nonfinite_loss(&(struct pair){ BP_SQUARED_ERROR, BP_IDENTITY }, BP_REAL_MAX, false);
    check_nonfinite_loss(&(struct pair){ BP_BINARY_CROSS_ENTROPY, BP_SIGMOID }, -(bp_real)INFINITY, false);
    check_nonfinite_loss(&(struct pair){ BP_CROSS_ENTROPY, BP_SOFTMAX }, -(bp_real)INFINITY, false);
    for (int loss = BP_MAE; loss < BP_N_LOSSES; loss++)
        check_nonfinite_loss(&(struct pair){ (bp_loss_kind)loss, loss == BP_POISSON ? BP_SOFTPLUS : BP_IDENTITY },
                             (bp_real)INFINITY, loss == BP_POISSON); /* whose infinity less its logarithm is no number */
}

/* ---- Names ----------------------------------------------------------------------------------------------------------- */

/* They stand in files and in other people's code. */
static void every_loss_has_its_value_and_its_name(void **state)
{
    (void)state;
    const char *const names[] = {
        "squared_error", "binary_cross_entropy", "cross_entropy", "mae", "huber", "poisson", "quantile", "custom"
    };
    const bp_loss_kind kinds[] = { BP_SQUARED_ERROR, BP_BINARY_CROSS_ENTROPY,
                                   BP_CROSS_ENTROPY, BP_MAE,
                                   BP_HUBER,         BP_POISSON,
                                   BP_QUANTILE,      BP_CUSTOM_LOSS };
    assert_int_equal(COUNT(names), BP_N_LOSSES);
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal((size_t)kinds[i], i);
        assert_string_equal(bp_loss_name(kinds[i]), names[i]);
    }
    assert_int_equal(BP_REDUCE_MEAN, 0);
    assert_int_equal(BP_REDUCE_SUM, 1);
}

static void other_values_are_unknown(void **state)
{
    (void)state;
    const int unknown[] = { BP_N_LOSSES, -1, INT32_MAX, INT32_MIN };
    for (size_t i = 0; i < COUNT(unknown); i++) {
        bp_loss_kind kind;
        memcpy(&kind, &unknown[i], sizeof kind);
        assert_null(bpi_loss(kind));
        assert_string_equal(bp_loss_name(kind), "unknown");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(squared_error_is_half_the_sum_of_squares),
        cmocka_unit_test(squared_error_is_taken_of_the_outputs),
        cmocka_unit_test(binary_cross_entropy_of_a_certain_target_keeps_all_digits),
        cmocka_unit_test(binary_cross_entropy_of_a_probability_is_right_to_the_rounding_of_its_logit),
        cmocka_unit_test(binary_cross_entropy_adds_up_its_outputs),
        cmocka_unit_test(cross_entropy_of_a_class_keeps_all_digits),
        cmocka_unit_test(cross_entropy_weighs_the_classes_by_their_probabilities),
        cmocka_unit_test(an_impossible_class_costs_nothing_where_it_is_not_the_target),
        cmocka_unit_test(the_gradient_in_the_workspace_is_y_minus_t),
        cmocka_unit_test(the_gradient_of_cross_entropy_knows_the_sum_of_the_targets),
        cmocka_unit_test(the_loss_of_a_batch_is_the_mean_or_the_sum_of_its_rows),
        cmocka_unit_test(sample_weights_multiply_rows_and_divide_the_mean_by_their_sum),
        cmocka_unit_test(the_size_of_all_weights_together_does_not_matter_to_a_mean),
        cmocka_unit_test(weights_whose_sum_is_infinite_are_refused),
        cmocka_unit_test(weights_of_1_are_no_weights),
        cmocka_unit_test(labels_are_rows_of_0_with_a_1),
        cmocka_unit_test(a_batch_of_weight_0_has_loss_and_gradient_0),
        cmocka_unit_test(the_loss_is_the_same_without_a_gradient),
        cmocka_unit_test(the_gradient_is_the_same_without_the_loss),
        cmocka_unit_test(the_zeroed_loss_is_the_mean_of_the_squared_error),
        cmocka_unit_test(values_that_a_loss_cannot_take_are_refused_with_row_and_column),
        cmocka_unit_test(the_ends_of_the_range_of_probabilities_are_taken),
        cmocka_unit_test(the_squared_error_takes_any_finite_target),
        cmocka_unit_test(probabilities_that_do_not_sum_to_1_are_refused_with_their_sum),
        cmocka_unit_test(labels_that_are_no_class_are_refused_with_their_row),
        cmocka_unit_test(weights_below_0_or_not_finite_are_refused_with_their_row),
        cmocka_unit_test(targets_are_given_once),
        cmocka_unit_test(each_loss_and_its_gradient_are_the_formulas),
        cmocka_unit_test(a_custom_loss_is_asked_once_a_row_with_its_own_data),
        cmocka_unit_test(smoothed_labels_are_targets_moved_towards_the_mean),
        cmocka_unit_test(class_weights_are_sample_weights_by_class),
        cmocka_unit_test(class_weights_of_one_sigmoid_output_are_two),
        cmocka_unit_test(labels_of_one_output_are_its_target),
        cmocka_unit_test(labels_of_one_output_are_0_and_1_and_no_others),
        cmocka_unit_test(settings_that_a_loss_does_not_have_are_refused),
        cmocka_unit_test(a_fused_loss_needs_its_own_output),
        cmocka_unit_test(unknown_losses_and_reductions_are_refused_by_number),
        cmocka_unit_test(null_pointers_are_refused_by_name),
        cmocka_unit_test(a_loss_needs_a_forward_pass_before_it),
        cmocka_unit_test(a_nan_in_the_outputs_is_a_nan_in_the_loss),
        cmocka_unit_test(a_loss_that_is_infinite_is_reported_as_such),
        cmocka_unit_test(every_loss_has_its_value_and_its_name),
        cmocka_unit_test(other_values_are_unknown),
    };
    int n_failed = 0;
    AT_EACH_PATH (path)
        n_failed += cmocka_run_group_tests_name(name_of_path(path), tests, NULL, NULL);
    return n_failed;
}
