// SPDX-License-Identifier: MIT
/*
 * Numbers as text and back, the same in every locale: the point is a point, and nothing of libc's is asked.
 *
 * Text is read as the nearest number of the format, of two equally near ones the even one (IEEE 754, section 5.12), however
 * many digits it has; numbers are written with the fewest digits that read back as the same number, at most 17 for
 * BPI_BINARY64 and 9 for BPI_BINARY32, and of those the nearest (Burger and Dybvig: "Printing Floating-Point Numbers
 * Quickly and Accurately", PLDI 1996).
 *
 * Short numbers are read by one multiplication or division of doubles (Clinger: "How to Read Floating Point Numbers
 * Accurately", PLDI 1990), which is right while the processor rounds to nearest, as it does when a program begins. All
 * others are read, and all are written, in whole numbers. Both take time linear in the digits.
 */
#ifndef BPI_STORE_NUMBER_H
#define BPI_STORE_NUMBER_H

#include "base/real.h"

#include <stddef.h>

/** What a number is rounded to. A double holds the values of both. */
enum bpi_number_format {
    BPI_BINARY64, /**< double */
    BPI_BINARY32, /**< float */
#ifdef BACKPROP_SINGLE
    BPI_BINARY_REAL = BPI_BINARY32
#else
    BPI_BINARY_REAL = BPI_BINARY64 /**< bp_real */
#endif
};

/** What a text turned out to be. */
enum bpi_number_kind {
    BPI_NUMBER,           /**< a finite number: of the format, or one so small that it became 0 or subnormal */
    BPI_NUMBER_TOO_LARGE, /**< one that rounds to more than the largest of the format */
    BPI_NUMBER_NONFINITE, /**< "inf", "infinity" or "nan", in upper or lower case, with or without a sign */
    BPI_NUMBER_NONE       /**< something else */
};

/**
 * Reads a number that takes up all of the text: an optional sign; digits, among, before or behind them at most one point;
 * optionally e or E, an optional sign, and digits. No blanks, no hexadecimal digits, no separators of thousands.
 *
 * @param text   n bytes, that need not end with a NUL
 * @param value  receives the number, -0 for negative ones that round to 0; unchanged unless it is BPI_NUMBER
 */
enum bpi_number_kind bpi_number_read(const char *text, size_t n, enum bpi_number_format format, double *value);

#define BPI_NUMBER_SIZE 32 /**< bytes that any number takes as text, its NUL among them */

/**
 * Writes a finite number, for example "0.1", "-3", "1e-7". From 1e16 on and below 1e-4 it has an exponent.
 *
 * @param value  finite, and of the format: a float for BPI_BINARY32
 * @return the characters before the NUL
 */
size_t bpi_number_write(double value, enum bpi_number_format format, char text[BPI_NUMBER_SIZE]);

#endif
