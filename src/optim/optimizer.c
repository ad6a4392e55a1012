// SPDX-License-Identifier: MIT
/*
 * The optimizers' rules as rows of one table, each with the number of moments it keeps. They see a stretch of numbers,
 * never a layer.
 */
#include "optim/optimizer.h"

#include "base/memory.h"
#include "base/status.h"

/* Steps n numbers; state[i] is the stretch of the i-th moment that belongs to them. */
typedef void (*step_rule)(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const state[]);

struct rule {
    const char *name;
    size_t n_moments;
    void (*begin)(bp_optimizer *opt); /* NULL: nothing changes from step to step */
    step_rule step;
};

/* A moment that decays in steps of nothing but underflow would stay in the denormal range for ever, where each operation is slow. */
static bp_real flushed(bp_real x)
{
    return BPI_FABS(x) < BP_REAL_MIN ? (bp_real)0 : x;
}

/* p -= r g */
static void plain_step(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const state[])
{
    (void)state;
    const bp_real r = opt->learning_rate;
    for (size_t i = 0; i < n; i++)
        p[i] = flushed(p[i] - r * g[i]);
}

/* v = u v + g,  p -= r v */
static void momentum_step(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const state[])
{
    const bp_real r = opt->learning_rate, u = opt->momentum;
    bp_real *v = state[0];
    for (size_t i = 0; i < n; i++) {
        v[i] = flushed(u * v[i] + g[i]);
        p[i] = flushed(p[i] - r * v[i]);
    }
}

/* v = u v + g,  p -= r (g + u v): the gradient as it will be after the momentum has carried p on */
static void nesterov_step(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const state[])
{
    const bp_real r = opt->learning_rate, u = opt->momentum;
    bp_real *v = state[0];
    for (size_t i = 0; i < n; i++) {
        v[i] = flushed(u * v[i] + g[i]);
        p[i] = flushed(p[i] - r * (g[i] + u * v[i]));
    }
}

/* The moments start at 0 and are too small by 1 - beta^t; powers in double, for the first steps differ by little from 1. */
static void adam_begin(bp_optimizer *opt)
{
    const double t = (double)opt->n_steps;
    opt->factor[0] = (bp_real)((double)opt->learning_rate / (1 - pow((double)opt->beta1, t)));
    opt->factor[1] = (bp_real)sqrt(1 - pow((double)opt->beta2, t));
}

/* m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,  p -= r / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon) */
static void adam_step(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const state[])
{
    const bp_real beta1 = opt->beta1, beta2 = opt->beta2, epsilon = opt->epsilon;
    const bp_real rate = opt->factor[0], correction = opt->factor[1];
    bp_real *m = state[0], *v = state[1];
    for (size_t i = 0; i < n; i++) {
        m[i] = flushed(beta1 * m[i] + ((bp_real)1 - beta1) * g[i]);
        v[i] = flushed(beta2 * v[i] + ((bp_real)1 - beta2) * g[i] * g[i]);
        p[i] = flushed(p[i] - rate * m[i] / (BPI_SQRT(v[i]) / correction + epsilon));
    }
}

enum form { PLAIN, MOMENTUM, NESTEROV, ADAM };

static const struct rule rules[] = {
    [PLAIN] = { "sgd", 0, NULL, plain_step },
    [MOMENTUM] = { "sgd", 1, NULL, momentum_step },
    [NESTEROV] = { "sgd", 1, NULL, nesterov_step },
    [ADAM] = { "adam", 2, adam_begin, adam_step },
};

static const struct rule *rule_of(const bp_optimizer *opt)
{
    if (opt->kind == BP_ADAM)
        return &rules[ADAM];
    if (opt->nesterov)
        return &rules[NESTEROV];
    return &rules[opt->momentum != (bp_real)0 ? MOMENTUM : PLAIN];
}

const char *bp_optimizer_name(bp_optimizer_kind kind)
{
    static const enum form forms[BP_N_OPTIMIZERS] = { [BP_SGD] = PLAIN, [BP_ADAM] = ADAM };
    return (size_t)kind < BP_N_OPTIMIZERS ? rules[forms[kind]].name : "unknown";
}

/* ---- Settings -------------------------------------------------------------------------------------------------------- */

static bool is_positive(bp_real x)
{
    return x > (bp_real)0 && isfinite(x);
}

static bool is_fraction(bp_real x)
{
    return x > (bp_real)0 && x < (bp_real)1;
}

static bp_real or_default(bp_real x, double otherwise)
{
    return x != (bp_real)0 ? x : (bp_real)otherwise;
}

static bp_optimizer with_defaults(const bp_optimizer_config *config)
{
    return (bp_optimizer){ .kind = config->kind,
                           .learning_rate = or_default(config->learning_rate, config->kind == BP_ADAM ? 0.001 : 0.01),
                           .momentum = config->momentum,
                           .nesterov = config->nesterov,
                           .beta1 = or_default(config->beta1, 0.9),
                           .beta2 = or_default(config->beta2, 0.999),
                           .epsilon = or_default(config->epsilon, 1e-8) };
}

static bp_status refuse(const char *setting, bp_real found, const char *expected)
{
    return bpi_fail(BP_ERR_ARGUMENT, "bp_optimizer_init: %s is %g, expected %s", setting, (double)found, expected);
}

static bp_status check_settings(const bp_optimizer *opt)
{
    if ((size_t)opt->kind >= BP_N_OPTIMIZERS)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_optimizer_init: %d is no optimizer", (int)opt->kind);
    if (!is_positive(opt->learning_rate))
        return refuse("learning_rate", opt->learning_rate, "a finite number above 0");
    if (!(opt->momentum >= (bp_real)0 && opt->momentum < (bp_real)1))
        return refuse("momentum", opt->momentum, "0 <= momentum < 1");
    if (opt->nesterov && opt->momentum == (bp_real)0)
        return refuse("momentum", opt->momentum, "above 0 for Nesterov's form");
    if (opt->kind != BP_SGD && (opt->momentum != (bp_real)0 || opt->nesterov))
        return refuse("momentum", opt->momentum, "0 with an optimizer other than BP_SGD");
    if (!is_fraction(opt->beta1))
        return refuse("beta1", opt->beta1, "0 < beta1 < 1");
    if (!is_fraction(opt->beta2))
        return refuse("beta2", opt->beta2, "0 < beta2 < 1");
    if (!is_positive(opt->epsilon))
        return refuse("epsilon", opt->epsilon, "a finite number above 0");
    return BP_OK;
}

bp_status bp_optimizer_init(bp_optimizer *opt, const bp_optimizer_config *config, const bp_parameters *parameters)
{
    BPI_NOT_NULL(opt);
    *opt = (bp_optimizer){ 0 };
    BPI_NOT_NULL(config);
    BPI_NOT_NULL(parameters);
    BPI_TRY(bpi_check_allocator(__func__, config->allocator));
    if (parameters->n_params == 0)
        return bpi_fail(BP_ERR_SHAPE, "bp_optimizer_init: there are no parameters");

    bp_optimizer made = with_defaults(config);
    BPI_TRY(check_settings(&made));

    struct bpi_plan plan = { 0 };
    const size_t n_moments = rule_of(&made)->n_moments;
    const size_t state = bpi_plan_matrix(&plan, n_moments, parameters->n_params, sizeof(bp_real));
    made.allocator = bpi_allocator_or_default(config->allocator);
    BPI_TRY(bpi_plan_allocate(&plan, __func__, &made.allocator, &made.block));

    made.n_params = parameters->n_params;
    made.n_state = n_moments * parameters->n_params;
    made.state = made.n_state > 0 ? bpi_place(made.block, state) : NULL;
    *opt = made;
    return BP_OK;
}

void bp_optimizer_free(bp_optimizer *opt)
{
    if (opt == NULL)
        return;
    bpi_release(&opt->allocator, opt->block);
    *opt = (bp_optimizer){ 0 };
}

/* ---- Steps ----------------------------------------------------------------------------------------------------------- */

bp_status bpi_optimizer_check(const char *function, const bp_optimizer *opt, const bp_parameters *parameters)
{
    if (opt == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: opt is NULL", function);
    if (opt->n_params == 0)
        return bpi_fail(BP_ERR_STATE, "%s: opt is empty; bp_optimizer_init() has not been called or has failed", function);
    if (opt->n_params != parameters->n_params)
        return bpi_fail(BP_ERR_SHAPE, "%s: opt was made for %zu parameters, there are %zu", function, opt->n_params,
                        parameters->n_params);
    if (!is_positive(opt->learning_rate))
        return bpi_fail(BP_ERR_ARGUMENT, "%s: learning_rate is %g, expected a finite number above 0", function,
                        (double)opt->learning_rate);
    return BP_OK;
}

bool bpi_optimizer_is_plain(const bp_optimizer *opt, const bp_parameters *parameters)
{
    for (size_t s = 0; s < parameters->n_segments; s++)
        if (parameters->segments[s].frozen)
            return false;
    return rule_of(opt) == &rules[PLAIN];
}

void bpi_optimizer_flush(size_t n, bp_real *p)
{
    for (size_t i = 0; i < n; i++)
        p[i] = flushed(p[i]);
}

void bpi_optimizer_begin_step(bp_optimizer *opt)
{
    opt->n_steps++;
    if (rule_of(opt)->begin != NULL)
        rule_of(opt)->begin(opt);
}

void bpi_optimizer_step_range(bp_optimizer *opt, size_t offset, size_t n, bp_real *p, const bp_real *g)
{
    bp_real *state[2] = { NULL, NULL };
    const struct rule *rule = rule_of(opt);
    for (size_t i = 0; i < rule->n_moments; i++)
        state[i] = opt->state + i * opt->n_params + offset;
    rule->step(opt, n, p, g, state);
}

/* The first component that is not finite, or n. Counting first keeps the usual case a loop that vectorises. */
static size_t first_nonfinite(size_t n, const bp_real *g)
{
    size_t n_bad = 0;
    for (size_t i = 0; i < n; i++)
        n_bad += !(BPI_FABS(g[i]) <= BP_REAL_MAX);
    if (n_bad == 0)
        return n;
    size_t i = 0;
    while (isfinite(g[i]))
        i++;
    return i;
}

static bp_status check_gradient(const bp_parameters *parameters, const bp_real *grad)
{
    for (size_t s = 0; s < parameters->n_segments; s++) {
        const bp_segment *segment = &parameters->segments[s];
        if (segment->frozen)
            continue;
        const size_t i = first_nonfinite(segment->n, grad + segment->offset);
        if (i < segment->n)
            return bpi_fail(BP_ERR_NONFINITE, "gradient: component %zu (%s %zu of layer %zu) is %g", segment->offset + i,
                            bp_segment_name(segment->kind), i, segment->layer, (double)grad[segment->offset + i]);
    }
    return BP_OK;
}

bp_status bp_optimizer_step(bp_optimizer *opt, const bp_parameters *parameters, const bp_real *grad, bp_real loss)
{
    (void)loss;
    BPI_NOT_NULL(parameters);
    BPI_NOT_NULL(grad);
    BPI_TRY(bpi_optimizer_check(__func__, opt, parameters));
    BPI_TRY(check_gradient(parameters, grad));

    bpi_optimizer_begin_step(opt);
    for (size_t s = 0; s < parameters->n_segments; s++) {
        const bp_segment *segment = &parameters->segments[s];
        if (!segment->frozen)
            bpi_optimizer_step_range(opt, segment->offset, segment->n, parameters->params + segment->offset,
                                     grad + segment->offset);
    }
    return BP_OK;
}
