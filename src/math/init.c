// SPDX-License-Identifier: MIT
/*
 * Initial values: each kind is a shape (uniform or normal) with a variance that follows from the layer's sizes.
 * Numbers are drawn and scaled in double, then rounded: both precisions start from the same network, but for orthogonal
 * weights, which are made in place.
 */
#include "math/init.h"

#include "base/status.h"

enum shape { CONSTANT, UNIFORM, NORMAL };

/* The distribution that an initialiser asks for: uniform in [low, low + width], or normal. */
struct distribution {
    enum shape shape;
    double low_or_mean, width_or_deviation;
};

/* The kinds whose variance is gain / (in n_in + out n_out). */
struct scaled_kind {
    enum shape shape;
    double gain;
    int in, out;
};

static const struct scaled_kind scaled_kinds[BP_N_INIT_KINDS] = {
    [BP_INIT_GLOROT_UNIFORM] = { UNIFORM, 2, 1, 1 }, [BP_INIT_GLOROT_NORMAL] = { NORMAL, 2, 1, 1 },
    [BP_INIT_HE_UNIFORM] = { UNIFORM, 2, 1, 0 },     [BP_INIT_HE_NORMAL] = { NORMAL, 2, 1, 0 },
    [BP_INIT_LECUN_UNIFORM] = { UNIFORM, 1, 1, 0 },  [BP_INIT_LECUN_NORMAL] = { NORMAL, 1, 1, 0 },
};

static struct distribution distribution_of(const bp_init *init, size_t n_in, size_t n_out)
{
    const double a = (double)init->a, b = (double)init->b;
    if (init->kind == BP_INIT_UNIFORM)
        return (struct distribution){ UNIFORM, a, b - a };
    if (init->kind == BP_INIT_NORMAL)
        return (struct distribution){ NORMAL, a, b };

    const struct scaled_kind *kind = &scaled_kinds[init->kind];
    if (kind->shape == CONSTANT)
        return (struct distribution){ CONSTANT, 0, 0 };
    const double variance = kind->gain / (kind->in * (double)n_in + kind->out * (double)n_out);
    if (kind->shape == NORMAL)
        return (struct distribution){ NORMAL, 0, sqrt(variance) };
    const double s = sqrt(3 * variance); /* a uniform distribution on [-s, s] has the variance s^2 / 3 */
    return (struct distribution){ UNIFORM, -s, 2 * s };
}

/* ---- Orthogonal ------------------------------------------------------------------------------------------------------ */

/* Rows or columns of a matrix: vector i begins at x + i step, its components are `stride` apart. */
struct vectors {
    bp_real *x;
    size_t n, length, step, stride;
};

/* In four sums, so that the additions need not wait for each other; a fixed order. */
static double inner_product(const struct vectors *v, size_t i, size_t j)
{
    const bp_real *a = v->x + i * v->step, *b = v->x + j * v->step;
    double s[4] = { 0 };
    for (size_t k = 0; k < v->length; k++)
        s[k % 4] += (double)a[k * v->stride] * (double)b[k * v->stride];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

/* vector i -= c vector j */
static void take_away(const struct vectors *v, size_t i, size_t j, double c)
{
    bp_real *a = v->x + i * v->step;
    const bp_real *b = v->x + j * v->step;
    for (size_t k = 0; k < v->length; k++)
        a[k * v->stride] = (bp_real)((double)a[k * v->stride] - c * (double)b[k * v->stride]);
}

static void scale(const struct vectors *v, size_t i, double factor)
{
    for (size_t k = 0; k < v->length; k++)
        v->x[i * v->step + k * v->stride] = (bp_real)(factor * (double)v->x[i * v->step + k * v->stride]);
}

/*
 * Modified Gram-Schmidt, each vector twice: what rounding left of the others after the first time is gone after the
 * second (Giraud, Langou and Rozloznik, Comput. Math. Appl. 50, 2005).
 */
static void orthonormalize(const struct vectors *v)
{
    for (size_t i = 0; i < v->n; i++)
        for (int time = 0; time < 2; time++) {
            for (size_t j = 0; j < i; j++)
                take_away(v, i, j, inner_product(v, i, j));
            const double length = sqrt(inner_product(v, i, i));
            if (length > 0)
                scale(v, i, 1 / length);
        }
}

static void fill_orthogonal(double gain, size_t n_in, size_t n_out, bp_rng *rng, bp_real *W)
{
    const bool by_rows = n_out <= n_in;
    const struct vectors v =
        by_rows ? (struct vectors){ W, n_out, n_in, n_in, 1 } : (struct vectors){ W, n_in, n_out, 1, n_in };
    for (size_t i = 0; i < n_out * n_in; i++)
        W[i] = (bp_real)bp_rng_normal(rng);
    orthonormalize(&v);
    for (size_t i = 0; i < v.n && gain != 1; i++)
        scale(&v, i, gain);
}

/* ---- For others ------------------------------------------------------------------------------------------------------ */

bp_status bpi_init_check(const bp_init *init, size_t layer, const char *what)
{
    if ((size_t)init->kind >= BP_N_INIT_KINDS)
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: %s: %d is no initialiser", layer, what, (int)init->kind);
    const double a = (double)init->a, b = (double)init->b;
    if (init->kind == BP_INIT_ORTHOGONAL && !isfinite(a))
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: %s: the gain a is %g, expected a finite number", layer, what, a);
    if (init->kind != BP_INIT_UNIFORM && init->kind != BP_INIT_NORMAL)
        return BP_OK;

    if (!isfinite(a) || !isfinite(b) || (init->kind == BP_INIT_UNIFORM && !isfinite(b - a)))
        return bpi_fail(
            BP_ERR_ARGUMENT,
            "layer %zu: %s: initialiser with a = %g and b = %g; both must be finite, and b - a of a uniform one", layer,
            what, a, b);
    if (init->kind == BP_INIT_UNIFORM && b < a)
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: %s: uniform in [%g, %g] is empty", layer, what, a, b);
    if (init->kind == BP_INIT_NORMAL && b < 0)
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: %s: standard deviation %g is below 0", layer, what, b);
    return BP_OK;
}

/* For functions that are about 0 below 0 and z above, He's; Glorot's is the default of all others. */
static const bp_init_kind for_activation[BP_N_ACTIVATIONS] = {
    [BP_RELU] = BP_INIT_HE_NORMAL, [BP_LEAKY_RELU] = BP_INIT_HE_NORMAL, [BP_ELU] = BP_INIT_HE_NORMAL,
    [BP_GELU] = BP_INIT_HE_NORMAL, [BP_GELU_TANH] = BP_INIT_HE_NORMAL,  [BP_SILU] = BP_INIT_HE_NORMAL,
    [BP_MISH] = BP_INIT_HE_NORMAL, [BP_SELU] = BP_INIT_LECUN_NORMAL,
};

bp_init bpi_init_for_weights(const bp_init *init, bp_activation activation)
{
    if (init->kind != BP_INIT_DEFAULT)
        return *init;
    const bp_init_kind kind = (size_t)activation < BP_N_ACTIVATIONS ? for_activation[activation] : BP_INIT_DEFAULT;
    return (bp_init){ .kind = kind != BP_INIT_DEFAULT ? kind : BP_INIT_GLOROT_UNIFORM };
}

void bpi_init_fill(const bp_init *init, size_t n_in, size_t n_out, bp_rng *rng, size_t n, bp_real *array)
{
    if (init->kind == BP_INIT_ORTHOGONAL) {
        fill_orthogonal(init->a != (bp_real)0 ? (double)init->a : 1, n_in, n_out, rng, array);
        return;
    }
    const struct distribution d = distribution_of(init, n_in, n_out);
    for (size_t i = 0; i < n; i++) {
        double drawn = 0;
        if (d.shape == UNIFORM)
            drawn = bp_rng_uniform(rng);
        else if (d.shape == NORMAL)
            drawn = bp_rng_normal(rng);
        const double value = d.low_or_mean + d.width_or_deviation * drawn;
        const double highest = d.low_or_mean + d.width_or_deviation; /* of a uniform one; rounding may go beyond it */
        array[i] = (bp_real)(d.shape == UNIFORM && value > highest ? highest : value);
    }
}
