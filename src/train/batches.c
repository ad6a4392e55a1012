// SPDX-License-Identifier: MIT
/*
 * Rows on their way to a network. An array of the user's that needs no conversion, no order and no scaling is used
 * where it is.
 */
#include "train/batches.h"

#include "backprop/rng.h"
#include "base/status.h"
#include "math/scaling.h"
#include "math/shared_gemm.h"

/* ---- Which rows ------------------------------------------------------------------------------------------------------ */

size_t bpi_batches_most(const struct bpi_batches *batches)
{
    const bool joins =
        batches->joins_single_row && batches->n_rows > batches->batch && batches->n_rows % batches->batch == 1;
    return batches->batch + joins;
}

size_t bpi_batches_count(const struct bpi_batches *batches)
{
    const size_t whole = batches->n_rows / batches->batch, left = batches->n_rows % batches->batch;
    const bool joined = left == 1 && batches->joins_single_row && whole > 0;
    return whole + (left != 0 && !joined);
}

size_t bpi_batches_size(const struct bpi_batches *batches, size_t first)
{
    const size_t left = batches->n_rows - first;
    if (left == batches->batch + 1 && batches->joins_single_row)
        return left;
    return left < batches->batch ? left : batches->batch;
}

/* ---- Memory ---------------------------------------------------------------------------------------------------------- */

void bpi_batches_plan(struct bpi_batches *batches, bool any_order, struct bpi_plan *plan, void *block)
{
    const bp_dataset *data = batches->data;
    const bool read = data->read_row != NULL;
    const bool X_changes = any_order || batches->scales_inputs || batches->noise != (bp_real)0;
    const bool T_changes = any_order || batches->scales_targets;
    const bool X = read || X_changes || !bpi_view_is_direct(&data->X, data->n_in);
    const bool T = read || (data->T.data != NULL && (T_changes || !bpi_view_is_direct(&data->T, data->n_out)));
    const bool weights = data->weights.data != NULL && (any_order || !bpi_view_is_direct(&data->weights, 1));
    const bool labels = data->labels.data != NULL && (any_order || !bpi_labels_are_direct(&data->labels));
    const size_t rows = bpi_batches_most(batches);
    batches->is_direct = !X && !T && !weights && !labels;

    batches->buffers.X = bpi_plan_or_place(plan, block, X ? rows : 0, data->n_in, sizeof(bp_real));
    batches->buffers.T = bpi_plan_or_place(plan, block, T ? rows : 0, data->n_out, sizeof(bp_real));
    batches->buffers.weights = bpi_plan_or_place(plan, block, weights ? rows : 0, 1, sizeof(bp_real));
    batches->buffers.labels = bpi_plan_or_place(plan, block, labels ? rows : 0, 1, sizeof(int32_t));
}

/* ---- Their numbers --------------------------------------------------------------------------------------------------- */

static void add_noise(bp_real deviation, uint64_t seed, size_t n, bp_real *X)
{
    bp_rng rng;
    bp_rng_init(&rng, seed);
    for (size_t i = 0; i < n; i++)
        X[i] += (bp_real)((double)deviation * bp_rng_normal(&rng));
}

/* Arrays that are changed must be copies: data used where they are belong to the user. */
static const bp_real *own_copy(const bp_real *from, bp_real *buffer, size_t n)
{
    for (size_t i = 0; from != buffer && i < n; i++)
        buffer[i] = from[i];
    return buffer;
}

/* What the user's function has read, before anything is done to it. */
static bp_status check_targets_read(const struct bpi_batches *batches, const size_t *rows, size_t first, size_t n)
{
    const size_t n_out = batches->data->n_out;
    if (batches->data->read_row == NULL || batches->rule == NULL)
        return BP_OK;
    for (size_t i = 0; i < n; i++) {
        const size_t row = rows != NULL ? rows[i] : first + i;
        double sum = 0;
        BPI_TRY(bpi_loss_check_values(batches->rule, row, 0, n_out, batches->buffers.T + i * n_out, &sum));
        BPI_TRY(bpi_loss_check_sum(batches->rule, row, n_out, sum));
    }
    return BP_OK;
}

/* Rows in some order, gathered part by part. */
struct gathering {
    const struct bpi_batches *batches;
    const size_t *rows;
    struct bpi_cut cut;
};

enum { COPYING = 32 }; /* a number that is fetched from somewhere takes as long as so many multiplications of a GEMM */

static void gather_part(void *argument, size_t i)
{
    const struct gathering *gathering = argument;
    const bp_dataset *data = gathering->batches->data;
    const size_t first = bpi_cut_begin(&gathering->cut, i), n = bpi_cut_begin(&gathering->cut, i + 1) - first;
    struct bpi_batch_buffers buffers = gathering->batches->buffers;
    const bp_real *X;
    bp_targets T;
    if (data->X.data != NULL)
        buffers.X += first * data->n_in;
    if (data->T.data != NULL)
        buffers.T += first * data->n_out;
    if (data->weights.data != NULL)
        buffers.weights += first;
    if (data->labels.data != NULL)
        buffers.labels += first;
    (void)bpi_dataset_gather(data, gathering->rows + first, 0, n, &buffers, &X, &T); /* arrays do not fail */
}

/* Rows of arrays, in any order: all of them come to the buffers. */
static void gather_shared(const struct bpi_batches *batches, const size_t *rows, size_t n, const bp_real **X, bp_targets *T)
{
    const bp_dataset *data = batches->data;
    const struct bpi_batch_buffers *buffers = &batches->buffers;
    struct gathering gathering = { .batches = batches, .rows = rows };
    gathering.cut = bpi_cut_rows(n, COPYING * n * (data->n_in + data->n_out));
    bpi_pool_run(batches->pool, gathering.cut.n_parts, gather_part, &gathering);
    *X = buffers->X;
    *T = (bp_targets){ .values = data->T.data != NULL ? buffers->T : NULL,
                       .labels = data->labels.data != NULL ? buffers->labels : NULL,
                       .weights = data->weights.data != NULL ? buffers->weights : NULL };
}

static bp_status gather(const struct bpi_batches *batches, const size_t *rows, size_t first, size_t n, const bp_real **X,
                        bp_targets *T)
{
    if (batches->pool == NULL || rows == NULL || batches->data->read_row != NULL)
        return bpi_dataset_gather(batches->data, rows, first, n, &batches->buffers, X, T);
    gather_shared(batches, rows, n, X, T);
    return BP_OK;
}

bp_status bpi_batches_gather(const struct bpi_batches *batches, size_t first, size_t n, uint64_t noise_seed,
                             const bp_real **X, bp_targets *T)
{
    const bp_network *net = batches->net;
    const size_t n_in = batches->data->n_in, n_out = batches->data->n_out;
    const size_t *rows = batches->order != NULL ? batches->order + first : NULL;
    BPI_TRY(gather(batches, rows, first, n, X, T));
    BPI_TRY(check_targets_read(batches, rows, first, n));

    if (batches->scales_inputs || batches->noise != (bp_real)0)
        *X = own_copy(*X, batches->buffers.X, n * n_in);
    if (batches->scales_inputs)
        bpi_scale_rows(n, n_in, net->in_center, net->in_scale, batches->buffers.X, batches->buffers.X);
    if (batches->noise != (bp_real)0)
        add_noise(batches->noise, noise_seed, n * n_in, batches->buffers.X);
    if (batches->scales_targets && T->values != NULL) {
        T->values = own_copy(T->values, batches->buffers.T, n * n_out);
        bpi_scale_rows(n, n_out, net->out_center, net->out_scale, batches->buffers.T, batches->buffers.T);
    }
    return BP_OK;
}
