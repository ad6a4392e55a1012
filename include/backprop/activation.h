// SPDX-License-Identifier: MIT
/*
 * Activation functions: A = f(Z), applied to what a layer computes before it is handed on.
 */
#ifndef BACKPROP_ACTIVATION_H
#define BACKPROP_ACTIVATION_H

#include <stddef.h>

#include "backprop/precision.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * f(z), elementwise but for softmax. In brackets the derivative taken at a kink. p is the layer's parameter. Where a source
 * is not named the function is older than its use here. The values are fixed.
 */
typedef enum bp_activation {
    BP_IDENTITY = 0,           /**< z */
    BP_SIGMOID = 1,            /**< 1 / (1 + e^-z) */
    BP_TANH = 2,               /**< tanh z */
    BP_RELU = 3,               /**< max(z, 0) [0] */
    BP_LEAKY_RELU = 4,         /**< z > 0 ? z : p z [p]; default p 0.01 (Maas, Hannun and Ng, ICML 2013) */
    BP_SOFTMAX = 5,            /**< e^(z_j) / sum_k e^(z_k) over the units of a row */
    BP_ELU = 6,                /**< z > 0 ? z : p (e^z - 1); default p 1 (Clevert, Unterthiner and Hochreiter, ICLR 2016) */
    BP_SELU = 7,               /**< 1.0507... (z > 0 ? z : 1.6732... (e^z - 1)) (Klambauer et al., NeurIPS 2017) */
    BP_GELU = 8,               /**< z Phi(z), Phi the normal distribution's (Hendrycks and Gimpel, 2016) */
    BP_GELU_TANH = 9,          /**< z/2 (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3))), the same paper's approximation */
    BP_SILU = 10,              /**< z sigmoid(z), also called swish */
    BP_MISH = 11,              /**< z tanh(log(1 + e^z)) (Misra, BMVC 2020) */
    BP_SOFTPLUS = 12,          /**< log(1 + e^z) */
    BP_SOFTSIGN = 13,          /**< z / (1 + |z|), Elliott's function */
    BP_HARD_SIGMOID = 14,      /**< min(max(z + 3, 0), 6) / 6 [0] */
    BP_HARD_TANH = 15,         /**< min(max(z, -1), 1) [0] */
    BP_GAUSSIAN = 16,          /**< e^(-z^2) */
    BP_SINE = 17,              /**< sin z */
    BP_CUSTOM_ACTIVATION = 18, /**< the layer's bp_activation_function */
    BP_N_ACTIVATIONS           /**< how many there are; grows with versions */
} bp_activation;

/**
 * A function of the user's with its derivative, which go together. Both are called from every thread that uses the network.
 *
 * All arrays are rows x n, row-major. `parameter` is the layer's.
 */
typedef struct bp_activation_function {
    const char *name; /**< for messages and files, not empty */
    /** A = f(Z). A may be Z. */
    void (*apply)(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A);
    /** dZ = the gradient dA carried back through f: dZ_j = sum_k dA_k df_k/dz_j. dZ may be dA. */
    void (*pull_back)(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                      const bp_real *dA, bp_real *dZ);
    void *user; /**< handed to both; the library never reads it */
} bp_activation_function;

/**
 * The name in the enumeration, lower case, for example "leaky_relu"; "unknown" for other values. Static text; any thread.
 */
const char *bp_activation_name(bp_activation activation);

#ifdef __cplusplus
}
#endif

#endif
