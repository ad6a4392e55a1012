// SPDX-License-Identifier: MIT
/*
 * Activation functions by operators of opset 13.
 *
 * ONNX Runtime has no kernel for doubles of LeakyRelu, Elu, Selu, Softplus, Softsign, HardSigmoid and Erf; its Sigmoid is right
 * to so many digits of 1, not of its value, of which there are none left below -37 (in float -17). All of these, and what is
 * built from them, are formulas here, the same for both number types: exponentials only of numbers <= 0, so that none
 * overflows, and no difference of numbers that are nearly equal.
 */
#include "model/onnx_activation.h"

#include <assert.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

typedef struct bpi_onnx_graph onnx_graph;
typedef struct bpi_onnx_value value;

static value number(double constant)
{
    return bpi_onnx_constant(constant);
}

static value unary(onnx_graph *g, const char *op_type, value a)
{
    return bpi_onnx_unary(g, op_type, a);
}

static value binary(onnx_graph *g, const char *op_type, value a, value b)
{
    return bpi_onnx_binary(g, op_type, a, b);
}

/* z < 0 ? a : b */
static value where_negative(onnx_graph *g, value z, value a, value b)
{
    const value is_negative = binary(g, "Less", z, number(0));
    return bpi_onnx_ternary(g, "Where", is_negative, a, b);
}

/* e^-|z|, in (0, 1] */
static value exp_of_minus_abs(onnx_graph *g, value z)
{
    const value a = unary(g, "Abs", z);
    return unary(g, "Exp", unary(g, "Neg", a));
}

/* ---- The functions: value and parameter p -> value ------------------------------------------------------------------- */

static value identity(onnx_graph *g, value z, double p)
{
    (void)g, (void)p;
    return z;
}

/*
 * In doubles Tanh and Relu are not the next node after Gemm: ONNX Runtime would join the two into a FusedGemm, for which it has
 * no kernel for doubles (in 1.17.3; 1.30.0 runs such models), and refuse the model. Both ways round are exact.
 */
static value tanh_of(onnx_graph *g, value z, double p)
{
    (void)p;
    if (!g->is_f64)
        return unary(g, "Tanh", z);
    const value minus_z = unary(g, "Neg", z);
    return unary(g, "Neg", unary(g, "Tanh", minus_z));
}

static value relu(onnx_graph *g, value z, double p)
{
    (void)p;
    return g->is_f64 ? binary(g, "Max", z, number(0)) : unary(g, "Relu", z);
}

static value sine(onnx_graph *g, value z, double p)
{
    (void)p;
    return unary(g, "Sin", z);
}

static value softmax(onnx_graph *g, value z, double p)
{
    (void)p;
    return bpi_onnx_along(g, "Softmax", z, &(struct bpi_onnx_attribute){ .name = "axis", .value = 1 });
}

/* With e = e^-|z|: (z < 0 ? e : 1) / (1 + e). */
static value sigmoid(onnx_graph *g, value z, double p)
{
    (void)p;
    const value e = exp_of_minus_abs(g, z);
    const value top = where_negative(g, z, e, number(1));
    const value bottom = binary(g, "Add", e, number(1));
    return binary(g, "Div", top, bottom);
}

/* z > 0 ? z : p z */
static value leaky_relu(onnx_graph *g, value z, double p)
{
    const value is_positive = binary(g, "Greater", z, number(0));
    const value below = binary(g, "Mul", z, number(p));
    return bpi_onnx_ternary(g, "Where", is_positive, z, below);
}

/* max(z, 0) + p (e^m - 1), m = min(z, 0), and e^m - 1 = 2 t / (1 - t) with t = tanh(m / 2), which is in (-1, 0]. */
static value elu(onnx_graph *g, value z, double p)
{
    const value m = binary(g, "Min", z, number(0));
    const value half = binary(g, "Mul", m, number(0.5));
    const value t = unary(g, "Tanh", half);
    const value top = binary(g, "Mul", t, number(2));
    const value bottom = binary(g, "Sub", number(1), t);
    const value exp_less_1 = binary(g, "Div", top, bottom);
    const value below = binary(g, "Mul", exp_less_1, number(p));
    const value above = unary(g, "Relu", z);
    return binary(g, "Add", above, below);
}

/* s elu(z) with the a and s of math/activation.c */
static value selu(onnx_graph *g, value z, double p)
{
    (void)p;
    const value unscaled = elu(g, z, 1.6732632423543772848170429916717);
    return binary(g, "Mul", unscaled, number(1.0507009873554804934193349852946));
}

/* Horner's rule: c[0] + c[1] a + ... + c[n-1] a^(n-1). */
static value polynomial(onnx_graph *g, size_t n, const double *c, value a)
{
    value sum = number(c[n - 1]);
    for (size_t j = n - 1; j-- > 0;) {
        const value product = binary(g, "Mul", sum, a);
        sum = binary(g, "Add", product, number(c[j]));
    }
    return sum;
}

/*
 * max(z, 0) - a h(a) with a = |z| and h(a) = 1 - Phi(a), the upper tail of the normal distribution: z (1 - h(z)) above 0, and
 * z h(-z) below, each without a difference that would cancel.
 *
 *   h(a) = e^(-a^2 / 2) P(a) / Q(a)
 *
 * P / Q is the rational function of degrees 9 and 10 that has the smallest largest relative error, 5.4e-17, on [0, 40] as a fit
 * of e^(a^2 / 2) erfc(a / sqrt 2) / 2 in 60 digits (weighted least squares, the weights adapted until the errors are level).
 * All coefficients are positive: nothing cancels, and there is no pole. Beyond 40 the exponential is 0 also in doubles.
 */
static value gelu(onnx_graph *g, value z, double p)
{
    static const double P[] = { 0.49999999999999997321,   0.77549986086034374199,   0.59495381897390653961,
                                0.28998129219608149135,   0.097990674499862314921,  0.023711485284932878237,
                                0.0041082417050837791028, 0.0004931564326621716492, 0.000037503106918274822204,
                                1.39679657653370867e-6 };
    static const double Q[] = { 1.0,
                                2.3488842825235422406,
                                2.5640461420862012084,
                                1.7172947933505344164,
                                0.78387411465840074541,
                                0.25573600620630226645,
                                0.060665037212853705617,
                                0.010391841154596168004,
                                0.0012396611079061688149,
                                0.000094006348185884636491,
                                3.5012497926565784818e-6 };
    (void)p;
    const value magnitude = unary(g, "Abs", z);
    const value a = binary(g, "Min", magnitude, number(40));
    const value square = binary(g, "Mul", a, a);
    const value exponent = binary(g, "Mul", square, number(-0.5));
    const value density = unary(g, "Exp", exponent);
    const value top = polynomial(g, COUNT(P), P, a);
    const value bottom = polynomial(g, COUNT(Q), Q, a);
    const value ratio = binary(g, "Div", top, bottom);
    const value h = binary(g, "Mul", density, ratio);
    const value tail = binary(g, "Mul", a, h);
    const value above = unary(g, "Relu", z);
    return binary(g, "Sub", above, tail);
}

/*
 * z s where s is 0, or was to be and is the smallest number that some exponential gives, for all z below `least`: that is enough
 * of z, whatever it is.
 */
static value product_from(onnx_graph *g, value z, double least, value s)
{
    const value bounded = binary(g, "Max", z, number(least));
    return binary(g, "Mul", bounded, s);
}

/* z/2 (1 + tanh u), u = sqrt(2/pi) (z + 0.044715 z^3) */
static value gelu_tanh(onnx_graph *g, value z, double p)
{
    (void)p;
    const value scaled = binary(g, "Mul", z, number(0.044715));
    const value scaled_square = binary(g, "Mul", scaled, z);
    const value cubic = binary(g, "Mul", scaled_square, z);
    const value sum = binary(g, "Add", z, cubic);
    const value u = binary(g, "Mul", sum, number(0.79788456080286535588));
    const value t = unary(g, "Tanh", u);
    const value twice_phi = binary(g, "Add", t, number(1));
    const value phi = binary(g, "Mul", twice_phi, number(0.5));
    return product_from(g, z, -10, phi);
}

static value silu(onnx_graph *g, value z, double p)
{
    const value s = sigmoid(g, z, p);
    return product_from(g, z, -1000, s);
}

/*
 * tanh(log(1 + e^z)) = (w - 1) / (w + 1) with w = (1 + e^z)^2, which is n / (n + m) with e = e^-|z| and
 *
 *   n = e (e + 2), m = 2         where z < 0
 *   n = 1 + 2 e,   m = 2 e^2     else, after division by e^(2 z).
 */
static value mish(onnx_graph *g, value z, double p)
{
    (void)p;
    const value e = exp_of_minus_abs(g, z);
    const value e_plus_2 = binary(g, "Add", e, number(2));
    const value n_below = binary(g, "Mul", e, e_plus_2);
    const value twice_e = binary(g, "Add", e, e);
    const value n_above = binary(g, "Add", twice_e, number(1));
    const value n = where_negative(g, z, n_below, n_above);
    const value m_above = binary(g, "Mul", twice_e, e);
    const value m = where_negative(g, z, number(2), m_above);
    const value bottom = binary(g, "Add", n, m);
    const value t = binary(g, "Div", n, bottom);
    return product_from(g, z, -1000, t);
}

/*
 * max(z, 0) + log(1 + e) with e = e^-|z|. What 1 + e rounds away of e is put back by the factor e / ((1 + e) - 1); where
 * nothing is left of it the logarithm is e (W. Kahan; Goldberg, ACM Computing Surveys 23, 1991, theorem 4).
 */
static value softplus(onnx_graph *g, value z, double p)
{
    (void)p;
    const value e = exp_of_minus_abs(g, z);
    const value sum = binary(g, "Add", e, number(1));
    const value kept = binary(g, "Sub", sum, number(1));
    const value factor = binary(g, "Div", e, kept);
    const value rough = unary(g, "Log", sum);
    const value mended = binary(g, "Mul", rough, factor);
    const value is_kept = binary(g, "Greater", kept, number(0));
    const value logarithm = bpi_onnx_ternary(g, "Where", is_kept, mended, e);
    const value above = unary(g, "Relu", z);
    return binary(g, "Add", above, logarithm);
}

/* z / (1 + |z|), which is 1 or -1 from 1e30 on, also for infinite z. */
static value softsign(onnx_graph *g, value z, double p)
{
    (void)p;
    const value bounded = bpi_onnx_ternary(g, "Clip", z, number(-1e30), number(1e30));
    const value magnitude = unary(g, "Abs", bounded);
    const value bottom = binary(g, "Add", magnitude, number(1));
    return binary(g, "Div", bounded, bottom);
}

/* min(max(z + 3, 0), 6) / 6 */
static value hard_sigmoid(onnx_graph *g, value z, double p)
{
    (void)p;
    const value shifted = binary(g, "Add", z, number(3));
    const value clipped = bpi_onnx_ternary(g, "Clip", shifted, number(0), number(6));
    return binary(g, "Div", clipped, number(6));
}

/* min(max(z, -1), 1) */
static value hard_tanh(onnx_graph *g, value z, double p)
{
    (void)p;
    return bpi_onnx_ternary(g, "Clip", z, number(-1), number(1));
}

/* e^(-z^2) */
static value gaussian(onnx_graph *g, value z, double p)
{
    (void)p;
    const value square = binary(g, "Mul", z, z);
    return unary(g, "Exp", unary(g, "Neg", square));
}

/* ---- The table ------------------------------------------------------------------------------------------------------- */

static value (*const functions[BP_N_ACTIVATIONS])(onnx_graph *g, value z, double p) = {
    [BP_IDENTITY] = identity,
    [BP_SIGMOID] = sigmoid,
    [BP_TANH] = tanh_of,
    [BP_RELU] = relu,
    [BP_LEAKY_RELU] = leaky_relu,
    [BP_SOFTMAX] = softmax,
    [BP_ELU] = elu,
    [BP_SELU] = selu,
    [BP_GELU] = gelu,
    [BP_GELU_TANH] = gelu_tanh,
    [BP_SILU] = silu,
    [BP_MISH] = mish,
    [BP_SOFTPLUS] = softplus,
    [BP_SOFTSIGN] = softsign,
    [BP_HARD_SIGMOID] = hard_sigmoid,
    [BP_HARD_TANH] = hard_tanh,
    [BP_GAUSSIAN] = gaussian,
    [BP_SINE] = sine,
};

struct bpi_onnx_value bpi_onnx_activation(struct bpi_onnx_graph *graph, bp_activation activation, double parameter,
                                          struct bpi_onnx_value z)
{
    assert((size_t)activation < BP_N_ACTIVATIONS && functions[activation] != NULL);
    return functions[activation](graph, z, parameter);
}
