// SPDX-License-Identifier: MIT
/*
 * Pools as the public sees them, and what a BLAS must be told while there are some.
 */
#include "backprop/threads.h"

#include "base/memory.h"
#include "base/pool.h"
#include "base/status.h"

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

/* ---- The BLAS -------------------------------------------------------------------------------------------------------- */

#ifdef BACKPROP_HAS_OPENBLAS

int openblas_get_num_threads(void);
int openblas_get_parallel(void);
void openblas_set_num_threads(int n);

static bp_status check_blas(size_t n)
{
    if (n > 1 && openblas_get_parallel() == 0)
        return bpi_fail(BP_ERR_UNSUPPORTED,
                        "bp_threads_init: OpenBLAS is built without threads, and wrong when several call it "
                        "at the same time: link the build for pthreads or OpenMP");
    return BP_OK;
}

static int blas_get_threads(void)
{
    return openblas_get_num_threads();
}

static void blas_set_threads(int n)
{
    if (n != openblas_get_num_threads())
        openblas_set_num_threads(n);
}

#else

static bp_status check_blas(size_t n)
{
    (void)n;
    return BP_OK;
}

static int blas_get_threads(void)
{
    return 1;
}

static void blas_set_threads(int n)
{
    (void)n;
}

#endif

/* ---- All pools of the process ---------------------------------------------------------------------------------------- */

static struct {
    size_t n_pools, n_threads;
    int blas_threads; /* as they were before the first pool */
} all;

static bp_status enter(size_t n)
{
    LOCK();
    bp_status status = BP_OK;
    if (all.n_threads + n > MOST_THREADS)
        status =
            bpi_fail(BP_ERR_TOO_LARGE, "bp_threads_init: %zu threads, and %zu in other pools: expected at most %d in all",
                     n, all.n_threads, MOST_THREADS);
    if (status == BP_OK && all.n_pools++ == 0) {
        all.blas_threads = blas_get_threads();
        blas_set_threads(1);
    }
    all.n_threads += status == BP_OK ? n : 0;
    UNLOCK();
    return status;
}

static void leave(size_t n)
{
    LOCK();
    all.n_threads -= n;
    if (--all.n_pools == 0)
        blas_set_threads(all.blas_threads);
    UNLOCK();
}

/* ---- Pools ----------------------------------------------------------------------------------------------------------- */

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
    BPI_TRY(check_blas(n));

    const bp_allocator allocator = bpi_allocator_or_default(config->allocator);
    BPI_TRY(enter(n));
    const bp_status status = bpi_pool_make(&threads->pool, n, &allocator);
    if (status == BP_OK)
        threads->n = n;
    else
        leave(n);
    return status;
}

void bp_threads_free(bp_threads *threads)
{
    if (threads == NULL || threads->n == 0)
        return;
    bpi_pool_free(threads->pool);
    leave(threads->n);
    *threads = (bp_threads){ 0 };
}
