// SPDX-License-Identifier: MIT
/*
 * What a split will be, for those who reserve memory for it before.
 */
#ifndef BPI_DATA_SPLIT_H
#define BPI_DATA_SPLIT_H

#include "base/real.h"

#include <stddef.h>

#include "backprop/split.h"

/** How many of n >= 2 rows bp_split() holds out: fraction n, to the nearest, with some rows on each side. */
size_t bpi_split_held_out(double fraction, size_t n);

#endif
