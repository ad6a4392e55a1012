// SPDX-License-Identifier: MIT
/*
 * C source as text. Hexadecimal numbers are taken from the bits of the double, since what printf makes of %a depends on libc and
 * locale.
 */
#include "model/export_c_text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "base/status.h"

/* ---- Names ----------------------------------------------------------------------------------------------------------- */

/* ASCII only: what isalpha() thinks depends on the locale. */
static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char to_lower(char c)
{
    return is_upper(c) ? (char)(c - 'A' + 'a') : c;
}

static char to_upper(char c)
{
    return is_lower(c) ? (char)(c - 'a' + 'A') : c;
}

/*
 * Keywords of C and C++, which are no identifiers; headers of C and POSIX, whose place a file PREFIX.h might take; and what
 * Windows takes for a device, whatever the ending. In the order of the alphabet.
 */
static const char *const taken[] = {
    "alignas",      "alignof",   "alloca",    "and",       "and_eq",        "asm",
    "assert",       "auto",      "aux",       "bitand",    "bitor",         "bool",
    "break",        "case",      "catch",     "char",      "char16_t",      "char32_t",
    "char8_t",      "class",     "co_await",  "co_return", "co_yield",      "compl",
    "complex",      "con",       "concept",   "const",     "const_cast",    "consteval",
    "constexpr",    "constinit", "continue",  "ctype",     "decltype",      "default",
    "delete",       "dirent",    "do",        "double",    "dynamic_cast",  "else",
    "enum",         "errno",     "explicit",  "export",    "extern",        "false",
    "fcntl",        "features",  "fenv",      "float",     "for",           "friend",
    "goto",         "if",        "inline",    "int",       "inttypes",      "iso646",
    "limits",       "locale",    "long",      "malloc",    "math",          "memory",
    "mutable",      "namespace", "new",       "noexcept",  "not",           "not_eq",
    "nul",          "nullptr",   "operator",  "or",        "or_eq",         "private",
    "prn",          "protected", "pthread",   "public",    "register",      "reinterpret_cast",
    "requires",     "restrict",  "return",    "sched",     "setjmp",        "short",
    "signal",       "signed",    "sizeof",    "static",    "static_assert", "static_cast",
    "stdalign",     "stdarg",    "stdatomic", "stdbit",    "stdbool",       "stdckdint",
    "stddef",       "stdint",    "stdio",     "stdlib",    "stdnoreturn",   "string",
    "strings",      "struct",    "switch",    "template",  "tgmath",        "this",
    "thread_local", "threads",   "throw",     "time",      "true",          "try",
    "typedef",      "typeid",    "typename",  "typeof",    "typeof_unqual", "uchar",
    "union",        "unistd",    "unsigned",  "using",     "values",        "virtual",
    "void",         "volatile",  "wchar",     "wchar_t",   "wctype",        "while",
    "xor",          "xor_eq",
};

/* Some file systems do not tell capitals from others. */
static bool is_same_name(const char *prefix, const char *word)
{
    size_t i = 0;
    while (word[i] != '\0' && to_lower(prefix[i]) == word[i])
        i++;
    return word[i] == '\0' && prefix[i] == '\0';
}

static bool is_taken(const char *prefix)
{
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (is_same_name(prefix, taken[i]))
            return true;
    return false;
}

static bool is_identifier(const char *prefix)
{
    for (size_t i = 0; prefix[i] != '\0'; i++) {
        const char c = prefix[i];
        if (!is_lower(c) && !is_upper(c) && c != '_' && (i == 0 || !is_digit(c)))
            return false;
    }
    return prefix[0] != '\0';
}

bp_status bpi_c_check_prefix(const char *function, const char *prefix)
{
    const size_t n = strlen(prefix);
    if (n >= BPI_C_PREFIX_SIZE)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: the prefix has %zu characters, expected at most %d", function, n,
                        BPI_C_PREFIX_SIZE - 1);
    if (!is_identifier(prefix))
        return bpi_fail(BP_ERR_ARGUMENT, "%s: the prefix \"%s\" is no identifier of C", function, prefix);
    if (prefix[0] == '_' || prefix[n - 1] == '_' || strstr(prefix, "__") != NULL)
        return bpi_fail(
            BP_ERR_ARGUMENT,
            "%s: the prefix \"%s\" begins or ends with '_' or has two in a row, which makes names that C and C++ "
            "keep for themselves",
            function, prefix);
    if (is_taken(prefix))
        return bpi_fail(BP_ERR_ARGUMENT, "%s: the prefix \"%s\" is a keyword, a standard header or a device", function,
                        prefix);
    return BP_OK;
}

struct bpi_c_text bpi_c_begin(struct bpi_writer *out, const char *prefix, bool single)
{
    struct bpi_c_text text = { .out = out, .prefix = prefix, .single = single };
    for (size_t i = 0; prefix[i] != '\0'; i++)
        text.capitals[i] = to_upper(prefix[i]);
    return text;
}

/* ---- Templates ------------------------------------------------------------------------------------------------------- */

void bpi_c_print(const struct bpi_c_text *text, const char *template, ...)
{
    va_list arguments;
    va_start(arguments, template);
    for (;;) {
        const size_t plain = strcspn(template, "$&~@%`\\");
        bpi_writer_put(text->out, template, plain);
        template += plain;
        if (*template == '\0')
            break;
        if (*template == '\\')
            bpi_writer_put(text->out, ++template, 1);
        else if (*template == '%')
            bpi_writer_print(text->out, "%zu", va_arg(arguments, size_t));
        else
            bpi_writer_put_text(text->out, *template == '$'   ? text->prefix
                                           : *template == '&' ? text->capitals
                                           : *template == '~' ? (text->single ? "float" : "double")
                                           : *template == '`' ? (text->single ? "32" : "64")
                                                              : (text->single ? "f" : ""));
        template ++;
    }
    va_end(arguments);
}

/* ---- Numbers --------------------------------------------------------------------------------------------------------- */

double bpi_c_rounded(bool single, double value)
{
    return single ? (double)(float)value : value;
}

#define FRACTION_BITS 52

/* The hexadecimal digits of a fraction, without zeros at the end; none for 0. */
static size_t write_fraction(uint64_t fraction, char *to)
{
    size_t n = 0;
    for (; fraction != 0; fraction = fraction << 4 & (((uint64_t)1 << FRACTION_BITS) - 1))
        to[n++] = "0123456789abcdef"[fraction >> (FRACTION_BITS - 4)];
    return n;
}

void bpi_c_number(const struct bpi_c_text *text, double value)
{
    const double rounded = bpi_c_rounded(text->single, value);
    uint64_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    const uint64_t fraction = bits & (((uint64_t)1 << FRACTION_BITS) - 1);
    const int biased = (int)(bits >> FRACTION_BITS & 0x7ff);
    assert(biased != 0x7ff); /* who writes numbers has looked */

    char digits[FRACTION_BITS / 4 + 1] = { 0 };
    const size_t n = write_fraction(fraction, digits);
    const bool is_zero = biased == 0 && n == 0;
    const int exponent = is_zero ? 0 : biased == 0 ? -1022 : biased - 1023;
    bpi_writer_print(text->out, "%s0x%d%s%sp%c%d%s", bits >> 63 != 0 ? "-" : "", biased != 0, n > 0 ? "." : "", digits,
                     exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent, text->single ? "f" : "");
}

void bpi_c_element(const struct bpi_c_text *text, size_t k, double value)
{
    const size_t in_a_line = text->single ? 6 : 5;
    bpi_writer_put_text(text->out, k % in_a_line == 0 ? "\n    " : " ");
    bpi_c_number(text, value);
    bpi_writer_put_text(text->out, ",");
}

/* ---- Strings and comments -------------------------------------------------------------------------------------------- */

/* What the characters that C has an escape for are called in it; 0: has none. */
static char escape_of(char c)
{
    static const char characters[] = "\a\b\f\n\r\t\v\"\\", letters[] = "abfnrtv\"\\";
    const char *found = c != '\0' ? strchr(characters, c) : NULL;
    return found != NULL ? letters[found - characters] : '\0';
}

/* Three octal digits always, so that no digit behind them counts as one of theirs. "?\?" is never part of a trigraph. */
static void put_character(const struct bpi_c_text *text, char before, char c)
{
    const unsigned char byte = (unsigned char)c;
    const char escape = escape_of(c);
    if (escape != '\0')
        bpi_writer_print(text->out, "\\%c", escape);
    else if (c == '?' && before == '?')
        bpi_writer_put_text(text->out, "\\?");
    else if (byte < 0x20 || byte >= 0x7f)
        bpi_writer_print(text->out, "\\%u%u%u", (unsigned)byte >> 6, (unsigned)byte >> 3 & 7U, (unsigned)byte & 7U);
    else
        bpi_writer_put(text->out, &c, 1);
}

void bpi_c_string(const struct bpi_c_text *text, const char *string)
{
    bpi_writer_put_text(text->out, "\"");
    for (size_t i = 0; string[i] != '\0'; i++)
        put_character(text, i > 0 ? string[i - 1] : '\0', string[i]);
    bpi_writer_put_text(text->out, "\"");
}

/* The number of a character of UTF-8, and its bytes. */
static unsigned long decode(const char *string, size_t *n)
{
    const unsigned char *byte = (const unsigned char *)string;
    *n = byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : 4;
    unsigned long character = byte[0] & (0x7fU >> *n);
    for (size_t i = 1; i < *n; i++)
        character = character << 6 | (byte[i] & 0x3fU);
    return character;
}

/* In a comment nothing is read but its end and, by compilers that warn, what looks like a beginning. */
void bpi_c_comment(const struct bpi_c_text *text, const char *string)
{
    bpi_writer_put_text(text->out, "\"");
    for (size_t i = 0, n = 1; string[i] != '\0'; i += n) {
        const char before = i > 0 ? string[i - 1] : '\0';
        n = 1;
        if ((unsigned char)string[i] >= 0x80)
            bpi_writer_print(text->out, "\\u{%lx}", decode(string + i, &n));
        else if ((before == '*' && string[i] == '/') || (before == '/' && string[i] == '*'))
            bpi_writer_print(text->out, "\\%c", string[i]);
        else
            put_character(text, before, string[i]);
    }
    bpi_writer_put_text(text->out, "\"");
}
