/* SPDX-License-Identifier: MIT */
#include "engine/op/group.h"
#include "engine/op/loop.h"
#include "engine/primitives.h"
#include "engine/variant.h"

#include <string.h>

#define GROUP_SIZE 64

const char *const nt_scan_variants[] = {"tile", "group", NULL};

static enum nt_status check(struct nt_context *ctx, enum nt_reduction reduction, int axis,
    const struct nt_tensor *x, const struct nt_tensor *y)
{
    char a[128], b[128];
    if (reduction != NT_REDUCE_SUM && reduction != NT_REDUCE_PROD)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "scan: must be of sums or products");
    if ((x->dtype != NT_F32 && x->dtype != NT_I32) || x->dtype != y->dtype)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED,
            "scan: %s to %s: must be of one type, float32 or int32", nt_dtype_name(x->dtype),
            nt_dtype_name(y->dtype));
    if (!nt_shape_equal(&x->shape, &y->shape))
        return nt_fail(ctx, NT_ERR_SHAPE, "scan: %s to %s: must be equal",
            nt_shape_text(&x->shape, a, sizeof a), nt_shape_text(&y->shape, b, sizeof b));
    if (axis < 0 || axis >= x->shape.rank)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "scan: axis %d: the rank is %d", axis, x->shape.rank);
    return NT_OK;
}

/* The elements where a line begins, at its end when it is walked in reverse; the step in *step. */
static struct nt_tensor starts(const struct nt_tensor *t, int axis, bool reverse, int64_t *step)
{
    struct nt_tensor view = *t;
    *step = reverse ? -t->stride[axis] : t->stride[axis];
    view.offset += reverse ? (t->shape.dim[axis] - 1) * t->stride[axis] : 0;
    view.shape.dim[axis] = 1;
    return view;
}

enum nt_status nt_scan(struct nt_tape *tape, enum nt_reduction reduction, bool exclusive,
    bool reverse, int axis, const struct nt_tensor *x, const struct nt_tensor *y)
{
    const char *variant, *reason;
    enum nt_status status = check(nt_device_context(nt_tape_device(tape)), reduction, axis, x, y);
    if (status == NT_OK)
        status = nt_choose(tape, "scan", nt_scan_variants, NULL, &variant, &reason);
    if (status != NT_OK || nt_shape_count(&x->shape) == 0)
        return status;
    int64_t step[2], n = x->shape.dim[axis];
    struct nt_tensor view[2] = {
        starts(y, axis, reverse, &step[0]), starts(x, axis, reverse, &step[1])};
    struct nt_loop loop = nt_loop_make(&view[0].shape);
    nt_loop_add(&loop, &view[0]);
    nt_loop_add(&loop, &view[1]);
    nt_loop_collapse(&loop, 0);
    int64_t lines = nt_loop_count(&loop);
    bool tile = !strcmp(variant, "tile");
    struct nt_launch l;
    nt_launch_init(&l, tape, "scan", tile ? "scan_tile" : "scan_group", variant, reason);
    nt_launch_define(&l, "NT_OUTER", "%d", loop.rank);
    nt_launch_define(&l, "NT_TYPE", "%s", x->dtype == NT_I32 ? "int" : "float");
    nt_launch_define(&l, "NT_PRODUCT", "%d", reduction == NT_REDUCE_PROD);
    nt_launch_define(&l, "NT_EXCLUSIVE", "%d", exclusive);
    l.bytes = 8.0 * (double)(n * lines);
    l.flops = (double)(n * lines);
    nt_launch_int(&l, lines);
    if (tile) {
        int64_t groups = nt_loop_groups(tape, 4 * l.flops), block = (lines + groups - 1) / groups;
        nt_launch_define(&l, "NT_TILE", "1");
        nt_launch_int(&l, block);
        nt_launch_grid(&l, 1, (size_t[]){(size_t)((lines + block - 1) / block)}, NULL);
    } else {
        nt_group_line(&l, lines, GROUP_SIZE);
    }
    for (int k = 0; k < 2; k++) {
        nt_launch_tensor(&l, &view[k], k == 0 ? NT_ACCESS_WRITE : NT_ACCESS_READ);
        nt_loop_strides(&l, &loop, k);
    }
    nt_launch_int(&l, n);
    nt_launch_int(&l, step[0]);
    nt_launch_int(&l, step[1]);
    nt_loop_extents(&l, &loop);
    return nt_launch_append(&l);
}
