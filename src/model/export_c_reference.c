// SPDX-License-Identifier: MIT
/*
 * A network computed plainly, in double for both libraries and by none of the kernels that may differ from machine to machine:
 * what the exported program is held to.
 */
#include "model/export_c_reference.h"

#include <math.h>

#include "backprop/rng.h"
#include "base/status.h"
#include "model/export_c_functions.h"
#include "model/export_c_text.h"

#define SEED 1 /* of the inputs; any will do */

/* How far the program may be from the recorded outputs, as a share of the largest of them. */
#define SHARE_DOUBLE 1e-12
#define SHARE_SINGLE 1e-5

/* ---- One row --------------------------------------------------------------------------------------------------------- */

/*
 * z = a W^T + b. Narrow: every number and every result rounded to float, as a program in float would. (Rounding the double result
 * of one operation on floats is the same as computing it in float.)
 */
static void multiply(const bp_layer *layer, bool narrow, const double *a, double *z)
{
    for (size_t j = 0; j < layer->n_out; j++) {
        const bp_real *w = layer->W + j * layer->n_in;
        double sum = 0;
        for (size_t i = 0; i < layer->n_in; i++)
            sum = bpi_c_rounded(narrow, sum + bpi_c_rounded(narrow, bpi_c_rounded(narrow, (double)w[i]) * a[i]));
        z[j] = bpi_c_rounded(narrow, sum + (layer->b != NULL ? (double)layer->b[j] : 0));
    }
}

static void normalize(const bp_layer *layer, double *z)
{
    const size_t n = layer->n_out;
    const bool by_rows = layer->normalization == BP_LAYER_NORMALIZATION;
    double mean = 0, variance = 0;
    for (size_t j = 0; by_rows && j < n; j++)
        mean += z[j] / (double)n;
    for (size_t j = 0; by_rows && j < n; j++)
        variance += (z[j] - mean) * (z[j] - mean) / (double)n;
    for (size_t j = 0; j < n; j++) {
        const double center = by_rows ? mean : (double)layer->running_mean[j];
        const double spread = by_rows ? variance : (double)layer->running_var[j];
        z[j] = (z[j] - center) / sqrt(spread + (double)layer->epsilon) * (double)layer->gamma[j] + (double)layer->beta[j];
    }
}

static void activate(const bp_layer *layer, double *z)
{
    const struct bpi_c_function *f = bpi_c_function(layer->activation);
    if (f->row_value != NULL)
        f->row_value(layer->n_out, z);
    for (size_t j = 0; f->value != NULL && j < layer->n_out; j++)
        z[j] = f->value(z[j], (double)layer->parameter);
}

static void round_row(bool narrow, size_t n, double *z)
{
    for (size_t j = 0; j < n; j++)
        z[j] = bpi_c_rounded(narrow, z[j]);
}

/* The outputs for x, in scratch of the model. */
static const double *compute(const struct bpi_c_model *model, bool narrow, const double *x)
{
    const bp_network *net = model->net;
    double *a = model->A[0], *z = model->A[1];
    for (size_t i = 0; i < net->n_in; i++)
        a[i] = bpi_c_rounded(narrow, (x[i] - (double)net->in_center[i]) / (double)net->in_scale[i]);
    for (size_t l = 0; l < net->n_layers; l++) {
        const bp_layer *layer = &net->layers[l];
        multiply(layer, narrow, a, z);
        if (layer->normalization != BP_NO_NORMALIZATION)
            normalize(layer, z);
        round_row(narrow, layer->n_out, z);
        activate(layer, z);
        round_row(narrow, layer->n_out, z);
        double *swap = a;
        a = z;
        z = swap;
    }
    for (size_t j = 0; j < net->n_out; j++)
        a[j] = bpi_c_rounded(narrow, a[j] * (double)net->out_scale[j] + (double)net->out_center[j]);
    return a;
}

/* ---- All rows -------------------------------------------------------------------------------------------------------- */

/* Inputs without scaling from -1 to 1; scaled ones from center to center + scale, which is within the data under either kind. */
static void draw_inputs(struct bpi_c_model *model)
{
    const bp_network *net = model->net;
    bp_rng rng;
    bp_rng_init(&rng, SEED);
    for (size_t k = 0; k < BPI_C_TEST_ROWS * net->n_in; k++) {
        const size_t i = k % net->n_in;
        const double u = bp_rng_uniform(&rng);
        const double x = net->scales_inputs ? (double)net->in_center[i] + u * (double)net->in_scale[i] : 2 * u - 1;
        model->X[k] = bpi_c_rounded(model->single, x);
    }
}

/* Fills Y; *largest and *deviation: of the outputs, and how far they are from those that a program in float would have. */
static bp_status compute_outputs(struct bpi_c_model *model, double *largest, double *deviation)
{
    const size_t n_in = model->net->n_in, n_out = model->net->n_out;
    *largest = *deviation = 0;
    for (size_t row = 0; row < BPI_C_TEST_ROWS; row++) {
        const double *x = model->X + row * n_in;
        double *y = model->Y + row * n_out;
        const double *exact = compute(model, false, x);
        for (size_t k = 0; k < n_out; k++) {
            y[k] = exact[k];
            if (!isfinite(bpi_c_rounded(model->single, y[k])))
                return bpi_fail(BP_ERR_NONFINITE,
                                "%s: output %zu is %g for inputs of ordinary size, so the program could not be tested",
                                model->function, k, y[k]);
            *largest = fmax(*largest, fabs(y[k]));
        }
        const double *narrow = compute(model, true, x);
        for (size_t k = 0; k < n_out; k++)
            *deviation = isfinite(narrow[k]) ? fmax(*deviation, fabs(narrow[k] - y[k])) : INFINITY;
    }
    return BP_OK;
}

/*
 * The tolerance is a share of the largest output, and never less than 8 times what rounding alone does to this network: sin(1e6 z)
 * has lost more digits than others. For double that is 2^-29 of what it is for float, the ratio of their roundings.
 */
bp_status bpi_c_record(struct bpi_c_model *model)
{
    double largest, deviation;
    draw_inputs(model);
    BPI_TRY(compute_outputs(model, &largest, &deviation));
    const double share = model->single ? SHARE_SINGLE : SHARE_DOUBLE;
    const double rounding = model->single ? 8 * deviation : isfinite(deviation) ? ldexp(8 * deviation, -29) : 0;
    model->tolerance = fmax(share * largest, rounding);
    if (isfinite(bpi_c_rounded(model->single, model->tolerance)))
        return BP_OK;
    return bpi_fail(BP_ERR_NONFINITE, "%s: computed in float, outputs are not finite for inputs of ordinary size",
                    model->function);
}
