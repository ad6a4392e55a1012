// SPDX-License-Identifier: MIT
/*
 * The runs of runs.h.
 */
#include "support/runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "backprop/checkpoint.h"
#include "backprop/names.h"

#define R(x) ((bp_real)(x))

/* ---- Kinds ----------------------------------------------------------------------------------------------------------- */

#define REGULARISED                                                                                                        \
    {                                                                                                                      \
        .normalization = BP_BATCH_NORMALIZATION, .dropout = R(0.3)                                                         \
    }
#define CLASSIFIER                                                                                                         \
    {                                                                                                                      \
        .output = BP_SOFTMAX, .normalization = BP_LAYER_NORMALIZATION, .dropout = R(0.2)                                   \
    }
/* 13 rows in batches of 3, two to a step, the last row joined to the batch before it: two steps an epoch. */
#define EVERYTHING                                                                                                         \
    .epochs = 3, .batch = 3, .accumulate = 2, .seed = 9, .input_noise = R(0.1), .validation_fraction = R(0.25),            \
    .scale_inputs = BP_STANDARDISE, .scale_targets = BP_MIN_MAX, .restore_best = true
#define PLAIN .epochs = 3, .batch = 4, .seed = 4, .input_noise = R(0.05)
#define FULL .epochs = 5, .batch = 40, .seed = 2
#define CLASSES .epochs = 3, .batch = 5, .seed = 7, .loss = { .kind = BP_CROSS_ENTROPY, .label_smoothing = R(0.1) }
#define SHORT .epochs = 2, .batch = 4, .seed = 8

static double slower(double base, uint64_t k, void *user)
{
    (void)user;
    return base / (1 + (double)k);
}

static const uint64_t milestones[] = { 1, 4 };
static const bp_real class_weights[] = { R(0.5), R(2) };

const struct run_kind run_kinds[] = {
    { .name = "plain descent", .network = REGULARISED, .config = { PLAIN } },
    { .name = "plain descent, accumulated", .network = REGULARISED, .config = { EVERYTHING } },
    { .name = "momentum", .network = REGULARISED, .rule = { .momentum = R(0.9) }, .config = { EVERYTHING } },
    { .name = "nesterov",
      .network = { .dropout = R(0.5) },
      .rule = { .momentum = R(0.9), .nesterov = true },
      .config = { PLAIN } },
    { .name = "adam", .network = REGULARISED, .rule = { .kind = BP_ADAM }, .config = { EVERYTHING } },
    { .name = "amsgrad",
      .network = REGULARISED,
      .rule = { .kind = BP_ADAM, .amsgrad = true, .l2 = R(0.01) },
      .config = { PLAIN, .keep_order = true } },
    { .name = "adamw",
      .network = REGULARISED,
      .rule = { .kind = BP_ADAMW, .weight_decay = R(0.1) },
      .config = { EVERYTHING } },
    { .name = "adamw with amsgrad", .rule = { .kind = BP_ADAMW, .amsgrad = true }, .config = { SHORT } },
    { .name = "nadam", .network = REGULARISED, .rule = { .kind = BP_NADAM }, .config = { EVERYTHING } },
    { .name = "adagrad",
      .network = REGULARISED,
      .rule = { .kind = BP_ADAGRAD },
      .config = { EVERYTHING, .stratified = true } },
    { .name = "adadelta",
      .network = { .frozen = true, .dropout = R(0.1) },
      .rule = { .kind = BP_ADADELTA },
      .config = { EVERYTHING } },
    { .name = "rmsprop", .network = REGULARISED, .rule = { .kind = BP_RMSPROP }, .config = { SHORT } },
    { .name = "rmsprop, centered",
      .network = REGULARISED,
      .rule = { .kind = BP_RMSPROP, .centered = true },
      .config = { SHORT } },
    { .name = "rmsprop with momentum",
      .network = REGULARISED,
      .rule = { .kind = BP_RMSPROP, .momentum = R(0.5) },
      .config = { SHORT } },
    { .name = "rmsprop with both",
      .network = REGULARISED,
      .rule = { .kind = BP_RMSPROP, .centered = true, .momentum = R(0.5) },
      .config = { EVERYTHING } },
    { .name = "rprop-", .rule = { .kind = BP_RPROP_MINUS }, .config = { FULL } },
    { .name = "rprop+",
      .network = { .dropout = R(0.1) },
      .rule = { .kind = BP_RPROP_PLUS },
      .config = { FULL, .validation_fraction = R(0.3) } },
    { .name = "clipped",
      .network = REGULARISED,
      .rule = { .clip_norm = R(0.1), .clip_value = R(0.5), .max_norm = 1, .l1 = R(0.01) },
      .config = { PLAIN } },
    { .name = "step", .config = { SHORT, .schedule = { BP_SCHEDULE_STEP, .period = 2, .gamma = 0.5 } } },
    { .name = "step by epoch", .config = { PLAIN, .schedule = { BP_SCHEDULE_STEP, .by_epoch = true, .period = 1 } } },
    { .name = "multi-step",
      .rule = { .kind = BP_ADAM },
      .config = { PLAIN, .schedule = { BP_SCHEDULE_MULTI_STEP, .milestones = milestones, .n_milestones = 2 } } },
    { .name = "exponential", .config = { SHORT, .schedule = { BP_SCHEDULE_EXPONENTIAL, .gamma = 0.9 } } },
    { .name = "inverse time", .config = { SHORT, .schedule = { BP_SCHEDULE_INVERSE_TIME, .gamma = 0.1 } } },
    { .name = "polynomial", .config = { SHORT, .schedule = { BP_SCHEDULE_POLYNOMIAL, .period = 7, .power = 2 } } },
    { .name = "cosine",
      .network = REGULARISED,
      .rule = { .kind = BP_ADAM },
      .config = { PLAIN, .schedule = { BP_SCHEDULE_COSINE, .warmup = 3, .period = 11, .minimum = 1e-4 } } },
    { .name = "one cycle", .config = { PLAIN, .schedule = { BP_SCHEDULE_ONE_CYCLE, .period = 15, .maximum = 0.5 } } },
    { .name = "plateau on the training loss",
      .rule = { .learning_rate = R(0.5) },
      .config = { .epochs = 6,
                  .batch = 9,
                  .schedule = { BP_SCHEDULE_PLATEAU, .patience = 1, .threshold = 0.2, .cooldown = 1 } } },
    { .name = "plateau on the validation loss",
      .network = REGULARISED,
      .rule = { .kind = BP_ADAM },
      .config = { .epochs = 6,
                  .batch = 3,
                  .seed = 9,
                  .validation_fraction = R(0.25),
                  .restore_best = true,
                  .schedule = { BP_SCHEDULE_PLATEAU, .patience = 1, .threshold = 0.1 } } },
    { .name = "custom schedule", .config = { SHORT, .schedule = { BP_SCHEDULE_CUSTOM, .custom = slower } } },
    { .name = "patience",
      .network = { .dropout = R(0.4) },
      .rule = { .kind = BP_ADAM, .learning_rate = R(0.2) },
      .config = { .epochs = 12, .batch = 9, .validation_fraction = R(0.3), .patience = 2, .min_improvement = R(0.001) } },
    { .name = "target", .rule = { .kind = BP_ADAM }, .config = { .epochs = 12, .batch = 9, .target_loss = R(0.33) } },
    { .name = "classes",
      .network = CLASSIFIER,
      .rule = { .kind = BP_ADAM },
      .config = { CLASSES },
      .labels = true,
      .weights = true,
      .named = true },
    { .name = "weighted classes, split in proportion",
      .network = CLASSIFIER,
      .rule = { .kind = BP_NADAM },
      .config = { .epochs = 3,
                  .batch = 5,
                  .seed = 7,
                  .validation_fraction = R(0.3),
                  .stratified = true,
                  .loss = { .kind = BP_CROSS_ENTROPY, .class_weights = class_weights } },
      .labels = true },
    { .name = "summed loss, split in order",
      .network = CLASSIFIER,
      .config = { .epochs = 2,
                  .batch = 5,
                  .keep_order = true,
                  .validation_fraction = R(0.3),
                  .loss = { .kind = BP_HUBER, .parameter = R(0.5), .reduction = BP_REDUCE_SUM } },
      .weights = true },
    { .name = "rows of a function",
      .network = REGULARISED,
      .rule = { .kind = BP_ADAM },
      .config = { PLAIN },
      .by_row = true },
    { .name = "validation rows of their own",
      .network = REGULARISED,
      .rule = { .momentum = R(0.5) },
      .config = { PLAIN, .restore_best = true },
      .own_rows = true,
      .named = true },
    { .name = "custom loss", .config = { SHORT, .loss = { .kind = BP_CUSTOM_LOSS } }, .custom_loss = true },
    { .name = "one step an epoch, scaled",
      .rule = { .momentum = R(0.5) },
      .config = { .epochs = 4, .batch = 40, .scale_inputs = BP_MIN_MAX, .scale_targets = BP_STANDARDISE } },
};

const size_t n_run_kinds = sizeof run_kinds / sizeof run_kinds[0];

/* ---- Making ---------------------------------------------------------------------------------------------------------- */

void run_check(bp_status status)
{
    if (status != BP_OK)
        fail_msg("%s: %s", bp_status_string(status), bp_error_message());
}

static double half_squares(size_t n, const bp_real *y, const bp_real *t, void *user, bp_real *dy)
{
    double sum = 0;
    (void)user;
    for (size_t i = 0; i < n; i++) {
        sum += ((double)y[i] - (double)t[i]) * ((double)y[i] - (double)t[i]) / 2;
        if (dy != NULL)
            dy[i] = y[i] - t[i];
    }
    return sum;
}

static bool read_row(size_t row, bp_real *x, bp_real *t, void *user)
{
    const struct bench *bench = user;
    memcpy(x, bench->X + row * BENCH_IN, BENCH_IN * sizeof *x);
    memcpy(t, bench->T + row * BENCH_OUT, BENCH_OUT * sizeof *t);
    return true;
}

static void name(bp_network *net)
{
    run_check(bp_network_set_input_names(net, (const char *const[]){ "L\xc3\xa4nge", "\"", "" }));
    run_check(bp_network_set_class_names(net, (const char *const[]){ "ja", "\xe4\xb8\x8d" }));
    run_check(bp_network_set_metadata(net, "note", "before the run"));
}

void run_prepare(struct run *run, const struct run_kind *kind)
{
    struct bench *bench = &run->bench;
    memset(run, 0, sizeof *run);
    bench_init(bench, kind->rows != 0 ? kind->rows : 18, &kind->network, &kind->rule);
    if (kind->labels)
        bench_show_labels(bench);
    if (kind->weights)
        bench->data.weights = (bp_view){ .data = bench->weights };
    run->watched = bench->data;
    run->watched.rows = 11;
    run->watched.X.data = bench->X + 20 * BENCH_IN;
    run->watched.T.data = bench->T + 20 * BENCH_OUT;
    if (kind->by_row) {
        bench->data.X = bench->data.T = (bp_view){ 0 };
        bench->data.read_row = read_row;
        bench->data.user = bench;
    }
    if (kind->named)
        name(&bench->net);
    run->loss = (bp_loss_function){ "half squares", half_squares, NULL };
}

bp_status run_make(struct run *run, const struct run_kind *kind, const bp_train_config *config)
{
    bp_train_config own = config != NULL ? *config : kind->config;
    if (kind->own_rows)
        own.validation = &run->watched;
    if (kind->custom_loss)
        own.loss.custom = &run->loss;
    return bp_trainer_init(&run->trainer, &run->bench.net, &run->bench.opt, &run->bench.data, &own);
}

void run_start(struct run *run, const struct run_kind *kind)
{
    run_prepare(run, kind);
    run_check(run_make(run, kind, NULL));
}

void run_free(struct run *run)
{
    bp_trainer_free(&run->trainer);
    bench_free(&run->bench);
}

void run_on(struct run *run, uint64_t steps)
{
    run_check(bp_trainer_run(&run->trainer, &(bp_run_limit){ .steps = steps }));
}

/* ---- What they have come to ------------------------------------------------------------------------------------------ */

static void add_reals(struct test_bytes *bytes, const bp_real *x, size_t n)
{
    test_bytes_append(bytes, x, n * sizeof *x);
}

static void add_text(struct test_bytes *bytes, const char *text)
{
    test_bytes_append(bytes, text != NULL ? text : "-", text != NULL ? strlen(text) + 1 : 2);
}

static void add_network(struct test_bytes *bytes, const bp_network *net)
{
    add_reals(bytes, net->parameters.params, net->parameters.n_params);
    add_reals(bytes, net->state, net->n_state);
    test_bytes_append(bytes, &net->scales_inputs, sizeof net->scales_inputs);
    test_bytes_append(bytes, &net->scales_outputs, sizeof net->scales_outputs);
    test_bytes_append(bytes, &net->topology, sizeof net->topology);
    add_reals(bytes, net->in_center, net->n_in);
    add_reals(bytes, net->in_scale, net->n_in);
    add_reals(bytes, net->out_center, net->n_out);
    add_reals(bytes, net->out_scale, net->n_out);
    for (size_t i = 0; net->input_names != NULL && i < net->n_in; i++)
        add_text(bytes, net->input_names[i]);
    for (size_t i = 0; net->class_names != NULL && i < net->n_class_names; i++)
        add_text(bytes, net->class_names[i]);
    for (size_t i = 0; i < net->n_metadata; i++) {
        add_text(bytes, net->metadata[i].key);
        add_text(bytes, net->metadata[i].value);
    }
}

static void add_optimizer(struct test_bytes *bytes, const bp_optimizer *opt)
{
    add_reals(bytes, opt->state, opt->n_state);
    add_reals(bytes, &opt->learning_rate, 1);
    test_bytes_append(bytes, &opt->n_steps, sizeof opt->n_steps);
    test_bytes_append(bytes, opt->scalars, sizeof opt->scalars);
    test_bytes_append(bytes, &opt->clip_factor, sizeof opt->clip_factor);
}

static void add_sizes(struct test_bytes *bytes, const size_t *sizes, size_t n)
{
    test_bytes_append(bytes, sizes, n * sizeof *sizes);
}

static void add_trainer(struct test_bytes *bytes, const bp_trainer *trainer)
{
    const bp_train_report *report = &trainer->report;
    const bp_progress *at = &trainer->progress;
    const size_t sizes[] = { trainer->is_done,   (size_t)report->reason,
                             report->n_epochs,   (size_t)report->n_steps,
                             report->best_epoch, report->epoch,
                             report->step,       at->epoch,
                             at->epochs,         at->step,
                             at->steps,          at->rows_done,
                             at->rows,           at->best_epoch };
    const bp_real reals[] = { report->loss, report->learning_rate, at->loss, at->epoch_loss, at->learning_rate };
    add_sizes(bytes, sizes, sizeof sizes / sizeof sizes[0]);
    add_reals(bytes, reals, sizeof reals / sizeof reals[0]);
    add_reals(bytes, report->losses, report->n_epochs);
    add_reals(bytes, report->learning_rates, report->n_epochs);
    if (report->validation_losses != NULL) {
        add_reals(bytes, report->validation_losses, report->n_epochs);
        add_reals(bytes, report->validation_scores, report->n_epochs);
    }
}

struct test_bytes run_outcome(const struct run *run)
{
    struct test_bytes bytes = { 0 };
    add_network(&bytes, &run->bench.net);
    add_optimizer(&bytes, &run->bench.opt);
    add_trainer(&bytes, &run->trainer);
    return bytes;
}

struct test_bytes run_saved(const struct run *run)
{
    struct test_bytes bytes = { 0 };
    bp_bytes saved;
    run_check(bp_trainer_save_memory(&run->trainer, &saved));
    test_bytes_append(&bytes, saved.data, saved.size);
    bp_bytes_free(&saved);
    return bytes;
}

/* ---- The checksum ---------------------------------------------------------------------------------------------------- */

/* From the polynomial as it is written down: independent of the library's tables. */
static uint32_t crc32_of(const unsigned char *bytes, size_t n)
{
    static uint32_t table[256];
    for (uint32_t i = 0; table[255] == 0 && i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ (0xedb88320U & (0U - (table[i] & 1U)));
    }
    uint32_t crc = 0xffffffffU;
    for (size_t i = 0; i < n; i++)
        crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 255U];
    return ~crc;
}

static unsigned char *find_checksum(const struct test_bytes *file)
{
    static const char key[] = "\"bp.crc32\":\"";
    const size_t n_key = sizeof key - 1;
    for (size_t i = 0; i + n_key + 8 <= file->n; i++)
        if (memcmp(file->data + i, key, n_key) == 0)
            return file->data + i + n_key;
    return NULL;
}

bool run_mend(struct test_bytes *file)
{
    unsigned char *digits = find_checksum(file);
    if (digits == NULL)
        return false;
    memset(digits, '0', 8);
    const uint32_t crc = crc32_of(file->data, file->n);
    for (int i = 0; i < 8; i++)
        digits[i] = (unsigned char)"0123456789abcdef"[crc >> (28 - 4 * i) & 15U];
    return true;
}
