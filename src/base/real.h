// SPDX-License-Identifier: MIT
/*
 * The number type inside the library: internal names of the single-precision build, and libm by precision.
 * Comes before every declaration of an internal name, so each internal header includes it.
 */
#ifndef BPI_BASE_REAL_H
#define BPI_BASE_REAL_H

#ifdef BACKPROP_SINGLE
#include "base/single_names.h"
#endif

#include <math.h>

#include "backprop/precision.h"

#ifdef BACKPROP_SINGLE
#define BPI_EXP expf
#define BPI_TANH tanhf
#define BPI_SQRT sqrtf
#define BPI_LOG logf
#define BPI_LOG1P log1pf
#define BPI_FABS fabsf
#else
#define BPI_EXP exp
#define BPI_TANH tanh
#define BPI_SQRT sqrt
#define BPI_LOG log
#define BPI_LOG1P log1p
#define BPI_FABS fabs
#endif

#endif
