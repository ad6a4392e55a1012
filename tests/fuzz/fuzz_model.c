// SPDX-License-Identifier: MIT
/*
 * Model files: as they come, and with length and checksum mended, so that what is behind it is reached too.
 */
#include "fuzz.h"

#include <stdlib.h>

/*
 * The most that a byte can justify is in a weight of two bytes (F16) of a layer with one unit: a number, two for the scaling of
 * its input and four in the loader's lists of these, and a name of one byte with a pointer to it, twice.
 */
#define MEMORY_PER_BYTE ((size_t)64)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *mended = fuzz_mended(data, size);
    fuzz_network(fuzz_load_model, data, size, MEMORY_PER_BYTE);
    if (mended != NULL)
        fuzz_network(fuzz_load_model, mended, size, MEMORY_PER_BYTE);
    free(mended);
    return 0;
}
