// SPDX-License-Identifier: MIT
/*
 * Characters with their places, sentences that show what was found, and the array that grows while one reads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/growing.h"
#include "base/memory.h"
#include "store/text.h"
#include "support/bytes.h"
#include "support/heap.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- characters -------------------------------------------------------------------------------------------------- */

/* Reads all characters of a text; `places` says for each, and for the end, "line:column ". */
static bp_status read_all(const void *bytes, size_t n, char *characters, char *places)
{
    struct bpi_source source;
    struct bpi_text text;
    unsigned char *copy = test_bytes_copy(bytes, n);
    assert_int_equal(bpi_source_open_memory(&source, copy, n, NULL), BP_OK);
    bpi_text_open(&text, &source);
    for (; text.next != BPI_TEXT_END; bpi_text_advance(&text)) {
        *characters++ = (char)text.next;
        places += sprintf(places, "%zu:%zu ", text.at.line, text.at.column);
    }
    *characters = '\0';
    (void)sprintf(places, "%zu:%zu", text.at.line, text.at.column);
    bpi_text_advance(&text); /* nothing happens */
    assert_int_equal(text.next, BPI_TEXT_END);
    const bp_status status = text.status;
    bpi_source_close(&source);
    free(copy);
    return status;
}

static void lines_end_in_three_ways_and_places_count_from_1(void **state)
{
    (void)state;
    static const struct {
        const char *text, *characters, *places;
    } cases[] = {
        { "", "", "1:1" },
        { "ab", "ab", "1:1 1:2 1:3" },
        { "a\nb", "a\nb", "1:1 1:2 2:1 2:2" },
        { "a\r\nb", "a\nb", "1:1 1:2 2:1 2:2" },
        { "a\rb", "a\nb", "1:1 1:2 2:1 2:2" },
        { "\n\n", "\n\n", "1:1 2:1 3:1" },
        { "\r\r", "\n\n", "1:1 2:1 3:1" },
        { "\r\n\r\n", "\n\n", "1:1 2:1 3:1" },
        { "\n\r", "\n\n", "1:1 2:1 3:1" },
        { "\r\n\n", "\n\n", "1:1 2:1 3:1" },
        { "\r", "\n", "1:1 2:1" },
        { "\tx", "\tx", "1:1 1:2 1:3" },
        { "\xC3\xBC|", "\xC3\xBC|", "1:1 1:1 1:2 1:3" },                         /* one character of two bytes */
        { "\xF0\x9F\x98\x80|", "\xF0\x9F\x98\x80|", "1:1 1:1 1:1 1:1 1:2 1:3" }, /* of four */
        { "\xFF|", "\xFF|", "1:1 1:2 1:3" },                                     /* not UTF-8 */
        { "\xEF\xBB\xBFx", "x", "1:1 1:2" },                                     /* a byte order mark */
        { "\xEF\xBB\xBF", "", "1:1" },
        { "\xEF\xBB", "\xEF\xBB", "1:1 1:1 1:2" },
        { "\xEF\xBB\xBE", "\xEF\xBB\xBE", "1:1 1:1 1:1 1:2" },
        { "x\xEF\xBB\xBF", "x\xEF\xBB\xBF", "1:1 1:2 1:2 1:2 1:3" }, /* not in front */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char characters[32], places[128];
        assert_int_equal(read_all(cases[i].text, strlen(cases[i].text), characters, places), BP_OK);
        assert_string_equal(characters, cases[i].characters);
        assert_string_equal(places, cases[i].places);
    }
}

/* A CR is the last byte of one chunk, its LF the first of the next. */
static void an_end_of_line_may_lie_across_chunks(void **state)
{
    (void)state;
    static char text[2 * BPI_TEXT_CHUNK], characters[sizeof text + 1], places[16 * sizeof text];
    memset(text, 'x', sizeof text);
    text[BPI_TEXT_CHUNK - 1] = '\r';
    text[BPI_TEXT_CHUNK] = '\n';
    assert_int_equal(read_all(text, sizeof text, characters, places), BP_OK);
    assert_int_equal(strlen(characters), sizeof text - 1);
    assert_int_equal(characters[BPI_TEXT_CHUNK - 1], '\n');
    assert_string_equal(strrchr(places, ' '), " 2:4096");
}

static void a_nul_ends_the_text_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        const char *sentence;
    } cases[] = {
        { "\0", 1, "memory: line 1, column 1: found a NUL byte" },
        { "ab\ncd\0ef", 8, "memory: line 2, column 3: found a NUL byte" },
        { "a\r\0", 3, "memory: line 2, column 1: found a NUL byte" },
        { "\xFF\xFE"
          "a\0b\0",
          6, "line 1, column 4: found a NUL byte: expected text in UTF-8" }, /* UTF-16 */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char characters[32], places[128];
        assert_int_equal(read_all(cases[i].text, cases[i].n, characters, places), BP_ERR_FORMAT);
        assert_non_null(strstr(bp_error_message(), cases[i].sentence));
    }
}

static void a_source_that_fails_ends_the_text_with_its_status(void **state)
{
    (void)state;
    static char text[3 * BPI_TEXT_CHUNK];
    memset(text, 'x', sizeof text);
    for (int at_once = 0; at_once < 2; at_once++) {
        const char *path = test_file(text, sizeof text);
        struct bpi_source source;
        struct bpi_text characters;
        assert_int_equal(bpi_source_open_path(&source, path, NULL), BP_OK);
        assert_int_equal(fclose(source.file), 0);
        source.file = fopen(path, "wb"); /* which cannot be read */
        assert_non_null(source.file);
        source.n_next = at_once ? 0 : BPI_TEXT_CHUNK; /* what was read of it before */
        bpi_text_open(&characters, &source);
        size_t n = 0;
        for (; characters.next != BPI_TEXT_END; bpi_text_advance(&characters))
            n++;
        assert_int_equal(n, at_once ? 0 : BPI_TEXT_CHUNK);
        assert_int_equal(characters.status, BP_ERR_IO);
        bpi_source_close(&source);
        assert_int_equal(remove(path), 0);
    }
}

/* ---- quotes ------------------------------------------------------------------------------------------------------ */

static void quotes_show_what_can_be_shown_and_no_more_than_fits(void **state)
{
    (void)state;
    static const struct {
        const char *text, *quote;
    } cases[] = {
        { "", "''" },
        { "abc", "'abc'" },
        { "it's", "'it's'" },
        { " ~", "' ~'" },
        { "a\nb\tc\x1b[31m\x7f", "'a\\x0Ab\\x09c\\x1B[31m\\x7F'" },
        { "gr\xC3\xB6\xC3\x9F"
          "e",
          "'gr\xC3\xB6\xC3\x9F"
          "e'" },
        { "\xE2\x82\xAC\xF0\x9F\x98\x80", "'\xE2\x82\xAC\xF0\x9F\x98\x80'" },
        { "\xC2\x9B", "'\\xC2\\x9B'" }, /* a control character */
        { "\xC2\xA0", "'\xC2\xA0'" },
        { "\xC0\xAF", "'\\xC0\\xAF'" }, /* overlong */
        { "\xE0\x80\xAF", "'\\xE0\\x80\\xAF'" },
        { "\xED\xA0\x80", "'\\xED\\xA0\\x80'" },          /* half a surrogate pair */
        { "\xF4\x90\x80\x80", "'\\xF4\\x90\\x80\\x80'" }, /* beyond Unicode */
        { "\xF5\x80\x80\x80", "'\\xF5\\x80\\x80\\x80'" },
        { "\xE2\x82", "'\\xE2\\x82'" }, /* cut short */
        { "\xE2\x82x", "'\\xE2\\x82x'" },
        { "\xC3(", "'\\xC3('" },
        { "\xFC\xFF\x80", "'\\xFC\\xFF\\x80'" },
        { "0123456789012345678901234567890123456789", "'0123456789012345678901234567890123456789'" },
        { "01234567890123456789012345678901234567890", "'0123456789012345678901234567890123456789...'" },
        { "01234567890123456789012345678901234567\xE2\x82\xAC", "'01234567890123456789012345678901234567...'" },
        { "\1\1\1\1\1\1\1\1\1\1", "'\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01'" },
        { "\1\1\1\1\1\1\1\1\1\1\1", "'\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01...'" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const size_t n = strlen(cases[i].text);
        char *copy = (char *)test_bytes_copy(cases[i].text, n);
        assert_string_equal(bpi_quote(copy, n).text, cases[i].quote);
        free(copy);
    }
    assert_string_equal(bpi_quote("a\0b", 3).text, "'a\\x00b'");
}

static void any_bytes_make_a_quote_that_ends(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        char bytes[64];
        for (size_t j = 0; j < sizeof bytes; j++)
            bytes[j] = (char)(test_random(&seed) >> 40);
        const size_t n = (size_t)(test_random(&seed) % sizeof bytes);
        char *copy = (char *)test_bytes_copy(bytes, n);
        const struct bpi_quote quote = bpi_quote(copy, n);
        assert_non_null(memchr(quote.text, '\0', sizeof quote.text));
        for (const char *c = quote.text; *c != '\0'; c++)
            assert_true((unsigned char)*c >= 0x20 && *c != 0x7F);
        free(copy);
    }
}

/* ---- arrays that grow -------------------------------------------------------------------------------------------- */

static void an_array_doubles_and_keeps_what_is_in_it(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    struct bpi_growing array = { 0 };
    for (size_t i = 0; i < 100000; i++) {
        assert_int_equal(bpi_growing_reserve(&array, &heap.allocator, "test", 1), BP_OK);
        ((unsigned char *)array.data)[array.n++] = (unsigned char)(i % 251);
        assert_true(array.capacity <= 1024 || array.capacity < 2 * array.n);
        assert_true(heap.peak_bytes <= 1024 || heap.peak_bytes <= 3 * array.n);
    }
    assert_int_equal(heap.n_allocs, 8); /* 1, 2, 4, ..., 128 KiB */
    for (size_t i = 0; i < array.n; i++)
        assert_int_equal(((unsigned char *)array.data)[i], i % 251);
    assert_int_equal(bpi_growing_reserve(&array, &heap.allocator, "test", 1000000), BP_OK);
    assert_int_equal(array.capacity, 1100000);
    bpi_growing_release(&array, &heap.allocator);
    assert_null(array.data);
    assert_int_equal(array.capacity, 0);
    bpi_growing_release(&array, &heap.allocator);
    assert_true(test_heap_is_clean(&heap));
}

static void an_array_that_cannot_grow_stays_as_it_is(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    heap.fail_at = 2;
    struct bpi_growing array = { 0 };
    assert_int_equal(bpi_growing_reserve(&array, &heap.allocator, "file.csv", 1000), BP_OK);
    memset(array.data, 7, 1000);
    array.n = 1000;
    assert_int_equal(bpi_growing_reserve(&array, &heap.allocator, "file.csv", 1000), BP_ERR_MEMORY);
    assert_string_equal(bp_error_message(), "file.csv: no memory for 2048 bytes");
    assert_int_equal(bpi_growing_reserve(&array, &heap.allocator, "file.csv", SIZE_MAX), BP_ERR_MEMORY); /* n + SIZE_MAX */
    assert_int_equal(array.n, 1000);
    assert_int_equal(array.capacity, 1024);
    assert_int_equal(((unsigned char *)array.data)[999], 7);
    bpi_growing_release(&array, &heap.allocator);
    assert_true(test_heap_is_clean(&heap));

    struct bpi_growing huge = { NULL, SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 1 }; /* twice as much overflows */
    assert_int_equal(bpi_growing_reserve(&huge, &heap.allocator, "file.csv", 1), BP_ERR_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_in_three_ways_and_places_count_from_1),
        cmocka_unit_test(an_end_of_line_may_lie_across_chunks),
        cmocka_unit_test(a_nul_ends_the_text_with_its_place),
        cmocka_unit_test(a_source_that_fails_ends_the_text_with_its_status),
        cmocka_unit_test(quotes_show_what_can_be_shown_and_no_more_than_fits),
        cmocka_unit_test(any_bytes_make_a_quote_that_ends),
        cmocka_unit_test(an_array_doubles_and_keeps_what_is_in_it),
        cmocka_unit_test(an_array_that_cannot_grow_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
