// SPDX-License-Identifier: MIT
/*
 * The table of cases: ratio to the bound, and the peers. And that of a pool of 1: what it costs in some of them.
 */
#include <stdio.h>
#include <string.h>

#include "measure.h"
#include "peers.h"
#include "sections.h"

enum { QUICK_PAIRS = 15, FULL_PAIRS = 41 };

struct line {
    const struct bench_case *what;
    enum bench_precision precision;
    int threads;
    struct measurement m;
    double peers[N_PEERS]; /* ns a sample; 0: none */
    bool is_comparable;
    double distance;
};

/* ---- Printing -------------------------------------------------------------------------------------------------------- */

static const char *number(char text[32], double value)
{
    if (value <= 0)
        return "";
    (void)snprintf(text, 32, value < 100 ? "%.1f" : "%.0f", value);
    return text;
}

static double figure_of(const struct line *line)
{
    return line->what->figure[line->precision][line->threads - 1];
}

static bool is_met(const struct line *line)
{
    return figure_of(line) > 0 && line->m.lower <= figure_of(line);
}

/* Quartiles so far apart say more about the machine than about the library. */
static bool is_noisy(const struct line *line)
{
    return line->m.upper > 1.2 * line->m.lower;
}

static const char *met(const struct line *line)
{
    if (figure_of(line) <= 0)
        return "";
    return is_noisy(line) ? is_met(line) ? "yes, noisy" : "no, noisy" : is_met(line) ? "yes" : "no";
}

/* The fastest peer's time over ours, as far as there are peers. */
static double lead_over_peers(const struct line *line)
{
    double best = 0;
    for (size_t i = 0; i < N_PEERS; i++)
        if (line->peers[i] > 0 && (best <= 0 || line->peers[i] < best))
            best = line->peers[i];
    return best / line->m.ours_ns;
}

static void print_head(void)
{
    printf("| case | type | threads | bound, ns | ours, ns | ratio | quartiles | figure | met |");
    for (size_t i = 0; i < N_PEERS; i++)
        printf(" %s, ns |", peer_names[i]);
    printf(" fastest peer / ours |\n|---|---|---|---|---|---|---|---|---|");
    for (size_t i = 0; i < N_PEERS; i++)
        printf("---|");
    printf("---|\n");
}

static void print_line(const struct line *line)
{
    char texts[3 + N_PEERS][32];
    const struct measurement *m = &line->m;
    const double figure = figure_of(line), lead = lead_over_peers(line);
    printf("| %s | %s | %d | %s | %s | %.3f | %.3f to %.3f |", line->what->name, bench_rows[line->precision]->name,
           line->threads, number(texts[0], m->bound_ns), number(texts[1], m->ours_ns), m->ratio, m->lower, m->upper);
    if (figure > 0)
        printf(" %.2f |", figure);
    else
        printf(" |");
    printf(" %s |", met(line));
    for (size_t i = 0; i < N_PEERS; i++)
        printf(" %s |", number(texts[2 + i], line->peers[i]));
    if (lead > 0)
        printf(lead > 1 ? " %.2f |\n" : " **%.2f** |\n", lead);
    else
        printf(" |\n");
    (void)fflush(stdout);
}

static void print_csv(FILE *csv, const struct line *line)
{
    const struct measurement *m = &line->m;
    if (csv == NULL)
        return;
    (void)fprintf(csv, "case,\"%s\",%s,%d,%.3f,%.3f,%.4f,%.4f,%.4f,%zu,%g,%s", line->what->name,
                  bench_rows[line->precision]->name, line->threads, m->bound_ns, m->ours_ns, m->ratio, m->lower, m->upper,
                  m->pairs, figure_of(line), met(line));
    for (size_t i = 0; i < N_PEERS; i++)
        (void)fprintf(csv, ",%.1f", line->peers[i]);
    (void)fputc('\n', csv);
}

/* ---- Measuring ------------------------------------------------------------------------------------------------------- */

/* A loop of one's own, rows in order and exported C are ours alone: the peers are asked for the case once. */
static bool is_variant(const struct bench_case *what)
{
    return strstr(what->name, "own loop") != NULL || strstr(what->name, "in order") != NULL || what->way == EXPORTED;
}

static bool is_wanted(const struct bench_case *what, const struct options *options, int threads)
{
    const bool is_there = what->way != EXPORTED || bench_rows[BENCH_F64]->has_export;
    return is_there && strstr(what->name, options->only) != NULL && (threads == 1 || what->has_two_threads);
}

static void measure_contest(struct line *line, const struct options *options, const struct contest *contest)
{
    line->is_comparable = contest->is_comparable;
    line->distance = contest->distance;
    line->m = measure_pairs(&contest->bound, &contest->ours, contest->samples, options->full ? FULL_PAIRS : QUICK_PAIRS);
}

static void measure(struct line *line, const struct options *options, struct peers *peers)
{
    const struct bench_precision_row *row = bench_rows[line->precision];
    struct contest contest;
    row->make_contest(line->what, line->threads, &contest);
    measure_contest(line, options, &contest);
    row->free_contest(&contest);
    for (size_t i = 0; i < N_PEERS && !is_variant(line->what); i++)
        line->peers[i] = ask_peer(peers, i, line->what);
}

/* Whether what was timed on both sides, by the names given, was the same work. */
static bool is_sane(const struct line *line, const char *sides)
{
    const double tolerance = bench_rows[line->precision]->tolerance;
    if (!line->is_comparable || line->distance <= tolerance)
        return true;
    printf("\n**%s, %s: %s are %.2g apart, more than %.2g: they do not compute the same.**\n\n", line->what->name,
           bench_rows[line->precision]->name, sides, line->distance, tolerance);
    return false;
}

struct count {
    size_t figures, met;
    size_t noisy; /* of those that are met */
};

/* One number type with one number of threads. */
static bool print_group(const struct options *options, enum bench_precision precision, int threads, struct count *count)
{
    struct peers peers;
    bool sane = true;
    start_peers(&peers, options->sources, options->programs, precision, threads);
    for (size_t i = 0; i < bench_n_cases; i++) {
        if (!is_wanted(&bench_cases[i], options, threads))
            continue;
        struct line line = { .what = &bench_cases[i], .precision = precision, .threads = threads };
        measure(&line, options, &peers);
        print_line(&line);
        print_csv(options->csv, &line);
        sane = is_sane(&line, "the bound and the library") && sane;
        count->figures += figure_of(&line) > 0;
        count->met += is_met(&line);
        count->noisy += is_met(&line) && is_noisy(&line);
    }
    stop_peers(&peers);
    return sane;
}

bool has_cases(const struct options *options)
{
    for (size_t i = 0; i < bench_n_cases; i++)
        if (is_wanted(&bench_cases[i], options, 1))
            return true;
    return false;
}

bool print_cases(const struct options *options)
{
    bool sane = true;
    struct count count = { 0 };
    printf("## Cases\n\n");
    print_csv_head(options,
                   "table,case,type,threads,bound_ns,ours_ns,ratio,lower,upper,pairs,figure,met,fann_ns,numpy_ns,torch_ns");
    print_head();
    for (int precision = 0; precision < BENCH_PRECISIONS; precision++)
        for (int threads = 1; threads <= most_threads(); threads++)
            sane = print_group(options, (enum bench_precision)precision, threads, &count) && sane;

    printf("\n%zu of %zu figures are met, %zu of them by noisy measurements (quartiles more than 1.2 apart), which are "
           "worth repeating. "
           "Times are a\nsample's; 2 threads are a pool of the library's, and BLAS's own under the bound. Peers:",
           count.met, count.figures, count.noisy);
    for (size_t i = 0; i < N_PEERS; i++)
        printf("%s %s%s%s", i > 0 ? "," : "", peer_names[i], peer_version(i) != NULL ? " " : " (not installed)",
               peer_version(i) != NULL ? peer_version(i) : "");
    printf(".\n\n");
    return sane;
}

/* ---- A pool of 1 ----------------------------------------------------------------------------------------------------- */

static void print_pool_line(const struct line *line, const struct options *options)
{
    char texts[2][32];
    const struct measurement *m = &line->m;
    printf("| %s | %s | %s | %s | %.3f | %.3f to %.3f |\n", line->what->name, bench_rows[line->precision]->name,
           number(texts[0], m->bound_ns), number(texts[1], m->ours_ns), m->ratio, m->lower, m->upper);
    (void)fflush(stdout);
    if (options->csv != NULL)
        (void)fprintf(options->csv, "pool,\"%s\",%s,%.3f,%.3f,%.4f,%.4f,%.4f,%zu\n", line->what->name,
                      bench_rows[line->precision]->name, m->bound_ns, m->ours_ns, m->ratio, m->lower, m->upper, m->pairs);
}

/* Whether both computed the same. */
static bool print_pool_case(const struct options *options, const struct bench_case *what, enum bench_precision precision)
{
    struct line line = { .what = what, .precision = precision, .threads = 1 };
    struct contest contest;
    bench_rows[precision]->make_pool_contest(what, &contest);
    measure_contest(&line, options, &contest);
    bench_rows[precision]->free_contest(&contest);
    print_pool_line(&line, options);
    return is_sane(&line, "the library without a pool and with one");
}

bool print_pool(const struct options *options)
{
    bool sane = true;
    printf("## A pool of 1\n\nWhat it costs against no pool: its matrix products are cut where those of any pool are, so "
           "that all pools give the same bits.\n\n"
           "| case | type | no pool, ns | pool of 1, ns | ratio | quartiles |\n|---|---|---|---|---|---|\n");
    print_csv_head(options, "table,case,type,no_pool_ns,pool_of_1_ns,ratio,lower,upper,pairs");
    for (int precision = 0; precision < BENCH_PRECISIONS; precision++)
        for (size_t i = 0; i < bench_n_cases; i++)
            if (bench_cases[i].has_two_threads && (options->full || !bench_cases[i].is_long))
                sane = print_pool_case(options, &bench_cases[i], (enum bench_precision)precision) && sane;
    printf("\n");
    return sane;
}
