// SPDX-License-Identifier: MIT
/*
 * Time that passes, for limits on how long a call may take. Never a seed.
 */
#ifndef BPI_BASE_CLOCK_H
#define BPI_BASE_CLOCK_H

#include "base/real.h"

/** Seconds from some fixed moment on; does not go back when somebody sets the clock, where the system can tell. */
double bpi_seconds(void);

#endif
