// SPDX-License-Identifier: MIT
/*
 * Scaling: fitted to columns, carried by networks, applied by predictions.
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
#include "backprop/rng.h"
#include "backprop/scaling.h"
#include "backprop/workspace.h"
#include "math/scaling.h"
#include "support/close.h"
#include "support/heap.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

static const double rounding = 100 * (double)BP_REAL_EPSILON;

/* ---- Fitting ----------------------------------------------------------------------------------------------------- */

enum { COLUMNS = 3 };

static void fit(bp_scaling_kind kind, size_t rows, const bp_real *X, bp_real center[COLUMNS], bp_real scale[COLUMNS])
{
    double memory[2 * COLUMNS];
    struct bpi_scaling_fit fitting;
    assert_int_equal(bpi_scaling_memory(COLUMNS), COUNT(memory));
    bpi_scaling_begin(&fitting, kind, COLUMNS, memory);
    bpi_scaling_add(&fitting, rows, X);
    bpi_scaling_finish(&fitting, center, scale);
}

/* Column 0: 2, 4, 6, 8 of mean 5 and variance (9 + 1 + 1 + 9) / 4; column 1 the same, negative; column 2 constant. */
static const bp_real by_hand[] = { R(2), R(-2), R(0.1), R(8), R(-8), R(0.1), R(4), R(-4), R(0.1), R(6), R(-6), R(0.1) };

static void standardising_takes_mean_and_standard_deviation(void **state)
{
    (void)state;
    bp_real center[COLUMNS], scale[COLUMNS];
    fit(BP_STANDARDISE, 4, by_hand, center, scale);
    assert_close((double)center[0], 5, rounding);
    assert_close((double)center[1], -5, rounding);
    assert_close((double)scale[0], sqrt(5), rounding);
    assert_close((double)scale[1], sqrt(5), rounding);
}

static void min_max_takes_the_smallest_and_the_range(void **state)
{
    (void)state;
    bp_real center[COLUMNS], scale[COLUMNS];
    fit(BP_MIN_MAX, 4, by_hand, center, scale);
    assert_true(center[0] == R(2) && scale[0] == R(6));
    assert_true(center[1] == R(-8) && scale[1] == R(6));
}

/* 0.1 is no binary fraction: a mean with an error would leave a tiny deviation, and a huge scaled number. */
static void constant_columns_have_the_scale_1(void **state)
{
    (void)state;
    static const bp_scaling_kind kinds[] = { BP_STANDARDISE, BP_MIN_MAX };
    for (size_t k = 0; k < COUNT(kinds); k++) {
        bp_real center[COLUMNS], scale[COLUMNS];
        fit(kinds[k], 4, by_hand, center, scale);
        assert_true(center[2] == R(0.1) && scale[2] == R(1));
        fit(kinds[k], 1, by_hand, center, scale); /* one row: all columns are constant */
        for (size_t j = 0; j < COLUMNS; j++)
            assert_true(center[j] == by_hand[j] && scale[j] == R(1));
    }
}

static void nothing_seen_and_no_kind_leave_numbers_alone(void **state)
{
    (void)state;
    bp_real center[COLUMNS], scale[COLUMNS];
    for (size_t k = 0; k < 2; k++) {
        fit(k == 0 ? BP_SCALE_NONE : BP_MIN_MAX, k == 0 ? 4 : 0, by_hand, center, scale);
        for (size_t j = 0; j < COLUMNS; j++)
            assert_true(center[j] == R(0) && scale[j] == R(1));
    }
}

static void rows_may_come_a_few_at_a_time(void **state)
{
    (void)state;
    for (int kind = 0; kind < (int)BP_N_SCALING_KINDS; kind++) {
        bp_real at_once[2][COLUMNS], in_parts[2][COLUMNS];
        double memory[2 * COLUMNS];
        struct bpi_scaling_fit fitting;
        fit((bp_scaling_kind)kind, 4, by_hand, at_once[0], at_once[1]);
        bpi_scaling_begin(&fitting, (bp_scaling_kind)kind, COLUMNS, memory);
        bpi_scaling_add(&fitting, 1, by_hand);
        bpi_scaling_add(&fitting, 0, by_hand);
        bpi_scaling_add(&fitting, 3, by_hand + COLUMNS);
        bpi_scaling_finish(&fitting, in_parts[0], in_parts[1]);
        assert_memory_equal(in_parts, at_once, sizeof at_once);
    }
}

/* A mean far from 0: the textbook's mean of squares less square of mean would lose the deviation altogether. */
static void deviation_survives_a_large_mean(void **state)
{
    (void)state;
    enum { ROWS = 1000 };
    const double mean = sizeof(bp_real) == sizeof(double) ? 1e9 : 4096;
    bp_real X[ROWS * COLUMNS], center[COLUMNS], scale[COLUMNS];
    for (size_t i = 0; i < COUNT(X); i++)
        X[i] = R(mean + (i / COLUMNS % 2 == 0 ? 1 : -1));
    fit(BP_STANDARDISE, ROWS, X, center, scale);
    for (size_t j = 0; j < COLUMNS; j++) {
        assert_close((double)center[j], mean, mean * rounding);
        assert_close((double)scale[j], 1, 1e-6);
    }
}

static void scale_is_finite_and_positive_at_the_ends_of_the_range(void **state)
{
    (void)state;
    const bp_real X[] = { BP_REAL_MAX, R(0), BP_REAL_MIN / R(4), -BP_REAL_MAX, BP_REAL_MIN / R(8), R(0) };
    for (int kind = 0; kind < (int)BP_N_SCALING_KINDS; kind++) {
        bp_real center[COLUMNS], scale[COLUMNS];
        fit((bp_scaling_kind)kind, 2, X, center, scale);
        for (size_t j = 0; j < COLUMNS; j++)
            assert_true(isfinite(scale[j]) && scale[j] > R(0));
    }
}

static void scaled_columns_are_what_the_kind_promises(void **state)
{
    (void)state;
    bp_real center[COLUMNS], scale[COLUMNS], X[COUNT(by_hand)], back[COUNT(by_hand)];
    fit(BP_STANDARDISE, 4, by_hand, center, scale);
    bpi_scale_rows(4, COLUMNS, center, scale, by_hand, X);
    for (size_t j = 0; j < COLUMNS; j++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < 4; i++) {
            sum += (double)X[i * COLUMNS + j];
            squares += (double)X[i * COLUMNS + j] * (double)X[i * COLUMNS + j];
        }
        assert_close(sum, 0, rounding);
        assert_close(squares / 4, j < 2 ? 1 : 0, rounding);
    }
    bpi_unscale_rows(4, COLUMNS, center, scale, X, back);
    for (size_t i = 0; i < COUNT(back); i++)
        assert_close((double)back[i], (double)by_hand[i], rounding);

    fit(BP_MIN_MAX, 4, by_hand, center, scale);
    bpi_scale_rows(4, COLUMNS, center, scale, by_hand, X);
    for (size_t i = 0; i < COUNT(X); i++)
        assert_true(X[i] >= R(0) && X[i] <= R(1));
    assert_true(X[0] == R(0) && X[COLUMNS] == R(1));
}

static void kinds_have_names_and_fixed_values(void **state)
{
    (void)state;
    assert_int_equal(BP_SCALE_NONE, 0);
    assert_int_equal(BP_STANDARDISE, 1);
    assert_int_equal(BP_MIN_MAX, 2);
    assert_string_equal(bp_scaling_name(BP_SCALE_NONE), "none");
    assert_string_equal(bp_scaling_name(BP_STANDARDISE), "standardise");
    assert_string_equal(bp_scaling_name(BP_MIN_MAX), "min_max");
    assert_string_equal(bp_scaling_name(BP_N_SCALING_KINDS), "unknown");
}

/* ---- Networks ---------------------------------------------------------------------------------------------------- */

enum { IN = 2, OUT = 3, ROWS = 5 };

static const bp_real in_center[IN] = { R(100), R(-3) }, in_scale[IN] = { R(20), R(0.5) };
static const bp_real out_center[OUT] = { R(7), R(0), R(-1) }, out_scale[OUT] = { R(3), R(0.25), R(10) };

static void make(bp_network *net, bp_activation output, const bp_allocator *allocator)
{
    const bp_layer_config layers[] = { { .n_out = 4, .activation = BP_TANH }, { .n_out = OUT, .activation = output } };
    const bp_network_config config = { .n_in = IN, .n_layers = 2, .layers = layers, .seed = 1, .allocator = allocator };
    assert_int_equal(bp_network_init(net, &config), BP_OK);
}

static void set_all(bp_network *net)
{
    assert_int_equal(bp_network_set_scaling(net, in_center, in_scale, out_center, out_scale), BP_OK);
}

/* Inputs in the user's units, and the same in the network's. */
static void make_inputs(bp_real X[ROWS * IN], bp_real scaled[ROWS * IN])
{
    bp_rng rng;
    bp_rng_init(&rng, 8);
    for (size_t i = 0; i < ROWS * IN; i++) {
        const size_t j = i % IN;
        X[i] = R((double)in_center[j] + (double)in_scale[j] * bp_rng_normal(&rng));
        scaled[i] = (X[i] - in_center[j]) / in_scale[j];
    }
}

static void predict(const bp_network *net, bp_mode mode, const bp_real *X, bp_real *Y)
{
    bp_workspace ws;
    assert_int_equal(bp_workspace_init(&ws, net, ROWS, mode), BP_OK);
    assert_int_equal(bp_predict(net, &ws, X, ROWS, Y), BP_OK);
    bp_workspace_free(&ws);
}

static void new_network_scales_nothing(void **state)
{
    (void)state;
    bp_network net;
    make(&net, BP_IDENTITY, NULL);
    assert_false(net.scales_inputs || net.scales_outputs);
    for (size_t j = 0; j < IN; j++)
        assert_true(net.in_center[j] == R(0) && net.in_scale[j] == R(1));
    for (size_t j = 0; j < OUT; j++)
        assert_true(net.out_center[j] == R(0) && net.out_scale[j] == R(1));
    bp_network_free(&net);
}

static void predictions_take_and_give_the_units_of_the_data(void **state)
{
    (void)state;
    bp_network net;
    bp_real X[ROWS * IN], scaled[ROWS * IN], Y[ROWS * OUT], plain[ROWS * OUT];
    make(&net, BP_IDENTITY, NULL);
    make_inputs(X, scaled);
    predict(&net, BP_INFERENCE, scaled, plain);
    set_all(&net);
    for (int mode = BP_INFERENCE; mode <= BP_TRAINING; mode++) {
        predict(&net, (bp_mode)mode, X, Y);
        for (size_t i = 0; i < COUNT(Y); i++)
            assert_true(Y[i] == plain[i] * out_scale[i % OUT] + out_center[i % OUT]);
    }
    bp_network_free(&net);
}

static void either_side_may_be_scaled_alone(void **state)
{
    (void)state;
    bp_network net;
    bp_real X[ROWS * IN], scaled[ROWS * IN], Y[ROWS * OUT], plain[ROWS * OUT];
    make(&net, BP_IDENTITY, NULL);
    make_inputs(X, scaled);
    predict(&net, BP_INFERENCE, scaled, plain);

    assert_int_equal(bp_network_set_scaling(&net, in_center, in_scale, NULL, NULL), BP_OK);
    predict(&net, BP_INFERENCE, X, Y);
    assert_memory_equal(Y, plain, sizeof Y);

    assert_int_equal(bp_network_set_scaling(&net, NULL, NULL, out_center, out_scale), BP_OK);
    assert_false(net.scales_inputs);
    predict(&net, BP_INFERENCE, scaled, Y);
    for (size_t i = 0; i < COUNT(Y); i++)
        assert_true(Y[i] == plain[i] * out_scale[i % OUT] + out_center[i % OUT]);
    bp_network_free(&net);
}

static void forward_and_loss_stay_in_the_units_of_the_network(void **state)
{
    (void)state;
    bp_network net;
    bp_workspace ws;
    bp_real X[ROWS * IN], scaled[ROWS * IN], plain[ROWS * OUT];
    make(&net, BP_IDENTITY, NULL);
    make_inputs(X, scaled);
    predict(&net, BP_INFERENCE, scaled, plain);
    set_all(&net);
    assert_int_equal(bp_workspace_init(&ws, &net, ROWS, BP_TRAINING), BP_OK);
    assert_int_equal(bp_network_forward(&net, &ws, scaled, ROWS), BP_OK);
    assert_memory_equal(ws.Y, plain, sizeof plain);
    bp_workspace_free(&ws);
    bp_network_free(&net);
}

static void clone_has_the_scaling_and_copied_parameters_do_not(void **state)
{
    (void)state;
    bp_network net, clone, other;
    bp_real X[ROWS * IN], scaled[ROWS * IN], Y[ROWS * OUT], of_clone[ROWS * OUT];
    make(&net, BP_IDENTITY, NULL);
    make(&other, BP_IDENTITY, NULL);
    make_inputs(X, scaled);
    set_all(&net);
    assert_int_equal(bp_network_clone(&clone, &net, NULL), BP_OK);
    assert_true(clone.topology == net.topology);
    predict(&net, BP_INFERENCE, X, Y);
    predict(&clone, BP_INFERENCE, X, of_clone);
    assert_memory_equal(Y, of_clone, sizeof Y);

    assert_int_equal(bp_network_copy_params(&other, &net), BP_OK); /* scaling does not stand in the way */
    assert_int_equal(bp_network_copy_params(&net, &other), BP_OK);
    assert_false(other.scales_inputs || other.scales_outputs);
    assert_true(net.scales_inputs && net.in_center[0] == in_center[0]);
    bp_network_free(&clone);
    bp_network_free(&other);
    bp_network_free(&net);
}

static void scaling_may_be_set_again_and_taken_off(void **state)
{
    (void)state;
    bp_network net;
    make(&net, BP_IDENTITY, NULL);
    const uint64_t topology = net.topology;
    set_all(&net);
    assert_true(net.topology != topology);
    assert_int_equal(bp_network_set_scaling(&net, net.in_center, net.in_scale, net.out_center, net.out_scale), BP_OK);
    assert_memory_equal(net.in_scale, in_scale, sizeof in_scale);
    assert_int_equal(bp_network_set_scaling(&net, NULL, NULL, NULL, NULL), BP_OK);
    assert_true(net.topology == topology);
    assert_false(net.scales_inputs || net.scales_outputs);
    assert_true(net.in_scale[0] == R(1) && net.out_center[0] == R(0));
    bp_network_free(&net);
}

static void setting_and_predicting_take_no_memory(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    bp_network net;
    bp_workspace ws;
    bp_real X[ROWS * IN], scaled[ROWS * IN], Y[ROWS * OUT];
    make(&net, BP_IDENTITY, &heap.allocator);
    make_inputs(X, scaled);
    set_all(&net);
    assert_int_equal(heap.n_allocs, 1);
    assert_int_equal(bp_workspace_init(&ws, &net, ROWS, BP_INFERENCE), BP_OK);
    const size_t before = heap.n_allocs;
    assert_int_equal(bp_predict(&net, &ws, X, ROWS, Y), BP_OK);
    assert_int_equal(heap.n_allocs, before);
    bp_workspace_free(&ws);
    bp_network_free(&net);
    assert_true(test_heap_is_clean(&heap));
}

/* ---- Batches of one's own ---------------------------------------------------------------------------------------- */

/* Forward on scaled inputs, its outputs scaled back, is the prediction; targets come where outputs are. */
static void inputs_and_targets_are_scaled_for_loops_of_ones_own(void **state)
{
    (void)state;
    bp_network net;
    bp_workspace ws;
    bp_real X[ROWS * IN], scaled[ROWS * IN], own[ROWS * IN], Y[ROWS * OUT], back[ROWS * OUT];
    make(&net, BP_IDENTITY, NULL);
    make_inputs(X, scaled);
    assert_int_equal(bp_network_scale_inputs(&net, ROWS, X, own), BP_OK);
    assert_memory_equal(own, X, sizeof own); /* nothing is scaled yet */
    set_all(&net);
    assert_int_equal(bp_network_scale_inputs(&net, ROWS, X, own), BP_OK);
    for (size_t i = 0; i < ROWS * IN; i++)
        assert_close((double)own[i], ((double)X[i] - (double)in_center[i % IN]) / (double)in_scale[i % IN], rounding);

    assert_int_equal(bp_workspace_init(&ws, &net, ROWS, BP_INFERENCE), BP_OK);
    assert_int_equal(bp_predict(&net, &ws, X, ROWS, Y), BP_OK);
    assert_int_equal(bp_network_scale_targets(&net, ROWS, Y, back), BP_OK);
    assert_int_equal(bp_network_forward(&net, &ws, own, ROWS), BP_OK);
    for (size_t i = 0; i < ROWS * OUT; i++)
        assert_close((double)back[i], (double)ws.Y[i], rounding * (1 + fabs((double)out_center[i % OUT])));
    assert_int_equal(bp_network_scale_inputs(&net, ROWS, X, X), BP_OK); /* in place */
    assert_memory_equal(X, own, sizeof own);
    bp_workspace_free(&ws);
    bp_network_free(&net);
}

/* ---- Refusals ---------------------------------------------------------------------------------------------------- */

static void workspace_made_before_the_scaling_is_refused(void **state)
{
    (void)state;
    bp_network net;
    bp_workspace before, after;
    bp_real X[ROWS * IN], scaled[ROWS * IN], Y[ROWS * OUT];
    make(&net, BP_IDENTITY, NULL);
    make_inputs(X, scaled);
    assert_int_equal(bp_workspace_init(&before, &net, ROWS, BP_INFERENCE), BP_OK);
    set_all(&net);
    assert_int_equal(bp_workspace_init(&after, &net, ROWS, BP_INFERENCE), BP_OK);
    assert_refused(bp_predict(&net, &before, X, ROWS, Y), BP_ERR_SHAPE, "made before the inputs of net began to be scaled");
    assert_int_equal(bp_network_set_scaling(&net, NULL, NULL, out_center, out_scale), BP_OK);
    assert_refused(bp_predict(&net, &after, X, ROWS, Y), BP_ERR_SHAPE, "made before the inputs of net ceased to be scaled");
    assert_int_equal(bp_predict(&net, &before, X, ROWS, Y), BP_OK);
    bp_workspace_free(&after);
    bp_workspace_free(&before);
    bp_network_free(&net);
}

static void numbers_that_cannot_scale_are_refused(void **state)
{
    (void)state;
    static const double bad[] = { 0, -1, NAN, INFINITY };
    bp_network net;
    make(&net, BP_IDENTITY, NULL);
    set_all(&net);
    for (size_t i = 0; i < COUNT(bad); i++) {
        const bp_real scale[OUT] = { R(1), R(bad[i]), R(1) };
        assert_refused(bp_network_set_scaling(&net, in_center, scale, NULL, NULL), BP_ERR_ARGUMENT, "inputs' scale",
                       "column 1", "above 0");
        assert_refused(bp_network_set_scaling(&net, NULL, NULL, out_center, scale), BP_ERR_ARGUMENT, "outputs' scale",
                       "column 1", "above 0");
        if (isfinite(bad[i]))
            continue;
        assert_refused(bp_network_set_scaling(&net, scale, in_scale, NULL, NULL), BP_ERR_ARGUMENT, "inputs' center");
        assert_refused(bp_network_set_scaling(&net, NULL, NULL, scale, out_scale), BP_ERR_ARGUMENT, "outputs' center");
    }
    assert_true(net.scales_inputs && net.scales_outputs); /* unchanged */
    assert_memory_equal(net.in_scale, in_scale, sizeof in_scale);
    assert_memory_equal(net.out_center, out_center, sizeof out_center);
    bp_network_free(&net);
}

static void half_a_scaling_is_refused(void **state)
{
    (void)state;
    bp_network net, none = { 0 };
    make(&net, BP_IDENTITY, NULL);
    assert_refused(bp_network_set_scaling(&net, in_center, NULL, NULL, NULL), BP_ERR_ARGUMENT, "a center but no scale");
    assert_refused(bp_network_set_scaling(&net, NULL, NULL, NULL, out_scale), BP_ERR_ARGUMENT, "a scale but no center");
    bp_real X[IN];
    assert_refused(bp_network_scale_inputs(NULL, 1, X, X), BP_ERR_ARGUMENT, "net is NULL");
    assert_refused(bp_network_scale_inputs(&none, 1, X, X), BP_ERR_STATE, "no layers");
    assert_refused(bp_network_scale_inputs(&net, 1, NULL, X), BP_ERR_ARGUMENT, "X is NULL");
    assert_refused(bp_network_scale_inputs(&net, 1, X, NULL), BP_ERR_ARGUMENT, "to is NULL");
    assert_refused(bp_network_scale_targets(NULL, 1, X, X), BP_ERR_ARGUMENT, "net is NULL");
    assert_refused(bp_network_scale_targets(&net, 1, NULL, X), BP_ERR_ARGUMENT, "T is NULL");
    assert_refused(bp_network_scale_targets(&net, 1, X, NULL), BP_ERR_ARGUMENT, "to is NULL");
    assert_refused(bp_network_set_scaling(NULL, NULL, NULL, NULL, NULL), BP_ERR_ARGUMENT, "net is NULL");
    assert_refused(bp_network_set_scaling(&none, NULL, NULL, NULL, NULL), BP_ERR_STATE, "no layers");
    bp_network_free(&net);
}

static void probabilities_are_not_scaled(void **state)
{
    (void)state;
    static const bp_activation outputs[] = { BP_SIGMOID, BP_SOFTMAX };
    for (size_t i = 0; i < COUNT(outputs); i++) {
        bp_network net;
        make(&net, outputs[i], NULL);
        assert_refused(bp_network_set_scaling(&net, in_center, in_scale, out_center, out_scale), BP_ERR_UNSUPPORTED,
                       bp_activation_name(outputs[i]), "probabilities");
        assert_false(net.scales_inputs);
        assert_int_equal(bp_network_set_scaling(&net, in_center, in_scale, NULL, NULL), BP_OK);
        bp_network_free(&net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standardising_takes_mean_and_standard_deviation),
        cmocka_unit_test(min_max_takes_the_smallest_and_the_range),
        cmocka_unit_test(constant_columns_have_the_scale_1),
        cmocka_unit_test(nothing_seen_and_no_kind_leave_numbers_alone),
        cmocka_unit_test(rows_may_come_a_few_at_a_time),
        cmocka_unit_test(deviation_survives_a_large_mean),
        cmocka_unit_test(scale_is_finite_and_positive_at_the_ends_of_the_range),
        cmocka_unit_test(scaled_columns_are_what_the_kind_promises),
        cmocka_unit_test(kinds_have_names_and_fixed_values),
        cmocka_unit_test(new_network_scales_nothing),
        cmocka_unit_test(predictions_take_and_give_the_units_of_the_data),
        cmocka_unit_test(either_side_may_be_scaled_alone),
        cmocka_unit_test(forward_and_loss_stay_in_the_units_of_the_network),
        cmocka_unit_test(clone_has_the_scaling_and_copied_parameters_do_not),
        cmocka_unit_test(scaling_may_be_set_again_and_taken_off),
        cmocka_unit_test(setting_and_predicting_take_no_memory),
        cmocka_unit_test(inputs_and_targets_are_scaled_for_loops_of_ones_own),
        cmocka_unit_test(workspace_made_before_the_scaling_is_refused),
        cmocka_unit_test(numbers_that_cannot_scale_are_refused),
        cmocka_unit_test(half_a_scaling_is_refused),
        cmocka_unit_test(probabilities_are_not_scaled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
