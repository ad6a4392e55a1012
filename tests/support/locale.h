// SPDX-License-Identifier: MIT
/*
 * A locale whose decimal point is a comma, to hold the library to its promise that numbers in text never depend on it.
 */
#ifndef TEST_SUPPORT_LOCALE_H
#define TEST_SUPPORT_LOCALE_H

#include <stdbool.h>

/**
 * Sets a locale with a comma for all categories: an installed one, or one that localedef makes in a temporary directory for
 * this process alone. `setlocale(LC_ALL, "C")` sets it back.
 *
 * @return false if there is none and none can be made; the reason is printed, and the locale is as it was
 */
bool test_set_comma_locale(void);

#endif
