// SPDX-License-Identifier: MIT
/*
 * The number type of the library.
 *
 * By default bp_real is double and the program links libbackprop.a. With BACKPROP_SINGLE defined, for every file that
 * includes these headers, bp_real is float, each public name bp_... becomes bpf_..., and the program links libbackpropf.a.
 * The targets backprop::backprop and backprop::backpropf, and pkg-config's backprop and backpropf, set this for you.
 * Headers of one kind with the archive of the other fail at link time; one program may use both, in separate files.
 */
#ifndef BACKPROP_PRECISION_H
#define BACKPROP_PRECISION_H

#include <float.h>

#ifdef BACKPROP_SINGLE
#include "backprop/single_names.h"
/** The number type of parameters, inputs and outputs. */
typedef float bp_real;
#define BP_REAL_EPSILON FLT_EPSILON /**< 2^-23 */
#define BP_REAL_MIN FLT_MIN         /**< smallest normal number */
#define BP_REAL_MAX FLT_MAX         /**< largest finite number */
#else
/** The number type of parameters, inputs and outputs. */
typedef double bp_real;
#define BP_REAL_EPSILON DBL_EPSILON /**< 2^-52 */
#define BP_REAL_MIN DBL_MIN         /**< smallest normal number */
#define BP_REAL_MAX DBL_MAX         /**< largest finite number */
#endif

#endif
