// SPDX-License-Identifier: MIT
/*
 * Model files: a network's numbers as tensors, all else as text. docs/format.md describes them.
 *
 * Reading goes: what the file says of each layer; whether all its tensors are there, in the right size; only then the network,
 * and its numbers; then scaling, names and metadata.
 */
#include "model/model_file.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backprop/version.h"
#include "base/memory.h"
#include "base/status.h"
#include "math/activation.h"
#include "model/tensors.h"
#include "net/names.h"
#include "net/network.h"
#include "store/number.h"
#include "store/text.h"
#include "store/utf8.h"

#define FORMAT_VERSION 1

enum { KEY_SIZE = 64, NAME_SIZE = 64 };

static void key_of_layer(size_t l, const char *behind, char key[KEY_SIZE])
{
    (void)snprintf(key, KEY_SIZE, "bp.layer.%zu%s", l, behind);
}

static void name_of_tensor(size_t module, size_t slot, char name[NAME_SIZE])
{
    (void)snprintf(name, NAME_SIZE, "%zu.%s", module + (bpi_slots[slot].is_normalization ? 1 : 0), bpi_slots[slot].field);
}

/* ---- Writing --------------------------------------------------------------------------------------------------------- */

/* Text of one line that is made piece by piece; what is put into it always fits. */
struct line {
    char text[BPI_ENTRY_SIZE];
    size_t n;
};

static void line_text(struct line *line, const char *text)
{
    const size_t n = strlen(text);
    memcpy(line->text + line->n, text, n + 1);
    line->n += n;
}

static void line_number(struct line *line, const char *before, bp_real value)
{
    line_text(line, before);
    line->n += bpi_number_write((double)value, BPI_BINARY64, line->text + line->n);
}

static struct line describe_layer(const bp_layer *layer)
{
    struct line line;
    line.n = (size_t)snprintf(line.text, sizeof line.text, "n_out=%zu activation=%s", layer->n_out,
                              bp_activation_name(layer->activation));
    line_number(&line, " parameter=", layer->parameter);
    line_text(&line, layer->no_bias ? " bias=0" : " bias=1");
    line_text(&line, " normalization=");
    line_text(&line, bp_normalization_name(layer->normalization));
    line_number(&line, " epsilon=", layer->epsilon);
    line_number(&line, " running_rate=", layer->running_rate);
    line_number(&line, " dropout=", layer->dropout);
    line_text(&line, layer->frozen ? " frozen=1" : " frozen=0");
    return line;
}

static void put_topology(struct bpi_contents *contents, const bp_network *net)
{
    char key[KEY_SIZE];
    bpi_contents_u64(contents, "bp.n_in", net->n_in);
    bpi_contents_u64(contents, "bp.n_layers", net->n_layers);
    for (size_t l = 0; l < net->n_layers; l++) {
        key_of_layer(l, "", key);
        bpi_contents_text(contents, key, describe_layer(&net->layers[l]).text);
        if (net->layers[l].custom != NULL) {
            key_of_layer(l, ".custom", key);
            bpi_contents_text(contents, key, net->layers[l].custom->name);
        }
    }
}

/* A name as one line: a newline in it as \n, a backslash as two. */
static bp_status append_line(struct bpi_growing *list, const bp_allocator *allocator, const char *name)
{
    BPI_TRY(bpi_growing_reserve(list, allocator, "writing", 2 * strlen(name) + 1));
    char *to = (char *)list->data + list->n, *const start = to;
    for (; *name != '\0'; name++) {
        if (*name == '\n' || *name == '\\')
            *to++ = '\\';
        *to++ = *name == '\n' ? 'n' : *name;
    }
    *to++ = '\n';
    list->n += (size_t)(to - start);
    return BP_OK;
}

static bp_status put_names(struct bpi_contents *contents, const char *key, char *const *names, size_t n)
{
    struct bpi_growing list = { 0 };
    bp_status status = BP_OK;
    for (size_t i = 0; names != NULL && i < n && status == BP_OK; i++)
        status = append_line(&list, &contents->allocator, names[i]);
    if (status == BP_OK && list.n > 0) {
        ((char *)list.data)[list.n - 1] = '\0'; /* in place of the last newline */
        bpi_contents_text(contents, key, list.data);
    }
    bpi_growing_release(&list, &contents->allocator);
    return status;
}

static void put_scaling(struct bpi_contents *contents, const bp_network *net)
{
    if (net->scales_inputs) {
        bpi_contents_reals(contents, "bp.in_center", net->in_center, net->n_in);
        bpi_contents_reals(contents, "bp.in_scale", net->in_scale, net->n_in);
    }
    if (net->scales_outputs) {
        bpi_contents_reals(contents, "bp.out_center", net->out_center, net->n_out);
        bpi_contents_reals(contents, "bp.out_scale", net->out_scale, net->n_out);
    }
}

static void put_tensors(struct bpi_contents *contents, const bp_network *net)
{
    size_t module = 0;
    for (size_t l = 0; l < net->n_layers; l++) {
        const struct bpi_layer_form form = bpi_form_of_layer(&net->layers[l]);
        for (size_t slot = 0; slot < BPI_N_SLOTS; slot++) {
            char name[NAME_SIZE];
            uint64_t dims[2];
            if (!bpi_slot_exists(&form, slot))
                continue;
            name_of_tensor(module, slot, name);
            const size_t n_dims = bpi_slot_dims(&form, slot, dims);
            bpi_contents_tensor(contents, name, BPI_DTYPE_REAL, n_dims, dims, bpi_slot_array(&net->layers[l], slot));
        }
        module += bpi_form_modules(&form);
    }
}

/* Why no reader would take n numbers: "not finite" or "a negative variance"; NULL if all is well. */
static const char *fault_of(const bp_real *values, size_t n, bool are_variances)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            return "not finite";
        if (are_variances && values[i] < (bp_real)0)
            return "a negative variance";
    }
    return NULL;
}

static bp_status check_layer(const bp_layer *layer, size_t l)
{
    const struct bpi_layer_form form = bpi_form_of_layer(layer);
    if (layer->custom != NULL && !bpi_utf8_is_valid(layer->custom->name, strlen(layer->custom->name)))
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: the name of its custom activation is not UTF-8", l);
    for (size_t i = 0; i < BPI_N_SLOTS; i++) {
        const struct bpi_slot *slot = &bpi_slots[i];
        if (!bpi_slot_exists(&form, i))
            continue;
        const size_t n = layer->n_out * (slot->is_matrix ? layer->n_in : 1);
        const char *fault = fault_of(bpi_slot_array(layer, i), n, slot->is_variance);
        if (fault != NULL)
            return bpi_fail(BP_ERR_NONFINITE, "layer %zu: a number in its %s%s is %s", l,
                            slot->is_normalization ? "normalization's " : "", slot->field, fault);
    }
    return BP_OK;
}

bp_status bpi_model_put(struct bpi_contents *contents, const bp_network *net, const char *kind)
{
    for (size_t l = 0; l < net->n_layers; l++)
        BPI_TRY(check_layer(&net->layers[l], l));
    bpi_contents_u64(contents, "bp.format", FORMAT_VERSION);
    bpi_contents_text(contents, "bp.version", bp_version());
    bpi_contents_text(contents, "bp.kind", kind);
    put_topology(contents, net);
    put_scaling(contents, net);
    BPI_TRY(put_names(contents, "bp.input_names", net->input_names, net->n_in));
    BPI_TRY(put_names(contents, "bp.class_names", net->class_names, net->n_class_names));
    for (size_t i = 0; i < net->n_metadata; i++)
        bpi_contents_text(contents, net->metadata[i].key, net->metadata[i].value);
    put_tensors(contents, net);
    return BP_OK;
}

static bp_status write_model(const bp_network *net, struct bpi_writer *writer)
{
    struct bpi_contents contents = { .allocator = net->allocator };
    bp_status status = bpi_model_put(&contents, net, "model");
    if (status == BP_OK)
        status = bpi_contents_write(&contents, writer);
    bpi_contents_release(&contents);
    return status;
}

bp_status bp_network_save(const bp_network *net, const char *path)
{
    struct bpi_writer writer;
    BPI_TRY(bpi_network_check(__func__, "net", net));
    BPI_NOT_NULL(path);
    BPI_TRY(bpi_writer_open_path(&writer, path, &net->allocator));
    const bp_status status = write_model(net, &writer);
    if (status == BP_OK)
        return bpi_writer_finish(&writer);
    bpi_writer_abandon(&writer);
    return status;
}

bp_status bp_network_save_memory(const bp_network *net, bp_bytes *bytes)
{
    struct bpi_writer writer;
    BPI_NOT_NULL(bytes);
    *bytes = (bp_bytes){ 0 };
    BPI_TRY(bpi_network_check(__func__, "net", net));
    bpi_writer_open_memory(&writer, &net->allocator);
    bp_status status = write_model(net, &writer);
    if (status == BP_OK)
        status = bpi_writer_finish(&writer);
    if (status == BP_OK)
        *bytes = (bp_bytes){ .data = writer.memory.data, .size = writer.memory.n, .allocator = net->allocator };
    else
        bpi_writer_abandon(&writer);
    return status;
}

/* ---- Reading: the topology ------------------------------------------------------------------------------------------- */

/* What is read, before there is a network. */
struct plan {
    const struct bpi_safetensors *st;
    const bp_load_config *config;
    bp_allocator allocator;
    size_t n_in, n_out, n_layers;
    bp_layer_config *layers;
};

/* A layer's line, from left to right. */
struct fields {
    const struct plan *plan;
    size_t layer;
    const char *at;
};

static bp_status refuse_layer(const struct fields *fields, const char *expected)
{
    return bpi_fail(BP_ERR_FORMAT, "%s: bp.layer.%zu: expected %s, found %s", fields->plan->st->name, fields->layer,
                    expected, bpi_quote(fields->at, strlen(fields->at)).text);
}

/* Reads "key=", and gives the value behind it: the characters up to the next blank. */
static bp_status take_field(struct fields *fields, const char *key, const char **value, size_t *n)
{
    const size_t n_key = strlen(key);
    if (strncmp(fields->at, key, n_key) != 0)
        return refuse_layer(fields, key);
    *value = fields->at + n_key;
    *n = strcspn(*value, " ");
    return BP_OK;
}

static void go_behind(struct fields *fields, const char *end)
{
    fields->at = end + (end[0] == ' ' && end[1] != '\0'); /* one at the end is one too many */
}

static bp_status take_real(struct fields *fields, const char *key, bp_real *real)
{
    const char *value = "";
    size_t n = 0;
    double number;
    BPI_TRY(take_field(fields, key, &value, &n));
    if (bpi_number_read(value, n, BPI_BINARY64, &number) != BPI_NUMBER || !isfinite((bp_real)number))
        return refuse_layer(fields, "a number");
    *real = (bp_real)number;
    go_behind(fields, value + n);
    return BP_OK;
}

/* A whole number up to `most`, as bpi_contents_u64() writes it. */
static bp_status take_whole(struct fields *fields, const char *key, uint64_t most, uint64_t *whole)
{
    const char *value = "";
    size_t n = 0;
    BPI_TRY(take_field(fields, key, &value, &n));
    struct bpi_json digits = { .name = fields->plan->st->name, .text = value, .n = n };
    if (strspn(value, "0123456789") < n || bpi_json_u64(&digits, whole) != BP_OK || *whole > most)
        return refuse_layer(fields, "a whole number in its range");
    go_behind(fields, value + n);
    return BP_OK;
}

static bp_status take_flag(struct fields *fields, const char *key, bool *flag)
{
    uint64_t whole = 0;
    BPI_TRY(take_whole(fields, key, 1, &whole));
    *flag = whole != 0;
    return BP_OK;
}

/* One of n names, that name_of gives. */
static bp_status take_name(struct fields *fields, const char *key, size_t n_names, const char *(*name_of)(size_t),
                           size_t *found)
{
    const char *value = "";
    size_t n = 0;
    BPI_TRY(take_field(fields, key, &value, &n));
    for (size_t i = 0; i < n_names; i++) {
        if (strlen(name_of(i)) == n && memcmp(name_of(i), value, n) == 0) {
            *found = i;
            go_behind(fields, value + n);
            return BP_OK;
        }
    }
    return refuse_layer(fields, "a name that this version knows");
}

static const char *activation_name(size_t i)
{
    return bp_activation_name((bp_activation)i);
}

static const char *normalization_name(size_t i)
{
    return bp_normalization_name((bp_normalization)i);
}

static bp_status parse_layer(struct fields *fields, bp_layer_config *layer)
{
    uint64_t n_out = 0;
    size_t activation = 0, normalization = 0;
    bool bias = false, frozen = false;
    BPI_TRY(take_whole(fields, "n_out=", SIZE_MAX, &n_out));
    BPI_TRY(take_name(fields, "activation=", BP_N_ACTIVATIONS, activation_name, &activation));
    BPI_TRY(take_real(fields, "parameter=", &layer->parameter));
    BPI_TRY(take_flag(fields, "bias=", &bias));
    BPI_TRY(take_name(fields, "normalization=", BP_N_NORMALIZATIONS, normalization_name, &normalization));
    BPI_TRY(take_real(fields, "epsilon=", &layer->epsilon));
    BPI_TRY(take_real(fields, "running_rate=", &layer->running_rate));
    BPI_TRY(take_real(fields, "dropout=", &layer->dropout));
    BPI_TRY(take_flag(fields, "frozen=", &frozen));
    if (*fields->at != '\0')
        return refuse_layer(fields, "nothing more");
    layer->n_out = (size_t)n_out;
    layer->activation = (bp_activation)activation;
    layer->no_bias = !bias;
    layer->normalization = (bp_normalization)normalization;
    layer->frozen = frozen;
    layer->weights.kind = BP_INIT_ZEROS; /* there are numbers to come */
    return BP_OK;
}

/* Finds the functions of a custom activation by its name. */
static bp_status find_custom(const struct plan *plan, size_t l, bp_layer_config *layer)
{
    char key[KEY_SIZE];
    struct bpi_json_string name;
    key_of_layer(l, ".custom", key);
    if (layer->activation != BP_CUSTOM_ACTIVATION)
        return BP_OK; /* an entry would be one too many */
    if (!bpi_safetensors_value(plan->st, key, &name))
        return bpi_fail(BP_ERR_FORMAT, "%s: %s: expected the name of a custom activation, found no such entry",
                        plan->st->name, key);
    for (size_t i = 0; i < plan->config->n_custom; i++)
        if (bpi_json_equals(&name, plan->config->custom[i]->name))
            layer->custom = plan->config->custom[i];
    if (layer->custom == NULL)
        return bpi_fail(BP_ERR_UNSUPPORTED,
                        "%s: layer %zu has the custom activation %s, which the caller did not hand over", plan->st->name, l,
                        bpi_quote(name.raw, name.n).text);
    return BP_OK;
}

static bp_status read_layer(const struct plan *plan, size_t l)
{
    char key[KEY_SIZE], text[BPI_ENTRY_SIZE];
    key_of_layer(l, "", key);
    BPI_TRY(bpi_entry_text(plan->st, key, text));
    struct fields fields = { .plan = plan, .layer = l, .at = text };
    BPI_TRY(parse_layer(&fields, &plan->layers[l]));
    return find_custom(plan, l, &plan->layers[l]);
}

/* Every tensor of a layer is there and has the right size; so its memory is justified. */
static bp_status check_tensors(const struct plan *plan, const struct bpi_layer_form *form, size_t module)
{
    for (size_t slot = 0; slot < BPI_N_SLOTS; slot++) {
        char name[NAME_SIZE];
        uint64_t dims[2];
        struct bpi_tensor tensor;
        if (!bpi_slot_exists(form, slot))
            continue;
        const size_t n_dims = bpi_slot_dims(form, slot, dims);
        name_of_tensor(module, slot, name);
        BPI_TRY(bpi_expect_reals(plan->st, name, n_dims, dims, &tensor));
    }
    return BP_OK;
}

static bp_status read_layers(struct plan *plan)
{
    size_t n_in = plan->n_in, module = 0;
    for (size_t l = 0; l < plan->n_layers; l++) {
        BPI_TRY(read_layer(plan, l));
        const struct bpi_layer_form form = bpi_form_of_config(n_in, &plan->layers[l]);
        BPI_TRY(check_tensors(plan, &form, module));
        module += bpi_form_modules(&form);
        n_in = plan->layers[l].n_out;
    }
    plan->n_out = n_in;
    return BP_OK;
}

/* Which file it is. */
static bp_status check_kind(const struct bpi_safetensors *st, bool *is_checkpoint)
{
    struct bpi_json_string format;
    uint64_t version;
    char text[BPI_ENTRY_SIZE];
    if (!bpi_safetensors_value(st, "bp.format", &format))
        return bpi_fail(BP_ERR_UNSUPPORTED,
                        "%s: it is a safetensors file without bp.format: it has weights, but says nothing about a network",
                        st->name);
    BPI_TRY(bpi_entry_u64(st, "bp.format", UINT64_MAX, &version));
    if (version != FORMAT_VERSION)
        return bpi_fail(BP_ERR_UNSUPPORTED, "%s: its format is version %llu, this library reads version %d", st->name,
                        (unsigned long long)version, FORMAT_VERSION);
    BPI_TRY(bpi_entry_text(st, "bp.version", text)); /* whatever it is */
    BPI_TRY(bpi_entry_text(st, "bp.kind", text));
    *is_checkpoint = strcmp(text, "checkpoint") == 0;
    if (!*is_checkpoint && strcmp(text, "model") != 0)
        return bpi_fail(BP_ERR_FORMAT, "%s: bp.kind: expected model or checkpoint, found %s", st->name,
                        bpi_quote(text, strlen(text)).text);
    (void)bpi_safetensors_value(st, BPI_CRC_KEY, &format); /* is right, and used */
    return BP_OK;
}

static bp_status read_sizes(struct plan *plan)
{
    uint64_t n_in, n_layers;
    BPI_TRY(bpi_entry_u64(plan->st, "bp.n_in", SIZE_MAX, &n_in));
    BPI_TRY(bpi_entry_u64(plan->st, "bp.n_layers", SIZE_MAX, &n_layers));
    if (n_layers > plan->st->n_tensors) /* each has one at least */
        return bpi_fail(BP_ERR_FORMAT, "%s: there are %llu layers, but only %zu tensors", plan->st->name,
                        (unsigned long long)n_layers, plan->st->n_tensors);
    plan->n_in = (size_t)n_in;
    plan->n_layers = (size_t)n_layers;
    return BP_OK;
}

/* ---- Reading: the network -------------------------------------------------------------------------------------------- */

/* A failure of one of our own functions on what the file says is the file's; its sentence gets the file's name. */
static bp_status blame_file(const struct bpi_safetensors *st, bp_status status)
{
    static const bp_status blames[] = { [BP_ERR_ARGUMENT] = BP_ERR_FORMAT,
                                        [BP_ERR_SHAPE] = BP_ERR_FORMAT,
                                        [BP_ERR_TOO_LARGE] = BP_ERR_TOO_LARGE,
                                        [BP_ERR_NONFINITE] = BP_ERR_FORMAT,
                                        [BP_ERR_UNSUPPORTED] = BP_ERR_FORMAT };
    char reason[512];
    if (status == BP_OK || status == BP_ERR_MEMORY)
        return status;
    assert((size_t)status < sizeof blames / sizeof blames[0] && blames[status] != BP_OK);
    (void)snprintf(reason, sizeof reason, "%s", bp_error_message());
    return bpi_fail(blames[status], "%s: %s", st->name, reason);
}

/* A setting of 0 means a default; a file has the value itself. */
static bp_status check_settings(const struct plan *plan, const bp_network *net)
{
    for (size_t l = 0; l < net->n_layers; l++) {
        const bp_layer *made = &net->layers[l];
        const bp_layer_config *said = &plan->layers[l];
        if (made->parameter != said->parameter || made->epsilon != said->epsilon ||
            made->running_rate != said->running_rate)
            return bpi_fail(BP_ERR_FORMAT, "%s: bp.layer.%zu: parameter, epsilon or running_rate is 0 where it cannot be",
                            plan->st->name, l);
    }
    return BP_OK;
}

static bp_status read_slot(const struct plan *plan, const bp_layer *layer, size_t module, size_t slot)
{
    char name[NAME_SIZE];
    struct bpi_tensor tensor;
    bp_real *values = bpi_slot_array(layer, slot);
    name_of_tensor(module, slot, name);
    (void)bpi_safetensors_find(plan->st, name, &tensor); /* is there */
    bpi_tensor_to_reals(&tensor, values);
    for (size_t i = 0; i < tensor.n; i++) {
        if (!isfinite(values[i]))
            return bpi_fail(BP_ERR_NONFINITE, "%s: tensor '%s': number %zu is not finite", plan->st->name, name, i);
        if (bpi_slots[slot].is_variance && values[i] < (bp_real)0)
            return bpi_fail(BP_ERR_FORMAT, "%s: tensor '%s': number %zu is below 0, and no variance", plan->st->name, name,
                            i);
    }
    return BP_OK;
}

static bp_status read_tensors(const struct plan *plan, const bp_network *net)
{
    size_t module = 0;
    for (size_t l = 0; l < net->n_layers; l++) {
        const struct bpi_layer_form form = bpi_form_of_layer(&net->layers[l]);
        for (size_t slot = 0; slot < BPI_N_SLOTS; slot++)
            if (bpi_slot_exists(&form, slot))
                BPI_TRY(read_slot(plan, &net->layers[l], module, slot));
        module += bpi_form_modules(&form);
    }
    return BP_OK;
}

/* A pair of lists, which are there both or neither; into memory for 2 n numbers. */
static bp_status read_pair(const struct bpi_safetensors *st, const char *center, const char *scale, size_t n, bp_real *pair,
                           bool *is_there)
{
    struct bpi_json_string value;
    const bool has_center = bpi_safetensors_value(st, center, &value);
    *is_there = bpi_safetensors_value(st, scale, &value) || has_center;
    if (!*is_there)
        return BP_OK;
    BPI_TRY(bpi_entry_reals(st, center, pair, n));
    return bpi_entry_reals(st, scale, pair + n, n);
}

static bp_status read_scaling(const struct plan *plan, bp_network *net)
{
    struct bpi_plan memory = { 0 };
    const size_t n_in = net->n_in, n_out = net->n_out;
    const size_t in = bpi_plan_matrix(&memory, 2, n_in, sizeof(bp_real)),
                 out = bpi_plan_matrix(&memory, 2, n_out, sizeof(bp_real));
    void *block;
    bool scales_in, scales_out = false;
    BPI_TRY(bpi_plan_allocate(&memory, plan->st->name, &plan->allocator, &block));
    bp_real *in_pair = bpi_place(block, in), *out_pair = bpi_place(block, out);
    bp_status status = read_pair(plan->st, "bp.in_center", "bp.in_scale", n_in, in_pair, &scales_in);
    if (status == BP_OK)
        status = read_pair(plan->st, "bp.out_center", "bp.out_scale", n_out, out_pair, &scales_out);
    if (status == BP_OK && (scales_in || scales_out))
        status = blame_file(plan->st,
                            bp_network_set_scaling(net, scales_in ? in_pair : NULL, scales_in ? in_pair + n_in : NULL,
                                                   scales_out ? out_pair : NULL, scales_out ? out_pair + n_out : NULL));
    bpi_release(&plan->allocator, block);
    return status;
}

/* ---- Reading: names and metadata ------------------------------------------------------------------------------------- */

/* The next byte of a list of names: '\n' between two, 0 at the end, and what escapes mean as they are, with *is_escaped. */
struct name_list {
    const struct bpi_json_string *list;
    size_t at;
    char utf8[4];
    size_t n_utf8, i_utf8;
};

static char next_byte(struct name_list *names)
{
    if (names->i_utf8 == names->n_utf8) {
        names->n_utf8 = bpi_json_character(names->list, &names->at, names->utf8);
        names->i_utf8 = 0;
    }
    return names->n_utf8 == 0 ? '\0' : names->utf8[names->i_utf8++];
}

/* Walks a list: counts names and bytes, and with `text` unfolds it there. False where a backslash means nothing. */
static bool walk_names(const struct bpi_json_string *list, size_t *n_names, size_t *n_bytes, char **names, char *text)
{
    struct name_list walk = { .list = list };
    size_t n = 1, bytes = 0;
    if (names != NULL)
        names[0] = text;
    for (char c; (c = next_byte(&walk)) != '\0'; bytes++) {
        const bool ends = c == '\n';
        if (c == '\\') {
            c = next_byte(&walk);
            if (c != 'n' && c != '\\')
                return false;
            c = c == 'n' ? '\n' : c;
        }
        if (text != NULL)
            text[bytes] = ends ? '\0' : c;
        if (ends && names != NULL)
            names[n] = text + bytes + 1;
        n += ends;
    }
    if (text != NULL)
        text[bytes] = '\0';
    *n_names = n;
    *n_bytes = bytes + 1;
    return true;
}

static bp_status read_names(const struct plan *plan, const char *key, bp_network *net, size_t n,
                            bp_status (*set)(bp_network *net, const char *const *names))
{
    struct bpi_json_string list;
    size_t n_names, n_bytes;
    if (!bpi_safetensors_value(plan->st, key, &list))
        return BP_OK;
    if (!walk_names(&list, &n_names, &n_bytes, NULL, NULL) || n_names != n)
        return bpi_fail(BP_ERR_FORMAT, "%s: %s: expected %zu names, a line each, backslashes doubled", plan->st->name, key,
                        n);

    struct bpi_plan memory = { 0 };
    const size_t names = bpi_plan_array(&memory, n, sizeof(char *)), text = bpi_plan_array(&memory, n_bytes, 1);
    void *block;
    BPI_TRY(bpi_plan_allocate(&memory, plan->st->name, &plan->allocator, &block));
    char **array = bpi_place(block, names);
    (void)walk_names(&list, &n_names, &n_bytes, array, bpi_place(block, text));
    const bp_status status = set(net, (const char *const *)array);
    bpi_release(&plan->allocator, block);
    return status;
}

/* Whether the i-th entry is none of the library's. */
static bool is_metadata(const struct bpi_safetensors *st, size_t i, struct bpi_json_string *key,
                        struct bpi_json_string *value)
{
    bpi_safetensors_entry(st, i, key, value);
    return !bpi_json_begins(key, "bp.");
}

/* Counts these entries, and the bytes of their text with a NUL behind each key and value. */
static bp_status count_metadata(const struct bpi_safetensors *st, size_t *n, size_t *n_bytes)
{
    struct bpi_json_string key, value;
    *n = *n_bytes = 0;
    for (size_t i = 0; i < st->n_metadata; i++) {
        if (!is_metadata(st, i, &key, &value))
            continue;
        if (key.n == 0)
            return bpi_fail(BP_ERR_FORMAT, "%s: there is an entry without a key", st->name);
        ++*n;
        *n_bytes += bpi_json_length(&key) + 1 + bpi_json_length(&value) + 1;
    }
    return BP_OK;
}

static bp_status read_metadata(const struct plan *plan, bp_network *net)
{
    struct bpi_json_string key, value;
    size_t n, n_bytes;
    BPI_TRY(count_metadata(plan->st, &n, &n_bytes));
    if (n == 0)
        return BP_OK;
    struct bpi_plan memory = { 0 };
    const size_t entries = bpi_plan_array(&memory, n, sizeof(bp_metadata)), text = bpi_plan_array(&memory, n_bytes, 1);
    void *block;
    BPI_TRY(bpi_plan_allocate(&memory, plan->st->name, &plan->allocator, &block));
    bp_metadata *next = bpi_place(block, entries);
    char *end = bpi_place(block, text);
    for (size_t i = 0; i < plan->st->n_metadata; i++) {
        if (!is_metadata(plan->st, i, &key, &value))
            continue;
        const char *const key_text = end, *const value_text = bpi_json_copy(&key, end);
        end = bpi_json_copy(&value, bpi_json_copy(&key, end));
        *next++ = (bp_metadata){ .key = key_text, .value = value_text };
    }
    const bp_status status = bpi_names_set_metadata(net, bpi_place(block, entries), n);
    bpi_release(&plan->allocator, block);
    return status;
}

/* ---- Reading: all of it ---------------------------------------------------------------------------------------------- */

static bp_status fill_network(const struct plan *plan, bp_network *net)
{
    BPI_TRY(check_settings(plan, net));
    BPI_TRY(read_tensors(plan, net));
    BPI_TRY(read_scaling(plan, net));
    BPI_TRY(read_names(plan, "bp.input_names", net, net->n_in, bp_network_set_input_names));
    BPI_TRY(read_names(plan, "bp.class_names", net, net->n_class_names, bp_network_set_class_names));
    return read_metadata(plan, net);
}

static bp_status make_network(struct plan *plan, bp_network *net, bool is_checkpoint)
{
    BPI_TRY(read_layers(plan));
    const bp_network_config config = {
        .n_in = plan->n_in, .n_layers = plan->n_layers, .layers = plan->layers, .allocator = &plan->allocator
    };
    BPI_TRY(blame_file(plan->st, bp_network_init(net, &config)));
    bp_status status = fill_network(plan, net);
    if (status == BP_OK)
        status = bpi_safetensors_check_used(plan->st, "", is_checkpoint ? "train." : NULL, "bp.",
                                            is_checkpoint ? "bp.train." : NULL);
    if (status != BP_OK)
        bp_network_free(net);
    return status;
}

static bp_status check_load_config(const bp_load_config *config)
{
    if (config->n_custom > 0 && config->custom == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_network_load: custom is NULL, n_custom is %zu", config->n_custom);
    for (size_t i = 0; i < config->n_custom; i++)
        if (config->custom[i] == NULL || config->custom[i]->name == NULL)
            return bpi_fail(BP_ERR_ARGUMENT, "bp_network_load: custom activation %zu is NULL or has no name", i);
    return BP_OK;
}

bp_status bpi_model_get(bp_network *net, const struct bpi_safetensors *st, const bp_load_config *config)
{
    static const bp_load_config defaults = { 0 };
    struct plan plan = { .st = st, .config = config != NULL ? config : &defaults };
    bool is_checkpoint = false;
    *net = (bp_network){ 0 };
    plan.allocator = bpi_allocator_or_default(plan.config->allocator);
    BPI_TRY(check_kind(st, &is_checkpoint));
    BPI_TRY(read_sizes(&plan));
    struct bpi_plan memory = { 0 };
    void *block;
    (void)bpi_plan_array(&memory, plan.n_layers, sizeof *plan.layers);
    BPI_TRY(bpi_plan_allocate(&memory, st->name, &plan.allocator, &block));
    plan.layers = block != NULL ? bpi_place(block, 0) : NULL;
    const bp_status status = make_network(&plan, net, is_checkpoint);
    bpi_release(&plan.allocator, block);
    return status;
}

/* The file is closed and its bytes are given back whatever comes of it. */
static bp_status get_and_free(bp_network *net, struct bpi_safetensors *st, const bp_load_config *config)
{
    const bp_status status = bpi_model_get(net, st, config);
    bpi_safetensors_free(st);
    return status;
}

/* What both loaders begin with: the allocator to read with. */
static bp_status begin_load(const char *function, bp_network *net, const bp_load_config *config, bp_allocator *allocator)
{
    *net = (bp_network){ 0 };
    BPI_TRY(bpi_check_allocator(function, config != NULL ? config->allocator : NULL));
    if (config != NULL)
        BPI_TRY(check_load_config(config));
    *allocator = bpi_allocator_or_default(config != NULL ? config->allocator : NULL);
    return BP_OK;
}

bp_status bp_network_load(bp_network *net, const char *path, const bp_load_config *config)
{
    struct bpi_safetensors st;
    bp_allocator allocator;
    BPI_NOT_NULL(net);
    BPI_TRY(begin_load(__func__, net, config, &allocator));
    BPI_NOT_NULL(path);
    BPI_TRY(bpi_safetensors_read_path(&st, path, &allocator));
    return get_and_free(net, &st, config);
}

bp_status bp_network_load_memory(bp_network *net, const void *bytes, size_t size, const bp_load_config *config)
{
    struct bpi_safetensors st;
    bp_allocator allocator;
    BPI_NOT_NULL(net);
    BPI_TRY(begin_load(__func__, net, config, &allocator));
    BPI_NOT_NULL(bytes);
    BPI_TRY(bpi_safetensors_read_memory(&st, bytes, size, &allocator));
    return get_and_free(net, &st, config);
}
