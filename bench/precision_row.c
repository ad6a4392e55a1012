// SPDX-License-Identifier: MIT
/*
 * What one number type has to offer. Compiled for both.
 */
#include "precision_row.h"

#define bench_row BENCH_NAMED(bench_row)

const struct bench_precision_row bench_row = {
#ifdef BACKPROP_SINGLE
    .name = "f32",
    .tolerance = 1e-3, /* after 100 steps in other orders of summation */
#else
    .name = "f64",
    .tolerance = 1e-10,
#endif
#ifdef BENCH_HAS_EXPORT
    .has_export = true,
#endif
    .make_contest = contest_make,
    .free_contest = contest_free,
    .make_pool_contest = contest_make_pool,
    .measure_scaling = scaling_measure,
    .make_aging = aging_make,
    .free_aging = aging_free,
    .load_result_data = result_load,
    .free_result_data = result_free,
    .run_result = result_measure,
};
