// SPDX-License-Identifier: MIT
/*
 * Reading and writing FANN's files of training data, usually named *.data (Nissen: "Implementation of a Fast Artificial
 * Neural Network Library", 2003; fann_read_train_from_file).
 *
 * Such a file is text: the numbers of rows, of inputs and of outputs, then for each row its inputs and its outputs.
 * Whatever blanks and ends of lines stand between numbers, they separate them, as they do for FANN; what is written has the
 * three sizes, the inputs and the outputs of each row in a line each. It may be gzipped when it is read: that is seen from
 * its first bytes.
 *
 * Numbers have a point whatever the locale. They are read to the nearest bp_real, and written with the fewest digits from
 * which they are read again exactly.
 */
#ifndef BACKPROP_FANN_DATA_H
#define BACKPROP_FANN_DATA_H

#include <stddef.h>

#include "backprop/dataset.h"
#include "backprop/memory.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a file had. Yours to place and to move, never to copy; read only, so threads may share it. */
typedef struct bp_fann_data {
    bp_dataset data;        /**< views of the arrays below, as bp_train() takes them */
    size_t rows;            /**< >= 1 */
    size_t n_in;            /**< >= 1 */
    size_t n_out;           /**< >= 1 */
    bp_real *X;             /**< rows x n_in, row-major, packed */
    bp_real *T;             /**< rows x n_out, the same */
    bp_allocator allocator; /**< where the block came from */
    void *block;            /**< the memory behind X and T */
} bp_fann_data;

/**
 * Reads a file, gzipped or not.
 *
 * Takes memory only as the bytes that are really there justify it, whatever sizes the first line promises: at most 12 times
 * the bytes of the text (after inflating), and beside these some 80 KiB to begin with.
 *
 * @param fann       made by this call, whatever it held before; zeroed when the call fails
 * @param path       of the file
 * @param allocator  NULL: malloc and free
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer or half an allocator; BP_ERR_IO if the file cannot be opened or read;
 *         BP_ERR_FORMAT for sizes that are no whole numbers from 1 on, too few or too many numbers, something that is no
 *         number, a NUL byte, damaged gzip data; BP_ERR_NONFINITE for a number that is infinite or too large;
 *         BP_ERR_TOO_LARGE for sizes that overflow; BP_ERR_UNSUPPORTED for gzip in a build without zlib; BP_ERR_MEMORY.
 *         What is wrong in the text is reported with its line and column, both counted from 1
 */
bp_status bp_fann_data_read(bp_fann_data *fann, const char *path, const bp_allocator *allocator);

/**
 * The same from memory: `size` bytes that hold what the file would, gzipped or not. `bytes` may go afterwards.
 */
bp_status bp_fann_data_read_memory(bp_fann_data *fann, const void *bytes, size_t size, const bp_allocator *allocator);

/** Gives the memory back and zeroes the struct. A zeroed or null `fann` is fine. */
void bp_fann_data_free(bp_fann_data *fann);

/**
 * Writes a dataset. Labels become a row of zeros with a 1 at the class, as FANN has its classes; with a single output they
 * are its value, 0 or 1.
 *
 * The file is written under another name beside `path` and takes its own name when it is complete and on the disk: a file
 * that was there before stays as it is when the call fails, and after a power failure one of the two is there, whole. A
 * symbolic link is followed. The file has the access mode of the old one.
 *
 * @param data       as bp_dataset_check() asks; without weights, for which the format has no place
 * @param path       of the file
 * @param allocator  NULL: malloc and free. Asked for one row, 64 KiB and the name
 * @return BP_OK; what bp_dataset_check() returns; BP_ERR_ARGUMENT for a null pointer or half an allocator;
 *         BP_ERR_UNSUPPORTED for weights; BP_ERR_IO if the file cannot be written, also for a full disk, a folder that
 *         is read-only, or a `path` that is no regular file; BP_ERR_MEMORY
 */
bp_status bp_fann_data_write(const bp_dataset *data, const char *path, const bp_allocator *allocator);

#ifdef __cplusplus
}
#endif

#endif
