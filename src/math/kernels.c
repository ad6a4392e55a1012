// SPDX-License-Identifier: MIT
/*
 * Which kernels the processor can run. Looked up once and kept: all threads that look find the same.
 */
#include "math/kernels.h"

#include "math/kernel_levels.h"

#ifdef BACKPROP_X86_KERNELS
#define LEVEL(kernels) (&(kernels))
#else
#define LEVEL(kernels) NULL
#endif

const struct bpi_kernels *const bpi_kernels_of_level[BPI_N_KERNEL_LEVELS] = {
    [BPI_KERNELS_PLAIN] = &bpi_kernels_plain,
    [BPI_KERNELS_AVX2] = LEVEL(bpi_kernels_avx2),
    [BPI_KERNELS_AVX512] = LEVEL(bpi_kernels_avx512),
};

atomic_int bpi_kernels_in_use = BPI_N_KERNEL_LEVELS;

bool bpi_kernels_have(bpi_kernel_level level)
{
    if (level == BPI_KERNELS_PLAIN)
        return true;
#ifdef BACKPROP_X86_KERNELS /* these ask the operating system, too, whether it keeps the registers */
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (level == BPI_KERNELS_AVX2)
        return avx2;
    if (level == BPI_KERNELS_AVX512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
#endif
    return false;
}

static bpi_kernel_level best(void)
{
    int level = BPI_N_KERNEL_LEVELS - 1;
    while (!bpi_kernels_have((bpi_kernel_level)level))
        level--;
    return (bpi_kernel_level)level;
}

bpi_kernel_level bpi_kernels_look(void)
{
    const bpi_kernel_level level = best();
    atomic_store_explicit(&bpi_kernels_in_use, (int)level, memory_order_relaxed);
    return level;
}

bool bpi_kernels_force(bpi_kernel_level level)
{
    if (level != BPI_N_KERNEL_LEVELS && !bpi_kernels_have(level))
        return false;
    atomic_store_explicit(&bpi_kernels_in_use, (int)level, memory_order_relaxed);
    return true;
}
