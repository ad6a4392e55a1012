// SPDX-License-Identifier: MIT
/*
 * Optimizers: how a gradient changes parameters.
 *
 * An optimizer sees one block of numbers with its segments (bp_parameters), never a layer. The order of a step:
 *
 *   gradient of the loss -> penalties -> clip by value -> clip by norm -> the rule with its weight decay -> max-norm
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
#include "backprop/threads.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The rule, with gradient g, parameters p, learning rate r and step t = 1, 2, ... What a rule keeps from step to step
 * starts at 0; "keeps v, u" is the order of its arrays in bp_optimizer.state. The values are fixed.
 */
typedef enum bp_optimizer_kind {
    /** Gradient descent, p -= r g. With momentum u: v = u v + g, p -= r v (Polyak 1964); with `nesterov` besides:
        p -= r (g + u v) (Sutskever et al., ICML 2013). Keeps nothing, or v. */
    BP_SGD = 0,
    /** m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2,
        p -= r / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon) (Kingma and Ba, ICLR 2015). With `amsgrad`
        x = max(x, v) in v's place in the step (Reddi, Kale and Kumar, ICLR 2018). Keeps m, v, and x. */
    BP_ADAM = 1,
    /** BP_ADAM, but weight decay is not part of the gradient: p *= 1 - r weight_decay before the step (Loshchilov and
        Hutter, ICLR 2019). */
    BP_ADAMW = 2,
    /** m, v as BP_ADAM; u_t = beta1 (1 - 0.96^(t momentum_decay) / 2), P_t = u_1 ... u_t,
        p -= r ((1 - u_t) / (1 - P_t) g + u_(t+1) / (1 - P_(t+1)) m) / (sqrt(v / (1 - beta2^t)) + epsilon) (Dozat, ICLR
        workshop 2016). Keeps m, v. */
    BP_NADAM = 3,
    /** v += g^2, p -= r g / (sqrt(v) + epsilon) (Duchi, Hazan and Singer, JMLR 12, 2011). Keeps v. */
    BP_ADAGRAD = 4,
    /** v = rho v + (1 - rho) g^2, d = sqrt(u + epsilon) / sqrt(v + epsilon) g, u = rho u + (1 - rho) d^2, p -= r d (Zeiler,
        arXiv:1212.5701, 2012). Keeps v, u. */
    BP_ADADELTA = 5,
    /** v = rho v + (1 - rho) g^2, d = g / (sqrt(v) + epsilon), p -= r d (Tieleman and Hinton, Coursera lecture 6.5, 2012).
        With `centered`: a = rho a + (1 - rho) g, and max(v - a^2, 0) in v's place in d (Graves, arXiv:1308.0850, 2013).
        With momentum u: b = u b + d, p -= r b. Keeps v, then a if centered, then b with momentum. */
    BP_RMSPROP = 6,
    /** iRPROP- (Igel and Huesken, Neurocomputing 50, 2003): every number has a step size s, at first r. Where g has the
        sign of the last g, s *= 1.2; where it has the other sign, s *= 0.5 and g counts as 0; s is kept in [1e-6, 50];
        p -= sign(g) s. r of later steps has no influence. For full batches: a gradient with noise has no steady sign.
        Keeps s, and the sign of the last g. */
    BP_RPROP_MINUS = 7,
    /** iRPROP+ of the same paper: where the sign has changed and the loss, penalties included, is above that of the last
        step, the number's last step is taken back. Keeps s, and the sign of the last g. */
    BP_RPROP_PLUS = 8,
    BP_N_OPTIMIZERS /**< how many there are; grows with versions */
} bp_optimizer_kind;

/**
 * Settings of an optimizer. A zeroed struct is gradient descent at rate 0.01.
 *
 * A setting that the rule does not have must stay 0. The "adam family" is BP_ADAM, BP_ADAMW and BP_NADAM.
 */
typedef struct bp_optimizer_config {
    bp_optimizer_kind kind;
    bp_real learning_rate;  /**< r > 0, finite; default 0: 0.001 for BP_ADAM and BP_ADAMW, 0.002 for BP_NADAM, 1 for
                                 BP_ADADELTA, 0.01 for the others */
    bp_real momentum;       /**< BP_SGD, BP_RMSPROP: u in [0, 1). Default 0: none */
    bool nesterov;          /**< BP_SGD: Nesterov's form; needs momentum > 0. Default false */
    bp_real beta1;          /**< adam family: in (0, 1). Default 0: 0.9 */
    bp_real beta2;          /**< adam family: in (0, 1). Default 0: 0.999 */
    bool amsgrad;           /**< BP_ADAM, BP_ADAMW: the largest v so far. Default false */
    bp_real momentum_decay; /**< BP_NADAM: > 0, finite. Default 0: 0.004 */
    bp_real rho;            /**< in (0, 1). Default 0: 0.99 for BP_RMSPROP, 0.9 for BP_ADADELTA */
    bool centered;          /**< BP_RMSPROP: by the variance of the gradient. Default false */
    bp_real epsilon;        /**< adam family, BP_ADAGRAD, BP_ADADELTA, BP_RMSPROP: > 0, finite. Default 0: 1e-10 for
                                 BP_ADAGRAD, 1e-6 for BP_ADADELTA, 1e-8 for the others */
    bp_real weight_decay;   /**< all but Rprop: w >= 0, finite, of every parameter, biases included: g += w p after
                                 clipping; BP_ADAMW: p *= 1 - r w before the step. Default 0: none */

    bp_real l1;         /**< >= 0, finite: adds l1 sum |W| over the weights (no biases, gamma, beta) to what is minimised,
                             l1 sign(W) to the gradient. Default 0: none */
    bp_real l2;         /**< >= 0, finite: adds l2/2 sum W^2 over the weights, l2 W to the gradient. Default 0: none */
    bp_real clip_value; /**< C >= 0, finite: each component of the gradient is put into [-C, C]. Default 0: off */
    bp_real clip_norm;  /**< C >= 0, finite: the gradient is multiplied by min(1, C / (norm + 1e-6)), norm its Euclidean
                             length without frozen segments (Pascanu, Mikolov and Bengio, ICML 2013). Default 0: off */
    bp_real max_norm;   /**< C >= 0, finite: after the step each row of a weight matrix (what flows into one unit) that is
                             longer than C is scaled down to C (Srivastava et al., JMLR 15, 2014). Default 0: off */

    const bp_allocator *allocator; /**< default NULL: malloc and free */
} bp_optimizer_config;

/** What bp_optimizer.scalars[i] is. */
enum {
    BP_SCALAR_NADAM_PRODUCT = 0, /**< BP_NADAM: P_t, 1 before the first step; else 1 */
    BP_SCALAR_RPROP_LOSS = 1,    /**< BP_RPROP_PLUS: loss and penalties of the last step; else 0 */
    BP_N_OPTIMIZER_SCALARS       /**< how many there are */
};

/**
 * An optimizer. Yours to place and to move, never to copy; used by one thread at a time. Read its fields; learning_rate
 * may be changed between steps.
 *
 * What a resumed run needs, besides the parameters: settings, learning_rate, n_steps, scalars and state.
 */
typedef struct bp_optimizer {
    bp_optimizer_config settings; /**< as given, the defaults filled in; its learning_rate is what schedules start from,
                                       its allocator NULL */
    bp_real learning_rate;        /**< r of the next step; >= 0 */
    uint64_t n_steps;             /**< steps done: t of the last one */
    double scalars[BP_N_OPTIMIZER_SCALARS]; /**< what goes on from step to step besides state */
    double factors[3];                      /**< of the last step, from r, t and scalars; each step sets them anew */
    double clip_factor;        /**< of the last step: what clip_norm multiplied its gradient by; 1: it did nothing */
    size_t n_params;           /**< of the parameters it was made for */
    size_t n_state;            /**< numbers in `state`: a multiple of n_params, 0 for plain gradient descent */
    const bp_threads *threads; /**< who shares the work of a step, yours to set: see backprop/threads.h. NULL at first */
    bp_real *state;            /**< arrays of n_params numbers, in the order given at bp_optimizer_kind; or NULL */
    bp_allocator allocator;    /**< where the block came from */
    void *block;               /**< NULL where there is no state */
} bp_optimizer;

/**
 * Makes an optimizer for parameters of a given number; it keeps no pointer to them.
 *
 * @param opt         made by this call, whatever it held before; zeroed when the call fails
 * @param config      read only during the call
 * @param parameters  usually &net.parameters; only its n_params is read
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer, a setting out of range or one that the rule does not have;
 *         BP_ERR_SHAPE if there are no parameters; BP_ERR_TOO_LARGE; BP_ERR_MEMORY
 */
bp_status bp_optimizer_init(bp_optimizer *opt, const bp_optimizer_config *config, const bp_parameters *parameters);

/** Gives the memory back and zeroes the struct. A zeroed or null `opt` is fine. */
void bp_optimizer_free(bp_optimizer *opt);

/**
 * One step: changes the parameters, but for frozen segments, by the rule of the optimizer.
 *
 * State and parameters below the range of normal numbers are set to 0: they would make every later step slow, and change
 * nothing.
 *
 * @param opt         its state and n_steps go on
 * @param parameters  the numbers behind params are changed; n_params as at bp_optimizer_init()
 * @param grad        gradient of the loss without penalties; n_params, laid out as params; read only
 * @param loss        at which the gradient was taken, without penalties. Only BP_RPROP_PLUS looks at it, to see whether it
 *                    has risen; at the first step there is none to compare it with, and nothing is taken back
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer or a learning rate that is not finite and >= 0; BP_ERR_STATE if not
 *         initialised; BP_ERR_SHAPE for another n_params; BP_ERR_NONFINITE if a component of the gradient with its
 *         penalties is not finite, clipped or not (frozen segments are not looked at), if it is so large that a rule that
 *         squares it would get infinity (above 1e19 in single, 1e154 in double precision, unless clipped), or for a loss
 *         that is not finite where the rule looks at it. Parameters and optimizer are then unchanged.
 */
bp_status bp_optimizer_step(bp_optimizer *opt, const bp_parameters *parameters, const bp_real *grad, bp_real loss);

/**
 * What the penalties add to the loss: l1 sum |W| + l2/2 sum W^2 over all weights, frozen ones included.
 *
 * @return the value for the parameters as they are; 0 without penalties or for a null pointer. Any thread.
 */
bp_real bp_penalty(const bp_optimizer *opt, const bp_parameters *parameters);

/** The name in the enumeration, lower case, for example "adam"; "unknown" for other values. Static text; any thread. */
const char *bp_optimizer_name(bp_optimizer_kind kind);

#ifdef __cplusplus
}
#endif

#endif
