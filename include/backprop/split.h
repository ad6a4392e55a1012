// SPDX-License-Identifier: MIT
/*
 * Splits: which rows of a dataset to train on and which to hold out. Row numbers go
 * into arrays of the user's; no data move.
 *
 *   size_t n_train, *rows = malloc(data.rows * sizeof *rows);
 *   bp_split(&data, &(bp_split_config){ .fraction = 0.2, .stratified = true, .seed = 7 }, rows, &n_train);
 *   -- train on rows[0] .. rows[n_train - 1], test on the other data.rows - n_train
 *
 * A part can be split again (`rows` and `n_rows` of the settings), in place too: three parts are two calls,
 *
 *   bp_split(&data, &(bp_split_config){ .fraction = 0.2, .rows = rows, .n_rows = n_train }, rows, &n_train);
 *
 * after which `rows` holds the training rows, those for validation, and those for the test as they were.
 *
 * The same data, settings and seed give the same rows on every platform and in both precisions. The functions
 * keep nothing and may run in any thread.
 */
#ifndef BACKPROP_SPLIT_H
#define BACKPROP_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/dataset.h"
#include "backprop/memory.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Settings of a split; zeroed it holds out a random quarter of all rows, or one of five random folds. */
typedef struct bp_split_config {
    double fraction;    /**< bp_split(): share of the rows to hold out, in (0, 1). Default 0: 0.25 */
    size_t folds;       /**< bp_split_k_fold(): 2 .. n. Default 0: 5 */
    bool keep_order;    /**< both parts keep the order in which the rows are given, and what is held out is the last
                            of them (one block of them, for folds). Default false: both are in random order */
    bool stratified;    /**< each class is split by itself: the label, the column of the largest T (the first of
                            equals), or whether a single T is above 1/2. Default false */
    uint64_t seed;      /**< of the random order; default 0, a seed like any other */
    const size_t *rows; /**< n_rows numbers of rows to split, below data->rows. Default NULL: all */
    size_t n_rows;      /**< unused without `rows` */
    const bp_allocator *allocator; /**< of memory for the call: n size_t, twice that and a row of data for a stratified
                            split; default NULL: malloc and free */
} bp_split_config;

/**
 * Splits n rows, all of the dataset or config->rows, into those to train on and those to hold out.
 *
 * Held out are n_test = fraction n, rounded to the nearest whole number, halves up, but at least 1 and at most n - 1. In a
 * stratified split each class c of n_c rows has n_c n_test / n of them, rounded up or down: R(C_c n_test / n) -
 * R(C_(c-1) n_test / n), where R rounds to the nearest and C_c = n_0 + ... + n_c. A rare class may be missing from a part.
 *
 * @param data     read only; only its `rows` unless stratified: then its sizes, views and all its
 *                 targets must be such as bp_dataset_check() passes, and rows that the user's read_row
 *                 reads are read, each once. X is not looked at
 * @param config   read only during the call
 * @param rows     n, receives each of the rows once: first those to train on, then those held out. May be config->rows
 * @param n_train  receives the number of the former
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer, a fraction outside (0, 1), half an allocator; BP_ERR_SHAPE
 *         for fewer than two rows, or a row that is not there; what bp_dataset_check() refuses, or BP_ERR_IO
 *         from read_row; BP_ERR_TOO_LARGE for a stratified split of more than 2^32 - 1 rows; BP_ERR_MEMORY.
 *         `rows` and `n_train` are then unchanged.
 */
bp_status bp_split(const bp_dataset *data, const bp_split_config *config, size_t *rows, size_t *n_train);

/**
 * Splits n rows, all of the dataset or config->rows, into k folds, of which one is held out. With the same settings the
 * folds 0 .. k - 1 are disjoint, and together all rows.
 *
 * Fold i has n / k rows, rounded down, and one more if i < n mod k. In a stratified split each class has n_c /
 * k rows in it, rounded up or down: one class after the other is dealt to the folds in turn. A class of fewer
 * than k rows is missing from some folds.
 *
 * @param data, config  as for bp_split()
 * @param fold          which one to hold out, below config->folds
 * @param rows          n, receives each of the rows once: first those to train on, then the fold. May be config->rows
 * @param n_train       receives the number of the former
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer, fewer than 2 folds, a fold that is not among them, half an allocator;
 *         BP_ERR_SHAPE for fewer rows than folds, or a row that is not there; what bp_dataset_check() refuses, or
 *         BP_ERR_IO from read_row; BP_ERR_TOO_LARGE; BP_ERR_MEMORY. `rows` and `n_train` are then unchanged.
 */
bp_status bp_split_k_fold(const bp_dataset *data, const bp_split_config *config, size_t fold, size_t *rows,
                          size_t *n_train);

/**
 * Settings of a weighted choice; zeroed it draws with replacement, each row as likely as any other (a bootstrap sample).
 */
typedef struct bp_choice_config {
    const bp_real *weights;        /**< one for each row, >= 0, finite; not all 0, their sum finite. Default NULL: all 1 */
    bool distinct;                 /**< each row at most once. Default false: rows may come again */
    uint64_t seed;                 /**< default 0, a seed like any other */
    const bp_allocator *allocator; /**< of memory for the call: up to 4 doubles a row; default NULL: malloc and free */
} bp_choice_config;

/**
 * Draws row numbers at random, each with probability w_i / sum w: of all rows or, if they are to be distinct, of those not
 * drawn before, so that the order matters: heavy rows tend to come first (successive sampling; Yates and Grundy, J. R.
 * Stat. Soc. B 15, 1953). A row of weight 0 is never drawn. n draws from N rows take a time of N + n log N.
 *
 * @param n_rows  N, rows to draw from: the results are 0 .. N - 1
 * @param config  read only during the call
 * @param rows    n, receives them in the order of drawing
 * @param n       how many, >= 1
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer, weights that are all 0, half an allocator; BP_ERR_SHAPE for n_rows
 *         or n of 0 and for more distinct rows than have a weight above 0; BP_ERR_NONFINITE and BP_ERR_TARGET for a
 *         weight that is not finite or negative; BP_ERR_NONFINITE for a sum that overflows; BP_ERR_TOO_LARGE;
 *         BP_ERR_MEMORY. `rows` is then unchanged.
 */
bp_status bp_split_weighted(size_t n_rows, const bp_choice_config *config, size_t *rows, size_t n);

#ifdef __cplusplus
}
#endif

#endif
