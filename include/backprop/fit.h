// SPDX-License-Identifier: MIT
/*
 * Fitting the scaling of a network to data, for training loops of one's own; bp_train()
 * does it when its settings ask for it.
 *
 *   bp_network_fit_scaling(&net, &data, &(bp_fit_config){ .inputs = BP_STANDARDISE });
 *   -- make the workspace now, then for each batch of n rows X and targets T:
 *   bp_network_scale_inputs(&net, n, X, X);
 *   bp_network_forward(&net, &ws, X, n);
 *   bp_network_loss(&net, &ws, &loss, &T, &L);      -- scaled targets first through bp_network_scale_targets()
 */
#ifndef BACKPROP_FIT_H
#define BACKPROP_FIT_H

#include <stddef.h>

#include "backprop/dataset.h"
#include "backprop/network.h"
#include "backprop/precision.h"
#include "backprop/scaling.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What to fit, and to which rows. */
typedef struct bp_fit_config {
    bp_scaling_kind inputs;  /**< of the inputs; default BP_SCALE_NONE: theirs stays as the network has it, if at all */
    bp_scaling_kind targets; /**< of the targets, the same; not for sigmoid or softmax outputs, nor for labels */
    const size_t *rows;      /**< n_rows row numbers, usually those to train on; default NULL: all rows */
    size_t n_rows;           /**< used only with rows */
} bp_fit_config;

/**
 * Fits a scaling to rows of a dataset, as bp_scaling_kind says, and gives it to the network by bp_network_set_scaling(), in
 * place of one that it has. Sample weights do not count.
 *
 * Workspaces made before inputs began to be scaled no longer fit the network.
 *
 * @param net     its scaling is changed. Must not be in the hands of a trainer
 * @param data    read only, in its own units
 * @param config  read only during the call
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer, no such scaling, nothing to be fitted, and for numbers so far apart
 *         that no scaling brings them together; BP_ERR_STATE for a network not initialised; BP_ERR_SHAPE for data of other
 *         widths than the network's, rows that are not there, or none; BP_ERR_UNSUPPORTED for targets that are not scaled;
 *         what bp_dataset_check() refuses; BP_ERR_IO and BP_ERR_NONFINITE for rows that the user's read_row reads;
 *         BP_ERR_MEMORY. The network is then unchanged
 */
bp_status bp_network_fit_scaling(bp_network *net, const bp_dataset *data, const bp_fit_config *config);

#ifdef __cplusplus
}
#endif

#endif
