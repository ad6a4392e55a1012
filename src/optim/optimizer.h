// SPDX-License-Identifier: MIT
/*
 * A step in its two halves, for those who hand over the parameters piece by piece or let a matrix product do the update.
 */
#ifndef BPI_OPTIM_OPTIMIZER_H
#define BPI_OPTIM_OPTIMIZER_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/optimizer.h"
#include "backprop/status.h"

/** Refuses a null, unmade or mismatched optimizer and a learning rate that is none; `function` stands in the sentence. */
bp_status bpi_optimizer_check(const char *function, const bp_optimizer *opt, const bp_parameters *parameters);

/** Whether a step is p -= r g for all parameters and nothing else, so that a matrix product with alpha = -r can be the update. */
bool bpi_optimizer_is_plain(const bp_optimizer *opt, const bp_parameters *parameters);

/** Advances what a step has one of: the count and the factors that follow from it. */
void bpi_optimizer_begin_step(bp_optimizer *opt);

/** Sets what is below the range of normal numbers to 0, for updates that a matrix product has made. */
void bpi_optimizer_flush(size_t n, bp_real *p);

/** Steps n numbers from `offset` of the parameters on; p and g point to the first of them. Their gradient is finite. */
void bpi_optimizer_step_range(bp_optimizer *opt, size_t offset, size_t n, bp_real *p, const bp_real *g);

#endif
