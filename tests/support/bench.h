// SPDX-License-Identifier: MIT
/*
 * A small learning problem with its network and optimizer, and their numbers at a moment, for tests of training.
 */
#ifndef TEST_SUPPORT_BENCH_H
#define TEST_SUPPORT_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/dataset.h"
#include "backprop/network.h"
#include "backprop/optimizer.h"
#include "backprop/trainer.h"

enum { BENCH_IN = 3, BENCH_HIDDEN = 5, BENCH_OUT = 2, BENCH_ROWS = 40, BENCH_NUMBERS = 128 };

/** Inputs in [-1, 1), smooth targets, labels (which of two inputs is larger), weights; `data` shows X and T. */
struct bench {
    bp_real X[BENCH_ROWS * BENCH_IN], T[BENCH_ROWS * BENCH_OUT], weights[BENCH_ROWS];
    int32_t labels[BENCH_ROWS];
    bp_dataset data;
    bp_network net;
    bp_optimizer opt;
};

/** What the network is like: 3 - 5 tanh - 5 tanh - 2 with some of these. */
struct bench_kind {
    bp_activation output;
    bp_normalization normalization; /**< of the hidden layers */
    bp_real dropout;                /**< of the hidden layers */
    bool frozen;                    /**< the second hidden layer is */
};

/** All that training changes. */
struct bench_numbers {
    bp_real params[BENCH_NUMBERS], state[BENCH_NUMBERS], opt_state[3 * BENCH_NUMBERS];
    bp_optimizer opt; /**< its scalars */
    bool scales_inputs, scales_outputs;
    uint64_t topology;
    bp_real in[2 * BENCH_IN], out[2 * BENCH_OUT]; /**< centers and scales */
};

/** Makes data, network and optimizer; the same numbers each time. */
void bench_init(struct bench *bench, size_t rows, const struct bench_kind *kind, const bp_optimizer_config *rule);
void bench_free(struct bench *bench);

/** Shows labels in place of T. */
void bench_show_labels(struct bench *bench);

struct bench_numbers bench_numbers(const bp_network *net, const bp_optimizer *opt);

/** Whether these are the same bits; `bench_same_network` looks at the network's parameters and state alone. */
bool bench_same(const struct bench_numbers *a, const struct bench_numbers *b);
bool bench_same_network(const struct bench_numbers *a, const struct bench_numbers *b);

#endif
