// SPDX-License-Identifier: MIT
/*
 * The reader of the safetensors container: from memory, files and pipes; what it takes, and what it refuses with which sentence;
 * that it takes no more memory and no more time than the bytes justify, whoever made them.
 */
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): POSIX's own way to ask for it
#define _POSIX_C_SOURCE 200809L

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "backprop.h"
#include "store/contents.h"
#include "store/crc32.h"
#include "store/safetensors.h"
#include "support/bytes.h"
#include "support/container.h"
#include "support/heap.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define TENSOR(name, dtype, shape, offsets)                                                                                \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"
#define F64(name, shape, offsets) TENSOR(name, "F64", shape, offsets)

/* ---- Files ----------------------------------------------------------------------------------------------------------- */

/* Byte i of all data. */
static unsigned char data_byte(size_t i)
{
    return (unsigned char)(i * 37 + 11);
}

static struct test_bytes file_of(const void *header, size_t n_header, size_t n_data)
{
    struct test_bytes file = { 0 };
    unsigned char length[8];
    test_put_length(length, n_header);
    test_bytes_append(&file, length, sizeof length);
    test_bytes_append(&file, header, n_header);
    for (size_t i = 0; i < n_data; i++) {
        const unsigned char byte = data_byte(i);
        test_bytes_append(&file, &byte, 1);
    }
    return file;
}

static struct test_bytes file_of_text(const char *header, size_t n_data)
{
    return file_of(header, strlen(header), n_data);
}

/* ---- Ways to read ---------------------------------------------------------------------------------------------------- */

/* Whatever is read is handed to `look` while the bytes are there. */
typedef void look_function(struct bpi_safetensors *st, void *user);
typedef bp_status read_function(const struct test_bytes *file, const bp_allocator *allocator, look_function *look,
                                void *user);

static bp_status look_and_free(struct bpi_safetensors *st, bp_status status, look_function *look, void *user)
{
    static const struct bpi_safetensors zeroed;
    if (status == BP_OK && look != NULL)
        look(st, user);
    if (status != BP_OK)
        assert_memory_equal(st, &zeroed, sizeof zeroed);
    bpi_safetensors_free(st);
    return status;
}

static bp_status read_memory(const struct test_bytes *file, const bp_allocator *allocator, look_function *look, void *user)
{
    struct bpi_safetensors st;
    unsigned char *bytes = test_bytes_copy(file->data, file->n);
    const bp_status status = bpi_safetensors_read_memory(&st, bytes, file->n, allocator);
    (void)look_and_free(&st, status, look, user);
    free(bytes);
    return status;
}

static bp_status read_path(const struct test_bytes *file, const bp_allocator *allocator, look_function *look, void *user)
{
    struct bpi_safetensors st;
    char path[1024];
    (void)snprintf(path, sizeof path, "%s", test_file(file->n > 0 ? (const void *)file->data : "", file->n));
    const bp_status status = bpi_safetensors_read_path(&st, path, allocator);
    (void)look_and_free(&st, status, look, user);
    assert_int_equal(remove(path), 0);
    return status;
}

struct pipe {
    const char *path;
    const struct test_bytes *file;
};

static void *write_into_pipe(void *user)
{
    const struct pipe *pipe = user;
    FILE *out = fopen(pipe->path, "wb");
    if (out == NULL)
        return NULL;
    if (pipe->file->n > 0)
        (void)fwrite(pipe->file->data, 1, pipe->file->n, out); /* who reads may have heard enough */
    (void)fclose(out);
    return NULL;
}

static bp_status read_pipe(const struct test_bytes *file, const bp_allocator *allocator, look_function *look, void *user)
{
    struct bpi_safetensors st;
    char path[1024];
    (void)snprintf(path, sizeof path, "%s", test_file("", 0));
    assert_int_equal(remove(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    struct pipe pipe = { path, file };
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, write_into_pipe, &pipe), 0);
    const bp_status status = bpi_safetensors_read_path(&st, path, allocator);
    assert_int_equal(pthread_join(writer, NULL), 0);
    (void)look_and_free(&st, status, look, user);
    assert_int_equal(remove(path), 0);
    return status;
}

static read_function *const ways[] = { read_memory, read_path, read_pipe };

/* Reads it in each way, with a heap that must be clean afterwards; all must agree. */
static void assert_read(const struct test_bytes *file, look_function *look, void *user)
{
    for (size_t w = 0; w < COUNT(ways); w++) {
        struct test_heap heap;
        test_heap_init(&heap);
        const bp_status status = ways[w](file, &heap.allocator, look, user);
        if (status != BP_OK)
            fail_msg("way %zu: %s", w, bp_error_message());
        assert_true(test_heap_is_clean(&heap));
    }
}

static void assert_file_refused(const struct test_bytes *file, const char *sentence)
{
    for (size_t w = 0; w < COUNT(ways); w++) {
        struct test_heap heap;
        test_heap_init(&heap);
        assert_refused(ways[w](file, &heap.allocator, NULL, NULL), BP_ERR_FORMAT, sentence);
        assert_true(test_heap_is_clean(&heap));
    }
}

static void assert_header_refused(const char *header, size_t n_data, const char *sentence)
{
    struct test_bytes file = file_of_text(header, n_data);
    assert_file_refused(&file, sentence);
    test_bytes_clear(&file);
}

/* ---- What is taken --------------------------------------------------------------------------------------------------- */

static void assert_means(const struct bpi_json_string *string, const char *text)
{
    char copy[64];
    assert_int_equal(bpi_json_length(string), strlen(text));
    assert_ptr_equal(bpi_json_copy(string, copy), copy + strlen(text) + 1);
    assert_string_equal(copy, text);
}

static void assert_bytes(const struct bpi_tensor *tensor, size_t begin, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(tensor->bytes[i], data_byte(begin + i));
}

static const char mixed_header[] =
    "{ \"b\" : {\"data_offsets\" :\t[ 16,\r\n40 ],\"shape\":[3],\"dtype\":\"F64\"},\"__metadata__\":{\"z\":\"1\",\"a\":"
    "\"\\u00e9\\n\"}," TENSOR("c", "I16", "2,2,2", "0,16") "," TENSOR("empty", "F32", "7,0", "40,40") "," //
    TENSOR("", "U8", "", "40,41") "," TENSOR("\\u0061", "BOOL", "1,1,5", "41,46") "}   \n\t ";

static void look_at_mixed_file(struct bpi_safetensors *st, void *user)
{
    static const char *const names[] = { "", "a", "b", "c", "empty" };
    struct bpi_tensor tensor;
    struct bpi_json_string key, value;
    (void)user;
    assert_int_equal(st->n_tensors, 5);
    for (size_t i = 0; i < COUNT(names); i++) {
        tensor = bpi_safetensors_tensor(st, i);
        assert_means(&tensor.name, names[i]);
    }
    assert_true(bpi_safetensors_find(st, "b", &tensor));
    assert_int_equal(tensor.dtype, BPI_F64);
    assert_string_equal(tensor.dtype_name, "F64");
    assert_true(tensor.n_dims == 1 && tensor.dims[0] == 3 && tensor.dims[1] == 1 && tensor.n == 3);
    assert_bytes(&tensor, 16, 24);
    assert_true(bpi_safetensors_find(st, "c", &tensor));
    assert_true(tensor.dtype == BPI_OTHER_DTYPE && tensor.n_dims == 3 && tensor.dims[1] == 2 && tensor.n == 8);
    assert_bytes(&tensor, 0, 16);
    assert_true(bpi_safetensors_find(st, "empty", &tensor));
    assert_true(tensor.n == 0 && tensor.dims[0] == 7 && tensor.dims[1] == 0);
    assert_true(bpi_safetensors_find(st, "", &tensor));
    assert_true(tensor.n == 1 && tensor.n_dims == 0);
    assert_bytes(&tensor, 40, 1);
    assert_true(bpi_safetensors_find(st, "a", &tensor));
    assert_bytes(&tensor, 41, 5);
    assert_false(bpi_safetensors_find(st, "A", &tensor));
    assert_false(bpi_safetensors_find(st, "aa", &tensor));
    assert_false(bpi_safetensors_find(st, "empt", &tensor));

    assert_int_equal(st->n_metadata, 2);
    bpi_safetensors_entry(st, 0, &key, &value);
    assert_means(&key, "z");
    assert_means(&value, "1");
    bpi_safetensors_entry(st, 1, &key, &value);
    assert_means(&key, "a");
    assert_true(bpi_safetensors_value(st, "a", &value));
    assert_means(&value, "\xC3\xA9\n");
    assert_false(bpi_safetensors_value(st, "b", &value));
    assert_false(bpi_safetensors_value(st, "", &value));
    assert_false(bpi_safetensors_value(st, "zz", &value));
}

static void a_file_is_read_from_memory_disk_and_pipe_whatever_its_order(void **state)
{
    (void)state;
    struct test_bytes file = file_of_text(mixed_header, 46);
    assert_read(&file, look_at_mixed_file, NULL);
    test_bytes_clear(&file);
}

static void look_at_nothing(struct bpi_safetensors *st, void *user)
{
    struct bpi_tensor tensor;
    struct bpi_json_string value;
    (void)user;
    assert_int_equal(st->n_tensors, 0);
    assert_int_equal(st->n_metadata, 0);
    assert_false(bpi_safetensors_find(st, "", &tensor));
    assert_false(bpi_safetensors_value(st, "", &value));
    assert_int_equal(bpi_safetensors_check_used(st, "", NULL, "", NULL), BP_OK);
}

static void files_without_anything_are_files(void **state)
{
    (void)state;
    static const char *const headers[] = { "{}", "{ }", "{\"__metadata__\":{}}", "{\"__metadata__\" : { } }  " };
    for (size_t i = 0; i < COUNT(headers); i++) {
        struct test_bytes file = file_of_text(headers[i], 0);
        assert_read(&file, look_at_nothing, NULL);
        test_bytes_clear(&file);
    }
}

static void look_at_empty_tensors(struct bpi_safetensors *st, void *user)
{
    const struct bpi_tensor tensor = bpi_safetensors_tensor(st, 0);
    bp_real value = 7;
    uint64_t whole = 7;
    (void)user;
    assert_int_equal(tensor.n, 0);
    bpi_tensor_to_reals(&tensor, &value);
    bpi_tensor_to_u64(&tensor, &whole);
    assert_true(value == (bp_real)7 && whole == 7);
}

static void tensors_may_be_empty_and_share_a_place_then(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{" F64("a", "0", "0,0") "," F64("b", "4,0,18446744073709551615", "0,0") "}",
        "{" F64("a", "0", "0,0") "," F64("b", "1", "0,8") "," F64("c", "0", "8,8") "," F64("d", "0", "0,0") "}",
        "{" F64("a", "0", "8,8") "," F64("b", "1", "0,8") "}",
    };
    for (size_t i = 0; i < COUNT(headers); i++) {
        struct test_bytes file = file_of_text(headers[i], i == 0 ? 0 : 8);
        assert_read(&file, look_at_empty_tensors, NULL);
        test_bytes_clear(&file);
    }
}

/* The sizes are from the format's description. */
static const struct {
    const char *name;
    unsigned size;
    bool is_real;
} known_dtypes[] = {
    { "F64", 8, true },      { "F32", 4, true },      { "F16", 2, true },   { "BF16", 2, true }, { "U64", 8, false },
    { "I64", 8, false },     { "I32", 4, false },     { "U32", 4, false },  { "I16", 2, false }, { "U16", 2, false },
    { "I8", 1, false },      { "U8", 1, false },      { "BOOL", 1, false }, { "C64", 8, false }, { "F8_E4M3", 1, false },
    { "F8_E5M2", 1, false }, { "F8_E8M0", 1, false },
};

static void look_at_dtype(struct bpi_safetensors *st, void *user)
{
    const size_t i = *(const size_t *)user;
    const struct bpi_tensor tensor = bpi_safetensors_tensor(st, 0);
    assert_string_equal(tensor.dtype_name, known_dtypes[i].name);
    assert_int_equal(bpi_dtype_is_real(tensor.dtype), known_dtypes[i].is_real);
}

static void each_type_of_elements_has_its_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(known_dtypes); i++) {
        for (unsigned size = 1; size <= 9; size++) {
            char header[256];
            (void)snprintf(header, sizeof header, "{\"t\":{\"dtype\":\"%s\",\"shape\":[3],\"data_offsets\":[0,%u]}}",
                           known_dtypes[i].name, 3 * size);
            struct test_bytes file = file_of_text(header, (size_t)3 * size);
            if (size == known_dtypes[i].size)
                assert_read(&file, look_at_dtype, &i);
            else
                assert_file_refused(&file, "tensor 't' has 3 elements of ");
            test_bytes_clear(&file);
        }
    }
}

/* ---- What is refused ------------------------------------------------------------------------------------------------- */

#define MANY "18446744073709551615" /* 2^64 - 1 */

static void headers_that_are_not_right_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t n_data;
        const char *sentence;
    } cases[] = {
        { "", 0, "byte 0 of the header: expected '{', found its end" },
        { " {}", 0, "byte 0 of the header: expected '{', found ' {}'" },
        { "[]", 0, "byte 0 of the header: expected '{', found '[]'" },
        { "{", 0, "byte 1 of the header: expected a string, found its end" },
        { "{\"", 0, "expected the end of a string, found its end" },
        { "{\"a", 0, "expected the end of a string, found its end" },
        { "{\"a\"", 0, "expected ':', found its end" },
        { "{\"a\":", 0, "expected '{', found its end" },
        { "{} x", 0, "byte 3 of the header: expected nothing but blanks, found 'x'" },
        { "{}}", 0, "expected nothing but blanks, found '}'" },
        { "{,}", 0, "expected a string, found ',}'" },
        { "{a:1}", 0, "expected a string" },
        { "{\"a\" 1}", 0, "expected ':'" },
        { "{\"a\":[]}", 0, "expected '{', found '[]}'" },
        { "{" F64("a", "1", "0,8") " " F64("b", "1", "8,16") "}", 16, "expected ',' or '}', found '\"b\":" },
        { "{" F64("a", "1", "0,8") ",}", 8, "expected a string, found '}'" },
        /* metadata */
        { "{\"__metadata__\":\"a\"}", 0, "expected '{', found '\"a\"}'" },
        { "{\"__metadata__\":{\"a\":1}}", 0, "expected a string, found '1}}'" },
        { "{\"__metadata__\":{\"a\":null}}", 0, "expected a string" },
        { "{\"__metadata__\":{\"a\":{}}}", 0, "expected a string" },
        { "{\"__metadata__\":{\"a\":\"b\",}}", 0, "expected a string" },
        { "{\"__metadata__\":{\"a\":\"b\"\"c\":\"d\"}}", 0, "expected ',' or '}'" },
        { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "expected one __metadata__" },
        { "{\"__metadata__\":{},\"\\u005f_metadata_\\u005F\":{}}", 0, "expected one __metadata__" },
        { "{\"__metadata__\":{\"a\":\"1\",\"b\":\"2\",\"a\":\"3\"}}", 0, "two entries of __metadata__ have the name 'a'" },
        { "{\"__metadata__\":{\"a/b\":\"1\",\"\\u0061\\/b\":\"1\"}}", 0, "two entries of __metadata__ have the name" },
        /* descriptions */
        { "{\"a\":{}}", 0, "tensor 'a' lacks dtype" },
        { "{\"a\":{\"dtype\":\"F64\",\"data_offsets\":[0,8]}}", 8, "tensor 'a' lacks shape" },
        { "{\"a\":{\"dtype\":\"F64\",\"shape\":[1]}}", 8, "tensor 'a' lacks data_offsets" },
        { "{\"a\":{\"dtype\":\"F64\",\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "expected one dtype" },
        { "{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "expected one shape" },
        { "{\"a\":{\"data_offsets\":[0,8],\"data_offsets\":[0,8]}}", 8, "expected one data_offsets" },
        { "{\"a\":{\"dtype\":\"F64\",\"d\\u0074ype\":\"F64\"}}", 0, "expected one dtype" },
        { "{\"a\":{\"Dtype\":\"F64\"}}", 0, "expected dtype, shape or data_offsets, found '\"Dtype" },
        { "{\"a\":{\"dtype\":8}}", 0, "expected a string, found '8}}'" },
        { "{\"a\":{\"dtype\":\"F65\"}}", 0, "expected a type of elements, found '\"F65\"}}'" },
        { "{\"a\":{\"dtype\":\"f64\"}}", 0, "expected a type of elements" },
        { "{\"a\":{\"dtype\":\"F6\"}}", 0, "expected a type of elements" },
        { "{\"a\":{\"dtype\":\"F640\"}}", 0, "expected a type of elements" },
        { "{\"a\":{\"dtype\":\"F64\" \"shape\":[]}}", 0, "expected ',' or '}'" },
        { "{\"a\":{\"dtype\" \"F64\"}}", 0, "expected ':'" },
        { "{\"a\":{\"dtype\":\"F64\",}}", 0, "expected a string" },
        /* shapes */
        { "{\"a\":{\"shape\":1}}", 0, "expected '[', found '1}}'" },
        { "{\"a\":{\"shape\":[1,]}}", 0, "expected a whole number, found ']}}'" },
        { "{\"a\":{\"shape\":[,1]}}", 0, "expected a whole number, found ',1]}}'" },
        { "{\"a\":{\"shape\":[1 1]}}", 0, "expected ',' or ']', found '1]}}'" },
        { "{\"a\":{\"shape\":[[1]]}}", 0, "expected a whole number" },
        { "{\"a\":{\"shape\":[-1]}}", 0, "expected a whole number, found '-1]}}'" },
        { "{\"a\":{\"shape\":[01]}}", 0, "a whole number below 2^64 without leading zeros, found '01]}}'" },
        { "{\"a\":{\"shape\":[00]}}", 0, "a whole number below 2^64 without leading zeros" },
        { "{\"a\":{\"shape\":[18446744073709551616]}}", 0, "a whole number below 2^64" },
        { "{\"a\":{\"shape\":[99999999999999999999999999]}}", 0, "a whole number below 2^64" },
        { "{\"a\":{\"shape\":[1.0]}}", 0, "expected ',' or ']', found '.0]}}'" },
        { "{\"a\":{\"shape\":[1e0]}}", 0, "expected ',' or ']', found 'e0]}}'" },
        { "{\"a\":{\"shape\":[\"1\"]}}", 0, "expected a whole number" },
        { "{" F64("a", "4294967296,4294967296", "0,8") "}", 8, "dimensions whose product is below 2^64" },
        { "{" F64("a", MANY "," MANY "," MANY, "0,8") "}", 8, "dimensions whose product is below 2^64" },
        { "{" F64("a", "2305843009213693952", "0,0") "}", 0, "tensor 'a' has 2305843009213693952 elements of 8 bytes" },
        { "{" F64("a", "2305843009213693953", "0,8") "}", 8, "but data_offsets from 0 to 8" },
        { "{" F64("a", MANY, "0,8") "}", 8, "tensor 'a' has 18446744073709551615 elements of 8 bytes" },
        /* offsets */
        { "{\"a\":{\"data_offsets\":{}}}", 0, "expected '['" },
        { "{\"a\":{\"data_offsets\":[]}}", 0, "expected a whole number" },
        { "{\"a\":{\"data_offsets\":[0]}}", 0, "expected ','" },
        { "{\"a\":{\"data_offsets\":[0,]}}", 0, "expected a whole number" },
        { "{\"a\":{\"data_offsets\":[0,8,9]}}", 0, "expected ']'" },
        { "{" F64("a", "1", "8,0") "}", 8, "tensor 'a' has 1 elements of 8 bytes, but data_offsets from 8 to 0" },
        { "{" F64("a", "1", "0,7") "}", 7, "has 1 elements of 8 bytes, but data_offsets from 0 to 7" },
        { "{" F64("a", "1", "0,9") "}", 9, "has 1 elements of 8 bytes, but data_offsets from 0 to 9" },
        { "{" F64("a", "1", "0,16") "}", 16, "has 1 elements of 8 bytes, but data_offsets from 0 to 16" },
        { "{" F64("a", "1", "0," MANY) "}", 8, "expected offsets that memory can have" },
        { "{" F64("a", "1", "18446744073709551608,18446744073709551616") "}", 8, "a whole number below 2^64" },
        { "{" F64("a", "1", "9223372036854775800,9223372036854775808") "}", 8, "expected offsets that memory can have" },
        { "{" F64("a", "1", "9223372036854775799,9223372036854775807") "}", 8,
          "the data has 9223372036854775807 bytes, of which 8 are there" },
        /* places */
        { "{" F64("a", "1", "8,16") "}", 16, "tensor 'a' begins at byte 8 of the data, the one before it ends at 0" },
        { "{" F64("a", "1", "0,8") "," F64("b", "1", "16,24") "}", 24,
          "'b' begins at byte 16 of the data, the one before" },
        { "{" F64("a", "2", "0,16") "," F64("b", "1", "8,16") "}", 16, "'b' begins at byte 8 of the data, the one before" },
        { "{" F64("a", "1", "0,8") "," F64("b", "1", "0,8") "}", 8,
          "begins at byte 0 of the data, the one before it ends at 8" },
        { "{" F64("a", "2", "0,16") "," F64("b", "0", "8,8") "}", 16, "'b' begins at byte 8 of the data, the one before" },
        { "{" F64("a", "1", "0,8") "," F64("b", "0", "9,9") "}", 9, "'b' begins at byte 9 of the data, the one before" },
        { "{" F64("a", "1", "0,8") "}", 7, "the data has 8 bytes, of which 7 are there" },
        { "{" F64("a", "1", "0,8") "}", 0, "the data has 8 bytes, of which 0 are there" },
        { "{" F64("a", "1", "0,8") "}", 9, "there are bytes behind the data of the last tensor" },
        { "{}", 1, "there are bytes behind the data of the last tensor" },
        { "{" F64("a", "1", "0,8") "," F64("b", "1", "8,16") "," F64("a", "1", "16,24") "}", 24,
          "two tensors have the name 'a'" },
        { "{" F64("a", "1", "0,8") "," F64("\\u0061", "1", "8,16") "}", 16, "two tensors have the name" },
        /* strings */
        { "{\"a\nb\":{}}", 0, "expected a character of a string" },
        { "{\"\x1f\":{}}", 0, "expected a character of a string" },
        { "{\"\\x\":{}}", 0, "expected a character of a string" },
        { "{\"\\", 0, "expected a character of a string" },
        { "{\"\\u12", 0, "expected a character of a string" },
        { "{\"\\u12g4\":{}}", 0, "expected a character of a string" },
        { "{\"\\U1234\":{}}", 0, "expected a character of a string" },
        { "{\"\\u0000\":{}}", 0, "no U+0000" },
        { "{\"\\ud800\":{}}", 0, "expected a character of a string" },
        { "{\"\\udfff\":{}}", 0, "expected a character of a string" },
        { "{\"\\udbff\\udbff\":{}}", 0, "expected a character of a string" },
        { "{\"\\ud800\\u0041\":{}}", 0, "expected a character of a string" },
        { "{\"\\ud800\\n\":{}}", 0, "expected a character of a string" },
        { "{\"\\udc00\\ud800\":{}}", 0, "expected a character of a string" },
        { "{\"\xC0\x80\":{}}", 0, "expected a character of a string" },
        { "{\"\xC1\xBF\":{}}", 0, "expected a character of a string" },
        { "{\"\xE0\x9F\xBF\":{}}", 0, "expected a character of a string" },
        { "{\"\xED\xA0\x80\":{}}", 0, "expected a character of a string" },
        { "{\"\xF0\x8F\xBF\xBF\":{}}", 0, "expected a character of a string" },
        { "{\"\xF4\x90\x80\x80\":{}}", 0, "expected a character of a string" },
        { "{\"\x80\":{}}", 0, "expected a character of a string" },
        { "{\"\xFF\":{}}", 0, "expected a character of a string" },
        { "{\"\xC3", 0, "expected a character of a string" },
        { "{\"\xC3\":{}}", 0, "expected a character of a string" },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_header_refused(cases[i].header, cases[i].n_data, cases[i].sentence);
    struct test_bytes file = file_of("{\"a\0b\":{}}", 10, 0); /* a NUL within a string, and one instead of a blank */
    assert_file_refused(&file, "expected a character of a string");
    test_bytes_clear(&file);
    file = file_of("{\"\\\0\":{}}", 8, 0);
    assert_file_refused(&file, "expected a character of a string");
    test_bytes_clear(&file);
    file = file_of("{}\0", 3, 0);
    assert_file_refused(&file, "expected nothing but blanks");
    test_bytes_clear(&file);
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct test_bytes file = file_of_text(mixed_header, 46);
    for (size_t n = 0; n < file.n; n++) {
        const struct test_bytes cut = { file.data, n, 0 };
        assert_file_refused(&cut, n < 8                          ? "the length of the header has 8 bytes, of which"
                                  : n < 8 + strlen(mixed_header) ? "the header has "
                                                                 : "the data has 46 bytes, of which");
    }
    test_bytes_append(&file, "", 1);
    assert_file_refused(&file, "there are bytes behind the data of the last tensor");
    test_bytes_clear(&file);
}

static void the_length_of_the_header_must_be_its_length(void **state)
{
    (void)state;
    static const char header[] = "{" F64("a", "1", "0,8") "}";
    const uint64_t n = sizeof header - 1;
    const struct {
        uint64_t length;
        const char *sentence;
    } cases[] = {
        { 0, "expected '{', found its end" },
        { 1, "expected a string, found its end" },
        { n - 1, "expected ',' or '}', found its end" },
        { n + 1, "expected nothing but blanks" },
        { n + 8, "expected nothing but blanks" },
        { n + 9, "the header has 63 bytes, of which 62 are there" },
        { BPI_MOST_HEADER, "the header has 100000000 bytes, of which 62 are there" },
        { BPI_MOST_HEADER + 1,
          "its first eight bytes say that the header has 100000001 bytes: expected at most 100000000" },
        { (uint64_t)1 << 31, "say that the header has 2147483648 bytes" },
        { (uint64_t)1 << 32, "say that the header has 4294967296 bytes" },
        { (uint64_t)1 << 63, "say that the header has 9223372036854775808 bytes" },
        { UINT64_MAX, "say that the header has 18446744073709551615 bytes" },
        { UINT64_MAX - 7, "say that the header has 18446744073709551608 bytes" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct test_bytes file = file_of_text(header, 8);
        test_put_length(file.data, cases[i].length);
        assert_int_equal(file.n, 8 + n + 8);
        assert_file_refused(&file, cases[i].sentence);
        test_bytes_clear(&file);
    }
}

/* ---- Files that are none --------------------------------------------------------------------------------------------- */

static void what_cannot_be_read_is_refused(void **state)
{
    (void)state;
    struct bpi_safetensors st;
    struct test_heap heap;
    test_heap_init(&heap);
    assert_refused(bpi_safetensors_read_path(&st, "./no such file", &heap.allocator), BP_ERR_IO,
                   "./no such file: cannot be opened: no such file");
    assert_refused(bpi_safetensors_read_path(&st, "/", &heap.allocator), BP_ERR_IO, "/: reading failed: it is a directory");
    assert_refused(bpi_safetensors_read_path(&st, "/dev/null", &heap.allocator), BP_ERR_FORMAT,
                   "/dev/null: the length of the header has 8 bytes, of which 0 are there");
    assert_refused(bpi_safetensors_read_path(&st, "/dev/zero", &heap.allocator), BP_ERR_FORMAT,
                   "/dev/zero: byte 0 of the header: expected '{', found its end");

    char path[4001];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_refused(bpi_safetensors_read_path(&st, path, &heap.allocator), BP_ERR_IO,
                   "aaaa: cannot be opened: the path is too long");
    assert_int_equal(heap.n_allocs, 0);
}

/* ---- The checksum ---------------------------------------------------------------------------------------------------- */

#define CRC(digits) "\"bp.crc32\":\"" digits "\""

static void a_checksum_is_right_or_the_file_refused(void **state)
{
    (void)state;
    struct test_bytes file =
        file_of_text("{\"__metadata__\":{\"a\":\"b\"," CRC("00000000") ",\"bp.x\":\"\"}," F64("a", "3", "0,24") "}", 24);
    assert_true(test_mend_checksum(file.data, file.n));
    assert_read(&file, NULL, NULL);
    for (size_t i = 0; i < file.n; i++) { /* all bits of all bytes: no damage goes unseen */
        for (unsigned bit = 0; bit < 8; bit++) {
            struct test_heap heap;
            test_heap_init(&heap);
            file.data[i] ^= (unsigned char)(1U << bit);
            assert_int_equal(read_memory(&file, &heap.allocator, NULL, NULL), BP_ERR_FORMAT);
            assert_true(test_heap_is_clean(&heap));
            file.data[i] ^= (unsigned char)(1U << bit);
        }
    }
    file.data[file.n - 1] ^= 1;
    assert_file_refused(&file, "the file is damaged: its checksum should be ");
    test_bytes_clear(&file);
}

static void keys_of_ours_need_a_checksum_of_eight_digits(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{\"__metadata__\":{\"bp.x\":\"\"}}",
        "{\"__metadata__\":{\"\\u0062p.\":\"\"}}",
        "{\"__metadata__\":{" CRC("") "}}",
        "{\"__metadata__\":{" CRC("0000000") "}}",
        "{\"__metadata__\":{" CRC("000000000") "}}",
        "{\"__metadata__\":{" CRC("0000000g") "}}",
        "{\"__metadata__\":{" CRC("0000000/") "}}",
        "{\"__metadata__\":{" CRC("0000000:") "}}",
        "{\"__metadata__\":{" CRC("0000000`") "}}",
        "{\"__metadata__\":{" CRC("ABCDEF01") "}}",
        "{\"__metadata__\":{" CRC("\\u0030000000") "}}",
    };
    for (size_t i = 0; i < COUNT(headers); i++)
        assert_header_refused(headers[i], 0, "there are keys that begin with bp., but no checksum bp.crc32 of eight");
}

static void a_file_of_others_needs_no_checksum(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{\"__metadata__\":{\"format\":\"pt\"}}",
        "{\"__metadata__\":{\"bp\":\"\",\"BP.x\":\"\",\"crc32\":\"0\"}}",
        "{" F64("bp.crc32", "0", "0,0") "}",
    };
    for (size_t i = 0; i < COUNT(headers); i++) {
        struct test_bytes file = file_of_text(headers[i], 0);
        assert_read(&file, NULL, NULL);
        test_bytes_clear(&file);
    }
}

/* ---- What is left over ----------------------------------------------------------------------------------------------- */

static void look_at_use(struct bpi_safetensors *st, void *user)
{
    struct bpi_tensor tensor;
    struct bpi_json_string value;
    (void)user;
    assert_refused(bpi_safetensors_check_used(st, "", NULL, "", NULL), BP_ERR_FORMAT,
                   "there is an entry 'k.a' that has no");
    assert_refused(bpi_safetensors_check_used(st, "", NULL, "m", NULL), BP_ERR_FORMAT,
                   "there is a tensor 'a' that is none");
    assert_refused(bpi_safetensors_check_used(st, "b", NULL, "m", NULL), BP_ERR_FORMAT, "there is a tensor 'b.c'");
    assert_int_equal(bpi_safetensors_check_used(st, "c", NULL, "m", NULL), BP_OK);
    assert_int_equal(bpi_safetensors_check_used(st, "b.", "b.c", "k.", "k"), BP_OK);
    assert_refused(bpi_safetensors_check_used(st, "b.", "b.c.", "m", NULL), BP_ERR_FORMAT, "there is a tensor 'b.c'");
    assert_true(bpi_safetensors_find(st, "a", &tensor));
    assert_true(bpi_safetensors_value(st, "k.a", &value));
    assert_refused(bpi_safetensors_check_used(st, "", NULL, "", NULL), BP_ERR_FORMAT,
                   "there is an entry 'k.b' that has no");
    assert_true(bpi_safetensors_value(st, "k.b", &value));
    assert_refused(bpi_safetensors_check_used(st, "", NULL, "", NULL), BP_ERR_FORMAT, "there is a tensor 'b.c'");
    assert_true(bpi_safetensors_find(st, "b.c", &tensor));
    assert_int_equal(bpi_safetensors_check_used(st, "", NULL, "", NULL), BP_OK);
}

static void what_nobody_has_used_is_found(void **state)
{
    (void)state;
    struct test_bytes file = file_of_text(
        "{\"__metadata__\":{\"k.b\":\"\",\"k.a\":\"\"}," F64("b.c", "0", "0,0") "," F64("a", "0", "0,0") "}", 0);
    assert_read(&file, look_at_use, NULL);
    test_bytes_clear(&file);
}

/* ---- Elements -------------------------------------------------------------------------------------------------------- */

/* 2^n by multiplication, exact in double for the exponents of all formats here. */
static double power_of_two(int n)
{
    double power = 1;
    for (; n > 0; n--)
        power *= 2;
    for (; n < 0; n++)
        power /= 2;
    return power;
}

/* A number of IEEE 754 from its fields, as the standard's section 3.4 says what it is. */
static double value_of_fields(unsigned bits, int n_exponent, int n_fraction)
{
    const int most = (1 << n_exponent) - 1, bias = most / 2;
    const int exponent = (int)(bits >> n_fraction) & most;
    const double fraction = (double)(bits & ((1U << n_fraction) - 1)) / power_of_two(n_fraction);
    const double sign = (bits >> (n_exponent + n_fraction)) != 0 ? -1 : 1;
    if (exponent == most)
        return fraction > 0 ? (double)NAN : sign * (double)INFINITY;
    return exponent == 0 ? sign * fraction * power_of_two(1 - bias) : sign * (1 + fraction) * power_of_two(exponent - bias);
}

static void assert_same_number(bp_real actual, double expected)
{
    const bp_real rounded = (bp_real)expected;
    if (isnan(expected))
        assert_true(isnan(actual));
    else
        assert_memory_equal(&actual, &rounded, sizeof rounded); /* zeros have signs */
}

static void every_half_number_has_its_value(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits <= 0xFFFF; bits++) {
        const unsigned char bytes[2] = { (unsigned char)bits, (unsigned char)(bits >> 8) };
        bp_real value;
        bpi_tensor_to_reals(&(struct bpi_tensor){ .dtype = BPI_F16, .n = 1, .bytes = bytes }, &value);
        assert_same_number(value, value_of_fields(bits, 5, 10));
        bpi_tensor_to_reals(&(struct bpi_tensor){ .dtype = BPI_BF16, .n = 1, .bytes = bytes }, &value);
        assert_same_number(value, value_of_fields(bits, 8, 7));
    }
}

static void wide_numbers_have_their_values(void **state)
{
    (void)state;
    static const unsigned char bytes[1 + 24] = { 0xFF,                                           /* unaligned */
                                                 0x18, 0x2D, 0x44, 0x54, 0xFB, 0x21, 0x09, 0xC0, /* -pi */
                                                 0x00, 0x00, 0x80, 0x3F, 0xDB, 0x0F, 0x49, 0x40, /* 1, pi */
                                                 0xEF, 0xCD, 0xAB, 0x89, 0x67, 0x45, 0x23, 0x01 };
    bp_real reals[2];
    uint64_t whole;
    bpi_tensor_to_reals(&(struct bpi_tensor){ .dtype = BPI_F64, .n = 1, .bytes = bytes + 1 }, reals);
    assert_same_number(reals[0], -3.141592653589793);
    bpi_tensor_to_reals(&(struct bpi_tensor){ .dtype = BPI_F32, .n = 2, .bytes = bytes + 9 }, reals);
    assert_same_number(reals[0], 1);
    assert_same_number(reals[1], (double)3.14159265F);
    bpi_tensor_to_u64(&(struct bpi_tensor){ .dtype = BPI_U64, .n = 1, .bytes = bytes + 17 }, &whole);
    assert_true(whole == 0x0123456789ABCDEFU);
}

/* ---- What fails ------------------------------------------------------------------------------------------------------ */

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct test_bytes file = file_of_text(mixed_header, 46);
    for (size_t w = 0; w < COUNT(ways); w++) {
        struct test_heap heap;
        size_t n = 0;
        do {
            test_heap_init(&heap);
            heap.fail_at = ++n;
            const bp_status status = ways[w](&file, &heap.allocator, NULL, NULL);
            assert_int_equal(status, heap.n_failed > 0 ? BP_ERR_MEMORY : BP_OK);
            assert_true(test_heap_is_clean(&heap));
        } while (heap.n_failed > 0);
        assert_int_equal(n - 1,
                         ways[w] == read_memory ? 2 : 4); /* header and data, where they are not in memory; two more */
    }
    test_bytes_clear(&file);
}

#ifdef WRAPS_STDIO
/* The linker sends the library's calls here. */
enum failure { AT_ONCE, AFTER_SOME_BYTES, WITHOUT_A_WORD, N_FAILURES };

static size_t n_calls, failing_call; /* of fread, fseek and ftell; from 1, 0: none */
static enum failure failure;
static bool has_failed; /* which ferror() is asked about */

size_t __real_fread(void *to, size_t size, size_t n, FILE *file);
int __real_fseek(FILE *file, long offset, int whence);
long __real_ftell(FILE *file);
int __real_ferror(FILE *file);
size_t __wrap_fread(void *to, size_t size, size_t n, FILE *file);
int __wrap_fseek(FILE *file, long offset, int whence);
long __wrap_ftell(FILE *file);
int __wrap_ferror(FILE *file);

static bool fails_now(void)
{
    return ++n_calls == failing_call;
}

size_t __wrap_fread(void *to, size_t size, size_t n, FILE *file)
{
    if (!fails_now())
        return __real_fread(to, size, n, file);
    has_failed = failure != WITHOUT_A_WORD; /* else: as if the file ended */
    errno = EIO;
    return failure == AT_ONCE ? 0 : __real_fread(to, size, n / 2, file);
}

int __wrap_ferror(FILE *file)
{
    return has_failed ? 1 : __real_ferror(file);
}

int __wrap_fseek(FILE *file, long offset, int whence)
{
    return fails_now() ? -1 : __real_fseek(file, offset, whence);
}

long __wrap_ftell(FILE *file)
{
    return fails_now() ? -1 : __real_ftell(file);
}

/* The n-th call fails. A file that does not tell its size is read all the same; one that ends early is damaged. */
static bp_status read_with_failure(read_function *read, const struct test_bytes *file, size_t n)
{
    struct test_heap heap;
    test_heap_init(&heap);
    n_calls = 0;
    has_failed = false;
    failing_call = n;
    const bp_status status = read(file, &heap.allocator, NULL, NULL);
    failing_call = 0;
    has_failed = false;
    assert_true(test_heap_is_clean(&heap));
    if (status == BP_ERR_IO)
        assert_non_null(strstr(bp_error_message(), "reading failed: the device failed"));
    else if (status != BP_OK)
        assert_true(status == BP_ERR_FORMAT && strstr(bp_error_message(), " are there") != NULL);
    return status;
}

static void every_call_of_the_system_may_fail(void **state)
{
    (void)state;
    struct test_bytes file = file_of_text(mixed_header, 46);
    for (failure = 0; failure < N_FAILURES; failure++) {
        for (size_t w = 1; w < COUNT(ways); w++) {
            size_t n = 0, n_failed = 0;
            do
                n_failed += read_with_failure(ways[w], &file, ++n) != BP_OK;
            while (n_calls >= n);
            assert_true(n_failed >= 3); /* of length, header and data */
        }
    }
    test_bytes_clear(&file);
}
#endif

/* ---- Memory and time ------------------------------------------------------------------------------------------------- */

#define KIB ((size_t)1024)

/* What is built for such tests: text that grows, then a file around it. */
struct hostile {
    struct test_bytes header;
    size_t n_data, n_tensors;
};

static void add(struct hostile *h, const char *text)
{
    test_bytes_append_text(&h->header, text);
}

static void add_many(struct hostile *h, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add(h, text);
}

/* A tensor of `size` bytes whose name is `stem`, n times `letter`, and `number`. */
static void add_tensor(struct hostile *h, const char *stem, size_t n, const char *letter, size_t number, size_t size)
{
    char text[128];
    add(h, h->n_tensors++ > 0 ? ",\"" : "\"");
    add(h, stem);
    add_many(h, letter, n);
    (void)snprintf(text, sizeof text, "%06zu\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}", number, size,
                   h->n_data, h->n_data + size);
    add(h, text);
    h->n_data += size;
}

/* Tensors of 48 bytes each, in the file from the last to the first. */
static void add_tensors_backwards(struct hostile *h, size_t n)
{
    char text[128];
    for (size_t i = n; i-- > 0;) {
        const size_t begin = h->n_data + 48 * i;
        (void)snprintf(text, sizeof text, "%s\"%06zu\":{\"dtype\":\"U8\",\"shape\":[48],\"data_offsets\":[%zu,%zu]}",
                       h->n_tensors++ > 0 ? "," : "", i, begin, begin + 48);
        add(h, text);
    }
    h->n_data += 48 * n;
}

static void add_entry(struct hostile *h, bool first, size_t n, const char *letter, size_t number)
{
    char text[32];
    add(h, first ? "\"" : ",\"");
    add_many(h, letter, n);
    (void)snprintf(text, sizeof text, "%06zu\":\"\"", number);
    add(h, text);
}

static void tiny_tensors(struct hostile *h, size_t size)
{
    for (size_t i = 0; i < 2000; i++)
        add_tensor(h, "", size / 2000 / 80, "x", i * 7919 % 2000, 0);
}

static void too_many_tiny_tensors(struct hostile *h, size_t size)
{
    for (size_t i = 0; i < 2001 || i < size / 64; i++)
        add_tensor(h, "", 0, "", i, 0);
}

static void too_many_small_tensors(struct hostile *h, size_t size)
{
    for (size_t i = 0; i < 2001 || i < size / 128; i++)
        add_tensor(h, "", 0, "", i, i < 2 ? 0 : 47);
}

static void many_tensors(struct hostile *h, size_t size)
{
    for (size_t i = 0; i < size / 112; i++)
        add_tensor(h, "", 0, "", i, 48);
}

static void many_tensors_backwards(struct hostile *h, size_t size)
{
    add_tensors_backwards(h, size / 112);
}

/* Many that are like each other for a long way. */
static void many_long_names(struct hostile *h, size_t size)
{
    const size_t n = size / 2048;
    for (size_t i = 0; i < n; i++)
        add_tensor(h, "", 1900, "x", n - i, 48);
}

/* Two names that are most of the file, like each other and unlike many short ones: which a heap compares again and again. */
static void two_long_names(struct hostile *h, size_t size, const char *stem)
{
    add_tensor(h, stem, size / 4, "x", 1, 48);
    add_tensors_backwards(h, size / 2 / 112);
    add_tensor(h, stem, size / 4, "x", 2, 48);
}

static void two_long_low_names(struct hostile *h, size_t size)
{
    two_long_names(h, size, " ");
}

static void two_long_high_names(struct hostile *h, size_t size)
{
    two_long_names(h, size, "~");
}

static void two_long_names_in_the_middle(struct hostile *h, size_t size)
{
    two_long_names(h, size, "005000");
}

static void entries(struct hostile *h, size_t size)
{
    add(h, "\"__metadata__\":{");
    for (size_t i = 0; i < 2000; i++)
        add_entry(h, i == 0, size / 2000, "x", i * 7919 % 2000);
    add(h, "}");
}

static void too_many_entries(struct hostile *h, size_t size)
{
    add(h, "\"__metadata__\":{");
    for (size_t i = 0; i < size / 16; i++)
        add_entry(h, i == 0, 0, "", i);
    add(h, "}");
}

static void long_entries(struct hostile *h, size_t size)
{
    add(h, "\"__metadata__\":{");
    for (size_t i = 0; i < 1000; i++)
        add_entry(h, i == 0, 0, "", i);
    add(h, ",\"000500");
    add_many(h, "x", size / 3);
    add(h, "\":\"");
    add_many(h, "\\u0041", size / 18);
    add(h, "\",\"000500");
    add_many(h, "x", size / 3);
    add(h, "y\":\"\"}");
}

static void blanks(struct hostile *h, size_t size)
{
    add_many(h, " \n\t\r", size / 4);
}

static void escapes(struct hostile *h, size_t size)
{
    add(h, "\"");
    add_many(h, "\\u0041", size / 6);
    add(h, "\":{\"shape\":[],\"dtype\":\"U8\",\"data_offsets\":[0,1]}");
    h->n_data = 1;
}

static void dimensions(struct hostile *h, size_t size)
{
    add(h, "\"a\":{\"shape\":[1");
    add_many(h, ",1", size / 2);
    add(h, "],\"dtype\":\"U8\",\"data_offsets\":[0,1]}");
    h->n_data = 1;
}

static void digits(struct hostile *h, size_t size)
{
    add(h, "\"a\":{\"shape\":[1");
    add_many(h, "0", size);
    add(h, "]}");
}

static void nested_objects(struct hostile *h, size_t size)
{
    add_many(h, "\"a\":{", size / 5);
}

static void nested_arrays(struct hostile *h, size_t size)
{
    add(h, "\"a\":{\"shape\":");
    add_many(h, "[", size);
}

static void an_endless_string(struct hostile *h, size_t size)
{
    add(h, "\"");
    add_many(h, "abcdefgh", size / 8);
}

static const struct {
    const char *name;
    void (*build)(struct hostile *h, size_t size);
    bool is_right;
} hostiles[] = {
    { "tiny tensors", tiny_tensors, true },
    { "too many tiny tensors", too_many_tiny_tensors, false },
    { "too many small tensors", too_many_small_tensors, false },
    { "many tensors", many_tensors, true },
    { "many tensors backwards", many_tensors_backwards, true },
    { "many long names", many_long_names, true },
    { "two long low names", two_long_low_names, true },
    { "two long high names", two_long_high_names, true },
    { "two long names in the middle", two_long_names_in_the_middle, true },
    { "entries", entries, true },
    { "too many entries", too_many_entries, false },
    { "long entries", long_entries, true },
    { "blanks", blanks, true },
    { "escapes", escapes, true },
    { "dimensions", dimensions, true },
    { "digits", digits, false },
    { "nested objects", nested_objects, false },
    { "nested arrays", nested_arrays, false },
    { "an endless string", an_endless_string, false },
};

static struct test_bytes hostile_file(size_t i, size_t size, size_t *n_data)
{
    struct hostile h = { 0 };
    add(&h, "{");
    hostiles[i].build(&h, size);
    add(&h, "}");
    struct test_bytes file = file_of(h.header.data, h.header.n, h.n_data);
    *n_data = h.n_data;
    test_bytes_clear(&h.header);
    return file;
}

/* Finds every tensor and every entry by its name. */
static void look_for_all(struct bpi_safetensors *st, void *user)
{
    static char text[4096];
    (void)user;
    for (size_t i = 0; i < st->n_tensors; i++) {
        struct bpi_tensor tensor = bpi_safetensors_tensor(st, i);
        if (tensor.name.n >= sizeof text)
            continue;
        (void)bpi_json_copy(&tensor.name, text);
        assert_true(bpi_safetensors_find(st, text, &tensor));
    }
    for (size_t i = 0; i < st->n_metadata; i++) {
        struct bpi_json_string key, value;
        bpi_safetensors_entry(st, i, &key, &value);
        if (key.n >= sizeof text)
            continue;
        (void)bpi_json_copy(&key, text);
        assert_true(bpi_safetensors_value(st, text, &value));
    }
    for (size_t i = 0; i < 10000; i++) { /* as a loader looks for what is not there */
        struct bpi_tensor tensor;
        struct bpi_json_string value;
        (void)snprintf(text, sizeof text, "%06zu.", i);
        assert_false(bpi_safetensors_find(st, text, &tensor));
        assert_false(bpi_safetensors_value(st, text, &value));
    }
}

/* From memory, what is taken beside the file; from a path, that and the file. A pipe's bytes are moved as they come. */
static void memory_is_bounded_by_the_bytes_that_are_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(hostiles); i++) {
        size_t n_data;
        struct test_bytes file = hostile_file(i, 1024 * KIB, &n_data);
        for (size_t w = 0; w < COUNT(ways); w++) {
            struct test_heap heap;
            test_heap_init(&heap);
            const bp_status status = ways[w](&file, &heap.allocator, NULL, NULL);
            if (hostiles[i].is_right ? status != BP_OK : status != BP_ERR_FORMAT)
                fail_msg("%s, way %zu: %s", hostiles[i].name, w, bp_error_message());
            const size_t files = ways[w] == read_memory ? 0 : ways[w] == read_path ? 1 : 3;
            if (heap.peak_bytes > files * file.n + 2 * n_data + 64 * KIB)
                fail_msg("%s, way %zu: %zu bytes for a file of %zu", hostiles[i].name, w, heap.peak_bytes, file.n);
            assert_true(test_heap_is_clean(&heap));
        }
        test_bytes_clear(&file);
    }
}

static double seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* The bound is far from what it takes (some hundredths) and farther from what n^2 steps would (minutes). */
static void hostile_files_of_megabytes_take_no_second(void **state)
{
    (void)state;
    const size_t size = getenv("TEST_QUICK") != NULL ? 512 * KIB : 4096 * KIB;
    for (size_t i = 0; i < COUNT(hostiles); i++) {
        size_t n_data;
        struct test_heap heap;
        struct test_bytes file = hostile_file(i, size, &n_data);
        test_heap_init(&heap);
        const double begin = seconds();
        (void)read_memory(&file, &heap.allocator, look_for_all, NULL);
        const double taken = seconds() - begin;
        if (getenv("TEST_TIMES") != NULL)
            print_message("%-30s %.3f s\n", hostiles[i].name, taken);
        if (taken > 1)
            fail_msg("%s: %g s", hostiles[i].name, taken);
        test_bytes_clear(&file);
    }
}

static void an_endless_file_is_refused_where_its_end_should_be(void **state)
{
    (void)state;
    struct hostile h = { 0 };
    size_t n_data = 1024 * KIB;
    add(&h, "{");
    add_tensor(&h, "", 0, "", 0, n_data);
    add(&h, "}");
    struct test_bytes file = file_of(h.header.data, h.header.n, 64 * n_data);
    struct test_heap heap;
    test_heap_init(&heap);
    assert_refused(read_pipe(&file, &heap.allocator, NULL, NULL), BP_ERR_FORMAT, "there are bytes behind the data");
    assert_true(heap.peak_bytes <= 3 * n_data + 64 * KIB);
    test_bytes_clear(&h.header);
    test_bytes_clear(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_from_memory_disk_and_pipe_whatever_its_order),
        cmocka_unit_test(files_without_anything_are_files),
        cmocka_unit_test(tensors_may_be_empty_and_share_a_place_then),
        cmocka_unit_test(each_type_of_elements_has_its_size),
        cmocka_unit_test(headers_that_are_not_right_are_refused_with_the_reason),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(the_length_of_the_header_must_be_its_length),
        cmocka_unit_test(what_cannot_be_read_is_refused),
        cmocka_unit_test(a_checksum_is_right_or_the_file_refused),
        cmocka_unit_test(keys_of_ours_need_a_checksum_of_eight_digits),
        cmocka_unit_test(a_file_of_others_needs_no_checksum),
        cmocka_unit_test(what_nobody_has_used_is_found),
        cmocka_unit_test(every_half_number_has_its_value),
        cmocka_unit_test(wide_numbers_have_their_values),
        cmocka_unit_test(every_allocation_may_fail),
#ifdef WRAPS_STDIO
        cmocka_unit_test(every_call_of_the_system_may_fail),
#endif
        cmocka_unit_test(memory_is_bounded_by_the_bytes_that_are_there),
        cmocka_unit_test(hostile_files_of_megabytes_take_no_second),
        cmocka_unit_test(an_endless_file_is_refused_where_its_end_should_be),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* a reader may hang up on the thread that writes into a pipe */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
