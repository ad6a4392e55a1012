// SPDX-License-Identifier: MIT
/*
 * The activation functions with their derivatives. Which arrays hold Z and A, and when, is the layer's affair; what f and f'
 * are stands in kernels_body.h, for all that can be computed on many numbers at once.
 *
 * A NaN goes through every one of them: it must reach the loss, where it is noticed.
 */
#include "math/activation.h"

#include "math/kernels.h"

#define UNUSED(x) ((void)(x))

/* The functions of a row as its kernels. */
#define BY_KERNELS(activation, name)                                                                                       \
    static void name##_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)           \
    {                                                                                                                      \
        UNUSED(user);                                                                                                      \
        bpi_kernels()->apply[activation](rows * n, parameter, Z, A);                                                       \
    }                                                                                                                      \
    static void name##_apply_with_bias(size_t rows, size_t n, bp_real parameter, const bp_real *b, bp_real *Z, bp_real *A) \
    {                                                                                                                      \
        bpi_kernels()->apply_with_bias[activation](rows, n, parameter, b, Z, A);                                           \
    }                                                                                                                      \
    static void name##_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A, \
                                 const bp_real *dA, bp_real *dZ)                                                           \
    {                                                                                                                      \
        UNUSED(user);                                                                                                      \
        bpi_kernels()->pull_back[activation](rows * n, parameter, Z, A, dA, dZ);                                           \
    }

BY_KERNELS(BP_IDENTITY, identity)
BY_KERNELS(BP_SIGMOID, sigmoid)
BY_KERNELS(BP_TANH, tanh)
BY_KERNELS(BP_RELU, relu)
BY_KERNELS(BP_LEAKY_RELU, leaky_relu)
BY_KERNELS(BP_ELU, elu)
BY_KERNELS(BP_SELU, selu)
BY_KERNELS(BP_GELU, gelu)
BY_KERNELS(BP_GELU_TANH, gelu_tanh)
BY_KERNELS(BP_SILU, silu)
BY_KERNELS(BP_MISH, mish)
BY_KERNELS(BP_SOFTPLUS, softplus)
BY_KERNELS(BP_SOFTSIGN, softsign)
BY_KERNELS(BP_HARD_SIGMOID, hard_sigmoid)
BY_KERNELS(BP_HARD_TANH, hard_tanh)
BY_KERNELS(BP_GAUSSIAN, gaussian)

/* f(z) = sin z,  f'(z) = cos z: libm's, whose arguments may be of any size. */
static void sine_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    UNUSED(parameter), UNUSED(user);
    for (size_t i = 0; i < rows * n; i++)
        A[i] = BPI_SIN(Z[i]);
}

static void sine_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                           const bp_real *dA, bp_real *dZ)
{
    UNUSED(parameter), UNUSED(user), UNUSED(A);
    for (size_t i = 0; i < rows * n; i++)
        dZ[i] = dA[i] * BPI_COS(Z[i]);
}

/* f(z)_j = e^(z_j) / sum_k e^(z_k) */
static void softmax_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    UNUSED(parameter), UNUSED(user);
    bpi_kernels()->softmax(rows, n, Z, A);
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

/* ---- Pieces ---------------------------------------------------------------------------------------------------------- */

static int relu_piece(bp_real z, bp_real a)
{
    UNUSED(z);
    return a > (bp_real)0;
}

static int leaky_relu_piece(bp_real z, bp_real a)
{
    UNUSED(a);
    return z > (bp_real)0;
}

static int hard_sigmoid_piece(bp_real z, bp_real a)
{
    UNUSED(a);
    return (z > (bp_real)-3) + (z >= (bp_real)3);
}

static int hard_tanh_piece(bp_real z, bp_real a)
{
    UNUSED(z);
    return (a > (bp_real)-1) + (a >= (bp_real)1);
}

/* ---- The table ------------------------------------------------------------------------------------------------------- */

#define FUNCTIONS(function)                                                                                                \
    .apply = function##_apply, .pull_back = function##_pull_back, .apply_with_bias = function##_apply_with_bias

#define ROW(activation, function, piece_of)                                                                                \
    [activation] = { .name = #function, FUNCTIONS(function), .piece = (piece_of), .needs_Z = true }

static const bpi_activation_row table[BP_N_ACTIVATIONS] = {
    [BP_IDENTITY] = { .name = "identity", FUNCTIONS(identity) },
    [BP_SIGMOID] = { .name = "sigmoid", FUNCTIONS(sigmoid) },
    [BP_TANH] = { .name = "tanh", FUNCTIONS(tanh) },
    [BP_RELU] = { .name = "relu", FUNCTIONS(relu), .piece = relu_piece },
    [BP_LEAKY_RELU] = { .name = "leaky_relu",
                        FUNCTIONS(leaky_relu),
                        .piece = leaky_relu_piece,
                        .needs_Z = true,
                        .has_parameter = true,
                        .default_parameter = (bp_real)0.01 },
    [BP_ELU] = { .name = "elu",
                 FUNCTIONS(elu),
                 .piece = leaky_relu_piece,
                 .needs_Z = true,
                 .has_parameter = true,
                 .default_parameter = 1 },
    ROW(BP_SELU, selu, leaky_relu_piece),
    ROW(BP_GELU, gelu, NULL),
    ROW(BP_GELU_TANH, gelu_tanh, NULL),
    ROW(BP_SILU, silu, NULL),
    ROW(BP_MISH, mish, NULL),
    ROW(BP_SOFTPLUS, softplus, NULL),
    ROW(BP_SOFTSIGN, softsign, leaky_relu_piece),
    ROW(BP_HARD_SIGMOID, hard_sigmoid, hard_sigmoid_piece),
    [BP_HARD_TANH] = { .name = "hard_tanh", FUNCTIONS(hard_tanh), .piece = hard_tanh_piece },
    ROW(BP_GAUSSIAN, gaussian, NULL),
    [BP_SINE] = { .name = "sine", .apply = sine_apply, .pull_back = sine_pull_back, .needs_Z = true },
    [BP_SOFTMAX] = { .name = "softmax", .apply = softmax_apply, .pull_back = softmax_pull_back },
    [BP_CUSTOM_ACTIVATION] = { .name = "custom",
                               .needs_Z = true,
                               .has_parameter = true }, /* its functions are the layer's */
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
