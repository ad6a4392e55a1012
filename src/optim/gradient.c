// SPDX-License-Identifier: MIT
/*
 * Penalties, clipping and checking of a gradient. It is never written to: what changes goes, a chunk at a time, to a buffer
 * of the caller's, and is computed again where it is needed again.
 */
#include "optim/gradient.h"

#include <stdbool.h>

#include "base/status.h"
#include "optim/rules.h"

/* ---- Chunk by chunk -------------------------------------------------------------------------------------------------- */

/* to = g + l1 sign(p) + l2 p */
static void add_penalties(size_t n, bp_real l1, bp_real l2, const bp_real *p, const bp_real *g, bp_real *to)
{
    for (size_t i = 0; i < n; i++) {
        const bp_real sign = (bp_real)(p[i] > (bp_real)0) - (bp_real)(p[i] < (bp_real)0);
        to[i] = g[i] + l1 * sign + l2 * p[i];
    }
}

/* to = g, put into [-C, C] */
static void clip_by_value(size_t n, bp_real C, const bp_real *g, bp_real *to)
{
    for (size_t i = 0; i < n; i++) {
        const bp_real at_most = g[i] < C ? g[i] : C;
        to[i] = at_most > -C ? at_most : -C;
    }
}

/* to = factor g, in double: the factor may be below single precision's range where g is at its top */
static void scale(size_t n, double factor, const bp_real *g, bp_real *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (bp_real)(factor * (double)g[i]);
}

/* to = g + w p */
static void add_weight_decay(size_t n, bp_real w, const bp_real *p, const bp_real *g, bp_real *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = g[i] + w * p[i];
}

static bool has_penalty(const bp_optimizer_config *settings)
{
    return settings->l1 > (bp_real)0 || settings->l2 > (bp_real)0;
}

static const bp_real *with_penalties(const bp_optimizer_config *settings, bp_segment_kind kind, size_t n, const bp_real *p,
                                     const bp_real *g, bp_real *buffer)
{
    if (kind != BP_WEIGHT || !has_penalty(settings))
        return g;
    add_penalties(n, settings->l1, settings->l2, p, g, buffer);
    return buffer;
}

static const bp_real *clipped_by_value(const bp_optimizer_config *settings, size_t n, const bp_real *g, bp_real *buffer)
{
    if (settings->clip_value == (bp_real)0)
        return g;
    clip_by_value(n, settings->clip_value, g, buffer);
    return buffer;
}

const bp_real *bpi_gradient_prepare(const bp_optimizer *opt, bp_segment_kind kind, size_t n, const bp_real *p,
                                    const bp_real *g, bp_real *buffer)
{
    const bp_optimizer_config *settings = &opt->settings;
    g = with_penalties(settings, kind, n, p, g, buffer);
    g = clipped_by_value(settings, n, g, buffer);
    if (opt->clip_factor < 1) {
        scale(n, opt->clip_factor, g, buffer);
        g = buffer;
    }
    if (settings->weight_decay > (bp_real)0 && settings->kind != BP_ADAMW) {
        add_weight_decay(n, settings->weight_decay, p, g, buffer);
        g = buffer;
    }
    return g;
}

/* ---- The whole gradient ---------------------------------------------------------------------------------------------- */

/* A walk over all that is not frozen, a chunk at a time. Zeroed, it is before the first. */
struct walk {
    size_t next_segment, next_in_segment;
    const bp_segment *segment;
    size_t offset, n; /* the chunk, in the block of parameters */
};

static bool walk_on(struct walk *walk, const bp_parameters *parameters)
{
    for (; walk->next_segment < parameters->n_segments; walk->next_segment++, walk->next_in_segment = 0) {
        const bp_segment *segment = &parameters->segments[walk->next_segment];
        if (segment->frozen || walk->next_in_segment == segment->n)
            continue;
        const size_t left = segment->n - walk->next_in_segment;
        walk->segment = segment;
        walk->offset = segment->offset + walk->next_in_segment;
        walk->n = left < BPI_CHUNK ? left : BPI_CHUNK;
        walk->next_in_segment += walk->n;
        return true;
    }
    return false;
}

/* The first number beyond +-limit, or n. Counting first keeps the usual case a loop that vectorises. */
static size_t first_beyond(size_t n, const bp_real *g, bp_real limit)
{
    size_t n_beyond = 0;
    for (size_t i = 0; i < n; i++)
        n_beyond += !(BPI_FABS(g[i]) <= limit);
    if (n_beyond == 0)
        return n;
    size_t i = 0;
    while (BPI_FABS(g[i]) <= limit)
        i++;
    return i;
}

static bp_status refuse(const struct walk *at, size_t i, const bp_optimizer *opt, double found)
{
    const size_t index = at->offset + i;
    const char *kind = bp_segment_name(at->segment->kind);
    const size_t within = index - at->segment->offset, layer = at->segment->layer;
    if (!isfinite(found))
        return bpi_fail(BP_ERR_NONFINITE, "gradient: component %zu (%s %zu of layer %zu) is %g", index, kind, within, layer,
                        found);
    return bpi_fail(BP_ERR_NONFINITE, "gradient: component %zu (%s %zu of layer %zu) is %g, too large to be squared by %s",
                    index, kind, within, layer, found, bp_optimizer_name(opt->settings.kind));
}

bp_status bpi_gradient_check(const bp_optimizer *opt, const bp_parameters *parameters, const bp_real *grad)
{
    const bp_optimizer_config *settings = &opt->settings;
    const bool is_clipped = settings->clip_value > (bp_real)0 || settings->clip_norm > (bp_real)0;
    const bool must_be_squared = bpi_rule(settings->kind)->squares && !is_clipped;
    const bp_real limit = must_be_squared ? BPI_SQRT(BP_REAL_MAX) / 2 : BP_REAL_MAX;

    bp_real buffer[BPI_CHUNK];
    for (struct walk at = { 0 }; walk_on(&at, parameters);) {
        const bp_real *p = parameters->params + at.offset, *g = grad + at.offset;
        g = with_penalties(settings, at.segment->kind, at.n, p, g, buffer);
        const size_t i = first_beyond(at.n, g, limit);
        if (i < at.n)
            return refuse(&at, i, opt, (double)g[i]);
    }
    return BP_OK;
}

/* ---- Norms ----------------------------------------------------------------------------------------------------------- */

enum { LANES = 8 }; /* separate sums that fill a vector; their order is fixed, and so are the bits */

double bpi_sum_of_squares(size_t n, const bp_real *x, double scale_by)
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

/* Length of the gradient, penalties and clip_value included, times scale_by. */
static double scaled_norm(const bp_optimizer *opt, const bp_parameters *parameters, const bp_real *grad, double scale_by)
{
    double sum = 0;
    bp_real buffer[BPI_CHUNK];
    for (struct walk at = { 0 }; walk_on(&at, parameters);) {
        const bp_real *p = parameters->params + at.offset, *g = grad + at.offset;
        g = with_penalties(&opt->settings, at.segment->kind, at.n, p, g, buffer);
        g = clipped_by_value(&opt->settings, at.n, g, buffer);
        sum += bpi_sum_of_squares(at.n, g, scale_by);
    }
    return sqrt(sum);
}

double bpi_gradient_clip_factor(const bp_optimizer *opt, const bp_parameters *parameters, const bp_real *grad)
{
    const double C = (double)opt->settings.clip_norm;
    if (C == 0)
        return 1;
    const double small = 0x1p-600; /* numbers so large that their squares overflow are squared after scaling by it */
    const double norm = scaled_norm(opt, parameters, grad, 1);
    if (isfinite(norm))
        return fmin(1, C / (norm + 1e-6));
    return fmin(1, C / scaled_norm(opt, parameters, grad, small) * small);
}

/* ---- The value of the penalties -------------------------------------------------------------------------------------- */

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

bp_real bp_penalty(const bp_optimizer *opt, const bp_parameters *parameters)
{
    double magnitudes = 0, squares = 0;
    if (opt == NULL || parameters == NULL || !has_penalty(&opt->settings))
        return (bp_real)0;
    for (size_t s = 0; s < parameters->n_segments; s++) {
        const bp_segment *segment = &parameters->segments[s];
        if (segment->kind != BP_WEIGHT)
            continue;
        magnitudes += sum_of_magnitudes(segment->n, parameters->params + segment->offset);
        squares += bpi_sum_of_squares(segment->n, parameters->params + segment->offset, 1);
    }
    return (bp_real)((double)opt->settings.l1 * magnitudes + (double)opt->settings.l2 / 2 * squares);
}
