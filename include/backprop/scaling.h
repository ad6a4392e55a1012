// SPDX-License-Identifier: MIT
/*
 * Scaling of inputs and targets to numbers that training likes, column by column:
 *
 *   x' = (x - center) / scale,    back: x = x' scale + center.
 *
 * A network carries the numbers (bp_network_set_scaling(), or bp_network_fit_scaling() out of
 * data) and bp_predict() applies them.
 */
#ifndef BACKPROP_SCALING_H
#define BACKPROP_SCALING_H

#include "backprop/precision.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How center and scale of a column follow from its numbers. The values are fixed. */
typedef enum bp_scaling_kind {
    BP_SCALE_NONE = 0,  /**< not at all */
    BP_STANDARDISE = 1, /**< center: the mean; scale: the standard deviation sqrt(sum (x - mean)^2 / n). x' has mean 0 and
                             variance 1 */
    BP_MIN_MAX = 2,     /**< center: the smallest; scale: the largest less the smallest. x' is in [0, 1] */
    BP_N_SCALING_KINDS  /**< how many there are; grows with versions. A constant column always has the scale 1 */
} bp_scaling_kind;

/** The name: "none", "standardise", "min_max"; "unknown" for other values. Static text; any thread. */
const char *bp_scaling_name(bp_scaling_kind kind);

#ifdef __cplusplus
}
#endif

#endif
