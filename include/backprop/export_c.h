// SPDX-License-Identifier: MIT
/*
 * A network as C source: one header and one source that need neither this library nor, but for a few functions, libm.
 *
 *   bp_network_export_c(&net, "generated", &(bp_export_c_config){ .prefix = "iris" });
 *
 * writes generated/iris.h and generated/iris.c: C99 that is C++17 too, with a function that computes one row,
 *
 *   void iris_predict(const double *x, double *y);
 *
 * what bp_predict() computes, in the user's units: scaling and batch normalization are folded into the weights. It takes no
 * memory, changes nothing but y (and the scratch, where there is one) and may run in any number of threads. Up to 16 KiB of
 * scratch are on its stack; a network that needs more gets a third argument, `scratch`, of IRIS_SCRATCH_SIZE numbers. With
 * IRIS_SELF_TEST defined the source also has a test of itself. docs/export.md tells the rest.
 *
 * The same network gives the same text, whatever the locale.
 */
#ifndef BACKPROP_EXPORT_C_H
#define BACKPROP_EXPORT_C_H

#include <stddef.h>

#include "backprop/dataset.h"
#include "backprop/memory.h"
#include "backprop/network.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Settings of an export; a zeroed struct is the default. */
typedef struct bp_export_c_config {
    /** Of all names in the files, and the files' own; in capitals of the macros'. A C identifier of 1 to 64 characters that neither
        begins nor ends with '_' nor has two in a row, and is no keyword of C or C++, no standard header and no device of
        Windows. Default NULL: "network" */
    const char *prefix;
    bp_element element; /**< the number type: BP_F64 or BP_F32, whatever bp_real is. Default BP_REAL: as bp_real */
} bp_export_c_config;

/**
 * Writes PREFIX.h and PREFIX.c into a directory.
 *
 * Both are complete and on disk under temporary names before the first takes its place: a call that fails leaves the old ones
 * as they were, unless the second cannot be renamed after the first was. Files of different exports do not compile
 * together.
 *
 * Weights into which nothing is folded are exact, or rounded once if the number type is the smaller one. What is folded is
 * computed in double. Scaling of inputs stays outside the weights where folding it would cost digits: centers of more than
 * 8 scales, or weights that leave the range of normal numbers.
 *
 * @param net        no layer may have a custom activation
 * @param directory  exists; "." for the working directory
 * @param config     NULL: defaults
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer or a setting out of range; BP_ERR_STATE (not initialised);
 *         BP_ERR_UNSUPPORTED for a custom activation; BP_ERR_NONFINITE for numbers that are not finite, or not in the chosen type,
 *         or outputs that are not for inputs of an ordinary size; BP_ERR_IO; BP_ERR_TOO_LARGE; BP_ERR_MEMORY
 */
bp_status bp_network_export_c(const bp_network *net, const char *directory, const bp_export_c_config *config);

/**
 * The same two texts in memory, which comes from the allocator of `net`. Each has a NUL behind it that its size does not count. Both
 * are zeroed when the call fails.
 *
 * @return as bp_network_export_c(), but BP_ERR_IO
 */
bp_status bp_network_export_c_memory(const bp_network *net, bp_bytes *header, bp_bytes *source,
                                     const bp_export_c_config *config);

#ifdef __cplusplus
}
#endif

#endif
