// SPDX-License-Identifier: MIT
/*
 * The memory for one batch, planned and placed; propagation.c fills it.
 */
#include "net/workspace.h"

#include "base/memory.h"
#include "base/status.h"
#include "math/gemm.h"
#include "net/layer.h"
#include "net/network.h"
#include "net/small.h"

/* A workspace in the making: the plan, and the block once there is one. Planning twice gives the same offsets, so the
 * same walk plans and places, and no table of offsets is needed. */
struct layout {
    struct bpi_plan plan;
    const bp_network *net;
    size_t max_batch;
    bp_mode mode;
    void *block;        /* NULL: planning */
    bp_real *hidden[2]; /* BP_INFERENCE: the arrays that the hidden layers share in turn */
};

/* Plans an array; places it if there is a block. */
static void *array(struct layout *layout, size_t rows, size_t columns, size_t size)
{
    return bpi_plan_or_place(&layout->plan, layout->block, rows, columns, size);
}

static bp_real *numbers(struct layout *layout, size_t rows, size_t columns)
{
    return array(layout, rows, columns, sizeof(bp_real));
}

static size_t widest(const bp_network *net, size_t n_layers)
{
    size_t width = 0;
    for (size_t l = 0; l < n_layers; l++)
        width = net->layers[l].n_out > width ? net->layers[l].n_out : width;
    return width;
}

static bool is_normalized(const bp_network *net)
{
    for (size_t l = 0; l < net->n_layers; l++)
        if (net->layers[l].normalization != BP_NO_NORMALIZATION)
            return true;
    return false;
}

static bool has_dropout(const bp_network *net)
{
    for (size_t l = 0; l < net->n_layers; l++)
        if (net->layers[l].dropout > (bp_real)0)
            return true;
    return false;
}

/* ---- The arrays of a layer ------------------------------------------------------------------------------------------- */

/* Whether Z of a layer needs an array beside F: where the derivative reads it, and for the losses from logits. */
static bool keeps_Z(const bp_network *net, size_t l, bp_mode mode)
{
    const bp_layer *layer = &net->layers[l];
    if (l == net->n_layers - 1)
        return layer->activation != BP_IDENTITY;
    return mode == BP_TRAINING && bpi_layer_reads_Z(layer);
}

/* Whether f(Z) needs an array beside what is left of it after dropout. */
static bool keeps_F(const bp_layer *layer, bp_mode mode)
{
    return mode == BP_TRAINING && layer->dropout > (bp_real)0 && bpi_layer_reads_F(layer);
}

/* Numbers in the statistics of a layer. */
static bp_real *statistics_of_layer(struct layout *layout, const bp_layer *layer)
{
    if (layer->normalization == BP_LAYER_NORMALIZATION)
        return numbers(layout, layout->max_batch, 1);
    return numbers(layout, 3, layer->n_out);
}

static void arrays_of_layer(struct layout *layout, bp_workspace *ws, size_t l)
{
    const bp_network *net = layout->net;
    const bp_layer *layer = &net->layers[l];
    const bp_mode mode = layout->mode;
    const size_t rows = layout->max_batch, n = layer->n_out;
    const bool shares = mode == BP_INFERENCE && l < net->n_layers - 1;
    const bool keeps_N = mode == BP_TRAINING && layer->normalization != BP_NO_NORMALIZATION;

    bp_real *A = shares ? layout->hidden[l % 2] : numbers(layout, rows, n);
    bp_real *F = keeps_F(layer, mode) ? numbers(layout, rows, n) : A;
    bp_real *Z = keeps_Z(net, l, mode) ? numbers(layout, rows, n) : F;
    bp_real *N = keeps_N ? numbers(layout, rows, n) : NULL;
    bp_real *statistics = keeps_N ? statistics_of_layer(layout, layer) : NULL;
    if (layout->block == NULL)
        return;
    ws->A[l] = A;
    ws->F[l] = F; /* the same table and the same value where nothing is dropped out */
    ws->Z[l] = Z;
    if (ws->N != NULL) {
        ws->N[l] = N;
        ws->statistics[l] = statistics;
    }
}

/* ---- The arrays of all --------------------------------------------------------------------------------------------- */

static void arrays_of_mode(struct layout *layout, bp_workspace *ws)
{
    const bp_network *net = layout->net;
    const size_t rows = layout->max_batch, all = widest(net, net->n_layers), hidden = widest(net, net->n_layers - 1);
    if (layout->mode == BP_TRAINING)
        ws->dZ = numbers(layout, rows, net->n_out);
    for (int i = 0; i < 2; i++)
        if (layout->mode == BP_TRAINING)
            ws->dA[i] = numbers(layout, rows, all);
        else
            layout->hidden[i] = numbers(layout, rows, hidden);
}

/* Plans all arrays and, with layout->block, places them. */
static void lay_out(struct layout *layout, bp_workspace *ws)
{
    const bp_network *net = layout->net;
    const size_t all = widest(net, net->n_layers), n_layers = net->n_layers;

    layout->plan = (struct bpi_plan){ 0 };
    ws->Z = array(layout, n_layers, 1, sizeof(bp_real *));
    ws->A = array(layout, n_layers, 1, sizeof(bp_real *));
    ws->F = ws->A;
    if (layout->mode == BP_TRAINING && has_dropout(net))
        ws->F = array(layout, n_layers, 1, sizeof(bp_real *));
    if (layout->mode == BP_TRAINING && is_normalized(net)) {
        ws->N = array(layout, n_layers, 1, sizeof(bp_real *));
        ws->statistics = array(layout, n_layers, 1, sizeof(bp_real *));
    }
    ws->row = numbers(layout, 1, all);
    for (int i = 0; i < 2 && is_normalized(net); i++)
        ws->columns[i] = numbers(layout, 1, all);
    if (net->scales_inputs)
        ws->scaled_X = numbers(layout, layout->max_batch, net->n_in);
    arrays_of_mode(layout, ws);
    for (size_t l = 0; l < n_layers; l++)
        arrays_of_layer(layout, ws, l);
}

static void place_workspace(bp_workspace *ws, struct layout *layout)
{
    lay_out(layout, ws);
    ws->mode = layout->mode;
    ws->max_batch = layout->max_batch;
    ws->n_layers = layout->net->n_layers;
    ws->topology = layout->net->topology;
    ws->Y = ws->A[ws->n_layers - 1];
    ws->block = layout->block;
}

static bp_status check_batch_and_mode(size_t max_batch, bp_mode mode)
{
    if (max_batch == 0)
        return bpi_fail(BP_ERR_SHAPE, "bp_workspace_init: max_batch is 0");
    if (max_batch > BPI_MAX_EXTENT)
        return bpi_fail(BP_ERR_TOO_LARGE, "bp_workspace_init: max_batch is %zu, a CBLAS takes at most %zu rows", max_batch,
                        BPI_MAX_EXTENT);
    if (mode != BP_INFERENCE && mode != BP_TRAINING)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_workspace_init: %d is no mode", (int)mode);
    return BP_OK;
}

bp_status bpi_workspace_init(bp_workspace *ws, const bp_network *net, size_t max_batch, bp_mode mode,
                             const bp_allocator *allocator)
{
    *ws = (bp_workspace){ 0 };
    BPI_TRY(check_batch_and_mode(max_batch, mode));

    struct layout layout = { .net = net, .max_batch = max_batch, .mode = mode };
    bp_workspace made = { 0 };
    lay_out(&layout, &made);
    BPI_TRY(bpi_plan_allocate(&layout.plan, "bp_workspace_init", allocator, &layout.block));
    const bp_status status = max_batch > 1 ? bpi_gemm_warm_up(NULL, allocator) : BP_OK; /* a single row needs no BLAS */
    if (status != BP_OK) {
        bpi_release(allocator, layout.block);
        return status;
    }

    made.allocator = *allocator;
    made.small = bpi_network_is_small(net);
    place_workspace(&made, &layout);
    *ws = made;
    return BP_OK;
}

bp_status bp_workspace_init(bp_workspace *ws, const bp_network *net, size_t max_batch, bp_mode mode)
{
    BPI_NOT_NULL(ws);
    *ws = (bp_workspace){ 0 };
    BPI_TRY(bpi_network_check(__func__, "net", net));
    return bpi_workspace_init(ws, net, max_batch, mode, &net->allocator);
}

void bp_workspace_free(bp_workspace *ws)
{
    if (ws == NULL)
        return;
    bpi_release(&ws->allocator, ws->block);
    *ws = (bp_workspace){ 0 };
}
