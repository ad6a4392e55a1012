// SPDX-License-Identifier: MIT
/*
 * The JSON of file headers, against jansson: thousands of documents, made and damaged, are taken by both or by none, and mean
 * the same. And tables of what is right and wrong, without it.
 *
 * Differences that are known, where ours is not jansson's choice:
 *   - whole numbers from 2^63 to 2^64 - 1 are ours; jansson has signed ones
 *   - "-0" is a whole number of jansson's; ours have no sign
 * Documents with these are left out of the comparison, and counted. That true, false, null, and numbers with sign, point or
 * exponent are no part of the subset is what the oracle knows beside jansson.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAS_JANSSON
#include <jansson.h>
#endif

#include "backprop.h"
#include "base/status.h"
#include "store/json.h"
#include "store/safetensors.h"
#include "support/bytes.h"
#include "support/container.h"
#include "support/heap.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- Strings and numbers by hand ------------------------------------------------------------------------------------- */

static struct bpi_json json_of(const char *text, size_t n)
{
    return (struct bpi_json){ .name = "a file", .text = text, .n = n };
}

static bp_status read_string(const char *text, struct bpi_json_string *string, bool *at_end)
{
    struct bpi_json json = json_of(text, strlen(text));
    const bp_status status = bpi_json_string(&json, string);
    *at_end = bpi_json_at_end(&json);
    return status;
}

static void strings_mean_what_their_escapes_say(void **state)
{
    (void)state;
    static const struct {
        const char *text, *meaning;
    } cases[] = {
        { "\"\"", "" },
        { " \t\r\n\"a\" ", "a" },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
        { "\"\\u0001\\u001f\\u007F\\u0080\\u07ff\\u0800\\uffff\"", "\x01\x1F\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF" },
        { "\"\\uD7FF\\uE000\\uabcd\\uABCD\"", "\xED\x9F\xBF\xEE\x80\x80\xEA\xAF\x8D\xEA\xAF\x8D" },
        { "\"\\ud800\\udc00\\uDBFF\\uDFFF\\ud83d\\ude00\"", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\xF0\x9F\x98\x80" },
        { "\"\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"",
          "\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xF0\x90\x80\x80\xF4\x8F\xBF\xBF" },
        { "\"\\u002d\\\\u0041\"", "-\\u0041" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bpi_json_string string;
        char copy[128];
        bool at_end;
        assert_int_equal(read_string(cases[i].text, &string, &at_end), BP_OK);
        assert_true(at_end);
        assert_int_equal(bpi_json_length(&string), strlen(cases[i].meaning));
        assert_ptr_equal(bpi_json_copy(&string, copy), copy + strlen(cases[i].meaning) + 1);
        assert_string_equal(copy, cases[i].meaning);
        assert_true(bpi_json_equals(&string, cases[i].meaning) && bpi_json_begins(&string, cases[i].meaning));
    }
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

/* In the order of strcmp(), each spelled in several ways. */
static void strings_compare_as_what_they_mean(void **state)
{
    (void)state;
    static const char *const texts[][3] = {
        { "\"\"", "\"\"", "\"\"" },
        { "\"\\u0001\"", "\"\\u0001\"", "\"\\u0001\"" },
        { "\"a\"", "\"\\u0061\"", "\"\\u0061\"" },
        { "\"a\\\"\"", "\"a\\u0022\"", "\"\\u0061\\\"\"" },
        { "\"a\\\\b\"", "\"a\\u005cb\"", "\"a\\u005Cb\"" },
        { "\"aa\"", "\"\\u0061a\"", "\"a\\u0061\"" },
        { "\"b\"", "\"\\u0062\"", "\"b\"" },
        { "\"\xC3\xA9\"", "\"\\u00e9\"", "\"\\u00E9\"" },
        { "\"\xEF\xBF\xBF\"", "\"\\uffff\"", "\"\\uFFFF\"" },
        { "\"\xF0\x90\x80\x80\"", "\"\\ud800\\udc00\"", "\"\\uD800\\uDC00\"" },
    };
    for (size_t i = 0; i < COUNT(texts) * 3; i++) {
        for (size_t k = 0; k < COUNT(texts) * 3; k++) {
            struct bpi_json_string a, b;
            bool at_end;
            char text[16];
            assert_int_equal(read_string(texts[i / 3][i % 3], &a, &at_end), BP_OK);
            assert_int_equal(read_string(texts[k / 3][k % 3], &b, &at_end), BP_OK);
            const int expected = (i / 3 > k / 3) - (i / 3 < k / 3);
            assert_int_equal(sign(bpi_json_compare(&a, &b)), expected);
            (void)bpi_json_copy(&b, text);
            assert_int_equal(sign(bpi_json_compare_text(&a, text)), expected);
            assert_int_equal(bpi_json_equals(&a, text), expected == 0);
            char text_a[16];
            (void)bpi_json_copy(&a, text_a);
            assert_int_equal(bpi_json_begins(&a, text), strncmp(text_a, text, strlen(text)) == 0);
            a.n += 1; /* left open, its quote ends it */
            b.n += 1;
            assert_int_equal(sign(bpi_json_compare(&a, &b)), expected);
            assert_int_equal(sign(bpi_json_compare_text(&a, text)), expected);
        }
    }
}

static void whole_numbers_are_those_of_64_bits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } right[] = { { "0", 0 },
                  { " 7", 7 },
                  { "10", 10 },
                  { "1844674407370955161", 1844674407370955161U },
                  { "18446744073709551609", UINT64_MAX - 6 },
                  { "18446744073709551615", UINT64_MAX } };
    static const char *const wrong[] = { "",
                                         "-1",
                                         "-0",
                                         "+1",
                                         "00",
                                         "01",
                                         "18446744073709551616",
                                         "18446744073709551620",
                                         "28446744073709551615",
                                         "100000000000000000000",
                                         "a",
                                         ".5",
                                         "\"1\"" };
    for (size_t i = 0; i < COUNT(right); i++) {
        struct bpi_json json = json_of(right[i].text, strlen(right[i].text));
        uint64_t value;
        assert_int_equal(bpi_json_u64(&json, &value), BP_OK);
        assert_true(value == right[i].value && json.at == json.n);
    }
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct bpi_json json = json_of(wrong[i], strlen(wrong[i]));
        uint64_t value = 42;
        assert_refused(bpi_json_u64(&json, &value), BP_ERR_FORMAT, "a file: byte 0 of the header: expected a whole number");
        assert_true(value == 42);
    }
}

/* ---- All characters, written and read -------------------------------------------------------------------------------- */

static size_t encode(unsigned long c, char *utf8)
{
    if (c < 0x80) {
        utf8[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        utf8[0] = (char)(0xC0 | c >> 6);
        utf8[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        utf8[0] = (char)(0xE0 | c >> 12);
        utf8[1] = (char)(0x80 | (c >> 6 & 63));
        utf8[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    utf8[0] = (char)(0xF0 | c >> 18);
    utf8[1] = (char)(0x80 | (c >> 12 & 63));
    utf8[2] = (char)(0x80 | (c >> 6 & 63));
    utf8[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* What is written of a text, with its quotes, is read as that text. */
static void assert_read_as_written(const char *text, struct test_heap *heap)
{
    struct bpi_writer writer;
    struct bpi_json_string string;
    bpi_writer_open_memory(&writer, &heap->allocator);
    bpi_json_put_string(&writer, text);
    assert_int_equal(bpi_writer_finish(&writer), BP_OK);
    struct bpi_json json = json_of(writer.memory.data, writer.memory.n);
    assert_int_equal(bpi_json_string(&json, &string), BP_OK);
    assert_int_equal(json.at, json.n);
    assert_true(bpi_json_equals(&string, text));
    bpi_writer_abandon(&writer);
}

static void every_character_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct test_heap heap;
    char text[4 * 256 + 1], escapes[12 * 256 + 3];
    test_heap_init(&heap);
    for (unsigned long block = 0; block < 0x110000; block += 256) {
        size_t n = 0, n_escapes = 0;
        escapes[n_escapes++] = '"';
        for (unsigned long c = block == 0 ? 1 : block; c < block + 256 && (c < 0xD800 || c > 0xDFFF); c++) {
            n += encode(c, text + n);
            if (c < 0x10000)
                n_escapes += (size_t)snprintf(escapes + n_escapes, 7, "\\u%04lx", c);
            else
                n_escapes += (size_t)snprintf(escapes + n_escapes, 13, "\\u%04lX\\u%04lx", 0xD800 + ((c - 0x10000) >> 10),
                                              0xDC00 + (c & 0x3FF));
        }
        text[n] = '\0';
        escapes[n_escapes++] = '"';
        assert_read_as_written(text, &heap);
        struct bpi_json json = json_of(escapes, n_escapes);
        struct bpi_json_string string;
        assert_int_equal(bpi_json_string(&json, &string), BP_OK);
        assert_int_equal(bpi_json_length(&string), n);
        assert_true(bpi_json_equals(&string, text));
    }
    assert_true(test_heap_is_clean(&heap));
}

static void only_what_must_be_is_escaped(void **state)
{
    (void)state;
    static const char expected[] = "\"a\\\"b\\\\c/\\u0001\\u000a\\u001f\x7F\xC3\xA9\"";
    struct test_heap heap;
    struct bpi_writer writer;
    test_heap_init(&heap);
    bpi_writer_open_memory(&writer, &heap.allocator);
    bpi_json_put_string(&writer, "a\"b\\c/\x01\n\x1F\x7F\xC3\xA9");
    assert_int_equal(bpi_writer_finish(&writer), BP_OK);
    assert_int_equal(writer.memory.n, sizeof expected - 1);
    assert_memory_equal(writer.memory.data, expected, sizeof expected - 1);
    bpi_writer_abandon(&writer);
}

#ifdef HAS_JANSSON

/* ---- Documents ------------------------------------------------------------------------------------------------------- */

static size_t below(uint64_t *seed, size_t n)
{
    return (size_t)((test_random(seed) >> 11) % n);
}

static void put(struct test_bytes *document, const char *text)
{
    test_bytes_append_text(document, text);
}

static void put_blanks(struct test_bytes *document, uint64_t *seed)
{
    static const char *const blanks[] = { "", "", "", "", "", " ", "\t", "\n", "\r", "  \r\n\t " };
    put(document, blanks[below(seed, COUNT(blanks))]);
}

static void put_number(struct test_bytes *document, uint64_t *seed)
{
    static const char *const numbers[] = { "0",
                                           "1",
                                           "7",
                                           "48",
                                           "4294967296",
                                           "9223372036854775807",
                                           "9223372036854775808",
                                           "18446744073709551615",
                                           "18446744073709551616",
                                           "99999999999999999999999999",
                                           "00",
                                           "01",
                                           "-1",
                                           "-0",
                                           "1.0",
                                           "1e2",
                                           "1E+2",
                                           "0.5",
                                           "+1",
                                           ".5",
                                           "1.",
                                           "0x1" };
    char text[32];
    if (below(seed, 3) == 0) {
        put(document, numbers[below(seed, below(seed, 3) == 0 ? COUNT(numbers) : 6)]);
        return;
    }
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)(test_random(seed) >> (1 + below(seed, 63))));
    put(document, text);
}

/* Mostly right; now and then one of everything that is not. */
static void put_character(struct test_bytes *document, uint64_t *seed)
{
    static const char *const right[] = { "a",
                                         "bc",
                                         " ",
                                         "/",
                                         "{",
                                         "}",
                                         "[",
                                         ",",
                                         ":",
                                         "\\\"",
                                         "\\\\",
                                         "\\/",
                                         "\\b",
                                         "\\f",
                                         "\\n",
                                         "\\r",
                                         "\\t",
                                         "\\u0041",
                                         "\\u00e9",
                                         "\\u20AC",
                                         "\\uffff",
                                         "\\ud83d\\ude00",
                                         "\\uDBFF\\uDFFF",
                                         "\xC3\xA9",
                                         "\xE2\x82\xAC",
                                         "\xEF\xBF\xBF",
                                         "\xF0\x9F\x98\x80",
                                         "\xF4\x8F\xBF\xBF",
                                         "\x7F",
                                         "\\u0001",
                                         "\xED\x9F\xBF",
                                         "\xEE\x80\x80" };
    static const char *const wrong[] = { "\\u0000",
                                         "\\ud800",
                                         "\\udc00",
                                         "\\ud83d\\u0041",
                                         "\\ude00\\ud83d",
                                         "\\ud83d\\n",
                                         "\x01",
                                         "\n",
                                         "\t",
                                         "\x1F",
                                         "\\x",
                                         "\\",
                                         "\"",
                                         "\\u12",
                                         "\\u12g4",
                                         "\\U0041",
                                         "\\a",
                                         "\\'",
                                         "\x80",
                                         "\xBF",
                                         "\xC0\x80",
                                         "\xC1\xBF",
                                         "\xC3",
                                         "\xE0\x80\x80",
                                         "\xE0\x9F\xBF",
                                         "\xE2\x82",
                                         "\xED\xA0\x80",
                                         "\xED\xBF\xBF",
                                         "\xF0\x80\x80\x80",
                                         "\xF0\x8F\xBF\xBF",
                                         "\xF4\x90\x80\x80",
                                         "\xF5\x80\x80\x80",
                                         "\xF8\x88\x80\x80\x80",
                                         "\xFE",
                                         "\xFF",
                                         "\xC3\xC3",
                                         "\xF0\x9F\x98" };
    if (below(seed, 200) == 0)
        put(document, wrong[below(seed, COUNT(wrong))]);
    else if (below(seed, 2) == 0)
        put(document, right[below(seed, COUNT(right))]);
    else
        test_bytes_append(document, &"abcdefghijklmnop"[below(seed, 16)], 1);
}

static void put_string(struct test_bytes *document, uint64_t *seed)
{
    put(document, "\"");
    for (size_t n = below(seed, 8); n > 0; n--)
        put_character(document, seed);
    put(document, "\"");
}

static void put_value(struct test_bytes *document, uint64_t *seed, size_t depth);

static void put_members(struct test_bytes *document, uint64_t *seed, size_t depth, bool is_object)
{
    const size_t n = below(seed, 5);
    for (size_t i = 0; i < n; i++) {
        put_blanks(document, seed);
        if (is_object) {
            put_string(document, seed);
            put_blanks(document, seed);
            put(document, below(seed, 500) == 0 ? "=" : ":");
        }
        put_value(document, seed, depth + 1);
        put_blanks(document, seed);
        if (i + 1 < n || below(seed, 200) == 0)
            put(document, below(seed, 500) == 0 ? ",," : ",");
    }
    put_blanks(document, seed);
}

static void put_value(struct test_bytes *document, uint64_t *seed, size_t depth)
{
    static const char *const words[] = { "true", "false", "null", "nul", "NaN", "Infinity", "'a'", "" };
    const size_t kind = depth == 0 ? 0 : below(seed, depth > 6 ? 4 : 8);
    put_blanks(document, seed);
    if (below(seed, 300) == 0) {
        put(document, words[below(seed, COUNT(words))]);
    } else if (depth > 0 && kind < 2) {
        put_string(document, seed);
    } else if (depth > 0 && kind < 4) {
        put_number(document, seed);
    } else {
        const bool is_object = kind % 2 == 0;
        put(document, is_object ? "{" : "[");
        put_members(document, seed, depth, is_object);
        put(document, is_object ? "}" : "]");
    }
    put_blanks(document, seed);
}

/* ---- Ours and jansson's ---------------------------------------------------------------------------------------------- */

/* Whether a tree of jansson's has only what the subset has. */
static bool is_subset(const json_t *tree)
{
    size_t i;
    json_t *value;
    const char *key;
    if (json_is_string(tree))
        return true;
    if (json_is_integer(tree))
        return json_integer_value(tree) >= 0;
    if (json_is_array(tree)) {
        json_array_foreach(tree, i, value)
        {
            if (!is_subset(value))
                return false;
        }
        return true;
    }
    if (!json_is_object(tree))
        return false;
    json_object_foreach((json_t *)tree, key, value)
    {
        if (!is_subset(value))
            return false;
    }
    return true;
}

/* Reads a value with the library's functions; where there is a tree, it must mean the same. */
static bp_status read_value(struct bpi_json *json, const json_t *tree);

static void assert_same_string(const struct bpi_json_string *string, const char *text)
{
    static char copy[4096];
    assert_int_equal(bpi_json_length(string), strlen(text));
    assert_true(strlen(text) < sizeof copy);
    (void)bpi_json_copy(string, copy);
    assert_string_equal(copy, text);
    assert_true(bpi_json_equals(string, text));
}

/* Two equal keys are not for the reader of JSON to see: the caller compares them, as the index of a file does. */
static bp_status check_key(const struct bpi_json *json, struct bpi_json_string *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bpi_json_compare(&keys[i], &keys[n]) == 0)
            return bpi_json_fail(json, "another key");
    return BP_OK;
}

/* The member of a tree whose key a string means; it must be there. */
static const json_t *member(const json_t *tree, const struct bpi_json_string *key)
{
    static char text[4096]; /* the stack is for nesting */
    assert_true(bpi_json_length(key) < sizeof text);
    (void)bpi_json_copy(key, text);
    const json_t *value = json_object_get(tree, text);
    assert_non_null(value);
    return value;
}

static bp_status read_object(struct bpi_json *json, const json_t *tree)
{
    struct bpi_json_string keys[16];
    bool more;
    for (size_t n = 0;; n++) {
        BPI_TRY(bpi_json_next(json, '}', n, &more));
        if (!more) {
            assert_true(tree == NULL || json_object_size(tree) == n);
            return BP_OK;
        }
        if (n == COUNT(keys))
            fail_msg("an object with many members");
        BPI_TRY(bpi_json_key(json, &keys[n]));
        BPI_TRY(check_key(json, keys, n));
        BPI_TRY(read_value(json, tree == NULL ? NULL : member(tree, &keys[n])));
    }
}

static bp_status read_array(struct bpi_json *json, const json_t *tree)
{
    bool more;
    for (size_t n = 0;; n++) {
        BPI_TRY(bpi_json_next(json, ']', n, &more));
        if (!more) {
            assert_true(tree == NULL || json_array_size(tree) == n);
            return BP_OK;
        }
        const json_t *value = tree == NULL ? NULL : json_array_get(tree, n);
        assert_true(tree == NULL || value != NULL);
        BPI_TRY(read_value(json, value));
    }
}

static bp_status read_value(struct bpi_json *json, const json_t *tree)
{
    struct bpi_json_string string;
    uint64_t whole;
    const char next = bpi_json_at_end(json) ? '\0' : json->text[json->at];
    if (next == '{' || next == '[') {
        BPI_TRY(bpi_json_punctuation(json, next));
        return next == '{' ? read_object(json, tree) : read_array(json, tree);
    }
    if (next == '"') {
        BPI_TRY(bpi_json_string(json, &string));
        if (tree != NULL)
            assert_same_string(&string, json_string_value(tree));
        return BP_OK;
    }
    BPI_TRY(bpi_json_u64(json, &whole));
    if (tree != NULL)
        assert_true(json_is_integer(tree) && whole == (uint64_t)json_integer_value(tree));
    return BP_OK;
}

static bp_status read_document(const char *text, size_t n, const json_t *tree)
{
    struct bpi_json json = json_of(text, n);
    if (bpi_json_at_end(&json) || (json.text[json.at] != '{' && json.text[json.at] != '['))
        return bpi_json_fail(&json, "an object or an array");
    BPI_TRY(read_value(&json, tree));
    return bpi_json_at_end(&json) ? BP_OK : bpi_json_fail(&json, "nothing more");
}

/* Outcomes of the comparison. */
struct tally {
    size_t n_taken, n_refused, n_different;
};

static bool contains(const struct test_bytes *document, const char *text)
{
    const size_t n = strlen(text);
    for (size_t i = 0; i + n <= document->n; i++)
        if (memcmp(document->data + i, text, n) == 0)
            return true;
    return false;
}

/* jansson's tree of it, NULL if it takes none; *is_known: one of the differences that the top of this file lists. */
static json_t *oracle(const struct test_bytes *document, bool *is_known)
{
    json_error_t error;
    json_t *tree = json_loadb((const char *)document->data, document->n, JSON_REJECT_DUPLICATES, &error);
    *is_known = contains(document, "-0") || (tree == NULL && strstr(error.text, "too big") != NULL);
    return tree;
}

static void compare(const struct test_bytes *document, struct tally *tally)
{
    bool is_known;
    json_t *tree = oracle(document, &is_known);
    const bool expected = tree != NULL && is_subset(tree);
    char *text = (char *)test_bytes_copy(document->data, document->n); /* memory checkers see where it ends */
    const bp_status status = read_document(text, document->n, expected ? tree : NULL);
    assert_true(status == BP_OK || status == BP_ERR_FORMAT);
    if (is_known)
        tally->n_different++;
    else if ((status == BP_OK) != expected)
        fail_msg("jansson %s %.*s: %s", expected ? "takes" : "refuses", (int)document->n, text,
                 status == BP_OK ? "taken" : bp_error_message());
    else
        *(expected ? &tally->n_taken : &tally->n_refused) += 1;
    free(text);
    json_decref(tree);
}

static size_t rounds(void)
{
    return getenv("TEST_QUICK") != NULL ? 2000 : 40000;
}

static void documents_are_taken_and_read_as_jansson_does(void **state)
{
    (void)state;
    uint64_t seed = 20260101;
    struct tally tally = { 0 };
    for (size_t i = 0; i < rounds(); i++) {
        struct test_bytes document = { 0 };
        put_value(&document, &seed, 0);
        compare(&document, &tally);
        test_bytes_mutate(&document, &seed, "{}[]\",:\\\\/ubfnrtdDeEaA0019 -.\t\n");
        compare(&document, &tally);
        test_bytes_clear(&document);
    }
    print_message("jansson: %zu taken, %zu refused, %zu with known differences\n", tally.n_taken, tally.n_refused,
                  tally.n_different);
    assert_true(tally.n_taken > rounds() / 2 && tally.n_refused > rounds() / 4 && tally.n_different < rounds() / 4);
}

/* ---- Whole headers --------------------------------------------------------------------------------------------------- */

static size_t size_of_dtype(const char *name)
{
    static const struct {
        const char *name;
        size_t size;
    } dtypes[] = { { "F64", 8 }, { "U8", 1 },  { "F32", 4 }, { "BF16", 2 }, { "F16", 2 }, { "U64", 8 },  { "I64", 8 },
                   { "U32", 4 }, { "I32", 4 }, { "U16", 2 }, { "I16", 2 },  { "I8", 1 },  { "BOOL", 1 }, { "C64", 8 } };
    for (size_t i = 0; i < COUNT(dtypes); i++)
        if (name != NULL && strcmp(dtypes[i].name, name) == 0)
            return dtypes[i].size;
    return 0;
}

struct extent {
    json_int_t begin, end;
};

static int compare_extents(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static bool is_description(const json_t *tensor, struct extent *extent)
{
    const json_t *shape = json_object_get(tensor, "shape"), *offsets = json_object_get(tensor, "data_offsets");
    const size_t size = size_of_dtype(json_string_value(json_object_get(tensor, "dtype")));
    if (json_object_size(tensor) != 3 || size == 0 || !json_is_array(shape) || json_array_size(offsets) != 2 ||
        !is_subset(shape) || !is_subset(offsets))
        return false;
    double n = 1; /* exact for all that can be right here */
    for (size_t i = 0; i < json_array_size(shape); i++) {
        if (!json_is_integer(json_array_get(shape, i)))
            return false;
        n *= (double)json_integer_value(json_array_get(shape, i));
        if (n > 1e19)
            return false;
    }
    if (!json_is_integer(json_array_get(offsets, 0)) || !json_is_integer(json_array_get(offsets, 1)))
        return false;
    extent->begin = json_integer_value(json_array_get(offsets, 0));
    extent->end = json_integer_value(json_array_get(offsets, 1));
    return extent->begin <= extent->end && n * (double)size == (double)(extent->end - extent->begin);
}

/* Whether a tree is the header of a file with so many bytes of data: the rules of safetensors.h once more. */
static bool is_header(const json_t *tree, size_t n_data)
{
    struct extent extents[64];
    size_t n = 0;
    const char *key, *entry;
    json_t *value, *text;
    json_object_foreach((json_t *)tree, key, value)
    {
        if (strcmp(key, "__metadata__") != 0) {
            if (n == COUNT(extents) || !json_is_object(value) || !is_description(value, &extents[n++]))
                return false;
            continue;
        }
        if (!json_is_object(value))
            return false;
        json_object_foreach(value, entry, text)
        {
            if (!json_is_string(text) || strncmp(entry, "bp.", 3) == 0) /* no checksums here */
                return false;
        }
    }
    qsort(extents, n, sizeof extents[0], compare_extents);
    json_int_t end = 0;
    for (size_t i = 0; i < n; i++) {
        if (extents[i].begin != end)
            return false;
        end = extents[i].end;
    }
    return json_is_object(tree) && (size_t)end == n_data;
}

static void put_header(struct test_bytes *header, uint64_t *seed, size_t *n_data)
{
    static const char *const names[] = { "F64", "U8", "F32", "BF16" };
    const size_t n = below(seed, 5), metadata = below(seed, 8);
    char text[128];
    *n_data = 0;
    put(header, "{");
    for (size_t i = 0; i < n; i++) {
        put_blanks(header, seed);
        put(header, i > 0 ? "," : "");
        if (i == metadata) {
            put(header, "\"__metadata__\":{\"a\":");
            put_string(header, seed);
            put(header, "},");
        }
        put_blanks(header, seed);
        put_string(header, seed);
        const size_t dtype = below(seed, COUNT(names)), rows = below(seed, 3), columns = below(seed, 4);
        const size_t size = rows * columns * size_of_dtype(names[dtype]);
        (void)snprintf(text, sizeof text, ":{\"shape\":[%zu,%zu],\"data_offsets\":[%zu,%zu],\"dtype\":\"%s\"}", rows,
                       columns, *n_data, *n_data + size, names[dtype]);
        put(header, text);
        *n_data += size;
    }
    put_blanks(header, seed);
    put(header, "}");
    put_blanks(header, seed);
}

static void compare_file(const struct test_bytes *header, size_t n_data, struct tally *tally)
{
    struct bpi_safetensors st;
    struct test_heap heap;
    bool is_known;
    json_t *tree = oracle(header, &is_known);
    const bool expected = tree != NULL && header->n > 0 && header->data[0] == '{' && is_header(tree, n_data);
    unsigned char *file = calloc(8 + header->n + n_data + 1, 1);
    assert_non_null(file);
    test_put_length(file, header->n);
    if (header->n > 0)
        memcpy(file + 8, header->data, header->n);
    test_heap_init(&heap);
    const bp_status status = bpi_safetensors_read_memory(&st, file, 8 + header->n + n_data, &heap.allocator);
    if (is_known)
        tally->n_different++;
    else if ((status == BP_OK) != expected)
        fail_msg("%s: %.*s with %zu bytes: %s", expected ? "right" : "wrong", (int)header->n, file + 8, n_data,
                 status == BP_OK ? "taken" : bp_error_message());
    else
        *(expected ? &tally->n_taken : &tally->n_refused) += 1;
    bpi_safetensors_free(&st);
    assert_true(test_heap_is_clean(&heap));
    free(file);
    json_decref(tree);
}

static void headers_are_taken_as_jansson_and_the_rules_say(void **state)
{
    (void)state;
    uint64_t seed = 20260102;
    struct tally tally = { 0 };
    for (size_t i = 0; i < rounds(); i++) {
        struct test_bytes header = { 0 };
        size_t n_data;
        put_header(&header, &seed, &n_data);
        compare_file(&header, n_data, &tally);
        test_bytes_mutate(&header, &seed, "{}[]\",:\\u0123456789 U8F");
        compare_file(&header, n_data, &tally);
        test_bytes_clear(&header);
    }
    print_message("jansson: %zu taken, %zu refused, %zu with known differences\n", tally.n_taken, tally.n_refused,
                  tally.n_different);
    assert_true(tally.n_taken > rounds() / 2 && tally.n_refused > rounds() / 4 && tally.n_different < rounds() / 4);
}

static void nesting_is_followed_as_deep_as_jansson_goes(void **state)
{
    (void)state;
    struct tally tally = { 0 };
    for (size_t depth = 1; depth < 2000; depth += 333) { /* jansson's limit is 2048 */
        struct test_bytes document = { 0 };
        for (size_t i = 0; i < depth; i++)
            put(&document, "[");
        compare(&document, &tally);
        for (size_t i = 0; i < depth; i++)
            put(&document, "]");
        compare(&document, &tally);
        put(&document, "]");
        compare(&document, &tally);
        test_bytes_clear(&document);
    }
    assert_int_equal(tally.n_taken, 7);
}

#else

static void documents_are_taken_and_read_as_jansson_does(void **state)
{
    (void)state;
    print_message("skipped: jansson, the oracle of this test, was not found (Debian: libjansson-dev)\n");
    skip();
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_mean_what_their_escapes_say),
        cmocka_unit_test(strings_compare_as_what_they_mean),
        cmocka_unit_test(whole_numbers_are_those_of_64_bits),
        cmocka_unit_test(every_character_is_read_as_it_was_written),
        cmocka_unit_test(only_what_must_be_is_escaped),
        cmocka_unit_test(documents_are_taken_and_read_as_jansson_does),
#ifdef HAS_JANSSON
        cmocka_unit_test(headers_are_taken_as_jansson_and_the_rules_say),
        cmocka_unit_test(nesting_is_followed_as_deep_as_jansson_goes),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
