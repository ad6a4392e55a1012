// SPDX-License-Identifier: MIT
/*
 * An array that grows as what it is to hold turns up, for readers of data that do not know how much is coming.
 *
 * It doubles: it has at most twice the bytes that were asked for (and not less than 1 KiB), and while it moves, three
 * times.
 */
#ifndef BPI_BASE_GROWING_H
#define BPI_BASE_GROWING_H

#include "base/real.h"

#include <stddef.h>

#include "backprop/memory.h"
#include "backprop/status.h"

/** Zeroed, an empty array. May be moved, never copied. */
struct bpi_growing {
    void *data;      /**< aligned as malloc() aligns */
    size_t n;        /**< bytes in use: who adds some to the room that there is, adds to n */
    size_t capacity; /**< bytes that there is room for */
};

/**
 * Makes room for n more bytes.
 *
 * @param name  begins the sentence, for example with the file's name
 * @return BP_OK, or BP_ERR_MEMORY; the array is then as it was
 */
bp_status bpi_growing_reserve(struct bpi_growing *array, const bp_allocator *allocator, const char *name, size_t n);

/** Gives the memory back and zeroes the struct. An empty array is fine. */
void bpi_growing_release(struct bpi_growing *array, const bp_allocator *allocator);

#endif
