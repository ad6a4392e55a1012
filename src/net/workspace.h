// SPDX-License-Identifier: MIT
/*
 * A workspace from an allocator other than its network's.
 */
#ifndef BPI_NET_WORKSPACE_H
#define BPI_NET_WORKSPACE_H

#include "base/real.h"

#include "backprop/workspace.h"

/** bp_workspace_init() with the memory from `allocator`, which has both functions. `net` is initialised. */
bp_status bpi_workspace_init(bp_workspace *ws, const bp_network *net, size_t max_batch, bp_mode mode,
                             const bp_allocator *allocator);

#endif
