// SPDX-License-Identifier: MIT
/*
 * Time to result on Fashion-MNIST: how long until a held-out accuracy is reached. result.py does the same with others; the
 * settings of both must stay the same. Compiled for both number types.
 *
 * 784-100-10, relu and softmax, Adam 0.001, batches of 128 in a new order each epoch, initial values Glorot uniform, biases
 * too, inputs standardised column by column, the last tenth of the rows held out.
 */
#include <math.h>
#include <string.h>

#include <backprop.h>

#include "bench.h"
#include "measure.h"
#include "must.h"
#include "precision_row.h"

enum { CLASSES = 10, HIDDEN = 100, BATCH = 128, MOST_EPOCHS = 30 };

struct result_data {
    bp_idx labels;
    bp_real *X;
    bp_dataset train, held_out;
};

/* ---- Data ------------------------------------------------------------------------------------------------------------ */

/* (x - mean) / standard deviation of each column, taken over all rows; columns that never change are 0. */
static void standardise(size_t rows, size_t columns, bp_real *X)
{
    double *mean = must_have(calloc(columns, sizeof *mean)), *squares = must_have(calloc(columns, sizeof *squares));
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            const double x = (double)X[i * columns + j];
            mean[j] += x / (double)rows;
            squares[j] += x * x / (double)rows;
        }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            const double variance = squares[j] - mean[j] * mean[j];
            const double x = (double)X[i * columns + j];
            X[i * columns + j] = (bp_real)((x - mean[j]) / (variance > 0 ? sqrt(variance) : 1));
        }
    free(mean);
    free(squares);
}

static bool read_part(bp_idx *idx, const char *directory, const char *name)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return bp_idx_read(idx, path, NULL) == BP_OK;
}

static bp_dataset rows_from(const struct result_data *data, size_t first, size_t rows, size_t n_in)
{
    const unsigned char *labels = data->labels.data;
    return (bp_dataset){ .rows = rows,
                         .n_in = n_in,
                         .n_out = CLASSES,
                         .X = { .data = data->X + first * n_in },
                         .labels = { .data = labels + first, .element = BP_U8 } };
}

struct result_data *result_load(const char *directory)
{
    struct result_data *data = must_have(calloc(1, sizeof *data));
    bp_idx images = { 0 };
    if (!read_part(&images, directory, "train-images-idx3-ubyte.gz") ||
        !read_part(&data->labels, directory, "train-labels-idx1-ubyte.gz")) {
        bp_idx_free(&images);
        result_free(data);
        return NULL;
    }
    const size_t rows = images.dims[0], n_in = images.row_size, n_held_out = rows / 10;
    const unsigned char *pixels = images.data;
    data->X = must_have(malloc(rows * n_in * sizeof *data->X));
    for (size_t i = 0; i < rows * n_in; i++)
        data->X[i] = (bp_real)pixels[i];
    standardise(rows, n_in, data->X);
    data->train = rows_from(data, 0, rows - n_held_out, n_in);
    data->held_out = rows_from(data, rows - n_held_out, n_held_out, n_in);
    bp_idx_free(&images);
    return data;
}

void result_free(struct result_data *data)
{
    if (data == NULL)
        return;
    bp_idx_free(&data->labels);
    free(data->X);
    free(data);
}

/* ---- A run ----------------------------------------------------------------------------------------------------------- */

struct watch {
    double wanted;
    struct result_run *run;
};

static bp_signal look(const bp_progress *at, void *user)
{
    const struct watch *watch = user;
    watch->run->epochs = at->epoch;
    watch->run->accuracy = at->validation->accuracy;
    watch->run->reached = at->validation->accuracy >= watch->wanted;
    return watch->run->reached ? BP_STOP : BP_CONTINUE;
}

void result_measure(const struct result_data *data, int threads, unsigned seed, double wanted, struct result_run *run)
{
    const bp_init glorot = { .kind = BP_INIT_GLOROT_UNIFORM };
    const bp_layer_config layers[] = {
        { .n_out = HIDDEN, .activation = BP_RELU, .weights = glorot, .biases = glorot },
        { .n_out = CLASSES, .activation = BP_SOFTMAX, .weights = glorot, .biases = glorot },
    };
    *run = (struct result_run){ 0 };
    struct watch watch = { wanted, run };
    bp_network net;
    bp_optimizer adam;
    bp_threads pool = { 0 };
    const double started = seconds_now();
    if (threads > 1) /* users wait for its start, too */
        must(bp_threads_init(&pool, &(bp_threads_config){ .n = (size_t)threads }));
    must(bp_network_init(&net,
                         &(bp_network_config){ .n_in = data->train.n_in, .n_layers = 2, .layers = layers, .seed = seed }));
    must(bp_optimizer_init(&adam, &(bp_optimizer_config){ .kind = BP_ADAM }, &net.parameters));
    must(bp_train(&net, &adam, &data->train,
                  &(bp_train_config){ .epochs = MOST_EPOCHS,
                                      .batch = BATCH,
                                      .loss = { .kind = BP_CROSS_ENTROPY },
                                      .seed = seed,
                                      .threads = pool.n > 0 ? &pool : NULL,
                                      .validation = &data->held_out,
                                      .on_epoch = look,
                                      .user = &watch },
                  NULL));
    run->seconds = seconds_now() - started;
    bp_optimizer_free(&adam);
    bp_network_free(&net);
    bp_threads_free(&pool);
}
