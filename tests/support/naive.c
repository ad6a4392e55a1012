// SPDX-License-Identifier: MIT
/*
 * Forward and backward by the definitions. Every function of one number comes with its own derivative, written down here
 * again on purpose.
 */
#include "support/naive.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "backprop/activation.h"
#include "backprop/loss.h"
#include "backprop/network.h"

/* Roundings granted to an activation: exp and tanh of a libm or of our own, good to 4 units in the last place, and the few
 * operations around them. */
enum { ROUNDINGS = 12 };

static struct number exact(double value)
{
    return (struct number){ value, 0 };
}

/* sum += a b, one of a sum that rounds each of its products up to `roundings` times. */
static void add_product(struct number *sum, struct number a, struct number b, double roundings, double u)
{
    const double product = a.value * b.value;
    sum->value += product;
    sum->error += fabs(a.value) * b.error + fabs(b.value) * a.error + roundings * u * fabs(product);
}

static struct number product(struct number a, struct number b, double roundings, double u)
{
    struct number result = { 0 };
    add_product(&result, a, b, roundings, u);
    return result;
}

/* ---- Activations ----------------------------------------------------------------------------------------------------- */

static const double two_by_sqrt_pi = 1.12837916709551257390;

static double logistic(double z)
{
    return 1 / (1 + exp(-z));
}

static double normal_distribution(double z)
{
    return erfc(-z / sqrt(2)) / 2;
}

/* sqrt(2 / pi) (z + 0.044715 z^3) */
static double argument_of_gelu_tanh(double z)
{
    return sqrt(0.5) * two_by_sqrt_pi * (z + 0.044715 * z * z * z);
}

static const double selu_scale = 1.0507009873554804934193349852946, selu_alpha = 1.6732632423543772848170429916717;

static double value_of(int activation, double p, double z)
{
    switch (activation) {
    case BP_IDENTITY:
        return z;
    case BP_SIGMOID:
        return logistic(z);
    case BP_TANH:
        return tanh(z);
    case BP_RELU:
        return z > 0 ? z : 0;
    case BP_LEAKY_RELU:
        return z > 0 ? z : p * z;
    case BP_ELU:
        return z > 0 ? z : p * (exp(z) - 1);
    case BP_SELU:
        return selu_scale * (z > 0 ? z : selu_alpha * (exp(z) - 1));
    case BP_GELU:
        return z * normal_distribution(z);
    case BP_GELU_TANH:
        return z / 2 * (1 + tanh(argument_of_gelu_tanh(z)));
    case BP_SILU:
        return z * logistic(z);
    case BP_MISH:
        return z * tanh(log(1 + exp(z)));
    case BP_SOFTPLUS:
        return log(1 + exp(z));
    case BP_SOFTSIGN:
        return z / (1 + fabs(z));
    case BP_HARD_SIGMOID:
        return fmin(fmax(z / 6 + 0.5, 0), 1);
    case BP_HARD_TANH:
        return fmin(fmax(z, -1), 1);
    case BP_GAUSSIAN:
        return exp(-z * z);
    case BP_SINE:
        return sin(z);
    case BP_CUSTOM_ACTIVATION:
        return NAIVE_GAIN_OF_WAVES * exp(p * sin(z));
    default:
        fail_msg("activation %d is not written down in naive.c yet", activation);
        return NAN;
    }
}

/* f'(z), for functions of one number. */
static double slope_at(int activation, double p, double z)
{
    const double s = logistic(z);
    switch (activation) {
    case BP_IDENTITY:
        return 1;
    case BP_SIGMOID:
    case BP_SOFTPLUS:
        return activation == BP_SIGMOID ? s * (1 - s) : s;
    case BP_TANH:
        return 1 / (cosh(z) * cosh(z));
    case BP_RELU:
        return z > 0 ? 1 : 0;
    case BP_LEAKY_RELU:
        return z > 0 ? 1 : p;
    case BP_ELU:
        return z > 0 ? 1 : p * exp(z);
    case BP_SELU:
        return selu_scale * (z > 0 ? 1 : selu_alpha * exp(z));
    case BP_GELU:
        return normal_distribution(z) + z * exp(-z * z / 2) * two_by_sqrt_pi / sqrt(8);
    case BP_GELU_TANH: {
        const double t = tanh(argument_of_gelu_tanh(z));
        return (1 + t) / 2 + z / 2 * (1 - t * t) * sqrt(0.5) * two_by_sqrt_pi * (1 + 3 * 0.044715 * z * z);
    }
    case BP_SILU:
        return s * (1 + z * (1 - s));
    case BP_MISH: {
        const double t = tanh(log(1 + exp(z)));
        return t + z * (1 - t * t) * s;
    }
    case BP_SOFTSIGN:
        return 1 / ((1 + fabs(z)) * (1 + fabs(z)));
    case BP_HARD_SIGMOID:
        return fabs(z) < 3 ? 1.0 / 6 : 0;
    case BP_HARD_TANH:
        return fabs(z) < 1 ? 1 : 0;
    case BP_GAUSSIAN:
        return -2 * z * exp(-z * z);
    case BP_SINE:
        return cos(z);
    default:
        return value_of(activation, p, z) * p * cos(z);
    }
}

/* How fast the slope changes, between the kinks: a difference is good enough for a bound. */
static double curvature(int activation, double p, double z)
{
    const double h = 1e-5;
    return fabs(slope_at(activation, p, z + h) - slope_at(activation, p, z - h)) / (2 * h);
}

/* Of exp, tanh, erfc and what is made of them: arguments like z^2 round by u z^2, terms of size |z| are added up. */
static double rounding(int activation, double z, double value, double u)
{
    const bool pieces = activation == BP_IDENTITY || activation == BP_RELU || activation == BP_HARD_TANH;
    return pieces ? 0 : ROUNDINGS * u * (1 + z * z) * (fabs(value) + fmin(fabs(z), 1) * (activation != BP_SIGMOID));
}

static struct number slope(int activation, double p, struct number z, double u)
{
    const double value = slope_at(activation, p, z.value);
    const bool pieces = activation == BP_IDENTITY || activation == BP_RELU || activation == BP_HARD_TANH;
    return (struct number){ value, u == 0 || pieces ? 0
                                                    : curvature(activation, p, z.value) * z.error +
                                                          ROUNDINGS * u * (1 + z.value * z.value) * (fabs(value) + 1) };
}

static struct number apply(int activation, double p, struct number z, double u)
{
    const double value = value_of(activation, p, z.value);
    if (u == 0)
        return exact(value);
    return (struct number){ value,
                            fabs(slope_at(activation, p, z.value)) * z.error + rounding(activation, z.value, value, u) };
}

static double sum_of_exponentials(size_t n, const struct number *Z, double max)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += exp(Z[j].value - max);
    return sum;
}

/* Weighted by softmax outputs a, the sum of all errors but that of entry k, and (1 - a_k) times that one: what an error of
 * x does to x_k - sum_j a_j x_j. */
static double error_about_mean(size_t n, const struct number *A, const struct number *x, size_t k)
{
    double sum = x[k].error - 2 * A[k].value * x[k].error;
    for (size_t j = 0; j < n; j++)
        sum += A[j].value * x[j].error;
    return sum;
}

/* a_j = e^(z_j) / sum e^(z_k), da_j = a_j (dz_j - sum_k a_k dz_k). The exponent z_j - max rounds by u |z_j - max|, which is
 * a relative error of e to that. */
static void softmax(size_t n, const struct number *Z, double u, struct number *A)
{
    double max = -INFINITY, min = INFINITY;
    for (size_t j = 0; j < n; j++) {
        max = fmax(max, Z[j].value);
        min = fmin(min, Z[j].value);
    }
    const double sum = sum_of_exponentials(n, Z, max);
    for (size_t j = 0; j < n; j++)
        A[j] = exact(exp(Z[j].value - max) / sum);
    for (size_t j = 0; j < n; j++)
        A[j].error = A[j].value * (error_about_mean(n, A, Z, j) + u * (ROUNDINGS + (double)n + 2 * (max - min)));
}

/* dz_k = a_k (da_k - sum_j a_j da_j), the sum rounded like one of n products. */
static void softmax_pull_back(size_t n, const struct number *A, const struct number *dA, double u, struct number *dZ)
{
    double mean = 0, error_of_mean = 0;
    for (size_t j = 0; j < n; j++) {
        mean += A[j].value * dA[j].value;
        error_of_mean += A[j].error * fabs(dA[j].value) + (double)n * u * A[j].value * fabs(dA[j].value);
    }
    for (size_t k = 0; k < n; k++) {
        const double rounding = error_of_mean + u * (fabs(dA[k].value) + fabs(mean));
        const struct number difference = { dA[k].value - mean, error_about_mean(n, A, dA, k) + rounding };
        dZ[k] = product(A[k], difference, 1, u);
    }
}

static void pull_back(int activation, double p, size_t n, const struct number *Z, const struct number *A,
                      const struct number *dA, double u, struct number *dZ)
{
    if (activation == BP_SOFTMAX) {
        softmax_pull_back(n, A, dA, u, dZ);
        return;
    }
    for (size_t j = 0; j < n; j++)
        dZ[j] = product(dA[j], slope(activation, p, Z[j], u), 1, u);
}

/* ---- Normalization --------------------------------------------------------------------------------------------------- */

/* Numbers that are normalized together, wherever they stand: of one unit in all rows, or of one row in all units. */
struct line {
    size_t n;
    struct number *at[PROBLEM_BATCH];
};

static struct number mean_of(const struct line *x, double u)
{
    struct number sum = { 0 };
    for (size_t i = 0; i < x->n; i++)
        add_product(&sum, exact(1 / (double)x->n), *x->at[i], (double)x->n + 1, u);
    return sum;
}

static struct number subtract(struct number a, struct number b, double u)
{
    return (struct number){ a.value - b.value, a.error + b.error + u * fabs(a.value - b.value) };
}

/* 1 / sqrt(variance + epsilon) */
static struct number inverse_deviation(struct number variance, double epsilon, double u)
{
    const double sum = variance.value + epsilon, value = 1 / sqrt(sum);
    return (struct number){ value, value * (0.5 * (variance.error + u * epsilon) / sum + 4 * u) };
}

static double epsilon_of(const struct problem *problem)
{
    return problem->kind.epsilon != 0 ? problem->kind.epsilon : 1e-5;
}

/* x = (x - mean) / sqrt(variance + epsilon) */
static void normalize(const struct line *x, double epsilon, double u, struct number *inverse)
{
    const struct number mean = mean_of(x, u);
    struct number variance = { 0 };
    for (size_t i = 0; i < x->n; i++) {
        *x->at[i] = subtract(*x->at[i], mean, u);
        const struct number square = product(*x->at[i], *x->at[i], (double)x->n + 2, u);
        add_product(&variance, exact(1 / (double)x->n), square, 0, u);
    }
    *inverse = inverse_deviation(variance, epsilon, u);
    for (size_t i = 0; i < x->n; i++)
        *x->at[i] = product(*x->at[i], *inverse, 1, u);
}

/* dz = (g - mean of g - N mean of g N) inverse, in place of g. */
static void normalization_pull_back(const struct line *g, const struct line *N, struct number inverse, double u)
{
    const struct number mean = mean_of(g, u);
    struct number mean_of_gN = { 0 };
    for (size_t i = 0; i < g->n; i++) {
        const struct number gN = product(*g->at[i], *N->at[i], (double)g->n + 2, u);
        add_product(&mean_of_gN, exact(1 / (double)g->n), gN, 0, u);
    }
    for (size_t i = 0; i < g->n; i++) {
        const struct number about_mean = subtract(*g->at[i], mean, u);
        *g->at[i] = product(subtract(about_mean, product(*N->at[i], mean_of_gN, 1, u), u), inverse, 1, u);
    }
}

/* n numbers from `first` on, `step` apart. */
static struct line line_of(size_t n, struct number *first, size_t step)
{
    struct line line = { .n = n };
    for (size_t i = 0; i < n; i++)
        line.at[i] = first + i * step;
    return line;
}

/* N of unit j of layer l in all rows. */
static struct line column_of(struct naive_row *rows, size_t n, size_t l, size_t j)
{
    struct line line = { .n = n };
    for (size_t i = 0; i < n; i++)
        line.at[i] = &rows[i].N[l][j];
    return line;
}

static void normalize_column(const struct problem *problem, struct naive_row *rows, size_t n, size_t l, size_t j, double u)
{
    const struct line line = column_of(rows, n, l, j);
    struct number inverse;
    normalize(&line, epsilon_of(problem), u, &inverse);
    for (size_t i = 0; i < n; i++) {
        rows[i].inverse[l][j] = inverse;
    }
}

static void normalize_row(const struct problem *problem, struct naive_row *row, size_t units, size_t l, double u)
{
    const struct line line = line_of(units, row->N[l], 1);
    struct number inverse;
    normalize(&line, epsilon_of(problem), u, &inverse);
    for (size_t j = 0; j < units; j++)
        row->inverse[l][j] = inverse;
}

static void normalize_as_before(const struct problem *problem, struct naive_row *row, size_t units, size_t l, double u)
{
    for (size_t j = 0; j < units; j++) {
        row->inverse[l][j] = inverse_deviation(exact(problem->running_var[l][j]), epsilon_of(problem), u);
        const struct number about_mean = subtract(row->N[l][j], exact(problem->running_mean[l][j]), u);
        row->N[l][j] = product(about_mean, row->inverse[l][j], 1, u);
    }
}

/* ---- Up -------------------------------------------------------------------------------------------------------------- */

/* z_j = b_j + sum_k w_jk a_k */
static void affine(const struct problem_layer *layer, const double *params, const struct number *A_in, double u,
                   struct number *Z)
{
    const double roundings = (double)layer->n_in + 1;
    for (size_t j = 0; j < layer->n_out; j++) {
        const double b = layer->gamma > layer->b ? params[layer->b + j] : 0;
        Z[j] = (struct number){ b, u * fabs(b) };
        for (size_t k = 0; k < layer->n_in; k++)
            add_product(&Z[j], exact(params[layer->W + j * layer->n_in + k]), A_in[k], roundings, u);
    }
}

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t scatter(uint64_t key, uint64_t value)
{
    return mix(key + (value + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

/* The rule in src/math/dropout.h: 0, or what a number that is kept is multiplied by. */
static double dropout_factor(const struct problem *problem, double p, size_t l, size_t row, size_t column)
{
    const uint64_t pass = scatter(scatter(0, problem->dropout_seed), problem->pass);
    const uint64_t bits = scatter(scatter(scatter(pass, l), row), column / 2);
    const uint32_t half = (uint32_t)(column % 2 == 0 ? bits : bits >> 32);
    return half < floor(p * 0x1p32) ? 0 : 1 / (1 - p);
}

/* From N to Z, F and A of layer l in one row, row i of the batch. */
static void finish_row(const struct problem *problem, const struct problem_layer *layer, size_t i, size_t l, double u,
                       struct naive_row *row)
{
    const size_t n = layer->n_out;
    const double *params = problem->params, p = problem_parameter(&problem->kind, layer->activation);
    for (size_t j = 0; j < n; j++) {
        row->Z[l][j] = row->N[l][j];
        if (layer->normalization != BP_NO_NORMALIZATION) {
            row->Z[l][j] = exact(params[layer->beta + j]);
            add_product(&row->Z[l][j], exact(params[layer->gamma + j]), row->N[l][j], 2, u);
            row->Z[l][j].error += u * fabs(params[layer->beta + j]);
        }
    }
    if (layer->activation == BP_SOFTMAX)
        softmax(n, row->Z[l], u, row->F[l]);
    for (size_t j = 0; j < n; j++) {
        if (layer->activation != BP_SOFTMAX)
            row->F[l][j] = apply(layer->activation, p, row->Z[l][j], u);
        row->kept[l][j] = layer->dropout > 0 ? dropout_factor(problem, layer->dropout, l, i, j) : 1;
        row->A[l + 1][j] = product(row->F[l][j], exact(row->kept[l][j]), layer->dropout > 0 ? 3 : 0, u);
    }
}

static double steepness_of(const struct problem_layer *layer, const struct number *A_in, const struct number *inverse)
{
    double largest_input = 1, largest_inverse = 0; /* 1 of the bias */
    for (size_t k = 0; k < layer->n_in; k++)
        largest_input = fmax(largest_input, fabs(A_in[k].value));
    for (size_t j = 0; j < layer->n_out; j++)
        largest_inverse = fmax(largest_inverse, inverse[j].value);
    return largest_input * largest_inverse;
}

static void forward_layer(const struct problem *problem, const struct problem_layer *layer, size_t l, size_t first,
                          size_t n, double u, struct naive_row *rows)
{
    for (size_t r = 0; r < n; r++)
        affine(layer, problem->params, rows[r].A[l], u, rows[r].N[l]);
    for (size_t j = 0; layer->normalization == BP_BATCH_NORMALIZATION && j < layer->n_out; j++)
        normalize_column(problem, rows, n, l, j, u);
    for (size_t r = 0; r < n; r++) {
        if (layer->normalization == BP_LAYER_NORMALIZATION)
            normalize_row(problem, &rows[r], layer->n_out, l, u);
        if (layer->normalization == PROBLEM_FROZEN_NORMALIZATION)
            normalize_as_before(problem, &rows[r], layer->n_out, l, u);
        if (layer->normalization == BP_BATCH_NORMALIZATION || layer->normalization == BP_LAYER_NORMALIZATION)
            rows[r].steepness = fmax(rows[r].steepness, steepness_of(layer, rows[r].A[l], rows[r].inverse[l]));
        finish_row(problem, layer, first + r, l, u, &rows[r]);
    }
}

void naive_forward(const struct problem *problem, size_t first, size_t n, double u, struct naive_row *rows)
{
    struct problem_layer layers[PROBLEM_LAYERS];
    (void)problem_layers(&problem->kind, layers);
    for (size_t r = 0; r < n; r++) {
        rows[r].steepness = 0;
        for (size_t k = 0; k < problem->kind.n_in; k++)
            rows[r].A[0][k] = exact(problem->X[(first + r) * problem->kind.n_in + k]);
    }
    for (size_t l = 0; l < problem->kind.n_layers; l++)
        forward_layer(problem, &layers[l], l, first, n, u, rows);
}

/* ---- Kinks ----------------------------------------------------------------------------------------------------------- */

/* From z to the kink of the function that is nearest. */
static double distance_to_kink(int activation, double z)
{
    switch (activation) {
    case BP_RELU:
    case BP_LEAKY_RELU:
    case BP_ELU:
    case BP_SELU:
    case BP_SOFTSIGN:
        return fabs(z);
    case BP_HARD_SIGMOID:
        return fabs(fabs(z) - 3);
    case BP_HARD_TANH:
        return fabs(fabs(z) - 1);
    default:
        return INFINITY;
    }
}

static double distance_to_kink_of_loss(const struct problem_kind *kind, double e)
{
    switch (kind->loss) {
    case BP_MAE:
    case BP_QUANTILE:
        return fabs(e);
    case BP_HUBER:
        return fabs(fabs(e) - problem_loss_parameter(kind));
    default:
        return INFINITY;
    }
}

double naive_clearance(const struct problem *problem, size_t i, const struct naive_row *row)
{
    struct problem_layer layers[PROBLEM_LAYERS];
    (void)problem_layers(&problem->kind, layers);
    double nearest = INFINITY;
    for (size_t l = 0; l < problem->kind.n_layers; l++)
        for (size_t j = 0; j < layers[l].n_out; j++)
            nearest = fmin(nearest, distance_to_kink(layers[l].activation, row->Z[l][j].value));
    for (size_t j = 0; j < problem->n_out; j++) {
        const double e = row->A[problem->kind.n_layers][j].value - problem_target(problem, i, j);
        nearest = fmin(nearest, distance_to_kink_of_loss(&problem->kind, e));
    }
    return nearest;
}

/* Functions made of straight pieces only; elsewhere slopes of different rows differ. */
static bool is_straight(int activation)
{
    return activation == BP_IDENTITY || activation == BP_RELU || activation == BP_LEAKY_RELU ||
           activation == BP_HARD_SIGMOID || activation == BP_HARD_TANH;
}

bool naive_passes_shift(const struct problem *problem, const struct naive_row *rows, size_t l, size_t j)
{
    struct problem_layer layers[PROBLEM_LAYERS];
    (void)problem_layers(&problem->kind, layers);
    const int activation = layers[l].activation;
    if (!is_straight(activation))
        return false;
    const double p = problem_parameter(&problem->kind, activation);
    const double slope = slope_at(activation, p, rows[0].Z[l][j].value) * rows[0].kept[l][j];
    for (size_t i = 1; i < problem->kind.batch; i++)
        if (slope_at(activation, p, rows[i].Z[l][j].value) * rows[i].kept[l][j] != slope)
            return false;
    return true;
}

/* ---- Loss ------------------------------------------------------------------------------------------------------------ */

static double loss_of_output(const struct problem_kind *kind, double y, double t)
{
    const double e = y - t, p = problem_loss_parameter(kind);
    switch (kind->loss) {
    case BP_SQUARED_ERROR:
        return e * e / 2;
    case BP_BINARY_CROSS_ENTROPY:
        return -t * log(y) - (1 - t) * log(1 - y);
    case BP_CROSS_ENTROPY:
        return -t * log(y);
    case BP_MAE:
        return fabs(e);
    case BP_HUBER:
        return fabs(e) <= p ? e * e / 2 : p * (fabs(e) - p / 2);
    case BP_POISSON:
        return y - t * log(y);
    case BP_QUANTILE:
        return e < 0 ? -p * e : (1 - p) * e;
    default:
        fail_msg("loss %d is not written down in naive.c yet", kind->loss);
        return NAN;
    }
}

/* sqrt(1 + |y - t|^2) */
static double distance(const struct problem *problem, size_t i, const struct number *y)
{
    double sum = 1;
    for (size_t j = 0; j < problem->n_out; j++) {
        const double e = y[j].value - problem_target(problem, i, j);
        sum += e * e;
    }
    return sqrt(sum);
}

double naive_loss_of_row(const struct problem *problem, size_t i, const struct naive_row *row)
{
    const struct number *y = row->A[problem->kind.n_layers];
    if (problem->kind.loss == BP_CUSTOM_LOSS)
        return NAIVE_GAIN_OF_DISTANCE * distance(problem, i, y);
    double sum = 0;
    for (size_t j = 0; j < problem->n_out; j++)
        sum += loss_of_output(&problem->kind, y[j].value, problem_target(problem, i, j));
    return sum;
}

double naive_loss(const struct problem *problem)
{
    struct naive_row rows[PROBLEM_BATCH];
    naive_forward(problem, 0, problem->kind.batch, 0, rows);
    double sum = 0;
    for (size_t i = 0; i < problem->kind.batch; i++)
        sum += problem_factor(problem, i) * naive_loss_of_row(problem, i, &rows[i]);
    return sum;
}

/* dl/dy; its error without the rounding of y - t, in terms of that of y. */
static struct number slope_of_loss(const struct problem *problem, size_t i, size_t j, const struct number *y, double u)
{
    const struct problem_kind *kind = &problem->kind;
    const double t = problem_target(problem, i, j), e = y[j].value - t, p = problem_loss_parameter(kind);
    const double error = y[j].error + 2 * u * fabs(y[j].value);
    switch (kind->loss) {
    case BP_SQUARED_ERROR:
        return (struct number){ e, error };
    case BP_MAE:
        return exact(e < 0 ? -1 : 1);
    case BP_HUBER:
        return fabs(e) <= p ? (struct number){ e, error } : exact(e < 0 ? -p : p);
    case BP_POISSON:
        return (struct number){ 1 - t / y[j].value, t / (y[j].value * y[j].value) * error + 2 * u * (1 + t / y[j].value) };
    case BP_QUANTILE:
        return (struct number){ e < 0 ? -p : 1 - p, u };
    default:
        break;
    }
    const double size = distance(problem, i, y), c = NAIVE_GAIN_OF_DISTANCE;
    struct number slope = { c * e / size, c * error / size + 4 * u * fabs(c * e / size) };
    for (size_t k = 0; k < problem->n_out; k++)
        slope.error += c * fabs(e) / (size * size) * y[k].error;
    return slope;
}

/* Logits' gradient y sum(t) - t, exact also where rounding left sum(t) beside 1. */
static struct number fused_slope(const struct problem *problem, size_t i, size_t j, const struct number *y, double u)
{
    const double t = problem_target(problem, i, j);
    double sum = problem->kind.loss == BP_CROSS_ENTROPY ? 0 : 1;
    for (size_t k = 0; problem->kind.loss == BP_CROSS_ENTROPY && k < problem->n_out; k++)
        sum += problem_target(problem, i, k);
    const double rounding_of_t = problem_label_smoothing(&problem->kind) > 0 ? 3 * u : 0;
    const double rounding_of_sum = rounding_of_t * (double)problem->n_out;
    return (struct number){ y[j].value * sum - t,
                            y[j].error + (2 * u + rounding_of_sum) * fabs(y[j].value) + rounding_of_t * fabs(t) };
}

/* dZ of the output layer for row i: what the activation got. */
static void start_backward(const struct problem *problem, size_t i, const struct naive_row *row, double u,
                           struct number *dZ)
{
    const size_t last = problem->kind.n_layers - 1, n = problem->n_out;
    const struct number *y = row->A[last + 1];
    const bool fused = problem->kind.loss == BP_CROSS_ENTROPY || problem->kind.loss == BP_BINARY_CROSS_ENTROPY;
    const double factor = problem_factor(problem, i);
    struct number d[PROBLEM_UNITS];
    for (size_t j = 0; j < n; j++) {
        const struct number slope = fused ? fused_slope(problem, i, j, y, u) : slope_of_loss(problem, i, j, y, u);
        d[j] = product((struct number){ factor, u * factor }, slope, 2, u);
    }
    if (!fused)
        pull_back(problem->kind.output, problem_parameter(&problem->kind, problem->kind.output), n, row->Z[last], y, d, u,
                  dZ);
    for (size_t j = 0; fused && j < n; j++)
        dZ[j] = d[j];
}

/* ---- Down ------------------------------------------------------------------------------------------------------------ */

/* The gradients of all rows at one layer. */
typedef struct number gradient_of_rows[PROBLEM_BATCH][PROBLEM_UNITS];

/* Adds dgamma = dy N and dbeta = dy, and turns dy into dz of A W^T + 1 b^T. */
static void backward_normalization(const struct problem *problem, const struct problem_layer *layer, size_t l,
                                   struct naive_row *rows, double u, struct number *grad, gradient_of_rows d)
{
    const size_t batch = problem->kind.batch, n = layer->n_out;
    for (size_t i = 0; i < batch; i++)
        for (size_t j = 0; j < n; j++) {
            add_product(&grad[layer->gamma + j], d[i][j], rows[i].N[l][j], (double)batch, u);
            add_product(&grad[layer->beta + j], d[i][j], exact(1), (double)batch, u);
            d[i][j] = product(d[i][j], exact(problem->params[layer->gamma + j]), 1, u);
            if (layer->normalization == PROBLEM_FROZEN_NORMALIZATION)
                d[i][j] = product(d[i][j], rows[i].inverse[l][j], 1, u);
        }
    for (size_t j = 0; layer->normalization == BP_BATCH_NORMALIZATION && j < n; j++) {
        const struct line g = line_of(batch, &d[0][j], PROBLEM_UNITS), N = column_of(rows, batch, l, j);
        normalization_pull_back(&g, &N, rows[0].inverse[l][j], u);
    }
    for (size_t i = 0; layer->normalization == BP_LAYER_NORMALIZATION && i < batch; i++) {
        const struct line g = line_of(n, d[i], 1), N = line_of(n, rows[i].N[l], 1);
        normalization_pull_back(&g, &N, rows[i].inverse[l][0], u);
    }
}

/* dw_jk += dz_j a_k and db_j += dz_j: one row of a sum over the batch. A bias without effect has 0, exactly. */
static void add_parameter_gradient(size_t batch, const struct problem_layer *layer, const struct number *A_in,
                                   const struct number *dZ, double u, struct number *grad)
{
    const double roundings = (double)batch;
    const bool has_bias = layer->gamma > layer->b && layer->normalization != BP_BATCH_NORMALIZATION;
    for (size_t j = 0; j < layer->n_out; j++) {
        for (size_t k = 0; k < layer->n_in; k++)
            add_product(&grad[layer->W + j * layer->n_in + k], dZ[j], A_in[k], roundings, u);
        if (has_bias)
            add_product(&grad[layer->b + j], dZ[j], exact(1), roundings, u);
    }
}

/* da_k = sum_j dz_j w_jk */
static void input_gradient(const struct problem_layer *layer, const double *params, const struct number *dZ, double u,
                           struct number *dA)
{
    for (size_t k = 0; k < layer->n_in; k++) {
        dA[k] = exact(0);
        for (size_t j = 0; j < layer->n_out; j++)
            add_product(&dA[k], dZ[j], exact(params[layer->W + j * layer->n_in + k]), (double)layer->n_out, u);
    }
}

/* From dz of layer l, in place, to dz of what the activation of the layer below got. */
static void step_down(const struct problem *problem, const struct problem_layer *layers, size_t l,
                      const struct naive_row *row, double u, struct number *d)
{
    const struct problem_layer *below = &layers[l - 1];
    struct number dA[PROBLEM_UNITS];
    input_gradient(&layers[l], problem->params, d, u, dA);
    for (size_t k = 0; k < below->n_out; k++)
        dA[k] = product(dA[k], exact(row->kept[l - 1][k]), below->dropout > 0 ? 3 : 0, u);
    pull_back(below->activation, problem_parameter(&problem->kind, below->activation), below->n_out, row->Z[l - 1],
              row->F[l - 1], dA, u, d);
}

void naive_gradient(const struct problem *problem, double u, struct number *grad, struct number *dX)
{
    const size_t batch = problem->kind.batch;
    struct problem_layer layers[PROBLEM_LAYERS];
    (void)problem_layers(&problem->kind, layers);
    struct naive_row rows[PROBLEM_BATCH];
    gradient_of_rows d;

    for (size_t k = 0; k < problem->n_params; k++)
        grad[k] = exact(0);
    naive_forward(problem, 0, batch, u, rows);
    for (size_t i = 0; i < batch; i++)
        start_backward(problem, i, &rows[i], u, d[i]);
    for (size_t l = problem->kind.n_layers; l-- > 0;) {
        if (layers[l].normalization != BP_NO_NORMALIZATION)
            backward_normalization(problem, &layers[l], l, rows, u, grad, d);
        for (size_t i = 0; i < batch; i++) {
            add_parameter_gradient(batch, &layers[l], rows[i].A[l], d[i], u, grad);
            if (l > 0)
                step_down(problem, layers, l, &rows[i], u, d[i]);
            else
                input_gradient(&layers[0], problem->params, d[i], u, dX + i * problem->kind.n_in);
        }
    }
}
