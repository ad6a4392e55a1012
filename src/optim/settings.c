// SPDX-License-Identifier: MIT
/*
 * The settings of all optimizers as one table: a row a setting, a column a rule, the default where they meet.
 */
#include "optim/settings.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

enum range { POSITIVE, NOT_NEGATIVE, FRACTION, BELOW_ONE };

static bool is_positive(double x)
{
    return x > 0 && isfinite(x);
}

static bool is_not_negative(double x)
{
    return x >= 0 && isfinite(x);
}

static bool is_fraction(double x)
{
    return x > 0 && x < 1;
}

static bool is_below_one(double x)
{
    return x >= 0 && x < 1;
}

static const struct {
    bool (*holds)(double x);
    const char *text;
} ranges[] = {
    [POSITIVE] = { is_positive, "a finite number above 0" },
    [NOT_NEGATIVE] = { is_not_negative, "a finite number >= 0" },
    [FRACTION] = { is_fraction, "a number above 0 and below 1" },
    [BELOW_ONE] = { is_below_one, "a number >= 0 and below 1" },
};

#define NO (-1.0) /* the rule does not have this setting */

struct setting {
    const char *name;
    size_t offset; /* of a bp_real in bp_optimizer_config */
    enum range range;
    double defaults[BP_N_OPTIMIZERS];
};

#define AT(field) #field, offsetof(bp_optimizer_config, field)

// clang-format off
static const struct setting table[] = {
    /*                                       sgd   adam   adamw  nadam  adagrad adadelta rmsprop rprop- rprop+ */
    { AT(learning_rate),  POSITIVE,     { 0.01, 0.001, 0.001, 0.002, 0.01,   1,       0.01,   0.01,  0.01 } },
    { AT(momentum),       BELOW_ONE,    { 0,    NO,    NO,    NO,    NO,     NO,      0,      NO,    NO } },
    { AT(beta1),          FRACTION,     { NO,   0.9,   0.9,   0.9,   NO,     NO,      NO,     NO,    NO } },
    { AT(beta2),          FRACTION,     { NO,   0.999, 0.999, 0.999, NO,     NO,      NO,     NO,    NO } },
    { AT(momentum_decay), POSITIVE,     { NO,   NO,    NO,    0.004, NO,     NO,      NO,     NO,    NO } },
    { AT(rho),            FRACTION,     { NO,   NO,    NO,    NO,    NO,     0.9,     0.99,   NO,    NO } },
    { AT(epsilon),        POSITIVE,     { NO,   1e-8,  1e-8,  1e-8,  1e-10,  1e-6,    1e-8,   NO,    NO } },
    { AT(weight_decay),   NOT_NEGATIVE, { 0,    0,     0,     0,     0,      0,       0,      NO,    NO } },
    { AT(l1),             NOT_NEGATIVE, { 0,    0,     0,     0,     0,      0,       0,      0,     0 } },
    { AT(l2),             NOT_NEGATIVE, { 0,    0,     0,     0,     0,      0,       0,      0,     0 } },
    { AT(clip_value),     NOT_NEGATIVE, { 0,    0,     0,     0,     0,      0,       0,      0,     0 } },
    { AT(clip_norm),      NOT_NEGATIVE, { 0,    0,     0,     0,     0,      0,       0,      0,     0 } },
    { AT(max_norm),       NOT_NEGATIVE, { 0,    0,     0,     0,     0,      0,       0,      0,     0 } },
};
// clang-format on

enum { N_SETTINGS = sizeof table / sizeof table[0] };

/* Fills in the default of one number, or refuses it. */
static bp_status settle_number(const struct setting *setting, bp_optimizer_config *settings)
{
    bp_real *x = (bp_real *)(void *)((char *)settings + setting->offset);
    const double otherwise = setting->defaults[settings->kind];
    if (*x == (bp_real)0) {
        *x = (bp_real)(otherwise > 0 ? otherwise : 0);
        return BP_OK;
    }
    if (otherwise < 0)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_optimizer_init: %s is %g, expected 0: %s does not have it", setting->name,
                        (double)*x, bp_optimizer_name(settings->kind));
    if (!ranges[setting->range].holds((double)*x))
        return bpi_fail(BP_ERR_ARGUMENT, "bp_optimizer_init: %s is %g, expected %s", setting->name, (double)*x,
                        ranges[setting->range].text);
    return BP_OK;
}

static bp_status check_flag(const char *name, bool is_set, bool is_known, const bp_optimizer_config *settings)
{
    if (is_set && !is_known)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_optimizer_init: %s is true, expected false: %s does not have it", name,
                        bp_optimizer_name(settings->kind));
    return BP_OK;
}

static bp_status check_flags(const bp_optimizer_config *settings)
{
    const bp_optimizer_kind kind = settings->kind;
    BPI_TRY(check_flag("nesterov", settings->nesterov, kind == BP_SGD, settings));
    BPI_TRY(check_flag("amsgrad", settings->amsgrad, kind == BP_ADAM || kind == BP_ADAMW, settings));
    BPI_TRY(check_flag("centered", settings->centered, kind == BP_RMSPROP, settings));
    if (settings->nesterov && settings->momentum == (bp_real)0)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_optimizer_init: momentum is 0, expected above 0 for Nesterov's form");
    return BP_OK;
}

bp_status bpi_optimizer_settings(const bp_optimizer_config *config, bp_optimizer_config *settings)
{
    *settings = *config;
    settings->allocator = NULL;
    if ((size_t)config->kind >= BP_N_OPTIMIZERS)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_optimizer_init: %d is no optimizer", (int)config->kind);
    for (size_t i = 0; i < N_SETTINGS; i++)
        BPI_TRY(settle_number(&table[i], settings));
    return check_flags(settings);
}
