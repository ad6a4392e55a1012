// SPDX-License-Identifier: MIT
/*
 * Checkpoints that are damaged, and memory and disks that fail. A damaged file is refused by its checksum; and where that has
 * been mended, it is refused with a reason, or goes on as a run that might have been: without crash, hang, leak or undefined
 * behaviour, and the trainer as it was if it is refused.
 */
#include "backprop/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop/names.h"
#include "support/heap.h"
#include "support/refusal.h"
#include "support/runs.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

/* Reading a header takes some tenths of a millisecond: of the first kind all damage is tried, of the others a part; and less of all
 * where TEST_QUICK says so. Primes, so that no place in a byte is left out. */
static size_t stride(size_t kind, size_t all)
{
    return (kind == 0 ? all : 17) * (getenv("TEST_QUICK") != NULL ? 23 : 1);
}

/* ---- A small run ----------------------------------------------------------------------------------------------------- */

enum { ROWS = 9 };

struct small_kind {
    bp_optimizer_config rule;
    bp_train_config config;
    uint64_t steps; /* after which it is saved; 0: all */
};

static const uint64_t milestones[] = { 1, 3 };

/* In the middle of an epoch with validation; at the end of one, without; ended for want of patience. */
static const struct small_kind kinds[] = {
    { .rule = { .kind = BP_ADAM },
      .config = { .epochs = 3,
                  .batch = 2,
                  .accumulate = 2,
                  .seed = 3,
                  .validation_fraction = R(0.3),
                  .patience = 9,
                  .scale_inputs = BP_STANDARDISE,
                  .schedule = { .kind = BP_SCHEDULE_PLATEAU, .patience = 1 } },
      .steps = 3 },
    { .rule = { .momentum = R(0.5) },
      .config = { .epochs = 3,
                  .batch = 4,
                  .keep_order = true,
                  .schedule = { .kind = BP_SCHEDULE_MULTI_STEP, .milestones = milestones, .n_milestones = 2 } },
      .steps = 4 },
    { .rule = { .kind = BP_NADAM, .learning_rate = R(0.5) },
      .config = { .epochs = 9, .batch = 3, .keep_order = true, .validation_fraction = R(0.3), .patience = 1 } },
};

struct small {
    struct test_heap heap;
    bp_real X[ROWS][2], T[ROWS][1];
    bp_network net;
    bp_optimizer opt;
    bp_trainer trainer;
};

static void make_small(struct small *small, const struct small_kind *kind)
{
    memset(small, 0, sizeof *small);
    test_heap_init(&small->heap);
    for (size_t i = 0; i < ROWS; i++) {
        small->X[i][0] = R(i % 4);
        small->X[i][1] = R(i % 3) / 2;
        small->T[i][0] = R(i % 4) * R(i % 3) / 8;
    }
    const bp_layer_config layers[] = {
        { .n_out = 2, .activation = BP_TANH, .normalization = BP_BATCH_NORMALIZATION },
        { .n_out = 1 },
    };
    const bp_network_config network = {
        .n_in = 2, .n_layers = 2, .layers = layers, .seed = 5, .allocator = &small->heap.allocator
    };
    bp_optimizer_config rule = kind->rule;
    bp_train_config config = kind->config;
    const bp_dataset data = { .rows = ROWS, .n_in = 2, .n_out = 1, .X = { .data = small->X }, .T = { .data = small->T } };
    rule.allocator = config.allocator = &small->heap.allocator;
    run_check(bp_network_init(&small->net, &network));
    run_check(bp_network_set_metadata(&small->net, "note", "a"));
    run_check(bp_optimizer_init(&small->opt, &rule, &small->net.parameters));
    run_check(bp_trainer_init(&small->trainer, &small->net, &small->opt, &data, &config));
}

static void free_small(struct small *small)
{
    bp_trainer_free(&small->trainer);
    bp_optimizer_free(&small->opt);
    bp_network_free(&small->net);
    assert_true(test_heap_is_clean(&small->heap));
}

static struct test_bytes save_small(const struct small *small)
{
    struct test_bytes bytes = { 0 };
    bp_bytes saved;
    run_check(bp_trainer_save_memory(&small->trainer, &saved));
    test_bytes_append(&bytes, saved.data, saved.size);
    bp_bytes_free(&saved);
    return bytes;
}

static struct test_bytes checkpoint_of(const struct small_kind *kind)
{
    struct small small;
    make_small(&small, kind);
    run_check(bp_trainer_run(&small.trainer, &(bp_run_limit){ .steps = kind->steps }));
    struct test_bytes saved = save_small(&small);
    free_small(&small);
    return saved;
}

/* ---- Damage ---------------------------------------------------------------------------------------------------------- */

/* How many were tried, and how many were taken for good. */
struct tally {
    size_t n, n_accepted;
};

/* Restores from an exact copy, whose ends memory checkers see. */
static bp_status restore(struct small *small, const struct test_bytes *file)
{
    unsigned char *copy = test_bytes_copy(file->data, file->n);
    const bp_status status = bp_trainer_restore_memory(&small->trainer, copy, file->n);
    free(copy);
    return status;
}

static bool is_reason(bp_status status)
{
    return status == BP_ERR_FORMAT || status == BP_ERR_ARGUMENT || status == BP_ERR_SHAPE || status == BP_ERR_UNSUPPORTED ||
           status == BP_ERR_NONFINITE || status == BP_ERR_TOO_LARGE;
}

/* Refused: nothing has changed. Taken: it goes on to some end, and what it has come to can be saved, but for divergence. */
static void try_damaged(struct small *small, const struct test_bytes *file, struct tally *tally)
{
    bp_real params[32];
    const size_t n_params = small->net.parameters.n_params, n_blocks = small->heap.live_blocks;
    bp_trainer before;
    assert_true(n_params <= COUNT(params));
    memcpy(params, small->net.parameters.params, n_params * sizeof *params);
    memcpy(&before, &small->trainer, sizeof before);
    test_forget_sentence();
    const bp_status status = restore(small, file);
    assert_int_equal(small->heap.live_blocks, n_blocks);
    tally->n++;
    if (status != BP_OK) {
        if (!is_reason(status) || bp_error_message()[0] == '\0')
            fail_msg("status %s: %s", bp_status_string(status), bp_error_message());
        assert_memory_equal(params, small->net.parameters.params, n_params * sizeof *params);
        assert_memory_equal(&before, &small->trainer, sizeof before);
        return;
    }
    tally->n_accepted++;
    const bp_status end = bp_trainer_run(&small->trainer, NULL);
    assert_true(small->trainer.is_done);
    assert_true(end == BP_OK || end == BP_ERR_DIVERGED || end == BP_ERR_ARGUMENT || end == BP_ERR_NONFINITE);
    if (end == BP_OK && small->opt.n_steps < UINT64_C(1) << 53) { /* beyond, steps are not counted exactly */
        struct test_bytes again = save_small(small);
        run_check(restore(small, &again));
        test_bytes_clear(&again);
    }
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct tally tally = { 0 };
        struct small small;
        struct test_bytes file = checkpoint_of(&kinds[k]);
        make_small(&small, &kinds[k]);
        for (struct test_bytes cut = file; cut.n-- > 0;)
            try_damaged(&small, &cut, &tally);
        test_bytes_append(&file, " ", 1);
        try_damaged(&small, &file, &tally);
        assert_int_equal(tally.n_accepted, 0);
        test_bytes_clear(&file);
        free_small(&small);
    }
}

static void flip(struct test_bytes *file, size_t bit)
{
    file->data[bit / 8] ^= (unsigned char)(1U << bit % 8);
}

static void flipped_bits_are_refused(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct tally tally = { 0 };
        struct small small;
        struct test_bytes file = checkpoint_of(&kinds[k]);
        make_small(&small, &kinds[k]);
        for (size_t bit = k; bit < 8 * file.n; bit += stride(k, 3)) {
            flip(&file, bit);
            try_damaged(&small, &file, &tally);
            flip(&file, bit);
        }
        assert_int_equal(tally.n_accepted, 0);
        run_check(restore(&small, &file));
        test_bytes_clear(&file);
        free_small(&small);
    }
}

/* Where the key of the checksum itself was hit there is nothing to mend. */
static void a_flipped_bit_with_the_checksum_mended_is_refused_or_goes_on(void **state)
{
    (void)state;
    struct tally tally = { 0 };
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct small small;
        struct test_bytes file = checkpoint_of(&kinds[k]);
        make_small(&small, &kinds[k]);
        for (size_t bit = k; bit < 8 * file.n; bit += stride(k, 1)) {
            unsigned char *copy = test_bytes_copy(file.data, file.n);
            flip(&file, bit);
            (void)run_mend(&file);
            try_damaged(&small, &file, &tally);
            memcpy(file.data, copy, file.n);
            free(copy);
        }
        test_bytes_clear(&file);
        free_small(&small);
    }
    assert_true(tally.n_accepted > 0 && tally.n_accepted < tally.n);
}

/* ---- Numbers of the header ------------------------------------------------------------------------------------------- */

static size_t header_length(const struct test_bytes *file)
{
    size_t n = 0;
    for (size_t i = 8; i-- > 0;)
        n = n << 8 | file->data[i];
    return n;
}

/* The file with n bytes of its header, from `at` of the file on, made `text`: its length and checksum right again. */
static struct test_bytes with_text(const struct test_bytes *file, size_t at, size_t n, const char *text)
{
    struct test_bytes changed = { 0 };
    const size_t length = header_length(file);
    test_bytes_append(&changed, file->data, at);
    test_bytes_append_text(&changed, text);
    test_bytes_append(&changed, file->data + at + n, 8 + length - at - n);
    while (changed.data[changed.n - 1] == ' ')
        changed.n--;
    while (changed.n % 8 != 0)
        test_bytes_append_text(&changed, " ");
    for (size_t i = 0; i < 8; i++)
        changed.data[i] = (unsigned char)((changed.n - 8) >> 8 * i & 255U);
    test_bytes_append(&changed, file->data + 8 + length, file->n - 8 - length);
    (void)run_mend(&changed);
    return changed;
}

static const char *const boundaries[] = {
    "",
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "10",
    "12",
    "-1",
    "-0",
    "+1",
    "0",
    "1",
    " 1",
    "01",
    "1.5",
    "1e0",
    "0x1",
    "nan",
    "inf",
    "-inf",
    "1e300",
    "1e-300",
    "1e38",
    "3.5e38",
    "1e309",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "0.30000000000000000000000000000001",
    "1 2",
    "\\u0031",
    "9\\\"",
};

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

/* Of a number as such: with a sign, a point and an exponent where they belong to it. */
static bool is_of_number(unsigned char c)
{
    return is_digit(c) || c == '.' || c == '-';
}

static void boundary_values_at_every_number_are_refused_or_go_on(void **state)
{
    (void)state;
    struct tally tally = { 0 };
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct small small;
        struct test_bytes file = checkpoint_of(&kinds[k]);
        make_small(&small, &kinds[k]);
        const size_t end = 8 + header_length(&file);
        for (size_t at = 8, n; at < end; at += n) {
            for (n = 0; at + n < end && is_of_number(file.data[at + n]);)
                n++;
            for (size_t b = at % stride(k, 1); n > 0 && b < COUNT(boundaries); b += stride(k, 1)) {
                struct test_bytes changed = with_text(&file, at, n, boundaries[b]);
                try_damaged(&small, &changed, &tally);
                test_bytes_clear(&changed);
            }
            n = n > 0 ? n : 1;
        }
        test_bytes_clear(&file);
        free_small(&small);
    }
    assert_true(tally.n_accepted > 0 && tally.n_accepted < tally.n);
}

/* ---- One thing wrong, and its sentence ------------------------------------------------------------------------------- */

/* Where the value of an entry begins; *n: its length. */
static size_t find_value(const struct test_bytes *file, const char *key, size_t *n)
{
    char quoted[128];
    const size_t n_key = (size_t)snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
    for (size_t i = 0; i + n_key < file->n; i++) {
        if (memcmp(file->data + i, quoted, n_key) != 0)
            continue;
        for (*n = 0; file->data[i + n_key + *n] != '"';)
            ++*n;
        return i + n_key;
    }
    fail_msg("there is no %s", key);
    return 0;
}

static void entries_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t kind;
        const char *key, *value;
        bp_status status;
        const char *what;
    } cases[] = {
        { 0, "bp.train.reason", "1", BP_ERR_FORMAT, "bp.train.reason is 1, expected the end of an epoch" },
        { 0, "bp.train.reason", "2", BP_ERR_FORMAT, "bp.train.reason is 2, expected the end of an epoch" },
        { 0, "bp.train.reason", "4", BP_ERR_FORMAT, "bp.train.reason is 4, which no checkpoint has" },
        { 0, "bp.train.reason", "5", BP_ERR_FORMAT, "bp.train.reason is 5, which no checkpoint has" },
        { 0, "bp.train.reason", "6", BP_ERR_FORMAT, "bp.train.reason is 6, expected the end of an epoch with validation" },
        { 1, "bp.train.reason", "6", BP_ERR_FORMAT, "bp.train.reason is 6, expected the end of an epoch with validation" },
        { 0, "bp.train.reason", "8", BP_ERR_FORMAT, "bp.train.reason is 8, which no checkpoint has" },
        { 0, "bp.train.reason", "18446744073709551615", BP_ERR_FORMAT, "bp.train.reason" },
        { 0, "bp.train.epochs_done", "3", BP_ERR_ARGUMENT, "has come to epoch 4, this run has 3 epochs" },
        { 0, "bp.train.epochs_done", "9007199254740992", BP_ERR_ARGUMENT, "this run has 3 epochs" },
        { 0, "bp.train.steps_done", "3", BP_ERR_FORMAT, "bp.train.steps_done is 3, more than an epoch has" },
        { 0, "bp.train.optimizer_steps", "2", BP_ERR_FORMAT, "bp.train.optimizer_steps is 2, fewer than the run has done" },
        { 0, "bp.train.optimizer_steps", "9007199254740993", BP_ERR_FORMAT, "bp.train.optimizer_steps" },
        { 0, "bp.train.best_epoch", "2", BP_ERR_FORMAT, "bp.train.best_epoch is 2, more than there are with validation" },
        { 1, "bp.train.best_epoch", "1", BP_ERR_FORMAT, "bp.train.best_epoch is 1, more than there are with validation" },
        { 0, "bp.train.best_epoch", "0", BP_ERR_FORMAT, "bp.train.best_epoch is 0, which does not go with" },
        { 0, "bp.train.best_loss", "inf", BP_ERR_FORMAT, "bp.train.best_epoch is 1, which does not go with" },
        { 0, "bp.train.best_loss", "nan", BP_ERR_FORMAT, "bp.train.best_loss is nan, expected a finite number or inf" },
        { 0, "bp.train.best_loss", "-inf", BP_ERR_FORMAT, "bp.train.best_loss is -inf, expected a finite number or inf" },
        { 0, "bp.train.loss_to_beat", "nan", BP_ERR_FORMAT,
          "bp.train.loss_to_beat is nan, expected a finite number or inf" },
        { 0, "bp.train.plateau.best", "inf", BP_ERR_FORMAT, "bp.train.plateau.best is inf, expected a finite number" },
        { 0, "bp.train.epochs_without_improvement", "2", BP_ERR_FORMAT, "bp.train.epochs_without_improvement is 2, more" },
        { 1, "bp.train.epochs_without_improvement", "1", BP_ERR_FORMAT, "bp.train.epochs_without_improvement is 1, more" },
        { 0, "bp.train.epoch_weight", "-1", BP_ERR_FORMAT, "bp.train.epoch_weight is -1, expected a number >= 0" },
        { 0, "bp.train.epoch_weight", "nan", BP_ERR_FORMAT, "bp.train.epoch_weight is nan, expected a number >= 0" },
        { 0, "bp.train.base_rate", "-1", BP_ERR_FORMAT, "bp.train.base_rate is -1, expected a finite number >= 0" },
        { 0, "bp.train.base_rate", "inf", BP_ERR_FORMAT, "bp.train.base_rate is inf, expected a finite number >= 0" },
        { 0, "bp.train.last_learning_rate", "nan", BP_ERR_FORMAT, "bp.train.last_learning_rate is nan" },
        { 0, "bp.train.plateau.factor", "1.5", BP_ERR_FORMAT,
          "bp.train.plateau.factor is 1.5, expected a number from 0 to 1" },
        { 0, "bp.train.plateau.factor", "-1", BP_ERR_FORMAT,
          "bp.train.plateau.factor is -1, expected a number from 0 to 1" },
        { 0, "bp.train.nadam_product", "2", BP_ERR_FORMAT, "bp.train.nadam_product is 2, expected a number from 0 to 1" },
        { 0, "bp.train.nadam_product", "0.5", BP_ERR_FORMAT, "bp.train.nadam_product is 0.5, expected 1: these settings" },
        { 1, "bp.train.good.nadam_product", "0", BP_ERR_FORMAT, "bp.train.good.nadam_product is 0, expected 1: these" },
        { 2, "bp.train.rprop_loss", "0.5", BP_ERR_FORMAT, "bp.train.rprop_loss is 0.5, expected 0: these settings" },
        { 0, "bp.train.good.rprop_loss", "-1", BP_ERR_FORMAT, "bp.train.good.rprop_loss is -1, expected 0: these" },
        { 1, "bp.train.plateau.best", "1", BP_ERR_FORMAT, "bp.train.plateau.best is 1, expected" },
        { 1, "bp.train.plateau.factor", "0.5", BP_ERR_FORMAT, "bp.train.plateau.factor is 0.5, expected 1: these" },
        { 1, "bp.train.plateau.waited", "1", BP_ERR_FORMAT, "bp.train.plateau.waited is 1, expected 0: these settings" },
        { 2, "bp.train.plateau.cooling", "1", BP_ERR_FORMAT, "bp.train.plateau.cooling is 1, expected 0: these settings" },
        { 0, "bp.train.good.rprop_loss", "inf", BP_ERR_FORMAT,
          "bp.train.good.rprop_loss is inf, expected a finite number" },
        { 0, "bp.train.last_loss", "x", BP_ERR_FORMAT, "bp.train.last_loss" },
        { 0, "bp.train.batch", "", BP_ERR_ARGUMENT, "bp.train.batch is '' in the checkpoint, '2' in this run" },
        { 0, "bp.kind", "chessboard", BP_ERR_FORMAT, "bp.kind" },
    };
    for (size_t c = 0; c < COUNT(cases); c++) {
        struct small small;
        struct test_bytes file = checkpoint_of(&kinds[cases[c].kind]);
        make_small(&small, &kinds[cases[c].kind]);
        size_t n = 0;
        const size_t at = find_value(&file, cases[c].key, &n);
        struct test_bytes changed = with_text(&file, at, n, cases[c].value);
        assert_refused(restore(&small, &changed), cases[c].status, cases[c].what);
        test_bytes_clear(&file);
        test_bytes_clear(&changed);
        free_small(&small);
    }
}

/* A callback ends a run after some step: not before the first, and the end of its epoch is not left out. */
static void a_callback_has_a_step_before_it(void **state)
{
    (void)state;
    static const char *const steps[] = { "0", "1", "2" };
    for (size_t s = 0; s < COUNT(steps); s++) {
        struct small_kind kind = kinds[0];
        struct small small;
        kind.steps = 1;
        struct test_bytes file = checkpoint_of(&kind);
        make_small(&small, &kind);
        size_t n = 0, at = find_value(&file, "bp.train.reason", &n);
        struct test_bytes stopped = with_text(&file, at, n, "3");
        at = find_value(&stopped, "bp.train.optimizer_steps", &n);
        struct test_bytes stepped = with_text(&stopped, at, n, "9");
        at = find_value(&stepped, "bp.train.steps_done", &n);
        struct test_bytes changed = with_text(&stepped, at, n, steps[s]);
        test_bytes_clear(&stepped);
        if (s == 1) {
            run_check(restore(&small, &changed));
            assert_true(small.trainer.is_done);
        } else {
            assert_refused(restore(&small, &changed), BP_ERR_FORMAT, "bp.train.reason is 3, expected a step before it");
        }
        test_bytes_clear(&file);
        test_bytes_clear(&stopped);
        test_bytes_clear(&changed);
        free_small(&small);
    }
}

/* Renames an entry, or what a tensor is called, in place: the quotes belong to it. */
static void rename_in(struct test_bytes *file, const char *from, const char *to)
{
    const size_t n = strlen(from);
    size_t n_found = 0;
    for (size_t i = 8; i + n <= file->n; i++) {
        if (memcmp(file->data + i, from, n) == 0) {
            memcpy(file->data + i, to, n);
            n_found++;
        }
    }
    assert_int_equal(n_found, 1);
    (void)run_mend(file);
}

static void missing_and_unknown_parts_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t kind;
        const char *from, *to, *what;
    } cases[] = {
        { 0, "\"bp.train.seed\"", "\"bp.train.sees\"", "bp.train.seed: expected '3' as in this run, found no such entry" },
        { 0, "\"bp.train.epoch_loss\"", "\"bp.train.epoch_lost\"", "bp.train.epoch_loss" },
        { 0, "\"bp.train.best_epoch\"", "\"bp.train.best_epocs\"", "bp.train.best_epoch" },
        { 0, "\"note\"", "\"bp.n\"", "bp.n" },
        { 0, "\"train.order\"", "\"train.ordes\"", "train.order" },
        { 0, "\"train.generator\"", "\"train.generatos\"", "train.generator" },
        { 0, "\"train.optimizer\"", "\"train.optimizes\"", "train.optimizer" },
        { 0, "\"train.good.state\"", "\"train.good.stats\"", "train.good.state" },
        { 0, "\"train.best.params\"", "\"train.best.parass\"", "train.best.params" },
        { 0, "\"train.losses\"", "\"train.losess\"", "train.losses" },
        { 1, "\"train.milestones\"", "\"train.milestonez\"", "train.milestones" },
    };
    for (size_t c = 0; c < COUNT(cases); c++) {
        struct small small;
        struct test_bytes file = checkpoint_of(&kinds[cases[c].kind]);
        make_small(&small, &kinds[cases[c].kind]);
        rename_in(&file, cases[c].from, cases[c].to);
        assert_refused(restore(&small, &file), BP_ERR_FORMAT, cases[c].what);
        test_bytes_clear(&file);
        free_small(&small);
    }
}

static void entries_too_many_are_refused(void **state)
{
    (void)state;
    struct small small;
    struct test_bytes file = checkpoint_of(&kinds[0]);
    make_small(&small, &kinds[0]);
    size_t n = 0;
    const size_t at = find_value(&file, "bp.train.seed", &n);
    struct test_bytes changed = with_text(&file, at + n, 0, "\",\"bp.train.more\":\"");
    assert_refused(restore(&small, &changed), BP_ERR_FORMAT, "bp.train.more");
    test_bytes_clear(&file);
    test_bytes_clear(&changed);
    free_small(&small);
}

/* ---- Tensors --------------------------------------------------------------------------------------------------------- */

/* The data of a tensor, by the offsets that its description has; *n: bytes. */
static unsigned char *find_data(const struct test_bytes *file, const char *name, size_t *n)
{
    char quoted[64];
    const size_t n_name = (size_t)snprintf(quoted, sizeof quoted, "\"%s\":{", name), length = header_length(file);
    for (size_t i = 8; i + n_name < 8 + length; i++) {
        if (memcmp(file->data + i, quoted, n_name) != 0)
            continue;
        char text[256] = "";
        memcpy(text, file->data + i, sizeof text - 1);
        const char *offsets = strstr(text, "\"data_offsets\":[");
        assert_non_null(offsets);
        char *behind;
        const size_t begin = strtoul(offsets + strlen("\"data_offsets\":["), &behind, 10);
        *n = strtoul(behind + 1, NULL, 10) - begin;
        return file->data + 8 + length + begin;
    }
    fail_msg("there is no tensor %s", name);
    return NULL;
}

static void numbers_of_tensors_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = { "train.optimizer",      "train.good.params", "train.good.state",
                                         "train.good.optimizer", "train.best.params", "train.best.state" };
    static const bp_real values[] = { R(NAN), R(INFINITY), R(-INFINITY) };
    struct small small;
    make_small(&small, &kinds[0]);
    for (size_t t = 0; t < COUNT(names); t++) {
        for (size_t v = 0; v < COUNT(values); v++) {
            struct test_bytes file = checkpoint_of(&kinds[0]);
            size_t n = 0;
            unsigned char *data = find_data(&file, names[t], &n);
            memcpy(data + n - sizeof *values, &values[v], sizeof *values); /* the last */
            (void)run_mend(&file);
            assert_refused(restore(&small, &file), BP_ERR_NONFINITE, names[t], v == 0 ? "nan" : "inf");
            test_bytes_clear(&file);
        }
    }
    free_small(&small);
}

/* Adam's means of the gradient may be; of the first number of each array is tried. */
static void mean_squares_below_0_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = { "train.optimizer", "train.good.optimizer" };
    const bp_real below = -R(1) / 8;
    struct small small;
    make_small(&small, &kinds[0]);
    for (size_t t = 0; t < COUNT(names); t++) {
        struct test_bytes file = checkpoint_of(&kinds[0]);
        size_t n = 0;
        unsigned char *data = find_data(&file, names[t], &n);
        memcpy(data, &below, sizeof below);
        (void)run_mend(&file);
        run_check(restore(&small, &file));
        memcpy(data + n / 2, &below, sizeof below);
        (void)run_mend(&file);
        assert_refused(restore(&small, &file), BP_ERR_FORMAT, names[t], "is -0.125, expected none below 0 there");
        test_bytes_clear(&file);
    }
    free_small(&small);
}

/* Losses of the past are told as they are, and influence nothing. */
static void losses_of_the_history_may_be_anything(void **state)
{
    (void)state;
    struct small small;
    make_small(&small, &kinds[0]);
    struct test_bytes file = checkpoint_of(&kinds[0]);
    size_t n = 0;
    unsigned char *data = find_data(&file, "train.validation_scores", &n);
    memset(data, 255, n);
    (void)run_mend(&file);
    run_check(restore(&small, &file));
    assert_true(isnan(small.trainer.report.validation_scores[0]));
    test_bytes_clear(&file);
    free_small(&small);
}

/* Sets number i of a tensor of U64, and has it refused. */
static void assert_u64_refused(const struct small_kind *kind, const char *name, size_t i, uint64_t value, bp_status status,
                               const char *what)
{
    struct small small;
    struct test_bytes file = checkpoint_of(kind);
    size_t n = 0;
    make_small(&small, kind);
    unsigned char *data = find_data(&file, name, &n);
    assert_true(8 * i < n);
    for (size_t k = 0; k < 8; k++)
        data[8 * i + k] = (unsigned char)(value >> 8 * k & 255U);
    (void)run_mend(&file);
    assert_refused(restore(&small, &file), status, what);
    test_bytes_clear(&file);
    free_small(&small);
}

static void orders_that_are_none_are_refused(void **state)
{
    (void)state;
    struct test_bytes file = checkpoint_of(&kinds[0]);
    size_t n = 0;
    const unsigned char *data = find_data(&file, "train.order", &n);
    const uint64_t first = data[0];
    test_bytes_clear(&file);
    assert_u64_refused(&kinds[0], "train.order", 3, ROWS, BP_ERR_FORMAT,
                       "entry 3 of tensor 'train.order' is 9, expected each");
    assert_u64_refused(&kinds[0], "train.order", 0, UINT64_MAX, BP_ERR_FORMAT, "entry 0 of tensor 'train.order'");
    assert_u64_refused(&kinds[0], "train.order", 4, first, BP_ERR_FORMAT, "entry 4 of tensor 'train.order'");
    assert_u64_refused(&kinds[2], "train.order", 0, 1, BP_ERR_ARGUMENT, "the rows were split otherwise: entry 0 is row 1");
    assert_u64_refused(&kinds[1], "train.milestones", 1, 4, BP_ERR_ARGUMENT, "milestone 1 is 4 in the checkpoint, 3 in");
}

static void a_generator_of_zeros_is_refused(void **state)
{
    (void)state;
    struct small small;
    struct test_bytes file = checkpoint_of(&kinds[0]);
    size_t n = 0;
    unsigned char *data = find_data(&file, "train.generator", &n);
    make_small(&small, &kinds[0]);
    memset(data, 0, n);
    data[31] = 1;
    (void)run_mend(&file);
    run_check(restore(&small, &file));
    data[31] = 0;
    (void)run_mend(&file);
    assert_refused(restore(&small, &file), BP_ERR_FORMAT, "train.generator", "all zeros");
    test_bytes_clear(&file);
    free_small(&small);
}

/* ---- Memory that fails ----------------------------------------------------------------------------------------------- */

static void every_failing_allocation_leaves_all_as_it_was(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct small small;
        struct test_bytes file = checkpoint_of(&kinds[k]);
        make_small(&small, &kinds[k]);
        struct test_bytes before = save_small(&small);
        const size_t n_blocks = small.heap.live_blocks;
        bp_status status = BP_ERR_MEMORY;
        size_t n_saving = 0, n_restoring = 0;
        for (; status == BP_ERR_MEMORY; n_saving++) {
            bp_bytes saved;
            small.heap.fail_at = small.heap.n_allocs + n_saving + 1;
            status = bp_trainer_save_memory(&small.trainer, &saved);
            assert_true((status == BP_OK) == (saved.data != NULL));
            bp_bytes_free(&saved);
            assert_int_equal(small.heap.live_blocks, n_blocks);
        }
        run_check(status);
        for (status = BP_ERR_MEMORY; status == BP_ERR_MEMORY; n_restoring++) {
            small.heap.fail_at = 0;
            struct test_bytes now = save_small(&small);
            assert_true(now.n == before.n && memcmp(now.data, before.data, now.n) == 0);
            test_bytes_clear(&now);
            small.heap.fail_at = small.heap.n_allocs + n_restoring + 1;
            status = restore(&small, &file);
            assert_int_equal(small.heap.live_blocks, n_blocks);
        }
        run_check(status);
        assert_true(n_saving > 5 && n_restoring > 5);
        small.heap.fail_at = 0;
        test_bytes_clear(&file);
        test_bytes_clear(&before);
        free_small(&small);
    }
}

/* The same for paths: the old file stays, and there is none beside it. */
static void every_failing_allocation_leaves_the_old_file(void **state)
{
    (void)state;
    struct small small;
    struct test_bytes old = checkpoint_of(&kinds[1]);
    char path[1024];
    (void)snprintf(path, sizeof path, "%s", test_file(old.data, old.n));
    make_small(&small, &kinds[0]);
    struct test_bytes expected = save_small(&small);
    const size_t n_blocks = small.heap.live_blocks;
    bp_status status = BP_ERR_MEMORY;
    for (size_t n = 1; status == BP_ERR_MEMORY; n++) {
        small.heap.fail_at = small.heap.n_allocs + n;
        status = bp_trainer_save(&small.trainer, path);
        small.heap.fail_at = 0;
        struct test_bytes now = test_file_content(path);
        const struct test_bytes *is = status == BP_OK ? &expected : &old;
        assert_true(now.n == is->n && memcmp(now.data, is->data, now.n) == 0);
        assert_int_equal(small.heap.live_blocks, n_blocks);
        test_bytes_clear(&now);
    }
    run_check(status);
    for (size_t n = 1, status_is_ok = 0; !status_is_ok; n++) {
        small.heap.fail_at = small.heap.n_allocs + n;
        status = bp_trainer_restore(&small.trainer, path);
        small.heap.fail_at = 0;
        assert_true(status == BP_OK || status == BP_ERR_MEMORY);
        assert_int_equal(small.heap.live_blocks, n_blocks);
        status_is_ok = status == BP_OK;
    }
    assert_int_equal(remove(path), 0);
    test_bytes_clear(&old);
    test_bytes_clear(&expected);
    free_small(&small);
}

/* At most twice the network, 64 KiB, and from a path the bytes of the file. */
static void restoring_takes_little_memory(void **state)
{
    (void)state;
    struct small small;
    struct test_bytes file = checkpoint_of(&kinds[0]);
    const char *path = test_file(file.data, file.n);
    make_small(&small, &kinds[0]);
    small.heap.peak_bytes = small.heap.live_bytes;
    const size_t before = small.heap.live_bytes, network = small.net.parameters.n_params * sizeof(bp_real);
    run_check(restore(&small, &file));
    assert_true(small.heap.peak_bytes - before <= 2 * network + 65536);
    run_check(bp_trainer_restore(&small.trainer, path));
    assert_true(small.heap.peak_bytes - before <= file.n + 2 * network + 65536);
    assert_int_equal(remove(path), 0);
    test_bytes_clear(&file);
    free_small(&small);
}

/* ---- Disks that fail ------------------------------------------------------------------------------------------------- */

#ifdef WRAPS_WRITES

#include <sys/types.h>

static size_t n_calls, fail_call; /* which of the calls below fails, from 1 on; 0: none */

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names
ssize_t __real_write(int file, const void *bytes, size_t n);
int __real_fsync(int file);
int __real_rename(const char *from, const char *to);
ssize_t __wrap_write(int file, const void *bytes, size_t n);
int __wrap_fsync(int file);
int __wrap_rename(const char *from, const char *to);

static bool fails(void)
{
    if (++n_calls != fail_call)
        return false;
    errno = ENOSPC;
    return true;
}

ssize_t __wrap_write(int file, const void *bytes, size_t n)
{
    if (fail_call == 0)
        return __real_write(file, bytes, n);
    return fails() ? -1 : __real_write(file, bytes, n > 1000 ? 1000 : n); /* short ones, too */
}

int __wrap_fsync(int file)
{
    return fail_call != 0 && fails() ? -1 : __real_fsync(file);
}

int __wrap_rename(const char *from, const char *to)
{
    return fail_call != 0 && fails() ? -1 : __real_rename(from, to);
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

static void every_failing_write_leaves_the_old_file(void **state)
{
    (void)state;
    struct small small;
    struct test_bytes old = checkpoint_of(&kinds[1]);
    char path[1024];
    (void)snprintf(path, sizeof path, "%s", test_file(old.data, old.n));
    make_small(&small, &kinds[0]);
    run_check(bp_trainer_run(&small.trainer, &(bp_run_limit){ .steps = 2 }));
    struct test_bytes expected = save_small(&small);
    size_t n_failures = 0;
    for (bp_status status = BP_ERR_IO; status == BP_ERR_IO; n_failures++) {
        fail_call = n_failures + 1;
        n_calls = 0;
        status = bp_trainer_save(&small.trainer, path);
        const bool has_failed = n_calls >= fail_call;
        fail_call = 0;
        struct test_bytes now = test_file_content(path);
        const struct test_bytes *is = status == BP_OK ? &expected : &old;
        assert_true(has_failed || status == BP_OK); /* the folder's own sync may fail, and is let pass */
        assert_true(now.n == is->n && memcmp(now.data, is->data, now.n) == 0);
        test_bytes_clear(&now);
    }
    assert_true(n_failures > 4); /* writes of 1000 bytes, sync, rename */
    assert_int_equal(remove(path), 0);
    test_bytes_clear(&old);
    test_bytes_clear(&expected);
    free_small(&small);
}

#else

static void every_failing_write_leaves_the_old_file(void **state)
{
    (void)state;
    skip();
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(flipped_bits_are_refused),
        cmocka_unit_test(a_flipped_bit_with_the_checksum_mended_is_refused_or_goes_on),
        cmocka_unit_test(boundary_values_at_every_number_are_refused_or_go_on),
        cmocka_unit_test(entries_that_cannot_be_are_refused),
        cmocka_unit_test(a_callback_has_a_step_before_it),
        cmocka_unit_test(missing_and_unknown_parts_are_refused),
        cmocka_unit_test(entries_too_many_are_refused),
        cmocka_unit_test(numbers_of_tensors_that_are_not_finite_are_refused),
        cmocka_unit_test(mean_squares_below_0_are_refused),
        cmocka_unit_test(losses_of_the_history_may_be_anything),
        cmocka_unit_test(orders_that_are_none_are_refused),
        cmocka_unit_test(a_generator_of_zeros_is_refused),
        cmocka_unit_test(every_failing_allocation_leaves_all_as_it_was),
        cmocka_unit_test(every_failing_allocation_leaves_the_old_file),
        cmocka_unit_test(restoring_takes_little_memory),
        cmocka_unit_test(every_failing_write_leaves_the_old_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
