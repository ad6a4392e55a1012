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

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "libbackprop looks for NaNs and infinities: compile it without -ffast-math and -ffinite-math-only"
#endif

#include "backprop/precision.h"

#ifdef BACKPROP_SINGLE
#define BPI_EXP expf
#define BPI_TANH tanhf
#define BPI_SQRT sqrtf
#define BPI_LOG logf
#define BPI_LOG1P log1pf
#define BPI_EXPM1 expm1f
#define BPI_ERFC erfcf
#define BPI_SIN sinf
#define BPI_COS cosf
#define BPI_POW powf
#define BPI_FABS fabsf
#else
#define BPI_EXP exp
#define BPI_TANH tanh
#define BPI_SQRT sqrt
#define BPI_LOG log
#define BPI_LOG1P log1p
#define BPI_EXPM1 expm1
#define BPI_ERFC erfc
#define BPI_SIN sin
#define BPI_COS cos
#define BPI_POW pow
#define BPI_FABS fabs
#endif

/**
 * 0 in place of what is below the range of normal numbers: a moment that decays would stay there
 * for ever, where each operation is slow.
 */
static inline bp_real bpi_flushed(bp_real x)
{
    return BPI_FABS(x) < BP_REAL_MIN ? (bp_real)0 : x;
}

#endif
