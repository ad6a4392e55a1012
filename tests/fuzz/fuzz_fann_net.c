// SPDX-License-Identifier: MIT
/*
 * FANN's network files, gzipped or not.
 */
#include "fuzz.h"

/* A byte of text, and a thousand of them in a byte that was gzipped. */
#define MEMORY_PER_BYTE ((size_t)64 * 1032)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_network(bp_network_load_fann_memory, data, size, MEMORY_PER_BYTE);
    return 0;
}
