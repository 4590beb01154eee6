/* SPDX-License-Identifier: MIT
 *
 * A growing string. Private to engine/. Exhausted memory is remembered in `failed`, and
 * everything appended after it is dropped.
 */
#ifndef NT_ENGINE_TEXT_H
#define NT_ENGINE_TEXT_H

#include "engine/context.h"

#include <stdarg.h>
#include <stdbool.h>

struct nt_text {
    char *data; /* NULL when empty; else ends with a null; freed with free() */
    size_t length, capacity;
    bool failed;
};

void nt_text_bytes(struct nt_text *text, const char *data, size_t length);
void nt_text_string(struct nt_text *text, const char *string);
void nt_text_format(struct nt_text *text, const char *fmt, ...) NT_PRINTF(2, 3);
void nt_text_vformat(struct nt_text *text, const char *fmt, va_list ap);

#endif
