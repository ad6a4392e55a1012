// SPDX-License-Identifier: MIT
/*
 * Bytes to be read: collected in memory, gzipped, put into a file, damaged.
 */
#ifndef TEST_SUPPORT_BYTES_H
#define TEST_SUPPORT_BYTES_H

#include <stddef.h>
#include <stdint.h>

/** Zeroed, none. The test fails where there is no memory for more. */
struct test_bytes {
    unsigned char *data;
    size_t n, capacity;
};

void test_bytes_append(struct test_bytes *bytes, const void *data, size_t n);

/** The characters of a text, without its NUL. */
void test_bytes_append_text(struct test_bytes *bytes, const char *text);

/** Gives the memory back and zeroes the struct. */
void test_bytes_clear(struct test_bytes *bytes);

/** A block of exactly n bytes, for memory checkers to see where it ends; to be freed. Not NULL for n = 0 either. */
unsigned char *test_bytes_copy(const void *data, size_t n);

/** Changes up to 8 places: a bit, a byte, or one byte for another that the format knows; takes bytes out, doubles some. */
void test_bytes_mutate(struct test_bytes *bytes, uint64_t *seed, const char *alphabet);

/** The next number of a sequence that depends on *seed, which is not 0. */
uint64_t test_random(uint64_t *seed);

#ifdef BACKPROP_HAVE_ZLIB
/** What gzip makes of them. */
struct test_bytes test_bytes_gzip(const void *data, size_t n);
#endif

/** A new file in $TMPDIR, or here, that has them: its name, in a buffer that the next call writes anew. */
const char *test_file(const void *data, size_t n);

/** All of a file. The test fails if it cannot be read. */
struct test_bytes test_file_content(const char *path);

#endif
