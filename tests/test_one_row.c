// SPDX-License-Identifier: MIT
/*
 * A single row calls no BLAS, from the making of its workspace to the end of training: so one row at a time may be predicted
 * from any number of threads, whatever the BLAS makes of that. The linker puts a counter in its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backprop/dataset.h"
#include "backprop/network.h"
#include "backprop/optimizer.h"
#include "backprop/propagation.h"
#include "backprop/train.h"
#include "backprop/workspace.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

enum { IN = 40, HIDDEN = 33, OUT = 5, ROWS = 6 };

static size_t n_products;

#ifdef WRAPS_BLAS
/* The names are the linker's. Results are of no interest here. */
void __wrap_cblas_dgemm(void);
void __wrap_cblas_sgemm(void);

void __wrap_cblas_dgemm(void)
{
    n_products++;
}
void __wrap_cblas_sgemm(void)
{
    n_products++;
}
#endif

/* What layers can be, but for batch normalization, which wants more rows to train on. */
static const bp_layer_config plain[] = { { .n_out = HIDDEN, .activation = BP_TANH },
                                         { .n_out = HIDDEN, .activation = BP_GELU, .no_bias = true },
                                         { .n_out = OUT, .activation = BP_SOFTMAX } };
static const bp_layer_config rich[] = { { .n_out = HIDDEN, .normalization = BP_LAYER_NORMALIZATION, .activation = BP_RELU },
                                        { .n_out = HIDDEN, .activation = BP_SINE, .dropout = R(0.5) },
                                        { .n_out = OUT, .activation = BP_SOFTMAX } };
static const bp_layer_config small[] = { { .n_out = 2, .activation = BP_TANH },
                                         { .n_out = 2, .activation = BP_TANH },
                                         { .n_out = OUT, .activation = BP_SIGMOID } };
static const bp_layer_config *const kinds[] = { plain, rich, small };

struct data {
    bp_real X[ROWS * IN], T[ROWS * OUT];
};

static void fill(struct data *data)
{
    for (size_t i = 0; i < COUNT(data->X); i++)
        data->X[i] = R(i % 7) / R(7);
    for (size_t i = 0; i < COUNT(data->T); i++)
        data->T[i] = R(i % OUT == 0);
}

static void predict(const bp_network *net, const struct data *data, size_t batch)
{
    bp_workspace ws;
    bp_real Y[ROWS * OUT];
    assert_int_equal(bp_workspace_init(&ws, net, batch, BP_INFERENCE), BP_OK);
    assert_int_equal(bp_predict(net, &ws, data->X, batch, Y), BP_OK);
    bp_workspace_free(&ws);
}

static void learn(bp_network *net, const struct data *data, bp_optimizer_kind kind, size_t batch)
{
    bp_optimizer opt;
    const bp_optimizer_config config = { .kind = kind, .learning_rate = R(0.01) };
    assert_int_equal(bp_optimizer_init(&opt, &config, &net->parameters), BP_OK);
    const bp_dataset dataset = {
        .rows = ROWS, .n_in = IN, .n_out = OUT, .X = { .data = data->X }, .T = { .data = data->T }
    };
    const bp_train_config training = { .epochs = 2, .batch = batch };
    assert_int_equal(bp_train(net, &opt, &dataset, &training, NULL), BP_OK);
    bp_optimizer_free(&opt);
}

static size_t products_with_batches_of(const bp_layer_config *layers, size_t batch)
{
    bp_network net;
    struct data data;
    fill(&data);
    const bp_network_config config = { .n_in = IN, .n_layers = 3, .layers = layers };
    assert_int_equal(bp_network_init(&net, &config), BP_OK);
    n_products = 0;
    predict(&net, &data, batch);
    learn(&net, &data, BP_SGD, batch);
    learn(&net, &data, BP_ADAM, batch);
    bp_network_free(&net);
    return n_products;
}

static void a_single_row_calls_no_blas(void **state)
{
    (void)state;
#ifndef WRAPS_BLAS
    skip();
#endif
    for (size_t k = 0; k < COUNT(kinds); k++)
        assert_int_equal(products_with_batches_of(kinds[k], 1), 0);
    assert_true(products_with_batches_of(plain, 2) > 0); /* the counter counts */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_single_row_calls_no_blas) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
