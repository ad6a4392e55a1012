// SPDX-License-Identifier: MIT
/*
 * C and C++ programs made in a test. TEST_C_COMPILERS and TEST_CXX_COMPILERS come from CMake: paths with '|' between them.
 */
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): POSIX's own way to ask for it
#define _POSIX_C_SOURCE 200809L /* mkdtemp */

#include "support/c_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STRICT "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wdouble-promotion -Wfloat-conversion -Werror"

/* ---- Folders --------------------------------------------------------------------------------------------------------- */

void test_folder_make(struct test_folder *folder)
{
    const char *place = getenv("TMPDIR");
    assert_true(snprintf(folder->path, sizeof folder->path, "%s/test-XXXXXX", place == NULL ? "." : place) <
                TEST_PATH_SIZE / 2);
    assert_non_null(mkdtemp(folder->path));
}

const char *test_folder_file(const struct test_folder *folder, const char *name)
{
    static char paths[4][TEST_PATH_SIZE];
    static size_t next;
    char *path = paths[next++ % 4];
    assert_true(snprintf(path, TEST_PATH_SIZE, "%s/%s", folder->path, name) < TEST_PATH_SIZE);
    return path;
}

void test_folder_write(const struct test_folder *folder, const char *name, const char *text)
{
    FILE *file = fopen(test_folder_file(folder, name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

/* Counts the files, and takes them away if asked to. */
static size_t walk(const struct test_folder *folder, bool removes)
{
    size_t n = 0;
    DIR *directory = opendir(folder->path);
    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        n++;
        if (removes)
            assert_int_equal(remove(test_folder_file(folder, entry->d_name)), 0);
    }
    assert_int_equal(closedir(directory), 0);
    return n;
}

size_t test_folder_count(const struct test_folder *folder)
{
    return walk(folder, false);
}

void test_folder_remove(const struct test_folder *folder)
{
    (void)walk(folder, true);
    assert_int_equal(rmdir(folder->path), 0);
}

/* ---- Compilers ------------------------------------------------------------------------------------------------------- */

static void add_compilers(const char *list, bool is_cxx, struct test_compiler *compilers, size_t most, size_t *n)
{
    static char commands[8][TEST_PATH_SIZE];
    const bool is_quick = getenv("TEST_QUICK") != NULL;
    for (size_t length; *list != '\0'; list += length + (list[length] == '|')) {
        length = strcspn(list, "|");
        char *command = commands[*n % 8];
        assert_true(snprintf(command, TEST_PATH_SIZE, "%.*s", (int)length, list) < TEST_PATH_SIZE - 32);
        if (length == 0 || *n == most || access(command, X_OK) != 0)
            continue;
        (void)strcat(command, is_cxx ? " -std=c++17 -x c++" : " -std=c99");
        compilers[(*n)++] = (struct test_compiler){ command, is_cxx };
        if (is_quick)
            return;
    }
}

size_t test_compilers(struct test_compiler *compilers, size_t most)
{
    size_t n = 0;
    add_compilers(TEST_C_COMPILERS, false, compilers, most, &n);
    add_compilers(TEST_CXX_COMPILERS, true, compilers, most, &n);
    return n;
}

/* A command of the shell, in the folder. */
static int run(const struct test_folder *folder, const char *command)
{
    char all[4 * TEST_PATH_SIZE];
    assert_true(snprintf(all, sizeof all, "cd '%s' && %s", folder->path, command) < (int)sizeof all);
    const int status = system(all); // NOLINT(cert-env33-c): the commands are our own
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool test_compile(const struct test_compiler *compiler, const struct test_folder *folder, const char *arguments,
                  const char *program, bool tells)
{
    char command[3 * TEST_PATH_SIZE];
    assert_true(snprintf(command, sizeof command, "%s " STRICT " %s -lm -o %s%s", compiler->command, arguments, program,
                         tells ? "" : " 2>/dev/null") < (int)sizeof command);
    return run(folder, command) == 0;
}

int test_run(const struct test_folder *folder, const char *program)
{
    char command[TEST_PATH_SIZE];
    assert_true(snprintf(command, sizeof command, "./%s", program) < (int)sizeof command);
    return run(folder, command);
}
