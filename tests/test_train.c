// SPDX-License-Identifier: MIT
/*
 * bp_train(): which rows go into which step, what callbacks and the report see, when it ends, and what is left when it
 * fails.
 *
 * The yardstick is a loop of our own out of the public functions below bp_train(). With a rule that goes through a gradient
 * the two compute the same, bit for bit; plain descent adds its gradient to the parameters inside the matrix product, so
 * that there they agree within rounding.
 */
#include "backprop/train.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backprop/propagation.h"
#include "backprop/rng.h"
#include "support/close.h"
#include "support/heap.h"
#include "support/levels.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define EPSILON ((double)BP_REAL_EPSILON)

/* A number that stands out in each precision: beyond it, squares overflow. */
#ifdef BACKPROP_SINGLE
#define HUGE_RATE ((bp_real)1e30)
#else
#define HUGE_RATE ((bp_real)1e300)
#endif

/* ---- The problem ----------------------------------------------------------------------------------------------------- */

enum { N_IN = 4, N_HIDDEN = 5, N_OUT = 3, N_PARAMS = (N_IN + 1) * N_HIDDEN + (N_HIDDEN + 1) * N_OUT, MAX_ROWS = 70 };

enum kind { REGRESSION, CLASSES };

/* Data, network and optimizer. All targets are there in each form; `data` shows X and T. */
struct problem {
    bp_real X[MAX_ROWS * N_IN], T[MAX_ROWS * N_OUT], weights[MAX_ROWS];
    int32_t labels[MAX_ROWS];
    bp_dataset data;
    bp_network net;
    bp_optimizer opt;
};

struct named_rule {
    const char *name;
    bp_optimizer_config config;
};

static const struct named_rule rules[] = {
    { "plain", { .learning_rate = (bp_real)0.1 } },
    { "momentum", { .learning_rate = (bp_real)0.03, .momentum = (bp_real)0.9 } },
    { "nesterov", { .learning_rate = (bp_real)0.03, .momentum = (bp_real)0.9, .nesterov = true } },
    { "adam", { .kind = BP_ADAM, .learning_rate = (bp_real)0.02 } },
    { "adagrad", { .kind = BP_ADAGRAD, .learning_rate = (bp_real)0.5 } },
    { "amsgrad with decay",
      { .kind = BP_ADAMW, .learning_rate = (bp_real)0.02, .amsgrad = true, .weight_decay = (bp_real)0.01 } },
    { "nadam", { .kind = BP_NADAM, .learning_rate = (bp_real)0.02 } },
    { "adadelta", { .kind = BP_ADADELTA, .learning_rate = 5 } },
    { "rmsprop", { .kind = BP_RMSPROP, .learning_rate = (bp_real)0.01, .momentum = (bp_real)0.5, .centered = true } },
};

#define PLAIN (&rules[0].config)
#define MOMENTUM (&rules[1].config)
#define ADAM (&rules[3].config)

/* Inputs in [-1, 1), and targets that are smooth functions of them, or the class of the largest of three inputs. */
static void fill_row(struct problem *p, enum kind kind, size_t i, bp_rng *rng)
{
    bp_real *x = p->X + i * N_IN, *t = p->T + i * N_OUT;
    for (size_t j = 0; j < N_IN; j++)
        x[j] = (bp_real)(2 * bp_rng_uniform(rng) - 1);
    p->weights[i] = (bp_real)(1 + i % 3) / 2;
    p->labels[i] = x[1] > x[0] ? 1 : 0;
    p->labels[i] = x[2] > x[p->labels[i]] ? 2 : p->labels[i];

    for (int32_t j = 0; j < N_OUT; j++)
        t[j] = j == p->labels[i];
    if (kind == REGRESSION) {
        t[0] = x[0] * x[1];
        t[1] = x[2] - x[3] / 2;
        t[2] = x[3] * x[3];
    }
}

static void make_problem(struct problem *p, enum kind kind, size_t rows, const bp_optimizer_config *rule)
{
    *p = (struct problem){ 0 };
    bp_rng rng;
    bp_rng_init(&rng, 1);
    for (size_t i = 0; i < rows; i++)
        fill_row(p, kind, i, &rng);
    p->data = (bp_dataset){ .rows = rows, .n_in = N_IN, .n_out = N_OUT, .X = { .data = p->X }, .T = { .data = p->T } };

    const bp_layer_config layers[] = { { .n_out = N_HIDDEN, .activation = BP_TANH },
                                       { .n_out = N_OUT, .activation = kind == CLASSES ? BP_SOFTMAX : BP_IDENTITY } };
    const bp_network_config config = { .n_in = N_IN, .n_layers = 2, .layers = layers, .seed = 2 };
    assert_int_equal(bp_network_init(&p->net, &config), BP_OK);
    assert_int_equal(p->net.parameters.n_params, N_PARAMS);
    assert_int_equal(bp_optimizer_init(&p->opt, rule, &p->net.parameters), BP_OK);
}

static void free_problem(struct problem *p)
{
    bp_optimizer_free(&p->opt);
    bp_network_free(&p->net);
}

static void show_labels(struct problem *p)
{
    p->data.T = (bp_view){ 0 };
    p->data.labels = (bp_view){ .data = p->labels, .element = BP_I32 };
}

static void train(struct problem *p, const bp_train_config *config, bp_train_report *report)
{
    const bp_status status = bp_train(&p->net, &p->opt, &p->data, config, report);
    if (status != BP_OK)
        fail_msg("%s: %s", bp_status_string(status), bp_error_message());
}

/* ---- What a network and its optimizer are at a moment ---------------------------------------------------------------- */

struct snapshot {
    bp_real params[N_PARAMS], state[3 * N_PARAMS];
    uint64_t n_steps;
};

static struct snapshot snapshot_of(const bp_network *net, const bp_optimizer *opt)
{
    struct snapshot snapshot = { .n_steps = opt->n_steps };
    memcpy(snapshot.params, net->parameters.params, net->parameters.n_params * sizeof(bp_real));
    if (opt->n_state > 0)
        memcpy(snapshot.state, opt->state, opt->n_state * sizeof(bp_real));
    return snapshot;
}

static void assert_same(const struct snapshot *a, const struct snapshot *b)
{
    assert_memory_equal(a->params, b->params, sizeof a->params);
    assert_memory_equal(a->state, b->state, sizeof a->state);
    assert_true(a->n_steps == b->n_steps);
}

static void assert_unchanged(const struct snapshot *before, const bp_network *net, const bp_optimizer *opt)
{
    const struct snapshot now = snapshot_of(net, opt);
    assert_same(before, &now);
}

static void assert_same_problems(const struct problem *a, const struct problem *b)
{
    const struct snapshot of_a = snapshot_of(&a->net, &a->opt);
    assert_unchanged(&of_a, &b->net, &b->opt);
}

static bool same_params(const struct problem *a, const struct problem *b)
{
    return memcmp(a->net.parameters.params, b->net.parameters.params, N_PARAMS * sizeof(bp_real)) == 0;
}

/* ---- What callbacks see ---------------------------------------------------------------------------------------------- */

enum { MAX_CALLS = 400 };

struct record {
    const struct problem *problem;
    size_t n_steps, n_epochs; /* calls so far */
    bp_progress steps[MAX_CALLS], epochs[MAX_CALLS];
    bool between;                       /* each on_epoch came after the on_step of its last step */
    struct snapshot at_step, at_epoch;  /* at the last call */
    size_t stop_at_step, stop_at_epoch; /* the call, counted from 1, that says stop; 0: none */
};

static struct record record; /* too large for a stack under a sanitizer */

/* Field by field: there may be padding. */
static bool same_progress(const bp_progress *a, const bp_progress *b)
{
    return a->net == b->net && a->epoch == b->epoch && a->epochs == b->epochs && a->step == b->step &&
           a->steps == b->steps && a->rows_done == b->rows_done && a->rows == b->rows && a->loss == b->loss &&
           a->epoch_loss == b->epoch_loss && a->learning_rate == b->learning_rate;
}

static bp_signal see_step(const bp_progress *progress, void *user)
{
    struct record *seen = user;
    assert_true(seen->n_steps < MAX_CALLS);
    seen->steps[seen->n_steps++] = *progress;
    seen->at_step = snapshot_of(progress->net, &seen->problem->opt);
    return seen->n_steps == seen->stop_at_step ? BP_STOP : BP_CONTINUE;
}

static bp_signal see_epoch(const bp_progress *progress, void *user)
{
    struct record *seen = user;
    assert_true(seen->n_epochs < MAX_CALLS);
    seen->between = seen->between && same_progress(&seen->steps[seen->n_steps - 1], progress);
    seen->epochs[seen->n_epochs++] = *progress;
    seen->at_epoch = snapshot_of(progress->net, &seen->problem->opt);
    return seen->n_epochs == seen->stop_at_epoch ? BP_STOP : BP_CONTINUE;
}

/* Empties the record and sets the callbacks that fill it. */
static bp_train_config watched(const struct problem *p, bp_train_config config)
{
    record = (struct record){ .problem = p, .between = true };
    config.on_step = see_step;
    config.on_epoch = see_epoch;
    config.user = &record;
    return config;
}

/* ---- A loop of our own ----------------------------------------------------------------------------------------------- */

struct loop {
    bp_workspace ws;
    bp_rng rng;
    size_t order[MAX_ROWS];
    bp_real X[MAX_ROWS * N_IN], T[MAX_ROWS * N_OUT], weights[MAX_ROWS];
    int32_t labels[MAX_ROWS];
    bp_real grad[N_PARAMS];
};

static bp_targets gather(struct loop *loop, const struct problem *p, const size_t *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        memcpy(loop->X + i * N_IN, p->X + rows[i] * N_IN, N_IN * sizeof(bp_real));
        memcpy(loop->T + i * N_OUT, p->T + rows[i] * N_OUT, N_OUT * sizeof(bp_real));
        loop->weights[i] = p->weights[rows[i]];
        loop->labels[i] = p->labels[rows[i]];
    }
    return (bp_targets){ .values = p->data.T.data != NULL ? loop->T : NULL,
                         .labels = p->data.labels.data != NULL ? loop->labels : NULL,
                         .weights = p->data.weights.data != NULL ? loop->weights : NULL };
}

static void own_step(struct loop *loop, struct problem *p, const bp_loss *loss, const size_t *rows, size_t n)
{
    const bp_targets T = gather(loop, p, rows, n);
    bp_real L;
    assert_int_equal(bp_network_forward(&p->net, &loop->ws, loop->X, n), BP_OK);
    assert_int_equal(bp_network_loss(&p->net, &loop->ws, loss, &T, &L), BP_OK);
    assert_int_equal(bp_network_backward(&p->net, &loop->ws, NULL, loop->grad, NULL, BP_OVERWRITE), BP_OK);
    assert_int_equal(bp_optimizer_step(&p->opt, &p->net.parameters, loop->grad, L), BP_OK);
}

/* The order of the rows is that of one generator, shuffled again from epoch to epoch. */
static void own_loop(struct problem *p, const bp_train_config *config)
{
    static struct loop loop;
    const size_t rows = p->data.rows, batch = config->batch < rows ? config->batch : rows;
    assert_int_equal(bp_workspace_init(&loop.ws, &p->net, batch, BP_TRAINING), BP_OK);
    bp_rng_init(&loop.rng, config->seed);
    for (size_t i = 0; i < rows; i++)
        loop.order[i] = i;

    for (size_t epoch = 0; epoch < config->epochs; epoch++) {
        if (!config->keep_order && batch < rows)
            bp_rng_shuffle(&loop.rng, loop.order, rows);
        for (size_t first = 0; first < rows; first += batch)
            own_step(&loop, p, &config->loss, loop.order + first, rows - first < batch ? rows - first : batch);
    }
    bp_workspace_free(&loop.ws);
}

enum form { VALUES, LABELS, WEIGHTED };

struct run_case {
    enum kind kind;
    enum form form;
    bp_train_config config;
};

/* 10 rows: in batches of 4 the last has 2, in batches of 3 it has 1. */
static const struct run_case run_cases[] = {
    { REGRESSION, VALUES, { .epochs = 5, .batch = 4, .keep_order = true } },
    { REGRESSION, VALUES, { .epochs = 5, .batch = 4 } },
    { REGRESSION, VALUES, { .epochs = 5, .batch = 3, .seed = 7 } },
    { REGRESSION, VALUES, { .epochs = 5, .batch = 5, .seed = UINT64_MAX } },
    { REGRESSION, VALUES, { .epochs = 5, .batch = 1, .seed = 3 } },
    { REGRESSION, VALUES, { .epochs = 5, .batch = 10, .seed = 3 } },
    { REGRESSION, WEIGHTED, { .epochs = 5, .batch = 4, .seed = 9 } },
    { REGRESSION, VALUES, { .epochs = 5, .batch = 4, .loss = { .reduction = BP_REDUCE_SUM } } },
    { CLASSES, VALUES, { .epochs = 5, .batch = 4, .seed = 1, .loss = { .kind = BP_CROSS_ENTROPY } } },
    { CLASSES, LABELS, { .epochs = 5, .batch = 4, .keep_order = true, .loss = { .kind = BP_CROSS_ENTROPY } } },
    { CLASSES, LABELS, { .epochs = 5, .batch = 4, .seed = 5, .loss = { .kind = BP_CROSS_ENTROPY } } },
    { CLASSES, WEIGHTED, { .epochs = 5, .batch = 4, .loss = { .kind = BP_CROSS_ENTROPY, .reduction = BP_REDUCE_SUM } } },
};

static void make_case(struct problem *p, const struct run_case *run, const bp_optimizer_config *rule)
{
    make_problem(p, run->kind, 10, rule);
    if (run->form == LABELS)
        show_labels(p);
    if (run->form == WEIGHTED)
        p->data.weights = (bp_view){ .data = p->weights };
}

static void training_is_a_loop_of_forward_loss_backward_and_step(void **state)
{
    (void)state;
    for (size_t r = 1; r < COUNT(rules); r++)
        for (size_t c = 0; c < COUNT(run_cases); c++) {
            struct problem trained, own;
            make_case(&trained, &run_cases[c], &rules[r].config);
            make_case(&own, &run_cases[c], &rules[r].config);
            train(&trained, &run_cases[c].config, NULL);
            own_loop(&own, &run_cases[c].config);
            if (!same_params(&trained, &own))
                fail_msg("%s, case %zu: the parameters differ", rules[r].name, c);
            assert_same_problems(&trained, &own);
            free_problem(&trained);
            free_problem(&own);
        }
}

/* Each of at most 50 steps rounds each of the parameters, which are below 2, differently: the rate comes in before or after
 * a batch is summed. At these rates a difference is not carried on to a larger one. */
static void plain_descent_is_that_loop_within_rounding(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(run_cases); c++) {
        struct problem trained, own;
        make_case(&trained, &run_cases[c], PLAIN);
        make_case(&own, &run_cases[c], PLAIN);
        train(&trained, &run_cases[c].config, NULL);
        own_loop(&own, &run_cases[c].config);
        for (size_t i = 0; i < N_PARAMS; i++)
            assert_close((double)trained.net.parameters.params[i], (double)own.net.parameters.params[i], 50 * 2 * EPSILON);
        assert_true(trained.opt.n_steps == own.opt.n_steps);
        free_problem(&trained);
        free_problem(&own);
    }
}

/* ---- Order and batches ----------------------------------------------------------------------------------------------- */

/* Trains the regression problem and keeps it. */
static void trained_problem(struct problem *p, size_t rows, const bp_optimizer_config *rule, bp_train_config config)
{
    make_problem(p, REGRESSION, rows, rule);
    train(p, &config, NULL);
}

static bool trains_to_the_same_bits(const bp_optimizer_config *rule, bp_train_config one, bp_train_config other)
{
    struct problem a, b;
    trained_problem(&a, MAX_ROWS, rule, one);
    trained_problem(&b, MAX_ROWS, rule, other);
    const bool same = same_params(&a, &b);
    free_problem(&a);
    free_problem(&b);
    return same;
}

static void a_seed_gives_the_same_bits_again_and_another_seed_other_bits(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rules); r++) {
        const bp_train_config one = { .epochs = 3, .seed = 1 }, other = { .epochs = 3, .seed = 2 };
        assert_true(trains_to_the_same_bits(&rules[r].config, one, one));
        assert_false(trains_to_the_same_bits(&rules[r].config, one, other));
    }
}

static void rows_in_their_order_do_not_depend_on_the_seed(void **state)
{
    (void)state;
    const bp_train_config one = { .epochs = 3, .keep_order = true }, other = { .epochs = 3, .keep_order = true, .seed = 2 };
    const bp_train_config shuffled = { .epochs = 3 };
    assert_true(trains_to_the_same_bits(PLAIN, one, other));
    assert_false(trains_to_the_same_bits(PLAIN, one, shuffled));
}

static void one_batch_of_all_rows_is_never_shuffled(void **state)
{
    (void)state;
    const bp_train_config ordered = { .epochs = 3, .batch = MAX_ROWS, .keep_order = true };
    const bp_train_config one = { .epochs = 3, .batch = MAX_ROWS, .seed = 1 };
    const bp_train_config other = { .epochs = 3, .batch = MAX_ROWS, .seed = 2 };
    assert_true(trains_to_the_same_bits(PLAIN, one, ordered));
    assert_true(trains_to_the_same_bits(PLAIN, other, ordered));
}

static void a_batch_larger_than_the_data_means_all_rows(void **state)
{
    (void)state;
    const bp_train_config all = { .epochs = 3, .batch = MAX_ROWS };
    const bp_train_config more = { .epochs = 3, .batch = MAX_ROWS + 1 }, most = { .epochs = 3, .batch = SIZE_MAX };
    assert_true(trains_to_the_same_bits(ADAM, all, more));
    assert_true(trains_to_the_same_bits(ADAM, all, most));
}

static void a_zeroed_configuration_is_100_epochs_of_shuffled_batches_of_32_on_the_squared_error(void **state)
{
    (void)state;
    const bp_train_config zeroed = { 0 };
    const bp_train_config spelt_out = { .epochs = 100,
                                        .batch = 32,
                                        .loss = { .kind = BP_SQUARED_ERROR, .reduction = BP_REDUCE_MEAN } };
    assert_true(trains_to_the_same_bits(PLAIN, zeroed, spelt_out));

    struct problem p;
    make_problem(&p, REGRESSION, MAX_ROWS, PLAIN);
    const bp_train_config config = watched(&p, zeroed);
    train(&p, &config, NULL);
    assert_int_equal(record.n_epochs, 100);
    assert_int_equal(record.n_steps, 300);
    assert_int_equal(record.steps[0].epochs, 100);
    assert_int_equal(record.steps[0].rows_done, 32);
    assert_int_equal(record.steps[1].rows_done, 64);
    assert_int_equal(record.steps[2].rows_done, 70);
    free_problem(&p);
}

static void the_last_batch_of_an_epoch_holds_the_rows_that_are_left(void **state)
{
    (void)state;
    const size_t batches[] = { 1, 2, 3, 4, 5, 6, 9, 10, 11 };
    for (size_t b = 0; b < COUNT(batches); b++) {
        struct problem p;
        make_problem(&p, REGRESSION, 10, PLAIN);
        const bp_train_config config = watched(&p, (bp_train_config){ .epochs = 2, .batch = batches[b] });
        train(&p, &config, NULL);

        const size_t steps = (10 + batches[b] - 1) / batches[b];
        assert_int_equal(record.n_steps, 2 * steps);
        for (size_t s = 0; s < record.n_steps; s++) {
            const size_t full = (s % steps + 1) * batches[b];
            assert_int_equal(record.steps[s].rows_done, full < 10 ? full : 10);
        }
        free_problem(&p);
    }
}

static void state_and_steps_of_the_optimizer_go_on_from_call_to_call(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rules); r++) {
        struct problem once, twice;
        trained_problem(&once, 10, &rules[r].config, (bp_train_config){ .epochs = 5, .batch = 4, .keep_order = true });
        trained_problem(&twice, 10, &rules[r].config, (bp_train_config){ .epochs = 2, .batch = 4, .keep_order = true });
        train(&twice, &(bp_train_config){ .epochs = 3, .batch = 4, .keep_order = true }, NULL);
        assert_same_problems(&once, &twice);
        assert_true(twice.opt.n_steps == 15);
        free_problem(&once);
        free_problem(&twice);
    }
}

/* ---- Data of every make ---------------------------------------------------------------------------------------------- */

static const bp_train_config orders[] = { { .epochs = 3, .batch = 4, .keep_order = true },
                                          { .epochs = 3, .batch = 4 },
                                          { .epochs = 3, .batch = 10 } };

/* Trains two problems in each order of rows with each rule and holds them to the same bits. */
static void assert_train_alike(enum kind kind, bp_loss_kind loss,
                               void (*prepare)(struct problem *one, struct problem *other))
{
    for (size_t r = 0; r < COUNT(rules); r++)
        for (size_t o = 0; o < COUNT(orders); o++) {
            struct problem one, other;
            bp_train_config config = orders[o];
            config.loss.kind = loss;
            make_problem(&one, kind, 10, &rules[r].config);
            make_problem(&other, kind, 10, &rules[r].config);
            prepare(&one, &other);
            train(&one, &config, NULL);
            train(&other, &config, NULL);
            assert_same_problems(&one, &other);
            free_problem(&one);
            free_problem(&other);
        }
}

static uint8_t grey_levels[MAX_ROWS * N_IN];

static void show_grey_levels(struct problem *bytes, struct problem *as_reals)
{
    const bp_real scale = (bp_real)(1.0 / 255);
    for (size_t i = 0; i < COUNT(grey_levels); i++) {
        grey_levels[i] = (uint8_t)(97 * i % 256);
        as_reals->X[i] = (bp_real)grey_levels[i] * scale;
    }
    bytes->data.X = (bp_view){ .data = grey_levels, .element = BP_U8, .scale = scale };
}

static void scaled_bytes_train_like_the_same_numbers_as_reals(void **state)
{
    (void)state;
    assert_train_alike(REGRESSION, BP_SQUARED_ERROR, show_grey_levels);
}

/* Columns of one table: X, T and a weight side by side, in double in both precisions. */
static double table[MAX_ROWS * (N_IN + N_OUT + 1)];

static void show_table(struct problem *columns, struct problem *packed)
{
    const size_t stride = N_IN + N_OUT + 1;
    for (size_t i = 0; i < MAX_ROWS; i++) {
        double *row = table + i * stride;
        for (size_t j = 0; j < N_IN; j++)
            row[j] = (double)packed->X[i * N_IN + j];
        for (size_t j = 0; j < N_OUT; j++)
            row[N_IN + j] = (double)packed->T[i * N_OUT + j];
        row[N_IN + N_OUT] = (double)packed->weights[i];
    }
    packed->data.weights = (bp_view){ .data = packed->weights };
    columns->data.X = (bp_view){ .data = table, .element = BP_F64, .stride = stride };
    columns->data.T = (bp_view){ .data = table + N_IN, .element = BP_F64, .stride = stride };
    columns->data.weights = (bp_view){ .data = table + N_IN + N_OUT, .element = BP_F64, .stride = stride };
}

static void columns_of_a_table_train_like_packed_reals(void **state)
{
    (void)state;
    assert_train_alike(REGRESSION, BP_SQUARED_ERROR, show_table);
}

static void show_classes(struct problem *labels, struct problem *one_hot)
{
    (void)one_hot; /* that is what T is */
    show_labels(labels);
}

static void labels_train_like_one_hot_targets(void **state)
{
    (void)state;
    assert_train_alike(CLASSES, BP_CROSS_ENTROPY, show_classes);
    assert_train_alike(CLASSES, BP_SQUARED_ERROR, show_classes);
}

static uint8_t byte_labels[2 * MAX_ROWS];

static void show_byte_labels(struct problem *bytes, struct problem *direct)
{
    show_labels(direct);
    for (size_t i = 0; i < MAX_ROWS; i++)
        byte_labels[2 * i] = (uint8_t)direct->labels[i];
    bytes->data.T = (bp_view){ 0 };
    bytes->data.labels = (bp_view){ .data = byte_labels, .element = BP_U8, .stride = 2 };
}

static void labels_of_another_type_train_like_labels_used_where_they_are(void **state)
{
    (void)state;
    assert_train_alike(CLASSES, BP_CROSS_ENTROPY, show_byte_labels);
}

/* ---- Memory ---------------------------------------------------------------------------------------------------------- */

struct memory_seen {
    const struct test_heap *heap;
    size_t live_bytes, n_allocs; /* while steps run; n_allocs of the first step */
    bool constant;               /* no step changed either */
};

static bp_signal see_memory(const bp_progress *progress, void *user)
{
    struct memory_seen *seen = user;
    if (progress->epoch == 1 && progress->step == 1) {
        seen->live_bytes = seen->heap->live_bytes;
        seen->n_allocs = seen->heap->n_allocs;
        seen->constant = true;
    }
    seen->constant = seen->constant && seen->live_bytes == seen->heap->live_bytes && seen->n_allocs == seen->heap->n_allocs;
    return BP_CONTINUE;
}

/* Bytes that a run holds while it steps. */
static size_t bytes_of_run(struct problem *p, bp_train_config config)
{
    struct test_heap heap;
    test_heap_init(&heap);
    struct memory_seen seen = { .heap = &heap };
    config.epochs = 3;
    config.allocator = &heap.allocator;
    config.on_step = config.on_epoch = see_memory;
    config.user = &seen;
    train(p, &config, NULL);
    assert_true(seen.constant);
    assert_true(heap.n_allocs == seen.n_allocs);
    assert_true(test_heap_is_clean(&heap));
    return seen.live_bytes;
}

static void a_step_allocates_nothing_and_all_memory_of_a_run_goes_back(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rules); r++) {
        struct problem p;
        make_problem(&p, REGRESSION, MAX_ROWS, &rules[r].config);
        assert_true(bytes_of_run(&p, (bp_train_config){ 0 }) > 0);
        free_problem(&p);
    }
}

static void packed_reals_in_order_are_used_where_they_are(void **state)
{
    (void)state;
    struct problem p;
    make_problem(&p, REGRESSION, MAX_ROWS, PLAIN);
    const bp_train_config ordered = { .batch = 16, .keep_order = true }, shuffled = { .batch = 16 };
    const bp_train_config full = { .batch = MAX_ROWS }, full_in_order = { .batch = MAX_ROWS, .keep_order = true };

    const size_t places = 16 * (N_IN + N_OUT) * sizeof(bp_real) + MAX_ROWS * sizeof(size_t);
    assert_true(bytes_of_run(&p, shuffled) >= bytes_of_run(&p, ordered) + places);

    const size_t in_place = bytes_of_run(&p, full);
    assert_int_equal(in_place, bytes_of_run(&p, full_in_order));
    p.data.X.scale = (bp_real)0.5; /* now each row must be written somewhere */
    assert_true(bytes_of_run(&p, full) >= in_place + MAX_ROWS * N_IN * sizeof(bp_real));
    free_problem(&p);
}

static void plain_descent_holds_no_gradient(void **state)
{
    (void)state;
    struct problem plain, momentum;
    make_problem(&plain, REGRESSION, 10, PLAIN);
    make_problem(&momentum, REGRESSION, 10, MOMENTUM);
    const size_t gradient_and_copy_of_state = 2 * N_PARAMS * sizeof(bp_real);
    assert_true(bytes_of_run(&momentum, (bp_train_config){ 0 }) >=
                bytes_of_run(&plain, (bp_train_config){ 0 }) + gradient_and_copy_of_state);
    free_problem(&plain);
    free_problem(&momentum);
}

static void assert_not_begun(const bp_train_report *report)
{
    assert_int_equal(report->reason, BP_STOPPED_NOT);
    assert_true(report->n_epochs == 0 && report->n_steps == 0 && report->epoch == 0 && report->step == 0);
    assert_true(report->loss == 0 && report->learning_rate == 0);
    assert_null(report->losses);
    assert_null(report->block);
}

/* Fails the allocation of that number; returns the status and leaves the report to look at. */
static bp_status train_on_failing_heap(struct problem *p, size_t fail_at, struct test_heap *heap, bp_train_report *report)
{
    test_heap_init(heap);
    heap->fail_at = fail_at;
    memset(report, 0xff, sizeof *report);
    const bp_train_config config = { .epochs = 2, .allocator = &heap->allocator };
    return bp_train(&p->net, &p->opt, &p->data, &config, report);
}

static void any_allocation_may_fail_and_nothing_has_changed_then(void **state)
{
    (void)state;
    struct problem p;
    make_problem(&p, REGRESSION, MAX_ROWS, ADAM);
    const struct snapshot before = snapshot_of(&p.net, &p.opt);
    struct test_heap heap;
    bp_train_report report;

    size_t fail_at = 1;
    for (; train_on_failing_heap(&p, fail_at, &heap, &report) != BP_OK; fail_at++) {
        assert_int_equal(heap.n_failed, 1);
        assert_true(test_heap_is_clean(&heap));
        assert_not_begun(&report);
        assert_unchanged(&before, &p.net, &p.opt);
        assert_refused(train_on_failing_heap(&p, fail_at, &heap, &report), BP_ERR_MEMORY, "no memory for ");
    }
    assert_true(fail_at > 3); /* the run, its workspace, the report */
    assert_int_equal(heap.live_blocks, 1);
    bp_train_report_free(&report);
    assert_true(test_heap_is_clean(&heap));
    free_problem(&p);
}

static void without_an_allocator_of_its_own_a_run_takes_the_network_s(void **state)
{
    (void)state;
    struct problem p;
    make_problem(&p, REGRESSION, 10, PLAIN);
    struct test_heap heap;
    test_heap_init(&heap);
    bp_network on_heap;
    assert_int_equal(bp_network_clone(&on_heap, &p.net, &heap.allocator), BP_OK);

    bp_train_report report;
    const size_t before = heap.n_allocs;
    assert_int_equal(bp_train(&on_heap, &p.opt, &p.data, &(bp_train_config){ .epochs = 1 }, &report), BP_OK);
    assert_true(heap.n_allocs > before);
    assert_int_equal(heap.live_blocks, 2); /* the network and the report */
    bp_train_report_free(&report);
    bp_network_free(&on_heap);
    assert_true(test_heap_is_clean(&heap));
    free_problem(&p);
}

/* ---- Callbacks ------------------------------------------------------------------------------------------------------- */

static void callbacks_see_where_training_is(void **state)
{
    (void)state;
    struct problem p;
    make_problem(&p, REGRESSION, 10, MOMENTUM);
    const bp_train_config config = watched(&p, (bp_train_config){ .epochs = 3, .batch = 4 });
    train(&p, &config, NULL);

    assert_int_equal(record.n_steps, 9);
    for (size_t s = 0; s < 9; s++) {
        const bp_progress *at = &record.steps[s];
        assert_ptr_equal(at->net, &p.net);
        assert_int_equal(at->epoch, s / 3 + 1);
        assert_int_equal(at->epochs, 3);
        assert_int_equal(at->step, s % 3 + 1);
        assert_int_equal(at->steps, 3);
        assert_int_equal(at->rows_done, s % 3 == 2 ? 10 : 4 * (s % 3 + 1));
        assert_int_equal(at->rows, 10);
        assert_true(at->learning_rate == MOMENTUM->learning_rate);
        assert_true(at->loss > 0 && at->epoch_loss > 0);
    }
    free_problem(&p);
}

static void on_epoch_comes_after_on_step_and_sees_the_same(void **state)
{
    (void)state;
    struct problem p;
    make_problem(&p, REGRESSION, 10, PLAIN);
    const bp_train_config config = watched(&p, (bp_train_config){ .epochs = 4, .batch = 4 });
    train(&p, &config, NULL);
    assert_int_equal(record.n_epochs, 4);
    assert_true(record.between);
    for (size_t e = 0; e < 4; e++)
        assert_int_equal(record.epochs[e].epoch, e + 1);
    free_problem(&p);
}

static void either_callback_may_be_missing(void **state)
{
    (void)state;
    struct problem p;
    make_problem(&p, REGRESSION, 10, PLAIN);
    bp_train_config config = watched(&p, (bp_train_config){ .epochs = 2, .batch = 4 });
    config.on_epoch = NULL;
    train(&p, &config, NULL);
    assert_true(record.n_steps == 6 && record.n_epochs == 0);

    config.on_step = NULL;
    config.on_epoch = see_epoch;
    train(&p, &config, NULL);
    assert_true(record.n_steps == 6 && record.n_epochs == 2);
    free_problem(&p);
}

/* The loss of the first step is that of the untrained network on the first batch. */
static void the_loss_of_a_step_is_taken_before_its_update(void **state)
{
    (void)state;
    struct problem p;
    make_problem(&p, REGRESSION, 10, PLAIN);
    bp_workspace ws;
    bp_real L;
    assert_int_equal(bp_workspace_init(&ws, &p.net, 4, BP_INFERENCE), BP_OK);
    assert_int_equal(bp_network_forward(&p.net, &ws, p.X, 4), BP_OK);
    assert_int_equal(bp_network_loss(&p.net, &ws, &(bp_loss){ 0 }, &(bp_targets){ .values = p.T }, &L), BP_OK);
    bp_workspace_free(&ws);

    const bp_train_config config = watched(&p, (bp_train_config){ .epochs = 1, .batch = 4, .keep_order = true });
    train(&p, &config, NULL);
    assert_true(record.steps[0].loss == L);
    assert_true(record.steps[0].epoch_loss == L);
    free_problem(&p);
}

struct prediction {
    bp_workspace ws;
    const bp_real *X;
    bp_real Y[MAX_ROWS * N_OUT];
};

static bp_signal predict_all(const bp_progress *progress, void *user)
{
    struct prediction *prediction = user;
    return bp_predict(progress->net, &prediction->ws, prediction->X, progress->rows, prediction->Y) == BP_OK ? BP_CONTINUE
                                                                                                             : BP_STOP;
}

static void a_callback_can_predict_with_the_network_and_a_workspace_of_its_own(void **state)
{
    (void)state;
    struct problem p, undisturbed;
    make_problem(&p, REGRESSION, 10, ADAM);
    make_problem(&undisturbed, REGRESSION, 10, ADAM);
    struct prediction prediction = { .X = p.X };
    assert_int_equal(bp_workspace_init(&prediction.ws, &p.net, 10, BP_INFERENCE), BP_OK);
    const bp_train_config alone = { .epochs = 3, .batch = 4 };
    bp_train_config config = alone;
    config.on_step = config.on_epoch = predict_all;
    config.user = &prediction;
    train(&p, &config, NULL);
    train(&undisturbed, &alone, NULL);
    assert_same_problems(&p, &undisturbed);

    bp_real Y[10 * N_OUT];
    assert_int_equal(bp_predict(&p.net, &prediction.ws, p.X, 10, Y), BP_OK);
    assert_memory_equal(Y, prediction.Y, sizeof Y);
    bp_workspace_free(&prediction.ws);
    free_problem(&p);
    free_problem(&undisturbed);
}

/* ---- The loss of an epoch -------------------------------------------------------------------------------------------- */

/* Sum of the weights of batch s of four rows, of 10 in all. */
static double weight_of_batch(const struct problem *p, size_t s)
{
    double sum = 0;
    for (size_t i = 4 * s; i < 10 && i < 4 * (s + 1); i++)
        sum += p->data.weights.data != NULL ? (double)p->weights[i] : 1;
    return sum;
}

/* Holds the epoch's loss so far, at each step of the record, to its definition in double. */
static void assert_epoch_losses(const struct problem *p, bp_reduction reduction)
{
    double sum = 0, weights = 0;
    for (size_t s = 0; s < record.n_steps; s++) {
        if (s % 3 == 0)
            sum = weights = 0;
        const double weight = reduction == BP_REDUCE_MEAN ? weight_of_batch(p, s % 3) : 1;
        sum += weight * (double)record.steps[s].loss;
        weights += reduction == BP_REDUCE_MEAN ? weight : 0;
        const double expected = weights > 0 ? sum / weights : sum;
        assert_close((double)record.steps[s].epoch_loss, expected, 4 * EPSILON * expected); /* rounded once, or twice */
    }
}

static void the_loss_of_an_epoch_is_the_mean_of_its_steps_by_rows_or_by_weights_or_the_sum(void **state)
{
    (void)state;
    for (int weighted = 0; weighted <= 1; weighted++)
        for (int sum = 0; sum <= 1; sum++) {
            struct problem p;
            const bp_reduction reduction = sum ? BP_REDUCE_SUM : BP_REDUCE_MEAN;
            make_problem(&p, REGRESSION, 10, PLAIN);
            if (weighted)
                p.data.weights = (bp_view){ .data = p.weights };
            const bp_train_config config = watched(
                &p, (bp_train_config){ .epochs = 2, .batch = 4, .keep_order = true, .loss = { .reduction = reduction } });
            train(&p, &config, NULL);
            assert_int_equal(record.n_steps, 6);
            assert_epoch_losses(&p, reduction);
            free_problem(&p);
        }
}

static void a_batch_without_weight_counts_for_nothing(void **state)
{
    (void)state;
    struct problem p;
    make_problem(&p, REGRESSION, 10, PLAIN);
    memset(p.weights, 0, 4 * sizeof(bp_real)); /* those of the first batch */
    p.data.weights = (bp_view){ .data = p.weights };
    const struct snapshot before = snapshot_of(&p.net, &p.opt);
    bp_train_config config = watched(&p, (bp_train_config){ .epochs = 1, .batch = 4, .keep_order = true });
    record.stop_at_step = 1;
    train(&p, &config, NULL);
    assert_true(record.steps[0].loss == 0 && record.steps[0].epoch_loss == 0);
    assert_memory_equal(p.net.parameters.params, before.params, sizeof before.params);

    config = watched(&p, config);
    train(&p, &config, NULL);
    assert_epoch_losses(&p, BP_REDUCE_MEAN);
    free_problem(&p);
}

/* ---- When it ends ---------------------------------------------------------------------------------------------------- */

enum { EPOCHS = 20 };

/* The losses of 20 epochs of the regression problem, which later runs repeat. */
static void known_losses(const bp_train_config *config, bp_real losses[EPOCHS])
{
    struct problem p;
    bp_train_report report;
    make_problem(&p, REGRESSION, 10, PLAIN);
    train(&p, config, &report);
    assert_int_equal(report.reason, BP_STOPPED_EPOCHS);
    assert_int_equal(report.n_epochs, EPOCHS);
    memcpy(losses, report.losses, EPOCHS * sizeof(bp_real));
    bp_train_report_free(&report);
    free_problem(&p);
}

static size_t first_at_or_below(const bp_real losses[EPOCHS], bp_real target)
{
    size_t epoch = 1;
    while (epoch < EPOCHS && losses[epoch - 1] > target)
        epoch++;
    return epoch;
}

static void assert_ends_after(const bp_train_config *config, size_t epoch)
{
    struct problem p;
    bp_train_report report;
    make_problem(&p, REGRESSION, 10, PLAIN);
    train(&p, config, &report);
    assert_int_equal(report.reason, BP_STOPPED_TARGET);
    assert_int_equal(report.n_epochs, epoch);
    assert_int_equal(report.epoch, epoch);
    bp_train_report_free(&report);
    free_problem(&p);
}

static void training_ends_after_the_first_epoch_at_or_below_the_target(void **state)
{
    (void)state;
    bp_real losses[EPOCHS];
    bp_train_config config = { .epochs = EPOCHS, .batch = 4, .keep_order = true };
    known_losses(&config, losses);
    assert_true(losses[0] > losses[EPOCHS - 1]);

    const size_t some[] = { 1, 2, 10, EPOCHS };
    for (size_t i = 0; i < COUNT(some); i++) {
        config.target_loss = losses[some[i] - 1];
        assert_ends_after(&config, first_at_or_below(losses, config.target_loss));
    }
    config.target_loss = losses[9] * ((bp_real)1 - 4 * BP_REAL_EPSILON);
    const size_t later = first_at_or_below(losses, config.target_loss);
    assert_int_not_equal(later, 10);
    assert_ends_after(&config, later);
}

static void a_target_of_0_never_ends_training(void **state)
{
    (void)state;
    struct problem p;
    bp_train_report report;
    make_problem(&p, REGRESSION, 10, PLAIN);
    memset(p.net.parameters.params, 0, N_PARAMS * sizeof(bp_real));
    memset(p.T, 0, sizeof p.T);
    train(&p, &(bp_train_config){ .epochs = 5 }, &report);
    assert_true(report.losses[0] == 0);
    assert_int_equal(report.reason, BP_STOPPED_EPOCHS);
    assert_int_equal(report.n_epochs, 5);
    bp_train_report_free(&report);
    free_problem(&p);
}

struct stop_case {
    size_t at_step, at_epoch;     /* the call that says stop */
    size_t n_epochs, epoch, step; /* then in the report; three steps an epoch */
};

static const struct stop_case stop_cases[] = {
    { .at_step = 1, .n_epochs = 0, .epoch = 1, .step = 1 },  { .at_step = 2, .n_epochs = 0, .epoch = 1, .step = 2 },
    { .at_step = 3, .n_epochs = 1, .epoch = 1, .step = 3 },  { .at_step = 5, .n_epochs = 1, .epoch = 2, .step = 2 },
    { .at_step = 15, .n_epochs = 5, .epoch = 5, .step = 3 }, { .at_epoch = 1, .n_epochs = 1, .epoch = 1, .step = 3 },
    { .at_epoch = 3, .n_epochs = 3, .epoch = 3, .step = 3 }, { .at_epoch = 5, .n_epochs = 5, .epoch = 5, .step = 3 },
};

static void a_callback_ends_training_after_its_step_and_the_parameters_stay(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rules); r++)
        for (size_t c = 0; c < COUNT(stop_cases); c++) {
            const struct stop_case *stop = &stop_cases[c];
            struct problem p;
            bp_train_report report;
            make_problem(&p, REGRESSION, 10, &rules[r].config);
            const bp_train_config config = watched(&p, (bp_train_config){ .epochs = 5, .batch = 4 });
            record.stop_at_step = stop->at_step;
            record.stop_at_epoch = stop->at_epoch;
            train(&p, &config, &report);

            assert_int_equal(report.reason, BP_STOPPED_CALLBACK);
            assert_int_equal(report.n_epochs, stop->n_epochs);
            assert_int_equal(report.epoch, stop->epoch);
            assert_int_equal(report.step, stop->step);
            assert_int_equal(report.n_steps, record.n_steps);
            assert_int_equal(record.n_epochs, stop->n_epochs);
            assert_unchanged(&record.at_step, &p.net, &p.opt);
            bp_train_report_free(&report);
            free_problem(&p);
        }
}

/* ---- The report ------------------------------------------------------------------------------------------------------ */

static void the_report_holds_what_the_callbacks_saw(void **state)
{
    (void)state;
    struct problem p;
    bp_train_report report;
    make_problem(&p, REGRESSION, 10, MOMENTUM);
    const bp_train_config config = watched(&p, (bp_train_config){ .epochs = 6, .batch = 4 });
    memset(&report, 0xff, sizeof report); /* whatever it held before */
    train(&p, &config, &report);

    assert_int_equal(report.reason, BP_STOPPED_EPOCHS);
    assert_int_equal(report.n_epochs, 6);
    assert_int_equal(report.n_steps, 18);
    assert_int_equal(report.epoch, 6);
    assert_int_equal(report.step, 3);
    for (size_t e = 0; e < 6; e++)
        assert_true(report.losses[e] == record.epochs[e].epoch_loss);
    assert_true(report.loss == record.steps[17].loss);
    assert_true(report.learning_rate == MOMENTUM->learning_rate);
    bp_train_report_free(&report);
    free_problem(&p);
}

static void training_without_a_report_is_the_same_training(void **state)
{
    (void)state;
    struct problem with, without;
    bp_train_report report;
    make_problem(&with, REGRESSION, 10, ADAM);
    make_problem(&without, REGRESSION, 10, ADAM);
    train(&with, &(bp_train_config){ .epochs = 3, .batch = 4 }, &report);
    train(&without, &(bp_train_config){ .epochs = 3, .batch = 4 }, NULL);
    assert_same_problems(&with, &without);
    bp_train_report_free(&report);
    free_problem(&with);
    free_problem(&without);
}

static void a_freed_report_is_zeroed_and_may_be_freed_again(void **state)
{
    (void)state;
    struct problem p;
    bp_train_report report;
    make_problem(&p, REGRESSION, 10, PLAIN);
    train(&p, &(bp_train_config){ .epochs = 2 }, &report);
    assert_non_null(report.losses);
    bp_train_report_free(&report);
    assert_not_begun(&report);
    bp_train_report_free(&report);
    bp_train_report_free(NULL);
    free_problem(&p);
}

static void values_of_the_reasons_are_fixed(void **state)
{
    (void)state;
    assert_int_equal(BP_STOPPED_NOT, 0);
    assert_int_equal(BP_STOPPED_EPOCHS, 1);
    assert_int_equal(BP_STOPPED_TARGET, 2);
    assert_int_equal(BP_STOPPED_CALLBACK, 3);
    assert_int_equal(BP_STOPPED_DIVERGED, 4);
    assert_int_equal(BP_STOPPED_ERROR, 5);
    assert_int_equal(BP_STOPPED_PATIENCE, 6);
    assert_int_equal(BP_STOPPED_CANCELLED, 7);
}

/* ---- Divergence ------------------------------------------------------------------------------------------------------ */

/* A straight line, y = 2 x + 1, to be found from zeros; with a batch of 2, three steps an epoch. */
struct line {
    bp_real x[6], t[6];
    struct problem p; /* of which only data, net and opt are used */
};

static void make_line(struct line *line, const bp_optimizer_config *rule)
{
    *line = (struct line){ .x = { 1, 2, 3, 4, 5, 6 }, .t = { 3, 5, 7, 9, 11, 13 } };
    line->p.data = (bp_dataset){ .rows = 6, .n_in = 1, .n_out = 1, .X = { .data = line->x }, .T = { .data = line->t } };
    const bp_layer_config layer = { .n_out = 1, .weights = { .kind = BP_INIT_ZEROS } };
    assert_int_equal(bp_network_init(&line->p.net, &(bp_network_config){ .n_in = 1, .n_layers = 1, .layers = &layer }),
                     BP_OK);
    assert_int_equal(bp_optimizer_init(&line->p.opt, rule, &line->p.net.parameters), BP_OK);
}

/* Trains and expects divergence: status, report and sentence agree on what was not finite, where, and at which rate. */
static void assert_diverges(struct problem *p, const bp_train_config *config, const char *what, size_t steps,
                            bp_train_report *report)
{
    char sentence[200];
    assert_refused(bp_train(&p->net, &p->opt, &p->data, config, report), BP_ERR_DIVERGED, "training: ");
    (void)snprintf(sentence, sizeof sentence, "%s not finite at epoch %zu, step %zu of %zu, learning rate %g", what,
                   report->epoch, report->step, steps, (double)p->opt.learning_rate);
    test_assert_refused(BP_ERR_DIVERGED, BP_ERR_DIVERGED, (const char *const[]){ sentence, NULL }, "bp_train", __FILE__,
                        __LINE__);
    assert_int_equal(report->reason, BP_STOPPED_DIVERGED);
    assert_true(report->learning_rate == p->opt.learning_rate);
}

/* After a while of training well the rate becomes absurd: the second step sees what the first has done. */
static void divergence_in_the_first_epoch_leaves_what_was_there_at_the_start(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rules); r++) {
        struct line line;
        struct problem *p = &line.p;
        make_line(&line, &rules[r].config);
        p->opt.learning_rate = (bp_real)0.001;
        train(p, &(bp_train_config){ .epochs = 2, .batch = 2, .keep_order = true }, NULL);
        const struct snapshot start = snapshot_of(&p->net, &p->opt);

        bp_train_report report;
        const bp_train_config config = watched(p, (bp_train_config){ .epochs = 5, .batch = 2, .keep_order = true });
        p->opt.learning_rate = HUGE_RATE;
        assert_diverges(p, &config, "the loss is", 3, &report);
        assert_true(report.epoch == 1 && report.step == 2 && report.n_epochs == 0 && report.n_steps == 1);
        assert_true(!isfinite(report.loss));
        assert_int_equal(record.n_steps, 1);
        assert_unchanged(&start, &p->net, &p->opt);
        bp_train_report_free(&report);
        free_problem(p);
    }
}

static void training_goes_on_after_divergence_with_a_smaller_rate(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rules); r++) {
        struct line line;
        bp_train_report report;
        make_line(&line, &rules[r].config);
        line.p.opt.learning_rate = HUGE_RATE;
        assert_diverges(&line.p, &(bp_train_config){ .batch = 2 }, "the loss is", 3, &report);
        bp_train_report_free(&report);

        line.p.opt.learning_rate = rules[r].config.kind == BP_SGD ? (bp_real)0.005 : rules[r].config.learning_rate;
        train(&line.p, &(bp_train_config){ .epochs = 200, .batch = 2 }, &report);
        assert_true(report.losses[199] < report.losses[0] / 2);
        bp_train_report_free(&report);
        free_problem(&line.p);
    }
}

/* One step an epoch, each larger than the one before by about the rate, so that a few epochs end well before the squares
 * overflow. Adam's steps and its kin's are all as large as the rate: it must be larger still. */
static void divergence_leaves_the_end_of_the_last_good_epoch(void **state)
{
    (void)state;
    const bp_real growing = (bp_real)(sizeof(bp_real) == 8 ? 1e40 : 1e5);
    for (size_t r = 0; r < COUNT(rules); r++) {
        struct line line;
        struct problem *p = &line.p;
        make_line(&line, &rules[r].config);
        p->opt.learning_rate = p->opt.settings.kind != BP_SGD ? HUGE_RATE : growing;

        bp_train_report report;
        const bp_train_config config = watched(p, (bp_train_config){ .epochs = 50, .batch = 6 });
        assert_diverges(p, &config, "the loss is", 1, &report);
        assert_true(report.n_epochs >= (p->opt.settings.kind != BP_SGD ? 1 : 3));
        assert_int_equal(report.n_epochs, record.n_epochs);
        assert_int_equal(report.epoch, record.n_epochs + 1);
        for (size_t e = 0; e < report.n_epochs; e++)
            assert_true(report.losses[e] == record.epochs[e].epoch_loss);
        assert_unchanged(&record.at_epoch, &p->net, &p->opt);
        bp_train_report_free(&report);
        free_problem(p);
    }
}

struct overflow {
    size_t rule;
    const char *what; /* becomes infinite in the very first step */
    bp_real x, t;
    bp_real state; /* all numbers of the state before it */
};

/* From zeros, with one row: the loss is t^2 / 2, the gradient -t x, its square t^2 x^2. A gradient that is finite, but not so
 * its square, counts as one that is not where a rule squares it. LARGE_ROOT's square is finite and seen beside BP_REAL_MAX. */
#ifdef BACKPROP_SINGLE
#define LARGE_ROOT ((bp_real)1e18)
#define LARGE_X ((bp_real)1e30)
#define LARGE_T ((bp_real)1e15)
#else
#define LARGE_ROOT ((bp_real)1e153)
#define LARGE_X ((bp_real)1e200)
#define LARGE_T ((bp_real)1e150)
#endif

static const struct overflow overflows[] = {
    { 0, "a parameter is", LARGE_X, LARGE_T, 0 },  { 1, "the gradient is", LARGE_X, LARGE_T, 0 },
    { 2, "the gradient is", LARGE_X, LARGE_T, 0 }, { 3, "the gradient is", LARGE_X, LARGE_T, 0 },
    { 3, "the gradient is", LARGE_X, 1, 0 },       { 4, "the optimizer's state is", LARGE_ROOT, 1, BP_REAL_MAX },
};

/* With a batch of 1, two steps, of which the second is harmless; a callback may have the first be the last one. */
static void assert_overflow_is_undone(const struct overflow *overflow, size_t batch, size_t stop_at_step)
{
    struct line line;
    bp_train_report report;
    make_line(&line, &rules[overflow->rule].config);
    for (size_t i = 0; i < line.p.opt.n_state; i++)
        line.p.opt.state[i] = overflow->state;
    const struct snapshot start = snapshot_of(&line.p.net, &line.p.opt);
    line.x[0] = overflow->x;
    line.t[0] = overflow->t;
    line.p.data.rows = batch == 1 ? 2 : 1;

    const bp_train_config config = watched(&line.p, (bp_train_config){ .epochs = 3, .batch = batch, .keep_order = true });
    record.stop_at_step = stop_at_step;
    assert_diverges(&line.p, &config, overflow->what, line.p.data.rows, &report);
    assert_true(report.epoch == 1 && report.step == 1 && report.n_epochs == 0);
    assert_true(isfinite(report.loss));
    assert_unchanged(&start, &line.p.net, &line.p.opt);
    bp_train_report_free(&report);
    free_problem(&line.p);
}

static void an_infinite_gradient_parameter_or_moment_is_noticed_though_the_loss_is_finite(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(overflows); c++)
        assert_overflow_is_undone(&overflows[c], 2, 0);
}

static void an_infinite_number_is_noticed_also_when_a_callback_ends_the_epoch_early(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(overflows); c++)
        assert_overflow_is_undone(&overflows[c], 1, 1);
}

static void divergence_without_a_report_is_the_same(void **state)
{
    (void)state;
    struct line line;
    make_line(&line, MOMENTUM);
    const struct snapshot start = snapshot_of(&line.p.net, &line.p.opt);
    line.p.opt.learning_rate = HUGE_RATE;
    assert_refused(bp_train(&line.p.net, &line.p.opt, &line.p.data, &(bp_train_config){ .batch = 2 }, NULL),
                   BP_ERR_DIVERGED, "training: the loss is not finite at epoch 1, step 2 of 3");
    assert_unchanged(&start, &line.p.net, &line.p.opt);
    free_problem(&line.p);
}

/* ---- Refusals -------------------------------------------------------------------------------------------------------- */

struct train_refusal {
    const char *what;
    bp_dataset data;
    bp_train_config config;
    bp_status status;
    const char *sentence;
};

#define REALS(...)                                                                                                         \
    .data = (const bp_real[])                                                                                              \
    {                                                                                                                      \
        __VA_ARGS__                                                                                                        \
    }
#define TWO_ROWS .rows = 2, .n_in = 2, .X = { REALS(1, 2, 3, 4) }
#define GOOD_DATA TWO_ROWS, .n_out = 2, .T = { REALS(0, 1, 1, 0) }
#define BCE .loss = { .kind = BP_BINARY_CROSS_ENTROPY }

static void *no_memory(size_t size, void *user)
{
    (void)size, (void)user;
    return NULL;
}

static const bp_allocator half_an_allocator = { .alloc = no_memory };

/* The network has 2 inputs and 2 sigmoid outputs. */
static const struct train_refusal train_refusals[] = {
    { "NaN input",
      { .rows = 2, .n_in = 2, .X = { REALS(1, 2, 3, NAN) }, .n_out = 2, .T = { REALS(0, 1, 1, 0) } },
      { 0 },
      BP_ERR_NONFINITE,
      "inputs: row 1, column 1 is nan" },
    { "infinite input",
      { .rows = 2, .n_in = 2, .X = { REALS(INFINITY, 2, 3, 4) }, .n_out = 2, .T = { REALS(0, 1, 1, 0) } },
      { 0 },
      BP_ERR_NONFINITE,
      "inputs: row 0, column 0 is inf" },
    { "NaN target",
      { TWO_ROWS, .n_out = 2, .T = { REALS(0, 1, NAN, 0) } },
      { 0 },
      BP_ERR_NONFINITE,
      "targets: row 1, column 0 is nan" },
    { "no probability",
      { TWO_ROWS, .n_out = 2, .T = { REALS(0, 1, 0, (bp_real)1.5) } },
      { BCE },
      BP_ERR_TARGET,
      "targets: row 1, column 1 is 1.5, binary_cross_entropy takes 0 to 1" },
    { "no class",
      { TWO_ROWS, .n_out = 2, .labels = { .data = (const int32_t[]){ 0, 2 }, .element = BP_I32 } },
      { 0 },
      BP_ERR_TARGET,
      "labels: row 1 is 2, the classes are 0 to 1" },
    { "negative weight",
      { GOOD_DATA, .weights = { REALS(1, -1) } },
      { 0 },
      BP_ERR_TARGET,
      "weights: row 1 is -1, a sample weight is at least 0" },
    { "cross-entropy of a sigmoid output",
      { GOOD_DATA },
      { .loss = { .kind = BP_CROSS_ENTROPY } },
      BP_ERR_UNSUPPORTED,
      "loss: cross_entropy needs a softmax output layer, the network's is sigmoid" },
    { "no loss", { GOOD_DATA }, { .loss = { .kind = BP_N_LOSSES } }, BP_ERR_ARGUMENT, "loss: 8 is no loss" },
    { "no reduction",
      { GOOD_DATA },
      { .loss = { .reduction = (bp_reduction)2 } },
      BP_ERR_ARGUMENT,
      "loss: 2 is no reduction" },
    { "other inputs",
      { .rows = 1, .n_in = 3, .X = { REALS(1, 2, 3) }, .n_out = 2, .T = { REALS(0, 1) } },
      { 0 },
      BP_ERR_SHAPE,
      "training: the data have 3 inputs and 2 outputs, the network 2 and 2" },
    { "other outputs",
      { TWO_ROWS, .n_out = 1, .T = { REALS(0, 1) } },
      { 0 },
      BP_ERR_SHAPE,
      "training: the data have 2 inputs and 1 outputs, the network 2 and 2" },
    { "no rows",
      { .n_in = 2, .X = { REALS(1, 2) }, .n_out = 2, .T = { REALS(0, 1) } },
      { 0 },
      BP_ERR_SHAPE,
      "dataset: rows is 0" },
    { "no targets", { TWO_ROWS, .n_out = 2 }, { 0 }, BP_ERR_ARGUMENT, "dataset: neither T nor labels are given" },
    { "too many rows",
      { .rows = SIZE_MAX, .n_in = 2, .X = { REALS(1, 2) }, .n_out = 2, .T = { REALS(0, 1) } },
      { 0 },
      BP_ERR_TOO_LARGE,
      "are more than memory can address" },
    { "NaN as target loss",
      { GOOD_DATA },
      { .target_loss = NAN },
      BP_ERR_ARGUMENT,
      "training: target_loss is nan, expected a finite number >= 0" },
    { "a negative target loss",
      { GOOD_DATA },
      { .target_loss = (bp_real)-0.5 },
      BP_ERR_ARGUMENT,
      "training: target_loss is -0.5, expected a finite number >= 0" },
    { "an infinite target loss",
      { GOOD_DATA },
      { .target_loss = INFINITY },
      BP_ERR_ARGUMENT,
      "training: target_loss is inf, expected a finite number >= 0" },
    { "half an allocator",
      { GOOD_DATA },
      { .allocator = &half_an_allocator },
      BP_ERR_ARGUMENT,
      "training: the allocator has alloc but no release; it needs both functions or neither" },
    { "more losses than memory can hold",
      { GOOD_DATA },
      { .epochs = SIZE_MAX },
      BP_ERR_TOO_LARGE,
      "training: losses of the report: its memory in bytes overflows" },
};

/* A small network with an optimizer that has a past, so that there is something to be changed. */
struct victim {
    bp_network net;
    bp_optimizer opt;
    struct snapshot before;
};

static const bp_dataset good_data = { GOOD_DATA };

static void make_victim(struct victim *victim, const bp_optimizer_config *rule)
{
    const bp_layer_config layers[] = { { .n_out = 3, .activation = BP_RELU }, { .n_out = 2, .activation = BP_SIGMOID } };
    const bp_network_config config = { .n_in = 2, .n_layers = 2, .layers = layers };
    assert_int_equal(bp_network_init(&victim->net, &config), BP_OK);
    assert_int_equal(bp_optimizer_init(&victim->opt, rule, &victim->net.parameters), BP_OK);
    assert_int_equal(bp_train(&victim->net, &victim->opt, &good_data, &(bp_train_config){ .epochs = 3 }, NULL), BP_OK);
    victim->before = snapshot_of(&victim->net, &victim->opt);
}

static void free_victim(struct victim *victim)
{
    bp_optimizer_free(&victim->opt);
    bp_network_free(&victim->net);
}

/* The call is refused, before its first step, with that sentence; a report that held something is emptied. */
static void assert_train_refused(bp_network *net, bp_optimizer *opt, const bp_dataset *data, const bp_train_config *config,
                                 bp_status status, const char *sentence, const char *what)
{
    bp_train_report report;
    memset(&report, 0xff, sizeof report);
    test_forget_sentence();
    test_assert_refused(bp_train(net, opt, data, config, &report), status, (const char *const[]){ sentence, NULL }, what,
                        __FILE__, __LINE__);
    assert_not_begun(&report);
}

static void bad_data_and_settings_are_refused_and_nothing_has_changed(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rules); r++) {
        struct victim victim;
        make_victim(&victim, &rules[r].config);
        for (size_t c = 0; c < COUNT(train_refusals); c++) {
            const struct train_refusal *bad = &train_refusals[c];
            assert_train_refused(&victim.net, &victim.opt, &bad->data, &bad->config, bad->status, bad->sentence, bad->what);
            assert_unchanged(&victim.before, &victim.net, &victim.opt);
        }
        free_victim(&victim);
    }
}

static void missing_and_empty_objects_are_refused(void **state)
{
    (void)state;
    struct victim v;
    make_victim(&v, ADAM);
    bp_network no_net = { 0 };
    bp_optimizer no_opt = { 0 };
    const bp_train_config config = { .epochs = 1 };

    assert_train_refused(NULL, &v.opt, &good_data, &config, BP_ERR_ARGUMENT, "training: net is NULL", "net");
    assert_train_refused(&no_net, &v.opt, &good_data, &config, BP_ERR_STATE, "training: net has no layers", "no net");
    assert_train_refused(&v.net, NULL, &good_data, &config, BP_ERR_ARGUMENT, "training: opt is NULL", "opt");
    assert_train_refused(&v.net, &no_opt, &good_data, &config, BP_ERR_STATE, "training: opt is empty", "no opt");
    assert_train_refused(&v.net, &v.opt, NULL, &config, BP_ERR_ARGUMENT, "training: data is NULL", "data");
    assert_train_refused(&v.net, &v.opt, &good_data, NULL, BP_ERR_ARGUMENT, "training: config is NULL", "config");
    assert_int_equal(bp_train(NULL, NULL, NULL, NULL, NULL), BP_ERR_ARGUMENT);
    assert_unchanged(&v.before, &v.net, &v.opt);
    free_victim(&v);
}

static void an_optimizer_of_another_network_is_refused(void **state)
{
    (void)state;
    struct victim v;
    struct problem p;
    make_victim(&v, MOMENTUM);
    make_problem(&p, REGRESSION, 10, MOMENTUM);
    assert_train_refused(&v.net, &p.opt, &good_data, &(bp_train_config){ 0 }, BP_ERR_SHAPE,
                         "training: opt was made for 43 parameters, there are 17", "opt");
    assert_unchanged(&v.before, &v.net, &v.opt);
    assert_true(p.opt.n_steps == 0);
    free_problem(&p);
    free_victim(&v);
}

static void a_learning_rate_that_is_none_is_refused(void **state)
{
    (void)state;
    const bp_real rates[] = { -1, NAN, INFINITY };
    for (size_t r = 0; r < COUNT(rates); r++) {
        struct victim v;
        make_victim(&v, PLAIN);
        v.opt.learning_rate = rates[r];
        assert_train_refused(&v.net, &v.opt, &good_data, &(bp_train_config){ 0 }, BP_ERR_ARGUMENT,
                             "expected a finite number >= 0", "rate");
        assert_unchanged(&v.before, &v.net, &v.opt);
        free_victim(&v);
    }
}

/* As a schedule may ask for at its end. */
static void a_learning_rate_of_0_is_taken_and_leaves_the_parameters(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rules); r++) {
        struct victim v;
        bp_real before[17];
        make_victim(&v, &rules[r].config);
        assert_int_equal(v.net.parameters.n_params, COUNT(before));
        memcpy(before, v.net.parameters.params, sizeof before);
        v.opt.learning_rate = 0;
        assert_int_equal(bp_train(&v.net, &v.opt, &good_data, &(bp_train_config){ .epochs = 2 }, NULL), BP_OK);
        assert_memory_equal(v.net.parameters.params, before, sizeof before);
        assert_true(v.opt.n_steps == 5);
        free_victim(&v);
    }
}

static void parameters_that_are_not_finite_before_training_are_refused(void **state)
{
    (void)state;
    struct victim v;
    make_victim(&v, MOMENTUM);
    v.net.parameters.params[5] = NAN;
    const struct snapshot before = snapshot_of(&v.net, &v.opt);
    assert_train_refused(&v.net, &v.opt, &good_data, &(bp_train_config){ 0 }, BP_ERR_NONFINITE,
                         "training: parameter 5 is nan before training", "NaN");
    assert_unchanged(&before, &v.net, &v.opt);
    free_victim(&v);
}

/* ---- Learning -------------------------------------------------------------------------------------------------------- */

static void every_rule_learns_a_small_problem(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rules); r++)
        for (int classes = 0; classes <= 1; classes++) {
            struct problem p;
            bp_train_report report;
            make_problem(&p, classes ? CLASSES : REGRESSION, MAX_ROWS, &rules[r].config);
            bp_train_config config = { .epochs = 300, .batch = 10 };
            config.loss.kind = classes ? BP_CROSS_ENTROPY : BP_SQUARED_ERROR;
            train(&p, &config, &report);
            if (!(report.losses[299] < report.losses[0] / 10))
                fail_msg("%s: the loss is %g after %g", rules[r].name, (double)report.losses[299],
                         (double)report.losses[0]);
            bp_train_report_free(&report);
            free_problem(&p);
        }
}

/*
 * Inputs of 0 leave the first layer's weights where they are, so what is not 0 there afterwards was not flushed. Plain descent
 * has no pass of its own over the parameters: it does this at the end of an epoch, or when a callback ends training within one.
 */
static bp_signal stop_at_once(const bp_progress *progress, void *user)
{
    (void)progress, (void)user;
    return BP_STOP;
}

static void numbers_below_the_normal_range_become_0_with_any_rule(void **state)
{
    (void)state;
    const bp_real smallest[] = { BP_REAL_MIN / 2, -BP_REAL_MIN / 4, BP_REAL_MIN * BP_REAL_EPSILON, BP_REAL_MIN,
                                 -BP_REAL_MIN };
    for (size_t r = 0; r < COUNT(rules); r++)
        for (int stops = 0; stops <= 1; stops++) {
            struct problem p;
            make_problem(&p, REGRESSION, 10, &rules[r].config);
            memset(p.X, 0, sizeof p.X);
            memcpy(p.net.layers[0].W, smallest, sizeof smallest);
            assert_true(p.net.layers[0].W[0] != 0);
            const bp_train_config config = { .epochs = 1, .batch = 5, .on_step = stops ? stop_at_once : NULL };
            train(&p, &config, NULL);
            for (size_t i = 0; i < 3; i++)
                assert_true(p.net.layers[0].W[i] == 0);
            if (rules[r].config.weight_decay == (bp_real)0)
                assert_memory_equal(p.net.layers[0].W + 3, smallest + 3, 2 * sizeof smallest[0]);
            free_problem(&p);
        }
}

/* Single segments have no setting, only whole layers: the flag is set where it lives. */
static void freeze(const bp_network *net, size_t segment)
{
    ((bp_segment *)net->parameters.segments)[segment].frozen = true;
}

static void frozen_segments_stay_and_all_others_move(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rules); r++)
        for (size_t frozen = 0; frozen < 4; frozen++) {
            struct problem p;
            make_problem(&p, REGRESSION, 10, &rules[r].config);
            freeze(&p.net, frozen);
            const struct snapshot before = snapshot_of(&p.net, &p.opt);
            train(&p, &(bp_train_config){ .epochs = 3, .batch = 4 }, NULL);
            for (size_t i = 0; i < N_PARAMS; i++) {
                const bool stays = bp_parameters_segment(&p.net.parameters, i) == &p.net.parameters.segments[frozen];
                assert_true((p.net.parameters.params[i] == before.params[i]) == stays);
            }
            free_problem(&p);
        }
}

static void what_is_not_frozen_moves_as_in_a_loop_of_steps(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rules); r++) {
        const bp_train_config config = { .epochs = 3, .batch = 4, .seed = 4 };
        struct problem trained, own;
        make_problem(&trained, REGRESSION, 10, &rules[r].config);
        make_problem(&own, REGRESSION, 10, &rules[r].config);
        freeze(&trained.net, 0);
        freeze(&own.net, 0);
        train(&trained, &config, NULL);
        own_loop(&own, &config);
        assert_same_problems(&trained, &own); /* plain descent, too: beside a frozen segment it needs a gradient */
        free_problem(&trained);
        free_problem(&own);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_is_a_loop_of_forward_loss_backward_and_step),
        cmocka_unit_test(plain_descent_is_that_loop_within_rounding),
        cmocka_unit_test(a_seed_gives_the_same_bits_again_and_another_seed_other_bits),
        cmocka_unit_test(rows_in_their_order_do_not_depend_on_the_seed),
        cmocka_unit_test(one_batch_of_all_rows_is_never_shuffled),
        cmocka_unit_test(a_batch_larger_than_the_data_means_all_rows),
        cmocka_unit_test(a_zeroed_configuration_is_100_epochs_of_shuffled_batches_of_32_on_the_squared_error),
        cmocka_unit_test(the_last_batch_of_an_epoch_holds_the_rows_that_are_left),
        cmocka_unit_test(state_and_steps_of_the_optimizer_go_on_from_call_to_call),
        cmocka_unit_test(scaled_bytes_train_like_the_same_numbers_as_reals),
        cmocka_unit_test(columns_of_a_table_train_like_packed_reals),
        cmocka_unit_test(labels_train_like_one_hot_targets),
        cmocka_unit_test(labels_of_another_type_train_like_labels_used_where_they_are),
        cmocka_unit_test(a_step_allocates_nothing_and_all_memory_of_a_run_goes_back),
        cmocka_unit_test(packed_reals_in_order_are_used_where_they_are),
        cmocka_unit_test(plain_descent_holds_no_gradient),
        cmocka_unit_test(any_allocation_may_fail_and_nothing_has_changed_then),
        cmocka_unit_test(without_an_allocator_of_its_own_a_run_takes_the_network_s),
        cmocka_unit_test(callbacks_see_where_training_is),
        cmocka_unit_test(on_epoch_comes_after_on_step_and_sees_the_same),
        cmocka_unit_test(either_callback_may_be_missing),
        cmocka_unit_test(the_loss_of_a_step_is_taken_before_its_update),
        cmocka_unit_test(a_callback_can_predict_with_the_network_and_a_workspace_of_its_own),
        cmocka_unit_test(the_loss_of_an_epoch_is_the_mean_of_its_steps_by_rows_or_by_weights_or_the_sum),
        cmocka_unit_test(a_batch_without_weight_counts_for_nothing),
        cmocka_unit_test(training_ends_after_the_first_epoch_at_or_below_the_target),
        cmocka_unit_test(a_target_of_0_never_ends_training),
        cmocka_unit_test(a_callback_ends_training_after_its_step_and_the_parameters_stay),
        cmocka_unit_test(the_report_holds_what_the_callbacks_saw),
        cmocka_unit_test(training_without_a_report_is_the_same_training),
        cmocka_unit_test(a_freed_report_is_zeroed_and_may_be_freed_again),
        cmocka_unit_test(values_of_the_reasons_are_fixed),
        cmocka_unit_test(divergence_in_the_first_epoch_leaves_what_was_there_at_the_start),
        cmocka_unit_test(training_goes_on_after_divergence_with_a_smaller_rate),
        cmocka_unit_test(divergence_leaves_the_end_of_the_last_good_epoch),
        cmocka_unit_test(an_infinite_gradient_parameter_or_moment_is_noticed_though_the_loss_is_finite),
        cmocka_unit_test(an_infinite_number_is_noticed_also_when_a_callback_ends_the_epoch_early),
        cmocka_unit_test(divergence_without_a_report_is_the_same),
        cmocka_unit_test(bad_data_and_settings_are_refused_and_nothing_has_changed),
        cmocka_unit_test(missing_and_empty_objects_are_refused),
        cmocka_unit_test(an_optimizer_of_another_network_is_refused),
        cmocka_unit_test(a_learning_rate_that_is_none_is_refused),
        cmocka_unit_test(a_learning_rate_of_0_is_taken_and_leaves_the_parameters),
        cmocka_unit_test(parameters_that_are_not_finite_before_training_are_refused),
        cmocka_unit_test(every_rule_learns_a_small_problem),
        cmocka_unit_test(numbers_below_the_normal_range_become_0_with_any_rule),
        cmocka_unit_test(frozen_segments_stay_and_all_others_move),
        cmocka_unit_test(what_is_not_frozen_moves_as_in_a_loop_of_steps),
    };
    int n_failed = 0;
    AT_EACH_PATH (path)
        n_failed += cmocka_run_group_tests_name(name_of_path(path), tests, NULL, NULL);
    return n_failed;
}
