// SPDX-License-Identifier: MIT
/*
 * Networks so small that the calls of a step take longer than its arithmetic: forward, backward or both in one call.
 */
#ifndef BPI_NET_SMALL_H
#define BPI_NET_SMALL_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/network.h"
#include "backprop/workspace.h"
#include "net/layer.h"

/**
 * Whether a network is small: few units and parameters, and layers that are W, perhaps b, and an elementwise function, without
 * normalization or dropout. False for all while bpi_products_force_gemm() is on.
 */
bool bpi_network_is_small(const bp_network *net);

/** Y = what a small network makes of X, in its own units. */
void bpi_small_predict(const bp_network *net, size_t batch, const bp_real *X, bp_real *Y);

/** Fills Z and F of the workspace from its X and batch: bp_network_forward() of a small network. */
void bpi_small_forward(const bp_network *net, const bp_workspace *ws);

/** Where a backward pass begins, and what else than parameters gets a gradient. */
struct bpi_small_errors {
    const bp_workspace *ws; /**< of the forward pass */
    const bp_real *dY;      /**< NULL: begin from ws->dZ */
    bp_real *dX;            /**< dX = gradient + beta_dX dX; NULL: none */
    bp_real beta_dX;
};

/** bpi_network_backward() of a small network. `sink` may be NULL, and may be the parameters. */
void bpi_small_backward(const bp_network *net, const struct bpi_small_errors *errors, const struct bpi_sink *sink);

/**
 * Forward, squared error and backward of a batch through a small network in one, with the bits of all three.
 *
 * @param share  what the loss of a row counts: 1 / batch for a mean
 * @param sink   receives the gradient, as bpi_layer_parameter_gradient() puts it; nothing where the loss is not finite
 * @return the loss: share times the sum over the rows
 */
double bpi_small_step(const bp_network *net, size_t batch, const bp_real *X, const bp_real *T, double share,
                      const struct bpi_sink *sink);

#endif
