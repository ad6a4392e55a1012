// SPDX-License-Identifier: MIT
/*
 * Training that has gone on for long: half of the relu units are dead, so the gradients of their weights are 0 and Adam's
 * first moments decay to nothing. Left alone they would stop just above zero, among the denormal numbers, with which a
 * processor calculates many times slower. Compiled for both number types.
 */
#include <string.h>

#include <backprop.h>

#include "bench.h"
#include "must.h"
#include "precision_row.h"

enum { N_IN = 64, HIDDEN = 128, OUTPUTS = 10, BATCH = 32, ROWS = 32, STEPS = 10000 };

/* A loop of one's own, for units cannot be killed in the middle of a trainer's run. */
struct loop {
    bp_network net;
    bp_workspace ws;
    bp_optimizer adam;
    bp_real *grad;
};

/* What steps change of a loop: it can be put back. */
struct snapshot {
    bp_real *params, *state;
    bp_optimizer adam; /* for its count of steps and its scalars; owns nothing */
};

struct pair {
    struct loop fresh, aged;
    struct snapshot at_first; /* of the fresh one */
    bp_real X[ROWS * N_IN];
    int32_t labels[ROWS];
};

static struct pair *the_pair; /* whose data both loops read */

static void step(struct loop *loop)
{
    const bp_loss loss = { .kind = BP_CROSS_ENTROPY };
    const bp_targets T = { .labels = the_pair->labels };
    bp_real L;
    must(bp_network_forward(&loop->net, &loop->ws, the_pair->X, BATCH));
    must(bp_network_loss(&loop->net, &loop->ws, &loss, &T, &L));
    must(bp_network_backward(&loop->net, &loop->ws, NULL, loop->grad, NULL, BP_OVERWRITE));
    must(bp_optimizer_step(&loop->adam, &loop->net.parameters, loop->grad, L));
}

static void run_loop(void *state, size_t rounds)
{
    for (size_t round = 0; round < rounds; round++)
        step(state);
}

/* A rate so small that time alone tells the two loops apart, not what they have learned. */
static void make_loop(struct loop *loop)
{
    const bp_layer_config layers[] = { { .n_out = HIDDEN, .activation = BP_RELU },
                                       { .n_out = HIDDEN, .activation = BP_RELU },
                                       { .n_out = OUTPUTS, .activation = BP_SOFTMAX } };
    must(bp_network_init(&loop->net, &(bp_network_config){ .n_in = N_IN, .n_layers = 3, .layers = layers }));
    must(bp_workspace_init(&loop->ws, &loop->net, BATCH, BP_TRAINING));
    must(bp_optimizer_init(&loop->adam, &(bp_optimizer_config){ .kind = BP_ADAM, .learning_rate = (bp_real)1e-6 },
                           &loop->net.parameters));
    loop->grad = must_have(calloc(loop->net.parameters.n_params, sizeof *loop->grad));
}

/* From the next step on half of the units give 0, whatever comes in. */
static void kill_units(struct loop *loop)
{
    for (size_t l = 0; l < 2; l++)
        for (size_t j = 0; j < HIDDEN; j += 2)
            loop->net.layers[l].b[j] = (bp_real)-1e6;
}

static bp_real *copy_of(const bp_real *numbers, size_t n)
{
    bp_real *copy = must_have(malloc(n * sizeof *copy));
    memcpy(copy, numbers, n * sizeof *copy);
    return copy;
}

static void take_snapshot(const struct loop *loop, struct snapshot *snapshot)
{
    snapshot->params = copy_of(loop->net.parameters.params, loop->net.parameters.n_params);
    snapshot->state = copy_of(loop->adam.state, loop->adam.n_state);
    snapshot->adam = loop->adam;
}

/* Left to run on, the fresh loop would age as well: in single precision moments die after some 800 steps. */
static void put_back(void *state)
{
    struct loop *loop = state;
    const struct snapshot *at_first = &the_pair->at_first;
    memcpy(loop->net.parameters.params, at_first->params, loop->net.parameters.n_params * sizeof *at_first->params);
    memcpy(loop->adam.state, at_first->state, loop->adam.n_state * sizeof *at_first->state);
    loop->adam = at_first->adam;
}

static double share_of_zeros(const bp_optimizer *opt)
{
    size_t n_zeros = 0;
    for (size_t i = 0; i < opt->n_state; i++)
        n_zeros += opt->state[i] == 0;
    return (double)n_zeros / (double)opt->n_state;
}

void aging_make(struct aging *aging)
{
    struct pair *pair = the_pair = must_have(calloc(1, sizeof *pair));
    for (size_t i = 0; i < ROWS * N_IN; i++)
        pair->X[i] = (bp_real)((double)(i * 7919 % 1009) / 1009 - 0.5);
    for (size_t i = 0; i < ROWS; i++)
        pair->labels[i] = (int32_t)(i % OUTPUTS);
    struct loop *const loops[] = { &pair->fresh, &pair->aged };
    for (size_t i = 0; i < 2; i++) {
        make_loop(loops[i]);
        run_loop(loops[i], 10); /* alive: the moments of all weights are something */
        kill_units(loops[i]);
    }
    take_snapshot(&pair->fresh, &pair->at_first);
    run_loop(&pair->aged, STEPS);
    *aging = (struct aging){ .fresh = { .run = run_loop, .state = &pair->fresh, .prepare = put_back },
                             .aged = { .run = run_loop, .state = &pair->aged },
                             .share_of_zeros = share_of_zeros(&pair->aged.adam),
                             .memory = pair };
}

static void free_loop(struct loop *loop)
{
    bp_optimizer_free(&loop->adam);
    bp_workspace_free(&loop->ws);
    bp_network_free(&loop->net);
    free(loop->grad);
}

void aging_free(struct aging *aging)
{
    struct pair *pair = aging->memory;
    free_loop(&pair->fresh);
    free_loop(&pair->aged);
    free(pair->at_first.params);
    free(pair->at_first.state);
    free(pair);
    *aging = (struct aging){ 0 };
}
