// SPDX-License-Identifier: MIT
/*
 * Optimizers: each rule against a loop written from its formula in double, settings, and what is refused or left alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "backprop/network.h"
#include "backprop/optimizer.h"
#include "backprop/rng.h"
#include "support/close.h"
#include "support/heap.h"
#include "support/levels.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

enum { N = 13, STEPS = 5 }; /* parameters of the fixture, steps of a run */

/* Parameters as a network 2 - 3 - 1 has them. */
struct fixture {
    bp_real params[N];
    bp_segment segments[4];
    bp_parameters parameters;
};

static void make(struct fixture *f)
{
    bp_rng rng;
    bp_rng_init(&rng, 1);
    for (size_t i = 0; i < N; i++)
        f->params[i] = R(bp_rng_normal(&rng));
    const bp_segment segments[] = {
        { .offset = 0, .n = 6, .rows = 3, .layer = 0, .kind = BP_WEIGHT },
        { .offset = 6, .n = 3, .rows = 1, .layer = 0, .kind = BP_BIAS },
        { .offset = 9, .n = 3, .rows = 1, .layer = 1, .kind = BP_WEIGHT },
        { .offset = 12, .n = 1, .rows = 1, .layer = 1, .kind = BP_BIAS },
    };
    memcpy(f->segments, segments, sizeof segments);
    f->parameters = (bp_parameters){ f->params, N, f->segments, COUNT(segments) };
}

/* The gradient of step t = 1, 2, ...; any numbers will do. */
static void make_gradient(bp_real grad[N], uint64_t t)
{
    bp_rng rng;
    bp_rng_init(&rng, 100 + t);
    for (size_t i = 0; i < N; i++)
        grad[i] = R(bp_rng_normal(&rng));
}

static void init(bp_optimizer *opt, const bp_optimizer_config *config, const struct fixture *f)
{
    memset(opt, 0x5a, sizeof *opt);
    assert_int_equal(bp_optimizer_init(opt, config, &f->parameters), BP_OK);
}

static void step(bp_optimizer *opt, struct fixture *f, uint64_t t)
{
    bp_real grad[N];
    make_gradient(grad, t);
    assert_int_equal(bp_optimizer_step(opt, &f->parameters, grad, R(0)), BP_OK);
}

/* ---- The rules --------------------------------------------------------------------------------------------------- */

/* Settings, one parameter and its moments, in double. */
struct scalar {
    double r, u, beta1, beta2, epsilon;
    double p, m, v; /* m is used by Adam only */
};

static void by_plain_rule(struct scalar *s, double g, int t)
{
    (void)t;
    s->p -= s->r * g;
}

static void by_momentum_rule(struct scalar *s, double g, int t)
{
    (void)t;
    s->v = s->u * s->v + g;
    s->p -= s->r * s->v;
}

static void by_nesterov_rule(struct scalar *s, double g, int t)
{
    (void)t;
    s->v = s->u * s->v + g;
    s->p -= s->r * (g + s->u * s->v);
}

static void by_adam_rule(struct scalar *s, double g, int t)
{
    s->m = s->beta1 * s->m + (1 - s->beta1) * g;
    s->v = s->beta2 * s->v + (1 - s->beta2) * g * g;
    s->p -= s->r / (1 - pow(s->beta1, t)) * s->m / (sqrt(s->v / (1 - pow(s->beta2, t))) + s->epsilon);
}

/* Each rule with its defaults and with other settings. The rules whose formulas are in test_optimizer_rules.c are here for
 * what goes for all of them. */
static const struct rule {
    bp_optimizer_config config;
    void (*by_hand)(struct scalar *s, double g, int t); /* NULL: not written down here */
    size_t n_moments;
} rules[] = {
    { { .kind = BP_SGD }, by_plain_rule, 0 },
    { { .kind = BP_SGD, .learning_rate = R(0.7) }, by_plain_rule, 0 },
    { { .kind = BP_SGD, .momentum = R(0.9) }, by_momentum_rule, 1 },
    { { .kind = BP_SGD, .momentum = R(0.3), .learning_rate = R(0.2) }, by_momentum_rule, 1 },
    { { .kind = BP_SGD, .momentum = R(0.9), .nesterov = true }, by_nesterov_rule, 1 },
    { { .kind = BP_SGD, .momentum = R(0.3), .nesterov = true, .learning_rate = R(0.2) }, by_nesterov_rule, 1 },
    { { .kind = BP_ADAM }, by_adam_rule, 2 },
    { { .kind = BP_ADAM, .learning_rate = R(0.1), .beta1 = R(0.5), .beta2 = R(0.8), .epsilon = R(0.3) }, by_adam_rule, 2 },
    { { .kind = BP_ADAM, .amsgrad = true }, NULL, 3 },
    { { .kind = BP_ADAMW, .weight_decay = R(0.1) }, NULL, 2 },
    { { .kind = BP_NADAM }, NULL, 2 },
    { { .kind = BP_ADAGRAD }, NULL, 1 },
    { { .kind = BP_ADADELTA }, NULL, 2 },
    { { .kind = BP_RMSPROP }, NULL, 1 },
    { { .kind = BP_RMSPROP, .centered = true, .momentum = R(0.5) }, NULL, 3 },
    { { .kind = BP_RPROP_MINUS }, NULL, 2 },
    { { .kind = BP_RPROP_PLUS }, NULL, 2 },
};

static double real_or(bp_real x, double otherwise)
{
    return (double)(x != R(0) ? x : R(otherwise));
}

/* The defaults as optimizer.h says them. */
static struct scalar scalar_of(const bp_optimizer_config *config, bp_real p)
{
    return (struct scalar){ .r = real_or(config->learning_rate, config->kind == BP_ADAM ? 0.001 : 0.01),
                            .u = (double)config->momentum,
                            .beta1 = real_or(config->beta1, 0.9),
                            .beta2 = real_or(config->beta2, 0.999),
                            .epsilon = real_or(config->epsilon, 1e-8),
                            .p = (double)p };
}

/*
 * STEPS steps by the library and by hand; with `halving` the learning rate is half of the last one at each step. A step has
 * about ten operations, each wrong by at most half an epsilon of a number not much larger than 1.
 */
static void check_rule(const struct rule *rule, bool halving)
{
    struct fixture f;
    bp_optimizer opt;
    bp_real grad[N];
    struct scalar by_hand[N];
    make(&f);
    init(&opt, &rule->config, &f);
    for (size_t i = 0; i < N; i++)
        by_hand[i] = scalar_of(&rule->config, f.params[i]);

    for (int t = 1; t <= STEPS; t++) {
        make_gradient(grad, (uint64_t)t);
        step(&opt, &f, (uint64_t)t);
        opt.learning_rate *= halving ? R(0.5) : R(1);
        assert_int_equal(opt.n_steps, t);
        for (size_t i = 0; i < N; i++) {
            const double bound = 5 * STEPS * (double)BP_REAL_EPSILON * (1 + fabs(by_hand[i].p));
            rule->by_hand(&by_hand[i], (double)grad[i], t);
            by_hand[i].r *= halving ? 0.5 : 1;
            assert_close((double)f.params[i], by_hand[i].p, bound);
            if (rule->n_moments == 2)
                assert_close((double)opt.state[i], by_hand[i].m, bound);
            if (rule->n_moments > 0) /* v is the first moment of momentum and the second of Adam */
                assert_close((double)opt.state[(rule->n_moments - 1) * N + i], by_hand[i].v, bound);
        }
    }
    bp_optimizer_free(&opt);
}

static void sgd_and_adam_are_their_formulas(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rules); i++)
        if (rules[i].by_hand != NULL)
            check_rule(&rules[i], false);
}

static void learning_rate_may_change_between_steps(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rules); i++)
        if (rules[i].by_hand != NULL)
            check_rule(&rules[i], true);
}

/* One parameter of 1, gradients 1 and -3, r = 1/2, u = 1/4: exact in both precisions, and can be done in the head. */
static void descent_is_exact_on_binary_fractions(void **state)
{
    (void)state;
    const struct {
        bp_optimizer_config config;
        bp_real after[2];
    } cases[] = {
        { { .learning_rate = R(0.5) }, { R(0.5), R(2) } },
        { { .learning_rate = R(0.5), .momentum = R(0.25) }, { R(0.5), R(1.875) } }, /* v = 1, -2.75 */
        { { .learning_rate = R(0.5), .momentum = R(0.25), .nesterov = true },
          { R(0.375), R(2.21875) } }, /* g + u v = 1.25, -3.6875 */
    };
    for (size_t c = 0; c < COUNT(cases); c++) {
        bp_real p = R(1);
        const bp_real grad[2] = { R(1), R(-3) };
        const bp_segment segment = { .offset = 0, .n = 1, .rows = 1 };
        const bp_parameters parameters = { &p, 1, &segment, 1 };
        bp_optimizer opt;
        assert_int_equal(bp_optimizer_init(&opt, &cases[c].config, &parameters), BP_OK);
        for (int t = 0; t < 2; t++) {
            assert_int_equal(bp_optimizer_step(&opt, &parameters, &grad[t], R(0)), BP_OK);
            assert_true(p == cases[c].after[t]);
        }
        bp_optimizer_free(&opt);
    }
}

static void factors_of_adam_are_those_of_the_last_step(void **state)
{
    (void)state;
    struct fixture f;
    bp_optimizer opt;
    make(&f);
    init(&opt, &(bp_optimizer_config){ .kind = BP_ADAM, .learning_rate = R(0.25), .beta1 = R(0.5), .beta2 = R(0.75) }, &f);
    for (int t = 1; t <= STEPS; t++) {
        step(&opt, &f, (uint64_t)t);
        assert_close((double)opt.factors[0], 0.25 / (1 - pow(0.5, t)), (double)BP_REAL_EPSILON);
        assert_close((double)opt.factors[1], sqrt(1 - pow(0.75, t)), (double)BP_REAL_EPSILON);
    }
    bp_optimizer_free(&opt);
}

/* ---- What an optimizer is made of -------------------------------------------------------------------------------- */

static void values_are_fixed_and_have_names(void **state)
{
    (void)state;
    const bp_optimizer_kind in_order[] = { BP_SGD,      BP_ADAM,    BP_ADAMW,       BP_NADAM,     BP_ADAGRAD,
                                           BP_ADADELTA, BP_RMSPROP, BP_RPROP_MINUS, BP_RPROP_PLUS };
    const char *const names[] = { "sgd",      "adam",    "adamw",       "nadam",     "adagrad",
                                  "adadelta", "rmsprop", "rprop_minus", "rprop_plus" };
    assert_int_equal(COUNT(in_order), BP_N_OPTIMIZERS);
    for (size_t i = 0; i < COUNT(in_order); i++) {
        assert_int_equal(in_order[i], i);
        assert_string_equal(bp_optimizer_name(in_order[i]), names[i]);
    }
    assert_string_equal(bp_optimizer_name(BP_N_OPTIMIZERS), "unknown");
    assert_string_equal(bp_optimizer_name((bp_optimizer_kind)-1), "unknown");
}

static void defaults_are_filled_in(void **state)
{
    (void)state;
    struct fixture f;
    bp_optimizer sgd, adam;
    make(&f);
    init(&sgd, &(bp_optimizer_config){ 0 }, &f);
    init(&adam, &(bp_optimizer_config){ .kind = BP_ADAM }, &f);

    assert_int_equal(sgd.settings.kind, BP_SGD);
    assert_true(sgd.learning_rate == R(0.01) && sgd.settings.learning_rate == R(0.01));
    assert_true(sgd.settings.momentum == R(0));
    assert_false(sgd.settings.nesterov);
    assert_int_equal(adam.settings.kind, BP_ADAM);
    assert_true(adam.learning_rate == R(0.001) && adam.settings.learning_rate == R(0.001));
    assert_true(adam.settings.beta1 == R(0.9));
    assert_true(adam.settings.beta2 == R(0.999));
    assert_true(adam.settings.epsilon == R(1e-8));
    assert_int_equal(sgd.n_steps + adam.n_steps, 0);
    assert_int_equal(sgd.n_params, N);
    bp_optimizer_free(&sgd);
    bp_optimizer_free(&adam);
}

static void state_is_one_array_a_moment_and_begins_at_0(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(rules); c++) {
        struct test_heap heap;
        test_heap_init(&heap);
        struct fixture f;
        bp_optimizer opt;
        bp_optimizer_config config = rules[c].config;
        config.allocator = &heap.allocator;
        make(&f);
        init(&opt, &config, &f);

        assert_int_equal(opt.n_state, rules[c].n_moments * N);
        assert_int_equal(heap.n_allocs, rules[c].n_moments > 0); /* plain descent takes no memory at all */
        assert_int_equal(opt.block != NULL, rules[c].n_moments > 0);
        assert_int_equal(opt.state != NULL, rules[c].n_moments > 0);
        assert_int_equal((uintptr_t)opt.state % 64, 0);
        for (size_t i = 0; i < opt.n_state; i++)
            assert_true(opt.state[i] == R(0));
        bp_optimizer_free(&opt);
        assert_true(test_heap_is_clean(&heap));
    }
}

static void only_the_number_of_parameters_is_read_at_init(void **state)
{
    (void)state;
    const bp_parameters only_a_number = { .n_params = N };
    struct fixture f;
    bp_optimizer opt;
    make(&f);
    assert_int_equal(bp_optimizer_init(&opt, &(bp_optimizer_config){ .momentum = R(0.5) }, &only_a_number), BP_OK);

    step(&opt, &f, 1); /* no pointer to parameters is kept */
    bp_optimizer_free(&opt);
}

static void optimizer_may_be_moved_by_assignment(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(rules); c++) {
        struct fixture f, still;
        bp_optimizer old_place, new_place, staying;
        make(&f);
        make(&still);
        init(&old_place, &rules[c].config, &f);
        init(&staying, &rules[c].config, &still);
        step(&old_place, &f, 1);
        step(&staying, &still, 1);

        new_place = old_place;
        memset(&old_place, 0x5a, sizeof old_place);
        step(&new_place, &f, 2);
        step(&staying, &still, 2);
        assert_memory_equal(f.params, still.params, sizeof f.params);
        bp_optimizer_free(&new_place);
        bp_optimizer_free(&staying);
    }
}

static void assert_zeroed(const bp_optimizer *opt)
{
    const bp_optimizer_config *settings = &opt->settings; /* field by field: the struct has padding */
    assert_int_equal(settings->kind, 0);
    assert_true(settings->learning_rate == R(0) && settings->momentum == R(0) && settings->rho == R(0));
    assert_true(settings->beta1 == R(0) && settings->beta2 == R(0) && settings->momentum_decay == R(0));
    assert_true(settings->epsilon == R(0) && settings->weight_decay == R(0) && settings->l1 == R(0) &&
                settings->l2 == R(0));
    assert_true(settings->clip_value == R(0) && settings->clip_norm == R(0) && settings->max_norm == R(0));
    assert_false(settings->nesterov || settings->amsgrad || settings->centered);
    assert_null(settings->allocator);
    assert_true(opt->learning_rate == R(0));
    for (size_t i = 0; i < COUNT(opt->scalars); i++)
        assert_true(opt->scalars[i] == 0);
    for (size_t i = 0; i < COUNT(opt->factors); i++)
        assert_true(opt->factors[i] == 0);
    assert_true(opt->clip_factor == 0);
    assert_true(opt->n_steps == 0 && opt->n_params == 0 && opt->n_state == 0);
    assert_true(opt->state == NULL && opt->block == NULL);
    assert_true(opt->allocator.alloc == NULL && opt->allocator.release == NULL && opt->allocator.user == NULL);
}

static void zeroed_or_null_optimizer_may_be_freed(void **state)
{
    (void)state;
    struct fixture f;
    bp_optimizer opt = { 0 };
    make(&f);
    bp_optimizer_free(NULL);
    bp_optimizer_free(&opt);
    init(&opt, &(bp_optimizer_config){ .kind = BP_ADAM }, &f);
    bp_optimizer_free(&opt);
    assert_zeroed(&opt);
    bp_optimizer_free(&opt);
}

/* ---- Settings that are refused ----------------------------------------------------------------------------------- */

static const struct {
    bp_optimizer_config config;
    const char *sentence;
} refused_settings[] = {
    { { .kind = BP_N_OPTIMIZERS }, "is no optimizer" },
    { { .kind = (bp_optimizer_kind)-1 }, "-1 is no optimizer" },
    { { .learning_rate = R(-0.5) }, "learning_rate is -0.5, expected a finite number above 0" },
    { { .learning_rate = R(NAN) }, "learning_rate is nan" },
    { { .learning_rate = R(INFINITY) }, "learning_rate is inf" },
    { { .kind = BP_ADAM, .learning_rate = R(-1) }, "learning_rate is -1" },
    { { .momentum = R(1) }, "momentum is 1, expected a number >= 0 and below 1" },
    { { .momentum = R(-0.5) }, "momentum is -0.5" },
    { { .momentum = R(NAN) }, "momentum is nan" },
    { { .momentum = R(INFINITY) }, "momentum is inf" },
    { { .nesterov = true }, "momentum is 0, expected above 0 for Nesterov's form" },
    { { .kind = BP_ADAM, .momentum = R(0.5) }, "momentum is 0.5, expected 0" },
    { { .kind = BP_ADAM, .momentum = R(0.5), .nesterov = true }, "momentum is 0.5, expected 0" },
    { { .kind = BP_ADAM, .nesterov = true }, "nesterov is true, expected false" },
    { { .kind = BP_ADAM, .beta1 = R(1) }, "beta1 is 1, expected a number above 0 and below 1" },
    { { .kind = BP_ADAM, .beta1 = R(-0.5) }, "beta1 is -0.5" },
    { { .kind = BP_ADAM, .beta1 = R(NAN) }, "beta1 is nan" },
    { { .kind = BP_ADAM, .beta2 = R(1) }, "beta2 is 1, expected a number above 0 and below 1" },
    { { .kind = BP_ADAM, .beta2 = R(1.5) }, "beta2 is 1.5" },
    { { .kind = BP_ADAM, .beta2 = R(-0.5) }, "beta2 is -0.5" },
    { { .kind = BP_ADAM, .beta2 = R(NAN) }, "beta2 is nan" },
    { { .kind = BP_ADAM, .epsilon = R(-0.5) }, "epsilon is -0.5, expected a finite number above 0" },
    { { .kind = BP_ADAM, .epsilon = R(NAN) }, "epsilon is nan" },
    { { .kind = BP_ADAM, .epsilon = R(INFINITY) }, "epsilon is inf" },
};

static void settings_out_of_range_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    make(&f);
    for (size_t i = 0; i < COUNT(refused_settings); i++) {
        struct test_heap heap;
        test_heap_init(&heap);
        bp_optimizer opt;
        bp_optimizer_config config = refused_settings[i].config;
        config.allocator = &heap.allocator;
        memset(&opt, 0x5a, sizeof opt);
        assert_refused(bp_optimizer_init(&opt, &config, &f.parameters), BP_ERR_ARGUMENT,
                       "bp_optimizer_init: ", refused_settings[i].sentence);
        assert_zeroed(&opt);
        assert_int_equal(heap.n_allocs, 0);
    }
}

static void settings_at_the_ends_of_their_ranges_are_taken(void **state)
{
    (void)state;
    const bp_real below_1 = R(1) - BP_REAL_EPSILON / 2;
    const bp_optimizer_config configs[] = {
        { .learning_rate = BP_REAL_MIN },
        { .learning_rate = BP_REAL_MAX },
        { .momentum = BP_REAL_MIN },
        { .momentum = below_1, .nesterov = true },
        { .kind = BP_ADAM, .beta1 = BP_REAL_MIN, .beta2 = BP_REAL_MIN, .epsilon = BP_REAL_MIN },
        { .kind = BP_ADAM, .beta1 = below_1, .beta2 = below_1, .epsilon = BP_REAL_MAX },
        { .kind = BP_ADAMW, .weight_decay = BP_REAL_MAX, .amsgrad = true },
        { .kind = BP_NADAM, .momentum_decay = BP_REAL_MAX },
        { .kind = BP_RMSPROP, .rho = below_1, .momentum = below_1, .centered = true },
        { .kind = BP_ADADELTA, .rho = BP_REAL_MIN },
        { .kind = BP_RPROP_PLUS, .l1 = BP_REAL_MAX, .l2 = BP_REAL_MAX, .max_norm = BP_REAL_MIN },
        { .clip_norm = BP_REAL_MIN, .clip_value = BP_REAL_MAX },
    };
    struct fixture f;
    make(&f);
    for (size_t i = 0; i < COUNT(configs); i++) {
        bp_optimizer opt;
        init(&opt, &configs[i], &f);
        bp_optimizer_free(&opt);
    }
}

static void parameters_that_cannot_be_are_refused(void **state)
{
    (void)state;
    const bp_optimizer_config plain = { 0 }, momentum = { .momentum = R(0.5) }, adam = { .kind = BP_ADAM };
    const bp_parameters none = { 0 }, all = { .n_params = SIZE_MAX }, half = { .n_params = SIZE_MAX / sizeof(bp_real) / 2 };
    bp_optimizer opt;

    memset(&opt, 0x5a, sizeof opt);
    assert_refused(bp_optimizer_init(&opt, &plain, &none), BP_ERR_SHAPE, "optimizer_init: there are no parameters");
    assert_zeroed(&opt);
    assert_refused(bp_optimizer_init(&opt, &momentum, &all), BP_ERR_TOO_LARGE, "optimizer_init: ", "overflows");
    assert_zeroed(&opt);
    assert_refused(bp_optimizer_init(&opt, &adam, &half), BP_ERR_TOO_LARGE, "optimizer_init: ", "overflows");
    assert_zeroed(&opt);
}

static void null_pointers_are_refused_at_init(void **state)
{
    (void)state;
    struct fixture f;
    bp_optimizer opt;
    const bp_optimizer_config config = { 0 };
    make(&f);

    assert_refused(bp_optimizer_init(NULL, &config, &f.parameters), BP_ERR_ARGUMENT, "optimizer_init: opt is NULL");
    memset(&opt, 0x5a, sizeof opt);
    assert_refused(bp_optimizer_init(&opt, NULL, &f.parameters), BP_ERR_ARGUMENT, "optimizer_init: config is NULL");
    assert_zeroed(&opt);
    memset(&opt, 0x5a, sizeof opt);
    assert_refused(bp_optimizer_init(&opt, &config, NULL), BP_ERR_ARGUMENT, "optimizer_init: parameters is NULL");
    assert_zeroed(&opt);
}

/* ---- Steps that are refused -------------------------------------------------------------------------------------- */

/* Everything that a step may change. */
struct snapshot {
    bp_optimizer opt;
    bp_real state[3 * N], params[N];
};

static void take_snapshot(struct snapshot *s, const bp_optimizer *opt, const struct fixture *f)
{
    memset(s, 0, sizeof *s);
    memcpy(&s->opt, opt, sizeof *opt);
    if (opt->n_state > 0)
        memcpy(s->state, opt->state, opt->n_state * sizeof *opt->state);
    memcpy(s->params, f->params, sizeof f->params);
}

static void assert_unchanged(const struct snapshot *before, const bp_optimizer *opt, const struct fixture *f)
{
    struct snapshot now;
    take_snapshot(&now, opt, f);
    assert_memory_equal(&now, before, sizeof now);
}

static void impossible_steps_are_refused_and_change_nothing(void **state)
{
    (void)state;
    const bp_real rates[] = { R(-0.5), R(NAN), R(INFINITY) };
    const char *const sentences[] = { "learning_rate is -0.5, expected a finite number >= 0", "learning_rate is nan",
                                      "learning_rate is inf" };
    for (size_t c = 0; c < COUNT(rules); c++) {
        struct fixture f;
        struct snapshot before;
        bp_optimizer opt, zeroed = { 0 };
        bp_real grad[N] = { R(1) };
        make(&f);
        init(&opt, &rules[c].config, &f);
        step(&opt, &f, 1);
        take_snapshot(&before, &opt, &f);
        const bp_parameters *parameters = &f.parameters, one_less = { f.params, N - 1, f.segments, 3 };

        assert_refused(bp_optimizer_step(NULL, parameters, grad, R(0)), BP_ERR_ARGUMENT, "optimizer_step: opt is NULL");
        assert_refused(bp_optimizer_step(&opt, NULL, grad, R(0)), BP_ERR_ARGUMENT, "optimizer_step: parameters is NULL");
        assert_refused(bp_optimizer_step(&opt, parameters, NULL, R(0)), BP_ERR_ARGUMENT, "optimizer_step: grad is NULL");
        assert_refused(bp_optimizer_step(&zeroed, parameters, grad, R(0)), BP_ERR_STATE, "optimizer_step: opt is empty");
        assert_refused(bp_optimizer_step(&opt, &one_less, grad, R(0)), BP_ERR_SHAPE,
                       "optimizer_step: opt was made for 13 parameters, there are 12");
        assert_unchanged(&before, &opt, &f);
        for (size_t i = 0; i < COUNT(rates); i++) {
            opt.learning_rate = rates[i];
            assert_refused(bp_optimizer_step(&opt, parameters, grad, R(0)), BP_ERR_ARGUMENT,
                           "optimizer_step: ", sentences[i]);
        }
        opt.learning_rate = before.opt.learning_rate;
        assert_unchanged(&before, &opt, &f);
        bp_optimizer_free(&opt);
    }
}

/* Each component in turn, the last one of the last segment, too; afterwards the step with a finite gradient is as ever. */
static void gradient_that_is_not_finite_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    const bp_real bad[] = { R(NAN), R(INFINITY), R(-INFINITY) };
    for (size_t c = 0; c < COUNT(rules); c++) {
        struct fixture f, twin;
        struct snapshot before;
        bp_optimizer opt, of_twin;
        make(&f);
        make(&twin);
        init(&opt, &rules[c].config, &f);
        init(&of_twin, &rules[c].config, &twin);
        step(&opt, &f, 1);
        step(&of_twin, &twin, 1);
        take_snapshot(&before, &opt, &f);
        for (size_t i = 0; i < N * COUNT(bad); i++) {
            bp_real grad[N];
            make_gradient(grad, 2);
            grad[i % N] = bad[i / N];
            assert_refused(bp_optimizer_step(&opt, &f.parameters, grad, R(0)), BP_ERR_NONFINITE, "gradient: component ");
            assert_unchanged(&before, &opt, &f);
        }
        step(&opt, &f, 2);
        step(&of_twin, &twin, 2);
        assert_memory_equal(f.params, twin.params, sizeof f.params);
        bp_optimizer_free(&opt);
        bp_optimizer_free(&of_twin);
    }
}

static void sentence_says_which_component_is_not_finite(void **state)
{
    (void)state;
    static const struct {
        size_t index;
        const char *sentence;
    } cases[] = {
        { 0, "component 0 (weight 0 of layer 0) is nan" }, { 5, "component 5 (weight 5 of layer 0) is nan" },
        { 6, "component 6 (bias 0 of layer 0) is nan" },   { 11, "component 11 (weight 2 of layer 1) is nan" },
        { 12, "component 12 (bias 0 of layer 1) is nan" },
    };
    struct fixture f;
    bp_optimizer opt;
    make(&f);
    init(&opt, &(bp_optimizer_config){ 0 }, &f);
    for (size_t i = 0; i < COUNT(cases); i++) {
        bp_real grad[N] = { 0 };
        grad[cases[i].index] = R(NAN);
        assert_refused(bp_optimizer_step(&opt, &f.parameters, grad, R(0)), BP_ERR_NONFINITE, cases[i].sentence);
    }
    bp_optimizer_free(&opt);
}

/* Large but finite is no error of the gradient. */
static void largest_finite_gradient_is_taken(void **state)
{
    (void)state;
    struct fixture f;
    bp_optimizer opt;
    bp_real grad[N];
    make(&f);
    init(&opt, &(bp_optimizer_config){ .learning_rate = BP_REAL_MIN }, &f);
    for (size_t i = 0; i < N; i++)
        grad[i] = i % 2 == 0 ? BP_REAL_MAX : -BP_REAL_MAX;

    assert_int_equal(bp_optimizer_step(&opt, &f.parameters, grad, R(0)), BP_OK);
    bp_optimizer_free(&opt);
}

/* ---- Frozen segments --------------------------------------------------------------------------------------------- */

/* Rprop keeps a 0 for a sign that has changed. */
static bool may_forget(const struct rule *rule)
{
    return rule->config.kind == BP_RPROP_MINUS || rule->config.kind == BP_RPROP_PLUS;
}

/* Segments 1 and 3 are frozen, their gradient is NaN and their parameters are what a step would not leave as it is. */
static void frozen_segments_are_left_alone_and_not_looked_at(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(rules); c++) {
        struct fixture f, free_twin;
        bp_optimizer opt, of_twin;
        bp_real grad[N];
        make(&f);
        make(&free_twin);
        init(&opt, &rules[c].config, &f);
        init(&of_twin, &rules[c].config, &free_twin);
        f.segments[1].frozen = f.segments[3].frozen = true;
        f.params[6] = BP_REAL_MIN / 4;
        f.params[12] = R(NAN);
        struct fixture before = f;
        for (uint64_t t = 1; t <= 3; t++) {
            make_gradient(grad, t);
            grad[6] = grad[8] = R(NAN);
            grad[12] = R(INFINITY);
            assert_int_equal(bp_optimizer_step(&opt, &f.parameters, grad, R(0)), BP_OK);
            step(&of_twin, &free_twin, t);
        }
        assert_memory_equal(f.params, free_twin.params, 6 * sizeof(bp_real));
        assert_memory_equal(f.params + 6, before.params + 6, 3 * sizeof(bp_real));
        assert_memory_equal(f.params + 9, free_twin.params + 9, 3 * sizeof(bp_real));
        assert_memory_equal(f.params + 12, before.params + 12, sizeof(bp_real));
        for (size_t i = 0; i < opt.n_state; i++) { /* and their moments are still 0 */
            const bool frozen = (i % N >= 6 && i % N < 9) || i % N == 12;
            assert_true(frozen ? opt.state[i] == R(0) : opt.state[i] != R(0) || may_forget(&rules[c]));
        }
        bp_optimizer_free(&opt);
        bp_optimizer_free(&of_twin);
    }
}

/* ---- Denormal numbers -------------------------------------------------------------------------------------------- */

/* A gradient of 0 moves nothing, so what is not 0 afterwards was not flushed. The smallest normal number stays. */
static void parameters_below_the_normal_range_become_0(void **state)
{
    (void)state;
    const bp_real denormals[] = { BP_REAL_MIN / 2, -BP_REAL_MIN / 2, BP_REAL_MIN * BP_REAL_EPSILON,
                                  BP_REAL_MIN - BP_REAL_MIN * BP_REAL_EPSILON };
    for (size_t c = 0; c < COUNT(rules); c++) {
        struct fixture f;
        bp_optimizer opt;
        const bp_real grad[N] = { 0 };
        make(&f);
        init(&opt, &rules[c].config, &f);
        memcpy(f.params, denormals, sizeof denormals);
        f.params[4] = BP_REAL_MIN;
        f.params[5] = -BP_REAL_MIN;
        assert_int_equal(bp_optimizer_step(&opt, &f.parameters, grad, R(0)), BP_OK);

        for (size_t i = 0; i < COUNT(denormals); i++)
            assert_true(f.params[i] == R(0));
        const bool stays = rules[c].config.weight_decay == R(0); /* else it ends below the normal range, and so at 0 */
        assert_true(f.params[4] == (stays ? BP_REAL_MIN : R(0)));
        assert_true(f.params[5] == (stays ? -BP_REAL_MIN : R(0)));
        bp_optimizer_free(&opt);
    }
}

static bool any_denormal(size_t n, const bp_real *x)
{
    for (size_t i = 0; i < n; i++)
        if (x[i] != R(0) && R(fabs((double)x[i])) < BP_REAL_MIN)
            return true;
    return false;
}

/*
 * After one step the gradient is 0 and the moments decay: by rounding to nearest, 0.9 times the smallest denormal number is
 * that number again, for ever. By 0.9 a number reaches the end of the range in 0.9^t = 2^-1022, t = 6724.
 */
static void moments_die_out(void **state)
{
    (void)state;
    const bp_optimizer_config configs[] = {
        { .momentum = R(0.9) },
        { .momentum = R(0.9), .nesterov = true },
        { .kind = BP_ADAM, .beta1 = R(0.9), .beta2 = R(0.9) },
    };
    for (size_t c = 0; c < COUNT(configs); c++) {
        struct fixture f;
        bp_optimizer opt;
        const bp_real no_gradient[N] = { 0 };
        make(&f);
        init(&opt, &configs[c], &f);
        step(&opt, &f, 1);
        for (int t = 2; t < 7000; t++) {
            assert_int_equal(bp_optimizer_step(&opt, &f.parameters, no_gradient, R(0)), BP_OK);
            assert_false(any_denormal(opt.n_state, opt.state));
        }
        for (size_t i = 0; i < opt.n_state; i++)
            assert_true(opt.state[i] == R(0));
        bp_optimizer_free(&opt);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_and_adam_are_their_formulas),
        cmocka_unit_test(learning_rate_may_change_between_steps),
        cmocka_unit_test(descent_is_exact_on_binary_fractions),
        cmocka_unit_test(factors_of_adam_are_those_of_the_last_step),
        cmocka_unit_test(values_are_fixed_and_have_names),
        cmocka_unit_test(defaults_are_filled_in),
        cmocka_unit_test(state_is_one_array_a_moment_and_begins_at_0),
        cmocka_unit_test(only_the_number_of_parameters_is_read_at_init),
        cmocka_unit_test(optimizer_may_be_moved_by_assignment),
        cmocka_unit_test(zeroed_or_null_optimizer_may_be_freed),
        cmocka_unit_test(settings_out_of_range_are_refused),
        cmocka_unit_test(settings_at_the_ends_of_their_ranges_are_taken),
        cmocka_unit_test(parameters_that_cannot_be_are_refused),
        cmocka_unit_test(null_pointers_are_refused_at_init),
        cmocka_unit_test(impossible_steps_are_refused_and_change_nothing),
        cmocka_unit_test(gradient_that_is_not_finite_is_refused_and_changes_nothing),
        cmocka_unit_test(sentence_says_which_component_is_not_finite),
        cmocka_unit_test(largest_finite_gradient_is_taken),
        cmocka_unit_test(frozen_segments_are_left_alone_and_not_looked_at),
        cmocka_unit_test(parameters_below_the_normal_range_become_0),
        cmocka_unit_test(moments_die_out),
    };
    int n_failed = 0;
    AT_EACH_PATH (path)
        n_failed += cmocka_run_group_tests_name(name_of_path(path), tests, NULL, NULL);
    return n_failed;
}
