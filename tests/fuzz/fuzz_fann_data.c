// SPDX-License-Identifier: MIT
/*
 * FANN's data files, gzipped or not.
 */
#include "fuzz.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct test_heap heap;
    bp_fann_data fann;
    test_heap_init(&heap);
    if (bp_fann_data_read_memory(&fann, data, size, &heap.allocator) == BP_OK) {
        for (size_t i = 0; i < fann.rows * fann.n_in; i++)
            require(isfinite(fann.X[i]));
        for (size_t i = 0; i < fann.rows * fann.n_out; i++)
            require(isfinite(fann.T[i]));
        bp_fann_data_free(&fann);
    }
    require(test_heap_is_clean(&heap));
    return 0;
}
