// SPDX-License-Identifier: MIT
/*
 * FANN's networks: what FANN computed is what they predict here, and what they cannot be is refused with its place.
 *
 * The networks in tests/reference/fann are FANN's own; the one below is written by hand, to be changed in one place at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop/fann_data.h"
#include "backprop/fann_net.h"
#include "backprop/propagation.h"
#include "support/bytes.h"
#include "support/close.h"
#include "support/heap.h"
#include "support/locale.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

/* ---- a network by hand ----------------------------------------------------------------------------------------------- */

#define NEURONS_KEY "neurons (num_inputs, activation_function, activation_steepness)="
#define CONNECTIONS_KEY "connections (connected_to_neuron, weight)="

static const char base[] =
    "FANN_FLO_2.1\n"
    "num_layers=3\n"
    "learning_rate=0.700000\n"
    "connection_rate=1.000000\n"
    "network_type=0\n"
    "learning_momentum=0.000000\n"
    "training_algorithm=2\n"
    "train_error_function=1\n"
    "train_stop_function=0\n"
    "cascade_output_change_fraction=0.010000\n"
    "quickprop_decay=-0.000100\n"
    "quickprop_mu=1.750000\n"
    "rprop_increase_factor=1.200000\n"
    "rprop_decrease_factor=0.500000\n"
    "rprop_delta_min=0.000000\n"
    "rprop_delta_max=50.000000\n"
    "rprop_delta_zero=0.100000\n"
    "cascade_output_stagnation_epochs=12\n"
    "cascade_candidate_change_fraction=0.010000\n"
    "cascade_candidate_stagnation_epochs=12\n"
    "cascade_max_out_epochs=150\n"
    "cascade_min_out_epochs=50\n"
    "cascade_max_cand_epochs=150\n"
    "cascade_min_cand_epochs=50\n"
    "cascade_num_candidate_groups=2\n"
    "bit_fail_limit=3.49999999999999977796e-01\n"
    "cascade_candidate_limit=1.00000000000000000000e+03\n"
    "cascade_weight_multiplier=4.00000000000000022204e-01\n"
    "cascade_activation_functions_count=3\n"
    "cascade_activation_functions=3 5 7 \n"
    "cascade_activation_steepnesses_count=2\n"
    "cascade_activation_steepnesses=2.5e-01 5.0e-01 \n"
    "layer_sizes=3 3 2 \n"
    "scale_included=0\n" NEURONS_KEY
    "(0, 0, 0.0e+00) (0, 0, 0.0e+00) (0, 0, 0.0e+00) (3, 5, 5.0e-01) (3, 5, 2.5e-01) (0, 5, 5.0e-01) "
    "(3, 0, 1.0e+00) (0, 0, 0.0e+00) \n" CONNECTIONS_KEY
    "(0, 1.5e+00) (1, -2.0e+00) (2, 2.5e-01) (0, 3.0e+00) (1, 1.25e-01) (2, -1.0e+00) (3, 2.0e+00) "
    "(4, -5.0e-01) (5, 1.0e+01) \n";

/* A text with the first `from` in it changed to `to`; NULL ends the list of such pairs. */
struct edits {
    const char *pairs[8][2];
};

static struct test_bytes edited(const char *text, const struct edits *edits)
{
    struct test_bytes bytes = { 0 };
    test_bytes_append(&bytes, text, strlen(text) + 1);
    for (size_t i = 0; i < COUNT(edits->pairs) && edits->pairs[i][0] != NULL; i++) {
        const char *start = (const char *)bytes.data, *at = strstr(start, edits->pairs[i][0]);
        if (at == NULL)
            fail_msg("nothing to edit: %s", edits->pairs[i][0]);
        struct test_bytes changed = { 0 };
        test_bytes_append(&changed, start, (size_t)(at - start));
        test_bytes_append_text(&changed, edits->pairs[i][1]);
        test_bytes_append_text(&changed, at + strlen(edits->pairs[i][0]));
        test_bytes_append(&changed, "", 1);
        test_bytes_clear(&bytes);
        bytes = changed;
    }
    bytes.n--; /* the NUL */
    return bytes;
}

/* From a block that ends where the bytes do, for memory checkers. */
static bp_status load(bp_network *net, const void *data, size_t n, const bp_allocator *allocator)
{
    unsigned char *copy = test_bytes_copy(data, n);
    const bp_status status = bp_network_load_fann_memory(net, copy, n, allocator);
    free(copy);
    return status;
}

static void load_edited(bp_network *net, const struct edits *edits)
{
    struct test_bytes text = edited(base, edits);
    if (load(net, text.data, text.n, NULL) != BP_OK)
        fail_msg("%s: %s", edits->pairs[0][1] == NULL ? "unedited" : edits->pairs[0][1], bp_error_message());
    test_bytes_clear(&text);
}

static void assert_zeroed(const bp_network *net)
{
    const bp_network none = { 0 };
    assert_memory_equal(net, &none, sizeof none);
}

/* ---- what FANN computed ------------------------------------------------------------------------------------------------ */

static const char *const names[] = { "linear",
                                     "sigmoid",
                                     "sigmoid_symmetric",
                                     "gaussian",
                                     "gaussian_symmetric",
                                     "elliot",
                                     "elliot_symmetric",
                                     "linear_piece",
                                     "linear_piece_symmetric",
                                     "sin_symmetric",
                                     "cos_symmetric",
                                     "sin",
                                     "cos",
                                     "deep",
                                     "steepnesses",
                                     "scaled_linear",
                                     "scaled_sigmoid",
                                     "scaled_elliot",
                                     "xor" };

static const char *path_of(const char *name, const char *ending)
{
    static char path[1024];
    (void)snprintf(path, sizeof path, "%s/fann/%s.%s", REFERENCE_DIR, name, ending);
    return path;
}

/*
 * FANN folds nothing and adds in another order: a sum of up to 8 products of size 2, and what its error becomes in up to six
 * layers whose slopes times weights stay below 4 a layer.
 */
#define BOUND (16 * (double)BP_REAL_EPSILON)

static void assert_predicts_as_fann(const bp_network *net, const char *name)
{
    bp_fann_data fann;
    bp_workspace ws;
    if (bp_fann_data_read(&fann, path_of(name, "data"), NULL) != BP_OK)
        fail_msg("%s", bp_error_message());
    assert_int_equal(net->n_in, fann.n_in);
    assert_int_equal(net->n_out, fann.n_out);
    assert_int_equal(bp_workspace_init(&ws, net, fann.rows, BP_INFERENCE), BP_OK);
    bp_real *Y = malloc(fann.rows * fann.n_out * sizeof *Y);
    assert_non_null(Y);
    assert_int_equal(bp_predict(net, &ws, fann.X, fann.rows, Y), BP_OK);
    for (size_t i = 0; i < fann.rows * fann.n_out; i++) {
        const double expected = (double)fann.T[i];
        test_assert_close((double)Y[i], expected, BOUND * (1 + fabs(expected)), name, __FILE__, __LINE__);
    }
    free(Y);
    bp_workspace_free(&ws);
    bp_fann_data_free(&fann);
}

static void networks_predict_what_fann_computed(void **state)
{
    (void)state;
    for (int comma = 0; comma < 2; comma++) {
        if (comma && !test_set_comma_locale())
            break;
        for (size_t i = 0; i < COUNT(names); i++) {
            struct test_heap heap;
            test_heap_init(&heap);
            bp_network net;
            memset(&net, 0xA5, sizeof net);
            if (bp_network_load_fann(&net, path_of(names[i], "net"), &heap.allocator) != BP_OK)
                fail_msg("%s", bp_error_message());
            assert_int_equal(heap.live_blocks, 1);
            assert_predicts_as_fann(&net, names[i]);
            bp_network_free(&net);
            assert_true(test_heap_is_clean(&heap));
        }
    }
    assert_non_null(setlocale(LC_ALL, "C"));
}

static void files_and_memory_gzipped_or_not_give_the_same_network(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct test_bytes text = test_file_content(path_of(names[i], "net"));
        bp_network net;
        assert_int_equal(load(&net, text.data, text.n, NULL), BP_OK);
        assert_predicts_as_fann(&net, names[i]);
        bp_network_free(&net);
#ifdef BACKPROP_HAVE_ZLIB
        struct test_bytes gzip = test_bytes_gzip(text.data, text.n);
        assert_int_equal(load(&net, gzip.data, gzip.n, NULL), BP_OK);
        assert_predicts_as_fann(&net, names[i]);
        bp_network_free(&net);
        assert_refused(load(&net, gzip.data, gzip.n / 2, NULL), BP_ERR_FORMAT, "memory: gzip data");
        test_bytes_clear(&gzip);
#endif
        test_bytes_clear(&text);
    }
}

/* ---- weights ----------------------------------------------------------------------------------------------------------- */

static void assert_reals(const bp_real *actual, const double *expected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_true(actual[i] == R(expected[i]));
}

static void assert_base(const bp_network *net)
{
    assert_int_equal(net->n_in, 2);
    assert_int_equal(net->n_out, 1);
    assert_int_equal(net->n_layers, 2);
    assert_int_equal(net->layers[0].n_out, 2);
    assert_int_equal(net->layers[0].activation, BP_TANH);
    assert_int_equal(net->layers[1].activation, BP_IDENTITY);
    assert_reals(net->layers[0].W, (const double[]){ 0.75, -1, 0.75, 0.03125 }, 4);
    assert_reals(net->layers[0].b, (const double[]){ 0.125, -0.25 }, 2);
    assert_reals(net->layers[1].W, (const double[]){ 2, -0.5 }, 2);
    assert_reals(net->layers[1].b, (const double[]){ 10 }, 1);
    assert_false(net->scales_inputs);
    assert_false(net->scales_outputs);
    assert_true(net->input_names == NULL && net->class_names == NULL && net->n_metadata == 0);
}

/* Each neuron's weights times its steepness, the bias's weight last. */
static void steepness_is_multiplied_into_the_weights(void **state)
{
    (void)state;
    bp_network net;
    load_edited(&net, &(struct edits){ 0 });
    assert_base(&net);
    bp_network_free(&net);
}

static void other_ways_to_write_the_same_are_read(void **state)
{
    (void)state;
    static const struct edits ways[] = {
        { { { "FANN_FLO_2.1", "FANN_FLO_2.0" }, { "scale_included=0\n", "" } } },
        { { { "rprop_delta_zero=0.100000\n", "" }, { "cascade_min_out_epochs=50\n", "" } } }, /* as FANN 2.1 */
        { { { "learning_rate=0.700000\n", "" }, { "network_type=0\n", "network_type=0\nlearning_rate=1\n" } } },
        { { { "cascade_activation_functions_count=3\n", "" },
            { "cascade_activation_functions=3 5 7 \n", "" },
            { "cascade_activation_steepnesses_count=2\n", "" },
            { "cascade_activation_steepnesses=2.5e-01 5.0e-01 \n", "" } } },
        { { { "FANN_FLO_2.1\n", "\357\273\277FANN_FLO_2.1\r\n" }, { "num_layers=3\n", "num_layers=3\r\n" } } },
        { { { "num_layers=3\n", "num_layers= 3\n\n\n" }, { "(3, 5, 5.0e-01) ", "\n( 3 ,5,.5)\n\t" } } },
        { { { "layer_sizes=3 3 2 \n", "layer_sizes=3\n3 2\n" }, { "(5, 1.0e+01) \n", "(5, +10)" } } },
        { { { "(0, 5, 5.0e-01)", "(0, 99, -7)" }, { "(0, 0, 0.0e+00)", "(0, 4, 1)" } } }, /* biases and inputs */
        { { { "connection_rate=1.000000", "connection_rate=1" }, { "=3 5 7 \n", "=3 5 7\n" } } },
    };
    for (size_t i = 0; i < COUNT(ways); i++) {
        bp_network net;
        load_edited(&net, &ways[i]);
        assert_base(&net);
        bp_network_free(&net);
    }
}

/*
 * One function for both layers: what becomes of weights w = (1.5, -2, bias 0.25) with s = 1/2 in the first neuron, and of
 * w = (2, -0.5, bias 10) with s = 1 in the output, whose inputs are out_factor y + out_shift.
 */
static const struct {
    const char *function;
    bp_activation activation;
    double in_factor, in_shift, out_factor, out_shift;
} functions[] = {
    { "0", BP_IDENTITY, 1, 0, 1, 0 },
    { "3", BP_SIGMOID, 2, 0, 1, 0 },
    { "5", BP_TANH, 1, 0, 1, 0 },
    { "7", BP_GAUSSIAN, 1, 0, 1, 0 },
    { "8", BP_GAUSSIAN, 1, 0, 2, -1 },
    { "10", BP_SOFTSIGN, 1, 0, 0.5, 0.5 },
    { "11", BP_SOFTSIGN, 1, 0, 1, 0 },
    { "12", BP_HARD_SIGMOID, 6, -3, 1, 0 },
    { "13", BP_HARD_TANH, 1, 0, 1, 0 },
    { "14", BP_SINE, 1, 0, 1, 0 },
    { "15", BP_SINE, 1, 1.57079632679489661923, 1, 0 },
    { "16", BP_SINE, 1, 0, 0.5, 0.5 },
    { "17", BP_SINE, 1, 1.57079632679489661923, 0.5, 0.5 },
};

static void functions_become_ours_with_factors_folded_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(functions); i++) {
        const double k = functions[i].in_factor, d = functions[i].in_shift;
        const double a = functions[i].out_factor, c = functions[i].out_shift;
        char first[32], second[32], output[32];
        (void)snprintf(first, sizeof first, "(3, %s, 5.0e-01)", functions[i].function);
        (void)snprintf(second, sizeof second, "(3, %s, 2.5e-01)", functions[i].function);
        (void)snprintf(output, sizeof output, "(3, %s, 1.0e+00)", functions[i].function);
        bp_network net;
        load_edited(&net,
                    &(struct edits){
                        { { "(3, 5, 5.0e-01)", first }, { "(3, 5, 2.5e-01)", second }, { "(3, 0, 1.0e+00)", output } } });
        assert_int_equal(net.layers[0].activation, functions[i].activation);
        assert_int_equal(net.layers[1].activation, functions[i].activation);
        assert_reals(net.layers[0].W, (const double[]){ 0.75 * k, -1 * k }, 2);
        assert_reals(net.layers[0].b, (const double[]){ 0.125 * k + d }, 1);
        assert_reals(net.layers[1].W, (const double[]){ 2 * k * a, -0.5 * k * a }, 2);
        assert_reals(net.layers[1].b, (const double[]){ k * (10 + c * 1.5) + d }, 1);
        assert_int_equal(net.scales_outputs, a != 1);
        assert_reals(net.out_center, &c, 1);
        assert_reals(net.out_scale, &a, 1);
        assert_false(net.scales_inputs);
        bp_network_free(&net);
    }
}

/* ---- scaling ----------------------------------------------------------------------------------------------------------- */

#define SCALING(mean_in, deviation_in, min_in, factor_in, mean_out, deviation_out, min_out, factor_out)                    \
    "scale_included=1\nscale_mean_in=" mean_in " \nscale_deviation_in=" deviation_in " \nscale_new_min_in=" min_in         \
    " \nscale_factor_in=" factor_in " \nscale_mean_out=" mean_out " \nscale_deviation_out=" deviation_out                  \
    " \nscale_new_min_out=" min_out " \nscale_factor_out=" factor_out " \n"

/* x' = ((x - mean) / deviation + 1) factor + min, so the center is mean - (factor + min) deviation / factor. */
static void scaling_is_carried_over(void **state)
{
    (void)state;
    const char *numbers = SCALING("1 20", "4 8", "-1 0.5", "2 0.25", "7", "2", "-3", "0.5");
    bp_network net;
    load_edited(&net, &(struct edits){ { { "scale_included=0\n", numbers } } });
    assert_true(net.scales_inputs && net.scales_outputs);
    assert_reals(net.in_center, (const double[]){ 1 - 1 * 2, 20 - 0.75 * 32 }, 2);
    assert_reals(net.in_scale, (const double[]){ 2, 32 }, 2);
    assert_reals(net.out_center, (const double[]){ 7 + 2.5 * 4 }, 1);
    assert_reals(net.out_scale, (const double[]){ 4 }, 1);
    bp_network_free(&net);
}

/* What fann_set_input_scaling_params() leaves for the outputs: no scaling at all. */
static void scaling_that_does_nothing_is_left_out(void **state)
{
    (void)state;
    bp_network net;
    const char *inputs = SCALING("1 20", "4 8", "-1 0.5", "2 0.25", "0", "1", "-1", "1");
    load_edited(&net, &(struct edits){ { { "scale_included=0\n", inputs }, { "(3, 0, 1.0e+00)", "(3, 3, 1.0e+00)" } } });
    assert_true(net.scales_inputs && !net.scales_outputs);
    assert_int_equal(net.layers[1].activation, BP_SIGMOID);
    bp_network_free(&net);

    const char *outputs = SCALING("0 0", "1 1", "-1 -1", "1 1", "7", "2", "-3", "0.5");
    load_edited(&net, &(struct edits){ { { "scale_included=0\n", outputs } } });
    assert_true(!net.scales_inputs && net.scales_outputs);
    bp_network_free(&net);
}

/* 1 / (1 + e^(-2x)) = (tanh x + 1) / 2, and the scale 4 and center 17 are of that. */
static void scaled_sigmoid_outputs_become_tanh(void **state)
{
    (void)state;
    bp_network net;
    const char *numbers = SCALING("1 20", "4 8", "-1 0.5", "2 0.25", "7", "2", "-3", "0.5");
    load_edited(&net, &(struct edits){ { { "scale_included=0\n", numbers }, { "(3, 0, 1.0e+00)", "(3, 3, 1.0e+00)" } } });
    assert_int_equal(net.layers[1].activation, BP_TANH);
    assert_reals(net.layers[1].W, (const double[]){ 2, -0.5 }, 2);
    assert_reals(net.out_center, (const double[]){ 19 }, 1);
    assert_reals(net.out_scale, (const double[]){ 2 }, 1);
    bp_network_free(&net);
}

/* ---- what is refused --------------------------------------------------------------------------------------------------- */

#define FINE_SCALING SCALING("1 20", "4 8", "-1 0.5", "2 0.25", "7", "2", "-3", "0.5")

static const struct {
    struct edits edits;
    bp_status status;
    const char *sentence;
} refused[] = {
    /* versions */
    { { { { "FANN_FLO_2.1", "FANN_FIX_2.0" } } },
      BP_ERR_UNSUPPORTED,
      "line 1, column 1: expected FANN_FLO_2.1 or FANN_FLO_2.0, found 'FANN_FIX_2.0', a file of fixed point" },
    { { { { "FANN_FLO_2.1", "FANN_FIX_2.1" } } }, BP_ERR_UNSUPPORTED, "a file of fixed point" },
    { { { { "FANN_FLO_2.1", "FANN_FLO_1.1" } } }, BP_ERR_UNSUPPORTED, "found 'FANN_FLO_1.1'" },
    { { { { "FANN_FLO_2.1", "FANN_FLO_2.11" } } }, BP_ERR_UNSUPPORTED, "found 'FANN_FLO_2.11'" },
    { { { { "FANN_FLO_2.1", "FAN" } } }, BP_ERR_FORMAT, "expected FANN_FLO_2.1 or FANN_FLO_2.0, found 'FAN'" },
    { { { { "FANN_FLO_2.1", "=" } } }, BP_ERR_FORMAT, "expected FANN_FLO_2.1 or FANN_FLO_2.0, found '='" },
    /* kinds of networks */
    { { { { "network_type=0", "network_type=1" } } },
      BP_ERR_UNSUPPORTED,
      "line 5, column 14: network_type: expected 0, found 1: a network with shortcut connections" },
    { { { { "network_type=0", "network_type=2" } } }, BP_ERR_FORMAT, "network_type: expected 0, found '2'" },
    { { { { "network_type=0", "network_type=-1" } } },
      BP_ERR_FORMAT,
      "network_type: expected a whole number up to 4294967295, found '-1'" },
    { { { { "rate=1.000000", "rate=0.500000" } } },
      BP_ERR_UNSUPPORTED,
      "line 4, column 17: connection_rate: expected 1, found '0.500000': a network with missing connections" },
    { { { { "rate=1.000000", "rate=1.5" } } }, BP_ERR_FORMAT, "connection_rate: expected 1, found '1.5'" },
    { { { { "rate=1.000000", "rate=-1" } } }, BP_ERR_FORMAT, "connection_rate: expected 1, found '-1'" },
    /* keys */
    { { { { "quickprop_mu", "quickprop_nu" } } },
      BP_ERR_FORMAT,
      "line 12, column 1: expected a key of FANN 2.0 to 2.2, found 'quickprop_nu'" },
    { { { { "quickprop_mu=", "quickprop_mu" } } }, BP_ERR_FORMAT, "found 'quickprop_mu1.750000'" },
    { { { { "quickprop_mu=", "quickprop_mu\n" } } }, BP_ERR_FORMAT, "line 13, column 1: expected '=', found '1'" },
    { { { { "quickprop_mu=", "=" } } }, BP_ERR_FORMAT, "expected a key of FANN 2.0 to 2.2, found '='" },
    { { { { "quickprop_mu", "learning_rate" } } },
      BP_ERR_FORMAT,
      "line 12, column 1: learning_rate: expected once, found again" },
    { { { { "num_layers=3\n", "" } } }, BP_ERR_FORMAT, "line 2, column 1: learning_rate: expected behind num_layers" },
    { { { { "layer_sizes=3 3 2 \n", "" } } }, BP_ERR_FORMAT, "scale_included: expected behind layer_sizes" },
    { { { { "layer_sizes=3 3 2 \n", "" }, { "scale_included=0\n", "" } } },
      BP_ERR_FORMAT,
      "neurons (num_inputs, activation_function, activation_steepness): expected behind layer_sizes" },
    { { { { "cascade_activation_functions_count=3\n", "" } } },
      BP_ERR_FORMAT,
      "cascade_activation_functions: expected behind cascade_activation_functions_count" },
    { { { { "network_type=0\n", "" } } }, BP_ERR_FORMAT, "expected network_type, found the end" },
    { { { { "connection_rate=1.000000\n", "" } } }, BP_ERR_FORMAT, "expected connection_rate, found the end" },
    { { { { "(5, 1.0e+01) \n", "(5, 1.0e+01) \nmore" } } },
      BP_ERR_FORMAT,
      "expected a key of FANN 2.0 to 2.2, found 'more'" },
    { { { { "(5, 1.0e+01) \n", "(5, 1.0e+01) (6, 1)" } } }, BP_ERR_FORMAT, "found '(6, 1)'" },
    /* numbers */
    { { { { "learning_rate=0.700000", "learning_rate=0,700000" } } },
      BP_ERR_FORMAT,
      "line 3, column 15: learning_rate: expected a number, found '0,700000': with a decimal comma" },
    { { { { "(0, 1.5e+00)", "(0, 1,5e+00)" } } },
      BP_ERR_FORMAT,
      "weight: expected a number, found '1,5e+00': with a decimal" },
    { { { { "learning_rate=0.700000", "learning_rate=fast" } } },
      BP_ERR_FORMAT,
      "learning_rate: expected a number, found 'fast'" },
    { { { { "learning_rate=0.700000", "learning_rate=nan" } } },
      BP_ERR_NONFINITE,
      "learning_rate: expected a finite number, found 'nan'" },
    { { { { "learning_rate=0.700000", "learning_rate=(1)" } } },
      BP_ERR_FORMAT,
      "learning_rate: expected a number, found '('" },
    { { { { "(0, 1.5e+00)", "(0, -inf)" } } }, BP_ERR_NONFINITE, "weight: expected a finite number, found '-inf'" },
    { { { { "(0, 1.5e+00)", "(0, 1e999)" } } }, BP_ERR_NONFINITE, "weight: expected a number that is not too large" },
    { { { { "training_algorithm=2", "training_algorithm=2.0" } } },
      BP_ERR_FORMAT,
      "training_algorithm: expected a whole number up to 4294967295, found '2.0'" },
    { { { { "training_algorithm=2", "training_algorithm=4294967296" } } }, BP_ERR_FORMAT, "found '4294967296'" },
    { { { { "training_algorithm=2", "training_algorithm=99999999999999999999999999999999" } } },
      BP_ERR_FORMAT,
      "found '9999" },
    { { { { "=3 5 7 \n", "=3 5 \n" } } },
      BP_ERR_FORMAT,
      "cascade_activation_functions: expected a whole number up to 4294967295, found 'cascade_" },
    { { { { "=2.5e-01 5.0e-01 \n", "=2.5e-01 x \n" } } }, BP_ERR_FORMAT, "steepnesses: expected a number, found 'x'" },
    /* sizes */
    { { { { "num_layers=3", "num_layers=1" } } },
      BP_ERR_FORMAT,
      "line 2, column 12: num_layers: expected inputs and outputs at least, found '1'" },
    { { { { "num_layers=3", "num_layers=4" } } },
      BP_ERR_FORMAT,
      "line 34, column 1: layer_sizes: expected a whole number up to 4294967295, found 'scale_included=0'" },
    { { { { "num_layers=3", "num_layers=2" } } }, BP_ERR_FORMAT, "expected a key of FANN 2.0 to 2.2, found '2 '" },
    { { { { "layer_sizes=3 3 2 ", "layer_sizes=3 1 2 " } } },
      BP_ERR_FORMAT,
      "line 33, column 15: layer_sizes: layer 1: expected a neuron and the bias at least, found 1" },
    { { { { "layer_sizes=3 3 2 ", "layer_sizes=3 4294967295 2 " } } },
      BP_ERR_UNSUPPORTED,
      "neuron 5, of layer 1: expected 3 inputs, as layers that are fully connected have, found 0" },
    { { { { "layer_sizes=3 3 2 ", "layer_sizes=2 3 2 " } } },
      BP_ERR_UNSUPPORTED,
      "neuron 2, of layer 1: expected 2 inputs" },
    /* neurons */
    { { { { "(3, 5, 5.0e-01)", "(2, 5, 5.0e-01)" } } },
      BP_ERR_UNSUPPORTED,
      "neuron 3, of layer 1: expected 3 inputs, as layers that are fully connected have, found 2" },
    { { { { "(3, 5, 5.0e-01)", "(4, 5, 5.0e-01)" } } }, BP_ERR_FORMAT, "neuron 3, of layer 1: expected 3 inputs" },
    { { { { "(0, 5, 5.0e-01)", "(1, 5, 5.0e-01)" } } }, BP_ERR_FORMAT, "neuron 5, of layer 1: expected 0 inputs" },
    { { { { "(3, 5, 5.0e-01)", "(3, 18, 5.0e-01)" } } },
      BP_ERR_FORMAT,
      "neuron 3: 18 is no activation function: expected up to 17" },
    { { { { "(3, 5, 5.0e-01)", "(3, 4000000000, 5.0e-01)" } } }, BP_ERR_FORMAT, "4000000000 is no activation function" },
    { { { { "(3, 5, 5.0e-01)", "(3, 1, 5.0e-01)" } } },
      BP_ERR_UNSUPPORTED,
      "neuron 3: its activation function is FANN_THRESHOLD, which has no equal here" },
    { { { { "(3, 5, 5.0e-01)", "(3, 2, 5.0e-01)" } } }, BP_ERR_UNSUPPORTED, "FANN_THRESHOLD_SYMMETRIC, which" },
    { { { { "(3, 5, 5.0e-01)", "(3, 4, 5.0e-01)" } } }, BP_ERR_UNSUPPORTED, "FANN_SIGMOID_STEPWISE, which" },
    { { { { "(3, 5, 5.0e-01)", "(3, 6, 5.0e-01)" } } }, BP_ERR_UNSUPPORTED, "FANN_SIGMOID_SYMMETRIC_STEPWISE, which" },
    { { { { "(3, 5, 5.0e-01)", "(3, 9, 5.0e-01)" } } }, BP_ERR_UNSUPPORTED, "FANN_GAUSSIAN_STEPWISE, which" },
    { { { { "(3, 5, 2.5e-01)", "(3, 0, 2.5e-01)" } } },
      BP_ERR_UNSUPPORTED,
      "neuron 4: its activation function is FANN_LINEAR: expected FANN_SIGMOID_SYMMETRIC, as the neurons before it in "
      "layer 1" },
    { { { { "(3, 5, 5.0e-01)", "(3, 5, 0)" } } },
      BP_ERR_UNSUPPORTED,
      "neuron 3: expected a steepness above 0 and up to 8, found '0'" },
    { { { { "(3, 5, 5.0e-01)", "(3, 5, -0.5)" } } }, BP_ERR_UNSUPPORTED, "above 0 and up to 8, found '-0.5'" },
    { { { { "(3, 5, 5.0e-01)", "(3, 5, 8.5)" } } }, BP_ERR_UNSUPPORTED, "above 0 and up to 8, found '8.5'" },
    { { { { "(3, 5, 5.0e-01)", "[3, 5, 5.0e-01)" } } }, BP_ERR_FORMAT, "expected '(', found '['" },
    { { { { "(3, 5, 5.0e-01)", "(3; 5, 5.0e-01)" } } }, BP_ERR_FORMAT, "num_inputs: expected a whole number up to" },
    { { { { "(3, 5, 5.0e-01)", "(3 5, 5.0e-01)" } } }, BP_ERR_FORMAT, "expected ',', found '5'" },
    { { { { "(3, 5, 5.0e-01)", "(3, 5 5.0e-01)" } } }, BP_ERR_FORMAT, "expected ',', found '5'" },
    { { { { "(3, 5, 5.0e-01)", "(3, , 5.0e-01)" } } }, BP_ERR_FORMAT, "activation_function: expected a whole number" },
    { { { { "(3, 5, 5.0e-01)", "(3, 5, 5.0e-01(" } } }, BP_ERR_FORMAT, "expected ')', found '('" },
    { { { { "(3, 5, 5.0e-01)", "(3, 5, 5.0e-01 x)" } } }, BP_ERR_FORMAT, "expected ')', found 'x'" },
    /* connections */
    { { { { "(1, -2.0e+00)", "(2, -2.0e+00)" } } },
      BP_ERR_FORMAT,
      "neuron 3: expected its connection with neuron 1, as layers that are fully connected have, found one with 2" },
    { { { { "(3, 2.0e+00)", "(0, 2.0e+00)" } } }, BP_ERR_FORMAT, "neuron 6: expected its connection with neuron 3" },
    { { { { "(3, 2.0e+00)", "3, 2.0e+00)" } } }, BP_ERR_FORMAT, "expected '(', found '3'" },
    { { { { "(3, 2.0e+00)", "(3 2.0e+00)" } } }, BP_ERR_FORMAT, "expected ',', found '2'" },
    { { { { "(3, 2.0e+00)", "(x, 2.0e+00)" } } }, BP_ERR_FORMAT, "connected_to_neuron: expected a whole number" },
    { { { { "(3, 2.0e+00)", "(3, 2.0e+00" } } }, BP_ERR_FORMAT, "expected ')', found '('" },
    { { { { "(5, 1.0e+01) \n", "\n" } } }, BP_ERR_FORMAT, "line 37, column 1: expected '(', found the end" },
    /* scaling */
    { { { { "scale_included=0", "scale_included=2" } } }, BP_ERR_FORMAT, "scale_included: expected 0 or 1, found '2'" },
    { { { { "scale_included=0", "scale_included=1" } } }, BP_ERR_FORMAT, "expected scale_mean_in, found the end" },
    { { { { "scale_included=0\n", "scale_included=0\nscale_mean_in=1 2 \n" } } },
      BP_ERR_FORMAT,
      "scale_mean_in: expected none, scale_included is 0" },
    { { { { "scale_included=0\n", "scale_mean_in=1 2 \n" } } },
      BP_ERR_FORMAT,
      "scale_mean_in: expected behind scale_included" },
    { { { { "scale_included=0\n", FINE_SCALING }, { "scale_deviation_in=4 8", "scale_deviation_in=4 0.000000" } } },
      BP_ERR_UNSUPPORTED,
      "line 36, column 22: scale_deviation_in: input 1: expected a number above 0, found '0.000000'" },
    { { { { "scale_included=0\n", FINE_SCALING }, { "scale_factor_out=0.5", "scale_factor_out=-0.5" } } },
      BP_ERR_UNSUPPORTED,
      "scale_factor_out: output 0: expected a number above 0, found '-0.5'" },
    { { { { "scale_included=0\n", FINE_SCALING }, { "scale_mean_in=1 20", "scale_mean_in=1 x" } } },
      BP_ERR_FORMAT,
      "scale_mean_in: expected a number, found 'x'" },
    { { { { "scale_included=0\n", FINE_SCALING }, { "scale_new_min_out=-3", "scale_new_min_out=1e39" } } },
      BP_ERR_NONFINITE,
      "scale_new_min_out: expected a number that is not too large" }, /* FANN has floats there */
    /* what only the numbers together show */
    { { { { "(3, 0, 1.0e+00)", "(3, 0, 8.0e+00)" }, { "(3, 2.0e+00)", "(3, 1e308)" } } },
      BP_ERR_NONFINITE,
      "memory: layer 2: a weight is too large once the steepness is multiplied in" },
    { { { { "(3, 0, 1.0e+00)", "(3, 0, 8.0e+00)" }, { "(5, 1.0e+01)", "(5, -1e308)" } } },
      BP_ERR_NONFINITE,
      "memory: layer 2: a weight is too large once the steepness is multiplied in" },
};

static void what_has_no_equal_or_is_malformed_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct test_bytes text = edited(base, &refused[i].edits);
        struct test_heap heap;
        test_heap_init(&heap);
        bp_network net;
        memset(&net, 0xA5, sizeof net);
        test_forget_sentence();
        const bp_status status = load(&net, text.data, text.n, &heap.allocator);
        if (status != refused[i].status || strstr(bp_error_message(), refused[i].sentence) == NULL)
            fail_msg("row %zu, %s: status %d, \"%s\"; expected %d, \"%s\"", i, refused[i].edits.pairs[0][1], (int)status,
                     bp_error_message(), (int)refused[i].status, refused[i].sentence);
        assert_zeroed(&net);
        assert_true(test_heap_is_clean(&heap));
        test_bytes_clear(&text);
    }
}

#ifdef BACKPROP_SINGLE
/* Numbers that are fine in a file, and beyond the range of floats when put together. */
static void what_floats_cannot_hold_is_refused(void **state)
{
    (void)state;
    static const struct edits edits[] = {
        { { { "(3, 2.0e+00)", "(3, 1e39)" } } },
        { { { "scale_included=0\n", SCALING("1 20", "4 1e30", "-1 -1e-30", "2 1e-30", "7", "2", "-3", "0.5") } } },
        { { { "scale_included=0\n", SCALING("1 20", "4 1e-30", "-1 0.5", "2 1e30", "7", "2", "-3", "0.5") } } },
        { { { "scale_included=0\n", SCALING("1 20", "4 8", "-1 0.5", "2 1", "7", "1e38", "3e38", "0.1") } } },
    };
    static const char *const sentences[] = { "layer 2: a weight is too large", "the scaling of input 1 is beyond the range",
                                             "the scaling of input 1 is beyond the range",
                                             "the scaling of output 0 is beyond the range" };
    for (size_t i = 0; i < COUNT(edits); i++) {
        struct test_bytes text = edited(base, &edits[i]);
        bp_network net;
        assert_refused(load(&net, text.data, text.n, NULL), BP_ERR_NONFINITE, sentences[i]);
        assert_zeroed(&net);
        test_bytes_clear(&text);
    }
}
#endif

static void a_word_without_end_and_a_nul_are_refused(void **state)
{
    (void)state;
    bp_network net;
    struct test_bytes text = { 0 };
    test_bytes_append_text(&text, "FANN_FLO_2.1\nnum_layers=");
    for (size_t i = 0; i < 100000; i++)
        test_bytes_append_text(&text, "0");
    assert_refused(load(&net, text.data, text.n, NULL), BP_ERR_FORMAT,
                   "line 2, column 12: expected a key or a number, found '000");
    test_bytes_clear(&text);
    test_bytes_append(&text, base, sizeof base); /* its NUL behind */
    assert_refused(load(&net, text.data, text.n, NULL), BP_ERR_FORMAT, "line 37, column 1: found a NUL byte");
    text.data[text.n - 4] = '\0'; /* where a ')' is due */
    assert_refused(load(&net, text.data, text.n, NULL), BP_ERR_FORMAT, "found a NUL byte");
    test_bytes_clear(&text);
}

static void null_arguments_and_half_an_allocator_are_refused(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    const bp_allocator half = { .alloc = heap.allocator.alloc };
    bp_network net;
    assert_refused(bp_network_load_fann(NULL, "x", NULL), BP_ERR_ARGUMENT, "bp_network_load_fann: net is NULL");
    assert_refused(bp_network_load_fann_memory(NULL, "x", 1, NULL), BP_ERR_ARGUMENT,
                   "bp_network_load_fann_memory: net is NULL");
    memset(&net, 0xA5, sizeof net);
    assert_refused(bp_network_load_fann(&net, NULL, NULL), BP_ERR_ARGUMENT, "path is NULL");
    assert_zeroed(&net);
    memset(&net, 0xA5, sizeof net);
    assert_refused(bp_network_load_fann_memory(&net, NULL, 0, NULL), BP_ERR_ARGUMENT, "bytes is NULL");
    assert_zeroed(&net);
    assert_refused(bp_network_load_fann(&net, "x", &half), BP_ERR_ARGUMENT, "alloc but no release");
    assert_refused(bp_network_load_fann_memory(&net, "x", 1, &half), BP_ERR_ARGUMENT, "alloc but no release");
    assert_refused(bp_network_load_fann(&net, "no/such.net", NULL), BP_ERR_IO,
                   "no/such.net: cannot be opened: no such file");
    assert_refused(bp_network_load_fann_memory(&net, "", 0, NULL), BP_ERR_FORMAT,
                   "memory: line 1, column 1: expected FANN_FLO", "found the end");
    assert_zeroed(&net);
}

/* ---- damage ------------------------------------------------------------------------------------------------------------ */

#define OVERHEAD ((size_t)80 * 1024)

/* Whatever it says: no leak, nothing left behind, little memory, and a network that computes. */
static bp_status assert_harmless(const void *bytes, size_t n)
{
    struct test_heap heap;
    test_heap_init(&heap);
    bp_network net;
    memset(&net, 0xA5, sizeof net);
    const bp_status status = load(&net, bytes, n, &heap.allocator);
    const size_t result = heap.live_bytes, peak = heap.peak_bytes;
    assert_true(peak <= 16 * n + result + OVERHEAD);
    if (status == BP_OK) {
        bp_workspace ws;
        const bp_real X[64] = { 1, -1 };
        bp_real Y[64];
        assert_true(net.n_in <= COUNT(X) && net.n_out <= COUNT(Y));
        for (size_t i = 0; i < net.parameters.n_params; i++)
            assert_true(isfinite(net.parameters.params[i]));
        assert_int_equal(bp_workspace_init(&ws, &net, 1, BP_INFERENCE), BP_OK);
        (void)bp_predict(&net, &ws, X, 1, Y);
        bp_workspace_free(&ws);
        bp_network_free(&net);
    } else {
        assert_true(status == BP_ERR_FORMAT || status == BP_ERR_UNSUPPORTED || status == BP_ERR_NONFINITE);
        assert_zeroed(&net);
    }
    assert_true(test_heap_is_clean(&heap));
    return status;
}

static void a_file_cut_short_at_any_byte_is_refused(void **state)
{
    (void)state;
    const size_t n_end = sizeof base - 1 - 2; /* the blanks at the end are of no use */
    for (size_t n = 0; n <= sizeof base - 1; n++)
        assert_int_equal(assert_harmless(base, n) == BP_OK, n >= n_end);
    struct test_bytes scaled = edited(base, &(struct edits){ { { "scale_included=0\n", FINE_SCALING } } });
    for (size_t n = 0; n < scaled.n - 2; n++)
        assert_int_not_equal(assert_harmless(scaled.data, n), BP_OK);
    test_bytes_clear(&scaled);
}

static void any_byte_may_be_any_other(void **state)
{
    (void)state;
    static const char others[] = "\0 \n\t0123456789.,-+e=()x_\x7F\xC3\xFF";
    struct test_bytes text = edited(base, &(struct edits){ { { "scale_included=0\n", FINE_SCALING } } });
    for (size_t i = 0; i < text.n; i++) {
        const unsigned char kept = text.data[i];
        for (size_t k = 0; k < sizeof others - 1; k++) {
            text.data[i] = (unsigned char)others[k];
            (void)assert_harmless(text.data, text.n);
        }
        for (unsigned bit = 0; bit < 8; bit++) {
            text.data[i] = (unsigned char)(kept ^ 1U << bit);
            (void)assert_harmless(text.data, text.n);
        }
        text.data[i] = kept;
    }
    assert_int_equal(assert_harmless(text.data, text.n), BP_OK);
    test_bytes_clear(&text);
}

static void random_damage_does_no_harm(void **state)
{
    (void)state;
    uint64_t seed = 20240307;
    for (int i = 0; i < 10000; i++) {
        struct test_bytes text = { 0 };
        test_bytes_append(&text, base, sizeof base - 1);
        test_bytes_mutate(&text, &seed, "0123456789.e+-=(), \n\tinfa");
        (void)assert_harmless(text.data, text.n);
        test_bytes_clear(&text);
    }
}

/* ---- memory ------------------------------------------------------------------------------------------------------------ */

/* Counts promise much, and then as many bytes come as are there. */
static void memory_is_as_the_bytes_justify_whatever_is_promised(void **state)
{
    (void)state;
    static const char *const beginnings[] = {
        "FANN_FLO_2.1\nnum_layers=4294967295\nlayer_sizes=",
        "FANN_FLO_2.1\nnum_layers=2\nlayer_sizes=4294967295 4294967295\n" NEURONS_KEY,
        "FANN_FLO_2.1\nnum_layers=2\nlayer_sizes=4294967295 2\nscale_included=1\nscale_mean_in=",
        "FANN_FLO_2.1\nnum_layers=2\nlayer_sizes=2 4294967295\n" NEURONS_KEY "(0,0,0)(0,0,0)",
        "FANN_FLO_2.1\nnum_layers=2\nlayer_sizes=4294967295 2\ncascade_activation_functions_count=4294967295\n"
        "cascade_activation_functions=",
    };
    static const char *const repeated[] = { "2 ", "(0,0,0)", "1 ", "(2,0,1)", "3 " };
    for (size_t i = 0; i < COUNT(beginnings); i++)
        for (size_t n = 10; n < 200000; n = n * 7 / 3) {
            struct test_bytes text = { 0 };
            test_bytes_append_text(&text, beginnings[i]);
            for (size_t k = 0; k < n; k++)
                test_bytes_append_text(&text, repeated[i]);
            assert_int_equal(assert_harmless(text.data, text.n), BP_ERR_FORMAT);
            assert_non_null(strstr(bp_error_message(), "the end"));
            test_bytes_clear(&text);
        }
}

/* As many connections as a large network has take their share, and no more. */
static void a_large_network_takes_little_more_than_itself(void **state)
{
    (void)state;
    enum { N = 60, LAYERS = 20 };
    struct test_bytes text = { 0 };
    char part[64];
    (void)snprintf(part, sizeof part, "FANN_FLO_2.1\nnum_layers=%d\nlayer_sizes=", LAYERS + 1);
    test_bytes_append_text(&text, part);
    for (int l = 0; l <= LAYERS; l++)
        test_bytes_append_text(&text, "61 ");
    test_bytes_append_text(&text, "\nconnection_rate=1\nnetwork_type=0\n" NEURONS_KEY);
    for (int l = 0; l <= LAYERS; l++)
        for (int i = 0; i <= N; i++)
            test_bytes_append_text(&text, l == 0 || i == N ? "(0,0,0)" : "(61,5,1)");
    test_bytes_append_text(&text, "\n" CONNECTIONS_KEY);
    for (int l = 0; l < LAYERS; l++)
        for (int i = 0; i < N * (N + 1); i++) {
            (void)snprintf(part, sizeof part, "(%d,1)", l * (N + 1) + i % (N + 1));
            test_bytes_append_text(&text, part);
        }
    assert_int_equal(assert_harmless(text.data, text.n), BP_OK);
    test_bytes_clear(&text);
}

static void assert_every_failed_allocation_is_survived(const struct test_bytes *bytes)
{
    size_t fail_at = 0;
    struct test_heap heap;
    do {
        test_heap_init(&heap);
        heap.fail_at = ++fail_at;
        bp_network net;
        memset(&net, 0xA5, sizeof net);
        const bp_status status = bytes == NULL
                                     ? bp_network_load_fann(&net, path_of("scaled_elliot", "net"), &heap.allocator)
                                     : load(&net, bytes->data, bytes->n, &heap.allocator);
        assert_int_equal(status, heap.n_failed > 0 ? BP_ERR_MEMORY : BP_OK);
        if (status == BP_OK) {
            heap.fail_at = 0;
            assert_predicts_as_fann(&net, "scaled_elliot");
            bp_network_free(&net);
        } else {
            assert_non_null(strstr(bp_error_message(), "no memory"));
        }
        assert_zeroed(&net);
        assert_true(test_heap_is_clean(&heap));
    } while (heap.n_failed > 0);
    assert_true(fail_at > 12);
}

static void a_failed_allocation_is_an_error_and_leaves_nothing_behind(void **state)
{
    (void)state;
    assert_every_failed_allocation_is_survived(NULL);
    struct test_bytes text = test_file_content(path_of("scaled_elliot", "net"));
    assert_every_failed_allocation_is_survived(&text);
#ifdef BACKPROP_HAVE_ZLIB
    struct test_bytes gzip = test_bytes_gzip(text.data, text.n);
    assert_every_failed_allocation_is_survived(&gzip);
    test_bytes_clear(&gzip);
#endif
    test_bytes_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_predict_what_fann_computed),
        cmocka_unit_test(files_and_memory_gzipped_or_not_give_the_same_network),
        cmocka_unit_test(steepness_is_multiplied_into_the_weights),
        cmocka_unit_test(other_ways_to_write_the_same_are_read),
        cmocka_unit_test(functions_become_ours_with_factors_folded_in),
        cmocka_unit_test(scaling_is_carried_over),
        cmocka_unit_test(scaling_that_does_nothing_is_left_out),
        cmocka_unit_test(scaled_sigmoid_outputs_become_tanh),
        cmocka_unit_test(what_has_no_equal_or_is_malformed_is_refused_with_its_place),
#ifdef BACKPROP_SINGLE
        cmocka_unit_test(what_floats_cannot_hold_is_refused),
#endif
        cmocka_unit_test(a_word_without_end_and_a_nul_are_refused),
        cmocka_unit_test(null_arguments_and_half_an_allocator_are_refused),
        cmocka_unit_test(a_file_cut_short_at_any_byte_is_refused),
        cmocka_unit_test(any_byte_may_be_any_other),
        cmocka_unit_test(random_damage_does_no_harm),
        cmocka_unit_test(memory_is_as_the_bytes_justify_whatever_is_promised),
        cmocka_unit_test(a_large_network_takes_little_more_than_itself),
        cmocka_unit_test(a_failed_allocation_is_an_error_and_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
