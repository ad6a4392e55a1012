// SPDX-License-Identifier: MIT
/*
 * The cases, and the ratios to their bounds that the library sets itself.
 */
#include "bench.h"

/* Rows enough for what an epoch's end costs to be shared by as many steps as in real data. */
enum { FEW = 1024, MANY = 8192 };

#define XOR 2, 2, 1
#define SMALL 16, 32, 32, 4
#define MNIST 784, 512, 256, 10
#define LARGE 2048, 2048, 2048, 2048, 10

#define ON_XOR .widths = { XOR }, .hidden = "sigmoid", .output = "sigmoid", .loss = "squared_error", .rule = "sgd"
#define ON_SMALL .widths = { SMALL }, .hidden = "tanh", .output = "tanh", .loss = "squared_error", .rule = "sgd"
#define ON_CLASSES .hidden = "relu", .output = "softmax", .loss = "cross_entropy", .rule = "sgd"

const struct bench_case bench_cases[] = {
    { "W1 2-2-1, one sample", TRAINS_IN_ORDER, STRICT_C, ON_XOR, .rate = 0.1, .batch = 1, .rows = 4,
      .figure = { { 1.2 }, { 1.2 } } },
    { "W1 2-2-1, one sample, own loop", OWN_LOOP, STRICT_C, ON_XOR, .rate = 0.1, .batch = 1, .rows = 4 },
    { "W1 2-2-1, batch 4", TRAINS_IN_ORDER, STRICT_C, ON_XOR, .rate = 0.1, .batch = 4, .rows = 4,
      .figure = { { 0.80 }, { 0.80 } } },
    { "W1 2-2-1, batch 4, own loop", OWN_LOOP, STRICT_C, ON_XOR, .rate = 0.1, .batch = 4, .rows = 4 },

    { "W2 16-32-32-4, batch 1", TRAINS_IN_ORDER, FAST_C, ON_SMALL, .rate = 0.01, .batch = 1, .rows = FEW,
      .figure = { { 1.2 }, { 1.5 } } },
    { "W2 16-32-32-4, batch 1, own loop", OWN_LOOP, FAST_C, ON_SMALL, .rate = 0.01, .batch = 1, .rows = FEW },
    { "W2 16-32-32-4, batch 32", TRAINS, GEMMS, ON_SMALL, .rate = 0.01, .batch = 32, .rows = FEW,
      .figure = { { 1.25 }, { 1.35 } } },

    { "W3 784-512-256-10, batch 32", TRAINS, GEMMS, .widths = { MNIST }, ON_CLASSES, .rate = 0.01, .batch = 32,
      .rows = MANY, .figure = { { 0.93, 1.10 }, { 0.95, 1.20 } }, .has_two_threads = true },
    { "W3 784-512-256-10, batch 128", TRAINS, GEMMS, .widths = { MNIST }, ON_CLASSES, .rate = 0.01, .batch = 128,
      .rows = MANY, .figure = { { 1.01, 1.03 }, { 1.04, 1.12 } }, .has_two_threads = true },
    { "W3 784-512-256-10, batch 128, in order", TRAINS_IN_ORDER, GEMMS, .widths = { MNIST }, ON_CLASSES, .rate = 0.01,
      .batch = 128, .rows = MANY },
    { "W3 784-512-256-10, batch 128, own loop", OWN_LOOP, GEMMS, .widths = { MNIST }, ON_CLASSES, .rate = 0.01,
      .batch = 128, .rows = MANY },
    { "W3 784-512-256-10, batch 512", TRAINS, GEMMS, .widths = { MNIST }, ON_CLASSES, .rate = 0.01, .batch = 512,
      .rows = MANY, .figure = { { 1.02, 1.03 }, { 1.05, 1.05 } }, .has_two_threads = true },
    { "W3 784-512-256-10, batch 128, momentum", TRAINS, GEMMS, .widths = { MNIST }, .hidden = "relu", .output = "softmax",
      .loss = "cross_entropy", .rule = "momentum", .rate = 0.001, .batch = 128, .rows = MANY,
      .figure = { { 1.10, 1.20 }, { 1.20, 1.25 } }, .has_two_threads = true },
    { "W3 784-512-256-10, batch 128, Adam", TRAINS, GEMMS, .widths = { MNIST }, .hidden = "relu", .output = "softmax",
      .loss = "cross_entropy", .rule = "adam", .rate = 0.001, .batch = 128, .rows = MANY,
      .figure = { { 1.25, 1.35 }, { 1.45, 1.35 } }, .has_two_threads = true },

    { "W4 2048-2048-2048-2048-10, batch 256", TRAINS, GEMMS, .widths = { LARGE }, ON_CLASSES, .rate = 0.001, .batch = 256,
      .rows = MANY, .figure = { { 1.0, 1.0 }, { 1.0, 1.0 } }, .has_two_threads = true, .is_long = true },

    { "W5 784-512-256-10, batch 1", TRAINS, GEMVS, .widths = { MNIST }, ON_CLASSES, .rate = 0.0001, .batch = 1,
      .rows = MANY, .figure = { { 0.85, 0.65 }, { 1.10, 0.65 } }, .has_two_threads = true },
    { "W5 784-512-256-10, batch 1, own loop", OWN_LOOP, GEMVS, .widths = { MNIST }, ON_CLASSES, .rate = 0.0001, .batch = 1,
      .rows = MANY },

    { "W6 2-2-1, one row", PREDICTS, STRICT_C, ON_XOR, .batch = 1, .rows = 4, .figure = { { 1.5 }, { 1.5 } } },
    { "W6 16-32-32-4, one row", PREDICTS, FAST_C, ON_SMALL, .batch = 1, .rows = 4, .figure = { { 1.15 }, { 1.3 } } },
    { "W6 784-128-10, one row", PREDICTS, READING, .widths = { 784, 128, 10 }, ON_CLASSES, .batch = 1, .rows = 4,
      .figure = { { 1.2 }, { 1.3 } } },
    { "W6 784-512-256-10, one row", PREDICTS, READING, .widths = { MNIST }, ON_CLASSES, .batch = 1, .rows = 4,
      .figure = { { 1.1 }, { 1.15 } } },

    { "W6 exported C, 2-2-1, one row", EXPORTED, STRICT_C, ON_XOR, .batch = 1, .rows = 4, .figure = { { 1.0 }, { 1.0 } } },
    { "W6 exported C, 16-32-32-4, one row", EXPORTED, STRICT_C, ON_SMALL, .batch = 1, .rows = 4,
      .figure = { { 1.0 }, { 1.0 } } },

    { "W7 784-512-256-10, 1024 rows", PREDICTS, GEMMS, .widths = { MNIST }, ON_CLASSES, .batch = FEW, .rows = FEW,
      .figure = { { 1.03, 1.06 }, { 1.07, 1.10 } }, .has_two_threads = true },
};

const size_t bench_n_cases = sizeof bench_cases / sizeof bench_cases[0];

bool bench_predicts(const struct bench_case *what)
{
    return what->way == PREDICTS || what->way == EXPORTED;
}

size_t bench_n_layers(const struct bench_case *what)
{
    size_t n = 0;
    while (n + 1 < MOST_WIDTHS && what->widths[n + 1] != 0)
        n++;
    return n;
}

size_t bench_n_params(const struct bench_case *what)
{
    size_t n = 0;
    for (size_t l = 0; l < bench_n_layers(what); l++)
        n += (what->widths[l] + 1) * what->widths[l + 1];
    return n;
}
