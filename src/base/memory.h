// SPDX-License-Identifier: MIT
/*
 * Plan, then place: an object adds up what it needs, takes one block, and cuts its arrays out of it.
 *
 *   struct bpi_plan plan = { 0 };
 *   const size_t W = bpi_plan_array(&plan, n_out * n_in, sizeof(bp_real));  -- an offset, no memory yet
 *   ...
 *   BPI_TRY(bpi_plan_allocate(&plan, "network", &allocator, &block));       -- the one step that can fail
 *   layer->W = bpi_place(block, W);
 *
 * Sizes that overflow make the plan fail, never wrap. Each array is aligned to 64
 * bytes, a cache line and the widest vector.
 */
#ifndef BPI_BASE_MEMORY_H
#define BPI_BASE_MEMORY_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/memory.h"
#include "backprop/status.h"

#define BPI_ALIGNMENT ((size_t)64)

/** Zeroed, a plan for nothing. */
struct bpi_plan {
    size_t size;    /**< bytes so far, a multiple of BPI_ALIGNMENT */
    bool too_large; /**< some size does not fit a size_t */
};

/** a * b into *product; false if it overflows, *product then 0. */
bool bpi_multiply(size_t a, size_t b, size_t *product);

/** a + b into *sum; false if it overflows, *sum then 0. */
bool bpi_add(size_t a, size_t b, size_t *sum);

/** Reserves n elements of `element_size` bytes; returns their offset for bpi_place(). */
size_t bpi_plan_array(struct bpi_plan *plan, size_t n, size_t element_size);

/** The same for rows x columns elements. */
size_t bpi_plan_matrix(struct bpi_plan *plan, size_t rows, size_t columns, size_t element_size);

/**
 * Takes the block, all zeros. `what` names the object in the sentence of BP_ERR_TOO_LARGE and BP_ERR_MEMORY; *block is then
 * NULL. A plan for nothing gives BP_OK and NULL.
 */
bp_status bpi_plan_allocate(const struct bpi_plan *plan, const char *what, const bp_allocator *allocator, void **block);

/** Address of what was planned at `offset`, in the block of bpi_plan_allocate(). */
void *bpi_place(void *block, size_t offset);

/**
 * Both in one: reserves rows x columns elements and, with a block, gives their address; NULL without one, and for no
 * elements. So one walk over the arrays of an object measures them, and once more places them where they were measured.
 */
void *bpi_plan_or_place(struct bpi_plan *plan, void *block, size_t rows, size_t columns, size_t element_size);

/** malloc and free where `allocator` is NULL or zeroed. */
bp_allocator bpi_allocator_or_default(const bp_allocator *allocator);

/** Refuses an allocator that has only one of its two functions. NULL is fine. */
bp_status bpi_check_allocator(const char *function, const bp_allocator *allocator);

/** Memory without a plan, for the rare array that grows: not zeroed, aligned as malloc() aligns; NULL if there is none. */
void *bpi_allocate(const bp_allocator *allocator, size_t size);

/** Gives a block back; NULL is fine. */
void bpi_release(const bp_allocator *allocator, void *block);

#endif
