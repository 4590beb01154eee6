/* SPDX-License-Identifier: MIT
 *
 * Whole files in, whole files out. Reading takes plain and gzip files alike.
 * Writing goes to a temporary name in the same folder, which replaces the file in one
 * step when everything is on disk: a reader, or a kill, never meets half a file.
 * Thread-safety: one thread per writer.
 */
#ifndef NT_FRONTEND_FILE_H
#define NT_FRONTEND_FILE_H

#include <stdbool.h>

#include "engine/context.h"

/* Reads and, when it is gzip, unpacks a file. data is the caller's (free) and has one zero byte
 * after its end. max_bytes limits the unpacked size; 0: 8 GiB. */
enum nt_status nt_file_read(
    struct nt_context *ctx, const char *path, size_t max_bytes, uint8_t **data, size_t *size);

bool nt_file_is_folder(const char *path);

/* Writes dir/name into path, without a second slash. Fails when it does not fit. */
enum nt_status nt_file_join(
    struct nt_context *ctx, char *path, size_t size, const char *dir, const char *name);

/* Creates a folder and the missing ones above it. */
enum nt_status nt_file_make_folder(struct nt_context *ctx, const char *path);

struct nt_file_writer;

/* A device or pipe (/dev/stdout) is written in place. */
enum nt_status nt_file_create(
    struct nt_context *ctx, const char *path, struct nt_file_writer **out);

/* Appends; or writes at an offset from the start, which does not move the end of what is
 * appended. After a failure only nt_file_discard is left to do. */
enum nt_status nt_file_write(struct nt_file_writer *writer, const void *data, size_t size);
enum nt_status nt_file_write_at(
    struct nt_file_writer *writer, uint64_t offset, const void *data, size_t size);

/* Brings everything to disk and the file to its name. Takes the writer, also when it fails: the
 * former file, if any, is then untouched and the temporary one is gone. */
enum nt_status nt_file_commit(struct nt_file_writer *writer);

/* Gives up: removes the temporary file. Takes the writer; NULL is accepted. */
void nt_file_discard(struct nt_file_writer *writer);

/* create, write and commit in one. */
enum nt_status nt_file_replace(
    struct nt_context *ctx, const char *path, const void *data, size_t size);

#endif
