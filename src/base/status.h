// SPDX-License-Identifier: MIT
/*
 * Failing with a reason: keeps the sentence for bp_error_message().
 */
#ifndef BPI_BASE_STATUS_H
#define BPI_BASE_STATUS_H

#include "base/real.h"

#include "backprop/status.h"

#if defined(__GNUC__)
#define BPI_PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define BPI_PRINTF_LIKE(text, first)
#endif

/**
 * Keeps the sentence (cut at 511 bytes) for the calling thread and returns `status`, so
 * that `return bpi_fail(...)` reads well.
 */
bp_status bpi_fail(bp_status status, const char *format, ...) BPI_PRINTF_LIKE(2, 3);

/** Hands on a failure of a callee, which has already said why. */
#define BPI_TRY(call)                                                                                                      \
    do {                                                                                                                   \
        const bp_status bpi_status_ = (call);                                                                              \
        if (bpi_status_ != BP_OK)                                                                                          \
            return bpi_status_;                                                                                            \
    } while (0)

/** Refuses a null pointer with the names of function and argument. */
#define BPI_NOT_NULL(pointer)                                                                                              \
    do {                                                                                                                   \
        if ((pointer) == NULL)                                                                                             \
            return bpi_fail(BP_ERR_ARGUMENT, "%s: %s is NULL", __func__, #pointer);                                        \
    } while (0)

#endif
