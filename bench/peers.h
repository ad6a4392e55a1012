// SPDX-License-Identifier: MIT
/*
 * Peers: other libraries that do the same cases, each in a process of its own.
 */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include <stddef.h>

#include "bench.h"
#include "process.h"

enum { N_PEERS = 3 };

/** FANN, NumPy and PyTorch, where they are installed. */
struct peers {
    struct process each[N_PEERS];
};

extern const char *const peer_names[N_PEERS];

/** Version of a peer, or NULL where it is not installed: known once start_peers() has looked. */
const char *peer_version(size_t peer);

/**
 * Starts those that are installed, for one number type and so many threads.
 *
 * @param sources   directory of peers.py
 * @param programs  directory of the FANN programs
 */
void start_peers(struct peers *peers, const char *sources, const char *programs, enum bench_precision precision,
                 int threads);

/** Nanoseconds a sample; 0 from a peer that is not there or cannot do the case. */
double ask_peer(struct peers *peers, size_t peer, const struct bench_case *what);

void stop_peers(struct peers *peers);

#endif
