// SPDX-License-Identifier: MIT
/*
 * JSON as far as safetensors has it.
 */
#include "store/json.h"

#include <string.h>

#include "base/status.h"
#include "store/text.h"
#include "store/utf8.h"

/* ---- Reading --------------------------------------------------------------------------------------------------------- */

bp_status bpi_json_fail(const struct bpi_json *json, const char *expected)
{
    if (json->at >= json->n)
        return bpi_fail(BP_ERR_FORMAT, "%s: byte %zu of the header: expected %s, found its end", json->name, json->at,
                        expected);
    const size_t left = json->n - json->at;
    return bpi_fail(BP_ERR_FORMAT, "%s: byte %zu of the header: expected %s, found %s", json->name, json->at, expected,
                    bpi_quote(json->text + json->at, left < 12 ? left : 12).text);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool bpi_json_at_end(struct bpi_json *json)
{
    while (json->at < json->n && is_blank(json->text[json->at]))
        json->at++;
    return json->at == json->n;
}

static bool take(struct bpi_json *json, char c)
{
    if (bpi_json_at_end(json) || json->text[json->at] != c)
        return false;
    json->at++;
    return true;
}

bp_status bpi_json_punctuation(struct bpi_json *json, char expected)
{
    const char quoted[] = { '\'', expected, '\'', '\0' };
    return take(json, expected) ? BP_OK : bpi_json_fail(json, quoted);
}

bp_status bpi_json_next(struct bpi_json *json, char close, size_t n, bool *more)
{
    *more = false;
    if (take(json, close))
        return BP_OK;
    *more = true;
    if (n > 0 && !take(json, ','))
        return bpi_json_fail(json, close == '}' ? "',' or '}'" : "',' or ']'");
    return BP_OK;
}

bp_status bpi_json_u64(struct bpi_json *json, uint64_t *value)
{
    (void)bpi_json_at_end(json);
    const size_t start = json->at;
    uint64_t sum = 0;
    for (; json->at < json->n && json->text[json->at] >= '0' && json->text[json->at] <= '9'; json->at++) {
        const uint64_t digit = (uint64_t)(json->text[json->at] - '0');
        const bool leading_zero = json->at == start + 1 && sum == 0;
        if (leading_zero || sum > (UINT64_MAX - digit) / 10) {
            json->at = start;
            return bpi_json_fail(json, "a whole number below 2^64 without leading zeros");
        }
        sum = sum * 10 + digit;
    }
    if (json->at == start)
        return bpi_json_fail(json, "a whole number");
    *value = sum;
    return BP_OK;
}

bp_status bpi_json_key(struct bpi_json *json, struct bpi_json_string *key)
{
    BPI_TRY(bpi_json_string(json, key));
    return bpi_json_punctuation(json, ':');
}

/* ---- Characters of strings ------------------------------------------------------------------------------------------- */

static int hexadecimal_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The number in \uXXXX, or -1. */
static long escaped_unit(const char *text, size_t n)
{
    if (n < 6 || text[0] != '\\' || text[1] != 'u')
        return -1;
    long unit = 0;
    for (size_t i = 2; i < 6; i++) {
        const int digit = hexadecimal_digit(text[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static size_t encode(unsigned long c, char utf8[4])
{
    static const unsigned char leads[] = { 0, 0x00, 0xC0, 0xE0, 0xF0 };
    const size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        utf8[i] = (char)(unsigned char)(0x80 | (c & 0x3F));
    utf8[0] = (char)(unsigned char)(leads[n] | c);
    return n;
}

/* A \u escape, or a pair of them: bytes of text it takes, 0 if it is wrong. */
static size_t escaped_character(const char *text, size_t n, char utf8[4], size_t *n_utf8)
{
    const long first = escaped_unit(text, n);
    if (first <= 0 || (first >= 0xDC00 && first <= 0xDFFF))
        return 0;
    if (first < 0xD800 || first > 0xDBFF) {
        *n_utf8 = encode((unsigned long)first, utf8);
        return 6;
    }
    const long second = escaped_unit(text + 6, n - 6);
    if (second < 0xDC00 || second > 0xDFFF)
        return 0;
    *n_utf8 = encode(0x10000UL + ((unsigned long)(first - 0xD800) << 10) + (unsigned long)(second - 0xDC00), utf8);
    return 12;
}

/* One character of n > 0 bytes: how many of them it takes, 0 if it is wrong; and the UTF-8 that it means. */
static size_t character(const char *text, size_t n, char utf8[4], size_t *n_utf8)
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (text[0] != '\\') {
        const size_t length = bpi_utf8_length(text, n);
        if ((unsigned char)text[0] < 0x20 || text[0] == '"')
            return 0;
        memcpy(utf8, text, length);
        *n_utf8 = length;
        return length;
    }
    if (n >= 2 && text[1] == 'u')
        return escaped_character(text, n, utf8, n_utf8);
    const char *found = n >= 2 && text[1] != '\0' ? strchr(escapes, text[1]) : NULL;
    if (found == NULL)
        return 0;
    utf8[0] = meanings[found - escapes];
    *n_utf8 = 1;
    return 2;
}

bp_status bpi_json_string(struct bpi_json *json, struct bpi_json_string *string)
{
    if (!take(json, '"'))
        return bpi_json_fail(json, "a string");
    const size_t start = json->at;
    while (json->at < json->n && json->text[json->at] != '"') {
        char utf8[4];
        size_t n_utf8;
        const size_t length = character(json->text + json->at, json->n - json->at, utf8, &n_utf8);
        if (length == 0)
            return bpi_json_fail(json, "a character of a string (UTF-8 or an escape, none below U+0020 and no U+0000)");
        json->at += length;
    }
    if (json->at == json->n)
        return bpi_json_fail(json, "the end of a string");
    *string = (struct bpi_json_string){ .raw = json->text + start, .n = json->at - start };
    json->at++;
    return BP_OK;
}

/* ---- What strings mean ----------------------------------------------------------------------------------------------- */

size_t bpi_json_character(const struct bpi_json_string *string, size_t *at, char utf8[4])
{
    size_t n_utf8 = 0;
    if (*at < string->n)
        *at += character(string->raw + *at, string->n - *at, utf8, &n_utf8);
    return n_utf8;
}

size_t bpi_json_length(const struct bpi_json_string *string)
{
    size_t length = 0, n, at = 0;
    char utf8[4];
    while ((n = bpi_json_character(string, &at, utf8)) > 0)
        length += n;
    return length;
}

char *bpi_json_copy(const struct bpi_json_string *string, char *to)
{
    size_t n, at = 0;
    char utf8[4];
    while ((n = bpi_json_character(string, &at, utf8)) > 0) {
        memcpy(to, utf8, n);
        to += n;
    }
    *to = '\0';
    return to + 1;
}

/* Characters of ASCII that mean themselves and are the same at the beginning of both. */
static size_t common_plain(const struct bpi_json_string *a, const struct bpi_json_string *b)
{
    const size_t n = a->n < b->n ? a->n : b->n;
    size_t i = 0;
    while (i < n && a->raw[i] == b->raw[i] && (unsigned char)a->raw[i] < 0x80 && a->raw[i] != '"' && a->raw[i] != '\\')
        i++;
    return i;
}

int bpi_json_compare(const struct bpi_json_string *a, const struct bpi_json_string *b)
{
    char utf8_a[4], utf8_b[4];
    size_t at_a = common_plain(a, b), at_b = at_a;
    for (;;) { /* well-formed characters that differ do so before the shorter one ends */
        const size_t n_a = bpi_json_character(a, &at_a, utf8_a), n_b = bpi_json_character(b, &at_b, utf8_b);
        if (n_a == 0 || n_b == 0)
            return (n_a > 0) - (n_b > 0);
        const int order = memcmp(utf8_a, utf8_b, n_a < n_b ? n_a : n_b);
        if (order != 0)
            return order;
    }
}

int bpi_json_compare_text(const struct bpi_json_string *string, const char *text)
{
    char utf8[4];
    size_t n, at = 0;
    while ((n = bpi_json_character(string, &at, utf8)) > 0)
        for (size_t i = 0; i < n; i++, text++)
            if (*text != utf8[i]) /* at the text's end, too: no character of a string is a NUL */
                return (unsigned char)utf8[i] < (unsigned char)*text ? -1 : 1;
    return *text == '\0' ? 0 : -1;
}

bool bpi_json_equals(const struct bpi_json_string *string, const char *text)
{
    return bpi_json_compare_text(string, text) == 0;
}

bool bpi_json_begins(const struct bpi_json_string *string, const char *text)
{
    char utf8[4];
    size_t n, at = 0;
    while (*text != '\0' && (n = bpi_json_character(string, &at, utf8)) > 0)
        for (size_t i = 0; i < n; i++, text++)
            if (*text != utf8[i])
                return false;
    return *text == '\0';
}

/* ---- Writing --------------------------------------------------------------------------------------------------------- */

void bpi_json_put_string(struct bpi_writer *writer, const char *text)
{
    bpi_writer_put(writer, "\"", 1);
    while (*text != '\0') {
        const size_t plain =
            strcspn(text, "\"\\\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25\26\27\30\31\32\33\34\35\36\37");
        bpi_writer_put(writer, text, plain);
        text += plain;
        if (*text == '"' || *text == '\\')
            bpi_writer_print(writer, "\\%c", *text++);
        else if (*text != '\0')
            bpi_writer_print(writer, "\\u%04x", (unsigned)*text++);
    }
    bpi_writer_put(writer, "\"", 1);
}
