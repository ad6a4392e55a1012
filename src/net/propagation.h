// SPDX-License-Identifier: MIT
/*
 * The backward walk with its sink in the caller's hands: what the trainer uses to descend without a gradient.
 */
#ifndef BPI_NET_PROPAGATION_H
#define BPI_NET_PROPAGATION_H

#include "base/real.h"

#include "backprop/propagation.h"
#include "net/layer.h"

/**
 * The backward walk of bp_network_backward(), on arguments already checked.
 *
 * A layer's dA_in is computed before the layer's own numbers go into the sink, so the sink may be net's parameters. The
 * walk ends at the lowest layer of which anything is wanted.
 *
 * @param dY    NULL: start from ws->dZ
 * @param sink  NULL: no gradient of the parameters
 * @param dX    NULL: none; else dX = gradient + beta_dX dX
 */
void bpi_network_backward(const bp_network *net, bp_workspace *ws, const bp_real *dY, const struct bpi_sink *sink,
                          bp_real *dX, bp_real beta_dX);

#endif
