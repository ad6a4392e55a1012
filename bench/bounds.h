// SPDX-License-Identifier: MIT
/*
 * Bounds: the least that the machine can do a case's work in, without the library. Compiled for both number types.
 */
#ifndef BENCH_BOUNDS_H
#define BENCH_BOUNDS_H

#include <stddef.h>

#include <backprop/precision.h>

#include "bench.h"

#ifdef BACKPROP_SINGLE
#define BENCH_NAMED(name) name##_f32
#else
#define BENCH_NAMED(name) name##_f64
#endif

#define make_bound BENCH_NAMED(make_bound)
#define free_bound BENCH_NAMED(free_bound)
#define numbers_of_bound BENCH_NAMED(numbers_of_bound)
#define small_step_fast BENCH_NAMED(small_step_fast)
#define small_step_strict BENCH_NAMED(small_step_strict)
#define small_predict_fast BENCH_NAMED(small_predict_fast)
#define small_predict_strict BENCH_NAMED(small_predict_strict)

struct bound;

/**
 * Makes the bound of a case.
 *
 * @param params  the network's initial parameters as the library lays them out, W and b layer by layer; copied
 * @param X, T    what->rows rows; they stay the caller's. T is NULL where the bound does not look at targets
 * @return what free_bound() takes, or NULL without memory
 */
struct bound *make_bound(const struct bench_case *what, const bp_real *params, const bp_real *X, const bp_real *T,
                         struct subject *subject);

void free_bound(struct bound *bound);

/** What a bound in C has computed: after training all parameters, after predictions the outputs. */
const bp_real *numbers_of_bound(struct bound *bound);

/* ---- 16-32-32-4: bounds_small.c ------------------------------------------------------------------------------------- */

enum { SMALL_IN = 16, SMALL_HIDDEN = 32, SMALL_OUT = 4 };

/** W^T of each layer, so that loops over units have neighbours in memory. */
struct small_net {
    bp_real W1[SMALL_IN][SMALL_HIDDEN], b1[SMALL_HIDDEN];
    bp_real W2[SMALL_HIDDEN][SMALL_HIDDEN], b2[SMALL_HIDDEN];
    bp_real W3[SMALL_HIDDEN][SMALL_OUT], b3[SMALL_OUT];
};

/** One step of descent on 1/2 sum (y - t)^2 of one row. */
void small_step_fast(struct small_net *net, bp_real rate, const bp_real *x, const bp_real *t);
void small_step_strict(struct small_net *net, bp_real rate, const bp_real *x, const bp_real *t);

void small_predict_fast(const struct small_net *net, const bp_real *x, bp_real *y);
void small_predict_strict(const struct small_net *net, const bp_real *x, bp_real *y);

#endif
