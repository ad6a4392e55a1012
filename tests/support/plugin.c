// SPDX-License-Identifier: MIT
/*
 * A shared library with libbackprop.a inside, as a plug-in of somebody's program would be: it makes a pool, trains, and gives
 * everything back. No more than one function is to be seen from outside.
 */
#include "backprop.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#if defined(__GNUC__)
#define VISIBLE __attribute__((visibility("default")))
#else
#define VISIBLE
#endif

enum { ROWS = 64, N_IN = 48 };

VISIBLE int plugin_train(size_t n_threads, double *loss);

/* 0, or the status of what went wrong first. Large enough for its products to be cut, and for all threads to work. */
static bp_status train(bp_network *net, bp_optimizer *opt, bp_threads *threads, double *loss)
{
    static bp_real X[ROWS][N_IN], T[ROWS][2];
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < N_IN; j++) {
            X[i][j] = (bp_real)((i * 7 + j * 3) % 11) / 11;
            T[i][j % 2] = X[i][j];
        }
    const bp_layer_config layers[] = { { .n_out = 512, .activation = BP_TANH }, { .n_out = 2 } };
    const bp_network_config config = { .n_in = N_IN, .n_layers = COUNT(layers), .layers = layers, .seed = 3 };
    const bp_dataset data = { .rows = ROWS, .n_in = N_IN, .n_out = 2, .X = { .data = X }, .T = { .data = T } };
    bp_train_report report = { 0 };
    bp_status status = bp_network_init(net, &config);
    if (status == BP_OK)
        status = bp_optimizer_init(opt, &(bp_optimizer_config){ .kind = BP_ADAM }, &net->parameters);
    if (status == BP_OK)
        status = bp_train(net, opt, &data, &(bp_train_config){ .epochs = 5, .batch = 32, .threads = threads }, &report);
    *loss = (double)report.loss;
    bp_train_report_free(&report);
    return status;
}

int plugin_train(size_t n_threads, double *loss)
{
    bp_threads threads;
    bp_network net = { 0 };
    bp_optimizer opt = { 0 };
    bp_status status = bp_threads_init(&threads, &(bp_threads_config){ .n = n_threads });
    if (status == BP_OK)
        status = train(&net, &opt, &threads, loss);
    bp_optimizer_free(&opt);
    bp_network_free(&net);
    bp_threads_free(&threads);
    return (int)status;
}
