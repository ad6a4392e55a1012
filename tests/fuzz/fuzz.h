// SPDX-License-Identifier: MIT
/*
 * What the fuzz targets share. A target is one function, which libFuzzer calls with bytes of its making, and corpus.c with those of
 * the committed files; what must hold is required, and anything else ends the program.
 */
#ifndef TEST_FUZZ_FUZZ_H
#define TEST_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "backprop.h"
#include "support/heap.h"

/** The target. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Says what does not hold, and aborts. */
#define require(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))
void fuzz_fail(const char *condition, const char *file, int line);

/** A loader of networks from memory. */
typedef bp_status fuzz_load(bp_network *net, const void *bytes, size_t size, const bp_allocator *allocator);

/**
 * Loads a network. It fails, leaving nothing; or the network predicts, and is saved to bytes that load again to the same bytes.
 * Whatever it does, the most memory it took is bounded by the bytes.
 *
 * @param memory_per_byte  the most that one byte of the input can justify
 */
void fuzz_network(fuzz_load *load, const uint8_t *data, size_t size, size_t memory_per_byte);

/** The loader of model files, with a custom activation at hand that is called "custom". */
bp_status fuzz_load_model(bp_network *net, const void *bytes, size_t size, const bp_allocator *allocator);

/** A copy of the bytes with the length of header and the checksum that fit them. NULL if there are none. To be freed. */
uint8_t *fuzz_mended(const uint8_t *data, size_t size);

#endif
