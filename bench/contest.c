// SPDX-License-Identifier: MIT
/*
 * A case by the public functions of the library, beside its bound. Compiled for both number types.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backprop.h>

#include "bench.h"
#include "bounds.h"
#include "must.h"
#include "network.h"
#include "precision_row.h"

#ifdef BENCH_HAS_EXPORT /* written by export_networks.c, for the number type */
#ifdef BACKPROP_SINGLE
#include "xor_f32.h"
#include "small_f32.h"
#define exported_xor_predict xor_f32_predict
#define exported_small_predict small_f32_predict
#else
#include "xor_f64.h"
#include "small_f64.h"
#define exported_xor_predict xor_f64_predict
#define exported_small_predict small_f64_predict
#endif
#endif

/* What a contest holds. Zeroed, any part may be freed. */
struct entry {
    const struct bench_case *what;
    bp_threads threads; /* of the column with 2, and a pool of 1 beside none; else none */
    bp_network net;
    bp_optimizer opt;
    bp_trainer trainer;
    bp_workspace ws; /* for a loop of one's own, and for predictions */
    bp_dataset data;
    bp_loss loss;
    bp_real *X, *T, *Y, *grad;
    int32_t *labels;
    size_t next_row;
    struct bound *bound;
    struct entry *other; /* ours once more, without a pool, in the place of a bound */
};

/* ---- Names to settings ----------------------------------------------------------------------------------------------- */

static bp_loss_kind loss_of(const char *name)
{
    bp_loss_kind kind = BP_SQUARED_ERROR;
    while (strcmp(bp_loss_name(kind), name) != 0)
        kind++;
    return kind;
}

static bp_optimizer_config rule_of(const struct bench_case *what)
{
    bp_optimizer_config config = { .learning_rate = (bp_real)what->rate };
    if (strcmp(what->rule, "momentum") == 0)
        config.momentum = (bp_real)0.9;
    if (strcmp(what->rule, "adam") == 0)
        config.kind = BP_ADAM;
    return config;
}

/* ---- Making ---------------------------------------------------------------------------------------------------------- */

/* Inputs of mean 0 and variance 1, targets in [0, 1) or classes; for XOR those of XOR. */
static void make_data(struct entry *entry)
{
    const struct bench_case *what = entry->what;
    const size_t rows = what->rows, n_in = entry->net.n_in, n_out = entry->net.n_out;
    const bool is_xor = n_in == 2;
    static const bp_real xor_X[] = { 0, 0, 0, 1, 1, 0, 1, 1 }, xor_T[] = { 0, 1, 1, 0 };
    entry->X = must_have(calloc(rows * n_in, sizeof *entry->X));
    entry->T = must_have(calloc(rows * n_out, sizeof *entry->T));
    entry->labels = must_have(calloc(rows, sizeof *entry->labels));
    bp_rng rng;
    bp_rng_init(&rng, 1);
    for (size_t i = 0; i < rows * n_in; i++)
        entry->X[i] = is_xor ? xor_X[i] : (bp_real)((bp_rng_uniform(&rng) - 0.5) * 3.4641);
    for (size_t i = 0; i < rows * n_out; i++)
        entry->T[i] = is_xor ? xor_T[i] : (bp_real)bp_rng_uniform(&rng);
    for (size_t i = 0; i < rows; i++)
        entry->labels[i] = (int32_t)bp_rng_below(&rng, n_out);

    entry->data = (bp_dataset){ .rows = rows, .n_in = n_in, .n_out = n_out, .X = { .data = entry->X } };
    if (entry->loss.kind == BP_CROSS_ENTROPY)
        entry->data.labels = (bp_view){ .data = entry->labels, .element = BP_I32 };
    else
        entry->data.T = (bp_view){ .data = entry->T };
}

static const bp_threads *pool_of(const struct entry *entry)
{
    return entry->threads.n > 0 ? &entry->threads : NULL;
}

/* Epochs enough for a long time, but for tiny data not for ever: the history has room for each. */
static void make_trainer(struct entry *entry)
{
    const struct bench_case *what = entry->what;
    must(bp_trainer_init(&entry->trainer, &entry->net, &entry->opt, &entry->data,
                         &(bp_train_config){ .epochs = what->rows < 16 ? (size_t)1 << 20 : (size_t)1 << 14,
                                             .batch = what->batch,
                                             .loss = entry->loss,
                                             .threads = pool_of(entry),
                                             .keep_order = what->way == TRAINS_IN_ORDER }));
}

/* ---- Running --------------------------------------------------------------------------------------------------------- */

static void run_trainer(void *state, size_t rounds)
{
    struct entry *entry = state;
    while (rounds > 0) {
        const uint64_t before = entry->trainer.report.n_steps;
        must(bp_trainer_run(&entry->trainer, &(bp_run_limit){ .steps = rounds }));
        rounds -= (size_t)(entry->trainer.report.n_steps - before);
        if (entry->trainer.is_done) {
            bp_trainer_free(&entry->trainer);
            make_trainer(entry);
        }
    }
}

/* A batch of the rows as they come. */
static void step_of_own(struct entry *entry)
{
    const size_t n_in = entry->net.n_in, n_out = entry->net.n_out, row = entry->next_row, batch = entry->what->batch;
    const bool has_labels = entry->loss.kind == BP_CROSS_ENTROPY;
    const bp_targets T = { .values = has_labels ? NULL : entry->T + row * n_out,
                           .labels = has_labels ? entry->labels + row : NULL };
    bp_real L;
    must(bp_network_forward(&entry->net, &entry->ws, entry->X + row * n_in, batch));
    must(bp_network_loss(&entry->net, &entry->ws, &entry->loss, &T, &L));
    must(bp_network_backward(&entry->net, &entry->ws, NULL, entry->grad, NULL, BP_OVERWRITE));
    must(bp_optimizer_step(&entry->opt, &entry->net.parameters, entry->grad, L));
    entry->next_row = (row + batch) % entry->what->rows;
}

static void run_own_loop(void *state, size_t rounds)
{
    for (size_t round = 0; round < rounds; round++)
        step_of_own(state);
}

static void run_predictions(void *state, size_t rounds)
{
    struct entry *entry = state;
    for (size_t round = 0; round < rounds; round++)
        must(bp_predict(&entry->net, &entry->ws, entry->X, entry->what->batch, entry->Y));
}

#ifdef BENCH_HAS_EXPORT

static void run_exported_xor(void *state, size_t rounds)
{
    struct entry *entry = state;
    for (size_t round = 0; round < rounds; round++)
        exported_xor_predict(entry->X, entry->Y);
}

static void run_exported_small(void *state, size_t rounds)
{
    struct entry *entry = state;
    for (size_t round = 0; round < rounds; round++)
        exported_small_predict(entry->X, entry->Y);
}

static void use_export(struct entry *entry, struct subject *ours)
{
    ours->run = entry->net.n_in == 2 ? run_exported_xor : run_exported_small;
}

#else /* bench_row.has_export says so, and nobody asks */

static void use_export(struct entry *entry, struct subject *ours)
{
    (void)entry, (void)ours;
}

#endif

static void make_way(struct entry *entry, struct subject *ours)
{
    const struct bench_case *what = entry->what;
    const bool trains = what->way == TRAINS || what->way == TRAINS_IN_ORDER;
    if (!bench_predicts(what)) {
        const bp_optimizer_config rule = rule_of(what);
        must(bp_optimizer_init(&entry->opt, &rule, &entry->net.parameters));
    }
    if (trains) {
        make_trainer(entry);
    } else {
        entry->grad = must_have(calloc(entry->net.parameters.n_params, sizeof *entry->grad));
        entry->Y = must_have(calloc(what->batch * entry->net.n_out, sizeof *entry->Y));
        must(bp_workspace_init(&entry->ws, &entry->net, what->batch, bench_predicts(what) ? BP_INFERENCE : BP_TRAINING));
        entry->ws.threads = entry->opt.threads = pool_of(entry);
    }
    ours->run = trains ? run_trainer : what->way == PREDICTS ? run_predictions : run_own_loop;
    if (what->way == EXPORTED)
        use_export(entry, ours);
    ours->state = entry;
}

/* ---- Do both compute the same? --------------------------------------------------------------------------------------- */

/* Bounds in C are whole programs; those of BLAS and memory only do what such a program must. */
static bool computes_same(const struct bench_case *what)
{
    return what->bound == STRICT_C || what->bound == FAST_C;
}

/* Of an entry what numbers_of_bound() is of a bound. */
static const bp_real *numbers_of(const struct entry *entry)
{
    return bench_predicts(entry->what) ? entry->Y : entry->net.parameters.params;
}

/* The largest difference from what has been computed in the bound's place, as a share of the largest number. */
static double distance_from(const bp_real *theirs, const struct entry *entry)
{
    const bp_real *own = numbers_of(entry);
    double largest = 0, distance = 0;
    for (size_t i = 0; i < (bench_predicts(entry->what) ? entry->net.n_out : entry->net.parameters.n_params); i++) {
        largest = fmax(largest, fabs((double)own[i]));
        distance = fmax(distance, fabs((double)own[i] - (double)theirs[i]));
    }
    return distance / largest;
}

static void run_both(struct contest *contest, size_t rounds)
{
    contest->bound.run(contest->bound.state, rounds);
    contest->ours.run(contest->ours.state, rounds);
}

/* ---- Contests -------------------------------------------------------------------------------------------------------- */

/* Ours alone, with a pool of so many threads; 0: without a pool. */
static struct entry *make_entry(const struct bench_case *what, size_t threads, struct subject *ours)
{
    struct entry *entry = must_have(calloc(1, sizeof *entry));
    entry->what = what;
    entry->loss.kind = loss_of(what->loss);
    if (threads > 0)
        must(bp_threads_init(&entry->threads, &(bp_threads_config){ .n = threads }));
    make_network(what, &entry->net);
    make_data(entry);
    make_way(entry, ours);
    return entry;
}

/* Two threads are a pool of the library's on one side, and BLAS's own on the other. */
void contest_make(const struct bench_case *what, int threads, struct contest *contest)
{
    enum { ROUNDS = 100 };
    *contest = (struct contest){ .samples = what->batch };
    struct entry *entry = make_entry(what, threads > 1 ? (size_t)threads : 0, &contest->ours);
    contest->memory = entry;
    entry->bound = must_have(make_bound(what, entry->net.parameters.params, entry->X, entry->T, &contest->bound));
    contest->bound.blas_threads = threads;
    contest->ours.blas_threads = 1;
    contest->bound.settles = contest->ours.settles = threads > 1;
    contest->is_comparable = computes_same(what);
    if (contest->is_comparable) {
        run_both(contest, ROUNDS);
        contest->distance = distance_from(numbers_of_bound(entry->bound), entry);
    }
}

/* Both are compared after few steps: enough to see that they do the same, and rounding has no time to grow. */
void contest_make_pool(const struct bench_case *what, struct contest *contest)
{
    enum { ROUNDS = 2 };
    *contest = (struct contest){ .samples = what->batch, .is_comparable = true };
    struct entry *entry = make_entry(what, 1, &contest->ours);
    entry->other = make_entry(what, 0, &contest->bound);
    contest->memory = entry;
    contest->bound.blas_threads = contest->ours.blas_threads = 1;
    run_both(contest, ROUNDS);
    contest->distance = distance_from(numbers_of(entry->other), entry);
}

static void free_entry(struct entry *entry)
{
    if (entry == NULL)
        return;
    free_bound(entry->bound);
    bp_trainer_free(&entry->trainer);
    bp_optimizer_free(&entry->opt);
    bp_workspace_free(&entry->ws);
    bp_network_free(&entry->net);
    bp_threads_free(&entry->threads);
    free(entry->X);
    free(entry->T);
    free(entry->Y);
    free(entry->grad);
    free(entry->labels);
    free(entry);
}

void contest_free(struct contest *contest)
{
    struct entry *entry = contest->memory;
    if (entry != NULL)
        free_entry(entry->other);
    free_entry(entry);
    *contest = (struct contest){ 0 };
}
