// SPDX-License-Identifier: MIT
/*
 * assert_refused(): shows the whole sentence where a part of it is missing.
 */
#include "support/refusal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/status.h"

void test_forget_sentence(void)
{
    (void)bpi_fail(BP_OK, "%s", "");
}

void test_assert_refused(bp_status actual, bp_status expected, const char *const parts[], const char *call,
                         const char *file, int line)
{
    if (actual != expected) {
        print_error("%s: \"%s\" where \"%s\" was expected; %s\n", call, bp_status_string(actual),
                    bp_status_string(expected), bp_error_message());
        _fail(file, line);
    }
    for (size_t i = 0; parts[i] != NULL; i++) {
        if (strstr(bp_error_message(), parts[i]) == NULL) {
            print_error("%s: no \"%s\" in \"%s\"\n", call, parts[i], bp_error_message());
            _fail(file, line);
        }
    }
}
