// SPDX-License-Identifier: MIT
/*
 * Steps of a small network, many in one call: what stands between them would take longer than they do.
 */
#ifndef BPI_TRAIN_AT_ONCE_H
#define BPI_TRAIN_AT_ONCE_H

#include "base/real.h"

#include "train/run.h"

/** bpi_run_step(), or up to `most` of one epoch with nothing between them: the same to the bit. */
bp_status bpi_run_steps(struct bp_trainer_run *run, bp_progress *at, uint64_t most);

/**
 * Several whole epochs, where nobody is to see what is between them: notes all but the last in the report, and leaves run and `at`
 * as the steps of the last one would. It stands at the beginning of an epoch. Nothing of it fails: of epochs that would end
 * training, or not come to their end, only those before are done.
 *
 * @param most  of steps
 * @return whether that was done; else nothing has changed but what the first step sets, too, and the epoch goes by steps
 */
bool bpi_run_epochs(struct bp_trainer_run *run, bp_progress *at, bp_train_report *report, uint64_t most);

#endif
