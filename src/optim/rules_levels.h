// SPDX-License-Identifier: MIT
/*
 * The optimizers' loops for each instruction set, for rules.c to choose from.
 */
#ifndef BPI_OPTIM_RULES_LEVELS_H
#define BPI_OPTIM_RULES_LEVELS_H

#include "base/real.h"

#include "optim/rules.h"

extern const struct bpi_rule_kernels bpi_rule_kernels_plain, bpi_rule_kernels_avx2, bpi_rule_kernels_avx512;

#endif
