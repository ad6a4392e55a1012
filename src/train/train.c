// SPDX-License-Identifier: MIT
/*
 * Training: epochs of shuffled batches, each one step. Forward, loss and backward are net's, the rule of a step optim's, rows
 * come from data; here is who calls whom, when to end, and the way back to the last good parameters.
 */
#include "base/real.h"

#include "backprop/train.h"

#include <string.h>

#include "backprop/propagation.h"
#include "backprop/rng.h"
#include "base/memory.h"
#include "base/status.h"
#include "data/dataset.h"
#include "math/loss.h"
#include "net/network.h"
#include "net/propagation.h"
#include "net/workspace.h"
#include "optim/optimizer.h"

enum { DEFAULT_EPOCHS = 100, DEFAULT_BATCH = 32 };

/* Parameters and optimizer as they were when all of it was finite. */
struct good_copy {
    bp_real *params, *state;
    uint64_t n_steps;
};

/* A training run: what was handed over, what follows from it, and memory for a batch. */
struct run {
    bp_network *net;
    bp_optimizer *opt;
    const bp_dataset *data;
    const bp_train_config *config;
    bp_train_report *report;

    size_t epochs, batch, steps; /* the defaults filled in; steps of an epoch */
    bool shuffled, plain;        /* plain: the gradient goes straight into the parameters */
    bp_allocator allocator;
    void *block;

    bp_workspace ws;
    bp_rng rng;
    size_t *order; /* rows in the order of this epoch; NULL if not shuffled */
    bp_real *grad; /* NULL if plain */
    struct bpi_batch_buffers buffers;
    struct good_copy good;

    bp_progress progress;
    double loss_sum, weight_sum; /* of this epoch */
};

/* ---- Checking and measuring ------------------------------------------------------------------------------------------ */

static bp_status check_config(const bp_train_config *config)
{
    const double target = (double)config->target_loss;
    if (!(target >= 0) || !isfinite(target))
        return bpi_fail(BP_ERR_ARGUMENT, "bp_train: target_loss is %g, expected a finite number >= 0", target);
    return bpi_check_allocator("bp_train", config->allocator);
}

static bp_status check_data(const bp_network *net, const bp_dataset *data, const bp_loss *loss)
{
    BPI_TRY(bpi_loss_check(loss, net->layers[net->n_layers - 1].activation));
    if (data->n_in != net->n_in || data->n_out != net->n_out)
        return bpi_fail(BP_ERR_SHAPE, "bp_train: the data have %zu inputs and %zu outputs, the network %zu and %zu",
                        data->n_in, data->n_out, net->n_in, net->n_out);
    return bp_dataset_check(data, loss);
}

static bp_status check_params(const bp_parameters *parameters)
{
    for (size_t i = 0; i < parameters->n_params; i++)
        if (!isfinite(parameters->params[i]))
            return bpi_fail(BP_ERR_NONFINITE, "bp_train: parameter %zu is %g before training", i,
                            (double)parameters->params[i]);
    return BP_OK;
}

static bp_status check_all(bp_network *net, const bp_optimizer *opt, const bp_dataset *data, const bp_train_config *config)
{
    BPI_TRY(bpi_network_check("bp_train", "net", net));
    BPI_TRY(bpi_optimizer_check("bp_train", opt, &net->parameters));
    if (data == NULL || config == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_train: %s is NULL", data == NULL ? "data" : "config");
    BPI_TRY(check_config(config));
    BPI_TRY(check_data(net, data, &config->loss));
    return check_params(&net->parameters);
}

static struct run measure(bp_network *net, bp_optimizer *opt, const bp_dataset *data, const bp_train_config *config)
{
    struct run run = { .net = net, .opt = opt, .data = data, .config = config };
    const size_t wanted = config->batch != 0 ? config->batch : DEFAULT_BATCH;
    run.epochs = config->epochs != 0 ? config->epochs : DEFAULT_EPOCHS;
    run.batch = wanted < data->rows ? wanted : data->rows;
    run.steps = data->rows / run.batch + (data->rows % run.batch != 0);
    run.shuffled = !config->keep_order && run.steps > 1;
    run.plain = bpi_optimizer_is_plain(opt, &net->parameters);
    run.allocator = config->allocator != NULL ? bpi_allocator_or_default(config->allocator) : net->allocator;
    return run;
}

/* ---- Memory ---------------------------------------------------------------------------------------------------------- */

/* Whether a view's rows need a place to be gathered in. */
static bool is_gathered(const struct run *run, const bp_view *view, bool direct)
{
    return view->data != NULL && (run->shuffled || !direct);
}

/* Plans the run's arrays and, with a block, places them: both in one walk, so that they cannot disagree. */
static void *plan_or_place(struct bpi_plan *plan, void *block, bool wanted, size_t rows, size_t columns, size_t size)
{
    if (!wanted)
        return NULL;
    const size_t offset = bpi_plan_matrix(plan, rows, columns, size);
    return block != NULL ? bpi_place(block, offset) : NULL;
}

static struct bpi_plan lay_out(struct run *run, void *block)
{
    struct bpi_plan plan = { 0 };
    const bp_dataset *data = run->data;
    const size_t n_params = run->opt->n_params, n_state = run->opt->n_state, real = sizeof(bp_real), batch = run->batch;
    const bool X = is_gathered(run, &data->X, bpi_view_is_direct(&data->X, data->n_in));
    const bool T = is_gathered(run, &data->T, bpi_view_is_direct(&data->T, data->n_out));
    const bool weights = is_gathered(run, &data->weights, bpi_view_is_direct(&data->weights, 1));
    const bool labels = is_gathered(run, &data->labels, bpi_labels_are_direct(&data->labels));

    run->good.params = plan_or_place(&plan, block, true, 1, n_params, real);
    run->good.state = plan_or_place(&plan, block, n_state > 0, 1, n_state, real);
    run->grad = plan_or_place(&plan, block, !run->plain, 1, n_params, real);
    run->order = plan_or_place(&plan, block, run->shuffled, 1, data->rows, sizeof(size_t));
    run->buffers.X = plan_or_place(&plan, block, X, batch, data->n_in, real);
    run->buffers.T = plan_or_place(&plan, block, T, batch, data->n_out, real);
    run->buffers.weights = plan_or_place(&plan, block, weights, batch, 1, real);
    run->buffers.labels = plan_or_place(&plan, block, labels, batch, 1, sizeof(int32_t));
    return plan;
}

static void release_run(struct run *run)
{
    bp_workspace_free(&run->ws);
    bpi_release(&run->allocator, run->block);
}

static bp_status reserve_report(bp_train_report *report, const struct run *run)
{
    if (report == NULL)
        return BP_OK;
    struct bpi_plan plan = { 0 };
    const size_t losses = bpi_plan_array(&plan, run->epochs, sizeof(bp_real));
    BPI_TRY(bpi_plan_allocate(&plan, "bp_train: losses of the report", &run->allocator, &report->block));
    report->allocator = run->allocator;
    report->losses = bpi_place(report->block, losses);
    return BP_OK;
}

/* All that can fail for want of memory, before the first step. */
static bp_status reserve(struct run *run)
{
    const struct bpi_plan plan = lay_out(run, NULL);
    BPI_TRY(bpi_plan_allocate(&plan, "bp_train", &run->allocator, &run->block));
    (void)lay_out(run, run->block);
    return bpi_workspace_init(&run->ws, run->net, run->batch, BP_TRAINING, &run->allocator);
}

/* ---- The last good parameters ---------------------------------------------------------------------------------------- */

static void copy_reals(bp_real *to, const bp_real *from, size_t n)
{
    if (n > 0)
        memcpy(to, from, n * sizeof *to);
}

static void keep_good_copy(struct run *run)
{
    copy_reals(run->good.params, run->net->parameters.params, run->opt->n_params);
    copy_reals(run->good.state, run->opt->state, run->opt->n_state);
    run->good.n_steps = run->opt->n_steps;
}

static void return_to_good_copy(struct run *run)
{
    copy_reals(run->net->parameters.params, run->good.params, run->opt->n_params);
    copy_reals(run->opt->state, run->good.state, run->opt->n_state);
    run->opt->n_steps = run->good.n_steps;
}

static bool all_finite(const bp_real *x, size_t n)
{
    size_t n_bad = 0;
    for (size_t i = 0; i < n; i++)
        n_bad += !(BPI_FABS(x[i]) <= BP_REAL_MAX);
    return n_bad == 0;
}

static bp_status diverged(struct run *run, const char *what)
{
    const bp_progress *at = &run->progress;
    return_to_good_copy(run);
    return bpi_fail(
        BP_ERR_DIVERGED,
        "bp_train: %s not finite at epoch %zu, step %zu of %zu, learning rate %g (loss %g); the network has the "
        "parameters of the end of epoch %zu",
        what, at->epoch, at->step, at->steps, (double)at->learning_rate, (double)at->loss, at->epoch - 1);
}

/* ---- A step ---------------------------------------------------------------------------------------------------------- */

/* Gradient and update. Plain descent needs no gradient: each layer's product is added to its W with alpha = -rate. */
static bp_status descend(struct run *run)
{
    const bp_parameters *parameters = &run->net->parameters;
    if (run->plain) {
        const struct bpi_sink sink = { .base = parameters->params, .alpha = -run->opt->learning_rate, .beta = (bp_real)1 };
        bpi_optimizer_begin_step(run->opt);
        bpi_network_backward(run->net, &run->ws, NULL, &sink, NULL, (bp_real)0);
        return BP_OK;
    }
    const struct bpi_sink sink = { .base = run->grad, .alpha = (bp_real)1, .beta = (bp_real)0 };
    bpi_network_backward(run->net, &run->ws, NULL, &sink, NULL, (bp_real)0);
    const bp_status status = bp_optimizer_step(run->opt, parameters, run->grad, run->progress.loss);
    return status == BP_ERR_NONFINITE ? diverged(run, "the gradient is") : status;
}

static void add_to_epoch_loss(struct run *run, const bp_targets *T, size_t n)
{
    bp_progress *progress = &run->progress;
    const double weight = bpi_loss_weight_of_batch(T, n);
    const bool is_mean = run->config->loss.reduction == BP_REDUCE_MEAN;

    run->weight_sum += weight;
    run->loss_sum += is_mean ? weight * (double)progress->loss : (double)progress->loss;
    progress->rows_done += n;
    if (!is_mean)
        progress->epoch_loss = (bp_real)run->loss_sum;
    else
        progress->epoch_loss = (bp_real)(run->weight_sum > 0 ? run->loss_sum / run->weight_sum : 0);
}

static bp_status train_batch(struct run *run, size_t first, size_t n)
{
    bp_targets T;
    const size_t *rows = run->order != NULL ? run->order + first : NULL;
    const bp_real *X = bpi_dataset_gather(run->data, rows, first, n, &run->buffers, &T);

    run->progress.learning_rate = run->opt->learning_rate;
    BPI_TRY(bp_network_forward(run->net, &run->ws, X, n));
    const bp_status status = bp_network_loss(run->net, &run->ws, &run->config->loss, &T, &run->progress.loss);
    if (status == BP_ERR_NONFINITE)
        return diverged(run, "the loss is");
    BPI_TRY(status);
    add_to_epoch_loss(run, &T, n);
    return descend(run);
}

/* ---- Epochs ---------------------------------------------------------------------------------------------------------- */

static bool wants_to_stop(bp_train_callback callback, const struct run *run)
{
    return callback != NULL && callback(&run->progress, run->config->user) != BP_CONTINUE;
}

static void begin_epoch(struct run *run, size_t epoch)
{
    run->loss_sum = run->weight_sum = 0;
    run->progress = (bp_progress){
        .net = run->net, .epoch = epoch, .epochs = run->epochs, .steps = run->steps, .rows = run->data->rows
    };
    if (run->shuffled)
        bp_rng_shuffle(&run->rng, run->order, run->data->rows);
}

/* Runs the steps of an epoch; *reason is set if a callback ended it. */
static bp_status run_steps(struct run *run, bp_stop_reason *reason)
{
    for (size_t first = 0; first < run->data->rows && *reason == BP_STOPPED_NOT; first += run->batch) {
        const size_t left = run->data->rows - first;
        run->progress.step++;
        BPI_TRY(train_batch(run, first, left < run->batch ? left : run->batch));
        if (run->report != NULL)
            run->report->n_steps++;
        if (wants_to_stop(run->config->on_step, run))
            *reason = BP_STOPPED_CALLBACK;
    }
    return BP_OK;
}

/* Looks at what the steps have left, after whole epochs and begun ones. */
static bp_status check_result(struct run *run)
{
    if (!all_finite(run->net->parameters.params, run->opt->n_params))
        return diverged(run, "a parameter is");
    if (!all_finite(run->opt->state, run->opt->n_state))
        return diverged(run, "the optimizer's state is");
    if (run->plain)
        bpi_optimizer_flush(run->opt->n_params, run->net->parameters.params);
    return BP_OK;
}

/* *reason is set already if the callback of the last step ended training. */
static void end_epoch(struct run *run, bp_stop_reason *reason)
{
    const bp_progress *progress = &run->progress;
    keep_good_copy(run);
    if (run->report != NULL)
        run->report->losses[run->report->n_epochs++] = progress->epoch_loss;
    if (wants_to_stop(run->config->on_epoch, run))
        *reason = BP_STOPPED_CALLBACK;
    if (*reason != BP_STOPPED_NOT)
        return;

    if (run->config->target_loss > (bp_real)0 && progress->epoch_loss <= run->config->target_loss)
        *reason = BP_STOPPED_TARGET;
    else if (progress->epoch == run->epochs)
        *reason = BP_STOPPED_EPOCHS;
}

static bp_status run_epochs(struct run *run, bp_stop_reason *reason)
{
    for (size_t epoch = 1; *reason == BP_STOPPED_NOT; epoch++) {
        begin_epoch(run, epoch);
        BPI_TRY(run_steps(run, reason));
        BPI_TRY(check_result(run));
        if (run->progress.step == run->steps)
            end_epoch(run, reason);
    }
    return BP_OK;
}

static void start(struct run *run)
{
    bp_rng_init(&run->rng, run->config->seed);
    for (size_t i = 0; run->shuffled && i < run->data->rows; i++)
        run->order[i] = i;
    keep_good_copy(run);
}

static bp_status train(bp_network *net, bp_optimizer *opt, const bp_dataset *data, const bp_train_config *config,
                       bp_train_report *report, bp_stop_reason *reason)
{
    BPI_TRY(check_all(net, opt, data, config));
    struct run run = measure(net, opt, data, config);
    run.report = report;

    bp_status status = reserve(&run);
    if (status == BP_OK)
        status = reserve_report(report, &run);
    if (status == BP_OK) {
        start(&run);
        status = run_epochs(&run, reason);
        if (status != BP_OK)
            *reason = status == BP_ERR_DIVERGED ? BP_STOPPED_DIVERGED : BP_STOPPED_ERROR;
        if (report != NULL) {
            report->epoch = run.progress.epoch;
            report->step = run.progress.step;
            report->loss = run.progress.loss;
            report->learning_rate = run.progress.learning_rate;
        }
    }
    release_run(&run);
    return status;
}

bp_status bp_train(bp_network *net, bp_optimizer *opt, const bp_dataset *data, const bp_train_config *config,
                   bp_train_report *report)
{
    bp_stop_reason reason = BP_STOPPED_NOT;
    if (report != NULL)
        *report = (bp_train_report){ 0 };
    const bp_status status = train(net, opt, data, config, report, &reason);
    if (report != NULL)
        report->reason = reason;
    return status;
}

void bp_train_report_free(bp_train_report *report)
{
    if (report == NULL)
        return;
    bpi_release(&report->allocator, report->block);
    *report = (bp_train_report){ 0 };
}
