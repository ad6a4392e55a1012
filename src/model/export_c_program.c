// SPDX-License-Identifier: MIT
/*
 * The exported program. W is stored input by input, so that the inner loop adds the share of some inputs to all units: a
 * compiler turns that into vectors without being allowed to change the order of a sum. It takes four inputs at a time, which
 * saves loads and stores of the units and shortens the chain of roundings. The bias ends the sum: a large one is rounded once.
 */
#include "model/export_c_program.h"

#include <stdio.h>
#include <string.h>

#include "backprop/version.h"
#include "model/export_c_functions.h"

#define AT_A_TIME ((size_t)4)          /* inputs in one walk over the units */
#define MOST_STACK ((size_t)16 * 1024) /* bytes */
#define LONGEST_STRING ((size_t)4000)  /* bytes; C99 promises 4095 */

/* ---- What both files have to agree on -------------------------------------------------------------------------------- */

/* Numbers of the arrays for what layers hand on, which they take in turns: the outputs of layers 0, 2, ... and 1, 3, ... */
struct scratch {
    size_t n[2], sum;
    bool is_given; /* too much for the stack: the caller hands it over */
};

static struct scratch scratch_of(const struct bpi_c_model *model)
{
    struct scratch scratch = { 0 };
    for (size_t l = 0; l + 1 < model->net->n_layers; l++) {
        const size_t n = model->net->layers[l].n_out;
        scratch.n[l % 2] = n > scratch.n[l % 2] ? n : scratch.n[l % 2];
    }
    scratch.sum = scratch.n[0] + scratch.n[1];
    scratch.is_given = scratch.sum > MOST_STACK / (model->single ? sizeof(float) : sizeof(double));
    return scratch;
}

/*
 * With fewer units in each layer there is little to be done at once, and libm's functions take less time: their tables spare them
 * long polynomials.
 */
#define FEWEST_AT_ONCE 4

static bool needs_functions(const bp_layer *layer)
{
    return (bpi_c_function(layer->activation)->needs & ~(unsigned)BPI_C_LIBM) != 0;
}

/* Whether libm does for the functions that layers need; false if they need none. */
static bool calls_libm(const bp_network *net)
{
    bool needs_some = false;
    for (const bp_layer *layer = net->layers; layer < net->layers + net->n_layers; layer++) {
        if (needs_functions(layer) && layer->n_out >= FEWEST_AT_ONCE)
            return false;
        needs_some = needs_some || needs_functions(layer);
    }
    return needs_some;
}

/* Of such a network weights and biases in front of a sigmoid have their signs changed: libm's exp gets -z as it is. */
static bool is_negated(const bp_network *net, const bp_layer *layer)
{
    return layer->activation == BP_SIGMOID && layer->normalization != BP_LAYER_NORMALIZATION && calls_libm(net);
}

static unsigned needs_of(const bp_network *net)
{
    unsigned needs = calls_libm(net) ? BPI_C_BY_LIBM : 0;
    for (const bp_layer *layer = net->layers; layer < net->layers + net->n_layers; layer++) {
        needs |= is_negated(net, layer) ? BPI_C_LOGISTIC_OF_MINUS : bpi_c_function(layer->activation)->needs;
        if (layer->normalization == BP_LAYER_NORMALIZATION)
            needs |= BPI_C_LIBM; /* a square root */
    }
    return needs;
}

/* Tells exports from one another: a checksum of all numbers, and of the number type. */
static uint32_t identify(const struct bpi_c_model *model)
{
    const bp_network *net = model->net;
    const bool single = model->single;
    uint32_t crc = bpi_crc32(0, &single, sizeof single);
    crc = bpi_crc32(crc, &net->topology, sizeof net->topology);
    crc = bpi_crc32(crc, net->parameters.params, net->parameters.n_params * sizeof(bp_real));
    crc = bpi_crc32(crc, net->state, net->n_state * sizeof(bp_real));
    crc = bpi_crc32(crc, net->in_center, net->n_in * sizeof(bp_real));
    crc = bpi_crc32(crc, net->in_scale, net->n_in * sizeof(bp_real));
    crc = bpi_crc32(crc, net->out_center, net->n_out * sizeof(bp_real));
    return bpi_crc32(crc, net->out_scale, net->n_out * sizeof(bp_real));
}

/* ---- Header ---------------------------------------------------------------------------------------------------------- */

/* "16 -> 32, batch normalization, tanh" */
static void describe_layer(const struct bpi_c_text *text, const bp_layer *layer)
{
    bpi_c_print(text, "% -> %", layer->n_in, layer->n_out);
    if (layer->normalization != BP_NO_NORMALIZATION)
        bpi_writer_print(text->out, ", %s normalization", bp_normalization_name(layer->normalization));
    bpi_writer_print(text->out, ", %s", bp_activation_name(layer->activation));
    if (bpi_c_function(layer->activation)->has_parameter) {
        bpi_c_print(text, " with ");
        bpi_c_number(text, (double)layer->parameter);
    }
}

static void list_names(const struct bpi_c_text *text, const char *title, char *const *names, size_t n)
{
    if (names == NULL)
        return;
    bpi_writer_print(text->out, " *\n * %s:\n", title);
    for (size_t i = 0; i < n; i++) {
        bpi_c_print(text, " *   % ", i);
        bpi_c_comment(text, names[i]);
        bpi_c_print(text, "\n");
    }
}

static void list_metadata(const struct bpi_c_text *text, const bp_network *net)
{
    if (net->n_metadata > 0)
        bpi_c_print(text, " *\n * Metadata:\n");
    for (size_t i = 0; i < net->n_metadata; i++) {
        bpi_c_print(text, " *   ");
        bpi_c_comment(text, net->metadata[i].key);
        bpi_c_print(text, ": ");
        bpi_c_comment(text, net->metadata[i].value);
        bpi_c_print(text, "\n");
    }
}

static void describe_network(const struct bpi_c_text *text, const bp_network *net)
{
    bpi_writer_print(text->out, "/*\n * A trained network, exported by libbackprop %s. Do not edit: export it again.\n *\n",
                     bp_version());
    for (size_t l = 0; l < net->n_layers; l++) {
        bpi_c_print(text, " *   layer %: ", l);
        describe_layer(text, &net->layers[l]);
        bpi_c_print(text, "\n");
    }
    if (net->scales_inputs || net->scales_outputs)
        bpi_writer_print(text->out, " *\n * Scaled inside, so in your units outside: %s%s%s.\n",
                         net->scales_inputs ? "inputs" : "", net->scales_inputs && net->scales_outputs ? ", " : "",
                         net->scales_outputs ? "outputs" : "");
    list_names(text, "Inputs", net->input_names, net->n_in);
    list_names(text, "Classes", net->class_names, net->n_class_names);
    list_metadata(text, net);
    bpi_c_print(text, " */\n");
}

static void declare_predict(const struct bpi_c_text *text, const struct scratch *scratch)
{
    bpi_c_print(
        text,
        "/* Computes the outputs y for the inputs x: &_N_OUT and &_N_IN numbers, which must not overlap. Takes no memory,\n"
        "   and keeps nothing: any number of threads may call it at once");
    if (scratch->is_given)
        bpi_c_print(
            text, ", each with a scratch of its own: &_SCRATCH_SIZE\n   numbers, whatever is in them, apart from x and y");
    bpi_c_print(text, ". */\nvoid $_predict(const ~ *x, ~ *y");
    bpi_c_print(text, scratch->is_given ? ", ~ *scratch);\n\n" : ");\n\n");
}

static void declare_test(const struct bpi_c_text *text, const bp_network *net)
{
    bpi_c_print(text, "/* Compile the source with &_SELF_TEST defined to have a test of it: recorded inputs must give the "
                      "recorded outputs.\n"
                      "   Returns 0, or the number of the first row that does not, counted from 1. With &_SELF_TEST_MAIN "
                      "defined the source\n"
                      "   is a program that returns the same: cc -std=c99 -D&_SELF_TEST_MAIN $.c");
    bpi_c_print(text, (needs_of(net) & (BPI_C_LIBM | BPI_C_BY_LIBM)) != 0 ? " -lm */\n" : " */\n");
    bpi_c_print(text, "#if defined(&_SELF_TEST) || defined(&_SELF_TEST_MAIN)\nint $_self_test(void);\n#endif\n\n");
}

void bpi_c_write_header(const struct bpi_c_text *text, const struct bpi_c_model *model)
{
    const bp_network *net = model->net;
    const struct scratch scratch = scratch_of(model);
    describe_network(text, net);
    bpi_c_print(text, "#ifndef &_H\n#define &_H\n\n#include <stddef.h>\n\n");
    bpi_c_print(text, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    bpi_c_print(text, "#define &_N_IN %\n#define &_N_OUT %\n", net->n_in, net->n_out);
    if (scratch.is_given)
        bpi_c_print(text, "#define &_SCRATCH_SIZE %\n", scratch.sum);
    bpi_c_print(text, "#define &_EXPORT ");
    bpi_writer_print(text->out, "0x%08xU", (unsigned)identify(model));
    bpi_c_print(text, " /* the source is of the same export */\n\n");
    declare_predict(text, &scratch);
    if (net->class_names != NULL)
        bpi_c_print(text,
                    "#define &_N_CLASSES %\n\n/* The name of class k, in UTF-8; NULL for a k that is none. */\n"
                    "const char *$_class_name(size_t k);\n\n",
                    net->n_class_names);
    declare_test(text, net);
    bpi_c_print(text, "#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
}

/* ---- Source: constants ----------------------------------------------------------------------------------------------- */

/* Number k of an array. */
typedef double (*element_of)(const struct bpi_c_model *model, size_t l, size_t k);

static double element_of_W(const struct bpi_c_model *model, size_t l, size_t k)
{
    const bp_layer *layer = &model->net->layers[l];
    const double weight = bpi_c_weight(model, l, k % layer->n_out, k / layer->n_out);
    return is_negated(model->net, layer) ? -weight : weight;
}

static double element_of_b(const struct bpi_c_model *model, size_t l, size_t k)
{
    return is_negated(model->net, &model->net->layers[l]) ? -model->shift[k] : model->shift[k];
}

static double in_center(const struct bpi_c_model *model, size_t l, size_t k)
{
    (void)l;
    return (double)model->net->in_center[k];
}

static double in_scale(const struct bpi_c_model *model, size_t l, size_t k)
{
    (void)l;
    return (double)model->net->in_scale[k];
}

static double out_center(const struct bpi_c_model *model, size_t l, size_t k)
{
    (void)l;
    return (double)model->net->out_center[k];
}

static double out_scale(const struct bpi_c_model *model, size_t l, size_t k)
{
    (void)l;
    return (double)model->net->out_scale[k];
}

static double test_input(const struct bpi_c_model *model, size_t l, size_t k)
{
    (void)l;
    return model->X[k];
}

static double test_output(const struct bpi_c_model *model, size_t l, size_t k)
{
    (void)l;
    return model->Y[k];
}

/* A constant array; `name` is a template, in which % is l. */
static void write_array(const struct bpi_c_text *text, const struct bpi_c_model *model, const char *name, size_t l,
                        size_t n, element_of element)
{
    bpi_c_print(text, "static const ~ $_");
    bpi_c_print(text, name, l);
    bpi_c_print(text, "[%] = {", n);
    for (size_t k = 0; k < n && text->out->status == BP_OK; k++)
        bpi_c_element(text, k, element(model, l, k));
    bpi_c_print(text, "\n};\n");
}

static void write_layer_arrays(const struct bpi_c_text *text, const struct bpi_c_model *model, size_t l)
{
    const bp_layer *layer = &model->net->layers[l];
    write_array(text, model, "W%", l, layer->n_in * layer->n_out, element_of_W);
    if (bpi_c_has_shift(model, l))
        write_array(text, model, "b%", l, layer->n_out, element_of_b);
    if (layer->normalization == BP_LAYER_NORMALIZATION) {
        write_array(text, model, "gamma%", l, layer->n_out, bpi_c_gamma);
        write_array(text, model, "beta%", l, layer->n_out, bpi_c_beta);
    }
    bpi_c_print(text, "\n");
}

static void write_scaling_arrays(const struct bpi_c_text *text, const struct bpi_c_model *model)
{
    const bp_network *net = model->net;
    if (model->inputs_by_code) {
        write_array(text, model, "in_center", 0, net->n_in, in_center);
        write_array(text, model, "in_scale", 0, net->n_in, in_scale);
        bpi_c_print(text, "\n");
    }
    if (model->outputs_by_code) {
        write_array(text, model, "out_center", 0, net->n_out, out_center);
        write_array(text, model, "out_scale", 0, net->n_out, out_scale);
        bpi_c_print(text, "\n");
    }
}

/* ---- Source: functions ----------------------------------------------------------------------------------------------- */

static bool uses_layer_normalization(const bp_network *net)
{
    for (size_t l = 0; l < net->n_layers; l++)
        if (net->layers[l].normalization == BP_LAYER_NORMALIZATION)
            return true;
    return false;
}

static bool uses_activation(const bp_network *net, bp_activation activation)
{
    for (size_t l = 0; l < net->n_layers; l++)
        if (net->layers[l].activation == activation)
            return true;
    return false;
}

static void write_functions(const struct bpi_c_text *text, const bp_network *net)
{
    for (int activation = 0; activation < (int)BP_N_ACTIVATIONS; activation++) {
        const struct bpi_c_function *function = bpi_c_function((bp_activation)activation);
        if (function->text == NULL || !uses_activation(net, (bp_activation)activation))
            continue;
        bpi_c_print(text, function->text);
        bpi_c_print(text, "\n");
    }
    if (uses_layer_normalization(net)) {
        bpi_c_print(text, bpi_c_normalize);
        bpi_c_print(text, "\n");
    }
}

/* n inputs as constants: the first ones as x_0, x_1, ..., or in the loop those from i on as xi_0, xi_1, ... */
static void write_inputs(const struct bpi_c_text *text, bool scales, bool in_loop, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        char index[32];
        (void)snprintf(index, sizeof index, !in_loop ? "%zu" : k == 0 ? "i" : "i + %zu", k);
        bpi_c_print(text, in_loop ? "        const ~ xi_% = " : "    const ~ x_% = ", k);
        if (scales) {
            bpi_c_print(text, "(");
            bpi_writer_print(text->out, "x[%s] - ", index);
            bpi_c_print(text, "$_in_center[");
            bpi_writer_print(text->out, "%s]) / ", index);
            bpi_c_print(text, "$_in_scale[");
            bpi_writer_print(text->out, "%s];\n", index);
        } else {
            bpi_writer_print(text->out, "x[%s];\n", index);
        }
    }
}

/* x_0 * w[j] + ..., n terms in pairs; in the loop xi_0 and so on. */
static void write_terms(const struct bpi_c_text *text, bool in_loop, size_t n, size_t n_out)
{
    for (size_t k = 0; k < n; k++) {
        const bool opens = k % 2 == 0 && k + 1 < n && n > 2, closes = k % 2 == 1 && n > 2;
        bpi_c_print(text, opens ? "(" : "");
        bpi_c_print(text, in_loop ? "xi_% * w[" : "x_% * w[", k);
        if (k > 0)
            bpi_c_print(text, "% + ", k * n_out);
        bpi_c_print(text, closes ? "j])" : "j]");
        bpi_c_print(text, k + 1 < n ? " + " : "");
    }
}

/* Whether f takes the units one by one. Else it takes all of them, or there is nothing to do. */
static bool is_elementwise(const struct bpi_c_function *f)
{
    return f->call != NULL && f->row_value == NULL;
}

/* What comes before a sum to which b and f are applied ... */
static void open_activation(const struct bpi_c_text *text, const bp_network *net, const bp_layer *layer)
{
    const struct bpi_c_function *f = bpi_c_function(layer->activation);
    if (!is_elementwise(f))
        return;
    bpi_c_print(text, is_negated(net, layer) ? "$_logistic_of_minus" : f->call);
    bpi_c_print(text, "(");
}

/* ... and behind it. */
static void close_activation(const struct bpi_c_text *text, const bp_layer *layer, size_t l, bool adds_b)
{
    const struct bpi_c_function *f = bpi_c_function(layer->activation);
    if (adds_b)
        bpi_c_print(text, " + $_b%[j]", l);
    if (f->has_parameter) {
        bpi_c_print(text, ", ");
        bpi_c_number(text, (double)layer->parameter);
    }
    bpi_c_print(text, is_elementwise(f) ? ");\n" : ";\n");
}

/* How many inputs begin the sums: what is over when the others are taken AT_A_TIME. */
static size_t first_inputs(const bp_layer *layer)
{
    return layer->n_in % AT_A_TIME > 0 ? layer->n_in % AT_A_TIME : AT_A_TIME;
}

/* Whether these are all, so that a sum goes to the activation as it is. */
static bool is_in_one(const bp_layer *layer)
{
    return layer->n_in <= AT_A_TIME && layer->normalization != BP_LAYER_NORMALIZATION;
}

/* y = x W of the first inputs; if they are all, b and f are included, b first, as it is there before the inputs are. */
static void write_first_inputs(const struct bpi_c_text *text, const struct bpi_c_model *model, size_t l)
{
    const bp_layer *layer = &model->net->layers[l];
    const size_t n = first_inputs(layer);
    write_inputs(text, l == 0 && model->inputs_by_code, false, n);
    bpi_c_print(text, "    const ~ *w = $_W%;\n", l);
    bpi_c_print(text, "    for (size_t j = 0; j < %; j++)\n        y[j] = ", layer->n_out);
    if (is_in_one(layer)) {
        open_activation(text, model->net, layer);
        bpi_c_print(text, bpi_c_has_shift(model, l) ? "$_b%[j] + " : "", l);
        write_terms(text, false, n, layer->n_out);
        close_activation(text, layer, l, false);
    } else {
        write_terms(text, false, n, layer->n_out);
        bpi_c_print(text, ";\n");
    }
}

/* y += x W of all others. */
static void write_other_inputs(const struct bpi_c_text *text, const struct bpi_c_model *model, size_t l)
{
    const bp_layer *layer = &model->net->layers[l];
    const size_t first = first_inputs(layer), n_out = layer->n_out;
    if (layer->n_in == first)
        return;
    bpi_c_print(text, "    w += %;\n", first * n_out);
    bpi_c_print(text, "    for (size_t i = %; i < %; i += %) {\n", first, layer->n_in, AT_A_TIME);
    write_inputs(text, l == 0 && model->inputs_by_code, true, AT_A_TIME);
    bpi_c_print(text, "        for (size_t j = 0; j < %; j++)\n            y[j] += ", n_out);
    write_terms(text, true, AT_A_TIME, n_out);
    bpi_c_print(text, ";\n        w += %;\n    }\n", AT_A_TIME * n_out);
}

/* y = f(y + b), as far as there is anything to do, with `b` or without. */
static void write_activation(const struct bpi_c_text *text, const bp_network *net, size_t l, bool adds_b)
{
    const bp_layer *layer = &net->layers[l];
    if (!adds_b && !is_elementwise(bpi_c_function(layer->activation)))
        return;
    bpi_c_print(text, "    for (size_t j = 0; j < %; j++)\n        y[j] = ", layer->n_out);
    open_activation(text, net, layer);
    bpi_c_print(text, "y[j]");
    close_activation(text, layer, l, adds_b);
}

static void write_row_activation(const struct bpi_c_text *text, const bp_layer *layer)
{
    const struct bpi_c_function *f = bpi_c_function(layer->activation);
    if (f->row_value == NULL)
        return;
    bpi_c_print(text, "    ");
    bpi_c_print(text, f->call);
    bpi_c_print(text, "(%, y);\n", layer->n_out);
}

static void write_normalization(const struct bpi_c_text *text, const bp_layer *layer, size_t l, bool adds_b)
{
    if (adds_b)
        bpi_c_print(text, "    for (size_t j = 0; j < %; j++)\n        y[j] += $_b%[j];\n", layer->n_out, l);
    bpi_c_print(text, "    $_normalize(%, ", layer->n_out);
    bpi_c_number(text, (double)layer->epsilon);
    bpi_c_print(text, ", $_gamma%, $_beta%, y);\n", l, l);
}

static void write_layer(const struct bpi_c_text *text, const struct bpi_c_model *model, size_t l)
{
    const bp_layer *layer = &model->net->layers[l];
    const bool has_normalization = layer->normalization == BP_LAYER_NORMALIZATION, has_b = bpi_c_has_shift(model, l);
    bpi_c_print(text, "/* ");
    describe_layer(text, layer);
    bpi_c_print(text, " */\nstatic void $_layer_%(const ~ *x, ~ *y)\n{\n", l);
    write_first_inputs(text, model, l);
    write_other_inputs(text, model, l);
    if (has_normalization)
        write_normalization(text, layer, l, has_b);
    if (!is_in_one(layer))
        write_activation(text, model->net, l, has_b && !has_normalization);
    write_row_activation(text, layer);
    if (l + 1 == model->net->n_layers && model->outputs_by_code)
        bpi_c_print(text, "    for (size_t j = 0; j < %; j++)\n        y[j] = y[j] * $_out_scale[j] + $_out_center[j];\n",
                    layer->n_out);
    bpi_c_print(text, "}\n\n");
}

static void write_scratch(const struct bpi_c_text *text, const struct scratch *scratch)
{
    if (scratch->is_given)
        bpi_c_print(text, "    ~ *a_0 = scratch;\n");
    else if (scratch->n[0] > 0)
        bpi_c_print(text, "    ~ a_0[%];\n", scratch->n[0]);
    if (scratch->is_given && scratch->n[1] > 0)
        bpi_c_print(text, "    ~ *a_1 = scratch + %;\n", scratch->n[0]);
    else if (scratch->n[1] > 0)
        bpi_c_print(text, "    ~ a_1[%];\n", scratch->n[1]);
}

static void write_predict(const struct bpi_c_text *text, const struct bpi_c_model *model)
{
    const size_t n = model->net->n_layers;
    const struct scratch scratch = scratch_of(model);
    bpi_c_print(text, scratch.is_given ? "void $_predict(const ~ *x, ~ *y, ~ *scratch)\n{\n"
                                       : "void $_predict(const ~ *x, ~ *y)\n{\n");
    write_scratch(text, &scratch);
    for (size_t l = 0; l < n; l++) {
        bpi_c_print(text, l == 0 ? "    $_layer_%(x, " : "    $_layer_%(", l);
        if (l > 0)
            bpi_c_print(text, "a_%, ", (l - 1) % 2);
        if (l + 1 < n)
            bpi_c_print(text, "a_%);\n", l % 2);
        else
            bpi_c_print(text, "y);\n");
    }
    bpi_c_print(text, "}\n");
}

/* ---- Source: names and test ------------------------------------------------------------------------------------------ */

/* What is too long for a string that every compiler takes is an array of characters. */
static void write_long_name(const struct bpi_c_text *text, size_t k, const char *name)
{
    bpi_c_print(text, "static const char $_class_name_%[] = {", k);
    for (size_t i = 0; i == 0 || name[i - 1] != '\0'; i++) {
        const unsigned byte = (unsigned char)name[i];
        bpi_writer_print(text->out, "%s'\\%u%u%u',", i % 16 == 0 ? "\n    " : " ", byte >> 6, byte >> 3 & 7U, byte & 7U);
    }
    bpi_c_print(text, "\n};\n");
}

static void write_class_names(const struct bpi_c_text *text, const bp_network *net)
{
    if (net->class_names == NULL)
        return;
    bpi_c_print(text, "\n");
    for (size_t k = 0; k < net->n_class_names; k++)
        if (strlen(net->class_names[k]) > LONGEST_STRING)
            write_long_name(text, k, net->class_names[k]);
    bpi_c_print(text, "static const char *const $_class_names[%] = {", net->n_class_names);
    for (size_t k = 0; k < net->n_class_names; k++) {
        bpi_c_print(text, "\n    ");
        if (strlen(net->class_names[k]) > LONGEST_STRING)
            bpi_c_print(text, "$_class_name_%", k);
        else
            bpi_c_string(text, net->class_names[k]);
        bpi_c_print(text, ",");
    }
    bpi_c_print(text, "\n};\n\nconst char *$_class_name(size_t k)\n{\n    return k < % ? $_class_names[k] : NULL;\n}\n",
                net->n_class_names);
}

static void write_test(const struct bpi_c_text *text, const struct bpi_c_model *model)
{
    const bp_network *net = model->net;
    const size_t rows = BPI_C_TEST_ROWS;
    const bool has_scratch = scratch_of(model).is_given;
    bpi_c_print(text, "\n#if defined(&_SELF_TEST) || defined(&_SELF_TEST_MAIN)\n\n");
    write_array(text, model, "test_x", 0, rows * net->n_in, test_input);
    write_array(text, model, "test_y", 0, rows * net->n_out, test_output);
    bpi_c_print(text, "\nint $_self_test(void)\n{\n    static ~ y[%];\n", net->n_out);
    if (has_scratch)
        bpi_c_print(text, "    static ~ scratch[&_SCRATCH_SIZE];\n");
    bpi_c_print(text, "    const ~ tolerance = ");
    bpi_c_number(text, model->tolerance);
    bpi_c_print(text, ";\n    for (size_t row = 0; row < %; row++) {\n        $_predict($_test_x + row * %, y", rows,
                net->n_in);
    bpi_c_print(text, has_scratch ? ", scratch);\n" : ");\n");
    bpi_c_print(text,
                "        for (size_t k = 0; k < %; k++) {\n            const ~ error = y[k] - $_test_y[row * % + k];\n",
                net->n_out, net->n_out);
    bpi_c_print(text, "            if (!((error < 0 ? -error : error) <= tolerance)) /* also if it is no number */\n"
                      "                return (int)row + 1;\n        }\n    }\n    return 0;\n}\n");
    bpi_c_print(text, "\n#ifdef &_SELF_TEST_MAIN\nint main(void)\n{\n    return $_self_test();\n}\n#endif\n\n#endif\n");
}

void bpi_c_write_source(const struct bpi_c_text *text, struct bpi_c_model *model)
{
    const bp_network *net = model->net;
    bpi_writer_print(text->out, "/* A trained network, exported by libbackprop %s. Do not edit: export it again. */\n",
                     bp_version());
    bpi_c_print(text, "#include \"$.h\"\n\n");
    bpi_c_write_includes(text, needs_of(net));
    bpi_c_print(text, "#if &_EXPORT != ");
    bpi_writer_print(text->out, "0x%08xU\n", (unsigned)identify(model));
    bpi_c_print(text, "#error \"$.h is of another export than $.c\"\n#endif\n\n");
    bpi_c_print(text, "/* W is stored input by input: W[i * n_out + j] leads from input i to unit j.");
    bpi_c_print(text, (needs_of(net) & BPI_C_LOGISTIC_OF_MINUS) != 0
                          ? "\n   In front of a sigmoid W and b have their signs changed. */\n"
                          : " */\n");
    for (size_t l = 0; l < net->n_layers; l++) {
        bpi_c_fold(model, l);
        write_layer_arrays(text, model, l);
    }
    write_scaling_arrays(text, model);
    bpi_c_write_math(text, needs_of(net));
    write_functions(text, net);
    for (size_t l = 0; l < net->n_layers; l++)
        write_layer(text, model, l);
    write_predict(text, model);
    write_class_names(text, net);
    write_test(text, model);
}
