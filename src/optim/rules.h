// SPDX-License-Identifier: MIT
/*
 * What an optimizer does to a stretch of numbers once their gradient is ready: a row of a table for each kind.
 */
#ifndef BPI_OPTIM_RULES_H
#define BPI_OPTIM_RULES_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/optimizer.h"

enum {
    BPI_CHUNK =
        512, /* numbers that a rule gets at a time, so that what it needs on the way fits the stack and the L1 cache */
    BPI_MAX_MOMENTS = 3
};

struct bpi_rule {
    const char *name;
    size_t n_moments;      /**< arrays of n_params that it always keeps */
    unsigned not_negative; /**< bit i: the numbers of its i-th moment are never below 0 (mean squares, step sizes) */
    bool squares;          /**< it squares the gradient, so that |g| must stay below sqrt(BP_REAL_MAX) */
    bool needs_full_batch; /**< noise in the gradient spoils it */
    void (*begin)(bp_optimizer *opt); /**< sets opt->factors from n_steps and learning_rate; NULL: there are none */
};

/** Steps n <= BPI_CHUNK numbers p with gradient g; moments[i] is the stretch of the i-th moment that belongs to them. */
typedef void (*bpi_rule_step)(const bp_optimizer *opt, size_t n, bp_real *p, const bp_real *g, bp_real *const moments[]);

/** Loops over n numbers, the same in bits for all instruction sets. `to` may be g. */
struct bpi_rule_kernels {
    void (*add_penalties)(size_t n, bp_real l1, bp_real l2, const bp_real *p, const bp_real *g, bp_real *to);
    void (*clip_by_value)(size_t n, bp_real C, const bp_real *g, bp_real *to);
    void (*scale_gradient)(size_t n, double factor, const bp_real *g, bp_real *to);
    void (*add_weight_decay)(size_t n, bp_real w, const bp_real *p, const bp_real *g, bp_real *to);
    size_t (*count_beyond)(size_t n, bp_real limit, const bp_real *g); /**< how many are not within +-limit */
    void (*scale_parameters)(size_t n, bp_real factor, bp_real *p);
    void (*flush)(size_t n, bp_real *p); /**< sets what is below the range of normal numbers to 0 */
    double (*sum_of_squares)(size_t n, const bp_real *x, double scale_by);
    double (*sum_of_magnitudes)(size_t n, const bp_real *x);
    bpi_rule_step step[BP_N_OPTIMIZERS]; /**< all kinds */
};

/** The loops for the instruction set in use: see math/kernels.h. */
const struct bpi_rule_kernels *bpi_rule_kernels(void);

/** The row of a kind below BP_N_OPTIMIZERS. */
const struct bpi_rule *bpi_rule(bp_optimizer_kind kind);

/** How many arrays of n_params these settings keep. */
size_t bpi_rule_moments(const bp_optimizer_config *settings);

#endif
