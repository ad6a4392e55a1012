// SPDX-License-Identifier: MIT
/*
 * Weights of plain safetensors files, for a network of a given shape: they are taken, or the network stays as it was.
 */
#include "fuzz.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void load(const uint8_t *data, size_t size, const bp_weights_config *config)
{
    static const bp_layer_config layers[] = {
        { .n_out = 3, .activation = BP_TANH, .normalization = BP_BATCH_NORMALIZATION },
        { .n_out = 1, .no_bias = true },
    };
    const bp_network_config shape = { .n_in = 2, .n_layers = 2, .layers = layers, .seed = 1 };
    bp_network net, before;
    require(bp_network_init(&net, &shape) == BP_OK && bp_network_init(&before, &shape) == BP_OK);
    const size_t n_params = net.parameters.n_params;
    if (bp_network_load_weights_memory(&net, data, size, config) != BP_OK) {
        require(memcmp(net.parameters.params, before.parameters.params, n_params * sizeof(bp_real)) == 0);
        require(memcmp(net.state, before.state, net.n_state * sizeof(bp_real)) == 0);
    }
    for (size_t i = 0; i < n_params; i++)
        require(isfinite(net.parameters.params[i]));
    for (size_t i = 0; i < net.n_state; i++)
        require(isfinite(net.state[i]));
    bp_network_free(&net);
    bp_network_free(&before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const bp_module_names modules[] = { { .linear = "fc1", .normalization = "bn1" }, { .linear = "fc2" } };
    uint8_t *mended = fuzz_mended(data, size);
    const uint8_t *bytes = mended != NULL ? mended : data;
    load(bytes, size, NULL);
    load(bytes, size, &(bp_weights_config){ .modules = modules });
    load(bytes, size, &(bp_weights_config){ .prefix = "encoder." });
    free(mended);
    return 0;
}
