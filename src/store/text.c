// SPDX-License-Identifier: MIT
/*
 * Characters with their places. What they mean is for the readers of the formats.
 */
#include "store/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- characters -------------------------------------------------------------------------------------------------- */

/* The next byte, or BPI_TEXT_END. */
static int take_byte(struct bpi_text *text)
{
    if (text->i_byte == text->n_bytes) {
        text->i_byte = text->n_bytes = 0;
        if (text->status == BP_OK)
            text->status = bpi_source_read(text->source, text->bytes, sizeof text->bytes, &text->n_bytes);
        if (text->n_bytes == 0)
            return BPI_TEXT_END;
    }
    return text->bytes[text->i_byte++];
}

static void refuse_nul(struct bpi_text *text)
{
    text->status = bpi_text_fail(text, text->at, BP_ERR_FORMAT,
                                 "found a NUL byte: expected text in UTF-8 or another code without them");
    text->next = BPI_TEXT_END;
    text->i_byte = text->n_bytes = 0;
}

/* Bytes of UTF-8 behind the first of a character. */
static bool continues_character(int byte)
{
    return byte >= 0x80 && byte < 0xC0;
}

static void move_place(struct bpi_text *text, int passed)
{
    if (passed == '\n')
        text->at = (struct bpi_place){ text->at.line + 1, 1 };
    else if (!continues_character(text->next))
        text->at.column++;
}

void bpi_text_advance(struct bpi_text *text)
{
    const int passed = text->next;
    if (passed == BPI_TEXT_END)
        return;
    int byte = take_byte(text);
    if (byte == '\n' && text->after_cr)
        byte = take_byte(text);
    text->after_cr = byte == '\r';
    text->next = byte == '\r' ? '\n' : byte;
    move_place(text, passed);
    if (text->next == '\0')
        refuse_nul(text);
}

void bpi_text_open(struct bpi_text *text, struct bpi_source *source)
{
    text->source = source;
    text->status = bpi_source_read(source, text->bytes, sizeof text->bytes, &text->n_bytes);
    if (text->status != BP_OK)
        text->n_bytes = 0;
    const bool has_mark = text->n_bytes >= 3 && memcmp(text->bytes, "\xEF\xBB\xBF", 3) == 0;
    text->i_byte = has_mark ? 3 : 0;
    text->after_cr = false;
    text->at = (struct bpi_place){ 0, 0 };
    text->next = '\n'; /* of a line 0: the first character is the one behind it */
    bpi_text_advance(text);
}

/* ---- sentences --------------------------------------------------------------------------------------------------- */

bp_status bpi_text_fail(const struct bpi_text *text, struct bpi_place at, bp_status status, const char *format, ...)
{
    char sentence[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return bpi_fail(status, "%s: line %zu, column %zu: %s", text->source->name, at.line, at.column, sentence);
}

/* The ways to write a printable character (Unicode, table 3-7): its first byte, its second, and how many they are. */
static const struct {
    unsigned char first_min, first_max, second_min, second_max;
    size_t n;
} characters[] = {
    { 0x20, 0x7E, 0x00, 0xFF, 1 }, /* ASCII */
    { 0xC2, 0xC2, 0xA0, 0xBF, 2 }, /* below U+00A0 are control characters */
    { 0xC3, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 }, { 0xE1, 0xEC, 0x80, 0xBF, 3 },
    { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 }, { 0xF0, 0xF0, 0x90, 0xBF, 4 },
    { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
};

static bool has_continuations(const unsigned char *bytes, size_t from, size_t n)
{
    for (size_t i = from; i < n; i++)
        if (!continues_character(bytes[i]))
            return false;
    return true;
}

/* Length of the printable character that the n bytes begin with; 0 if they do not. */
static size_t printable_length(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < sizeof characters / sizeof characters[0]; i++) {
        if (bytes[0] < characters[i].first_min || bytes[0] > characters[i].first_max || n < characters[i].n)
            continue;
        if (characters[i].n == 1)
            return 1;
        const bool second_fits = bytes[1] >= characters[i].second_min && bytes[1] <= characters[i].second_max;
        return second_fits && has_continuations(bytes, 2, characters[i].n) ? characters[i].n : 0;
    }
    return 0;
}

#define MAX_SHOWN 40 /* bytes between the quotes */

struct bpi_quote bpi_quote(const char *text, size_t n)
{
    static const char hexadecimal[] = "0123456789ABCDEF";
    struct bpi_quote quote = { "'" };
    size_t done = 0, n_shown = 1;
    while (done < n) {
        const unsigned char *next = (const unsigned char *)text + done;
        const size_t length = printable_length(next, n - done);
        const char escape[4] = { '\\', 'x', hexadecimal[*next / 16], hexadecimal[*next % 16] };
        const size_t n_shows = length > 0 ? length : sizeof escape;
        if (n_shown + n_shows > 1 + MAX_SHOWN)
            break;
        memcpy(quote.text + n_shown, length > 0 ? (const char *)next : escape, n_shows);
        n_shown += n_shows;
        done += length > 0 ? length : 1;
    }
    (void)snprintf(quote.text + n_shown, sizeof quote.text - n_shown, "%s'", done < n ? "..." : "");
    return quote;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static const struct {
    bp_status status;
    const char *expected;
} number_failures[] = {
    [BPI_NUMBER_TOO_LARGE] = { BP_ERR_NONFINITE, "a number that is not too large" },
    [BPI_NUMBER_NONFINITE] = { BP_ERR_NONFINITE, "a finite number" },
    [BPI_NUMBER_NONE] = { BP_ERR_FORMAT, "a number" },
};

bp_status bpi_text_refuse_number(const struct bpi_text *text, struct bpi_place at, const char *what, const char *number,
                                 size_t n, enum bpi_number_kind kind)
{
    return bpi_text_fail(text, at, number_failures[kind].status, "%s: expected %s, found %s", what,
                         number_failures[kind].expected, bpi_quote(number, n).text);
}
