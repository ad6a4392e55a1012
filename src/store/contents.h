// SPDX-License-Identifier: MIT
/*
 * What goes into a safetensors file, gathered bit by bit and written; and numbers and lists as text in its metadata, both ways.
 *
 *   struct bpi_contents contents = { .allocator = heap };
 *   bpi_contents_text(&contents, "bp.kind", "model");
 *   bpi_contents_tensor(&contents, "0.weight", BPI_DTYPE_REAL, 2, (uint64_t[]){ n_out, n_in }, W);
 *   status = bpi_contents_write(&contents, &writer);   -- or the first failure of the calls before
 *   bpi_contents_release(&contents);
 *
 * Numbers are decimal, whatever the locale, and are read again exactly. Lists are numbers with one blank between two.
 */
#ifndef BPI_STORE_CONTENTS_H
#define BPI_STORE_CONTENTS_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/growing.h"
#include "base/status.h"
#include "store/safetensors.h"
#include "store/writer.h"

/** Zeroed but for the allocator, which is complete, it is empty. May be moved, never copied. */
struct bpi_contents {
    bp_allocator allocator;
    bp_status status;           /**< of the first failure; nothing is added after it */
    struct bpi_growing entries; /**< key and value of each */
    struct bpi_growing tensors; /**< what was said about each */
    void *texts;                /**< a chain of the copies of all text */
};

/** Adds an entry; key and value are copied. Failures are kept. */
void bpi_contents_text(struct bpi_contents *contents, const char *key, const char *value);

/** Adds a whole number, a number, or a list of n numbers. */
void bpi_contents_u64(struct bpi_contents *contents, const char *key, uint64_t value);
void bpi_contents_number(struct bpi_contents *contents, const char *key, double value);
void bpi_contents_reals(struct bpi_contents *contents, const char *key, const bp_real *values, size_t n);

/**
 * Adds a tensor of 1 or 2 dimensions; name and dims are copied, `values` must outlive the contents.
 *
 * @param dtype  BPI_F64, BPI_F32 or BPI_U64: `values` are double, float or uint64_t
 */
void bpi_contents_tensor(struct bpi_contents *contents, const char *name, enum bpi_dtype dtype, size_t n_dims,
                         const uint64_t *dims, const void *values);

/**
 * Writes it all, tensors and entries in the order in which they came, and the checksum as the last entry. The bytes follow from
 * the contents alone.
 *
 * @return the first failure of the calls before; BP_ERR_TOO_LARGE for more than a reader takes; BP_ERR_MEMORY. Failures of the
 *         writer show when it is finished
 */
bp_status bpi_contents_write(const struct bpi_contents *contents, struct bpi_writer *writer);

/** How many entries have been added, and the i-th of them; the texts are the contents'. For contents without a failure. */
size_t bpi_contents_n_entries(const struct bpi_contents *contents);
void bpi_contents_entry(const struct bpi_contents *contents, size_t i, const char **key, const char **value);

/** Gives everything back and zeroes the struct. */
void bpi_contents_release(struct bpi_contents *contents);

/* ---- Reading --------------------------------------------------------------------------------------------------------- */

#define BPI_ENTRY_SIZE 256 /**< bytes of a short text, its NUL among them */

/** The entries as what they should be. BP_OK, or BP_ERR_FORMAT with file, key, what was expected and found. */
bp_status bpi_entry_text(const struct bpi_safetensors *st, const char *key, char text[BPI_ENTRY_SIZE]);
bp_status bpi_entry_u64(const struct bpi_safetensors *st, const char *key, uint64_t most, uint64_t *value);
bp_status bpi_entry_number(const struct bpi_safetensors *st, const char *key,
                           double *value); /**< finite, or "inf", "-inf", "nan" */
bp_status bpi_entry_reals(const struct bpi_safetensors *st, const char *key, bp_real *values,
                          size_t n); /**< n finite ones */

/** The tensor of that name, dtype and shape; BP_ERR_FORMAT with the file's name, expected and found shape, if it is not so. */
bp_status bpi_expect_tensor(const struct bpi_safetensors *st, const char *name, enum bpi_dtype dtype, size_t n_dims,
                            const uint64_t *dims, struct bpi_tensor *tensor);

/** The same for elements of any type that can become numbers of ours. */
bp_status bpi_expect_reals(const struct bpi_safetensors *st, const char *name, size_t n_dims, const uint64_t *dims,
                           struct bpi_tensor *tensor);

#endif
