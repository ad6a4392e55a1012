// SPDX-License-Identifier: MIT
/*
 * Initial values: each kind is a shape (uniform or normal) with a variance that follows from the layer's sizes.
 * Numbers are drawn and scaled in double, then rounded: both precisions start from the same network.
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

bp_status bpi_init_check(const bp_init *init, size_t layer, const char *what)
{
    if ((size_t)init->kind >= BP_N_INIT_KINDS)
        return bpi_fail(BP_ERR_ARGUMENT, "layer %zu: %s: %d is no initialiser", layer, what, (int)init->kind);
    if (init->kind != BP_INIT_UNIFORM && init->kind != BP_INIT_NORMAL)
        return BP_OK;

    const double a = (double)init->a, b = (double)init->b;
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

bp_init bpi_init_for_weights(const bp_init *init, bp_activation activation)
{
    if (init->kind != BP_INIT_DEFAULT)
        return *init;
    const bool relu_like = activation == BP_RELU || activation == BP_LEAKY_RELU;
    return (bp_init){ .kind = relu_like ? BP_INIT_HE_NORMAL : BP_INIT_GLOROT_UNIFORM };
}

void bpi_init_fill(const bp_init *init, size_t n_in, size_t n_out, bp_rng *rng, size_t n, bp_real *array)
{
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
