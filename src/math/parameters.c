// SPDX-License-Identifier: MIT
/*
 * Finding one's way in a block of parameters.
 */
#include "base/real.h"

#include "backprop/parameters.h"

const bp_segment *bp_parameters_segment(const bp_parameters *parameters, size_t index)
{
    if (parameters == NULL || index >= parameters->n_params)
        return NULL;

    /* The last segment that begins at or before index: low's begins there, high's does not. */
    size_t low = 0, high = parameters->n_segments;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (parameters->segments[middle].offset <= index)
            low = middle;
        else
            high = middle;
    }
    return &parameters->segments[low];
}

const char *bp_segment_name(bp_segment_kind kind)
{
    static const char *const names[] = {
        [BP_WEIGHT] = "weight", [BP_BIAS] = "bias", [BP_GAMMA] = "gamma", [BP_BETA] = "beta"
    };
    return (size_t)kind < BP_N_SEGMENT_KINDS ? names[kind] : "unknown";
}
