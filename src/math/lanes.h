// SPDX-License-Identifier: MIT
/*
 * Vectors of LANES numbers, whatever instruction set a file that includes this is compiled for. Operators work on all lanes, and
 * each lane is rounded as the number it is, so the bits are those of the same operations one by one.
 *
 * A compiler without vectors has those of one lane: a vector is then a number, and all that is written for vectors holds.
 */
#ifndef BPI_MATH_LANES_H
#define BPI_MATH_LANES_H

#include "base/real.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __FMA__
#include <immintrin.h>
#endif

#if defined(__GNUC__) && (defined(__clang__) || __GNUC__ >= 12)
#define HAS_LANES 1
#define LANES 4
typedef bp_real vector __attribute__((vector_size(LANES * sizeof(bp_real))));
typedef double vector_of_doubles __attribute__((vector_size(LANES * sizeof(double))));
#ifdef BACKPROP_SINGLE
typedef int32_t vector_of_bits __attribute__((vector_size(LANES * sizeof(int32_t))));
#else
typedef int64_t vector_of_bits __attribute__((vector_size(LANES * sizeof(int64_t))));
#endif
#else
#define HAS_LANES 0
#define LANES 1
typedef bp_real vector;
typedef double vector_of_doubles;
#endif

/* The same number in each lane. */
static inline vector spread(bp_real x)
{
#if HAS_LANES
    return (vector){ x, x, x, x };
#else
    return x;
#endif
}

/*
 * One lane of v in the first n, and who knows what in the others; both are constants where it is to be fast. Within half a vector
 * lanes are moved in less time than across.
 */
static inline vector spread_lane(vector v, size_t lane, size_t n)
{
#if HAS_LANES
    switch (lane) {
    case 0:
        return n <= 2 ? __builtin_shufflevector(v, v, 0, 0, 2, 2) : __builtin_shufflevector(v, v, 0, 0, 0, 0);
    case 1:
        return n <= 2 ? __builtin_shufflevector(v, v, 1, 1, 3, 3) : __builtin_shufflevector(v, v, 1, 1, 1, 1);
    case 2:
        return __builtin_shufflevector(v, v, 2, 2, 2, 2);
    default:
        return __builtin_shufflevector(v, v, 3, 3, 3, 3);
    }
#else
    (void)lane, (void)n;
    return v;
#endif
}

/* a b + c, rounded once where the instruction set has that. */
static inline vector multiply_add(vector a, vector b, vector c)
{
#if HAS_LANES && defined(__FMA__) && defined(BACKPROP_SINGLE)
    return (vector)_mm_fmadd_ps((__m128)a, (__m128)b, (__m128)c);
#elif HAS_LANES && defined(__FMA__)
    return (vector)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#else
    return a * b + c;
#endif
}

static inline vector vector_at(const bp_real *p)
{
    vector v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void put_vector(bp_real *p, vector v)
{
    memcpy(p, &v, sizeof v);
}

/* Numbers of which each lies `stride` behind the one before; n of them, 1 to LANES, and 0 in the other lanes. */
static inline vector gather_lanes(const bp_real *p, size_t stride, size_t n)
{
#if HAS_LANES
    switch (n) {
    case 1:
        return (vector){ p[0] };
    case 2:
        return (vector){ p[0], p[stride] };
    case 3:
        return (vector){ p[0], p[stride], p[2 * stride] };
    default:
        return (vector){ p[0], p[stride], p[2 * stride], p[3 * stride] };
    }
#else
    (void)stride, (void)n;
    return *p;
#endif
}

static inline vector first_lanes(const bp_real *p, size_t n)
{
    return n < LANES ? gather_lanes(p, 1, n) : vector_at(p);
}

/* Only the first n lanes, 1 to LANES: nothing behind them is touched. */
static inline void put_first_lanes(bp_real *p, size_t n, vector v)
{
#if HAS_LANES
    if (n == 1)
        p[0] = v[0];
    else if (n == 2)
        p[0] = v[0], p[1] = v[1];
    else if (n == 3)
        p[0] = v[0], p[1] = v[1], p[2] = v[2];
    else
        put_vector(p, v);
#else
    (void)n;
    *p = v;
#endif
}

/* The same with 0 in all lanes but the first n, 1 to LANES. */
static inline vector keep_first_lanes(vector v, size_t n)
{
#if HAS_LANES
    switch (n) {
    case 1:
        return (vector){ v[0] };
    case 2:
        return (vector){ v[0], v[1] };
    case 3:
        return (vector){ v[0], v[1], v[2] };
    default:
        return v;
    }
#else
    (void)n;
    return v;
#endif
}

/* v in the lanes in which x is above 0, else 0. */
static inline vector where_positive(vector x, vector v)
{
#if HAS_LANES
    return (vector)((vector_of_bits)v & (x > spread((bp_real)0)));
#else
    return x > (bp_real)0 ? v : (bp_real)0;
#endif
}

/* 0 in the lanes in which v is below 0; a NaN stays. */
static inline vector without_negatives(vector v)
{
#if HAS_LANES
    return (vector)((vector_of_bits)v & ~(v < spread((bp_real)0)));
#else
    return v < (bp_real)0 ? (bp_real)0 : v;
#endif
}

static inline vector_of_doubles doubles_of(vector v)
{
#if HAS_LANES
    return __builtin_convertvector(v, vector_of_doubles);
#else
    return (double)v;
#endif
}

/* The sums of the lanes of LANES vectors. */
static inline vector sum_each(const vector v[LANES])
{
#if HAS_LANES
    const vector v01 = __builtin_shufflevector(v[0], v[1], 0, 4, 2, 6) + __builtin_shufflevector(v[0], v[1], 1, 5, 3, 7);
    const vector v23 = __builtin_shufflevector(v[2], v[3], 0, 4, 2, 6) + __builtin_shufflevector(v[2], v[3], 1, 5, 3, 7);
    return __builtin_shufflevector(v01, v23, 0, 1, 4, 5) + __builtin_shufflevector(v01, v23, 2, 3, 6, 7);
#else
    return v[0];
#endif
}

#endif
