// SPDX-License-Identifier: MIT
/*
 * Clock, chunks and quartiles.
 */
#define _POSIX_C_SOURCE 200809L

#include "measure.h"

#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "blas_threads.h"

enum { MOST_PAIRS = 128 };
static const double CHUNK = 2e-3; /* seconds: far above the clock's resolution, short against the machine's moods */
static const double CHUNK_OF_THREADS = 10e-3;
static const double PATIENCE = 1; /* seconds spent on chunks that are measured again */

double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/*
 * OpenBLAS's threads look for work for some 25 ms before they sleep, and take the processor from others meanwhile. Threads that are
 * woken then begin where the system puts them, often on one processor, and are apart only after some milliseconds.
 */
static void settle(const struct subject *subject)
{
    const struct timespec time = { .tv_nsec = 40000000 };
    (void)nanosleep(&time, NULL);
    const double started = seconds_now();
    do
        subject->run(subject->state, 1);
    while (seconds_now() - started < CHUNK_OF_THREADS);
}

static double chunk_of(const struct subject *subject)
{
    return subject->settles ? CHUNK_OF_THREADS : CHUNK;
}

static double seconds_of(const struct subject *subject, size_t rounds)
{
    if (subject->blas_threads != 0)
        set_blas_threads(subject->blas_threads);
    if (subject->settles)
        settle(subject);
    if (subject->prepare != NULL)
        subject->prepare(subject->state);
    const double started = seconds_now();
    subject->run(subject->state, rounds);
    return seconds_now() - started;
}

/* How often the processor was taken away from us: from this process, whatever its thread. */
static long count_interruptions(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : 0;
}

/* A chunk during which nobody else had the processor, as long as there are seconds to spend on trying again. */
static double seconds_undisturbed(const struct subject *subject, size_t rounds, double *to_spend)
{
    for (;;) {
        const long before = count_interruptions();
        const double seconds = seconds_of(subject, rounds);
        if (count_interruptions() == before || *to_spend <= 0)
            return seconds;
        *to_spend -= seconds;
    }
}

/* How many rounds make a chunk; finding out warms up. */
static size_t rounds_of_chunk(const struct subject *subject)
{
    const double chunk = chunk_of(subject);
    (void)seconds_of(subject, 1);
    size_t rounds = 1;
    for (;;) {
        const double seconds = seconds_of(subject, rounds);
        if (seconds >= chunk)
            break;
        rounds = seconds < chunk / 8 ? rounds * 4 : (size_t)((double)rounds * chunk / seconds * 1.1) + 1;
    }
    return rounds;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Quantile q of n sorted numbers, between neighbours in proportion. */
static double quantile(const double *sorted, size_t n, double q)
{
    const double at = q * (double)(n - 1);
    const size_t below = (size_t)at, above = below + 1 < n ? below + 1 : below;
    return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare);
    return quantile(values, n, 0.5);
}

struct measurement measure_pairs(const struct subject *bound, const struct subject *ours, size_t samples, size_t pairs)
{
    double of_bound[MOST_PAIRS], of_ours[MOST_PAIRS], ratios[MOST_PAIRS];
    const size_t n = pairs < MOST_PAIRS ? pairs : MOST_PAIRS;
    const size_t bound_rounds = rounds_of_chunk(bound), our_rounds = rounds_of_chunk(ours);
    double to_spend = PATIENCE;
    for (size_t i = 0; i < n; i++) {
        of_bound[i] = seconds_undisturbed(bound, bound_rounds, &to_spend) / (double)(bound_rounds * samples);
        of_ours[i] = seconds_undisturbed(ours, our_rounds, &to_spend) / (double)(our_rounds * samples);
        ratios[i] = of_ours[i] / of_bound[i];
    }
    struct measurement m = { .bound_ns = 1e9 * median(of_bound, n), .ours_ns = 1e9 * median(of_ours, n), .pairs = n };
    m.ratio = median(ratios, n);
    m.lower = quantile(ratios, n, 0.25);
    m.upper = quantile(ratios, n, 0.75);
    return m;
}

double measure_alone(const struct subject *subject, size_t chunks)
{
    double least = INFINITY, to_spend = PATIENCE;
    const size_t rounds = rounds_of_chunk(subject);
    for (size_t i = 0; i < chunks; i++)
        least = fmin(least, seconds_undisturbed(subject, rounds, &to_spend) / (double)rounds);
    return least;
}
