// SPDX-License-Identifier: MIT
/*
 * A run as contents of a file and back: model file (model/model_file.h), settings, position, arrays.
 *
 * checkpoint.c is how the public sees it, checkpoint_settings.c has what must be the same in file and run, checkpoint_position.c
 * the single numbers that say where a run stands, checkpoint_write.c and checkpoint_read.c the arrays, and the two ways.
 */
#ifndef BPI_TRAIN_CHECKPOINT_H
#define BPI_TRAIN_CHECKPOINT_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/checkpoint.h"
#include "store/contents.h"
#include "train/run.h"

/* ---- Settings -------------------------------------------------------------------------------------------------------- */

/** Adds, one entry each, the settings that the finished part of a run was computed with. The milestones are a tensor. */
void bpi_checkpoint_put_settings(struct bpi_contents *contents, const struct bp_trainer_run *run);

/**
 * Whether a file has the settings of this run.
 *
 * @return BP_OK; BP_ERR_FORMAT for an entry that is missing; BP_ERR_ARGUMENT, with both values, for one that
 *         differs, BP_ERR_UNSUPPORTED where that is the precision; BP_ERR_MEMORY
 */
bp_status bpi_checkpoint_check_settings(const struct bpi_safetensors *st, const struct bp_trainer_run *run);

/* ---- Position -------------------------------------------------------------------------------------------------------- */

/** Scalars of an optimizer. */
struct bpi_optimizer_scalars {
    double of_rule[BP_N_OPTIMIZER_SCALARS], clip_factor;
};

/** Where a run stands, its arrays aside. All else follows from it and the settings. */
struct bpi_position {
    uint64_t reason;                 /**< bp_stop_reason */
    uint64_t n_epochs;               /**< complete */
    uint64_t step;                   /**< steps done in the epoch under way; all of them: its end is still to come; 0: none
                                            is under way */
    double loss, learning_rate;      /**< of the last step */
    double epoch_loss, epoch_weight; /**< of the epoch under way, or the last one */
    uint64_t best_epoch;             /**< 0: none */
    double best_loss, loss_to_beat;  /**< infinity: none */
    uint64_t epochs_without_improvement;
    bp_plateau plateau;
    double base_rate; /**< the optimizer's, before the schedule */
    uint64_t n_optimizer_steps;
    struct bpi_optimizer_scalars optimizer, good; /**< now, and at the end of the last epoch at which all was finite */
};

/** Where the trainer stands. */
struct bpi_position bpi_position_of(const bp_trainer *trainer);

void bpi_position_put(struct bpi_contents *contents, const struct bpi_position *position);

/** Reads a position, and checks that a run with these settings can stand there. */
bp_status bpi_position_get(const struct bpi_safetensors *st, const struct bp_trainer_run *run,
                           struct bpi_position *position);

/** Moves a run there, arrays aside. The position is a checked one. */
void bpi_position_apply(const struct bpi_position *position, bp_trainer *trainer);

/** Whether the run has ended there. */
bool bpi_position_is_done(const struct bpi_position *position);

/**
 * Whether the numbers of the last good moment are others than the network's and the optimizer's now, so that they are in the
 * file, too: in the middle of an epoch, and after the end, where the best may have come back.
 */
bool bpi_position_has_good(const struct bpi_position *position);

/* ---- Arrays ---------------------------------------------------------------------------------------------------------- */

/** What the numbers of an array must be. */
enum bpi_checkpoint_numbers {
    BPI_ANY_NUMBERS,
    BPI_FINITE_NUMBERS,
    BPI_MOMENTS, /**< finite; mean squares and step sizes not negative: the optimizer's rule says which arrays these are */
};

/** An array of a run's, and the tensor that it is in a checkpoint. */
struct bpi_checkpoint_array {
    const char *name;
    bp_real *values;
    size_t n_dims;
    uint64_t dims[2]; /**< one of them 0: there is no such tensor */
    enum bpi_checkpoint_numbers numbers;
};

enum { BPI_CHECKPOINT_ARRAYS = 10 };

/** The arrays of numbers that a checkpoint at this position has besides the network's own. */
void bpi_checkpoint_arrays(const bp_trainer *trainer, const struct bpi_position *position,
                           struct bpi_checkpoint_array arrays[BPI_CHECKPOINT_ARRAYS]);

/** Numbers of an array; 0: there is none. */
size_t bpi_checkpoint_array_size(const struct bpi_checkpoint_array *array);

/* ---- Both ways ------------------------------------------------------------------------------------------------------- */

/** Writes it all. The trainer is made. */
bp_status bpi_checkpoint_write(const bp_trainer *trainer, struct bpi_writer *writer);

/** Reads and checks all of it, then changes the trainer, its network and its optimizer; not at all on failure. */
bp_status bpi_checkpoint_read(bp_trainer *trainer, const struct bpi_safetensors *st);

#endif
