// SPDX-License-Identifier: MIT
/*
 * The training run whose checkpoints are fuzzed: the seeds come from it, and it is what they are restored into.
 */
#ifndef TEST_FUZZ_FUZZ_RUN_H
#define TEST_FUZZ_FUZZ_RUN_H

#include "fuzz.h"

struct fuzz_run {
    bp_network net;
    bp_optimizer opt;
    bp_trainer trainer;
};

/** A run at its beginning; its addresses must not change. */
static inline void fuzz_run_init(struct fuzz_run *run)
{
    static const bp_layer_config layers[] = {
        { .n_out = 3, .activation = BP_TANH, .normalization = BP_BATCH_NORMALIZATION, .dropout = (bp_real)0.25 },
        { .n_out = 1 },
    };
    static const bp_real X[8][2] = { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 }, { 2, 0 }, { 0, 2 }, { 2, 1 }, { 1, 2 } };
    static const bp_real T[8] = { 0, 1, 1, 0, 0, 0, 1, 1 };
    const bp_dataset data = { .rows = 8, .n_in = 2, .n_out = 1, .X = { .data = X }, .T = { .data = T } };
    require(bp_network_init(&run->net, &(bp_network_config){ .n_in = 2, .n_layers = 2, .layers = layers }) == BP_OK);
    require(bp_optimizer_init(&run->opt, &(bp_optimizer_config){ .kind = BP_ADAM }, &run->net.parameters) == BP_OK);
    require(bp_trainer_init(&run->trainer, &run->net, &run->opt, &data,
                            &(bp_train_config){
                                .epochs = 4, .batch = 2, .validation_fraction = (bp_real)0.25, .patience = 3 }) == BP_OK);
}

static inline void fuzz_run_free(struct fuzz_run *run)
{
    bp_trainer_free(&run->trainer);
    bp_optimizer_free(&run->opt);
    bp_network_free(&run->net);
}

#endif
