// SPDX-License-Identifier: MIT
/*
 * A small network on up to LANES rows at a time, each array unit by unit and within it row by row: so loops over rows are
 * those that the compiler does at once, and what is exponentiated lies in one piece. Up to one row goes without lanes.
 */
#include "net/small.h"

#include "math/kernels.h"
#include "math/products.h"

// NOLINTBEGIN(clang-analyzer-core.*): it does not know that layers fit together, and takes what one has written for garbage

/*
 * Up to about here a step of this kind is faster than one layer by layer. Measured for tanh, in ns a row for batches of 1, 4
 * and 32, against layers: 4-4-4-2 (50 parameters) 185, 69, 54 against 249, 161, 59; 8-8-8-4 (180) 329, 162, 114 against 280,
 * 174, 78 (AVX-512, double precision, OpenBLAS 0.3.21 with its SkylakeX kernels).
 */
enum { MOST_UNITS = 24, MOST_PARAMS = 96, MOST_LAYERS = 8, LANES = 4 };

static bool is_plain(const bp_layer *layer)
{
    return layer->custom == NULL && layer->normalization == BP_NO_NORMALIZATION && layer->dropout == (bp_real)0 &&
           bpi_kernels()->apply[layer->activation] != NULL;
}

bool bpi_network_is_small(const bp_network *net)
{
    if (net->n_layers > MOST_LAYERS || net->n_in > MOST_UNITS || net->parameters.n_params > MOST_PARAMS)
        return false;
    size_t units = net->n_in;
    for (size_t l = 0; l < net->n_layers; l++) {
        units += net->layers[l].n_out;
        if (units > MOST_UNITS || !is_plain(&net->layers[l]))
            return false;
    }
    return bpi_product_is_own(1);
}

/* The values of up to LANES rows: A begins with the inputs; Z with as many numbers that nobody reads. */
struct values {
    bp_real Z[MOST_UNITS * LANES], A[MOST_UNITS * LANES];
};

/* ---- One function or its derivative over a layer --------------------------------------------------------------------- */

/* Far below 0 it is e^z to the last bit, and e^-z would be infinite where it is still above 0. */
static inline bp_real sigmoid(bp_real z)
{
    const bp_real far = sizeof(bp_real) == sizeof(float) ? (bp_real)-80 : (bp_real)-700;
    return z < far ? BPI_EXP(z) : (bp_real)1 / ((bp_real)1 + BPI_EXP(-z));
}

/* Fewer numbers than fill half a vector: libm is as fast then, and this call is only a jump. */
static void apply(const bp_layer *layer, size_t n, const bp_real *z, bp_real *a)
{
    if (n < LANES && layer->activation == BP_SIGMOID)
        for (size_t i = 0; i < n; i++)
            a[i] = sigmoid(z[i]);
    else
        bpi_kernels()->apply[layer->activation](n, layer->parameter, z, a);
}

static void pull_back(const bp_layer *layer, size_t n, const bp_real *z, const bp_real *a, bp_real *d)
{
    if (n < LANES && layer->activation == BP_SIGMOID)
        for (size_t i = 0; i < n; i++)
            d[i] *= a[i] * ((bp_real)1 - a[i]);
    else
        bpi_kernels()->pull_back[layer->activation](n, layer->parameter, z, a, d, d);
}

/* ---- Forward --------------------------------------------------------------------------------------------------------- */

/* Z = W A_in + b 1^T for `lanes` columns, a constant wherever this is called. */
static inline void multiply(const bp_layer *layer, size_t lanes, const bp_real *A_in, bp_real *Z)
{
    const bp_real *w = layer->W;
    for (size_t k = 0; k < layer->n_out; k++, Z += lanes, w += layer->n_in) {
        bp_real sum[LANES];
        for (size_t lane = 0; lane < lanes; lane++)
            sum[lane] = layer->b != NULL ? layer->b[k] : (bp_real)0;
        for (size_t j = 0; j < layer->n_in; j++)
            for (size_t lane = 0; lane < lanes; lane++)
                sum[lane] += w[j] * A_in[j * lanes + lane];
        for (size_t lane = 0; lane < lanes; lane++)
            Z[lane] = sum[lane];
    }
}

/* From the inputs at the beginning of v->A; returns where the outputs begin. */
static inline size_t forward(const bp_network *net, size_t lanes, struct values *v)
{
    size_t in = 0, out = net->n_in * lanes;
    for (size_t l = 0; l < net->n_layers; l++) {
        const bp_layer *layer = &net->layers[l];
        const size_t n = layer->n_out * lanes;
        multiply(layer, lanes, v->A + in, v->Z + out);
        apply(layer, n, v->Z + out, v->A + out);
        in = out;
        out += n;
    }
    return in;
}

/* rows x n, row by row, to n x lanes, where lanes without a row get 0. */
static inline void gather(size_t lanes, size_t rows, size_t n, const bp_real *from, bp_real *to)
{
    for (size_t j = 0; j < n; j++)
        for (size_t lane = 0; lane < lanes; lane++)
            to[j * lanes + lane] = lane < rows ? from[lane * n + j] : (bp_real)0;
}

/* And back. */
static inline void scatter(size_t lanes, size_t rows, size_t n, const bp_real *from, bp_real *to)
{
    for (size_t lane = 0; lane < rows; lane++)
        for (size_t j = 0; j < n; j++)
            to[lane * n + j] = from[j * lanes + lane];
}

/* A stretch of rows of a batch: a single row has no lanes, in a larger batch each stretch has them. */
struct stretch {
    size_t first, rows;
};

/* The next stretch of a batch that has lanes; a zeroed one stands before the first. */
static bool next(struct stretch *at, size_t batch)
{
    at->first += at->rows;
    at->rows = batch - at->first < LANES ? batch - at->first : LANES;
    return at->rows > 0;
}

static inline void predict_rows(const bp_network *net, size_t lanes, struct stretch at, const bp_real *X, bp_real *Y)
{
    struct values v;
    gather(lanes, at.rows, net->n_in, X + at.first * net->n_in, v.A);
    const size_t out = forward(net, lanes, &v);
    scatter(lanes, at.rows, net->n_out, v.A + out, Y + at.first * net->n_out);
}

/* Layer by layer from one array to the other, which needs no room for what a backward pass would read. */
static void predict_row(const bp_network *net, const bp_real *x, bp_real *y)
{
    bp_real a[2][MOST_UNITS];
    for (size_t l = 0; l < net->n_layers; l++) {
        const bp_layer *layer = &net->layers[l];
        bp_real *out = l + 1 < net->n_layers ? a[l % 2] : y;
        multiply(layer, 1, x, out);
        apply(layer, layer->n_out, out, out);
        x = out;
    }
}

void bpi_small_predict(const bp_network *net, size_t batch, const bp_real *X, bp_real *Y)
{
    if (batch == 1)
        predict_row(net, X, Y);
    else
        for (struct stretch at = { 0 }; next(&at, batch);)
            predict_rows(net, LANES, at, X, Y);
}

static inline void forward_rows(const bp_network *net, size_t lanes, struct stretch at, const bp_workspace *ws)
{
    struct values v;
    gather(lanes, at.rows, net->n_in, ws->X + at.first * net->n_in, v.A);
    (void)forward(net, lanes, &v);
    size_t out = net->n_in * lanes;
    for (size_t l = 0; l < net->n_layers; l++) {
        const size_t n = net->layers[l].n_out;
        scatter(lanes, at.rows, n, v.Z + out, ws->Z[l] + at.first * n);
        scatter(lanes, at.rows, n, v.A + out, ws->F[l] + at.first * n); /* where they share an array this is what stays */
        out += n * lanes;
    }
}

void bpi_small_forward(const bp_network *net, const bp_workspace *ws)
{
    if (ws->batch == 1)
        forward_rows(net, 1, (struct stretch){ 0, 1 }, ws);
    else
        for (struct stretch at = { 0 }; next(&at, ws->batch);)
            forward_rows(net, LANES, at, ws);
}

/* ---- Backward -------------------------------------------------------------------------------------------------------- */

/* g_W += dZ A_in^T, g_b += dZ 1 (NULL: there is no b). */
static inline void add_gradient(const bp_layer *layer, size_t lanes, const bp_real *A_in, const bp_real *dZ, bp_real *g_W,
                                bp_real *g_b)
{
    for (size_t k = 0; k < layer->n_out; k++, dZ += lanes, g_W += layer->n_in) {
        bp_real all = 0;
        for (size_t lane = 0; lane < lanes; lane++)
            all += dZ[lane];
        if (g_b != NULL)
            g_b[k] += all;
        for (size_t j = 0; j < layer->n_in; j++) {
            bp_real sum = 0;
            for (size_t lane = 0; lane < lanes; lane++)
                sum += dZ[lane] * A_in[j * lanes + lane];
            g_W[j] += sum;
        }
    }
}

/* dA_in = W^T dZ */
static inline void multiply_back(const bp_layer *layer, size_t lanes, const bp_real *dZ, bp_real *dA_in)
{
    const size_t n_in = layer->n_in;
    for (size_t j = 0; j < n_in; j++) {
        bp_real sum[LANES];
        for (size_t lane = 0; lane < lanes; lane++)
            sum[lane] = (bp_real)0;
        for (size_t k = 0; k < layer->n_out; k++)
            for (size_t lane = 0; lane < lanes; lane++)
                sum[lane] += layer->W[k * n_in + j] * dZ[k * lanes + lane];
        for (size_t lane = 0; lane < lanes; lane++)
            dA_in[j * lanes + lane] = sum[lane];
    }
}

static inline void put_number(const struct bpi_sink *sink, bp_real g, bp_real *to)
{
    *to = sink->beta == (bp_real)0 ? sink->alpha * g : sink->alpha * g + sink->beta * *to;
}

/* Of a single row the gradient needs no summing: it goes to its place at once, with the bits that put() would leave. */
static inline void put_row(const bp_layer *layer, const bp_real *a_in, const bp_real *dz, const struct bpi_sink *sink,
                           const bp_real *params)
{
    bp_real *W = sink->base + (layer->W - params), *b = layer->b != NULL ? sink->base + (layer->b - params) : NULL;
    const size_t n_in = layer->n_in, n_out = layer->n_out;
    const bp_real alpha = sink->alpha;
    if (sink->beta == (bp_real)1) { /* added, to W itself or to a gradient; 1 times a number has its bits */
        for (size_t k = 0; k < n_out; k++, W += n_in)
            for (size_t j = 0; j < n_in; j++)
                W[j] += alpha * (dz[k] * a_in[j]);
        for (size_t k = 0; b != NULL && k < n_out; k++)
            b[k] += alpha * dz[k];
        return;
    }
    for (size_t k = 0; k < n_out; k++, W += n_in)
        for (size_t j = 0; j < n_in; j++)
            put_number(sink, dz[k] * a_in[j], &W[j]);
    for (size_t k = 0; b != NULL && k < n_out; k++)
        put_number(sink, dz[k], &b[k]);
}

static bool is_wanted(const bp_layer *layer, const struct bpi_sink *sink)
{
    return sink != NULL && !(sink->skips_frozen && layer->frozen);
}

/* Where the gradient of the parameters goes: added to `sum`, laid out as they are, or of a single row into the sink. */
struct gradient {
    bp_real *sum;
    const struct bpi_sink *sink; /* NULL: nowhere */
};

/*
 * d[(n_layers - 1) % 2] holds the gradient for Z of the outputs, which begin at `out`; d[1] receives, if wanted, that for the
 * inputs. A layer's dA_in comes before its gradient, which may go into W itself.
 */
static inline void backward(const bp_network *net, size_t lanes, const struct values *v, size_t out,
                            bp_real d[2][MOST_UNITS * LANES], const struct gradient *to, bool wants_dX)
{
    const bp_real *params = net->parameters.params;
    for (size_t l = net->n_layers; l-- > 0;) {
        const bp_layer *layer = &net->layers[l];
        bp_real *here = d[l % 2], *below = d[(l + 1) % 2];
        const size_t in = out - layer->n_in * lanes;
        if (l + 1 < net->n_layers)
            pull_back(layer, layer->n_out * lanes, v->Z + out, v->A + out, here);
        if (l > 0 || wants_dX)
            multiply_back(layer, lanes, here, below);
        if (is_wanted(layer, to->sink) && lanes == 1)
            put_row(layer, v->A + in, here, to->sink, params);
        else if (is_wanted(layer, to->sink))
            add_gradient(layer, lanes, v->A + in, here, to->sum + (layer->W - params),
                         layer->b != NULL ? to->sum + (layer->b - params) : NULL);
        out = in;
    }
}

static void put_numbers(const struct bpi_sink *sink, size_t n, const bp_real *g, bp_real *to)
{
    for (size_t i = 0; i < n; i++)
        put_number(sink, g[i], &to[i]);
}

/* A gradient of all parameters, laid out as they are. */
static void put(const bp_network *net, const struct bpi_sink *sink, const bp_real *g)
{
    for (size_t l = 0; l < net->n_layers; l++) {
        const bp_layer *layer = &net->layers[l];
        const size_t W = (size_t)(layer->W - net->parameters.params);
        if (!is_wanted(layer, sink))
            continue;
        put_numbers(sink, layer->n_out * layer->n_in, g + W, sink->base + W);
        if (layer->b != NULL) {
            const size_t b = (size_t)(layer->b - net->parameters.params);
            put_numbers(sink, layer->n_out, g + b, sink->base + b);
        }
    }
}

static void clear(size_t n, bp_real *g)
{
    for (size_t i = 0; i < n; i++)
        g[i] = (bp_real)0;
}

static size_t gather_values(const bp_network *net, size_t lanes, struct stretch at, const bp_workspace *ws,
                            struct values *v)
{
    size_t in = 0, out = net->n_in * lanes;
    gather(lanes, at.rows, net->n_in, ws->X + at.first * net->n_in, v->A);
    for (size_t l = 0; l < net->n_layers; l++) {
        const size_t n = net->layers[l].n_out;
        gather(lanes, at.rows, n, ws->Z[l] + at.first * n, v->Z + out);
        gather(lanes, at.rows, n, ws->F[l] + at.first * n, v->A + out);
        in = out;
        out += n * lanes;
    }
    return in;
}

static inline void backward_rows(const bp_network *net, size_t lanes, struct stretch at,
                                 const struct bpi_small_errors *errors, const struct gradient *to)
{
    struct values v;
    bp_real d[2][MOST_UNITS * LANES], *dZ = d[(net->n_layers - 1) % 2];
    const bp_layer *last = &net->layers[net->n_layers - 1];
    const size_t out = gather_values(net, lanes, at, errors->ws, &v), n_out = net->n_out;
    gather(lanes, at.rows, n_out, (errors->dY != NULL ? errors->dY : errors->ws->dZ) + at.first * n_out, dZ);
    if (errors->dY != NULL)
        pull_back(last, n_out * lanes, v.Z + out, v.A + out, dZ);
    backward(net, lanes, &v, out, d, to, errors->dX != NULL);
    if (errors->dX == NULL)
        return;
    const bp_real beta = errors->beta_dX;
    for (size_t i = 0; i < at.rows; i++)
        for (size_t j = 0; j < net->n_in; j++) {
            bp_real *dx = errors->dX + (at.first + i) * net->n_in + j;
            *dx = beta == (bp_real)0 ? d[1][j * lanes + i] : d[1][j * lanes + i] + beta * *dx;
        }
}

void bpi_small_backward(const bp_network *net, const struct bpi_small_errors *errors, const struct bpi_sink *sink)
{
    bp_real sum[MOST_PARAMS];
    const struct gradient to = { sum, sink };
    if (errors->ws->batch == 1) {
        backward_rows(net, 1, (struct stretch){ 0, 1 }, errors, &to);
        return;
    }
    clear(net->parameters.n_params, sum);
    for (struct stretch at = { 0 }; next(&at, errors->ws->batch);)
        backward_rows(net, LANES, at, errors, &to);
    if (sink != NULL)
        put(net, sink, sum);
}

/* ---- A step ---------------------------------------------------------------------------------------------------------- */

/* What a step hands to its stretches: the batch, the share of a row in the loss, and where the gradient is summed. */
struct step {
    const bp_real *X, *T;
    double share;
    struct gradient to;
};

/* Returns the rows' part of the loss, row by row as bpi_loss_of_batch() adds them up. */
static inline double step_rows(const bp_network *net, size_t lanes, struct stretch at, const struct step *step, double L)
{
    struct values v;
    bp_real d[2][MOST_UNITS * LANES], *dY = d[(net->n_layers - 1) % 2];
    const size_t n_out = net->n_out;
    gather(lanes, at.rows, net->n_in, step->X + at.first * net->n_in, v.A);
    const size_t out = forward(net, lanes, &v);

    const bp_real *T = step->T + at.first * n_out;
    double squares[LANES] = { 0 };
    for (size_t j = 0; j < n_out; j++)
        for (size_t lane = 0; lane < lanes; lane++) {
            const bp_real e = lane < at.rows ? v.A[out + j * lanes + lane] - T[lane * n_out + j] : (bp_real)0;
            squares[lane] += (double)e * (double)e;
            dY[j * lanes + lane] = (bp_real)step->share * e;
        }
    for (size_t lane = 0; lane < at.rows; lane++)
        L += step->share * (squares[lane] / 2);
    if (lanes == 1 && !isfinite((bp_real)L))
        return L; /* before anything is written */
    pull_back(&net->layers[net->n_layers - 1], n_out * lanes, v.Z + out, v.A + out, dY);
    backward(net, lanes, &v, out, d, &step->to, false);
    return L;
}

double bpi_small_step(const bp_network *net, size_t batch, const bp_real *X, const bp_real *T, double share,
                      const struct bpi_sink *sink)
{
    bp_real sum[MOST_PARAMS];
    const struct step step = { X, T, share, { sum, sink } };
    if (batch == 1)
        return step_rows(net, 1, (struct stretch){ 0, 1 }, &step, 0);

    double L = 0;
    clear(net->parameters.n_params, sum);
    for (struct stretch at = { 0 }; next(&at, batch);)
        L = step_rows(net, LANES, at, &step, L);
    if (isfinite((bp_real)L))
        put(net, sink, sum);
    return L;
}

// NOLINTEND(clang-analyzer-core.*)
