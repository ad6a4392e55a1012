// SPDX-License-Identifier: MIT
/*
 * A step: rate -> for each of its batches forward, loss, backward -> optimizer.
 */
#include "train/step.h"

#include <stdio.h>

#include "backprop/propagation.h"
#include "base/status.h"
#include "math/loss.h"
#include "net/propagation.h"
#include "net/small.h"
#include "optim/optimizer.h"

bp_status bpi_run_diverged(const struct bp_trainer_run *run, const bp_progress *at, const char *what)
{
    const bool returns_to_best = run->config.restore_best && at->best_epoch != 0;
    const size_t good = returns_to_best ? at->best_epoch : at->epoch - 1;
    char whose[48] = "from before training";
    if (good > 0)
        (void)snprintf(whose, sizeof whose, "of the end of epoch %zu", good);
    return bpi_fail(
        BP_ERR_DIVERGED,
        "training: %s not finite at epoch %zu, step %zu of %zu, learning rate %g (loss %g); the network has the "
        "parameters %s",
        what, at->epoch, at->step, at->steps, (double)at->learning_rate, (double)at->loss, whose);
}

/* ---- The rate -------------------------------------------------------------------------------------------------------- */

/* Steps and epochs are counted from the beginning of the run, whatever the optimizer has done before. */
static double scheduled_rate(const struct bp_trainer_run *run)
{
    const bp_schedule *schedule = &run->config.schedule;
    if (schedule->kind == BP_SCHEDULE_PLATEAU)
        return bp_plateau_rate(&run->plateau, schedule, run->base_rate);
    return bp_schedule_rate(schedule, run->base_rate, schedule->by_epoch ? run->n_epochs_done : run->n_steps_done);
}

bp_status bpi_run_set_rate(struct bp_trainer_run *run, bp_progress *at)
{
    at->learning_rate = (bp_real)scheduled_rate(run);
    if (!(at->learning_rate >= (bp_real)0) || !isfinite(at->learning_rate))
        return bpi_fail(BP_ERR_ARGUMENT,
                        "training: the schedule %s gives the rate %g at epoch %zu, step %zu, expected a finite number >= 0",
                        bp_schedule_name(run->config.schedule.kind), (double)at->learning_rate, at->epoch, at->step);
    run->opt->learning_rate = at->learning_rate;
    return BP_OK;
}

/* ---- Its batches ----------------------------------------------------------------------------------------------------- */

static bool is_mean(const struct bp_trainer_run *run)
{
    return run->config.loss.reduction == BP_REDUCE_MEAN;
}

/* Mixes the run's seed with the number of a pass, for noise that depends on nothing else. */
static uint64_t noise_seed(const struct bp_trainer_run *run)
{
    return run->config.seed ^ (run->ws.pass * UINT64_C(0x9e3779b97f4a7c15));
}

/* Forward and loss of the next n rows; *weight: what these rows weigh. */
static bp_status pass(struct bp_trainer_run *run, bp_progress *at, size_t n, bp_real *L, double *weight)
{
    const bp_real *X;
    bp_targets T;
    run->ws.pass++;
    BPI_TRY(bpi_batches_get(&run->batches, run->next_row, n, noise_seed(run), &X, &T));
    BPI_TRY(bp_network_forward(run->net, &run->ws, X, n));
    const bp_status status = bp_network_loss(run->net, &run->ws, &run->config.loss, &T, L);
    if (status == BP_ERR_NONFINITE && !isfinite(*L)) {
        at->loss = *L;
        return bpi_run_diverged(run, at, "the loss is");
    }
    BPI_TRY(status);
    *weight = bpi_loss_weight_of_batch(&run->config.loss, &T, n, run->net->n_out);
    return BP_OK;
}

/*
 * Where a batch's gradient goes. For plain descent there is none: each layer's product is added to its W with alpha = -rate.
 * Else it is added to run->grad by its share, so that the mean over several batches is that over all their rows; optimizers
 * do not look at what is frozen.
 */
static struct bpi_sink sink_of_batch(struct bp_trainer_run *run, double before, double weight, bool is_first)
{
    if (run->plain)
        return (
            struct bpi_sink){ .base = run->net->parameters.params, .alpha = -run->opt->learning_rate, .beta = (bp_real)1 };
    struct bpi_sink sink = {
        .base = run->grad, .alpha = (bp_real)1, .beta = is_first ? (bp_real)0 : (bp_real)1, .skips_frozen = true
    };
    const double all = before + weight;
    if (is_mean(run) && !is_first) {
        sink.alpha = (bp_real)(all > 0 ? weight / all : 0);
        sink.beta = (bp_real)(all > 0 ? before / all : 0);
    }
    return sink;
}

/* Forward, loss and backward of the next n rows. */
static bp_status learn(struct bp_trainer_run *run, bp_progress *at, size_t n, const struct bpi_total *before, bool is_first,
                       struct bpi_total *batch)
{
    bp_real L = 0;
    BPI_TRY(pass(run, at, n, &L, &batch->weight));
    batch->loss = (double)L;
    const struct bpi_sink sink = sink_of_batch(run, before->weight, batch->weight, is_first);
    if (run->plain)
        bpi_optimizer_begin_step(run->opt);
    bpi_network_backward(run->net, &run->ws, NULL, &sink, NULL, (bp_real)0);
    return bp_network_update_state(run->net, &run->ws);
}

double bpi_run_share_of_row(const struct bp_trainer_run *run, size_t n)
{
    return is_mean(run) ? 1 / (double)n : 1;
}

/* The same for a small network, in one call: see run->small. Its rows weigh 1 each. */
static bp_status learn_at_once(struct bp_trainer_run *run, bp_progress *at, size_t n, const struct bpi_total *before,
                               bool is_first, struct bpi_total *batch)
{
    const bp_real *X;
    bp_targets T;
    run->ws.pass++;
    BPI_TRY(bpi_batches_get(&run->batches, run->next_row, n, noise_seed(run), &X, &T));
    batch->weight = (double)n;
    const struct bpi_sink sink = sink_of_batch(run, before->weight, batch->weight, is_first);
    double loss;
    (void)bpi_small_steps(run->net, &(struct bpi_small_batches){ 1, n, X, T.values, bpi_run_share_of_row(run, n) }, &sink,
                          &loss);
    const bp_real L = (bp_real)loss;
    batch->loss = (double)L;
    if (!isfinite(L)) {
        at->loss = L;
        return bpi_run_diverged(run, at, "the loss is");
    }
    if (run->plain)
        bpi_optimizer_begin_step(run->opt);
    return BP_OK;
}

/* One batch: its gradient in run->grad, or for plain descent the update itself. */
static bp_status take_batch(struct bp_trainer_run *run, bp_progress *at, struct bpi_total *total, bool is_first)
{
    struct bpi_total batch = { 0 };
    const size_t n = bpi_batches_size(&run->batches, run->next_row);
    BPI_TRY((run->small ? learn_at_once : learn)(run, at, n, total, is_first, &batch));
    run->next_row += n;
    at->rows_done += n;
    bpi_total_add(total, run->config.loss.reduction, batch.loss, batch.weight);
    at->loss = (bp_real)(is_first ? batch.loss : total->loss);
    return BP_OK;
}

static bp_status take_batches(struct bp_trainer_run *run, bp_progress *at, struct bpi_total *total)
{
    for (size_t i = 0; i < run->accumulate && run->next_row < run->batches.n_rows; i++)
        BPI_TRY(take_batch(run, at, total, i == 0));
    return BP_OK;
}

bp_status bpi_run_step(struct bp_trainer_run *run, bp_progress *at)
{
    struct bpi_total total = { 0 };
    at->step++;
    BPI_TRY(bpi_run_set_rate(run, at));
    BPI_TRY(take_batches(run, at, &total));

    bpi_total_add(&run->epoch_total, run->config.loss.reduction, total.loss, total.weight);
    run->n_steps_done++;
    at->epoch_loss = (bp_real)run->epoch_total.loss;
    if (run->plain)
        return BP_OK;
    const bp_status status = bpi_optimizer_step(run->opt, &run->net->parameters, run->grad, at->loss,
                                                run->config.threads != NULL ? run->config.threads->pool : NULL);
    return status == BP_ERR_NONFINITE ? bpi_run_diverged(run, at, "the gradient is") : status;
}
