// SPDX-License-Identifier: MIT
/*
 * Schedules against closed values, the plateau's state machine step by step, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "backprop/schedule.h"
#include "support/close.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- Rates ----------------------------------------------------------------------------------------------------------- */

struct point {
    uint64_t k;
    double rate;
};

enum { MOST_POINTS = 8 };

/* Rates from base 0.5 on, within a few roundings. The points end where k no longer rises. */
static void check_rates(const bp_schedule *schedule, const struct point points[MOST_POINTS])
{
    if (bp_schedule_check(schedule) != BP_OK)
        fail_msg("%s", bp_error_message());
    for (size_t i = 0; i < MOST_POINTS && (i == 0 || points[i].k > points[i - 1].k); i++)
        assert_close(bp_schedule_rate(schedule, 0.5, points[i].k), points[i].rate, 16 * DBL_EPSILON);
}

static void a_zeroed_schedule_and_none_are_constant(void **unused)
{
    (void)unused;
    check_rates(&(bp_schedule){ 0 }, (const struct point[MOST_POINTS]){ { 0, 0.5 }, { 1, 0.5 }, { UINT64_MAX, 0.5 } });
    assert_true(bp_schedule_rate(NULL, 0.5, 7) == 0.5);
}

static void steps_fall_once_a_period(void **unused)
{
    (void)unused;
    check_rates(&(bp_schedule){ .kind = BP_SCHEDULE_STEP, .gamma = 0.5, .period = 3 },
                (const struct point[MOST_POINTS]){ { 0, 0.5 }, { 2, 0.5 }, { 3, 0.25 }, { 5, 0.25 }, { 6, 0.125 } });
    check_rates(&(bp_schedule){ .kind = BP_SCHEDULE_STEP, .period = 1 },
                (const struct point[MOST_POINTS]){ { 0, 0.5 }, { 2, 0.005 }, { UINT64_MAX, 0 } });
}

static void milestones_count_from_themselves_on(void **unused)
{
    (void)unused;
    const uint64_t milestones[] = { 0, 4, 5 };
    const bp_schedule schedule = {
        .kind = BP_SCHEDULE_MULTI_STEP, .milestones = milestones, .n_milestones = 3, .gamma = 0.5
    };
    check_rates(&schedule,
                (const struct point[MOST_POINTS]){ { 0, 0.25 }, { 3, 0.25 }, { 4, 0.125 }, { 5, 0.0625 }, { 99, 0.0625 } });
    const bp_schedule tenths = { .kind = BP_SCHEDULE_MULTI_STEP, .milestones = milestones + 1, .n_milestones = 1 };
    check_rates(&tenths, (const struct point[MOST_POINTS]){ { 3, 0.5 }, { 4, 0.05 } });
}

static void exponential_and_inverse_time_follow_their_formulas(void **unused)
{
    (void)unused;
    check_rates(&(bp_schedule){ .kind = BP_SCHEDULE_EXPONENTIAL, .gamma = 0.9 },
                (const struct point[MOST_POINTS]){ { 0, 0.5 }, { 1, 0.45 }, { 2, 0.405 }, { 1000000, 0 } });
    check_rates(&(bp_schedule){ .kind = BP_SCHEDULE_EXPONENTIAL, .gamma = 1 },
                (const struct point[MOST_POINTS]){ { 1000, 0.5 } });
    check_rates(&(bp_schedule){ .kind = BP_SCHEDULE_INVERSE_TIME, .gamma = 0.25 },
                (const struct point[MOST_POINTS]){ { 0, 0.5 }, { 4, 0.25 }, { 12, 0.125 } });
}

static void polynomials_end_at_the_minimum(void **unused)
{
    (void)unused;
    check_rates(&(bp_schedule){ .kind = BP_SCHEDULE_POLYNOMIAL, .period = 10 },
                (const struct point[MOST_POINTS]){ { 0, 0.5 }, { 5, 0.25 }, { 10, 0 }, { 11, 0 } });
    check_rates(&(bp_schedule){ .kind = BP_SCHEDULE_POLYNOMIAL, .period = 4, .power = 2, .minimum = 0.1 },
                (const struct point[MOST_POINTS]){ { 0, 0.5 }, { 2, 0.2 }, { 3, 0.125 }, { 4, 0.1 }, { UINT64_MAX, 0.1 } });
}

static void a_cosine_warms_up_and_ends_at_the_minimum(void **unused)
{
    (void)unused;
    const double half = sqrt(0.5);
    check_rates(&(bp_schedule){ .kind = BP_SCHEDULE_COSINE, .period = 8 },
                (const struct point[MOST_POINTS]){
                    { 0, 0.5 }, { 2, 0.25 * (1 + half) }, { 4, 0.25 }, { 6, 0.25 * (1 - half) }, { 8, 0 }, { 9, 0 } });
    check_rates(&(bp_schedule){ .kind = BP_SCHEDULE_COSINE, .period = 12, .warmup = 4, .minimum = 0.1 },
                (const struct point[MOST_POINTS]){ { 0, 0.125 },
                                                   { 1, 0.25 },
                                                   { 3, 0.5 },
                                                   { 4, 0.5 },
                                                   { 6, 0.1 + 0.2 * (1 + half) },
                                                   { 8, 0.3 },
                                                   { 12, 0.1 },
                                                   { 999, 0.1 } });
}

/* The values of torch.optim.lr_scheduler.OneCycleLR: its phases end at pct_start total_steps - 1 and total_steps - 1. */
static void one_cycle_goes_up_and_down_on_half_cosines(void **unused)
{
    (void)unused;
    const double low = 0.5 / 25, end = low / 1e4;
    check_rates(&(bp_schedule){ .kind = BP_SCHEDULE_ONE_CYCLE, .period = 10 },
                (const struct point[MOST_POINTS]){
                    { 0, low }, { 1, (low + 0.5) / 2 }, { 2, 0.5 }, { 9, end }, { 10, end }, { UINT64_MAX, end } });
    check_rates(
        &(bp_schedule){ .kind = BP_SCHEDULE_ONE_CYCLE,
                        .period = 21,
                        .warmup_fraction = 5.0 / 21,
                        .maximum = 2,
                        .div_factor = 4,
                        .final_div_factor = 10 },
        (const struct point[MOST_POINTS]){ { 0, 0.5 }, { 2, 1.25 }, { 4, 2 }, { 12, (2 + 0.05) / 2 }, { 20, 0.05 } });
    /* a way up shorter than a step begins on the way down, as there */
    const double done = 0.4 / 1.4;
    check_rates(&(bp_schedule){ .kind = BP_SCHEDULE_ONE_CYCLE, .period = 2 },
                (const struct point[MOST_POINTS]){ { 0, end + (0.5 - end) / 2 * (1 + cos(3.14159265358979323846 * done)) },
                                                   { 1, end } });
    check_rates(&(bp_schedule){ .kind = BP_SCHEDULE_ONE_CYCLE, .period = 4, .warmup_fraction = 0.25 },
                (const struct point[MOST_POINTS]){ { 0, 0.5 }, { 3, end } });
}

static double halved_at(double base, uint64_t k, void *user)
{
    return k < *(const uint64_t *)user ? base : base / 2;
}

static void a_custom_schedule_is_the_users_function(void **unused)
{
    (void)unused;
    uint64_t when = 3;
    const bp_schedule schedule = { .kind = BP_SCHEDULE_CUSTOM, .custom = halved_at, .user = &when };
    check_rates(&schedule, (const struct point[MOST_POINTS]){ { 2, 0.5 }, { 3, 0.25 } });
}

/* ---- The plateau ----------------------------------------------------------------------------------------------------- */

static void assert_plateau(const bp_plateau *plateau, double best, double factor, uint64_t waited, uint64_t cooling)
{
    assert_close(plateau->best, best, 0);
    assert_close(plateau->factor, factor, 4 * DBL_EPSILON);
    assert_int_equal(plateau->waited, waited);
    assert_int_equal(plateau->cooling, cooling);
}

static void the_rate_falls_after_patience_and_rests_in_cooldown(void **unused)
{
    (void)unused;
    const bp_schedule schedule = { .kind = BP_SCHEDULE_PLATEAU, .gamma = 0.5, .patience = 2, .cooldown = 2 };
    static const struct {
        double loss;
        int falls;
        double best, factor;
        uint64_t waited, cooling;
    } turns[] = {
        { 3, 0, 3, 1, 0, 0 },   { 3, 0, 3, 1, 1, 0 },   { 2, 0, 2, 1, 0, 0 },    { 2, 0, 2, 1, 1, 0 },
        { 2.5, 0, 2, 1, 2, 0 }, { 2, 1, 2, 0.5, 0, 2 }, { 9, 0, 2, 0.5, 0, 1 },  { 1, 0, 1, 0.5, 0, 0 },
        { 1, 0, 1, 0.5, 1, 0 }, { 1, 0, 1, 0.5, 2, 0 }, { 1, 1, 1, 0.25, 0, 2 },
    };
    bp_plateau plateau;
    assert_int_equal(bp_schedule_check(&schedule), BP_OK);
    bp_plateau_init(&plateau);
    assert_plateau(&plateau, DBL_MAX, 1, 0, 0);
    for (size_t i = 0; i < COUNT(turns); i++) {
        assert_int_equal(bp_plateau_update(&plateau, &schedule, turns[i].loss), turns[i].falls);
        assert_plateau(&plateau, turns[i].best, turns[i].factor, turns[i].waited, turns[i].cooling);
    }
    assert_true(bp_schedule_rate(&schedule, 0.5, 100) == 0.5);
    assert_close(bp_plateau_rate(&plateau, &schedule, 0.5), 0.125, DBL_EPSILON);
}

static void a_plateau_is_a_tenth_after_ten_and_one(void **unused)
{
    (void)unused;
    const bp_schedule schedule = { .kind = BP_SCHEDULE_PLATEAU };
    bp_plateau plateau;
    bp_plateau_init(&plateau);
    assert_false(bp_plateau_update(&plateau, &schedule, 1));
    for (int i = 0; i < 10; i++)
        assert_false(bp_plateau_update(&plateau, &schedule, 1));
    assert_true(bp_plateau_update(&plateau, &schedule, 1));
    assert_plateau(&plateau, 1, 0.1, 0, 0);
}

static void the_threshold_is_a_share_of_the_best(void **unused)
{
    (void)unused;
    const bp_schedule schedule = { .kind = BP_SCHEDULE_PLATEAU, .threshold = 0.25 };
    bp_plateau plateau;
    bp_plateau_init(&plateau);
    (void)bp_plateau_update(&plateau, &schedule, 4);
    (void)bp_plateau_update(&plateau, &schedule, 3);
    assert_plateau(&plateau, 4, 1, 1, 0);
    (void)bp_plateau_update(&plateau, &schedule, 2.9);
    assert_plateau(&plateau, 2.9, 1, 0, 0);

    bp_plateau_init(&plateau);
    (void)bp_plateau_update(&plateau, &schedule, -4);
    (void)bp_plateau_update(&plateau, &schedule, -5);
    assert_plateau(&plateau, -4, 1, 1, 0);
    (void)bp_plateau_update(&plateau, &schedule, -5.5);
    assert_plateau(&plateau, -5.5, 1, 0, 0);
    (void)bp_plateau_update(&plateau, &schedule, (double)NAN);
    assert_plateau(&plateau, -5.5, 1, 1, 0);
}

static void a_plateau_stops_at_the_minimum(void **unused)
{
    (void)unused;
    const bp_schedule schedule = { .kind = BP_SCHEDULE_PLATEAU, .minimum = 0.2 };
    const bp_plateau plateau = { .best = 1, .factor = 0.01 };
    assert_true(bp_plateau_rate(&plateau, &schedule, 0.5) == 0.2);
    assert_true(bp_plateau_rate(&plateau, &schedule, 0.1) == 0.1);
    assert_true(bp_plateau_rate(&plateau, &schedule, 100) == 1);
}

/* ---- What is refused ------------------------------------------------------------------------------------------------- */

static const uint64_t rising[] = { 1, 2 };

/* A schedule of each kind that is accepted. */
static const bp_schedule good[BP_N_SCHEDULES] = {
    [BP_SCHEDULE_CONSTANT] = { .kind = BP_SCHEDULE_CONSTANT },
    [BP_SCHEDULE_STEP] = { .kind = BP_SCHEDULE_STEP, .period = 9 },
    [BP_SCHEDULE_MULTI_STEP] = { .kind = BP_SCHEDULE_MULTI_STEP, .milestones = rising, .n_milestones = 2 },
    [BP_SCHEDULE_EXPONENTIAL] = { .kind = BP_SCHEDULE_EXPONENTIAL, .gamma = 0.5 },
    [BP_SCHEDULE_INVERSE_TIME] = { .kind = BP_SCHEDULE_INVERSE_TIME, .gamma = 0.5 },
    [BP_SCHEDULE_POLYNOMIAL] = { .kind = BP_SCHEDULE_POLYNOMIAL, .period = 9 },
    [BP_SCHEDULE_COSINE] = { .kind = BP_SCHEDULE_COSINE, .period = 9 },
    [BP_SCHEDULE_ONE_CYCLE] = { .kind = BP_SCHEDULE_ONE_CYCLE, .period = 9 },
    [BP_SCHEDULE_PLATEAU] = { .kind = BP_SCHEDULE_PLATEAU },
    [BP_SCHEDULE_CUSTOM] = { .kind = BP_SCHEDULE_CUSTOM, .custom = halved_at },
};

/* What each kind, in the order of the enumeration, makes of a number: '+' takes it, '-' refuses it. */
#define REAL(name, x, taken)                                                                                               \
    {                                                                                                                      \
#name, offsetof(bp_schedule, name), 0, x, taken                                                                    \
    }
#define WHOLE(name, x, taken)                                                                                              \
    {                                                                                                                      \
#name, offsetof(bp_schedule, name), 1, x, taken                                                                    \
    }

static const struct {
    const char *name;
    size_t offset;
    int is_whole;
    double x;
    const char *taken;
} tries[] = {
    REAL(gamma, 0, "+++--+++++"),
    REAL(gamma, 0.5, "-++++---+-"),
    REAL(gamma, 1, "---++-----"),
    REAL(gamma, 2, "----+-----"),
    REAL(gamma, -0.5, "----------"),
    REAL(gamma, (double)NAN, "----------"),
    REAL(gamma, (double)INFINITY, "----------"),
    WHOLE(period, 0, "+-+++---++"),
    WHOLE(period, 1, "-+---++---"),
    WHOLE(period, 2, "-+---+++--"),
    WHOLE(warmup, 8, "------+---"),
    WHOLE(warmup, 9, "----------"),
    REAL(minimum, 0.5, "-----++-+-"),
    REAL(minimum, -0.5, "----------"),
    REAL(minimum, (double)NAN, "----------"),
    REAL(minimum, (double)INFINITY, "----------"),
    REAL(power, 0.5, "-----+----"),
    REAL(power, -1, "----------"),
    REAL(power, (double)INFINITY, "----------"),
    REAL(maximum, 0.5, "-------+--"),
    REAL(maximum, -1, "----------"),
    REAL(maximum, (double)INFINITY, "----------"),
    REAL(warmup_fraction, 0.5, "-------+--"),
    REAL(warmup_fraction, 1, "----------"),
    REAL(warmup_fraction, -0.5, "----------"),
    REAL(div_factor, 1, "-------+--"),
    REAL(div_factor, 0.5, "----------"),
    REAL(div_factor, (double)INFINITY, "----------"),
    REAL(final_div_factor, 1, "-------+--"),
    REAL(final_div_factor, 0.5, "----------"),
    WHOLE(patience, 1, "--------+-"),
    WHOLE(cooldown, 1, "--------+-"),
    REAL(threshold, 0.5, "--------+-"),
    REAL(threshold, 1, "----------"),
    REAL(threshold, -0.5, "----------"),
    REAL(threshold, (double)NAN, "----------"),
};

static void each_setting_belongs_to_its_schedules(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < COUNT(tries); i++)
        for (size_t kind = 0; kind < BP_N_SCHEDULES; kind++) {
            bp_schedule schedule = good[kind];
            void *at = (char *)&schedule + tries[i].offset;
            if (tries[i].is_whole)
                *(uint64_t *)at = (uint64_t)tries[i].x;
            else
                *(double *)at = tries[i].x;
            const bp_status status = bp_schedule_check(&schedule);
            if (status != (tries[i].taken[kind] == '+' ? BP_OK : BP_ERR_ARGUMENT))
                fail_msg("%s with %s %g: %s", bp_schedule_name(schedule.kind), tries[i].name, tries[i].x,
                         bp_status_string(status));
            if (status != BP_OK) {
                assert_non_null(strstr(bp_error_message(), tries[i].name));
                assert_non_null(strstr(bp_error_message(), bp_schedule_name(schedule.kind)));
            }
        }
}

static void assert_refused(const bp_schedule *schedule, const char *says)
{
    assert_int_equal(bp_schedule_check(schedule), BP_ERR_ARGUMENT);
    assert_non_null(strstr(bp_error_message(), says));
}

static void what_is_no_schedule_is_refused(void **unused)
{
    (void)unused;
    static const uint64_t falling[] = { 1, 5, 5 };
    int user;
    assert_refused(NULL, "schedule is NULL");
    assert_refused(&(bp_schedule){ .kind = (bp_schedule_kind)BP_N_SCHEDULES }, "10 is no schedule");
    assert_refused(&(bp_schedule){ .kind = (bp_schedule_kind)-1 }, "-1 is no schedule");
    assert_refused(&(bp_schedule){ .kind = BP_SCHEDULE_MULTI_STEP }, "there are no milestones");
    assert_refused(&(bp_schedule){ .kind = BP_SCHEDULE_MULTI_STEP, .milestones = rising }, "there are no milestones");
    assert_refused(&(bp_schedule){ .kind = BP_SCHEDULE_MULTI_STEP, .n_milestones = 2 }, "there are no milestones");
    assert_refused(&(bp_schedule){ .kind = BP_SCHEDULE_MULTI_STEP, .milestones = falling, .n_milestones = 3 },
                   "milestone 2 is 5, expected above 5");
    assert_refused(&(bp_schedule){ .milestones = rising }, "it has no milestones");
    assert_refused(&(bp_schedule){ .n_milestones = 1 }, "it has no milestones");
    assert_refused(&(bp_schedule){ .kind = BP_SCHEDULE_CUSTOM }, "`custom` is NULL");
    assert_refused(&(bp_schedule){ .custom = halved_at }, "not NULL");
    assert_refused(&(bp_schedule){ .user = &user }, "not NULL");
}

static void names_are_those_of_the_enumeration(void **unused)
{
    (void)unused;
    static const char *const names[] = { "constant",   "step",   "multi_step", "exponential", "inverse_time",
                                         "polynomial", "cosine", "one_cycle",  "plateau",     "custom" };
    assert_int_equal(COUNT(names), BP_N_SCHEDULES);
    for (size_t kind = 0; kind < BP_N_SCHEDULES; kind++) {
        assert_string_equal(bp_schedule_name((bp_schedule_kind)kind), names[kind]);
        assert_int_equal(bp_schedule_check(&good[kind]), BP_OK);
    }
    assert_string_equal(bp_schedule_name((bp_schedule_kind)BP_N_SCHEDULES), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zeroed_schedule_and_none_are_constant),
        cmocka_unit_test(steps_fall_once_a_period),
        cmocka_unit_test(milestones_count_from_themselves_on),
        cmocka_unit_test(exponential_and_inverse_time_follow_their_formulas),
        cmocka_unit_test(polynomials_end_at_the_minimum),
        cmocka_unit_test(a_cosine_warms_up_and_ends_at_the_minimum),
        cmocka_unit_test(one_cycle_goes_up_and_down_on_half_cosines),
        cmocka_unit_test(a_custom_schedule_is_the_users_function),
        cmocka_unit_test(the_rate_falls_after_patience_and_rests_in_cooldown),
        cmocka_unit_test(a_plateau_is_a_tenth_after_ten_and_one),
        cmocka_unit_test(the_threshold_is_a_share_of_the_best),
        cmocka_unit_test(a_plateau_stops_at_the_minimum),
        cmocka_unit_test(each_setting_belongs_to_its_schedules),
        cmocka_unit_test(what_is_no_schedule_is_refused),
        cmocka_unit_test(names_are_those_of_the_enumeration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
