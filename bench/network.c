// SPDX-License-Identifier: MIT
/*
 * From the names in a case to a network.
 */
#include "network.h"

#include <string.h>

#include "must.h"

static bp_activation activation_of(const char *name)
{
    bp_activation f = BP_IDENTITY;
    while (strcmp(bp_activation_name(f), name) != 0)
        f++;
    return f;
}

void make_network(const struct bench_case *what, bp_network *net)
{
    const size_t n_layers = bench_n_layers(what);
    bp_layer_config layers[MOST_WIDTHS] = { { 0 } };
    for (size_t l = 0; l < n_layers; l++)
        layers[l] = (bp_layer_config){ .n_out = what->widths[l + 1],
                                       .activation = activation_of(l + 1 < n_layers ? what->hidden : what->output) };
    must(bp_network_init(net, &(bp_network_config){ .n_in = what->widths[0], .n_layers = n_layers, .layers = layers }));
}
