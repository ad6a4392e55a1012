// SPDX-License-Identifier: MIT
/*
 * xoshiro256++ and what is drawn with it.
 *
 * The same on every platform: integers, and floating point by +, -, *, / and sqrt only, which IEEE 754 rounds correctly
 * (the library is compiled without contraction of a * b + c). libm's log is not among them, so the normal distribution
 * uses one of our own.
 */
#include "base/real.h"

#include <stdbool.h>

#include "backprop/rng.h"

static uint64_t rotate_left(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

/* SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): scatters a seed over the state; never gives four zeros in a row. */
static uint64_t split_mix(uint64_t *x)
{
    uint64_t z = (*x += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void bp_rng_init(bp_rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rng->state[i] = split_mix(&seed);
}

/* Inline: whoever draws many keeps the state in registers. */
static inline uint64_t next(bp_rng *rng)
{
    uint64_t *s = rng->state;
    const uint64_t result = rotate_left(s[0] + s[3], 23) + s[0];
    const uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t bp_rng_next(bp_rng *rng)
{
    return next(rng);
}

/*
 * Numbers below 2^64 mod bound would make the first remainders more likely than the others. As that is less than bound, it need not
 * be known for any number from bound on: hardly ever, and it is a division.
 */
static inline bool is_fair(uint64_t x, uint64_t bound)
{
    return x >= bound || x >= (UINT64_MAX - bound + 1) % bound;
}

static inline uint64_t below(bp_rng *rng, uint64_t bound)
{
    uint64_t x = next(rng);
    while (!is_fair(x, bound))
        x = next(rng);
    return x % bound;
}

uint64_t bp_rng_below(bp_rng *rng, uint64_t bound)
{
    return bound != 0 ? below(rng, bound) : 0;
}

double bp_rng_uniform(bp_rng *rng)
{
    return (double)(bp_rng_next(rng) >> 11) * 0x1p-53;
}

/*
 * log x for normal x > 0. x = m 2^e with m in [sqrt(1/2), sqrt(2)), t = (m - 1) / (m + 1), |t| < 0.1716, and
 * log m = 2 (t + t^3 / 3 + t^5 / 5 + ...); the terms after t^21 are below 2^-58 of the sum.
 */
static double portable_log(double x)
{
    const double log_2 = 0x1.62e42fefa39efp-1;
    int exponent;
    double m = frexp(x, &exponent); /* exact; in [1/2, 1) */
    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2;
        exponent--;
    }

    const double t = (m - 1) / (m + 1), square = t * t;
    double sum = 0;
    for (int k = 21; k >= 1; k -= 2)
        sum = sum * square + 1.0 / k;
    return 2 * t * sum + exponent * log_2;
}

double bp_rng_normal(bp_rng *rng)
{
    double u, v, s;
    do {
        u = 2 * bp_rng_uniform(rng) - 1;
        v = 2 * bp_rng_uniform(rng) - 1;
        s = u * u + v * v;
    } while (s >= 1 || s == 0);
    return u * sqrt(-2 * portable_log(s) / s);
}

void bp_rng_shuffle(bp_rng *rng, size_t *indices, size_t n)
{
    bp_rng here = *rng;
    for (size_t i = n; i > 1; i--) {
        const size_t j = (size_t)below(&here, i);
        const size_t swapped = indices[i - 1];
        indices[i - 1] = indices[j];
        indices[j] = swapped;
    }
    *rng = here;
}
