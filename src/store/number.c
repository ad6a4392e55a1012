// SPDX-License-Identifier: MIT
/*
 * Decimal to binary and back in exact arithmetic on whole numbers of up to 4096 bits: a number is a fraction of two of
 * them, and reading is one long division, writing one for each digit.
 */
#include "store/number.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* digits: bits of the significand. A number is m 2^e with m < 2^digits and e >= min_exponent, and below 2^max_exponent. */
struct format {
    int digits, min_exponent, max_exponent;
};

static const struct format formats[] = {
    [BPI_BINARY64] = { 53, -1074, 1024 },
    [BPI_BINARY32] = { 24, -149, 128 },
};

static_assert(sizeof(double) == 8 && DBL_MANT_DIG == 53 && FLT_MANT_DIG == 24, "numbers are those of IEEE 754");

/* ---- large whole numbers ----------------------------------------------------------------------------------------- */

/*
 * 4096 bits. The largest numbers here are MAX_DIGITS digits, of 2658 bits, and 5^(330 + MAX_DIGITS), of 2624.
 */
#define MAX_LIMBS 128

/* sum limb[i] 2^(32 i); limb[n - 1] is not 0. */
struct large {
    size_t n;
    uint32_t limb[MAX_LIMBS];
};

static void append_limb(struct large *a, uint64_t limb)
{
    if (limb == 0)
        return;
    assert(a->n < MAX_LIMBS);
    a->limb[a->n++] = (uint32_t)limb;
}

static void set(struct large *a, uint64_t value)
{
    a->n = 2;
    a->limb[0] = (uint32_t)value;
    a->limb[1] = (uint32_t)(value >> 32);
    while (a->n > 0 && a->limb[a->n - 1] == 0)
        a->n--;
}

static void copy(struct large *a, const struct large *b)
{
    a->n = b->n;
    memcpy(a->limb, b->limb, b->n * sizeof b->limb[0]);
}

/* a = a factor + summand */
static void multiply_add(struct large *a, uint32_t factor, uint32_t summand)
{
    uint64_t carry = summand;
    for (size_t i = 0; i < a->n; i++) {
        carry += (uint64_t)a->limb[i] * factor;
        a->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    append_limb(a, carry);
}

/* For an exponent that is negative or 0, there is nothing to do. */
static void multiply_by_power_of_5(struct large *a, int64_t exponent)
{
    for (; exponent >= 13; exponent -= 13)
        multiply_add(a, 1220703125, 0);
    for (; exponent > 0; exponent--)
        multiply_add(a, 5, 0);
}

/* a = a 2^bits, for an a that is not 0 */
static void shift_left(struct large *a, size_t bits)
{
    const size_t limbs = bits / 32;
    assert(a->n + limbs <= MAX_LIMBS);
    memmove(a->limb + limbs, a->limb, a->n * sizeof a->limb[0]);
    memset(a->limb, 0, limbs * sizeof a->limb[0]);
    a->n += limbs;
    multiply_add(a, (uint32_t)1 << bits % 32, 0);
}

/* The same for 10^exponent. */
static void multiply_by_power_of_10(struct large *a, int exponent)
{
    multiply_by_power_of_5(a, exponent);
    if (exponent > 0)
        shift_left(a, (size_t)exponent);
}

/* a += b */
static void add(struct large *a, const struct large *b)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < a->n || i < b->n; i++) {
        if (i == a->n)
            a->limb[a->n++] = 0;
        carry += (uint64_t)a->limb[i] + (i < b->n ? b->limb[i] : 0);
        a->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    append_limb(a, carry);
}

/* a -= b, for b <= a */
static void subtract(struct large *a, const struct large *b)
{
    uint64_t borrow = 0;
    for (size_t i = 0; i < a->n; i++) {
        const uint64_t difference = (uint64_t)a->limb[i] - (i < b->n ? b->limb[i] : 0) - borrow;
        a->limb[i] = (uint32_t)difference;
        borrow = difference >> 63;
    }
    while (a->n > 0 && a->limb[a->n - 1] == 0)
        a->n--;
}

/* Below, equal to or above 0 as a is to b. */
static int compare(const struct large *a, const struct large *b)
{
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    size_t i = a->n;
    while (i > 0 && a->limb[i - 1] == b->limb[i - 1])
        i--;
    return i == 0 ? 0 : a->limb[i - 1] < b->limb[i - 1] ? -1 : 1;
}

static int bits_of(uint64_t value)
{
    int bits = 0;
    for (; value != 0; value >>= 1)
        bits++;
    return bits;
}

/* Bits of an a that is not 0. */
static int length(const struct large *a)
{
    return 32 * (int)(a->n - 1) + bits_of(a->limb[a->n - 1]);
}

/* ---- the text: a sign, digits and an exponent -------------------------------------------------------------------- */

/*
 * A number halfway between two neighbours has at most 767 significant digits (in BPI_BINARY64). So of the digits behind the
 * 799th it only matters whether one is not 0, and for that one digit stands.
 */
#define MAX_DIGITS 800

/* (digits as a whole number) 10^exponent, of either sign. The first digit is not 0; zero has none. */
struct decimal {
    bool negative;
    size_t n;
    int64_t exponent;
    unsigned char digits[MAX_DIGITS];
};

struct cursor {
    const char *next, *end;
};

static bool take(struct cursor *cursor, char wanted)
{
    if (cursor->next == cursor->end || *cursor->next != wanted)
        return false;
    cursor->next++;
    return true;
}

/* Takes a '-' or a '+'; whether it was a '-'. */
static bool take_sign(struct cursor *cursor)
{
    const bool negative = take(cursor, '-');
    if (!negative)
        (void)take(cursor, '+');
    return negative;
}

static bool take_digit(struct cursor *cursor, unsigned char *digit)
{
    if (cursor->next == cursor->end || *cursor->next < '0' || *cursor->next > '9')
        return false;
    *digit = (unsigned char)(*cursor->next++ - '0');
    return true;
}

/* Each digit makes the number ten times as large, and 10^exponent takes it back behind the point. */
static void append_digit(struct decimal *decimal, unsigned char digit, bool behind_point)
{
    if (decimal->n < MAX_DIGITS) {
        if (decimal->n > 0 || digit != 0)
            decimal->digits[decimal->n++] = digit;
        decimal->exponent -= behind_point;
        return;
    }
    if (digit != 0 && decimal->digits[MAX_DIGITS - 1] == 0)
        decimal->digits[MAX_DIGITS - 1] = 1;
    decimal->exponent += !behind_point;
}

/* Digits and at most one point; whether there were digits. */
static bool take_digits(struct cursor *cursor, struct decimal *decimal)
{
    bool any = false, behind_point = false;
    for (;;) {
        unsigned char digit;
        if (take_digit(cursor, &digit)) {
            append_digit(decimal, digit, behind_point);
            any = true;
        } else if (behind_point || !take(cursor, '.')) {
            return any;
        } else {
            behind_point = true;
        }
    }
}

/* Beyond any number of digits that memory holds, and far from overflowing when these are added. */
#define LARGEST_EXPONENT ((int64_t)1 << 61)

/* What follows the e; whether it was an exponent. */
static bool take_exponent(struct cursor *cursor, struct decimal *decimal)
{
    const bool negative = take_sign(cursor);
    int64_t exponent = 0;
    unsigned char digit;
    if (!take_digit(cursor, &digit))
        return false;
    do {
        exponent = exponent >= LARGEST_EXPONENT / 10 ? LARGEST_EXPONENT : exponent * 10 + digit;
    } while (take_digit(cursor, &digit));
    decimal->exponent += negative ? -exponent : exponent;
    return true;
}

static bool equals_in_any_case(const struct cursor *cursor, const char *word)
{
    const size_t n = strlen(word);
    if ((size_t)(cursor->end - cursor->next) != n)
        return false;
    size_t i = 0;
    while (i < n && (cursor->next[i] | 0x20) == word[i]) /* in ASCII, what tells 'a' from 'A' */
        i++;
    return i == n;
}

static bool is_nonfinite(const struct cursor *cursor)
{
    static const char *const words[] = { "inf", "infinity", "nan" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (equals_in_any_case(cursor, words[i]))
            return true;
    return false;
}

static enum bpi_number_kind parse(const char *text, size_t n, struct decimal *decimal)
{
    struct cursor cursor = { text, text + n };
    decimal->negative = take_sign(&cursor);
    decimal->n = 0;
    decimal->exponent = 0;
    const struct cursor unsigned_text = cursor;
    if (!take_digits(&cursor, decimal))
        return is_nonfinite(&unsigned_text) ? BPI_NUMBER_NONFINITE : BPI_NUMBER_NONE;
    if ((take(&cursor, 'e') || take(&cursor, 'E')) && !take_exponent(&cursor, decimal))
        return BPI_NUMBER_NONE;
    return cursor.next == cursor.end ? BPI_NUMBER : BPI_NUMBER_NONE;
}

/* ---- from decimal to binary -------------------------------------------------------------------------------------- */

/* m 2^e for m <= 2^53 and e >= -1074, exactly: in bits, so that no mode of the processor's can flush a subnormal number. */
static double compose(uint64_t m, int e)
{
    while (m < (uint64_t)1 << 52 && e > -1074) {
        m <<= 1;
        e--;
    }
    const uint64_t bits = m + ((uint64_t)(e + 1074) << 52); /* the leading bit of m, if set, adds 1 to the exponent */
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* |value| = m 2^e, with the m and e that the format has for it. */
static void decompose(double value, const struct format *format, uint64_t *m, int *e)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    const int biased = (int)(bits >> 52 & 0x7ff);
    *m = (bits & (((uint64_t)1 << 52) - 1)) + (biased == 0 ? 0 : (uint64_t)1 << 52);
    *e = (biased == 0 ? 1 : biased) - 1075;
    while (*m >> format->digits != 0 || *e < format->min_exponent) {
        *m >>= 1;
        ++*e;
    }
}

/* The number nearest to q 2^e and a little more if `more`, for a q of 63 or 64 bits. */
static enum bpi_number_kind round_to_format(uint64_t q, int e, bool more, const struct format *format, double *value)
{
    const int excess = bits_of(q) - format->digits;
    const int below_range = format->min_exponent - e;
    const int dropped = below_range > excess ? below_range : excess; /* bits of q that the number has no place for: >= 10 */
    if (dropped > 64) {
        *value = 0; /* q 2^e is less than half of the smallest number */
        return BPI_NUMBER;
    }

    const uint64_t half = (uint64_t)1 << (dropped - 1);
    const uint64_t rest = q & (half | (half - 1));
    uint64_t m = dropped == 64 ? 0 : q >> dropped;
    if (rest > half || (rest == half && (more || m % 2 == 1)))
        m++;
    if (bits_of(m) + e + dropped > format->max_exponent)
        return BPI_NUMBER_TOO_LARGE;
    *value = compose(m, e + dropped);
    return BPI_NUMBER;
}

/*
 * Long division in binary, for n and d of one length, so that n / d is between 1/2 and 2: floor(n / d 2^63). *rest: whether
 * it leaves a rest. Uses up n.
 */
static uint64_t divide_large(struct large *n, const struct large *d, bool *rest)
{
    uint64_t q = 0;
    for (int i = 0; i < 64; i++) {
        const bool bit = compare(n, d) >= 0;
        if (bit)
            subtract(n, d);
        q = q << 1 | bit;
        multiply_add(n, 2, 0);
    }
    *rest = n->n > 0;
    return q;
}

/* The same for what has no more than 64 bits, as numbers of 16 to 19 digits mostly do. */
static uint64_t divide_64(uint64_t n, uint64_t d, bool *rest)
{
    uint64_t q = 0;
    bool carry = false; /* the 65th bit of n */
    for (int i = 0; i < 64; i++) {
        const bool bit = carry || n >= d;
        n -= bit ? d : 0;
        q = q << 1 | bit;
        carry = n >> 63 != 0;
        n <<= 1;
    }
    *rest = carry || n != 0;
    return q;
}

static uint64_t low_64(const struct large *a)
{
    return a->limb[0] | (a->n > 1 ? (uint64_t)a->limb[1] << 32 : 0);
}

/* The number nearest to n / d 2^e, for n and d that are not 0. Uses up both. */
static enum bpi_number_kind divide(struct large *n, struct large *d, int e, const struct format *format, double *value)
{
    const int shift = length(d) - length(n);
    if (shift >= 0)
        shift_left(n, (size_t)shift);
    else
        shift_left(d, (size_t)-shift);

    bool rest;
    const uint64_t q = n->n <= 2 ? divide_64(low_64(n), low_64(d), &rest) : divide_large(n, d, &rest);
    return round_to_format(q, e - 63 - shift, rest, format, value);
}

static enum bpi_number_kind read_exactly(const struct decimal *decimal, const struct format *format, double *value)
{
    struct large n, d;
    set(&n, 0);
    set(&d, 1);
    for (size_t i = 0; i < decimal->n; i++)
        multiply_add(&n, 10, decimal->digits[i]);
    multiply_by_power_of_5(&n, decimal->exponent); /* 10^exponent is 5^exponent 2^exponent */
    multiply_by_power_of_5(&d, -decimal->exponent);
    return divide(&n, &d, (int)decimal->exponent, format, value);
}

static const double powers_of_10[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

#define MAX_EXACT_DIGITS 15 /* of decimal numbers that are doubles */
#define MAX_EXACT_POWER 22  /* of 10, the same */

/*
 * Whether a double in which what was rounded is no longer seen lies halfway between two numbers of a smaller format.
 * Anywhere else, rounding twice is the same as rounding once.
 */
static bool is_halfway(double value, const struct format *format)
{
    const int surplus = DBL_MANT_DIG - format->digits;
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return surplus > 0 && (bits & (((uint64_t)1 << surplus) - 1)) == (uint64_t)1 << (surplus - 1);
}

static double round_double(double value, const struct format *format)
{
    return format->digits == FLT_MANT_DIG ? (double)(float)value : value;
}

/* Both operands are exact, so the result is rounded once. Whether it can be done. */
static bool read_fast(const struct decimal *decimal, const struct format *format, double *value)
{
    const int64_t exponent = decimal->exponent;
    if (FLT_EVAL_METHOD != 0 || decimal->n > MAX_EXACT_DIGITS || exponent < -MAX_EXACT_POWER || exponent > MAX_EXACT_POWER)
        return false;
    int64_t digits = 0;
    for (size_t i = 0; i < decimal->n; i++)
        digits = digits * 10 + decimal->digits[i];
    const double nearest =
        exponent < 0 ? (double)digits / powers_of_10[-exponent] : (double)digits * powers_of_10[exponent];
    *value = round_double(nearest, format);
    return !is_halfway(nearest, format);
}

/* |number|. The powers of 10 keep what read_exactly() multiplies within its bits. */
static enum bpi_number_kind read_magnitude(const struct decimal *decimal, const struct format *format, double *value)
{
    const int64_t order = decimal->exponent + (int64_t)decimal->n; /* the number is below 10^order, and not below a tenth */
    if (read_fast(decimal, format, value))
        return BPI_NUMBER;
    if (decimal->n == 0 || order < -330) {
        *value = 0;
        return BPI_NUMBER;
    }
    return order > 310 ? BPI_NUMBER_TOO_LARGE : read_exactly(decimal, format, value);
}

enum bpi_number_kind bpi_number_read(const char *text, size_t n, enum bpi_number_format format, double *value)
{
    struct decimal decimal;
    double magnitude;
    enum bpi_number_kind kind = parse(text, n, &decimal);
    if (kind == BPI_NUMBER)
        kind = read_magnitude(&decimal, &formats[format], &magnitude);
    if (kind == BPI_NUMBER)
        *value = decimal.negative ? -magnitude : magnitude;
    return kind;
}

/* ---- from binary to decimal -------------------------------------------------------------------------------------- */

/*
 * The number r / s, and how far from it the texts reach that are read as it: from (r - below) / s to (r + above) / s, these
 * two included where the significand is even.
 */
struct interval {
    struct large r, s, above, below;
    bool closed;
};

/* m 2^e: the neighbour below a power of 2 is half as far as the one above, unless both are subnormal. */
static void set_interval(struct interval *interval, uint64_t m, int e, const struct format *format)
{
    const bool is_power_of_2 = m == (uint64_t)1 << (format->digits - 1) && e > format->min_exponent;
    const size_t up = e > 0 ? (size_t)e : 0, down = e < 0 ? (size_t)-e : 0;
    set(&interval->r, m);
    set(&interval->s, 1);
    set(&interval->above, 1);
    set(&interval->below, 1);
    shift_left(&interval->r, up + 1U + is_power_of_2);
    shift_left(&interval->s, down + 1U + is_power_of_2);
    shift_left(&interval->above, up + is_power_of_2);
    shift_left(&interval->below, up);
    interval->closed = m % 2 == 0;
}

static bool reaches_below_0(const struct interval *interval)
{
    const int order = compare(&interval->r, &interval->below);
    return order < 0 || (order == 0 && interval->closed);
}

/* Whether 1 is within reach: the number may be written as 1, or is beyond. */
static bool reaches_1(const struct interval *interval)
{
    struct large end;
    copy(&end, &interval->r);
    add(&end, &interval->above);
    const int order = compare(&end, &interval->s);
    return order > 0 || (order == 0 && interval->closed);
}

/* Divides the interval by the least 10^k that keeps it from reaching 1; returns k. */
static int scale(struct interval *interval)
{
    const int log2_at_least = length(&interval->r) - length(&interval->s) - 1;
    int k = log2_at_least * 30103 / 100000; /* at most log10(r / s), rounded up */
    multiply_by_power_of_10(&interval->s, k);
    multiply_by_power_of_10(&interval->r, -k);
    multiply_by_power_of_10(&interval->above, -k);
    multiply_by_power_of_10(&interval->below, -k);
    for (; reaches_1(interval); k++)
        multiply_add(&interval->s, 10, 0);
    return k;
}

/* Takes the first digit behind the point off the interval, and moves the point behind it. */
static char next_digit(struct interval *interval)
{
    char digit = '0';
    multiply_add(&interval->r, 10, 0);
    multiply_add(&interval->above, 10, 0);
    multiply_add(&interval->below, 10, 0);
    for (; compare(&interval->r, &interval->s) >= 0; digit++)
        subtract(&interval->r, &interval->s);
    return digit;
}

/* Whether the last digit has to be the one above: the nearer of the two if either may be, of equally near ones the even. */
static bool ends_above(struct interval *interval, char digit, bool may_end_below)
{
    multiply_add(&interval->r, 2, 0);
    const int order = compare(&interval->r, &interval->s);
    return !may_end_below || order > 0 || (order == 0 && digit % 2 == 1); /* '0' is even */
}

#define MAX_WRITTEN_DIGITS 17

/* m 2^e is 0.d1 d2 ... dn 10^k, or as good as that; returns n. */
static int shortest_digits(uint64_t m, int e, const struct format *format, char digits[MAX_WRITTEN_DIGITS], int *k)
{
    struct interval interval;
    set_interval(&interval, m, e, format);
    *k = scale(&interval);

    int n = 0;
    bool may_end_below, may_end_above;
    do {
        assert(n < MAX_WRITTEN_DIGITS);
        digits[n++] = next_digit(&interval);
        may_end_below = reaches_below_0(&interval);
        may_end_above = reaches_1(&interval);
    } while (!may_end_below && !may_end_above);
    if (may_end_above && ends_above(&interval, digits[n - 1], may_end_below))
        digits[n - 1]++;
    return n;
}

static char *write_zeros(char *to, int n)
{
    memset(to, '0', (size_t)n);
    return to + n;
}

static char *write_digits(char *to, const char *digits, int n)
{
    memcpy(to, digits, (size_t)n);
    return to + n;
}

/* 0.d1 ... dn 10^k, with a point in its place. */
static char *write_plain(char *to, const char *digits, int n, int k)
{
    const int n_before = k < 0 ? 0 : k < n ? k : n;
    to = write_digits(to, digits, n_before);
    to = write_zeros(to, k <= 0 ? 1 : k - n_before);
    if (k < n)
        *to++ = '.';
    to = write_zeros(to, k < 0 ? -k : 0);
    return write_digits(to, digits + n_before, n - n_before);
}

static char *write_exponent(char *to, int exponent)
{
    char digits[3];
    int n = 0;
    *to++ = 'e';
    if (exponent < 0)
        *to++ = '-';
    for (int rest = exponent < 0 ? -exponent : exponent; rest > 0; rest /= 10)
        digits[n++] = (char)('0' + rest % 10);
    while (n > 0)
        *to++ = digits[--n];
    return to;
}

/* d1.d2 ... dn e (k - 1) */
static char *write_scientific(char *to, const char *digits, int n, int k)
{
    to = write_plain(to, digits, n, 1);
    return write_exponent(to, k - 1);
}

size_t bpi_number_write(double value, enum bpi_number_format format, char text[BPI_NUMBER_SIZE])
{
    uint64_t m;
    int e, n = 0, k = 1;
    char digits[MAX_WRITTEN_DIGITS];
    assert(isfinite(value));
    decompose(value, &formats[format], &m, &e);
    if (m != 0)
        n = shortest_digits(m, e, &formats[format], digits, &k);

    char *end = text;
    if (signbit(value))
        *end++ = '-';
    if (m == 0)
        end = write_zeros(end, 1);
    else if (k < -3 || k > 16)
        end = write_scientific(end, digits, n, k);
    else
        end = write_plain(end, digits, n, k);
    *end = '\0';
    return (size_t)(end - text);
}
