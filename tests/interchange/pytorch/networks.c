// SPDX-License-Identifier: MIT
/*
 * The C half of the exchange with PyTorch; networks.py is the other one.
 *
 *   networks write FOLDER   saves a network of every kind with inputs X and the outputs Y that the library computes
 *   networks read FOLDER    takes over the weights that PyTorch has written, and compares outputs with PyTorch's
 *
 * X and Y are raw doubles, row by row.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backprop.h>

enum { ROWS = 16, N_IN = 5, WIDTH = 7, N_OUT = 3 };

static void check(bp_status status, const char *what)
{
    if (status == BP_OK)
        return;
    (void)fprintf(stderr, "%s: %s\n", what, bp_error_message());
    exit(EXIT_FAILURE);
}

/* ---- Files ----------------------------------------------------------------------------------------------------------- */

static void write_reals(const char *folder, const char *name, const char *ending, const bp_real *values, size_t n)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s.%s", folder, name, ending);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(values, sizeof *values, n, file) != n || fclose(file) != 0)
        check(BP_ERR_IO, path);
}

static void read_reals(const char *folder, const char *name, const char *ending, bp_real *values, size_t n)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s.%s", folder, name, ending);
    FILE *file = fopen(path, "rb");
    if (file == NULL || fread(values, sizeof *values, n, file) != n)
        check(BP_ERR_IO, path);
    (void)fclose(file);
}

/* ---- Networks -------------------------------------------------------------------------------------------------------- */

/* 5-7-7-3: the activation twice, once behind the normalization; dropout, which predictions leave out; softmax at the end. */
static void make_network(bp_network *net, bp_activation f, bp_normalization normalization)
{
    const bp_layer_config layers[] = {
        { .n_out = WIDTH, .activation = f, .normalization = normalization, .dropout = (bp_real)0.25 },
        { .n_out = WIDTH, .activation = f, .no_bias = true },
        { .n_out = N_OUT, .activation = normalization == BP_NO_NORMALIZATION ? BP_IDENTITY : BP_SOFTMAX },
    };
    check(bp_network_init(net, &(bp_network_config){ .n_in = N_IN, .n_layers = 3, .layers = layers, .seed = (uint64_t)f }),
          "init");
    bp_rng rng;
    bp_rng_init(&rng, 100 + (uint64_t)f);
    for (size_t i = 0; i < net->parameters.n_params; i++)
        net->parameters.params[i] = (bp_real)(0.7 * bp_rng_normal(&rng));
    for (size_t i = 0; i < net->n_state; i++)
        net->state[i] = (bp_real)(0.5 + bp_rng_uniform(&rng));
}

static void scale(bp_network *net)
{
    const bp_real in_center[N_IN] = { 1, -2, (bp_real)0.1, 0, 3 }, in_scale[N_IN] = { 2, (bp_real)0.3, 1, 5, (bp_real)0.7 };
    const bp_real out_center[N_OUT] = { -1, 10, 0 }, out_scale[N_OUT] = { 3, (bp_real)0.1, 1 };
    const int outputs = net->layers[net->n_layers - 1].activation == BP_IDENTITY;
    check(bp_network_set_scaling(net, in_center, in_scale, outputs ? out_center : NULL, outputs ? out_scale : NULL),
          "scaling");
}

static void predict(const bp_network *net, const bp_real *X, bp_real *Y)
{
    bp_workspace ws;
    check(bp_workspace_init(&ws, net, ROWS, BP_INFERENCE), "workspace");
    check(bp_predict(net, &ws, X, ROWS, Y), "predict");
    bp_workspace_free(&ws);
}

static void write_one(const char *folder, bp_activation f, bp_normalization normalization)
{
    char name[64], path[1024];
    bp_network net;
    bp_real X[ROWS * N_IN], Y[ROWS * N_OUT];
    bp_rng rng;
    (void)snprintf(name, sizeof name, "%s-%s", bp_activation_name(f), bp_normalization_name(normalization));
    (void)snprintf(path, sizeof path, "%s/%s.safetensors", folder, name);
    make_network(&net, f, normalization);
    scale(&net);
    bp_rng_init(&rng, 1);
    for (size_t i = 0; i < ROWS * N_IN; i++)
        X[i] = (bp_real)(2 * bp_rng_normal(&rng));
    predict(&net, X, Y);
    check(bp_network_save(&net, path), path);
    write_reals(folder, name, "X", X, ROWS * N_IN);
    write_reals(folder, name, "Y", Y, ROWS * N_OUT);
    bp_network_free(&net);
}

/* The worst difference from PyTorch's outputs, in parts of the largest output of the row. */
static double compare(const bp_real *ours, const bp_real *theirs)
{
    double worst = 0;
    for (size_t r = 0; r < ROWS; r++) {
        double largest = 0, difference = 0;
        for (size_t k = 0; k < N_OUT; k++) {
            largest = fmax(largest, fabs((double)theirs[r * N_OUT + k]));
            difference = fmax(difference, fabs((double)ours[r * N_OUT + k] - (double)theirs[r * N_OUT + k]));
        }
        worst = fmax(worst, difference / largest);
    }
    return worst;
}

static double read_one(const char *folder, bp_activation f, bp_normalization normalization, const char *dtype)
{
    static const bp_module_names modules[] = { { "body.fc1", "body.norm" }, { "body.fc2", NULL }, { "fc3", NULL } };
    static const bp_module_names plain[] = { { "body.fc1", NULL }, { "body.fc2", NULL }, { "fc3", NULL } };
    char name[64], path[1024];
    bp_network net;
    bp_real X[ROWS * N_IN], Y[ROWS * N_OUT], theirs[ROWS * N_OUT];
    (void)snprintf(name, sizeof name, "torch-%s-%s-%s", bp_activation_name(f), bp_normalization_name(normalization), dtype);
    (void)snprintf(path, sizeof path, "%s/%s.safetensors", folder, name);
    make_network(&net, f, normalization);
    check(bp_network_load_weights(
              &net, path,
              &(bp_weights_config){ .prefix = "net.", .modules = normalization != BP_NO_NORMALIZATION ? modules : plain }),
          path);
    read_reals(folder, name, "X", X, ROWS * N_IN);
    read_reals(folder, name, "Y", theirs, ROWS * N_OUT);
    predict(&net, X, Y);
    bp_network_free(&net);
    return compare(Y, theirs);
}

int main(int argc, char **argv)
{
    static const char *const dtypes[] = { "F64", "F32", "F16", "BF16" };
    double worst = 0;
    int n = 0;
    if (argc != 3)
        return EXIT_FAILURE;
    for (int f = 0; f < BP_CUSTOM_ACTIVATION; f++) {
        for (int normalization = 0; normalization < BP_N_NORMALIZATIONS; normalization++) {
            if (f == BP_SOFTMAX)
                continue; /* of output layers alone, where it is */
            if (strcmp(argv[1], "write") == 0) {
                write_one(argv[2], (bp_activation)f, (bp_normalization)normalization);
                continue;
            }
            for (int t = 0; t < 4; t++, n++)
                worst = fmax(worst, read_one(argv[2], (bp_activation)f, (bp_normalization)normalization, dtypes[t]));
        }
    }
    if (strcmp(argv[1], "write") == 0)
        return EXIT_SUCCESS;
    printf("weights of PyTorch in libbackprop: %d networks, worst difference of an output %.1e of the row's largest\n", n,
           worst);
    return worst <= 1e-12 ? EXIT_SUCCESS : EXIT_FAILURE;
}
