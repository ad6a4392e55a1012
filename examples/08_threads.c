// SPDX-License-Identifier: MIT
/*
 * A pool of threads: made once, handed to whatever may use it. Trains the same network without a pool, with one thread, two and
 * four, and tells how long it took and what came out: the same bits for every pool.
 *
 *   OPENBLAS_NUM_THREADS=1 08_threads
 *
 * The variable keeps OpenBLAS from using threads of its own where there is no pool, so that times can be compared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <backprop.h>

enum { ROWS = 4096, N_IN = 256, N_CLASSES = 10 };

static bp_real X[ROWS * N_IN];
static int32_t labels[ROWS];

/* Ten random directions, and for each row the one that it points to most. */
static void make_data(void)
{
    static double directions[N_CLASSES][N_IN];
    bp_rng rng;
    bp_rng_init(&rng, 1);
    for (size_t k = 0; k < N_CLASSES; k++)
        for (size_t j = 0; j < N_IN; j++)
            directions[k][j] = bp_rng_normal(&rng);
    for (size_t i = 0; i < ROWS; i++) {
        double best = -1e300;
        for (size_t j = 0; j < N_IN; j++)
            X[i * N_IN + j] = (bp_real)bp_rng_normal(&rng);
        for (size_t k = 0; k < N_CLASSES; k++) {
            double product = 0;
            for (size_t j = 0; j < N_IN; j++)
                product += directions[k][j] * (double)X[i * N_IN + j];
            if (product > best) {
                best = product;
                labels[i] = (int32_t)k;
            }
        }
    }
}

/* FNV-1a over the bytes of the parameters: equal bits, equal hashes. */
static unsigned long long hash_of(const bp_parameters *parameters)
{
    const unsigned char *bytes = (const unsigned char *)parameters->params;
    unsigned long long hash = 14695981039346656037ULL;
    for (size_t i = 0; i < parameters->n_params * sizeof(bp_real); i++)
        hash = (hash ^ bytes[i]) * 1099511628211ULL;
    return hash;
}

static double seconds(void)
{
    struct timespec now;
    (void)timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Trains a network with the pool, or without one (NULL). */
static bp_status train(const bp_threads *threads, const char *name, unsigned long long *hash)
{
    const bp_layer_config layers[] = { { .n_out = 512, .activation = BP_RELU },
                                       { .n_out = 512, .activation = BP_RELU },
                                       { .n_out = N_CLASSES, .activation = BP_SOFTMAX } };
    const bp_network_config config = { .n_in = N_IN, .n_layers = 3, .layers = layers, .seed = 1 };
    const bp_dataset data = {
        .rows = ROWS, .n_in = N_IN, .n_out = N_CLASSES, .X = { .data = X }, .labels = { .data = labels, .element = BP_I32 }
    };
    const bp_train_config how = {
        .epochs = 5, .batch = 128, .loss = { .kind = BP_CROSS_ENTROPY }, .seed = 1, .threads = threads
    };
    bp_network net = { 0 };
    bp_optimizer adam = { 0 };
    bp_train_report report = { 0 };
    bp_status status = bp_network_init(&net, &config);
    if (status == BP_OK)
        status = bp_optimizer_init(&adam, &(bp_optimizer_config){ .kind = BP_ADAM }, &net.parameters);
    const double begin = seconds();
    if (status == BP_OK)
        status = bp_train(&net, &adam, &data, &how, &report);
    if (status == BP_OK) {
        *hash = hash_of(&net.parameters);
        printf("%-12s %6.2f s   loss %.15g   parameters %016llx\n", name, seconds() - begin, (double)report.loss, *hash);
    }
    bp_train_report_free(&report);
    bp_optimizer_free(&adam);
    bp_network_free(&net);
    return status;
}

int main(void)
{
    static const size_t sizes[] = { 1, 2, 4 };
    unsigned long long hash, first = 0;
    make_data();
    bp_status status = train(NULL, "no pool", &hash);
    for (size_t i = 0; status == BP_OK && i < 3; i++) {
        char name[32];
        bp_threads threads;
        (void)snprintf(name, sizeof name, "a pool of %zu", sizes[i]);
        status = bp_threads_init(&threads, &(bp_threads_config){ .n = sizes[i] });
        if (status == BP_OK)
            status = train(&threads, name, &hash);
        bp_threads_free(&threads);
        if (i == 0)
            first = hash;
        if (status == BP_OK && hash != first) {
            printf("these are other bits\n");
            return EXIT_FAILURE;
        }
    }
    if (status != BP_OK)
        fprintf(stderr, "08_threads: %s\n", bp_error_message());
    else
        printf("the same bits, however many threads\n");
    return status == BP_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
