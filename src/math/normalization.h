// SPDX-License-Identifier: MIT
/*
 * Normalization of a matrix Z (rows x n), by columns (batch normalization) or by rows (layer normalization):
 *
 *   N = (Z - mean) / sqrt(variance + epsilon),    to = N gamma + beta,    the variance with 1/n.
 *
 * With dY the gradient for `to`, dgamma = sum over the rows of dY N, dbeta = sum of dY, and G = dY gamma,
 *
 *   dZ = (G - mean of G - N (mean of G N)) / sqrt(variance + epsilon),
 *
 * both means over what mean and variance were taken over; with mean and variance given, dZ = G / sqrt(variance + epsilon)
 * (Ioffe and Szegedy, ICML 2015, section 3; Ba, Kiros and Hinton, 2016). "inverse" is 1 / sqrt(variance + epsilon).
 */
#ifndef BPI_MATH_NORMALIZATION_H
#define BPI_MATH_NORMALIZATION_H

#include "base/real.h"

#include <stddef.h>

/** mean and variance (n each) of the columns of Z; rows >= 1. */
void bpi_column_statistics(size_t rows, size_t n, const bp_real *Z, bp_real *mean, bp_real *variance);

/** inverse = 1 / sqrt(variance + epsilon), n each. */
void bpi_inverse_deviation(size_t n, bp_real epsilon, const bp_real *variance, bp_real *inverse);

/** Z = (Z - mean) inverse in place, which makes it N, and to = N gamma + beta. mean, inverse, gamma, beta: n. */
void bpi_normalize_columns(size_t rows, size_t n, const bp_real *mean, const bp_real *inverse, const bp_real *gamma,
                           const bp_real *beta, bp_real *Z, bp_real *to);

/** Z = Z factor + shift in place; factor and shift: n. */
void bpi_scale_and_shift(size_t rows, size_t n, const bp_real *factor, const bp_real *shift, bp_real *Z);

/**
 * Normalizes each row of Z by itself, in place, and to = N gamma + beta. `to` may be Z, for those who do not need N;
 * `inverse` (rows) may be NULL.
 */
void bpi_normalize_rows(size_t rows, size_t n, bp_real epsilon, const bp_real *gamma, const bp_real *beta, bp_real *Z,
                        bp_real *to, bp_real *inverse);

/** dgamma and dbeta (n each). */
void bpi_normalization_gradient(size_t rows, size_t n, const bp_real *N, const bp_real *dY, bp_real *dgamma,
                                bp_real *dbeta);

/** dZ by columns, dgamma and dbeta being those of dY; inverse: n. dZ may be dY. */
void bpi_columns_pull_back(size_t rows, size_t n, const bp_real *gamma, const bp_real *inverse, const bp_real *dgamma,
                           const bp_real *dbeta, const bp_real *N, const bp_real *dY, bp_real *dZ);

/** dZ where mean and variance of the columns did not depend on Z. dZ may be dY. */
void bpi_given_columns_pull_back(size_t rows, size_t n, const bp_real *gamma, const bp_real *inverse, const bp_real *dY,
                                 bp_real *dZ);

/** dZ by rows; inverse: rows. dZ may be dY. */
void bpi_rows_pull_back(size_t rows, size_t n, const bp_real *gamma, const bp_real *inverse, const bp_real *N,
                        const bp_real *dY, bp_real *dZ);

#endif
