// SPDX-License-Identifier: MIT
/*
 * The bounds. Those in plain C are written for just one network, so their loops have fixed sizes; the others call CBLAS as
 * often as the case must, and do nothing else.
 */
#include "bounds.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include BACKPROP_CBLAS_HEADER

#ifdef BACKPROP_SINGLE
#define EXP expf
#define GEMM cblas_sgemm
#define GEMV cblas_sgemv
#define GER cblas_sger
#else
#define EXP exp
#define GEMM cblas_dgemm
#define GEMV cblas_dgemv
#define GER cblas_dger
#endif

/* 2-2-1, laid out as the library lays parameters out. */
struct xor_net {
    bp_real W1[2][2], b1[2], W2[2], b2;
};

struct bound {
    const struct bench_case *what;
    const bp_real *X, *T; /* the caller's */
    size_t next_row;
    bp_real rate;
    struct xor_net xor_net;
    struct small_net small_net;
    bp_real Y[SMALL_OUT];
    bp_real *params;          /* n_params */
    bp_real *A[MOST_WIDTHS];  /* batch x width: what each layer gets, the outputs last */
    bp_real *dZ[MOST_WIDTHS]; /* batch x width, from the first hidden layer on */
    bp_real *dW[MOST_WIDTHS]; /* n_out x n_in */
    volatile uint64_t sum;    /* of all that was read, so that it is */
};

/* ---- 2-2-1, strict C ------------------------------------------------------------------------------------------------- */

static bp_real sigmoid(bp_real z)
{
    return 1 / (1 + EXP(-z));
}

static inline void xor_forward(const struct xor_net *net, const bp_real *x, bp_real a[2], bp_real *y)
{
    for (int j = 0; j < 2; j++)
        a[j] = sigmoid(net->W1[j][0] * x[0] + net->W1[j][1] * x[1] + net->b1[j]);
    *y = sigmoid(net->W2[0] * a[0] + net->W2[1] * a[1] + net->b2);
}

static inline void xor_gradient(const struct xor_net *net, const bp_real *x, const bp_real *a, bp_real y, bp_real t,
                                struct xor_net *grad)
{
    const bp_real dz2 = (y - t) * y * (1 - y);
    for (int j = 0; j < 2; j++) {
        const bp_real dz1 = dz2 * net->W2[j] * a[j] * (1 - a[j]);
        grad->W2[j] += dz2 * a[j];
        grad->W1[j][0] += dz1 * x[0];
        grad->W1[j][1] += dz1 * x[1];
        grad->b1[j] += dz1;
    }
    grad->b2 += dz2;
}

static inline void xor_descend(struct xor_net *net, bp_real rate, const struct xor_net *grad)
{
    for (int j = 0; j < 2; j++) {
        net->W1[j][0] -= rate * grad->W1[j][0];
        net->W1[j][1] -= rate * grad->W1[j][1];
        net->b1[j] -= rate * grad->b1[j];
        net->W2[j] -= rate * grad->W2[j];
    }
    net->b2 -= rate * grad->b2;
}

/* `batch` rows, 1 or 4, a step; known where it is inlined. */
static inline void xor_steps(struct bound *bound, size_t batch, size_t rounds)
{
    struct xor_net net = bound->xor_net;
    const bp_real rate = bound->rate / (bp_real)batch;
    for (size_t round = 0; round < rounds; round++) {
        struct xor_net grad = { 0 };
        for (size_t i = 0; i < batch; i++) {
            const bp_real *x = bound->X + 2 * bound->next_row, t = bound->T[bound->next_row];
            bp_real a[2], y;
            xor_forward(&net, x, a, &y);
            xor_gradient(&net, x, a, y, t, &grad);
            bound->next_row = (bound->next_row + 1) % 4;
        }
        xor_descend(&net, rate, &grad);
    }
    bound->xor_net = net;
}

static void xor_train(void *state, size_t rounds)
{
    struct bound *bound = state;
    if (bound->what->batch == 1)
        xor_steps(bound, 1, rounds);
    else
        xor_steps(bound, 4, rounds);
}

static void xor_predict(void *state, size_t rounds)
{
    struct bound *bound = state;
    for (size_t round = 0; round < rounds; round++) {
        bp_real a[2];
        xor_forward(&bound->xor_net, bound->X, a, bound->Y);
        *(volatile bp_real *)bound->Y; /* so that it is computed each time */
    }
}

/* ---- 16-32-32-4 ------------------------------------------------------------------------------------------------------ */

static void small_train(void *state, size_t rounds)
{
    struct bound *bound = state;
    for (size_t round = 0; round < rounds; round++) {
        small_step_fast(&bound->small_net, bound->rate, bound->X + bound->next_row * SMALL_IN,
                        bound->T + bound->next_row * SMALL_OUT);
        bound->next_row = (bound->next_row + 1) % bound->what->rows;
    }
}

/* The functions are in another file, so no call can be left out. */
static void small_fast_predictions(void *state, size_t rounds)
{
    struct bound *bound = state;
    for (size_t round = 0; round < rounds; round++)
        small_predict_fast(&bound->small_net, bound->X, bound->Y);
}

static void small_strict_predictions(void *state, size_t rounds)
{
    struct bound *bound = state;
    for (size_t round = 0; round < rounds; round++)
        small_predict_strict(&bound->small_net, bound->X, bound->Y);
}

/* Copies W (n_out x n_in) and b to or from W^T and b of the network's own. */
static bp_real *copy_layer(bool to_net, size_t n_in, size_t n_out, bp_real *params, bp_real *W, bp_real *b)
{
    for (size_t j = 0; j < n_out; j++)
        for (size_t k = 0; k < n_in; k++)
            if (to_net)
                W[k * n_out + j] = params[j * n_in + k];
            else
                params[j * n_in + k] = W[k * n_out + j];
    params += n_out * n_in;
    if (to_net)
        memcpy(b, params, n_out * sizeof *b);
    else
        memcpy(params, b, n_out * sizeof *b);
    return params + n_out;
}

static void copy_small(bool to_net, struct small_net *net, bp_real *params)
{
    params = copy_layer(to_net, SMALL_IN, SMALL_HIDDEN, params, &net->W1[0][0], net->b1);
    params = copy_layer(to_net, SMALL_HIDDEN, SMALL_HIDDEN, params, &net->W2[0][0], net->b2);
    (void)copy_layer(to_net, SMALL_HIDDEN, SMALL_OUT, params, &net->W3[0][0], net->b3);
}

/* ---- Matrix products alone ------------------------------------------------------------------------------------------- */

/* W of layer l, behind the layers below it and their biases. */
static bp_real *weights(const struct bound *bound, size_t l)
{
    const size_t *widths = bound->what->widths;
    bp_real *W = bound->params;
    for (size_t i = 0; i < l; i++)
        W += (widths[i] + 1) * widths[i + 1];
    return W;
}

/* A of layer l + 1 = A of layer l times W^T. */
static void forward_gemms(struct bound *bound)
{
    const size_t *widths = bound->what->widths;
    for (size_t l = 0; l < bench_n_layers(bound->what); l++) {
        const int m = (int)bound->what->batch, n = (int)widths[l + 1], k = (int)widths[l];
        GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, bound->A[l], k, weights(bound, l), k, 0, bound->A[l + 1],
             n);
    }
}

static void backward_gemms(struct bound *bound)
{
    const size_t *widths = bound->what->widths;
    for (size_t l = bench_n_layers(bound->what); l-- > 0;) {
        const int m = (int)widths[l + 1], n = (int)widths[l], k = (int)bound->what->batch;
        GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, k, 1, bound->dZ[l + 1], m, bound->A[l], n, 0, bound->dW[l], n);
        if (l > 0)
            GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, k, n, m, 1, bound->dZ[l + 1], m, weights(bound, l), n, 0,
                 bound->dZ[l], n);
    }
}

static void gemms_train(void *state, size_t rounds)
{
    for (size_t round = 0; round < rounds; round++) {
        forward_gemms(state);
        backward_gemms(state);
    }
}

static void gemms_predict(void *state, size_t rounds)
{
    for (size_t round = 0; round < rounds; round++)
        forward_gemms(state);
}

/* For every layer W x on the way up; W^T dz and W += alpha dz x^T on the way down. */
static void gemvs_train(void *state, size_t rounds)
{
    struct bound *bound = state;
    const size_t *widths = bound->what->widths, n_layers = bench_n_layers(bound->what);
    const bp_real alpha = (bp_real)-1e-9; /* small: this goes on for as long as it is measured */
    for (size_t round = 0; round < rounds; round++) {
        for (size_t l = 0; l < n_layers; l++)
            GEMV(CblasRowMajor, CblasNoTrans, (int)widths[l + 1], (int)widths[l], 1, weights(bound, l), (int)widths[l],
                 bound->A[l], 1, 0, bound->A[l + 1], 1);
        for (size_t l = n_layers; l-- > 0;) {
            const int m = (int)widths[l + 1], n = (int)widths[l];
            GEMV(CblasRowMajor, CblasTrans, m, n, 1, weights(bound, l), n, bound->dZ[l + 1], 1, 0, bound->dZ[l], 1);
            GER(CblasRowMajor, m, n, alpha, bound->dZ[l + 1], 1, bound->A[l], 1, weights(bound, l), n);
        }
    }
}

/* ---- Reading --------------------------------------------------------------------------------------------------------- */

/* Integers, since their sum may be taken in any order: vectors without -ffast-math. */
static void read_all(void *state, size_t rounds)
{
    enum { LANES = 64 };
    struct bound *bound = state;
    const size_t n = bench_n_params(bound->what) * sizeof(bp_real) / sizeof(uint64_t);
    const uint64_t *words = (const uint64_t *)(const void *)bound->params;
    uint64_t sums[LANES] = { 0 };
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i + LANES <= n; i += LANES)
            for (size_t j = 0; j < LANES; j++)
                sums[j] += words[i + j];
        bound->sum = sums[round % LANES];
    }
    for (size_t j = 0; j < LANES; j++)
        bound->sum += sums[j];
}

/* ---- Making ---------------------------------------------------------------------------------------------------------- */

/* Aligned to a page, as large arrays of the library are at least to a cache line. */
static bp_real *new_numbers(size_t n)
{
    const size_t page = 4096, bytes = (n * sizeof(bp_real) + page - 1) / page * page;
    return aligned_alloc(page, bytes);
}

static bp_real *new_small_numbers(size_t n)
{
    bp_real *numbers = new_numbers(n);
    for (size_t i = 0; numbers != NULL && i < n; i++)
        numbers[i] = (bp_real)((double)(i * 7919 % 1009) / 1009 - 0.5);
    return numbers;
}

static bool make_matrices(struct bound *bound)
{
    const struct bench_case *what = bound->what;
    const size_t n_layers = bench_n_layers(what);
    bool made = true;
    for (size_t l = 0; l <= n_layers; l++) {
        bound->A[l] = new_small_numbers(what->batch * what->widths[l]);
        made = made && bound->A[l] != NULL;
        if (bench_predicts(what))
            continue;
        bound->dZ[l] = new_small_numbers(what->batch * what->widths[l]);
        bound->dW[l] = l < n_layers ? new_small_numbers(what->widths[l] * what->widths[l + 1]) : NULL;
        made = made && bound->dZ[l] != NULL && (l == n_layers || bound->dW[l] != NULL);
    }
    return made;
}

static bool is_xor(const struct bench_case *what)
{
    return what->widths[0] == 2;
}

static void (*run_of(const struct bench_case *what))(void *state, size_t rounds)
{
    const bool predicts = bench_predicts(what);
    switch (what->bound) {
    case STRICT_C:
        return !is_xor(what) ? small_strict_predictions : predicts ? xor_predict : xor_train;
    case FAST_C:
        return predicts ? small_fast_predictions : small_train;
    case GEMMS:
        return predicts ? gemms_predict : gemms_train;
    case GEMVS:
        return gemvs_train;
    case READING:
        return read_all;
    }
    return NULL;
}

struct bound *make_bound(const struct bench_case *what, const bp_real *params, const bp_real *X, const bp_real *T,
                         struct subject *subject)
{
    struct bound *bound = calloc(1, sizeof *bound);
    if (bound == NULL)
        return NULL;
    const size_t n = bench_n_params(what);
    *bound = (struct bound){ .what = what, .X = X, .T = T, .rate = (bp_real)what->rate, .params = new_numbers(n) };
    if (bound->params == NULL || !make_matrices(bound)) {
        free_bound(bound);
        return NULL;
    }
    memcpy(bound->params, params, n * sizeof *params);
    if (is_xor(what)) {
        assert(n * sizeof *params == sizeof bound->xor_net);
        memcpy(&bound->xor_net, params, sizeof bound->xor_net);
    } else if (what->widths[0] == SMALL_IN) {
        copy_small(true, &bound->small_net, bound->params);
    }
    *subject = (struct subject){ .run = run_of(what), .state = bound };
    return bound;
}

void free_bound(struct bound *bound)
{
    if (bound == NULL)
        return;
    for (size_t l = 0; l < MOST_WIDTHS; l++) {
        free(bound->A[l]);
        free(bound->dZ[l]);
        free(bound->dW[l]);
    }
    free(bound->params);
    free(bound);
}

const bp_real *numbers_of_bound(struct bound *bound)
{
    if (bench_predicts(bound->what))
        return bound->Y;
    if (is_xor(bound->what))
        memcpy(bound->params, &bound->xor_net, sizeof bound->xor_net);
    else
        copy_small(false, &bound->small_net, bound->params);
    return bound->params;
}
