// SPDX-License-Identifier: MIT
/*
 * The tensors of a layer, as a table.
 */
#include "model/tensors.h"

enum { WEIGHT, BIAS, GAMMA, BETA, RUNNING_MEAN, RUNNING_VAR };

const struct bpi_slot bpi_slots[BPI_N_SLOTS] = {
    [WEIGHT] = { .field = "weight", .is_matrix = true },
    [BIAS] = { .field = "bias" },
    [GAMMA] = { .field = "weight", .is_normalization = true },
    [BETA] = { .field = "bias", .is_normalization = true },
    [RUNNING_MEAN] = { .field = "running_mean", .is_normalization = true },
    [RUNNING_VAR] = { .field = "running_var", .is_normalization = true, .is_variance = true },
};

struct bpi_layer_form bpi_form_of_layer(const bp_layer *layer)
{
    return (struct bpi_layer_form){ .n_in = layer->n_in,
                                    .n_out = layer->n_out,
                                    .has_bias = !layer->no_bias,
                                    .has_activation = layer->activation != BP_IDENTITY,
                                    .has_dropout = layer->dropout > (bp_real)0,
                                    .normalization = layer->normalization };
}

struct bpi_layer_form bpi_form_of_config(size_t n_in, const bp_layer_config *config)
{
    return (struct bpi_layer_form){ .n_in = n_in,
                                    .n_out = config->n_out,
                                    .has_bias = !config->no_bias,
                                    .has_activation = config->activation != BP_IDENTITY,
                                    .has_dropout = config->dropout > (bp_real)0,
                                    .normalization = config->normalization };
}

size_t bpi_form_modules(const struct bpi_layer_form *form)
{
    return 1u + (form->normalization != BP_NO_NORMALIZATION ? 1u : 0u) + (form->has_activation ? 1u : 0u) +
           (form->has_dropout ? 1u : 0u);
}

bool bpi_slot_exists(const struct bpi_layer_form *form, size_t slot)
{
    if (slot == BIAS)
        return form->has_bias;
    if (slot == GAMMA || slot == BETA)
        return form->normalization != BP_NO_NORMALIZATION;
    return slot == WEIGHT || form->normalization == BP_BATCH_NORMALIZATION;
}

size_t bpi_slot_dims(const struct bpi_layer_form *form, size_t slot, uint64_t dims[2])
{
    dims[0] = form->n_out;
    dims[1] = bpi_slots[slot].is_matrix ? form->n_in : 1;
    return bpi_slots[slot].is_matrix ? 2 : 1;
}

bp_real *bpi_slot_array(const bp_layer *layer, size_t slot)
{
    bp_real *const arrays[BPI_N_SLOTS] = { [WEIGHT] = layer->W,
                                           [BIAS] = layer->b,
                                           [GAMMA] = layer->gamma,
                                           [BETA] = layer->beta,
                                           [RUNNING_MEAN] = layer->running_mean,
                                           [RUNNING_VAR] = layer->running_var };
    return arrays[slot];
}
