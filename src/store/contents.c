// SPDX-License-Identifier: MIT
/*
 * Writing safetensors: the header is made in memory, and the checksum with it, before the first byte is written.
 */
#include "store/contents.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "store/json.h"
#include "store/number.h"
#include "store/text.h"

struct entry {
    const char *key, *value;
};

struct tensor {
    const char *name;
    enum bpi_dtype dtype;
    size_t n_dims;
    uint64_t dims[2];
    const void *values;
};

/* A copy of some text, in the chain that contents->texts begins. */
struct text {
    struct text *next;
    char characters[];
};

/* ---- Gathering ------------------------------------------------------------------------------------------------------- */

/* The first failure: nothing is tried after it. */
static bool fail(struct bpi_contents *contents, bp_status status)
{
    assert(contents->status == BP_OK);
    contents->status = status;
    return false;
}

/* A copy of n characters, with a NUL behind them; NULL after a failure. */
static char *keep_text(struct bpi_contents *contents, const char *characters, size_t n)
{
    struct text *text = contents->status == BP_OK ? bpi_allocate(&contents->allocator, sizeof *text + n + 1) : NULL;
    if (text == NULL) {
        if (contents->status == BP_OK)
            (void)fail(contents, bpi_fail(BP_ERR_MEMORY, "writing: no memory for %zu bytes of text", n + 1));
        return NULL;
    }
    text->next = contents->texts;
    contents->texts = text;
    memcpy(text->characters, characters, n);
    text->characters[n] = '\0';
    return text->characters;
}

static bool append(struct bpi_contents *contents, struct bpi_growing *array, const void *element, size_t size)
{
    if (contents->status != BP_OK)
        return false;
    const bp_status status = bpi_growing_reserve(array, &contents->allocator, "writing", size);
    if (status != BP_OK)
        return fail(contents, status);
    memcpy((char *)array->data + array->n, element, size);
    array->n += size;
    return true;
}

static void add_entry(struct bpi_contents *contents, const char *key, const char *value, size_t n_value)
{
    const char *own_key = keep_text(contents, key, strlen(key));
    const struct entry entry = { own_key, keep_text(contents, value, n_value) };
    (void)append(contents, &contents->entries, &entry, sizeof entry);
}

void bpi_contents_text(struct bpi_contents *contents, const char *key, const char *value)
{
    add_entry(contents, key, value, strlen(value));
}

void bpi_contents_u64(struct bpi_contents *contents, const char *key, uint64_t value)
{
    char digits[20], *first = digits + sizeof digits;
    do {
        *--first = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    add_entry(contents, key, first, (size_t)(digits + sizeof digits - first));
}

/* The exact value, so that a float comes back the same in both precisions; what is no finite number by its name. */
static size_t write_number(double value, char text[BPI_NUMBER_SIZE])
{
    if (isfinite(value))
        return bpi_number_write(value, BPI_BINARY64, text);
    const char *name = isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
    memcpy(text, name, strlen(name) + 1);
    return strlen(name);
}

void bpi_contents_number(struct bpi_contents *contents, const char *key, double value)
{
    char text[BPI_NUMBER_SIZE];
    add_entry(contents, key, text, write_number(value, text));
}

void bpi_contents_reals(struct bpi_contents *contents, const char *key, const bp_real *values, size_t n)
{
    struct bpi_growing list = { 0 };
    for (size_t i = 0; i < n; i++) {
        char text[BPI_NUMBER_SIZE + 1];
        size_t length = write_number((double)values[i], text);
        text[length++] = ' ';
        (void)append(contents, &list, text, length);
    }
    add_entry(contents, key, list.n > 0 ? list.data : "", list.n > 0 ? list.n - 1 : 0);
    bpi_growing_release(&list, &contents->allocator);
}

void bpi_contents_tensor(struct bpi_contents *contents, const char *name, enum bpi_dtype dtype, size_t n_dims,
                         const uint64_t *dims, const void *values)
{
    struct tensor tensor = { .dtype = dtype, .n_dims = n_dims, .dims = { 1, 1 }, .values = values };
    assert(n_dims <= 2);
    tensor.name = keep_text(contents, name, strlen(name));
    for (size_t i = 0; i < n_dims; i++)
        tensor.dims[i] = dims[i];
    (void)append(contents, &contents->tensors, &tensor, sizeof tensor);
}

size_t bpi_contents_n_entries(const struct bpi_contents *contents)
{
    return contents->entries.n / sizeof(struct entry);
}

void bpi_contents_entry(const struct bpi_contents *contents, size_t i, const char **key, const char **value)
{
    const struct entry *entries = contents->entries.data;
    *key = entries[i].key;
    *value = entries[i].value;
}

void bpi_contents_release(struct bpi_contents *contents)
{
    for (struct text *text = contents->texts, *next; text != NULL; text = next) {
        next = text->next;
        bpi_release(&contents->allocator, text);
    }
    bpi_growing_release(&contents->entries, &contents->allocator);
    bpi_growing_release(&contents->tensors, &contents->allocator);
    *contents = (struct bpi_contents){ 0 };
}

/* ---- Elements as bytes ----------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t size;
} dtypes[] = { [BPI_F64] = { "F64", 8 }, [BPI_F32] = { "F32", 4 }, [BPI_U64] = { "U64", 8 } };

static uint64_t n_elements(const struct tensor *tensor)
{
    return tensor->dims[0] * tensor->dims[1]; /* they are in memory */
}

static uint64_t n_bytes(const struct tensor *tensor)
{
    return n_elements(tensor) * dtypes[tensor->dtype].size;
}

static uint64_t data_size(const struct bpi_contents *contents)
{
    const struct tensor *tensors = contents->tensors.data;
    uint64_t size = 0;
    for (size_t i = 0; i < contents->tensors.n / sizeof *tensors; i++)
        size += n_bytes(&tensors[i]);
    return size;
}

/* Elements from `first` on, little-endian, as many as fit; returns the bytes. */
static size_t encode(const struct tensor *tensor, size_t first, unsigned char *bytes, size_t room)
{
    const size_t size = dtypes[tensor->dtype].size;
    const size_t left = (size_t)n_elements(tensor) - first, n = left < room / size ? left : room / size;
    const unsigned char *values = (const unsigned char *)tensor->values + first * size;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = 0;
        if (size == 8)
            memcpy(&bits, values + i * size, 8);
        else {
            uint32_t half;
            memcpy(&half, values + i * size, sizeof half);
            bits = half;
        }
        for (size_t k = 0; k < size; k++)
            bytes[i * size + k] = (unsigned char)(bits >> 8 * k);
    }
    return n * size;
}

/* Hands all data on, piece by piece: to the writer, or to the checksum where there is none. */
static uint32_t put_data(const struct bpi_contents *contents, struct bpi_writer *writer, uint32_t crc)
{
    const struct tensor *tensors = contents->tensors.data;
    unsigned char bytes[4096];
    for (size_t t = 0; t < contents->tensors.n / sizeof *tensors; t++) {
        const size_t size = dtypes[tensors[t].dtype].size;
        for (size_t first = 0; first < n_elements(&tensors[t]);) {
            const size_t n = encode(&tensors[t], first, bytes, sizeof bytes);
            if (writer != NULL)
                bpi_writer_put(writer, bytes, n);
            else
                crc = bpi_crc32(crc, bytes, n);
            first += n / size;
        }
    }
    return crc;
}

/* ---- The header ------------------------------------------------------------------------------------------------------ */

static void put_entry(struct bpi_writer *header, const struct entry *entry)
{
    bpi_json_put_string(header, entry->key);
    bpi_writer_put_text(header, ":");
    bpi_json_put_string(header, entry->value);
}

static void put_metadata(const struct bpi_contents *contents, struct bpi_writer *header)
{
    const struct entry *entries = contents->entries.data;
    bpi_writer_put_text(header, "{\"__metadata__\":{");
    for (size_t i = 0; i < contents->entries.n / sizeof *entries; i++) {
        put_entry(header, &entries[i]);
        bpi_writer_put_text(header, ",");
    }
    put_entry(header, &(struct entry){ BPI_CRC_KEY, "00000000" });
    bpi_writer_put_text(header, "}");
}

static void put_tensor(struct bpi_writer *header, const struct tensor *tensor, uint64_t begin)
{
    const uint64_t end = begin + n_bytes(tensor);
    bpi_writer_put_text(header, ",");
    bpi_json_put_string(header, tensor->name);
    bpi_writer_print(header, ":{\"dtype\":\"%s\",\"shape\":[", dtypes[tensor->dtype].name);
    for (size_t i = 0; i < tensor->n_dims; i++)
        bpi_writer_print(header, "%s%llu", i > 0 ? "," : "", (unsigned long long)tensor->dims[i]);
    bpi_writer_print(header, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin, (unsigned long long)end);
}

/* The whole header behind room for its length, padded so that the data begin at a multiple of 8; *digits: where those are. */
static void put_header(const struct bpi_contents *contents, struct bpi_writer *header, size_t *digits)
{
    const struct tensor *tensors = contents->tensors.data;
    uint64_t begin = 0;
    bpi_writer_put(header, "\0\0\0\0\0\0\0\0", 8);
    put_metadata(contents, header);
    *digits = header->memory.n - strlen("00000000\"}");
    for (size_t i = 0; i < contents->tensors.n / sizeof *tensors; i++) {
        put_tensor(header, &tensors[i], begin);
        begin += n_bytes(&tensors[i]);
    }
    bpi_writer_put_text(header, "}");
    while (header->status == BP_OK && header->memory.n % 8 != 0)
        bpi_writer_put_text(header, " ");
}

/* Fills in the length and the checksum. */
static void complete_header(const struct bpi_contents *contents, struct bpi_writer *header, size_t digits)
{
    static const char hexadecimal[] = "0123456789abcdef";
    unsigned char *bytes = header->memory.data;
    const uint64_t length = header->memory.n - 8;
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(length >> 8 * i);
    const uint32_t crc = put_data(contents, NULL, bpi_crc32(0, bytes, header->memory.n));
    for (size_t i = 0; i < 8; i++)
        bytes[digits + i] = (unsigned char)hexadecimal[crc >> (28 - 4 * i) & 15];
}

bp_status bpi_contents_write(const struct bpi_contents *contents, struct bpi_writer *writer)
{
    struct bpi_writer header;
    size_t digits;
    BPI_TRY(contents->status);
    BPI_TRY(bpi_safetensors_check_counts(BP_ERR_TOO_LARGE, writer->name, contents->entries.n / sizeof(struct entry) + 1,
                                         contents->tensors.n / sizeof(struct tensor), data_size(contents)));
    bpi_writer_open_memory(&header, &contents->allocator);
    put_header(contents, &header, &digits);
    bp_status status = bpi_writer_finish(&header);
    if (status == BP_OK && header.memory.n - 8 > BPI_MOST_HEADER)
        status = bpi_fail(BP_ERR_TOO_LARGE, "%s: names and metadata take %zu bytes: expected at most %d", writer->name,
                          header.memory.n - 8, BPI_MOST_HEADER);
    if (status == BP_OK) {
        complete_header(contents, &header, digits);
        bpi_writer_put(writer, header.memory.data, header.memory.n);
        (void)put_data(contents, writer, 0);
    }
    bpi_writer_abandon(&header);
    return status;
}

/* ---- Reading --------------------------------------------------------------------------------------------------------- */

/* Fails with what is behind a key: `value` NULL if there is nothing. */
static bp_status refuse(const struct bpi_safetensors *st, const char *key, const char *expected,
                        const struct bpi_json_string *value)
{
    if (value == NULL)
        return bpi_fail(BP_ERR_FORMAT, "%s: %s: expected %s, found no such entry", st->name, key, expected);
    return bpi_fail(BP_ERR_FORMAT, "%s: %s: expected %s, found %s", st->name, key, expected,
                    bpi_quote(value->raw, value->n).text);
}

bp_status bpi_entry_text(const struct bpi_safetensors *st, const char *key, char text[BPI_ENTRY_SIZE])
{
    struct bpi_json_string value;
    if (!bpi_safetensors_value(st, key, &value))
        return refuse(st, key, "a text", NULL);
    if (bpi_json_length(&value) >= BPI_ENTRY_SIZE)
        return refuse(st, key, "a text of less than 256 bytes", &value);
    (void)bpi_json_copy(&value, text);
    return BP_OK;
}

bp_status bpi_entry_u64(const struct bpi_safetensors *st, const char *key, uint64_t most, uint64_t *value)
{
    struct bpi_json_string found;
    uint64_t whole;
    char expected[64];
    (void)snprintf(expected, sizeof expected, "a whole number up to %llu", (unsigned long long)most);
    if (!bpi_safetensors_value(st, key, &found))
        return refuse(st, key, expected, NULL);
    struct bpi_json digits = { .name = st->name, .text = found.raw, .n = found.n };
    if (found.n == 0 || found.raw[0] == ' ' || bpi_json_u64(&digits, &whole) != BP_OK || digits.at != digits.n ||
        whole > most)
        return refuse(st, key, expected, &found);
    *value = whole;
    return BP_OK;
}

static bool reads_number(const char *text, size_t n, bool finite, double *value)
{
    static const struct {
        const char *name;
        double value;
    } others[] = { { "nan", (double)NAN }, { "inf", (double)INFINITY }, { "-inf", -(double)INFINITY } };
    for (size_t i = 0; !finite && i < sizeof others / sizeof others[0]; i++) {
        if (n == strlen(others[i].name) && memcmp(text, others[i].name, n) == 0) {
            *value = others[i].value;
            return true;
        }
    }
    return bpi_number_read(text, n, BPI_BINARY64, value) == BPI_NUMBER;
}

bp_status bpi_entry_number(const struct bpi_safetensors *st, const char *key, double *value)
{
    struct bpi_json_string found;
    if (!bpi_safetensors_value(st, key, &found))
        return refuse(st, key, "a number", NULL);
    return reads_number(found.raw, found.n, false, value) ? BP_OK : refuse(st, key, "a number", &found);
}

bp_status bpi_entry_reals(const struct bpi_safetensors *st, const char *key, bp_real *values, size_t n)
{
    struct bpi_json_string found;
    char expected[64];
    (void)snprintf(expected, sizeof expected, "%zu finite numbers with a blank between two", n);
    if (!bpi_safetensors_value(st, key, &found))
        return refuse(st, key, expected, NULL);
    const char *at = found.raw, *const end = found.raw + found.n;
    for (size_t i = 0; i < n; i++) {
        const char *blank = i + 1 < n ? memchr(at, ' ', (size_t)(end - at)) : end;
        double value;
        if (blank == NULL || !reads_number(at, (size_t)(blank - at), true, &value) || !isfinite((double)(bp_real)value))
            return refuse(st, key, expected, &found);
        values[i] = (bp_real)value;
        at = blank + (i + 1 < n);
    }
    return at == end ? BP_OK : refuse(st, key, expected, &found);
}

/* A shape as sentences show it. */
struct shape {
    char text[64];
};

static struct shape shape_of(size_t n_dims, const uint64_t *dims)
{
    struct shape shape = { "a single number" };
    if (n_dims == 1)
        (void)snprintf(shape.text, sizeof shape.text, "%llu", (unsigned long long)dims[0]);
    else if (n_dims == 2)
        (void)snprintf(shape.text, sizeof shape.text, "%llux%llu", (unsigned long long)dims[0],
                       (unsigned long long)dims[1]);
    else if (n_dims > 2)
        (void)snprintf(shape.text, sizeof shape.text, "of %zu dimensions", n_dims);
    return shape;
}

static bp_status expect_shape(const struct bpi_safetensors *st, const char *name, size_t n_dims, const uint64_t *dims,
                              struct bpi_tensor *tensor)
{
    const struct shape expected = shape_of(n_dims, dims);
    if (!bpi_safetensors_find(st, name, tensor))
        return bpi_fail(BP_ERR_FORMAT, "%s: expected a tensor '%s' of %s, found none", st->name, name, expected.text);
    bool fits = tensor->n_dims == n_dims;
    for (size_t i = 0; i < n_dims; i++)
        fits = fits && tensor->dims[i] == dims[i];
    if (!fits)
        return bpi_fail(BP_ERR_FORMAT, "%s: tensor '%s' is %s: expected %s", st->name, name,
                        shape_of(tensor->n_dims, tensor->dims).text, expected.text);
    return BP_OK;
}

bp_status bpi_expect_tensor(const struct bpi_safetensors *st, const char *name, enum bpi_dtype dtype, size_t n_dims,
                            const uint64_t *dims, struct bpi_tensor *tensor)
{
    BPI_TRY(expect_shape(st, name, n_dims, dims, tensor));
    if (tensor->dtype != dtype)
        return bpi_fail(BP_ERR_FORMAT, "%s: tensor '%s' has elements %s: expected %s", st->name, name, tensor->dtype_name,
                        dtypes[dtype].name);
    return BP_OK;
}

bp_status bpi_expect_reals(const struct bpi_safetensors *st, const char *name, size_t n_dims, const uint64_t *dims,
                           struct bpi_tensor *tensor)
{
    BPI_TRY(expect_shape(st, name, n_dims, dims, tensor));
    if (!bpi_dtype_is_real(tensor->dtype))
        return bpi_fail(BP_ERR_FORMAT, "%s: tensor '%s' has elements %s: expected F64, F32, F16 or BF16", st->name, name,
                        tensor->dtype_name);
    return BP_OK;
}
