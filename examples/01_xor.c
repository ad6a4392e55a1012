// SPDX-License-Identifier: MIT
/*
 * 1. XOR: the smallest problem that needs a hidden layer.
 *
 *   01_xor                 trains a 2-2-1 network of sigmoids and prints the truth table that it has learned
 *   01_xor --all-seeds N   trains N networks from different initial values and prints how many learn XOR: about four in
 *                          five; the others end in a local minimum
 *
 * Gradient descent on all four rows at once, summed loss, rate 0.1, 10000 epochs, initial values uniform in [0, 1].
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backprop.h>

static const bp_real X[4][2] = { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 } };
static const bp_real T[4][1] = { { 0 }, { 1 }, { 1 }, { 0 } };

/* Trains a network from the initial values of `seed` and leaves its outputs for the four rows in Y. */
static bp_status train_xor(uint64_t seed, bp_real Y[4])
{
    const bp_init uniform = { .kind = BP_INIT_UNIFORM, .a = 0, .b = 1 };
    const bp_layer_config layers[] = {
        { .n_out = 2, .activation = BP_SIGMOID, .weights = uniform, .biases = uniform },
        { .n_out = 1, .activation = BP_SIGMOID, .weights = uniform, .biases = uniform },
    };
    const bp_dataset data = { .rows = 4, .n_in = 2, .n_out = 1, .X = { .data = X }, .T = { .data = T } };
    const bp_train_config config = { .epochs = 10000, .batch = 4, .loss = { .reduction = BP_REDUCE_SUM } };

    bp_network net = { 0 };
    bp_optimizer sgd = { 0 };
    bp_workspace ws = { 0 };
    bp_status status =
        bp_network_init(&net, &(bp_network_config){ .n_in = 2, .n_layers = 2, .layers = layers, .seed = seed });
    if (status == BP_OK)
        status = bp_optimizer_init(&sgd, &(bp_optimizer_config){ .learning_rate = (bp_real)0.1 }, &net.parameters);
    if (status == BP_OK)
        status = bp_train(&net, &sgd, &data, &config, NULL);
    if (status == BP_OK)
        status = bp_workspace_init(&ws, &net, 4, BP_INFERENCE);
    if (status == BP_OK)
        status = bp_predict(&net, &ws, &X[0][0], 4, Y);

    bp_workspace_free(&ws);
    bp_optimizer_free(&sgd);
    bp_network_free(&net);
    return status;
}

/* Learned: all four outputs on the right side of 1/2. */
static int is_learned(const bp_real Y[4])
{
    for (int i = 0; i < 4; i++)
        if ((Y[i] > (bp_real)0.5) != (T[i][0] > (bp_real)0.5))
            return 0;
    return 1;
}

static int report_error(void)
{
    (void)fprintf(stderr, "error: %s\n", bp_error_message());
    return EXIT_FAILURE;
}

static int print_truth_table(void)
{
    bp_real Y[4];
    if (train_xor(1, Y) != BP_OK)
        return report_error();

    printf(" x1  x2   output   x1 xor x2\n");
    for (int i = 0; i < 4; i++)
        printf("  %.0f   %.0f   %.4f   %.0f\n", (double)X[i][0], (double)X[i][1], (double)Y[i], (double)T[i][0]);
    printf(is_learned(Y) ? "learned\n" : "not learned\n");
    return is_learned(Y) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int count_seeds_that_learn(unsigned long n)
{
    unsigned long n_learned = 0;
    for (unsigned long seed = 0; seed < n; seed++) {
        bp_real Y[4];
        if (train_xor(seed, Y) != BP_OK)
            return report_error();
        n_learned += (unsigned long)is_learned(Y);
    }
    printf("%lu of %lu initialisations learned XOR: %.1f %%\n", n_learned, n, 100.0 * (double)n_learned / (double)n);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return print_truth_table();
    char *end = NULL;
    const unsigned long n = argc == 3 && strcmp(argv[1], "--all-seeds") == 0 ? strtoul(argv[2], &end, 10) : 0;
    if (n == 0 || *end != '\0') {
        (void)fprintf(stderr, "usage: %s [--all-seeds N]\n", argv[0]);
        return EXIT_FAILURE;
    }
    return count_seeds_that_learn(n);
}
