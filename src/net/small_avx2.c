// SPDX-License-Identifier: MIT
/*
 * Walks through small networks for AVX2 and FMA: small_body.h once more; CMakeLists.txt has the options of the compiler.
 */
#define SMALL_WALKS bpi_small_walks_avx2
#include "net/small_body.h"
