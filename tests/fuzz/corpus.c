// SPDX-License-Identifier: MIT
/*
 * Runs a fuzz target on files, without libFuzzer: each file of each folder given. So the corpora are tests everywhere.
 */
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): POSIX's own way to ask for it
#define _POSIX_C_SOURCE 200809L

#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Hands a file to the target, in memory of exactly its size. */
static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    require(file != NULL);
    require(fseek(file, 0, SEEK_END) == 0);
    const long size = ftell(file);
    require(size >= 0 && fseek(file, 0, SEEK_SET) == 0);
    uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);
    require(bytes != NULL && fread(bytes, 1, (size_t)size, file) == (size_t)size);
    (void)fclose(file);
    (void)LLVMFuzzerTestOneInput(bytes, (size_t)size);
    free(bytes);
}

static size_t run_folder(const char *folder)
{
    size_t n = 0;
    DIR *entries = opendir(folder);
    require(entries != NULL);
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        require(snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path);
        run_file(path);
        n++;
    }
    (void)closedir(entries);
    return n;
}

int main(int n_arguments, char **arguments)
{
    for (int i = 1; i < n_arguments; i++) {
        const size_t n = run_folder(arguments[i]);
        printf("%s: %zu files\n", arguments[i], n);
        if (n == 0)
            return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
