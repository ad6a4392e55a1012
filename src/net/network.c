// SPDX-License-Identifier: MIT
/*
 * Making, copying and describing networks. What a network computes is in layer.c and propagation.c.
 *
 * A network is one block: the layers, the segments of the parameters, and the parameters.
 */
#include "net/network.h"

#include <string.h>

#include "backprop/rng.h"
#include "base/memory.h"
#include "base/status.h"
#include "math/activation.h"
#include "math/gemm.h"
#include "math/init.h"

/* Where the arrays of a network go in its block. */
struct layout {
    struct bpi_plan plan;
    size_t n_layers, n_params;
    size_t layers, segments, params; /* offsets */
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

static bp_status check_layer(const bp_layer_config *config, size_t l)
{
    char what[64];
    (void)snprintf(what, sizeof what, "layer %zu: n_out", l);
    BPI_TRY(check_width(what, config->n_out));

    const bpi_activation_row *f = bpi_activation(config->activation);
    if (f == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: %d is no activation", l, (int)config->activation);
    if (!isfinite(config->parameter))
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: the parameter of %s is %g", l, f->name, (double)config->parameter);
    if (config->parameter != (bp_real)0 && !f->has_parameter)
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: %s takes no parameter, found %g", l, f->name,
                        (double)config->parameter);
    BPI_TRY(bpi_init_check(&config->weights, l, "weights"));
    return bpi_init_check(&config->biases, l, "biases");
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
        BPI_TRY(check_layer(&config->layers[l], l));
    return BP_OK;
}

/* n_params += n_out n_in + n_out */
static bp_status count_layer(size_t l, size_t n_in, size_t n_out, size_t *n_params)
{
    size_t weights, all;
    if (!bpi_multiply(n_out, n_in, &weights) || !bpi_add(weights, n_out, &all) || !bpi_add(*n_params, all, n_params))
        return bpi_fail(BP_ERR_TOO_LARGE, "layer %zu: %zu x %zu weights are more than memory can address", l, n_out, n_in);
    return BP_OK;
}

static bp_status count_params(const bp_network_config *config, size_t *n_params)
{
    *n_params = 0;
    size_t n_in = config->n_in;
    for (size_t l = 0; l < config->n_layers; l++) {
        BPI_TRY(count_layer(l, n_in, config->layers[l].n_out, n_params));
        n_in = config->layers[l].n_out;
    }
    return BP_OK;
}

static struct layout plan_network(size_t n_layers, size_t n_params)
{
    struct layout layout = { .n_layers = n_layers, .n_params = n_params };
    layout.layers = bpi_plan_array(&layout.plan, n_layers, sizeof(bp_layer));
    layout.segments = bpi_plan_matrix(&layout.plan, n_layers, 2, sizeof(bp_segment));
    layout.params = bpi_plan_array(&layout.plan, n_params, sizeof(bp_real));
    return layout;
}

/* ---- Placing --------------------------------------------------------------------------------------------------------- */

static void place_network(bp_network *net, const struct layout *layout, const bp_allocator *allocator, void *block)
{
    net->n_layers = layout->n_layers;
    net->layers = bpi_place(block, layout->layers);
    net->parameters = (bp_parameters){ .params = bpi_place(block, layout->params),
                                       .n_params = layout->n_params,
                                       .segments = bpi_place(block, layout->segments),
                                       .n_segments = 2 * layout->n_layers };
    net->allocator = *allocator;
    net->block = block;
}

/* Widths, activations and views of layer l, whose numbers begin at `offset` of the parameters. */
static void describe_layer(bp_network *net, bp_segment *segments, size_t l, size_t n_in, const bp_layer_config *config,
                           size_t offset)
{
    const size_t n_out = config->n_out, n_weights = n_out * n_in;
    const bpi_activation_row *f = bpi_activation(config->activation);
    bp_real *params = net->parameters.params;

    net->layers[l] = (bp_layer){ .n_in = n_in,
                                 .n_out = n_out,
                                 .activation = config->activation,
                                 .parameter = config->parameter != (bp_real)0 ? config->parameter : f->default_parameter,
                                 .W = params + offset,
                                 .b = params + offset + n_weights };
    segments[2 * l] = (bp_segment){ .offset = offset, .n = n_weights, .rows = n_out, .layer = l, .kind = BP_WEIGHT };
    segments[2 * l + 1] = (bp_segment){ .offset = offset + n_weights, .n = n_out, .rows = 1, .layer = l, .kind = BP_BIAS };
}

static void describe_layers(bp_network *net, const bp_network_config *config, bp_segment *segments)
{
    size_t n_in = config->n_in, offset = 0;
    for (size_t l = 0; l < config->n_layers; l++) {
        describe_layer(net, segments, l, n_in, &config->layers[l], offset);
        offset += config->layers[l].n_out * (n_in + 1);
        n_in = config->layers[l].n_out;
    }
    net->n_in = config->n_in;
    net->n_out = n_in;
}

/* FNV-1a over what workspaces depend on: eight bytes at a time, 0 kept for "none". */
static uint64_t hash_topology(const bp_network *net)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    const uint64_t prime = UINT64_C(0x100000001b3);
    hash = (hash ^ (uint64_t)net->n_in) * prime;
    for (size_t l = 0; l < net->n_layers; l++) {
        hash = (hash ^ (uint64_t)net->layers[l].n_out) * prime;
        hash = (hash ^ (uint64_t)net->layers[l].activation) * prime;
        hash ^= hash >> 32;
    }
    return hash != 0 ? hash : 1;
}

static void draw_parameters(bp_network *net, const bp_network_config *config)
{
    bp_rng rng;
    bp_rng_init(&rng, config->seed);
    for (size_t l = 0; l < net->n_layers; l++) {
        const bp_layer *layer = &net->layers[l];
        const bp_init weights = bpi_init_for_weights(&config->layers[l].weights, layer->activation);
        bpi_init_fill(&weights, layer->n_in, layer->n_out, &rng, layer->n_out * layer->n_in, layer->W);
        bpi_init_fill(&config->layers[l].biases, layer->n_in, layer->n_out, &rng, layer->n_out, layer->b);
    }
}

/* ---- Public ---------------------------------------------------------------------------------------------------------- */

bp_status bp_network_init(bp_network *net, const bp_network_config *config)
{
    BPI_NOT_NULL(net);
    *net = (bp_network){ 0 };
    BPI_NOT_NULL(config);

    size_t n_params;
    BPI_TRY(check_config(config));
    BPI_TRY(count_params(config, &n_params));

    const struct layout layout = plan_network(config->n_layers, n_params);
    const bp_allocator allocator = bpi_allocator_or_default(config->allocator);
    void *block;
    BPI_TRY(bpi_plan_allocate(&layout.plan, "bp_network_init", &allocator, &block));

    place_network(net, &layout, &allocator, block);
    describe_layers(net, config, bpi_place(block, layout.segments));
    net->topology = hash_topology(net);
    draw_parameters(net, config);
    return BP_OK;
}

void bp_network_free(bp_network *net)
{
    if (net == NULL)
        return;
    bpi_release(&net->allocator, net->block);
    *net = (bp_network){ 0 };
}

/* Lets the layers of a copied network look into its own parameters. */
static void attach_layers(bp_network *net)
{
    for (size_t l = 0; l < net->n_layers; l++) {
        net->layers[l].W = net->parameters.params + net->parameters.segments[2 * l].offset;
        net->layers[l].b = net->parameters.params + net->parameters.segments[2 * l + 1].offset;
    }
}

bp_status bp_network_clone(bp_network *clone, const bp_network *net, const bp_allocator *allocator)
{
    BPI_NOT_NULL(clone);
    if (clone == net)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_network_clone: clone and net are the same network");
    *clone = (bp_network){ 0 };
    BPI_TRY(bpi_network_check(__func__, "net", net));
    BPI_TRY(bpi_check_allocator(__func__, allocator));

    const struct layout layout = plan_network(net->n_layers, net->parameters.n_params);
    const bp_allocator chosen = allocator != NULL ? bpi_allocator_or_default(allocator) : net->allocator;
    void *block;
    BPI_TRY(bpi_plan_allocate(&layout.plan, __func__, &chosen, &block));

    place_network(clone, &layout, &chosen, block);
    clone->n_in = net->n_in;
    clone->n_out = net->n_out;
    clone->topology = net->topology;
    memcpy(clone->layers, net->layers, net->n_layers * sizeof *net->layers);
    memcpy(bpi_place(block, layout.segments), net->parameters.segments, net->parameters.n_segments * sizeof(bp_segment));
    memcpy(clone->parameters.params, net->parameters.params, net->parameters.n_params * sizeof(bp_real));
    attach_layers(clone);
    return BP_OK;
}

bp_status bp_network_copy_params(bp_network *to, const bp_network *from)
{
    BPI_TRY(bpi_network_check(__func__, "to", to));
    BPI_TRY(bpi_network_check(__func__, "from", from));
    if (to->topology != from->topology)
        return bpi_fail(BP_ERR_SHAPE,
                        "bp_network_copy_params: the networks differ in widths or activations (%zu and %zu layers, "
                        "%zu and %zu parameters)",
                        to->n_layers, from->n_layers, to->parameters.n_params, from->parameters.n_params);
    memmove(to->parameters.params, from->parameters.params, from->parameters.n_params * sizeof(bp_real));
    return BP_OK;
}

bp_status bp_network_summary(const bp_network *net, FILE *stream)
{
    BPI_TRY(bpi_network_check(__func__, "net", net));
    BPI_NOT_NULL(stream);

    bool written = fprintf(stream, "layer       inputs    outputs  activation    parameters\n") > 0;
    for (size_t l = 0; l < net->n_layers && written; l++) {
        const bp_layer *layer = &net->layers[l];
        written = fprintf(stream, "%5zu  %11zu %10zu  %-10s  %12zu\n", l, layer->n_in, layer->n_out,
                          bp_activation_name(layer->activation), layer->n_out * (layer->n_in + 1)) > 0;
    }
    written = written && fprintf(stream, "total  %11zu %10zu              %12zu\n", net->n_in, net->n_out,
                                 net->parameters.n_params) > 0;
    if (!written || fflush(stream) != 0)
        return bpi_fail(BP_ERR_IO, "bp_network_summary: writing failed");
    return BP_OK;
}
