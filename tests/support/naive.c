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

#include "backprop/activation.h"
#include "backprop/loss.h"

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

/* f'(z), for functions of one number; a = f(z). */
static struct number slope(int activation, double p, struct number z, struct number a, double u)
{
    switch (activation) {
    case BP_IDENTITY:
        return exact(1);
    case BP_SIGMOID:
        return product(a, (struct number){ 1 - a.value, a.error + u }, 2, u);
    case BP_TANH:
        return (struct number){ 1 - a.value * a.value, 2 * fabs(a.value) * a.error + 2 * u };
    case BP_RELU:
        return exact(z.value > 0 ? 1 : 0);
    case BP_LEAKY_RELU:
        return (struct number){ z.value > 0 ? 1 : p, u * fabs(p) };
    default:
        fail_msg("activation %d is not written down in naive.c yet", activation);
        return exact(NAN);
    }
}

static double value_of(int activation, double p, double z)
{
    switch (activation) {
    case BP_SIGMOID:
        return 1 / (1 + exp(-z));
    case BP_TANH:
        return tanh(z);
    case BP_RELU:
        return z > 0 ? z : 0;
    case BP_LEAKY_RELU:
        return z > 0 ? z : p * z;
    default:
        return z; /* slope() refuses what is none of these */
    }
}

static struct number apply(int activation, double p, struct number z, double u)
{
    struct number a = exact(value_of(activation, p, z.value));
    const double steepness = fabs(slope(activation, p, z, a, u).value);
    a.error = steepness * z.error + (activation == BP_IDENTITY ? 0 : ROUNDINGS * u * fabs(a.value));
    return a;
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
        dZ[j] = product(dA[j], slope(activation, p, Z[j], A[j], u), 1, u);
}

/* ---- Up -------------------------------------------------------------------------------------------------------------- */

static size_t inputs_of(const struct problem *problem, size_t l)
{
    return l > 0 ? problem->kind.units[l - 1] : problem->kind.n_in;
}

/* z_j = b_j + sum_k w_jk a_k, W and b of the layer at `params`. */
static void affine(size_t n_in, size_t n_out, const double *params, const struct number *A_in, double u, struct number *Z)
{
    const double *b = params + n_out * n_in, roundings = (double)n_in + 1;
    for (size_t j = 0; j < n_out; j++) {
        Z[j] = (struct number){ b[j], u * fabs(b[j]) };
        for (size_t k = 0; k < n_in; k++)
            add_product(&Z[j], exact(params[j * n_in + k]), A_in[k], roundings, u);
    }
}

void naive_forward(const struct problem *problem, size_t i, double u, struct naive_row *row)
{
    const double *params = problem->params, p = problem_parameter(problem);
    for (size_t k = 0; k < problem->kind.n_in; k++)
        row->A[0][k] = exact(problem->X[i * problem->kind.n_in + k]);

    for (size_t l = 0; l < problem->kind.n_layers; l++) {
        const size_t n_in = inputs_of(problem, l), n_out = problem->kind.units[l];
        const int activation = problem_activation(problem, l);
        affine(n_in, n_out, params, row->A[l], u, row->Z[l]);
        if (activation == BP_SOFTMAX)
            softmax(n_out, row->Z[l], u, row->A[l + 1]);
        for (size_t j = 0; activation != BP_SOFTMAX && j < n_out; j++)
            row->A[l + 1][j] = apply(activation, p, row->Z[l][j], u);
        params += n_out * (n_in + 1);
    }
}

double naive_clearance(const struct problem *problem, const struct naive_row *row)
{
    double nearest = INFINITY;
    for (size_t l = 0; l < problem->kind.n_layers; l++) {
        const int activation = problem_activation(problem, l);
        if (activation == BP_RELU || activation == BP_LEAKY_RELU)
            for (size_t j = 0; j < problem->kind.units[l]; j++)
                nearest = fmin(nearest, fabs(row->Z[l][j].value));
    }
    return nearest;
}

/* ---- Loss ------------------------------------------------------------------------------------------------------------ */

static double loss_of_output(int loss, double y, double t)
{
    switch (loss) {
    case BP_SQUARED_ERROR:
        return (y - t) * (y - t) / 2;
    case BP_BINARY_CROSS_ENTROPY:
        return -t * log(y) - (1 - t) * log(1 - y);
    case BP_CROSS_ENTROPY:
        return -t * log(y);
    default:
        fail_msg("loss %d is not written down in naive.c yet", loss);
        return NAN;
    }
}

double naive_loss_of_row(const struct problem *problem, size_t i, const struct naive_row *row)
{
    const struct number *y = row->A[problem->kind.n_layers];
    double sum = 0;
    for (size_t j = 0; j < problem->n_out; j++)
        sum += loss_of_output(problem->kind.loss, y[j].value, problem->T[i * problem->n_out + j]);
    return sum;
}

double naive_loss(const struct problem *problem)
{
    double sum = 0;
    for (size_t i = 0; i < problem->kind.batch; i++) {
        struct naive_row row;
        naive_forward(problem, i, 0, &row);
        sum += problem_factor(problem, i) * naive_loss_of_row(problem, i, &row);
    }
    return sum;
}

/* dZ of the output layer for row i. Cross-entropy's is y sum(t) - t, exact also where rounding left sum(t) beside 1. */
static void start_backward(const struct problem *problem, size_t i, const struct naive_row *row, double u,
                           struct number *dZ)
{
    const size_t last = problem->kind.n_layers - 1, n = problem->n_out;
    const struct number *y = row->A[last + 1];
    const double *t = problem->T + i * n, factor = problem_factor(problem, i);
    struct number d[PROBLEM_UNITS];

    double sum = problem->kind.loss == BP_CROSS_ENTROPY ? 0 : 1;
    for (size_t j = 0; problem->kind.loss == BP_CROSS_ENTROPY && j < n; j++)
        sum += t[j];
    for (size_t j = 0; j < n; j++) {
        const double difference = y[j].value * sum - t[j], error = y[j].error + 2 * u * fabs(y[j].value);
        d[j] = product((struct number){ factor, u * factor }, (struct number){ difference, error }, 2, u);
    }
    if (problem->kind.loss == BP_SQUARED_ERROR)
        pull_back(problem->kind.output, problem_parameter(problem), n, row->Z[last], y, d, u, dZ);
    for (size_t j = 0; problem->kind.loss != BP_SQUARED_ERROR && j < n; j++)
        dZ[j] = d[j];
}

/* ---- Down ------------------------------------------------------------------------------------------------------------ */

/* dw_jk += dz_j a_k and db_j += dz_j: one row of a sum over the batch. */
static void add_parameter_gradient(size_t batch, size_t n_in, size_t n_out, const struct number *A_in,
                                   const struct number *dZ, double u, struct number *grad)
{
    const double roundings = (double)batch;
    for (size_t j = 0; j < n_out; j++) {
        for (size_t k = 0; k < n_in; k++)
            add_product(&grad[j * n_in + k], dZ[j], A_in[k], roundings, u);
        add_product(&grad[n_out * n_in + j], dZ[j], exact(1), roundings, u);
    }
}

/* da_k = sum_j dz_j w_jk */
static void input_gradient(size_t n_in, size_t n_out, const double *W, const struct number *dZ, double u, struct number *dA)
{
    for (size_t k = 0; k < n_in; k++) {
        dA[k] = exact(0);
        for (size_t j = 0; j < n_out; j++)
            add_product(&dA[k], dZ[j], exact(W[j * n_in + k]), (double)n_out, u);
    }
}

static void backward_row(const struct problem *problem, const struct naive_row *row, struct number *dZ, double u,
                         struct number *grad, struct number *dX)
{
    size_t offset = problem->n_params;
    for (size_t l = problem->kind.n_layers; l-- > 0;) {
        const size_t n_in = inputs_of(problem, l), n_out = problem->kind.units[l];
        struct number dA[PROBLEM_UNITS];
        offset -= n_out * (n_in + 1);
        add_parameter_gradient(problem->kind.batch, n_in, n_out, row->A[l], dZ, u, grad + offset);
        input_gradient(n_in, n_out, problem->params + offset, dZ, u, l > 0 ? dA : dX);
        if (l > 0)
            pull_back(problem->kind.hidden, problem_parameter(problem), n_in, row->Z[l - 1], row->A[l], dA, u, dZ);
    }
}

void naive_gradient(const struct problem *problem, double u, struct number *grad, struct number *dX)
{
    for (size_t k = 0; k < problem->n_params; k++)
        grad[k] = exact(0);
    for (size_t i = 0; i < problem->kind.batch; i++) {
        struct naive_row row;
        struct number dZ[PROBLEM_UNITS];
        naive_forward(problem, i, u, &row);
        start_backward(problem, i, &row, u, dZ);
        backward_row(problem, &row, dZ, u, grad, dX + i * problem->kind.n_in);
    }
}
