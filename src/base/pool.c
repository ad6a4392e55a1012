// SPDX-License-Identifier: MIT
/*
 * A pool on POSIX threads.
 *
 * One word says all: the job's number in its upper half, how many tasks nobody has taken yet in its lower half. A task is taken
 * by counting that down in one step, which fails if the job has changed meanwhile; so a thread that comes late does no harm,
 * and nobody waits for it.
 */
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): POSIX's own way to ask for it
#define _POSIX_C_SOURCE 200809L
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): and glibc's, for sched_getaffinity()
#define _GNU_SOURCE

#include "base/pool.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"

#if defined(_WIN32)

/* There are none: a pool is its caller. */

bp_status bpi_pool_make(struct bp_threads_pool **made, size_t n, const bp_allocator *allocator)
{
    (void)allocator;
    *made = NULL;
    return n <= 1 ? BP_OK
                  : bpi_fail(BP_ERR_UNSUPPORTED, "bp_threads_init: %zu threads, this system has no POSIX threads", n);
}

void bpi_pool_run(struct bp_threads_pool *pool, size_t n, bpi_task *task, void *job)
{
    (void)pool;
    for (size_t i = 0; i < n; i++)
        task(job, i);
}

void bpi_pool_run_in_each(struct bp_threads_pool *pool, bpi_task *task, void *job)
{
    (void)pool;
    task(job, 0);
}

size_t bpi_pool_size(const struct bp_threads_pool *pool)
{
    (void)pool;
    return 1;
}

void bpi_pool_free(struct bp_threads_pool *pool)
{
    (void)pool;
}

long bpi_process(void)
{
    return 0;
}

bool bpi_pool_is_own(const struct bp_threads_pool *pool)
{
    (void)pool;
    return true;
}

size_t bpi_processors(void)
{
    return 1;
}

#else

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* How long to look before sleeping: somewhat longer than waking takes. A pause takes from 1 to 140 cycles by the processor, so the
 * clock decides. */
static const double LOOKING_SECONDS = 50e-6;
enum { PAUSES = 64 }; /* between looks at the clock */

struct bp_threads_pool {
    /* What all threads look at, in a cache line of its own. */
    _Alignas(BPI_ALIGNMENT) atomic_uint_least64_t word;         /* number of the job << 32 | tasks not yet taken */
    _Alignas(BPI_ALIGNMENT) atomic_uint_least32_t n_unfinished; /* tasks of the job that are not done */

    bpi_task *task; /* of the job, as the next one: written before the word, read after a task is taken */
    void *job;
    uint32_t number;

    atomic_flag is_busy; /* a job is under way */
    atomic_bool ends, caller_sleeps;
    atomic_size_t n_sleeping; /* threads that wait for work_is_there */
    pthread_mutex_t mutex;
    pthread_cond_t work_is_there, work_is_done;

    pid_t process; /* in which the threads are */
    size_t n_threads;
    pthread_t *threads;
    bp_allocator allocator;
    void *block;
};

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Looks for a while whether something has come true. */
static bool comes_true(bool (*is_true)(struct bp_threads_pool *), struct bp_threads_pool *pool)
{
    double begin = 0;
    for (bool has_begun = false;; has_begun = true) {
        for (int i = 0; i < PAUSES; i++) {
            if (is_true(pool))
                return true;
            pause_briefly();
        }
        const double now = bpi_seconds();
        if (!has_begun)
            begin = now;
        else if (now - begin > LOOKING_SECONDS)
            return false;
    }
}

long bpi_process(void)
{
    return (long)getpid();
}

bool bpi_pool_is_own(const struct bp_threads_pool *pool)
{
    return pool->process == getpid();
}

/* ---- Working --------------------------------------------------------------------------------------------------------- */

static bool has_tasks(uint64_t word)
{
    return (uint32_t)word != 0;
}

static void do_task(struct bp_threads_pool *pool, size_t i)
{
    pool->task(pool->job, i);
    if (atomic_fetch_sub(&pool->n_unfinished, 1) == 1 && atomic_load(&pool->caller_sleeps)) {
        (void)pthread_mutex_lock(&pool->mutex);
        (void)pthread_cond_signal(&pool->work_is_done);
        (void)pthread_mutex_unlock(&pool->mutex);
    }
}

/* Takes tasks and does them, until there are none. */
static void work(struct bp_threads_pool *pool)
{
    uint64_t word = atomic_load(&pool->word);
    while (has_tasks(word)) {
        if (!atomic_compare_exchange_weak(&pool->word, &word, word - 1))
            continue;
        do_task(pool, (uint32_t)word - 1);
        word = atomic_load(&pool->word);
    }
}

static bool has_reason_to_wake(struct bp_threads_pool *pool)
{
    return has_tasks(atomic_load(&pool->word)) || atomic_load(&pool->ends);
}

static void wait_for_work(struct bp_threads_pool *pool)
{
    if (comes_true(has_reason_to_wake, pool))
        return;
    (void)pthread_mutex_lock(&pool->mutex);
    (void)atomic_fetch_add(&pool->n_sleeping, 1); /* before the last look: who publishes work looks at this after it */
    while (!has_reason_to_wake(pool))
        (void)pthread_cond_wait(&pool->work_is_there, &pool->mutex);
    (void)atomic_fetch_sub(&pool->n_sleeping, 1);
    (void)pthread_mutex_unlock(&pool->mutex);
}

static void *thread_main(void *argument)
{
    struct bp_threads_pool *pool = argument;
    while (!atomic_load(&pool->ends)) {
        work(pool);
        wait_for_work(pool);
    }
    return NULL;
}

static void wake_sleepers(struct bp_threads_pool *pool)
{
    if (atomic_load(&pool->n_sleeping) == 0 || !bpi_pool_is_own(pool))
        return;
    (void)pthread_mutex_lock(&pool->mutex);
    (void)pthread_cond_broadcast(&pool->work_is_there);
    (void)pthread_mutex_unlock(&pool->mutex);
}

/* ---- Handing out work ------------------------------------------------------------------------------------------------ */

static bool is_done(struct bp_threads_pool *pool)
{
    return atomic_load(&pool->n_unfinished) == 0;
}

static void wait_until_done(struct bp_threads_pool *pool)
{
    if (comes_true(is_done, pool))
        return;
    (void)pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->caller_sleeps, true);
    while (!is_done(pool))
        (void)pthread_cond_wait(&pool->work_is_done, &pool->mutex);
    atomic_store(&pool->caller_sleeps, false);
    (void)pthread_mutex_unlock(&pool->mutex);
}

static void run_alone(size_t n, bpi_task *task, void *job)
{
    for (size_t i = 0; i < n; i++)
        task(job, i);
}

/*
 * In a forked child no thread comes, and the caller takes all tasks. What it must not do there is to wake whom the parent's memory
 * says is asleep; so the process is asked for only then, when a system call is due anyway. Had the parent a job under way,
 * the pool is busy for good.
 */
void bpi_pool_run(struct bp_threads_pool *pool, size_t n, bpi_task *task, void *job)
{
    if (pool == NULL || n <= 1 || pool->n_threads == 0 || atomic_flag_test_and_set(&pool->is_busy)) {
        run_alone(n, task, job);
        return;
    }
    pool->task = task;
    pool->job = job;
    atomic_store(&pool->n_unfinished, (uint32_t)n);
    atomic_store(&pool->word, (uint64_t)++pool->number << 32 | (n - 1));
    wake_sleepers(pool);
    do_task(pool, n - 1); /* always the caller's: of two threads each finds in its caches what it had in the last job */
    work(pool);
    wait_until_done(pool);
    atomic_flag_clear(&pool->is_busy);
}

/* A task in each thread: each waits until all have had theirs, so that none can take two. */
struct meeting {
    struct bp_threads_pool *pool;
    bpi_task *task;
    void *job;
    size_t n_missing;
};

static void meet(void *argument, size_t i)
{
    struct meeting *meeting = argument;
    struct bp_threads_pool *pool = meeting->pool;
    (void)pthread_mutex_lock(&pool->mutex);
    meeting->task(meeting->job, i);
    if (--meeting->n_missing == 0)
        (void)pthread_cond_broadcast(&pool->work_is_there); /* for want of one of its own; who sleeps there looks again */
    while (meeting->n_missing != 0)
        (void)pthread_cond_wait(&pool->work_is_there, &pool->mutex);
    (void)pthread_mutex_unlock(&pool->mutex);
}

void bpi_pool_run_in_each(struct bp_threads_pool *pool, bpi_task *task, void *job)
{
    if (pool == NULL || pool->n_threads == 0) {
        task(job, 0);
        return;
    }
    struct meeting meeting = { pool, task, job, pool->n_threads + 1 };
    bpi_pool_run(pool, pool->n_threads + 1, meet, &meeting);
}

/* ---- Making and freeing ---------------------------------------------------------------------------------------------- */

/* Signals are for the threads of the program. */
static bool start_thread(struct bp_threads_pool *pool)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool started = pthread_create(&pool->threads[pool->n_threads], NULL, thread_main, pool) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    pool->n_threads += started;
    return started;
}

static void end_threads(struct bp_threads_pool *pool)
{
    if (!bpi_pool_is_own(pool))
        return; /* they stayed in the parent, and what they slept on may look as if they slept here */
    atomic_store(&pool->ends, true);
    (void)pthread_mutex_lock(&pool->mutex);
    (void)pthread_cond_broadcast(&pool->work_is_there);
    (void)pthread_mutex_unlock(&pool->mutex);
    for (size_t i = 0; i < pool->n_threads; i++)
        (void)pthread_join(pool->threads[i], NULL);
    (void)pthread_cond_destroy(&pool->work_is_done);
    (void)pthread_cond_destroy(&pool->work_is_there);
    (void)pthread_mutex_destroy(&pool->mutex);
}

size_t bpi_pool_size(const struct bp_threads_pool *pool)
{
    return pool != NULL ? pool->n_threads + 1 : 1;
}

void bpi_pool_free(struct bp_threads_pool *pool)
{
    if (pool == NULL)
        return;
    end_threads(pool);
    const bp_allocator allocator = pool->allocator;
    bpi_release(&allocator, pool->block); /* and with it the pool */
}

static struct bp_threads_pool *place(void *block, size_t offset, size_t threads, const bp_allocator *allocator)
{
    struct bp_threads_pool *pool = bpi_place(block, offset);
    pool->threads = bpi_place(block, threads);
    pool->allocator = *allocator;
    pool->block = block;
    pool->process = getpid();
    atomic_init(&pool->word, 0);
    atomic_init(&pool->n_unfinished, 0);
    atomic_init(&pool->ends, false);
    atomic_init(&pool->n_sleeping, 0);
    atomic_init(&pool->caller_sleeps, false);
    atomic_flag_clear(&pool->is_busy);
    return pool;
}

bp_status bpi_pool_make(struct bp_threads_pool **made, size_t n, const bp_allocator *allocator)
{
    struct bpi_plan plan = { 0 };
    const size_t offset = bpi_plan_array(&plan, 1, sizeof **made);
    const size_t threads = bpi_plan_array(&plan, n, sizeof(pthread_t));
    void *block;
    *made = NULL;
    BPI_TRY(bpi_plan_allocate(&plan, "bp_threads_init", allocator, &block));

    struct bp_threads_pool *pool = place(block, offset, threads, allocator);
    (void)pthread_mutex_init(&pool->mutex, NULL); /* cannot fail without attributes */
    (void)pthread_cond_init(&pool->work_is_there, NULL);
    (void)pthread_cond_init(&pool->work_is_done, NULL);
    for (size_t i = 1; i < n; i++) {
        if (!start_thread(pool)) {
            bpi_pool_free(pool);
            return bpi_fail(BP_ERR_UNSUPPORTED, "bp_threads_init: thread %zu of %zu cannot be started", i + 1, n);
        }
    }
    *made = pool;
    return BP_OK;
}

size_t bpi_processors(void)
{
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (size_t)CPU_COUNT(&set);
#endif
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (size_t)n : 1;
}

#endif
