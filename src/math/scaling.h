// SPDX-License-Identifier: MIT
/*
 * Scaling columns, and fitting the scaling to rows that come a few at a time.
 *
 *   struct bpi_scaling_fit fit;
 *   bpi_scaling_begin(&fit, BP_STANDARDISE, columns, memory);  -- memory: bpi_scaling_memory(columns) doubles
 *   bpi_scaling_add(&fit, rows, X);                            -- as often as there are rows
 *   bpi_scaling_finish(&fit, center, scale);
 */
#ifndef BPI_MATH_SCALING_H
#define BPI_MATH_SCALING_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/scaling.h"
#include "backprop/status.h"

/** A scaling in the making. */
struct bpi_scaling_fit {
    bp_scaling_kind kind;
    size_t columns;
    size_t rows;    /**< seen so far */
    double *first;  /**< columns: the means, or the smallest so far */
    double *second; /**< columns: the sums of squared distances from the mean, or the largest so far */
};

/** How many doubles a fit of so many columns needs: twice as many. */
size_t bpi_scaling_memory(size_t columns);

/** Starts a fit in the caller's memory, which the fit uses until it is finished. `kind` is one of the enumeration. */
void bpi_scaling_begin(struct bpi_scaling_fit *fit, bp_scaling_kind kind, size_t columns, double *memory);

/** Takes in rows x columns finite numbers. The result depends on the order of the rows, not on how many come at a time. */
void bpi_scaling_add(struct bpi_scaling_fit *fit, size_t rows, const bp_real *X);

/**
 * center and scale (columns each) of what came in; scale is finite and > 0. Without rows, and for BP_SCALE_NONE, 0 and 1.
 * A center is not finite only where the numbers lie further apart than the largest one there is.
 */
void bpi_scaling_finish(const struct bpi_scaling_fit *fit, bp_real *center, bp_real *scale);

/** to = (X - center) / scale, row by row; both rows x columns. `to` may be X. */
void bpi_scale_rows(size_t rows, size_t columns, const bp_real *center, const bp_real *scale, const bp_real *X,
                    bp_real *to);

/** to = X scale + center, row by row; both rows x columns. `to` may be X. */
void bpi_unscale_rows(size_t rows, size_t columns, const bp_real *center, const bp_real *scale, const bp_real *X,
                      bp_real *to);

/**
 * Refuses a scaling of which a center is not finite or a scale not finite and above 0, or half a scaling; `what`
 * ("inputs") is named in the sentence. Both NULL is fine.
 */
bp_status bpi_scaling_check(const char *function, const char *what, size_t columns, const bp_real *center,
                            const bp_real *scale);

#endif
