// SPDX-License-Identifier: MIT
/*
 * Compiled without BACKPROP_SINGLE and linked to libbackprop.a, whatever the rest of the program is.
 */
#include "support/double_gradient.h"

#include <string.h>

#include "support/subject.h"

#ifdef BACKPROP_SINGLE
#error "this file is the double half of a program"
#endif

double double_gradient(const struct problem *problem, double *grad, double *dX)
{
    struct subject subject;
    subject_init(&subject, &problem->kind);
    subject_load(&subject, problem);
    const double L = subject_gradient(&subject);
    memcpy(grad, subject.grad, subject.n_params * sizeof *grad);
    memcpy(dX, subject.dX, subject.n_X * sizeof *dX);
    subject_free(&subject);
    return L;
}
