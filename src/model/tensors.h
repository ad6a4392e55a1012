// SPDX-License-Identifier: MIT
/*
 * Which tensors a layer has in a file, how they are called, and how large they are: as in torch.nn.Sequential, where a layer is
 * a Linear, then a BatchNorm1d or LayerNorm, then its activation unless that is the identity, then a Dropout.
 */
#ifndef BPI_MODEL_TENSORS_H
#define BPI_MODEL_TENSORS_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/network.h"

/** What of a layer decides its tensors and its place among the modules. */
struct bpi_layer_form {
    size_t n_in, n_out;
    bool has_bias, has_activation, has_dropout;
    bp_normalization normalization;
};

/** The form of a layer, or of one that is to be made. */
struct bpi_layer_form bpi_form_of_layer(const bp_layer *layer);
struct bpi_layer_form bpi_form_of_config(size_t n_in, const bp_layer_config *config);

/** Modules of torch.nn.Sequential that the layer is: 1 to 4. */
size_t bpi_form_modules(const struct bpi_layer_form *form);

/** A place for a tensor: in the order of the file, which is that of the parameters, then of the state. */
struct bpi_slot {
    const char *field;     /**< "weight", "bias", "running_mean" or "running_var" */
    bool is_normalization; /**< of the normalization's module; else of the Linear */
    bool is_matrix;        /**< n_out x n_in; else n_out */
    bool is_variance;      /**< its numbers are >= 0 */
};

enum { BPI_N_SLOTS = 6 };

extern const struct bpi_slot bpi_slots[BPI_N_SLOTS];

/** Whether the layer has something there. */
bool bpi_slot_exists(const struct bpi_layer_form *form, size_t slot);

/** Dimensions of it, into dims; returns how many. */
size_t bpi_slot_dims(const struct bpi_layer_form *form, size_t slot, uint64_t dims[2]);

/** The layer's array for it. */
bp_real *bpi_slot_array(const bp_layer *layer, size_t slot);

#endif
