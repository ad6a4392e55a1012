// SPDX-License-Identifier: MIT
/*
 * The library against the trajectories that PyTorch and NumPy computed (tests/reference, its FORMAT.md fixes the bounds).
 *
 * Which of them the library can compute is decided by one table, from the words of the format to settings. A case with a
 * word that is not in it is not run yet; a second table, of all files, says which cases those are, so that none is left
 * out unnoticed: neither a case that could run, nor a file that nobody has listed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop/network.h"
#include "backprop/optimizer.h"
#include "backprop/propagation.h"
#include "backprop/rng.h"
#include "backprop/schedule.h"
#include "backprop/train.h"
#include "backprop/trainer.h"
#include "backprop/workspace.h"
#include "support/close.h"
#include "support/levels.h"
#include "support/reference.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- The files ------------------------------------------------------------------------------------------------------- */

enum expectation { RUNS, NOT_YET };

/* Every file of the directory. NOT_YET: the library lacks a word of it. */
static const struct listed {
    const char *name;
    enum expectation expectation;
} listed[] = {
    { "activation-elu", RUNS },
    { "activation-gaussian", RUNS },
    { "activation-gelu", RUNS },
    { "activation-gelu_tanh", RUNS },
    { "activation-hard_sigmoid", RUNS },
    { "activation-hard_tanh", RUNS },
    { "activation-identity", RUNS },
    { "activation-leaky_relu", RUNS },
    { "activation-mish", RUNS },
    { "activation-relu", RUNS },
    { "activation-selu", RUNS },
    { "activation-sigmoid", RUNS },
    { "activation-silu", RUNS },
    { "activation-sine", RUNS },
    { "activation-softplus", RUNS },
    { "activation-softsign", RUNS },
    { "activation-tanh", RUNS },
    { "batch-normalization", RUNS },
    { "clip-norm", RUNS },
    { "clip-value", RUNS },
    { "deep", RUNS },
    { "layer-normalization", RUNS },
    { "linear-regression", RUNS },
    { "loss-binary-cross-entropy", RUNS },
    { "loss-cross-entropy", RUNS },
    { "loss-cross-entropy-smoothed", RUNS },
    { "loss-huber", RUNS },
    { "loss-mae", RUNS },
    { "loss-mse-sum", RUNS },
    { "loss-poisson", RUNS },
    { "loss-quantile", RUNS },
    { "loss-softmax-mse", RUNS },
    { "loss-weighted-cross-entropy", RUNS },
    { "loss-weighted-mse", RUNS },
    { "one-row", RUNS },
    { "optimizer-adadelta", RUNS },
    { "optimizer-adagrad", RUNS },
    { "optimizer-adam", RUNS },
    { "optimizer-adam-betas", RUNS },
    { "optimizer-adam-weight-decay", RUNS },
    { "optimizer-adamw", RUNS },
    { "optimizer-amsgrad", RUNS },
    { "optimizer-momentum", RUNS },
    { "optimizer-nadam", RUNS },
    { "optimizer-nesterov", RUNS },
    { "optimizer-rmsprop", RUNS },
    { "optimizer-rmsprop-centered", RUNS },
    { "optimizer-rmsprop-momentum", RUNS },
    { "optimizer-rprop", RUNS },
    { "optimizer-sgd-weight-decay", RUNS },
    { "penalty-l1", RUNS },
    { "penalty-l2", RUNS },
    { "schedule-cosine-warmup", RUNS },
    { "schedule-exponential", RUNS },
    { "schedule-inverse-time", RUNS },
    { "schedule-polynomial", RUNS },
    { "schedule-step", RUNS },
    { "wide", RUNS },
    { "xor-numpy-1", RUNS },
    { "xor-numpy-3", RUNS },
};

/* ---- From words to settings ------------------------------------------------------------------------------------------ */

struct settings {
    size_t n_layers;
    bp_layer_config layers[REFERENCE_MAX_LINES];
    bp_loss loss;
    bp_optimizer_config optimizer;
    bp_schedule schedule;
};

static bp_layer_config *last_layer(struct settings *to)
{
    return &to->layers[to->n_layers - 1];
}

#ifndef BACKPROP_SINGLE
/*
 * hard_sigmoid as PyTorch 1.13 computes it: its derivative is 1.0F / 6.0F also where numbers are doubles (ATen's
 * hardsigmoid_backward), which is 1/6 (1 + 2^-25). The file has that in it. With it, it is met within FORMAT.md's bounds; a
 * test of its own holds BP_HARD_SIGMOID to what is left.
 */
static void hard_sigmoid(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    (void)parameter, (void)user;
    for (size_t i = 0; i < rows * n; i++)
        A[i] = fmin(fmax(Z[i] + 3, 0), 6) / 6;
}

static void hard_sigmoid_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                              const bp_real *dA, bp_real *dZ)
{
    (void)parameter, (void)user, (void)A;
    for (size_t i = 0; i < rows * n; i++)
        dZ[i] = fabs(Z[i]) < 3 ? dA[i] * (double)(1.0F / 6.0F) : 0;
}

static const bp_activation_function hard_sigmoid_of_pytorch = { .name = "hard_sigmoid of PyTorch",
                                                                .apply = hard_sigmoid,
                                                                .pull_back = hard_sigmoid_back };
#endif

static void set_units(struct settings *to, double number)
{
    last_layer(to)->n_out = (size_t)number;
}

static void set_activation(struct settings *to, double number)
{
    last_layer(to)->activation = (bp_activation)number;
}

static void set_hard_sigmoid(struct settings *to, double number)
{
#ifdef BACKPROP_SINGLE
    set_activation(to, number);
#else
    (void)number;
    set_activation(to, BP_CUSTOM_ACTIVATION);
    last_layer(to)->custom = &hard_sigmoid_of_pytorch;
#endif
}

static void set_parameter(struct settings *to, double number)
{
    last_layer(to)->parameter = (bp_real)number;
}

static void set_normalization(struct settings *to, double number)
{
    last_layer(to)->normalization = (bp_normalization)number;
}

static void set_loss(struct settings *to, double number)
{
    to->loss.kind = (bp_loss_kind)number;
}

static void set_reduction(struct settings *to, double number)
{
    to->loss.reduction = (bp_reduction)number;
}

static void set_loss_parameter(struct settings *to, double number)
{
    to->loss.parameter = (bp_real)number;
}

static void set_label_smoothing(struct settings *to, double number)
{
    to->loss.label_smoothing = (bp_real)number;
}

static void set_optimizer(struct settings *to, double number)
{
    to->optimizer.kind = (bp_optimizer_kind)number;
}

static void set_learning_rate(struct settings *to, double number)
{
    to->optimizer.learning_rate = (bp_real)number;
}

static void set_momentum(struct settings *to, double number)
{
    to->optimizer.momentum = (bp_real)number;
}

static void set_nesterov(struct settings *to, double number)
{
    to->optimizer.nesterov = number != 0;
}

static void set_amsgrad(struct settings *to, double number)
{
    to->optimizer.amsgrad = number != 0;
}

static void set_centered(struct settings *to, double number)
{
    to->optimizer.centered = number != 0;
}

static void set_beta1(struct settings *to, double number)
{
    to->optimizer.beta1 = (bp_real)number;
}

static void set_beta2(struct settings *to, double number)
{
    to->optimizer.beta2 = (bp_real)number;
}

static void set_rho(struct settings *to, double number)
{
    to->optimizer.rho = (bp_real)number;
}

static void set_epsilon(struct settings *to, double number)
{
    to->optimizer.epsilon = (bp_real)number;
}

static void set_weight_decay(struct settings *to, double number)
{
    to->optimizer.weight_decay = (bp_real)number;
}

static void set_l1(struct settings *to, double number)
{
    to->optimizer.l1 = (bp_real)number;
}

static void set_l2(struct settings *to, double number)
{
    to->optimizer.l2 = (bp_real)number;
}

static void set_clip_norm(struct settings *to, double number)
{
    to->optimizer.clip_norm = (bp_real)number;
}

static void set_clip_value(struct settings *to, double number)
{
    to->optimizer.clip_value = (bp_real)number;
}

static void set_schedule(struct settings *to, double number)
{
    to->schedule.kind = (bp_schedule_kind)number;
}

static void set_gamma(struct settings *to, double number)
{
    to->schedule.gamma = number;
}

static void set_minimum(struct settings *to, double number)
{
    to->schedule.minimum = number;
}

static void set_power(struct settings *to, double number)
{
    to->schedule.power = number;
}

static void set_period(struct settings *to, double number)
{
    to->schedule.period = (uint64_t)number;
}

static void set_warmup(struct settings *to, double number)
{
    to->schedule.warmup = (uint64_t)number;
}

/* What the library can do, in the words of the format. A new feature is a new row, and its cases become RUNS above. */
static const struct row {
    const char *line, *key;
    const char *word; /* NULL: any number, handed to set() */
    void (*set)(struct settings *to, double number);
    double constant; /* handed to set() for a word */
} vocabulary[] = {
    { "layer", "units", NULL, set_units, 0 },
    { "layer", "activation", "identity", set_activation, BP_IDENTITY },
    { "layer", "activation", "sigmoid", set_activation, BP_SIGMOID },
    { "layer", "activation", "tanh", set_activation, BP_TANH },
    { "layer", "activation", "relu", set_activation, BP_RELU },
    { "layer", "activation", "leaky_relu", set_activation, BP_LEAKY_RELU },
    { "layer", "activation", "softmax", set_activation, BP_SOFTMAX },
    { "layer", "activation", "elu", set_activation, BP_ELU },
    { "layer", "activation", "selu", set_activation, BP_SELU },
    { "layer", "activation", "gelu", set_activation, BP_GELU },
    { "layer", "activation", "gelu_tanh", set_activation, BP_GELU_TANH },
    { "layer", "activation", "silu", set_activation, BP_SILU },
    { "layer", "activation", "mish", set_activation, BP_MISH },
    { "layer", "activation", "softplus", set_activation, BP_SOFTPLUS },
    { "layer", "activation", "softsign", set_activation, BP_SOFTSIGN },
    { "layer", "activation", "hard_sigmoid", set_hard_sigmoid, BP_HARD_SIGMOID },
    { "layer", "activation", "hard_tanh", set_activation, BP_HARD_TANH },
    { "layer", "activation", "gaussian", set_activation, BP_GAUSSIAN },
    { "layer", "activation", "sine", set_activation, BP_SINE },
    { "layer", "parameter", NULL, set_parameter, 0 },
    { "layer", "normalization", "batch", set_normalization, BP_BATCH_NORMALIZATION },
    { "layer", "normalization", "layer", set_normalization, BP_LAYER_NORMALIZATION },
    { "loss", "kind", "mse", set_loss, BP_SQUARED_ERROR },
    { "loss", "kind", "mae", set_loss, BP_MAE },
    { "loss", "kind", "huber", set_loss, BP_HUBER },
    { "loss", "delta", NULL, set_loss_parameter, 0 },
    { "loss", "kind", "quantile", set_loss, BP_QUANTILE },
    { "loss", "q", NULL, set_loss_parameter, 0 },
    { "loss", "kind", "poisson", set_loss, BP_POISSON },
    { "loss", "kind", "binary_cross_entropy", set_loss, BP_BINARY_CROSS_ENTROPY },
    { "loss", "kind", "cross_entropy", set_loss, BP_CROSS_ENTROPY },
    { "loss", "label_smoothing", NULL, set_label_smoothing, 0 },
    { "loss", "reduction", "sum", set_reduction, BP_REDUCE_SUM },
    { "optimizer", "kind", "sgd", set_optimizer, BP_SGD },
    { "optimizer", "kind", "adam", set_optimizer, BP_ADAM },
    { "optimizer", "kind", "adamw", set_optimizer, BP_ADAMW },
    { "optimizer", "kind", "nadam", set_optimizer, BP_NADAM },
    { "optimizer", "kind", "adagrad", set_optimizer, BP_ADAGRAD },
    { "optimizer", "kind", "adadelta", set_optimizer, BP_ADADELTA },
    { "optimizer", "kind", "rmsprop", set_optimizer, BP_RMSPROP },
    { "optimizer", "kind", "rprop", set_optimizer, BP_RPROP_MINUS },
    { "optimizer", "learning_rate", NULL, set_learning_rate, 0 },
    { "optimizer", "momentum", NULL, set_momentum, 0 },
    { "optimizer", "nesterov", NULL, set_nesterov, 0 },
    { "optimizer", "beta1", NULL, set_beta1, 0 },
    { "optimizer", "beta2", NULL, set_beta2, 0 },
    { "optimizer", "amsgrad", NULL, set_amsgrad, 0 },
    { "optimizer", "rho", NULL, set_rho, 0 },
    { "optimizer", "centered", NULL, set_centered, 0 },
    { "optimizer", "epsilon", NULL, set_epsilon, 0 },
    { "optimizer", "weight_decay", NULL, set_weight_decay, 0 },
    { "schedule", "kind", "step", set_schedule, BP_SCHEDULE_STEP },
    { "schedule", "kind", "exponential", set_schedule, BP_SCHEDULE_EXPONENTIAL },
    { "schedule", "kind", "inverse_time", set_schedule, BP_SCHEDULE_INVERSE_TIME },
    { "schedule", "kind", "polynomial", set_schedule, BP_SCHEDULE_POLYNOMIAL },
    { "schedule", "kind", "cosine", set_schedule, BP_SCHEDULE_COSINE },
    { "schedule", "gamma", NULL, set_gamma, 0 },
    { "schedule", "period", NULL, set_period, 0 },
    { "schedule", "warmup", NULL, set_warmup, 0 },
    { "schedule", "minimum", NULL, set_minimum, 0 },
    { "schedule", "power", NULL, set_power, 0 },
    { "l1", "value", NULL, set_l1, 0 },
    { "l2", "value", NULL, set_l2, 0 },
    { "clip_norm", "value", NULL, set_clip_norm, 0 },
    { "clip_value", "value", NULL, set_clip_value, 0 },
};

static const struct row *find_row(const char *line, const struct reference_setting *setting)
{
    for (size_t i = 0; i < COUNT(vocabulary); i++) {
        const struct row *row = &vocabulary[i];
        const bool same_value =
            setting->word == NULL ? row->word == NULL : row->word != NULL && strcmp(row->word, setting->word) == 0;
        if (strcmp(row->line, line) == 0 && strcmp(row->key, setting->key) == 0 && same_value)
            return row;
    }
    return NULL;
}

/* False if the library lacks a word; `missing` then names it. */
static bool translate(const struct reference *file, struct settings *to, char missing[96])
{
    *to = (struct settings){ 0 };
    for (size_t i = 0; i < file->n_lines; i++) {
        const struct reference_line *line = &file->lines[i];
        to->n_layers += strcmp(line->name, "layer") == 0;
        for (size_t k = 0; k < line->n; k++) {
            const struct reference_setting *setting = &line->settings[k];
            const struct row *row = find_row(line->name, setting);
            if (row == NULL) {
                (void)snprintf(missing, 96, "%s %s%s%s", line->name, setting->key, setting->word != NULL ? " " : "",
                               setting->word != NULL ? setting->word : "");
                return false;
            }
            row->set(to, setting->word != NULL ? row->constant : setting->number);
        }
    }
    return true;
}

/* ---- A case, ready to run -------------------------------------------------------------------------------------------- */

/* How far storing parameters in single precision carries a trace away from the file: see the bounds. */
struct spread {
    double losses[100], parameters_end[9], outputs_end[4];
};

struct fixture {
    struct reference file;
    struct settings settings;
    bp_network net;
    bp_optimizer opt;
    bp_workspace ws, inference;
    bp_targets targets;
    bp_real *memory; /* behind all that follows */
    bp_real *X, *T, *weights;
    bp_real *grad, *dX, *Y, *losses;
    struct spread spread;
    size_t n_certain; /* losses from the first on that the file can be compared in: see the bounds */
};

static void read_case(struct reference *file, const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s.txt", REFERENCE_DIR, name);
    if (!reference_read(file, path))
        fail_msg("%s", file->error);
    assert_string_equal(file->name, name);
}

static void to_real(const struct reference_block *block, bp_real *to)
{
    for (size_t i = 0; i < block->n; i++)
        to[i] = (bp_real)block->values[i];
}

static bp_real *take(bp_real **memory, size_t n)
{
    bp_real *taken = *memory;
    *memory += n;
    return taken;
}

static void make_arrays(struct fixture *f)
{
    const struct reference *file = &f->file;
    const size_t inputs = file->x.n, outputs = file->y.n;
    bp_real *memory = calloc(2 * (inputs + outputs) + file->rows + file->n_params + file->steps, sizeof *memory);
    assert_non_null(memory);
    f->memory = memory;
    f->X = take(&memory, inputs);
    f->T = take(&memory, outputs);
    f->weights = take(&memory, file->rows);
    f->grad = take(&memory, file->n_params);
    f->dX = take(&memory, inputs);
    f->Y = take(&memory, outputs);
    f->losses = take(&memory, file->steps);

    to_real(&file->x, f->X);
    to_real(&file->y, f->T);
    to_real(&file->sample_weights, f->weights);
    f->targets = (bp_targets){ .values = f->T, .weights = file->sample_weights.name != NULL ? f->weights : NULL };
}

/* Running means of 0 and variances of 1, as the files begin. */
static void forget_state(const bp_network *net)
{
    for (size_t l = 0; l < net->n_layers; l++)
        for (size_t j = 0; net->layers[l].running_mean != NULL && j < net->layers[l].n_out; j++) {
            net->layers[l].running_mean[j] = 0;
            net->layers[l].running_var[j] = 1;
        }
}

/* The state before training: parameters as in the file, an optimizer that has done nothing. */
static void begin(struct fixture *f)
{
    to_real(&f->file.parameters_start, f->net.parameters.params);
    forget_state(&f->net);
    bp_optimizer_free(&f->opt);
    assert_int_equal(bp_optimizer_init(&f->opt, &f->settings.optimizer, &f->net.parameters), BP_OK);
}

static void measure_spread(struct fixture *f); /* under XOR, simulated */

static size_t count_certain(struct fixture *f); /* under Bounds */

static void read_and_translate(struct fixture *f, const char *name)
{
    char missing[96];
    *f = (struct fixture){ 0 };
    read_case(&f->file, name);
    if (!translate(&f->file, &f->settings, missing))
        fail_msg("%s cannot run: the library has no %s", name, missing);
}

static void build(struct fixture *f)
{
    const bp_network_config config = { .n_in = f->file.n_in,
                                       .n_layers = f->settings.n_layers,
                                       .layers = f->settings.layers };
    assert_int_equal(bp_network_init(&f->net, &config), BP_OK);
    assert_int_equal(f->net.parameters.n_params, f->file.n_params);
    assert_int_equal(bp_workspace_init(&f->ws, &f->net, f->file.rows, BP_TRAINING), BP_OK);
    assert_int_equal(bp_workspace_init(&f->inference, &f->net, f->file.rows, BP_INFERENCE), BP_OK);
    make_arrays(f);
    begin(f);
    if (f->file.is_trace)
        measure_spread(f);
    f->n_certain = count_certain(f);
    begin(f);
}

static void set_up(struct fixture *f, const char *name)
{
    read_and_translate(f, name);
    build(f);
}

static void tear_down(struct fixture *f)
{
    free(f->memory);
    bp_workspace_free(&f->inference);
    bp_workspace_free(&f->ws);
    bp_optimizer_free(&f->opt);
    bp_network_free(&f->net);
    reference_free(&f->file);
}

/* For how many of the cases that run `holds` is false: of the trajectories, or of the traces. Every one is tried. */
static size_t count_wrong(bool traces, bool (*holds)(struct fixture *f))
{
    size_t n_wrong = 0;
    for (size_t i = 0; i < COUNT(listed); i++) {
        struct fixture f;
        if (listed[i].expectation != RUNS || traces != (strncmp(listed[i].name, "xor-numpy-", 10) == 0))
            continue;
        set_up(&f, listed[i].name);
        assert_int_equal(f.file.is_trace, traces);
        if (!holds(&f)) {
            print_error("it is not so for %s\n", listed[i].name);
            n_wrong++;
        }
        tear_down(&f);
    }
    return n_wrong;
}

/* ---- XOR, simulated -------------------------------------------------------------------------------------------------- */

static double sigmoid(double z)
{
    return 1 / (1 + exp(-z));
}

/* Loss of the traces' 2-2-1 net, written out. p and g: W (2 x 2), b (2), W (1 x 2), b (1); g receives the gradient. */
static double xor_loss(const struct reference *file, const double p[9], double g[9], double outputs[4])
{
    double loss = 0;
    memset(g, 0, 9 * sizeof *g);
    for (size_t i = 0; i < 4; i++) {
        const double *x = file->x.values + 2 * i;
        const double h[2] = { sigmoid(p[0] * x[0] + p[1] * x[1] + p[4]), sigmoid(p[2] * x[0] + p[3] * x[1] + p[5]) };
        const double a = sigmoid(p[6] * h[0] + p[7] * h[1] + p[8]), e = a - file->y.values[i], dz = e * a * (1 - a);

        loss += e * e / 2;
        outputs[i] = a;
        g[8] += dz;
        for (size_t j = 0; j < 2; j++) {
            const double dh = dz * p[6 + j] * h[j] * (1 - h[j]);
            g[6 + j] += dz * h[j];
            g[4 + j] += dh;
            g[2 * j] += dh * x[0];
            g[2 * j + 1] += dh * x[1];
        }
    }
    return loss;
}

/* One of the two floats beside v, whichever the coin says; v itself if it is one. */
static double round_at_random(double v, bp_rng *rng)
{
    const float near = (float)v;
    if ((double)near == v)
        return v;
    const float other = nextafterf(near, (double)near < v ? INFINITY : -INFINITY);
    return (double)(bp_rng_below(rng, 2) == 0 ? near : other);
}

/* Trains the net in double; with a generator, parameters are rounded to float after each step. */
static void simulate(const struct reference *file, bp_rng *rng, struct spread *result)
{
    const double rate = 0.1; /* not the settings' own, which may be single */
    double p[9], g[9], outputs[4];
    for (size_t k = 0; k < 9; k++)
        p[k] = rng != NULL ? round_at_random(file->parameters_start.values[k], rng) : file->parameters_start.values[k];
    for (size_t step = 0; step < file->steps; step++) {
        const double loss = xor_loss(file, p, g, outputs);
        if (step % 100 == 0)
            result->losses[step / 100] = loss;
        for (size_t k = 0; k < 9; k++)
            p[k] = rng != NULL ? round_at_random(p[k] - rate * g[k], rng) : p[k] - rate * g[k];
    }
    (void)xor_loss(file, p, g, result->outputs_end);
    memcpy(result->parameters_end, p, sizeof p);
}

static void widen(const struct reference_block *block, const double *simulated, double *spread)
{
    for (size_t i = 0; i < block->n; i++)
        spread[i] = fmax(spread[i], fabs(simulated[i] - block->values[i]));
}

/* The largest distances of the file's numbers from n_runs simulations. */
static struct spread spread_of(const struct reference *file, size_t n_runs, bp_rng *rng)
{
    struct spread spread = { .losses = { 0 } }, run;
    assert_true(file->losses.n == COUNT(run.losses) && file->n_params == COUNT(run.parameters_end) && file->y.n == 4);
    for (size_t i = 0; i < n_runs; i++) {
        simulate(file, rng, &run);
        widen(&file->losses, run.losses, spread.losses);
        widen(&file->parameters_end, run.parameters_end, spread.parameters_end);
        widen(&file->outputs_end_inference, run.outputs_end, spread.outputs_end);
    }
    return spread;
}

static void measure_spread(struct fixture *f)
{
    bp_rng rng;
    bp_rng_init(&rng, 1);
    f->spread = spread_of(&f->file, 16, &rng);
}

/* ---- Bounds ---------------------------------------------------------------------------------------------------------- */

static double largest(const struct reference_block *block)
{
    double max = 0;
    for (size_t i = 0; i < block->n; i++)
        max = fmax(max, fabs(block->values[i]));
    return max;
}

#ifdef BACKPROP_SINGLE

/*
 * What rounding does in single precision. An operation gives the exact result times 1 + d, |d| <= u = 2^-24.
 *
 * At the start. A computed sum of n products is the exact sum of products changed by factors within 1 -+ n u, to first
 * order and in whichever order BLAS adds (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). Outputs
 * and gradients are sums over paths through the network, so each term of them is rounded at most K times, where K adds
 * up the sums that a path goes through: n_in numbers in each layer on the way up, n_out on the way down, the rows in
 * dW. Besides, ten roundings a layer (W and b as they are stored; adding b; f by expf or tanhf with a division, 4; f'
 * and its product, 3) and eight for the rest (x, t, weight, y - t and its product with the share of the row, the loss).
 * The error of a result is then at most K u times the sum of the absolute values of its terms. For that sum stands the
 * largest number of the block: an assumption, since terms that cancel make it more. Against this, K u is reached only
 * when all roundings push one way: random signs make it sqrt(K) u (Higham and Mary, SIAM J. Sci. Comput. 41, 2019).
 * What was seen is 0.02 to 0.2 of the bound, the worst block of each case; `deep`, with nine layers to cancel in, is at
 * 0.03.
 *
 * After training. `sensitivity` is a measurement of this in double precision: runs that start up to two ulp apart are
 * rounded differently at every operation from then on, and S is how far apart they come. All of it is proportional to
 * the unit roundoff as long as it is small, so in single precision it is (2^-24 / 2^-53) S = 2^29 S. The factor of ten
 * is for S being the largest of few runs, for other orders of summation, and for x, t and the settings, which are
 * rounded here and not there. What was seen is 0.2 to 1.0 times 2^29 S, case by case.
 *
 * Rprop goes by the signs of gradients. A component that is nearer to 0 than its own error has any sign, and its parameter
 * then takes another way, by steps that grow to 12: from there on nothing is near the file, though the loss is as good. (In
 * the end the file's net is so saturated that its smallest components are 0 in single precision.) What can be compared are
 * the losses up to the first step of which any component is below the bounds above: those of the start, plus that after
 * training for the parameters at which it is taken. Each step before it is +-s with the same sign as in the file.
 *
 * A trace is too long for that, 10000 steps in which the roundings of the parameters add up; how they do depends on the
 * path. So it is simulated: in double, but each parameter replaced after each step by one of the two floats beside it.
 * All but a thousandth of the changes r g are larger than the distance of floats there, so rounding to nearest behaves
 * as if at random, with half the standard deviation of this coin (sqrt(1/12) against sqrt(1/3) ulp). The largest
 * distance of 16 runs from the file, number by number, times four, is a bound that chance does not reach. Eight u for
 * the last forward pass. Seen: 0.02 to 0.2 of it.
 */
static const double unit_roundoff = (double)BP_REAL_EPSILON / 2;

static double start_bound(const struct fixture *f, const struct reference_block *block, double max, size_t i)
{
    (void)block, (void)i;
    size_t K = 8 + f->file.rows;
    for (size_t l = 0; l < f->net.n_layers; l++)
        K += f->net.layers[l].n_in + f->net.layers[l].n_out + 10;
    return (double)K * unit_roundoff * max;
}

static double allowance(const struct fixture *f)
{
    return 10 * 0x1p29 * f->file.sensitivity;
}

static double end_bound(const struct fixture *f, const struct reference_block *block, size_t i)
{
    (void)block, (void)i;
    return allowance(f);
}

static bool all_signs_are_certain(const struct fixture *f)
{
    double max = 0, least = INFINITY;
    for (size_t k = 0; k < f->file.n_params; k++) {
        max = fmax(max, fabs((double)f->grad[k]));
        least = fmin(least, fabs((double)f->grad[k]));
    }
    return least > start_bound(f, NULL, max, 0) + end_bound(f, NULL, 0);
}

static void forward_and_loss(struct fixture *f, bp_real *L);

static size_t count_certain(struct fixture *f)
{
    if (f->settings.optimizer.kind != BP_RPROP_MINUS)
        return f->file.losses.n;
    size_t n = 0;
    bool certain = true;
    for (; n < f->file.steps && certain; n++) {
        bp_real L;
        forward_and_loss(f, &L);
        assert_int_equal(bp_network_backward(&f->net, &f->ws, NULL, f->grad, NULL, BP_OVERWRITE), BP_OK);
        certain = all_signs_are_certain(f);
        assert_int_equal(bp_optimizer_step(&f->opt, &f->net.parameters, f->grad, L), BP_OK);
    }
    print_message("%s: %zu of %zu losses are certain\n", f->file.name, n, f->file.steps);
    return n;
}

static double trace_bound(const struct fixture *f, const struct reference_block *block, size_t i)
{
    const double *spread = f->spread.outputs_end;
    if (block == &f->file.losses)
        spread = f->spread.losses;
    else if (block == &f->file.parameters_end)
        spread = f->spread.parameters_end;
    return 4 * spread[i] + 8 * unit_roundoff * (fabs(block->values[i]) + 1);
}

#else

/* In double precision the bounds are those of FORMAT.md. */
static double start_bound(const struct fixture *f, const struct reference_block *block, double max, size_t i)
{
    (void)f, (void)max;
    return 1e-12 * (fabs(block->values[i]) + 1);
}

static double allowance(const struct fixture *f)
{
    return 100 * f->file.sensitivity;
}

static double end_bound(const struct fixture *f, const struct reference_block *block, size_t i)
{
    return 1e-11 * (fabs(block->values[i]) + 1) + allowance(f);
}

static double trace_bound(const struct fixture *f, const struct reference_block *block, size_t i)
{
    (void)f, (void)block, (void)i;
    return 1e-9;
}

static size_t count_certain(struct fixture *f)
{
    return f->file.losses.n;
}

#endif

static double bound_of(const struct fixture *f, const struct reference_block *block, double max, size_t i)
{
    if (strstr(block->name, "_start") != NULL)
        return start_bound(f, block, max, i);
    return f->file.is_trace ? trace_bound(f, block, i) : end_bound(f, block, i);
}

/* ---- Comparing ------------------------------------------------------------------------------------------------------- */

/* The worst component of one comparison or several. ratio: |actual - expected| / bound; above 1 it is wrong. */
struct verdict {
    double ratio;
    const struct reference_block *block;
    size_t at;
    double actual, expected, bound;
};

/* `times`: how often the block is expected, as a sum. A NaN is infinitely wrong. */
static struct verdict compare(const struct fixture *f, const struct reference_block *block, double times,
                              const bp_real *actual)
{
    struct verdict worst = { .ratio = -1, .block = block };
    const double max = largest(block);
    for (size_t i = 0; i < block->n; i++) {
        const double expected = times * block->values[i], bound = times * bound_of(f, block, max, i);
        const double difference = fabs((double)actual[i] - expected);
        const double ratio = isnan(difference) ? (double)INFINITY : difference / bound;
        if (ratio > worst.ratio)
            worst = (struct verdict){ ratio, block, i, (double)actual[i], expected, bound };
    }
    return worst;
}

/* The worst ratios of all that was right, by block: how much room the bounds leave. */
static struct room {
    const char *block;
    double ratio;
    char name[48];
} rooms[16];

static void remember(const char *name, const struct verdict *verdict)
{
    struct room *room = rooms;
    while (room->block != NULL && strcmp(room->block, verdict->block->name) != 0)
        room++;
    assert_true(room < rooms + COUNT(rooms) - 1);
    room->block = verdict->block->name;
    if (verdict->ratio < room->ratio)
        return;
    room->ratio = verdict->ratio;
    (void)snprintf(room->name, sizeof room->name, "%s", name);
}

/* True if right; else says what is wrong. */
static bool is_right(const struct fixture *f, const char *way, const struct verdict *worst)
{
    if (worst->ratio <= 1) {
        remember(f->file.name, worst);
        return true;
    }
    print_error("%s, %s: %s[%zu] is %.17g, expected %.17g within %g\n", f->file.name, way, worst->block->name, worst->at,
                worst->actual, worst->expected, worst->bound);
    return false;
}

/* ---- The start ------------------------------------------------------------------------------------------------------- */

static void forward_and_loss(struct fixture *f, bp_real *L)
{
    assert_int_equal(bp_network_forward(&f->net, &f->ws, f->X, f->file.rows), BP_OK);
    assert_int_equal(bp_network_loss(&f->net, &f->ws, &f->settings.loss, &f->targets, L), BP_OK);
}

static void backward(struct fixture *f, bp_real *dX, bp_write write)
{
    assert_int_equal(bp_network_backward(&f->net, &f->ws, NULL, f->grad, dX, write), BP_OK);
}

static bool starts_right(struct fixture *f)
{
    const struct reference *file = &f->file;
    bp_real L;
    forward_and_loss(f, &L);
    backward(f, f->dX, BP_OVERWRITE);
    struct verdict verdicts[] = { compare(f, &file->outputs_start, 1, f->ws.Y), compare(f, &file->loss_start, 1, &L),
                                  compare(f, &file->gradient_start, 1, f->grad),
                                  compare(f, &file->input_gradient_start, 1, f->dX) };
    size_t n_right = 0;
    for (size_t i = 0; i < COUNT(verdicts); i++)
        n_right += is_right(f, "at the start", &verdicts[i]);
    return n_right == COUNT(verdicts);
}

static void outputs_loss_and_gradients_at_the_start_are_those_of_the_files(void **state)
{
    (void)state;
    assert_int_equal(count_wrong(false, starts_right), 0);
}

#ifndef BACKPROP_SINGLE
/* The gradient is made of products with f' of each hard_sigmoid layer on the way, each 1 + 2^-25 too large in the file. */
static void hard_sigmoid_is_as_far_from_the_file_as_the_sixth_of_pytorch(void **state)
{
    (void)state;
    struct fixture f;
    size_t n = 0;
    read_and_translate(&f, "activation-hard_sigmoid");
    for (size_t l = 0; l < f.settings.n_layers; l++)
        if (f.settings.layers[l].custom != NULL) {
            f.settings.layers[l].custom = NULL;
            f.settings.layers[l].activation = BP_HARD_SIGMOID;
            n++;
        }
    assert_int_equal(n, 2);
    build(&f);
    bp_real L;
    forward_and_loss(&f, &L);
    backward(&f, f.dX, BP_OVERWRITE);
    assert_true(compare(&f, &f.file.outputs_start, 1, f.ws.Y).ratio <= 1 &&
                compare(&f, &f.file.loss_start, 1, &L).ratio <= 1);
    for (size_t i = 0; i < f.file.n_params; i++)
        assert_close((double)f.grad[i], f.file.gradient_start.values[i], 1.01 * 0x1p-24 * fabs((double)f.grad[i]) + 1e-12);
    for (size_t i = 0; i < f.file.x.n; i++) /* through both layers, in all terms */
        assert_close((double)f.dX[i] * (1 + 0x1p-24), f.file.input_gradient_start.values[i], 1e-12);
    tear_down(&f);
}
#endif

static bool accumulates_right(struct fixture *f)
{
    forward_and_loss(f, NULL);
    backward(f, f->dX, BP_OVERWRITE);
    backward(f, f->dX, BP_ACCUMULATE);
    const struct verdict grad = compare(f, &f->file.gradient_start, 2, f->grad);
    const struct verdict dX = compare(f, &f->file.input_gradient_start, 2, f->dX);
    const bool grad_is_right = is_right(f, "accumulated twice", &grad);
    return is_right(f, "accumulated twice", &dX) && grad_is_right;
}

static void a_gradient_accumulated_twice_is_twice_that_of_the_files(void **state)
{
    (void)state;
    assert_int_equal(count_wrong(false, accumulates_right), 0);
}

/* ---- Training -------------------------------------------------------------------------------------------------------- */

static void optimizer_step(struct fixture *f, bp_real L)
{
    assert_int_equal(bp_optimizer_step(&f->opt, &f->net.parameters, f->grad, L), BP_OK);
}

/* The rate of the step to come, from the one that training began at. */
static void set_rate(struct fixture *f, double base)
{
    assert_int_equal(bp_schedule_check(&f->settings.schedule), BP_OK);
    f->opt.learning_rate = (bp_real)bp_schedule_rate(&f->settings.schedule, base, f->opt.n_steps);
}

static void train_by_own_loop(struct fixture *f)
{
    const double base = (double)f->opt.learning_rate;
    for (size_t step = 0; step < f->file.steps; step++) {
        forward_and_loss(f, &f->losses[step]);
        backward(f, NULL, BP_OVERWRITE);
        assert_int_equal(bp_network_update_state(&f->net, &f->ws), BP_OK);
        set_rate(f, base);
        optimizer_step(f, f->losses[step]);
    }
}

/* The factor of row i's loss in that of all rows. */
static bp_real share_of_row(const struct fixture *f, size_t i)
{
    const double *weights = f->file.sample_weights.values;
    double sum = 0;
    for (size_t k = 0; k < f->file.rows; k++)
        sum += weights != NULL ? weights[k] : 1;
    const double weight = weights != NULL ? weights[i] : 1;
    return (bp_real)(f->settings.loss.reduction == BP_REDUCE_SUM ? weight : weight / sum);
}

/* A batch in as many parts as it has rows, their gradients accumulated: the sum of the rows' shares is the mean. */
static void train_row_by_row(struct fixture *f)
{
    const double base = (double)f->opt.learning_rate;
    bp_loss sum = f->settings.loss;
    sum.reduction = BP_REDUCE_SUM;
    for (size_t step = 0; step < f->file.steps; step++) {
        double loss = 0;
        for (size_t i = 0; i < f->file.rows; i++) {
            bp_real L, share = share_of_row(f, i);
            const bp_targets T = { .values = f->T + i * f->net.n_out, .weights = &share };
            assert_int_equal(bp_network_forward(&f->net, &f->ws, f->X + i * f->net.n_in, 1), BP_OK);
            assert_int_equal(bp_network_loss(&f->net, &f->ws, &sum, &T, &L), BP_OK);
            backward(f, NULL, i == 0 ? BP_OVERWRITE : BP_ACCUMULATE);
            loss += (double)L;
        }
        f->losses[step] = (bp_real)loss;
        set_rate(f, base);
        optimizer_step(f, f->losses[step]);
    }
}

static bp_dataset data_of(const struct fixture *f)
{
    return (bp_dataset){ .rows = f->file.rows,
                         .n_in = f->net.n_in,
                         .n_out = f->net.n_out,
                         .X.data = f->X,
                         .T.data = f->T,
                         .weights.data = f->targets.weights };
}

static bp_train_config config_of(const struct fixture *f)
{
    return (bp_train_config){
        .epochs = f->file.steps, .batch = f->file.rows, .loss = f->settings.loss, .schedule = f->settings.schedule
    };
}

static void take_losses(struct fixture *f, const bp_train_report *report)
{
    assert_int_equal(report->reason, BP_STOPPED_EPOCHS);
    assert_int_equal(report->n_epochs, f->file.steps);
    memcpy(f->losses, report->losses, f->file.steps * sizeof *f->losses);
}

/* One batch of all rows; for plain gradient descent this is the path without a gradient. */
static void train_by_bp_train(struct fixture *f)
{
    const bp_dataset data = data_of(f);
    const bp_train_config config = config_of(f);
    bp_train_report report;
    assert_int_equal(bp_train(&f->net, &f->opt, &data, &config, &report), BP_OK);
    take_losses(f, &report);
    bp_train_report_free(&report);
}

/* The same in a trainer that is interrupted after each step. */
static void train_by_trainer(struct fixture *f)
{
    const bp_dataset data = data_of(f);
    const bp_train_config config = config_of(f);
    const bp_run_limit one_step = { .steps = 1 };
    bp_trainer trainer;
    assert_int_equal(bp_trainer_init(&trainer, &f->net, &f->opt, &data, &config), BP_OK);
    while (!trainer.is_done)
        assert_int_equal(bp_trainer_run(&trainer, &one_step), BP_OK);
    take_losses(f, &trainer.report);
    bp_trainer_free(&trainer);
}

static const struct way {
    const char *name;
    void (*train)(struct fixture *f); /* from begin() to the last step, with all losses */
    bool by_rows;                     /* a batch normalization has then nothing to work on */
} ways[] = {
    { "own loop", train_by_own_loop, false },
    { "row by row", train_row_by_row, true },
    { "bp_train", train_by_bp_train, false },
    { "trainer", train_by_trainer, false },
};

/* A trace has every hundredth loss only: moves these to the front. */
static void thin_out_losses(struct fixture *f)
{
    for (size_t i = 0; f->file.is_trace && i < f->file.losses.n; i++)
        f->losses[i] = f->losses[100 * i];
}

/* Of a case that single precision cannot follow to its end. */
static double worst_ratio_of_certain_losses(struct fixture *f, const struct way *way, size_t *n_wrong)
{
    struct reference_block certain = f->file.losses;
    certain.n = f->n_certain;
    const struct verdict verdict = compare(f, &certain, 1, f->losses);
    if (n_wrong != NULL)
        *n_wrong += verdict.ratio > 1;
    if (verdict.ratio > 1 && n_wrong != NULL)
        print_error("%s, %s: losses[%zu] is %.9g, expected %.9g within %g\n", f->file.name, way->name, verdict.at,
                    verdict.actual, verdict.expected, verdict.bound);
    return verdict.ratio;
}

/* Trains and compares. n_wrong counts the blocks that are not right, which are printed; NULL: only the ratio is wanted. */
static double worst_ratio_after(struct fixture *f, const struct way *way, size_t *n_wrong)
{
    const struct reference *file = &f->file;
    way->train(f);
    thin_out_losses(f);
    assert_int_equal(bp_predict(&f->net, &f->inference, f->X, file->rows, f->Y), BP_OK);
    assert_int_equal(f->net.n_state, file->running_statistics_end.n);
    if (f->n_certain < file->losses.n)
        return worst_ratio_of_certain_losses(f, way, n_wrong);
    const struct verdict verdicts[] = { compare(f, &file->losses, 1, f->losses),
                                        compare(f, &file->parameters_end, 1, f->net.parameters.params),
                                        compare(f, &file->outputs_end_inference, 1, f->Y),
                                        compare(f, &file->running_statistics_end, 1, f->net.state) };
    double worst = 0;
    for (size_t i = 0; i < COUNT(verdicts) && verdicts[i].block->name != NULL; i++) {
        worst = fmax(worst, verdicts[i].ratio);
        if (n_wrong != NULL)
            *n_wrong += !is_right(f, way->name, &verdicts[i]);
    }
    return worst;
}

static bool trains_right(struct fixture *f)
{
    size_t n_wrong = 0;
    for (size_t i = 0; i < COUNT(ways); i++) {
        if (ways[i].by_rows && f->net.n_state > 0)
            continue;
        begin(f);
        (void)worst_ratio_after(f, &ways[i], &n_wrong);
    }
    return n_wrong == 0;
}

static void training_in_each_way_meets_losses_parameters_and_outputs_of_the_files(void **state)
{
    (void)state;
    assert_int_equal(count_wrong(false, trains_right), 0);
}

static void ten_thousand_steps_of_xor_end_where_numpy_ends(void **state)
{
    (void)state;
    assert_int_equal(count_wrong(true, trains_right), 0);
}

/* The simulation that the bounds of single precision come from computes what the file has, when nothing is rounded. */
static bool simulates_right(struct fixture *f)
{
    const struct spread distance = spread_of(&f->file, 1, NULL);
    for (size_t i = 0; i < COUNT(distance.losses); i++)
        assert_close(distance.losses[i], 0, 1e-9);
    for (size_t i = 0; i < COUNT(distance.parameters_end); i++)
        assert_close(distance.parameters_end[i], 0, 1e-9);
    for (size_t i = 0; i < COUNT(distance.outputs_end); i++)
        assert_close(distance.outputs_end[i], 0, 1e-9);
    return true;
}

static void the_simulated_xor_net_is_that_of_the_files(void **state)
{
    (void)state;
    assert_int_equal(count_wrong(true, simulates_right), 0);
}

static void xor_from_seed_1_is_learned(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "xor-numpy-1");
    train_by_bp_train(&f);
    assert_int_equal(bp_predict(&f.net, &f.inference, f.X, 4, f.Y), BP_OK);
    for (size_t i = 0; i < 4; i++)
        assert_close((double)f.Y[i], f.file.y.values[i], 0.1);
    tear_down(&f);
}

/* A local minimum: two of the four rows are told apart, the other two get the same answer, half way between theirs. */
static void xor_from_seed_3_is_stuck_between_two_rows(void **state)
{
    (void)state;
    static const double stuck_at[4] = { 0, 0.5, 1, 0.5 };
    struct fixture f;
    set_up(&f, "xor-numpy-3");
    train_by_bp_train(&f);
    assert_int_equal(bp_predict(&f.net, &f.inference, f.X, 4, f.Y), BP_OK);
    for (size_t i = 0; i < 4; i++)
        assert_close((double)f.Y[i], stuck_at[i], stuck_at[i] == 0.5 ? 0.02 : 0.1);
    assert_true(f.losses[f.file.steps - 1] > (bp_real)0.25); /* which is what two rows at 0.5 cost */
    tear_down(&f);
}

/* ---- The comparisons can fail ---------------------------------------------------------------------------------------- */

/* Errors that must be seen: of a number that is compared or of a parameter to start from, relative to 1 or to the
 * largest of its block; and of a setting, relative to it. The traces' bound, 1e-9, asks for more at the start. */
#ifdef BACKPROP_SINGLE
static const double wrong_number = 1e-3, wrong_setting = 1e-3;
#else
static const double wrong_number = 1e-9, wrong_setting = 1e-6;
#endif

/* Moves up to fifty numbers of a right block, one at a time and back; each time the comparison must say no. */
static size_t count_unnoticed(const struct fixture *f, const struct reference_block *block, bp_real *right)
{
    size_t n_unnoticed = 0;
    const bp_real step = (bp_real)(wrong_number * largest(block));
    for (size_t i = 0; i < block->n; i += 1 + block->n / 50) {
        const bp_real kept = right[i];
        right[i] += step;
        n_unnoticed += compare(f, block, 1, right).ratio <= 1;
        right[i] = kept;
    }
    return n_unnoticed + (compare(f, block, 1, right).ratio > 1);
}

static bool spoiled_gradients_are_noticed(struct fixture *f)
{
    forward_and_loss(f, NULL);
    backward(f, f->dX, BP_OVERWRITE);
    return count_unnoticed(f, &f->file.gradient_start, f->grad) == 0 &&
           count_unnoticed(f, &f->file.input_gradient_start, f->dX) == 0;
}

static void one_wrong_component_of_a_gradient_is_noticed(void **state)
{
    (void)state;
    assert_int_equal(count_wrong(false, spoiled_gradients_are_noticed), 0);
}

static void a_number_that_is_nan_is_noticed(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "one-row");
    forward_and_loss(&f, NULL);
    backward(&f, NULL, BP_OVERWRITE);
    f.grad[3] = (bp_real)NAN;
    assert_true(compare(&f, &f.file.gradient_start, 1, f.grad).ratio > 1);
    tear_down(&f);
}

/* A case that is allowed more must show what is four times as large. */
static double wrong_by(const struct fixture *f, double usually)
{
    return fmax(usually, 4 * allowance(f));
}

static bool a_spoiled_parameter_is_noticed(struct fixture *f)
{
    f->net.parameters.params[0] += (bp_real)wrong_by(f, f->file.is_trace ? wrong_setting : wrong_number);
    return worst_ratio_after(f, &ways[0], NULL) > 1;
}

static void training_from_one_wrong_parameter_is_noticed(void **state)
{
    (void)state;
    assert_int_equal(count_wrong(false, a_spoiled_parameter_is_noticed), 0);
    assert_int_equal(count_wrong(true, a_spoiled_parameter_is_noticed), 0);
}

static bool a_spoiled_rate_is_noticed(struct fixture *f)
{
    f->opt.learning_rate *= (bp_real)(1 + wrong_by(f, wrong_setting));
    return worst_ratio_after(f, &ways[0], NULL) > 1;
}

static void training_at_a_slightly_wrong_rate_is_noticed(void **state)
{
    (void)state;
    assert_int_equal(count_wrong(false, a_spoiled_rate_is_noticed), 0);
    assert_int_equal(count_wrong(true, a_spoiled_rate_is_noticed), 0);
}

/* Of every kind of number some case must come within a hundredth of its bound: else the bound says nothing. Comes after
 * the tests that compare. In double precision the bounds are FORMAT.md's. */
static void bounds_in_single_precision_are_near_what_rounding_does(void **state)
{
    (void)state;
    assert_non_null(rooms[0].block);
    for (const struct room *room = rooms; room->block != NULL; room++) {
        print_message("error / bound of %-22s at most %.2g (%s)\n", room->block, room->ratio, room->name);
#ifdef BACKPROP_SINGLE
        assert_true(room->ratio > 0.01);
#endif
    }
}

/* ---- The list and the words ------------------------------------------------------------------------------------------ */

static bool is_listed(const char *file)
{
    for (size_t i = 0; i < COUNT(listed); i++) {
        const size_t length = strlen(listed[i].name);
        if (strncmp(file, listed[i].name, length) == 0 && strcmp(file + length, ".txt") == 0)
            return true;
    }
    return false;
}

static void every_file_of_the_directory_is_listed(void **state)
{
    (void)state;
    size_t n_files = 0, n_strangers = 0;
    DIR *directory = opendir(REFERENCE_DIR);
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strstr(entry->d_name, ".txt") == NULL) /* FORMAT.md, and the model files of other tests */
            continue;
        n_files++;
        if (is_listed(entry->d_name))
            continue;
        print_error("%s is not in the list of this test\n", entry->d_name);
        n_strangers++;
    }
    (void)closedir(directory);
    assert_int_equal(n_strangers, 0);
    assert_int_equal(n_files, COUNT(listed)); /* and every one listed is there */
}

static void every_case_whose_words_the_library_has_is_run(void **state)
{
    (void)state;
    size_t n_wrong = 0, n_not_yet = 0;
    for (size_t i = 0; i < COUNT(listed); i++) {
        struct reference file;
        struct settings settings;
        char missing[96] = "";
        read_case(&file, listed[i].name);
        const bool can_run = translate(&file, &settings, missing);
        reference_free(&file);
        if (!can_run) {
            print_message("not yet: %s (%s)\n", listed[i].name, missing);
            n_not_yet++;
        }
        if (can_run == (listed[i].expectation == RUNS))
            continue;
        print_error("%s %s\n", listed[i].name, can_run ? "can run now: list it as RUNS" : "must run and cannot");
        n_wrong++;
    }
    print_message("%zu cases are run, %zu not yet\n", COUNT(listed) - n_not_yet, n_not_yet);
    assert_int_equal(n_wrong, 0);
}

/* ---- The parser ------------------------------------------------------------------------------------------------------ */

/* A right file; the spoilings below replace a piece of it. */
static const char right_text[] = "case tiny\ninputs 2\nlayer units=1 activation=identity\nloss kind=mse\n"
                                 "optimizer kind=sgd learning_rate=0.5\nl1 0.25\nrows 1\nsteps 2\nsensitivity 1e-16\n"
                                 "x 2\n1\n-2e-1\ny 1\n2\nparameters_start 3\n1\n1\n0\noutputs_start 1\n0.8\n"
                                 "loss_start 1\n0.72\ngradient_start 3\n1\n2\n3\ninput_gradient_start 2\n1\n2\n"
                                 "losses 2\n0.72\n0.5\nparameters_end 3\n1\n2\n3\noutputs_end_inference 1\n1.5\n";

static void a_right_file_is_read(void **state)
{
    (void)state;
    struct reference r;
    assert_true(reference_parse(&r, "tiny.txt", right_text));
    assert_string_equal(r.name, "tiny");
    assert_int_equal(r.n_in, 2);
    assert_int_equal(r.n_out, 1);
    assert_int_equal(r.n_params, 3);
    assert_int_equal(r.n_lines, 4);
    assert_string_equal(r.lines[0].name, "layer");
    assert_string_equal(r.lines[0].settings[1].word, "identity");
    assert_close(r.lines[2].settings[1].number, 0.5, 0);
    assert_string_equal(r.lines[3].settings[0].key, "value");
    assert_close(r.lines[3].settings[0].number, 0.25, 0);
    assert_close(r.x.values[1], -0.2, 0);
    assert_int_equal(r.losses.n, 2);
    assert_null(r.sample_weights.name);
    assert_close(r.outputs_end_inference.values[0], 1.5, 0);
    reference_free(&r);
}

static const struct spoiling {
    const char *piece, *instead, *error;
} spoilings[] = {
    { "loss kind=mse", "loss kind=mse colour=red", "tiny.txt:4: a loss has no key 'colour'" },
    { "loss kind=mse", "loss kind=msee", "tiny.txt:4: 'msee' is no kind of a loss" },
    { "loss kind=mse", "loss kind=mse kind=mae", "tiny.txt:4: 'kind' comes twice" },
    { "loss kind=mse", "loss kind", "tiny.txt:4: 'kind' is not key=value" },
    { "loss kind=mse", "loss reduction=sum", "tiny.txt:4: a loss without kind" },
    { "loss kind=mse", "loss  kind=mse", "tiny.txt:4: '' is not key=value" },
    { "loss kind=mse\n", "", "tiny.txt:4: expected 'loss', found 'optimizer'" },
    { "l1 0.25", "l3 0.25", "tiny.txt:6: expected 'rows', found 'l3'" },
    { "l1 0.25", "l1 0.25 1", "tiny.txt:6: '1' is too much" },
    { "l1 0.25", "l1", "tiny.txt:6: '' is no number" },
    { "units=1", "units=0", "tiny.txt:3: '0' is not above 0" },
    { "units=1", "units=1.5", "tiny.txt:3: '1.5' is no whole number below a million" },
    { "learning_rate=0.5", "learning_rate=0.5 nesterov=2", "tiny.txt:5: nesterov is 2, expected 1 or nothing" },
    { "learning_rate=0.5", "learning_rate=fast", "tiny.txt:5: 'fast' is no number" },
    { "-2e-1", "nan", "tiny.txt:12: 'nan' is no number" },
    { "-2e-1", "-2e999", "tiny.txt:12: '-2e999' is no number" },
    { "-2e-1", " 2", "tiny.txt:12: '' is no number" },
    { "x 2\n", "x 3\n", "tiny.txt:10: x has 3 numbers, its shape asks for 2" },
    { "-2e-1\n", "", "tiny.txt:12: 'y' is no number" },
    { "-2e-1\n", "1\n1\n", "tiny.txt:13: expected 'y', found '1'" },
    { "sensitivity 1e-16\n", "", "tiny.txt:18: expected 'losses_every_100', found 'outputs_start'" },
    { "1.5\n", "1.5\n1.5\n", "tiny.txt:39: '1.5' after the last block" },
    { "1.5\n", "1.5", "tiny.txt:38: the last line does not end" },
    { "1.5\n", "", "tiny.txt:38: '' is no number" },
};

static void a_file_that_breaks_a_rule_is_refused_with_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(spoilings); i++) {
        const struct spoiling *spoiling = &spoilings[i];
        struct reference r;
        char text[2 * sizeof right_text];
        const char *at = strstr(right_text, spoiling->piece);
        assert_non_null(at);
        (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - right_text), right_text, spoiling->instead,
                       at + strlen(spoiling->piece));
        assert_false(reference_parse(&r, "tiny.txt", text));
        assert_string_equal(r.error, spoiling->error);
    }
}

static void a_file_that_is_not_there_is_refused(void **state)
{
    (void)state;
    struct reference r;
    assert_false(reference_read(&r, REFERENCE_DIR "/no-such-case.txt"));
    assert_string_equal(r.error, REFERENCE_DIR "/no-such-case.txt: cannot be read as text");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_file_is_read),
        cmocka_unit_test(a_file_that_breaks_a_rule_is_refused_with_its_line),
        cmocka_unit_test(a_file_that_is_not_there_is_refused),
        cmocka_unit_test(every_file_of_the_directory_is_listed),
        cmocka_unit_test(every_case_whose_words_the_library_has_is_run),
        cmocka_unit_test(outputs_loss_and_gradients_at_the_start_are_those_of_the_files),
#ifndef BACKPROP_SINGLE
        cmocka_unit_test(hard_sigmoid_is_as_far_from_the_file_as_the_sixth_of_pytorch),
#endif
        cmocka_unit_test(a_gradient_accumulated_twice_is_twice_that_of_the_files),
        cmocka_unit_test(training_in_each_way_meets_losses_parameters_and_outputs_of_the_files),
        cmocka_unit_test(the_simulated_xor_net_is_that_of_the_files),
        cmocka_unit_test(ten_thousand_steps_of_xor_end_where_numpy_ends),
        cmocka_unit_test(xor_from_seed_1_is_learned),
        cmocka_unit_test(xor_from_seed_3_is_stuck_between_two_rows),
        cmocka_unit_test(one_wrong_component_of_a_gradient_is_noticed),
        cmocka_unit_test(a_number_that_is_nan_is_noticed),
        cmocka_unit_test(training_from_one_wrong_parameter_is_noticed),
        cmocka_unit_test(training_at_a_slightly_wrong_rate_is_noticed),
        cmocka_unit_test(bounds_in_single_precision_are_near_what_rounding_does),
    };
    int n_failed = 0;
    AT_EACH_PATH (path)
        n_failed += cmocka_run_group_tests_name(name_of_path(path), tests, NULL, NULL);
    return n_failed;
}
