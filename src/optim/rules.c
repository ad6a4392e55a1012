// SPDX-License-Identifier: MIT
/*
 * The optimizers' rules. Each steps a stretch of numbers in loops that the compiler can vectorise; what depends on settings
 * is decided once a stretch. Where the rules come from stands in backprop/optimizer.h.
 */
#include "optim/rules.h"

/* ---- Gradient descent ------------------------------------------------------------------------------------------------ */

/* p -= r d */
static void descend(size_t n, bp_real r, const bp_real *d, bp_real *p)
{
    for (size_t i = 0; i < n; i++)
        p[i] = bpi_flushed(p[i] - r * d[i]);
}

/* v = u v + d,  p -= r v */
static void descend_with_momentum(size_t n, bp_real r, bp_real u, const bp_real *d, bp_real *v, bp_real *p)
{
    for (size_t i = 0; i < n; i++) {
        v[i] = bpi_flushed(u * v[i] + d[i]);
        p[i] = bpi_flushed(p[i] - r * v[i]);
    }
}

/* v = u v + g,  p -= r (g + u v): the gradient as it will be after the momentum has carried p on */
static void descend_with_nesterov(size_t n, bp_real r, bp_real u, const bp_real *g, bp_real *v, bp_real *p)
{
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
    for (size_t i = 0; i < n; i++)
        m[i] = bpi_flushed(beta * m[i] + rest * g[i]);
}

/* v = beta v + (1 - beta) g^2 */
static void average_squares(size_t n, bp_real beta, const bp_real *g, bp_real *v)
{
    const bp_real rest = (bp_real)1 - beta;
    for (size_t i = 0; i < n; i++)
        v[i] = bpi_flushed(beta * v[i] + rest * g[i] * g[i]);
}

/* x = max(x, v) */
static void keep_largest(size_t n, const bp_real *v, bp_real *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = v[i] > x[i] ? v[i] : x[i];
}

/*
 * The averages start at 0 and are too small by 1 - beta^t; powers in double, for the first steps differ by little from 1.
 * factors: r / (1 - beta1^t), sqrt(1 - beta2^t).
 */
static void adam_begin(bp_optimizer *opt)
{
    const double t = (double)opt->n_steps;
    opt->factors[0] = (double)opt->learning_rate / (1 - pow((double)opt->settings.beta1, t));
    opt->factors[1] = sqrt(1 - pow((double)opt->settings.beta2, t));
}

/* p -= r / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon) */
static void adam_step(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const moments[])
{
    const bp_real rate = (bp_real)opt->factors[0], correction = (bp_real)opt->factors[1];
    const bp_real epsilon = opt->settings.epsilon;
    const bp_real *m = moments[0], *v = moments[1];
    average(n, opt->settings.beta1, g, moments[0]);
    average_squares(n, opt->settings.beta2, g, moments[1]);
    if (opt->settings.amsgrad) {
        keep_largest(n, v, moments[2]);
        v = moments[2];
    }
    for (size_t i = 0; i < n; i++)
        p[i] = bpi_flushed(p[i] - rate * m[i] / (BPI_SQRT(v[i]) / correction + epsilon));
}

/* u_t = beta1 (1 - 0.96^(t momentum_decay) / 2) */
static double nadam_momentum(const bp_optimizer *opt, double t)
{
    return (double)opt->settings.beta1 * (1 - pow(0.96, t * (double)opt->settings.momentum_decay) / 2);
}

/*
 * factors: r (1 - u_t) / (1 - P_t), sqrt(1 - beta2^t), r u_(t+1) / (1 - P_(t+1)), with P_t = u_1 ... u_t among the scalars.
 */
static void nadam_begin(bp_optimizer *opt)
{
    const double r = (double)opt->learning_rate, t = (double)opt->n_steps;
    const double now = nadam_momentum(opt, t), next = nadam_momentum(opt, t + 1);
    const double product = opt->scalars[BP_SCALAR_NADAM_PRODUCT] * now;
    opt->scalars[BP_SCALAR_NADAM_PRODUCT] = product;
    opt->factors[0] = r * (1 - now) / (1 - product);
    opt->factors[1] = sqrt(1 - pow((double)opt->settings.beta2, t));
    opt->factors[2] = r * next / (1 - product * next);
}

/* p -= (factors[0] g + factors[2] m) / (sqrt(v / (1 - beta2^t)) + epsilon) */
static void nadam_step(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const moments[])
{
    const bp_real of_g = (bp_real)opt->factors[0], of_m = (bp_real)opt->factors[2];
    const bp_real correction = (bp_real)opt->factors[1], epsilon = opt->settings.epsilon;
    const bp_real *m = moments[0], *v = moments[1];
    average(n, opt->settings.beta1, g, moments[0]);
    average_squares(n, opt->settings.beta2, g, moments[1]);
    for (size_t i = 0; i < n; i++)
        p[i] = bpi_flushed(p[i] - (of_g * g[i] + of_m * m[i]) / (BPI_SQRT(v[i]) / correction + epsilon));
}

/* ---- Rates of their own ---------------------------------------------------------------------------------------------- */

/* v += g^2,  p -= r g / (sqrt(v) + epsilon) */
static void adagrad_step(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const moments[])
{
    const bp_real r = opt->learning_rate, epsilon = opt->settings.epsilon;
    bp_real *v = moments[0];
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
    for (size_t i = 0; i < n; i++)
        d[i] = BPI_SQRT(u[i] + epsilon) / BPI_SQRT(v[i] + epsilon) * g[i];
    average_squares(n, opt->settings.rho, d, moments[1]);
    descend(n, opt->learning_rate, d, p);
}

/* d = g / (sqrt(v) + epsilon) */
static void divide_by_root(size_t n, bp_real epsilon, const bp_real *g, const bp_real *v, bp_real *d)
{
    for (size_t i = 0; i < n; i++)
        d[i] = g[i] / (BPI_SQRT(v[i]) + epsilon);
}

/* d = g / (sqrt(v - a^2) + epsilon); a variance that rounding has put below 0 is 0 */
static void divide_by_deviation(size_t n, bp_real epsilon, const bp_real *g, const bp_real *v, const bp_real *a, bp_real *d)
{
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

static bp_real sign(bp_real x)
{
    return (bp_real)(x > (bp_real)0) - (bp_real)(x < (bp_real)0);
}

/*
 * s *= 1.2 where the signs agree (agreement 1), s *= 0.5 where they do not (-1), within
 * [1e-6, 50]. A size of 0 has not begun.
 */
static void grow_or_shrink(size_t n, bp_real first, const bp_real *agreement, bp_real *s)
{
    const bp_real smallest = (bp_real)1e-6, largest = (bp_real)50, faster = (bp_real)1.2, slower = (bp_real)0.5;
    for (size_t i = 0; i < n; i++) {
        const bp_real by = agreement[i] < (bp_real)0 ? slower : agreement[i] > (bp_real)0 ? faster : (bp_real)1;
        const bp_real size = (s[i] > (bp_real)0 ? s[i] : first) * by;
        const bp_real at_most = size < largest ? size : largest;
        s[i] = at_most > smallest ? at_most : smallest;
    }
}

/*
 * Step sizes s, 0 until the first step that is not frozen, and signs of the last gradient. Signs, because the
 * product of two small gradients underflows.
 *
 * factors[0]: 1 where a step after which the sign has changed is taken back (iRPROP+, the loss has risen), else 0. That
 * step was -sign s with the sign and size before this one's, so it needs no array of its own.
 */
static void rprop_step(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const moments[])
{
    const bp_real takes_back = (bp_real)opt->factors[0];
    bp_real agreement[BPI_CHUNK], back[BPI_CHUNK], *s = moments[0], *last = moments[1];
    for (size_t i = 0; i < n; i++) {
        agreement[i] = sign(g[i]) * last[i];
        back[i] = takes_back * last[i] * s[i];
    }
    grow_or_shrink(n, opt->learning_rate, agreement, s);
    for (size_t i = 0; i < n; i++) {
        const bp_real turned = (bp_real)(agreement[i] < (bp_real)0);
        last[i] = sign(g[i]) * ((bp_real)1 - turned);
        p[i] = bpi_flushed(p[i] - last[i] * s[i] + turned * back[i]);
    }
}

/* ---- The table ------------------------------------------------------------------------------------------------------- */

// clang-format off
static const struct bpi_rule table[BP_N_OPTIMIZERS] = {
    /*                                moments  squares  full batch */
    [BP_SGD]         = { "sgd",         0,     false,   false,    NULL,        sgd_step },
    [BP_ADAM]        = { "adam",        2,     true,    false,    adam_begin,  adam_step },
    [BP_ADAMW]       = { "adamw",       2,     true,    false,    adam_begin,  adam_step }, /* its decay is in optimizer.c */
    [BP_NADAM]       = { "nadam",       2,     true,    false,    nadam_begin, nadam_step },
    [BP_ADAGRAD]     = { "adagrad",     1,     true,    false,    NULL,        adagrad_step },
    [BP_ADADELTA]    = { "adadelta",    2,     true,    false,    NULL,        adadelta_step },
    [BP_RMSPROP]     = { "rmsprop",     1,     true,    false,    NULL,        rmsprop_step },
    [BP_RPROP_MINUS] = { "rprop_minus", 2,     false,   true,     NULL,        rprop_step },
    [BP_RPROP_PLUS]  = { "rprop_plus",  2,     false,   true,     NULL,        rprop_step },
};
// clang-format on

const struct bpi_rule *bpi_rule(bp_optimizer_kind kind)
{
    return &table[kind];
}

size_t bpi_rule_moments(const bp_optimizer_config *settings)
{
    return table[settings->kind].n_moments + (settings->momentum != (bp_real)0) + settings->amsgrad + settings->centered;
}

const char *bp_optimizer_name(bp_optimizer_kind kind)
{
    return (size_t)kind < BP_N_OPTIMIZERS ? table[kind].name : "unknown";
}
