/* SPDX-License-Identifier: MIT */
#include "engine/plan.h"

#include <stdbool.h>
#include <stdlib.h>

struct placement {
    struct nt_plan_item **placed; /* by arena, then offset */
    int count;
    size_t alignment, max_bytes;
    struct nt_plan_arenas arenas;
};

static size_t rounded(size_t bytes, size_t alignment)
{
    return (bytes + alignment - 1) / alignment * alignment;
}

static int by_size(const void *pa, const void *pb)
{
    const struct nt_plan_item *a = *(struct nt_plan_item *const *)pa;
    const struct nt_plan_item *b = *(struct nt_plan_item *const *)pb;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? 1 : -1;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* The smallest gap of an arena that holds the item; inside the arena's present size if there
 * is one, else at the end of what the item meets. False when it would exceed max_bytes. */
static bool find_gap(const struct placement *p, const struct nt_plan_item *item, int arena,
    int begin, int end, size_t *offset)
{
    size_t at = 0, best = SIZE_MAX;
    for (int i = begin; i < end; i++) {
        const struct nt_plan_item *other = p->placed[i];
        if (other->last < item->first || item->last < other->first)
            continue;
        if (other->offset > at && other->offset - at >= item->bytes && other->offset - at < best) {
            best = other->offset - at;
            *offset = at;
        }
        size_t after = rounded(other->offset + other->bytes, p->alignment);
        if (after > at)
            at = after;
    }
    size_t size = p->arenas.bytes[arena];
    if (at < size && size - at >= item->bytes && size - at < best) {
        best = size - at;
        *offset = at;
    }
    if (best != SIZE_MAX)
        return true;
    if (at > p->max_bytes || item->bytes > p->max_bytes - at)
        return false;
    *offset = at;
    return true;
}

static void insert(struct placement *p, struct nt_plan_item *item, int at, int end)
{
    while (at < end && p->placed[at]->offset <= item->offset)
        at++;
    for (int i = p->count; i > at; i--)
        p->placed[i] = p->placed[i - 1];
    p->placed[at] = item;
    p->count++;
}

static enum nt_status place(struct nt_context *ctx, struct placement *p, struct nt_plan_item *item)
{
    int begin = 0;
    for (int arena = 0;; arena++) {
        if (arena == p->arenas.count) {
            size_t *bytes = realloc(p->arenas.bytes, ((size_t)arena + 1) * sizeof *p->arenas.bytes);
            if (!bytes)
                return nt_fail(ctx, NT_ERR_MEMORY, "plan: out of memory");
            bytes[arena] = 0;
            p->arenas.bytes = bytes;
            p->arenas.count++;
        }
        int end = begin;
        while (end < p->count && p->placed[end]->arena == arena)
            end++;
        if (find_gap(p, item, arena, begin, end, &item->offset)) {
            item->arena = arena;
            insert(p, item, begin, end);
            if (item->offset + item->bytes > p->arenas.bytes[arena])
                p->arenas.bytes[arena] = item->offset + item->bytes;
            return NT_OK;
        }
        if (begin == end)
            return nt_fail(ctx, NT_ERR_MEMORY, "plan: %zu bytes: an arena holds at most %zu",
                item->bytes, p->max_bytes);
        begin = end;
    }
}

enum nt_status nt_plan_assign(struct nt_context *ctx, int count, struct nt_plan_item *items,
    size_t alignment, size_t max_bytes, struct nt_plan_arenas *arenas)
{
    struct placement p = {.alignment = alignment, .max_bytes = max_bytes};
    struct nt_plan_item **order = calloc((size_t)count + 1, sizeof *order);
    p.placed = calloc((size_t)count + 1, sizeof *p.placed);
    enum nt_status status = NT_OK;
    if (!order || !p.placed)
        status = nt_fail(ctx, NT_ERR_MEMORY, "plan: out of memory");
    int used = 0;
    for (int i = 0; status == NT_OK && i < count; i++) {
        items[i].arena = -1;
        items[i].offset = 0;
        if (items[i].bytes)
            order[used++] = &items[i];
    }
    if (status == NT_OK)
        qsort(order, (size_t)used, sizeof *order, by_size);
    for (int i = 0; status == NT_OK && i < used; i++)
        status = place(ctx, &p, order[i]);
    free(order);
    free(p.placed);
    if (status != NT_OK) {
        free(p.arenas.bytes);
        return status;
    }
    *arenas = p.arenas;
    return NT_OK;
}
