// SPDX-License-Identifier: MIT
/*
 * Where a run stands, as single numbers: taken from a trainer, written, read, checked, given to a trainer. One table has them
 * all, for both ways.
 */
#include <assert.h>

#include "train/checkpoint.h"

#include "base/status.h"
#include "train/epoch.h"

/* ---- From a trainer -------------------------------------------------------------------------------------------------- */

static struct bpi_optimizer_scalars scalars_of(const bp_optimizer *opt)
{
    struct bpi_optimizer_scalars scalars = { .clip_factor = opt->clip_factor };
    for (size_t i = 0; i < BP_N_OPTIMIZER_SCALARS; i++)
        scalars.of_rule[i] = opt->scalars[i];
    return scalars;
}

/* While it runs, the optimizer has the rate of the schedule, and the report is behind: progress is what counts. */
struct bpi_position bpi_position_of(const bp_trainer *trainer)
{
    const struct bp_trainer_run *run = trainer->run;
    const bp_progress *at = &trainer->progress;
    return (struct bpi_position){
        .reason = (uint64_t)trainer->report.reason,
        .n_epochs = run->n_epochs_done,
        .step = run->next_row != 0 ? at->step : 0,
        .loss = (double)at->loss,
        .learning_rate = (double)at->learning_rate,
        .epoch_loss = run->epoch_total.loss,
        .epoch_weight = run->epoch_total.weight,
        .best_epoch = at->best_epoch,
        .best_loss = run->best_loss,
        .loss_to_beat = run->loss_to_beat,
        .epochs_without_improvement = run->epochs_without_improvement,
        .plateau = run->plateau,
        .base_rate = run->is_running ? run->base_rate : (double)run->opt->learning_rate,
        .n_optimizer_steps = run->opt->n_steps,
        .optimizer = scalars_of(run->opt),
        .good = scalars_of(&run->good.opt),
    };
}

bool bpi_position_is_done(const struct bpi_position *position)
{
    return position->reason != BP_STOPPED_NOT && position->reason != BP_STOPPED_CANCELLED;
}

bool bpi_position_has_good(const struct bpi_position *position)
{
    return position->step != 0 || bpi_position_is_done(position);
}

/* ---- The table ------------------------------------------------------------------------------------------------------- */

/* Counts are exact as doubles, which the rules take them for. */
#define MOST_STEPS (UINT64_C(1) << 53)

static bool is_anything(double x)
{
    (void)x;
    return true;
}

static bool is_loss_or_none(double x)
{
    return x > -(double)INFINITY; /* and so no NaN */
}

static bool is_finite(double x)
{
    return isfinite(x);
}

static bool is_not_negative(double x)
{
    return x >= 0;
}

static bool is_rate(double x)
{
    return x >= 0 && x <= (double)BP_REAL_MAX;
}

static bool is_share(double x)
{
    return x >= 0 && x <= 1;
}

enum range { WHOLE, ANYTHING, LOSS_OR_NONE, FINITE, NOT_NEGATIVE, RATE, SHARE };

static const struct {
    bool (*holds)(double x);
    const char *text;
} ranges[] = {
    [ANYTHING] = { is_anything, "" },
    [LOSS_OR_NONE] = { is_loss_or_none, "a finite number or inf" },
    [FINITE] = { is_finite, "a finite number" },
    [NOT_NEGATIVE] = { is_not_negative, "a number >= 0" },
    [RATE] = { is_rate, "a finite number >= 0" },
    [SHARE] = { is_share, "a number from 0 to 1" },
};

#define AT(field) offsetof(struct bpi_position, field)

static const struct number {
    const char *key;
    size_t offset; /* in struct bpi_position, of an uint64_t for WHOLE, else of a double */
    enum range range;
} table[] = {
    { "bp.train.reason", AT(reason), WHOLE },
    { "bp.train.epochs_done", AT(n_epochs), WHOLE },
    { "bp.train.steps_done", AT(step), WHOLE },
    { "bp.train.last_loss", AT(loss), ANYTHING },
    { "bp.train.last_learning_rate", AT(learning_rate), RATE },
    { "bp.train.epoch_loss", AT(epoch_loss), ANYTHING },
    { "bp.train.epoch_weight", AT(epoch_weight), NOT_NEGATIVE },
    { "bp.train.best_epoch", AT(best_epoch), WHOLE },
    { "bp.train.best_loss", AT(best_loss), LOSS_OR_NONE },
    { "bp.train.loss_to_beat", AT(loss_to_beat), LOSS_OR_NONE },
    { "bp.train.epochs_without_improvement", AT(epochs_without_improvement), WHOLE },
    { "bp.train.plateau.best", AT(plateau.best), FINITE },
    { "bp.train.plateau.factor", AT(plateau.factor), SHARE },
    { "bp.train.plateau.waited", AT(plateau.waited), WHOLE },
    { "bp.train.plateau.cooling", AT(plateau.cooling), WHOLE },
    { "bp.train.base_rate", AT(base_rate), RATE },
    { "bp.train.optimizer_steps", AT(n_optimizer_steps), WHOLE },
    { "bp.train.nadam_product", AT(optimizer.of_rule[BP_SCALAR_NADAM_PRODUCT]), SHARE },
    { "bp.train.rprop_loss", AT(optimizer.of_rule[BP_SCALAR_RPROP_LOSS]), FINITE },
    { "bp.train.clip_factor", AT(optimizer.clip_factor), SHARE },
    { "bp.train.good.nadam_product", AT(good.of_rule[BP_SCALAR_NADAM_PRODUCT]), SHARE },
    { "bp.train.good.rprop_loss", AT(good.of_rule[BP_SCALAR_RPROP_LOSS]), FINITE },
    { "bp.train.good.clip_factor", AT(good.clip_factor), SHARE },
};

enum { N_NUMBERS = sizeof table / sizeof table[0] };

void bpi_position_put(struct bpi_contents *contents, const struct bpi_position *position)
{
    for (size_t i = 0; i < N_NUMBERS; i++) {
        const void *at = (const char *)position + table[i].offset;
        if (table[i].range == WHOLE)
            bpi_contents_u64(contents, table[i].key, *(const uint64_t *)at);
        else
            bpi_contents_number(contents, table[i].key, *(const double *)at);
    }
}

/* ---- Read and checked ------------------------------------------------------------------------------------------------ */

static bp_status get_number(const struct bpi_safetensors *st, const struct number *number, struct bpi_position *position)
{
    void *at = (char *)position + number->offset;
    if (number->range == WHOLE)
        return bpi_entry_u64(st, number->key, MOST_STEPS, at);
    double *value = at;
    BPI_TRY(bpi_entry_number(st, number->key, value));
    if (!ranges[number->range].holds(*value))
        return bpi_fail(BP_ERR_FORMAT, "%s: %s is %g, expected %s", st->name, number->key, *value,
                        ranges[number->range].text);
    return BP_OK;
}

static bp_status refuse(const struct bpi_safetensors *st, const char *what, uint64_t is, const char *because)
{
    return bpi_fail(BP_ERR_FORMAT, "%s: %s is %llu, %s", st->name, what, (unsigned long long)is, because);
}

/* What each reason asks of the place where a run has come to its end, or has not. */
static bp_status check_reason(const struct bpi_safetensors *st, const struct bp_trainer_run *run,
                              const struct bpi_position *at)
{
    const bool is_at_end_of_epoch = at->step == 0 && at->n_epochs > 0;
    switch (at->reason) {
    case BP_STOPPED_NOT:
    case BP_STOPPED_CANCELLED:
        return BP_OK;
    case BP_STOPPED_EPOCHS:
    case BP_STOPPED_TARGET:
        return is_at_end_of_epoch ? BP_OK : refuse(st, "bp.train.reason", at->reason, "expected the end of an epoch");
    case BP_STOPPED_PATIENCE:
        return is_at_end_of_epoch && run->validates
                   ? BP_OK
                   : refuse(st, "bp.train.reason", at->reason, "expected the end of an epoch with validation");
    case BP_STOPPED_CALLBACK:
        return is_at_end_of_epoch || (at->step > 0 && at->step < run->steps)
                   ? BP_OK
                   : refuse(st, "bp.train.reason", at->reason, "expected a step before it");
    default:
        return refuse(st, "bp.train.reason", at->reason, "which no checkpoint has");
    }
}

static bp_status check_place(const struct bpi_safetensors *st, const struct bp_trainer_run *run,
                             const struct bpi_position *at)
{
    const size_t steps = run->steps;
    const uint64_t n_begun = at->n_epochs + (at->step > 0);
    if (n_begun > run->epochs)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: the checkpoint has come to epoch %llu, this run has %zu epochs", st->name,
                        (unsigned long long)n_begun, run->epochs);
    if (at->step > steps)
        return refuse(st, "bp.train.steps_done", at->step, "more than an epoch has");
    if (at->n_optimizer_steps < at->n_epochs * steps + at->step)
        return refuse(st, "bp.train.optimizer_steps", at->n_optimizer_steps, "fewer than the run has done");
    return check_reason(st, run, at);
}

static bp_status check_best(const struct bpi_safetensors *st, const struct bp_trainer_run *run,
                            const struct bpi_position *at)
{
    const uint64_t n_validated = run->validates ? at->n_epochs : 0;
    if (at->best_epoch > n_validated)
        return refuse(st, "bp.train.best_epoch", at->best_epoch, "more than there are with validation");
    if ((at->best_epoch == 0) != (at->best_loss == (double)INFINITY))
        return refuse(st, "bp.train.best_epoch", at->best_epoch, "which does not go with bp.train.best_loss");
    if (at->epochs_without_improvement > n_validated)
        return refuse(st, "bp.train.epochs_without_improvement", at->epochs_without_improvement,
                      "more than there are with validation");
    return BP_OK;
}

/* What only some settings need is as it was at the beginning where there are others. */
static bp_status check_unused(const struct bpi_safetensors *st, const struct bp_trainer_run *run,
                              const struct bpi_position *at)
{
    const bp_optimizer_kind rule = run->opt->settings.kind;
    const bool has_plateau = run->config.schedule.kind == BP_SCHEDULE_PLATEAU;
    bp_plateau none;
    bp_plateau_init(&none);
    const struct {
        bool is_used;
        const char *what;
        double is, expected;
    } rows[] = {
        { rule == BP_NADAM, "bp.train.nadam_product", at->optimizer.of_rule[BP_SCALAR_NADAM_PRODUCT], 1 },
        { rule == BP_NADAM, "bp.train.good.nadam_product", at->good.of_rule[BP_SCALAR_NADAM_PRODUCT], 1 },
        { rule == BP_RPROP_PLUS, "bp.train.rprop_loss", at->optimizer.of_rule[BP_SCALAR_RPROP_LOSS], 0 },
        { rule == BP_RPROP_PLUS, "bp.train.good.rprop_loss", at->good.of_rule[BP_SCALAR_RPROP_LOSS], 0 },
        { has_plateau, "bp.train.plateau.best", at->plateau.best, none.best },
        { has_plateau, "bp.train.plateau.factor", at->plateau.factor, none.factor },
        { has_plateau, "bp.train.plateau.waited", (double)at->plateau.waited, 0 },
        { has_plateau, "bp.train.plateau.cooling", (double)at->plateau.cooling, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!rows[i].is_used && rows[i].is != rows[i].expected)
            return bpi_fail(BP_ERR_FORMAT, "%s: %s is %g, expected %g: these settings do not have it", st->name,
                            rows[i].what, rows[i].is, rows[i].expected);
    return BP_OK;
}

bp_status bpi_position_get(const struct bpi_safetensors *st, const struct bp_trainer_run *run,
                           struct bpi_position *position)
{
    for (size_t i = 0; i < N_NUMBERS; i++)
        BPI_TRY(get_number(st, &table[i], position));
    BPI_TRY(check_place(st, run, position));
    BPI_TRY(check_best(st, run, position));
    return check_unused(st, run, position);
}

/* ---- To a trainer ---------------------------------------------------------------------------------------------------- */

static void apply_scalars(const struct bpi_optimizer_scalars *scalars, bp_optimizer *opt)
{
    for (size_t i = 0; i < BP_N_OPTIMIZER_SCALARS; i++)
        opt->scalars[i] = scalars->of_rule[i];
    opt->clip_factor = scalars->clip_factor;
}

static void apply_to_optimizer(const struct bpi_position *position, struct bp_trainer_run *run)
{
    bp_optimizer *opt = run->opt;
    opt->learning_rate = (bp_real)position->base_rate;
    opt->n_steps = position->n_optimizer_steps;
    apply_scalars(&position->optimizer, opt);
    run->good.opt = *opt;
    run->good.opt.n_steps -= position->step;
    apply_scalars(&position->good, &run->good.opt);
}

/* Rows, batches and passes follow from the steps: each has `accumulate` full batches, but for the last of the epoch. */
static void apply_to_run(const struct bpi_position *position, struct bp_trainer_run *run)
{
    const size_t steps = run->steps, batches = bpi_batches_count(&run->batches);
    const size_t step = (size_t)position->step, n_epochs = (size_t)position->n_epochs;
    const bool is_whole = step == steps;
    run->n_epochs_done = n_epochs;
    run->n_steps_done = (uint64_t)n_epochs * steps + step;
    run->next_row = is_whole ? run->batches.n_rows : step * run->accumulate * run->batches.batch;
    run->ws.pass = (uint64_t)n_epochs * batches + (is_whole ? batches : step * run->accumulate);
    run->epoch_total = (struct bpi_total){ position->epoch_loss, position->epoch_weight };
    run->best_loss = position->best_loss;
    run->loss_to_beat = position->loss_to_beat;
    run->epochs_without_improvement = (size_t)position->epochs_without_improvement;
    run->plateau = position->plateau;
}

static bp_progress progress_at(const struct bpi_position *position, const struct bp_trainer_run *run)
{
    const size_t steps = run->steps, step = (size_t)position->step;
    const bool is_new = position->n_epochs == 0 && step == 0;
    return (bp_progress){ .net = run->net,
                          .epoch = (size_t)position->n_epochs + (step > 0),
                          .epochs = run->epochs,
                          .step = step > 0 || is_new ? step : steps,
                          .steps = is_new ? 0 : steps,
                          .rows_done = step > 0 || is_new ? run->next_row : run->batches.n_rows,
                          .rows = run->batches.n_rows,
                          .loss = (bp_real)position->loss,
                          .epoch_loss = (bp_real)position->epoch_loss,
                          .learning_rate = (bp_real)position->learning_rate,
                          .best_epoch = (size_t)position->best_epoch };
}

static void apply_to_report(const struct bp_trainer_run *run, const bp_progress *at, bp_train_report *report)
{
    report->n_epochs = run->n_epochs_done;
    report->n_steps = run->n_steps_done;
    report->best_epoch = at->best_epoch;
    report->epoch = at->epoch;
    report->step = at->step;
    report->loss = at->loss;
    report->learning_rate = at->learning_rate;
}

void bpi_position_apply(const struct bpi_position *position, bp_trainer *trainer)
{
    assert(position->n_epochs + (position->step > 0) <= trainer->run->epochs);
    apply_to_run(position, trainer->run);
    apply_to_optimizer(position, trainer->run);
    trainer->progress = progress_at(position, trainer->run);
    apply_to_report(trainer->run, &trainer->progress, &trainer->report);
    trainer->report.reason = (bp_stop_reason)position->reason;
    trainer->is_done = bpi_position_is_done(position);
}
