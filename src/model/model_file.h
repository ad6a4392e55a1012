// SPDX-License-Identifier: MIT
/*
 * A network as contents of a file and back, for model files and for checkpoints, which add to them.
 */
#ifndef BPI_MODEL_MODEL_FILE_H
#define BPI_MODEL_MODEL_FILE_H

#include "base/real.h"

#include "backprop/model_file.h"
#include "store/contents.h"

/**
 * Adds topology, names, metadata and numbers of `net`, which must outlive the contents.
 *
 * @param kind  the value of bp.kind: "model" or "checkpoint"
 */
void bpi_model_put(struct bpi_contents *contents, const bp_network *net, const char *kind);

/**
 * Makes a network out of a file of either kind. Tensors whose names begin with "train." are left to the checkpoint; every other
 * one must belong to the network.
 *
 * @param net     zeroed when the call fails
 * @param config  as bp_network_load(); NULL: defaults
 */
bp_status bpi_model_get(bp_network *net, const struct bpi_safetensors *st, const bp_load_config *config);

#endif
