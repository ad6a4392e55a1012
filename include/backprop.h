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
#include "backprop/status.h"    /* errors: a status and a sentence */
#include "backprop/memory.h"    /* the allocator hook */
#include "backprop/rng.h"       /* random numbers */
#include "backprop/blas_info.h" /* which BLAS, and is it the right one? */

#include "backprop/dataset.h"   /* samples and targets */
#include "backprop/idx.h"       /* reading MNIST-like files */
#include "backprop/csv.h"       /* reading tables of text */
#include "backprop/fann_data.h" /* reading and writing FANN data */
#include "backprop/split.h"     /* rows to train on and rows to hold out */

#include "backprop/activation.h"
#include "backprop/init.h"
#include "backprop/parameters.h"
#include "backprop/scaling.h"
#include "backprop/network.h"   /* layers and networks */
#include "backprop/names.h"     /* of inputs and classes, and metadata */
#include "backprop/workspace.h" /* memory for a batch */
#include "backprop/loss.h"
#include "backprop/propagation.h" /* forward, loss, backward, predict */
#include "backprop/fit.h"         /* fitting the scaling of a network to data */

#include "backprop/model_file.h"  /* saving and loading networks */
#include "backprop/weights.h"     /* weights from PyTorch */
#include "backprop/fann_net.h"    /* networks from FANN */
#include "backprop/export_onnx.h" /* networks for ONNX Runtime */
#include "backprop/export_c.h"    /* a network as C source */

#include "backprop/optimizer.h"
#include "backprop/schedule.h"       /* learning rates over time */
#include "backprop/trainer.h"        /* training that can be interrupted */
#include "backprop/checkpoint.h"     /* training that goes on in another process */
#include "backprop/train.h"          /* training in one call */
#include "backprop/metrics.h"        /* accuracy and errors, batch by batch */
#include "backprop/evaluation.h"     /* how good a network is on data */
#include "backprop/reporter.h"       /* a progress bar */
#include "backprop/gradient_check.h" /* is the gradient right? */

#endif
