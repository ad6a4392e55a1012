// SPDX-License-Identifier: MIT
/*
 * The subset of JSON (RFC 8259) that the headers of safetensors need: objects with string keys, strings, arrays, and whole
 * numbers from 0 on. Its users ask for what must come next, so depth is theirs, and nothing here takes memory.
 *
 * Strict where JSON libraries differ: text is UTF-8 without surrogates standing alone and without U+0000, numbers have no
 * leading zeros and fit 64 bits, nothing may follow a last comma.
 */
#ifndef BPI_STORE_JSON_H
#define BPI_STORE_JSON_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/status.h"
#include "store/writer.h"

/** A text that is being read. Owns nothing. */
struct bpi_json {
    const char *name; /**< of the file, for sentences */
    const char *text; /**< n bytes */
    size_t n;
    size_t at; /**< the next byte */
};

/** A string that was read and found right: n bytes between the quotes, escapes as they stand. */
struct bpi_json_string {
    const char *raw;
    size_t n;
};

/* ---- Reading --------------------------------------------------------------------------------------------------------- */
/* All return BP_OK, or BP_ERR_FORMAT with file, byte, what was expected and found. */

/** Skips blanks and reads one character of punctuation. */
bp_status bpi_json_punctuation(struct bpi_json *json, char expected);

/** Reads a string. */
bp_status bpi_json_string(struct bpi_json *json, struct bpi_json_string *string);

/** Reads a whole number from 0 to 2^64 - 1. */
bp_status bpi_json_u64(struct bpi_json *json, uint64_t *value);

/**
 * Goes on in an object or array that has been opened: reads its end, or the comma before a further member.
 *
 * @param close  '}' or ']'
 * @param n      members read so far
 * @param more   receives whether there is another member
 */
bp_status bpi_json_next(struct bpi_json *json, char close, size_t n, bool *more);

/** Reads a member's key and the colon behind it. */
bp_status bpi_json_key(struct bpi_json *json, struct bpi_json_string *key);

/** Skips blanks; whether nothing else is left. */
bool bpi_json_at_end(struct bpi_json *json);

/** Fails with the place that is being read. */
bp_status bpi_json_fail(const struct bpi_json *json, const char *expected);

/* ---- What strings mean ----------------------------------------------------------------------------------------------- */
/* A string ends at n bytes or at an unescaped quote, whichever comes first: who has not looked for its end may leave it open. */

/** The UTF-8 of the character at *at, which moves on: 1 to 4 bytes, their number returned; 0 at the end. */
size_t bpi_json_character(const struct bpi_json_string *string, size_t *at, char utf8[4]);

/** Bytes of the text that a string means. */
size_t bpi_json_length(const struct bpi_json_string *string);

/** Copies that text, with a NUL behind it; returns the place behind the NUL. */
char *bpi_json_copy(const struct bpi_json_string *string, char *to);

/** As strcmp() of what they mean. */
int bpi_json_compare(const struct bpi_json_string *a, const struct bpi_json_string *b);

/** As strcmp() of what the string means and a text. */
int bpi_json_compare_text(const struct bpi_json_string *string, const char *text);

/** Whether it means `text`; whether what it means begins with `text`. */
bool bpi_json_equals(const struct bpi_json_string *string, const char *text);
bool bpi_json_begins(const struct bpi_json_string *string, const char *text);

/* ---- Writing --------------------------------------------------------------------------------------------------------- */

/** Writes UTF-8 as a string with its quotes; only what must be escaped is. */
void bpi_json_put_string(struct bpi_writer *writer, const char *text);

#endif
