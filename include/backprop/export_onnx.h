// SPDX-License-Identifier: MIT
/*
 * Networks as ONNX files, for ONNX Runtime and all else that runs them.
 *
 * What is written: opset 13, IR version 8, no operators but those of the standard, each of them with a kernel for doubles
 * in ONNX Runtime. The graph computes what bp_predict() does, scaling included:
 *
 *   X  the input,  batch x n_in,  in the user's units
 *   Y  the output, batch x n_out, in the user's units: a plain tensor, for classes their probabilities
 *
 *   (X - input.center) / input.scale -> for each layer Gemm, normalization, activation -> * output.scale + output.center = Y
 *
 * Parameters have the names of the model file, those of PyTorch's Sequential: "0.weight", "0.bias". Layer normalization is
 * written as its formula; batch normalization, with its running statistics and the layer's bias, as one factor and one shift a
 * unit ("1.factor", "1.shift"). Dropout does nothing in predictions and is left out. Activations that ONNX Runtime cannot
 * compute in doubles, or only with few digits where their values are small (sigmoid), are written as formulas of simpler
 * operators that neither overflow nor cancel. So is BP_GELU, whose normal distribution is a rational function times an
 * exponential, right to 1e-15.
 *
 * The model's metadata (metadata_props; in ONNX Runtime custom_metadata_map) has the network's metadata under their own
 * keys, and, where they were given, under
 *
 *   bp.class_names  a JSON array of texts: ["cat", "dog"], one an output; of a single output those of 0 and 1
 *   bp.input_names  a JSON array of texts, one a column of X
 */
#ifndef BACKPROP_EXPORT_ONNX_H
#define BACKPROP_EXPORT_ONNX_H

#include <stddef.h>

#include "backprop/dataset.h"
#include "backprop/memory.h"
#include "backprop/network.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Settings of an export. A zeroed struct is the default. */
typedef struct bp_export_onnx_config {
    bp_element element; /**< of X, Y and all numbers: BP_F64 or BP_F32, whatever bp_real is. Default BP_REAL: as bp_real */
    size_t batch;       /**< rows of X and Y, at most 2^31 - 1. Default 0: any number, which the file calls "batch" */
} bp_export_onnx_config;

/**
 * Writes a network as an ONNX file: beside its place, renamed when it is complete and on disk, so that a call that fails leaves
 * an old file as it was. The same network gives the same bytes.
 *
 * @param net     read only
 * @param config  NULL: defaults
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer or another element; BP_ERR_STATE (not initialised); BP_ERR_UNSUPPORTED for a
 *         custom activation; BP_ERR_NONFINITE for a number that is not finite, or in BP_F32 would not be, or would vanish where
 *         it divides; BP_ERR_TOO_LARGE for a file of 2 GiB or more, which no reader takes; BP_ERR_IO, also for a full disk;
 *         BP_ERR_MEMORY
 */
bp_status bp_network_export_onnx(const bp_network *net, const char *path, const bp_export_onnx_config *config);

/** The same into memory, which comes from the allocator of `net`. `bytes` is zeroed when the call fails. */
bp_status bp_network_export_onnx_memory(const bp_network *net, bp_bytes *bytes, const bp_export_onnx_config *config);

#ifdef __cplusplus
}
#endif

#endif
