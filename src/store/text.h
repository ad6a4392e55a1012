// SPDX-License-Identifier: MIT
/*
 * The characters of a source with their places, for formats of lines and fields, and sentences that name the place.
 *
 *   struct bpi_text text;
 *   bpi_text_open(&text, &source);
 *   for (; text.next != BPI_TEXT_END; bpi_text_advance(&text))
 *       take(text.next);
 *   BPI_TRY(text.status);                      -- the bytes ended; or could not be read, or hold a NUL
 *
 * A line ends with LF, CRLF or CR; each comes as '\n'. A byte order mark of UTF-8 before the first character is left out.
 * Bytes that are not UTF-8 come as they are.
 */
#ifndef BPI_STORE_TEXT_H
#define BPI_STORE_TEXT_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/status.h"
#include "base/status.h"
#include "store/number.h"
#include "store/source.h"

/** A place in a text. Both count from 1; columns are characters of UTF-8, a tab is one. */
struct bpi_place {
    size_t line, column;
};

#define BPI_TEXT_END (-1) /**< no character: the text has ended, or failed */
#define BPI_TEXT_CHUNK 4096

/** May be moved, never copied; owns nothing. */
struct bpi_text {
    struct bpi_source *source;
    int next;            /**< the character at hand, 1 .. 255, or BPI_TEXT_END */
    struct bpi_place at; /**< its place; at the end, the one behind the last character */
    bp_status status;    /**< why the text ended */
    bool after_cr;       /**< the character at hand was a CR: a LF behind it is part of the same end of line */
    size_t n_bytes, i_byte;
    unsigned char bytes[BPI_TEXT_CHUNK];
};

/** Brings the first character to hand. `source` is open and must outlive the text. */
void bpi_text_open(struct bpi_text *text, struct bpi_source *source);

/** Brings the next character to hand; at the end, nothing happens. */
void bpi_text_advance(struct bpi_text *text);

/** bpi_fail() with "<name>: line <l>, column <c>: " before the sentence. */
bp_status bpi_text_fail(const struct bpi_text *text, struct bpi_place at, bp_status status, const char *format, ...)
    BPI_PRINTF_LIKE(4, 5);

/** A text as sentences show it. */
struct bpi_quote {
    char text[64];
};

/**
 * 'text' in quotes and fit for a terminal: what is no printable character of ASCII or UTF-8 is shown as \x and two
 * hexadecimal digits, and what goes beyond 40 bytes as an ellipsis.
 */
struct bpi_quote bpi_quote(const char *text, size_t n);

/**
 * Fails for a text that bpi_number_read() did not find to be a finite number.
 *
 * @param what  names the number in the sentence: "field 3 ('width')"
 * @param kind  other than BPI_NUMBER
 * @return BP_ERR_FORMAT if it is no number; BP_ERR_NONFINITE if it is one, but infinite, not a number by name, or too large
 */
bp_status bpi_text_refuse_number(const struct bpi_text *text, struct bpi_place at, const char *what, const char *number,
                                 size_t n, enum bpi_number_kind kind);

#endif
