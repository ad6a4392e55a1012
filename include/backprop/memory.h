// SPDX-License-Identifier: MIT
/*
 * Where objects take their memory from.
 *
 * Every object asks its allocator once, when it is initialised, and gives the block back when it is freed. Two exceptions:
 * bp_workspace_init() also takes 2 * 128 * 128 numbers for the time of the call, to make the BLAS allocate its buffers;
 * readers of files ask again as the bytes arrive. A training step and a prediction ask for nothing.
 */
#ifndef BACKPROP_MEMORY_H
#define BACKPROP_MEMORY_H

#include <stddef.h>

#include "backprop/precision.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The user's heap. Each object keeps a copy of the struct from its `_init` to its `_free`.
 *
 * The functions may be called from any thread that initialises or frees an object. A null pointer to a bp_allocator, or
 * a zeroed struct, means malloc() and free().
 */
typedef struct bp_allocator {
    void *(*alloc)(size_t size, void *user); /**< `size` > 0 bytes, aligned as malloc() aligns; NULL when there are none */
    void (*release)(void *memory, void *user); /**< takes back what alloc() gave; never called with NULL */
    void *user;                                /**< handed to both; the library never reads it */
} bp_allocator;

/** Bytes that a function made for its caller, for example a file in memory. Yours to place and to move, never to copy. */
typedef struct bp_bytes {
    void *data; /**< `size` bytes; NULL where there are none */
    size_t size;
    bp_allocator allocator; /**< where they came from */
} bp_bytes;

/** Gives the memory back and zeroes the struct. Zeroed or null `bytes` are fine. */
void bp_bytes_free(bp_bytes *bytes);

#ifdef __cplusplus
}
#endif

#endif
