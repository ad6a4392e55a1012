// SPDX-License-Identifier: MIT
/*
 * Is the gradient right? Backpropagation against differences of the loss.
 */
#ifndef BACKPROP_GRADIENT_CHECK_H
#define BACKPROP_GRADIENT_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "backprop/loss.h"
#include "backprop/network.h"
#include "backprop/parameters.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The worst component found, and how many were looked at. */
typedef struct bp_gradient_check_report {
    bp_real max_relative_error; /**< |a - n| / max(|a|, |n|, 1e-8 times the largest |a| of all); 0 where nothing differs */
    bp_real analytic;           /**< a: the component by bp_network_backward() */
    bp_real numeric;            /**< n: the same by differences of the loss */
    bool in_input;              /**< it belongs to dX, not to the parameters */
    size_t index;               /**< of the component in grad or in dX */
    size_t layer;               /**< whose parameter it is, 0-based; unused for dX */
    bp_segment_kind kind;       /**< of that parameter; unused for dX */
    size_t row, column;         /**< in W (other parameters: row 0), or in X */
    size_t n_checked;           /**< components compared: n_params + batch * n_in, less the following */
    size_t n_at_kink;           /**< components left out: a relu (or the like, or a loss) changes its piece however
                                     small the step is made */
} bp_gradient_check_report;

/**
 * Compares every component of the gradient, for parameters and inputs, with differences of the loss.
 *
 * n = (4 D(h/2) - D(h)) / 3, D(h) = (L(p + h) - L(p - h)) / 2h, wrong by O(h^4) and by the rounding of L over h. h is
 * eps^(1/5) max(1, |p|), made smaller where a relu of the network, or another function or a loss made of pieces, would
 * change its piece within it. In double precision the error of a right gradient is far below 1e-6, but for components much
 * smaller than the rest; single precision shows coarse mistakes only (below 1e-2). The pieces of a custom activation or
 * loss are not known: near a kink of theirs a large error may be none.
 *
 * Costs 4 forward passes a component, up to 28 beside a kink: meant for small networks and batches. Works on a copy;
 * the network is not changed. The passes are training passes: normalization by the batch's statistics, and dropout
 * with seed 0 and pass 0.
 *
 * @param net     read only
 * @param loss    read only
 * @param X       batch x n_in, finite
 * @param T       targets of the batch
 * @param batch   >= 1
 * @param report  receives the result; zeroed when the call fails
 * @return BP_OK, whatever the error found; else as bp_network_clone(), bp_workspace_init(), bp_network_forward() and
 *         bp_network_loss(), BP_ERR_MEMORY among them
 */
bp_status bp_gradient_check(const bp_network *net, const bp_loss *loss, const bp_real *X, const bp_targets *T, size_t batch,
                            bp_gradient_check_report *report);

#ifdef __cplusplus
}
#endif

#endif
