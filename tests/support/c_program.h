// SPDX-License-Identifier: MIT
/*
 * C and C++ programs made in a test: a folder of their own, and the compilers that were found when the tests were configured.
 */
#ifndef TEST_SUPPORT_C_PROGRAM_H
#define TEST_SUPPORT_C_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

enum { TEST_PATH_SIZE = 1024 };

/** A folder for one test. */
struct test_folder {
    char path[TEST_PATH_SIZE];
};

/** Makes a new folder in $TMPDIR, or here. */
void test_folder_make(struct test_folder *folder);

/** The path of a file in it, in a buffer that the next call but three writes anew. */
const char *test_folder_file(const struct test_folder *folder, const char *name);

/** Writes text into a file of it. */
void test_folder_write(const struct test_folder *folder, const char *name, const char *text);

/** How many files are in it. */
size_t test_folder_count(const struct test_folder *folder);

/** Takes it away with the files in it. */
void test_folder_remove(const struct test_folder *folder);

/** A compiler with its strict flags, for messages and for test_compile(). */
struct test_compiler {
    const char *command; /**< how it is called, and the language: C99 or C++17 */
    bool is_cxx;
};

/**
 * The compilers that are there now, C first; all warnings are errors to them. Under TEST_QUICK the first of C and the first of C++.
 *
 * @return how many, at most `most`
 */
size_t test_compilers(struct test_compiler *compilers, size_t most);

/** Compiles `arguments` (files and flags) in the folder into `program`, there too. True if it worked; prints what the compiler says if `tells`. */
bool test_compile(const struct test_compiler *compiler, const struct test_folder *folder, const char *arguments,
                  const char *program, bool tells);

/** Runs a program in the folder, its output shown; its exit status. */
int test_run(const struct test_folder *folder, const char *program);

#endif
