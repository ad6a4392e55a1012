// SPDX-License-Identifier: MIT
/*
 * The walks through small networks of each instruction set, for small.c to choose from.
 */
#ifndef BPI_NET_SMALL_LEVELS_H
#define BPI_NET_SMALL_LEVELS_H

#include "base/real.h"

#include <stddef.h>

#include "net/small.h"

/*
 * Which networks are small: the walks keep all values and sums of a few rows on the stack. Up to about here a step of this kind is
 * faster than one layer by layer, but for large batches. Measured for tanh, in ns a row for batches of 1, 4 and 32, against
 * layers: 8-8-4 (108 parameters) 140, 66, 56 against 162, 133, 49; 8-8-8-4 (180) 194, 97, 84 against 212, 188, 66 (AVX-512, double
 * precision).
 */
enum { BPI_SMALL_UNITS = 32, BPI_SMALL_PARAMS = 192, BPI_SMALL_LAYERS = 8 };

/** The functions of small.h. */
struct bpi_small_walks {
    bp_status (*predict)(const bp_network *net, size_t batch, const bp_real *X, bp_real *Y);
    void (*forward)(const bp_network *net, const bp_workspace *ws);
    void (*backward)(const bp_network *net, const struct bpi_small_errors *errors, const struct bpi_sink *sink);
    bool (*is_normal)(const bp_network *net);
    size_t (*steps)(const bp_network *net, const struct bpi_small_batches *batches, const struct bpi_sink *sink, double *L);
    size_t (*epochs)(const bp_network *net, const struct bpi_small_batches *batches, size_t n, const struct bpi_sink *sink,
                     double *L);
};

extern const struct bpi_small_walks bpi_small_walks_plain, bpi_small_walks_avx2, bpi_small_walks_avx512;

#endif
