// SPDX-License-Identifier: MIT
/*
 * Steps of the optimizer, with the batches that they need.
 */
#ifndef BPI_TRAIN_STEP_H
#define BPI_TRAIN_STEP_H

#include "base/real.h"

#include "train/run.h"

/**
 * Does a step, or up to `most` of one epoch with nothing between them: takes the rows from run->next_row on and changes the
 * parameters; notes it in `at`. On failure they may be half changed.
 */
bp_status bpi_run_steps(struct bp_trainer_run *run, bp_progress *at, uint64_t most);

/** BP_ERR_DIVERGED, with what was not finite ("the loss is"), where, and what the network will have in its place. */
bp_status bpi_run_diverged(const struct bp_trainer_run *run, const bp_progress *at, const char *what);

#endif
