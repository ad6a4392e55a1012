// SPDX-License-Identifier: MIT
/*
 * The reasons behind errno, in a table: strerror() would do, but two threads may not call it at once everywhere, and it speaks
 * the locale's language.
 */
#include "store/io_failure.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/status.h"

#define MAX_NAME_LENGTH ((size_t)240) /* leaves room for the reason in a sentence of 511 bytes */

static const struct {
    int number;
    const char *text;
} reasons[] = {
    { ENOENT, "no such file" },
    { ENOTDIR, "a part of the path is not a directory" },
    { EISDIR, "it is a directory" },
    { EACCES, "permission denied" },
    { EPERM, "the operation is not permitted" },
    { EEXIST, "it is there already" },
    { EMFILE, "too many open files" },
    { ENFILE, "too many open files in the system" },
    { EIO, "the device failed" },
    { ENOSPC, "no space left on the device" },
    { EFBIG, "the file becomes too large" },
    { EROFS, "the file system is read-only" },
    { ENAMETOOLONG, "the path is too long" },
#ifdef EDQUOT
    { EDQUOT, "the disk quota is used up" },
#endif
#ifdef ELOOP
    { ELOOP, "too many symbolic links" },
#endif
};

static const char *reason_of(int number)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].number == number)
            return reasons[i].text;
    return "for a reason of the system's";
}

const char *bpi_name_of_path(const char *path)
{
    const size_t length = strlen(path);
    return length <= MAX_NAME_LENGTH ? path : path + (length - MAX_NAME_LENGTH);
}

bp_status bpi_io_failure(const char *name, const char *what)
{
    const int number = errno;
    return bpi_fail(BP_ERR_IO, "%s: %s: %s (errno %d)", name, what, reason_of(number), number);
}
