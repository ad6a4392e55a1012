// SPDX-License-Identifier: MIT
/*
 * Every rule, penalty and clipping against a loop over single numbers in double, written from the formulas of
 * reference/FORMAT.md (iRPROP+: from the paper), and what a step promises besides. Plain steps of the core are in
 * test_optimizer.c, trajectories of whole networks in test_reference.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "base/real.h"

#include "backprop/optimizer.h"
#include "backprop/rng.h"
#include "optim/optimizer.h"
#include "support/close.h"
#include "support/heap.h"
#include "support/levels.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- Parameters: two layers, the first with more numbers than a rule gets at a time and rows that do not fit its pieces ----- */

enum { W1 = 3 * 400, B1 = 3, GAMMA = 3, W2 = 2 * 3, B2 = 2, N = W1 + B1 + GAMMA + W2 + B2, MOST = 4 };
enum { N_SEGMENTS = 5, LAST = N - 1 };

struct block {
    bp_real params[N];
    bp_segment segments[N_SEGMENTS];
    bp_parameters parameters;
};

static void make_block(struct block *block)
{
    static const struct {
        size_t n, rows, layer;
        int kind; /* gamma is 2 */
    } is[N_SEGMENTS] = {
        { W1, 3, 0, BP_WEIGHT }, { B1, 1, 0, BP_BIAS }, { GAMMA, 1, 0, 2 }, { W2, 2, 1, BP_WEIGHT }, { B2, 1, 1, BP_BIAS }
    };
    bp_rng rng;
    size_t offset = 0;
    bp_rng_init(&rng, 1);
    for (size_t s = 0; s < N_SEGMENTS; offset += is[s++].n)
        block->segments[s] = (bp_segment){
            .offset = offset, .n = is[s].n, .rows = is[s].rows, .layer = is[s].layer, .kind = (bp_segment_kind)is[s].kind
        };
    for (size_t i = 0; i < N; i++)
        block->params[i] = i % 7 == 3 ? (bp_real)0 : (bp_real)(2 * bp_rng_uniform(&rng) - 1);
    block->parameters = (bp_parameters){ block->params, N, block->segments, N_SEGMENTS };
}

/* A gradient of numbers in [-1, 1), a few of them 0. */
static void draw_gradient(bp_rng *rng, bp_real *grad)
{
    for (size_t i = 0; i < N; i++) {
        const double u = bp_rng_uniform(rng);
        grad[i] = u < 0.02 ? (bp_real)0 : (bp_real)(2 * u - 1);
    }
}

static void make(bp_optimizer *opt, const bp_optimizer_config *config, const struct block *block)
{
    if (bp_optimizer_init(opt, config, &block->parameters) != BP_OK)
        fail_msg("%s", bp_error_message());
}

static void step(bp_optimizer *opt, const struct block *block, const bp_real *grad, double loss)
{
    if (bp_optimizer_step(opt, &block->parameters, grad, (bp_real)loss) != BP_OK)
        fail_msg("%s", bp_error_message());
}

/* ---- The oracle ------------------------------------------------------------------------------------------------------ */

/* What the formulas keep for one number: m, v and so on, in the letters of FORMAT.md. */
struct kept {
    double m, v, x, b, a, u, size, g_previous, move;
};

struct oracle {
    bp_optimizer_config is; /* the optimizer's settings */
    double r, t, P, loss, loss_previous;
    double p[N], g[N];
    struct kept kept[N];
};

static double sgd(const struct oracle *o, struct kept *k, double p, double g)
{
    const double u = (double)o->is.momentum;
    k->b = o->t == 1 ? g : u * k->b + g;
    return p - o->r * (o->is.nesterov ? g + u * k->b : k->b);
}

static void adam_moments(const struct oracle *o, struct kept *k, double g)
{
    const double beta1 = (double)o->is.beta1, beta2 = (double)o->is.beta2;
    k->m = beta1 * k->m + (1 - beta1) * g;
    k->v = beta2 * k->v + (1 - beta2) * g * g;
    k->x = fmax(k->x, k->v);
}

static double adam(const struct oracle *o, struct kept *k, double p, double g)
{
    adam_moments(o, k, g);
    const double m = k->m / (1 - pow((double)o->is.beta1, o->t));
    const double v = (o->is.amsgrad ? k->x : k->v) / (1 - pow((double)o->is.beta2, o->t));
    return p - o->r * m / (sqrt(v) + (double)o->is.epsilon);
}

static double adamw(const struct oracle *o, struct kept *k, double p, double g)
{
    return adam(o, k, p * (1 - o->r * (double)o->is.weight_decay), g);
}

static double mu(const struct oracle *o, double t)
{
    return (double)o->is.beta1 * (1 - pow(0.96, t * (double)o->is.momentum_decay) / 2);
}

static double nadam(const struct oracle *o, struct kept *k, double p, double g)
{
    adam_moments(o, k, g);
    double P = 1;
    for (double t = 1; t <= o->t; t++)
        P *= mu(o, t);
    const double now = mu(o, o->t), next = mu(o, o->t + 1);
    const double d = sqrt(k->v / (1 - pow((double)o->is.beta2, o->t))) + (double)o->is.epsilon;
    return p - o->r * ((1 - now) / (1 - P) * g + next / (1 - P * next) * k->m) / d;
}

static double adagrad(const struct oracle *o, struct kept *k, double p, double g)
{
    k->v += g * g;
    return p - o->r * g / (sqrt(k->v) + (double)o->is.epsilon);
}

static double adadelta(const struct oracle *o, struct kept *k, double p, double g)
{
    const double rho = (double)o->is.rho, e = (double)o->is.epsilon;
    k->v = rho * k->v + (1 - rho) * g * g;
    const double d = sqrt(k->u + e) / sqrt(k->v + e) * g;
    k->u = rho * k->u + (1 - rho) * d * d;
    return p - o->r * d;
}

static double rmsprop(const struct oracle *o, struct kept *k, double p, double g)
{
    const double rho = (double)o->is.rho;
    k->v = rho * k->v + (1 - rho) * g * g;
    k->a = rho * k->a + (1 - rho) * g;
    const double d = g / (sqrt(o->is.centered ? k->v - k->a * k->a : k->v) + (double)o->is.epsilon);
    k->b = (double)o->is.momentum * k->b + d;
    return p - o->r * k->b;
}

static double sign(double x)
{
    return (x > 0) - (x < 0);
}

/* Igel and Huesken (2003), the listing of iRPROP+ (takes_back) and iRPROP-: the step before is kept as it was made. */
static double rprop(const struct oracle *o, struct kept *k, double p, double g, bool takes_back)
{
    const double s = g * k->g_previous;
    if (o->t == 1)
        k->size = o->r;
    if (s > 0)
        k->size = fmin(k->size * (double)(bp_real)1.2, 50);
    if (s < 0) {
        k->size = fmax(k->size * 0.5, (double)(bp_real)1e-6);
        k->g_previous = 0;
        return takes_back && o->loss > o->loss_previous ? p - k->move : p;
    }
    k->move = -sign(g) * k->size;
    k->g_previous = g;
    return p + k->move;
}

static double rprop_minus(const struct oracle *o, struct kept *k, double p, double g)
{
    return rprop(o, k, p, g, false);
}

static double rprop_plus(const struct oracle *o, struct kept *k, double p, double g)
{
    return rprop(o, k, p, g, true);
}

static double (*const oracle_rules[BP_N_OPTIMIZERS])(const struct oracle *, struct kept *, double p, double g) = {
    [BP_SGD] = sgd,
    [BP_ADAM] = adam,
    [BP_ADAMW] = adamw,
    [BP_NADAM] = nadam,
    [BP_ADAGRAD] = adagrad,
    [BP_ADADELTA] = adadelta,
    [BP_RMSPROP] = rmsprop,
    [BP_RPROP_MINUS] = rprop_minus,
    [BP_RPROP_PLUS] = rprop_plus,
};

static bool is_weight(size_t i)
{
    return i < W1 || (i >= W1 + B1 + GAMMA && i < W1 + B1 + GAMMA + W2);
}

/* The parts of a step, so that a test can put them into the wrong order. */
static void penalties(struct oracle *o)
{
    for (size_t i = 0; i < N; i++)
        if (is_weight(i))
            o->g[i] += (double)o->is.l1 * sign(o->p[i]) + (double)o->is.l2 * o->p[i];
}

static void clip_value(struct oracle *o)
{
    const double C = (double)o->is.clip_value;
    for (size_t i = 0; C > 0 && i < N; i++)
        o->g[i] = fmin(fmax(o->g[i], -C), C);
}

static void clip_norm(struct oracle *o)
{
    double sum = 0;
    for (size_t i = 0; i < N; i++)
        sum += o->g[i] * o->g[i];
    const double C = (double)o->is.clip_norm;
    for (size_t i = 0; C > 0 && i < N; i++)
        o->g[i] *= fmin(1, C / (sqrt(sum) + 1e-6));
}

static void weight_decay(struct oracle *o)
{
    for (size_t i = 0; i < N && o->is.kind != BP_ADAMW; i++)
        o->g[i] += (double)o->is.weight_decay * o->p[i];
}

static void rule(struct oracle *o)
{
    for (size_t i = 0; i < N; i++)
        o->p[i] = oracle_rules[o->is.kind](o, &o->kept[i], o->p[i], o->g[i]);
}

static void max_norm(struct oracle *o)
{
    const double C = (double)o->is.max_norm;
    for (size_t row = 0; C > 0 && row < 5; row++) { /* 3 of 400, then 2 of 3 */
        const size_t first = row < 3 ? row * 400 : W1 + B1 + GAMMA + (row - 3) * 3, n = row < 3 ? 400 : 3;
        double sum = 0;
        for (size_t i = first; i < first + n; i++)
            sum += o->p[i] * o->p[i];
        for (size_t i = first; i < first + n && sqrt(sum) > C; i++)
            o->p[i] *= C / sqrt(sum);
    }
}

typedef void (*part)(struct oracle *o);
static const part right_order[] = { penalties, clip_value, clip_norm, weight_decay, rule, max_norm };
enum { N_PARTS = COUNT(right_order) };

static double oracle_penalty(const struct oracle *o)
{
    double sum = 0;
    for (size_t i = 0; i < N; i++)
        if (is_weight(i))
            sum += (double)o->is.l1 * fabs(o->p[i]) + (double)o->is.l2 / 2 * o->p[i] * o->p[i];
    return sum;
}

static void start_oracle(struct oracle *o, const bp_optimizer *opt, const struct block *block)
{
    *o = (struct oracle){ .is = opt->settings };
    for (size_t i = 0; i < N; i++)
        o->p[i] = (double)block->params[i];
}

static void step_oracle(struct oracle *o, const bp_optimizer *opt, const bp_real *grad, double loss, const part *order)
{
    o->t++;
    o->r = (double)opt->learning_rate;
    o->loss_previous = o->loss;
    o->loss = (double)(bp_real)loss + oracle_penalty(o);
    for (size_t i = 0; i < N; i++)
        o->g[i] = (double)grad[i];
    for (size_t i = 0; i < N_PARTS; i++)
        order[i](o);
}

static double farthest(const struct oracle *o, const struct block *block)
{
    double most = 0;
    for (size_t i = 0; i < N; i++)
        most = fmax(most, fabs((double)block->params[i] - o->p[i]) / (fabs(o->p[i]) + 1));
    return most;
}

/* ---- Rules ----------------------------------------------------------------------------------------------------------- */

#define R(x) ((bp_real)(x))

/* Each rule, each of its forms, with every setting away from its default somewhere. */
static const bp_optimizer_config forms[] = {
    { .kind = BP_SGD, .learning_rate = R(0.1) },
    { .kind = BP_SGD, .learning_rate = R(0.1), .weight_decay = R(0.1) },
    { .kind = BP_SGD, .momentum = R(0.9), .weight_decay = R(0.1) },
    { .kind = BP_SGD, .momentum = R(0.8), .nesterov = true },
    { .kind = BP_ADAM, .learning_rate = R(0.01) },
    { .kind = BP_ADAM, .beta1 = R(0.8), .beta2 = R(0.9), .epsilon = R(0.1), .weight_decay = R(0.1) },
    { .kind = BP_ADAM, .beta2 = R(0.5), .amsgrad = true },
    { .kind = BP_ADAMW, .learning_rate = R(0.01), .weight_decay = R(0.5) },
    { .kind = BP_ADAMW, .learning_rate = R(0.01), .weight_decay = R(0.5), .beta2 = R(0.5), .amsgrad = true },
    { .kind = BP_ADAMW },
    { .kind = BP_NADAM, .learning_rate = R(0.01) },
    { .kind = BP_NADAM,
      .momentum_decay = R(0.5),
      .beta1 = R(0.7),
      .beta2 = R(0.9),
      .epsilon = R(0.01),
      .weight_decay = R(0.1) },
    { .kind = BP_ADAGRAD },
    { .kind = BP_ADAGRAD, .learning_rate = R(0.1), .epsilon = R(0.1), .weight_decay = R(0.1) },
    { .kind = BP_ADADELTA },
    { .kind = BP_ADADELTA, .learning_rate = R(2), .rho = R(0.5), .epsilon = R(0.01), .weight_decay = R(0.1) },
    { .kind = BP_RMSPROP },
    { .kind = BP_RMSPROP, .rho = R(0.9), .epsilon = R(0.01), .weight_decay = R(0.1) },
    { .kind = BP_RMSPROP, .rho = R(0.9), .epsilon = R(0.01), .centered = true },
    { .kind = BP_RMSPROP, .rho = R(0.9), .momentum = R(0.5) },
    { .kind = BP_RMSPROP, .rho = R(0.9), .epsilon = R(0.01), .momentum = R(0.5), .centered = true },
    { .kind = BP_RPROP_MINUS },
    { .kind = BP_RPROP_MINUS, .learning_rate = R(40) },
    { .kind = BP_RPROP_MINUS, .learning_rate = R(1.5e-6) },
    { .kind = BP_RPROP_PLUS },
    { .kind = BP_RPROP_PLUS, .learning_rate = R(40) },
    { .kind = BP_RPROP_PLUS, .l1 = R(0.01), .l2 = R(0.1) },
};

/* Some hundred roundings stand between the loops and the rules after so many steps, each of a few eps of |p| + 1 at most. */
static const double bound = 2000 * (double)BP_REAL_EPSILON;

static double loss_at(size_t t)
{
    return 1 + 0.5 * sin(1.3 * (double)t); /* rises and falls */
}

/* The rate changes at step 10: no rule may have kept the old one. */
static void each_rule_is_its_formula(void **unused)
{
    (void)unused;
    static struct block block;
    static struct oracle oracle;
    static bp_real grad[N];
    for (size_t f = 0; f < COUNT(forms); f++) {
        bp_optimizer opt;
        bp_rng rng;
        bp_rng_init(&rng, 2);
        make_block(&block);
        make(&opt, &forms[f], &block);
        start_oracle(&oracle, &opt, &block);
        for (size_t t = 1; t <= 30; t++) {
            if (t == 10)
                opt.learning_rate *= R(0.25);
            draw_gradient(&rng, grad);
            step_oracle(&oracle, &opt, grad, loss_at(t), right_order);
            step(&opt, &block, grad, loss_at(t));
            if (!(farthest(&oracle, &block) <= bound))
                fail_msg("form %zu, %s: off by %g after step %zu", f, bp_optimizer_name(forms[f].kind),
                         farthest(&oracle, &block), t);
        }
        assert_int_equal(opt.n_steps, 30);
        bp_optimizer_free(&opt);
    }
}

static void each_part_of_a_step_has_its_place(void **unused)
{
    (void)unused;
    static struct block block;
    static struct oracle right, wrong;
    static bp_real grad[N];
    const bp_optimizer_config config = { .learning_rate = R(0.5),
                                         .momentum = R(0.5),
                                         .weight_decay = R(0.3),
                                         .l1 = R(0.2),
                                         .l2 = R(0.4),
                                         .clip_value = R(0.6),
                                         .clip_norm = R(5),
                                         .max_norm = R(1.2) };
    bp_optimizer opt;
    bp_rng rng;
    for (size_t swapped = 0; swapped + 1 < N_PARTS; swapped++) {
        part order[N_PARTS];
        memcpy(order, right_order, sizeof order);
        order[swapped] = right_order[swapped + 1];
        order[swapped + 1] = right_order[swapped];

        make_block(&block);
        make(&opt, &config, &block);
        bp_rng_init(&rng, 3);
        start_oracle(&right, &opt, &block);
        start_oracle(&wrong, &opt, &block);
        for (size_t t = 1; t <= 5; t++) {
            draw_gradient(&rng, grad);
            step_oracle(&right, &opt, grad, 0, right_order);
            step_oracle(&wrong, &opt, grad, 0, order);
            step(&opt, &block, grad, 0);
        }
        assert_close(farthest(&right, &block), 0, bound);
        assert_true(farthest(&wrong, &block) > 1e-3);
        bp_optimizer_free(&opt);
    }
}

/* ---- Penalties and clipping by hand ---------------------------------------------------------------------------------- */

/* W = (3 -4; 0 1), b = (2 -2); the gradient is given, the rate is 1. */
struct small {
    bp_real params[6];
    bp_segment segments[2];
    bp_parameters parameters;
};

static void make_small(struct small *small)
{
    *small = (struct small){ .params = { 3, -4, 0, 1, 2, -2 },
                             .segments = { { .n = 4, .rows = 2, .kind = BP_WEIGHT },
                                           { .offset = 4, .n = 2, .rows = 1, .kind = BP_BIAS } } };
    small->parameters = (bp_parameters){ small->params, 6, small->segments, 2 };
}

static void check_small_step(bp_optimizer_config config, const double grad[6], const double expected[6])
{
    struct small small;
    bp_optimizer opt;
    bp_real g[6];
    make_small(&small);
    config.learning_rate = 1;
    for (size_t i = 0; i < 6; i++)
        g[i] = (bp_real)grad[i];
    assert_int_equal(bp_optimizer_init(&opt, &config, &small.parameters), BP_OK);
    assert_int_equal(bp_optimizer_step(&opt, &small.parameters, g, 0), BP_OK);
    for (size_t i = 0; i < 6; i++)
        assert_close((double)small.params[i], expected[i], 16 * (double)BP_REAL_EPSILON);
    bp_optimizer_free(&opt);
}

static void penalties_pull_weights_alone(void **unused)
{
    (void)unused;
    const double none[6] = { 0 };
    check_small_step((bp_optimizer_config){ .l1 = R(0.5) }, none, (const double[]){ 2.5, -3.5, 0, 0.5, 2, -2 });
    check_small_step((bp_optimizer_config){ .l2 = R(0.25) }, none, (const double[]){ 2.25, -3, 0, 0.75, 2, -2 });
    check_small_step((bp_optimizer_config){ .weight_decay = R(0.25) }, none,
                     (const double[]){ 2.25, -3, 0, 0.75, 1.5, -1.5 });
}

static void clipping_by_value_is_by_component(void **unused)
{
    (void)unused;
    const double grad[6] = { 0.5, -0.5, 2, -2, 7, -0.25 };
    check_small_step((bp_optimizer_config){ .clip_value = 1 }, grad, (const double[]){ 2.5, -3.5, -1, 2, 1, -1.75 });
}

static void clipping_by_norm_keeps_the_direction(void **unused)
{
    (void)unused;
    const double grad[6] = { 0, 3, 0, 0, 0, -4 }, by = 2 / (5 + 1e-6);
    check_small_step((bp_optimizer_config){ .clip_norm = 2 }, grad,
                     (const double[]){ 3, -4 - 3 * by, 0, 1, 2, -2 + 4 * by });
    check_small_step((bp_optimizer_config){ .clip_norm = 6 }, grad, (const double[]){ 3, -7, 0, 1, 2, 2 });
}

static void max_norm_shortens_the_rows_that_are_too_long(void **unused)
{
    (void)unused;
    const double none[6] = { 0 };
    check_small_step((bp_optimizer_config){ .max_norm = R(2.5) }, none, (const double[]){ 1.5, -2, 0, 1, 2, -2 });
    check_small_step((bp_optimizer_config){ .max_norm = R(4.99) }, none, (const double[]){ 2.994, -3.992, 0, 1, 2, -2 });
    check_small_step((bp_optimizer_config){ .max_norm = R(0.5) }, none, (const double[]){ 0.3, -0.4, 0, 0.5, 2, -2 });
}

/* A parameter that is not finite must stay in sight: 1 / infinity would make zeros of its row. */
static void max_norm_leaves_a_row_that_is_not_finite(void **unused)
{
    (void)unused;
    struct small small;
    bp_optimizer opt;
    const bp_real none[6] = { 0 };
    make_small(&small);
    small.params[0] = (bp_real)INFINITY;
    assert_int_equal(bp_optimizer_init(&opt, &(bp_optimizer_config){ .max_norm = 1 }, &small.parameters), BP_OK);
    assert_int_equal(bp_optimizer_step(&opt, &small.parameters, none, 0), BP_OK);
    assert_true(isinf(small.params[0]) && small.params[1] == (bp_real)-4);
    bp_optimizer_free(&opt);
}

static void the_penalty_is_the_one_whose_gradient_is_added(void **unused)
{
    (void)unused;
    struct small small;
    bp_optimizer opt;
    make_small(&small);
    assert_int_equal(bp_optimizer_init(&opt, &(bp_optimizer_config){ .l1 = R(0.5), .l2 = R(0.25) }, &small.parameters),
                     BP_OK);
    assert_close((double)bp_penalty(&opt, &small.parameters), 0.5 * 8 + 0.125 * 26, 0);
    assert_close((double)bp_penalty(NULL, &small.parameters), 0, 0);
    assert_close((double)bp_penalty(&opt, NULL), 0, 0);
    bp_optimizer_free(&opt);

    static struct block block;
    static struct oracle oracle;
    make_block(&block);
    make(&opt, &(bp_optimizer_config){ .l1 = R(0.5), .l2 = R(0.25) }, &block);
    start_oracle(&oracle, &opt, &block);
    assert_close((double)bp_penalty(&opt, &block.parameters), oracle_penalty(&oracle), bound * oracle_penalty(&oracle));
    bp_optimizer_free(&opt);
}

/* ---- Frozen segments ------------------------------------------------------------------------------------------------- */

static void frozen_segments_stay_and_do_not_count(void **unused)
{
    (void)unused;
    static struct block block;
    static bp_real before[N], grad[N];
    for (size_t f = 0; f < COUNT(forms); f++) {
        bp_optimizer_config config = forms[f];
        bp_optimizer opt;
        config.clip_norm = 2;
        config.l2 = R(0.1);
        config.max_norm = R(0.1);
        make_block(&block);
        block.segments[0].frozen = block.segments[4].frozen = true;
        memcpy(before, block.params, sizeof before);
        make(&opt, &config, &block);
        for (size_t i = 0; i < N; i++)
            grad[i] = i < W1 ? (bp_real)NAN : R(0.001); /* what is frozen may hold anything */
        step(&opt, &block, grad, 1);

        assert_close(opt.clip_factor, 1, 0);
        assert_memory_equal(block.params, before, W1 * sizeof *before);
        assert_memory_equal(block.params + N - B2, before + N - B2, B2 * sizeof *before);
        assert_true(block.params[W1] != before[W1]);
        for (size_t i = 0; i < opt.n_state; i++)
            if (i % N < W1 || i % N >= N - B2)
                assert_true(opt.state[i] == (bp_real)0);
        bp_optimizer_free(&opt);
    }
}

static void a_thawed_segment_starts_rprop_at_the_rate_of_then(void **unused)
{
    (void)unused;
    struct small small;
    bp_optimizer opt;
    const bp_real grad[6] = { 1, 1, 1, 1, 1, 1 };
    make_small(&small);
    small.segments[1].frozen = true;
    assert_int_equal(
        bp_optimizer_init(&opt, &(bp_optimizer_config){ .kind = BP_RPROP_MINUS, .learning_rate = 1 }, &small.parameters),
        BP_OK);
    assert_int_equal(bp_optimizer_step(&opt, &small.parameters, grad, 0), BP_OK);
    small.segments[1].frozen = false;
    opt.learning_rate = R(0.5);
    assert_int_equal(bp_optimizer_step(&opt, &small.parameters, grad, 0), BP_OK);
    assert_close((double)small.params[0], 3 - 1 - 1.2, 8 * (double)BP_REAL_EPSILON);
    assert_close((double)small.params[4], 1.5, 0);
    bp_optimizer_free(&opt);
}

/* ---- What is refused, and leaves no trace ------------------------------------------------------------------------------- */

static struct {
    bp_optimizer opt;
    bp_real params[N], state[MOST * N];
} snapshot;

static void take_snapshot(const bp_optimizer *opt, const struct block *block)
{
    snapshot.opt = *opt;
    memcpy(snapshot.params, block->params, sizeof snapshot.params);
    if (opt->n_state > 0)
        memcpy(snapshot.state, opt->state, opt->n_state * sizeof *opt->state);
}

static void assert_nothing_changed(const bp_optimizer *opt, const struct block *block)
{
    assert_int_equal(opt->n_steps, snapshot.opt.n_steps);
    assert_memory_equal(opt->scalars, snapshot.opt.scalars, sizeof opt->scalars);
    assert_memory_equal(opt->factors, snapshot.opt.factors, sizeof opt->factors);
    assert_memory_equal(&opt->clip_factor, &snapshot.opt.clip_factor, sizeof opt->clip_factor);
    assert_memory_equal(block->params, snapshot.params, sizeof snapshot.params);
    if (opt->n_state > 0)
        assert_memory_equal(opt->state, snapshot.state, opt->n_state * sizeof *opt->state);
}

static void a_gradient_that_is_not_finite_changes_nothing(void **unused)
{
    (void)unused;
    static struct block block;
    static bp_real grad[N];
    static const size_t places[] = { 0, 511, 512, W1, W1 + B1, LAST };
    const bp_real bad[] = { (bp_real)NAN, (bp_real)INFINITY, (bp_real)-INFINITY };
    for (size_t f = 0; f < COUNT(forms); f++) {
        bp_optimizer opt;
        bp_rng rng;
        bp_optimizer_config config = forms[f];
        config.clip_value = f % 2 == 0 ? R(0) : R(0.5); /* clipping must not hide an infinity */
        config.clip_norm = f % 3 == 0 ? R(0) : R(0.5);
        bp_rng_init(&rng, 4);
        make_block(&block);
        make(&opt, &config, &block);
        draw_gradient(&rng, grad);
        step(&opt, &block, grad, 1);
        take_snapshot(&opt, &block);
        for (size_t i = 0; i < COUNT(places) * COUNT(bad); i++) {
            draw_gradient(&rng, grad);
            grad[places[i / COUNT(bad)]] = bad[i % COUNT(bad)];
            assert_int_equal(bp_optimizer_step(&opt, &block.parameters, grad, 2), BP_ERR_NONFINITE);
            assert_nothing_changed(&opt, &block);
        }
        assert_string_equal(bp_error_message(), "gradient: component 1213 (bias 1 of layer 1) is -inf");
        bp_optimizer_free(&opt);
    }
}

static void a_penalty_that_overflows_changes_nothing(void **unused)
{
    (void)unused;
    static struct block block;
    static bp_real grad[N];
    bp_optimizer opt;
    make_block(&block);
    block.params[700] = BP_REAL_MAX;
    make(&opt, &(bp_optimizer_config){ .l2 = 4, .clip_value = 1 }, &block);
    take_snapshot(&opt, &block);
    assert_int_equal(bp_optimizer_step(&opt, &block.parameters, grad, 0), BP_ERR_NONFINITE);
    assert_string_equal(bp_error_message(), "gradient: component 700 (weight 700 of layer 0) is inf");
    assert_nothing_changed(&opt, &block);
    bp_optimizer_free(&opt);
}

static void a_gradient_too_large_to_be_squared_is_refused_unless_clipped(void **unused)
{
    (void)unused;
    static struct block block;
    static bp_real grad[N];
    memset(grad, 0, sizeof grad);
    grad[600] = BP_REAL_MAX / 2;
    grad[LAST] = -BP_REAL_MAX / 2;
    for (size_t f = 0; f < COUNT(forms); f++) {
        const bool squares = forms[f].kind != BP_SGD && forms[f].kind != BP_RPROP_MINUS && forms[f].kind != BP_RPROP_PLUS;
        bp_optimizer_config config = forms[f];
        bp_optimizer opt;
        make_block(&block);
        make(&opt, &config, &block);
        assert_int_equal(bp_optimizer_step(&opt, &block.parameters, grad, 1), squares ? BP_ERR_NONFINITE : BP_OK);
        if (squares)
            assert_non_null(strstr(bp_error_message(), "too large to be squared by"));
        bp_optimizer_free(&opt);

        config.clip_norm = 1;
        make_block(&block);
        make(&opt, &config, &block);
        step(&opt, &block, grad, 1);
        for (size_t i = 0; i < opt.n_state; i++)
            assert_true(isfinite(opt.state[i]));
        bp_optimizer_free(&opt);
    }
}

/* The length of (M/2, -M/2) is M/sqrt 2; its square is far beyond the range of double. */
static void the_norm_of_huge_numbers_does_not_overflow(void **unused)
{
    (void)unused;
    const double half = (double)BP_REAL_MAX / 2, by = 1 / (half * sqrt(2.0));
    const double grad[6] = { 0, half, 0, 0, 0, -half };
    check_small_step((bp_optimizer_config){ .clip_norm = 1 }, grad,
                     (const double[]){ 3, -4 - half * by, 0, 1, 2, -2 + half * by });
}

static void rates_below_0_and_no_numbers_are_refused_and_0_is_not(void **unused)
{
    (void)unused;
    static struct block block;
    static bp_real grad[N];
    const bp_real bad[] = { (bp_real)-1, (bp_real)NAN, (bp_real)INFINITY };
    bp_optimizer opt;
    make_block(&block);
    make(&opt, &(bp_optimizer_config){ .momentum = R(0.5) }, &block);
    grad[0] = 1;
    take_snapshot(&opt, &block);
    for (size_t i = 0; i < COUNT(bad); i++) {
        opt.learning_rate = bad[i];
        assert_int_equal(bp_optimizer_step(&opt, &block.parameters, grad, 0), BP_ERR_ARGUMENT);
        assert_nothing_changed(&opt, &block);
    }
    opt.learning_rate = 0; /* the end of a schedule */
    step(&opt, &block, grad, 0);
    assert_memory_equal(block.params, snapshot.params, sizeof snapshot.params);
    assert_true(opt.state[0] == (bp_real)1);
    bp_optimizer_free(&opt);
}

/* ---- Settings -------------------------------------------------------------------------------------------------------- */

#define FIELD(name) #name, offsetof(bp_optimizer_config, name)

/* Which rules take a setting: one letter each in the order of bp_optimizer_kind, '-' for no. */
static const struct {
    const char *name;
    size_t offset;
    const char *taken;
    double good, bad, otherwise[BP_N_OPTIMIZERS];
} settings[] = {
    { FIELD(learning_rate), "saandelrr", 0.5, -1, { 0.01, 0.001, 0.001, 0.002, 0.01, 1, 0.01, 0.01, 0.01 } },
    { FIELD(momentum), "s-----l--", 0.5, 1, { 0 } },
    { FIELD(beta1), "-aan-----", 0.5, 1, { 0, 0.9, 0.9, 0.9 } },
    { FIELD(beta2), "-aan-----", 0.5, -0.5, { 0, 0.999, 0.999, 0.999 } },
    { FIELD(momentum_decay), "---n-----", 0.5, -1, { 0, 0, 0, 0.004 } },
    { FIELD(rho), "-----el--", 0.5, 1, { 0, 0, 0, 0, 0, 0.9, 0.99 } },
    { FIELD(epsilon), "-aandel--", 0.5, -1, { 0, 1e-8, 1e-8, 1e-8, 1e-10, 1e-6, 1e-8 } },
    { FIELD(weight_decay), "saandel--", 0.5, -1, { 0 } },
    { FIELD(l1), "saandelrr", 0.5, -1, { 0 } },
    { FIELD(l2), "saandelrr", 0.5, -1, { 0 } },
    { FIELD(clip_value), "saandelrr", 0.5, -1, { 0 } },
    { FIELD(clip_norm), "saandelrr", 0.5, -1, { 0 } },
    { FIELD(max_norm), "saandelrr", 0.5, -1, { 0 } },
};

static bp_real *field(bp_optimizer_config *config, size_t s)
{
    return (bp_real *)(void *)((char *)config + settings[s].offset);
}

static bp_status try_setting(bp_optimizer_kind kind, size_t s, double value, bp_optimizer *opt)
{
    static struct block block;
    bp_optimizer_config config = { .kind = kind };
    make_block(&block);
    *field(&config, s) = (bp_real)value;
    return bp_optimizer_init(opt, &config, &block.parameters);
}

static void assert_refused(bp_status status, const bp_optimizer *opt, const char *name)
{
    assert_int_equal(status, BP_ERR_ARGUMENT);
    assert_non_null(strstr(bp_error_message(), name));
    assert_int_equal(opt->n_params, 0);
    assert_null(opt->block);
}

static void each_setting_belongs_to_its_rules(void **unused)
{
    (void)unused;
    for (size_t s = 0; s < COUNT(settings); s++)
        for (size_t kind = 0; kind < BP_N_OPTIMIZERS; kind++) {
            const bp_optimizer_kind k = (bp_optimizer_kind)kind;
            const double bad[] = { settings[s].bad, (double)NAN, (double)INFINITY };
            const bool is_taken = settings[s].taken[kind] != '-';
            bp_optimizer opt;
            const bp_status status = try_setting(k, s, settings[s].good, &opt);
            if (is_taken) {
                assert_int_equal(status, BP_OK);
                assert_close((double)*field(&opt.settings, s), settings[s].good, 0);
                bp_optimizer_free(&opt);
            } else {
                assert_refused(status, &opt, settings[s].name);
                assert_non_null(strstr(bp_error_message(), bp_optimizer_name(k)));
            }
            for (size_t i = 0; i < COUNT(bad); i++)
                assert_refused(try_setting(k, s, bad[i], &opt), &opt, settings[s].name);
        }
}

static void zero_is_the_default_that_stands_in_the_header(void **unused)
{
    (void)unused;
    for (size_t s = 0; s < COUNT(settings); s++)
        for (size_t kind = 0; kind < BP_N_OPTIMIZERS; kind++) {
            bp_optimizer opt;
            assert_int_equal(try_setting((bp_optimizer_kind)kind, s, 0, &opt), BP_OK);
            assert_close((double)*field(&opt.settings, s), (double)(bp_real)settings[s].otherwise[kind], 0);
            assert_close((double)opt.learning_rate, (double)opt.settings.learning_rate, 0);
            assert_null(opt.settings.allocator);
            bp_optimizer_free(&opt);
        }
}

static void switches_belong_to_their_rules(void **unused)
{
    (void)unused;
    static struct block block;
    make_block(&block);
    for (size_t kind = 0; kind <= BP_N_OPTIMIZERS; kind++) {
        const bp_optimizer_kind k = (bp_optimizer_kind)kind;
        const bp_real momentum = k == BP_SGD ? R(0.5) : R(0);
        const struct {
            bp_optimizer_config config;
            bool taken;
            const char *name;
        } cases[] = {
            { { .kind = k, .momentum = momentum, .nesterov = true }, k == BP_SGD, "nesterov" },
            { { .kind = k, .amsgrad = true }, k == BP_ADAM || k == BP_ADAMW, "amsgrad" },
            { { .kind = k, .centered = true }, k == BP_RMSPROP, "centered" },
        };
        for (size_t i = 0; i < COUNT(cases); i++) {
            bp_optimizer opt;
            const bp_status status = bp_optimizer_init(&opt, &cases[i].config, &block.parameters);
            if (cases[i].taken)
                assert_int_equal(status, BP_OK);
            else
                assert_refused(status, &opt, k == BP_N_OPTIMIZERS ? "no optimizer" : cases[i].name);
            bp_optimizer_free(&opt);
        }
    }
    bp_optimizer opt;
    assert_refused(bp_optimizer_init(&opt, &(bp_optimizer_config){ .nesterov = true }, &block.parameters), &opt,
                   "momentum");
}

/* ---- iRPROP+ --------------------------------------------------------------------------------------------------------- */

/* One number, p = 1, first size 0.1: what happens to it for gradients and losses in turn. */
static void check_rprop_plus(const double (*turns)[3], size_t n)
{
    bp_real p = 1;
    const bp_segment segment = { .n = 1, .rows = 1, .kind = BP_BIAS };
    const bp_parameters parameters = { &p, 1, &segment, 1 };
    bp_optimizer opt;
    assert_int_equal(
        bp_optimizer_init(&opt, &(bp_optimizer_config){ .kind = BP_RPROP_PLUS, .learning_rate = R(0.1) }, &parameters),
        BP_OK);
    for (size_t i = 0; i < n; i++) {
        const bp_real g = (bp_real)turns[i][0];
        assert_int_equal(bp_optimizer_step(&opt, &parameters, &g, (bp_real)turns[i][1]), BP_OK);
        assert_close((double)p, turns[i][2], 8 * (double)BP_REAL_EPSILON);
        assert_close(opt.scalars[BP_SCALAR_RPROP_LOSS], (double)(bp_real)turns[i][1], 0);
    }
    bp_optimizer_free(&opt);
}

static void rprop_plus_takes_a_step_back_when_the_loss_has_risen(void **unused)
{
    (void)unused;
    /* gradient, loss, p afterwards */
    const double risen[][3] = { { 5, 1, 0.9 }, { -5, 2, 1 }, { -5, 3, 1.05 }, { -5, 4, 1.11 } };
    const double fallen[][3] = { { 5, 2, 0.9 }, { -5, 1, 0.9 }, { -5, 0.5, 0.95 } };
    const double equal[][3] = { { 5, 2, 0.9 }, { -5, 2, 0.9 } };
    const double first[][3] = { { 5, 1e30, 0.9 } }; /* above the loss of a step that was not */
    check_rprop_plus(risen, COUNT(risen));
    check_rprop_plus(fallen, COUNT(fallen));
    check_rprop_plus(equal, COUNT(equal));
    check_rprop_plus(first, COUNT(first));
}

static void rprop_sees_the_sign_of_gradients_whose_product_underflows(void **unused)
{
    (void)unused;
    const double tiny = (double)BP_REAL_MIN;
    const double turns[][3] = { { tiny, 1, 0.9 }, { tiny, 0.9, 0.78 }, { -tiny, 0.8, 0.78 } };
    check_rprop_plus(turns, COUNT(turns));
}

static void only_rprop_plus_looks_at_the_loss(void **unused)
{
    (void)unused;
    static struct block block;
    static bp_real grad[N];
    for (size_t kind = 0; kind < BP_N_OPTIMIZERS; kind++) {
        bp_optimizer opt;
        make_block(&block);
        make(&opt, &(bp_optimizer_config){ .kind = (bp_optimizer_kind)kind }, &block);
        take_snapshot(&opt, &block);
        const bp_status status = bp_optimizer_step(&opt, &block.parameters, grad, (bp_real)NAN);
        assert_int_equal(status, kind == BP_RPROP_PLUS ? BP_ERR_NONFINITE : BP_OK);
        if (kind == BP_RPROP_PLUS)
            assert_nothing_changed(&opt, &block);
        bp_optimizer_free(&opt);
    }
}

/* ---- State ----------------------------------------------------------------------------------------------------------- */

static void the_state_has_the_arrays_that_the_header_lists(void **unused)
{
    (void)unused;
    static const struct {
        bp_optimizer_config config;
        size_t n_arrays;
    } cases[] = {
        { { .kind = BP_SGD }, 0 },
        { { .kind = BP_SGD, .momentum = R(0.5) }, 1 },
        { { .kind = BP_ADAM }, 2 },
        { { .kind = BP_ADAM, .amsgrad = true }, 3 },
        { { .kind = BP_ADAMW }, 2 },
        { { .kind = BP_ADAMW, .amsgrad = true }, 3 },
        { { .kind = BP_NADAM }, 2 },
        { { .kind = BP_ADAGRAD }, 1 },
        { { .kind = BP_ADADELTA }, 2 },
        { { .kind = BP_RMSPROP }, 1 },
        { { .kind = BP_RMSPROP, .centered = true }, 2 },
        { { .kind = BP_RMSPROP, .momentum = R(0.5) }, 2 },
        { { .kind = BP_RMSPROP, .momentum = R(0.5), .centered = true }, 3 },
        { { .kind = BP_RPROP_MINUS }, 2 },
        { { .kind = BP_RPROP_PLUS }, 2 },
    };
    static struct block block;
    make_block(&block);
    for (size_t i = 0; i < COUNT(cases); i++) {
        bp_optimizer opt;
        make(&opt, &cases[i].config, &block);
        assert_int_equal(opt.n_state, cases[i].n_arrays * N);
        assert_int_equal(opt.state == NULL, cases[i].n_arrays == 0);
        assert_int_equal(opt.n_params, N);
        bp_optimizer_free(&opt);
    }
}

/* With g = 1 in each of two steps, and rho = beta = 1/2: averages are 1/2, then 3/4. */
static void the_arrays_of_the_state_are_in_their_order(void **unused)
{
    (void)unused;
    static const struct {
        bp_optimizer_config config;
        double expected[3];
    } cases[] = {
        { { .kind = BP_ADAM, .beta1 = R(0.5), .beta2 = R(0.75), .amsgrad = true }, { 0.75, 0.4375, 0.4375 } },
        { { .kind = BP_NADAM, .beta1 = R(0.5), .beta2 = R(0.75) }, { 0.75, 0.4375 } },
        { { .kind = BP_ADAGRAD }, { 2 } },
        { { .kind = BP_RMSPROP, .rho = R(0.5), .epsilon = 1, .centered = true }, { 0.75, 0.75 } },
        { { .kind = BP_RPROP_MINUS, .learning_rate = 1 }, { 1.2, 1 } },
        { { .kind = BP_SGD, .momentum = R(0.5) }, { 1.5 } },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct small small;
        bp_optimizer opt;
        const bp_real grad[6] = { 1, 1, 1, 1, 1, 1 };
        make_small(&small);
        assert_int_equal(bp_optimizer_init(&opt, &cases[i].config, &small.parameters), BP_OK);
        assert_int_equal(bp_optimizer_step(&opt, &small.parameters, grad, 0), BP_OK);
        assert_int_equal(bp_optimizer_step(&opt, &small.parameters, grad, 0), BP_OK);
        for (size_t k = 0; k < opt.n_state; k++)
            assert_close((double)opt.state[k], cases[i].expected[k / 6], 4 * (double)BP_REAL_EPSILON);
        bp_optimizer_free(&opt);
    }
}

static void what_the_header_lists_is_all_that_a_resumed_run_needs(void **unused)
{
    (void)unused;
    static struct block straight, resumed;
    static bp_real grad[N];
    for (size_t f = 0; f < COUNT(forms); f++) {
        bp_optimizer a, b;
        bp_rng rng;
        bp_rng_init(&rng, 5);
        make_block(&straight);
        make(&a, &forms[f], &straight);
        for (size_t t = 1; t <= 20; t++) {
            draw_gradient(&rng, grad);
            step(&a, &straight, grad, loss_at(t));
            if (t == 10) {
                make(&b, &a.settings, &straight);
                b.learning_rate = a.learning_rate;
                b.n_steps = a.n_steps;
                memcpy(b.scalars, a.scalars, sizeof b.scalars);
                for (size_t i = 0; i < a.n_state; i++)
                    b.state[i] = a.state[i];
                make_block(&resumed);
                memcpy(resumed.params, straight.params, sizeof resumed.params);
            } else if (t > 10) {
                step(&b, &resumed, grad, loss_at(t));
            }
        }
        assert_memory_equal(straight.params, resumed.params, sizeof straight.params);
        bp_optimizer_free(&a);
        bp_optimizer_free(&b);
    }
}

static bool is_denormal(bp_real x)
{
    return x != (bp_real)0 && BPI_FABS(x) < BP_REAL_MIN;
}

/* Gradients at the bottom of the range, then none: whatever decays must end at 0, not below the normal numbers. */
static void nothing_stays_denormal(void **unused)
{
    (void)unused;
    static struct block block;
    static bp_real grad[N];
    for (size_t f = 0; f < COUNT(forms); f++) {
        bp_optimizer opt;
        make_block(&block);
        make(&opt, &forms[f], &block);
        for (size_t i = 0; i < N; i++) {
            block.params[i] = BP_REAL_MIN * R(1 + (double)(i % 5));
            grad[i] = BP_REAL_MIN * R(i % 4);
        }
        for (size_t t = 0; t < 12; t++) {
            step(&opt, &block, grad, 1);
            if (t == 3)
                memset(grad, 0, sizeof grad);
            for (size_t i = 0; i < N; i++)
                assert_false(is_denormal(block.params[i]));
            for (size_t i = 0; i < opt.n_state; i++)
                assert_false(is_denormal(opt.state[i]));
        }
        bp_optimizer_free(&opt);
    }
}

/* ---- Inside ---------------------------------------------------------------------------------------------------------- */

static void only_plain_descent_is_plain(void **unused)
{
    (void)unused;
    static const bp_optimizer_config others[] = {
        { .momentum = R(0.5) }, { .weight_decay = R(0.5) }, { .l1 = R(0.5) },          { .l2 = R(0.5) },
        { .clip_value = 1 },    { .clip_norm = 1 },         { .max_norm = 1 },         { .kind = BP_ADAM },
        { .kind = BP_ADAMW },   { .kind = BP_NADAM },       { .kind = BP_ADAGRAD },    { .kind = BP_ADADELTA },
        { .kind = BP_RMSPROP }, { .kind = BP_RPROP_MINUS }, { .kind = BP_RPROP_PLUS },
    };
    static struct block block;
    bp_optimizer opt;
    make_block(&block);
    for (size_t i = 0; i < COUNT(others); i++) {
        make(&opt, &others[i], &block);
        assert_false(bpi_optimizer_is_plain(&opt, &block.parameters));
        assert_int_equal(bpi_optimizer_needs_full_batch(&opt), others[i].kind >= BP_RPROP_MINUS);
        bp_optimizer_free(&opt);
    }
    make(&opt, &(bp_optimizer_config){ 0 }, &block);
    assert_true(bpi_optimizer_is_plain(&opt, &block.parameters));
    block.segments[3].frozen = true;
    assert_false(bpi_optimizer_is_plain(&opt, &block.parameters));
    bp_optimizer_free(&opt);
}

static void steps_of_pieces_are_the_step_of_the_whole(void **unused)
{
    (void)unused;
    static struct block whole, pieces;
    static bp_real grad[N];
    for (size_t f = 0; f < COUNT(forms); f++) {
        bp_optimizer_config config = forms[f];
        bp_optimizer a, b;
        bp_rng rng;
        if (config.kind == BP_RPROP_PLUS)
            continue; /* needs the loss */
        config.l1 = R(0.01);
        config.clip_value = R(0.5);
        config.max_norm = R(1);
        bp_rng_init(&rng, 6);
        make_block(&whole);
        make_block(&pieces);
        make(&a, &config, &whole);
        make(&b, &config, &pieces);
        for (size_t t = 1; t <= 3; t++) {
            draw_gradient(&rng, grad);
            step(&a, &whole, grad, 0);
            bpi_optimizer_begin_step(&b);
            for (size_t s = N_SEGMENTS; s-- > 0;) {
                const bp_segment *segment = &pieces.segments[s];
                for (size_t row = segment->rows; row-- > 0;) {
                    const size_t first = segment->offset + row * (segment->n / segment->rows);
                    bpi_optimizer_step_range(&b, segment, row, 1, pieces.params + first, grad + first);
                }
            }
        }
        assert_memory_equal(whole.params, pieces.params, sizeof whole.params);
        bp_optimizer_free(&a);
        bp_optimizer_free(&b);
    }
}

static void names_are_those_of_the_enumeration(void **unused)
{
    (void)unused;
    static const char *const names[] = { "sgd",      "adam",    "adamw",       "nadam",     "adagrad",
                                         "adadelta", "rmsprop", "rprop_minus", "rprop_plus" };
    assert_int_equal(COUNT(names), BP_N_OPTIMIZERS);
    for (size_t kind = 0; kind < BP_N_OPTIMIZERS; kind++)
        assert_string_equal(bp_optimizer_name((bp_optimizer_kind)kind), names[kind]);
    assert_string_equal(bp_optimizer_name((bp_optimizer_kind)BP_N_OPTIMIZERS), "unknown");
}

static void memory_is_asked_for_once_and_given_back(void **unused)
{
    (void)unused;
    static struct block block;
    make_block(&block);
    for (size_t f = 0; f < COUNT(forms); f++) {
        struct test_heap heap;
        bp_optimizer_config config = forms[f];
        bp_optimizer opt;
        test_heap_init(&heap);
        config.allocator = &heap.allocator;
        make(&opt, &config, &block);
        assert_true(heap.n_allocs == (opt.n_state > 0));
        bp_optimizer_free(&opt);
        assert_true(test_heap_is_clean(&heap));

        test_heap_init(&heap);
        heap.fail_at = 1;
        const bp_status status = bp_optimizer_init(&opt, &config, &block.parameters);
        assert_true(heap.n_allocs == 0 ? status == BP_OK : status == BP_ERR_MEMORY && opt.n_params == 0);
        bp_optimizer_free(&opt);
        assert_true(test_heap_is_clean(&heap));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_is_its_formula),
        cmocka_unit_test(each_part_of_a_step_has_its_place),
        cmocka_unit_test(penalties_pull_weights_alone),
        cmocka_unit_test(clipping_by_value_is_by_component),
        cmocka_unit_test(clipping_by_norm_keeps_the_direction),
        cmocka_unit_test(max_norm_shortens_the_rows_that_are_too_long),
        cmocka_unit_test(max_norm_leaves_a_row_that_is_not_finite),
        cmocka_unit_test(the_penalty_is_the_one_whose_gradient_is_added),
        cmocka_unit_test(frozen_segments_stay_and_do_not_count),
        cmocka_unit_test(a_thawed_segment_starts_rprop_at_the_rate_of_then),
        cmocka_unit_test(a_gradient_that_is_not_finite_changes_nothing),
        cmocka_unit_test(a_penalty_that_overflows_changes_nothing),
        cmocka_unit_test(a_gradient_too_large_to_be_squared_is_refused_unless_clipped),
        cmocka_unit_test(the_norm_of_huge_numbers_does_not_overflow),
        cmocka_unit_test(rates_below_0_and_no_numbers_are_refused_and_0_is_not),
        cmocka_unit_test(each_setting_belongs_to_its_rules),
        cmocka_unit_test(zero_is_the_default_that_stands_in_the_header),
        cmocka_unit_test(switches_belong_to_their_rules),
        cmocka_unit_test(rprop_plus_takes_a_step_back_when_the_loss_has_risen),
        cmocka_unit_test(rprop_sees_the_sign_of_gradients_whose_product_underflows),
        cmocka_unit_test(only_rprop_plus_looks_at_the_loss),
        cmocka_unit_test(the_state_has_the_arrays_that_the_header_lists),
        cmocka_unit_test(the_arrays_of_the_state_are_in_their_order),
        cmocka_unit_test(what_the_header_lists_is_all_that_a_resumed_run_needs),
        cmocka_unit_test(nothing_stays_denormal),
        cmocka_unit_test(only_plain_descent_is_plain),
        cmocka_unit_test(steps_of_pieces_are_the_step_of_the_whole),
        cmocka_unit_test(names_are_those_of_the_enumeration),
        cmocka_unit_test(memory_is_asked_for_once_and_given_back),
    };
    int n_failed = 0;
    AT_EACH_PATH (path)
        n_failed += cmocka_run_group_tests_name(name_of_path(path), tests, NULL, NULL);
    return n_failed;
}
