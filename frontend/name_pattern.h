/* SPDX-License-Identifier: MIT
 *
 * Patterns for names of parameters, as shells have them for files: "*.bias,bn?.weight". Commas
 * stand between alternatives.
 */
#ifndef NT_FRONTEND_NAME_PATTERN_H
#define NT_FRONTEND_NAME_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

/* Whether one of the patterns, NULL for none, matches the whole name. */
bool nt_name_pattern_matches(const char *patterns, const char *name);

/* The next alternative, cut at size, into pattern; returns where the one after it begins, NULL at
 * the end. */
const char *nt_name_pattern_next(const char *patterns, char *pattern, size_t size);

#endif
