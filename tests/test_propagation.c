// SPDX-License-Identifier: MIT
/*
 * Forward, loss, backward and predict: numbers worked out by hand, what must agree to the bit, the order in which the calls
 * may come, and what is refused. That gradients are right for every activation and loss is test_gradients.c's affair.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "backprop/network.h"
#include "backprop/propagation.h"
#include "backprop/rng.h"
#include "backprop/workspace.h"
#include "net/propagation.h"
#include "support/close.h"
#include "support/levels.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define R(x) ((bp_real)(x))

static const bp_loss mean_squared_error = { .kind = BP_SQUARED_ERROR, .reduction = BP_REDUCE_MEAN };
static const bp_loss sum_squared_error = { .kind = BP_SQUARED_ERROR, .reduction = BP_REDUCE_SUM };
static const bp_mode modes[] = { BP_INFERENCE, BP_TRAINING };

static void make(bp_network *net, size_t n_in, size_t n_layers, const bp_layer_config *layers)
{
    const bp_network_config config = { .n_in = n_in, .n_layers = n_layers, .layers = layers, .seed = 1 };
    assert_int_equal(bp_network_init(net, &config), BP_OK);
}

static void fill_normal(bp_real *x, size_t n, uint64_t seed)
{
    bp_rng rng;
    bp_rng_init(&rng, seed);
    for (size_t i = 0; i < n; i++)
        x[i] = R(bp_rng_normal(&rng));
}

static void fill_with(bp_real *x, size_t n, bp_real value)
{
    for (size_t i = 0; i < n; i++)
        x[i] = value;
}

static void assert_close_to_each(const bp_real *actual, const bp_real *expected, size_t n, double bound)
{
    for (size_t i = 0; i < n; i++)
        assert_close((double)actual[i], (double)expected[i], bound);
}

/* ---- A network worked out by hand -------------------------------------------------------------------------------- */

/*
 * 2 inputs, 3 leaky relus of slope 1/4, 2 identities; 2 rows; the mean of 1/2 sum (y - t)^2. All numbers are binary
 * fractions of few bits, so both precisions compute them exactly, whatever the order of summation.
 */
static const bp_real by_hand_params[] = {
    R(1),   R(0.5),   R(-1),  R(1),    R(2), R(-0.5), /* W of layer 0, 3 x 2 */
    R(0.5), R(-0.25), R(0),                           /* b */
    R(1),   R(-1),    R(0.5), R(0.25), R(2), R(-1),   /* W of layer 1, 2 x 3 */
    R(0.5), R(1),                                     /* b */
};
static const bp_real by_hand_X[] = { R(1), R(-2), R(0.5), R(1) };
static const bp_real by_hand_T[] = { R(3), R(-3), R(2.5), R(1) };

static const bp_real by_hand_Z0[] = { R(0.5), R(-3.25), R(3), R(1.5), R(0.25), R(0.5) };
static const bp_real by_hand_A0[] = { R(0.5), R(-0.8125), R(3), R(1.5), R(0.25), R(0.5) };
static const bp_real by_hand_Y[] = { R(3.3125), R(-3.5), R(2), R(1.375) };
static const bp_real by_hand_L = R(0.1845703125); /* (0.3125^2 + 0.5^2 + 0.5^2 + 0.375^2) / 2 / 2 rows */
static const bp_real by_hand_dZ1[] = { R(0.15625), R(-0.25), R(-0.25), R(0.1875) }; /* (Y - T) / 2 rows */
static const bp_real by_hand_grad[] = {
    R(-0.0078125), R(-0.390625),    R(0.1484375), R(0.953125), R(0.171875), R(-0.96875), /* dW_0 = dZ_0^T X */
    R(-0.109375),  R(0.4609375),    R(0.015625),                                         /* db_0 */
    R(-0.296875),  R(-0.189453125), R(0.34375),   R(0.15625),  R(0.25),     R(-0.65625), /* dW_1 = dZ_1^T A_0 */
    R(-0.09375),   R(-0.0625),                                                           /* db_1 */
};
static const bp_real by_hand_dX[] = { R(0.9140625), R(-0.28125), R(-1.453125), R(0.6796875) }; /* dZ_0 W_0 */

struct by_hand {
    bp_network net;
    bp_workspace ws;
    bp_targets T;
    bp_real grad[COUNT(by_hand_params)], dX[COUNT(by_hand_X)];
};

/* Layers, parameters and a workspace of two rows; nothing has been run. */
static void make_by_hand(struct by_hand *f, bp_mode mode)
{
    const bp_layer_config layers[] = { { .n_out = 3, .activation = BP_LEAKY_RELU, .parameter = R(0.25) }, { .n_out = 2 } };
    make(&f->net, 2, 2, layers);
    assert_int_equal(f->net.parameters.n_params, COUNT(by_hand_params));
    memcpy(f->net.parameters.params, by_hand_params, sizeof by_hand_params);
    assert_int_equal(bp_workspace_init(&f->ws, &f->net, 2, mode), BP_OK);
    f->T = (bp_targets){ .values = by_hand_T };
}

static void free_by_hand(struct by_hand *f)
{
    bp_workspace_free(&f->ws);
    bp_network_free(&f->net);
}

static void run_forward_and_loss(struct by_hand *f)
{
    assert_int_equal(bp_network_forward(&f->net, &f->ws, by_hand_X, 2), BP_OK);
    assert_int_equal(bp_network_loss(&f->net, &f->ws, &mean_squared_error, &f->T, NULL), BP_OK);
}

/* What backward must give in f->grad and f->dX, times `factor`. */
static void assert_gradient_by_hand(const struct by_hand *f, bp_real factor)
{
    for (size_t i = 0; i < COUNT(by_hand_grad); i++)
        assert_true(f->grad[i] == factor * by_hand_grad[i]);
    for (size_t i = 0; i < COUNT(by_hand_dX); i++)
        assert_true(f->dX[i] == factor * by_hand_dX[i]);
}

static void forward_is_exact_on_binary_fractions(void **state)
{
    (void)state;
    struct by_hand f;
    make_by_hand(&f, BP_TRAINING);
    assert_int_equal(bp_network_forward(&f.net, &f.ws, by_hand_X, 2), BP_OK);

    assert_memory_equal(f.ws.Z[0], by_hand_Z0, sizeof by_hand_Z0);
    assert_memory_equal(f.ws.A[0], by_hand_A0, sizeof by_hand_A0);
    assert_memory_equal(f.ws.Z[1], by_hand_Y, sizeof by_hand_Y);
    assert_memory_equal(f.ws.Y, by_hand_Y, sizeof by_hand_Y);
    assert_int_equal(f.ws.batch, 2);
    free_by_hand(&f);
}

static void loss_is_exact_on_binary_fractions(void **state)
{
    (void)state;
    for (size_t m = 0; m < COUNT(modes); m++) {
        struct by_hand f;
        bp_real L = R(NAN);
        make_by_hand(&f, modes[m]);
        assert_int_equal(bp_network_forward(&f.net, &f.ws, by_hand_X, 2), BP_OK);
        assert_int_equal(bp_network_loss(&f.net, &f.ws, &mean_squared_error, &f.T, &L), BP_OK);
        assert_true(L == by_hand_L);
        assert_int_equal(f.ws.has_loss, modes[m] == BP_TRAINING);
        if (modes[m] == BP_TRAINING)
            assert_memory_equal(f.ws.dZ, by_hand_dZ1, sizeof by_hand_dZ1);

        assert_int_equal(bp_network_loss(&f.net, &f.ws, &sum_squared_error, &f.T, &L), BP_OK);
        assert_true(L == 2 * by_hand_L);
        free_by_hand(&f);
    }
}

static void gradient_is_exact_on_binary_fractions(void **state)
{
    (void)state;
    struct by_hand f;
    make_by_hand(&f, BP_TRAINING);
    run_forward_and_loss(&f);

    fill_with(f.grad, COUNT(f.grad), R(NAN)); /* what is overwritten does not matter */
    fill_with(f.dX, COUNT(f.dX), R(NAN));
    assert_int_equal(bp_network_backward(&f.net, &f.ws, NULL, f.grad, f.dX, BP_OVERWRITE), BP_OK);
    assert_gradient_by_hand(&f, R(1));
    free_by_hand(&f);
}

/* ---- Forward and predict ----------------------------------------------------------------------------------------- */

enum { IN = 7, OUT = 4, ROWS = 37 };

/* A network with something of everything. */
static const bp_layer_config mixed_layers[] = {
    { .n_out = 13, .activation = BP_TANH },
    { .n_out = 6, .activation = BP_LEAKY_RELU },
    { .n_out = 11, .activation = BP_SIGMOID },
    { .n_out = OUT, .activation = BP_SOFTMAX },
};

struct mixed {
    bp_network net;
    bp_workspace ws;
    bp_real X[ROWS * IN], T[ROWS * OUT], Y[ROWS * OUT];
};

static void make_mixed(struct mixed *f, bp_mode mode)
{
    make(&f->net, IN, COUNT(mixed_layers), mixed_layers);
    fill_normal(f->X, COUNT(f->X), 2);
    fill_normal(f->T, COUNT(f->T), 3);
    assert_int_equal(bp_workspace_init(&f->ws, &f->net, ROWS, mode), BP_OK);
}

static void free_mixed(struct mixed *f)
{
    bp_workspace_free(&f->ws);
    bp_network_free(&f->net);
}

/*
 * BLAS may sum a row alone in another order than the row in a batch. Sums of at most 14 products whose sizes add up to a
 * few units, through 4 layers that hardly magnify: well within 100 roundings.
 */
static void batch_gives_each_row_what_it_gets_alone(void **state)
{
    (void)state;
    struct mixed f;
    make_mixed(&f, BP_INFERENCE);
    assert_int_equal(bp_network_forward(&f.net, &f.ws, f.X, ROWS), BP_OK);
    memcpy(f.Y, f.ws.Y, sizeof f.Y);

    for (size_t i = 0; i < ROWS; i++) {
        bp_real y[OUT];
        assert_int_equal(bp_predict(&f.net, &f.ws, f.X + i * IN, 1, y), BP_OK);
        assert_close_to_each(y, f.Y + i * OUT, OUT, 100 * (double)BP_REAL_EPSILON);
    }
    free_mixed(&f);
}

static void inputs_are_not_copied(void **state)
{
    (void)state;
    struct mixed f;
    make_mixed(&f, BP_TRAINING);
    assert_int_equal(bp_network_forward(&f.net, &f.ws, f.X + IN, 5), BP_OK);

    assert_ptr_equal(f.ws.X, f.X + IN);
    assert_int_equal(f.ws.batch, 5);
    assert_ptr_equal(f.ws.Y, f.ws.A[f.ws.n_layers - 1]);
    free_mixed(&f);
}

/* f(z) = 2 z, as a user's function. */
static void apply_doubling(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    (void)parameter, (void)user;
    for (size_t i = 0; i < rows * n; i++)
        A[i] = Z[i] + Z[i];
}

static void pull_doubling(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                          const bp_real *dA, bp_real *dZ)
{
    (void)Z, (void)A;
    apply_doubling(rows, n, parameter, user, dA, dZ);
}

static const bp_activation_function doubling = { .name = "doubling", .apply = apply_doubling, .pull_back = pull_doubling };

/* Each activation as hidden and as output layer; Y of predict at an odd address, as users have it. */
static void predict_gives_the_bits_of_forward(void **state)
{
    (void)state;
    bp_real X[ROWS * IN], Y[1 + ROWS * 5];
    fill_normal(X, COUNT(X), 4);
    for (int f = 0; f < (int)BP_N_ACTIVATIONS * 2; f++) {
        const bp_activation activation = (bp_activation)(f / 2);
        const bp_activation_function *custom = activation == BP_CUSTOM_ACTIVATION ? &doubling : NULL;
        const bp_layer_config layers[] = { { .n_out = 9, .activation = activation, .custom = custom },
                                           { .n_out = 5, .activation = activation, .custom = custom } };
        bp_network net;
        bp_workspace ws, other;
        make(&net, IN, 2, layers);
        assert_int_equal(bp_workspace_init(&ws, &net, ROWS, modes[f % 2]), BP_OK);
        assert_int_equal(bp_workspace_init(&other, &net, ROWS, modes[1 - f % 2]), BP_OK);
        for (size_t batch = 1; batch <= ROWS; batch += 6) {
            assert_int_equal(bp_network_forward(&net, &ws, X, batch), BP_OK);
            assert_int_equal(bp_predict(&net, &other, X, batch, Y + 1), BP_OK);
            assert_memory_equal(Y + 1, ws.Y, batch * 5 * sizeof(bp_real));
        }
        bp_workspace_free(&other);
        bp_workspace_free(&ws);
        bp_network_free(&net);
    }
}

static void predict_writes_its_rows_and_no_more(void **state)
{
    (void)state;
    struct mixed f;
    make_mixed(&f, BP_INFERENCE);
    fill_with(f.Y, COUNT(f.Y), R(77));
    assert_int_equal(bp_predict(&f.net, &f.ws, f.X, 3, f.Y + OUT), BP_OK);

    for (size_t i = 0; i < COUNT(f.Y); i++) {
        const bool outside = i < OUT || i >= 4 * OUT;
        assert_int_equal(f.Y[i] == R(77), outside);
    }
    free_mixed(&f);
}

/* What an earlier, larger batch has left behind does not count. */
static void small_batch_after_a_large_one_is_the_small_batch(void **state)
{
    (void)state;
    struct mixed f, fresh;
    make_mixed(&f, BP_TRAINING);
    make_mixed(&fresh, BP_TRAINING);
    bp_real L, fresh_L;
    const bp_targets T = { .labels = (const int32_t[]){ 0, 3, 2 } };
    const bp_loss loss = { .kind = BP_CROSS_ENTROPY };

    assert_int_equal(bp_network_forward(&f.net, &f.ws, f.X, ROWS), BP_OK);
    assert_int_equal(bp_network_forward(&f.net, &f.ws, f.X, 3), BP_OK);
    assert_int_equal(bp_network_forward(&fresh.net, &fresh.ws, fresh.X, 3), BP_OK);
    assert_int_equal(bp_network_loss(&f.net, &f.ws, &loss, &T, &L), BP_OK);
    assert_int_equal(bp_network_loss(&fresh.net, &fresh.ws, &loss, &T, &fresh_L), BP_OK);
    assert_true(L == fresh_L);
    assert_memory_equal(f.ws.Y, fresh.ws.Y, 3 * OUT * sizeof(bp_real));
    free_mixed(&f);
    free_mixed(&fresh);
}

/* ---- Shapes ------------------------------------------------------------------------------------------------------ */

/*
 * 50 layers of one unit, weights 2 and 1/2 in turn, biases 1/4, no activation, one row: each step by hand is one product
 * and one sum, and exact. The loss is taken to have the gradient 1 for y.
 */
static void fifty_layers_of_one_unit_are_a_chain(void **state)
{
    (void)state;
    enum { DEPTH = 50 };
    bp_layer_config layers[DEPTH];
    for (size_t l = 0; l < DEPTH; l++)
        layers[l] = (bp_layer_config){ .n_out = 1 };
    bp_network net;
    bp_workspace ws;
    make(&net, 1, DEPTH, layers);
    assert_int_equal(bp_workspace_init(&ws, &net, 1, BP_TRAINING), BP_OK);

    const bp_real x = R(3), dy = R(1);
    bp_real grad[2 * DEPTH], dx, a[DEPTH + 1] = { x };
    for (size_t l = 0; l < DEPTH; l++) {
        net.layers[l].W[0] = l % 2 == 0 ? R(2) : R(0.5);
        net.layers[l].b[0] = R(0.25);
        a[l + 1] = net.layers[l].W[0] * a[l] + R(0.25);
    }
    assert_int_equal(bp_network_forward(&net, &ws, &x, 1), BP_OK);
    assert_int_equal(bp_network_backward(&net, &ws, &dy, grad, &dx, BP_OVERWRITE), BP_OK);

    bp_real delta = R(1);
    for (size_t l = DEPTH; l-- > 0; delta *= net.layers[l].W[0]) {
        assert_true(ws.A[l][0] == a[l + 1]);
        assert_true(grad[2 * l] == delta * a[l]);
        assert_true(grad[2 * l + 1] == delta);
    }
    assert_true(dx == delta);
    bp_workspace_free(&ws);
    bp_network_free(&net);
}

/* Y = X W^T + 1 b^T, so dW = dY^T X, db = dY^T 1, dX = dY W. */
static void network_of_one_layer_is_a_linear_map(void **state)
{
    (void)state;
    const bp_layer_config layer = { .n_out = 2 };
    const bp_real params[] = { R(1), R(2), R(3), R(-4), R(0.5), R(-1) }; /* W 2 x 2, b */
    const bp_real X[] = { R(1), R(1), R(2), R(-1), R(0), R(4) }, dY[] = { R(1), R(0), R(0), R(1), R(-1), R(2) };
    const bp_real Y[] = { R(3.5), R(-2), R(0.5), R(9), R(8.5), R(-17) };
    const bp_real dW_db[] = { R(1), R(-3), R(2), R(7), R(0), R(3) };
    const bp_real dX[] = { R(1), R(2), R(3), R(-4), R(5), R(-10) };
    bp_real grad[6], found_dX[6];
    bp_network net;
    bp_workspace ws;
    make(&net, 2, 1, &layer);
    memcpy(net.parameters.params, params, sizeof params);
    assert_int_equal(bp_workspace_init(&ws, &net, 3, BP_TRAINING), BP_OK);

    assert_int_equal(bp_network_forward(&net, &ws, X, 3), BP_OK);
    assert_int_equal(bp_network_backward(&net, &ws, dY, grad, found_dX, BP_OVERWRITE), BP_OK);
    assert_memory_equal(ws.Y, Y, sizeof Y);
    assert_memory_equal(grad, dW_db, sizeof grad);
    assert_memory_equal(found_dX, dX, sizeof dX);
    bp_workspace_free(&ws);
    bp_network_free(&net);
}

/* ---- Backward ---------------------------------------------------------------------------------------------------- */

static void backward_may_be_repeated(void **state)
{
    (void)state;
    struct by_hand f;
    make_by_hand(&f, BP_TRAINING);
    run_forward_and_loss(&f);
    const bp_real dY[4] = { R(1), R(-7), R(11), R(3) };

    for (int i = 0; i < 3; i++) {
        assert_int_equal(bp_network_backward(&f.net, &f.ws, dY, f.grad, f.dX, BP_OVERWRITE), BP_OK); /* leaves no trace */
        fill_with(f.grad, COUNT(f.grad), R(NAN));
        assert_int_equal(bp_network_backward(&f.net, &f.ws, NULL, f.grad, f.dX, BP_OVERWRITE), BP_OK);
        assert_gradient_by_hand(&f, R(1));
    }
    assert_memory_equal(f.ws.Z[0], by_hand_Z0, sizeof by_hand_Z0);
    assert_memory_equal(f.ws.A[0], by_hand_A0, sizeof by_hand_A0);
    assert_memory_equal(f.ws.Y, by_hand_Y, sizeof by_hand_Y);
    assert_memory_equal(f.ws.dZ, by_hand_dZ1, sizeof by_hand_dZ1);
    free_by_hand(&f);
}

static void either_gradient_may_be_left_out(void **state)
{
    (void)state;
    struct by_hand f;
    make_by_hand(&f, BP_TRAINING);
    run_forward_and_loss(&f);

    assert_int_equal(bp_network_backward(&f.net, &f.ws, NULL, NULL, NULL, BP_OVERWRITE), BP_OK);
    assert_int_equal(bp_network_backward(&f.net, &f.ws, NULL, f.grad, NULL, BP_OVERWRITE), BP_OK);
    assert_int_equal(bp_network_backward(&f.net, &f.ws, NULL, NULL, f.dX, BP_OVERWRITE), BP_OK);
    assert_gradient_by_hand(&f, R(1));
    free_by_hand(&f);
}

static void gradient_is_added_on_request(void **state)
{
    (void)state;
    struct by_hand f;
    make_by_hand(&f, BP_TRAINING);
    run_forward_and_loss(&f);

    assert_int_equal(bp_network_backward(&f.net, &f.ws, NULL, f.grad, f.dX, BP_OVERWRITE), BP_OK);
    for (int i = 2; i <= 4; i++) {
        assert_int_equal(bp_network_backward(&f.net, &f.ws, NULL, f.grad, f.dX, BP_ACCUMULATE), BP_OK);
        assert_gradient_by_hand(&f, R(i));
    }
    free_by_hand(&f);
}

/* The gradient of one row of the network by hand is added to grad. */
static void accumulate_row(struct by_hand *f, size_t i)
{
    const bp_targets T = { .values = by_hand_T + i * 2 };
    assert_int_equal(bp_network_forward(&f->net, &f->ws, by_hand_X + i * 2, 1), BP_OK);
    assert_int_equal(bp_network_loss(&f->net, &f->ws, &sum_squared_error, &T, NULL), BP_OK);
    assert_int_equal(bp_network_backward(&f->net, &f->ws, NULL, f->grad, f->dX + i * 2, BP_ACCUMULATE), BP_OK);
}

/* With the sum of the rows' losses, which is 2 times the mean of 2 rows. */
static void rows_accumulated_one_by_one_are_the_batch(void **state)
{
    (void)state;
    struct by_hand f;
    make_by_hand(&f, BP_TRAINING);
    fill_with(f.grad, COUNT(f.grad), R(0));
    fill_with(f.dX, COUNT(f.dX), R(0));
    accumulate_row(&f, 0);
    accumulate_row(&f, 1);

    assert_gradient_by_hand(&f, R(2));
    free_by_hand(&f);
}

/* dY = (Y - T) / rows is what the mean squared error begins with; no loss has been taken. */
/* tanh that counts how often its way back is taken. */
static void counting_apply(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, bp_real *A)
{
    (void)parameter, (void)user;
    for (size_t i = 0; i < rows * n; i++)
        A[i] = R(tanh((double)Z[i]));
}

static void counting_pull_back(size_t rows, size_t n, bp_real parameter, void *user, const bp_real *Z, const bp_real *A,
                               const bp_real *dA, bp_real *dZ)
{
    (void)parameter, (void)Z;
    ++*(int *)user;
    for (size_t i = 0; i < rows * n; i++)
        dZ[i] = dA[i] * (R(1) - A[i] * A[i]);
}

/*
 * What a trainer asks for. The gradient of all others is the one that users get, to the bit, and the walk goes no lower than the
 * lowest of them: it takes as many hidden layers' way back as lie above what is frozen at the bottom.
 */
static void frozen_layers_are_skipped_on_request(void **state)
{
    (void)state;
    enum { WIDTH = 3, LAYERS = 4, EACH = WIDTH * WIDTH + WIDTH, ALL = LAYERS * EACH };
    int ways_back;
    const bp_activation_function counting = { "counting", counting_apply, counting_pull_back, &ways_back };
    bp_layer_config layers[LAYERS];
    for (size_t l = 0; l < LAYERS; l++)
        layers[l] = (bp_layer_config){ .n_out = WIDTH };
    for (size_t l = 0; l + 1 < LAYERS; l++)
        layers[l].activation = BP_CUSTOM_ACTIVATION, layers[l].custom = &counting;
    for (unsigned frozen = 0; frozen < 1u << LAYERS; frozen++) {
        bp_network net;
        bp_workspace ws;
        bp_real X[2 * WIDTH], T[2 * WIDTH], all[ALL], some[ALL], dX[2 * WIDTH], dX_again[2 * WIDTH];
        for (size_t l = 0; l < LAYERS; l++)
            layers[l].frozen = frozen >> l & 1;
        make(&net, WIDTH, LAYERS, layers);
        fill_normal(X, COUNT(X), 1);
        fill_normal(T, COUNT(T), 2);
        assert_int_equal(bp_workspace_init(&ws, &net, 2, BP_TRAINING), BP_OK);
        assert_int_equal(bp_network_forward(&net, &ws, X, 2), BP_OK);
        assert_int_equal(bp_network_loss(&net, &ws, &mean_squared_error, &(bp_targets){ .values = T }, NULL), BP_OK);
        assert_int_equal(bp_network_backward(&net, &ws, NULL, all, dX, BP_OVERWRITE), BP_OK);

        fill_with(some, ALL, R(77));
        ways_back = 0;
        const struct bpi_sink sink = { .base = some, .alpha = R(1), .skips_frozen = true };
        bpi_network_backward(&net, &ws, NULL, &sink, NULL, R(0));
        int lowest = 0;
        while (lowest < LAYERS && layers[lowest].frozen)
            lowest++;
        assert_int_equal(ways_back, lowest < LAYERS ? LAYERS - 1 - lowest : 0);
        for (size_t i = 0; i < ALL; i++)
            assert_true(some[i] == (layers[i / EACH].frozen ? R(77) : all[i]));

        bpi_network_backward(&net, &ws, NULL, &sink, dX_again, R(0)); /* dX is wanted through frozen layers, too */
        assert_memory_equal(dX_again, dX, sizeof dX);
        bp_workspace_free(&ws);
        bp_network_free(&net);
    }
}

static void gradient_may_start_from_any_dY(void **state)
{
    (void)state;
    struct by_hand f;
    make_by_hand(&f, BP_TRAINING);
    assert_int_equal(bp_network_forward(&f.net, &f.ws, by_hand_X, 2), BP_OK);
    bp_real dY[4];
    for (size_t i = 0; i < 4; i++)
        dY[i] = (by_hand_Y[i] - by_hand_T[i]) / 2;

    assert_int_equal(bp_network_backward(&f.net, &f.ws, dY, f.grad, f.dX, BP_OVERWRITE), BP_OK);
    assert_gradient_by_hand(&f, R(1));
    assert_false(f.ws.has_loss);
    free_by_hand(&f);
}

/* A softmax output: dY goes back through its derivative, as the squared error does by itself. */
static void dY_goes_through_the_output_activation(void **state)
{
    (void)state;
    enum { N_PARAMS = 8 * 13 + 14 * 6 + 7 * 11 + 12 * 4 };
    struct mixed f;
    make_mixed(&f, BP_TRAINING);
    bp_real dY[ROWS * OUT], by_loss[N_PARAMS], by_dY[N_PARAMS];
    const bp_targets T = { .values = f.T };
    assert_int_equal(f.net.parameters.n_params, N_PARAMS);
    assert_int_equal(bp_network_forward(&f.net, &f.ws, f.X, ROWS), BP_OK);
    for (size_t i = 0; i < COUNT(dY); i++)
        dY[i] = f.ws.Y[i] - f.T[i];

    assert_int_equal(bp_network_loss(&f.net, &f.ws, &sum_squared_error, &T, NULL), BP_OK);
    assert_int_equal(bp_network_backward(&f.net, &f.ws, NULL, by_loss, NULL, BP_OVERWRITE), BP_OK);
    assert_int_equal(bp_network_backward(&f.net, &f.ws, dY, by_dY, NULL, BP_OVERWRITE), BP_OK);
    assert_memory_equal(by_loss, by_dY, sizeof by_dY);
    free_mixed(&f);
}

static void backward_writes_its_arrays_and_no_more(void **state)
{
    (void)state;
    struct by_hand f;
    bp_real grad[COUNT(by_hand_grad) + 2], dX[COUNT(by_hand_dX) + 2];
    make_by_hand(&f, BP_TRAINING);
    run_forward_and_loss(&f);
    fill_with(grad, COUNT(grad), R(77));
    fill_with(dX, COUNT(dX), R(77));
    assert_int_equal(bp_network_backward(&f.net, &f.ws, NULL, grad + 1, dX + 1, BP_OVERWRITE), BP_OK);

    assert_true(grad[0] == R(77) && grad[COUNT(grad) - 1] == R(77));
    assert_true(dX[0] == R(77) && dX[COUNT(dX) - 1] == R(77));
    assert_memory_equal(grad + 1, by_hand_grad, sizeof by_hand_grad);
    assert_memory_equal(dX + 1, by_hand_dX, sizeof by_hand_dX);
    free_by_hand(&f);
}

static void network_is_only_read(void **state)
{
    (void)state;
    struct by_hand f;
    make_by_hand(&f, BP_TRAINING);
    const bp_network before = f.net;
    bp_real Y[4];
    run_forward_and_loss(&f);
    assert_int_equal(bp_network_backward(&f.net, &f.ws, NULL, f.grad, f.dX, BP_OVERWRITE), BP_OK);
    assert_int_equal(bp_predict(&f.net, &f.ws, by_hand_X, 2, Y), BP_OK);

    assert_memory_equal(&f.net, &before, sizeof before);
    assert_memory_equal(f.net.parameters.params, by_hand_params, sizeof by_hand_params);
    free_by_hand(&f);
}

/* ---- The order of calls ------------------------------------------------------------------------------------------ */

static bp_status backward_from_loss(struct by_hand *f)
{
    return bp_network_backward(&f->net, &f->ws, NULL, f->grad, f->dX, BP_OVERWRITE);
}

static bp_status backward_from_dY(struct by_hand *f)
{
    return bp_network_backward(&f->net, &f->ws, by_hand_Y, f->grad, f->dX, BP_OVERWRITE);
}

static bp_status take_loss(struct by_hand *f)
{
    return bp_network_loss(&f->net, &f->ws, &mean_squared_error, &f->T, NULL);
}

static void nothing_goes_back_before_a_forward_pass(void **state)
{
    (void)state;
    struct by_hand f;
    make_by_hand(&f, BP_TRAINING);

    assert_refused(take_loss(&f), BP_ERR_STATE, "network_loss: ws holds no forward pass");
    assert_refused(backward_from_loss(&f), BP_ERR_STATE, "network_backward: ws holds no forward pass");
    assert_refused(backward_from_dY(&f), BP_ERR_STATE, "network_backward: ws holds no forward pass");
    run_forward_and_loss(&f);
    assert_int_equal(backward_from_loss(&f), BP_OK);
    assert_gradient_by_hand(&f, R(1));
    free_by_hand(&f);
}

static void backward_needs_the_loss_of_this_pass(void **state)
{
    (void)state;
    struct by_hand f;
    make_by_hand(&f, BP_TRAINING);
    assert_int_equal(bp_network_forward(&f.net, &f.ws, by_hand_X, 2), BP_OK);
    assert_refused(backward_from_loss(&f), BP_ERR_STATE, "network_backward: ws holds no loss", "bp_network_loss()");

    assert_int_equal(take_loss(&f), BP_OK);
    assert_int_equal(bp_network_forward(&f.net, &f.ws, by_hand_X, 2), BP_OK); /* the loss is that of an older pass now */
    assert_false(f.ws.has_loss);
    assert_refused(backward_from_loss(&f), BP_ERR_STATE, "network_backward: ws holds no loss", "bp_network_loss()");
    free_by_hand(&f);
}

static void predict_leaves_no_forward_pass(void **state)
{
    (void)state;
    struct by_hand f;
    bp_real Y[4];
    make_by_hand(&f, BP_TRAINING);
    run_forward_and_loss(&f);
    assert_int_equal(bp_predict(&f.net, &f.ws, by_hand_X, 2, Y), BP_OK);

    assert_memory_equal(Y, by_hand_Y, sizeof Y);
    assert_int_equal(f.ws.batch, 0);
    assert_refused(take_loss(&f), BP_ERR_STATE, "network_loss: ws holds no forward pass");
    assert_refused(backward_from_loss(&f), BP_ERR_STATE, "network_backward: ws holds no forward pass");
    assert_refused(backward_from_dY(&f), BP_ERR_STATE, "network_backward: ws holds no forward pass");
    free_by_hand(&f);
}

static void nothing_goes_back_in_a_workspace_for_inference(void **state)
{
    (void)state;
    struct by_hand f;
    make_by_hand(&f, BP_INFERENCE);
    run_forward_and_loss(&f);

    assert_refused(backward_from_loss(&f), BP_ERR_STATE, "network_backward: ws was made for inference");
    assert_refused(backward_from_dY(&f), BP_ERR_STATE, "network_backward: ws was made for inference");
    free_by_hand(&f);
}

/* ---- What is refused --------------------------------------------------------------------------------------------- */

static void null_pointers_are_refused(void **state)
{
    (void)state;
    struct by_hand f;
    bp_real Y[4];
    make_by_hand(&f, BP_TRAINING);
    const bp_network *net = &f.net;

    assert_refused(bp_network_forward(NULL, &f.ws, by_hand_X, 2), BP_ERR_ARGUMENT, "network_forward: net is NULL");
    assert_refused(bp_network_forward(net, NULL, by_hand_X, 2), BP_ERR_ARGUMENT, "network_forward: ws is NULL");
    assert_refused(bp_network_forward(net, &f.ws, NULL, 2), BP_ERR_ARGUMENT, "network_forward: X is NULL");
    assert_refused(bp_predict(NULL, &f.ws, by_hand_X, 2, Y), BP_ERR_ARGUMENT, "predict: net is NULL");
    assert_refused(bp_predict(net, NULL, by_hand_X, 2, Y), BP_ERR_ARGUMENT, "predict: ws is NULL");
    assert_refused(bp_predict(net, &f.ws, NULL, 2, Y), BP_ERR_ARGUMENT, "predict: X is NULL");
    assert_refused(bp_predict(net, &f.ws, by_hand_X, 2, NULL), BP_ERR_ARGUMENT, "predict: Y is NULL");

    run_forward_and_loss(&f);
    const bp_loss *loss = &mean_squared_error;
    assert_refused(bp_network_loss(NULL, &f.ws, loss, &f.T, NULL), BP_ERR_ARGUMENT, "network_loss: net is NULL");
    assert_refused(bp_network_loss(net, NULL, loss, &f.T, NULL), BP_ERR_ARGUMENT, "network_loss: ws is NULL");
    assert_refused(bp_network_loss(net, &f.ws, NULL, &f.T, NULL), BP_ERR_ARGUMENT, "network_loss: loss is NULL");
    assert_refused(bp_network_loss(net, &f.ws, loss, NULL, NULL), BP_ERR_ARGUMENT, "network_loss: T is NULL");
    assert_refused(bp_network_backward(NULL, &f.ws, NULL, f.grad, f.dX, BP_OVERWRITE), BP_ERR_ARGUMENT,
                   "network_backward: net is NULL");
    assert_refused(bp_network_backward(net, NULL, NULL, f.grad, f.dX, BP_OVERWRITE), BP_ERR_ARGUMENT,
                   "network_backward: ws is NULL");
    free_by_hand(&f);
}

/* All four calls with this network and workspace. */
static void refuse_all(const bp_network *net, bp_workspace *ws, bp_status status, const char *sentence)
{
    bp_real Y[4] = { 0 }, grad[COUNT(by_hand_grad)] = { 0 };
    const bp_targets T = { .values = by_hand_T };
    assert_refused(bp_network_forward(net, ws, by_hand_X, 1), status, "network_forward: ", sentence);
    assert_refused(bp_predict(net, ws, by_hand_X, 1, Y), status, "predict: ", sentence);
    assert_refused(bp_network_loss(net, ws, &mean_squared_error, &T, NULL), status, "network_loss: ", sentence);
    assert_refused(bp_network_backward(net, ws, by_hand_Y, grad, NULL, BP_OVERWRITE), status,
                   "network_backward: ", sentence);
    for (size_t i = 0; i < COUNT(Y); i++)
        assert_true(Y[i] == R(0));
    for (size_t i = 0; i < COUNT(grad); i++)
        assert_true(grad[i] == R(0));
}

static void objects_not_initialised_are_refused(void **state)
{
    (void)state;
    const bp_network no_net = { 0 };
    bp_workspace no_ws = { 0 };
    struct by_hand f;
    make_by_hand(&f, BP_TRAINING);

    refuse_all(&no_net, &f.ws, BP_ERR_STATE, "net has no layers");
    refuse_all(&f.net, &no_ws, BP_ERR_STATE, "ws is empty");
    free_by_hand(&f);
}

/* Beside 2 - 3 leaky - 2: another width, another activation, another depth, and the same number of parameters. */
static void workspace_of_another_topology_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t n_in, n_layers;
        bp_layer_config layers[3];
    } others[] = {
        { 3, 2, { { .n_out = 3, .activation = BP_LEAKY_RELU }, { .n_out = 2 } } },
        { 2, 2, { { .n_out = 4, .activation = BP_LEAKY_RELU }, { .n_out = 2 } } },
        { 2, 2, { { .n_out = 3, .activation = BP_LEAKY_RELU }, { .n_out = 3 } } },
        { 2, 2, { { .n_out = 3, .activation = BP_RELU }, { .n_out = 2 } } },
        { 2, 2, { { .n_out = 3, .activation = BP_LEAKY_RELU }, { .n_out = 2, .activation = BP_SIGMOID } } },
        { 2, 3, { { .n_out = 3, .activation = BP_LEAKY_RELU }, { .n_out = 2 }, { .n_out = 2 } } },
        { 2, 1, { { .n_out = 3, .activation = BP_LEAKY_RELU } } },
        { 16, 1, { { .n_out = 1, .activation = BP_LEAKY_RELU } } }, /* 17 parameters, as there */
    };
    struct by_hand f;
    make_by_hand(&f, BP_TRAINING);
    run_forward_and_loss(&f);
    for (size_t i = 0; i < COUNT(others); i++) {
        bp_network net;
        make(&net, others[i].n_in, others[i].n_layers, others[i].layers);
        refuse_all(&net, &f.ws, BP_ERR_SHAPE, "ws was made for a network of other widths or activations");
        bp_network_free(&net);
    }
    free_by_hand(&f);
}

static void batch_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    const size_t batches[] = { 0, 3, SIZE_MAX };
    const char *const sentences[] = { "batch is 0, ws takes 1 to 2 rows", "batch is 3, ws takes 1 to 2 rows", "batch is " };
    struct by_hand f;
    bp_real Y[4] = { R(77), R(77), R(77), R(77) };
    make_by_hand(&f, BP_TRAINING);
    for (size_t i = 0; i < COUNT(batches); i++) {
        assert_refused(bp_network_forward(&f.net, &f.ws, by_hand_X, batches[i]), BP_ERR_SHAPE,
                       "network_forward: ", sentences[i]);
        assert_refused(bp_predict(&f.net, &f.ws, by_hand_X, batches[i], Y), BP_ERR_SHAPE, "predict: ", sentences[i]);
    }
    for (size_t i = 0; i < COUNT(Y); i++)
        assert_true(Y[i] == R(77));
    free_by_hand(&f);
}

/* Every refused call but that of a loss leaves pass and loss as they are: the way back goes on as if nothing had been. */
static void refused_calls_leave_the_workspace_unchanged(void **state)
{
    (void)state;
    struct by_hand f;
    bp_real Y[4];
    make_by_hand(&f, BP_TRAINING);
    run_forward_and_loss(&f);
    bp_workspace before;
    memcpy(&before, &f.ws, sizeof before); /* padding and all */

    (void)bp_network_forward(NULL, &f.ws, by_hand_X, 2);
    (void)bp_network_forward(&f.net, &f.ws, NULL, 2);
    (void)bp_network_forward(&f.net, &f.ws, by_hand_X, 0);
    (void)bp_network_forward(&f.net, &f.ws, by_hand_X, 3);
    (void)bp_predict(&f.net, &f.ws, by_hand_X, 3, Y);
    (void)bp_predict(&f.net, &f.ws, NULL, 2, Y);
    (void)bp_predict(&f.net, &f.ws, by_hand_X, 2, NULL);
    assert_int_equal(bp_network_backward(&f.net, &f.ws, NULL, f.grad, f.dX, (bp_write)2), BP_ERR_ARGUMENT);
    assert_memory_equal(&f.ws, &before, sizeof before);
    assert_int_equal(backward_from_loss(&f), BP_OK);
    assert_gradient_by_hand(&f, R(1));
    free_by_hand(&f);
}

/* ---- Losses that fail -------------------------------------------------------------------------------------------- */

static const bp_real nan_target[4] = { R(3), R(-3), R(NAN), R(1) };
static const int32_t no_class[2] = { 0, 2 };
static const bp_real negative_weight[2] = { R(1), R(-1) };

static const struct {
    bp_loss loss;
    bp_targets T;
    bp_status status;
    const char *sentence;
} refused_losses[] = {
    { { .kind = BP_N_LOSSES }, { .values = by_hand_T }, BP_ERR_ARGUMENT, "is no loss" },
    { { .kind = (bp_loss_kind)-1 }, { .values = by_hand_T }, BP_ERR_ARGUMENT, "-1 is no loss" },
    { { .reduction = (bp_reduction)2 }, { .values = by_hand_T }, BP_ERR_ARGUMENT, "2 is no reduction" },
    { { .kind = BP_BINARY_CROSS_ENTROPY }, { .values = by_hand_T }, BP_ERR_UNSUPPORTED, "needs a sigmoid output layer" },
    { { .kind = BP_CROSS_ENTROPY }, { .values = by_hand_T }, BP_ERR_UNSUPPORTED, "needs a softmax output layer" },
    { { 0 }, { .values = NULL }, BP_ERR_ARGUMENT, "neither values nor labels" },
    { { 0 }, { .values = by_hand_T, .labels = no_class }, BP_ERR_ARGUMENT, "both values and labels" },
    { { 0 }, { .values = nan_target }, BP_ERR_NONFINITE, "row 1, column 0 is nan" },
    { { 0 }, { .labels = no_class }, BP_ERR_TARGET, "row 1 is 2, the classes are 0 to 1" },
    { { 0 }, { .values = by_hand_T, .weights = negative_weight }, BP_ERR_TARGET, "row 1 is -1" },
};

/* There was a gradient; now there is none, and the next right call makes it again. */
static void check_no_gradient_is_left(struct by_hand *f)
{
    assert_false(f->ws.has_loss);
    assert_refused(backward_from_loss(f), BP_ERR_STATE, "ws holds no loss");
    assert_int_equal(take_loss(f), BP_OK);
    assert_int_equal(backward_from_loss(f), BP_OK);
    assert_gradient_by_hand(f, R(1));
}

static void loss_that_fails_leaves_no_gradient(void **state)
{
    (void)state;
    struct by_hand f;
    make_by_hand(&f, BP_TRAINING);
    run_forward_and_loss(&f);
    for (size_t i = 0; i < COUNT(refused_losses); i++) {
        assert_refused(bp_network_loss(&f.net, &f.ws, &refused_losses[i].loss, &refused_losses[i].T, NULL),
                       refused_losses[i].status, refused_losses[i].sentence);
        check_no_gradient_is_left(&f);
    }
    assert_refused(bp_network_loss(NULL, &f.ws, &mean_squared_error, &f.T, NULL), BP_ERR_ARGUMENT, "net is NULL");
    check_no_gradient_is_left(&f);
    assert_refused(bp_network_loss(&f.net, &f.ws, NULL, &f.T, NULL), BP_ERR_ARGUMENT, "loss is NULL");
    check_no_gradient_is_left(&f);
    assert_refused(bp_network_loss(&f.net, &f.ws, &mean_squared_error, NULL, NULL), BP_ERR_ARGUMENT, "T is NULL");
    check_no_gradient_is_left(&f);
    free_by_hand(&f);
}

static void loss_that_is_not_finite_is_handed_out_and_refused(void **state)
{
    (void)state;
    struct by_hand f;
    bp_real L = R(0);
    make_by_hand(&f, BP_TRAINING);
    f.net.layers[1].b[0] = R(NAN);
    assert_int_equal(bp_network_forward(&f.net, &f.ws, by_hand_X, 2), BP_OK);
    assert_refused(bp_network_loss(&f.net, &f.ws, &mean_squared_error, &f.T, &L), BP_ERR_NONFINITE, "the loss is nan");
    assert_true(isnan(L));
    assert_false(f.ws.has_loss);

    f.net.layers[1].b[0] = BP_REAL_MAX;
    assert_int_equal(bp_network_forward(&f.net, &f.ws, by_hand_X, 2), BP_OK);
    assert_refused(bp_network_loss(&f.net, &f.ws, &mean_squared_error, &f.T, &L), BP_ERR_NONFINITE, "the loss is ");
    assert_true(isinf(L));
    assert_false(f.ws.has_loss);
    free_by_hand(&f);
}

/* ---- Threads ----------------------------------------------------------------------------------------------------- */

/* Asserting is left to the main thread, since cmocka jumps out of a failed test. */
struct predictor {
    const bp_network *net;
    const bp_real *X, *Y; /* inputs and the outputs expected for them */
    bool failed;
};

static void *predict_often(void *argument)
{
    struct predictor *p = argument;
    bp_workspace ws;
    bp_real Y[ROWS * OUT];
    p->failed = bp_workspace_init(&ws, p->net, ROWS, BP_INFERENCE) != BP_OK;
    for (int i = 0; i < 200 && !p->failed; i++)
        p->failed = bp_predict(p->net, &ws, p->X, ROWS, Y) != BP_OK || memcmp(Y, p->Y, sizeof Y) != 0;
    bp_workspace_free(&ws);
    return NULL;
}

static void threads_share_a_network_each_with_its_own_workspace(void **state)
{
    (void)state;
    struct mixed f;
    struct predictor predictors[4];
    pthread_t ids[COUNT(predictors)];
    make_mixed(&f, BP_INFERENCE);
    assert_int_equal(bp_predict(&f.net, &f.ws, f.X, ROWS, f.Y), BP_OK);

    for (size_t i = 0; i < COUNT(ids); i++) {
        predictors[i] = (struct predictor){ .net = &f.net, .X = f.X, .Y = f.Y };
        assert_int_equal(pthread_create(&ids[i], NULL, predict_often, &predictors[i]), 0);
    }
    for (size_t i = 0; i < COUNT(ids); i++)
        assert_int_equal(pthread_join(ids[i], NULL), 0);
    for (size_t i = 0; i < COUNT(ids); i++)
        assert_false(predictors[i].failed);
    free_mixed(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_is_exact_on_binary_fractions),
        cmocka_unit_test(loss_is_exact_on_binary_fractions),
        cmocka_unit_test(gradient_is_exact_on_binary_fractions),
        cmocka_unit_test(batch_gives_each_row_what_it_gets_alone),
        cmocka_unit_test(inputs_are_not_copied),
        cmocka_unit_test(predict_gives_the_bits_of_forward),
        cmocka_unit_test(predict_writes_its_rows_and_no_more),
        cmocka_unit_test(small_batch_after_a_large_one_is_the_small_batch),
        cmocka_unit_test(fifty_layers_of_one_unit_are_a_chain),
        cmocka_unit_test(network_of_one_layer_is_a_linear_map),
        cmocka_unit_test(backward_may_be_repeated),
        cmocka_unit_test(either_gradient_may_be_left_out),
        cmocka_unit_test(gradient_is_added_on_request),
        cmocka_unit_test(rows_accumulated_one_by_one_are_the_batch),
        cmocka_unit_test(frozen_layers_are_skipped_on_request),
        cmocka_unit_test(gradient_may_start_from_any_dY),
        cmocka_unit_test(dY_goes_through_the_output_activation),
        cmocka_unit_test(backward_writes_its_arrays_and_no_more),
        cmocka_unit_test(network_is_only_read),
        cmocka_unit_test(nothing_goes_back_before_a_forward_pass),
        cmocka_unit_test(backward_needs_the_loss_of_this_pass),
        cmocka_unit_test(predict_leaves_no_forward_pass),
        cmocka_unit_test(nothing_goes_back_in_a_workspace_for_inference),
        cmocka_unit_test(null_pointers_are_refused),
        cmocka_unit_test(objects_not_initialised_are_refused),
        cmocka_unit_test(workspace_of_another_topology_is_refused),
        cmocka_unit_test(batch_that_does_not_fit_is_refused),
        cmocka_unit_test(refused_calls_leave_the_workspace_unchanged),
        cmocka_unit_test(loss_that_fails_leaves_no_gradient),
        cmocka_unit_test(loss_that_is_not_finite_is_handed_out_and_refused),
        cmocka_unit_test(threads_share_a_network_each_with_its_own_workspace),
    };
    int n_failed = 0;
    AT_EACH_PATH (path)
        n_failed += cmocka_run_group_tests_name(name_of_path(path), tests, NULL, NULL);
    return n_failed;
}
