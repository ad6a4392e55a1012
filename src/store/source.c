// SPDX-License-Identifier: MIT
/*
 * Bytes from a file or from memory, in two steps: fetch() brings stored bytes to hand, a chunk at a time; source->decode
 * makes of them the bytes to read, by copying or by inflating. Only the part on gzip knows zlib.
 */
#include "store/source.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "store/io_failure.h"

#define CHUNK_SIZE ((size_t)1 << 14)       /* stored bytes at hand, at most */
#define FIRST_ARRAY_SIZE ((size_t)1 << 16) /* of an array that grows */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bp_status no_memory(const struct bpi_source *source, size_t size)
{
    return bpi_fail(BP_ERR_MEMORY, "%s: no memory for %zu bytes", source->name, size);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static bp_status fetch_from_file(struct bpi_source *source)
{
    errno = 0;
    source->next = source->buffer;
    source->n_next = fread(source->buffer, 1, CHUNK_SIZE, source->file);
    if (source->n_next < CHUNK_SIZE && ferror(source->file))
        return bpi_io_failure(source->name, "cannot be read");
    return BP_OK;
}

/* ---- stored bytes ------------------------------------------------------------------------------------------------ */

static void fetch_from_memory(struct bpi_source *source)
{
    source->n_next = smaller(source->n_later, CHUNK_SIZE);
    source->n_later -= source->n_next;
}

/* Sees to it that stored bytes are at hand; none are only where they end. */
static bp_status fetch(struct bpi_source *source)
{
    if (source->n_next > 0)
        return BP_OK;
    if (source->file != NULL)
        BPI_TRY(fetch_from_file(source));
    else
        fetch_from_memory(source);
    source->n_fetched += source->n_next;
    return BP_OK;
}

static bp_status copy_stored(struct bpi_source *source, unsigned char *bytes, size_t n, size_t *n_read)
{
    BPI_TRY(fetch(source));
    *n_read = smaller(n, source->n_next);
    memcpy(bytes, source->next, *n_read);
    source->next += *n_read;
    source->n_next -= *n_read;
    return BP_OK;
}

/* ---- gzip -------------------------------------------------------------------------------------------------------- */

#ifdef BACKPROP_HAVE_ZLIB

#define ZLIB_CONST /* makes next_in a pointer to const */
#include <zlib.h>

#define GZIP_WINDOW_BITS (MAX_WBITS + 16)  /* + 16: a gzip header and checksum, nothing else */
#define MAX_INFLATE_SIZE ((size_t)1 << 18) /* bytes from one call; zlib's counts are narrower than size_t */

/* zlib's state points back to z, so this is a block of its own that stays where it is when a source is moved. */
struct inflater {
    z_stream z;
    bp_allocator allocator;
    bool member_ended; /* the stored bytes at hand, if any, begin another member */
};

static void *zlib_alloc(void *opaque, uInt items, uInt size)
{
    const struct inflater *inflater = opaque;
    size_t bytes;
    (void)bpi_multiply(items, size, &bytes); /* 0 if it overflows, for which bpi_allocate() has nothing */
    return bpi_allocate(&inflater->allocator, bytes);
}

static void zlib_release(void *opaque, void *block)
{
    const struct inflater *inflater = opaque;
    bpi_release(&inflater->allocator, block);
}

static const struct {
    int result;
    bp_status status;
    const char *text;
} zlib_failures[] = {
    { Z_BUF_ERROR, BP_ERR_FORMAT, "cut short" },
    { Z_MEM_ERROR, BP_ERR_MEMORY, "no memory to inflate" },
    { 0, BP_ERR_UNSUPPORTED, "zlib refuses to work, as if it were not the version compiled for" }, /* for all others */
};

static bp_status zlib_failure(const struct bpi_source *source, int result)
{
    const struct inflater *inflater = source->inflater;
    const size_t n_used = source->n_fetched - source->n_next;
    if (inflater->z.msg != NULL) /* only damage is commented by zlib */
        return bpi_fail(BP_ERR_FORMAT, "%s: gzip data damaged before its byte %zu: %s", source->name, n_used,
                        inflater->z.msg);

    const size_t last = sizeof zlib_failures / sizeof zlib_failures[0] - 1;
    size_t i = 0;
    while (i < last && zlib_failures[i].result != result)
        i++;
    return bpi_fail(zlib_failures[i].status, "%s: gzip data, after %zu bytes of it: %s", source->name, n_used,
                    zlib_failures[i].text);
}

/* Has zlib turn stored bytes at hand into up to z.avail_out bytes. Its Z_OK means that some were used or some came out. */
static bp_status inflate_at_hand(struct bpi_source *source)
{
    struct inflater *inflater = source->inflater;
    inflater->z.next_in = source->next;
    inflater->z.avail_in = (uInt)source->n_next;
    const int result = inflate(&inflater->z, Z_NO_FLUSH);
    source->next = inflater->z.next_in;
    source->n_next = inflater->z.avail_in;

    inflater->member_ended = result == Z_STREAM_END;
    return result == Z_OK || result == Z_STREAM_END ? BP_OK : zlib_failure(source, result);
}

static bp_status inflate_stored(struct bpi_source *source, unsigned char *bytes, size_t n, size_t *n_read)
{
    struct inflater *inflater = source->inflater;
    const uInt room = (uInt)smaller(n, MAX_INFLATE_SIZE);
    inflater->z.next_out = bytes;
    inflater->z.avail_out = room;

    while (inflater->z.avail_out == room) { /* headers, checksums and empty members give nothing */
        BPI_TRY(fetch(source));
        if (inflater->member_ended && source->n_next == 0)
            break;
        if (inflater->member_ended)
            (void)inflateReset(&inflater->z); /* fails only for a stream that inflate() would refuse too */
        BPI_TRY(inflate_at_hand(source));     /* also when none are at hand: zlib may hold some back */
    }
    *n_read = room - inflater->z.avail_out;
    return BP_OK;
}

static bp_status open_gzip(struct bpi_source *source)
{
    struct inflater *inflater = bpi_allocate(&source->allocator, sizeof *inflater);
    if (inflater == NULL)
        return no_memory(source, sizeof *inflater);
    *inflater = (struct inflater){ .allocator = source->allocator };
    inflater->z.zalloc = zlib_alloc;
    inflater->z.zfree = zlib_release;
    inflater->z.opaque = inflater;
    source->inflater = inflater;
    source->decode = inflate_stored;

    const int result = inflateInit2(&inflater->z, GZIP_WINDOW_BITS);
    return result == Z_OK ? BP_OK : zlib_failure(source, result);
}

static void close_gzip(struct bpi_source *source)
{
    struct inflater *inflater = source->inflater;
    if (inflater == NULL)
        return;
    (void)inflateEnd(&inflater->z); /* harmless where inflateInit2() failed */
    bpi_release(&source->allocator, inflater);
}

#else

static bp_status open_gzip(struct bpi_source *source)
{
    return bpi_fail(BP_ERR_UNSUPPORTED, "%s: the data is gzipped, and this build of the library has no zlib", source->name);
}

static void close_gzip(struct bpi_source *source)
{
    (void)source;
}

#endif

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

static void start(struct bpi_source *source, const char *name, const bp_allocator *allocator)
{
    *source = (struct bpi_source){ 0 };
    source->name = name;
    source->allocator = bpi_allocator_or_default(allocator);
    source->decode = copy_stored;
}

/* Looks at the first bytes, which are left where they are. */
static bp_status recognise(struct bpi_source *source)
{
    BPI_TRY(fetch(source));
    const bool is_gzip = source->n_next >= 2 && source->next[0] == 0x1f && source->next[1] == 0x8b;
    return is_gzip ? open_gzip(source) : BP_OK;
}

static bp_status open_file(struct bpi_source *source, const char *path)
{
    errno = 0;
    source->file = fopen(path, "rb");
    if (source->file == NULL)
        return bpi_io_failure(source->name, "cannot be opened");
    source->buffer = bpi_allocate(&source->allocator, CHUNK_SIZE);
    if (source->buffer == NULL)
        return no_memory(source, CHUNK_SIZE);
    return recognise(source);
}

bp_status bpi_source_open_path(struct bpi_source *source, const char *path, const bp_allocator *allocator)
{
    assert(path != NULL); /* our callers refuse it, in the user's words */
    start(source, bpi_name_of_path(path), allocator);
    const bp_status status = open_file(source, path);
    if (status != BP_OK)
        bpi_source_close(source);
    return status;
}

bp_status bpi_source_open_memory(struct bpi_source *source, const void *bytes, size_t size, const bp_allocator *allocator)
{
    assert(bytes != NULL);
    start(source, "memory", allocator);
    source->next = bytes;
    source->n_later = size;
    const bp_status status = recognise(source);
    if (status != BP_OK)
        bpi_source_close(source);
    return status;
}

void bpi_source_close(struct bpi_source *source)
{
    close_gzip(source);
    bpi_release(&source->allocator, source->buffer);
    if (source->file != NULL)
        (void)fclose(source->file); /* nothing was written that could be lost */
    *source = (struct bpi_source){ 0 };
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

bp_status bpi_source_read(struct bpi_source *source, void *bytes, size_t n, size_t *n_read)
{
    unsigned char *to = bytes;
    size_t done = 0;
    if (source->has_ahead && n > 0) {
        to[done++] = source->ahead;
        source->has_ahead = false;
    }

    bool ended = false;
    while (done < n && !ended) {
        size_t n_decoded;
        BPI_TRY(source->decode(source, to + done, n - done, &n_decoded));
        done += n_decoded;
        ended = n_decoded == 0;
    }
    source->position += done;
    *n_read = done;
    return BP_OK;
}

static bp_status too_few(const struct bpi_source *source, const char *what, size_t expected, size_t found)
{
    return bpi_fail(BP_ERR_FORMAT, "%s: %s: expected %zu bytes, found %zu", source->name, what, expected, found);
}

bp_status bpi_source_read_exactly(struct bpi_source *source, const char *what, void *bytes, size_t n)
{
    size_t n_read;
    BPI_TRY(bpi_source_read(source, bytes, n, &n_read));
    return n_read == n ? BP_OK : too_few(source, what, n, n_read);
}

struct growing_array {
    unsigned char *bytes;
    size_t n, capacity;
};

/* Moves what there is to an array twice as large, or of n bytes if that is less. */
static bp_status enlarge(const struct bpi_source *source, struct growing_array *array, size_t n)
{
    const size_t doubled = array->capacity == 0 ? FIRST_ARRAY_SIZE : array->capacity * 2;
    const size_t capacity = array->capacity > n / 2 ? n : smaller(doubled, n);
    unsigned char *bytes = bpi_allocate(&source->allocator, capacity);
    if (bytes == NULL)
        return no_memory(source, capacity);

    if (array->bytes != NULL)
        memcpy(bytes, array->bytes, array->n);
    bpi_release(&source->allocator, array->bytes);
    array->bytes = bytes;
    array->capacity = capacity;
    return BP_OK;
}

static bp_status enlarge_and_fill(struct bpi_source *source, const char *what, struct growing_array *array, size_t n)
{
    size_t n_read;
    BPI_TRY(enlarge(source, array, n));
    BPI_TRY(bpi_source_read(source, array->bytes + array->n, array->capacity - array->n, &n_read));
    array->n += n_read;
    return array->n == array->capacity ? BP_OK : too_few(source, what, n, array->n);
}

bp_status bpi_source_read_growing(struct bpi_source *source, const char *what, size_t n, void **array)
{
    struct growing_array growing = { 0 };
    bp_status status = BP_OK;
    while (status == BP_OK && growing.n < n)
        status = enlarge_and_fill(source, what, &growing, n);
    if (status != BP_OK) {
        bpi_release(&source->allocator, growing.bytes);
        growing.bytes = NULL;
    }
    *array = growing.bytes;
    return status;
}

bp_status bpi_source_at_end(struct bpi_source *source, bool *at_end)
{
    if (!source->has_ahead) {
        size_t n_decoded;
        BPI_TRY(source->decode(source, &source->ahead, 1, &n_decoded));
        source->has_ahead = n_decoded == 1;
    }
    *at_end = !source->has_ahead;
    return BP_OK;
}
