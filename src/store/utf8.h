// SPDX-License-Identifier: MIT
/*
 * Is it UTF-8? (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.)
 */
#ifndef BPI_STORE_UTF8_H
#define BPI_STORE_UTF8_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

/** Bytes of the well-formed character that `text` begins with, 1 to 4; 0 if there is none, or it is cut short by n. */
size_t bpi_utf8_length(const char *text, size_t n);

/** Whether all n bytes are UTF-8. */
bool bpi_utf8_is_valid(const char *text, size_t n);

#endif
