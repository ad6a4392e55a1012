// SPDX-License-Identifier: MIT
/*
 * A network as an ONNX graph: scaling, layer after layer, scaling back. How a graph becomes bytes is in onnx_file.c.
 */
#include "backprop/export_onnx.h"

#include <stdio.h>

#include "base/status.h"
#include "model/onnx_activation.h"
#include "model/onnx_file.h"
#include "model/onnx_graph.h"
#include "model/tensors.h"
#include "net/network.h"

#define MOST_ROWS ((size_t)2147483647)

typedef struct bpi_onnx_graph onnx_graph;
typedef struct bpi_onnx_value value;

/* ---- Tensors of a network -------------------------------------------------------------------------------------------- */

static double number_of_array(const void *source, size_t i)
{
    return (double)((const bp_real *)source)[i];
}

/* Batch normalization by running statistics, as predictions compute it (net/layer.c): Z factor + shift, Z without b. */
static bp_real factor_of(const bp_layer *layer, size_t i)
{
    return (bp_real)1 / BPI_SQRT(layer->running_var[i] + layer->epsilon) * layer->gamma[i];
}

static double number_of_factor(const void *source, size_t i)
{
    return (double)factor_of(source, i);
}

static double number_of_shift(const void *source, size_t i)
{
    const bp_layer *layer = source;
    const bp_real center = layer->running_mean[i] - (layer->b != NULL ? layer->b[i] : (bp_real)0);
    return (double)(layer->beta[i] - center * factor_of(layer, i));
}

/* Adds the n numbers of an array. */
static value vector(onnx_graph *g, const char *name, const bp_real *numbers, size_t n, bool divides)
{
    struct bpi_onnx_tensor tensor = {
        .n_dims = 1, .dims = { n }, .number = number_of_array, .source = numbers, .divides = divides
    };
    (void)snprintf(tensor.name, sizeof tensor.name, "%s", name);
    return bpi_onnx_tensor(g, &tensor);
}

/* Adds n_out numbers that belong to a layer; its name is "<module>.<part>". */
static value layer_vector(onnx_graph *g, size_t module, const char *part, double (*number)(const void *source, size_t i),
                          const void *source, size_t n)
{
    struct bpi_onnx_tensor tensor = { .n_dims = 1, .dims = { n }, .number = number, .source = source };
    (void)snprintf(tensor.name, sizeof tensor.name, "%zu.%s", module, part);
    return bpi_onnx_tensor(g, &tensor);
}

/* ---- Layers ---------------------------------------------------------------------------------------------------------- */

/* Z = A_in W^T + 1 b^T, without b where batch normalization takes it in. */
static value add_linear(onnx_graph *g, const bp_layer *layer, size_t module, value A_in)
{
    struct bpi_onnx_tensor W = {
        .n_dims = 2, .dims = { layer->n_out, layer->n_in }, .number = number_of_array, .source = layer->W
    };
    (void)snprintf(W.name, sizeof W.name, "%zu.weight", module);
    struct bpi_onnx_node gemm = { .op_type = "Gemm", .n_inputs = 2, .attribute = { .name = "transB", .value = 1 } };
    gemm.inputs[0] = A_in;
    gemm.inputs[1] = bpi_onnx_tensor(g, &W);
    if (layer->b != NULL && layer->normalization != BP_BATCH_NORMALIZATION)
        gemm.inputs[gemm.n_inputs++] = layer_vector(g, module, "bias", number_of_array, layer->b, layer->n_out);
    return bpi_onnx_node(g, &gemm);
}

static value add_no_normalization(onnx_graph *g, const bp_layer *layer, size_t module, value z)
{
    (void)g, (void)layer, (void)module;
    return z;
}

static value add_batch_normalization(onnx_graph *g, const bp_layer *layer, size_t module, value z)
{
    const value factor = layer_vector(g, module, "factor", number_of_factor, layer, layer->n_out);
    const value shift = layer_vector(g, module, "shift", number_of_shift, layer, layer->n_out);
    const value product = bpi_onnx_binary(g, "Mul", z, factor);
    return bpi_onnx_binary(g, "Add", product, shift);
}

/* (Z - mean) / sqrt(variance + epsilon) gamma + beta, mean and variance along each row. */
static value add_layer_normalization(onnx_graph *g, const bp_layer *layer, size_t module, value z)
{
    const struct bpi_onnx_attribute axes = { .name = "axes", .value = 1, .is_list = true };
    const value gamma = layer_vector(g, module, "weight", number_of_array, layer->gamma, layer->n_out);
    const value beta = layer_vector(g, module, "bias", number_of_array, layer->beta, layer->n_out);
    const value mean = bpi_onnx_along(g, "ReduceMean", z, &axes);
    const value centered = bpi_onnx_binary(g, "Sub", z, mean);
    const value squares = bpi_onnx_binary(g, "Mul", centered, centered);
    const value variance = bpi_onnx_along(g, "ReduceMean", squares, &axes);
    const value above_0 = bpi_onnx_binary(g, "Add", variance, bpi_onnx_constant((double)layer->epsilon));
    const value deviation = bpi_onnx_unary(g, "Sqrt", above_0);
    const value normalized = bpi_onnx_binary(g, "Div", centered, deviation);
    const value scaled = bpi_onnx_binary(g, "Mul", normalized, gamma);
    return bpi_onnx_binary(g, "Add", scaled, beta);
}

static value (*const normalizations[BP_N_NORMALIZATIONS])(onnx_graph *g, const bp_layer *layer, size_t module, value z) = {
    [BP_NO_NORMALIZATION] = add_no_normalization,
    [BP_BATCH_NORMALIZATION] = add_batch_normalization,
    [BP_LAYER_NORMALIZATION] = add_layer_normalization,
};

/* ---- The network ----------------------------------------------------------------------------------------------------- */

static value add_network(onnx_graph *g, const bp_network *net)
{
    value a = bpi_onnx_input;
    if (net->scales_inputs) {
        const value center = vector(g, "input.center", net->in_center, net->n_in, false);
        const value scale = vector(g, "input.scale", net->in_scale, net->n_in, true);
        const value centered = bpi_onnx_binary(g, "Sub", a, center);
        a = bpi_onnx_binary(g, "Div", centered, scale);
    }
    for (size_t l = 0, module = 0; l < net->n_layers; l++) {
        const bp_layer *layer = &net->layers[l];
        a = add_linear(g, layer, module, a);
        a = normalizations[layer->normalization](g, layer, module + 1, a);
        a = bpi_onnx_activation(g, layer->activation, (double)layer->parameter, a);
        const struct bpi_layer_form form = bpi_form_of_layer(layer);
        module += bpi_form_modules(&form);
    }
    if (net->scales_outputs) {
        const value scale = vector(g, "output.scale", net->out_scale, net->n_out, false);
        const value center = vector(g, "output.center", net->out_center, net->n_out, false);
        const value scaled = bpi_onnx_binary(g, "Mul", a, scale);
        a = bpi_onnx_binary(g, "Add", scaled, center);
    }
    return a;
}

/* ---- What is refused ------------------------------------------------------------------------------------------------- */

static bool element_is_f64(bp_element element)
{
    return element == BP_F64 || (element == BP_REAL && sizeof(bp_real) == sizeof(double));
}

static bp_status check_config(const char *function, const bp_export_onnx_config *config)
{
    if (config->element != BP_REAL && config->element != BP_F64 && config->element != BP_F32)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: element is %d, expected BP_REAL, BP_F64 or BP_F32", function,
                        (int)config->element);
    if (config->batch > MOST_ROWS)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: batch is %zu, expected at most %zu, or 0 for any", function, config->batch,
                        MOST_ROWS);
    return BP_OK;
}

static bp_status check_layer(const char *function, const bp_layer *layer, size_t l, bool is_f64)
{
    if (layer->activation == BP_CUSTOM_ACTIVATION)
        return bpi_fail(BP_ERR_UNSUPPORTED, "%s: layer %zu has the custom activation '%s', which ONNX has no operators for",
                        function, l, layer->custom->name);
    if (layer->normalization == BP_LAYER_NORMALIZATION && !is_f64 && (float)layer->epsilon == 0)
        return bpi_fail(BP_ERR_NONFINITE,
                        "%s: layer %zu has the epsilon %g, which is 0 as a float: rows of equal numbers "
                        "would be divided by it",
                        function, l, (double)layer->epsilon);
    return BP_OK;
}

static bp_status check(const char *function, const bp_network *net, const bp_export_onnx_config *config)
{
    BPI_TRY(bpi_network_check(function, "net", net));
    BPI_TRY(check_config(function, config));
    for (size_t l = 0; l < net->n_layers; l++)
        BPI_TRY(check_layer(function, &net->layers[l], l, element_is_f64(config->element)));
    return BP_OK;
}

/* ---- Exporting ------------------------------------------------------------------------------------------------------- */

/* Writes to a path, or where that is NULL into memory: the bytes are writer->memory then. */
static bp_status write_file(const struct bpi_onnx_file *file, const struct bpi_onnx_model *model, const char *path,
                            struct bpi_writer *writer)
{
    if (path != NULL)
        BPI_TRY(bpi_writer_open_path(writer, path, &model->net->allocator));
    else
        bpi_writer_open_memory(writer, &model->net->allocator);
    bpi_onnx_write(file, model, writer);
    return bpi_writer_finish(writer);
}

static bp_status export(const char *function, const bp_network *net, const bp_export_onnx_config *config, const char *path,
                        struct bpi_writer *writer)
{
    static const bp_export_onnx_config defaults = { 0 };
    const bp_export_onnx_config *settings = config != NULL ? config : &defaults;
    BPI_TRY(check(function, net, settings));

    struct bpi_onnx_graph graph = { .allocator = net->allocator, .is_f64 = element_is_f64(settings->element) };
    const struct bpi_onnx_model model = {
        .function = function, .net = net, .graph = &graph, .output = add_network(&graph, net), .batch = settings->batch
    };
    struct bpi_onnx_file file = { 0 };
    bp_status status = graph.status;
    if (status == BP_OK)
        status = bpi_onnx_encode(&file, &model);
    if (status == BP_OK)
        status = write_file(&file, &model, path, writer);
    bpi_onnx_release(&file);
    bpi_onnx_graph_release(&graph);
    return status;
}

bp_status bp_network_export_onnx(const bp_network *net, const char *path, const bp_export_onnx_config *config)
{
    struct bpi_writer writer;
    BPI_NOT_NULL(path);
    return export(__func__, net, config, path, &writer);
}

bp_status bp_network_export_onnx_memory(const bp_network *net, bp_bytes *bytes, const bp_export_onnx_config *config)
{
    struct bpi_writer writer;
    BPI_NOT_NULL(bytes);
    *bytes = (bp_bytes){ 0 };
    BPI_TRY(export(__func__, net, config, NULL, &writer));
    *bytes = (bp_bytes){ .data = writer.memory.data, .size = writer.memory.n, .allocator = net->allocator };
    return BP_OK;
}
