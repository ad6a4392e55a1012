// SPDX-License-Identifier: MIT
/*
 * Going through rows without training on them. For the loss targets go into the network's units, for the metrics
 * outputs into the data's.
 */
#include "train/evaluation.h"

#include "backprop/propagation.h"
#include "base/status.h"
#include "math/loss.h"
#include "math/scaling.h"
#include "net/network.h"
#include "net/workspace.h"
#include "train/check.h"

/* ---- Memory ---------------------------------------------------------------------------------------------------------- */

void bpi_evaluation_plan(struct bpi_evaluation *evaluation, bool any_order, struct bpi_plan *plan, void *block)
{
    const size_t rows = bpi_batches_most(&evaluation->batches), n_out = evaluation->net->n_out;
    bpi_batches_plan(&evaluation->batches, any_order, plan, block);
    if (evaluation->scales_targets) {
        evaluation->Y = bpi_plan_or_place(plan, block, rows, n_out, sizeof(bp_real));
        evaluation->T = bpi_plan_or_place(plan, block, rows, n_out, sizeof(bp_real));
    }
}

/* ---- A batch --------------------------------------------------------------------------------------------------------- */

/* The loss of the batch just passed, its targets brought into the network's units. */
static bp_status add_loss(struct bpi_evaluation *evaluation, bp_targets T, size_t n, const bp_loss *loss,
                          bp_metrics *metrics)
{
    const bp_network *net = evaluation->net;
    bp_real L;
    if (evaluation->scales_targets) {
        bpi_scale_rows(n, net->n_out, net->out_center, net->out_scale, T.values, evaluation->T);
        T.values = evaluation->T;
    }
    BPI_TRY(bp_network_loss(net, &evaluation->ws, loss, &T, &L));
    return bp_metrics_add_loss(metrics, loss, &T, n, L);
}

/* The outputs of the batch just passed, in the data's units. */
static const bp_real *outputs(struct bpi_evaluation *evaluation, size_t n)
{
    const bp_network *net = evaluation->net;
    if (!evaluation->scales_targets)
        return evaluation->ws.Y;
    bpi_unscale_rows(n, net->n_out, net->out_center, net->out_scale, evaluation->ws.Y, evaluation->Y);
    return evaluation->Y;
}

static bp_status evaluate_batch(struct bpi_evaluation *evaluation, size_t first, size_t n, const bp_loss *loss,
                                bp_metrics *metrics)
{
    const bp_real *X;
    bp_targets T;
    const bp_status status = bpi_batches_get(&evaluation->batches, first, n, 0, &X, &T);
    evaluation->rows_failed = status != BP_OK;
    BPI_TRY(status);
    BPI_TRY(bp_network_forward(evaluation->net, &evaluation->ws, X, n));
    if (loss != NULL)
        BPI_TRY(add_loss(evaluation, T, n, loss, metrics));
    return bp_metrics_update(metrics, outputs(evaluation, n), &T, n);
}

bp_status bpi_evaluate(struct bpi_evaluation *evaluation, const bp_loss *loss, bp_metrics *metrics)
{
    const struct bpi_batches *batches = &evaluation->batches;
    for (size_t first = 0; first < batches->n_rows;) {
        const size_t n = bpi_batches_size(batches, first);
        BPI_TRY(evaluate_batch(evaluation, first, n, loss, metrics));
        first += n;
    }
    return BP_OK;
}

/* ---- Public ---------------------------------------------------------------------------------------------------------- */

static bp_status check_metrics(const bp_network *net, const bp_metrics *metrics)
{
    if (metrics->n_out == 0)
        return bpi_fail(BP_ERR_STATE,
                        "bp_evaluate: metrics are empty; bp_metrics_init() has not been called or has failed");
    if (metrics->n_out != net->n_out)
        return bpi_fail(BP_ERR_SHAPE, "bp_evaluate: metrics were made for %zu outputs, the network has %zu", metrics->n_out,
                        net->n_out);
    return BP_OK;
}

static bp_status check_evaluation(const bp_network *net, const bp_dataset *data, const bp_evaluation_config *config,
                                  const bp_metrics *metrics)
{
    BPI_TRY(bpi_network_check("bp_evaluate", "net", net));
    if (data == NULL || metrics == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_evaluate: %s is NULL", data == NULL ? "data" : "metrics");
    BPI_TRY(check_metrics(net, metrics));
    if (config->loss != NULL)
        BPI_TRY(bpi_loss_check(config->loss, net->layers[net->n_layers - 1].activation, net->n_out));
    if (config->loss != NULL && net->scales_outputs)
        BPI_TRY(bpi_check_scaled_targets("bp_evaluate", net, data, config->loss));
    BPI_TRY(bpi_check_data("bp_evaluate", net, data, config->loss));
    return bpi_check_rows("bp_evaluate", data, config->rows, config->n_rows);
}

static struct bpi_evaluation measure(const bp_network *net, const bp_dataset *data, const bp_evaluation_config *config)
{
    const size_t n_rows = config->rows != NULL ? config->n_rows : data->rows;
    const size_t wanted = config->batch != 0 ? config->batch : BPI_EVALUATION_BATCH;
    return (struct bpi_evaluation){ .net = net,
                                    .scales_targets = net->scales_outputs,
                                    .batches = { .data = data,
                                                 .net = net,
                                                 .rule = config->loss != NULL ? bpi_loss(config->loss->kind) : NULL,
                                                 .n_rows = n_rows,
                                                 .order = config->rows,
                                                 .batch = wanted < n_rows ? wanted : n_rows,
                                                 .scales_inputs = net->scales_inputs } };
}

bp_status bp_evaluate(const bp_network *net, const bp_dataset *data, const bp_evaluation_config *config,
                      bp_metrics *metrics)
{
    const bp_evaluation_config all = { 0 };
    config = config != NULL ? config : &all;
    BPI_TRY(check_evaluation(net, data, config, metrics));

    struct bpi_evaluation evaluation = measure(net, data, config);
    struct bpi_plan plan = { 0 };
    void *block;
    bpi_evaluation_plan(&evaluation, config->rows != NULL, &plan, NULL);
    BPI_TRY(bpi_plan_allocate(&plan, "bp_evaluate", &net->allocator, &block));

    struct bpi_plan again = { 0 };
    bpi_evaluation_plan(&evaluation, config->rows != NULL, &again, block);
    bp_status status = bp_workspace_init(&evaluation.ws, net, bpi_batches_most(&evaluation.batches), BP_INFERENCE);
    if (status == BP_OK)
        status = bpi_evaluate(&evaluation, config->loss, metrics);
    bp_workspace_free(&evaluation.ws);
    bpi_release(&net->allocator, block);
    return status;
}
