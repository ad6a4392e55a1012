// SPDX-License-Identifier: MIT
/*
 * What a function that can fail returns, and the reason in a sentence.
 */
#ifndef BACKPROP_STATUS_H
#define BACKPROP_STATUS_H

#include "backprop/precision.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Result of every function that can fail. The values are fixed: they may be stored and compared across versions. */
typedef enum bp_status {
    BP_OK = 0,              /**< done */
    BP_ERR_ARGUMENT = 1,    /**< a null pointer, or a setting outside its range */
    BP_ERR_SHAPE = 2,       /**< a size is zero or does not fit the other object */
    BP_ERR_TOO_LARGE = 3,   /**< a size beyond what memory arithmetic or a 32-bit CBLAS can hold */
    BP_ERR_MEMORY = 4,      /**< the allocator returned NULL; the object is as it was before */
    BP_ERR_STATE = 5,       /**< called too early: an object not yet initialised, a backward pass without a forward pass */
    BP_ERR_NONFINITE = 6,   /**< a NaN or an infinity in data, loss or gradient */
    BP_ERR_TARGET = 7,      /**< a target that the loss cannot take: no probability, no such class */
    BP_ERR_DIVERGED = 8,    /**< training turned non-finite; the network holds the last good parameters */
    BP_ERR_UNSUPPORTED = 9, /**< a combination or a feature that this build does not have */
    BP_ERR_IO = 10,         /**< opening, reading or writing failed */
    BP_ERR_FORMAT = 11      /**< the bytes are not what the format asks for */
} bp_status;

/**
 * The name of a status in words, for example "out of memory".
 *
 * @return static text, also for values that are no status ("unknown status"); never NULL. Any thread.
 */
const char *bp_status_string(bp_status status);

/**
 * Why the last failing call of this thread failed: one sentence with the names and numbers, for example
 * "layer 3: n_out is 0".
 *
 * Successful calls leave it as it is, so ask only after a status other than BP_OK.
 *
 * @return text owned by the library, valid until the next failing call of this thread; "" before the first. Never NULL.
 */
const char *bp_error_message(void);

#ifdef __cplusplus
}
#endif

#endif
