// SPDX-License-Identifier: MIT
/*
 * IDX files, and the stream of bytes under them. The files are written here byte by byte, gzip by zlib or copied from what
 * gzip(1) made, so that nothing of the library stands on both sides of a comparison.
 */
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): POSIX's own way to ask for it
#define _POSIX_C_SOURCE 200809L /* mkfifo, fork */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef BACKPROP_HAVE_ZLIB
#include <zlib.h>
#endif

#include "backprop/idx.h"
#include "store/source.h"
#include "support/bytes.h"
#include "support/heap.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* What reading takes beside the elements: 16 KiB of the file, 64 KiB for the first array, and for inflating the 32 KiB of
 * the window with less than 16 KiB of tables (zconf.h: "about 7 kilobytes"). */
#define OVERHEAD ((size_t)(16 + 64 + 32 + 16) * 1024)

/* ---- bytes to read ----------------------------------------------------------------------------------------------- */

static void append_byte(struct test_bytes *bytes, unsigned byte)
{
    const unsigned char one = (unsigned char)byte;
    test_bytes_append(bytes, &one, 1);
}

static void append_u32(struct test_bytes *bytes, uint32_t number)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        append_byte(bytes, number >> shift & 0xff);
}

static void append_header(struct test_bytes *bytes, unsigned type, size_t n_dims, const uint32_t *dims)
{
    append_byte(bytes, 0);
    append_byte(bytes, 0);
    append_byte(bytes, type);
    append_byte(bytes, (unsigned)n_dims);
    for (size_t i = 0; i < n_dims; i++)
        append_u32(bytes, dims[i]);
}

/* 2 x 3 of i16: 12 bytes of header, 12 of elements. */
static const unsigned char small_file[] = { 0,    0,    0x0B, 2,    0,    0,    0,    2,    0,    0,    0,    3,
                                            0x00, 0x01, 0x00, 0xff, 0x01, 0x00, 0x7f, 0xff, 0x80, 0x00, 0xff, 0xff };
static const int16_t small_elements[] = { 1, 255, 256, 32767, -32768, -1 };

/* `gzip -n -9` of it. */
static const unsigned char small_file_gzipped[] = { 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x63,
                                                    0x60, 0xe0, 0x66, 0x62, 0x60, 0x60, 0x00, 0x61, 0x66, 0x06, 0x46,
                                                    0x86, 0xff, 0x8c, 0x0c, 0xf5, 0xff, 0x1b, 0x18, 0xfe, 0xff, 0x07,
                                                    0x00, 0x5d, 0xb3, 0xcc, 0x89, 0x18, 0x00, 0x00, 0x00 };

/* Element i of the large file: every byte of it changes from one to the next, none repeats with a chunk or a page. */
static uint32_t large_element(size_t i)
{
    return (uint32_t)i * 2654435761U + 12345U;
}

#define LARGE_ROWS 300U
#define LARGE_COLUMNS 701U

/* 841 212 bytes: 13 times the first array, 51 chunks and a rest. */
static struct test_bytes large_file(void)
{
    struct test_bytes bytes = { 0 };
    append_header(&bytes, 0x0C, 2, (const uint32_t[]){ LARGE_ROWS, LARGE_COLUMNS });
    for (size_t i = 0; i < (size_t)LARGE_ROWS * LARGE_COLUMNS; i++)
        append_u32(&bytes, large_element(i));
    return bytes;
}

#ifdef BACKPROP_HAVE_ZLIB

/* Adds `data` as one gzip member; `header` may be NULL. */
static void append_member(struct test_bytes *gzip, const void *data, size_t n, int level, gz_header *header)
{
    z_stream z = { 0 };
    assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    if (header != NULL)
        assert_int_equal(deflateSetHeader(&z, header), Z_OK);
    const uLong bound = deflateBound(&z, (uLong)n) + 1024;
    unsigned char *out = malloc(bound);
    assert_non_null(out);

    unsigned char *in = malloc(n + 1); /* next_in is not const without ZLIB_CONST */
    assert_non_null(in);
    if (n > 0)
        memcpy(in, data, n);
    z.next_in = in;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    test_bytes_append(gzip, out, z.total_out);
    assert_int_equal(deflateEnd(&z), Z_OK);
    free(in);
    free(out);
}

#endif

/* ---- files ------------------------------------------------------------------------------------------------------- */

static bp_status read_from_path(bp_idx *idx, const void *data, size_t n, const bp_allocator *allocator)
{
    const char *path = test_file(data, n);
    const bp_status status = bp_idx_read(idx, path, allocator);
    assert_int_equal(remove(path), 0);
    return status;
}

typedef bp_status read_function(bp_idx *idx, const void *data, size_t n, const bp_allocator *allocator);

/* Both ways in, for what must hold for both. */
static read_function *const ways[] = { bp_idx_read_memory, read_from_path };

/* ---- what is expected -------------------------------------------------------------------------------------------- */

static void assert_zeroed(const bp_idx *idx)
{
    assert_int_equal(idx->element, 0);
    assert_int_equal(idx->n_dims, 0);
    for (size_t i = 0; i < BP_IDX_MAX_DIMS; i++)
        assert_int_equal(idx->dims[i], 0);
    assert_int_equal(idx->n, 0);
    assert_int_equal(idx->row_size, 0);
    assert_null(idx->data);
    assert_null(idx->block);
    assert_true(idx->allocator.alloc == NULL && idx->allocator.release == NULL && idx->allocator.user == NULL);
}

static void assert_message_has(const char *text)
{
    if (strstr(bp_error_message(), text) == NULL)
        fail_msg("\"%s\" has no \"%s\"", bp_error_message(), text);
}

static void assert_large(const bp_idx *idx)
{
    const uint32_t *data = idx->data;
    assert_int_equal(idx->element, BP_I32);
    assert_int_equal(idx->n, (size_t)LARGE_ROWS * LARGE_COLUMNS);
    for (size_t i = 0; i < idx->n; i++)
        if (data[i] != large_element(i))
            fail_msg("element %zu is %lx", i, (unsigned long)data[i]);
}

static void assert_small(const bp_idx *idx)
{
    assert_int_equal(idx->element, BP_I16);
    assert_int_equal(idx->n_dims, 2);
    assert_int_equal(idx->dims[0], 2);
    assert_int_equal(idx->dims[1], 3);
    assert_int_equal(idx->n, 6);
    assert_int_equal(idx->row_size, 3);
    assert_memory_equal(idx->data, small_elements, sizeof small_elements);
}

/* Reads over whatever idx held before, from a heap that must be clean afterwards. */
static void assert_read(read_function *read, const void *data, size_t n, void (*assert_content)(const bp_idx *))
{
    struct test_heap heap;
    test_heap_init(&heap);
    bp_idx idx;
    memset(&idx, 0xA5, sizeof idx);
    if (read(&idx, data, n, &heap.allocator) != BP_OK)
        fail_msg("refused: %s", bp_error_message());
    assert_int_equal(heap.live_blocks, 1);
    assert_ptr_equal(idx.allocator.user, &heap);
    assert_content(&idx);
    bp_idx_free(&idx);
    assert_zeroed(&idx);
    assert_true(test_heap_is_clean(&heap));
}

/* Returns the most memory that was in use. */
static size_t assert_refused(read_function *read, const void *data, size_t n, bp_status expected, const char *text)
{
    struct test_heap heap;
    test_heap_init(&heap);
    bp_idx idx;
    memset(&idx, 0xA5, sizeof idx);
    const bp_status status = read(&idx, data, n, &heap.allocator);
    assert_int_equal(status, expected);
    assert_message_has(text);
    assert_zeroed(&idx);
    assert_true(test_heap_is_clean(&heap));
    return heap.peak_bytes;
}

/* ---- elements and shapes ----------------------------------------------------------------------------------------- */

/* Four elements of each type with bytes written by hand, and the same numbers as C has them. */
static const struct type_case {
    unsigned code;
    bp_element element;
    size_t size;
    unsigned char stored[32];
    union {
        uint8_t u8[4];
        int8_t i8[4];
        int16_t i16[4];
        int32_t i32[4];
        float f32[4];
        double f64[4];
    } numbers;
} type_cases[] = {
    { 0x08, BP_U8, 1, { 0x00, 0x7f, 0x80, 0xff }, { .u8 = { 0, 127, 128, 255 } } },
    { 0x09, BP_I8, 1, { 0x00, 0x7f, 0x80, 0xff }, { .i8 = { 0, 127, -128, -1 } } },
    { 0x0B, BP_I16, 2, { 0x00, 0x01, 0x12, 0x34, 0x80, 0x00, 0xff, 0xfe }, { .i16 = { 1, 4660, -32768, -2 } } },
    { 0x0C,
      BP_I32,
      4,
      { 0x00, 0x00, 0x00, 0x01, 0x12, 0x34, 0x56, 0x78, 0x80, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xfe },
      { .i32 = { 1, 305419896, -2147483647 - 1, -2 } } },
    { 0x0D,
      BP_F32,
      4,
      { 0x3f, 0x80, 0x00, 0x00, 0xc0, 0x49, 0x0f, 0xdb, 0x00, 0x00, 0x00, 0x01, 0xff, 0x80, 0x00, 0x00 },
      { .f32 = { 1.0F, -3.14159274F, 1.40129846e-45F, -HUGE_VALF } } },
    { 0x0E,
      BP_F64,
      8,
      { 0x3f, 0xf0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a },
      { .f64 = { 1.0, -3.141592653589793, 4.9406564584124654e-324, 0.1 } } },
};

static void each_element_type_is_read_in_the_byte_order_of_the_machine(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(type_cases); i++) {
        const struct type_case *c = &type_cases[i];
        struct test_bytes file = { 0 };
        append_header(&file, c->code, 1, (const uint32_t[]){ 4 });
        test_bytes_append(&file, c->stored, 4 * c->size);
        for (size_t way = 0; way < COUNT(ways); way++) {
            bp_idx idx;
            assert_int_equal(ways[way](&idx, file.data, file.n, NULL), BP_OK);
            assert_int_equal(idx.element, c->element);
            assert_int_equal(idx.n, 4);
            assert_memory_equal(idx.data, &c->numbers, 4 * c->size);
            assert_int_equal((uintptr_t)idx.data % c->size, 0);
            bp_idx_free(&idx);
        }
        test_bytes_clear(&file);
    }
}

static void arrays_of_1_to_8_dimensions_keep_their_shape(void **state)
{
    (void)state;
    static const uint32_t dims[] = { 3, 2, 1, 5, 2, 1, 7, 2 };
    size_t n = 1;
    for (size_t n_dims = 1; n_dims <= COUNT(dims); n_dims++) {
        n *= dims[n_dims - 1];
        struct test_bytes file = { 0 };
        append_header(&file, 0x08, n_dims, dims);
        for (size_t i = 0; i < n; i++)
            append_byte(&file, (unsigned)(i % 251));

        bp_idx idx;
        assert_int_equal(bp_idx_read_memory(&idx, file.data, file.n, NULL), BP_OK);
        assert_int_equal(idx.n_dims, n_dims);
        for (size_t i = 0; i < BP_IDX_MAX_DIMS; i++)
            assert_int_equal(idx.dims[i], i < n_dims ? dims[i] : 0);
        assert_int_equal(idx.n, n);
        assert_int_equal(idx.row_size, n / 3);
        assert_memory_equal(idx.data, file.data + 4 + 4 * n_dims, n);
        bp_idx_free(&idx);
        test_bytes_clear(&file);
    }
}

static void a_large_file_comes_through_unchanged(void **state)
{
    (void)state;
    struct test_bytes file = large_file();
    for (size_t way = 0; way < COUNT(ways); way++)
        assert_read(ways[way], file.data, file.n, assert_large);
    test_bytes_clear(&file);
}

/* The child writes in pieces that fit neither elements nor chunks. */
static void write_and_exit(const char *path, const struct test_bytes *file)
{
    FILE *pipe = fopen(path, "wb");
    if (pipe == NULL)
        _exit(1);
    for (size_t i = 0; i < file->n; i += 1021) {
        const size_t n = file->n - i < 1021 ? file->n - i : 1021;
        if (fwrite(file->data + i, 1, n, pipe) != n || fflush(pipe) != 0)
            _exit(1);
    }
    _exit(fclose(pipe) == 0 ? 0 : 1);
}

static void a_pipe_is_read_like_a_file(void **state)
{
    (void)state;
    struct test_bytes file = large_file();
    const char *path = test_file("", 0);
    assert_int_equal(remove(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        write_and_exit(path, &file);

    bp_idx idx;
    assert_int_equal(bp_idx_read(&idx, path, NULL), BP_OK);
    assert_large(&idx);
    bp_idx_free(&idx);
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    assert_int_equal(remove(path), 0);
    test_bytes_clear(&file);
}

static void a_struct_that_was_moved_is_freed_like_any_other(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    bp_idx idx;
    assert_int_equal(bp_idx_read_memory(&idx, small_file, sizeof small_file, &heap.allocator), BP_OK);
    bp_idx moved = idx;
    memset(&idx, 0xA5, sizeof idx);
    assert_small(&moved);
    bp_idx_free(&moved);
    bp_idx_free(&moved); /* zeroed by the first call */
    bp_idx_free(NULL);
    assert_true(test_heap_is_clean(&heap));
}

/* ---- headers that are refused ------------------------------------------------------------------------------------ */

static void a_file_cut_short_at_any_byte_is_refused_with_both_numbers(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof small_file; n++) {
        const size_t expected = n < 4 ? 4 : n < 12 ? 8 : 12;
        const size_t found = n < 4 ? n : n < 12 ? n - 4 : n - 12;
        char text[64];
        (void)snprintf(text, sizeof text, "expected %zu bytes, found %zu", expected, found);
        for (size_t way = 0; way < COUNT(ways); way++)
            assert_refused(ways[way], small_file, n, BP_ERR_FORMAT, text);
    }
}

static void a_byte_too_many_is_refused(void **state)
{
    (void)state;
    unsigned char longer[sizeof small_file + 1] = { 0 };
    memcpy(longer, small_file, sizeof small_file);
    for (size_t way = 0; way < COUNT(ways); way++)
        assert_refused(ways[way], longer, sizeof longer, BP_ERR_FORMAT, "24 bytes: expected its end there, found more");
}

static void a_wrong_magic_number_is_refused_with_the_byte_that_is_wrong(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        unsigned char byte;
        const char *text;
    } cases[] = {
        { 0, 0x01, "bytes 0 and 1: expected 00 00, with which IDX files begin, found 01 00" },
        { 0, 0x1F, "found 1F 00" }, /* half of what would be gzip */
        { 1, 0xFE, "found 00 FE" },
        { 2, 0x00, "byte 2, the element type: expected 08, 09, 0B, 0C, 0D or 0E, found 00" },
        { 2, 0x0A, "found 0A" },
        { 2, 0x0F, "found 0F" },
        { 2, 0xFF, "found FF" },
        { 3, 0, "byte 3, the number of dimensions: expected 1 to 8, found 0" },
        { 3, 9, "found 9" },
        { 3, 255, "found 255" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned char file[sizeof small_file];
        memcpy(file, small_file, sizeof file);
        file[cases[i].at] = cases[i].byte;
        for (size_t way = 0; way < COUNT(ways); way++)
            assert_refused(ways[way], file, sizeof file, BP_ERR_FORMAT, cases[i].text);
    }
}

static void a_dimension_of_zero_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    for (size_t n_dims = 1; n_dims <= BP_IDX_MAX_DIMS; n_dims++)
        for (size_t zero = 0; zero < n_dims; zero++) {
            uint32_t dims[BP_IDX_MAX_DIMS];
            for (size_t i = 0; i < n_dims; i++)
                dims[i] = i == zero ? 0 : UINT32_MAX; /* nor must a product that overflows hide it */
            struct test_bytes file = { 0 };
            append_header(&file, 0x08, n_dims, dims);
            char text[80];
            (void)snprintf(text, sizeof text, "bytes %zu to %zu, dims[%zu]: expected at least 1, found 0", 4 + 4 * zero,
                           7 + 4 * zero, zero);
            assert_refused(bp_idx_read_memory, file.data, file.n, BP_ERR_FORMAT, text);
            test_bytes_clear(&file);
        }
}

/* 2^32 - 1 in each dimension: three of them overflow any size_t of 64 bits, two only with elements of 8 bytes, and 2^64 - 2^33
 * + 1 bytes are beyond PTRDIFF_MAX. */
static void a_product_of_dimensions_that_overflows_is_refused(void **state)
{
    (void)state;
    static const uint32_t dims[BP_IDX_MAX_DIMS] = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX,
                                                    UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX };
    for (size_t i = 0; i < COUNT(type_cases); i++)
        for (size_t n_dims = 2; n_dims <= BP_IDX_MAX_DIMS; n_dims++) {
            struct test_bytes file = { 0 };
            append_header(&file, type_cases[i].code, n_dims, dims);
            const size_t peak =
                assert_refused(bp_idx_read_memory, file.data, file.n, BP_ERR_TOO_LARGE, "is 4294967295, times ");
            assert_int_equal(peak, 0);
            test_bytes_clear(&file);
        }
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void a_header_that_promises_4_gib_for_100_bytes_costs_little(void **state)
{
    (void)state;
    if (SIZE_MAX == UINT32_MAX)
        skip(); /* where 4 GiB are too large to begin with */
    struct test_bytes file = { 0 };
    append_header(&file, 0x08, 2, (const uint32_t[]){ 65536, 65535 });
    for (unsigned i = 0; i < 100; i++)
        append_byte(&file, i);
    for (size_t way = 0; way < COUNT(ways); way++) {
        const size_t peak =
            assert_refused(ways[way], file.data, file.n, BP_ERR_FORMAT, "expected 4294901760 bytes, found 100");
        assert_true(peak <= OVERHEAD);
    }
    test_bytes_clear(&file);
}

/* Any number of bytes behind a header that promises 1 GiB: the bound is the documented one. */
static void memory_is_at_most_three_times_the_bytes_that_are_there(void **state)
{
    (void)state;
    struct test_bytes file = { 0 };
    append_header(&file, 0x08, 2, (const uint32_t[]){ 32768, 32768 });
    const size_t header = file.n;
    while (file.n - header < 1100000)
        append_byte(&file, 7);
    for (size_t n = 1; n < file.n - header; n = n < 60000 ? n * 2 : n + 4099) {
        const size_t peak = assert_refused(bp_idx_read_memory, file.data, header + n, BP_ERR_FORMAT, "the elements");
        assert_true(peak <= (size_t)64 * 1024 || peak <= 3 * n);
    }
    test_bytes_clear(&file);
}

/* For n = 1, 2, ... the n-th allocation fails, until none is left to fail. Returns how many there are. */
static size_t assert_every_failed_allocation_is_survived(read_function *read, const struct test_bytes *file)
{
    for (size_t fail_at = 1;; fail_at++) {
        struct test_heap heap;
        test_heap_init(&heap);
        heap.fail_at = fail_at;
        bp_idx idx;
        memset(&idx, 0xA5, sizeof idx);
        const bp_status status = read(&idx, file->data, file->n, &heap.allocator);
        if (heap.n_failed == 0) {
            assert_int_equal(status, BP_OK);
            assert_large(&idx);
            bp_idx_free(&idx);
            assert_true(test_heap_is_clean(&heap));
            return fail_at - 1;
        }
        assert_int_equal(status, BP_ERR_MEMORY);
        assert_message_has("no memory");
        assert_zeroed(&idx);
        assert_true(test_heap_is_clean(&heap));
    }
}

/* The array of 841 200 bytes takes 5 steps from 64 KiB on, a file one block more. */
static void a_failed_allocation_is_an_error_and_leaves_nothing_behind(void **state)
{
    (void)state;
    struct test_bytes file = large_file();
    assert_int_equal(assert_every_failed_allocation_is_survived(bp_idx_read_memory, &file), 5);
    assert_int_equal(assert_every_failed_allocation_is_survived(read_from_path, &file), 6);
    test_bytes_clear(&file);
}

/* ---- arguments and files that cannot be read --------------------------------------------------------------------- */

static void null_arguments_are_refused_by_name(void **state)
{
    (void)state;
    bp_idx idx;
    memset(&idx, 0xA5, sizeof idx);
    assert_int_equal(bp_idx_read(NULL, "x", NULL), BP_ERR_ARGUMENT);
    assert_message_has("idx is NULL");
    assert_int_equal(bp_idx_read(&idx, NULL, NULL), BP_ERR_ARGUMENT);
    assert_message_has("path is NULL");
    assert_zeroed(&idx);

    memset(&idx, 0xA5, sizeof idx);
    assert_int_equal(bp_idx_read_memory(NULL, small_file, sizeof small_file, NULL), BP_ERR_ARGUMENT);
    assert_message_has("idx is NULL");
    assert_int_equal(bp_idx_read_memory(&idx, NULL, 0, NULL), BP_ERR_ARGUMENT);
    assert_message_has("bytes is NULL");
    assert_zeroed(&idx);
}

static void half_an_allocator_is_refused(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    for (size_t way = 0; way < COUNT(ways); way++) {
        const bp_allocator half = { heap.allocator.alloc, NULL, &heap };
        bp_idx idx;
        memset(&idx, 0xA5, sizeof idx);
        assert_int_equal(ways[way](&idx, small_file, sizeof small_file, &half), BP_ERR_ARGUMENT);
        assert_message_has("allocator");
        assert_zeroed(&idx);
    }
    assert_int_equal(heap.n_allocs, 0);
}

static void assert_io_error(const char *path, const char *text)
{
    struct test_heap heap;
    test_heap_init(&heap);
    bp_idx idx;
    memset(&idx, 0xA5, sizeof idx);
    assert_int_equal(bp_idx_read(&idx, path, &heap.allocator), BP_ERR_IO);
    assert_message_has(text);
    assert_zeroed(&idx);
    assert_true(test_heap_is_clean(&heap));
}

static void a_path_that_cannot_be_read_is_an_io_error_with_the_reason(void **state)
{
    (void)state;
    assert_io_error("no/such/file.idx", "no/such/file.idx: cannot be opened: no such file");
    assert_io_error("", ": cannot be opened: no such file");
    assert_io_error(".", ".: cannot be read: it is a directory");

    char below[1100];
    const char *path = test_file("", 0);
    (void)snprintf(below, sizeof below, "%s/x", path);
    assert_io_error(below, "cannot be opened: a part of the path is not a directory");
    assert_int_equal(remove(path), 0);
}

/* A sentence has 511 bytes, a path may have thousands: its end is what tells files apart. */
static void a_long_path_leaves_room_for_the_reason(void **state)
{
    (void)state;
    char path[3000];
    for (size_t i = 0; i < 2800; i++)
        path[i] = "./"[i % 2];
    (void)snprintf(path + 2800, sizeof path - 2800, "missing.idx");
    assert_io_error(path, "/missing.idx: cannot be opened: no such file");

    static char too_long[100001]; /* longer than any system takes */
    memset(too_long, 'x', sizeof too_long - 1);
    assert_io_error(too_long, "xxx: cannot be opened: the path is too long (errno ");
}

static void messages_name_the_file_or_say_memory(void **state)
{
    (void)state;
    bp_idx idx;
    char beginning[1100];
    const char *path = test_file(small_file, 20);
    (void)snprintf(beginning, sizeof beginning, "%s: the elements: expected 12 bytes, found 8", path);
    assert_int_equal(bp_idx_read(&idx, path, NULL), BP_ERR_FORMAT);
    assert_string_equal(bp_error_message(), beginning);
    assert_int_equal(remove(path), 0);

    assert_int_equal(bp_idx_read_memory(&idx, small_file, 20, NULL), BP_ERR_FORMAT);
    assert_string_equal(bp_error_message(), "memory: the elements: expected 12 bytes, found 8");
}

/* ---- gzip -------------------------------------------------------------------------------------------------------- */

#ifndef BACKPROP_HAVE_ZLIB

static void gzip_is_said_to_be_unsupported(void **state)
{
    (void)state;
    for (size_t way = 0; way < COUNT(ways); way++)
        assert_refused(ways[way], small_file_gzipped, sizeof small_file_gzipped, BP_ERR_UNSUPPORTED,
                       "the data is gzipped, and this build of the library has no zlib");
}

#else

static void what_gzip_wrote_is_read(void **state)
{
    (void)state;
    for (size_t way = 0; way < COUNT(ways); way++)
        assert_read(ways[way], small_file_gzipped, sizeof small_file_gzipped, assert_small);
}

static void every_level_of_gzip_is_read(void **state)
{
    (void)state;
    struct test_bytes file = large_file();
    for (int level = 0; level <= 9; level++) {
        struct test_bytes gzip = { 0 };
        append_member(&gzip, file.data, file.n, level, NULL);
        for (size_t way = 0; way < COUNT(ways); way++)
            assert_read(ways[way], gzip.data, gzip.n, assert_large);
        test_bytes_clear(&gzip);
    }
    test_bytes_clear(&file);
}

/* RFC 1952: FEXTRA, FNAME, FCOMMENT and FHCRC together. */
static void a_gzip_header_with_all_its_fields_is_read(void **state)
{
    (void)state;
    Bytef extra[300] = { 'A', 'p', 4, 0, 1, 2, 3, 4 };
    Bytef name[] = "train-images-idx3-ubyte";
    Bytef comment[] = "a comment";
    gz_header header = { .text = 1,
                         .time = 1234567890,
                         .os = 3,
                         .extra = extra,
                         .extra_len = sizeof extra,
                         .name = name,
                         .comment = comment,
                         .hcrc = 1 };
    struct test_bytes gzip = { 0 };
    append_member(&gzip, small_file, sizeof small_file, 9, &header);
    for (size_t way = 0; way < COUNT(ways); way++)
        assert_read(ways[way], gzip.data, gzip.n, assert_small);
    test_bytes_clear(&gzip);
}

/* Cut in the header, in an element, with empty members before, between and behind. */
static struct test_bytes small_file_in_members(void)
{
    static const size_t cuts[] = { 0, 0, 3, 9, 9, 17, 24, 24 };
    struct test_bytes gzip = { 0 };
    for (size_t i = 0; i + 1 < COUNT(cuts); i++)
        append_member(&gzip, small_file + cuts[i], cuts[i + 1] - cuts[i], 6, NULL);
    return gzip;
}

static void gzip_members_one_after_another_are_one_file(void **state)
{
    (void)state;
    struct test_bytes gzip = small_file_in_members();
    for (size_t way = 0; way < COUNT(ways); way++)
        assert_read(ways[way], gzip.data, gzip.n, assert_small);
    test_bytes_clear(&gzip);

    struct test_bytes file = large_file(); /* some ends of members fall near the ends of chunks */
    for (size_t i = 0; i < file.n; i += 8191)
        append_member(&gzip, file.data + i, file.n - i < 8191 ? file.n - i : 8191, 0, NULL);
    for (size_t way = 0; way < COUNT(ways); way++)
        assert_read(ways[way], gzip.data, gzip.n, assert_large);
    test_bytes_clear(&file);
    test_bytes_clear(&gzip);
}

/* Cut where a member ends, what is left is good gzip: then it is the elements that are too few. */
static void gzip_cut_short_at_any_byte_is_refused(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof small_file_gzipped; n++)
        for (size_t way = 0; way < COUNT(ways); way++)
            assert_refused(ways[way], small_file_gzipped, n, BP_ERR_FORMAT, n < 2 ? "found" : "cut short");

    struct test_bytes gzip = small_file_in_members();
    struct test_bytes last = { 0 };
    append_member(&last, "", 0, 6, NULL);
    for (size_t n = 0; n < gzip.n - last.n; n++)
        assert_refused(bp_idx_read_memory, gzip.data, n, BP_ERR_FORMAT, "memory: ");
    assert_read(bp_idx_read_memory, gzip.data, gzip.n - last.n, assert_small);
    test_bytes_clear(&last);
    test_bytes_clear(&gzip);
}

/* Some bits mean nothing: time and system, the rest of the last byte of deflate, a match that could as well be found nearer.
 * Those of the checksum and the length always mean something. */
static void gzip_with_any_bit_flipped_is_refused_or_gives_the_same(void **state)
{
    (void)state;
    const size_t size = sizeof small_file_gzipped;
    for (size_t bit = 0; bit < 8 * size; bit++) {
        unsigned char damaged[sizeof small_file_gzipped];
        memcpy(damaged, small_file_gzipped, size);
        damaged[bit / 8] ^= (unsigned char)(1U << bit % 8);

        struct test_heap heap;
        test_heap_init(&heap);
        bp_idx idx;
        const bp_status status = bp_idx_read_memory(&idx, damaged, size, &heap.allocator);
        if (status == BP_OK) {
            assert_true(bit / 8 < size - 8);
            assert_small(&idx);
            bp_idx_free(&idx);
        } else {
            assert_false(bit / 8 >= 4 && bit / 8 < 8); /* the time */
            /* too large: dimensions that came out wrong, which is seen before the checksum is */
            assert_true(status == BP_ERR_FORMAT || status == BP_ERR_TOO_LARGE);
            assert_zeroed(&idx);
        }
        assert_true(test_heap_is_clean(&heap));
        assert_true(heap.peak_bytes <= OVERHEAD);
    }
}

static void a_wrong_checksum_is_told_from_other_damage(void **state)
{
    (void)state;
    unsigned char damaged[sizeof small_file_gzipped];
    memcpy(damaged, small_file_gzipped, sizeof damaged);
    damaged[sizeof damaged - 8] ^= 1; /* the CRC-32 */
    assert_refused(bp_idx_read_memory, damaged, sizeof damaged, BP_ERR_FORMAT, "gzip data damaged");
    assert_message_has("check");

    memcpy(damaged, small_file_gzipped, sizeof damaged);
    damaged[sizeof damaged - 4] ^= 1; /* the length */
    assert_refused(bp_idx_read_memory, damaged, sizeof damaged, BP_ERR_FORMAT, "gzip data damaged");
    assert_message_has("length");
}

static void anything_after_the_last_gzip_member_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *text;
    } cases[] = {
        { "\0", 1, "cut short" }, /* might have begun a member, for all that zlib says after one byte */
        { "\0\0", 2, "damaged" },
        { "garbage", 7, "damaged" },
        { "\x1f\x8b", 2, "cut short" },
        { "\x1f\x8b\x08", 3, "cut short" },
        { "\x1f\x8b\x09\0\0\0\0\0\0\0\0", 11, "damaged" },
        { "\x78\x9c\x03\0\0\0\0\1", 8, "damaged" }, /* an empty stream in zlib's own wrapping: it is not gzip */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct test_bytes gzip = { 0 };
        test_bytes_append(&gzip, small_file_gzipped, sizeof small_file_gzipped);
        test_bytes_append(&gzip, cases[i].bytes, cases[i].n);
        for (size_t way = 0; way < COUNT(ways); way++)
            assert_refused(ways[way], gzip.data, gzip.n, BP_ERR_FORMAT, cases[i].text);
        test_bytes_clear(&gzip);
    }
}

static void a_byte_too_many_inside_gzip_is_refused(void **state)
{
    (void)state;
    struct test_bytes gzip = { 0 };
    append_member(&gzip, small_file, sizeof small_file, 6, NULL);
    append_member(&gzip, "", 1, 6, NULL);
    for (size_t way = 0; way < COUNT(ways); way++)
        assert_refused(ways[way], gzip.data, gzip.n, BP_ERR_FORMAT, "24 bytes: expected its end there, found more");
    test_bytes_clear(&gzip);
}

/* A header, then zeros, gzipped to about a thousandth. */
static struct test_bytes bomb(uint32_t declared, size_t n_zeros)
{
    struct test_bytes file = { 0 };
    append_header(&file, 0x08, 1, &declared);
    const size_t header = file.n;
    unsigned char zeros[4096] = { 0 };
    while (file.n - header < n_zeros)
        test_bytes_append(&file, zeros, sizeof zeros);
    struct test_bytes gzip = test_bytes_gzip(file.data, file.n);
    test_bytes_clear(&file);
    return gzip;
}

static void a_gzip_bomb_behind_a_small_header_costs_little(void **state)
{
    (void)state;
    struct test_bytes gzip = bomb(100, (size_t)12 << 20);
    assert_true(gzip.n < 20000);
    for (size_t way = 0; way < COUNT(ways); way++) {
        const size_t peak =
            assert_refused(ways[way], gzip.data, gzip.n, BP_ERR_FORMAT, "108 bytes: expected its end there, found more");
        assert_true(peak <= OVERHEAD);
    }
    test_bytes_clear(&gzip);
}

static void a_header_of_1_gib_before_gzip_that_is_cut_short_costs_what_is_there(void **state)
{
    (void)state;
    const size_t n_zeros = (size_t)11 << 20;
    struct test_bytes gzip = bomb((uint32_t)1 << 30, n_zeros);
    for (size_t way = 0; way < COUNT(ways); way++) {
        assert_true(assert_refused(ways[way], gzip.data, gzip.n, BP_ERR_FORMAT,
                                   "expected 1073741824 bytes, found 11534336") < 3 * n_zeros + OVERHEAD);
        assert_true(assert_refused(ways[way], gzip.data, gzip.n / 2, BP_ERR_FORMAT, "cut short") <
                    3 * (n_zeros / 2) + OVERHEAD);
        assert_true(assert_refused(ways[way], gzip.data, 100, BP_ERR_FORMAT, "cut short") < 3 * n_zeros / 100 + OVERHEAD);
    }
    test_bytes_clear(&gzip);
}

/* Beside the blocks of the plain form there are ours for the inflater, and zlib's: at least its state and its window. */
static void a_failed_allocation_while_inflating_leaves_nothing_behind(void **state)
{
    (void)state;
    struct test_bytes file = large_file();
    struct test_bytes gzip = test_bytes_gzip(file.data, file.n);
    assert_true(assert_every_failed_allocation_is_survived(bp_idx_read_memory, &gzip) >= 5 + 3);
    assert_true(assert_every_failed_allocation_is_survived(read_from_path, &gzip) >= 6 + 3);
    test_bytes_clear(&gzip);
    test_bytes_clear(&file);
}

/* Its stream, which stands first in the inflater, loses its state for a moment. */
static void a_zlib_that_refuses_to_work_is_unsupported(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    struct bpi_source source;
    assert_int_equal(bpi_source_open_memory(&source, small_file_gzipped, sizeof small_file_gzipped, &heap.allocator),
                     BP_OK);
    z_stream *z = source.inflater;
    struct internal_state *kept = z->state;
    z->state = NULL;
    unsigned char byte;
    assert_int_equal(bpi_source_read_exactly(&source, "a byte", &byte, 1), BP_ERR_UNSUPPORTED);
    assert_message_has("zlib refuses");
    z->state = kept;
    bpi_source_close(&source);
    assert_true(test_heap_is_clean(&heap));
}

#endif

/* ---- the stream on its own --------------------------------------------------------------------------------------- */

/* Reads all in steps of 0, 1, 2, ... bytes and looks for the end before each. */
static void assert_reads_in_steps(struct bpi_source *source, const struct test_bytes *expected)
{
    unsigned char *found = malloc(expected->n + 1);
    assert_non_null(found);
    size_t done = 0, n_read = 1;
    for (size_t step = 0; done < expected->n; step++) {
        bool at_end = true;
        assert_int_equal(bpi_source_at_end(source, &at_end), BP_OK);
        assert_int_equal(bpi_source_at_end(source, &at_end), BP_OK); /* asking twice is asking once */
        assert_false(at_end);
        const size_t left = expected->n - done;
        assert_int_equal(bpi_source_read(source, found + done, step < left ? step : left + 1, &n_read), BP_OK);
        assert_int_equal(n_read, step < left ? step : left);
        done += n_read;
        assert_int_equal(source->position, done);
    }
    assert_memory_equal(found, expected->data, expected->n);

    bool at_end = false;
    assert_int_equal(bpi_source_at_end(source, &at_end), BP_OK);
    assert_true(at_end);
    assert_int_equal(bpi_source_read(source, found, 1, &n_read), BP_OK);
    assert_int_equal(n_read, 0);
    free(found);
}

static void assert_both_sources_read_in_steps(const struct test_bytes *stored, const struct test_bytes *expected)
{
    struct bpi_source source;
    assert_int_equal(bpi_source_open_memory(&source, stored->data, stored->n, NULL), BP_OK);
    assert_string_equal(source.name, "memory");
    assert_reads_in_steps(&source, expected);
    bpi_source_close(&source);

    const char *path = test_file(stored->data, stored->n);
    assert_int_equal(bpi_source_open_path(&source, path, NULL), BP_OK);
    assert_string_equal(source.name, path);
    struct bpi_source moved = source;
    memset(&source, 0xA5, sizeof source);
    assert_reads_in_steps(&moved, expected);
    bpi_source_close(&moved);
    bpi_source_close(&moved); /* zeroed by the first call */
    assert_int_equal(remove(path), 0);
}

static void reads_of_any_size_give_the_same_bytes_and_the_end_once(void **state)
{
    (void)state;
    struct test_bytes file = large_file();
    assert_both_sources_read_in_steps(&file, &file);
#ifdef BACKPROP_HAVE_ZLIB
    struct test_bytes gzip = test_bytes_gzip(file.data, file.n);
    assert_both_sources_read_in_steps(&gzip, &file);
    test_bytes_clear(&gzip);
#endif
    test_bytes_clear(&file);
}

static void growing_to_nothing_gives_no_array(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    struct bpi_source source;
    void *array = &source;
    assert_int_equal(bpi_source_open_memory(&source, "", 0, &heap.allocator), BP_OK);
    assert_int_equal(bpi_source_read_growing(&source, "nothing", 0, &array), BP_OK);
    assert_null(array);
    bpi_source_close(&source);
    assert_int_equal(heap.n_allocs, 0);
}

/* The file under an open source is exchanged for one that cannot be read, as if the disk failed after the first chunk. */
static void assert_a_failing_disk_is_an_io_error(const struct test_bytes *stored)
{
    struct test_heap heap;
    test_heap_init(&heap);
    const char *path = test_file(stored->data, stored->n);
    struct bpi_source source;
    assert_int_equal(bpi_source_open_path(&source, path, &heap.allocator), BP_OK);
    assert_int_equal(fclose(source.file), 0);
    source.file = fopen(path, "wb");
    assert_non_null(source.file);

    void *array = &source;
    assert_int_equal(bpi_source_read_growing(&source, "all", (size_t)1 << 20, &array), BP_ERR_IO);
    assert_message_has("cannot be read");
    assert_message_has(path);
    assert_null(array);
    unsigned char byte;
    bool at_end;
    assert_int_equal(bpi_source_read_exactly(&source, "a byte", &byte, 1), BP_ERR_IO);
    assert_int_equal(bpi_source_at_end(&source, &at_end), BP_ERR_IO);
    bpi_source_close(&source);
    assert_true(test_heap_is_clean(&heap));
    assert_int_equal(remove(path), 0);
}

static void a_disk_that_fails_halfway_is_an_io_error(void **state)
{
    (void)state;
    struct test_bytes file = large_file();
    assert_a_failing_disk_is_an_io_error(&file);
#ifdef BACKPROP_HAVE_ZLIB
    struct test_bytes gzip = test_bytes_gzip(file.data, file.n);
    assert_a_failing_disk_is_an_io_error(&gzip);
    test_bytes_clear(&gzip);
#endif
    test_bytes_clear(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_element_type_is_read_in_the_byte_order_of_the_machine),
        cmocka_unit_test(arrays_of_1_to_8_dimensions_keep_their_shape),
        cmocka_unit_test(a_large_file_comes_through_unchanged),
        cmocka_unit_test(a_pipe_is_read_like_a_file),
        cmocka_unit_test(a_struct_that_was_moved_is_freed_like_any_other),
        cmocka_unit_test(a_file_cut_short_at_any_byte_is_refused_with_both_numbers),
        cmocka_unit_test(a_byte_too_many_is_refused),
        cmocka_unit_test(a_wrong_magic_number_is_refused_with_the_byte_that_is_wrong),
        cmocka_unit_test(a_dimension_of_zero_is_refused_wherever_it_stands),
        cmocka_unit_test(a_product_of_dimensions_that_overflows_is_refused),
        cmocka_unit_test(a_header_that_promises_4_gib_for_100_bytes_costs_little),
        cmocka_unit_test(memory_is_at_most_three_times_the_bytes_that_are_there),
        cmocka_unit_test(a_failed_allocation_is_an_error_and_leaves_nothing_behind),
        cmocka_unit_test(null_arguments_are_refused_by_name),
        cmocka_unit_test(half_an_allocator_is_refused),
        cmocka_unit_test(a_path_that_cannot_be_read_is_an_io_error_with_the_reason),
        cmocka_unit_test(a_long_path_leaves_room_for_the_reason),
        cmocka_unit_test(messages_name_the_file_or_say_memory),
#ifndef BACKPROP_HAVE_ZLIB
        cmocka_unit_test(gzip_is_said_to_be_unsupported),
#else
        cmocka_unit_test(what_gzip_wrote_is_read),
        cmocka_unit_test(every_level_of_gzip_is_read),
        cmocka_unit_test(a_gzip_header_with_all_its_fields_is_read),
        cmocka_unit_test(gzip_members_one_after_another_are_one_file),
        cmocka_unit_test(gzip_cut_short_at_any_byte_is_refused),
        cmocka_unit_test(gzip_with_any_bit_flipped_is_refused_or_gives_the_same),
        cmocka_unit_test(a_wrong_checksum_is_told_from_other_damage),
        cmocka_unit_test(anything_after_the_last_gzip_member_is_refused),
        cmocka_unit_test(a_byte_too_many_inside_gzip_is_refused),
        cmocka_unit_test(a_gzip_bomb_behind_a_small_header_costs_little),
        cmocka_unit_test(a_header_of_1_gib_before_gzip_that_is_cut_short_costs_what_is_there),
        cmocka_unit_test(a_failed_allocation_while_inflating_leaves_nothing_behind),
        cmocka_unit_test(a_zlib_that_refuses_to_work_is_unsupported),
#endif
        cmocka_unit_test(reads_of_any_size_give_the_same_bytes_and_the_end_once),
        cmocka_unit_test(growing_to_nothing_gives_no_array),
        cmocka_unit_test(a_disk_that_fails_halfway_is_an_io_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
