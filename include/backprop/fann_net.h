// SPDX-License-Identifier: MIT
/*
 * Networks out of FANN's files, usually named *.net (Nissen: "Implementation of a Fast Artificial Neural Network Library", 2003;
 * fann_save).
 *
 * Such a file is text: the version, a setting a line, then all neurons and all connections. Read are those of floating point,
 * versions FANN_FLO_2.0 and FANN_FLO_2.1, of networks whose layers are fully connected; everything else is refused with the
 * reason. It may be gzipped. Numbers have a point whatever the locale; FANN itself writes commas under some, and such a file is
 * refused.
 *
 * A neuron of FANN gives f(s sum), the sum over all neurons of the layer before it and a bias of 1, each with its weight; s is
 * its steepness, in (0, 8]. Here s and what f needs besides are multiplied into the weights and added to the bias; what f does
 * behind a function of ours goes into the next layer, for the outputs into the network's scaling:
 *
 *   FANN_LINEAR                  x                                identity
 *   FANN_SIGMOID                 1 / (1 + e^(-2x))                sigmoid of 2x; if outputs are scaled, (tanh x + 1) / 2
 *   FANN_SIGMOID_SYMMETRIC       tanh x                           tanh
 *   FANN_GAUSSIAN                e^(-x^2)                         gaussian
 *   FANN_GAUSSIAN_SYMMETRIC      2 e^(-x^2) - 1                   gaussian, then 2y - 1
 *   FANN_ELLIOT                  x / (1 + |x|) / 2 + 1/2          softsign, then (y + 1) / 2
 *   FANN_ELLIOT_SYMMETRIC        x / (1 + |x|)                    softsign
 *   FANN_LINEAR_PIECE            min(max(x, 0), 1)                hard_sigmoid of 6x - 3
 *   FANN_LINEAR_PIECE_SYMMETRIC  min(max(x, -1), 1)               hard_tanh
 *   FANN_SIN_SYMMETRIC           sin x                            sine
 *   FANN_COS_SYMMETRIC           cos x                            sine of x + pi/2
 *   FANN_SIN                     sin x / 2 + 1/2                  sine, then (y + 1) / 2
 *   FANN_COS                     cos x / 2 + 1/2                  sine of x + pi/2, then (y + 1) / 2
 *
 * Threshold and stepwise functions have no equal here and are refused; fann_create_standard() gives its layers
 * FANN_SIGMOID_STEPWISE, until fann_set_activation_function_hidden() and _output() change that. A layer has one function; its
 * neurons may differ in steepness.
 *
 * Nothing is rounded where s is a power of two and the function takes x as it is; else a weight is off by a few units in its
 * last place. What FANN does besides and this network does not: it keeps s sum within 150/s of 0. A saturated function does
 * not show that; linear outputs, Elliot's function, sines and cosines do, for such large sums.
 */
#ifndef BACKPROP_FANN_NET_H
#define BACKPROP_FANN_NET_H

#include <stddef.h>

#include "backprop/memory.h"
#include "backprop/network.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Makes a network from a file of fann_save(), gzipped or not. What the file says about training is checked to be there in form and
 * left out.
 *
 * bp_predict() then gives what fann_run() gives. If the file has scaling (scale_included=1), it gives what fann_scale_input(),
 * fann_run() and fann_descale_output() give together: the network carries the scaling.
 *
 * Takes memory only as the bytes that are really there justify it, whatever the file promises: at most 16 times the bytes of the text
 * (after inflating) beside the network, and some 80 KiB to begin with.
 *
 * @param net        made by this call, whatever it held before; zeroed when the call fails
 * @param path       of the file
 * @param allocator  of the network; NULL: malloc and free
 * @return BP_OK; BP_ERR_ARGUMENT for a null pointer or half an allocator; BP_ERR_IO if the file cannot be opened or read;
 *         BP_ERR_FORMAT for what is no such file, is damaged, or has decimal commas; BP_ERR_NONFINITE for a number that is infinite
 *         or too large, also once s is multiplied in; BP_ERR_UNSUPPORTED for fixed point, other versions, shortcut and missing
 *         connections, functions without an equal, several of them in a layer, a steepness out of (0, 8], and for gzip in a
 *         build without zlib; BP_ERR_TOO_LARGE; BP_ERR_MEMORY. What is wrong in the text is reported with its line and
 *         column, both counted from 1; neurons and layers count from 0, as in the file, layer 0 being the inputs
 */
bp_status bp_network_load_fann(bp_network *net, const char *path, const bp_allocator *allocator);

/**
 * The same from memory: `size` bytes that hold what the file would, gzipped or not. `bytes` may go afterwards.
 */
bp_status bp_network_load_fann_memory(bp_network *net, const void *bytes, size_t size, const bp_allocator *allocator);

#ifdef __cplusplus
}
#endif

#endif
