// SPDX-License-Identifier: MIT
/*
 * An optimizer from init to free, and its step: the order in which gradient.c (penalties, clipping, checking) and rules.c
 * (the rules) get hold of the numbers, with decoupled weight decay and max-norm around them.
 */
#include "optim/optimizer.h"

#include "base/memory.h"
#include "base/status.h"
#include "math/shared_gemm.h"
#include "optim/gradient.h"
#include "optim/rules.h"
#include "optim/settings.h"

bp_status bp_optimizer_init(bp_optimizer *opt, const bp_optimizer_config *config, const bp_parameters *parameters)
{
    BPI_NOT_NULL(opt);
    *opt = (bp_optimizer){ 0 };
    BPI_NOT_NULL(config);
    BPI_NOT_NULL(parameters);
    BPI_TRY(bpi_check_allocator(__func__, config->allocator));
    if (parameters->n_params == 0)
        return bpi_fail(BP_ERR_SHAPE, "bp_optimizer_init: there are no parameters");

    bp_optimizer made = { .scalars[BP_SCALAR_NADAM_PRODUCT] = 1, .clip_factor = 1, .n_params = parameters->n_params };
    BPI_TRY(bpi_optimizer_settings(config, &made.settings));
    made.learning_rate = made.settings.learning_rate;

    struct bpi_plan plan = { 0 };
    const size_t n_moments = bpi_rule_moments(&made.settings);
    const size_t state = bpi_plan_matrix(&plan, n_moments, made.n_params, sizeof(bp_real));
    made.allocator = bpi_allocator_or_default(config->allocator);
    BPI_TRY(bpi_plan_allocate(&plan, __func__, &made.allocator, &made.block));

    made.n_state = n_moments * made.n_params;
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

/* ---- Questions ------------------------------------------------------------------------------------------------------- */

bp_status bpi_optimizer_check(const char *function, const bp_optimizer *opt, const bp_parameters *parameters)
{
    if (opt == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "%s: opt is NULL", function);
    if (opt->n_params == 0)
        return bpi_fail(BP_ERR_STATE, "%s: opt is empty; bp_optimizer_init() has not been called or has failed", function);
    if (opt->n_params != parameters->n_params)
        return bpi_fail(BP_ERR_SHAPE, "%s: opt was made for %zu parameters, there are %zu", function, opt->n_params,
                        parameters->n_params);
    if (!(opt->learning_rate >= (bp_real)0) || !isfinite(opt->learning_rate))
        return bpi_fail(BP_ERR_ARGUMENT, "%s: learning_rate is %g, expected a finite number >= 0", function,
                        (double)opt->learning_rate);
    return BP_OK;
}

bool bpi_optimizer_is_plain(const bp_optimizer *opt, const bp_parameters *parameters)
{
    const bp_optimizer_config *is = &opt->settings;
    const bp_real others[] = {
        is->momentum, is->weight_decay, is->l1, is->l2, is->clip_value, is->clip_norm, is->max_norm
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (others[i] != (bp_real)0)
            return false;
    for (size_t s = 0; s < parameters->n_segments; s++)
        if (parameters->segments[s].frozen)
            return false;
    return is->kind == BP_SGD;
}

bool bpi_optimizer_needs_full_batch(const bp_optimizer *opt)
{
    return bpi_rule(opt->settings.kind)->needs_full_batch;
}

/* ---- Some rows ------------------------------------------------------------------------------------------------------- */

void bpi_optimizer_flush(size_t n, bp_real *p)
{
    bpi_rule_kernels()->flush(n, p);
}

/* Steps n <= BPI_CHUNK numbers, p[0] being number `index` of the block. */
static void step_chunk(const bp_optimizer *opt, bp_segment_kind kind, size_t index, size_t n, bp_real *p, const bp_real *g)
{
    bp_real buffer[BPI_CHUNK], *moments[BPI_MAX_MOMENTS] = { NULL };
    for (size_t i = 0; i * opt->n_params < opt->n_state; i++)
        moments[i] = opt->state + i * opt->n_params + index;

    const bp_real *prepared = bpi_gradient_prepare(opt, kind, n, p, g, buffer);
    if (opt->settings.kind == BP_ADAMW && opt->settings.weight_decay > (bp_real)0)
        bpi_rule_kernels()->scale_parameters(
            n, (bp_real)(1 - (double)opt->learning_rate * (double)opt->settings.weight_decay), p);
    bpi_rule_kernels()->step[opt->settings.kind](opt, n, p, prepared, moments);
}

/* Scales rows that are longer than C down to C. One that is not finite stays, for whoever looks for such numbers. */
static void limit_rows(double C, size_t rows, size_t columns, bp_real *p)
{
    for (size_t row = 0; row < rows; row++, p += columns) {
        const double norm = sqrt(bpi_rule_kernels()->sum_of_squares(columns, p, 1));
        if (norm > C && isfinite(norm))
            bpi_rule_kernels()->scale_parameters(columns, (bp_real)(C / norm), p);
    }
}

void bpi_optimizer_step_range(const bp_optimizer *opt, const bp_segment *segment, size_t first, size_t rows, bp_real *p,
                              const bp_real *g)
{
    const size_t columns = segment->n / segment->rows, n = rows * columns, index = segment->offset + first * columns;
    for (size_t i = 0; i < n; i += BPI_CHUNK)
        step_chunk(opt, segment->kind, index + i, n - i < BPI_CHUNK ? n - i : BPI_CHUNK, p + i, g + i);
    if (opt->settings.max_norm > (bp_real)0 && segment->kind == BP_WEIGHT)
        limit_rows((double)opt->settings.max_norm, rows, columns, p);
}

/* ---- The whole ------------------------------------------------------------------------------------------------------- */

void bpi_optimizer_begin_step(bp_optimizer *opt)
{
    const struct bpi_rule *rule = bpi_rule(opt->settings.kind);
    opt->n_steps++;
    if (rule->begin != NULL)
        rule->begin(opt);
}

/*
 * What iRPROP+ minimises, and whether that has risen since the last step. Before the first it is compared with 0, but there
 * is nothing yet that could be taken back. For the other rules: 0 and false.
 */
static bp_status compare_loss(const bp_optimizer *opt, const bp_parameters *parameters, bp_real loss, double *now,
                              bool *risen)
{
    *now = 0;
    *risen = false;
    if (opt->settings.kind != BP_RPROP_PLUS)
        return BP_OK;
    *now = (double)loss + (double)bp_penalty(opt, parameters);
    *risen = *now > opt->scalars[BP_SCALAR_RPROP_LOSS];
    if (!isfinite(*now))
        return bpi_fail(BP_ERR_NONFINITE, "bp_optimizer_step: the loss with its penalties is %g; rprop_plus compares it",
                        *now);
    return BP_OK;
}

/* A segment in parts of whole rows, or of any numbers where it has one row. */
struct segment_job {
    const bp_optimizer *opt;
    const bp_segment *segment;
    bp_real *p;
    const bp_real *g;
    struct bpi_cut cut;
};

enum { NUMBER = 128 }; /* a number costs as much as so many multiplications of a matrix product, more or less */

static void step_part(void *argument, size_t i)
{
    const struct segment_job *job = argument;
    const size_t columns = job->segment->n / job->segment->rows, first = bpi_cut_begin(&job->cut, i);
    bpi_optimizer_step_range(job->opt, job->segment, first, bpi_cut_begin(&job->cut, i + 1) - first,
                             job->p + first * columns, job->g + first * columns);
}

static void step_segment(struct bp_threads_pool *pool, struct segment_job *job)
{
    const bp_segment *segment = job->segment;
    job->cut = pool != NULL ? bpi_cut_rows(segment->rows, NUMBER * segment->n)
                            : (struct bpi_cut){ .n = segment->rows, .n_parts = 1 };
    bpi_pool_run(pool, job->cut.n_parts, step_part, job);
}

bp_status bpi_optimizer_step(bp_optimizer *opt, const bp_parameters *parameters, const bp_real *grad, bp_real loss,
                             struct bp_threads_pool *pool)
{
    BPI_TRY(bpi_optimizer_check("bp_optimizer_step", opt, parameters));
    BPI_TRY(bpi_gradient_check(opt, parameters, grad));

    double loss_now;
    bool risen;
    BPI_TRY(compare_loss(opt, parameters, loss, &loss_now, &risen));
    opt->scalars[BP_SCALAR_RPROP_LOSS] = loss_now;
    opt->factors[0] = risen; /* where the rule has factors of its own it sets this one, too */
    opt->clip_factor = bpi_gradient_clip_factor(opt, parameters, grad);

    bpi_optimizer_begin_step(opt);
    for (size_t s = 0; s < parameters->n_segments; s++) {
        const bp_segment *segment = &parameters->segments[s];
        if (!segment->frozen)
            step_segment(pool, &(struct segment_job){ .opt = opt,
                                                      .segment = segment,
                                                      .p = parameters->params + segment->offset,
                                                      .g = grad + segment->offset });
    }
    return BP_OK;
}

bp_status bp_optimizer_step(bp_optimizer *opt, const bp_parameters *parameters, const bp_real *grad, bp_real loss)
{
    BPI_NOT_NULL(parameters);
    BPI_NOT_NULL(grad);
    BPI_NOT_NULL(opt);
    return bpi_optimizer_step(opt, parameters, grad, loss, opt->threads != NULL ? opt->threads->pool : NULL);
}
