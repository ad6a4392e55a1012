// SPDX-License-Identifier: MIT
/*
 * Reading rows of a dataset, gathered and converted, or where they are.
 */
#ifndef BPI_DATA_DATASET_H
#define BPI_DATA_DATASET_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/dataset.h"

/** bp_dataset_check() of all but inputs and weights, for those who read only targets: finite, or a class. */
bp_status bpi_dataset_check_targets(const bp_dataset *data);

/** Whether the rows of a view can be used where they are: bp_real, packed, not scaled. Labels: int32_t. */
bool bpi_view_is_direct(const bp_view *view, size_t columns);
bool bpi_labels_are_direct(const bp_view *labels);

/** Memory for one batch of each kind; an array is NULL where the dataset has none of it, or where it is always direct. */
struct bpi_batch_buffers {
    bp_real *X, *T, *weights;
    int32_t *labels;
};

/**
 * Rows of (X, T): `rows` as in bp_dataset_inputs(). Where `rows` is NULL, arrays that are direct are not copied.
 * On data that bp_dataset_check() has passed; can fail only for rows that the user's read_row reads: BP_ERR_IO, or
 * BP_ERR_NONFINITE.
 *
 * @param X  receives the inputs, where they are or in buffers->X
 * @param T  receives views of the targets
 */
bp_status bpi_dataset_gather(const bp_dataset *data, const size_t *rows, size_t first, size_t n,
                             const struct bpi_batch_buffers *buffers, const bp_real **X, bp_targets *T);

#endif
