// SPDX-License-Identifier: MIT
/*
 * The safetensors container: named tensors and text, as bytes. It knows no network.
 *
 *   8 bytes   N, little-endian
 *   N bytes   JSON: {"__metadata__": {"key": "value", ...}, "name": {"dtype": "F64", "shape": [2, 3], "data_offsets": [0, 48]}, ...}
 *             and blanks behind it
 *   the rest  the tensors, little-endian, one behind the other
 *
 * Stricter than the reference: every byte of the data belongs to exactly one tensor, keys are unique, nothing follows.
 */
#ifndef BPI_STORE_SAFETENSORS_H
#define BPI_STORE_SAFETENSORS_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/memory.h"
#include "backprop/status.h"
#include "store/writer.h"

/** Types of elements. */
enum bpi_dtype { BPI_F64, BPI_F32, BPI_F16, BPI_BF16, BPI_U64, BPI_OTHER_DTYPE, BPI_N_DTYPES };

/** The type of bp_real. */
#define BPI_DTYPE_REAL (sizeof(bp_real) == 8 ? BPI_F64 : BPI_F32)

enum { BPI_MOST_DIMS = 8 };

/** UTF-8 of n bytes with a NUL behind; the text itself holds none. */
struct bpi_string {
    const char *text;
    size_t n;
};

/** An entry of the metadata. */
struct bpi_entry {
    struct bpi_string key, value;
};

/** A tensor in a file. */
struct bpi_tensor {
    struct bpi_string name;
    enum bpi_dtype dtype;
    const char *dtype_name; /**< static text */
    size_t n_dims;
    uint64_t dims[BPI_MOST_DIMS];
    uint64_t n;                 /**< elements: the product of dims, 1 for none */
    const unsigned char *bytes; /**< n elements, unaligned, in the file's memory */
};

/** A file's contents. May be moved, never copied. */
struct bpi_safetensors {
    const char *name;           /**< of the file, for sentences; the caller's text */
    struct bpi_tensor *tensors; /**< n_tensors, in the order of their data */
    size_t n_tensors;
    struct bpi_entry *metadata; /**< n_metadata, in the order of the file */
    size_t n_metadata;
    bp_allocator allocator;
    void *file;  /**< the bytes, where they were read from a path; NULL: the caller's */
    void *block; /**< all arrays and text */
};

/**
 * Reads a file, and checks all of it: sizes against the bytes that are there before any memory is taken, then the JSON, then
 * that tensors fill the data without gap and overlap; and the checksum, if there is an entry bp.crc32.
 *
 * @return BP_OK; BP_ERR_IO; BP_ERR_FORMAT, with the file's name, what was expected and found; BP_ERR_MEMORY. There is nothing
 *         to free after a failure
 */
bp_status bpi_safetensors_read_path(struct bpi_safetensors *st, const char *path, const bp_allocator *allocator);

/** The same from memory, which must outlive `st`. */
bp_status bpi_safetensors_read_memory(struct bpi_safetensors *st, const void *bytes, size_t size, const bp_allocator *allocator);

/** Gives everything back and zeroes the struct. A zeroed one is fine. */
void bpi_safetensors_free(struct bpi_safetensors *st);

/** The tensor of that name; NULL if there is none. */
const struct bpi_tensor *bpi_safetensors_find(const struct bpi_safetensors *st, const char *name);

/** The value of that key in the metadata; NULL if there is none. */
const char *bpi_safetensors_value(const struct bpi_safetensors *st, const char *key);

/** Copies a tensor of any floating type into numbers of ours, rounded to nearest; its n numbers fit. */
void bpi_tensor_to_reals(const struct bpi_tensor *tensor, bp_real *values);

/** Copies a tensor of BPI_U64. */
void bpi_tensor_to_u64(const struct bpi_tensor *tensor, uint64_t *values);

/* ---- Writing --------------------------------------------------------------------------------------------------------- */

/** A tensor to be written: `values` are bp_real for BPI_DTYPE_REAL, double for BPI_F64, uint64_t for BPI_U64. */
struct bpi_tensor_out {
    const char *name;
    enum bpi_dtype dtype; /**< BPI_F64, BPI_F32 or BPI_U64; float values for BPI_F32, double for BPI_F64 */
    size_t n_dims;
    uint64_t dims[2];
    const void *values;
};

/** An entry to be written. */
struct bpi_entry_out {
    const char *key, *value; /**< UTF-8 */
};

/**
 * Writes tensors and metadata, in this order of each, with bp.crc32 as the last entry. The bytes follow from the arguments alone.
 *
 * @return BP_OK; BP_ERR_ARGUMENT for text that is not UTF-8; BP_ERR_TOO_LARGE; BP_ERR_MEMORY; failures of the writer show when
 *         it is finished
 */
bp_status bpi_safetensors_write(struct bpi_writer *writer, const struct bpi_entry_out *metadata, size_t n_metadata,
                                const struct bpi_tensor_out *tensors, size_t n_tensors, const bp_allocator *allocator);

#endif
