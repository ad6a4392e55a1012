// SPDX-License-Identifier: MIT
/*
 * Losses as rows of one table: the value and its gradient enter together or not at all.
 */
#ifndef BPI_MATH_LOSS_H
#define BPI_MATH_LOSS_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/activation.h"
#include "backprop/loss.h"
#include "backprop/status.h"

/**
 * Loss of one row, in double in both precisions since a batch adds many of them up. d (NULL if not wanted) receives `weight`
 * times its gradient: for z where the loss is fused with the output's activation, else for y.
 */
typedef double (*bpi_loss_of_row)(size_t n, const bp_real *z, const bp_real *y, const bp_real *t, bp_real weight,
                                  bp_real *d);

typedef struct bpi_loss_row {
    const char *name;
    bpi_loss_of_row of_row;
    bool fused;            /**< takes logits: the gradient is dZ. Else it is dY, still to go back through the activation */
    bp_activation output;  /**< the activation it is fused with, and needs */
    bool in_unit_interval; /**< each target must be in [0, 1] */
    bool sums_to_one;      /**< each row of targets must sum to 1 */
} bpi_loss_row;

/** The row of a loss; NULL for a value that is none. */
const bpi_loss_row *bpi_loss(bp_loss_kind kind);

/** Refuses an unknown kind or reduction, and an output activation that the loss cannot have. */
bp_status bpi_loss_check(const bp_loss *loss, bp_activation output);

/**
 * Refuses targets that are not finite or that the loss cannot take: n of row i, from column `first` on. Adds them to *sum,
 * for bpi_loss_check_sum() at the end of the row. With a null `row` they need only be finite.
 */
bp_status bpi_loss_check_values(const bpi_loss_row *row, size_t i, size_t first, size_t n, const bp_real *t, double *sum);

/** Refuses row i of n targets if its sum is not what the loss needs. */
bp_status bpi_loss_check_sum(const bpi_loss_row *row, size_t i, size_t n, double sum);

/** Refuses a label that is no class. */
bp_status bpi_loss_check_label(size_t i, size_t n, double label);

/** Refuses a sample weight that is negative or not finite. */
bp_status bpi_loss_check_weight(size_t i, double weight);

/** A batch on which a loss is taken: batch x n each, but for `one_hot`. */
struct bpi_loss_batch {
    size_t batch, n;
    const bp_real *Z, *Y;
    bp_real *one_hot; /**< n, all 0 before and after: labels are turned into targets here */
    bp_real *d;       /**< receives the gradient for Z or Y as bpi_loss_row says; NULL if not wanted */
};

/** Checks the targets and takes the loss. On an error *L and d hold nothing. */
bp_status bpi_loss_of_batch(const bp_loss *loss, const struct bpi_loss_batch *at, const bp_targets *T, double *L);

/** Sum of the weights of a batch: its number of rows where there are none. */
double bpi_loss_weight_of_batch(const bp_targets *T, size_t batch);

#endif
