// SPDX-License-Identifier: MIT
/*
 * The way back: numbers of network and optimizer kept for later.
 */
#ifndef BPI_TRAIN_SNAPSHOT_H
#define BPI_TRAIN_SNAPSHOT_H

#include "base/real.h"

#include "train/run.h"

/** Keeps the numbers as they are now. */
void bpi_snapshot_take(struct bpi_snapshot *snapshot, const struct bp_trainer_run *run);

/** Gives the network its numbers back; the optimizer stays. */
void bpi_snapshot_return_network(const struct bpi_snapshot *snapshot, struct bp_trainer_run *run);

/** Gives network and optimizer their numbers back; of the optimizer's, the learning rate stays. */
void bpi_snapshot_return_all(const struct bpi_snapshot *snapshot, struct bp_trainer_run *run);

/** What is not finite any more, as the beginning of a sentence: "a parameter is". NULL: nothing. */
const char *bpi_run_not_finite(const struct bp_trainer_run *run);

#endif
