// SPDX-License-Identifier: MIT
/*
 * The double-precision half of a program that uses both precisions: a plain C interface, which knows no header of the
 * library. test_both_precisions.c is the other half.
 */
#ifndef TEST_SUPPORT_DOUBLE_PART_H
#define TEST_SUPPORT_DOUBLE_PART_H

#include <stddef.h>
#include <stdint.h>

enum {
    BOTH_IN = 4,
    BOTH_HIDDEN = 16,
    BOTH_OUT = 3,
    BOTH_PARAMS = (BOTH_IN + 1) * BOTH_HIDDEN + (BOTH_HIDDEN + 1) * BOTH_OUT
};

/** sizeof(bp_real) over there. */
size_t double_part_size_of_real(void);

/**
 * Makes the network BOTH_IN - BOTH_HIDDEN tanh - BOTH_OUT softmax of this seed; gives its parameters and its outputs for a
 * batch of `batch` rows. Returns the status as a number.
 */
int double_part_predict(uint64_t seed, const double *X, size_t batch, double params[BOTH_PARAMS], double *Y);

/** Fails on purpose, and returns the sentence that the double library has for it. */
const char *double_part_fail(void);

/** The sentence as it is now. */
const char *double_part_sentence(void);

#endif
