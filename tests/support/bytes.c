// SPDX-License-Identifier: MIT
/*
 * Bytes for tests of readers. Gzip is zlib's, so that nothing of the library stands on both sides of a comparison.
 */
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): POSIX's own way to ask for it
#define _POSIX_C_SOURCE 200809L /* mkstemp */

#include "support/bytes.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef BACKPROP_HAVE_ZLIB
#include <zlib.h>
#endif

void test_bytes_append(struct test_bytes *bytes, const void *data, size_t n)
{
    if (bytes->n + n > bytes->capacity) {
        bytes->capacity = 2 * (bytes->n + n);
        bytes->data = realloc(bytes->data, bytes->capacity);
        assert_non_null(bytes->data);
    }
    if (n > 0)
        memcpy(bytes->data + bytes->n, data, n);
    bytes->n += n;
}

void test_bytes_append_text(struct test_bytes *bytes, const char *text)
{
    test_bytes_append(bytes, text, strlen(text));
}

void test_bytes_clear(struct test_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct test_bytes){ 0 };
}

unsigned char *test_bytes_copy(const void *data, size_t n)
{
    unsigned char *copy = malloc(n > 0 ? n : 1);
    assert_non_null(copy);
    if (n > 0)
        memcpy(copy, data, n);
    return copy;
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

/* xorshift64 (Marsaglia 2003), multiplied to mix the low bits. */
uint64_t test_random(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 2685821657736338717U;
}

static size_t random_below(uint64_t *seed, size_t n)
{
    return (size_t)((test_random(seed) >> 11) % n);
}

static void take_out(struct test_bytes *bytes, size_t at, size_t n)
{
    n = n < bytes->n - at ? n : bytes->n - at;
    memmove(bytes->data + at, bytes->data + at + n, bytes->n - at - n);
    bytes->n -= n;
}

/* Appends what stands at a place, and so moves it away from what it belongs to. */
static void double_some(struct test_bytes *bytes, size_t at, size_t n)
{
    n = n < bytes->n - at ? n : bytes->n - at;
    unsigned char *copy = test_bytes_copy(bytes->data + at, n);
    test_bytes_append(bytes, copy, n);
    free(copy);
}

static void mutate_once(struct test_bytes *bytes, uint64_t *seed, const char *alphabet)
{
    const size_t at = random_below(seed, bytes->n);
    switch (random_below(seed, 5)) {
    case 0:
        bytes->data[at] ^= (unsigned char)(1U << random_below(seed, 8));
        break;
    case 1:
        bytes->data[at] = (unsigned char)random_below(seed, 256);
        break;
    case 2:
        bytes->data[at] = (unsigned char)alphabet[random_below(seed, strlen(alphabet))];
        break;
    case 3:
        take_out(bytes, at, 1 + random_below(seed, 4));
        break;
    default:
        double_some(bytes, at, 1 + random_below(seed, 4));
        break;
    }
}

void test_bytes_mutate(struct test_bytes *bytes, uint64_t *seed, const char *alphabet)
{
    for (size_t n = 1 + random_below(seed, 8); n > 0 && bytes->n > 0; n--)
        mutate_once(bytes, seed, alphabet);
}

/* ---- gzip -------------------------------------------------------------------------------------------------------- */

#ifdef BACKPROP_HAVE_ZLIB

struct test_bytes test_bytes_gzip(const void *data, size_t n)
{
    z_stream z = { 0 };
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    struct test_bytes gzip = { .n = 0, .capacity = deflateBound(&z, (uLong)n) + 32 };
    gzip.data = malloc(gzip.capacity);
    assert_non_null(gzip.data);
    unsigned char *in = test_bytes_copy(data, n); /* next_in is not const without ZLIB_CONST */
    z.next_in = in;
    z.avail_in = (uInt)n;
    z.next_out = gzip.data;
    z.avail_out = (uInt)gzip.capacity;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    gzip.n = z.total_out;
    assert_int_equal(deflateEnd(&z), Z_OK);
    free(in);
    return gzip;
}

#endif

/* ---- files ------------------------------------------------------------------------------------------------------- */

const char *test_file(const void *data, size_t n)
{
    static char path[1024];
    const char *folder = getenv("TMPDIR");
    assert_true(snprintf(path, sizeof path, "%s/test-XXXXXX", folder == NULL ? "." : folder) < (int)sizeof path);
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    FILE *file = fdopen(descriptor, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    return path;
}

struct test_bytes test_file_content(const char *path)
{
    struct test_bytes bytes = { 0 };
    char chunk[4096];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (size_t n = fread(chunk, 1, sizeof chunk, file); n > 0; n = fread(chunk, 1, sizeof chunk, file))
        test_bytes_append(&bytes, chunk, n);
    assert_int_equal(ferror(file), 0);
    assert_int_equal(fclose(file), 0);
    return bytes;
}
