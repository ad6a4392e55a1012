// SPDX-License-Identifier: MIT
/*
 * A stream of bytes from a file or from memory, inflated on the way if its first bytes say gzip.
 *
 *   struct bpi_source source;
 *   BPI_TRY(bpi_source_open_path(&source, path, allocator));
 *   status = read_what_there_is(&source);
 *   bpi_source_close(&source);
 *
 * Bytes only come forward, so that pipes serve as well as files. What they mean is left to the readers of the formats; the
 * sentences of these begin with source.name, as the ones from here do.
 */
#ifndef BPI_STORE_SOURCE_H
#define BPI_STORE_SOURCE_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "backprop/memory.h"
#include "backprop/status.h"

struct bpi_source;

/** One way to get at the bytes: 1 to n of them, n > 0, into `bytes`, or 0 at the end. */
typedef bp_status bpi_source_decode(struct bpi_source *source, unsigned char *bytes, size_t n, size_t *n_read);

/** May be moved, never copied. After a failed read nothing but bpi_source_close() makes sense. */
struct bpi_source {
    const char *name;          /**< for sentences: "memory", or the path (the end of a long one); the caller's text */
    size_t position;           /**< bytes handed out so far, counted after inflating */
    bp_allocator allocator;    /**< complete: both functions are there */
    bpi_source_decode *decode; /**< as they are stored, or inflated */
    FILE *file;                /**< NULL: memory */
    unsigned char *buffer;     /**< a chunk of the file; NULL: memory */
    const unsigned char *next; /**< stored bytes at hand: in buffer, or in the caller's memory */
    size_t n_next;             /**< how many */
    size_t n_later;            /**< memory: the bytes that follow these */
    size_t n_fetched;          /**< stored bytes that were ever at hand; n_next of them are not yet used */
    void *inflater;            /**< NULL: the bytes are not gzipped */
    unsigned char ahead;       /**< a byte that bpi_source_at_end() found */
    bool has_ahead;            /**< and that is not yet handed out */
};

/**
 * Opens a file of any kind, one that cannot seek too.
 *
 * @param path       must outlive the source
 * @param allocator  NULL: malloc and free; checked before by bpi_check_allocator()
 * @return BP_OK; BP_ERR_IO; BP_ERR_UNSUPPORTED for gzip in a build without zlib; BP_ERR_MEMORY. After a failure there is
 *         nothing to close
 */
bp_status bpi_source_open_path(struct bpi_source *source, const char *path, const bp_allocator *allocator);

/** The same from `size` bytes in memory, which must outlive the source. */
bp_status bpi_source_open_memory(struct bpi_source *source, const void *bytes, size_t size, const bp_allocator *allocator);

/** Gives everything back and zeroes the struct. A zeroed source is fine. */
void bpi_source_close(struct bpi_source *source);

/**
 * Reads up to n bytes.
 *
 * @param n_read  how many came: fewer than n only where the bytes end
 * @return BP_OK; BP_ERR_IO; BP_ERR_FORMAT for gzip data that is damaged, cut short, or followed by something else;
 *         BP_ERR_MEMORY. After a failure *n_read is unchanged and `bytes` may hold anything
 */
bp_status bpi_source_read(struct bpi_source *source, void *bytes, size_t n, size_t *n_read);

/** Reads exactly n bytes; fewer are BP_ERR_FORMAT. `what` names them in the sentence: "the header". */
bp_status bpi_source_read_exactly(struct bpi_source *source, const char *what, void *bytes, size_t n);

/**
 * Reads exactly n bytes into an array that grows as they come, for an n that is only claimed.
 *
 * The array starts with 64 KiB and doubles, up to n: it has at most twice the bytes that are there. While it moves, its
 * predecessor lives too: together they have at most three times these bytes (and less than 2n).
 *
 * @param what   names the bytes in the sentence: "the data"
 * @param array  receives n bytes from source->allocator, to be given back by bpi_release(); NULL for n = 0 and on failure
 * @return as bpi_source_read(); BP_ERR_FORMAT for fewer than n bytes, with both numbers in the sentence
 */
bp_status bpi_source_read_growing(struct bpi_source *source, const char *what, size_t n, void **array);

/**
 * Looks whether all bytes have been read. For gzip this is also what reads the checksum behind the last of them.
 *
 * @return as bpi_source_read(); *at_end is unchanged after a failure
 */
bp_status bpi_source_at_end(struct bpi_source *source, bool *at_end);

#endif
