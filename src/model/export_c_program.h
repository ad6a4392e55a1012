// SPDX-License-Identifier: MIT
/*
 * The text of an exported program: its header and its source.
 */
#ifndef BPI_MODEL_EXPORT_C_PROGRAM_H
#define BPI_MODEL_EXPORT_C_PROGRAM_H

#include "base/real.h"

#include "model/export_c_model.h"
#include "model/export_c_text.h"

/** Writes the header. Failures are kept in the writer, here and below. */
void bpi_c_write_header(const struct bpi_c_text *text, const struct bpi_c_model *model);

/** Writes the source that belongs to it. Folds layers on the way. */
void bpi_c_write_source(const struct bpi_c_text *text, struct bpi_c_model *model);

#endif
