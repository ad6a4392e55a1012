// SPDX-License-Identifier: MIT
/*
 * bp_blas_info(). OpenBLAS chooses its kernels when a program is loaded, so this program starts itself again for each
 * choice: with an argument it prints what it is told, for the test that has started it. What the processor can do is read
 * from /proc/cpuinfo, not asked in the library's way.
 */
#define _POSIX_C_SOURCE 200809L

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <backprop.h>

#include "math/blas_calls.h"

static const char *own_path;

/* ---- The child ------------------------------------------------------------------------------------------------------- */

/* A line each: kernel, threads, advice. */
static int print_info(void)
{
    const bp_blas blas = bp_blas_info();
    printf("%s\n%d\n%s\n", blas.kernel, blas.threads, blas.advice != NULL ? blas.advice : "none");
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

struct answer {
    char kernel[64], advice[512];
    int threads;
};

static void run_child(int out, const char *variable, const char *value)
{
    if (dup2(out, STDOUT_FILENO) >= 0 && setenv(variable, value, 1) == 0)
        (void)execl(own_path, own_path, "print", (char *)NULL);
    _exit(EXIT_FAILURE);
}

static void read_line(FILE *from, size_t size, char *line)
{
    assert_non_null(fgets(line, (int)size, from));
    line[strcspn(line, "\n")] = '\0';
}

static struct answer ask_with(const char *variable, const char *value)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run_child(ends[1], variable, value);
    (void)close(ends[1]);

    struct answer answer;
    char threads[32];
    FILE *from = fdopen(ends[0], "r");
    assert_non_null(from);
    read_line(from, sizeof answer.kernel, answer.kernel);
    read_line(from, sizeof threads, threads);
    read_line(from, sizeof answer.advice, answer.advice);
    (void)fclose(from);
    answer.threads = (int)strtol(threads, NULL, 10);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    return answer;
}

/* ---- The processor --------------------------------------------------------------------------------------------------- */

static bool has_flag(const char *flag)
{
    static char line[1 << 14];
    FILE *file = fopen("/proc/cpuinfo", "r");
    bool found = false;
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        char wanted[64];
        (void)snprintf(wanted, sizeof wanted, " %s ", flag);
        line[strcspn(line, "\n")] = ' ';
        found = strncmp(line, "flags", 5) == 0 && strstr(line, wanted) != NULL;
    }
    if (file != NULL)
        (void)fclose(file);
    return found;
}

static bool has_avx512(void)
{
    return has_flag("avx512f") && has_flag("avx512bw") && has_flag("avx512dq") && has_flag("avx512vl") &&
           has_flag("avx512cd");
}

static bool has_avx2(void)
{
    return has_flag("avx2") && has_flag("fma");
}

static bool is_openblas_with_dynamic_kernels(void)
{
    return strcmp(bp_blas_info().library, "OpenBLAS") == 0 &&
           strcmp(ask_with("OPENBLAS_CORETYPE", "Nehalem").kernel, "Nehalem") == 0;
}

/* ---- Tests ----------------------------------------------------------------------------------------------------------- */

static void every_text_is_there(void **state)
{
    (void)state;
    const bp_blas blas = bp_blas_info();
    assert_true(blas.library[0] != '\0' && blas.kernel[0] != '\0');
    assert_in_range(blas.threading, 0, BP_N_BLAS_THREADINGS - 1);
    assert_true(blas.advice == NULL || blas.advice[0] != '\0');
}

static void the_version_begins_with_a_digit_or_is_empty(void **state)
{
    (void)state;
    const bp_blas blas = bp_blas_info();
    assert_true(blas.version[0] == '\0' || strchr("0123456789", blas.version[0]) != NULL);
    assert_null(strchr(blas.version, ' '));
    assert_true(strcmp(blas.library, "OpenBLAS") != 0 || blas.version[0] != '\0');
}

static void a_build_without_blas_says_so(void **state)
{
    (void)state;
#ifdef PLAIN_GEMM
    const bp_blas blas = bp_blas_info();
    assert_string_equal(blas.library, "own plain C");
    assert_string_equal(blas.version, "");
    assert_string_equal(blas.kernel, "plain C");
    assert_int_equal(blas.threads, 1);
    assert_int_equal(blas.threading, BP_BLAS_SERIAL);
    assert_null(blas.advice);
#else
    assert_string_not_equal(bp_blas_info().library, "own plain C");
#endif
}

static void every_way_of_threading_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(bp_blas_threading_name(BP_BLAS_SERIAL), "serial");
    assert_string_equal(bp_blas_threading_name(BP_BLAS_PTHREAD), "pthread");
    assert_string_equal(bp_blas_threading_name(BP_BLAS_OPENMP), "openmp");
    assert_string_equal(bp_blas_threading_name(BP_BLAS_UNKNOWN), "unknown");
    assert_string_equal(bp_blas_threading_name((bp_blas_threading)99), "unknown");
}

static void threads_are_those_of_the_environment(void **state)
{
    (void)state;
    const bp_blas blas = bp_blas_info();
    if (strcmp(blas.library, "OpenBLAS") != 0 || blas.threading != BP_BLAS_PTHREAD)
        skip();
    assert_int_equal(ask_with("OPENBLAS_NUM_THREADS", "1").threads, 1);
    if (sysconf(_SC_NPROCESSORS_ONLN) >= 2)
        assert_int_equal(ask_with("OPENBLAS_NUM_THREADS", "2").threads, 2);
}

/* Of kernels that are new enough. */
static void assert_no_advice_on_kernels(const char *advice)
{
    if (bp_blas_info().threading == BP_BLAS_SERIAL)
        assert_non_null(strstr(advice, "built without threads"));
    else
        assert_string_equal(advice, "none");
}

/* Which setting is the right one for kernels that are of some level; NULL: they are new enough. */
static const char *right_setting(bool kernel_has_avx2, bool kernel_has_avx512)
{
    if (has_avx512())
        return kernel_has_avx512 ? NULL : "OPENBLAS_CORETYPE=SkylakeX";
    return has_avx2() && !kernel_has_avx2 ? "OPENBLAS_CORETYPE=Haswell" : NULL;
}

static void advice_is_given_where_the_kernels_are_older_than_the_processor(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool avx2, avx512;
    } kernels[] = { { "Prescott", false, false },    { "Core2", false, false },  { "Nehalem", false, false },
                    { "Sandybridge", false, false }, { "Haswell", true, false }, { "Zen", true, false },
                    { "SkylakeX", true, true } };
    if (!is_openblas_with_dynamic_kernels())
        skip();
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        if ((kernels[i].avx512 && !has_avx512()) || (kernels[i].avx2 && !has_avx2()))
            continue; /* the processor could not run them */
        const struct answer answer = ask_with("OPENBLAS_CORETYPE", kernels[i].name);
        const char *right = right_setting(kernels[i].avx2, kernels[i].avx512);
        assert_string_equal(answer.kernel, kernels[i].name);
        if (right == NULL) {
            assert_no_advice_on_kernels(answer.advice);
        } else {
            assert_non_null(strstr(answer.advice, right));
        }
    }
}

static void the_advice_when_followed_is_no_longer_given(void **state)
{
    (void)state;
    if (!is_openblas_with_dynamic_kernels())
        skip();
    const struct answer before = ask_with("OPENBLAS_CORETYPE", "Prescott");
    const char *setting = strstr(before.advice, "OPENBLAS_CORETYPE=");
    if (setting == NULL)
        skip(); /* a processor without AVX2 */
    char value[32];
    assert_int_equal(sscanf(setting, "OPENBLAS_CORETYPE=%31s", value), 1);
    const struct answer after = ask_with("OPENBLAS_CORETYPE", value);
    assert_string_equal(after.kernel, value);
    assert_no_advice_on_kernels(after.advice);
}

/* Then own kernels do all products. The second call remembers the first. */
static void a_blas_that_there_is_advice_on_is_not_relied_on(void **state)
{
    (void)state;
    const bp_blas blas = bp_blas_info();
    const bool is_there = strcmp(blas.library, "own plain C") != 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(bpi_blas_is_good(), is_there && blas.advice == NULL);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "print") == 0)
        return print_info();
    own_path = argv[0];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_is_there),
        cmocka_unit_test(the_version_begins_with_a_digit_or_is_empty),
        cmocka_unit_test(a_build_without_blas_says_so),
        cmocka_unit_test(every_way_of_threading_has_a_name),
        cmocka_unit_test(threads_are_those_of_the_environment),
        cmocka_unit_test(advice_is_given_where_the_kernels_are_older_than_the_processor),
        cmocka_unit_test(the_advice_when_followed_is_no_longer_given),
        cmocka_unit_test(a_blas_that_there_is_advice_on_is_not_relied_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
