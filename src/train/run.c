// SPDX-License-Identifier: MIT
/*
 * A run comes into being: measured, its memory taken, rows split, scaling fitted. After that nothing is allocated.
 */
#include "train/run.h"

#include <assert.h>

#include "base/memory.h"
#include "base/status.h"
#include "data/split.h"
#include "math/loss.h"
#include "net/layer.h"
#include "net/small.h"
#include "net/workspace.h"
#include "optim/optimizer.h"
#include "train/fit.h"
#include "train/snapshot.h"

enum { DEFAULT_EPOCHS = 100, DEFAULT_BATCH = 32 };

/* ---- Measuring ------------------------------------------------------------------------------------------------------- */

static bool needs_rows(const bp_network *net)
{
    for (size_t l = 0; l < net->n_layers; l++)
        if (bpi_layer_needs_rows(&net->layers[l]))
            return true;
    return false;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void measure_batches(struct bp_trainer_run *run, size_t n_rows)
{
    const bp_train_config *config = &run->config;
    run->batches = (struct bpi_batches){ .data = &run->data,
                                         .net = run->net,
                                         .rule = bpi_loss(config->loss.kind),
                                         .n_rows = n_rows,
                                         .batch = smaller(config->batch != 0 ? config->batch : DEFAULT_BATCH, n_rows),
                                         .joins_single_row = needs_rows(run->net),
                                         .scales_inputs = run->scaled_inputs || config->scale_inputs != BP_SCALE_NONE,
                                         .scales_targets = run->scaled_outputs || config->scale_targets != BP_SCALE_NONE,
                                         .noise = config->input_noise,
                                         .pool = config->threads != NULL ? config->threads->pool : NULL };
    run->accumulate = config->accumulate != 0 ? config->accumulate : 1;
    const size_t n_batches = bpi_batches_count(&run->batches);
    run->steps = n_batches / run->accumulate + (n_batches % run->accumulate != 0);
    run->shuffled = !config->keep_order && n_batches > 1;
}

/* The rows that are watched: a dataset of their own, or the last n_split_off of the order. */
static void measure_validation(struct bp_trainer_run *run, size_t n_split_off)
{
    const bp_dataset *other = run->config.validation;
    const size_t n_rows = other != NULL ? other->rows : n_split_off;
    run->validates = n_rows > 0;
    if (other != NULL)
        run->validation = *other;
    run->evaluation = (struct bpi_evaluation){ .net = run->net,
                                               .scales_targets = run->batches.scales_targets,
                                               .batches = { .data = other != NULL ? &run->validation : &run->data,
                                                            .net = run->net,
                                                            .rule = run->batches.rule,
                                                            .n_rows = n_rows,
                                                            .batch = smaller(n_rows, BPI_EVALUATION_BATCH),
                                                            .scales_inputs = run->batches.scales_inputs,
                                                            .pool = run->batches.pool } };
}

static bp_status check_batches(const struct bp_trainer_run *run)
{
    const size_t batches = bpi_batches_count(&run->batches);
    if (bpi_optimizer_needs_full_batch(run->opt) && batches > run->accumulate)
        return bpi_fail(BP_ERR_UNSUPPORTED, "training: %s needs all rows in each step; the batch is %zu of %zu",
                        bp_optimizer_name(run->opt->settings.kind), run->batches.batch, run->batches.n_rows);
    if (run->batches.joins_single_row && run->batches.batch < 2)
        return bpi_fail(BP_ERR_SHAPE, "training: the batch is %zu of %zu rows, batch normalization needs at least 2",
                        run->batches.batch, run->batches.n_rows);
    return BP_OK;
}

/* A small network with squared error of targets that all weigh the same. */
static bool is_small(const struct bp_trainer_run *run)
{
    const bp_dataset *data = &run->data;
    const bool has_targets = data->T.data != NULL || data->read_row != NULL;
    return run->config.loss.kind == BP_SQUARED_ERROR && has_targets && data->weights.data == NULL &&
           bpi_network_is_small(run->net);
}

static bp_status measure(struct bp_trainer_run *run)
{
    const bp_train_config *config = &run->config;
    const bool splits = config->validation_fraction > (bp_real)0;
    if (splits && run->data.rows < 2)
        return bpi_fail(BP_ERR_SHAPE, "training: one row cannot be split for validation");
    const size_t n_split_off = splits ? bpi_split_held_out((double)config->validation_fraction, run->data.rows) : 0;
    run->epochs = config->epochs != 0 ? config->epochs : DEFAULT_EPOCHS;
    run->allocator = config->allocator != NULL ? bpi_allocator_or_default(config->allocator) : run->net->allocator;
    run->scaled_inputs = run->net->scales_inputs;
    run->scaled_outputs = run->net->scales_outputs;
    measure_batches(run, run->data.rows - n_split_off);
    measure_validation(run, n_split_off);
    run->plain = bpi_optimizer_is_plain(run->opt, &run->net->parameters) && run->accumulate == 1;
    run->small = is_small(run);
    return check_batches(run);
}

/* ---- Memory ---------------------------------------------------------------------------------------------------------- */

static void lay_out_snapshot(struct bpi_snapshot *snapshot, const struct bp_trainer_run *run, bool with_optimizer,
                             struct bpi_plan *plan, void *block)
{
    const size_t n_opt = with_optimizer ? run->opt->n_state : 0, size = sizeof(bp_real);
    snapshot->params = bpi_plan_or_place(plan, block, 1, run->opt->n_params, size);
    snapshot->net_state = bpi_plan_or_place(plan, block, 1, run->net->n_state, size);
    snapshot->opt_state = bpi_plan_or_place(plan, block, 1, n_opt, size);
}

/* The run itself is the first array, at the beginning of the block. */
static struct bpi_plan lay_out(struct bp_trainer_run *run, void *block)
{
    struct bpi_plan plan = { 0 };
    const bool splits = run->config.validation_fraction > (bp_real)0, ordered = run->shuffled || splits;
    (void)bpi_plan_array(&plan, 1, sizeof *run);
    lay_out_snapshot(&run->good, run, true, &plan, block);
    run->grad = bpi_plan_or_place(&plan, block, !run->plain, run->opt->n_params, sizeof(bp_real));
    run->order = bpi_plan_or_place(&plan, block, ordered, run->data.rows, sizeof(size_t));
    run->batches.order = run->order;
    bpi_batches_plan(&run->batches, ordered, &plan, block);
    if (run->validates) {
        lay_out_snapshot(&run->best, run, false, &plan, block);
        run->evaluation.batches.order = splits && block != NULL ? run->order + run->batches.n_rows : NULL;
        bpi_evaluation_plan(&run->evaluation, splits, &plan, block);
    }
    return plan;
}

static bp_status reserve_report(bp_train_report *report, const struct bp_trainer_run *run)
{
    struct bpi_plan plan = { 0 };
    const size_t losses = bpi_plan_array(&plan, run->epochs, sizeof(bp_real));
    const size_t rates = bpi_plan_array(&plan, run->epochs, sizeof(bp_real));
    const size_t validation_losses = bpi_plan_array(&plan, run->validates ? run->epochs : 0, sizeof(bp_real));
    const size_t scores = bpi_plan_array(&plan, run->validates ? run->epochs : 0, sizeof(bp_real));
    BPI_TRY(bpi_plan_allocate(&plan, "training: losses of the report", &run->allocator, &report->block));
    report->allocator = run->allocator;
    report->losses = bpi_place(report->block, losses);
    report->learning_rates = bpi_place(report->block, rates);
    report->validation_losses = run->validates ? bpi_place(report->block, validation_losses) : NULL;
    report->validation_scores = run->validates ? bpi_place(report->block, scores) : NULL;
    return BP_OK;
}

/* What the validation metrics measure: see validation_scores in the report. */
static bp_task task_of(const struct bp_trainer_run *run)
{
    const bp_loss_kind loss = run->config.loss.kind;
    const bool labels = run->evaluation.batches.data->labels.data != NULL;
    if (loss == BP_BINARY_CROSS_ENTROPY && run->net->n_out > 1 && !labels)
        return BP_TASK_MULTI_LABEL;
    return labels || loss == BP_BINARY_CROSS_ENTROPY || loss == BP_CROSS_ENTROPY ? BP_TASK_CLASSES : BP_TASK_REGRESSION;
}

static bp_status reserve_validation(struct bp_trainer_run *run)
{
    if (!run->validates)
        return BP_OK;
    const bp_metrics_config metrics = { .n_out = run->net->n_out, .task = task_of(run), .allocator = &run->allocator };
    BPI_TRY(bp_metrics_init(&run->metrics, &metrics));
    return bpi_workspace_init(&run->evaluation.ws, run->net, bpi_batches_most(&run->evaluation.batches), BP_INFERENCE,
                              &run->allocator);
}

void bpi_run_free(struct bp_trainer_run *run)
{
    const bp_allocator allocator = run->allocator;
    void *block = run->block;
    bp_metrics_free(&run->metrics);
    bp_workspace_free(&run->evaluation.ws);
    bp_workspace_free(&run->ws);
    bpi_release(&allocator, block); /* and with it the run */
}

/* ---- Making ---------------------------------------------------------------------------------------------------------- */

/* Rows in their order, or split for validation. */
static bp_status order_rows(struct bp_trainer_run *run)
{
    for (size_t i = 0; run->order != NULL && i < run->data.rows; i++)
        run->order[i] = i;
    if (run->config.validation_fraction == (bp_real)0)
        return BP_OK;
    size_t n_train;
    const bp_split_config split = { .fraction = (double)run->config.validation_fraction,
                                    .keep_order = run->config.keep_order,
                                    .stratified = run->config.stratified,
                                    .seed = run->config.seed,
                                    .allocator = &run->allocator };
    BPI_TRY(bp_split(&run->data, &split, run->order, &n_train));
    assert(n_train == run->batches.n_rows);
    return BP_OK;
}

/* All that can fail, on a run in its place. Scaling comes before the workspaces, which are made for it. */
static bp_status prepare(struct bp_trainer_run *run, bp_train_report *report)
{
    BPI_TRY(order_rows(run));
    BPI_TRY(bpi_run_fit_scaling(run));
    BPI_TRY(bpi_workspace_init(&run->ws, run->net, bpi_batches_most(&run->batches), BP_TRAINING, &run->allocator));
    BPI_TRY(reserve_validation(run));
    return reserve_report(report, run);
}

static void start(struct bp_trainer_run *run)
{
    bp_rng_init(&run->rng, run->config.seed);
    bp_plateau_init(&run->plateau);
    run->ws.seed = run->config.seed;
    run->ws.threads = run->evaluation.ws.threads = run->config.threads;
    run->best_loss = run->loss_to_beat = (double)INFINITY;
    atomic_init(&run->is_cancelled, false);
    bpi_snapshot_take(&run->good, run);
}

/* Moves what was measured into its block. */
static struct bp_trainer_run *place(const struct bp_trainer_run *measured)
{
    struct bp_trainer_run *run = bpi_place(measured->block, 0);
    *run = *measured;
    run->batches.data = &run->data; /* these led into what was measured */
    run->evaluation.batches.data = run->config.validation != NULL ? &run->validation : &run->data;
    (void)lay_out(run, run->block);
    return run;
}

bp_status bpi_run_make(struct bp_trainer_run **made, bp_train_report *report, bp_network *net, bp_optimizer *opt,
                       const bp_dataset *data, const bp_train_config *config)
{
    *made = NULL;
    struct bp_trainer_run measured = { .net = net, .opt = opt, .data = *data, .config = *config };
    BPI_TRY(measure(&measured));
    const struct bpi_plan plan = lay_out(&measured, NULL);
    BPI_TRY(bpi_plan_allocate(&plan, "training", &measured.allocator, &measured.block));

    struct bp_trainer_run *run = place(&measured);
    const bp_status status = prepare(run, report);
    if (status != BP_OK) {
        bpi_run_take_back_scaling(run);
        bpi_run_free(run);
        return status;
    }
    start(run);
    *made = run;
    return BP_OK;
}
