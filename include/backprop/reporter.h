// SPDX-License-Identifier: MIT
/*
 * A progress bar for those who wait: ready-made callbacks for a trainer.
 *
 *   bp_reporter reporter = { .stream = stderr, .is_terminal = isatty(2) };
 *   bp_train_config config = { .on_step = bp_reporter_step, .on_epoch = bp_reporter_epoch, .user = &reporter };
 *
 * On a terminal a line that is written anew some times a second, and left standing at the end of each epoch:
 *
 *   epoch  3/20 [==========          ]  loss 0.3481  54012 rows/s  12 s left
 *   epoch  3/20 [====================]  loss 0.3470  validation 0.3662  accuracy 0.8713  rate 0.001  11 s left
 *
 * Elsewhere one line without a bar at the end of each epoch. Numbers have the decimal point of the program's locale. The
 * time is measured from the first call on, so there is none to tell before the second.
 */
#ifndef BACKPROP_REPORTER_H
#define BACKPROP_REPORTER_H

#include <stdbool.h>
#include <stdio.h>

#include "backprop/precision.h"
#include "backprop/trainer.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Where to write, and what has been written. Yours; zeroed but for the stream it is ready. One for each run. */
typedef struct bp_reporter {
    FILE *stream;     /**< open for writing; stays open. NULL: nothing is written */
    bool is_terminal; /**< lines may be written over. Default false: plain lines */
    double started;   /**< seconds on the library's clock at the first call; 0: not yet */
    double rows;      /**< done by then, by which speed and time left are measured */
    double shown;     /**< seconds from then to the last line */
    int width;        /**< of the line that stands on the terminal, to be covered by the next; 0: none */
} bp_reporter;

/**
 * To be a trainer's on_step, with the reporter as user data, or to be called by one of your own, which is. Always
 * BP_CONTINUE; failing writes are ignored.
 */
bp_signal bp_reporter_step(const bp_progress *progress, void *user);

/** To be a trainer's on_epoch, with the same reporter. */
bp_signal bp_reporter_epoch(const bp_progress *progress, void *user);

#ifdef __cplusplus
}
#endif

#endif
