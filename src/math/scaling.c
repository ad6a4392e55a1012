// SPDX-License-Identifier: MIT
/*
 * Scaling of columns. Means and variances by Welford's recurrence (Technometrics 4, 1962), in double in both
 * precisions: one walk over the rows, and exact for a constant column.
 */
#include "math/scaling.h"

#include "base/status.h"

const char *bp_scaling_name(bp_scaling_kind kind)
{
    static const char *const names[] = {
        [BP_SCALE_NONE] = "none", [BP_STANDARDISE] = "standardise", [BP_MIN_MAX] = "min_max"
    };
    return (size_t)kind < BP_N_SCALING_KINDS ? names[kind] : "unknown";
}

/* ---- The kinds ------------------------------------------------------------------------------------------------------- */

/* Takes row number k (1, 2, ...) in. */
typedef void (*add_row)(struct bpi_scaling_fit *fit, double k, const bp_real *x);

static void add_to_moments(struct bpi_scaling_fit *fit, double k, const bp_real *x)
{
    for (size_t j = 0; j < fit->columns; j++) {
        const double distance = (double)x[j] - fit->first[j];
        fit->first[j] += distance / k;
        fit->second[j] += distance * ((double)x[j] - fit->first[j]);
    }
}

static void add_to_range(struct bpi_scaling_fit *fit, double k, const bp_real *x)
{
    for (size_t j = 0; j < fit->columns; j++) {
        const double value = (double)x[j];
        if (k <= 1 || value < fit->first[j])
            fit->first[j] = value;
        if (k <= 1 || value > fit->second[j])
            fit->second[j] = value;
    }
}

static double standard_deviation(double mean, double squares, double n)
{
    (void)mean;
    return sqrt(squares / n);
}

static double width(double smallest, double largest, double n)
{
    (void)n;
    return largest - smallest;
}

static const struct rule {
    add_row add;
    double (*scale)(double first, double second, double n);
} rules[BP_N_SCALING_KINDS] = {
    [BP_STANDARDISE] = { add_to_moments, standard_deviation },
    [BP_MIN_MAX] = { add_to_range, width },
};

/* ---- Fitting --------------------------------------------------------------------------------------------------------- */

size_t bpi_scaling_memory(size_t columns)
{
    return 2 * columns;
}

void bpi_scaling_begin(struct bpi_scaling_fit *fit, bp_scaling_kind kind, size_t columns, double *memory)
{
    *fit = (struct bpi_scaling_fit){ .kind = kind, .columns = columns, .first = memory, .second = memory + columns };
    for (size_t j = 0; j < bpi_scaling_memory(columns); j++)
        memory[j] = 0;
}

void bpi_scaling_add(struct bpi_scaling_fit *fit, size_t rows, const bp_real *X)
{
    const add_row add = rules[fit->kind].add;
    for (size_t i = 0; add != NULL && i < rows; i++)
        add(fit, (double)(fit->rows + i + 1), X + i * fit->columns);
    fit->rows += rows;
}

/* A scale by which every number can be divided: 1 where the column is constant. */
static bp_real usable(double scale)
{
    if (!(scale >= (double)BP_REAL_MIN)) /* 0; or so small that dividing would overflow */
        return (bp_real)1;
    return scale <= (double)BP_REAL_MAX ? (bp_real)scale : BP_REAL_MAX;
}

void bpi_scaling_finish(const struct bpi_scaling_fit *fit, bp_real *center, bp_real *scale)
{
    const struct rule *rule = &rules[fit->kind];
    const bool is_none = rule->scale == NULL || fit->rows == 0;
    for (size_t j = 0; j < fit->columns; j++) {
        center[j] = is_none ? (bp_real)0 : (bp_real)fit->first[j];
        scale[j] = is_none ? (bp_real)1 : usable(rule->scale(fit->first[j], fit->second[j], (double)fit->rows));
    }
}

/* ---- Applying -------------------------------------------------------------------------------------------------------- */

void bpi_scale_rows(size_t rows, size_t columns, const bp_real *center, const bp_real *scale, const bp_real *X, bp_real *to)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            to[i * columns + j] = (X[i * columns + j] - center[j]) / scale[j];
}

void bpi_unscale_rows(size_t rows, size_t columns, const bp_real *center, const bp_real *scale, const bp_real *X,
                      bp_real *to)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            to[i * columns + j] = X[i * columns + j] * scale[j] + center[j];
}

bp_status bpi_scaling_check(const char *function, const char *what, size_t columns, const bp_real *center,
                            const bp_real *scale)
{
    if ((center == NULL) != (scale == NULL))
        return bpi_fail(BP_ERR_ARGUMENT, "%s: the %s have a %s but no %s; both are needed, or neither", function, what,
                        center != NULL ? "center" : "scale", center != NULL ? "scale" : "center");
    for (size_t j = 0; center != NULL && j < columns; j++) {
        if (!isfinite(center[j]))
            return bpi_fail(BP_ERR_ARGUMENT, "%s: the %s' center of column %zu is %g, expected a finite number", function,
                            what, j, (double)center[j]);
        if (!isfinite(scale[j]) || !(scale[j] > (bp_real)0))
            return bpi_fail(BP_ERR_ARGUMENT, "%s: the %s' scale of column %zu is %g, expected a finite number above 0",
                            function, what, j, (double)scale[j]);
    }
    return BP_OK;
}
