// SPDX-License-Identifier: MIT
/*
 * Arrays that grow: each move doubles them, so that every byte is copied once or twice.
 */
#include "base/growing.h"

#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

#define FIRST_CAPACITY ((size_t)1 << 10)

/* SIZE_MAX, of which there is no memory, for what overflows. */
static size_t next_capacity(const struct bpi_growing *array, size_t n)
{
    size_t needed, doubled;
    if (!bpi_add(array->n, n, &needed) || !bpi_multiply(array->capacity, 2, &doubled))
        return SIZE_MAX;
    const size_t at_least = needed < FIRST_CAPACITY ? FIRST_CAPACITY : needed;
    return doubled < at_least ? at_least : doubled;
}

bp_status bpi_growing_reserve(struct bpi_growing *array, const bp_allocator *allocator, const char *name, size_t n)
{
    if (n <= array->capacity - array->n)
        return BP_OK;
    const size_t capacity = next_capacity(array, n);
    void *data = bpi_allocate(allocator, capacity);
    if (data == NULL)
        return bpi_fail(BP_ERR_MEMORY, "%s: no memory for %zu bytes", name, capacity);

    if (array->n > 0)
        memcpy(data, array->data, array->n);
    bpi_release(allocator, array->data);
    array->data = data;
    array->capacity = capacity;
    return BP_OK;
}

void bpi_growing_release(struct bpi_growing *array, const bp_allocator *allocator)
{
    bpi_release(allocator, array->data);
    *array = (struct bpi_growing){ 0 };
}
