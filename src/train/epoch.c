// SPDX-License-Identifier: MIT
/*
 * Epochs: a new order, the steps, a look at what they left, validation, history, and whether to go on.
 */
#include "train/epoch.h"

#include "base/status.h"
#include "optim/optimizer.h"
#include "train/snapshot.h"
#include "train/step.h"

size_t bpi_run_steps_of_epoch(const struct bp_trainer_run *run)
{
    const size_t batches = bpi_batches_count(&run->batches);
    return batches / run->accumulate + (batches % run->accumulate != 0);
}

static void begin_epoch(struct bp_trainer_run *run, bp_progress *at)
{
    const size_t best_epoch = at->best_epoch;
    run->epoch_loss = run->epoch_weight = 0;
    *at = (bp_progress){ .net = run->net,
                         .epoch = run->n_epochs_done + 1,
                         .epochs = run->epochs,
                         .steps = bpi_run_steps_of_epoch(run),
                         .rows = run->batches.n_rows,
                         .best_epoch = best_epoch };
    if (run->shuffled)
        bp_rng_shuffle(&run->rng, run->order, run->batches.n_rows);
}

/* ---- Validation ------------------------------------------------------------------------------------------------------ */

static bp_status evaluate(struct bp_trainer_run *run, const bp_progress *at)
{
    bp_metrics_reset(&run->metrics);
    const bp_status status = bpi_evaluate(&run->evaluation, &run->config.loss, &run->metrics);
    if (status == BP_ERR_NONFINITE && !run->evaluation.rows_failed)
        return bpi_run_diverged(run, at, "the validation loss is");
    BPI_TRY(status);
    return bp_metrics_compute(&run->metrics, &run->validation_result);
}

/* The lowest loss is the best, however little lower; patience asks for min_improvement. NaN (no weights) is never lower. */
static void judge(struct bp_trainer_run *run, bp_progress *at, double loss)
{
    if (loss < run->best_loss) {
        run->best_loss = loss;
        at->best_epoch = at->epoch;
        bpi_snapshot_take(&run->best, run);
    }
    run->epochs_without_improvement++;
    if (loss < run->loss_to_beat - (double)run->config.min_improvement) {
        run->loss_to_beat = loss;
        run->epochs_without_improvement = 0;
    }
}

static bp_status validate(struct bp_trainer_run *run, bp_progress *at)
{
    BPI_TRY(evaluate(run, at));
    at->validation = &run->validation_result;
    judge(run, at, run->validation_result.loss);
    return BP_OK;
}

/* ---- The end of an epoch --------------------------------------------------------------------------------------------- */

static void record(const bp_progress *at, bp_train_report *report)
{
    const size_t i = report->n_epochs++;
    const bp_metrics_result *validation = at->validation;
    report->losses[i] = at->epoch_loss;
    report->learning_rates[i] = at->learning_rate;
    report->best_epoch = at->best_epoch;
    if (validation != NULL) {
        report->validation_losses[i] = (bp_real)validation->loss;
        report->validation_scores[i] = (bp_real)(validation->n_classes > 0 ? validation->accuracy : validation->r2);
    }
}

static bool wants_to_stop(bp_train_callback callback, const struct bp_trainer_run *run, const bp_progress *at)
{
    return callback != NULL && callback(at, run->config.user) != BP_CONTINUE;
}

bp_stop_reason bpi_run_reason_to_stop(const struct bp_trainer_run *run, const bp_progress *at)
{
    const bp_train_config *config = &run->config;
    if (config->target_loss > (bp_real)0 && at->epoch_loss <= config->target_loss)
        return BP_STOPPED_TARGET;
    if (config->patience > 0 && run->epochs_without_improvement >= config->patience)
        return BP_STOPPED_PATIENCE;
    return run->n_epochs_done == run->epochs ? BP_STOPPED_EPOCHS : BP_STOPPED_NOT;
}

static bp_status end_epoch(struct bp_trainer_run *run, bp_progress *at, bp_train_report *report)
{
    if (run->validates)
        BPI_TRY(validate(run, at));
    bpi_snapshot_take(&run->good, run);
    run->next_row = 0;
    run->n_epochs_done++;
    if (run->config.schedule.kind == BP_SCHEDULE_PLATEAU)
        (void)bp_plateau_update(&run->plateau, &run->config.schedule,
                                run->validates ? run->validation_result.loss : (double)at->epoch_loss);
    record(at, report);
    report->reason = wants_to_stop(run->config.on_epoch, run, at) ? BP_STOPPED_CALLBACK : bpi_run_reason_to_stop(run, at);
    at->validation = NULL;
    return BP_OK;
}

/* ---- A move ---------------------------------------------------------------------------------------------------------- */

/* Looks at what the steps have left, after whole epochs and begun ones. */
static bp_status check_result(struct bp_trainer_run *run, const bp_progress *at)
{
    const char *what = bpi_run_not_finite(run);
    if (what != NULL)
        return bpi_run_diverged(run, at, what);
    if (run->plain)
        bpi_optimizer_flush(run->opt->n_params, run->net->parameters.params);
    return BP_OK;
}

static bp_status finish_epoch(struct bp_trainer_run *run, bp_progress *at, bp_train_report *report)
{
    BPI_TRY(check_result(run, at));
    return end_epoch(run, at, report);
}

bp_status bpi_run_catch_up(struct bp_trainer_run *run, bp_progress *at, bp_train_report *report)
{
    if (run->next_row == run->batches.n_rows)
        return finish_epoch(run, at, report);
    if (run->next_row == 0 && run->n_epochs_done > 0)
        report->reason = bpi_run_reason_to_stop(run, at);
    return BP_OK;
}

/* Up to `most` steps of the epoch, with no look around between them: only one where someone is to be called after it. */
static bp_status take_steps(struct bp_trainer_run *run, bp_progress *at, uint64_t most)
{
    for (uint64_t i = 0; i < most; i++) {
        BPI_TRY(bpi_run_step(run, at));
        if (run->config.on_step != NULL || run->next_row == run->batches.n_rows ||
            atomic_load_explicit(&run->is_cancelled, memory_order_relaxed))
            break;
    }
    return BP_OK;
}

bp_status bpi_run_move(struct bp_trainer_run *run, bp_progress *at, bp_train_report *report, uint64_t most)
{
    if (run->next_row == 0)
        begin_epoch(run, at);
    const bp_status status = take_steps(run, at, most);
    report->n_steps = run->n_steps_done;
    BPI_TRY(status);

    const bool stopped = wants_to_stop(run->config.on_step, run, at);
    if (run->next_row == run->batches.n_rows)
        BPI_TRY(finish_epoch(run, at, report));
    else if (stopped)
        BPI_TRY(check_result(run, at));
    if (stopped)
        report->reason = BP_STOPPED_CALLBACK;
    return BP_OK;
}
