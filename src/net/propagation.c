// SPDX-License-Identifier: MIT
/*
 * A batch through the layers and back: Z_l = A_{l-1} W_l^T + 1 b_l^T, A_l = f_l(Z_l), L, dZ_l, dA_{l-1}.
 * The work on one layer is in layer.c, on the loss in loss.c; here is the order of things, and who owns which array.
 */
#include "net/propagation.h"

#include "base/status.h"
#include "math/loss.h"
#include "math/scaling.h"
#include "net/network.h"
#include "net/small.h"

/* ---- Checks ---------------------------------------------------------------------------------------------------------- */

static bp_status check_workspace(const char *function, const bp_network *net, const bp_workspace *ws)
{
    BPI_TRY(bpi_network_check(function, "net", net));
    if (ws == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: ws is NULL", function);
    if (ws->n_layers == 0)
        return bpi_fail(BP_ERR_STATE, "%s: ws is empty; bp_workspace_init() has not been called or has failed", function);
    if (ws->topology == (net->topology ^ BPI_SCALED_INPUTS))
        return bpi_fail(BP_ERR_SHAPE, "%s: ws was made before the inputs of net %s to be scaled; make a new one", function,
                        net->scales_inputs ? "began" : "ceased");
    if (ws->topology != net->topology)
        return bpi_fail(BP_ERR_SHAPE,
                        "%s: ws was made for a network of other widths or activations, biases, normalization or dropout "
                        "(%zu layers, net has %zu)",
                        function, ws->n_layers, net->n_layers);
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

/* A batch of one row has no variance. */
static bp_status check_rows(const bp_network *net, const bp_workspace *ws, size_t batch)
{
    if (batch > 1 || ws->N == NULL) /* NULL: inference, or nothing is normalized */
        return BP_OK;
    for (size_t l = 0; l < net->n_layers; l++)
        if (bpi_layer_needs_rows(&net->layers[l]))
            return bpi_fail(BP_ERR_SHAPE,
                            "bp_network_forward: batch is 1, the batch normalization of layer %zu needs at least 2 rows "
                            "to train on",
                            l);
    return BP_OK;
}

static struct bp_threads_pool *pool_of(const bp_workspace *ws)
{
    return ws->threads != NULL ? ws->threads->pool : NULL;
}

/* What layer l works with: in the pass of a forward and backward walk through `ws`. */
static struct bpi_layer_pass pass_of_layer(const bp_workspace *ws, size_t l)
{
    return (struct bpi_layer_pass){ .batch = ws->batch,
                                    .training = ws->mode == BP_TRAINING,
                                    .A_in = l > 0 ? ws->A[l - 1] : ws->X,
                                    .Z = ws->Z[l],
                                    .N = ws->N != NULL ? ws->N[l] : NULL,
                                    .statistics = ws->statistics != NULL ? ws->statistics[l] : NULL,
                                    .F = ws->F[l],
                                    .A = ws->A[l],
                                    .index = l,
                                    .seed = ws->dropped.seed,
                                    .number = ws->dropped.pass,
                                    .columns = { ws->columns[0], ws->columns[1] },
                                    .row = ws->row,
                                    .pool = pool_of(ws) };
}

/* A single row by the shortest way. False, nothing done: there are more, or the layer does more than W, b and f. */
static bool forward_row(const bp_network *net, const bp_workspace *ws, size_t l)
{
    const bp_layer *layer = &net->layers[l];
    if (ws->batch > 1 || (ws->mode == BP_TRAINING && layer->dropout > (bp_real)0))
        return false;
    return bpi_layer_forward_row(layer, pool_of(ws), l > 0 ? ws->A[l - 1] : ws->X, ws->Z[l], ws->F[l]);
}

bp_status bp_network_forward(const bp_network *net, bp_workspace *ws, const bp_real *X, size_t batch)
{
    BPI_TRY(check_workspace(__func__, net, ws));
    BPI_NOT_NULL(X);
    BPI_TRY(check_batch(__func__, ws, batch));
    BPI_TRY(check_rows(net, ws, batch));

    ws->X = X;
    ws->batch = batch;
    ws->has_loss = false;
    ws->dropped.seed = ws->seed;
    ws->dropped.pass = ws->pass;
    if (ws->small) {
        bpi_small_forward(net, ws);
        return BP_OK;
    }
    for (size_t l = 0; l < net->n_layers; l++) {
        if (forward_row(net, ws, l))
            continue;
        const struct bpi_layer_pass pass = pass_of_layer(ws, l);
        bpi_layer_forward(&net->layers[l], &pass);
    }
    return BP_OK;
}

/* What small networks do without is kept from where their predictions pass through. */
#if defined(__GNUC__)
#define OUT_OF_LINE __attribute__((noinline))
#else
#define OUT_OF_LINE
#endif

OUT_OF_LINE static void predict_layer(const bp_layer *layer, const bp_workspace *ws, size_t batch, const bp_real *A_in,
                                      bp_real *Z, bp_real *A)
{
    const struct bpi_layer_pass pass = { .batch = batch,
                                         .A_in = A_in,
                                         .Z = Z,
                                         .F = A,
                                         .A = A,
                                         .columns = { ws->columns[0], ws->columns[1] },
                                         .pool = pool_of(ws) };
    bpi_layer_forward(layer, &pass);
}

static void predict_by_layers(const bp_network *net, bp_workspace *ws, const bp_real *X, size_t batch, bp_real *Y)
{
    const bp_real *A_in = X;
    for (size_t l = 0; l < net->n_layers; l++) {
        const bool is_last = l + 1 == net->n_layers;
        bp_real *A = is_last ? Y : ws->A[l], *Z = is_last ? Y : ws->Z[l];
        if (batch > 1 || !bpi_layer_forward_row(&net->layers[l], pool_of(ws), A_in, Z, A))
            predict_layer(&net->layers[l], ws, batch, A_in, Z, A);
        A_in = A;
    }
}

/* Whether no check of bp_predict() would refuse these. A small network takes hardly longer than to be asked one by one. */
static inline bool fit_together(const bp_network *net, const bp_workspace *ws, const bp_real *X, size_t batch,
                                const bp_real *Y)
{
    return net != NULL && ws != NULL && X != NULL && Y != NULL && net->n_layers != 0 && ws->n_layers != 0 &&
           ws->topology == net->topology && batch != 0 && batch <= ws->max_batch;
}

OUT_OF_LINE static bp_status check_prediction(const bp_network *net, const bp_workspace *ws, const bp_real *X, size_t batch,
                                              const bp_real *Y)
{
    static const char function[] = "bp_predict";
    BPI_TRY(check_workspace(function, net, ws));
    if (X == NULL || Y == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: %s is NULL", function, X == NULL ? "X" : "Y");
    return check_batch(function, ws, batch);
}

OUT_OF_LINE static void predict_scaled(const bp_network *net, bp_workspace *ws, const bp_real *X, size_t batch, bp_real *Y)
{
    if (net->scales_inputs)
        bpi_scale_rows(batch, net->n_in, net->in_center, net->in_scale, X, ws->scaled_X);
    if (ws->small)
        (void)bpi_small_predict(net, batch, net->scales_inputs ? ws->scaled_X : X, Y);
    else
        predict_by_layers(net, ws, net->scales_inputs ? ws->scaled_X : X, batch, Y);
    if (net->scales_outputs)
        bpi_unscale_rows(batch, net->n_out, net->out_center, net->out_scale, Y, Y);
}

/* All but the quick way. */
OUT_OF_LINE static bp_status predict(const bp_network *net, bp_workspace *ws, const bp_real *X, size_t batch, bp_real *Y)
{
    if (!fit_together(net, ws, X, batch, Y))
        BPI_TRY(check_prediction(net, ws, X, batch, Y));
    ws->batch = 0; /* the hidden layers will hold this pass, the output layer another */
    ws->has_loss = false;
    if (ws->small || net->scales_inputs || net->scales_outputs)
        predict_scaled(net, ws, X, batch, Y);
    else
        predict_by_layers(net, ws, X, batch, Y);
    return BP_OK;
}

/* The same and more for a small network, by as few questions: of a small one the workspace has been made, and so has the network. */
static inline bool is_quick(const bp_network *net, const bp_workspace *ws, const bp_real *X, size_t batch, const bp_real *Y)
{
    return net != NULL && ws != NULL && X != NULL && Y != NULL && ws->small && ws->topology == net->topology &&
           batch - 1 < ws->max_batch && !net->scales_inputs && !net->scales_outputs;
}

bp_status bp_predict(const bp_network *net, bp_workspace *ws, const bp_real *X, size_t batch, bp_real *Y)
{
    if (!is_quick(net, ws, X, batch, Y))
        return predict(net, ws, X, batch, Y);
    ws->batch = 0;
    ws->has_loss = false;
    return bpi_small_predict(net, batch, X, Y);
}

/* ---- Loss ------------------------------------------------------------------------------------------------------------ */

/* ws->dZ holds dY of a loss that is not fused: goes back through the output's activation, in place. */
static void pull_back_output(const bp_network *net, bp_workspace *ws)
{
    const size_t last = net->n_layers - 1;
    const struct bpi_layer_pass pass = pass_of_layer(ws, last);
    bpi_layer_pull_back(&net->layers[last], &pass, ws->dZ, ws->dZ);
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
    BPI_TRY(bpi_loss_check(loss, net->layers[last].activation, net->n_out));

    const struct bpi_loss_batch at = {
        .batch = ws->batch, .n = net->n_out, .Z = ws->Z[last], .Y = ws->A[last], .row = ws->row, .d = ws->dZ
    };
    double value;
    BPI_TRY(bpi_loss_of_batch(loss, &at, T, &value, NULL));
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

static bool is_wanted(const bp_layer *layer, const struct bpi_sink *sink)
{
    return sink != NULL && !(sink->skips_frozen && layer->frozen);
}

/* Where the walk down may end: at the lowest layer whose gradient is wanted, or at the inputs for dX. */
static size_t lowest_wanted(const bp_network *net, const struct bpi_sink *sink, const bp_real *dX)
{
    size_t l = 0;
    while (dX == NULL && l < net->n_layers && !is_wanted(&net->layers[l], sink))
        l++;
    return l;
}

void bpi_network_backward(const bp_network *net, bp_workspace *ws, const bp_real *dY, const struct bpi_sink *sink,
                          bp_real *dX, bp_real beta_dX)
{
    if (ws->small) {
        bpi_small_backward(net, &(struct bpi_small_errors){ ws, dY, dX, beta_dX }, sink);
        return;
    }
    const bp_real *dA_out = dY, *dZ = ws->dZ;
    const size_t lowest = lowest_wanted(net, sink, dX);
    for (size_t l = net->n_layers; l-- > lowest;) {
        const bp_layer *layer = &net->layers[l];
        const struct bpi_layer_pass pass = pass_of_layer(ws, l);
        bp_real *here = ws->dA[l % 2], *below = ws->dA[(l + 1) % 2];

        if (dA_out != NULL) {
            bpi_layer_pull_back(layer, &pass, dA_out, here);
            dZ = here;
        }
        if (layer->normalization != BP_NO_NORMALIZATION) {
            bpi_layer_normalization_pull_back(layer, &pass, dZ, here); /* not in place: ws->dZ must stay */
            dZ = here;
        }
        if (l > lowest && is_wanted(layer, sink)) {
            bpi_layer_gradients(layer, &pass, dZ, sink, net->parameters.params, below);
        } else {
            if (l > lowest)
                bpi_layer_input_gradient(layer, &pass, dZ, (bp_real)0, below);
            else if (dX != NULL)
                bpi_layer_input_gradient(layer, &pass, dZ, beta_dX, dX);
            if (is_wanted(layer, sink))
                bpi_layer_parameter_gradient(layer, &pass, dZ, sink, net->parameters.params);
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

/* ---- State ----------------------------------------------------------------------------------------------------------- */

bp_status bp_network_update_state(bp_network *net, const bp_workspace *ws)
{
    BPI_TRY(check_workspace(__func__, net, ws));
    if (ws->mode != BP_TRAINING)
        return bpi_fail(BP_ERR_STATE, "bp_network_update_state: ws was made for inference");
    BPI_TRY(check_forward_done(__func__, ws));
    for (size_t l = 0; l < net->n_layers; l++)
        if (bpi_layer_needs_rows(&net->layers[l]))
            bpi_layer_update_state(&net->layers[l], ws->batch, ws->statistics[l]);
    return BP_OK;
}
