// SPDX-License-Identifier: MIT
/*
 * Comparing numbers within a bound, in double: cmocka's assert_float_equal casts both sides to float.
 */
#ifndef TEST_SUPPORT_CLOSE_H
#define TEST_SUPPORT_CLOSE_H

/** Fails, with the values and the bound, unless |actual - expected| <= bound. NaN is close to nothing. Arguments: double. */
#define assert_close(actual, expected, bound)                                                                              \
    test_assert_close((actual), (expected), (bound), #actual ", " #expected, __FILE__, __LINE__)

void test_assert_close(double actual, double expected, double bound, const char *what, const char *file, int line);

#endif
