// SPDX-License-Identifier: MIT
/*
 * A step of the optimizer, with the batches that it needs.
 */
#ifndef BPI_TRAIN_STEP_H
#define BPI_TRAIN_STEP_H

#include "base/real.h"

#include "train/run.h"

/**
 * Takes the rows from run->next_row on and changes the parameters; notes it in `at`. On failure they may be half changed.
 */
bp_status bpi_run_step(struct bp_trainer_run *run, bp_progress *at);

/** Gives the optimizer the rate that the schedule has for the step to come, or says what is wrong with it. */
bp_status bpi_run_set_rate(struct bp_trainer_run *run, bp_progress *at);

/** What a row of a batch of n counts in its loss. */
double bpi_run_share_of_row(const struct bp_trainer_run *run, size_t n);

/** BP_ERR_DIVERGED, with what was not finite ("the loss is"), where, and what the network will have in its place. */
bp_status bpi_run_diverged(const struct bp_trainer_run *run, const bp_progress *at, const char *what);

#endif
