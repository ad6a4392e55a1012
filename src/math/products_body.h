// SPDX-License-Identifier: MIT
/*
 * Products with a single row, and small ones, compiled for one instruction set by each file that includes it, which names the
 * table that comes out (PRODUCT_KERNELS). A row of W, or a column, goes through the same loop whichever its neighbours are.
 *
 * Sums are taken in as many parts as a vector has lanes, in an order that a build and an instruction set have for good.
 */
#include <string.h>

#include "math/product_levels.h"
#include "math/vector_loop.h"

enum {
    ROWS = 4,   /* of W at a time: so many chains of additions hide each other's latency */
    LONG = 256, /* numbers in a row of which memory is the limit: it likes to be read in order */
};

/* z[r] = w[r] x for ROWS rows: by vectors where the compiler has them, else as it sees fit. */
#if defined(__GNUC__) && (defined(__clang__) || __GNUC__ >= 12)

#if defined(__AVX512F__)
#define VECTOR (64 / sizeof(bp_real))
#elif defined(__AVX2__)
#define VECTOR (32 / sizeof(bp_real))
#else
#define VECTOR ((size_t)4)
#endif

/* Of VECTOR numbers, and of 4; loose: wherever numbers may stand. */
typedef bp_real vector __attribute__((vector_size(VECTOR * sizeof(bp_real))));
typedef bp_real quad __attribute__((vector_size(4 * sizeof(bp_real))));
typedef bp_real loose_vector __attribute__((vector_size(VECTOR * sizeof(bp_real)), aligned(sizeof(bp_real)), may_alias));
typedef bp_real loose_quad __attribute__((vector_size(4 * sizeof(bp_real)), aligned(sizeof(bp_real)), may_alias));

#define VECTOR_AT(p) (*(const loose_vector *)(p))
#define QUAD_AT(p) (*(const loose_quad *)(p))

/* The quarters of a vector, or whatever it has of them, added up. */
static inline void add_quads(const vector *from, quad *to)
{
    quad parts[VECTOR / 4];
    memcpy(parts, from, sizeof parts);
    for (size_t step = VECTOR / 8; step > 0; step /= 2)
        for (size_t i = 0; i < step; i++)
            parts[i] += parts[i + step];
    *to = parts[0];
}

/* Four sums of four at once: transposed on the way. */
static inline void sum_each(const quad s[ROWS], bp_real z[ROWS])
{
    const quad s01 = __builtin_shufflevector(s[0], s[1], 0, 4, 2, 6) + __builtin_shufflevector(s[0], s[1], 1, 5, 3, 7);
    const quad s23 = __builtin_shufflevector(s[2], s[3], 0, 4, 2, 6) + __builtin_shufflevector(s[2], s[3], 1, 5, 3, 7);
    *(loose_quad *)z = __builtin_shufflevector(s01, s23, 0, 1, 4, 5) + __builtin_shufflevector(s01, s23, 2, 3, 6, 7);
}

/* From column j on, where less than a vector is left. */
static inline void multiply_ends(const bp_real *const w[ROWS], size_t j, size_t n, const bp_real *x, quad s[ROWS],
                                 bp_real z[ROWS])
{
    for (; j + 4 <= n; j += 4)
        for (int r = 0; r < ROWS; r++)
            s[r] += QUAD_AT(w[r] + j) * QUAD_AT(x + j);
    sum_each(s, z);
    for (; j < n; j++)
        for (int r = 0; r < ROWS; r++)
            z[r] += w[r][j] * x[j];
}

static inline void multiply_rows(const bp_real *const w[ROWS], size_t n, const bp_real *x, bp_real z[ROWS])
{
    vector v0 = { 0 }, v1 = { 0 }, v2 = { 0 }, v3 = { 0 };
    size_t j = 0;
    for (; j + VECTOR <= n; j += VECTOR) {
        const vector at = VECTOR_AT(x + j);
        v0 += VECTOR_AT(w[0] + j) * at;
        v1 += VECTOR_AT(w[1] + j) * at;
        v2 += VECTOR_AT(w[2] + j) * at;
        v3 += VECTOR_AT(w[3] + j) * at;
    }
    quad s[ROWS];
    add_quads(&v0, &s[0]), add_quads(&v1, &s[1]), add_quads(&v2, &s[2]), add_quads(&v3, &s[3]);
    multiply_ends(w, j, n, x, s, z);
}

/* Two rows in the order in which they lie in memory, each in four chains. */
static inline void multiply_two_rows(const bp_real *a, const bp_real *b, size_t n, const bp_real *x, quad s[2])
{
    vector a0 = { 0 }, a1 = { 0 }, a2 = { 0 }, a3 = { 0 }, b0 = { 0 }, b1 = { 0 }, b2 = { 0 }, b3 = { 0 };
    size_t j = 0;
    for (; j + 4 * VECTOR <= n; j += 4 * VECTOR) {
        const vector x0 = VECTOR_AT(x + j), x1 = VECTOR_AT(x + j + VECTOR);
        const vector x2 = VECTOR_AT(x + j + 2 * VECTOR), x3 = VECTOR_AT(x + j + 3 * VECTOR);
        a0 += VECTOR_AT(a + j) * x0;
        a1 += VECTOR_AT(a + j + VECTOR) * x1;
        a2 += VECTOR_AT(a + j + 2 * VECTOR) * x2;
        a3 += VECTOR_AT(a + j + 3 * VECTOR) * x3;
        b0 += VECTOR_AT(b + j) * x0;
        b1 += VECTOR_AT(b + j + VECTOR) * x1;
        b2 += VECTOR_AT(b + j + 2 * VECTOR) * x2;
        b3 += VECTOR_AT(b + j + 3 * VECTOR) * x3;
    }
    for (; j + VECTOR <= n; j += VECTOR) {
        a0 += VECTOR_AT(a + j) * VECTOR_AT(x + j);
        b0 += VECTOR_AT(b + j) * VECTOR_AT(x + j);
    }
    const vector all_a = (a0 + a1) + (a2 + a3), all_b = (b0 + b1) + (b2 + b3);
    add_quads(&all_a, &s[0]), add_quads(&all_b, &s[1]);
}

static inline void multiply_long_rows(const bp_real *const w[ROWS], size_t n, const bp_real *x, bp_real z[ROWS])
{
    quad s[ROWS];
    multiply_two_rows(w[0], w[1], n, x, &s[0]);
    multiply_two_rows(w[2], w[3], n, x, &s[2]);
    multiply_ends(w, n - n % VECTOR, n, x, s, z);
}

#else

static inline void multiply_rows(const bp_real *const w[ROWS], size_t n, const bp_real *x, bp_real z[ROWS])
{
    for (int r = 0; r < ROWS; r++) {
        bp_real sum = 0;
        SUM_LOOP(sum)
        for (size_t j = 0; j < n; j++)
            sum += w[r][j] * x[j];
        z[r] = sum;
    }
}

static inline void multiply_long_rows(const bp_real *const w[ROWS], size_t n, const bp_real *x, bp_real z[ROWS])
{
    multiply_rows(w, n, x, z);
}

#endif

static void add_to_row(size_t n, const bp_real *b, bp_real *z)
{
    VECTOR_LOOP
    for (size_t j = 0; j < n; j++)
        z[j] += b[j];
}

/* z[r] = w[r] x for ROWS rows; how follows from n alone, so that a row's sum does not depend on its neighbours. */
static inline void multiply_group(const bp_real *const w[ROWS], size_t n, const bp_real *x, bp_real z[ROWS])
{
    if (n < LONG)
        multiply_rows(w, n, x, z);
    else
        multiply_long_rows(w, n, x, z);
}

/* One place where a group is multiplied, whether it is whole or not: the compiler might round two in different ways. */
static void multiply_row(size_t n_out, size_t n_in, const bp_real *W, const bp_real *b, const bp_real *x, bp_real *z)
{
    const bp_real *last = W + (n_out - 1) * n_in; /* stands in for rows that there are not */
    bp_real sums[ROWS];
    for (size_t i = 0; i < n_out; i += ROWS) {
        const size_t left = n_out - i;
        const bp_real *first = W + i * n_in;
        const bp_real *const w[ROWS] = { first, left > 1 ? first + n_in : last, left > 2 ? first + 2 * n_in : last,
                                         left > 3 ? first + 3 * n_in : last };
        multiply_group(w, n_in, x, left >= ROWS ? z + i : sums);
        for (size_t r = 0; left < ROWS && r < left; r++)
            z[i + r] = sums[r];
    }
    if (b != NULL)
        add_to_row(n_out, b, z);
}

/*
 * a b + c, rounded once where the instruction set has that. Said and not left to the compiler, which may see fit to do so in one
 * function and not in another: what is computed in several ways must come to the same bits.
 */
static inline bp_real multiply_add(bp_real a, bp_real b, bp_real c)
{
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#ifdef BACKPROP_SINGLE
    return __builtin_fmaf(a, b, c);
#else
    return __builtin_fma(a, b, c);
#endif
#else
    return a * b + c;
#endif
}

/* dx += d0 w0 + d1 w1 + d2 w2 + d3 w3, in this order. */
static void add_rows(size_t n, size_t stride, const bp_real d[ROWS], const bp_real *W, bp_real *dx)
{
    const bp_real d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
    const bp_real *w0 = W, *w1 = W + stride, *w2 = W + 2 * stride, *w3 = W + 3 * stride;
    VECTOR_LOOP
    for (size_t j = 0; j < n; j++)
        dx[j] = multiply_add(d3, w3[j], multiply_add(d2, w2[j], multiply_add(d1, w1[j], multiply_add(d0, w0[j], dx[j]))));
}

static void add_row(size_t n, bp_real d, const bp_real *w, bp_real *dx)
{
    VECTOR_LOOP
    for (size_t j = 0; j < n; j++)
        dx[j] = multiply_add(d, w[j], dx[j]);
}

static void scale_row(size_t n, bp_real beta, bp_real *x)
{
    for (size_t j = 0; j < n; j++)
        x[j] = beta == (bp_real)0 ? (bp_real)0 : beta * x[j];
}

static void pull_row_back(size_t n_out, size_t n, size_t stride, const bp_real *W, const bp_real *dz, bp_real beta,
                          bp_real *dx)
{
    size_t i = 0;
    scale_row(n, beta, dx);
    for (; i + ROWS <= n_out; i += ROWS)
        add_rows(n, stride, dz + i, W + i * stride, dx);
    for (; i < n_out; i++)
        add_row(n, dz[i], W + i * stride, dx);
}

/* As add_rows(), with the update w += a d x of each row while it is there. */
static void add_and_update_rows(size_t n, size_t stride, bp_real a, const bp_real d[ROWS], const bp_real *x, bp_real *W,
                                bp_real *dx)
{
    const bp_real d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
    const bp_real a0 = a * d0, a1 = a * d1, a2 = a * d2, a3 = a * d3;
    bp_real *w0 = W, *w1 = W + stride, *w2 = W + 2 * stride, *w3 = W + 3 * stride;
    VECTOR_LOOP
    for (size_t j = 0; j < n; j++) {
        dx[j] = multiply_add(d3, w3[j], multiply_add(d2, w2[j], multiply_add(d1, w1[j], multiply_add(d0, w0[j], dx[j]))));
        w0[j] = multiply_add(a0, x[j], w0[j]);
        w1[j] = multiply_add(a1, x[j], w1[j]);
        w2[j] = multiply_add(a2, x[j], w2[j]);
        w3[j] = multiply_add(a3, x[j], w3[j]);
    }
}

static void add_and_update_row(size_t n, bp_real a, bp_real d, const bp_real *x, bp_real *w, bp_real *dx)
{
    const bp_real ad = a * d;
    VECTOR_LOOP
    for (size_t j = 0; j < n; j++) {
        dx[j] = multiply_add(d, w[j], dx[j]);
        w[j] = multiply_add(ad, x[j], w[j]);
    }
}

static void pull_row_back_and_update(size_t n_out, size_t n, size_t stride, bp_real alpha, const bp_real *dz,
                                     const bp_real *x, bp_real *W, bp_real *dx)
{
    size_t i = 0;
    scale_row(n, (bp_real)0, dx);
    for (; i + ROWS <= n_out; i += ROWS)
        add_and_update_rows(n, stride, alpha, dz + i, x, W + i * stride, dx);
    for (; i < n_out; i++)
        add_and_update_row(n, alpha, dz[i], x, W + i * stride, dx);
}

static void outer_product(size_t n_out, size_t n_in, bp_real alpha, const bp_real *dz, const bp_real *x, bp_real beta,
                          bp_real *W)
{
    for (size_t i = 0; i < n_out; i++) {
        const bp_real d = alpha * dz[i];
        bp_real *w = W + i * n_in;
        if (beta == (bp_real)1)
            add_row(n_in, d, x, w);
        else if (beta == (bp_real)0)
            for (size_t j = 0; j < n_in; j++)
                w[j] = d * x[j];
        else
            for (size_t j = 0; j < n_in; j++)
                w[j] = multiply_add(d, x[j], beta * w[j]);
    }
}

const struct bpi_product_kernels PRODUCT_KERNELS = {
    .multiply_row = multiply_row,
    .pull_row_back = pull_row_back,
    .pull_row_back_and_update = pull_row_back_and_update,
    .outer_product = outer_product,
};
