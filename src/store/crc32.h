// SPDX-License-Identifier: MIT
/*
 * CRC-32 as zlib, gzip and PNG have it (polynomial 0xEDB88320, reflected), so that anyone can check our files.
 */
#ifndef BPI_STORE_CRC32_H
#define BPI_STORE_CRC32_H

#include "base/real.h"

#include <stddef.h>
#include <stdint.h>

/** The checksum of n more bytes, going on from that of those before; begin with 0. `bytes` may be NULL for n = 0. */
uint32_t bpi_crc32(uint32_t crc, const void *bytes, size_t n);

#endif
