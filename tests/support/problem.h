// SPDX-License-Identifier: MIT
/*
 * A learning problem as plain numbers: a network's parameters, a batch of inputs, its targets and sample weights.
 *
 * Each number is a double that a float holds too: both precisions of the library get the same problem, and a step aside by
 * 2^-12 does not round. Nothing in the struct depends on bp_real, so that one program can hand it to both.
 */
#ifndef TEST_SUPPORT_PROBLEM_H
#define TEST_SUPPORT_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROBLEM_LAYERS = 5, PROBLEM_UNITS = 20, PROBLEM_ENDINGS = 32 };

/** What is to be drawn. Activations, loss and reduction are values of the library's enumerations. */
struct problem_kind {
    size_t n_in, n_layers, units[PROBLEM_LAYERS], batch;
    int hidden, output; /**< activations */
    double parameter;   /**< of leaky relu, a float; 0: its default */
    int loss, reduction;
    bool labels;      /**< targets as labels, else as values */
    bool weighted;    /**< with sample weights; the first of 5 rows or more weighs 0 */
    double clearance; /**< no pre-activation of a function with a kink comes nearer to it */
};

struct problem {
    struct problem_kind kind;
    size_t n_out, n_params, n_X;
    double *params;  /**< n_params, laid out as the library does */
    double *X;       /**< batch x n_in */
    double *T;       /**< batch x n_out, the labels as rows of 0 and 1 among them */
    double *weights; /**< batch; all 1 where they are not asked for */
    int32_t *labels; /**< batch */
};

/** Takes the memory. */
void problem_init(struct problem *problem, const struct problem_kind *kind);

/** Draws all numbers. False if this seed does not lead to a problem as asked for: take another. */
bool problem_draw(struct problem *problem, uint64_t seed);

/** Gives the memory back. */
void problem_free(struct problem *problem);

/** The activation of layer l. */
int problem_activation(const struct problem *problem, size_t l);

/** p of leaky relu, its default filled in. */
double problem_parameter(const struct problem *problem);

/** What row i counts in the loss: w_i, divided by the sum of the weights for a mean. */
double problem_factor(const struct problem *problem, size_t i);

/** An output layer with a loss that it can have. */
struct problem_ending {
    int output, loss;
};

/** All of them: every activation with the squared error, and the losses that are fused with one. Returns how many. */
size_t problem_endings(struct problem_ending endings[PROBLEM_ENDINGS]);

/** The kind in words, for messages: "3 -> 7 tanh -> 2 softmax, cross_entropy, mean, labels, batch 5". Static text. */
const char *problem_name(const struct problem_kind *kind);

#endif
