// SPDX-License-Identifier: MIT
/*
 * The activation functions with their derivatives. Which arrays hold Z and A, and when, is the layer's affair.
 *
 * A NaN goes through every one of them: it must reach the loss, where it is noticed.
 */
#include "math/activation.h"

#define UNUSED(x) ((void)(x))

/* f(z) = z,  f'(z) = 1. */
static void identity_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    UNUSED(parameter), UNUSED(user);
    if (A == Z)
        return;
    for (size_t i = 0; i < rows * n; i++)
        A[i] = Z[i];
}

static void identity_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                               const bp_real *dA, bp_real *dZ)
{
    UNUSED(Z), UNUSED(A);
    identity_apply(rows, n, parameter, user, dA, dZ);
}

/* f(z) = 1 / (1 + e^-z),  f'(z) = f(z) (1 - f(z)). e^-|z| cannot overflow. */
static void sigmoid_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    UNUSED(parameter), UNUSED(user);
    for (size_t i = 0; i < rows * n; i++) {
        const bp_real e = BPI_EXP(-BPI_FABS(Z[i]));
        A[i] = (Z[i] < (bp_real)0 ? e : (bp_real)1) / ((bp_real)1 + e);
    }
}

static void sigmoid_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                              const bp_real *dA, bp_real *dZ)
{
    UNUSED(parameter), UNUSED(user), UNUSED(Z);
    for (size_t i = 0; i < rows * n; i++)
        dZ[i] = dA[i] * (A[i] * ((bp_real)1 - A[i]));
}

/* f(z) = tanh z,  f'(z) = 1 - f(z)^2. */
static void tanh_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    UNUSED(parameter), UNUSED(user);
    for (size_t i = 0; i < rows * n; i++)
        A[i] = BPI_TANH(Z[i]);
}

static void tanh_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                           const bp_real *dA, bp_real *dZ)
{
    UNUSED(parameter), UNUSED(user), UNUSED(Z);
    for (size_t i = 0; i < rows * n; i++)
        dZ[i] = dA[i] * ((bp_real)1 - A[i] * A[i]);
}

/* f(z) = max(z, 0),  f'(z) = 1 where z > 0, which is where f(z) > 0, else 0. */
static void relu_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    UNUSED(parameter), UNUSED(user);
    for (size_t i = 0; i < rows * n; i++)
        A[i] = Z[i] < (bp_real)0 ? (bp_real)0 : Z[i];
}

static void relu_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                           const bp_real *dA, bp_real *dZ)
{
    UNUSED(parameter), UNUSED(user), UNUSED(Z);
    for (size_t i = 0; i < rows * n; i++)
        dZ[i] = A[i] > (bp_real)0 ? dA[i] : (bp_real)0;
}

static int relu_piece(bp_real z, bp_real a)
{
    UNUSED(z);
    return a > (bp_real)0;
}

/* f(z) = z where z > 0, else p z,  f'(z) = 1 or p. Of any sign of p, so only Z tells which piece it was. */
static void leaky_relu_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    UNUSED(user);
    for (size_t i = 0; i < rows * n; i++)
        A[i] = Z[i] > (bp_real)0 ? Z[i] : parameter * Z[i];
}

static void leaky_relu_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                                 const bp_real *dA, bp_real *dZ)
{
    UNUSED(user), UNUSED(A);
    for (size_t i = 0; i < rows * n; i++)
        dZ[i] = Z[i] > (bp_real)0 ? dA[i] : parameter * dA[i];
}

static int leaky_relu_piece(bp_real z, bp_real a)
{
    UNUSED(a);
    return z > (bp_real)0;
}

static bp_real largest(size_t n, const bp_real *z)
{
    bp_real max = z[0];
    for (size_t j = 1; j < n; j++)
        max = z[j] > max ? z[j] : max;
    return max;
}

/* f(z)_j = e^(z_j - m) / sum_k e^(z_k - m), m = max z, so that the largest term is 1 and none overflows. */
static void softmax_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    UNUSED(parameter), UNUSED(user);
    for (size_t i = 0; i < rows; i++) {
        const bp_real *z = Z + i * n;
        bp_real *a = A + i * n;
        const bp_real max = largest(n, z);

        bp_real sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += a[j] = BPI_EXP(z[j] - max);
        for (size_t j = 0; j < n; j++)
            a[j] /= sum;
    }
}

/* df_j / dz_k = f_j ((j == k) - f_k), so dz_k = f_k (da_k - sum_j da_j f_j). */
static void softmax_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                              const bp_real *dA, bp_real *dZ)
{
    UNUSED(parameter), UNUSED(user), UNUSED(Z);
    for (size_t i = 0; i < rows; i++) {
        const bp_real *a = A + i * n, *da = dA + i * n;
        bp_real *dz = dZ + i * n;

        bp_real sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += da[j] * a[j];
        for (size_t j = 0; j < n; j++)
            dz[j] = a[j] * (da[j] - sum);
    }
}

static const bpi_activation_row table[BP_N_ACTIVATIONS] = {
    [BP_IDENTITY] = { .name = "identity", .apply = identity_apply, .pull_back = identity_pull_back },
    [BP_SIGMOID] = { .name = "sigmoid", .apply = sigmoid_apply, .pull_back = sigmoid_pull_back },
    [BP_TANH] = { .name = "tanh", .apply = tanh_apply, .pull_back = tanh_pull_back },
    [BP_RELU] = { .name = "relu", .apply = relu_apply, .pull_back = relu_pull_back, .piece = relu_piece },
    [BP_LEAKY_RELU] = { .name = "leaky_relu",
                        .apply = leaky_relu_apply,
                        .pull_back = leaky_relu_pull_back,
                        .piece = leaky_relu_piece,
                        .needs_Z = true,
                        .has_parameter = true,
                        .default_parameter = (bp_real)0.01 },
    [BP_SOFTMAX] = { .name = "softmax", .apply = softmax_apply, .pull_back = softmax_pull_back },
};

const bpi_activation_row *bpi_activation(bp_activation activation)
{
    return (size_t)activation < BP_N_ACTIVATIONS ? &table[activation] : NULL;
}

const char *bp_activation_name(bp_activation activation)
{
    const bpi_activation_row *row = bpi_activation(activation);
    return row != NULL ? row->name : "unknown";
}
