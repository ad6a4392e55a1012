// SPDX-License-Identifier: MIT
/*
 * Both ways between C and PyTorch. 07_pytorch.py is the other half.
 *
 *   07_pytorch export model.safetensors            a network from here, for `python3 07_pytorch.py load model.safetensors`
 *   python3 07_pytorch.py save weights.safetensors
 *   07_pytorch import weights.safetensors          the weights of a module that was trained there
 *
 * Without arguments it exports to pytorch.safetensors and takes the weights over again, by their names in the file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backprop.h>

static int fail(const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, bp_error_message());
    return EXIT_FAILURE;
}

/* Linear(4, 8), BatchNorm1d(8), ReLU, Linear(8, 3): both sides make it alike. */
static bp_status make_network(bp_network *net, uint64_t seed)
{
    const bp_layer_config layers[] = { { .n_out = 8, .activation = BP_RELU, .normalization = BP_BATCH_NORMALIZATION },
                                       { .n_out = 3 } };
    return bp_network_init(net, &(bp_network_config){ .n_in = 4, .n_layers = 2, .layers = layers, .seed = seed });
}

static bp_status print_outputs(const bp_network *net)
{
    const bp_real X[4] = { 1, 2, 3, 4 };
    bp_real Y[3] = { 0 };
    bp_workspace ws;
    bp_status status = bp_workspace_init(&ws, net, 1, BP_INFERENCE);
    if (status == BP_OK)
        status = bp_predict(net, &ws, X, 1, Y);
    printf("outputs for 1, 2, 3, 4: %.6f %.6f %.6f\n", (double)Y[0], (double)Y[1], (double)Y[2]);
    bp_workspace_free(&ws);
    return status;
}

static int export_model(const char *path)
{
    bp_network net;
    bp_status status = make_network(&net, 5);
    if (status == BP_OK)
        status = print_outputs(&net);
    if (status == BP_OK)
        status = bp_network_save(&net, path);
    bp_network_free(&net);
    return status == BP_OK ? EXIT_SUCCESS : fail("exporting");
}

/* A module with names of its own needs a list: { "fc1", "norm" }, { "fc2" }. A torch.nn.Sequential needs none. */
static int import_weights(const char *path, const bp_module_names *modules)
{
    bp_network net;
    bp_status status = make_network(&net, 0);
    if (status == BP_OK)
        status = bp_network_load_weights(&net, path, &(bp_weights_config){ .modules = modules });
    if (status == BP_OK)
        status = print_outputs(&net);
    bp_network_free(&net);
    return status == BP_OK ? EXIT_SUCCESS : fail("importing");
}

int main(int argc, char **argv)
{
    static const bp_module_names modules[] = { { .linear = "fc1", .normalization = "norm" }, { .linear = "fc2" } };
    if (argc == 3 && strcmp(argv[1], "export") == 0)
        return export_model(argv[2]);
    if (argc == 3 && strcmp(argv[1], "import") == 0)
        return import_weights(argv[2], modules);
    if (argc != 1) {
        (void)fprintf(stderr, "usage: %s [export FILE | import FILE]\n", argv[0]);
        return EXIT_FAILURE;
    }
    const int exported = export_model("pytorch.safetensors");
    return exported == EXIT_SUCCESS ? import_weights("pytorch.safetensors", NULL) : exported;
}
