// SPDX-License-Identifier: MIT
/*
 * Filling an array with initial values.
 */
#ifndef BPI_MATH_INIT_H
#define BPI_MATH_INIT_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/activation.h"
#include "backprop/init.h"
#include "backprop/rng.h"
#include "backprop/status.h"

/** Refuses an unknown kind and numbers that are no distribution; `layer` and `what` ("weights") name it in the sentence. */
bp_status bpi_init_check(const bp_init *init, size_t layer, const char *what);

/** The initialiser of weights that BP_INIT_DEFAULT stands for with this activation; `init` itself for all other kinds. */
bp_init bpi_init_for_weights(const bp_init *init, bp_activation activation);

/**
 * Fills n numbers. BP_INIT_DEFAULT means zeros here. n_in and n_out are the layer's; n is n_out n_in for
 * BP_INIT_ORTHOGONAL.
 */
void bpi_init_fill(const bp_init *init, size_t n_in, size_t n_out, bp_rng *rng, size_t n, bp_real *array);

#endif
