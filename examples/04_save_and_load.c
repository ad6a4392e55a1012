// SPDX-License-Identifier: MIT
/*
 * Saving a network and loading it again: what was learned, in one file, with the units and names that it needs.
 *
 * A network learns to tell from temperature and humidity whether it will rain, as far as a rule of thumb goes. It is saved,
 * loaded as another program would do it, and asked. The file is a safetensors file: PyTorch reads the weights as they are
 * (07_pytorch.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backprop.h>

enum { ROWS = 400 };

static int fail(const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, bp_error_message());
    return EXIT_FAILURE;
}

/* Rain if the air is damp for its warmth: made up, but in units as a user has them. */
static void make_weather(bp_real X[ROWS * 2], int32_t labels[ROWS])
{
    bp_rng rng;
    bp_rng_init(&rng, 1);
    for (size_t i = 0; i < ROWS; i++) {
        const double celsius = 35 * bp_rng_uniform(&rng) - 5, percent = 100 * bp_rng_uniform(&rng);
        X[2 * i] = (bp_real)celsius;
        X[2 * i + 1] = (bp_real)percent;
        labels[i] = percent > 60 + 0.8 * celsius;
    }
}

static bp_status train(bp_network *net)
{
    static bp_real X[ROWS * 2];
    static int32_t labels[ROWS];
    bp_optimizer optimizer;
    make_weather(X, labels);
    const bp_dataset data = {
        .rows = ROWS, .n_in = 2, .n_out = 1, .X = { .data = X }, .labels = { .data = labels, .element = BP_I32 }
    };
    const bp_train_config config = { .epochs = 60,
                                     .loss = { .kind = BP_BINARY_CROSS_ENTROPY },
                                     .scale_inputs = BP_STANDARDISE };
    bp_status status = bp_optimizer_init(
        &optimizer, &(bp_optimizer_config){ .kind = BP_ADAM, .learning_rate = (bp_real)0.01 }, &net->parameters);
    if (status == BP_OK)
        status = bp_train(net, &optimizer, &data, &config, NULL);
    bp_optimizer_free(&optimizer);
    return status;
}

/* What whoever loads the network wants to know. */
static bp_status name_everything(bp_network *net)
{
    static const char *const inputs[] = { "temperature in degrees Celsius", "humidity in percent" };
    static const char *const classes[] = { "dry", "rain" };
    bp_status status = bp_network_set_input_names(net, inputs);
    if (status == BP_OK)
        status = bp_network_set_class_names(net, classes);
    if (status == BP_OK)
        status = bp_network_set_metadata(net, "purpose", "an example of libbackprop");
    return status;
}

/* The other program: it knows the path, nothing else. */
static int use(const char *path)
{
    static const bp_real weather[2][2] = { { 10, 95 }, { 25, 30 } };
    bp_network net;
    bp_workspace ws = { 0 };
    bp_real Y[2] = { 0, 1 };
    if (bp_network_load(&net, path, NULL) != BP_OK)
        return fail("loading");
    bp_status status = bp_workspace_init(&ws, &net, 2, BP_INFERENCE);
    if (status == BP_OK)
        status = bp_predict(&net, &ws, &weather[0][0], 2, Y);
    printf("%s\n", bp_network_get_metadata(&net, "purpose"));
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < net.n_in; k++)
            printf("%s: %g, ", net.input_names[k], (double)weather[i][k]);
        printf("%s (%.2f)\n", net.class_names[Y[i] > (bp_real)0.5], (double)Y[i]);
    }
    bp_workspace_free(&ws);
    bp_network_free(&net);
    return status == BP_OK && Y[0] > (bp_real)0.5 && Y[1] < (bp_real)0.5 ? EXIT_SUCCESS : fail("predicting");
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "weather.safetensors";
    const bp_layer_config layers[] = { { .n_out = 8, .activation = BP_TANH }, { .n_out = 1, .activation = BP_SIGMOID } };
    bp_network net;
    if (bp_network_init(&net, &(bp_network_config){ .n_in = 2, .n_layers = 2, .layers = layers }) != BP_OK)
        return fail("making the network");
    bp_status status = train(&net);
    if (status == BP_OK)
        status = name_everything(&net);
    if (status == BP_OK)
        status = bp_network_save(&net, path); /* complete and on disk, or the old file is still there */
    bp_network_free(&net);
    return status == BP_OK ? use(path) : fail("training and saving");
}
