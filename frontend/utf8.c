/* SPDX-License-Identifier: MIT */
#include "frontend/utf8.h"

#include <string.h>

int32_t nt_utf8_decode(const uint8_t **p, const uint8_t *end)
{
    const uint8_t *at = *p;
    int more = *at < 0x80 ? 0 : *at >= 0xf0 ? 3 : *at >= 0xe0 ? 2 : 1;
    static const uint32_t least[] = {1, 0x80, 0x800, 0x10000};
    if ((*at >= 0x80 && *at < 0xc2) || *at > 0xf4 || end - at <= more)
        return -1;
    uint32_t code = more ? *at & (0x3fu >> more) : *at;
    for (int i = 1; i <= more; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return -1;
        code = code << 6 | (at[i] & 0x3fu);
    }
    if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return -1;
    *p = at + more + 1;
    return (int32_t)code;
}

void nt_utf8_encode(uint32_t code, char text[NT_UTF8_SIZE])
{
    int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const uint8_t head[] = {0, 0xc0, 0xe0, 0xf0};
    text[0] = (char)(head[more] | code >> (6 * more));
    for (int i = 1; i <= more; i++)
        text[i] = (char)(0x80 | (code >> (6 * (more - i)) & 0x3f));
    text[more + 1] = 0;
}

bool nt_utf8_is(const char *text, size_t size)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + size;
    while (at < end)
        if (nt_utf8_decode(&at, end) < 0)
            return false;
    return true;
}

char *nt_utf8_mend(char *text)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);
    while (at < end)
        if (nt_utf8_decode(&at, end) < 0)
            text[at++ - (const uint8_t *)text] = '?';
    return text;
}
