// SPDX-License-Identifier: MIT
/*
 * The memory for one batch, planned and placed; propagation.c fills it.
 */
#include "net/workspace.h"

#include "base/memory.h"
#include "base/status.h"
#include "math/activation.h"
#include "math/gemm.h"
#include "net/network.h"

/* Offsets of what every mode has. The arrays of the layers are planned and placed by the same walk (see arrays_of_layers). */
struct layout {
    struct bpi_plan plan;
    size_t Z, A, dZ, dA[2], row;
    size_t hidden[2]; /* BP_INFERENCE: the arrays that the hidden layers share in turn */
    size_t of_layers; /* BP_TRAINING: where the arrays of the layers begin */
};

static size_t widest(const bp_network *net, size_t n_layers)
{
    size_t width = 0;
    for (size_t l = 0; l < n_layers; l++)
        width = net->layers[l].n_out > width ? net->layers[l].n_out : width;
    return width;
}

/* Whether Z of a layer needs an array beside A: where the derivative reads it, and for the losses from logits. */
static bool keeps_Z(const bp_network *net, size_t l, bp_mode mode)
{
    const bp_layer *layer = &net->layers[l];
    if (l == net->n_layers - 1)
        return layer->activation != BP_IDENTITY;
    return mode == BP_TRAINING && bpi_activation(layer->activation)->needs_Z;
}

/*
 * Plans A and, where it is kept apart, Z of layer l. With `ws` the arrays are placed as well: planning twice gives the same
 * offsets, so no table of them is needed.
 */
static void array_of_layer(struct bpi_plan *plan, const bp_network *net, size_t l, size_t max_batch, bp_mode mode,
                           const size_t hidden[2], bp_workspace *ws)
{
    const size_t n = net->layers[l].n_out;
    const bool shares = mode == BP_INFERENCE && l < net->n_layers - 1;
    const size_t A = shares ? hidden[l % 2] : bpi_plan_matrix(plan, max_batch, n, sizeof(bp_real));
    const size_t Z = keeps_Z(net, l, mode) ? bpi_plan_matrix(plan, max_batch, n, sizeof(bp_real)) : A;
    if (ws != NULL) {
        ws->A[l] = bpi_place(ws->block, A);
        ws->Z[l] = bpi_place(ws->block, Z);
    }
}

static struct layout plan_workspace(const bp_network *net, size_t max_batch, bp_mode mode)
{
    struct layout layout = { 0 };
    struct bpi_plan *plan = &layout.plan;
    const size_t last = net->n_layers - 1, size = sizeof(bp_real);

    layout.Z = bpi_plan_array(plan, net->n_layers, sizeof(bp_real *));
    layout.A = bpi_plan_array(plan, net->n_layers, sizeof(bp_real *));
    layout.row = bpi_plan_array(plan, widest(net, net->n_layers), size);
    if (mode == BP_TRAINING) {
        layout.dZ = bpi_plan_matrix(plan, max_batch, net->n_out, size);
        for (int i = 0; i < 2; i++)
            layout.dA[i] = bpi_plan_matrix(plan, max_batch, widest(net, net->n_layers), size);
    } else {
        for (int i = 0; i < 2; i++)
            layout.hidden[i] = bpi_plan_matrix(plan, max_batch, widest(net, last), size);
    }

    layout.of_layers = plan->size;
    for (size_t l = 0; l <= last; l++)
        array_of_layer(plan, net, l, max_batch, mode, layout.hidden, NULL);
    return layout;
}

static void place_workspace(bp_workspace *ws, const bp_network *net, size_t max_batch, bp_mode mode,
                            const struct layout *layout)
{
    ws->mode = mode;
    ws->max_batch = max_batch;
    ws->n_layers = net->n_layers;
    ws->topology = net->topology;
    ws->Z = bpi_place(ws->block, layout->Z);
    ws->A = bpi_place(ws->block, layout->A);
    ws->row = bpi_place(ws->block, layout->row);
    if (mode == BP_TRAINING) {
        ws->dZ = bpi_place(ws->block, layout->dZ);
        ws->dA[0] = bpi_place(ws->block, layout->dA[0]);
        ws->dA[1] = bpi_place(ws->block, layout->dA[1]);
    }

    struct bpi_plan again = { .size = layout->of_layers };
    for (size_t l = 0; l < net->n_layers; l++)
        array_of_layer(&again, net, l, max_batch, mode, layout->hidden, ws);
    ws->Y = ws->A[net->n_layers - 1];
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

    const struct layout layout = plan_workspace(net, max_batch, mode);
    void *block;
    BPI_TRY(bpi_plan_allocate(&layout.plan, "bp_workspace_init", allocator, &block));
    const bp_status status = bpi_gemm_warm_up(allocator);
    if (status != BP_OK) {
        bpi_release(allocator, block);
        return status;
    }

    ws->allocator = *allocator;
    ws->block = block;
    place_workspace(ws, net, max_batch, mode, &layout);
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
