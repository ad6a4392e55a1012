// SPDX-License-Identifier: MIT
#include "support/onnx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- Protocol Buffers ------------------------------------------------------------------------------------------------ */

struct field {
    uint64_t number;
    bool is_varint;
    uint64_t varint;
    struct onnx_bytes bytes;
};

static uint64_t take_varint(struct onnx_bytes *rest)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        assert_true(rest->n > 0 && shift < 64);
        const unsigned char byte = *rest->data;
        rest->data++, rest->n--;
        assert_true(shift < 63 || byte <= 1); /* 64 bits at most */
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            assert_true(byte != 0 || shift == 0); /* as short as can be */
            return value;
        }
    }
}

/* Takes the next field of a message; false at its end. */
static bool take_field(struct onnx_bytes *rest, struct field *field)
{
    if (rest->n == 0)
        return false;
    const uint64_t tag = take_varint(rest);
    *field = (struct field){ .number = tag >> 3, .is_varint = (tag & 7) == 0 };
    if (field->is_varint) {
        field->varint = take_varint(rest);
        return true;
    }
    assert_int_equal(tag & 7, 2);
    const uint64_t n = take_varint(rest);
    assert_true(n <= rest->n);
    field->bytes = (struct onnx_bytes){ rest->data, (size_t)n };
    rest->data += n;
    rest->n -= (size_t)n;
    return true;
}

/* What a message may hold: the number of a field, and where it goes. Every field at most once, but the lists by hand. */
static void take_once(const struct field *field, bool is_varint, uint64_t *seen)
{
    assert_true(field->number < 64 && field->is_varint == is_varint);
    assert_int_equal(*seen >> field->number & 1, 0);
    *seen |= (uint64_t)1 << field->number;
}

static bool is_text(struct onnx_bytes bytes, const char *text)
{
    return bytes.n == strlen(text) && memcmp(bytes.data, text, bytes.n) == 0;
}

static bool is_same(struct onnx_bytes a, struct onnx_bytes b)
{
    return a.n == b.n && memcmp(a.data, b.data, a.n) == 0;
}

/* ---- onnx.proto ------------------------------------------------------------------------------------------------------ */

static void read_attribute(struct onnx_node *node, struct onnx_bytes rest)
{
    struct field field = { 0 };
    uint64_t seen = 0, type = 0;
    assert_int_equal(node->attribute.n, 0); /* one is enough for all we use */
    while (take_field(&rest, &field)) {
        take_once(&field, field.number != 1, &seen);
        if (field.number == 1)
            node->attribute = field.bytes;
        else if (field.number == 20)
            type = field.varint;
        else
            node->value = field.varint;
        node->is_list = node->is_list || field.number == 8;
    }
    assert_true(node->attribute.n > 0);
    assert_true(seen == (1U << 1 | 1U << 3 | 1U << 20) || seen == (1U << 1 | 1U << 8 | 1U << 20));
    assert_int_equal(type, node->is_list ? 7 : 2);
}

static void read_node(struct onnx_node *node, struct onnx_bytes rest)
{
    struct field field = { 0 };
    uint64_t seen = 0;
    while (take_field(&rest, &field)) {
        assert_true(field.number >= 1 && field.number <= 5 && !field.is_varint && field.bytes.n > 0);
        if (field.number == 1) {
            assert_true(node->n_inputs < ONNX_MOST_INPUTS);
            node->inputs[node->n_inputs++] = field.bytes;
            continue;
        }
        take_once(&field, false, &seen);
        if (field.number == 2)
            node->output = field.bytes;
        if (field.number == 4)
            node->op_type = field.bytes;
        if (field.number == 5)
            read_attribute(node, field.bytes);
    }
    assert_true((seen & 0x1c) == 0x1c); /* output, name, op_type */
}

static void read_tensor(const struct onnx_model *model, struct onnx_tensor *tensor, struct onnx_bytes rest)
{
    const uint64_t data_field = model->is_f64 ? 10 : 4;
    struct field field = { 0 };
    uint64_t seen = 0;
    tensor->n = 1;
    while (take_field(&rest, &field)) {
        if (field.number == 1) {
            assert_true(tensor->n_dims < 2 && field.is_varint && field.varint > 0);
            tensor->n *= tensor->dims[tensor->n_dims++] = (size_t)field.varint;
            continue;
        }
        take_once(&field, field.number == 2, &seen);
        if (field.number == 2)
            assert_int_equal(field.varint, model->is_f64 ? 11 : 1);
        if (field.number == 8)
            tensor->name = field.bytes;
        if (field.number == data_field)
            tensor->numbers = field.bytes;
    }
    assert_int_equal(seen, 1U << 2 | 1U << 8 | 1U << data_field);
    assert_true(tensor->name.n > 0);
    assert_int_equal(tensor->numbers.n, tensor->n * (model->is_f64 ? 8 : 4));
}

/* The only field of a message. */
static struct field only_field(struct onnx_bytes message, uint64_t number)
{
    struct field field = { 0 }, another = { 0 };
    assert_true(take_field(&message, &field));
    assert_int_equal(field.number, number);
    assert_false(take_field(&message, &another));
    return field;
}

static size_t read_dimension(struct onnx_bytes dimension, bool may_be_any)
{
    struct field field = { 0 }, another = { 0 };
    assert_true(take_field(&dimension, &field));
    assert_false(take_field(&dimension, &another));
    if (field.number == 2) {
        assert_true(may_be_any && is_text(field.bytes, "batch"));
        return 0;
    }
    assert_int_equal(field.number, 1);
    assert_true(field.is_varint && field.varint > 0);
    return (size_t)field.varint;
}

/* ValueInfoProto {name, type {tensor_type {elem_type, shape {dim, dim}}}}; returns elem_type. */
static uint64_t read_value_info(struct onnx_bytes rest, const char *name, size_t *batch, size_t *columns)
{
    struct field field = { 0 };
    assert_true(take_field(&rest, &field));
    assert_true(field.number == 1 && is_text(field.bytes, name));
    assert_true(take_field(&rest, &field));
    assert_int_equal(field.number, 2);
    assert_int_equal(rest.n, 0);

    struct onnx_bytes type = only_field(field.bytes, 1).bytes;
    assert_true(take_field(&type, &field));
    assert_true(field.number == 1 && field.is_varint);
    const uint64_t element = field.varint;
    assert_true(take_field(&type, &field));
    assert_true(field.number == 2 && type.n == 0);

    struct onnx_bytes shape = field.bytes;
    assert_true(take_field(&shape, &field) && field.number == 1);
    *batch = read_dimension(field.bytes, true);
    assert_true(take_field(&shape, &field) && field.number == 1);
    *columns = read_dimension(field.bytes, false);
    assert_int_equal(shape.n, 0);
    return element;
}

static void read_inputs_and_outputs(struct onnx_model *model, struct onnx_bytes rest)
{
    struct field field = { 0 };
    uint64_t seen = 0, elements[2] = { 0 };
    size_t batches[2] = { 0 };
    while (take_field(&rest, &field)) {
        if (field.number != 11 && field.number != 12)
            continue;
        take_once(&field, false, &seen);
        const bool is_input = field.number == 11;
        elements[!is_input] = read_value_info(field.bytes, is_input ? "X" : "Y", &batches[!is_input],
                                              is_input ? &model->n_in : &model->n_out);
    }
    assert_int_equal(seen, 1U << 11 | 1U << 12);
    assert_int_equal(elements[0], elements[1]);
    assert_int_equal(batches[0], batches[1]);
    assert_true(elements[0] == 1 || elements[0] == 11);
    model->is_f64 = elements[0] == 11;
    model->batch = batches[0];
}

static void read_graph(struct onnx_model *model, struct onnx_bytes graph)
{
    read_inputs_and_outputs(model, graph); /* stand last, but say the number type */
    struct field field = { 0 };
    uint64_t seen = 0;
    while (take_field(&graph, &field)) {
        if (field.number == 1) {
            assert_true(model->n_nodes < ONNX_MOST_NODES);
            read_node(&model->nodes[model->n_nodes++], field.bytes);
        } else if (field.number == 5) {
            assert_true(model->n_tensors < ONNX_MOST_TENSORS);
            read_tensor(model, &model->tensors[model->n_tensors++], field.bytes);
        } else {
            assert_true(field.number == 2 || field.number == 11 || field.number == 12);
            take_once(&field, false, &seen);
            assert_true(field.bytes.n > 0);
        }
    }
    assert_int_equal(seen, 1U << 2 | 1U << 11 | 1U << 12);
}

static void read_entry(struct onnx_model *model, struct onnx_bytes rest)
{
    struct field key = { 0 }, value = { 0 };
    assert_true(model->n_entries < ONNX_MOST_ENTRIES);
    assert_true(take_field(&rest, &key) && key.number == 1 && !key.is_varint);
    assert_true(take_field(&rest, &value) && value.number == 2 && !value.is_varint);
    assert_int_equal(rest.n, 0);
    for (size_t i = 0; i < model->n_entries; i++)
        assert_false(is_same(model->entries[i].key, key.bytes));
    model->entries[model->n_entries++] = (struct onnx_entry){ key.bytes, value.bytes };
}

static void read_model(struct onnx_model *model, struct onnx_bytes rest)
{
    struct field field = { 0 };
    uint64_t seen = 0;
    while (take_field(&rest, &field)) {
        if (field.number == 14) {
            read_entry(model, field.bytes);
            continue;
        }
        take_once(&field, field.number == 1, &seen);
        if (field.number == 1)
            assert_int_equal(field.varint, 8); /* IR version */
        if (field.number == 2)
            assert_true(is_text(field.bytes, "libbackprop"));
        if (field.number == 3)
            assert_true(is_text(field.bytes, PROJECT_VERSION));
        if (field.number == 7)
            read_graph(model, field.bytes);
        if (field.number == 8)
            assert_int_equal(only_field(field.bytes, 2).varint, 13); /* opset */
    }
    assert_int_equal(seen, 1U << 1 | 1U << 2 | 1U << 3 | 1U << 7 | 1U << 8);
}

/* ---- Operators ------------------------------------------------------------------------------------------------------- */

/* rows x columns; a 1 of either is repeated where more are needed, as the standard broadcasts. */
struct value {
    size_t rows, columns;
    bool is_scalar; /* of no dimensions: what Clip asks for */
    long double *numbers;
};

static long double at(const struct value *value, size_t i, size_t j)
{
    return value->numbers[(value->rows == 1 ? 0 : i) * value->columns + (value->columns == 1 ? 0 : j)];
}

typedef long double (*function)(long double a, long double b, long double c);

static long double op_abs(long double a, long double b, long double c)
{
    return (void)b, (void)c, fabsl(a);
}
static long double op_neg(long double a, long double b, long double c)
{
    return (void)b, (void)c, -a;
}
static long double op_exp(long double a, long double b, long double c)
{
    return (void)b, (void)c, expl(a);
}
static long double op_log(long double a, long double b, long double c)
{
    return (void)b, (void)c, logl(a);
}
static long double op_tanh(long double a, long double b, long double c)
{
    return (void)b, (void)c, tanhl(a);
}
static long double op_sin(long double a, long double b, long double c)
{
    return (void)b, (void)c, sinl(a);
}
static long double op_sqrt(long double a, long double b, long double c)
{
    return (void)b, (void)c, sqrtl(a);
}
static long double op_relu(long double a, long double b, long double c)
{
    return (void)b, (void)c, a < 0 ? 0 : a;
}
static long double op_add(long double a, long double b, long double c)
{
    return (void)c, a + b;
}
static long double op_sub(long double a, long double b, long double c)
{
    return (void)c, a - b;
}
static long double op_mul(long double a, long double b, long double c)
{
    return (void)c, a * b;
}
static long double op_div(long double a, long double b, long double c)
{
    return (void)c, a / b;
}
static long double op_min(long double a, long double b, long double c)
{
    return (void)c, a < b ? a : b;
}
static long double op_max(long double a, long double b, long double c)
{
    return (void)c, a > b ? a : b;
}
static long double op_less(long double a, long double b, long double c)
{
    return (void)c, a < b;
}
static long double op_greater(long double a, long double b, long double c)
{
    return (void)c, a > b;
}
static long double op_where(long double a, long double b, long double c)
{
    return a != 0 ? b : c;
}
static long double op_clip(long double a, long double b, long double c)
{
    return a < b ? b : a > c ? c : a;
}

static const struct {
    const char *op_type;
    size_t n_inputs;
    function apply;
} elementwise[] = {
    { "Abs", 1, op_abs },     { "Neg", 1, op_neg },   { "Exp", 1, op_exp },   { "Log", 1, op_log },
    { "Tanh", 1, op_tanh },   { "Sin", 1, op_sin },   { "Sqrt", 1, op_sqrt }, { "Relu", 1, op_relu },
    { "Add", 2, op_add },     { "Sub", 2, op_sub },   { "Mul", 2, op_mul },   { "Div", 2, op_div },
    { "Min", 2, op_min },     { "Max", 2, op_max },   { "Less", 2, op_less }, { "Greater", 2, op_greater },
    { "Where", 3, op_where }, { "Clip", 3, op_clip },
};

static size_t broadcast(size_t a, size_t b)
{
    assert_true(a == b || a == 1 || b == 1);
    return a == 1 ? b : a;
}

static struct value new_value(size_t rows, size_t columns)
{
    const struct value value = { .rows = rows, .columns = columns, .numbers = calloc(rows * columns, sizeof(long double)) };
    assert_non_null(value.numbers);
    return value;
}

static struct value apply_elementwise(function apply, const struct value *in, size_t n)
{
    static long double nothing[1];
    const struct value none = { 1, 1, true, nothing };
    const struct value *a = &in[0], *b = n > 1 ? &in[1] : &none, *c = n > 2 ? &in[2] : &none;
    struct value to = new_value(broadcast(broadcast(a->rows, b->rows), c->rows),
                                broadcast(broadcast(a->columns, b->columns), c->columns));
    for (size_t i = 0; i < to.rows; i++)
        for (size_t j = 0; j < to.columns; j++)
            to.numbers[i * to.columns + j] = apply(at(a, i, j), at(b, i, j), at(c, i, j));
    return to;
}

/* Y = A B^T + C */
static struct value apply_gemm(const struct onnx_node *node, const struct value *in)
{
    assert_true(is_text(node->attribute, "transB") && node->value == 1 && !node->is_list);
    assert_int_equal(in[0].columns, in[1].columns);
    struct value to = new_value(in[0].rows, in[1].rows);
    for (size_t i = 0; i < to.rows; i++)
        for (size_t j = 0; j < to.columns; j++) {
            long double sum = node->n_inputs == 3 ? at(&in[2], i, j) : 0;
            for (size_t k = 0; k < in[0].columns; k++)
                sum += at(&in[0], i, k) * in[1].numbers[j * in[1].columns + k];
            to.numbers[i * to.columns + j] = sum;
        }
    return to;
}

static struct value apply_mean(const struct onnx_node *node, const struct value *in)
{
    assert_true(is_text(node->attribute, "axes") && node->value == 1 && node->is_list);
    struct value to = new_value(in->rows, 1);
    for (size_t i = 0; i < in->rows; i++)
        for (size_t j = 0; j < in->columns; j++)
            to.numbers[i] += at(in, i, j) / (long double)in->columns;
    return to;
}

static struct value apply_softmax(const struct onnx_node *node, const struct value *in)
{
    assert_true(is_text(node->attribute, "axis") && node->value == 1 && !node->is_list);
    struct value to = new_value(in->rows, in->columns);
    for (size_t i = 0; i < in->rows; i++) {
        long double most = at(in, i, 0), sum = 0;
        for (size_t j = 0; j < in->columns; j++)
            most = fmaxl(most, at(in, i, j));
        for (size_t j = 0; j < in->columns; j++)
            sum += to.numbers[i * to.columns + j] = expl(at(in, i, j) - most);
        for (size_t j = 0; j < in->columns; j++)
            to.numbers[i * to.columns + j] /= sum;
    }
    return to;
}

static struct value apply(const struct onnx_node *node, const struct value *in)
{
    for (size_t i = 0; i < COUNT(elementwise); i++)
        if (is_text(node->op_type, elementwise[i].op_type)) {
            assert_true(node->n_inputs == elementwise[i].n_inputs && node->attribute.n == 0);
            if (elementwise[i].apply == op_clip)
                assert_true(in[1].is_scalar && in[2].is_scalar);
            return apply_elementwise(elementwise[i].apply, in, node->n_inputs);
        }
    if (is_text(node->op_type, "Gemm"))
        return apply_gemm(node, in);
    assert_int_equal(node->n_inputs, 1);
    if (is_text(node->op_type, "ReduceMean"))
        return apply_mean(node, in);
    assert_true(is_text(node->op_type, "Softmax"));
    return apply_softmax(node, in);
}

/* ---- The model ------------------------------------------------------------------------------------------------------- */

/* All values by the number of their origin: X, then tensors, then nodes. */
static size_t find_value(const struct onnx_model *model, size_t n_nodes, struct onnx_bytes name)
{
    if (is_text(name, "X"))
        return 0;
    for (size_t i = 0; i < model->n_tensors; i++)
        if (is_same(model->tensors[i].name, name))
            return 1 + i;
    for (size_t i = 0; i < n_nodes; i++)
        if (is_same(model->nodes[i].output, name))
            return 1 + model->n_tensors + i;
    return SIZE_MAX;
}

/* Values are there before they are used, once, and all are used. */
static void check_names(struct onnx_model *model)
{
    static bool used[1 + ONNX_MOST_TENSORS + ONNX_MOST_NODES];
    memset(used, 0, sizeof used);
    for (size_t i = 0; i < model->n_tensors; i++)
        assert_int_equal(find_value(model, 0, model->tensors[i].name), 1 + i);
    for (size_t i = 0; i < model->n_nodes; i++) {
        const struct onnx_node *node = &model->nodes[i];
        for (size_t k = 0; k < node->n_inputs; k++) {
            const size_t value = find_value(model, i, node->inputs[k]);
            assert_true(value != SIZE_MAX);
            used[value] = true;
        }
        assert_int_equal(find_value(model, i, node->output), SIZE_MAX);
        assert_true(is_text(node->output, "Y") == (i + 1 == model->n_nodes));
    }
    for (size_t i = 0; i < model->n_tensors + model->n_nodes; i++) /* X, tensors and all nodes but the last */
        assert_true(used[i]);
}

struct onnx_model *onnx_read(const void *bytes, size_t n)
{
    struct onnx_model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    read_model(model, (struct onnx_bytes){ bytes, n });
    check_names(model);
    return model;
}

double onnx_number(const struct onnx_model *model, const struct onnx_tensor *tensor, size_t i)
{
    const size_t size = model->is_f64 ? 8 : 4;
    uint64_t bits = 0;
    for (size_t k = 0; k < size; k++)
        bits |= (uint64_t)tensor->numbers.data[i * size + k] << (8 * k);
    if (model->is_f64) {
        double number;
        memcpy(&number, &bits, sizeof number);
        return number;
    }
    const uint32_t low = (uint32_t)bits;
    float number;
    memcpy(&number, &low, sizeof number);
    return (double)number;
}

static void round_all(const struct onnx_model *model, struct value *value)
{
    for (size_t i = 0; i < value->rows * value->columns; i++)
        value->numbers[i] = model->is_f64 ? (long double)(double)value->numbers[i] : (long double)(float)value->numbers[i];
}

static struct value value_of_tensor(const struct onnx_model *model, const struct onnx_tensor *tensor)
{
    struct value value = new_value(tensor->n_dims == 2 ? tensor->dims[0] : 1, tensor->n_dims == 2   ? tensor->dims[1]
                                                                              : tensor->n_dims == 1 ? tensor->dims[0]
                                                                                                    : 1);
    value.is_scalar = tensor->n_dims == 0;
    for (size_t i = 0; i < tensor->n; i++)
        value.numbers[i] = (long double)onnx_number(model, tensor, i);
    return value;
}

static void evaluate_node(const struct onnx_model *model, size_t i, struct value *values)
{
    const struct onnx_node *node = &model->nodes[i];
    struct value in[ONNX_MOST_INPUTS];
    for (size_t k = 0; k < node->n_inputs; k++)
        in[k] = values[find_value(model, i, node->inputs[k])];
    struct value *to = &values[1 + model->n_tensors + i];
    *to = apply(node, in);
    round_all(model, to);
}

void onnx_evaluate(const struct onnx_model *model, const double *X, size_t batch, double *Y)
{
    assert_true(model->batch == 0 || model->batch == batch);
    const size_t n = 1 + model->n_tensors + model->n_nodes;
    struct value *values = calloc(n, sizeof *values);
    assert_non_null(values);
    values[0] = new_value(batch, model->n_in);
    for (size_t i = 0; i < batch * model->n_in; i++)
        values[0].numbers[i] = (long double)X[i];
    round_all(model, &values[0]);
    for (size_t i = 0; i < model->n_tensors; i++)
        values[1 + i] = value_of_tensor(model, &model->tensors[i]);
    for (size_t i = 0; i < model->n_nodes; i++)
        evaluate_node(model, i, values);

    const struct value *last = &values[n - 1];
    assert_true(last->rows == batch && last->columns == model->n_out);
    for (size_t i = 0; i < batch * model->n_out; i++)
        Y[i] = (double)last->numbers[i];
    for (size_t i = 0; i < n; i++)
        free(values[i].numbers);
    free(values);
}

void onnx_assert_entries(const struct onnx_model *model, const char *const entries[], size_t n)
{
    assert_int_equal(model->n_entries, n);
    for (size_t i = 0; i < n; i++) {
        assert_true(is_text(model->entries[i].key, entries[2 * i]));
        assert_int_equal(model->entries[i].value.n, strlen(entries[2 * i + 1]));
        assert_memory_equal(model->entries[i].value.data, entries[2 * i + 1], model->entries[i].value.n);
    }
}

const struct onnx_tensor *onnx_find_tensor(const struct onnx_model *model, const char *name)
{
    for (size_t i = 0; i < model->n_tensors; i++)
        if (is_text(model->tensors[i].name, name))
            return &model->tensors[i];
    return NULL;
}

size_t onnx_count_nodes(const struct onnx_model *model, const char *op_type)
{
    size_t n = 0;
    for (size_t i = 0; i < model->n_nodes; i++)
        n += is_text(model->nodes[i].op_type, op_type);
    return n;
}
