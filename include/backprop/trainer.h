// SPDX-License-Identifier: MIT
/*
 * Training that can be interrupted: a trainer runs for some steps, some milliseconds or to the end, and goes on where
 * it was.
 *
 *   bp_trainer trainer;
 *   bp_trainer_init(&trainer, &net, &adam, &data, &(bp_train_config){ .epochs = 20, .batch = 64 });
 *   while (!trainer.is_done && bp_trainer_run(&trainer, &(bp_run_limit){ .milliseconds = 5 }) == BP_OK)
 *       draw_the_next_frame();
 *   bp_trainer_free(&trainer);
 *
 * However it is cut into pieces, the run computes the same bits. bp_train() is a trainer run to the end.
 */
#ifndef BACKPROP_TRAINER_H
#define BACKPROP_TRAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/dataset.h"
#include "backprop/loss.h"
#include "backprop/memory.h"
#include "backprop/metrics.h"
#include "backprop/network.h"
#include "backprop/optimizer.h"
#include "backprop/precision.h"
#include "backprop/scaling.h"
#include "backprop/schedule.h"
#include "backprop/status.h"
#include "backprop/threads.h"

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
    size_t rows;           /**< trained on in an epoch */
    bp_real loss;          /**< of the step's rows, before its update, penalties left out */
    bp_real epoch_loss;    /**< of the epoch so far: the mean of those losses, each weighted by its rows (by their weights,
                                  where there are any); the sum for BP_REDUCE_SUM */
    bp_real learning_rate; /**< of the step */
    const bp_metrics_result *validation; /**< metrics of the validation rows after the epoch, in on_epoch; else NULL. Its
                                              `loss` is the training's loss on them, in inference mode */
    size_t best_epoch;                   /**< with the lowest validation loss so far, the first of equals; 0: none yet, or
                                              no validation */
} bp_progress;

/** What a callback wants. */
typedef enum bp_signal {
    BP_CONTINUE = 0, /**< go on */
    BP_STOP = 1      /**< end training after this step; the parameters stay as they are, unless restore_best is set */
} bp_signal;

/**
 * A user's function, called in the thread that trains. It must not change the network, the optimizer or the data, nor call
 * anything but bp_trainer_cancel() and bp_trainer_save() on the trainer.
 */
typedef bp_signal (*bp_train_callback)(const bp_progress *progress, void *user);

/** Settings of a training run. A zeroed struct trains 100 epochs of shuffled batches of 32 on the squared error. */
typedef struct bp_train_config {
    size_t epochs;        /**< passes through the data; default 0: 100. The history takes 2 numbers for each of them in
                               advance, with validation 4 */
    size_t batch;         /**< rows of a forward pass; more than there are means all. Default 0: 32. The last batch of an
                               epoch is smaller where the rows do not divide; with batch normalization a last batch of one
                               row joins the batch before it */
    size_t accumulate;    /**< batches of a step, their gradients added up to that of all their rows (batch normalization
                               still normalizes each by itself). The last step of an epoch has what is left. Default 0: 1 */
    bp_loss loss;         /**< default: mean of 1/2 sum (y - t)^2 */
    bool keep_order;      /**< take the rows in their order. Default false: a new order each epoch. One batch of all rows
                               is never shuffled */
    uint64_t seed;        /**< of shuffling, dropout, noise and the validation split; default 0, a seed like any other */
    bp_real target_loss;  /**< >= 0: end after the first epoch whose loss is at or below it. Default 0: never */
    bp_schedule schedule; /**< of the learning rate, from the optimizer's on, which has that one again when bp_train() or
                               bp_trainer_run() returns; steps and epochs count from the start of the run.
                               BP_SCHEDULE_PLATEAU looks at the validation loss, without validation at the epoch's. Default:
                               constant */
    bp_real input_noise;  /**< standard deviation of normal noise added to the inputs, in the network's units; >= 0, finite.
                               Default 0: none */
    bp_scaling_kind scale_inputs;  /**< fit this scaling of the inputs on the training rows, unless the network has one.
                                        Default BP_SCALE_NONE. A scaling that the network has is always used */
    bp_scaling_kind scale_targets; /**< the same for the targets, which must be values; not for sigmoid or softmax outputs,
                                        nor for losses that do not take every number as a target */

    const bp_dataset *validation; /**< rows to watch, never trained on; stays the user's. Default NULL */
    bp_real validation_fraction;  /**< in [0, 1): share of the rows split off for that, instead, as bp_split() does it with
                                       this fraction and seed, keep_order and stratified. Default 0: none */
    bool stratified;              /**< the split has each class in proportion. Default false */
    size_t patience;              /**< end after so many epochs in a row without a lower validation loss, and return to the
                                       network's parameters and state of the best epoch. Default 0: never */
    bp_real min_improvement;      /**< patience only counts a loss as lower if it is by more than this below the last one
                                       that counted; >= 0, finite. Default 0: any. The best epoch is that of the lowest
                                       loss, whatever this is */
    bool restore_best;            /**< return to the best also when training ends otherwise, by an error too; not when it is
                                       only interrupted. The optimizer stays where it is. Default false */

    bp_train_callback on_step;  /**< after each step; default NULL: none */
    bp_train_callback on_epoch; /**< after each epoch, when its last on_step and validation are done; default NULL: none */
    void *user;                 /**< handed to both; the library never reads it */
    const bp_threads *threads;  /**< who shares the work; stays the user's. Default NULL: the caller alone */
    const bp_allocator *allocator; /**< of the memory for the run and the report; default NULL: the network's */
} bp_train_config;

/** Why training ended. The values are fixed. */
typedef enum bp_stop_reason {
    BP_STOPPED_NOT = 0,      /**< it has not begun, or is not at its end: it was interrupted */
    BP_STOPPED_EPOCHS = 1,   /**< all epochs are done */
    BP_STOPPED_TARGET = 2,   /**< the target loss is reached */
    BP_STOPPED_CALLBACK = 3, /**< a callback said so */
    BP_STOPPED_DIVERGED = 4, /**< loss, gradient or parameters were no longer finite */
    BP_STOPPED_ERROR = 5,    /**< another error; see the status */
    BP_STOPPED_PATIENCE = 6, /**< no improvement on the validation rows for too long */
    BP_STOPPED_CANCELLED = 7 /**< bp_trainer_cancel(); a further bp_trainer_run() goes on */
} bp_stop_reason;

/** What happened. Free the one of bp_train() with bp_train_report_free(); a trainer's goes with the trainer. */
typedef struct bp_train_report {
    bp_stop_reason reason;
    size_t n_epochs;  /**< complete epochs: so many entries in the arrays */
    uint64_t n_steps; /**< steps, those of an incomplete epoch included */
    bp_real *losses;  /**< training loss: row-weighted mean (or sum) of the batch losses, each before its update */
    bp_real *validation_losses; /**< NULL without validation */
    bp_real
        *validation_scores;  /**< accuracy where the targets are labels or the loss is a cross-entropy (of several sigmoid
                                     outputs with targets as values: over rows and outputs), else R2; NaN where there is
                                     none, as for R2 of a single row. NULL without validation */
    bp_real *learning_rates; /**< of the last step of the epoch */
    size_t best_epoch;       /**< 1-based; 0: none */
    size_t epoch;            /**< the last epoch that began, 1-based; where it ended if it did not complete */
    size_t step;             /**< the last step that was tried in that epoch, 1-based */
    bp_real loss;            /**< of that step's rows */
    bp_real learning_rate;   /**< of that step */
    bp_allocator allocator;
    void *block;
} bp_train_report;

/** Gives the memory back and zeroes the struct. A zeroed or null `report` is fine. */
void bp_train_report_free(bp_train_report *report);

/**
 * A training run. Yours to place and to move between calls, never to copy; network, optimizer and data must stay where they
 * are until it is freed. Read its fields, change none.
 */
typedef struct bp_trainer {
    bool is_done;               /**< there is nothing left to run */
    bp_progress progress;       /**< of the last step */
    bp_train_report report;     /**< so far */
    struct bp_trainer_run *run; /**< the rest is the library's */
} bp_trainer;

/** How far to run; zeroed: to the end. Whatever is reached first. */
typedef struct bp_run_limit {
    uint64_t steps;        /**< steps of the optimizer; 0: any number */
    uint64_t milliseconds; /**< looked at after each step, so that at least one is done; 0: any time */
} bp_run_limit;

/**
 * Checks everything, takes all memory, splits off validation rows and fits scaling where asked to, on the other rows;
 * trains nothing yet. Without BP_OK network (its scaling included) and optimizer are unchanged.
 *
 * @param trainer  made by this call, whatever it held before; zeroed when the call fails
 * @param net      its parameters will be trained; until bp_trainer_free() nothing else may change it
 * @param opt      made for net->parameters; its state and step count go on from where they are
 * @param data     copied; its arrays stay the user's
 * @param config   copied; what it points to must stay
 * @return BP_OK, or as bp_train()
 */
bp_status bp_trainer_init(bp_trainer *trainer, bp_network *net, bp_optimizer *opt, const bp_dataset *data,
                          const bp_train_config *config);

/**
 * Goes on training until a limit, the end, or bp_trainer_cancel().
 *
 * While it is interrupted the network may be used for predictions, and opt->learning_rate changed: the schedule goes on
 * from the new one. Parameters in the middle of an epoch have not been looked at for numbers that are not finite.
 *
 * @param limit  NULL: to the end
 * @return BP_OK: trainer->is_done and report.reason say how it stands, and there is nothing to do if it is done already;
 *         BP_ERR_STATE if not initialised; BP_ERR_DIVERGED and other errors as bp_train(): it is done then
 */
bp_status bp_trainer_run(bp_trainer *trainer, const bp_run_limit *limit);

/**
 * Makes a bp_trainer_run() that is under way return after the step that it is at, or else the next one before its
 * first: with BP_OK and the reason BP_STOPPED_CANCELLED, unless training ends with that step anyway. A tiny network may
 * finish the steps that it takes at once, 128 rows at most. From any thread, and from a signal handler, as long as the
 * trainer is not made, moved or freed meanwhile. A null or unmade trainer is fine.
 */
void bp_trainer_cancel(bp_trainer *trainer);

/**
 * Gives the memory back and zeroes the struct; network and optimizer stay as they are. A zeroed or null trainer is fine.
 */
void bp_trainer_free(bp_trainer *trainer);

#ifdef __cplusplus
}
#endif

#endif
