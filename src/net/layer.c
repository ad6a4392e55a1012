// SPDX-License-Identifier: MIT
/*
 * One dense layer: Z = A_in W^T + 1 b^T, A_out = f(Z), and the gradient of both.
 * Works on one layer and one batch; the walk over layers is in propagation.c, the BLAS calls in gemm.c.
 */
#include "net/layer.h"

#include "math/activation.h"
#include "math/gemm.h"

/* Numbers that stay in the first cache between adding the bias and applying f: 16 KiB in double. */
#define BLOCK 2048

static void add_to_rows(size_t rows, size_t n, const bp_real *b, bp_real *Z)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            Z[i * n + j] += b[j];
}

/* Bias and activation in one pass over Z, a few rows at a time. */
static void add_bias_and_activate(const bp_layer *layer, size_t batch, bp_real *Z, bp_real *A_out)
{
    const size_t n = layer->n_out, block = n < BLOCK ? BLOCK / n : 1;
    const bpi_activation_row *f = bpi_activation(layer->activation);

    for (size_t i = 0; i < batch; i += block) {
        const size_t rows = batch - i < block ? batch - i : block;
        add_to_rows(rows, n, layer->b, Z + i * n);
        f->apply(rows, n, layer->parameter, NULL, Z + i * n, A_out + i * n);
    }
}

void bpi_layer_forward(const bp_layer *layer, size_t batch, const bp_real *A_in, bp_real *Z, bp_real *A_out)
{
    bpi_gemm_nt(batch, layer->n_out, layer->n_in, (bp_real)1, A_in, layer->W, (bp_real)0, Z);
    add_bias_and_activate(layer, batch, Z, A_out);
}

void bpi_layer_pull_back(const bp_layer *layer, size_t batch, const bp_real *Z, const bp_real *A_out, const bp_real *dA_out,
                         bp_real *dZ)
{
    bpi_activation(layer->activation)->pull_back(batch, layer->n_out, layer->parameter, NULL, Z, A_out, dA_out, dZ);
}

/* sums += dZ^T 1, row by row: a fixed order. */
static void add_column_sums(size_t batch, size_t n, const bp_real *dZ, bp_real *sums)
{
    for (size_t i = 0; i < batch; i++)
        for (size_t j = 0; j < n; j++)
            sums[j] += dZ[i * n + j];
}

/* b_to = alpha dZ^T 1 + beta b_to. The sum goes through `row` so that alpha and beta come in once, after it. */
static void bias_gradient(size_t batch, size_t n, const bp_real *dZ, bp_real alpha, bp_real beta, bp_real *b_to,
                          bp_real *row)
{
    add_column_sums(batch, n, dZ, row);
    for (size_t j = 0; j < n; j++) {
        b_to[j] = beta == (bp_real)0 ? alpha * row[j] : alpha * row[j] + beta * b_to[j];
        row[j] = (bp_real)0;
    }
}

void bpi_layer_parameter_gradient(const bp_layer *layer, size_t batch, const bp_real *A_in, const bp_real *dZ,
                                  const struct bpi_sink *sink, size_t offset, bp_real *row)
{
    const size_t n_in = layer->n_in, n_out = layer->n_out;
    bp_real *W_to = sink->base + offset, *b_to = W_to + n_out * n_in;

    bpi_gemm_tn(n_out, n_in, batch, sink->alpha, dZ, A_in, sink->beta, W_to);
    bias_gradient(batch, n_out, dZ, sink->alpha, sink->beta, b_to, row);
}

void bpi_layer_input_gradient(const bp_layer *layer, size_t batch, const bp_real *dZ, bp_real beta, bp_real *dA_in)
{
    bpi_gemm_nn(batch, layer->n_in, layer->n_out, (bp_real)1, dZ, layer->W, beta, dA_in);
}
