// SPDX-License-Identifier: MIT
/*
 * Dropout: which numbers are dropped, how many, and that the way back drops the same.
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
#include "math/dropout.h"
#include "support/close.h"
#include "support/levels.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

enum { ROWS = 200, UNITS = 301, N = ROWS * UNITS }; /* an odd width: two columns share a hash */

/* ---- Masks ------------------------------------------------------------------------------------------------------- */

static bp_real mask_numbers[2][N];

/* Where a 1 stays, 1 / (1 - p), and where it is dropped, 0. */
static const bp_real *mask_of(int which, uint64_t seed, uint64_t pass, size_t layer, bp_real p)
{
    bp_real *mask = mask_numbers[which];
    for (size_t i = 0; i < N; i++)
        mask[i] = R(1);
    bpi_dropout(bpi_dropout_key(seed, pass, layer), p, 0, ROWS, UNITS, mask, mask);
    return mask;
}

static void what_is_kept_is_divided_by_1_minus_p(void **state)
{
    (void)state;
    const bp_real p = R(0.25), *mask = mask_of(0, 1, 2, 3, p);
    for (size_t i = 0; i < N; i++)
        assert_true(mask[i] == R(0) || mask[i] == R(1) / (R(1) - p));
}

/* Of n independent numbers n p are dropped, with a standard deviation of sqrt(n p (1 - p)); 5 of them are seen once in
 * two million draws, and the draw is always the same. So for all, for a row's and for a column's. */
static void as_many_are_dropped_as_p_says(void **state)
{
    (void)state;
    const double ps[] = { 0.001, 0.1, 0.5, 0.8, 0.99 };
    for (size_t k = 0; k < COUNT(ps); k++) {
        const double p = ps[k];
        const bp_real *mask = mask_of(0, 7, k, 0, R(p));
        double dropped = 0, in_row[ROWS] = { 0 }, in_column[UNITS] = { 0 };
        for (size_t i = 0; i < N; i++) {
            const double is_dropped = mask[i] == R(0);
            dropped += is_dropped;
            in_row[i / UNITS] += is_dropped;
            in_column[i % UNITS] += is_dropped;
        }
        assert_close(dropped, N * p, 5 * sqrt(N * p * (1 - p)));
        if (N * p < 5000)
            continue; /* too few a row to be normally distributed */
        for (size_t i = 0; i < ROWS; i++)
            assert_close(in_row[i], UNITS * p, 5 * sqrt(UNITS * p * (1 - p)) + 1);
        for (size_t j = 0; j < UNITS; j++)
            assert_close(in_column[j], ROWS * p, 5 * sqrt(ROWS * p * (1 - p)) + 1);
    }
}

/* Mean of m and variance of m, m = 0 or 1 / (1 - p): 1 and p / (1 - p). */
static void expectation_stays_and_variance_is_p_over_1_minus_p(void **state)
{
    (void)state;
    const double p = 0.3, variance = p / (1 - p);
    const bp_real *mask = mask_of(0, 5, 0, 1, R(p));
    double sum = 0, squares = 0;
    for (size_t i = 0; i < N; i++) {
        sum += (double)mask[i];
        squares += ((double)mask[i] - 1) * ((double)mask[i] - 1);
    }
    /* (m - 1)^2 is 1 with probability p, else (p / (1 - p))^2: its own variance is p (1 - p) (1 - that)^2. */
    const double spread = sqrt(p * (1 - p)) * (1 - variance * variance);
    assert_close(sum / N, 1, 5 * sqrt(variance / N));
    assert_close(squares / N, variance, 5 * spread / sqrt(N));
}

/* Masks of other seeds, passes and layers agree with this one as often as chance has it. */
static void each_of_seed_pass_and_layer_makes_another_mask(void **state)
{
    (void)state;
    static const uint64_t others[][3] = { { 2, 1, 1 }, { 1, 2, 1 }, { 1, 1, 2 }, { 1, 0, 1 }, { 1, UINT64_C(1) << 40, 1 } };
    const double p = 0.5;
    const bp_real *mask = mask_of(0, 1, 1, 1, R(p));
    for (size_t k = 0; k < COUNT(others); k++) {
        const bp_real *other = mask_of(1, others[k][0], others[k][1], (size_t)others[k][2], R(p));
        double equal = 0;
        for (size_t i = 0; i < N; i++)
            equal += mask[i] == other[i];
        assert_close(equal, N / 2.0, 5 * sqrt(N / 4.0));
    }
    assert_memory_equal(mask_of(1, 1, 1, 1, R(p)), mask_of(0, 1, 1, 1, R(p)), N * sizeof(bp_real));
}

/* Neighbours in a row, above each other, and the two that share a hash are independent. */
static void neighbours_are_dropped_independently(void **state)
{
    (void)state;
    const size_t distances[] = { 1, 2, 3, UNITS - 1, UNITS, UNITS + 1, 2 * UNITS };
    const bp_real *mask = mask_of(0, 11, 0, 0, R(0.5));
    for (size_t k = 0; k < COUNT(distances); k++) {
        const size_t n = N - distances[k];
        double equal = 0;
        for (size_t i = 0; i < n; i++)
            equal += mask[i] == mask[i + distances[k]];
        assert_close(equal, (double)n / 2, 5 * sqrt((double)n / 4));
    }
}

/* Its place in the batch decides: rows done one at a time, by their numbers, are those of the batch. */
static void rows_may_be_done_one_at_a_time(void **state)
{
    (void)state;
    const bp_real *mask = mask_of(0, 3, 4, 5, R(0.4));
    const uint64_t key = bpi_dropout_key(3, 4, 5);
    for (size_t i = 0; i < ROWS; i++) {
        bp_real row[UNITS];
        for (size_t j = 0; j < UNITS; j++)
            row[j] = R(1);
        bpi_dropout(key, R(0.4), i, 1, UNITS, row, row);
        assert_memory_equal(row, mask + i * UNITS, sizeof row);
    }
}

/* The header's formula, once more. scatter(0, k) is output number k of SplitMix64 from the seed 0, of which
 * bp_rng_init() makes its state; of any key it is the first output from the seed key + k 0x9e37... */
static uint64_t scatter(uint64_t key, uint64_t value)
{
    bp_rng rng;
    bp_rng_init(&rng, key + value * UINT64_C(0x9e3779b97f4a7c15));
    return rng.state[0];
}

static void hash_is_that_of_the_header(void **state)
{
    (void)state;
    assert_true(scatter(0, 0) == UINT64_C(0xe220a8397b1dcdaf)); /* known from the authors' program */
    const uint64_t key = scatter(scatter(scatter(0, 21), 22), 23);
    assert_true(bpi_dropout_key(21, 22, 23) == key);

    bp_real x[5] = { R(1), R(1), R(1), R(1), R(1) };
    bpi_dropout(key, R(0.5), 6, 1, COUNT(x), x, x);
    for (size_t j = 0; j < COUNT(x); j++) {
        const uint64_t bits = scatter(scatter(key, 6), j / 2) >> (j % 2 * 32) & UINT32_MAX;
        assert_true((x[j] == R(0)) == (bits < UINT64_C(1) << 31));
    }
}

static void what_is_dropped_is_0_even_of_infinity(void **state)
{
    (void)state;
    bp_real x[64];
    for (size_t i = 0; i < COUNT(x); i++)
        x[i] = R(INFINITY);
    bpi_dropout(1, R(0.5), 0, 1, COUNT(x), x, x);
    for (size_t i = 0; i < COUNT(x); i++)
        assert_true(x[i] == R(0) || x[i] == R(INFINITY));
}

/* ---- Networks ---------------------------------------------------------------------------------------------------- */

enum { IN = 3, BATCH = 9, HIDDEN = 8, OUT = 2 };

struct fixture {
    bp_network net;
    bp_workspace ws;
    bp_real X[BATCH * IN];
};

static void make(struct fixture *f, bp_activation activation, const bp_activation_function *custom)
{
    const bp_layer_config layers[] = {
        { .n_out = HIDDEN, .activation = activation, .custom = custom, .dropout = R(0.5) },
        { .n_out = HIDDEN, .activation = activation, .custom = custom, .dropout = R(0.25) },
        { .n_out = OUT },
    };
    const bp_network_config config = { .n_in = IN, .n_layers = COUNT(layers), .layers = layers, .seed = 1 };
    assert_int_equal(bp_network_init(&f->net, &config), BP_OK);
    assert_int_equal(bp_workspace_init(&f->ws, &f->net, BATCH, BP_TRAINING), BP_OK);
    bp_rng rng;
    bp_rng_init(&rng, 2);
    for (size_t i = 0; i < COUNT(f->X); i++)
        f->X[i] = R(bp_rng_normal(&rng));
}

static void destroy(struct fixture *f)
{
    bp_workspace_free(&f->ws);
    bp_network_free(&f->net);
}

static void outputs(struct fixture *f, uint64_t seed, uint64_t pass, bp_real Y[BATCH * OUT])
{
    f->ws.seed = seed;
    f->ws.pass = pass;
    assert_int_equal(bp_network_forward(&f->net, &f->ws, f->X, BATCH), BP_OK);
    memcpy(Y, f->ws.Y, BATCH * OUT * sizeof *Y);
    assert_true(f->ws.seed == seed && f->ws.pass == pass);
}

static void outputs_follow_from_seed_and_pass(void **state)
{
    (void)state;
    struct fixture f;
    bp_real first[BATCH * OUT], again[BATCH * OUT], other[BATCH * OUT];
    make(&f, BP_TANH, NULL);
    outputs(&f, 1, 1, first);
    outputs(&f, 1, 2, other);
    assert_memory_not_equal(first, other, sizeof first);
    outputs(&f, 2, 1, other);
    assert_memory_not_equal(first, other, sizeof first);
    outputs(&f, 1, 1, again);
    assert_memory_equal(first, again, sizeof first);
    destroy(&f);
}

static void hidden_outputs_are_f_of_Z_dropped_out(void **state)
{
    (void)state;
    struct fixture f;
    bp_real Y[BATCH * OUT], expected[BATCH * HIDDEN];
    make(&f, BP_SILU, NULL);
    outputs(&f, 3, 4, Y);
    for (size_t l = 0; l < 2; l++) {
        const uint64_t key = bpi_dropout_key(3, 4, l);
        for (size_t i = 0; i < COUNT(expected); i++) {
            const double z = (double)f.ws.Z[l][i];
            expected[i] = R(z / (1 + exp(-z)));
        }
        bpi_dropout(key, f.net.layers[l].dropout, 0, BATCH, HIDDEN, expected, expected);
        for (size_t i = 0; i < COUNT(expected); i++)
            assert_close((double)f.ws.A[l][i], (double)expected[i], 20 * (double)BP_REAL_EPSILON);
    }
    destroy(&f);
}

static void predictions_drop_nothing(void **state)
{
    (void)state;
    struct fixture f;
    bp_workspace inference;
    bp_network plain;
    bp_real Y[BATCH * OUT], expected[BATCH * OUT];
    const bp_layer_config layers[] = { { .n_out = HIDDEN, .activation = BP_TANH },
                                       { .n_out = HIDDEN, .activation = BP_TANH },
                                       { .n_out = OUT } };
    const bp_network_config config = { .n_in = IN, .n_layers = COUNT(layers), .layers = layers, .seed = 1 };
    const bool was_forced = take_gemm(); /* with dropout no network is small */
    make(&f, BP_TANH, NULL);
    assert_int_equal(bp_network_init(&plain, &config), BP_OK);
    assert_int_equal(bp_workspace_init(&inference, &plain, BATCH, BP_INFERENCE), BP_OK);
    assert_int_equal(bp_predict(&plain, &inference, f.X, BATCH, expected), BP_OK);
    bp_workspace_free(&inference);

    assert_int_equal(bp_predict(&f.net, &f.ws, f.X, BATCH, Y), BP_OK);
    assert_memory_equal(Y, expected, sizeof Y);
    assert_int_equal(bp_workspace_init(&inference, &f.net, BATCH, BP_INFERENCE), BP_OK);
    assert_int_equal(bp_network_forward(&f.net, &inference, f.X, BATCH), BP_OK);
    assert_memory_equal(inference.Y, expected, sizeof Y);
    hand_back(was_forced);
    bp_workspace_free(&inference);
    bp_network_free(&plain);
    destroy(&f);
}

/* f(z) = z^3 / (1 + z^2), whose derivative is taken from Z and from A, so that both must have been kept. */
static void cubic_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    (void)parameter, (void)user;
    for (size_t i = 0; i < rows * n; i++)
        A[i] = Z[i] * Z[i] * Z[i] / (R(1) + Z[i] * Z[i]);
}

/* f'(z) = (3 z^2 - 2 z f(z)) / (1 + z^2). */
static void cubic_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                            const bp_real *dA, bp_real *dZ)
{
    (void)parameter, (void)user;
    for (size_t i = 0; i < rows * n; i++)
        dZ[i] = dA[i] * (R(3) * Z[i] * Z[i] - R(2) * Z[i] * A[i]) / (R(1) + Z[i] * Z[i]);
}

static const bp_activation_function cubic = { .name = "cubic", .apply = cubic_apply, .pull_back = cubic_pull_back };

/* A relative 1e-6 (single precision: coarse mistakes only), and the rounding of a loss about 1 over the step h. */
static void assert_gradient_right(const bp_gradient_check_report *report)
{
    const double eps = (double)BP_REAL_EPSILON, relative = sizeof(bp_real) == sizeof(double) ? 1e-6 : 1e-2;
    const double bound = relative * fabs((double)report->analytic) + 100 * eps / pow(eps, 0.2);
    assert_close((double)report->numeric, (double)report->analytic, bound);
    assert_true(report->n_at_kink < report->n_checked / 10);
}

static void gradients_through_dropout_meet_differences(void **state)
{
    (void)state;
    for (int a = 0; a < (int)BP_N_ACTIVATIONS; a++) {
        struct fixture f;
        bp_gradient_check_report report;
        const bp_loss loss = { 0 };
        const bp_real values[BATCH * OUT] = { R(1), R(-1), R(0.5) };
        const bp_targets T = { .values = values };
        make(&f, (bp_activation)a, a == BP_CUSTOM_ACTIVATION ? &cubic : NULL);
        assert_int_equal(bp_gradient_check(&f.net, &loss, f.X, &T, BATCH, &report), BP_OK);
        assert_gradient_right(&report);
        destroy(&f);
    }
}

/* The backward pass drops what its forward pass dropped, even if the next pass has been numbered already. */
static void backward_drops_what_forward_dropped(void **state)
{
    (void)state;
    struct fixture f;
    bp_real Y[BATCH * OUT], dY[BATCH * OUT], first[BATCH * IN], second[BATCH * IN];
    make(&f, BP_RELU, NULL);
    for (size_t i = 0; i < COUNT(dY); i++)
        dY[i] = R(1);
    outputs(&f, 1, 1, Y);
    assert_int_equal(bp_network_backward(&f.net, &f.ws, dY, NULL, first, BP_OVERWRITE), BP_OK);
    f.ws.pass++;
    f.ws.seed = 9;
    assert_int_equal(bp_network_backward(&f.net, &f.ws, dY, NULL, second, BP_OVERWRITE), BP_OK);
    assert_memory_equal(first, second, sizeof first);
    destroy(&f);
}

/* ---- Refusals ---------------------------------------------------------------------------------------------------- */

static void rates_that_are_none_are_refused(void **state)
{
    (void)state;
    static const struct {
        double p;
        const char *part;
    } refused[] = { { 1, "dropout is 1" }, { -0.5, "dropout is -0.5" }, { NAN, "dropout is nan" }, { INFINITY, "is inf" } };
    for (size_t i = 0; i < COUNT(refused); i++) {
        const bp_layer_config layers[] = { { .n_out = 2 }, { .n_out = 2, .dropout = R(refused[i].p) }, { .n_out = 1 } };
        const bp_network_config config = { .n_in = 1, .n_layers = 3, .layers = layers };
        bp_network net;
        assert_refused(bp_network_init(&net, &config), BP_ERR_ARGUMENT, "layer 1", refused[i].part, "0 <= dropout < 1");
    }
}

static void output_layer_has_no_dropout(void **state)
{
    (void)state;
    const bp_layer_config layers[] = { { .n_out = 2, .dropout = R(0.5) }, { .n_out = 1, .dropout = R(0.5) } };
    const bp_network_config config = { .n_in = 1, .n_layers = 2, .layers = layers };
    bp_network net;
    assert_refused(bp_network_init(&net, &config), BP_ERR_UNSUPPORTED, "layer 1", "output layer");
}

static void workspace_tells_whether_there_is_dropout(void **state)
{
    (void)state;
    const bp_layer_config with[] = { { .n_out = 2, .dropout = R(0.5) }, { .n_out = 1 } };
    const bp_layer_config without[] = { { .n_out = 2 }, { .n_out = 1 } };
    const bp_real X[1] = { R(1) };
    bp_network a, b;
    bp_workspace ws;
    assert_int_equal(bp_network_init(&a, &(bp_network_config){ .n_in = 1, .n_layers = 2, .layers = with }), BP_OK);
    assert_int_equal(bp_network_init(&b, &(bp_network_config){ .n_in = 1, .n_layers = 2, .layers = without }), BP_OK);
    assert_int_equal(bp_workspace_init(&ws, &b, 1, BP_TRAINING), BP_OK);
    assert_refused(bp_network_forward(&a, &ws, X, 1), BP_ERR_SHAPE, "dropout");
    bp_workspace_free(&ws);
    bp_network_free(&b);
    bp_network_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_is_divided_by_1_minus_p),
        cmocka_unit_test(as_many_are_dropped_as_p_says),
        cmocka_unit_test(expectation_stays_and_variance_is_p_over_1_minus_p),
        cmocka_unit_test(each_of_seed_pass_and_layer_makes_another_mask),
        cmocka_unit_test(neighbours_are_dropped_independently),
        cmocka_unit_test(rows_may_be_done_one_at_a_time),
        cmocka_unit_test(hash_is_that_of_the_header),
        cmocka_unit_test(what_is_dropped_is_0_even_of_infinity),
        cmocka_unit_test(outputs_follow_from_seed_and_pass),
        cmocka_unit_test(hidden_outputs_are_f_of_Z_dropped_out),
        cmocka_unit_test(predictions_drop_nothing),
        cmocka_unit_test(gradients_through_dropout_meet_differences),
        cmocka_unit_test(backward_drops_what_forward_dropped),
        cmocka_unit_test(rates_that_are_none_are_refused),
        cmocka_unit_test(output_layer_has_no_dropout),
        cmocka_unit_test(workspace_tells_whether_there_is_dropout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
