// SPDX-License-Identifier: MIT
/*
 * docs/memory.md, to the byte: its formulas written down once more, and an allocator that counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#ifndef _WIN32
#include <pthread.h>
#endif

#include <backprop.h>

#include "support/heap.h"
#include "train/run.h" /* for the size of a run */

enum { P = sizeof(void *), R = sizeof(bp_real), LAYERS = 4, ROWS = 300 };

/* < x > of docs/memory.md. */
static size_t lines(size_t x)
{
    return (x + 63) / 64 * 64;
}

/* A block: the sum of its arrays, and room to begin at a cache line. */
static size_t block(size_t arrays)
{
    return arrays == 0 ? 0 : arrays + 63;
}

/* ---- Networks -------------------------------------------------------------------------------------------------------- */

/* Dropout, both normalizations, activations that keep Z and such that do not, widths that are no multiples of anything. */
static const struct {
    const char *name;
    size_t n_in, n_layers;
    bp_layer_config layers[LAYERS];
} subjects[] = {
    { "one layer", 3, 1, { { .n_out = 1 } } },
    { "xor", 2, 2, { { .n_out = 2, .activation = BP_SIGMOID }, { .n_out = 1, .activation = BP_SIGMOID } } },
    { "classes",
      33,
      3,
      { { .n_out = 70, .activation = BP_RELU },
        { .n_out = 19, .activation = BP_TANH },
        { .n_out = 10, .activation = BP_SOFTMAX } } },
    { "keeps Z",
      17,
      3,
      { { .n_out = 40, .activation = BP_GELU }, { .n_out = 21, .activation = BP_SILU, .no_bias = true }, { .n_out = 5 } } },
    { "everything",
      29,
      4,
      { { .n_out = 50, .activation = BP_RELU, .normalization = BP_BATCH_NORMALIZATION, .dropout = (bp_real)0.25 },
        { .n_out = 31, .activation = BP_GELU, .normalization = BP_LAYER_NORMALIZATION, .dropout = (bp_real)0.5 },
        { .n_out = 9, .activation = BP_TANH, .no_bias = true },
        { .n_out = 7, .activation = BP_SOFTMAX } } },
};

enum { N_SUBJECTS = sizeof subjects / sizeof subjects[0] };

static void make_network(size_t i, bp_network *net, const struct test_heap *heap)
{
    const bp_network_config config = { .n_in = subjects[i].n_in,
                                       .n_layers = subjects[i].n_layers,
                                       .layers = subjects[i].layers,
                                       .allocator = &heap->allocator };
    assert_int_equal(bp_network_init(net, &config), BP_OK);
}

static bool is_normalized(const bp_layer *layer)
{
    return layer->normalization != BP_NO_NORMALIZATION;
}

/* Counted from the settings, not taken from the network. */
static size_t count_params(const bp_network *net)
{
    size_t n = 0;
    for (size_t l = 0; l < net->n_layers; l++) {
        const bp_layer *layer = &net->layers[l];
        n += layer->n_out * (layer->n_in + (layer->no_bias ? 0u : 1u) + (is_normalized(layer) ? 2u : 0u));
    }
    return n;
}

static size_t count_state(const bp_network *net)
{
    size_t n = 0;
    for (size_t l = 0; l < net->n_layers; l++)
        n += net->layers[l].normalization == BP_BATCH_NORMALIZATION ? 2 * net->layers[l].n_out : 0;
    return n;
}

static size_t network_bytes(const bp_network *net)
{
    size_t segments = 0;
    for (size_t l = 0; l < net->n_layers; l++)
        segments += 1u + (net->layers[l].no_bias ? 0u : 1u) + (is_normalized(&net->layers[l]) ? 2u : 0u);
    return block(lines(net->n_layers * sizeof(bp_layer)) + lines(segments * sizeof(bp_segment)) +
                 lines(R * count_params(net)) + lines(R * count_state(net)) + lines(2 * R * net->n_in) +
                 lines(2 * R * net->n_out));
}

/* ---- Workspaces ------------------------------------------------------------------------------------------------------ */

static bool follows_from_values(bp_activation f)
{
    return f == BP_IDENTITY || f == BP_SIGMOID || f == BP_TANH || f == BP_RELU || f == BP_SOFTMAX;
}

static size_t layer_bytes(const bp_network *net, size_t l, size_t B)
{
    const bp_layer *layer = &net->layers[l];
    const size_t n = layer->n_out;
    const bool is_last = l + 1 == net->n_layers;
    const bool keeps_Z = is_last ? layer->activation != BP_IDENTITY : !follows_from_values(layer->activation);
    size_t bytes = lines(R * B * n);
    bytes += layer->dropout > 0 && follows_from_values(layer->activation) ? lines(R * B * n) : 0;
    bytes += keeps_Z ? lines(R * B * n) : 0;
    bytes += is_normalized(layer) ? lines(R * B * n) : 0;
    bytes += layer->normalization == BP_BATCH_NORMALIZATION ? lines(3 * R * n) : 0;
    bytes += layer->normalization == BP_LAYER_NORMALIZATION ? lines(R * B) : 0;
    return bytes;
}

static size_t workspace_bytes(const bp_network *net, size_t B, bp_mode mode)
{
    const size_t L = net->n_layers, n_out = net->n_out;
    size_t w = 0, h = 0, any_normalized = 0, any_dropout = 0;
    for (size_t l = 0; l < L; l++) {
        const bp_layer *layer = &net->layers[l];
        w = layer->n_out > w ? layer->n_out : w;
        h = l + 1 < L && layer->n_out > h ? layer->n_out : h;
        any_normalized = any_normalized || is_normalized(layer);
        any_dropout = any_dropout || layer->dropout > 0;
    }
    size_t bytes = 2 * lines(L * P) + lines(R * w) + 2 * any_normalized * lines(R * w);
    bytes += net->scales_inputs ? lines(R * B * net->n_in) : 0;
    if (mode == BP_INFERENCE) {
        const bool identity = net->layers[L - 1].activation == BP_IDENTITY;
        return block(bytes + 2 * lines(R * B * h) + lines(R * B * n_out) + (identity ? 0 : lines(R * B * n_out)));
    }
    bytes += (any_dropout + 2 * any_normalized) * lines(L * P) + lines(R * B * n_out) + 2 * lines(R * B * w);
    for (size_t l = 0; l < L; l++)
        bytes += layer_bytes(net, l, B);
    return block(bytes);
}

/* ---- Trainers -------------------------------------------------------------------------------------------------------- */

/* A run on rows with labels or targets, packed bp_real and BP_I32. */
struct situation {
    bp_optimizer_config rule;
    size_t k; /* arrays of its state */
    bool is_plain, has_labels, keeps_order, validates;
    size_t batch, epochs;
};

static size_t metrics_bytes(size_t n_out, size_t c)
{
    return block(4 * lines(8 * n_out) + 3 * lines(8 * c) + lines(24 * n_out) + lines(32 * c));
}

/* Without accumulation, scaling and noise; validation rows are a dataset of their own, used where they are. */
static size_t trainer_bytes(const bp_network *net, const struct situation *s)
{
    const bool shuffled = !s->keeps_order && s->batch < ROWS;
    const bool joins = count_state(net) > 0 && ROWS > s->batch && ROWS % s->batch == 1;
    const size_t b = s->batch + joins, v = ROWS < 256 ? ROWS : 256, n_params = count_params(net),
                 n_state = count_state(net);
    const size_t numbers = lines(R * n_params) + lines(R * n_state);
    size_t bytes = lines(sizeof(struct bp_trainer_run)) + numbers + lines(R * s->k * n_params);
    bytes += s->is_plain ? 0 : lines(R * n_params);
    if (shuffled)
        bytes += lines(P * ROWS) + lines(R * b * net->n_in) + (s->has_labels ? lines(4 * b) : lines(R * b * net->n_out));
    bytes += s->validates ? numbers : 0;
    const size_t classes = !s->has_labels ? 0 : net->n_out == 1 ? 2 : net->n_out;
    const size_t validation = workspace_bytes(net, v, BP_INFERENCE) + metrics_bytes(net->n_out, classes);
    return block(bytes) + workspace_bytes(net, b, BP_TRAINING) + (s->validates ? validation : 0) +
           block((s->validates ? 4 : 2) * lines(R * s->epochs));
}

/* ---- Tests ----------------------------------------------------------------------------------------------------------- */

static void a_network_takes_what_the_formula_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SUBJECTS; i++) {
        struct test_heap heap;
        bp_network net;
        test_heap_init(&heap);
        make_network(i, &net, &heap);
        assert_int_equal(heap.live_bytes, network_bytes(&net));
        assert_int_equal(heap.live_blocks, 1);
        bp_network_free(&net);
        assert_true(test_heap_is_clean(&heap));
    }
}

static void names_take_what_the_formula_says(void **state)
{
    (void)state;
    struct test_heap heap;
    bp_network net;
    const char *const names[] = { "width", "" }, *const classes[] = { "no", "yes" };
    test_heap_init(&heap);
    make_network(1, &net, &heap);
    size_t expected = network_bytes(&net);
    assert_int_equal(bp_network_set_input_names(&net, names), BP_OK);
    expected += block(lines(2 * P) + lines(6 + 1));
    assert_int_equal(heap.live_bytes, expected);
    assert_int_equal(bp_network_set_class_names(&net, classes), BP_OK);
    expected += block(lines(2 * P) + lines(3 + 4));
    assert_int_equal(heap.live_bytes, expected);
    assert_int_equal(bp_network_set_metadata(&net, "author", "me"), BP_OK);
    expected += block(lines(sizeof(bp_metadata)) + lines(7 + 3));
    assert_int_equal(heap.live_bytes, expected);
    bp_network_free(&net);
    assert_true(test_heap_is_clean(&heap));
}

#ifdef PLAIN_GEMM
#define WARM_UP ((size_t)0)
#else
#define WARM_UP (2 * 128 * 128 * R + 63) /* of the BLAS, whose first call takes memory of its own */
#endif

static void check_workspace(const bp_network *net, struct test_heap *heap, size_t max_batch, bp_mode mode)
{
    bp_workspace ws;
    const size_t before = heap->live_bytes;
    heap->peak_bytes = before;
    assert_int_equal(bp_workspace_init(&ws, net, max_batch, mode), BP_OK);
    assert_int_equal(heap->live_bytes - before, workspace_bytes(net, max_batch, mode));
    assert_int_equal(heap->peak_bytes - heap->live_bytes, max_batch > 1 ? WARM_UP : 0);
    bp_workspace_free(&ws);
}

static void a_workspace_takes_what_the_formula_says(void **state)
{
    (void)state;
    static const size_t batches[] = { 1, 2, 7, 64, 129 };
    for (size_t i = 0; i < N_SUBJECTS; i++) {
        struct test_heap heap;
        bp_network net;
        test_heap_init(&heap);
        make_network(i, &net, &heap);
        for (size_t k = 0; k < sizeof batches / sizeof batches[0]; k++) {
            check_workspace(&net, &heap, batches[k], BP_INFERENCE);
            check_workspace(&net, &heap, batches[k], BP_TRAINING);
        }
        bp_network_free(&net);
        assert_true(test_heap_is_clean(&heap));
    }
}

static void a_workspace_has_room_for_scaled_inputs(void **state)
{
    (void)state;
    const bp_real center[] = { 0, 0, 0 }, scale[] = { 1, 1, 1 };
    struct test_heap heap;
    bp_network net;
    test_heap_init(&heap);
    make_network(0, &net, &heap);
    assert_int_equal(bp_network_set_scaling(&net, center, scale, NULL, NULL), BP_OK);
    check_workspace(&net, &heap, 37, BP_INFERENCE);
    check_workspace(&net, &heap, 37, BP_TRAINING);
    bp_network_free(&net);
    assert_true(test_heap_is_clean(&heap));
}

static void an_optimizer_takes_the_arrays_that_the_table_gives_its_rule(void **state)
{
    (void)state;
    static const struct {
        bp_optimizer_config rule;
        size_t k;
    } rules[] = {
        { { .kind = BP_SGD }, 0 },
        { { .kind = BP_SGD, .momentum = (bp_real)0.9 }, 1 },
        { { .kind = BP_SGD, .momentum = (bp_real)0.9, .nesterov = true }, 1 },
        { { .kind = BP_ADAGRAD }, 1 },
        { { .kind = BP_RMSPROP }, 1 },
        { { .kind = BP_RMSPROP, .centered = true }, 2 },
        { { .kind = BP_RMSPROP, .centered = true, .momentum = (bp_real)0.5 }, 3 },
        { { .kind = BP_ADAM }, 2 },
        { { .kind = BP_ADAM, .amsgrad = true }, 3 },
        { { .kind = BP_ADAMW }, 2 },
        { { .kind = BP_ADAMW, .amsgrad = true }, 3 },
        { { .kind = BP_NADAM }, 2 },
        { { .kind = BP_ADADELTA }, 2 },
        { { .kind = BP_RPROP_MINUS }, 2 },
        { { .kind = BP_RPROP_PLUS }, 2 },
    };
    bp_network net;
    struct test_heap of_net;
    test_heap_init(&of_net);
    make_network(4, &net, &of_net);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        struct test_heap heap;
        bp_optimizer opt;
        bp_optimizer_config config = rules[i].rule;
        test_heap_init(&heap);
        config.allocator = &heap.allocator;
        assert_int_equal(bp_optimizer_init(&opt, &config, &net.parameters), BP_OK);
        assert_int_equal(heap.live_bytes, block(lines(rules[i].k * R * count_params(&net))));
        bp_optimizer_free(&opt);
        assert_true(test_heap_is_clean(&heap));
    }
    bp_network_free(&net);
}

static void check_trainer(size_t subject, const struct situation *s)
{
    static bp_real X[ROWS * 40], T[ROWS * 40];
    static int32_t labels[ROWS];
    struct test_heap heap, others;
    bp_network net;
    bp_optimizer opt;
    bp_trainer trainer;
    test_heap_init(&heap);
    test_heap_init(&others);
    make_network(subject, &net, &others);
    bp_dataset data = { .rows = ROWS, .n_in = net.n_in, .n_out = net.n_out, .X = { .data = X } };
    if (s->has_labels)
        data.labels = (bp_view){ .data = labels, .element = BP_I32 };
    else
        data.T = (bp_view){ .data = T };
    const bp_train_config config = { .epochs = s->epochs,
                                     .batch = s->batch,
                                     .keep_order = s->keeps_order,
                                     .validation = s->validates ? &data : NULL,
                                     .allocator = &heap.allocator };
    assert_int_equal(bp_optimizer_init(&opt, &s->rule, &net.parameters), BP_OK);
    assert_int_equal(bp_trainer_init(&trainer, &net, &opt, &data, &config), BP_OK);
    assert_int_equal(heap.live_bytes, trainer_bytes(&net, s));

    const size_t n_allocs = heap.n_allocs;
    assert_int_equal(bp_trainer_run(&trainer, NULL), BP_OK);
    assert_int_equal(heap.n_allocs, n_allocs);
    bp_trainer_free(&trainer);
    bp_optimizer_free(&opt);
    bp_network_free(&net);
    assert_true(test_heap_is_clean(&heap) && test_heap_is_clean(&others));
}

static void a_trainer_takes_what_the_formula_says(void **state)
{
    (void)state;
    const bp_optimizer_config plain = { .kind = BP_SGD }, adam = { .kind = BP_ADAM };
    const struct situation situations[] = {
        { .rule = plain, .is_plain = true, .batch = 32, .epochs = 3 },
        { .rule = plain, .is_plain = true, .batch = 32, .epochs = 3, .keeps_order = true },
        { .rule = plain, .is_plain = true, .batch = ROWS, .epochs = 100 },
        { .rule = plain, .is_plain = true, .batch = 23, .epochs = 2, .has_labels = true }, /* 300 = 13 23 + 1 */
        { .rule = adam, .k = 2, .batch = 32, .epochs = 3, .has_labels = true },
        { .rule = adam, .k = 2, .batch = 23, .epochs = 3, .validates = true },
        { .rule = adam, .k = 2, .batch = 64, .epochs = 17, .has_labels = true, .validates = true },
    };
    for (size_t i = 0; i < N_SUBJECTS; i++)
        for (size_t k = 0; k < sizeof situations / sizeof situations[0]; k++)
            if (!situations[k].has_labels || i != 0) /* one output that is the identity has no classes */
                check_trainer(i, &situations[k]);
}

static void a_run_is_smaller_than_4_kib(void **state)
{
    (void)state;
    assert_true(sizeof(struct bp_trainer_run) < 4096);
    assert_true(P != 8 || sizeof(bp_layer) + sizeof(bp_segment) < 200);
}

/* ---- Pools ----------------------------------------------------------------------------------------------------------- */

#ifndef _WIN32
static size_t bytes_of_pool(size_t n, size_t *peak)
{
    struct test_heap heap;
    bp_threads threads;
    test_heap_init(&heap);
    assert_int_equal(bp_threads_init(&threads, &(bp_threads_config){ .n = n, .allocator = &heap.allocator }), BP_OK);
    const size_t bytes = heap.live_bytes;
    *peak = heap.peak_bytes;
    assert_int_equal(heap.live_blocks, 1);
    bp_threads_free(&threads);
    assert_true(test_heap_is_clean(&heap));
    return bytes;
}

static void pools_take_what_the_formula_says(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 2, 3, 8, 9, 17, 64 };
    size_t peak;
    const size_t pool = bytes_of_pool(1, &peak) - block(lines(sizeof(pthread_t)));
    assert_int_equal(pool % 64, 0);
    assert_true(pool < 1024);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const size_t n = sizes[i], bytes = bytes_of_pool(n, &peak);
        assert_int_equal(bytes, block(pool + lines(n * sizeof(pthread_t))));
#ifdef PLAIN_GEMM
        assert_int_equal(peak, bytes);
#else
        assert_int_equal(peak, bytes + block(2 * 128 * 128 * R));
#endif
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_takes_what_the_formula_says),
        cmocka_unit_test(names_take_what_the_formula_says),
        cmocka_unit_test(a_workspace_takes_what_the_formula_says),
        cmocka_unit_test(a_workspace_has_room_for_scaled_inputs),
        cmocka_unit_test(an_optimizer_takes_the_arrays_that_the_table_gives_its_rule),
        cmocka_unit_test(a_trainer_takes_what_the_formula_says),
        cmocka_unit_test(a_run_is_smaller_than_4_kib),
#ifndef _WIN32
        cmocka_unit_test(pools_take_what_the_formula_says),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
