// SPDX-License-Identifier: MIT
/*
 * A reader and evaluator of ONNX models that shares no code with the library. It knows what a network's graph may hold and
 * nothing else: the test fails at the first byte, name, type or shape that is not as the standard and our documentation say.
 *
 * Operators are evaluated in long double, each result rounded to the model's number type.
 */
#ifndef TEST_SUPPORT_ONNX_H
#define TEST_SUPPORT_ONNX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ONNX_MOST_NODES = 512, ONNX_MOST_TENSORS = 256, ONNX_MOST_ENTRIES = 16, ONNX_MOST_INPUTS = 3 };

/** Bytes of the file as text or numbers; not terminated. */
struct onnx_bytes {
    const unsigned char *data;
    size_t n;
};

struct onnx_tensor {
    struct onnx_bytes name;
    size_t n_dims, dims[2], n;
    struct onnx_bytes numbers; /**< n, little-endian */
};

struct onnx_node {
    struct onnx_bytes op_type, output, inputs[ONNX_MOST_INPUTS];
    size_t n_inputs;
    struct onnx_bytes attribute; /**< its name; none: n is 0 */
    uint64_t value;              /**< of the attribute */
    bool is_list;                /**< is that a list of one? */
};

struct onnx_entry {
    struct onnx_bytes key, value;
};

/** Views into the file, which must outlive it. */
struct onnx_model {
    bool is_f64;
    size_t batch; /**< 0: any */
    size_t n_in, n_out;
    struct onnx_node nodes[ONNX_MOST_NODES];
    struct onnx_tensor tensors[ONNX_MOST_TENSORS];
    struct onnx_entry entries[ONNX_MOST_ENTRIES];
    size_t n_nodes, n_tensors, n_entries;
};

/** Reads a model and checks all of it. To be freed with free(). */
struct onnx_model *onnx_read(const void *bytes, size_t n);

/** Y (batch x n_out) of X (batch x n_in). */
void onnx_evaluate(const struct onnx_model *model, const double *X, size_t batch, double *Y);

/** Fails unless the entries are `n` keys and values, one after the other, in this order. */
void onnx_assert_entries(const struct onnx_model *model, const char *const entries[], size_t n);

/** The tensor of that name; NULL if there is none. And its number i. */
const struct onnx_tensor *onnx_find_tensor(const struct onnx_model *model, const char *name);
double onnx_number(const struct onnx_model *model, const struct onnx_tensor *tensor, size_t i);

/** How many nodes of a type there are. */
size_t onnx_count_nodes(const struct onnx_model *model, const char *op_type);

#endif
