// SPDX-License-Identifier: MIT
/*
 * Starting and asking the peers.
 */
#include "peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const peer_names[N_PEERS] = { "FANN", "NumPy", "PyTorch" };

static char versions[N_PEERS][64];

const char *peer_version(size_t peer)
{
    return versions[peer][0] != '\0' ? versions[peer] : NULL;
}

static void start_fann(struct process *process, const char *programs, const char *precision, int threads, char version[64])
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/fann_peer_%s", programs, precision);
    const char *const arguments[] = { path, NULL };
    (void)start_process(process, arguments, threads, version);
}

void start_peers(struct peers *peers, const char *sources, const char *programs, enum bench_precision precision,
                 int threads)
{
    static const char *const libraries[N_PEERS] = { NULL, "numpy", "torch" };
    const char *name = precision == BENCH_F64 ? "f64" : "f32";
    char script[4096], number[16];
    (void)snprintf(script, sizeof script, "%s/peers.py", sources);
    (void)snprintf(number, sizeof number, "%d", threads);
    *peers = (struct peers){ 0 };
    start_fann(&peers->each[0], programs, name, threads, versions[0]);
    for (size_t i = 1; i < N_PEERS; i++) {
        const char *const arguments[] = { script, libraries[i], name, number, NULL };
        (void)start_python(&peers->each[i], arguments, threads, versions[i]);
    }
}

double ask_peer(struct peers *peers, size_t peer, const struct bench_case *what)
{
    char line[512], widths[128] = "", answer[64];
    for (size_t l = 0; l <= bench_n_layers(what); l++)
        (void)snprintf(widths + strlen(widths), sizeof widths - strlen(widths), l == 0 ? "%zu" : "-%zu", what->widths[l]);
    (void)snprintf(line, sizeof line, "%s %s %s %s %s %s %g %zu\n", what->way == PREDICTS ? "predicts" : "trains", widths,
                   what->hidden, what->output, what->loss, what->rule, what->rate, what->batch);
    return ask_process(&peers->each[peer], line, sizeof answer, answer) ? strtod(answer, NULL) : 0; /* 0 for "-", too */
}

void stop_peers(struct peers *peers)
{
    for (size_t i = 0; i < N_PEERS; i++)
        stop_process(&peers->each[i]);
}
