// SPDX-License-Identifier: MIT
/*
 * Splits: every row once, the documented counts, each class in proportion, and the same rows as other programs find: a
 * generator and shuffle written anew in Python, and scikit-learn's KFold and StratifiedKFold.
 */
#include "backprop/split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop/rng.h"
#include "support/close.h"
#include "support/heap.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define LIST(...) ((const size_t[]){ __VA_ARGS__ })
#define SPLIT(...) (&(const bp_split_config){ __VA_ARGS__ })
#define CHOICE(...) (&(const bp_choice_config){ __VA_ARGS__ })
#define WEIGHTS(...) ((const bp_real[]){ __VA_ARGS__ })

enum { MOST_ROWS = 64, MOST_CLASSES = 7 };

/* ---- Helpers --------------------------------------------------------------------------------------------------------- */

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

static void assert_rows(const size_t *actual, const size_t *expected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (actual[i] != expected[i])
            fail_msg("row %zu of %zu is %zu, expected %zu", i, n, actual[i], expected[i]);
}

/* Each of 0 .. n - 1 once. */
static void assert_is_permutation(const size_t *rows, size_t n)
{
    bool seen[MOST_ROWS] = { false };
    for (size_t i = 0; i < n; i++) {
        assert_true(rows[i] < n);
        assert_false(seen[rows[i]]);
        seen[rows[i]] = true;
    }
}

static void assert_ascending(const size_t *rows, size_t n)
{
    for (size_t i = 1; i < n; i++)
        assert_true(rows[i - 1] < rows[i]);
}

/* A dataset of labels only; inputs are there to be checked. */
struct labelled {
    bp_real X[MOST_ROWS];
    int32_t labels[MOST_ROWS];
    bp_dataset data;
};

static void label_rows(struct labelled *labelled, size_t n, size_t n_classes)
{
    memset(labelled->X, 0, sizeof labelled->X);
    labelled->data = (bp_dataset){ .rows = n,
                                   .n_in = 1,
                                   .n_out = n_classes,
                                   .X = { .data = labelled->X },
                                   .labels = { .data = labelled->labels, .element = BP_I32 } };
}

/* Random classes, uneven: the lower of two draws; so that some may be empty. */
static void draw_labels(struct labelled *labelled, size_t n, size_t n_classes, uint64_t seed)
{
    bp_rng rng;
    bp_rng_init(&rng, seed);
    label_rows(labelled, n, n_classes);
    for (size_t i = 0; i < n; i++) {
        const uint64_t a = bp_rng_below(&rng, n_classes), b = bp_rng_below(&rng, n_classes);
        labelled->labels[i] = (int32_t)(a < b ? a : b);
    }
}

static size_t count_class(const struct labelled *labelled, const size_t *rows, size_t n, size_t c)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += (size_t)labelled->labels[rows[i]] == c;
    return count;
}

/* ---- In two ---------------------------------------------------------------------------------------------------------- */

static void the_number_held_out_is_the_fraction_to_the_nearest(void **state)
{
    (void)state;
    const struct {
        size_t n;
        double fraction;
        size_t held_out;
    } cases[] = { { 10, 0.2, 2 },  { 10, 0.25, 3 },     { 10, 0, 3 },   { 10, 0.24, 2 }, { 12, 0, 3 },
                  { 30, 0.1, 3 },  { 30, 0.7, 21 },     { 3, 0.01, 1 }, { 3, 0.99, 2 },  { 2, 0.5, 1 },
                  { 2, 0.999, 1 }, { 64, 1.0 / 3, 21 }, { 6, 0.75, 5 }, { 6, 0.749, 4 }, { 5, 0.5, 3 } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const bp_dataset data = { .rows = cases[i].n };
        size_t rows[MOST_ROWS], n_train;
        assert_int_equal(bp_split(&data, SPLIT(.fraction = cases[i].fraction), rows, &n_train), BP_OK);
        assert_int_equal(cases[i].n - n_train, cases[i].held_out);
        assert_is_permutation(rows, cases[i].n);
    }
}

/* By a generator, a shuffle and a split written anew in Python. */
static void the_rows_of_a_seed_are_the_same_everywhere(void **state)
{
    (void)state;
    struct labelled labelled = { .labels = { 0, 1, 2, 0, 1, 2, 0, 0, 1, 2 } };
    size_t rows[10], n_train;
    label_rows(&labelled, 10, 3);
    assert_int_equal(bp_split(&labelled.data, SPLIT(.seed = 7), rows, &n_train), BP_OK);
    assert_rows(rows, LIST(7, 9, 3, 6, 0, 4, 5, 2, 8, 1), 10);
    assert_int_equal(bp_split(&labelled.data, SPLIT(.seed = 7, .stratified = true), rows, &n_train), BP_OK);
    assert_rows(rows, LIST(7, 9, 3, 6, 4, 5, 8, 0, 2, 1), 10);
    assert_int_equal(n_train, 7);
}

static void rows_in_order_have_the_last_held_out(void **state)
{
    (void)state;
    struct labelled labelled = { .labels = { 0, 1, 2, 0, 1, 2, 0, 0, 1, 2 } };
    size_t rows[10], n_train;
    label_rows(&labelled, 10, 3);
    assert_int_equal(bp_split(&labelled.data, SPLIT(.fraction = 0.3, .keep_order = true), rows, &n_train), BP_OK);
    assert_rows(rows, LIST(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), 10);

    /* Of each class the last one. */
    const bp_split_config stratified = { .fraction = 0.3, .keep_order = true, .stratified = true };
    assert_int_equal(bp_split(&labelled.data, &stratified, rows, &n_train), BP_OK);
    assert_rows(rows, LIST(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), 10);
    labelled.labels[7] = 2;
    labelled.labels[9] = 0;
    assert_int_equal(bp_split(&labelled.data, &stratified, rows, &n_train), BP_OK);
    assert_rows(rows, LIST(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), 10);
    labelled.labels[3] = 1;
    labelled.labels[8] = 0;
    assert_int_equal(bp_split(&labelled.data, &stratified, rows, &n_train), BP_OK);
    assert_rows(rows, LIST(0, 1, 2, 3, 5, 6, 8, 4, 7, 9), 10);
}

/* Each of 8 rows is held out in a quarter of 4000 splits: 1000 times, with a standard deviation of sqrt(4000 3/16) = 27.4. And
 * is found in each of the 8 places 500 times, sqrt(4000 7/64) = 20.9. Five of them. */
static void every_row_is_as_likely_to_be_held_out_and_in_any_place(void **state)
{
    (void)state;
    size_t held_out[8] = { 0 }, at[8][8] = { 0 };
    for (uint64_t seed = 0; seed < 4000; seed++) {
        size_t rows[8], n_train;
        assert_int_equal(bp_split(&(const bp_dataset){ .rows = 8 }, SPLIT(.seed = seed), rows, &n_train), BP_OK);
        assert_int_equal(n_train, 6);
        for (size_t i = 0; i < 8; i++) {
            held_out[rows[i]] += i >= n_train;
            at[rows[i]][i]++;
        }
    }
    for (size_t row = 0; row < 8; row++) {
        assert_close((double)held_out[row], 1000, 5 * 27.4);
        for (size_t i = 0; i < 8; i++)
            assert_close((double)at[row][i], 500, 5 * 20.9);
    }
}

/* R(C n_test / n) as documented, with R to the nearest, halves up. */
static size_t share(size_t C, size_t n_test, size_t n)
{
    return (2 * C * n_test + n) / (2 * n);
}

static void every_class_is_split_in_proportion(void **state)
{
    (void)state;
    const double fractions[] = { 0.1, 0.25, 0.5, 0.9 };
    for (uint64_t seed = 0; seed < 200; seed++)
        for (size_t f = 0; f < COUNT(fractions); f++) {
            struct labelled labelled;
            const size_t n = 2 + (size_t)seed % (MOST_ROWS - 1), n_classes = 2 + (size_t)seed % (MOST_CLASSES - 1);
            size_t rows[MOST_ROWS], n_train;
            draw_labels(&labelled, n, n_classes, seed);
            const bp_split_config config = {
                .fraction = fractions[f], .stratified = true, .keep_order = seed % 3 == 0, .seed = seed
            };
            assert_int_equal(bp_split(&labelled.data, &config, rows, &n_train), BP_OK);
            assert_is_permutation(rows, n);
            if (config.keep_order) {
                assert_ascending(rows, n_train);
                assert_ascending(rows + n_train, n - n_train);
            }

            const size_t n_test = n - n_train;
            const double exact = fractions[f] * (double)n;
            assert_true(fabs((double)n_test - exact) <= 0.5 || n_test == 1 || n_test == n - 1);
            size_t C = 0;
            for (size_t c = 0; c < n_classes; c++) {
                const size_t size = count_class(&labelled, rows, n, c);
                const size_t held_out = count_class(&labelled, rows + n_train, n_test, c);
                assert_true(fabs((double)held_out - (double)size * (double)n_test / (double)n) < 1);
                assert_int_equal(held_out, share(C + size, n_test, n) - share(C, n_test, n));
                C += size;
            }
        }
}

/* ---- Where classes come from ----------------------------------------------------------------------------------------- */

/* Rows of `labelled`, read one by one: label -1 cannot be read, -2 is not finite. */
static bool read_labelled(size_t row, bp_real *x, bp_real *t, void *user)
{
    const struct labelled *labelled = user;
    x[0] = 1;
    for (size_t j = 0; j < labelled->data.n_out; j++)
        t[j] = labelled->labels[row] == -2 ? (bp_real)NAN : (bp_real)((size_t)labelled->labels[row] == j);
    return labelled->labels[row] != -1;
}

static void classes_are_found_in_labels_targets_and_rows_that_are_read(void **state)
{
    (void)state;
    enum { ROWS = 40, CLASSES = 3 };
    struct labelled labelled;
    draw_labels(&labelled, ROWS, CLASSES, 5);
    uint8_t bytes[2 * ROWS];
    bp_real T[4 * ROWS];
    double scaled[CLASSES * ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        bytes[2 * i] = (uint8_t)labelled.labels[i];
        bytes[2 * i + 1] = 99;
        for (size_t j = 0; j < CLASSES; j++) {
            T[4 * i + j] = (size_t)labelled.labels[i] == j ? (bp_real)0.5 : (bp_real)0.25;
            scaled[CLASSES * i + j] = (size_t)labelled.labels[i] == j ? -100 : 1;
        }
        T[4 * i + 3] = 77;
    }
    const bp_view X = { .data = labelled.X };
    const bp_dataset same[] = {
        { .rows = ROWS, .n_in = 1, .n_out = CLASSES, .X = X, .labels = { .data = bytes, .element = BP_U8, .stride = 2 } },
        { .rows = ROWS, .n_in = 1, .n_out = CLASSES, .X = X, .T = { .data = T, .stride = 4 } },
        { .rows = ROWS, .n_in = 1, .n_out = CLASSES, .X = X, .T = { .data = scaled, .element = BP_F64, .scale = -1 } },
        { .rows = ROWS, .n_in = 1, .n_out = CLASSES, .read_row = read_labelled, .user = &labelled },
    };
    size_t expected[ROWS], rows[ROWS], n_expected, n_train;
    const bp_split_config config = { .stratified = true, .seed = 3, .folds = 4 };
    for (size_t d = 0; d < COUNT(same); d++) {
        assert_int_equal(bp_split(&labelled.data, &config, expected, &n_expected), BP_OK);
        assert_int_equal(bp_split(&same[d], &config, rows, &n_train), BP_OK);
        assert_int_equal(n_train, n_expected);
        assert_rows(rows, expected, ROWS);
        assert_int_equal(bp_split_k_fold(&labelled.data, &config, 1, expected, &n_expected), BP_OK);
        assert_int_equal(bp_split_k_fold(&same[d], &config, 1, rows, &n_train), BP_OK);
        assert_int_equal(n_train, n_expected);
        assert_rows(rows, expected, ROWS);
    }
}

static void one_target_makes_two_classes_at_one_half_and_equal_ones_are_the_first(void **state)
{
    (void)state;
    struct labelled labelled;
    label_rows(&labelled, 8, 2);
    const bp_real one[8] = { 0, 1, 0.5, 0.75, -3, 9, 0.25, 1 };
    const bp_real two[16] = { 1, 1, 0, 2, 3, 3, 1, 2, 2, -1, -1, 0, 0, 0, 0, 1 };
    const int32_t single[8] = { 0, 1, 0, 1, 0, 1, 0, 1 };
    memcpy(labelled.labels, single, sizeof single);
    bp_dataset by_one = labelled.data, by_two = labelled.data, by_label = labelled.data;
    by_one.labels.data = by_two.labels.data = NULL;
    by_one.T = (bp_view){ .data = one };
    by_one.n_out = by_label.n_out = 1;
    by_two.T = (bp_view){ .data = two };

    size_t expected[8], rows[8], n_train;
    const bp_split_config config = { .stratified = true, .fraction = 0.5 };
    assert_int_equal(bp_split(&labelled.data, &config, expected, &n_train), BP_OK);
    assert_int_equal(bp_split(&by_label, &config, rows, &n_train), BP_OK);
    assert_rows(rows, expected, 8);
    assert_int_equal(bp_split(&by_one, &config, rows, &n_train), BP_OK);
    assert_rows(rows, expected, 8);
    assert_int_equal(bp_split(&by_two, &config, rows, &n_train), BP_OK);
    assert_rows(rows, expected, 8);
    assert_int_equal(count_class(&labelled, rows + n_train, 4, 0), 2);
}

/* ---- In folds -------------------------------------------------------------------------------------------------------- */

static void every_row_is_held_out_by_one_fold(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct labelled labelled;
        const size_t n = 2 + (size_t)seed % (MOST_ROWS - 1), n_classes = 2 + (size_t)seed % (MOST_CLASSES - 1);
        const size_t k = 2 + (size_t)(seed * 7) % (n - 1);
        const bp_split_config config = {
            .folds = k, .stratified = seed % 2 == 0, .keep_order = seed % 3 == 0, .seed = seed
        };
        draw_labels(&labelled, n, n_classes, seed);
        size_t held_out[MOST_ROWS], n_held_out = 0;
        for (size_t fold = 0; fold < k; fold++) {
            size_t rows[MOST_ROWS], n_train;
            assert_int_equal(bp_split_k_fold(&labelled.data, &config, fold, rows, &n_train), BP_OK);
            assert_is_permutation(rows, n);
            assert_int_equal(n - n_train, n / k + (fold < n % k));
            if (config.keep_order) {
                assert_ascending(rows, n_train);
                assert_ascending(rows + n_train, n - n_train);
            }
            for (size_t c = 0; config.stratified && c < n_classes; c++) {
                const size_t size = count_class(&labelled, rows, n, c);
                const size_t of_fold = count_class(&labelled, rows + n_train, n - n_train, c);
                assert_true(of_fold == size / k || (of_fold == size / k + 1 && size % k != 0));
            }
            memcpy(held_out + n_held_out, rows + n_train, (n - n_train) * sizeof(size_t));
            n_held_out += n - n_train;
        }
        assert_int_equal(n_held_out, n);
        assert_is_permutation(held_out, n);
    }
}

/* KFold and StratifiedKFold of scikit-learn 1.2.1, not shuffled, for 17 rows in 3 and 4 folds. */
static void folds_in_order_are_those_of_scikit_learn(void **state)
{
    (void)state;
    struct labelled labelled = { .labels = { 0, 1, 0, 2, 1, 0, 0, 2, 1, 0, 0, 1, 0, 2, 2, 0, 1 } };
    static const struct {
        size_t k;
        bool stratified;
        size_t sizes[4];
        size_t rows[17];
    } cases[] = {
        { 3, true, { 6, 6, 5 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 11, 12, 14, 15, 16 } },
        { 3, false, { 6, 6, 5 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } },
        { 4, true, { 5, 4, 4, 4 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 12, 14, 15, 16 } },
        { 4, false, { 5, 4, 4, 4 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } },
    };
    label_rows(&labelled, 17, 3);
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t first = 0;
        for (size_t fold = 0; fold < cases[i].k; fold++) {
            size_t rows[17], n_train;
            const bp_split_config config = { .folds = cases[i].k, .keep_order = true, .stratified = cases[i].stratified };
            assert_int_equal(bp_split_k_fold(&labelled.data, &config, fold, rows, &n_train), BP_OK);
            assert_int_equal(17 - n_train, cases[i].sizes[fold]);
            assert_rows(rows + n_train, cases[i].rows + first, cases[i].sizes[fold]);
            first += cases[i].sizes[fold];
        }
    }
}

static void five_folds_are_the_default(void **state)
{
    (void)state;
    const bp_dataset data = { .rows = 50 };
    size_t rows[50], by_default[50], n_train;
    assert_int_equal(bp_split_k_fold(&data, SPLIT(.folds = 5), 4, rows, &n_train), BP_OK);
    assert_int_equal(bp_split_k_fold(&data, SPLIT(.folds = 0), 4, by_default, &n_train), BP_OK);
    assert_int_equal(n_train, 40);
    assert_rows(by_default, rows, 50);
    assert_int_equal(bp_split_k_fold(&data, SPLIT(.folds = 0), 5, rows, &n_train), BP_ERR_ARGUMENT);
}

/* ---- Parts of parts -------------------------------------------------------------------------------------------------- */

static void a_part_is_split_again_in_place(void **state)
{
    (void)state;
    struct labelled labelled;
    draw_labels(&labelled, 60, 3, 9);
    size_t rows[60], n_most, n_train;
    assert_int_equal(bp_split(&labelled.data, SPLIT(.fraction = 0.2, .stratified = true, .seed = 1), rows, &n_most), BP_OK);
    assert_int_equal(n_most, 48);
    size_t before[60];
    memcpy(before, rows, sizeof rows);
    const bp_split_config again = { .fraction = 0.25, .stratified = true, .seed = 2, .rows = rows, .n_rows = n_most };
    assert_int_equal(bp_split(&labelled.data, &again, rows, &n_train), BP_OK);
    assert_int_equal(n_train, 36);
    assert_is_permutation(rows, 60);
    assert_rows(rows + n_most, before + n_most, 60 - n_most);
    for (size_t c = 0; c < 3; c++) {
        const double size = (double)count_class(&labelled, rows, n_most, c);
        assert_true(fabs((double)count_class(&labelled, rows + n_train, n_most - n_train, c) - size / 4) < 1);
    }
}

static void a_list_of_rows_is_split_in_its_order(void **state)
{
    (void)state;
    const bp_dataset data = { .rows = 100 };
    size_t rows[6], n_train;
    const bp_split_config config = { .keep_order = true, .folds = 3, .rows = LIST(42, 7, 99, 0, 13, 7), .n_rows = 6 };
    assert_int_equal(bp_split(&data, &config, rows, &n_train), BP_OK);
    assert_int_equal(n_train, 4);
    assert_rows(rows, LIST(42, 7, 99, 0, 13, 7), 6);
    assert_int_equal(bp_split_k_fold(&data, &config, 1, rows, &n_train), BP_OK);
    assert_rows(rows, LIST(42, 7, 13, 7, 99, 0), 6);
}

/* ---- Weighted -------------------------------------------------------------------------------------------------------- */

/* By running sums in Python. */
static void the_choice_of_a_seed_is_the_same_everywhere(void **state)
{
    (void)state;
    const bp_real *weights = WEIGHTS(1, 0, 2, 4, 0, 1);
    size_t rows[12];
    assert_int_equal(bp_split_weighted(6, CHOICE(.weights = weights, .seed = 3), rows, 12), BP_OK);
    assert_rows(rows, LIST(0, 3, 3, 3, 3, 0, 2, 3, 3, 0, 3, 2), 12);
    assert_int_equal(bp_split_weighted(6, CHOICE(.weights = weights, .distinct = true, .seed = 3), rows, 4), BP_OK);
    assert_rows(rows, LIST(0, 3, 5, 2), 4);
}

/* Of 40000 draws row i gets 40000 p, with a standard deviation of sqrt(40000 p (1 - p)); five of them. */
static void assert_frequencies(const size_t *counts, const double *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_close((double)counts[i], 40000 * p[i], 5 * sqrt(40000 * p[i] * (1 - p[i])));
}

static void rows_are_drawn_as_often_as_their_weights_say(void **state)
{
    (void)state;
    static size_t rows[40000];
    size_t counts[5] = { 0 }, evenly[3] = { 0 };
    assert_int_equal(bp_split_weighted(5, CHOICE(.weights = WEIGHTS(3, 0, 1, 0.5, 5.5)), rows, 40000), BP_OK);
    for (size_t i = 0; i < 40000; i++)
        counts[rows[i]]++;
    assert_frequencies(counts, (const double[]){ 0.3, 0, 0.1, 0.05, 0.55 }, 5);
    assert_int_equal(counts[1], 0);

    assert_int_equal(bp_split_weighted(3, CHOICE(.weights = NULL), rows, 40000), BP_OK);
    for (size_t i = 0; i < 40000; i++)
        evenly[rows[i]]++;
    assert_frequencies(evenly, (const double[]){ 1.0 / 3, 1.0 / 3, 1.0 / 3 }, 3);
}

/* First i with p_i, then j with p_j / (1 - p_i): for each pair in its order. */
static void distinct_rows_are_drawn_one_after_the_other(void **state)
{
    (void)state;
    const double p[] = { 0.1, 0.2, 0, 0.7 };
    size_t counts[16] = { 0 };
    for (uint64_t seed = 0; seed < 40000; seed++) {
        size_t rows[2];
        const bp_choice_config config = { .weights = WEIGHTS(1, 2, 0, 7), .distinct = true, .seed = seed };
        assert_int_equal(bp_split_weighted(4, &config, rows, 2), BP_OK);
        counts[4 * rows[0] + rows[1]]++;
    }
    double pairs[16];
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++)
            pairs[4 * i + j] = i == j ? 0 : p[i] * p[j] / (1 - p[i]);
    assert_frequencies(counts, pairs, 16);
}

static void all_rows_that_weigh_something_can_be_drawn_once(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        bp_rng rng;
        bp_rng_init(&rng, seed);
        bp_real weights[MOST_ROWS];
        const size_t n = 1 + (size_t)seed % MOST_ROWS;
        size_t rows[MOST_ROWS], n_heavy = 0;
        bool drawn[MOST_ROWS] = { false };
        for (size_t i = 0; i < n; i++) {
            weights[i] = (bp_real)(i == 0 || bp_rng_below(&rng, 3) > 0 ? bp_rng_uniform(&rng) + 1e-9 : 0);
            n_heavy += weights[i] > 0;
        }
        const bp_choice_config config = { .weights = weights, .distinct = true, .seed = seed };
        assert_int_equal(bp_split_weighted(n, &config, rows, n_heavy), BP_OK);
        for (size_t i = 0; i < n_heavy; i++) {
            assert_true(rows[i] < n && weights[rows[i]] > 0);
            assert_false(drawn[rows[i]]);
            drawn[rows[i]] = true;
        }
    }
}

/* Where a weight vanishes beside another, a running sum that is subtracted from would end at 0 or below with it still there. */
static void weights_of_any_size_are_drawn(void **state)
{
    (void)state;
    const bp_real tiny = BP_REAL_MIN, huge = BP_REAL_MAX / 4;
    for (uint64_t seed = 0; seed < 100; seed++) {
        size_t rows[4];
        const bp_choice_config config = { .weights = WEIGHTS(tiny, huge, tiny, 1, 0), .distinct = true, .seed = seed };
        assert_int_equal(bp_split_weighted(5, &config, rows, 4), BP_OK);
        assert_int_equal(rows[0], 1);
        assert_int_equal(rows[1], 3);
        assert_int_equal(rows[2] + rows[3], 2);
    }
}

/* ---- What is refused ------------------------------------------------------------------------------------------------- */

static const bp_dataset ten = { .rows = 10 };
static const bp_real zeros[10] = { 0 };
static const int32_t bad_labels[10] = { 0, 1, 2, 0, 1, 2, 3 };
static const bp_dataset badly_labelled = {
    .rows = 10, .n_in = 1, .n_out = 3, .X = { .data = zeros }, .labels = { .data = bad_labels, .element = BP_I32 }
};

struct refusal {
    const bp_dataset *data;
    const bp_split_config *config;
    size_t fold; /* SIZE_MAX: bp_split() */
    bp_status status;
    const char *sentence;
};

#define IN_TWO SIZE_MAX

static const struct refusal refusals[] = {
    { NULL, SPLIT(.seed = 0), IN_TWO, BP_ERR_ARGUMENT, "bp_split: data is NULL" },
    { &ten, NULL, IN_TWO, BP_ERR_ARGUMENT, "bp_split: config is NULL" },
    { &ten, SPLIT(.fraction = 1), IN_TWO, BP_ERR_ARGUMENT, "bp_split: fraction is 1, expected 0 < fraction < 1" },
    { &ten, SPLIT(.fraction = -0.25), IN_TWO, BP_ERR_ARGUMENT, "bp_split: fraction is -0.25, expected 0 < fraction < 1" },
    { &ten, SPLIT(.fraction = NAN), IN_TWO, BP_ERR_ARGUMENT, "bp_split: fraction is nan" },
    { &(const bp_dataset){ .rows = 1 }, SPLIT(.seed = 0), IN_TWO, BP_ERR_SHAPE,
      "bp_split: there are 1 rows, expected at least 2" },
    { &(const bp_dataset){ .rows = 0 }, SPLIT(.seed = 0), IN_TWO, BP_ERR_SHAPE,
      "bp_split: there are 0 rows, expected at least 2" },
    { &ten, SPLIT(.rows = LIST(1), .n_rows = 1), IN_TWO, BP_ERR_SHAPE, "bp_split: there are 1 rows, expected at least 2" },
    { &ten, SPLIT(.rows = LIST(1, 2, 10), .n_rows = 3), IN_TWO, BP_ERR_SHAPE,
      "bp_split: rows[2] is 10, the dataset has 10 rows" },
    { &ten, SPLIT(.stratified = true), IN_TWO, BP_ERR_SHAPE, "dataset: n_in is 0" },
    { &badly_labelled, SPLIT(.stratified = true), IN_TWO, BP_ERR_TARGET, "labels: row 6 is 3, the classes are 0 to 2" },
    { NULL, SPLIT(.seed = 0), 0, BP_ERR_ARGUMENT, "bp_split_k_fold: data is NULL" },
    { &ten, NULL, 0, BP_ERR_ARGUMENT, "bp_split_k_fold: config is NULL" },
    { &ten, SPLIT(.folds = 1), 0, BP_ERR_ARGUMENT, "bp_split_k_fold: folds is 1, expected at least 2" },
    { &ten, SPLIT(.folds = 3), 3, BP_ERR_ARGUMENT, "bp_split_k_fold: fold is 3, there are 3" },
    { &ten, SPLIT(.folds = 11), 0, BP_ERR_SHAPE, "bp_split_k_fold: there are 10 rows, expected at least 11" },
    { &ten, SPLIT(.rows = LIST(1, 2, 3, 4), .n_rows = 4), 0, BP_ERR_SHAPE,
      "bp_split_k_fold: there are 4 rows, expected at least 5" },
    { &ten, SPLIT(.folds = 2, .rows = LIST(99, 1), .n_rows = 2), 0, BP_ERR_SHAPE,
      "bp_split_k_fold: rows[0] is 99, the dataset has 10 rows" },
    { &badly_labelled, SPLIT(.stratified = true), 0, BP_ERR_TARGET, "labels: row 6 is 3, the classes are 0 to 2" },
    { &(const bp_dataset){ .rows = SIZE_MAX }, SPLIT(.seed = 0), IN_TWO, BP_ERR_TOO_LARGE,
      "bp_split: its memory in bytes overflows" },
#if SIZE_MAX > UINT32_MAX
    { &(const bp_dataset){ .rows = (size_t)UINT32_MAX + 1 }, SPLIT(.stratified = true), IN_TWO, BP_ERR_TOO_LARGE,
      "bp_split: a stratified split of 4294967296 rows, expected at most 4294967295" },
#endif
};

static void splits_that_cannot_be_made_are_refused_and_nothing_is_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refusals); i++) {
        const struct refusal *refusal = &refusals[i];
        size_t rows[10] = { 77 }, n_train = 88;
        const bp_status status = refusal->fold == IN_TWO
                                     ? bp_split(refusal->data, refusal->config, rows, &n_train)
                                     : bp_split_k_fold(refusal->data, refusal->config, refusal->fold, rows, &n_train);
        assert_int_equal(status, refusal->status);
        assert_sentence(refusal->sentence);
        assert_int_equal(rows[0], 77);
        assert_int_equal(n_train, 88);
    }
    size_t rows[10], n_train;
    assert_int_equal(bp_split(&ten, SPLIT(.seed = 0), NULL, &n_train), BP_ERR_ARGUMENT);
    assert_sentence("bp_split: rows is NULL");
    assert_int_equal(bp_split(&ten, SPLIT(.seed = 0), rows, NULL), BP_ERR_ARGUMENT);
    assert_sentence("bp_split: n_train is NULL");
    assert_int_equal(bp_split_k_fold(&ten, SPLIT(.seed = 0), 0, NULL, &n_train), BP_ERR_ARGUMENT);
    assert_int_equal(bp_split_k_fold(&ten, SPLIT(.seed = 0), 0, rows, NULL), BP_ERR_ARGUMENT);
}

struct choice_refusal {
    size_t n_rows;
    const bp_choice_config *config;
    size_t n;
    bp_status status;
    const char *sentence;
};

static const struct choice_refusal choice_refusals[] = {
    { 3, NULL, 1, BP_ERR_ARGUMENT, "bp_split_weighted: config is NULL" },
    { 0, CHOICE(.seed = 0), 1, BP_ERR_SHAPE, "bp_split_weighted: n_rows is 0" },
    { 3, CHOICE(.seed = 0), 0, BP_ERR_SHAPE, "bp_split_weighted: n is 0" },
    { 3, CHOICE(.weights = WEIGHTS(1, -1, 1)), 1, BP_ERR_TARGET, "weights: row 1 is -1, a sample weight is at least 0" },
    { 3, CHOICE(.weights = WEIGHTS(1, 1, (bp_real)NAN)), 1, BP_ERR_NONFINITE, "weights: row 2 is nan" },
    { 3, CHOICE(.weights = WEIGHTS(0, 0, 0)), 1, BP_ERR_ARGUMENT, "bp_split_weighted: all 3 weights are 0" },
    { 3, CHOICE(.weights = WEIGHTS(1, 0, 1), .distinct = true), 3, BP_ERR_SHAPE,
      "bp_split_weighted: 3 distinct rows, there are 2 with a weight above 0" },
    { 3, CHOICE(.distinct = true), 4, BP_ERR_SHAPE,
      "bp_split_weighted: 4 distinct rows, there are 3 with a weight above 0" },
#ifndef BACKPROP_SINGLE
    { 2, CHOICE(.weights = WEIGHTS(BP_REAL_MAX, BP_REAL_MAX)), 1, BP_ERR_NONFINITE,
      "bp_split_weighted: the weights sum to inf" },
#endif
    { SIZE_MAX, CHOICE(.seed = 0), 1, BP_ERR_TOO_LARGE, "bp_split_weighted: " },
    { SIZE_MAX / 32, CHOICE(.seed = 0), 1, BP_ERR_TOO_LARGE, "bp_split_weighted: its memory in bytes overflows" },
};

static void choices_that_cannot_be_made_are_refused_and_nothing_is_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(choice_refusals); i++) {
        const struct choice_refusal *refusal = &choice_refusals[i];
        size_t rows[4] = { 77 };
        assert_int_equal(bp_split_weighted(refusal->n_rows, refusal->config, rows, refusal->n), refusal->status);
        assert_sentence(refusal->sentence);
        assert_int_equal(rows[0], 77);
    }
    assert_int_equal(bp_split_weighted(3, CHOICE(.seed = 0), NULL, 1), BP_ERR_ARGUMENT);
    assert_sentence("bp_split_weighted: rows is NULL");
}

static void rows_that_cannot_be_read_end_a_stratified_split_and_leave_nothing(void **state)
{
    (void)state;
    struct labelled labelled;
    draw_labels(&labelled, 10, 3, 0);
    labelled.data = (bp_dataset){ .rows = 10, .n_in = 1, .n_out = 3, .read_row = read_labelled, .user = &labelled };
    const struct {
        int32_t label;
        bp_status status;
    } cases[] = { { -1, BP_ERR_IO }, { -2, BP_ERR_NONFINITE } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct test_heap heap;
        test_heap_init(&heap);
        const bp_split_config config = { .stratified = true, .allocator = &heap.allocator };
        labelled.labels[4] = cases[i].label;
        size_t rows[10] = { 77 }, n_train = 88;
        assert_int_equal(bp_split(&labelled.data, &config, rows, &n_train), cases[i].status);
        assert_int_equal(bp_split_k_fold(&labelled.data, &config, 0, rows, &n_train), cases[i].status);
        assert_int_equal(rows[0], 77);
        assert_int_equal(n_train, 88);
        assert_true(test_heap_is_clean(&heap));
    }
}

/* Only targets make classes: inputs that are still to be mended, or too many to be read twice, do not matter. */
static void inputs_are_not_looked_at(void **state)
{
    (void)state;
    struct labelled labelled;
    draw_labels(&labelled, 20, 3, 0);
    const bp_split_config config = { .stratified = true };
    size_t with[20], without[20], n_with, n_without;
    assert_int_equal(bp_split(&labelled.data, &config, with, &n_with), BP_OK);

    bp_real bad[20];
    for (size_t i = 0; i < 20; i++)
        bad[i] = (bp_real)NAN;
    bp_dataset data = labelled.data;
    data.read_row = NULL;
    data.X = (bp_view){ .data = bad };
    data.labels = (bp_view){ .data = labelled.labels, .element = BP_I32 };
    assert_int_equal(bp_split(&data, &config, without, &n_without), BP_OK);
    assert_int_equal(n_with, n_without);
    assert_memory_equal(with, without, sizeof with);
    labelled.labels[19] = 3;
    assert_int_equal(bp_split(&data, &config, without, &n_without), BP_ERR_TARGET);
}

/* ---- Memory ---------------------------------------------------------------------------------------------------------- */

static bp_status call(size_t which, const struct labelled *labelled, const bp_allocator *allocator, size_t *rows,
                      size_t *n_train)
{
    const bp_split_config plain = { .allocator = allocator }, stratified = { .stratified = true, .allocator = allocator };
    switch (which) {
    case 0:
        return bp_split(&labelled->data, &plain, rows, n_train);
    case 1:
        return bp_split(&labelled->data, &stratified, rows, n_train);
    case 2:
        return bp_split_k_fold(&labelled->data, &plain, 1, rows, n_train);
    case 3:
        return bp_split_k_fold(&labelled->data, &stratified, 1, rows, n_train);
    default:
        return bp_split_weighted(20, CHOICE(.allocator = allocator), rows, 20);
    }
}

static void memory_is_taken_once_and_given_back_and_may_be_missing(void **state)
{
    (void)state;
    struct labelled labelled;
    draw_labels(&labelled, 20, 3, 0);
    for (size_t which = 0; which < 5; which++) {
        struct test_heap heap;
        size_t rows[20] = { 77 }, n_train = 88;
        test_heap_init(&heap);
        heap.fail_at = 1;
        assert_int_equal(call(which, &labelled, &heap.allocator, rows, &n_train), BP_ERR_MEMORY);
        assert_int_equal(rows[0], 77);
        assert_int_equal(n_train, 88);
        assert_true(test_heap_is_clean(&heap));

        assert_int_equal(call(which, &labelled, &heap.allocator, rows, &n_train), BP_OK);
        assert_int_equal(heap.n_allocs, 2);
        assert_true(test_heap_is_clean(&heap));

        heap.allocator.release = NULL;
        assert_int_equal(call(which, &labelled, &heap.allocator, rows, &n_train), BP_ERR_ARGUMENT);
        assert_int_equal(heap.n_allocs, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_number_held_out_is_the_fraction_to_the_nearest),
        cmocka_unit_test(the_rows_of_a_seed_are_the_same_everywhere),
        cmocka_unit_test(rows_in_order_have_the_last_held_out),
        cmocka_unit_test(every_row_is_as_likely_to_be_held_out_and_in_any_place),
        cmocka_unit_test(every_class_is_split_in_proportion),
        cmocka_unit_test(classes_are_found_in_labels_targets_and_rows_that_are_read),
        cmocka_unit_test(one_target_makes_two_classes_at_one_half_and_equal_ones_are_the_first),
        cmocka_unit_test(every_row_is_held_out_by_one_fold),
        cmocka_unit_test(folds_in_order_are_those_of_scikit_learn),
        cmocka_unit_test(five_folds_are_the_default),
        cmocka_unit_test(a_part_is_split_again_in_place),
        cmocka_unit_test(a_list_of_rows_is_split_in_its_order),
        cmocka_unit_test(the_choice_of_a_seed_is_the_same_everywhere),
        cmocka_unit_test(rows_are_drawn_as_often_as_their_weights_say),
        cmocka_unit_test(distinct_rows_are_drawn_one_after_the_other),
        cmocka_unit_test(all_rows_that_weigh_something_can_be_drawn_once),
        cmocka_unit_test(weights_of_any_size_are_drawn),
        cmocka_unit_test(splits_that_cannot_be_made_are_refused_and_nothing_is_written),
        cmocka_unit_test(choices_that_cannot_be_made_are_refused_and_nothing_is_written),
        cmocka_unit_test(rows_that_cannot_be_read_end_a_stratified_split_and_leave_nothing),
        cmocka_unit_test(inputs_are_not_looked_at),
        cmocka_unit_test(memory_is_taken_once_and_given_back_and_may_be_missing),
    };
    return cmocka_run_group_tests_name("split", tests, NULL, NULL);
}
