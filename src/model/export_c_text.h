// SPDX-License-Identifier: MIT
/*
 * C source as text: templates, numbers, strings and comments, and which names are good ones. Plain ASCII in every locale.
 */
#ifndef BPI_MODEL_EXPORT_C_TEXT_H
#define BPI_MODEL_EXPORT_C_TEXT_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/status.h"
#include "store/writer.h"

#define BPI_C_PREFIX_SIZE 65 /**< of the longest prefix, its NUL included */

/** A file in the making, and what is the same in all of it. */
struct bpi_c_text {
    struct bpi_writer *out;
    const char *prefix;
    char capitals[BPI_C_PREFIX_SIZE]; /**< the prefix for macros */
    bool single;                      /**< numbers are float, else double */
};

/** Refuses what cannot begin the names and be the name of the files. */
bp_status bpi_c_check_prefix(const char *function, const char *prefix);

/** A text for that writer. */
struct bpi_c_text bpi_c_begin(struct bpi_writer *out, const char *prefix, bool single);

/**
 * Writes a template: $ stands for the prefix, & for the prefix in capitals, ~ for the number type, @ for the suffix of its literals
 * and functions ("f" or nothing), ` for how many bits it has, % for the next of the further arguments, size_t each. Behind a
 * backslash a character stands for itself.
 */
void bpi_c_print(const struct bpi_c_text *text, const char *template, ...);

/** The value as float, rounded once, if `single`; else as it is. */
double bpi_c_rounded(bool single, double value);

/** Writes a finite number exactly, as a hexadecimal literal; rounded to the number type before. */
void bpi_c_number(const struct bpi_c_text *text, double value);

/** Writes number k of an array, beginning a new line where it is time. */
void bpi_c_element(const struct bpi_c_text *text, size_t k, double value);

/** Writes UTF-8 as a string literal, or for a comment: in quotes, and such that no string, comment, line or trigraph ends or begins in it. */
void bpi_c_string(const struct bpi_c_text *text, const char *string);
void bpi_c_comment(const struct bpi_c_text *text, const char *string);

#endif
