// SPDX-License-Identifier: MIT
/*
 * FANN's files of training data: three sizes and the numbers they promise, between blanks.
 */
#include "backprop/fann_data.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/growing.h"
#include "base/memory.h"
#include "base/status.h"
#include "data/dataset.h"
#include "store/number.h"
#include "store/source.h"
#include "store/text.h"
#include "store/writer.h"

/* ---- words ------------------------------------------------------------------------------------------------------- */

struct reader {
    struct bpi_text *text;
    bp_allocator allocator;
    const char *name;          /* of the source */
    struct bpi_growing word;   /* the characters of the word at hand; none at the end */
    struct bpi_place at;       /* its place */
    struct bpi_growing values; /* of bp_real, as they come */
};

/* What scanf() skips between numbers, and so FANN; '\r' comes as '\n'. */
static bool is_blank(int character)
{
    return character == ' ' || character == '\n' || character == '\t' || character == '\v' || character == '\f';
}

static bp_status append_character(struct reader *reader, int character)
{
    struct bpi_growing *word = &reader->word;
    if (word->n == word->capacity)
        BPI_TRY(bpi_growing_reserve(word, &reader->allocator, reader->name, 1));
    ((char *)word->data)[word->n++] = (char)character;
    return BP_OK;
}

static bp_status read_word(struct reader *reader)
{
    struct bpi_text *text = reader->text;
    while (is_blank(text->next))
        bpi_text_advance(text);
    reader->at = text->at;
    reader->word.n = 0;
    for (; text->next != BPI_TEXT_END && !is_blank(text->next); bpi_text_advance(text))
        BPI_TRY(append_character(reader, text->next));
    return text->status;
}

static const char *quote_word(const struct reader *reader, struct bpi_quote *quote)
{
    if (reader->word.n == 0)
        return "the end";
    *quote = bpi_quote(reader->word.data, reader->word.n);
    return quote->text;
}

/* ---- the sizes --------------------------------------------------------------------------------------------------- */

/* A whole number; false if it is none. *size is 0 if it overflows. */
static bool to_size(const char *digits, size_t n, size_t *size)
{
    bool fits = true;
    *size = 0;
    for (size_t i = 0; i < n; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        size_t tens;
        fits = fits && bpi_multiply(*size, 10, &tens) && bpi_add(tens, (size_t)(digits[i] - '0'), size);
    }
    *size = fits ? *size : SIZE_MAX;
    return n > 0;
}

static bp_status read_size(struct reader *reader, const char *what, size_t *size)
{
    struct bpi_quote quote;
    BPI_TRY(read_word(reader));
    if (!to_size(reader->word.data, reader->word.n, size) || *size == 0)
        return bpi_text_fail(reader->text, reader->at, BP_ERR_FORMAT,
                             "the number of %s: expected a whole number from 1 on, found %s", what,
                             quote_word(reader, &quote));
    return BP_OK;
}

/* An array of more than PTRDIFF_MAX bytes cannot be, whatever size_t can count. */
static bool fits_memory(const bp_fann_data *fann)
{
    size_t columns, n, bytes;
    return bpi_add(fann->n_in, fann->n_out, &columns) && bpi_multiply(fann->rows, columns, &n) &&
           bpi_multiply(n, sizeof(bp_real), &bytes) && bytes <= PTRDIFF_MAX;
}

static bp_status read_sizes(bp_fann_data *fann, struct reader *reader)
{
    BPI_TRY(read_size(reader, "rows", &fann->rows));
    const struct bpi_place at = reader->at;
    BPI_TRY(read_size(reader, "inputs", &fann->n_in));
    BPI_TRY(read_size(reader, "outputs", &fann->n_out));
    if (!fits_memory(fann))
        return bpi_text_fail(reader->text, at, BP_ERR_TOO_LARGE,
                             "%zu rows of %zu inputs and %zu outputs: expected what memory can address", fann->rows,
                             fann->n_in, fann->n_out);
    return BP_OK;
}

/* ---- the numbers ------------------------------------------------------------------------------------------------- */

/* "row 3, input 2": from 1 on, as lines are counted. */
struct number_label {
    char text[64];
};

static struct number_label label_of(const bp_fann_data *fann, size_t row, size_t i)
{
    struct number_label label;
    const bool is_input = i < fann->n_in;
    (void)snprintf(label.text, sizeof label.text, "row %zu, %s %zu", row + 1, is_input ? "input" : "output",
                   (is_input ? i : i - fann->n_in) + 1);
    return label;
}

static bp_status too_few(const bp_fann_data *fann, const struct reader *reader, size_t row, size_t i)
{
    return bpi_text_fail(reader->text, reader->at, BP_ERR_FORMAT,
                         "expected %s, of %zu rows of %zu inputs and %zu outputs, found the end",
                         label_of(fann, row, i).text, fann->rows, fann->n_in, fann->n_out);
}

static bp_status read_number(const bp_fann_data *fann, struct reader *reader, size_t row, size_t i)
{
    double number;
    BPI_TRY(read_word(reader));
    if (reader->word.n == 0)
        return too_few(fann, reader, row, i);
    const enum bpi_number_kind kind = bpi_number_read(reader->word.data, reader->word.n, BPI_BINARY_REAL, &number);
    if (kind != BPI_NUMBER)
        return bpi_text_refuse_number(reader->text, reader->at, label_of(fann, row, i).text, reader->word.data,
                                      reader->word.n, kind);

    BPI_TRY(bpi_growing_reserve(&reader->values, &reader->allocator, reader->name, sizeof(bp_real)));
    bp_real *values = reader->values.data;
    values[reader->values.n / sizeof(bp_real)] = (bp_real)number;
    reader->values.n += sizeof(bp_real);
    return BP_OK;
}

static bp_status expect_end(const bp_fann_data *fann, struct reader *reader)
{
    struct bpi_quote quote;
    BPI_TRY(read_word(reader));
    if (reader->word.n == 0)
        return BP_OK;
    return bpi_text_fail(reader->text, reader->at, BP_ERR_FORMAT,
                         "expected the end behind %zu rows of %zu inputs and %zu outputs, found %s", fann->rows, fann->n_in,
                         fann->n_out, quote_word(reader, &quote));
}

static bp_status read_numbers(const bp_fann_data *fann, struct reader *reader)
{
    for (size_t row = 0; row < fann->rows; row++)
        for (size_t i = 0; i < fann->n_in + fann->n_out; i++)
            BPI_TRY(read_number(fann, reader, row, i));
    return expect_end(fann, reader);
}

/* ---- the object -------------------------------------------------------------------------------------------------- */

static void copy_values(bp_fann_data *fann, const bp_real *values)
{
    for (size_t row = 0; row < fann->rows; row++) {
        memcpy(fann->X + row * fann->n_in, values, fann->n_in * sizeof(bp_real));
        values += fann->n_in;
        memcpy(fann->T + row * fann->n_out, values, fann->n_out * sizeof(bp_real));
        values += fann->n_out;
    }
}

static bp_status make_data(bp_fann_data *fann, const struct reader *reader)
{
    struct bpi_plan plan = { 0 };
    const size_t X = bpi_plan_matrix(&plan, fann->rows, fann->n_in, sizeof(bp_real));
    const size_t T = bpi_plan_matrix(&plan, fann->rows, fann->n_out, sizeof(bp_real));
    BPI_TRY(bpi_plan_allocate(&plan, reader->name, &reader->allocator, &fann->block));
    fann->allocator = reader->allocator;
    fann->X = bpi_place(fann->block, X);
    fann->T = bpi_place(fann->block, T);
    copy_values(fann, reader->values.data);

    fann->data = (bp_dataset){ .rows = fann->rows, .n_in = fann->n_in, .n_out = fann->n_out };
    fann->data.X.data = fann->X;
    fann->data.T.data = fann->T;
    return BP_OK;
}

static bp_status read_all(bp_fann_data *fann, struct reader *reader)
{
    BPI_TRY(read_sizes(fann, reader));
    BPI_TRY(read_numbers(fann, reader));
    return make_data(fann, reader);
}

static bp_status read_and_close(bp_fann_data *fann, struct bpi_source *source)
{
    struct bpi_text text;
    struct reader reader = { .text = &text, .allocator = source->allocator, .name = source->name };
    bpi_text_open(&text, source);
    const bp_status status = read_all(fann, &reader);
    bpi_growing_release(&reader.word, &reader.allocator);
    bpi_growing_release(&reader.values, &reader.allocator);
    bpi_source_close(source);
    if (status != BP_OK)
        *fann = (bp_fann_data){ 0 };
    return status;
}

bp_status bp_fann_data_read(bp_fann_data *fann, const char *path, const bp_allocator *allocator)
{
    BPI_NOT_NULL(fann);
    *fann = (bp_fann_data){ 0 };
    BPI_NOT_NULL(path);
    BPI_TRY(bpi_check_allocator(__func__, allocator));

    struct bpi_source source;
    BPI_TRY(bpi_source_open_path(&source, path, allocator));
    return read_and_close(fann, &source);
}

bp_status bp_fann_data_read_memory(bp_fann_data *fann, const void *bytes, size_t size, const bp_allocator *allocator)
{
    BPI_NOT_NULL(fann);
    *fann = (bp_fann_data){ 0 };
    BPI_NOT_NULL(bytes);
    BPI_TRY(bpi_check_allocator(__func__, allocator));

    struct bpi_source source;
    BPI_TRY(bpi_source_open_memory(&source, bytes, size, allocator));
    return read_and_close(fann, &source);
}

void bp_fann_data_free(bp_fann_data *fann)
{
    if (fann == NULL)
        return;
    bpi_release(&fann->allocator, fann->block);
    *fann = (bp_fann_data){ 0 };
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void write_number(struct bpi_writer *writer, bp_real value, char behind)
{
    char text[BPI_NUMBER_SIZE];
    size_t n = bpi_number_write((double)value, BPI_BINARY_REAL, text);
    text[n++] = behind; /* in place of the NUL */
    bpi_writer_put(writer, text, n);
}

static void write_row(struct bpi_writer *writer, const bp_real *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        write_number(writer, values[i], i + 1 < n ? ' ' : '\n');
}

/* Zeros, and a 1 at the class; a single output is 1 for class 1, as bp_targets has it. */
static void write_class(struct bpi_writer *writer, int32_t label, size_t n_out)
{
    const size_t hot = n_out == 1 ? (size_t)(1 - label) : (size_t)label;
    for (size_t i = 0; i < n_out; i++)
        write_number(writer, i == hot, i + 1 < n_out ? ' ' : '\n');
}

static bp_status write_sample(struct bpi_writer *writer, const bp_dataset *data, size_t row,
                              const struct bpi_batch_buffers *buffers)
{
    const bp_real *x;
    bp_targets T;
    BPI_TRY(bpi_dataset_gather(data, NULL, row, 1, buffers, &x, &T));
    write_row(writer, x, data->n_in);
    if (T.labels != NULL)
        write_class(writer, T.labels[0], data->n_out);
    else
        write_row(writer, T.values, data->n_out);
    return writer->status;
}

static bp_status write_samples(struct bpi_writer *writer, const bp_dataset *data, const struct bpi_batch_buffers *buffers)
{
    bpi_writer_print(writer, "%zu %zu %zu\n", data->rows, data->n_in, data->n_out);
    for (size_t row = 0; row < data->rows; row++)
        BPI_TRY(write_sample(writer, data, row, buffers));
    return BP_OK;
}

static bp_status write_file(const char *path, const bp_dataset *data, const struct bpi_batch_buffers *buffers,
                            const bp_allocator *allocator)
{
    struct bpi_writer writer;
    BPI_TRY(bpi_writer_open_path(&writer, path, allocator));
    const bp_status status = write_samples(&writer, data, buffers);
    if (status == BP_OK)
        return bpi_writer_finish(&writer);
    bpi_writer_abandon(&writer);
    return status;
}

bp_status bp_fann_data_write(const bp_dataset *data, const char *path, const bp_allocator *allocator)
{
    BPI_NOT_NULL(path);
    BPI_TRY(bpi_check_allocator(__func__, allocator));
    BPI_TRY(bp_dataset_check(data, NULL));
    if (data->weights.data != NULL)
        return bpi_fail(BP_ERR_UNSUPPORTED, "%s: the data has weights: expected none, the format has no place for them",
                        __func__);

    const bp_allocator heap = bpi_allocator_or_default(allocator);
    struct bpi_plan plan = { 0 };
    const size_t X = bpi_plan_array(&plan, data->n_in, sizeof(bp_real));
    const size_t T = bpi_plan_array(&plan, data->labels.data == NULL ? data->n_out : 0, sizeof(bp_real));
    void *block;
    BPI_TRY(bpi_plan_allocate(&plan, __func__, &heap, &block));

    int32_t label;
    const struct bpi_batch_buffers row = { .X = bpi_place(block, X), .T = bpi_place(block, T), .labels = &label };
    const bp_status status = write_file(path, data, &row, &heap);
    bpi_release(&heap, block);
    return status;
}
