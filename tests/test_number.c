// SPDX-License-Identifier: MIT
/*
 * Numbers as text and back, in both formats in both builds. The oracles are exact decimals worked out here digit by digit,
 * and libc's strtod(), strtof() and printf() in the C locale.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/number.h"
#include "support/bytes.h"
#include "support/locale.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const enum bpi_number_format both[] = { BPI_BINARY64, BPI_BINARY32 };

/* ---- reading, compared ------------------------------------------------------------------------------------------- */

/* From a block that ends where the text does, for memory checkers. */
static enum bpi_number_kind read_text(const char *text, enum bpi_number_format format, double *value)
{
    const size_t n = strlen(text);
    char *copy = (char *)test_bytes_copy(text, n);
    const enum bpi_number_kind kind = bpi_number_read(copy, n, format, value);
    free(copy);
    return kind;
}

/* The same bits, of which 0 and -0 have different ones. */
static bool same(double a, double b)
{
    return a == b && signbit(a) == signbit(b);
}

static void assert_reads(const char *text, enum bpi_number_format format, double expected)
{
    double value = -7;
    const enum bpi_number_kind kind = read_text(text, format, &value);
    if (kind != BPI_NUMBER || !same(value, expected))
        fail_msg("%.100s (format %d): kind %d, %a, expected %a", text, (int)format, (int)kind, value, expected);
}

static void assert_kind(const char *text, enum bpi_number_format format, enum bpi_number_kind expected)
{
    double value = -7;
    const enum bpi_number_kind kind = read_text(text, format, &value);
    if (kind != expected)
        fail_msg("%.100s (format %d): kind %d, expected %d", text, (int)format, (int)kind, (int)expected);
    if (kind != BPI_NUMBER)
        assert_true(same(value, -7));
}

static void assert_reads_like_libc(const char *text)
{
    const double d = strtod(text, NULL);
    const float f = strtof(text, NULL);
    if (isfinite(d))
        assert_reads(text, BPI_BINARY64, d);
    else
        assert_kind(text, BPI_BINARY64, BPI_NUMBER_TOO_LARGE);
    if (isfinite(f))
        assert_reads(text, BPI_BINARY32, (double)f);
    else
        assert_kind(text, BPI_BINARY32, BPI_NUMBER_TOO_LARGE);
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double random_double(uint64_t *seed)
{
    double value;
    do
        value = double_of(test_random(seed));
    while (!isfinite(value));
    return value;
}

static float random_float(uint64_t *seed)
{
    float value;
    do
        value = float_of((uint32_t)(test_random(seed) >> 32));
    while (!isfinite(value));
    return value;
}

/* The longest part of the tests is made a tenth as long where each instruction is watched. */
static int count(int n)
{
    return getenv("TEST_QUICK") != NULL ? n / 10 : n;
}

/* ---- what is a number -------------------------------------------------------------------------------------------- */

static void numbers_of_every_form_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        { "0", 0.0 },
        { "-0", -0.0 },
        { "+0", 0.0 },
        { "00.00", 0.0 },
        { "0e5", 0.0 },
        { "-0e-99999", -0. },
        { "1", 1.0 },
        { "-1", -1.0 },
        { "+1", 1.0 },
        { "007", 7.0 },
        { "1.", 1.0 },
        { ".5", 0.5 },
        { "-.5", -0.5 },
        { "1.5", 1.5 },
        { "1e3", 1000.0 },
        { "1E3", 1000.0 },
        { "1e+3", 1000.0 },
        { "25e-2", 0.25 },
        { "1.e2", 100.0 },
        { ".5e1", 5.0 },
        { "1e0003", 1000.0 },
        { "12.50", 12.5 },
        { "0.0625", 0.0625 },
        { "-16777216", -16777216.0 },
        { "000000000000000000000000000000000000000000000001", 1.0 },
        { "0.00000000000000000000000000000000000000000000000e30", 0.0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t j = 0; j < COUNT(both); j++)
            assert_reads(cases[i].text, both[j], cases[i].value);
}

/* The last one begins with a wide 1. */
static const char *const no_numbers[] = { "",      "+",      "-",    ".",     "-.",    "e",       "e5",          ".e5",
                                          "1e",    "1e+",    "1e-",  "1ee5",  "1eE5",  "1e5.",    "1e5.5",       "1..",
                                          "1.2.3", "..1",    "--1",  "+-1",   "-+1",   "1-",      "1-1",         " 1",
                                          "1 ",    "1 2",    "1,5",  "1'000", "1_000", "0x10",    "0x1p3",       "1f",
                                          "1d5",   "abc",    "i",    "in",    "infi",  "infinit", "infinityy",   "inf1",
                                          "na",    "nan(1)", "nano", "1inf",  "--inf", "n\x01n",  "\xEF\xBC\x91" };
static const char *const nonfinite[] = { "inf", "INF", "-Inf", "+infinity", "Infinity", "nan", "NaN", "-nan" };
static const char *const too_large[] = { "1e309",           "-1e309", "1e310", "1e311", "1e99999999999999999999999999999",
                                         "0.0000001e999999" };

static void assert_all_are(const char *const *texts, size_t n, enum bpi_number_kind kind)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < COUNT(both); j++)
            assert_kind(texts[i], both[j], kind);
}

static void what_is_no_number_is_told_from_what_is_not_finite(void **state)
{
    (void)state;
    assert_all_are(no_numbers, COUNT(no_numbers), BPI_NUMBER_NONE);
    assert_all_are(nonfinite, COUNT(nonfinite), BPI_NUMBER_NONFINITE);
    assert_all_are(too_large, COUNT(too_large), BPI_NUMBER_TOO_LARGE);
}

static void a_nul_is_a_character_like_others(void **state)
{
    (void)state;
    double value = -7;
    assert_int_equal(bpi_number_read("1\0", 2, BPI_BINARY64, &value), BPI_NUMBER_NONE);
    assert_int_equal(bpi_number_read("\0", 1, BPI_BINARY64, &value), BPI_NUMBER_NONE);
    assert_true(same(value, -7));
}

/* ---- rounding ---------------------------------------------------------------------------------------------------- */

/* Cases on which readers of numbers have failed, with the bits that are right. */
static void famous_cases_are_rounded_right(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        { "1e23", 0x1.52d02c7e14af6p+76 },
        { "9007199254740993", 9007199254740992.0 }, /* 2^53 + 1: halfway, to the even one */
        { "9007199254740995", 9007199254740996.0 },
        { "9007199254740993.00000000000000000000000000000000001", 9007199254740994.0 },
        { "2.2250738585072011e-308", 0x0.fffffffffffffp-1022 }, /* on this one PHP looped for ever */
        { "2.2250738585072012e-308", 0x1p-1022 },               /* and on this one Java */
        { "2.2250738585072014e-308", 0x1p-1022 },
        { "5e-324", 0x1p-1074 },
        { "4.9406564584124654e-324", 0x1p-1074 },
        { "2.4703282292062328e-324", 0x1p-1074 }, /* a little more than half of the smallest number */
        { "2.4703282292062327e-324", 0.0 },       /* a little less */
        { "2.4703282292062327e-323", 5 * 0x1p-1074 },
        { "1e-324", 0.0 },
        { "1e-330", 0.0 },
        { "1e-331", 0.0 },
        { "1e-400", 0.0 },
        { "-1e-400", -0.0 },
        { "-1e-99999999999999999999999999", -0.0 },
        { "1.7976931348623157e308", DBL_MAX },
        { "1.7976931348623158e308", DBL_MAX }, /* still nearer to it than to 2^1024 */
        { "6.631236846766476e-316", 0x0.0000008000000p-1022 },
        { "3.2378839133029012895883524125015321748630094239508256e-319", 0x0.000000000ffffp-1022 },
        { "0.500000000000000166533453693773481063544750213623046875", 0x1.0000000000002p-1 },
        { "3.518437208883201171875e13", 0x1.0000000000002p+45 },
        { "62.5364939768271845828", 0x1.f44abd5aa7ca4p+5 },
        { "8.10109172351e-10", 0x1.bd5cbaef0fd0cp-31 },
        { "1.50000000000000011102230246251565", 0x1.8000000000000p+0 },
        { "89255e-22", 0x1.494af6ce5221fp-57 },
        { "104110013277974872254e-225", 0x1.0b661a31987aep-681 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_reads(cases[i].text, BPI_BINARY64, cases[i].value);
        assert_reads_like_libc(cases[i].text);
    }
    assert_kind("1.7976931348623159e308", BPI_BINARY64, BPI_NUMBER_TOO_LARGE);
    assert_reads("3.4028235e38", BPI_BINARY32, (double)FLT_MAX);
    assert_reads("3.4028235677973366e38", BPI_BINARY32, (double)FLT_MAX);
    assert_kind("3.4028235677973367e38", BPI_BINARY32, BPI_NUMBER_TOO_LARGE); /* more than half a unit above FLT_MAX */
    assert_kind("1e39", BPI_BINARY32, BPI_NUMBER_TOO_LARGE);
    assert_reads("1e-45", BPI_BINARY32, 0x1p-149);
    assert_reads("7.006492321624085e-46", BPI_BINARY32, 0.0);
    assert_reads("7.006492321624086e-46", BPI_BINARY32, 0x1p-149);
    assert_reads("16777217", BPI_BINARY32, 16777216.0);
    assert_reads("16777219", BPI_BINARY32, 16777220.0);
}

/* digits, the first one most significant, times 10^exponent */
struct exact {
    char digits[2048];
    size_t n;
    int exponent;
};

static void multiply(struct exact *number, unsigned factor)
{
    char reversed[2048];
    size_t n = 0;
    unsigned carry = 0;
    for (size_t i = number->n; i > 0 || carry > 0; carry /= 10) {
        if (i > 0)
            carry += (unsigned)(number->digits[--i] - '0') * factor;
        reversed[n++] = (char)('0' + carry % 10);
    }
    for (size_t i = 0; i < n; i++)
        number->digits[i] = reversed[n - 1 - i];
    number->n = n;
}

/* m 2^e, exactly: for e < 0 it is m 5^-e 10^e. */
static void set_exact(struct exact *number, uint64_t m, int e)
{
    char text[32];
    number->n = (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)m);
    memcpy(number->digits, text, number->n);
    number->exponent = e < 0 ? e : 0;
    for (int i = 0; i < (e < 0 ? -e : e); i++)
        multiply(number, e < 0 ? 5 : 2);
}

static void subtract_one(struct exact *number)
{
    size_t i = number->n - 1;
    for (; number->digits[i] == '0'; i--)
        number->digits[i] = '9';
    number->digits[i]--;
}

/* Some way to write it: with a point somewhere, and zeros behind. */
static void print_exact(const struct exact *number, uint64_t *seed, const char *behind, char text[4096])
{
    const size_t point = (size_t)(test_random(seed) % (number->n + 1));
    (void)snprintf(text, 4096, "%.*s.%.*s%se%d", (int)point, number->digits, (int)(number->n - point),
                   number->digits + point, behind, number->exponent + (int)(number->n - point));
}

/* Below, at and above (2 m + 1) 2^(e - 1), which lies halfway between the numbers m 2^e and (m + 1) 2^e. */
static void assert_rounds_at(uint64_t m, int e, enum bpi_number_format format, uint64_t *seed)
{
    static char zeros[1001];
    memset(zeros, '0', 1000);
    struct exact halfway;
    char text[4096], behind[1024];
    set_exact(&halfway, 2 * m + 1, e - 1);
    const double below = ldexp((double)m, e), above = ldexp((double)(m + 1), e);
    print_exact(&halfway, seed, "", text);
    assert_reads(text, format, m % 2 == 0 ? below : above);
    print_exact(&halfway, seed, "000", text);
    assert_reads(text, format, m % 2 == 0 ? below : above);
    (void)snprintf(behind, sizeof behind, "%.*s1", (int)(test_random(seed) % 1000), zeros);
    print_exact(&halfway, seed, behind, text);
    assert_reads(text, format, above);
    subtract_one(&halfway);
    print_exact(&halfway, seed, "", text);
    assert_reads(text, format, below);
}

static void halfway_cases_go_to_the_even_number_and_the_last_digit_decides(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < count(1000); i++) {
        int e64 = (int)(test_random(&seed) % 2044) - 1074, e32 = (int)(test_random(&seed) % 252) - 149;
        const uint64_t m64 = (uint64_t)1 << 52 | test_random(&seed) >> 12, m32 = 1U << 23 | (test_random(&seed) >> 41);
        assert_rounds_at(m64, e64, BPI_BINARY64, &seed);
        assert_rounds_at(m32, e32, BPI_BINARY32, &seed);
        assert_rounds_at(test_random(&seed) >> (12 + i % 52), -1074, BPI_BINARY64, &seed); /* subnormal */
        assert_rounds_at(test_random(&seed) >> (41 + i % 23), -149, BPI_BINARY32, &seed);
    }
    assert_rounds_at(0, -1074, BPI_BINARY64, &seed);
    assert_rounds_at(0, -149, BPI_BINARY32, &seed);
    assert_rounds_at(((uint64_t)1 << 52) - 1, -1074, BPI_BINARY64, &seed); /* between subnormal and normal */
    assert_rounds_at((1U << 23) - 1, -149, BPI_BINARY32, &seed);
    assert_rounds_at(((uint64_t)1 << 53) - 1, 10, BPI_BINARY64, &seed); /* up to a power of 2 */
    assert_rounds_at((1U << 24) - 1, 10, BPI_BINARY32, &seed);
}

/* DBL_MAX and half a unit: even would be 2^1024. */
static void numbers_are_too_large_from_halfway_to_the_next_power_of_2_on(void **state)
{
    (void)state;
    static const struct {
        uint64_t m;
        int e;
        enum bpi_number_format format;
        double max;
    } cases[] = { { ((uint64_t)1 << 54) - 1, 970, BPI_BINARY64, DBL_MAX },
                  { ((uint64_t)1 << 25) - 1, 103, BPI_BINARY32, (double)FLT_MAX } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t seed = 5;
        struct exact halfway;
        char text[4096];
        set_exact(&halfway, cases[i].m, cases[i].e);
        print_exact(&halfway, &seed, "", text);
        assert_kind(text, cases[i].format, BPI_NUMBER_TOO_LARGE);
        subtract_one(&halfway);
        print_exact(&halfway, &seed, "99999", text);
        assert_reads(text, cases[i].format, cases[i].max);
    }
}

static void any_number_of_digits_is_read_like_libc_does(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (int i = 0; i < count(100000); i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%.*e", (int)(test_random(&seed) % 22), random_double(&seed));
        assert_reads_like_libc(text);
        (void)snprintf(text, sizeof text, "%.*e", (int)(test_random(&seed) % 22), (double)random_float(&seed));
        assert_reads_like_libc(text);
        (void)snprintf(text, sizeof text, "%.*f", (int)(test_random(&seed) % 20),
                       (double)(int64_t)test_random(&seed) * 1e-15);
        assert_reads_like_libc(text);
    }
}

/* Fifteen digits of what lies halfway between two floats: a double rounds some of them to just there. */
static void short_numbers_are_not_rounded_twice(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int i = 0; i < count(100000); i++) {
        const float f = ldexpf((float)(1U << 23 | test_random(&seed) >> 41), (int)(test_random(&seed) % 60) - 50);
        char text[64];
        (void)snprintf(text, sizeof text, "%.14e", ((double)f + (double)nextafterf(f, HUGE_VALF)) / 2);
        assert_reads_like_libc(text);
    }
}

static void every_power_of_10_is_read_like_libc_does(void **state)
{
    (void)state;
    for (int exponent = -420; exponent <= 320; exponent++)
        for (int digits = 1; digits < 1000; digits = digits * 10 + 9) {
            char text[64];
            (void)snprintf(text, sizeof text, "%de%d", digits, exponent);
            assert_reads_like_libc(text);
        }
}

/* ---- length ------------------------------------------------------------------------------------------------------ */

/* before, n times `repeated`, behind */
static void assert_reads_long(const char *before, char repeated, size_t n, const char *behind, double expected)
{
    struct test_bytes text = { 0 };
    test_bytes_append_text(&text, before);
    for (size_t i = 0; i < n; i++)
        test_bytes_append(&text, &repeated, 1);
    test_bytes_append_text(&text, behind);
    double value = -7;
    assert_int_equal(bpi_number_read((const char *)text.data, text.n, BPI_BINARY64, &value), BPI_NUMBER);
    if (!same(value, expected))
        fail_msg("%s %zu %c %s is %a, expected %a", before, n, repeated, behind, value, expected);
    test_bytes_clear(&text);
}

static void numbers_may_be_as_long_as_they_like(void **state)
{
    (void)state;
    assert_reads_long("0.", '0', 100000, "1e100001", 1.0);
    assert_reads_long("1", '0', 100000, "e-100000", 1.0);
    assert_reads_long("1", '0', 100000, ".5e-100000", 1.0);
    assert_reads_long("9007199254740993", '0', 100000, "e-100000", 9007199254740992.0);
    assert_reads_long("9007199254740993", '0', 100000, "1e-100001", 9007199254740994.0);
    assert_reads_long("9007199254740993.", '0', 100000, "1", 9007199254740994.0);
    assert_reads_long("9007199254740993.", '0', 100000, "", 9007199254740992.0);
    assert_reads_long("0.", '9', 100000, "", 1.0);
    assert_reads_long("1e", '0', 100000, "2", 100.0);
    assert_reads_long("", '0', 100000, "", 0.0);
    for (size_t n = 700; n < 900; n++) { /* around the digits that are kept */
        assert_reads_long("9007199254740993.", '0', n, "1", 9007199254740994.0);
        assert_reads_long("0.3", '3', n, "", 1.0 / 3);
        assert_reads_long("0.3", '3', n, "4", 1.0 / 3);
    }
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void assert_writes(double value, enum bpi_number_format format, const char *expected)
{
    char text[BPI_NUMBER_SIZE];
    memset(text, 'x', sizeof text);
    const size_t n = bpi_number_write(value, format, text);
    assert_string_equal(text, expected);
    assert_int_equal(n, strlen(expected));
}

static void numbers_are_written_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        { 0.0, "0" },           { -0.0, "-0" },
        { 1.0, "1" },           { -1.0, "-1" },
        { 10.0, "10" },         { 0.5, "0.5" },
        { -0.25, "-0.25" },     { 1.5, "1.5" },
        { 100.0, "100" },       { 1024.0, "1024" },
        { 123456.0, "123456" }, { 16777216.0, "16777216" },
        { 0.125, "0.125" },     { 0.0009765625, "0.0009765625" },
        { 0x1p-149, NULL },
    };
    for (size_t i = 0; cases[i].value != 0x1p-149; i++)
        for (size_t j = 0; j < COUNT(both); j++)
            assert_writes(cases[i].value, both[j], cases[i].text);

    assert_writes(0.1, BPI_BINARY64, "0.1");
    assert_writes(1.0 / 3, BPI_BINARY64, "0.3333333333333333");
    assert_writes(2.0 / 3 * 100, BPI_BINARY64, "66.66666666666666");
    assert_writes(1e15, BPI_BINARY64, "1000000000000000");
    assert_writes(-1234567890123456.0, BPI_BINARY64, "-1234567890123456");
    assert_writes(1e16, BPI_BINARY64, "1e16");
    assert_writes(12345678901234567890.0, BPI_BINARY64, "1.2345678901234567e19");
    assert_writes(1e23, BPI_BINARY64, "1e23");
    assert_writes(1e-4, BPI_BINARY64, "0.0001");
    assert_writes(1e-5, BPI_BINARY64, "1e-5");
    assert_writes(-1.25e-100, BPI_BINARY64, "-1.25e-100");
    assert_writes(0x1p-1074, BPI_BINARY64, "5e-324");
    assert_writes(0x1p-1022, BPI_BINARY64, "2.2250738585072014e-308");
    assert_writes(DBL_MAX, BPI_BINARY64, "1.7976931348623157e308");
    assert_writes(-DBL_MAX, BPI_BINARY64, "-1.7976931348623157e308");
    assert_writes(9007199254740993.0, BPI_BINARY64, "9007199254740992");
    assert_writes(5e-5, BPI_BINARY64, "5e-5");
    assert_writes(9.5367431640625e-7, BPI_BINARY64, "9.5367431640625e-7");

    assert_writes((double)0.1F, BPI_BINARY32, "0.1");
    assert_writes((double)(1.0F / 3), BPI_BINARY32, "0.33333334");
    assert_writes((double)FLT_MAX, BPI_BINARY32, "3.4028235e38");
    assert_writes((double)FLT_MIN, BPI_BINARY32, "1.1754944e-38");
    assert_writes(0x1p-149, BPI_BINARY32, "1e-45");
    assert_writes(33554432.0, BPI_BINARY32, "33554432");
    assert_writes(8589973504.0, BPI_BINARY32, "8589974000"); /* the zeros stand for digits that no reader needs */
}

static int digits_in(const char *text)
{
    int n = 0, zeros = 0;
    bool leading = true;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (leading && *text == '0'))
            continue;
        leading = false;
        zeros = *text == '0' ? zeros + 1 : 0;
        n++;
    }
    return n - zeros; /* those at the end of a whole number only give it its size */
}

static double libc_reads(const char *text, enum bpi_number_format format)
{
    return format == BPI_BINARY64 ? strtod(text, NULL) : (double)strtof(text, NULL);
}

/* Reads back, here and by libc; one digit less does not; and libc's number of as many digits is no nearer. */
static void assert_shortest(double value, enum bpi_number_format format)
{
    char text[BPI_NUMBER_SIZE], other[64];
    assert_in_range(bpi_number_write(value, format, text), 1, 24);
    assert_reads(text, format, value);
    assert_true(same(libc_reads(text, format), value));
    const int n = digits_in(text);
    assert_in_range(n, value == 0 ? 0 : 1, format == BPI_BINARY64 ? 17 : 9);
    if (n > 1) {
        (void)snprintf(other, sizeof other, "%.*e", n - 2, value);
        if (libc_reads(other, format) == value)
            fail_msg("%s could be %s", text, other);
    }
    (void)snprintf(other, sizeof other, "%.*e", n == 0 ? 0 : n - 1, value);
    if (libc_reads(other, format) == value && strtod(other, NULL) != strtod(text, NULL))
        fail_msg("%s is farther from %a than %s", text, value, other);
}

static void what_is_written_is_the_shortest_that_reads_back(void **state)
{
    (void)state;
    uint64_t seed = 4;
    for (int i = 0; i < count(100000); i++) {
        assert_shortest(random_double(&seed), BPI_BINARY64);
        assert_shortest((double)random_float(&seed), BPI_BINARY32);
        assert_shortest((double)(test_random(&seed) % 1000000) / 1000, BPI_BINARY64);
        assert_shortest((double)((float)(test_random(&seed) % 100000) / 100), BPI_BINARY32);
    }
    for (int e = -1074; e < 1024; e++) /* where the neighbour below is nearer than the one above */
        assert_shortest(ldexp(1.0, e), BPI_BINARY64);
    for (int e = -149; e < 128; e++)
        assert_shortest(ldexp(1.0, e), BPI_BINARY32);
    for (uint64_t m = 0; m < 1000; m++) {
        assert_shortest(double_of(m), BPI_BINARY64);
        assert_shortest((double)float_of((uint32_t)m), BPI_BINARY32);
    }
}

/* ---- locales ----------------------------------------------------------------------------------------------------- */

static void the_locale_changes_nothing(void **state)
{
    (void)state;
    if (!test_set_comma_locale())
        skip();
    uint64_t seed = 6;
    assert_reads("0.5", BPI_BINARY64, 0.5);
    assert_kind("0,5", BPI_BINARY64, BPI_NUMBER_NONE);
    assert_writes(0.5, BPI_BINARY64, "0.5");
    for (int i = 0; i < 1000; i++) {
        char text[BPI_NUMBER_SIZE];
        const double value = random_double(&seed);
        (void)bpi_number_write(value, BPI_BINARY64, text);
        assert_null(strchr(text, ','));
        assert_reads(text, BPI_BINARY64, value);
    }
    assert_non_null(setlocale(LC_ALL, "C"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_every_form_are_read),
        cmocka_unit_test(what_is_no_number_is_told_from_what_is_not_finite),
        cmocka_unit_test(a_nul_is_a_character_like_others),
        cmocka_unit_test(famous_cases_are_rounded_right),
        cmocka_unit_test(halfway_cases_go_to_the_even_number_and_the_last_digit_decides),
        cmocka_unit_test(numbers_are_too_large_from_halfway_to_the_next_power_of_2_on),
        cmocka_unit_test(any_number_of_digits_is_read_like_libc_does),
        cmocka_unit_test(short_numbers_are_not_rounded_twice),
        cmocka_unit_test(every_power_of_10_is_read_like_libc_does),
        cmocka_unit_test(numbers_may_be_as_long_as_they_like),
        cmocka_unit_test(numbers_are_written_as_people_write_them),
        cmocka_unit_test(what_is_written_is_the_shortest_that_reads_back),
        cmocka_unit_test(the_locale_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
