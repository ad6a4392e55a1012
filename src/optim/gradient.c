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

static bool has_penalty(const bp_optimizer_config *settings)
{
    return settings->l1 > (bp_real)0 || settings->l2 > (bp_real)0;
}

static const bp_real *with_penalties(const bp_optimizer_config *settings, bp_segment_kind kind, size_t n, const bp_real *p,
                                     const bp_real *g, bp_real *buffer)
{
    if (kind != BP_WEIGHT || !has_penalty(settings))
        return g;
    bpi_rule_kernels()->add_penalties(n, settings->l1, settings->l2, p, g, buffer);
    return buffer;
}

static const bp_real *clipped_by_value(const bp_optimizer_config *settings, size_t n, const bp_real *g, bp_real *buffer)
{
    if (settings->clip_value == (bp_real)0)
        return g;
    bpi_rule_kernels()->clip_by_value(n, settings->clip_value, g, buffer);
    return buffer;
}

const bp_real *bpi_gradient_prepare(const bp_optimizer *opt, bp_segment_kind kind, size_t n, const bp_real *p,
                                    const bp_real *g, bp_real *buffer)
{
    const bp_optimizer_config *settings = &opt->settings;
    g = with_penalties(settings, kind, n, p, g, buffer);
    g = clipped_by_value(settings, n, g, buffer);
    if (opt->clip_factor < 1) {
        bpi_rule_kernels()->scale_gradient(n, opt->clip_factor, g, buffer);
        g = buffer;
    }
    if (settings->weight_decay > (bp_real)0 && settings->kind != BP_ADAMW) {
        bpi_rule_kernels()->add_weight_decay(n, settings->weight_decay, p, g, buffer);
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
    if (bpi_rule_kernels()->count_beyond(n, limit, g) == 0)
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

/* Length of the gradient, penalties and clip_value included, times scale_by. */
static double scaled_norm(const bp_optimizer *opt, const bp_parameters *parameters, const bp_real *grad, double scale_by)
{
    double sum = 0;
    bp_real buffer[BPI_CHUNK];
    for (struct walk at = { 0 }; walk_on(&at, parameters);) {
        const bp_real *p = parameters->params + at.offset, *g = grad + at.offset;
        g = with_penalties(&opt->settings, at.segment->kind, at.n, p, g, buffer);
        g = clipped_by_value(&opt->settings, at.n, g, buffer);
        sum += bpi_rule_kernels()->sum_of_squares(at.n, g, scale_by);
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

bp_real bp_penalty(const bp_optimizer *opt, const bp_parameters *parameters)
{
    double magnitudes = 0, squares = 0;
    if (opt == NULL || parameters == NULL || !has_penalty(&opt->settings))
        return (bp_real)0;
    for (size_t s = 0; s < parameters->n_segments; s++) {
        const bp_segment *segment = &parameters->segments[s];
        if (segment->kind != BP_WEIGHT)
            continue;
        magnitudes += bpi_rule_kernels()->sum_of_magnitudes(segment->n, parameters->params + segment->offset);
        squares += bpi_rule_kernels()->sum_of_squares(segment->n, parameters->params + segment->offset, 1);
    }
    return (bp_real)((double)opt->settings.l1 * magnitudes + (double)opt->settings.l2 / 2 * squares);
}
