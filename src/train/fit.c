// SPDX-License-Identifier: MIT
/*
 * Fitting scalings: one walk over the rows in their own units, batch by batch.
 */
#include "train/fit.h"

#include "backprop/fit.h"
#include "base/memory.h"
#include "base/status.h"
#include "math/scaling.h"
#include "net/network.h"
#include "train/check.h"

/* ---- The walk -------------------------------------------------------------------------------------------------------- */

struct fit {
    bp_network *net;
    const struct bpi_batches *rows;                  /* as they come: neither scaled nor with noise */
    bp_scaling_kind kind_of_inputs, kind_of_targets; /* BP_SCALE_NONE: not to be fitted */
    struct bpi_scaling_fit inputs, targets;
};

static bp_status fit_rows(struct fit *fit)
{
    const struct bpi_batches *rows = fit->rows;
    for (size_t first = 0; first < rows->n_rows;) {
        const bp_real *X;
        bp_targets T;
        const size_t n = bpi_batches_size(rows, first);
        BPI_TRY(bpi_batches_get(rows, first, n, 0, &X, &T));
        if (fit->kind_of_inputs != BP_SCALE_NONE)
            bpi_scaling_add(&fit->inputs, n, X);
        if (fit->kind_of_targets != BP_SCALE_NONE)
            bpi_scaling_add(&fit->targets, n, T.values);
        first += n;
    }
    return BP_OK;
}

/* Center and scale of one side: fitted, as the network has them (NULL: not at all), in `numbers`, 2 n of them. */
struct side {
    const bp_real *center, *scale;
};

static struct side side_of(const struct bpi_scaling_fit *fit, bool has, const struct side *own, bp_real *numbers)
{
    struct side side = { numbers, numbers + fit->columns };
    if (fit->kind == BP_SCALE_NONE)
        return has ? *own : (struct side){ NULL, NULL };
    bpi_scaling_finish(fit, numbers, numbers + fit->columns);
    return side;
}

static bp_status set_scaling(const struct fit *fit, bp_real *numbers)
{
    bp_network *net = fit->net;
    const struct side own_in = { net->in_center, net->in_scale }, own_out = { net->out_center, net->out_scale };
    const struct side in = side_of(&fit->inputs, net->scales_inputs, &own_in, numbers);
    const struct side out = side_of(&fit->targets, net->scales_outputs, &own_out, numbers + 2 * net->n_in);
    return bp_network_set_scaling(net, in.center, in.scale, out.center, out.scale);
}

/* Fits and sets; on failure the network is unchanged. */
static bp_status fit_and_set(struct fit *fit, const char *what, const bp_allocator *allocator)
{
    const bp_network *net = fit->net;
    struct bpi_plan plan = { 0 };
    const size_t of_inputs = bpi_plan_array(&plan, bpi_scaling_memory(net->n_in), sizeof(double));
    const size_t of_targets = bpi_plan_array(&plan, bpi_scaling_memory(net->n_out), sizeof(double));
    const size_t numbers = bpi_plan_matrix(&plan, 2, net->n_in + net->n_out, sizeof(bp_real));
    void *block;
    BPI_TRY(bpi_plan_allocate(&plan, what, allocator, &block));

    bpi_scaling_begin(&fit->inputs, fit->kind_of_inputs, net->n_in, bpi_place(block, of_inputs));
    bpi_scaling_begin(&fit->targets, fit->kind_of_targets, net->n_out, bpi_place(block, of_targets));
    bp_status status = fit_rows(fit);
    if (status == BP_OK)
        status = set_scaling(fit, bpi_place(block, numbers));
    bpi_release(allocator, block);
    return status;
}

/* ---- Of a run -------------------------------------------------------------------------------------------------------- */

bp_status bpi_run_fit_scaling(struct bp_trainer_run *run)
{
    const bp_train_config *config = &run->config;
    struct bpi_batches rows = run->batches;
    rows.scales_inputs = rows.scales_targets = false;
    rows.noise = (bp_real)0;

    struct fit fit = { .net = run->net,
                       .rows = &rows,
                       .kind_of_inputs = run->net->scales_inputs ? BP_SCALE_NONE : config->scale_inputs,
                       .kind_of_targets = run->net->scales_outputs ? BP_SCALE_NONE : config->scale_targets };
    if (fit.kind_of_inputs == BP_SCALE_NONE && fit.kind_of_targets == BP_SCALE_NONE)
        return BP_OK;
    return fit_and_set(&fit, "training: fitting the scaling", &run->allocator);
}

void bpi_run_take_back_scaling(struct bp_trainer_run *run)
{
    bp_network *net = run->net;
    const bool in = run->scaled_inputs, out = run->scaled_outputs;
    if (net->scales_inputs != in || net->scales_outputs != out)
        (void)bp_network_set_scaling(net, in ? net->in_center : NULL, in ? net->in_scale : NULL,
                                     out ? net->out_center : NULL, out ? net->out_scale : NULL);
}

/* ---- Public ---------------------------------------------------------------------------------------------------------- */

enum { BATCH = 256 }; /* rows gathered at a time */

static bp_status check_fit(const bp_network *net, const bp_dataset *data, const bp_fit_config *config)
{
    static const char function[] = "bp_network_fit_scaling";
    BPI_TRY(bpi_network_check(function, "net", net));
    if (data == NULL || config == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: %s is NULL", function, data == NULL ? "data" : "config");
    BPI_TRY(bpi_check_scaling_kind(function, "inputs", config->inputs));
    BPI_TRY(bpi_check_scaling_kind(function, "targets", config->targets));
    if (config->inputs == BP_SCALE_NONE && config->targets == BP_SCALE_NONE)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: neither inputs nor targets are to be scaled", function);
    if (config->targets != BP_SCALE_NONE)
        BPI_TRY(bpi_check_scaled_targets(function, net, data, NULL));
    BPI_TRY(bpi_check_data(function, net, data, NULL));
    return bpi_check_rows(function, data, config->rows, config->n_rows);
}

bp_status bp_network_fit_scaling(bp_network *net, const bp_dataset *data, const bp_fit_config *config)
{
    BPI_TRY(check_fit(net, data, config));

    const size_t n_rows = config->rows != NULL ? config->n_rows : data->rows;
    struct bpi_batches rows = {
        .data = data, .net = net, .n_rows = n_rows, .order = config->rows, .batch = n_rows < BATCH ? n_rows : BATCH
    };
    struct bpi_plan plan = { 0 }, again = { 0 };
    void *block;
    bpi_batches_plan(&rows, config->rows != NULL, &plan, NULL);
    BPI_TRY(bpi_plan_allocate(&plan, __func__, &net->allocator, &block));
    bpi_batches_plan(&rows, config->rows != NULL, &again, block);

    struct fit fit = { .net = net, .rows = &rows, .kind_of_inputs = config->inputs, .kind_of_targets = config->targets };
    const bp_status status = fit_and_set(&fit, __func__, &net->allocator);
    bpi_release(&net->allocator, block);
    return status;
}
