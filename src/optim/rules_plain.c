// SPDX-License-Identifier: MIT
/*
 * The optimizers' loops for the instruction set of the whole library: rules_body.h once more; CMakeLists.txt has the options of the compiler.
 */
#define RULE_KERNELS bpi_rule_kernels_plain
#include "optim/rules_body.h"
