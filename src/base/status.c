// SPDX-License-Identifier: MIT
/*
 * Statuses in words, and the last error sentence of each thread: the only state here, one buffer a thread.
 */
#include "base/status.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last_message[512];

static const char *const status_text[] = {
    [BP_OK] = "ok",
    [BP_ERR_ARGUMENT] = "invalid argument",
    [BP_ERR_SHAPE] = "sizes do not fit",
    [BP_ERR_TOO_LARGE] = "too large",
    [BP_ERR_MEMORY] = "out of memory",
    [BP_ERR_STATE] = "not ready for this call",
    [BP_ERR_NONFINITE] = "not a finite number",
    [BP_ERR_TARGET] = "invalid target",
    [BP_ERR_DIVERGED] = "training diverged",
    [BP_ERR_UNSUPPORTED] = "not supported",
    [BP_ERR_IO] = "input or output failed",
    [BP_ERR_FORMAT] = "malformed data",
};

const char *bp_status_string(bp_status status)
{
    const size_t known = sizeof status_text / sizeof status_text[0];
    return (size_t)status < known ? status_text[status] : "unknown status";
}

const char *bp_error_message(void)
{
    return last_message;
}

bp_status bpi_fail(bp_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(last_message, sizeof last_message, format, arguments);
    va_end(arguments);
#ifdef BACKPROP_SINGLE
    /* __func__ has the name behind the macro; users wrote bp_. */
    if (strncmp(last_message, "bpf_", 4) == 0)
        memmove(last_message + 2, last_message + 3, strlen(last_message + 3) + 1);
#endif
    return status;
}
