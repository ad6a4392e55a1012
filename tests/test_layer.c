// SPDX-License-Identifier: MIT
/*
 * Settings of single layers: functions of the user's, layers without biases, frozen ones, orthogonal weights.
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
#include "backprop/rng.h"
#include "backprop/workspace.h"
#include "support/close.h"
#include "support/levels.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

enum { IN = 3, UNITS = 4, OUT = 2, ROWS = 6 };

static void fill_normal(bp_real *x, size_t n, uint64_t seed)
{
    bp_rng rng;
    bp_rng_init(&rng, seed);
    for (size_t i = 0; i < n; i++)
        x[i] = R(bp_rng_normal(&rng));
}

static void make(bp_network *net, size_t n_layers, const bp_layer_config *layers)
{
    const bp_network_config config = { .n_in = IN, .n_layers = n_layers, .layers = layers, .seed = 6 };
    assert_int_equal(bp_network_init(net, &config), BP_OK);
}

/* ---- Functions of one's own -------------------------------------------------------------------------------------- */

/* p times the leaky relu of slope *user: what is handed over must arrive. */
static void steep_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    for (size_t i = 0; i < rows * n; i++)
        A[i] = parameter * (Z[i] > R(0) ? Z[i] : *(bp_real *)user * Z[i]);
}

static void steep_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                            const bp_real *dA, bp_real *dZ)
{
    (void)A;
    for (size_t i = 0; i < rows * n; i++)
        dZ[i] = parameter * (Z[i] > R(0) ? dA[i] : *(bp_real *)user * dA[i]);
}

static bp_real slope = R(0.125);
static const bp_activation_function steep = {
    .name = "steep", .apply = steep_apply, .pull_back = steep_pull_back, .user = &slope
};

/* Outputs, and the gradient for parameters and inputs from some dY. */
struct pass {
    bp_real Y[ROWS * OUT], grad[IN * UNITS + UNITS + UNITS * OUT + OUT], dX[ROWS * IN];
};

static void run(const bp_network *net, struct pass *pass)
{
    bp_workspace ws;
    bp_real X[ROWS * IN], dY[ROWS * OUT];
    fill_normal(X, COUNT(X), 1);
    fill_normal(dY, COUNT(dY), 2);
    *pass = (struct pass){ 0 };
    assert_true(net->parameters.n_params <= COUNT(pass->grad));
    assert_int_equal(bp_workspace_init(&ws, net, ROWS, BP_TRAINING), BP_OK);
    assert_int_equal(bp_network_forward(net, &ws, X, ROWS), BP_OK);
    assert_int_equal(bp_network_backward(net, &ws, dY, pass->grad, pass->dX, BP_OVERWRITE), BP_OK);
    memcpy(pass->Y, ws.Y, sizeof pass->Y);
    bp_workspace_free(&ws);
}

/* With the parameter 1 it is the library's leaky relu, bit by bit; in hidden and in output layers. */
static void function_of_ones_own_is_used_like_the_librarys(void **state)
{
    (void)state;
    const bp_layer_config of_the_library[] = { { .n_out = UNITS, .activation = BP_LEAKY_RELU, .parameter = slope },
                                               { .n_out = OUT, .activation = BP_LEAKY_RELU, .parameter = slope } };
    const bp_init he = { .kind = BP_INIT_HE_NORMAL };
    const bp_layer_config of_ones_own[] = {
        { .n_out = UNITS, .activation = BP_CUSTOM_ACTIVATION, .custom = &steep, .parameter = R(1), .weights = he },
        { .n_out = OUT, .activation = BP_CUSTOM_ACTIVATION, .custom = &steep, .parameter = R(1), .weights = he },
    };
    bp_network a, b, clone;
    struct pass of_a, of_b, of_clone;
    const bool was_forced = take_gemm(); /* with functions of one's own no network is small */
    make(&a, 2, of_the_library);
    make(&b, 2, of_ones_own);
    assert_int_equal(bp_network_clone(&clone, &b, NULL), BP_OK);
    run(&a, &of_a);
    run(&b, &of_b);
    run(&clone, &of_clone);
    assert_memory_equal(&of_a, &of_b, sizeof of_a);
    assert_memory_equal(&of_a, &of_clone, sizeof of_a);
    hand_back(was_forced);
    bp_network_free(&clone);
    bp_network_free(&b);
    bp_network_free(&a);
}

static void parameter_of_a_function_of_ones_own_is_free(void **state)
{
    (void)state;
    const double parameters[] = { 0, -2.5, 7 };
    for (size_t i = 0; i < COUNT(parameters); i++) {
        const bp_layer_config layers[] = {
            { .n_out = OUT, .activation = BP_CUSTOM_ACTIVATION, .custom = &steep, .parameter = R(parameters[i]) }
        };
        bp_network net;
        make(&net, 1, layers);
        assert_true(net.layers[0].parameter == R(parameters[i]));
        assert_ptr_equal(net.layers[0].custom, &steep);
        bp_network_free(&net);
    }
}

static void incomplete_functions_are_refused(void **state)
{
    (void)state;
    const bp_activation_function nameless = { .apply = steep_apply, .pull_back = steep_pull_back };
    const bp_activation_function empty_name = { .name = "", .apply = steep_apply, .pull_back = steep_pull_back };
    const bp_activation_function no_apply = { .name = "odd", .pull_back = steep_pull_back };
    const bp_activation_function no_way_back = { .name = "odd", .apply = steep_apply };
    const struct {
        bp_layer_config layer;
        const char *part;
    } refused[] = {
        { { .n_out = 1, .activation = BP_CUSTOM_ACTIVATION }, "its function is NULL" },
        { { .n_out = 1, .activation = BP_TANH, .custom = &steep }, "the activation is tanh" },
        { { .n_out = 1, .activation = BP_CUSTOM_ACTIVATION, .custom = &nameless }, "no name" },
        { { .n_out = 1, .activation = BP_CUSTOM_ACTIVATION, .custom = &empty_name }, "no name" },
        { { .n_out = 1, .activation = BP_CUSTOM_ACTIVATION, .custom = &no_apply }, "odd has no apply" },
        { { .n_out = 1, .activation = BP_CUSTOM_ACTIVATION, .custom = &no_way_back }, "odd has no pull_back" },
    };
    for (size_t i = 0; i < COUNT(refused); i++) {
        const bp_network_config config = { .n_in = 1, .n_layers = 1, .layers = &refused[i].layer };
        bp_network net;
        assert_refused(bp_network_init(&net, &config), BP_ERR_ARGUMENT, "layer 0", refused[i].part);
    }
}

/* ---- Without biases ---------------------------------------------------------------------------------------------- */

/* The same as a layer whose biases are 0. */
static void layer_without_biases_is_one_with_zeros(void **state)
{
    (void)state;
    const bp_layer_config with[] = { { .n_out = UNITS, .activation = BP_TANH }, { .n_out = OUT } };
    const bp_layer_config without[] = { { .n_out = UNITS, .activation = BP_TANH, .no_bias = true },
                                        { .n_out = OUT, .no_bias = true } };
    bp_network a, b;
    struct pass of_a, of_b;
    make(&a, 2, with);
    make(&b, 2, without);
    assert_int_equal(b.parameters.n_segments, 2);
    assert_int_equal(b.parameters.n_params, IN * UNITS + UNITS * OUT);
    assert_true(b.layers[0].b == NULL && b.layers[1].b == NULL && a.topology != b.topology);
    run(&a, &of_a);
    run(&b, &of_b);
    assert_memory_equal(of_a.Y, of_b.Y, sizeof of_a.Y);
    assert_memory_equal(of_a.dX, of_b.dX, sizeof of_a.dX);
    assert_memory_equal(of_a.grad, of_b.grad, IN * UNITS * sizeof(bp_real));
    assert_memory_equal(of_a.grad + IN * UNITS + UNITS, of_b.grad + IN * UNITS, UNITS * OUT * sizeof(bp_real));
    bp_network_free(&b);
    bp_network_free(&a);
}

static void initialiser_of_biases_that_are_not_there_is_refused(void **state)
{
    (void)state;
    const bp_layer_config layers[] = { { .n_out = 1, .no_bias = true, .biases = { .kind = BP_INIT_ZEROS } } };
    const bp_network_config config = { .n_in = 1, .n_layers = 1, .layers = layers };
    bp_network net;
    assert_refused(bp_network_init(&net, &config), BP_ERR_ARGUMENT, "layer 0", "biases", "no_bias");
}

/* ---- Frozen ------------------------------------------------------------------------------------------------------ */

static void segments_of_frozen_layers_are_frozen(void **state)
{
    (void)state;
    const bp_layer_config layers[] = { { .n_out = UNITS, .frozen = true, .normalization = BP_LAYER_NORMALIZATION },
                                       { .n_out = OUT } };
    bp_network net, clone;
    make(&net, 2, layers);
    assert_int_equal(bp_network_clone(&clone, &net, NULL), BP_OK);
    assert_int_equal(clone.parameters.n_segments, 6);
    for (size_t s = 0; s < 6; s++)
        assert_true(clone.parameters.segments[s].frozen == (s < 4));
    assert_true(net.layers[0].frozen && !net.layers[1].frozen);
    bp_network_free(&clone);
    bp_network_free(&net);
}

/* What a layer is made with, and what it becomes, is the same. */
static void layers_freeze_and_thaw_as_if_made_so(void **state)
{
    (void)state;
    const bp_layer_config layers[] = { { .n_out = UNITS, .normalization = BP_BATCH_NORMALIZATION }, { .n_out = OUT } };
    for (size_t l = 0; l < 2; l++) {
        bp_layer_config frozen_layers[] = { layers[0], layers[1] };
        frozen_layers[l].frozen = true;
        bp_network made, set;
        make(&made, 2, frozen_layers);
        make(&set, 2, layers);
        for (int frozen = 1; frozen >= 0; frozen--) {
            assert_int_equal(bp_network_set_frozen(&set, l, frozen), BP_OK);
            for (size_t s = 0; s < 6; s++)
                assert_true(set.parameters.segments[s].frozen == (frozen && made.parameters.segments[s].frozen));
            for (size_t k = 0; k < 2; k++)
                assert_true(set.layers[k].frozen == (frozen && k == l));
            assert_true(set.topology == made.topology); /* workspaces keep fitting */
        }
        bp_network_free(&set);
        bp_network_free(&made);
    }
}

static void a_workspace_serves_a_layer_frozen_and_thawed(void **state)
{
    (void)state;
    const bp_layer_config layers[] = { { .n_out = OUT, .normalization = BP_BATCH_NORMALIZATION } };
    bp_network net;
    bp_workspace ws;
    bp_real X[ROWS * IN], normalized[ROWS * OUT];
    make(&net, 1, layers);
    fill_normal(X, COUNT(X), 4);
    assert_int_equal(bp_workspace_init(&ws, &net, ROWS, BP_TRAINING), BP_OK);
    assert_int_equal(bp_network_forward(&net, &ws, X, ROWS), BP_OK);
    memcpy(normalized, ws.Y, sizeof normalized);
    assert_refused(bp_network_forward(&net, &ws, X, 1), BP_ERR_SHAPE, "at least 2 rows");

    assert_int_equal(bp_network_set_frozen(&net, 0, true), BP_OK); /* by running statistics, 0 and 1 */
    assert_int_equal(bp_network_forward(&net, &ws, X, 1), BP_OK);
    const bp_real *w = net.layers[0].W;
    const double z = (double)(w[0] * X[0] + w[1] * X[1] + w[2] * X[2]);
    assert_close((double)ws.Y[0], z / sqrt(1 + 1e-5), 100 * (double)BP_REAL_EPSILON);
    assert_int_equal(bp_network_update_state(&net, &ws), BP_OK);
    assert_true(net.state[0] == R(0));

    assert_int_equal(bp_network_set_frozen(&net, 0, false), BP_OK);
    assert_int_equal(bp_network_forward(&net, &ws, X, ROWS), BP_OK);
    assert_memory_equal(ws.Y, normalized, sizeof normalized);
    bp_workspace_free(&ws);
    bp_network_free(&net);
}

static void layers_that_are_not_there_are_not_frozen(void **state)
{
    (void)state;
    const bp_layer_config layers[] = { { .n_out = OUT } };
    bp_network net, none = { 0 };
    make(&net, 1, layers);
    assert_refused(bp_network_set_frozen(&net, 1, true), BP_ERR_SHAPE, "layer is 1, the network has 1");
    assert_refused(bp_network_set_frozen(NULL, 0, true), BP_ERR_ARGUMENT, "net is NULL");
    assert_refused(bp_network_set_frozen(&none, 0, true), BP_ERR_STATE, "no layers");
    assert_false(net.parameters.segments[0].frozen || net.parameters.segments[1].frozen);
    bp_network_free(&net);
}

/* ---- The summary ------------------------------------------------------------------------------------------------- */

static void summary_says_what_is_special_about_a_layer(void **state)
{
    (void)state;
    const bp_layer_config layers[] = {
        { .n_out = 4, .normalization = BP_BATCH_NORMALIZATION, .dropout = R(0.5), .no_bias = true, .frozen = true },
        { .n_out = 4, .activation = BP_HARD_SIGMOID, .normalization = BP_LAYER_NORMALIZATION },
        { .n_out = 2, .activation = BP_CUSTOM_ACTIVATION, .custom = &steep },
    };
    const char *const lines[] = {
        "layer       inputs    outputs  activation      parameters\n",
        "    0            3          4  identity                20  batch normalization, dropout 0.5, no bias, frozen\n",
        "    1            4          4  hard_sigmoid            28  layer normalization\n",
        "    2            4          2  steep                   10\n",
        "total            3          2                          58\n",
        "scaled: inputs, outputs\n",
    };
    const bp_real center[3] = { R(0), R(0), R(0) }, scale[3] = { R(1), R(2), R(3) };
    bp_network net;
    make(&net, COUNT(layers), layers);
    assert_int_equal(bp_network_set_scaling(&net, center, scale, center, scale), BP_OK);
    FILE *stream = tmpfile();
    assert_non_null(stream);
    assert_int_equal(bp_network_summary(&net, stream), BP_OK);
    rewind(stream);
    for (size_t i = 0; i < COUNT(lines); i++) {
        char line[256];
        assert_non_null(fgets(line, sizeof line, stream));
        assert_string_equal(line, lines[i]);
    }
    assert_int_equal(fgetc(stream), EOF);
    assert_int_equal(fclose(stream), 0);
    bp_network_free(&net);
}

/* ---- Orthogonal weights ------------------------------------------------------------------------------------------ */

/* W W^T where W is wide, W^T W where it is tall: the unit matrix times gain^2. */
static void assert_orthogonal(const bp_layer *layer, double gain)
{
    const bool wide = layer->n_out <= layer->n_in;
    const size_t n = wide ? layer->n_out : layer->n_in, length = wide ? layer->n_in : layer->n_out;
    const size_t step = wide ? layer->n_in : 1, stride = wide ? 1 : layer->n_in;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double product = 0;
            for (size_t k = 0; k < length; k++)
                product += (double)layer->W[i * step + k * stride] * (double)layer->W[j * step + k * stride];
            assert_close(product, i == j ? gain * gain : 0, 20 * (double)BP_REAL_EPSILON * gain * gain);
        }
}

static void orthogonal_weights_are_orthonormal_times_the_gain(void **state)
{
    (void)state;
    const struct {
        size_t n_in, n_out;
        double gain;
    } shapes[] = { { 40, 40, 0 }, { 57, 20, 0 }, { 20, 57, 0 }, { 1, 9, 0 }, { 9, 1, 0 }, { 1, 1, 0 }, { 30, 7, 1.5 } };
    for (size_t s = 0; s < COUNT(shapes); s++) {
        const bp_layer_config layer = { .n_out = shapes[s].n_out,
                                        .weights = { .kind = BP_INIT_ORTHOGONAL, .a = R(shapes[s].gain) } };
        const bp_network_config config = { .n_in = shapes[s].n_in, .n_layers = 1, .layers = &layer, .seed = s };
        bp_network net;
        assert_int_equal(bp_network_init(&net, &config), BP_OK);
        assert_orthogonal(&net.layers[0], shapes[s].gain != 0 ? shapes[s].gain : 1);
        bp_network_free(&net);
    }
}

/* The first row is never turned round: it is the first row of normal numbers, at length 1. */
static void first_orthogonal_row_is_the_direction_drawn(void **state)
{
    (void)state;
    const bp_layer_config layer = { .n_out = 2, .weights = { .kind = BP_INIT_ORTHOGONAL } };
    bp_real drawn[IN];
    bp_network net;
    make(&net, 1, &layer);
    fill_normal(drawn, IN, 6); /* the seed of make() */
    const double length = sqrt((double)(drawn[0] * drawn[0] + drawn[1] * drawn[1] + drawn[2] * drawn[2]));
    for (size_t k = 0; k < IN; k++)
        assert_close((double)net.layers[0].W[k], (double)drawn[k] / length, 20 * (double)BP_REAL_EPSILON);
    bp_network_free(&net);
}

static void orthogonal_biases_and_endless_gains_are_refused(void **state)
{
    (void)state;
    const bp_layer_config biases = { .n_out = 2, .biases = { .kind = BP_INIT_ORTHOGONAL } };
    const bp_layer_config gain = { .n_out = 2, .weights = { .kind = BP_INIT_ORTHOGONAL, .a = R(INFINITY) } };
    bp_network net;
    assert_refused(bp_network_init(&net, &(bp_network_config){ .n_in = 1, .n_layers = 1, .layers = &biases }),
                   BP_ERR_ARGUMENT, "layer 0", "biases", "weights only");
    assert_refused(bp_network_init(&net, &(bp_network_config){ .n_in = 1, .n_layers = 1, .layers = &gain }),
                   BP_ERR_ARGUMENT, "layer 0", "weights", "gain a is inf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(function_of_ones_own_is_used_like_the_librarys),
        cmocka_unit_test(parameter_of_a_function_of_ones_own_is_free),
        cmocka_unit_test(incomplete_functions_are_refused),
        cmocka_unit_test(layer_without_biases_is_one_with_zeros),
        cmocka_unit_test(initialiser_of_biases_that_are_not_there_is_refused),
        cmocka_unit_test(segments_of_frozen_layers_are_frozen),
        cmocka_unit_test(layers_freeze_and_thaw_as_if_made_so),
        cmocka_unit_test(a_workspace_serves_a_layer_frozen_and_thawed),
        cmocka_unit_test(layers_that_are_not_there_are_not_frozen),
        cmocka_unit_test(summary_says_what_is_special_about_a_layer),
        cmocka_unit_test(orthogonal_weights_are_orthonormal_times_the_gain),
        cmocka_unit_test(first_orthogonal_row_is_the_direction_drawn),
        cmocka_unit_test(orthogonal_biases_and_endless_gains_are_refused),
    };
    int n_failed = 0;
    AT_EACH_PATH (path)
        n_failed += cmocka_run_group_tests_name(name_of_path(path), tests, NULL, NULL);
    return n_failed;
}
