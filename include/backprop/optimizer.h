// SPDX-License-Identifier: MIT
/*
 * Optimizers: how a gradient changes parameters.
 *
 * An optimizer sees one block of numbers with its segments (bp_parameters), never a layer.
 */
#ifndef BACKPROP_OPTIMIZER_H
#define BACKPROP_OPTIMIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/memory.h"
#include "backprop/parameters.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The rule, with gradient g, parameters p, learning rate r and step t = 1, 2, ... The values are fixed. */
typedef enum bp_optimizer_kind {
    /** Gradient descent, p -= r g. With momentum u: v = u v + g, p -= r v (Polyak 1964); with `nesterov` besides:
        p -= r (g + u v) (Sutskever et al., ICML 2013). */
    BP_SGD = 0,
    /** m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2,
        p -= r / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon) (Kingma and Ba, ICLR 2015). */
    BP_ADAM = 1,
    BP_N_OPTIMIZERS /**< how many there are; grows with versions */
} bp_optimizer_kind;

/** Settings of an optimizer. A zeroed struct is gradient descent at rate 0.01. */
typedef struct bp_optimizer_config {
    bp_optimizer_kind kind;
    bp_real learning_rate;         /**< r > 0, finite; default 0: 0.01 for BP_SGD, 0.001 for BP_ADAM */
    bp_real momentum;              /**< BP_SGD: u in [0, 1). Default 0: none */
    bool nesterov;                 /**< BP_SGD: Nesterov's form; needs momentum > 0. Default false */
    bp_real beta1;                 /**< BP_ADAM: in (0, 1). Default 0: 0.9 */
    bp_real beta2;                 /**< BP_ADAM: in (0, 1). Default 0: 0.999 */
    bp_real epsilon;               /**< BP_ADAM: > 0, finite. Default 0: 1e-8 */
    const bp_allocator *allocator; /**< default NULL: malloc and free */
} bp_optimizer_config;

/**
 * An optimizer. Yours to place and to move, never to copy; used by one thread at a time. Read its fields; learning_rate
 * may be changed between steps.
 */
typedef struct bp_optimizer {
    bp_optimizer_kind kind;
    bp_real learning_rate; /**< r of the next step; > 0 */
    bp_real momentum;      /**< u */
    bool nesterov;         /**< Nesterov's form */
    bp_real beta1;         /**< the default filled in, as in the following */
    bp_real beta2;
    bp_real epsilon;
    bp_real factor[2];      /**< BP_ADAM: r / (1 - beta1^t) and sqrt(1 - beta2^t) of the last step */
    uint64_t n_steps;       /**< steps done: t of the last one */
    size_t n_params;        /**< of the parameters it was made for */
    size_t n_state;         /**< numbers in `state`: a multiple of n_params, 0 for plain gradient descent */
    bp_real *state;         /**< v (momentum), or m then v (Adam), each n_params; starts at 0 */
    bp_allocator allocator; /**< where the block came from */
    void *block;            /**< NULL where there is no state */
} bp_optimizer;

/**
 * Makes an optimizer for parameters of a given number; it keeps no pointer to them.
 *
 * @param opt         made by this call, whatever it held before; zeroed when the call fails
 * @param config      read only during the call
 * @param parameters  usually &net.parameters; only its n_params is read
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer or a setting out of range; BP_ERR_SHAPE if there are no parameters;
 *         BP_ERR_TOO_LARGE; BP_ERR_MEMORY
 */
bp_status bp_optimizer_init(bp_optimizer *opt, const bp_optimizer_config *config, const bp_parameters *parameters);

/** Gives the memory back and zeroes the struct. A zeroed or null `opt` is fine. */
void bp_optimizer_free(bp_optimizer *opt);

/**
 * One step: changes the parameters, but for frozen segments, by the rule of the optimizer.
 *
 * Moments and parameters below the range of normal numbers are set to 0: they would make every later step slow, and change
 * nothing.
 *
 * @param opt         its state and n_steps go on
 * @param parameters  the numbers behind params are changed; n_params as at bp_optimizer_init()
 * @param grad        n_params, laid out as params; read only
 * @param loss        at which the gradient was taken; for rules that compare losses. None does yet
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer or a learning rate that is not finite and above 0; BP_ERR_STATE if not
 *         initialised; BP_ERR_SHAPE for another n_params; BP_ERR_NONFINITE if a component of the gradient is not finite
 *         (frozen segments are not looked at). Parameters and state are then unchanged.
 */
bp_status bp_optimizer_step(bp_optimizer *opt, const bp_parameters *parameters, const bp_real *grad, bp_real loss);

/** The name in the enumeration, lower case, for example "adam"; "unknown" for other values. Static text; any thread. */
const char *bp_optimizer_name(bp_optimizer_kind kind);

#ifdef __cplusplus
}
#endif

#endif
