// SPDX-License-Identifier: MIT
/*
 * Training in one call.
 */
#ifndef BACKPROP_TRAIN_H
#define BACKPROP_TRAIN_H

#include "backprop/dataset.h"
#include "backprop/network.h"
#include "backprop/optimizer.h"
#include "backprop/precision.h"
#include "backprop/status.h"
#include "backprop/trainer.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Trains a network: for each epoch, for each batch of its rows, one step of the optimizer.
 *
 * Everything is checked and all memory taken before the first step; a step allocates nothing. With the same network,
 * data, settings and build it computes the same bits, however BLAS is set up as long as that stays the same.
 *
 * The library keeps a copy of the network's parameters and state and of the optimizer from the end of the last epoch at
 * which all were finite (at first, from the start). When a loss (the validation's too), a gradient, a parameter, a
 * running statistic or the optimizer's state is no longer finite, network and optimizer get that copy back and the call
 * returns BP_ERR_DIVERGED.
 *
 * @param net     its parameters are trained; no other thread may use it meanwhile
 * @param opt     made for net->parameters; its state and step count go on from where they are
 * @param data    read only; its rows are converted and scaled as they are gathered. bp_real rows, packed and in order,
 *                are used where they are
 * @param config  read only during the call
 * @param report  receives what happened, whatever it held before, also when the call fails; NULL if not wanted
 * @return BP_OK, also when a callback ended it; BP_ERR_DIVERGED. Before the first step BP_ERR_ARGUMENT, BP_ERR_STATE,
 *         BP_ERR_SHAPE, BP_ERR_TOO_LARGE, BP_ERR_UNSUPPORTED, BP_ERR_NONFINITE and BP_ERR_TARGET for settings out of range
 *         or against each other and for what bp_optimizer_step(), bp_network_loss(), bp_split() and bp_dataset_check()
 *         refuse, BP_ERR_UNSUPPORTED for Rprop with mini-batches, BP_ERR_SHAPE for batches of one row with batch
 *         normalization, BP_ERR_MEMORY: network (its scaling included) and optimizer are then unchanged. Later BP_ERR_IO,
 *         BP_ERR_NONFINITE and BP_ERR_TARGET for rows that the user's read_row reads and BP_ERR_ARGUMENT for a rate from
 *         the user's schedule: network and optimizer then get the last good copy back, too
 */
bp_status bp_train(bp_network *net, bp_optimizer *opt, const bp_dataset *data, const bp_train_config *config,
                   bp_train_report *report);

#ifdef __cplusplus
}
#endif

#endif
