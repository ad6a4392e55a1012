// SPDX-License-Identifier: MIT
/*
 * Names of inputs and classes, and metadata: kept, replaced, taken away, cloned, refused, and unchanged by every failure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "backprop/names.h"
#include "support/heap.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { N_IN = 3 };

static void make_network(bp_network *net, size_t n_out, const bp_allocator *allocator)
{
    const bp_layer_config layers[] = { { .n_out = 4 }, { .n_out = n_out } };
    const bp_network_config config = { .n_in = N_IN, .n_layers = 2, .layers = layers, .allocator = allocator };
    assert_int_equal(bp_network_init(net, &config), BP_OK);
}

static const char *const inputs[] = { "l\xC3\xA4nge", "", "l\xC3\xA4nge" };
static const char *const classes[] = { "setosa", "\xF0\x9F\x98\x80" };

static void assert_texts(char **actual, const char *const *expected, size_t n)
{
    assert_non_null(actual);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(actual[i], expected[i]);
}

/* "key=value;..." in the order of the network. */
static void assert_metadata(const bp_network *net, const char *expected)
{
    char text[1024] = "";
    for (size_t i = 0; i < net->n_metadata; i++) {
        const size_t n = strlen(text);
        (void)snprintf(text + n, sizeof text - n, "%s=%s;", net->metadata[i].key, net->metadata[i].value);
        assert_ptr_equal(bp_network_get_metadata(net, net->metadata[i].key), net->metadata[i].value);
    }
    assert_string_equal(text, expected);
    assert_int_equal(net->metadata == NULL, net->n_metadata == 0);
}

/* ---- names ----------------------------------------------------------------------------------------------------------- */

static void a_new_network_has_no_names(void **state)
{
    (void)state;
    bp_network net;
    make_network(&net, 3, NULL);
    assert_null(net.input_names);
    assert_null(net.class_names);
    assert_int_equal(net.n_class_names, 3);
    assert_metadata(&net, "");
    bp_network_free(&net);
    make_network(&net, 1, NULL);
    assert_int_equal(net.n_class_names, 2); /* what one output tells apart */
    bp_network_free(&net);
}

static void names_are_copied_replaced_and_taken_away(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    bp_network net;
    for (size_t n_out = 1; n_out <= 2; n_out++) {
        make_network(&net, n_out, &heap.allocator);
        char written[8] = "first";
        const char *const volatile_names[] = { written, "b", "c" };
        assert_int_equal(bp_network_set_input_names(&net, volatile_names), BP_OK);
        assert_int_equal(bp_network_set_class_names(&net, classes), BP_OK);
        memset(written, 'x', sizeof written - 1);
        assert_string_equal(net.input_names[0], "first");
        assert_texts(net.class_names, classes, 2);

        assert_int_equal(bp_network_set_input_names(&net, inputs), BP_OK);
        assert_texts(net.input_names, inputs, N_IN);
        assert_int_equal(bp_network_set_input_names(&net, (const char *const *)net.input_names), BP_OK); /* its own */
        assert_texts(net.input_names, inputs, N_IN);
        assert_int_equal(heap.live_blocks, 3);

        assert_int_equal(bp_network_set_input_names(&net, NULL), BP_OK);
        assert_int_equal(bp_network_set_class_names(&net, NULL), BP_OK);
        assert_true(net.input_names == NULL && net.class_names == NULL);
        assert_int_equal(heap.live_blocks, 1);
        bp_network_free(&net);
        assert_true(test_heap_is_clean(&heap));
    }
}

static void names_that_are_missing_or_no_utf8_are_refused(void **state)
{
    (void)state;
    static const char *const missing[] = { "a", NULL, "c" }, *const bad[] = { "a", "b", "\xC3" };
    static const char *const bad_classes[] = { "\xED\xA0\x80", "b" }, *const no_classes[] = { "a", NULL };
    bp_network net, none = { 0 };
    make_network(&net, 2, NULL);
    assert_int_equal(bp_network_set_input_names(&net, inputs), BP_OK);
    assert_int_equal(bp_network_set_class_names(&net, classes), BP_OK);
    assert_refused(bp_network_set_input_names(&net, missing), BP_ERR_ARGUMENT, "bp_network_set_input_names",
                   "name 1 is NULL");
    assert_refused(bp_network_set_input_names(&net, bad), BP_ERR_ARGUMENT, "name 2 is not UTF-8");
    assert_refused(bp_network_set_class_names(&net, bad_classes), BP_ERR_ARGUMENT, "bp_network_set_class_names",
                   "name 0 is not UTF-8");
    assert_refused(bp_network_set_class_names(&net, no_classes), BP_ERR_ARGUMENT, "name 1 is NULL");
    assert_texts(net.input_names, inputs, N_IN);
    assert_texts(net.class_names, classes, 2);
    bp_network_free(&net);

    assert_refused(bp_network_set_input_names(NULL, inputs), BP_ERR_ARGUMENT, "net is NULL");
    assert_refused(bp_network_set_class_names(NULL, classes), BP_ERR_ARGUMENT, "net is NULL");
    assert_refused(bp_network_set_input_names(&none, inputs), BP_ERR_STATE, "net");
    assert_refused(bp_network_set_class_names(&none, classes), BP_ERR_STATE, "net");
}

/* ---- metadata -------------------------------------------------------------------------------------------------------- */

static void set(bp_network *net, const char *key, const char *value)
{
    if (bp_network_set_metadata(net, key, value) != BP_OK)
        fail_msg("%s: %s", key, bp_error_message());
}

static void metadata_keeps_the_order_in_which_keys_first_came(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    bp_network net;
    make_network(&net, 2, &heap.allocator);
    set(&net, "z", "1");
    set(&net, "a", "");
    set(&net, "m\xC3\xBC", "3 = 3;");
    assert_metadata(&net, "z=1;a=;m\xC3\xBC=3 = 3;;");
    set(&net, "a", "a longer value than before"); /* replaced in the middle */
    assert_metadata(&net, "z=1;a=a longer value than before;m\xC3\xBC=3 = 3;;");
    set(&net, "z", bp_network_get_metadata(&net, "a")); /* by text that the call gives back */
    set(&net, net.metadata[1].key, "x");
    assert_metadata(&net, "z=a longer value than before;a=x;m\xC3\xBC=3 = 3;;");

    set(&net, "a", NULL);
    set(&net, "no such key", NULL);
    assert_metadata(&net, "z=a longer value than before;m\xC3\xBC=3 = 3;;");
    set(&net, "a", "again"); /* comes anew */
    assert_metadata(&net, "z=a longer value than before;m\xC3\xBC=3 = 3;;a=again;");
    set(&net, "z", NULL);
    set(&net, "a", NULL);
    set(&net, net.metadata[0].key, NULL);
    assert_metadata(&net, "");
    assert_int_equal(heap.live_blocks, 1);
    bp_network_free(&net);
    assert_true(test_heap_is_clean(&heap));
}

static void what_is_not_there_is_null(void **state)
{
    (void)state;
    bp_network net, none = { 0 };
    make_network(&net, 2, NULL);
    set(&net, "key", "value");
    assert_null(bp_network_get_metadata(&net, "ke"));
    assert_null(bp_network_get_metadata(&net, "keys"));
    assert_null(bp_network_get_metadata(&net, NULL));
    assert_null(bp_network_get_metadata(NULL, "key"));
    assert_null(bp_network_get_metadata(&none, "key"));
    bp_network_free(&net);
}

static void keys_and_values_out_of_rule_are_refused(void **state)
{
    (void)state;
    bp_network net, none = { 0 };
    make_network(&net, 2, NULL);
    set(&net, "bp", "allowed");
    set(&net, "bpx.", "allowed too");
    assert_refused(bp_network_set_metadata(&net, "", "x"), BP_ERR_ARGUMENT, "bp_network_set_metadata", "the key is empty");
    assert_refused(bp_network_set_metadata(&net, "\x80", "x"), BP_ERR_ARGUMENT, "the key is not UTF-8");
    assert_refused(bp_network_set_metadata(&net, "bp.", "x"), BP_ERR_ARGUMENT, "the library's");
    assert_refused(bp_network_set_metadata(&net, "bp.crc32", NULL), BP_ERR_ARGUMENT, "the library's");
    assert_refused(bp_network_set_metadata(&net, "bp", "\xC0\x80"), BP_ERR_ARGUMENT, "the value is not UTF-8");
    assert_refused(bp_network_set_metadata(&net, NULL, "x"), BP_ERR_ARGUMENT, "key is NULL");
    assert_refused(bp_network_set_metadata(NULL, "a", "x"), BP_ERR_ARGUMENT, "net is NULL");
    assert_refused(bp_network_set_metadata(&none, "a", "x"), BP_ERR_STATE, "net");
    assert_metadata(&net, "bp=allowed;bpx.=allowed too;");
    bp_network_free(&net);
}

/* ---- all of it ------------------------------------------------------------------------------------------------------- */

static void dress(bp_network *net)
{
    assert_int_equal(bp_network_set_input_names(net, inputs), BP_OK);
    assert_int_equal(bp_network_set_class_names(net, classes), BP_OK);
    set(net, "one", "1");
    set(net, "two", "2");
}

static void assert_dressed(const bp_network *net)
{
    assert_texts(net->input_names, inputs, N_IN);
    assert_texts(net->class_names, classes, 2);
    assert_metadata(net, "one=1;two=2;");
}

static void a_clone_has_its_own_copies(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    bp_network net, clone;
    make_network(&net, 2, NULL);
    dress(&net);
    assert_int_equal(bp_network_clone(&clone, &net, &heap.allocator), BP_OK);
    assert_ptr_not_equal(clone.input_names, net.input_names);
    bp_network_free(&net);
    assert_dressed(&clone);
    bp_network_free(&clone);
    assert_true(test_heap_is_clean(&heap));
}

static bp_status clone_and_free(bp_network *net)
{
    bp_network clone;
    const bp_status status = bp_network_clone(&clone, net, NULL);
    if (status == BP_OK)
        assert_dressed(&clone);
    else
        assert_int_equal(clone.n_layers, 0);
    bp_network_free(&clone);
    return status;
}

static bp_status rename_inputs(bp_network *net)
{
    return bp_network_set_input_names(net, (const char *const[]){ "x", "y", "z" });
}

static bp_status rename_classes(bp_network *net)
{
    return bp_network_set_class_names(net, (const char *const[]){ "x", "y" });
}

static bp_status add_entry(bp_network *net)
{
    return bp_network_set_metadata(net, "three", "3");
}

static bp_status change_entry(bp_network *net)
{
    return bp_network_set_metadata(net, "one", "3");
}

static bp_status remove_entry(bp_network *net)
{
    return bp_network_set_metadata(net, "one", NULL);
}

static void a_failed_allocation_changes_nothing(void **state)
{
    (void)state;
    static bp_status (*const operations[])(bp_network *) = { clone_and_free, rename_inputs, rename_classes,
                                                             add_entry,      change_entry,  remove_entry };
    for (size_t i = 0; i < COUNT(operations); i++) {
        bool failed = true;
        for (size_t n = 1; failed; n++) {
            struct test_heap heap;
            test_heap_init(&heap);
            bp_network net;
            make_network(&net, 2, &heap.allocator);
            dress(&net);
            const size_t live = heap.live_blocks;
            heap.fail_at = heap.n_allocs + n;
            const bp_status status = operations[i](&net);
            failed = heap.n_failed > 0;
            assert_int_equal(status, failed ? BP_ERR_MEMORY : BP_OK);
            assert_true(failed || n > 1);
            if (failed) {
                assert_dressed(&net);
                assert_int_equal(heap.live_blocks, live);
            }
            bp_network_free(&net);
            assert_true(test_heap_is_clean(&heap));
        }
    }
}

static void a_moved_network_takes_its_names_along(void **state)
{
    (void)state;
    bp_network net;
    make_network(&net, 2, NULL);
    dress(&net);
    bp_network moved = net;
    memset(&net, 0xA5, sizeof net);
    assert_dressed(&moved);
    bp_network_free(&moved);
    assert_null(moved.input_names);
    assert_int_equal(moved.n_metadata, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_network_has_no_names),
        cmocka_unit_test(names_are_copied_replaced_and_taken_away),
        cmocka_unit_test(names_that_are_missing_or_no_utf8_are_refused),
        cmocka_unit_test(metadata_keeps_the_order_in_which_keys_first_came),
        cmocka_unit_test(what_is_not_there_is_null),
        cmocka_unit_test(keys_and_values_out_of_rule_are_refused),
        cmocka_unit_test(a_clone_has_its_own_copies),
        cmocka_unit_test(a_failed_allocation_changes_nothing),
        cmocka_unit_test(a_moved_network_takes_its_names_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
