// SPDX-License-Identifier: MIT
/*
 * Rows on their way to a network: which rows make a batch, gathered, scaled, with noise.
 */
#ifndef BPI_TRAIN_BATCHES_H
#define BPI_TRAIN_BATCHES_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/dataset.h"
#include "backprop/network.h"
#include "base/memory.h"
#include "base/pool.h"
#include "data/dataset.h"
#include "math/loss.h"

/** Some rows of a dataset, to be walked through batch by batch. */
struct bpi_batches {
    const bp_dataset *data;
    const bp_network *net;              /**< whose scaling it is */
    const struct bpi_loss_rule *rule;   /**< what targets must meet that the user's function reads; NULL: be finite */
    size_t n_rows;                      /**< rows of a walk */
    const size_t *order;                /**< n_rows row numbers; NULL: the rows from 0 on as they come */
    size_t batch;                       /**< rows at a time */
    bool joins_single_row;              /**< a last batch of one row belongs to the batch before it */
    bool scales_inputs, scales_targets; /**< by the scaling of net */
    bp_real noise;                      /**< standard deviation of what is added to the inputs; 0: nothing */
    bool is_direct;                     /**< planned so: each batch is used where the caller has it, without a copy */
    struct bp_threads_pool *pool;       /**< whose threads gather; NULL: the caller alone */
    struct bpi_batch_buffers buffers;
};

/** Reserves buffers for batches of data in which rows may come in any order (`any_order`), or only as they are. */
void bpi_batches_plan(struct bpi_batches *batches, bool any_order, struct bpi_plan *plan, void *block);

/** The most rows that one batch can have. */
size_t bpi_batches_most(const struct bpi_batches *batches);

/** How many batches a walk has. */
size_t bpi_batches_count(const struct bpi_batches *batches);

/** Rows of the batch that begins at `first` of the walk. */
size_t bpi_batches_size(const struct bpi_batches *batches, size_t first);

/**
 * The batch of n rows from `first` of the walk on, in the network's units: *X, and its targets. `noise_seed` fixes the
 * noise. Only rows that the user's function reads can fail: BP_ERR_IO, BP_ERR_NONFINITE, BP_ERR_TARGET, with the row of
 * the dataset.
 */
bp_status bpi_batches_gather(const struct bpi_batches *batches, size_t first, size_t n, uint64_t noise_seed,
                             const bp_real **X, bp_targets *T);

/** The row of a view whose numbers are used where they are; NULL of nothing. */
static inline const bp_real *bpi_reals_at(const bp_view *view, size_t row, size_t columns)
{
    return view->data != NULL ? (const bp_real *)view->data + row * columns : NULL;
}

/** The same by the shortest way: tiny networks take hardly longer for a step than it takes to gather their rows. */
static inline bp_status bpi_batches_get(const struct bpi_batches *batches, size_t first, size_t n, uint64_t noise_seed,
                                        const bp_real **X, bp_targets *T)
{
    const bp_dataset *data = batches->data;
    if (!batches->is_direct)
        return bpi_batches_gather(batches, first, n, noise_seed, X, T);
    *X = bpi_reals_at(&data->X, first, data->n_in);
    T->values = bpi_reals_at(&data->T, first, data->n_out);
    T->weights = bpi_reals_at(&data->weights, first, 1);
    T->labels = data->labels.data != NULL ? (const int32_t *)data->labels.data + first : NULL;
    return BP_OK;
}

#endif
