// SPDX-License-Identifier: MIT
/*
 * A run on its way to a file, and what arrays it has: the reader goes by the same table.
 */
#include "train/checkpoint.h"

#include "base/memory.h"
#include "base/status.h"
#include "model/model_file.h"

/* ---- Arrays ---------------------------------------------------------------------------------------------------------- */

void bpi_checkpoint_arrays(const bp_trainer *trainer, const struct bpi_position *position,
                           struct bpi_checkpoint_array arrays[BPI_CHECKPOINT_ARRAYS])
{
    const struct bp_trainer_run *run = trainer->run;
    const bp_train_report *report = &trainer->report;
    const bool good = bpi_position_has_good(position), best = position->best_epoch != 0;
    const size_t n_params = run->opt->n_params, n_state = run->net->n_state, n_moments = run->opt->n_state / n_params;
    const size_t n_epochs = (size_t)position->n_epochs, n_validated = run->validates ? n_epochs : 0;
    const struct bpi_checkpoint_array all[BPI_CHECKPOINT_ARRAYS] = {
        { "train.optimizer", run->opt->state, 2, { n_moments, n_params }, BPI_MOMENTS },
        { "train.good.params", run->good.params, 1, { good ? n_params : 0 }, BPI_FINITE_NUMBERS },
        { "train.good.state", run->good.net_state, 1, { good ? n_state : 0 }, BPI_FINITE_NUMBERS },
        { "train.good.optimizer", run->good.opt_state, 2, { good ? n_moments : 0, n_params }, BPI_MOMENTS },
        { "train.best.params", run->best.params, 1, { best ? n_params : 0 }, BPI_FINITE_NUMBERS },
        { "train.best.state", run->best.net_state, 1, { best ? n_state : 0 }, BPI_FINITE_NUMBERS },
        { "train.losses", report->losses, 1, { n_epochs }, BPI_ANY_NUMBERS },
        { "train.learning_rates", report->learning_rates, 1, { n_epochs }, BPI_ANY_NUMBERS },
        { "train.validation_losses", report->validation_losses, 1, { n_validated }, BPI_ANY_NUMBERS },
        { "train.validation_scores", report->validation_scores, 1, { n_validated }, BPI_ANY_NUMBERS },
    };
    for (size_t i = 0; i < BPI_CHECKPOINT_ARRAYS; i++)
        arrays[i] = all[i];
}

size_t bpi_checkpoint_array_size(const struct bpi_checkpoint_array *array)
{
    return (size_t)(array->n_dims == 2 ? array->dims[0] * array->dims[1] : array->dims[0]);
}

static void put_arrays(struct bpi_contents *contents, const bp_trainer *trainer, const struct bpi_position *position)
{
    struct bpi_checkpoint_array arrays[BPI_CHECKPOINT_ARRAYS];
    bpi_checkpoint_arrays(trainer, position, arrays);
    for (size_t i = 0; i < BPI_CHECKPOINT_ARRAYS; i++)
        if (bpi_checkpoint_array_size(&arrays[i]) > 0)
            bpi_contents_tensor(contents, arrays[i].name, BPI_DTYPE_REAL, arrays[i].n_dims, arrays[i].dims,
                                arrays[i].values);
}

/* ---- Writing --------------------------------------------------------------------------------------------------------- */

/* The order as files have it, in 64 bits wherever they are written; NULL where rows come as they are. */
struct order {
    uint64_t *rows;
    void *block;
};

static bp_status copy_order(const struct bp_trainer_run *run, struct order *order)
{
    struct bpi_plan plan = { 0 };
    const size_t rows = bpi_plan_array(&plan, run->order != NULL ? run->data.rows : 0, sizeof *order->rows);
    BPI_TRY(bpi_plan_allocate(&plan, "checkpoint: the order of the rows", &run->allocator, &order->block));
    if (run->order == NULL)
        return BP_OK;
    order->rows = bpi_place(order->block, rows);
    for (size_t i = 0; i < run->data.rows; i++)
        order->rows[i] = run->order[i];
    return BP_OK;
}

static bp_status put_run(struct bpi_contents *contents, const bp_trainer *trainer, const uint64_t *order)
{
    const struct bp_trainer_run *run = trainer->run;
    const struct bpi_position position = bpi_position_of(trainer);
    BPI_TRY(bpi_model_put(contents, run->net, "checkpoint"));
    bpi_checkpoint_put_settings(contents, run);
    bpi_position_put(contents, &position);
    bpi_contents_tensor(contents, "train.generator", BPI_U64, 1, (uint64_t[]){ 4 }, run->rng.state);
    if (order != NULL)
        bpi_contents_tensor(contents, "train.order", BPI_U64, 1, (uint64_t[]){ run->data.rows }, order);
    put_arrays(contents, trainer, &position);
    return BP_OK;
}

bp_status bpi_checkpoint_write(const bp_trainer *trainer, struct bpi_writer *writer)
{
    const struct bp_trainer_run *run = trainer->run;
    struct bpi_contents contents = { .allocator = run->allocator };
    struct order order = { 0 };
    BPI_TRY(copy_order(run, &order));
    bp_status status = put_run(&contents, trainer, order.rows);
    if (status == BP_OK)
        status = bpi_contents_write(&contents, writer);
    bpi_contents_release(&contents);
    bpi_release(&run->allocator, order.block);
    return status;
}
