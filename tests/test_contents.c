// SPDX-License-Identifier: MIT
/*
 * What goes into a file comes out of it: text, numbers to the bit, lists, tensors; the bytes are those of the format on any
 * machine; what does not fit is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop.h"
#include "store/contents.h"
#include "support/bytes.h"
#include "support/container.h"
#include "support/heap.h"
#include "support/locale.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

/* ---- Writing and reading --------------------------------------------------------------------------------------------- */

/* Writes contents, which are released, to memory. */
static bp_status write_out(struct bpi_contents *contents, struct bpi_growing *bytes)
{
    struct bpi_writer writer;
    bpi_writer_open_memory(&writer, &contents->allocator);
    bp_status status = bpi_contents_write(contents, &writer);
    if (status == BP_OK)
        status = bpi_writer_finish(&writer);
    bpi_contents_release(contents);
    *bytes = writer.memory;
    if (status != BP_OK)
        bpi_growing_release(bytes, &writer.allocator);
    return status;
}

/* A file and what is read from it. */
struct file {
    struct test_heap heap;
    struct bpi_contents contents;
    struct bpi_growing bytes;
    struct bpi_safetensors st;
};

static void begin(struct file *file)
{
    *file = (struct file){ 0 };
    test_heap_init(&file->heap);
    file->contents.allocator = file->heap.allocator;
}

static void write_and_read(struct file *file)
{
    assert_int_equal(write_out(&file->contents, &file->bytes), BP_OK);
    assert_int_equal(bpi_safetensors_read_memory(&file->st, file->bytes.data, file->bytes.n, &file->heap.allocator), BP_OK);
}

static void end(struct file *file)
{
    bpi_safetensors_free(&file->st);
    bpi_growing_release(&file->bytes, &file->heap.allocator);
    bpi_contents_release(&file->contents);
    assert_true(test_heap_is_clean(&file->heap));
}

/* One file that has an entry under a key. */
static void make_entry(struct file *file, const char *key, const char *value)
{
    begin(file);
    bpi_contents_text(&file->contents, key, value);
    write_and_read(file);
}

/* ---- The bytes ------------------------------------------------------------------------------------------------------- */

static const char expected_header[] =
    "{\"__metadata__\":{\"a\":\"\\u000a\\\"\xC3\xA9\",\"n\":\"18446744073709551615\",\"x\":\"-0.5\",\"l\":\"1 "
    "2.5\",\"e\":\"\","
    "\"bp.crc32\":\"........\"},\"w\":{\"dtype\":\"F64\",\"shape\":[1,2],\"data_offsets\":[0,16]},\"f\\u0001\":{\"dtype\":"
    "\"F32\",\"shape\":[3],\"data_offsets\":[16,28]},\"none\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[28,28]},"
    "\"u\":{\"dtype\":\"U64\",\"shape\":[],\"data_offsets\":[28,36]}}";

static const unsigned char expected_data[36] = { 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xF0, 0x3F, /* 1 */
                                                 0x18, 0x2D, 0x44, 0x54, 0xFB, 0x21, 0x09, 0xC0, /* -pi */
                                                 0x00, 0x00, 0x80, 0x3F,                         /* 1 */
                                                 0xDB, 0x0F, 0x49, 0xC0,                         /* -pi */
                                                 0x01, 0x00, 0x00, 0x00,                         /* the smallest number */
                                                 0xEF, 0xCD, 0xAB, 0x89, 0x67, 0x45, 0x23, 0x01 };

static void gather(struct bpi_contents *contents)
{
    static const double wide[2] = { 1, -3.141592653589793 };
    static const float narrow[3] = { 1, -3.14159265F, 1.40129846e-45F };
    static const uint64_t whole = 0x0123456789ABCDEFU;
    static const bp_real list[2] = { 1, R(2.5) };
    bpi_contents_text(contents, "a", "\n\"\xC3\xA9");
    bpi_contents_tensor(contents, "w", BPI_F64, 2, (const uint64_t[]){ 1, 2 }, wide);
    bpi_contents_u64(contents, "n", UINT64_MAX);
    bpi_contents_number(contents, "x", -0.5);
    bpi_contents_tensor(contents, "f\x01", BPI_F32, 1, (const uint64_t[]){ 3 }, narrow);
    bpi_contents_reals(contents, "l", list, 2);
    bpi_contents_reals(contents, "e", list, 0);
    bpi_contents_tensor(contents, "none", BPI_F32, 2, (const uint64_t[]){ 0, 5 }, NULL);
    bpi_contents_tensor(contents, "u", BPI_U64, 0, NULL, &whole);
}

static void the_bytes_are_those_of_the_format(void **state)
{
    (void)state;
    struct file file;
    begin(&file);
    gather(&file.contents);
    write_and_read(&file);
    const unsigned char *bytes = file.bytes.data;
    const size_t n_text = sizeof expected_header - 1, n_header = (n_text + 7) / 8 * 8;
    assert_int_equal(file.bytes.n, 8 + n_header + sizeof expected_data);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(bytes[i], n_header >> 8 * i & 0xFF);
    for (size_t i = 0; i < n_header; i++)
        if (i >= n_text)
            assert_int_equal(bytes[8 + i], ' ');
        else if (expected_header[i] != '.' || expected_header[i + 1] == '5')
            assert_int_equal(bytes[8 + i], (unsigned char)expected_header[i]);
    assert_memory_equal(bytes + 8 + n_header, expected_data, sizeof expected_data);

    unsigned char *mended = test_bytes_copy(bytes, file.bytes.n);
    assert_true(test_mend_checksum(mended, file.bytes.n));
    assert_memory_equal(mended, bytes, file.bytes.n); /* the checksum was right, by another computation of it */
    free(mended);
    end(&file);
}

static void the_same_contents_give_the_same_bytes(void **state)
{
    (void)state;
    struct file a, b;
    begin(&a);
    gather(&a.contents);
    write_and_read(&a);
    (void)test_set_comma_locale();
    begin(&b);
    gather(&b.contents);
    write_and_read(&b);
    assert_int_equal(a.bytes.n, b.bytes.n);
    assert_memory_equal(a.bytes.data, b.bytes.data, a.bytes.n);
    end(&a);
    end(&b);
}

static void nothing_at_all_is_a_file(void **state)
{
    (void)state;
    struct file file;
    begin(&file);
    write_and_read(&file);
    assert_int_equal(file.st.n_tensors, 0);
    assert_int_equal(file.st.n_metadata, 1);
    end(&file);
}

/* Larger than the pieces in which it is handed on. */
static void long_tensors_are_written_whole(void **state)
{
    (void)state;
    enum { N = 3001 };
    static double values[N];
    static float narrow[N];
    static bp_real back[N];
    struct file file;
    struct bpi_tensor tensor;
    begin(&file);
    for (size_t i = 0; i < N; i++) {
        values[i] = 1.0 / (double)(i + 1);
        narrow[i] = (float)i / 3;
    }
    bpi_contents_tensor(&file.contents, "w", BPI_F64, 2, (const uint64_t[]){ N, 1 }, values);
    bpi_contents_tensor(&file.contents, "n", BPI_F32, 1, (const uint64_t[]){ N }, narrow);
    write_and_read(&file);
    assert_int_equal(bpi_expect_tensor(&file.st, "w", BPI_F64, 2, (const uint64_t[]){ N, 1 }, &tensor), BP_OK);
    bpi_tensor_to_reals(&tensor, back);
    for (size_t i = 0; i < N; i++)
        assert_true(back[i] == (bp_real)values[i]);
    assert_int_equal(bpi_expect_reals(&file.st, "n", 1, (const uint64_t[]){ N }, &tensor), BP_OK);
    bpi_tensor_to_reals(&tensor, back);
    for (size_t i = 0; i < N; i++)
        assert_true(back[i] == (bp_real)narrow[i]);
    end(&file);
}

/* ---- Numbers --------------------------------------------------------------------------------------------------------- */

static double number_of_bits(uint64_t bits)
{
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static void assert_same_double(double actual, double expected)
{
    if (isnan(expected))
        assert_true(isnan(actual));
    else
        assert_memory_equal(&actual, &expected, sizeof actual);
}

/* Writes n numbers into one file and reads them. */
static void assert_numbers_come_back(const double *numbers, size_t n)
{
    struct file file;
    char key[32];
    begin(&file);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(key, sizeof key, "%zu", i);
        bpi_contents_number(&file.contents, key, numbers[i]);
    }
    write_and_read(&file);
    for (size_t i = 0; i < n; i++) {
        double back;
        (void)snprintf(key, sizeof key, "%zu", i);
        assert_int_equal(bpi_entry_number(&file.st, key, &back), BP_OK);
        assert_same_double(back, numbers[i]);
    }
    end(&file);
}

static void numbers_come_back_to_the_bit(void **state)
{
    (void)state;
    enum { N = 1500 };
    static const double special[] = { 0,
                                      -0.0,
                                      1,
                                      -1,
                                      0.1,
                                      DBL_MAX,
                                      -DBL_MAX,
                                      DBL_MIN,
                                      -DBL_MIN,
                                      DBL_EPSILON,
                                      4.9e-324,
                                      -4.9e-324,
                                      2.2250738585072e-308,
                                      1e22,
                                      1e23,
                                      1e16,
                                      123456789,
                                      (double)NAN,
                                      (double)INFINITY,
                                      -(double)INFINITY };
    static double numbers[N];
    uint64_t seed = 11;
    assert_numbers_come_back(special, COUNT(special));
    const size_t rounds = getenv("TEST_QUICK") != NULL ? 2 : 60;
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < N; i++)
            numbers[i] = number_of_bits(test_random(&seed));
        assert_numbers_come_back(numbers, N);
    }
    for (size_t i = 0; i < 2046; i++) /* all powers of two, and their neighbours */
        numbers[i % N] = number_of_bits((uint64_t)(i + 1) << 52 | (i % 3 == 0 ? 0 : i % 3 == 1 ? 1 : 0xFFFFFFFFFFFFFU));
    assert_numbers_come_back(numbers, N);
}

static void lists_come_back_to_the_bit(void **state)
{
    (void)state;
    enum { N = 20000 };
    static bp_real list[N], back[N];
    uint64_t seed = 12;
    struct file file;
    begin(&file);
    for (size_t i = 0; i < N; i++) {
        double number = number_of_bits(test_random(&seed));
        if (!isfinite((bp_real)number))
            number = (double)i;
        list[i] = (bp_real)number;
    }
    bpi_contents_reals(&file.contents, "list", list, N);
    bpi_contents_reals(&file.contents, "one", list, 1);
    bpi_contents_reals(&file.contents, "none", list, 0);
    write_and_read(&file);
    assert_int_equal(bpi_entry_reals(&file.st, "list", back, N), BP_OK);
    assert_memory_equal(back, list, sizeof list);
    assert_int_equal(bpi_entry_reals(&file.st, "one", back, 1), BP_OK);
    assert_int_equal(bpi_entry_reals(&file.st, "none", back, 0), BP_OK);
    end(&file);
}

static void whole_numbers_come_back(void **state)
{
    (void)state;
    static const uint64_t numbers[] = { 0, 1, 9, 10, 99, 100, 4294967295U, 4294967296U, UINT64_MAX - 1, UINT64_MAX };
    for (size_t i = 0; i < COUNT(numbers); i++) {
        struct file file;
        uint64_t back;
        begin(&file);
        bpi_contents_u64(&file.contents, "n", numbers[i]);
        write_and_read(&file);
        assert_int_equal(bpi_entry_u64(&file.st, "n", numbers[i], &back), BP_OK);
        assert_true(back == numbers[i]);
        if (numbers[i] > 0)
            assert_refused(bpi_entry_u64(&file.st, "n", numbers[i] - 1, &back), BP_ERR_FORMAT,
                           "memory: n: expected a whole number up to ");
        end(&file);
    }
}

/* ---- Entries that are something else --------------------------------------------------------------------------------- */

static void texts_are_short_or_refused(void **state)
{
    (void)state;
    struct file file;
    char text[BPI_ENTRY_SIZE + 1], value[BPI_ENTRY_SIZE];
    memset(text, 'x', sizeof text);
    text[BPI_ENTRY_SIZE] = '\0';
    make_entry(&file, "t", text);
    assert_refused(bpi_entry_text(&file.st, "t", value), BP_ERR_FORMAT,
                   "memory: t: expected a text of less than 256 bytes");
    assert_refused(bpi_entry_text(&file.st, "u", value), BP_ERR_FORMAT, "memory: u: expected a text, found no such entry");
    end(&file);
    text[BPI_ENTRY_SIZE - 1] = '\0';
    text[3] = '\n'; /* which the file has as six bytes */
    make_entry(&file, "t", text);
    assert_int_equal(bpi_entry_text(&file.st, "t", value), BP_OK);
    assert_string_equal(value, text);
    end(&file);
}

static void entries_that_are_no_whole_numbers_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", " 1", "1 ", "+1", "-1", "01", "00", "1.0", "1e0", "x", "18446744073709551616", "\t1", "1\n", "\xD9\xA1"
    };
    uint64_t value = 42;
    struct file file;
    for (size_t i = 0; i < COUNT(texts); i++) {
        make_entry(&file, "n", texts[i]);
        assert_refused(bpi_entry_u64(&file.st, "n", UINT64_MAX, &value), BP_ERR_FORMAT,
                       "memory: n: expected a whole number up to 18446744073709551615, found '");
        end(&file);
    }
    make_entry(&file, "n", "1");
    assert_refused(bpi_entry_u64(&file.st, "m", 5, &value), BP_ERR_FORMAT,
                   "m: expected a whole number up to 5, found no such");
    assert_true(value == 42);
    end(&file);
}

static void entries_that_are_no_numbers_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = { "",     " 1",   "1 ",  "x",   "1e999", "-1e999", "infinity", "NaN",
                                         "+inf", "-nan", "1,5", "0x1", "1e",    "na",     "nano",     "\t1" };
    double value;
    struct file file;
    for (size_t i = 0; i < COUNT(texts); i++) {
        make_entry(&file, "x", texts[i]);
        assert_refused(bpi_entry_number(&file.st, "x", &value), BP_ERR_FORMAT, "memory: x: expected a number, found '");
        end(&file);
    }
    make_entry(&file, "x", "1");
    assert_refused(bpi_entry_number(&file.st, "y", &value), BP_ERR_FORMAT, "y: expected a number, found no such entry");
    end(&file);
}

static void entries_that_are_no_lists_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = { "",        "1",        "1 ",     "1 2",     "1 2 ",     "1 2 3 ",
                                         " 1 2 3",  "1  2 3",   "1 2  3", "1 2 3 4", "1 2 x",    "1 nan 3",
                                         "inf 2 3", "1 2 -inf", "1,2,3",  "1\t2\t3", "1 2 1e999" };
    bp_real values[3];
    struct file file;
    for (size_t i = 0; i < COUNT(texts); i++) {
        make_entry(&file, "l", texts[i]);
        assert_refused(bpi_entry_reals(&file.st, "l", values, 3), BP_ERR_FORMAT,
                       "memory: l: expected 3 finite numbers with a blank between two, found '");
        end(&file);
    }
    make_entry(&file, "l", "1 1e300 3"); /* which is none in single precision */
    assert_int_equal(bpi_entry_reals(&file.st, "l", values, 3), sizeof(bp_real) == 8 ? BP_OK : BP_ERR_FORMAT);
    assert_refused(bpi_entry_reals(&file.st, "l", values, 0), BP_ERR_FORMAT, "l: expected 0 finite numbers");
    assert_refused(bpi_entry_reals(&file.st, "m", values, 3), BP_ERR_FORMAT, "m: expected 3 finite numbers",
                   "no such entry");
    end(&file);
}

static void tensors_of_another_shape_or_type_are_refused(void **state)
{
    (void)state;
    static const double values[6] = { 0 };
    static const uint64_t whole[2] = { 0 };
    struct file file;
    struct bpi_tensor tensor;
    begin(&file);
    bpi_contents_tensor(&file.contents, "m", BPI_F64, 2, (const uint64_t[]){ 2, 3 }, values);
    bpi_contents_tensor(&file.contents, "v", BPI_F64, 1, (const uint64_t[]){ 6 }, values);
    bpi_contents_tensor(&file.contents, "s", BPI_F64, 0, NULL, values);
    bpi_contents_tensor(&file.contents, "u", BPI_U64, 1, (const uint64_t[]){ 2 }, whole);
    write_and_read(&file);
    const struct bpi_safetensors *st = &file.st;
    assert_int_equal(bpi_expect_reals(st, "m", 2, (const uint64_t[]){ 2, 3 }, &tensor), BP_OK);
    assert_int_equal(bpi_expect_reals(st, "s", 0, NULL, &tensor), BP_OK);
    assert_int_equal(bpi_expect_tensor(st, "u", BPI_U64, 1, (const uint64_t[]){ 2 }, &tensor), BP_OK);
    assert_refused(bpi_expect_reals(st, "w", 2, (const uint64_t[]){ 2, 3 }, &tensor), BP_ERR_FORMAT,
                   "memory: expected a tensor 'w' of 2x3, found none");
    assert_refused(bpi_expect_reals(st, "m", 2, (const uint64_t[]){ 3, 2 }, &tensor), BP_ERR_FORMAT,
                   "memory: tensor 'm' is 2x3: expected 3x2");
    assert_refused(bpi_expect_reals(st, "m", 2, (const uint64_t[]){ 2, 2 }, &tensor), BP_ERR_FORMAT,
                   "'m' is 2x3: expected 2x2");
    assert_refused(bpi_expect_reals(st, "m", 1, (const uint64_t[]){ 6 }, &tensor), BP_ERR_FORMAT, "'m' is 2x3: expected 6");
    assert_refused(bpi_expect_reals(st, "v", 0, NULL, &tensor), BP_ERR_FORMAT, "'v' is 6: expected a single number");
    assert_refused(bpi_expect_reals(st, "s", 1, (const uint64_t[]){ 1 }, &tensor), BP_ERR_FORMAT,
                   "'s' is a single number: expected 1");
    assert_refused(bpi_expect_reals(st, "u", 1, (const uint64_t[]){ 2 }, &tensor), BP_ERR_FORMAT,
                   "memory: tensor 'u' has elements U64: expected F64, F32, F16 or BF16");
    assert_refused(bpi_expect_tensor(st, "v", BPI_U64, 1, (const uint64_t[]){ 6 }, &tensor), BP_ERR_FORMAT,
                   "memory: tensor 'v' has elements F64: expected U64");
    assert_refused(bpi_expect_tensor(st, "v", BPI_U64, 1, (const uint64_t[]){ 5 }, &tensor), BP_ERR_FORMAT,
                   "'v' is 6: expected 5");
    end(&file);
}

static void tensors_of_many_dimensions_are_refused_with_their_number(void **state)
{
    (void)state;
    static const char header[] = "{\"t\":{\"dtype\":\"U8\",\"shape\":[1,1,1],\"data_offsets\":[0,1]}}";
    unsigned char file[8 + sizeof header];
    struct bpi_safetensors st;
    struct bpi_tensor tensor;
    struct test_heap heap;
    test_heap_init(&heap);
    test_put_length(file, sizeof header - 1);
    memcpy(file + 8, header, sizeof header); /* its NUL is the data */
    assert_int_equal(bpi_safetensors_read_memory(&st, file, sizeof file, &heap.allocator), BP_OK);
    assert_refused(bpi_expect_reals(&st, "t", 2, (const uint64_t[]){ 1, 1 }, &tensor), BP_ERR_FORMAT,
                   "tensor 't' is of 3 dimensions: expected 1x1");
    bpi_safetensors_free(&st);
    assert_true(test_heap_is_clean(&heap));
}

/* ---- More than a reader takes ---------------------------------------------------------------------------------------- */

static void more_than_a_reader_takes_is_not_written(void **state)
{
    (void)state;
    static const uint64_t zeros[6] = { 0 };
    for (size_t too_many = 0; too_many < 2; too_many++) {
        struct file file;
        char key[32];
        begin(&file);
        for (size_t i = 0; i < 1999 + too_many; i++) { /* and the checksum */
            (void)snprintf(key, sizeof key, "%zu", i);
            bpi_contents_text(&file.contents, key, "");
        }
        for (size_t i = 0; i < 2000; i++) {
            (void)snprintf(key, sizeof key, "%zu", i);
            bpi_contents_tensor(&file.contents, key, BPI_U64, 1, (const uint64_t[]){ 0 }, zeros);
        }
        if (too_many == 0)
            write_and_read(&file);
        else
            assert_refused(write_out(&file.contents, &file.bytes), BP_ERR_TOO_LARGE,
                           "memory: __metadata__ has 2001 entries: expected at most 2000");
        end(&file);

        begin(&file);
        for (size_t i = 0; i < 2001; i++) {
            (void)snprintf(key, sizeof key, "%zu", i);
            bpi_contents_tensor(&file.contents, key, BPI_U64, 1, (const uint64_t[]){ i < too_many ? 0 : 6 }, zeros);
        }
        if (too_many == 0)
            write_and_read(&file);
        else
            assert_refused(write_out(&file.contents, &file.bytes), BP_ERR_TOO_LARGE,
                           "memory: 2001 tensors in 96000 bytes of data: expected at most 2000, or 48 bytes for each");
        end(&file);
    }
}

static void a_header_is_not_longer_than_a_reader_takes(void **state)
{
    (void)state;
    char *text = malloc(BPI_MOST_HEADER + 1);
    assert_non_null(text);
    memset(text, 'x', BPI_MOST_HEADER);
    text[BPI_MOST_HEADER] = '\0';
    struct file file;
    begin(&file);
    bpi_contents_text(&file.contents, "x", text);
    assert_refused(write_out(&file.contents, &file.bytes), BP_ERR_TOO_LARGE, "memory: names and metadata take 1000000",
                   "bytes: expected at most 100000000");
    end(&file);
    free(text);
}

/* ---- What fails ------------------------------------------------------------------------------------------------------ */

static bp_status gather_and_write(struct test_heap *heap)
{
    static const bp_real many[200] = { 0 };
    struct bpi_contents contents = { .allocator = heap->allocator };
    struct bpi_growing bytes;
    gather(&contents);
    bpi_contents_reals(&contents, "many", many, 200);
    for (size_t i = 0; i < 40; i++) /* until what is gathered moves */
        bpi_contents_tensor(&contents, &"a name that is not written twice"[i % 32], BPI_F64, 0, NULL, many);
    const bp_status before = contents.status;
    const bp_status status = write_out(&contents, &bytes);
    assert_true(before == BP_OK || status == before);
    bpi_growing_release(&bytes, &heap->allocator);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct test_heap heap;
    size_t n = 0;
    do {
        test_heap_init(&heap);
        heap.fail_at = ++n;
        const bp_status status = gather_and_write(&heap);
        assert_int_equal(status, heap.n_failed > 0 ? BP_ERR_MEMORY : BP_OK);
        assert_true(test_heap_is_clean(&heap));
    } while (heap.n_failed > 0);
    assert_true(n > 20);
}

/* The first failure is kept, and nothing is added after it. */
static void what_comes_after_a_failure_is_not_gathered(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    heap.fail_at = 1;
    struct bpi_contents contents = { .allocator = heap.allocator };
    gather(&contents);
    assert_int_equal(contents.status, BP_ERR_MEMORY);
    assert_int_equal(heap.n_allocs, 1);
    struct bpi_growing bytes;
    assert_int_equal(write_out(&contents, &bytes), BP_ERR_MEMORY);
    assert_true(test_heap_is_clean(&heap));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_those_of_the_format),
        cmocka_unit_test(the_same_contents_give_the_same_bytes),
        cmocka_unit_test(nothing_at_all_is_a_file),
        cmocka_unit_test(long_tensors_are_written_whole),
        cmocka_unit_test(numbers_come_back_to_the_bit),
        cmocka_unit_test(lists_come_back_to_the_bit),
        cmocka_unit_test(whole_numbers_come_back),
        cmocka_unit_test(texts_are_short_or_refused),
        cmocka_unit_test(entries_that_are_no_whole_numbers_are_refused),
        cmocka_unit_test(entries_that_are_no_numbers_are_refused),
        cmocka_unit_test(entries_that_are_no_lists_are_refused),
        cmocka_unit_test(tensors_of_another_shape_or_type_are_refused),
        cmocka_unit_test(tensors_of_many_dimensions_are_refused_with_their_number),
        cmocka_unit_test(more_than_a_reader_takes_is_not_written),
        cmocka_unit_test(a_header_is_not_longer_than_a_reader_takes),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(what_comes_after_a_failure_is_not_gathered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
