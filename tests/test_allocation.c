// SPDX-License-Identifier: MIT
/*
 * Memory that is not there, and calls that ask for none: each allocation of each function fails once, and steps and
 * predictions allocate nothing at all.
 *
 * Two counters watch the second promise: the heap that objects are given, and malloc(), calloc() and realloc() themselves,
 * which the linker's --wrap diverts to this file. It diverts the calls of objects that are linked statically, the archive
 * and this program: what a shared BLAS or libc does inside is not seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backprop.h"
#include "support/heap.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer))
#else
#define SANITIZED false
#endif

/* ---- The heap of the process ------------------------------------------------------------------------------------- */

static size_t n_mallocs; /* calls of all three */

#ifdef WRAPS_MALLOC
/* The names are the linker's. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
    n_mallocs++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    n_mallocs++;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    n_mallocs++;
    return __real_realloc(memory, size);
}
#endif

/* ---- Objects on one heap ----------------------------------------------------------------------------------------- */

enum { IN = 5, HIDDEN = 4, OUT = 3, ROWS = 10, N_PARAMS = (IN + 1) * HIDDEN + (HIDDEN + 1) * OUT };

static const bp_layer_config layers[] = {
    { .n_out = HIDDEN, .activation = BP_LEAKY_RELU },
    { .n_out = OUT, .activation = BP_SOFTMAX },
};

/* Everything that an operation may need; what has not been made is zeroed. */
struct world {
    struct test_heap heap;
    bp_network net, clone;
    bp_workspace ws;
    bp_optimizer opt;
    bp_train_report report;
    bool wants_report, has_labels;
};

static bp_status init_network(struct world *w)
{
    return bp_network_init(
        &w->net,
        &(bp_network_config){ .n_in = IN, .n_layers = COUNT(layers), .layers = layers, .allocator = &w->heap.allocator });
}

static bp_status clone_network(struct world *w)
{
    return bp_network_clone(&w->clone, &w->net, NULL);
}

static bp_status init_inference(struct world *w)
{
    return bp_workspace_init(&w->ws, &w->net, ROWS, BP_INFERENCE);
}

static bp_status init_training(struct world *w)
{
    return bp_workspace_init(&w->ws, &w->net, ROWS, BP_TRAINING);
}

static bp_status init_momentum(struct world *w)
{
    const bp_optimizer_config config = { .momentum = R(0.5), .allocator = &w->heap.allocator };
    return bp_optimizer_init(&w->opt, &config, &w->net.parameters);
}

static bp_status init_nesterov(struct world *w)
{
    const bp_optimizer_config config = { .momentum = R(0.5), .nesterov = true, .allocator = &w->heap.allocator };
    return bp_optimizer_init(&w->opt, &config, &w->net.parameters);
}

/* Three arrays of state, and chunks of its own on the stack. */
static bp_status init_rmsprop(struct world *w)
{
    const bp_optimizer_config config = { .kind = BP_RMSPROP,
                                         .centered = true,
                                         .momentum = R(0.5),
                                         .clip_norm = 1,
                                         .max_norm = 1,
                                         .l1 = R(0.1),
                                         .allocator = &w->heap.allocator };
    return bp_optimizer_init(&w->opt, &config, &w->net.parameters);
}

static bp_status init_adam(struct world *w)
{
    const bp_optimizer_config config = { .kind = BP_ADAM, .allocator = &w->heap.allocator };
    return bp_optimizer_init(&w->opt, &config, &w->net.parameters);
}

/* Bytes that must be converted, an optimizer with state and a new order each epoch: so the run has all of its buffers. */
static bp_status train(struct world *w)
{
    static const uint8_t X[ROWS * IN] = { 1, 2, 3, 200, 5, 6, 7, 8, 9, 255, 11, 12, 13 };
    static const uint8_t labels[ROWS] = { 0, 1, 2, 0, 1, 2, 0, 1, 2, 0 }, weights[ROWS] = { 1, 2, 1, 3, 1, 1, 1, 2, 2, 1 };
    static const uint8_t T[ROWS * OUT] = { 1, 0, 0, 0, 1, 0 };
    const bp_dataset data = {
        .rows = ROWS,
        .n_in = IN,
        .n_out = OUT,
        .X = { .data = X, .element = BP_U8, .scale = R(1.0 / 255) },
        .T = { .data = w->has_labels ? NULL : T, .element = BP_U8 },
        .labels = { .data = w->has_labels ? labels : NULL, .element = BP_U8 },
        .weights = { .data = weights, .element = BP_U8 },
    };
    const bp_train_config config = { .epochs = 2, .batch = 3 };
    return bp_train(&w->net, &w->opt, &data, &config, w->wants_report ? &w->report : NULL);
}

static void free_world(struct world *w)
{
    bp_train_report_free(&w->report);
    bp_optimizer_free(&w->opt);
    bp_workspace_free(&w->ws);
    bp_network_free(&w->clone);
    bp_network_free(&w->net);
    assert_true(test_heap_is_clean(&w->heap));
}

/* ---- Each allocation fails once ---------------------------------------------------------------------------------- */

/* A call, what must have been made before it, and which object must be zeroed when it has failed. */
struct operation {
    bp_status (*run)(struct world *w);
    bp_status (*before[2])(struct world *w);
    size_t zeroed, size; /* offset in struct world, and bytes */
    bool wants_report, has_labels;
};

#define MAKES(member) .zeroed = offsetof(struct world, member), .size = sizeof(((struct world *)NULL)->member)

static void make_world(struct world *w, const struct operation *operation)
{
    memset(w, 0, sizeof *w);
    test_heap_init(&w->heap);
    w->wants_report = operation->wants_report;
    w->has_labels = operation->has_labels;
    for (size_t i = 0; i < COUNT(operation->before); i++)
        if (operation->before[i] != NULL)
            assert_int_equal(operation->before[i](w), BP_OK);
}

static bool is_zeroed(const struct world *w, const struct operation *operation)
{
    const unsigned char *bytes = (const unsigned char *)w + operation->zeroed;
    for (size_t i = 0; i < operation->size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* What exists before the call must be the same after it has failed: network and optimizer, their numbers included. */
struct numbers {
    bp_network net;
    bp_optimizer opt;
    bp_real params[N_PARAMS], state[3 * N_PARAMS];
};

static void record(struct numbers *numbers, const struct world *w)
{
    memset(numbers, 0, sizeof *numbers);
    memcpy(&numbers->net, &w->net, sizeof w->net);
    memcpy(&numbers->opt, &w->opt, sizeof w->opt);
    if (w->net.n_layers > 0)
        memcpy(numbers->params, w->net.parameters.params, sizeof numbers->params);
    if (w->opt.n_state > 0)
        memcpy(numbers->state, w->opt.state, w->opt.n_state * sizeof *w->opt.state);
}

/* Lets the n-th allocation of the call fail, checks, and calls it again. False if it has not so many. */
static bool fail_at(const struct operation *operation, size_t n)
{
    struct world w;
    struct numbers before, after;
    make_world(&w, operation);
    const size_t live_blocks = w.heap.live_blocks, live_bytes = w.heap.live_bytes;
    record(&before, &w);

    w.heap.fail_at = w.heap.n_allocs + n;
    test_forget_sentence();
    const bp_status status = operation->run(&w);
    const bool failed = w.heap.n_failed > 0;
    assert_int_equal(status, failed ? BP_ERR_MEMORY : BP_OK);
    if (failed) {
        record(&after, &w);
        assert_non_null(strstr(bp_error_message(), "no memory for "));
        assert_int_equal(w.heap.live_blocks, live_blocks);
        assert_int_equal(w.heap.live_bytes, live_bytes);
        assert_true(is_zeroed(&w, operation));
        assert_memory_equal(&after, &before, sizeof before);
        assert_int_equal(operation->run(&w), BP_OK);
    }
    free_world(&w);
    return failed;
}

static void fail_each(const struct operation *operation, size_t at_least)
{
    size_t n = 1;
    while (fail_at(operation, n))
        n++;
    assert_true(n > at_least);
}

static void failing_init_of_a_network_leaves_nothing(void **state)
{
    (void)state;
    fail_each(&(struct operation){ .run = init_network, MAKES(net) }, 1);
}

static void failing_clone_leaves_nothing_and_the_network_as_it_is(void **state)
{
    (void)state;
    fail_each(&(struct operation){ .run = clone_network, .before = { init_network }, MAKES(clone) }, 1);
}

static void failing_init_of_a_workspace_leaves_nothing(void **state)
{
    (void)state;
    fail_each(&(struct operation){ .run = init_inference, .before = { init_network }, MAKES(ws) }, 1);
    fail_each(&(struct operation){ .run = init_training, .before = { init_network }, MAKES(ws) }, 1);
}

static void failing_init_of_an_optimizer_leaves_nothing(void **state)
{
    (void)state;
    bp_status (*const inits[])(struct world *) = { init_momentum, init_nesterov, init_adam, init_rmsprop };
    for (size_t i = 0; i < COUNT(inits); i++)
        fail_each(&(struct operation){ .run = inits[i], .before = { init_network }, MAKES(opt) }, 1);
}

/* The parameters, the optimizer and its state keep every bit; the report says that nothing has begun. */
static void training_without_memory_does_not_begin(void **state)
{
    (void)state;
    bp_status (*const inits[])(struct world *) = { init_momentum, init_adam, init_rmsprop };
    for (size_t i = 0; i < COUNT(inits) * 4; i++) {
        const struct operation operation = { .run = train,
                                             .before = { init_network, inits[i / 4] },
                                             MAKES(report),
                                             .wants_report = i % 2 == 0,
                                             .has_labels = i / 2 % 2 == 0 };
        fail_each(&operation, i % 2 == 0 ? 3 : 2); /* its buffers, the workspace, and the losses of the report */
    }
}

/* ---- Calls that ask for nothing ---------------------------------------------------------------------------------- */

static void counter_sees_the_archive(void **state)
{
    (void)state;
#ifndef WRAPS_MALLOC
    skip();
#endif
    bp_network net;
    const bp_network_config config = { .n_in = IN, .n_layers = COUNT(layers), .layers = layers };
    const size_t before = n_mallocs;
    assert_int_equal(bp_network_init(&net, &config), BP_OK);
    assert_int_equal(n_mallocs - before, 1);
    bp_network_free(&net);
}

/* A network with softmax output and one of each optimizer, a batch and its targets. */
static void run_steps(struct world *w, bp_loss loss, const bp_targets *T)
{
    bp_real X[ROWS * IN], Y[ROWS * OUT], grad[N_PARAMS], dX[ROWS * IN], L;
    for (size_t i = 0; i < COUNT(X); i++)
        X[i] = R(0.1) * R(i % 7);
    const size_t n_allocs = w->heap.n_allocs, mallocs = n_mallocs;

    for (size_t batch = ROWS; batch >= 1; batch /= 2) {
        assert_int_equal(bp_network_forward(&w->net, &w->ws, X, batch), BP_OK);
        assert_int_equal(bp_network_loss(&w->net, &w->ws, &loss, T, &L), BP_OK);
        assert_int_equal(bp_network_backward(&w->net, &w->ws, NULL, grad, dX, BP_OVERWRITE), BP_OK);
        assert_int_equal(bp_network_backward(&w->net, &w->ws, w->ws.Y, grad, dX, BP_ACCUMULATE), BP_OK);
        assert_int_equal(bp_optimizer_step(&w->opt, &w->net.parameters, grad, L), BP_OK);
        assert_int_equal(bp_predict(&w->net, &w->ws, X, batch, Y), BP_OK);
        assert_int_equal(bp_predict(&w->net, &w->ws, X, ROWS + 1, Y), BP_ERR_SHAPE); /* nor does a refusal */
    }
    assert_int_equal(w->heap.n_allocs, n_allocs);
    assert_int_equal(n_mallocs, mallocs);
}

static bp_status init_plain(struct world *w)
{
    return bp_optimizer_init(&w->opt, &(bp_optimizer_config){ .allocator = &w->heap.allocator }, &w->net.parameters);
}

static void steps_and_predictions_allocate_nothing(void **state)
{
    (void)state;
    static const int32_t labels[ROWS] = { 0, 1, 2, 0, 1, 2, 0, 1, 2, 0 };
    static const bp_real values[ROWS * OUT] = { 0 };
    bp_status (*const inits[])(struct world *) = { init_plain, init_momentum, init_nesterov, init_adam, init_rmsprop };
    for (size_t i = 0; i < COUNT(inits); i++) {
        struct world w;
        make_world(&w, &(struct operation){ .before = { init_network, init_training } });
        assert_int_equal(inits[i](&w), BP_OK);
        run_steps(&w, (bp_loss){ .kind = BP_CROSS_ENTROPY }, &(bp_targets){ .labels = labels });
        run_steps(&w, (bp_loss){ .kind = BP_SQUARED_ERROR }, &(bp_targets){ .values = values });
        free_world(&w);
    }
}

static void predictions_in_a_workspace_for_inference_allocate_nothing(void **state)
{
    (void)state;
    struct world w;
    const bp_real X[ROWS * IN] = { 0 };
    bp_real Y[ROWS * OUT];
    make_world(&w, &(struct operation){ .before = { init_network, init_inference } });
    const size_t n_allocs = w.heap.n_allocs, mallocs = n_mallocs;
    for (size_t batch = 1; batch <= ROWS; batch++)
        assert_int_equal(bp_predict(&w.net, &w.ws, X, batch, Y), BP_OK);

    assert_int_equal(w.heap.n_allocs, n_allocs);
    assert_int_equal(n_mallocs, mallocs);
    free_world(&w);
}

/* The counters as they stood after the first step of a run, and how often they were looked at. */
struct watch {
    const struct test_heap *heap;
    size_t n_allocs, n_mallocs, n_calls;
    bool grew;
};

static bp_signal look(const bp_progress *progress, void *user)
{
    struct watch *watch = user;
    (void)progress;
    if (watch->n_calls++ == 0) {
        watch->n_allocs = watch->heap->n_allocs;
        watch->n_mallocs = n_mallocs;
    }
    watch->grew = watch->grew || watch->heap->n_allocs != watch->n_allocs || n_mallocs != watch->n_mallocs;
    return BP_CONTINUE;
}

/* Trains `epochs` epochs of 4 steps and returns how many allocations that took. */
static size_t allocations_of_training(bp_status (*init_optimizer)(struct world *w), size_t epochs, bool with_report)
{
    static const bp_real X[ROWS * IN] = { 0 };
    static const int32_t labels[ROWS] = { 0 };
    const bp_dataset data = {
        .rows = ROWS, .n_in = IN, .n_out = OUT, .X = { .data = X }, .labels = { .data = labels, .element = BP_I32 }
    };
    struct world w;
    make_world(&w, &(struct operation){ .before = { init_network, init_optimizer } });
    struct watch watch = { .heap = &w.heap };
    const bp_train_config config = { .epochs = epochs, .batch = 3, .on_step = look, .on_epoch = look, .user = &watch };
    const size_t n_allocs = w.heap.n_allocs, mallocs = n_mallocs;
    assert_int_equal(bp_train(&w.net, &w.opt, &data, &config, with_report ? &w.report : NULL), BP_OK);

    const size_t n = w.heap.n_allocs - n_allocs;
    assert_int_equal(watch.n_calls, epochs * 5);
    assert_false(watch.grew);
    assert_int_equal(w.heap.n_allocs, watch.n_allocs);
    assert_int_equal(n_mallocs, watch.n_mallocs);
#ifdef WRAPS_MALLOC
    assert_int_equal(n_mallocs - mallocs, n); /* those of the heap itself and no other */
#else
    (void)mallocs;
#endif
    free_world(&w);
    return n;
}

static void training_allocates_before_its_first_step_only(void **state)
{
    (void)state;
    bp_status (*const inits[])(struct world *) = { init_plain, init_momentum, init_nesterov, init_adam, init_rmsprop };
    for (size_t i = 0; i < COUNT(inits); i++) {
        const size_t n = allocations_of_training(inits[i], 1, true);
        assert_int_equal(allocations_of_training(inits[i], 20, true), n);
        assert_int_equal(allocations_of_training(inits[i], 20, false), n); /* a trainer has a report in any case */
    }
}

/* ---- Steps with a pool ------------------------------------------------------------------------------------------- */

/* Bytes of address space, as Linux gives them; 0 elsewhere, and where a checker maps memory of its own meanwhile. No stdio,
 * which would take memory itself. */
static unsigned long mapped_kibibytes(void)
{
    char text[4096] = { 0 };
    const char *preloaded = getenv("LD_PRELOAD");
    if (SANITIZED || (preloaded != NULL && strstr(preloaded, "vgpreload") != NULL))
        return 0;
    const int file = open("/proc/self/status", O_RDONLY);
    if (file < 0)
        return 0;
    const ssize_t n = read(file, text, sizeof text - 1);
    (void)close(file);
    const char *line = n > 0 ? strstr(text, "VmSize:") : NULL;
    return line != NULL ? strtoul(line + strlen("VmSize:"), NULL, 10) : 0;
}

enum { POOL_IN = 300, POOL_HIDDEN = 1100, POOL_ROWS = 128 };

static void train_with_pool(struct world *w, const bp_real *X, const int32_t *labels, bp_real *grad)
{
    bp_real L;
    assert_int_equal(bp_network_forward(&w->net, &w->ws, X, POOL_ROWS), BP_OK);
    assert_int_equal(
        bp_network_loss(&w->net, &w->ws, &(bp_loss){ .kind = BP_CROSS_ENTROPY }, &(bp_targets){ .labels = labels }, &L),
        BP_OK);
    assert_int_equal(bp_network_backward(&w->net, &w->ws, NULL, grad, NULL, BP_OVERWRITE), BP_OK);
    assert_int_equal(bp_optimizer_step(&w->opt, &w->net.parameters, grad, L), BP_OK);
}

static void steps_with_a_pool_take_no_memory_from_anybody(void **state)
{
    (void)state;
    static bp_real X[POOL_ROWS * POOL_IN], grad[POOL_HIDDEN * (POOL_IN + 1) + OUT * (POOL_HIDDEN + 1)];
    static int32_t labels[POOL_ROWS];
    const bp_layer_config wide[] = { { .n_out = POOL_HIDDEN, .activation = BP_RELU },
                                     { .n_out = OUT, .activation = BP_SOFTMAX } };
    bp_threads threads;
    struct world w;
    make_world(&w, &(struct operation){ 0 });
    const bp_network_config config = { .n_in = POOL_IN, .n_layers = 2, .layers = wide, .allocator = &w.heap.allocator };
    const bp_threads_config pool = { .n = 4, .allocator = &w.heap.allocator };
    assert_int_equal(bp_network_init(&w.net, &config), BP_OK);
    assert_int_equal(bp_threads_init(&threads, &pool), BP_OK);
    assert_int_equal(bp_workspace_init(&w.ws, &w.net, POOL_ROWS, BP_TRAINING), BP_OK);
    assert_int_equal(init_adam(&w), BP_OK);
    w.ws.threads = w.opt.threads = &threads;

    const size_t n_allocs = w.heap.n_allocs, mallocs = n_mallocs;
    const unsigned long mapped = mapped_kibibytes();
    for (int i = 0; i < 40; i++)
        train_with_pool(&w, X, labels, grad);
    assert_int_equal(mapped_kibibytes(), mapped);
    assert_int_equal(w.heap.n_allocs, n_allocs);
    assert_int_equal(n_mallocs, mallocs);
    bp_threads_free(&threads);
    free_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failing_init_of_a_network_leaves_nothing),
        cmocka_unit_test(failing_clone_leaves_nothing_and_the_network_as_it_is),
        cmocka_unit_test(failing_init_of_a_workspace_leaves_nothing),
        cmocka_unit_test(failing_init_of_an_optimizer_leaves_nothing),
        cmocka_unit_test(training_without_memory_does_not_begin),
        cmocka_unit_test(counter_sees_the_archive),
        cmocka_unit_test(steps_and_predictions_allocate_nothing),
        cmocka_unit_test(steps_with_a_pool_take_no_memory_from_anybody),
        cmocka_unit_test(predictions_in_a_workspace_for_inference_allocate_nothing),
        cmocka_unit_test(training_allocates_before_its_first_step_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
