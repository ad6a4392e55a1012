// SPDX-License-Identifier: MIT
/*
 * Threads that wait for work: tasks 0 .. n - 1 of a job are done by whichever thread comes first, the caller among them.
 *
 * Which thread does a task is left to chance; so a job must give the same whoever does what, and in whatever order.
 *
 * Between jobs the threads look for the next one for some fifty microseconds, then sleep. A job that is begun while another one is
 * under way, or in a process that was forked after the threads were made, is done by its caller alone.
 */
#ifndef BPI_BASE_POOL_H
#define BPI_BASE_POOL_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/memory.h"
#include "backprop/status.h"

struct bp_threads_pool;

/** One task of a job. */
typedef void bpi_task(void *job, size_t i);

/**
 * Makes a pool of n - 1 threads beside the caller; signals are blocked in them.
 *
 * @param n          1 .. 64
 * @param allocator  complete
 * @return BP_OK, BP_ERR_MEMORY, or BP_ERR_UNSUPPORTED if the system has no more threads, or none at all; *made is then NULL
 */
bp_status bpi_pool_make(struct bp_threads_pool **made, size_t n, const bp_allocator *allocator);

/** Does tasks 0 .. n - 1, n < 2^32, and returns when all are done. NULL: one after the other, by the caller. */
void bpi_pool_run(struct bp_threads_pool *pool, size_t n, bpi_task *task, void *job);

/** Does one task in each thread of an idle pool, the caller among them, one after the other. NULL: in the caller. */
void bpi_pool_run_in_each(struct bp_threads_pool *pool, bpi_task *task, void *job);

/** Threads that share a job, the caller among them. NULL: 1. */
size_t bpi_pool_size(const struct bp_threads_pool *pool);

/** Ends the threads and gives the memory back. NULL is fine. In a forked child there are none to end. */
void bpi_pool_free(struct bp_threads_pool *pool);

/** A number for this process that a forked child does not share. */
long bpi_process(void);

/** Whether the pool was made in this process, and not in one that it was forked from. */
bool bpi_pool_is_own(const struct bp_threads_pool *pool);

/** Processors that this process may use, at least 1. */
size_t bpi_processors(void);

#endif
