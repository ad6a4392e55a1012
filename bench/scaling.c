// SPDX-License-Identifier: MIT
/*
 * A point of the scaling table: time of a step, and memory by an allocator that counts. Compiled for both number types.
 */
#include <string.h>

#include <backprop.h>

#include "bench.h"
#include "measure.h"
#include "must.h"
#include "precision_row.h"

enum { OUTPUTS = 10, ROWS = 4096, MOST_LAYERS = 64, CHUNKS = 5 };

/* ---- Counting -------------------------------------------------------------------------------------------------------- */

/* The size stands in front of each block, in room that keeps it aligned. */
enum { ROOM = 64 };

static void *counting_alloc(size_t size, void *user)
{
    char *block = malloc(size + ROOM);
    if (block == NULL)
        return NULL;
    memcpy(block, &size, sizeof size);
    *(size_t *)user += size;
    return block + ROOM;
}

static void counting_release(void *memory, void *user)
{
    char *block = (char *)memory - ROOM;
    size_t size;
    memcpy(&size, block, sizeof size);
    *(size_t *)user -= size;
    free(block);
}

/* Bytes since the last call. */
static size_t taken(size_t now, size_t *before)
{
    const size_t difference = now - *before;
    *before = now;
    return difference;
}

/* ---- A point --------------------------------------------------------------------------------------------------------- */

struct run {
    bp_network net;
    bp_optimizer adam;
    bp_trainer trainer;
    bp_dataset data;
};

static void run_steps(void *state, size_t rounds)
{
    struct run *run = state;
    must(bp_trainer_run(&run->trainer, &(bp_run_limit){ .steps = rounds }));
}

static void make_network(struct run *run, const struct scaling_point *point, const bp_allocator *allocator)
{
    bp_layer_config layers[MOST_LAYERS + 1] = { { 0 } };
    for (size_t l = 0; l < point->depth; l++)
        layers[l] = (bp_layer_config){ .n_out = point->width, .activation = BP_RELU };
    layers[point->depth] = (bp_layer_config){ .n_out = OUTPUTS, .activation = BP_SOFTMAX };
    must(bp_network_init(
        &run->net, &(bp_network_config){
                       .n_in = point->width, .n_layers = point->depth + 1, .layers = layers, .allocator = allocator }));
}

static void measure_workspace(const struct run *run, struct scaling_point *point, const size_t *bytes, size_t *before)
{
    bp_workspace ws;
    must(bp_workspace_init(&ws, &run->net, point->batch, BP_TRAINING));
    point->workspace = taken(*bytes, before);
    bp_workspace_free(&ws);
    *before = *bytes;
}

void scaling_measure(struct scaling_point *point)
{
    size_t bytes = 0, before = 0;
    const bp_allocator allocator = { counting_alloc, counting_release, &bytes };
    struct run run = { .data = { .rows = ROWS, .n_in = point->width, .n_out = OUTPUTS } };
    bp_real *X = must_have(malloc(ROWS * point->width * sizeof *X));
    int32_t *labels = must_have(malloc(ROWS * sizeof *labels));
    for (size_t i = 0; i < ROWS * point->width; i++)
        X[i] = (bp_real)((double)(i * 7919 % 1009) / 1009 - 0.5);
    for (size_t i = 0; i < ROWS; i++)
        labels[i] = (int32_t)(i * 31 % OUTPUTS);
    run.data.X.data = X;
    run.data.labels = (bp_view){ .data = labels, .element = BP_I32 };

    make_network(&run, point, &allocator);
    point->n_params = run.net.parameters.n_params;
    point->network = taken(bytes, &before);
    measure_workspace(&run, point, &bytes, &before);
    must(bp_optimizer_init(&run.adam, &(bp_optimizer_config){ .kind = BP_ADAM, .allocator = &allocator },
                           &run.net.parameters));
    point->optimizer = taken(bytes, &before);
    must(bp_trainer_init(
        &run.trainer, &run.net, &run.adam, &run.data,
        &(bp_train_config){ .epochs = 1 << 12, .batch = point->batch, .loss = { .kind = BP_CROSS_ENTROPY } }));
    point->trainer = taken(bytes, &before);

    const struct subject steps = { .run = run_steps, .state = &run };
    point->ns = 1e9 * measure_alone(&steps, CHUNKS);
    bp_trainer_free(&run.trainer);
    bp_optimizer_free(&run.adam);
    bp_network_free(&run.net);
    free(X);
    free(labels);
}
