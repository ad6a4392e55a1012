// SPDX-License-Identifier: MIT
/*
 * 16-32-32-4 with tanh, written for just this network. Compiled twice for each number type: as strict C, and with BENCH_FAST
 * and the flags for it in CMakeLists.txt, which free sums of their order and take tanh from libmvec: what a careful
 * programmer and a good compiler make of it, without the promises that the library keeps.
 */
#include "bounds.h"

#include <math.h>

#ifdef BENCH_FAST
#define small_predict small_predict_fast
#define small_step small_step_fast
#else
#define small_predict small_predict_strict
#define small_step small_step_strict
#endif

#ifdef BACKPROP_SINGLE
#define TANH tanhf
#else
#define TANH tanh
#endif

/* a = tanh(W x + b); the sizes are known where it is inlined. */
static inline void forward(size_t n_in, size_t n_out, const bp_real *restrict W, const bp_real *restrict b,
                           const bp_real *restrict x, bp_real *restrict a)
{
    for (size_t j = 0; j < n_out; j++)
        a[j] = b[j];
    for (size_t k = 0; k < n_in; k++)
        for (size_t j = 0; j < n_out; j++)
            a[j] += x[k] * W[k * n_out + j];
    for (size_t j = 0; j < n_out; j++)
        a[j] = TANH(a[j]);
}

/* dz of the layer below, whose outputs are x; then W and b are moved. */
static inline void backward(size_t n_in, size_t n_out, bp_real rate, bp_real *restrict W, bp_real *restrict b,
                            const bp_real *restrict x, const bp_real *restrict dz, bp_real *restrict dz_below)
{
    for (size_t k = 0; k < n_in; k++) {
        if (dz_below != NULL) {
            bp_real sum = 0;
            for (size_t j = 0; j < n_out; j++)
                sum += W[k * n_out + j] * dz[j];
            dz_below[k] = sum * (1 - x[k] * x[k]);
        }
        const bp_real step = rate * x[k];
        for (size_t j = 0; j < n_out; j++)
            W[k * n_out + j] -= step * dz[j];
    }
    for (size_t j = 0; j < n_out; j++)
        b[j] -= rate * dz[j];
}

void small_predict(const struct small_net *net, const bp_real *x, bp_real *y)
{
    bp_real a1[SMALL_HIDDEN], a2[SMALL_HIDDEN];
    forward(SMALL_IN, SMALL_HIDDEN, &net->W1[0][0], net->b1, x, a1);
    forward(SMALL_HIDDEN, SMALL_HIDDEN, &net->W2[0][0], net->b2, a1, a2);
    forward(SMALL_HIDDEN, SMALL_OUT, &net->W3[0][0], net->b3, a2, y);
}

void small_step(struct small_net *net, bp_real rate, const bp_real *x, const bp_real *t)
{
    bp_real a1[SMALL_HIDDEN], a2[SMALL_HIDDEN], y[SMALL_OUT], dz1[SMALL_HIDDEN], dz2[SMALL_HIDDEN], dz3[SMALL_OUT];
    forward(SMALL_IN, SMALL_HIDDEN, &net->W1[0][0], net->b1, x, a1);
    forward(SMALL_HIDDEN, SMALL_HIDDEN, &net->W2[0][0], net->b2, a1, a2);
    forward(SMALL_HIDDEN, SMALL_OUT, &net->W3[0][0], net->b3, a2, y);
    for (size_t j = 0; j < SMALL_OUT; j++)
        dz3[j] = (y[j] - t[j]) * (1 - y[j] * y[j]);
    backward(SMALL_HIDDEN, SMALL_OUT, rate, &net->W3[0][0], net->b3, a2, dz3, dz2);
    backward(SMALL_HIDDEN, SMALL_HIDDEN, rate, &net->W2[0][0], net->b2, a1, dz2, dz1);
    backward(SMALL_IN, SMALL_HIDDEN, rate, &net->W1[0][0], net->b1, x, dz1, NULL);
}
