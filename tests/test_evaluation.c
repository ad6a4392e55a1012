// SPDX-License-Identifier: MIT
/*
 * bp_evaluate(): the rows asked for, the loss in the network's units, metrics in the data's. The yardstick is bp_predict() and
 * sums of our own in double.
 */
#include "backprop/evaluation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "backprop/propagation.h"
#include "support/bench.h"
#include "support/close.h"
#include "support/heap.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define EPSILON ((double)BP_REAL_EPSILON)
#define R(x) ((bp_real)(x))

static const struct bench_kind simple = { 0 };
static const bp_optimizer_config plain = { 0 };

static void check(bp_status status)
{
    if (status != BP_OK)
        fail_msg("%s: %s", bp_status_string(status), bp_error_message());
}

static const bp_real in_center[] = { 1, 0, -2 }, in_scale[] = { 2, 4, R(0.5) };
static const bp_real out_center[] = { 1, 0 }, out_scale[] = { 2, 8 };

static void make(struct bench *bench, const struct bench_kind *kind, bool scaled)
{
    bench_init(bench, BENCH_ROWS, kind, &plain);
    if (scaled)
        check(bp_network_set_scaling(&bench->net, in_center, in_scale, out_center, out_scale));
}

static bp_metrics_result evaluate(const struct bench *bench, const bp_evaluation_config *config, bp_task task,
                                  bp_metrics *metrics)
{
    bp_metrics_result result;
    check(bp_metrics_init(metrics, &(bp_metrics_config){ .n_out = BENCH_OUT, .task = task }));
    check(bp_evaluate(&bench->net, &bench->data, config, metrics));
    check(bp_metrics_compute(metrics, &result));
    return result;
}

static void predict(const struct bench *bench, bp_real *Y)
{
    bp_workspace ws;
    check(bp_workspace_init(&ws, &bench->net, BENCH_ROWS, BP_INFERENCE));
    check(bp_predict(&bench->net, &ws, bench->X, BENCH_ROWS, Y));
    bp_workspace_free(&ws);
}

/* Means over rows, with weights: of (y - t)^2 and |y - t| in the data's units, and of 1/2 sum (y - t)^2 in the network's. */
struct sums {
    double mse, mae, loss;
};

static struct sums sums_of(const struct bench *bench, const size_t *rows, size_t n)
{
    bp_real Y[BENCH_ROWS * BENCH_OUT];
    struct sums sums = { 0 };
    double weights = 0;
    predict(bench, Y);
    for (size_t i = 0; i < n; i++) {
        const size_t row = rows != NULL ? rows[i] : i;
        const double w = bench->data.weights.data != NULL ? (double)bench->weights[row] : 1;
        weights += w;
        for (size_t j = 0; j < BENCH_OUT; j++) {
            const double e = (double)Y[row * BENCH_OUT + j] - (double)bench->T[row * BENCH_OUT + j];
            const double scaled = e / (double)bench->net.out_scale[j];
            sums.mse += w * e * e / BENCH_OUT;
            sums.mae += w * fabs(e) / BENCH_OUT;
            sums.loss += w * scaled * scaled / 2;
        }
    }
    return (struct sums){ sums.mse / weights, sums.mae / weights, sums.loss / weights };
}

static const size_t some_rows[] = { 39, 0, 7, 7, 21, 3, 12 };

static void loss_and_metrics_are_those_of_the_predictions_each_in_its_units(void **state)
{
    (void)state;
    const bp_loss loss = { 0 };
    const size_t batches[] = { 0, 1, 7, 39, 40, 1000 };
    for (int scaled = 0; scaled <= 1; scaled++)
        for (int weighted = 0; weighted <= 1; weighted++)
            for (int subset = 0; subset <= 1; subset++)
                for (size_t b = 0; b < COUNT(batches); b++) {
                    struct bench bench;
                    bp_metrics metrics;
                    make(&bench, &simple, scaled);
                    if (weighted)
                        bench.data.weights = (bp_view){ .data = bench.weights };
                    const bp_evaluation_config config = {
                        .rows = subset ? some_rows : NULL, .n_rows = COUNT(some_rows), .batch = batches[b], .loss = &loss
                    };
                    const bp_metrics_result result = evaluate(&bench, &config, BP_TASK_REGRESSION, &metrics);
                    const struct sums sums = sums_of(&bench, config.rows, subset ? COUNT(some_rows) : BENCH_ROWS);
                    assert_int_equal(result.rows, subset ? COUNT(some_rows) : BENCH_ROWS);
                    assert_close(result.loss, sums.loss, 64 * EPSILON * (1 + sums.loss));
                    assert_close(result.mse, sums.mse, 64 * EPSILON * (1 + sums.mse));
                    assert_close(result.mae, sums.mae, 64 * EPSILON * (1 + sums.mae));
                    bp_metrics_free(&metrics);
                    bench_free(&bench);
                }
}

static void without_settings_all_rows_are_taken_and_no_loss(void **state)
{
    (void)state;
    struct bench bench;
    bp_metrics metrics;
    make(&bench, &simple, false);
    const bp_metrics_result result = evaluate(&bench, NULL, BP_TASK_REGRESSION, &metrics);
    assert_int_equal(result.rows, BENCH_ROWS);
    assert_true(isnan(result.loss));
    bp_metrics_free(&metrics);
    bench_free(&bench);
}

static void a_second_call_adds_to_the_first(void **state)
{
    (void)state;
    struct bench bench;
    bp_metrics parts, whole;
    bp_metrics_result of_parts;
    size_t first[15], last[BENCH_ROWS - 15];
    for (size_t i = 0; i < BENCH_ROWS; i++)
        *(i < 15 ? &first[i] : &last[i - 15]) = i;
    make(&bench, &simple, true);
    const bp_loss loss = { 0 };
    (void)evaluate(&bench, &(bp_evaluation_config){ .rows = first, .n_rows = 15, .loss = &loss }, BP_TASK_REGRESSION,
                   &parts);
    check(bp_evaluate(&bench.net, &bench.data,
                      &(bp_evaluation_config){ .rows = last, .n_rows = COUNT(last), .loss = &loss }, &parts));
    check(bp_metrics_compute(&parts, &of_parts));
    const bp_metrics_result of_whole =
        evaluate(&bench, &(bp_evaluation_config){ .loss = &loss }, BP_TASK_REGRESSION, &whole);
    assert_int_equal(of_parts.rows, BENCH_ROWS);
    assert_close(of_parts.loss, of_whole.loss, 16 * EPSILON * (1 + of_whole.loss));
    assert_close(of_parts.r2, of_whole.r2, 16 * EPSILON * (1 + fabs(of_whole.r2)));
    bp_metrics_free(&parts);
    bp_metrics_free(&whole);
    bench_free(&bench);
}

static void classes_are_counted_from_labels_and_from_one_hot_targets_alike(void **state)
{
    (void)state;
    const struct bench_kind kind = { .output = BP_SOFTMAX };
    const bp_loss loss = { .kind = BP_CROSS_ENTROPY };
    struct bench bench;
    bp_metrics metrics;
    bp_real Y[BENCH_ROWS * BENCH_OUT];
    double right = 0, sum = 0;
    make(&bench, &kind, false);
    for (size_t i = 0; i < BENCH_ROWS; i++)
        for (size_t j = 0; j < BENCH_OUT; j++)
            bench.T[i * BENCH_OUT + j] = (size_t)bench.labels[i] == j;
    predict(&bench, Y);
    for (size_t i = 0; i < BENCH_ROWS; i++) {
        const size_t label = (size_t)bench.labels[i];
        right += Y[2 * i + label] > Y[2 * i + 1 - label];
        sum -= log((double)Y[2 * i + label]);
    }
    for (int labels = 0; labels <= 1; labels++) {
        if (labels)
            bench_show_labels(&bench);
        const bp_metrics_result result =
            evaluate(&bench, &(bp_evaluation_config){ .batch = 6, .loss = &loss }, BP_TASK_CLASSES, &metrics);
        assert_close(result.accuracy, right / BENCH_ROWS, 1e-12);
        assert_close(result.loss, sum / BENCH_ROWS, 64 * EPSILON);
        bp_metrics_free(&metrics);
    }
    bench_free(&bench);
}

/* Outputs in the data's units: the larger one decides only when both are unscaled. */
static void labels_are_compared_with_outputs_in_the_data_s_units(void **state)
{
    (void)state;
    struct bench bench;
    bp_metrics metrics;
    make(&bench, &simple, false);
    const bp_real centers[] = { 0, 1000 }, scales[] = { 1, 1 };
    check(bp_network_set_scaling(&bench.net, NULL, NULL, centers, scales));
    bench_show_labels(&bench);
    double ones = 0;
    for (size_t i = 0; i < BENCH_ROWS; i++)
        ones += bench.labels[i];
    const bp_metrics_result result = evaluate(&bench, NULL, BP_TASK_CLASSES, &metrics);
    assert_close(result.accuracy, ones / BENCH_ROWS, 1e-12); /* always class 1 */
    bp_metrics_free(&metrics);
    bench_free(&bench);
}

/* ---- Data of every make ---------------------------------------------------------------------------------------------- */

/* The same small whole numbers in every element type. */
static union {
    double f64[BENCH_ROWS * BENCH_IN];
    float f32[BENCH_ROWS * BENCH_IN];
    uint8_t u8[BENCH_ROWS * BENCH_IN];
    int8_t i8[BENCH_ROWS * BENCH_IN];
    int16_t i16[BENCH_ROWS * BENCH_IN];
    int32_t i32[BENCH_ROWS * BENCH_IN];
    bp_real real[BENCH_ROWS * BENCH_IN];
} as;

static void store(bp_element element, size_t i, int x)
{
    switch (element) {
    case BP_F64:
        as.f64[i] = x;
        break;
    case BP_F32:
        as.f32[i] = (float)x;
        break;
    case BP_U8:
        as.u8[i] = (uint8_t)x;
        break;
    case BP_I8:
        as.i8[i] = (int8_t)x;
        break;
    case BP_I16:
        as.i16[i] = (int16_t)x;
        break;
    case BP_I32:
        as.i32[i] = x;
        break;
    default:
        as.real[i] = (bp_real)x;
        break;
    }
}

static void every_element_type_gives_the_same_metrics(void **state)
{
    (void)state;
    const bp_loss loss = { 0 };
    for (int scaled = 0; scaled <= 1; scaled++) {
        double expected = 0;
        for (int element = 0; element < BP_N_ELEMENTS; element++) {
            struct bench bench;
            bp_metrics metrics;
            make(&bench, &simple, scaled);
            for (size_t i = 0; i < BENCH_ROWS * BENCH_IN; i++)
                store((bp_element)element, i, (int)(i * 7 % 100));
            bench.data.X = (bp_view){ .data = &as, .element = (bp_element)element };
            const bp_metrics_result result =
                evaluate(&bench, &(bp_evaluation_config){ .loss = &loss }, BP_TASK_REGRESSION, &metrics);
            expected = element == 0 ? result.loss : expected;
            assert_true(result.loss == expected);
            bp_metrics_free(&metrics);
            bench_free(&bench);
        }
    }
}

static bool read_row(size_t row, bp_real *x, bp_real *t, void *user)
{
    const struct bench *bench = user;
    memcpy(x, bench->X + row * BENCH_IN, BENCH_IN * sizeof(bp_real));
    memcpy(t, bench->T + row * BENCH_OUT, BENCH_OUT * sizeof(bp_real));
    if (row == 30)
        x[1] = R(NAN);
    if (row == 31)
        t[1] = R(-1);
    return row != 29;
}

static void rows_are_read_one_by_one_and_a_bad_one_is_named(void **state)
{
    (void)state;
    const struct bench_kind positive = { .output = BP_SOFTPLUS };
    const bp_loss squared = { 0 }, poisson = { .kind = BP_POISSON };
    struct bench bench;
    bp_metrics metrics;
    make(&bench, &positive, false);
    for (size_t i = 0; i < COUNT(bench.T); i++)
        bench.T[i] = bench.T[i] * bench.T[i];
    const bp_evaluation_config some = { .rows = some_rows, .n_rows = COUNT(some_rows), .batch = 3, .loss = &squared };
    const bp_metrics_result in_memory = evaluate(&bench, &some, BP_TASK_REGRESSION, &metrics);
    bp_metrics_free(&metrics);
    bench.data =
        (bp_dataset){ .rows = BENCH_ROWS, .n_in = BENCH_IN, .n_out = BENCH_OUT, .read_row = read_row, .user = &bench };
    const bp_metrics_result read = evaluate(&bench, &some, BP_TASK_REGRESSION, &metrics);
    assert_true(read.loss == in_memory.loss && read.mse == in_memory.mse);

    const size_t bad[] = { 1, 29, 30, 31 };
    bp_evaluation_config config = { .rows = bad, .n_rows = 2, .loss = &poisson };
    assert_refused(bp_evaluate(&bench.net, &bench.data, &config, &metrics), BP_ERR_IO, "could not read row 29");
    config.rows = bad + 2, config.n_rows = 1;
    assert_refused(bp_evaluate(&bench.net, &bench.data, &config, &metrics), BP_ERR_NONFINITE, "row 30, column 1 is nan");
    config.rows = bad + 3;
    assert_refused(bp_evaluate(&bench.net, &bench.data, &config, &metrics), BP_ERR_TARGET, "row 31, column 1 is -1");
    bp_metrics_free(&metrics);
    bench_free(&bench);
}

/* ---- Failures -------------------------------------------------------------------------------------------------------- */

static void any_allocation_may_fail_and_nothing_leaks(void **state)
{
    (void)state;
    struct bench bench;
    struct test_heap heap;
    bp_network net;
    bp_metrics metrics;
    test_heap_init(&heap);
    make(&bench, &simple, true);
    check(bp_network_clone(&net, &bench.net, &heap.allocator));
    check(bp_metrics_init(&metrics, &(bp_metrics_config){ .n_out = BENCH_OUT }));
    size_t n_failures = 0;
    for (;; n_failures++) {
        heap.fail_at = heap.n_allocs + 1 + n_failures;
        const bp_status status = bp_evaluate(&net, &bench.data, NULL, &metrics);
        assert_int_equal(heap.live_blocks, 1);
        if (status == BP_OK)
            break;
        assert_int_equal(status, BP_ERR_MEMORY);
        assert_int_equal(metrics.rows, 0);
    }
    assert_true(n_failures >= 2);
    bp_metrics_free(&metrics);
    bp_network_free(&net);
    assert_true(test_heap_is_clean(&heap));
    bench_free(&bench);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct bench bench, scaled, positive;
    bp_metrics metrics, wide;
    const size_t beyond[] = { 0, BENCH_ROWS };
    const bp_loss unfit = { .kind = BP_CROSS_ENTROPY }, squared = { 0 }, poisson = { .kind = BP_POISSON };
    const struct bench_kind softplus = { .output = BP_SOFTPLUS };
    make(&bench, &simple, false);
    make(&scaled, &simple, true);
    make(&positive, &softplus, true);
    check(bp_metrics_init(&metrics, &(bp_metrics_config){ .n_out = BENCH_OUT }));
    check(bp_metrics_init(&wide, &(bp_metrics_config){ .n_out = BENCH_OUT + 1 }));
    bp_dataset narrow = bench.data;
    narrow.n_in = 2;

#define EVALUATE(bench, ...) bp_evaluate(&(bench).net, &(bench).data, &(bp_evaluation_config){ __VA_ARGS__ }, &metrics)
    assert_refused(bp_evaluate(NULL, &bench.data, NULL, &metrics), BP_ERR_ARGUMENT, "bp_evaluate: net is NULL");
    assert_refused(bp_evaluate(&bench.net, NULL, NULL, &metrics), BP_ERR_ARGUMENT, "bp_evaluate: data is NULL");
    assert_refused(bp_evaluate(&bench.net, &bench.data, NULL, NULL), BP_ERR_ARGUMENT, "bp_evaluate: metrics is NULL");
    assert_refused(bp_evaluate(&bench.net, &bench.data, NULL, &(bp_metrics){ 0 }), BP_ERR_STATE,
                   "bp_evaluate: metrics are empty");
    assert_refused(bp_evaluate(&bench.net, &bench.data, NULL, &wide), BP_ERR_SHAPE,
                   "bp_evaluate: metrics were made for 3 outputs, the network has 2");
    assert_refused(bp_evaluate(&bench.net, &narrow, NULL, &metrics), BP_ERR_SHAPE,
                   "bp_evaluate: the data have 2 inputs and 2 outputs, the network 3 and 2");
    assert_refused(EVALUATE(bench, .rows = beyond, .n_rows = 2), BP_ERR_SHAPE, "rows[1] is 40, the data have 40 rows");
    assert_refused(EVALUATE(bench, .rows = beyond), BP_ERR_SHAPE, "bp_evaluate: n_rows is 0");
    assert_refused(EVALUATE(bench, .loss = &unfit), BP_ERR_UNSUPPORTED, "needs a softmax");
    assert_refused(EVALUATE(positive, .loss = &poisson), BP_ERR_UNSUPPORTED, "bp_evaluate: scaled targets may be below 0");
    bench_show_labels(&scaled);
    assert_refused(EVALUATE(scaled, .loss = &squared), BP_ERR_UNSUPPORTED, "bp_evaluate: labels are classes");
    assert_int_equal(metrics.rows, 0);
    bp_metrics_free(&metrics);
    bp_metrics_free(&wide);
    bench_free(&bench);
    bench_free(&scaled);
    bench_free(&positive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_and_metrics_are_those_of_the_predictions_each_in_its_units),
        cmocka_unit_test(without_settings_all_rows_are_taken_and_no_loss),
        cmocka_unit_test(a_second_call_adds_to_the_first),
        cmocka_unit_test(classes_are_counted_from_labels_and_from_one_hot_targets_alike),
        cmocka_unit_test(labels_are_compared_with_outputs_in_the_data_s_units),
        cmocka_unit_test(every_element_type_gives_the_same_metrics),
        cmocka_unit_test(rows_are_read_one_by_one_and_a_bad_one_is_named),
        cmocka_unit_test(any_allocation_may_fail_and_nothing_leaks),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
