// SPDX-License-Identifier: MIT
/*
 * Sentences for what the system refused.
 */
#ifndef BPI_STORE_IO_FAILURE_H
#define BPI_STORE_IO_FAILURE_H

#include "base/real.h"

#include "backprop/status.h"

/** The path, or the end of it where it would crowd the reason out of the sentence. A part of `path`. */
const char *bpi_name_of_path(const char *path);

/**
 * Fails with "<name>: <what>: <reason> (errno <number>)", as far as errno knows: set it to 0 before the call that may fail, C lets
 * a failing one leave it alone. Returns BP_ERR_IO.
 */
bp_status bpi_io_failure(const char *name, const char *what);

#endif
