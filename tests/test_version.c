// SPDX-License-Identifier: MIT
/*
 * The version: one number in the header, in the archive and in the build.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "backprop/version.h"

static void text_is_made_of_the_numbers_in_the_header(void **state)
{
    (void)state;
    char text[64];
    (void)snprintf(text, sizeof text, "%d.%d.%d", BP_VERSION_MAJOR, BP_VERSION_MINOR, BP_VERSION_PATCH);

    assert_string_equal(bp_version(), text);
}

/* CMakeLists.txt says it a second time, for packages. */
static void build_and_header_agree(void **state)
{
    (void)state;
    assert_string_equal(bp_version(), PROJECT_VERSION);
}

static void text_is_static(void **state)
{
    (void)state;
    assert_ptr_equal(bp_version(), bp_version());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_made_of_the_numbers_in_the_header),
        cmocka_unit_test(build_and_header_agree),
        cmocka_unit_test(text_is_static),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
