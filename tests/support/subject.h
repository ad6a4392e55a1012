// SPDX-License-Identifier: MIT
/*
 * The library's objects for a problem: a network, a workspace, loss, targets, and room for the gradient.
 *
 * One program may hold this in both precisions, so its names follow the library's.
 */
#ifndef TEST_SUPPORT_SUBJECT_H
#define TEST_SUPPORT_SUBJECT_H

#include "backprop/network.h"
#include "backprop/propagation.h"
#include "backprop/workspace.h"
#include "support/problem.h"

#ifdef BACKPROP_SINGLE
#define subject subjectf
#define subject_init subjectf_init
#define subject_load subjectf_load
#define subject_loss subjectf_loss
#define subject_gradient subjectf_gradient
#define subject_free subjectf_free
#endif

struct subject {
    bp_network net;
    bp_workspace ws;
    bp_loss loss;
    bp_targets T; /* views of the following, as the problem wants it */
    size_t batch, n_params, n_X, n_out;
    bp_real *X, *dX; /* batch x n_in */
    bp_real *values; /* batch x n_out */
    bp_real *weights;
    bp_real *class_weights;
    int32_t *labels; /* batch */
    bp_real *grad;   /* n_params */
};

/** Makes the objects for problems of a kind. */
void subject_init(struct subject *subject, const struct problem_kind *kind);

/** Gives them the numbers of a problem of that kind. */
void subject_load(struct subject *subject, const struct problem *problem);

/** Forward and loss, at the numbers as they are now. */
bp_real subject_loss(struct subject *subject);

/** Forward, loss and backward into grad and dX; returns the loss. */
bp_real subject_gradient(struct subject *subject);

/** Gives the memory back. */
void subject_free(struct subject *subject);

#endif
