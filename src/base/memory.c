// SPDX-License-Identifier: MIT
/*
 * The only file that calls malloc(), and the arithmetic of sizes that cannot wrap.
 */
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

static void *default_alloc(size_t size, void *user)
{
    (void)user;
    return malloc(size);
}

static void default_release(void *memory, void *user)
{
    (void)user;
    free(memory);
}

bp_allocator bpi_allocator_or_default(const bp_allocator *allocator)
{
    if (allocator != NULL && allocator->alloc != NULL)
        return *allocator;
    return (bp_allocator){ default_alloc, default_release, NULL };
}

bp_status bpi_check_allocator(const char *function, const bp_allocator *allocator)
{
    if (allocator != NULL && (allocator->alloc == NULL) != (allocator->release == NULL))
        return bpi_fail(BP_ERR_ARGUMENT, "%s: the allocator has %s; it needs both functions or neither", function,
                        allocator->alloc == NULL ? "release but no alloc" : "alloc but no release");
    return BP_OK;
}

bool bpi_multiply(size_t a, size_t b, size_t *product)
{
    const bool fits = b == 0 || a <= SIZE_MAX / b;
    *product = fits ? a * b : 0;
    return fits;
}

bool bpi_add(size_t a, size_t b, size_t *sum)
{
    const bool fits = a <= SIZE_MAX - b;
    *sum = fits ? a + b : 0;
    return fits;
}

size_t bpi_plan_array(struct bpi_plan *plan, size_t n, size_t element_size)
{
    const size_t offset = plan->size;
    size_t bytes, padded, end;
    const bool fits = bpi_multiply(n, element_size, &bytes) && bpi_add(bytes, BPI_ALIGNMENT - 1, &padded) &&
                      bpi_add(offset, padded - padded % BPI_ALIGNMENT, &end);
    if (!fits) {
        plan->too_large = true;
        return 0;
    }
    plan->size = end;
    return offset;
}

size_t bpi_plan_matrix(struct bpi_plan *plan, size_t rows, size_t columns, size_t element_size)
{
    size_t n;
    if (!bpi_multiply(rows, columns, &n)) {
        plan->too_large = true;
        return 0;
    }
    return bpi_plan_array(plan, n, element_size);
}

/* The address in the block from which offsets count: the first one aligned as the arrays are. */
static char *aligned_start(void *block)
{
    const size_t beyond = (size_t)((uintptr_t)block % BPI_ALIGNMENT);
    return (char *)block + (beyond == 0 ? 0 : BPI_ALIGNMENT - beyond);
}

bp_status bpi_plan_allocate(const struct bpi_plan *plan, const char *what, const bp_allocator *allocator, void **block)
{
    *block = NULL;
    size_t with_slack;
    if (plan->too_large || !bpi_add(plan->size, BPI_ALIGNMENT - 1, &with_slack) || with_slack > PTRDIFF_MAX)
        return bpi_fail(BP_ERR_TOO_LARGE, "%s: its memory in bytes overflows", what);
    if (plan->size == 0)
        return BP_OK;

    *block = allocator->alloc(with_slack, allocator->user);
    if (*block == NULL)
        return bpi_fail(BP_ERR_MEMORY, "%s: no memory for %zu bytes", what, with_slack);
    memset(*block, 0, with_slack);
    return BP_OK;
}

void *bpi_place(void *block, size_t offset)
{
    return aligned_start(block) + offset;
}

void *bpi_plan_or_place(struct bpi_plan *plan, void *block, size_t rows, size_t columns, size_t element_size)
{
    const size_t offset = bpi_plan_matrix(plan, rows, columns, element_size);
    return block != NULL && rows > 0 && columns > 0 ? bpi_place(block, offset) : NULL;
}

void *bpi_allocate(const bp_allocator *allocator, size_t size)
{
    return size == 0 || size > PTRDIFF_MAX ? NULL : allocator->alloc(size, allocator->user);
}

void bpi_release(const bp_allocator *allocator, void *block)
{
    if (block != NULL)
        allocator->release(block, allocator->user);
}

void bp_bytes_free(bp_bytes *bytes)
{
    if (bytes == NULL)
        return;
    bpi_release(&bytes->allocator, bytes->data);
    *bytes = (bp_bytes){ 0 };
}
