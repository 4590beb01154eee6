/* SPDX-License-Identifier: MIT
 *
 * Whole files, written so that a crash leaves the old one or the new one. Private to engine/.
 * Thread-safe. All return 0 or an errno value and report nothing.
 */
#ifndef NT_ENGINE_STORE_H
#define NT_ENGINE_STORE_H

#include <stddef.h>

/* Makes a folder and those that it is in, where they are missing. */
int nt_store_make_folders(const char *path);

/* Writes a temporary file beside path, syncs it and renames it. A link is followed; what is no
 * regular file, as /dev/stdout, is written to as it is. */
int nt_store_replace(const char *path, const void *data, size_t bytes);

/* Reads a file of at most max_bytes; *data (a null follows it) is freed with free(). */
int nt_store_read(const char *path, size_t max_bytes, char **data, size_t *bytes);

#endif
