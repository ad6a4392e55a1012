// SPDX-License-Identifier: MIT
/*
 * Messages are built in one piece of memory. The length of one within another is known only at its end, where it is put in
 * front: the messages are small, what is large is announced and written elsewhere.
 */
#include "store/protobuf.h"

#include <inttypes.h>
#include <string.h>

#include "base/status.h"

#define LONGEST_VARINT 10 /* 64 bits, seven a byte */
#define MOST_BYTES ((uint64_t)INT32_MAX)

enum wire_type { VARINT = 0, LENGTH = 2 };

/* ---- Bytes ----------------------------------------------------------------------------------------------------------- */

static size_t encode_varint(uint64_t value, unsigned char bytes[LONGEST_VARINT])
{
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (unsigned char)(value & 0x7f) | 0x80U;
    bytes[n++] = (unsigned char)value;
    return n;
}

/* Room for n more bytes at the end of the message; NULL where there is none, or was none before. */
static unsigned char *grow(struct bpi_protobuf *message, size_t n)
{
    struct bpi_growing *bytes = &message->bytes;
    if (message->status == BP_OK)
        message->status = bpi_growing_reserve(bytes, &message->allocator, "protobuf message", n);
    if (message->status != BP_OK)
        return NULL;
    unsigned char *end = (unsigned char *)bytes->data + bytes->n;
    bytes->n += n;
    return end;
}

void bpi_protobuf_raw(struct bpi_protobuf *message, const void *bytes, size_t n)
{
    unsigned char *to = n > 0 ? grow(message, n) : NULL;
    if (to != NULL)
        memcpy(to, bytes, n);
}

static void put_varint(struct bpi_protobuf *message, uint64_t value)
{
    unsigned char bytes[LONGEST_VARINT];
    bpi_protobuf_raw(message, bytes, encode_varint(value, bytes));
}

static void put_tag(struct bpi_protobuf *message, unsigned field, enum wire_type type)
{
    put_varint(message, (uint64_t)field * 8 + (uint64_t)type);
}

static void put_little_endian(uint64_t bits, size_t n, unsigned char *bytes)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(bits >> (8 * i) & 0xff);
}

void bpi_protobuf_f64(double value, unsigned char bytes[8])
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_little_endian(bits, 8, bytes);
}

void bpi_protobuf_f32(float value, unsigned char bytes[4])
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_little_endian(bits, 4, bytes);
}

/* ---- Fields ---------------------------------------------------------------------------------------------------------- */

void bpi_protobuf_uint(struct bpi_protobuf *message, unsigned field, uint64_t value)
{
    put_tag(message, field, VARINT);
    put_varint(message, value);
}

void bpi_protobuf_announce(struct bpi_protobuf *message, unsigned field, uint64_t n)
{
    put_tag(message, field, LENGTH);
    put_varint(message, n);
}

void bpi_protobuf_text(struct bpi_protobuf *message, unsigned field, const char *text)
{
    const size_t n = strlen(text);
    bpi_protobuf_announce(message, field, n);
    bpi_protobuf_raw(message, text, n);
}

size_t bpi_protobuf_begin(struct bpi_protobuf *message, unsigned field)
{
    put_tag(message, field, LENGTH);
    return message->bytes.n;
}

void bpi_protobuf_end_announced(struct bpi_protobuf *message, size_t begun, uint64_t n)
{
    const size_t n_here = message->bytes.n - begun;
    unsigned char length[LONGEST_VARINT];
    const size_t n_length = encode_varint(n_here + n, length);
    if (grow(message, n_length) == NULL)
        return;
    unsigned char *start = (unsigned char *)message->bytes.data + begun;
    memmove(start + n_length, start, n_here);
    memcpy(start, length, n_length);
}

void bpi_protobuf_end(struct bpi_protobuf *message, size_t begun)
{
    bpi_protobuf_end_announced(message, begun, 0);
}

void bpi_protobuf_release(struct bpi_protobuf *message)
{
    bpi_growing_release(&message->bytes, &message->allocator);
    message->status = BP_OK;
}

bp_status bpi_protobuf_check_size(const char *function, uint64_t n)
{
    if (n > MOST_BYTES)
        return bpi_fail(BP_ERR_TOO_LARGE, "%s: the file would have %" PRIu64 " bytes, protobuf files end at %" PRIu64,
                        function, n, MOST_BYTES);
    return BP_OK;
}
