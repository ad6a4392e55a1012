// SPDX-License-Identifier: MIT
/*
 * Losses: how far outputs Y are from targets T, as one number to be made small.
 */
#ifndef BACKPROP_LOSS_H
#define BACKPROP_LOSS_H

#include <stdint.h>

#include "backprop/precision.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Loss of one row with output y, logits z (the output layer's values before its activation) and target t; sums run over
 * the outputs. The values are fixed.
 */
typedef enum bp_loss_kind {
    /** 1/2 sum (y - t)^2, for any output. Not to be taken for the metric "mse", which has no 1/2 and divides by n_out. */
    BP_SQUARED_ERROR = 0,
    /** -sum (t log y + (1 - t) log(1 - y)) of a sigmoid output, computed from z: max(z, 0) - t z + log(1 + e^-|z|).
        Every t in [0, 1]. */
    BP_BINARY_CROSS_ENTROPY = 1,
    /** -sum t log y of a softmax output, computed from z: sum t (log sum_k e^(z_k) - z). Every t in [0, 1], each row of
        T sums to 1. */
    BP_CROSS_ENTROPY = 2,
    BP_N_LOSSES /**< how many there are; grows with versions */
} bp_loss_kind;

/** How the losses l_i of the rows of a batch, with sample weights w_i, become one number. The values are fixed. */
typedef enum bp_reduction {
    BP_REDUCE_MEAN = 0, /**< sum w_i l_i / sum w_i: the mean over the rows when there are no weights */
    BP_REDUCE_SUM = 1   /**< sum w_i l_i */
} bp_reduction;

/** A loss; zeroed it is the mean over the batch of 1/2 sum (y - t)^2. */
typedef struct bp_loss {
    bp_loss_kind kind;
    bp_reduction reduction;
} bp_loss;

/** The targets of a batch: values or, for classes, labels. The arrays stay the user's. */
typedef struct bp_targets {
    const bp_real *values; /**< batch x n_out, row-major; NULL where labels are given */
    const int32_t *labels; /**< batch; label k stands for a row of zeros with a 1 at k, 0 <= k < n_out; NULL where
                                 values are given */
    const bp_real
        *weights; /**< batch; sample weights w_i >= 0; NULL: all 1. A mean over rows whose weights are all 0 is 0 */
} bp_targets;

/** The name in the enumeration, lower case, for example "cross_entropy"; "unknown" for other values. Static text; any thread. */
const char *bp_loss_name(bp_loss_kind kind);

#ifdef __cplusplus
}
#endif

#endif
