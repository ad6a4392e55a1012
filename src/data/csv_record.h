// SPDX-License-Identifier: MIT
/*
 * The grammar of CSV: a line as fields of text. What columns mean is csv.c's.
 */
#ifndef BPI_DATA_CSV_RECORD_H
#define BPI_DATA_CSV_RECORD_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/growing.h"
#include "backprop/memory.h"
#include "backprop/status.h"
#include "store/text.h"

/** A line and its fields, over which the next line is read. Zeroed, an empty one. */
struct bpi_csv_record {
    struct bpi_growing characters; /**< of all fields, a NUL behind each */
    struct bpi_growing starts;     /**< struct bpi_csv_start of each field */
    size_t n_fields;
    struct bpi_place end; /**< where the end of the line stands */
    bool has_quotes;      /**< some field is in quotes */
};

/** Where a field begins. */
struct bpi_csv_start {
    size_t character; /**< in bpi_csv_record.characters */
    struct bpi_place at;
};

/** A field as it is used. */
struct bpi_csv_field {
    const char *text; /**< n characters and a NUL; as long as the record is not read over */
    size_t n;
    struct bpi_place at;
};

/**
 * Reads the next line that is not blank.
 *
 * @param separator  between fields
 * @param found      false: there is none
 * @return BP_OK; BP_ERR_FORMAT for quotes in the wrong place, and for blank lines if others follow; BP_ERR_TOO_LARGE for
 *         more than BP_CSV_MAX_COLUMNS fields; BP_ERR_MEMORY; what the source of the text has to say. After a failure
 *         nothing but bpi_csv_record_release() makes sense
 */
bp_status bpi_csv_record_read(struct bpi_csv_record *record, struct bpi_text *text, char separator, bool *found);

/** Field i < n_fields, from 0. */
struct bpi_csv_field bpi_csv_record_field(const struct bpi_csv_record *record, size_t i);

/** Gives the memory back and zeroes the struct. */
void bpi_csv_record_release(struct bpi_csv_record *record, const bp_allocator *allocator);

#endif
