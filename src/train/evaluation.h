// SPDX-License-Identifier: MIT
/*
 * How good a network is on some rows: loss in the network's units, metrics in the data's.
 */
#ifndef BPI_TRAIN_EVALUATION_H
#define BPI_TRAIN_EVALUATION_H

#include "base/real.h"

#include <stdbool.h>

#include "backprop/evaluation.h"
#include "backprop/workspace.h"
#include "train/batches.h"

/** What an evaluation works with. */
struct bpi_evaluation {
    const bp_network *net;
    struct bpi_batches batches; /**< no noise, and targets as they come: metrics want them so */
    bool scales_targets;        /**< by the scaling of net, for the loss */
    bp_workspace ws;            /**< BP_INFERENCE, for bpi_batches_most() rows */
    bp_real *Y;                 /**< most rows x n_out: outputs in the data's units. NULL where targets are not scaled */
    bp_real *T;                 /**< most rows x n_out: targets in the network's units. NULL where they are not scaled */
    bool rows_failed;           /**< the last bpi_evaluate() failed because rows could not be read */
};

/** Rows of a forward pass, unless somebody asks for others. */
enum { BPI_EVALUATION_BATCH = 256 };

/** Reserves what the evaluation needs beside its workspace, in a plan of the caller's; see bpi_batches_plan(). */
void bpi_evaluation_plan(struct bpi_evaluation *evaluation, bool any_order, struct bpi_plan *plan, void *block);

/** Goes through all rows; adds them and the loss to `metrics`, which was reset. Allocates nothing. */
bp_status bpi_evaluate(struct bpi_evaluation *evaluation, const bp_loss *loss, bp_metrics *metrics);

#endif
