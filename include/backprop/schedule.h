// SPDX-License-Identifier: MIT
/*
 * Schedules: the learning rate as a function of how far training is.
 *
 *   opt.learning_rate = (bp_real)bp_schedule_rate(&schedule, base, opt.n_steps);   -- before each step
 */
#ifndef BACKPROP_SCHEDULE_H
#define BACKPROP_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The rate for k = 0, 1, ... steps (or epochs) done and a base rate. "div" is integer division. The values are fixed. */
typedef enum bp_schedule_kind {
    BP_SCHEDULE_CONSTANT = 0,     /**< base */
    BP_SCHEDULE_STEP = 1,         /**< base gamma^(k div period) */
    BP_SCHEDULE_MULTI_STEP = 2,   /**< base gamma^(number of milestones <= k) */
    BP_SCHEDULE_EXPONENTIAL = 3,  /**< base gamma^k */
    BP_SCHEDULE_INVERSE_TIME = 4, /**< base / (1 + gamma k) */
    /** minimum + (base - minimum) (1 - min(k, period) / period)^power. */
    BP_SCHEDULE_POLYNOMIAL = 5,
    /** base (k + 1) / warmup while k < warmup, then minimum + (base - minimum) / 2
        (1 + cos(pi min(1, (k - warmup) / (period - warmup)))) (Loshchilov and Hutter, ICLR 2017). */
    BP_SCHEDULE_COSINE = 6,
    /** Up from maximum / div_factor to maximum at k = warmup_fraction period - 1, then down to
        maximum / (div_factor final_div_factor) at k = period - 1, and there it stays; both ways on half a cosine (Smith and
        Topin, 2017, in the form of PyTorch's OneCycleLR). */
    BP_SCHEDULE_ONE_CYCLE = 7,
    /** base times the factor of a bp_plateau, that is, smaller by gamma each time the loss has stopped falling. */
    BP_SCHEDULE_PLATEAU = 8,
    BP_SCHEDULE_CUSTOM = 9, /**< custom(base, k, user) */
    BP_N_SCHEDULES          /**< how many there are; grows with versions */
} bp_schedule_kind;

/** A schedule; zeroed, a constant rate. A setting that the kind does not have must stay 0. Arrays stay the user's. */
typedef struct bp_schedule {
    bp_schedule_kind kind;
    bool by_epoch; /**< where training counts k for you: epochs, not steps. PLATEAU always goes by epochs */
    double gamma;  /**< STEP, MULTI_STEP, PLATEAU: in (0, 1), default 0: 0.1. EXPONENTIAL: in (0, 1]; INVERSE_TIME: > 0,
                        finite; no default for these two */

    uint64_t period; /**< STEP, POLYNOMIAL: >= 1; COSINE: > warmup; ONE_CYCLE: >= 2, the whole cycle. No default */
    uint64_t warmup; /**< COSINE: steps on the way up. Default 0: none */
    double minimum;  /**< POLYNOMIAL, COSINE: the last rate; PLATEAU: the lowest. >= 0, finite. Default 0 */
    double power;    /**< POLYNOMIAL: > 0, finite. Default 0: 1 */

    const uint64_t *milestones; /**< MULTI_STEP: n_milestones, rising */
    size_t n_milestones;        /**< MULTI_STEP: >= 1 */

    double maximum;          /**< ONE_CYCLE: the highest rate, > 0, finite; base is then not used. Default 0: base */
    double warmup_fraction;  /**< ONE_CYCLE: in (0, 1), share of the cycle on the way up. Default 0: 0.3 */
    double div_factor;       /**< ONE_CYCLE: >= 1, finite. Default 0: 25 */
    double final_div_factor; /**< ONE_CYCLE: >= 1, finite. Default 0: 1e4 */

    uint64_t patience; /**< PLATEAU: updates in a row without improvement that have no effect. Default 0: 10 */
    double threshold;  /**< PLATEAU: in [0, 1): by which share of |best| a loss must be below it. Default 0: any */
    uint64_t cooldown; /**< PLATEAU: updates after a fall that are not counted. Default 0: none */

    /** CUSTOM: the rate, >= 0 and finite, called in the thread that asks for it. */
    double (*custom)(double base, uint64_t k, void *user);
    void *user; /**< CUSTOM: handed over; the library never reads it */
} bp_schedule;

/**
 * Whether the settings make a schedule.
 *
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer, an unknown kind, a setting out of range or
 *         missing, or one that the kind does not have
 */
bp_status bp_schedule_check(const bp_schedule *schedule);

/**
 * The rate for a step.
 *
 * It depends on its arguments alone, so a resumed run needs no more than k. It may be 0, at the end of a cosine say.
 *
 * @param schedule  one that bp_schedule_check() accepts; NULL: constant
 * @param base      the rate to start from, usually opt.settings.learning_rate
 * @param k         steps of the optimizer done, or epochs, from 0
 * @return the rate; `base` for BP_SCHEDULE_PLATEAU, whose rate is bp_plateau_rate()
 */
double bp_schedule_rate(const bp_schedule *schedule, double base, uint64_t k);

/** How a loss has gone so far, for BP_SCHEDULE_PLATEAU. Plain numbers: copy and save it as you like. */
typedef struct bp_plateau {
    double best;      /**< lowest loss; DBL_MAX before the first */
    double factor;    /**< gamma^(number of falls) */
    uint64_t waited;  /**< updates in a row without improvement */
    uint64_t cooling; /**< updates left that are not counted */
} bp_plateau;

/** Sets `plateau` to the start: no loss yet, factor 1. */
void bp_plateau_init(bp_plateau *plateau);

/**
 * Takes note of a loss, usually once an epoch; lets the rate fall when there were more than `patience` in a row without
 * improvement. A loss improves if it is below best - threshold |best|; one that is not a number does not.
 *
 * As PyTorch's ReduceLROnPlateau with mode min and a relative threshold, but that best may be negative.
 *
 * @param plateau   begun by bp_plateau_init(), changed
 * @param schedule  of kind BP_SCHEDULE_PLATEAU, accepted by bp_schedule_check(); read only
 * @return whether the rate has fallen
 */
bool bp_plateau_update(bp_plateau *plateau, const bp_schedule *schedule, double loss);

/** The rate on this plateau: base times factor, but not below `minimum` (a base below `minimum` stays as it is). */
double bp_plateau_rate(const bp_plateau *plateau, const bp_schedule *schedule, double base);

/**
 * The name in the enumeration, lower case, for example "one_cycle"; "unknown" for other values. Static text; any thread.
 */
const char *bp_schedule_name(bp_schedule_kind kind);

#ifdef __cplusplus
}
#endif

#endif
