// SPDX-License-Identifier: MIT
/*
 * Workspaces: the memory for one batch on its way through a network.
 *
 * A network holds what was learned, a workspace what is being computed. Many threads may predict with one network, each
 * with a workspace of its own.
 */
#ifndef BACKPROP_WORKSPACE_H
#define BACKPROP_WORKSPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/memory.h"
#include "backprop/network.h"
#include "backprop/precision.h"
#include "backprop/status.h"
#include "backprop/threads.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a workspace is for. */
typedef enum bp_mode {
    BP_INFERENCE = 0, /**< predictions and losses: two hidden layers' worth of memory, no backward pass */
    BP_TRAINING = 1   /**< every layer's values are kept for the backward pass */
} bp_mode;

/**
 * Memory for a batch. Yours to place and to move, never to copy; used by one thread at a time. Read its fields; change
 * only seed and pass.
 *
 * Row i of each array belongs to row i of X; only the first `batch` of max_batch rows hold something.
 */
typedef struct bp_workspace {
    bp_mode mode;
    size_t max_batch; /**< rows that fit */
    size_t batch;     /**< rows of the last forward pass; 0: none yet */
    size_t n_layers;
    const bp_real *X; /**< batch x n_in, the user's array of the last forward pass */
    const bp_real *Y; /**< batch x n_out, the outputs of the last forward pass: A of the last layer */
    uint64_t seed;    /**< of dropout, yours to set; 0 at first */
    uint64_t pass;    /**< number of the pass, yours to set; 0 at first. Which outputs a forward pass drops follows from
                                 seed, pass, layer, row of the batch and column alone: count it up for each step, or each
                                 drops the same. No function changes it */
    const bp_threads
        *threads;         /**< who shares the work of a pass, yours to set: see backprop/threads.h. NULL at first: nobody */
    bp_real **Z;          /**< n_layers arrays, batch x n_out of the layer: what its activation gets, A_in W^T + 1 b^T and,
                                 where it is normalized, N gamma + beta. In a hidden layer whose derivative follows from
                                 f(Z) alone, in all hidden layers for BP_INFERENCE, and wherever f is the identity, Z[l]
                                 is F[l] and holds f(Z) */
    bp_real **N;          /**< n_layers arrays, batch x n_out: the normalized values (z - mean) / sqrt(variance + epsilon).
                                 N[l] is NULL for a layer without normalization, N itself where no layer has one and for
                                 BP_INFERENCE */
    bp_real **F;          /**< n_layers arrays, batch x n_out: f(Z). F[l] is A[l] but where outputs are dropped out and the
                                 derivative reads f(Z) */
    bp_real **A;          /**< n_layers arrays, batch x n_out of the layer: what it hands on, f(Z) after dropout. For
                                 BP_INFERENCE the hidden layers share two arrays in turn, so only the last two are still
                                 there */
    bp_real **statistics; /**< n_layers arrays. Batch normalization, 3 x n_out: mean, variance (with 1/n) and
                                 1 / sqrt(variance + epsilon) of z. Layer normalization, batch: that last one of each row.
                                 NULL where N is */
    bp_real *dZ;          /**< batch x n_out, gradient of the loss for Z of the last layer, once there is a loss;
                                 NULL for BP_INFERENCE */
    bool has_loss;        /**< dZ belongs to the last forward pass */
    bp_real *dA[2];       /**< max_batch x the widest layer: errors on their way down, in turn. NULL for BP_INFERENCE */
    bp_real *row;         /**< as wide as the widest layer: scratch, all 0 between calls */
    bp_real *columns[2];  /**< as wide as the widest layer: scratch. NULL if no layer is normalized */
    bp_real *scaled_X;    /**< max_batch x n_in: where bp_predict() scales its inputs. NULL if it does not */
    struct {
        uint64_t seed, pass;
    } dropped;              /**< seed and pass of the last forward pass, which the backward pass drops by */
    uint64_t topology;      /**< of the network it was made for */
    bool small;             /**< the network is so small that it is computed in one go, without BLAS; bp_predict() then
                                 leaves Z, F and A alone */
    bp_allocator allocator; /**< where the block came from */
    void *block;            /**< the one piece of memory that holds it all */
} bp_workspace;

/**
 * Makes a workspace for a network and for every other of the same topology.
 *
 * Forward, loss, backward and predictions allocate nothing afterwards: for more than one row at a time this call also runs
 * one small matrix product, so that the BLAS allocates its buffers now; its memory, 2 * 128 * 128 numbers, is given back
 * before the call returns. A single row calls no BLAS, in any of them. The memory comes from the allocator of `net`.
 *
 * @param ws         made by this call, whatever it held before; zeroed when the call fails
 * @param net        read only
 * @param max_batch  most rows at a time, 1 .. 2^31 - 1
 * @param mode       what it is for
 * @return BP_OK, BP_ERR_ARGUMENT, BP_ERR_STATE (`net` not initialised), BP_ERR_SHAPE (max_batch is 0), BP_ERR_TOO_LARGE
 *         or BP_ERR_MEMORY
 */
bp_status bp_workspace_init(bp_workspace *ws, const bp_network *net, size_t max_batch, bp_mode mode);

/** Gives the memory back and zeroes the struct. A zeroed or null `ws` is fine. */
void bp_workspace_free(bp_workspace *ws);

#ifdef __cplusplus
}
#endif

#endif
