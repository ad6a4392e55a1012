// SPDX-License-Identifier: MIT
/*
 * Training in one call.
 */
#ifndef BACKPROP_TRAIN_H
#define BACKPROP_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/dataset.h"
#include "backprop/loss.h"
#include "backprop/memory.h"
#include "backprop/network.h"
#include "backprop/optimizer.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How far training is; what a callback sees. Valid during the call only. */
typedef struct bp_progress {
    const bp_network *net; /**< being trained: read it, as for a prediction with a workspace of one's own */
    size_t epoch;          /**< 1 .. epochs: the one that is running, or has just ended */
    size_t epochs;         /**< as set in the configuration */
    size_t step;           /**< 1 .. steps: the step of this epoch that is done */
    size_t steps;          /**< of an epoch */
    size_t rows_done;      /**< rows of this epoch seen so far */
    size_t rows;           /**< of the dataset */
    bp_real loss;          /**< of the step's batch, before its update */
    bp_real epoch_loss;    /**< of the epoch so far: the mean of those losses, each weighted by the rows of its batch (by
                                their sample weights, where there are any); the sum for BP_REDUCE_SUM */
    bp_real learning_rate; /**< of the step */
} bp_progress;

/** What a callback wants. */
typedef enum bp_signal {
    BP_CONTINUE = 0, /**< go on */
    BP_STOP = 1      /**< end training after this step; the parameters stay as they are */
} bp_signal;

/** A user's function, called in the thread that trains. It must not change the network, the optimizer or the data. */
typedef bp_signal (*bp_train_callback)(const bp_progress *progress, void *user);

/** Settings of a training run. A zeroed struct trains 100 epochs of shuffled batches of 32 on the squared error. */
typedef struct bp_train_config {
    size_t epochs;              /**< passes through the data; default 0: 100 */
    size_t batch;               /**< rows a step; more than there are means all. Default 0: 32. The last batch of an
                                        epoch is smaller where the rows do not divide */
    bp_loss loss;               /**< default: mean of 1/2 sum (y - t)^2 */
    bool keep_order;            /**< take the rows in their order. Default false: a new order each epoch, bp_rng_shuffle()
                                        of the last one by a generator begun with `seed`. One batch of all rows is never
                                        shuffled */
    uint64_t seed;              /**< of the shuffling; default 0, a seed like any other */
    bp_real target_loss;        /**< >= 0: end after the first epoch whose loss is at or below it. Default 0: never */
    bp_train_callback on_step;  /**< after each step; default NULL: none */
    bp_train_callback on_epoch; /**< after each epoch, its on_step included; default NULL: none */
    void *user;                 /**< handed to both; the library never reads it */
    const bp_allocator *allocator; /**< of the memory for the run and the report; default NULL: the network's */
} bp_train_config;

/** Why training ended. The values are fixed. */
typedef enum bp_stop_reason {
    BP_STOPPED_NOT = 0,      /**< it has not begun: the call was refused */
    BP_STOPPED_EPOCHS = 1,   /**< all epochs are done */
    BP_STOPPED_TARGET = 2,   /**< the target loss is reached */
    BP_STOPPED_CALLBACK = 3, /**< a callback said so */
    BP_STOPPED_DIVERGED = 4, /**< loss, gradient or parameters were no longer finite */
    BP_STOPPED_ERROR = 5     /**< another error; see the status */
} bp_stop_reason;

/** What happened. Free it with bp_train_report_free(). */
typedef struct bp_train_report {
    bp_stop_reason reason;
    size_t n_epochs;       /**< complete epochs: so many losses */
    uint64_t n_steps;      /**< steps, those of an incomplete epoch included */
    bp_real *losses;       /**< n_epochs: mean over the rows (or sum) of the batch losses, each before its update */
    size_t epoch;          /**< the last epoch that began, 1-based; where it ended if it did not complete */
    size_t step;           /**< the last step that was tried in that epoch, 1-based */
    bp_real loss;          /**< of that step's batch */
    bp_real learning_rate; /**< of that step */
    bp_allocator allocator;
    void *block;
} bp_train_report;

/**
 * Trains a network: for each epoch, for each batch of its rows, one step of the optimizer.
 *
 * Everything is checked and all memory taken before the first step; a step allocates nothing. With the same network,
 * data, settings and build it computes the same bits, however BLAS is set up as long as that stays the same.
 *
 * The library keeps a copy of the parameters and the optimizer's state from the end of the last epoch at which all were
 * finite (at first, from the start). When a loss, a gradient, a parameter or the optimizer's state is no longer finite,
 * network and optimizer get that copy back and the call returns BP_ERR_DIVERGED.
 *
 * @param net     its parameters are trained; no other thread may use it meanwhile
 * @param opt     made for net->parameters; its state and step count go on from where they are
 * @param data    read only; its rows are converted and scaled as they are gathered. bp_real rows, packed and in order,
 *                are used where they are
 * @param config  read only during the call
 * @param report  receives what happened, whatever it held before, also when the call fails; NULL if not wanted
 * @return BP_OK, also when a callback ended it; BP_ERR_DIVERGED; BP_ERR_ARGUMENT, BP_ERR_STATE, BP_ERR_SHAPE,
 *         BP_ERR_TOO_LARGE, BP_ERR_UNSUPPORTED, BP_ERR_NONFINITE and BP_ERR_TARGET for what bp_optimizer_step(),
 *         bp_network_loss() and bp_dataset_check() refuse, BP_ERR_MEMORY: with all these the network is unchanged
 */
bp_status bp_train(bp_network *net, bp_optimizer *opt, const bp_dataset *data, const bp_train_config *config,
                   bp_train_report *report);

/** Gives the memory back and zeroes the struct. A zeroed or null `report` is fine. */
void bp_train_report_free(bp_train_report *report);

#ifdef __cplusplus
}
#endif

#endif
