// SPDX-License-Identifier: MIT
/*
 * A network's names as a whole.
 */
#ifndef BPI_NET_NAMES_H
#define BPI_NET_NAMES_H

#include "base/real.h"

#include "backprop/names.h"

/** Gives `to`, which has none, the names and metadata of `from`. BP_OK or BP_ERR_MEMORY; some may be there then. */
bp_status bpi_names_copy(bp_network *to, const bp_network *from);

/** Gives the network these entries in place of its own; they are copied. BP_OK, BP_ERR_TOO_LARGE or BP_ERR_MEMORY. */
bp_status bpi_names_set_metadata(bp_network *net, const bp_metadata *entries, size_t n);

/** Gives the memory of all names back. */
void bpi_names_free(bp_network *net);

#endif
