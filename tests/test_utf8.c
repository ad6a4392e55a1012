// SPDX-License-Identifier: MIT
/*
 * UTF-8, every sequence of up to three bytes and all that matters of four: against a decoder written from the definition, which
 * puts the bits together and then asks whether that number is a character that needs so many bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "store/utf8.h"
#include "support/bytes.h"

/* RFC 3629, section 3: the table of bit patterns, and its prose for the rest. */
static size_t length_by_definition(const unsigned char *bytes, size_t n)
{
    static const struct {
        unsigned char mask, pattern;
        uint32_t from, to;
    } forms[] = { { 0x80, 0x00, 0, 0x7F },
                  { 0xE0, 0xC0, 0x80, 0x7FF },
                  { 0xF0, 0xE0, 0x800, 0xFFFF },
                  { 0xF8, 0xF0, 0x10000, 0x10FFFF } };
    for (size_t form = 0; form < 4; form++) {
        if (n <= form || (bytes[0] & forms[form].mask) != forms[form].pattern)
            continue;
        uint32_t character = bytes[0] & (uint32_t)~forms[form].mask & 0xFF;
        for (size_t i = 1; i <= form; i++) {
            if (bytes[i] >> 6 != 2)
                return 0;
            character = character << 6 | (bytes[i] & 0x3FU);
        }
        const int is_surrogate = character >= 0xD800 && character <= 0xDFFF;
        return character >= forms[form].from && character <= forms[form].to && !is_surrogate ? form + 1 : 0;
    }
    return 0;
}

/* From a block that ends where the bytes do, in turn with fewer of them. cmocka's macros would take minutes. */
static void assert_lengths(unsigned char *block, size_t n)
{
    const size_t expected = length_by_definition(block, n);
    if (bpi_utf8_length((const char *)block, n) != expected)
        fail_msg("%02X %02X .. of %zu bytes: %zu, expected %zu", block[0], n > 1 ? block[1] : 0, n,
                 bpi_utf8_length((const char *)block, n), expected);
}

static void every_sequence_of_up_to_three_bytes_has_its_length(void **state)
{
    (void)state;
    unsigned char *one = malloc(1), *two = malloc(2), *three = malloc(3);
    assert_true(one != NULL && two != NULL && three != NULL);
    for (uint32_t i = 0; i < 1U << 24; i++) {
        one[0] = two[0] = three[0] = (unsigned char)(i >> 16);
        two[1] = three[1] = (unsigned char)(i >> 8);
        three[2] = (unsigned char)i;
        assert_lengths(three, 3);
        if ((i & 0xFF) == 0)
            assert_lengths(two, 2);
        if ((i & 0xFFFF) == 0)
            assert_lengths(one, 1);
    }
    free(one);
    free(two);
    free(three);
}

/* All first and second bytes; of the others those at each boundary. */
static void four_bytes_have_their_length_at_every_boundary(void **state)
{
    (void)state;
    static const unsigned char ends[] = { 0x00, 0x7F, 0x80, 0x81, 0x8F, 0x90, 0x9F, 0xA0,
                                          0xBE, 0xBF, 0xC0, 0xC2, 0xED, 0xF4, 0xFF };
    unsigned char *four = malloc(4);
    assert_non_null(four);
    for (uint32_t i = 0; i < 1U << 16; i++)
        for (size_t j = 0; j < sizeof ends; j++)
            for (size_t k = 0; k < sizeof ends; k++) {
                const unsigned char bytes[] = { (unsigned char)(i >> 8), (unsigned char)i, ends[j], ends[k] };
                memcpy(four, bytes, sizeof bytes);
                assert_lengths(four, 4);
            }
    free(four);
}

static size_t encode(uint32_t character, unsigned char bytes[4])
{
    if (character < 0x80) {
        bytes[0] = (unsigned char)character;
        return 1;
    }
    const size_t n = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; character >>= 6)
        bytes[i] = (unsigned char)(0x80 | (character & 0x3F));
    bytes[0] = (unsigned char)((0xF00 >> n & 0xFF) | character);
    return n;
}

static void every_character_is_valid_alone_and_no_surrogate_is(void **state)
{
    (void)state;
    for (uint32_t character = 0; character < 0x120000; character++) {
        unsigned char bytes[4];
        const size_t n = encode(character, bytes);
        const int is_one = character <= 0x10FFFF && (character < 0xD800 || character > 0xDFFF);
        if (bpi_utf8_is_valid((const char *)bytes, n) != (is_one != 0))
            fail_msg("U+%04X", (unsigned)character);
        if (n > 1 && bpi_utf8_is_valid((const char *)bytes, n - 1))
            fail_msg("U+%04X without its last byte", (unsigned)character);
    }
}

static void a_text_is_valid_if_all_of_it_is(void **state)
{
    (void)state;
    assert_true(bpi_utf8_is_valid("", 0));
    assert_true(bpi_utf8_is_valid("a\0b", 3));
    assert_true(bpi_utf8_is_valid("Gr\xC3\xB6\xC3\x9F"
                                  "e \xE2\x82\xAC \xF0\x9F\x98\x80",
                                  16));
    assert_false(bpi_utf8_is_valid("abc\xC3", 4));
    assert_false(bpi_utf8_is_valid("\xFF"
                                   "abc",
                                   4));
    assert_false(bpi_utf8_is_valid("a\x80"
                                   "b",
                                   3));
    assert_int_equal(bpi_utf8_length("", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sequence_of_up_to_three_bytes_has_its_length),
        cmocka_unit_test(four_bytes_have_their_length_at_every_boundary),
        cmocka_unit_test(every_character_is_valid_alone_and_no_surrogate_is),
        cmocka_unit_test(a_text_is_valid_if_all_of_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
