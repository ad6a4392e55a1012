// SPDX-License-Identifier: MIT
/*
 * Many steps at once: rows that lie in the user's arrays, plain descent at a constant rate, and nobody to be called between.
 */
#include "train/at_once.h"

#include <string.h>

#include "base/status.h"
#include "net/small.h"
#include "net/small_levels.h"
#include "train/snapshot.h"
#include "train/step.h"

/* In steps, and in rows: some microseconds, for which one who cancels the run can wait. */
enum { MOST_AT_ONCE = 32, MOST_ROWS_AT_ONCE = 128 };

static bool is_at_once(const struct bp_trainer_run *run)
{
    return run->small && run->plain && run->batches.is_direct && run->config.on_step == NULL &&
           run->config.schedule.kind == BP_SCHEDULE_CONSTANT;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t most_at_once(const struct bp_trainer_run *run, uint64_t asked)
{
    const size_t allowed = smaller(MOST_ROWS_AT_ONCE / run->batches.batch, MOST_AT_ONCE);
    return allowed < asked ? allowed : (size_t)asked;
}

/* n batches of the user's rows from run->next_row on, and the parameters as their sink. */
static bp_status begin(struct bp_trainer_run *run, bp_progress *at, size_t n, struct bpi_small_batches *batches,
                       struct bpi_sink *sink)
{
    const size_t batch = run->batches.batch;
    bp_targets T;
    BPI_TRY(bpi_run_set_rate(run, at));
    *batches = (struct bpi_small_batches){ .n = n, .batch = batch, .share = bpi_run_share_of_row(run, batch) };
    BPI_TRY(bpi_batches_get(&run->batches, run->next_row, n * batch, 0, &batches->X, &T));
    batches->T = T.values;
    *sink = (struct bpi_sink){ .base = run->net->parameters.params, .alpha = -run->opt->learning_rate, .beta = (bp_real)1 };
    return BP_OK;
}

/* Steps that were taken have passed; plain descent has nothing else that begins with a step. */
static void count_steps(struct bp_trainer_run *run, size_t n)
{
    run->n_steps_done += n;
    run->ws.pass += n;
    run->opt->n_steps += n;
}

/* Of n steps. */
static struct bpi_total add_losses(const struct bp_trainer_run *run, struct bpi_total total, size_t n, const double *L)
{
    const double rows = (double)run->batches.batch;
    for (size_t i = 0; i < n; i++)
        bpi_total_add(&total, run->config.loss.reduction, (double)(bp_real)L[i], rows);
    return total;
}

/* ---- Of one epoch ---------------------------------------------------------------------------------------------------- */

/* As many as there are whole batches left. 0: none. */
static size_t steps_at_once(const struct bp_trainer_run *run, const bp_progress *at, uint64_t most)
{
    if (!is_at_once(run))
        return 0;
    const size_t n = smaller(at->steps - at->step, most_at_once(run, most));
    if (n == 0)
        return 0;
    return n * run->batches.batch <= run->batches.n_rows - run->next_row ? n : n - 1; /* the last may be a smaller one */
}

static bp_status take_steps(struct bp_trainer_run *run, bp_progress *at, size_t n)
{
    double L[MOST_AT_ONCE];
    struct bpi_small_batches batches;
    struct bpi_sink sink;
    at->step++;
    BPI_TRY(begin(run, at, n, &batches, &sink));
    const size_t done = bpi_small_steps(run->net, &batches, &sink, L);

    run->epoch_total = add_losses(run, run->epoch_total, done, L);
    count_steps(run, done);
    run->next_row += done * batches.batch;
    at->step += done - 1;
    at->rows_done += done * batches.batch;
    at->loss = done > 0 ? (bp_real)L[done - 1] : at->loss;
    at->epoch_loss = (bp_real)run->epoch_total.loss;
    if (done == n)
        return BP_OK;
    at->step++;
    run->ws.pass++;
    at->loss = (bp_real)L[done];
    return bpi_run_diverged(run, at, "the loss is");
}

bp_status bpi_run_steps(struct bp_trainer_run *run, bp_progress *at, uint64_t most)
{
    const size_t n = steps_at_once(run, at, most);
    return n > 0 ? take_steps(run, at, n) : bpi_run_step(run, at);
}

/* ---- Whole epochs ---------------------------------------------------------------------------------------------------- */

/* Where nothing looks at the end of an epoch but the target, which its loss alone decides. */
static size_t epochs_at_once(const struct bp_trainer_run *run, uint64_t most)
{
    if (!is_at_once(run) || run->config.on_epoch != NULL || run->validates || run->config.patience > 0 ||
        run->batches.n_rows % run->batches.batch != 0)
        return 0;
    return smaller(most_at_once(run, most) / run->steps, run->epochs - run->n_epochs_done);
}

static struct bpi_total total_of_epoch(const struct bp_trainer_run *run, const double *L)
{
    return add_losses(run, (struct bpi_total){ 0 }, run->steps, L);
}

/* Notes the losses of n epochs; returns how many there will be: up to the one that reaches the target. */
static size_t note_losses(const struct bp_trainer_run *run, size_t n, const double *L, bp_real *losses)
{
    const bp_real target = run->config.target_loss;
    for (size_t i = 0; i < n; i++, L += run->steps) {
        losses[i] = (bp_real)total_of_epoch(run, L).loss;
        if (target > (bp_real)0 && losses[i] <= target)
            return i + 1;
    }
    return n;
}

static bool all_finite(const struct bp_trainer_run *run)
{
    return bpi_small_is_normal(run->net) || bpi_run_not_finite(run) == NULL;
}

/*
 * Does n epochs, or finds out how many there are to be. Those are done again from the parameters that are put back, up to the end of
 * the last one that counts: each is worth to return to, and what else belongs to its end comes then.
 */
static size_t take_epochs(struct bp_trainer_run *run, size_t n, const struct bpi_small_batches *batches,
                          const struct bpi_sink *sink, double *L, bp_real *losses)
{
    bp_real before[BPI_SMALL_PARAMS], *params = run->net->parameters.params;
    const size_t size = run->net->parameters.n_params * sizeof *params;
    memcpy(before, params, size);
    while (n > 0) {
        const size_t done = bpi_small_epochs(run->net, batches, n, sink, L), whole = done / batches->n;
        const bool is_cut = done < n * batches->n && !isfinite((bp_real)L[done]);
        const size_t wanted = note_losses(run, is_cut || all_finite(run) ? whole : whole - 1, L, losses);
        if (!is_cut && wanted == whole)
            return whole;
        n = wanted;
        memcpy(params, before, size);
    }
    return 0;
}

bool bpi_run_epochs(struct bp_trainer_run *run, bp_progress *at, bp_train_report *report, uint64_t most)
{
    const size_t asked = epochs_at_once(run, most), steps = run->steps;
    double L[MOST_AT_ONCE];
    struct bpi_small_batches batches;
    struct bpi_sink sink;
    if (asked < 2 || begin(run, at, steps, &batches, &sink) != BP_OK)
        return false;
    bp_real *losses = report->losses + report->n_epochs;
    const size_t n = take_epochs(run, asked, &batches, &sink, L, losses);
    if (n == 0)
        return false;

    for (size_t i = 0; i + 1 < n; i++)
        report->learning_rates[report->n_epochs++] = at->learning_rate;
    count_steps(run, n * steps);
    run->epoch_total = total_of_epoch(run, L + (n - 1) * steps);
    run->n_epochs_done += n - 1;
    run->next_row = run->batches.n_rows;
    at->epoch += n - 1;
    at->step = steps;
    at->rows_done = run->batches.n_rows;
    at->loss = (bp_real)L[n * steps - 1];
    at->epoch_loss = losses[n - 1];
    return true;
}
