// SPDX-License-Identifier: MIT
/*
 * What must be the same in a checkpoint and in the run that goes on with it, as text. One function writes it; checking makes
 * the run's own text once more and compares, so that nothing that is written can be left unchecked.
 */
#include "train/checkpoint.h"

#include <string.h>

#include "base/status.h"
#include "math/loss.h"
#include "store/text.h"

/* ---- As text --------------------------------------------------------------------------------------------------------- */

static void put_real(struct bpi_contents *contents, const char *key, bp_real value)
{
    bpi_contents_reals(contents, key, &value, 1);
}

static void put_flag(struct bpi_contents *contents, const char *key, bool value)
{
    bpi_contents_text(contents, key, value ? "true" : "false");
}

static void put_data(struct bpi_contents *contents, const struct bp_trainer_run *run)
{
    const bp_train_config *config = &run->config;
    const bool splits = config->validation_fraction > (bp_real)0;
    bpi_contents_u64(contents, "bp.train.rows", run->data.rows);
    bpi_contents_text(contents, "bp.train.targets", run->data.labels.data != NULL ? "labels" : "values");
    put_flag(contents, "bp.train.weights", run->data.weights.data != NULL);
    bpi_contents_text(contents, "bp.train.validation", splits ? "split" : run->validates ? "data" : "none");
    bpi_contents_u64(contents, "bp.train.validation_rows", run->evaluation.batches.n_rows);
    put_real(contents, "bp.train.validation_fraction", config->validation_fraction);
    put_flag(contents, "bp.train.stratified", config->stratified);
}

static void put_steps(struct bpi_contents *contents, const struct bp_trainer_run *run)
{
    bpi_contents_u64(contents, "bp.train.batch", run->batches.batch);
    bpi_contents_u64(contents, "bp.train.accumulate", run->accumulate);
    put_flag(contents, "bp.train.keep_order", run->config.keep_order);
    bpi_contents_u64(contents, "bp.train.seed", run->config.seed);
    put_real(contents, "bp.train.input_noise", run->config.input_noise);
}

static void put_loss(struct bpi_contents *contents, const struct bp_trainer_run *run)
{
    const bp_loss *loss = &run->config.loss;
    const size_t n_classes = bpi_loss_n_classes(bpi_loss(loss->kind), run->net->n_out);
    bpi_contents_text(contents, "bp.train.loss", bp_loss_name(loss->kind));
    bpi_contents_text(contents, "bp.train.loss.reduction", loss->reduction == BP_REDUCE_MEAN ? "mean" : "sum");
    put_real(contents, "bp.train.loss.parameter", bpi_loss_parameter(loss));
    put_real(contents, "bp.train.loss.label_smoothing", loss->label_smoothing);
    bpi_contents_reals(contents, "bp.train.loss.class_weights", loss->class_weights,
                       loss->class_weights != NULL ? n_classes : 0);
    bpi_contents_text(contents, "bp.train.loss.custom", loss->custom != NULL ? loss->custom->name : "");
}

static void put_schedule(struct bpi_contents *contents, const bp_schedule *schedule)
{
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        { "bp.train.schedule.gamma", schedule->gamma },
        { "bp.train.schedule.minimum", schedule->minimum },
        { "bp.train.schedule.power", schedule->power },
        { "bp.train.schedule.maximum", schedule->maximum },
        { "bp.train.schedule.warmup_fraction", schedule->warmup_fraction },
        { "bp.train.schedule.div_factor", schedule->div_factor },
        { "bp.train.schedule.final_div_factor", schedule->final_div_factor },
        { "bp.train.schedule.threshold", schedule->threshold },
    };
    bpi_contents_text(contents, "bp.train.schedule", bp_schedule_name(schedule->kind));
    put_flag(contents, "bp.train.schedule.by_epoch", schedule->by_epoch);
    bpi_contents_u64(contents, "bp.train.schedule.period", schedule->period);
    bpi_contents_u64(contents, "bp.train.schedule.warmup", schedule->warmup);
    bpi_contents_u64(contents, "bp.train.schedule.patience", schedule->patience);
    bpi_contents_u64(contents, "bp.train.schedule.cooldown", schedule->cooldown);
    bpi_contents_u64(contents, "bp.train.schedule.milestones", schedule->n_milestones);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        bpi_contents_number(contents, numbers[i].key, numbers[i].value);
    if (schedule->n_milestones > 0)
        bpi_contents_tensor(contents, "train.milestones", BPI_U64, 1, (uint64_t[]){ schedule->n_milestones },
                            schedule->milestones);
}

static void put_optimizer(struct bpi_contents *contents, const bp_optimizer_config *settings)
{
    const struct {
        const char *key;
        bp_real value;
    } numbers[] = {
        { "bp.train.optimizer.learning_rate", settings->learning_rate },
        { "bp.train.optimizer.momentum", settings->momentum },
        { "bp.train.optimizer.beta1", settings->beta1 },
        { "bp.train.optimizer.beta2", settings->beta2 },
        { "bp.train.optimizer.momentum_decay", settings->momentum_decay },
        { "bp.train.optimizer.rho", settings->rho },
        { "bp.train.optimizer.epsilon", settings->epsilon },
        { "bp.train.optimizer.weight_decay", settings->weight_decay },
        { "bp.train.optimizer.l1", settings->l1 },
        { "bp.train.optimizer.l2", settings->l2 },
        { "bp.train.optimizer.clip_value", settings->clip_value },
        { "bp.train.optimizer.clip_norm", settings->clip_norm },
        { "bp.train.optimizer.max_norm", settings->max_norm },
    };
    bpi_contents_text(contents, "bp.train.optimizer", bp_optimizer_name(settings->kind));
    put_flag(contents, "bp.train.optimizer.nesterov", settings->nesterov);
    put_flag(contents, "bp.train.optimizer.amsgrad", settings->amsgrad);
    put_flag(contents, "bp.train.optimizer.centered", settings->centered);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        put_real(contents, numbers[i].key, numbers[i].value);
}

#define PRECISION_KEY "bp.train.precision"

void bpi_checkpoint_put_settings(struct bpi_contents *contents, const struct bp_trainer_run *run)
{
    bpi_contents_text(contents, PRECISION_KEY, sizeof(bp_real) == 8 ? "double" : "single");
    put_data(contents, run);
    put_steps(contents, run);
    put_loss(contents, run);
    put_schedule(contents, &run->config.schedule);
    put_optimizer(contents, &run->opt->settings);
}

/* ---- Compared -------------------------------------------------------------------------------------------------------- */

static bp_status compare_entry(const struct bpi_safetensors *st, const char *key, const char *own)
{
    struct bpi_json_string value;
    if (!bpi_safetensors_value(st, key, &value))
        return bpi_fail(BP_ERR_FORMAT, "%s: %s: expected '%s' as in this run, found no such entry", st->name, key, own);
    if (bpi_json_equals(&value, own))
        return BP_OK;
    const struct bpi_quote found = bpi_quote(value.raw, value.n);
    if (strcmp(key, PRECISION_KEY) == 0)
        return bpi_fail(BP_ERR_UNSUPPORTED,
                        "%s: a run of %s precision: this is the library of '%s' precision, whose bits are others", st->name,
                        found.text, own);
    return bpi_fail(BP_ERR_ARGUMENT, "%s: %s is %s in the checkpoint, %s in this run", st->name, key, found.text,
                    bpi_quote(own, strlen(own)).text);
}

static bp_status compare_milestones(const struct bpi_safetensors *st, const bp_schedule *schedule)
{
    const uint64_t *own = schedule->milestones, n = schedule->n_milestones;
    struct bpi_tensor tensor;
    BPI_TRY(bpi_expect_tensor(st, "train.milestones", BPI_U64, 1, &n, &tensor));
    tensor.n = 1; /* one after the other */
    for (uint64_t i = 0; i < n; i++, tensor.bytes += sizeof *own) {
        uint64_t value;
        bpi_tensor_to_u64(&tensor, &value);
        if (value != own[i])
            return bpi_fail(BP_ERR_ARGUMENT, "%s: milestone %llu is %llu in the checkpoint, %llu in this run", st->name,
                            (unsigned long long)i, (unsigned long long)value, (unsigned long long)own[i]);
    }
    return BP_OK;
}

static bp_status compare(const struct bpi_safetensors *st, const struct bp_trainer_run *run, const struct bpi_contents *own)
{
    BPI_TRY(own->status);
    for (size_t i = 0; i < bpi_contents_n_entries(own); i++) {
        const char *key, *value;
        bpi_contents_entry(own, i, &key, &value);
        BPI_TRY(compare_entry(st, key, value));
    }
    return run->config.schedule.n_milestones > 0 ? compare_milestones(st, &run->config.schedule) : BP_OK;
}

bp_status bpi_checkpoint_check_settings(const struct bpi_safetensors *st, const struct bp_trainer_run *run)
{
    struct bpi_contents own = { .allocator = run->allocator };
    bpi_checkpoint_put_settings(&own, run);
    const bp_status status = compare(st, run, &own);
    bpi_contents_release(&own);
    return status;
}
