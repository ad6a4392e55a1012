// SPDX-License-Identifier: MIT
/*
 * e^x and what stands on it as text of a C program: what src/math/kernel_functions.h computes, in C99 without libm.
 */
#ifndef BPI_MODEL_EXPORT_C_MATH_H
#define BPI_MODEL_EXPORT_C_MATH_H

#include "base/real.h"

#include "model/export_c_text.h"

/** Functions that a program may need, as bits of a set. */
enum bpi_c_need {
    BPI_C_AT_MOST = 1 << 0,           /**< $_at_most(x, limit) for limit >= 0 */
    BPI_C_BY_SIGN = 1 << 1,           /**< $_by_sign(x, if_negative, if_not) */
    BPI_C_SHARE = 1 << 2,             /**< $_share(x, s), x s for s >= 0, but 0 where s is 0 */
    BPI_C_EXP = 1 << 3,               /**< $_exp(x), e^x for x <= 0 */
    BPI_C_EXPM1 = 1 << 4,             /**< $_expm1(x), e^x - 1 for x <= 0 */
    BPI_C_LOG1P = 1 << 5,             /**< $_log1p(x), log(1 + x) for x from 0 to 1 */
    BPI_C_LOGISTIC = 1 << 6,          /**< $_logistic(x), 1 / (1 + e^-x) */
    BPI_C_TANH = 1 << 7,              /**< $_tanh(x) */
    BPI_C_LIBM = 1 << 8,              /**< functions of libm by their own names */
    BPI_C_BY_LIBM = 1 << 9,           /**< libm does for all of the above */
    BPI_C_LOGISTIC_OF_MINUS = 1 << 10 /**< $_logistic_of_minus(x), 1 / (1 + e^x), by libm */
};

/** Writes the #include lines for a set of needs, ... */
void bpi_c_write_includes(const struct bpi_c_text *text, unsigned needs);

/** ... and the functions, but for libm's. */
void bpi_c_write_math(const struct bpi_c_text *text, unsigned needs);

#endif
