// SPDX-License-Identifier: MIT
/*
 * What model files say in text: names of any kind, scaling of one side alone, layers' lines, and checkpoints read as models; with
 * the checksum mended where the text was changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop.h"
#include "support/bytes.h"
#include "support/container.h"
#include "support/heap.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

static void make_network(bp_network *net)
{
    const bp_layer_config layers[] = { { .n_out = 3, .activation = BP_ELU, .dropout = R(0.5) }, { .n_out = 2 } };
    assert_int_equal(
        bp_network_init(net, &(bp_network_config){ .n_in = 2, .n_layers = COUNT(layers), .layers = layers, .seed = 1 }),
        BP_OK);
}

static void save_and_load(bp_network *net, bp_network *loaded)
{
    bp_bytes bytes, again;
    assert_int_equal(bp_network_save_memory(net, &bytes), BP_OK);
    assert_int_equal(bp_network_load_memory(loaded, bytes.data, bytes.size, NULL), BP_OK);
    assert_int_equal(bp_network_save_memory(loaded, &again), BP_OK);
    assert_int_equal(bytes.size, again.size);
    assert_memory_equal(bytes.data, again.data, bytes.size);
    bp_bytes_free(&bytes);
    bp_bytes_free(&again);
}

/* ---- Names ----------------------------------------------------------------------------------------------------------- */

static void names_of_any_kind_come_back(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        { "", "" },
        { "a", "b" },
        { "\n", "\n\n" },
        { "\\", "\\\\n" },
        { "\\n", "a\\nb" },
        { "a\nb\\c", "n" },
        { "\"", "\x01\t" },
        { "\xC3\xA4\n", "\xF0\x9F\x98\x80\\" },
        { "\n\\n\\\n", "\\\n" },
        { "same", "same" },
    };
    for (size_t i = 0; i < COUNT(names); i++) {
        bp_network net, loaded;
        make_network(&net);
        assert_int_equal(bp_network_set_input_names(&net, names[i]), BP_OK);
        assert_int_equal(bp_network_set_class_names(&net, names[COUNT(names) - 1 - i]), BP_OK);
        save_and_load(&net, &loaded);
        for (size_t k = 0; k < 2; k++) {
            assert_string_equal(loaded.input_names[k], names[i][k]);
            assert_string_equal(loaded.class_names[k], names[COUNT(names) - 1 - i][k]);
        }
        bp_network_free(&net);
        bp_network_free(&loaded);
    }
}

/* ---- Scaling --------------------------------------------------------------------------------------------------------- */

static void scaling_of_one_side_comes_back_alone(void **state)
{
    (void)state;
    static const bp_real center[2] = { R(0.1), -3 }, scale[2] = { R(1e-3), 7 };
    for (int side = 0; side < 2; side++) {
        bp_network net, loaded;
        make_network(&net);
        assert_int_equal(bp_network_set_scaling(&net, side == 0 ? center : NULL, side == 0 ? scale : NULL,
                                                side == 1 ? center : NULL, side == 1 ? scale : NULL),
                         BP_OK);
        save_and_load(&net, &loaded);
        assert_int_equal(loaded.scales_inputs, side == 0);
        assert_int_equal(loaded.scales_outputs, side == 1);
        assert_memory_equal(side == 0 ? loaded.in_center : loaded.out_center, center, sizeof center);
        assert_memory_equal(side == 0 ? loaded.in_scale : loaded.out_scale, scale, sizeof scale);
        bp_network_free(&net);
        bp_network_free(&loaded);
    }
}

/* ---- Changed text ---------------------------------------------------------------------------------------------------- */

/* A file of the network with `old`, which is there once, replaced; its length and checksum right. */
static struct test_bytes changed_file(const char *old, const char *replacement)
{
    struct test_bytes changed = { 0 };
    bp_network net;
    bp_bytes bytes;
    make_network(&net);
    assert_int_equal(bp_network_save_memory(&net, &bytes), BP_OK);
    const unsigned char *file = bytes.data;
    size_t at = 8;
    while (at + strlen(old) <= bytes.size && memcmp(file + at, old, strlen(old)) != 0)
        at++;
    assert_true(at + strlen(old) <= bytes.size);
    size_t length = 0;
    for (size_t i = 0; i < 8; i++)
        length |= (size_t)file[i] << 8 * i;
    test_bytes_append(&changed, file, at);
    test_bytes_append_text(&changed, replacement);
    test_bytes_append(&changed, file + at + strlen(old), bytes.size - at - strlen(old));
    test_put_length(changed.data, length + strlen(replacement) - strlen(old));
    assert_true(test_mend_checksum(changed.data, changed.n));
    bp_bytes_free(&bytes);
    bp_network_free(&net);
    return changed;
}

static void lines_of_layers_that_say_nothing_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *old, *replacement, *sentence;
    } cases[] = {
        { "n_out=3", "n_out=", "bp.layer.0: expected a whole number in its range" },
        { "n_out=3", "n_out=\\t3", "bp.layer.0: expected a whole number in its range" },
        { "n_out=3", "n_out=+3", "bp.layer.0: expected a whole number in its range" },
        { "n_out=3", "n_out=03", "bp.layer.0: expected a whole number in its range" },
        { "n_out=3", "n_out=3.0", "bp.layer.0: expected a whole number in its range" },
        { "n_out=3", "n_out=18446744073709551616", "bp.layer.0: expected a whole number in its range" },
        { "n_out=3", "n_out=18446744073709551615", "tensor '0.weight' is 3x2: expected 18446744073709551615x2" },
        { "n_out=3", "n_out=0", "" },
        { "\"bp.n_in\":\"2\"", "\"bp.n_in\":\"0\"", "" },
        { "elu parameter=1 ", "elu parameter=1e999 ", "bp.layer.0: expected a number" },
        { "elu parameter=1 ", "elu parameter=inf ", "bp.layer.0: expected a number" },
        { "elu parameter=1 ", "elu parameter=nan ", "bp.layer.0: expected a number" },
        { "elu parameter=1 ", "elu parameter= ", "bp.layer.0: expected a number" },
        { "elu parameter=1 ", "elu  parameter=1 ", "bp.layer.0: expected parameter=" },
        { "dropout=0.5", "dropout=1.5", "layer 0: dropout" },
        { "\"bp.kind\":\"model\"", "\"bp.kind\":\"\"", "bp.kind: expected model or checkpoint, found ''" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct test_bytes file = changed_file(cases[i].old, cases[i].replacement);
        bp_network net;
        assert_refused(bp_network_load_memory(&net, file.data, file.n, NULL), BP_ERR_FORMAT, "memory: ", cases[i].sentence);
        test_bytes_clear(&file);
    }
}

/* 1e300 is a parameter in double precision alone. */
static void numbers_beyond_the_precision_are_refused(void **state)
{
    (void)state;
    struct test_bytes file = changed_file("elu parameter=1 ", "elu parameter=1e300 ");
    bp_network net;
    const bp_status status = bp_network_load_memory(&net, file.data, file.n, NULL);
    assert_int_equal(status, sizeof(bp_real) == 8 ? BP_OK : BP_ERR_FORMAT);
    bp_network_free(&net);
    test_bytes_clear(&file);
}

static void a_checkpoint_is_a_model_with_more_in_it(void **state)
{
    (void)state;
    static const char *const kinds[] = { "checkpoint", "model" };
    static const char more[] = "\",\"bp.train.epoch\":\"1\"";
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char kind[128];
        (void)snprintf(kind, sizeof kind, "\"bp.kind\":\"%s%s", kinds[i], more);
        struct test_bytes file = changed_file("\"bp.kind\":\"model\"", kind);
        bp_network net;
        if (i == 0)
            assert_int_equal(bp_network_load_memory(&net, file.data, file.n, NULL), BP_OK);
        else
            assert_refused(bp_network_load_memory(&net, file.data, file.n, NULL), BP_ERR_FORMAT,
                           "there is an entry 'bp.train.epoch' that has no place here");
        bp_network_free(&net);
        test_bytes_clear(&file);
    }
}

/* ---- Memory ---------------------------------------------------------------------------------------------------------- */

enum { MOST_LAYERS = 1900, MOST_INPUTS = 50000 };

/* Many layers of one unit. */
static void make_deep(bp_network *net, size_t n)
{
    static bp_layer_config layers[MOST_LAYERS];
    for (size_t i = 0; i < n; i++)
        layers[i] = (bp_layer_config){ .n_out = 1, .no_bias = true };
    assert_int_equal(bp_network_init(net, &(bp_network_config){ .n_in = 1, .n_layers = n, .layers = layers }), BP_OK);
}

/* Many inputs of one unit, scaled and with names of no length. */
static void make_wide(bp_network *net, size_t n)
{
    static const char *names[MOST_INPUTS];
    static bp_real center[MOST_INPUTS], scale[MOST_INPUTS];
    const bp_layer_config layer = { .n_out = 1 };
    for (size_t i = 0; i < n; i++) {
        names[i] = "";
        scale[i] = 1;
    }
    assert_int_equal(bp_network_init(net, &(bp_network_config){ .n_in = n, .n_layers = 1, .layers = &layer }), BP_OK);
    assert_int_equal(bp_network_set_scaling(net, center, scale, NULL, NULL), BP_OK);
    assert_int_equal(bp_network_set_input_names(net, names), BP_OK);
}

/* Many notes. */
static void make_noted(bp_network *net, size_t n)
{
    char key[32];
    make_network(net);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(key, sizeof key, "%zu", i);
        assert_int_equal(bp_network_set_metadata(net, key, ""), BP_OK);
    }
}

/* The file, where it is read from disk, twice the network, and 64 KiB. */
static void loading_takes_what_the_network_takes_twice(void **state)
{
    (void)state;
    static const struct {
        void (*make)(bp_network *net, size_t n);
        size_t n;
    } cases[] = { { make_deep, 1 },    { make_deep, 100 },         { make_deep, MOST_LAYERS }, { make_wide, 1 },
                  { make_wide, 1000 }, { make_wide, MOST_INPUTS }, { make_noted, 100 },        { make_noted, 1900 } };
    for (size_t i = 0; i < 2 * COUNT(cases); i++) {
        const bool from_disk = i % 2 != 0;
        struct test_heap heap;
        bp_network net, loaded;
        bp_bytes bytes;
        cases[i / 2].make(&net, cases[i / 2].n);
        assert_int_equal(bp_network_save_memory(&net, &bytes), BP_OK);
        test_heap_init(&heap);
        const bp_load_config config = { .allocator = &heap.allocator };
        if (from_disk) {
            const char *path = test_file(bytes.data, bytes.size);
            assert_int_equal(bp_network_load(&loaded, path, &config), BP_OK);
            assert_int_equal(remove(path), 0);
        } else {
            assert_int_equal(bp_network_load_memory(&loaded, bytes.data, bytes.size, &config), BP_OK);
        }
        const size_t bound = (from_disk ? bytes.size : 0) + 2 * heap.live_bytes + (size_t)65536;
        if (heap.peak_bytes > bound)
            fail_msg("case %zu: %zu bytes at most, %zu in the network, %zu in the file", i, heap.peak_bytes,
                     heap.live_bytes, bytes.size);
        bp_network_free(&loaded);
        assert_true(test_heap_is_clean(&heap));
        bp_bytes_free(&bytes);
        bp_network_free(&net);
    }
}

/* ---- Arguments ------------------------------------------------------------------------------------------------------- */

static void half_an_allocator_and_functions_without_a_name_are_refused(void **state)
{
    (void)state;
    static const bp_activation_function nameless = { 0 };
    static const bp_activation_function *const customs[] = { &nameless };
    struct test_heap heap;
    bp_network net;
    test_heap_init(&heap);
    const bp_allocator half = { .alloc = heap.allocator.alloc };
    const bp_load_config config = { .allocator = &half }, custom = { .custom = customs, .n_custom = 1 };
    assert_refused(bp_network_load(&net, "x", &config), BP_ERR_ARGUMENT, "bp_network_load: ");
    assert_refused(bp_network_load_memory(&net, "x", 1, &config), BP_ERR_ARGUMENT, "bp_network_load_memory: ");
    assert_refused(bp_network_load_memory(&net, "x", 1, &custom), BP_ERR_ARGUMENT,
                   "custom activation 0 is NULL or has no name");
    make_network(&net);
    const bp_weights_config weights = { .allocator = &half };
    assert_refused(bp_network_load_weights(&net, "x", &weights), BP_ERR_ARGUMENT, "bp_network_load_weights: ");
    bp_network_free(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_any_kind_come_back),
        cmocka_unit_test(scaling_of_one_side_comes_back_alone),
        cmocka_unit_test(lines_of_layers_that_say_nothing_are_refused),
        cmocka_unit_test(numbers_beyond_the_precision_are_refused),
        cmocka_unit_test(a_checkpoint_is_a_model_with_more_in_it),
        cmocka_unit_test(loading_takes_what_the_network_takes_twice),
        cmocka_unit_test(half_an_allocator_and_functions_without_a_name_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
