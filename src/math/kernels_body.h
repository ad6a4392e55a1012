// SPDX-License-Identifier: MIT
/*
 * The text of the kernels, compiled for one instruction set by each file that includes it, which names the table that comes
 * out (KERNELS, KERNELS_NAME).
 *
 * Loops whose rounds do not know of each other, so that the compiler does several at a time. It does the rest of a loop one
 * by one: in the same operations, each rounded as IEEE 754 says, so the bits are the same.
 */
#include "math/kernel_functions.h"
#include "math/kernel_levels.h"
#include "math/vector_loop.h"

#define UNUSED(x) ((void)(x))

static void exp_map(size_t n, const bp_real *x, bp_real *y)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = exp_of(x[i]);
}

/*
 * x as a number that a compiler knows nothing about. GCC makes one instruction of y > x ? x : y, which a NaN gets through, only if it does
 * not see what x is: for a constant it compares, and then selects.
 */
static inline bp_real hidden(bp_real x)
{
    const volatile bp_real where = x;
    return where;
}

/* tanh x, `limit` being TANH_1_ABOVE. */
static inline bp_real tanh_up_to(bp_real x, bp_real limit)
{
    return tanh_within(x, at_most(limit, BPI_FABS(x)));
}

static void tanh_map(size_t n, const bp_real *x, bp_real *y)
{
    const bp_real limit = hidden(TANH_1_ABOVE);
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = tanh_up_to(x[i], limit);
}

static void sigmoid_map(size_t n, const bp_real *x, bp_real *y)
{
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++)
        y[i] = sigmoid_of(x[i]);
}

/* ---- Activations ----------------------------------------------------------------------------------------------------- */

/*
 * Each is written for one number: its value for z, and its slope for z and a = f(z), p being the parameter. What stands in
 * for an infinity times 0 far out is 0.
 */
enum { NARROW = 16 };

/* One copy of a loop that is called from two places: these are most of the library's code. */
#if defined(__GNUC__)
#define OUT_OF_LINE __attribute__((noinline))
#else
#define OUT_OF_LINE
#endif

#define VALUE_LOOPS(name)                                                                                                  \
    OUT_OF_LINE static void name##_apply(size_t n, bp_real p, const bp_real *Z, bp_real *A)                                \
    {                                                                                                                      \
        VECTOR_LOOP                                                                                                        \
        for (size_t i = 0; i < n; i++)                                                                                     \
            A[i] = name##_value(Z[i], p);                                                                                  \
    }                                                                                                                      \
    static void name##_row_with_bias(size_t n, bp_real p, const bp_real *b, bp_real *z, bp_real *a)                        \
    {                                                                                                                      \
        VECTOR_LOOP                                                                                                        \
        for (size_t j = 0; j < n; j++) {                                                                                   \
            z[j] += b[j];                                                                                                  \
            a[j] = name##_value(z[j], p);                                                                                  \
        }                                                                                                                  \
    }                                                                                                                      \
    static void name##_apply_with_bias(size_t rows, size_t n, bp_real p, const bp_real *b, bp_real *Z, bp_real *A)         \
    {                                                                                                                      \
        if (n < NARROW) { /* whole vectors only over the end of rows */                                                    \
            add_bias(rows, n, b, Z);                                                                                       \
            name##_apply(rows *n, p, Z, A);                                                                                \
            return;                                                                                                        \
        }                                                                                                                  \
        for (size_t i = 0; i < rows; i++)                                                                                  \
            name##_row_with_bias(n, p, b, Z + i * n, A + i * n);                                                           \
    }

#define PULL_BACK_LOOP(name)                                                                                               \
    static void name##_pull_back(size_t n, bp_real p, const bp_real *Z, const bp_real *A, const bp_real *dA, bp_real *dZ)  \
    {                                                                                                                      \
        VECTOR_LOOP                                                                                                        \
        for (size_t i = 0; i < n; i++)                                                                                     \
            dZ[i] = dA[i] * name##_slope(Z[i], A[i], p);                                                                   \
    }

#define LOOPS(name) VALUE_LOOPS(name) PULL_BACK_LOOP(name)

static void add_bias(size_t rows, size_t n, const bp_real *b, bp_real *Z)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++)
            Z[i * n + j] += b[j];
}

/* f(z) = z,  f'(z) = 1. */
static inline bp_real identity_value(bp_real z, bp_real p)
{
    UNUSED(p);
    return z;
}
static inline bp_real identity_slope(bp_real z, bp_real a, bp_real p)
{
    UNUSED(z), UNUSED(a), UNUSED(p);
    return (bp_real)1;
}
LOOPS(identity)

/* f(z) = 1 / (1 + e^-z),  f'(z) = f(z) (1 - f(z)). */
static inline bp_real sigmoid_value(bp_real z, bp_real p)
{
    UNUSED(p);
    return sigmoid_of(z);
}
static inline bp_real sigmoid_slope(bp_real z, bp_real a, bp_real p)
{
    UNUSED(z), UNUSED(p);
    return a * ((bp_real)1 - a);
}
LOOPS(sigmoid)

/* f(z) = tanh z,  f'(z) = 1 - f(z)^2. */
static inline bp_real limited_tanh_value(bp_real z, bp_real limit)
{
    return tanh_up_to(z, limit);
}
VALUE_LOOPS(limited_tanh)
static void tanh_apply(size_t n, bp_real p, const bp_real *Z, bp_real *A)
{
    UNUSED(p);
    limited_tanh_apply(n, hidden(TANH_1_ABOVE), Z, A);
}
static void tanh_apply_with_bias(size_t rows, size_t n, bp_real p, const bp_real *b, bp_real *Z, bp_real *A)
{
    UNUSED(p);
    limited_tanh_apply_with_bias(rows, n, hidden(TANH_1_ABOVE), b, Z, A);
}
static inline bp_real tanh_slope(bp_real z, bp_real a, bp_real p)
{
    UNUSED(z), UNUSED(p);
    return (bp_real)1 - a * a;
}
PULL_BACK_LOOP(tanh)

/* f(z) = max(z, 0),  f'(z) = 1 where z > 0, which is where f(z) > 0, else 0. */
static inline bp_real relu_value(bp_real z, bp_real p)
{
    UNUSED(p);
    return z < (bp_real)0 ? (bp_real)0 : z;
}
VALUE_LOOPS(relu)
static void relu_pull_back(size_t n, bp_real p, const bp_real *Z, const bp_real *A, const bp_real *dA, bp_real *dZ)
{
    UNUSED(p), UNUSED(Z);
    VECTOR_LOOP
    for (size_t i = 0; i < n; i++)
        dZ[i] = A[i] > (bp_real)0 ? dA[i] : (bp_real)0;
}

/* f(z) = z where z > 0, else p z,  f'(z) = 1 or p. Of any sign of p, so only Z tells which piece it was. */
static inline bp_real leaky_relu_value(bp_real z, bp_real p)
{
    return z > (bp_real)0 ? z : p * z;
}
static inline bp_real leaky_relu_slope(bp_real z, bp_real a, bp_real p)
{
    UNUSED(a);
    return z > (bp_real)0 ? (bp_real)1 : p;
}
LOOPS(leaky_relu)

/* f(z) = z where z > 0, else p (e^z - 1),  f'(z) = 1 or p e^z. A kink at 0 unless p is 1, where the value is p. */
static inline bp_real elu_value(bp_real z, bp_real p)
{
    const bp_real below = at_least(MINUS_1_BELOW, at_most((bp_real)0, z));
    return z > (bp_real)0 ? z : p * exp_minus_1_of(below);
}
static inline bp_real elu_slope(bp_real z, bp_real a, bp_real p)
{
    UNUSED(a);
    const bp_real e = exp_of(z);
    return z > (bp_real)0 ? (bp_real)1 : p * e;
}
LOOPS(elu)

/* f(z) = s (z where z > 0, else a (e^z - 1)), the s and a for which mean 0 and variance 1 reproduce themselves. */
#define SELU_SCALE ((bp_real)1.0507009873554804934193349852946)
#define SELU_ALPHA ((bp_real)1.6732632423543772848170429916717)
static inline bp_real selu_value(bp_real z, bp_real p)
{
    UNUSED(p);
    return SELU_SCALE * elu_value(z, SELU_ALPHA);
}
static inline bp_real selu_slope(bp_real z, bp_real a, bp_real p)
{
    UNUSED(p);
    return SELU_SCALE * elu_slope(z, a, SELU_ALPHA);
}
LOOPS(selu)

/*
 * Phi(-a) for a >= 0 is e^(-a^2 / 2) P(t) / (a + c), t = (a - c) / (a + c), with c chosen for P to be smooth over -1..1
 * (after Shepherd and Laframboise, Mathematics of Computation 36, 1981).
 */
#ifdef BACKPROP_SINGLE
#define NORMAL_TAIL_C 3.0F
#else
#define NORMAL_TAIL_C 4.0
#endif
static inline bp_real normal_tail(bp_real a, bp_real density)
{
    const bp_real inverse = (bp_real)1 / (a + NORMAL_TAIL_C), t = (a - NORMAL_TAIL_C) * inverse, t2 = t * t;
    // clang-format off
#ifdef BACKPROP_SINGLE
    bp_real even = -0x1.2e8e76p-17F, odd = -0x1.057294p-16F;
    even = MULTIPLY_ADD(even, t2, 0x1.069dcep-14F); odd = MULTIPLY_ADD(odd, t2, 0x1.44d13cp-13F);
    even = MULTIPLY_ADD(even, t2, -0x1.00e1eap-12F); odd = MULTIPLY_ADD(odd, t2, -0x1.122404p-10F);
    even = MULTIPLY_ADD(even, t2, 0x1.0c3dccp-10F); odd = MULTIPLY_ADD(odd, t2, 0x1.c8f51cp-8F);
    even = MULTIPLY_ADD(even, t2, -0x1.56d262p-7F); odd = MULTIPLY_ADD(odd, t2, -0x1.832dc4p-5F);
    even = MULTIPLY_ADD(even, t2, 0x1.d71380p-3F); odd = MULTIPLY_ADD(odd, t2, -0x1.04c72ap-1F);
    even = MULTIPLY_ADD(even, t2, 0x1.754a76p-1F);
#else
    bp_real even = -0x1.d294bdc8204afp-30, odd = -0x1.62f57e3d89d1dp-30;
    even = MULTIPLY_ADD(even, t2, 0x1.150ba8da35fd7p-26); odd = MULTIPLY_ADD(odd, t2, 0x1.51619237707c7p-26);
    even = MULTIPLY_ADD(even, t2, -0x1.5314f990bff34p-24); odd = MULTIPLY_ADD(odd, t2, -0x1.5cb1aeb3facb8p-23);
    even = MULTIPLY_ADD(even, t2, 0x1.1c87c4c37c7f6p-22); odd = MULTIPLY_ADD(odd, t2, 0x1.13b8f5a3be046p-20);
    even = MULTIPLY_ADD(even, t2, -0x1.4fa665fa6e079p-21); odd = MULTIPLY_ADD(odd, t2, -0x1.8d7c7955fc64dp-18);
    even = MULTIPLY_ADD(even, t2, 0x1.7fba0b671df5ep-21); odd = MULTIPLY_ADD(odd, t2, 0x1.26d2b5eab4a3cp-15);
    even = MULTIPLY_ADD(even, t2, -0x1.000d2264f5890p-19); odd = MULTIPLY_ADD(odd, t2, -0x1.e4a443a8847afp-13);
    even = MULTIPLY_ADD(even, t2, 0x1.17a4a252ac14fp-13); odd = MULTIPLY_ADD(odd, t2, 0x1.ab8260470fe0cp-10);
    even = MULTIPLY_ADD(even, t2, -0x1.c81719c24261ep-9); odd = MULTIPLY_ADD(odd, t2, -0x1.ee2761071ae9bp-8);
    even = MULTIPLY_ADD(even, t2, 0x1.eec4cc3e3da8fp-5); odd = MULTIPLY_ADD(odd, t2, -0x1.7dff2bff67787p-3);
    even = MULTIPLY_ADD(even, t2, 0x1.8c6dbf2cfc34fp-2); odd = MULTIPLY_ADD(odd, t2, -0x1.373e3a893c292p-1);
    even = MULTIPLY_ADD(even, t2, 0x1.82b4bb8c94dcep-1);
#endif
    // clang-format on
    return density * (MULTIPLY_ADD(odd, t, even) * inverse);
}

/* f(z) = z Phi(z),  f'(z) = Phi(z) + z Phi'(z), Phi'(z) = e^(-z^2 / 2) / sqrt(2 pi). */
static inline bp_real gelu_value(bp_real z, bp_real p)
{
    UNUSED(p);
    const bp_real tail = normal_tail(at_most((bp_real)100, BPI_FABS(z)), exp_from_below((bp_real)-0.5 * z * z));
    const bp_real phi = by_sign_of(z, tail, (bp_real)1 - tail);
    return phi == (bp_real)0 ? (bp_real)0 : z * phi;
}
static inline bp_real gelu_slope(bp_real z, bp_real a, bp_real p)
{
    UNUSED(a), UNUSED(p);
    const bp_real density = exp_from_below((bp_real)-0.5 * z * z);
    const bp_real tail = normal_tail(at_most((bp_real)100, BPI_FABS(z)), density);
    const bp_real along = (bp_real)0.39894228040143267794 * density * z;
    return by_sign_of(z, tail, (bp_real)1 - tail) + (density == (bp_real)0 ? (bp_real)0 : along);
}
LOOPS(gelu)

/* u = sqrt(2/pi) (z + c z^3),  f(z) = z/2 (1 + tanh u) = z s(2 u), s the logistic function,
 * f'(z) = s(2 u) + z s(2 u) s(-2 u) 2 u'. */
#define GELU_C ((bp_real)0.044715)
#define TWICE_SQRT_2_BY_PI ((bp_real)1.5957691216057307117597842397375)
static inline bp_real gelu_tanh_value(bp_real z, bp_real p)
{
    UNUSED(p);
    const bp_real s = sigmoid_of(TWICE_SQRT_2_BY_PI * (z + GELU_C * z * z * z));
    return s == (bp_real)0 ? (bp_real)0 : z * s;
}
static inline bp_real gelu_tanh_slope(bp_real z, bp_real a, bp_real p)
{
    UNUSED(a), UNUSED(p);
    const bp_real e = exp_from_below(-TWICE_SQRT_2_BY_PI * BPI_FABS(z + GELU_C * z * z * z)),
                  inverse = (bp_real)1 / ((bp_real)1 + e);
    const bp_real slope_of_s = e * inverse * inverse;
    const bp_real along = z * slope_of_s * TWICE_SQRT_2_BY_PI * ((bp_real)1 + (bp_real)3 * GELU_C * z * z);
    return by_sign_of(z, e, (bp_real)1) * inverse + (slope_of_s == (bp_real)0 ? (bp_real)0 : along);
}
LOOPS(gelu_tanh)

/* f(z) = z s(z), s the logistic function,  f'(z) = s + z s (1 - s). */
static inline bp_real silu_value(bp_real z, bp_real p)
{
    UNUSED(p);
    const bp_real s = sigmoid_of(z);
    return s == (bp_real)0 ? (bp_real)0 : z * s;
}
static inline bp_real silu_slope(bp_real z, bp_real a, bp_real p)
{
    UNUSED(a), UNUSED(p);
    const bp_real e = exp_from_below(-BPI_FABS(z)), inverse = (bp_real)1 / ((bp_real)1 + e),
                  slope_of_s = e * inverse * inverse;
    const bp_real along = z * slope_of_s;
    return by_sign_of(z, e, (bp_real)1) * inverse + (slope_of_s == (bp_real)0 ? (bp_real)0 : along);
}
LOOPS(silu)

/*
 * f(z) = z t, t = tanh(log(1 + e^z)) = q / (q + 2), q = e^z (e^z + 2), and 1 - t^2 = 4 (e^z + 1)^2 / (q + 2)^2,
 * f'(z) = t + z (1 - t^2) s(z). Where z > 0 all is divided by e^2z, so that nothing overflows.
 */
static inline bp_real mish_value(bp_real z, bp_real p)
{
    UNUSED(p);
    const bp_real e = exp_from_below(-BPI_FABS(z));
    const bp_real q = z < (bp_real)0 ? e * (e + (bp_real)2) : (bp_real)1 + (bp_real)2 * e;
    const bp_real t = q / (q + (z < (bp_real)0 ? (bp_real)2 : (bp_real)2 * e * e));
    return t == (bp_real)0 ? (bp_real)0 : z * t;
}
static inline bp_real mish_slope(bp_real z, bp_real a, bp_real p)
{
    UNUSED(a), UNUSED(p);
    const bp_real e = exp_from_below(-BPI_FABS(z)), root = (bp_real)1 + e;
    const bp_real q = z < (bp_real)0 ? e * (e + (bp_real)2) : (bp_real)1 + (bp_real)2 * e;
    const bp_real inverse = (bp_real)1 / (q + (z < (bp_real)0 ? (bp_real)2 : (bp_real)2 * e * e));
    /* (1 - t^2) s(z) = 4 root^2 inverse^2 e / root below 0, and e^2 times that over e above */
    const bp_real slope_of_t = (bp_real)4 * root * e * (z < (bp_real)0 ? (bp_real)1 : e) * inverse * inverse;
    const bp_real along = z * slope_of_t;
    return q * inverse + (slope_of_t == (bp_real)0 ? (bp_real)0 : along);
}
LOOPS(mish)

/* f(z) = log(1 + e^z),  f'(z) = 1 / (1 + e^-z). */
static inline bp_real softplus_value(bp_real z, bp_real p)
{
    UNUSED(p);
    return log_1_plus_exp_of(z);
}
static inline bp_real softplus_slope(bp_real z, bp_real a, bp_real p)
{
    UNUSED(a), UNUSED(p);
    return sigmoid_of(z);
}
LOOPS(softplus)

/* f(z) = z / (1 + |z|),  f'(z) = 1 / (1 + |z|)^2. */
static inline bp_real softsign_value(bp_real z, bp_real p)
{
    UNUSED(p);
    const bp_real size = BPI_FABS(z), limit = z > (bp_real)0 ? (bp_real)1 : (bp_real)-1;
    return size > BP_REAL_MAX ? limit : z / ((bp_real)1 + size);
}
static inline bp_real softsign_slope(bp_real z, bp_real a, bp_real p)
{
    UNUSED(a), UNUSED(p);
    const bp_real r = (bp_real)1 / ((bp_real)1 + BPI_FABS(z));
    return r * r;
}
LOOPS(softsign)

/* f(z) = min(max(z + 3, 0), 6) / 6,  f'(z) = 1/6 strictly between -3 and 3, else 0. */
static inline bp_real hard_sigmoid_value(bp_real z, bp_real p)
{
    UNUSED(p);
    return at_most((bp_real)6, at_least((bp_real)0, z + (bp_real)3)) / (bp_real)6;
}
static inline bp_real hard_sigmoid_slope(bp_real z, bp_real a, bp_real p)
{
    UNUSED(a), UNUSED(p);
    return BPI_FABS(z) < (bp_real)3 ? (bp_real)1 / (bp_real)6 : (bp_real)0;
}
LOOPS(hard_sigmoid)

/* f(z) = min(max(z, -1), 1),  f'(z) = 1 strictly between -1 and 1, which is where f(z) is, else 0. */
static inline bp_real hard_tanh_value(bp_real z, bp_real p)
{
    UNUSED(p);
    return at_most((bp_real)1, at_least((bp_real)-1, z));
}
static inline bp_real hard_tanh_slope(bp_real z, bp_real a, bp_real p)
{
    UNUSED(z), UNUSED(p);
    return BPI_FABS(a) < (bp_real)1 ? (bp_real)1 : (bp_real)0; /* z is between -1 and 1 where f(z) is */
}
LOOPS(hard_tanh)

/* f(z) = e^(-z^2),  f'(z) = -2 z f(z). */
static inline bp_real gaussian_value(bp_real z, bp_real p)
{
    UNUSED(p);
    return exp_from_below(-z * z);
}
static inline bp_real gaussian_slope(bp_real z, bp_real a, bp_real p)
{
    UNUSED(a), UNUSED(p);
    const bp_real f = exp_from_below(-z * z), slope = (bp_real)-2 * z * f;
    return f == (bp_real)0 ? (bp_real)0 : slope;
}
LOOPS(gaussian)

/* ---- Over rows ------------------------------------------------------------------------------------------------------- */

static bp_real largest(size_t n, const bp_real *z)
{
    bp_real max = z[0];
    for (size_t j = 1; j < n; j++)
        max = z[j] > max ? z[j] : max;
    return max;
}

/* f(z)_j = e^(z_j - m) / sum_k e^(z_k - m), m = max z, so that the largest term is 1 and none overflows. */
static void softmax(size_t rows, size_t n, const bp_real *Z, bp_real *A)
{
    for (size_t i = 0; i < rows; i++) {
        const bp_real max = largest(n, Z + i * n);
        for (size_t j = 0; j < n; j++)
            A[i * n + j] = Z[i * n + j] - max;
    }
    exp_map(rows * n, A, A); /* of all rows in one, for vectors are longer than most of them */
    for (size_t i = 0; i < rows; i++) {
        bp_real sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += A[i * n + j];
        for (size_t j = 0; j < n; j++)
            A[i * n + j] /= sum;
    }
}

/* Four rows at a time, in their order: the sums go through memory a fourth as often. */
static void add_column_sums(size_t rows, size_t n, const bp_real *dZ, bp_real *sums)
{
    size_t i = 0;
    for (; i + 4 <= rows; i += 4, dZ += 4 * n) {
        const bp_real *d0 = dZ, *d1 = dZ + n, *d2 = dZ + 2 * n, *d3 = dZ + 3 * n;
        VECTOR_LOOP
        for (size_t j = 0; j < n; j++)
            sums[j] = (((sums[j] + d0[j]) + d1[j]) + d2[j]) + d3[j];
    }
    for (; i < rows; i++, dZ += n) {
        VECTOR_LOOP
        for (size_t j = 0; j < n; j++)
            sums[j] += dZ[j];
    }
}

/* ---- The table ------------------------------------------------------------------------------------------------------- */

#define EACH_OF(part)                                                                                                      \
    {                                                                                                                      \
        [BP_IDENTITY] = identity_##part, [BP_SIGMOID] = sigmoid_##part, [BP_TANH] = tanh_##part, [BP_RELU] = relu_##part,  \
        [BP_LEAKY_RELU] = leaky_relu_##part, [BP_ELU] = elu_##part, [BP_SELU] = selu_##part, [BP_GELU] = gelu_##part,      \
        [BP_GELU_TANH] = gelu_tanh_##part, [BP_SILU] = silu_##part, [BP_MISH] = mish_##part,                               \
        [BP_SOFTPLUS] = softplus_##part, [BP_SOFTSIGN] = softsign_##part, [BP_HARD_SIGMOID] = hard_sigmoid_##part,         \
        [BP_HARD_TANH] = hard_tanh_##part, [BP_GAUSSIAN] = gaussian_##part                                                 \
    }

const struct bpi_kernels KERNELS = {
    .name = KERNELS_NAME,
    .exp = exp_map,
    .tanh = tanh_map,
    .sigmoid = sigmoid_map,
    .apply = EACH_OF(apply),
    .apply_with_bias = EACH_OF(apply_with_bias),
    .pull_back = EACH_OF(pull_back),
    .softmax = softmax,
    .add_column_sums = add_column_sums,
};
