// SPDX-License-Identifier: MIT
/*
 * The activation functions as text and as functions of double: each pair enters the table together.
 */
#include "model/export_c_functions.h"

#include <math.h>

#define UNUSED(x) ((void)(x))

static double identity_value(double z, double p)
{
    UNUSED(p);
    return z;
}

/* e^-z may be infinite, and 1 / infinity is 0, as it should be. */
static double sigmoid_value(double z, double p)
{
    UNUSED(p);
    return 1.0 / (1.0 + exp(-z));
}

static double tanh_value(double z, double p)
{
    UNUSED(p);
    return tanh(z);
}

static const char relu_text[] = "static inline ~ $_relu(~ z)\n"
                                "{\n"
                                "    return z < 0 ? 0 : z;\n"
                                "}\n";
static double relu_value(double z, double p)
{
    UNUSED(p);
    return z < 0 ? 0 : z;
}

static const char leaky_relu_text[] = "static inline ~ $_leaky_relu(~ z, ~ p)\n"
                                      "{\n"
                                      "    return z > 0 ? z : p * z;\n"
                                      "}\n";
static double leaky_relu_value(double z, double p)
{
    return z > 0 ? z : p * z;
}

static const char elu_text[] = "static inline ~ $_elu(~ z, ~ p)\n"
                               "{\n"
                               "    return $_by_sign(z, p * $_expm1($_at_most(z, 0)), z);\n"
                               "}\n";
static double elu_value(double z, double p)
{
    return z > 0 ? z : p * expm1(z);
}

static const char selu_text[] =
    "static inline ~ $_selu(~ z)\n"
    "{\n"
    "    const ~ scale = 1.0507009873554804934193349852946@, alpha = 1.6732632423543772848170429916717@;\n"
    "    return scale * $_by_sign(z, alpha * $_expm1($_at_most(z, 0)), z);\n"
    "}\n";
static double selu_value(double z, double p)
{
    UNUSED(p);
    return 1.0507009873554804934193349852946 * (z > 0 ? z : 1.6732632423543772848170429916717 * expm1(z));
}

/* z times 0 is 0 here for an infinite z too, as in the functions below. A NaN stays one. */
static const char gelu_text[] = "/* z Phi(z), Phi the normal distribution's: erfc keeps the digits of its lower tail. */\n"
                                "static inline ~ $_gelu(~ z)\n"
                                "{\n"
                                "    const ~ phi = 0.5@ * erfc@(z * -0.70710678118654752440@);\n"
                                "    return phi <= 0 ? 0 : z * phi;\n"
                                "}\n";
static double gelu_value(double z, double p)
{
    UNUSED(p);
    const double phi = 0.5 * erfc(z * -0.70710678118654752440);
    return phi <= 0 ? 0 : z * phi;
}

static const char gelu_tanh_text[] =
    "/* z/2 (1 + tanh u) is z times the logistic function of 2u, which keeps its digits where tanh u is near -1. */\n"
    "static inline ~ $_gelu_tanh(~ z)\n"
    "{\n"
    "    const ~ s = $_logistic(1.5957691216057307118@ * (z + 0.044715@ * z * z * z));\n"
    "    return $_share(z, s);\n"
    "}\n";
static double gelu_tanh_value(double z, double p)
{
    const double s = sigmoid_value(1.5957691216057307118 * (z + 0.044715 * z * z * z), p);
    return s <= 0 ? 0 : z * s;
}

static const char silu_text[] = "static inline ~ $_silu(~ z)\n"
                                "{\n"
                                "    const ~ s = $_logistic(z);\n"
                                "    return $_share(z, s);\n"
                                "}\n";
static double silu_value(double z, double p)
{
    const double s = sigmoid_value(z, p);
    return s <= 0 ? 0 : z * s;
}

static const char softplus_text[] = "/* log(1 + e^z); e^-|z| cannot overflow. */\n"
                                    "static inline ~ $_softplus(~ z)\n"
                                    "{\n"
                                    "    return $_by_sign(z, 0, z) + $_log1p($_exp($_by_sign(z, z, -z)));\n"
                                    "}\n";
static double softplus_value(double z, double p)
{
    UNUSED(p);
    return (z < 0 ? 0 : z) + log1p(exp(-fabs(z)));
}

static const char mish_text[] = "/* z tanh(log(1 + e^z)) = z q / (q + 2), q = e^z (e^z + 2); for z > 0 times e^-2z above "
                                "and below, so nothing overflows. */\n"
                                "static inline ~ $_mish(~ z)\n"
                                "{\n"
                                "    const ~ e = $_exp($_by_sign(z, z, -z));\n"
                                "    const ~ q = $_by_sign(z, e * (e + 2.0@), 1.0@ + 2.0@ * e);\n"
                                "    const ~ t = q / (q + $_by_sign(z, 2.0@, 2.0@ * e * e));\n"
                                "    return $_share(z, t);\n"
                                "}\n";
static double mish_value(double z, double p)
{
    const double t = tanh(softplus_value(z, p));
    return t <= 0 ? 0 : z * t;
}

/* From 1e30 on the quotient is 1 in both number types, and infinity by infinity must not come up. */
static const char softsign_text[] = "static inline ~ $_softsign(~ z)\n"
                                    "{\n"
                                    "    const ~ m = z < 0 ? -z : z;\n"
                                    "    return m > 1e30@ ? (z < 0 ? -1.0@ : 1.0@) : z / (1.0@ + m);\n"
                                    "}\n";
static double softsign_value(double z, double p)
{
    UNUSED(p);
    const double m = z < 0 ? -z : z;
    return m > 1e30 ? (z < 0 ? -1.0 : 1.0) : z / (1.0 + m);
}

static const char hard_sigmoid_text[] = "static inline ~ $_hard_sigmoid(~ z)\n"
                                        "{\n"
                                        "    const ~ above = z + 3.0@ < 0 ? 0 : z + 3.0@;\n"
                                        "    return (above > 6.0@ ? 6.0@ : above) / 6.0@;\n"
                                        "}\n";
static double hard_sigmoid_value(double z, double p)
{
    UNUSED(p);
    const double above = z + 3.0 < 0 ? 0 : z + 3.0;
    return (above > 6.0 ? 6.0 : above) / 6.0;
}

static const char hard_tanh_text[] = "static inline ~ $_hard_tanh(~ z)\n"
                                     "{\n"
                                     "    const ~ above = z < -1.0@ ? -1.0@ : z;\n"
                                     "    return above > 1.0@ ? 1.0@ : above;\n"
                                     "}\n";
static double hard_tanh_value(double z, double p)
{
    UNUSED(p);
    const double above = z < -1.0 ? -1.0 : z;
    return above > 1.0 ? 1.0 : above;
}

static const char gaussian_text[] = "static inline ~ $_gaussian(~ z)\n"
                                    "{\n"
                                    "    return $_exp(-z * z);\n"
                                    "}\n";
static double gaussian_value(double z, double p)
{
    UNUSED(p);
    return exp(-z * z);
}

static double sine_value(double z, double p)
{
    UNUSED(p);
    return sin(z);
}

/* The largest term is 1, so none overflows. */
static const char softmax_text[] = "static void $_softmax(size_t n, ~ *z)\n"
                                   "{\n"
                                   "    ~ largest = z[0], sum = 0;\n"
                                   "    for (size_t j = 1; j < n; j++)\n"
                                   "        largest = z[j] > largest ? z[j] : largest;\n"
                                   "    for (size_t j = 0; j < n; j++)\n"
                                   "        z[j] = $_exp(z[j] - largest);\n"
                                   "    for (size_t j = 0; j < n; j++)\n"
                                   "        sum += z[j];\n"
                                   "    for (size_t j = 0; j < n; j++)\n"
                                   "        z[j] /= sum;\n"
                                   "}\n";
static void softmax_row_value(size_t n, double *z)
{
    double largest = z[0], sum = 0;
    for (size_t j = 1; j < n; j++)
        largest = z[j] > largest ? z[j] : largest;
    for (size_t j = 0; j < n; j++) {
        z[j] = exp(z[j] - largest);
        sum += z[j];
    }
    for (size_t j = 0; j < n; j++)
        z[j] /= sum;
}

const char *const bpi_c_normalize = "/* Mean 0 and variance 1 over the row, then gamma and beta. */\n"
                                    "static void $_normalize(size_t n, ~ epsilon, const ~ *gamma, const ~ *beta, ~ *z)\n"
                                    "{\n"
                                    "    ~ mean = 0, variance = 0, factor;\n"
                                    "    for (size_t j = 0; j < n; j++)\n"
                                    "        mean += z[j];\n"
                                    "    mean /= (~)n;\n"
                                    "    for (size_t j = 0; j < n; j++) {\n"
                                    "        z[j] -= mean;\n"
                                    "        variance += z[j] * z[j];\n"
                                    "    }\n"
                                    "    factor = 1.0@ / sqrt@(variance / (~)n + epsilon);\n"
                                    "    for (size_t j = 0; j < n; j++)\n"
                                    "        z[j] = z[j] * factor * gamma[j] + beta[j];\n"
                                    "}\n";

/* Functions with a definition of their own. */
#define DEFINED(name, ...)                                                                                                 \
    {                                                                                                                      \
        .text = name##_text, .call = "$_" #name, .value = name##_value, __VA_ARGS__                                        \
    }

/* A custom activation has a row of nothing. */
static const struct bpi_c_function table[BP_N_ACTIVATIONS] = {
    [BP_IDENTITY] = { .value = identity_value },
    [BP_SIGMOID] = { .call = "$_logistic", .value = sigmoid_value, .needs = BPI_C_LOGISTIC },
    [BP_TANH] = { .call = "$_tanh", .value = tanh_value, .needs = BPI_C_TANH },
    [BP_RELU] = DEFINED(relu, .needs = 0),
    [BP_LEAKY_RELU] = DEFINED(leaky_relu, .has_parameter = true),
    [BP_SOFTMAX] = { .text = softmax_text, .call = "$_softmax", .row_value = softmax_row_value, .needs = BPI_C_EXP },
    [BP_ELU] = DEFINED(elu, .has_parameter = true, .needs = BPI_C_EXPM1 | BPI_C_AT_MOST | BPI_C_BY_SIGN),
    [BP_SELU] = DEFINED(selu, .needs = BPI_C_EXPM1 | BPI_C_AT_MOST | BPI_C_BY_SIGN),
    [BP_GELU] = DEFINED(gelu, .needs = BPI_C_LIBM),
    [BP_GELU_TANH] = DEFINED(gelu_tanh, .needs = BPI_C_LOGISTIC | BPI_C_SHARE),
    [BP_SILU] = DEFINED(silu, .needs = BPI_C_LOGISTIC | BPI_C_SHARE),
    [BP_MISH] = DEFINED(mish, .needs = BPI_C_EXP | BPI_C_BY_SIGN | BPI_C_SHARE),
    [BP_SOFTPLUS] = DEFINED(softplus, .needs = BPI_C_EXP | BPI_C_LOG1P | BPI_C_BY_SIGN),
    [BP_SOFTSIGN] = DEFINED(softsign, .needs = 0),
    [BP_HARD_SIGMOID] = DEFINED(hard_sigmoid, .needs = 0),
    [BP_HARD_TANH] = DEFINED(hard_tanh, .needs = 0),
    [BP_GAUSSIAN] = DEFINED(gaussian, .needs = BPI_C_EXP),
    [BP_SINE] = { .call = "sin@", .value = sine_value, .needs = BPI_C_LIBM },
};

const struct bpi_c_function *bpi_c_function(bp_activation activation)
{
    return &table[activation];
}
