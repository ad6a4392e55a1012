// SPDX-License-Identifier: MIT
/*
 * An ONNX graph in the making: nodes (operators) that compute values from others, and tensors of given numbers.
 *
 *   struct bpi_onnx_graph graph = { .allocator = heap };
 *   struct bpi_onnx_value z = bpi_onnx_input;
 *   z = bpi_onnx_binary(&graph, "Mul", z, bpi_onnx_constant(2));
 *   z = bpi_onnx_unary(&graph, "Tanh", z);
 *   BPI_TRY(graph.status);                        -- or the first failure of the calls before
 *   bpi_onnx_graph_release(&graph);
 *
 * Nodes stand in the order of the calls. So no call of these may have two others among its arguments, whose order C leaves
 * open: constants are made without adding anything, and added by the node that first takes them.
 */
#ifndef BPI_MODEL_ONNX_GRAPH_H
#define BPI_MODEL_ONNX_GRAPH_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/memory.h"
#include "backprop/status.h"
#include "base/growing.h"

/** Where a value comes from. */
enum bpi_onnx_origin { BPI_ONNX_INPUT, BPI_ONNX_CONSTANT, BPI_ONNX_TENSOR, BPI_ONNX_NODE };

/** What a node takes or gives. */
struct bpi_onnx_value {
    enum bpi_onnx_origin origin;
    size_t index;    /**< of the tensor or node */
    double constant; /**< of a constant */
};

/** The graph's input. */
extern const struct bpi_onnx_value bpi_onnx_input;

/** One whole number, or a list of just that one. */
struct bpi_onnx_attribute {
    const char *name; /**< static text; NULL: none */
    size_t value;
    bool is_list;
};

enum { BPI_ONNX_MOST_INPUTS = 3 };

/** A node: one operator, which gives one value. */
struct bpi_onnx_node {
    const char *op_type; /**< static text */
    struct bpi_onnx_value inputs[BPI_ONNX_MOST_INPUTS];
    size_t n_inputs;
    struct bpi_onnx_attribute attribute;
};

enum { BPI_ONNX_NAME_SIZE = 64 };

/** Numbers that are given, row-major. They are asked for when they are checked and written, so that nothing is copied. */
struct bpi_onnx_tensor {
    char name[BPI_ONNX_NAME_SIZE];
    size_t n_dims; /**< 0: one number */
    size_t dims[2];
    double (*number)(const void *source, size_t i); /**< number i of it; NULL: `constant` */
    const void *source;
    double constant;
    bool divides; /**< none of its numbers may be 0 */
};

/** Zeroed but for the allocator, which is complete, it is empty. May be moved, never copied. */
struct bpi_onnx_graph {
    bp_allocator allocator;
    bool is_f64;                /**< the numbers are doubles; else floats */
    bp_status status;           /**< of the first failure; nothing is added after it */
    struct bpi_growing nodes;   /**< struct bpi_onnx_node */
    struct bpi_growing tensors; /**< struct bpi_onnx_tensor */
};

/** A number as a value: scalar, one for all that are equal. */
struct bpi_onnx_value bpi_onnx_constant(double constant);

/** Adds a tensor; the struct is copied, its source must outlive the graph. */
struct bpi_onnx_value bpi_onnx_tensor(struct bpi_onnx_graph *graph, const struct bpi_onnx_tensor *tensor);

/** Adds a node; the struct is copied. Then the same for nodes without attributes. */
struct bpi_onnx_value bpi_onnx_node(struct bpi_onnx_graph *graph, const struct bpi_onnx_node *node);
struct bpi_onnx_value bpi_onnx_unary(struct bpi_onnx_graph *graph, const char *op_type, struct bpi_onnx_value a);
struct bpi_onnx_value bpi_onnx_binary(struct bpi_onnx_graph *graph, const char *op_type, struct bpi_onnx_value a,
                                      struct bpi_onnx_value b);
struct bpi_onnx_value bpi_onnx_ternary(struct bpi_onnx_graph *graph, const char *op_type, struct bpi_onnx_value a,
                                       struct bpi_onnx_value b, struct bpi_onnx_value c);

/** Adds a node that takes one value and a whole number; as a list of it, if the attribute is one. */
struct bpi_onnx_value bpi_onnx_along(struct bpi_onnx_graph *graph, const char *op_type, struct bpi_onnx_value a,
                                     const struct bpi_onnx_attribute *attribute);

size_t bpi_onnx_n_nodes(const struct bpi_onnx_graph *graph);
size_t bpi_onnx_n_tensors(const struct bpi_onnx_graph *graph);
const struct bpi_onnx_node *bpi_onnx_nodes(const struct bpi_onnx_graph *graph);
const struct bpi_onnx_tensor *bpi_onnx_tensors(const struct bpi_onnx_graph *graph);

/** How many numbers a tensor has, and number i of them. */
size_t bpi_onnx_tensor_size(const struct bpi_onnx_tensor *tensor);
double bpi_onnx_tensor_number(const struct bpi_onnx_tensor *tensor, size_t i);

/** Gives everything back; the graph is empty again, and without failure. */
void bpi_onnx_graph_release(struct bpi_onnx_graph *graph);

#endif
