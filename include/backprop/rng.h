// SPDX-License-Identifier: MIT
/*
 * Random numbers: one small generator, its state owned by whoever uses it.
 *
 * xoshiro256++ (Blackman and Vigna, ACM Trans. Math. Softw. 47, 2021), seeded by SplitMix64 as its authors advise. All
 * functions use integers and correctly rounded operations only, so a seed gives the same numbers on every platform and
 * in both precisions. Period 2^256 - 1. Not for cryptography.
 *
 * A generator belongs to one thread at a time. None of the functions can fail.
 */
#ifndef BACKPROP_RNG_H
#define BACKPROP_RNG_H

#include <stddef.h>
#include <stdint.h>

#include "backprop/precision.h"

#ifdef __cplusplus
extern "C" {
#endif

/** State of a generator. May be copied: the copy goes on with the same numbers. All zeros is no valid state. */
typedef struct bp_rng {
    uint64_t state[4]; /**< xoshiro256++'s s[0] .. s[3] */
} bp_rng;

/** Starts `rng` from any seed, 0 included. Different seeds give unrelated sequences. */
void bp_rng_init(bp_rng *rng, uint64_t seed);

/** The next 64 random bits. */
uint64_t bp_rng_next(bp_rng *rng);

/** An integer in [0, bound), each equally likely (by rejection, no modulo bias). 0 if `bound` is 0. */
uint64_t bp_rng_below(bp_rng *rng, uint64_t bound);

/** A number in [0, 1): k / 2^53, each k from 0 to 2^53 - 1 equally likely. */
double bp_rng_uniform(bp_rng *rng);

/** A number from the normal distribution of mean 0 and variance 1, by Marsaglia's polar method (SIAM Rev. 6, 1964). */
double bp_rng_normal(bp_rng *rng);

/** Puts `indices` (n entries) into random order, every order equally likely (Fisher and Yates, from the end down). */
void bp_rng_shuffle(bp_rng *rng, size_t *indices, size_t n);

#ifdef __cplusplus
}
#endif

#endif
