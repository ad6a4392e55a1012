// SPDX-License-Identifier: MIT
/*
 * Segments: what each number of a parameter block means.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backprop/network.h"
#include "backprop/parameters.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void values_are_fixed(void **state)
{
    (void)state;
    assert_int_equal(BP_WEIGHT, 0);
    assert_int_equal(BP_BIAS, 1);
    assert_int_equal(BP_GAMMA, 2);
    assert_int_equal(BP_BETA, 3);
}

static void segments_have_names(void **state)
{
    (void)state;
    assert_string_equal(bp_segment_name(BP_WEIGHT), "weight");
    assert_string_equal(bp_segment_name(BP_BIAS), "bias");
    assert_string_equal(bp_segment_name(BP_GAMMA), "gamma");
    assert_string_equal(bp_segment_name(BP_BETA), "beta");
    assert_string_equal(bp_segment_name(BP_N_SEGMENT_KINDS), "unknown");
    assert_string_equal(bp_segment_name((bp_segment_kind)-1), "unknown");
}

/* Looks each number up, against a walk through the segments. */
static void check_every_index(const bp_parameters *parameters)
{
    size_t index = 0;
    for (size_t s = 0; s < parameters->n_segments; s++)
        for (size_t i = 0; i < parameters->segments[s].n; i++)
            assert_ptr_equal(bp_parameters_segment(parameters, index++), &parameters->segments[s]);
    assert_int_equal(index, parameters->n_params);
}

static void every_number_finds_its_segment(void **state)
{
    (void)state;
    enum { MOST = 50 };
    const size_t depths[] = { 1, 2, 3, 7, 8, MOST };
    bp_layer_config layers[MOST];
    for (size_t l = 0; l < MOST; l++)
        layers[l] = (bp_layer_config){ .n_out = 1 + l * 5 % 7 };

    for (size_t d = 0; d < COUNT(depths); d++) {
        const bp_network_config config = { .n_in = 3, .n_layers = depths[d], .layers = layers };
        bp_network net;
        assert_int_equal(bp_network_init(&net, &config), BP_OK);
        check_every_index(&net.parameters);
        bp_network_free(&net);
    }
}

static void segments_of_ones_own_are_found_as_well(void **state)
{
    (void)state;
    const bp_segment segments[] = {
        { .offset = 0, .n = 1, .rows = 1 },
        { .offset = 1, .n = 10, .rows = 5, .frozen = true },
        { .offset = 11, .n = 2, .rows = 1, .kind = BP_BIAS },
    };
    bp_real numbers[13] = { 0 };
    for (size_t n = 1; n <= COUNT(segments); n++)
        check_every_index(&(bp_parameters){ numbers, segments[n - 1].offset + segments[n - 1].n, segments, n });
}

static void no_segment_lies_beyond_the_end(void **state)
{
    (void)state;
    const bp_segment segment = { .offset = 0, .n = 4, .rows = 2 };
    bp_real numbers[4] = { 0 };
    const bp_parameters parameters = { numbers, 4, &segment, 1 };

    assert_ptr_equal(bp_parameters_segment(&parameters, 3), &segment);
    assert_null(bp_parameters_segment(&parameters, 4));
    assert_null(bp_parameters_segment(&parameters, SIZE_MAX));
}

static void no_parameters_have_no_segment(void **state)
{
    (void)state;
    assert_null(bp_parameters_segment(NULL, 0));
    assert_null(bp_parameters_segment(&(bp_parameters){ 0 }, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_fixed),
        cmocka_unit_test(segments_have_names),
        cmocka_unit_test(every_number_finds_its_segment),
        cmocka_unit_test(segments_of_ones_own_are_found_as_well),
        cmocka_unit_test(no_segment_lies_beyond_the_end),
        cmocka_unit_test(no_parameters_have_no_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
