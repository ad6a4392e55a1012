// SPDX-License-Identifier: MIT
/*
 * Reading the safetensors container: named tensors and text, as bytes. It knows no network. Writing it is in contents.h.
 *
 *   8 bytes   N, little-endian
 *   N bytes   JSON: {"__metadata__": {"key": "value", ...}, "name": {"dtype": "F64", "shape": [2, 3], "data_offsets": [0, 48]},
 *             ...} and blanks behind it
 *   the rest  the tensors, little-endian
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
#include "store/json.h"

/** Types of elements. */
enum bpi_dtype { BPI_F64, BPI_F32, BPI_F16, BPI_BF16, BPI_U64, BPI_OTHER_DTYPE };

/** The type of bp_real. */
#define BPI_DTYPE_REAL (sizeof(bp_real) == 8 ? BPI_F64 : BPI_F32)

/** The key of the checksum: CRC-32 of the file, eight hexadecimal digits, taken with '0' in the place of each digit. */
#define BPI_CRC_KEY "bp.crc32"

/** A tensor in a file. */
struct bpi_tensor {
    struct bpi_json_string name;
    enum bpi_dtype dtype;
    const char *dtype_name; /**< static text */
    size_t n_dims;
    uint64_t dims[2];           /**< the first two; where there are fewer, 1 */
    uint64_t n;                 /**< elements: the product of all dims, 1 for none */
    const unsigned char *bytes; /**< n elements, unaligned, in the file's memory */
};

/** Where a tensor's name or an entry's key lies. */
struct bpi_key_place {
    uint32_t at : 31;     /**< byte of the header at which it begins */
    uint32_t is_used : 1; /**< bpi_safetensors_find() or bpi_safetensors_value() has found it */
};

/**
 * A file's contents: its header, an index, and the data. So little is kept beside the bytes that a file cannot make a reader
 * take much more memory than it has bytes. May be moved, never copied.
 */
struct bpi_safetensors {
    const char *name;   /**< of the file, for sentences; the caller's text */
    const char *header; /**< n_header bytes of JSON, found right */
    size_t n_header;
    const unsigned char *data; /**< n_data bytes */
    size_t n_data;
    struct bpi_key_place *tensors; /**< n_tensors, in the order of their names */
    size_t n_tensors;
    uint32_t *entries;            /**< n_metadata places of keys in the header, in the order of the file ... */
    struct bpi_key_place *sorted; /**< ... and in the order of the keys */
    size_t n_metadata;
    bp_allocator allocator;
    void *own_header, *own_data, *block; /**< what was allocated; NULL where it is the caller's */
};

/**
 * Reads a file, and checks all of it: sizes against the bytes that are there before any memory is taken for them, the JSON,
 * that tensors fill the data without gap and overlap; and the checksum, which must be there if some key begins with "bp.".
 *
 * A file that cannot tell its size, such as a pipe, is read as it comes.
 *
 * @param path       must outlive `st`
 * @param allocator  complete
 * @return BP_OK; BP_ERR_IO; BP_ERR_FORMAT, with the file's name, what was expected and found; BP_ERR_MEMORY. There is nothing
 *         to free after a failure
 */
bp_status bpi_safetensors_read_path(struct bpi_safetensors *st, const char *path, const bp_allocator *allocator);

/** The same from memory, which must outlive `st`. */
bp_status bpi_safetensors_read_memory(struct bpi_safetensors *st, const void *bytes, size_t size,
                                      const bp_allocator *allocator);

/** Gives everything back and zeroes the struct. A zeroed one is fine. */
void bpi_safetensors_free(struct bpi_safetensors *st);

/** The i-th tensor, in the order of the names. */
struct bpi_tensor bpi_safetensors_tensor(const struct bpi_safetensors *st, size_t i);

/** The tensor of that name, if there is one; it counts as used from then on. */
bool bpi_safetensors_find(const struct bpi_safetensors *st, const char *name, struct bpi_tensor *tensor);

/** The i-th entry of the metadata, in the order of the file. */
void bpi_safetensors_entry(const struct bpi_safetensors *st, size_t i, struct bpi_json_string *key,
                           struct bpi_json_string *value);

/** The value of that key in the metadata, if there is one; it counts as used from then on. */
bool bpi_safetensors_value(const struct bpi_safetensors *st, const char *key, struct bpi_json_string *value);

/**
 * Refuses tensors whose names begin with `prefix` and entries whose keys begin with `key_prefix` (NULL: none are looked at) that
 * nobody has used; but not those that begin with `others` or `other_keys` (NULL: none).
 */
bp_status bpi_safetensors_check_used(const struct bpi_safetensors *st, const char *prefix, const char *others,
                                     const char *key_prefix, const char *other_keys);

#define BPI_MOST_HEADER 100000000 /**< bytes of JSON that a reader takes: the reference's limit */

/** Refuses with `status` more than a reader takes: entries of the metadata, and tensors in so many bytes of data. */
bp_status bpi_safetensors_check_counts(bp_status status, const char *name, size_t n_metadata, size_t n_tensors,
                                       uint64_t n_data);

/** Whether elements of this type can become numbers of ours. */
bool bpi_dtype_is_real(enum bpi_dtype dtype);

/** Copies all elements of a tensor of such a type into numbers of ours, rounded to nearest. */
void bpi_tensor_to_reals(const struct bpi_tensor *tensor, bp_real *values);

/** Copies the elements of a tensor of BPI_U64. */
void bpi_tensor_to_u64(const struct bpi_tensor *tensor, uint64_t *values);

#endif
