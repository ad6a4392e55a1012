// SPDX-License-Identifier: MIT
/*
 * The tables of the benchmark, one function each. Markdown goes to stdout, what is measured to the CSV file, too.
 */
#ifndef BENCH_SECTIONS_H
#define BENCH_SECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "bench.h"

struct options {
    const char *only;     /**< part of the names of cases, or the name of a table; "": everything */
    bool full;            /**< more pairs, more points, time to result */
    FILE *csv;            /**< NULL: none */
    const char *data;     /**< directory of Fashion-MNIST */
    const char *sources;  /**< directory of the scripts */
    const char *programs; /**< directory of the built programs */
};

extern const struct bench_precision_row *const bench_rows[BENCH_PRECISIONS];

/** Most threads that are measured: 2, or 1 on a machine with one processor. */
int most_threads(void);

/** Whether there are cases that `only` asks for. */
bool has_cases(const struct options *options);

/** Begins a table of the CSV file, if there is one, with a line that names its columns. */
void print_csv_head(const struct options *options, const char *columns);

/** Each returns false if a bound and the library did not compute the same, or if something that was wanted is not there. */
bool print_cases(const struct options *options);
bool print_pool(const struct options *options);
bool print_scaling(const struct options *options);
bool print_aging(const struct options *options);
bool print_sizes(const struct options *options);
bool print_results(const struct options *options);

#endif
