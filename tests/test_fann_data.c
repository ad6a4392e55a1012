// SPDX-License-Identifier: MIT
/*
 * FANN's files of training data: read as FANN would, refused with line and column where it would guess, and written so that
 * they read back to the bit.
 */
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): POSIX's own way to ask for it
#define _POSIX_C_SOURCE 200809L /* mkdir, rmdir */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backprop/fann_data.h"
#include "support/bytes.h"
#include "support/heap.h"
#include "support/locale.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- reading in two ways ----------------------------------------------------------------------------------------- */

typedef bp_status read_function(bp_fann_data *fann, const void *data, size_t n, const bp_allocator *allocator);

/* From a block that ends where the bytes do, for memory checkers. */
static bp_status read_from_memory(bp_fann_data *fann, const void *data, size_t n, const bp_allocator *allocator)
{
    unsigned char *copy = test_bytes_copy(data, n);
    const bp_status status = bp_fann_data_read_memory(fann, copy, n, allocator);
    free(copy);
    return status;
}

static bp_status read_from_path(bp_fann_data *fann, const void *data, size_t n, const bp_allocator *allocator)
{
    const char *path = test_file(data, n);
    const bp_status status = bp_fann_data_read(fann, path, allocator);
    assert_int_equal(remove(path), 0);
    return status;
}

static read_function *const ways[] = { read_from_memory, read_from_path };

/* ---- what is expected -------------------------------------------------------------------------------------------- */

static void assert_zeroed(const bp_fann_data *fann)
{
    assert_true(fann->rows == 0 && fann->n_in == 0 && fann->n_out == 0);
    assert_true(fann->X == NULL && fann->T == NULL && fann->block == NULL);
    assert_true(fann->data.rows == 0 && fann->data.X.data == NULL && fann->data.T.data == NULL);
    assert_true(fann->allocator.alloc == NULL && fann->allocator.release == NULL && fann->allocator.user == NULL);
}

/* The views show the arrays, and a trainer would take them. */
static void assert_dataset(const bp_fann_data *fann)
{
    assert_int_equal(fann->data.rows, fann->rows);
    assert_int_equal(fann->data.n_in, fann->n_in);
    assert_int_equal(fann->data.n_out, fann->n_out);
    assert_ptr_equal(fann->data.X.data, fann->X);
    assert_ptr_equal(fann->data.T.data, fann->T);
    if (bp_dataset_check(&fann->data, NULL) != BP_OK)
        fail_msg("the dataset is refused: %s", bp_error_message());
}

/* What XOR has in FANN's examples. */
static const bp_real xor_X[] = { -1, -1, -1, 1, 1, -1, 1, 1 }, xor_T[] = { -1, 1, 1, -1 };

static void assert_xor(const bp_fann_data *fann)
{
    assert_int_equal(fann->rows, 4);
    assert_int_equal(fann->n_in, 2);
    assert_int_equal(fann->n_out, 1);
    assert_memory_equal(fann->X, xor_X, sizeof xor_X);
    assert_memory_equal(fann->T, xor_T, sizeof xor_T);
    assert_dataset(fann);
}

/* Reads over whatever fann held before, from a heap that must be clean afterwards. */
static void assert_reads_xor(const void *bytes, size_t n)
{
    for (size_t way = 0; way < COUNT(ways); way++) {
        struct test_heap heap;
        test_heap_init(&heap);
        bp_fann_data fann;
        memset(&fann, 0xA5, sizeof fann);
        if (ways[way](&fann, bytes, n, &heap.allocator) != BP_OK)
            fail_msg("%.40s: refused: %s", (const char *)bytes, bp_error_message());
        assert_int_equal(heap.live_blocks, 1);
        assert_xor(&fann);
        bp_fann_data_free(&fann);
        assert_zeroed(&fann);
        assert_true(test_heap_is_clean(&heap));
    }
}

/* Returns the most memory that was in use. */
static size_t assert_refused(read_function *read, const void *bytes, size_t n, bp_status expected, const char *sentence)
{
    struct test_heap heap;
    test_heap_init(&heap);
    bp_fann_data fann;
    memset(&fann, 0xA5, sizeof fann);
    const bp_status status = read(&fann, bytes, n, &heap.allocator);
    if (status != expected || strstr(bp_error_message(), sentence) == NULL)
        fail_msg("%.40s: status %d, \"%s\"; expected %d, \"%s\"", (const char *)bytes, (int)status, bp_error_message(),
                 (int)expected, sentence);
    assert_zeroed(&fann);
    assert_true(test_heap_is_clean(&heap));
    return heap.peak_bytes;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static const char xor_text[] = "4 2 1\n-1 -1\n-1\n-1 1\n1\n1 -1\n1\n1 1\n-1\n";

static void any_blanks_separate_numbers(void **state)
{
    (void)state;
    static const char *const texts[] = {
        xor_text,
        "4 2 1\n-1 -1\n-1\n-1 1\n1\n1 -1\n1\n1 1\n-1", /* no end of line */
        "4 2 1 -1 -1 -1 -1 1 1 1 -1 1 1 1 -1",         /* all in one */
        "4\n2\n1\n-1\n-1\n-1\n-1\n1\n1\n1\n-1\n1\n1\n1\n-1\n",
        "  4\t2\v1\f\r\n\r\n-1.0 -1e0\n-1.\n\n\n-1 +1\n1.000\n1 -1\n10e-1\n1 1\n-1\n\n  ",
        "\357\273\277004 2 1\r-1 -1\r-1\r-1 1\r1\r1 -1\r1\r1 1\r-1\r",
    };
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_reads_xor(texts[i], strlen(texts[i]));
}

static void several_inputs_and_outputs_keep_their_places(void **state)
{
    (void)state;
    static const char text[] = "2 3 2\n1 2 3\n4 5\n6 7 8\n9 10\n";
    static const bp_real X[] = { 1, 2, 3, 6, 7, 8 }, T[] = { 4, 5, 9, 10 };
    bp_fann_data fann;
    assert_int_equal(bp_fann_data_read_memory(&fann, text, sizeof text - 1, NULL), BP_OK);
    assert_memory_equal(fann.X, X, sizeof X);
    assert_memory_equal(fann.T, T, sizeof T);
    bp_fann_data moved = fann;
    memset(&fann, 0xA5, sizeof fann);
    assert_dataset(&moved);
    bp_fann_data_free(&moved);
    bp_fann_data_free(&moved); /* zeroed by the first call */
    bp_fann_data_free(NULL);
}

static void numbers_become_the_nearest_real(void **state)
{
    (void)state;
    static const char text[] = "1 4 1\n0.1 1e23 16777217 5e-324\n3e-46\n";
    bp_fann_data fann;
    assert_int_equal(bp_fann_data_read_memory(&fann, text, sizeof text - 1, NULL), BP_OK);
#ifdef BACKPROP_SINGLE
    assert_true(fann.X[0] == 0.1F && fann.X[1] == 1e23F && fann.X[2] == 16777216.0F && fann.X[3] == 0 && fann.T[0] == 0);
#else
    assert_true(fann.X[0] == 0.1 && fann.X[1] == 1e23 && fann.X[2] == 16777217.0 && fann.X[3] == 0x1p-1074);
    assert_true(fann.T[0] == 3e-46);
#endif
    bp_fann_data_free(&fann);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    size_t n; /* 0: up to the NUL */
    bp_status status;
    const char *sentence;
} malformed[] = {
    { "", 0, BP_ERR_FORMAT, "line 1, column 1: the number of rows: expected a whole number from 1 on, found the end" },
    { " \n ", 0, BP_ERR_FORMAT, "line 2, column 2: the number of rows: expected a whole number from 1 on, found the end" },
    { "4", 0, BP_ERR_FORMAT, "line 1, column 2: the number of inputs: expected a whole number from 1 on, found the end" },
    { "4 2\n", 0, BP_ERR_FORMAT,
      "line 2, column 1: the number of outputs: expected a whole number from 1 on, found the end" },
    { "x 2 1\n", 0, BP_ERR_FORMAT, "line 1, column 1: the number of rows: expected a whole number from 1 on, found 'x'" },
    { "-4 2 1\n", 0, BP_ERR_FORMAT, "found '-4'" },
    { "+4 2 1\n", 0, BP_ERR_FORMAT, "found '+4'" },
    { "4.0 2 1\n", 0, BP_ERR_FORMAT, "found '4.0'" },
    { "4e0 2 1\n", 0, BP_ERR_FORMAT, "found '4e0'" },
    { "4,2,1\n", 0, BP_ERR_FORMAT, "found '4,2,1'" },
    { "0 2 1\n", 0, BP_ERR_FORMAT, "line 1, column 1: the number of rows: expected a whole number from 1 on, found '0'" },
    { "4 0 1\n", 0, BP_ERR_FORMAT, "line 1, column 3: the number of inputs: expected a whole number from 1 on, found '0'" },
    { "4 2 00\n", 0, BP_ERR_FORMAT,
      "line 1, column 5: the number of outputs: expected a whole number from 1 on, found '00'" },
    { "4 2 1:\n", 0, BP_ERR_FORMAT, "the number of outputs: expected a whole number from 1 on, found '1:'" },
    { "18446744073709551615 1 1\n", 0, BP_ERR_TOO_LARGE,
      "line 1, column 1: 18446744073709551615 rows of 1 inputs and 1 outputs: expected what memory can address" },
    { "18446744073709551616 1 1\n", 0, BP_ERR_TOO_LARGE, "expected what memory can address" },
    { "99999999999999999999999999999999999999 1 1\n", 0, BP_ERR_TOO_LARGE, "expected what memory can address" },
    { "1 18446744073709551615 1\n", 0, BP_ERR_TOO_LARGE, "expected what memory can address" },
    { "1 1 18446744073709551615\n", 0, BP_ERR_TOO_LARGE, "expected what memory can address" },
    { "4294967296 4294967296 1\n", 0, BP_ERR_TOO_LARGE, "expected what memory can address" },
    { "4294967296 1073741823 1\n", 0, BP_ERR_TOO_LARGE, "expected what memory can address" },
    { "1 4611686018427387904 1\n", 0, BP_ERR_TOO_LARGE, "expected what memory can address" },
    { "1 2305843009213693951 1\n", 0, BP_ERR_TOO_LARGE, "expected what memory can address" },
#ifndef BACKPROP_SINGLE
    { "1 1152921504606846975 1\n", 0, BP_ERR_TOO_LARGE, "expected what memory can address" },
#endif
    { "2 2 1\n1 2\n3\n4 5\n", 0, BP_ERR_FORMAT,
      "line 5, column 1: expected row 2, output 1, of 2 rows of 2 inputs and 1 outputs, found the end" },
    { "2 2 1\n1 2\n3\n4", 0, BP_ERR_FORMAT, "line 4, column 2: expected row 2, input 2, of 2 rows" },
    { "1000000 1000 10\n1 2\n3\n", 0, BP_ERR_FORMAT,
      "expected row 1, input 4, of 1000000 rows of 1000 inputs and 10 outputs" },
    { "1 2 1\n1 2\n3 4\n", 0, BP_ERR_FORMAT,
      "line 3, column 3: expected the end behind 1 rows of 2 inputs and 1 outputs, found '4'" },
    { "1 2 1\n1 2\n3\nx", 0, BP_ERR_FORMAT,
      "line 4, column 1: expected the end behind 1 rows of 2 inputs and 1 outputs, found 'x'" },
    { "1 2 1\n1 x\n3\n", 0, BP_ERR_FORMAT, "line 2, column 3: row 1, input 2: expected a number, found 'x'" },
    { "2 2 1\n1 2\n3\n4 5\nsix\n", 0, BP_ERR_FORMAT, "line 5, column 1: row 2, output 1: expected a number, found 'six'" },
    { "1 2 1\n1,5 2\n3\n", 0, BP_ERR_FORMAT, "line 2, column 1: row 1, input 1: expected a number, found '1,5'" },
    { "1 2 1\n1 0x2\n3\n", 0, BP_ERR_FORMAT, "expected a number, found '0x2'" },
    { "1 2 1\n1 2-\n3\n", 0, BP_ERR_FORMAT, "expected a number, found '2-'" },
    { "1 2 1\n1 \x1b[m\n3\n", 0, BP_ERR_FORMAT, "expected a number, found '\\x1B[m'" },
    { "1 2 1\n1 inf\n3\n", 0, BP_ERR_NONFINITE, "line 2, column 3: row 1, input 2: expected a finite number, found 'inf'" },
    { "1 2 1\n1 2\nNaN\n", 0, BP_ERR_NONFINITE,
      "line 3, column 1: row 1, output 1: expected a finite number, found 'NaN'" },
    { "1 2 1\n1 2\n-1e999\n", 0, BP_ERR_NONFINITE,
      "line 3, column 1: row 1, output 1: expected a number that is not too large, found '-1e999'" },
    { "1 2 1\n1 2\0\n3\n", 13, BP_ERR_FORMAT, "line 2, column 4: found a NUL byte" },
    { "1 2\0", 4, BP_ERR_FORMAT, "line 1, column 4: found a NUL byte" },
    { "1 2 1\n1 2\n3\n\0", 13, BP_ERR_FORMAT, "line 4, column 1: found a NUL byte" },
};

static void what_is_malformed_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(malformed); i++) {
        const size_t n = malformed[i].n > 0 ? malformed[i].n : strlen(malformed[i].text);
        if (malformed[i].status == BP_ERR_TOO_LARGE && SIZE_MAX != UINT64_MAX)
            continue;
        for (size_t way = 0; way < COUNT(ways); way++)
            assert_refused(ways[way], malformed[i].text, n, malformed[i].status, malformed[i].sentence);
    }
}

/* Functions have other names in single precision, from the third letter on the same. */
static void assert_says(const char *text)
{
    if (strstr(bp_error_message(), text) == NULL)
        fail_msg("\"%s\" has no \"%s\"", bp_error_message(), text);
}

static void null_arguments_and_half_an_allocator_are_refused(void **state)
{
    (void)state;
    bp_fann_data fann;
    struct test_heap heap;
    test_heap_init(&heap);
    const bp_allocator half = { .release = heap.allocator.release };
    assert_int_equal(bp_fann_data_read(NULL, "x", NULL), BP_ERR_ARGUMENT);
    assert_says("fann_data_read: fann is NULL");
    assert_int_equal(bp_fann_data_read(&fann, NULL, NULL), BP_ERR_ARGUMENT);
    assert_says("fann_data_read: path is NULL");
    assert_int_equal(bp_fann_data_read_memory(NULL, "x", 1, NULL), BP_ERR_ARGUMENT);
    assert_says("fann_data_read_memory: fann is NULL");
    memset(&fann, 0xA5, sizeof fann);
    assert_int_equal(bp_fann_data_read_memory(&fann, NULL, 1, NULL), BP_ERR_ARGUMENT);
    assert_says("fann_data_read_memory: bytes is NULL");
    assert_zeroed(&fann);
    assert_int_equal(bp_fann_data_read(&fann, "x", &half), BP_ERR_ARGUMENT);
    assert_says("fann_data_read: the allocator has release but no alloc");
    assert_int_equal(bp_fann_data_read_memory(&fann, "x", 1, &half), BP_ERR_ARGUMENT);
    assert_says("fann_data_read_memory: the allocator");

    const bp_dataset data = { .rows = 4, .n_in = 2, .n_out = 1, .X = { .data = xor_X }, .T = { .data = xor_T } };
    assert_int_equal(bp_fann_data_write(&data, NULL, NULL), BP_ERR_ARGUMENT);
    assert_says("fann_data_write: path is NULL");
    assert_int_equal(bp_fann_data_write(NULL, "x", NULL), BP_ERR_ARGUMENT);
    assert_int_equal(bp_fann_data_write(&data, "x", &half), BP_ERR_ARGUMENT);
    assert_says("fann_data_write: the allocator");
}

static void a_file_that_is_not_there_is_an_io_error(void **state)
{
    (void)state;
    bp_fann_data fann;
    memset(&fann, 0xA5, sizeof fann);
    assert_int_equal(bp_fann_data_read(&fann, "no/such.data", NULL), BP_ERR_IO);
    assert_non_null(strstr(bp_error_message(), "no/such.data: cannot be opened: no such file"));
    assert_zeroed(&fann);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* What reading takes beside the numbers: 16 KiB of a file, and 1 KiB for each of some arrays that begin to grow. */
#define OVERHEAD ((size_t)80 * 1024)

static void memory_is_as_the_bytes_justify_whatever_is_promised(void **state)
{
    (void)state;
    for (size_t n = 100; n < 200000; n = n * 5 / 3) {
        struct test_bytes text = { 0 };
        test_bytes_append_text(&text, "1000000000 1000000 1000000\n");
        const size_t header = text.n;
        for (size_t i = 0; i < n; i++)
            test_bytes_append_text(&text, "1 ");
        assert_true(assert_refused(read_from_memory, text.data, text.n, BP_ERR_FORMAT, "found the end") <=
                    12 * (text.n - header) + OVERHEAD);
        test_bytes_clear(&text);

        char sizes[64];
        (void)snprintf(sizes, sizeof sizes, "%zu 1 1\n", n);
        test_bytes_append_text(&text, sizes);
        for (size_t i = 0; i < 2 * n; i++)
            test_bytes_append_text(&text, "1\n");
        struct test_heap heap;
        test_heap_init(&heap);
        bp_fann_data fann;
        assert_int_equal(bp_fann_data_read_memory(&fann, text.data, text.n, &heap.allocator), BP_OK);
        assert_true(heap.peak_bytes <= 12 * text.n + OVERHEAD);
        bp_fann_data_free(&fann);
        assert_true(test_heap_is_clean(&heap));
        test_bytes_clear(&text);
    }
}

/* For n = 1, 2, ... the n-th allocation fails, until none is left to fail. Returns how many there are. */
static size_t assert_every_failed_allocation_is_survived(read_function *read, const struct test_bytes *text)
{
    for (size_t fail_at = 1;; fail_at++) {
        struct test_heap heap;
        test_heap_init(&heap);
        heap.fail_at = fail_at;
        bp_fann_data fann;
        memset(&fann, 0xA5, sizeof fann);
        const bp_status status = read(&fann, text->data, text->n, &heap.allocator);
        if (heap.n_failed == 0) {
            assert_int_equal(status, BP_OK);
            bp_fann_data_free(&fann);
            assert_true(test_heap_is_clean(&heap));
            return fail_at - 1;
        }
        assert_int_equal(status, BP_ERR_MEMORY);
        assert_non_null(strstr(bp_error_message(), "no memory"));
        assert_zeroed(&fann);
        assert_true(test_heap_is_clean(&heap));
    }
}

static void a_failed_allocation_is_an_error_and_leaves_nothing_behind(void **state)
{
    (void)state;
    struct test_bytes text = { 0 };
    test_bytes_append_text(&text, "3000 1 1\n");
    for (size_t i = 0; i < 6000; i++)
        test_bytes_append_text(&text, i % 2 == 0 ? "1.25 " : "-7\n");
    assert_true(assert_every_failed_allocation_is_survived(read_from_memory, &text) >= 7);
    assert_true(assert_every_failed_allocation_is_survived(read_from_path, &text) >= 8);
#ifdef BACKPROP_HAVE_ZLIB
    struct test_bytes gzip = test_bytes_gzip(text.data, text.n);
    assert_true(assert_every_failed_allocation_is_survived(read_from_memory, &gzip) >= 10);
    assert_true(assert_every_failed_allocation_is_survived(read_from_path, &gzip) >= 11);
    test_bytes_clear(&gzip);
#endif
    test_bytes_clear(&text);
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

/* Whatever it says: no leak, nothing left behind, and what is read holds together. */
static bp_status assert_harmless(const void *bytes, size_t n)
{
    struct test_heap heap;
    test_heap_init(&heap);
    bp_fann_data fann;
    memset(&fann, 0xA5, sizeof fann);
    const bp_status status = read_from_memory(&fann, bytes, n, &heap.allocator);
    if (status == BP_OK) {
        assert_dataset(&fann);
        bp_fann_data_free(&fann);
    } else {
        assert_true(status == BP_ERR_FORMAT || status == BP_ERR_NONFINITE || status == BP_ERR_TOO_LARGE);
        assert_zeroed(&fann);
    }
    assert_true(test_heap_is_clean(&heap));
    assert_true(heap.peak_bytes <= 12 * n + OVERHEAD);
    return status;
}

/* Cut within the last number, the file is whole again; nowhere else. */
static void a_file_cut_short_at_any_byte_is_refused(void **state)
{
    (void)state;
    static const char text[] = "2 2 1\n-1.5 1e2\n0.25\n3 4\n-62";
    for (size_t n = 0; n + 1 < sizeof text; n++)
        assert_int_equal(assert_harmless(text, n), n + 2 == sizeof text ? BP_OK : BP_ERR_FORMAT);
}

static void random_damage_does_no_harm(void **state)
{
    (void)state;
    uint64_t seed = 20240301;
    for (int i = 0; i < 10000; i++) {
        struct test_bytes text = { 0 };
        test_bytes_append(&text, xor_text, sizeof xor_text - 1);
        test_bytes_mutate(&text, &seed, "0123456789.e+- \n\tinfa");
        (void)assert_harmless(text.data, text.n);
        test_bytes_clear(&text);
    }
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* A folder of the test's own, so that what is left behind can be seen. */
static const char *make_folder(void)
{
    static char folder[1024];
    const char *file = test_file("", 0);
    (void)snprintf(folder, sizeof folder, "%s", file);
    assert_int_equal(remove(folder), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
    return folder;
}

static const char *path_in(const char *folder, const char *name)
{
    static char path[2048];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Writes over a file that was there before, and takes both away again. */
static void assert_writes(const bp_dataset *data, const char *expected)
{
    struct test_heap heap;
    test_heap_init(&heap);
    const char *folder = make_folder(), *path = path_in(folder, "x.data");
    for (int again = 0; again < 2; again++) {
        if (bp_fann_data_write(data, path, &heap.allocator) != BP_OK)
            fail_msg("refused: %s", bp_error_message());
        struct test_bytes content = test_file_content(path);
        test_bytes_append(&content, "", 1);
        assert_string_equal((const char *)content.data, expected);
        test_bytes_clear(&content);
    }
    assert_true(test_heap_is_clean(&heap));
    assert_int_equal(remove(path), 0);
    assert_int_equal(rmdir(folder), 0); /* fails if anything else is left */
}

static void datasets_of_every_kind_are_written(void **state)
{
    (void)state;
    const bp_dataset xor_data = { .rows = 4, .n_in = 2, .n_out = 1, .X = { .data = xor_X }, .T = { .data = xor_T } };
    assert_writes(&xor_data, xor_text);

    static const uint8_t pixels[] = { 0, 1, 4, 9, 4, 2, 0, 9 };
    static const int32_t labels[] = { 2, 0 };
    const bp_dataset images = { .rows = 2,
                                .n_in = 3,
                                .n_out = 3,
                                .X = { .data = pixels, .element = BP_U8, .stride = 4, .scale = (bp_real)0.25 },
                                .labels = { .data = labels, .element = BP_I32 } };
    bp_dataset more = images;
    assert_writes(&images, "2 3 3\n0 0.25 1\n0 0 1\n1 0.5 0\n1 0 0\n");
    more.n_out = 4;
    assert_writes(&more, "2 3 4\n0 0.25 1\n0 0 1 0\n1 0.5 0\n1 0 0 0\n");

    static const int32_t two_classes[] = { 1, 0 };
    bp_dataset single = images;
    single.n_out = 1;
    single.labels.data = two_classes;
    assert_writes(&single, "2 3 1\n0 0.25 1\n1\n1 0.5 0\n0\n");

    static const double f64[] = { -1e-300, 0.1 }, small[] = { 1e-10, 12345678 };
    const bp_dataset reals = {
        .rows = 2, .n_in = 1, .n_out = 1, .X = { .data = small, .element = BP_F64 }, .T = { .data = f64, .element = BP_F64 }
    };
#ifdef BACKPROP_SINGLE
    assert_writes(&reals, "2 1 1\n1e-10\n-0\n12345678\n0.1\n");
#else
    assert_writes(&reals, "2 1 1\n1e-10\n-1e-300\n12345678\n0.1\n");
#endif
}

static bp_real random_real(uint64_t *seed)
{
    bp_real value;
    do {
        const uint64_t bits = test_random(seed);
        memcpy(&value, &bits, sizeof value);
    } while (!isfinite(value));
    return value;
}

static void what_is_written_reads_back_to_the_bit(void **state)
{
    (void)state;
    bp_real X[300], T[200];
    uint64_t seed = 7;
    for (size_t i = 0; i < COUNT(X); i++)
        X[i] = random_real(&seed);
    for (size_t i = 0; i < COUNT(T); i++)
        T[i] = random_real(&seed);
    X[0] = BP_REAL_MAX;
    X[1] = -BP_REAL_MIN;
    X[2] = BP_REAL_MIN * BP_REAL_EPSILON;
    X[3] = (bp_real)-0.0;
    const bp_dataset data = { .rows = 100, .n_in = 3, .n_out = 2, .X = { .data = X }, .T = { .data = T } };
    for (int comma = 0; comma < 2; comma++) {
        if (comma && !test_set_comma_locale())
            break;
        const char *path = test_file("", 0);
        assert_int_equal(bp_fann_data_write(&data, path, NULL), BP_OK);
        bp_fann_data fann;
        assert_int_equal(bp_fann_data_read(&fann, path, NULL), BP_OK);
        assert_int_equal(remove(path), 0);
        assert_int_equal(fann.rows, 100);
        assert_memory_equal(fann.X, X, sizeof X);
        assert_memory_equal(fann.T, T, sizeof T);
        bp_fann_data_free(&fann);
    }
    assert_non_null(setlocale(LC_ALL, "C"));
}

/* Row 3 is left out by the function that reads them. */
static bool read_row(size_t row, bp_real *x, bp_real *t, void *user)
{
    const size_t bad = *(const size_t *)user;
    x[0] = (bp_real)row;
    x[1] = (bp_real)0.5;
    t[0] = (bp_real)-1;
    return row != bad;
}

static void rows_that_a_function_reads_are_written(void **state)
{
    (void)state;
    size_t bad = 9;
    const bp_dataset data = { .rows = 3, .n_in = 2, .n_out = 1, .read_row = read_row, .user = &bad };
    assert_writes(&data, "3 2 1\n0 0.5\n-1\n1 0.5\n-1\n2 0.5\n-1\n");

    bad = 2;
    const char *path = test_file("old", 3);
    assert_int_equal(bp_fann_data_write(&data, path, NULL), BP_ERR_IO);
    struct test_bytes content = test_file_content(path);
    assert_int_equal(content.n, 3);
    test_bytes_clear(&content);
    assert_int_equal(remove(path), 0);
}

static void what_the_format_cannot_hold_is_refused(void **state)
{
    (void)state;
    static const bp_real weights[] = { 1, 1, 1, 1 }, bad[] = { 1, 2, 3, (bp_real)NAN };
    bp_dataset data = { .rows = 4, .n_in = 2, .n_out = 1, .X = { .data = xor_X }, .T = { .data = xor_T } };
    data.weights.data = weights;
    assert_int_equal(bp_fann_data_write(&data, "x.data", NULL), BP_ERR_UNSUPPORTED);
    assert_says("fann_data_write: the data has weights");
    data.weights.data = NULL;
    data.T.data = bad;
    assert_int_equal(bp_fann_data_write(&data, "x.data", NULL), BP_ERR_NONFINITE);
    data.T.data = NULL;
    assert_int_equal(bp_fann_data_write(&data, "x.data", NULL), BP_ERR_ARGUMENT);
    assert_int_not_equal(access("x.data", F_OK), 0);
}

/* The old file stays, and nothing new is there. */
static void assert_write_fails(const char *folder, const bp_dataset *data, const char *name, const char *sentence)
{
    struct test_heap heap;
    test_heap_init(&heap);
    assert_int_equal(bp_fann_data_write(data, path_in(folder, name), &heap.allocator), BP_ERR_IO);
    if (strstr(bp_error_message(), sentence) == NULL || strstr(bp_error_message(), "cannot be written: ") == NULL)
        fail_msg("\"%s\" has no \"%s\"", bp_error_message(), sentence);
    assert_true(test_heap_is_clean(&heap));
}

/* What else may fail, and what is left behind then, is for test_writer.c. */
static void a_failed_write_leaves_the_old_file_as_it_was(void **state)
{
    (void)state;
    const bp_dataset small = { .rows = 4, .n_in = 2, .n_out = 1, .X = { .data = xor_X }, .T = { .data = xor_T } };
    const char *folder = make_folder();
    assert_write_fails(folder, &small, "no/x.data", "cannot be made: no such file (errno 2)");
    char long_name[300];
    memset(long_name, 'n', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    assert_write_fails(folder, &small, long_name, "the path is too long (errno ");

    assert_int_equal(mkdir(path_in(folder, "sub"), 0700), 0); /* what a file cannot replace */
    assert_write_fails(folder, &small, "sub", "it is a directory (errno ");
    assert_int_equal(rmdir(path_in(folder, "sub")), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void writing_without_memory_is_an_error(void **state)
{
    (void)state;
    const bp_dataset data = { .rows = 4, .n_in = 2, .n_out = 1, .X = { .data = xor_X }, .T = { .data = xor_T } };
    const char *folder = make_folder(), *path = path_in(folder, "x.data");
    struct test_heap heap;
    size_t fail_at = 0;
    do {
        test_heap_init(&heap);
        heap.fail_at = ++fail_at;
        const bp_status status = bp_fann_data_write(&data, path, &heap.allocator);
        assert_int_equal(status, heap.n_failed > 0 ? BP_ERR_MEMORY : BP_OK);
        assert_int_equal(access(path, F_OK) == 0, heap.n_failed == 0);
        assert_true(test_heap_is_clean(&heap));
    } while (heap.n_failed > 0);
    assert_true(fail_at > 3);
    assert_int_equal(remove(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* ---- gzip -------------------------------------------------------------------------------------------------------- */

#ifndef BACKPROP_HAVE_ZLIB

static void gzip_is_said_to_be_unsupported(void **state)
{
    (void)state;
    assert_refused(read_from_memory, "\x1f\x8b\x08", 3, BP_ERR_UNSUPPORTED, "no zlib");
}

#else

static void gzipped_files_are_read_and_damage_is_found(void **state)
{
    (void)state;
    struct test_bytes gzip = test_bytes_gzip(xor_text, sizeof xor_text - 1);
    assert_reads_xor(gzip.data, gzip.n);
    for (size_t n = 2; n < gzip.n; n++)
        for (size_t way = 0; way < COUNT(ways); way++)
            assert_refused(ways[way], gzip.data, n, BP_ERR_FORMAT, "cut short");
    gzip.data[gzip.n - 8] ^= 1;
    assert_refused(read_from_memory, gzip.data, gzip.n, BP_ERR_FORMAT, "gzip data damaged");
    test_bytes_clear(&gzip);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_blanks_separate_numbers),
        cmocka_unit_test(several_inputs_and_outputs_keep_their_places),
        cmocka_unit_test(numbers_become_the_nearest_real),
        cmocka_unit_test(what_is_malformed_is_refused_with_its_place),
        cmocka_unit_test(null_arguments_and_half_an_allocator_are_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_an_io_error),
        cmocka_unit_test(memory_is_as_the_bytes_justify_whatever_is_promised),
        cmocka_unit_test(a_failed_allocation_is_an_error_and_leaves_nothing_behind),
        cmocka_unit_test(a_file_cut_short_at_any_byte_is_refused),
        cmocka_unit_test(random_damage_does_no_harm),
        cmocka_unit_test(datasets_of_every_kind_are_written),
        cmocka_unit_test(what_is_written_reads_back_to_the_bit),
        cmocka_unit_test(rows_that_a_function_reads_are_written),
        cmocka_unit_test(what_the_format_cannot_hold_is_refused),
        cmocka_unit_test(a_failed_write_leaves_the_old_file_as_it_was),
        cmocka_unit_test(writing_without_memory_is_an_error),
#ifndef BACKPROP_HAVE_ZLIB
        cmocka_unit_test(gzip_is_said_to_be_unsupported),
#else
        cmocka_unit_test(gzipped_files_are_read_and_damage_is_found),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
