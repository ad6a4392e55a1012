// SPDX-License-Identifier: MIT
/*
 * Metrics against what others say: examples printed in scikit-learn's documentation, twelve rows that scikit-learn 1.2.1 has
 * measured, fractions counted by hand, and the areas under ROC curves by comparing all pairs of rows.
 */
#include "backprop/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop/rng.h"
#include "support/close.h"
#include "support/heap.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define REALS(...) ((const bp_real[]){ __VA_ARGS__ })
#define LABELS(...) ((const int32_t[]){ __VA_ARGS__ })
#define CONFIG(...) (&(const bp_metrics_config){ __VA_ARGS__ })
#define TARGETS(...) (&(const bp_targets){ __VA_ARGS__ })

/* Sums of a dozen terms below 100 in double: inputs in these tests are exact in both precisions. */
#define ROUNDING 1e-13

/* ---- Measuring in one go --------------------------------------------------------------------------------------------- */

static void measure(bp_metrics *metrics, const bp_metrics_config *config, const bp_real *Y, const bp_targets *T,
                    size_t batch, bp_metrics_result *result)
{
    assert_int_equal(bp_metrics_init(metrics, config), BP_OK);
    assert_int_equal(bp_metrics_update(metrics, Y, T, batch), BP_OK);
    assert_int_equal(bp_metrics_compute(metrics, result), BP_OK);
}

static void assert_all_close(const double *actual, const double *expected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_close(actual[i], expected[i], ROUNDING);
}

/* Every number of a result, by name. */
struct number {
    const char *name;
    size_t offset;
};
#define NUMBER(name) #name, offsetof(bp_metrics_result, name)

static const struct number numbers[] = { { NUMBER(weight) },       { NUMBER(loss) },        { NUMBER(mse) },
                                         { NUMBER(rmse) },         { NUMBER(mae) },         { NUMBER(r2) },
                                         { NUMBER(accuracy) },     { NUMBER(exact_match) }, { NUMBER(top_k) },
                                         { NUMBER(log_loss) },     { NUMBER(auc) },         { NUMBER(precision_macro) },
                                         { NUMBER(recall_macro) }, { NUMBER(f1_macro) },    { NUMBER(precision_micro) },
                                         { NUMBER(recall_micro) }, { NUMBER(f1_micro) } };

static double number(const bp_metrics_result *result, size_t i)
{
    double value;
    memcpy(&value, (const char *)result + numbers[i].offset, sizeof value);
    return value;
}

static void assert_nan(const bp_metrics_result *result, const char *name)
{
    for (size_t i = 0; i < COUNT(numbers); i++)
        if (strcmp(numbers[i].name, name) == 0 && !isnan(number(result, i)))
            fail_msg("%s is %.17g, expected NaN", name, number(result, i));
}

/* The arrays of a result, with their lengths. */
struct arrays {
    const double *of[10]; /* may be NULL */
    size_t n[10];
};

static struct arrays arrays_of(const bp_metrics_result *r, bp_task task)
{
    const size_t m = r->n_out, n = r->n_classes, n_confusion = task == BP_TASK_MULTI_LABEL ? 4 * n : n * n;
    return (struct arrays){ { r->output_mse, r->output_mae, r->output_r2, r->class_weight, r->class_predicted,
                              r->class_precision, r->class_recall, r->class_f1, r->class_auc, r->confusion },
                            { m, m, m, n, n, n, n, n, n, n_confusion } };
}

/* The sentence begins so. In the single-precision build functions may call themselves bpf_... */
static void assert_sentence(const char *expected)
{
    const char *actual = bp_error_message();
    if (strncmp(expected, "bp_", 3) == 0) {
        expected += 3;
        actual += strncmp(actual, "bpf_", 4) == 0 ? 4 : 3;
    }
    if (strncmp(actual, expected, strlen(expected)) != 0)
        fail_msg("\"%s\", expected \"%s\"", bp_error_message(), expected);
}

/* ---- Errors ---------------------------------------------------------------------------------------------------------- */

/* The examples of mean_squared_error, mean_absolute_error and r2_score in scikit-learn's documentation; the last as a fraction:
 * the targets' mean is 23/8, sum (t - m)^2 = 467/16, sum (t - y)^2 = 3/2. */
static void errors_of_one_output_are_those_of_the_textbook(void **state)
{
    (void)state;
    bp_metrics metrics;
    bp_metrics_result r;
    measure(&metrics, CONFIG(.n_out = 1), REALS(2.5, 0, 2, 8), TARGETS(.values = REALS(3, -0.5, 2, 7)), 4, &r);
    assert_int_equal(r.rows, 4);
    assert_close(r.weight, 4, 0);
    assert_close(r.mse, 0.375, ROUNDING);
    assert_close(r.rmse, sqrt(0.375), ROUNDING);
    assert_close(r.mae, 0.5, ROUNDING);
    assert_close(r.r2, 443.0 / 467, ROUNDING);
    assert_close(r.output_mse[0], r.mse, 0);
    assert_close(r.output_mae[0], r.mae, 0);
    assert_close(r.output_r2[0], r.r2, 0);
    bp_metrics_free(&metrics);
}

/* The same functions' examples with two outputs. Means 13/6 and -4/3, spreads 217/6 and 98/3, squares 5/4 and 3. */
static void errors_of_several_outputs_are_averaged_over_them(void **state)
{
    (void)state;
    bp_metrics metrics;
    bp_metrics_result r;
    measure(&metrics, CONFIG(.n_out = 2), REALS(0, 2, -1, 2, 8, -5), TARGETS(.values = REALS(0.5, 1, -1, 1, 7, -6)), 3, &r);
    const double mse[] = { 5.0 / 12, 1 }, mae[] = { 0.5, 1 }, r2[] = { 1 - 7.5 / 217, 89.0 / 98 };
    assert_all_close(r.output_mse, mse, 2);
    assert_all_close(r.output_mae, mae, 2);
    assert_all_close(r.output_r2, r2, 2);
    assert_close(r.mse, 17.0 / 24, ROUNDING);
    assert_close(r.rmse, sqrt(17.0 / 24), ROUNDING);
    assert_close(r.mae, 0.75, ROUNDING);
    assert_close(r.r2, (r2[0] + r2[1]) / 2, ROUNDING);
    bp_metrics_free(&metrics);
}

static void regression_has_no_classes(void **state)
{
    (void)state;
    bp_metrics metrics;
    bp_metrics_result r;
    measure(&metrics, CONFIG(.n_out = 2), REALS(0, 1, 1, 0), TARGETS(.labels = LABELS(1, 1)), 2, &r);
    assert_close(r.mse, 0.5, ROUNDING);
    assert_int_equal(r.n_classes, 0);
    const char *const absent[] = { "loss",         "accuracy", "exact_match",
                                   "top_k",        "log_loss", "precision_macro",
                                   "recall_macro", "f1_macro", "precision_micro",
                                   "recall_micro", "f1_micro", "auc" };
    for (size_t i = 0; i < COUNT(absent); i++)
        assert_nan(&r, absent[i]);
    assert_null(r.class_weight);
    assert_null(r.class_precision);
    assert_null(r.class_auc);
    assert_null(r.confusion);
    bp_metrics_free(&metrics);
}

/* As r2_score has it: constant targets leave nothing to explain, and one row has no spread. */
static void r2_of_constant_targets_is_1_if_they_are_met_and_else_0(void **state)
{
    (void)state;
    bp_metrics metrics;
    bp_metrics_result r;
    const bp_real t = (bp_real)0.1; /* whose multiples are rounded */
    measure(&metrics, CONFIG(.n_out = 2), REALS(t, t, t, 2 * t, t, t), TARGETS(.values = REALS(t, t, t, t, t, t)), 3, &r);
    assert_close(r.output_r2[0], 1, 0);
    assert_close(r.output_r2[1], 0, 0);
    assert_close(r.r2, 0.5, 0);
    bp_metrics_free(&metrics);

    /* Two rows are enough: spread 1/8, squares 1/16. */
    measure(&metrics, CONFIG(.n_out = 1), REALS(0, 0.25), TARGETS(.values = REALS(0, 0.5)), 2, &r);
    assert_close(r.r2, 0.5, ROUNDING);
    bp_metrics_free(&metrics);

    measure(&metrics, CONFIG(.n_out = 1), REALS(2), TARGETS(.values = REALS(2)), 1, &r);
    assert_nan(&r, "r2");
    assert_true(isnan(r.output_r2[0]));
    assert_close(r.mse, 0, 0);
    bp_metrics_free(&metrics);
}

/* t = 1e8 + 8 k, k = 0 .. 9: spread 64 * 82.5. The difference of sum t^2 and n m^2, both near 1e17, is off by tens of it. */
static void r2_keeps_its_digits_where_targets_are_far_from_0(void **state)
{
    (void)state;
    bp_real Y[10], T[10];
    for (int k = 0; k < 10; k++) {
        T[k] = (bp_real)(1e8 + 8 * k);
        Y[k] = (bp_real)(1e8 + 8 * k + (k % 2 == 0 ? 8 : -8));
    }
    bp_metrics metrics;
    bp_metrics_result r;
    measure(&metrics, CONFIG(.n_out = 1), Y, TARGETS(.values = T), 10, &r);
    assert_close(r.r2, 1 - 10 / 82.5, ROUNDING);
    bp_metrics_free(&metrics);
}

/* ---- Classes --------------------------------------------------------------------------------------------------------- */

/* Outputs that predict the given classes of three. */
static void predict_classes(const int32_t *predicted, size_t n, bp_real *Y)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < 3; j++)
            Y[3 * i + j] = j == (size_t)predicted[i] ? (bp_real)0.75 : (bp_real)0.125;
}

/* The example of confusion_matrix in scikit-learn's documentation. */
static void the_confusion_matrix_has_true_classes_in_its_rows(void **state)
{
    (void)state;
    bp_real Y[18];
    predict_classes(LABELS(0, 0, 2, 2, 0, 2), 6, Y);
    bp_metrics metrics;
    bp_metrics_result r;
    measure(&metrics, CONFIG(.n_out = 3, .task = BP_TASK_CLASSES, .confusion = true), Y,
            TARGETS(.labels = LABELS(2, 0, 2, 2, 0, 1)), 6, &r);
    const double expected[] = { 2, 0, 0, 0, 0, 1, 1, 0, 2 };
    assert_int_equal(r.n_classes, 3);
    for (size_t i = 0; i < 9; i++)
        assert_close(r.confusion[i], expected[i], 0);
    assert_close(r.accuracy, 4.0 / 6, ROUNDING);
    bp_metrics_free(&metrics);
}

/* The example of precision_score, recall_score and f1_score: macro 0.22, 0.33, 0.26 there. */
static void precision_recall_and_f1_are_those_of_the_textbook(void **state)
{
    (void)state;
    bp_real Y[18];
    predict_classes(LABELS(0, 2, 1, 0, 0, 1), 6, Y);
    bp_metrics metrics;
    bp_metrics_result r;
    measure(&metrics, CONFIG(.n_out = 3, .task = BP_TASK_CLASSES), Y, TARGETS(.labels = LABELS(0, 1, 2, 0, 1, 2)), 6, &r);
    const double weight[] = { 2, 2, 2 }, predicted[] = { 3, 2, 1 };
    const double precision[] = { 2.0 / 3, 0, 0 }, recall[] = { 1, 0, 0 }, f1[] = { 0.8, 0, 0 };
    assert_all_close(r.class_weight, weight, 3);
    assert_all_close(r.class_predicted, predicted, 3);
    assert_all_close(r.class_precision, precision, 3);
    assert_all_close(r.class_recall, recall, 3);
    assert_all_close(r.class_f1, f1, 3);
    assert_close(r.precision_macro, 2.0 / 9, ROUNDING);
    assert_close(r.recall_macro, 1.0 / 3, ROUNDING);
    assert_close(r.f1_macro, 0.8 / 3, ROUNDING);
    assert_close(r.precision_micro, 1.0 / 3, ROUNDING);
    assert_close(r.recall_micro, 1.0 / 3, ROUNDING);
    assert_close(r.f1_micro, 1.0 / 3, ROUNDING);
    assert_close(r.exact_match, r.accuracy, 0);
    assert_null(r.confusion);
    assert_null(r.class_auc);
    bp_metrics_free(&metrics);
}

/* Class 1 is predicted but never there, class 2 neither: scikit-learn's averages know only the labels that it meets. */
static void a_class_never_met_has_zeros_and_is_left_out_of_the_macro_average(void **state)
{
    (void)state;
    bp_real Y[9];
    predict_classes(LABELS(0, 1, 0), 3, Y);
    bp_metrics metrics;
    bp_metrics_result r;
    measure(&metrics, CONFIG(.n_out = 3, .task = BP_TASK_CLASSES), Y, TARGETS(.labels = LABELS(0, 0, 0)), 3, &r);
    for (size_t c = 1; c < 3; c++) {
        assert_close(r.class_precision[c], 0, 0);
        assert_close(r.class_recall[c], 0, 0);
        assert_close(r.class_f1[c], 0, 0);
    }
    assert_close(r.precision_macro, 1.0 / 2, ROUNDING);
    assert_close(r.recall_macro, 2.0 / 3 / 2, ROUNDING);
    assert_close(r.f1_macro, 0.8 / 2, ROUNDING);
    bp_metrics_free(&metrics);

    /* As outputs of a multi-label, all three count. */
    measure(&metrics, CONFIG(.n_out = 3, .task = BP_TASK_MULTI_LABEL), Y, TARGETS(.labels = LABELS(0, 0, 0)), 3, &r);
    assert_close(r.precision_macro, 1.0 / 3, ROUNDING);
    assert_close(r.recall_macro, 2.0 / 3 / 3, ROUNDING);
    assert_close(r.f1_macro, 0.8 / 3, ROUNDING);
    bp_metrics_free(&metrics);
}

static void of_equal_outputs_and_targets_the_first_is_the_class(void **state)
{
    (void)state;
    bp_metrics metrics;
    bp_metrics_result r;
    measure(&metrics, CONFIG(.n_out = 3, .task = BP_TASK_CLASSES, .confusion = true), REALS(1, 2, 2, 3, 3, 3, -1, -2, -1),
            TARGETS(.values = REALS(0.5, 0.5, 0, 0, 0, 0, 0, 0.25, 0.25)), 3, &r);
    const double expected[] = { 1, 1, 0, 1, 0, 0, 0, 0, 0 };
    for (size_t i = 0; i < 9; i++)
        assert_close(r.confusion[i], expected[i], 0);
    bp_metrics_free(&metrics);
}

/* The example of top_k_accuracy_score with k = 2: 0.75. (Its tie, 0.2 and 0.2 in the first row, is not at the border.) */
static void top_k_looks_among_the_k_largest_outputs(void **state)
{
    (void)state;
    const bp_real *Y = REALS((bp_real)0.5, (bp_real)0.2, (bp_real)0.2, (bp_real)0.3, (bp_real)0.4, (bp_real)0.2,
                             (bp_real)0.2, (bp_real)0.4, (bp_real)0.3, (bp_real)0.7, (bp_real)0.2, (bp_real)0.1);
    const double expected[] = { 0.5, 0.75, 1 };
    for (size_t k = 1; k <= 3; k++) {
        bp_metrics metrics;
        bp_metrics_result r;
        measure(&metrics, CONFIG(.n_out = 3, .task = BP_TASK_CLASSES, .top_k = k), Y, TARGETS(.labels = LABELS(0, 1, 2, 2)),
                4, &r);
        assert_close(r.top_k, expected[k - 1], 0);
        bp_metrics_free(&metrics);
    }
}

/* Outputs 1, 1, 1, 0: class c is in the top k if c < k, but class 3 only among all four. */
static void of_equal_outputs_the_first_are_in_the_top_k(void **state)
{
    (void)state;
    for (size_t k = 1; k <= 4; k++)
        for (int32_t c = 0; c < 4; c++) {
            bp_metrics metrics;
            bp_metrics_result r;
            measure(&metrics, CONFIG(.n_out = 4, .task = BP_TASK_CLASSES, .top_k = k), REALS(1, 1, 1, 0),
                    TARGETS(.labels = &c), 1, &r);
            assert_close(r.top_k, (size_t)c < k, 0);
            if (k == 1)
                assert_close(r.top_k, r.accuracy, 0);
            bp_metrics_free(&metrics);
        }
}

/* ---- One output, and several that say yes or no ---------------------------------------------------------------------- */

static void one_output_above_one_half_is_class_1(void **state)
{
    (void)state;
    const bp_real *Y = REALS(0.25, 0.5, 0.75, 1, (bp_real)0.5 + BP_REAL_EPSILON);
    const bp_targets by[] = { { .values = REALS(0, 0.5, 0, 1, 0.75) }, { .labels = LABELS(0, 0, 0, 1, 1) } };
    for (size_t i = 0; i < COUNT(by); i++) {
        bp_metrics metrics;
        bp_metrics_result r;
        measure(&metrics, CONFIG(.n_out = 1, .task = BP_TASK_CLASSES, .confusion = true), Y, &by[i], 5, &r);
        const double expected[] = { 2, 1, 0, 2 };
        assert_int_equal(r.n_classes, 2);
        for (size_t c = 0; c < 4; c++)
            assert_close(r.confusion[c], expected[c], 0);
        assert_close(r.accuracy, 0.8, ROUNDING);
        assert_close(r.class_precision[1], 2.0 / 3, ROUNDING);
        assert_close(r.class_recall[1], 1, 0);
        bp_metrics_free(&metrics);
    }
}

static void the_threshold_can_be_moved(void **state)
{
    (void)state;
    const struct {
        bp_real threshold;
        double predicted; /* how many of -1, 0, 0.25, 0.5, 0.75, 1 are above it */
    } cases[] = { { 0, 2 }, { 0.25, 3 }, { BP_REAL_MIN, 4 }, { (bp_real)-0.5, 5 }, { 1, 0 }, { -2, 6 } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        bp_metrics metrics;
        bp_metrics_result r;
        measure(&metrics, CONFIG(.n_out = 1, .task = BP_TASK_CLASSES, .threshold = cases[i].threshold),
                REALS(-1, 0, 0.25, 0.5, 0.75, 1), TARGETS(.labels = LABELS(0, 0, 0, 1, 1, 1)), 6, &r);
        assert_close(r.class_predicted[1], cases[i].predicted, 0);
        assert_close(r.class_predicted[0], 6 - cases[i].predicted, 0);
        bp_metrics_free(&metrics);
    }
}

/* Three outputs: right in all, in one, in none of them. */
static void multi_labels_are_right_output_by_output_and_row_by_row(void **state)
{
    (void)state;
    bp_metrics metrics;
    bp_metrics_result r;
    measure(&metrics, CONFIG(.n_out = 3, .task = BP_TASK_MULTI_LABEL, .confusion = true), REALS(1, 0, 1, 0, 0, 1, 1, 0, 1),
            TARGETS(.values = REALS(1, 0, 1, 1, 1, 1, 0, 1, 0)), 3, &r);
    assert_close(r.accuracy, 4.0 / 9, ROUNDING);
    assert_close(r.exact_match, 1.0 / 3, ROUNDING);
    const double confusion[] = { 0, 1, 1, 1, 1, 0, 2, 0, 0, 1, 0, 2 };
    for (size_t i = 0; i < COUNT(confusion); i++)
        assert_close(r.confusion[i], confusion[i], 0);
    const double precision[] = { 0.5, 0, 2.0 / 3 }, recall[] = { 0.5, 0, 1 }, f1[] = { 0.5, 0, 0.8 };
    assert_all_close(r.class_precision, precision, 3);
    assert_all_close(r.class_recall, recall, 3);
    assert_all_close(r.class_f1, f1, 3);
    assert_close(r.precision_micro, 3.0 / 5, ROUNDING);
    assert_close(r.recall_micro, 3.0 / 6, ROUNDING);
    assert_close(r.f1_micro, 6.0 / 11, ROUNDING);
    bp_metrics_free(&metrics);
}

/* ---- Log loss -------------------------------------------------------------------------------------------------------- */

/* The example of log_loss, 0.21616 there: - (log 0.9 + log 0.9 + log 0.8 + log 0.65) / 4. */
static void log_loss_is_that_of_the_textbook(void **state)
{
    (void)state;
    const bp_real *Y = REALS((bp_real)0.1, (bp_real)0.9, (bp_real)0.9, (bp_real)0.1, (bp_real)0.8, (bp_real)0.2,
                             (bp_real)0.35, (bp_real)0.65);
    bp_metrics metrics;
    bp_metrics_result r;
    measure(&metrics, CONFIG(.n_out = 2, .task = BP_TASK_CLASSES), Y, TARGETS(.labels = LABELS(1, 0, 0, 1)), 4, &r);
    assert_close(r.log_loss, 0.21616, 1e-5);
    assert_close(r.log_loss, -log(0.9 * 0.9 * 0.8 * 0.65) / 4, 4 * (double)BP_REAL_EPSILON);
    bp_metrics_free(&metrics);
}

/* Outputs that do not sum to 1 are taken as they are: only that of the class counts. */
static void log_loss_of_classes_looks_at_the_output_of_the_class(void **state)
{
    (void)state;
    bp_metrics metrics;
    bp_metrics_result r;
    measure(&metrics, CONFIG(.n_out = 2, .task = BP_TASK_CLASSES), REALS(0.5, 0.25, 0.75, 0.125),
            TARGETS(.labels = LABELS(0, 1)), 2, &r);
    assert_close(r.log_loss, (log(2) + log(8)) / 2, ROUNDING);
    bp_metrics_free(&metrics);
}

/* One output y says as much as two outputs 1 - y and y. Targets may lie between 0 and 1. */
static void log_loss_of_one_output_is_that_of_two(void **state)
{
    (void)state;
    bp_metrics one, two, many;
    bp_metrics_result r1, r2, r3;
    measure(&one, CONFIG(.n_out = 1, .task = BP_TASK_CLASSES), REALS(0.25, 0.75, 0.875, 0.5),
            TARGETS(.values = REALS(0, 1, 0.25, 0.5)), 4, &r1);
    measure(&two, CONFIG(.n_out = 2, .task = BP_TASK_CLASSES), REALS(0.75, 0.25, 0.25, 0.75, 0.125, 0.875, 0.5, 0.5),
            TARGETS(.values = REALS(1, 0, 0, 1, 0.75, 0.25, 0.5, 0.5)), 4, &r2);
    measure(&many, CONFIG(.n_out = 2, .task = BP_TASK_MULTI_LABEL), REALS(0.25, 0.75, 0.875, 0.5),
            TARGETS(.values = REALS(0, 1, 0.25, 0.5)), 2, &r3);
    const double expected = -(2 * log(0.75) + 0.25 * log(0.875) + 0.75 * log(0.125) + log(0.5)) / 4;
    assert_close(r1.log_loss, expected, ROUNDING);
    assert_close(r2.log_loss, expected, ROUNDING);
    assert_close(r3.log_loss, expected, ROUNDING);
    bp_metrics_free(&one);
    bp_metrics_free(&two);
    bp_metrics_free(&many);
}

static void log_loss_of_a_certain_mistake_is_minus_log_epsilon(void **state)
{
    (void)state;
    bp_metrics metrics;
    bp_metrics_result r;
    const double worst = -log((double)BP_REAL_EPSILON);
    measure(&metrics, CONFIG(.n_out = 2, .task = BP_TASK_CLASSES), REALS(0, 1, 1, 0), TARGETS(.labels = LABELS(0, 0)), 2,
            &r);
    assert_close(r.log_loss, worst / 2, (double)BP_REAL_EPSILON);
    bp_metrics_free(&metrics);
    measure(&metrics, CONFIG(.n_out = 1, .task = BP_TASK_CLASSES), REALS(0, 1), TARGETS(.labels = LABELS(1, 1)), 2, &r);
    assert_close(r.log_loss, worst / 2, (double)BP_REAL_EPSILON);
    bp_metrics_free(&metrics);
}

static void log_loss_is_not_defined_for_what_is_no_probability(void **state)
{
    (void)state;
    const bp_real *Y[] = { REALS(0.5, 1.5), REALS(0.5, -0.5), REALS(0.5, 0.5) };
    const bp_real *T[] = { REALS(0, 1), REALS(0, 1), REALS(-1, 1) };
    for (size_t i = 0; i < COUNT(Y); i++) {
        bp_metrics metrics;
        bp_metrics_result r;
        measure(&metrics, CONFIG(.n_out = 2, .task = BP_TASK_CLASSES), Y[i], TARGETS(.values = T[i]), 1, &r);
        assert_nan(&r, "log_loss");
        assert_true(r.accuracy >= 0);
        assert_int_equal(bp_metrics_update(&metrics, REALS(0.5, 0.5), TARGETS(.values = REALS(0, 1)), 1), BP_OK);
        assert_int_equal(bp_metrics_compute(&metrics, &r), BP_OK);
        assert_nan(&r, "log_loss");
        bp_metrics_reset(&metrics);
        assert_int_equal(bp_metrics_update(&metrics, REALS(0.5, 0.5), TARGETS(.values = REALS(0, 1)), 1), BP_OK);
        assert_int_equal(bp_metrics_compute(&metrics, &r), BP_OK);
        assert_close(r.log_loss, log(2), ROUNDING);
        bp_metrics_free(&metrics);
    }
}

/* ---- The area under the ROC curve ------------------------------------------------------------------------------------ */

/* The example of roc_auc_score: 0.75. And orders whose area needs no computing. */
static void areas_are_those_of_the_textbook(void **state)
{
    (void)state;
    const struct {
        bp_real y[4];
        int32_t label[4];
        double area;
    } cases[] = {
        { { (bp_real)0.1, (bp_real)0.4, (bp_real)0.35, (bp_real)0.8 }, { 0, 0, 1, 1 }, 0.75 },
        { { 1, 2, 3, 4 }, { 0, 0, 1, 1 }, 1 },
        { { 4, 3, 2, 1 }, { 0, 0, 1, 1 }, 0 },
        { { 7, 7, 7, 7 }, { 0, 1, 0, 1 }, 0.5 },
        { { 1, 2, 2, 3 }, { 0, 0, 1, 1 }, 0.875 },
        { { 0, (bp_real)-0.0, 0, 1 }, { 0, 1, 1, 1 }, 2.0 / 3 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        bp_metrics metrics;
        bp_metrics_result r;
        measure(&metrics, CONFIG(.n_out = 1, .task = BP_TASK_CLASSES, .auc_rows = 4), cases[i].y,
                TARGETS(.labels = cases[i].label), 4, &r);
        assert_close(r.auc, cases[i].area, 0);
        assert_close(r.class_auc[0], cases[i].area, 0);
        assert_close(r.class_auc[1], cases[i].area, 0);
        bp_metrics_free(&metrics);
    }
}

static void an_area_without_both_kinds_of_rows_is_not_defined(void **state)
{
    (void)state;
    bp_metrics metrics;
    bp_metrics_result r;
    measure(&metrics, CONFIG(.n_out = 1, .task = BP_TASK_CLASSES, .auc_rows = 2), REALS(0, 1),
            TARGETS(.labels = LABELS(1, 1)), 2, &r);
    assert_nan(&r, "auc");
    bp_metrics_free(&metrics);

    /* A positive row of weight 0 is none. */
    measure(&metrics, CONFIG(.n_out = 1, .task = BP_TASK_CLASSES, .auc_rows = 2), REALS(0, 1),
            TARGETS(.labels = LABELS(0, 1), .weights = REALS(1, 0)), 2, &r);
    assert_nan(&r, "auc");
    bp_metrics_free(&metrics);

    /* Of three classes one is missing: the other two have their areas, their mean is not that of three. */
    measure(&metrics, CONFIG(.n_out = 3, .task = BP_TASK_CLASSES, .auc_rows = 5), REALS(3, 1, 0, 1, 2, 0),
            TARGETS(.labels = LABELS(0, 1)), 2, &r);
    assert_close(r.class_auc[0], 1, 0);
    assert_close(r.class_auc[1], 1, 0);
    assert_true(isnan(r.class_auc[2]));
    assert_nan(&r, "auc");
    bp_metrics_free(&metrics);
}

/* Random rows: outputs of a few values, so that many are equal, their classes or labels, and weights of quarters. */
enum { N = 61, WIDTH = 3 };

struct rows {
    bp_real Y[N * WIDTH], T[N * WIDTH], weights[N];
    int32_t labels[N];
};

static void draw_rows(struct rows *rows, uint64_t seed)
{
    bp_rng rng;
    bp_rng_init(&rng, seed);
    for (size_t i = 0; i < COUNT(rows->Y); i++) {
        rows->Y[i] = (bp_real)bp_rng_below(&rng, 9) / 8;
        rows->T[i] = (bp_real)bp_rng_below(&rng, 2);
    }
    for (size_t i = 0; i < N; i++) {
        rows->labels[i] = (int32_t)bp_rng_below(&rng, WIDTH);
        rows->weights[i] = (bp_real)bp_rng_below(&rng, 8) / 4;
    }
}

/* The definition: the share of pairs, one of the class and one not, in which the first has the larger output. Sums of
 * quarters, so exact. */
static double area_by_pairs(const struct rows *rows, size_t column, size_t n_columns, const bool *positive, bool weighted)
{
    double won = 0, all = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < N; k++) {
            if (!positive[i] || positive[k])
                continue;
            const bp_real a = rows->Y[i * n_columns + column], b = rows->Y[k * n_columns + column];
            const double pair = weighted ? (double)rows->weights[i] * (double)rows->weights[k] : 1;
            won += pair * (a > b ? 1 : a == b ? 0.5 : 0);
            all += pair;
        }
    return won / all;
}

static void areas_are_shares_of_pairs(void **state)
{
    (void)state;
    const struct {
        size_t n_out;
        bp_task task;
        bool by_labels;
    } cases[] = { { 1, BP_TASK_CLASSES, false },
                  { WIDTH, BP_TASK_CLASSES, true },
                  { WIDTH, BP_TASK_MULTI_LABEL, false },
                  { WIDTH, BP_TASK_MULTI_LABEL, true } };
    for (uint64_t seed = 0; seed < 20; seed++)
        for (size_t c = 0; c < 2 * COUNT(cases); c++) {
            struct rows rows;
            draw_rows(&rows, seed);
            const bool weighted = c % 2 == 1, by_labels = cases[c / 2].by_labels;
            const size_t n = cases[c / 2].n_out;
            const bp_targets T = { .values = by_labels ? NULL : rows.T,
                                   .labels = by_labels ? rows.labels : NULL,
                                   .weights = weighted ? rows.weights : NULL };
            bp_metrics metrics;
            bp_metrics_result r;
            measure(&metrics, CONFIG(.n_out = n, .task = cases[c / 2].task, .auc_rows = N), rows.Y, &T, N, &r);

            double sum = 0;
            for (size_t j = 0; j < n; j++) {
                bool positive[N];
                for (size_t i = 0; i < N; i++)
                    positive[i] = by_labels ? (size_t)rows.labels[i] == j : rows.T[i * n + j] > (bp_real)0.5;
                const double expected = area_by_pairs(&rows, j, n, positive, weighted);
                assert_close(r.class_auc[j], expected, 0);
                sum += expected;
            }
            assert_close(r.auc, sum / (double)n, ROUNDING);
            bp_metrics_free(&metrics);
        }
}

/* Every order of six outputs, of which two are equal: sorting meets each of its cases. */
static void areas_do_not_depend_on_the_order_of_rows(void **state)
{
    (void)state;
    enum { ROWS = 6, ORDERS = 720 };
    static const int32_t labels[ROWS] = { 0, 1, 0, 1, 1, 0 };
    static const bp_real outputs[ROWS] = { 1, 2, 3, 3, 4, 5 };
    for (size_t order = 0; order < ORDERS; order++) {
        bp_real Y[ROWS];
        int32_t T[ROWS];
        size_t left[ROWS] = { 0, 1, 2, 3, 4, 5 }, rest = order;
        for (size_t i = 0; i < ROWS; i++) {
            const size_t at = rest % (ROWS - i), taken = left[at];
            rest /= ROWS - i;
            left[at] = left[ROWS - 1 - i];
            Y[i] = outputs[taken];
            T[i] = labels[taken];
        }
        bp_metrics metrics;
        bp_metrics_result r;
        measure(&metrics, CONFIG(.n_out = 1, .task = BP_TASK_CLASSES, .auc_rows = ROWS), Y, TARGETS(.labels = T), ROWS, &r);
        assert_close(r.auc, 4.5 / 9, 0); /* 2 beats 1 of 3, 3 beats one and a half, 4 beats two */
        bp_metrics_free(&metrics);
    }
}

/* ---- Twelve rows that scikit-learn has measured ---------------------------------------------------------------------- */

enum { GOLD_ROWS = 12 };
#define S(a, b, c) (bp_real)((a) / 16.0), (bp_real)((b) / 16.0), (bp_real)((c) / 16.0)

static const bp_real gold_Y[3 * GOLD_ROWS] = { S(10, 4, 2), S(3, 9, 4), S(6, 6, 4), S(1, 5, 10), S(7, 7, 2),  S(2, 3, 11),
                                               S(7, 1, 8),  S(4, 8, 4), S(5, 5, 6), S(12, 2, 2), S(4, 10, 2), S(6, 3, 7) };
static const int32_t gold_labels[GOLD_ROWS] = { 0, 1, 1, 2, 0, 2, 0, 2, 1, 0, 1, 2 };
static const bp_real gold_multi[3 * GOLD_ROWS] = { 1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0,
                                                   1, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1, 0, 1 };
static const bp_real gold_weights[GOLD_ROWS] = { 1, 2, 0.5, 1.25, 1, 3, 0.75, 0.25, 1, 2, 1.5, 0.5 };

/* What scikit-learn 1.2.1 gives, in double: first without weights, then with them. */
struct gold {
    double mse, mae, r2, r2_of[3], accuracy, exact_match, log_loss;
    double precision[3], recall[3], f1[3], macro[3], micro[3];
    double confusion[12], auc_of[3], auc;
};

static const struct gold gold_of_classes[2] = {
    { .mse = 0.13823784722222221,
      .mae = 0.3263888888888889,
      .r2 = 0.37792968750000017,
      .r2_of = { 0.47705078125000011, 0.29248046875000022, 0.36425781250000022 },
      .accuracy = 0.66666666666666663,
      .exact_match = 0.66666666666666663,
      .log_loss = 0.72150505816872179,
      .precision = { 0.75, 0.66666666666666663, 0.59999999999999998 },
      .recall = { 0.75, 0.5, 0.75 },
      .f1 = { 0.75, 0.57142857142857151, 0.66666666666666652 },
      .macro = { 0.67222222222222217, 0.66666666666666663, 0.66269841269841268 },
      .micro = { 0.66666666666666663, 0.66666666666666663, 0.66666666666666663 },
      .confusion = { 3, 0, 1, 1, 2, 1, 0, 1, 3 },
      .auc_of = { 1, 0.859375, 0.875 },
      .auc = 0.91145833333333337 },
    { .mse = 0.10134180790960452,
      .mae = 0.27895480225988695,
      .r2 = 0.54430843735942425,
      .r2_of = { 0.59971217105263164, 0.43801081730769242, 0.59520232371794879 },
      .accuracy = 0.83050847457627119,
      .exact_match = 0.83050847457627119,
      .log_loss = 0.57443065823477923,
      .precision = { 0.88888888888888884, 0.93333333333333335, 0.73076923076923073 },
      .recall = { 0.84210526315789469, 0.69999999999999996, 0.94999999999999996 },
      .f1 = { 0.86486486486486491, 0.80000000000000004, 0.82608695652173925 },
      .macro = { 0.8509971509971509, 0.83070175438596483, 0.83031727379553466 },
      .micro = { 0.83050847457627119, 0.83050847457627119, 0.83050847457627119 },
      .confusion = { 4, 0, 0.75, 0.5, 3.5, 1, 0, 0.25, 4.75 },
      .auc_of = { 1, 0.94871794871794879, 0.97692307692307689 },
      .auc = 0.9752136752136753 },
};

/* Yes above 3/8. */
static const struct gold gold_of_multi_labels[2] = {
    { .accuracy = 0.72222222222222221,
      .exact_match = 0.41666666666666669,
      .log_loss = 0.63182237297510613,
      .precision = { 1, 0.75, 0.75 },
      .recall = { 0.66666666666666663, 0.5, 0.5 },
      .f1 = { 0.80000000000000004, 0.59999999999999998, 0.59999999999999998 },
      .macro = { 0.83333333333333337, 0.55555555555555547, 0.66666666666666663 },
      .micro = { 0.83333333333333337, 0.55555555555555558, 0.66666666666666674 },
      .confusion = { 6, 0, 2, 4, 5, 1, 3, 3, 5, 1, 3, 3 },
      .auc_of = { 1, 0.76388888888888906, 0.70833333333333337 },
      .auc = 0.82407407407407407 },
    { .accuracy = 0.7457627118644069,
      .exact_match = 0.40677966101694918,
      .log_loss = 0.56484695456094747,
      .precision = { 1, 0.78947368421052633, 0.45454545454545453 },
      .recall = { 0.82608695652173914, 0.625, 0.38461538461538464 },
      .f1 = { 0.90476190476190466, 0.69767441860465118, 0.41666666666666663 },
      .macro = { 0.7480063795853269, 0.61190078037904128, 0.67303433001107404 },
      .micro = { 0.73333333333333328, 0.60273972602739723, 0.66165413533834583 },
      .confusion = { 9, 0, 1, 4.75, 7.75, 1, 2.25, 3.75, 5.25, 3, 4, 2.5 },
      .auc_of = { 1, 0.83452380952380956, 0.56643356643356635 },
      .auc = 0.8003191253191253 },
};

static void assert_gold(const bp_metrics_result *r, const struct gold *gold, size_t n_confusion)
{
    const double macro[] = { r->precision_macro, r->recall_macro, r->f1_macro };
    const double micro[] = { r->precision_micro, r->recall_micro, r->f1_micro };
    assert_close(r->accuracy, gold->accuracy, ROUNDING);
    assert_close(r->exact_match, gold->exact_match, ROUNDING);
    assert_close(r->log_loss, gold->log_loss, ROUNDING);
    assert_all_close(r->class_precision, gold->precision, 3);
    assert_all_close(r->class_recall, gold->recall, 3);
    assert_all_close(r->class_f1, gold->f1, 3);
    assert_all_close(macro, gold->macro, 3);
    assert_all_close(micro, gold->micro, 3);
    assert_all_close(r->confusion, gold->confusion, n_confusion);
    assert_all_close(r->class_auc, gold->auc_of, 3);
    assert_close(r->auc, gold->auc, ROUNDING);
}

static void classes_are_measured_as_scikit_learn_measures_them(void **state)
{
    (void)state;
    for (size_t weighted = 0; weighted < 2; weighted++) {
        const bp_targets T = { .labels = gold_labels, .weights = weighted ? gold_weights : NULL };
        const struct gold *gold = &gold_of_classes[weighted];
        bp_metrics metrics;
        bp_metrics_result r;
        measure(&metrics, CONFIG(.n_out = 3, .task = BP_TASK_CLASSES, .confusion = true, .auc_rows = GOLD_ROWS), gold_Y, &T,
                GOLD_ROWS, &r);
        assert_gold(&r, gold, 9);
        assert_close(r.mse, gold->mse, ROUNDING);
        assert_close(r.mae, gold->mae, ROUNDING);
        assert_close(r.r2, gold->r2, ROUNDING);
        assert_all_close(r.output_r2, gold->r2_of, 3);
        bp_metrics_free(&metrics);
    }
}

static void multi_labels_are_measured_as_scikit_learn_measures_them(void **state)
{
    (void)state;
    for (size_t weighted = 0; weighted < 2; weighted++) {
        const bp_targets T = { .values = gold_multi, .weights = weighted ? gold_weights : NULL };
        bp_metrics metrics;
        bp_metrics_result r;
        measure(
            &metrics,
            CONFIG(.n_out = 3, .task = BP_TASK_MULTI_LABEL, .threshold = 0.375, .confusion = true, .auc_rows = GOLD_ROWS),
            gold_Y, &T, GOLD_ROWS, &r);
        assert_gold(&r, &gold_of_multi_labels[weighted], 12);
        bp_metrics_free(&metrics);
    }
}

/* Class 2 against the other two, from its output alone. */
static void one_output_is_measured_as_scikit_learn_measures_it(void **state)
{
    (void)state;
    static const struct {
        double accuracy, log_loss, auc, precision[2], recall[2], f1[2], weight[2], macro[3], mse, r2;
    } gold[2] = {
        { 0.83333333333333337,
          0.44419254484990317,
          0.875,
          { 0.8, 1 },
          { 1, 0.5 },
          { 0.88888888888888895, 0.66666666666666663 },
          { 8, 4 },
          { 0.9, 0.75, 0.77777777777777779 },
          0.14127604166666666,
          0.36425781250000011 },
        { 0.94915254237288138,
          0.33321963504973762,
          0.97692307692307689,
          { 0.9285714285714286, 1 },
          { 1, 0.85 },
          { 0.96296296296296302, 0.91891891891891886 },
          { 9.75, 5 },
          { 0.9642857142857143, 0.925, 0.94094094094094094 },
          0.090704449152542374,
          0.59520232371794879 },
    };
    bp_real Y[GOLD_ROWS];
    int32_t labels[GOLD_ROWS];
    for (size_t i = 0; i < GOLD_ROWS; i++) {
        Y[i] = gold_Y[3 * i + 2];
        labels[i] = gold_labels[i] == 2;
    }
    for (size_t weighted = 0; weighted < 2; weighted++) {
        const bp_targets T = { .labels = labels, .weights = weighted ? gold_weights : NULL };
        bp_metrics metrics;
        bp_metrics_result r;
        measure(&metrics, CONFIG(.n_out = 1, .task = BP_TASK_CLASSES, .auc_rows = GOLD_ROWS), Y, &T, GOLD_ROWS, &r);
        const double macro[] = { r.precision_macro, r.recall_macro, r.f1_macro };
        assert_close(r.accuracy, gold[weighted].accuracy, ROUNDING);
        assert_close(r.log_loss, gold[weighted].log_loss, ROUNDING);
        assert_close(r.auc, gold[weighted].auc, ROUNDING);
        assert_all_close(r.class_precision, gold[weighted].precision, 2);
        assert_all_close(r.class_recall, gold[weighted].recall, 2);
        assert_all_close(r.class_f1, gold[weighted].f1, 2);
        assert_all_close(r.class_weight, gold[weighted].weight, 2);
        assert_all_close(macro, gold[weighted].macro, 3);
        assert_close(r.mse, gold[weighted].mse, ROUNDING);
        assert_close(r.r2, gold[weighted].r2, ROUNDING);
        bp_metrics_free(&metrics);
    }
}

/* ---- Batch by batch -------------------------------------------------------------------------------------------------- */

static const bp_metrics_config streams[] = {
    { .n_out = WIDTH },
    { .n_out = WIDTH, .task = BP_TASK_CLASSES, .top_k = 2, .confusion = true, .auc_rows = N },
    { .n_out = 1, .task = BP_TASK_CLASSES, .confusion = true, .auc_rows = N },
    { .n_out = WIDTH, .task = BP_TASK_MULTI_LABEL, .confusion = true, .auc_rows = N },
};

/* Rows with all their digits, so that a changed order of summation would show. */
static void draw_rough_rows(struct rows *rows, uint64_t seed)
{
    bp_rng rng;
    draw_rows(rows, seed);
    bp_rng_init(&rng, seed + 1000);
    for (size_t i = 0; i < COUNT(rows->Y); i++)
        rows->Y[i] = (bp_real)bp_rng_uniform(&rng);
    for (size_t i = 0; i < N; i++)
        rows->weights[i] = (bp_real)bp_rng_uniform(&rng);
    rows->weights[7] = 0;
}

static void add_rows(bp_metrics *metrics, const struct rows *rows, size_t batch)
{
    for (size_t first = 0; first < N; first += batch) {
        const bp_targets T = { .values = rows->T + first * metrics->n_out, .weights = rows->weights + first };
        const size_t n = N - first < batch ? N - first : batch;
        assert_int_equal(bp_metrics_update(metrics, rows->Y + first * metrics->n_out, &T, n), BP_OK);
    }
}

static uint64_t bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static void assert_same_bits(const char *name, double a, double b)
{
    if (bits(a) != bits(b))
        fail_msg("%s: %.17g and %.17g", name, a, b);
}

static void assert_same_result(const bp_metrics_result *a, const bp_metrics_result *b, bp_task task)
{
    assert_int_equal(a->rows, b->rows);
    for (size_t i = 0; i < COUNT(numbers); i++)
        assert_same_bits(numbers[i].name, number(a, i), number(b, i));
    const struct arrays of_a = arrays_of(a, task), of_b = arrays_of(b, task);
    for (size_t i = 0; i < COUNT(of_a.of); i++)
        for (size_t j = 0; of_a.of[i] != NULL && j < of_a.n[i]; j++)
            assert_same_bits("an array", of_a.of[i][j], of_b.of[i][j]);
}

static void batches_of_any_size_give_the_same_bits(void **state)
{
    (void)state;
    const size_t batches[] = { 1, 2, 7, 60 };
    for (size_t c = 0; c < COUNT(streams); c++)
        for (size_t b = 0; b < COUNT(batches); b++) {
            struct rows rows;
            draw_rough_rows(&rows, c);
            bp_metrics whole, cut;
            bp_metrics_result of_whole, of_cut;
            assert_int_equal(bp_metrics_init(&whole, &streams[c]), BP_OK);
            assert_int_equal(bp_metrics_init(&cut, &streams[c]), BP_OK);
            add_rows(&whole, &rows, N);
            add_rows(&cut, &rows, batches[b]);
            assert_int_equal(bp_metrics_compute(&whole, &of_whole), BP_OK);
            assert_int_equal(bp_metrics_compute(&cut, &of_cut), BP_OK);
            assert_int_equal(of_cut.rows, N);
            assert_same_result(&of_whole, &of_cut, streams[c].task);
            bp_metrics_free(&whole);
            bp_metrics_free(&cut);
        }
}

/* Looking in between, starting over, and moving the struct leave no trace. */
static void looking_resetting_and_moving_change_nothing(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(streams); c++) {
        struct rows rows, others;
        draw_rough_rows(&rows, 1);
        draw_rough_rows(&others, 2);
        bp_metrics fresh, used, moved;
        bp_metrics_result of_fresh, of_used;
        assert_int_equal(bp_metrics_init(&fresh, &streams[c]), BP_OK);
        add_rows(&fresh, &rows, N);
        assert_int_equal(bp_metrics_compute(&fresh, &of_fresh), BP_OK);

        assert_int_equal(bp_metrics_init(&used, &streams[c]), BP_OK);
        add_rows(&used, &others, N);
        assert_int_equal(bp_metrics_add_loss(&used, &(const bp_loss){ 0 }, TARGETS(.values = rows.T), 1, 5), BP_OK);
        assert_int_equal(bp_metrics_compute(&used, &of_used), BP_OK);
        bp_metrics_reset(&used);
        const bp_targets first = { .values = rows.T, .weights = rows.weights };
        assert_int_equal(bp_metrics_update(&used, rows.Y, &first, 1), BP_OK);
        assert_int_equal(bp_metrics_compute(&used, &of_used), BP_OK);
        moved = used;
        const size_t n = streams[c].n_out;
        const bp_targets rest = { .values = rows.T + n, .weights = rows.weights + 1 };
        assert_int_equal(bp_metrics_update(&moved, rows.Y + n, &rest, N - 1), BP_OK);
        assert_int_equal(bp_metrics_compute(&moved, &of_used), BP_OK);
        assert_int_equal(bp_metrics_compute(&moved, &of_used), BP_OK);
        assert_same_result(&of_fresh, &of_used, streams[c].task);
        bp_metrics_free(&fresh);
        bp_metrics_free(&moved);
    }
}

/* Labels and the rows of zeros with a 1 that they stand for. */
static void labels_are_targets_of_zeros_with_a_1(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(streams); c++) {
        struct rows rows;
        draw_rough_rows(&rows, c);
        const size_t n = streams[c].n_out;
        for (size_t i = 0; i < N; i++) {
            rows.labels[i] = n == 1 ? rows.labels[i] % 2 : rows.labels[i];
            for (size_t j = 0; j < n; j++)
                rows.T[i * n + j] = n == 1 ? (bp_real)rows.labels[i] : (bp_real)((size_t)rows.labels[i] == j);
        }
        bp_metrics by_values, by_labels;
        bp_metrics_result of_values, of_labels;
        measure(&by_values, &streams[c], rows.Y, TARGETS(.values = rows.T), N, &of_values);
        measure(&by_labels, &streams[c], rows.Y, TARGETS(.labels = rows.labels), N, &of_labels);
        assert_same_result(&of_values, &of_labels, streams[c].task);
        bp_metrics_free(&by_values);
        bp_metrics_free(&by_labels);
    }
}

/* A weight of 2 is the row twice, and a weight of 0 the row left out, with r2 to the last digits. */
static void weights_are_numbers_of_rows(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(streams); c++) {
        const size_t n = streams[c].n_out;
        struct rows rows, repeated;
        bp_metrics weighted, counted;
        bp_metrics_result of_weighted, of_counted;
        draw_rows(&rows, c + 50);
        assert_int_equal(bp_metrics_init(&counted, &streams[c]), BP_OK);
        for (size_t i = 0; i < N; i++) {
            rows.weights[i] = (bp_real)(i % 2 == 0 ? i % 4 : 0); /* 0 or 2, in all not more than N */
            for (size_t copy = 0; (bp_real)copy < rows.weights[i]; copy++) {
                memcpy(repeated.Y, rows.Y + i * n, n * sizeof(bp_real));
                const bp_targets T = { .values = rows.T + i * n };
                assert_int_equal(bp_metrics_update(&counted, repeated.Y, &T, 1), BP_OK);
            }
        }
        measure(&weighted, &streams[c], rows.Y, TARGETS(.values = rows.T, .weights = rows.weights), N, &of_weighted);
        assert_int_equal(bp_metrics_compute(&counted, &of_counted), BP_OK);
        assert_int_equal(of_weighted.rows, N);
        for (size_t i = 0; i < COUNT(numbers); i++)
            if (!(isnan(number(&of_weighted, i)) && isnan(number(&of_counted, i))))
                assert_close(number(&of_weighted, i), number(&of_counted, i), ROUNDING);
        bp_metrics_free(&weighted);
        bp_metrics_free(&counted);
    }
}

/* Where every row is right, sums of rounded weights must not say that more than all are. And small sums are no zeros. */
static void shares_of_weights_are_1_at_most(void **state)
{
    (void)state;
    const bp_metrics_config configs[] = { { .n_out = WIDTH, .task = BP_TASK_MULTI_LABEL, .auc_rows = N },
                                          { .n_out = 1, .task = BP_TASK_CLASSES, .auc_rows = N } };
    for (uint64_t seed = 0; seed < 200; seed++)
        for (size_t c = 0; c < COUNT(configs); c++) {
            struct rows rows;
            draw_rough_rows(&rows, seed);
            for (size_t i = 0; i < N; i++)
                rows.weights[i] /= 1024;
            for (size_t i = 0; i < COUNT(rows.Y); i++)
                rows.Y[i] = (rows.T[i] + rows.Y[i]) / 2;
            bp_metrics metrics;
            bp_metrics_result r;
            measure(&metrics, &configs[c], rows.Y, TARGETS(.values = rows.T, .weights = rows.weights), N, &r);
            const double shares[] = { r.accuracy,    r.exact_match,     r.auc,          r.precision_macro, r.recall_macro,
                                      r.f1_macro,    r.precision_micro, r.recall_micro, r.f1_micro,        r.class_f1[0],
                                      r.class_auc[0] };
            for (size_t i = 0; i < COUNT(shares); i++)
                assert_true(shares[i] <= 1 && shares[i] > 1 - ROUNDING);
            bp_metrics_free(&metrics);
        }
}

static bool is_count(const bp_metrics_result *r, const double *array)
{
    return array == r->class_weight || array == r->class_predicted || array == r->confusion;
}

static void rows_that_all_weigh_0_leave_everything_undefined(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(streams); c++) {
        struct rows rows;
        draw_rows(&rows, 0);
        memset(rows.weights, 0, sizeof rows.weights);
        bp_metrics metrics;
        bp_metrics_result r;
        measure(&metrics, &streams[c], rows.Y, TARGETS(.values = rows.T, .weights = rows.weights), N, &r);
        assert_int_equal(r.rows, N);
        assert_close(r.weight, 0, 0);
        for (size_t i = 1; i < COUNT(numbers); i++)
            assert_nan(&r, numbers[i].name);
        const struct arrays arrays = arrays_of(&r, streams[c].task);
        for (size_t i = 0; i < COUNT(arrays.of); i++)
            for (size_t j = 0; arrays.of[i] != NULL && j < arrays.n[i]; j++)
                assert_true(is_count(&r, arrays.of[i]) ? arrays.of[i][j] == 0 : isnan(arrays.of[i][j]));
        bp_metrics_free(&metrics);
    }
}

/* ---- The loss -------------------------------------------------------------------------------------------------------- */

static double loss_after(bp_metrics *metrics)
{
    bp_metrics_result r;
    assert_int_equal(bp_metrics_compute(metrics, &r), BP_OK);
    return r.loss;
}

static void the_loss_is_the_mean_over_rows_or_the_sum_over_batches(void **state)
{
    (void)state;
    const bp_loss mean = { 0 }, sum = { .reduction = BP_REDUCE_SUM };
    bp_metrics metrics;
    assert_int_equal(bp_metrics_init(&metrics, CONFIG(.n_out = 1)), BP_OK);
    assert_int_equal(bp_metrics_add_loss(&metrics, &mean, TARGETS(.values = REALS(0, 0, 0)), 3, 2), BP_OK);
    assert_int_equal(bp_metrics_add_loss(&metrics, &mean, TARGETS(.values = REALS(0)), 1, 6), BP_OK);
    assert_close(loss_after(&metrics), 3, ROUNDING);
    const bp_targets weighted = { .values = REALS(0, 0), .weights = REALS(0.5, 3.5) };
    assert_int_equal(bp_metrics_add_loss(&metrics, &mean, &weighted, 2, 1), BP_OK);
    assert_close(loss_after(&metrics), 2, ROUNDING);

    assert_int_equal(metrics.n_losses, 3);

    bp_metrics_reset(&metrics);
    assert_int_equal(bp_metrics_add_loss(&metrics, &sum, &weighted, 2, 1.5), BP_OK);
    assert_close(loss_after(&metrics), 1.5, ROUNDING);
    assert_int_equal(bp_metrics_add_loss(&metrics, &sum, &weighted, 2, 4), BP_OK);
    assert_close(loss_after(&metrics), 5.5, ROUNDING);

    bp_metrics_reset(&metrics); /* no sum is not a sum of 0 */
    assert_int_equal(bp_metrics_update(&metrics, REALS(1), TARGETS(.values = REALS(1)), 1), BP_OK);
    assert_true(isnan(loss_after(&metrics)));
    bp_metrics_free(&metrics);
}

/* Rows of class 0 weigh 1, those of class 1 weigh 3: as bp_network_loss() divides them. */
static void the_loss_counts_class_weights(void **state)
{
    (void)state;
    const bp_loss loss = { .kind = BP_CROSS_ENTROPY, .class_weights = REALS(1, 3) };
    bp_metrics metrics;
    assert_int_equal(bp_metrics_init(&metrics, CONFIG(.n_out = 2)), BP_OK);
    assert_int_equal(bp_metrics_add_loss(&metrics, &loss, TARGETS(.labels = LABELS(0, 1)), 2, 1), BP_OK);
    assert_int_equal(bp_metrics_add_loss(&metrics, &loss, TARGETS(.values = REALS(1, 0)), 1, 6), BP_OK);
    assert_close(loss_after(&metrics), 2, ROUNDING);
    bp_metrics_free(&metrics);
}

static void the_loss_of_no_weight_is_undefined(void **state)
{
    (void)state;
    const bp_loss mean = { 0 };
    const bp_targets weightless = { .values = REALS(1, 1), .weights = REALS(0, 0) };
    bp_metrics metrics;
    assert_int_equal(bp_metrics_init(&metrics, CONFIG(.n_out = 1)), BP_OK);
    assert_int_equal(bp_metrics_add_loss(&metrics, &mean, &weightless, 2, 0), BP_OK);
    assert_true(isnan(loss_after(&metrics)));
    assert_int_equal(bp_metrics_add_loss(&metrics, &mean, TARGETS(.values = REALS(1)), 1, 4), BP_OK);
    assert_close(loss_after(&metrics), 4, 0);
    bp_metrics_free(&metrics);
}

/* ---- What is refused ------------------------------------------------------------------------------------------------- */

struct config_refusal {
    bp_metrics_config config;
    bp_status status;
    const char *sentence;
};

static const struct config_refusal config_refusals[] = {
    { { .n_out = 0 }, BP_ERR_SHAPE, "bp_metrics_init: n_out is 0" },
    { { .n_out = 1, .task = BP_N_TASKS }, BP_ERR_ARGUMENT, "bp_metrics_init: 3 is no task" },
    { { .n_out = 1, .task = BP_TASK_CLASSES, .threshold = (bp_real)INFINITY },
      BP_ERR_ARGUMENT,
      "bp_metrics_init: threshold is inf, expected a finite number" },
    { { .n_out = 3, .task = BP_TASK_CLASSES, .top_k = 4 },
      BP_ERR_ARGUMENT,
      "bp_metrics_init: top_k is 4, there are 3 classes" },
    { { .n_out = 2, .threshold = 1 },
      BP_ERR_UNSUPPORTED,
      "bp_metrics_init: threshold is set, the task regression with n_out 2 has no use for it" },
    { { .n_out = 2, .auc_rows = 1 },
      BP_ERR_UNSUPPORTED,
      "bp_metrics_init: auc_rows is set, the task regression with n_out 2 has no use for it" },
    { { .n_out = 2, .confusion = true },
      BP_ERR_UNSUPPORTED,
      "bp_metrics_init: confusion is set, the task regression with n_out 2 has no use for it" },
    { { .n_out = 2, .top_k = 1 },
      BP_ERR_UNSUPPORTED,
      "bp_metrics_init: top_k is set, the task regression with n_out 2 has no use for it" },
    { { .n_out = 2, .task = BP_TASK_CLASSES, .threshold = 1 },
      BP_ERR_UNSUPPORTED,
      "bp_metrics_init: threshold is set, the task classes with n_out 2 has no use for it" },
    { { .n_out = 1, .task = BP_TASK_CLASSES, .top_k = 1 },
      BP_ERR_UNSUPPORTED,
      "bp_metrics_init: top_k is set, the task classes with n_out 1 has no use for it" },
    { { .n_out = 2, .task = BP_TASK_MULTI_LABEL, .top_k = 1 },
      BP_ERR_UNSUPPORTED,
      "bp_metrics_init: top_k is set, the task multi_label with n_out 2 has no use for it" },
    { { .n_out = SIZE_MAX }, BP_ERR_TOO_LARGE, "bp_metrics_init: its memory in bytes overflows" },
    { { .n_out = SIZE_MAX / 64, .task = BP_TASK_CLASSES, .confusion = true },
      BP_ERR_TOO_LARGE,
      "bp_metrics_init: its memory in bytes overflows" },
    { { .n_out = 2, .task = BP_TASK_CLASSES, .auc_rows = SIZE_MAX / 4 },
      BP_ERR_TOO_LARGE,
      "bp_metrics_init: its memory in bytes overflows" },
};

static void settings_out_of_range_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(config_refusals); i++) {
        bp_metrics metrics;
        memset(&metrics, 0xff, sizeof metrics);
        assert_int_equal(bp_metrics_init(&metrics, &config_refusals[i].config), config_refusals[i].status);
        assert_sentence(config_refusals[i].sentence);
        assert_null(metrics.block);
        bp_metrics_free(&metrics);
    }
    bp_metrics metrics;
    assert_int_equal(bp_metrics_init(NULL, CONFIG(.n_out = 1)), BP_ERR_ARGUMENT);
    assert_sentence("bp_metrics_init: metrics is NULL");
    assert_int_equal(bp_metrics_init(&metrics, NULL), BP_ERR_ARGUMENT);
    assert_sentence("bp_metrics_init: config is NULL");
    struct test_heap heap;
    test_heap_init(&heap);
    heap.allocator.release = NULL;
    assert_int_equal(bp_metrics_init(&metrics, CONFIG(.n_out = 1, .allocator = &heap.allocator)), BP_ERR_ARGUMENT);
    assert_sentence("bp_metrics_init: the allocator has alloc but no release; it needs both functions or neither");
}

struct batch_refusal {
    const bp_real *Y;
    const bp_targets *T;
    size_t batch;
    bp_status status;
    const char *sentence;
};

/* Of three classes, with room for three rows, of which one is taken. */
static const struct batch_refusal batch_refusals[] = {
    { NULL, TARGETS(.labels = LABELS(0)), 1, BP_ERR_ARGUMENT, "bp_metrics_update: Y is NULL" },
    { REALS(1, 2, 3), NULL, 1, BP_ERR_ARGUMENT, "bp_metrics_update: T is NULL" },
    { REALS(1, 2, 3), TARGETS(.labels = LABELS(0)), 0, BP_ERR_SHAPE, "bp_metrics_update: batch is 0" },
    { REALS(1, 2, 3), TARGETS(.weights = REALS(0)), 1, BP_ERR_ARGUMENT,
      "bp_metrics_update: T: neither values nor labels are given" },
    { REALS(1, 2, 3), TARGETS(.labels = LABELS(0), .values = REALS(1, 0, 0)), 1, BP_ERR_ARGUMENT,
      "bp_metrics_update: T: both values and labels are given" },
    { REALS(1, 2, 3), TARGETS(.labels = LABELS(0)), 3, BP_ERR_SHAPE,
      "bp_metrics_update: 1 rows and 3 more, auc_rows reserves room for 3" },
    { REALS(1, 2, 3, 1, (bp_real)NAN, 3), TARGETS(.labels = LABELS(0, 0)), 2, BP_ERR_NONFINITE,
      "outputs: row 1, column 1 is nan" },
    { REALS((bp_real)INFINITY, 2, 3), TARGETS(.labels = LABELS(0)), 1, BP_ERR_NONFINITE,
      "outputs: row 0, column 0 is inf" },
    { REALS(1, 2, (bp_real)-INFINITY), TARGETS(.labels = LABELS(0)), 1, BP_ERR_NONFINITE,
      "outputs: row 0, column 2 is -inf" },
    { REALS(1, 2, 3, 4, 5, 6), TARGETS(.values = REALS(0, 0, 1, (bp_real)INFINITY, 0, 0)), 2, BP_ERR_NONFINITE,
      "targets: row 1, column 0 is inf" },
    { REALS(1, 2, 3, 4, 5, 6), TARGETS(.labels = LABELS(2, 3)), 2, BP_ERR_TARGET,
      "labels: row 1 is 3, the classes are 0 to 2" },
    { REALS(1, 2, 3), TARGETS(.labels = LABELS(-1)), 1, BP_ERR_TARGET, "labels: row 0 is -1, the classes are 0 to 2" },
    { REALS(1, 2, 3), TARGETS(.labels = LABELS(1), .weights = REALS(-1)), 1, BP_ERR_TARGET,
      "weights: row 0 is -1, a sample weight is at least 0" },
    { REALS(1, 2, 3), TARGETS(.labels = LABELS(1), .weights = REALS((bp_real)NAN)), 1, BP_ERR_NONFINITE,
      "weights: row 0 is nan" },
};

static void bad_batches_are_refused_and_leave_the_metrics_as_they_were(void **state)
{
    (void)state;
    bp_metrics metrics, before;
    bp_metrics_result first, after;
    measure(&metrics, &(bp_metrics_config){ .n_out = 3, .task = BP_TASK_CLASSES, .confusion = true, .auc_rows = 3 },
            REALS(1, 0, 0), TARGETS(.labels = LABELS(1)), 1, &first);
    const double mse = first.mse;
    before = metrics;
    for (size_t i = 0; i < COUNT(batch_refusals); i++) {
        const struct batch_refusal *refusal = &batch_refusals[i];
        assert_int_equal(bp_metrics_update(&metrics, refusal->Y, refusal->T, refusal->batch), refusal->status);
        assert_sentence(refusal->sentence);
        assert_memory_equal(&metrics, &before, sizeof metrics);
        assert_int_equal(bp_metrics_compute(&metrics, &after), BP_OK);
        assert_close(after.mse, mse, 0);
        assert_close(after.confusion[3], 1, 0);
    }
    bp_metrics_free(&metrics);

    assert_int_equal(bp_metrics_init(&metrics, CONFIG(.n_out = 2)), BP_OK);
    assert_int_equal(bp_metrics_update(&metrics, REALS(0), TARGETS(.labels = LABELS(0)), SIZE_MAX / 2), BP_ERR_TOO_LARGE);
    bp_metrics_free(&metrics);
    assert_int_equal(bp_metrics_init(&metrics, CONFIG(.n_out = 1, .task = BP_TASK_CLASSES)), BP_OK);
    assert_int_equal(bp_metrics_update(&metrics, REALS(0), TARGETS(.labels = LABELS(2)), 1), BP_ERR_TARGET);
    assert_sentence("labels: row 0 is 2, the classes are 0 to 1");
    bp_metrics_free(&metrics);
}

struct loss_refusal {
    const bp_loss *loss;
    const bp_targets *T;
    size_t batch;
    bp_real L;
    bp_status status;
    const char *sentence;
};

#define LOSS(...) (&(const bp_loss){ __VA_ARGS__ })

/* Of two outputs, after a loss that was a mean. */
static const struct loss_refusal loss_refusals[] = {
    { NULL, TARGETS(.labels = LABELS(0)), 1, 1, BP_ERR_ARGUMENT, "bp_metrics_add_loss: loss is NULL" },
    { LOSS(.kind = BP_SQUARED_ERROR), NULL, 1, 1, BP_ERR_ARGUMENT, "bp_metrics_add_loss: T is NULL" },
    { LOSS(.kind = BP_SQUARED_ERROR), TARGETS(.labels = LABELS(0)), 0, 1, BP_ERR_SHAPE, "bp_metrics_add_loss: batch is 0" },
    { LOSS(.kind = BP_N_LOSSES), TARGETS(.labels = LABELS(0)), 1, 1, BP_ERR_ARGUMENT, "loss: " },
    { LOSS(.reduction = BP_REDUCE_SUM), TARGETS(.labels = LABELS(0)), 1, 1, BP_ERR_ARGUMENT,
      "bp_metrics_add_loss: the reduction is a sum, that of the losses before is a mean" },
    { LOSS(.kind = BP_SQUARED_ERROR), TARGETS(.weights = NULL), 1, 1, BP_ERR_ARGUMENT,
      "bp_metrics_add_loss: T: neither values nor labels are given" },
    { LOSS(.kind = BP_CROSS_ENTROPY, .class_weights = REALS(1, 1)), TARGETS(.labels = LABELS(0, 2)), 2, 1, BP_ERR_TARGET,
      "labels: row 1 is 2, the classes are 0 to 1" },
    { LOSS(.kind = BP_CROSS_ENTROPY), TARGETS(.values = REALS(2, 0)), 1, 1, BP_ERR_TARGET,
      "targets: row 0, column 0 is 2" },
    { LOSS(.kind = BP_SQUARED_ERROR), TARGETS(.labels = LABELS(0), .weights = REALS(-1)), 1, 1, BP_ERR_TARGET,
      "weights: row 0 is -1" },
    { LOSS(.kind = BP_SQUARED_ERROR), TARGETS(.labels = LABELS(0)), 1, (bp_real)INFINITY, BP_ERR_NONFINITE,
      "bp_metrics_add_loss: L is inf" },
};

static void bad_losses_are_refused_and_leave_the_metrics_as_they_were(void **state)
{
    (void)state;
    bp_metrics metrics, before;
    assert_int_equal(bp_metrics_init(&metrics, CONFIG(.n_out = 2)), BP_OK);
    assert_int_equal(bp_metrics_add_loss(&metrics, LOSS(.kind = BP_SQUARED_ERROR), TARGETS(.labels = LABELS(0)), 1, 1),
                     BP_OK);
    before = metrics;
    for (size_t i = 0; i < COUNT(loss_refusals); i++) {
        const struct loss_refusal *refusal = &loss_refusals[i];
        assert_int_equal(bp_metrics_add_loss(&metrics, refusal->loss, refusal->T, refusal->batch, refusal->L),
                         refusal->status);
        assert_sentence(refusal->sentence);
        assert_memory_equal(&metrics, &before, sizeof metrics);
    }
    bp_metrics_free(&metrics);
}

static void metrics_that_are_not_made_or_have_seen_nothing_are_refused(void **state)
{
    (void)state;
    bp_metrics metrics = { 0 };
    bp_metrics_result r;
    const bp_targets T = { .labels = LABELS(0) };
    assert_int_equal(bp_metrics_update(&metrics, REALS(0), &T, 1), BP_ERR_STATE);
    assert_sentence("bp_metrics_update: metrics is empty; bp_metrics_init() has not been called or has failed");
    assert_int_equal(bp_metrics_add_loss(&metrics, LOSS(.kind = BP_SQUARED_ERROR), &T, 1, 1), BP_ERR_STATE);
    assert_int_equal(bp_metrics_compute(&metrics, &r), BP_ERR_STATE);
    assert_int_equal(bp_metrics_update(NULL, REALS(0), &T, 1), BP_ERR_ARGUMENT);
    assert_sentence("bp_metrics_update: metrics is NULL");
    assert_int_equal(bp_metrics_add_loss(NULL, LOSS(.kind = BP_SQUARED_ERROR), &T, 1, 1), BP_ERR_ARGUMENT);
    assert_int_equal(bp_metrics_compute(NULL, &r), BP_ERR_ARGUMENT);
    bp_metrics_reset(&metrics);
    bp_metrics_reset(NULL);
    bp_metrics_free(&metrics);
    bp_metrics_free(NULL);

    assert_int_equal(bp_metrics_init(&metrics, CONFIG(.n_out = 1)), BP_OK);
    assert_int_equal(bp_metrics_compute(&metrics, &r), BP_ERR_STATE);
    assert_sentence("bp_metrics_compute: there are no rows yet");
    assert_int_equal(bp_metrics_compute(&metrics, NULL), BP_ERR_ARGUMENT);
    bp_metrics_free(&metrics);
    assert_null(metrics.block);
    bp_metrics_free(&metrics);
}

/* ---- Memory ---------------------------------------------------------------------------------------------------------- */

static void one_block_is_taken_and_nothing_after_it(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(streams); c++) {
        struct test_heap heap;
        test_heap_init(&heap);
        bp_metrics_config config = streams[c];
        config.allocator = &heap.allocator;
        struct rows rows;
        draw_rows(&rows, 3);
        bp_metrics metrics;
        bp_metrics_result r;
        measure(&metrics, &config, rows.Y, TARGETS(.values = rows.T), N, &r);
        bp_metrics_reset(&metrics);
        assert_int_equal(heap.n_allocs, 1);
        assert_int_equal(heap.live_blocks, 1);
        bp_metrics_free(&metrics);
        assert_true(test_heap_is_clean(&heap));
    }
}

static void an_allocation_that_fails_leaves_nothing_behind(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(streams); c++) {
        struct test_heap heap;
        test_heap_init(&heap);
        heap.fail_at = 1;
        bp_metrics_config config = streams[c];
        config.allocator = &heap.allocator;
        bp_metrics metrics;
        assert_int_equal(bp_metrics_init(&metrics, &config), BP_ERR_MEMORY);
        assert_sentence("bp_metrics_init: no memory for");
        assert_null(metrics.block);
        bp_metrics_free(&metrics);
        assert_true(test_heap_is_clean(&heap));
        assert_int_equal(heap.n_allocs, 1);
    }
}

/* As documented: n_out (sizeof(bp_real) + 1) + 32 bytes a row, and what there is without. */
static void an_area_costs_the_memory_that_is_documented(void **state)
{
    (void)state;
    const size_t rows = 6400, n_out = 5;
    size_t bytes[2];
    for (size_t i = 0; i < 2; i++) {
        struct test_heap heap;
        test_heap_init(&heap);
        bp_metrics metrics;
        assert_int_equal(bp_metrics_init(&metrics, CONFIG(.n_out = n_out, .task = BP_TASK_CLASSES,
                                                          .auc_rows = i == 0 ? 0 : rows, .allocator = &heap.allocator)),
                         BP_OK);
        bytes[i] = heap.live_bytes;
        bp_metrics_free(&metrics);
    }
    assert_int_equal(bytes[1] - bytes[0], rows * (n_out * (sizeof(bp_real) + 1) + 32));
}

static void tasks_have_names(void **state)
{
    (void)state;
    assert_string_equal(bp_task_name(BP_TASK_REGRESSION), "regression");
    assert_string_equal(bp_task_name(BP_TASK_CLASSES), "classes");
    assert_string_equal(bp_task_name(BP_TASK_MULTI_LABEL), "multi_label");
    assert_string_equal(bp_task_name(BP_N_TASKS), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_of_one_output_are_those_of_the_textbook),
        cmocka_unit_test(errors_of_several_outputs_are_averaged_over_them),
        cmocka_unit_test(regression_has_no_classes),
        cmocka_unit_test(r2_of_constant_targets_is_1_if_they_are_met_and_else_0),
        cmocka_unit_test(r2_keeps_its_digits_where_targets_are_far_from_0),
        cmocka_unit_test(the_confusion_matrix_has_true_classes_in_its_rows),
        cmocka_unit_test(precision_recall_and_f1_are_those_of_the_textbook),
        cmocka_unit_test(a_class_never_met_has_zeros_and_is_left_out_of_the_macro_average),
        cmocka_unit_test(of_equal_outputs_and_targets_the_first_is_the_class),
        cmocka_unit_test(top_k_looks_among_the_k_largest_outputs),
        cmocka_unit_test(of_equal_outputs_the_first_are_in_the_top_k),
        cmocka_unit_test(one_output_above_one_half_is_class_1),
        cmocka_unit_test(the_threshold_can_be_moved),
        cmocka_unit_test(multi_labels_are_right_output_by_output_and_row_by_row),
        cmocka_unit_test(log_loss_is_that_of_the_textbook),
        cmocka_unit_test(log_loss_of_classes_looks_at_the_output_of_the_class),
        cmocka_unit_test(log_loss_of_one_output_is_that_of_two),
        cmocka_unit_test(log_loss_of_a_certain_mistake_is_minus_log_epsilon),
        cmocka_unit_test(log_loss_is_not_defined_for_what_is_no_probability),
        cmocka_unit_test(areas_are_those_of_the_textbook),
        cmocka_unit_test(an_area_without_both_kinds_of_rows_is_not_defined),
        cmocka_unit_test(areas_are_shares_of_pairs),
        cmocka_unit_test(areas_do_not_depend_on_the_order_of_rows),
        cmocka_unit_test(classes_are_measured_as_scikit_learn_measures_them),
        cmocka_unit_test(multi_labels_are_measured_as_scikit_learn_measures_them),
        cmocka_unit_test(one_output_is_measured_as_scikit_learn_measures_it),
        cmocka_unit_test(batches_of_any_size_give_the_same_bits),
        cmocka_unit_test(looking_resetting_and_moving_change_nothing),
        cmocka_unit_test(labels_are_targets_of_zeros_with_a_1),
        cmocka_unit_test(weights_are_numbers_of_rows),
        cmocka_unit_test(shares_of_weights_are_1_at_most),
        cmocka_unit_test(rows_that_all_weigh_0_leave_everything_undefined),
        cmocka_unit_test(the_loss_is_the_mean_over_rows_or_the_sum_over_batches),
        cmocka_unit_test(the_loss_counts_class_weights),
        cmocka_unit_test(the_loss_of_no_weight_is_undefined),
        cmocka_unit_test(settings_out_of_range_are_refused),
        cmocka_unit_test(bad_batches_are_refused_and_leave_the_metrics_as_they_were),
        cmocka_unit_test(bad_losses_are_refused_and_leave_the_metrics_as_they_were),
        cmocka_unit_test(metrics_that_are_not_made_or_have_seen_nothing_are_refused),
        cmocka_unit_test(one_block_is_taken_and_nothing_after_it),
        cmocka_unit_test(an_allocation_that_fails_leaves_nothing_behind),
        cmocka_unit_test(an_area_costs_the_memory_that_is_documented),
        cmocka_unit_test(tasks_have_names),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
