// SPDX-License-Identifier: MIT
/*
 * Dropout: which numbers are dropped follows from their place by a hash; the header has it in full.
 */
#include "math/dropout.h"

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t scatter(uint64_t key, uint64_t value)
{
    return mix(key + (value + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

uint64_t bpi_dropout_key(uint64_t seed, uint64_t pass, size_t layer)
{
    return scatter(scatter(scatter(0, seed), pass), layer);
}

/* x where the 32 bits say so, else exactly 0, also for an x that is not finite. */
static bp_real kept(uint32_t bits, uint32_t threshold, bp_real x, bp_real factor)
{
    return bits < threshold ? (bp_real)0 : x * factor;
}

void bpi_dropout(uint64_t key, bp_real p, size_t first, size_t rows, size_t n, const bp_real *X, bp_real *to)
{
    const uint32_t threshold = (uint32_t)((double)p * 0x1p32); /* p < 1 in 53 bits: fits */
    const bp_real factor = (bp_real)1 / ((bp_real)1 - p);

    for (size_t i = 0; i < rows; i++) {
        const uint64_t row_key = scatter(key, first + i);
        const bp_real *x = X + i * n;
        bp_real *row = to + i * n;
        for (size_t j = 0; j + 1 < n; j += 2) {
            const uint64_t bits = scatter(row_key, j / 2);
            row[j] = kept((uint32_t)bits, threshold, x[j], factor);
            row[j + 1] = kept((uint32_t)(bits >> 32), threshold, x[j + 1], factor);
        }
        if (n % 2 == 1)
            row[n - 1] = kept((uint32_t)scatter(row_key, n / 2), threshold, x[n - 1], factor);
    }
}
