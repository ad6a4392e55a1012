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

/** One row on which a loss is taken: n logits, outputs and targets. */
struct bpi_loss_row {
    size_t n;
    const bp_real *z, *y, *t;
};

/**
 * Loss of one row, in double in both precisions since a batch adds many of them up. d (NULL if not wanted) receives
 * `weight` times its gradient: for z where the loss is fused with the output's activation, else for y.
 */
typedef double (*bpi_loss_of_row)(const bp_loss *loss, const struct bpi_loss_row *row, bp_real weight, bp_real *d);

/**
 * Sum over the rows of a batch of `share` times the loss of each, row after row, with the bits of a call of bpi_loss_of_row for each
 * of them. Batch x n each; d as there, its weight being the share.
 */
typedef double (*bpi_loss_of_even_rows)(size_t batch, size_t n, const bp_real *Y, const bp_real *T, double share,
                                        bp_real *d);

/** Which smooth piece of the loss an output is on, for losses made of pieces; parameter with its default filled in. */
typedef int (*bpi_loss_piece)(bp_real y, bp_real t, bp_real parameter);

/** What targets a loss can take. */
enum bpi_target_range { BPI_ANY_TARGET, BPI_TARGET_NOT_NEGATIVE, BPI_TARGET_PROBABILITY };

struct bpi_loss_rule {
    const char *name;
    bpi_loss_of_row of_row;
    bpi_loss_of_even_rows of_even_rows; /**< for rows that all weigh the same; NULL: one after the other */
    bpi_loss_piece piece;               /**< NULL where the loss is smooth */
    bool fused;           /**< takes logits: the gradient is dZ. Else it is dY, still to go back through the activation */
    bp_activation output; /**< the activation it is fused with, and needs */
    enum bpi_target_range range;
    bool sums_to_one;          /**< each row of targets must sum to 1 */
    bp_real default_parameter; /**< in place of 0; 0: there is no parameter */
    bp_real parameter_limit;   /**< parameters are in (0, limit) */
};

/** The rule of a loss; NULL for a value that is none. */
const struct bpi_loss_rule *bpi_loss(bp_loss_kind kind);

/** The loss's parameter, its default filled in. */
bp_real bpi_loss_parameter(const bp_loss *loss);

/** Refuses an unknown or incomplete loss, and an output layer of n_out units that it cannot have. */
bp_status bpi_loss_check(const bp_loss *loss, bp_activation output, size_t n_out);

/**
 * Refuses targets that are not finite or that the loss cannot take: n of row i, from column `first` on. Adds them to *sum,
 * for bpi_loss_check_sum() at the end of the row. With a null `rule` they need only be finite.
 */
bp_status bpi_loss_check_values(const struct bpi_loss_rule *rule, size_t i, size_t first, size_t n, const bp_real *t,
                                double *sum);

/** Refuses row i of n targets if its sum is not what the loss needs. */
bp_status bpi_loss_check_sum(const struct bpi_loss_rule *rule, size_t i, size_t n, double sum);

/** How many classes labels can name with n outputs: n, but 2 for a single output whose target is the label itself. */
size_t bpi_loss_n_classes(const struct bpi_loss_rule *rule, size_t n);

/** Refuses a label of row i that is not one of n_classes. */
bp_status bpi_loss_check_label(size_t i, size_t n_classes, double label);

/** Refuses a sample weight that is negative or not finite. */
bp_status bpi_loss_check_weight(size_t i, double weight);

/** A batch on which a loss is taken: batch x n each, but for `row`. */
struct bpi_loss_batch {
    size_t batch, n;
    const bp_real *Z, *Y;
    bp_real *row; /**< n, all 0 before and after: labels and smoothed targets are made here */
    bp_real *d;   /**< receives the gradient for Z or Y as bpi_loss_rule says; NULL if not wanted */
};

/**
 * Checks the targets and takes the loss, in the reduction asked for. *weight (NULL if not wanted) receives the sum of the
 * rows' weights, which a mean was divided by. On an error *L and d hold nothing.
 */
bp_status bpi_loss_of_batch(const bp_loss *loss, const struct bpi_loss_batch *at, const bp_targets *T, double *L,
                            double *weight);

/** Sum of the weights of the rows of a batch of n outputs: sample weights times class weights. */
double bpi_loss_weight_of_batch(const bp_loss *loss, const bp_targets *T, size_t batch, size_t n);

#endif
