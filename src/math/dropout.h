// SPDX-License-Identifier: MIT
/*
 * Dropout without a mask in memory: whether a number is dropped is computed from its place, forward and backward alike.
 *
 * With mix() the last step of SplitMix64 (see rng.c) and scatter(key, value) = mix(key + (value + 1)
 * 0x9e3779b97f4a7c15), all modulo 2^64:
 *
 *   pass  = scatter(scatter(0, seed), number of the pass)
 *   layer = scatter(pass, layer)                       counted from 0, as rows and columns
 *   row   = scatter(layer, row of the batch)
 *   bits  = scatter(row, column / 2), its lower 32 for an even column, its upper 32 for an odd one
 *
 * A number is dropped where bits < floor(p 2^32), else multiplied by 1 / (1 - p). So a row's place in the batch
 * decides, not what the row holds, and neither the size of the batch nor who computes it in which order.
 */
#ifndef BPI_MATH_DROPOUT_H
#define BPI_MATH_DROPOUT_H

#include "base/real.h"

#include <stddef.h>
#include <stdint.h>

/** The key of a layer in a pass: `layer` in the formula above. */
uint64_t bpi_dropout_key(uint64_t seed, uint64_t pass, size_t layer);

/**
 * to = X, dropped out with probability p in [0, 1): rows x n, the first of them row number `first` of the batch. `to`
 * may be X.
 *
 * It is linear in X, so it is its own gradient: the same call takes dA back.
 */
void bpi_dropout(uint64_t key, bp_real p, size_t first, size_t rows, size_t n, const bp_real *X, bp_real *to);

#endif
