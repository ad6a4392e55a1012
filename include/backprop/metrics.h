// SPDX-License-Identifier: MIT
/*
 * Metrics: how good outputs Y are, in numbers that people compare. Batch by batch; training is not their affair.
 *
 *   bp_metrics metrics;
 *   bp_metrics_result result;
 *   bp_metrics_init(&metrics, &(bp_metrics_config){ .n_out = 10, .task = BP_TASK_CLASSES });
 *   for each batch: bp_metrics_update(&metrics, Y, &T, batch);
 *   bp_metrics_compute(&metrics, &result);
 *   printf("%g\n", result.accuracy);
 *   bp_metrics_free(&metrics);
 *
 * All sums run in double in both precisions, row by row in the order in which the rows come: cutting the
 * same rows into other batches changes no bit. Y and T are in any units as long as they are the same;
 * after bp_predict() they are the user's.
 *
 * Below, w is the weight of a row (1 where there are none), y an output, t its target, sum_i runs over all rows since the
 * beginning and W = sum_i w. Counts are sums of weights: whole numbers, and exact, where there are no weights. A row whose
 * weight is 0 changes no metric. What is not asked for or not defined is NaN.
 */
#ifndef BACKPROP_METRICS_H
#define BACKPROP_METRICS_H

#include <stdbool.h>
#include <stddef.h>

#include "backprop/loss.h"
#include "backprop/memory.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What outputs and targets stand for. The values are fixed. */
typedef enum bp_task {
    /** Numbers. Only errors are measured: mse, rmse, mae, r2. */
    BP_TASK_REGRESSION = 0,
    /** One class a row. With several outputs a class each: that of the largest y is predicted, that of the largest t is
        right, the first of equals. With one output two classes, 0 and 1: predicted is 1 if y > threshold, right is 1 if
        t > 1/2. */
    BP_TASK_CLASSES = 1,
    /** Each output a yes or no of its own, yes being predicted if y > threshold and right if t > 1/2. A "class" is then an
        output, and occurs in a row if it is a yes there. */
    BP_TASK_MULTI_LABEL = 2,
    BP_N_TASKS /**< how many there are; grows with versions */
} bp_task;

/** Settings; zeroed but for n_out they measure errors. */
typedef struct bp_metrics_config {
    size_t n_out;      /**< columns of Y, >= 1 */
    bp_task task;      /**< default BP_TASK_REGRESSION */
    bool confusion;    /**< keep the confusion matrix: n_classes^2 doubles, 4 an output for BP_TASK_MULTI_LABEL; not for
                             BP_TASK_REGRESSION. Default false */
    bp_real threshold; /**< for yes or no: finite. Default 0: 1/2. Where 0 itself is meant (tanh), BP_REAL_MIN serves */
    size_t top_k;      /**< BP_TASK_CLASSES with several outputs: 1 .. n_out, for the metric top_k. Default 0: none */
    size_t auc_rows;   /**< reserves room for the outputs of so many rows, which the exact area under the ROC curve needs:
                             n_out (sizeof(bp_real) + 1) + 32 bytes each. No more rows are then taken. Default 0: no area */
    const bp_allocator *allocator; /**< default NULL: malloc and free */
} bp_metrics_config;

/**
 * The metrics. Pointers lead into the memory of the bp_metrics: read them before its next call.
 *
 * Definitions are those of scikit-learn unless a line says otherwise.
 */
typedef struct bp_metrics_result {
    size_t rows;   /**< seen, those of weight 0 included */
    double weight; /**< W. If it is 0, all metrics but the loss are NaN */
    double loss;   /**< of the batches handed to bp_metrics_add_loss(), as one. NaN if there were none, and for the mean of
                        batches whose weights are all 0 */

    size_t n_out;             /**< as configured */
    const double *output_mse; /**< n_out: sum_i w (y - t)^2 / W of each output */
    const double *output_mae; /**< n_out: sum_i w |y - t| / W */
    const double *output_r2;  /**< n_out: 1 - sum_i w (t - y)^2 / sum_i w (t - m)^2, m = sum_i w t / W. For constant targets
                                   1 if each is met exactly, else 0; NaN for fewer than two rows */
    double mse;               /**< mean of output_mse */
    double rmse;              /**< sqrt(mse): one root for all outputs (scikit-learn: the mean of one root each) */
    double mae;               /**< mean of output_mae */
    double r2;                /**< mean of output_r2 */

    /* From here on for classes: BP_TASK_CLASSES and BP_TASK_MULTI_LABEL. */
    double accuracy; /**< share of the rows whose class is predicted. BP_TASK_MULTI_LABEL: share of the rows and outputs */
    double exact_match; /**< share of the rows of which every output is predicted: scikit-learn's accuracy of multi-labels.
                             BP_TASK_CLASSES: the accuracy */
    double top_k;       /**< share of the rows whose class is among the top_k largest outputs, of equal ones the first; so
                             that top 1 is the accuracy (scikit-learn takes the last) */
    double log_loss;    /**< mean over the rows of -sum t log p, for one output and each of a multi-label
                             -(t log p + (1 - t) log(1 - p)), averaged over the outputs. p is y, kept within [e, 1 - e],
                             e = BP_REAL_EPSILON. NaN once a y or t lies outside [0, 1]. That y sums to 1 is not checked.
                             Not the loss to train on: that one is computed from logits, without bounds */

    size_t n_classes;              /**< 0 for BP_TASK_REGRESSION, 2 for one output of BP_TASK_CLASSES, else n_out */
    const double *class_weight;    /**< n_classes: rows that are of the class (support) */
    const double *class_predicted; /**< n_classes: rows for which the class was predicted */
    const double *class_precision; /**< n_classes: of those predicted, the share that is right; 0 if there are none */
    const double *class_recall; /**< n_classes: of those that are of the class, the share predicted; 0 if there are none */
    const double *class_f1;     /**< n_classes: 2 right / (of the class + predicted); 0 for 0 / 0 */
    double precision_macro;     /**< mean over the classes, those left out of which there is no row and no prediction;
                                     with BP_TASK_MULTI_LABEL over all. For one output, class_precision[1] is what is
                                     usually meant by precision; so for recall and F1 */
    double recall_macro;
    double f1_macro;
    double precision_micro; /**< from the counts of all classes summed; for BP_TASK_CLASSES all three are the accuracy */
    double recall_micro;
    double f1_micro;

    const double *class_auc; /**< n_classes: area under the ROC curve of y for the class against the rest: the share of
                                  the pairs of a row of the class and another in which the first has the larger y, a tie
                                  counting one half, each pair with the product of its weights. Exact. NaN if all rows are
                                  of the class, or none. The two of one output are the same. NULL if not asked for */
    double auc;              /**< mean of class_auc (one-vs-rest, macro): NaN if one of them is */
    const double *confusion; /**< [true class][predicted class], n_classes x n_classes; BP_TASK_MULTI_LABEL: [output][true]
                                  [predicted], n_out x 2 x 2, 1 for yes. NULL if not asked for */
} bp_metrics_result;

/**
 * Metrics in the making. Yours to place and to move, never to copy; used by one thread at a time. Read its fields, and
 * leave them alone: all arrays are views into its block.
 */
typedef struct bp_metrics {
    size_t n_out, n_classes; /**< as in the result */
    bp_task task;            /**< as in the configuration, as are the following three */
    double threshold;        /**< the default filled in */
    size_t top_k, auc_rows;

    size_t rows;                 /**< seen */
    double weight;               /**< W */
    size_t n_losses;             /**< calls of bp_metrics_add_loss() */
    bp_reduction loss_reduction; /**< of these losses */
    double loss_sum;             /**< of the losses, each times its weight; its plain sum for BP_REDUCE_SUM */
    double loss_weight;          /**< of the rows behind them */

    double *squares;       /**< n_out: sum_i w (y - t)^2 */
    double *absolutes;     /**< n_out: sum_i w |y - t| */
    double *target_mean;   /**< n_out: m of the rows so far */
    double *target_spread; /**< n_out: sum_i w (t - m)^2, m that of the same rows */

    double right;            /**< sum of w over rows predicted right; over rows and outputs for BP_TASK_MULTI_LABEL */
    double exact;            /**< the same over rows of which every output is right */
    double in_top_k;         /**< the same over rows whose class is in the top k */
    double log_loss;         /**< sum over the rows */
    bool improbable;         /**< a y or t lay outside [0, 1] */
    double *class_right;     /**< n_classes: rows of the class for which it was predicted */
    double *class_weight;    /**< n_classes */
    double *class_predicted; /**< n_classes */
    double *confusion;       /**< as in the result, or NULL */

    bp_real *scores;         /**< n_out x auc_rows: the outputs, column by column; NULL without auc_rows */
    unsigned char *positive; /**< n_out x auc_rows: whether the row is of the class */
    double *score_weights;   /**< auc_rows */
    void *sorted;            /**< auc_rows times an output with its weight, in order while an area is computed */

    double *output_results; /**< 3 x n_out: what the result shows of the outputs */
    double *class_results;  /**< 4 x n_classes: what it shows of the classes */
    bp_allocator allocator; /**< where the block came from */
    void *block;
} bp_metrics;

/**
 * Makes metrics of no rows. The only call that takes memory.
 *
 * @param metrics  made by this call, whatever it held before; zeroed when the call fails
 * @param config   read only during the call
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer, an unknown task, a threshold that is not finite, a top_k above n_out,
 *         half an allocator; BP_ERR_SHAPE if n_out is 0; BP_ERR_UNSUPPORTED for a setting that the task has no use for;
 *         BP_ERR_TOO_LARGE; BP_ERR_MEMORY
 */
bp_status bp_metrics_init(bp_metrics *metrics, const bp_metrics_config *config);

/** Gives the memory back and zeroes the struct. A zeroed or null `metrics` is fine. */
void bp_metrics_free(bp_metrics *metrics);

/** Back to no rows, with the same settings. A zeroed or null `metrics` is fine. */
void bp_metrics_reset(bp_metrics *metrics);

/**
 * Adds the rows of a batch. Allocates nothing.
 *
 * @param Y      batch x n_out, all finite
 * @param T      values, all finite, or labels, each a class (of one output 0 or 1); with sample weights or without
 * @param batch  rows, >= 1
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer, targets missing or given twice; BP_ERR_STATE if not initialised;
 *         BP_ERR_SHAPE for a batch of 0 and for more rows than auc_rows; BP_ERR_TOO_LARGE; BP_ERR_NONFINITE and
 *         BP_ERR_TARGET (no such class, a negative weight) with row and column in the sentence, 0-based within the batch.
 *         The metrics are then unchanged.
 */
bp_status bp_metrics_update(bp_metrics *metrics, const bp_real *Y, const bp_targets *T, size_t batch);

/**
 * Adds the loss of a batch, as bp_network_loss() gave it, to the metric `loss`: sum_b w_b L_b / sum_b w_b, w_b being the
 * sum of the weights (of samples and classes) by which the mean L_b was divided; sum_b L_b for BP_REDUCE_SUM. On its own,
 * for losses are in the network's units and metrics in those of the data. Neither depends on the other.
 *
 * @param loss   that was taken, always of one reduction
 * @param T      its targets; only their weights count
 * @param batch  rows, >= 1
 * @param L      the loss, finite
 * @return BP_OK; BP_ERR_STATE if not initialised; what bp_network_loss() gives for a loss or targets that it refuses;
 *         BP_ERR_ARGUMENT for a null pointer or another reduction than before; BP_ERR_SHAPE for a batch of 0;
 *         BP_ERR_TOO_LARGE; BP_ERR_NONFINITE for L. The metrics are then unchanged.
 */
bp_status bp_metrics_add_loss(bp_metrics *metrics, const bp_loss *loss, const bp_targets *T, size_t batch, bp_real L);

/**
 * The metrics of the rows so far; more may follow. Allocates nothing. With auc_rows it
 * sorts the outputs, n_out times n log n.
 *
 * @param metrics  its sums are left as they are
 * @param result   receives them, whatever it held before; unchanged when the call fails
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer; BP_ERR_STATE if not initialised, or
 *         if there are neither rows nor losses
 */
bp_status bp_metrics_compute(bp_metrics *metrics, bp_metrics_result *result);

/**
 * The name in the enumeration, lower case, for example "multi_label"; "unknown" for other values. Static text; any thread.
 */
const char *bp_task_name(bp_task task);

#ifdef __cplusplus
}
#endif

#endif
