// SPDX-License-Identifier: MIT
/*
 * Rows out of the user's arrays, whatever their number type: one reader an element type, chosen from a table.
 */
#include "data/dataset.h"

#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "math/gemm.h"
#include "math/loss.h"

/* Converts n elements from `start` on to bp_real, times scale; and one element to double, exactly. */
struct element_row {
    const char *name;
    void (*read)(const void *data, size_t start, size_t n, bp_real scale, bp_real *out);
    double (*value)(const void *data, size_t i);
};

#define DEFINE_READER(type)                                                                                                \
    static void read_##type(const void *data, size_t start, size_t n, bp_real scale, bp_real *out)                         \
    {                                                                                                                      \
        const type *in = (const type *)data + start;                                                                       \
        for (size_t i = 0; i < n; i++)                                                                                     \
            out[i] = (bp_real)in[i] * scale;                                                                               \
    }                                                                                                                      \
    static double value_##type(const void *data, size_t i)                                                                 \
    {                                                                                                                      \
        return (double)((const type *)data)[i];                                                                            \
    }

DEFINE_READER(double)
DEFINE_READER(float)
DEFINE_READER(uint8_t)
DEFINE_READER(int8_t)
DEFINE_READER(int16_t)
DEFINE_READER(int32_t)

static const struct element_row elements[BP_N_ELEMENTS] = {
#ifdef BACKPROP_SINGLE
    [BP_REAL] = { "bp_real", read_float, value_float },
#else
    [BP_REAL] = { "bp_real", read_double, value_double },
#endif
    [BP_F64] = { "f64", read_double, value_double },    [BP_F32] = { "f32", read_float, value_float },
    [BP_U8] = { "u8", read_uint8_t, value_uint8_t },    [BP_I8] = { "i8", read_int8_t, value_int8_t },
    [BP_I16] = { "i16", read_int16_t, value_int16_t },  [BP_I32] = { "i32", read_int32_t, value_int32_t },
};

static size_t stride_of(const bp_view *view, size_t columns)
{
    return view->stride != 0 ? view->stride : columns;
}

static bp_real scale_of(const bp_view *view)
{
    return view->scale != (bp_real)0 ? view->scale : (bp_real)1;
}

/* ---- Reading --------------------------------------------------------------------------------------------------------- */

static bool holds_reals(bp_element element)
{
#ifdef BACKPROP_SINGLE
    return element == BP_REAL || element == BP_F32;
#else
    return element == BP_REAL || element == BP_F64;
#endif
}

bool bpi_view_is_direct(const bp_view *view, size_t columns)
{
    return holds_reals(view->element) && stride_of(view, columns) == columns && scale_of(view) == (bp_real)1;
}

bool bpi_labels_are_direct(const bp_view *labels)
{
    return labels->element == BP_I32 && stride_of(labels, 1) == 1;
}

static size_t row_number(const size_t *rows, size_t first, size_t i)
{
    return rows != NULL ? rows[i] : first + i;
}

#if defined(__GNUC__)
#define SEND_FOR(p) __builtin_prefetch(p)
#else
#define SEND_FOR(p) ((void)(p))
#endif

/*
 * Copies a row while the next one is sent for: where that lies no processor can guess, and a row's first lines would be waited for.
 * In stretches of a few lines, so that what is sent for and what is copied take turns.
 */
static void copy_row(size_t n, const bp_real *from, const bp_real *next, bp_real *to)
{
    enum { LINE = 64 / sizeof(bp_real), STRETCH = 4 * LINE, SHORT = 4 * STRETCH, PIECE = 16 / sizeof(bp_real) };
    if (n <= STRETCH) { /* a call would take longer */
        size_t j = 0;
        for (; j + PIECE <= n; j += PIECE)
            memcpy(to + j, from + j, PIECE * sizeof *to);
        for (; j < n; j++)
            to[j] = from[j];
        return;
    }
    if (n <= SHORT) { /* many are in one page, and the processor sees them coming */
        memcpy(to, from, n * sizeof *to);
        return;
    }
    for (size_t j = 0; j < n; j += STRETCH) {
        const size_t width = n - j < STRETCH ? n - j : STRETCH;
        for (size_t line = 0; line < width; line += LINE)
            SEND_FOR(next + j + line);
        memcpy(to + j, from + j, width * sizeof *to);
    }
}

static void gather_view(const bp_view *view, size_t columns, const size_t *rows, size_t first, size_t n, bp_real *out)
{
    const size_t stride = stride_of(view, columns);
    const bp_real scale = scale_of(view);
    if (holds_reals(view->element) && scale == (bp_real)1) { /* rows far apart in memory: copied as fast as it goes */
        const bp_real *from = view->data;
        for (size_t i = 0; i < n; i++) {
            const size_t next = i + 1 < n ? i + 1 : i;
            copy_row(columns, from + row_number(rows, first, i) * stride, from + row_number(rows, first, next) * stride,
                     out + i * columns);
        }
        return;
    }
    for (size_t i = 0; i < n; i++)
        elements[view->element].read(view->data, row_number(rows, first, i) * stride, columns, scale, out + i * columns);
}

/* What was checked before training may have been changed since: what is no label becomes one that the loss refuses. */
static int32_t label_of(double value)
{
    return value >= 0 && value <= INT32_MAX && value == floor(value) ? (int32_t)value : -1;
}

static void gather_labels(const bp_view *view, const size_t *rows, size_t first, size_t n, int32_t *out)
{
    const size_t stride = stride_of(view, 1);
    for (size_t i = 0; i < n; i++)
        out[i] = label_of(elements[view->element].value(view->data, row_number(rows, first, i) * stride));
}

/* The rows of a view: where they are if that is possible, else gathered into `buffer`. NULL for a view of nothing. */
static const bp_real *rows_of_view(const bp_view *view, size_t columns, const size_t *rows, size_t first, size_t n,
                                   bp_real *buffer)
{
    if (view->data == NULL)
        return NULL;
    if (rows == NULL && bpi_view_is_direct(view, columns))
        return (const bp_real *)view->data + first * columns;
    gather_view(view, columns, rows, first, n, buffer);
    return buffer;
}

static const int32_t *rows_of_labels(const bp_view *labels, const size_t *rows, size_t first, size_t n, int32_t *buffer)
{
    if (labels->data == NULL)
        return NULL;
    if (rows == NULL && bpi_labels_are_direct(labels))
        return (const int32_t *)labels->data + first;
    gather_labels(labels, rows, first, n, buffer);
    return buffer;
}

static bp_status check_finite(size_t row, const char *what, size_t n, const bp_real *x)
{
    for (size_t j = 0; j < n; j++)
        if (!isfinite(x[j]))
            return bpi_fail(BP_ERR_NONFINITE, "%s: row %zu, column %zu is %g", what, row, j, (double)x[j]);
    return BP_OK;
}

/* Rows that the user's function reads. What else a target must be is the loss's affair. */
static bp_status read_rows(const bp_dataset *data, const size_t *rows, size_t first, size_t n,
                           const struct bpi_batch_buffers *buffers)
{
    for (size_t i = 0; i < n; i++) {
        const size_t row = row_number(rows, first, i);
        bp_real *x = buffers->X + i * data->n_in, *t = buffers->T + i * data->n_out;
        if (!data->read_row(row, x, t, data->user))
            return bpi_fail(BP_ERR_IO, "dataset: read_row could not read row %zu", row);
        BPI_TRY(check_finite(row, "inputs", data->n_in, x));
        BPI_TRY(check_finite(row, "targets", data->n_out, t));
    }
    return BP_OK;
}

bp_status bpi_dataset_gather(const bp_dataset *data, const size_t *rows, size_t first, size_t n,
                             const struct bpi_batch_buffers *buffers, const bp_real **X, bp_targets *T)
{
    T->weights = rows_of_view(&data->weights, 1, rows, first, n, buffers->weights);
    if (data->read_row != NULL) {
        BPI_TRY(read_rows(data, rows, first, n, buffers));
        *X = buffers->X;
        T->values = buffers->T;
        T->labels = NULL;
        return BP_OK;
    }
    *X = rows_of_view(&data->X, data->n_in, rows, first, n, buffers->X);
    T->values = rows_of_view(&data->T, data->n_out, rows, first, n, buffers->T);
    T->labels = rows_of_labels(&data->labels, rows, first, n, buffers->labels);
    return BP_OK;
}

/* ---- Checking -------------------------------------------------------------------------------------------------------- */

/* A view of nothing passes, whatever else it says. */
static bp_status check_view(const bp_view *view, const char *name, size_t rows, size_t columns)
{
    size_t n;
    if (view->data == NULL)
        return BP_OK;
    if ((size_t)view->element >= BP_N_ELEMENTS)
        return bpi_fail(BP_ERR_ARGUMENT, "dataset: %s: %d is no element type", name, (int)view->element);
    if (view->stride != 0 && view->stride < columns)
        return bpi_fail(BP_ERR_ARGUMENT, "dataset: %s: stride is %zu, a row has %zu columns", name, view->stride, columns);
    if (!isfinite(view->scale))
        return bpi_fail(BP_ERR_ARGUMENT, "dataset: %s: scale is %g", name, (double)view->scale);
    if (!bpi_multiply(rows, stride_of(view, columns), &n) || !bpi_multiply(n, sizeof(double), &n))
        return bpi_fail(BP_ERR_TOO_LARGE, "dataset: %s: %zu rows of %zu elements are more than memory can address", name,
                        rows, stride_of(view, columns));
    return BP_OK;
}

static bp_status check_shapes(const bp_dataset *data)
{
    const size_t sizes[] = { data->rows, data->n_in, data->n_out };
    const char *const names[] = { "rows", "n_in", "n_out" };
    for (int i = 0; i < 3; i++)
        if (sizes[i] == 0)
            return bpi_fail(BP_ERR_SHAPE, "dataset: %s is 0", names[i]);
    return BP_OK;
}

/* Which of the arrays are given, and that they go together. */
static bp_status check_presence(const bp_dataset *data)
{
    const bool X = data->X.data != NULL, T = data->T.data != NULL, labels = data->labels.data != NULL;
    if (data->read_row != NULL && (X || T || labels))
        return bpi_fail(BP_ERR_ARGUMENT, "dataset: both read_row and %s are given", X ? "X" : (T ? "T" : "labels"));
    if (data->read_row != NULL)
        return BP_OK;
    if (!X)
        return bpi_fail(BP_ERR_ARGUMENT, "dataset: X.data is NULL");
    if (T == labels)
        return bpi_fail(BP_ERR_ARGUMENT, "dataset: %s",
                        T ? "both T and labels are given" : "neither T nor labels are given");
    return BP_OK;
}

static bp_status check_views(const bp_dataset *data)
{
    BPI_TRY(check_presence(data));
    if (data->labels.data != NULL && scale_of(&data->labels) != (bp_real)1)
        return bpi_fail(BP_ERR_ARGUMENT, "dataset: labels: scale is %g, class numbers are not scaled",
                        (double)data->labels.scale);

    BPI_TRY(check_view(&data->X, "X", data->rows, data->n_in));
    BPI_TRY(check_view(&data->T, "T", data->rows, data->n_out));
    BPI_TRY(check_view(&data->labels, "labels", data->rows, 1));
    return check_view(&data->weights, "weights", data->rows, 1);
}

enum { CHUNK = 256 }; /* columns looked at at a time, on the stack */

/* At a glance, in lanes that a compiler does at once: 0 times a number is 0, and of what is not finite NaN. */
static bool are_finite(size_t n, const bp_real *x)
{
    enum { LANES = 8 };
    bp_real sums[LANES] = { 0 };
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            sums[lane] += (bp_real)0 * x[j + lane];
    for (; j < n; j++)
        sums[0] += (bp_real)0 * x[j];
    for (size_t lane = 1; lane < LANES; lane++)
        sums[0] += sums[lane];
    return sums[0] == (bp_real)0;
}

static bp_status check_inputs_of_row(const bp_dataset *data, size_t i)
{
    bp_real chunk[CHUNK];
    const size_t start = i * stride_of(&data->X, data->n_in);
    if (holds_reals(data->X.element) && scale_of(&data->X) == (bp_real)1 &&
        are_finite(data->n_in, (const bp_real *)data->X.data + start))
        return BP_OK;
    for (size_t first = 0; first < data->n_in; first += CHUNK) {
        const size_t n = data->n_in - first < CHUNK ? data->n_in - first : CHUNK;
        elements[data->X.element].read(data->X.data, start + first, n, scale_of(&data->X), chunk);
        for (size_t j = 0; j < n; j++)
            if (!isfinite(chunk[j]))
                return bpi_fail(BP_ERR_NONFINITE, "inputs: row %zu, column %zu is %g", i, first + j, (double)chunk[j]);
    }
    return BP_OK;
}

static bp_status check_targets_of_row(const bp_dataset *data, const struct bpi_loss_rule *loss, size_t i)
{
    bp_real chunk[CHUNK];
    const size_t start = i * stride_of(&data->T, data->n_out);
    double sum = 0;
    for (size_t first = 0; first < data->n_out; first += CHUNK) {
        const size_t n = data->n_out - first < CHUNK ? data->n_out - first : CHUNK;
        elements[data->T.element].read(data->T.data, start + first, n, scale_of(&data->T), chunk);
        BPI_TRY(bpi_loss_check_values(loss, i, first, n, chunk, &sum));
    }
    return bpi_loss_check_sum(loss, i, data->n_out, sum);
}

static bp_status check_label_of_row(const bp_dataset *data, const struct bpi_loss_rule *rule, size_t i)
{
    const double label = elements[data->labels.element].value(data->labels.data, i * stride_of(&data->labels, 1));
    return bpi_loss_check_label(i, bpi_loss_n_classes(rule, data->n_out), label);
}

/* Adds the weight to *sum, by which means are divided. */
static bp_status check_weight_of_row(const bp_dataset *data, size_t i, double *sum)
{
    bp_real weight;
    gather_view(&data->weights, 1, NULL, i, 1, &weight);
    BPI_TRY(bpi_loss_check_weight(i, (double)weight));
    *sum += (double)weight;
    if (!isfinite(*sum))
        return bpi_fail(BP_ERR_NONFINITE, "weights: their sum up to row %zu is %g", i, *sum);
    return BP_OK;
}

static bp_status check_target_of_row(const bp_dataset *data, const struct bpi_loss_rule *rule, size_t i)
{
    if (data->T.data != NULL)
        BPI_TRY(check_targets_of_row(data, rule, i));
    return data->labels.data != NULL ? check_label_of_row(data, rule, i) : BP_OK;
}

bp_status bpi_dataset_check_targets(const bp_dataset *data)
{
    BPI_TRY(check_shapes(data));
    BPI_TRY(check_views(data));
    for (size_t i = 0; i < data->rows; i++)
        BPI_TRY(check_target_of_row(data, NULL, i));
    return BP_OK;
}

bp_status bp_dataset_check(const bp_dataset *data, const bp_loss *loss)
{
    BPI_NOT_NULL(data);
    BPI_TRY(check_shapes(data));
    BPI_TRY(check_views(data));

    const struct bpi_loss_rule *rule = loss != NULL ? bpi_loss(loss->kind) : NULL;
    if (loss != NULL && rule == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_dataset_check: %d is no loss", (int)loss->kind);

    double weights = 0;
    for (size_t i = 0; i < data->rows; i++) {
        if (data->X.data != NULL)
            BPI_TRY(check_inputs_of_row(data, i));
        BPI_TRY(check_target_of_row(data, rule, i));
        if (data->weights.data != NULL)
            BPI_TRY(check_weight_of_row(data, i, &weights));
    }
    return BP_OK;
}

bp_status bp_dataset_inputs(const bp_dataset *data, const size_t *rows, size_t first, size_t n, bp_real *X)
{
    BPI_NOT_NULL(data);
    BPI_NOT_NULL(X);
    if (data->X.data == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "dataset: X.data is NULL");
    if (data->n_in == 0)
        return bpi_fail(BP_ERR_SHAPE, "dataset: n_in is 0");
    BPI_TRY(check_view(&data->X, "X", data->rows, data->n_in));
    if (rows == NULL && (first > data->rows || n > data->rows - first))
        return bpi_fail(BP_ERR_SHAPE, "bp_dataset_inputs: rows %zu to %zu + %zu, there are %zu", first, first, n,
                        data->rows);
    for (size_t i = 0; rows != NULL && i < n; i++)
        if (rows[i] >= data->rows)
            return bpi_fail(BP_ERR_SHAPE, "bp_dataset_inputs: row %zu, there are %zu", rows[i], data->rows);

    gather_view(&data->X, data->n_in, rows, first, n, X);
    return BP_OK;
}
