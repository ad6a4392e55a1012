// SPDX-License-Identifier: MIT
/*
 * Statuses in words, and the sentence of the last failure, which each thread has for itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "backprop/network.h"
#include "backprop/status.h"
#include "base/status.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- Statuses ---------------------------------------------------------------------------------------------------- */

/* They may be stored and compared across versions: a number once given is never given again. */
static const struct {
    bp_status status;
    int value;
    const char *text;
} statuses[] = {
    { BP_OK, 0, "ok" },
    { BP_ERR_ARGUMENT, 1, "invalid argument" },
    { BP_ERR_SHAPE, 2, "sizes do not fit" },
    { BP_ERR_TOO_LARGE, 3, "too large" },
    { BP_ERR_MEMORY, 4, "out of memory" },
    { BP_ERR_STATE, 5, "not ready for this call" },
    { BP_ERR_NONFINITE, 6, "not a finite number" },
    { BP_ERR_TARGET, 7, "invalid target" },
    { BP_ERR_DIVERGED, 8, "training diverged" },
    { BP_ERR_UNSUPPORTED, 9, "not supported" },
    { BP_ERR_IO, 10, "input or output failed" },
    { BP_ERR_FORMAT, 11, "malformed data" },
};

static void values_are_fixed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(statuses); i++)
        assert_int_equal((int)statuses[i].status, statuses[i].value);
}

static void every_status_has_words_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(statuses); i++) {
        assert_string_equal(bp_status_string(statuses[i].status), statuses[i].text);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(statuses[i].text, statuses[j].text);
    }
}

static void values_that_are_no_status_are_unknown(void **state)
{
    (void)state;
    const int values[] = { -1, (int)COUNT(statuses), 100, INT_MAX, INT_MIN };

    for (size_t i = 0; i < COUNT(values); i++)
        assert_string_equal(bp_status_string((bp_status)values[i]), "unknown status");
}

/* ---- Sentences --------------------------------------------------------------------------------------------------- */

static void fail_with(const char *sentence)
{
    assert_int_equal(bpi_fail(BP_ERR_SHAPE, "%s", sentence), BP_ERR_SHAPE);
}

static void failing_call_says_why(void **state)
{
    (void)state;
    bp_network net;
    const bp_layer_config layers[] = { { .n_out = 1 }, { .n_out = 0 } };
    const bp_network_config config = { .n_in = 1, .n_layers = 2, .layers = layers };

    assert_int_equal(bp_network_init(&net, &config), BP_ERR_SHAPE);
    assert_string_equal(bp_error_message(), "layer 1: n_out is 0");
}

static void next_failure_replaces_the_sentence(void **state)
{
    (void)state;
    fail_with("a long sentence, of which nothing must be left over");
    fail_with("short");

    assert_string_equal(bp_error_message(), "short");
}

static void success_leaves_the_sentence(void **state)
{
    (void)state;
    bp_network net;
    const bp_layer_config layer = { .n_out = 1 };
    const bp_network_config config = { .n_in = 1, .n_layers = 1, .layers = &layer };

    fail_with("still here");
    assert_int_equal(bp_network_init(&net, &config), BP_OK);
    bp_network_free(&net);
    assert_string_equal(bp_error_message(), "still here");
}

static void sentence_is_cut_at_511_bytes(void **state)
{
    (void)state;
    char sentence[600];
    memset(sentence, 'x', sizeof sentence - 1);
    sentence[sizeof sentence - 1] = '\0';
    fail_with(sentence);

    assert_int_equal(strlen(bp_error_message()), 511);
    assert_memory_equal(bp_error_message(), sentence, 511);
}

/* ---- Threads ----------------------------------------------------------------------------------------------------- */

/* What a thread finds; asserting is left to the main thread, since cmocka jumps out of a failed test. */
struct thread {
    int number;
    bool began_empty, kept_its_own;
};

/* Fails again and again, each time looking whether its own sentence is there. */
static void *fail_often(void *argument)
{
    struct thread *thread = argument;
    thread->began_empty = bp_error_message()[0] == '\0';
    thread->kept_its_own = true;
    for (int i = 0; i < 2000; i++) {
        char expected[64];
        (void)snprintf(expected, sizeof expected, "thread %d, failure %d", thread->number, i);
        (void)bpi_fail(BP_ERR_STATE, "thread %d, failure %d", thread->number, i);
        thread->kept_its_own = thread->kept_its_own && strcmp(bp_error_message(), expected) == 0;
    }
    return NULL;
}

static void each_thread_has_a_sentence_of_its_own(void **state)
{
    (void)state;
    pthread_t ids[2];
    struct thread threads[2] = { { .number = 1 }, { .number = 2 } };

    fail_with("of the main thread");
    for (size_t i = 0; i < COUNT(ids); i++)
        assert_int_equal(pthread_create(&ids[i], NULL, fail_often, &threads[i]), 0);
    for (size_t i = 0; i < COUNT(ids); i++)
        assert_int_equal(pthread_join(ids[i], NULL), 0);

    for (size_t i = 0; i < COUNT(ids); i++) {
        assert_true(threads[i].began_empty);
        assert_true(threads[i].kept_its_own);
    }
    assert_string_equal(bp_error_message(), "of the main thread");
}

static void sentence_is_empty_before_the_first_failure(void **state)
{
    (void)state;
    assert_string_equal(bp_error_message(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentence_is_empty_before_the_first_failure), /* so it must be the first test */
        cmocka_unit_test(values_are_fixed),
        cmocka_unit_test(every_status_has_words_of_its_own),
        cmocka_unit_test(values_that_are_no_status_are_unknown),
        cmocka_unit_test(failing_call_says_why),
        cmocka_unit_test(next_failure_replaces_the_sentence),
        cmocka_unit_test(success_leaves_the_sentence),
        cmocka_unit_test(sentence_is_cut_at_511_bytes),
        cmocka_unit_test(each_thread_has_a_sentence_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
