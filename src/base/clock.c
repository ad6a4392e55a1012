// SPDX-License-Identifier: MIT
/*
 * The monotonic clock where POSIX has one, else C11's.
 */
#if !defined(_POSIX_C_SOURCE) && (defined(__unix__) || defined(__APPLE__))
#define _POSIX_C_SOURCE 200112L // NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): POSIX asks for it
#endif
#include "base/clock.h"

#include <time.h>

double bpi_seconds(void)
{
    struct timespec now = { 0 };
#ifdef CLOCK_MONOTONIC
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
#else
    (void)timespec_get(&now, TIME_UTC);
#endif
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
