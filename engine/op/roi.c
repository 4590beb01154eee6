/* SPDX-License-Identifier: MIT */
#include "engine/op/group.h"
#include "engine/op/spatial.h"
#include "engine/primitives.h"
#include "engine/variant.h"

#include <string.h>

const char *const nt_roi_variants[] = {"tile", "group", NULL};

static enum nt_status check(struct nt_context *ctx, const char *name, const struct nt_tensor *x,
    const struct nt_tensor *regions, const struct nt_tensor *y, const struct nt_tensor *index)
{
    char a[128], b[128];
    enum nt_status status = nt_spatial_check(ctx, name, "x", x, NT_F32);
    if (status == NT_OK)
        status = nt_spatial_check(ctx, name, "y", y, NT_F32);
    if (status == NT_OK && index)
        status = nt_spatial_check(ctx, name, "index", index, NT_I32);
    if (status != NT_OK)
        return status;
    if (x->shape.rank != 4 || y->shape.rank != 4 || x->shape.dim[1] != y->shape.dim[1] ||
        nt_shape_count(&x->shape) == 0)
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: %s to %s: must be N,C,H,W to K,C,PH,PW", name,
            nt_shape_text(&x->shape, a, sizeof a), nt_shape_text(&y->shape, b, sizeof b));
    if (index && !nt_shape_equal(&index->shape, &y->shape))
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: index of shape %s: must be %s", name,
            nt_shape_text(&index->shape, a, sizeof a), nt_shape_text(&y->shape, b, sizeof b));
    if (regions->dtype != NT_F32 || regions->shape.rank != 2 ||
        regions->shape.dim[0] != y->shape.dim[0] || regions->shape.dim[1] != 5 ||
        regions->stride[1] != 1)
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: regions of shape %s: must be %lldx5, row-major",
            name, nt_shape_text(&regions->shape, a, sizeof a), (long long)y->shape.dim[0]);
    return NT_OK;
}

static void add_strides(struct nt_launch *l, const struct nt_tensor *t)
{
    nt_launch_int(l, t->stride[0]);
    nt_launch_int(l, t->stride[2]);
    nt_launch_int(l, t->stride[3]);
}

/* The argument `chunk` and the grid over the pixels of the result, with `work` for each. */
static void set_grid(struct nt_launch *l, bool tile, const struct nt_shape *result, int64_t work)
{
    const int64_t *dim = result->dim;
    if (tile) {
        nt_spatial_chunks(l, dim[0] * dim[2] * dim[3], work);
        return;
    }
    nt_launch_int(l, 0);
    nt_launch_grid(l, 3, (size_t[]){(size_t)(dim[3] * dim[1]), (size_t)dim[2], (size_t)dim[0]},
        (size_t[]){nt_group_items(nt_tape_device(l->tape), 64), 1, 1});
}

static enum nt_status append(struct nt_tape *tape, const struct nt_roi *roi, bool backward,
    const struct nt_tensor *x, const struct nt_tensor *regions, const struct nt_tensor *y,
    const struct nt_tensor *index)
{
    static const char *const entries[2][2] = {
        {"roi_forward_group", "roi_forward_tile"}, {"roi_backward_group", "roi_backward_tile"}};
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    const char *variant, *reason, *name = backward ? "roi_backward" : "roi";
    bool maximum = roi->kind != NT_ROI_ALIGN;
    enum nt_status status = check(ctx, name, x, regions, y, maximum ? index : NULL);
    if (status == NT_OK && maximum && !index)
        status = nt_fail(ctx, NT_ERR_ARGUMENT, "%s: no index: a maximum needs it", name);
    if (status == NT_OK)
        status = nt_choose(tape, "roi", nt_roi_variants, NULL, &variant, &reason);
    if (status != NT_OK || nt_shape_count(&y->shape) == 0)
        return status == NT_OK && backward ? nt_fill(tape, 0, x) : status;
    struct nt_launch l;
    bool tile = strcmp(variant, "tile") == 0;
    /* The regions stand in for an index that is not used. */
    const struct nt_tensor *where = maximum ? index : regions;
    nt_launch_init(&l, tape, "roi", entries[backward][tile], variant, reason);
    nt_launch_tensor(&l, x, backward ? NT_ACCESS_WRITE : NT_ACCESS_READ);
    nt_launch_tensor(&l, y, backward ? NT_ACCESS_READ : NT_ACCESS_WRITE);
    nt_launch_tensor(&l, regions, NT_ACCESS_READ);
    nt_launch_tensor(&l, where, maximum && !backward ? NT_ACCESS_WRITE : NT_ACCESS_READ);
    nt_launch_int(&l, regions->stride[0]);
    add_strides(&l, x);
    add_strides(&l, y);
    add_strides(&l, maximum ? index : y);
    const int64_t *in = x->shape.dim, *out = y->shape.dim;
    const int64_t shape[] = {in[0], in[1], in[2], in[3], out[0], out[2], out[3]};
    for (int i = 0; i < 7; i++)
        nt_launch_int(&l, shape[i]);
    nt_launch_float(&l, roi->scale);
    nt_launch_int(&l, roi->sampling_ratio);
    nt_launch_int(&l, roi->aligned);
    nt_launch_define(&l, "NT_KIND", "%d", (int)roi->kind);
    nt_launch_define(&l, "NT_TILE", "%d", tile);
    set_grid(&l, tile, backward ? &x->shape : &y->shape, in[1] * 16 + (backward ? out[0] * 4 : 0));
    l.bytes = 4.0 * ((double)nt_shape_count(&x->shape) + (double)nt_shape_count(&y->shape));
    if (backward && !tile) /* each element looks at every region */
        l.flops = 4.0 * (double)nt_shape_count(&x->shape) * (double)out[0];
    return nt_launch_append(&l);
}

enum nt_status nt_roi_forward(struct nt_tape *tape, const struct nt_roi *roi,
    const struct nt_tensor *x, const struct nt_tensor *regions, const struct nt_tensor *y,
    const struct nt_tensor *index)
{
    return append(tape, roi, false, x, regions, y, index);
}

enum nt_status nt_roi_backward(struct nt_tape *tape, const struct nt_roi *roi,
    const struct nt_tensor *dy, const struct nt_tensor *regions, const struct nt_tensor *index,
    const struct nt_tensor *dx)
{
    return append(tape, roi, true, dx, regions, dy, index);
}
