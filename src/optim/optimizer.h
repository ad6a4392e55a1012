// SPDX-License-Identifier: MIT
/*
 * A step in its parts, for those who hand over the parameters piece by piece or let a matrix product do the update.
 */
#ifndef BPI_OPTIM_OPTIMIZER_H
#define BPI_OPTIM_OPTIMIZER_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/optimizer.h"
#include "backprop/status.h"
#include "base/pool.h"

/** Refuses a null, unmade or mismatched optimizer and a learning rate that is none; `function` stands in the sentence. */
bp_status bpi_optimizer_check(const char *function, const bp_optimizer *opt, const bp_parameters *parameters);

/**
 * Whether a step is p -= r g for all parameters and nothing else, so that a matrix
 * product with alpha = -r can be the update.
 */
bool bpi_optimizer_is_plain(const bp_optimizer *opt, const bp_parameters *parameters);

/** Whether the rule makes sense only with the gradient of all rows (Rprop), so that mini-batches are to be refused. */
bool bpi_optimizer_needs_full_batch(const bp_optimizer *opt);

/** Advances what a step has one of: the count and the factors that follow from it. */
void bpi_optimizer_begin_step(bp_optimizer *opt);

/**
 * Steps some rows of a segment, penalties, clipping by value and max-norm included: after bpi_optimizer_begin_step(), each
 * row of what is not frozen once, in any order and from any number of threads. Their gradient is finite.
 *
 * opt->clip_factor is that of the last bp_optimizer_step(), 1 before the first: clip_norm needs the whole gradient, so with
 * it, and with BP_RPROP_PLUS, which needs the loss, only bp_optimizer_step() will do.
 *
 * @param segment  not frozen
 * @param p, g     parameters and gradient from row `first` of the segment on
 */
void bpi_optimizer_step_range(const bp_optimizer *opt, const bp_segment *segment, size_t first, size_t rows, bp_real *p,
                              const bp_real *g);

/** bp_optimizer_step() on the threads of a pool; NULL: by the caller alone. Pools of any size give the same bits as none. */
bp_status bpi_optimizer_step(bp_optimizer *opt, const bp_parameters *parameters, const bp_real *grad, bp_real loss,
                             struct bp_threads_pool *pool);

/** Sets what is below the range of normal numbers to 0, for updates that a matrix product has made. */
void bpi_optimizer_flush(size_t n, bp_real *p);

#endif
