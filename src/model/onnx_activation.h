// SPDX-License-Identifier: MIT
/*
 * Activation functions as pieces of an ONNX graph.
 */
#ifndef BPI_MODEL_ONNX_ACTIVATION_H
#define BPI_MODEL_ONNX_ACTIVATION_H

#include "base/real.h"

#include "backprop/activation.h"
#include "model/onnx_graph.h"

/** Adds A = f(Z) and gives A. `activation` is one of the library's, not BP_CUSTOM_ACTIVATION. */
struct bpi_onnx_value bpi_onnx_activation(struct bpi_onnx_graph *graph, bp_activation activation, double parameter,
                                          struct bpi_onnx_value z);

#endif
