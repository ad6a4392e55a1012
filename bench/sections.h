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
    const char *only;     /**< "": everything */
    bool full;            /**< more pairs, more points, time to result */
    bool result;          /**< time to result alone */
    FILE *csv;            /**< NULL: none */
    const char *data;     /**< directory of Fashion-MNIST */
    const char *sources;  /**< directory of the scripts */
    const char *programs; /**< directory of the built programs */
};

extern const struct bench_precision_row *const bench_rows[BENCH_PRECISIONS];

/** Most threads that are measured: 2, or 1 on a machine with one processor. */
int most_threads(void);

/** Each returns false if a bound and the library did not compute the same, or if something that was wanted is not there. */
bool print_cases(const struct options *options);
bool print_scaling(const struct options *options);
bool print_aging(const struct options *options);
bool print_sizes(const struct options *options);
bool print_results(const struct options *options);

#endif
