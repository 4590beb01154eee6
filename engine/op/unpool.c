/* SPDX-License-Identifier: MIT */
#include "engine/op/group.h"
#include "engine/op/spatial.h"
#include "engine/primitives.h"
#include "engine/variant.h"

#include <string.h>

const char *const nt_unpool_variants[] = {"tile", "group", NULL};

#define BLOCK 16 /* channels, as in cl/unpool.cl */

/* A tensor of rank 5 whose pixels are evenly spaced. */
struct pixels {
    int64_t count, image, step;
};

static bool flatten(const struct nt_tensor *t, struct pixels *pixels)
{
    *pixels = (struct pixels){1, t->stride[0], 0};
    for (int i = 4; i >= 2; i--) {
        if (t->shape.dim[i] == 1)
            continue;
        if (pixels->count == 1)
            pixels->step = t->stride[i];
        else if (t->stride[i] != pixels->step * pixels->count)
            return false;
        pixels->count *= t->shape.dim[i];
    }
    return true;
}

static enum nt_status check(struct nt_context *ctx, const char *name, const struct nt_tensor *x,
    const struct nt_tensor *index, const struct nt_tensor *y)
{
    char a[128], b[128];
    enum nt_status status = nt_spatial_check(ctx, name, "x", x, NT_F32);
    if (status == NT_OK)
        status = nt_spatial_check(ctx, name, "y", y, NT_F32);
    if (status == NT_OK)
        status = nt_spatial_check(ctx, name, "index", index, NT_I32);
    if (status != NT_OK)
        return status;
    if (!nt_shape_equal(&index->shape, &x->shape))
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: index of shape %s: must be %s", name,
            nt_shape_text(&index->shape, a, sizeof a), nt_shape_text(&x->shape, b, sizeof b));
    if (x->shape.rank != y->shape.rank || x->shape.dim[0] != y->shape.dim[0] ||
        x->shape.dim[1] != y->shape.dim[1])
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: %s to %s: must keep N and C", name,
            nt_shape_text(&x->shape, a, sizeof a), nt_shape_text(&y->shape, b, sizeof b));
    return NT_OK;
}

static void set_grid(struct nt_launch *l, bool tile, bool backward, const struct nt_shape *x)
{
    int64_t n = x->dim[0], c = x->dim[1], pixels = nt_shape_count(x) / (n * c);
    if (tile && backward) {
        nt_spatial_chunks(l, n * pixels, 3 * c);
    } else if (tile) {
        nt_spatial_chunks(l, n * ((c + BLOCK - 1) / BLOCK), 4 * BLOCK * pixels);
    } else {
        nt_launch_int(l, 0);
        nt_launch_grid(l, 2, (size_t[]){(size_t)(backward ? c * pixels : c), (size_t)n},
            (size_t[]){nt_group_items(nt_tape_device(l->tape), 64), 1});
    }
}

static enum nt_status append(struct nt_tape *tape, bool backward, const struct nt_tensor *x,
    const struct nt_tensor *index, const struct nt_tensor *y)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    const char *variant, *reason, *name = backward ? "unpool_backward" : "unpool";
    struct pixels xp, ip, yp;
    enum nt_status status = check(ctx, name, x, index, y);
    if (status == NT_OK)
        status = nt_choose(tape, "unpool", nt_unpool_variants, NULL, &variant, &reason);
    if (status != NT_OK)
        return status;
    struct nt_tensor xv = nt_spatial_view(x), iv = nt_spatial_view(index), yv = nt_spatial_view(y);
    if (!flatten(&xv, &xp) || !flatten(&iv, &ip) || !flatten(&yv, &yp))
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "%s: pixels must be evenly spaced", name);
    if (nt_shape_count(&x->shape) == 0)
        return NT_OK;
    struct nt_launch l;
    bool tile = strcmp(variant, "tile") == 0;
    nt_launch_init(&l, tape, "unpool",
        backward ? (tile ? "unpool_backward_tile" : "unpool_backward_group")
                 : (tile ? "unpool_forward_tile" : "unpool_forward_group"),
        variant, reason);
    nt_launch_tensor(&l, x, backward ? NT_ACCESS_WRITE : NT_ACCESS_READ);
    nt_launch_tensor(&l, y, backward ? NT_ACCESS_READ : NT_ACCESS_READ_WRITE);
    nt_launch_tensor(&l, index, NT_ACCESS_READ);
    const struct pixels *all[] = {&xp, &ip, &yp};
    for (int i = 0; i < 3; i++) {
        nt_launch_int(&l, all[i]->image);
        nt_launch_int(&l, all[i]->step);
    }
    nt_launch_int(&l, x->shape.dim[0]);
    nt_launch_int(&l, x->shape.dim[1]);
    nt_launch_int(&l, xp.count);
    nt_launch_int(&l, yp.count);
    set_grid(&l, tile, backward, &x->shape);
    l.bytes = 16.0 * (double)nt_shape_count(&x->shape);
    return nt_launch_append(&l);
}

enum nt_status nt_unpool_forward(struct nt_tape *tape, const struct nt_tensor *x,
    const struct nt_tensor *index, const struct nt_tensor *y)
{
    enum nt_status status = nt_fill(tape, 0, y);
    return status == NT_OK ? append(tape, false, x, index, y) : status;
}

enum nt_status nt_unpool_backward(struct nt_tape *tape, const struct nt_tensor *dy,
    const struct nt_tensor *index, const struct nt_tensor *dx)
{
    return append(tape, true, dx, index, dy);
}
