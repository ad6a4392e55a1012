// SPDX-License-Identifier: MIT
/*
 * Weights from elsewhere: a PyTorch state_dict in a safetensors file, taken over by a network that has its shape.
 *
 * In Python: safetensors.torch.save_file(model.state_dict(), "weights.safetensors"). The tensors of a torch.nn.Sequential of
 * Linear, normalization, activation and Dropout are found by their names; those of other modules by names that you give.
 */
#ifndef BACKPROP_WEIGHTS_H
#define BACKPROP_WEIGHTS_H

#include <stddef.h>

#include "backprop/memory.h"
#include "backprop/network.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What the modules of one layer are called: "fc1" where the file has "fc1.weight" and "fc1.bias"; "" where it has "weight" and "bias",
    the state_dict of a torch.nn.Linear by itself. They may stand one in another: "fc1" and "fc1.norm". */
typedef struct bp_module_names {
    const char *linear;        /**< of W and b */
    const char *normalization; /**< of gamma and beta ("weight", "bias") and the running statistics ("running_mean",
                                    "running_var"). NULL for a layer without normalization */
} bp_module_names;

/** Where a file has the weights. A zeroed struct: under the names of torch.nn.Sequential. */
typedef struct bp_weights_config {
    const char *prefix; /**< stands before every name, for example "encoder."; default NULL: nothing. Tensors whose
                                         names begin otherwise are another module's, and left alone */
    const bp_module_names
        *modules; /**< one a layer, n_layers of the network. Default NULL: counted from 0 as torch.nn.Sequential
                                         counts: Linear, normalization, activation unless identity, Dropout. Tensors of
                                         modules that are not named here are left alone */
    const bp_allocator *allocator; /**< of what reading takes; default NULL: malloc and free */
} bp_weights_config;

/**
 * Takes parameters and running statistics over from a file. Elements may be F64, F32, F16 or BF16; they are rounded to nearest.
 *
 * Every tensor that the network needs must be there in its shape (W n_out x n_in, as PyTorch has it; all others n_out). Others are
 * refused within the modules that config->modules names, and left alone outside of them; without `modules`, everything behind the
 * prefix must be the network's. "num_batches_tracked" of a normalization is not needed. Topology, scaling, names and metadata
 * stay as they are.
 *
 * @param net     its numbers are replaced; unchanged when the call fails
 * @param path    of a safetensors file, bp_network_save()'s included
 * @param config  NULL: defaults
 * @return BP_OK; BP_ERR_ARGUMENT; BP_ERR_STATE (not initialised); BP_ERR_IO; BP_ERR_FORMAT for damaged files, and tensors that are
 *         missing, too many, of another shape or type; BP_ERR_NONFINITE for a number that is none, or too large for bp_real;
 *         BP_ERR_MEMORY
 */
bp_status bp_network_load_weights(bp_network *net, const char *path, const bp_weights_config *config);

/** The same from `size` bytes in memory, which may go afterwards. */
bp_status bp_network_load_weights_memory(bp_network *net, const void *bytes, size_t size, const bp_weights_config *config);

#ifdef __cplusplus
}
#endif

#endif
