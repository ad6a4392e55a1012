// SPDX-License-Identifier: MIT
/*
 * Activation functions: A = f(Z), applied to what a layer computes before it is handed on.
 */
#ifndef BACKPROP_ACTIVATION_H
#define BACKPROP_ACTIVATION_H

#include "backprop/precision.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * f(z), elementwise but for softmax. In brackets the derivative taken at a kink. The values are fixed.
 */
typedef enum bp_activation {
    BP_IDENTITY = 0,   /**< z */
    BP_SIGMOID = 1,    /**< 1 / (1 + e^-z) */
    BP_TANH = 2,       /**< tanh z */
    BP_RELU = 3,       /**< max(z, 0) [0] */
    BP_LEAKY_RELU = 4, /**< z > 0 ? z : p z [p], with parameter p, default 0.01 */
    BP_SOFTMAX = 5,    /**< e^(z_j) / sum_k e^(z_k) over the units of a row */
    BP_N_ACTIVATIONS   /**< how many there are; grows with versions */
} bp_activation;

/** The name in the enumeration, lower case, for example "leaky_relu"; "unknown" for other values. Static text; any thread. */
const char *bp_activation_name(bp_activation activation);

#ifdef __cplusplus
}
#endif

#endif
