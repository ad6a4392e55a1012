// SPDX-License-Identifier: MIT
/*
 * Safetensors files made by hand: whatever header and data, right or wrong, and a checksum that fits them.
 */
#ifndef TEST_SUPPORT_CONTAINER_H
#define TEST_SUPPORT_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Writes the length of the header, little-endian. */
void test_put_length(unsigned char bytes[8], uint64_t length);

/**
 * Gives a file the length of header that its text has, if what it says is another: up to the brace that closes the first one. So
 * what is put into a header, or taken out, leaves a file.
 *
 * @return whether there is such a brace
 */
bool test_mend_length(unsigned char *bytes, size_t n);

/**
 * Gives a file the checksum that it should have, in place of the first eight characters behind "bp.crc32":" in its header. For
 * fuzzers too, so it needs no cmocka; and bit by bit, so that nothing of the library's stands on both sides.
 *
 * @return whether there was such a place within the header
 */
bool test_mend_checksum(unsigned char *bytes, size_t n);

/** CRC-32 of n bytes, as zlib computes it. */
uint32_t test_crc32(const unsigned char *bytes, size_t n);

#endif
