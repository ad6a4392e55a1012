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

static bp_status set_learning_rate(struct bp_trainer_run *run, bp_progress *at)
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

/* What batches have come to: the mean of their losses or the sum, and their weight. */
struct total {
    double loss, weight;
};

static bool is_mean(const struct bp_trainer_run *run)
{
    return run->config.loss.reduction == BP_REDUCE_MEAN;
}

/* Adds a batch. A mean is moved on by the batch's share, so that weights of any size neither overflow nor vanish. */
static void add_batch(const struct bp_trainer_run *run, double L, double weight, struct total *total)
{
    const double all = total->weight + weight;
    if (!is_mean(run))
        total->loss += L;
    else if (all > 0)
        total->loss += (L - total->loss) * (weight / all);
    total->weight = all;
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
static bp_status learn(struct bp_trainer_run *run, bp_progress *at, size_t n, const struct total *before, bool is_first,
                       struct total *batch)
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

static double share_of_row(const struct bp_trainer_run *run, size_t n)
{
    return is_mean(run) ? 1 / (double)n : 1;
}

/* The same for a small network, in one call: see run->small. Its rows weigh 1 each. */
static bp_status learn_at_once(struct bp_trainer_run *run, bp_progress *at, size_t n, const struct total *before,
                               bool is_first, struct total *batch)
{
    const bp_real *X;
    bp_targets T;
    run->ws.pass++;
    BPI_TRY(bpi_batches_get(&run->batches, run->next_row, n, noise_seed(run), &X, &T));
    batch->weight = (double)n;
    const struct bpi_sink sink = sink_of_batch(run, before->weight, batch->weight, is_first);
    double loss;
    (void)bpi_small_steps(run->net, &(struct bpi_small_batches){ 1, n, X, T.values, share_of_row(run, n) }, &sink, &loss);
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
static bp_status take_batch(struct bp_trainer_run *run, bp_progress *at, struct total *total, bool is_first)
{
    struct total batch = { 0 };
    const size_t n = bpi_batches_size(&run->batches, run->next_row);
    BPI_TRY((run->small ? learn_at_once : learn)(run, at, n, total, is_first, &batch));
    run->next_row += n;
    at->rows_done += n;
    add_batch(run, batch.loss, batch.weight, total);
    at->loss = (bp_real)(is_first ? batch.loss : total->loss);
    return BP_OK;
}

static bp_status take_batches(struct bp_trainer_run *run, bp_progress *at, struct total *total)
{
    for (size_t i = 0; i < run->accumulate && run->next_row < run->batches.n_rows; i++)
        BPI_TRY(take_batch(run, at, total, i == 0));
    return BP_OK;
}

/* What a step has come to. */
static void add_step(struct bp_trainer_run *run, const struct total *step)
{
    struct total epoch = { run->epoch_loss, run->epoch_weight };
    add_batch(run, step->loss, step->weight, &epoch);
    run->epoch_loss = epoch.loss;
    run->epoch_weight = epoch.weight;
    run->n_steps_done++;
}

static bp_status take_step(struct bp_trainer_run *run, bp_progress *at)
{
    struct total total = { 0 };
    at->step++;
    BPI_TRY(set_learning_rate(run, at));
    BPI_TRY(take_batches(run, at, &total));

    add_step(run, &total);
    at->epoch_loss = (bp_real)run->epoch_loss;
    if (run->plain)
        return BP_OK;
    const bp_status status = bpi_optimizer_step(run->opt, &run->net->parameters, run->grad, at->loss,
                                                run->config.threads != NULL ? run->config.threads->pool : NULL);
    return status == BP_ERR_NONFINITE ? bpi_run_diverged(run, at, "the gradient is") : status;
}

/* ---- Many at once ---------------------------------------------------------------------------------------------------- */

/* In steps, and in rows: some microseconds, for which one who cancels the run can wait. */
enum { MOST_AT_ONCE = 32, MOST_ROWS_AT_ONCE = 128 };

/*
 * How many steps a small network can take in one call: as many as there are whole batches left, where they lie in the user's arrays
 * and nothing happens between steps. 0: none.
 */
static size_t steps_at_once(const struct bp_trainer_run *run, const bp_progress *at, uint64_t most)
{
    const struct bpi_batches *batches = &run->batches;
    if (!run->small || !run->plain || !batches->is_direct || run->config.on_step != NULL ||
        run->config.schedule.kind != BP_SCHEDULE_CONSTANT)
        return 0;
    const size_t left = at->steps - at->step, asked = left < most ? left : (size_t)most;
    const size_t by_rows = MOST_ROWS_AT_ONCE / batches->batch, allowed = by_rows < MOST_AT_ONCE ? by_rows : MOST_AT_ONCE;
    const size_t n = asked < allowed ? asked : allowed;
    if (n == 0)
        return 0;
    return n * batches->batch <= batches->n_rows - run->next_row ? n : n - 1; /* the last batch may be a smaller one */
}

/* The same as n times take_step(), to the bit. */
static bp_status take_small_steps(struct bp_trainer_run *run, bp_progress *at, size_t n)
{
    double L[MOST_AT_ONCE];
    const size_t batch = run->batches.batch;
    struct bpi_small_batches batches = { .n = n, .batch = batch, .share = share_of_row(run, batch) };
    bp_targets T;
    at->step++;
    BPI_TRY(set_learning_rate(run, at));
    BPI_TRY(bpi_batches_get(&run->batches, run->next_row, n * batch, 0, &batches.X, &T));
    batches.T = T.values;
    const struct bpi_sink sink = sink_of_batch(run, 0, (double)batch, true);
    const size_t done = bpi_small_steps(run->net, &batches, &sink, L);

    for (size_t i = 0; i < done; i++)
        add_step(run, &(struct total){ (double)(bp_real)L[i], (double)batch });
    run->next_row += done * batch;
    run->ws.pass += done;
    run->opt->n_steps += done; /* plain descent has nothing else that begins with a step */
    at->step += done - 1;
    at->rows_done += done * batch;
    at->loss = done > 0 ? (bp_real)L[done - 1] : at->loss;
    at->epoch_loss = (bp_real)run->epoch_loss;
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
    return n > 0 ? take_small_steps(run, at, n) : take_step(run, at);
}
