// SPDX-License-Identifier: MIT
/*
 * Pools of 1, 2, 3, 4 and 7 threads train and predict to the same bits: losses, parameters, predictions and checkpoints, for
 * networks whose products are cut, on sizes that are multiples of nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop.h"
#include "math/products.h"
#include "store/writer.h"

enum { ROWS = 300, N_IN = 301, WIDE = 523, N_OUT = 7, BATCH = 131 };

/* A training run: layers of many kinds, and an optimizer. */
struct kind {
    const char *name;
    bp_layer_config first, second;
    bp_optimizer_config optimizer;
    size_t batch, steps;
};

static const struct kind kinds[] = {
    { "plain descent",
      { .n_out = WIDE, .activation = BP_RELU },
      { .n_out = 263, .activation = BP_TANH },
      { .kind = BP_SGD },
      BATCH,
      5 },
    { "one row at a time",
      { .n_out = 4099, .activation = BP_TANH },
      { .n_out = 263, .activation = BP_SIGMOID },
      { .kind = BP_SGD, .learning_rate = (bp_real)1e-3 },
      1,
      4 },
    { "adam, batch normalization, dropout",
      { .n_out = WIDE, .activation = BP_GELU, .normalization = BP_BATCH_NORMALIZATION, .dropout = (bp_real)0.3 },
      { .n_out = 263, .activation = BP_LEAKY_RELU, .dropout = (bp_real)0.1 },
      { .kind = BP_ADAM, .clip_norm = 1, .max_norm = 2 },
      BATCH,
      5 },
    { "momentum, layer normalization, frozen",
      { .n_out = WIDE, .activation = BP_MISH, .normalization = BP_LAYER_NORMALIZATION },
      { .n_out = 263, .activation = BP_ELU, .frozen = true },
      { .kind = BP_SGD, .momentum = (bp_real)0.9, .l1 = (bp_real)1e-4, .clip_value = (bp_real)0.01 },
      BATCH,
      5 },
    { "rprop on all rows",
      { .n_out = WIDE, .activation = BP_SOFTSIGN, .no_bias = true },
      { .n_out = 263, .activation = BP_SINE },
      { .kind = BP_RPROP_PLUS },
      ROWS,
      4 },
};

/* What a run leaves, as checksums. */
struct outcome {
    uint32_t params, state, optimizer, predictions, checkpoint;
    bp_real loss;
};

static void fill(bp_real *array, size_t n, uint64_t seed)
{
    bp_rng rng;
    bp_rng_init(&rng, seed);
    for (size_t i = 0; i < n; i++)
        array[i] = (bp_real)bp_rng_normal(&rng);
}

static uint32_t predict(const bp_network *net, const bp_threads *threads, const bp_real *X)
{
    static bp_real Y[ROWS * N_OUT];
    bp_workspace ws;
    assert_int_equal(bp_workspace_init(&ws, net, ROWS, BP_INFERENCE), BP_OK);
    ws.threads = threads;
    assert_int_equal(bp_predict(net, &ws, X, ROWS, Y), BP_OK);
    uint32_t crc = bpi_crc32(0, Y, sizeof Y);
    assert_int_equal(bp_predict(net, &ws, X, 1, Y), BP_OK);
    crc = bpi_crc32(crc, Y, N_OUT * sizeof *Y);
    bp_workspace_free(&ws);
    return crc;
}

static struct outcome run(const struct kind *kind, const bp_threads *threads)
{
    static bp_real X[ROWS * N_IN];
    static int32_t labels[ROWS];
    bp_network net;
    bp_optimizer opt;
    bp_trainer trainer;
    bp_bytes file;
    fill(X, ROWS * N_IN, 5);
    for (int i = 0; i < ROWS; i++)
        labels[i] = i % N_OUT;
    const bp_layer_config layers[] = { kind->first, kind->second, { .n_out = N_OUT, .activation = BP_SOFTMAX } };
    const bp_dataset data = {
        .rows = ROWS, .n_in = N_IN, .n_out = N_OUT, .X = { .data = X }, .labels = { .data = labels, .element = BP_I32 }
    };
    const bp_train_config config = { .epochs = 10,
                                     .batch = kind->batch,
                                     .loss = { .kind = BP_CROSS_ENTROPY },
                                     .seed = 3,
                                     .validation_fraction = kind->batch == ROWS ? 0 : (bp_real)0.1,
                                     .threads = threads };
    assert_int_equal(bp_network_init(&net, &(bp_network_config){ .n_in = N_IN, .n_layers = 3, .layers = layers }), BP_OK);
    assert_int_equal(bp_optimizer_init(&opt, &kind->optimizer, &net.parameters), BP_OK);
    assert_int_equal(bp_trainer_init(&trainer, &net, &opt, &data, &config), BP_OK);
    assert_int_equal(bp_trainer_run(&trainer, &(bp_run_limit){ .steps = getenv("TEST_QUICK") != NULL ? 2 : kind->steps }),
                     BP_OK);
    assert_int_equal(bp_trainer_save_memory(&trainer, &file), BP_OK);
    const struct outcome outcome = { .params =
                                         bpi_crc32(0, net.parameters.params, net.parameters.n_params * sizeof(bp_real)),
                                     .state = bpi_crc32(0, net.state, net.n_state * sizeof(bp_real)),
                                     .optimizer = bpi_crc32(0, opt.state, opt.n_state * sizeof(bp_real)),
                                     .predictions = predict(&net, threads, X),
                                     .checkpoint = bpi_crc32(0, file.data, file.size),
                                     .loss = trainer.report.loss };
    bp_bytes_free(&file);
    bp_trainer_free(&trainer);
    bp_optimizer_free(&opt);
    bp_network_free(&net);
    return outcome;
}

static void assert_same(const struct kind *kind, size_t n, const struct outcome *a, const struct outcome *b)
{
    if (a->params != b->params || a->state != b->state || a->optimizer != b->optimizer ||
        a->predictions != b->predictions || a->checkpoint != b->checkpoint ||
        memcmp(&a->loss, &b->loss, sizeof a->loss) != 0)
        fail_msg("%s: a pool of %zu gives other bits than a pool of 1", kind->name, n);
}

static void train_with_pools_of_any_size(void)
{
    static const size_t sizes[] = { 1, 3, 2, 4, 7, 2 };
    const size_t n_sizes = getenv("TEST_QUICK") != NULL ? 2 : sizeof sizes / sizeof sizes[0];
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        struct outcome first = { 0 };
        for (size_t s = 0; s < n_sizes; s++) {
            bp_threads threads;
            assert_int_equal(bp_threads_init(&threads, &(bp_threads_config){ .n = sizes[s] }), BP_OK);
            const struct outcome outcome = run(&kinds[k], &threads);
            bp_threads_free(&threads);
            if (s == 0)
                first = outcome;
            assert_same(&kinds[k], sizes[s], &first, &outcome);
        }
    }
}

/* By own kernels as far as there are any, and by BLAS. */
static void pools_of_any_size_train_to_the_same_bits(void **state)
{
    (void)state;
    train_with_pools_of_any_size();
    bpi_products_force_gemm(true);
    train_with_pools_of_any_size();
    bpi_products_force_gemm(false);
}

/* One's own loop: the optimizer's step has the pool's threads, too, and the bits that it has without. */
static void an_optimizer_steps_to_the_same_bits_with_and_without_a_pool(void **state)
{
    (void)state;
    const bp_layer_config layers[] = { { .n_out = WIDE, .activation = BP_RELU }, { .n_out = N_OUT } };
    bp_threads threads;
    bp_network nets[2];
    assert_int_equal(bp_threads_init(&threads, &(bp_threads_config){ .n = 3 }), BP_OK);
    for (int i = 0; i < 2; i++) {
        bp_optimizer opt;
        assert_int_equal(bp_network_init(&nets[i], &(bp_network_config){ .n_in = N_IN, .n_layers = 2, .layers = layers }),
                         BP_OK);
        assert_int_equal(
            bp_optimizer_init(&opt, &(bp_optimizer_config){ .kind = BP_ADAMW, .weight_decay = (bp_real)0.1, .max_norm = 1 },
                              &nets[i].parameters),
            BP_OK);
        opt.threads = i == 1 ? &threads : NULL;
        bp_real *grad = malloc(nets[i].parameters.n_params * sizeof *grad);
        assert_non_null(grad);
        for (uint64_t step = 0; step < 3; step++) {
            fill(grad, nets[i].parameters.n_params, step);
            assert_int_equal(bp_optimizer_step(&opt, &nets[i].parameters, grad, 1), BP_OK);
        }
        free(grad);
        bp_optimizer_free(&opt);
    }
    assert_memory_equal(nets[0].parameters.params, nets[1].parameters.params,
                        nets[0].parameters.n_params * sizeof(bp_real));
    bp_network_free(&nets[0]);
    bp_network_free(&nets[1]);
    bp_threads_free(&threads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pools_of_any_size_train_to_the_same_bits),
        cmocka_unit_test(an_optimizer_steps_to_the_same_bits_with_and_without_a_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
