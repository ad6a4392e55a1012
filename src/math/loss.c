// SPDX-License-Identifier: MIT
/*
 * The losses with their gradients, and the targets that they take. Going on through the layers is propagation.c's affair.
 */
#include "math/loss.h"

#include "base/status.h"
#include "math/vector_loop.h"

/* l = 1/2 sum (y - t)^2,  dl/dy = y - t. */
static double squared_error(const bp_loss *loss, const struct bpi_loss_row *row, bp_real weight, bp_real *d)
{
    (void)loss;
    double sum = 0;
    for (size_t j = 0; j < row->n; j++) {
        const bp_real e = row->y[j] - row->t[j];
        sum += (double)e * (double)e;
        if (d != NULL)
            d[j] = weight * e;
    }
    return sum / 2;
}

/* Short rows, of which many fit into the time of a call. */
static double squared_error_of_rows(size_t batch, size_t n, const bp_real *Y, const bp_real *T, double share, bp_real *d)
{
    double total = 0;
    for (size_t i = 0; i < batch; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++) {
            const double e = (double)(Y[i * n + j] - T[i * n + j]);
            sum += e * e;
        }
        total += share * (sum / 2);
    }
    const size_t all = d != NULL ? batch * n : 0;
    VECTOR_LOOP
    for (size_t k = 0; k < all; k++)
        d[k] = (bp_real)share * (Y[k] - T[k]);
    return total;
}

/*
 * With y = 1 / (1 + e^-z):  -t log y - (1 - t) log(1 - y) = max(z, 0) - t z + log(1 + e^-|z|),  dl/dz = y - t.
 * No logarithm of a number near 0 is taken, so the loss of a confident mistake is right: |z|, not infinity. The first two terms
 * are one product, (1 - t) z or -t z, for their difference would lose the digits of a target near 1.
 */
static double binary_cross_entropy(const bp_loss *loss, const struct bpi_loss_row *row, bp_real weight, bp_real *d)
{
    (void)loss;
    double sum = 0;
    for (size_t j = 0; j < row->n; j++) {
        const bp_real z = row->z[j], t = row->t[j];
        const bp_real factor = z < (bp_real)0 ? -t : (bp_real)1 - t;
        const bp_real product = factor == (bp_real)0 ? (bp_real)0 : factor * z; /* 0 for an infinite z as well */
        sum += (double)(product + BPI_LOG1P(BPI_EXP(-BPI_FABS(z))));
        if (d != NULL)
            d[j] = weight * (row->y[j] - t);
    }
    return sum;
}

static size_t index_of_largest(size_t n, const bp_real *z)
{
    size_t at = 0;
    for (size_t j = 1; j < n; j++)
        at = z[j] > z[at] ? j : at;
    return at;
}

/*
 * log sum_k e^(z_k) - max z, at least 0: log(1 + sum of the e^(z_k - max z) of the others), which are quotients of the
 * outputs, y_k / y_max. The 1 is log1p's to add, so that small others are not lost.
 */
static double log_sum_exp_above_max(size_t n, const bp_real *y, size_t at_max)
{
    double others = 0;
    for (size_t j = 0; j < n; j++)
        if (j != at_max)
            others += (double)y[j];
    return log1p(others / (double)y[at_max]);
}

/*
 * With y = softmax(z):  -sum t log y = sum_j t_j (log sum_k e^(z_k) - z_j),  dl/dz = y sum(t) - t.
 * sum(t) is 1 up to the rounding of the user's targets; keeping it makes the gradient that of the value.
 */
static double cross_entropy(const bp_loss *loss, const struct bpi_loss_row *row, bp_real weight, bp_real *d)
{
    (void)loss;
    const bp_real *z = row->z, *t = row->t;
    const size_t at_max = index_of_largest(row->n, z);
    const double above_max = log_sum_exp_above_max(row->n, row->y, at_max);
    double sum = 0, sum_of_t = 0;
    for (size_t j = 0; j < row->n; j++) {
        if (t[j] != (bp_real)0) /* 0 times an infinite logit is 0 */
            sum += (double)t[j] * (above_max + (double)(z[at_max] - z[j]));
        sum_of_t += (double)t[j];
    }
    if (d != NULL)
        for (size_t j = 0; j < row->n; j++)
            d[j] = weight * (row->y[j] * (bp_real)sum_of_t - t[j]);
    return sum;
}

static bp_real sign_of(bp_real x)
{
    return (bp_real)((x > (bp_real)0) - (x < (bp_real)0));
}

/* l = sum |e|, e = y - t,  dl/dy = sign e. */
static double mae(const bp_loss *loss, const struct bpi_loss_row *row, bp_real weight, bp_real *d)
{
    (void)loss;
    double sum = 0;
    for (size_t j = 0; j < row->n; j++) {
        const bp_real e = row->y[j] - row->t[j];
        sum += (double)BPI_FABS(e);
        if (d != NULL)
            d[j] = weight * sign_of(e);
    }
    return sum;
}

static int mae_piece(bp_real y, bp_real t, bp_real parameter)
{
    (void)parameter;
    return (y > t) - (y < t);
}

/* l = sum (|e| <= p ? e^2 / 2 : p (|e| - p / 2)), e = y - t,  dl/dy = e, kept within [-p, p]. */
static double huber(const bp_loss *loss, const struct bpi_loss_row *row, bp_real weight, bp_real *d)
{
    const bp_real p = bpi_loss_parameter(loss);
    double sum = 0;
    for (size_t j = 0; j < row->n; j++) {
        const bp_real e = row->y[j] - row->t[j], size = BPI_FABS(e);
        sum += (double)(size <= p ? e * e / (bp_real)2 : p * (size - p / (bp_real)2));
        if (d != NULL)
            d[j] = weight * (size <= p ? e : p * sign_of(e));
    }
    return sum;
}

/* The slope of Huber's loss is continuous, but bends at |e| = p. */
static int huber_piece(bp_real y, bp_real t, bp_real parameter)
{
    return (y - t > parameter) - (y - t < -parameter);
}

/* l = sum (y - t log y),  dl/dy = 1 - t / y. Where t is 0 the loss is y, for y = 0 as well. */
static double poisson(const bp_loss *loss, const struct bpi_loss_row *row, bp_real weight, bp_real *d)
{
    (void)loss;
    double sum = 0;
    for (size_t j = 0; j < row->n; j++) {
        const bp_real y = row->y[j], t = row->t[j];
        const bool counts = t != (bp_real)0;
        sum += (double)y - (counts ? (double)t * log((double)y) : 0);
        if (d != NULL)
            d[j] = weight * ((bp_real)1 - (counts ? t / y : (bp_real)0));
    }
    return sum;
}

/* l = sum max(p u, (p - 1) u), u = t - y,  dl/dy = -p where u > 0, 1 - p where u < 0, 0 at the kink. */
static double quantile(const bp_loss *loss, const struct bpi_loss_row *row, bp_real weight, bp_real *d)
{
    const bp_real p = bpi_loss_parameter(loss);
    double sum = 0;
    for (size_t j = 0; j < row->n; j++) {
        const bp_real u = row->t[j] - row->y[j];
        sum += (double)(u > (bp_real)0 ? p * u : (p - (bp_real)1) * u);
        if (d != NULL)
            d[j] = weight * (u > (bp_real)0 ? -p : (u < (bp_real)0 ? (bp_real)1 - p : (bp_real)0));
    }
    return sum;
}

static double custom(const bp_loss *loss, const struct bpi_loss_row *row, bp_real weight, bp_real *d)
{
    const double value = loss->custom->of_row(row->n, row->y, row->t, loss->custom->user, d);
    for (size_t j = 0; d != NULL && j < row->n; j++)
        d[j] *= weight;
    return value;
}

static const struct bpi_loss_rule rules[BP_N_LOSSES] = {
    [BP_SQUARED_ERROR] = { .name = "squared_error", .of_row = squared_error, .of_even_rows = squared_error_of_rows },
    [BP_BINARY_CROSS_ENTROPY] = { .name = "binary_cross_entropy",
                                  .of_row = binary_cross_entropy,
                                  .fused = true,
                                  .output = BP_SIGMOID,
                                  .range = BPI_TARGET_PROBABILITY },
    [BP_CROSS_ENTROPY] = { .name = "cross_entropy",
                           .of_row = cross_entropy,
                           .fused = true,
                           .output = BP_SOFTMAX,
                           .range = BPI_TARGET_PROBABILITY,
                           .sums_to_one = true },
    [BP_MAE] = { .name = "mae", .of_row = mae, .piece = mae_piece },
    [BP_HUBER] = { .name = "huber",
                   .of_row = huber,
                   .piece = huber_piece,
                   .default_parameter = 1,
                   .parameter_limit = BP_REAL_MAX },
    [BP_POISSON] = { .name = "poisson", .of_row = poisson, .range = BPI_TARGET_NOT_NEGATIVE },
    [BP_QUANTILE] = { .name = "quantile",
                      .of_row = quantile,
                      .piece = mae_piece,
                      .default_parameter = (bp_real)0.5,
                      .parameter_limit = 1 },
    [BP_CUSTOM_LOSS] = { .name = "custom", .of_row = custom },
};

const struct bpi_loss_rule *bpi_loss(bp_loss_kind kind)
{
    return (size_t)kind < BP_N_LOSSES ? &rules[kind] : NULL;
}

const char *bp_loss_name(bp_loss_kind kind)
{
    const struct bpi_loss_rule *rule = bpi_loss(kind);
    return rule != NULL ? rule->name : "unknown";
}

bp_real bpi_loss_parameter(const bp_loss *loss)
{
    return loss->parameter != (bp_real)0 ? loss->parameter : rules[loss->kind].default_parameter;
}

/* ---- Settings -------------------------------------------------------------------------------------------------------- */

static bp_status check_parameter(const bp_loss *loss, const struct bpi_loss_rule *rule)
{
    const bp_real p = bpi_loss_parameter(loss);
    if (rule->default_parameter == (bp_real)0 && p != (bp_real)0)
        return bpi_fail(BP_ERR_ARGUMENT, "loss: %s takes no parameter, found %g", rule->name, (double)p);
    if (rule->default_parameter != (bp_real)0 && !(p > (bp_real)0 && p < rule->parameter_limit))
        return bpi_fail(BP_ERR_ARGUMENT, "loss: the parameter of %s is %g, expected 0 < parameter < %g", rule->name,
                        (double)p, (double)rule->parameter_limit);
    if (!(loss->label_smoothing >= (bp_real)0 && loss->label_smoothing < (bp_real)1))
        return bpi_fail(BP_ERR_ARGUMENT, "loss: label_smoothing is %g, expected 0 <= label_smoothing < 1",
                        (double)loss->label_smoothing);
    if (loss->label_smoothing != (bp_real)0 && loss->kind != BP_CROSS_ENTROPY)
        return bpi_fail(BP_ERR_UNSUPPORTED, "loss: label smoothing goes with cross_entropy, not with %s", rule->name);
    return BP_OK;
}

static bp_status check_custom(const bp_loss *loss)
{
    const bp_loss_function *function = loss->custom;
    if ((function != NULL) != (loss->kind == BP_CUSTOM_LOSS))
        return bpi_fail(BP_ERR_ARGUMENT, "loss: `custom` is %s with the loss %s", function != NULL ? "given" : "NULL",
                        bp_loss_name(loss->kind));
    if (function != NULL && (function->of_row == NULL || function->name == NULL || function->name[0] == '\0'))
        return bpi_fail(BP_ERR_ARGUMENT, "loss: the custom loss has no %s", function->of_row == NULL ? "function" : "name");
    return BP_OK;
}

static bp_status check_class_weights(const bp_loss *loss, size_t n_out)
{
    if (loss->class_weights == NULL)
        return BP_OK;
    const bool binary = loss->kind == BP_BINARY_CROSS_ENTROPY && n_out == 1;
    if (loss->kind != BP_CROSS_ENTROPY && !binary)
        return bpi_fail(BP_ERR_UNSUPPORTED,
                        "loss: class weights go with cross_entropy, or with binary_cross_entropy of one "
                        "output, not with %s of %zu",
                        bp_loss_name(loss->kind), n_out);
    for (size_t k = 0; k < (binary ? 2 : n_out); k++) {
        const double weight = (double)loss->class_weights[k];
        if (!(weight >= 0) || !isfinite(weight))
            return bpi_fail(BP_ERR_ARGUMENT, "loss: the weight of class %zu is %g, expected a finite number >= 0", k,
                            weight);
    }
    return BP_OK;
}

bp_status bpi_loss_check(const bp_loss *loss, bp_activation output, size_t n_out)
{
    const struct bpi_loss_rule *rule = bpi_loss(loss->kind);
    if (rule == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "loss: %d is no loss", (int)loss->kind);
    if (loss->reduction != BP_REDUCE_MEAN && loss->reduction != BP_REDUCE_SUM)
        return bpi_fail(BP_ERR_ARGUMENT, "loss: %d is no reduction", (int)loss->reduction);
    if (rule->fused && output != rule->output)
        return bpi_fail(BP_ERR_UNSUPPORTED, "loss: %s needs a %s output layer, the network's is %s", rule->name,
                        bp_activation_name(rule->output), bp_activation_name(output));
    BPI_TRY(check_parameter(loss, rule));
    BPI_TRY(check_custom(loss));
    return check_class_weights(loss, n_out);
}

/* ---- Targets --------------------------------------------------------------------------------------------------------- */

/* How far the sum of n probabilities may be from 1: they may come from single precision, each rounded once. */
static double slack_of_sum(size_t n)
{
    return 1e-6 + (double)n * (double)FLT_EPSILON;
}

/* What is wrong with a finite target; NULL: nothing. */
static const char *complaint(enum bpi_target_range range, double value)
{
    if (range == BPI_TARGET_PROBABILITY && !(value >= 0 && value <= 1))
        return "takes 0 to 1";
    if (range == BPI_TARGET_NOT_NEGATIVE && value < 0)
        return "takes 0 and above";
    return NULL;
}

bp_status bpi_loss_check_values(const struct bpi_loss_rule *rule, size_t i, size_t first, size_t n, const bp_real *t,
                                double *sum)
{
    const enum bpi_target_range range = rule != NULL ? rule->range : BPI_ANY_TARGET;
    for (size_t j = 0; j < n; j++) {
        const double value = (double)t[j];
        if (!isfinite(value))
            return bpi_fail(BP_ERR_NONFINITE, "targets: row %zu, column %zu is %g", i, first + j, value);
        if (range != BPI_ANY_TARGET && complaint(range, value) != NULL)
            return bpi_fail(BP_ERR_TARGET, "targets: row %zu, column %zu is %g, %s %s", i, first + j, value, rule->name,
                            complaint(range, value));
        *sum += value;
    }
    return BP_OK;
}

bp_status bpi_loss_check_sum(const struct bpi_loss_rule *rule, size_t i, size_t n, double sum)
{
    if (rule != NULL && rule->sums_to_one && fabs(sum - 1) > slack_of_sum(n))
        return bpi_fail(BP_ERR_TARGET, "targets: row %zu sums to %.9g, %s needs probabilities that sum to 1", i, sum,
                        rule->name);
    return BP_OK;
}

size_t bpi_loss_n_classes(const struct bpi_loss_rule *rule, size_t n)
{
    return n == 1 && (rule == NULL || !rule->sums_to_one) ? 2 : n;
}

bp_status bpi_loss_check_label(size_t i, size_t n_classes, double label)
{
    if (!(label >= 0 && label < (double)n_classes) || label != floor(label))
        return bpi_fail(BP_ERR_TARGET, "labels: row %zu is %g, the classes are 0 to %zu", i, label, n_classes - 1);
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

static bp_status check_row(const struct bpi_loss_rule *rule, size_t i, size_t n, const bp_real *t)
{
    double sum = 0;
    BPI_TRY(bpi_loss_check_values(rule, i, 0, n, t, &sum));
    return bpi_loss_check_sum(rule, i, n, sum);
}

/* Whether the loss takes each of n numbers, at a glance: which one it does not take, and why, is for a second look. */
static bool all_in_range(enum bpi_target_range range, size_t n, const bp_real *t)
{
    const bp_real least = range == BPI_ANY_TARGET ? -BP_REAL_MAX : (bp_real)0;
    const bp_real most = range == BPI_TARGET_PROBABILITY ? (bp_real)1 : BP_REAL_MAX;
    unsigned are_good = 1;
    for (size_t j = 0; j < n; j++) /* without branches, so that a compiler may look at several at a time */
        are_good &= (unsigned)(t[j] >= least) & (unsigned)(t[j] <= most);
    return are_good != 0;
}

static bp_status check_targets(const struct bpi_loss_rule *rule, const struct bpi_loss_batch *at, const bp_targets *T)
{
    if ((T->values == NULL) == (T->labels == NULL))
        return bpi_fail(BP_ERR_ARGUMENT, "targets: %s",
                        T->values == NULL ? "neither values nor labels are given" : "both values and labels are given");
    if (T->values != NULL && T->weights == NULL && !rule->sums_to_one &&
        all_in_range(rule->range, at->batch * at->n, T->values))
        return BP_OK;
    for (size_t i = 0; i < at->batch; i++) {
        if (T->values != NULL)
            BPI_TRY(check_row(rule, i, at->n, T->values + i * at->n));
        else
            BPI_TRY(bpi_loss_check_label(i, bpi_loss_n_classes(rule, at->n), T->labels[i]));
        if (T->weights != NULL)
            BPI_TRY(bpi_loss_check_weight(i, (double)T->weights[i]));
    }
    return BP_OK;
}

/* ---- Batches --------------------------------------------------------------------------------------------------------- */

static double class_weight_of_row(const bp_loss *loss, const bp_targets *T, size_t i, size_t n)
{
    if (loss->class_weights == NULL)
        return 1;
    if (T->values == NULL) /* a label */
        return (double)loss->class_weights[T->labels[i]];
    const bp_real *t = T->values + i * n;
    if (loss->kind == BP_BINARY_CROSS_ENTROPY)
        return (1 - (double)t[0]) * (double)loss->class_weights[0] + (double)t[0] * (double)loss->class_weights[1];
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += (double)t[k] * (double)loss->class_weights[k];
    return sum;
}

static double weight_of_row(const bp_loss *loss, const bp_targets *T, size_t i, size_t n)
{
    return (T->weights != NULL ? (double)T->weights[i] : 1) * class_weight_of_row(loss, T, i, n);
}

double bpi_loss_weight_of_batch(const bp_loss *loss, const bp_targets *T, size_t batch, size_t n)
{
    if (T->weights == NULL && loss->class_weights == NULL)
        return (double)batch;
    double sum = 0;
    for (size_t i = 0; i < batch; i++)
        sum += weight_of_row(loss, T, i, n);
    return sum;
}

/* The targets of row i as the loss takes them: where they are, or made in at->row out of a label or by smoothing. */
static const bp_real *targets_of_row(const bp_loss *loss, const struct bpi_loss_batch *at, const bp_targets *T, size_t i)
{
    const size_t n = at->n;
    const bp_real s = loss->label_smoothing;
    if (T->values != NULL && s == (bp_real)0)
        return T->values + i * n;
    if (T->values == NULL && n == 1 && !bpi_loss(loss->kind)->sums_to_one)
        at->row[0] = (bp_real)T->labels[i];
    else if (T->values == NULL)
        at->row[T->labels[i]] = (bp_real)1;
    for (size_t k = 0; s != (bp_real)0 && k < n; k++)
        at->row[k] = (T->values != NULL ? T->values[i * n + k] : at->row[k]) * ((bp_real)1 - s) + s / (bp_real)n;
    return at->row;
}

static void clear_row(const bp_loss *loss, const struct bpi_loss_batch *at, const bp_targets *T, size_t i)
{
    if (loss->label_smoothing != (bp_real)0)
        for (size_t k = 0; k < at->n; k++)
            at->row[k] = (bp_real)0;
    else if (T->values == NULL)
        at->row[at->n == 1 ? 0 : T->labels[i]] = (bp_real)0;
}

/* The share of a row in the loss. A batch whose weights are all 0 has the loss 0. */
static double share_of_row(const bp_loss *loss, double own, double all)
{
    if (loss->reduction == BP_REDUCE_SUM)
        return own;
    return all > 0 ? own / all : 0;
}

bp_status bpi_loss_of_batch(const bp_loss *loss, const struct bpi_loss_batch *at, const bp_targets *T, double *L,
                            double *weight)
{
    const struct bpi_loss_rule *rule = bpi_loss(loss->kind);
    BPI_TRY(check_targets(rule, at, T));

    const size_t n = at->n;
    const double all = bpi_loss_weight_of_batch(loss, T, at->batch, n);
    if (!isfinite(all))
        return bpi_fail(BP_ERR_NONFINITE, "weights: their sum over the batch is %g", all);
    const bool is_even = T->weights == NULL && loss->class_weights == NULL;
    double sum = 0, share = share_of_row(loss, 1, all);
    if (weight != NULL)
        *weight = all;
    if (is_even && rule->of_even_rows != NULL && T->values != NULL) { /* label smoothing goes with cross-entropy alone */
        *L = rule->of_even_rows(at->batch, n, at->Y, T->values, share, at->d);
        return BP_OK;
    }
    for (size_t i = 0; i < at->batch; i++) {
        if (!is_even)
            share = share_of_row(loss, weight_of_row(loss, T, i, n), all);
        const struct bpi_loss_row row = { n, at->Z + i * n, at->Y + i * n, targets_of_row(loss, at, T, i) };
        sum += share * rule->of_row(loss, &row, (bp_real)share, at->d != NULL ? at->d + i * n : NULL);
        clear_row(loss, at, T, i);
    }
    *L = sum;
    return BP_OK;
}
