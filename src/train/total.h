// SPDX-License-Identifier: MIT
/*
 * What batches come to, as losses are added up: a mean over all rows, or a sum.
 */
#ifndef BPI_TRAIN_TOTAL_H
#define BPI_TRAIN_TOTAL_H

#include "base/real.h"

#include "backprop/loss.h"

/** The mean of losses or their sum, and the weight of their rows; zeroed before the first. */
struct bpi_total {
    double loss, weight;
};

/** Adds a batch. A mean is moved on by the batch's share, so that weights of any size neither overflow nor vanish. */
static inline void bpi_total_add(struct bpi_total *total, bp_reduction reduction, double loss, double weight)
{
    const double all = total->weight + weight;
    if (reduction != BP_REDUCE_MEAN)
        total->loss += loss;
    else if (all > 0)
        total->loss += (loss - total->loss) * (weight / all);
    total->weight = all;
}

#endif
