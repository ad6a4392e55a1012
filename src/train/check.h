// SPDX-License-Identifier: MIT
/*
 * What training and evaluating refuse before they begin.
 */
#ifndef BPI_TRAIN_CHECK_H
#define BPI_TRAIN_CHECK_H

#include "base/real.h"

#include "backprop/trainer.h"

/** Everything that needs no measuring. */
bp_status bpi_train_check(const bp_network *net, const bp_optimizer *opt, const bp_dataset *data,
                          const bp_train_config *config);

/** Whether data are as wide as the network, good in themselves, and such as the loss (NULL: any) takes. */
bp_status bpi_check_data(const char *function, const bp_network *net, const bp_dataset *data, const bp_loss *loss);

/** Refuses targets and losses that do not go with scaled outputs: classes, and targets that must not be just any number. */
bp_status bpi_check_scaled_targets(const char *function, const bp_network *net, const bp_dataset *data,
                                   const bp_loss *loss);

#endif
