// SPDX-License-Identifier: MIT
/*
 * What training, evaluating and fitting refuse before they begin.
 */
#ifndef BPI_TRAIN_CHECK_H
#define BPI_TRAIN_CHECK_H

#include "base/real.h"

#include "backprop/trainer.h"

/** Everything that needs no measuring. */
bp_status bpi_train_check(const bp_network *net, const bp_optimizer *opt, const bp_dataset *data,
                          const bp_train_config *config);

/** Refuses what is no scaling; `name` is the setting's. */
bp_status bpi_check_scaling_kind(const char *function, const char *name, bp_scaling_kind kind);

/** Refuses row numbers that are not there, and none at all. `rows` NULL, for all, is fine. */
bp_status bpi_check_rows(const char *function, const bp_dataset *data, const size_t *rows, size_t n_rows);

/** Whether data are as wide as the network, good in themselves, and such as the loss (NULL: any) takes. */
bp_status bpi_check_data(const char *function, const bp_network *net, const bp_dataset *data, const bp_loss *loss);

/**
 * Refuses targets and losses (NULL: any) that do not go with scaled outputs: classes, and
 * targets that are not just any number.
 */
bp_status bpi_check_scaled_targets(const char *function, const bp_network *net, const bp_dataset *data,
                                   const bp_loss *loss);

#endif
