// SPDX-License-Identifier: MIT
/*
 * Bytes on their way out: into memory, or into a file that appears complete or not at all.
 *
 *   struct bpi_writer writer;
 *   BPI_TRY(bpi_writer_open_path(&writer, path, allocator));
 *   bpi_writer_put(&writer, bytes, n);                 -- as often as needed; the first failure is kept
 *   return bpi_writer_finish(&writer);                 -- flushed, synced, renamed; or the reason why not
 *
 * A file is written under a temporary name in the folder of its target (made by exclusive creation, so that nobody's file is
 * overwritten), synced, renamed onto the target, and the folder synced. Until the rename the target stays as it was; after a
 * failure the temporary file is removed. A target that is a symbolic link is followed: the link stays, the file behind it is
 * replaced. The new file has the access mode of the old one, or what the umask leaves of 0666; owner, other attributes and
 * other hard links of the old file do not move to the new one. What is no regular file, or write-protected, is refused.
 *
 * The folder's sync is asked for but not insisted on: some file systems have none, and by then the new file stands in place.
 * If it does not happen, a power failure may bring the old file back, whole.
 *
 * Where there is no POSIX, stdio must do: nothing is synced, links are replaced, access modes are new, and if the system does not
 * rename onto files that exist, there is a moment without target.
 */
#ifndef BPI_STORE_WRITER_H
#define BPI_STORE_WRITER_H

#include "base/real.h"

#include <stdbool.h>
#include <stddef.h>

#include "backprop/memory.h"
#include "backprop/status.h"
#include "base/growing.h"
#include "base/status.h"
#include "store/crc32.h"

/** May be moved, never copied. */
struct bpi_writer {
    bp_status status;          /**< of the first failure, whose sentence is kept; nothing is written after it */
    const char *name;          /**< for sentences: "memory", or the path (the end of a long one); the caller's text */
    bp_allocator allocator;    /**< complete: both functions are there */
    struct bpi_growing memory; /**< what was put there; or, of a file, what waits to be written */
    char *target, *temporary;  /**< paths, owned; NULL: memory */
    bool is_there;             /**< the temporary file */
    bool is_open;              /**< and its descriptor, or stream where there is no POSIX */
    int file;
    void *stream;
};

/**
 * Begins a file. `path` must outlive the writer, and the working directory stay the same. BP_OK, BP_ERR_IO, BP_ERR_MEMORY; after
 * a failure there is nothing to finish, but finishing, which fails again, or abandoning does no harm.
 *
 * @param allocator  NULL: malloc and free; checked before by bpi_check_allocator(). Asked for 64 KiB and some paths
 */
bp_status bpi_writer_open_path(struct bpi_writer *writer, const char *path, const bp_allocator *allocator);

/** Begins bytes in memory. Cannot fail. */
void bpi_writer_open_memory(struct bpi_writer *writer, const bp_allocator *allocator);

/** Writes n bytes. A failure is kept in writer->status and returned by bpi_writer_finish(), so that nobody need look here. */
void bpi_writer_put(struct bpi_writer *writer, const void *bytes, size_t n);

/** Writes text. */
void bpi_writer_put_text(struct bpi_writer *writer, const char *text);

/** Writes what printf would, by locale-independent conversions only: %s %c %d %u %zu %x and PRI macros; no %f %e %g %a. */
void bpi_writer_print(struct bpi_writer *writer, const char *format, ...) BPI_PRINTF_LIKE(2, 3);

/**
 * Has on disk what was written so far, under the temporary name: for files that come in pairs, of which neither may appear before
 * both are written. BP_OK, or the first failure. Not for memory.
 */
bp_status bpi_writer_sync(struct bpi_writer *writer);

/**
 * Makes the file appear and closes the writer; for memory, the bytes stay in writer->memory: take them by copying and zeroing
 * that, or give them back by bpi_growing_release() or bpi_writer_abandon().
 *
 * @return BP_OK, or the first failure: the target is then as it was, nothing is left behind
 */
bp_status bpi_writer_finish(struct bpi_writer *writer);

/** Leaves everything as it was before: removes the temporary file, gives memory back. A zeroed or finished writer is fine. */
void bpi_writer_abandon(struct bpi_writer *writer);

#endif
