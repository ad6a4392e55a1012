// SPDX-License-Identifier: MIT
/*
 * An ONNX graph as bytes: the messages of onnx.proto, IR version 8, opset 13.
 */
#ifndef BPI_MODEL_ONNX_FILE_H
#define BPI_MODEL_ONNX_FILE_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/network.h"
#include "backprop/status.h"
#include "model/onnx_graph.h"
#include "store/protobuf.h"
#include "store/writer.h"

/** What goes into a file. */
struct bpi_onnx_model {
    const char *function;               /**< that was called, for sentences */
    const bp_network *net;              /**< gives names, metadata and the sizes of X and Y */
    const struct bpi_onnx_graph *graph; /**< ends in `output` */
    struct bpi_onnx_value output;
    size_t batch; /**< 0: any */
};

/** The file but for the numbers of its tensors, which are as large as they are many. May be moved, never copied. */
struct bpi_onnx_file {
    struct bpi_protobuf start; /**< up to the tensors */
    struct bpi_protobuf end;   /**< behind them */
};

/**
 * Encodes all but the tensors' numbers, and looks whether those are fit for the file.
 *
 * @param file  to be released whatever comes of it
 * @return BP_OK; BP_ERR_TOO_LARGE, before a number is looked at; BP_ERR_NONFINITE; BP_ERR_MEMORY
 */
bp_status bpi_onnx_encode(struct bpi_onnx_file *file, const struct bpi_onnx_model *model);

/** Writes the file. Failures, also for memory, show when the writer is finished. */
void bpi_onnx_write(const struct bpi_onnx_file *file, const struct bpi_onnx_model *model, struct bpi_writer *writer);

/** Gives the memory back. */
void bpi_onnx_release(struct bpi_onnx_file *file);

#endif
