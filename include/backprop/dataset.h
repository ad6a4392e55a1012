// SPDX-License-Identifier: MIT
/*
 * Data to train on: views of the user's arrays, whatever their number type. Nothing is copied or owned.
 */
#ifndef BACKPROP_DATASET_H
#define BACKPROP_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/loss.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Number type of the elements of an array, in the byte order of the machine. The values are fixed. */
typedef enum bp_element {
    BP_REAL = 0, /**< bp_real */
    BP_F64 = 1,  /**< double */
    BP_F32 = 2,  /**< float */
    BP_U8 = 3,   /**< uint8_t */
    BP_I8 = 4,   /**< int8_t */
    BP_I16 = 5,  /**< int16_t */
    BP_I32 = 6,  /**< int32_t */
    BP_N_ELEMENTS
} bp_element;

/** A matrix of the user's, seen row by row. Aligned as its element type asks. */
typedef struct bp_view {
    const void *data;   /**< NULL: there is none */
    bp_element element; /**< default: bp_real */
    size_t stride;      /**< elements from one row to the next, >= the columns. Default 0: packed */
    bp_real scale; /**< each element is multiplied by it as it is read; finite. Default 0: 1. For grey levels, 1.0 / 255 */
} bp_view;

/**
 * Reads one row for data that do not fit into memory: n_in inputs to x, n_out targets to t. Called in the thread that
 * trains, for any row below `rows`, in any order; the same row must always be the same.
 *
 * @return true, or false if it cannot be read: training then ends with BP_ERR_IO
 */
typedef bool (*bp_read_row)(size_t row, bp_real *x, bp_real *t, void *user);

/** Samples with their targets. All arrays stay the user's and must outlive the dataset. Threads may share it. */
typedef struct bp_dataset {
    size_t rows;          /**< samples, >= 1 */
    size_t n_in;          /**< columns of X, the network's n_in */
    size_t n_out;         /**< columns of T, or classes where there are labels: the network's n_out */
    bp_view X;            /**< rows x n_in; data NULL where read_row is given */
    bp_view T;            /**< rows x n_out, targets as values; data NULL where labels are given */
    bp_view labels;       /**< rows x 1, targets as classes 0 .. n_out - 1; data NULL where T is given. A whole number each;
                          its scale must be 0 or 1 */
    bp_view weights;      /**< rows x 1, sample weights >= 0; data NULL: all 1 */
    bp_read_row read_row; /**< in place of X, T and labels; such rows are checked as they are read. NULL: none */
    void *user;           /**< handed to read_row; the library never reads it */
} bp_dataset;

/**
 * Looks through all of a dataset once: shapes, and that every number is finite and, for the given loss, a target that it
 * can take. bp_train() begins with it.
 *
 * @param loss  NULL: only that targets are finite and labels in range
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer, an unknown element type, a stride below the columns, targets missing
 *         or given twice; BP_ERR_SHAPE for a size of 0; BP_ERR_TOO_LARGE; BP_ERR_NONFINITE and BP_ERR_TARGET with row and
 *         column (0-based) in the sentence
 */
bp_status bp_dataset_check(const bp_dataset *data, const bp_loss *loss);

/**
 * Reads rows of X, converted to bp_real and multiplied by its scale; not the rows of a read_row, which has no X.
 *
 * @param rows  n row numbers below data->rows, in any order; NULL: first, first + 1, ..., first + n - 1
 * @param first used only where `rows` is NULL
 * @param n     how many rows
 * @param X     n x n_in, receives them
 * @return BP_OK; BP_ERR_SHAPE for a row that is not there; BP_ERR_ARGUMENT, BP_ERR_SHAPE and BP_ERR_TOO_LARGE for a null
 *         pointer or a view that is none, as bp_dataset_check(). X is then unchanged
 */
bp_status bp_dataset_inputs(const bp_dataset *data, const size_t *rows, size_t first, size_t n, bp_real *X);

#ifdef __cplusplus
}
#endif

#endif
