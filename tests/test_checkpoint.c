// SPDX-License-Identifier: MIT
/*
 * Checkpoints: a run that is saved anywhere and gone on with in another process comes to the bits of one that was never
 * interrupted. What must be the same is checked, what cannot be restored changes nothing.
 *
 * Damaged files, and memory and disks that fail, are in test_checkpoint_damage.c.
 */
#define _POSIX_C_SOURCE 200809L /* fork, mkdtemp, setenv */
#include "backprop/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backprop/model_file.h"
#include "backprop/names.h"
#include "support/close.h"
#include "support/heap.h"
#include "support/locale.h"
#include "support/refusal.h"
#include "support/runs.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

#ifdef BACKPROP_SINGLE
#define PRECISION "f32"
#define TOLERANCE 1e-3
#else
#define PRECISION "f64"
#define TOLERANCE 1e-9
#endif

static const char *program; /* argv[0] */

static void assert_same_bytes(const struct test_bytes *a, const struct test_bytes *b, const char *name, size_t i)
{
    if (a->n != b->n || memcmp(a->data, b->data, a->n) != 0)
        fail_msg("%s, checkpoint %zu: other bits", name, i);
}

static const struct run_kind *kind_of_name(const char *name)
{
    for (size_t k = 0; k < n_run_kinds; k++)
        if (strcmp(run_kinds[k].name, name) == 0)
            return &run_kinds[k];
    fail_msg("no kind '%s'", name);
    return NULL;
}

/* ---- Many checkpoints of a run --------------------------------------------------------------------------------------- */

enum { MOST_SAVED = 128 };

struct album {
    const struct run *run; /* that callbacks save */
    struct test_bytes saved[MOST_SAVED];
    size_t n, n_steps;
};

static void keep(struct album *album)
{
    assert_true(album->n < MOST_SAVED);
    album->saved[album->n++] = run_saved(album->run);
}

static bp_signal keep_step(const bp_progress *at, void *user)
{
    struct album *album = user;
    (void)at;
    album->n_steps++;
    keep(album);
    return BP_CONTINUE;
}

static bp_signal keep_epoch(const bp_progress *at, void *user)
{
    (void)at;
    keep(user);
    return BP_CONTINUE;
}

/* Runs through, and saves in all callbacks; returns what it has come to. */
static struct test_bytes run_and_keep(const struct run_kind *kind, struct album *album)
{
    struct run run;
    bp_train_config config = kind->config;
    config.on_step = keep_step;
    config.on_epoch = keep_epoch;
    config.user = album;
    album->run = &run;
    run_prepare(&run, kind);
    run_check(run_make(&run, kind, &config));
    run_on(&run, 0);
    assert_true(run.trainer.is_done);
    const struct test_bytes outcome = run_outcome(&run);
    run_free(&run);
    return outcome;
}

/* Saves between steps: before the first, after each, at the end; twice, which changes neither bytes nor run. */
static void cut_and_keep(const struct run_kind *kind, struct album *album)
{
    for (size_t steps = 0; steps <= album->n_steps; steps++) {
        struct run run;
        album->run = &run;
        run_start(&run, kind);
        if (steps > 0)
            run_on(&run, steps);
        struct test_bytes before = run_outcome(&run), again = { 0 };
        keep(album);
        again = run_saved(&run);
        assert_same_bytes(&album->saved[album->n - 1], &again, kind->name, steps);
        test_bytes_clear(&again);
        again = run_outcome(&run);
        assert_same_bytes(&before, &again, kind->name, steps);
        test_bytes_clear(&before);
        test_bytes_clear(&again);
        run_free(&run);
    }
}

static void clear(struct album *album)
{
    for (size_t i = 0; i < album->n; i++)
        test_bytes_clear(&album->saved[i]);
    *album = (struct album){ 0 };
}

/* ---- In a new process ------------------------------------------------------------------------------------------------ */

struct path {
    char text[512];
};

static struct path path_in(const char *folder, size_t i, const char *ending)
{
    struct path path;
    assert_true(snprintf(path.text, sizeof path.text, "%s/%zu%s", folder, i, ending) < (int)sizeof path.text);
    return path;
}

static void write_file(const char *path, const struct test_bytes *bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes->data, 1, bytes->n, file), bytes->n);
    assert_int_equal(fclose(file), 0);
}

static struct path make_folder(void)
{
    struct path folder;
    const char *temporary = getenv("TMPDIR");
    (void)snprintf(folder.text, sizeof folder.text, "%s/checkpoint-XXXXXX", temporary == NULL ? "." : temporary);
    assert_non_null(mkdtemp(folder.text));
    return folder;
}

/* Restores checkpoint i, saves it again to the same bytes, runs to the end, and leaves what that has come to. */
static void go_on_with(const struct run_kind *kind, const char *folder, size_t i)
{
    struct run run;
    const struct path file = path_in(folder, i, ""), result = path_in(folder, i, ".outcome");
    run_start(&run, kind);
    run_check(bp_trainer_restore(&run.trainer, file.text));
    struct test_bytes content = test_file_content(file.text), again = run_saved(&run);
    assert_same_bytes(&content, &again, kind->name, i);
    test_bytes_clear(&content);
    test_bytes_clear(&again);
    while (!run.trainer.is_done)
        run_on(&run, i % 3); /* at once, or in pieces of one or two steps */
    struct test_bytes outcome = run_outcome(&run);
    write_file(result.text, &outcome);
    test_bytes_clear(&outcome);
    run_free(&run);
}

/* The second process: `program --go-on KIND FOLDER N`. */
static int go_on(char **arguments)
{
    const size_t kind = strtoul(arguments[2], NULL, 10), n = strtoul(arguments[4], NULL, 10);
    assert_true(kind < n_run_kinds);
    for (size_t i = 0; i < n; i++)
        go_on_with(&run_kinds[kind], arguments[3], i);
    return EXIT_SUCCESS;
}

/* Another number of BLAS's threads, too: what they compute must not depend on it. */
static void go_on_in_new_process(size_t kind, const char *folder, size_t n)
{
    char number[24], count[24];
    (void)snprintf(number, sizeof number, "%zu", kind);
    (void)snprintf(count, sizeof count, "%zu", n);
    char *arguments[] = {
        (char *)(uintptr_t)program, (char[]){ "--go-on" }, number, (char *)(uintptr_t)folder, count, NULL
    };
    (void)fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)setenv("OPENBLAS_NUM_THREADS", kind % 2 == 0 ? "1" : "2", 1);
        (void)execv(program, arguments);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS)
        fail_msg("%s: the second process ended with %d", run_kinds[kind].name, status);
}

static void a_run_gone_on_with_in_a_new_process_has_the_bits_of_one_run_through(void **state)
{
    (void)state;
    const struct path folder = make_folder();
    for (size_t k = 0; k < n_run_kinds; k++) {
        struct album album = { 0 };
        struct test_bytes whole = run_and_keep(&run_kinds[k], &album);
        cut_and_keep(&run_kinds[k], &album);
        assert_true(album.n_steps >= 4);
        for (size_t i = 0; i < album.n; i++)
            write_file(path_in(folder.text, i, "").text, &album.saved[i]);
        go_on_in_new_process(k, folder.text, album.n);
        for (size_t i = 0; i < album.n; i++) {
            const struct path result = path_in(folder.text, i, ".outcome"), file = path_in(folder.text, i, "");
            struct test_bytes resumed = test_file_content(result.text);
            assert_same_bytes(&whole, &resumed, run_kinds[k].name, i);
            test_bytes_clear(&resumed);
            assert_int_equal(remove(result.text) | remove(file.text), 0);
        }
        test_bytes_clear(&whole);
        clear(&album);
    }
    assert_int_equal(rmdir(folder.text), 0);
}

/* ---- What is in it --------------------------------------------------------------------------------------------------- */

static void a_checkpoint_is_a_model_file_with_the_network_as_it_was(void **state)
{
    (void)state;
    struct run run;
    bp_network loaded;
    run_start(&run, kind_of_name("classes"));
    run_on(&run, 5);
    run_check(bp_network_set_metadata(&run.bench.net, "step", "5"));
    struct test_bytes saved = run_saved(&run);
    run_check(bp_network_load_memory(&loaded, saved.data, saved.n, NULL));
    assert_memory_equal(loaded.parameters.params, run.bench.net.parameters.params,
                        loaded.parameters.n_params * sizeof(bp_real));
    assert_string_equal(bp_network_get_metadata(&loaded, "step"), "5");
    assert_string_equal(loaded.input_names[0], run.bench.net.input_names[0]);
    bp_network_free(&loaded);
    test_bytes_clear(&saved);
    run_free(&run);
}

static void a_path_gets_the_bytes_that_memory_gets(void **state)
{
    (void)state;
    struct run run;
    const struct path folder = make_folder(), path = path_in(folder.text, 0, ".safetensors");
    run_start(&run, kind_of_name("adam"));
    for (size_t i = 0; i < 3; i++) { /* the second and third replace the first */
        run_on(&run, 1);
        run_check(bp_trainer_save(&run.trainer, path.text));
        struct test_bytes file = test_file_content(path.text), memory = run_saved(&run);
        assert_same_bytes(&file, &memory, "adam", i);
        test_bytes_clear(&file);
        test_bytes_clear(&memory);
    }
    run_free(&run);
    assert_int_equal(remove(path.text) | rmdir(folder.text), 0);
}

static bool holds(const struct test_bytes *bytes, const char *text)
{
    const size_t n = strlen(text);
    for (size_t i = 0; i + n <= bytes->n; i++)
        if (memcmp(bytes->data + i, text, n) == 0)
            return true;
    return false;
}

/* At the end of an epoch the last good numbers are the present ones, and need not be there twice. */
static void the_last_good_numbers_are_there_only_where_they_are_others(void **state)
{
    (void)state;
    struct run run;
    run_start(&run, kind_of_name("nesterov"));
    for (size_t steps = 0; !run.trainer.is_done; steps++) {
        if (steps > 0)
            run_on(&run, 1);
        struct test_bytes saved = run_saved(&run);
        assert_true(holds(&saved, "train.good.params") == (steps % 5 != 0 || run.trainer.is_done));
        test_bytes_clear(&saved);
    }
    run_free(&run);
}

/* ---- Other settings -------------------------------------------------------------------------------------------------- */

/* Trains by `first`, saves, restores and goes on by `second`. */
static struct test_bytes outcome_of_two(const struct run_kind *kind, const bp_train_config *first,
                                        const bp_train_config *second)
{
    struct run run;
    run_prepare(&run, kind);
    run_check(run_make(&run, kind, first));
    run_on(&run, 0);
    struct test_bytes saved = run_saved(&run);
    run_free(&run);

    run_prepare(&run, kind);
    run_check(run_make(&run, kind, second));
    run_check(bp_trainer_restore_memory(&run.trainer, saved.data, saved.n));
    assert_false(run.trainer.is_done);
    assert_int_equal(run.trainer.report.reason, BP_STOPPED_NOT);
    run_on(&run, 0);
    struct test_bytes outcome = run_outcome(&run);
    test_bytes_clear(&saved);
    run_free(&run);
    return outcome;
}

static struct test_bytes outcome_of_one(const struct run_kind *kind, const bp_train_config *config)
{
    struct run run;
    run_prepare(&run, kind);
    run_check(run_make(&run, kind, config));
    run_on(&run, 0);
    struct test_bytes outcome = run_outcome(&run);
    run_free(&run);
    return outcome;
}

static void n_epochs_and_n_more_are_2n_epochs(void **state)
{
    (void)state;
    for (size_t k = 0; k < n_run_kinds; k++) {
        bp_train_config once = run_kinds[k].config, twice = once;
        once.target_loss = twice.target_loss = 0;
        once.patience = twice.patience = 0;
        once.min_improvement = twice.min_improvement = 0;
        twice.epochs = 2 * once.epochs;
        struct test_bytes whole = outcome_of_one(&run_kinds[k], &twice);
        struct test_bytes parts = outcome_of_two(&run_kinds[k], &once, &twice);
        assert_same_bytes(&whole, &parts, run_kinds[k].name, 0);
        test_bytes_clear(&whole);
        test_bytes_clear(&parts);
    }
}

/* Ended at its target or for want of patience, with the best parameters back: the last ones are where it goes on. */
static void a_run_that_its_settings_ended_goes_on_with_others(void **state)
{
    (void)state;
    const struct run_kind *kinds[] = { kind_of_name("target"), kind_of_name("patience"), kind_of_name("patience") };
    for (size_t k = 0; k < COUNT(kinds); k++) {
        bp_train_config first = kinds[k]->config, second = first;
        second.target_loss = 0;
        second.patience = k == 1 ? 4 : 0;
        second.min_improvement = k == 1 ? first.min_improvement : 0;
        first.restore_best = second.restore_best = k > 0;
        struct test_bytes parts = outcome_of_two(kinds[k], &first, &second);
        /* min_improvement decides which losses count from the start on, so it is the same where patience goes on */
        struct test_bytes whole = outcome_of_one(kinds[k], &second);
        assert_same_bytes(&whole, &parts, kinds[k]->name, k);
        test_bytes_clear(&whole);
        test_bytes_clear(&parts);
    }
}

static bp_signal stop(const bp_progress *at, void *user)
{
    (void)user;
    return at->epoch == 2 ? BP_STOP : BP_CONTINUE;
}

static void a_run_that_a_callback_ended_stays_ended(void **state)
{
    (void)state;
    const struct run_kind *kind = kind_of_name("adam");
    for (int by_step = 0; by_step < 2; by_step++) {
        struct run run;
        bp_train_config config = kind->config;
        if (by_step)
            config.on_step = stop;
        else
            config.on_epoch = stop;
        run_prepare(&run, kind);
        run_check(run_make(&run, kind, &config));
        run_on(&run, 0);
        struct test_bytes saved = run_saved(&run), outcome = run_outcome(&run);
        run_free(&run);

        run_start(&run, kind);
        run_check(bp_trainer_restore_memory(&run.trainer, saved.data, saved.n));
        assert_true(run.trainer.is_done && run.trainer.report.reason == BP_STOPPED_CALLBACK);
        run_on(&run, 0);
        struct test_bytes restored = run_outcome(&run);
        assert_same_bytes(&outcome, &restored, "adam", 0);
        test_bytes_clear(&saved);
        test_bytes_clear(&outcome);
        test_bytes_clear(&restored);
        run_free(&run);
    }
}

static void a_run_that_was_cancelled_goes_on(void **state)
{
    (void)state;
    struct run run;
    const struct run_kind *kind = kind_of_name("adam");
    struct test_bytes whole = outcome_of_one(kind, &kind->config);
    run_start(&run, kind);
    run_on(&run, 3);
    bp_trainer_cancel(&run.trainer);
    run_on(&run, 0);
    assert_int_equal(run.trainer.report.reason, BP_STOPPED_CANCELLED);
    struct test_bytes saved = run_saved(&run);
    run_free(&run);

    run_start(&run, kind);
    run_check(bp_trainer_restore_memory(&run.trainer, saved.data, saved.n));
    assert_int_equal(run.trainer.report.reason, BP_STOPPED_CANCELLED);
    run_on(&run, 0);
    struct test_bytes outcome = run_outcome(&run);
    assert_same_bytes(&whole, &outcome, kind->name, 0);
    test_bytes_clear(&saved);
    test_bytes_clear(&whole);
    test_bytes_clear(&outcome);
    run_free(&run);
}

/* A trainer that has gone on, or come to its end, can be put back as often as one likes; other names go. */
static void a_trainer_that_has_trained_is_put_back(void **state)
{
    (void)state;
    struct run run;
    const struct run_kind *kind = kind_of_name("validation rows of their own");
    run_start(&run, kind);
    run_on(&run, 7);
    struct test_bytes saved = run_saved(&run), whole = { 0 };
    for (size_t i = 0; i < 3; i++) {
        run_on(&run, i == 1 ? 2 : 0);
        if (i == 0)
            whole = run_outcome(&run);
        run_check(bp_network_set_metadata(&run.bench.net, "note", "later"));
        run_check(bp_network_set_input_names(&run.bench.net, NULL));
        run.bench.opt.learning_rate = R(0.5);
        run_check(bp_trainer_restore_memory(&run.trainer, saved.data, saved.n));
        struct test_bytes again = run_saved(&run);
        assert_same_bytes(&saved, &again, kind->name, i);
        test_bytes_clear(&again);
    }
    run_on(&run, 0);
    struct test_bytes outcome = run_outcome(&run);
    assert_same_bytes(&whole, &outcome, kind->name, 3);
    test_bytes_clear(&saved);
    test_bytes_clear(&whole);
    test_bytes_clear(&outcome);
    run_free(&run);
}

/* The optimizer's rate is the run's base, changed or not. */
static void a_changed_rate_is_restored(void **state)
{
    (void)state;
    struct run run;
    const struct run_kind *kind = kind_of_name("cosine");
    run_start(&run, kind);
    run_on(&run, 2);
    run.bench.opt.learning_rate = R(0.25);
    run_on(&run, 2);
    struct test_bytes saved = run_saved(&run);
    run_on(&run, 0);
    struct test_bytes whole = run_outcome(&run);
    run_free(&run);
    run_start(&run, kind);
    run_check(bp_trainer_restore_memory(&run.trainer, saved.data, saved.n));
    assert_true(run.bench.opt.learning_rate == R(0.25));
    run_on(&run, 0);
    struct test_bytes outcome = run_outcome(&run);
    assert_same_bytes(&whole, &outcome, kind->name, 0);
    test_bytes_clear(&saved);
    test_bytes_clear(&whole);
    test_bytes_clear(&outcome);
    run_free(&run);
}

/* A network out of the checkpoint itself, its scaling already there, serves as well as a new one. */
static void the_network_may_be_loaded_from_the_checkpoint(void **state)
{
    (void)state;
    struct run run;
    const struct run_kind *kind = kind_of_name("adam");
    struct test_bytes whole = outcome_of_one(kind, &kind->config);
    run_start(&run, kind);
    run_on(&run, 3);
    struct test_bytes saved = run_saved(&run);
    run_free(&run);

    run_prepare(&run, kind);
    bp_network_free(&run.bench.net);
    run_check(bp_network_load_memory(&run.bench.net, saved.data, saved.n, NULL));
    run_check(run_make(&run, kind, NULL));
    run_check(bp_trainer_restore_memory(&run.trainer, saved.data, saved.n));
    run_on(&run, 0);
    struct test_bytes outcome = run_outcome(&run);
    assert_same_bytes(&whole, &outcome, kind->name, 0);
    test_bytes_clear(&saved);
    test_bytes_clear(&whole);
    test_bytes_clear(&outcome);
    run_free(&run);
}

/* Scaled by other numbers before, it is scaled by those of the file. */
static void the_scaling_comes_from_the_checkpoint(void **state)
{
    (void)state;
    const struct run_kind *kind = kind_of_name("adam");
    struct run run;
    bp_train_config config = kind->config;
    struct test_bytes whole = outcome_of_one(kind, &config);
    run_start(&run, kind);
    run_on(&run, 3);
    struct test_bytes saved = run_saved(&run);
    run_free(&run);
    config.scale_inputs = BP_MIN_MAX;
    config.scale_targets = BP_STANDARDISE;
    run_prepare(&run, kind);
    run_check(run_make(&run, kind, &config));
    run_check(bp_trainer_restore_memory(&run.trainer, saved.data, saved.n));
    run_on(&run, 0);
    struct test_bytes outcome = run_outcome(&run);
    assert_same_bytes(&whole, &outcome, kind->name, 0);
    test_bytes_clear(&saved);
    test_bytes_clear(&whole);
    test_bytes_clear(&outcome);
    run_free(&run);
}

/* ---- Divergence ------------------------------------------------------------------------------------------------------ */

/* Inputs that are looked at when a trainer is made turn to NaN later on: the last good numbers come back. */
static struct test_bytes outcome_of_divergence(const struct run_kind *kind, uint64_t steps, bool is_restored)
{
    struct run run;
    run_start(&run, kind);
    run_on(&run, steps);
    if (is_restored) {
        struct test_bytes saved = run_saved(&run);
        run_free(&run);
        run_start(&run, kind);
        run_check(bp_trainer_restore_memory(&run.trainer, saved.data, saved.n));
        test_bytes_clear(&saved);
    }
    for (size_t i = 0; i < COUNT(run.bench.X); i++)
        run.bench.X[i] = (bp_real)NAN;
    assert_int_equal(bp_trainer_run(&run.trainer, NULL), BP_ERR_DIVERGED);
    struct test_bytes outcome = run_outcome(&run);
    assert_refused(bp_trainer_save(&run.trainer, "never-written"), BP_ERR_STATE, "bp_trainer_save", "error");
    run_free(&run);
    return outcome;
}

static void divergence_after_resuming_returns_to_the_same_numbers(void **state)
{
    (void)state;
    const char *const names[] = { "plain descent", "nesterov", "rmsprop with both", "one step an epoch, scaled" };
    for (size_t k = 0; k < COUNT(names); k++) {
        for (uint64_t steps = 1; steps <= 3; steps++) {
            const struct run_kind *kind = kind_of_name(names[k]);
            struct test_bytes whole = outcome_of_divergence(kind, steps, false);
            struct test_bytes resumed = outcome_of_divergence(kind, steps, true);
            assert_same_bytes(&whole, &resumed, names[k], (size_t)steps);
            test_bytes_clear(&whole);
            test_bytes_clear(&resumed);
        }
    }
}

static void a_run_that_is_about_to_diverge_is_not_saved(void **state)
{
    (void)state;
    struct run run;
    run_start(&run, kind_of_name("plain descent"));
    run_on(&run, 2);
    run.bench.net.parameters.params[3] = R(INFINITY);
    bp_bytes bytes = { .data = &run, .size = 3 };
    assert_refused(bp_trainer_save_memory(&run.trainer, &bytes), BP_ERR_NONFINITE, "a parameter is not finite", "step 2");
    assert_true(bytes.data == NULL && bytes.size == 0);
    run_free(&run);
}

/* ---- Refused --------------------------------------------------------------------------------------------------------- */

/* A run in all details, of which one is changed at a time. */
struct details {
    bp_layer_config layers[3];
    size_t n_layers;
    bp_optimizer_config rule;
    bp_train_config config;
    bp_dataset data, watched;
    bp_real class_weights[2];
    uint64_t milestones[2];
};

static bp_loss_function loss_a = { .name = "a" }, loss_b = { .name = "b" };

static double loss_of_row(size_t n, const bp_real *y, const bp_real *t, void *user, bp_real *dy)
{
    (void)user;
    for (size_t i = 0; dy != NULL && i < n; i++)
        dy[i] = y[i] - t[i];
    return (double)(y[0] - t[0]);
}

static bp_real X[16][2], T[16][2], W[16];
static int32_t labels[16];

static struct details details(void)
{
    struct details is = { .n_layers = 2 };
    is.layers[0] = (bp_layer_config){
        .n_out = 4, .activation = BP_LEAKY_RELU, .normalization = BP_BATCH_NORMALIZATION, .dropout = R(0.25)
    };
    is.layers[1] = (bp_layer_config){ .n_out = 2, .activation = BP_IDENTITY };
    is.layers[2] = (bp_layer_config){ .n_out = 2, .activation = BP_IDENTITY };
    is.rule = (bp_optimizer_config){ .kind = BP_RMSPROP, .momentum = R(0.5), .centered = true };
    is.config = (bp_train_config){ .epochs = 4, .batch = 4, .accumulate = 2, .validation_fraction = R(0.25) };
    is.config.schedule = (bp_schedule){ BP_SCHEDULE_MULTI_STEP, .n_milestones = 2 };
    is.data = (bp_dataset){ .rows = 16, .n_in = 2, .n_out = 2, .X = { .data = X }, .T = { .data = T } };
    is.watched = is.data;
    is.watched.rows = 5;
    is.milestones[0] = 2;
    is.milestones[1] = 9;
    is.class_weights[0] = is.class_weights[1] = 1;
    loss_a.of_row = loss_b.of_row = loss_of_row;
    for (size_t i = 0; i < 16; i++) {
        X[i][0] = R(i % 4);
        X[i][1] = R(i % 3);
        T[i][0] = R(i % 2);
        T[i][1] = 1 - T[i][0];
        W[i] = R(1 + i % 2);
        labels[i] = (int32_t)(i % 2);
    }
    return is;
}

struct detailed {
    struct details is;
    bp_network net;
    bp_optimizer opt;
    bp_trainer trainer;
};

static void make_detailed(struct detailed *run, const struct details *is)
{
    *run = (struct detailed){ .is = *is };
    const bp_network_config network = { .n_in = run->is.data.n_in, .n_layers = is->n_layers, .layers = run->is.layers };
    if (run->is.config.schedule.kind == BP_SCHEDULE_MULTI_STEP)
        run->is.config.schedule.milestones = run->is.milestones;
    run_check(bp_network_init(&run->net, &network));
    run_check(bp_optimizer_init(&run->opt, &run->is.rule, &run->net.parameters));
    run_check(bp_trainer_init(&run->trainer, &run->net, &run->opt, &run->is.data, &run->is.config));
}

static void free_detailed(struct detailed *run)
{
    bp_trainer_free(&run->trainer);
    bp_optimizer_free(&run->opt);
    bp_network_free(&run->net);
}

/* Saves a run of `first` after a step, and has a run of `second` refuse it with this sentence, as it was. */
static void assert_mismatch(const struct details *first, const struct details *second, bp_status status, const char *what)
{
    struct detailed run, other;
    bp_bytes saved, before, after;
    make_detailed(&run, first);
    run_check(bp_trainer_run(&run.trainer, &(bp_run_limit){ .steps = 1 }));
    run_check(bp_trainer_save_memory(&run.trainer, &saved));

    make_detailed(&other, second);
    run_check(bp_trainer_save_memory(&other.trainer, &before));
    assert_refused(bp_trainer_restore_memory(&other.trainer, saved.data, saved.size), status, what);
    run_check(bp_trainer_save_memory(&other.trainer, &after));
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
    bp_bytes_free(&before);
    bp_bytes_free(&after);
    bp_bytes_free(&saved);
    free_detailed(&run);
    free_detailed(&other);
}

/* second = first but for `change` */
#define OTHER_THAN(base, change, status, what)                                                                             \
    do {                                                                                                                   \
        const struct details first = (base);                                                                               \
        struct details is = first;                                                                                         \
        change;                                                                                                            \
        assert_mismatch(&first, &is, (status), (what));                                                                    \
    } while (0)

static void other_layers_are_refused(void **state)
{
    (void)state;
    const struct details d = details();
    OTHER_THAN(d, is.n_layers = 3, BP_ERR_SHAPE, "the checkpoint has 2 layers, the network 3");
    OTHER_THAN(d, is.layers[0].n_out = 5, BP_ERR_SHAPE, "layer 0: n_out is 4 in the checkpoint, 5 in the network");
    OTHER_THAN(d, is.layers[0].activation = BP_TANH, BP_ERR_SHAPE,
               "layer 0: activation is 'leaky_relu' in the checkpoint, 'tanh' in the network");
    OTHER_THAN(d, is.layers[0].parameter = R(0.5), BP_ERR_SHAPE, "layer 0: the parameter of the activation is ");
    OTHER_THAN(d, is.layers[1].no_bias = true, BP_ERR_SHAPE, "layer 1: no_bias is 0 in the checkpoint, 1 in the network");
    OTHER_THAN(d, is.layers[1].frozen = true, BP_ERR_SHAPE, "layer 1: frozen is 0 in the checkpoint, 1 in the network");
    OTHER_THAN(d, is.layers[0].normalization = BP_LAYER_NORMALIZATION, BP_ERR_SHAPE,
               "layer 0: normalization is 'batch' in the checkpoint, 'layer' in the network");
    OTHER_THAN(d, is.layers[0].epsilon = R(0.5), BP_ERR_SHAPE, "layer 0: epsilon is 1e-05 in the checkpoint, 0.5 in");
    OTHER_THAN(d, is.layers[0].running_rate = R(0.5), BP_ERR_SHAPE,
               "layer 0: running_rate is 0.1 in the checkpoint, 0.5 in");
    OTHER_THAN(d, is.layers[0].dropout = R(0.5), BP_ERR_SHAPE, "layer 0: dropout is 0.25 in the checkpoint, 0.5 in");
    OTHER_THAN(d, is.config.scale_inputs = BP_MIN_MAX, BP_ERR_SHAPE,
               "inputs are not scaled in the checkpoint, but are in the network");
    struct details scaled = d;
    scaled.config.scale_targets = BP_MIN_MAX;
    OTHER_THAN(scaled, is.config.scale_targets = BP_SCALE_NONE, BP_ERR_SHAPE,
               "targets are scaled in the checkpoint, but are not in the network");
}

static void other_settings_of_the_optimizer_are_refused(void **state)
{
    (void)state;
    const struct details d = details();
    struct details adam = d, nadam = d, momentum = d;
    adam.rule = (bp_optimizer_config){ .kind = BP_ADAM };
    nadam.rule = (bp_optimizer_config){ .kind = BP_NADAM };
    momentum.rule = (bp_optimizer_config){ .momentum = R(0.5) };
#define IN_BOTH(key, first, second) "bp.train.optimizer" key " is '" first "' in the checkpoint, '" second "' in this run"
    OTHER_THAN(d, is.rule.kind = BP_SGD; is.rule.centered = false, BP_ERR_ARGUMENT, IN_BOTH("", "rmsprop", "sgd"));
    OTHER_THAN(d, is.rule.learning_rate = R(0.5), BP_ERR_ARGUMENT, "bp.train.optimizer.learning_rate is '0.0");
    OTHER_THAN(d, is.rule.momentum = R(0.25), BP_ERR_ARGUMENT, IN_BOTH(".momentum", "0.5", "0.25"));
    OTHER_THAN(d, is.rule.centered = false, BP_ERR_ARGUMENT, IN_BOTH(".centered", "true", "false"));
    OTHER_THAN(d, is.rule.rho = R(0.5), BP_ERR_ARGUMENT, "bp.train.optimizer.rho is ");
    OTHER_THAN(d, is.rule.epsilon = R(0.5), BP_ERR_ARGUMENT, "bp.train.optimizer.epsilon is ");
    OTHER_THAN(d, is.rule.weight_decay = R(0.5), BP_ERR_ARGUMENT, IN_BOTH(".weight_decay", "0", "0.5"));
    OTHER_THAN(d, is.rule.l1 = R(0.5), BP_ERR_ARGUMENT, IN_BOTH(".l1", "0", "0.5"));
    OTHER_THAN(d, is.rule.l2 = R(0.5), BP_ERR_ARGUMENT, IN_BOTH(".l2", "0", "0.5"));
    OTHER_THAN(d, is.rule.clip_value = R(0.5), BP_ERR_ARGUMENT, IN_BOTH(".clip_value", "0", "0.5"));
    OTHER_THAN(d, is.rule.clip_norm = R(0.5), BP_ERR_ARGUMENT, IN_BOTH(".clip_norm", "0", "0.5"));
    OTHER_THAN(d, is.rule.max_norm = R(0.5), BP_ERR_ARGUMENT, IN_BOTH(".max_norm", "0", "0.5"));
    OTHER_THAN(adam, is.rule.beta1 = R(0.5), BP_ERR_ARGUMENT, "bp.train.optimizer.beta1 is ");
    OTHER_THAN(adam, is.rule.beta2 = R(0.5), BP_ERR_ARGUMENT, "bp.train.optimizer.beta2 is ");
    OTHER_THAN(adam, is.rule.amsgrad = true, BP_ERR_ARGUMENT, IN_BOTH(".amsgrad", "false", "true"));
    OTHER_THAN(nadam, is.rule.momentum_decay = R(0.5), BP_ERR_ARGUMENT, "bp.train.optimizer.momentum_decay is ");
    OTHER_THAN(momentum, is.rule.nesterov = true, BP_ERR_ARGUMENT, IN_BOTH(".nesterov", "false", "true"));
#undef IN_BOTH
}

static void another_loss_is_refused(void **state)
{
    (void)state;
    struct details d = details(), classes = d, huber = d, custom = d;
    classes.layers[1].activation = BP_SOFTMAX;
    classes.config.loss.kind = BP_CROSS_ENTROPY;
    huber.config.loss.kind = BP_HUBER;
    custom.config.loss = (bp_loss){ .kind = BP_CUSTOM_LOSS, .custom = &loss_a };
#define IN_BOTH(key, first, second) "bp.train.loss" key " is '" first "' in the checkpoint, '" second "' in this run"
    OTHER_THAN(d, is.config.loss.kind = BP_MAE, BP_ERR_ARGUMENT, IN_BOTH("", "squared_error", "mae"));
    OTHER_THAN(d, is.config.loss.reduction = BP_REDUCE_SUM, BP_ERR_ARGUMENT, IN_BOTH(".reduction", "mean", "sum"));
    OTHER_THAN(huber, is.config.loss.parameter = R(0.5), BP_ERR_ARGUMENT, IN_BOTH(".parameter", "1", "0.5"));
    OTHER_THAN(classes, is.config.loss.label_smoothing = R(0.5), BP_ERR_ARGUMENT, IN_BOTH(".label_smoothing", "0", "0.5"));
    static const bp_real two[] = { 1, 2 }, others[] = { 2, R(0.5) };
    OTHER_THAN(classes, is.config.loss.class_weights = two, BP_ERR_ARGUMENT, IN_BOTH(".class_weights", "", "1 2"));
    classes.config.loss.class_weights = others;
    OTHER_THAN(classes, is.config.loss.class_weights = two, BP_ERR_ARGUMENT, IN_BOTH(".class_weights", "2 0.5", "1 2"));
    OTHER_THAN(custom, is.config.loss.custom = &loss_b, BP_ERR_ARGUMENT, IN_BOTH(".custom", "a", "b"));
#undef IN_BOTH
}

static void another_schedule_is_refused(void **state)
{
    (void)state;
    const struct details d = details();
    struct details polynomial = d, cosine = d, cycle = d, plateau = d;
    polynomial.config.schedule = (bp_schedule){ BP_SCHEDULE_POLYNOMIAL, .period = 4 };
    cosine.config.schedule = (bp_schedule){ BP_SCHEDULE_COSINE, .period = 4 };
    cycle.config.schedule = (bp_schedule){ BP_SCHEDULE_ONE_CYCLE, .period = 4 };
    plateau.config.schedule = (bp_schedule){ .kind = BP_SCHEDULE_PLATEAU };
#define IN_BOTH(key, first, second) "bp.train.schedule" key " is '" first "' in the checkpoint, '" second "' in this run"
    OTHER_THAN(polynomial, is.config.schedule.kind = BP_SCHEDULE_COSINE, BP_ERR_ARGUMENT,
               IN_BOTH("", "polynomial", "cosine"));
    OTHER_THAN(d, is.config.schedule.by_epoch = true, BP_ERR_ARGUMENT, IN_BOTH(".by_epoch", "false", "true"));
    OTHER_THAN(d, is.config.schedule.gamma = 0.5, BP_ERR_ARGUMENT, IN_BOTH(".gamma", "0", "0.5"));
    OTHER_THAN(polynomial, is.config.schedule.period = 5, BP_ERR_ARGUMENT, IN_BOTH(".period", "4", "5"));
    OTHER_THAN(cosine, is.config.schedule.warmup = 1, BP_ERR_ARGUMENT, IN_BOTH(".warmup", "0", "1"));
    OTHER_THAN(cosine, is.config.schedule.minimum = 0.125, BP_ERR_ARGUMENT, IN_BOTH(".minimum", "0", "0.125"));
    OTHER_THAN(polynomial, is.config.schedule.power = 2, BP_ERR_ARGUMENT, IN_BOTH(".power", "0", "2"));
    OTHER_THAN(cycle, is.config.schedule.maximum = 2, BP_ERR_ARGUMENT, IN_BOTH(".maximum", "0", "2"));
    OTHER_THAN(cycle, is.config.schedule.warmup_fraction = 0.5, BP_ERR_ARGUMENT, IN_BOTH(".warmup_fraction", "0", "0.5"));
    OTHER_THAN(cycle, is.config.schedule.div_factor = 2, BP_ERR_ARGUMENT, IN_BOTH(".div_factor", "0", "2"));
    OTHER_THAN(cycle, is.config.schedule.final_div_factor = 2, BP_ERR_ARGUMENT, IN_BOTH(".final_div_factor", "0", "2"));
    OTHER_THAN(plateau, is.config.schedule.patience = 2, BP_ERR_ARGUMENT, IN_BOTH(".patience", "0", "2"));
    OTHER_THAN(plateau, is.config.schedule.threshold = 0.5, BP_ERR_ARGUMENT, IN_BOTH(".threshold", "0", "0.5"));
    OTHER_THAN(plateau, is.config.schedule.cooldown = 2, BP_ERR_ARGUMENT, IN_BOTH(".cooldown", "0", "2"));
    OTHER_THAN(d, is.config.schedule.n_milestones = 1, BP_ERR_ARGUMENT, IN_BOTH(".milestones", "2", "1"));
    OTHER_THAN(d, is.milestones[1] = 10, BP_ERR_ARGUMENT, "milestone 1 is 9 in the checkpoint, 10 in this run");
#undef IN_BOTH
}

static void other_data_and_steps_are_refused(void **state)
{
    (void)state;
    const struct details d = details();
    struct details stratified = d, keeping = d;
    stratified.config.stratified = true;
    keeping.config.keep_order = true;
#define IN_BOTH(key, first, second) "bp.train." key " is '" first "' in the checkpoint, '" second "' in this run"
    OTHER_THAN(d, is.data.rows = 15, BP_ERR_ARGUMENT, IN_BOTH("rows", "16", "15"));
    OTHER_THAN(d, is.data.T.data = NULL; is.data.labels = ((bp_view){ .data = labels, .element = BP_I32 }), BP_ERR_ARGUMENT,
                                         IN_BOTH("targets", "values", "labels"));
    OTHER_THAN(d, is.data.weights.data = W, BP_ERR_ARGUMENT, IN_BOTH("weights", "false", "true"));
    OTHER_THAN(d, is.config.validation_fraction = 0, BP_ERR_ARGUMENT, IN_BOTH("validation", "split", "none"));
    OTHER_THAN(d, is.config.validation_fraction = R(0.5), BP_ERR_ARGUMENT, IN_BOTH("validation_rows", "4", "8"));
    OTHER_THAN(d, is.config.validation_fraction = R(0.2500001), BP_ERR_ARGUMENT,
               "bp.train.validation_fraction is '0.25' in");
    OTHER_THAN(d, is.config.stratified = true, BP_ERR_ARGUMENT, IN_BOTH("stratified", "false", "true"));
    OTHER_THAN(d, is.config.batch = 5, BP_ERR_ARGUMENT, IN_BOTH("batch", "4", "5"));
    OTHER_THAN(d, is.config.accumulate = 3, BP_ERR_ARGUMENT, IN_BOTH("accumulate", "2", "3"));
    OTHER_THAN(d, is.config.keep_order = true, BP_ERR_ARGUMENT, IN_BOTH("keep_order", "false", "true"));
    OTHER_THAN(d, is.config.seed = 5, BP_ERR_ARGUMENT, IN_BOTH("seed", "0", "5"));
    OTHER_THAN(d, is.config.input_noise = R(0.5), BP_ERR_ARGUMENT, IN_BOTH("input_noise", "0", "0.5"));
#undef IN_BOTH
    static bp_real other_T[16][2];
    for (size_t i = 0; i < 16; i++) {
        other_T[i][0] = R(i < 6);
        other_T[i][1] = R(i >= 6);
    }
    OTHER_THAN(stratified, is.data.T.data = other_T, BP_ERR_ARGUMENT, "the rows were split otherwise: entry ");
    keeping.config.stratified = true;
    OTHER_THAN(keeping, is.data.T.data = other_T, BP_ERR_ARGUMENT, "the rows were split otherwise: entry ");
}

static void fewer_epochs_than_are_done_are_refused(void **state)
{
    (void)state;
    struct run run;
    const struct run_kind *kind = kind_of_name("plain descent");
    run_start(&run, kind);
    run_on(&run, 8); /* of 5 an epoch */
    struct test_bytes saved = run_saved(&run);
    run_free(&run);
    bp_train_config config = kind->config;
    for (config.epochs = 1; config.epochs <= 2; config.epochs++) {
        run_prepare(&run, kind);
        run_check(run_make(&run, kind, &config));
        if (config.epochs == 1)
            assert_refused(bp_trainer_restore_memory(&run.trainer, saved.data, saved.n), BP_ERR_ARGUMENT,
                           "the checkpoint has come to epoch 2, this run has 1 epochs");
        else
            run_check(bp_trainer_restore_memory(&run.trainer, saved.data, saved.n));
        run_free(&run);
    }
    test_bytes_clear(&saved);
}

/* Replaces the one place where `from` stands, and mends the checksum. */
static void replace(struct test_bytes *file, const char *from, const char *to)
{
    const size_t n = strlen(from);
    size_t n_found = 0;
    assert_int_equal(n, strlen(to));
    for (size_t i = 0; i + n <= file->n; i++) {
        if (memcmp(file->data + i, from, n) == 0) {
            memcpy(file->data + i, to, n);
            n_found++;
        }
    }
    assert_int_equal(n_found, 1);
    assert_true(run_mend(file));
}

static void files_of_another_kind_are_refused(void **state)
{
    (void)state;
    struct run run;
    bp_bytes model;
    run_start(&run, kind_of_name("momentum"));
    run_check(bp_network_save_memory(&run.bench.net, &model));
    assert_refused(bp_trainer_restore_memory(&run.trainer, model.data, model.size), BP_ERR_FORMAT, "bp.kind is 'model'",
                   "'checkpoint'");
    bp_bytes_free(&model);

    const bool is_double = sizeof(bp_real) == 8;
    struct test_bytes saved = run_saved(&run);
    replace(&saved, is_double ? "\"double\"" : "\"single\"", is_double ? "\"single\"" : "\"double\"");
    assert_refused(bp_trainer_restore_memory(&run.trainer, saved.data, saved.n), BP_ERR_UNSUPPORTED,
                   is_double ? "a run of 'single' precision" : "a run of 'double' precision", "whose bits are others");
    test_bytes_clear(&saved);
    assert_refused(bp_trainer_restore_memory(&run.trainer, "", 0), BP_ERR_FORMAT, "memory");
    assert_refused(bp_trainer_restore(&run.trainer, "there is none"), BP_ERR_IO, "there is none");
    assert_refused(bp_trainer_save(&run.trainer, "no folder/file"), BP_ERR_IO, "no folder/file");
    run_free(&run);
}

static void null_and_empty_trainers_are_refused(void **state)
{
    (void)state;
    struct run run;
    bp_trainer empty = { 0 };
    bp_bytes bytes = { .data = &empty, .size = 1 };
    run_start(&run, kind_of_name("momentum"));
    assert_refused(bp_trainer_save(NULL, "x"), BP_ERR_ARGUMENT, "bp_trainer_save: trainer is NULL");
    assert_refused(bp_trainer_save(&empty, "x"), BP_ERR_STATE, "bp_trainer_save: the trainer is empty");
    assert_refused(bp_trainer_save(&run.trainer, NULL), BP_ERR_ARGUMENT, "bp_trainer_save: path is NULL");
    assert_refused(bp_trainer_save_memory(&empty, &bytes), BP_ERR_STATE, "bp_trainer_save_memory: the trainer is empty");
    assert_true(bytes.data == NULL && bytes.size == 0);
    assert_refused(bp_trainer_save_memory(&run.trainer, NULL), BP_ERR_ARGUMENT, "bytes is NULL");
    assert_refused(bp_trainer_restore(NULL, "x"), BP_ERR_ARGUMENT, "bp_trainer_restore: trainer is NULL");
    assert_refused(bp_trainer_restore(&empty, "x"), BP_ERR_STATE, "bp_trainer_restore: the trainer is empty");
    assert_refused(bp_trainer_restore(&run.trainer, NULL), BP_ERR_ARGUMENT, "bp_trainer_restore: path is NULL");
    assert_refused(bp_trainer_restore_memory(&empty, "x", 1), BP_ERR_STATE,
                   "bp_trainer_restore_memory: the trainer is empty");
    assert_refused(bp_trainer_restore_memory(&run.trainer, NULL, 1), BP_ERR_ARGUMENT, "bytes is NULL");
    run_free(&run);
}

static bp_signal restore(const bp_progress *at, void *user)
{
    bp_trainer *trainer = user;
    if (at->step == 1)
        assert_refused(bp_trainer_restore_memory(trainer, "", 0), BP_ERR_STATE, "callback");
    return BP_CONTINUE;
}

static void a_running_trainer_is_not_restored(void **state)
{
    (void)state;
    struct run run;
    const struct run_kind *kind = kind_of_name("momentum");
    bp_train_config config = kind->config;
    config.on_step = restore;
    config.user = &run.trainer;
    run_prepare(&run, kind);
    run_check(run_make(&run, kind, &config));
    run_on(&run, 0);
    assert_refused(bp_trainer_restore_memory(&run.trainer, "", 0), BP_ERR_FORMAT, "memory");
    run_free(&run);
}

/* ---- Custom activations ---------------------------------------------------------------------------------------------- */

static void half_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    (void)parameter, (void)user;
    for (size_t i = 0; i < rows * n; i++)
        A[i] = Z[i] / 2;
}

static void half_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                           const bp_real *dA, bp_real *dZ)
{
    (void)parameter, (void)user, (void)Z, (void)A;
    for (size_t i = 0; i < rows * n; i++)
        dZ[i] = dA[i] / 2;
}

static void custom_activations_are_compared_by_name(void **state)
{
    (void)state;
    static const bp_activation_function half = { .name = "half", .apply = half_apply, .pull_back = half_pull_back },
                                        other = { .name = "other", .apply = half_apply, .pull_back = half_pull_back };
    struct details d = details();
    d.layers[0] = (bp_layer_config){ .n_out = 4, .activation = BP_CUSTOM_ACTIVATION, .custom = &half };
    OTHER_THAN(d, is.layers[0].custom = &other, BP_ERR_UNSUPPORTED, "half");
    struct detailed run;
    bp_bytes bytes, again;
    make_detailed(&run, &d);
    run_check(bp_trainer_run(&run.trainer, &(bp_run_limit){ .steps = 1 }));
    run_check(bp_trainer_save_memory(&run.trainer, &bytes));
    run_check(bp_trainer_run(&run.trainer, NULL));
    run_check(bp_trainer_restore_memory(&run.trainer, bytes.data, bytes.size));
    run_check(bp_trainer_save_memory(&run.trainer, &again));
    assert_int_equal(bytes.size, again.size);
    assert_memory_equal(bytes.data, again.data, bytes.size);
    bp_bytes_free(&bytes);
    bp_bytes_free(&again);
    free_detailed(&run);
}

static void names_of_functions_must_be_utf_8(void **state)
{
    (void)state;
    static const bp_activation_function bad = { .name = "\xff", .apply = half_apply, .pull_back = half_pull_back };
    static const bp_loss_function bad_loss = { .name = "\xc3", .of_row = loss_of_row };
    for (int is_loss = 0; is_loss < 2; is_loss++) {
        struct details d = details();
        struct detailed run;
        bp_bytes bytes;
        if (is_loss)
            d.config.loss = (bp_loss){ .kind = BP_CUSTOM_LOSS, .custom = &bad_loss };
        else
            d.layers[0] = (bp_layer_config){ .n_out = 4, .activation = BP_CUSTOM_ACTIVATION, .custom = &bad };
        make_detailed(&run, &d);
        assert_refused(bp_trainer_save_memory(&run.trainer, &bytes), BP_ERR_ARGUMENT, "not UTF-8");
        free_detailed(&run);
    }
}

static bool cannot_read(size_t row, bp_real *x, bp_real *t, void *user)
{
    const bool *fails = user;
    x[0] = x[1] = t[0] = t[1] = R(row % 2);
    return !*fails;
}

static void a_run_that_an_error_has_ended_is_not_saved(void **state)
{
    (void)state;
    struct details d = details();
    struct detailed run;
    bp_bytes bytes;
    bool fails = false;
    d.data = (bp_dataset){ .rows = 16, .n_in = 2, .n_out = 2, .read_row = cannot_read, .user = &fails };
    make_detailed(&run, &d);
    run_check(bp_trainer_save_memory(&run.trainer, &bytes));
    fails = true;
    assert_int_equal(bp_trainer_run(&run.trainer, NULL), BP_ERR_IO);
    bp_bytes none;
    assert_refused(bp_trainer_save_memory(&run.trainer, &none), BP_ERR_STATE,
                   "training has ended by an error at epoch 1, step 1");
    fails = false; /* and it begins anew */
    run_check(bp_trainer_restore_memory(&run.trainer, bytes.data, bytes.size));
    run_check(bp_trainer_run(&run.trainer, NULL));
    assert_int_equal(run.trainer.report.reason, BP_STOPPED_EPOCHS);
    bp_bytes_free(&bytes);
    free_detailed(&run);
}

/* ---- Numbers --------------------------------------------------------------------------------------------------------- */

static void a_comma_as_decimal_point_changes_nothing(void **state)
{
    (void)state;
    struct run run;
    const struct run_kind *kind = kind_of_name("patience");
    run_start(&run, kind);
    run_on(&run, 5);
    struct test_bytes saved = run_saved(&run);
    if (!test_set_comma_locale()) {
        test_bytes_clear(&saved);
        run_free(&run);
        skip();
    }
    struct test_bytes with_comma = run_saved(&run);
    const bp_status status = bp_trainer_restore_memory(&run.trainer, saved.data, saved.n);
    struct test_bytes again = run_saved(&run);
    (void)setlocale(LC_ALL, "C");
    run_check(status);
    assert_same_bytes(&saved, &with_comma, kind->name, 0);
    assert_same_bytes(&saved, &again, kind->name, 1);
    test_bytes_clear(&saved);
    test_bytes_clear(&with_comma);
    test_bytes_clear(&again);
    run_free(&run);
}

/* Sums of losses may overflow what their file has to hold, and mean losses of rows without weight are no numbers. */
static void losses_that_are_not_finite_are_kept(void **state)
{
    (void)state;
    struct run run, other;
    const struct run_kind *kind = kind_of_name("summed loss, split in order");
    run_start(&run, kind);
    for (size_t i = 0; i < BENCH_ROWS; i++)
        run.bench.weights[i] = R(i < 9); /* no weight in validation, nor in some batches */
    run_on(&run, 4);
    struct test_bytes saved = run_saved(&run);
    run_on(&run, 0);
    run_start(&other, kind);
    memcpy(other.bench.weights, run.bench.weights, sizeof other.bench.weights);
    run_check(bp_trainer_restore_memory(&other.trainer, saved.data, saved.n));
    run_on(&other, 0);
    struct test_bytes one = run_outcome(&run), two = run_outcome(&other);
    assert_same_bytes(&one, &two, kind->name, 0);
    test_bytes_clear(&saved);
    test_bytes_clear(&one);
    test_bytes_clear(&two);
    run_free(&run);
    run_free(&other);
}

/* ---- Files of earlier versions --------------------------------------------------------------------------------------- */

/*
 * REFERENCE_DIR/files/checkpoint-v1-f64.safetensors (f32) is what version 1 of the format wrote after 5 steps of "cosine", and
 * the text file of that name has what its parameters came to at the end, in hexadecimal. Another BLAS rounds otherwise, and ten
 * steps of training make more of it.
 */
#define GOLDEN REFERENCE_DIR "/files/checkpoint-v1-" PRECISION

static void assert_parameters_of_file(const char *path, const bp_parameters *parameters)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (size_t i = 0; i < parameters->n_params; i++) {
        char word[64];
        assert_int_equal(fscanf(file, "%63s", word), 1);
        assert_close((double)parameters->params[i], strtod(word, NULL), TOLERANCE);
    }
    assert_int_equal(fclose(file), 0);
}

static void write_golden(const struct run_kind *kind)
{
    struct run run;
    run_start(&run, kind);
    run_on(&run, 5);
    run_check(bp_trainer_save(&run.trainer, GOLDEN ".safetensors"));
    run_on(&run, 0);
    FILE *file = fopen(GOLDEN ".txt", "w");
    assert_non_null(file);
    for (size_t i = 0; i < run.bench.net.parameters.n_params; i++)
        assert_true(fprintf(file, "%a\n", (double)run.bench.net.parameters.params[i]) > 0);
    assert_int_equal(fclose(file), 0);
    run_free(&run);
}

static void checkpoints_of_version_1_go_on(void **state)
{
    (void)state;
    struct run run;
    const struct run_kind *kind = kind_of_name("cosine");
    if (getenv("WRITE_GOLDEN_FILES") != NULL)
        write_golden(kind);
    run_start(&run, kind);
    run_check(bp_trainer_restore(&run.trainer, GOLDEN ".safetensors"));
    assert_true(run.trainer.report.n_steps == 5 && run.trainer.report.n_epochs == 1 && run.bench.opt.n_steps == 5);
    run_on(&run, 0);
    assert_parameters_of_file(GOLDEN ".txt", &run.bench.net.parameters);
    run_free(&run);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "--go-on") == 0)
        return go_on(argv);
    program = argv[0];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_gone_on_with_in_a_new_process_has_the_bits_of_one_run_through),
        cmocka_unit_test(a_checkpoint_is_a_model_file_with_the_network_as_it_was),
        cmocka_unit_test(a_path_gets_the_bytes_that_memory_gets),
        cmocka_unit_test(the_last_good_numbers_are_there_only_where_they_are_others),
        cmocka_unit_test(n_epochs_and_n_more_are_2n_epochs),
        cmocka_unit_test(a_run_that_its_settings_ended_goes_on_with_others),
        cmocka_unit_test(a_run_that_a_callback_ended_stays_ended),
        cmocka_unit_test(a_run_that_was_cancelled_goes_on),
        cmocka_unit_test(a_trainer_that_has_trained_is_put_back),
        cmocka_unit_test(a_changed_rate_is_restored),
        cmocka_unit_test(the_network_may_be_loaded_from_the_checkpoint),
        cmocka_unit_test(the_scaling_comes_from_the_checkpoint),
        cmocka_unit_test(divergence_after_resuming_returns_to_the_same_numbers),
        cmocka_unit_test(a_run_that_is_about_to_diverge_is_not_saved),
        cmocka_unit_test(other_layers_are_refused),
        cmocka_unit_test(other_settings_of_the_optimizer_are_refused),
        cmocka_unit_test(another_loss_is_refused),
        cmocka_unit_test(another_schedule_is_refused),
        cmocka_unit_test(other_data_and_steps_are_refused),
        cmocka_unit_test(fewer_epochs_than_are_done_are_refused),
        cmocka_unit_test(files_of_another_kind_are_refused),
        cmocka_unit_test(null_and_empty_trainers_are_refused),
        cmocka_unit_test(a_running_trainer_is_not_restored),
        cmocka_unit_test(custom_activations_are_compared_by_name),
        cmocka_unit_test(names_of_functions_must_be_utf_8),
        cmocka_unit_test(a_run_that_an_error_has_ended_is_not_saved),
        cmocka_unit_test(a_comma_as_decimal_point_changes_nothing),
        cmocka_unit_test(losses_that_are_not_finite_are_kept),
        cmocka_unit_test(checkpoints_of_version_1_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
