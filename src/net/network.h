// SPDX-License-Identifier: MIT
/*
 * Checks that every function on networks begins with.
 */
#ifndef BPI_NET_NETWORK_H
#define BPI_NET_NETWORK_H

#include "base/real.h"

#include <stdint.h>

#include "backprop/network.h"
#include "backprop/status.h"

/** By this differ the topologies of a network whose inputs are scaled and of the same network whose inputs are not. */
#define BPI_SCALED_INPUTS UINT64_C(0x9e3779b97f4a7c15)

/** Refuses a null or zeroed network; `function` and `name` ("net") stand in the sentence. */
bp_status bpi_network_check(const char *function, const char *name, const bp_network *net);

#endif
