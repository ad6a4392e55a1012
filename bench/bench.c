// SPDX-License-Identifier: MIT
/*
 * The benchmark: bench/README.md says how to read what it prints.
 *
 *   bench [--only TEXT] [--full] [--result] [--csv FILE] [--data DIRECTORY]
 *
 *   --only TEXT       cases whose name contains it; or one of the tables pool, scaling, aging, size, result
 *   --full            more pairs and cases, the scaling table in single precision too, and the time to result
 *   --result          the time to result alone: --only result
 *   --csv FILE        the numbers once more, for programs
 *   --data DIRECTORY  of Fashion-MNIST; default: where Debian has it
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <backprop/blas_info.h>
#include <backprop/version.h>

#include "sections.h"

const struct bench_precision_row *const bench_rows[BENCH_PRECISIONS] = { &bench_row_f64, &bench_row_f32 };

/* ---- The header ------------------------------------------------------------------------------------------------------ */

/* "model name : ..." of the first processor. */
static void print_processor(void)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    const char *name = NULL;
    while (file != NULL && name == NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':') != NULL)
            name = strchr(line, ':') + 2;
    if (name != NULL)
        line[strcspn(line, "\n")] = '\0';
    printf("| processor | %s, %ld cores", name != NULL ? name : "unknown", sysconf(_SC_NPROCESSORS_ONLN));
    if (file != NULL)
        (void)fclose(file);
    const long caches[] = { sysconf(_SC_LEVEL1_DCACHE_SIZE), sysconf(_SC_LEVEL2_CACHE_SIZE),
                            sysconf(_SC_LEVEL3_CACHE_SIZE) };
    for (size_t i = 0; i < sizeof caches / sizeof caches[0]; i++)
        if (caches[i] > 0)
            printf(", L%zu %ld KiB", i + 1, caches[i] / 1024);
    printf(" |\n");
}

static void print_blas(void)
{
    const bp_blas blas = bp_blas_info();
    printf("| BLAS | %s %s, kernels for %s, %s |\n", blas.library, blas.version, blas.kernel,
           bp_blas_threading_name(blas.threading));
    if (blas.advice != NULL)
        printf("| | **%s** |\n", blas.advice);
}

static void print_setting(const char *name)
{
    const char *value = getenv(name);
    if (value != NULL)
        printf("%s=%s ", name, value);
}

static void print_header(int argc, char **argv)
{
    printf("# Benchmark of libbackprop %d.%d.%d\n\n| | |\n|---|---|\n", BP_VERSION_MAJOR, BP_VERSION_MINOR,
           BP_VERSION_PATCH);
    print_processor();
    print_blas();
    if (strncmp(BENCH_COMPILER, "GNU", 3) != 0)
        printf("| | **the bounds of 16-32-32-4 with batch 1 need GCC, which calls the vector functions of glibc's libmvec: "
               "too slow here** |\n");
    printf("| compiler | %s, library and cases %s, bounds %s |\n| command | `", BENCH_COMPILER, BENCH_FLAGS,
           BENCH_BOUND_FLAGS);
    print_setting("OPENBLAS_CORETYPE");
    print_setting("OPENBLAS_NUM_THREADS");
    printf("./run bench");
    for (int i = 1; i < argc; i++)
        printf(" '%s'", argv[i]);
    printf("` |\n\n");
    (void)fflush(stdout);
}

/* ---- The whole ------------------------------------------------------------------------------------------------------- */

static int usage(const char *program)
{
    (void)fprintf(stderr, "usage: %s [--only TEXT] [--full] [--result] [--csv FILE] [--data DIRECTORY]\n", program);
    return EXIT_FAILURE;
}

/* The directory of a path, or "." */
static void directory_of(const char *path, size_t size, char *directory)
{
    (void)snprintf(directory, size, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash != NULL)
        *slash = '\0';
    else
        (void)snprintf(directory, size, ".");
}

/* Whether all arguments were understood. */
static bool read_options(int argc, char **argv, struct options *options, const char **csv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--full") == 0) {
            options->full = true;
            continue;
        }
        if (strcmp(argv[i], "--result") == 0) {
            options->only = "result";
            continue;
        }
        if (value == NULL)
            return false;
        if (strcmp(argv[i], "--only") == 0)
            options->only = value;
        else if (strcmp(argv[i], "--data") == 0)
            options->data = value;
        else if (strcmp(argv[i], "--csv") == 0)
            *csv = value;
        else
            return false;
        i++;
    }
    return true;
}

/* The tables beside that of the cases. */
static const struct {
    const char *name;
    bool (*print)(const struct options *options);
    bool only_full; /* or asked for by name */
} tables[] = {
    { "pool", print_pool, false },  { "scaling", print_scaling, false }, { "aging", print_aging, false },
    { "size", print_sizes, false }, { "result", print_results, true },
};

enum { N_TABLES = sizeof tables / sizeof tables[0] };

static bool is_wanted(size_t table, const struct options *options)
{
    if (options->only[0] == '\0')
        return options->full || !tables[table].only_full;
    return strcmp(tables[table].name, options->only) == 0;
}

/* Whether there is anything to print; says so if not. */
static bool has_something(const struct options *options)
{
    bool any = has_cases(options);
    for (size_t i = 0; i < N_TABLES; i++)
        any = any || is_wanted(i, options);
    if (any)
        return true;
    (void)fprintf(stderr, "bench: no case has '%s' in its name, and no table is called that; the tables:", options->only);
    for (size_t i = 0; i < N_TABLES; i++)
        (void)fprintf(stderr, " %s", tables[i].name);
    (void)fprintf(stderr, "; the cases:\n");
    for (size_t i = 0; i < bench_n_cases; i++)
        (void)fprintf(stderr, "  %s\n", bench_cases[i].name);
    return false;
}

static bool print_tables(const struct options *options)
{
    bool all = !has_cases(options) || print_cases(options);
    for (size_t i = 0; i < N_TABLES; i++)
        if (is_wanted(i, options))
            all = tables[i].print(options) && all;
    return all;
}

int main(int argc, char **argv)
{
    static char programs[4096];
    const char *csv = NULL;
    struct options options = { .only = "", .data = "/usr/share/datasets/fashion-mnist", .sources = BENCH_SOURCES };
    directory_of(argv[0], sizeof programs, programs);
    options.programs = programs;
    if (!read_options(argc, argv, &options, &csv))
        return usage(argv[0]);
    if (!has_something(&options))
        return EXIT_FAILURE;
    if (csv != NULL && (options.csv = fopen(csv, "w")) == NULL) {
        perror(csv);
        return EXIT_FAILURE;
    }
    print_header(argc, argv);
    const bool all = print_tables(&options);
    if (options.csv != NULL && fclose(options.csv) != 0) {
        perror("--csv");
        return EXIT_FAILURE;
    }
    return all ? EXIT_SUCCESS : EXIT_FAILURE;
}
