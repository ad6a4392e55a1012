// SPDX-License-Identifier: MIT
/*
 * Networks in files: saved, loaded, and weights taken over from PyTorch.
 *
 * A model file is a safetensors file (docs/format.md): the parameters under the names that torch.nn.Sequential gives them,
 * everything else as text in its metadata, with a checksum over all of it. Both precisions read each other's files.
 *
 * Files are written beside their place and renamed when they are complete and on disk: a call that fails leaves the old one
 * as it was, and so does a process that dies. (That one leaves its unfinished file, <path>.<process>.<number>.new, which may be
 * removed.) A symbolic link is followed. The new file has the access mode of the old one; but it belongs to the user of the process,
 * and other hard links of the old file keep the old content.
 */
#ifndef BACKPROP_MODEL_FILE_H
#define BACKPROP_MODEL_FILE_H

#include <stddef.h>

#include "backprop/activation.h"
#include "backprop/memory.h"
#include "backprop/network.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a loader may need to be told. A zeroed struct is fine for networks without custom activations. */
typedef struct bp_load_config {
    const bp_activation_function *const *custom; /**< n_custom, found by their names; they must outlive the network */
    size_t n_custom;
    const bp_allocator *allocator; /**< of the network; default NULL: malloc and free */
} bp_load_config;

/**
 * Writes a network: topology, parameters, state, scaling, names, metadata. The same network gives the same bytes.
 *
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer; BP_ERR_STATE (not initialised); BP_ERR_NONFINITE for a number that no loader
 *         would take: not finite, or a negative variance; BP_ERR_IO, also for a full disk; BP_ERR_TOO_LARGE for more than 2000
 *         entries, of which each of your metadata, each layer, and each custom activation is one, and at most 12 are ours; or for a
 *         network of more than 2000 tensors that are tiny, less than 48 bytes each on average; BP_ERR_MEMORY
 */
bp_status bp_network_save(const bp_network *net, const char *path);

/** The same into memory, which comes from the allocator of `net`. `bytes` is zeroed when the call fails. */
bp_status bp_network_save_memory(const bp_network *net, bp_bytes *bytes);

/**
 * Makes a network from a file of bp_network_save(), or from a checkpoint. Everything is checked, the checksum first.
 *
 * Takes at most the bytes of the file and twice those of the network, and some KiB: nothing that the bytes do not justify.
 *
 * @param net     made by this call, whatever it held before; zeroed when the call fails
 * @param config  NULL: defaults
 * @return BP_OK; BP_ERR_ARGUMENT; BP_ERR_IO if the file cannot be opened or read; BP_ERR_FORMAT for bytes that are no such file, or
 *         damaged; BP_ERR_NONFINITE for a parameter that is none; BP_ERR_UNSUPPORTED for a file of a newer version, a plain
 *         safetensors file (see backprop/weights.h), or a custom activation that `config` does not have;
 *         BP_ERR_TOO_LARGE; BP_ERR_MEMORY
 */
bp_status bp_network_load(bp_network *net, const char *path, const bp_load_config *config);

/** The same from memory; `bytes` may go afterwards. */
bp_status bp_network_load_memory(bp_network *net, const void *bytes, size_t size, const bp_load_config *config);

#ifdef __cplusplus
}
#endif

#endif
