// SPDX-License-Identifier: MIT
/*
 * Calls that must be refused: with the right status, and with a sentence that says what is wrong.
 *
 *   assert_refused(bp_network_init(&net, &config), BP_ERR_SHAPE, "layer 1", "n_out is 0");
 */
#ifndef TEST_SUPPORT_REFUSAL_H
#define TEST_SUPPORT_REFUSAL_H

#include "backprop/status.h"

/** Fails unless the call gives this status and every further argument is a part of its sentence. */
#define assert_refused(call, status, ...)                                                                                  \
    (test_forget_sentence(),                                                                                               \
     test_assert_refused((call), (status), (const char *const[]){ __VA_ARGS__, NULL }, #call, __FILE__, __LINE__))

/** Empties the sentence of this thread, so that one left by an earlier call cannot pass for that of the next. */
void test_forget_sentence(void);

void test_assert_refused(bp_status actual, bp_status expected, const char *const parts[], const char *call,
                         const char *file, int line);

#endif
