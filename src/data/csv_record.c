// SPDX-License-Identifier: MIT
/*
 * Fields and lines of CSV (RFC 4180, and what is common beyond it: see csv.h).
 *
 *   line    = field *(separator field) end-of-line
 *   field   = blanks [quoted / plain] blanks
 *   quoted  = '"' *(any character but '"', or '""') '"'
 *   plain   = *(any character but '"', the separator and an end of line)
 */
#include "data/csv_record.h"

#include "base/memory.h"
#include "base/status.h"
#include "backprop/csv.h"

static bp_status append_character(struct bpi_csv_record *record, const struct bpi_text *text, int character)
{
    struct bpi_growing *characters = &record->characters;
    if (characters->n == characters->capacity)
        BPI_TRY(bpi_growing_reserve(characters, &text->source->allocator, text->source->name, 1));
    ((char *)characters->data)[characters->n++] = (char)character;
    return BP_OK;
}

/* Takes the character at hand into the field. */
static bp_status take_character(struct bpi_csv_record *record, struct bpi_text *text)
{
    const int character = text->next;
    bpi_text_advance(text);
    return append_character(record, text, character);
}

static bp_status begin_field(struct bpi_csv_record *record, const struct bpi_text *text)
{
    const struct bpi_csv_start start = { record->characters.n, text->at };
    if (record->n_fields == BP_CSV_MAX_COLUMNS)
        return bpi_text_fail(text, text->at, BP_ERR_TOO_LARGE, "expected at most %d fields, found more",
                             BP_CSV_MAX_COLUMNS);
    BPI_TRY(bpi_growing_reserve(&record->starts, &text->source->allocator, text->source->name, sizeof start));
    ((struct bpi_csv_start *)record->starts.data)[record->n_fields++] = start;
    record->starts.n += sizeof start;
    return BP_OK;
}

/* ---- fields ------------------------------------------------------------------------------------------------------ */

static bool is_blank(int character, char separator)
{
    return (character == ' ' || character == '\t') && character != separator;
}

static bool ends_field(int character, char separator)
{
    return character == separator || character == '\n' || character == BPI_TEXT_END;
}

static void skip_blanks(struct bpi_text *text, char separator)
{
    while (is_blank(text->next, separator))
        bpi_text_advance(text);
}

static struct bpi_quote quote_character(int character)
{
    const char shown = (char)character;
    return bpi_quote(&shown, 1);
}

static bp_status unterminated(const struct bpi_text *text, struct bpi_place opening)
{
    if (text->status != BP_OK)
        return text->status;
    return bpi_text_fail(
        text, opening, BP_ERR_FORMAT,
        "the quote that opens here is never closed: expected another before the end, at line %zu, column %zu",
        text->at.line, text->at.column);
}

/* From the opening quote, which is at hand, to behind the closing one. */
static bp_status read_quoted(struct bpi_csv_record *record, struct bpi_text *text)
{
    const struct bpi_place opening = text->at;
    record->has_quotes = true;
    bpi_text_advance(text);
    for (;;) {
        if (text->next == BPI_TEXT_END)
            return unterminated(text, opening);
        if (text->next == '"') {
            bpi_text_advance(text);
            if (text->next != '"')
                return BP_OK;
        }
        BPI_TRY(take_character(record, text));
    }
}

static bp_status read_plain(struct bpi_csv_record *record, struct bpi_text *text, char separator)
{
    const size_t start = record->characters.n;
    while (!ends_field(text->next, separator) && text->next != '"')
        BPI_TRY(take_character(record, text));
    if (text->next == '"')
        return bpi_text_fail(text, text->at, BP_ERR_FORMAT,
                             "found a quote inside a field that does not begin with one: expected it doubled, in quotes");
    const char *characters = record->characters.data;
    while (record->characters.n > start && is_blank(characters[record->characters.n - 1], separator))
        record->characters.n--;
    return BP_OK;
}

/* Up to the separator or the end of line behind it, which is left at hand. */
static bp_status read_field(struct bpi_csv_record *record, struct bpi_text *text, char separator)
{
    skip_blanks(text, separator);
    BPI_TRY(begin_field(record, text));
    if (text->next == '"')
        BPI_TRY(read_quoted(record, text));
    else
        BPI_TRY(read_plain(record, text, separator));
    skip_blanks(text, separator);
    if (!ends_field(text->next, separator))
        return bpi_text_fail(text, text->at, BP_ERR_FORMAT,
                             "behind the quote that closes a field: expected %s or the end of the line, found %s",
                             quote_character(separator).text, quote_character(text->next).text);
    return append_character(record, text, '\0');
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static void clear(struct bpi_csv_record *record)
{
    record->characters.n = 0;
    record->starts.n = 0;
    record->n_fields = 0;
    record->has_quotes = false;
}

static bool is_blank_line(const struct bpi_csv_record *record)
{
    return record->n_fields == 1 && !record->has_quotes && record->characters.n == 1; /* the NUL */
}

/* A line, blank or not, and its end. */
static bp_status read_line(struct bpi_csv_record *record, struct bpi_text *text, char separator)
{
    clear(record);
    BPI_TRY(read_field(record, text, separator));
    while (text->next == separator) {
        bpi_text_advance(text);
        BPI_TRY(read_field(record, text, separator));
    }
    record->end = text->at;
    bpi_text_advance(text);
    return text->status;
}

bp_status bpi_csv_record_read(struct bpi_csv_record *record, struct bpi_text *text, char separator, bool *found)
{
    struct bpi_place blank = { 0, 0 }; /* of the first blank line */
    *found = false;
    while (text->next != BPI_TEXT_END && !*found) {
        const struct bpi_place start = text->at;
        BPI_TRY(read_line(record, text, separator));
        *found = !is_blank_line(record);
        if (!*found && blank.line == 0)
            blank = start;
    }
    if (*found && blank.line != 0)
        return bpi_text_fail(text, blank, BP_ERR_FORMAT,
                             "a blank line: expected such only at the end, found line %zu behind it",
                             bpi_csv_record_field(record, 0).at.line);
    return text->status;
}

struct bpi_csv_field bpi_csv_record_field(const struct bpi_csv_record *record, size_t i)
{
    const struct bpi_csv_start *starts = record->starts.data;
    const size_t end = i + 1 < record->n_fields ? starts[i + 1].character : record->characters.n;
    const size_t n = end - starts[i].character - 1;
    return (struct bpi_csv_field){ (const char *)record->characters.data + starts[i].character, n, starts[i].at };
}

void bpi_csv_record_release(struct bpi_csv_record *record, const bp_allocator *allocator)
{
    bpi_growing_release(&record->characters, allocator);
    bpi_growing_release(&record->starts, allocator);
    *record = (struct bpi_csv_record){ 0 };
}
