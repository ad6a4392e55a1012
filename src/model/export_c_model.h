// SPDX-License-Identifier: MIT
/*
 * A network as the exported program computes it: scaling and batch normalization folded into weights and biases, and recorded
 * inputs and outputs for the program's test of itself. All in double, whatever the library's and the program's number types are.
 *
 * Layer l of the program is z_j = sum_i w_ji x_i + shift_j, then layer normalization where there is one, then f(z).
 *
 *   batch normalization   w = W factor, shift = (b - mean) factor + beta, with factor = gamma / sqrt(variance + epsilon)
 *   scaling of outputs    behind an identity: w and shift, or gamma and beta of layer normalization, times scale, plus center
 *   scaling of inputs     w = W / scale, shift less sum_i w_ji center_i
 *
 * Behind any other activation the outputs' scaling is left to the program's code. So is the inputs' where folding it would cost
 * digits.
 */
#ifndef BPI_MODEL_EXPORT_C_MODEL_H
#define BPI_MODEL_EXPORT_C_MODEL_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/network.h"
#include "backprop/status.h"

#define BPI_C_TEST_ROWS ((size_t)8)

struct bpi_c_model {
    const char *function; /**< for sentences */
    const bp_network *net;
    bool single;            /**< the program's numbers are float, else double */
    bool inputs_by_code;    /**< the program scales its inputs ... */
    bool outputs_by_code;   /**< ... and its outputs outside of the weights */
    double *factor, *shift; /**< n_out each, of the layer that was folded last; see bpi_c_fold() */
    double *X, *Y;    /**< BPI_C_TEST_ROWS x n_in and x n_out: numbers of the program's type, and the outputs for them */
    double tolerance; /**< as far may the program's outputs be from Y */
    double *A[2];     /**< scratch */
    void *block;
};

/**
 * Plans and checks an export of `net`, and records the test.
 *
 * @return BP_OK; BP_ERR_UNSUPPORTED for a custom activation, BP_ERR_NONFINITE, with layer and number; BP_ERR_TOO_LARGE, BP_ERR_MEMORY.
 *         There is nothing to free then
 */
bp_status bpi_c_model_init(struct bpi_c_model *model, const char *function, const bp_network *net, bool single);

void bpi_c_model_free(struct bpi_c_model *model);

/** Computes factor and shift of layer l, for the functions below. */
void bpi_c_fold(struct bpi_c_model *model, size_t l);

/** Weight from input i to unit j of the layer l that was folded last. */
double bpi_c_weight(const struct bpi_c_model *model, size_t l, size_t j, size_t i);

/** Whether the layer adds shift. */
bool bpi_c_has_shift(const struct bpi_c_model *model, size_t l);

/** gamma and beta of a layer with layer normalization. */
double bpi_c_gamma(const struct bpi_c_model *model, size_t l, size_t j);
double bpi_c_beta(const struct bpi_c_model *model, size_t l, size_t j);

#endif
