// SPDX-License-Identifier: MIT
/*
 * Networks so small that the calls of a step take longer than its arithmetic: forward, backward or whole steps in one call.
 */
#ifndef BPI_NET_SMALL_H
#define BPI_NET_SMALL_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/network.h"
#include "backprop/status.h"
#include "backprop/workspace.h"
#include "net/layer.h"

/**
 * Whether a network is small: few units and parameters, and layers that are W, perhaps b, and an elementwise function, without
 * normalization or dropout. False for all while bpi_products_force_gemm() is on.
 */
bool bpi_network_is_small(const bp_network *net);

/** Y = what a small network makes of X, in its own units. BP_OK: it is the last that bp_predict() calls. */
bp_status bpi_small_predict(const bp_network *net, size_t batch, const bp_real *X, bp_real *Y);

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
 * Whether all parameters are finite, and none is -0 or below the range of normal numbers. May be false all the same: it is the quick
 * way to see that there is nothing to see.
 */
bool bpi_small_is_normal(const bp_network *net);

/** Batches that lie one behind the other. */
struct bpi_small_batches {
    size_t n, batch;      /**< how many, and rows of each */
    const bp_real *X, *T; /**< n batch x n_in and x n_out */
    double share;         /**< what the loss of a row counts: 1 / batch for a mean */
};

/**
 * Forward, squared error and backward of one batch after the other through a small network, with the bits of all three. With the
 * parameters as the sink these are steps of plain descent.
 *
 * @param sink  receives the gradient of each batch, as bpi_layer_parameter_gradient() puts it
 * @param L     n losses, each share times the sum over the rows
 * @return how many batches were done: those before the first whose loss is not finite, which is the last in L and puts nothing
 */
size_t bpi_small_steps(const bp_network *net, const struct bpi_small_batches *batches, const struct bpi_sink *sink,
                       double *L);

/**
 * The same n times over: epochs of plain descent. Ends early, too, after an epoch that is not the last and leaves what
 * bpi_small_is_normal() asks to look at.
 *
 * @param L  n times batches->n losses
 * @return how many batches were done; if not all, L[that] is the loss that is not finite, or 0 at the end of such an epoch
 */
size_t bpi_small_epochs(const bp_network *net, const struct bpi_small_batches *batches, size_t n,
                        const struct bpi_sink *sink, double *L);

#endif
