// SPDX-License-Identifier: MIT
/*
 * libbackprop: dense feedforward networks, trained and run inside C programs.
 *
 * This header pulls in all others, in the order in which data flows; each documents its concept completely.
 */
#ifndef BACKPROP_H
#define BACKPROP_H

#include "backprop/precision.h" /* bp_real: double or float */
#include "backprop/version.h"
#include "backprop/status.h" /* errors: a status and a sentence */
#include "backprop/memory.h" /* the allocator hook */
#include "backprop/rng.h"    /* random numbers */

#include "backprop/dataset.h" /* samples and targets */
#include "backprop/idx.h"     /* reading MNIST-like files */

#include "backprop/activation.h"
#include "backprop/init.h"
#include "backprop/parameters.h"
#include "backprop/network.h"   /* layers and networks */
#include "backprop/workspace.h" /* memory for a batch */
#include "backprop/loss.h"
#include "backprop/propagation.h" /* forward, loss, backward, predict */

#include "backprop/optimizer.h"
#include "backprop/train.h"          /* training in one call */
#include "backprop/gradient_check.h" /* is the gradient right? */

#endif
