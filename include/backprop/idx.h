// SPDX-License-Identifier: MIT
/*
 * Reading IDX files, the format of MNIST and Fashion-MNIST (LeCun, Cortes and Burges: "The MNIST database").
 *
 * A file is: two zero bytes, a byte for the element type (08 u8, 09 i8, 0B i16, 0C i32, 0D f32, 0E f64), a byte for the
 * number of dimensions, then each dimension as an unsigned 32-bit number and the elements, the last dimension varying
 * fastest; all of it big-endian. It may be gzipped: that is seen from its first bytes, not from its name.
 */
#ifndef BACKPROP_IDX_H
#define BACKPROP_IDX_H

#include <stddef.h>

#include "backprop/dataset.h"
#include "backprop/memory.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_IDX_MAX_DIMS 8 /**< files with more dimensions are refused */

/** An array read from an IDX file. Yours to place and to move, never to copy; read only, so threads may share it. */
typedef struct bp_idx {
    bp_element element;           /**< BP_U8, BP_I8, BP_I16, BP_I32, BP_F32 or BP_F64 */
    size_t n_dims;                /**< 1 .. BP_IDX_MAX_DIMS */
    size_t dims[BP_IDX_MAX_DIMS]; /**< the first is the number of rows */
    size_t n;                     /**< elements: the product of the dimensions, >= 1 */
    size_t row_size;              /**< elements of a row: n / dims[0] */
    void *data;                   /**< n elements in the byte order of the machine */
    bp_allocator allocator;       /**< where the block came from */
    void *block;                  /**< the memory behind data */
} bp_idx;

/**
 * Reads an IDX file, gzipped or not.
 *
 * Never takes more memory than the bytes that are really there justify: the array grows as they arrive (while it moves, the
 * old and the new one together have at most three times these bytes, beside some 130 KiB to begin with), and a header that
 * promises more or less than the file holds is refused.
 *
 * @param idx        made by this call, whatever it held before; zeroed when the call fails
 * @param path       of the file
 * @param allocator  NULL: malloc and free
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer or half an allocator; BP_ERR_IO if the file cannot be opened or read;
 *         BP_ERR_FORMAT for a wrong magic number, an unknown element type, no or too many dimensions, a dimension of 0, too
 *         few or too many bytes, gzip data that is damaged, cut short or followed by something else; BP_ERR_TOO_LARGE for
 *         sizes that overflow; BP_ERR_UNSUPPORTED for gzip in a build without zlib; BP_ERR_MEMORY
 */
bp_status bp_idx_read(bp_idx *idx, const char *path, const bp_allocator *allocator);

/**
 * The same from memory: `size` bytes that hold what the file would, gzipped or not. `bytes` may go afterwards.
 */
bp_status bp_idx_read_memory(bp_idx *idx, const void *bytes, size_t size, const bp_allocator *allocator);

/** Gives the memory back and zeroes the struct. A zeroed or null `idx` is fine. */
void bp_idx_free(bp_idx *idx);

#ifdef __cplusplus
}
#endif

#endif
