// SPDX-License-Identifier: MIT
/*
 * Inputs and outputs for the exported program's test of itself.
 */
#ifndef BPI_MODEL_EXPORT_C_REFERENCE_H
#define BPI_MODEL_EXPORT_C_REFERENCE_H

#include "base/real.h"

#include "model/export_c_model.h"

/**
 * Draws the inputs X, computes the outputs Y from the network as it is, nothing folded, in double, and says how far the program may
 * be from them.
 *
 * @return BP_OK, or BP_ERR_NONFINITE if outputs are not finite, or would not be in the program's number type
 */
bp_status bpi_c_record(struct bpi_c_model *model);

#endif
