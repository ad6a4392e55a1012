// SPDX-License-Identifier: MIT
/*
 * Which libbackprop this is: at compile time as numbers, at run time as text.
 */
#ifndef BACKPROP_VERSION_H
#define BACKPROP_VERSION_H

#include "backprop/precision.h"

#define BP_VERSION_MAJOR 0
#define BP_VERSION_MINOR 1
#define BP_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/** Version of the archive that was linked, for example "0.1.0". Static text; any thread. */
const char *bp_version(void);

#ifdef __cplusplus
}
#endif

#endif
