// SPDX-License-Identifier: MIT
/*
 * The problem of bench.h.
 */
#include "support/bench.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <string.h>

#include "backprop/rng.h"

static void fill_row(struct bench *bench, size_t i, bp_rng *rng)
{
    bp_real *x = bench->X + i * BENCH_IN, *t = bench->T + i * BENCH_OUT;
    for (size_t j = 0; j < BENCH_IN; j++)
        x[j] = (bp_real)(2 * bp_rng_uniform(rng) - 1);
    bench->labels[i] = x[1] > x[0];
    bench->weights[i] = (bp_real)(1 + i % 3) / 2;
    t[0] = x[0] * x[1] - x[2] / 2;
    t[1] = x[2] * x[2];
}

void bench_init(struct bench *bench, size_t rows, const struct bench_kind *kind, const bp_optimizer_config *rule)
{
    *bench = (struct bench){ 0 };
    bp_rng rng;
    bp_rng_init(&rng, 5);
    for (size_t i = 0; i < BENCH_ROWS; i++)
        fill_row(bench, i, &rng);
    bench->data = (bp_dataset){
        .rows = rows, .n_in = BENCH_IN, .n_out = BENCH_OUT, .X = { .data = bench->X }, .T = { .data = bench->T }
    };

    const bp_layer_config hidden = {
        .n_out = BENCH_HIDDEN, .activation = BP_TANH, .normalization = kind->normalization, .dropout = kind->dropout
    };
    bp_layer_config layers[] = { hidden, hidden, { .n_out = BENCH_OUT, .activation = kind->output } };
    layers[1].frozen = kind->frozen;
    const bp_network_config config = { .n_in = BENCH_IN, .n_layers = 3, .layers = layers, .seed = 3 };
    assert_int_equal(bp_network_init(&bench->net, &config), BP_OK);
    assert_int_equal(bp_optimizer_init(&bench->opt, rule, &bench->net.parameters), BP_OK);
    assert_true(bench->net.parameters.n_params <= BENCH_NUMBERS && bench->net.n_state <= BENCH_NUMBERS);
}

void bench_free(struct bench *bench)
{
    bp_optimizer_free(&bench->opt);
    bp_network_free(&bench->net);
}

void bench_show_labels(struct bench *bench)
{
    bench->data.T = (bp_view){ 0 };
    bench->data.labels = (bp_view){ .data = bench->labels, .element = BP_I32 };
}

static void copy(bp_real *to, const bp_real *from, size_t n)
{
    if (n > 0)
        memcpy(to, from, n * sizeof *to);
}

struct bench_numbers bench_numbers(const bp_network *net, const bp_optimizer *opt)
{
    struct bench_numbers is;
    memset(&is, 0, sizeof is);
    copy(is.params, net->parameters.params, net->parameters.n_params);
    copy(is.state, net->state, net->n_state);
    copy(is.opt_state, opt->state, opt->n_state);
    is.opt = *opt;
    is.scales_inputs = net->scales_inputs;
    is.scales_outputs = net->scales_outputs;
    is.topology = net->topology;
    copy(is.in, net->in_center, BENCH_IN);
    copy(is.in + BENCH_IN, net->in_scale, BENCH_IN);
    copy(is.out, net->out_center, BENCH_OUT);
    copy(is.out + BENCH_OUT, net->out_scale, BENCH_OUT);
    return is;
}

bool bench_same_network(const struct bench_numbers *a, const struct bench_numbers *b)
{
    return memcmp(a->params, b->params, sizeof a->params) == 0 && memcmp(a->state, b->state, sizeof a->state) == 0;
}

bool bench_same(const struct bench_numbers *a, const struct bench_numbers *b)
{
    return bench_same_network(a, b) && memcmp(a->opt_state, b->opt_state, sizeof a->opt_state) == 0 &&
           a->opt.n_steps == b->opt.n_steps && memcmp(a->opt.scalars, b->opt.scalars, sizeof a->opt.scalars) == 0 &&
           a->opt.learning_rate == b->opt.learning_rate && a->scales_inputs == b->scales_inputs &&
           a->scales_outputs == b->scales_outputs && a->topology == b->topology &&
           memcmp(a->in, b->in, sizeof a->in) == 0 && memcmp(a->out, b->out, sizeof a->out) == 0;
}
