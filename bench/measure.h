// SPDX-License-Identifier: MIT
/*
 * Timing: chunks of at least two milliseconds, in pairs, the ratio of each pair by itself.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>

#include "bench.h"

/** Seconds of the monotonic clock. */
double seconds_now(void);

/** Times and ratios of a contest. */
struct measurement {
    double bound_ns, ours_ns;   /**< a sample: medians */
    double ratio, lower, upper; /**< ours / bound: median and quartiles of the pairs' ratios */
    size_t pairs;
};

/**
 * Measures bound, ours, bound, ours, ... in chunks of at least 2 ms, after a chunk of each that only warms up.
 *
 * The machine's speed changes from second to second; two neighbouring chunks see nearly the same machine, so the ratio of a
 * pair is worth more than the ratio of two medians. A chunk in which another process was let in is measured again, within
 * limits.
 */
struct measurement measure_pairs(const struct subject *bound, const struct subject *ours, size_t samples, size_t pairs);

/** Seconds of a round: the least of so many chunks, since there is nothing beside which the machine's moods would cancel. */
double measure_alone(const struct subject *subject, size_t chunks);

#endif
