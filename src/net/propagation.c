// SPDX-License-Identifier: MIT
/*
 * A batch through the layers and back: Z_l = A_{l-1} W_l^T + 1 b_l^T, A_l = f_l(Z_l), L, dZ_l, dA_{l-1}.
 * The work on one layer is in layer.c, on the loss in loss.c; here is the order of things, and who owns which array.
 */
#include "net/propagation.h"

#include "base/status.h"
#include "math/loss.h"
#include "net/network.h"

/* ---- Checks ---------------------------------------------------------------------------------------------------------- */

static bp_status check_workspace(const char *function, const bp_network *net, const bp_workspace *ws)
{
    BPI_TRY(bpi_network_check(function, "net", net));
    if (ws == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: ws is NULL", function);
    if (ws->n_layers == 0)
        return bpi_fail(BP_ERR_STATE, "%s: ws is empty; bp_workspace_init() has not been called or has failed", function);
    if (ws->topology != net->topology)
        return bpi_fail(BP_ERR_SHAPE,
                        "%s: ws was made for a network of other widths or activations (%zu layers, net has %zu)", function,
                        ws->n_layers, net->n_layers);
    return BP_OK;
}

static bp_status check_batch(const char *function, const bp_workspace *ws, size_t batch)
{
    if (batch == 0 || batch > ws->max_batch)
        return bpi_fail(BP_ERR_SHAPE, "%s: batch is %zu, ws takes 1 to %zu rows", function, batch, ws->max_batch);
    return BP_OK;
}

static bp_status check_forward_done(const char *function, const bp_workspace *ws)
{
    if (ws->batch == 0)
        return bpi_fail(BP_ERR_STATE, "%s: ws holds no forward pass; call bp_network_forward() first", function);
    return BP_OK;
}

/* ---- Forward --------------------------------------------------------------------------------------------------------- */

/* All layers but the last; returns what goes into that one. */
static const bp_real *forward_hidden(const bp_network *net, bp_workspace *ws, const bp_real *X, size_t batch)
{
    const bp_real *A_in = X;
    for (size_t l = 0; l + 1 < net->n_layers; l++) {
        bpi_layer_forward(&net->layers[l], batch, A_in, ws->Z[l], ws->A[l]);
        A_in = ws->A[l];
    }
    return A_in;
}

bp_status bp_network_forward(const bp_network *net, bp_workspace *ws, const bp_real *X, size_t batch)
{
    BPI_TRY(check_workspace(__func__, net, ws));
    BPI_NOT_NULL(X);
    BPI_TRY(check_batch(__func__, ws, batch));

    const size_t last = net->n_layers - 1;
    const bp_real *A_in = forward_hidden(net, ws, X, batch);
    bpi_layer_forward(&net->layers[last], batch, A_in, ws->Z[last], ws->A[last]);
    ws->X = X;
    ws->batch = batch;
    ws->has_loss = false;
    return BP_OK;
}

bp_status bp_predict(const bp_network *net, bp_workspace *ws, const bp_real *X, size_t batch, bp_real *Y)
{
    BPI_TRY(check_workspace(__func__, net, ws));
    BPI_NOT_NULL(X);
    BPI_NOT_NULL(Y);
    BPI_TRY(check_batch(__func__, ws, batch));

    const bp_real *A_in = forward_hidden(net, ws, X, batch);
    bpi_layer_forward(&net->layers[net->n_layers - 1], batch, A_in, Y, Y);
    ws->batch = 0; /* the hidden layers hold this pass, the output layer another */
    ws->has_loss = false;
    return BP_OK;
}

/* ---- Loss ------------------------------------------------------------------------------------------------------------ */

/* ws->dZ holds dY of a loss that is not fused: goes back through the output's activation, in place. */
static void pull_back_output(const bp_network *net, bp_workspace *ws)
{
    const size_t last = net->n_layers - 1;
    bpi_layer_pull_back(&net->layers[last], ws->batch, ws->Z[last], ws->A[last], ws->dZ, ws->dZ);
}

bp_status bp_network_loss(const bp_network *net, bp_workspace *ws, const bp_loss *loss, const bp_targets *T, bp_real *L)
{
    BPI_NOT_NULL(ws);
    ws->has_loss = false; /* whatever is refused below */
    BPI_TRY(check_workspace(__func__, net, ws));
    BPI_NOT_NULL(loss);
    BPI_NOT_NULL(T);
    BPI_TRY(check_forward_done(__func__, ws));

    const size_t last = net->n_layers - 1;
    BPI_TRY(bpi_loss_check(loss, net->layers[last].activation));

    const struct bpi_loss_batch at = {
        .batch = ws->batch, .n = net->n_out, .Z = ws->Z[last], .Y = ws->A[last], .one_hot = ws->row, .d = ws->dZ
    };
    double value;
    BPI_TRY(bpi_loss_of_batch(loss, &at, T, &value));
    if (L != NULL)
        *L = (bp_real)value;
    if (!isfinite((bp_real)value))
        return bpi_fail(BP_ERR_NONFINITE, "bp_network_loss: the loss is %g", value);

    if (ws->mode == BP_TRAINING && !bpi_loss(loss->kind)->fused)
        pull_back_output(net, ws);
    ws->has_loss = ws->mode == BP_TRAINING;
    return BP_OK;
}

/* ---- Backward -------------------------------------------------------------------------------------------------------- */

void bpi_network_backward(const bp_network *net, bp_workspace *ws, const bp_real *dY, const struct bpi_sink *sink,
                          bp_real *dX, bp_real beta_dX)
{
    const bp_real *dA_out = dY, *dZ = ws->dZ;
    for (size_t l = net->n_layers; l-- > 0;) {
        const bp_layer *layer = &net->layers[l];
        bp_real *here = ws->dA[l % 2], *below = ws->dA[(l + 1) % 2];

        if (dA_out != NULL) {
            bpi_layer_pull_back(layer, ws->batch, ws->Z[l], ws->A[l], dA_out, here);
            dZ = here;
        }
        if (l > 0)
            bpi_layer_input_gradient(layer, ws->batch, dZ, (bp_real)0, below);
        else if (dX != NULL)
            bpi_layer_input_gradient(layer, ws->batch, dZ, beta_dX, dX);
        if (sink != NULL) {
            const bp_real *A_in = l > 0 ? ws->A[l - 1] : ws->X;
            bpi_layer_parameter_gradient(layer, ws->batch, A_in, dZ, sink, net->parameters.segments[2 * l].offset, ws->row);
        }
        dA_out = below;
    }
}

static bp_status check_backward(const char *function, const bp_network *net, const bp_workspace *ws, const bp_real *dY,
                                bp_write write)
{
    BPI_TRY(check_workspace(function, net, ws));
    if (ws->mode != BP_TRAINING)
        return bpi_fail(BP_ERR_STATE, "%s: ws was made for inference", function);
    BPI_TRY(check_forward_done(function, ws));
    if (dY == NULL && !ws->has_loss)
        return bpi_fail(BP_ERR_STATE,
                        "%s: ws holds no loss of its forward pass; call bp_network_loss() first, or hand over dY",
                        function);
    if (write != BP_OVERWRITE && write != BP_ACCUMULATE)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: %d is no way to write", function, (int)write);
    return BP_OK;
}

bp_status bp_network_backward(const bp_network *net, bp_workspace *ws, const bp_real *dY, bp_real *grad, bp_real *dX,
                              bp_write write)
{
    BPI_TRY(check_backward(__func__, net, ws, dY, write));
    const bp_real beta = write == BP_ACCUMULATE ? (bp_real)1 : (bp_real)0;
    const struct bpi_sink sink = { .base = grad, .alpha = (bp_real)1, .beta = beta };

    if (grad != NULL || dX != NULL)
        bpi_network_backward(net, ws, dY, grad != NULL ? &sink : NULL, dX, beta);
    return BP_OK;
}
