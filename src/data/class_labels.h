// SPDX-License-Identifier: MIT
/*
 * Classes given as text, one for each row, to class numbers.
 *
 *   BPI_TRY(bpi_class_labels_init(&labels, &allocator, name, known, n_known));   -- or from here on release
 *   for each row:  status = bpi_class_labels_add(&labels, text, n, &is_known);
 *   status = bpi_class_labels_number(&labels);                                   -- now sizes are known
 *   bpi_class_labels_place(&labels, numbers, class_names, characters);
 *   bpi_class_labels_release(&labels);
 *
 * Where the classes are not known before, they are the different texts in order: numbers by their value, then others, byte
 * by byte; texts of the same value too. All takes time in proportion to n log n for n rows, whatever the texts.
 */
#ifndef BPI_DATA_CLASS_LABELS_H
#define BPI_DATA_CLASS_LABELS_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/memory.h"
#include "backprop/status.h"
#include "base/growing.h"

/** May be moved, never copied. Zeroed, there is nothing to release. */
struct bpi_class_labels {
    bp_allocator allocator;
    const char *name;         /**< begins the sentences on memory */
    const char *const *known; /**< the caller's; NULL: the classes follow from the rows */
    size_t *order;            /**< sorts the known classes, or else the rows, by their texts */
    struct bpi_growing rows;  /**< struct bpi_class_label of each row */
    struct bpi_growing texts; /**< of the rows, each with a NUL; empty where the classes are known */
    size_t n_rows;
    size_t n_classes;    /**< how many there are; for unknown ones, from bpi_class_labels_number() on */
    size_t n_characters; /**< in their names, with a NUL for each; the same */
};

/**
 * @param allocator  complete
 * @param name       outlives the labels
 * @param known      n_known names of classes, class k the k-th, which outlive the labels; NULL: none are known
 * @return BP_OK; BP_ERR_ARGUMENT if two names are the same; BP_ERR_MEMORY. After a failure there is nothing to release
 */
bp_status bpi_class_labels_init(struct bpi_class_labels *labels, const bp_allocator *allocator, const char *name,
                                const char *const *known, size_t n_known);

/**
 * The class of the next row.
 *
 * @param text      n characters and a NUL
 * @param is_known  false: the classes are known, and this is none of them; nothing is then added
 * @return BP_OK or BP_ERR_MEMORY
 */
bp_status bpi_class_labels_add(struct bpi_class_labels *labels, const char *text, size_t n, bool *is_known);

/** Finds out the classes and their order, for one row at least. BP_OK or BP_ERR_MEMORY. */
bp_status bpi_class_labels_number(struct bpi_class_labels *labels);

/**
 * Hands over the result; cannot fail.
 *
 * @param numbers     n_rows, receives the class of each
 * @param names       n_classes, receives pointers to their names
 * @param characters  n_characters, receives the names
 */
void bpi_class_labels_place(const struct bpi_class_labels *labels, int32_t *numbers, const char **names, char *characters);

/** Gives the memory back and zeroes the struct. */
void bpi_class_labels_release(struct bpi_class_labels *labels);

#endif
