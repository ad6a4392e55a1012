// SPDX-License-Identifier: MIT
/*
 * Normalization by columns and by rows. Sums run row by row, a fixed order.
 */
#include "math/normalization.h"

#include <string.h>

static void clear(size_t n, bp_real *x)
{
    memset(x, 0, n * sizeof *x);
}

/* ---- By columns ------------------------------------------------------------------------------------------------------ */

/* The mean as it comes out of a plain sum. */
static void rough_mean(size_t rows, size_t n, const bp_real *Z, bp_real *mean)
{
    clear(n, mean);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            mean[j] += Z[i * n + j];
    for (size_t j = 0; j < n; j++)
        mean[j] /= (bp_real)rows;
}

/* Two walks: the sum of squares is taken around the mean, so that no digits cancel (Chan, Golub and LeVeque, 1983). */
void bpi_column_statistics(size_t rows, size_t n, const bp_real *Z, bp_real *mean, bp_real *variance)
{
    rough_mean(rows, n, Z, mean);
    clear(n, variance);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++) {
            const bp_real distance = Z[i * n + j] - mean[j];
            variance[j] += distance * distance;
        }
    for (size_t j = 0; j < n; j++)
        variance[j] /= (bp_real)rows;
}

void bpi_inverse_deviation(size_t n, bp_real epsilon, const bp_real *variance, bp_real *inverse)
{
    for (size_t j = 0; j < n; j++)
        inverse[j] = (bp_real)1 / BPI_SQRT(variance[j] + epsilon);
}

void bpi_normalize_columns(size_t rows, size_t n, const bp_real *mean, const bp_real *inverse, const bp_real *gamma,
                           const bp_real *beta, bp_real *Z, bp_real *to)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++) {
            const bp_real normalized = (Z[i * n + j] - mean[j]) * inverse[j];
            Z[i * n + j] = normalized;
            to[i * n + j] = normalized * gamma[j] + beta[j];
        }
}

void bpi_scale_and_shift(size_t rows, size_t n, const bp_real *factor, const bp_real *shift, bp_real *Z)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            Z[i * n + j] = Z[i * n + j] * factor[j] + shift[j];
}

void bpi_normalization_gradient(size_t rows, size_t n, const bp_real *N, const bp_real *dY, bp_real *dgamma, bp_real *dbeta)
{
    clear(n, dgamma);
    clear(n, dbeta);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++) {
            dgamma[j] += dY[i * n + j] * N[i * n + j];
            dbeta[j] += dY[i * n + j];
        }
}

/* gamma leaves the means: mean of G = gamma dbeta / rows, mean of G N = gamma dgamma / rows. */
void bpi_columns_pull_back(size_t rows, size_t n, const bp_real *gamma, const bp_real *inverse, const bp_real *dgamma,
                           const bp_real *dbeta, const bp_real *N, const bp_real *dY, bp_real *dZ)
{
    const bp_real share = (bp_real)1 / (bp_real)rows;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++) {
            const bp_real left = dY[i * n + j] - share * dbeta[j] - N[i * n + j] * (share * dgamma[j]);
            dZ[i * n + j] = gamma[j] * inverse[j] * left;
        }
}

void bpi_given_columns_pull_back(size_t rows, size_t n, const bp_real *gamma, const bp_real *inverse, const bp_real *dY,
                                 bp_real *dZ)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            dZ[i * n + j] = gamma[j] * inverse[j] * dY[i * n + j];
}

/* ---- By rows --------------------------------------------------------------------------------------------------------- */

/* Sums over a row go into four partial sums, so that the additions need not wait for each other; the order is fixed. */
static bp_real sum(size_t n, const bp_real *x)
{
    bp_real s[4] = { 0 };
    size_t j = 0;
    for (; j + 4 <= n; j += 4)
        for (size_t k = 0; k < 4; k++)
            s[k] += x[j + k];
    for (; j < n; j++)
        s[0] += x[j];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

/* Takes the mean away from x and gives the mean of its squares then. */
static bp_real center_and_variance(size_t n, bp_real *x)
{
    const bp_real mean = sum(n, x) / (bp_real)n;
    bp_real s[4] = { 0 };
    for (size_t j = 0; j < n; j++) {
        x[j] -= mean;
        s[j % 4] += x[j] * x[j];
    }
    return ((s[0] + s[1]) + (s[2] + s[3])) / (bp_real)n;
}

void bpi_normalize_rows(size_t rows, size_t n, bp_real epsilon, const bp_real *gamma, const bp_real *beta, bp_real *Z,
                        bp_real *to, bp_real *inverse)
{
    for (size_t i = 0; i < rows; i++) {
        bp_real *z = Z + i * n, *t = to + i * n;
        const bp_real factor = (bp_real)1 / BPI_SQRT(center_and_variance(n, z) + epsilon);
        for (size_t j = 0; j < n; j++) {
            const bp_real normalized = z[j] * factor;
            z[j] = normalized;
            t[j] = normalized * gamma[j] + beta[j];
        }
        if (inverse != NULL)
            inverse[i] = factor;
    }
}

void bpi_rows_pull_back(size_t rows, size_t n, const bp_real *gamma, const bp_real *inverse, const bp_real *N,
                        const bp_real *dY, bp_real *dZ)
{
    for (size_t i = 0; i < rows; i++) {
        const bp_real *normalized = N + i * n, *d = dY + i * n;
        bp_real sums[4] = { 0 }, along[4] = { 0 };
        for (size_t j = 0; j < n; j++) {
            const bp_real g = d[j] * gamma[j];
            sums[j % 4] += g;
            along[j % 4] += g * normalized[j];
        }
        const bp_real mean = ((sums[0] + sums[1]) + (sums[2] + sums[3])) / (bp_real)n;
        const bp_real slope = ((along[0] + along[1]) + (along[2] + along[3])) / (bp_real)n;
        for (size_t j = 0; j < n; j++)
            dZ[i * n + j] = inverse[i] * (d[j] * gamma[j] - mean - normalized[j] * slope);
    }
}
