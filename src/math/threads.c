// SPDX-License-Identifier: MIT
/*
 * Pools as the public sees them, and how many threads they have in all.
 */
#include "backprop/threads.h"

#include "base/memory.h"
#include "base/pool.h"
#include "base/status.h"
#include "math/blas_calls.h"
#include "math/gemm.h"
#include "math/shared_gemm.h"

#ifndef _WIN32
#include <pthread.h>
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
#define LOCK() (void)pthread_mutex_lock(&mutex)
#define UNLOCK() (void)pthread_mutex_unlock(&mutex)
#else
#define LOCK() (void)0
#define UNLOCK() (void)0
#endif

enum { MOST_THREADS = 64 }; /* OpenBLAS of Debian 12 crashes with more than 128 callers at the same time */

/* ---- All pools of the process ---------------------------------------------------------------------------------------- */

static struct {
    size_t n_pools;   /* those that a child has inherited among them, until it frees them */
    size_t n_threads; /* of the pools that were made in `process` */
    size_t n_callers; /* of these, how many may call the BLAS at the same time */
    long process;
} all;

static size_t callers_of(size_t n_threads)
{
    return n_threads < BPI_MOST_PRODUCT_PARTS ? n_threads : BPI_MOST_PRODUCT_PARTS;
}

/* Counts n threads in, and makes the BLAS ready for as many callers as there are now. */
static bp_status enter(size_t n)
{
    LOCK();
    bp_status status = BP_OK;
    if (all.process != bpi_process())
        all.n_threads = all.n_callers = 0; /* they stayed in the parent */
    all.process = bpi_process();
    if (n > MOST_THREADS - all.n_threads)
        status =
            bpi_fail(BP_ERR_TOO_LARGE, "bp_threads_init: %zu threads, and %zu in other pools: expected at most %d in all",
                     n, all.n_threads, MOST_THREADS);
    if (status == BP_OK) {
        if (all.n_pools++ == 0)
            bpi_blas_pools_begin();
        all.n_threads += n;
        all.n_callers += callers_of(n);
        bpi_blas_make_buffers(all.n_callers);
    }
    UNLOCK();
    return status;
}

static void leave(size_t n)
{
    LOCK();
    all.n_threads -= n;
    all.n_callers -= callers_of(n);
    if (--all.n_pools == 0)
        bpi_blas_pools_end();
    UNLOCK();
}

/* ---- Pools ----------------------------------------------------------------------------------------------------------- */

static bp_status start(struct bp_threads_pool **made, size_t n, const bp_allocator *allocator)
{
    BPI_TRY(bpi_pool_make(made, n, allocator));
    const bp_status status = bpi_gemm_warm_up(*made, allocator);
    if (status != BP_OK)
        bpi_pool_free(*made);
    return status;
}

bp_status bp_threads_init(bp_threads *threads, const bp_threads_config *config)
{
    static const bp_threads_config defaults = { 0 };
    BPI_NOT_NULL(threads);
    *threads = (bp_threads){ 0 };
    if (config == NULL)
        config = &defaults;
    BPI_TRY(bpi_check_allocator(__func__, config->allocator));
    size_t n = config->n != 0 ? config->n : bpi_processors();
    if (config->n == 0 && n > MOST_THREADS)
        n = MOST_THREADS;

    const bp_allocator allocator = bpi_allocator_or_default(config->allocator);
    BPI_TRY(enter(n));
    struct bp_threads_pool *pool;
    const bp_status status = start(&pool, n, &allocator);
    if (status == BP_OK)
        *threads = (bp_threads){ .n = n, .pool = pool };
    else
        leave(n);
    return status;
}

void bp_threads_free(bp_threads *threads)
{
    if (threads == NULL || threads->n == 0)
        return;
    const size_t n = bpi_pool_is_own(threads->pool) ? threads->n : 0;
    bpi_pool_free(threads->pool);
    leave(n);
    *threads = (bp_threads){ 0 };
}
