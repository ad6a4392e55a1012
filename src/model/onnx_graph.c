// SPDX-License-Identifier: MIT
/*
 * Nodes and tensors of a graph in two arrays that grow.
 */
#include "model/onnx_graph.h"

#include <stdio.h>
#include <string.h>

#include "store/number.h"

const struct bpi_onnx_value bpi_onnx_input = { .origin = BPI_ONNX_INPUT };

size_t bpi_onnx_n_nodes(const struct bpi_onnx_graph *graph)
{
    return graph->nodes.n / sizeof(struct bpi_onnx_node);
}

size_t bpi_onnx_n_tensors(const struct bpi_onnx_graph *graph)
{
    return graph->tensors.n / sizeof(struct bpi_onnx_tensor);
}

const struct bpi_onnx_node *bpi_onnx_nodes(const struct bpi_onnx_graph *graph)
{
    return graph->nodes.data;
}

const struct bpi_onnx_tensor *bpi_onnx_tensors(const struct bpi_onnx_graph *graph)
{
    return graph->tensors.data;
}

/* ---- Tensors --------------------------------------------------------------------------------------------------------- */

size_t bpi_onnx_tensor_size(const struct bpi_onnx_tensor *tensor)
{
    size_t n = 1;
    for (size_t d = 0; d < tensor->n_dims; d++)
        n *= tensor->dims[d];
    return n;
}

double bpi_onnx_tensor_number(const struct bpi_onnx_tensor *tensor, size_t i)
{
    return tensor->number != NULL ? tensor->number(tensor->source, i) : tensor->constant;
}

/* Adds an element to one of the arrays, and gives its number. */
static size_t append(struct bpi_onnx_graph *graph, struct bpi_growing *array, const void *element, size_t size)
{
    if (graph->status == BP_OK)
        graph->status = bpi_growing_reserve(array, &graph->allocator, "ONNX graph", size);
    if (graph->status != BP_OK)
        return 0;
    memcpy((char *)array->data + array->n, element, size);
    array->n += size;
    return array->n / size - 1;
}

struct bpi_onnx_value bpi_onnx_tensor(struct bpi_onnx_graph *graph, const struct bpi_onnx_tensor *tensor)
{
    const size_t index = append(graph, &graph->tensors, tensor, sizeof *tensor);
    return (struct bpi_onnx_value){ .origin = BPI_ONNX_TENSOR, .index = index };
}

struct bpi_onnx_value bpi_onnx_constant(double constant)
{
    return (struct bpi_onnx_value){ .origin = BPI_ONNX_CONSTANT, .constant = constant };
}

/* The tensor of a constant: "constant.0.5". */
static struct bpi_onnx_value constant_tensor(struct bpi_onnx_graph *graph, double constant)
{
    const size_t n = bpi_onnx_n_tensors(graph);
    for (size_t i = 0; i < n; i++) {
        const struct bpi_onnx_tensor *known = &bpi_onnx_tensors(graph)[i];
        if (known->number == NULL && known->constant == constant)
            return (struct bpi_onnx_value){ .origin = BPI_ONNX_TENSOR, .index = i };
    }
    struct bpi_onnx_tensor tensor = { .constant = constant };
    char text[BPI_NUMBER_SIZE];
    (void)bpi_number_write(constant, BPI_BINARY64, text);
    (void)snprintf(tensor.name, sizeof tensor.name, "constant.%s", text);
    return bpi_onnx_tensor(graph, &tensor);
}

/* ---- Nodes ----------------------------------------------------------------------------------------------------------- */

struct bpi_onnx_value bpi_onnx_node(struct bpi_onnx_graph *graph, const struct bpi_onnx_node *node)
{
    struct bpi_onnx_node complete = *node;
    for (size_t i = 0; i < node->n_inputs; i++)
        if (node->inputs[i].origin == BPI_ONNX_CONSTANT)
            complete.inputs[i] = constant_tensor(graph, node->inputs[i].constant);
    const size_t index = append(graph, &graph->nodes, &complete, sizeof complete);
    return (struct bpi_onnx_value){ .origin = BPI_ONNX_NODE, .index = index };
}

struct bpi_onnx_value bpi_onnx_unary(struct bpi_onnx_graph *graph, const char *op_type, struct bpi_onnx_value a)
{
    const struct bpi_onnx_node node = { .op_type = op_type, .inputs = { a }, .n_inputs = 1 };
    return bpi_onnx_node(graph, &node);
}

struct bpi_onnx_value bpi_onnx_binary(struct bpi_onnx_graph *graph, const char *op_type, struct bpi_onnx_value a,
                                      struct bpi_onnx_value b)
{
    const struct bpi_onnx_node node = { .op_type = op_type, .inputs = { a, b }, .n_inputs = 2 };
    return bpi_onnx_node(graph, &node);
}

struct bpi_onnx_value bpi_onnx_ternary(struct bpi_onnx_graph *graph, const char *op_type, struct bpi_onnx_value a,
                                       struct bpi_onnx_value b, struct bpi_onnx_value c)
{
    const struct bpi_onnx_node node = { .op_type = op_type, .inputs = { a, b, c }, .n_inputs = 3 };
    return bpi_onnx_node(graph, &node);
}

struct bpi_onnx_value bpi_onnx_along(struct bpi_onnx_graph *graph, const char *op_type, struct bpi_onnx_value a,
                                     const struct bpi_onnx_attribute *attribute)
{
    const struct bpi_onnx_node node = { .op_type = op_type, .inputs = { a }, .n_inputs = 1, .attribute = *attribute };
    return bpi_onnx_node(graph, &node);
}

void bpi_onnx_graph_release(struct bpi_onnx_graph *graph)
{
    bpi_growing_release(&graph->nodes, &graph->allocator);
    bpi_growing_release(&graph->tensors, &graph->allocator);
    graph->status = BP_OK;
}
