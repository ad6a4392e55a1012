// SPDX-License-Identifier: MIT
/*
 * Reading tables of text: CSV, TSV and their kin (RFC 4180), into inputs and targets.
 *
 * A line is a row, its fields stand between separators. A field in double quotes may contain separators, ends of lines, and
 * quotes, each written twice. The first line has the names of the columns, unless the settings say that there is none:
 * nothing is guessed from the content. Lines end with LF, CRLF or CR, the last one perhaps with nothing; blank lines may
 * follow it, but stand nowhere else. Blanks around a field do not belong to it, those inside its quotes do. The text is in
 * UTF-8, with or without a byte order mark, or in any code of single bytes that begins with ASCII. It may be gzipped: that
 * is seen from its first bytes, not from its name.
 *
 * Numbers are read in the same way whatever the locale, with a point: 3, -0.5, 1e-3. Each becomes the bp_real that is
 * nearest to it. Everything that is wrong is reported with the line and the column in it, both counted from 1, in
 * characters.
 *
 *   const bp_csv_column species = { .name = "species" };
 *   bp_csv iris;
 *   bp_status status = bp_csv_read(
 *       &iris, "iris.csv", &(bp_csv_config){ .classes = true, .targets = &species, .n_targets = 1 });
 *   ... bp_train(&net, &optimizer, &iris.data, &config, &report) ...
 *   bp_csv_free(&iris);
 */
#ifndef BACKPROP_CSV_H
#define BACKPROP_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/dataset.h"
#include "backprop/memory.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_CSV_MAX_COLUMNS 1048576 /**< lines with more fields are refused */
#define BP_CSV_MAX_CLASSES 65536   /**< and so are more classes: such a column hardly names any */

/** A column of a file: by name or by number, one of the two. */
typedef struct bp_csv_column {
    const char *name; /**< as in the first line; must be there once. NULL: by number */
    size_t number;    /**< 1 is the first column. 0: by name */
} bp_csv_column;

/** What to do with an input that is missing. A missing target is always refused. The values are fixed. */
typedef enum bp_csv_missing {
    BP_CSV_REFUSE = 0,   /**< the file is refused */
    BP_CSV_MEAN = 1,     /**< the mean of those numbers of its column that are there, of which there must be one */
    BP_CSV_CONSTANT = 2, /**< bp_csv_config.constant */
    BP_CSV_FILL = 3      /**< the number that bp_csv_config.fill has for the column: for data to test and predict with, the
                              `fill` of the data trained with */
} bp_csv_missing;

/** How to read a file. Zeroed: commas, names in the first line, the last column the target, a number, nothing missing. */
typedef struct bp_csv_config {
    char separator;  /**< '\t', ';', '|', ' ' ...: a character of ASCII that is no letter, digit, quote, point, sign or
                          end of line. Default 0: ',' */
    bool no_header;  /**< the first line is a row. Default: it has the names of the columns */
    bool no_targets; /**< all columns that are not ignored are inputs: for rows to predict. Default: there are targets */
    bool classes;    /**< the target, just one, is a text that names a class. Default: targets are numbers */
    bp_csv_missing missing; /**< what becomes of an input whose field is empty or one of missing_marks. Default: refuse */

    const bp_csv_column *targets; /**< n_targets: they become the columns of T, in this order. Default: the last column */
    size_t n_targets;
    const bp_csv_column *ignored; /**< n_ignored: columns that are neither, whatever is in them. Default: none */
    size_t n_ignored;

    /**
     * n_classes names, of which each row has one; class k is the k-th. For data to test and predict with, the class_names
     * of the data trained with. Default: the texts that the file has, sorted: numbers by their value, then others byte by
     * byte.
     */
    const char *const *class_names;
    size_t n_classes;

    /**
     * n_missing_marks texts that stand for nothing, as they are written. Default: NA, N/A, NaN, nan, NULL, null and ?. A
     * class may have such a name only if class_names has it.
     */
    const char *const *missing_marks;
    size_t n_missing_marks;
    bp_real constant;    /**< for BP_CSV_CONSTANT; finite. Default: 0 */
    const bp_real *fill; /**< for BP_CSV_FILL: n_fill finite numbers, one for each input */
    size_t n_fill;

    const bp_allocator *allocator; /**< default: malloc and free */
} bp_csv_config;

/** What a file had. Yours to place and to move, never to copy; read only, so threads may share it. */
typedef struct bp_csv {
    /**
     * Views of the arrays below, as bp_train() takes them; without targets, as bp_dataset_inputs() does. There is an output
     * for each class: for two classes and a single output, set data.n_out to 1.
     */
    bp_dataset data;
    size_t rows;      /**< >= 1 */
    size_t n_in;      /**< inputs, >= 1: the columns that are neither targets nor ignored, in the order of the file */
    size_t n_targets; /**< 0 where the settings say so */
    size_t n_classes; /**< 0 where targets are numbers, or there are none */

    bp_real *X;      /**< rows x n_in, row-major, packed */
    bp_real *T;      /**< rows x n_targets, the same; NULL for classes, and without targets */
    int32_t *labels; /**< rows, each in 0 .. n_classes - 1; NULL where targets are numbers, and without targets */

    const char **input_names;  /**< n_in names from the first line; NULL if the settings say that there are none */
    const char **target_names; /**< n_targets, in the order of T; NULL too where n_targets is 0 */
    const char **class_names;  /**< n_classes; NULL where that is 0 */

    bp_real *fill; /**< n_in: what stands for a missing number of each input, also where none was; NULL for BP_CSV_REFUSE */
    size_t n_missing; /**< numbers of X that were filled in */

    bp_allocator allocator; /**< where the block came from */
    void *block;            /**< the memory behind all of it */
} bp_csv;

/**
 * Reads a file, gzipped or not.
 *
 * Takes memory only as the bytes that are really there justify it: at most 100 times the bytes of the text (after
 * inflating), which lines of nothing but separators come near, and beside some 80 KiB to begin with; usual files need 4 to
 * 12 times.
 *
 * @param csv     made by this call, whatever it held before; zeroed when the call fails
 * @param path    of the file
 * @param config  NULL: all defaults. It, and all that it points to, may go afterwards
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer, settings out of range, that contradict each other, or that name a
 *         column that is not there, or there twice; BP_ERR_SHAPE if no column is left for the inputs, or n_fill is not
 *         their number; BP_ERR_IO if the file cannot be opened or read; BP_ERR_FORMAT if there are no rows, a line has more
 *         or fewer fields than the first, quotes are not closed or stand where none may, a field is missing or no number, a
 *         NUL byte, damaged gzip data; BP_ERR_NONFINITE for a number that is infinite or too large; BP_ERR_TARGET for a
 *         text that is none of the class_names; BP_ERR_TOO_LARGE for too many columns or classes; BP_ERR_UNSUPPORTED for
 *         gzip in a build without zlib; BP_ERR_MEMORY
 */
bp_status bp_csv_read(bp_csv *csv, const char *path, const bp_csv_config *config);

/**
 * The same from memory: `size` bytes that hold what the file would, gzipped or not. `bytes` may go afterwards.
 */
bp_status bp_csv_read_memory(bp_csv *csv, const void *bytes, size_t size, const bp_csv_config *config);

/** Gives the memory back and zeroes the struct. A zeroed or null `csv` is fine. */
void bp_csv_free(bp_csv *csv);

#ifdef __cplusplus
}
#endif

#endif
