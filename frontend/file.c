/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* realpath */
#include "frontend/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define DEFAULT_MAX_BYTES ((size_t)8 << 30)
#define FIRST_CHUNK ((size_t)1 << 16)
#define LARGEST_IO ((size_t)1 << 30) /* one read or write moves at most 2 GiB on Linux */

struct nt_file_writer {
    struct nt_context *ctx;
    int fd;
    bool in_place;
    uint64_t end;
    char *path, *target, *temporary; /* target: path with links followed */
};

struct bytes {
    uint8_t *data;
    size_t size, capacity;
};

static bool grow(struct bytes *bytes, size_t capacity)
{
    uint8_t *data = realloc(bytes->data, capacity + 1);
    if (!data)
        return false;
    bytes->data = data;
    bytes->capacity = capacity;
    return true;
}

static enum nt_status fail_read(struct nt_context *ctx, const char *path, int error)
{
    return nt_fail(ctx, NT_ERR_FILE, "%s: cannot read: %s", path, strerror(error));
}

static enum nt_status make_room(
    struct nt_context *ctx, const char *path, size_t max_bytes, struct bytes *bytes)
{
    if (bytes->size < bytes->capacity)
        return NT_OK;
    /* One byte beyond the limit is read, to notice that there is more. */
    size_t capacity = bytes->capacity * 2 > max_bytes ? max_bytes + 1 : bytes->capacity * 2;
    if (bytes->size > max_bytes)
        return nt_fail(ctx, NT_ERR_FORMAT, "%s: larger than %zu bytes, the most that is read here",
            path, max_bytes);
    if (!grow(bytes, capacity))
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for %zu bytes", path, capacity);
    return NT_OK;
}

static enum nt_status read_plain(
    struct nt_context *ctx, const char *path, int fd, size_t max_bytes, struct bytes *bytes)
{
    for (;;) {
        enum nt_status status = make_room(ctx, path, max_bytes, bytes);
        if (status != NT_OK)
            return status;
        size_t room = bytes->capacity - bytes->size;
        ssize_t got = read(fd, bytes->data + bytes->size, room < LARGEST_IO ? room : LARGEST_IO);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_read(ctx, path, errno);
        if (got == 0)
            return NT_OK;
        bytes->size += (size_t)got;
    }
}

static enum nt_status unpack(
    struct nt_context *ctx, const char *path, int fd, size_t max_bytes, struct bytes *bytes)
{
    gzFile gz = gzdopen(fd, "rb");
    if (!gz) {
        close(fd);
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory to unpack it", path);
    }
    enum nt_status status;
    gzbuffer(gz, 1 << 17);
    while ((status = make_room(ctx, path, max_bytes, bytes)) == NT_OK) {
        size_t room = bytes->capacity - bytes->size;
        int got = gzread(
            gz, bytes->data + bytes->size, (unsigned)(room < LARGEST_IO ? room : LARGEST_IO));
        int code;
        const char *text = gzerror(gz, &code);
        if (code == Z_BUF_ERROR)
            status = nt_fail(ctx, NT_ERR_FORMAT, "%s: the gzip data end early: truncated", path);
        else if (code == Z_ERRNO)
            status = fail_read(ctx, path, errno);
        else if (code != Z_OK && code != Z_STREAM_END)
            status = nt_fail(ctx, NT_ERR_FORMAT, "%s: broken gzip data: %s", path, text);
        if (status != NT_OK || got <= 0)
            break;
        bytes->size += (size_t)got;
    }
    gzclose_r(gz);
    return status;
}

enum nt_status nt_file_read(
    struct nt_context *ctx, const char *path, size_t max_bytes, uint8_t **data, size_t *size)
{
    if (!max_bytes)
        max_bytes = DEFAULT_MAX_BYTES;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return nt_fail(ctx, NT_ERR_FILE, "%s: cannot open: %s", path, strerror(errno));
    struct stat info;
    size_t capacity = FIRST_CHUNK;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        if ((uint64_t)info.st_size > max_bytes) {
            close(fd);
            return nt_fail(ctx, NT_ERR_FORMAT,
                "%s: %lld bytes: larger than %zu bytes, the most that is read here", path,
                (long long)info.st_size, max_bytes);
        }
        capacity = (size_t)info.st_size + 1;
    }
    struct bytes bytes = {0};
    if (!grow(&bytes, capacity)) {
        close(fd);
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for %zu bytes", path, capacity);
    }
    uint8_t magic[2] = {0};
    enum nt_status status;
    if (pread(fd, magic, 2, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b) {
        status = unpack(ctx, path, fd, max_bytes, &bytes);
    } else {
        status = read_plain(ctx, path, fd, max_bytes, &bytes);
        close(fd);
    }
    if (status != NT_OK) {
        free(bytes.data);
        return status;
    }
    bytes.data[bytes.size] = 0;
    *data = bytes.data;
    *size = bytes.size;
    return NT_OK;
}

bool nt_file_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

enum nt_status nt_file_join(
    struct nt_context *ctx, char *path, size_t size, const char *dir, const char *name)
{
    size_t length = strlen(dir);
    const char *slash = length && dir[length - 1] == '/' ? "" : "/";
    if ((size_t)snprintf(path, size, "%s%s%s", dir, slash, name) >= size)
        return nt_fail(ctx, NT_ERR_FILE, "%.80s...: the path is longer than %zu bytes", dir, size);
    return NT_OK;
}

enum nt_status nt_file_make_folder(struct nt_context *ctx, const char *path)
{
    char *part = strdup(path);
    if (!part)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory", path);
    enum nt_status status = NT_OK;
    for (char *at = part + (*part == '/');; at++) {
        if (*at && *at != '/')
            continue;
        char kept = *at;
        *at = 0;
        if (*part && mkdir(part, 0777) != 0) {
            int error = errno == EEXIST ? ENOTDIR : errno;
            if (!nt_file_is_folder(part)) {
                status = nt_fail(
                    ctx, NT_ERR_FILE, "%s: cannot create this folder: %s", part, strerror(error));
                break;
            }
        }
        if (!(*at = kept))
            break;
    }
    free(part);
    return status;
}

/* The folder of a path, in a buffer of the path's length + 2. */
static void folder_of(const char *path, char *dir)
{
    strcpy(dir, path);
    char *slash = strrchr(dir, '/');
    if (!slash)
        strcpy(dir, ".");
    else
        slash[slash == dir] = 0;
}

static enum nt_status fail_create(struct nt_context *ctx, const char *path, int error)
{
    char *dir = malloc(strlen(path) + 2);
    bool missing = false;
    if (dir) {
        folder_of(path, dir);
        missing = error == ENOENT && access(dir, F_OK) != 0;
    }
    enum nt_status status =
        missing
            ? nt_fail(ctx, NT_ERR_FILE, "%s: cannot create: folder %s does not exist", path, dir)
            : nt_fail(ctx, NT_ERR_FILE, "%s: cannot create: %s", path, strerror(error));
    free(dir);
    return status;
}

static enum nt_status fail_write(struct nt_file_writer *writer, int error)
{
    return nt_fail(writer->ctx, NT_ERR_FILE, "%s: cannot write: %s", writer->path, strerror(error));
}

static void release(struct nt_file_writer *writer)
{
    free(writer->path);
    free(writer->target);
    free(writer->temporary);
    free(writer);
}

enum nt_status nt_file_create(struct nt_context *ctx, const char *path, struct nt_file_writer **out)
{
    static atomic_uint serial;
    struct nt_file_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for a writer", path);
    struct stat info;
    bool exists = stat(path, &info) == 0;
    /* A link stays one, /dev/stdout above all: what it leads to is replaced. */
    char *target = exists && S_ISREG(info.st_mode) ? realpath(path, NULL) : NULL;
    writer->target = target ? target : strdup(path);
    size_t size = writer->target ? strlen(writer->target) + 40 : 0;
    writer->ctx = ctx;
    writer->path = strdup(path);
    writer->temporary = malloc(size);
    if (!writer->path || !writer->target || !writer->temporary) {
        release(writer);
        return nt_fail(ctx, NT_ERR_MEMORY, "%s: no memory for a writer", path);
    }
    writer->in_place = exists && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
    if (exists && S_ISDIR(info.st_mode)) {
        errno = EISDIR;
        writer->fd = -1;
    } else if (writer->in_place) {
        writer->fd = open(path, O_WRONLY | O_CLOEXEC);
    } else {
        snprintf(writer->temporary, size, "%s.%ld-%u.tmp", writer->target, (long)getpid(),
            atomic_fetch_add(&serial, 1));
        writer->fd = open(writer->temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    }
    if (writer->fd < 0) {
        enum nt_status status = fail_create(ctx, path, errno);
        release(writer);
        return status;
    }
    *out = writer;
    return NT_OK;
}

static enum nt_status write_part(
    struct nt_file_writer *writer, bool append, uint64_t offset, const void *data, size_t size)
{
    const char *from = data;
    while (size > 0) {
        size_t part = size < LARGEST_IO ? size : LARGEST_IO;
        ssize_t put = append && writer->in_place ? write(writer->fd, from, part)
                                                 : pwrite(writer->fd, from, part, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return fail_write(writer, put < 0 ? errno : ENOSPC);
        from += put;
        offset += (size_t)put;
        size -= (size_t)put;
    }
    return NT_OK;
}

enum nt_status nt_file_write(struct nt_file_writer *writer, const void *data, size_t size)
{
    enum nt_status status = write_part(writer, true, writer->end, data, size);
    if (status == NT_OK)
        writer->end += size;
    return status;
}

enum nt_status nt_file_write_at(
    struct nt_file_writer *writer, uint64_t offset, const void *data, size_t size)
{
    return write_part(writer, false, offset, data, size);
}

/* The rename itself must reach the disk too. Some file systems cannot sync a folder: no harm. */
static void sync_folder(const char *path)
{
    char *dir = malloc(strlen(path) + 2);
    if (!dir)
        return;
    folder_of(path, dir);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(dir);
}

enum nt_status nt_file_commit(struct nt_file_writer *writer)
{
    enum nt_status status = NT_OK;
    if (!writer->in_place && fsync(writer->fd) != 0)
        status = fail_write(writer, errno);
    if (close(writer->fd) != 0 && status == NT_OK)
        status = fail_write(writer, errno);
    writer->fd = -1;
    if (!writer->in_place) {
        if (status == NT_OK && rename(writer->temporary, writer->target) != 0)
            status = fail_write(writer, errno);
        if (status == NT_OK)
            sync_folder(writer->target);
        else
            unlink(writer->temporary);
    }
    release(writer);
    return status;
}

void nt_file_discard(struct nt_file_writer *writer)
{
    if (!writer)
        return;
    close(writer->fd);
    if (!writer->in_place)
        unlink(writer->temporary);
    release(writer);
}

enum nt_status nt_file_replace(
    struct nt_context *ctx, const char *path, const void *data, size_t size)
{
    struct nt_file_writer *writer;
    enum nt_status status = nt_file_create(ctx, path, &writer);
    if (status != NT_OK)
        return status;
    status = nt_file_write(writer, data, size);
    if (status != NT_OK) {
        nt_file_discard(writer);
        return status;
    }
    return nt_file_commit(writer);
}
