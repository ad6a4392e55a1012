// SPDX-License-Identifier: MIT
/*
 * Checks that every function on networks begins with.
 */
#ifndef BPI_NET_NETWORK_H
#define BPI_NET_NETWORK_H

#include "base/real.h"

#include "backprop/network.h"
#include "backprop/status.h"

/** Refuses a null or zeroed network; `function` and `name` ("net") stand in the sentence. */
bp_status bpi_network_check(const char *function, const char *name, const bp_network *net);

#endif
