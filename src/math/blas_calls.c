// SPDX-License-Identifier: MIT
/*
 * OpenBLAS is asked once how it is built. Who has the build for pthreads pays one branch a call.
 */
#include "math/blas_calls.h"

#ifdef BACKPROP_HAS_OPENBLAS

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "backprop/blas_info.h"

char *openblas_get_config(void);
int openblas_get_num_threads(void);
int openblas_get_parallel(void);
void openblas_set_num_threads(int n);

/* Functions that are there if OpenBLAS brings them with it; where a linker has no such references, they are not. */
#if defined(__GNUC__) && defined(__ELF__)
__attribute__((weak)) int omp_get_max_threads(void);
__attribute__((weak)) void omp_set_num_threads(int n);
__attribute__((weak)) void *blas_memory_alloc(int unused);
__attribute__((weak)) void blas_memory_free(void *buffer);
#define HAS_OMP (omp_get_max_threads != NULL && omp_set_num_threads != NULL)
#define HAS_BUFFERS (blas_memory_alloc != NULL && blas_memory_free != NULL)
#else
static int omp_get_max_threads(void)
{
    return 1;
}
static void omp_set_num_threads(int n)
{
    (void)n;
}
static void *blas_memory_alloc(int unused)
{
    (void)unused;
    return NULL;
}
static void blas_memory_free(void *buffer)
{
    (void)buffer;
}
#define HAS_OMP false
#define HAS_BUFFERS false
#endif

/* ---- How it is built ------------------------------------------------------------------------------------------------- */

enum build { NOT_ASKED, SERIAL, PTHREAD, OPENMP };

static atomic_int known_build = NOT_ASKED;
static atomic_bool is_good; /* there is nothing to be advised */

/* OpenBLAS puts its answers together in one buffer of the process: so it is asked once, under a lock. */
static void remember(enum build build)
{
    atomic_store(&is_good, bp_blas_info().advice == NULL);
    atomic_store(&known_build, (int)build);
}

static enum build ask(void)
{
    switch (openblas_get_parallel()) {
    case 0:
        return SERIAL;
    case 2:
        return OPENMP;
    default:
        return PTHREAD;
    }
}

#ifndef _WIN32

#include <pthread.h>

static pthread_mutex_t serial_call = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t setting = PTHREAD_MUTEX_INITIALIZER;

static void lock(pthread_mutex_t *mutex)
{
    (void)pthread_mutex_lock(mutex);
}

static void unlock(pthread_mutex_t *mutex)
{
    (void)pthread_mutex_unlock(mutex);
}

static void lock_serial_call(void)
{
    lock(&serial_call);
}

static void unlock_serial_call(void)
{
    unlock(&serial_call);
}

/* A child whose parent was within a call of another thread would wait for ever: so a fork waits for the end of the call. */
static void ask_once(void)
{
    const enum build build = ask();
    if (build == SERIAL)
        (void)pthread_atfork(lock_serial_call, unlock_serial_call, unlock_serial_call);
    remember(build);
}

static void find_out(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, ask_once);
}

#else /* no pools, and the locks are left to the program */

enum { serial_call, setting };
#define lock(mutex) (void)(mutex)
#define unlock(mutex) (void)(mutex)

static void lock_serial_call(void)
{
}

static void unlock_serial_call(void)
{
}

static void find_out(void)
{
    remember(ask());
}

#endif

static enum build build_of_blas(void)
{
    int build = atomic_load_explicit(&known_build, memory_order_acquire);
    if (build == NOT_ASKED) {
        find_out();
        build = atomic_load(&known_build);
    }
    return (enum build)build;
}

/* ---- Threads --------------------------------------------------------------------------------------------------------- */

static atomic_bool has_pools;
static int threads_before; /* the first pool */

/* Without OpenMP's own functions a thread is told once, and keeps that. */
static _Thread_local bool has_one_thread;

static void set_for_this_thread(int n)
{
    lock(&setting); /* OpenBLAS changes tables of the process at this, unprotected */
    openblas_set_num_threads(n);
    unlock(&setting);
    has_one_thread = n == 1;
}

static int begin_openmp(void)
{
    if (!atomic_load_explicit(&has_pools, memory_order_acquire))
        return 0;
    if (!HAS_OMP) {
        if (!has_one_thread)
            set_for_this_thread(1);
        return 0;
    }
    const int before = omp_get_max_threads();
    if (before == 1)
        return 0;
    omp_set_num_threads(1);
    return before;
}

int bpi_blas_begin(void)
{
    const enum build build = build_of_blas();
    if (build == PTHREAD)
        return 0;
    if (build == OPENMP)
        return begin_openmp();
    lock_serial_call();
    return 0;
}

void bpi_blas_end(int before)
{
    const enum build build = build_of_blas();
    if (build == PTHREAD)
        return;
    if (build == SERIAL)
        unlock_serial_call();
    else if (before > 0)
        omp_set_num_threads(before);
}

void bpi_blas_pools_begin(void)
{
    threads_before = openblas_get_num_threads();
    atomic_store(&has_pools, true);
    if (build_of_blas() == PTHREAD && threads_before != 1)
        openblas_set_num_threads(1);
}

void bpi_blas_pools_end(void)
{
    atomic_store(&has_pools, false);
    if (build_of_blas() == PTHREAD && threads_before != openblas_get_num_threads())
        openblas_set_num_threads(threads_before);
    else if (has_one_thread)
        set_for_this_thread(threads_before);
}

int bpi_blas_threads(void)
{
    return openblas_get_num_threads();
}

/* ---- Buffers --------------------------------------------------------------------------------------------------------- */

enum { MOST_BUFFERS = 64 };

/*
 * A call takes any buffer that is free; only if none is, a new one is mapped. So as many as there may be calls are taken together,
 * and given back. Not where each thread has buffers of its own, or only one call is made at a time.
 */
void bpi_blas_make_buffers(size_t n)
{
    void *buffers[MOST_BUFFERS];
    size_t n_taken = 0;
    if (!HAS_BUFFERS || build_of_blas() == SERIAL || strstr(openblas_get_config(), "USE_TLS") != NULL)
        return;
    while (n_taken < n && n_taken < MOST_BUFFERS && (buffers[n_taken] = blas_memory_alloc(0)) != NULL)
        n_taken++;
    while (n_taken > 0)
        blas_memory_free(buffers[--n_taken]);
}

bool bpi_blas_is_good(void)
{
    (void)build_of_blas();
    return atomic_load_explicit(&is_good, memory_order_relaxed);
}

#else

int bpi_blas_begin(void)
{
    return 0;
}

void bpi_blas_end(int before)
{
    (void)before;
}

void bpi_blas_pools_begin(void)
{
}

void bpi_blas_pools_end(void)
{
}

void bpi_blas_make_buffers(size_t n)
{
    (void)n;
}

int bpi_blas_threads(void)
{
    return 1;
}

bool bpi_blas_is_good(void)
{
#ifdef BACKPROP_CBLAS_HEADER
    return true;
#else
    return false;
#endif
}

#endif
