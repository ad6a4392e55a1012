// SPDX-License-Identifier: MIT
/*
 * Networks to be exported: every activation with every normalization, scaling, with and without biases; and inputs for them.
 */
#ifndef TEST_SUPPORT_ONNX_CASE_H
#define TEST_SUPPORT_ONNX_CASE_H

#include <stdbool.h>
#include <stddef.h>

#include "backprop/network.h"
#include "backprop/precision.h"

enum { ONNX_CASE_ROWS = 8, ONNX_CASE_N_IN = 3, ONNX_CASE_N_OUT = 4, ONNX_CASE_NAME_SIZE = 64 };

/** What is scaled. Outputs are not where they are probabilities: such an activation is the hidden layer's alone then. */
enum onnx_case_scaling { ONNX_CASE_PLAIN, ONNX_CASE_INPUTS, ONNX_CASE_BOTH, ONNX_CASE_N_SCALINGS };

struct onnx_case {
    bp_activation activation;
    bp_normalization normalization; /**< of the hidden layer */
    enum onnx_case_scaling scaling;
    bool no_bias;
};

/** How many cases there are, and number i of them. */
size_t onnx_case_count(void);
struct onnx_case onnx_case_at(size_t i);

/** "gelu-batch-2-no_bias": fit for a file's name. */
void onnx_case_name(const struct onnx_case *c, char name[ONNX_CASE_NAME_SIZE]);

/** The network, with numbers of all kinds in it. ONNX_CASE_N_IN -> 5 with dropout -> ONNX_CASE_N_OUT. */
void onnx_case_network(bp_network *net, const struct onnx_case *c);

/** Inputs: ONNX_CASE_ROWS x ONNX_CASE_N_IN. */
void onnx_case_inputs(bp_real *X);

/** What bp_predict() makes of `batch` rows. */
void onnx_case_predict(const bp_network *net, const bp_real *X, size_t batch, bp_real *Y);

/** 784 -> 512 -> 256 -> 10, as for pictures of digits, and rows of inputs for it. */
enum { ONNX_CASE_WIDE_ROWS = 4, ONNX_CASE_WIDE_N_IN = 784 };
void onnx_case_wide(bp_network *net);
void onnx_case_wide_inputs(bp_real *X);

/** A network that is nothing but the activation: 1 -> 1, the weight 1, no bias. */
void onnx_case_activation(bp_network *net, bp_activation activation);

/** Arguments for it on all scales: n_tails of them. */
enum { ONNX_CASE_N_TAILS = 97 };
void onnx_case_tails(bp_real *z);

#endif
