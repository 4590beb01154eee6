/* SPDX-License-Identifier: MIT */
#include "engine/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct nt_text *text, size_t more)
{
    if (text->failed)
        return false;
    size_t need = text->length + more + 1;
    if (need <= text->capacity)
        return true;
    size_t capacity = need > 2 * text->capacity ? need : 2 * text->capacity;
    char *data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void nt_text_bytes(struct nt_text *text, const char *data, size_t length)
{
    if (!reserve(text, length))
        return;
    if (length)
        memcpy(text->data + text->length, data, length);
    text->length += length;
    text->data[text->length] = 0;
}

void nt_text_string(struct nt_text *text, const char *string)
{
    nt_text_bytes(text, string, strlen(string));
}

void nt_text_format(struct nt_text *text, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    nt_text_vformat(text, fmt, ap);
    va_end(ap);
}

void nt_text_vformat(struct nt_text *text, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int length = vsnprintf(NULL, 0, fmt, ap);
    if (length < 0)
        text->failed = true;
    else if (reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, fmt, again);
        text->length += (size_t)length;
    }
    va_end(again);
}
