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
 * Adds topology, scaling, names, metadata and numbers of `net`, which must outlive the contents.
 *
 * @param kind  the value of bp.kind: "model" or "checkpoint"
 * @return BP_OK; BP_ERR_NONFINITE, BP_ERR_ARGUMENT, as bp_network_save(). Other failures are kept in the contents
 */
bp_status bpi_model_put(struct bpi_contents *contents, const bp_network *net, const char *kind);

/**
 * Makes a network out of a file of either kind. In a checkpoint, entries and tensors whose names begin with "bp.train." and
 * "train." are not looked at; every other one that is there must belong to the network.
 *
 * @param net     zeroed when the call fails
 * @param config  as bp_network_load(); NULL: defaults
 */
bp_status bpi_model_get(bp_network *net, const struct bpi_safetensors *st, const bp_load_config *config);

#endif
