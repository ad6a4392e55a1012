// SPDX-License-Identifier: MIT
/*
 * Networks of dense layers: what they are made of, making, copying and describing them.
 *
 * Words used everywhere: matrices are row-major and packed, a row is a sample. W of a layer is n_out x n_in, as PyTorch
 * stores it. X and Y are a network's inputs and outputs, T its targets; A_in, Z and A_out are what a layer gets, what it
 * computes before its activation and what it hands on. d in front of a name is the gradient of the loss for that array.
 */
#ifndef BACKPROP_NETWORK_H
#define BACKPROP_NETWORK_H

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

/** Settings of one layer. */
typedef struct bp_layer_config {
    size_t n_out;             /**< units, >= 1 */
    bp_activation activation; /**< default BP_IDENTITY */
    bp_real parameter;        /**< of the activation, finite; default 0: the value that bp_activation gives */
    bp_init weights;          /**< default: by the activation */
    bp_init biases;           /**< default: zeros */
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
 * One dense layer: Z = A_in W^T + 1 b^T, A_out = f(Z). W and b are views into the network's parameter block: write their
 * numbers as you like, never free them.
 */
typedef struct bp_layer {
    size_t n_in;              /**< columns of W */
    size_t n_out;             /**< rows of W */
    bp_activation activation; /**< f; do not change */
    bp_real parameter;        /**< of f, the default filled in */
    bp_real *W;               /**< n_out x n_in, row-major */
    bp_real *b;               /**< n_out */
} bp_layer;

/**
 * A network. Yours to place and to move (by assignment, using only the new place from then on), never to copy: that is
 * what bp_network_clone() is for. Read its fields, write the parameters' numbers, change nothing else.
 *
 * Threads may share a network as long as none writes its parameters.
 */
typedef struct bp_network {
    size_t n_in;              /**< inputs: n_in of the first layer */
    size_t n_out;             /**< outputs: n_out of the last layer */
    size_t n_layers;          /**< 0 in a zeroed or freed network */
    bp_layer *layers;         /**< n_layers */
    bp_parameters parameters; /**< all W and b in one block */
    uint64_t topology;        /**< a hash of widths and activations; equal in workspaces and networks that fit together */
    bp_allocator allocator;   /**< where the block came from */
    void *block;              /**< the one piece of memory that holds it all */
} bp_network;

/**
 * Makes a network and draws its initial parameters.
 *
 * The layers take their numbers from one generator, bp_rng_init(seed), layer by layer W, then b, row by row; zeros take
 * none. So a seed gives the same network on every platform.
 *
 * @param net     made by this call, whatever it held before; zeroed when the call fails
 * @param config  read only during the call
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer, an unknown activation or initialiser, or a parameter out of range;
 *         BP_ERR_SHAPE for a size of 0; BP_ERR_TOO_LARGE for a width above 2^31 - 1 or a size that overflows;
 *         BP_ERR_MEMORY
 */
bp_status bp_network_init(bp_network *net, const bp_network_config *config);

/** Gives the memory back and zeroes the struct. A zeroed or null `net` is fine. */
void bp_network_free(bp_network *net);

/**
 * Makes `clone` a network of its own with the topology and the parameters of `net`.
 *
 * @param clone      made by this call, whatever it held before; zeroed when the call fails
 * @param net        read only; must not be `clone`
 * @param allocator  NULL: the allocator of `net`
 * @return BP_OK, BP_ERR_ARGUMENT (null pointer, or clone == net), BP_ERR_STATE (`net` not initialised) or BP_ERR_MEMORY
 */
bp_status bp_network_clone(bp_network *clone, const bp_network *net, const bp_allocator *allocator);

/**
 * Copies all parameters from one network to another of the same topology (widths and activations).
 *
 * @return BP_OK, BP_ERR_ARGUMENT (null pointer), BP_ERR_STATE (one is not initialised), or BP_ERR_SHAPE, the target
 *         then unchanged. Copying a network onto itself is fine.
 */
bp_status bp_network_copy_params(bp_network *to, const bp_network *from);

/**
 * Writes the network as a table in text: a line a layer with its sizes, activation and number of parameters, then the sum.
 *
 * @param stream  open for writing; stays open
 * @return BP_OK, BP_ERR_ARGUMENT (null pointer), BP_ERR_STATE (not initialised) or BP_ERR_IO
 */
bp_status bp_network_summary(const bp_network *net, FILE *stream);

#ifdef __cplusplus
}
#endif

#endif
