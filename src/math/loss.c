// SPDX-License-Identifier: MIT
/*
 * The losses with their gradients, and the targets that they take. Going on through the layers is propagation.c's affair.
 */
#include "math/loss.h"

#include "base/status.h"

/* l = 1/2 sum (y - t)^2,  dl/dy = y - t. */
static double squared_error(size_t n, const bp_real *z, const bp_real *y, const bp_real *t, bp_real weight, bp_real *d)
{
    (void)z;
    double sum = 0;
    for (size_t j = 0; j < n; j++) {
        const bp_real e = y[j] - t[j];
        sum += (double)e * (double)e;
        if (d != NULL)
            d[j] = weight * e;
    }
    return sum / 2;
}

/*
 * With y = 1 / (1 + e^-z):  -t log y - (1 - t) log(1 - y) = max(z, 0) - t z + log(1 + e^-|z|),  dl/dz = y - t.
 * No logarithm of a number near 0 is taken, so the loss of a confident mistake is right: |z|, not infinity. The first two terms
 * are one product, (1 - t) z or -t z, for their difference would lose the digits of a target near 1.
 */
static double binary_cross_entropy(size_t n, const bp_real *z, const bp_real *y, const bp_real *t, bp_real weight,
                                   bp_real *d)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++) {
        const bp_real factor = z[j] < (bp_real)0 ? -t[j] : (bp_real)1 - t[j];
        const bp_real product = factor == (bp_real)0 ? (bp_real)0 : factor * z[j]; /* 0 for an infinite z as well */
        sum += (double)(product + BPI_LOG1P(BPI_EXP(-BPI_FABS(z[j]))));
        if (d != NULL)
            d[j] = weight * (y[j] - t[j]);
    }
    return sum;
}

/* log sum_k e^(z_k) - max z, at least 0: the largest term is a 1 that log1p adds, so that small others are not lost. */
static double log_sum_exp_above_max(size_t n, const bp_real *z, size_t at_max)
{
    double others = 0;
    for (size_t j = 0; j < n; j++)
        if (j != at_max)
            others += (double)BPI_EXP(z[j] - z[at_max]);
    return log1p(others);
}

/*
 * With y = softmax(z):  -sum t log y = sum_j t_j (log sum_k e^(z_k) - z_j),  dl/dz = y sum(t) - t.
 * sum(t) is 1 up to the rounding of the user's targets; keeping it makes the gradient that of the value.
 */
static double cross_entropy(size_t n, const bp_real *z, const bp_real *y, const bp_real *t, bp_real weight, bp_real *d)
{
    size_t at_max = 0;
    for (size_t j = 1; j < n; j++)
        at_max = z[j] > z[at_max] ? j : at_max;

    const double above_max = log_sum_exp_above_max(n, z, at_max);
    double sum = 0, sum_of_t = 0;
    for (size_t j = 0; j < n; j++) {
        if (t[j] != (bp_real)0) /* 0 times an infinite logit is 0 */
            sum += (double)t[j] * (above_max + (double)(z[at_max] - z[j]));
        sum_of_t += (double)t[j];
    }
    if (d != NULL)
        for (size_t j = 0; j < n; j++)
            d[j] = weight * (y[j] * (bp_real)sum_of_t - t[j]);
    return sum;
}

static const bpi_loss_row table[BP_N_LOSSES] = {
    [BP_SQUARED_ERROR] = { .name = "squared_error", .of_row = squared_error },
    [BP_BINARY_CROSS_ENTROPY] = { .name = "binary_cross_entropy",
                                  .of_row = binary_cross_entropy,
                                  .fused = true,
                                  .output = BP_SIGMOID,
                                  .in_unit_interval = true },
    [BP_CROSS_ENTROPY] = { .name = "cross_entropy",
                           .of_row = cross_entropy,
                           .fused = true,
                           .output = BP_SOFTMAX,
                           .in_unit_interval = true,
                           .sums_to_one = true },
};

const bpi_loss_row *bpi_loss(bp_loss_kind kind)
{
    return (size_t)kind < BP_N_LOSSES ? &table[kind] : NULL;
}

const char *bp_loss_name(bp_loss_kind kind)
{
    const bpi_loss_row *row = bpi_loss(kind);
    return row != NULL ? row->name : "unknown";
}

bp_status bpi_loss_check(const bp_loss *loss, bp_activation output)
{
    const bpi_loss_row *row = bpi_loss(loss->kind);
    if (row == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "loss: %d is no loss", (int)loss->kind);
    if (loss->reduction != BP_REDUCE_MEAN && loss->reduction != BP_REDUCE_SUM)
        return bpi_fail(BP_ERR_ARGUMENT, "loss: %d is no reduction", (int)loss->reduction);
    if (row->fused && output != row->output)
        return bpi_fail(BP_ERR_UNSUPPORTED, "loss: %s needs a %s output layer, the network's is %s", row->name,
                        bp_activation_name(row->output), bp_activation_name(output));
    return BP_OK;
}

/* How far the sum of n probabilities may be from 1: they may come from single precision, each rounded once. */
static double slack_of_sum(size_t n)
{
    return 1e-6 + (double)n * (double)FLT_EPSILON;
}

bp_status bpi_loss_check_values(const bpi_loss_row *row, size_t i, size_t first, size_t n, const bp_real *t, double *sum)
{
    const bool bounded = row != NULL && row->in_unit_interval;
    for (size_t j = 0; j < n; j++) {
        const double value = (double)t[j];
        if (!isfinite(value))
            return bpi_fail(BP_ERR_NONFINITE, "targets: row %zu, column %zu is %g", i, first + j, value);
        if (bounded && !(value >= 0 && value <= 1))
            return bpi_fail(BP_ERR_TARGET, "targets: row %zu, column %zu is %g, %s takes 0 to 1", i, first + j, value,
                            row->name);
        *sum += value;
    }
    return BP_OK;
}

bp_status bpi_loss_check_sum(const bpi_loss_row *row, size_t i, size_t n, double sum)
{
    if (row != NULL && row->sums_to_one && fabs(sum - 1) > slack_of_sum(n))
        return bpi_fail(BP_ERR_TARGET, "targets: row %zu sums to %.9g, %s needs probabilities that sum to 1", i, sum,
                        row->name);
    return BP_OK;
}

bp_status bpi_loss_check_label(size_t i, size_t n, double label)
{
    if (!(label >= 0 && label < (double)n) || label != floor(label))
        return bpi_fail(BP_ERR_TARGET, "labels: row %zu is %g, the classes are 0 to %zu", i, label, n - 1);
    return BP_OK;
}

bp_status bpi_loss_check_weight(size_t i, double weight)
{
    if (!isfinite(weight))
        return bpi_fail(BP_ERR_NONFINITE, "weights: row %zu is %g", i, weight);
    if (weight < 0)
        return bpi_fail(BP_ERR_TARGET, "weights: row %zu is %g, a sample weight is at least 0", i, weight);
    return BP_OK;
}

static bp_status check_row(const bpi_loss_row *row, size_t i, size_t n, const bp_real *t)
{
    double sum = 0;
    BPI_TRY(bpi_loss_check_values(row, i, 0, n, t, &sum));
    return bpi_loss_check_sum(row, i, n, sum);
}

static bp_status check_targets(const bpi_loss_row *row, const struct bpi_loss_batch *at, const bp_targets *T)
{
    if ((T->values == NULL) == (T->labels == NULL))
        return bpi_fail(BP_ERR_ARGUMENT, "targets: %s",
                        T->values == NULL ? "neither values nor labels are given" : "both values and labels are given");
    for (size_t i = 0; i < at->batch; i++) {
        if (T->values != NULL)
            BPI_TRY(check_row(row, i, at->n, T->values + i * at->n));
        else
            BPI_TRY(bpi_loss_check_label(i, at->n, T->labels[i]));
        if (T->weights != NULL)
            BPI_TRY(bpi_loss_check_weight(i, (double)T->weights[i]));
    }
    return BP_OK;
}

double bpi_loss_weight_of_batch(const bp_targets *T, size_t batch)
{
    if (T->weights == NULL)
        return (double)batch;
    double sum = 0;
    for (size_t i = 0; i < batch; i++)
        sum += (double)T->weights[i];
    return sum;
}

/* Refuses weights whose sum a mean cannot be divided by. */
static bp_status check_weight_of_batch(double all)
{
    if (!isfinite(all))
        return bpi_fail(BP_ERR_NONFINITE, "weights: their sum over the batch is %g", all);
    return BP_OK;
}

/* The share of a row in the loss. A batch whose weights are all 0 has the loss 0. */
static double share_of_row(const bp_loss *loss, double own, double all)
{
    if (loss->reduction == BP_REDUCE_SUM)
        return own;
    return all > 0 ? own / all : 0;
}

bp_status bpi_loss_of_batch(const bp_loss *loss, const struct bpi_loss_batch *at, const bp_targets *T, double *L)
{
    const bpi_loss_row *row = bpi_loss(loss->kind);
    BPI_TRY(check_targets(row, at, T));

    const size_t n = at->n;
    const double all = bpi_loss_weight_of_batch(T, at->batch);
    BPI_TRY(check_weight_of_batch(all));
    double sum = 0;
    for (size_t i = 0; i < at->batch; i++) {
        const double share = share_of_row(loss, T->weights != NULL ? (double)T->weights[i] : 1, all);
        const bp_real *t = T->values != NULL ? T->values + i * n : at->one_hot;
        if (T->values == NULL)
            at->one_hot[T->labels[i]] = (bp_real)1;
        sum +=
            share * row->of_row(n, at->Z + i * n, at->Y + i * n, t, (bp_real)share, at->d != NULL ? at->d + i * n : NULL);
        if (T->values == NULL)
            at->one_hot[T->labels[i]] = (bp_real)0;
    }
    *L = sum;
    return BP_OK;
}
