// SPDX-License-Identifier: MIT
/*
 * Fitting scalings: one walk over the rows in their own units, batch by batch, through the run's buffers.
 */
#include "train/fit.h"

#include "base/status.h"
#include "math/scaling.h"

struct fit {
    struct bpi_scaling_fit inputs, targets;
    bool of_inputs, of_targets;
};

static bp_status fit_rows(const struct bp_trainer_run *run, struct fit *fit)
{
    struct bpi_batches raw = run->batches;
    raw.scales_inputs = raw.scales_targets = false;
    raw.noise = (bp_real)0;
    for (size_t first = 0; first < raw.n_rows;) {
        const bp_real *X;
        bp_targets T;
        const size_t n = bpi_batches_size(&raw, first);
        BPI_TRY(bpi_batches_get(&raw, first, n, 0, &X, &T));
        if (fit->of_inputs)
            bpi_scaling_add(&fit->inputs, n, X);
        if (fit->of_targets)
            bpi_scaling_add(&fit->targets, n, T.values);
        first += n;
    }
    return BP_OK;
}

/* Center and scale of one side: fitted, as the network has them (NULL: not at all), in `numbers`, 2 n of them. */
struct side {
    const bp_real *center, *scale;
};

static struct side side_of(bool is_fitted, const struct bpi_scaling_fit *fit, bool has, const struct side *own,
                           bp_real *numbers)
{
    struct side side = { numbers, numbers + fit->columns };
    if (!is_fitted)
        return has ? *own : (struct side){ NULL, NULL };
    bpi_scaling_finish(fit, numbers, numbers + fit->columns);
    return side;
}

static bp_status set_scaling(bp_network *net, const struct fit *fit, bp_real *numbers)
{
    const struct side own_in = { net->in_center, net->in_scale }, own_out = { net->out_center, net->out_scale };
    const struct side in = side_of(fit->of_inputs, &fit->inputs, net->scales_inputs, &own_in, numbers);
    const struct side out = side_of(fit->of_targets, &fit->targets, net->scales_outputs, &own_out, numbers + 2 * net->n_in);
    return bp_network_set_scaling(net, in.center, in.scale, out.center, out.scale);
}

static bp_status fit_and_set(struct bp_trainer_run *run, struct fit *fit)
{
    bp_network *net = run->net;
    struct bpi_plan plan = { 0 };
    const size_t of_inputs = bpi_plan_array(&plan, bpi_scaling_memory(net->n_in), sizeof(double));
    const size_t of_targets = bpi_plan_array(&plan, bpi_scaling_memory(net->n_out), sizeof(double));
    const size_t numbers = bpi_plan_matrix(&plan, 2, net->n_in + net->n_out, sizeof(bp_real));
    void *block;
    BPI_TRY(bpi_plan_allocate(&plan, "training: fitting the scaling", &run->allocator, &block));

    bpi_scaling_begin(&fit->inputs, run->config.scale_inputs, net->n_in, bpi_place(block, of_inputs));
    bpi_scaling_begin(&fit->targets, run->config.scale_targets, net->n_out, bpi_place(block, of_targets));
    bp_status status = fit_rows(run, fit);
    if (status == BP_OK)
        status = set_scaling(net, fit, bpi_place(block, numbers));
    bpi_release(&run->allocator, block);
    return status;
}

bp_status bpi_run_fit_scaling(struct bp_trainer_run *run)
{
    const bp_network *net = run->net;
    struct fit fit = { .of_inputs = run->config.scale_inputs != BP_SCALE_NONE && !net->scales_inputs,
                       .of_targets = run->config.scale_targets != BP_SCALE_NONE && !net->scales_outputs };
    return fit.of_inputs || fit.of_targets ? fit_and_set(run, &fit) : BP_OK;
}

void bpi_run_take_back_scaling(struct bp_trainer_run *run)
{
    bp_network *net = run->net;
    const bool in = run->scaled_inputs, out = run->scaled_outputs;
    if (net->scales_inputs != in || net->scales_outputs != out)
        (void)bp_network_set_scaling(net, in ? net->in_center : NULL, in ? net->in_scale : NULL,
                                     out ? net->out_center : NULL, out ? net->out_scale : NULL);
}
