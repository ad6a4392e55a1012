// SPDX-License-Identifier: MIT
/*
 * A file is written beside its target and takes its place in one step. What the system does for that stands in one section,
 * twice: for POSIX, and in plain C for systems without (or with BPI_WRITER_PLAIN_C defined, for tests of that section).
 */
#if !defined(_WIN32) && !defined(BPI_WRITER_PLAIN_C)
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): POSIX's own way to ask for it
#define _POSIX_C_SOURCE 200809L
#define HAS_POSIX
#endif

#include "store/writer.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifdef HAS_POSIX
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include "base/clock.h"
#include "base/memory.h"
#include "store/io_failure.h"

#define BUFFER_SIZE ((size_t)1 << 16)
#define MOST_AT_ONCE ((size_t)1 << 30) /* bytes in one call of the system, which counts them in a signed number */
#define COUNTED_NAMES 100U             /* of temporary files that are tried; then as many that the clock gives */
#define LONGEST_STEM ((size_t)200)     /* of a temporary name: with its ending it stays within the usual 255 bytes */
#define ROOM_FOR_ENDING ((size_t)64)   /* .<process>.<number>.new */
#define MOST_LINKS 40                  /* symbolic links that lead to a target, one to another */
#define ROOM_FOR_LINK 4096             /* what one of them may hold, less one */

static void keep_failure(struct bpi_writer *writer, bp_status status)
{
    if (writer->status == BP_OK)
        writer->status = status;
}

static bp_status io_failure(const struct bpi_writer *writer, const char *what)
{
    return bpi_io_failure(writer->name, what);
}

/* The part of a path up to its last slash, that included. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* Sets writer->target to the first n characters of `folder` with `name` behind them. */
static bp_status set_target(struct bpi_writer *writer, const char *folder, size_t n, const char *name)
{
    const size_t name_size = strlen(name) + 1;
    char *target = bpi_allocate(&writer->allocator, n + name_size);
    if (target == NULL)
        return bpi_fail(BP_ERR_MEMORY, "%s: no memory for a path of %zu bytes", writer->name, n + name_size);
    if (n > 0)
        memcpy(target, folder, n);
    memcpy(target + n, name, name_size);
    bpi_release(&writer->allocator, writer->target);
    writer->target = target;
    return BP_OK;
}

/* ---- what the system does -------------------------------------------------------------------------------------------- */

/* Of an old file, and of a new one. Functions that return a bool leave the reason of a false in errno. */
struct access_mode {
    bool is_known;
    unsigned bits; /* POSIX's mode_t, of which this is the part for reading, writing and executing */
};

#ifdef HAS_POSIX

static unsigned long process_number(void)
{
    return (unsigned long)getpid();
}

/* Makes the target what the symbolic link there points to; *is_link: whether there was one. */
static bp_status follow_link(struct bpi_writer *writer, bool *is_link)
{
    char link[ROOM_FOR_LINK];
    const ssize_t n = readlink(writer->target, link, sizeof link);
    *is_link = n >= 0;
    if (n < 0)
        return errno == EINVAL || errno == ENOENT ? BP_OK : io_failure(writer, "cannot be written");
    if ((size_t)n == sizeof link) {
        errno = ENAMETOOLONG;
        return io_failure(writer, "cannot be written: a symbolic link on the way");
    }
    link[n] = '\0';
    return set_target(writer, writer->target, link[0] == '/' ? 0 : folder_length(writer->target), link);
}

static bp_status follow_links(struct bpi_writer *writer)
{
    bool is_link = true;
    for (int i = 0; i <= MOST_LINKS && is_link; i++)
        BPI_TRY(follow_link(writer, &is_link));
    if (!is_link)
        return BP_OK;
    errno = ELOOP;
    return io_failure(writer, "cannot be written");
}

/* A file that is replaced must be one, and one that may be written. */
static bp_status check_target(const struct bpi_writer *writer, struct access_mode *mode)
{
    struct stat old;
    if (stat(writer->target, &old) != 0)
        return errno == ENOENT ? BP_OK : io_failure(writer, "cannot be written");
    if (!S_ISREG(old.st_mode) && !S_ISDIR(old.st_mode))
        return bpi_fail(BP_ERR_IO, "%s: cannot be written: it is no regular file", writer->name);
    if (S_ISDIR(old.st_mode))
        errno = EISDIR;
    if (S_ISDIR(old.st_mode) || faccessat(AT_FDCWD, writer->target, W_OK, AT_EACCESS) != 0)
        return io_failure(writer, "cannot be written");
    mode->is_known = true;
    mode->bits = (unsigned)old.st_mode & 0777U;
    return BP_OK;
}

static bp_status find_target(struct bpi_writer *writer, struct access_mode *mode)
{
    BPI_TRY(follow_links(writer));
    return check_target(writer, mode);
}

static bool create_temporary(struct bpi_writer *writer, const struct access_mode *mode)
{
    do {
        writer->file = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                            mode->is_known ? (mode_t)mode->bits : (mode_t)0666);
    } while (writer->file < 0 && errno == EINTR);
    return writer->file >= 0;
}

/* What the umask took from it, if the file system knows modes at all. */
static bool set_mode(const struct bpi_writer *writer, const struct access_mode *mode)
{
    struct stat new;
    if (!mode->is_known)
        return true;
    if (fstat(writer->file, &new) != 0)
        return false;
    return ((unsigned)new.st_mode & 0777U) == mode->bits || fchmod(writer->file, (mode_t)mode->bits) == 0;
}

/* Some of the n bytes, at least one. */
static bool write_some(const struct bpi_writer *writer, const void *bytes, size_t n, size_t *n_written)
{
    ssize_t result;
    do {
        result = write(writer->file, bytes, n);
    } while (result < 0 && errno == EINTR);
    *n_written = result > 0 ? (size_t)result : 0;
    if (result == 0)
        errno = EIO; /* nothing written and nothing wrong would go on for ever */
    return result > 0;
}

static bool sync_file(const struct bpi_writer *writer)
{
    int result;
    do {
        result = fsync(writer->file);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

/* Interrupted, the descriptor is gone or in an unknown state; what it wrote was synced before. */
static bool close_file(const struct bpi_writer *writer)
{
    return close(writer->file) == 0 || errno == EINTR;
}

static bool replace_target(const struct bpi_writer *writer)
{
    return rename(writer->temporary, writer->target) == 0;
}

/* See the header for why nothing is done about failures. Makes the folder's path of the temporary one, which has served. */
static void sync_folder(const struct bpi_writer *writer)
{
    const size_t n = folder_length(writer->temporary);
    writer->temporary[n] = '\0';
    const int folder = open(n > 0 ? writer->temporary : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return;
    (void)fsync(folder);
    (void)close(folder);
}

#else

static unsigned long process_number(void)
{
    return 0;
}

/* Opening it for changes, which changes nothing, tells directories and what is write-protected from files. */
static bp_status find_target(const struct bpi_writer *writer, struct access_mode *mode)
{
    mode->is_known = false;
    errno = 0;
    FILE *old = fopen(writer->target, "r+b");
    if (old == NULL)
        return errno == ENOENT ? BP_OK : io_failure(writer, "cannot be written");
    (void)fclose(old);
    return BP_OK;
}

static bool create_temporary(struct bpi_writer *writer, const struct access_mode *mode)
{
    (void)mode;
    writer->stream = fopen(writer->temporary, "wbx"); /* x: C11's exclusive creation */
    return writer->stream != NULL;
}

static bool set_mode(const struct bpi_writer *writer, const struct access_mode *mode)
{
    (void)writer, (void)mode;
    return true;
}

static bool write_some(const struct bpi_writer *writer, const void *bytes, size_t n, size_t *n_written)
{
    *n_written = fwrite(bytes, 1, n, writer->stream);
    return *n_written == n;
}

static bool sync_file(const struct bpi_writer *writer)
{
    return fflush(writer->stream) == 0;
}

static bool close_file(const struct bpi_writer *writer)
{
    return fclose(writer->stream) == 0;
}

/* Some systems rename only to names that are free: then the old file goes aside, and comes back if that does not help. */
static bool replace_target(const struct bpi_writer *writer)
{
    static const char ending[] = ".old";
    if (rename(writer->temporary, writer->target) == 0)
        return true;
    const size_t length = strlen(writer->temporary);
    char *aside = bpi_allocate(&writer->allocator, length + sizeof ending);
    if (aside == NULL)
        return false;
    memcpy(aside, writer->temporary, length);
    memcpy(aside + length, ending, sizeof ending);

    bool is_done = false;
    if (rename(writer->target, aside) == 0) {
        is_done = rename(writer->temporary, writer->target) == 0;
        const int reason = errno;
        (void)(is_done ? remove(aside) : rename(aside, writer->target));
        errno = reason;
    }
    bpi_release(&writer->allocator, aside);
    return is_done;
}

static void sync_folder(const struct bpi_writer *writer)
{
    (void)writer;
}

#endif

/* ---- opening --------------------------------------------------------------------------------------------------------- */

static void start(struct bpi_writer *writer, const char *name, const bp_allocator *allocator)
{
    *writer = (struct bpi_writer){ .name = name, .allocator = bpi_allocator_or_default(allocator) };
}

void bpi_writer_open_memory(struct bpi_writer *writer, const bp_allocator *allocator)
{
    start(writer, "memory", allocator);
}

/*
 * The i-th name to try. Programs that were killed while they saved, perhaps each under the same process number, as in a container,
 * leave files that are in the way of the counted names; nobody has had a nanosecond twice.
 */
static unsigned long long number_of_name(unsigned i)
{
    return i < COUNTED_NAMES ? i : (unsigned long long)(1e9 * bpi_seconds()) + i;
}

/* Tries one name after another, until there is one that nobody has. */
static bp_status create_any_temporary(struct bpi_writer *writer, const struct access_mode *mode)
{
    const size_t folder = folder_length(writer->target), all = strlen(writer->target);
    const size_t stem = all - folder <= LONGEST_STEM ? all : folder;
    memcpy(writer->temporary, writer->target, stem);
    for (unsigned i = 0; i < 2 * COUNTED_NAMES && !writer->is_there; i++) {
        (void)snprintf(writer->temporary + stem, ROOM_FOR_ENDING, ".%lu.%llu.new", process_number(), number_of_name(i));
        errno = 0;
        writer->is_there = create_temporary(writer, mode);
        if (!writer->is_there && errno != EEXIST)
            break;
    }
    writer->is_open = writer->is_there;
    return writer->is_there ? BP_OK : io_failure(writer, "cannot be written: a new file beside it cannot be made");
}

static bp_status open_file(struct bpi_writer *writer, const char *path)
{
    struct access_mode mode = { 0 };
    BPI_TRY(set_target(writer, NULL, 0, path));
    errno = ENOENT;
    if (path[0] == '\0')
        return io_failure(writer, "an empty path cannot be written");
    BPI_TRY(find_target(writer, &mode));

    const size_t room = strlen(writer->target) + ROOM_FOR_ENDING;
    writer->temporary = bpi_allocate(&writer->allocator, room);
    if (writer->temporary == NULL)
        return bpi_fail(BP_ERR_MEMORY, "%s: no memory for a path of %zu bytes", writer->name, room);
    BPI_TRY(bpi_growing_reserve(&writer->memory, &writer->allocator, writer->name, BUFFER_SIZE));
    BPI_TRY(create_any_temporary(writer, &mode));
    errno = 0;
    return set_mode(writer, &mode) ? BP_OK : io_failure(writer, "cannot be written: its access mode cannot be kept");
}

bp_status bpi_writer_open_path(struct bpi_writer *writer, const char *path, const bp_allocator *allocator)
{
    assert(path != NULL); /* our callers refuse it, in the user's words */
    start(writer, bpi_name_of_path(path), allocator);
    keep_failure(writer, open_file(writer, path));
    if (writer->status != BP_OK)
        bpi_writer_abandon(writer);
    return writer->status;
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static bp_status write_through(const struct bpi_writer *writer, const char *bytes, size_t n)
{
    size_t done = 0;
    while (done < n) {
        const size_t rest = n - done;
        size_t n_written;
        errno = 0;
        if (!write_some(writer, bytes + done, rest < MOST_AT_ONCE ? rest : MOST_AT_ONCE, &n_written))
            return io_failure(writer, "cannot be written: writing to the new file beside it failed");
        done += n_written;
    }
    return BP_OK;
}

static bp_status flush(struct bpi_writer *writer)
{
    const size_t n = writer->memory.n;
    writer->memory.n = 0;
    return write_through(writer, writer->memory.data, n);
}

static bp_status append(struct bpi_writer *writer, const void *bytes, size_t n)
{
    BPI_TRY(bpi_growing_reserve(&writer->memory, &writer->allocator, writer->name, n));
    memcpy((char *)writer->memory.data + writer->memory.n, bytes, n);
    writer->memory.n += n;
    return BP_OK;
}

static bp_status put_into_file(struct bpi_writer *writer, const void *bytes, size_t n)
{
    if (n > writer->memory.capacity - writer->memory.n)
        BPI_TRY(flush(writer));
    return n >= writer->memory.capacity ? write_through(writer, bytes, n) : append(writer, bytes, n);
}

void bpi_writer_put(struct bpi_writer *writer, const void *bytes, size_t n)
{
    if (writer->status != BP_OK || n == 0)
        return;
    keep_failure(writer, writer->target != NULL ? put_into_file(writer, bytes, n) : append(writer, bytes, n));
}

void bpi_writer_put_text(struct bpi_writer *writer, const char *text)
{
    bpi_writer_put(writer, text, strlen(text));
}

static bp_status print_long(struct bpi_writer *writer, size_t n, const char *format, va_list arguments)
{
    char *text = bpi_allocate(&writer->allocator, n + 1);
    if (text == NULL)
        return bpi_fail(BP_ERR_MEMORY, "%s: no memory for a text of %zu bytes", writer->name, n + 1);
    (void)vsnprintf(text, n + 1, format, arguments);
    bpi_writer_put(writer, text, n);
    bpi_release(&writer->allocator, text);
    return BP_OK;
}

void bpi_writer_print(struct bpi_writer *writer, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (writer->status != BP_OK)
        return;
    if (n < 0) {
        keep_failure(writer, bpi_fail(BP_ERR_TOO_LARGE, "%s: a text that is too long or cannot be printed", writer->name));
    } else if ((size_t)n < sizeof text) {
        bpi_writer_put(writer, text, (size_t)n);
    } else {
        va_start(arguments, format);
        keep_failure(writer, print_long(writer, (size_t)n, format, arguments));
        va_end(arguments);
    }
}

/* ---- the end --------------------------------------------------------------------------------------------------------- */

static bp_status flush_and_sync(struct bpi_writer *writer)
{
    BPI_TRY(flush(writer));
    errno = 0;
    return sync_file(writer) ? BP_OK : io_failure(writer, "cannot be written: the new file beside it cannot be synced");
}

static bp_status close_and_replace(struct bpi_writer *writer)
{
    BPI_TRY(flush_and_sync(writer));
    writer->is_open = false; /* whatever comes of it */
    errno = 0;
    if (!close_file(writer))
        return io_failure(writer, "cannot be written: closing the new file beside it failed");
    errno = 0;
    if (!replace_target(writer))
        return io_failure(writer, "cannot be written: the new file beside it cannot take its place");
    writer->is_there = false;
    sync_folder(writer);
    return BP_OK;
}

bp_status bpi_writer_sync(struct bpi_writer *writer)
{
    assert(writer->target != NULL); /* no caller has this to do with memory */
    if (writer->status == BP_OK)
        keep_failure(writer, flush_and_sync(writer));
    return writer->status;
}

bp_status bpi_writer_finish(struct bpi_writer *writer)
{
    if (writer->status == BP_OK && writer->target != NULL)
        keep_failure(writer, close_and_replace(writer));
    if (writer->status != BP_OK || writer->target != NULL)
        bpi_writer_abandon(writer);
    return writer->status;
}

void bpi_writer_abandon(struct bpi_writer *writer)
{
    if (writer->is_open)
        (void)close_file(writer);
    if (writer->is_there)
        (void)remove(writer->temporary); /* why there is nothing to keep is reported already */
    bpi_release(&writer->allocator, writer->target);
    bpi_release(&writer->allocator, writer->temporary);
    bpi_growing_release(&writer->memory, &writer->allocator);
    writer->target = writer->temporary = NULL;
    writer->is_open = writer->is_there = false;
}
