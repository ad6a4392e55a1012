// SPDX-License-Identifier: MIT
/*
 * Words before a loop that tell the compiler how it may do several rounds at a time.
 */
#ifndef BPI_MATH_VECTOR_LOOP_H
#define BPI_MATH_VECTOR_LOOP_H

/* The rounds do not know of each other, even where it cannot be seen that arrays are either the same or apart. */
#if defined(__clang__)
#define VECTOR_LOOP _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define VECTOR_LOOP _Pragma("GCC ivdep")
#else
#define VECTOR_LOOP
#endif

/*
 * All rounds, which are few, are written out: else an array of vectors that they work on would not be in registers. For loops whose number
 * of rounds is known where they are inlined. Clang would take GCC's word, and keep the loop.
 */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 16")
#else
#define UNROLL
#endif

/* The rounds add to these sums, which may be taken in parts. Needs -fopenmp-simd, else it says nothing. */
#if defined(__GNUC__)
#define PRAGMA_OF(text) _Pragma(#text)
#define SUM_LOOP(...) PRAGMA_OF(omp simd reduction(+ : __VA_ARGS__))
#else
#define SUM_LOOP(...)
#endif

#endif
