// SPDX-License-Identifier: MIT
/*
 * IDX files: header, elements, and nothing else. Where the bytes come from, and gzip, is store/source.c's.
 */
#include "backprop/idx.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "store/source.h"

static_assert(sizeof(float) == 4 && sizeof(double) == 8, "IDX has the floating-point numbers of IEEE 754");

/* ---- numbers: n of them from big-endian to the machine's order, where they are ----------------------------------- */

static uint32_t big_endian_32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void decode_8(unsigned char *bytes, size_t n)
{
    (void)bytes, (void)n; /* a byte has no order */
}

static void decode_16(unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint16_t number = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
        memcpy(bytes + 2 * i, &number, sizeof number);
    }
}

static void decode_32(unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t number = big_endian_32(bytes + 4 * i);
        memcpy(bytes + 4 * i, &number, sizeof number);
    }
}

static void decode_64(unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t high = big_endian_32(bytes + 8 * i);
        const uint64_t number = high << 32 | big_endian_32(bytes + 8 * i + 4);
        memcpy(bytes + 8 * i, &number, sizeof number);
    }
}

/* Signed and floating-point numbers have the byte order of the unsigned one that is as wide. */
struct element_type {
    unsigned char code; /* in the file */
    bp_element element;
    size_t size;
    void (*decode)(unsigned char *bytes, size_t n);
};

static const struct element_type element_types[] = {
    { 0x08, BP_U8, 1, decode_8 },   { 0x09, BP_I8, 1, decode_8 },   { 0x0B, BP_I16, 2, decode_16 },
    { 0x0C, BP_I32, 4, decode_32 }, { 0x0D, BP_F32, 4, decode_32 }, { 0x0E, BP_F64, 8, decode_64 },
};

static const struct element_type *find_element_type(unsigned char code)
{
    for (size_t i = 0; i < sizeof element_types / sizeof element_types[0]; i++)
        if (element_types[i].code == code)
            return &element_types[i];
    return NULL;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* Bytes 0 to 3: 00 00, element type, number of dimensions. */
static bp_status read_magic(bp_idx *idx, struct bpi_source *source, unsigned char *type_code)
{
    unsigned char magic[4];
    BPI_TRY(bpi_source_read_exactly(source, "the magic number", magic, sizeof magic));
    if (magic[0] != 0 || magic[1] != 0)
        return bpi_fail(BP_ERR_FORMAT, "%s: bytes 0 and 1: expected 00 00, with which IDX files begin, found %02X %02X",
                        source->name, magic[0], magic[1]);
    if (magic[3] < 1 || magic[3] > BP_IDX_MAX_DIMS)
        return bpi_fail(BP_ERR_FORMAT, "%s: byte 3, the number of dimensions: expected 1 to %d, found %d", source->name,
                        BP_IDX_MAX_DIMS, magic[3]);
    *type_code = magic[2];
    idx->n_dims = magic[3];
    return BP_OK;
}

static bp_status unknown_type(const struct bpi_source *source, unsigned char code)
{
    return bpi_fail(BP_ERR_FORMAT, "%s: byte 2, the element type: expected 08, 09, 0B, 0C, 0D or 0E, found %02X",
                    source->name, code);
}

static bp_status read_dims(bp_idx *idx, struct bpi_source *source)
{
    unsigned char stored[4 * BP_IDX_MAX_DIMS];
    BPI_TRY(bpi_source_read_exactly(source, "the dimensions", stored, 4 * idx->n_dims));
    for (size_t i = 0; i < idx->n_dims; i++) {
        idx->dims[i] = big_endian_32(stored + 4 * i);
        if (idx->dims[i] == 0)
            return bpi_fail(BP_ERR_FORMAT, "%s: bytes %zu to %zu, dims[%zu]: expected at least 1, found 0", source->name,
                            4 + 4 * i, 7 + 4 * i, i);
    }
    return BP_OK;
}

/* An array of more than PTRDIFF_MAX bytes cannot be, whatever size_t can count. */
static bp_status measure(bp_idx *idx, const struct bpi_source *source, size_t element_size)
{
    size_t bytes = element_size;
    for (size_t i = 0; i < idx->n_dims; i++) {
        const size_t bytes_each = bytes;
        if (!bpi_multiply(idx->dims[i], bytes_each, &bytes) || bytes > PTRDIFF_MAX)
            return bpi_fail(BP_ERR_TOO_LARGE, "%s: dims[%zu] is %zu, times %zu bytes: expected at most %zu bytes in all",
                            source->name, i, idx->dims[i], bytes_each, (size_t)PTRDIFF_MAX);
    }
    idx->n = bytes / element_size;
    idx->row_size = idx->n / idx->dims[0];
    return BP_OK;
}

static bp_status expect_end(struct bpi_source *source)
{
    bool at_end;
    BPI_TRY(bpi_source_at_end(source, &at_end));
    return at_end ? BP_OK
                  : bpi_fail(BP_ERR_FORMAT, "%s: the dimensions make it %zu bytes: expected its end there, found more",
                             source->name, source->position);
}

/* Leaves idx->block to the caller also when it fails. */
static bp_status read_all(bp_idx *idx, struct bpi_source *source)
{
    unsigned char type_code = 0;
    BPI_TRY(read_magic(idx, source, &type_code));
    const struct element_type *type = find_element_type(type_code);
    if (type == NULL)
        return unknown_type(source, type_code);
    idx->element = type->element;

    BPI_TRY(read_dims(idx, source));
    BPI_TRY(measure(idx, source, type->size));
    BPI_TRY(bpi_source_read_growing(source, "the elements", idx->n * type->size, &idx->block));
    BPI_TRY(expect_end(source));
    type->decode(idx->block, idx->n);
    idx->data = idx->block;
    return BP_OK;
}

static bp_status read_and_close(bp_idx *idx, struct bpi_source *source)
{
    idx->allocator = source->allocator;
    const bp_status status = read_all(idx, source);
    bpi_source_close(source);
    if (status != BP_OK)
        bp_idx_free(idx);
    return status;
}

bp_status bp_idx_read(bp_idx *idx, const char *path, const bp_allocator *allocator)
{
    BPI_NOT_NULL(idx);
    *idx = (bp_idx){ 0 };
    BPI_NOT_NULL(path);
    BPI_TRY(bpi_check_allocator(__func__, allocator));

    struct bpi_source source;
    BPI_TRY(bpi_source_open_path(&source, path, allocator));
    return read_and_close(idx, &source);
}

bp_status bp_idx_read_memory(bp_idx *idx, const void *bytes, size_t size, const bp_allocator *allocator)
{
    BPI_NOT_NULL(idx);
    *idx = (bp_idx){ 0 };
    BPI_NOT_NULL(bytes);
    BPI_TRY(bpi_check_allocator(__func__, allocator));

    struct bpi_source source;
    BPI_TRY(bpi_source_open_memory(&source, bytes, size, allocator));
    return read_and_close(idx, &source);
}

void bp_idx_free(bp_idx *idx)
{
    if (idx == NULL)
        return;
    bpi_release(&idx->allocator, idx->block);
    *idx = (bp_idx){ 0 };
}
