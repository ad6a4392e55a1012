// SPDX-License-Identifier: MIT
/*
 * Weights from state_dicts: found by name, widened or rounded, and all or none of them taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop.h"
#include "support/bytes.h"
#include "support/heap.h"
#include "support/refusal.h"

/* ---- Files as Python would write them -------------------------------------------------------------------------------- */

/* A safetensors file in the making; element i of all data so far has the value (i + 1) / 8, exact in every type. */
struct maker {
    char header[4096];
    int n_header;
    struct test_bytes data;
    int n_elements;
};

static void add_element(struct maker *maker, const char *dtype)
{
    const double value = (double)++maker->n_elements / 8;
    const float narrow = (float)value;
    uint64_t bits64;
    uint32_t bits32;
    memcpy(&bits64, &value, 8);
    memcpy(&bits32, &narrow, 4);
    unsigned char little[8];
    const bool is_half = strcmp(dtype, "F16") == 0, is_brain = strcmp(dtype, "BF16") == 0;
    const size_t size = strcmp(dtype, "F64") == 0 ? 8 : strcmp(dtype, "F32") == 0 ? 4 : 2;
    int exponent;
    const double fraction = frexp(value, &exponent); /* in [1/2, 1): binary16 has 1.m 2^(e-15) */
    const uint64_t half = (uint64_t)(exponent + 14) << 10 | ((uint64_t)(fraction * 2048) & 1023);
    const uint64_t bits = size == 8 ? bits64 : is_half ? half : is_brain ? bits32 >> 16 : bits32;
    for (size_t i = 0; i < size; i++)
        little[i] = (unsigned char)(bits >> 8 * i);
    test_bytes_append(&maker->data, little, size);
}

/* Adds a tensor of rows x columns; columns 0: of rows alone. */
static void add_tensor(struct maker *maker, const char *name, const char *dtype, int rows, int columns)
{
    const size_t begin = maker->data.n;
    char shape[32];
    (void)snprintf(shape, sizeof shape, columns == 0 ? "%d" : "%d,%d", rows, columns);
    for (int i = 0; i < rows * (columns == 0 ? 1 : columns); i++)
        add_element(maker, dtype);
    maker->n_header += snprintf(maker->header + maker->n_header, sizeof maker->header - (size_t)maker->n_header,
                                "%s\"%s\": {\"dtype\": \"%s\", \"shape\": [%s], \"data_offsets\": [%zu, %zu]}",
                                maker->n_header == 0 ? "{" : ", ", name, dtype, shape, begin, maker->data.n);
}

static void add_count(struct maker *maker, const char *name)
{
    const size_t begin = maker->data.n;
    test_bytes_append(&maker->data, "\5\0\0\0\0\0\0\0", 8);
    maker->n_header +=
        snprintf(maker->header + maker->n_header, sizeof maker->header - (size_t)maker->n_header,
                 ", \"%s\": {\"dtype\": \"I64\", \"shape\": [], \"data_offsets\": [%zu, %zu]}", name, begin, maker->data.n);
}

static struct test_bytes finish(struct maker *maker)
{
    struct test_bytes file = { 0 };
    maker->header[maker->n_header++] = '}';
    const unsigned char length[8] = { (unsigned char)(maker->n_header & 255), (unsigned char)(maker->n_header >> 8) };
    test_bytes_append(&file, length, 8);
    test_bytes_append(&file, maker->header, (size_t)maker->n_header);
    test_bytes_append(&file, maker->data.data, maker->data.n);
    test_bytes_clear(&maker->data);
    return file;
}

/* 2-3-1: Linear, BatchNorm1d, Tanh, Linear; no second bias. */
static void make_network(bp_network *net, const bp_allocator *allocator)
{
    const bp_layer_config layers[] = { { .n_out = 3, .activation = BP_TANH, .normalization = BP_BATCH_NORMALIZATION },
                                       { .n_out = 1, .no_bias = true } };
    const bp_network_config config = { .n_in = 2, .n_layers = 2, .layers = layers, .seed = 9, .allocator = allocator };
    assert_int_equal(bp_network_init(net, &config), BP_OK);
}

/* Its state_dict, the modules called so. */
static struct test_bytes state_dict(const char *dtype, const char *prefix, const char *const modules[3], bool with_count)
{
    struct maker maker = { .n_header = 0 };
    char name[64];
    static const char *const fields[] = { "weight", "bias", "running_mean", "running_var" };
    (void)snprintf(name, sizeof name, "%s%s.weight", prefix, modules[0]);
    add_tensor(&maker, name, dtype, 3, 2);
    (void)snprintf(name, sizeof name, "%s%s.bias", prefix, modules[0]);
    add_tensor(&maker, name, dtype, 3, 0);
    for (int i = 0; i < 4; i++) {
        (void)snprintf(name, sizeof name, "%s%s.%s", prefix, modules[1], fields[i]);
        add_tensor(&maker, name, dtype, 3, 0);
    }
    (void)snprintf(name, sizeof name, "%s%s.num_batches_tracked", prefix, modules[1]);
    if (with_count)
        add_count(&maker, name);
    (void)snprintf(name, sizeof name, "%s%s.weight", prefix, modules[2]);
    add_tensor(&maker, name, dtype, 1, 3);
    add_tensor(&maker, "elsewhere.weight", "F32", 2, 2);
    return finish(&maker);
}

static const char *const fc[3] = { "fc1", "norm", "fc2" };
static const bp_module_names fc_names[2] = { { "fc1", "norm" }, { "fc2", NULL } };
static const char *const counted[3] = { "0", "1", "3" };

static void assert_numbers(const bp_network *net)
{
    const bp_layer *first = &net->layers[0];
    const bp_real *const arrays[] = { first->W,           first->b,        first->gamma, first->beta, first->running_mean,
                                      first->running_var, net->layers[1].W };
    static const int sizes[] = { 6, 3, 3, 3, 3, 3, 3 };
    int n = 0;
    for (int a = 0; a < 7; a++)
        for (int i = 0; i < sizes[a]; i++)
            assert_true(arrays[a][i] == (bp_real)++n / 8);
}

/* ---- Tests ----------------------------------------------------------------------------------------------------------- */

static void every_floating_type_is_taken_over(void **state)
{
    (void)state;
    static const char *const dtypes[] = { "F64", "F32", "F16", "BF16" };
    for (int i = 0; i < 4; i++) {
        bp_network net;
        struct test_bytes file = state_dict(dtypes[i], "", fc, true);
        make_network(&net, NULL);
        assert_int_equal(
            bp_network_load_weights_memory(&net, file.data, file.n, &(bp_weights_config){ .modules = fc_names }), BP_OK);
        assert_numbers(&net);
        bp_network_free(&net);
        test_bytes_clear(&file);
    }
}

static void names_of_a_sequential_behind_a_prefix_are_found(void **state)
{
    (void)state;
    bp_network net;
    struct test_bytes file = state_dict("F32", "model.head.", counted, true);
    const char *path = test_file(file.data, file.n);
    make_network(&net, NULL);
    assert_int_equal(bp_network_load_weights(&net, path, &(bp_weights_config){ .prefix = "model.head." }), BP_OK);
    assert_numbers(&net);
    assert_int_equal(remove(path), 0);
    bp_network_free(&net);
    test_bytes_clear(&file);
}

static void a_file_of_ours_gives_its_weights(void **state)
{
    (void)state;
    bp_network net, copy;
    bp_bytes bytes;
    make_network(&net, NULL);
    make_network(&copy, NULL);
    net.layers[0].W[3] = 42;
    assert_int_equal(bp_network_save_memory(&net, &bytes), BP_OK);
    assert_int_equal(bp_network_load_weights_memory(&copy, bytes.data, bytes.size, NULL), BP_OK);
    assert_memory_equal(net.parameters.params, copy.parameters.params, net.parameters.n_params * sizeof(bp_real));
    bp_bytes_free(&bytes);
    bp_network_free(&net);
    bp_network_free(&copy);
}

/* What was asked for is refused, and the network has the numbers that it had. */
static void assert_nothing_taken(const struct test_bytes *file, const bp_weights_config *config, bp_status status,
                                 const char *sentence)
{
    bp_network net, before;
    make_network(&net, NULL);
    make_network(&before, NULL);
    assert_refused(bp_network_load_weights_memory(&net, file->data, file->n, config), status, sentence);
    assert_memory_equal(net.parameters.params, before.parameters.params, net.parameters.n_params * sizeof(bp_real));
    assert_memory_equal(net.state, before.state, net.n_state * sizeof(bp_real));
    bp_network_free(&net);
    bp_network_free(&before);
}

/* A module of a class of one's own, that has its layers as children: each has "num_batches_tracked" or none. */
static void modules_may_stand_one_in_another(void **state)
{
    (void)state;
    static const char *const names[][3] = { { "fc1", "fc1.norm", "out" }, { "norm.fc1", "norm", "out" } };
    for (int i = 0; i < 2; i++) {
        bp_network net;
        struct test_bytes file = state_dict("F64", "", names[i], true);
        const bp_module_names modules[2] = { { names[i][0], names[i][1] }, { names[i][2], NULL } };
        make_network(&net, NULL);
        assert_int_equal(
            bp_network_load_weights_memory(&net, file.data, file.n, &(bp_weights_config){ .modules = modules }), BP_OK);
        assert_numbers(&net);
        bp_network_free(&net);
        test_bytes_clear(&file);
    }
}

/* {"weight", "bias"}, and {"encoder.weight", "encoder.bias"}: no name of its own, so no point. */
static void a_linear_by_itself_has_no_name(void **state)
{
    (void)state;
    static const char *const fields[2][2] = { { "weight", "bias" }, { "encoder.weight", "encoder.bias" } };
    const bp_layer_config layer = { .n_out = 2 };
    const bp_module_names unnamed = { "", NULL };
    for (int i = 0; i < 2; i++) {
        bp_network net;
        struct maker maker = { .n_header = 0 };
        add_tensor(&maker, fields[i][0], "F32", 2, 3);
        add_tensor(&maker, fields[i][1], "F32", 2, 0);
        if (i == 1)
            add_tensor(&maker, "weight", "F32", 1, 0); /* outside of the prefix */
        struct test_bytes file = finish(&maker);
        const bp_weights_config config = { .prefix = i == 0 ? NULL : "encoder.", .modules = &unnamed };
        assert_int_equal(bp_network_init(&net, &(bp_network_config){ .n_in = 3, .n_layers = 1, .layers = &layer }), BP_OK);
        assert_int_equal(bp_network_load_weights_memory(&net, file.data, file.n, &config), BP_OK);
        assert_true(net.layers[0].W[5] == (bp_real)6 / 8 && net.layers[0].b[1] == 1);
        bp_network_free(&net);
        test_bytes_clear(&file);
    }
}

static void missing_and_extra_tensors_are_refused(void **state)
{
    (void)state;
    static const bp_module_names wrong[2] = { { "fc1", "norm" }, { "fc3", NULL } };
    static const bp_module_names shifted[2] = { { "fc1", "norm" }, { "elsewhere", NULL } };
    struct test_bytes file = state_dict("F32", "", fc, true);
    assert_nothing_taken(&file, NULL, BP_ERR_FORMAT, "memory: expected a tensor '0.weight' of 3x2, found none");
    assert_nothing_taken(&file, &(bp_weights_config){ .modules = wrong }, BP_ERR_FORMAT,
                         "expected a tensor 'fc3.weight' of 1x3, found none");
    assert_nothing_taken(&file, &(bp_weights_config){ .modules = shifted }, BP_ERR_FORMAT,
                         "tensor 'elsewhere.weight' is 2x2: expected 1x3");
    assert_nothing_taken(&file, &(bp_weights_config){ .modules = fc_names, .prefix = "x." }, BP_ERR_FORMAT,
                         "'x.fc1.weight'");
    test_bytes_clear(&file);

    file = state_dict("F32", "", counted, true); /* there is something behind the empty prefix that is not the network's */
    assert_nothing_taken(&file, NULL, BP_ERR_FORMAT, "tensor 'elsewhere.weight' that is none of the network's");
    test_bytes_clear(&file);

    struct maker maker = { .n_header = 0 };
    add_tensor(&maker, "fc2.bias", "F32", 1, 0);
    add_tensor(&maker, "fc2.weight", "F32", 1, 2);
    file = finish(&maker);
    const bp_layer_config layer = { .n_out = 1, .no_bias = true };
    const bp_module_names names = { "fc2", NULL };
    bp_network net;
    assert_int_equal(bp_network_init(&net, &(bp_network_config){ .n_in = 2, .n_layers = 1, .layers = &layer }), BP_OK);
    assert_refused(bp_network_load_weights_memory(&net, file.data, file.n, &(bp_weights_config){ .modules = &names }),
                   BP_ERR_FORMAT, "tensor 'fc2.bias' that is none of the network's");
    bp_network_free(&net);
    test_bytes_clear(&file);
}

static void types_and_numbers_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    const bp_weights_config config = { .modules = fc_names };
    struct test_bytes file = state_dict("F32", "", fc, true);
    const float bad[] = { NAN, -1 };
    const size_t data = 8 + ((size_t)file.data[0] | (size_t)file.data[1] << 8);
    unsigned char kept[4];
    memcpy(kept, file.data + data + 28, 4);
    memcpy(file.data + data + 28, &bad[0], 4); /* the second bias */
    assert_nothing_taken(&file, &config, BP_ERR_NONFINITE, "tensor 'fc1.bias': number 1 is not finite");
    memcpy(file.data + data + 28, kept, 4);
    memcpy(file.data + data + 4 * 18, &bad[1], 4); /* the first variance */
    assert_nothing_taken(&file, &config, BP_ERR_FORMAT, "tensor 'norm.running_var': number 0 is below 0");
    memcpy(strstr((char *)file.data + 8, "F32"), "I32", 3);
    assert_nothing_taken(&file, &config, BP_ERR_FORMAT,
                         "tensor 'fc1.weight' has elements I32: expected F64, F32, F16 or BF16");
    test_bytes_clear(&file);
}

#ifdef BACKPROP_SINGLE
static void a_double_that_is_no_float_is_refused(void **state)
{
    (void)state;
    struct maker maker = { .n_header = 0 };
    add_tensor(&maker, "0.weight", "F64", 1, 1);
    struct test_bytes file = finish(&maker);
    const double large = 1e300;
    memcpy(file.data + file.n - 8, &large, 8);
    const bp_layer_config layer = { .n_out = 1, .no_bias = true };
    bp_network net;
    assert_int_equal(bp_network_init(&net, &(bp_network_config){ .n_in = 1, .n_layers = 1, .layers = &layer }), BP_OK);
    assert_refused(bp_network_load_weights_memory(&net, file.data, file.n, NULL), BP_ERR_NONFINITE, "not finite");
    bp_network_free(&net);
    test_bytes_clear(&file);
}
#endif

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    bp_network net, none = { 0 };
    char name[600];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    const bp_module_names no_linear[2] = { { NULL, "norm" }, { "fc2", NULL } },
                          no_norm[2] = { { "fc1", NULL }, { "fc2", NULL } },
                          a_norm[2] = { { "fc1", "norm" }, { "fc2", "norm2" } },
                          long_name[2] = { { name, "norm" }, { "fc2", NULL } };
    make_network(&net, NULL);
    assert_refused(bp_network_load_weights(NULL, "x", NULL), BP_ERR_ARGUMENT, "net is NULL");
    assert_refused(bp_network_load_weights(&none, "x", NULL), BP_ERR_STATE, "net has no layers");
    assert_refused(bp_network_load_weights(&net, NULL, NULL), BP_ERR_ARGUMENT, "path is NULL");
    assert_refused(bp_network_load_weights(&net, "no such file", NULL), BP_ERR_IO, "no such file");
    assert_refused(bp_network_load_weights_memory(&net, NULL, 0, NULL), BP_ERR_ARGUMENT, "bytes is NULL");
    assert_refused(bp_network_load_weights_memory(&net, "x", 1, &(bp_weights_config){ .modules = no_linear }),
                   BP_ERR_ARGUMENT, "layer 0", "expected a name for W and b, and one for the normalization");
    assert_refused(bp_network_load_weights_memory(&net, "x", 1, &(bp_weights_config){ .modules = no_norm }),
                   BP_ERR_ARGUMENT, "layer 0");
    assert_refused(bp_network_load_weights_memory(&net, "x", 1, &(bp_weights_config){ .modules = a_norm }), BP_ERR_ARGUMENT,
                   "layer 1", "alone");
    struct test_bytes file = state_dict("F32", "", fc, true);
    assert_nothing_taken(&file, &(bp_weights_config){ .modules = long_name }, BP_ERR_ARGUMENT,
                         "layer 0: the name of its module");
    test_bytes_clear(&file);
    bp_network_free(&net);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct test_heap heap;
    bp_network net;
    struct test_bytes file = state_dict("BF16", "", fc, false);
    const bp_weights_config config = { .modules = fc_names, .allocator = &heap.allocator };
    make_network(&net, NULL);
    test_heap_init(&heap);
    size_t n_failures = 0;
    for (bp_status status = BP_ERR_MEMORY; status != BP_OK; n_failures++) {
        heap.fail_at = heap.n_allocs + n_failures + 1;
        status = bp_network_load_weights_memory(&net, file.data, file.n, &config);
        assert_true(status == BP_OK || status == BP_ERR_MEMORY);
        assert_int_equal(heap.live_blocks, 0);
    }
    assert_true(n_failures > 1);
    assert_numbers(&net);
    bp_network_free(&net);
    test_bytes_clear(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_floating_type_is_taken_over),
        cmocka_unit_test(names_of_a_sequential_behind_a_prefix_are_found),
        cmocka_unit_test(a_file_of_ours_gives_its_weights),
        cmocka_unit_test(modules_may_stand_one_in_another),
        cmocka_unit_test(a_linear_by_itself_has_no_name),
        cmocka_unit_test(missing_and_extra_tensors_are_refused),
        cmocka_unit_test(types_and_numbers_that_do_not_fit_are_refused),
#ifdef BACKPROP_SINGLE
        cmocka_unit_test(a_double_that_is_no_float_is_refused),
#endif
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
