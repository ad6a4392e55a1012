// SPDX-License-Identifier: MIT
/*
 * A plug-in that has the library inside is loaded, trains with a pool of threads, and is unloaded, again and again: no thread stays
 * behind in code that is gone, no memory is lost, and each time it comes to the same numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum { TIMES = 20 };

typedef int train_function(size_t n_threads, double *loss);

/* Threads of this process, as Linux lists them; 0 elsewhere. */
static size_t count_threads(void)
{
    size_t n = 0;
    DIR *folder = opendir("/proc/self/task");
    if (folder == NULL)
        return 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        n += entry->d_name[0] != '.';
    assert_int_equal(closedir(folder), 0);
    return n;
}

static double train_in_plugin(size_t n_threads)
{
    double loss = 0;
    void *plugin = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL)
        fail_msg("%s", dlerror());
    void *symbol = dlsym(plugin, "plugin_train");
    train_function *train;
    assert_non_null(symbol);
    memcpy(&train, &symbol, sizeof train); /* C has no conversion from objects to functions, POSIX has dlsym() */
    assert_int_equal(train(n_threads, &loss), 0);
    assert_int_equal(dlclose(plugin), 0);
    return loss;
}

static void a_plugin_is_unloaded_and_loaded_again(void **state)
{
    (void)state;
    const double first = train_in_plugin(4); /* starts what the BLAS keeps for good */
    const size_t n_threads = count_threads();
    assert_true(first > 0);
    for (size_t i = 0; i < TIMES; i++) {
        const double loss = train_in_plugin(1 + i % 4);
        assert_true(loss == first);
        assert_int_equal(count_threads(), n_threads);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_plugin_is_unloaded_and_loaded_again) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
