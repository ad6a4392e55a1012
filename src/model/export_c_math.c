// SPDX-License-Identifier: MIT
/*
 * e^x and what stands on it as text of a C program: no branch, no table and no call, so that a compiler can do the units of a layer
 * at once, by its ordinary flags. Each function is within 2 units in the last place, whether or not products are fused with sums.
 *
 * Where numbers are not IEEE 754's, or not computed as they are written, the same names stand for libm's functions.
 */
#include "model/export_c_math.h"

#include <stddef.h>

/* ---- Bits ------------------------------------------------------------------------------------------------------------ */

static const char bits_text[] = "static inline uint`_t $_bits_of(~ x)\n"
                                "{\n"
                                "    uint`_t bits;\n"
                                "    memcpy(\\&bits, \\&x, sizeof bits);\n"
                                "    return bits;\n"
                                "}\n\n"
                                "static inline ~ $_from_bits(uint`_t bits)\n"
                                "{\n"
                                "    ~ x;\n"
                                "    memcpy(\\&x, \\&bits, sizeof x);\n"
                                "    return x;\n"
                                "}\n\n";

/*
 * Without comparisons: GCC takes one for something that may trap, so for it "?:" is a branch, and loops with branches stay as they
 * are; and SSE2 cannot compare whole numbers of 64 bits. Differences of bits show in their highest bit what is larger.
 */
static const char at_most_double[] =
    "/* The smaller of x and limit >= 0; a NaN stays. The highest bits of the differences say x > limit and x > infinity:\n"
    "   a branch would keep compilers from doing several numbers at once. */\n"
    "static inline ~ $_at_most(~ x, ~ limit)\n"
    "{\n"
    "    const uint`_t bits = $_bits_of(x), most = $_bits_of(limit), infinity = UINT64_C(0x7ff0000000000000);\n"
    "    const uint`_t mask = 0 - (((most - bits) \\& \\~(infinity - bits)) >> (` - 1));\n"
    "    return $_from_bits((most \\& mask) | (bits \\& \\~mask));\n"
    "}\n\n";
static const char at_most_float[] =
    "/* The smaller of x and limit >= 0; a NaN stays. The highest bits of the differences say x > limit and x > infinity:\n"
    "   a branch would keep compilers from doing several numbers at once. */\n"
    "static inline ~ $_at_most(~ x, ~ limit)\n"
    "{\n"
    "    const uint`_t bits = $_bits_of(x), most = $_bits_of(limit), infinity = UINT32_C(0x7f800000);\n"
    "    const uint`_t mask = 0 - (((most - bits) \\& \\~(infinity - bits)) >> (` - 1));\n"
    "    return $_from_bits((most \\& mask) | (bits \\& \\~mask));\n"
    "}\n\n";
static const char at_most_by_branch[] = "static inline ~ $_at_most(~ x, ~ limit)\n"
                                        "{\n"
                                        "    return x > limit ? limit : x;\n"
                                        "}\n\n";
static const char by_sign_text[] =
    "/* One of two by the sign of x. */\n"
    "static inline ~ $_by_sign(~ x, ~ if_negative, ~ if_not)\n"
    "{\n"
    "    const uint`_t mask = 0 - ($_bits_of(x) >> (` - 1));\n"
    "    return $_from_bits(($_bits_of(if_negative) \\& mask) | ($_bits_of(if_not) \\& \\~mask));\n"
    "}\n\n";
static const char by_sign_by_branch[] = "static inline ~ $_by_sign(~ x, ~ if_negative, ~ if_not)\n"
                                        "{\n"
                                        "    return x < 0 ? if_negative : if_not;\n"
                                        "}\n\n";
static const char share_text[] = "/* x s for s >= 0, but 0 where s is 0, whatever x is. */\n"
                                 "static inline ~ $_share(~ x, ~ s)\n"
                                 "{\n"
                                 "    const uint`_t bits = $_bits_of(s), is_0 = ((bits - 1) \\& \\~bits) >> (` - 1);\n"
                                 "    return $_from_bits($_bits_of(x * s) \\& (is_0 - 1));\n"
                                 "}\n\n";
static const char share_by_branch[] = "static inline ~ $_share(~ x, ~ s)\n"
                                      "{\n"
                                      "    return s <= 0 ? 0 : x * s;\n"
                                      "}\n\n";

/* ---- Powers of e ----------------------------------------------------------------------------------------------------- */

/* Coefficients are those of exp_rest() in src/math/kernel_functions.h; the end of each sum is the smallest part. */
static const char near_0_double[] =
    "/* x = k ln 2 + r with k whole: r for x and k, and e^r - 1 = r + r^2 q(r) for |r| <= ln 2 / 2. Of the two parts of\n"
    "   ln 2 the first is so short that k times it is exact. The coefficients are minimax ones. */\n"
    "static inline double $_remainder(double x, double k)\n"
    "{\n"
    "    return x - k * 0x1.62e42feep-1 - k * 0x1.a39ef35793c76p-33;\n"
    "}\n\n"
    "static inline double $_expm1_near_0(double r)\n"
    "{\n"
    "    const double r2 = r * r, r4 = r2 * r2;\n"
    "    const double q0 = 0.5 + r * 0x1.5555555555559p-3 + r2 * (0x1.555555555555ap-5 + r * 0x1.111111110f804p-7);\n"
    "    const double q4 = 0x1.6c16c16c1469dp-10 + r * 0x1.a01a01af6a2cfp-13 +\n"
    "                      r2 * (0x1.a01a01b018ce5p-16 + r * 0x1.71ddf971eed3cp-19);\n"
    "    const double q8 = 0x1.27e4c6d0b86d3p-22 + r * 0x1.af5cec851a989p-26 + r2 * 0x1.1f93b7742ad67p-29;\n"
    "    return r + r2 * (q0 + r4 * (q4 + r4 * q8));\n"
    "}\n\n";
static const char near_0_float[] =
    "/* x = k ln 2 + r with k whole: r for x and k, and e^r - 1 = r + r^2 q(r) for |r| <= ln 2 / 2. Of the two parts of\n"
    "   ln 2 the first is so short that k times it is exact. The coefficients are minimax ones. */\n"
    "static inline float $_remainder(float x, float k)\n"
    "{\n"
    "    return x - k * 0x1.63p-1f + k * 0x1.bd0106p-13f;\n"
    "}\n\n"
    "static inline float $_expm1_near_0(float r)\n"
    "{\n"
    "    const float r2 = r * r;\n"
    "    const float q0 = 0.5f + r * 0x1.555556p-3f + r2 * (0x1.5554b4p-5f + r * 0x1.111092p-7f);\n"
    "    const float q4 = 0x1.6d6facp-10f + r * 0x1.a19e4cp-13f;\n"
    "    return r + r2 * (q0 + r2 * r2 * q4);\n"
    "}\n\n";

static const char exp_double[] =
    "/* e^x for x <= 0. Adding 'shift' rounds to whole numbers and leaves k and twice the bias of exponents in the last\n"
    "   bits. 2^k comes in two factors, so that a result below the normal range is rounded once. */\n"
    "static inline double $_exp(double x)\n"
    "{\n"
    "    const double shift = 0x1.8p52 + 2046, above = -$_at_most(-x, 746.0);\n"
    "    const double shifted = above * 0x1.71547652b82fep+0 + shift, r = $_remainder(above, shifted - shift);\n"
    "    const uint64_t bits = $_bits_of(shifted), half = bits >> 1;\n"
    "    return (1.0 + $_expm1_near_0(r)) * $_from_bits(half << 52) * $_from_bits((bits - half) << 52);\n"
    "}\n\n";
static const char exp_float[] =
    "/* e^x for x <= 0. Adding 'shift' rounds to whole numbers and leaves k and twice the bias of exponents in the last\n"
    "   bits. 2^k comes in two factors, so that a result below the normal range is rounded once. */\n"
    "static inline float $_exp(float x)\n"
    "{\n"
    "    const float shift = 0x1.8p23f + 254, above = -$_at_most(-x, 104.0f);\n"
    "    const float shifted = above * 0x1.715476p+0f + shift, r = $_remainder(above, shifted - shift);\n"
    "    const uint32_t bits = $_bits_of(shifted), half = bits >> 1;\n"
    "    return (1.0f + $_expm1_near_0(r)) * $_from_bits(half << 23) * $_from_bits((bits - half) << 23);\n"
    "}\n\n";
static const char exp_by_libm[] = "static inline ~ $_exp(~ x)\n"
                                  "{\n"
                                  "    return exp@(x);\n"
                                  "}\n\n";

static const char expm1_double[] =
    "/* e^x - 1 for x <= 0, as 2^k (e^r - 1) + (2^k - 1). */\n"
    "static inline double $_expm1(double x)\n"
    "{\n"
    "    const double shift = 0x1.8p52 + 1023, above = -$_at_most(-x, 40.0);\n"
    "    const double shifted = above * 0x1.71547652b82fep+0 + shift, r = $_remainder(above, shifted - shift);\n"
    "    const double power = $_from_bits($_bits_of(shifted) << 52);\n"
    "    return power * $_expm1_near_0(r) + (power - 1.0);\n"
    "}\n\n";
static const char expm1_float[] =
    "/* e^x - 1 for x <= 0, as 2^k (e^r - 1) + (2^k - 1). */\n"
    "static inline float $_expm1(float x)\n"
    "{\n"
    "    const float shift = 0x1.8p23f + 127, above = -$_at_most(-x, 20.0f);\n"
    "    const float shifted = above * 0x1.715476p+0f + shift, r = $_remainder(above, shifted - shift);\n"
    "    const float power = $_from_bits($_bits_of(shifted) << 23);\n"
    "    return power * $_expm1_near_0(r) + (power - 1.0f);\n"
    "}\n\n";
static const char expm1_by_libm[] = "static inline ~ $_expm1(~ x)\n"
                                    "{\n"
                                    "    return expm1@(x);\n"
                                    "}\n\n";

/* ---- Functions that stand on them ------------------------------------------------------------------------------------ */

static const char logistic_double[] =
    "/* 1 / (1 + e^-x), e^-x = 2^k (1 + p). Numerator and denominator are taken times 2^(-k/2), so that no power "
    "overflows.\n"
    "   What 1 + 2^k loses far out goes to 2^k p, which is smaller: one addition rounds. */\n"
    "static inline double $_logistic(double x)\n"
    "{\n"
    "    const uint64_t sign = $_bits_of(x) \\& UINT64_C(0x8000000000000000);\n"
    "    const double magnitude = $_from_bits($_bits_of(x) - sign), size = $_at_most(magnitude, 746.0);\n"
    "    const double shift = 0x1.8p52 + 2046, minus = -$_from_bits($_bits_of(size) | sign);\n"
    "    const double shifted = minus * 0x1.71547652b82fep+0 + shift;\n"
    "    const double p = $_expm1_near_0($_remainder(minus, shifted - shift));\n"
    "    const uint64_t bits = $_bits_of(shifted), half = bits >> 1;\n"
    "    const double one = $_from_bits((2046 - half) << 52), power = $_from_bits((bits - half) << 52);\n"
    "    const double sum = one + power, lost = one - (sum - power);\n"
    "    return one / (sum + (power * p + lost));\n"
    "}\n\n";
static const char logistic_float[] =
    "/* 1 / (1 + e^-x), e^-x = 2^k (1 + p). Numerator and denominator are taken times 2^(-k/2), so that no power "
    "overflows.\n"
    "   What 1 + 2^k loses far out goes to 2^k p, which is smaller: one addition rounds. */\n"
    "static inline float $_logistic(float x)\n"
    "{\n"
    "    const uint32_t sign = $_bits_of(x) \\& UINT32_C(0x80000000);\n"
    "    const float magnitude = $_from_bits($_bits_of(x) - sign), size = $_at_most(magnitude, 104.0f);\n"
    "    const float shift = 0x1.8p23f + 254, minus = -$_from_bits($_bits_of(size) | sign);\n"
    "    const float shifted = minus * 0x1.715476p+0f + shift;\n"
    "    const float p = $_expm1_near_0($_remainder(minus, shifted - shift));\n"
    "    const uint32_t bits = $_bits_of(shifted), half = bits >> 1;\n"
    "    const float one = $_from_bits((254 - half) << 23), power = $_from_bits((bits - half) << 23);\n"
    "    const float sum = one + power, lost = one - (sum - power);\n"
    "    return one / (sum + (power * p + lost));\n"
    "}\n\n";
static const char logistic_by_libm[] = "static inline ~ $_logistic(~ x)\n"
                                       "{\n"
                                       "    return 1.0@ / (1.0@ + exp@(-x));\n"
                                       "}\n\n";

static const char logistic_of_minus[] = "static inline ~ $_logistic_of_minus(~ x)\n"
                                        "{\n"
                                        "    return 1.0@ / (1.0@ + exp@(x));\n"
                                        "}\n\n";

/* The derivation, and why k is rounded as it is, stands at tanh_of() in src/math/kernel_functions.h. */
static const char tanh_double[] =
    "/* tanh |x|, |x| = k ln 2 / 2 + r: with p = 2^-k and t = tanh r = r + r^3 q(r^2), (1 - p + (1 + p) t) / (1 + p + (1 - "
    "p) t),\n"
    "   of which 1 - p, which is exact, is taken out. */\n"
    "static inline double $_tanh(double x)\n"
    "{\n"
    "    const uint64_t sign = $_bits_of(x) \\& UINT64_C(0x8000000000000000);\n"
    "    const double magnitude = $_from_bits($_bits_of(x) - sign), size = $_at_most(magnitude, 20.0);\n"
    "    const double shift = 0x1.8p52 + 1023, shifted = 0.25 - size * 0x1.71547652b82fep+1 + shift;\n"
    "    const double p = $_from_bits($_bits_of(shifted) << 52), minus_k = shifted - shift;\n"
    "    const double r = size + minus_k * 0x1.62e42feep-2 + minus_k * 0x1.a39ef35793c76p-34, s = r * r, s2 = s * s;\n"
    "    const double q0 = -0x1.55555555554b1p-2 + s * 0x1.11111110f2b82p-3;\n"
    "    const double q2 = -0x1.ba1ba17d6544ep-5 + s * 0x1.664f2bae14273p-6;\n"
    "    const double q4 = -0x1.2266deb594f94p-7 + s * 0x1.d4c3eb041736ep-9 - s2 * 0x1.56c7e42e72261p-10;\n"
    "    const double t = r + r * s * (q0 + s2 * (q2 + s2 * q4)), a = 1.0 - p, b = 1.0 + p;\n"
    "    return $_from_bits($_bits_of(a + p * ((3.0 - p) * t - a) / (b + a * t)) | sign);\n"
    "}\n\n";
static const char tanh_float[] =
    "/* tanh |x|, |x| = k ln 2 / 2 + r: with p = 2^-k and t = tanh r = r + r^3 q(r^2), (1 - p + (1 + p) t) / (1 + p + (1 - "
    "p) t),\n"
    "   of which 1 - p, which is exact, is taken out. */\n"
    "static inline float $_tanh(float x)\n"
    "{\n"
    "    const uint32_t sign = $_bits_of(x) \\& UINT32_C(0x80000000);\n"
    "    const float magnitude = $_from_bits($_bits_of(x) - sign), size = $_at_most(magnitude, 10.0f);\n"
    "    const float shift = 0x1.8p23f + 127, shifted = 0.25f - size * 0x1.715476p+1f + shift;\n"
    "    const float p = $_from_bits($_bits_of(shifted) << 23), minus_k = shifted - shift;\n"
    "    const float r = size + minus_k * 0x1.63p-2f - minus_k * 0x1.bd0106p-14f, s = r * r;\n"
    "    const float t = r + r * s * (-0x1.555506p-2f + s * (0x1.10d942p-3f - s * 0x1.a3a330p-5f));\n"
    "    const float a = 1.0f - p, b = 1.0f + p;\n"
    "    return $_from_bits($_bits_of(a + p * ((3.0f - p) * t - a) / (b + a * t)) | sign);\n"
    "}\n\n";
static const char tanh_by_libm[] = "static inline ~ $_tanh(~ x)\n"
                                   "{\n"
                                   "    return tanh@(x);\n"
                                   "}\n\n";

static const char log1p_double[] = "/* log(1 + x) for x from 0 to 1: 2 artanh s, s = x / (2 + x). */\n"
                                   "static inline double $_log1p(double x)\n"
                                   "{\n"
                                   "    const double s = x / (2.0 + x), w = s * s, w2 = w * w, w4 = w2 * w2;\n"
                                   "    const double q0 = 0x1.5555555555551p-1 + w * 0x1.999999999bc01p-2;\n"
                                   "    const double q2 = 0x1.24924922b70fbp-2 + w * 0x1.c71c73201d5dcp-3;\n"
                                   "    const double q4 = 0x1.745cd4af920acp-3 + w * 0x1.3b1b493e519c4p-3;\n"
                                   "    const double q6 = 0x1.1087ceac2d3c7p-3 + w * 0x1.edf57ecf3937cp-4;\n"
                                   "    const double q8 = 0x1.5d91192628f7cp-4 + w * 0x1.557a0f74c5bc8p-3;\n"
                                   "    return 2.0 * s + s * w * (q0 + w2 * q2 + w4 * (q4 + w2 * q6 + w4 * q8));\n"
                                   "}\n\n";
static const char log1p_float[] = "/* log(1 + x) for x from 0 to 1: 2 artanh s, s = x / (2 + x). */\n"
                                  "static inline float $_log1p(float x)\n"
                                  "{\n"
                                  "    const float s = x / (2.0f + x), w = s * s;\n"
                                  "    const float q0 = 0x1.555556p-1f + w * 0x1.9997c6p-2f;\n"
                                  "    const float q2 = 0x1.24ed7ap-2f + w * (0x1.b90d8ap-3f + w * 0x1.e9d746p-3f);\n"
                                  "    return 2.0f * s + s * w * (q0 + w * w * q2);\n"
                                  "}\n\n";
static const char log1p_by_libm[] = "static inline ~ $_log1p(~ x)\n"
                                    "{\n"
                                    "    return log1p@(x);\n"
                                    "}\n\n";

/* ---- What is written ------------------------------------------------------------------------------------------------- */

#define SELECTING (BPI_C_AT_MOST | BPI_C_BY_SIGN | BPI_C_SHARE)
#define POWERS (BPI_C_EXP | BPI_C_EXPM1 | BPI_C_LOGISTIC)

/* In an order in which each finds what it calls. */
static const struct {
    unsigned need, also_for; /* who may ask for it: the program; other functions of this file */
    const char *text[2];     /* for double, for float */
    const char *by_libm;
} functions[] = {
    { 0, POWERS | BPI_C_TANH | SELECTING, { bits_text, bits_text }, "" },
    { BPI_C_AT_MOST, POWERS | BPI_C_TANH, { at_most_double, at_most_float }, at_most_by_branch },
    { BPI_C_BY_SIGN, 0, { by_sign_text, by_sign_text }, by_sign_by_branch },
    { BPI_C_SHARE, 0, { share_text, share_text }, share_by_branch },
    { 0, POWERS, { near_0_double, near_0_float }, "" },
    { BPI_C_EXP, 0, { exp_double, exp_float }, exp_by_libm },
    { BPI_C_EXPM1, 0, { expm1_double, expm1_float }, expm1_by_libm },
    { BPI_C_LOGISTIC, 0, { logistic_double, logistic_float }, logistic_by_libm },
    { BPI_C_LOGISTIC_OF_MINUS, 0, { "", "" }, logistic_of_minus },
    { BPI_C_TANH, 0, { tanh_double, tanh_float }, tanh_by_libm },
    { BPI_C_LOG1P, 0, { log1p_double, log1p_float }, log1p_by_libm },
};
#define N_FUNCTIONS (sizeof functions / sizeof functions[0])

static bool has_functions(unsigned needs)
{
    return (needs & ~(unsigned)(BPI_C_LIBM | BPI_C_BY_LIBM)) != 0;
}

void bpi_c_write_includes(const struct bpi_c_text *text, unsigned needs)
{
    const bool uses_bits = has_functions(needs) && (needs & BPI_C_BY_LIBM) == 0;
    bpi_c_print(text, uses_bits ? "#include <float.h>\n" : "");
    bpi_c_print(text, (needs & (BPI_C_LIBM | BPI_C_BY_LIBM)) != 0 ? "#include <math.h>\n" : "");
    bpi_c_print(text, "#include <stddef.h>\n");
    bpi_c_print(text, uses_bits ? "#include <stdint.h>\n#include <string.h>\n\n" : "\n");
}

static void write_functions_by_libm(const struct bpi_c_text *text, unsigned needs)
{
    for (size_t k = 0; k < N_FUNCTIONS; k++)
        if ((functions[k].need & needs) != 0)
            bpi_c_print(text, functions[k].by_libm);
}

void bpi_c_write_math(const struct bpi_c_text *text, unsigned needs)
{
    if (!has_functions(needs))
        return;
    if ((needs & BPI_C_BY_LIBM) != 0) {
        write_functions_by_libm(text, needs);
        return;
    }
    bpi_c_print(text, "/* Without libm where numbers are IEEE 754's, and computed as they are written. */\n");
    bpi_c_print(text, text->single ? "#if FLT_MANT_DIG == 24 \\&\\& FLT_MAX_EXP == 128 \\&\\& "
                                     "(FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 16)"
                                   : "#if DBL_MANT_DIG == 53 \\&\\& DBL_MAX_EXP == 1024 \\&\\& "
                                     "(FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 1 || FLT_EVAL_METHOD == 16)");
    bpi_c_print(
        text,
        " \\&\\& \\\\\n    !defined(__FAST_MATH__) \\&\\& !defined(__ASSOCIATIVE_MATH__) \\&\\& !defined(_M_FP_FAST)\n\n");
    bpi_c_print(text, "#ifdef __clang__ /* which does not say when it may reorder sums */\n"
                      "#pragma clang fp reassociate(off)\n#endif\n\n");
    for (size_t k = 0; k < N_FUNCTIONS; k++)
        if (((functions[k].need | functions[k].also_for) & needs) != 0)
            bpi_c_print(text, functions[k].text[text->single]);
    bpi_c_print(text, "#else\n#include <math.h>\n\n");
    write_functions_by_libm(text, needs);
    bpi_c_print(text, "#endif\n\n");
}
