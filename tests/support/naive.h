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

/** One row on its way up: A[0] is the row of X, Z[l] and A[l + 1] belong to layer l. */
struct naive_row {
    struct number Z[PROBLEM_LAYERS][PROBLEM_UNITS];
    struct number A[PROBLEM_LAYERS + 1][PROBLEM_UNITS];
};

/** Computes row i. With u = 0 all errors are 0. */
void naive_forward(const struct problem *problem, size_t i, double u, struct naive_row *row);

/** Distance of the pre-activation nearest to its function's kink; infinite where no function has one. */
double naive_clearance(const struct problem *problem, const struct naive_row *row);

/** Loss of row i, before its weight. From the outputs, by log: only for outputs that are well inside (0, 1). */
double naive_loss_of_row(const struct problem *problem, size_t i, const struct naive_row *row);

/** Loss of the batch. */
double naive_loss(const struct problem *problem);

/** grad (n_params) and dX (batch x n_in). */
void naive_gradient(const struct problem *problem, double u, struct number *grad, struct number *dX);

#endif
