// SPDX-License-Identifier: MIT
/*
 * How often XOR is learned. A network of 2-2-1 sigmoids has local minima, so that about four initialisations in five learn
 * it, whoever computes: a higher share would be as wrong as a lower one. With a third hidden unit nearly all do.
 *
 * Gradient descent on all four rows at once, summed squared error, 10000 epochs. Learned: all four outputs on the right side
 * of 1/2. With TEST_QUICK set in the environment, for runs under sanitizers and valgrind, 20 seeds in place of 1000.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "backprop/propagation.h"
#include "backprop/train.h"

enum { ALL_SEEDS = 1000, QUICK_SEEDS = 20 };

static const bp_real X[4][2] = { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 } };
static const bp_real T[4][1] = { { 0 }, { 1 }, { 1 }, { 0 } };

/* One experiment, and the shares of initialisations that learn which a right implementation may show on 1000 seeds. */
struct experiment {
    const char *name;
    size_t n_hidden;
    bp_init init; /* of weights and biases */
    bp_real rate;
    double lowest, highest;
};

static const struct experiment two_hidden_units = {
    .name = "2-2-1, uniform in [0, 1], rate 0.1",
    .n_hidden = 2,
    .init = { .kind = BP_INIT_UNIFORM, .a = 0, .b = 1 },
    .rate = (bp_real)0.1,
    .lowest = 0.76,
    .highest = 0.85,
};

static const struct experiment three_hidden_units = {
    .name = "2-3-1, uniform in [-1, 1], rate 1",
    .n_hidden = 3,
    .init = { .kind = BP_INIT_UNIFORM, .a = -1, .b = 1 },
    .rate = 1,
    .lowest = 0.98,
    .highest = 1,
};

static void make_network(bp_network *net, const struct experiment *experiment, uint64_t seed)
{
    const bp_init init = experiment->init;
    const bp_layer_config layers[] = {
        { .n_out = experiment->n_hidden, .activation = BP_SIGMOID, .weights = init, .biases = init },
        { .n_out = 1, .activation = BP_SIGMOID, .weights = init, .biases = init },
    };
    const bp_network_config config = { .n_in = 2, .n_layers = 2, .layers = layers, .seed = seed };
    assert_int_equal(bp_network_init(net, &config), BP_OK);
}

static void train(bp_network *net, bp_real rate)
{
    const bp_dataset data = { .rows = 4, .n_in = 2, .n_out = 1, .X = { .data = X }, .T = { .data = T } };
    const bp_train_config config = { .epochs = 10000, .batch = 4, .loss = { .reduction = BP_REDUCE_SUM } };
    bp_optimizer sgd;
    assert_int_equal(bp_optimizer_init(&sgd, &(bp_optimizer_config){ .learning_rate = rate }, &net->parameters), BP_OK);
    assert_int_equal(bp_train(net, &sgd, &data, &config, NULL), BP_OK);
    bp_optimizer_free(&sgd);
}

static bool knows_xor(const bp_network *net)
{
    bp_workspace ws;
    bp_real Y[4];
    assert_int_equal(bp_workspace_init(&ws, net, 4, BP_INFERENCE), BP_OK);
    assert_int_equal(bp_predict(net, &ws, &X[0][0], 4, Y), BP_OK);
    bp_workspace_free(&ws);

    bool right = true;
    for (int i = 0; i < 4; i++)
        right = right && (Y[i] > (bp_real)0.5) == (T[i][0] > (bp_real)0.5);
    return right;
}

static int count_that_learn(const struct experiment *experiment, int n_seeds)
{
    int n_learned = 0;
    for (int seed = 0; seed < n_seeds; seed++) {
        bp_network net;
        make_network(&net, experiment, (uint64_t)seed);
        train(&net, experiment->rate);
        n_learned += knows_xor(&net);
        bp_network_free(&net);
    }
    return n_learned;
}

/* Probability of exactly k of n where each has the probability p: C(n, k) p^k (1 - p)^(n - k). */
static double binomial(int n, int k, double p)
{
    double probability = pow(p, k) * pow(1 - p, n - k);
    for (int i = 1; i <= k; i++)
        probability *= (double)(n - k + i) / i;
    return probability;
}

/* The least k below which fewer than one in a million samples of n would fall, if each learned with probability p. */
static int least_plausible(int n, double p)
{
    int k = 0;
    double below = binomial(n, 0, p);
    while (k < n && below < 1e-6)
        below += binomial(n, ++k, p);
    return k;
}

static void assert_share(const struct experiment *experiment)
{
    const bool quick = getenv("TEST_QUICK") != NULL;
    const int n = quick ? QUICK_SEEDS : ALL_SEEDS;
    const int least = quick ? least_plausible(n, experiment->lowest) : (int)ceil(experiment->lowest * n);
    const int most = quick ? n - least_plausible(n, 1 - experiment->highest) : (int)floor(experiment->highest * n);

    const int n_learned = count_that_learn(experiment, n);
    print_message("%s: %d of %d initialisations learned XOR, %.1f %%; expected %d to %d\n", experiment->name, n_learned, n,
                  100.0 * n_learned / n, least, most);
    assert_in_range(n_learned, least, most);
}

static void four_initialisations_in_five_of_2_2_1_learn_xor(void **state)
{
    (void)state;
    assert_share(&two_hidden_units);
}

static void nearly_all_initialisations_of_2_3_1_learn_xor(void **state)
{
    (void)state;
    assert_share(&three_hidden_units);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_initialisations_in_five_of_2_2_1_learn_xor),
        cmocka_unit_test(nearly_all_initialisations_of_2_3_1_learn_xor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
