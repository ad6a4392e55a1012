// SPDX-License-Identifier: MIT
/*
 * Copies of parameters, state and optimizer.
 */
#include "train/snapshot.h"

#include <string.h>

static void copy_reals(bp_real *to, const bp_real *from, size_t n)
{
    if (n > 0 && to != NULL && from != NULL)
        memcpy(to, from, n * sizeof *to);
}

/* What steps change; compilers copy a whole struct slowly, and an epoch may be a single small step. */
static void copy_scalars(bp_optimizer *to, const bp_optimizer *from)
{
    to->n_steps = from->n_steps;
    for (size_t i = 0; i < BP_N_OPTIMIZER_SCALARS; i++)
        to->scalars[i] = from->scalars[i];
    for (size_t i = 0; i < sizeof to->factors / sizeof to->factors[0]; i++)
        to->factors[i] = from->factors[i];
    to->clip_factor = from->clip_factor;
}

void bpi_snapshot_take(struct bpi_snapshot *snapshot, const struct bp_trainer_run *run)
{
    copy_reals(snapshot->params, run->net->parameters.params, run->opt->n_params);
    copy_reals(snapshot->net_state, run->net->state, run->net->n_state);
    copy_reals(snapshot->opt_state, run->opt->state, run->opt->n_state);
    copy_scalars(&snapshot->opt, run->opt);
}

void bpi_snapshot_return_network(const struct bpi_snapshot *snapshot, struct bp_trainer_run *run)
{
    copy_reals(run->net->parameters.params, snapshot->params, run->opt->n_params);
    copy_reals(run->net->state, snapshot->net_state, run->net->n_state);
}

void bpi_snapshot_return_all(const struct bpi_snapshot *snapshot, struct bp_trainer_run *run)
{
    bpi_snapshot_return_network(snapshot, run);
    copy_reals(run->opt->state, snapshot->opt_state, run->opt->n_state);
    copy_scalars(run->opt, &snapshot->opt);
}

static bool all_finite(const bp_real *x, size_t n)
{
    size_t n_bad = 0;
    for (size_t i = 0; i < n; i++)
        n_bad += !(BPI_FABS(x[i]) <= BP_REAL_MAX);
    return n_bad == 0;
}

const char *bpi_run_not_finite(const struct bp_trainer_run *run)
{
    if (!all_finite(run->net->parameters.params, run->opt->n_params))
        return "a parameter is";
    if (!all_finite(run->net->state, run->net->n_state))
        return "a running statistic is";
    if (!all_finite(run->opt->state, run->opt->n_state))
        return "the optimizer's state is";
    return NULL;
}
