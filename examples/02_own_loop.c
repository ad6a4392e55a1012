// SPDX-License-Identifier: MIT
/*
 * 2. A training loop of one's own: forward, loss, backward, step.
 *
 * The same network, data and rule as in 01_xor.c, but every step is ours: look at anything between the calls, change the
 * learning rate, mix losses, stop when you like.
 */
#include <stdio.h>
#include <stdlib.h>

#include <backprop.h>

enum { EPOCHS = 10000, ROWS = 4 };

static const bp_real X[ROWS][2] = { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 } };
static const bp_real T[ROWS][1] = { { 0 }, { 1 }, { 1 }, { 0 } };

/* Everything a loop needs; zeroed, each part may be freed whether it was made or not. */
struct loop {
    bp_network net;
    bp_workspace ws;
    bp_optimizer sgd;
    bp_real grad[9]; /* 2 x 2 + 2 parameters in the hidden layer, 1 x 2 + 1 in the output layer */
};

static bp_status make(struct loop *loop)
{
    const bp_init uniform = { .kind = BP_INIT_UNIFORM, .a = 0, .b = 1 };
    const bp_layer_config layers[] = {
        { .n_out = 2, .activation = BP_SIGMOID, .weights = uniform, .biases = uniform },
        { .n_out = 1, .activation = BP_SIGMOID, .weights = uniform, .biases = uniform },
    };
    const bp_network_config network = { .n_in = 2, .n_layers = 2, .layers = layers, .seed = 1 };
    const bp_optimizer_config rule = { .learning_rate = (bp_real)0.1 };

    bp_status status = bp_network_init(&loop->net, &network);
    if (status == BP_OK)
        status = bp_workspace_init(&loop->ws, &loop->net, ROWS, BP_TRAINING);
    if (status == BP_OK)
        status = bp_optimizer_init(&loop->sgd, &rule, &loop->net.parameters);
    return status;
}

static bp_status step(struct loop *loop, bp_real *L)
{
    const bp_loss loss = { .kind = BP_SQUARED_ERROR, .reduction = BP_REDUCE_SUM };
    const bp_targets targets = { .values = &T[0][0] };

    bp_status status = bp_network_forward(&loop->net, &loop->ws, &X[0][0], ROWS);
    if (status == BP_OK)
        status = bp_network_loss(&loop->net, &loop->ws, &loss, &targets, L);
    if (status == BP_OK)
        status = bp_network_backward(&loop->net, &loop->ws, NULL, loop->grad, NULL, BP_OVERWRITE);
    if (status == BP_OK)
        status = bp_optimizer_step(&loop->sgd, &loop->net.parameters, loop->grad, *L);
    return status;
}

static bp_status train(struct loop *loop)
{
    bp_real L = 0;
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        const bp_status status = step(loop, &L);
        if (status != BP_OK)
            return status;
        if (epoch % 1000 == 0)
            printf("epoch %5d   loss %.6f\n", epoch, (double)L);
    }
    return bp_network_forward(&loop->net, &loop->ws, &X[0][0], ROWS); /* outputs of the trained network, in ws.Y */
}

int main(void)
{
    struct loop loop = { 0 };
    bp_status status = make(&loop);
    if (status == BP_OK)
        status = train(&loop);
    if (status != BP_OK)
        (void)fprintf(stderr, "error: %s\n", bp_error_message());
    else
        for (int i = 0; i < ROWS; i++)
            printf("%.0f xor %.0f = %.4f\n", (double)X[i][0], (double)X[i][1], (double)loop.ws.Y[i]);

    bp_optimizer_free(&loop.sgd);
    bp_workspace_free(&loop.ws);
    bp_network_free(&loop.net);
    return status == BP_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
