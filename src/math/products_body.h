// SPDX-License-Identifier: MIT
/*
 * Products with a single row, and small ones, compiled for one instruction set by each file that includes it, which names what
 * comes out: the forward product (MULTIPLY_ROW) and a table of the others (PRODUCT_KERNELS). A row of W, or a column, goes through
 * the same sums whichever its neighbours are.
 *
 * Sums are taken in as many parts as a vector has lanes, in an order that a build and an instruction set have for good.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "base/memory.h"
#include "math/kernel_functions.h"
#include "math/product_levels.h"
#include "math/vector_loop.h"

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

#define CHAINS 4UL /* of additions: so many hide each other's latency */

#if defined(__GNUC__) && (defined(__clang__) || __GNUC__ >= 12)
#define HAS_VECTORS 1
#else
#define HAS_VECTORS 0
#endif

#if HAS_VECTORS

/* ---- Vectors --------------------------------------------------------------------------------------------------------- */

/* VECTOR: numbers in a vector; BLOCK: vectors side by side for which, in a backward pass, there are registers. */
#ifdef BACKPROP_SINGLE
#define IN_LANE 4UL /* numbers in 128 bits */
#else
#define IN_LANE 2UL
#endif
#if defined(__AVX512F__)
#define LANES 4UL
#elif defined(__AVX2__)
#define LANES 2UL
#else
#define LANES 1UL
#endif
#define VECTOR (LANES * IN_LANE)
#if defined(__AVX512F__)
#define BLOCK 4UL
#elif defined(__AVX2__)
#define BLOCK 2UL
#else
#define BLOCK 1UL
#endif

/* Loose: wherever numbers may stand. */
typedef bp_real vector __attribute__((vector_size(VECTOR * sizeof(bp_real))));
typedef bp_real loose_vector __attribute__((vector_size(VECTOR * sizeof(bp_real)), aligned(sizeof(bp_real)), may_alias));

typedef word vector_of_words __attribute__((vector_size(VECTOR * sizeof(bp_real))));

/* For what is written once, with constants that differ from call to call. */
#define ALWAYS_INLINE __attribute__((always_inline)) static inline

#define VECTOR_AT(p) (*(const loose_vector *)(p))

/* Parts of vectors, sums of products that are rounded once, and what a comparison with a choice amounts to. */
#if defined(__AVX512F__) && defined(BACKPROP_SINGLE)
#define PART_MASK(n) ((__mmask16)((1u << (n)) - 1))
#define LOAD_PART(p, n) _mm512_maskz_loadu_ps(PART_MASK(n), p)
#define STORE_PART(v, n, p) _mm512_mask_storeu_ps(p, PART_MASK(n), v)
#define FUSED(a, b, c) _mm512_fmadd_ps(a, b, c)
#define SMALLER(a, b) _mm512_min_ps(a, b)
#elif defined(__AVX512F__)
#define PART_MASK(n) ((__mmask8)((1u << (n)) - 1))
#define LOAD_PART(p, n) _mm512_maskz_loadu_pd(PART_MASK(n), p)
#define STORE_PART(v, n, p) _mm512_mask_storeu_pd(p, PART_MASK(n), v)
#define FUSED(a, b, c) _mm512_fmadd_pd(a, b, c)
#define SMALLER(a, b) _mm512_min_pd(a, b)
#elif defined(__AVX2__) && defined(__FMA__) && defined(BACKPROP_SINGLE)
#define PART_MASK(n) _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define LOAD_PART(p, n) _mm256_maskload_ps(p, PART_MASK(n))
#define STORE_PART(v, n, p) _mm256_maskstore_ps(p, PART_MASK(n), v)
#define FUSED(a, b, c) _mm256_fmadd_ps(a, b, c)
#define SMALLER(a, b) _mm256_min_ps(a, b)
#elif defined(__AVX2__) && defined(__FMA__)
#define PART_MASK(n) _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)(n)), _mm256_setr_epi64x(0, 1, 2, 3))
#define LOAD_PART(p, n) _mm256_maskload_pd(p, PART_MASK(n))
#define STORE_PART(v, n, p) _mm256_maskstore_pd(p, PART_MASK(n), v)
#define FUSED(a, b, c) _mm256_fmadd_pd(a, b, c)
#define SMALLER(a, b) _mm256_min_pd(a, b)
#endif

/* The first n < VECTOR numbers from p on, then zeros. What lies behind them is not touched. */
static inline vector load_part(const bp_real *p, size_t n)
{
#ifdef LOAD_PART
    return LOAD_PART(p, n);
#elif VECTOR == 2
    (void)n;
    return (vector){ p[0] };
#elif VECTOR == 4 /* written out, lest a loop goes through memory */
    if (n == 1)
        return (vector){ p[0] };
    return n == 2 ? (vector){ p[0], p[1] } : (vector){ p[0], p[1], p[2] };
#else
    vector v = { 0 };
    for (size_t i = 0; i < n; i++)
        v[i] = p[i];
    return v;
#endif
}

static inline void store_part(vector v, size_t n, bp_real *p)
{
#ifdef STORE_PART
    STORE_PART(v, n, p);
#else
    for (size_t i = 0; i < n; i++)
        p[i] = v[i];
#endif
}

/* n numbers, a whole vector unless they are fewer. */
static inline vector load(const bp_real *p, size_t n)
{
    if (n == VECTOR)
        return VECTOR_AT(p);
    return load_part(p, n);
}

static inline void store(vector v, size_t n, bp_real *p)
{
    if (n == VECTOR)
        *(loose_vector *)p = v;
    else
        store_part(v, n, p);
}

static inline vector all(bp_real x)
{
    return x - (vector){ 0 }; /* not +, which would lose the sign of -0 */
}

/* multiply_add(), number by number. */
static inline vector fused(vector a, vector b, vector c)
{
#if defined(FUSED)
    return FUSED(a, b, c);
#elif defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    for (size_t i = 0; i < VECTOR; i++)
        c[i] = multiply_add(a[i], b[i], c[i]);
    return c;
#else
    return a * b + c;
#endif
}

/* v, with 0 where `which`, which is what a comparison gives, holds. A NaN stays one. */
static inline vector drop(vector_of_words which, vector v)
{
    return (vector)((vector_of_words)v & ~which);
}

static inline vector magnitude(vector v)
{
    return (vector)((vector_of_words)v & ~(SIGN_BIT - (vector_of_words){ 0 }));
}

/* a where it is the smaller one, else b, which may be a NaN. */
static inline vector smaller(vector a, vector b)
{
#ifdef SMALLER
    return SMALLER(a, b);
#else
    const vector_of_words which = (vector_of_words)(a < b);
    return (vector)(((vector_of_words)a & which) | ((vector_of_words)b & ~which));
#endif
}

/*
 * The numbers of a vector are added up in pairs of neighbours within each lane of 128 bits, then the sums of the lanes in pairs of
 * neighbours. A fold is such a step for two vectors at once, whose results share one: so VECTOR vectors take little longer than
 * one. The steps within lanes come first, since there are more of them, and they are faster.
 */
#define LIST(...) __VA_ARGS__
#define FOLD(name, one, other)                                                                                             \
    static inline vector name(vector a, vector b)                                                                          \
    {                                                                                                                      \
        return __builtin_shufflevector(a, b, LIST one) + __builtin_shufflevector(a, b, LIST other);                        \
    }
#define SWAP(v, ...) __builtin_shufflevector(v, v, __VA_ARGS__)

#if VECTOR == 16
FOLD(fold_pairs, (0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30),
     (1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31))
FOLD(fold_lanes, (0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27),
     (4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31))
#define SWAP_NEIGHBOURS(v) SWAP(v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
#define SWAP_PAIRS(v) SWAP(v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
#elif VECTOR == 8 && defined(BACKPROP_SINGLE)
FOLD(fold_pairs, (0, 2, 8, 10, 4, 6, 12, 14), (1, 3, 9, 11, 5, 7, 13, 15))
FOLD(fold_lanes, (0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15))
#define SWAP_NEIGHBOURS(v) SWAP(v, 1, 0, 3, 2, 5, 4, 7, 6)
#define SWAP_PAIRS(v) SWAP(v, 2, 3, 0, 1, 6, 7, 4, 5)
#elif VECTOR == 8
FOLD(fold_pairs, (0, 8, 2, 10, 4, 12, 6, 14), (1, 9, 3, 11, 5, 13, 7, 15))
FOLD(fold_lanes, (0, 1, 4, 5, 8, 9, 12, 13), (2, 3, 6, 7, 10, 11, 14, 15))
#define SWAP_NEIGHBOURS(v) SWAP(v, 1, 0, 3, 2, 5, 4, 7, 6)
#elif VECTOR == 4 && defined(BACKPROP_SINGLE)
FOLD(fold_pairs, (0, 2, 4, 6), (1, 3, 5, 7))
#define SWAP_NEIGHBOURS(v) SWAP(v, 1, 0, 3, 2)
#define SWAP_PAIRS(v) SWAP(v, 2, 3, 0, 1)
#elif VECTOR == 4
FOLD(fold_pairs, (0, 4, 2, 6), (1, 5, 3, 7))
FOLD(fold_lanes, (0, 1, 4, 5), (2, 3, 6, 7))
#define SWAP_NEIGHBOURS(v) SWAP(v, 1, 0, 3, 2)
#else
FOLD(fold_pairs, (0, 2), (1, 3))
#define SWAP_NEIGHBOURS(v) SWAP(v, 1, 0)
#endif

/* The sums of IN_LANE vectors, in each lane what it has of them. */
ALWAYS_INLINE vector fold_in_lanes(const vector v[IN_LANE])
{
#ifdef BACKPROP_SINGLE
    return fold_pairs(fold_pairs(v[0], v[1]), fold_pairs(v[2], v[3]));
#else
    return fold_pairs(v[0], v[1]);
#endif
}

/* The sum of the numbers of one vector, to the same bits. */
static inline bp_real sum_of(vector v)
{
    v += SWAP_NEIGHBOURS(v);
#ifdef BACKPROP_SINGLE
    v += SWAP_PAIRS(v);
#endif
    bp_real sums[4] = { v[0] };
    for (size_t i = 1; i < LANES; i++)
        sums[i] = v[i * IN_LANE];
    return LANES == 1 ? sums[0] : LANES == 2 ? sums[0] + sums[1] : (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* ---- Forward --------------------------------------------------------------------------------------------------------- */

enum {
    APPLIES_F = VECTOR >= 8,        /* else a call for each few numbers costs more than it saves */
    SHORT = 8,                      /* numbers in a row that hardly fill a vector */
    LONG = LANES == 1 ? 1024 : 128, /* numbers in a row of which memory is the limit: it likes to be read in order */
    AHEAD = 4096,                   /* bytes, of what is asked for early */
    FITS = 15 << 16,                /* bytes that one may hope to find in the second cache */
    AT_ONCE = VECTOR < 8 ? VECTOR : 8,
    ROOM = 2048, /* numbers of which a copy has room on the stack */
};

/* tanh and sigmoid, number by number, by the operations of the activation kernels. */
ALWAYS_INLINE vector tanh_in_each_lane(vector v)
{
    const vector cut = smaller(all(TANH_1_ABOVE), magnitude(v));
    bp_real x[VECTOR], size[VECTOR];
    memcpy(x, &v, sizeof v);
    memcpy(size, &cut, sizeof cut);
    for (size_t i = 0; i < VECTOR; i++)
        x[i] = tanh_within(x[i], size[i]);
    memcpy(&v, x, sizeof v);
    return v;
}

ALWAYS_INLINE vector sigmoid_in_each_lane(vector v)
{
    bp_real x[VECTOR];
    memcpy(x, &v, sizeof v);
    for (size_t i = 0; i < VECTOR; i++)
        x[i] = sigmoid_of(x[i]);
    memcpy(&v, x, sizeof v);
    return v;
}

/*
 * f(z), where z is still in a register. Out of line: these are longer than the products, and in each of them there would be what a
 * compiler prepares for all of them.
 */
__attribute__((noinline)) static vector apply(bp_activation f, vector z)
{
    if (f == BP_TANH)
        return tanh_in_each_lane(z);
    if (f == BP_SIGMOID)
        return sigmoid_in_each_lane(z);
    return f == BP_RELU ? drop((vector_of_words)(z < (vector){ 0 }), z) : z;
}

/* From sums over n <= VECTOR rows, from row i on, to what is stored of them. */
ALWAYS_INLINE void finish(const struct bpi_row_product *is, size_t i, size_t n, vector sums)
{
    const vector z = is->b != NULL ? sums + load(is->b + i, n) : sums;
    if (is->z != is->a || !APPLIES_F)
        store(z, n, is->z + i);
    if (APPLIES_F)
        store(is->f != BP_IDENTITY ? apply(is->f, z) : z, n, is->a + i);
}

/* Some rows of W from w on, n numbers each. `count` and `wide` are constants where they are used. */
struct group {
    size_t count; /* 1, IN_LANE, twice that or VECTOR */
    size_t wide;  /* if rows are 1, 2 or 4 whole vectors, how many: then n is a constant, too. Else 0 */
    size_t n;
    const bp_real *w, *x;
};

/* w x of all rows, not summed up yet, of which each is `wide` vectors: row after row, for they lie one behind the other. */
ALWAYS_INLINE void multiply_whole(const struct group *is, vector *v)
{
    const bp_real *w = is->w;
    vector at[4];
    UNROLL
    for (size_t c = 0; c < is->wide; c++)
        at[c] = VECTOR_AT(is->x + c * VECTOR);
    UNROLL
    for (size_t r = 0; r < is->count; r++, w += is->wide * VECTOR) {
        UNROLL
        for (size_t c = 0; c < is->wide; c++)
            v[r] = c > 0 ? fused(VECTOR_AT(w + c * VECTOR), at[c], v[r]) : at[0] * VECTOR_AT(w);
    }
}

/* The same of any rows, `count` of them from `first` on: a chain of additions each, and the others to hide it. */
ALWAYS_INLINE void multiply_in_loop(const struct group *is, size_t first, size_t count, vector *v)
{
    const size_t n = is->n;
    const bp_real *w = is->w + first * n, *x = is->x;
    size_t j = 0;
    for (; j + VECTOR <= n; j += VECTOR) {
        const vector at = VECTOR_AT(x + j);
        UNROLL
        for (size_t r = 0; r < count; r++)
            v[r] = fused(VECTOR_AT(w + r * n + j), at, v[r]);
    }
    if (j < n) {
        const vector at = load_part(x + j, n - j);
        UNROLL
        for (size_t r = 0; r < count; r++)
            v[r] = fused(load_part(w + r * n + j, n - j), at, v[r]);
    }
}

ALWAYS_INLINE void multiply_vectors(const struct group *is, vector *v)
{
    const size_t at_once = is->count < AT_ONCE ? is->count : AT_ONCE;
    if (is->wide > 0) {
        multiply_whole(is, v);
        return;
    }
    UNROLL
    for (size_t r = 0; r < is->count; r += AT_ONCE)
        multiply_in_loop(is, r, at_once, v + r);
}

/* W x. What is in the vector behind `count` sums is nobody's. */
ALWAYS_INLINE vector multiply_group(const struct group *is)
{
    vector v[VECTOR] = { { 0 } }, sums[LANES];
    multiply_vectors(is, v);
    UNROLL
    for (size_t i = 0; i < LANES; i++)
        sums[i] = fold_in_lanes(v + i * IN_LANE % is->count);
#if LANES == 1
    return sums[0];
#elif LANES == 2
    return fold_lanes(sums[0], sums[1]);
#else
    return fold_lanes(fold_lanes(sums[0], sums[1]), fold_lanes(sums[2], sums[3]));
#endif
}

/* Rows in groups; the last one begins where it ends with them, so some rows may be computed twice. */
ALWAYS_INLINE void multiply_groups(size_t count, size_t wide, const struct bpi_row_product *is)
{
    const size_t n = wide > 0 ? wide * VECTOR : is->n_in;
    for (size_t i = 0;;) {
        const struct group group = { count, wide, n, is->W + i * n, is->x };
        finish(is, i, count, multiply_group(&group));
        if (i + count == is->n_out)
            return;
        i = i + 2 * count <= is->n_out ? i + count : is->n_out - count;
    }
}

ALWAYS_INLINE void multiply_one_by_one(size_t wide, const struct bpi_row_product *is)
{
    const size_t n = wide > 0 ? wide * VECTOR : is->n_in;
    for (size_t i = 0; i < is->n_out; i++) {
        vector v = { 0 };
        multiply_vectors(&(struct group){ 1, wide, n, is->W + i * n, is->x }, &v);
        finish(is, i, 1, (vector){ sum_of(v) });
    }
}

/* How rows are multiplied follows from their length alone, in how many at a time from how many there are. */
ALWAYS_INLINE void multiply_rows(size_t wide, const struct bpi_row_product *is)
{
    if (is->n_out >= VECTOR)
        multiply_groups(VECTOR, wide, is);
    else if (LANES > 2 && is->n_out >= 2 * IN_LANE)
        multiply_groups(2 * IN_LANE, wide, is);
    else if (LANES > 1 && is->n_out >= IN_LANE)
        multiply_groups(IN_LANE, wide, is);
    else
        multiply_one_by_one(wide, is);
}

static void multiply_short_rows(const struct bpi_row_product *is)
{
    if (is->n_in == VECTOR)
        multiply_rows(1, is);
    else if (is->n_in == 2 * VECTOR)
        multiply_rows(2, is);
    else if (is->n_in == 4 * VECTOR)
        multiply_rows(4, is);
    else
        multiply_rows(0, is);
}

/* What is as far ahead as AHEAD; it need not be there. */
static inline void send_for(const bp_real *p)
{
    __builtin_prefetch(
        (const void *)((uintptr_t)p + AHEAD)); // NOLINT(performance-no-int-to-ptr): it may be beyond the array
}

/* is_far, a constant where this is called: the second cache does not hold W. */
static inline bp_real multiply_long_row(bool is_far, size_t n, const bp_real *w, const bp_real *x)
{
    vector v[CHAINS] = { { 0 } };
    size_t j = 0;
    for (; j + CHAINS * VECTOR <= n; j += CHAINS * VECTOR) {
        if (is_far) {
            UNROLL
            for (size_t c = 0; c < CHAINS; c++)
                send_for(w + j + c * VECTOR);
        }
        UNROLL
        for (size_t c = 0; c < CHAINS; c++)
            v[c] = fused(VECTOR_AT(w + j + c * VECTOR), VECTOR_AT(x + j + c * VECTOR), v[c]);
    }
    for (; j + VECTOR <= n; j += VECTOR)
        v[0] = fused(VECTOR_AT(w + j), VECTOR_AT(x + j), v[0]);
    if (j < n)
        v[1] = fused(load_part(w + j, n - j), load_part(x + j, n - j), v[1]);
    return sum_of((v[0] + v[1]) + (v[2] + v[3]));
}

/* Row after row, with x where no vector of it lies in two lines of the cache, if there is room. */
static void multiply_long_rows(const struct bpi_row_product *is)
{
    _Alignas(BPI_ALIGNMENT) bp_real copy[ROOM];
    const size_t n_out = is->n_out, n = is->n_in;
    const bp_real *x = is->x;
    if (n <= ROOM && (uintptr_t)x % BPI_ALIGNMENT != 0)
        x = memcpy(copy, x, n * sizeof *x);
    const bool is_far = n_out * n * sizeof *is->W > FITS;
    for (size_t i = 0; i < n_out; i += VECTOR) {
        const size_t n_rows = n_out - i < VECTOR ? n_out - i : VECTOR;
        bp_real sums[VECTOR];
        for (size_t r = 0; r < n_rows; r++) {
            const bp_real *w = is->W + (i + r) * n;
            sums[r] = is_far ? multiply_long_row(true, n, w, x) : multiply_long_row(false, n, w, x);
        }
        finish(is, i, n_rows, load(sums, n_rows));
    }
}

/* One sum a row. */
static void multiply_shortest_rows(const struct bpi_row_product *is)
{
    const bp_real *w = is->W;
    for (size_t i = 0; i < is->n_out; i++, w += is->n_in) {
        bp_real sum = is->b != NULL ? is->b[i] : (bp_real)0;
        for (size_t j = 0; j < is->n_in; j++)
            sum += w[j] * is->x[j];
        is->z[i] = sum;
    }
}

void MULTIPLY_ROW(const struct bpi_row_product *product)
{
    if (LANES == 1 && product->n_in < SHORT)
        multiply_shortest_rows(product);
    else if (product->n_in < LONG)
        multiply_short_rows(product);
    else
        multiply_long_rows(product);
    if (!APPLIES_F && (product->f != BP_IDENTITY || product->z != product->a))
        bpi_kernels()->apply[product->f](product->n_out, (bp_real)0, product->z, product->a);
}

#else

static inline bp_real apply(bp_activation f, bp_real z)
{
    if (f == BP_TANH)
        return tanh_of(z);
    if (f == BP_SIGMOID)
        return sigmoid_of(z);
    return f == BP_RELU && z < (bp_real)0 ? (bp_real)0 : z; /* a NaN stays one */
}

void MULTIPLY_ROW(const struct bpi_row_product *product)
{
    for (size_t i = 0; i < product->n_out; i++) {
        const bp_real *w = product->W + i * product->n_in, *x = product->x;
        bp_real sum = 0;
        SUM_LOOP(sum)
        for (size_t j = 0; j < product->n_in; j++)
            sum += w[j] * x[j];
        product->z[i] = product->b != NULL ? sum + product->b[i] : sum;
    }
    for (size_t i = 0; i < product->n_out; i++)
        product->a[i] = apply(product->f, product->z[i]);
}

#endif

/* ---- Backward -------------------------------------------------------------------------------------------------------- */

/*
 * In a narrow W, columns are taken a few vectors at a time, whose sums over all rows stay in registers: row i adds to sum
 * i % CHAINS. In a wide one that would be far apart in memory, so rows are taken ROWS at a time, and sums are read and written.
 * Which of the two follows from the number of columns alone, and what is computed in several ways goes the same way in each.
 */
enum {
    ROWS = 4,
    NARROW = 128 /* numbers in a row, at most */
};

/* dx = W^T dz + beta dx, and W_to = W + alpha dz x^T with the W that was. */
struct sweep {
    size_t n_out, stride;
    bp_real alpha, beta;
    const bp_real *W, *dz, *x;
    bp_real *W_to, *dx;
};

#if HAS_VECTORS

/* A block of a sweep: `wide` vectors from column j on, the last one of `last` numbers. All but j and `last` are constants where they
 * are used. `sums` and `updates`: whether there is dx, and whether W changes. */
struct block {
    size_t j, wide, last;
    bool sums, updates;
};

ALWAYS_INLINE size_t width_of(const struct block *block, size_t v)
{
    return v + 1 < block->wide ? VECTOR : block->last;
}

/*
 * `rows` rows from row i on. They are read before any is written: where rows are shorter than a vector, a part of one that has just
 * been written is in the way of reading the next.
 */
ALWAYS_INLINE void sweep_rows(const struct sweep *is, const struct block *block, size_t rows, size_t i,
                              const vector at[BLOCK], vector sum[CHAINS][BLOCK])
{
    UNROLL
    for (size_t v = 0; v < block->wide; v++) {
        const size_t from = i * is->stride + block->j + v * VECTOR, n = width_of(block, v);
        vector w[CHAINS] = { { 0 } };
        UNROLL
        for (size_t c = 0; c < rows; c++)
            w[c] = load(is->W + from + c * is->stride, n);
        UNROLL
        for (size_t c = 0; c < rows; c++) {
            const vector d = all(is->dz[i + c]);
            if (block->sums)
                sum[c][v] = fused(d, w[c], sum[c][v]);
            if (block->updates)
                store(fused(all(is->alpha) * d, at[v], w[c]), n, is->W_to + from + c * is->stride);
        }
    }
}

ALWAYS_INLINE void sweep_block(const struct sweep *is, const struct block *block)
{
    vector sum[CHAINS][BLOCK] = { { { 0 } } }, at[BLOCK] = { { 0 } };
    UNROLL
    for (size_t v = 0; v < block->wide; v++) {
        if (block->updates)
            at[v] = load(is->x + block->j + v * VECTOR, width_of(block, v));
        if (block->sums && is->beta != (bp_real)0)
            sum[0][v] = is->beta * load(is->dx + block->j + v * VECTOR, width_of(block, v));
    }
    size_t i = 0;
    for (; i + CHAINS <= is->n_out; i += CHAINS)
        sweep_rows(is, block, CHAINS, i, at, sum);
    UNROLL
    for (size_t c = 0; c < CHAINS - 1; c++)
        if (i + c < is->n_out)
            sweep_rows(is, block, 1, i + c, at, sum + c);
    if (!block->sums)
        return;
    UNROLL
    for (size_t v = 0; v < block->wide; v++)
        store((sum[0][v] + sum[1][v]) + (sum[2][v] + sum[3][v]), width_of(block, v), is->dx + block->j + v * VECTOR);
}

/* All columns: blocks, vectors, and what is left. */
ALWAYS_INLINE void sweep_narrow(const struct sweep *is, size_t n, bool sums, bool updates)
{
    size_t j = 0;
    for (; j + BLOCK * VECTOR <= n; j += BLOCK * VECTOR)
        sweep_block(is, &(struct block){ j, BLOCK, VECTOR, sums, updates });
    for (; BLOCK > 2 && j + 2 * VECTOR <= n; j += 2 * VECTOR)
        sweep_block(is, &(struct block){ j, 2, VECTOR, sums, updates });
    for (; BLOCK > 1 && j + VECTOR <= n; j += VECTOR)
        sweep_block(is, &(struct block){ j, 1, VECTOR, sums, updates });
    if (j < n)
        sweep_block(is, &(struct block){ j, 1, n - j, sums, updates });
}

#else

static inline void sweep_narrow(const struct sweep *is, size_t n, bool sums, bool updates)
{
    for (size_t j = 0; j < n; j++) {
        bp_real sum[CHAINS] = { sums && is->beta != (bp_real)0 ? is->beta * is->dx[j] : (bp_real)0 };
        for (size_t i = 0; i < is->n_out; i++) {
            const bp_real w = is->W[i * is->stride + j];
            sum[i % CHAINS] = multiply_add(is->dz[i], w, sum[i % CHAINS]);
            if (updates)
                is->W_to[i * is->stride + j] = multiply_add(is->alpha * is->dz[i], is->x[j], w);
        }
        if (sums)
            is->dx[j] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
}

#endif

/* w += d x */
static void add_row(size_t n, bp_real d, const bp_real *x, bp_real *w)
{
    VECTOR_LOOP
    for (size_t j = 0; j < n; j++)
        w[j] = multiply_add(d, x[j], w[j]);
}

#if HAS_VECTORS

/* dz and alpha dz of some rows, in all lanes. */
struct factors {
    vector d[ROWS], step[ROWS];
};

/* `rows` rows from row i on, of a wide W: `width` columns of them from column j on. All but i and j are constants, or nearly. */
ALWAYS_INLINE void sweep_columns(const struct sweep *is, size_t rows, bool updates, const struct factors *by, size_t i,
                                 size_t j, size_t width)
{
    const size_t from = i * is->stride + j;
    vector w[ROWS], sum = load(is->dx + j, width);
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        w[r] = load(is->W + from + r * is->stride, width);
        sum = fused(by->d[r], w[r], sum);
    }
    store(sum, width, is->dx + j);
    if (!updates)
        return;
    const vector x = load(is->x + j, width);
    UNROLL
    for (size_t r = 0; r < rows; r++)
        store(fused(by->step[r], x, w[r]), width, is->W_to + from + r * is->stride);
}

ALWAYS_INLINE void sweep_wide_rows(const struct sweep *is, size_t rows, bool updates, size_t i, size_t n)
{
    enum { FEW = 4 }; /* numbers in a vector of which two are taken a round */
    struct factors by;
    size_t j = 0;
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        by.d[r] = all(is->dz[i + r]);
        by.step[r] = all(is->alpha * is->dz[i + r]);
    }
    for (; VECTOR <= FEW && j + 2 * VECTOR <= n; j += 2 * VECTOR) {
        sweep_columns(is, rows, updates, &by, i, j, VECTOR);
        sweep_columns(is, rows, updates, &by, i, j + VECTOR, VECTOR);
    }
    for (; j + VECTOR <= n; j += VECTOR)
        sweep_columns(is, rows, updates, &by, i, j, VECTOR);
    if (j < n)
        sweep_columns(is, rows, updates, &by, i, j, n - j);
}

/* Sums come in the order of the rows. */
ALWAYS_INLINE void sweep_wide(const struct sweep *is, size_t n, bool updates)
{
    size_t i = 0;
    for (; i + ROWS <= is->n_out; i += ROWS)
        sweep_wide_rows(is, ROWS, updates, i, n);
    for (; i < is->n_out; i++)
        sweep_wide_rows(is, 1, updates, i, n);
}

#else

/* dx += d0 w0 + d1 w1 + d2 w2 + d3 w3, in this order. */
static void add_rows(size_t n, size_t stride, const bp_real d[ROWS], const bp_real *W, bp_real *dx)
{
    const bp_real d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
    const bp_real *w0 = W, *w1 = W + stride, *w2 = W + 2 * stride, *w3 = W + 3 * stride;
    VECTOR_LOOP
    for (size_t j = 0; j < n; j++)
        dx[j] = multiply_add(d3, w3[j], multiply_add(d2, w2[j], multiply_add(d1, w1[j], multiply_add(d0, w0[j], dx[j]))));
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

static void sweep_wide(const struct sweep *is, size_t n, bool updates)
{
    const size_t row = is->stride;
    size_t i = 0;
    for (; i + ROWS <= is->n_out; i += ROWS)
        if (updates)
            add_and_update_rows(n, row, is->alpha, is->dz + i, is->x, is->W_to + i * row, is->dx);
        else
            add_rows(n, row, is->dz + i, is->W + i * row, is->dx);
    for (; i < is->n_out; i++)
        if (updates)
            add_and_update_row(n, is->alpha, is->dz[i], is->x, is->W_to + i * row, is->dx);
        else
            add_row(n, is->dz[i], is->W + i * row, is->dx);
}

#endif

static void scale_row(size_t n, bp_real beta, bp_real *x)
{
    for (size_t j = 0; j < n; j++)
        x[j] = beta == (bp_real)0 ? (bp_real)0 : beta * x[j];
}

static void pull_row_back(size_t n_out, size_t n, size_t stride, const bp_real *W, const bp_real *dz, bp_real beta,
                          bp_real *dx)
{
    const struct sweep is = { .n_out = n_out, .stride = stride, .beta = beta, .W = W, .dz = dz, .dx = dx };
    if (n <= NARROW) {
        sweep_narrow(&is, n, true, false);
        return;
    }
    scale_row(n, beta, dx);
    sweep_wide(&is, n, false);
}

static void pull_row_back_and_update(size_t n_out, size_t n, size_t stride, bp_real alpha, const bp_real *dz,
                                     const bp_real *x, bp_real *W, bp_real *dx)
{
    const struct sweep is = {
        .n_out = n_out, .stride = stride, .alpha = alpha, .W = W, .dz = dz, .x = x, .W_to = W, .dx = dx
    };
    if (n <= NARROW) {
        sweep_narrow(&is, n, true, true);
        return;
    }
    scale_row(n, (bp_real)0, dx);
    sweep_wide(&is, n, true);
}

static void outer_product(size_t n_out, size_t n_in, bp_real alpha, const bp_real *dz, const bp_real *x, bp_real beta,
                          bp_real *W)
{
    if (n_in <= NARROW && beta == (bp_real)1) {
        const struct sweep is = { .n_out = n_out, .stride = n_in, .alpha = alpha, .W = W, .dz = dz, .x = x, .W_to = W };
        sweep_narrow(&is, n_in, false, true);
        return;
    }
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
    .pull_row_back = pull_row_back,
    .pull_row_back_and_update = pull_row_back_and_update,
    .outer_product = outer_product,
};
