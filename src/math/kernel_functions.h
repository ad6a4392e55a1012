// SPDX-License-Identifier: MIT
/*
 * e^x, tanh x and what stands on them, for one number, in arithmetic that a compiler can do on many at once: no branch, no
 * table, no call. Included by texts that are compiled once for each instruction set.
 *
 * e^x = 2^k e^r with k the whole number nearest to x / ln 2, so |r| <= ln 2 / 2, and e^r = 1 + r + r^2 Q(r). The
 * coefficients are minimax ones by Remez's exchange, weighted so that what is asked for is small beside the result. Nothing
 * is reassociated, so each number comes out the same wherever in an array it stands.
 */
#ifndef BPI_MATH_KERNEL_FUNCTIONS_H
#define BPI_MATH_KERNEL_FUNCTIONS_H

#include "base/real.h"

#include <stdint.h>
#include <string.h>

/* a b + c in one rounding where the instruction set has that, else in two: each bound holds for both. */
#if defined(__FMA__) && defined(BACKPROP_SINGLE)
#define MULTIPLY_ADD(a, b, c) fmaf(a, b, c)
#elif defined(__FMA__)
#define MULTIPLY_ADD(a, b, c) fma(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

/* ---- What depends on the number type --------------------------------------------------------------------------------- */

/*
 * ROUNDER + k, k whole and small, has k in its last bits, so adding it rounds to whole numbers. To that it adds an
 * exponent's bias, so that shifting by MANTISSA makes 2^k.
 *
 * EXP_LOWEST, EXP_HIGHEST: beyond them e^x is 0 or infinite. MINUS_1_BELOW: there e^x - 1 is -1. TANH_1_ABOVE: there tanh x is 1.
 * SIGMOID_ENDS: beyond it, to both sides, 1 / (1 + e^-x) is 0 or 1.
 */
#ifdef BACKPROP_SINGLE
typedef uint32_t word;
#define SIGN_BIT UINT32_C(0x80000000)
#define MANTISSA 23
#define BIAS 127
#define ROUNDER 0x1.8p23F
#define LOG2_E 0x1.715476p+0F
#define LN2_HIGH 0x1.63p-1F /* so few digits that k times it is exact */
#define LN2_LOW (-0x1.bd0106p-13F)
#define LN2 0x1.62e430p-1F /* the nearest number: enough where k times it is fused and k small */
#define EXP_LOWEST (-104.0F)
#define EXP_HIGHEST 89.0F
#define MINUS_1_BELOW (-20.0F)
#define TANH_1_ABOVE 10.0F
#define SIGMOID_ENDS 104.0F
#else
typedef uint64_t word;
#define SIGN_BIT UINT64_C(0x8000000000000000)
#define MANTISSA 52
#define BIAS 1023
#define ROUNDER 0x1.8p52
#define LOG2_E 0x1.71547652b82fep+0
#define LN2_HIGH 0x1.62e42fee00000p-1
#define LN2_LOW 0x1.a39ef35793c76p-33
#define LN2 0x1.62e42fefa39efp-1
#define EXP_LOWEST (-746.0)
#define EXP_HIGHEST 710.0
#define MINUS_1_BELOW (-40.0)
#define TANH_1_ABOVE 20.0
#define SIGMOID_ENDS 746.0
#endif

static inline word word_of(bp_real x)
{
    word bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline bp_real real_of(word bits)
{
    bp_real x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/*
 * Q(r) = (e^r - 1 - r) / r^2 in two parts, low + rise high with rise = r^2 or r^4, of which none waits for the other. Sums of pairs, not
 * Horner's rule: a chain a third as long.
 */
struct exp_parts {
    bp_real r2, low, rise, high;
};

static inline struct exp_parts exp_parts(bp_real r)
{
    const bp_real r2 = r * r;
#ifdef BACKPROP_SINGLE
    const bp_real c0 = MULTIPLY_ADD(r, 0x1.555556p-3F, 0x1.000000p-1F);
    const bp_real c2 = MULTIPLY_ADD(r, 0x1.111092p-7F, 0x1.5554b4p-5F);
    const bp_real c4 = MULTIPLY_ADD(r, 0x1.a19e4cp-13F, 0x1.6d6facp-10F);
    return (struct exp_parts){ r2, c0, r2, MULTIPLY_ADD(r2, c4, c2) };
#else
    const bp_real r4 = r2 * r2;
    const bp_real c0 = MULTIPLY_ADD(r, 0x1.5555555555559p-3, 0x1.0000000000000p-1);
    const bp_real c2 = MULTIPLY_ADD(r, 0x1.111111110f804p-7, 0x1.555555555555ap-5);
    const bp_real c4 = MULTIPLY_ADD(r, 0x1.a01a01af6a2cfp-13, 0x1.6c16c16c1469dp-10);
    const bp_real c6 = MULTIPLY_ADD(r, 0x1.71ddf971eed3cp-19, 0x1.a01a01b018ce5p-16);
    const bp_real c8 = MULTIPLY_ADD(r, 0x1.af5cec851a989p-26, 0x1.27e4c6d0b86d3p-22);
    const bp_real high = MULTIPLY_ADD(r4, MULTIPLY_ADD(r2, 0x1.1f93b7742ad67p-29, c8), MULTIPLY_ADD(r2, c6, c4));
    return (struct exp_parts){ r2, MULTIPLY_ADD(r2, c2, c0), r4, high };
#endif
}

static inline bp_real exp_rest(bp_real r)
{
    const struct exp_parts q = exp_parts(r);
    return MULTIPLY_ADD(q.rise, q.high, q.low);
}

/* x = k ln 2 + r; r and e^r - 1 - r; and `shifted`, which has k + bias in its last bits. */
struct reduced {
    bp_real r, rest;
    word shifted;
};

static inline struct reduced reduce(bp_real x, bp_real bias)
{
    const bp_real shifted = MULTIPLY_ADD(x, LOG2_E, ROUNDER + bias), k = shifted - (ROUNDER + bias);
    const bp_real r = MULTIPLY_ADD(k, -(LN2_LOW), MULTIPLY_ADD(k, -(LN2_HIGH), x));
    return (struct reduced){ r, r * r * exp_rest(r), word_of(shifted) };
}

static inline bp_real at_least(bp_real low, bp_real x)
{
    return x < low ? low : x; /* in this order a NaN stays */
}

static inline bp_real at_most(bp_real high, bp_real x)
{
    return x > high ? high : x;
}

/* One of two by the sign of x, without a branch, which half of all signs would take the wrong way. */
static inline bp_real by_sign_of(bp_real x, bp_real if_negative, bp_real if_not)
{
    const word mask = (word)0 - (word_of(x) >> (8 * sizeof(word) - 1));
    return real_of((word_of(if_negative) & mask) | (word_of(if_not) & ~mask));
}

/* ---- The functions --------------------------------------------------------------------------------------------------- */

/* e^x for x <= EXP_HIGHEST. 2^k in two factors, so that results below the normal range are rounded once, and those above
 * it overflow. */
static inline bp_real exp_from_below(bp_real x)
{
    const struct reduced is = reduce(at_least(EXP_LOWEST, x), 2 * BIAS);
    const word k = is.shifted & (4 * BIAS + 3), half = k >> 1;
    return ((bp_real)1 + (is.r + is.rest)) * real_of(half << MANTISSA) * real_of((k - half) << MANTISSA);
}

static inline bp_real exp_of(bp_real x)
{
    return exp_from_below(at_most(EXP_HIGHEST, x));
}

/* e^x - 1 for MINUS_1_BELOW <= x <= 2 TANH_1_ABOVE: 2^k (e^r - 1) + (2^k - 1), right to the last digits where it is small. */
static inline bp_real exp_minus_1_of(bp_real x)
{
    const struct reduced is = reduce(x, BIAS);
    const bp_real power = real_of(is.shifted << MANTISSA);
    return power * (is.r + is.rest) + (power - (bp_real)1);
}

/* (tanh r - r) / r^3 for |r| <= 3/8 ln 2, from s = r^2. */
static inline bp_real tanh_rest(bp_real s)
{
#ifdef BACKPROP_SINGLE
    return MULTIPLY_ADD(s, MULTIPLY_ADD(s, -0x1.a3a330p-5F, 0x1.10d942p-3F), -0x1.555506p-2F);
#else
    const bp_real s2 = s * s;
    const bp_real c0 = MULTIPLY_ADD(s, 0x1.11111110f2b82p-3, -0x1.55555555554b1p-2);
    const bp_real c2 = MULTIPLY_ADD(s, 0x1.664f2bae14273p-6, -0x1.ba1ba17d6544ep-5);
    const bp_real c4 = MULTIPLY_ADD(s, 0x1.d4c3eb041736ep-9, -0x1.2266deb594f94p-7);
    return MULTIPLY_ADD(s2, MULTIPLY_ADD(s2, MULTIPLY_ADD(s2, -0x1.56c7e42e72261p-10, c4), c2), c0);
#endif
}

/*
 * tanh |x| with |x| = k ln 2 / 2 + r, p = 2^-k, t = tanh r is (1 - p + (1 + p) t) / (1 + p + (1 - p) t), the tanh of a sum. Of that,
 * 1 - p, which is exact while it is not yet 1, is taken out:
 *
 *     1 - p + p ((3 - p) t - (1 - p)) / (1 + p + (1 - p) t)
 *
 * Where k is 0 that is t itself; elsewhere what is rounded on the way is small beside the result. k is the whole number nearest to
 * 2 |x| / ln 2 - 1/4, so -ln 2 / 8 <= r <= 3/8 ln 2: rounded to the nearest without the 1/4, k would be 1 at 0.18 already, where the sum
 * cancels most of what stands in it. In single precision it is within 1.46 units in the last place, by all floats there are, and in double
 * within 1.62 by 4 10^8 samples.
 *
 * size is |x|, or TANH_1_ABOVE if that is less. A vector has that in an instruction of its own, which compilers do not see here.
 */
static inline bp_real tanh_within(bp_real x, bp_real size)
{
    const bp_real shifted = MULTIPLY_ADD(size, -2 * LOG2_E, (bp_real)0.25) + (ROUNDER + BIAS);
    const bp_real minus_k = shifted - (ROUNDER + BIAS), p = real_of(word_of(shifted) << MANTISSA);
    const bp_real one_minus = (bp_real)1 - p, one_plus = (bp_real)1 + p;
#ifdef __FMA__
    const bp_real r = MULTIPLY_ADD(minus_k, LN2 / 2, size);
#else
    const bp_real r = MULTIPLY_ADD(minus_k, LN2_LOW / 2, MULTIPLY_ADD(minus_k, LN2_HIGH / 2, size));
#endif
    const bp_real s = r * r, t = MULTIPLY_ADD(r * s, tanh_rest(s), r);
    const bp_real numerator = p * MULTIPLY_ADD((bp_real)3 - p, t, -one_minus);
    const bp_real q = one_minus + numerator / MULTIPLY_ADD(one_minus, t, one_plus);
    return real_of(word_of(q) | (word_of(x) & SIGN_BIT));
}

static inline bp_real tanh_of(bp_real x)
{
    return tanh_within(x, at_most(TANH_1_ABOVE, BPI_FABS(x)));
}

/*
 * 1 / (1 + e^-x), with e^-x = 2^k (1 + p): numerator and denominator times 2^-(k / 2), lest a power overflows where the quotient
 * is still above 0. What 1 + 2^k loses far out goes to 2^k p, which is smaller, so that one addition rounds. Beyond SIGMOID_ENDS k
 * means nothing.
 */
static inline bp_real sigmoid_of(bp_real x)
{
    const struct reduced is = reduce(-x, 2 * BIAS);
    const struct exp_parts q = exp_parts(is.r);
    const bp_real p = MULTIPLY_ADD(q.rise * q.r2, q.high, MULTIPLY_ADD(q.r2, q.low, is.r)); /* a shorter chain than by Q */
    const word half = is.shifted >> 1; /* shifting up drops what does not belong to k */
    const bp_real one = real_of(((word)2 * BIAS - half) << MANTISSA), power = real_of((is.shifted - half) << MANTISSA);
    const bp_real sum = one + power,
                  lost = one - (sum - power); /* powers of 2: exact, or where it is not, below what counts */
    const bp_real y = one / (MULTIPLY_ADD(power, p, lost) + sum), end = x > (bp_real)0 ? (bp_real)1 : (bp_real)0;
    return BPI_FABS(x) > SIGMOID_ENDS ? end : y; /* a NaN stays one */
}

/* log(1 + e) for e from 0 to 1: 2 artanh(s), s = e / (2 + e) <= 1/3. */
static inline bp_real log_1_plus(bp_real e)
{
    const bp_real s = e / ((bp_real)2 + e), w = s * s;
#ifdef BACKPROP_SINGLE
    const bp_real low = MULTIPLY_ADD(w, 0x1.9997c6p-2F, 0x1.555556p-1F);
    const bp_real high = MULTIPLY_ADD(w, MULTIPLY_ADD(w, 0x1.e9d746p-3F, 0x1.b90d8ap-3F), 0x1.24ed7ap-2F);
    const bp_real rest = MULTIPLY_ADD(w * w, high, low);
#else
    const bp_real w2 = w * w, w4 = w2 * w2;
    const bp_real c0 = MULTIPLY_ADD(w, 0x1.999999999bc01p-2, 0x1.5555555555551p-1);
    const bp_real c2 = MULTIPLY_ADD(w, 0x1.c71c73201d5dcp-3, 0x1.24924922b70fbp-2);
    const bp_real c4 = MULTIPLY_ADD(w, 0x1.3b1b493e519c4p-3, 0x1.745cd4af920acp-3);
    const bp_real c6 = MULTIPLY_ADD(w, 0x1.edf57ecf3937cp-4, 0x1.1087ceac2d3c7p-3);
    const bp_real c8 = MULTIPLY_ADD(w, 0x1.557a0f74c5bc8p-3, 0x1.5d91192628f7cp-4);
    const bp_real high = MULTIPLY_ADD(w4, c8, MULTIPLY_ADD(w2, c6, c4));
    const bp_real rest = MULTIPLY_ADD(w4, high, MULTIPLY_ADD(w2, c2, c0));
#endif
    return MULTIPLY_ADD(s * w, rest, (bp_real)2 * s);
}

/* log(1 + e^x): exact where e^x would overflow or vanish. */
static inline bp_real log_1_plus_exp_of(bp_real x)
{
    return (x < (bp_real)0 ? (bp_real)0 : x) + log_1_plus(exp_from_below(-BPI_FABS(x)));
}

#endif
