/* SPDX-License-Identifier: MIT
 *
 * Memory that is freed all at once. Allocations are zeroed and aligned for any type.
 */
#ifndef NT_FRONTEND_ARENA_H
#define NT_FRONTEND_ARENA_H

#include <stddef.h>

struct nt_arena;

struct nt_arena *nt_arena_create(void); /* NULL when memory is exhausted */
void nt_arena_destroy(struct nt_arena *arena);
void *nt_arena_alloc(struct nt_arena *arena, size_t bytes); /* NULL when memory is exhausted */

#endif
