// SPDX-License-Identifier: MIT
/*
 * Activations as rows of one table: a function and its derivative enter together or not at all.
 */
#ifndef BPI_MATH_ACTIVATION_H
#define BPI_MATH_ACTIVATION_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/activation.h"

/** A = f(Z); both rows x n. A may be Z. `user` is a custom function's own data, else unused. */
typedef void (*bpi_apply)(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A);

/** Z += 1 b^T, A = f(Z), in one pass; both rows x n. A may be Z. */
typedef void (*bpi_apply_with_bias)(size_t rows, size_t n, bp_real parameter, const bp_real *b, bp_real *Z, bp_real *A);

/** dZ = the gradient dA of the loss for A, carried back through f; all rows x n. dZ may be dA. */
typedef void (*bpi_pull_back)(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                              const bp_real *dA, bp_real *dZ);

/** Which smooth piece of f a unit is on, for functions made of pieces. */
typedef int (*bpi_piece)(bp_real z, bp_real a);

typedef struct bpi_activation_row {
    const char *name;
    bpi_apply apply;
    bpi_pull_back pull_back;
    bpi_apply_with_bias apply_with_bias; /**< NULL: add b, then apply */
    bpi_piece piece;                     /**< NULL where f is smooth everywhere */
    bool needs_Z;                        /**< pull_back reads Z; else A is enough, and Z may be overwritten by it */
    bool has_parameter;                  /**< else a parameter is refused */
    bp_real default_parameter;           /**< in place of 0 */
} bpi_activation_row;

/** The row of an activation; NULL for a value that is none. */
const bpi_activation_row *bpi_activation(bp_activation activation);

#endif
