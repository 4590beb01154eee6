/* SPDX-License-Identifier: MIT */
#include "engine/op/gather.h"
#include "engine/op/group.h"
#include "engine/primitives.h"
#include "engine/variant.h"

#include <string.h>

#define GROUP_SIZE 128

const char *const nt_gather_variants[] = {"tile", "group", NULL};

enum nt_status nt_gather_check(struct nt_context *ctx, const char *primitive, int axis,
    const struct nt_tensor *table, const struct nt_tensor *index, const struct nt_tensor *elements)
{
    char a[128], b[128];
    struct nt_shape same = table->shape, wide;
    if (index->dtype != NT_I32)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "%s: index of %s: must be int32", primitive,
            nt_dtype_name(index->dtype));
    if (table->dtype != elements->dtype)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "%s: %s and %s: must be of one type", primitive,
            nt_dtype_name(table->dtype), nt_dtype_name(elements->dtype));
    if (axis < 0 || axis >= same.rank)
        return nt_fail(
            ctx, NT_ERR_ARGUMENT, "%s: axis %d: the rank is %d", primitive, axis, same.rank);
    if (elements->shape.rank == same.rank)
        same.dim[axis] = elements->shape.dim[axis];
    if (!nt_shape_equal(&same, &elements->shape))
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: %s and %s: must agree in all dimensions but %d",
            primitive, nt_shape_text(&table->shape, a, sizeof a),
            nt_shape_text(&elements->shape, b, sizeof b), axis);
    if (!nt_shape_broadcast(&index->shape, &elements->shape, &wide) ||
        !nt_shape_equal(&wide, &elements->shape))
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: index of %s: must broadcast to %s", primitive,
            nt_shape_text(&index->shape, a, sizeof a),
            nt_shape_text(&elements->shape, b, sizeof b));
    return NT_OK;
}

/* What a bad index gives. */
static uint64_t bad_bits(enum nt_dtype dtype)
{
    switch (dtype) {
    case NT_F32:
        return 0x7fc00000;
    case NT_I32:
        return 0x80000000;
    case NT_F64:
        return 0x7ff8000000000000;
    case NT_I64:
        return 0x8000000000000000;
    default:
        return 0;
    }
}

enum nt_status nt_gather(struct nt_tape *tape, const struct nt_tensor *x, int axis,
    const struct nt_tensor *index, const struct nt_tensor *y)
{
    const char *variant, *reason;
    enum nt_status status =
        nt_gather_check(nt_device_context(nt_tape_device(tape)), "gather", axis, x, index, y);
    if (status == NT_OK)
        status = nt_choose(tape, "gather", nt_gather_variants, NULL, &variant, &reason);
    int64_t count = nt_shape_count(&y->shape), step = x->stride[axis];
    if (status != NT_OK || count == 0)
        return status;
    struct nt_tensor along = *x;
    along.shape.dim[axis] = y->shape.dim[axis];
    along.stride[axis] = 0;
    struct nt_loop loop = nt_loop_make(&y->shape);
    nt_loop_add(&loop, y);
    nt_loop_add(&loop, &along);
    nt_loop_add(&loop, index);
    nt_loop_collapse(&loop, 0);
    int64_t inner[NT_LOOP_OPERANDS], n = nt_loop_pop(&loop, inner), rows = nt_loop_count(&loop);
    bool tile = !strcmp(variant, "tile");
    uint64_t bad = bad_bits(x->dtype);
    struct nt_launch l;
    nt_launch_init(&l, tape, "gather", tile ? "gather_tile" : "gather_group", variant, reason);
    nt_launch_define(&l, "NT_SIZE", "%d", (int)nt_dtype_size(x->dtype));
    nt_launch_define(&l, "NT_OUTER", "%d", loop.rank);
    l.bytes = (double)count * (4 + 2 * (double)nt_dtype_size(x->dtype));
    if (tile) {
        nt_launch_define(&l, "NT_TILE", "1");
        if (inner[2] == 0)
            nt_launch_define(&l, "NT_WHOLE", "1");
        nt_loop_divide(&l, rows, n, 1, nt_loop_groups(tape, l.bytes / 4));
    } else {
        nt_launch_int(&l, n);
        nt_launch_int(&l, count);
        nt_group_line(&l, count, GROUP_SIZE);
    }
    const struct nt_tensor *operands[] = {y, x, index};
    nt_gather_operands(&l, &loop, inner, operands, NT_ACCESS_WRITE);
    nt_launch_int(&l, step);
    nt_launch_int(&l, x->shape.dim[axis]);
    nt_launch_int(&l, (int32_t)bad);
    nt_launch_int(&l, (int32_t)(bad >> 32));
    nt_loop_extents(&l, &loop);
    return nt_launch_append(&l);
}

void nt_gather_operands(struct nt_launch *l, const struct nt_loop *outer, const int64_t *inner,
    const struct nt_tensor *const *operands, enum nt_access access)
{
    for (int k = 0; k < 3; k++) {
        nt_launch_tensor(l, operands[k], k == 0 ? access : NT_ACCESS_READ);
        nt_launch_int(l, inner[k]);
        nt_loop_strides(l, outer, k);
    }
}
