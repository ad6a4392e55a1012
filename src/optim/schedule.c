// SPDX-License-Identifier: MIT
/*
 * Learning rates by the count of steps, a function of that count for each kind, and the plateau, which goes by the loss
 * instead. All in double, whatever bp_real is: a rate is computed once a step.
 */
#include "base/real.h"

#include "backprop/schedule.h"

#include <float.h>

#include "base/status.h"

static double or_default(double x, double otherwise)
{
    return x != 0 ? x : otherwise;
}

/* ---- Rates ----------------------------------------------------------------------------------------------------------- */

static double constant_rate(const bp_schedule *s, double base, uint64_t k)
{
    (void)s, (void)k;
    return base;
}

static double step_rate(const bp_schedule *s, double base, uint64_t k)
{
    const uint64_t periods = k / s->period;
    return base * pow(or_default(s->gamma, 0.1), (double)periods);
}

static double multi_step_rate(const bp_schedule *s, double base, uint64_t k)
{
    size_t passed = 0;
    while (passed < s->n_milestones && s->milestones[passed] <= k)
        passed++;
    return base * pow(or_default(s->gamma, 0.1), (double)passed);
}

static double exponential_rate(const bp_schedule *s, double base, uint64_t k)
{
    return base * pow(s->gamma, (double)k);
}

static double inverse_time_rate(const bp_schedule *s, double base, uint64_t k)
{
    return base / (1 + s->gamma * (double)k);
}

static double polynomial_rate(const bp_schedule *s, double base, uint64_t k)
{
    const double done = k < s->period ? (double)k / (double)s->period : 1;
    return s->minimum + (base - s->minimum) * pow(1 - done, or_default(s->power, 1));
}

/* From one value to another on half a cosine; done >= 0, and from 1 on it stays. */
static double half_cosine(double from, double to, double done)
{
    const double pi = 3.14159265358979323846;
    return to + (from - to) / 2 * (1 + cos(pi * fmin(done, 1)));
}

static double cosine_rate(const bp_schedule *s, double base, uint64_t k)
{
    if (k < s->warmup)
        return base * ((double)k + 1) / (double)s->warmup;
    return half_cosine(base, s->minimum, (double)(k - s->warmup) / (double)(s->period - s->warmup));
}

static double one_cycle_rate(const bp_schedule *s, double base, uint64_t k)
{
    const double highest = or_default(s->maximum, base);
    const double first = highest / or_default(s->div_factor, 25), last = first / or_default(s->final_div_factor, 1e4);
    const double top = or_default(s->warmup_fraction, 0.3) * (double)s->period - 1, end = (double)s->period - 1;
    if ((double)k < top)
        return half_cosine(first, highest, (double)k / top);
    return half_cosine(highest, last, ((double)k - top) / (end - top));
}

static double custom_rate(const bp_schedule *s, double base, uint64_t k)
{
    return s->custom(base, k, s->user);
}

static const struct {
    const char *name;
    double (*rate)(const bp_schedule *s, double base, uint64_t k);
} kinds[BP_N_SCHEDULES] = {
    [BP_SCHEDULE_CONSTANT] = { "constant", constant_rate },
    [BP_SCHEDULE_STEP] = { "step", step_rate },
    [BP_SCHEDULE_MULTI_STEP] = { "multi_step", multi_step_rate },
    [BP_SCHEDULE_EXPONENTIAL] = { "exponential", exponential_rate },
    [BP_SCHEDULE_INVERSE_TIME] = { "inverse_time", inverse_time_rate },
    [BP_SCHEDULE_POLYNOMIAL] = { "polynomial", polynomial_rate },
    [BP_SCHEDULE_COSINE] = { "cosine", cosine_rate },
    [BP_SCHEDULE_ONE_CYCLE] = { "one_cycle", one_cycle_rate },
    [BP_SCHEDULE_PLATEAU] = { "plateau", constant_rate },
    [BP_SCHEDULE_CUSTOM] = { "custom", custom_rate },
};

const char *bp_schedule_name(bp_schedule_kind kind)
{
    return (size_t)kind < BP_N_SCHEDULES ? kinds[kind].name : "unknown";
}

double bp_schedule_rate(const bp_schedule *schedule, double base, uint64_t k)
{
    return schedule == NULL ? base : kinds[schedule->kind].rate(schedule, base, k);
}

/* ---- Settings -------------------------------------------------------------------------------------------------------- */

/* What a kind wants of a setting. NO: that it is 0, for the kind does not have it. */
enum wish { NO, ANY, SHARE, BELOW1, ABOVE0, FROM0, FROM1, WANTED, DECAY, GROWTH };

static bool is_zero(double x)
{
    return x == 0;
}

static bool is_anything(double x)
{
    (void)x;
    return true;
}

static bool is_share_or_default(double x)
{
    return x >= 0 && x < 1;
}

static bool is_finite_from_0(double x)
{
    return x >= 0 && isfinite(x);
}

static bool is_finite_from_1_or_default(double x)
{
    return x == 0 || (x >= 1 && isfinite(x));
}

static bool is_above_0_to_1(double x)
{
    return x > 0 && x <= 1;
}

static bool is_finite_above_0(double x)
{
    return x > 0 && isfinite(x);
}

static const struct {
    bool (*holds)(double x);
    const char *text;
} wishes[] = {
    [NO] = { is_zero, "0: this schedule does not have it" },
    [ANY] = { is_anything, "" },
    [SHARE] = { is_share_or_default, "a number above 0 and below 1, or 0 for the default" },
    [BELOW1] = { is_share_or_default, "a number >= 0 and below 1" },
    [ABOVE0] = { is_finite_from_0, "a finite number above 0, or 0 for the default" },
    [FROM0] = { is_finite_from_0, "a finite number >= 0" },
    [FROM1] = { is_finite_from_1_or_default, "a finite number >= 1, or 0 for the default" },
    [WANTED] = { is_finite_above_0, ">= 1" },
    [DECAY] = { is_above_0_to_1, "a number above 0, at most 1" },
    [GROWTH] = { is_finite_above_0, "a finite number above 0" },
};

struct setting {
    const char *name;
    size_t offset; /* in bp_schedule */
    enum { REAL, WHOLE } type;
    enum wish wishes[BP_N_SCHEDULES];
};

#define AT(field) #field, offsetof(bp_schedule, field)

// clang-format off
static const struct setting settings[] = {
    /*                                constant step  multi  exp.   inverse polyn.  cosine one-c.  plateau custom */
    { AT(gamma),            REAL,  { NO,    SHARE,  SHARE, DECAY, GROWTH, NO,     NO,     NO,     SHARE,  NO } },
    { AT(period),           WHOLE, { NO,    WANTED, NO,    NO,    NO,     WANTED, WANTED, WANTED, NO,     NO } },
    { AT(warmup),           WHOLE, { NO,    NO,     NO,    NO,    NO,     NO,     ANY,    NO,     NO,     NO } },
    { AT(minimum),          REAL,  { NO,    NO,     NO,    NO,    NO,     FROM0,  FROM0,  NO,     FROM0,  NO } },
    { AT(power),            REAL,  { NO,    NO,     NO,    NO,    NO,     ABOVE0, NO,     NO,     NO,     NO } },
    { AT(maximum),          REAL,  { NO,    NO,     NO,    NO,    NO,     NO,     NO,     ABOVE0, NO,     NO } },
    { AT(warmup_fraction),  REAL,  { NO,    NO,     NO,    NO,    NO,     NO,     NO,     SHARE,  NO,     NO } },
    { AT(div_factor),       REAL,  { NO,    NO,     NO,    NO,    NO,     NO,     NO,     FROM1,  NO,     NO } },
    { AT(final_div_factor), REAL,  { NO,    NO,     NO,    NO,    NO,     NO,     NO,     FROM1,  NO,     NO } },
    { AT(patience),         WHOLE, { NO,    NO,     NO,    NO,    NO,     NO,     NO,     NO,     ANY,    NO } },
    { AT(threshold),        REAL,  { NO,    NO,     NO,    NO,    NO,     NO,     NO,     NO,     BELOW1, NO } },
    { AT(cooldown),         WHOLE, { NO,    NO,     NO,    NO,    NO,     NO,     NO,     NO,     ANY,    NO } },
};
// clang-format on

static double value_of(const struct setting *setting, const bp_schedule *schedule)
{
    const void *at = (const char *)schedule + setting->offset;
    return setting->type == WHOLE ? (double)*(const uint64_t *)at : *(const double *)at;
}

static bp_status check_numbers(const bp_schedule *schedule)
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        const double value = value_of(&settings[i], schedule);
        const enum wish wish = settings[i].wishes[schedule->kind];
        if (!wishes[wish].holds(value))
            return bpi_fail(BP_ERR_ARGUMENT, "schedule %s: %s is %g, expected %s", kinds[schedule->kind].name,
                            settings[i].name, value, wishes[wish].text);
    }
    return BP_OK;
}

static bp_status check_milestones(const bp_schedule *schedule)
{
    const char *name = kinds[schedule->kind].name;
    const bool has_any = schedule->milestones != NULL || schedule->n_milestones != 0;
    if (schedule->kind != BP_SCHEDULE_MULTI_STEP)
        return has_any ? bpi_fail(BP_ERR_ARGUMENT, "schedule %s: it has no milestones", name) : BP_OK;
    if (schedule->milestones == NULL || schedule->n_milestones == 0)
        return bpi_fail(BP_ERR_ARGUMENT, "schedule %s: there are no milestones", name);
    for (size_t i = 1; i < schedule->n_milestones; i++)
        if (schedule->milestones[i] <= schedule->milestones[i - 1])
            return bpi_fail(BP_ERR_ARGUMENT, "schedule %s: milestone %zu is %llu, expected above %llu, the one before",
                            name, i, (unsigned long long)schedule->milestones[i],
                            (unsigned long long)schedule->milestones[i - 1]);
    return BP_OK;
}

static bp_status check_custom(const bp_schedule *schedule)
{
    const char *name = kinds[schedule->kind].name;
    const bool is_custom = schedule->kind == BP_SCHEDULE_CUSTOM;
    if (is_custom && schedule->custom == NULL)
        return bpi_fail(BP_ERR_ARGUMENT, "schedule %s: its function `custom` is NULL", name);
    if (!is_custom && (schedule->custom != NULL || schedule->user != NULL))
        return bpi_fail(BP_ERR_ARGUMENT, "schedule %s: `custom` and `user` are not NULL; they are for BP_SCHEDULE_CUSTOM",
                        name);
    return BP_OK;
}

bp_status bp_schedule_check(const bp_schedule *schedule)
{
    BPI_NOT_NULL(schedule);
    if ((size_t)schedule->kind >= BP_N_SCHEDULES)
        return bpi_fail(BP_ERR_ARGUMENT, "bp_schedule_check: %d is no schedule", (int)schedule->kind);
    BPI_TRY(check_numbers(schedule));
    BPI_TRY(check_milestones(schedule));
    BPI_TRY(check_custom(schedule));
    if (schedule->kind == BP_SCHEDULE_COSINE && schedule->period <= schedule->warmup)
        return bpi_fail(BP_ERR_ARGUMENT, "schedule cosine: period is %llu, expected above warmup, %llu",
                        (unsigned long long)schedule->period, (unsigned long long)schedule->warmup);
    if (schedule->kind == BP_SCHEDULE_ONE_CYCLE && schedule->period < 2)
        return bpi_fail(BP_ERR_ARGUMENT, "schedule one_cycle: period is 1, expected >= 2");
    return BP_OK;
}

/* ---- The plateau ----------------------------------------------------------------------------------------------------- */

void bp_plateau_init(bp_plateau *plateau)
{
    *plateau = (bp_plateau){ .best = DBL_MAX, .factor = 1 };
}

bool bp_plateau_update(bp_plateau *plateau, const bp_schedule *schedule, double loss)
{
    const uint64_t patience = schedule->patience != 0 ? schedule->patience : 10;
    plateau->waited++;
    if (loss < plateau->best - schedule->threshold * fabs(plateau->best)) {
        plateau->best = loss;
        plateau->waited = 0;
    }
    if (plateau->cooling > 0) {
        plateau->cooling--;
        plateau->waited = 0;
    }
    if (plateau->waited <= patience)
        return false;
    plateau->factor *= or_default(schedule->gamma, 0.1);
    plateau->cooling = schedule->cooldown;
    plateau->waited = 0;
    return true;
}

double bp_plateau_rate(const bp_plateau *plateau, const bp_schedule *schedule, double base)
{
    return fmax(base * plateau->factor, fmin(base, schedule->minimum));
}
