// SPDX-License-Identifier: MIT
/*
 * 3. Fashion-MNIST: 70000 pictures of clothes, 28 x 28 grey levels, ten classes.
 *
 *   03_fashion_mnist [--data DIRECTORY] [--epochs N] [--seed S] [--seeds N] [--require ACCURACY]
 *
 * Trains 784-100-10 (relu, softmax, cross-entropy) by Adam on the IDX files in DIRECTORY, by default where Debian's package
 * dataset-fashion-mnist has them, and prints the accuracy on the test set with the confusion matrix. --seeds N repeats it
 * with N seeds from S on; with --require it fails if their mean accuracy is below ACCURACY.
 *
 * The pictures stay bytes: a view converts and scales the rows of a batch as they are gathered.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <backprop.h>

enum { CLASSES = 10, HIDDEN = 100, BATCH = 128, TEST_BATCH = 500 };

static const char *const class_names[CLASSES] = { "t-shirt", "trouser", "pullover", "dress", "coat",
                                                  "sandal",  "shirt",   "sneaker",  "bag",   "boot" };

struct options {
    const char *directory;
    size_t epochs;
    unsigned long seed, seeds;
    double required;
};

/* ---- Data ------------------------------------------------------------------------------------------------------------ */

struct pictures {
    bp_idx images, labels;
    bp_dataset data;
};

static bp_status read_file(bp_idx *idx, const char *directory, const char *name)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return bp_idx_read(idx, path, NULL);
}

static bp_status read_pictures(struct pictures *pictures, const char *directory, const char *images, const char *labels)
{
    bp_status status = read_file(&pictures->images, directory, images);
    if (status == BP_OK)
        status = read_file(&pictures->labels, directory, labels);
    pictures->data = (bp_dataset){
        .rows = pictures->images.dims[0],
        .n_in = pictures->images.row_size,
        .n_out = CLASSES,
        .X = { .data = pictures->images.data, .element = pictures->images.element, .scale = (bp_real)(1.0 / 255) },
        .labels = { .data = pictures->labels.data, .element = pictures->labels.element },
    };
    if (status == BP_OK && pictures->images.dims[0] != pictures->labels.dims[0]) {
        (void)fprintf(stderr, "%s has %zu pictures, %s %zu labels\n", images, pictures->images.dims[0], labels,
                      pictures->labels.dims[0]);
        return BP_ERR_SHAPE;
    }
    return status == BP_OK ? bp_dataset_check(&pictures->data, NULL) : status;
}

static void free_pictures(struct pictures *pictures)
{
    bp_idx_free(&pictures->images);
    bp_idx_free(&pictures->labels);
}

/* Labels are known to be classes: read_pictures() has had them checked. */
static size_t label_of(const struct pictures *pictures, size_t row)
{
    return ((const unsigned char *)pictures->labels.data)[row];
}

/* ---- Progress -------------------------------------------------------------------------------------------------------- */

static double seconds_now(void)
{
    struct timespec now;
    (void)timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

struct progress_line {
    double started, shown;
};

static void show(const bp_progress *at, double elapsed)
{
    const double done = (double)(at->epoch - 1) * (double)at->rows + (double)at->rows_done;
    const double all = (double)at->epochs * (double)at->rows, rate = done / elapsed;
    (void)fprintf(stderr, "\repoch %2zu/%zu  %3.0f %%  %7.0f samples/s  loss %.4f  %4.0f s left ", at->epoch, at->epochs,
                  100 * (double)at->rows_done / (double)at->rows, rate, (double)at->epoch_loss, (all - done) / rate);
}

/* Some times a second, and at the end of each epoch, which gets a line of its own. */
static bp_signal on_step(const bp_progress *at, void *user)
{
    struct progress_line *line = user;
    const double now = seconds_now();
    if (now - line->shown > 0.2 || at->step == at->steps) {
        line->shown = now;
        show(at, now - line->started);
        if (at->step == at->steps)
            (void)fputc('\n', stderr);
    }
    return BP_CONTINUE;
}

/* ---- Training and testing -------------------------------------------------------------------------------------------- */

static bp_status train(bp_network *net, const bp_dataset *data, const struct options *options, unsigned long seed)
{
    struct progress_line line = { .started = seconds_now() };
    bp_optimizer adam = { 0 };
    /* A rate that falls at the half and at three quarters of the way would do a little better; one rate is simpler. */
    bp_status status = bp_optimizer_init(&adam, &(bp_optimizer_config){ .kind = BP_ADAM }, &net->parameters);
    if (status == BP_OK)
        status = bp_train(net, &adam, data,
                          &(bp_train_config){ .epochs = options->epochs,
                                              .batch = BATCH,
                                              .loss = { .kind = BP_CROSS_ENTROPY },
                                              .seed = seed,
                                              .on_step = on_step,
                                              .user = &line },
                          NULL);
    bp_optimizer_free(&adam);
    return status;
}

static size_t most_likely(const bp_real *y)
{
    size_t best = 0;
    for (size_t k = 1; k < CLASSES; k++)
        best = y[k] > y[best] ? k : best;
    return best;
}

struct results {
    unsigned confusion[CLASSES][CLASSES]; /* [true class][predicted class] */
    double accuracy;
};

static bp_status test_batch(const bp_network *net, bp_workspace *ws, const struct pictures *test, size_t first, size_t n,
                            bp_real *X, struct results *results)
{
    static bp_real Y[TEST_BATCH * CLASSES];
    bp_status status = bp_dataset_inputs(&test->data, NULL, first, n, X);
    if (status == BP_OK)
        status = bp_predict(net, ws, X, n, Y);
    for (size_t i = 0; status == BP_OK && i < n; i++)
        results->confusion[label_of(test, first + i)][most_likely(Y + i * CLASSES)]++;
    return status;
}

static bp_status test_network(const bp_network *net, const struct pictures *test, struct results *results)
{
    *results = (struct results){ 0 };
    bp_workspace ws = { 0 };
    bp_real *X = malloc(TEST_BATCH * test->data.n_in * sizeof *X);
    bp_status status = X != NULL ? bp_workspace_init(&ws, net, TEST_BATCH, BP_INFERENCE) : BP_ERR_MEMORY;
    for (size_t first = 0; status == BP_OK && first < test->data.rows; first += TEST_BATCH) {
        const size_t left = test->data.rows - first;
        status = test_batch(net, &ws, test, first, left < TEST_BATCH ? left : TEST_BATCH, X, results);
    }
    free(X);
    bp_workspace_free(&ws);

    unsigned n_right = 0;
    for (size_t k = 0; k < CLASSES; k++)
        n_right += results->confusion[k][k];
    results->accuracy = (double)n_right / (double)test->data.rows;
    return status;
}

static void print_results(const struct results *results, unsigned long seed)
{
    printf("\nrows: what it is; columns: what the network says\n%9s", "");
    for (size_t k = 0; k < CLASSES; k++)
        printf(" %8s", class_names[k]);
    printf("\n");
    for (size_t i = 0; i < CLASSES; i++) {
        printf("%9s", class_names[i]);
        for (size_t k = 0; k < CLASSES; k++)
            printf(" %8u", results->confusion[i][k]);
        printf("\n");
    }
    printf("\ntest accuracy %.4f (seed %lu)\n\n", results->accuracy, seed);
}

static bp_status run_seed(const struct pictures *training, const struct pictures *test, const struct options *options,
                          unsigned long seed, double *accuracy)
{
    const bp_layer_config layers[] = { { .n_out = HIDDEN, .activation = BP_RELU },
                                       { .n_out = CLASSES, .activation = BP_SOFTMAX } };
    const bp_network_config config = { .n_in = training->data.n_in, .n_layers = 2, .layers = layers, .seed = seed };
    struct results results;
    bp_network net = { 0 };
    bp_status status = bp_network_init(&net, &config);
    if (status == BP_OK)
        status = bp_network_summary(&net, stdout);
    if (status == BP_OK)
        status = train(&net, &training->data, options, seed);
    if (status == BP_OK)
        status = test_network(&net, test, &results);
    if (status == BP_OK) {
        print_results(&results, seed);
        *accuracy = results.accuracy;
    }
    bp_network_free(&net);
    return status;
}

static bp_status run_seeds(const struct pictures *training, const struct pictures *test, const struct options *options,
                           double *mean)
{
    double sum = 0;
    for (unsigned long i = 0; i < options->seeds; i++) {
        double accuracy = 0;
        const bp_status status = run_seed(training, test, options, options->seed + i, &accuracy);
        if (status != BP_OK)
            return status;
        sum += accuracy;
    }
    *mean = sum / (double)options->seeds;
    return BP_OK;
}

/* ---- Options --------------------------------------------------------------------------------------------------------- */

static bool read_options(struct options *options, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--data") == 0)
            options->directory = argv[i + 1];
        else if (strcmp(argv[i], "--epochs") == 0)
            options->epochs = strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            options->seed = strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seeds") == 0)
            options->seeds = strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--require") == 0)
            options->required = strtod(argv[i + 1], NULL);
        else
            return false;
    }
    return argc % 2 == 1 && options->epochs > 0 && options->seeds > 0;
}

int main(int argc, char **argv)
{
    struct options options = { .directory = "/usr/share/datasets/fashion-mnist", .epochs = 15, .seed = 1, .seeds = 1 };
    if (!read_options(&options, argc, argv)) {
        (void)fprintf(stderr, "usage: %s [--data DIRECTORY] [--epochs N] [--seed S] [--seeds N] [--require ACCURACY]\n",
                      argv[0]);
        return EXIT_FAILURE;
    }

    double mean = 0;
    struct pictures training = { 0 }, test = { 0 };
    bp_status status =
        read_pictures(&training, options.directory, "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz");
    if (status == BP_OK)
        status = read_pictures(&test, options.directory, "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz");
    if (status == BP_OK && (test.data.n_in != training.data.n_in || test.labels.element != BP_U8))
        status = BP_ERR_SHAPE;
    if (status == BP_OK)
        status = run_seeds(&training, &test, &options, &mean);
    if (status != BP_OK)
        (void)fprintf(stderr, "error: %s: %s\n", bp_status_string(status), bp_error_message());
    else if (options.seeds > 1)
        printf("mean test accuracy of %lu seeds: %.4f\n", options.seeds, mean);

    free_pictures(&training);
    free_pictures(&test);
    return status == BP_OK && mean >= options.required ? EXIT_SUCCESS : EXIT_FAILURE;
}
