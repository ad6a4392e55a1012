// SPDX-License-Identifier: MIT
/*
 * An optimizer's settings: which rule takes which, their ranges and defaults.
 */
#ifndef BPI_OPTIM_SETTINGS_H
#define BPI_OPTIM_SETTINGS_H

#include "base/real.h"

#include "backprop/optimizer.h"
#include "backprop/status.h"

/**
 * Copies `config` to *settings, fills in the defaults, leaves the allocator out.
 * Refuses what bp_optimizer_config rules out.
 */
bp_status bpi_optimizer_settings(const bp_optimizer_config *config, bp_optimizer_config *settings);

#endif
