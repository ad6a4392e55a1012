// SPDX-License-Identifier: MIT
/*
 * What happens to the loss's gradient before a rule gets it: penalties, clipping, checking.
 */
#ifndef BPI_OPTIM_GRADIENT_H
#define BPI_OPTIM_GRADIENT_H

#include "base/real.h"

#include <stddef.h>

#include "backprop/optimizer.h"
#include "backprop/parameters.h"
#include "backprop/status.h"

/**
 * Refuses a gradient that, with its penalties, is not finite or too large for the rule;
 * frozen segments aside. Writes nothing.
 */
bp_status bpi_gradient_check(const bp_optimizer *opt, const bp_parameters *parameters, const bp_real *grad);

/**
 * What clip_norm multiplies this gradient by, penalties and clip_value included; 1
 * without clip_norm. The gradient is finite.
 */
double bpi_gradient_clip_factor(const bp_optimizer *opt, const bp_parameters *parameters, const bp_real *grad);

/**
 * The gradient as the rule gets it: g of n <= BPI_CHUNK numbers p of one segment, with penalties, clipped, with weight
 * decay where that is part of it. opt->clip_factor is this step's.
 *
 * @param buffer  n numbers, holds the result unless there is nothing to do
 * @return buffer or g
 */
const bp_real *bpi_gradient_prepare(const bp_optimizer *opt, bp_segment_kind kind, size_t n, const bp_real *p,
                                    const bp_real *g, bp_real *buffer);

#endif
