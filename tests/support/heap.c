// SPDX-License-Identifier: MIT
/*
 * The test heap: malloc() with a header before each block that holds its size and its owner.
 */
#include "support/heap.h"

#include <stdint.h>
#include <stdlib.h>

/* The union keeps what follows the header aligned as malloc() aligns. */
union block_header {
    struct {
        size_t size;
        const struct test_heap *owner; /* NULL once released */
    } is;
    max_align_t align;
};

static void *refuse(struct test_heap *heap)
{
    heap->n_failed++;
    return NULL;
}

static void *heap_alloc(size_t size, void *user)
{
    struct test_heap *heap = user;
    heap->n_allocs++;
    heap->n_zero_sizes += size == 0;
    if (heap->n_allocs == heap->fail_at || size == 0 || size > SIZE_MAX - sizeof(union block_header))
        return refuse(heap);

    union block_header *header = malloc(sizeof *header + size);
    if (header == NULL)
        return refuse(heap);
    header->is.size = size;
    header->is.owner = heap;

    heap->live_blocks++;
    heap->live_bytes += size;
    if (heap->live_bytes > heap->peak_bytes)
        heap->peak_bytes = heap->live_bytes;
    return header + 1;
}

static void heap_release(void *memory, void *user)
{
    struct test_heap *heap = user;
    union block_header *header = memory == NULL ? NULL : (union block_header *)memory - 1;
    if (header == NULL || header->is.owner != heap) {
        heap->n_bad_releases++;
        return;
    }
    heap->live_blocks--;
    heap->live_bytes -= header->is.size;
    header->is.owner = NULL;
    free(header);
}

void test_heap_init(struct test_heap *heap)
{
    *heap = (struct test_heap){ .allocator = { heap_alloc, heap_release, heap } };
}

int test_heap_is_clean(const struct test_heap *heap)
{
    return heap->live_blocks == 0 && heap->live_bytes == 0 && heap->n_bad_releases == 0 && heap->n_zero_sizes == 0;
}
