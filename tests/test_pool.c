// SPDX-License-Identifier: MIT
/*
 * Pools of threads: every task is done once, whoever does it; forks, second callers and too many threads end well.
 */
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): POSIX's own way to ask for it
#define _POSIX_C_SOURCE 200809L /* fork, nanosleep */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backprop/rng.h"
#include "backprop/threads.h"
#include "base/pool.h"
#include "math/shared_gemm.h"
#include "support/heap.h"
#include "support/refusal.h"

enum { MOST_TASKS = 1000 };

#if defined(__SANITIZE_THREAD__)
#define SANITIZED_THREADS
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SANITIZED_THREADS
#endif
#endif

struct counted {
    atomic_int done[MOST_TASKS];
    struct bp_threads_pool *pool; /* to run a job within a task */
};

static void count(void *job, size_t i)
{
    struct counted *counted = job;
    (void)atomic_fetch_add(&counted->done[i], 1);
}

static void assert_each_done(const struct counted *counted, size_t n, int times)
{
    for (size_t i = 0; i < MOST_TASKS; i++)
        assert_int_equal(atomic_load(&counted->done[i]), i < n ? times : 0);
}

static void doze(long nanoseconds)
{
    const struct timespec time = { .tv_nsec = nanoseconds };
    (void)nanosleep(&time, NULL);
}

static void every_task_is_done_once(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 2, 3, 7, 64, MOST_TASKS };
    for (size_t n_threads = 1; n_threads <= 7; n_threads++) {
        bp_threads threads;
        assert_int_equal(bp_threads_init(&threads, &(bp_threads_config){ .n = n_threads }), BP_OK);
        assert_int_equal(threads.n, n_threads);
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            struct counted counted = { .pool = NULL };
            for (int job = 0; job < 50; job++) {
                bpi_pool_run(threads.pool, sizes[s], count, &counted);
                assert_each_done(&counted, sizes[s], job + 1); /* no task is left over when the call returns */
            }
        }
        bp_threads_free(&threads);
        assert_null(threads.pool);
    }
}

static void threads_that_have_gone_to_sleep_wake_up(void **state)
{
    (void)state;
    bp_threads threads;
    struct counted counted = { .pool = NULL };
    assert_int_equal(bp_threads_init(&threads, &(bp_threads_config){ .n = 3 }), BP_OK);
    for (int job = 0; job < 20; job++) {
        doze(2000000);
        bpi_pool_run(threads.pool, 10, count, &counted);
    }
    assert_each_done(&counted, 10, 20);
    bp_threads_free(&threads);
}

static void sleep_and_count(void *job, size_t i)
{
    if (i == 0)
        doze(3000000); /* so long that the caller goes to sleep, if it is not the one who does this */
    count(job, i);
}

static void a_caller_waits_for_tasks_that_take_long(void **state)
{
    (void)state;
    bp_threads threads;
    struct counted counted = { .pool = NULL };
    assert_int_equal(bp_threads_init(&threads, &(bp_threads_config){ .n = 2 }), BP_OK);
    for (int job = 0; job < 20; job++) {
        bpi_pool_run(threads.pool, 2, sleep_and_count, &counted);
        assert_each_done(&counted, 2, job + 1);
    }
    bp_threads_free(&threads);
}

static void run_another(void *job, size_t i)
{
    struct counted *counted = job;
    if (i < 4)
        bpi_pool_run(counted->pool, MOST_TASKS, count, counted);
}

static void a_job_within_a_job_is_done_by_its_caller(void **state)
{
    (void)state;
    bp_threads threads;
    struct counted counted = { .pool = NULL };
    assert_int_equal(bp_threads_init(&threads, &(bp_threads_config){ .n = 3 }), BP_OK);
    counted.pool = threads.pool;
    bpi_pool_run(threads.pool, 6, run_another, &counted);
    assert_each_done(&counted, MOST_TASKS, 4);
    bp_threads_free(&threads);
}

static void *call_often(void *argument)
{
    struct counted *counted = argument;
    for (int job = 0; job < 300; job++)
        bpi_pool_run(counted->pool, 20, count, counted);
    return NULL;
}

static void two_callers_at_a_time_both_get_their_work_done(void **state)
{
    (void)state;
    bp_threads threads;
    struct counted counted[2] = { { .pool = NULL }, { .pool = NULL } };
    pthread_t other;
    assert_int_equal(bp_threads_init(&threads, &(bp_threads_config){ .n = 2 }), BP_OK);
    counted[0].pool = counted[1].pool = threads.pool;
    assert_int_equal(pthread_create(&other, NULL, call_often, &counted[1]), 0);
    (void)call_often(&counted[0]);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_each_done(&counted[0], 20, 300);
    assert_each_done(&counted[1], 20, 300);
    bp_threads_free(&threads);
}

static void a_forked_child_works_alone_and_may_free_the_pool(void **state)
{
    (void)state;
    bp_threads threads;
    assert_int_equal(bp_threads_init(&threads, &(bp_threads_config){ .n = 4 }), BP_OK);
    const pid_t child = fork();
    if (child == 0) {
        struct counted counted = { .pool = NULL };
        bpi_pool_run(threads.pool, 100, count, &counted);
        int right = 1;
        for (size_t i = 0; i < 100; i++)
            right = right && atomic_load(&counted.done[i]) == 1;
        bp_threads_free(&threads);
        _exit(right ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    struct counted counted = { .pool = NULL };
    bpi_pool_run(threads.pool, 100, count, &counted); /* the parent's threads are as before */
    assert_each_done(&counted, 100, 1);
    bp_threads_free(&threads);
}

/* What a child finds, as its exit status: 0 is all well. */
static int use_pools_of_a_child(bp_threads *inherited)
{
    bp_threads own;
    struct counted counted = { .pool = NULL };
    if (bp_threads_init(&own, &(bp_threads_config){ .n = 64 }) != BP_OK)
        return 1;
    bpi_pool_run(own.pool, 100, count, &counted);
    bpi_pool_run(inherited->pool, 100, count, &counted);
    for (size_t i = 0; i < 100; i++)
        if (atomic_load(&counted.done[i]) != 2)
            return 2;
    bp_threads_free(inherited); /* gives back threads that are not the child's */
    if (bp_threads_init(inherited, &(bp_threads_config){ .n = 1 }) != BP_ERR_TOO_LARGE)
        return 3;
    bp_threads_free(&own);
    if (bp_threads_init(&own, &(bp_threads_config){ .n = 64 }) != BP_OK)
        return 4;
    bp_threads_free(&own);
    return 0;
}

static void a_forked_child_may_have_as_many_threads_as_its_parent(void **state)
{
    (void)state;
#ifdef SANITIZED_THREADS
    skip(); /* which cannot start threads in such a child */
#endif
    bp_threads threads;
    assert_int_equal(bp_threads_init(&threads, &(bp_threads_config){ .n = 64 }), BP_OK);
    doze(2000000); /* so that they sleep */
    const pid_t child = fork();
    if (child == 0) {
        (void)alarm(60);
        _exit(use_pools_of_a_child(&threads));
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    bp_threads_free(&threads);
}

static void without_a_pool_the_caller_does_it_all(void **state)
{
    (void)state;
    struct counted counted = { .pool = NULL };
    bpi_pool_run(NULL, 12, count, &counted);
    assert_each_done(&counted, 12, 1);
    bpi_pool_free(NULL);
    bp_threads_free(NULL);
    bp_threads_free(&(bp_threads){ 0 });
}

static void more_than_64_threads_in_all_are_refused(void **state)
{
    (void)state;
    bp_threads many, more, last;
    assert_refused(bp_threads_init(&many, &(bp_threads_config){ .n = 65 }), BP_ERR_TOO_LARGE, "65 threads", "at most 64");
    assert_int_equal(many.n, 0);
    assert_int_equal(bp_threads_init(&many, &(bp_threads_config){ .n = 60 }), BP_OK);
    assert_refused(bp_threads_init(&more, &(bp_threads_config){ .n = 5 }), BP_ERR_TOO_LARGE,
                   "5 threads, and 60 in other pools");
    assert_refused(bp_threads_init(&more, &(bp_threads_config){ .n = SIZE_MAX - 1 }), BP_ERR_TOO_LARGE,
                   ", and 60 in other pools"); /* whose sum with 60 is a small number */
    assert_int_equal(bp_threads_init(&last, &(bp_threads_config){ .n = 4 }), BP_OK);
    bp_threads_free(&many);
    bp_threads_free(&last);
    assert_int_equal(bp_threads_init(&many, &(bp_threads_config){ .n = 64 }), BP_OK);
    bp_threads_free(&many);
}

static void by_default_there_are_as_many_threads_as_processors(void **state)
{
    (void)state;
    bp_threads threads;
    assert_int_equal(bp_threads_init(&threads, NULL), BP_OK);
    assert_int_equal(threads.n, bpi_processors() < 64 ? bpi_processors() : 64);
    bp_threads_free(&threads);
    assert_refused(bp_threads_init(NULL, NULL), BP_ERR_ARGUMENT, "threads is NULL");
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct test_heap heap;
    bp_threads threads;
    test_heap_init(&heap);
    const bp_threads_config config = { .n = 2, .allocator = &heap.allocator };
    bp_status status = BP_ERR_MEMORY;
    while (status == BP_ERR_MEMORY) {
        heap.fail_at = heap.n_allocs + heap.n_failed + 1; /* one later each time: those before it have succeeded again */
        status = bp_threads_init(&threads, &config);
        assert_int_equal(threads.n, status == BP_OK ? 2 : 0);
        assert_int_equal(heap.live_blocks, status == BP_OK);
    }
    assert_int_equal(status, BP_OK);
    assert_true(heap.n_failed >= 1);
    bp_threads_free(&threads);
    assert_true(test_heap_is_clean(&heap));
}

/* ---- Products -------------------------------------------------------------------------------------------------------- */

/* Sizes that are multiples of nothing, large enough to be cut, and some that are not. */
static const size_t shapes[][3] = { { 301, 517, 129 }, { 1100, 131, 67 }, { 7, 1031, 259 },
                                    { 64, 64, 64 },    { 1, 3, 2 },       { 257, 256, 300 } };

static void fill(bp_real *array, size_t n, bp_rng *rng)
{
    for (size_t i = 0; i < n; i++)
        array[i] = (bp_real)bp_rng_normal(rng);
}

static const struct bpi_way by_blas = { bpi_gemm, false };

static void pools_of_any_size_give_the_same_bits(void **state)
{
    (void)state;
    static const size_t n_threads[] = { 1, 2, 3, 4, 7 };
    bp_rng rng;
    bp_rng_init(&rng, 4);
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        const size_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
        bp_real *A = malloc(m * k * sizeof *A), *B = malloc(n * k * sizeof *B), *C0 = malloc(m * n * sizeof *C0);
        bp_real *first = malloc(m * n * sizeof *first), *C = malloc(m * n * sizeof *C);
        assert_true(A != NULL && B != NULL && C0 != NULL && first != NULL && C != NULL);
        fill(A, m * k, &rng);
        fill(B, n * k, &rng);
        fill(C0, m * n, &rng);
        for (int form = BPI_NT; form <= BPI_NN; form++) {
            for (size_t t = 0; t < sizeof n_threads / sizeof n_threads[0]; t++) {
                bp_threads threads;
                assert_int_equal(bp_threads_init(&threads, &(bp_threads_config){ .n = n_threads[t] }), BP_OK);
                memcpy(C, C0, m * n * sizeof *C);
                const struct bpi_product product =
                    bpi_packed_product((enum bpi_gemm_form)form, m, n, k, (bp_real)0.7, A, B, (bp_real)-0.3, C);
                bpi_gemm_shared(threads.pool, &product, by_blas);
                if (t == 0)
                    memcpy(first, C, m * n * sizeof *C);
                assert_memory_equal(first, C, m * n * sizeof *C);
                bp_threads_free(&threads);
            }
            const struct bpi_product whole =
                bpi_packed_product((enum bpi_gemm_form)form, m, n, k, (bp_real)0.7, A, B, (bp_real)-0.3, C0);
            memcpy(C, C0, m * n * sizeof *C);
            bpi_gemm_shared(NULL, &whole, by_blas);
            for (size_t i = 0; i < m * n; i++) /* a sum of k products of size 1, in another order */
                assert_true(BPI_FABS(C0[i] - first[i]) <= (bp_real)(20.0 * (double)k) * BP_REAL_EPSILON);
            memcpy(C0, C, m * n * sizeof *C);
        }
        free(A);
        free(B);
        free(C0);
        free(first);
        free(C);
    }
}

static void a_cut_has_parts_in_order_that_cover_it(void **state)
{
    (void)state;
    for (size_t n = 1; n < 3000; n += 7) {
        const struct bpi_cut cut = bpi_cut(n, SIZE_MAX);
        size_t end = 0;
        assert_true(cut.n_parts >= 1 && cut.n_parts <= 8);
        for (size_t i = 0; i < cut.n_parts; i++) {
            assert_int_equal(bpi_cut_begin(&cut, i), end);
            end = bpi_cut_begin(&cut, i + 1);
            assert_true(end > bpi_cut_begin(&cut, i));
        }
        assert_int_equal(end, n);
        assert_int_equal(bpi_cut(n, 1).n_parts, 1);
    }
}

/* Threads of this process, as Linux lists them; 0 elsewhere. */
static size_t count_threads(void)
{
    size_t n = 0;
    DIR *folder = opendir("/proc/self/task");
    if (folder == NULL)
        return 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        n += entry->d_name[0] != '.';
    assert_int_equal(closedir(folder), 0);
    return n;
}

static void *do_nothing(void *argument)
{
    return argument;
}

/* The first of the tests: what a BLAS starts when it is called without a pool would hide what it starts with one. */
static void a_pool_starts_its_own_threads_and_its_products_no_others(void **state)
{
    (void)state;
    enum { M = 600, N = 500, K = 400 };
    static bp_real A[M * K], B[N * K], C[M * N];
    bp_threads threads;
    pthread_t any;
    assert_int_equal(pthread_create(&any, NULL, do_nothing, NULL), 0); /* at the first a sanitizer starts one, too */
    assert_int_equal(pthread_join(any, NULL), 0);
    const struct bpi_product product = bpi_packed_product(BPI_NT, M, N, K, (bp_real)1, A, B, (bp_real)0, C);
    const size_t before = count_threads();
    assert_int_equal(bp_threads_init(&threads, &(bp_threads_config){ .n = 3 }), BP_OK);
    for (int i = 0; i < 10; i++)
        bpi_gemm_shared(threads.pool, &product, by_blas);
    assert_int_equal(count_threads(), before == 0 ? 0 : before + 2);
    bp_threads_free(&threads);
}

#ifdef BACKPROP_HAS_OPENBLAS
int openblas_get_num_threads(void);
int openblas_get_parallel(void);
void openblas_set_num_threads(int n);
__attribute__((weak)) int omp_get_max_threads(void);

static bool blas_is(int parallel)
{
    return openblas_get_parallel() == parallel;
}

struct multiplying {
    atomic_bool ends;
    bp_real A[128 * 128], C[128 * 128];
};

static void multiply_zeros(struct multiplying *at)
{
    const struct bpi_product product =
        bpi_packed_product(BPI_NT, 128, 128, 128, (bp_real)1, at->A, at->A, (bp_real)0, at->C);
    bpi_gemm(&product);
}

static void *multiply(void *argument)
{
    struct multiplying *multiplying = argument;
    while (!atomic_load(&multiplying->ends))
        multiply_zeros(multiplying);
    return NULL;
}

/* Only with the build that the library serves one call at a time; what the others do in a fork is OpenBLAS's own affair. */
static void a_child_that_is_forked_within_a_product_of_another_thread_multiplies_too(void **state)
{
    (void)state;
    if (!blas_is(0))
        skip();
    static struct multiplying multiplying, own;
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, multiply, &multiplying), 0);
    for (int i = 0; i < 20; i++) {
        int status = -1;
        const pid_t child = fork();
        if (child == 0) {
            (void)alarm(60);
            multiply_zeros(&own);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    atomic_store(&multiplying.ends, true);
    assert_int_equal(pthread_join(other, NULL), 0);
}

/* With OpenMP every thread has a setting of its own, which is changed for a product and put back. */
static void openmp_keeps_the_settings_of_callers(void **state)
{
    (void)state;
    enum { M = 64, N = 600, K = 300 };
    static bp_real A[M * K], B[N * K], C[M * N];
    bp_threads threads;
    const struct bpi_product product = bpi_packed_product(BPI_NT, M, N, K, (bp_real)1, A, B, (bp_real)0, C);
    if (!blas_is(2) || omp_get_max_threads == NULL)
        skip(); /* or the linker has no weak references, and settings stay changed as the header says */
    openblas_set_num_threads(2);
    assert_int_equal(bp_threads_init(&threads, &(bp_threads_config){ .n = 2 }), BP_OK);
    for (int i = 0; i < 10; i++)
        bpi_gemm_shared(threads.pool, &product, by_blas);
    assert_int_equal(openblas_get_num_threads(), 2);
    assert_int_equal(omp_get_max_threads(), 2);
    bp_threads_free(&threads);
    assert_int_equal(openblas_get_num_threads(), 2);
}

static void the_blas_has_its_threads_again_after_the_last_pool(void **state)
{
    (void)state;
    if (blas_is(2))
        skip(); /* has them all the time */
    const int before = openblas_get_num_threads();
    bp_threads first, second;
    openblas_set_num_threads(2);
    const int two = openblas_get_num_threads(); /* 1 where OpenBLAS was built without threads */
    assert_int_equal(bp_threads_init(&first, &(bp_threads_config){ .n = 2 }), BP_OK);
    assert_int_equal(openblas_get_num_threads(), 1);
    assert_int_equal(bp_threads_init(&second, &(bp_threads_config){ .n = 1 }), BP_OK);
    bp_threads_free(&first);
    assert_int_equal(openblas_get_num_threads(), 1);
    bp_threads_free(&second);
    assert_int_equal(openblas_get_num_threads(), two);
    openblas_set_num_threads(before);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_starts_its_own_threads_and_its_products_no_others),
        cmocka_unit_test(every_task_is_done_once),
        cmocka_unit_test(threads_that_have_gone_to_sleep_wake_up),
        cmocka_unit_test(a_caller_waits_for_tasks_that_take_long),
        cmocka_unit_test(a_job_within_a_job_is_done_by_its_caller),
        cmocka_unit_test(two_callers_at_a_time_both_get_their_work_done),
        cmocka_unit_test(a_forked_child_works_alone_and_may_free_the_pool),
        cmocka_unit_test(a_forked_child_may_have_as_many_threads_as_its_parent),
        cmocka_unit_test(without_a_pool_the_caller_does_it_all),
        cmocka_unit_test(more_than_64_threads_in_all_are_refused),
        cmocka_unit_test(by_default_there_are_as_many_threads_as_processors),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(pools_of_any_size_give_the_same_bits),
        cmocka_unit_test(a_cut_has_parts_in_order_that_cover_it),
#ifdef BACKPROP_HAS_OPENBLAS
        cmocka_unit_test(a_child_that_is_forked_within_a_product_of_another_thread_multiplies_too),
        cmocka_unit_test(openmp_keeps_the_settings_of_callers),
        cmocka_unit_test(the_blas_has_its_threads_again_after_the_last_pool),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
