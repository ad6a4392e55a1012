// SPDX-License-Identifier: MIT
/*
 * The optimizers' rules: what each keeps and needs, and what it computes once a step. The loops over numbers are in
 * rules_body.h, compiled for several instruction sets.
 */
#include "optim/rules.h"

#include "math/kernels.h"
#include "optim/rules_levels.h"

/*
 * The averages start at 0 and are too small by 1 - beta^t; powers in double, for the first steps differ by little from 1.
 * factors: r / (1 - beta1^t), sqrt(1 - beta2^t).
 */
static void adam_begin(bp_optimizer *opt)
{
    const double t = (double)opt->n_steps;
    opt->factors[0] = (double)opt->learning_rate / (1 - pow((double)opt->settings.beta1, t));
    opt->factors[1] = sqrt(1 - pow((double)opt->settings.beta2, t));
}

/* u_t = beta1 (1 - 0.96^(t momentum_decay) / 2) */
static double nadam_momentum(const bp_optimizer *opt, double t)
{
    return (double)opt->settings.beta1 * (1 - pow(0.96, t * (double)opt->settings.momentum_decay) / 2);
}

/* factors: r (1 - u_t) / (1 - P_t), sqrt(1 - beta2^t), r u_(t+1) / (1 - P_(t+1)), with P_t = u_1 ... u_t among the scalars. */
static void nadam_begin(bp_optimizer *opt)
{
    const double r = (double)opt->learning_rate, t = (double)opt->n_steps;
    const double now = nadam_momentum(opt, t), next = nadam_momentum(opt, t + 1);
    const double product = opt->scalars[BP_SCALAR_NADAM_PRODUCT] * now;
    opt->scalars[BP_SCALAR_NADAM_PRODUCT] = product;
    opt->factors[0] = r * (1 - now) / (1 - product);
    opt->factors[1] = sqrt(1 - pow((double)opt->settings.beta2, t));
    opt->factors[2] = r * next / (1 - product * next);
}

/* ---- The table ------------------------------------------------------------------------------------------------------- */

// clang-format off
static const struct bpi_rule table[BP_N_OPTIMIZERS] = {
    /*                                moments, and which are not negative; squares, full batch */
    [BP_SGD]         = { "sgd",         0, 0x0, false, false, NULL },
    [BP_ADAM]        = { "adam",        2, 0x6, true,  false, adam_begin },
    [BP_ADAMW]       = { "adamw",       2, 0x6, true,  false, adam_begin },
    [BP_NADAM]       = { "nadam",       2, 0x2, true,  false, nadam_begin },
    [BP_ADAGRAD]     = { "adagrad",     1, 0x1, true,  false, NULL },
    [BP_ADADELTA]    = { "adadelta",    2, 0x3, true,  false, NULL },
    [BP_RMSPROP]     = { "rmsprop",     1, 0x1, true,  false, NULL },
    [BP_RPROP_MINUS] = { "rprop_minus", 2, 0x1, false, true,  NULL },
    [BP_RPROP_PLUS]  = { "rprop_plus",  2, 0x1, false, true,  NULL },
};
// clang-format on

#ifdef BACKPROP_X86_KERNELS
#define LEVEL(kernels) (&(kernels))
#else
#define LEVEL(kernels) NULL
#endif

const struct bpi_rule_kernels *bpi_rule_kernels(void)
{
    static const struct bpi_rule_kernels *const levels[BPI_N_KERNEL_LEVELS] = {
        [BPI_KERNELS_PLAIN] = &bpi_rule_kernels_plain,
        [BPI_KERNELS_AVX2] = LEVEL(bpi_rule_kernels_avx2),
        [BPI_KERNELS_AVX512] = LEVEL(bpi_rule_kernels_avx512),
    };
    return levels[bpi_kernels_level()];
}

const struct bpi_rule *bpi_rule(bp_optimizer_kind kind)
{
    return &table[kind];
}

size_t bpi_rule_moments(const bp_optimizer_config *settings)
{
    return table[settings->kind].n_moments + (settings->momentum != (bp_real)0) + settings->amsgrad + settings->centered;
}

const char *bp_optimizer_name(bp_optimizer_kind kind)
{
    return (size_t)kind < BP_N_OPTIMIZERS ? table[kind].name : "unknown";
}
