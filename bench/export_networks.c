// SPDX-License-Identifier: MIT
/*
 * Writes the networks of the cases of exported C as C source, to be compiled into the benchmark.
 *
 *   export_networks DIRECTORY
 */
#include <backprop.h>

#include "bench.h"
#include "must.h"
#include "network.h"

#ifdef BACKPROP_SINGLE
#define OF_TYPE(name) name "_f32"
#else
#define OF_TYPE(name) name "_f64"
#endif

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < bench_n_cases; i++) {
        bp_network net;
        if (bench_cases[i].way != EXPORTED)
            continue;
        make_network(&bench_cases[i], &net);
        must(bp_network_export_c(&net, argv[1],
                                 &(bp_export_c_config){ .prefix = net.n_in == 2 ? OF_TYPE("xor") : OF_TYPE("small") }));
        bp_network_free(&net);
    }
    return argc == 2 ? EXIT_SUCCESS : EXIT_FAILURE;
}
