// SPDX-License-Identifier: MIT
/*
 * Products shared by the threads of a pool. No sum is cut, and where cutting changes bits, as it does in a BLAS, it follows from the
 * shapes alone: so the bits do not depend on how many threads there are.
 */
#ifndef BPI_MATH_SHARED_GEMM_H
#define BPI_MATH_SHARED_GEMM_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/pool.h"
#include "math/gemm.h"

/** A product is cut in at most so many parts: more callers at a time no pool has for the BLAS. */
enum { BPI_MOST_PRODUCT_PARTS = 4 };

/** How n rows, columns or numbers are cut. */
struct bpi_cut {
    size_t n, n_parts;
    size_t grain; /**< parts begin at its multiples; 0: anywhere */
};

/** Cuts n by its size and the multiplications there are in all: few and large parts, 1 where it does not pay. */
struct bpi_cut bpi_cut(size_t n, size_t work);

/** The same for rows that are few: each may be a part. */
struct bpi_cut bpi_cut_rows(size_t n, size_t work);

/** Where a part begins; part n_parts: the end. */
size_t bpi_cut_begin(const struct bpi_cut *cut, size_t part);

/** A way to compute products. */
struct bpi_way {
    void (*multiply)(const struct bpi_product *product);
    bool keeps_bits; /**< a number has the same bits wherever a product is cut */
};

/** Computes a product: uncut without a pool; where bits are kept, in as many parts as the pool has threads. */
void bpi_gemm_shared(struct bp_threads_pool *pool, const struct bpi_product *product, struct bpi_way way);

#endif
