// SPDX-License-Identifier: MIT
/*
 * Making, copying and describing networks. What a network computes is in layer.c and propagation.c.
 *
 * A network is one block: the layers, the segments of the parameters, the parameters, the state and the scaling. Names
 * and metadata, which come later, have blocks of their own.
 */
#include "net/network.h"

#include <string.h>

#include "backprop/rng.h"
#include "base/memory.h"
#include "base/status.h"
#include "math/activation.h"
#include "math/gemm.h"
#include "math/init.h"
#include "math/scaling.h"
#include "net/names.h"

/* How many numbers of what a network has. */
struct extent {
    size_t n_in, n_out, n_layers, n_segments, n_params, n_state;
};

/* Where the arrays of a network go in its block. */
struct layout {
    struct bpi_plan plan;
    struct extent extent;
    size_t layers, segments, params, state, in_scaling, out_scaling; /* offsets */
};

/* ---- Checking and measuring ------------------------------------------------------------------------------------------ */

bp_status bpi_network_check(const char *function, const char *name, const bp_network *net)
{
    if (net == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: %s is NULL", function, name);
    if (net->n_layers == 0)
        return bpi_fail(BP_ERR_STATE, "%s: %s has no layers; bp_network_init() has not been called or has failed", function,
                        name);
    return BP_OK;
}

static bp_status check_width(const char *what, size_t width)
{
    if (width == 0)
        return bpi_fail(BP_ERR_SHAPE, "%s is 0", what);
    if (width > BPI_MAX_EXTENT)
        return bpi_fail(BP_ERR_TOO_LARGE, "%s is %zu, a CBLAS takes at most %zu", what, width, BPI_MAX_EXTENT);
    return BP_OK;
}

static bp_status check_custom(const bp_layer_config *config, size_t l)
{
    const bp_activation_function *custom = config->custom;
    if ((custom != NULL) != (config->activation == BP_CUSTOM_ACTIVATION))
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: the activation is %s, %s", l, bp_activation_name(config->activation),
                        custom != NULL ? "yet there is a function of one's own" : "yet its function is NULL");
    if (custom == NULL)
        return BP_OK;
    if (custom->name == NULL || custom->name[0] == '\0')
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: the custom activation has no name", l);
    if (custom->apply == NULL || custom->pull_back == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: %s has no %s", l, custom->name,
                        custom->apply == NULL ? "apply" : "pull_back");
    return BP_OK;
}

static bp_status check_activation(const bp_layer_config *config, size_t l)
{
    const bpi_activation_row *f = bpi_activation(config->activation);
    if (f == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: %d is no activation", l, (int)config->activation);
    BPI_TRY(check_custom(config, l));
    if (!isfinite(config->parameter))
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: the parameter of %s is %g", l, f->name, (double)config->parameter);
    if (config->parameter != (bp_real)0 && !f->has_parameter)
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: %s takes no parameter, found %g", l, f->name,
                        (double)config->parameter);
    return BP_OK;
}

static bp_status check_normalization(const bp_layer_config *config, size_t l)
{
    const double epsilon = (double)config->epsilon, rate = (double)config->running_rate;
    if ((size_t)config->normalization >= BP_N_NORMALIZATIONS)
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: %d is no normalization", l, (int)config->normalization);
    if (!isfinite(epsilon) || epsilon < 0)
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: epsilon is %g, expected a finite number above 0", l, epsilon);
    if (epsilon != 0 && config->normalization == BP_NO_NORMALIZATION)
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: epsilon is %g, but there is no normalization", l, epsilon);
    if (!(rate >= 0 && rate <= 1))
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: running_rate is %g, expected 0 < running_rate <= 1", l, rate);
    if (rate != 0 && config->normalization != BP_BATCH_NORMALIZATION)
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: running_rate is %g, but there is no batch normalization", l, rate);
    return BP_OK;
}

static bp_status check_dropout(const bp_layer_config *config, size_t l, bool is_last)
{
    const double p = (double)config->dropout;
    if (!(p >= 0 && p < 1))
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: dropout is %g, expected 0 <= dropout < 1", l, p);
    if (p > 0 && is_last)
        return bpi_fail(BP_ERR_UNSUPPORTED, "layer %zu: dropout is %g on the output layer, which has none", l, p);
    return BP_OK;
}

static bp_status check_inits(const bp_layer_config *config, size_t l)
{
    BPI_TRY(bpi_init_check(&config->weights, l, "weights"));
    BPI_TRY(bpi_init_check(&config->biases, l, "biases"));
    if (config->biases.kind == BP_INIT_ORTHOGONAL)
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: biases: an orthogonal initialiser is for weights only", l);
    if (config->no_bias && config->biases.kind != BP_INIT_DEFAULT)
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: biases: there is an initialiser, but no_bias is set", l);
    return BP_OK;
}

static bp_status check_layer(const bp_layer_config *config, size_t l, bool is_last)
{
    char what[64];
    (void)snprintf(what, sizeof what, "layer %zu: n_out", l);
    BPI_TRY(check_width(what, config->n_out));
    BPI_TRY(check_activation(config, l));
    BPI_TRY(check_normalization(config, l));
    BPI_TRY(check_dropout(config, l, is_last));
    return check_inits(config, l);
}

static bp_status check_config(const bp_network_config *config)
{
    BPI_TRY(check_width("bp_network_init: n_in", config->n_in));
    if (config->n_layers == 0)
        return bpi_fail(BP_ERR_SHAPE, "bp_network_init: n_layers is 0");
    if (config->layers == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_network_init: layers is NULL, n_layers is %zu", config->n_layers);
    BPI_TRY(bpi_check_allocator("bp_network_init", config->allocator));
    for (size_t l = 0; l < config->n_layers; l++)
        BPI_TRY(check_layer(&config->layers[l], l, l + 1 == config->n_layers));
    return BP_OK;
}

/* Vectors of n_out numbers beside W: b, gamma and beta. */
static size_t n_vectors(bool no_bias, bp_normalization normalization)
{
    return (no_bias ? 0u : 1u) + (normalization != BP_NO_NORMALIZATION ? 2u : 0u);
}

/* n_params += n_out n_in + n_out n_vectors, and the like for segments and state. */
static bp_status count_layer(size_t l, size_t n_in, const bp_layer_config *config, struct extent *extent)
{
    const size_t n_out = config->n_out, vectors = n_vectors(config->no_bias, config->normalization);
    const bool has_state = config->normalization == BP_BATCH_NORMALIZATION;
    size_t weights, beside, all, state;
    if (!bpi_multiply(n_out, n_in, &weights) || !bpi_multiply(n_out, vectors, &beside) || !bpi_add(weights, beside, &all) ||
        !bpi_add(extent->n_params, all, &extent->n_params) || !bpi_multiply(n_out, has_state ? 2 : 0, &state) ||
        !bpi_add(extent->n_state, state, &extent->n_state))
        return bpi_fail(BP_ERR_TOO_LARGE, "layer %zu: %zu x %zu weights are more than memory can address", l, n_out, n_in);
    extent->n_segments += 1 + vectors;
    return BP_OK;
}

static bp_status measure(const bp_network_config *config, struct extent *extent)
{
    *extent = (struct extent){ .n_in = config->n_in, .n_layers = config->n_layers };
    size_t n_in = config->n_in;
    for (size_t l = 0; l < config->n_layers; l++) {
        BPI_TRY(count_layer(l, n_in, &config->layers[l], extent));
        n_in = config->layers[l].n_out;
    }
    extent->n_out = n_in;
    return BP_OK;
}

static struct extent extent_of(const bp_network *net)
{
    return (struct extent){ .n_in = net->n_in,
                            .n_out = net->n_out,
                            .n_layers = net->n_layers,
                            .n_segments = net->parameters.n_segments,
                            .n_params = net->parameters.n_params,
                            .n_state = net->n_state };
}

static struct layout plan_network(const struct extent *extent)
{
    struct layout layout = { .extent = *extent };
    struct bpi_plan *plan = &layout.plan;
    const size_t size = sizeof(bp_real);
    layout.layers = bpi_plan_array(plan, extent->n_layers, sizeof(bp_layer));
    layout.segments = bpi_plan_array(plan, extent->n_segments, sizeof(bp_segment));
    layout.params = bpi_plan_array(plan, extent->n_params, size);
    layout.state = bpi_plan_array(plan, extent->n_state, size);
    layout.in_scaling = bpi_plan_matrix(plan, 2, extent->n_in, size);
    layout.out_scaling = bpi_plan_matrix(plan, 2, extent->n_out, size);
    return layout;
}

/* ---- Placing --------------------------------------------------------------------------------------------------------- */

static void place_network(bp_network *net, const struct layout *layout, const bp_allocator *allocator, void *block)
{
    const struct extent *extent = &layout->extent;
    net->n_in = extent->n_in;
    net->n_out = extent->n_out;
    net->n_layers = extent->n_layers;
    net->layers = bpi_place(block, layout->layers);
    net->parameters = (bp_parameters){ .params = bpi_place(block, layout->params),
                                       .n_params = extent->n_params,
                                       .segments = bpi_place(block, layout->segments),
                                       .n_segments = extent->n_segments };
    net->n_class_names = extent->n_out == 1 ? 2 : extent->n_out;
    net->n_state = extent->n_state;
    net->state = bpi_place(block, layout->state);
    net->in_center = bpi_place(block, layout->in_scaling);
    net->in_scale = net->in_center + extent->n_in;
    net->out_center = bpi_place(block, layout->out_scaling);
    net->out_scale = net->out_center + extent->n_out;
    net->allocator = *allocator;
    net->block = block;
}

static bp_real or_default(bp_real value, double otherwise)
{
    return value != (bp_real)0 ? value : (bp_real)otherwise;
}

/* All of a layer but its arrays. */
static bp_layer describe_layer(size_t n_in, const bp_layer_config *config)
{
    const bp_normalization normalization = config->normalization;
    return (bp_layer){ .n_in = n_in,
                       .n_out = config->n_out,
                       .activation = config->activation,
                       .custom = config->custom,
                       .parameter =
                           or_default(config->parameter, (double)bpi_activation(config->activation)->default_parameter),
                       .no_bias = config->no_bias,
                       .frozen = config->frozen,
                       .normalization = normalization,
                       .epsilon = normalization != BP_NO_NORMALIZATION ? or_default(config->epsilon, 1e-5) : (bp_real)0,
                       .running_rate =
                           normalization == BP_BATCH_NORMALIZATION ? or_default(config->running_rate, 0.1) : (bp_real)0,
                       .dropout = config->dropout };
}

static void describe_layers(bp_network *net, const bp_network_config *config)
{
    size_t n_in = config->n_in;
    for (size_t l = 0; l < config->n_layers; l++) {
        net->layers[l] = describe_layer(n_in, &config->layers[l]);
        n_in = config->layers[l].n_out;
    }
}

/* Writes the segments one after another. */
struct cursor {
    bp_real *params;
    bp_segment *next;
    size_t layer, offset;
};

/* The next array of the layer at the cursor: its segment, and where its numbers are; NULL if it is not there. */
static bp_real *attach(struct cursor *at, const bp_layer *layer, bool exists, bp_segment_kind kind)
{
    if (!exists)
        return NULL;
    const size_t rows = kind == BP_WEIGHT ? layer->n_out : 1, columns = kind == BP_WEIGHT ? layer->n_in : layer->n_out;
    *at->next = (bp_segment){
        .offset = at->offset, .n = rows * columns, .rows = rows, .layer = at->layer, .kind = kind, .frozen = layer->frozen
    };
    at->offset += at->next->n;
    at->next++;
    return at->params + at->offset - rows * columns;
}

/* Makes the segments, and lets the described layers look into the network's own parameters and state. */
static void attach_layers(bp_network *net, bp_segment *segments)
{
    struct cursor at = { .params = net->parameters.params, .next = segments };
    bp_real *state = net->state;
    for (size_t l = 0; l < net->n_layers; l++) {
        bp_layer *layer = &net->layers[l];
        const bool is_normalized = layer->normalization != BP_NO_NORMALIZATION;
        const bool has_state = layer->normalization == BP_BATCH_NORMALIZATION;
        at.layer = l;
        layer->W = attach(&at, layer, true, BP_WEIGHT);
        layer->b = attach(&at, layer, !layer->no_bias, BP_BIAS);
        layer->gamma = attach(&at, layer, is_normalized, BP_GAMMA);
        layer->beta = attach(&at, layer, is_normalized, BP_BETA);
        layer->running_mean = has_state ? state : NULL;
        layer->running_var = has_state ? state + layer->n_out : NULL;
        state += has_state ? 2 * layer->n_out : 0;
    }
}

/* FNV-1a over what workspaces depend on: eight bytes at a time, 0 kept for "none". */
static uint64_t hash_topology(const bp_network *net)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    const uint64_t prime = UINT64_C(0x100000001b3);
    hash = (hash ^ (uint64_t)net->n_in) * prime;
    for (size_t l = 0; l < net->n_layers; l++) {
        const bp_layer *layer = &net->layers[l];
        hash = (hash ^ (uint64_t)layer->n_out) * prime;
        hash = (hash ^ (uint64_t)layer->activation) * prime;
        hash = (hash ^ (uint64_t)layer->normalization) * prime;
        hash = (hash ^ (layer->no_bias ? 1u : 0u) ^ (layer->dropout > (bp_real)0 ? 2u : 0u)) * prime;
        hash ^= hash >> 32;
    }
    return hash == 0 || hash == BPI_SCALED_INPUTS ? 1 : hash;
}

/* The hash of the layers alone, whatever is scaled. */
static uint64_t layers_hash(const bp_network *net)
{
    return net->scales_inputs ? net->topology ^ BPI_SCALED_INPUTS : net->topology;
}

static void fill(size_t n, bp_real value, bp_real *array)
{
    for (size_t i = 0; i < n; i++)
        array[i] = value;
}

/* Where everything starts that is not drawn: gamma and running variances at 1, no scaling; the block is all zeros. */
static void start_numbers(bp_network *net)
{
    for (size_t l = 0; l < net->n_layers; l++) {
        const bp_layer *layer = &net->layers[l];
        if (layer->gamma != NULL)
            fill(layer->n_out, (bp_real)1, layer->gamma);
        if (layer->running_var != NULL)
            fill(layer->n_out, (bp_real)1, layer->running_var);
    }
    fill(net->n_in, (bp_real)1, net->in_scale);
    fill(net->n_out, (bp_real)1, net->out_scale);
}

static void draw_parameters(bp_network *net, const bp_network_config *config)
{
    bp_rng rng;
    bp_rng_init(&rng, config->seed);
    for (size_t l = 0; l < net->n_layers; l++) {
        const bp_layer *layer = &net->layers[l];
        const bp_init weights = bpi_init_for_weights(&config->layers[l].weights, layer->activation);
        bpi_init_fill(&weights, layer->n_in, layer->n_out, &rng, layer->n_out * layer->n_in, layer->W);
        if (layer->b != NULL)
            bpi_init_fill(&config->layers[l].biases, layer->n_in, layer->n_out, &rng, layer->n_out, layer->b);
    }
}

/* ---- Public ---------------------------------------------------------------------------------------------------------- */

bp_status bp_network_init(bp_network *net, const bp_network_config *config)
{
    BPI_NOT_NULL(net);
    *net = (bp_network){ 0 };
    BPI_NOT_NULL(config);

    struct extent extent;
    BPI_TRY(check_config(config));
    BPI_TRY(measure(config, &extent));

    const struct layout layout = plan_network(&extent);
    const bp_allocator allocator = bpi_allocator_or_default(config->allocator);
    void *block;
    BPI_TRY(bpi_plan_allocate(&layout.plan, "bp_network_init", &allocator, &block));

    place_network(net, &layout, &allocator, block);
    describe_layers(net, config);
    attach_layers(net, bpi_place(block, layout.segments));
    net->topology = hash_topology(net);
    start_numbers(net);
    draw_parameters(net, config);
    return BP_OK;
}

void bp_network_free(bp_network *net)
{
    if (net == NULL)
        return;
    bpi_names_free(net);
    bpi_release(&net->allocator, net->block);
    *net = (bp_network){ 0 };
}

static void copy(size_t n, const bp_real *from, bp_real *to)
{
    memmove(to, from, n * sizeof *to);
}

static void copy_numbers(bp_network *to, const bp_network *from)
{
    copy(from->parameters.n_params, from->parameters.params, to->parameters.params);
    copy(from->n_state, from->state, to->state);
}

static void copy_scaling(bp_network *to, const bp_network *from)
{
    to->scales_inputs = from->scales_inputs;
    to->scales_outputs = from->scales_outputs;
    copy(from->n_in, from->in_center, to->in_center);
    copy(from->n_in, from->in_scale, to->in_scale);
    copy(from->n_out, from->out_center, to->out_center);
    copy(from->n_out, from->out_scale, to->out_scale);
}

bp_status bp_network_clone(bp_network *clone, const bp_network *net, const bp_allocator *allocator)
{
    BPI_NOT_NULL(clone);
    if (clone == net)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_network_clone: clone and net are the same network");
    *clone = (bp_network){ 0 };
    BPI_TRY(bpi_network_check(__func__, "net", net));
    BPI_TRY(bpi_check_allocator(__func__, allocator));

    const struct extent extent = extent_of(net);
    const struct layout layout = plan_network(&extent);
    const bp_allocator chosen = allocator != NULL ? bpi_allocator_or_default(allocator) : net->allocator;
    void *block;
    BPI_TRY(bpi_plan_allocate(&layout.plan, __func__, &chosen, &block));

    place_network(clone, &layout, &chosen, block);
    memcpy(clone->layers, net->layers, net->n_layers * sizeof *net->layers);
    attach_layers(clone, bpi_place(block, layout.segments));
    copy_numbers(clone, net);
    copy_scaling(clone, net);
    clone->topology = net->topology;
    const bp_status status = bpi_names_copy(clone, net);
    if (status != BP_OK)
        bp_network_free(clone);
    return status;
}

bp_status bp_network_copy_params(bp_network *to, const bp_network *from)
{
    BPI_TRY(bpi_network_check(__func__, "to", to));
    BPI_TRY(bpi_network_check(__func__, "from", from));
    if (layers_hash(to) != layers_hash(from))
        return bpi_fail(
            BP_ERR_SHAPE,
            "bp_network_copy_params: the networks differ in widths or activations, biases, normalization or dropout "
            "(%zu and %zu layers, %zu and %zu parameters)",
            to->n_layers, from->n_layers, to->parameters.n_params, from->parameters.n_params);
    copy_numbers(to, from);
    return BP_OK;
}

/* ---- Scaling --------------------------------------------------------------------------------------------------------- */

static bp_status check_output_scaling(const bp_network *net, const bp_real *center)
{
    const bp_activation activation = net->layers[net->n_layers - 1].activation;
    if (center != NULL && (activation == BP_SIGMOID || activation == BP_SOFTMAX))
        return bpi_fail(BP_ERR_UNSUPPORTED,
                        "bp_network_set_scaling: the outputs of a %s layer are probabilities, which are not scaled",
                        bp_activation_name(activation));
    return BP_OK;
}

/* Sets one side: center and scale, or 0 and 1. */
static bool set_scaling(size_t n, const bp_real *from_center, const bp_real *from_scale, bp_real *center, bp_real *scale)
{
    if (from_center != NULL) {
        copy(n, from_center, center);
        copy(n, from_scale, scale);
    } else {
        fill(n, (bp_real)0, center);
        fill(n, (bp_real)1, scale);
    }
    return from_center != NULL;
}

bp_status bp_network_set_scaling(bp_network *net, const bp_real *in_center, const bp_real *in_scale,
                                 const bp_real *out_center, const bp_real *out_scale)
{
    BPI_TRY(bpi_network_check(__func__, "net", net));
    BPI_TRY(bpi_scaling_check(__func__, "inputs", net->n_in, in_center, in_scale));
    BPI_TRY(bpi_scaling_check(__func__, "outputs", net->n_out, out_center, out_scale));
    BPI_TRY(check_output_scaling(net, out_center));

    const uint64_t layers = layers_hash(net);
    net->scales_inputs = set_scaling(net->n_in, in_center, in_scale, net->in_center, net->in_scale);
    net->scales_outputs = set_scaling(net->n_out, out_center, out_scale, net->out_center, net->out_scale);
    net->topology = net->scales_inputs ? layers ^ BPI_SCALED_INPUTS : layers;
    return BP_OK;
}

bp_status bp_network_scale_inputs(const bp_network *net, size_t rows, const bp_real *X, bp_real *to)
{
    BPI_TRY(bpi_network_check(__func__, "net", net));
    BPI_NOT_NULL(X);
    BPI_NOT_NULL(to);
    bpi_scale_rows(rows, net->n_in, net->in_center, net->in_scale, X, to);
    return BP_OK;
}

bp_status bp_network_scale_targets(const bp_network *net, size_t rows, const bp_real *T, bp_real *to)
{
    BPI_TRY(bpi_network_check(__func__, "net", net));
    BPI_NOT_NULL(T);
    BPI_NOT_NULL(to);
    bpi_scale_rows(rows, net->n_out, net->out_center, net->out_scale, T, to);
    return BP_OK;
}

/* ---- Freezing -------------------------------------------------------------------------------------------------------- */

bp_status bp_network_set_frozen(bp_network *net, size_t layer, bool frozen)
{
    BPI_TRY(bpi_network_check(__func__, "net", net));
    if (layer >= net->n_layers)
        return bpi_fail(BP_ERR_SHAPE, "bp_network_set_frozen: layer is %zu, the network has %zu", layer, net->n_layers);

    bp_segment *segments = (bp_segment *)net->parameters.segments; /* in the network's own block, const for users */
    for (size_t s = 0; s < net->parameters.n_segments; s++)
        if (segments[s].layer == layer)
            segments[s].frozen = frozen;
    net->layers[layer].frozen = frozen;
    return BP_OK;
}

/* ---- Describing ------------------------------------------------------------------------------------------------------ */

const char *bp_normalization_name(bp_normalization normalization)
{
    static const char *const names[] = {
        [BP_NO_NORMALIZATION] = "none", [BP_BATCH_NORMALIZATION] = "batch", [BP_LAYER_NORMALIZATION] = "layer"
    };
    return (size_t)normalization < BP_N_NORMALIZATIONS ? names[normalization] : "unknown";
}

/* What a line of the summary says beyond the plain layer; "" if there is nothing. */
static const char *remarks(const bp_layer *layer, char *text, size_t size)
{
    char dropout[48] = "", normalization[48] = "";
    if (layer->normalization != BP_NO_NORMALIZATION)
        (void)snprintf(normalization, sizeof normalization, ", %s normalization",
                       bp_normalization_name(layer->normalization));
    if (layer->dropout > (bp_real)0)
        (void)snprintf(dropout, sizeof dropout, ", dropout %g", (double)layer->dropout);
    const int n = snprintf(text, size, "%s%s%s%s", normalization, dropout, layer->no_bias ? ", no bias" : "",
                           layer->frozen ? ", frozen" : "");
    return n > 0 ? text + 2 : text; /* without the first comma */
}

static const char *activation_name(const bp_layer *layer)
{
    return layer->custom != NULL ? layer->custom->name : bp_activation_name(layer->activation);
}

/* Of the column of activations: as wide as its title or its longest name, a user's at most as 40. */
static int width_of_names(const bp_network *net)
{
    size_t width = sizeof "activation" - 1;
    for (size_t l = 0; l < net->n_layers; l++) {
        const size_t n = strlen(activation_name(&net->layers[l]));
        width = n > width ? n : width;
    }
    return width < 40 ? (int)width : 40;
}

static bool write_layer(const bp_layer *layer, size_t l, int width, FILE *stream)
{
    char text[160];
    const char *what = remarks(layer, text, sizeof text);
    const size_t n_params = layer->n_out * (layer->n_in + n_vectors(layer->no_bias, layer->normalization));
    return fprintf(stream, "%5zu  %11zu %10zu  %-*s  %12zu%s%s\n", l, layer->n_in, layer->n_out, width,
                   activation_name(layer), n_params, what[0] != '\0' ? "  " : "", what) > 0;
}

static bool write_total(const bp_network *net, int width, FILE *stream)
{
    if (fprintf(stream, "total  %11zu %10zu  %-*s  %12zu\n", net->n_in, net->n_out, width, "", net->parameters.n_params) <=
        0)
        return false;
    if (!net->scales_inputs && !net->scales_outputs)
        return true;
    return fprintf(stream, "scaled: %s%s%s\n", net->scales_inputs ? "inputs" : "",
                   net->scales_inputs && net->scales_outputs ? ", " : "", net->scales_outputs ? "outputs" : "") > 0;
}

bp_status bp_network_summary(const bp_network *net, FILE *stream)
{
    BPI_TRY(bpi_network_check(__func__, "net", net));
    BPI_NOT_NULL(stream);

    const int width = width_of_names(net);
    bool written = fprintf(stream, "layer       inputs    outputs  %-*s    parameters\n", width, "activation") > 0;
    for (size_t l = 0; l < net->n_layers && written; l++)
        written = write_layer(&net->layers[l], l, width, stream);
    written = written && write_total(net, width, stream);
    if (!written || fflush(stream) != 0)
        return bpi_fail(BP_ERR_IO, "bp_network_summary: writing failed");
    return BP_OK;
}
