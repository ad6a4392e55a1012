// SPDX-License-Identifier: MIT
/*
 * Training as the public sees it: made, run as far as is wanted, cancelled, freed. A run moves step by step (epoch.c),
 * so it can stop after any of them and go on later.
 */
#include "base/real.h"

#include "backprop/trainer.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "train/check.h"
#include "train/epoch.h"
#include "train/run.h"
#include "train/snapshot.h"

bp_status bp_trainer_init(bp_trainer *trainer, bp_network *net, bp_optimizer *opt, const bp_dataset *data,
                          const bp_train_config *config)
{
    BPI_NOT_NULL(trainer);
    *trainer = (bp_trainer){ 0 };
    BPI_TRY(bpi_train_check(net, opt, data, config));
    BPI_TRY(bpi_run_make(&trainer->run, &trainer->report, net, opt, data, config));
    trainer->progress = (bp_progress){ .net = net, .epochs = trainer->run->epochs, .rows = trainer->run->batches.n_rows };
    return BP_OK;
}

/* ---- Running --------------------------------------------------------------------------------------------------------- */

static void note_where_it_stands(bp_trainer *trainer)
{
    const bp_progress *at = &trainer->progress;
    trainer->report.epoch = at->epoch;
    trainer->report.step = at->step;
    trainer->report.loss = at->loss;
    trainer->report.learning_rate = at->learning_rate;
}

/* Notes what a move has come to; when it has failed, back to the last good numbers. */
static bp_status settle(bp_trainer *trainer, bp_status status)
{
    struct bp_trainer_run *run = trainer->run;
    bp_train_report *report = &trainer->report;
    note_where_it_stands(trainer);
    if (status != BP_OK) {
        report->reason = status == BP_ERR_DIVERGED ? BP_STOPPED_DIVERGED : BP_STOPPED_ERROR;
        bpi_snapshot_return_all(&run->good, run);
    }
    return status;
}

/* What is due at the end, whatever brought it about. */
static void finish(bp_trainer *trainer)
{
    struct bp_trainer_run *run = trainer->run;
    const bool restores = run->config.restore_best || trainer->report.reason == BP_STOPPED_PATIENCE;
    if (restores && trainer->progress.best_epoch != 0)
        bpi_snapshot_return_network(&run->best, run);
    trainer->is_done = true;
}

/* How far this call of bp_trainer_run() may go, and has gone. */
struct stretch {
    bp_run_limit limit;
    uint64_t steps;
    double started;
};

static bool is_over(const struct stretch *stretch)
{
    const bp_run_limit *limit = &stretch->limit;
    return (limit->steps != 0 && stretch->steps >= limit->steps) ||
           (limit->milliseconds != 0 && stretch->steps > 0 &&
            (bpi_seconds() - stretch->started) * 1000 >= (double)limit->milliseconds);
}

/* How many steps may go by until the next look at clock and count. */
static uint64_t steps_at_a_time(const struct stretch *stretch)
{
    if (stretch->limit.milliseconds != 0)
        return 1;
    return stretch->limit.steps != 0 ? stretch->limit.steps - stretch->steps : UINT64_MAX;
}

/* Only who finds it set takes it back: an exchange each time would cost more than a small step. */
static bool take_cancellation(struct bp_trainer_run *run)
{
    return atomic_load_explicit(&run->is_cancelled, memory_order_relaxed) && atomic_exchange(&run->is_cancelled, false);
}

static bp_status run_stretch(bp_trainer *trainer, struct stretch *stretch)
{
    struct bp_trainer_run *run = trainer->run;
    bp_train_report *report = &trainer->report;
    BPI_TRY(settle(trainer, bpi_run_catch_up(run, &trainer->progress, report)));
    while (report->reason == BP_STOPPED_NOT) {
        const uint64_t before = run->n_steps_done;
        if (take_cancellation(run)) {
            report->reason = BP_STOPPED_CANCELLED;
            return BP_OK;
        }
        if (is_over(stretch))
            return BP_OK;
        BPI_TRY(settle(trainer, bpi_run_move(run, &trainer->progress, report, steps_at_a_time(stretch))));
        stretch->steps += run->n_steps_done - before;
    }
    return BP_OK;
}

bp_status bp_trainer_run(bp_trainer *trainer, const bp_run_limit *limit)
{
    BPI_NOT_NULL(trainer);
    if (trainer->run == NULL)
        return bpi_fail(BP_ERR_STATE,
                        "bp_trainer_run: the trainer is empty; bp_trainer_init() has not been called or has failed");
    if (trainer->is_done)
        return BP_OK;

    struct bp_trainer_run *run = trainer->run;
    struct stretch stretch = { .limit = limit != NULL ? *limit : (bp_run_limit){ 0 } };
    stretch.started = stretch.limit.milliseconds != 0 ? bpi_seconds() : 0;
    const bp_real base_rate = run->opt->learning_rate;
    run->base_rate = (double)base_rate;
    run->is_running = true;
    trainer->report.reason = BP_STOPPED_NOT;

    const bp_status status = run_stretch(trainer, &stretch);
    if (trainer->report.reason != BP_STOPPED_NOT && trainer->report.reason != BP_STOPPED_CANCELLED)
        finish(trainer);
    run->opt->learning_rate = base_rate;
    run->is_running = false;
    return status;
}

void bp_trainer_cancel(bp_trainer *trainer)
{
    if (trainer != NULL && trainer->run != NULL)
        atomic_store(&trainer->run->is_cancelled, true);
}

/* ---- Freeing --------------------------------------------------------------------------------------------------------- */

void bp_trainer_free(bp_trainer *trainer)
{
    if (trainer == NULL)
        return;
    bp_train_report_free(&trainer->report);
    if (trainer->run != NULL)
        bpi_run_free(trainer->run);
    *trainer = (bp_trainer){ 0 };
}

void bp_train_report_free(bp_train_report *report)
{
    if (report == NULL)
        return;
    bpi_release(&report->allocator, report->block);
    *report = (bp_train_report){ 0 };
}
