// SPDX-License-Identifier: MIT
/*
 * How many threads BLAS may use for a product.
 */
#ifndef BENCH_BLAS_THREADS_H
#define BENCH_BLAS_THREADS_H

/** For all that follows. Only OpenBLAS can be told; others keep what their environment has given them. */
void set_blas_threads(int threads);

#endif
