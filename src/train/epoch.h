// SPDX-License-Identifier: MIT
/*
 * The smallest move of a run: steps of one epoch, with the epoch that they begin or end, or several small epochs.
 */
#ifndef BPI_TRAIN_EPOCH_H
#define BPI_TRAIN_EPOCH_H

#include "base/real.h"

#include "train/run.h"

/**
 * Does up to `most` steps, at least one, and what belongs to them: callbacks, validation, history. Ends early where an epoch does,
 * after a step that on_step is called for, and when the run is cancelled. Sets report->reason if training ends.
 */
bp_status bpi_run_move(struct bp_trainer_run *run, bp_progress *at, bp_train_report *report, uint64_t most);

/**
 * Does what was still to come behind the callback in which the run was saved, of which there is nothing in a run that was not
 * restored: the end of the epoch, or only to see whether training ends with it.
 */
bp_status bpi_run_catch_up(struct bp_trainer_run *run, bp_progress *at, bp_train_report *report);

/** What the settings say, callbacks aside, about going on after a whole epoch; BP_STOPPED_NOT: go on. */
bp_stop_reason bpi_run_reason_to_stop(const struct bp_trainer_run *run, const bp_progress *at);

#endif
