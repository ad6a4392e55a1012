// SPDX-License-Identifier: MIT
/*
 * The wire format of Protocol Buffers, as much of it as ONNX needs: https://protobuf.dev/programming-guides/encoding/
 *
 *   field     a varint, 8 * (number of the field) + (0: a varint follows; 2: a length and so many bytes follow)
 *   varint    a whole number, seven bits a byte, the lowest first; all bytes but the last have their highest bit set
 *   length 2  text, bytes, a message within the message, or numbers one behind the other ("packed"), little-endian
 *
 *   struct bpi_protobuf message = { .allocator = heap };
 *   bpi_protobuf_text(&message, 2, "libbackprop");
 *   const size_t node = bpi_protobuf_begin(&message, 7);   -- a message within ...
 *   bpi_protobuf_uint(&message, 1, 13);
 *   bpi_protobuf_end(&message, node);                      -- ... ends here
 *   BPI_TRY(message.status);                               -- or the first failure of the calls before
 *   bpi_writer_put(writer, message.bytes.data, message.bytes.n);
 *   bpi_protobuf_release(&message);
 *
 * Every number is as short as can be, so that the same calls give the same bytes.
 */
#ifndef BPI_STORE_PROTOBUF_H
#define BPI_STORE_PROTOBUF_H

#include "base/real.h"

#include <stddef.h>
#include <stdint.h>

#include "backprop/memory.h"
#include "backprop/status.h"
#include "base/growing.h"

/** Zeroed but for the allocator, which is complete, it is empty. May be moved, never copied. */
struct bpi_protobuf {
    bp_allocator allocator;
    bp_status status;         /**< of the first failure; nothing is added after it */
    struct bpi_growing bytes; /**< what was added so far */
};

/** Adds a whole number: a varint. */
void bpi_protobuf_uint(struct bpi_protobuf *message, unsigned field, uint64_t value);

/** Adds text. */
void bpi_protobuf_text(struct bpi_protobuf *message, unsigned field, const char *text);

/** Adds a field of n bytes without the bytes, which the caller writes elsewhere. */
void bpi_protobuf_announce(struct bpi_protobuf *message, unsigned field, uint64_t n);

/** Adds n bytes as they are, within a field that has begun. */
void bpi_protobuf_raw(struct bpi_protobuf *message, const void *bytes, size_t n);

/**
 * Begins a field that has a length; all that is added up to bpi_protobuf_end(), which takes the result, is in it. With
 * bpi_protobuf_end_announced() n more bytes are, which the caller writes elsewhere.
 */
size_t bpi_protobuf_begin(struct bpi_protobuf *message, unsigned field);
void bpi_protobuf_end(struct bpi_protobuf *message, size_t begun);
void bpi_protobuf_end_announced(struct bpi_protobuf *message, size_t begun, uint64_t n);

/** Gives the memory back; the message is empty again, and without failure. */
void bpi_protobuf_release(struct bpi_protobuf *message);

/** The bytes of a packed number; `value` is a float for bpi_protobuf_f32(). */
void bpi_protobuf_f64(double value, unsigned char bytes[8]);
void bpi_protobuf_f32(float value, unsigned char bytes[4]);

/** BP_OK, or BP_ERR_TOO_LARGE for a file of more than 2^31 - 1 bytes, where readers of the format end. */
bp_status bpi_protobuf_check_size(const char *function, uint64_t n);

#endif
