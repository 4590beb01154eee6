/* SPDX-License-Identifier: MIT */
#include "frontend/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#define BLOCK_SIZE ((size_t)64 << 10)

struct block {
    struct block *next;
    size_t used, size;
    alignas(max_align_t) unsigned char data[];
};

struct nt_arena {
    struct block *block;
};

struct nt_arena *nt_arena_create(void)
{
    return calloc(1, sizeof(struct nt_arena));
}

void nt_arena_destroy(struct nt_arena *arena)
{
    if (!arena)
        return;
    for (struct block *b = arena->block, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(arena);
}

void *nt_arena_alloc(struct nt_arena *arena, size_t bytes)
{
    size_t align = alignof(max_align_t);
    bytes = (bytes + align - 1) / align * align;
    struct block *b = arena->block;
    if (!b || b->size - b->used < bytes) {
        size_t size = bytes > BLOCK_SIZE ? bytes : BLOCK_SIZE;
        b = calloc(1, sizeof *b + size);
        if (!b)
            return NULL;
        b->size = size;
        b->next = arena->block;
        arena->block = b;
    }
    void *p = b->data + b->used;
    b->used += bytes;
    return p;
}
