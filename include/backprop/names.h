// SPDX-License-Identifier: MIT
/*
 * What a network's inputs and classes are called, and notes of any kind that travel with it: saved, cloned and exported.
 *
 * All text is UTF-8 and copied. Names that the library did not get are NULL, never made up.
 */
#ifndef BACKPROP_NAMES_H
#define BACKPROP_NAMES_H

#include <stddef.h>

#include "backprop/network.h"
#include "backprop/precision.h"
#include "backprop/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Names the inputs, for example by the columns of a table: net->input_names[i] is input i's.
 *
 * @param names  net->n_in texts of valid UTF-8, empty ones and equal ones allowed; NULL takes the names away
 * @return BP_OK; BP_ERR_ARGUMENT for a null network or name, or text that is not UTF-8; BP_ERR_STATE (not initialised);
 *         BP_ERR_TOO_LARGE; BP_ERR_MEMORY. The network is then as it was
 */
bp_status bp_network_set_input_names(bp_network *net, const char *const *names);

/**
 * Names the classes: net->class_names[k] is the one that output k stands for. A single output tells two classes apart, 0 and 1.
 *
 * @param names  net->n_class_names texts, which is n_out, but 2 where n_out is 1; else as for input names
 * @return as bp_network_set_input_names()
 */
bp_status bp_network_set_class_names(bp_network *net, const char *const *names);

/**
 * Sets one entry of the metadata, in net->metadata in the order in which keys first came.
 *
 * @param key    valid UTF-8, not empty, and not beginning with "bp.", which is the library's
 * @param value  valid UTF-8; NULL takes the entry away, or does nothing if there is none
 * @return BP_OK; BP_ERR_ARGUMENT; BP_ERR_STATE (not initialised); BP_ERR_TOO_LARGE; BP_ERR_MEMORY. The network is then as it was
 */
bp_status bp_network_set_metadata(bp_network *net, const char *key, const char *value);

/** The value behind a key; NULL if there is none, or for a null pointer. The network's text: valid until an entry is set. */
const char *bp_network_get_metadata(const bp_network *net, const char *key);

#ifdef __cplusplus
}
#endif

#endif
