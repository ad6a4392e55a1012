// SPDX-License-Identifier: MIT
/*
 * The products of a narrow layer, compiled for one instruction set by each file that includes it behind matrices_body.h, and which
 * names the table that comes out (NARROW_PRODUCTS).
 *
 * They take as long as some calls of functions, so nothing is looked at here that matrices larger than the first cache need: every sum
 * is taken in one go, both factors are read where they lie, but for what has to be transposed, and columns that fill no vector are
 * left out of it by a mask. Every number has the bits that matrices_body.h gives it.
 */
#include "math/product_levels.h"

#if BPI_HAS_MATRICES

/* ---- Vectors of which the first numbers count -------------------------------------------------------------------------- */

#if defined(__AVX512F__) && defined(BACKPROP_SINGLE)
typedef __mmask16 lanes;
#define LOAD_LANES(p, on) ((vector)_mm512_maskz_loadu_ps(on, p))
#define STORE_LANES(p, on, x) _mm512_mask_storeu_ps(p, on, (__m512)(x))
#elif defined(__AVX512F__)
typedef __mmask8 lanes;
#define LOAD_LANES(p, on) ((vector)_mm512_maskz_loadu_pd(on, p))
#define STORE_LANES(p, on, x) _mm512_mask_storeu_pd(p, on, (__m512d)(x))
#elif defined(BACKPROP_SINGLE)
typedef __m256i lanes;
#define LOAD_LANES(p, on) ((vector)_mm256_maskload_ps(p, on))
#define STORE_LANES(p, on, x) _mm256_maskstore_ps(p, on, (__m256)(x))
#else
typedef __m256i lanes;
#define LOAD_LANES(p, on) ((vector)_mm256_maskload_pd(p, on))
#define STORE_LANES(p, on, x) _mm256_maskstore_pd(p, on, (__m256d)(x))
#endif

/* 1 <= n <= VECTOR */
static inline lanes first_lanes(size_t n)
{
#if defined(__AVX512F__)
    return (lanes)((1u << n) - 1);
#elif defined(BACKPROP_SINGLE)
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
#else
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)n), _mm256_setr_epi64x(0, 1, 2, 3));
#endif
}

/* Rows at a time where they have one vector each. */
enum { MOST_ROWS = 2 * TILE_ROWS, SUM_VECTORS = 4 };

typedef vector sums_of_rows[MOST_ROWS][TILE_VECTORS];

/* ---- A band: up to three vectors of each row of C ---------------------------------------------------------------------- */

struct band {
    size_t rows, depth;
    const bp_real *left; /* row r, product p: left[r * left_row + p], or where it is turned left[p * left_row + r] */
    size_t left_row;
    const bp_real *right; /* product p: from right[p * right_row] on */
    size_t right_row;
    size_t last; /* numbers in the last vector */
    bp_real alpha, beta;
    bp_real *C;
    size_t C_row;
};

ALWAYS_INLINE vector load(bool is_last, const bp_real *p, lanes last)
{
    return is_last ? LOAD_LANES(p, last) : (vector)CONST_VECTOR_AT(p);
}

ALWAYS_INLINE void store(bool is_last, vector x, bp_real *p, lanes last)
{
    if (is_last)
        STORE_LANES(p, last, x);
    else
        VECTOR_AT(p) = x;
}

/*
 * C = alpha times the sums + beta C. All of it is read before any is written: a vector that reaches into the next row, though it leaves
 * that alone, would have to be in the cache before the next row can be read.
 */
ALWAYS_INLINE void put_sums(size_t rows, size_t vectors, const struct band *band, lanes last, bp_real *c, sums_of_rows sum)
{
    const size_t row = band->C_row;
    const vector alpha = ALL_OF(band->alpha), beta = ALL_OF(band->beta), zero = ALL_OF(0);
    if (band->beta == (bp_real)0) {
        EACH (i, rows)
            EACH (v, vectors)
                sum[i][v] = MULTIPLY_ADD(alpha, sum[i][v], zero);
    } else {
        EACH (i, rows)
            EACH (v, vectors)
                sum[i][v] = MULTIPLY_ADD(alpha, sum[i][v], beta * load(v + 1 == vectors, c + i * row + v * VECTOR, last));
    }
    EACH (i, rows)
        EACH (v, vectors)
            store(v + 1 == vectors, sum[i][v], c + i * row + v * VECTOR, last);
}

/* All but the band are constants wherever this is called; see add_products() in matrices_body.h. */
ALWAYS_INLINE void compute_rows(size_t rows, size_t vectors, bool is_turned, const struct band *band, lanes last, size_t r)
{
    const size_t depth = band->depth, left_row = is_turned ? 1 : band->left_row, left_step = is_turned ? band->left_row : 1;
    const size_t right_row = band->right_row;
    const bp_real *left = band->left + r * left_row, *right = band->right;
    sums_of_rows sum;
    EACH (i, rows)
        EACH (v, vectors)
            sum[i][v] = ALL_OF(0);
    for (size_t p = 0; p < depth; p++, left += left_step, right += right_row) {
        vector b[TILE_VECTORS];
        EACH (v, vectors)
            b[v] = load(v + 1 == vectors, right + v * VECTOR, last);
        EACH (i, rows) {
            const vector a = ALL_OF(left[i * left_row]);
            EACH (v, vectors)
                sum[i][v] = MULTIPLY_ADD(a, b[v], sum[i][v]);
        }
    }
    put_sums(rows, vectors, band, last, band->C + r * band->C_row, sum);
}

ALWAYS_INLINE void compute_all_rows(size_t vectors, bool is_turned, const struct band *given)
{
    const struct band band = *given; /* which no store can change */
    /* Made here and not handed over: the memory sanitizer understands a masked load if it sees what the mask is. */
    const lanes last = first_lanes(band.last);
    size_t r = 0;
    if (vectors == 1) /* else there are too few sums to have enough under way */
        for (; r + MOST_ROWS <= band.rows; r += MOST_ROWS)
            compute_rows(MOST_ROWS, vectors, is_turned, &band, last, r);
    for (; r + TILE_ROWS <= band.rows; r += TILE_ROWS)
        compute_rows(TILE_ROWS, vectors, is_turned, &band, last, r);
    if (TILE_ROWS > 4 && r + 4 <= band.rows) {
        compute_rows(4, vectors, is_turned, &band, last, r);
        r += 4;
    }
    switch (band.rows - r) {
    case 3:
        compute_rows(3, vectors, is_turned, &band, last, r);
        break;
    case 2:
        compute_rows(2, vectors, is_turned, &band, last, r);
        break;
    case 1:
        compute_rows(1, vectors, is_turned, &band, last, r);
        break;
    default:
        break;
    }
}

/* A function for each width and way to read the left factor. */
#define BAND(name, vectors, is_turned)                                                                                     \
    static void name##_##vectors(const struct band *band)                                                                  \
    {                                                                                                                      \
        compute_all_rows(vectors, is_turned, band);                                                                        \
    }
#define BANDS(name, is_turned) BAND(name, 1, is_turned) BAND(name, 2, is_turned) BAND(name, 3, is_turned)
// clang-format off
BANDS(straight, false)
BANDS(turned, true)
// clang-format on

typedef void compute_band(const struct band *band);
static compute_band *const straight[TILE_VECTORS] = { straight_1, straight_2, straight_3 };
static compute_band *const turned[TILE_VECTORS] = { turned_1, turned_2, turned_3 };

/* Columns of the band behind the first `done` of n: whole vectors, or all that is left. Four vectors are two and two, not three and one. */
static inline size_t width_of_band(size_t n, size_t done)
{
    const size_t left = n - done;
    if (left <= (size_t)TILE_VECTORS * VECTOR)
        return left;
    return left <= (size_t)4 * VECTOR ? (size_t)2 * VECTOR : (size_t)TILE_VECTORS * VECTOR;
}

static inline void compute_columns(compute_band *const bands[], size_t width, struct band *band)
{
    const size_t vectors = parts(width, VECTOR);
    band->last = width - (vectors - 1) * VECTOR;
    bands[vectors - 1](band);
}

/* C (rows x n) band by band; the right factor is read where it lies. */
static void compute_matrix(compute_band *const bands[], size_t n, struct band *band)
{
    for (size_t done = 0, width; done < n; done += width, band->right += width, band->C += width) {
        width = width_of_band(n, done);
        compute_columns(bands, width, band);
    }
}

/* ---- Products ---------------------------------------------------------------------------------------------------------- */

/* Where the block behind the one at i begins, of n >= TILE_ROWS numbers: the last one ends with them, and does some again. n: none. */
static inline size_t next_block(size_t n, size_t i)
{
    const size_t next = i + TILE_ROWS;
    return next >= n || next + TILE_ROWS <= n ? next : n - TILE_ROWS;
}

/* to (columns x rows, rows of it to_row apart) = from^T. */
static void turn(size_t rows, size_t columns, const bp_real *from, size_t from_row, bp_real *to, size_t to_row)
{
    if (rows < TILE_ROWS || columns < TILE_ROWS) {
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < columns; j++)
                to[j * to_row + i] = from[i * from_row + j];
        return;
    }
    for (size_t i = 0; i < rows; i = next_block(rows, i))
        for (size_t j = 0; j < columns; j = next_block(columns, j))
            transpose(from + i * from_row + j, from_row, to + j * to_row + i, to_row);
}

/* Z = A_in W^T by W^T. */
static void forward_by_W(size_t batch, size_t n_out, size_t n_in, const bp_real *A_in, const bp_real *W, bp_real *Z)
{
    _Alignas(BPI_ALIGNMENT) bp_real panel[BPI_MOST_NARROW * TILE_VECTORS * VECTOR];
    struct band band = { .rows = batch,
                         .depth = n_in,
                         .left = A_in,
                         .left_row = n_in,
                         .right = panel,
                         .alpha = (bp_real)1,
                         .C = Z,
                         .C_row = n_out };
    for (size_t done = 0, width; done < n_out; done += width, band.C += width) {
        width = width_of_band(n_out, done);
        band.right_row = parts(width, VECTOR) * VECTOR;
        turn(width, n_in, W + done * n_in, n_in, panel, band.right_row);
        compute_columns(straight, width, &band);
    }
}

/* Z^T = W A_in^T, by A_in^T, for some rows at a time. */
static void forward_by_rows(size_t batch, size_t n_out, size_t n_in, const bp_real *A_in, const bp_real *W, bp_real *Z)
{
    enum { WIDTH = TILE_VECTORS * VECTOR };
    _Alignas(BPI_ALIGNMENT) bp_real panel[BPI_MOST_NARROW * WIDTH];
    _Alignas(BPI_ALIGNMENT) bp_real Z_turned[BPI_MOST_NARROW * WIDTH];
    struct band band = {
        .rows = n_out, .depth = n_in, .left = W, .left_row = n_in, .right = panel, .alpha = (bp_real)1, .C = Z_turned
    };
    for (size_t row = 0, rows; row < batch; row += rows) {
        rows = width_of_band(batch, row);
        band.right_row = band.C_row = parts(rows, VECTOR) * VECTOR;
        turn(rows, n_in, A_in + row * n_in, n_in, panel, band.right_row);
        compute_columns(straight, rows, &band);
        turn(n_out, rows, Z_turned, band.C_row, Z + row * n_out, n_out);
    }
}

static void forward(size_t batch, size_t n_out, size_t n_in, const bp_real *A_in, const bp_real *W, bp_real *Z)
{
    const bool by_W = n_out >= VECTOR && n_out * n_in <= batch * (n_out + n_in);
    (by_W ? forward_by_W : forward_by_rows)(batch, n_out, n_in, A_in, W, Z);
}

static void back(size_t batch, size_t n_out, size_t n_in, const bp_real *dZ, const bp_real *W, bp_real beta, bp_real *dA_in)
{
    struct band band = { .rows = batch,
                         .depth = n_out,
                         .left = dZ,
                         .left_row = n_out,
                         .right = W,
                         .right_row = n_in,
                         .alpha = (bp_real)1,
                         .beta = beta,
                         .C = dA_in,
                         .C_row = n_in };
    compute_matrix(straight, n_in, &band);
}

static void out(size_t batch, size_t n_out, size_t n_in, bp_real alpha, const bp_real *dZ, const bp_real *A_in,
                bp_real beta, bp_real *W_to)
{
    struct band band = { .rows = n_out,
                         .depth = batch,
                         .left = dZ,
                         .left_row = n_out,
                         .right = A_in,
                         .right_row = n_in,
                         .alpha = alpha,
                         .beta = beta,
                         .C = W_to,
                         .C_row = n_in };
    compute_matrix(turned, n_in, &band);
}

/* Row after row, so the sums of one vector of columns wait for each other: four vectors at a time. */
ALWAYS_INLINE void sum_columns(size_t vectors, size_t batch, size_t n, lanes last, bp_real alpha, const bp_real *dZ,
                               bp_real beta, bp_real *to)
{
    vector sum[SUM_VECTORS];
    EACH (v, vectors)
        sum[v] = ALL_OF(0);
    for (size_t i = 0; i < batch; i++, dZ += n)
        EACH (v, vectors)
            sum[v] += load(v + 1 == vectors, dZ + v * VECTOR, last);
    EACH (v, vectors) {
        const bool is_last = v + 1 == vectors;
        vector x = ALL_OF(alpha) * sum[v];
        if (beta != (bp_real)0)
            x += ALL_OF(beta) * load(is_last, to + v * VECTOR, last);
        store(is_last, x, to + v * VECTOR, last);
    }
}

static void sum_all_columns(size_t batch, size_t n, bp_real alpha, const bp_real *dZ, bp_real beta, bp_real *to)
{
    size_t j = 0;
    for (; n - j > (size_t)SUM_VECTORS * VECTOR; j += (size_t)SUM_VECTORS * VECTOR)
        sum_columns(SUM_VECTORS, batch, n, first_lanes(VECTOR), alpha, dZ + j, beta, to + j);
    const size_t vectors = parts(n - j, VECTOR);
    const lanes last = first_lanes(n - j - (vectors - 1) * VECTOR);
    switch (vectors) {
    case 1:
        sum_columns(1, batch, n, last, alpha, dZ + j, beta, to + j);
        break;
    case 2:
        sum_columns(2, batch, n, last, alpha, dZ + j, beta, to + j);
        break;
    case 3:
        sum_columns(3, batch, n, last, alpha, dZ + j, beta, to + j);
        break;
    default:
        sum_columns(SUM_VECTORS, batch, n, last, alpha, dZ + j, beta, to + j);
        break;
    }
}

const struct bpi_narrow_products NARROW_PRODUCTS = {
    .forward = forward, .back = back, .out = out, .sum_columns = sum_all_columns
};

#endif
