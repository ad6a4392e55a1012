// SPDX-License-Identifier: MIT
/*
 * The activation functions twice: as text of a C program, and as functions of double, whatever bp_real is, whose values the
 * program's test of itself expects. Both are what src/math/activation.c computes.
 */
#ifndef BPI_MODEL_EXPORT_C_FUNCTIONS_H
#define BPI_MODEL_EXPORT_C_FUNCTIONS_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/activation.h"
#include "model/export_c_math.h"

struct bpi_c_function {
    const char *text;                       /**< template of a definition for bpi_c_print(); NULL: none is needed */
    const char *call;                       /**< template of the function's name; NULL: f(z) = z, or f works on rows */
    double (*value)(double z, double p);    /**< f(z); NULL: f works on rows */
    void (*row_value)(size_t n, double *z); /**< f of a row in place, called as call(n, z); else NULL */
    bool has_parameter;                     /**< p is the second argument of the call */
    unsigned needs;                         /**< set of enum bpi_c_need */
};

/** The row of an activation; all zeros for BP_CUSTOM_ACTIVATION, of which there is no text. */
const struct bpi_c_function *bpi_c_function(bp_activation activation);

/** Template of the definition of layer normalization, $_normalize(n, epsilon, gamma, beta, z), in place. Needs BPI_C_LIBM. */
extern const char *const bpi_c_normalize;

#endif
