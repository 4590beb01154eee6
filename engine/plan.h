/* SPDX-License-Identifier: MIT
 *
 * Offsets for buffers that live for a span of launches, in few arenas. Pure arithmetic.
 * Private to engine/.
 */
#ifndef NT_ENGINE_PLAN_H
#define NT_ENGINE_PLAN_H

#include "engine/context.h"

struct nt_plan_item {
    size_t bytes;    /* 0: takes no room */
    int first, last; /* launches, both included; two items meet when their spans do */
    int arena;       /* result; -1 when bytes is 0 */
    size_t offset;   /* result, a multiple of alignment */
};

struct nt_plan_arenas {
    int count;
    size_t *bytes; /* freed with free() */
};

/* No arena exceeds max_bytes; the caller saw to it that no item does. Large items are placed
 * first, each in the smallest gap between the placed ones it meets (best fit). Deterministic. */
enum nt_status nt_plan_assign(struct nt_context *ctx, int count, struct nt_plan_item *items,
    size_t alignment, size_t max_bytes, struct nt_plan_arenas *arenas);

#endif
