// SPDX-License-Identifier: MIT
/*
 * Names of what is compiled for both number types, and the row that hands it to bench.c.
 */
#ifndef BENCH_PRECISION_ROW_H
#define BENCH_PRECISION_ROW_H

#include "bench.h"
#include "bounds.h"

#define contest_make BENCH_NAMED(contest_make)
#define contest_free BENCH_NAMED(contest_free)
#define contest_make_pool BENCH_NAMED(contest_make_pool)
#define scaling_measure BENCH_NAMED(scaling_measure)
#define aging_make BENCH_NAMED(aging_make)
#define aging_free BENCH_NAMED(aging_free)
#define result_load BENCH_NAMED(result_load)
#define result_free BENCH_NAMED(result_free)
#define result_measure BENCH_NAMED(result_measure)

/* See struct bench_precision_row. */
void contest_make(const struct bench_case *what, int threads, struct contest *contest);
void contest_free(struct contest *contest);
void contest_make_pool(const struct bench_case *what, struct contest *contest);
void scaling_measure(struct scaling_point *point);
void aging_make(struct aging *aging);
void aging_free(struct aging *aging);
struct result_data *result_load(const char *directory);
void result_free(struct result_data *data);
void result_measure(const struct result_data *data, int threads, unsigned seed, double wanted, struct result_run *run);

#endif
