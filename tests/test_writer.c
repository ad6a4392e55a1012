// SPDX-License-Identifier: MIT
/*
 * Files that appear complete or not at all: every call of the system fails in turn, and the old file stands, to the byte and
 * alone. The linker's --wrap diverts these calls to this file.
 *
 * The same tests run on the part for systems without POSIX (BPI_WRITER_PLAIN_C), as far as it promises the same.
 */
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): POSIX's own way to ask for it
#define _POSIX_C_SOURCE 200809L

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "store/writer.h"
#include "support/bytes.h"
#include "support/heap.h"
#include "support/locale.h"
#include "support/refusal.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#ifdef BPI_WRITER_PLAIN_C
#define HAS_POSIX 0
#else
#define HAS_POSIX 1
#endif

/* ---- calls of the system that fail --------------------------------------------------------------------------------------- */

#if defined(WRAPS_SYSTEM) || defined(WRAPS_STDIO)
#define WRAPS

enum call {
    OPEN,
    WRITE,
    FSYNC,
    CLOSE,
    RENAME,
    READLINK,
    STAT,
    FSTAT,
    FCHMOD,
    FACCESSAT,
    FOPEN,
    FWRITE,
    FFLUSH,
    FCLOSE,
    N_CALLS
};

static const char *const call_names[] = { "open",  "write",  "fsync",     "close", "rename", "readlink", "stat",
                                          "fstat", "fchmod", "faccessat", "fopen", "fwrite", "fflush",   "fclose" };

/* What is to go wrong; zeroed, nothing. */
static struct {
    enum call call;
    size_t nth;         /* of these calls, counted from 1; 0: none */
    size_t also;        /* another one; 0: none */
    bool all_following; /* those behind the nth too */
    int reason;         /* for errno; 0: the call does nothing and says so */
    size_t most_bytes;  /* that one write() takes; 0: all */
} trouble;

static size_t n_calls[N_CALLS];

static void set_trouble(enum call call, size_t nth, int reason)
{
    memset(n_calls, 0, sizeof n_calls);
    memset(&trouble, 0, sizeof trouble);
    trouble.call = call;
    trouble.nth = nth;
    trouble.reason = reason;
}

static void end_trouble(void)
{
    trouble.nth = 0;
    trouble.most_bytes = 0;
}

static bool goes_wrong(enum call call)
{
    n_calls[call]++;
    if (trouble.nth == 0 || trouble.call != call)
        return false;
    const size_t n = n_calls[call];
    if (n != trouble.nth && n != trouble.also && !(n > trouble.nth && trouble.all_following))
        return false;
    errno = trouble.reason;
    return true;
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

int __wrap_rename(const char *from, const char *to)
{
    return goes_wrong(RENAME) ? -1 : __real_rename(from, to);
}

#ifdef WRAPS_SYSTEM
/* The names are the linker's. */
int __real_open(const char *path, int flags, ...);
ssize_t __real_write(int file, const void *bytes, size_t n);
int __real_fsync(int file);
int __real_close(int file);
ssize_t __real_readlink(const char *path, char *link, size_t n);
int __real_stat(const char *path, struct stat *status);
int __real_fstat(int file, struct stat *status);
int __real_fchmod(int file, mode_t mode);
int __real_faccessat(int folder, const char *path, int mode, int flags);
int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_write(int file, const void *bytes, size_t n);
int __wrap_fsync(int file);
int __wrap_close(int file);
ssize_t __wrap_readlink(const char *path, char *link, size_t n);
int __wrap_stat(const char *path, struct stat *status);
int __wrap_fstat(int file, struct stat *status);
int __wrap_fchmod(int file, mode_t mode);
int __wrap_faccessat(int folder, const char *path, int mode, int flags);

int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return goes_wrong(OPEN) ? -1 : __real_open(path, flags, mode);
}

ssize_t __wrap_write(int file, const void *bytes, size_t n)
{
    if (goes_wrong(WRITE))
        return trouble.reason == 0 ? 0 : -1;
    return __real_write(file, bytes, trouble.most_bytes > 0 && n > trouble.most_bytes ? trouble.most_bytes : n);
}

int __wrap_fsync(int file)
{
    return goes_wrong(FSYNC) ? -1 : __real_fsync(file);
}

/* As on Linux, the descriptor is gone however it ends. */
int __wrap_close(int file)
{
    const int result = __real_close(file);
    return goes_wrong(CLOSE) ? -1 : result;
}

/* Without a reason: a link so long that it is cut. */
ssize_t __wrap_readlink(const char *path, char *link, size_t n)
{
    if (goes_wrong(READLINK)) {
        memset(link, 'x', n);
        return trouble.reason == 0 ? (ssize_t)n : -1;
    }
    return __real_readlink(path, link, n);
}

int __wrap_stat(const char *path, struct stat *status)
{
    return goes_wrong(STAT) ? -1 : __real_stat(path, status);
}

int __wrap_fstat(int file, struct stat *status)
{
    return goes_wrong(FSTAT) ? -1 : __real_fstat(file, status);
}

int __wrap_fchmod(int file, mode_t mode)
{
    return goes_wrong(FCHMOD) ? -1 : __real_fchmod(file, mode);
}

int __wrap_faccessat(int folder, const char *path, int mode, int flags)
{
    return goes_wrong(FACCESSAT) ? -1 : __real_faccessat(folder, path, mode, flags);
}
#endif

#ifdef WRAPS_STDIO
FILE *__real_fopen(const char *path, const char *mode);
size_t __real_fwrite(const void *bytes, size_t size, size_t n, FILE *file);
int __real_fflush(FILE *file);
int __real_fclose(FILE *file);
FILE *__wrap_fopen(const char *path, const char *mode);
size_t __wrap_fwrite(const void *bytes, size_t size, size_t n, FILE *file);
int __wrap_fflush(FILE *file);
int __wrap_fclose(FILE *file);

FILE *__wrap_fopen(const char *path, const char *mode)
{
    return goes_wrong(FOPEN) ? NULL : __real_fopen(path, mode);
}

size_t __wrap_fwrite(const void *bytes, size_t size, size_t n, FILE *file)
{
    return __real_fwrite(bytes, size, goes_wrong(FWRITE) ? n / 2 : n, file);
}

int __wrap_fflush(FILE *file)
{
    return goes_wrong(FFLUSH) ? EOF : __real_fflush(file);
}

int __wrap_fclose(FILE *file)
{
    const int result = __real_fclose(file);
    return goes_wrong(FCLOSE) ? EOF : result;
}
#endif
#endif

/* ---- a folder, and what is in it --------------------------------------------------------------------------------------- */

static const char *folder; /* of the test at hand */

/* For cmocka: a folder of the test's own. */
static int make_folder(void **state)
{
    static char path[1024];
    (void)state;
    (void)snprintf(path, sizeof path, "%s", test_file("", 0));
    assert_int_equal(remove(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    folder = path;
    return 0;
}

/* And its removal, which fails if anything is left. */
static int remove_folder(void **state)
{
    (void)state;
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

/* In one of four buffers in turn. */
static const char *in_folder(const char *name)
{
    static char paths[4][2048];
    static size_t turn;
    char *path = paths[turn++ % COUNT(paths)];
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static size_t count_files(void)
{
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    size_t n = 0;
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries))
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    assert_int_equal(closedir(entries), 0);
    return n;
}

static const char old_text[] = "the old file\nas it was";

static void put_old(const char *path)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(old_text, file) >= 0 && fclose(file) == 0);
}

static void assert_content(const char *path, const void *expected, size_t n)
{
    struct test_bytes content = test_file_content(path);
    assert_int_equal(content.n, n);
    assert_memory_equal(content.data, expected, n);
    test_bytes_clear(&content);
}

static void assert_old(const char *path)
{
    assert_content(path, old_text, sizeof old_text - 1);
}

/* ---- what is written ----------------------------------------------------------------------------------------------------- */

/* 220,000 bytes: three buffers full and some more. */
static const struct test_bytes *new_bytes(void)
{
    static struct test_bytes bytes;
    static unsigned char memory[220000];
    uint64_t seed = 3;
    for (size_t i = 0; bytes.n == 0 && i < sizeof memory; i++)
        memory[i] = (unsigned char)(test_random(&seed) >> 32);
    bytes.data = memory;
    bytes.n = sizeof memory;
    return &bytes;
}

/* In pieces of many sizes, two large ones among them and small ones at the end; the writer is left to be finished. */
static void put_new(struct bpi_writer *writer)
{
    const struct test_bytes *bytes = new_bytes();
    size_t at = 0;
    for (size_t n = 0; at < bytes->n; n = n < 4000 ? 2 * n + 1 : n > 90000 ? 7 : 99999) {
        const size_t piece = n < bytes->n - at ? n : bytes->n - at;
        bpi_writer_put(writer, bytes->data + at, piece);
        at += piece;
    }
}

static bp_status write_new(const char *path, const bp_allocator *allocator)
{
    struct bpi_writer writer;
    (void)bpi_writer_open_path(&writer, path, allocator);
    put_new(&writer);
    return bpi_writer_finish(&writer);
}

static void assert_new(const char *path)
{
    assert_content(path, new_bytes()->data, new_bytes()->n);
}

/* ---- files that appear ------------------------------------------------------------------------------------------------- */

static void a_file_appears_when_it_is_finished_and_not_before(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    const char *path = in_folder("x");
    for (int again = 0; again < 2; again++) {
        if (again)
            put_old(path);
        struct bpi_writer writer;
        assert_int_equal(bpi_writer_open_path(&writer, path, &heap.allocator), BP_OK);
        put_new(&writer);
        if (again)
            assert_old(path);
        else
            assert_int_not_equal(access(path, F_OK), 0);
        assert_int_equal(bpi_writer_finish(&writer), BP_OK);
        assert_new(path);
        assert_int_equal(count_files(), 1);
        bpi_writer_abandon(&writer); /* too late */
        assert_int_equal(bpi_writer_finish(&writer), BP_OK);
        assert_new(path);
        assert_true(test_heap_is_clean(&heap));
    }
    assert_int_equal(remove(path), 0);
}

static void an_abandoned_file_leaves_the_old_one(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    const char *path = in_folder("x");
    put_old(path);
    struct bpi_writer writer;
    assert_int_equal(bpi_writer_open_path(&writer, path, &heap.allocator), BP_OK);
    put_new(&writer);
    struct bpi_writer moved = writer;
    memset(&writer, 0xA5, sizeof writer);
    bpi_writer_abandon(&moved);
    bpi_writer_abandon(&moved);
    assert_old(path);
    assert_true(test_heap_is_clean(&heap));
    assert_int_equal(count_files(), 1);
    assert_int_equal(remove(path), 0);

    struct bpi_writer zeroed = { 0 };
    bpi_writer_abandon(&zeroed);
    assert_int_not_equal(fcntl(0, F_GETFD), -1); /* descriptor 0 was not its */
}

static void an_empty_file_is_a_file(void **state)
{
    (void)state;
    struct bpi_writer writer;
    assert_int_equal(bpi_writer_open_path(&writer, in_folder("x"), NULL), BP_OK);
    bpi_writer_put(&writer, NULL, 0);
    bpi_writer_put_text(&writer, "");
    assert_int_equal(bpi_writer_finish(&writer), BP_OK);
    assert_content(in_folder("x"), "", 0);
    assert_int_equal(remove(in_folder("x")), 0);
}

static void the_working_directory_is_a_folder_too(void **state)
{
    (void)state;
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(write_new("x", NULL), BP_OK);
    assert_int_equal(chdir(before), 0);
    assert_new(in_folder("x"));
    assert_int_equal(count_files(), 1);
    assert_int_equal(remove(in_folder("x")), 0);
}

/* Two at once have two temporary files; who is finished last, stays. */
static void two_writers_of_one_file_do_not_mix(void **state)
{
    (void)state;
    struct bpi_writer first, second;
    assert_int_equal(bpi_writer_open_path(&first, in_folder("x"), NULL), BP_OK);
    assert_int_equal(bpi_writer_open_path(&second, in_folder("x"), NULL), BP_OK);
    bpi_writer_put_text(&first, "first");
    put_new(&second);
    assert_int_equal(count_files(), 2);
    assert_int_equal(bpi_writer_finish(&second), BP_OK);
    assert_new(in_folder("x"));
    assert_int_equal(bpi_writer_finish(&first), BP_OK);
    assert_content(in_folder("x"), "first", 5);
    assert_int_equal(count_files(), 1);
    assert_int_equal(remove(in_folder("x")), 0);
}

/* The name of the i-th temporary file, as a writer of this process would call it. */
static const char *temporary_name(unsigned i)
{
    char name[64];
    (void)snprintf(name, sizeof name, "x.%lu.%u.new", HAS_POSIX ? (unsigned long)getpid() : 0UL, i);
    return in_folder(name);
}

static void nobodys_file_is_taken_for_a_temporary_one(void **state)
{
    (void)state;
    enum { MOST = 100 };
    for (unsigned i = 0; i < MOST; i++) {
        assert_int_equal(write_new(in_folder("x"), NULL), BP_OK);
        assert_int_equal(remove(in_folder("x")), 0);
        if (i % 2 == 0)
            put_old(temporary_name(i));
        else
            assert_int_equal(symlink(in_folder("nowhere"), temporary_name(i)), 0);
    }
    assert_int_equal(write_new(in_folder("x"), NULL), BP_OK);
    assert_new(in_folder("x"));
    assert_int_equal(remove(in_folder("x")), 0);
    assert_int_equal(count_files(), MOST);
    for (unsigned i = 0; i < MOST; i++) {
        if (i % 2 == 0)
            assert_old(temporary_name(i));
        assert_int_equal(remove(temporary_name(i)), 0);
    }
}

#if defined(WRAPS_SYSTEM) || defined(WRAPS_STDIO)
/* However it comes that each name is taken, there is an end of trying. */
static void without_a_free_name_nothing_is_written(void **state)
{
    (void)state;
    put_old(in_folder("x"));
    set_trouble(HAS_POSIX ? OPEN : FOPEN, HAS_POSIX ? 1 : 2, EEXIST); /* plain C opens the old file first */
    trouble.all_following = true;
    assert_refused(write_new(in_folder("x"), NULL), BP_ERR_IO, "/x: cannot be written: a new file beside it cannot be made",
                   "it is there already");
    end_trouble();
    assert_old(in_folder("x"));
    assert_int_equal(count_files(), 1);
    assert_int_equal(remove(in_folder("x")), 0);
}
#endif

/* ---- targets ----------------------------------------------------------------------------------------------------------- */

static void what_no_file_can_replace_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in_folder("sub"), 0700), 0);
    assert_refused(write_new(in_folder("sub"), NULL), BP_ERR_IO, "/sub: cannot be written: ", "directory (errno ");
    assert_refused(write_new(in_folder("sub/"), NULL), BP_ERR_IO, "/sub/: cannot be written: ", "directory (errno ");
    assert_refused(write_new(in_folder("no/x"), NULL), BP_ERR_IO, "/no/x: cannot be written: ", "no such file (errno ");
    put_old(in_folder("x"));
    assert_refused(write_new(in_folder("x/y"), NULL), BP_ERR_IO, "a part of the path is not a directory (errno ");
    assert_refused(write_new("", NULL), BP_ERR_IO, "an empty path cannot be written");
    assert_old(in_folder("x"));
    assert_int_equal(count_files(), 2);
    assert_int_equal(remove(in_folder("x")), 0);
    assert_int_equal(rmdir(in_folder("sub")), 0);
}

/* Up to the longest path of the system, and beyond. */
static void long_paths_are_written_or_refused_but_never_cut(void **state)
{
    (void)state;
    enum { DEPTH = 18, STEP = 200, LONGEST = 5000 };
    char *path = malloc(LONGEST + 1);
    assert_non_null(path);
    size_t length = (size_t)snprintf(path, LONGEST, "%s", in_folder("deep"));
    size_t lengths[DEPTH + 1];
    for (size_t i = 0; i <= DEPTH; i++) {
        assert_int_equal(mkdir(path, 0700), 0);
        lengths[i] = length;
        path[length] = '/';
        memset(path + length + 1, (int)('a' + i), STEP);
        length += i < DEPTH ? STEP + 1 : 0;
        path[length] = '\0';
    }
    size_t n_written = 0;
    for (size_t n = 1; length + 1 + n <= LONGEST; n += n < 300 ? 1 : 97) {
        path[length] = '/';
        memset(path + length + 1, 'n', n);
        path[length + 1 + n] = '\0';
        const bp_status status = write_new(path, NULL);
        assert_int_equal(access(path, F_OK) == 0, status == BP_OK);
        if (status == BP_OK)
            assert_int_equal(remove(path), 0);
        else
            assert_int_equal(status, BP_ERR_IO);
        n_written += status == BP_OK;
    }
    assert_true(n_written >= 200);
    for (size_t i = DEPTH + 1; i-- > 0;) {
        path[lengths[i]] = '\0';
        assert_int_equal(rmdir(path), 0); /* nothing is left, under no name */
    }
    memset(path, 'p', 4000);
    path[4000] = '\0';
    assert_refused(write_new(path, NULL), BP_ERR_IO, "pppppppp: cannot be written: ", "the path is too long (errno ");
    free(path);
}

static void names_of_every_length_that_the_system_takes_are_written(void **state)
{
    (void)state;
    char name[257] = "";
    for (size_t n = 1; n <= 256; n++) {
        name[n - 1] = 'n';
        name[n] = '\0';
        assert_int_equal(write_new(in_folder(name), NULL), n <= 255 ? BP_OK : BP_ERR_IO);
        assert_int_equal(count_files(), n <= 255);
        if (n <= 255)
            assert_int_equal(remove(in_folder(name)), 0);
    }
}

#if HAS_POSIX

static void assert_link(const char *path, const char *expected)
{
    char link[8192] = "";
    assert_true(readlink(path, link, sizeof link - 1) >= 0);
    assert_string_equal(link, expected);
}

static void links_stay_and_the_file_behind_them_is_replaced(void **state)
{
    (void)state;
    char file[2048];
    (void)snprintf(file, sizeof file, "%s/sub/x", folder);
    assert_int_equal(mkdir(in_folder("sub"), 0700), 0);
    assert_int_equal(symlink("sub/x", in_folder("relative")), 0);
    assert_int_equal(symlink("relative", in_folder("second")), 0);
    assert_int_equal(symlink("../second", in_folder("sub/back")), 0);
    char directory[4096] = "", absolute[8192];
    assert_true(folder[0] == '/' || getcwd(directory, sizeof directory) != NULL);
    (void)snprintf(absolute, sizeof absolute, "%s%s%s/sub/back", directory, directory[0] != '\0' ? "/" : "", folder);
    assert_int_equal(symlink(absolute, in_folder("absolute")), 0);

    static const char *const links[] = { "relative", "second", "sub/back", "absolute" };
    for (size_t i = 0; i < COUNT(links); i++)
        for (int there = 0; there < 2; there++) { /* where they lead there may be nothing yet */
            if (there)
                put_old(file);
            assert_int_equal(write_new(in_folder(links[i]), NULL), BP_OK);
            assert_new(file);
            assert_int_equal(remove(file), 0);
            assert_int_equal(count_files(), 4);
        }
    assert_link(in_folder("relative"), "sub/x");
    assert_link(in_folder("second"), "relative");
    assert_link(in_folder("sub/back"), "../second");
    assert_link(in_folder("absolute"), absolute);
    for (size_t i = 0; i < COUNT(links); i++)
        assert_int_equal(remove(in_folder(links[i])), 0);
    assert_int_equal(rmdir(in_folder("sub")), 0);
}

static void links_without_end_and_to_directories_are_refused(void **state)
{
    (void)state;
    assert_int_equal(symlink("b", in_folder("a")), 0);
    assert_int_equal(symlink("a", in_folder("b")), 0);
    assert_int_equal(symlink(".", in_folder("here")), 0);
    assert_int_equal(symlink("no/such", in_folder("nowhere")), 0);
    assert_refused(write_new(in_folder("a"), NULL), BP_ERR_IO, "/a: cannot be written: too many symbolic links (errno ");
    assert_refused(write_new(in_folder("here"), NULL), BP_ERR_IO, "it is a directory (errno ");
    assert_refused(write_new(in_folder("nowhere"), NULL), BP_ERR_IO, "no such file (errno ");
    assert_int_equal(count_files(), 4);
    static const char *const links[] = { "a", "b", "here", "nowhere" };
    for (size_t i = 0; i < COUNT(links); i++)
        assert_int_equal(remove(in_folder(links[i])), 0);
}

/* Devices, pipes and sockets would be replaced, not written. */
static void what_is_no_regular_file_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_refused(write_new(in_folder("pipe"), NULL), BP_ERR_IO, "/pipe: cannot be written: it is no regular file");
    assert_int_equal(remove(in_folder("pipe")), 0);
    if (access("/dev/full", F_OK) == 0)
        assert_refused(write_new("/dev/full", NULL), BP_ERR_IO, "/dev/full: cannot be written: it is no regular file");
}

static unsigned mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return (unsigned)status.st_mode & 07777U;
}

static void the_access_mode_is_the_old_files_or_what_the_umask_leaves(void **state)
{
    (void)state;
    static const unsigned modes[] = { 0600, 0640, 0666, 0755, 0200, 0777 };
    const mode_t before = umask(027);
    for (size_t i = 0; i < COUNT(modes); i++) {
        put_old(in_folder("x"));
        assert_int_equal(chmod(in_folder("x"), (mode_t)modes[i]), 0);
        assert_int_equal(write_new(in_folder("x"), NULL), BP_OK);
        assert_int_equal(mode_of(in_folder("x")), modes[i]);
        assert_int_equal(remove(in_folder("x")), 0);
    }
    assert_int_equal(write_new(in_folder("x"), NULL), BP_OK);
    assert_int_equal(mode_of(in_folder("x")), 0640);
    assert_int_equal(remove(in_folder("x")), 0);
    (void)umask(before);
}

static void read_only_folders_and_files_are_refused(void **state)
{
    (void)state;
    if (geteuid() == 0) {
        print_message("skipped: the superuser may write everywhere; the refusals themselves are tried by --wrap\n");
        skip();
    }
    put_old(in_folder("x"));
    assert_int_equal(chmod(in_folder("x"), 0444), 0);
    assert_refused(write_new(in_folder("x"), NULL), BP_ERR_IO, "/x: cannot be written: permission denied");
    assert_int_equal(chmod(in_folder("x"), 0644), 0);
    assert_int_equal(chmod(folder, 0500), 0);
    assert_refused(write_new(in_folder("x"), NULL), BP_ERR_IO, "/x: cannot be written: ", "permission denied");
    assert_refused(write_new(in_folder("y"), NULL), BP_ERR_IO, "/y: cannot be written: ", "permission denied");
    assert_int_equal(chmod(folder, 0700), 0);
    assert_old(in_folder("x"));
    assert_int_equal(count_files(), 1);
    assert_int_equal(remove(in_folder("x")), 0);
}

#endif

/* ---- failures ------------------------------------------------------------------------------------------------------------ */

#ifdef WRAPS

static size_t count_descriptors(void)
{
    size_t n = 0;
    for (int file = 0; file < 256; file++)
        n += fcntl(file, F_GETFD) != -1;
    return n;
}

/* Writes over an old file or where none is, with the trouble that is set. Everything but the target's content is checked. */
static bp_status attempt(const char *name, size_t n_files)
{
    struct test_heap heap;
    test_heap_init(&heap);
    const size_t n_descriptors = count_descriptors();
    test_forget_sentence();
    const bp_status status = write_new(in_folder(name), &heap.allocator);
    end_trouble();
    assert_true(test_heap_is_clean(&heap));
    assert_int_equal(count_descriptors(), n_descriptors);
    assert_int_equal(count_files(), status == BP_OK && n_files == 0 ? 1 : n_files);
    if (status != BP_OK) {
        assert_int_equal(status, BP_ERR_IO);
        if (strstr(bp_error_message(), "cannot be written") == NULL || strstr(bp_error_message(), name) == NULL)
            fail_msg("\"%s\" does not name %s", bp_error_message(), name);
    }
    return status;
}

/* The folder is opened, synced and closed behind the file, and in plain C the old file is opened and closed before it. */
static bool does_no_harm(enum call call, size_t nth, bool has_old)
{
    if (!HAS_POSIX)
        return call == FCLOSE && nth == 1 && has_old;
    return nth > 1 && (call == OPEN || call == FSYNC || call == CLOSE);
}

/* Returns how many calls of that kind there are. */
static size_t assert_survives(enum call call, int reason, const char *sentence, bool has_old)
{
    for (size_t nth = 1;; nth++) {
        if (has_old) {
            put_old(in_folder("x"));
            assert_int_equal(chmod(in_folder("x"), 0777), 0); /* more than the umask lets through */
        }
        set_trouble(call, nth, reason);
        const bp_status status = attempt("x", has_old);
        const bool came = n_calls[call] >= nth;
        const bool may_fail = came && !does_no_harm(call, nth, has_old);
        if ((status != BP_OK) != may_fail)
            fail_msg("%s %zu: %s", call_names[call], nth, status == BP_OK ? "not noticed" : bp_error_message());
        if (may_fail && strstr(bp_error_message(), sentence) == NULL)
            fail_msg("\"%s\" has no \"%s\"", bp_error_message(), sentence);
        if (status == BP_OK)
            assert_new(in_folder("x"));
        else if (has_old)
            assert_old(in_folder("x"));
        if (status == BP_OK || has_old)
            assert_int_equal(remove(in_folder("x")), 0);
        if (!came)
            return nth - 1;
    }
}

#endif

#ifdef WRAPS_SYSTEM

static const struct {
    enum call call;
    int reason;
    const char *sentence;
    size_t n; /* calls, when an old file is there */
} failures[] = {
    { OPEN, EACCES, "a new file beside it cannot be made: permission denied (errno ", 2 },
    { OPEN, EROFS, "a new file beside it cannot be made: the file system is read-only (errno ", 2 },
    { OPEN, ENOSPC, "a new file beside it cannot be made: no space left on the device (errno ", 2 },
    { OPEN, EMFILE, "a new file beside it cannot be made: too many open files (errno ", 2 },
    { OPEN, ENXIO, "a new file beside it cannot be made: for a reason of the system's (errno ", 2 },
    { WRITE, ENOSPC, "writing to the new file beside it failed: no space left on the device (errno ", 5 },
    { WRITE, EDQUOT, "writing to the new file beside it failed: the disk quota is used up (errno ", 5 },
    { WRITE, EIO, "writing to the new file beside it failed: the device failed (errno ", 4 },
    { WRITE, EFBIG, "writing to the new file beside it failed: the file becomes too large (errno ", 4 },
    { WRITE, 0, "writing to the new file beside it failed: the device failed (errno ", 4 },
    { FSYNC, EIO, "the new file beside it cannot be synced: the device failed (errno ", 2 },
    { FSYNC, ENOSPC, "the new file beside it cannot be synced: no space left on the device (errno ", 2 },
    { CLOSE, EIO, "closing the new file beside it failed: the device failed (errno ", 2 },
    { CLOSE, ENOSPC, "closing the new file beside it failed: no space left on the device (errno ", 2 },
    { RENAME, EPERM, "the new file beside it cannot take its place: the operation is not permitted (errno ", 1 },
    { READLINK, EACCES, "cannot be written: permission denied (errno ", 1 },
    { READLINK, 0, "a symbolic link on the way: the path is too long (errno ", 1 },
    { STAT, EACCES, "cannot be written: permission denied (errno ", 1 },
    { FACCESSAT, EACCES, "cannot be written: permission denied (errno ", 1 },
    { FACCESSAT, EROFS, "cannot be written: the file system is read-only (errno ", 1 },
    { FSTAT, EIO, "its access mode cannot be kept: the device failed (errno ", 1 },
    { FCHMOD, EPERM, "its access mode cannot be kept: the operation is not permitted (errno ", 1 },
};

static void whatever_call_fails_the_old_file_stays_and_stays_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(failures); i++)
        assert_true(assert_survives(failures[i].call, failures[i].reason, failures[i].sentence, true) >= failures[i].n);
}

static void whatever_call_fails_no_new_file_is_there_where_none_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(failures); i++)
        (void)assert_survives(failures[i].call, failures[i].reason, failures[i].sentence, false);
}

/* A full disk takes a part of the bytes first; what is wrong does not become right again. */
static void a_disk_that_fills_up_anywhere_is_noticed(void **state)
{
    (void)state;
    bool came = true;
    size_t nth = 0;
    while (came) {
        put_old(in_folder("x"));
        set_trouble(WRITE, ++nth, ENOSPC);
        trouble.all_following = true;
        trouble.most_bytes = 10000;
        const bp_status status = attempt("x", 1);
        came = n_calls[WRITE] >= nth;
        assert_int_equal(status, came ? BP_ERR_IO : BP_OK);
        if (came)
            assert_old(in_folder("x"));
    }
    assert_true(nth > new_bytes()->n / 10000);
    assert_new(in_folder("x"));
    assert_int_equal(remove(in_folder("x")), 0);
}

static void writes_that_take_a_few_bytes_only_go_on(void **state)
{
    (void)state;
    static const size_t most[] = { 1, 7, 1000, 65535, 65536, 65537 };
    for (size_t i = 0; i < COUNT(most); i++) {
        set_trouble(OPEN, 0, 0);
        trouble.most_bytes = most[i];
        assert_int_equal(attempt("x", 0), BP_OK);
        assert_true(n_calls[WRITE] >= new_bytes()->n / most[i]);
        assert_new(in_folder("x"));
        assert_int_equal(remove(in_folder("x")), 0);
    }
}

static void interruptions_are_no_failures(void **state)
{
    (void)state;
    static const enum call calls[] = { OPEN, WRITE, FSYNC, CLOSE };
    for (size_t i = 0; i < COUNT(calls); i++)
        for (size_t nth = 1;; nth++) {
            set_trouble(calls[i], nth, EINTR);
            trouble.most_bytes = 50000;
            assert_int_equal(attempt("x", 0), BP_OK);
            const bool came = n_calls[calls[i]] >= nth;
            assert_new(in_folder("x"));
            assert_int_equal(remove(in_folder("x")), 0);
            if (!came)
                break;
        }
}

/* The first reason is what is said, and nothing is written after it. */
static void the_first_failure_is_kept(void **state)
{
    (void)state;
    struct bpi_writer writer;
    assert_int_equal(bpi_writer_open_path(&writer, in_folder("x"), NULL), BP_OK);
    set_trouble(WRITE, 1, ENOSPC);
    put_new(&writer);
    assert_int_equal(n_calls[WRITE], 1);
    assert_int_equal(writer.status, BP_ERR_IO);
    bpi_writer_put_text(&writer, "more");
    bpi_writer_print(&writer, "%d", 1);
    assert_int_equal(bpi_writer_finish(&writer), BP_ERR_IO);
    assert_non_null(strstr(bp_error_message(), "no space left"));
    assert_int_equal(bpi_writer_finish(&writer), BP_ERR_IO);
    bpi_writer_abandon(&writer);
    assert_int_equal(n_calls[WRITE], 1);
    assert_int_equal(n_calls[FSYNC], 0);
    assert_int_equal(count_files(), 0);
}

#endif

#ifdef WRAPS_STDIO

static void whatever_call_of_stdio_fails_the_old_file_stays_and_stays_alone(void **state)
{
    (void)state;
    for (int has_old = 0; has_old < 2; has_old++) {
        assert_true(assert_survives(FOPEN, EACCES, "permission denied (errno ", has_old) == 2);
        assert_true(assert_survives(FWRITE, ENOSPC, "writing to the new file beside it failed: no space", has_old) == 5);
        assert_true(assert_survives(FFLUSH, ENOSPC, "the new file beside it cannot be synced: no space", has_old) == 1);
        assert_true(assert_survives(FCLOSE, EIO, "closing the new file beside it failed: the device", has_old) >= 1);
    }
}

/* As if the system renamed only to names that are free: then the old file goes aside, and comes back if it must. */
static void a_file_that_is_in_the_way_goes_aside_and_comes_back(void **state)
{
    (void)state;
    put_old(in_folder("x"));
    for (size_t also = 2; also <= 3; also++) {
        set_trouble(RENAME, 1, EEXIST);
        trouble.also = also;
        assert_int_equal(attempt("x", 1), BP_ERR_IO);
        assert_int_equal(n_calls[RENAME], also == 2 ? 2 : 4);
        assert_non_null(strstr(bp_error_message(), "cannot take its place: it is there already (errno "));
        assert_old(in_folder("x"));
    }
    set_trouble(RENAME, 1, EEXIST);
    assert_int_equal(attempt("x", 1), BP_OK);
    assert_new(in_folder("x"));
    assert_int_equal(remove(in_folder("x")), 0);
    set_trouble(RENAME, 1, EACCES);
    assert_int_equal(attempt("x", 0), BP_ERR_IO);

    struct test_heap heap;
    test_heap_init(&heap);
    heap.fail_at = 4; /* the other name: paths and the buffer come before */
    put_old(in_folder("x"));
    set_trouble(RENAME, 1, EEXIST);
    assert_int_equal(write_new(in_folder("x"), &heap.allocator), BP_ERR_IO);
    assert_true(test_heap_is_clean(&heap) && heap.n_failed == 1);
    assert_old(in_folder("x"));
    assert_int_equal(count_files(), 1);
    assert_int_equal(remove(in_folder("x")), 0);
}

#endif

static void a_failed_allocation_is_an_error_and_leaves_nothing_behind(void **state)
{
    (void)state;
    put_old(in_folder("x"));
    if (HAS_POSIX)
        assert_int_equal(symlink("x", in_folder("link")), 0);
    const size_t n_files = count_files();
    size_t fail_at = 0;
    struct test_heap heap;
    do {
        test_heap_init(&heap);
        heap.fail_at = ++fail_at;
        const bp_status status = write_new(in_folder(HAS_POSIX ? "link" : "x"), &heap.allocator);
        assert_int_equal(status, heap.n_failed > 0 ? BP_ERR_MEMORY : BP_OK);
        if (status == BP_OK)
            assert_new(in_folder("x"));
        else
            assert_old(in_folder("x"));
        assert_true(status == BP_OK ||
                    strstr(bp_error_message(), HAS_POSIX ? "/link: no memory" : "/x: no memory") != NULL);
        assert_true(test_heap_is_clean(&heap));
        assert_int_equal(count_files(), n_files);
    } while (heap.n_failed > 0);
    assert_int_equal(fail_at, HAS_POSIX ? 5 : 4); /* a path, where a link leads, a temporary name, the buffer */
    assert_true(heap.peak_bytes < 70000);
    assert_int_equal(remove(in_folder("x")), 0);
    if (HAS_POSIX)
        assert_int_equal(remove(in_folder("link")), 0);
}

/* ---- memory and text ------------------------------------------------------------------------------------------------------- */

static void bytes_are_collected_in_memory(void **state)
{
    (void)state;
    struct test_heap heap;
    test_heap_init(&heap);
    struct bpi_writer writer;
    bpi_writer_open_memory(&writer, &heap.allocator);
    put_new(&writer);
    assert_int_equal(bpi_writer_finish(&writer), BP_OK);
    assert_int_equal(writer.memory.n, new_bytes()->n);
    assert_memory_equal(writer.memory.data, new_bytes()->data, new_bytes()->n);
    assert_int_equal(heap.live_blocks, 1);
    bpi_growing_release(&writer.memory, &writer.allocator);
    bpi_writer_abandon(&writer);
    assert_true(test_heap_is_clean(&heap));

    bpi_writer_open_memory(&writer, &heap.allocator);
    assert_int_equal(bpi_writer_finish(&writer), BP_OK);
    assert_true(writer.memory.n == 0 && writer.memory.data == NULL);
    assert_int_equal(heap.live_blocks, 0);
    bpi_writer_open_memory(&writer, &heap.allocator);
    put_new(&writer);
    bpi_writer_abandon(&writer);
    assert_true(test_heap_is_clean(&heap));
}

static void memory_that_runs_out_is_an_error(void **state)
{
    (void)state;
    char long_text[2000];
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    size_t fail_at = 0;
    struct test_heap heap;
    do {
        test_heap_init(&heap);
        heap.fail_at = ++fail_at;
        struct bpi_writer writer;
        bpi_writer_open_memory(&writer, &heap.allocator);
        bpi_writer_print(&writer, "%s", long_text);
        put_new(&writer);
        bpi_writer_print(&writer, "%s", long_text);
        const bp_status status = bpi_writer_finish(&writer);
        assert_int_equal(status, heap.n_failed > 0 ? BP_ERR_MEMORY : BP_OK);
        if (status != BP_OK) {
            assert_non_null(strstr(bp_error_message(), "memory: no memory for "));
            assert_null(writer.memory.data);
        }
        bpi_writer_abandon(&writer);
        assert_true(test_heap_is_clean(&heap));
    } while (heap.n_failed > 0);
    assert_true(fail_at > 8);
}

static void print_writes_what_printf_would(void **state)
{
    (void)state;
    char long_text[600], expected[2000];
    for (size_t i = 0; i < sizeof long_text; i++)
        long_text[i] = (char)('a' + i % 26);
    for (int comma = 0; comma < 2; comma++) {
        if (comma && !test_set_comma_locale())
            break;
        for (size_t n = 0; n < sizeof long_text; n += n < 240 || n > 260 ? 17 : 1) {
            struct bpi_writer writer;
            bpi_writer_open_memory(&writer, NULL);
            bpi_writer_print(&writer, "%d|%s%c%.*s|%zu|%08" PRIx64 "|%u%%|", -1234567, "text", 'c', (int)n, long_text,
                             (size_t)1000000, UINT64_C(0xabcdef), 7U);
            bpi_writer_put(&writer, "", 1);
            assert_int_equal(bpi_writer_finish(&writer), BP_OK);
            (void)snprintf(expected, sizeof expected, "-1234567|textc%.*s|1000000|00abcdef|7%%|", (int)n, long_text);
            assert_string_equal(writer.memory.data, expected);
            bpi_writer_abandon(&writer);
        }
    }
    assert_non_null(setlocale(LC_ALL, "C"));
}

/* A character that the C locale does not have makes printf fail. */
static void text_that_cannot_be_printed_is_an_error(void **state)
{
    (void)state;
    struct bpi_writer writer;
    bpi_writer_open_memory(&writer, NULL);
    bpi_writer_print(&writer, "%lc", (wint_t)0x20AC);
    assert_refused(bpi_writer_finish(&writer), BP_ERR_TOO_LARGE, "");
    assert_int_equal(writer.status, BP_ERR_TOO_LARGE);
}

int main(void)
{
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(a_file_appears_when_it_is_finished_and_not_before),
        IN_A_FOLDER(an_abandoned_file_leaves_the_old_one),
        IN_A_FOLDER(an_empty_file_is_a_file),
        IN_A_FOLDER(the_working_directory_is_a_folder_too),
        IN_A_FOLDER(two_writers_of_one_file_do_not_mix),
        IN_A_FOLDER(nobodys_file_is_taken_for_a_temporary_one),
#if defined(WRAPS_SYSTEM) || defined(WRAPS_STDIO)
        IN_A_FOLDER(without_a_free_name_nothing_is_written),
#endif
        IN_A_FOLDER(what_no_file_can_replace_is_refused),
        IN_A_FOLDER(long_paths_are_written_or_refused_but_never_cut),
        IN_A_FOLDER(names_of_every_length_that_the_system_takes_are_written),
#if HAS_POSIX
        IN_A_FOLDER(links_stay_and_the_file_behind_them_is_replaced),
        IN_A_FOLDER(links_without_end_and_to_directories_are_refused),
        IN_A_FOLDER(what_is_no_regular_file_is_refused),
        IN_A_FOLDER(the_access_mode_is_the_old_files_or_what_the_umask_leaves),
        IN_A_FOLDER(read_only_folders_and_files_are_refused),
#ifdef WRAPS_SYSTEM
        IN_A_FOLDER(whatever_call_fails_the_old_file_stays_and_stays_alone),
        IN_A_FOLDER(whatever_call_fails_no_new_file_is_there_where_none_was),
        IN_A_FOLDER(a_disk_that_fills_up_anywhere_is_noticed),
        IN_A_FOLDER(writes_that_take_a_few_bytes_only_go_on),
        IN_A_FOLDER(interruptions_are_no_failures),
        IN_A_FOLDER(the_first_failure_is_kept),
#endif
#endif
#ifdef WRAPS_STDIO
        IN_A_FOLDER(whatever_call_of_stdio_fails_the_old_file_stays_and_stays_alone),
        IN_A_FOLDER(a_file_that_is_in_the_way_goes_aside_and_comes_back),
#endif
        IN_A_FOLDER(a_failed_allocation_is_an_error_and_leaves_nothing_behind),
        cmocka_unit_test(bytes_are_collected_in_memory),
        cmocka_unit_test(memory_that_runs_out_is_an_error),
        cmocka_unit_test(print_writes_what_printf_would),
        cmocka_unit_test(text_that_cannot_be_printed_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
