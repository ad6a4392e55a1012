// SPDX-License-Identifier: MIT
/*
 * Networks of dense layers: what they are made of, making, copying and describing them.
 *
 * Words used everywhere: matrices are row-major and packed, a row is a sample. W of a layer is n_out x n_in, as PyTorch
 * stores it. X and Y are a network's inputs and outputs, T its targets; A_in, Z and A_out are what a layer gets, what it
 * computes before its activation and what it hands on; N is Z normalized, before gamma and beta. d in front of a name
 * is the gradient of the loss for that array.
 */
#ifndef BACKPROP_NETWORK_H
#define BACKPROP_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "backprop/activation.h"
#include "backprop/init.h"
#include "backprop/memory.h"
#include "backprop/parameters.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What is done to z = A_in W^T + 1 b^T before the activation: (z - mean) / sqrt(variance + epsilon) gamma + beta, the
 * variance with 1/n. gamma starts at 1, beta at 0. The values are fixed.
 */
typedef enum bp_normalization {
    BP_NO_NORMALIZATION = 0,
    /** Mean and variance of each unit over the rows of the batch (at least 2) while training. Predictions use running ones,
        which start at mean 0 and variance 1: see bp_network_update_state() (Ioffe and Szegedy, ICML 2015). */
    BP_BATCH_NORMALIZATION = 1,
    /** Mean and variance of each row over the units of the layer, always (Ba, Kiros and Hinton, 2016). */
    BP_LAYER_NORMALIZATION = 2,
    BP_N_NORMALIZATIONS /**< how many there are; grows with versions */
} bp_normalization;

/** The name as it stands in files: "none", "batch", "layer"; "unknown" for other values. Static text; any thread. */
const char *bp_normalization_name(bp_normalization normalization);

/** Settings of one layer. */
typedef struct bp_layer_config {
    size_t n_out;                         /**< units, >= 1 */
    bp_activation activation;             /**< default BP_IDENTITY */
    bp_real parameter;                    /**< of the activation, finite; default 0: the value that bp_activation gives */
    bp_init weights;                      /**< default: by the activation */
    bp_init biases;                       /**< default: zeros */
    const bp_activation_function *custom; /**< for BP_CUSTOM_ACTIVATION, else NULL. Stays yours and must outlive the
                                               network and its clones, which all call it */
    bool no_bias;                         /**< there is no b. Default false */
    bool frozen;                          /**< optimizers leave W, b, gamma and beta alone, and batch normalization takes
                                               its running statistics in training too, and keeps them. Default false */
    bp_normalization normalization;       /**< default BP_NO_NORMALIZATION */
    bp_real epsilon;                      /**< of a normalization, > 0, finite. Default 0: 1e-5 */
    bp_real running_rate;                 /**< r in (0, 1] for BP_BATCH_NORMALIZATION: running = (1 - r) running + r new.
                                               Default 0: 0.1 */
    bp_real dropout;                      /**< p in [0, 1): while training each output of the layer is made 0 with this
                                               probability, the others are divided by 1 - p (Srivastava et al., JMLR 15,
                                               2014). Not for the output layer. Default 0: none */
} bp_layer_config;

/** Settings of a network. The arrays stay the user's and may go once bp_network_init() has returned. */
typedef struct bp_network_config {
    size_t n_in;                   /**< inputs, >= 1 */
    size_t n_layers;               /**< >= 1; the last one is the output layer */
    const bp_layer_config *layers; /**< n_layers, from the inputs to the outputs */
    uint64_t seed;                 /**< of the initial parameters; default 0, a seed like any other */
    const bp_allocator *allocator; /**< default NULL: malloc and free */
} bp_network_config;

/**
 * One dense layer: Z = A_in W^T + 1 b^T, normalized where it is asked for, A_out = f(Z), dropped out where it is asked
 * for. The arrays are views into the network's block: write their numbers as you like, never free them.
 */
typedef struct bp_layer {
    size_t n_in;                          /**< columns of W */
    size_t n_out;                         /**< rows of W */
    bp_activation activation;             /**< f; do not change, as nothing up to W */
    const bp_activation_function *custom; /**< f where it is the user's; else NULL */
    bp_real parameter;                    /**< of f, the default filled in */
    bool no_bias;                         /**< then b is NULL */
    bool frozen;                          /**< not trained; bp_network_set_frozen() changes it */
    bp_normalization normalization;
    bp_real epsilon;       /**< of the normalization, the default filled in; 0 without one */
    bp_real running_rate;  /**< of batch normalization, the default filled in; else 0 */
    bp_real dropout;       /**< p; 0: none */
    bp_real *W;            /**< n_out x n_in, row-major */
    bp_real *b;            /**< n_out; NULL where there is none */
    bp_real *gamma, *beta; /**< n_out each; NULL without normalization */
    bp_real *running_mean; /**< n_out, in the network's state; NULL without batch normalization */
    bp_real *running_var;  /**< n_out, next to it: variances with 1/(n - 1) */
} bp_layer;

/** A note that travels with a network: both UTF-8, and the network's. */
typedef struct bp_metadata {
    const char *key;   /**< not empty; "bp." does not begin it */
    const char *value; /**< may be empty */
} bp_metadata;

/**
 * A network. Yours to place and to move (by assignment, using only the new place from then on), never to copy: that is
 * what bp_network_clone() is for. Read its fields, write the numbers of parameters and state, change nothing else.
 *
 * Threads may share a network as long as none writes its numbers.
 */
typedef struct bp_network {
    size_t n_in;              /**< inputs: n_in of the first layer */
    size_t n_out;             /**< outputs: n_out of the last layer */
    size_t n_layers;          /**< 0 in a zeroed or freed network */
    bp_layer *layers;         /**< n_layers */
    bp_parameters parameters; /**< all W, b, gamma and beta in one block */
    bp_real *state;           /**< n_state; what is learned by looking: layer by layer with batch normalization the running
                                   means, then the variances */
    size_t n_state;           /**< 0 without batch normalization */
    bool scales_inputs;       /**< bp_predict() scales its inputs ... */
    bool scales_outputs;      /**< ... and turns outputs back into the user's units; see bp_network_set_scaling() */
    bp_real *in_center, *in_scale;   /**< n_in each; 0 and 1 where inputs are not scaled */
    bp_real *out_center, *out_scale; /**< n_out each; 0 and 1 where outputs are not scaled */
    char **input_names;              /**< n_in; NULL: none given. See backprop/names.h for these four */
    char **class_names;              /**< n_class_names; NULL: none given */
    bp_metadata *metadata;           /**< n_metadata; NULL where there are none */
    size_t n_class_names;            /**< n_out, but 2 where there is a single output */
    size_t n_metadata;
    uint64_t topology; /**< a hash of widths, activations and all else that a workspace depends on; equal in workspaces and
                            networks that fit together */
    bp_allocator allocator; /**< where the block came from */
    void *block;            /**< the one piece of memory that holds it all */
} bp_network;

/**
 * Makes a network and draws its initial parameters.
 *
 * The layers take their numbers from one generator, bp_rng_init(seed), layer by layer W, then b, row by row; zeros take
 * none, nor do gamma and beta. So a seed gives the same network on every platform.
 *
 * @param net     made by this call, whatever it held before; zeroed when the call fails
 * @param config  read only during the call
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer, an unknown activation, normalization or initialiser, a custom
 *         activation without its functions or name, or a setting out of range or without use; BP_ERR_UNSUPPORTED for
 *         dropout on the output layer; BP_ERR_SHAPE for a size of 0; BP_ERR_TOO_LARGE for a width above 2^31 - 1 or
 *         a size that overflows; BP_ERR_MEMORY
 */
bp_status bp_network_init(bp_network *net, const bp_network_config *config);

/** Gives the memory back and zeroes the struct. A zeroed or null `net` is fine. */
void bp_network_free(bp_network *net);

/**
 * Makes `clone` a network of its own with the topology, parameters, state and scaling of `net`.
 *
 * @param clone      made by this call, whatever it held before; zeroed when the call fails
 * @param net        read only; must not be `clone`
 * @param allocator  NULL: the allocator of `net`
 * @return BP_OK, BP_ERR_ARGUMENT (null pointer, or clone == net), BP_ERR_STATE (`net` not initialised) or BP_ERR_MEMORY
 */
bp_status bp_network_clone(bp_network *clone, const bp_network *net, const bp_allocator *allocator);

/**
 * Copies all parameters and the state, which belong together, from one network to another of the same layers (widths,
 * activations, biases, normalization, dropout or none). Settings and scaling stay as they are in each.
 *
 * @return BP_OK, BP_ERR_ARGUMENT (null pointer), BP_ERR_STATE (one is not initialised), or BP_ERR_SHAPE, the target
 *         then unchanged. Copying a network onto itself is fine.
 */
bp_status bp_network_copy_params(bp_network *to, const bp_network *from);

/**
 * Gives a network the scaling of its inputs and targets: bp_predict() takes inputs X and gives outputs Y in the user's
 * units,
 *
 *   (X - in_center) / in_scale -> the layers -> Y = outputs out_scale + out_center.
 *
 * Forward, loss and backward stay in the network's units. Workspaces made before inputs began or ceased to
 * be scaled no longer fit the network.
 *
 * @param in_center, in_scale    n_in each, copied; both NULL: inputs are not scaled
 * @param out_center, out_scale  n_out each, copied; both NULL: outputs are not scaled
 * @return BP_OK; BP_ERR_ARGUMENT for one of a pair without the other, a center that is not finite, a scale that is not
 *         finite and above 0, or a null network; BP_ERR_STATE if it is not initialised; BP_ERR_UNSUPPORTED for scaled
 *         outputs of a sigmoid or softmax layer, which are probabilities. The network is then unchanged.
 */
bp_status bp_network_set_scaling(bp_network *net, const bp_real *in_center, const bp_real *in_scale,
                                 const bp_real *out_center, const bp_real *out_scale);

/**
 * Takes inputs from the user's units to the network's, for a forward pass of one's own: (X - in_center) / in_scale. Where
 * the network does not scale them they are copied. Any thread.
 *
 * @param net   read only
 * @param rows  of X
 * @param X     rows x n_in
 * @param to    rows x n_in, receives them; may be X, must not overlap it otherwise
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer; BP_ERR_STATE for a network not initialised. `to` is then unchanged
 */
bp_status bp_network_scale_inputs(const bp_network *net, size_t rows, const bp_real *X, bp_real *to);

/** The same for targets and the loss: (T - out_center) / out_scale, rows x n_out each. */
bp_status bp_network_scale_targets(const bp_network *net, size_t rows, const bp_real *T, bp_real *to);

/**
 * Freezes a layer, or thaws it: as `frozen` in bp_layer_config, whenever you like between two steps, not between a forward
 * pass and what follows from it, nor while the network is in the hands of a trainer. Its parameters and running statistics
 * stay what they are, and workspaces keep fitting.
 *
 * An optimizer goes on with the state that it has for the layer and with its own count of steps. Adam's corrections for a
 * start from 0 go by that count: for a layer thawed much later make a new one.
 *
 * @param layer  below n_layers, 0-based
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer; BP_ERR_STATE for a network not initialised; BP_ERR_SHAPE for a layer
 *         that is not there. The network is then unchanged
 */
bp_status bp_network_set_frozen(bp_network *net, size_t layer, bool frozen);

/**
 * Writes the network as a table in text: a line a layer with its sizes, activation, number of parameters and what is
 * special about it (normalization, dropout, no bias, frozen), then the sum, then what is scaled, if anything.
 *
 * @param stream  open for writing; stays open
 * @return BP_OK, BP_ERR_ARGUMENT (null pointer), BP_ERR_STATE (not initialised) or BP_ERR_IO
 */
bp_status bp_network_summary(const bp_network *net, FILE *stream);

#ifdef __cplusplus
}
#endif

#endif
