// SPDX-License-Identifier: MIT
/*
 * What OpenBLAS needs around its calls, by how it is built:
 *
 *   without threads   one call at a time in the whole process, since it locks nothing and would mix up their buffers
 *   pthreads          while there are pools, one thread a call: one setting for all callers
 *   OpenMP            the same; but there each thread has a setting of its own, which is changed for the call and put back
 *
 * Of other BLAS libraries nothing is known, and nothing is done.
 */
#ifndef BPI_MATH_BLAS_CALLS_H
#define BPI_MATH_BLAS_CALLS_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

/** Before each call. Returns what its end needs. */
int bpi_blas_begin(void);

/** After the call, in the same thread. */
void bpi_blas_end(int before);

/** Before the first pool is made, and after the last one is freed. Never at the same time as one another. */
void bpi_blas_pools_begin(void);
void bpi_blas_pools_end(void);

/** Threads that a large product of this thread would be given; 1 where the BLAS does not tell. */
int bpi_blas_threads(void);

/** Whether there is a BLAS, and nothing to be advised about it: see bp_blas_info(). Asked once, then remembered. */
bool bpi_blas_is_good(void);

/** Makes the BLAS allocate the buffers that n calls at the same time need, as far as it can be told to; n at most 64. */
void bpi_blas_make_buffers(size_t n);

#endif
