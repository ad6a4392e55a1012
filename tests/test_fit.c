// SPDX-License-Identifier: MIT
/*
 * bp_network_fit_scaling(): the numbers that a trainer fits, on the rows asked for, in any form of the data. Whether these are
 * the right ones is test_scaling.c's affair.
 */
#include "backprop/fit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "backprop/propagation.h"
#include "backprop/trainer.h"
#include "backprop/workspace.h"
#include "support/bench.h"
#include "support/close.h"
#include "support/heap.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

static const struct bench_kind simple = { 0 };
static const bp_optimizer_config plain = { 0 };

static void make(struct bench *bench)
{
    bench_init(bench, BENCH_ROWS, &simple, &plain);
}

static void fit(struct bench *bench, const bp_fit_config *config)
{
    if (bp_network_fit_scaling(&bench->net, &bench->data, config) != BP_OK)
        fail_msg("%s", bp_error_message());
}

static void assert_same_scaling(const bp_network *a, const bp_network *b)
{
    assert_int_equal(a->scales_inputs, b->scales_inputs);
    assert_int_equal(a->scales_outputs, b->scales_outputs);
    assert_memory_equal(a->in_center, b->in_center, sizeof(bp_real[2 * BENCH_IN]));
    assert_memory_equal(a->out_center, b->out_center, sizeof(bp_real[2 * BENCH_OUT]));
    assert_true(a->topology == b->topology);
}

static void the_scaling_is_that_of_a_trainer(void **state)
{
    (void)state;
    for (int in = 0; in < BP_N_SCALING_KINDS; in++)
        for (int out = 0; out < BP_N_SCALING_KINDS; out++) {
            if (in == BP_SCALE_NONE && out == BP_SCALE_NONE)
                continue;
            struct bench fitted, trained;
            bp_trainer trainer;
            make(&fitted);
            make(&trained);
            fit(&fitted, &(bp_fit_config){ .inputs = (bp_scaling_kind)in, .targets = (bp_scaling_kind)out });
            const bp_train_config config = { .scale_inputs = (bp_scaling_kind)in, .scale_targets = (bp_scaling_kind)out };
            assert_int_equal(bp_trainer_init(&trainer, &trained.net, &trained.opt, &trained.data, &config), BP_OK);
            assert_same_scaling(&fitted.net, &trained.net);
            assert_true(fitted.net.scales_inputs == (in != 0) && fitted.net.scales_outputs == (out != 0));
            bp_trainer_free(&trainer);
            bench_free(&fitted);
            bench_free(&trained);
        }
}

/* The last rows in another order, against data of them alone. */
static void only_the_rows_asked_for_count(void **state)
{
    (void)state;
    const bp_fit_config all = { .inputs = BP_MIN_MAX, .targets = BP_MIN_MAX };
    size_t rows[BENCH_ROWS - 30];
    for (size_t i = 0; i < COUNT(rows); i++)
        rows[i] = BENCH_ROWS - 1 - i;
    struct bench some, last;
    make(&some);
    make(&last);
    bp_fit_config config = all;
    config.rows = rows;
    config.n_rows = COUNT(rows);
    fit(&some, &config);
    last.data.rows = COUNT(rows);
    last.data.X.data = last.X + (size_t)30 * BENCH_IN;
    last.data.T.data = last.T + (size_t)30 * BENCH_OUT;
    fit(&last, &all);
    assert_same_scaling(&some.net, &last.net);
    bench_free(&some);
    bench_free(&last);
}

static bool read_row(size_t row, bp_real *x, bp_real *t, void *user)
{
    const struct bench *bench = user;
    memcpy(x, bench->X + row * BENCH_IN, BENCH_IN * sizeof *x);
    memcpy(t, bench->T + row * BENCH_OUT, BENCH_OUT * sizeof *t);
    return row != 35 || bench->weights[0] != R(-1);
}

static void read_rows_of(struct bench *bench)
{
    bench->data.X.data = bench->data.T.data = NULL;
    bench->data.read_row = read_row;
    bench->data.user = bench;
}

static void rows_may_come_from_a_function_or_strided_bytes(void **state)
{
    (void)state;
    const bp_fit_config config = { .inputs = BP_STANDARDISE, .targets = BP_STANDARDISE };
    struct bench arrays, function;
    make(&arrays);
    make(&function);
    read_rows_of(&function);
    fit(&arrays, &config);
    fit(&function, &config);
    assert_same_scaling(&arrays.net, &function.net);

    uint8_t bytes[BENCH_ROWS][BENCH_IN + 2];
    for (size_t i = 0; i < BENCH_ROWS; i++)
        for (size_t j = 0; j < BENCH_IN + 2; j++)
            bytes[i][j] = (uint8_t)(j < BENCH_IN ? 10 * j + i : 255);
    arrays.data.X = (bp_view){ .data = bytes, .element = BP_U8, .stride = BENCH_IN + 2, .scale = R(0.5) };
    fit(&arrays, &(bp_fit_config){ .inputs = BP_MIN_MAX });
    for (size_t j = 0; j < BENCH_IN; j++)
        assert_true(arrays.net.in_center[j] == R(5 * j) && arrays.net.in_scale[j] == R(BENCH_ROWS - 1) / 2);
    bench_free(&arrays);
    bench_free(&function);
}

/* Labels go with inputs that are fitted; what is not asked for stays; what is takes the place of what was. */
static void each_side_is_fitted_by_itself_and_anew(void **state)
{
    (void)state;
    struct bench bench;
    make(&bench);
    fit(&bench, &(bp_fit_config){ .targets = BP_MIN_MAX });
    assert_true(!bench.net.scales_inputs && bench.net.scales_outputs);
    const struct bench_numbers before = bench_numbers(&bench.net, &bench.opt);
    bench_show_labels(&bench);
    fit(&bench, &(bp_fit_config){ .inputs = BP_STANDARDISE });
    assert_true(bench.net.scales_inputs && bench.net.scales_outputs);
    assert_memory_equal(bench.net.out_center, before.out, sizeof before.out);
    const bp_real standard = bench.net.in_scale[0];
    fit(&bench, &(bp_fit_config){ .inputs = BP_MIN_MAX });
    assert_true(bench.net.in_scale[0] != standard);
    bench_free(&bench);
}

/* The loop in the header: the loss falls, and predictions are in the units of the data. */
static void a_loop_of_ones_own_trains_on_scaled_data(void **state)
{
    (void)state;
    struct bench bench;
    bp_workspace ws;
    bp_real X[BENCH_ROWS * BENCH_IN], T[BENCH_ROWS * BENCH_OUT], Y[BENCH_ROWS * BENCH_OUT], grad[BENCH_NUMBERS], L = 0;
    make(&bench);
    for (size_t i = 0; i < COUNT(bench.T); i++)
        bench.T[i] = R(1000) + R(500) * bench.T[i];
    fit(&bench, &(bp_fit_config){ .inputs = BP_STANDARDISE, .targets = BP_STANDARDISE });
    assert_int_equal(bp_workspace_init(&ws, &bench.net, BENCH_ROWS, BP_TRAINING), BP_OK);
    assert_int_equal(bp_network_scale_inputs(&bench.net, BENCH_ROWS, bench.X, X), BP_OK);
    assert_int_equal(bp_network_scale_targets(&bench.net, BENCH_ROWS, bench.T, T), BP_OK);
    bench.opt.learning_rate = R(0.2);
    for (int step = 0; step < 2000; step++) {
        assert_int_equal(bp_network_forward(&bench.net, &ws, X, BENCH_ROWS), BP_OK);
        assert_int_equal(bp_network_loss(&bench.net, &ws, &(bp_loss){ 0 }, &(bp_targets){ .values = T }, &L), BP_OK);
        assert_int_equal(bp_network_backward(&bench.net, &ws, NULL, grad, NULL, BP_OVERWRITE), BP_OK);
        assert_int_equal(bp_optimizer_step(&bench.opt, &bench.net.parameters, grad, L), BP_OK);
    }
    assert_true(L < R(0.05)); /* half the variance of each of two outputs is 1 at first */
    assert_int_equal(bp_predict(&bench.net, &ws, bench.X, BENCH_ROWS, Y), BP_OK);
    double squares = 0;
    for (size_t i = 0; i < COUNT(Y); i++) {
        const double e = ((double)Y[i] - (double)bench.T[i]) / (double)bench.net.out_scale[i % BENCH_OUT];
        squares += e * e;
    }
    assert_true(squares / BENCH_ROWS / 2 < 0.05);
    bp_workspace_free(&ws);
    bench_free(&bench);
}

/* ---- Refusals ---------------------------------------------------------------------------------------------------- */

static void what_cannot_be_fitted_is_refused_and_the_network_stays(void **state)
{
    (void)state;
    const bp_fit_config both = { .inputs = BP_STANDARDISE, .targets = BP_STANDARDISE };
    const size_t rows[] = { 3, BENCH_ROWS };
    struct bench bench;
    bp_network none = { 0 };
    make(&bench);
    const struct bench_numbers before = bench_numbers(&bench.net, &bench.opt);
    bp_network *net = &bench.net;
    const bp_dataset *data = &bench.data;
    assert_refused(bp_network_fit_scaling(NULL, data, &both), BP_ERR_ARGUMENT, "net is NULL");
    assert_refused(bp_network_fit_scaling(&none, data, &both), BP_ERR_STATE, "no layers");
    assert_refused(bp_network_fit_scaling(net, NULL, &both), BP_ERR_ARGUMENT, "data is NULL");
    assert_refused(bp_network_fit_scaling(net, data, NULL), BP_ERR_ARGUMENT, "config is NULL");
    assert_refused(bp_network_fit_scaling(net, data, &(bp_fit_config){ 0 }), BP_ERR_ARGUMENT, "neither inputs nor targets");
    assert_refused(bp_network_fit_scaling(net, data, &(bp_fit_config){ .inputs = BP_N_SCALING_KINDS }), BP_ERR_ARGUMENT,
                   "inputs: 3 is no scaling");
    assert_refused(bp_network_fit_scaling(net, data, &(bp_fit_config){ .inputs = BP_MIN_MAX, .rows = rows }), BP_ERR_SHAPE,
                   "n_rows is 0");
    assert_refused(bp_network_fit_scaling(net, data, &(bp_fit_config){ .inputs = BP_MIN_MAX, .rows = rows, .n_rows = 2 }),
                   BP_ERR_SHAPE, "rows[1] is 40", "40 rows");
    bp_dataset wide = *data;
    wide.n_in++;
    assert_refused(bp_network_fit_scaling(net, &wide, &both), BP_ERR_SHAPE, "the data have 4 inputs");
    bench.X[5] = R(NAN);
    assert_refused(bp_network_fit_scaling(net, data, &both), BP_ERR_NONFINITE, "row 1, column 2");
    bench.X[5] = BP_REAL_MAX;
    bench.X[8] = -BP_REAL_MAX;
    if (sizeof(bp_real) == sizeof(double)) /* single precision is summed in double */
        assert_refused(bp_network_fit_scaling(net, data, &both), BP_ERR_ARGUMENT, "center", "finite");
    bench.X[5] = bench.X[8] = R(0);
    bench_show_labels(&bench);
    assert_refused(bp_network_fit_scaling(net, data, &both), BP_ERR_UNSUPPORTED, "labels");
    read_rows_of(&bench);
    bench.data.labels.data = NULL;
    bench.weights[0] = R(-1);
    assert_refused(bp_network_fit_scaling(net, data, &both), BP_ERR_IO, "row 35");
    const struct bench_numbers after = bench_numbers(&bench.net, &bench.opt);
    assert_true(bench_same(&before, &after));
    bench_free(&bench);
}

static void targets_of_probabilities_are_not_fitted(void **state)
{
    (void)state;
    const bp_activation outputs[] = { BP_SIGMOID, BP_SOFTMAX };
    for (size_t i = 0; i < COUNT(outputs); i++) {
        struct bench bench;
        bench_init(&bench, BENCH_ROWS, &(struct bench_kind){ .output = outputs[i] }, &plain);
        assert_refused(bp_network_fit_scaling(&bench.net, &bench.data, &(bp_fit_config){ .targets = BP_MIN_MAX }),
                       BP_ERR_UNSUPPORTED, bp_activation_name(outputs[i]));
        fit(&bench, &(bp_fit_config){ .inputs = BP_MIN_MAX });
        bench_free(&bench);
    }
}

static void any_allocation_may_fail(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    struct bench bench;
    make(&bench);
    bp_network net;
    assert_int_equal(bp_network_clone(&net, &bench.net, &heap.allocator), BP_OK);
    const size_t before = heap.n_allocs, bytes = heap.live_bytes;
    const size_t rows[] = { 1, 2, 5 };
    const bp_fit_config config = { .inputs = BP_STANDARDISE, .targets = BP_MIN_MAX, .rows = rows, .n_rows = 3 };
    for (size_t i = 1; i <= 2; i++) {
        heap.fail_at = before + i * (i + 1) / 2; /* the first of a call, then the second of the next */
        assert_refused(bp_network_fit_scaling(&net, &bench.data, &config), BP_ERR_MEMORY, "bytes");
        assert_false(net.scales_inputs || net.scales_outputs);
        assert_int_equal(heap.live_bytes, bytes);
    }
    heap.fail_at = 0;
    assert_int_equal(bp_network_fit_scaling(&net, &bench.data, &config), BP_OK);
    assert_int_equal(heap.live_bytes, bytes);
    bp_network_free(&net);
    assert_true(test_heap_is_clean(&heap));
    bench_free(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scaling_is_that_of_a_trainer),
        cmocka_unit_test(only_the_rows_asked_for_count),
        cmocka_unit_test(rows_may_come_from_a_function_or_strided_bytes),
        cmocka_unit_test(each_side_is_fitted_by_itself_and_anew),
        cmocka_unit_test(a_loop_of_ones_own_trains_on_scaled_data),
        cmocka_unit_test(what_cannot_be_fitted_is_refused_and_the_network_stays),
        cmocka_unit_test(targets_of_probabilities_are_not_fitted),
        cmocka_unit_test(any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
