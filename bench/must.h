// SPDX-License-Identifier: MIT
/*
 * A benchmark of something that fails is worth nothing: it ends, and says why.
 */
#ifndef BENCH_MUST_H
#define BENCH_MUST_H

#include <stdio.h>
#include <stdlib.h>

#include <backprop/status.h>

static inline void must(bp_status status)
{
    if (status != BP_OK) {
        (void)fprintf(stderr, "bench: %s\n", bp_error_message());
        exit(EXIT_FAILURE);
    }
}

static inline void *must_have(void *memory)
{
    if (memory == NULL) {
        (void)fprintf(stderr, "bench: no memory\n");
        exit(EXIT_FAILURE);
    }
    return memory;
}

#endif
