// SPDX-License-Identifier: MIT
/*
 * What the exported program computes. Everything that could go wrong with numbers is found here, before a line is written.
 */
#include "model/export_c_model.h"

#include <float.h>
#include <math.h>

#include "base/memory.h"
#include "base/status.h"
#include "model/export_c_reference.h"
#include "model/export_c_text.h"

/* ---- Folding --------------------------------------------------------------------------------------------------------- */

static bool is_last(const struct bpi_c_model *model, size_t l)
{
    return l + 1 == model->net->n_layers;
}

static bool folds_inputs(const struct bpi_c_model *model, size_t l)
{
    return l == 0 && model->net->scales_inputs && !model->inputs_by_code;
}

static bool folds_outputs(const struct bpi_c_model *model, size_t l)
{
    return is_last(model, l) && model->net->scales_outputs && !model->outputs_by_code;
}

static void fold_batch_normalization(const struct bpi_c_model *model, const bp_layer *layer)
{
    for (size_t j = 0; j < layer->n_out; j++) {
        const double variance = (double)layer->running_var[j] + (double)layer->epsilon;
        model->factor[j] = (double)layer->gamma[j] / sqrt(variance);
        model->shift[j] = (model->shift[j] - (double)layer->running_mean[j]) * model->factor[j] + (double)layer->beta[j];
    }
}

static void fold_output_scaling(const struct bpi_c_model *model)
{
    for (size_t j = 0; j < model->net->n_out; j++) {
        const double scale = (double)model->net->out_scale[j];
        model->factor[j] *= scale;
        model->shift[j] = model->shift[j] * scale + (double)model->net->out_center[j];
    }
}

/*
 * What is left of the center of input i, in the units of the weights: all of it, or what is lost where the program's code
 * subtracts it in a smaller number type.
 */
static double remaining_center(const struct bpi_c_model *model, size_t i)
{
    const double center = (double)model->net->in_center[i];
    if (!model->inputs_by_code)
        return center;
    return (center - bpi_c_rounded(model->single, center)) / (double)model->net->in_scale[i];
}

/* By the weights as the program has them, so that their rounding weighs on x - center, not on x. */
static void fold_input_centers(const struct bpi_c_model *model)
{
    const bp_layer *layer = &model->net->layers[0];
    for (size_t j = 0; j < layer->n_out; j++) {
        double sum = 0;
        for (size_t i = 0; i < layer->n_in; i++)
            sum += bpi_c_rounded(model->single, bpi_c_weight(model, 0, j, i)) * remaining_center(model, i);
        if (sum != 0) /* which also keeps the sign of a shift of 0 */
            model->shift[j] -= sum;
    }
}

void bpi_c_fold(struct bpi_c_model *model, size_t l)
{
    const bp_layer *layer = &model->net->layers[l];
    for (size_t j = 0; j < layer->n_out; j++) {
        model->factor[j] = 1;
        model->shift[j] = layer->b != NULL ? (double)layer->b[j] : 0;
    }
    if (layer->normalization == BP_BATCH_NORMALIZATION)
        fold_batch_normalization(model, layer);
    if (folds_outputs(model, l) && layer->normalization != BP_LAYER_NORMALIZATION)
        fold_output_scaling(model);
    if (l == 0 && model->net->scales_inputs)
        fold_input_centers(model);
}

/* Where nothing is folded in, W times 1: exactly W. */
double bpi_c_weight(const struct bpi_c_model *model, size_t l, size_t j, size_t i)
{
    const bp_layer *layer = &model->net->layers[l];
    const double weight = (double)layer->W[j * layer->n_in + i] * model->factor[j];
    return folds_inputs(model, l) ? weight / (double)model->net->in_scale[i] : weight;
}

bool bpi_c_has_shift(const struct bpi_c_model *model, size_t l)
{
    const bp_layer *layer = &model->net->layers[l];
    return layer->b != NULL || layer->normalization == BP_BATCH_NORMALIZATION || (l == 0 && model->net->scales_inputs) ||
           (folds_outputs(model, l) && layer->normalization != BP_LAYER_NORMALIZATION);
}

double bpi_c_gamma(const struct bpi_c_model *model, size_t l, size_t j)
{
    const double gamma = (double)model->net->layers[l].gamma[j];
    return folds_outputs(model, l) ? gamma * (double)model->net->out_scale[j] : gamma;
}

double bpi_c_beta(const struct bpi_c_model *model, size_t l, size_t j)
{
    const double beta = (double)model->net->layers[l].beta[j];
    return folds_outputs(model, l) ? beta * (double)model->net->out_scale[j] + (double)model->net->out_center[j] : beta;
}

/* ---- Whether the scaling of inputs is folded ------------------------------------------------------------------------- */

/* Beyond, x / scale and center / scale are large numbers whose difference is small: some of the digits cancel. */
#define MOST_SCALES_OF_A_CENTER 8.0

static bool is_normal(const struct bpi_c_model *model, double value)
{
    const double magnitude = fabs(value);
    return magnitude >= (model->single ? (double)FLT_MIN : DBL_MIN) &&
           magnitude <= (model->single ? (double)FLT_MAX : DBL_MAX);
}

static bool folding_inputs_is_harmless(const struct bpi_c_model *model)
{
    const bp_network *net = model->net;
    const bp_layer *layer = &net->layers[0];
    for (size_t i = 0; i < net->n_in; i++)
        if (fabs((double)net->in_center[i]) > MOST_SCALES_OF_A_CENTER * (double)net->in_scale[i])
            return false;
    for (size_t j = 0; j < layer->n_out; j++)
        for (size_t i = 0; i < layer->n_in; i++) {
            const double weight = bpi_c_weight(model, 0, j, i);
            if (weight != 0 ? !is_normal(model, weight) : layer->W[j * layer->n_in + i] != (bp_real)0)
                return false;
        }
    return true;
}

/* ---- Checks ---------------------------------------------------------------------------------------------------------- */

static bp_status check_activations(const struct bpi_c_model *model)
{
    for (size_t l = 0; l < model->net->n_layers; l++) {
        const bp_layer *layer = &model->net->layers[l];
        if (layer->custom != NULL)
            return bpi_fail(
                BP_ERR_UNSUPPORTED,
                "%s: layer %zu has the activation \"%s\", a function of yours, of which there is no source to write",
                model->function, l, layer->custom->name);
    }
    return BP_OK;
}

/* Refuses a number that is not finite in the program; `index` of `name`, of which `what` is the owner. */
static bp_status check_number(const struct bpi_c_model *model, const char *what, size_t which, const char *name,
                              size_t index, double value)
{
    if (isfinite(bpi_c_rounded(model->single, value)))
        return BP_OK;
    return bpi_fail(BP_ERR_NONFINITE, "%s: %s %zu: %s[%zu] is %g%s", model->function, what, which, name, index, value,
                    isfinite(value) ? ", too large for float" : "");
}

static bp_status check_array(const struct bpi_c_model *model, size_t l, const char *name, const bp_real *values, size_t n)
{
    for (size_t k = 0; values != NULL && k < n; k++)
        if (!isfinite(values[k]))
            return bpi_fail(BP_ERR_NONFINITE, "%s: layer %zu: %s[%zu] is %g", model->function, l, name, k,
                            (double)values[k]);
    return BP_OK;
}

/* The numbers as the network has them. */
static bp_status check_layer(const struct bpi_c_model *model, size_t l)
{
    const bp_layer *layer = &model->net->layers[l];
    const size_t n = layer->n_out;
    BPI_TRY(check_array(model, l, "W", layer->W, n * layer->n_in));
    BPI_TRY(check_array(model, l, "b", layer->b, n));
    BPI_TRY(check_array(model, l, "gamma", layer->gamma, n));
    BPI_TRY(check_array(model, l, "beta", layer->beta, n));
    BPI_TRY(check_array(model, l, "running_mean", layer->running_mean, n));
    BPI_TRY(check_array(model, l, "running_var", layer->running_var, n));
    for (size_t j = 0; layer->running_var != NULL && j < n; j++)
        if (!((double)layer->running_var[j] + (double)layer->epsilon > 0))
            return bpi_fail(BP_ERR_NONFINITE, "%s: layer %zu: running_var[%zu] is %g, the root of which is no number",
                            model->function, l, j, (double)layer->running_var[j]);
    return BP_OK;
}

/* The numbers as the program has them. */
static bp_status check_folded_layer(struct bpi_c_model *model, size_t l)
{
    const bp_layer *layer = &model->net->layers[l];
    bpi_c_fold(model, l);
    for (size_t j = 0; j < layer->n_out; j++) {
        for (size_t i = 0; i < layer->n_in; i++)
            BPI_TRY(check_number(model, "layer", l, "folded W", j * layer->n_in + i, bpi_c_weight(model, l, j, i)));
        BPI_TRY(check_number(model, "layer", l, "folded b", j, model->shift[j]));
        if (layer->normalization == BP_LAYER_NORMALIZATION) {
            BPI_TRY(check_number(model, "layer", l, "folded gamma", j, bpi_c_gamma(model, l, j)));
            BPI_TRY(check_number(model, "layer", l, "folded beta", j, bpi_c_beta(model, l, j)));
        }
    }
    return check_number(model, "layer", l, "parameter", 0, (double)layer->parameter);
}

/* Of one side, where it is left to the code. A scale that is 0 in the program could not be divided by. */
static bp_status check_scaling(const struct bpi_c_model *model, const char *what, const bp_real *center,
                               const bp_real *scale, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        BPI_TRY(check_number(model, what, i, "center", i, (double)center[i]));
        BPI_TRY(check_number(model, what, i, "scale", i, (double)scale[i]));
        if (!(bpi_c_rounded(model->single, (double)scale[i]) > 0))
            return bpi_fail(BP_ERR_NONFINITE, "%s: %s %zu: the scale is %g, which float has no number for", model->function,
                            what, i, (double)scale[i]);
    }
    return BP_OK;
}

static bp_status check(struct bpi_c_model *model)
{
    const bp_network *net = model->net;
    BPI_TRY(check_activations(model));
    for (size_t l = 0; l < net->n_layers; l++)
        BPI_TRY(check_layer(model, l));

    model->outputs_by_code = net->scales_outputs && net->layers[net->n_layers - 1].activation != BP_IDENTITY;
    bpi_c_fold(model, 0);
    model->inputs_by_code = net->scales_inputs && !folding_inputs_is_harmless(model);
    if (model->inputs_by_code)
        BPI_TRY(check_scaling(model, "input", net->in_center, net->in_scale, net->n_in));
    if (model->outputs_by_code)
        BPI_TRY(check_scaling(model, "output", net->out_center, net->out_scale, net->n_out));
    for (size_t l = 0; l < net->n_layers; l++)
        BPI_TRY(check_folded_layer(model, l));
    return BP_OK;
}

/* ---- Making ---------------------------------------------------------------------------------------------------------- */

static size_t widest(const bp_network *net)
{
    size_t width = net->n_in;
    for (size_t l = 0; l < net->n_layers; l++)
        width = net->layers[l].n_out > width ? net->layers[l].n_out : width;
    return width;
}

static bp_status allocate(struct bpi_c_model *model)
{
    const bp_network *net = model->net;
    const size_t width = widest(net);
    struct bpi_plan plan = { 0 };
    const size_t factor = bpi_plan_array(&plan, width, sizeof(double));
    const size_t shift = bpi_plan_array(&plan, width, sizeof(double));
    const size_t X = bpi_plan_matrix(&plan, BPI_C_TEST_ROWS, net->n_in, sizeof(double));
    const size_t Y = bpi_plan_matrix(&plan, BPI_C_TEST_ROWS, net->n_out, sizeof(double));
    const size_t A_even = bpi_plan_array(&plan, width, sizeof(double));
    const size_t A_odd = bpi_plan_array(&plan, width, sizeof(double));
    BPI_TRY(bpi_plan_allocate(&plan, model->function, &net->allocator, &model->block));

    model->factor = bpi_place(model->block, factor);
    model->shift = bpi_place(model->block, shift);
    model->X = bpi_place(model->block, X);
    model->Y = bpi_place(model->block, Y);
    model->A[0] = bpi_place(model->block, A_even);
    model->A[1] = bpi_place(model->block, A_odd);
    return BP_OK;
}

bp_status bpi_c_model_init(struct bpi_c_model *model, const char *function, const bp_network *net, bool single)
{
    *model = (struct bpi_c_model){ .function = function, .net = net, .single = single };
    BPI_TRY(allocate(model));
    bp_status status = check(model);
    if (status == BP_OK)
        status = bpi_c_record(model);
    if (status != BP_OK)
        bpi_c_model_free(model);
    return status;
}

void bpi_c_model_free(struct bpi_c_model *model)
{
    bpi_release(&model->net->allocator, model->block);
    model->block = NULL;
}
