// SPDX-License-Identifier: MIT
/*
 * Initial values of parameters.
 */
#ifndef BACKPROP_INIT_H
#define BACKPROP_INIT_H

#include "backprop/precision.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * From which distribution the initial values of an array are drawn. n_in and n_out are those of the layer, also for its
 * biases; the normal forms are not truncated. The values are fixed.
 *
 * Glorot and Bengio, AISTATS 2010, eq. 16; He, Zhang, Ren and Sun, ICCV 2015, eq. 10; LeCun, Bottou, Orr and Mueller,
 * Efficient BackProp, 1998, section 4.6; Saxe, McClelland and Ganguli, ICLR 2014.
 */
typedef enum bp_init_kind {
    BP_INIT_DEFAULT = 0,        /**< weights: by the activation, He normal for relu, leaky relu, elu, gelu, gelu_tanh, silu
                                     and mish, LeCun normal for selu, Glorot uniform for all others; biases: zeros */
    BP_INIT_ZEROS = 1,          /**< 0 */
    BP_INIT_UNIFORM = 2,        /**< uniform in [a, b] */
    BP_INIT_NORMAL = 3,         /**< normal with mean a and standard deviation b */
    BP_INIT_GLOROT_UNIFORM = 4, /**< uniform in [-s, s], s = sqrt(6 / (n_in + n_out)) */
    BP_INIT_GLOROT_NORMAL = 5,  /**< normal, variance 2 / (n_in + n_out) */
    BP_INIT_HE_UNIFORM = 6,     /**< uniform in [-s, s], s = sqrt(6 / n_in) */
    BP_INIT_HE_NORMAL = 7,      /**< normal, variance 2 / n_in */
    BP_INIT_LECUN_UNIFORM = 8,  /**< uniform in [-s, s], s = sqrt(3 / n_in) */
    BP_INIT_LECUN_NORMAL = 9,   /**< normal, variance 1 / n_in */
    /** Weights only. The rows of W are orthonormal, where n_out > n_in its columns, times the gain a. They are what is
        left, scaled to length 1 and never turned round, of rows (columns) of normal numbers when their parts along those
        before them are taken off: so every such W is equally likely. Takes time of order n_in n_out min(n_in, n_out);
        computed in the precision of the build. */
    BP_INIT_ORTHOGONAL = 10,
    BP_N_INIT_KINDS /**< how many there are; grows with versions */
} bp_init_kind;

/** An initialiser; zeroed it is the default. */
typedef struct bp_init {
    bp_init_kind kind;
    bp_real a; /**< BP_INIT_UNIFORM: lower end; BP_INIT_NORMAL: mean; BP_INIT_ORTHOGONAL: gain, default 0 means 1.
                    Finite. Else unused */
    bp_real b; /**< BP_INIT_UNIFORM: upper end, >= a, b - a finite; BP_INIT_NORMAL: standard deviation, >= 0; finite. Else
                    unused */
} bp_init;

#ifdef __cplusplus
}
#endif

#endif
