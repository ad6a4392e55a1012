// SPDX-License-Identifier: MIT
/*
 * One dense layer on one batch: forward, and the gradient of everything that went in.
 */
#ifndef BPI_NET_LAYER_H
#define BPI_NET_LAYER_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/network.h"
#include "math/products.h"

/**
 * The arrays of a layer in one pass, and how the pass goes. Batch x n_out each, but for A_in; bp_workspace says which
 * may be the same. The backward pass gets what the forward pass got.
 */
struct bpi_layer_pass {
    size_t batch;
    bool training;                /**< by the batch's statistics unless the layer is frozen, and with dropout */
    const bp_real *A_in;          /**< batch x n_in */
    bp_real *Z;                   /**< what the activation gets */
    bp_real *N;                   /**< normalized values; NULL: not to be kept, always when not training */
    bp_real *statistics;          /**< as bp_workspace has them; NULL with N */
    bp_real *F, *A;               /**< f(Z), and what is handed on */
    size_t index;                 /**< of the layer, ... */
    uint64_t seed, number;        /**< ... and seed and number of the pass: for dropout */
    bp_real *columns[2];          /**< scratch, n_out each, for a normalized layer */
    bp_real *row;                 /**< scratch, n_out numbers, all 0 before and after */
    struct bp_threads_pool *pool; /**< whose threads share the work; NULL: the caller does it */
};

/** Whether the derivative of the layer's activation reads what went in, Z, and what came out, F. */
bool bpi_layer_reads_Z(const bp_layer *layer);
bool bpi_layer_reads_F(const bp_layer *layer);

/** Whether the layer is normalized by what the batch itself gives, over its rows: so that one row is not enough. */
bool bpi_layer_needs_rows(const bp_layer *layer);

/** Z = A_in W^T + 1 b^T, normalized, F = f(Z), A = F dropped out. */
void bpi_layer_forward(const bp_layer *layer, const struct bpi_layer_pass *pass);

/** a = f(z) for one row. a may be z. */
void bpi_layer_apply(const bp_layer *layer, const bp_real *z, bp_real *a);

/**
 * z = W x + b, a = f(z) for one row, by own kernels. a may be z. False, nothing done: that is not all the layer does. Inline as
 * bpi_product_row() is.
 */
static inline bool bpi_layer_forward_row(const bp_layer *layer, struct bp_threads_pool *pool, const bp_real *x, bp_real *z,
                                         bp_real *a)
{
    if (layer->normalization != BP_NO_NORMALIZATION || !bpi_product_is_own(1))
        return false;
    const bool has_f = bpi_product_row_has(layer->activation);
    const struct bpi_row_product product = { .n_out = layer->n_out,
                                             .n_in = layer->n_in,
                                             .W = layer->W,
                                             .b = layer->b,
                                             .x = x,
                                             .z = z,
                                             .a = has_f ? a : z,
                                             .f = has_f ? layer->activation : BP_IDENTITY };
    bpi_product_row(pool, &product);
    if (!has_f)
        bpi_layer_apply(layer, z, a);
    return true;
}

/** dZ for the activation's input: dA carried back through dropout and f. dZ may be dA. */
void bpi_layer_pull_back(const bp_layer *layer, const struct bpi_layer_pass *pass, const bp_real *dA, bp_real *dZ);

/**
 * Of a normalized layer: from dY, the gradient for the activation's input, to dZ, that for A_in W^T + 1 b^T. Leaves
 * dgamma and dbeta in pass->columns, for bpi_layer_parameter_gradient(). dZ may be dY.
 */
void bpi_layer_normalization_pull_back(const bp_layer *layer, const struct bpi_layer_pass *pass, const bp_real *dY,
                                       bp_real *dZ);

/**
 * Where a layer's gradient goes: W_to = alpha dW + beta W_to, and its other parameters alike.
 *
 * (grad, 1, 0) makes a gradient, (grad, 1, 1) adds to one, and (params, -rate, 1) is gradient descent itself, without
 * a gradient ever being stored.
 */
struct bpi_sink {
    bp_real *base; /**< a block laid out as the parameters */
    bp_real alpha, beta;
    bool skips_frozen; /**< nobody reads what frozen layers would get: it stays as it is, and is not computed */
};

/**
 * dW = dZ^T A_in (n_out x n_in), db = dZ^T 1 (n_out), and dgamma and dbeta as bpi_layer_normalization_pull_back() left
 * them go into the sink, each at the place that it has in `params`, the block of the network.
 *
 * Of the layer's parameters nothing is read, so the sink may be that block.
 */
void bpi_layer_parameter_gradient(const bp_layer *layer, const struct bpi_layer_pass *pass, const bp_real *dZ,
                                  const struct bpi_sink *sink, const bp_real *params);

/** dA_in = dZ W + beta dA_in; batch x n_in. */
void bpi_layer_input_gradient(const bp_layer *layer, const struct bpi_layer_pass *pass, const bp_real *dZ, bp_real beta,
                              bp_real *dA_in);

/** Both, dA_in = dZ W first: in one sweep over W where the sink is gradient descent and that is faster. */
void bpi_layer_gradients(const bp_layer *layer, const struct bpi_layer_pass *pass, const bp_real *dZ,
                         const struct bpi_sink *sink, const bp_real *params, bp_real *dA_in);

/** Takes the statistics of the pass into the layer's running ones; only for layers that need rows, and batch >= 2. */
void bpi_layer_update_state(const bp_layer *layer, size_t batch, const bp_real *statistics);

#endif
