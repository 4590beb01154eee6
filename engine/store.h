/* SPDX-License-Identifier: MIT
 *
 * Whole files, written so that a crash leaves the old one or the new one. Private to engine/.
 * Thread-safe. Both return 0 or an errno value and report nothing.
 */
#ifndef NT_ENGINE_STORE_H
#define NT_ENGINE_STORE_H

#include <stddef.h>

/* Writes a temporary file beside path, syncs it and renames it. */
int nt_store_replace(const char *path, const void *data, size_t bytes);

/* Reads a file of at most max_bytes; *data (a null follows it) is freed with free(). */
int nt_store_read(const char *path, size_t max_bytes, char **data, size_t *bytes);

#endif
