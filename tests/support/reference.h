// SPDX-License-Identifier: MIT
/*
 * The reference trajectories of tests/reference, read strictly: what FORMAT.md there does not allow is an error.
 *
 * The parser knows the whole vocabulary of the format and nothing of the library. A header line such as
 *     layer units=5 activation=leaky_relu parameter=0.2
 * becomes a reference_line with three settings; which of them the library can do is for the test to say.
 */
#ifndef TEST_SUPPORT_REFERENCE_H
#define TEST_SUPPORT_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

/* More than any file has. One more is an error, not an overflow. */
enum { REFERENCE_MAX_LINES = 32, REFERENCE_MAX_SETTINGS = 8 };

/** key=word or key=number. A line with a bare number, `l1 0.01`, has one setting, of the key "value". */
struct reference_setting {
    const char *key;
    const char *word; /**< NULL: it is a number */
    double number;
};

/** A header line: layer, loss, optimizer, schedule, l1, l2, clip_norm or clip_value. */
struct reference_line {
    const char *name; /**< its first word */
    size_t n;
    struct reference_setting settings[REFERENCE_MAX_SETTINGS];
};

/** Numbers under one name; all matrices row-major. */
struct reference_block {
    const char *name; /**< NULL: the file has no such block */
    size_t n;
    const double *values;
};

/** One file. Strings and numbers are views of what reference_free() takes away. */
struct reference {
    const char *name;
    size_t n_in, n_out, n_layers, rows, steps;
    size_t n_params;    /**< W, b (gamma, beta) of all layers */
    double sensitivity; /**< 0 in a trace */
    bool is_trace;      /**< a file without sensitivity: its own set of blocks, as in xor-numpy-1 */

    size_t n_lines;
    struct reference_line lines[REFERENCE_MAX_LINES]; /**< in the order of the file */

    struct reference_block x;                      /**< rows x n_in */
    struct reference_block y;                      /**< rows x n_out: targets */
    struct reference_block parameters_start;       /**< n_params */
    struct reference_block sample_weights;         /**< rows; only in some files */
    struct reference_block outputs_start;          /**< rows x n_out; not in a trace, as the next three */
    struct reference_block loss_start;             /**< 1 */
    struct reference_block gradient_start;         /**< n_params */
    struct reference_block input_gradient_start;   /**< rows x n_in */
    struct reference_block losses;                 /**< steps, or in a trace every hundredth of them */
    struct reference_block parameters_end;         /**< n_params */
    struct reference_block running_statistics_end; /**< mean, variance; only in files with batch normalization */
    struct reference_block outputs_end_inference;  /**< rows x n_out */

    char error[512]; /**< file, line and what is wrong with it, where reading failed */
    char *text;
    double *numbers;
};

/** Reads one file. False if it breaks a rule; `error` then says which and where, and there is nothing to free. */
bool reference_read(struct reference *reference, const char *path);

/** The same from memory; `path` is for messages only. */
bool reference_parse(struct reference *reference, const char *path, const char *text);

/** Gives the memory back. */
void reference_free(struct reference *reference);

#endif
