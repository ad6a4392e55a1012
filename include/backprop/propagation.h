// SPDX-License-Identifier: MIT
/*
 * Forward, loss, backward, predict: a batch on its way through a network and back.
 *
 * The order of a training step of one's own is
 *     bp_network_forward, bp_network_loss, bp_network_backward, bp_optimizer_step.
 * None of these allocates. examples/02_own_loop.c is such a loop.
 */
#ifndef BACKPROP_PROPAGATION_H
#define BACKPROP_PROPAGATION_H

#include <stddef.h>

#include "backprop/loss.h"
#include "backprop/network.h"
#include "backprop/precision.h"
#include "backprop/status.h"
#include "backprop/workspace.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Runs the network on a batch and keeps in `ws` what bp_network_backward() needs.
 *
 * With A_0 = X, each layer l = 1..n_layers computes Z_l = A_{l-1} W_l^T + 1 b_l^T, normalizes it where it is to, and
 * A_l = f_l(Z_l), some of which it drops out where it is to. In a workspace made for training batch normalization
 * takes mean and variance of the batch, unless the layer is frozen, and dropout drops; in one made for inference it
 * takes the running ones, and nothing is dropped.
 *
 * @param net    read only: threads may share it, each with a workspace of its own
 * @param ws     receives Z_l and A_l, the last as ws->Y
 * @param X      batch x n_in, row-major; bp_network_backward() reads it again, so keep it until then
 * @param batch  1 .. ws->max_batch
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer, BP_ERR_STATE for an object not initialised, BP_ERR_SHAPE if batch is
 *         out of range, `ws` was made for another topology, or a batch of one row is to be normalized by its own
 *         statistics; `ws` is then unchanged
 *
 * Rumelhart, Hinton and Williams, Nature 323 (1986), eq. 1 and 2, for a whole batch.
 */
bp_status bp_network_forward(const bp_network *net, bp_workspace *ws, const bp_real *X, size_t batch);

/**
 * Loss of the last forward pass, and its gradient for the output layer.
 *
 * In a workspace made for training ws->dZ receives the gradient of *L for Z of the last layer, as ws->Z holds it, the
 * 1/batch of the mean already inside: y - t times f'(z) for the squared error, y - t for the two cross-entropies.
 *
 * @param net   the network of the last forward pass; read only
 * @param ws    holds the outputs; receives dZ
 * @param loss  read only
 * @param T     targets of the rows of that pass; read only, and not needed afterwards
 * @param L     receives the loss; NULL if only the gradient is wanted
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer or an unknown loss; BP_ERR_STATE without a forward pass;
 *         BP_ERR_UNSUPPORTED for a loss that the output layer cannot have (binary cross-entropy needs sigmoid,
 *         cross-entropy softmax); BP_ERR_TARGET for a target that is no probability or no class, or a weight below 0;
 *         BP_ERR_NONFINITE for a target or a loss that is not finite (*L is set to that loss). Without BP_OK there is no
 *         gradient in `ws`.
 */
bp_status bp_network_loss(const bp_network *net, bp_workspace *ws, const bp_loss *loss, const bp_targets *T, bp_real *L);

/** What bp_network_backward() does with the arrays it is given. */
typedef enum bp_write {
    BP_OVERWRITE = 0, /**< they receive the gradient */
    BP_ACCUMULATE = 1 /**< the gradient is added to what they hold */
} bp_write;

/**
 * Gradient of the loss for the parameters and the inputs of the last forward pass.
 *
 * From the last layer down: dZ_l = dA_l f_l'(Z_l);  dW_l = dZ_l^T A_{l-1};  db_l = dZ_l^T 1;  dA_{l-1} = dZ_l W_l. Dropout
 * drops what it dropped on the way forward; a normalization takes dZ_l back to what it got (with the batch's own statistics
 * no bias has an effect: db_l is then 0). Frozen parameters have their gradient like all others; a trainer, in which nobody
 * would read it, spares itself the work.
 *
 * @param net    the network of the last forward pass, its parameters not changed since; read only
 * @param ws     made for training; its Z, A and dZ stay as they are, so the call may be repeated
 * @param dY     batch x n_out, gradient of any loss for the outputs, to start from; NULL: go on from bp_network_loss()
 * @param grad   n_params, laid out as net->parameters.params; NULL if not wanted
 * @param dX     batch x n_in; NULL if not wanted
 * @param write  overwrite grad and dX, or add to them
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer or an unknown `write`; BP_ERR_STATE without a forward pass or,
 *         where dY is NULL, without a loss, and for a workspace made for inference; BP_ERR_SHAPE for another
 *         topology. The arrays are then unchanged.
 *
 * Rumelhart, Hinton and Williams, Nature 323 (1986), eq. 4 to 7; docs/math.md derives it in these letters.
 */
bp_status bp_network_backward(const bp_network *net, bp_workspace *ws, const bp_real *dY, bp_real *grad, bp_real *dX,
                              bp_write write);

/**
 * Takes the batch's statistics into the running ones, where layers have batch normalization and are not frozen:
 * running = (1 - r) running + r new, the variance with 1/(n - 1). To be called once a step, when it is accepted;
 * without it training leaves no trace in net->state. Nothing happens in networks without batch normalization.
 *
 * @param net  its state is changed
 * @param ws   made for training; holds the forward pass of the step
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer; BP_ERR_STATE without a forward pass and for a workspace made for
 *         inference; BP_ERR_SHAPE for another topology
 */
bp_status bp_network_update_state(bp_network *net, const bp_workspace *ws);

/**
 * Outputs for a batch, written straight to the user's array. Inputs and outputs are in the user's units: where the
 * network scales them, that is done here. Normalization by running statistics and no dropout, whatever `ws` was made for.
 *
 * @param net    read only: threads may share it, each with a workspace of its own
 * @param ws     of either mode; holds no forward pass afterwards
 * @param X      batch x n_in
 * @param batch  1 .. ws->max_batch
 * @param Y      batch x n_out, receives the outputs; must not overlap X
 * @return as bp_network_forward(); Y is then unchanged
 */
bp_status bp_predict(const bp_network *net, bp_workspace *ws, const bp_real *X, size_t batch, bp_real *Y);

#ifdef __cplusplus
}
#endif

#endif
