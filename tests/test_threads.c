// SPDX-License-Identifier: MIT
/*
 * Many threads predict with one network, each with a workspace of its own: the bits are those of one thread alone, and each
 * has its own last error sentence meanwhile. Thread sanitizer looks on, in a build without BLAS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "backprop/propagation.h"
#include "backprop/rng.h"
#include "support/levels.h"

enum { N_IN = 20, N_OUT = 5, ROWS = 64, ROUNDS = 100, MAX_THREADS = 8 };

/* What all threads read: network, inputs, and the outputs that one thread alone computed. */
struct shared {
    bp_network net;
    bp_real X[ROWS * N_IN];
    bp_real batch_Y[ROWS * N_OUT]; /* all rows as one batch */
    bp_real row_Y[ROWS * N_OUT];   /* row by row; a batch may sum in another order */
    atomic_int n_waiting;          /* threads that have not arrived at the start yet */
};

/* A thread and what it found. Asserting is left to the main thread, since cmocka jumps out of a failed test. */
struct worker {
    struct shared *shared;
    size_t number;
    pthread_t id;
    int n_wrong_batches, n_wrong_rows, n_failures, n_wrong_sentences;
};

/* All layers that there are, and the softmax that sees whole rows. */
static void make_shared(struct shared *shared)
{
    const bp_layer_config layers[] = { { .n_out = 32, .activation = BP_TANH },
                                       { .n_out = 24, .activation = BP_LEAKY_RELU },
                                       { .n_out = 16, .activation = BP_SIGMOID },
                                       { .n_out = 12, .activation = BP_RELU },
                                       { .n_out = N_OUT, .activation = BP_SOFTMAX } };
    const bp_network_config config = { .n_in = N_IN, .n_layers = sizeof layers / sizeof layers[0], .layers = layers };
    assert_int_equal(bp_network_init(&shared->net, &config), BP_OK);

    bp_rng rng;
    bp_rng_init(&rng, 1);
    for (size_t i = 0; i < ROWS * N_IN; i++)
        shared->X[i] = (bp_real)bp_rng_normal(&rng);
}

static bp_status predict_rows(const struct shared *shared, bp_workspace *ws, bp_real *Y)
{
    bp_status status = BP_OK;
    for (size_t i = 0; i < ROWS && status == BP_OK; i++)
        status = bp_predict(&shared->net, ws, shared->X + i * N_IN, 1, Y + i * N_OUT);
    return status;
}

static void predict_alone(struct shared *shared)
{
    bp_workspace ws;
    assert_int_equal(bp_workspace_init(&ws, &shared->net, ROWS, BP_INFERENCE), BP_OK);
    assert_int_equal(bp_predict(&shared->net, &ws, shared->X, ROWS, shared->batch_Y), BP_OK);
    assert_int_equal(predict_rows(shared, &ws, shared->row_Y), BP_OK);
    bp_workspace_free(&ws);
}

/* Until all have arrived, so that they really run at the same time. */
static void wait_for_all(struct shared *shared)
{
    atomic_fetch_sub(&shared->n_waiting, 1);
    while (atomic_load(&shared->n_waiting) > 0)
        (void)sched_yield();
}

/* A call that is refused for a reason that no other thread has. */
static void fail_once(struct worker *worker, bp_workspace *ws, char expected[100])
{
    const size_t batch = ROWS + 1 + worker->number;
    bp_real y;
    worker->n_failures += bp_predict(&worker->shared->net, ws, worker->shared->X, batch, &y) != BP_ERR_SHAPE;
    (void)snprintf(expected, 100, "predict: batch is %zu, ws takes 1 to %d rows", batch, ROWS);
}

static void work_round(struct worker *worker, bp_workspace *ws)
{
    const struct shared *shared = worker->shared;
    char expected[100];
    bp_real Y[ROWS * N_OUT];

    fail_once(worker, ws, expected);
    worker->n_failures += bp_predict(&shared->net, ws, shared->X, ROWS, Y) != BP_OK;
    worker->n_wrong_batches += memcmp(Y, shared->batch_Y, sizeof Y) != 0;
    worker->n_failures += predict_rows(shared, ws, Y) != BP_OK;
    worker->n_wrong_rows += memcmp(Y, shared->row_Y, sizeof Y) != 0;
    worker->n_wrong_sentences += strstr(bp_error_message(), expected) == NULL;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    bp_workspace ws;
    wait_for_all(worker->shared);
    worker->n_wrong_sentences += strcmp(bp_error_message(), "") != 0;
    const bp_status status = bp_workspace_init(&ws, &worker->shared->net, ROWS, BP_INFERENCE);
    worker->n_failures += status != BP_OK;
    for (int round = 0; round < ROUNDS && status == BP_OK; round++)
        work_round(worker, &ws);
    bp_workspace_free(&ws);
    return NULL;
}

static void predict_with_threads(size_t n_threads)
{
    static struct shared shared;
    struct worker workers[MAX_THREADS] = { 0 };
    make_shared(&shared);
    predict_alone(&shared);
    atomic_store(&shared.n_waiting, (int)n_threads);

    for (size_t i = 0; i < n_threads; i++) {
        workers[i].shared = &shared;
        workers[i].number = i;
        assert_int_equal(pthread_create(&workers[i].id, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < n_threads; i++)
        assert_int_equal(pthread_join(workers[i].id, NULL), 0);
    bp_network_free(&shared.net);

    for (size_t i = 0; i < n_threads; i++) {
        assert_int_equal(workers[i].n_failures, 0);
        assert_int_equal(workers[i].n_wrong_batches, 0);
        assert_int_equal(workers[i].n_wrong_rows, 0);
        assert_int_equal(workers[i].n_wrong_sentences, 0);
    }
}

static void two_threads_predict_with_one_network_as_one_does(void **state)
{
    (void)state;
    predict_with_threads(2);
}

static void eight_threads_predict_with_one_network_as_one_does(void **state)
{
    (void)state;
    predict_with_threads(MAX_THREADS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_threads_predict_with_one_network_as_one_does),
        cmocka_unit_test(eight_threads_predict_with_one_network_as_one_does),
    };
    int n_failed = 0;
    AT_EACH_PATH (path)
        n_failed += cmocka_run_group_tests_name(name_of_path(path), tests, NULL, NULL);
    return n_failed;
}
