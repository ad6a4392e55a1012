// SPDX-License-Identifier: MIT
/*
 * The walks through a small network, compiled for one instruction set by each file that includes it, which names the table that
 * comes out (SMALL_WALKS).
 *
 * A single row has units in the lanes of its vectors: of a layer's units the first LANES, the next, and so on, the last vector
 * filled up with what nobody reads. A batch has rows there, LANES at a time, and a vector for each unit. No sum goes over lanes but
 * the gradient of a batch, which is kept by lanes until all rows have been added.
 */
#include "math/kernel_functions.h"
#include "math/kernels.h"
#include "math/lanes.h"
#include "net/small_levels.h"

// NOLINTBEGIN(clang-analyzer-core.*): it does not know that layers fit together, and takes what one has written for garbage

enum { MOST_UNITS = BPI_SMALL_UNITS, MOST_PARAMS = BPI_SMALL_PARAMS };

#if defined(__GNUC__)
#define OUT_OF_LINE __attribute__((noinline))
#define IN_LINE inline __attribute__((always_inline))
#else
#define OUT_OF_LINE
#define IN_LINE inline
#endif

/* Layer after layer, each from a vector of its own on, the inputs first in A; nobody reads what is there in Z. */
struct values {
    vector Z[MOST_UNITS], A[MOST_UNITS];
};

static inline const bp_real *numbers(const vector *v)
{
    return (const bp_real *)v;
}

static inline size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Vectors for n numbers. */
static inline size_t vectors_of(size_t n)
{
    return (n + LANES - 1) / LANES;
}

static inline const bp_layer *last_layer(const bp_network *net)
{
    return net->layers + net->n_layers - 1;
}

/* ---- One function or its derivative in each lane --------------------------------------------------------------------- */

#define IN_EACH_LANE(name)                                                                                                 \
    static inline vector name##_in_each_lane(vector v)                                                                     \
    {                                                                                                                      \
        bp_real x[LANES];                                                                                                  \
        memcpy(x, &v, sizeof v);                                                                                           \
        for (size_t lane = 0; lane < LANES; lane++)                                                                        \
            x[lane] = name(x[lane]);                                                                                       \
        memcpy(&v, x, sizeof v);                                                                                           \
        return v;                                                                                                          \
    }

IN_EACH_LANE(sigmoid_of)
IN_EACH_LANE(tanh_of)

/* Those that most small networks are made of stand here, operation by operation as the kernels do them; the others are called. */
static inline bool is_here(bp_activation activation)
{
    return activation == BP_SIGMOID || activation == BP_TANH || activation == BP_RELU || activation == BP_IDENTITY;
}

static IN_LINE vector apply_here(bp_activation activation, vector z)
{
    if (activation == BP_SIGMOID)
        return sigmoid_of_in_each_lane(z);
    if (activation == BP_TANH)
        return tanh_of_in_each_lane(z);
    return activation == BP_RELU ? without_negatives(z) : z;
}

OUT_OF_LINE static vector apply_kernel(const bp_layer *layer, vector z)
{
    bpi_kernels()->apply[layer->activation](LANES, layer->parameter, numbers(&z), (bp_real *)&z);
    return z;
}

/* Of a network of which all are here nothing is called: `all_here` is a constant wherever it is handed over. */
static IN_LINE vector apply(const bp_layer *layer, bool all_here, vector z)
{
    return all_here || is_here(layer->activation) ? apply_here(layer->activation, z) : apply_kernel(layer, z);
}

static IN_LINE vector pull_back_here(bp_activation activation, vector a, vector d)
{
    if (activation == BP_SIGMOID)
        return d * (a * (spread((bp_real)1) - a));
    if (activation == BP_TANH)
        return d * (spread((bp_real)1) - a * a);
    return activation == BP_RELU ? where_positive(a, d) : d;
}

OUT_OF_LINE static vector pull_back_kernel(const bp_layer *layer, vector z, vector a, vector d)
{
    bpi_kernels()->pull_back[layer->activation](LANES, layer->parameter, numbers(&z), numbers(&a), numbers(&d),
                                                (bp_real *)&d);
    return d;
}

static IN_LINE vector pull_back(const bp_layer *layer, bool all_here, vector z, vector a, vector d)
{
    return all_here || is_here(layer->activation) ? pull_back_here(layer->activation, a, d)
                                                  : pull_back_kernel(layer, z, a, d);
}

/* ---- Where a gradient goes ------------------------------------------------------------------------------------------- */

static inline bool is_wanted(const bp_layer *layer, const struct bpi_sink *sink)
{
    return sink != NULL && !(sink->skips_frozen && layer->frozen);
}

/* Of n numbers, or of LANES if there are more. */
static IN_LINE void put_gradient(const struct bpi_sink *sink, size_t n, vector g, bp_real *to)
{
    const vector scaled = spread(sink->alpha) * g;
    if (sink->beta == (bp_real)1) /* 1 times a number has its bits */
        put_first_lanes(to, n, first_lanes(to, n) + scaled);
    else if (sink->beta == (bp_real)0)
        put_first_lanes(to, n, scaled);
    else
        put_first_lanes(to, n, scaled + spread(sink->beta) * first_lanes(to, n));
}

/* ---- A vector of a single row ---------------------------------------------------------------------------------------- */

/*
 * Products with some rows or columns of W, as many as a vector has lanes or there are left. How many of what lies in the lanes of the
 * result, n, is a constant where it is worked with: it decides how W is read. Lane after lane is written out, since compilers
 * would take a vector that they loop over through memory.
 */

/* z += W a for n rows of W, that begin at w, and the first `left` numbers of a. */
static IN_LINE vector add_product(vector z, size_t n, const bp_real *w, size_t n_in, size_t left, vector a)
{
    z = multiply_add(gather_lanes(w, n_in, n), spread_lane(a, 0, n), z);
    if (LANES > 1 && left > 1)
        z = multiply_add(gather_lanes(w + 1, n_in, n), spread_lane(a, 1, n), z);
    if (LANES > 2 && left > 2)
        z = multiply_add(gather_lanes(w + 2, n_in, n), spread_lane(a, 2, n), z);
    if (LANES > 3 && left > 3)
        z = multiply_add(gather_lanes(w + 3, n_in, n), spread_lane(a, 3, n), z);
    return z;
}

/* sum += dz W for n columns of W, that begin at w, and the first `left` numbers of dz. */
static IN_LINE vector add_product_back(vector sum, size_t n, const bp_real *w, size_t n_in, size_t left, vector dz)
{
    sum = multiply_add(first_lanes(w, n), spread_lane(dz, 0, n), sum);
    if (LANES > 1 && left > 1)
        sum = multiply_add(first_lanes(w + n_in, n), spread_lane(dz, 1, n), sum);
    if (LANES > 2 && left > 2)
        sum = multiply_add(first_lanes(w + 2 * n_in, n), spread_lane(dz, 2, n), sum);
    if (LANES > 3 && left > 3)
        sum = multiply_add(first_lanes(w + 3 * n_in, n), spread_lane(dz, 3, n), sum);
    return sum;
}

/* dW = dz a^T for n columns of W, whose place begins at `to`, and the first `left` numbers of dz. */
static IN_LINE void put_product(const struct bpi_sink *sink, size_t n, bp_real *to, size_t n_in, size_t left, vector dz,
                                vector a)
{
    put_gradient(sink, n, spread_lane(dz, 0, n) * a, to);
    if (LANES > 1 && left > 1)
        put_gradient(sink, n, spread_lane(dz, 1, n) * a, to + n_in);
    if (LANES > 2 && left > 2)
        put_gradient(sink, n, spread_lane(dz, 2, n) * a, to + 2 * n_in);
    if (LANES > 3 && left > 3)
        put_gradient(sink, n, spread_lane(dz, 3, n) * a, to + 3 * n_in);
}

/* The call with n as a constant. */
#define WITH_CONSTANT(n, call)                                                                                             \
    switch (n) {                                                                                                           \
    case 1:                                                                                                                \
        call(1);                                                                                                           \
        break;                                                                                                             \
    case 2:                                                                                                                \
        call(2);                                                                                                           \
        break;                                                                                                             \
    case 3:                                                                                                                \
        call(3);                                                                                                           \
        break;                                                                                                             \
    default:                                                                                                               \
        call(LANES);                                                                                                       \
    }

/* Of a layer's units from `first` on: z = b + W a, where a has the layer's inputs from the first on. */
static IN_LINE vector begin_units(const bp_layer *layer, size_t first, vector a)
{
    const size_t n_in = layer->n_in;
    const bp_real *w = layer->W + first * n_in, *b = layer->b != NULL ? layer->b + first : NULL;
    vector z;
#define MULTIPLY(n) z = add_product(b != NULL ? first_lanes(b, n) : spread((bp_real)0), n, w, n_in, n_in, a)
    WITH_CONSTANT(layer->n_out - first, MULTIPLY)
#undef MULTIPLY
    return z;
}

/* Goes on with the inputs from j on, which begin in a. */
static inline vector add_inputs(const bp_layer *layer, size_t first, size_t j, vector a, vector z)
{
    const size_t n_in = layer->n_in;
    const bp_real *w = layer->W + first * n_in + j;
#define MULTIPLY(n) z = add_product(z, n, w, n_in, n_in - j, a)
    WITH_CONSTANT(layer->n_out - first, MULTIPLY)
#undef MULTIPLY
    return z;
}

/* Of its inputs from `first` on: sum + dz W, where dz begins with unit k. */
static IN_LINE vector add_units_back(const bp_layer *layer, size_t first, size_t k, vector dz, vector sum)
{
    const size_t n_in = layer->n_in;
    const bp_real *w = layer->W + k * n_in + first;
#define MULTIPLY(n) sum = add_product_back(sum, n, w, n_in, layer->n_out - k, dz)
    WITH_CONSTANT(n_in - first, MULTIPLY)
#undef MULTIPLY
    return sum;
}

/* Of its W at W_to: units from k on, which begin in dz, and inputs from j on, which begin in a. */
static IN_LINE void put_units(const bp_layer *layer, size_t k, vector dz, size_t j, vector a, const struct bpi_sink *sink,
                              bp_real *W_to)
{
    const size_t n_in = layer->n_in;
    bp_real *to = W_to + k * n_in + j;
#define PUT(n) put_product(sink, n, to, n_in, layer->n_out - k, dz, a)
    WITH_CONSTANT(n_in - j, PUT)
#undef PUT
}

/* ---- A single row ---------------------------------------------------------------------------------------------------- */

/* From vectors to n numbers. */
static inline void put_row(size_t n, const vector *from, bp_real *to)
{
    for (size_t k = 0; k < n; k += LANES)
        put_first_lanes(to + k, n - k, *from++);
}

static inline void take_row(size_t n, const bp_real *from, vector *to)
{
    for (size_t k = 0; k < n; k += LANES)
        *to++ = first_lanes(from + k, n - k);
}

/* From the inputs at the beginning of v->A; returns at which vector the outputs begin. */
static inline size_t forward_row(const bp_network *net, struct values *v)
{
    size_t in = 0, begin = vectors_of(net->n_in);
    for (size_t l = 0; l < net->n_layers; l++) {
        const bp_layer *layer = &net->layers[l];
        size_t at = begin;
        for (size_t k = 0; k < layer->n_out; k += LANES, at++) {
            vector z = begin_units(layer, k, v->A[in]);
            for (size_t j = LANES, i = in + 1; j < layer->n_in; j += LANES, i++)
                z = add_inputs(layer, k, j, v->A[i], z);
            v->Z[at] = z;
            v->A[at] = apply(layer, false, z);
        }
        in = begin;
        begin = at;
    }
    return in;
}

static inline void put_gradient_of_row(const bp_layer *layer, const vector *dz, const vector *a_in,
                                       const struct bpi_sink *sink, const bp_real *params)
{
    for (size_t k = 0; k < layer->n_out; k += LANES, dz++) {
        for (size_t j = 0, i = 0; j < layer->n_in; j += LANES, i++)
            put_units(layer, k, *dz, j, a_in[i], sink, sink->base + (layer->W - params));
        if (layer->b != NULL)
            put_gradient(sink, layer->n_out - k, *dz, sink->base + (layer->b - params) + k);
    }
}

/*
 * From dZ of the outputs, which begin at vector `out`, down. d holds it and has room for as much again; in the end it holds, if
 * wanted, the gradient for the inputs, where this returns. A layer's dA_in comes before its gradient, which may go into W itself.
 */
static inline const vector *backward_row(const bp_network *net, const struct values *v, size_t out, vector d[2][MOST_UNITS],
                                         const struct bpi_sink *sink, bool wants_dX)
{
    vector *here = d[0], *below = d[1];
    for (size_t l = net->n_layers; l-- > 0;) {
        const bp_layer *layer = &net->layers[l];
        const size_t in = out - vectors_of(layer->n_in);
        for (size_t i = 0; (l > 0 || wants_dX) && in + i < out; i++) {
            vector da = spread((bp_real)0);
            for (size_t k = 0; k < layer->n_out; k += LANES)
                da = add_units_back(layer, i * LANES, k, here[k / LANES], da);
            below[i] = l > 0 ? pull_back(layer - 1, false, v->Z[in + i], v->A[in + i], da) : da;
        }
        if (is_wanted(layer, sink))
            put_gradient_of_row(layer, here, &v->A[in], sink, net->parameters.params);
        vector *free = here;
        here = below;
        below = free;
        out = in;
    }
    return here;
}

/* ---- A single row of the smallest ------------------------------------------------------------------------------------ */

/* One vector holds a layer, and its function stands here: what goes from layer to layer need not leave the registers. */
static inline bool is_narrow(const bp_network *net)
{
    if (net->n_in > LANES)
        return false;
    for (const bp_layer *layer = net->layers, *end = layer + net->n_layers; layer < end; layer++)
        if (layer->n_out > LANES || !is_here(layer->activation))
            return false;
    return true;
}

/* What forward_row() does. A: the inputs, then a vector for each layer; returns the last. */
static IN_LINE vector forward_narrow(const bp_network *net, vector *A)
{
    vector a = *A;
    for (const bp_layer *layer = net->layers, *end = layer + net->n_layers; layer < end; layer++) {
        a = apply_here(layer->activation, begin_units(layer, 0, a));
        *++A = a;
    }
    return a;
}

/* What backward_row() does, for plain descent: the parameters are the sink. */
static IN_LINE void descend_narrow(const bp_network *net, const vector *A, vector dz, bp_real alpha)
{
    const struct bpi_sink sink = { .base = net->parameters.params, .alpha = alpha, .beta = (bp_real)1 };
    A += net->n_layers;
    for (const bp_layer *layer = last_layer(net);; layer--) {
        const vector a_in = *--A;
        vector below = spread((bp_real)0);
        if (layer != net->layers)
            below = pull_back_here(layer[-1].activation, a_in, add_units_back(layer, 0, 0, dz, below));
        put_units(layer, 0, dz, 0, a_in, &sink, layer->W);
        if (layer->b != NULL)
            put_gradient(&sink, layer->n_out, dz, layer->b);
        if (layer == net->layers)
            return;
        dz = below;
    }
}

OUT_OF_LINE static bp_status predict_wide_row(const bp_network *net, const bp_real *x, bp_real *y)
{
    struct values v;
    take_row(net->n_in, x, v.A);
    const size_t out = forward_row(net, &v);
    put_row(net->n_out, &v.A[out], y);
    return BP_OK;
}

/* Finds out on the way whether the network is narrow: nothing is lost if not, but a layer or two of it. */
static inline bp_status predict_row(const bp_network *net, const bp_real *x, bp_real *y)
{
    if (net->n_in > LANES)
        return predict_wide_row(net, x, y);
    vector a = first_lanes(x, net->n_in);
    const bp_layer *layer = net->layers;
    for (size_t left = net->n_layers; left > 0; left--, layer++) {
        if (layer->n_out > LANES || !is_here(layer->activation))
            return predict_wide_row(net, x, y);
        a = apply_here(layer->activation, begin_units(layer, 0, a));
    }
    put_first_lanes(y, net->n_out, a);
    return BP_OK;
}

/* ---- A batch: forward ------------------------------------------------------------------------------------------------ */

/* Rows of a batch, up to LANES of them. */
struct stretch {
    size_t first, rows;
};

/* The next stretch of a batch; a zeroed one stands before the first. */
static inline bool next(struct stretch *at, size_t batch)
{
    at->first += at->rows;
    at->rows = smaller(batch - at->first, LANES);
    return at->rows > 0;
}

/* Of a batch of rows of n numbers: a vector for each column, where lanes without a row get 0. */
static inline void take_rows(struct stretch at, size_t n, const bp_real *from, vector *to)
{
    from += at.first * n;
    if (at.rows == LANES)
        for (const bp_real *end = from + n; from < end; from++)
            *to++ = gather_lanes(from, n, LANES);
    else
        for (const bp_real *end = from + n; from < end; from++)
            *to++ = gather_lanes(from, n, at.rows);
}

/*
 * The same of inputs, where lanes without a row get the first one: what they come to is finite if that is, and can be multiplied by the
 * 0 that their errors are.
 */
static inline void take_inputs(struct stretch at, size_t n, const bp_real *from, vector *to)
{
    if (at.rows == LANES) {
        take_rows(at, n, from, to);
        return;
    }
    from += at.first * n;
    for (size_t j = 0; j < n; j++) {
        bp_real x[LANES];
        for (size_t lane = 0; lane < LANES; lane++)
            x[lane] = from[(lane < at.rows ? lane : 0) * n + j];
        memcpy(&to[j], x, sizeof x);
    }
}

/* And back. */
static inline void put_rows(struct stretch at, size_t n, const vector *from, bp_real *to)
{
    to += at.first * n;
    for (size_t j = 0; j < n; j++)
        for (size_t lane = 0; lane < at.rows; lane++)
            to[lane * n + j] = numbers(&from[j])[lane];
}

/* sum + w_0 a_0 + w_1 a_1 + ..., n > 0 products, with each number of W `stride` behind the one before. Few rounds, so few branches. */
static IN_LINE vector add_products(vector sum, size_t n, const bp_real *w, size_t stride, const vector *a)
{
    for (;; w += 4 * stride, a += 4, n -= 4) {
        sum = multiply_add(spread(w[0]), a[0], sum);
        if (n == 1)
            return sum;
        sum = multiply_add(spread(w[stride]), a[1], sum);
        if (n == 2)
            return sum;
        sum = multiply_add(spread(w[2 * stride]), a[2], sum);
        if (n == 3)
            return sum;
        sum = multiply_add(spread(w[3 * stride]), a[3], sum);
        if (n == 4)
            return sum;
    }
}

/* From the inputs at the beginning of v->A; returns where the outputs begin. */
static IN_LINE size_t walk_up(const bp_network *net, bool all_here, struct values *v)
{
    const vector *A_in = v->A;
    vector *A = v->A + net->n_in, *Z = v->Z + net->n_in;
    for (const bp_layer *layer = net->layers, *end = layer + net->n_layers; layer < end; layer++) {
        const size_t n_in = layer->n_in;
        const bp_real *w = layer->W, *b = layer->b;
        const vector *begin = A;
        for (const vector *out = A + layer->n_out; A < out; w += n_in) {
            const vector z = add_products(b != NULL ? spread(*b++) : spread((bp_real)0), n_in, w, 1, A_in);
            *Z++ = z;
            *A++ = apply(layer, all_here, z);
        }
        A_in = begin;
    }
    return (size_t)(A_in - v->A);
}

OUT_OF_LINE static size_t forward_rows(const bp_network *net, struct values *v)
{
    return walk_up(net, false, v);
}

OUT_OF_LINE static size_t forward_rows_here(const bp_network *net, struct values *v)
{
    return walk_up(net, true, v);
}

static void predict_rows(const bp_network *net, struct stretch at, const bp_real *X, bp_real *Y)
{
    struct values v;
    take_rows(at, net->n_in, X, v.A);
    const size_t out = forward_rows(net, &v);
    put_rows(at, net->n_out, &v.A[out], Y);
}

/* ---- A batch: backward ----------------------------------------------------------------------------------------------- */

/* The gradient of a batch, laid out as the parameters, with the sums of each lane apart. */
struct sums {
    vector of[MOST_PARAMS];
    bool are_begun; /* else what is there counts for nothing */
};

/* Products of dz with n > 0 vectors, added to what is there or in its place. */
static IN_LINE void put_products(size_t n, vector dz, const vector *a, bool adds, vector *to)
{
    for (;; a += 4, to += 4, n -= 4) {
        to[0] = adds ? multiply_add(dz, a[0], to[0]) : dz * a[0];
        if (n == 1)
            return;
        to[1] = adds ? multiply_add(dz, a[1], to[1]) : dz * a[1];
        if (n == 2)
            return;
        to[2] = adds ? multiply_add(dz, a[2], to[2]) : dz * a[2];
        if (n == 3)
            return;
        to[3] = adds ? multiply_add(dz, a[3], to[3]) : dz * a[3];
        if (n == 4)
            return;
    }
}

/* dW += dZ^T A_in, db += dZ^T 1, or without +. */
static IN_LINE void put_gradient_of_rows(const bp_layer *layer, const vector *A_in, const vector *dZ, const bp_real *params,
                                         bool adds, struct sums *sums)
{
    const size_t n_in = layer->n_in, n_out = layer->n_out;
    vector *W = sums->of + (layer->W - params);
    for (size_t k = 0; k < n_out; k++, W += n_in)
        put_products(n_in, dZ[k], A_in, adds, W);
    if (layer->b == NULL)
        return;
    vector *b = sums->of + (layer->b - params);
    for (size_t k = 0; k < n_out; k++)
        b[k] = adds ? b[k] + dZ[k] : dZ[k];
}

/* As backward_row(), with the inputs at the beginning of v->A. */
static const vector *backward_rows(const bp_network *net, const struct values *v, size_t out, vector d[2][MOST_UNITS],
                                   const struct bpi_sink *sink, struct sums *sums, bool wants_dX)
{
    const vector *A = &v->A[out], *Z = &v->Z[out];
    vector *here = d[0], *below = d[1];
    for (const bp_layer *layer = last_layer(net);; layer--) {
        const bool is_first = layer == net->layers;
        const size_t n = layer->n_in;
        A -= n;
        Z -= n;
        for (size_t j = 0; (!is_first || wants_dX) && j < n; j++) {
            const vector dA = add_products(spread((bp_real)0), layer->n_out, layer->W + j, n, here);
            below[j] = is_first ? dA : pull_back(layer - 1, false, Z[j], A[j], dA);
        }
        if (is_wanted(layer, sink) && sums->are_begun)
            put_gradient_of_rows(layer, A, here, net->parameters.params, true, sums);
        else if (is_wanted(layer, sink))
            put_gradient_of_rows(layer, A, here, net->parameters.params, false, sums);
        if (is_first)
            break;
        vector *free = here;
        here = below;
        below = free;
    }
    sums->are_begun = true;
    return below;
}

/* Adds up the lanes of the parameters from `begin` to before `end`. */
static inline void put_sums(const struct bpi_sink *sink, const struct sums *sums, size_t begin, size_t end)
{
    size_t i = begin;
    for (; i + LANES <= end; i += LANES)
        put_gradient(sink, LANES, sum_each(sums->of + i), sink->base + i);
    if (i == end)
        return;
    vector rest[LANES];
    for (size_t lane = 0; lane < LANES; lane++)
        rest[lane] = i + lane < end ? sums->of[i + lane] : spread((bp_real)0);
    put_gradient(sink, end - i, sum_each(rest), sink->base + i);
}

/* W and b of a layer lie side by side, and layer after layer. */
static inline void put_all_sums(const bp_network *net, const struct bpi_sink *sink, const struct sums *sums)
{
    if (!sink->skips_frozen) {
        put_sums(sink, sums, 0, net->parameters.n_params);
        return;
    }
    size_t begin = 0;
    for (size_t l = 0; l < net->n_layers; l++) {
        const bp_layer *layer = &net->layers[l];
        const size_t n = layer->n_out * (layer->n_in + (layer->b != NULL));
        if (is_wanted(layer, sink))
            put_sums(sink, sums, begin, begin + n);
        begin += n;
    }
}

/* ---- A batch of the smallest ----------------------------------------------------------------------------------------- */

/* What put_sums() would make of dz times n vectors, a constant wherever this is called. */
static IN_LINE vector sum_products(size_t n, vector dz, const vector *a)
{
    vector products[LANES];
    for (size_t j = 0; j < LANES; j++)
        products[j] = j < n ? dz * a[j] : spread((bp_real)0);
    return sum_each(products);
}

static IN_LINE vector sum_vectors(size_t n, const vector *v)
{
    vector of[LANES];
    for (size_t j = 0; j < LANES; j++)
        of[j] = j < n ? v[j] : spread((bp_real)0);
    return sum_each(of);
}

static IN_LINE void descend_layer(const bp_layer *layer, const vector *A_in, const vector *dZ, const struct bpi_sink *sink)
{
    bp_real *w = layer->W;
#define PUT_W(n)                                                                                                           \
    for (const vector *dz = dZ, *end = dZ + layer->n_out; dz < end; dz++, w += (n))                                        \
    put_gradient(sink, n, sum_products(n, *dz, A_in), w)
    WITH_CONSTANT(layer->n_in, PUT_W)
#undef PUT_W
#define PUT_B(n) put_gradient(sink, n, sum_vectors(n, dZ), layer->b)
    if (layer->b != NULL)
        WITH_CONSTANT(layer->n_out, PUT_B)
#undef PUT_B
}

/* What backward_rows() and put_all_sums() do for plain descent, when there is one stretch. */
OUT_OF_LINE static void descend_narrow_rows(const bp_network *net, const vector *A, vector d[2][MOST_UNITS], bp_real alpha)
{
    const struct bpi_sink sink = { .base = net->parameters.params, .alpha = alpha, .beta = (bp_real)1 };
    vector *here = d[0], *below = d[1];
    for (const bp_layer *layer = last_layer(net);; layer--) {
        const size_t n_in = layer->n_in;
        A -= n_in;
        for (size_t j = 0; layer != net->layers && j < n_in; j++)
            below[j] = pull_back_here(layer[-1].activation, A[j],
                                      add_products(spread((bp_real)0), layer->n_out, layer->W + j, n_in, here));
        descend_layer(layer, A, here, &sink);
        if (layer == net->layers)
            return;
        vector *free = here;
        here = below;
        below = free;
    }
}

/* ---- Predictions, and the passes one by one -------------------------------------------------------------------------- */

OUT_OF_LINE static bp_status predict_batch(const bp_network *net, size_t batch, const bp_real *X, bp_real *Y)
{
    for (struct stretch at = { 0 }; next(&at, batch);)
        predict_rows(net, at, X, Y);
    return BP_OK;
}

static bp_status predict(const bp_network *net, size_t batch, const bp_real *X, bp_real *Y)
{
    return batch == 1 ? predict_row(net, X, Y) : predict_batch(net, batch, X, Y);
}

/* Z before A: where they share an array A is what stays. */
static void forward(const bp_network *net, const bp_workspace *ws)
{
    struct values v;
    if (ws->batch == 1) {
        size_t at = vectors_of(net->n_in);
        take_row(net->n_in, ws->X, v.A);
        (void)forward_row(net, &v);
        for (size_t l = 0; l < net->n_layers; l++) {
            put_row(net->layers[l].n_out, &v.Z[at], ws->Z[l]);
            put_row(net->layers[l].n_out, &v.A[at], ws->F[l]);
            at += vectors_of(net->layers[l].n_out);
        }
        return;
    }
    for (struct stretch rows = { 0 }; next(&rows, ws->batch);) {
        size_t at = net->n_in;
        take_rows(rows, net->n_in, ws->X, v.A);
        (void)forward_rows(net, &v);
        for (size_t l = 0; l < net->n_layers; l++) {
            put_rows(rows, net->layers[l].n_out, &v.Z[at], ws->Z[l]);
            put_rows(rows, net->layers[l].n_out, &v.A[at], ws->F[l]);
            at += net->layers[l].n_out;
        }
    }
}

static void backward_of_row(const bp_network *net, const struct bpi_small_errors *errors, const struct bpi_sink *sink)
{
    const bp_workspace *ws = errors->ws;
    struct values v;
    vector d[2][MOST_UNITS], *dZ = d[0];
    size_t at = vectors_of(net->n_in), out = 0;
    take_row(net->n_in, ws->X, v.A);
    for (size_t l = 0; l < net->n_layers; l++) {
        out = at;
        take_row(net->layers[l].n_out, ws->Z[l], &v.Z[at]);
        take_row(net->layers[l].n_out, ws->F[l], &v.A[at]);
        at += vectors_of(net->layers[l].n_out);
    }
    take_row(net->n_out, errors->dY != NULL ? errors->dY : ws->dZ, dZ);
    for (size_t i = 0; errors->dY != NULL && i < vectors_of(net->n_out); i++)
        dZ[i] = pull_back(last_layer(net), false, v.Z[out + i], v.A[out + i], dZ[i]);
    const bp_real *dX = numbers(backward_row(net, &v, out, d, sink, errors->dX != NULL)), beta = errors->beta_dX;
    for (size_t j = 0; errors->dX != NULL && j < net->n_in; j++)
        errors->dX[j] = beta == (bp_real)0 ? dX[j] : dX[j] + beta * errors->dX[j];
}

static void backward_of_rows(const bp_network *net, const struct bpi_small_errors *errors, struct stretch rows,
                             const struct bpi_sink *sink, struct sums *sums)
{
    const bp_workspace *ws = errors->ws;
    struct values v;
    vector d[2][MOST_UNITS], *dZ = d[0];
    size_t at = net->n_in, out = 0;
    take_rows(rows, net->n_in, ws->X, v.A);
    for (size_t l = 0; l < net->n_layers; l++) {
        out = at;
        take_rows(rows, net->layers[l].n_out, ws->Z[l], &v.Z[at]);
        take_rows(rows, net->layers[l].n_out, ws->F[l], &v.A[at]);
        at += net->layers[l].n_out;
    }
    take_rows(rows, net->n_out, errors->dY != NULL ? errors->dY : ws->dZ, dZ);
    for (size_t k = 0; errors->dY != NULL && k < net->n_out; k++)
        dZ[k] = pull_back(last_layer(net), false, v.Z[out + k], v.A[out + k], dZ[k]);
    const vector *dX = backward_rows(net, &v, out, d, sink, sums, errors->dX != NULL);
    for (size_t i = 0; errors->dX != NULL && i < rows.rows; i++)
        for (size_t j = 0; j < net->n_in; j++) {
            bp_real *dx = errors->dX + (rows.first + i) * net->n_in + j;
            const bp_real g = numbers(&dX[j])[i], beta = errors->beta_dX;
            *dx = beta == (bp_real)0 ? g : g + beta * *dx;
        }
}

static void backward(const bp_network *net, const struct bpi_small_errors *errors, const struct bpi_sink *sink)
{
    if (errors->ws->batch == 1) {
        backward_of_row(net, errors, sink);
        return;
    }
    struct sums sums;
    sums.are_begun = false;
    for (struct stretch rows = { 0 }; next(&rows, errors->ws->batch);)
        backward_of_rows(net, errors, rows, sink, &sums);
    if (sink != NULL)
        put_all_sums(net, sink, &sums);
}

/* ---- Steps ----------------------------------------------------------------------------------------------------------- */

#define FOR_EACH_LANE(lane, n) for (size_t lane = 0; (lane) < LANES && (lane) < (n); (lane)++)

/* Adds the squares of n of the errors e, one by one as squared_error() in math/loss.c does it. */
static inline double add_squares(double sum, size_t n, vector e)
{
    const vector_of_doubles d = doubles_of(e), squares = d * d;
    FOR_EACH_LANE (lane, n)
        sum += ((const double *)&squares)[lane];
    return sum;
}

static inline double step_row(const bp_network *net, const bp_real *x, const bp_real *t, double share,
                              const struct bpi_sink *sink)
{
    struct values v;
    vector d[2][MOST_UNITS];
    double squares = 0;
    take_row(net->n_in, x, v.A);
    const size_t out = forward_row(net, &v), n_out = net->n_out;
    for (size_t k = 0, i = 0; k < n_out; k += LANES, i++) {
        const vector e = v.A[out + i] - first_lanes(t + k, n_out - k);
        squares = add_squares(squares, n_out - k, e);
        d[0][i] = pull_back(last_layer(net), false, v.Z[out + i], v.A[out + i], spread((bp_real)share) * e);
    }
    const double L = share * (squares / 2);
    if (isfinite((bp_real)L))
        (void)backward_row(net, &v, out, d, sink, false);
    return L;
}

static IN_LINE double descend_row(const bp_network *net, const bp_real *x, const bp_real *t, double share, bp_real alpha)
{
    vector A[BPI_SMALL_LAYERS + 1];
    A[0] = first_lanes(x, net->n_in);
    const vector y = forward_narrow(net, A), e = y - first_lanes(t, net->n_out);
    const double L = share * (add_squares(0, net->n_out, e) / 2);
    if (isfinite((bp_real)L))
        descend_narrow(net, A, pull_back_here(last_layer(net)->activation, y, spread((bp_real)share) * e), alpha);
    return L;
}

/* Squared errors of a stretch of rows, each in its lane, and dZ of the outputs. */
static IN_LINE vector_of_doubles squares_of_rows(const bp_network *net, bool all_here, struct stretch at, const bp_real *T,
                                                 double share, const struct values *v, size_t out, vector *dZ)
{
    const size_t n_out = net->n_out;
    vector_of_doubles squares = { 0 };
    T += at.first * n_out;
    for (size_t k = 0; k < n_out; k++, out++) {
        const vector e = keep_first_lanes(v->A[out] - gather_lanes(T + k, n_out, at.rows), at.rows);
        const vector_of_doubles d = doubles_of(e);
        squares += d * d;
        dZ[k] = pull_back(last_layer(net), all_here, v->Z[out], v->A[out], spread((bp_real)share) * e);
    }
    return squares;
}

/* The losses of these rows; leaves values and dZ. */
static IN_LINE vector_of_doubles losses_of_rows(const bp_network *net, bool all_here, struct stretch at,
                                                const struct bpi_small_batches *batches, const bp_real *X, const bp_real *T,
                                                struct values *v, size_t *out, vector *dZ)
{
    const double share = batches->share;
    take_inputs(at, net->n_in, X, v->A);
    *out = (all_here ? forward_rows_here : forward_rows)(net, v);
    return share * (squares_of_rows(net, all_here, at, T, share, v, *out, dZ) / 2);
}

/* L with n losses, added one by one as bpi_loss_of_batch() does it. */
static IN_LINE double add_losses(double L, size_t n, vector_of_doubles losses)
{
    FOR_EACH_LANE (lane, n)
        L += ((const double *)&losses)[lane];
    return L;
}

OUT_OF_LINE static double step_rows(const bp_network *net, const struct bpi_small_batches *batches, const bp_real *X,
                                    const bp_real *T, const struct bpi_sink *sink)
{
    struct values v;
    struct sums sums;
    vector d[2][MOST_UNITS];
    double L = 0;
    sums.are_begun = false;
    for (struct stretch at = { 0 }; next(&at, batches->batch);) {
        size_t out;
        L = add_losses(L, at.rows, losses_of_rows(net, false, at, batches, X, T, &v, &out, d[0]));
        (void)backward_rows(net, &v, out, d, sink, &sums, false);
    }
    if (isfinite((bp_real)L))
        put_all_sums(net, sink, &sums);
    return L;
}

/* Of a narrow network, when there is one stretch. */
static IN_LINE double descend_stretch(const bp_network *net, const struct bpi_small_batches *batches, const bp_real *X,
                                      const bp_real *T, bp_real alpha)
{
    struct values v;
    vector d[2][MOST_UNITS];
    size_t out;
    const struct stretch all = { 0, batches->batch };
    const double L = add_losses(0, all.rows, losses_of_rows(net, true, all, batches, X, T, &v, &out, d[0]));
    if (isfinite((bp_real)L))
        descend_narrow_rows(net, &v.A[out], d, alpha);
    return L;
}

OUT_OF_LINE static size_t descend_by_rows(const bp_network *net, const struct bpi_small_batches *batches, bp_real alpha,
                                          double *L)
{
    const bp_real *x = batches->X, *t = batches->T;
    for (size_t i = 0; i < batches->n; i++, x += net->n_in, t += net->n_out) {
        L[i] = descend_row(net, x, t, batches->share, alpha);
        if (!isfinite((bp_real)L[i]))
            return i;
    }
    return batches->n;
}

OUT_OF_LINE static size_t descend_by_stretches(const bp_network *net, const struct bpi_small_batches *batches,
                                               bp_real alpha, double *L)
{
    const bp_real *X = batches->X, *T = batches->T;
    for (size_t i = 0; i < batches->n; i++, X += batches->batch * net->n_in, T += batches->batch * net->n_out) {
        L[i] = descend_stretch(net, batches, X, T, alpha);
        if (!isfinite((bp_real)L[i]))
            return i;
    }
    return batches->n;
}

static size_t steps(const bp_network *net, const struct bpi_small_batches *batches, const struct bpi_sink *sink, double *L)
{
    const size_t batch = batches->batch;
    const bp_real *X = batches->X, *T = batches->T;
    const bool descends = sink->base == net->parameters.params && sink->beta == (bp_real)1 && !sink->skips_frozen;
    if (batch <= LANES && descends && is_narrow(net))
        return (batch == 1 ? descend_by_rows : descend_by_stretches)(net, batches, sink->alpha, L);
    for (size_t i = 0; i < batches->n; i++, X += batch * net->n_in, T += batch * net->n_out) {
        L[i] = batch == 1 ? step_row(net, X, T, batches->share, sink) : step_rows(net, batches, X, T, sink);
        if (!isfinite((bp_real)L[i]))
            return i;
    }
    return batches->n;
}

/* ---- Parameters ------------------------------------------------------------------------------------------------------ */

/* By the exponent: that of a normal number is neither 0 nor the highest. What a relu that is off does not move stays 0. */
static bool is_normal(const bp_network *net)
{
    const word least = (word)1 << MANTISSA, span = (word)(2 * BIAS) << MANTISSA;
    const bp_real *p = net->parameters.params;
    for (const bp_real *end = p + net->parameters.n_params; p < end; p++)
        if (word_of(*p) != 0 && (word_of(*p) & ~SIGN_BIT) - least >= span)
            return false;
    return true;
}

/* ---- Epochs ---------------------------------------------------------------------------------------------------------- */

static size_t epochs(const bp_network *net, const struct bpi_small_batches *batches, size_t n, const struct bpi_sink *sink,
                     double *L)
{
    for (size_t done = 0, all = n * batches->n;;) {
        const size_t of_epoch = steps(net, batches, sink, L + done);
        done += of_epoch;
        if (of_epoch < batches->n || done == all)
            return done;
        if (!is_normal(net)) {
            L[done] = 0;
            return done;
        }
    }
}

const struct bpi_small_walks SMALL_WALKS = {
    .predict = predict,
    .forward = forward,
    .backward = backward,
    .is_normal = is_normal,
    .steps = steps,
    .epochs = epochs,
};

// NOLINTEND(clang-analyzer-core.*)
