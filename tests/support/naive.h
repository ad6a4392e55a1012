// SPDX-License-Identifier: MIT
/*
 * A network as it stands in a textbook: loops over single numbers in double, each with a bound of its rounding beside it.
 *
 * It shares no code with the library, so it can say what the library should compute. The bounds say how far a computation
 * with unit roundoff u (2^-24 in single precision) may be from that, to first order in u: a sum of n products in any order
 * is off by up to n u sum |a b| by its own rounding, and what its factors are off by goes through with the other factor
 * or, in an activation, with the derivative (Higham, Accuracy and Stability of Numerical Algorithms, section 3.3, running
 * error analysis).
 */
#ifndef TEST_SUPPORT_NAIVE_H
#define TEST_SUPPORT_NAIVE_H

#include "support/problem.h"

struct number {
    double value;
    double error; /**< a bound of |computed - value| */
};

/** The user data of subject.c's own functions: gain e^(p sin z), and gain sqrt(1 + |y - t|^2). */
#define NAIVE_GAIN_OF_WAVES 0.75
#define NAIVE_GAIN_OF_DISTANCE 1.25

/** One row on its way up: A[0] is the row of X, the others belong to layer l, A[l + 1] to its outputs. */
struct naive_row {
    struct number N[PROBLEM_LAYERS][PROBLEM_UNITS]; /**< A W^T + 1 b^T, normalized if it is to be, before gamma and beta */
    struct number Z[PROBLEM_LAYERS][PROBLEM_UNITS]; /**< what the activation gets */
    struct number F[PROBLEM_LAYERS][PROBLEM_UNITS]; /**< what it gives */
    struct number A[PROBLEM_LAYERS + 1][PROBLEM_UNITS];   /**< after dropout */
    struct number inverse[PROBLEM_LAYERS][PROBLEM_UNITS]; /**< 1 / sqrt(variance + epsilon), per unit */
    double kept[PROBLEM_LAYERS][PROBLEM_UNITS];           /**< by dropout: 0, or 1 / (1 - p) */
    double steepness; /**< largest |A| times `inverse` of the normalizations: what a step of a weight does to N */
};

/**
 * Computes `n` rows from `first` on, for a batch normalization as one batch: all, where rows mix. With u = 0 all errors
 * are 0.
 */
void naive_forward(const struct problem *problem, size_t first, size_t n, double u, struct naive_row *rows);

/**
 * Distance of what is nearest to a kink: a pre-activation to its function's, or an output of row i to the loss's; infinite
 * where nothing has one. A kink is where the function, its slope or its curvature jumps.
 */
double naive_clearance(const struct problem *problem, size_t i, const struct naive_row *row);

/** Whether what shifts N of unit j of layer l by the same number in all rows of the batch does so to its output. */
bool naive_passes_shift(const struct problem *problem, const struct naive_row *rows, size_t l, size_t j);

/** Loss of row i, before its weight. From the outputs, by log: only for outputs that are well inside (0, 1). */
double naive_loss_of_row(const struct problem *problem, size_t i, const struct naive_row *row);

/** Loss of the batch. */
double naive_loss(const struct problem *problem);

/** grad (n_params) and dX (batch x n_in). */
void naive_gradient(const struct problem *problem, double u, struct number *grad, struct number *dX);

#endif
