// SPDX-License-Identifier: MIT
/*
 * The optimizers' loops for AVX2 and FMA: rules_body.h once more; CMakeLists.txt has the options of the compiler.
 */
#define RULE_KERNELS bpi_rule_kernels_avx2
#include "optim/rules_body.h"
