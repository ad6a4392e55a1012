// SPDX-License-Identifier: MIT
/*
 * What the BLAS says about itself, held against what the processor can do.
 *
 * The functions by which OpenBLAS can be asked are no part of CBLAS. CMake looks for them once (BACKPROP_HAS_OPENBLAS) and
 * they are declared here, so that gemm.c stays the only file that includes a CBLAS's header.
 */
#include "base/real.h"

#include "backprop/blas_info.h"

#include <stdbool.h>
#include <string.h>

const char *bp_blas_threading_name(bp_blas_threading threading)
{
    static const char *const names[] = { [BP_BLAS_SERIAL] = "serial",
                                         [BP_BLAS_PTHREAD] = "pthread",
                                         [BP_BLAS_OPENMP] = "openmp",
                                         [BP_BLAS_UNKNOWN] = "unknown" };
    return (size_t)threading < BP_N_BLAS_THREADINGS ? names[threading] : "unknown";
}

#ifdef BACKPROP_HAS_OPENBLAS

char *openblas_get_config(void);
char *openblas_get_corename(void);
int openblas_get_num_threads(void);
int openblas_get_parallel(void);

/* ---- What a processor can do ----------------------------------------------------------------------------------------- */

/* Vector instructions, each level with all below it. */
enum level { OLDER, AVX2, AVX512, N_LEVELS };

/* Both ask for the operating system's support, too. AVX-512 is what all of OpenBLAS's kernels for it need. */
static enum level processor_level(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
        return AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return AVX2;
#endif
    return OLDER;
}

/* ---- What kernels use ------------------------------------------------------------------------------------------------ */

/* OpenBLAS's kernels for x86-64 that a processor can outgrow. What is not here is taken to be new enough. */
static const struct kernel {
    const char *name;
    enum level level;
} kernels[] = {
    { "Generic", OLDER },     { "Katmai", OLDER },   { "Coppermine", OLDER },   { "Northwood", OLDER },
    { "Banias", OLDER },      { "Prescott", OLDER }, { "Core2", OLDER },        { "Penryn", OLDER },
    { "Dunnington", OLDER },  { "Atom", OLDER },     { "Nehalem", OLDER },      { "Sandybridge", OLDER },
    { "Athlon", OLDER },      { "Opteron", OLDER },  { "Opteron_SSE3", OLDER }, { "Barcelona", OLDER },
    { "Nano", OLDER },        { "Bobcat", OLDER },   { "Bulldozer", OLDER },    { "Piledriver", OLDER },
    { "Steamroller", OLDER }, { "Haswell", AVX2 },   { "Excavator", AVX2 },     { "Zen", AVX2 },
};

#define MENDED_BY(lacking, setting)                                                                                        \
    "OpenBLAS runs kernels without " lacking ", which this processor has; OPENBLAS_CORETYPE=" setting                      \
    " in the environment of the program makes it run faster ones"
#define BUILT_WITHOUT(lacking)                                                                                             \
    "OpenBLAS is built without " lacking                                                                                   \
    ", which this processor has; one that is built with DYNAMIC_ARCH or for this processor is faster"

/* [whether OpenBLAS can change its kernels][what the processor has], for kernels of a lower level. */
static const char *const advice[2][N_LEVELS] = {
    { NULL, BUILT_WITHOUT("AVX2"), BUILT_WITHOUT("AVX-512") },
    { NULL, MENDED_BY("AVX2", "Haswell"), MENDED_BY("AVX-512", "SkylakeX") },
};

static const char serial[] =
    "OpenBLAS is built without threads, so threads of the program wait for each other at every product; its builds "
    "for pthreads or OpenMP serve them at the same time";

/* Letters of ASCII alone, whatever the locale: builds for one processor write SANDYBRIDGE. */
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_same_name(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

static const char *advice_for(const char *kernel, bool can_change)
{
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++)
        if (is_same_name(kernels[i].name, kernel))
            return kernels[i].level < processor_level() ? advice[can_change][processor_level()] : NULL;
    return NULL;
}

/* ---- Asking ---------------------------------------------------------------------------------------------------------- */

/*
 * The configuration begins "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ...". OpenBLAS puts it together anew in the same static
 * buffer for each call; what is read here is the part that every call writes first and with the same bytes.
 */
static void copy_version(const char *configuration, size_t size, char *version)
{
    const char *space = strchr(configuration, ' ');
    const char *from = space != NULL ? space + 1 : "";
    size_t n = 0;
    for (; n + 1 < size && from[n] != '\0' && from[n] != ' '; n++)
        version[n] = from[n];
    version[n] = '\0';
}

bp_blas bp_blas_info(void)
{
    const char *configuration = openblas_get_config();
    const int parallel = openblas_get_parallel();
    bp_blas blas = { .library = "OpenBLAS",
                     .kernel = openblas_get_corename(),
                     .threads = openblas_get_num_threads(),
                     .threading =
                         parallel >= 0 && parallel < BP_BLAS_UNKNOWN ? (bp_blas_threading)parallel : BP_BLAS_UNKNOWN };
    copy_version(configuration, sizeof blas.version, blas.version);
    blas.advice = advice_for(blas.kernel, strstr(configuration, "DYNAMIC_ARCH") != NULL);
    if (blas.advice == NULL && blas.threading == BP_BLAS_SERIAL) /* the kernels first: they cost more */
        blas.advice = serial;
    return blas;
}

#elif defined(BACKPROP_CBLAS_NAME)

bp_blas bp_blas_info(void)
{
    return (bp_blas){ .library = BACKPROP_CBLAS_NAME, .kernel = "unknown", .threading = BP_BLAS_UNKNOWN };
}

#else

bp_blas bp_blas_info(void)
{
    return (bp_blas){ .library = "own plain C", .kernel = "plain C", .threads = 1, .threading = BP_BLAS_SERIAL };
}

#endif
