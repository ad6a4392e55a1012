// SPDX-License-Identifier: MIT
/*
 * The locale with a comma: what is installed, else what localedef makes of the system's sources.
 */
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): POSIX's own way to ask for it
#define _POSIX_C_SOURCE 200809L /* mkdtemp, setenv */

#include "support/locale.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool writes_commas(void)
{
    char text[8];
    (void)snprintf(text, sizeof text, "%.1f", 0.5);
    return strcmp(text, "0,5") == 0;
}

static bool set_installed(void)
{
    static const char *const names[] = {
        "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "es_ES.UTF-8", "ru_RU.UTF-8", "de_DE"
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (setlocale(LC_ALL, names[i]) != NULL && writes_commas())
            return true;
    return false;
}

/* Programs of its own kind are started through the shell, which is fine for a test. */
static bool run(const char *format, const char *folder)
{
    char command[512];
    const int n = snprintf(command, sizeof command, format, folder);
    return n > 0 && n < (int)sizeof command && system(command) == 0; /* NOLINT(cert-env33-c) */
}

/* The locale is loaded when it is set, so that its folder may go at once. */
static bool set_made(void)
{
    char folder[256];
    const char *temporary = getenv("TMPDIR");
    const int n = snprintf(folder, sizeof folder, "%s/locale-XXXXXX", temporary == NULL ? "." : temporary);
    if (n < 0 || n >= (int)sizeof folder || mkdtemp(folder) == NULL)
        return false;
    const bool made = run("localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' >/dev/null 2>&1", folder);
    const bool is_set = made && setenv("LOCPATH", folder, 1) == 0 && set_installed();
    (void)unsetenv("LOCPATH");
    (void)run("rm -rf '%s'", folder);
    return is_set;
}

bool test_set_comma_locale(void)
{
    if (set_installed() || set_made())
        return true;
    (void)setlocale(LC_ALL, "C");
    print_message("no locale with a decimal comma: de_DE.UTF-8 is not installed, and localedef cannot make it\n");
    return false;
}
