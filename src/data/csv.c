// SPDX-License-Identifier: MIT
/*
 * Tables of text to inputs and targets: settings, columns, numbers, and the arrays they end up in. The grammar of a line is
 * csv_record.c's, classes are class_labels.c's.
 *
 * Each column has a slot: its place in a row of values, first the targets that are numbers, then the inputs. Values grow
 * row by row as lines come; at the end they move into the one block of the object. A missing number is a NaN until then,
 * which no text is read as.
 */
#include "backprop/csv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/growing.h"
#include "base/memory.h"
#include "base/status.h"
#include "data/class_labels.h"
#include "data/csv_record.h"
#include "store/number.h"
#include "store/source.h"
#include "store/text.h"

/* Slots of columns that have no place among the values. */
#define SLOT_UNASSIGNED SIZE_MAX
#define SLOT_IGNORED (SIZE_MAX - 1)
#define SLOT_CLASS (SIZE_MAX - 2)

struct reader {
    const bp_csv_config *config;
    struct bpi_text *text;
    bp_allocator allocator;
    const char *name; /* of the source */
    char separator;
    struct bpi_csv_record header; /* the first line, if it has names */
    struct bpi_csv_record record; /* the line at hand */
    size_t n_columns;
    size_t *slots; /* n_columns */
    size_t n_targets, n_in;
    size_t n_target_values; /* n_targets, or 0 for classes */
    size_t rows, n_missing;
    struct bpi_growing values; /* rows x (n_target_values + n_in) of bp_real */
    struct bpi_class_labels labels;
};

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static bp_status check_separator(char separator)
{
    static const char refused[] = "\"\r\n.+-";
    const char c = separator;
    const bool is_word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if ((unsigned char)c > 127 || is_word || (c != '\0' && strchr(refused, c) != NULL))
        return bpi_fail(
            BP_ERR_ARGUMENT,
            "separator: expected a character of ASCII that is no letter, digit, quote, point, sign or end of line, "
            "found %s",
            bpi_quote(&c, 1).text);
    return BP_OK;
}

/* An array and its length come together: one without the other is more likely forgotten than meant. */
static bp_status check_array(const char *name, const void *array, size_t n)
{
    if ((array == NULL) == (n == 0))
        return BP_OK;
    return bpi_fail(BP_ERR_ARGUMENT, "n_%s is %zu, but %s is %sNULL: expected both or neither",
                    strcmp(name, "class_names") == 0 ? "classes" : name, n, name, array == NULL ? "" : "not ");
}

static bp_status check_texts(const char *name, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (texts[i] == NULL)
            return bpi_fail(BP_ERR_ARGUMENT, "%s[%zu] is NULL", name, i);
    return BP_OK;
}

static bp_status check_columns(const bp_csv_config *config, const char *list, const bp_csv_column *columns, size_t n)
{
    BPI_TRY(check_array(list, columns, n));
    for (size_t i = 0; i < n; i++) {
        if ((columns[i].name == NULL) == (columns[i].number == 0))
            return bpi_fail(BP_ERR_ARGUMENT, "%s[%zu]: expected a name or a number from 1 on, found %s", list, i,
                            columns[i].name == NULL ? "neither" : "both");
        if (columns[i].name != NULL && config->no_header)
            return bpi_fail(BP_ERR_ARGUMENT,
                            "%s[%zu] is the name %s: expected a number, as no_header says there are no names", list, i,
                            bpi_quote(columns[i].name, strlen(columns[i].name)).text);
    }
    return BP_OK;
}

static bp_status check_targets(const bp_csv_config *config)
{
    if (config->no_targets && (config->n_targets > 0 || config->classes))
        return bpi_fail(BP_ERR_ARGUMENT, "no_targets is set, and %s: expected one of the two",
                        config->classes ? "classes is too" : "targets are given");
    if (config->classes && config->n_targets > 1)
        return bpi_fail(BP_ERR_ARGUMENT, "n_targets is %zu: expected 1, since classes is set", config->n_targets);
    return BP_OK;
}

static bp_status check_classes(const bp_csv_config *config)
{
    BPI_TRY(check_array("class_names", (const void *)config->class_names, config->n_classes));
    if (config->n_classes > 0 && !config->classes)
        return bpi_fail(BP_ERR_ARGUMENT, "class_names are given, but classes is not set");
    if (config->n_classes > BP_CSV_MAX_CLASSES)
        return bpi_fail(BP_ERR_TOO_LARGE, "n_classes is %zu: expected at most %d", config->n_classes, BP_CSV_MAX_CLASSES);
    return check_texts("class_names", config->class_names, config->n_classes);
}

static bp_status check_fill(const bp_csv_config *config)
{
    BPI_TRY(check_array("fill", config->fill, config->n_fill));
    if ((config->missing == BP_CSV_FILL) != (config->n_fill > 0))
        return bpi_fail(BP_ERR_ARGUMENT, "fill is %sgiven, but missing is %sBP_CSV_FILL: expected both or neither",
                        config->n_fill > 0 ? "" : "not ", config->n_fill > 0 ? "not " : "");
    for (size_t i = 0; i < config->n_fill; i++)
        if (!isfinite(config->fill[i]))
            return bpi_fail(BP_ERR_NONFINITE, "fill[%zu] is %g: expected a finite number", i, (double)config->fill[i]);
    return BP_OK;
}

static bp_status check_missing(const bp_csv_config *config)
{
    if ((size_t)config->missing > BP_CSV_FILL)
        return bpi_fail(BP_ERR_ARGUMENT, "missing is %d: expected a value of bp_csv_missing", (int)config->missing);
    if (!isfinite(config->constant))
        return bpi_fail(BP_ERR_NONFINITE, "constant is %g: expected a finite number", (double)config->constant);
    BPI_TRY(check_fill(config));
    BPI_TRY(check_array("missing_marks", (const void *)config->missing_marks, config->n_missing_marks));
    return check_texts("missing_marks", config->missing_marks, config->n_missing_marks);
}

static bp_status check_config(const char *function, const bp_csv_config *config)
{
    BPI_TRY(check_separator(config->separator));
    BPI_TRY(check_columns(config, "targets", config->targets, config->n_targets));
    BPI_TRY(check_columns(config, "ignored", config->ignored, config->n_ignored));
    BPI_TRY(check_targets(config));
    BPI_TRY(check_classes(config));
    BPI_TRY(check_missing(config));
    return bpi_check_allocator(function, config->allocator);
}

/* ---- columns ----------------------------------------------------------------------------------------------------- */

struct column_label {
    char text[96];
};

/* "field 3 ('width')", or without names "field 3". */
static struct column_label label_of(const struct reader *reader, size_t column)
{
    struct column_label label;
    if (reader->config->no_header) {
        (void)snprintf(label.text, sizeof label.text, "field %zu", column + 1);
    } else {
        const struct bpi_csv_field field = bpi_csv_record_field(&reader->header, column);
        (void)snprintf(label.text, sizeof label.text, "field %zu (%s)", column + 1, bpi_quote(field.text, field.n).text);
    }
    return label;
}

/* Where the sentences on columns say that they are: the beginning of the first line. */
static struct bpi_place first_place(const struct reader *reader)
{
    return bpi_csv_record_field(reader->config->no_header ? &reader->record : &reader->header, 0).at;
}

static bp_status unknown_column(const struct reader *reader, const char *list, size_t i, const bp_csv_column *wanted)
{
    if (wanted->name == NULL)
        return bpi_text_fail(reader->text, first_place(reader), BP_ERR_ARGUMENT,
                             "%s[%zu] is column number %zu: expected one of the %zu that there are", list, i,
                             wanted->number, reader->n_columns);
    return bpi_text_fail(reader->text, first_place(reader), BP_ERR_ARGUMENT,
                         "%s[%zu] is %s: expected the name of a column, found %zu others, from %s to %s", list, i,
                         bpi_quote(wanted->name, strlen(wanted->name)).text, reader->n_columns, label_of(reader, 0).text,
                         label_of(reader, reader->n_columns - 1).text);
}

/* Below `from` there is none of that name; n_columns if there is none at all. */
static size_t find_name(const struct reader *reader, const char *name, size_t from)
{
    size_t column = from;
    while (column < reader->n_columns && strcmp(bpi_csv_record_field(&reader->header, column).text, name) != 0)
        column++;
    return column;
}

static bp_status find_column(const struct reader *reader, const char *list, size_t i, const bp_csv_column *wanted,
                             size_t *column)
{
    *column = wanted->name == NULL ? wanted->number - 1 : find_name(reader, wanted->name, 0);
    if (*column >= reader->n_columns)
        return unknown_column(reader, list, i, wanted);
    const size_t another = wanted->name == NULL ? reader->n_columns : find_name(reader, wanted->name, *column + 1);
    if (another < reader->n_columns)
        return bpi_text_fail(reader->text, bpi_csv_record_field(&reader->header, another).at, BP_ERR_ARGUMENT,
                             "%s[%zu]: expected one column of that name, found %s and %s", list, i,
                             label_of(reader, *column).text, label_of(reader, another).text);
    return BP_OK;
}

static bp_status assign(struct reader *reader, const char *list, size_t i, const bp_csv_column *wanted, size_t slot)
{
    size_t column;
    BPI_TRY(find_column(reader, list, i, wanted, &column));
    if (reader->slots[column] != SLOT_UNASSIGNED)
        return bpi_text_fail(reader->text, first_place(reader), BP_ERR_ARGUMENT,
                             "%s[%zu]: expected a column that is not yet a target or ignored, found %s again", list, i,
                             label_of(reader, column).text);
    reader->slots[column] = slot;
    return BP_OK;
}

static bp_status assign_targets(struct reader *reader)
{
    const bp_csv_config *config = reader->config;
    const bp_csv_column last = { .number = reader->n_columns };
    const bp_csv_column *targets = config->n_targets > 0 ? config->targets : &last;
    reader->n_targets = config->no_targets ? 0 : config->n_targets > 0 ? config->n_targets : 1;
    reader->n_target_values = config->classes ? 0 : reader->n_targets;
    for (size_t i = 0; i < reader->n_targets; i++)
        BPI_TRY(assign(reader, "targets", i, &targets[i], config->classes ? SLOT_CLASS : i));
    return BP_OK;
}

static bp_status no_inputs(const struct reader *reader)
{
    if (reader->n_columns == 1)
        return bpi_text_fail(reader->text, first_place(reader), BP_ERR_SHAPE,
                             "expected inputs and targets, found a single field; is %s what separates fields?",
                             bpi_quote(&reader->separator, 1).text);
    return bpi_text_fail(reader->text, first_place(reader), BP_ERR_SHAPE,
                         "expected columns for the inputs, found all %zu to be targets or ignored", reader->n_columns);
}

static bp_status assign_columns(struct reader *reader)
{
    const bp_csv_config *config = reader->config;
    for (size_t column = 0; column < reader->n_columns; column++)
        reader->slots[column] = SLOT_UNASSIGNED;
    BPI_TRY(assign_targets(reader));
    for (size_t i = 0; i < config->n_ignored; i++)
        BPI_TRY(assign(reader, "ignored", i, &config->ignored[i], SLOT_IGNORED));

    for (size_t column = 0; column < reader->n_columns; column++)
        if (reader->slots[column] == SLOT_UNASSIGNED)
            reader->slots[column] = reader->n_target_values + reader->n_in++;
    if (reader->n_in == 0)
        return no_inputs(reader);
    if (config->missing == BP_CSV_FILL && config->n_fill != reader->n_in)
        return bpi_text_fail(reader->text, first_place(reader), BP_ERR_SHAPE,
                             "n_fill is %zu: expected %zu, one number for each input", config->n_fill, reader->n_in);
    return BP_OK;
}

/* ---- fields ------------------------------------------------------------------------------------------------------ */

static const char *const default_marks[] = { "NA", "N/A", "NaN", "nan", "NULL", "null", "?" };

static bool is_missing(const struct reader *reader, const struct bpi_csv_field *field)
{
    const bool is_default = reader->config->n_missing_marks == 0;
    const size_t n = is_default ? sizeof default_marks / sizeof default_marks[0] : reader->config->n_missing_marks;
    const char *const *marks = is_default ? default_marks : reader->config->missing_marks;
    for (size_t i = 0; i < n; i++)
        if (marks[i][0] == field->text[0] && strcmp(marks[i], field->text) == 0) /* the first test spares most calls */
            return true;
    return field->n == 0;
}

static bp_status refuse_missing(const struct reader *reader, const struct bpi_csv_field *field, size_t column,
                                const char *expected)
{
    return bpi_text_fail(reader->text, field->at, BP_ERR_FORMAT, "%s is missing: expected %s, found %s",
                         label_of(reader, column).text, expected,
                         field->n == 0 ? "nothing" : bpi_quote(field->text, field->n).text);
}

static bp_status read_number(const struct reader *reader, const struct bpi_csv_field *field, size_t column, bp_real *value)
{
    double number;
    const enum bpi_number_kind kind = bpi_number_read(field->text, field->n, BPI_BINARY_REAL, &number);
    if (kind != BPI_NUMBER)
        return bpi_text_refuse_number(reader->text, field->at, label_of(reader, column).text, field->text, field->n, kind);
    *value = (bp_real)number;
    return BP_OK;
}

static bp_status take_number(struct reader *reader, const struct bpi_csv_field *field, size_t column, bp_real *value)
{
    if (!is_missing(reader, field))
        return read_number(reader, field, column, value);
    if (reader->slots[column] < reader->n_target_values)
        return refuse_missing(reader, field, column, "a number, since targets cannot be filled in");
    if (reader->config->missing == BP_CSV_REFUSE)
        return refuse_missing(reader, field, column, "a number");
    *value = (bp_real)NAN;
    reader->n_missing++;
    return BP_OK;
}

/* A mark of what is missing names a class only if class_names has it. */
static bp_status take_class(struct reader *reader, const struct bpi_csv_field *field, size_t column)
{
    const bool missing = is_missing(reader, field), has_names = reader->config->n_classes > 0;
    bool is_known = false;
    if (field->n > 0 && (has_names || !missing))
        BPI_TRY(bpi_class_labels_add(&reader->labels, field->text, field->n, &is_known));
    if (missing && !is_known)
        return refuse_missing(reader, field, column, "the name of a class");
    if (!is_known)
        return bpi_text_fail(reader->text, field->at, BP_ERR_TARGET, "%s: expected one of the %zu class_names, found %s",
                             label_of(reader, column).text, reader->config->n_classes,
                             bpi_quote(field->text, field->n).text);
    return BP_OK;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static bp_status check_count(const struct reader *reader)
{
    const struct bpi_csv_record *record = &reader->record;
    const size_t expected = reader->n_columns, found = record->n_fields;
    if (found == expected)
        return BP_OK;
    const struct bpi_place at = found < expected ? record->end : bpi_csv_record_field(record, expected).at;
    return bpi_text_fail(reader->text, at, BP_ERR_FORMAT, "expected %zu field%s, as the first line has, found %zu",
                         expected, expected == 1 ? "" : "s", found);
}

static bp_status take_field(struct reader *reader, size_t column, bp_real *values)
{
    const struct bpi_csv_field field = bpi_csv_record_field(&reader->record, column);
    const size_t slot = reader->slots[column];
    if (slot == SLOT_IGNORED)
        return BP_OK;
    return slot == SLOT_CLASS ? take_class(reader, &field, column) : take_number(reader, &field, column, &values[slot]);
}

/* The line at hand. */
static bp_status take_row(struct reader *reader)
{
    const size_t size = (reader->n_target_values + reader->n_in) * sizeof(bp_real);
    BPI_TRY(check_count(reader));
    BPI_TRY(bpi_growing_reserve(&reader->values, &reader->allocator, reader->name, size));
    bp_real *values = (bp_real *)((char *)reader->values.data + reader->values.n);
    for (size_t column = 0; column < reader->n_columns; column++)
        BPI_TRY(take_field(reader, column, values));
    reader->values.n += size;
    reader->rows++;
    return BP_OK;
}

/* The names, if there are any, and what each column is for. The line at hand is the first one. */
static bp_status take_first_line(struct reader *reader)
{
    reader->n_columns = reader->record.n_fields;
    reader->slots = bpi_allocate(&reader->allocator, reader->n_columns * sizeof reader->slots[0]);
    if (reader->slots == NULL)
        return bpi_fail(BP_ERR_MEMORY, "%s: no memory for %zu columns", reader->name, reader->n_columns);
    if (reader->config->no_header) {
        BPI_TRY(assign_columns(reader));
        return take_row(reader);
    }
    reader->header = reader->record;
    reader->record = (struct bpi_csv_record){ 0 };
    return assign_columns(reader);
}

static bp_status no_rows(const struct reader *reader)
{
    return bpi_text_fail(reader->text, reader->text->at, BP_ERR_FORMAT, "expected %s, found the end",
                         reader->n_columns > 0       ? "rows behind the names of the columns"
                         : reader->config->no_header ? "rows"
                                                     : "the names of the columns");
}

static bp_status read_rows(struct reader *reader)
{
    bool found;
    BPI_TRY(bpi_csv_record_read(&reader->record, reader->text, reader->separator, &found));
    if (found)
        BPI_TRY(take_first_line(reader));
    while (found) {
        BPI_TRY(bpi_csv_record_read(&reader->record, reader->text, reader->separator, &found));
        if (found)
            BPI_TRY(take_row(reader));
    }
    return reader->rows > 0 ? BP_OK : no_rows(reader);
}

/* ---- the result: checked first, then planned, then placed --------------------------------------------------------- */

static bp_status number_classes(struct reader *reader)
{
    if (!reader->config->classes)
        return BP_OK;
    BPI_TRY(bpi_class_labels_number(&reader->labels));
    if (reader->labels.n_classes > BP_CSV_MAX_CLASSES)
        return bpi_text_fail(reader->text, reader->text->at, BP_ERR_TOO_LARGE,
                             "expected at most %d classes up to here, found %zu; does the column name classes?",
                             BP_CSV_MAX_CLASSES, reader->labels.n_classes);
    return BP_OK;
}

/* Element i of each row's values, from row to row. */
static const bp_real *value_at(const struct reader *reader, size_t row, size_t i)
{
    return (const bp_real *)reader->values.data + row * (reader->n_target_values + reader->n_in) + i;
}

static bool has_number(const struct reader *reader, size_t slot)
{
    size_t row = 0;
    while (row < reader->rows && isnan(*value_at(reader, row, slot)))
        row++;
    return row < reader->rows;
}

static bp_status check_means(const struct reader *reader)
{
    if (reader->config->missing != BP_CSV_MEAN)
        return BP_OK;
    for (size_t column = 0; column < reader->n_columns; column++) {
        const size_t slot = reader->slots[column];
        if (slot < SLOT_CLASS && slot >= reader->n_target_values && !has_number(reader, slot))
            return bpi_text_fail(reader->text, reader->text->at, BP_ERR_FORMAT,
                                 "%s: expected a number up to here to take the mean of, found none",
                                 label_of(reader, column).text);
    }
    return BP_OK;
}

/* Offsets of the arrays of the object in its block. */
struct layout {
    size_t X, T, labels, fill, input_names, target_names, class_names, characters;
    size_t n_input_names, n_target_names;
    size_t n_fill;
};

/* Characters of the names of all columns, which are more than those of inputs and targets by those that are ignored. */
static void plan_arrays(const struct reader *reader, struct layout *at, struct bpi_plan *plan)
{
    const bool has_names = !reader->config->no_header;
    const size_t rows = reader->rows;
    at->n_input_names = has_names ? reader->n_in : 0;
    at->n_target_names = has_names ? reader->n_targets : 0;
    at->n_fill = reader->config->missing != BP_CSV_REFUSE ? reader->n_in : 0;

    at->X = bpi_plan_matrix(plan, rows, reader->n_in, sizeof(bp_real));
    at->T = bpi_plan_matrix(plan, rows, reader->n_target_values, sizeof(bp_real));
    at->labels = bpi_plan_array(plan, reader->config->classes ? rows : 0, sizeof(int32_t));
    at->fill = bpi_plan_array(plan, at->n_fill, sizeof(bp_real));
    at->input_names = bpi_plan_array(plan, at->n_input_names, sizeof(char *));
    at->target_names = bpi_plan_array(plan, at->n_target_names, sizeof(char *));
    at->class_names = bpi_plan_array(plan, reader->labels.n_classes, sizeof(char *));
    at->characters = bpi_plan_array(plan, reader->header.characters.n + reader->labels.n_characters, 1);
}

static void *place(void *block, size_t offset, size_t n)
{
    return n > 0 ? bpi_place(block, offset) : NULL;
}

static void place_arrays(bp_csv *csv, const struct reader *reader, const struct layout *at)
{
    csv->rows = reader->rows;
    csv->n_in = reader->n_in;
    csv->n_targets = reader->n_targets;
    csv->n_classes = reader->labels.n_classes;
    csv->n_missing = reader->n_missing;

    csv->X = bpi_place(csv->block, at->X);
    csv->T = place(csv->block, at->T, reader->n_target_values);
    csv->labels = place(csv->block, at->labels, csv->n_classes);
    csv->fill = place(csv->block, at->fill, at->n_fill);
    csv->input_names = place(csv->block, at->input_names, at->n_input_names);
    csv->target_names = place(csv->block, at->target_names, at->n_target_names);
    csv->class_names = place(csv->block, at->class_names, csv->n_classes);
}

static void copy_values(bp_csv *csv, const struct reader *reader)
{
    for (size_t row = 0; row < csv->rows; row++) {
        const size_t n_targets = reader->n_target_values;
        memcpy(csv->X + row * csv->n_in, value_at(reader, row, n_targets), csv->n_in * sizeof(bp_real));
        if (n_targets > 0)
            memcpy(csv->T + row * n_targets, value_at(reader, row, 0), n_targets * sizeof(bp_real));
    }
}

/* The mean of what is there in column j of X, of which there is something. In steps, so that no sum overflows. */
static bp_real mean_of(const bp_csv *csv, size_t j)
{
    double mean = 0, n = 0;
    for (size_t row = 0; row < csv->rows; row++) {
        const double x = (double)csv->X[row * csv->n_in + j];
        if (isnan(x))
            continue;
        n += 1;
        mean += x / n - mean / n;
    }
    return (bp_real)mean;
}

static void fill_missing(bp_csv *csv, const bp_csv_config *config)
{
    for (size_t j = 0; j < csv->n_in && csv->fill != NULL; j++) {
        csv->fill[j] = config->missing == BP_CSV_MEAN       ? mean_of(csv, j)
                       : config->missing == BP_CSV_CONSTANT ? config->constant
                                                            : config->fill[j];
        for (size_t row = 0; row < csv->rows; row++)
            if (isnan(csv->X[row * csv->n_in + j]))
                csv->X[row * csv->n_in + j] = csv->fill[j];
    }
}

/* The pointer that is to have the name of a column; NULL for those that are ignored. */
static const char **name_of_column(const bp_csv *csv, const struct reader *reader, size_t column)
{
    const size_t slot = reader->slots[column];
    if (slot == SLOT_IGNORED)
        return NULL;
    if (slot == SLOT_CLASS)
        return &csv->target_names[0];
    return slot < reader->n_target_values ? &csv->target_names[slot] : &csv->input_names[slot - reader->n_target_values];
}

/* Returns where other texts may go. */
static char *copy_column_names(const bp_csv *csv, const struct reader *reader, char *characters)
{
    const struct bpi_csv_record *header = &reader->header;
    for (size_t column = 0; column < header->n_fields; column++) {
        const char **name = name_of_column(csv, reader, column);
        if (name != NULL)
            *name = characters + (bpi_csv_record_field(header, column).text - (const char *)header->characters.data);
    }
    if (header->characters.n > 0)
        memcpy(characters, header->characters.data, header->characters.n);
    return characters + header->characters.n;
}

static void set_dataset(bp_csv *csv)
{
    csv->data.rows = csv->rows;
    csv->data.n_in = csv->n_in;
    csv->data.n_out = csv->labels != NULL ? csv->n_classes : csv->n_targets;
    csv->data.X.data = csv->X;
    csv->data.T.data = csv->T;
    csv->data.labels = (bp_view){ .data = csv->labels, .element = BP_I32 };
}

static bp_status make_csv(bp_csv *csv, struct reader *reader)
{
    struct bpi_plan plan = { 0 };
    struct layout at;
    BPI_TRY(number_classes(reader));
    BPI_TRY(check_means(reader));
    plan_arrays(reader, &at, &plan);
    BPI_TRY(bpi_plan_allocate(&plan, reader->name, &reader->allocator, &csv->block));

    csv->allocator = reader->allocator;
    place_arrays(csv, reader, &at);
    copy_values(csv, reader);
    fill_missing(csv, reader->config);
    char *characters = copy_column_names(csv, reader, bpi_place(csv->block, at.characters));
    if (csv->labels != NULL)
        bpi_class_labels_place(&reader->labels, csv->labels, csv->class_names, characters);
    set_dataset(csv);
    return BP_OK;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bp_status read_all(bp_csv *csv, struct reader *reader)
{
    BPI_TRY(bpi_class_labels_init(&reader->labels, &reader->allocator, reader->name, reader->config->class_names,
                                  reader->config->n_classes));
    BPI_TRY(read_rows(reader));
    return make_csv(csv, reader);
}

static void release(struct reader *reader)
{
    bpi_csv_record_release(&reader->header, &reader->allocator);
    bpi_csv_record_release(&reader->record, &reader->allocator);
    bpi_release(&reader->allocator, reader->slots);
    bpi_growing_release(&reader->values, &reader->allocator);
    bpi_class_labels_release(&reader->labels);
}

static bp_status read_and_close(bp_csv *csv, struct bpi_source *source, const bp_csv_config *config)
{
    struct bpi_text text;
    struct reader reader = { .config = config, .text = &text, .allocator = source->allocator, .name = source->name };
    reader.separator = config->separator != '\0' ? config->separator : ',';
    bpi_text_open(&text, source);
    const bp_status status = read_all(csv, &reader);
    release(&reader);
    bpi_source_close(source);
    return status;
}

static const bp_csv_config defaults = { 0 };

bp_status bp_csv_read(bp_csv *csv, const char *path, const bp_csv_config *config)
{
    const bp_csv_config *settings = config != NULL ? config : &defaults;
    BPI_NOT_NULL(csv);
    *csv = (bp_csv){ 0 };
    BPI_NOT_NULL(path);
    BPI_TRY(check_config(__func__, settings));

    struct bpi_source source;
    BPI_TRY(bpi_source_open_path(&source, path, settings->allocator));
    return read_and_close(csv, &source, settings);
}

bp_status bp_csv_read_memory(bp_csv *csv, const void *bytes, size_t size, const bp_csv_config *config)
{
    const bp_csv_config *settings = config != NULL ? config : &defaults;
    BPI_NOT_NULL(csv);
    *csv = (bp_csv){ 0 };
    BPI_NOT_NULL(bytes);
    BPI_TRY(check_config(__func__, settings));

    struct bpi_source source;
    BPI_TRY(bpi_source_open_memory(&source, bytes, size, settings->allocator));
    return read_and_close(csv, &source, settings);
}

void bp_csv_free(bp_csv *csv)
{
    if (csv == NULL)
        return;
    bpi_release(&csv->allocator, csv->block);
    *csv = (bp_csv){ 0 };
}
