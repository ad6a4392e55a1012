// SPDX-License-Identifier: MIT
/*
 * One dense layer: Z = A_in W^T + 1 b^T, normalized, A_out = f(Z), dropped out, and the gradient of all of it.
 * Works on one layer and one batch; the walk over layers is in propagation.c, the products are in products.c.
 */
#include "net/layer.h"

#include "math/activation.h"
#include "math/dropout.h"
#include "math/kernels.h"
#include "math/normalization.h"
#include "math/shared_gemm.h"

/* Numbers that stay in the first cache between adding the bias and applying f: 16 KiB in double. */
#define BLOCK 2048

/* ---- Activation ------------------------------------------------------------------------------------------------------ */

/* A layer's function, whether of the library or the user's. */
struct function {
    bpi_apply apply;
    bpi_pull_back pull_back;
    bpi_apply_with_bias apply_with_bias; /* NULL: there is none */
    void *user;
};

static struct function function_of(const bp_layer *layer)
{
    const bp_activation_function *custom = layer->custom;
    if (custom != NULL)
        return (struct function){ custom->apply, custom->pull_back, NULL, custom->user };
    const bpi_activation_row *row = bpi_activation(layer->activation);
    return (struct function){ row->apply, row->pull_back, row->apply_with_bias, NULL };
}

bool bpi_layer_reads_Z(const bp_layer *layer)
{
    return layer->custom != NULL || bpi_activation(layer->activation)->needs_Z;
}

bool bpi_layer_reads_F(const bp_layer *layer)
{
    return layer->custom != NULL || !bpi_activation(layer->activation)->needs_Z;
}

/* ---- Forward --------------------------------------------------------------------------------------------------------- */

bool bpi_layer_needs_rows(const bp_layer *layer)
{
    return layer->normalization == BP_BATCH_NORMALIZATION && !layer->frozen;
}

static void add_to_rows(size_t rows, size_t n, const bp_real *b, bp_real *Z)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            Z[i * n + j] += b[j];
}

/* Where A_in W^T goes: to where it becomes N, if that is kept. */
static bp_real *raw_values(const struct bpi_layer_pass *pass)
{
    return pass->N != NULL ? pass->N : pass->Z;
}

/* The three rows of a batch normalized layer's statistics. */
struct statistics {
    bp_real *mean, *variance, *inverse;
};

static struct statistics statistics_of(const bp_layer *layer, const struct bpi_layer_pass *pass)
{
    const size_t n = layer->n_out;
    return (struct statistics){ pass->statistics, pass->statistics + n, pass->statistics + 2 * n };
}

/* to = x, less b where there is one (sign -1), or plus b. */
static void add_bias(const bp_layer *layer, bp_real sign, const bp_real *x, bp_real *to)
{
    for (size_t j = 0; j < layer->n_out; j++)
        to[j] = x[j] + (layer->b != NULL ? sign * layer->b[j] : (bp_real)0);
}

/*
 * Batch normalization, training: columns[0] becomes the mean of A_in W^T, without b, which moves values and mean alike
 * and so is never added. The statistics are those with b. A frozen layer's are its running ones.
 */
static void take_statistics(const bp_layer *layer, const struct bpi_layer_pass *pass)
{
    const size_t n = layer->n_out;
    const struct statistics s = statistics_of(layer, pass);
    bp_real *center = pass->columns[0];

    if (bpi_layer_needs_rows(layer)) {
        bpi_column_statistics(pass->batch, n, pass->N, center, s.variance);
        add_bias(layer, (bp_real)1, center, s.mean);
    } else {
        for (size_t j = 0; j < n; j++) {
            s.mean[j] = layer->running_mean[j];
            s.variance[j] = layer->running_var[j];
        }
        add_bias(layer, (bp_real)-1, s.mean, center);
    }
    bpi_inverse_deviation(n, layer->epsilon, s.variance, s.inverse);
}

/* Batch normalization by running statistics and b in one: Z columns[0] + columns[1]. */
static void fold_statistics(const bp_layer *layer, const struct bpi_layer_pass *pass)
{
    bp_real *factor = pass->columns[0], *shift = pass->columns[1];
    bpi_inverse_deviation(layer->n_out, layer->epsilon, layer->running_var, factor);
    add_bias(layer, (bp_real)-1, layer->running_mean, shift);
    for (size_t j = 0; j < layer->n_out; j++) {
        factor[j] *= layer->gamma[j];
        shift[j] = layer->beta[j] - shift[j] * factor[j];
    }
}

/* What comes between A_in W^T and the activation, for some rows from `first` on. One function a normalization. */
typedef void (*prepare_rows)(const bp_layer *layer, const struct bpi_layer_pass *pass, size_t first, size_t rows);

static void add_bias_only(const bp_layer *layer, const struct bpi_layer_pass *pass, size_t first, size_t rows)
{
    if (layer->b != NULL)
        add_to_rows(rows, layer->n_out, layer->b, pass->Z + first * layer->n_out);
}

static void normalize_by_columns(const bp_layer *layer, const struct bpi_layer_pass *pass, size_t first, size_t rows)
{
    const size_t n = layer->n_out;
    bp_real *Z = pass->Z + first * n;
    if (pass->N == NULL)
        bpi_scale_and_shift(rows, n, pass->columns[0], pass->columns[1], Z);
    else
        bpi_normalize_columns(rows, n, pass->columns[0], statistics_of(layer, pass).inverse, layer->gamma, layer->beta,
                              pass->N + first * n, Z);
}

static void normalize_by_rows(const bp_layer *layer, const struct bpi_layer_pass *pass, size_t first, size_t rows)
{
    const size_t n = layer->n_out;
    bp_real *raw = raw_values(pass) + first * n;
    if (layer->b != NULL)
        add_to_rows(rows, n, layer->b, raw);
    bpi_normalize_rows(rows, n, layer->epsilon, layer->gamma, layer->beta, raw, pass->Z + first * n,
                       pass->statistics != NULL ? pass->statistics + first : NULL);
}

static const prepare_rows preparations[BP_N_NORMALIZATIONS] = {
    [BP_NO_NORMALIZATION] = add_bias_only,
    [BP_BATCH_NORMALIZATION] = normalize_by_columns,
    [BP_LAYER_NORMALIZATION] = normalize_by_rows,
};

/* Work on rows of a pass, for one task of several. */
struct row_work {
    const bp_layer *layer;
    const struct bpi_layer_pass *pass;
    const bp_real *dA;
    bp_real *dZ;
    struct bpi_cut cut;
};

/* An element costs as much as so many multiplications of a matrix product, more or less, whatever the function. */
enum { ELEMENT = 64 };

/* Cuts the rows where the shape says, as products are cut. */
static void run_row_work(struct row_work *work, bpi_task *task)
{
    const struct bpi_layer_pass *pass = work->pass;
    work->cut = pass->pool != NULL ? bpi_cut_rows(pass->batch, ELEMENT * pass->batch * work->layer->n_out)
                                   : (struct bpi_cut){ .n = pass->batch, .n_parts = 1 };
    bpi_pool_run(pass->pool, work->cut.n_parts, task, work);
}

/* Bias, normalization, activation and dropout in one pass over Z, a few rows at a time. */
static void finish_rows(void *argument, size_t part)
{
    const struct row_work *work = argument;
    const bp_layer *layer = work->layer;
    const struct bpi_layer_pass *pass = work->pass;
    const size_t n = layer->n_out, block = n < BLOCK ? BLOCK / n : 1;
    const size_t end = bpi_cut_begin(&work->cut, part + 1);
    const struct function f = function_of(layer);
    const prepare_rows prepare = preparations[layer->normalization];
    const bool adds_bias_only = layer->normalization == BP_NO_NORMALIZATION && layer->b != NULL;
    const bool drops = pass->training && layer->dropout > (bp_real)0;
    const uint64_t key = drops ? bpi_dropout_key(pass->seed, pass->number, pass->index) : 0;

    for (size_t i = bpi_cut_begin(&work->cut, part); i < end; i += block) {
        const size_t rows = end - i < block ? end - i : block;
        if (adds_bias_only && f.apply_with_bias != NULL) {
            f.apply_with_bias(rows, n, layer->parameter, layer->b, pass->Z + i * n, pass->F + i * n);
        } else {
            prepare(layer, pass, i, rows);
            f.apply(rows, n, layer->parameter, f.user, pass->Z + i * n, pass->F + i * n);
        }
        if (drops)
            bpi_dropout(key, layer->dropout, i, rows, n, pass->F + i * n, pass->A + i * n);
    }
}

/* In one call, as most small layers can be. False, nothing done: there is more to it. */
static bool finish_at_once(const bp_layer *layer, const struct bpi_layer_pass *pass)
{
    const bpi_bias_kernel apply_with_bias = bpi_kernels()->apply_with_bias[layer->activation];
    const bool drops = pass->training && layer->dropout > (bp_real)0;
    if (apply_with_bias == NULL || layer->b == NULL || layer->normalization != BP_NO_NORMALIZATION || drops ||
        pass->pool != NULL || pass->batch * layer->n_out > BLOCK)
        return false;
    apply_with_bias(pass->batch, layer->n_out, layer->parameter, layer->b, pass->Z, pass->F);
    return true;
}

void bpi_layer_apply(const bp_layer *layer, const bp_real *z, bp_real *a)
{
    const struct function f = function_of(layer);
    f.apply(1, layer->n_out, layer->parameter, f.user, z, a);
}

void bpi_layer_forward(const bp_layer *layer, const struct bpi_layer_pass *pass)
{
    bpi_product_forward(pass->pool, pass->batch, layer->n_out, layer->n_in, pass->A_in, layer->W, raw_values(pass));
    if (layer->normalization == BP_BATCH_NORMALIZATION) {
        if (pass->N != NULL)
            take_statistics(layer, pass);
        else
            fold_statistics(layer, pass);
    }
    if (!finish_at_once(layer, pass))
        run_row_work(&(struct row_work){ .layer = layer, .pass = pass }, finish_rows);
}

void bpi_layer_update_state(const bp_layer *layer, size_t batch, const bp_real *statistics)
{
    const size_t n = layer->n_out;
    const bp_real r = layer->running_rate, unbiased = (bp_real)batch / (bp_real)(batch - 1);
    for (size_t j = 0; j < n; j++) {
        const bp_real mean = ((bp_real)1 - r) * layer->running_mean[j] + r * statistics[j];
        const bp_real variance = ((bp_real)1 - r) * layer->running_var[j] + r * (unbiased * statistics[n + j]);
        layer->running_mean[j] = bpi_flushed(mean); /* what decays would else stay among the denormal numbers */
        layer->running_var[j] = bpi_flushed(variance);
    }
}

/* ---- Backward -------------------------------------------------------------------------------------------------------- */

/* Through dropout, where there is some, and the activation, a few rows at a time. */
static void pull_rows_back(void *argument, size_t part)
{
    const struct row_work *work = argument;
    const bp_layer *layer = work->layer;
    const struct bpi_layer_pass *pass = work->pass;
    const size_t n = layer->n_out, block = n < BLOCK ? BLOCK / n : 1;
    const size_t end = bpi_cut_begin(&work->cut, part + 1);
    const struct function f = function_of(layer);
    const bool drops = layer->dropout > (bp_real)0;
    const uint64_t key = drops ? bpi_dropout_key(pass->seed, pass->number, pass->index) : 0;

    for (size_t i = bpi_cut_begin(&work->cut, part); i < end; i += block) {
        const size_t rows = end - i < block ? end - i : block;
        bp_real *dZ = work->dZ + i * n;
        if (drops)
            bpi_dropout(key, layer->dropout, i, rows, n, work->dA + i * n, dZ);
        f.pull_back(rows, n, layer->parameter, f.user, pass->Z + i * n, pass->F + i * n, drops ? dZ : work->dA + i * n, dZ);
    }
}

void bpi_layer_pull_back(const bp_layer *layer, const struct bpi_layer_pass *pass, const bp_real *dA, bp_real *dZ)
{
    const bpi_pull_back_kernel kernel = bpi_kernels()->pull_back[layer->activation];
    const bool is_whole = pass->batch == 1 || pass->pool == NULL; /* nobody to share it with */
    if (is_whole && kernel != NULL && layer->dropout == (bp_real)0) {
        kernel(pass->batch * layer->n_out, layer->parameter, pass->Z, pass->F, dA, dZ);
        return;
    }
    run_row_work(&(struct row_work){ .layer = layer, .pass = pass, .dA = dA, .dZ = dZ }, pull_rows_back);
}

void bpi_layer_normalization_pull_back(const bp_layer *layer, const struct bpi_layer_pass *pass, const bp_real *dY,
                                       bp_real *dZ)
{
    const size_t batch = pass->batch, n = layer->n_out;
    bp_real *dgamma = pass->columns[0], *dbeta = pass->columns[1];

    bpi_normalization_gradient(batch, n, pass->N, dY, dgamma, dbeta);
    if (layer->normalization == BP_LAYER_NORMALIZATION)
        bpi_rows_pull_back(batch, n, layer->gamma, pass->statistics, pass->N, dY, dZ);
    else if (bpi_layer_needs_rows(layer))
        bpi_columns_pull_back(batch, n, layer->gamma, statistics_of(layer, pass).inverse, dgamma, dbeta, pass->N, dY, dZ);
    else
        bpi_given_columns_pull_back(batch, n, layer->gamma, statistics_of(layer, pass).inverse, dY, dZ);
}

/* The place of an array of a layer in the sink. */
static bp_real *place_in(const struct bpi_sink *sink, const bp_real *params, const bp_real *array)
{
    return sink->base + (array - params);
}

/* to = alpha d + beta to */
static void put(const struct bpi_sink *sink, size_t n, const bp_real *d, bp_real *to)
{
    const bp_real alpha = sink->alpha, beta = sink->beta;
    for (size_t j = 0; j < n; j++)
        to[j] = beta == (bp_real)0 ? alpha * d[j] : alpha * d[j] + beta * to[j];
}

/* The sum goes through `row` so that alpha and beta come in once, after it. Under the batch's own statistics it is 0:
 * b moves values and mean alike. */
static void put_bias_gradient(const bp_layer *layer, const struct bpi_layer_pass *pass, const bp_real *dZ,
                              const struct bpi_sink *sink, bp_real *b_to)
{
    const size_t n = layer->n_out;
    if (pass->batch == 1 && !bpi_layer_needs_rows(layer)) {
        put(sink, n, dZ, b_to);
        return;
    }
    if (!bpi_layer_needs_rows(layer) && bpi_product_sums(pass->batch, n, sink->alpha, dZ, sink->beta, b_to))
        return;
    if (!bpi_layer_needs_rows(layer))
        bpi_kernels()->add_column_sums(pass->batch, n, dZ, pass->row);
    put(sink, n, pass->row, b_to);
    for (size_t j = 0; j < n; j++)
        pass->row[j] = (bp_real)0;
}

/* What is left when W is done. */
static void put_vectors(const bp_layer *layer, const struct bpi_layer_pass *pass, const bp_real *dZ,
                        const struct bpi_sink *sink, const bp_real *params)
{
    if (layer->b != NULL)
        put_bias_gradient(layer, pass, dZ, sink, place_in(sink, params, layer->b));
    if (layer->normalization != BP_NO_NORMALIZATION) {
        put(sink, layer->n_out, pass->columns[0], place_in(sink, params, layer->gamma));
        put(sink, layer->n_out, pass->columns[1], place_in(sink, params, layer->beta));
    }
}

void bpi_layer_parameter_gradient(const bp_layer *layer, const struct bpi_layer_pass *pass, const bp_real *dZ,
                                  const struct bpi_sink *sink, const bp_real *params)
{
    bpi_product_out(pass->pool, pass->batch, layer->n_out, layer->n_in, sink->alpha, dZ, pass->A_in, sink->beta,
                    place_in(sink, params, layer->W));
    put_vectors(layer, pass, dZ, sink, params);
}

void bpi_layer_input_gradient(const bp_layer *layer, const struct bpi_layer_pass *pass, const bp_real *dZ, bp_real beta,
                              bp_real *dA_in)
{
    bpi_product_back(pass->pool, pass->batch, layer->n_out, layer->n_in, dZ, layer->W, beta, dA_in);
}

void bpi_layer_gradients(const bp_layer *layer, const struct bpi_layer_pass *pass, const bp_real *dZ,
                         const struct bpi_sink *sink, const bp_real *params, bp_real *dA_in)
{
    bp_real *W_to = place_in(sink, params, layer->W);
    if (W_to == layer->W && sink->beta == (bp_real)1) {
        bpi_product_back_and_update(pass->pool, pass->batch, layer->n_out, layer->n_in, sink->alpha, dZ, pass->A_in, W_to,
                                    dA_in);
        put_vectors(layer, pass, dZ, sink, params);
        return;
    }
    bpi_layer_input_gradient(layer, pass, dZ, (bp_real)0, dA_in);
    bpi_layer_parameter_gradient(layer, pass, dZ, sink, params);
}
