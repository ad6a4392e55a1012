// SPDX-License-Identifier: MIT
/*
 * OpenBLAS's setter and getter, which are no part of CBLAS.
 */
#include "blas_threads.h"

#ifdef BACKPROP_HAS_OPENBLAS

void openblas_set_num_threads(int threads);
int openblas_get_num_threads(void);

void set_blas_threads(int threads)
{
    if (threads != openblas_get_num_threads())
        openblas_set_num_threads(threads);
}

#else

void set_blas_threads(int threads)
{
    (void)threads;
}

#endif
