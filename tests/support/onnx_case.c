// SPDX-License-Identifier: MIT
#include "support/onnx_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "backprop/propagation.h"
#include "backprop/workspace.h"

#define R(x) ((bp_real)(x))

enum { HIDDEN = 5 };

/* Every activation but the custom one, which is the last. */
#define N_CASES ((size_t)BP_CUSTOM_ACTIVATION * BP_N_NORMALIZATIONS * ONNX_CASE_N_SCALINGS * 2)

size_t onnx_case_count(void)
{
    return N_CASES;
}

struct onnx_case onnx_case_at(size_t i)
{
    struct onnx_case c = { .no_bias = i % 2 == 1 };
    i /= 2;
    c.scaling = (enum onnx_case_scaling)(i % ONNX_CASE_N_SCALINGS);
    i /= ONNX_CASE_N_SCALINGS;
    c.normalization = (bp_normalization)(i % BP_N_NORMALIZATIONS);
    c.activation = (bp_activation)(i / BP_N_NORMALIZATIONS);
    return c;
}

void onnx_case_name(const struct onnx_case *c, char name[ONNX_CASE_NAME_SIZE])
{
    static const char *const scalings[] = { "plain", "inputs", "both" };
    (void)snprintf(name, ONNX_CASE_NAME_SIZE, "%s-%s-%s-%s", bp_activation_name(c->activation),
                   bp_normalization_name(c->normalization), scalings[c->scaling], c->no_bias ? "no_bias" : "bias");
}

/* A number in [low, high): multiples of 2^-24, the same in both precisions. */
static bp_real next(uint32_t *seed, double low, double high)
{
    *seed = *seed * 1664525U + 1013904223U;
    return R(low + (high - low) * (double)(*seed >> 8) / 16777216.0);
}

static void fill(size_t n, bp_real *x, uint32_t *seed, double low, double high)
{
    for (size_t i = 0; x != NULL && i < n; i++)
        x[i] = next(seed, low, high);
}

static void set_scaling(bp_network *net, enum onnx_case_scaling scaling, uint32_t *seed)
{
    bp_real in_center[ONNX_CASE_N_IN], in_scale[ONNX_CASE_N_IN], out_center[ONNX_CASE_N_OUT], out_scale[ONNX_CASE_N_OUT];
    fill(ONNX_CASE_N_IN, in_center, seed, -1, 1);
    fill(ONNX_CASE_N_IN, in_scale, seed, 0.5, 3);
    fill(ONNX_CASE_N_OUT, out_center, seed, -2, 2);
    fill(ONNX_CASE_N_OUT, out_scale, seed, 0.5, 10);
    if (scaling == ONNX_CASE_INPUTS)
        assert_int_equal(bp_network_set_scaling(net, in_center, in_scale, NULL, NULL), BP_OK);
    if (scaling == ONNX_CASE_BOTH)
        assert_int_equal(bp_network_set_scaling(net, in_center, in_scale, out_center, out_scale), BP_OK);
}

void onnx_case_network(bp_network *net, const struct onnx_case *c)
{
    const bool is_probability = c->activation == BP_SIGMOID || c->activation == BP_SOFTMAX;
    const bool has_parameter = c->activation == BP_LEAKY_RELU || c->activation == BP_ELU;
    const bp_real parameter = has_parameter ? R(0.3) : R(0);
    const bool hidden_only = is_probability && c->scaling == ONNX_CASE_BOTH;
    const bp_layer_config layers[] = {
        { .n_out = HIDDEN,
          .activation = c->activation,
          .parameter = parameter,
          .normalization = c->normalization,
          .no_bias = c->no_bias,
          .dropout = R(0.25) },
        { .n_out = ONNX_CASE_N_OUT,
          .activation = hidden_only ? BP_IDENTITY : c->activation,
          .parameter = hidden_only ? R(0) : parameter,
          .no_bias = c->no_bias },
    };
    const bp_network_config config = { .n_in = ONNX_CASE_N_IN, .n_layers = 2, .layers = layers };
    assert_int_equal(bp_network_init(net, &config), BP_OK);

    uint32_t seed = 7;
    fill(net->parameters.n_params, net->parameters.params, &seed, -1.5, 1.5);
    fill(HIDDEN, net->layers[0].running_mean, &seed, -1, 1);
    fill(HIDDEN, net->layers[0].running_var, &seed, 0.5, 2);
    set_scaling(net, c->scaling, &seed);
}

void onnx_case_inputs(bp_real *X)
{
    uint32_t seed = 1;
    fill((size_t)ONNX_CASE_ROWS * ONNX_CASE_N_IN, X, &seed, -3, 3);
}

void onnx_case_wide(bp_network *net)
{
    const bp_layer_config layers[] = {
        { .n_out = 512, .activation = BP_RELU, .normalization = BP_BATCH_NORMALIZATION, .dropout = R(0.2) },
        { .n_out = 256, .activation = BP_GELU, .normalization = BP_LAYER_NORMALIZATION },
        { .n_out = 10, .activation = BP_SOFTMAX },
    };
    const bp_network_config config = { .n_in = ONNX_CASE_WIDE_N_IN, .n_layers = 3, .layers = layers, .seed = 3 };
    assert_int_equal(bp_network_init(net, &config), BP_OK);
}

void onnx_case_wide_inputs(bp_real *X)
{
    uint32_t seed = 5;
    fill((size_t)ONNX_CASE_WIDE_ROWS * ONNX_CASE_WIDE_N_IN, X, &seed, 0, 1);
}

void onnx_case_predict(const bp_network *net, const bp_real *X, size_t batch, bp_real *Y)
{
    bp_workspace ws;
    assert_int_equal(bp_workspace_init(&ws, net, batch, BP_INFERENCE), BP_OK);
    assert_int_equal(bp_predict(net, &ws, X, batch, Y), BP_OK);
    bp_workspace_free(&ws);
}

void onnx_case_activation(bp_network *net, bp_activation activation)
{
    const bp_layer_config layer = { .n_out = 1, .activation = activation, .no_bias = true };
    const bp_network_config config = { .n_in = 1, .n_layers = 1, .layers = &layer };
    assert_int_equal(bp_network_init(net, &config), BP_OK);
    net->layers[0].W[0] = R(1);
}

/* 0, then 2^-24, 2^-23, ... 2^23 (about 1.5, so that no value is special), and all of them negative. */
void onnx_case_tails(bp_real *z)
{
    double magnitude = 1.4375 / 16777216.0;
    z[0] = R(0);
    for (size_t i = 1; i < ONNX_CASE_N_TAILS; i += 2) {
        z[i] = R(magnitude);
        z[i + 1] = R(-magnitude);
        magnitude *= 2;
    }
}
