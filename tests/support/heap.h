// SPDX-License-Identifier: MIT
/*
 * A heap for tests: counts what is alive, keeps the peak, and can fail at the n-th allocation.
 *
 *   struct test_heap heap;
 *   test_heap_init(&heap);
 *   heap.fail_at = 3;                              -- optional
 *   status = bp_something_init(&thing, &heap.allocator);
 *   ...
 *   assert_int_equal(heap.live_blocks, 0);
 *
 * Each block is a malloc() of its own, so that memory checkers see where it ends; it is not zeroed.
 * Not for several threads at once, and not to be moved after test_heap_init(): the allocator points to it.
 */
#ifndef TEST_SUPPORT_HEAP_H
#define TEST_SUPPORT_HEAP_H

#include <stddef.h>

#include "backprop/memory.h"

struct test_heap {
    bp_allocator allocator; /**< to be handed to the library */
    size_t n_allocs;        /**< calls of alloc so far, failed ones included */
    size_t n_failed;        /**< calls of alloc that gave NULL */
    size_t n_bad_releases;  /**< releases of NULL or of what is no live block of this heap */
    size_t n_zero_sizes;    /**< calls of alloc that asked for 0 bytes, which memory.h rules out; they fail */
    size_t live_blocks;     /**< blocks not yet released */
    size_t live_bytes;      /**< and their bytes, as asked for */
    size_t peak_bytes;      /**< most live_bytes ever */
    size_t fail_at;         /**< the call of alloc, counted from 1, that gives NULL; 0: none does */
};

/** An empty heap that never fails on purpose. */
void test_heap_init(struct test_heap *heap);

/** 1 if everything was given back and no rule of bp_allocator was broken, else 0. */
int test_heap_is_clean(const struct test_heap *heap);

#endif
