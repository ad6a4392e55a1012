// SPDX-License-Identifier: MIT
/*
 * Walks through small networks for the instruction set of the whole library: small_body.h once more; CMakeLists.txt has the options of the compiler.
 */
#define SMALL_WALKS bpi_small_walks_plain
#include "net/small_body.h"
