// SPDX-License-Identifier: MIT
/*
 * The network of a case. Compiled for both number types.
 */
#ifndef BENCH_NETWORK_H
#define BENCH_NETWORK_H

#include <backprop.h>

#include "bench.h"
#include "bounds.h"

#define make_network BENCH_NAMED(make_network)

/** The same initial parameters every time; ends the program where that fails. */
void make_network(const struct bench_case *what, bp_network *net);

#endif
