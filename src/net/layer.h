// SPDX-License-Identifier: MIT
/*
 * One dense layer on one batch: forward, and the gradient of everything that went in.
 */
#ifndef BPI_NET_LAYER_H
#define BPI_NET_LAYER_H

#include "base/real.h"

#include <stddef.h>

#include "backprop/network.h"

/** Z = A_in W^T + 1 b^T and A_out = f(Z); A_in batch x n_in, Z and A_out batch x n_out. A_out may be Z. */
void bpi_layer_forward(const bp_layer *layer, size_t batch, const bp_real *A_in, bp_real *Z, bp_real *A_out);

/** dZ = dA_out f'(Z) of the layer; all batch x n_out. dZ may be dA_out. */
void bpi_layer_pull_back(const bp_layer *layer, size_t batch, const bp_real *Z, const bp_real *A_out, const bp_real *dA_out,
                         bp_real *dZ);

/**
 * Where a layer's gradient goes: W_to = alpha dW + beta W_to, and b_to alike.
 *
 * (grad, 1, 0) makes a gradient, (grad, 1, 1) adds to one, and (params, -rate, 1) is gradient descent itself, without
 * a gradient ever being stored.
 */
struct bpi_sink {
    bp_real *base; /**< a block laid out as the parameters */
    bp_real alpha, beta;
};

/**
 * W_to = alpha dZ^T A_in + beta W_to (n_out x n_in) and b_to = alpha dZ^T 1 + beta b_to (n_out), the two places given by the
 * offset of W in the sink. `row` is scratch for n_out numbers, all 0 before and after.
 */
void bpi_layer_parameter_gradient(const bp_layer *layer, size_t batch, const bp_real *A_in, const bp_real *dZ,
                                  const struct bpi_sink *sink, size_t offset, bp_real *row);

/** dA_in = dZ W + beta dA_in; batch x n_in. */
void bpi_layer_input_gradient(const bp_layer *layer, size_t batch, const bp_real *dZ, bp_real beta, bp_real *dA_in);

#endif
