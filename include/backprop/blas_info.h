// SPDX-License-Identifier: MIT
/*
 * Which BLAS computes the matrix products, and whether it knows the processor that it runs on.
 */
#ifndef BACKPROP_BLAS_INFO_H
#define BACKPROP_BLAS_INFO_H

#include "backprop/precision.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How a BLAS runs one product on several cores. The values are fixed. */
typedef enum bp_blas_threading {
    BP_BLAS_SERIAL = 0,  /**< it does not, and OpenBLAS can take one call at a time only: see bp_blas_info() */
    BP_BLAS_PTHREAD = 1, /**< by threads of its own */
    BP_BLAS_OPENMP = 2,  /**< by those of OpenMP */
    BP_BLAS_UNKNOWN = 3, /**< it cannot be asked */
    BP_N_BLAS_THREADINGS /**< how many there are; grows with versions */
} bp_blas_threading;

/** A BLAS as it describes itself. All texts but `version` are static, and none is NULL but `advice`. */
typedef struct bp_blas {
    const char *library; /**< "OpenBLAS", "BLIS", "MKL", "Accelerate"; "CBLAS" for one whose name is not known; "own
                                      plain C" in a build without BLAS */
    char version[32];    /**< for example "0.3.21", cut if it is longer; "" where it cannot be asked */
    const char *kernel;  /**< the processor for which its kernels are written, for example "SkylakeX", as OpenBLAS calls it;
                                      "plain C" in a build without BLAS; "unknown" where it cannot be asked */
    int threads;         /**< on how many threads it runs a product now, as far as there is work for them; 0 where it cannot
                                      be asked */
    bp_blas_threading threading; /**< how */
    const char *advice; /**< one sentence, where the kernels are older than the processor and therefore slower than they
                                      could be, or else OpenBLAS is built without threads: what it could do, and what to do
                                      about it. Else NULL */
} bp_blas;

/**
 * Asks the BLAS that the program runs with about itself.
 *
 * OpenBLAS chooses its kernels when it is loaded. Older versions do not know newer processors and take kernels of
 * decades ago, which is right but several times slower: `advice` then says which setting of the environment mends it. Only
 * OpenBLAS can be asked; of others there is the name. Any thread; allocates nothing.
 *
 * OpenBLAS built without threads gives wrong numbers when several threads call it at the same time. So with such a build one
 * product of the library waits for another, whichever threads they are in, and a fork for the product that is under way;
 * `advice` says so. The library cannot make calls wait that the program makes on its own, nor those of the other precision's
 * library or of another copy of it, and on Windows it makes none wait: there the program sees to it.
 */
bp_blas bp_blas_info(void);

/** The name as people write it: "serial", "pthread", "openmp"; "unknown" for other values. Static text; any thread. */
const char *bp_blas_threading_name(bp_blas_threading threading);

#ifdef __cplusplus
}
#endif

#endif
