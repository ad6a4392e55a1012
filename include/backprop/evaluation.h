// SPDX-License-Identifier: MIT
/*
 * How good a network is on a dataset.
 */
#ifndef BACKPROP_EVALUATION_H
#define BACKPROP_EVALUATION_H

#include <stddef.h>

#include "backprop/dataset.h"
#include "backprop/loss.h"
#include "backprop/metrics.h"
#include "backprop/network.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Which rows to look at, and how. Zeroed: all of them, 256 at a time. */
typedef struct bp_evaluation_config {
    const size_t *rows;  /**< n_rows row numbers; NULL: all rows */
    size_t n_rows;       /**< used only with rows */
    size_t batch;        /**< rows of a forward pass; default 0: 256 */
    const bp_loss *loss; /**< to be taken as well, in the network's units; NULL: none */
} bp_evaluation_config;

/**
 * Predicts the rows of a dataset, batch by batch in inference mode, and adds them to metrics, in the data's units.
 *
 * @param net      read only: threads may share it
 * @param data     read only
 * @param config   NULL: the default
 * @param metrics  made for net->n_out outputs; goes on from what it holds
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer; BP_ERR_STATE for an object not initialised; BP_ERR_SHAPE for data or
 *         metrics of other widths than the network's, rows that are not there, or none; BP_ERR_UNSUPPORTED for a loss
 *         that the output layer cannot have and, where the network scales its outputs, for one of labels or one that does
 *         not take every number as a target; what bp_dataset_check() refuses; BP_ERR_MEMORY: the metrics are then
 *         unchanged. BP_ERR_IO, BP_ERR_NONFINITE and BP_ERR_TARGET for rows that the user's read_row reads,
 *         BP_ERR_NONFINITE for outputs or a loss that are not finite, and what bp_metrics_update() and
 *         bp_metrics_add_loss() refuse: they then hold the batches before that one
 */
bp_status bp_evaluate(const bp_network *net, const bp_dataset *data, const bp_evaluation_config *config,
                      bp_metrics *metrics);

#ifdef __cplusplus
}
#endif

#endif
