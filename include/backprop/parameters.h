// SPDX-License-Identifier: MIT
/*
 * The parameters of a network as optimizers see them: one block of numbers, and what its segments mean.
 */
#ifndef BACKPROP_PARAMETERS_H
#define BACKPROP_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

#include "backprop/precision.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a segment holds. The values are fixed. */
typedef enum bp_segment_kind {
    BP_WEIGHT = 0, /**< W of a layer, n_out x n_in */
    BP_BIAS = 1,   /**< b of a layer, n_out */
    BP_GAMMA = 2,  /**< gamma of a normalized layer, n_out */
    BP_BETA = 3,   /**< beta of a normalized layer, n_out */
    BP_N_SEGMENT_KINDS
} bp_segment_kind;

/** One array of one layer, as a stretch of the parameter block (and, at the same place, of a gradient). */
typedef struct bp_segment {
    size_t offset;        /**< of the first number, from the start of the block */
    size_t n;             /**< how many numbers */
    size_t rows;          /**< rows of the array; n / rows columns. 1 but for weights */
    size_t layer;         /**< 0-based */
    bp_segment_kind kind; /**< what the numbers are */
    bool frozen;          /**< an optimizer leaves it alone */
} bp_segment;

/**
 * All parameters of a network, layer by layer W, then b unless the layer has none, then gamma and beta where it is
 * normalized: one to four segments a layer. Views: network and parameters live in one block of memory.
 */
typedef struct bp_parameters {
    bp_real *params;            /**< n_params, aligned to 64 bytes */
    size_t n_params;            /**< sum of the segments' n */
    const bp_segment *segments; /**< n_segments, by rising offset, without gaps */
    size_t n_segments;
} bp_parameters;

/**
 * Which segment holds the number at `index` of the block.
 *
 * @return the segment, or NULL if `parameters` is NULL or `index` is not below n_params. Any thread.
 */
const bp_segment *bp_parameters_segment(const bp_parameters *parameters, size_t index);

/** The name of a segment kind as in messages: "weight", "bias", "gamma", "beta"; "unknown" for others. Static text. */
const char *bp_segment_name(bp_segment_kind kind);

#ifdef __cplusplus
}
#endif

#endif
