// SPDX-License-Identifier: MIT
/*
 * The number type: bp_real and its limits. That both precisions live in one program is test_both_precisions.c's affair.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "backprop.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

#ifdef BACKPROP_SINGLE
static const bool is_single = true;
#else
static const bool is_single = false;
#endif

static void bp_real_is_double_or_with_BACKPROP_SINGLE_float(void **state)
{
    (void)state;
    assert_int_equal(_Generic((bp_real)0, float : 1, default : 0), is_single);
    assert_int_equal(_Generic((bp_real)0, double : 1, default : 0), !is_single);
}

static void limits_are_those_of_the_type(void **state)
{
    (void)state;
    assert_true((double)BP_REAL_EPSILON == (is_single ? 0x1p-23 : 0x1p-52));
    assert_true((double)BP_REAL_MIN == (is_single ? 0x1p-126 : 0x1p-1022));
    assert_true((double)BP_REAL_MAX == (is_single ? (double)FLT_MAX : DBL_MAX));
    assert_int_equal(sizeof BP_REAL_EPSILON, sizeof(bp_real));
    assert_int_equal(sizeof BP_REAL_MIN, sizeof(bp_real));
    assert_int_equal(sizeof BP_REAL_MAX, sizeof(bp_real));
}

/* epsilon is the distance from 1 to the next number, and min the last number of full precision. */
static void limits_are_what_they_say(void **state)
{
    (void)state;
    const volatile bp_real one = 1, epsilon = BP_REAL_EPSILON, min = BP_REAL_MIN, max = BP_REAL_MAX;
    const volatile bp_real next = one + epsilon, same = one + epsilon / 4, half = min / 2, twice = max * 2;

    assert_true(next > one);
    assert_true(same == one);
    assert_int_equal(fpclassify(min), FP_NORMAL);
    assert_int_equal(fpclassify(half), FP_SUBNORMAL);
    assert_true(isfinite(max));
    assert_true(isinf(twice));
}

/* The names of the two libraries differ, so that headers of one with the archive of the other fail at link time. */
static void public_names_are_renamed_in_single_precision(void **state)
{
    (void)state;
    const char *const prefix = is_single ? "bpf_" : "bp_";
    const char *const names[] = { TEXT(bp_network_init), TEXT(bp_predict), TEXT(bp_train),    TEXT(bp_error_message),
                                  TEXT(bp_version),      TEXT(bp_real),    TEXT(bp_rng_next), TEXT(bp_dataset_check) };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_memory_equal(names[i], prefix, strlen(prefix));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bp_real_is_double_or_with_BACKPROP_SINGLE_float),
        cmocka_unit_test(limits_are_those_of_the_type),
        cmocka_unit_test(limits_are_what_they_say),
        cmocka_unit_test(public_names_are_renamed_in_single_precision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
