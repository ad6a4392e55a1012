// SPDX-License-Identifier: MIT
/*
 * The scaling of a network, fitted to the rows that a run trains on.
 */
#ifndef BPI_TRAIN_FIT_H
#define BPI_TRAIN_FIT_H

#include "base/real.h"

#include "train/run.h"

/**
 * Fits what the configuration asks for and gives it to the network. What the network has already stays: its parameters have
 * been trained for that. On failure the network is unchanged.
 */
bp_status bpi_run_fit_scaling(struct bp_trainer_run *run);

/** Takes from the network what bpi_run_fit_scaling() gave it. */
void bpi_run_take_back_scaling(struct bp_trainer_run *run);

#endif
