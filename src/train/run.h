// SPDX-License-Identifier: MIT
/*
 * A training run: what was handed over, what follows from it, where it stands, and its memory.
 *
 * check.c says what is refused, run.c measures and reserves, fit.c fits the scaling, snapshot.c knows the way back to
 * earlier numbers, step.c does a step, epoch.c what comes before and after steps, trainer.c is how the public sees it.
 * checkpoint.h takes all of it to a file and back: what is added here belongs there, too.
 */
#ifndef BPI_TRAIN_RUN_H
#define BPI_TRAIN_RUN_H

#include "base/real.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/rng.h"
#include "backprop/trainer.h"
#include "backprop/workspace.h"
#include "train/batches.h"
#include "train/evaluation.h"
#include "train/total.h"

/** Numbers of network and optimizer as they were at some time. An array is NULL where there are no numbers. */
struct bpi_snapshot {
    bp_real *params, *net_state;
    bp_real *opt_state; /**< NULL, too, where only the network is kept */
    bp_optimizer opt;   /**< only what steps change of it */
};

struct bp_trainer_run {
    bp_network *net;
    bp_optimizer *opt;
    bp_dataset data, validation;
    bp_train_config config;
    bp_allocator allocator;
    void *block; /**< in which this struct lies, too */

    size_t epochs, accumulate; /**< the defaults filled in */
    size_t steps;              /**< of an epoch */
    bool shuffled;             /**< each epoch has an order of its own */
    bool plain;                /**< the gradient goes straight into the parameters */
    bool small;                /**< forward, loss and backward in one call: see net/small.h */
    bool validates;
    bool scaled_inputs, scaled_outputs; /**< whether the network was, before the run */

    bp_workspace ws;
    bp_rng rng;
    struct bpi_batches batches;
    struct bpi_evaluation evaluation;
    bp_metrics metrics;
    bp_metrics_result validation_result;
    size_t *order; /**< data.rows: those to train on, then those split off. NULL: rows as they come */
    bp_real *grad; /**< NULL if plain */

    struct bpi_snapshot good; /**< at the end of the last epoch at which all was finite; at first, from the start */
    struct bpi_snapshot best; /**< of the lowest validation loss; the network only */
    double best_loss;         /**< that loss; infinity: none yet */
    double loss_to_beat;      /**< by min_improvement, for patience: the last one that counted */
    size_t epochs_without_improvement;
    double base_rate; /**< what the schedule starts from */
    bool is_running;  /**< in bp_trainer_run(): the optimizer has the rate of the schedule */
    bp_plateau plateau;
    size_t n_epochs_done;
    uint64_t n_steps_done;

    size_t next_row;              /**< of the epoch that is under way; 0: none is. All rows: its end is to come */
    struct bpi_total epoch_total; /**< of this epoch so far */
    atomic_bool is_cancelled;
};

/**
 * Makes a run out of what bpi_train_check() has passed: measures, takes all memory, splits and fits. On failure *made is
 * NULL, `report` and the network are unchanged.
 *
 * @param report  receives the arrays of the history
 */
bp_status bpi_run_make(struct bp_trainer_run **made, bp_train_report *report, bp_network *net, bp_optimizer *opt,
                       const bp_dataset *data, const bp_train_config *config);

/** Gives the memory back. */
void bpi_run_free(struct bp_trainer_run *run);

#endif
