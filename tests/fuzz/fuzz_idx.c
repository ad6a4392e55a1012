// SPDX-License-Identifier: MIT
/*
 * IDX files, gzipped or not.
 */
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t sizes[] = { [BP_U8] = 1, [BP_I8] = 1, [BP_I16] = 2, [BP_I32] = 4, [BP_F32] = 4, [BP_F64] = 8 };
    struct test_heap heap;
    bp_idx idx;
    test_heap_init(&heap);
    if (bp_idx_read_memory(&idx, data, size, &heap.allocator) == BP_OK) {
        size_t n = 1;
        for (size_t i = 0; i < idx.n_dims; i++)
            n *= idx.dims[i];
        require(n == idx.n && idx.row_size == n / idx.dims[0]);
        uint8_t sum = 0; /* all of it is there to be read */
        for (size_t i = 0; i < n * sizes[idx.element]; i++)
            sum = (uint8_t)(sum + ((const uint8_t *)idx.data)[i]);
        (void)sum;
        bp_idx_free(&idx);
    }
    require(test_heap_is_clean(&heap));
    return 0;
}
