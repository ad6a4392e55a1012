// SPDX-License-Identifier: MIT
/*
 * Metrics: sums over rows, taken one row after the other whatever the batches, and what follows from them at the end.
 */
#include "base/real.h"

#include "backprop/metrics.h"

#include "base/memory.h"
#include "base/status.h"
#include "math/loss.h"

/* A row of n outputs with its targets: values, or a label where t is NULL. */
struct sample {
    size_t n;
    const bp_real *y, *t;
    size_t label;
    double weight;
};

/* An output with the weight of its row, on the side on which the row stands. */
struct scored {
    double positive, negative;
    bp_real y;
};

/* ---- Tasks: how a row is counted ------------------------------------------------------------------------------------- */

/* The label of a single output is its target. */
static double target_of(const struct sample *s, size_t j)
{
    if (s->t != NULL)
        return (double)s->t[j];
    return s->n == 1 ? (double)s->label : (double)(s->label == j);
}

static size_t first_largest(const bp_real *x, size_t n)
{
    size_t at = 0;
    for (size_t j = 1; j < n; j++)
        at = x[j] > x[at] ? j : at;
    return at;
}

static bool is_yes(const struct sample *s, size_t j)
{
    return target_of(s, j) > 0.5;
}

static bool says_yes(const bp_metrics *metrics, const struct sample *s, size_t j)
{
    return (double)s->y[j] > metrics->threshold;
}

static size_t true_class(const bp_metrics *metrics, const struct sample *s)
{
    if (metrics->n_out == 1)
        return is_yes(s, 0);
    return s->t != NULL ? first_largest(s->t, metrics->n_out) : s->label;
}

static size_t predicted_class(const bp_metrics *metrics, const struct sample *s)
{
    return metrics->n_out == 1 ? says_yes(metrics, s, 0) : first_largest(s->y, metrics->n_out);
}

/* How many outputs come before that of class k: the larger ones, and equal ones before it. */
static size_t rank_of(const bp_real *y, size_t n, size_t k)
{
    size_t rank = 0;
    for (size_t j = 0; j < n; j++)
        rank += y[j] > y[k] || (y[j] == y[k] && j < k);
    return rank;
}

static void count_class(bp_metrics *metrics, const struct sample *s)
{
    const double w = s->weight;
    const size_t truth = true_class(metrics, s), guess = predicted_class(metrics, s);
    metrics->class_weight[truth] += w;
    metrics->class_predicted[guess] += w;
    if (truth == guess) {
        metrics->class_right[truth] += w;
        metrics->right += w;
        metrics->exact += w;
    }
    if (metrics->confusion != NULL)
        metrics->confusion[truth * metrics->n_classes + guess] += w;
    if (metrics->top_k != 0 && rank_of(s->y, metrics->n_out, truth) < metrics->top_k)
        metrics->in_top_k += w;
}

static void count_multi_label(bp_metrics *metrics, const struct sample *s)
{
    const double w = s->weight;
    size_t n_right = 0;
    for (size_t j = 0; j < metrics->n_out; j++) {
        const bool truth = is_yes(s, j), guess = says_yes(metrics, s, j);
        n_right += truth == guess;
        metrics->class_weight[j] += truth ? w : 0;
        metrics->class_predicted[j] += guess ? w : 0;
        metrics->class_right[j] += truth && guess ? w : 0;
        if (metrics->confusion != NULL)
            metrics->confusion[4 * j + 2 * (size_t)truth + (size_t)guess] += w;
    }
    metrics->right += w * (double)n_right;
    metrics->exact += n_right == metrics->n_out ? w : 0;
}

typedef void (*count_rule)(bp_metrics *metrics, const struct sample *s);

struct task {
    const char *name;
    count_rule count; /* NULL: there are no classes */
};

static const struct task tasks[BP_N_TASKS] = {
    [BP_TASK_REGRESSION] = { "regression", NULL },
    [BP_TASK_CLASSES] = { "classes", count_class },
    [BP_TASK_MULTI_LABEL] = { "multi_label", count_multi_label },
};

const char *bp_task_name(bp_task task)
{
    return (size_t)task < BP_N_TASKS ? tasks[task].name : "unknown";
}

static bool has_classes(const bp_metrics *metrics)
{
    return tasks[metrics->task].count != NULL;
}

static bool is_one_class_a_row(const bp_metrics *metrics)
{
    return metrics->task == BP_TASK_CLASSES && metrics->n_out > 1;
}

/* ---- Making ---------------------------------------------------------------------------------------------------------- */

/* A setting that changes nothing is a mistake of whoever made it. */
static bp_status check_use(const bp_metrics_config *config)
{
    const bool one_class = config->task == BP_TASK_CLASSES && config->n_out > 1;
    const bool regression = config->task == BP_TASK_REGRESSION;
    const struct {
        const char *name;
        bool set, useless;
    } settings[] = {
        { "threshold", config->threshold != (bp_real)0, regression || one_class },
        { "top_k", config->top_k != 0, !one_class },
        { "auc_rows", config->auc_rows != 0, regression },
        { "confusion", config->confusion, regression },
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (settings[i].set && settings[i].useless)
            return bpi_fail(BP_ERR_UNSUPPORTED, "bp_metrics_init: %s is set, the task %s with n_out %zu has no use for it",
                            settings[i].name, tasks[config->task].name, config->n_out);
    return BP_OK;
}

static bp_status check_config(const bp_metrics_config *config)
{
    if (config->n_out == 0)
        return bpi_fail(BP_ERR_SHAPE, "bp_metrics_init: n_out is 0");
    if ((size_t)config->task >= BP_N_TASKS)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_metrics_init: %d is no task", (int)config->task);
    if (!isfinite(config->threshold))
        return bpi_fail(BP_ERR_ARGUMENT, "bp_metrics_init: threshold is %g, expected a finite number",
                        (double)config->threshold);
    BPI_TRY(check_use(config));
    if (config->top_k > config->n_out)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_metrics_init: top_k is %zu, there are %zu classes", config->top_k,
                        config->n_out);
    return bpi_check_allocator("bp_metrics_init", config->allocator);
}

static bp_metrics with_settings(const bp_metrics_config *config)
{
    bp_metrics made = { .n_out = config->n_out,
                        .task = config->task,
                        .threshold = config->threshold != (bp_real)0 ? (double)config->threshold : 0.5,
                        .top_k = config->top_k,
                        .auc_rows = config->auc_rows,
                        .allocator = bpi_allocator_or_default(config->allocator) };
    if (has_classes(&made))
        made.n_classes = made.task == BP_TASK_CLASSES && made.n_out == 1 ? 2 : made.n_out;
    return made;
}

/* Columns of the confusion matrix for a true class (an output, for multi-labels): its entries are n_classes times that. */
static size_t confusion_columns(const bp_metrics *metrics)
{
    return metrics->task == BP_TASK_MULTI_LABEL ? 4 : metrics->n_classes;
}

/* Walks over the arrays of the block in one order, to measure it (block NULL) and to place them. */
static struct bpi_plan lay_out(bp_metrics *m, bool confusion, void *block)
{
    struct bpi_plan plan = { 0 };
    double **const of_outputs[] = { &m->squares, &m->absolutes, &m->target_mean, &m->target_spread };
    for (size_t i = 0; i < sizeof of_outputs / sizeof of_outputs[0]; i++)
        *of_outputs[i] = bpi_plan_or_place(&plan, block, 1, m->n_out, sizeof(double));
    double **const of_classes[] = { &m->class_right, &m->class_weight, &m->class_predicted };
    for (size_t i = 0; i < sizeof of_classes / sizeof of_classes[0]; i++)
        *of_classes[i] = bpi_plan_or_place(&plan, block, 1, m->n_classes, sizeof(double));
    m->confusion = bpi_plan_or_place(&plan, block, confusion ? m->n_classes : 0, confusion_columns(m), sizeof(double));

    m->scores = bpi_plan_or_place(&plan, block, m->n_out, m->auc_rows, sizeof(bp_real));
    m->positive = bpi_plan_or_place(&plan, block, m->n_out, m->auc_rows, 1);
    m->score_weights = bpi_plan_or_place(&plan, block, 1, m->auc_rows, sizeof(double));
    m->sorted = bpi_plan_or_place(&plan, block, 1, m->auc_rows, sizeof(struct scored));

    m->output_results = bpi_plan_or_place(&plan, block, 3, m->n_out, sizeof(double));
    m->class_results = bpi_plan_or_place(&plan, block, 4, m->n_classes, sizeof(double));
    return plan;
}

bp_status bp_metrics_init(bp_metrics *metrics, const bp_metrics_config *config)
{
    BPI_NOT_NULL(metrics);
    *metrics = (bp_metrics){ 0 };
    BPI_NOT_NULL(config);
    BPI_TRY(check_config(config));

    bp_metrics made = with_settings(config);
    const struct bpi_plan plan = lay_out(&made, config->confusion, NULL);
    BPI_TRY(bpi_plan_allocate(&plan, __func__, &made.allocator, &made.block));
    (void)lay_out(&made, config->confusion, made.block);
    *metrics = made;
    return BP_OK;
}

void bp_metrics_free(bp_metrics *metrics)
{
    if (metrics == NULL)
        return;
    bpi_release(&metrics->allocator, metrics->block);
    *metrics = (bp_metrics){ 0 };
}

static void fill(double *x, size_t n, double value)
{
    for (size_t i = 0; i < n; i++)
        x[i] = value;
}

void bp_metrics_reset(bp_metrics *metrics)
{
    if (metrics == NULL)
        return;
    bp_metrics *const m = metrics;
    m->rows = m->n_losses = 0;
    m->weight = m->loss_sum = m->loss_weight = 0;
    m->right = m->exact = m->in_top_k = m->log_loss = 0;
    m->improbable = false;

    double *const of_outputs[] = { m->squares, m->absolutes, m->target_mean, m->target_spread };
    for (size_t i = 0; i < sizeof of_outputs / sizeof of_outputs[0]; i++)
        fill(of_outputs[i], m->n_out, 0);
    double *const of_classes[] = { m->class_right, m->class_weight, m->class_predicted };
    for (size_t i = 0; i < sizeof of_classes / sizeof of_classes[0]; i++)
        fill(of_classes[i], m->n_classes, 0);
    if (m->confusion != NULL)
        fill(m->confusion, m->n_classes * confusion_columns(m), 0);
}

/* ---- Checking a batch ------------------------------------------------------------------------------------------------ */

static bp_status check_made(const char *function, const bp_metrics *metrics)
{
    if (metrics == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: metrics is NULL", function);
    if (metrics->block == NULL)
        return bpi_fail(BP_ERR_STATE, "%s: metrics is empty; bp_metrics_init() has not been called or has failed",
                        function);
    return BP_OK;
}

static bp_status check_sizes(const char *function, const bp_metrics *metrics, size_t batch)
{
    size_t n, rows;
    if (batch == 0)
        return bpi_fail(BP_ERR_SHAPE, "%s: batch is 0", function);
    if (!bpi_multiply(batch, metrics->n_out, &n) || !bpi_multiply(n, sizeof(bp_real), &n) ||
        !bpi_add(metrics->rows, batch, &rows))
        return bpi_fail(BP_ERR_TOO_LARGE, "%s: %zu rows of %zu outputs are more than memory can address", function, batch,
                        metrics->n_out);
    return BP_OK;
}

static bp_status check_room(const bp_metrics *metrics, size_t batch)
{
    if (metrics->auc_rows != 0 && batch > metrics->auc_rows - metrics->rows)
        return bpi_fail(BP_ERR_SHAPE, "bp_metrics_update: %zu rows and %zu more, auc_rows reserves room for %zu",
                        metrics->rows, batch, metrics->auc_rows);
    return BP_OK;
}

static bp_status check_targets_given(const char *function, const bp_targets *T)
{
    if ((T->values == NULL) == (T->labels == NULL))
        return bpi_fail(BP_ERR_ARGUMENT, "%s: T: %s", function,
                        T->values == NULL ? "neither values nor labels are given" : "both values and labels are given");
    return BP_OK;
}

static bp_status check_outputs(size_t n, const bp_real *y, size_t i)
{
    for (size_t j = 0; j < n; j++)
        if (!isfinite(y[j]))
            return bpi_fail(BP_ERR_NONFINITE, "outputs: row %zu, column %zu is %g", i, j, (double)y[j]);
    return BP_OK;
}

/* With a null `rule` targets need only be finite or a class. */
static bp_status check_target(const struct bpi_loss_rule *rule, size_t n, const bp_targets *T, size_t i)
{
    double sum = 0;
    if (T->values != NULL)
        BPI_TRY(bpi_loss_check_values(rule, i, 0, n, T->values + i * n, &sum));
    else
        BPI_TRY(bpi_loss_check_label(i, bpi_loss_n_classes(rule, n), T->labels[i]));
    return T->weights != NULL ? bpi_loss_check_weight(i, (double)T->weights[i]) : BP_OK;
}

/* ---- Adding a row ---------------------------------------------------------------------------------------------------- */

static struct sample sample_of(const bp_metrics *metrics, const bp_real *Y, const bp_targets *T, size_t i)
{
    return (struct sample){ .n = metrics->n_out,
                            .y = Y + i * metrics->n_out,
                            .t = T->values != NULL ? T->values + i * metrics->n_out : NULL,
                            .label = T->labels != NULL ? (size_t)T->labels[i] : 0,
                            .weight = T->weights != NULL ? (double)T->weights[i] : 1 };
}

/*
 * The mean and spread of the targets by West's updating formulas (Comm. ACM 22, 1979): with d = t - m of the rows before,
 * m += w / W d and spread += w d (t - m). sum w t^2 - W m^2 would lose every digit of targets far from 0.
 */
static void add_errors(bp_metrics *metrics, const struct sample *s)
{
    const double w = s->weight, share = w / metrics->weight;
    for (size_t j = 0; j < metrics->n_out; j++) {
        const double t = target_of(s, j), e = (double)s->y[j] - t, d = t - metrics->target_mean[j];
        metrics->squares[j] += w * (e * e);
        metrics->absolutes[j] += w * fabs(e);
        metrics->target_mean[j] += share * d;
        metrics->target_spread[j] += w * (d * (t - metrics->target_mean[j]));
    }
}

static bool is_probability(double p)
{
    return p >= 0 && p <= 1;
}

/* y away from 0 and 1 by the rounding of its type, as in scikit-learn: a loss of 36 (of 16 in single precision) at most. */
static double within_bounds(double y)
{
    const double e = (double)BP_REAL_EPSILON;
    return y < e ? e : y > 1 - e ? 1 - e : y;
}

static void add_log_loss(bp_metrics *metrics, const struct sample *s)
{
    const bool yes_or_no = !is_one_class_a_row(metrics);
    double sum = 0;
    for (size_t j = 0; j < metrics->n_out; j++) {
        const double t = target_of(s, j), y = (double)s->y[j], p = within_bounds(y);
        metrics->improbable |= !is_probability(y) || !is_probability(t);
        if (t != 0) /* spares most of the logarithms */
            sum -= t * log(p);
        if (yes_or_no)
            sum -= (1 - t) * log1p(-p);
    }
    metrics->log_loss += s->weight * (yes_or_no ? sum / (double)metrics->n_out : sum);
}

static void keep_scores(bp_metrics *metrics, const struct sample *s, size_t row)
{
    const bool one_class = is_one_class_a_row(metrics);
    const size_t k = one_class ? true_class(metrics, s) : 0;
    for (size_t j = 0; j < metrics->n_out; j++) {
        metrics->scores[j * metrics->auc_rows + row] = s->y[j];
        metrics->positive[j * metrics->auc_rows + row] = one_class ? j == k : is_yes(s, j);
    }
    metrics->score_weights[row] = s->weight;
}

static void add_row(bp_metrics *metrics, const struct sample *s)
{
    if (metrics->auc_rows != 0)
        keep_scores(metrics, s, metrics->rows);
    metrics->rows++;
    if (s->weight == 0)
        return;
    metrics->weight += s->weight;
    add_errors(metrics, s);
    if (has_classes(metrics)) {
        tasks[metrics->task].count(metrics, s);
        add_log_loss(metrics, s);
    }
}

bp_status bp_metrics_update(bp_metrics *metrics, const bp_real *Y, const bp_targets *T, size_t batch)
{
    BPI_TRY(check_made(__func__, metrics));
    BPI_NOT_NULL(Y);
    BPI_NOT_NULL(T);
    BPI_TRY(check_sizes(__func__, metrics, batch));
    BPI_TRY(check_room(metrics, batch));
    BPI_TRY(check_targets_given(__func__, T));
    for (size_t i = 0; i < batch; i++) {
        BPI_TRY(check_outputs(metrics->n_out, Y + i * metrics->n_out, i));
        BPI_TRY(check_target(NULL, metrics->n_out, T, i));
    }

    for (size_t i = 0; i < batch; i++) {
        const struct sample s = sample_of(metrics, Y, T, i);
        add_row(metrics, &s);
    }
    return BP_OK;
}

/* ---- Adding a loss --------------------------------------------------------------------------------------------------- */

static bp_status check_loss(const bp_metrics *metrics, const bp_loss *loss)
{
    const struct bpi_loss_rule *rule = bpi_loss(loss->kind);
    const bp_activation output = rule != NULL && rule->fused ? rule->output : BP_IDENTITY;
    BPI_TRY(bpi_loss_check(loss, output, metrics->n_out));
    if (metrics->n_losses > 0 && loss->reduction != metrics->loss_reduction)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_metrics_add_loss: the reduction is %s, that of the losses before is %s",
                        loss->reduction == BP_REDUCE_SUM ? "a sum" : "a mean",
                        loss->reduction == BP_REDUCE_SUM ? "a mean" : "a sum");
    return BP_OK;
}

bp_status bp_metrics_add_loss(bp_metrics *metrics, const bp_loss *loss, const bp_targets *T, size_t batch, bp_real L)
{
    BPI_TRY(check_made(__func__, metrics));
    BPI_NOT_NULL(loss);
    BPI_NOT_NULL(T);
    BPI_TRY(check_sizes(__func__, metrics, batch));
    BPI_TRY(check_loss(metrics, loss));
    BPI_TRY(check_targets_given(__func__, T));
    for (size_t i = 0; i < batch; i++)
        BPI_TRY(check_target(bpi_loss(loss->kind), metrics->n_out, T, i));
    if (!isfinite(L))
        return bpi_fail(BP_ERR_NONFINITE, "bp_metrics_add_loss: L is %g", (double)L);

    const double weight = bpi_loss_weight_of_batch(loss, T, batch, metrics->n_out);
    metrics->n_losses++;
    metrics->loss_reduction = loss->reduction;
    metrics->loss_weight += weight;
    metrics->loss_sum += loss->reduction == BP_REDUCE_MEAN ? weight * (double)L : (double)L;
    return BP_OK;
}

/* ---- The area under the ROC curve ------------------------------------------------------------------------------------ */

/* Lets the entry at `root` sink in the heap of the first n until none below it is larger. */
static void sink(struct scored *s, size_t root, size_t n)
{
    const struct scored sinking = s[root];
    for (size_t child = 2 * root + 1; child < n; child = 2 * root + 1) {
        if (child + 1 < n && s[child].y < s[child + 1].y)
            child++;
        if (!(sinking.y < s[child].y))
            break;
        s[root] = s[child];
        root = child;
    }
    s[root] = sinking;
}

/* Ascending by y. Heapsort (Williams, Comm. ACM 7, 1964): in place, never quadratic; qsort() may take memory. */
static void sort(struct scored *s, size_t n)
{
    for (size_t root = n / 2; root-- > 0;)
        sink(s, root, n);
    for (size_t last = n; last-- > 1;) {
        const struct scored largest = s[0];
        s[0] = s[last];
        s[last] = largest;
        sink(s, 0, last);
    }
}

static void gather_scores(const bp_metrics *metrics, size_t j, struct scored *s)
{
    for (size_t i = 0; i < metrics->rows; i++) {
        const bool positive = metrics->positive[j * metrics->auc_rows + i] != 0;
        const double w = metrics->score_weights[i];
        s[i] = (struct scored){ .positive = positive ? w : 0,
                                .negative = positive ? 0 : w,
                                .y = metrics->scores[j * metrics->auc_rows + i] };
    }
}

/*
 * The Mann-Whitney statistic over its largest value, which is the area (Hanley and McNeil, Radiology 143, 1982): going up,
 * each run of equal outputs has its positive rows win against all negative ones below, and half against those in the run.
 */
static double area_of_output(bp_metrics *metrics, size_t j)
{
    struct scored *s = metrics->sorted;
    gather_scores(metrics, j, s);
    sort(s, metrics->rows);

    double won = 0, positive = 0, negative = 0;
    for (size_t i = 0; i < metrics->rows;) {
        const bp_real y = s[i].y;
        double tied_positive = 0, tied_negative = 0;
        for (; i < metrics->rows && s[i].y == y; i++) {
            tied_positive += s[i].positive;
            tied_negative += s[i].negative;
        }
        won += tied_positive * (negative + tied_negative / 2);
        positive += tied_positive;
        negative += tied_negative;
    }
    if (!(positive > 0 && negative > 0))
        return (double)NAN;
    return fmin(won / (positive * negative), 1); /* weights may round to more */
}

static void compute_areas(bp_metrics *metrics, bp_metrics_result *result)
{
    double *areas = metrics->class_results + 3 * metrics->n_classes, sum = 0;
    for (size_t j = 0; j < metrics->n_out; j++)
        areas[j] = area_of_output(metrics, j);
    if (metrics->n_out < metrics->n_classes) /* of one output: class 0 against 1 is class 1 against 0 */
        areas[1] = areas[0];
    for (size_t c = 0; c < metrics->n_classes; c++)
        sum += areas[c];
    result->auc = sum / (double)metrics->n_classes;
}

/* ---- The result ------------------------------------------------------------------------------------------------------ */

/* 1 - squares / spread, where constant targets leave nothing to be explained. */
static double determination(const bp_metrics *metrics, size_t j)
{
    const double squares = metrics->squares[j], spread = metrics->target_spread[j];
    if (metrics->rows < 2)
        return (double)NAN;
    if (spread > 0)
        return 1 - squares / spread;
    return squares > 0 ? 0 : 1;
}

static void compute_errors(bp_metrics *metrics, bp_metrics_result *result)
{
    const size_t n = metrics->n_out;
    double *mse = metrics->output_results, *mae = mse + n, *r2 = mae + n;
    double squares = 0, absolutes = 0, determinations = 0;
    for (size_t j = 0; j < n; j++) {
        mse[j] = metrics->squares[j] / metrics->weight;
        mae[j] = metrics->absolutes[j] / metrics->weight;
        r2[j] = determination(metrics, j);
        squares += mse[j];
        absolutes += mae[j];
        determinations += r2[j];
    }
    result->mse = squares / (double)n;
    result->rmse = sqrt(result->mse);
    result->mae = absolutes / (double)n;
    result->r2 = determinations / (double)n;
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static void compute_class_shares(bp_metrics *metrics)
{
    const size_t n = metrics->n_classes;
    double *precision = metrics->class_results, *recall = precision + n, *f1 = recall + n;
    for (size_t c = 0; c < n; c++) {
        const double right = metrics->class_right[c], weight = metrics->class_weight[c];
        const double predicted = metrics->class_predicted[c];
        precision[c] = share(right, predicted);
        recall[c] = share(right, weight);
        f1[c] = share(2 * right, weight + predicted);
    }
}

/* Macro and micro averages. A class that nobody saw has zeros, and in one class a row it does not count. */
static void compute_averages(const bp_metrics *metrics, bp_metrics_result *result)
{
    const size_t n = metrics->n_classes;
    const double *precision = metrics->class_results, *recall = precision + n, *f1 = recall + n;
    double sums[3] = { 0 }, right = 0, weight = 0, predicted = 0;
    size_t n_counted = 0;
    for (size_t c = 0; c < n; c++) {
        const bool seen = metrics->class_weight[c] + metrics->class_predicted[c] > 0;
        n_counted += seen || metrics->task == BP_TASK_MULTI_LABEL;
        sums[0] += precision[c];
        sums[1] += recall[c];
        sums[2] += f1[c];
        right += metrics->class_right[c];
        weight += metrics->class_weight[c];
        predicted += metrics->class_predicted[c];
    }
    result->precision_macro = sums[0] / (double)n_counted;
    result->recall_macro = sums[1] / (double)n_counted;
    result->f1_macro = sums[2] / (double)n_counted;
    result->precision_micro = share(right, predicted);
    result->recall_micro = share(right, weight);
    result->f1_micro = share(2 * right, weight + predicted);
}

static void compute_classes(bp_metrics *metrics, bp_metrics_result *result)
{
    const bool multi_label = metrics->task == BP_TASK_MULTI_LABEL;
    const double n_counted = metrics->weight * (multi_label ? (double)metrics->n_out : 1);
    result->accuracy = fmin(metrics->right / n_counted, 1); /* weights may round to more */
    result->exact_match = metrics->exact / metrics->weight;
    if (metrics->top_k != 0)
        result->top_k = metrics->in_top_k / metrics->weight;
    if (!metrics->improbable)
        result->log_loss = metrics->log_loss / metrics->weight;
    compute_class_shares(metrics);
    compute_averages(metrics, result);
}

static double loss_so_far(const bp_metrics *metrics)
{
    const bool mean = metrics->loss_reduction == BP_REDUCE_MEAN;
    if (metrics->n_losses == 0 || (mean && !(metrics->loss_weight > 0)))
        return (double)NAN;
    return mean ? metrics->loss_sum / metrics->loss_weight : metrics->loss_sum;
}

/* Nothing known yet: NaN, and arrays of NaN. */
static bp_metrics_result unknown(bp_metrics *metrics)
{
    const double nan = (double)NAN;
    const size_t n_out = metrics->n_out, n_classes = metrics->n_classes;
    double *outputs = metrics->output_results, *classes = metrics->class_results;
    fill(outputs, 3 * n_out, nan);
    fill(classes, 4 * n_classes, nan);

    bp_metrics_result result = { .rows = metrics->rows, .weight = metrics->weight, .n_out = n_out, .n_classes = n_classes };
    double *const numbers[] = { &result.loss,
                                &result.mse,
                                &result.rmse,
                                &result.mae,
                                &result.r2,
                                &result.accuracy,
                                &result.exact_match,
                                &result.top_k,
                                &result.log_loss,
                                &result.precision_macro,
                                &result.recall_macro,
                                &result.f1_macro,
                                &result.precision_micro,
                                &result.recall_micro,
                                &result.f1_micro,
                                &result.auc };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        *numbers[i] = nan;

    result.output_mse = outputs;
    result.output_mae = outputs + n_out;
    result.output_r2 = outputs + 2 * n_out;
    if (n_classes > 0) {
        result.class_weight = metrics->class_weight;
        result.class_predicted = metrics->class_predicted;
        result.class_precision = classes;
        result.class_recall = classes + n_classes;
        result.class_f1 = classes + 2 * n_classes;
        result.class_auc = metrics->auc_rows != 0 ? classes + 3 * n_classes : NULL;
        result.confusion = metrics->confusion;
    }
    return result;
}

bp_status bp_metrics_compute(bp_metrics *metrics, bp_metrics_result *result)
{
    BPI_TRY(check_made(__func__, metrics));
    BPI_NOT_NULL(result);
    if (metrics->rows == 0 && metrics->n_losses == 0)
        return bpi_fail(BP_ERR_STATE, "bp_metrics_compute: there are no rows yet");

    *result = unknown(metrics);
    result->loss = loss_so_far(metrics);
    if (metrics->weight > 0) {
        compute_errors(metrics, result);
        if (has_classes(metrics))
            compute_classes(metrics, result);
        if (metrics->auc_rows != 0)
            compute_areas(metrics, result);
    }
    return BP_OK;
}
