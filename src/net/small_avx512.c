// SPDX-License-Identifier: MIT
/*
 * Walks through small networks for AVX-512: small_body.h once more; CMakeLists.txt has the options of the compiler.
 */
#define SMALL_WALKS bpi_small_walks_avx512
#include "net/small_body.h"
