// SPDX-License-Identifier: MIT
/*
 * Threads that share the work of a forward or backward pass, a step or a prediction.
 *
 *   bp_threads threads;
 *   bp_threads_init(&threads, &(bp_threads_config){ .n = 2 });
 *   bp_train(&net, &adam, &data, &(bp_train_config){ .threads = &threads }, NULL);
 *   bp_threads_free(&threads);
 *
 * Without a pool the library starts no thread. With one, matrix products are cut where that changes no bits, or where their
 * shapes say, whatever the number of threads: pools of any size give the same bits. They need not be the bits that come without
 * a pool.
 */
#ifndef BACKPROP_THREADS_H
#define BACKPROP_THREADS_H

#include <stddef.h>

#include "backprop/memory.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Settings of a pool. */
typedef struct bp_threads_config {
    size_t n;                      /**< threads, the one that calls among them; at most 64 in all pools together. Default 0:
                                        as many as the process may use processors, but not more than 64 */
    const bp_allocator *allocator; /**< default NULL: malloc and free */
} bp_threads_config;

struct bp_threads_pool;

/**
 * A pool. Yours to place, never to copy; it stays where it is while something uses it. It serves one call at a time: a
 * second one from another thread does its work alone, with the same bits.
 */
typedef struct bp_threads {
    size_t n;                     /**< threads, the calling one among them; 0: not initialised */
    struct bp_threads_pool *pool; /**< the library's */
} bp_threads;

/**
 * Starts the threads. They look for work for some fifty microseconds, then sleep. Signals are blocked in them.
 *
 * From the first pool of a process to the last one OpenBLAS computes with one thread a call. Built for pthreads it has one setting
 * for all callers, the program's own among them; after the last pool it has the number of threads again that it had before. Built
 * for OpenMP it has a setting for each thread, and only the library's products are computed with one: the settings of the
 * program's threads are the same after a call as before it (where the linker has no weak references, as outside of ELF, a thread
 * that has multiplied keeps the one thread, but for the one that frees the last pool). Built without threads it serves one
 * product at a time: pools of any size give the right bits, but products take as long as in one thread. Other BLAS libraries
 * should be told to use one thread by their own means.
 *
 * Each thread has a stack of the system's usual size, and OpenBLAS maps a buffer for each, but for at most four of a pool, since
 * products have no more parts. Where it can be told to, as on ELF systems, it does so in this call, and no later one maps more.
 *
 * A forked child has no such threads: what it does with a pool it does alone, with the same bits; it may free the pool, and make
 * pools of its own, to which its parent's do not count. A shared
 * library that has this one inside frees its pools before it is unloaded. The two precisions, and shared libraries each with its own
 * copy, know nothing of each other's pools: free those in the reverse order, so that each finds what it left.
 *
 * @param threads  made by this call, whatever it held before; zeroed when the call fails
 * @param config   NULL: defaults
 * @return BP_OK; BP_ERR_ARGUMENT; BP_ERR_TOO_LARGE for more than 64 threads in all pools; BP_ERR_UNSUPPORTED if the system
 *         cannot start them; BP_ERR_MEMORY
 */
bp_status bp_threads_init(bp_threads *threads, const bp_threads_config *config);

/** Ends the threads, gives the memory back and zeroes the struct. Nothing may use the pool. A zeroed or null one is fine. */
void bp_threads_free(bp_threads *threads);

#ifdef __cplusplus
}
#endif

#endif
