// SPDX-License-Identifier: MIT
/*
 * CRC-32: against its published check value, against the polynomial division it is defined by, and against zlib's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "store/crc32.h"
#include "support/bytes.h"

#ifdef BACKPROP_HAVE_ZLIB
#include <zlib.h>
#endif

/* Bit by bit: the remainder of a division of polynomials over GF(2), lowest bit first, as ISO 3309 has it. */
static uint32_t by_division(uint32_t crc, const unsigned char *bytes, size_t n)
{
    crc = ~crc;
    for (size_t i = 0; i < 8 * n; i++) {
        const uint32_t byte = bytes[i / 8];
        const uint32_t bit = (crc ^ byte >> i % 8) & 1U;
        crc = crc >> 1 ^ (bit != 0 ? 0xEDB88320U : 0);
    }
    return ~crc;
}

/* The catalogues of CRCs call it CRC-32/ISO-HDLC. */
static void published_values_are_met(void **state)
{
    (void)state;
    assert_int_equal(bpi_crc32(0, "123456789", 9), 0xCBF43926);
    assert_int_equal(bpi_crc32(0, "", 0), 0);
    assert_int_equal(bpi_crc32(0, NULL, 0), 0);
    assert_int_equal(bpi_crc32(0xCBF43926, NULL, 0), 0xCBF43926);
    assert_int_equal(bpi_crc32(0, "The quick brown fox jumps over the lazy dog", 43), 0x414FA339);
}

/* Each byte value behind each number of zero bytes is one entry of the tables. */
static void every_byte_in_every_place_is_divided_rightly(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++)
        for (size_t place = 0; place < 24; place++) {
            unsigned char bytes[24] = { 0 };
            bytes[place] = (unsigned char)byte;
            assert_int_equal(bpi_crc32(0, bytes, sizeof bytes), by_division(0, bytes, sizeof bytes));
        }
}

static void any_length_from_any_address_in_any_two_parts_is_the_same(void **state)
{
    (void)state;
    unsigned char bytes[64];
    uint64_t seed = 32;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(test_random(&seed) >> 32);
    for (size_t first = 0; first < 8; first++)
        for (size_t n = 0; n <= 40; n++) {
            unsigned char *copy = test_bytes_copy(bytes + first, n); /* memory checkers see its end */
            const uint32_t expected = by_division(0, copy, n);
            assert_int_equal(bpi_crc32(0, bytes + first, n), expected);
            for (size_t part = 0; part <= n; part++)
                assert_int_equal(bpi_crc32(bpi_crc32(0, copy, part), copy + part, n - part), expected);
            free(copy);
        }
}

#ifdef BACKPROP_HAVE_ZLIB
static void zlib_finds_the_same(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (size_t n = 1; n < 2000000; n = n * 3 + 1) {
        unsigned char *bytes = malloc(n);
        assert_non_null(bytes);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (unsigned char)(test_random(&seed) >> 40);
        assert_int_equal(bpi_crc32(0, bytes, n), crc32(0, bytes, (uInt)n));
        free(bytes);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values_are_met),
        cmocka_unit_test(every_byte_in_every_place_is_divided_rightly),
        cmocka_unit_test(any_length_from_any_address_in_any_two_parts_is_the_same),
#ifdef BACKPROP_HAVE_ZLIB
        cmocka_unit_test(zlib_finds_the_same),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
