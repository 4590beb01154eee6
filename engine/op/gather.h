/* SPDX-License-Identifier: MIT
 *
 * What nt_gather and nt_scatter share. Private to engine/.
 */
#ifndef NT_ENGINE_OP_GATHER_H
#define NT_ENGINE_OP_GATHER_H

#include "engine/op/loop.h"

/* table: what is indexed along the axis; elements: one for each index, which broadcasts to it. */
enum nt_status nt_gather_check(struct nt_context *ctx, const char *primitive, int axis,
    const struct nt_tensor *table, const struct nt_tensor *index, const struct nt_tensor *elements);

/* Arguments of y, x and index: buffer, offset, the innermost stride, the outer ones. */
void nt_gather_operands(struct nt_launch *launch, const struct nt_loop *outer, const int64_t *inner,
    const struct nt_tensor *const *operands, enum nt_access access);

#endif
