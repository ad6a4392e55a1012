// SPDX-License-Identifier: MIT
/*
 * Training runs of every kind that the trainer knows, small, for tests of what they leave and how they go on.
 */
#ifndef TEST_SUPPORT_RUNS_H
#define TEST_SUPPORT_RUNS_H

#include <stdbool.h>
#include <stddef.h>

#include "backprop/trainer.h"
#include "support/bench.h"
#include "support/bytes.h"

/** What a run is made of: the bench's network and optimizer, data, settings. */
struct run_kind {
    const char *name;
    struct bench_kind network;
    bp_optimizer_config rule;
    bp_train_config config;
    size_t rows;      /**< default 0: 18 */
    bool labels;      /**< in place of values */
    bool weights;     /**< of the samples */
    bool by_row;      /**< data that a function reads */
    bool own_rows;    /**< validation on a dataset of its own */
    bool custom_loss; /**< "half squares" */
    bool named;       /**< inputs, classes and a note, in UTF-8 */
};

/** Some of every kind: optimizers with their variants, schedules, and what else goes on from step to step. */
extern const struct run_kind run_kinds[];
extern const size_t n_run_kinds;

/** A run of such a kind. Not to be moved. */
struct run {
    struct bench bench;
    bp_dataset watched;
    bp_loss_function loss;
    bp_trainer trainer;
};

/** Makes all of it but the trainer; then the trainer, with these settings in place of the kind's where they are not NULL. */
void run_prepare(struct run *run, const struct run_kind *kind);
bp_status run_make(struct run *run, const struct run_kind *kind, const bp_train_config *config);

/** Both, which must succeed. */
void run_start(struct run *run, const struct run_kind *kind);
void run_free(struct run *run);

/** Trains so many steps; 0: to the end. */
void run_on(struct run *run, uint64_t steps);

/** All bits that a run has come to: network, optimizer, report, progress; pointers, and times of course, are not among them. */
struct test_bytes run_outcome(const struct run *run);

/** The bytes of its checkpoint. */
struct test_bytes run_saved(const struct run *run);

/** Fails the test unless BP_OK. */
void run_check(bp_status status);

/** Computes the checksum of a file of ours anew, by zlib's definition; whether there is one. */
bool run_mend(struct test_bytes *file);

#endif
