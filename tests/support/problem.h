// SPDX-License-Identifier: MIT
/*
 * A learning problem as plain numbers: a network's parameters, a batch of inputs, its targets and sample weights.
 *
 * Each number is a double that a float holds too: both precisions of the library get the same problem, and a step aside by
 * 2^-13 does not round. Nothing in the struct depends on bp_real, so that one program can hand it to both.
 */
#ifndef TEST_SUPPORT_PROBLEM_H
#define TEST_SUPPORT_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backprop/network.h"

enum { PROBLEM_LAYERS = 5, PROBLEM_UNITS = 20, PROBLEM_BATCH = 33, PROBLEM_ENDINGS = 128 };

/** The library's normalizations, and one more: batch normalization in a frozen layer, by its running statistics. */
enum { PROBLEM_FROZEN_NORMALIZATION = BP_N_NORMALIZATIONS, PROBLEM_NORMALIZATIONS };

/** What is to be drawn. Activations, normalizations, loss and reduction are values of the library's enumerations. */
struct problem_kind {
    size_t n_in, n_layers, units[PROBLEM_LAYERS], batch;
    int hidden, output; /**< activations */
    double parameter;   /**< of those that take one, a float; 0: the default */
    int hidden_normalization, output_normalization;
    double epsilon; /**< of both, a float; 0: the default */
    double dropout; /**< of the hidden layers, a float */
    bool no_bias;   /**< in no layer */
    int loss, reduction;
    double loss_parameter;  /**< of huber and quantile, a float; 0: the default */
    double label_smoothing; /**< a float; where the loss can have it */
    bool class_weights;     /**< where the loss can have them */
    bool labels;            /**< targets as labels, else as values */
    bool weighted;          /**< with sample weights; the first of 5 rows or more weighs 0 */
    double clearance;       /**< no pre-activation and no output comes nearer to a kink of its function */
};

struct problem {
    struct problem_kind kind;
    size_t n_out, n_params, n_X;
    double *params;  /**< n_params, laid out as the library does */
    bool *no_effect; /**< n_params: which of them have no effect on the loss. A shift of a unit by the same number in all
                          rows is lost where the batch's mean is taken away, there or after units that pass it on; the
                          gradient is then 0 but for rounding */
    double *X;       /**< batch x n_in */
    double *T;       /**< batch x n_out, before smoothing; the labels as rows of 0 and 1 among them */
    double *weights; /**< batch; all 1 where they are not asked for */
    int32_t *labels; /**< batch */
    double class_weights[PROBLEM_UNITS];
    double running_mean[PROBLEM_LAYERS][PROBLEM_UNITS], running_var[PROBLEM_LAYERS][PROBLEM_UNITS]; /**< of frozen layers */
    uint64_t dropout_seed, pass;
};

/** One layer of a kind: its sizes, and where its parameters stand in the block. */
struct problem_layer {
    size_t n_in, n_out;
    int activation, normalization;
    double dropout;
    size_t W, b, gamma, beta; /**< offsets; of arrays that the layer does not have, where they would be */
    size_t end;               /**< offset of the next layer */
};

/** Takes the memory. */
void problem_init(struct problem *problem, const struct problem_kind *kind);

/** Draws all numbers. False if this seed does not lead to a problem as asked for: take another. */
bool problem_draw(struct problem *problem, uint64_t seed);

/** Gives the memory back. */
void problem_free(struct problem *problem);

/** The layers of a kind; returns the number of parameters. */
size_t problem_layers(const struct problem_kind *kind, struct problem_layer layers[PROBLEM_LAYERS]);

/** p of an activation, its default filled in. */
double problem_parameter(const struct problem_kind *kind, int activation);

/** p of the loss, its default filled in. */
double problem_loss_parameter(const struct problem_kind *kind);

/** Whether there are class weights: asked for, and a loss that has them. */
bool problem_has_class_weights(const struct problem_kind *kind);

/** The label smoothing, 0 for a loss without. */
double problem_label_smoothing(const struct problem_kind *kind);

/** Whether some layer normalizes by the statistics of the batch, so that each row depends on all others. */
bool problem_mixes_rows(const struct problem_kind *kind);

/** What row i counts in the loss: its weight w_i, class weight included, divided by the sum of the weights for a mean. */
double problem_factor(const struct problem *problem, size_t i);

/** Target j of row i, smoothed where that is asked for. */
double problem_target(const struct problem *problem, size_t i, size_t j);

/** An output layer with a loss that it can have. */
struct problem_ending {
    int output, loss;
};

/** All of them: each activation with each loss that it can have. Returns how many. */
size_t problem_endings(struct problem_ending endings[PROBLEM_ENDINGS]);

/** The kind in words, for messages: "3 -> 7 tanh -> 2 softmax, cross_entropy, mean, labels, batch 5". Static text. */
const char *problem_name(const struct problem_kind *kind);

#endif
