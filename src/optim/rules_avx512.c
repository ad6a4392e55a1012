// SPDX-License-Identifier: MIT
/*
 * The optimizers' loops for AVX-512: rules_body.h once more; CMakeLists.txt has the options of the compiler.
 */
#define RULE_KERNELS bpi_rule_kernels_avx512
#include "optim/rules_body.h"
