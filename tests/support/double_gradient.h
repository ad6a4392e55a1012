// SPDX-License-Identifier: MIT
/*
 * The double-precision library, for programs that are compiled for single precision.
 */
#ifndef TEST_SUPPORT_DOUBLE_GRADIENT_H
#define TEST_SUPPORT_DOUBLE_GRADIENT_H

#include "support/problem.h"

/** Its loss of a problem, with grad (n_params) and dX (batch x n_in). */
double double_gradient(const struct problem *problem, double *grad, double *dX);

#endif
