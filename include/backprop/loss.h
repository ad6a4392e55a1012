// SPDX-License-Identifier: MIT
/*
 * Losses: how far outputs Y are from targets T, as one number to be made small.
 */
#ifndef BACKPROP_LOSS_H
#define BACKPROP_LOSS_H

#include <stddef.h>
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
    /** sum |y - t| (derivative 0 where y = t). */
    BP_MAE = 3,
    /** sum (|e| <= p ? e^2 / 2 : p (|e| - p / 2)), e = y - t; parameter p > 0, default 1 (Huber, Ann. Math. Stat. 35,
        1964). */
    BP_HUBER = 4,
    /** sum (y - t log y), the negative logarithm of the Poisson distribution's probability less a constant. For outputs
        above 0, softplus say: with others it is not finite, unless t is 0. Every t >= 0. */
    BP_POISSON = 5,
    /** sum max(p (t - y), (p - 1) (t - y)); parameter p in (0, 1), default 0.5, the quantile to be learned (Koenker and
        Bassett, Econometrica 46, 1978). */
    BP_QUANTILE = 6,
    BP_CUSTOM_LOSS = 7, /**< `custom` */
    BP_N_LOSSES         /**< how many there are; grows with versions */
} bp_loss_kind;

/** A loss of the user's: value and gradient of one row, which go together. Called from every thread that takes the loss. */
typedef struct bp_loss_function {
    const char *name; /**< for messages, not empty */
    /** Returns the loss of a row of n outputs y with targets t, and writes its gradient for y to dy, unless dy is NULL. */
    double (*of_row)(size_t n, const bp_real *y, const bp_real *t, void *user, bp_real *dy);
    void *user; /**< handed over; the library never reads it */
} bp_loss_function;

/** How the losses l_i of the rows of a batch, with sample weights w_i, become one number. The values are fixed. */
typedef enum bp_reduction {
    BP_REDUCE_MEAN = 0, /**< sum w_i l_i / sum w_i: the mean over the rows when there are no weights */
    BP_REDUCE_SUM = 1   /**< sum w_i l_i */
} bp_reduction;

/** A loss; zeroed it is the mean over the batch of 1/2 sum (y - t)^2. */
typedef struct bp_loss {
    bp_loss_kind kind;
    bp_reduction reduction;
    bp_real parameter;       /**< of BP_HUBER and BP_QUANTILE; default 0: the value that bp_loss_kind gives. Else 0 */
    bp_real label_smoothing; /**< s in [0, 1), for BP_CROSS_ENTROPY: t becomes t (1 - s) + s / n_out (Szegedy et al., CVPR
                                  2016). Default 0: none */
    /**
     * For BP_CROSS_ENTROPY n_out weights c_k >= 0: the sample weight of a row is multiplied by sum_k t_k c_k, t before any
     * smoothing. For BP_BINARY_CROSS_ENTROPY of one output two weights: by (1 - t) c_0 + t c_1. Default NULL: all 1.
     */
    const bp_real *class_weights;
    const bp_loss_function *custom; /**< for BP_CUSTOM_LOSS; else NULL */
} bp_loss;

/** The targets of a batch: values or, for classes, labels. The arrays stay the user's. */
typedef struct bp_targets {
    const bp_real *values;  /**< batch x n_out, row-major; NULL where labels are given */
    const int32_t *labels;  /**< batch; label k, 0 <= k < n_out, stands for a row of zeros with a 1 at k; with a
                                 single output, but for softmax, labels are 0 and 1 and are the target. NULL where
                                 values are given */
    const bp_real *weights; /**< batch; sample weights w_i >= 0; NULL: all 1. A mean over rows whose weights are all 0 is
                                 0 */
} bp_targets;

/**
 * The name in the enumeration, lower case, for example "cross_entropy"; "unknown" for
 * other values. Static text; any thread.
 */
const char *bp_loss_name(bp_loss_kind kind);

#ifdef __cplusplus
}
#endif

#endif
