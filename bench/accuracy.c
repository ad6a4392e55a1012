// SPDX-License-Identifier: MIT
/*
 * What the library learns, beside what others have published: one row a result, the mean of several seeds.
 *
 *   accuracy [--data DIRECTORY] [--only TEXT] [--seeds N]
 *
 * DIRECTORY has digits.csv.gz (scikit-learn), the .train and .test files of FANN's data sets in fann/, and the IDX files of
 * MNIST in mnist/ and of Fashion-MNIST in fashion/, gzipped or not; `./run accuracy` fetches them. What is not there is
 * skipped, and said. --only runs the rows whose name contains TEXT. It exits with a failure if a figure is missed.
 *
 * Settings were chosen on training and validation rows alone: most networks train on some of the training rows, keep the
 * epoch that was best on the others, and look at the test rows once, at the end. Digits and Nielsen's network follow the
 * published protocol, which has no validation rows.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <backprop.h>

enum { MOST_HIDDEN = 3, MOST_SEEDS = 10 };

/* ---- Data sets ------------------------------------------------------------------------------------------------------- */

enum set_name { DIGITS, MNIST, MNIST_50000, FASHION, THYROID, MUSHROOM, GENE, DIABETES, N_SETS };

struct set {
    bool is_loaded, is_missing, is_damaged; /* damaged: there, but not to be read */
    bp_dataset train, validation, test;     /* validation.rows 0: split off the training rows */
    bp_idx images[2], labels[2];
    bp_csv csv;
    bp_fann_data fann[2];
};

static bp_dataset pictures(const bp_idx *images, const bp_idx *labels)
{
    return (bp_dataset){ .rows = images->dims[0],
                         .n_in = images->row_size,
                         .n_out = 10,
                         .X = { .data = images->data, .element = images->element, .scale = (bp_real)(1.0 / 255) },
                         .labels = { .data = labels->data, .element = labels->element } };
}

static bp_status read_idx_file(bp_idx *idx, const char *directory, const char *name, const char *ending)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s%s", directory, name, ending) >= (int)sizeof path)
        return BP_ERR_ARGUMENT;
    return bp_idx_read(idx, path, NULL);
}

static bp_status read_idx(bp_idx *idx, const char *directory, const char *name)
{
    const bp_status status = read_idx_file(idx, directory, name, "");
    return status == BP_ERR_IO ? read_idx_file(idx, directory, name, ".gz") : status;
}

static bp_status read_pictures(struct set *set, const char *directory)
{
    static const char *const parts[2] = { "train", "t10k" };
    for (int i = 0; i < 2; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s-images-idx3-ubyte", parts[i]);
        bp_status status = read_idx(&set->images[i], directory, name);
        (void)snprintf(name, sizeof name, "%s-labels-idx1-ubyte", parts[i]);
        if (status == BP_OK)
            status = read_idx(&set->labels[i], directory, name);
        if (status != BP_OK)
            return status;
    }
    set->train = pictures(&set->images[0], &set->labels[0]);
    set->test = pictures(&set->images[1], &set->labels[1]);
    return BP_OK;
}

/* Rows first .. first + n - 1 of packed data. */
static bp_dataset part(const bp_dataset *data, size_t first, size_t n)
{
    bp_dataset rows = *data;
    rows.rows = n;
    rows.X.data = (const bp_real *)data->X.data + first * data->n_in;
    rows.T.data = (const bp_real *)data->T.data + first * data->n_out;
    return rows;
}

static bp_status read_fann(struct set *set, const char *directory, const char *name)
{
    for (int i = 0; i < 2; i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/fann/%s.%s", directory, name, i == 0 ? "train" : "test");
        const bp_status status = bp_fann_data_read(&set->fann[i], path, NULL);
        if (status != BP_OK)
            return status;
    }
    set->train = set->fann[0].data;
    set->test = set->fann[1].data;
    return BP_OK;
}

static bp_status read_set(struct set *set, enum set_name name, const char *directory)
{
    static const char *const fann_names[N_SETS] = {
        [THYROID] = "thyroid", [MUSHROOM] = "mushroom", [GENE] = "gene", [DIABETES] = "diabetes"
    };
    char path[4096];
    if (fann_names[name] != NULL)
        return read_fann(set, directory, fann_names[name]);
    if (name == DIGITS) {
        (void)snprintf(path, sizeof path, "%s/digits.csv.gz", directory);
        const bp_status status = bp_csv_read(&set->csv, path, &(bp_csv_config){ .no_header = true, .classes = true });
        set->train = set->csv.data;
        return status;
    }
    (void)snprintf(path, sizeof path, "%s/%s", directory, name == FASHION ? "fashion" : "mnist");
    return read_pictures(set, path);
}

static const struct set *load(enum set_name name, const char *directory)
{
    static struct set sets[N_SETS];
    struct set *set = &sets[name];
    if (set->is_loaded || set->is_missing)
        return set;
    const bp_status status = read_set(set, name, directory);
    set->is_loaded = status == BP_OK;
    set->is_missing = !set->is_loaded;
    set->is_damaged = !set->is_loaded && status != BP_ERR_IO;
    if (set->is_missing)
        printf("| %s: %s |\n", set->is_damaged ? "failed" : "skipped", bp_error_message());
    if (set->is_loaded && name == MNIST_50000)
        set->train.rows = 50000;
    if (set->is_loaded && name == THYROID) { /* the published protocol: half of the .test file is for validation */
        const bp_dataset all = set->test;
        set->validation = part(&all, 0, all.rows / 2);
        set->test = part(&all, all.rows / 2, all.rows - all.rows / 2);
    }
    return set;
}

/* ---- Experiments ----------------------------------------------------------------------------------------------------- */

/* What is measured, in the unit of the published figure. */
enum measure { TRAINING_LOSS, TEST_ACCURACY, TEST_ERROR_PERCENT, SQUARED_ERROR_PERCENT, ACCURACY_AFTER_1, N_MEASURES };

static const char *const measure_names[N_MEASURES] = { "last training loss", "test accuracy", "test error, %",
                                                       "squared error, %", "test accuracy after 1 epoch" };

struct claim {
    enum measure measure;
    double published, slack; /* slack > 0: published +- slack; 0: at least, or at most for errors */
};

struct experiment {
    const char *name, *source;
    enum set_name set;
    size_t hidden[MOST_HIDDEN];
    bp_activation activation, output;
    bp_loss_kind loss;
    bp_init init, bias_init;
    bp_optimizer_config optimizer;
    bp_schedule_kind schedule; /* constant, or a cosine over the whole run */
    size_t epochs, batch, patience;
    double validation_fraction, dropout, input_noise;
    bp_scaling_kind scale_inputs;
    size_t seeds;
    struct claim claims[2];
};

struct outcome {
    double value[N_MEASURES];
};

static size_t count_layers(const struct experiment *e)
{
    size_t n = 1;
    for (size_t i = 0; i < MOST_HIDDEN && e->hidden[i] != 0; i++)
        n++;
    return n;
}

static bp_status make_network(bp_network *net, const struct experiment *e, const struct set *set, unsigned seed)
{
    bp_layer_config layers[MOST_HIDDEN + 1] = { { 0 } };
    const size_t n = count_layers(e);
    for (size_t l = 0; l < n; l++)
        layers[l] = (bp_layer_config){ .n_out = l + 1 < n ? e->hidden[l] : set->train.n_out,
                                       .activation = l + 1 < n ? e->activation : e->output,
                                       .weights = e->init,
                                       .biases = e->bias_init,
                                       .dropout = l + 1 < n ? (bp_real)e->dropout : (bp_real)0 };
    return bp_network_init(net,
                           &(bp_network_config){ .n_in = set->train.n_in, .n_layers = n, .layers = layers, .seed = seed });
}

static bp_train_config training_of(const struct experiment *e, const struct set *set, unsigned seed)
{
    const size_t rows = set->train.rows - (size_t)(e->validation_fraction * (double)set->train.rows);
    bp_train_config config = { .epochs = e->epochs,
                               .batch = e->batch,
                               .loss = { .kind = e->loss },
                               .seed = seed,
                               .input_noise = (bp_real)e->input_noise,
                               .scale_inputs = e->scale_inputs,
                               .patience = e->patience };
    if (e->schedule == BP_SCHEDULE_COSINE)
        config.schedule = (bp_schedule){ .kind = BP_SCHEDULE_COSINE, .period = e->epochs * (rows / e->batch + 1) };
    if (set->validation.rows > 0)
        config.validation = &set->validation;
    else
        config.validation_fraction = (bp_real)e->validation_fraction;
    config.restore_best = config.validation != NULL || e->validation_fraction > 0;
    return config;
}

static bp_status look_at_test_rows(const bp_network *net, const bp_dataset *test, double *accuracy, double *mse)
{
    bp_metrics metrics;
    bp_metrics_result result;
    bp_status status = bp_metrics_init(&metrics, &(bp_metrics_config){ .n_out = net->n_out, .task = BP_TASK_CLASSES });
    if (status == BP_OK)
        status = bp_evaluate(net, test, NULL, &metrics);
    if (status == BP_OK)
        status = bp_metrics_compute(&metrics, &result);
    if (status == BP_OK) {
        *accuracy = result.accuracy;
        *mse = result.mse;
    }
    bp_metrics_free(&metrics);
    return status;
}

static bp_status run_trainer(bp_trainer *trainer, const struct experiment *e, const struct set *set, const bp_network *net,
                             struct outcome *outcome)
{
    double mse;
    bp_status status = BP_OK;
    if (e->claims[0].measure == ACCURACY_AFTER_1) {
        status = bp_trainer_run(trainer, &(bp_run_limit){ .steps = (set->train.rows + e->batch - 1) / e->batch });
        if (status == BP_OK)
            status = look_at_test_rows(net, &set->test, &outcome->value[ACCURACY_AFTER_1], &mse);
    }
    return status == BP_OK ? bp_trainer_run(trainer, NULL) : status;
}

static bp_status run_seed(const struct experiment *e, const struct set *set, unsigned seed, struct outcome *outcome)
{
    bp_network net = { 0 };
    bp_optimizer optimizer = { 0 };
    bp_trainer trainer = { 0 };
    const bp_train_config config = training_of(e, set, seed);
    bp_status status = make_network(&net, e, set, seed);
    if (status == BP_OK)
        status = bp_optimizer_init(&optimizer, &e->optimizer, &net.parameters);
    if (status == BP_OK)
        status = bp_trainer_init(&trainer, &net, &optimizer, &set->train, &config);
    if (status == BP_OK)
        status = run_trainer(&trainer, e, set, &net, outcome);
    if (status == BP_OK) {
        const double penalty = (double)bp_penalty(&optimizer, &net.parameters);
        outcome->value[TRAINING_LOSS] = (double)trainer.report.losses[trainer.report.n_epochs - 1] + penalty;
    }
    if (status == BP_OK && set->test.rows > 0) {
        double accuracy = 0, mse = 0;
        status = look_at_test_rows(&net, &set->test, &accuracy, &mse);
        outcome->value[TEST_ACCURACY] = accuracy;
        outcome->value[TEST_ERROR_PERCENT] = 100 * (1 - accuracy);
        outcome->value[SQUARED_ERROR_PERCENT] = 100 * mse;
    }
    bp_trainer_free(&trainer);
    bp_optimizer_free(&optimizer);
    bp_network_free(&net);
    return status;
}

/* ---- The table ------------------------------------------------------------------------------------------------------- */

static bool is_met(const struct claim *claim, double mean)
{
    if (claim->slack > 0)
        return fabs(mean - claim->published) <= claim->slack;
    const bool less_is_better = claim->measure == TEST_ERROR_PERCENT || claim->measure == SQUARED_ERROR_PERCENT;
    return less_is_better ? mean <= claim->published + 1e-12 : mean >= claim->published - 1e-12;
}

static bool print_claim(const struct experiment *e, const struct claim *claim, const struct outcome *outcomes, size_t n,
                        double seconds)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += outcomes[i].value[claim->measure];
    const double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (outcomes[i].value[claim->measure] - mean) * (outcomes[i].value[claim->measure] - mean);
    char published[64];
    (void)snprintf(published, sizeof published, claim->slack > 0 ? "%.4g +- %.2g" : "%.4g", claim->published, claim->slack);
    printf("| %s | %s | %s | %s | %.4f | %.4f | %zu | %.1f | %s |\n", e->name, e->source, measure_names[claim->measure],
           published, mean, n > 1 ? sqrt(squares / (double)(n - 1)) : 0, n, seconds / (double)n,
           is_met(claim, mean) ? "yes" : "NO");
    (void)fflush(stdout);
    return is_met(claim, mean);
}

static double seconds_now(void)
{
    struct timespec now;
    (void)timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Runs an experiment with all its seeds; false if a figure is missed. */
static bool run_experiment(const struct experiment *e, const char *directory, size_t seeds, size_t *n_measured)
{
    struct outcome outcomes[MOST_SEEDS] = { { { 0 } } };
    const struct set *set = load(e->set, directory);
    if (set->is_missing)
        return !set->is_damaged;
    ++*n_measured;
    const size_t n = seeds != 0 && seeds < e->seeds ? seeds : e->seeds;
    const double started = seconds_now();
    for (size_t i = 0; i < n; i++) {
        if (run_seed(e, set, (unsigned)i + 1, &outcomes[i]) != BP_OK) {
            printf("| %s | failed: %s |\n", e->name, bp_error_message());
            return false;
        }
    }
    const double seconds = seconds_now() - started;
    bool all = true;
    for (size_t i = 0; i < 2 && e->claims[i].published + e->claims[i].slack + (double)(i == 0) > 0; i++)
        all = print_claim(e, &e->claims[i], outcomes, n, seconds) && all;
    return all;
}

#define GLOROT                                                                                                             \
    {                                                                                                                      \
        .kind = BP_INIT_GLOROT_UNIFORM                                                                                     \
    }
#define ADAM(rate)                                                                                                         \
    {                                                                                                                      \
        .kind = BP_ADAM, .learning_rate = (bp_real)(rate)                                                                  \
    }

/* scikit-learn, plot_mlp_training_curves: 64-100-10 on digits, 15 epochs of batches of 200. */
#define DIGITS_ROW(title, published, slack, ...)                                                                           \
    {                                                                                                                      \
        .name = title, .source = "scikit-learn", .set = DIGITS, .hidden = { 100 }, .activation = BP_RELU,                  \
        .output = BP_SOFTMAX, .loss = BP_CROSS_ENTROPY, .init = GLOROT, .bias_init = GLOROT,                               \
        .optimizer = { .l2 = (bp_real)(1e-4 / 200), __VA_ARGS__ }, .epochs = 15, .batch = 200, .scale_inputs = BP_MIN_MAX, \
        .seeds = 5, .claims = {                                                                                            \
            { TRAINING_LOSS, published, slack }                                                                            \
        }                                                                                                                  \
    }

/* Images: Adam with a rate that falls to 0, a tenth of the training rows held out, the best epoch on those kept. */
#define IMAGE_ROW(title, from, data, layers, n_epochs, drop, measured, published)                                          \
    {                                                                                                                      \
        .name = title, .source = from, .set = data, .hidden = layers, .activation = BP_RELU, .output = BP_SOFTMAX,         \
        .loss = BP_CROSS_ENTROPY, .optimizer = ADAM(0.002), .schedule = BP_SCHEDULE_COSINE, .epochs = n_epochs,            \
        .batch = 128, .validation_fraction = 0.1, .dropout = drop, .seeds = 3, .claims = {                                 \
            { measured, published, 0 }                                                                                     \
        }                                                                                                                  \
    }

#define WIDTHS(...)                                                                                                        \
    {                                                                                                                      \
        __VA_ARGS__                                                                                                        \
    }

static const struct experiment experiments[] = {
    DIGITS_ROW("digits SGD", 0.245, 0.02, .learning_rate = (bp_real)0.2),
    DIGITS_ROW("digits momentum", 0.043, 0.008, .learning_rate = (bp_real)0.2, .momentum = (bp_real)0.9),
    DIGITS_ROW("digits Nesterov", 0.041, 0.006, .learning_rate = (bp_real)0.2, .momentum = (bp_real)0.9, .nesterov = true),
    DIGITS_ROW("digits Adam", 0.043, 0.010, .kind = BP_ADAM, .learning_rate = (bp_real)0.01),

    IMAGE_ROW("Fashion-MNIST 784-10-10", "its paper", FASHION, WIDTHS(10), 60, 0, TEST_ACCURACY, 0.848),
    IMAGE_ROW("Fashion-MNIST 784-10-10-10", "its paper", FASHION, WIDTHS(10, 10), 60, 0, TEST_ACCURACY, 0.850),
    IMAGE_ROW("Fashion-MNIST 784-100-10", "its paper", FASHION, WIDTHS(100), 20, 0, TEST_ACCURACY, 0.871),
    IMAGE_ROW("Fashion-MNIST 784-100-10-10", "its paper", FASHION, WIDTHS(100, 10), 20, 0, TEST_ACCURACY, 0.870),
    IMAGE_ROW("MNIST 784-10-10", "Fashion-MNIST's paper", MNIST, WIDTHS(10), 30, 0, TEST_ACCURACY, 0.933),
    IMAGE_ROW("MNIST 784-10-10-10", "Fashion-MNIST's paper", MNIST, WIDTHS(10, 10), 30, 0, TEST_ACCURACY, 0.936),
    IMAGE_ROW("MNIST 784-100-10", "Fashion-MNIST's paper", MNIST, WIDTHS(100), 20, 0, TEST_ACCURACY, 0.972),
    IMAGE_ROW("MNIST 784-100-10-10", "Fashion-MNIST's paper", MNIST, WIDTHS(100, 10), 20, 0, TEST_ACCURACY, 0.972),
    IMAGE_ROW("MNIST 784-300-10", "LeCun et al. 1998", MNIST, WIDTHS(300), 20, 0.2, TEST_ERROR_PERCENT, 4.7),
    IMAGE_ROW("MNIST 784-300-100-10", "LeCun et al. 1998", MNIST, WIDTHS(300, 100), 20, 0.2, TEST_ERROR_PERCENT, 3.05),
    { .name = "MNIST 784-800-10",
      .source = "Simard et al. 2003",
      .set = MNIST,
      .hidden = { 800 },
      .activation = BP_RELU,
      .output = BP_SOFTMAX,
      .loss = BP_CROSS_ENTROPY,
      .optimizer = ADAM(0.001),
      .schedule = BP_SCHEDULE_COSINE,
      .epochs = 40,
      .batch = 128,
      .validation_fraction = 0.1,
      .dropout = 0.4,
      .input_noise = 0.2,
      .seeds = 3,
      .claims = { { TEST_ERROR_PERCENT, 1.6, 0 } } },

    { .name = "MNIST 784-30-10, plain SGD",
      .source = "Nielsen's book",
      .set = MNIST_50000,
      .hidden = { 30 },
      .activation = BP_SIGMOID,
      .output = BP_SIGMOID,
      .init = { .kind = BP_INIT_NORMAL, .b = 1 },
      .bias_init = { .kind = BP_INIT_NORMAL, .b = 1 },
      .optimizer = { .learning_rate = 3 },
      .epochs = 30,
      .batch = 10,
      .seeds = 3,
      .claims = { { ACCURACY_AFTER_1, 0.905, 0 }, { TEST_ACCURACY, 0.945, 0 } } },

    { .name = "thyroid 21-16-8-3",
      .source = "Prechelt, Proben1",
      .set = THYROID,
      .hidden = { 16, 8 },
      .activation = BP_TANH,
      .output = BP_SOFTMAX,
      .loss = BP_CROSS_ENTROPY,
      .optimizer = ADAM(0.01),
      .schedule = BP_SCHEDULE_COSINE,
      .epochs = 200,
      .batch = 64,
      .scale_inputs = BP_STANDARDISE,
      .seeds = 10,
      .claims = { { TEST_ERROR_PERCENT, 2.27, 0 }, { SQUARED_ERROR_PERCENT, 1.26, 0 } } },
    { .name = "mushroom 125-32-2",
      .source = "Prechelt, Proben1",
      .set = MUSHROOM,
      .hidden = { 32 },
      .activation = BP_TANH,
      .output = BP_SOFTMAX,
      .loss = BP_CROSS_ENTROPY,
      .optimizer = ADAM(0.005),
      .schedule = BP_SCHEDULE_COSINE,
      .epochs = 30,
      .batch = 32,
      .validation_fraction = 0.2,
      .seeds = 10,
      .claims = { { TEST_ERROR_PERCENT, 0, 0 } } },
    { .name = "gene 120-4-2-3",
      .source = "Prechelt, Proben1",
      .set = GENE,
      .hidden = { 4, 2 },
      .activation = BP_TANH,
      .output = BP_SOFTMAX,
      .loss = BP_CROSS_ENTROPY,
      .optimizer = ADAM(0.01),
      .schedule = BP_SCHEDULE_COSINE,
      .epochs = 60,
      .batch = 32,
      .validation_fraction = 0.2,
      .seeds = 10,
      .claims = { { TEST_ERROR_PERCENT, 16.7, 0 } } },
    { .name = "diabetes 8-32-2",
      .source = "Prechelt, Proben1",
      .set = DIABETES,
      .hidden = { 32 },
      .activation = BP_TANH,
      .output = BP_SOFTMAX,
      .loss = BP_CROSS_ENTROPY,
      .optimizer = { .kind = BP_ADAMW, .learning_rate = (bp_real)0.003, .weight_decay = (bp_real)0.05 },
      .schedule = BP_SCHEDULE_COSINE,
      .epochs = 100,
      .batch = 32,
      .validation_fraction = 0.25,
      .scale_inputs = BP_STANDARDISE,
      .seeds = 10,
      .claims = { { TEST_ERROR_PERCENT, 26.4, 0 } } },
};

int main(int argc, char **argv)
{
    const char *directory = "build/data", *only = "";
    size_t seeds = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--data") == 0)
            directory = argv[i + 1];
        else if (strcmp(argv[i], "--only") == 0)
            only = argv[i + 1];
        else if (strcmp(argv[i], "--seeds") == 0)
            seeds = strtoul(argv[i + 1], NULL, 10);
        else
            argc = 0;
    }
    if (argc % 2 == 0) {
        (void)fprintf(stderr, "usage: %s [--data DIRECTORY] [--only TEXT] [--seeds N]\n", argv[0]);
        return EXIT_FAILURE;
    }

    printf("| network | published by | what | published | measured | sd | seeds | s a seed | met "
           "|\n|---|---|---|---|---|---|---|---|---|\n");
    bool all = true;
    size_t n_measured = 0;
    for (size_t i = 0; i < sizeof experiments / sizeof experiments[0]; i++)
        if (strstr(experiments[i].name, only) != NULL)
            all = run_experiment(&experiments[i], directory, seeds, &n_measured) && all;
    if (n_measured == 0)
        (void)fprintf(stderr, "nothing was measured\n");
    return all && n_measured > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
