// SPDX-License-Identifier: MIT
/*
 * Views of the user's arrays: what is read from them, and what bp_dataset_check() refuses, with the sentence it gives.
 */
#include "data/dataset.h"

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

#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Views of arrays written where they are used; at file scope they live as long as the program. */
#define VIEW(type, kind, ...) .data = (const type[]){ __VA_ARGS__ }, .element = (kind)
#define REALS(...) VIEW(bp_real, BP_REAL, __VA_ARGS__)
#define I32S(...) VIEW(int32_t, BP_I32, __VA_ARGS__)
#define LOSS(loss_kind) (&(const bp_loss){ .kind = (loss_kind) })

/* ---- Elements of every type ------------------------------------------------------------------------------------------ */

enum { ROWS = 2, COLUMNS = 3, N = ROWS * COLUMNS };

/* A matrix in each type, with what its elements are as numbers: the ends of the range, and what a wrong type would show. */
struct matrix {
    const char *name;
    bp_element element;
    size_t size; /* of an element */
    const void *data;
    double values[N];
};

static const bp_real reals[N] = { 0, (bp_real)-1.5, (bp_real)0.1, 3, BP_REAL_MAX, BP_REAL_MIN };
static const double f64s[N] = { 0, -1.5, 0.1, 1e30, -FLT_MAX, FLT_MIN };
static const float f32s[N] = { 0, -1.5F, 0.1F, 1e30F, -FLT_MAX, FLT_MIN };
static const uint8_t u8s[N] = { 0, 1, 127, 128, 200, 255 };
static const int8_t i8s[N] = { -128, -1, 0, 1, 100, 127 };
static const int16_t i16s[N] = { -32768, -129, 0, 1, 256, 32767 };
static const int32_t i32s[N] = { INT32_MIN, -65537, 0, 1, 16777217, INT32_MAX };

static const struct matrix matrices[] = {
    { "bp_real", BP_REAL, sizeof(bp_real), reals, { 0, -1.5, (bp_real)0.1, 3, BP_REAL_MAX, BP_REAL_MIN } },
    { "f64", BP_F64, sizeof(double), f64s, { 0, -1.5, 0.1, 1e30, -FLT_MAX, FLT_MIN } },
    { "f32", BP_F32, sizeof(float), f32s, { 0, -1.5, 0.1F, 1e30F, -FLT_MAX, FLT_MIN } },
    { "u8", BP_U8, 1, u8s, { 0, 1, 127, 128, 200, 255 } },
    { "i8", BP_I8, 1, i8s, { -128, -1, 0, 1, 100, 127 } },
    { "i16", BP_I16, 2, i16s, { -32768, -129, 0, 1, 256, 32767 } },
    { "i32", BP_I32, 4, i32s, { INT32_MIN, -65537, 0, 1, 16777217, INT32_MAX } },
};

static bp_dataset inputs_only(bp_view X)
{
    return (bp_dataset){ .rows = ROWS, .n_in = COLUMNS, .n_out = 1, .X = X };
}

static void assert_row(const char *name, const bp_real *row, const double *values, bp_real scale)
{
    for (size_t j = 0; j < COLUMNS; j++) {
        const bp_real expected = (bp_real)values[j] * scale;
        if (row[j] != expected)
            fail_msg("%s, column %zu: %.17g, expected %.17g", name, j, (double)row[j], (double)expected);
    }
}

/* The matrix with `stride` elements from row to row, on the heap and not one byte longer than its last row needs. The gaps
 * are all ones: NaN in the floating types. */
static void *spread(const struct matrix *matrix, size_t stride)
{
    const size_t size = ((ROWS - 1) * stride + COLUMNS) * matrix->size, row = COLUMNS * matrix->size;
    char *data = malloc(size);
    assert_non_null(data);
    memset(data, 0xff, size);
    for (size_t i = 0; i < ROWS; i++)
        memcpy(data + i * stride * matrix->size, (const char *)matrix->data + i * row, row);
    return data;
}

static void elements_of_every_type_are_read_as_they_are(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT(matrices); m++) {
        const bp_dataset data = inputs_only((bp_view){ .data = matrices[m].data, .element = matrices[m].element });
        bp_real X[N];
        assert_int_equal(bp_dataset_inputs(&data, NULL, 0, ROWS, X), BP_OK);
        for (size_t i = 0; i < ROWS; i++)
            assert_row(matrices[m].name, X + i * COLUMNS, matrices[m].values + i * COLUMNS, 1);
    }
}

static void elements_of_every_type_are_multiplied_by_the_scale(void **state)
{
    (void)state;
    const bp_real scales[] = { 1, (bp_real)(1.0 / 255), -2, (bp_real)0.5 };
    for (size_t m = 0; m < COUNT(matrices); m++)
        for (size_t s = 0; s < COUNT(scales); s++) {
            const bp_view view = { .data = matrices[m].data, .element = matrices[m].element, .scale = scales[s] };
            const bp_dataset data = inputs_only(view);
            bp_real X[COLUMNS];
            assert_int_equal(bp_dataset_inputs(&data, NULL, 1, 1, X), BP_OK);
            assert_row(matrices[m].name, X, matrices[m].values + COLUMNS, scales[s]);
        }
}

/* As address sanitizer sees it, too: what lies beyond the last row's columns is not the library's to read. */
static void a_stride_leads_from_row_to_row_and_the_gaps_are_not_read(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT(matrices); m++)
        for (size_t stride = COLUMNS; stride < COLUMNS + 3; stride++) {
            void *array = spread(&matrices[m], stride);
            bp_dataset data = inputs_only((bp_view){ .data = array, .element = matrices[m].element, .stride = stride });
            bp_real X[N];
            assert_int_equal(bp_dataset_inputs(&data, NULL, 0, ROWS, X), BP_OK);
            for (size_t i = 0; i < ROWS; i++)
                assert_row(matrices[m].name, X + i * COLUMNS, matrices[m].values + i * COLUMNS, 1);

            data.T = (bp_view){ .data = reals };
            assert_int_equal(bp_dataset_check(&data, NULL), BP_OK);
            free(array);
        }
}

/* ---- Rows of the inputs ---------------------------------------------------------------------------------------------- */

/* Row i holds 10 i and 10 i + 1. */
#define FOUR_ROWS .rows = 4, .n_in = 2, .n_out = 1, .X = { REALS(0, 1, 10, 11, 20, 21, 30, 31) }

static const bp_dataset four_rows = { FOUR_ROWS };

static void assert_is_row(const bp_real *x, size_t row)
{
    assert_true(x[0] == (bp_real)(10 * row));
    assert_true(x[1] == (bp_real)(10 * row + 1));
}

static void rows_are_taken_from_first_on_where_no_list_is_given(void **state)
{
    (void)state;
    for (size_t first = 0; first <= 4; first++)
        for (size_t n = 0; n <= 4 - first; n++) {
            bp_real X[8 + 1] = { 0 };
            X[2 * n] = 77; /* the number after the last one asked for */
            assert_int_equal(bp_dataset_inputs(&four_rows, NULL, first, n, X), BP_OK);
            for (size_t i = 0; i < n; i++)
                assert_is_row(X + 2 * i, first + i);
            assert_true(X[2 * n] == 77);
        }
}

static void rows_are_taken_in_the_order_of_the_list_and_first_is_not_used(void **state)
{
    (void)state;
    const size_t rows[] = { 3, 0, 2, 2, 1 };
    bp_real X[10];
    assert_int_equal(bp_dataset_inputs(&four_rows, rows, SIZE_MAX, COUNT(rows), X), BP_OK);
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_is_row(X + 2 * i, rows[i]);
}

struct inputs_refusal {
    const bp_dataset *data;
    const size_t *rows; /* NULL: from first on */
    size_t first, n;
    bp_status status;
    const char *sentence; /* of a machine with 64 bits */
};

#define DATA(...) (&(const bp_dataset){ __VA_ARGS__ })
#define LIST(...) ((const size_t[]){ __VA_ARGS__ })

static const struct inputs_refusal inputs_refusals[] = {
    { &four_rows, NULL, 4, 1, BP_ERR_SHAPE, "bp_dataset_inputs: rows 4 to 4 + 1, there are 4" },
    { &four_rows, NULL, 0, 5, BP_ERR_SHAPE, "bp_dataset_inputs: rows 0 to 0 + 5, there are 4" },
    { &four_rows, NULL, 3, 2, BP_ERR_SHAPE, "bp_dataset_inputs: rows 3 to 3 + 2, there are 4" },
    { &four_rows, NULL, 5, 0, BP_ERR_SHAPE, "bp_dataset_inputs: rows 5 to 5 + 0, there are 4" },
    /* first + n is 1, if it wraps */
    { &four_rows, NULL, SIZE_MAX, 2, BP_ERR_SHAPE,
      "bp_dataset_inputs: rows 18446744073709551615 to 18446744073709551615 + 2, there are 4" },
    { &four_rows, NULL, 2, SIZE_MAX, BP_ERR_SHAPE, "bp_dataset_inputs: rows 2 to 2 + 18446744073709551615, there are 4" },
    { &four_rows, LIST(4), 0, 1, BP_ERR_SHAPE, "bp_dataset_inputs: row 4, there are 4" },
    { &four_rows, LIST(0, 1, 9), 0, 3, BP_ERR_SHAPE, "bp_dataset_inputs: row 9, there are 4" },
    { &four_rows, LIST(0, SIZE_MAX), 0, 2, BP_ERR_SHAPE, "bp_dataset_inputs: row 18446744073709551615, there are 4" },
    { NULL, NULL, 0, 1, BP_ERR_ARGUMENT, "dataset_inputs: data is NULL" },
    { DATA(.rows = 4, .n_in = 2), NULL, 0, 1, BP_ERR_ARGUMENT, "dataset: X.data is NULL" },
    { DATA(.rows = 4, .n_in = 0, .X = { REALS(1) }), NULL, 0, 1, BP_ERR_SHAPE, "dataset: n_in is 0" },
    { DATA(.rows = 0, .n_in = 1, .X = { REALS(1) }), NULL, 0, 1, BP_ERR_SHAPE,
      "bp_dataset_inputs: rows 0 to 0 + 1, there are 0" },
    { DATA(.rows = 1, .n_in = 2, .X = { REALS(1, 2), .stride = 1 }), NULL, 0, 1, BP_ERR_ARGUMENT,
      "dataset: X: stride is 1, a row has 2 columns" },
    { DATA(.rows = 1, .n_in = 1, .X = { VIEW(bp_real, BP_N_ELEMENTS, 1) }), NULL, 0, 1, BP_ERR_ARGUMENT,
      "dataset: X: 7 is no element type" },
    { DATA(.rows = 1, .n_in = 1, .X = { REALS(1), .scale = INFINITY }), NULL, 0, 1, BP_ERR_ARGUMENT,
      "dataset: X: scale is inf" },
    { DATA(.rows = SIZE_MAX, .n_in = 2, .X = { REALS(1) }), NULL, 0, 1, BP_ERR_TOO_LARGE,
      "dataset: X: 18446744073709551615 rows of 2 elements are more than memory can address" },
};

static void inputs_that_are_not_there_are_refused_and_nothing_is_written(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(inputs_refusals); c++) {
        const struct inputs_refusal *refusal = &inputs_refusals[c];
        bp_real X[10];
        for (size_t i = 0; i < COUNT(X); i++)
            X[i] = 77;
        assert_refused(bp_dataset_inputs(refusal->data, refusal->rows, refusal->first, refusal->n, X), refusal->status,
                       SIZE_MAX == UINT64_MAX ? refusal->sentence : NULL);
        for (size_t i = 0; i < COUNT(X); i++)
            assert_true(X[i] == 77);
    }
    assert_refused(bp_dataset_inputs(&four_rows, NULL, 0, 1, NULL), BP_ERR_ARGUMENT, "dataset_inputs: X is NULL");
}

/* ---- Targets, labels and weights as training sees them --------------------------------------------------------------- */

static void targets_of_every_type_are_read_as_inputs_are(void **state)
{
    (void)state;
    const size_t rows[] = { 1, 0 };
    for (size_t m = 0; m < COUNT(matrices); m++) {
        const bp_view view = { .data = matrices[m].data, .element = matrices[m].element, .scale = 2 };
        const bp_dataset data = { .rows = ROWS, .n_in = 1, .n_out = COLUMNS, .X = { REALS(1, 2) }, .T = view };
        bp_real X[ROWS], values[N];
        const struct bpi_batch_buffers buffers = { .X = X, .T = values };
        const bp_real *gathered;
        bp_targets T;
        assert_int_equal(bpi_dataset_gather(&data, rows, 0, ROWS, &buffers, &gathered, &T), BP_OK);

        assert_ptr_equal(T.values, values);
        assert_null(T.labels);
        assert_null(T.weights);
        for (size_t i = 0; i < ROWS; i++)
            assert_row(matrices[m].name, T.values + i * COLUMNS, matrices[m].values + rows[i] * COLUMNS, 2);
    }
}

/* Classes 2, 0, 1, with a number that is no class between each and the next. */
#define CLASSES 2, 99, 0, 99, 1, 99

static const bp_view labels_of_every_type[] = {
    { REALS(CLASSES) },
    { VIEW(double, BP_F64, CLASSES) },
    { VIEW(float, BP_F32, CLASSES) },
    { VIEW(uint8_t, BP_U8, CLASSES) },
    { VIEW(int8_t, BP_I8, CLASSES) },
    { VIEW(int16_t, BP_I16, CLASSES) },
    { I32S(CLASSES) },
};

static void assert_labels(const bp_dataset *data, const size_t *rows, int32_t first, int32_t second, int32_t third)
{
    bp_real X[3];
    int32_t labels[3];
    const struct bpi_batch_buffers buffers = { .X = X, .labels = labels };
    const bp_real *gathered;
    bp_targets T;
    assert_int_equal(bpi_dataset_gather(data, rows, 0, 3, &buffers, &gathered, &T), BP_OK);
    assert_null(T.values);
    assert_int_equal(T.labels[0], first);
    assert_int_equal(T.labels[1], second);
    assert_int_equal(T.labels[2], third);
}

static void labels_of_every_type_are_read_as_classes(void **state)
{
    (void)state;
    for (size_t v = 0; v < COUNT(labels_of_every_type); v++) {
        bp_dataset data = { .rows = 3, .n_in = 1, .n_out = 3, .X = { REALS(1, 2, 3) }, .labels = labels_of_every_type[v] };
        data.labels.stride = 2;
        assert_int_equal(bp_dataset_check(&data, LOSS(BP_CROSS_ENTROPY)), BP_OK);
        assert_labels(&data, (const size_t[]){ 2, 0, 1 }, 1, 2, 0);
        assert_labels(&data, NULL, 2, 0, 1);
    }
}

static void weights_are_scaled_and_follow_their_rows(void **state)
{
    (void)state;
    const size_t rows[] = { 2, 0 };
    const bp_dataset data = { .rows = 3,
                              .n_in = 1,
                              .n_out = 1,
                              .X = { REALS(1, 2, 3) },
                              .T = { REALS(1, 2, 3) },
                              .weights = { VIEW(uint8_t, BP_U8, 10, 0, 0, 20, 0, 0, 30), .stride = 3,
                                           .scale = (bp_real)0.5 } };
    bp_real X[2], values[2], weights[2];
    const struct bpi_batch_buffers buffers = { .X = X, .T = values, .weights = weights };
    const bp_real *gathered;
    bp_targets T;
    assert_int_equal(bp_dataset_check(&data, NULL), BP_OK);
    assert_int_equal(bpi_dataset_gather(&data, rows, 0, 2, &buffers, &gathered, &T), BP_OK);
    assert_true(T.weights[0] == 15 && T.weights[1] == 5);
}

static void packed_reals_and_labels_in_order_are_used_where_they_are(void **state)
{
    (void)state;
    const bp_real array[] = { 1, 2, 3, 4, 5, 6 };
    const int32_t labels[] = { 0, 1, 2 };
    bp_dataset data = { .rows = 3, .n_in = 2, .n_out = 2, .X = { .data = array }, .T = { .data = array } };
    data.weights = (bp_view){ .data = array, .scale = 1, .stride = 1, .element = sizeof(bp_real) == 8 ? BP_F64 : BP_F32 };
    const struct bpi_batch_buffers none = { 0 };
    const bp_real *gathered;
    bp_targets T;

    assert_int_equal(bpi_dataset_gather(&data, NULL, 1, 2, &none, &gathered, &T), BP_OK);
    assert_ptr_equal(gathered, array + 2);
    assert_ptr_equal(T.values, array + 2);
    assert_ptr_equal(T.weights, array + 1);

    data.T = (bp_view){ 0 };
    data.labels = (bp_view){ .data = labels, .element = BP_I32 };
    assert_int_equal(bpi_dataset_gather(&data, NULL, 1, 2, &none, &gathered, &T), BP_OK);
    assert_ptr_equal(T.labels, labels + 1);
}

/* ---- What bp_dataset_check() takes ----------------------------------------------------------------------------------- */

struct dataset_case {
    const char *what;
    bp_dataset data;
    const bp_loss *loss;
    bp_status status;
    const char *sentence;
};

/* 2 rows with 2 inputs; what else there is follows. */
#define TWO_ROWS .rows = 2, .n_in = 2, .X = { REALS(1, 2, 3, 4) }
#define ONE_TARGET .n_out = 1, .T = { REALS(0, 1) }
#define THIRD ((bp_real)(1.0 / 3))

static const struct dataset_case accepted[] = {
    { "values", { TWO_ROWS, .n_out = 1, .T = { REALS(-5, 7) } }, LOSS(BP_SQUARED_ERROR), BP_OK, NULL },
    { "labels", { TWO_ROWS, .n_out = 3, .labels = { I32S(0, 2) } }, LOSS(BP_SQUARED_ERROR), BP_OK, NULL },
    { "labels of scale 1", { TWO_ROWS, .n_out = 3, .labels = { I32S(0, 2), .scale = 1 } }, NULL, BP_OK, NULL },
    { "a label of -0", { TWO_ROWS, .n_out = 3, .labels = { REALS((bp_real)-0.0, 2) } }, NULL, BP_OK, NULL },
    { "one class", { TWO_ROWS, .n_out = 1, .labels = { I32S(0, 0) } }, NULL, BP_OK, NULL },
    { "weights, some 0",
      { TWO_ROWS, .n_out = 1, .T = { REALS(1, 1) }, .weights = { REALS(0, (bp_real)0.5) } },
      NULL,
      BP_OK,
      NULL },
    { "no loss, any finite target", { TWO_ROWS, .n_out = 1, .T = { REALS(BP_REAL_MAX, -1) } }, NULL, BP_OK, NULL },
    { "0 and 1 are probabilities",
      { TWO_ROWS, .n_out = 1, .T = { REALS(0, 1) } },
      LOSS(BP_BINARY_CROSS_ENTROPY),
      BP_OK,
      NULL },
    { "grey levels are probabilities",
      { TWO_ROWS, .n_out = 1, .T = { VIEW(uint8_t, BP_U8, 0, 255), .scale = (bp_real)(1.0 / 255) } },
      LOSS(BP_BINARY_CROSS_ENTROPY),
      BP_OK,
      NULL },
    { "binary probabilities need not sum to 1",
      { TWO_ROWS, .n_out = 2, .T = { REALS(1, 1, 0, 0) } },
      LOSS(BP_BINARY_CROSS_ENTROPY),
      BP_OK,
      NULL },
    { "rounded thirds sum to 1",
      { TWO_ROWS, .n_out = 3, .T = { REALS(THIRD, THIRD, THIRD, 0, 0, 1) } },
      LOSS(BP_CROSS_ENTROPY),
      BP_OK,
      NULL },
    { "thirds rounded to float sum to 1",
      { TWO_ROWS, .n_out = 3, .T = { VIEW(float, BP_F32, 1.0F / 3, 1.0F / 3, 1.0F / 3, 0, 0, 1) } },
      LOSS(BP_CROSS_ENTROPY),
      BP_OK,
      NULL },
    { "NaN between the rows",
      { .rows = 2, .n_in = 1, .n_out = 1, .X = { REALS(1, NAN, 2), .stride = 2 }, .T = { REALS(1, NAN, 2), .stride = 2 } },
      NULL,
      BP_OK,
      NULL },
    { "settings of a view without data do not matter",
      { TWO_ROWS, ONE_TARGET, .labels = { .element = BP_N_ELEMENTS }, .weights = { .scale = NAN } },
      NULL,
      BP_OK,
      NULL },
    { "one row, however long the stride",
      { .rows = 1, .n_in = 1, .n_out = 1, .X = { REALS(1), .stride = SIZE_MAX / 8 }, .T = { REALS(1) } },
      NULL,
      BP_OK,
      NULL },
};

static void run_cases(const struct dataset_case *cases, size_t n)
{
    for (size_t c = 0; c < n; c++) {
        test_forget_sentence();
        test_assert_refused(bp_dataset_check(&cases[c].data, cases[c].loss), cases[c].status,
                            (const char *const[]){ cases[c].sentence, NULL }, cases[c].what, __FILE__, __LINE__);
    }
}

static void data_that_a_loss_can_take_pass(void **state)
{
    (void)state;
    run_cases(accepted, COUNT(accepted));
}

/* ---- and what it refuses --------------------------------------------------------------------------------------------- */

static const struct dataset_case bad_shapes[] = {
    { "no rows", { .n_in = 1, .X = { REALS(1) }, ONE_TARGET }, NULL, BP_ERR_SHAPE, "dataset: rows is 0" },
    { "no inputs", { .rows = 1, .X = { REALS(1) }, ONE_TARGET }, NULL, BP_ERR_SHAPE, "dataset: n_in is 0" },
    { "no outputs", { TWO_ROWS, .T = { REALS(0, 1) } }, NULL, BP_ERR_SHAPE, "dataset: n_out is 0" },
    { "a zeroed dataset", { .rows = 0 }, NULL, BP_ERR_SHAPE, "dataset: rows is 0" },
    { "no X", { .rows = 1, .n_in = 1, ONE_TARGET }, NULL, BP_ERR_ARGUMENT, "dataset: X.data is NULL" },
    { "no targets", { TWO_ROWS, .n_out = 1 }, NULL, BP_ERR_ARGUMENT, "dataset: neither T nor labels are given" },
    { "targets given twice",
      { TWO_ROWS, ONE_TARGET, .labels = { I32S(0, 0) } },
      NULL,
      BP_ERR_ARGUMENT,
      "dataset: both T and labels are given" },
    { "a stride below the inputs",
      { .rows = 2, .n_in = 2, .X = { REALS(1, 2, 3, 4), .stride = 1 }, ONE_TARGET },
      NULL,
      BP_ERR_ARGUMENT,
      "dataset: X: stride is 1, a row has 2 columns" },
    { "a stride below the outputs",
      { TWO_ROWS, .n_out = 3, .T = { REALS(1, 2, 3, 4, 5, 6), .stride = 2 } },
      NULL,
      BP_ERR_ARGUMENT,
      "dataset: T: stride is 2, a row has 3 columns" },
    { "an unknown element of X",
      { .rows = 1, .n_in = 1, .X = { VIEW(bp_real, BP_N_ELEMENTS, 1) }, ONE_TARGET },
      NULL,
      BP_ERR_ARGUMENT,
      "dataset: X: 7 is no element type" },
    { "an unknown element of T",
      { TWO_ROWS, .n_out = 1, .T = { VIEW(bp_real, (bp_element)-1, 0, 1) } },
      NULL,
      BP_ERR_ARGUMENT,
      "dataset: T: -1 is no element type" },
    { "an unknown element of labels",
      { TWO_ROWS, .n_out = 1, .labels = { VIEW(bp_real, (bp_element)99, 0, 1) } },
      NULL,
      BP_ERR_ARGUMENT,
      "dataset: labels: 99 is no element type" },
    { "an unknown element of weights",
      { TWO_ROWS, ONE_TARGET, .weights = { VIEW(bp_real, BP_N_ELEMENTS, 0, 1) } },
      NULL,
      BP_ERR_ARGUMENT,
      "dataset: weights: 7 is no element type" },
    { "a scale that is NaN",
      { .rows = 1, .n_in = 1, .X = { REALS(1), .scale = NAN }, ONE_TARGET },
      NULL,
      BP_ERR_ARGUMENT,
      "dataset: X: scale is nan" },
    { "an infinite scale",
      { TWO_ROWS, .n_out = 1, .T = { REALS(1, 1), .scale = -INFINITY } },
      NULL,
      BP_ERR_ARGUMENT,
      "dataset: T: scale is -inf" },
    { "an infinite scale of weights",
      { TWO_ROWS, ONE_TARGET, .weights = { REALS(1, 1), .scale = INFINITY } },
      NULL,
      BP_ERR_ARGUMENT,
      "dataset: weights: scale is inf" },
    { "scaled labels",
      { TWO_ROWS, .n_out = 3, .labels = { I32S(0, 1), .scale = 2 } },
      NULL,
      BP_ERR_ARGUMENT,
      "dataset: labels: scale is 2, class numbers are not scaled" },
    { "an unknown loss", { TWO_ROWS, ONE_TARGET }, LOSS(BP_N_LOSSES), BP_ERR_ARGUMENT, "bp_dataset_check: 8 is no loss" },
};

static void a_dataset_without_sense_is_refused(void **state)
{
    (void)state;
    run_cases(bad_shapes, COUNT(bad_shapes));
    assert_refused(bp_dataset_check(NULL, NULL), BP_ERR_ARGUMENT, "dataset_check: data is NULL");
}

/* rows x stride elements of 8 bytes: 2^61 of them are one too many. The views are refused before anything is read. */
#define MOST (SIZE_MAX / 8)
#define MOST_ROWS .rows = MOST, .n_in = 1, .X = { REALS(1) }

static const struct dataset_case too_large[] = {
    { "X", { .rows = MOST + 1, .n_in = 1, .X = { REALS(1) }, ONE_TARGET }, NULL, BP_ERR_TOO_LARGE, NULL },
    { "X", { .rows = 3, .n_in = SIZE_MAX / 2, .X = { REALS(1) }, ONE_TARGET }, NULL, BP_ERR_TOO_LARGE, NULL },
    { "X", { .rows = 2, .n_in = 1, .X = { REALS(1), .stride = SIZE_MAX }, ONE_TARGET }, NULL, BP_ERR_TOO_LARGE, NULL },
    { "T", { MOST_ROWS, .n_out = 2, .T = { REALS(1) } }, NULL, BP_ERR_TOO_LARGE, NULL },
    { "labels", { MOST_ROWS, .n_out = 2, .labels = { I32S(1), .stride = 2 } }, NULL, BP_ERR_TOO_LARGE, NULL },
    { "weights", { MOST_ROWS, ONE_TARGET, .weights = { REALS(1), .stride = 2 } }, NULL, BP_ERR_TOO_LARGE, NULL },
};

static void sizes_whose_product_overflows_are_refused(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(too_large); c++) {
        const bp_dataset *data = &too_large[c].data;
        char beginning[64];
        (void)snprintf(beginning, sizeof beginning, "dataset: %s: %zu rows of ", too_large[c].what, data->rows);
        assert_refused(bp_dataset_check(data, NULL), BP_ERR_TOO_LARGE, beginning, "are more than memory can address");
    }
}

static const struct dataset_case bad_inputs[] = {
    { "NaN",
      { .rows = 2, .n_in = 2, .X = { REALS(1, 2, NAN, 4) }, ONE_TARGET },
      NULL,
      BP_ERR_NONFINITE,
      "inputs: row 1, column 0 is nan" },
    { "infinity",
      { .rows = 2, .n_in = 2, .X = { REALS(1, -INFINITY, 3, 4) }, ONE_TARGET },
      NULL,
      BP_ERR_NONFINITE,
      "inputs: row 0, column 1 is -inf" },
    { "the first of two",
      { .rows = 2, .n_in = 2, .X = { REALS(1, INFINITY, NAN, 4) }, ONE_TARGET },
      NULL,
      BP_ERR_NONFINITE,
      "inputs: row 0, column 1 is inf" },
    { "NaN in f32",
      { .rows = 2, .n_in = 1, .X = { VIEW(float, BP_F32, 1, 2, NAN), .stride = 2 }, ONE_TARGET },
      NULL,
      BP_ERR_NONFINITE,
      "inputs: row 1, column 0 is nan" },
    { "infinity in f64",
      { .rows = 2, .n_in = 1, .X = { VIEW(double, BP_F64, 1, INFINITY) }, ONE_TARGET },
      NULL,
      BP_ERR_NONFINITE,
      "inputs: row 1, column 0 is inf" },
    { "too large once scaled",
      { .rows = 2, .n_in = 1, .X = { REALS(1, BP_REAL_MAX), .scale = 2 }, ONE_TARGET },
      NULL,
      BP_ERR_NONFINITE,
      "inputs: row 1, column 0 is inf" },
#ifdef BACKPROP_SINGLE
    { "a double that is too large for a single",
      { .rows = 2, .n_in = 1, .X = { VIEW(double, BP_F64, 1, -1e39) }, ONE_TARGET },
      NULL,
      BP_ERR_NONFINITE,
      "inputs: row 1, column 0 is -inf" },
    { "a target that is too large for a single",
      { TWO_ROWS, .n_out = 1, .T = { VIEW(double, BP_F64, 1, 1e39) } },
      NULL,
      BP_ERR_NONFINITE,
      "targets: row 1, column 0 is inf" },
#endif
};

static void inputs_that_are_not_finite_are_refused_with_row_and_column(void **state)
{
    (void)state;
    run_cases(bad_inputs, COUNT(bad_inputs));
}

#define HALF ((bp_real)0.5)

static const struct dataset_case bad_targets[] = {
    { "NaN",
      { TWO_ROWS, .n_out = 2, .T = { REALS(1, 2, 3, NAN) } },
      NULL,
      BP_ERR_NONFINITE,
      "targets: row 1, column 1 is nan" },
    { "infinity",
      { TWO_ROWS, .n_out = 1, .T = { REALS(INFINITY, 0) } },
      LOSS(BP_SQUARED_ERROR),
      BP_ERR_NONFINITE,
      "targets: row 0, column 0 is inf" },
    { "infinity is first of all not finite",
      { TWO_ROWS, .n_out = 1, .T = { REALS(0, -INFINITY) } },
      LOSS(BP_BINARY_CROSS_ENTROPY),
      BP_ERR_NONFINITE,
      "targets: row 1, column 0 is -inf" },
    { "above 1",
      { TWO_ROWS, .n_out = 2, .T = { REALS(1, 0, 1, (bp_real)1.5) } },
      LOSS(BP_BINARY_CROSS_ENTROPY),
      BP_ERR_TARGET,
      "targets: row 1, column 1 is 1.5, binary_cross_entropy takes 0 to 1" },
    { "below 0",
      { TWO_ROWS, .n_out = 2, .T = { REALS((bp_real)1.25, (bp_real)-0.25, 0, 1) } },
      LOSS(BP_CROSS_ENTROPY),
      BP_ERR_TARGET,
      "targets: row 0, column 0 is 1.25, cross_entropy takes 0 to 1" },
    { "below 0 once scaled",
      { TWO_ROWS, .n_out = 1, .T = { VIEW(uint8_t, BP_U8, 0, 1), .scale = -1 } },
      LOSS(BP_BINARY_CROSS_ENTROPY),
      BP_ERR_TARGET,
      "targets: row 1, column 0 is -1, binary_cross_entropy takes 0 to 1" },
    { "a sum above 1",
      { TWO_ROWS, .n_out = 2, .T = { REALS(0, 1, HALF, (bp_real)0.75) } },
      LOSS(BP_CROSS_ENTROPY),
      BP_ERR_TARGET,
      "targets: row 1 sums to 1.25, cross_entropy needs probabilities that sum to 1" },
    { "a sum of 0",
      { TWO_ROWS, .n_out = 2, .T = { REALS(0, 0, HALF, HALF) } },
      LOSS(BP_CROSS_ENTROPY),
      BP_ERR_TARGET,
      "targets: row 0 sums to 0, cross_entropy needs probabilities that sum to 1" },
    { "a sum that is wrong in the fourth digit",
      { TWO_ROWS, .n_out = 2, .T = { VIEW(double, BP_F64, 0, 1, 0.5, 0.5001) } },
      LOSS(BP_CROSS_ENTROPY),
      BP_ERR_TARGET,
      NULL },
};

static void targets_that_the_loss_cannot_take_are_refused_with_row_and_column(void **state)
{
    (void)state;
    run_cases(bad_targets, COUNT(bad_targets));
}

#define LABELS(...) TWO_ROWS, .n_out = 3, .labels = { __VA_ARGS__ }

static const struct dataset_case bad_labels[] = {
    { "negative", { LABELS(I32S(0, -1)) }, NULL, BP_ERR_TARGET, "labels: row 1 is -1, the classes are 0 to 2" },
    { "the first beyond", { LABELS(I32S(3, 0)) }, NULL, BP_ERR_TARGET, "labels: row 0 is 3, the classes are 0 to 2" },
    { "u8", { LABELS(VIEW(uint8_t, BP_U8, 2, 255)) }, NULL, BP_ERR_TARGET, "labels: row 1 is 255, the classes are 0 to 2" },
    { "i8", { LABELS(VIEW(int8_t, BP_I8, 2, -2)) }, NULL, BP_ERR_TARGET, "labels: row 1 is -2, the classes are 0 to 2" },
    { "i16",
      { LABELS(VIEW(int16_t, BP_I16, 2, 300)) },
      NULL,
      BP_ERR_TARGET,
      "labels: row 1 is 300, the classes are 0 to 2" },
    { "fractional", { LABELS(REALS(0, HALF)) }, NULL, BP_ERR_TARGET, "labels: row 1 is 0.5, the classes are 0 to 2" },
    { "f32",
      { LABELS(VIEW(float, BP_F32, 1.5F, 0)) },
      NULL,
      BP_ERR_TARGET,
      "labels: row 0 is 1.5, the classes are 0 to 2" },
    { "f64",
      { LABELS(VIEW(double, BP_F64, 0, 1e300)) },
      NULL,
      BP_ERR_TARGET,
      "labels: row 1 is 1e+300, the classes are 0 to 2" },
    { "NaN", { LABELS(REALS(0, NAN)) }, NULL, BP_ERR_TARGET, "labels: row 1 is nan, the classes are 0 to 2" },
    { "infinity", { LABELS(REALS(INFINITY, 0)) }, NULL, BP_ERR_TARGET, "labels: row 0 is inf, the classes are 0 to 2" },
    { "whatever the loss",
      { LABELS(I32S(0, 3)) },
      LOSS(BP_SQUARED_ERROR),
      BP_ERR_TARGET,
      "labels: row 1 is 3, the classes are 0 to 2" },
};

static void labels_that_are_no_class_are_refused_with_their_row(void **state)
{
    (void)state;
    run_cases(bad_labels, COUNT(bad_labels));
}

static const struct dataset_case bad_weights[] = {
    { "negative",
      { TWO_ROWS, ONE_TARGET, .weights = { REALS(1, (bp_real)-0.5) } },
      NULL,
      BP_ERR_TARGET,
      "weights: row 1 is -0.5, a sample weight is at least 0" },
    { "negative once scaled",
      { TWO_ROWS, .n_out = 3, .labels = { I32S(0, 1) }, .weights = { VIEW(uint8_t, BP_U8, 1, 0), .scale = -1 } },
      NULL,
      BP_ERR_TARGET,
      "weights: row 0 is -1, a sample weight is at least 0" },
    { "NaN", { TWO_ROWS, ONE_TARGET, .weights = { REALS(NAN, 1) } }, NULL, BP_ERR_NONFINITE, "weights: row 0 is nan" },
    { "infinity, beyond a stride",
      { TWO_ROWS, ONE_TARGET, .weights = { VIEW(double, BP_F64, 1, -1, INFINITY), .stride = 2 } },
      NULL,
      BP_ERR_NONFINITE,
      "weights: row 1 is inf" },
};

static void weights_that_are_negative_or_not_finite_are_refused_with_their_row(void **state)
{
    (void)state;
    run_cases(bad_weights, COUNT(bad_weights));
}

/* ---- Wide rows ------------------------------------------------------------------------------------------------------- */

/* Rows are looked at 256 columns at a time: widths and columns around the seams. */
static const size_t widths[] = { 1, 255, 256, 257, 511, 512, 513, 600 };
static const size_t seams[] = { 0, 1, 254, 255, 256, 257, 510, 511, 512, 513, 598, 599 };

enum { WIDEST = 600 };

struct wide {
    bp_real good[3 * WIDEST], spoilt[3 * WIDEST]; /* three rows, of which the second is spoilt */
    bp_dataset data;
    bp_view *view; /* of the two in data, the one to be spoilt */
};

static void make_wide(struct wide *wide, size_t width, bool in_targets)
{
    *wide = (struct wide){ 0 };
    const bp_view good = { .data = wide->good };
    wide->data =
        (bp_dataset){ .rows = 3, .n_in = in_targets ? 1 : width, .n_out = in_targets ? width : 1, .X = good, .T = good };
    wide->view = in_targets ? &wide->data.T : &wide->data.X;
    wide->view->data = wide->spoilt;
}

/* Puts `bad` into each column at a seam in turn: only that one is named, and without it the data pass. */
static void spoil_every_seam(struct wide *wide, size_t width, const bp_loss *loss, bp_real bad, bp_status status,
                             const char *sentence)
{
    for (size_t s = 0; s < COUNT(seams) && seams[s] < width; s++) {
        char expected[128];
        (void)snprintf(expected, sizeof expected, "%s: row 1, column %zu is %s",
                       wide->view == &wide->data.X ? "inputs" : "targets", seams[s], sentence);
        wide->spoilt[width + seams[s]] = bad;
        assert_refused(bp_dataset_check(&wide->data, loss), status, expected);

        wide->spoilt[width + seams[s]] = 0;
        assert_int_equal(bp_dataset_check(&wide->data, loss), BP_OK);
    }
}

static void a_bad_number_is_found_in_every_column_of_a_wide_row(void **state)
{
    (void)state;
    for (size_t w = 0; w < COUNT(widths); w++) {
        struct wide wide;
        make_wide(&wide, widths[w], false);
        spoil_every_seam(&wide, widths[w], NULL, NAN, BP_ERR_NONFINITE, "nan");
        make_wide(&wide, widths[w], true);
        spoil_every_seam(&wide, widths[w], NULL, INFINITY, BP_ERR_NONFINITE, "inf");
        spoil_every_seam(&wide, widths[w], LOSS(BP_BINARY_CROSS_ENTROPY), 2, BP_ERR_TARGET,
                         "2, binary_cross_entropy takes 0 to 1");
    }
}

/* One probability at a seam, the other in the last column: only together they are 1. */
static void probabilities_of_a_wide_row_are_summed_over_all_columns(void **state)
{
    (void)state;
    for (size_t s = 0; s < COUNT(seams) && seams[s] < WIDEST - 1; s++) {
        struct wide wide;
        make_wide(&wide, WIDEST, true);
        for (size_t i = 0; i < 3; i++)
            wide.spoilt[i * WIDEST + seams[s]] = wide.spoilt[i * WIDEST + WIDEST - 1] = HALF;
        assert_int_equal(bp_dataset_check(&wide.data, LOSS(BP_CROSS_ENTROPY)), BP_OK);

        wide.spoilt[WIDEST + WIDEST - 1] = 0;
        assert_refused(bp_dataset_check(&wide.data, LOSS(BP_CROSS_ENTROPY)), BP_ERR_TARGET,
                       "targets: row 1 sums to 0.5, cross_entropy needs probabilities that sum to 1");
    }
}

/* Each of n probabilities may be rounded once to single precision; the slack grows with them, and not much faster. */
static void rounding_of_many_probabilities_is_forgiven_but_no_more(void **state)
{
    (void)state;
    struct wide wide;
    make_wide(&wide, WIDEST, true);
    for (size_t j = 0; j < 3 * (size_t)WIDEST; j++)
        wide.spoilt[j] = (bp_real)((float)(1.0 / WIDEST) * (1 + FLT_EPSILON));
    assert_int_equal(bp_dataset_check(&wide.data, LOSS(BP_CROSS_ENTROPY)), BP_OK);

    wide.spoilt[2 * WIDEST] += (bp_real)1e-3;
    assert_int_equal(bp_dataset_check(&wide.data, LOSS(BP_CROSS_ENTROPY)), BP_ERR_TARGET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_of_every_type_are_read_as_they_are),
        cmocka_unit_test(elements_of_every_type_are_multiplied_by_the_scale),
        cmocka_unit_test(a_stride_leads_from_row_to_row_and_the_gaps_are_not_read),
        cmocka_unit_test(rows_are_taken_from_first_on_where_no_list_is_given),
        cmocka_unit_test(rows_are_taken_in_the_order_of_the_list_and_first_is_not_used),
        cmocka_unit_test(inputs_that_are_not_there_are_refused_and_nothing_is_written),
        cmocka_unit_test(targets_of_every_type_are_read_as_inputs_are),
        cmocka_unit_test(labels_of_every_type_are_read_as_classes),
        cmocka_unit_test(weights_are_scaled_and_follow_their_rows),
        cmocka_unit_test(packed_reals_and_labels_in_order_are_used_where_they_are),
        cmocka_unit_test(data_that_a_loss_can_take_pass),
        cmocka_unit_test(a_dataset_without_sense_is_refused),
        cmocka_unit_test(sizes_whose_product_overflows_are_refused),
        cmocka_unit_test(inputs_that_are_not_finite_are_refused_with_row_and_column),
        cmocka_unit_test(targets_that_the_loss_cannot_take_are_refused_with_row_and_column),
        cmocka_unit_test(labels_that_are_no_class_are_refused_with_their_row),
        cmocka_unit_test(weights_that_are_negative_or_not_finite_are_refused_with_their_row),
        cmocka_unit_test(a_bad_number_is_found_in_every_column_of_a_wide_row),
        cmocka_unit_test(probabilities_of_a_wide_row_are_summed_over_all_columns),
        cmocka_unit_test(rounding_of_many_probabilities_is_forgiven_but_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
