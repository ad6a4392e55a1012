// SPDX-License-Identifier: MIT
/*
 * The tables beside that of the cases: scaling, aging, sizes, time to result.
 */
#define _POSIX_C_SOURCE 200809L

#include "sections.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blas_threads.h"
#include "measure.h"
#include "process.h"

int most_threads(void)
{
    return sysconf(_SC_NPROCESSORS_ONLN) >= 2 ? 2 : 1;
}

void print_csv_head(const struct options *options, const char *columns)
{
    if (options->csv != NULL)
        (void)fprintf(options->csv, "%s\n", columns);
}

/* ---- Scaling --------------------------------------------------------------------------------------------------------- */

enum { MOST_POINTS = 8 };

enum growing { BATCH, WIDTH, DEPTH };

/* What doubles from point to point, from where on; the line is in the batch, else in the number of parameters. */
struct series {
    const char *name;
    enum growing growing;
    size_t width, depth, batch; /* of the first point */
    size_t n;
    struct scaling_point points[MOST_POINTS];
};

static const struct series all_series[] = {
    { .name = "batch", .growing = BATCH, .width = 256, .depth = 4, .batch = 16, .n = 7 },
    { .name = "width", .growing = WIDTH, .width = 32, .depth = 2, .batch = 128, .n = 7 },
    { .name = "depth", .growing = DEPTH, .width = 256, .depth = 1, .batch = 128, .n = 6 },
};

static void measure_series(struct series *series, const struct bench_precision_row *row)
{
    for (size_t i = 0; i < series->n; i++) {
        struct scaling_point *point = &series->points[i];
        *point = (struct scaling_point){ .width = series->width, .depth = series->depth, .batch = series->batch };
        *(series->growing == BATCH ? &point->batch : series->growing == WIDTH ? &point->width : &point->depth) <<= i;
        row->measure_scaling(point);
    }
}

static size_t bytes_of(const struct scaling_point *point)
{
    return point->network + point->optimizer + point->trainer;
}

/* Caches of one core, below which a step may be faster than the line. */
static bool is_past_caches(const struct scaling_point *point)
{
    long level2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return bytes_of(point) > (size_t)(level2 > 0 ? level2 : 1 << 20);
}

static double x_of(const struct series *series, size_t i)
{
    return (double)(series->growing == BATCH ? series->points[i].batch : series->points[i].n_params);
}

/* Time of point i over that of the line through the first and the last point past the caches. */
static double over_line(const struct series *series, size_t first, size_t i)
{
    const size_t last = series->n - 1;
    const double x0 = x_of(series, first), x1 = x_of(series, last);
    const double t0 = series->points[first].ns, t1 = series->points[last].ns;
    return x1 > x0 ? series->points[i].ns / (t0 + (t1 - t0) * (x_of(series, i) - x0) / (x1 - x0)) : 1;
}

static void print_series(const struct series *series, const struct options *options, const char *type)
{
    size_t first = 0;
    while (first + 1 < series->n && !is_past_caches(&series->points[first]))
        first++;
    double worst = 1;
    for (size_t i = 0; i < series->n; i++) {
        const struct scaling_point *p = &series->points[i];
        const double ratio = over_line(series, first, i);
        if (i >= first)
            worst = fmax(worst, fmax(ratio, 1 / ratio));
        printf("| %s | %s | %zu | %zu | %zu | %zu | %.1f | ", series->name, type, p->batch, p->width, p->depth, p->n_params,
               p->ns / 1000);
        printf(i >= first ? "%.2f |" : "in cache |", ratio);
        printf(" %.2f | %.2f | %.2f | %.2f |\n", (double)p->network / 1048576, (double)p->workspace / 1048576,
               (double)p->optimizer / 1048576, (double)p->trainer / 1048576);
        if (options->csv != NULL)
            (void)fprintf(options->csv, "scaling,%s,%s,%zu,%zu,%zu,%zu,%.0f,%.3f,%zu,%zu,%zu,%zu\n", series->name, type,
                          p->batch, p->width, p->depth, p->n_params, p->ns, ratio, p->network, p->workspace, p->optimizer,
                          p->trainer);
    }
    printf("| **%s** | %s | | | | | | at most %.2f off: %s | | | | |\n", series->name, type, worst,
           worst <= 1.3 ? "met" : "**not met**");
}

bool print_scaling(const struct options *options)
{
    set_blas_threads(1);
    printf("## Scaling\n\nA step of Adam by the trainer, 10 classes, as many inputs as units; one thread. \"Line\" is the "
           "time over that "
           "of the straight line\nthrough the first and the last point past the level 2 cache, in the batch or in the "
           "parameters; wanted is 1.3. Memory is what\nthe objects ask their allocator for; docs/memory.md has the "
           "formulas. The trainer's holds a workspace.\n\n"
           "| series | type | batch | width | depth | parameters | step, us | line | network, MiB | workspace, MiB | "
           "optimizer, MiB | trainer, MiB |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    print_csv_head(options, "table,series,type,batch,width,depth,parameters,step_ns,line,network_bytes,workspace_bytes,"
                            "optimizer_bytes,trainer_bytes");
    for (int precision = 0; precision < (options->full ? BENCH_PRECISIONS : 1); precision++)
        for (size_t s = 0; s < sizeof all_series / sizeof all_series[0]; s++) {
            struct series series = all_series[s];
            measure_series(&series, bench_rows[precision]);
            print_series(&series, options, bench_rows[precision]->name);
            (void)fflush(stdout);
        }
    printf("\n");
    return true;
}

/* ---- Aging ----------------------------------------------------------------------------------------------------------- */

bool print_aging(const struct options *options)
{
    const double figure = 1.3;
    printf("## Aging\n\nAdam on 64-128-128-10 relu, batch 32, half of the units dead: a step 10000 steps later over a step "
           "at first.\n\n| type | at first, us | later, us | ratio | quartiles | figure | met | of the moments are 0 |\n"
           "|---|---|---|---|---|---|---|---|\n");
    print_csv_head(options, "table,type,first_ns,later_ns,ratio,lower,upper,pairs,figure,met,share_of_zeros");
    set_blas_threads(1);
    for (int precision = 0; precision < BENCH_PRECISIONS; precision++) {
        struct aging aging;
        bench_rows[precision]->make_aging(&aging);
        const struct measurement m = measure_pairs(&aging.fresh, &aging.aged, 1, options->full ? 41 : 15);
        printf("| %s | %.1f | %.1f | %.3f | %.3f to %.3f | %.2f | %s | %.0f %% |\n", bench_rows[precision]->name,
               m.bound_ns / 1000, m.ours_ns / 1000, m.ratio, m.lower, m.upper, figure, m.lower <= figure ? "yes" : "no",
               100 * aging.share_of_zeros);
        if (options->csv != NULL)
            (void)fprintf(options->csv, "aging,%s,%.1f,%.1f,%.4f,%.4f,%.4f,%zu,%g,%s,%.4f\n", bench_rows[precision]->name,
                          m.bound_ns, m.ours_ns, m.ratio, m.lower, m.upper, m.pairs, figure,
                          m.lower <= figure ? "yes" : "no", aging.share_of_zeros);
        bench_rows[precision]->free_aging(&aging);
    }
    printf("\n");
    return true;
}

/* ---- Sizes ----------------------------------------------------------------------------------------------------------- */

/* What size.sh writes, in Markdown or with "--csv", goes where it belongs. */
static bool copy_sizes(const struct options *options, const char *format, FILE *to)
{
    char command[3 * 4096], line[256];
    (void)snprintf(command, sizeof command, "'%s/size.sh' '%s/..' %s", options->sources, options->programs, format);
    FILE *script = popen(command, "r");
    if (script == NULL)
        return false;
    while (fgets(line, sizeof line, script) != NULL)
        (void)fputs(line, to);
    return pclose(script) == 0;
}

bool print_sizes(const struct options *options)
{
    printf("## Size\n\n");
    (void)fflush(stdout);
    if (copy_sizes(options, "", stdout) && (options->csv == NULL || copy_sizes(options, "--csv", options->csv))) {
        printf("\n");
        return true;
    }
    printf("No table: it needs bash, binutils and the built example 01_xor.\n\n");
    return false;
}

/* ---- Time to result -------------------------------------------------------------------------------------------------- */

enum { SEEDS = 3, CONTENDERS = 3, OURS = 0 };

static const double wanted_accuracy = 0.87, wanted_lead = 1.8;
static const char *const contenders[CONTENDERS] = { "libbackprop", "scikit-learn", "PyTorch" };

struct tally {
    double seconds, epochs;
    size_t n; /* runs that reached it */
};

static void add_run(struct tally *tally, double seconds, double epochs, double accuracy)
{
    if (accuracy < wanted_accuracy)
        return;
    tally->seconds += seconds;
    tally->epochs += epochs;
    tally->n++;
}

static void ask_contender(struct process *process, unsigned seed, struct tally *tally)
{
    char question[32], answer[128];
    double seconds, epochs, accuracy;
    (void)snprintf(question, sizeof question, "%u\n", seed);
    if (ask_process(process, question, sizeof answer, answer) &&
        sscanf(answer, "%lf %lf %lf", &seconds, &epochs, &accuracy) == 3)
        add_run(tally, seconds, epochs, accuracy);
}

static void start_contenders(struct process processes[CONTENDERS], const struct options *options, const char *type,
                             int threads)
{
    static const char *const libraries[CONTENDERS] = { NULL, "sklearn", "torch" };
    char script[4096], number[16], accuracy[16], version[64];
    (void)snprintf(script, sizeof script, "%s/result.py", options->sources);
    (void)snprintf(number, sizeof number, "%d", threads);
    (void)snprintf(accuracy, sizeof accuracy, "%g", wanted_accuracy);
    processes[OURS] = (struct process){ 0 };
    for (size_t i = 1; i < CONTENDERS; i++) {
        const char *const arguments[] = { script, libraries[i], type, number, options->data, accuracy, NULL };
        if (!start_python(&processes[i], arguments, threads, version))
            printf("| %s | %s | %d | not installed | | | |\n", contenders[i], type, threads);
    }
}

static void print_tallies(const struct tally tallies[CONTENDERS], const struct options *options, const char *type,
                          int threads)
{
    double best = 0;
    for (size_t i = 1; i < CONTENDERS; i++) {
        const double mean = tallies[i].seconds / (double)tallies[i].n;
        if (tallies[i].n == SEEDS && (best <= 0 || mean < best))
            best = mean;
    }
    for (size_t i = 0; i < CONTENDERS; i++) {
        const struct tally *t = &tallies[i];
        const double mean = t->seconds / (double)t->n, lead = best / mean;
        if (t->n == 0)
            continue;
        printf("| %s | %s | %d | %.2f | %.1f | %zu of %d |", contenders[i], type, threads, mean, t->epochs / (double)t->n,
               t->n, SEEDS);
        if (i == OURS && best > 0)
            printf(" %.2f times as fast as the faster of the others; %.1f is wanted: %s |\n", lead, wanted_lead,
                   lead >= wanted_lead ? "met" : "**not met**");
        else
            printf(" |\n");
        if (options->csv != NULL)
            (void)fprintf(options->csv, "result,%s,%s,%d,%.3f,%.2f,%zu\n", contenders[i], type, threads, mean,
                          t->epochs / (double)t->n, t->n);
    }
    (void)fflush(stdout);
}

static void print_result_group(const struct options *options, const struct bench_precision_row *row,
                               const struct result_data *data, int threads)
{
    struct process processes[CONTENDERS];
    struct tally tallies[CONTENDERS] = { { 0 } };
    start_contenders(processes, options, row->name, threads);
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        struct result_run run;
        set_blas_threads(1); /* ours are those of a pool */
        row->run_result(data, threads, seed, wanted_accuracy, &run);
        add_run(&tallies[OURS], run.seconds, (double)run.epochs, run.accuracy);
        for (size_t i = 1; i < CONTENDERS; i++)
            ask_contender(&processes[i], seed, &tallies[i]);
    }
    print_tallies(tallies, options, row->name, threads);
    for (size_t i = 1; i < CONTENDERS; i++)
        stop_process(&processes[i]);
}

bool print_results(const struct options *options)
{
    printf(
        "## Time to result\n\nFashion-MNIST, 784-100-10 relu, Adam 0.001, batch 128, Glorot, inputs standardised, a tenth "
        "held out: until the first epoch\nwhose held-out accuracy reaches %.2f, means of %d seeds. 2 threads are a pool of "
        "the "
        "library's, and as many of their own for the others.\n\n"
        "| library | type | threads | seconds | epochs | reached it | |\n|---|---|---|---|---|---|---|\n",
        wanted_accuracy, SEEDS);
    print_csv_head(options, "table,library,type,threads,seconds,epochs,runs_that_reached_it");
    for (int precision = 0; precision < BENCH_PRECISIONS; precision++) {
        const struct bench_precision_row *row = bench_rows[precision];
        struct result_data *data = row->load_result_data(options->data);
        if (data == NULL) {
            printf("\nNo Fashion-MNIST in %s (Debian: dataset-fashion-mnist; or --data DIRECTORY).\n\n", options->data);
            return false;
        }
        for (int threads = 1; threads <= most_threads(); threads++)
            print_result_group(options, row, data, threads);
        row->free_result_data(data);
    }
    printf("\n");
    return true;
}
