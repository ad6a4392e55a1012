// SPDX-License-Identifier: MIT
/*
 * Networks: what they are made of, what is refused, and how they are moved, cloned, copied and described.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "backprop/network.h"
#include "backprop/propagation.h"
#include "backprop/workspace.h"
#include "support/heap.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))
#define LAYER(width, f)                                                                                                    \
    {                                                                                                                      \
        .n_out = (width), .activation = (f)                                                                                \
    }
#define WIDEST ((size_t)2147483647) /* what a CBLAS with 32-bit integers takes */

static const bp_layer_config three_layers[] = {
    { .n_out = 4, .activation = BP_TANH, .biases = { .kind = BP_INIT_NORMAL, .b = R(1) } },
    { .n_out = 1, .activation = BP_LEAKY_RELU },
    { .n_out = 2, .activation = BP_SOFTMAX },
};

/* 3 inputs, three_layers, n_params = 16 + 5 + 4. */
static void make(bp_network *net, uint64_t seed, const bp_allocator *allocator)
{
    const bp_network_config config = {
        .n_in = 3, .n_layers = 3, .layers = three_layers, .seed = seed, .allocator = allocator
    };
    assert_int_equal(bp_network_init(net, &config), BP_OK);
}

/* `depth` layers of one width. */
static void make_deep(bp_network *net, size_t depth, size_t width, bp_activation activation)
{
    bp_layer_config layers[64];
    assert_true(depth <= COUNT(layers));
    for (size_t l = 0; l < depth; l++)
        layers[l] = (bp_layer_config){ .n_out = width, .activation = activation };
    const bp_network_config config = { .n_in = width, .n_layers = depth, .layers = layers };
    assert_int_equal(bp_network_init(net, &config), BP_OK);
}

static void assert_zeroed(const bp_network *net)
{
    static const bp_network zeroed = { 0 };
    assert_memory_equal(net, &zeroed, sizeof zeroed);
}

static void assert_same_parameters(const bp_network *a, const bp_network *b)
{
    assert_int_equal(a->parameters.n_params, b->parameters.n_params);
    assert_memory_equal(a->parameters.params, b->parameters.params, a->parameters.n_params * sizeof(bp_real));
}

/* ---- What a network is made of ----------------------------------------------------------------------------------- */

static void layers_are_as_configured(void **state)
{
    (void)state;
    bp_network net;
    make(&net, 0, NULL);

    assert_int_equal(net.n_in, 3);
    assert_int_equal(net.n_out, 2);
    assert_int_equal(net.n_layers, 3);
    for (size_t l = 0; l < 3; l++) {
        assert_int_equal(net.layers[l].n_in, l == 0 ? 3 : three_layers[l - 1].n_out);
        assert_int_equal(net.layers[l].n_out, three_layers[l].n_out);
        assert_int_equal(net.layers[l].activation, three_layers[l].activation);
    }
    bp_network_free(&net);
}

static void zeroed_layer_settings_are_an_identity_layer(void **state)
{
    (void)state;
    const bp_layer_config layer = { .n_out = 2 };
    const bp_network_config config = { .n_in = 2, .n_layers = 1, .layers = &layer };
    bp_network net;
    assert_int_equal(bp_network_init(&net, &config), BP_OK);

    assert_int_equal(net.layers[0].activation, BP_IDENTITY);
    bp_network_free(&net);
}

static void parameter_of_an_activation_has_its_default_filled_in(void **state)
{
    (void)state;
    const bp_layer_config layers[] = {
        { .n_out = 1, .activation = BP_LEAKY_RELU },
        { .n_out = 1, .activation = BP_LEAKY_RELU, .parameter = R(0.2) },
        { .n_out = 1, .activation = BP_LEAKY_RELU, .parameter = R(-3) },
        { .n_out = 1, .activation = BP_RELU },
    };
    const bp_real expected[] = { R(0.01), R(0.2), R(-3), R(0) };
    const bp_network_config config = { .n_in = 1, .n_layers = COUNT(layers), .layers = layers };
    bp_network net;
    assert_int_equal(bp_network_init(&net, &config), BP_OK);

    for (size_t l = 0; l < COUNT(layers); l++)
        assert_true(net.layers[l].parameter == expected[l]);
    bp_network_free(&net);
}

/* One segment: the next numbers of the block, and the layer looks at them. */
static void check_segment(const bp_network *net, size_t s, size_t offset)
{
    const bp_layer *layer = &net->layers[s / 2];
    const bp_segment *segment = &net->parameters.segments[s];
    const bool is_bias = s % 2 == 1;

    assert_int_equal(segment->kind, is_bias ? BP_BIAS : BP_WEIGHT);
    assert_int_equal(segment->layer, s / 2);
    assert_int_equal(segment->offset, offset);
    assert_int_equal(segment->n, is_bias ? layer->n_out : layer->n_out * layer->n_in);
    assert_int_equal(segment->rows, is_bias ? 1 : layer->n_out);
    assert_false(segment->frozen);
    assert_ptr_equal(is_bias ? layer->b : layer->W, net->parameters.params + offset);
}

static void check_layout(const bp_network *net)
{
    assert_int_equal((uintptr_t)net->parameters.params % 64, 0);
    assert_int_equal(net->parameters.n_segments, 2 * net->n_layers);
    size_t offset = 0;
    for (size_t s = 0; s < net->parameters.n_segments; s++) {
        check_segment(net, s, offset);
        offset += net->parameters.segments[s].n;
    }
    assert_int_equal(net->parameters.n_params, offset);
}

static void parameters_are_one_block_layer_by_layer_W_then_b(void **state)
{
    (void)state;
    bp_network net;
    make(&net, 0, NULL);
    assert_int_equal(net.parameters.n_params, 16 + 5 + 4);
    check_layout(&net);
    bp_network_free(&net);
}

static void networks_may_be_deep_and_narrow(void **state)
{
    (void)state;
    const struct {
        size_t depth, width, n_params;
    } cases[] = { { 1, 1, 2 }, { 50, 1, 100 }, { 50, 3, 600 }, { 1, 100, 10100 } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        bp_network net;
        make_deep(&net, cases[i].depth, cases[i].width, BP_TANH);
        assert_int_equal(net.n_layers, cases[i].depth);
        assert_int_equal(net.parameters.n_params, cases[i].n_params);
        check_layout(&net);
        bp_network_free(&net);
    }
}

static void configuration_may_go_after_init(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    bp_layer_config layers[3];
    memcpy(layers, three_layers, sizeof layers);
    bp_allocator allocator = heap.allocator;
    bp_network_config config = { .n_in = 3, .n_layers = 3, .layers = layers, .allocator = &allocator };
    bp_network net, untouched;
    assert_int_equal(bp_network_init(&net, &config), BP_OK);
    memset(layers, 0x5a, sizeof layers);
    memset(&allocator, 0x5a, sizeof allocator);
    memset(&config, 0x5a, sizeof config);

    make(&untouched, 0, NULL);
    assert_same_parameters(&net, &untouched);
    check_layout(&net);
    bp_network_free(&untouched);
    bp_network_free(&net);
    assert_true(test_heap_is_clean(&heap));
}

/* ---- What is refused --------------------------------------------------------------------------------------------- */

/* Sizes of a network of up to two layers, and what its refusal says: where, what, found, expected. */
static const struct {
    size_t n_in, n_layers, n_out[2];
    bp_status status;
    const char *sentence;
} refused_sizes[] = {
    { 0, 1, { 1 }, BP_ERR_SHAPE, "n_in is 0" },
    { 1, 0, { 1 }, BP_ERR_SHAPE, "n_layers is 0" },
    { 1, 2, { 0, 1 }, BP_ERR_SHAPE, "layer 0: n_out is 0" },
    { 1, 2, { 1, 0 }, BP_ERR_SHAPE, "layer 1: n_out is 0" },
    { WIDEST + 1, 1, { 1 }, BP_ERR_TOO_LARGE, "n_in is 2147483648, a CBLAS takes at most 2147483647" },
    { SIZE_MAX, 1, { 1 }, BP_ERR_TOO_LARGE, "n_in is " },
    { 1, 1, { WIDEST + 1 }, BP_ERR_TOO_LARGE, "layer 0: n_out is 2147483648, a CBLAS takes at most 2147483647" },
    { 1, 2, { 1, SIZE_MAX }, BP_ERR_TOO_LARGE, "layer 1: n_out is " },
};

/* The same for the activation of the second of two layers. */
static const struct {
    bp_activation activation;
    bp_real parameter;
    const char *sentence;
} refused_activations[] = {
    { BP_N_ACTIVATIONS, R(0), "layer 1: " },
    { (bp_activation)4711, R(0), "layer 1: 4711 is no activation" },
    { (bp_activation)-1, R(0), "layer 1: -1 is no activation" },
    { BP_IDENTITY, R(1), "layer 1: identity takes no parameter, found 1" },
    { BP_SIGMOID, R(1), "layer 1: sigmoid takes no parameter, found 1" },
    { BP_TANH, R(-2), "layer 1: tanh takes no parameter, found -2" },
    { BP_RELU, R(0.5), "layer 1: relu takes no parameter, found 0.5" },
    { BP_SOFTMAX, R(1), "layer 1: softmax takes no parameter, found 1" },
    { BP_RELU, R(NAN), "layer 1: the parameter of relu is nan" },
    { BP_LEAKY_RELU, R(NAN), "layer 1: the parameter of leaky_relu is nan" },
    { BP_LEAKY_RELU, R(INFINITY), "layer 1: the parameter of leaky_relu is inf" },
    { BP_LEAKY_RELU, R(-INFINITY), "layer 1: the parameter of leaky_relu is -inf" },
};

/* Nothing is allocated for it, and whatever the struct held, it is zeroed: bp_network_free() has nothing to do. */
static void refuse(const bp_network_config *config, bp_status status, const char *sentence)
{
    struct test_heap heap;
    test_heap_init(&heap);
    bp_network_config with_heap = *config;
    with_heap.allocator = &heap.allocator;
    bp_network net;
    memset(&net, 0x5a, sizeof net);

    assert_refused(bp_network_init(&net, &with_heap), status, sentence);
    assert_zeroed(&net);
    assert_int_equal(heap.n_allocs, 0);
    bp_network_free(&net);
}

static void impossible_sizes_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused_sizes); i++) {
        const bp_layer_config layers[] = { { .n_out = refused_sizes[i].n_out[0] }, { .n_out = refused_sizes[i].n_out[1] } };
        const bp_network_config config = { .n_in = refused_sizes[i].n_in,
                                           .n_layers = refused_sizes[i].n_layers,
                                           .layers = layers };
        refuse(&config, refused_sizes[i].status, refused_sizes[i].sentence);
    }
}

static void impossible_activations_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused_activations); i++) {
        const bp_layer_config layers[] = {
            { .n_out = 1 },
            { .n_out = 1, .activation = refused_activations[i].activation, .parameter = refused_activations[i].parameter }
        };
        const bp_network_config config = { .n_in = 1, .n_layers = 2, .layers = layers };
        refuse(&config, BP_ERR_ARGUMENT, refused_activations[i].sentence);
    }
}

static void impossible_initialisers_are_refused(void **state)
{
    (void)state;
    const bp_init unknown = { .kind = (bp_init_kind)4711 };
    const bp_layer_config weights = { .n_out = 1, .weights = unknown }, biases = { .n_out = 1, .biases = unknown };

    refuse(&(bp_network_config){ .n_in = 1, .n_layers = 1, .layers = &weights }, BP_ERR_ARGUMENT,
           "layer 0: weights: 4711 is no initialiser");
    refuse(&(bp_network_config){ .n_in = 1, .n_layers = 1, .layers = &biases }, BP_ERR_ARGUMENT,
           "layer 0: biases: 4711 is no initialiser");
}

static void null_pointers_are_refused(void **state)
{
    (void)state;
    bp_network net;
    memset(&net, 0x5a, sizeof net);

    assert_refused(bp_network_init(NULL, &(bp_network_config){ 0 }), BP_ERR_ARGUMENT, "network_init: net is NULL");
    assert_refused(bp_network_init(NULL, NULL), BP_ERR_ARGUMENT, "network_init: net is NULL");
    assert_refused(bp_network_init(&net, NULL), BP_ERR_ARGUMENT, "network_init: config is NULL");
    assert_zeroed(&net);
    refuse(&(bp_network_config){ .n_in = 1, .n_layers = 2 }, BP_ERR_ARGUMENT, "layers is NULL, n_layers is 2");
}

/* Each width is fine by itself. Two layers of 2147483647^2 weights have too many bytes, five of them too many numbers. */
static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    bp_layer_config layers[5];
    for (size_t l = 0; l < COUNT(layers); l++)
        layers[l] = (bp_layer_config){ .n_out = WIDEST };

    refuse(&(bp_network_config){ .n_in = WIDEST, .n_layers = 2, .layers = layers }, BP_ERR_TOO_LARGE,
           "memory in bytes overflows");
    refuse(&(bp_network_config){ .n_in = WIDEST, .n_layers = 5, .layers = layers }, BP_ERR_TOO_LARGE,
           "layer 4: 2147483647 x 2147483647 weights");
}

static void zeroed_or_null_network_may_be_freed(void **state)
{
    (void)state;
    bp_network net = { 0 };
    bp_network_free(NULL);
    bp_network_free(&net);
    make(&net, 0, NULL);
    bp_network_free(&net);
    assert_zeroed(&net);
    bp_network_free(&net);
}

/* ---- Moving ------------------------------------------------------------------------------------------------------ */

static void predict(const bp_network *net, bp_real Y[2])
{
    const bp_real X[3] = { R(0.5), R(-1), R(2) };
    bp_workspace ws;
    assert_int_equal(bp_workspace_init(&ws, net, 1, BP_INFERENCE), BP_OK);
    assert_int_equal(bp_predict(net, &ws, X, 1, Y), BP_OK);
    bp_workspace_free(&ws);
}

static void network_may_be_moved_by_assignment(void **state)
{
    (void)state;
    bp_real before[2], after[2];
    bp_network old_place, new_place;
    make(&old_place, 5, NULL);
    predict(&old_place, before);

    new_place = old_place;
    memset(&old_place, 0x5a, sizeof old_place);
    check_layout(&new_place);
    predict(&new_place, after);
    assert_memory_equal(before, after, sizeof before);
    bp_network_free(&new_place);
}

/* ---- Cloning ----------------------------------------------------------------------------------------------------- */

static void clone_is_an_equal_network(void **state)
{
    (void)state;
    bp_network net, clone;
    make(&net, 1, NULL);
    memset(&clone, 0x5a, sizeof clone);
    assert_int_equal(bp_network_clone(&clone, &net, NULL), BP_OK);

    assert_int_equal(clone.n_in, net.n_in);
    assert_int_equal(clone.n_out, net.n_out);
    assert_int_equal(clone.n_layers, net.n_layers);
    assert_true(clone.topology == net.topology);
    for (size_t l = 0; l < net.n_layers; l++) {
        assert_int_equal(clone.layers[l].n_in, net.layers[l].n_in);
        assert_int_equal(clone.layers[l].n_out, net.layers[l].n_out);
        assert_int_equal(clone.layers[l].activation, net.layers[l].activation);
        assert_true(clone.layers[l].parameter == net.layers[l].parameter);
    }
    assert_same_parameters(&clone, &net);
    check_layout(&clone);
    bp_network_free(&clone);
    bp_network_free(&net);
}

static void clone_is_independent(void **state)
{
    (void)state;
    bp_network net, clone;
    bp_real before[2], after[2];
    make(&net, 2, NULL);
    predict(&net, before);
    assert_int_equal(bp_network_clone(&clone, &net, NULL), BP_OK);

    for (size_t i = 0; i < net.parameters.n_params; i++)
        net.parameters.params[i] = R(NAN);
    bp_network_free(&net);
    predict(&clone, after);
    assert_memory_equal(before, after, sizeof before);
    bp_network_free(&clone);
}

static void clone_takes_its_memory_where_it_is_told(void **state)
{
    (void)state;
    struct test_heap heap, other;
    test_heap_init(&heap);
    test_heap_init(&other);
    const bp_allocator zeroed = { 0 };
    bp_network net, by_default, with_other, with_malloc;
    make(&net, 3, &heap.allocator);

    assert_int_equal(bp_network_clone(&by_default, &net, NULL), BP_OK);
    assert_int_equal(heap.live_blocks, 2);
    assert_int_equal(bp_network_clone(&with_other, &net, &other.allocator), BP_OK);
    assert_int_equal(other.live_blocks, 1);
    assert_int_equal(bp_network_clone(&with_malloc, &net, &zeroed), BP_OK);
    assert_int_equal(heap.live_blocks + other.live_blocks, 3);

    bp_network_free(&net);
    bp_network_free(&with_malloc);
    bp_network_free(&with_other);
    bp_network_free(&by_default);
    assert_true(test_heap_is_clean(&heap));
    assert_true(test_heap_is_clean(&other));
}

static void impossible_clones_are_refused(void **state)
{
    (void)state;
    const bp_network zeroed = { 0 };
    bp_network net, clone;
    make(&net, 4, NULL);

    assert_refused(bp_network_clone(NULL, &net, NULL), BP_ERR_ARGUMENT, "network_clone: clone is NULL");
    memset(&clone, 0x5a, sizeof clone);
    assert_refused(bp_network_clone(&clone, NULL, NULL), BP_ERR_ARGUMENT, "network_clone: net is NULL");
    assert_zeroed(&clone);
    memset(&clone, 0x5a, sizeof clone);
    assert_refused(bp_network_clone(&clone, &zeroed, NULL), BP_ERR_STATE, "network_clone: net has no layers");
    assert_zeroed(&clone);
    bp_network_free(&net);
}

static void network_cannot_be_cloned_onto_itself_and_lives_on(void **state)
{
    (void)state;
    bp_real before[2], after[2];
    bp_network net;
    make(&net, 4, NULL);
    predict(&net, before);

    assert_refused(bp_network_clone(&net, &net, NULL), BP_ERR_ARGUMENT, "clone and net are the same network");
    predict(&net, after);
    assert_memory_equal(before, after, sizeof before);
    bp_network_free(&net);
}

/* ---- Copying parameters ------------------------------------------------------------------------------------------ */

static void copying_makes_parameters_equal(void **state)
{
    (void)state;
    bp_network to, from;
    make(&to, 1, NULL);
    make(&from, 2, NULL);
    const bp_real *place = to.parameters.params;

    assert_int_equal(bp_network_copy_params(&to, &from), BP_OK);
    assert_same_parameters(&to, &from);
    assert_ptr_equal(to.parameters.params, place);
    assert_int_equal(bp_network_copy_params(&to, &to), BP_OK); /* onto itself is fine */
    assert_same_parameters(&to, &from);
    bp_network_free(&to);
    bp_network_free(&from);
}

static void copying_needs_two_networks(void **state)
{
    (void)state;
    bp_network net, zeroed = { 0 };
    make(&net, 1, NULL);

    assert_refused(bp_network_copy_params(NULL, &net), BP_ERR_ARGUMENT, "network_copy_params: to is NULL");
    assert_refused(bp_network_copy_params(&net, NULL), BP_ERR_ARGUMENT, "network_copy_params: from is NULL");
    assert_refused(bp_network_copy_params(&zeroed, &net), BP_ERR_STATE, "network_copy_params: to has no layers");
    assert_refused(bp_network_copy_params(&net, &zeroed), BP_ERR_STATE, "network_copy_params: from has no layers");
    bp_network_free(&net);
}

/* Beside 3 inputs and three_layers: one thing different each time, the number of parameters where possible the same. */
static const struct {
    size_t n_in, n_layers;
    bp_layer_config layers[4];
} other_topologies[] = {
    { 4, 3, { LAYER(4, BP_TANH), LAYER(1, BP_LEAKY_RELU), LAYER(2, BP_SOFTMAX) } },
    { 3, 3, { LAYER(5, BP_TANH), LAYER(1, BP_LEAKY_RELU), LAYER(2, BP_SOFTMAX) } },
    { 3, 3, { LAYER(4, BP_TANH), LAYER(1, BP_LEAKY_RELU), LAYER(3, BP_SOFTMAX) } },
    { 3, 3, { LAYER(4, BP_SIGMOID), LAYER(1, BP_LEAKY_RELU), LAYER(2, BP_SOFTMAX) } },
    { 3, 3, { LAYER(4, BP_TANH), LAYER(1, BP_RELU), LAYER(2, BP_SOFTMAX) } },
    { 3, 3, { LAYER(4, BP_TANH), LAYER(1, BP_LEAKY_RELU), LAYER(2, BP_IDENTITY) } },
    { 3, 2, { LAYER(4, BP_TANH), LAYER(1, BP_LEAKY_RELU) } },
    { 3, 4, { LAYER(4, BP_TANH), LAYER(1, BP_LEAKY_RELU), LAYER(2, BP_SOFTMAX), LAYER(2, BP_SOFTMAX) } },
    { 4, 1, { LAYER(5, BP_TANH) } }, /* 25 parameters, as three_layers has */
};

static void copying_between_different_topologies_is_refused(void **state)
{
    (void)state;
    bp_network net, untouched;
    make(&net, 1, NULL);
    make(&untouched, 1, NULL);
    for (size_t i = 0; i < COUNT(other_topologies); i++) {
        bp_network other;
        const bp_network_config config = { .n_in = other_topologies[i].n_in,
                                           .n_layers = other_topologies[i].n_layers,
                                           .layers = other_topologies[i].layers };
        assert_int_equal(bp_network_init(&other, &config), BP_OK);
        assert_true(other.topology != net.topology);
        assert_refused(bp_network_copy_params(&net, &other), BP_ERR_SHAPE, "differ in widths or activations");
        assert_refused(bp_network_copy_params(&other, &net), BP_ERR_SHAPE, "differ in widths or activations");
        assert_same_parameters(&net, &untouched);
        bp_network_free(&other);
    }
    bp_network_free(&untouched);
    bp_network_free(&net);
}

/* The slope of a leaky relu belongs neither to the widths nor to the activations. */
static void topology_is_widths_and_activations_only(void **state)
{
    (void)state;
    bp_layer_config layers[3];
    memcpy(layers, three_layers, sizeof layers);
    layers[0].weights.kind = BP_INIT_ZEROS;
    layers[1].parameter = R(0.3);
    const bp_network_config config = { .n_in = 3, .n_layers = 3, .layers = layers, .seed = 77 };
    bp_network a, b;
    make(&a, 1, NULL);
    assert_int_equal(bp_network_init(&b, &config), BP_OK);

    assert_true(a.topology == b.topology);
    assert_int_equal(bp_network_copy_params(&a, &b), BP_OK);
    bp_network_free(&a);
    bp_network_free(&b);
}

/* ---- Describing -------------------------------------------------------------------------------------------------- */

static void summary_is_a_table_of_the_layers_and_their_sum(void **state)
{
    (void)state;
    bp_network net;
    make(&net, 0, NULL);
    FILE *stream = tmpfile();
    assert_non_null(stream);
    assert_int_equal(bp_network_summary(&net, stream), BP_OK);
    assert_true(fputs("still open\n", stream) >= 0);
    rewind(stream);

    const char *const lines[] = {
        "layer       inputs    outputs  activation    parameters\n",
        "    0            3          4  tanh                  16\n",
        "    1            4          1  leaky_relu             5\n",
        "    2            1          2  softmax                4\n",
        "total            3          2                        25\n",
        "still open\n",
    };
    for (size_t i = 0; i < COUNT(lines); i++) {
        char line[256];
        assert_non_null(fgets(line, sizeof line, stream));
        assert_string_equal(line, lines[i]);
    }
    assert_int_equal(fgetc(stream), EOF);
    assert_int_equal(fclose(stream), 0);
    bp_network_free(&net);
}

static void summary_of_nothing_is_refused(void **state)
{
    (void)state;
    const bp_network zeroed = { 0 };
    bp_network net;
    make(&net, 0, NULL);

    assert_refused(bp_network_summary(NULL, stdout), BP_ERR_ARGUMENT, "network_summary: net is NULL");
    assert_refused(bp_network_summary(&net, NULL), BP_ERR_ARGUMENT, "network_summary: stream is NULL");
    assert_refused(bp_network_summary(&zeroed, stdout), BP_ERR_STATE, "network_summary: net has no layers");
    bp_network_free(&net);
}

/* The device is full: a short table fails only as it is flushed, a long one while it is written. */
static void summary_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *path, *mode;
    } streams[] = { { "/dev/full", "w" }, { "/dev/null", "r" } };
    static const size_t depths[] = { 1, 50 };
    for (size_t i = 0; i < COUNT(streams) * COUNT(depths); i++) {
        FILE *stream = fopen(streams[i / 2].path, streams[i / 2].mode);
        if (stream == NULL)
            continue; /* a system without such a device */
        bp_network net;
        make_deep(&net, depths[i % 2], 2, BP_TANH);
        if (i % 2 == 1)
            (void)setvbuf(stream, NULL, _IONBF, 0);
        assert_refused(bp_network_summary(&net, stream), BP_ERR_IO, "network_summary", "writing failed");
        bp_network_free(&net);
        (void)fclose(stream);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_are_as_configured),
        cmocka_unit_test(zeroed_layer_settings_are_an_identity_layer),
        cmocka_unit_test(parameter_of_an_activation_has_its_default_filled_in),
        cmocka_unit_test(parameters_are_one_block_layer_by_layer_W_then_b),
        cmocka_unit_test(networks_may_be_deep_and_narrow),
        cmocka_unit_test(configuration_may_go_after_init),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(impossible_activations_are_refused),
        cmocka_unit_test(impossible_initialisers_are_refused),
        cmocka_unit_test(null_pointers_are_refused),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(zeroed_or_null_network_may_be_freed),
        cmocka_unit_test(network_may_be_moved_by_assignment),
        cmocka_unit_test(clone_is_an_equal_network),
        cmocka_unit_test(clone_is_independent),
        cmocka_unit_test(clone_takes_its_memory_where_it_is_told),
        cmocka_unit_test(impossible_clones_are_refused),
        cmocka_unit_test(network_cannot_be_cloned_onto_itself_and_lives_on),
        cmocka_unit_test(copying_makes_parameters_equal),
        cmocka_unit_test(copying_needs_two_networks),
        cmocka_unit_test(copying_between_different_topologies_is_refused),
        cmocka_unit_test(topology_is_widths_and_activations_only),
        cmocka_unit_test(summary_is_a_table_of_the_layers_and_their_sum),
        cmocka_unit_test(summary_of_nothing_is_refused),
        cmocka_unit_test(summary_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
