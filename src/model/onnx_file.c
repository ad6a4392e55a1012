// SPDX-License-Identifier: MIT
/*
 * The messages of onnx.proto that a graph of ours needs; the comments name them, and their fields.
 *
 *   model:  IR version, producer | graph: nodes, name | tensors | inputs, outputs | operators, metadata
 *                                start                           end
 *
 * The length of the graph stands before it. It follows from the sizes of the tensors, so that these are written as they come,
 * number by number, and never gathered in memory. Numbers are packed into float_data and double_data: no longer than raw_data,
 * and the type stands in the file twice, in words and by the field.
 */
#include "model/onnx_file.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

#include "backprop/version.h"
#include "base/status.h"

enum { IR_VERSION = 8, OPSET = 13 };
enum { DATA_FLOAT = 1, DATA_DOUBLE = 11 };               /* TensorProto.DataType */
enum { ATTRIBUTE_INT = 2, ATTRIBUTE_INTS = 7 };          /* AttributeProto.AttributeType */
enum { TENSOR_FLOAT_DATA = 4, TENSOR_DOUBLE_DATA = 10 }; /* fields of TensorProto */

static size_t number_size(const struct bpi_onnx_model *model)
{
    return model->graph->is_f64 ? sizeof(double) : sizeof(float);
}

static unsigned data_type(const struct bpi_onnx_model *model)
{
    return model->graph->is_f64 ? DATA_DOUBLE : DATA_FLOAT;
}

/* ---- Nodes ----------------------------------------------------------------------------------------------------------- */

/* "X", "Y", a tensor's name, or for nodes in between the operator and the number of the node: "Tanh_3". */
static void put_value(struct bpi_protobuf *message, unsigned field, const struct bpi_onnx_model *model,
                      struct bpi_onnx_value value)
{
    char name[BPI_ONNX_NAME_SIZE];
    if (value.origin == BPI_ONNX_INPUT) {
        bpi_protobuf_text(message, field, "X");
    } else if (value.origin == BPI_ONNX_TENSOR) {
        bpi_protobuf_text(message, field, bpi_onnx_tensors(model->graph)[value.index].name);
    } else if (value.index == model->output.index) {
        bpi_protobuf_text(message, field, "Y");
    } else {
        const char *op_type = bpi_onnx_nodes(model->graph)[value.index].op_type;
        (void)snprintf(name, sizeof name, "%s_%zu", op_type, value.index);
        bpi_protobuf_text(message, field, name);
    }
}

/* AttributeProto: name 1, i 3, ints 8, type 20. */
static void put_attribute(struct bpi_protobuf *message, unsigned field, const struct bpi_onnx_attribute *attribute)
{
    const size_t begun = bpi_protobuf_begin(message, field);
    bpi_protobuf_text(message, 1, attribute->name);
    bpi_protobuf_uint(message, attribute->is_list ? 8 : 3, attribute->value);
    bpi_protobuf_uint(message, 20, attribute->is_list ? ATTRIBUTE_INTS : ATTRIBUTE_INT);
    bpi_protobuf_end(message, begun);
}

/* GraphProto.node 1, a NodeProto: input 1, output 2, name 3, op_type 4, attribute 5. */
static void put_node(struct bpi_protobuf *message, const struct bpi_onnx_model *model, size_t index)
{
    const struct bpi_onnx_node *node = &bpi_onnx_nodes(model->graph)[index];
    const struct bpi_onnx_value result = { .origin = BPI_ONNX_NODE, .index = index };
    char name[BPI_ONNX_NAME_SIZE];
    (void)snprintf(name, sizeof name, "%s_%zu", node->op_type, index);

    const size_t begun = bpi_protobuf_begin(message, 1);
    for (size_t i = 0; i < node->n_inputs; i++)
        put_value(message, 1, model, node->inputs[i]);
    put_value(message, 2, model, result);
    bpi_protobuf_text(message, 3, name);
    bpi_protobuf_text(message, 4, node->op_type);
    if (node->attribute.name != NULL)
        put_attribute(message, 5, &node->attribute);
    bpi_protobuf_end(message, begun);
}

/* ---- Inputs and outputs ---------------------------------------------------------------------------------------------- */

/* TensorShapeProto.dim 1, a Dimension: dim_value 1, dim_param 2. */
static void put_dimension(struct bpi_protobuf *message, size_t size)
{
    const size_t begun = bpi_protobuf_begin(message, 1);
    if (size > 0)
        bpi_protobuf_uint(message, 1, size);
    else
        bpi_protobuf_text(message, 2, "batch");
    bpi_protobuf_end(message, begun);
}

/* A ValueInfoProto: name 1, type 2 {tensor_type 1 {elem_type 1, shape 2}}. */
static void put_value_info(struct bpi_protobuf *message, unsigned field, const struct bpi_onnx_model *model,
                           const char *name, size_t columns)
{
    const size_t info = bpi_protobuf_begin(message, field);
    bpi_protobuf_text(message, 1, name);
    const size_t type = bpi_protobuf_begin(message, 2);
    const size_t tensor_type = bpi_protobuf_begin(message, 1);
    bpi_protobuf_uint(message, 1, data_type(model));
    const size_t shape = bpi_protobuf_begin(message, 2);
    put_dimension(message, model->batch);
    put_dimension(message, columns);
    bpi_protobuf_end(message, shape);
    bpi_protobuf_end(message, tensor_type);
    bpi_protobuf_end(message, type);
    bpi_protobuf_end(message, info);
}

/* ---- Metadata -------------------------------------------------------------------------------------------------------- */

/* A text of JSON in its quotes (RFC 8259, section 7); the text is UTF-8 already. */
static void put_json_text(struct bpi_protobuf *message, const char *text)
{
    bpi_protobuf_raw(message, "\"", 1);
    for (const char *c = text; *c != '\0'; c++) {
        char escaped[8] = { *c, '\0' };
        if (*c == '"' || *c == '\\')
            (void)snprintf(escaped, sizeof escaped, "\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            (void)snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)*c);
        bpi_protobuf_raw(message, escaped, strlen(escaped));
    }
    bpi_protobuf_raw(message, "\"", 1);
}

/* ModelProto.metadata_props 14, a StringStringEntryProto: key 1, value 2. */
static void put_entry(struct bpi_protobuf *message, const char *key, const char *value)
{
    const size_t begun = bpi_protobuf_begin(message, 14);
    bpi_protobuf_text(message, 1, key);
    bpi_protobuf_text(message, 2, value);
    bpi_protobuf_end(message, begun);
}

static void put_names(struct bpi_protobuf *message, const char *key, char *const *names, size_t n)
{
    if (names == NULL)
        return;
    const size_t begun = bpi_protobuf_begin(message, 14);
    bpi_protobuf_text(message, 1, key);
    const size_t value = bpi_protobuf_begin(message, 2);
    bpi_protobuf_raw(message, "[", 1);
    for (size_t i = 0; i < n; i++) {
        bpi_protobuf_raw(message, ", ", i > 0 ? 2 : 0);
        put_json_text(message, names[i]);
    }
    bpi_protobuf_raw(message, "]", 1);
    bpi_protobuf_end(message, value);
    bpi_protobuf_end(message, begun);
}

/* ---- Tensors --------------------------------------------------------------------------------------------------------- */

/* GraphProto.initializer 5, a TensorProto: dims 1, data_type 2, name 8, float_data 4 or double_data 10; up to its numbers. */
static void put_tensor_head(struct bpi_protobuf *message, const struct bpi_onnx_model *model,
                            const struct bpi_onnx_tensor *tensor)
{
    const uint64_t n_bytes = (uint64_t)bpi_onnx_tensor_size(tensor) * number_size(model);
    const size_t begun = bpi_protobuf_begin(message, 5);
    for (size_t d = 0; d < tensor->n_dims; d++)
        bpi_protobuf_uint(message, 1, tensor->dims[d]);
    bpi_protobuf_uint(message, 2, data_type(model));
    bpi_protobuf_text(message, 8, tensor->name);
    bpi_protobuf_announce(message, model->graph->is_f64 ? TENSOR_DOUBLE_DATA : TENSOR_FLOAT_DATA, n_bytes);
    bpi_protobuf_end_announced(message, begun, n_bytes);
}

/* The bytes of all tensors into *n. */
static bp_status measure_tensors(const struct bpi_onnx_model *model, uint64_t *n)
{
    const bp_allocator *allocator = &model->graph->allocator;
    *n = 0;
    for (size_t i = 0; i < bpi_onnx_n_tensors(model->graph); i++) {
        const struct bpi_onnx_tensor *tensor = &bpi_onnx_tensors(model->graph)[i];
        struct bpi_protobuf head = { .allocator = *allocator };
        put_tensor_head(&head, model, tensor);
        *n += head.bytes.n + (uint64_t)bpi_onnx_tensor_size(tensor) * number_size(model);
        const bp_status status = head.status;
        bpi_protobuf_release(&head);
        BPI_TRY(status);
    }
    return BP_OK;
}

static void write_number(struct bpi_writer *writer, const struct bpi_onnx_model *model, double number)
{
    unsigned char bytes[sizeof(double)];
    if (model->graph->is_f64)
        bpi_protobuf_f64(number, bytes);
    else
        bpi_protobuf_f32((float)number, bytes);
    bpi_writer_put(writer, bytes, number_size(model));
}

static void write_tensor(struct bpi_writer *writer, const struct bpi_onnx_model *model,
                         const struct bpi_onnx_tensor *tensor)
{
    struct bpi_protobuf head = { .allocator = model->graph->allocator };
    put_tensor_head(&head, model, tensor);
    if (writer->status == BP_OK)
        writer->status = head.status;
    bpi_writer_put(writer, head.bytes.data, head.bytes.n);
    bpi_protobuf_release(&head);

    const size_t n = bpi_onnx_tensor_size(tensor);
    for (size_t i = 0; i < n && writer->status == BP_OK; i++)
        write_number(writer, model, bpi_onnx_tensor_number(tensor, i));
}

static bp_status check_number(const struct bpi_onnx_model *model, const struct bpi_onnx_tensor *tensor, size_t i)
{
    const double number = bpi_onnx_tensor_number(tensor, i);
    if (!isfinite(number))
        return bpi_fail(BP_ERR_NONFINITE, "%s: number %zu of %s is %g, expected a finite one", model->function, i,
                        tensor->name, number);
    if (!model->graph->is_f64 && fabs(number) > (double)FLT_MAX)
        return bpi_fail(BP_ERR_NONFINITE, "%s: number %zu of %s is %g, more than a float holds", model->function, i,
                        tensor->name, number);
    if (tensor->divides && (model->graph->is_f64 ? number : (double)(float)number) == 0)
        return bpi_fail(BP_ERR_NONFINITE, "%s: number %zu of %s is %g, which divides and is 0 as a %s", model->function, i,
                        tensor->name, number, model->graph->is_f64 ? "double" : "float");
    return BP_OK;
}

static bp_status check_numbers(const struct bpi_onnx_model *model)
{
    for (size_t t = 0; t < bpi_onnx_n_tensors(model->graph); t++) {
        const struct bpi_onnx_tensor *tensor = &bpi_onnx_tensors(model->graph)[t];
        const size_t n = bpi_onnx_tensor_size(tensor);
        for (size_t i = 0; i < n; i++)
            BPI_TRY(check_number(model, tensor, i));
    }
    return BP_OK;
}

/* ---- The file -------------------------------------------------------------------------------------------------------- */

/* GraphProto: node 1, name 2. */
static void put_graph_start(struct bpi_protobuf *message, const struct bpi_onnx_model *model)
{
    for (size_t i = 0; i < bpi_onnx_n_nodes(model->graph); i++)
        put_node(message, model, i);
    bpi_protobuf_text(message, 2, "network");
}

/* GraphProto: input 11, output 12. */
static void put_graph_end(struct bpi_protobuf *message, const struct bpi_onnx_model *model)
{
    put_value_info(message, 11, model, "X", model->net->n_in);
    put_value_info(message, 12, model, "Y", model->net->n_out);
}

/* ModelProto: opset_import 8 (an OperatorSetIdProto: domain 1, left out for the standard's; version 2), metadata_props 14. */
static void put_model_end(struct bpi_protobuf *message, const struct bpi_onnx_model *model)
{
    const bp_network *net = model->net;
    const size_t opset = bpi_protobuf_begin(message, 8);
    bpi_protobuf_uint(message, 2, OPSET);
    bpi_protobuf_end(message, opset);
    put_names(message, "bp.class_names", net->class_names, net->n_class_names);
    put_names(message, "bp.input_names", net->input_names, net->n_in);
    for (size_t i = 0; i < net->n_metadata; i++)
        put_entry(message, net->metadata[i].key, net->metadata[i].value);
}

/* ModelProto: ir_version 1, producer_name 2, producer_version 3, graph 7 up to its tensors. */
static void put_model_start(struct bpi_protobuf *message, const struct bpi_protobuf *graph_start, uint64_t n_graph)
{
    bpi_protobuf_uint(message, 1, IR_VERSION);
    bpi_protobuf_text(message, 2, "libbackprop");
    bpi_protobuf_text(message, 3, bp_version());
    bpi_protobuf_announce(message, 7, n_graph);
    bpi_protobuf_raw(message, graph_start->bytes.data, graph_start->bytes.n);
}

static bp_status encode(struct bpi_onnx_file *file, const struct bpi_onnx_model *model, struct bpi_protobuf *graph_start)
{
    put_graph_start(graph_start, model);
    BPI_TRY(graph_start->status);
    put_graph_end(&file->end, model);
    const size_t n_graph_end = file->end.bytes.n;
    put_model_end(&file->end, model);
    BPI_TRY(file->end.status);

    uint64_t n_tensors;
    BPI_TRY(measure_tensors(model, &n_tensors));
    put_model_start(&file->start, graph_start, graph_start->bytes.n + n_tensors + n_graph_end);
    BPI_TRY(file->start.status);
    BPI_TRY(bpi_protobuf_check_size(model->function, file->start.bytes.n + n_tensors + file->end.bytes.n));
    return check_numbers(model);
}

bp_status bpi_onnx_encode(struct bpi_onnx_file *file, const struct bpi_onnx_model *model)
{
    const bp_allocator *allocator = &model->graph->allocator;
    struct bpi_protobuf graph_start = { .allocator = *allocator };
    *file = (struct bpi_onnx_file){ .start = { .allocator = *allocator }, .end = { .allocator = *allocator } };
    const bp_status status = encode(file, model, &graph_start);
    bpi_protobuf_release(&graph_start);
    return status;
}

void bpi_onnx_write(const struct bpi_onnx_file *file, const struct bpi_onnx_model *model, struct bpi_writer *writer)
{
    bpi_writer_put(writer, file->start.bytes.data, file->start.bytes.n);
    for (size_t i = 0; i < bpi_onnx_n_tensors(model->graph); i++)
        write_tensor(writer, model, &bpi_onnx_tensors(model->graph)[i]);
    bpi_writer_put(writer, file->end.bytes.data, file->end.bytes.n);
}

void bpi_onnx_release(struct bpi_onnx_file *file)
{
    bpi_protobuf_release(&file->start);
    bpi_protobuf_release(&file->end);
}
