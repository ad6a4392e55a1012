// SPDX-License-Identifier: MIT
/*
 * The smallest move of a run: a step, with the epoch that it begins or ends.
 */
#ifndef BPI_TRAIN_EPOCH_H
#define BPI_TRAIN_EPOCH_H

#include "base/real.h"

#include "train/run.h"

/** Does one step and what belongs to it: callbacks, validation, history. Sets report->reason if training ends with it. */
bp_status bpi_run_move(struct bp_trainer_run *run, bp_progress *at, bp_train_report *report);

#endif
