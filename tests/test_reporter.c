// SPDX-License-Identifier: MIT
/*
 * bp_reporter: what stands on a terminal and in a file, through a temporary file.
 */
#define _POSIX_C_SOURCE 200809L /* nanosleep(), dup() */
#include "backprop/reporter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backprop/train.h"
#include "support/bench.h"

#define R(x) ((bp_real)(x))

enum { TEXT = 8192 };

/* What has been written, and closes the stream. */
static void read_back(FILE *stream, char text[TEXT])
{
    rewind(stream);
    text[fread(text, 1, TEXT - 1, stream)] = '\0';
    fclose(stream);
}

static void wait_milliseconds(long n)
{
    const struct timespec a_while = { .tv_nsec = n * 1000000 };
    nanosleep(&a_while, NULL);
}

static bp_progress at(size_t epoch, size_t rows_done, double loss)
{
    return (bp_progress){
        .epoch = epoch, .epochs = 20, .rows_done = rows_done, .rows = 100, .epoch_loss = R(loss), .learning_rate = R(0.001)
    };
}

static const bp_metrics_result classes = { .loss = 0.3662, .n_classes = 10, .accuracy = 0.8713 };
static const bp_metrics_result tiny = { .loss = 1.5e-7 };

static void without_a_terminal_each_epoch_has_one_plain_line(void **state)
{
    (void)state;
    char text[TEXT];
    bp_reporter reporter = { .stream = tmpfile() };
    for (size_t epoch = 1; epoch <= 3; epoch++) {
        bp_progress progress = at(epoch, 50, 0.3481);
        assert_int_equal(bp_reporter_step(&progress, &reporter), BP_CONTINUE);
        progress = at(epoch, 100, 0.347);
        progress.validation = epoch == 1 ? NULL : (epoch == 2 ? &classes : &tiny);
        assert_int_equal(bp_reporter_epoch(&progress, &reporter), BP_CONTINUE);
    }
    read_back(reporter.stream, text);
    const char *const starts[] = { "epoch  1/20  loss 0.3470  rate 0.001",
                                   "epoch  2/20  loss 0.3470  validation 0.3662  accuracy 0.8713  rate 0.001",
                                   "epoch  3/20  loss 0.3470  validation 1.500e-07  rate 0.001" };
    char *line = text;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(strncmp(line, starts[i], strlen(starts[i])), 0);
        line = strchr(line, '\n') + 1;
    }
    assert_int_equal(*line, '\0');
    assert_null(strpbrk(text, "\r[]="));
}

static void on_a_terminal_a_bar_is_written_over_and_left_standing_at_the_end_of_an_epoch(void **state)
{
    (void)state;
    char text[TEXT];
    bp_reporter reporter = { .stream = tmpfile(), .is_terminal = true };
    bp_progress progress = at(3, 10, 0.4);
    (void)bp_reporter_step(&progress, &reporter); /* starts the clock */
    wait_milliseconds(250);
    progress = at(3, 50, 0.3481);
    (void)bp_reporter_step(&progress, &reporter);
    (void)bp_reporter_step(&progress, &reporter); /* too soon for another */
    progress = at(3, 100, 0.347);
    progress.validation = &classes;
    (void)bp_reporter_epoch(&progress, &reporter);
    read_back(reporter.stream, text);

    const char *const parts[] = { "\repoch  3/20 [==========          ]  loss 0.3481  ",
                                  " rows/s  ",
                                  " s left",
                                  "\repoch  3/20 [====================]  loss 0.3470  validation 0.3662  accuracy 0.8713  ",
                                  "rate 0.001  ",
                                  " left" };
    const char *here = text;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        here = strstr(here, parts[i]);
        assert_non_null(here);
        here += strlen(parts[i]);
    }
    assert_int_equal(text[strlen(text) - 1], '\n');
    size_t returns = 0;
    for (const char *c = text; *c != '\0'; c++)
        returns += *c == '\r';
    assert_int_equal(returns, 2);
}

/* As a terminal shows it: \r goes back, and letters replace those that stand there. */
static void show(const char *text, char screen[TEXT])
{
    size_t column = 0, end = 0;
    for (; *text != '\0' && *text != '\n'; text++) {
        column = *text == '\r' ? 0 : column;
        if (*text != '\r')
            screen[column++] = *text;
        end = column > end ? column : end;
    }
    while (end > 0 && screen[end - 1] == ' ')
        end--;
    screen[end] = '\0';
}

static void nothing_is_left_of_a_longer_line_before(void **state)
{
    (void)state;
    char text[TEXT], screen[TEXT];
    bp_reporter reporter = { .stream = tmpfile(), .is_terminal = true };
    bp_progress progress = at(1, 10, 0.5);
    (void)bp_reporter_step(&progress, &reporter);
    wait_milliseconds(210);
    progress = at(1, 60, 123456.789);
    (void)bp_reporter_step(&progress, &reporter);
    progress = at(1, 100, 0.5);
    progress.epochs = 1;
    (void)bp_reporter_epoch(&progress, &reporter);
    read_back(reporter.stream, text);
    assert_non_null(strstr(text, "123456.7"));
    show(text, screen);
    assert_string_equal(screen, "epoch  1/1 [====================]  loss 0.5000  rate 0.001  0 s left");
}

/* 100 rows in half a second after the first 100; 1800 more take nine. */
static void the_time_left_follows_from_the_speed_since_the_first_call(void **state)
{
    (void)state;
    char text[TEXT];
    bp_reporter reporter = { .stream = tmpfile() };
    bp_progress progress = at(1, 100, 0.5);
    (void)bp_reporter_epoch(&progress, &reporter); /* no on_step: the clock starts here */
    wait_milliseconds(500);
    progress = at(2, 100, 0.5);
    (void)bp_reporter_epoch(&progress, &reporter);
    read_back(reporter.stream, text);
    char *first_end = strchr(text, '\n');
    *first_end = '\0';
    assert_null(strstr(text, "left")); /* nothing to tell by */
    const char *rate = strstr(first_end + 1, "rate 0.001  ");
    assert_non_null(rate);
    unsigned seconds = 0;
    assert_int_equal(sscanf(rate + strlen("rate 0.001  "), "%u s left", &seconds), 1);
    assert_in_range(seconds, 9, 60); /* a busy machine may wait longer */
}

static void long_times_are_told_in_minutes_and_hours(void **state)
{
    (void)state;
    const struct {
        double elapsed;
        const char *text;
    } cases[] = { { 30, " min left" }, { 1000, " h left" } };
    for (size_t i = 0; i < 2; i++) {
        char text[TEXT];
        bp_reporter reporter = { .stream = tmpfile() };
        bp_progress progress = at(1, 100, 0.5);
        (void)bp_reporter_epoch(&progress, &reporter);
        reporter.started -= cases[i].elapsed; /* so long ago: 100 rows since then, 1800 to come */
        progress = at(2, 100, 0.5);
        (void)bp_reporter_epoch(&progress, &reporter);
        read_back(reporter.stream, text);
        assert_non_null(strstr(text, cases[i].text));
    }
}

static void without_a_stream_nothing_happens(void **state)
{
    (void)state;
    bp_reporter reporter = { 0 }, terminal = { .is_terminal = true };
    const bp_progress progress = at(1, 100, 0.5);
    assert_int_equal(bp_reporter_step(&progress, &reporter), BP_CONTINUE);
    assert_int_equal(bp_reporter_epoch(&progress, &reporter), BP_CONTINUE);
    assert_int_equal(bp_reporter_step(&progress, &terminal), BP_CONTINUE);
    assert_int_equal(bp_reporter_epoch(&progress, &terminal), BP_CONTINUE);
}

static void a_stream_that_cannot_be_written_is_no_reason_to_stop(void **state)
{
    (void)state;
    FILE *stream = fopen("/dev/null", "r");
    if (stream == NULL)
        skip();
    bp_reporter reporter = { .stream = stream, .is_terminal = true };
    const bp_progress progress = at(1, 100, 0.5);
    assert_int_equal(bp_reporter_step(&progress, &reporter), BP_CONTINUE);
    assert_int_equal(bp_reporter_epoch(&progress, &reporter), BP_CONTINUE);
    fclose(stream);
}

static void the_largest_numbers_fit_a_line(void **state)
{
    (void)state;
    char text[TEXT];
    bp_reporter reporter = { .stream = tmpfile(), .is_terminal = true };
    const bp_metrics_result large = { .loss = -1.7e308, .n_classes = 2, .accuracy = 1 };
    bp_progress progress = { .epoch = SIZE_MAX,
                             .epochs = SIZE_MAX,
                             .rows_done = SIZE_MAX,
                             .rows = SIZE_MAX,
                             .epoch_loss = BP_REAL_MAX,
                             .learning_rate = BP_REAL_MAX,
                             .validation = &large };
    (void)bp_reporter_epoch(&progress, &reporter);
    (void)bp_reporter_epoch(&progress, &reporter);
    read_back(reporter.stream, text);
    assert_non_null(strstr(text, "validation -1.700e+308"));
}

/* The clock of a finished run stands at its last epoch; the lines are one an epoch. */
static void it_reports_a_training_run_and_changes_no_bit(void **state)
{
    (void)state;
    const struct bench_kind kind = { 0 };
    const bp_optimizer_config rule = { .kind = BP_ADAM };
    for (int terminal = 0; terminal <= 1; terminal++) {
        struct bench with, without;
        char text[TEXT];
        bench_init(&with, BENCH_ROWS, &kind, &rule);
        bench_init(&without, BENCH_ROWS, &kind, &rule);
        bp_reporter reporter = { .stream = tmpfile(), .is_terminal = terminal };
        bp_train_config config = { .epochs = 4, .batch = 5, .validation_fraction = R(0.2) };
        assert_int_equal(bp_train(&without.net, &without.opt, &without.data, &config, NULL), BP_OK);
        config.on_step = bp_reporter_step;
        config.on_epoch = bp_reporter_epoch;
        config.user = &reporter;
        assert_int_equal(bp_train(&with.net, &with.opt, &with.data, &config, NULL), BP_OK);
        const struct bench_numbers one = bench_numbers(&with.net, &with.opt);
        const struct bench_numbers other = bench_numbers(&without.net, &without.opt);
        assert_true(bench_same(&one, &other));

        read_back(reporter.stream, text);
        size_t lines = 0;
        for (const char *c = text; *c != '\0'; c++)
            lines += *c == '\n';
        assert_int_equal(lines, 4);
        assert_non_null(strstr(text, "epoch  4/4"));
        assert_non_null(strstr(text, "  0 s left"));
        bench_free(&with);
        bench_free(&without);
    }
}

/* Training, reported to a file, while both standard streams lead to another. */
static void nothing_goes_to_the_standard_streams(void **state)
{
    (void)state;
    struct bench bench;
    char text[TEXT];
    FILE *seen = tmpfile();
    bp_reporter reporter = { .stream = tmpfile(), .is_terminal = true };
    bench_init(&bench, BENCH_ROWS, &(struct bench_kind){ 0 }, &(bp_optimizer_config){ 0 });
    const bp_train_config config = { .epochs = 3,
                                     .validation_fraction = R(0.2),
                                     .on_step = bp_reporter_step,
                                     .on_epoch = bp_reporter_epoch,
                                     .user = &reporter };
    fflush(stdout);
    fflush(stderr);
    const int out = dup(1), err = dup(2);
    dup2(fileno(seen), 1);
    dup2(fileno(seen), 2);
    const bp_status status = bp_train(&bench.net, &bench.opt, &bench.data, &config, NULL);
    const bp_status refused = bp_train(&bench.net, NULL, &bench.data, &config, NULL);
    fflush(stdout);
    fflush(stderr);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    assert_int_equal(status, BP_OK);
    assert_int_equal(refused, BP_ERR_ARGUMENT);
    read_back(seen, text);
    assert_string_equal(text, "");
    fclose(reporter.stream);
    bench_free(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_terminal_each_epoch_has_one_plain_line),
        cmocka_unit_test(on_a_terminal_a_bar_is_written_over_and_left_standing_at_the_end_of_an_epoch),
        cmocka_unit_test(nothing_is_left_of_a_longer_line_before),
        cmocka_unit_test(the_time_left_follows_from_the_speed_since_the_first_call),
        cmocka_unit_test(long_times_are_told_in_minutes_and_hours),
        cmocka_unit_test(without_a_stream_nothing_happens),
        cmocka_unit_test(a_stream_that_cannot_be_written_is_no_reason_to_stop),
        cmocka_unit_test(the_largest_numbers_fit_a_line),
        cmocka_unit_test(it_reports_a_training_run_and_changes_no_bit),
        cmocka_unit_test(nothing_goes_to_the_standard_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
