/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* realpath */
#include "engine/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int nt_store_make_folders(const char *path)
{
    char part[4200];
    if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part)
        return ENAMETOOLONG;
    for (char *p = part + 1; *part && *p; p++)
        if (*p == '/') {
            *p = 0;
            mkdir(part, 0777);
            *p = '/';
        }
    struct stat made;
    if (mkdir(part, 0777) == 0)
        return 0;
    int error = errno;
    return error != EEXIST || stat(part, &made) != 0 ? error : S_ISDIR(made.st_mode) ? 0 : ENOTDIR;
}

static int write_all(int fd, const char *data, size_t bytes)
{
    while (bytes) {
        ssize_t n = write(fd, data, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : ENOSPC;
        data += n;
        bytes -= (size_t)n;
    }
    return fsync(fd) == 0 || errno == EINVAL ? 0 : errno; /* a pipe cannot be synced */
}

static int write_in_place(const char *path, const char *data, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = write_all(fd, data, bytes);
    if (close(fd) != 0 && !error)
        error = errno;
    return error;
}

static int replace(const char *path, const char *data, size_t bytes)
{
    static atomic_uint serial;
    char temporary[4200];
    int n = snprintf(temporary, sizeof temporary, "%s.%ld.%u.tmp", path, (long)getpid(),
        atomic_fetch_add(&serial, 1));
    if (n < 0 || (size_t)n >= sizeof temporary)
        return ENAMETOOLONG;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return errno;
    int error = write_all(fd, data, bytes);
    if (close(fd) != 0 && !error)
        error = errno;
    if (!error && rename(temporary, path) != 0)
        error = errno;
    if (error)
        unlink(temporary);
    return error;
}

int nt_store_replace(const char *path, const void *data, size_t bytes)
{
    struct stat info;
    bool exists = stat(path, &info) == 0;
    if (exists && S_ISDIR(info.st_mode))
        return EISDIR;
    if (exists && !S_ISREG(info.st_mode)) /* a rename would put a file where /dev/stdout was */
        return write_in_place(path, data, bytes);
    char *target = exists ? realpath(path, NULL) : NULL; /* a link stays one */
    int error = replace(target ? target : path, data, bytes);
    free(target);
    return error;
}

int nt_store_read(const char *path, size_t max_bytes, char **data, size_t *bytes)
{
    struct stat st;
    FILE *file = fopen(path, "rb");
    if (!file)
        return errno;
    int error = fstat(fileno(file), &st) != 0                      ? errno
                : !S_ISREG(st.st_mode)                             ? EINVAL
                : st.st_size < 0 || (size_t)st.st_size > max_bytes ? EFBIG
                                                                   : 0;
    size_t size = error ? 0 : (size_t)st.st_size;
    char *text = error ? NULL : malloc(size + 1);
    if (!error && !text)
        error = ENOMEM;
    if (!error && fread(text, 1, size, file) != size)
        error = EIO;
    fclose(file);
    if (error) {
        free(text);
        return error;
    }
    text[size] = 0;
    *data = text;
    *bytes = size;
    return 0;
}
