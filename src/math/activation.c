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

/*
 * The functions below are written for one number, f and f', and made into a pair of loops by ELEMENTWISE. All of them need
 * Z for their derivative.
 */
#define ELEMENTWISE(name)                                                                                                  \
    static void name##_apply(size_t rows, size_t n, bp_real p, void *user, const bp_real *Z, bp_real *A)                   \
    {                                                                                                                      \
        UNUSED(user);                                                                                                      \
        for (size_t i = 0; i < rows * n; i++)                                                                              \
            A[i] = name##_value(Z[i], p);                                                                                  \
    }                                                                                                                      \
    static void name##_pull_back(size_t rows, size_t n, bp_real p, void *user, const bp_real *Z, const bp_real *A,         \
                                 const bp_real *dA, bp_real *dZ)                                                           \
    {                                                                                                                      \
        UNUSED(user), UNUSED(A);                                                                                           \
        for (size_t i = 0; i < rows * n; i++)                                                                              \
            dZ[i] = dA[i] * name##_slope(Z[i], p);                                                                         \
    }

/* 1 / (1 + e^-z) for one number, without overflow. */
static bp_real logistic(bp_real z)
{
    const bp_real e = BPI_EXP(-BPI_FABS(z));
    return (z < (bp_real)0 ? e : (bp_real)1) / ((bp_real)1 + e);
}

/* log(1 + e^z) for one number: exact where e^z would overflow or vanish. */
static bp_real log_1_plus_exp(bp_real z)
{
    return (z < (bp_real)0 ? (bp_real)0 : z) + BPI_LOG1P(BPI_EXP(-BPI_FABS(z)));
}

/* f(z) = z where z > 0, else p (e^z - 1),  f'(z) = 1 or p e^z. A kink at 0 unless p is 1, where the value is p. */
static bp_real elu_value(bp_real z, bp_real p)
{
    return z > (bp_real)0 ? z : p * BPI_EXPM1(z);
}
static bp_real elu_slope(bp_real z, bp_real p)
{
    return z > (bp_real)0 ? (bp_real)1 : p * BPI_EXP(z);
}
ELEMENTWISE(elu)

/* f(z) = s (z where z > 0, else a (e^z - 1)), the s and a for which mean 0 and variance 1 reproduce themselves. */
#define SELU_SCALE ((bp_real)1.0507009873554804934193349852946)
#define SELU_ALPHA ((bp_real)1.6732632423543772848170429916717)
static bp_real selu_value(bp_real z, bp_real p)
{
    UNUSED(p);
    return SELU_SCALE * elu_value(z, SELU_ALPHA);
}
static bp_real selu_slope(bp_real z, bp_real p)
{
    UNUSED(p);
    return SELU_SCALE * elu_slope(z, SELU_ALPHA);
}
ELEMENTWISE(selu)

/* Phi(z) = erfc(-z / sqrt 2) / 2, which keeps its digits in the lower tail;  Phi'(z) = e^(-z^2 / 2) / sqrt(2 pi). */
static bp_real normal_distribution(bp_real z)
{
    return (bp_real)0.5 * BPI_ERFC(z * (bp_real)-0.70710678118654752440);
}

/* f(z) = z Phi(z),  f'(z) = Phi(z) + z Phi'(z). Far out z Phi'(z) is 0, and z times Phi is z or 0, also for infinite z. */
static bp_real gelu_value(bp_real z, bp_real p)
{
    UNUSED(p);
    const bp_real phi = normal_distribution(z);
    return phi == (bp_real)0 ? (bp_real)0 : z * phi;
}
static bp_real gelu_slope(bp_real z, bp_real p)
{
    UNUSED(p);
    const bp_real density = (bp_real)0.39894228040143267794 * BPI_EXP((bp_real)-0.5 * z * z);
    return normal_distribution(z) + (density == (bp_real)0 ? (bp_real)0 : z * density);
}
ELEMENTWISE(gelu)

/* u = sqrt(2/pi) (z + c z^3),  f(z) = z/2 (1 + tanh u),  f'(z) = 1/2 (1 + tanh u) + z/2 (1 - tanh^2 u) u'. */
#define GELU_C ((bp_real)0.044715)
#define SQRT_2_BY_PI ((bp_real)0.79788456080286535588)
static bp_real gelu_tanh_of_u(bp_real z)
{
    return BPI_TANH(SQRT_2_BY_PI * (z + GELU_C * z * z * z));
}
static bp_real gelu_tanh_value(bp_real z, bp_real p)
{
    UNUSED(p);
    const bp_real twice_phi = (bp_real)1 + gelu_tanh_of_u(z);
    return twice_phi == (bp_real)0 ? (bp_real)0 : (bp_real)0.5 * z * twice_phi;
}
static bp_real gelu_tanh_slope(bp_real z, bp_real p)
{
    UNUSED(p);
    const bp_real t = gelu_tanh_of_u(z), slope_of_tanh = (bp_real)1 - t * t;
    const bp_real half = (bp_real)0.5 * ((bp_real)1 + t);
    if (slope_of_tanh == (bp_real)0)
        return half;
    return half + (bp_real)0.5 * z * slope_of_tanh * SQRT_2_BY_PI * ((bp_real)1 + (bp_real)3 * GELU_C * z * z);
}
ELEMENTWISE(gelu_tanh)

/* f(z) = z s(z), s the logistic function,  f'(z) = s + z s (1 - s). */
static bp_real silu_value(bp_real z, bp_real p)
{
    UNUSED(p);
    const bp_real s = logistic(z);
    return s == (bp_real)0 ? (bp_real)0 : z * s;
}
static bp_real silu_slope(bp_real z, bp_real p)
{
    UNUSED(p);
    const bp_real s = logistic(z), slope_of_s = s * logistic(-z);
    return s + (slope_of_s == (bp_real)0 ? (bp_real)0 : z * slope_of_s);
}
ELEMENTWISE(silu)

/* f(z) = z t, t = tanh(log(1 + e^z)),  f'(z) = t + z (1 - t^2) s(z). 1 - t^2 = 4 q / (1 + q)^2 with q = (1 + e^z)^-2. */
static bp_real mish_value(bp_real z, bp_real p)
{
    UNUSED(p);
    const bp_real t = BPI_TANH(log_1_plus_exp(z));
    return t == (bp_real)0 ? (bp_real)0 : z * t;
}
static bp_real mish_slope(bp_real z, bp_real p)
{
    UNUSED(p);
    const bp_real softplus = log_1_plus_exp(z), t = BPI_TANH(softplus);
    const bp_real q = BPI_EXP((bp_real)-2 * softplus),
                  slope_of_tanh = (bp_real)4 * q / (((bp_real)1 + q) * ((bp_real)1 + q));
    const bp_real slope_of_t = slope_of_tanh * logistic(z);
    return t + (slope_of_t == (bp_real)0 ? (bp_real)0 : z * slope_of_t);
}
ELEMENTWISE(mish)

/* f(z) = log(1 + e^z),  f'(z) = 1 / (1 + e^-z). */
static bp_real softplus_value(bp_real z, bp_real p)
{
    UNUSED(p);
    return log_1_plus_exp(z);
}
static bp_real softplus_slope(bp_real z, bp_real p)
{
    UNUSED(p);
    return logistic(z);
}
ELEMENTWISE(softplus)

/* f(z) = z / (1 + |z|),  f'(z) = 1 / (1 + |z|)^2. */
static bp_real softsign_value(bp_real z, bp_real p)
{
    UNUSED(p);
    const bp_real m = BPI_FABS(z);
    return m > BP_REAL_MAX ? (z > (bp_real)0 ? (bp_real)1 : (bp_real)-1) : z / ((bp_real)1 + m);
}
static bp_real softsign_slope(bp_real z, bp_real p)
{
    UNUSED(p);
    const bp_real r = (bp_real)1 / ((bp_real)1 + BPI_FABS(z));
    return r * r;
}
ELEMENTWISE(softsign)

/* f(z) = min(max(z + 3, 0), 6) / 6,  f'(z) = 1/6 strictly between -3 and 3, else 0. */
static bp_real hard_sigmoid_value(bp_real z, bp_real p)
{
    UNUSED(p);
    const bp_real above = z + (bp_real)3 < (bp_real)0 ? (bp_real)0 : z + (bp_real)3;
    return (above > (bp_real)6 ? (bp_real)6 : above) / (bp_real)6;
}
static bp_real hard_sigmoid_slope(bp_real z, bp_real p)
{
    UNUSED(p);
    return z > (bp_real)-3 && z < (bp_real)3 ? (bp_real)1 / (bp_real)6 : (bp_real)0;
}
static int hard_sigmoid_piece(bp_real z, bp_real a)
{
    UNUSED(a);
    return (z > (bp_real)-3) + (z >= (bp_real)3);
}
ELEMENTWISE(hard_sigmoid)

/* f(z) = min(max(z, -1), 1),  f'(z) = 1 strictly between -1 and 1, which is where f(z) is, else 0. */
static void hard_tanh_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    UNUSED(parameter), UNUSED(user);
    for (size_t i = 0; i < rows * n; i++) {
        const bp_real above = Z[i] < (bp_real)-1 ? (bp_real)-1 : Z[i];
        A[i] = above > (bp_real)1 ? (bp_real)1 : above;
    }
}

static void hard_tanh_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                                const bp_real *dA, bp_real *dZ)
{
    UNUSED(parameter), UNUSED(user), UNUSED(Z);
    for (size_t i = 0; i < rows * n; i++)
        dZ[i] = dA[i] * (A[i] > (bp_real)-1 && A[i] < (bp_real)1 ? (bp_real)1 : (bp_real)0); /* NaN times 0 is NaN */
}

static int hard_tanh_piece(bp_real z, bp_real a)
{
    UNUSED(z);
    return (a > (bp_real)-1) + (a >= (bp_real)1);
}

/* f(z) = e^(-z^2),  f'(z) = -2 z f(z). */
static bp_real gaussian_value(bp_real z, bp_real p)
{
    UNUSED(p);
    return BPI_EXP(-z * z);
}
static bp_real gaussian_slope(bp_real z, bp_real p)
{
    const bp_real f = gaussian_value(z, p);
    return f == (bp_real)0 ? (bp_real)0 : (bp_real)-2 * z * f;
}
ELEMENTWISE(gaussian)

/* f(z) = sin z,  f'(z) = cos z. */
static bp_real sine_value(bp_real z, bp_real p)
{
    UNUSED(p);
    return BPI_SIN(z);
}
static bp_real sine_slope(bp_real z, bp_real p)
{
    UNUSED(p);
    return BPI_COS(z);
}
ELEMENTWISE(sine)

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

#define ROW(activation, function, piece_of)                                                                                \
    [activation] = { .name = #function,                                                                                    \
                     .apply = function##_apply,                                                                            \
                     .pull_back = function##_pull_back,                                                                    \
                     .piece = (piece_of),                                                                                  \
                     .needs_Z = true }

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
    [BP_ELU] = { .name = "elu",
                 .apply = elu_apply,
                 .pull_back = elu_pull_back,
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
    [BP_HARD_TANH] = { .name = "hard_tanh",
                       .apply = hard_tanh_apply,
                       .pull_back = hard_tanh_pull_back,
                       .piece = hard_tanh_piece },
    ROW(BP_GAUSSIAN, gaussian, NULL),
    ROW(BP_SINE, sine, NULL),
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
