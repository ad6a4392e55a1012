// SPDX-License-Identifier: MIT
/*
 * Compiled without BACKPROP_SINGLE and linked to the double library.
 */
#include "support/double_part.h"

#include <string.h>

#include "backprop.h"

#ifdef BACKPROP_SINGLE
#error "BACKPROP_SINGLE has leaked into the double-precision half of the program"
#endif

size_t double_part_size_of_real(void)
{
    return sizeof(bp_real);
}

int double_part_predict(uint64_t seed, const double *X, size_t batch, double params[BOTH_PARAMS], double *Y)
{
    const bp_layer_config layers[] = { { .n_out = BOTH_HIDDEN, .activation = BP_TANH },
                                       { .n_out = BOTH_OUT, .activation = BP_SOFTMAX } };
    const bp_network_config config = { .n_in = BOTH_IN, .n_layers = 2, .layers = layers, .seed = seed };
    bp_network net = { 0 };
    bp_workspace ws = { 0 };

    bp_status status = bp_network_init(&net, &config);
    if (status == BP_OK)
        status = bp_workspace_init(&ws, &net, batch, BP_INFERENCE);
    if (status == BP_OK)
        status = bp_predict(&net, &ws, X, batch, Y);
    if (status == BP_OK)
        memcpy(params, net.parameters.params, BOTH_PARAMS * sizeof *params);
    bp_workspace_free(&ws);
    bp_network_free(&net);
    return (int)status;
}

const char *double_part_fail(void)
{
    (void)bp_network_init(NULL, NULL);
    return bp_error_message();
}

const char *double_part_sentence(void)
{
    return bp_error_message();
}
