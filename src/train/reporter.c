// SPDX-License-Identifier: MIT
/*
 * A progress bar, out of what a callback sees and the time that has passed. Lines are put together first and then
 * written, so that what is left of a longer line before can be covered.
 */
#include "base/real.h"

#include "backprop/reporter.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/status.h"

enum { BAR = 20, LINE = 256 };

static const double seconds_between_lines = 0.2;

/* ---- A line ---------------------------------------------------------------------------------------------------------- */

struct line {
    char text[LINE];
    int length;
};

BPI_PRINTF_LIKE(2, 3)
static void add(struct line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(line->text + line->length, (size_t)(LINE - line->length), format, arguments);
    va_end(arguments);
    if (n > 0)
        line->length = n < LINE - line->length ? line->length + n : LINE - 1;
}

/* Four places behind the point tell enough of most losses; very small and very large ones have an exponent. */
static void add_loss(struct line *line, const char *name, double loss)
{
    const bool is_plain = loss == 0 || (fabs(loss) >= 1e-3 && fabs(loss) < 1e6);
    if (is_plain)
        add(line, "  %s %.4f", name, loss);
    else
        add(line, "  %s %.3e", name, loss);
}

static void add_bar(struct line *line, const bp_progress *at)
{
    const int filled = (int)((double)at->rows_done / (double)at->rows * BAR + 0.5);
    add(line, " [%.*s%*s]", filled, "====================", BAR - filled, "");
}

static void add_duration(struct line *line, double seconds)
{
    if (seconds < 100)
        add(line, "  %.0f s left", seconds);
    else if (seconds < 6000)
        add(line, "  %.0f min left", seconds / 60);
    else
        add(line, "  %.1f h left", seconds / 3600);
}

static void add_validation(struct line *line, const bp_metrics_result *validation)
{
    add_loss(line, "validation", validation->loss);
    if (validation->n_classes > 0)
        add(line, "  accuracy %.4f", validation->accuracy);
}

static struct line begin_line(const bp_reporter *reporter, const bp_progress *at)
{
    struct line line = { .length = 0 };
    add(&line, "epoch %2zu/%zu", at->epoch, at->epochs);
    if (reporter->is_terminal)
        add_bar(&line, at);
    add_loss(&line, "loss", (double)at->epoch_loss);
    return line;
}

/* On a terminal, in the place of the line that stands there. */
static void write_line(bp_reporter *reporter, const struct line *line, bool stays)
{
    const int to_cover = reporter->width > line->length ? reporter->width - line->length : 0;
    (void)fprintf(reporter->stream, "%s%s%*s%s", reporter->is_terminal ? "\r" : "", line->text, to_cover, "",
                  stays ? "\n" : "");
    (void)fflush(reporter->stream);
    reporter->width = stays ? 0 : line->length;
}

/* ---- Time ------------------------------------------------------------------------------------------------------------ */

/* Rows of all epochs done so far. */
static double rows_done(const bp_progress *at)
{
    return (double)(at->epoch - 1) * (double)at->rows + (double)at->rows_done;
}

/* Seconds since the first call, which comes after the first step. */
static double seconds_since_start(bp_reporter *reporter, const bp_progress *at)
{
    const double now = bpi_seconds();
    if (reporter->started == 0) {
        reporter->started = now;
        reporter->rows = rows_done(at);
    }
    return now - reporter->started;
}

/* How fast it has gone since then; 0: not known yet. */
static double rows_per_second(const bp_reporter *reporter, const bp_progress *at, double seconds)
{
    return seconds > 0 ? (rows_done(at) - reporter->rows) / seconds : 0;
}

static void add_time_left(struct line *line, const bp_progress *at, double speed)
{
    if (speed > 0)
        add_duration(line, ((double)at->epochs * (double)at->rows - rows_done(at)) / speed);
}

/* ---- Public ---------------------------------------------------------------------------------------------------------- */

bp_signal bp_reporter_step(const bp_progress *progress, void *user)
{
    bp_reporter *reporter = user;
    const double seconds = seconds_since_start(reporter, progress);
    const double speed = rows_per_second(reporter, progress, seconds);
    if (reporter->stream == NULL || !reporter->is_terminal || seconds - reporter->shown < seconds_between_lines)
        return BP_CONTINUE;

    struct line line = begin_line(reporter, progress);
    add(&line, "  %.0f rows/s", speed);
    add_time_left(&line, progress, speed);
    write_line(reporter, &line, false);
    reporter->shown = seconds;
    return BP_CONTINUE;
}

bp_signal bp_reporter_epoch(const bp_progress *progress, void *user)
{
    bp_reporter *reporter = user;
    const double speed = rows_per_second(reporter, progress, seconds_since_start(reporter, progress));
    if (reporter->stream == NULL)
        return BP_CONTINUE;

    struct line line = begin_line(reporter, progress);
    if (progress->validation != NULL)
        add_validation(&line, progress->validation);
    add(&line, "  rate %.3g", (double)progress->learning_rate);
    add_time_left(&line, progress, speed);
    write_line(reporter, &line, true);
    return BP_CONTINUE;
}
