// SPDX-License-Identifier: MIT
/*
 * bp_trainer: cut anywhere it computes the same bits, and all that training can be asked for is done as it is written:
 * validation, early stopping, scaling, schedules, frozen layers, accumulation, divergence, data that come row by row.
 *
 * test_train.c holds the plain course of training to a loop of its own; here is what comes on top.
 */
#define _POSIX_C_SOURCE 200809L /* nanosleep() */
#include "backprop/trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backprop/evaluation.h"
#include "backprop/propagation.h"
#include "backprop/split.h"
#include "backprop/train.h"
#include "support/bench.h"
#include "support/close.h"
#include "support/heap.h"
#include "support/levels.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define EPSILON ((double)BP_REAL_EPSILON)
#define R(x) ((bp_real)(x))

#ifdef BACKPROP_SINGLE
#define HUGE_NUMBER R(1e30)
#else
#define HUGE_NUMBER R(1e300)
#endif

static const struct bench_kind simple = { 0 }, batch_normalized = { .normalization = BP_BATCH_NORMALIZATION };
static const bp_optimizer_config plain = { .learning_rate = R(0.1) };
static const bp_optimizer_config adam = { .kind = BP_ADAM, .learning_rate = R(0.02) };

static void check(bp_status status)
{
    if (status != BP_OK)
        fail_msg("%s: %s", bp_status_string(status), bp_error_message());
}

static void train(struct bench *bench, const bp_train_config *config, bp_train_report *report)
{
    check(bp_train(&bench->net, &bench->opt, &bench->data, config, report));
}

static struct bench_numbers numbers(const struct bench *bench)
{
    return bench_numbers(&bench->net, &bench->opt);
}

/* ---- What callbacks see ---------------------------------------------------------------------------------------------- */

enum { MAX_CALLS = 450 };

static struct watch {
    const struct bench *bench;
    size_t n_steps, n_epochs, stop_at_step, stop_at_epoch;
    bp_real rates[MAX_CALLS], losses[MAX_CALLS], rates_of_optimizer[MAX_CALLS];
    bp_progress epochs[MAX_CALLS];
    double validation_losses[MAX_CALLS];
    struct bench_numbers at_epoch[MAX_CALLS]; /* from 1 on; 0: the start */
} watch;

static bp_signal see_step(const bp_progress *at, void *user)
{
    struct watch *seen = user;
    assert_true(seen->n_steps < MAX_CALLS);
    assert_null(at->validation);
    seen->rates[seen->n_steps] = at->learning_rate;
    seen->rates_of_optimizer[seen->n_steps] = seen->bench->opt.learning_rate;
    seen->losses[seen->n_steps++] = at->loss;
    return seen->n_steps == seen->stop_at_step ? BP_STOP : BP_CONTINUE;
}

static bp_signal see_epoch(const bp_progress *at, void *user)
{
    struct watch *seen = user;
    assert_true(seen->n_epochs + 1 < MAX_CALLS);
    seen->epochs[seen->n_epochs++] = *at;
    seen->validation_losses[seen->n_epochs] = at->validation != NULL ? at->validation->loss : NAN;
    seen->at_epoch[seen->n_epochs] = bench_numbers(at->net, &seen->bench->opt);
    return seen->n_epochs == seen->stop_at_epoch ? BP_STOP : BP_CONTINUE;
}

static bp_train_config watched(const struct bench *bench, bp_train_config config)
{
    watch = (struct watch){ .bench = bench };
    watch.at_epoch[0] = bench_numbers(&bench->net, &bench->opt);
    config.on_step = see_step;
    config.on_epoch = see_epoch;
    config.user = &watch;
    return config;
}

/* ---- Cut into pieces ------------------------------------------------------------------------------------------------- */

struct piece_case {
    const char *name;
    struct bench_kind kind;
    bp_optimizer_config rule;
    bp_train_config config;
};

#define REGULARISED                                                                                                        \
    {                                                                                                                      \
        .normalization = BP_BATCH_NORMALIZATION, .dropout = R(0.3)                                                         \
    }
#define ALL_AT_ONCE                                                                                                        \
    .epochs = 3, .batch = 3, .accumulate = 2, .seed = 9, .input_noise = R(0.1), .validation_fraction = R(0.25),            \
    .scale_inputs = BP_STANDARDISE, .scale_targets = BP_MIN_MAX, .restore_best = true
#define DIRECT .epochs = 3, .batch = 4, .seed = 4, .input_noise = R(0.05)
#define FULL .epochs = 6, .batch = 40, .seed = 2

static const struct piece_case piece_cases[] = {
    { "plain", REGULARISED, { 0 }, { DIRECT } },
    { "plain, accumulated", REGULARISED, { 0 }, { ALL_AT_ONCE } },
    { "momentum", REGULARISED, { .momentum = R(0.9) }, { ALL_AT_ONCE, .schedule = { BP_SCHEDULE_COSINE, .period = 5 } } },
    { "nesterov", { .dropout = R(0.5) }, { .momentum = R(0.9), .nesterov = true }, { DIRECT } },
    { "adam", REGULARISED, { .kind = BP_ADAM }, { ALL_AT_ONCE, .schedule = { BP_SCHEDULE_PLATEAU, .patience = 1 } } },
    { "amsgrad", REGULARISED, { .kind = BP_ADAM, .amsgrad = true, .l2 = R(0.01) }, { DIRECT, .keep_order = true } },
    { "adamw",
      REGULARISED,
      { .kind = BP_ADAMW, .weight_decay = R(0.1) },
      { ALL_AT_ONCE, .schedule = { BP_SCHEDULE_STEP, .by_epoch = true, .period = 1, .gamma = 0.5 } } },
    { "nadam", REGULARISED, { .kind = BP_NADAM }, { ALL_AT_ONCE } },
    { "adagrad", REGULARISED, { .kind = BP_ADAGRAD }, { ALL_AT_ONCE, .stratified = true } },
    { "adadelta", { .frozen = true, .dropout = R(0.1) }, { .kind = BP_ADADELTA }, { ALL_AT_ONCE } },
    { "rmsprop", REGULARISED, { .kind = BP_RMSPROP, .centered = true, .momentum = R(0.5) }, { ALL_AT_ONCE } },
    { "clipped", REGULARISED, { .clip_norm = R(0.1), .max_norm = 1, .l1 = R(0.01) }, { DIRECT } },
    { "rprop-", { 0 }, { .kind = BP_RPROP_MINUS }, { FULL } },
    { "rprop+", { .dropout = R(0.1) }, { .kind = BP_RPROP_PLUS }, { FULL, .validation_fraction = R(0.3) } },
};

enum { PIECE_ROWS = 18 };

struct outcome {
    struct bench_numbers numbers;
    bp_train_report report;
    bp_real losses[MAX_CALLS], validation_losses[MAX_CALLS];
};

static void start_case(struct bench *bench, bp_trainer *trainer, const struct piece_case *c)
{
    bench_init(bench, PIECE_ROWS, &c->kind, &c->rule);
    check(bp_trainer_init(trainer, &bench->net, &bench->opt, &bench->data, &c->config));
}

static void end_case(struct bench *bench, bp_trainer *trainer, struct outcome *outcome)
{
    assert_true(trainer->is_done);
    memset(outcome, 0, sizeof *outcome);
    outcome->numbers = numbers(bench);
    outcome->report = trainer->report;
    memcpy(outcome->losses, trainer->report.losses, trainer->report.n_epochs * sizeof(bp_real));
    if (trainer->report.validation_losses != NULL)
        memcpy(outcome->validation_losses, trainer->report.validation_losses, trainer->report.n_epochs * sizeof(bp_real));
    bp_trainer_free(trainer);
    bench_free(bench);
}

static void assert_same_outcome(const struct outcome *a, const struct outcome *b, const char *name)
{
    const bp_train_report *one = &a->report, *other = &b->report;
    if (!bench_same(&a->numbers, &b->numbers))
        fail_msg("%s: other numbers", name);
    assert_memory_equal(a->losses, b->losses, sizeof a->losses);
    assert_memory_equal(a->validation_losses, b->validation_losses, sizeof a->validation_losses);
    assert_true(one->reason == other->reason && one->n_epochs == other->n_epochs && one->n_steps == other->n_steps);
    assert_true(one->best_epoch == other->best_epoch && one->epoch == other->epoch && one->step == other->step);
    assert_true(one->loss == other->loss && one->learning_rate == other->learning_rate);
}

static struct outcome run_through(const struct piece_case *c)
{
    struct bench bench;
    bp_trainer trainer;
    struct outcome outcome;
    start_case(&bench, &trainer, c);
    check(bp_trainer_run(&trainer, NULL));
    end_case(&bench, &trainer, &outcome);
    return outcome;
}

/* Runs so many steps first and then, if `again`, as many each time, else all the others at once. */
static struct outcome run_cut(const struct piece_case *c, uint64_t steps, bool again)
{
    struct bench bench;
    bp_trainer trainer;
    struct outcome outcome;
    start_case(&bench, &trainer, c);
    check(bp_trainer_run(&trainer, &(bp_run_limit){ .steps = steps }));
    assert_true(trainer.report.n_steps == steps || trainer.is_done);
    while (!trainer.is_done) {
        assert_int_equal(trainer.report.reason, BP_STOPPED_NOT);
        assert_true(bench.opt.learning_rate == bench.opt.settings.learning_rate); /* scheduled only while it runs */
        check(bp_trainer_run(&trainer, again ? &(bp_run_limit){ .steps = steps } : NULL));
    }
    end_case(&bench, &trainer, &outcome);
    return outcome;
}

static void a_run_cut_after_any_number_of_steps_gives_the_bits_of_one_run_through(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(piece_cases); c++) {
        const struct outcome whole = run_through(&piece_cases[c]);
        assert_int_equal(whole.report.reason, BP_STOPPED_EPOCHS);
        assert_true(whole.report.n_steps >= 6);
        for (uint64_t steps = 1; steps <= whole.report.n_steps; steps++) {
            const struct outcome cut = run_cut(&piece_cases[c], steps, false),
                                 pieces = run_cut(&piece_cases[c], steps, true);
            assert_same_outcome(&whole, &cut, piece_cases[c].name);
            assert_same_outcome(&whole, &pieces, piece_cases[c].name);
        }
    }
}

static bp_signal dawdle(const bp_progress *at, void *user)
{
    (void)at, (void)user;
    const struct timespec a_while = { .tv_nsec = 1500000 };
    nanosleep(&a_while, NULL);
    return BP_CONTINUE;
}

/* Each step takes longer than the millisecond that it is given, so it is the only one. */
static void a_limit_in_milliseconds_lets_one_step_pass_and_changes_no_bit(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(piece_cases); c++) {
        struct bench bench;
        bp_trainer trainer;
        struct outcome outcome;
        struct piece_case slow = piece_cases[c];
        const struct outcome whole = run_through(&slow);
        slow.config.on_step = dawdle;
        start_case(&bench, &trainer, &slow);
        for (uint64_t step = 1; !trainer.is_done; step++) {
            check(bp_trainer_run(&trainer, &(bp_run_limit){ .milliseconds = 1 }));
            assert_true(trainer.report.n_steps == step);
        }
        end_case(&bench, &trainer, &outcome);
        assert_same_outcome(&whole, &outcome, slow.name);
    }
}

static void the_limit_that_is_reached_first_counts(void **state)
{
    (void)state;
    struct bench bench;
    bp_trainer trainer;
    start_case(&bench, &trainer, &piece_cases[0]);
    check(bp_trainer_run(&trainer, &(bp_run_limit){ .steps = 2, .milliseconds = 3600000 }));
    assert_true(trainer.report.n_steps == 2 && !trainer.is_done);
    check(bp_trainer_run(&trainer, &(bp_run_limit){ .milliseconds = 3600000 }));
    assert_true(trainer.is_done);
    check(bp_trainer_run(&trainer, NULL)); /* nothing is left */
    assert_int_equal(trainer.report.reason, BP_STOPPED_EPOCHS);
    bp_trainer_free(&trainer);
    bench_free(&bench);
}

static void a_rate_changed_between_pieces_is_the_base_from_then_on(void **state)
{
    (void)state;
    struct bench bench;
    bp_trainer trainer;
    bench_init(&bench, PIECE_ROWS, &simple, &plain);
    const bp_train_config config = watched(
        &bench, (bp_train_config){ .epochs = 2, .batch = 6, .schedule = { BP_SCHEDULE_EXPONENTIAL, .gamma = 0.5 } });
    check(bp_trainer_init(&trainer, &bench.net, &bench.opt, &bench.data, &config));
    check(bp_trainer_run(&trainer, &(bp_run_limit){ .steps = 2 }));
    bench.opt.learning_rate = R(0.25);
    check(bp_trainer_run(&trainer, NULL));
    assert_true(watch.rates[1] == (bp_real)bp_schedule_rate(&config.schedule, (double)plain.learning_rate, 1));
    assert_true(watch.rates[2] == R(0.0625) && watch.rates[3] == R(0.03125));
    assert_true(bench.opt.learning_rate == R(0.25));
    bp_trainer_free(&trainer);
    bench_free(&bench);
}

/* ---- Cancelling ------------------------------------------------------------------------------------------------------ */

struct cancelling {
    bp_trainer trainer;
    atomic_uint steps, steps_after;
    atomic_bool is_cancelled;
    unsigned at; /* so many steps are waited for */
};

static bp_signal count_steps(const bp_progress *at, void *user)
{
    (void)at;
    struct cancelling *c = user;
    atomic_fetch_add(&c->steps_after, atomic_load(&c->is_cancelled) ? 1U : 0U);
    atomic_fetch_add(&c->steps, 1U);
    return dawdle(at, NULL);
}

static void *cancel_after_some_steps(void *user)
{
    struct cancelling *c = user;
    while (atomic_load(&c->steps) < c->at)
        (void)0;
    bp_trainer_cancel(&c->trainer);
    atomic_store(&c->is_cancelled, true);
    return NULL;
}

static void cancelling_from_another_thread_returns_within_a_step_and_changes_no_bit(void **state)
{
    (void)state;
    const struct outcome whole = run_through(&piece_cases[4]);
    for (unsigned at = 1; at < 4; at++) {
        struct bench bench;
        struct outcome outcome;
        struct cancelling c = { .at = at };
        struct piece_case counted = piece_cases[4];
        pthread_t thread;
        counted.config.on_step = count_steps;
        counted.config.user = &c;
        start_case(&bench, &c.trainer, &counted);
        assert_int_equal(pthread_create(&thread, NULL, cancel_after_some_steps, &c), 0);
        check(bp_trainer_run(&c.trainer, NULL));
        assert_int_equal(pthread_join(thread, NULL), 0);

        assert_true(atomic_load(&c.steps_after) <= 1);
        if (!c.trainer.is_done) /* the thread may have been too late */
            assert_int_equal(c.trainer.report.reason, BP_STOPPED_CANCELLED);
        check(bp_trainer_run(&c.trainer, NULL));
        end_case(&bench, &c.trainer, &outcome);
        assert_same_outcome(&whole, &outcome, "cancelled");
    }
}

static void cancelled_before_it_runs_it_returns_once_without_a_step(void **state)
{
    (void)state;
    struct bench bench;
    bp_trainer trainer;
    struct outcome outcome;
    const struct outcome whole = run_through(&piece_cases[2]);
    start_case(&bench, &trainer, &piece_cases[2]);
    bp_trainer_cancel(&trainer);
    bp_trainer_cancel(&trainer); /* is no more than one */
    check(bp_trainer_run(&trainer, NULL));
    assert_int_equal(trainer.report.reason, BP_STOPPED_CANCELLED);
    assert_true(trainer.report.n_steps == 0 && !trainer.is_done);
    check(bp_trainer_run(&trainer, NULL));
    end_case(&bench, &trainer, &outcome);
    assert_same_outcome(&whole, &outcome, "cancelled");
    bp_trainer_cancel(NULL);
    bp_trainer_cancel(&(bp_trainer){ 0 });
}

static bp_signal cancel_at_second_step(const bp_progress *at, void *user)
{
    if (at->epoch == 1 && at->step == 2)
        bp_trainer_cancel(user);
    return BP_CONTINUE;
}

/* Else the next call would return at once, for a wish that has been granted. */
static void a_cancelled_run_that_was_at_its_limit_anyway_does_not_stop_the_next(void **state)
{
    (void)state;
    struct bench bench;
    bp_trainer trainer;
    bench_init(&bench, PIECE_ROWS, &simple, &plain);
    const bp_train_config config = { .epochs = 2, .batch = 5, .on_step = cancel_at_second_step, .user = &trainer };
    check(bp_trainer_init(&trainer, &bench.net, &bench.opt, &bench.data, &config));
    check(bp_trainer_run(&trainer, &(bp_run_limit){ .steps = 2 }));
    assert_int_equal(trainer.report.reason, BP_STOPPED_CANCELLED);
    check(bp_trainer_run(&trainer, &(bp_run_limit){ .steps = 2 }));
    assert_true(trainer.report.n_steps == 4);
    bp_trainer_free(&trainer);
    bench_free(&bench);
}

/* ---- Early stopping -------------------------------------------------------------------------------------------------- */

/* A rate so high that the validation loss goes up and down. */
static const bp_optimizer_config restless = { .learning_rate = R(0.9), .momentum = R(0.5) };
enum { RESTLESS_EPOCHS = 60 };
static const bp_train_config restless_run = {
    .epochs = RESTLESS_EPOCHS, .batch = 4, .seed = 3, .validation_fraction = R(0.3)
};

/* Where patience ends a run with these losses (from 1 on), and the best epoch up to there; straight from the definition. */
static size_t end_by_patience(const double *losses, size_t patience, double min_improvement, size_t *best)
{
    double to_beat = (double)INFINITY;
    size_t waited = 0, epoch = 1;
    *best = 1;
    for (; epoch <= RESTLESS_EPOCHS; epoch++) {
        *best = losses[epoch] < losses[*best] ? epoch : *best;
        waited = losses[epoch] < to_beat - min_improvement ? 0 : waited + 1;
        to_beat = waited == 0 ? losses[epoch] : to_beat;
        if (waited == patience)
            return epoch;
    }
    return 0;
}

static void assert_patience_is_counted(const double *losses, size_t patience, bp_real min_improvement)
{
    struct bench bench;
    bp_train_report report;
    size_t best;
    const size_t end = end_by_patience(losses, patience, (double)min_improvement, &best);
    bench_init(&bench, BENCH_ROWS, &batch_normalized, &restless);
    bp_train_config config = watched(&bench, restless_run);
    config.patience = patience;
    config.min_improvement = min_improvement;
    train(&bench, &config, &report);

    const struct bench_numbers now = numbers(&bench);
    assert_int_equal(report.reason, end != 0 ? BP_STOPPED_PATIENCE : BP_STOPPED_EPOCHS);
    assert_int_equal(report.n_epochs, end != 0 ? end : RESTLESS_EPOCHS);
    assert_int_equal(report.best_epoch, best);
    assert_true(bench_same_network(&now, &watch.at_epoch[end != 0 ? best : RESTLESS_EPOCHS]));
    assert_true(now.opt.n_steps == watch.at_epoch[report.n_epochs].opt.n_steps);
    for (size_t e = 0; e < report.n_epochs; e++)
        assert_true(report.validation_losses[e] == (bp_real)losses[e + 1]);
    bp_train_report_free(&report);
    bench_free(&bench);
}

static void patience_ends_when_it_should_and_returns_the_very_numbers_of_the_best_epoch(void **state)
{
    (void)state;
    static double losses[MAX_CALLS];
    struct bench bench;
    bench_init(&bench, BENCH_ROWS, &batch_normalized, &restless);
    const bp_train_config config = watched(&bench, restless_run);
    train(&bench, &config, NULL);
    memcpy(losses, watch.validation_losses, sizeof losses);
    bench_free(&bench);

    size_t best, ended = 0;
    for (size_t patience = 1; patience <= 12; patience++)
        for (int i = 0; i < 3; i++) {
            const bp_real min_improvement = (const bp_real[]){ 0, R(0.005), R(0.1) }[i];
            ended += end_by_patience(losses, patience, (double)min_improvement, &best) != 0;
            assert_patience_is_counted(losses, patience, min_improvement);
        }
    assert_true(ended > 10);
}

static void of_equal_validation_losses_the_first_is_the_best(void **state)
{
    (void)state;
    struct bench bench;
    bp_train_report report;
    bench_init(&bench, BENCH_ROWS, &simple, &plain);
    bench.opt.learning_rate = 0;
    train(&bench, &(bp_train_config){ .epochs = 9, .validation_fraction = R(0.3), .patience = 3 }, &report);
    assert_int_equal(report.reason, BP_STOPPED_PATIENCE);
    assert_true(report.best_epoch == 1 && report.n_epochs == 4);
    bp_train_report_free(&report);
    bench_free(&bench);
}

/* Their mean is 0 / 0: no epoch is the best, none to return to. */
static void validation_rows_without_weight_have_no_best_epoch(void **state)
{
    (void)state;
    struct bench bench;
    bp_train_report report;
    const bp_real nothing[BENCH_ROWS] = { 0 };
    bench_init(&bench, BENCH_ROWS, &simple, &plain);
    bp_dataset weightless = bench.data;
    weightless.weights = (bp_view){ .data = nothing };
    const bp_train_config config =
        watched(&bench, (bp_train_config){ .epochs = 9, .validation = &weightless, .patience = 3 });
    train(&bench, &config, &report);
    const struct bench_numbers now = numbers(&bench);
    assert_int_equal(report.reason, BP_STOPPED_PATIENCE);
    assert_true(report.best_epoch == 0 && report.n_epochs == 3);
    assert_true(bench_same_network(&now, &watch.at_epoch[3]));
    bp_train_report_free(&report);
    bench_free(&bench);
}

struct ending {
    bp_train_config config;
    size_t stop_at_step, stop_at_epoch;
    bp_stop_reason reason;
};

/* A training loss that is first reached in an epoch that is not the best by then, after which training is to end. */
static bp_real late_target(void)
{
    struct bench bench;
    bp_train_report report;
    bp_real lowest, target = 0;
    size_t best = 0;
    bench_init(&bench, BENCH_ROWS, &batch_normalized, &restless);
    train(&bench, &restless_run, &report);
    lowest = report.losses[0];
    for (size_t e = 1; e < RESTLESS_EPOCHS; e++) {
        best = report.validation_losses[e] < report.validation_losses[best] ? e : best;
        if (report.losses[e] < lowest && best < e)
            target = report.losses[e];
        lowest = report.losses[e] < lowest ? report.losses[e] : lowest;
    }
    assert_true(target > 0);
    bp_train_report_free(&report);
    bench_free(&bench);
    return target;
}

static void restore_best_returns_to_the_best_however_training_ends(void **state)
{
    (void)state;
    bp_train_config to_target = restless_run;
    to_target.target_loss = late_target();
    const struct ending endings[] = {
        { restless_run, .reason = BP_STOPPED_EPOCHS },
        { restless_run, .stop_at_epoch = 17, .reason = BP_STOPPED_CALLBACK },
        { restless_run, .stop_at_step = 73, .reason = BP_STOPPED_CALLBACK },
        { restless_run, .stop_at_step = 70, .reason = BP_STOPPED_CALLBACK }, /* the last of an epoch */
        { to_target, .reason = BP_STOPPED_TARGET },
    };
    for (size_t i = 0; i < COUNT(endings); i++)
        for (int restores = 0; restores <= 1; restores++) {
            struct bench bench;
            bp_train_report report;
            bench_init(&bench, BENCH_ROWS, &batch_normalized, &restless);
            bp_train_config config = watched(&bench, endings[i].config);
            config.restore_best = restores;
            watch.stop_at_step = endings[i].stop_at_step;
            watch.stop_at_epoch = endings[i].stop_at_epoch;
            train(&bench, &config, &report);
            const struct bench_numbers now = numbers(&bench);
            assert_int_equal(report.reason, endings[i].reason);
            assert_true(report.best_epoch >= 1 && report.best_epoch < report.n_epochs); /* so that it matters */
            for (size_t e = 0; e < report.n_epochs; e++)
                assert_true(report.validation_losses[e] >= report.validation_losses[report.best_epoch - 1]);
            assert_int_equal(bench_same_network(&now, &watch.at_epoch[report.best_epoch]), restores);
            bp_train_report_free(&report);
            bench_free(&bench);
        }
}

/* ---- Chance ---------------------------------------------------------------------------------------------------------- */

/* At a rate of 0 nothing but dropout and noise can make one epoch's loss differ from another's. */
static void each_pass_drops_other_outputs_and_adds_other_noise(void **state)
{
    (void)state;
    const struct bench_kind dropping = { .dropout = R(0.5) };
    const struct {
        const struct bench_kind *kind;
        bp_real noise;
        bool differ;
    } cases[] = { { &simple, 0, false }, { &dropping, 0, true }, { &simple, R(0.1), true } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench bench;
        bench_init(&bench, BENCH_ROWS, cases[i].kind, &plain);
        bench.opt.learning_rate = 0;
        const bp_train_config config =
            watched(&bench, (bp_train_config){ .epochs = 5, .batch = BENCH_ROWS, .input_noise = cases[i].noise });
        train(&bench, &config, NULL);
        for (size_t k = 1; k < 5; k++)
            assert_int_equal(watch.losses[k] != watch.losses[k - 1], cases[i].differ);
        bench_free(&bench);
    }
}

enum { NOISY_ROWS = 4000 };

/* A network that hands on its input, with it as the target: its loss is 1/2 of the squared noise, whose mean over n rows has a
 * deviation of s^2 sqrt(2 / n). */
static void input_noise_has_the_deviation_asked_for_in_the_network_s_units(void **state)
{
    (void)state;
    static bp_real X[NOISY_ROWS];
    const double deviation = 0.3;
    const bp_layer_config layer = { .n_out = 1 };
    const bp_real center = 0, scale = 50;
    bp_network net;
    bp_optimizer opt;
    bp_train_report report;
    for (size_t i = 0; i < NOISY_ROWS; i++)
        X[i] = R(i % 100);
    check(bp_network_init(&net, &(bp_network_config){ .n_in = 1, .n_layers = 1, .layers = &layer }));
    check(bp_network_set_scaling(&net, &center, &scale, &center, &scale));
    check(bp_optimizer_init(&opt, &plain, &net.parameters));
    net.parameters.params[0] = 1;
    net.parameters.params[1] = 0;
    opt.learning_rate = 0;
    const bp_dataset data = { .rows = NOISY_ROWS, .n_in = 1, .n_out = 1, .X = { .data = X }, .T = { .data = X } };
    const bp_train_config config = { .epochs = 3, .batch = 100, .input_noise = R(deviation) };
    check(bp_train(&net, &opt, &data, &config, &report));
    const double variance = deviation * deviation, sigma = variance * sqrt(2.0 / NOISY_ROWS);
    for (size_t e = 0; e < 3; e++)
        assert_close(2 * (double)report.losses[e], variance, 5 * sigma);
    for (size_t i = 0; i < NOISY_ROWS; i++)
        assert_true(X[i] == R(i % 100)); /* the user's array is left alone */
    bp_train_report_free(&report);
    bp_optimizer_free(&opt);
    bp_network_free(&net);
}

/* ---- Frozen layers --------------------------------------------------------------------------------------------------- */

static void frozen_layers_do_not_move_with_any_optimizer_and_the_others_do(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(piece_cases); c++)
        for (int normalization = 0; normalization < BP_N_NORMALIZATIONS; normalization++) {
            struct bench bench;
            const struct bench_kind kind = { .frozen = true, .normalization = (bp_normalization)normalization };
            bench_init(&bench, PIECE_ROWS, &kind, &piece_cases[c].rule);
            const struct bench_numbers before = numbers(&bench);
            train(&bench, &piece_cases[c].config, NULL);
            const struct bench_numbers after = numbers(&bench);

            const bp_parameters *all = &bench.net.parameters;
            for (size_t s = 0; s < all->n_segments; s++) {
                const bp_segment *segment = &all->segments[s];
                const bool same = memcmp(before.params + segment->offset, after.params + segment->offset,
                                         segment->n * sizeof(bp_real)) == 0;
                const bool idle =
                    segment->kind == BP_BIAS && segment->layer == 0 && normalization == BP_BATCH_NORMALIZATION;
                assert_int_equal(segment->frozen, segment->layer == 1);
                if (!idle) /* a bias that the batch's mean takes away has no gradient */
                    assert_int_equal(same, segment->frozen);
            }
            const bp_layer *frozen = &bench.net.layers[1];
            for (size_t j = 0; normalization == BP_BATCH_NORMALIZATION && j < BENCH_HIDDEN; j++) {
                assert_true(frozen->running_mean[j] == 0 && frozen->running_var[j] == 1);
                assert_true(bench.net.layers[0].running_mean[j] != 0);
            }
            bench_free(&bench);
        }
}

static void frozen_batch_normalization_trains_on_single_rows(void **state)
{
    (void)state;
    struct bench bench;
    const bp_layer_config layers[] = {
        { .n_out = 4, .activation = BP_TANH, .normalization = BP_BATCH_NORMALIZATION, .frozen = true },
        { .n_out = BENCH_OUT }
    };
    bench_init(&bench, 5, &simple, &plain);
    bench_free(&bench);
    check(bp_network_init(&bench.net, &(bp_network_config){ .n_in = BENCH_IN, .n_layers = 2, .layers = layers }));
    check(bp_optimizer_init(&bench.opt, &plain, &bench.net.parameters));
    train(&bench, &(bp_train_config){ .epochs = 2, .batch = 1 }, NULL);
    assert_true(bench.opt.n_steps == 10);
    bench_free(&bench);
}

/* ---- Accumulation ---------------------------------------------------------------------------------------------------- */

static const bp_real class_weights[] = { R(0.5), 2 };

struct sum_case {
    bool weighted;
    bp_loss loss;
    bp_activation output;
};

static const struct sum_case sum_cases[] = {
    { false, { .reduction = BP_REDUCE_MEAN }, BP_IDENTITY },
    { false, { .reduction = BP_REDUCE_SUM }, BP_IDENTITY },
    { true, { .reduction = BP_REDUCE_MEAN }, BP_IDENTITY },
    { true, { .reduction = BP_REDUCE_SUM }, BP_IDENTITY },
    { true, { .kind = BP_CROSS_ENTROPY, .class_weights = class_weights }, BP_SOFTMAX },
    { false, { .kind = BP_CROSS_ENTROPY, .class_weights = class_weights, .reduction = BP_REDUCE_SUM }, BP_SOFTMAX },
};

static void train_sum_case(const struct sum_case *c, const bp_train_config *like, const bp_optimizer_config *rule,
                           struct bench *bench, bp_train_report *report)
{
    const struct bench_kind kind = { .output = c->output };
    bp_train_config config = *like;
    config.loss = c->loss;
    config.keep_order = true;
    bench_init(bench, 22, &kind, rule);
    if (c->output == BP_SOFTMAX)
        bench_show_labels(bench);
    if (c->weighted)
        bench->data.weights = (bp_view){ .data = bench->weights };
    train(bench, &config, report);
}

/* 22 rows in steps of 8: 8, 8, 6, of batches of 4: the last step has 4 and 2. 15 steps that each round a little differently. */
static void accumulated_batches_are_one_batch_of_all_their_rows(void **state)
{
    (void)state;
    const bp_optimizer_config rule = { .learning_rate = R(0.02), .momentum = R(0.5) };
    const bp_train_config whole = { .epochs = 5, .batch = 8 }, parts = { .epochs = 5, .batch = 4, .accumulate = 2 };
    for (size_t i = 0; i < COUNT(sum_cases); i++) {
        struct bench one, other;
        bp_train_report of_one, of_other;
        train_sum_case(&sum_cases[i], &whole, &rule, &one, &of_one);
        train_sum_case(&sum_cases[i], &parts, &rule, &other, &of_other);
        assert_true(of_one.n_steps == 15 && of_other.n_steps == 15);
        for (size_t p = 0; p < one.net.parameters.n_params; p++)
            assert_close((double)other.net.parameters.params[p], (double)one.net.parameters.params[p], 15 * 64 * EPSILON);
        for (size_t e = 0; e < 5; e++)
            assert_close((double)of_other.losses[e], (double)of_one.losses[e],
                         64 * 15 * EPSILON * (1 + (double)of_one.losses[e]));
        bp_train_report_free(&of_one);
        bp_train_report_free(&of_other);
        bench_free(&one);
        bench_free(&other);
    }
}

static void more_batches_than_there_are_make_one_step_of_all(void **state)
{
    (void)state;
    struct bench bench;
    bp_train_report report;
    bench_init(&bench, 10, &simple, &plain);
    train(&bench, &(bp_train_config){ .epochs = 3, .batch = 3, .accumulate = SIZE_MAX }, &report);
    assert_true(report.n_steps == 3);
    bp_train_report_free(&report);
    bench_free(&bench);
}

/* ---- Batch normalization and single rows ----------------------------------------------------------------------------- */

static void a_single_row_left_over_joins_the_batch_before_where_rows_are_normalized(void **state)
{
    (void)state;
    const struct {
        size_t rows, batch, steps, steps_without;
    } cases[] = { { 9, 4, 2, 3 }, { 9, 2, 4, 5 }, { 10, 4, 3, 3 }, { 9, 8, 1, 2 }, { 9, 9, 1, 1 }, { 9, 3, 3, 3 } };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int normalized = 0; normalized <= 1; normalized++) {
            struct bench bench;
            bp_train_report report;
            bench_init(&bench, cases[i].rows, normalized ? &batch_normalized : &simple, &adam);
            bp_train_config config = watched(&bench, (bp_train_config){ .epochs = 2, .batch = cases[i].batch });
            train(&bench, &config, &report);
            assert_int_equal(report.n_steps, 2 * (normalized ? cases[i].steps : cases[i].steps_without));
            assert_int_equal(watch.epochs[1].rows_done, cases[i].rows);
            assert_int_equal(watch.epochs[1].step, watch.epochs[1].steps);
            bp_train_report_free(&report);
            bench_free(&bench);
        }
}

/* ---- Validation ------------------------------------------------------------------------------------------------------ */

enum { SPLIT_ROWS = 37 };

/* The rows that the run of `config` splits off, by the function that the header names. */
static size_t split_of(const struct bench *bench, const bp_train_config *config, size_t rows[SPLIT_ROWS])
{
    size_t n_train;
    const bp_split_config split = { .fraction = (double)config->validation_fraction,
                                    .seed = config->seed,
                                    .keep_order = config->keep_order,
                                    .stratified = config->stratified };
    check(bp_split(&bench->data, &split, rows, &n_train));
    return n_train;
}

static const bp_train_config splits[] = {
    { .epochs = 4, .batch = 4, .seed = 1, .validation_fraction = R(0.3) },
    { .epochs = 4, .batch = 4, .seed = 2, .validation_fraction = R(0.3), .stratified = true },
    { .epochs = 4, .batch = 64, .seed = 3, .validation_fraction = R(0.01) },
    { .epochs = 4, .batch = 7, .validation_fraction = R(0.99), .scale_inputs = BP_STANDARDISE },
    { .epochs = 4, .batch = 5, .keep_order = true, .validation_fraction = R(0.25), .scale_targets = BP_MIN_MAX },
};

/* Absurd inputs and targets there, and the training computes the same bits: the rows are not looked at, nor scaled by. */
static void rows_split_off_are_never_trained_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(splits); i++) {
        if (splits[i].stratified)
            continue; /* that split looks at the targets */
        struct bench clean, poisoned;
        size_t rows[SPLIT_ROWS];
        bench_init(&clean, SPLIT_ROWS, &batch_normalized, &adam);
        bench_init(&poisoned, SPLIT_ROWS, &batch_normalized, &adam);
        const size_t n_train = split_of(&clean, &splits[i], rows);
        assert_true(n_train >= 1 && n_train < SPLIT_ROWS);
        for (size_t r = n_train; r < SPLIT_ROWS; r++) {
            poisoned.X[rows[r] * BENCH_IN] = 1000;
            poisoned.T[rows[r] * BENCH_OUT] = -5000;
        }
        if (n_train > 1) {
            train(&clean, &splits[i], NULL);
            train(&poisoned, &splits[i], NULL);
        }
        const struct bench_numbers one = numbers(&clean), other = numbers(&poisoned);
        assert_true(bench_same(&one, &other));
        bench_free(&clean);
        bench_free(&poisoned);
    }
}

static void validation_losses_and_scores_are_those_of_an_evaluation_of_the_rows_split_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(splits); i++) {
        struct bench bench;
        bp_train_report report;
        size_t rows[SPLIT_ROWS];
        bp_metrics metrics;
        bp_metrics_result result;
        bench_init(&bench, SPLIT_ROWS, &simple, &adam);
        const size_t n_train = split_of(&bench, &splits[i], rows);
        train(&bench, &splits[i], &report);
        check(bp_metrics_init(&metrics, &(bp_metrics_config){ .n_out = BENCH_OUT }));
        const bp_evaluation_config config = { .rows = rows + n_train,
                                              .n_rows = SPLIT_ROWS - n_train,
                                              .loss = &(bp_loss){ 0 } };
        check(bp_evaluate(&bench.net, &bench.data, &config, &metrics));
        check(bp_metrics_compute(&metrics, &result));
        assert_close((double)report.validation_losses[3], result.loss, 8 * EPSILON * result.loss);
        if (SPLIT_ROWS - n_train > 1)
            assert_close((double)report.validation_scores[3], result.r2, 8 * EPSILON * (1 + fabs(result.r2)));
        bp_metrics_free(&metrics);
        bp_train_report_free(&report);
        bench_free(&bench);
    }
}

static void validation_data_of_their_own_are_watched_and_change_no_bit(void **state)
{
    (void)state;
    struct bench with, without;
    bp_train_report report;
    bench_init(&with, 20, &batch_normalized, &adam);
    bench_init(&without, 20, &batch_normalized, &adam);
    bp_dataset others = with.data;
    others.rows = 7;
    others.X.data = with.X + 30 * BENCH_IN;
    others.T.data = with.T + 30 * BENCH_OUT;
    train(&with, &(bp_train_config){ .epochs = 4, .batch = 6, .validation = &others }, &report);
    train(&without, &(bp_train_config){ .epochs = 4, .batch = 6 }, NULL);
    const struct bench_numbers one = numbers(&with), other = numbers(&without);
    assert_true(bench_same(&one, &other));

    double sum = 0; /* 1/2 (y - t)^2, by hand */
    bp_workspace ws;
    bp_real Y[7 * BENCH_OUT];
    check(bp_workspace_init(&ws, &with.net, 7, BP_INFERENCE));
    check(bp_predict(&with.net, &ws, others.X.data, 7, Y));
    for (size_t i = 0; i < COUNT(Y); i++)
        sum += pow((double)Y[i] - (double)with.T[30 * BENCH_OUT + i], 2) / 2;
    assert_close((double)report.validation_losses[3], sum / 7, 32 * EPSILON * (1 + sum));
    bp_workspace_free(&ws);
    bp_train_report_free(&report);
    bench_free(&with);
    bench_free(&without);
}

static void the_score_is_the_accuracy_for_classes_and_r2_for_numbers(void **state)
{
    (void)state;
    for (int labels = 0; labels <= 1; labels++) {
        struct bench bench;
        bp_train_report report;
        const struct bench_kind kind = { .output = labels ? BP_SOFTMAX : BP_IDENTITY };
        bench_init(&bench, 40, &kind, &adam);
        if (labels)
            bench_show_labels(&bench);
        const bp_loss loss = { .kind = labels ? BP_CROSS_ENTROPY : BP_SQUARED_ERROR };
        train(&bench, &(bp_train_config){ .epochs = 100, .batch = 4, .loss = loss, .validation_fraction = R(0.25) },
              &report);
        for (size_t e = 0; labels && e < 100; e++) {
            const double tenths = 10 * (double)report.validation_scores[e]; /* of ten rows */
            assert_close(tenths, round(tenths), 1e-5);
        }
        assert_true(report.validation_scores[99] > R(0.5) && report.validation_scores[99] <= 1);
        bp_train_report_free(&report);
        bench_free(&bench);
    }
}

/* ---- Scaling --------------------------------------------------------------------------------------------------------- */

/* Mean and standard deviation, or smallest and width, of a column over some rows; two passes, in double. */
static void scaling_of(bp_scaling_kind kind, const bp_real *X, size_t columns, size_t column, const size_t *rows, size_t n,
                       double *center, double *scale)
{
    double mean = 0, squares = 0, low = (double)INFINITY, high = -(double)INFINITY;
    for (size_t i = 0; i < n; i++) {
        const double x = (double)X[rows[i] * columns + column];
        mean += x / (double)n;
        low = fmin(low, x);
        high = fmax(high, x);
    }
    for (size_t i = 0; i < n; i++)
        squares += pow((double)X[rows[i] * columns + column] - mean, 2);
    *center = kind == BP_MIN_MAX ? low : mean;
    *scale = kind == BP_MIN_MAX ? high - low : sqrt(squares / (double)n);
}

/* Data far from what a network likes. */
static void spread_data(struct bench *bench)
{
    for (size_t i = 0; i < BENCH_ROWS; i++) {
        bench->X[i * BENCH_IN] = bench->X[i * BENCH_IN] * 500 + 2000;
        bench->T[i * BENCH_OUT] = bench->T[i * BENCH_OUT] * 100 - 3000;
    }
}

static void scaling_is_fitted_on_the_rows_to_train_on_and_equals_a_computation_of_our_own(void **state)
{
    (void)state;
    const bp_scaling_kind kinds[] = { BP_STANDARDISE, BP_MIN_MAX };
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct bench bench;
        bp_trainer trainer;
        size_t rows[SPLIT_ROWS];
        double center, scale;
        bench_init(&bench, SPLIT_ROWS, &simple, &adam);
        spread_data(&bench);
        const bp_train_config config = {
            .batch = 5, .seed = 8, .validation_fraction = R(0.4), .scale_inputs = kinds[k], .scale_targets = kinds[1 - k]
        };
        const size_t n_train = split_of(&bench, &config, rows);
        check(bp_trainer_init(&trainer, &bench.net, &bench.opt, &bench.data, &config));
        assert_true(bench.net.scales_inputs && bench.net.scales_outputs);
        for (size_t j = 0; j < BENCH_IN; j++) {
            scaling_of(kinds[k], bench.X, BENCH_IN, j, rows, n_train, &center, &scale);
            assert_close((double)bench.net.in_center[j], center, 4 * EPSILON * (1 + fabs(center)));
            assert_close((double)bench.net.in_scale[j], scale, 4 * EPSILON * (1 + fabs(center)));
        }
        for (size_t j = 0; j < BENCH_OUT; j++) {
            scaling_of(kinds[1 - k], bench.T, BENCH_OUT, j, rows, n_train, &center, &scale);
            assert_close((double)bench.net.out_center[j], center, 4 * EPSILON * (1 + fabs(center)));
            assert_close((double)bench.net.out_scale[j], scale, 4 * EPSILON * (1 + fabs(center)));
        }
        bp_trainer_free(&trainer);
        bench_free(&bench);
    }
}

static void a_network_with_scaling_learns_spread_data_and_predicts_in_their_units(void **state)
{
    (void)state;
    struct bench bench;
    bp_train_report report;
    bp_workspace ws;
    bp_real Y[BENCH_ROWS * BENCH_OUT];
    bench_init(&bench, BENCH_ROWS, &simple, &adam);
    spread_data(&bench);
    const bp_train_config config = {
        .epochs = 300, .batch = 8, .scale_inputs = BP_STANDARDISE, .scale_targets = BP_STANDARDISE
    };
    train(&bench, &config, &report);
    assert_true(report.losses[0] < 5); /* in the network's units: of a variance of 1 */
    check(bp_workspace_init(&ws, &bench.net, BENCH_ROWS, BP_INFERENCE));
    check(bp_predict(&bench.net, &ws, bench.X, BENCH_ROWS, Y));
    double squares = 0;
    for (size_t i = 0; i < BENCH_ROWS; i++)
        squares += pow((double)Y[i * BENCH_OUT] - (double)bench.T[i * BENCH_OUT], 2);
    assert_true(sqrt(squares / BENCH_ROWS) < 15); /* of targets whose deviation is about 45, around -3000 */
    bp_workspace_free(&ws);
    bp_train_report_free(&report);
    bench_free(&bench);
}

static void a_network_that_has_a_scaling_keeps_it(void **state)
{
    (void)state;
    struct bench bench;
    const bp_real in_center[] = { 1, 2, 3 }, in_scale[] = { 4, 5, 6 };
    bench_init(&bench, 20, &simple, &adam);
    check(bp_network_set_scaling(&bench.net, in_center, in_scale, NULL, NULL));
    train(&bench, &(bp_train_config){ .epochs = 1, .scale_inputs = BP_MIN_MAX, .scale_targets = BP_STANDARDISE }, NULL);
    assert_memory_equal(bench.net.in_center, in_center, sizeof in_center);
    assert_memory_equal(bench.net.in_scale, in_scale, sizeof in_scale);
    assert_true(bench.net.scales_inputs && bench.net.scales_outputs);
    bench_free(&bench);
}

/* Scaled by hand to begin with, or by the network: the same numbers. */
static void scaling_by_the_network_trains_like_data_that_come_scaled(void **state)
{
    (void)state;
    struct bench by_hand, by_net;
    const bp_real in_center[] = { 1, 0, -2 }, in_scale[] = { 2, 4, R(0.5) }, out_center[] = { 1, 0 },
                  out_scale[] = { 2, 8 };
    bench_init(&by_hand, 20, &simple, &adam);
    bench_init(&by_net, 20, &simple, &adam);
    check(bp_network_set_scaling(&by_net.net, in_center, in_scale, out_center, out_scale));
    for (size_t i = 0; i < 20; i++) {
        for (size_t j = 0; j < BENCH_IN; j++)
            by_hand.X[i * BENCH_IN + j] = (by_hand.X[i * BENCH_IN + j] - in_center[j]) / in_scale[j];
        for (size_t j = 0; j < BENCH_OUT; j++)
            by_hand.T[i * BENCH_OUT + j] = (by_hand.T[i * BENCH_OUT + j] - out_center[j]) / out_scale[j];
    }
    const bp_train_config configs[] = { { .epochs = 3, .batch = 4 }, { .epochs = 3, .batch = 20, .keep_order = true } };
    for (size_t c = 0; c < COUNT(configs); c++) {
        train(&by_hand, &configs[c], NULL);
        train(&by_net, &configs[c], NULL);
        const struct bench_numbers one = numbers(&by_hand), other = numbers(&by_net);
        assert_true(bench_same_network(&one, &other));
    }
    bench_free(&by_hand);
    bench_free(&by_net);
}

/* ---- Schedules ------------------------------------------------------------------------------------------------------- */

static double user_rate(double base, uint64_t k, void *user)
{
    (void)user;
    return k == 3 ? 0 : base * (double)(1 + k % 2);
}

static const bp_schedule schedules[] = {
    { .kind = BP_SCHEDULE_CONSTANT },
    { .kind = BP_SCHEDULE_STEP, .period = 2 },
    { .kind = BP_SCHEDULE_MULTI_STEP, .milestones = (const uint64_t[]){ 1, 3 }, .n_milestones = 2 },
    { .kind = BP_SCHEDULE_EXPONENTIAL, .gamma = 0.9 },
    { .kind = BP_SCHEDULE_INVERSE_TIME, .gamma = 0.5 },
    { .kind = BP_SCHEDULE_POLYNOMIAL, .period = 4 }, /* down to a rate of 0 */
    { .kind = BP_SCHEDULE_COSINE, .period = 6, .warmup = 2 },
    { .kind = BP_SCHEDULE_ONE_CYCLE, .period = 6 },
    { .kind = BP_SCHEDULE_CUSTOM, .custom = user_rate },
};

/* A second run with the same optimizer starts its schedule anew. */
static void rates_are_those_of_the_schedule_by_step_or_by_epoch_and_the_base_is_put_back(void **state)
{
    (void)state;
    const bp_optimizer_config rules[] = { plain, adam };
    for (size_t s = 0; s < COUNT(schedules); s++)
        for (int by_epoch = 0; by_epoch <= 1; by_epoch++)
            for (size_t r = 0; r < COUNT(rules); r++) {
                struct bench bench;
                bench_init(&bench, 12, &simple, &rules[r]);
                bp_schedule schedule = schedules[s];
                schedule.by_epoch = by_epoch;
                for (int run = 0; run < 2; run++) {
                    bp_train_report report;
                    const bp_train_config config =
                        watched(&bench, (bp_train_config){ .epochs = 4, .batch = 6, .schedule = schedule });
                    train(&bench, &config, &report);
                    assert_int_equal(watch.n_steps, 8);
                    for (size_t k = 0; k < 8; k++) {
                        const double rate =
                            bp_schedule_rate(&schedule, (double)rules[r].learning_rate, by_epoch ? k / 2 : k);
                        assert_true(watch.rates[k] == (bp_real)rate && watch.rates_of_optimizer[k] == (bp_real)rate);
                        assert_true(report.learning_rates[k / 2] == (bp_real)rate || k % 2 == 0);
                    }
                    assert_true(bench.opt.learning_rate == rules[r].learning_rate);
                    bp_train_report_free(&report);
                }
                bench_free(&bench);
            }
}

static void a_rate_of_0_moves_nothing_and_is_no_error(void **state)
{
    (void)state;
    const bp_optimizer_config rules[] = { plain, adam };
    for (size_t r = 0; r < COUNT(rules); r++) {
        struct bench bench;
        bench_init(&bench, 12, &simple, &rules[r]);
        bench.opt.learning_rate = 0;
        const struct bench_numbers before = numbers(&bench);
        train(&bench, &(bp_train_config){ .epochs = 2 }, NULL);
        const struct bench_numbers after = numbers(&bench);
        assert_true(bench_same_network(&before, &after));
        bench_free(&bench);
    }
}

/* Whoever looks at a plateau of its own, after each epoch, sees the same rates. */
static void a_plateau_lowers_the_rate_by_the_validation_loss_or_without_it_the_training_loss(void **state)
{
    (void)state;
    for (int validates = 0; validates <= 1; validates++) {
        struct bench bench;
        bp_train_report report;
        bp_plateau plateau;
        size_t falls = 0;
        bench_init(&bench, BENCH_ROWS, &simple, &restless);
        const bp_schedule schedule = { .kind = BP_SCHEDULE_PLATEAU, .patience = 1, .gamma = 0.5 };
        const bp_train_config config = {
            .epochs = 40, .batch = 4, .schedule = schedule, .validation_fraction = validates ? R(0.3) : 0
        };
        train(&bench, &config, &report);
        bp_plateau_init(&plateau);
        for (size_t e = 0; e < 40; e++) {
            const double rate = bp_plateau_rate(&plateau, &schedule, (double)restless.learning_rate);
            assert_true(report.learning_rates[e] == (bp_real)rate);
            const bp_real *losses = validates ? report.validation_losses : report.losses;
            falls += bp_plateau_update(&plateau, &schedule, (double)losses[e]);
        }
        assert_true(falls > 1);
        assert_true(bench.opt.learning_rate == restless.learning_rate);
        bp_train_report_free(&report);
        bench_free(&bench);
    }
}

static double bad_rate(double base, uint64_t k, void *user)
{
    return k == 4 ? *(const double *)user : base;
}

static void a_rate_that_is_none_ends_training_at_the_last_good_numbers(void **state)
{
    (void)state;
    double rates[] = { -1, (double)NAN, (double)INFINITY };
    const bp_optimizer_config rules[] = { plain, adam };
    for (size_t i = 0; i < COUNT(rates); i++)
        for (size_t r = 0; r < COUNT(rules); r++) {
            struct bench bench;
            bp_train_report report;
            bench_init(&bench, 18, &simple, &rules[r]);
            const bp_train_config config = watched(
                &bench, (bp_train_config){ .epochs = 4,
                                           .batch = 6,
                                           .schedule = { BP_SCHEDULE_CUSTOM, .custom = bad_rate, .user = &rates[i] } });
            assert_refused(bp_train(&bench.net, &bench.opt, &bench.data, &config, &report), BP_ERR_ARGUMENT,
                           "training: the schedule custom gives the rate ", "at epoch 2, step 2");
            const struct bench_numbers now = numbers(&bench);
            assert_true(bench_same(&now, &watch.at_epoch[1]));
            assert_int_equal(report.reason, BP_STOPPED_ERROR);
            bp_train_report_free(&report);
            bench_free(&bench);
        }
}

/* ---- Rprop ----------------------------------------------------------------------------------------------------------- */

static void rprop_is_refused_with_mini_batches_and_learns_with_all_rows_at_once_or_accumulated(void **state)
{
    (void)state;
    const bp_optimizer_kind kinds[] = { BP_RPROP_MINUS, BP_RPROP_PLUS };
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct bench bench;
        bp_train_report report;
        bench_init(&bench, BENCH_ROWS, &simple, &(bp_optimizer_config){ .kind = kinds[k] });
        assert_refused(bp_train(&bench.net, &bench.opt, &bench.data, &(bp_train_config){ .batch = 39 }, NULL),
                       BP_ERR_UNSUPPORTED, bp_optimizer_name(kinds[k]),
                       "needs all rows in each step; the batch is 39 of 40");
        assert_refused(
            bp_train(&bench.net, &bench.opt, &bench.data, &(bp_train_config){ .batch = 10, .accumulate = 3 }, NULL),
            BP_ERR_UNSUPPORTED, "the batch is 10 of 40");
        train(&bench, &(bp_train_config){ .batch = 40, .epochs = 60 }, &report);
        assert_true(report.losses[59] < report.losses[0] / 5);
        bp_train_report_free(&report);
        train(&bench, &(bp_train_config){ .batch = 10, .accumulate = 4, .epochs = 60 }, &report);
        assert_true(report.n_steps == 60 && report.losses[59] < report.losses[0]);
        bp_train_report_free(&report);
        bench_free(&bench);
    }
}

/* ---- Divergence ------------------------------------------------------------------------------------------------------ */

static double rate_that_explodes(double base, uint64_t k, void *user)
{
    (void)user;
    return k < 7 ? base : (double)HUGE_NUMBER;
}

static const bp_train_config exploding = { .epochs = 9,
                                           .batch = 6,
                                           .validation_fraction = R(0.25),
                                           .schedule = { BP_SCHEDULE_CUSTOM, .custom = rate_that_explodes } };

/* 24 rows, 18 of them to train on, three steps an epoch: the eighth is in the third. */
static void divergence_has_its_status_and_returns_parameters_state_and_optimizer_of_the_last_good_epoch(void **state)
{
    (void)state;
    const bp_optimizer_config rules[] = { plain, restless, adam, { .kind = BP_RMSPROP, .momentum = R(0.9) } };
    for (size_t r = 0; r < COUNT(rules); r++) {
        struct bench bench;
        bp_trainer trainer;
        bench_init(&bench, 24, &batch_normalized, &rules[r]);
        const bp_train_config config = watched(&bench, exploding);
        check(bp_trainer_init(&trainer, &bench.net, &bench.opt, &bench.data, &config));
        assert_refused(bp_trainer_run(&trainer, NULL), BP_ERR_DIVERGED, "training: ", " not finite at epoch 3, step ",
                       " of 3, learning rate 1e+30", "the network has the parameters of the end of epoch 2");
        const struct bench_numbers now = numbers(&bench);
        assert_true(bench_same_network(&now, &watch.at_epoch[2]) && now.opt.n_steps == 6);
        assert_memory_equal(now.opt_state, watch.at_epoch[2].opt_state, sizeof now.opt_state);
        assert_true(bench.opt.learning_rate == bench.opt.settings.learning_rate);
        assert_true(trainer.is_done && trainer.report.reason == BP_STOPPED_DIVERGED);
        assert_true(trainer.report.epoch == 3 && trainer.report.n_epochs == 2);
        assert_true(trainer.report.learning_rate == HUGE_NUMBER);
        check(bp_trainer_run(&trainer, NULL)); /* done is done */
        bp_trainer_free(&trainer);
        bench_free(&bench);
    }
}

static void divergence_returns_to_the_best_epoch_where_that_is_wanted_and_says_so(void **state)
{
    (void)state;
    struct bench bench;
    bp_train_report report;
    char sentence[80];
    bench_init(&bench, 24, &batch_normalized, &restless);
    bp_train_config config = watched(&bench, exploding);
    config.restore_best = true;
    assert_int_equal(bp_train(&bench.net, &bench.opt, &bench.data, &config, &report), BP_ERR_DIVERGED);
    const struct bench_numbers now = numbers(&bench);
    assert_true(bench_same_network(&now, &watch.at_epoch[report.best_epoch]));
    (void)snprintf(sentence, sizeof sentence, "parameters of the end of epoch %zu", report.best_epoch);
    assert_non_null(strstr(bp_error_message(), sentence));
    bp_train_report_free(&report);
    bench_free(&bench);
}

static void divergence_in_the_first_epoch_returns_to_what_was_before_and_says_so(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 24, &batch_normalized, &(bp_optimizer_config){ .learning_rate = HUGE_NUMBER });
    const struct bench_numbers before = numbers(&bench);
    assert_refused(bp_train(&bench.net, &bench.opt, &bench.data, &(bp_train_config){ .batch = 6 }, NULL), BP_ERR_DIVERGED,
                   "not finite at epoch 1, step ", "the network has the parameters from before training");
    const struct bench_numbers now = numbers(&bench);
    assert_true(bench_same(&before, &now));
    bench_free(&bench);
}

static void a_validation_loss_that_is_not_finite_is_divergence(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 20, &simple, &plain);
    bp_dataset others = bench.data;
    others.T.scale = R(1e-3);
    bp_real T[20 * BENCH_OUT] = { HUGE_NUMBER };
    others.T = (bp_view){ .data = T };
    const struct bench_numbers before = numbers(&bench);
    assert_refused(bp_train(&bench.net, &bench.opt, &bench.data, &(bp_train_config){ .validation = &others }, NULL),
                   BP_ERR_DIVERGED, "training: the validation loss is not finite at epoch 1, step 1 of 1");
    const struct bench_numbers after = numbers(&bench);
    assert_true(bench_same(&before, &after));
    bench_free(&bench);
}

/* ---- Rows read by the user's function -------------------------------------------------------------------------------- */

struct reader {
    const struct bench *bench;
    size_t calls, fail_at; /* the call, from 1 on, that fails; 0: none */
    bp_real bad_x, bad_t;  /* not 0: in place of the row's first input or target, at that call, which then succeeds */
    size_t failed_row;
};

static bool read_row(size_t row, bp_real *x, bp_real *t, void *user)
{
    struct reader *reader = user;
    memcpy(x, reader->bench->X + row * BENCH_IN, BENCH_IN * sizeof(bp_real));
    memcpy(t, reader->bench->T + row * BENCH_OUT, BENCH_OUT * sizeof(bp_real));
    if (++reader->calls != reader->fail_at)
        return true;
    reader->failed_row = row;
    x[0] = reader->bad_x != 0 ? reader->bad_x : x[0];
    t[0] = reader->bad_t != 0 ? reader->bad_t : t[0];
    return reader->bad_x != 0 || reader->bad_t != 0;
}

static bp_dataset read_dataset(struct reader *reader, size_t rows)
{
    return (bp_dataset){ .rows = rows, .n_in = BENCH_IN, .n_out = BENCH_OUT, .read_row = read_row, .user = reader };
}

static void rows_read_one_by_one_train_like_rows_in_memory(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(piece_cases); c++) {
        struct bench memory, read;
        bench_init(&memory, PIECE_ROWS, &piece_cases[c].kind, &piece_cases[c].rule);
        bench_init(&read, PIECE_ROWS, &piece_cases[c].kind, &piece_cases[c].rule);
        struct reader reader = { .bench = &memory };
        read.data = read_dataset(&reader, PIECE_ROWS);
        train(&memory, &piece_cases[c].config, NULL);
        train(&read, &piece_cases[c].config, NULL);
        const struct bench_numbers one = numbers(&memory), other = numbers(&read);
        assert_true(bench_same(&one, &other));
        bench_free(&memory);
        bench_free(&read);
    }
}

struct bad_row {
    bp_real x, t;
    bp_loss loss;
    bp_status status;
    const char *sentence; /* with the row's number */
};

/* 12 rows to train on, 4 to watch: 16 calls an epoch, and 12 before if the scaling is fitted. */
static void a_row_that_cannot_be_read_or_is_bad_ends_training_at_the_end_of_the_epoch_before(void **state)
{
    (void)state;
    const bp_loss poisson = { .kind = BP_POISSON };
    const struct bad_row bad_rows[] = {
        { 0, 0, { 0 }, BP_ERR_IO, "dataset: read_row could not read row %zu" },
        { R(NAN), 0, { 0 }, BP_ERR_NONFINITE, "inputs: row %zu, column 0 is nan" },
        { 0, R(INFINITY), { 0 }, BP_ERR_NONFINITE, "targets: row %zu, column 0 is inf" },
        { 0, -7, poisson, BP_ERR_TARGET, "targets: row %zu, column 0 is -7" },
    };
    for (size_t b = 0; b < COUNT(bad_rows); b++)
        for (size_t fail_at = 1; fail_at <= 48; fail_at++) {
            struct bench bench, source;
            bp_train_report report;
            char sentence[100];
            const struct bench_kind kind = { .output = BP_SOFTPLUS, .normalization = BP_BATCH_NORMALIZATION };
            bench_init(&bench, 16, &kind, &restless);
            bench_init(&source, 16, &kind, &restless);
            for (size_t i = 0; i < COUNT(source.T); i++)
                source.T[i] = source.T[i] * source.T[i];
            struct reader reader = { .bench = &source, .fail_at = fail_at, .bad_x = bad_rows[b].x, .bad_t = bad_rows[b].t };
            bench.data = read_dataset(&reader, 16);
            const bp_train_config config = watched(
                &bench,
                (bp_train_config){ .batch = 4, .accumulate = 2, .validation_fraction = R(0.25), .loss = bad_rows[b].loss });
            test_forget_sentence();
            assert_int_equal(bp_train(&bench.net, &bench.opt, &bench.data, &config, &report), bad_rows[b].status);
            (void)snprintf(sentence, sizeof sentence, bad_rows[b].sentence, reader.failed_row);
            if (strstr(bp_error_message(), sentence) == NULL)
                fail_msg("no \"%s\" in \"%s\"", sentence, bp_error_message());
            const size_t good = (fail_at - 1) / 16;
            const struct bench_numbers now = numbers(&bench);
            assert_int_equal(report.n_epochs, good);
            assert_int_equal(report.reason, BP_STOPPED_ERROR);
            assert_true(bench_same(&now, &watch.at_epoch[good]));
            bp_train_report_free(&report);
            bench_free(&bench);
            bench_free(&source);
        }
}

static void a_row_that_fails_while_the_scaling_is_fitted_leaves_the_network_unscaled(void **state)
{
    (void)state;
    struct bench bench, source;
    bp_trainer trainer;
    bench_init(&bench, 16, &simple, &plain);
    bench_init(&source, 16, &simple, &plain);
    for (size_t fail_at = 1; fail_at <= 16; fail_at++) {
        struct reader reader = { .bench = &source, .fail_at = fail_at };
        bench.data = read_dataset(&reader, 16);
        const struct bench_numbers before = numbers(&bench);
        assert_int_equal(bp_trainer_init(&trainer, &bench.net, &bench.opt, &bench.data,
                                         &(bp_train_config){ .scale_inputs = BP_STANDARDISE }),
                         BP_ERR_IO);
        const struct bench_numbers after = numbers(&bench);
        assert_true(bench_same(&before, &after));
        assert_null(trainer.run);
    }
    bench_free(&bench);
    bench_free(&source);
}

/* ---- Memory ---------------------------------------------------------------------------------------------------------- */

struct watched_heap {
    struct test_heap heap;
    size_t n_allocs; /* when training began */
};

static bp_signal expect_no_allocation(const bp_progress *at, void *user)
{
    (void)at;
    const struct watched_heap *watched_heap = user;
    assert_int_equal(watched_heap->heap.n_allocs, watched_heap->n_allocs);
    return BP_CONTINUE;
}

static void any_allocation_of_init_may_fail_and_nothing_has_changed_then(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(piece_cases); c++) {
        struct bench bench;
        bp_trainer trainer;
        struct test_heap heap;
        bench_init(&bench, PIECE_ROWS, &piece_cases[c].kind, &piece_cases[c].rule);
        bp_train_config config = piece_cases[c].config;
        config.allocator = &heap.allocator;
        const struct bench_numbers before = numbers(&bench);
        size_t fail_at = 1;
        for (;; fail_at++) {
            test_heap_init(&heap);
            heap.fail_at = fail_at;
            memset(&trainer, 0xff, sizeof trainer);
            const bp_status status = bp_trainer_init(&trainer, &bench.net, &bench.opt, &bench.data, &config);
            if (status == BP_OK)
                break;
            assert_int_equal(status, BP_ERR_MEMORY);
            assert_true(test_heap_is_clean(&heap) && heap.n_failed == 1);
            const struct bench_numbers after = numbers(&bench);
            assert_true(bench_same(&before, &after));
            assert_true(trainer.run == NULL && trainer.report.block == NULL && !trainer.is_done);
        }
        assert_true(fail_at > (config.scale_inputs != BP_SCALE_NONE ? 6U : 3U));
        const size_t n_allocs = heap.n_allocs;
        check(bp_trainer_run(&trainer, NULL));
        assert_int_equal(heap.n_allocs, n_allocs);
        bp_trainer_free(&trainer);
        assert_true(test_heap_is_clean(&heap));
        bench_free(&bench);
    }
}

static void no_step_and_no_epoch_allocates(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(piece_cases); c++) {
        struct bench bench;
        bp_trainer trainer;
        struct watched_heap memory;
        test_heap_init(&memory.heap);
        bench_init(&bench, PIECE_ROWS, &piece_cases[c].kind, &piece_cases[c].rule);
        bp_train_config config = piece_cases[c].config;
        config.allocator = &memory.heap.allocator;
        config.on_step = config.on_epoch = expect_no_allocation;
        config.user = &memory;
        check(bp_trainer_init(&trainer, &bench.net, &bench.opt, &bench.data, &config));
        memory.n_allocs = memory.heap.n_allocs;
        check(bp_trainer_run(&trainer, NULL));
        bp_trainer_free(&trainer);
        bench_free(&bench);
    }
}

static void a_freed_trainer_is_zeroed_and_may_be_freed_again(void **state)
{
    (void)state;
    struct bench bench;
    bp_trainer trainer;
    const bp_trainer zeroed = { 0 };
    start_case(&bench, &trainer, &piece_cases[1]);
    check(bp_trainer_run(&trainer, &(bp_run_limit){ .steps = 1 }));
    bp_trainer_free(&trainer);
    assert_memory_equal(&trainer, &zeroed, sizeof zeroed);
    bp_trainer_free(&trainer);
    bp_trainer_free(NULL);
    bench_free(&bench);
}

/* ---- Refusals -------------------------------------------------------------------------------------------------------- */

struct refusal {
    struct bench_kind kind;
    size_t rows; /* 0: 20 */
    bool labels;
    bp_train_config config;
    bp_status status;
    const char *sentence;
};

static void *no_memory(size_t size, void *user)
{
    (void)size, (void)user;
    return NULL;
}

static const bp_allocator half_an_allocator = { .alloc = no_memory };
static const bp_dataset empty_data = { .n_in = BENCH_IN, .n_out = BENCH_OUT },
                        narrow_data = { .rows = 1, .n_in = 1, .n_out = 2 };

static const struct refusal refusals[] = {
    { .config = { .target_loss = -1 }, .status = BP_ERR_ARGUMENT, .sentence = "training: target_loss is -1" },
    { .config = { .target_loss = R(NAN) }, .status = BP_ERR_ARGUMENT, .sentence = "training: target_loss is nan" },
    { .config = { .input_noise = -1 }, .status = BP_ERR_ARGUMENT, .sentence = "training: input_noise is -1" },
    { .config = { .input_noise = R(INFINITY) }, .status = BP_ERR_ARGUMENT, .sentence = "training: input_noise is inf" },
    { .config = { .validation_fraction = R(0.5), .patience = 1, .min_improvement = -1 },
      .status = BP_ERR_ARGUMENT,
      .sentence = "training: min_improvement is -1" },
    { .config = { .validation_fraction = R(0.5), .min_improvement = 1 },
      .status = BP_ERR_ARGUMENT,
      .sentence = "training: min_improvement needs patience" },
    { .config = { .validation_fraction = -1 }, .status = BP_ERR_ARGUMENT, .sentence = "validation_fraction is -1" },
    { .config = { .validation_fraction = 1 }, .status = BP_ERR_ARGUMENT, .sentence = "validation_fraction is 1" },
    { .config = { .validation_fraction = R(NAN) }, .status = BP_ERR_ARGUMENT, .sentence = "validation_fraction is nan" },
    { .config = { .validation_fraction = R(0.5), .validation = &empty_data },
      .status = BP_ERR_ARGUMENT,
      .sentence = "training: both validation and validation_fraction are given" },
    { .config = { .validation = &empty_data }, .status = BP_ERR_SHAPE, .sentence = "dataset: rows is 0" },
    { .config = { .validation = &narrow_data },
      .status = BP_ERR_SHAPE,
      .sentence = "training: validation: the data have 1 inputs and 2 outputs, the network 3 and 2" },
    { .config = { .patience = 3 },
      .status = BP_ERR_ARGUMENT,
      .sentence = "training: patience needs validation or validation_fraction" },
    { .config = { .restore_best = true },
      .status = BP_ERR_ARGUMENT,
      .sentence = "training: restore_best needs validation or validation_fraction" },
    { .config = { .stratified = true },
      .status = BP_ERR_ARGUMENT,
      .sentence = "training: stratified needs validation_fraction" },
    { .rows = 1,
      .config = { .validation_fraction = R(0.5) },
      .status = BP_ERR_SHAPE,
      .sentence = "training: one row cannot be split for validation" },
    { .config = { .scale_inputs = BP_N_SCALING_KINDS },
      .status = BP_ERR_ARGUMENT,
      .sentence = "training: scale_inputs: 3 is no scaling" },
    { .config = { .scale_targets = (bp_scaling_kind)-1 },
      .status = BP_ERR_ARGUMENT,
      .sentence = "training: scale_targets: -1 is no scaling" },
    { .kind = { .output = BP_SIGMOID },
      .config = { .scale_targets = BP_MIN_MAX },
      .status = BP_ERR_UNSUPPORTED,
      .sentence = "training: the targets of a sigmoid output are probabilities, which are not scaled" },
    { .kind = { .output = BP_SOFTMAX },
      .config = { .scale_targets = BP_STANDARDISE, .loss = { .kind = BP_CROSS_ENTROPY } },
      .status = BP_ERR_UNSUPPORTED,
      .sentence = "training: the targets of a softmax output are probabilities" },
    { .kind = { .output = BP_SOFTPLUS },
      .config = { .scale_targets = BP_STANDARDISE, .loss = { .kind = BP_POISSON } },
      .status = BP_ERR_UNSUPPORTED,
      .sentence = "training: scaled targets may be below 0, which poisson does not take" },
    { .labels = true,
      .config = { .scale_targets = BP_STANDARDISE },
      .status = BP_ERR_UNSUPPORTED,
      .sentence = "training: labels are classes, which are not scaled" },
    { .kind = { .normalization = BP_BATCH_NORMALIZATION },
      .config = { .batch = 1 },
      .status = BP_ERR_SHAPE,
      .sentence = "training: the batch is 1 of 20 rows, batch normalization needs at least 2" },
    { .kind = { .normalization = BP_BATCH_NORMALIZATION },
      .rows = 1,
      .status = BP_ERR_SHAPE,
      .sentence = "training: the batch is 1 of 1 rows, batch normalization needs at least 2" },
    { .config = { .schedule = { .kind = BP_SCHEDULE_STEP } }, .status = BP_ERR_ARGUMENT, .sentence = "period" },
    { .config = { .schedule = { .kind = BP_N_SCHEDULES } }, .status = BP_ERR_ARGUMENT, .sentence = "no schedule" },
    { .config = { .allocator = &half_an_allocator },
      .status = BP_ERR_ARGUMENT,
      .sentence = "training: the allocator has alloc but no release" },
    { .config = { .epochs = SIZE_MAX },
      .status = BP_ERR_TOO_LARGE,
      .sentence = "training: losses of the report: its memory in bytes overflows" },
    { .config = { .epochs = SIZE_MAX, .scale_inputs = BP_MIN_MAX, .scale_targets = BP_MIN_MAX },
      .status = BP_ERR_TOO_LARGE,
      .sentence = "overflows" },
    { .config = { .loss = { .kind = BP_CROSS_ENTROPY } }, .status = BP_ERR_UNSUPPORTED, .sentence = "needs a softmax" },
};

static void bad_settings_are_refused_with_a_sentence_and_nothing_has_changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refusals); i++) {
        struct bench bench;
        bp_trainer trainer;
        bench_init(&bench, refusals[i].rows != 0 ? refusals[i].rows : 20, &refusals[i].kind, &adam);
        if (refusals[i].labels)
            bench_show_labels(&bench);
        const struct bench_numbers before = numbers(&bench);
        memset(&trainer, 0xff, sizeof trainer);
        assert_refused(bp_trainer_init(&trainer, &bench.net, &bench.opt, &bench.data, &refusals[i].config),
                       refusals[i].status, refusals[i].sentence);
        const struct bench_numbers after = numbers(&bench);
        assert_true(bench_same(&before, &after));
        assert_null(trainer.run);
        assert_refused(bp_trainer_run(&trainer, NULL), BP_ERR_STATE, "the trainer is empty");
        bench_free(&bench);
    }
}

static void labels_are_refused_by_a_network_that_scales_its_outputs(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 20, &simple, &adam);
    bench_show_labels(&bench);
    check(bp_network_set_scaling(&bench.net, NULL, NULL, (const bp_real[]){ 0, 0 }, (const bp_real[]){ 2, 2 }));
    assert_refused(bp_train(&bench.net, &bench.opt, &bench.data, &(bp_train_config){ 0 }, NULL), BP_ERR_UNSUPPORTED,
                   "labels are classes, which are not scaled, but the network's outputs are");
    bench_free(&bench);
}

static void null_pointers_are_refused(void **state)
{
    (void)state;
    struct bench bench;
    bp_trainer trainer;
    const bp_train_config config = { 0 };
    bench_init(&bench, 5, &simple, &plain);
    assert_refused(bp_trainer_init(NULL, &bench.net, &bench.opt, &bench.data, &config), BP_ERR_ARGUMENT, "trainer is NULL");
    assert_refused(bp_trainer_init(&trainer, NULL, &bench.opt, &bench.data, &config), BP_ERR_ARGUMENT, "net is NULL");
    assert_refused(bp_trainer_init(&trainer, &bench.net, NULL, &bench.data, &config), BP_ERR_ARGUMENT, "opt is NULL");
    assert_refused(bp_trainer_init(&trainer, &bench.net, &bench.opt, NULL, &config), BP_ERR_ARGUMENT, "data is NULL");
    assert_refused(bp_trainer_init(&trainer, &bench.net, &bench.opt, &bench.data, NULL), BP_ERR_ARGUMENT, "config is NULL");
    assert_refused(bp_trainer_run(NULL, NULL), BP_ERR_ARGUMENT, "trainer is NULL");
    bench_free(&bench);
}

/* Weights near the ends of the range: neither their sum times a loss nor a gradient times them may be formed. */
static void accumulation_does_not_depend_on_the_size_of_all_weights_together(void **state)
{
    (void)state;
    const bp_real sizes[] = { 1, BP_REAL_MIN, BP_REAL_MAX / 64 };
    const bp_layer_config layer = { .n_out = 1, .activation = BP_TANH };
    bp_real X[16], T[8], after[3][3];
    for (size_t i = 0; i < 16; i++)
        X[i] = (bp_real)((double)((i * 7) % 16) / 8 - 1);
    for (size_t i = 0; i < 8; i++)
        T[i] = (bp_real)((double)i / 16);

    for (size_t k = 0; k < 3; k++) {
        bp_real weights[8];
        for (size_t i = 0; i < 8; i++)
            weights[i] = sizes[k] * (bp_real)(1 + i % 2);
        bp_network net;
        bp_optimizer own;
        const bp_dataset data = {
            .rows = 8, .n_in = 2, .n_out = 1, .X = { .data = X }, .T = { .data = T }, .weights = { .data = weights }
        };
        assert_int_equal(bp_network_init(&net, &(bp_network_config){ .n_in = 2, .n_layers = 1, .layers = &layer }), BP_OK);
        assert_int_equal(bp_optimizer_init(&own, &(bp_optimizer_config){ .kind = BP_ADAM }, &net.parameters), BP_OK);
        const bp_train_config config = { .epochs = 3, .batch = 3, .accumulate = 2, .seed = 1 };
        assert_int_equal(bp_train(&net, &own, &data, &config, NULL), BP_OK);
        memcpy(after[k], net.parameters.params, sizeof after[k]);
        bp_optimizer_free(&own);
        bp_network_free(&net);
        for (size_t i = 0; i < 3; i++)
            assert_close((double)after[k][i], (double)after[0][i], 64 * (double)BP_REAL_EPSILON);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accumulation_does_not_depend_on_the_size_of_all_weights_together),
        cmocka_unit_test(a_run_cut_after_any_number_of_steps_gives_the_bits_of_one_run_through),
        cmocka_unit_test(a_limit_in_milliseconds_lets_one_step_pass_and_changes_no_bit),
        cmocka_unit_test(the_limit_that_is_reached_first_counts),
        cmocka_unit_test(a_rate_changed_between_pieces_is_the_base_from_then_on),
        cmocka_unit_test(cancelling_from_another_thread_returns_within_a_step_and_changes_no_bit),
        cmocka_unit_test(cancelled_before_it_runs_it_returns_once_without_a_step),
        cmocka_unit_test(a_cancelled_run_that_was_at_its_limit_anyway_does_not_stop_the_next),
        cmocka_unit_test(patience_ends_when_it_should_and_returns_the_very_numbers_of_the_best_epoch),
        cmocka_unit_test(of_equal_validation_losses_the_first_is_the_best),
        cmocka_unit_test(validation_rows_without_weight_have_no_best_epoch),
        cmocka_unit_test(restore_best_returns_to_the_best_however_training_ends),
        cmocka_unit_test(each_pass_drops_other_outputs_and_adds_other_noise),
        cmocka_unit_test(input_noise_has_the_deviation_asked_for_in_the_network_s_units),
        cmocka_unit_test(frozen_layers_do_not_move_with_any_optimizer_and_the_others_do),
        cmocka_unit_test(frozen_batch_normalization_trains_on_single_rows),
        cmocka_unit_test(accumulated_batches_are_one_batch_of_all_their_rows),
        cmocka_unit_test(more_batches_than_there_are_make_one_step_of_all),
        cmocka_unit_test(a_single_row_left_over_joins_the_batch_before_where_rows_are_normalized),
        cmocka_unit_test(rows_split_off_are_never_trained_on),
        cmocka_unit_test(validation_losses_and_scores_are_those_of_an_evaluation_of_the_rows_split_off),
        cmocka_unit_test(validation_data_of_their_own_are_watched_and_change_no_bit),
        cmocka_unit_test(the_score_is_the_accuracy_for_classes_and_r2_for_numbers),
        cmocka_unit_test(scaling_is_fitted_on_the_rows_to_train_on_and_equals_a_computation_of_our_own),
        cmocka_unit_test(a_network_with_scaling_learns_spread_data_and_predicts_in_their_units),
        cmocka_unit_test(a_network_that_has_a_scaling_keeps_it),
        cmocka_unit_test(scaling_by_the_network_trains_like_data_that_come_scaled),
        cmocka_unit_test(rates_are_those_of_the_schedule_by_step_or_by_epoch_and_the_base_is_put_back),
        cmocka_unit_test(a_rate_of_0_moves_nothing_and_is_no_error),
        cmocka_unit_test(a_plateau_lowers_the_rate_by_the_validation_loss_or_without_it_the_training_loss),
        cmocka_unit_test(a_rate_that_is_none_ends_training_at_the_last_good_numbers),
        cmocka_unit_test(rprop_is_refused_with_mini_batches_and_learns_with_all_rows_at_once_or_accumulated),
        cmocka_unit_test(divergence_has_its_status_and_returns_parameters_state_and_optimizer_of_the_last_good_epoch),
        cmocka_unit_test(divergence_returns_to_the_best_epoch_where_that_is_wanted_and_says_so),
        cmocka_unit_test(divergence_in_the_first_epoch_returns_to_what_was_before_and_says_so),
        cmocka_unit_test(a_validation_loss_that_is_not_finite_is_divergence),
        cmocka_unit_test(rows_read_one_by_one_train_like_rows_in_memory),
        cmocka_unit_test(a_row_that_cannot_be_read_or_is_bad_ends_training_at_the_end_of_the_epoch_before),
        cmocka_unit_test(a_row_that_fails_while_the_scaling_is_fitted_leaves_the_network_unscaled),
        cmocka_unit_test(any_allocation_of_init_may_fail_and_nothing_has_changed_then),
        cmocka_unit_test(no_step_and_no_epoch_allocates),
        cmocka_unit_test(a_freed_trainer_is_zeroed_and_may_be_freed_again),
        cmocka_unit_test(bad_settings_are_refused_with_a_sentence_and_nothing_has_changed),
        cmocka_unit_test(labels_are_refused_by_a_network_that_scales_its_outputs),
        cmocka_unit_test(null_pointers_are_refused),
    };
    int n_failed = 0;
    AT_EACH_PATH (path)
        n_failed += cmocka_run_group_tests_name(name_of_path(path), tests, NULL, NULL);
    return n_failed;
}
