// SPDX-License-Identifier: MIT
/*
 * The product of two matrices, compiled for one instruction set by each file that includes it, which names the function that comes
 * out (MULTIPLY_MATRICES).
 *
 * C is computed in tiles of a few rows by a few vectors, whose sums stay in registers from the first product to the last. One factor,
 * here called the left one, gives one number a row of the tile; the other one, the right one, gives vectors, from a panel that
 * stays in the first cache while all rows go past it. Which factor of a layer's product is which:
 *
 *   Z = A_in W^T       the left one is W and the tile is one of Z^T: so W, the larger matrix, is read as it lies, and what has to be
 *                      transposed are the rows of the batch. Where those are more, the left one is A_in, and W is transposed
 *   dA_in = dZ W       the left one is dZ
 *   dW = dZ^T A_in     the left one is dZ^T
 *
 * Each number of C is alpha times a sum that is taken in the order of k, DEPTH products at a time, whichever tile it is in: its bits do
 * not depend on where a product was cut.
 */
#include "math/product_levels.h"

#if BPI_HAS_MATRICES

#include <immintrin.h>

#include "base/memory.h"
#include "math/gemm.h"
#include "math/vector_loop.h"

#if defined(__AVX512F__)
enum { BYTES = 64, TILE_ROWS = 8 };
#else
enum { BYTES = 32, TILE_ROWS = 4 };
#endif

enum {
    VECTOR = BYTES / sizeof(bp_real),
    TILE_VECTORS = 3, /* TILE_ROWS of them are sums: with what they are made from they fill the registers */
    DEPTH = 256,      /* products in a row: a panel of so many rows is what the first cache has room for */
    PANEL = DEPTH * TILE_VECTORS * VECTOR,
    FEW_ROWS = 2 * TILE_ROWS,      /* past so few a panel is not worth its copying */
    NEAR = 32768 / sizeof(bp_real) /* numbers that lie near each other: the first cache holds them as they are */
};

typedef bp_real vector __attribute__((vector_size(BYTES)));
typedef bp_real loose_vector __attribute__((vector_size(BYTES), aligned(sizeof(bp_real)), may_alias));
typedef bp_real column __attribute__((vector_size(TILE_ROWS * sizeof(bp_real)))); /* of a tile */
typedef bp_real loose_column __attribute__((vector_size(TILE_ROWS * sizeof(bp_real)), aligned(sizeof(bp_real)), may_alias));

#define VECTOR_AT(p) (*(loose_vector *)(p))
#define CONST_VECTOR_AT(p) (*(const loose_vector *)(p))
#define COLUMN_AT(p) (*(loose_column *)(p))
#define EACH(i, n) UNROLL for (size_t i = 0; (i) < (n); (i)++)
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* a b + c, rounded once: said and not left to the compiler, so that a number has the same bits in a whole tile and at an edge. */
#if defined(__AVX512F__) && defined(BACKPROP_SINGLE)
#define MULTIPLY_ADD(a, b, c) ((vector)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define MULTIPLY_ADD_COLUMN(a, b, c) ((column)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define ALL_OF(x) ((vector)_mm512_set1_ps(x))
#elif defined(__AVX512F__)
#define MULTIPLY_ADD(a, b, c) ((vector)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define MULTIPLY_ADD_COLUMN MULTIPLY_ADD
#define ALL_OF(x) ((vector)_mm512_set1_pd(x))
#elif defined(BACKPROP_SINGLE)
#define MULTIPLY_ADD(a, b, c) ((vector)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define MULTIPLY_ADD_COLUMN(a, b, c) ((column)_mm_fmadd_ps((__m128)(a), (__m128)(b), (__m128)(c)))
#define ALL_OF(x) ((vector)_mm256_set1_ps(x))
#else
#define MULTIPLY_ADD(a, b, c) ((vector)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define MULTIPLY_ADD_COLUMN MULTIPLY_ADD
#define ALL_OF(x) ((vector)_mm256_set1_pd(x))
#endif

static inline bp_real multiply_add_one(bp_real a, bp_real b, bp_real c)
{
#ifdef BACKPROP_SINGLE
    return __builtin_fmaf(a, b, c);
#else
    return __builtin_fma(a, b, c);
#endif
}

/* ---- A tile ---------------------------------------------------------------------------------------------------------- */

typedef vector sums[TILE_ROWS][TILE_VECTORS];

struct tile {
    size_t depth;         /* products of each sum, at most DEPTH */
    const bp_real *left;  /* row r, product p: left[r * left_row + p * left_step] */
    const bp_real *ahead; /* the same of the tile after this one, of which row r is ahead[r * ahead_row + ...] */
    size_t left_row, left_step, ahead_row;
    const bp_real *right; /* product p: whole vectors from right[p * right_step] on */
    size_t right_step;
    bp_real alpha, beta;
    bp_real *C; /* rows C_row apart: they become alpha times the sums + beta C. NULL: the sums go to *to */
    size_t C_row;
    sums *to;
};

/*
 * `rows` and `vectors` are constants wherever this is called, so all loops but that over products vanish. What the next tile reads on
 * the left is sent for meanwhile, number by number: its rows are too short for a processor to see where they lead.
 */
ALWAYS_INLINE void add_products(size_t rows, size_t vectors, const struct tile *t, sums sum)
{
    const bp_real *left = t->left, *right = t->right;
    for (size_t p = 0; p < t->depth; p++, left += t->left_step, right += t->right_step) {
        vector b[TILE_VECTORS];
        __builtin_prefetch(t->ahead + (p % TILE_ROWS) * t->ahead_row + p * t->left_step);
        EACH (v, vectors)
            b[v] = CONST_VECTOR_AT(right + v * VECTOR);
        EACH (r, rows) {
            const vector a = ALL_OF(left[r * t->left_row]);
            EACH (v, vectors)
                sum[r][v] = MULTIPLY_ADD(a, b[v], sum[r][v]);
        }
    }
}

ALWAYS_INLINE void compute(size_t rows, size_t vectors, const struct tile *tile)
{
    const struct tile t = *tile; /* which no store can change */
    const vector zero = ALL_OF(0), alpha = ALL_OF(t.alpha), beta = ALL_OF(t.beta);
    sums sum;
    EACH (r, rows)
        EACH (v, vectors)
            sum[r][v] = zero;
    if (t.C != NULL && t.beta != (bp_real)0)
        EACH (r, rows)
            EACH (v, vectors)
                __builtin_prefetch(t.C + r * t.C_row + v * VECTOR, 1);
    add_products(rows, vectors, &t, sum);
    if (t.C == NULL) {
        EACH (r, rows)
            EACH (v, vectors)
                (*t.to)[r][v] = sum[r][v] + zero; /* -0 becomes 0, as below */
        return;
    }
    bp_real *c = t.C;
    EACH (r, rows) {
        EACH (v, vectors) {
            const vector before = t.beta == (bp_real)0 ? zero : beta * CONST_VECTOR_AT(c + v * VECTOR);
            VECTOR_AT(c + v * VECTOR) = MULTIPLY_ADD(alpha, sum[r][v], before);
        }
        c += t.C_row;
    }
}

/* One function a shape. */
#define SHAPE(rows, vectors)                                                                                               \
    static void compute_##rows##_##vectors(const struct tile *t)                                                           \
    {                                                                                                                      \
        compute(rows, vectors, t);                                                                                         \
    }
#define SHAPES(rows) SHAPE(rows, 1) SHAPE(rows, 2) SHAPE(rows, 3)
// clang-format off
SHAPES(1) SHAPES(2) SHAPES(3) SHAPES(4)
#if defined(__AVX512F__)
SHAPES(5) SHAPES(6) SHAPES(7) SHAPES(8)
#endif
// clang-format on
#define NAMES(rows)                                                                                                        \
    {                                                                                                                      \
        compute_##rows##_1, compute_##rows##_2, compute_##rows##_3                                                         \
    }

        static void (*const shapes[TILE_ROWS][TILE_VECTORS])(const struct tile *t) = {
            NAMES(1), NAMES(2), NAMES(3), NAMES(4),
#if defined(__AVX512F__)
            NAMES(5), NAMES(6), NAMES(7), NAMES(8),
#endif
        };

/* ---- Where a tile's sums go, if not into C as they are ---------------------------------------------------------------- */

/* n numbers beside each other; in steps of what stands in a column, which is a vector or half of one. */
static inline void put(size_t n, bp_real alpha, bp_real beta, const bp_real *sum, bp_real *c)
{
    const column zero = { 0 };
    size_t j = 0;
    for (; j + TILE_ROWS <= n; j += TILE_ROWS) {
        column before = zero;
        if (beta != (bp_real)0)
            before = beta * *(const loose_column *)(c + j);
        COLUMN_AT(c + j) = MULTIPLY_ADD_COLUMN(alpha + zero, *(const loose_column *)(sum + j), before);
    }
    for (; j < n; j++)
        c[j] = multiply_add_one(alpha, sum[j], beta == (bp_real)0 ? (bp_real)0 : beta * c[j]);
}

/* The first n columns of a tile's rows. */
static void put_rows(const struct tile *t, size_t rows, size_t n, bp_real *C)
{
    for (size_t r = 0; r < rows; r++)
        put(n, t->alpha, t->beta, (const bp_real *)(*t->to)[r], C + r * t->C_row);
}

#if defined(__AVX512F__)

/* to[j * to_row + i] = from[i * from_row + j] for i and j below TILE_ROWS: pairs change places, then pairs of pairs, then fours. */
static inline void transpose(const bp_real *from, size_t from_row, bp_real *to, size_t to_row)
{
    column a[8], b[8];
    EACH (i, 8)
        a[i] = *(const loose_column *)(from + i * from_row);
    EACH (i, 4) {
        b[2 * i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
        b[2 * i + 1] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
    EACH (i, 4) {
        const size_t at = i / 2 * 4 + i % 2;
        a[at] = __builtin_shufflevector(b[at], b[at + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        a[at + 2] = __builtin_shufflevector(b[at], b[at + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
    EACH (i, 4) {
        COLUMN_AT(to + i * to_row) = __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        COLUMN_AT(to + (i + 4) * to_row) = __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

#else

/* to[j * to_row + i] = from[i * from_row + j] for i and j below TILE_ROWS: pairs change places, then pairs of pairs. */
static inline void transpose(const bp_real *from, size_t from_row, bp_real *to, size_t to_row)
{
    column a[4], b[4];
    EACH (i, 4)
        a[i] = *(const loose_column *)(from + i * from_row);
    EACH (i, 2) {
        b[2 * i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 4, 2, 6);
        b[2 * i + 1] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 1, 5, 3, 7);
    }
    EACH (i, 2) {
        COLUMN_AT(to + i * to_row) = __builtin_shufflevector(b[i], b[i + 2], 0, 1, 4, 5);
        COLUMN_AT(to + (i + 2) * to_row) = __builtin_shufflevector(b[i], b[i + 2], 2, 3, 6, 7);
    }
}

#endif

/* The first n columns of a tile of C^T: they become rows of C. */
static void put_columns(const struct tile *t, size_t rows, size_t n, bp_real *C)
{
    const bp_real *sum = (const bp_real *)*t->to;
    const size_t sum_row = (size_t)TILE_VECTORS * VECTOR;
    for (size_t j = 0; j < n; j += TILE_ROWS, C += TILE_ROWS * t->C_row) {
        const size_t columns = n - j < TILE_ROWS ? n - j : TILE_ROWS;
        bp_real turned[TILE_ROWS][TILE_ROWS];
        if (rows == TILE_ROWS && columns == TILE_ROWS && t->alpha == (bp_real)1 && t->beta == (bp_real)0) {
            transpose(sum + j, sum_row, C, t->C_row);
            continue;
        }
        transpose(sum + j, sum_row, turned[0], TILE_ROWS);
        for (size_t i = 0; i < columns; i++)
            put(rows, t->alpha, t->beta, turned[i], C + i * t->C_row);
    }
}

/* ---- Panels ---------------------------------------------------------------------------------------------------------- */

/* depth rows of n numbers, and zeros up to whole vectors. */
static void copy_panel(size_t depth, size_t n, size_t width, const bp_real *from, size_t from_row, bp_real *panel)
{
    for (size_t p = 0; p < depth; p++, from += from_row, panel += width) {
        size_t j = 0;
        for (; j + VECTOR <= n; j += VECTOR)
            VECTOR_AT(panel + j) = CONST_VECTOR_AT(from + j);
        for (; j < n; j++)
            panel[j] = from[j];
        for (; j < width; j++)
            panel[j] = (bp_real)0;
    }
}

/* The same of n rows of `depth` numbers, which become columns. */
static void turn_panel(size_t depth, size_t n, size_t width, const bp_real *from, size_t from_row, bp_real *panel)
{
    size_t i = 0;
    for (; i + TILE_ROWS <= n; i += TILE_ROWS) {
        const bp_real *rows = from + i * from_row;
        size_t p = 0;
        for (; p + TILE_ROWS <= depth; p += TILE_ROWS)
            transpose(rows + p, from_row, panel + p * width + i, width);
        for (; p < depth; p++)
            for (size_t r = 0; r < TILE_ROWS; r++)
                panel[p * width + i + r] = rows[r * from_row + p];
    }
    for (; i < width; i++)
        for (size_t p = 0; p < depth; p++)
            panel[p * width + i] = i < n ? from[i * from_row + p] : (bp_real)0;
}

/* ---- The product ----------------------------------------------------------------------------------------------------- */

/* A product as its tiles see it: of C, or of C^T. */
struct plan {
    const struct bpi_product *product;
    bool turned;       /* it is C^T */
    bool turns_panels; /* the right factor comes to them by columns */
    size_t rows, columns, left_row, left_step;
    const bp_real *left, *right;
    size_t right_row;
};

/* Whether it takes less to turn all of W than the rows of the batch and what they become. */
static bool is_better_by_W(const struct bpi_product *p)
{
    return p->n >= VECTOR && p->n * p->k <= p->m * (p->n + p->k);
}

static struct plan plan_of(const struct bpi_product *p)
{
    const bool turned = p->form == BPI_NT && !is_better_by_W(p);
    struct plan plan = { .product = p,
                         .turned = turned,
                         .turns_panels = p->form == BPI_NT,
                         .rows = p->m,
                         .columns = p->n,
                         .left = p->A,
                         .left_row = p->form == BPI_TN ? 1 : p->lda,
                         .left_step = p->form == BPI_TN ? p->lda : 1,
                         .right = p->B,
                         .right_row = p->ldb };
    if (turned) {
        plan.rows = p->n;
        plan.columns = p->m;
        plan.left = p->B;
        plan.left_row = p->ldb;
        plan.right = p->A;
        plan.right_row = p->lda;
    }
    return plan;
}

/* Where the i-th of n_parts begins, of n that are shared out evenly. */
static size_t part_begin(size_t n, size_t n_parts, size_t i)
{
    return n / n_parts * i + n % n_parts * i / n_parts;
}

static size_t parts(size_t n, size_t most)
{
    return (n + most - 1) / most;
}

/* Products from `first` on, and columns from `column` on: what one panel is for. */
struct stretch {
    size_t first, depth, column, width, vectors;
};

/* The right numbers as they are, if reading them again and again is not worse than copying them, or from the panel. */
static void set_right(const struct plan *plan, const struct stretch *s, bp_real *panel, struct tile *t)
{
    const size_t whole = s->vectors * VECTOR, row = plan->right_row;
    t->right = panel;
    t->right_step = whole;
    if (plan->turns_panels) {
        turn_panel(s->depth, s->width, whole, plan->right + s->column * row + s->first, row, panel);
        return;
    }
    const bp_real *right = plan->right + s->first * row + s->column;
    if (s->width == whole && (plan->rows <= FEW_ROWS || s->depth * row <= NEAR)) {
        t->right = right;
        t->right_step = row;
    } else {
        copy_panel(s->depth, s->width, whole, right, row, panel);
    }
}

/* Row r of C, or of C^T, from this stretch's columns on. */
static bp_real *place(const struct plan *plan, const struct stretch *s, size_t r)
{
    const struct bpi_product *p = plan->product;
    return plan->turned ? p->C + s->column * p->ldc + r : p->C + r * p->ldc + s->column;
}

/* The rows are shared out evenly, but for tiles that are transposed: those are whole, up to the last one. */
static size_t tile_begin(const struct plan *plan, size_t n_tiles, size_t i)
{
    if (!plan->turned)
        return part_begin(plan->rows, n_tiles, i);
    return i < n_tiles ? i * TILE_ROWS : plan->rows;
}

/* All rows go past a panel. */
static void multiply_stretch(const struct plan *plan, const struct stretch *s, bp_real *panel)
{
    sums to;
    const struct bpi_product *p = plan->product;
    const bool whole = !plan->turned && s->width == s->vectors * VECTOR;
    const size_t n_tiles = parts(plan->rows, TILE_ROWS);
    struct tile t = { .depth = s->depth,
                      .left_row = plan->left_row,
                      .left_step = plan->left_step,
                      .alpha = p->alpha,
                      .beta = s->first == 0 ? p->beta : (bp_real)1,
                      .C_row = p->ldc,
                      .to = &to };
    set_right(plan, s, panel, &t);
    for (size_t i = 0; i < n_tiles; i++) {
        const size_t r = tile_begin(plan, n_tiles, i), end = tile_begin(plan, n_tiles, i + 1), rows = end - r;
        const bool has_next = end + TILE_ROWS <= plan->rows;
        t.left = plan->left + r * plan->left_row + s->first * plan->left_step;
        t.ahead = has_next ? t.left + rows * plan->left_row : t.left;
        t.ahead_row = has_next ? plan->left_row : 0;
        t.C = whole ? place(plan, s, r) : NULL;
        shapes[rows - 1][s->vectors - 1](&t);
        if (plan->turned)
            put_columns(&t, rows, s->width, place(plan, s, r));
        else if (!whole)
            put_rows(&t, rows, s->width, place(plan, s, r));
    }
}

void MULTIPLY_MATRICES(const struct bpi_product *product)
{
    _Alignas(BPI_ALIGNMENT) bp_real panel[PANEL];
    const struct plan plan = plan_of(product);
    const size_t n_vectors = parts(plan.columns, VECTOR), n_panels = parts(n_vectors, TILE_VECTORS);
    const size_t n_depths = parts(product->k, DEPTH);
    struct stretch s = { 0 };
    for (size_t d = 0; d < n_depths; d++, s.first += s.depth) {
        s.depth = part_begin(product->k, n_depths, d + 1) - s.first;
        s.column = 0;
        for (size_t i = 0; i < n_panels; i++, s.column += s.width) {
            s.vectors = part_begin(n_vectors, n_panels, i + 1) - part_begin(n_vectors, n_panels, i);
            const size_t left = plan.columns - s.column;
            s.width = s.vectors * VECTOR < left ? s.vectors * VECTOR : left;
            multiply_stretch(&plan, &s, panel);
        }
    }
}

#endif
