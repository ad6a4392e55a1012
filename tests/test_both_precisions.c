// SPDX-License-Identifier: MIT
/*
 * One program with both libraries: this file is single precision, support/double_part.c is double. Where a name were the
 * same in both archives, one half would run with the numbers of the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "backprop.h"
#include "support/close.h"
#include "support/double_part.h"

enum { ROWS = 20 };

static void each_half_has_its_own_number_type(void **state)
{
    (void)state;
    assert_int_equal(sizeof(bp_real), sizeof(float));
    assert_int_equal(double_part_size_of_real(), sizeof(double));
}

/* The same network and inputs here as there. */
static void predict_in_single(uint64_t seed, const double *X, float params[BOTH_PARAMS], float *Y)
{
    const bp_layer_config layers[] = { { .n_out = BOTH_HIDDEN, .activation = BP_TANH },
                                       { .n_out = BOTH_OUT, .activation = BP_SOFTMAX } };
    const bp_network_config config = { .n_in = BOTH_IN, .n_layers = 2, .layers = layers, .seed = seed };
    bp_network net;
    bp_workspace ws;
    float X_single[ROWS * BOTH_IN];
    for (size_t i = 0; i < ROWS * BOTH_IN; i++)
        X_single[i] = (float)X[i];

    assert_int_equal(bp_network_init(&net, &config), BP_OK);
    assert_int_equal(net.parameters.n_params, BOTH_PARAMS);
    for (size_t i = 0; i < BOTH_PARAMS; i++)
        params[i] = net.parameters.params[i];
    assert_int_equal(bp_workspace_init(&ws, &net, ROWS, BP_INFERENCE), BP_OK);
    assert_int_equal(bp_predict(&net, &ws, X_single, ROWS, Y), BP_OK);
    bp_workspace_free(&ws);
    bp_network_free(&net);
}

/*
 * A seed draws the same numbers in both, here rounded once. Outputs are in [0, 1]; parameters, inputs and some 40
 * operations on the way to each are rounded to 2^-24 here; 1e-5 is 170 such roundings, and no wrong number meets it.
 */
static void both_halves_predict_the_same_in_one_program(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++) {
        double X[ROWS * BOTH_IN], Y[ROWS * BOTH_OUT], params[BOTH_PARAMS];
        float Y_single[ROWS * BOTH_OUT], params_single[BOTH_PARAMS];
        bp_rng rng;
        bp_rng_init(&rng, seed);
        for (size_t i = 0; i < ROWS * BOTH_IN; i++)
            X[i] = bp_rng_normal(&rng);

        assert_int_equal(double_part_predict(seed, X, ROWS, params, Y), BP_OK);
        predict_in_single(seed, X, params_single, Y_single);
        for (size_t i = 0; i < BOTH_PARAMS; i++)
            assert_true(params_single[i] == (float)params[i]);
        for (size_t i = 0; i < ROWS * BOTH_OUT; i++)
            assert_close((double)Y_single[i], Y[i], 1e-5);
    }
}

static void each_half_has_its_own_last_sentence(void **state)
{
    (void)state;
    const bp_layer_config layer = { .n_out = 0 };
    const bp_network_config config = { .n_in = 1, .n_layers = 1, .layers = &layer };
    bp_network net;

    assert_string_equal(double_part_fail(), "bp_network_init: net is NULL");
    assert_int_equal(bp_network_init(&net, &config), BP_ERR_SHAPE);
    assert_string_equal(bp_error_message(), "layer 0: n_out is 0");
    assert_string_equal(double_part_sentence(), "bp_network_init: net is NULL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_half_has_its_own_number_type),
        cmocka_unit_test(both_halves_predict_the_same_in_one_program),
        cmocka_unit_test(each_half_has_its_own_last_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
