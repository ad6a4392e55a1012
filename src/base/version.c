// SPDX-License-Identifier: MIT
/*
 * The version in text, made from the numbers in the header.
 */
#include "base/real.h"

#include "backprop/version.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

const char *bp_version(void)
{
    return TEXT(BP_VERSION_MAJOR) "." TEXT(BP_VERSION_MINOR) "." TEXT(BP_VERSION_PATCH);
}
