// SPDX-License-Identifier: MIT
/*
 * assert_close(): the message says how far apart the two numbers are, since that is what tells a bug from rounding.
 */
#include "support/close.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

void test_assert_close(double actual, double expected, double bound, const char *what, const char *file, int line)
{
    const double distance = fabs(actual - expected);
    if (distance <= bound)
        return;
    print_error("%s: %.17g and %.17g differ by %g, allowed %g\n", what, actual, expected, distance, bound);
    _fail(file, line);
}
