// SPDX-License-Identifier: MIT
/*
 * Workspaces: which arrays each mode has, which of them are the same, how much memory that takes, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "backprop/network.h"
#include "backprop/propagation.h"
#include "backprop/workspace.h"
#include "support/heap.h"
#include "support/levels.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))
#define WIDEST ((size_t)2147483647)

static const bp_mode modes[] = { BP_INFERENCE, BP_TRAINING };

/* Of the hidden layers only the leaky relu needs Z for its derivative. */
static const bp_layer_config mixed_layers[] = {
    { .n_out = 4, .activation = BP_TANH },       { .n_out = 3, .activation = BP_LEAKY_RELU },
    { .n_out = 5, .activation = BP_RELU },       { .n_out = 4, .activation = BP_SIGMOID },
    { .n_out = 2, .activation = BP_IDENTITY },   { .n_out = 3, .activation = BP_SOFTMAX },
    { .n_out = 2, .activation = BP_LEAKY_RELU },
};

static void make(bp_network *net, size_t n_layers, const bp_layer_config *layers, const bp_allocator *allocator)
{
    const bp_network_config config = { .n_in = 6, .n_layers = n_layers, .layers = layers, .allocator = allocator };
    assert_int_equal(bp_network_init(net, &config), BP_OK);
}

static void assert_zeroed(const bp_workspace *ws)
{
    static const bp_workspace zeroed = { 0 };
    assert_int_equal(ws->mode, zeroed.mode); /* field by field: the struct has padding */
    assert_int_equal(ws->max_batch + ws->batch + ws->n_layers, 0);
    assert_true(ws->X == NULL && ws->Y == NULL && ws->Z == NULL && ws->A == NULL && ws->dZ == NULL);
    assert_true(ws->dA[0] == NULL && ws->dA[1] == NULL && ws->row == NULL && ws->block == NULL);
    assert_false(ws->has_loss);
    assert_true(ws->topology == 0);
    assert_memory_equal(&ws->allocator, &zeroed.allocator, sizeof zeroed.allocator);
}

/* ---- What it is made of ------------------------------------------------------------------------------------------ */

static void new_workspace_holds_no_pass(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT(modes); m++) {
        bp_network net;
        bp_workspace ws;
        make(&net, COUNT(mixed_layers), mixed_layers, NULL);
        memset(&ws, 0x5a, sizeof ws);
        assert_int_equal(bp_workspace_init(&ws, &net, 9, modes[m]), BP_OK);

        assert_int_equal(ws.mode, modes[m]);
        assert_int_equal(ws.max_batch, 9);
        assert_int_equal(ws.batch, 0);
        assert_int_equal(ws.n_layers, COUNT(mixed_layers));
        assert_true(ws.topology == net.topology);
        assert_false(ws.has_loss);
        assert_null(ws.X);
        bp_workspace_free(&ws);
        bp_network_free(&net);
    }
}

/* An array that starts at an aligned address and may be written from end to end; sanitizers and valgrind watch the ends. */
static void fill(bp_real *array, size_t n)
{
    assert_non_null(array);
    assert_int_equal((uintptr_t)array % 64, 0);
    for (size_t i = 0; i < n; i++)
        array[i] = R(1);
}

static size_t widest_of(const bp_network *net)
{
    size_t width = 0;
    for (size_t l = 0; l < net->n_layers; l++)
        width = net->layers[l].n_out > width ? net->layers[l].n_out : width;
    return width;
}

static void arrays_have_their_documented_sizes(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT(modes); m++) {
        bp_network net;
        bp_workspace ws;
        make(&net, COUNT(mixed_layers), mixed_layers, NULL);
        assert_int_equal(bp_workspace_init(&ws, &net, 9, modes[m]), BP_OK);
        for (size_t l = 0; l < ws.n_layers; l++) {
            fill(ws.Z[l], 9 * net.layers[l].n_out);
            fill(ws.A[l], 9 * net.layers[l].n_out);
        }
        fill(ws.row, widest_of(&net));
        if (modes[m] == BP_TRAINING) {
            fill(ws.dZ, 9 * net.n_out);
            fill(ws.dA[0], 9 * widest_of(&net));
            fill(ws.dA[1], 9 * widest_of(&net));
        }
        bp_workspace_free(&ws);
        bp_network_free(&net);
    }
}

static void inference_has_no_arrays_for_the_way_back(void **state)
{
    (void)state;
    bp_network net;
    bp_workspace ws;
    make(&net, COUNT(mixed_layers), mixed_layers, NULL);
    assert_int_equal(bp_workspace_init(&ws, &net, 9, BP_INFERENCE), BP_OK);

    assert_null(ws.dZ);
    assert_null(ws.dA[0]);
    assert_null(ws.dA[1]);
    bp_workspace_free(&ws);
    bp_network_free(&net);
}

/* ---- Which arrays are the same ----------------------------------------------------------------------------------- */

static bool overlap(const bp_real *a, size_t n_a, const bp_real *b, size_t n_b)
{
    return (uintptr_t)a < (uintptr_t)(b + n_b) && (uintptr_t)b < (uintptr_t)(a + n_a);
}

/* A of every layer and, where it is kept apart, Z: all of them lie apart, as do dZ and the two dA. */
static void training_keeps_every_layer_apart(void **state)
{
    (void)state;
    enum { ROWS = 9, MOST = 20 };
    const bp_real *arrays[MOST];
    size_t sizes[MOST], n = 0;
    bp_network net;
    bp_workspace ws;
    make(&net, COUNT(mixed_layers), mixed_layers, NULL);
    assert_int_equal(bp_workspace_init(&ws, &net, ROWS, BP_TRAINING), BP_OK);

    for (size_t l = 0; l < ws.n_layers; l++) {
        const size_t size = ROWS * net.layers[l].n_out;
        arrays[n] = ws.A[l], sizes[n++] = size;
        if (ws.Z[l] != ws.A[l])
            arrays[n] = ws.Z[l], sizes[n++] = size;
    }
    arrays[n] = ws.dZ, sizes[n++] = ROWS * net.n_out;
    arrays[n] = ws.dA[0], sizes[n++] = ROWS * widest_of(&net);
    arrays[n] = ws.dA[1], sizes[n++] = ROWS * widest_of(&net);
    arrays[n] = ws.row, sizes[n++] = widest_of(&net);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            assert_false(overlap(arrays[i], sizes[i], arrays[j], sizes[j]));
    bp_workspace_free(&ws);
    bp_network_free(&net);
}

static void Z_of_a_hidden_layer_is_A_where_the_derivative_allows(void **state)
{
    (void)state;
    bp_network net;
    make(&net, COUNT(mixed_layers), mixed_layers, NULL);
    for (size_t m = 0; m < COUNT(modes); m++) {
        bp_workspace ws;
        assert_int_equal(bp_workspace_init(&ws, &net, 9, modes[m]), BP_OK);
        for (size_t l = 0; l + 1 < ws.n_layers; l++) {
            const bool apart = modes[m] == BP_TRAINING && net.layers[l].activation == BP_LEAKY_RELU;
            assert_int_equal(ws.Z[l] != ws.A[l], apart);
        }
        bp_workspace_free(&ws);
    }
    bp_network_free(&net);
}

/* f(z) = 2 z, as a user's function. */
static void apply_doubling(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    (void)parameter, (void)user;
    for (size_t i = 0; i < rows * n; i++)
        A[i] = Z[i] + Z[i];
}

static void pull_doubling(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                          const bp_real *dA, bp_real *dZ)
{
    (void)Z, (void)A;
    apply_doubling(rows, n, parameter, user, dA, dZ);
}

static const bp_activation_function doubling = { .name = "doubling", .apply = apply_doubling, .pull_back = pull_doubling };

/* Losses are taken from Z, so it is there whatever the activation; where that is the identity, A is no different. */
static void Z_of_the_output_layer_is_kept(void **state)
{
    (void)state;
    for (int f = 0; f < (int)BP_N_ACTIVATIONS; f++) {
        const bp_activation_function *custom = f == (int)BP_CUSTOM_ACTIVATION ? &doubling : NULL;
        const bp_layer_config layer = { .n_out = 2, .activation = (bp_activation)f, .custom = custom };
        bp_network net;
        make(&net, 1, &layer, NULL);
        for (size_t m = 0; m < COUNT(modes); m++) {
            bp_workspace ws;
            assert_int_equal(bp_workspace_init(&ws, &net, 9, modes[m]), BP_OK);
            assert_ptr_equal(ws.Y, ws.A[0]);
            if (f != (int)BP_IDENTITY)
                assert_false(overlap(ws.Z[0], 18, ws.A[0], 18));
            bp_workspace_free(&ws);
        }
        bp_network_free(&net);
    }
}

static void hidden_layers_share_two_arrays_in_turn_for_inference(void **state)
{
    (void)state;
    const size_t n_hidden = COUNT(mixed_layers) - 1;
    bp_network net;
    bp_workspace ws;
    make(&net, COUNT(mixed_layers), mixed_layers, NULL);
    assert_int_equal(bp_workspace_init(&ws, &net, 9, BP_INFERENCE), BP_OK);

    for (size_t l = 2; l < n_hidden; l++)
        assert_ptr_equal(ws.A[l], ws.A[l - 2]);
    assert_false(overlap(ws.A[0], 9 * 5, ws.A[1], 9 * 5)); /* each takes the widest hidden layer */
    for (size_t i = 0; i < 2; i++) {
        assert_false(overlap(ws.A[n_hidden], 9 * 2, ws.A[i], 9 * 5));
        assert_false(overlap(ws.Z[n_hidden], 9 * 2, ws.A[i], 9 * 5));
    }
    bp_workspace_free(&ws);
    bp_network_free(&net);
}

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

/* What a workspace of this depth holds, layers of 32 units, 100 rows. */
static size_t bytes_of(size_t depth, bp_mode mode)
{
    bp_layer_config layers[50];
    for (size_t l = 0; l < depth; l++)
        layers[l] = (bp_layer_config){ .n_out = 32, .activation = BP_TANH };
    struct test_heap heap;
    test_heap_init(&heap);
    bp_network net;
    bp_workspace ws;
    make(&net, depth, layers, &heap.allocator);
    const size_t before = heap.live_bytes;
    assert_int_equal(bp_workspace_init(&ws, &net, 100, mode), BP_OK);
    const size_t bytes = heap.live_bytes - before;

    bp_workspace_free(&ws);
    bp_network_free(&net);
    assert_true(test_heap_is_clean(&heap));
    return bytes;
}

/* Depth costs two pointers a layer (and at most 63 bytes each for alignment), where training keeps all values. */
static void inference_takes_two_hidden_layers_of_memory_however_deep(void **state)
{
    (void)state;
    const size_t layer = 100 * 32 * sizeof(bp_real), pointers = 2 * 50 * sizeof(void *) + 2 * 63;
    const size_t shallow = bytes_of(3, BP_INFERENCE), deep = bytes_of(50, BP_INFERENCE);

    assert_true(deep - shallow <= pointers);
    assert_true(shallow < 5 * layer); /* two hidden, Z and A of the output, and small things */
    assert_true(bytes_of(50, BP_TRAINING) > 50 * layer);
    assert_true(bytes_of(1, BP_INFERENCE) < 3 * layer);
}

static void memory_comes_from_the_allocator_of_the_network(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    bp_network net;
    bp_workspace ws;
    make(&net, 2, mixed_layers, &heap.allocator);
    assert_int_equal(bp_workspace_init(&ws, &net, 4, BP_TRAINING), BP_OK);

    assert_int_equal(heap.live_blocks, 2);
    bp_network_free(&net); /* the workspace does not need it to be freed */
    bp_workspace_free(&ws);
    assert_true(test_heap_is_clean(&heap));
}

/* ---- What is refused --------------------------------------------------------------------------------------------- */

static void impossible_workspaces_are_refused(void **state)
{
    (void)state;
    const bp_network zeroed = { 0 };
    struct test_heap heap;
    test_heap_init(&heap);
    bp_network net;
    make(&net, 2, mixed_layers, &heap.allocator);
    const struct {
        const bp_network *net;
        size_t max_batch;
        bp_mode mode;
        bp_status status;
        const char *sentence;
    } cases[] = {
        { NULL, 1, BP_TRAINING, BP_ERR_ARGUMENT, "workspace_init: net is NULL" },
        { &zeroed, 1, BP_TRAINING, BP_ERR_STATE, "workspace_init: net has no layers" },
        { &net, 0, BP_TRAINING, BP_ERR_SHAPE, "workspace_init: max_batch is 0" },
        { &net, WIDEST + 1, BP_TRAINING, BP_ERR_TOO_LARGE, "max_batch is 2147483648, a CBLAS takes at most 2147483647" },
        { &net, SIZE_MAX, BP_INFERENCE, BP_ERR_TOO_LARGE, "max_batch is " },
        { &net, 1, (bp_mode)2, BP_ERR_ARGUMENT, "workspace_init: 2 is no mode" },
        { &net, 1, (bp_mode)-1, BP_ERR_ARGUMENT, "workspace_init: -1 is no mode" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        bp_workspace ws;
        memset(&ws, 0x5a, sizeof ws);
        assert_refused(bp_workspace_init(&ws, cases[i].net, cases[i].max_batch, cases[i].mode), cases[i].status,
                       cases[i].sentence);
        assert_zeroed(&ws);
        bp_workspace_free(&ws);
    }
    assert_refused(bp_workspace_init(NULL, &net, 1, BP_TRAINING), BP_ERR_ARGUMENT, "workspace_init: ws is NULL");
    assert_int_equal(heap.live_blocks, 1);
    bp_network_free(&net);
}

/*
 * The widest network times the largest batch: 2^62 numbers an array. Such a network would take gigabytes, so only its
 * description is here; a workspace looks at nothing else.
 */
static void memory_that_overflows_is_refused(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    bp_layer layers[] = { { .n_in = 1, .n_out = WIDEST }, { .n_in = WIDEST, .n_out = WIDEST } };
    for (size_t n_layers = 1; n_layers <= 2; n_layers++) {
        const bp_network net = {
            .n_in = 1, .n_out = WIDEST, .n_layers = n_layers, .layers = layers, .allocator = heap.allocator
        };
        for (size_t m = 0; m < COUNT(modes); m++) {
            bp_workspace ws;
            assert_refused(bp_workspace_init(&ws, &net, WIDEST, modes[m]), BP_ERR_TOO_LARGE, "workspace_init", "overflows");
            assert_zeroed(&ws);
        }
    }
    assert_true(test_heap_is_clean(&heap));
}

static void zeroed_or_null_workspace_may_be_freed(void **state)
{
    (void)state;
    bp_network net;
    bp_workspace ws = { 0 };
    make(&net, 2, mixed_layers, NULL);
    bp_workspace_free(NULL);
    bp_workspace_free(&ws);
    assert_int_equal(bp_workspace_init(&ws, &net, 1, BP_TRAINING), BP_OK);
    bp_workspace_free(&ws);
    assert_zeroed(&ws);
    bp_workspace_free(&ws);
    bp_network_free(&net);
}

/* ---- In use ------------------------------------------------------------------------------------------------------ */

static void workspace_may_be_moved_by_assignment(void **state)
{
    (void)state;
    const bp_real X[6] = { R(1), R(2), R(3), R(4), R(5), R(6) };
    bp_real Y[4] = { 0 }, grad[6 * 4 + 4];
    const bp_targets T = { .values = Y };
    bp_network net;
    bp_workspace old_place, new_place;
    make(&net, 1, mixed_layers, NULL);
    assert_int_equal(bp_workspace_init(&old_place, &net, 1, BP_TRAINING), BP_OK);
    assert_int_equal(bp_network_forward(&net, &old_place, X, 1), BP_OK);

    new_place = old_place;
    memset(&old_place, 0x5a, sizeof old_place);
    assert_int_equal(bp_network_loss(&net, &new_place, &(bp_loss){ 0 }, &T, NULL), BP_OK);
    assert_int_equal(bp_network_backward(&net, &new_place, NULL, grad, NULL, BP_OVERWRITE), BP_OK);
    bp_workspace_free(&new_place);
    bp_network_free(&net);
}

static void workspace_fits_every_network_of_its_topology(void **state)
{
    (void)state;
    const bp_real X[6] = { R(1), R(2), R(3), R(4), R(5), R(6) };
    bp_real by_own[3], by_other[3];
    bp_network net, clone;
    bp_workspace own, other;
    make(&net, 2, mixed_layers, NULL);
    assert_int_equal(bp_network_clone(&clone, &net, NULL), BP_OK);
    clone.layers[0].b[0] = R(0.5);
    assert_int_equal(bp_workspace_init(&own, &clone, 1, BP_INFERENCE), BP_OK);
    assert_int_equal(bp_workspace_init(&other, &net, 1, BP_INFERENCE), BP_OK);

    assert_int_equal(bp_predict(&clone, &own, X, 1, by_own), BP_OK);
    assert_int_equal(bp_predict(&clone, &other, X, 1, by_other), BP_OK);
    assert_memory_equal(by_own, by_other, sizeof by_own);
    bp_workspace_free(&own);
    bp_workspace_free(&other);
    bp_network_free(&clone);
    bp_network_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_workspace_holds_no_pass),
        cmocka_unit_test(arrays_have_their_documented_sizes),
        cmocka_unit_test(inference_has_no_arrays_for_the_way_back),
        cmocka_unit_test(training_keeps_every_layer_apart),
        cmocka_unit_test(Z_of_a_hidden_layer_is_A_where_the_derivative_allows),
        cmocka_unit_test(Z_of_the_output_layer_is_kept),
        cmocka_unit_test(hidden_layers_share_two_arrays_in_turn_for_inference),
        cmocka_unit_test(inference_takes_two_hidden_layers_of_memory_however_deep),
        cmocka_unit_test(memory_comes_from_the_allocator_of_the_network),
        cmocka_unit_test(impossible_workspaces_are_refused),
        cmocka_unit_test(memory_that_overflows_is_refused),
        cmocka_unit_test(zeroed_or_null_workspace_may_be_freed),
        cmocka_unit_test(workspace_may_be_moved_by_assignment),
        cmocka_unit_test(workspace_fits_every_network_of_its_topology),
    };
    int n_failed = 0;
    AT_EACH_PATH (path)
        n_failed += cmocka_run_group_tests_name(name_of_path(path), tests, NULL, NULL);
    return n_failed;
}
