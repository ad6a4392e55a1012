// SPDX-License-Identifier: MIT
/*
 * The loops of the optimizers over stretches of numbers, compiled for one instruction set by each file that includes it, which
 * names the table that comes out (RULE_KERNELS). What depends on settings is decided once a stretch. Where the rules come
 * from stands in backprop/optimizer.h.
 *
 * No operation is contracted, and sums have a fixed order: all instruction sets give the same bits.
 */
#include <stdint.h>

#include "math/vector_loop.h"
#include "optim/rules.h"
#include "optim/rules_levels.h"

static inline bp_real sign(bp_real x)
{
    return (bp_real)(x > (bp_real)0) - (bp_real)(x < (bp_real)0);
}

/* ---- The gradient on its way ------------------------------------------------------------------------------------------ */

/* to = g + l1 sign(p) + l2 p */
static void add_penalties(size_t n, bp_real l1, bp_real l2, const bp_real *p, const bp_real *g, bp_real *to)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        to[i] = g[i] + l1 * sign(p[i]) + l2 * p[i];
    }
}

/* to = g, put into [-C, C] */
static void clip_by_value(size_t n, bp_real C, const bp_real *g, bp_real *to)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        const bp_real at_most = g[i] < C ? g[i] : C;
        to[i] = at_most > -C ? at_most : -C;
    }
}

/* to = factor g, in double: the factor may be below single precision's range where g is at its top */
static void scale(size_t n, double factor, const bp_real *g, bp_real *to)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++)
        to[i] = (bp_real)(factor * (double)g[i]);
}

/* to = g + w p */
static void add_weight_decay(size_t n, bp_real w, const bp_real *p, const bp_real *g, bp_real *to)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++)
        to[i] = g[i] + w * p[i];
}

/* How many numbers are not within +-limit, counted in words as wide as they are. */
#ifdef BACKPROP_SINGLE
typedef uint32_t counter;
#else
typedef uint64_t counter;
#endif
static size_t count_beyond(size_t n, bp_real limit, const bp_real *g)
{
    counter n_within = 0;
    for (size_t i = 0; i < n; i++)
        n_within += BPI_FABS(g[i]) <= limit ? (counter)1 : (counter)0; /* a NaN is not */
    return n - (size_t)n_within;
}

/* p *= factor */
static void scale_parameters(size_t n, bp_real factor, bp_real *p)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++)
        p[i] = bpi_flushed(factor * p[i]);
}

static void flush(size_t n, bp_real *p)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++)
        p[i] = bpi_flushed(p[i]);
}

/* ---- Sums ------------------------------------------------------------------------------------------------------------ */

enum { LANES = 8 }; /* separate sums that fill a vector; their order is fixed, and so are the bits */

static double sum_of_squares(size_t n, const bp_real *x, double scale_by)
{
    double lane[LANES] = { 0 }, sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++) {
            const double scaled = scale_by * (double)x[i + k];
            lane[k] += scaled * scaled;
        }
    for (; i < n; i++)
        sum += scale_by * (double)x[i] * (scale_by * (double)x[i]);
    for (size_t k = 0; k < LANES; k++)
        sum += lane[k];
    return sum;
}

static double sum_of_magnitudes(size_t n, const bp_real *x)
{
    double lane[LANES] = { 0 }, sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            lane[k] += fabs((double)x[i + k]);
    for (; i < n; i++)
        sum += fabs((double)x[i]);
    for (size_t k = 0; k < LANES; k++)
        sum += lane[k];
    return sum;
}

/* ---- Gradient descent ------------------------------------------------------------------------------------------------ */

/* p -= r d */
static void descend(size_t n, bp_real r, const bp_real *d, bp_real *p)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++)
        p[i] = bpi_flushed(p[i] - r * d[i]);
}

/* v = u v + d,  p -= r v */
static void descend_with_momentum(size_t n, bp_real r, bp_real u, const bp_real *d, bp_real *v, bp_real *p)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        v[i] = bpi_flushed(u * v[i] + d[i]);
        p[i] = bpi_flushed(p[i] - r * v[i]);
    }
}

/* v = u v + g,  p -= r (g + u v): the gradient as it will be after the momentum has carried p on */
static void descend_with_nesterov(size_t n, bp_real r, bp_real u, const bp_real *g, bp_real *v, bp_real *p)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        v[i] = bpi_flushed(u * v[i] + g[i]);
        p[i] = bpi_flushed(p[i] - r * (g[i] + u * v[i]));
    }
}

static void sgd_step(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const moments[])
{
    const bp_real r = opt->learning_rate, u = opt->settings.momentum;
    if (u == (bp_real)0)
        descend(n, r, g, p);
    else if (opt->settings.nesterov)
        descend_with_nesterov(n, r, u, g, moments[0], p);
    else
        descend_with_momentum(n, r, u, g, moments[0], p);
}

/* ---- The adam family ------------------------------------------------------------------------------------------------- */

/* m = beta m + (1 - beta) g */
static void average(size_t n, bp_real beta, const bp_real *g, bp_real *m)
{
    const bp_real rest = (bp_real)1 - beta;
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++)
        m[i] = bpi_flushed(beta * m[i] + rest * g[i]);
}

/* v = beta v + (1 - beta) g^2 */
static void average_squares(size_t n, bp_real beta, const bp_real *g, bp_real *v)
{
    const bp_real rest = (bp_real)1 - beta;
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++)
        v[i] = bpi_flushed(beta * v[i] + rest * g[i] * g[i]);
}

/* x = max(x, v) */
static void keep_largest(size_t n, const bp_real *v, bp_real *x)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++)
        x[i] = v[i] > x[i] ? v[i] : x[i];
}

/* p -= r m / (sqrt(v) / c + epsilon), with r = factors[0], c = factors[1], as p -= r c m / (sqrt(v) + c epsilon) */
static void descend_by_moments(const bp_optimizer *opt, size_t n, const bp_real *m, const bp_real *v, bp_real *p)
{
    const bp_real rate = (bp_real)(opt->factors[0] * opt->factors[1]);
    const bp_real epsilon = (bp_real)(opt->factors[1] * (double)opt->settings.epsilon);
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++)
        p[i] = bpi_flushed(p[i] - rate * m[i] / (BPI_SQRT(v[i]) + epsilon));
}

static void adam_step(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const moments[])
{
    const bp_real *v = moments[1];
    average(n, opt->settings.beta1, g, moments[0]);
    average_squares(n, opt->settings.beta2, g, moments[1]);
    if (opt->settings.amsgrad) {
        keep_largest(n, v, moments[2]);
        v = moments[2];
    }
    descend_by_moments(opt, n, moments[0], v, p);
}

/* p -= (factors[0] g + factors[2] m) / (sqrt(v) / c + epsilon), c = factors[1], as above */
static void nadam_step(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const moments[])
{
    const double c = opt->factors[1];
    const bp_real of_g = (bp_real)(c * opt->factors[0]), of_m = (bp_real)(c * opt->factors[2]);
    const bp_real epsilon = (bp_real)(c * (double)opt->settings.epsilon);
    const bp_real *m = moments[0], *v = moments[1];
    average(n, opt->settings.beta1, g, moments[0]);
    average_squares(n, opt->settings.beta2, g, moments[1]);
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++)
        p[i] = bpi_flushed(p[i] - (of_g * g[i] + of_m * m[i]) / (BPI_SQRT(v[i]) + epsilon));
}

/* ---- Rates of their own ---------------------------------------------------------------------------------------------- */

/* v += g^2,  p -= r g / (sqrt(v) + epsilon) */
static void adagrad_step(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const moments[])
{
    const bp_real r = opt->learning_rate, epsilon = opt->settings.epsilon;
    bp_real *v = moments[0];
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        v[i] = bpi_flushed(v[i] + g[i] * g[i]);
        p[i] = bpi_flushed(p[i] - r * g[i] / (BPI_SQRT(v[i]) + epsilon));
    }
}

/* v = rho v + (1 - rho) g^2,  d = sqrt(u + epsilon) / sqrt(v + epsilon) g,  u = rho u + (1 - rho) d^2,  p -= r d */
static void adadelta_step(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const moments[])
{
    const bp_real epsilon = opt->settings.epsilon;
    const bp_real *v = moments[0], *u = moments[1];
    bp_real d[BPI_CHUNK];
    average_squares(n, opt->settings.rho, g, moments[0]);
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++)
        d[i] = BPI_SQRT(u[i] + epsilon) / BPI_SQRT(v[i] + epsilon) * g[i];
    average_squares(n, opt->settings.rho, d, moments[1]);
    descend(n, opt->learning_rate, d, p);
}

/* d = g / (sqrt(v) + epsilon) */
static void divide_by_root(size_t n, bp_real epsilon, const bp_real *g, const bp_real *v, bp_real *d)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++)
        d[i] = g[i] / (BPI_SQRT(v[i]) + epsilon);
}

/* d = g / (sqrt(v - a^2) + epsilon); a variance that rounding has put below 0 is 0 */
static void divide_by_deviation(size_t n, bp_real epsilon, const bp_real *g, const bp_real *v, const bp_real *a, bp_real *d)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        const bp_real variance = v[i] - a[i] * a[i];
        d[i] = g[i] / (BPI_SQRT(variance > (bp_real)0 ? variance : (bp_real)0) + epsilon);
    }
}

static void rmsprop_step(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const moments[])
{
    const bp_optimizer_config *settings = &opt->settings;
    bp_real d[BPI_CHUNK];
    average_squares(n, settings->rho, g, moments[0]);
    if (settings->centered) {
        average(n, settings->rho, g, moments[1]);
        divide_by_deviation(n, settings->epsilon, g, moments[0], moments[1], d);
    } else {
        divide_by_root(n, settings->epsilon, g, moments[0], d);
    }

    if (settings->momentum == (bp_real)0)
        descend(n, opt->learning_rate, d, p);
    else
        descend_with_momentum(n, opt->learning_rate, settings->momentum, d, moments[settings->centered ? 2 : 1], p);
}

/* ---- Steps by the sign alone ----------------------------------------------------------------------------------------- */

/* s *= 1.2 where the signs agree (agreement 1), s *= 0.5 where they do not (-1), within [1e-6, 50]. A size of 0 has not begun. */
static void grow_or_shrink(size_t n, bp_real first, const bp_real *agreement, bp_real *s)
{
    const bp_real smallest = (bp_real)1e-6, largest = (bp_real)50, faster = (bp_real)1.2, slower = (bp_real)0.5;
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        const bp_real by = agreement[i] < (bp_real)0 ? slower : agreement[i] > (bp_real)0 ? faster : (bp_real)1;
        const bp_real size = (s[i] > (bp_real)0 ? s[i] : first) * by;
        const bp_real at_most = size < largest ? size : largest;
        s[i] = at_most > smallest ? at_most : smallest;
    }
}

/*
 * Step sizes s, 0 until the first step that is not frozen, and signs of the last gradient. Signs, because the product of two
 * small gradients underflows.
 *
 * factors[0]: 1 where a step after which the sign has changed is taken back (iRPROP+, the loss has risen), else 0. That step was
 * -sign s with the sign and size before this one's, so it needs no array of its own.
 */
static void rprop_step(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const moments[])
{
    const bp_real takes_back = (bp_real)opt->factors[0];
    bp_real agreement[BPI_CHUNK], back[BPI_CHUNK], *s = moments[0], *last = moments[1];
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        agreement[i] = sign(g[i]) * last[i];
        back[i] = takes_back * last[i] * s[i];
    }
    grow_or_shrink(n, opt->learning_rate, agreement, s);
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++) {
        const bp_real turned = (bp_real)(agreement[i] < (bp_real)0);
        last[i] = sign(g[i]) * ((bp_real)1 - turned);
        p[i] = bpi_flushed(p[i] - last[i] * s[i] + turned * back[i]);
    }
}

/* ---- The table ------------------------------------------------------------------------------------------------------- */

const struct bpi_rule_kernels RULE_KERNELS = {
    .add_penalties = add_penalties,
    .clip_by_value = clip_by_value,
    .scale_gradient = scale,
    .add_weight_decay = add_weight_decay,
    .count_beyond = count_beyond,
    .scale_parameters = scale_parameters,
    .flush = flush,
    .sum_of_squares = sum_of_squares,
    .sum_of_magnitudes = sum_of_magnitudes,
    .step = { [BP_SGD] = sgd_step,
              [BP_ADAM] = adam_step,
              [BP_ADAMW] = adam_step, /* its decay is in optimizer.c */
              [BP_NADAM] = nadam_step,
              [BP_ADAGRAD] = adagrad_step,
              [BP_ADADELTA] = adadelta_step,
              [BP_RMSPROP] = rmsprop_step,
              [BP_RPROP_MINUS] = rprop_step,
              [BP_RPROP_PLUS] = rprop_step },
};
