// SPDX-License-Identifier: MIT
/*
 * Epochs: a new order, the steps, a look at what they left, validation, history, and whether to go on.
 */
#include "train/epoch.h"

#include "base/status.h"
#include "net/small.h"
#include "optim/optimizer.h"
#include "train/at_once.h"
#include "train/snapshot.h"
#include "train/step.h"

static void begin_epoch(struct bp_trainer_run *run, bp_progress *at)
{
    run->epoch_total = (struct bpi_total){ 0 };
    at->net = run->net; /* best_epoch stays; one by one, since compilers clear a whole struct slowly */
    at->epoch = run->n_epochs_done + 1;
    at->epochs = run->epochs;
    at->step = at->rows_done = 0;
    at->steps = run->steps;
    at->rows = run->batches.n_rows;
    at->loss = at->epoch_loss = at->learning_rate = (bp_real)0;
    at->validation = NULL;
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

/*
 * Looks at what the steps have left, after whole epochs and begun ones. For a small network, whose epochs may be a step or two, one
 * look is nearly always enough: under plain descent it has nothing but parameters.
 */
static bp_status check_result(struct bp_trainer_run *run, const bp_progress *at)
{
    if (run->small && run->plain && bpi_small_is_normal(run->net))
        return BP_OK;
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
    for (const uint64_t end = most < UINT64_MAX - run->n_steps_done ? run->n_steps_done + most : UINT64_MAX;
         run->n_steps_done < end;) {
        BPI_TRY(bpi_run_steps(run, at, end - run->n_steps_done));
        if (run->config.on_step != NULL || run->next_row == run->batches.n_rows ||
            atomic_load_explicit(&run->is_cancelled, memory_order_relaxed))
            break;
    }
    return BP_OK;
}

bp_status bpi_run_move(struct bp_trainer_run *run, bp_progress *at, bp_train_report *report, uint64_t most)
{
    bool at_end = false;
    if (run->next_row == 0) {
        begin_epoch(run, at);
        at_end = bpi_run_epochs(run, at, report, most);
    }
    const bp_status status = at_end ? BP_OK : take_steps(run, at, most);
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
