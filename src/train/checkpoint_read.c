// SPDX-License-Identifier: MIT
/*
 * A run back from a file: all is read and checked, and only then is anything changed, by steps that cannot fail.
 */
#include "train/checkpoint.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "model/model_file.h"
#include "optim/rules.h"
#include "store/text.h"
#include "train/epoch.h"
#include "train/snapshot.h"

/* What has been found in a file; tensors are views of it. */
struct found {
    bp_network net;
    struct bpi_position position;
    struct bpi_checkpoint_array arrays[BPI_CHECKPOINT_ARRAYS];
    struct bpi_tensor tensors[BPI_CHECKPOINT_ARRAYS]; /* of those that there are; else zeroed */
    struct bpi_tensor order;                          /* zeroed where rows come as they are */
    bp_rng rng;
};

/* ---- The network ----------------------------------------------------------------------------------------------------- */

static const char *activation_name(const bp_layer *layer)
{
    return layer->custom != NULL ? layer->custom->name : bp_activation_name(layer->activation);
}

static bp_status compare_text(const struct bpi_safetensors *st, size_t l, const char *what, const char *in_file,
                              const char *own)
{
    if (strcmp(in_file, own) != 0)
        return bpi_fail(BP_ERR_SHAPE, "%s: layer %zu: %s is '%s' in the checkpoint, '%s' in the network", st->name, l, what,
                        in_file, own);
    return BP_OK;
}

static bp_status compare_layer(const struct bpi_safetensors *st, size_t l, const bp_layer *in_file, const bp_layer *own)
{
    const struct {
        const char *what;
        double in_file, own;
    } numbers[] = {
        { "n_in", (double)in_file->n_in, (double)own->n_in },
        { "n_out", (double)in_file->n_out, (double)own->n_out },
        { "the parameter of the activation", (double)in_file->parameter, (double)own->parameter },
        { "no_bias", in_file->no_bias, own->no_bias },
        { "frozen", in_file->frozen, own->frozen },
        { "epsilon", (double)in_file->epsilon, (double)own->epsilon },
        { "running_rate", (double)in_file->running_rate, (double)own->running_rate },
        { "dropout", (double)in_file->dropout, (double)own->dropout },
    };
    BPI_TRY(compare_text(st, l, "activation", activation_name(in_file), activation_name(own)));
    BPI_TRY(compare_text(st, l, "normalization", bp_normalization_name(in_file->normalization),
                         bp_normalization_name(own->normalization)));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].in_file != numbers[i].own)
            return bpi_fail(BP_ERR_SHAPE, "%s: layer %zu: %s is %g in the checkpoint, %g in the network", st->name, l,
                            numbers[i].what, numbers[i].in_file, numbers[i].own);
    return BP_OK;
}

static bp_status compare_scaling(const struct bpi_safetensors *st, const char *what, bool in_file, bool own)
{
    if (in_file != own)
        return bpi_fail(BP_ERR_SHAPE, "%s: %s are %s in the checkpoint, but %s in the network", st->name, what,
                        in_file ? "scaled" : "not scaled", own ? "are" : "are not");
    return BP_OK;
}

static bp_status compare_networks(const struct bpi_safetensors *st, const bp_network *in_file, const bp_network *own)
{
    if (in_file->n_layers != own->n_layers)
        return bpi_fail(BP_ERR_SHAPE, "%s: the checkpoint has %zu layers, the network %zu", st->name, in_file->n_layers,
                        own->n_layers);
    for (size_t l = 0; l < own->n_layers; l++)
        BPI_TRY(compare_layer(st, l, &in_file->layers[l], &own->layers[l]));
    BPI_TRY(compare_scaling(st, "inputs", in_file->scales_inputs, own->scales_inputs));
    BPI_TRY(compare_scaling(st, "targets", in_file->scales_outputs, own->scales_outputs));
    assert(in_file->topology == own->topology && in_file->n_state == own->n_state);
    return BP_OK;
}

/* The file's network, its custom activations those of the run's. */
static bp_status read_network(const struct bpi_safetensors *st, const struct bp_trainer_run *run, bp_network *net)
{
    const bp_network *own = run->net;
    // NOLINTNEXTLINE(bugprone-sizeof-expression): of pointers, that is what is meant
    const bp_activation_function **custom = bpi_allocate(&run->allocator, own->n_layers * sizeof *custom);
    size_t n_custom = 0;
    if (custom == NULL)
        return bpi_fail(BP_ERR_MEMORY, "%s: no memory for %zu activations", st->name, own->n_layers);
    for (size_t l = 0; l < own->n_layers; l++)
        if (own->layers[l].custom != NULL)
            custom[n_custom++] = own->layers[l].custom;
    const bp_load_config config = { .custom = custom, .n_custom = n_custom, .allocator = &own->allocator };
    const bp_status status = bpi_model_get(net, st, &config);
    bpi_release(&run->allocator, custom);
    BPI_TRY(status);
    return compare_networks(st, net, own);
}

/* ---- Arrays ---------------------------------------------------------------------------------------------------------- */

/* Tensors are looked at piece by piece, so that this takes no memory. */
enum { PIECE = 256 };

/* The numbers of a tensor from `first` on, at most PIECE of them; returns how many. */
static size_t piece_of_tensor(const struct bpi_tensor *tensor, uint64_t first, size_t size, struct bpi_tensor *piece)
{
    const uint64_t left = tensor->n - first;
    *piece = *tensor;
    piece->bytes += first * size;
    piece->n = left < PIECE ? left : PIECE;
    return (size_t)piece->n;
}

static size_t get_reals(const struct bpi_tensor *tensor, uint64_t first, bp_real values[PIECE])
{
    struct bpi_tensor piece;
    const size_t n = piece_of_tensor(tensor, first, sizeof *values, &piece);
    bpi_tensor_to_reals(&piece, values);
    return n;
}

static size_t get_u64s(const struct bpi_tensor *tensor, uint64_t first, uint64_t values[PIECE])
{
    struct bpi_tensor piece;
    const size_t n = piece_of_tensor(tensor, first, sizeof *values, &piece);
    bpi_tensor_to_u64(&piece, values);
    return n;
}

static bp_status check_finite(const struct bpi_safetensors *st, const char *name, const struct bpi_tensor *tensor)
{
    bp_real values[PIECE];
    for (uint64_t first = 0; first < tensor->n;) {
        const size_t n = get_reals(tensor, first, values);
        for (size_t i = 0; i < n; i++, first++)
            if (!isfinite(values[i]))
                return bpi_fail(BP_ERR_NONFINITE, "%s: number %llu of tensor '%s' is %g", st->name,
                                (unsigned long long)first, name, (double)values[i]);
    }
    return BP_OK;
}

static bp_status check_moments(const struct bpi_safetensors *st, const bp_optimizer *opt, const char *name,
                               const struct bpi_tensor *tensor)
{
    const unsigned not_negative = bpi_rule(opt->settings.kind)->not_negative;
    bp_real values[PIECE];
    for (uint64_t first = 0; first < tensor->n;) {
        const size_t n = get_reals(tensor, first, values);
        for (size_t i = 0; i < n; i++, first++)
            if (values[i] < (bp_real)0 && (not_negative >> first / opt->n_params & 1U) != 0)
                return bpi_fail(BP_ERR_FORMAT, "%s: number %llu of tensor '%s' is %g, expected none below 0 there",
                                st->name, (unsigned long long)first, name, (double)values[i]);
    }
    return BP_OK;
}

static bp_status read_array(const struct bpi_safetensors *st, const bp_optimizer *opt,
                            const struct bpi_checkpoint_array *array, struct bpi_tensor *tensor)
{
    BPI_TRY(bpi_expect_tensor(st, array->name, BPI_DTYPE_REAL, array->n_dims, array->dims, tensor));
    if (array->numbers != BPI_ANY_NUMBERS)
        BPI_TRY(check_finite(st, array->name, tensor));
    return array->numbers == BPI_MOMENTS ? check_moments(st, opt, array->name, tensor) : BP_OK;
}

static bp_status read_arrays(const struct bpi_safetensors *st, const bp_trainer *trainer, struct found *found)
{
    bpi_checkpoint_arrays(trainer, &found->position, found->arrays);
    for (size_t i = 0; i < BPI_CHECKPOINT_ARRAYS; i++) {
        if (bpi_checkpoint_array_size(&found->arrays[i]) == 0)
            continue;
        BPI_TRY(read_array(st, trainer->run->opt, &found->arrays[i], &found->tensors[i]));
    }
    return BP_OK;
}

/* ---- The order of the rows ------------------------------------------------------------------------------------------- */

/* One entry of the order: a row that has not come yet and, where the run has not shuffled, the one that the run has there. */
static bp_status check_row(const struct bpi_safetensors *st, const struct bp_trainer_run *run, size_t i, uint64_t row,
                           unsigned char *seen)
{
    const bool is_shuffled = run->shuffled && i < run->batches.n_rows;
    if (row >= run->data.rows || seen[row])
        return bpi_fail(BP_ERR_FORMAT, "%s: entry %zu of tensor 'train.order' is %llu, expected each of %zu rows once",
                        st->name, i, (unsigned long long)row, run->data.rows);
    if (!is_shuffled && row != run->order[i])
        return bpi_fail(BP_ERR_ARGUMENT,
                        "%s: the rows were split otherwise: entry %zu is row %llu in the checkpoint, %zu in this run",
                        st->name, i, (unsigned long long)row, run->order[i]);
    seen[row] = 1;
    return BP_OK;
}

static bp_status check_rows(const struct bpi_safetensors *st, const struct bp_trainer_run *run,
                            const struct bpi_tensor *order, unsigned char *seen)
{
    uint64_t rows[PIECE];
    for (size_t first = 0; first < run->data.rows;) {
        const size_t n = get_u64s(order, first, rows);
        for (size_t i = 0; i < n; i++)
            BPI_TRY(check_row(st, run, first + i, rows[i], seen));
        first += n;
    }
    return BP_OK;
}

static bp_status read_order(const struct bpi_safetensors *st, const struct bp_trainer_run *run, struct found *found)
{
    if (run->order == NULL)
        return BP_OK;
    BPI_TRY(bpi_expect_tensor(st, "train.order", BPI_U64, 1, (uint64_t[]){ run->data.rows }, &found->order));
    struct bpi_plan plan = { 0 };
    const size_t at = bpi_plan_array(&plan, run->data.rows, 1);
    void *block;
    BPI_TRY(bpi_plan_allocate(&plan, st->name, &run->allocator, &block));
    const bp_status status = check_rows(st, run, &found->order, bpi_place(block, at));
    bpi_release(&run->allocator, block);
    return status;
}

/* All zeros would stay so for ever. */
static bp_status read_generator(const struct bpi_safetensors *st, struct found *found)
{
    struct bpi_tensor tensor;
    uint64_t *state = found->rng.state;
    BPI_TRY(bpi_expect_tensor(st, "train.generator", BPI_U64, 1, (uint64_t[]){ 4 }, &tensor));
    bpi_tensor_to_u64(&tensor, state);
    if ((state[0] | state[1] | state[2] | state[3]) == 0)
        return bpi_fail(BP_ERR_FORMAT, "%s: tensor 'train.generator' is all zeros, which no generator is", st->name);
    return BP_OK;
}

/* ---- All of it ------------------------------------------------------------------------------------------------------- */

/* A file that a network could be made of says what it is. */
static bp_status check_kind(const struct bpi_safetensors *st)
{
    struct bpi_json_string kind = { 0 };
    const bool is_there = bpi_safetensors_value(st, "bp.kind", &kind);
    assert(is_there);
    (void)is_there;
    if (!bpi_json_equals(&kind, "checkpoint"))
        return bpi_fail(BP_ERR_FORMAT, "%s: bp.kind is %s: expected 'checkpoint'", st->name,
                        bpi_quote(kind.raw, kind.n).text);
    return BP_OK;
}

static bp_status read_all(const struct bpi_safetensors *st, const bp_trainer *trainer, struct found *found)
{
    const struct bp_trainer_run *run = trainer->run;
    BPI_TRY(read_network(st, run, &found->net));
    BPI_TRY(check_kind(st));
    BPI_TRY(bpi_checkpoint_check_settings(st, run));
    BPI_TRY(bpi_position_get(st, run, &found->position));
    BPI_TRY(read_generator(st, found));
    BPI_TRY(read_order(st, run, found));
    BPI_TRY(read_arrays(st, trainer, found));
    return bpi_safetensors_check_used(st, "train.", NULL, "bp.train.", NULL);
}

/* ---- Changing -------------------------------------------------------------------------------------------------------- */

static void copy(size_t n, const bp_real *from, bp_real *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[i];
}

/* The same layers, and the same allocator for the names: they change hands. */
static void apply_network(bp_network *from, bp_network *to)
{
    copy(to->parameters.n_params, from->parameters.params, to->parameters.params);
    copy(to->n_state, from->state, to->state);
    copy(to->n_in, from->in_center, to->in_center);
    copy(to->n_in, from->in_scale, to->in_scale);
    copy(to->n_out, from->out_center, to->out_center);
    copy(to->n_out, from->out_scale, to->out_scale);
    const bp_network old = *to;
    to->input_names = from->input_names;
    to->class_names = from->class_names;
    to->metadata = from->metadata;
    to->n_metadata = from->n_metadata;
    from->input_names = old.input_names;
    from->class_names = old.class_names;
    from->metadata = old.metadata;
    from->n_metadata = old.n_metadata;
}

static void apply_arrays(const struct found *found)
{
    for (size_t i = 0; i < BPI_CHECKPOINT_ARRAYS; i++)
        if (found->tensors[i].n > 0)
            bpi_tensor_to_reals(&found->tensors[i], found->arrays[i].values);
}

static void apply_order(const struct bpi_tensor *tensor, size_t *order)
{
    uint64_t rows[PIECE];
    for (size_t first = 0; first < tensor->n;) {
        const size_t n = get_u64s(tensor, first, rows);
        for (size_t i = 0; i < n; i++)
            order[first + i] = (size_t)rows[i];
        first += n;
    }
}

/* A run that its settings had ended, and that the new ones do not, goes on from the end of its last epoch. */
static void reconsider_end(bp_trainer *trainer)
{
    struct bp_trainer_run *run = trainer->run;
    const bool ended_by_itself = trainer->is_done && trainer->report.reason != BP_STOPPED_CALLBACK;
    if (!ended_by_itself || bpi_run_reason_to_stop(run, &trainer->progress) != BP_STOPPED_NOT)
        return;
    bpi_snapshot_return_all(&run->good, run);
    trainer->report.reason = BP_STOPPED_NOT;
    trainer->is_done = false;
}

static void apply(struct found *found, bp_trainer *trainer)
{
    struct bp_trainer_run *run = trainer->run;
    apply_network(&found->net, run->net);
    apply_arrays(found);
    apply_order(&found->order, run->order);
    run->rng = found->rng;
    if (!bpi_position_has_good(&found->position))
        bpi_snapshot_take(&run->good, run);
    bpi_position_apply(&found->position, trainer);
    reconsider_end(trainer);
}

bp_status bpi_checkpoint_read(bp_trainer *trainer, const struct bpi_safetensors *st)
{
    struct found found = { 0 };
    const bp_status status = read_all(st, trainer, &found);
    if (status == BP_OK)
        apply(&found, trainer);
    bp_network_free(&found.net);
    return status;
}
