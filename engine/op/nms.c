/* SPDX-License-Identifier: MIT */
#include "engine/launch.h"
#include "engine/op/group.h"
#include "engine/primitives.h"
#include "engine/variant.h"

#include <math.h>
#include <string.h>

const char *const nt_nms_variants[] = {"tile", "group", NULL};

static enum nt_status check(struct nt_tape *tape, const struct nt_nms *nms,
    const struct nt_tensor *boxes, const struct nt_tensor *scores, const struct nt_tensor *index)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    const struct nt_shape *b = &boxes->shape, *s = &scores->shape, *i = &index->shape;
    char bt[96], st[96], it[96];
    if (boxes->dtype != NT_F32 || scores->dtype != NT_F32 || index->dtype != NT_I32)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED,
            "nms: boxes of %s, scores of %s, index of %s: must be float32, float32 and int32",
            nt_dtype_name(boxes->dtype), nt_dtype_name(scores->dtype), nt_dtype_name(index->dtype));
    if (b->rank != 3 || s->rank != 2 || i->rank != 2 || b->dim[2] != 4 || b->dim[0] != s->dim[0] ||
        b->dim[1] != s->dim[1] || i->dim[0] != s->dim[0])
        return nt_fail(ctx, NT_ERR_SHAPE,
            "nms: boxes %s, scores %s, index %s: must be n x p x 4, n x p and n x k",
            nt_shape_text(b, bt, sizeof bt), nt_shape_text(s, st, sizeof st),
            nt_shape_text(i, it, sizeof it));
    if (!(nms->iou >= 0 && nms->iou <= 1) || isnan(nms->least_score))
        return nt_fail(ctx, NT_ERR_ARGUMENT,
            "nms: iou %g, least score %g: must be 0 to 1, and a number", (double)nms->iou,
            (double)nms->least_score);
    return NT_OK;
}

/* Lanes of a work-group: no more than there are boxes or the device can do. */
static size_t lanes_for(const struct nt_device *dev, int64_t boxes)
{
    size_t lanes = 32;
    while (lanes < 256 && (int64_t)lanes < boxes)
        lanes *= 2;
    return nt_group_items(dev, lanes);
}

enum nt_status nt_nms(struct nt_tape *tape, const struct nt_nms *nms, const struct nt_tensor *boxes,
    const struct nt_tensor *scores, const struct nt_tensor *index)
{
    const char *variant, *reason;
    enum nt_status status = check(tape, nms, boxes, scores, index);
    if (status == NT_OK)
        status = nt_choose(tape, "nms", nt_nms_variants, NULL, &variant, &reason);
    int64_t rows = index->shape.dim[0], count = boxes->shape.dim[1], most = index->shape.dim[1];
    if (status != NT_OK || rows == 0 || most == 0)
        return status;
    struct nt_launch l;
    bool tile = strcmp(variant, "tile") == 0;
    size_t lanes = tile ? 1 : lanes_for(nt_tape_device(tape), count);
    nt_launch_init(&l, tape, "nms", tile ? "nms_tile" : "nms_group", variant, reason);
    nt_launch_define(&l, "NT_TILE", "%d", tile);
    nt_launch_define(&l, "NT_LOCAL", "%zu", lanes);
    nt_launch_tensor(&l, boxes, NT_ACCESS_READ);
    nt_launch_tensor(&l, scores, NT_ACCESS_READ);
    nt_launch_tensor(&l, index, NT_ACCESS_WRITE);
    size_t scratch = (size_t)(rows * count + 1) * sizeof(float);
    nt_launch_buffer(
        &l, nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, scratch, "scores left"), NT_ACCESS_WRITE);
    const int64_t args[] = {boxes->stride[0], boxes->stride[1], boxes->stride[2], scores->stride[0],
        scores->stride[1], index->stride[0], index->stride[1], count, most};
    nt_launch_ints(&l, sizeof args / sizeof *args, args);
    nt_launch_float(&l, nms->iou);
    nt_launch_float(&l, nms->least_score);
    nt_launch_grid(&l, 1, (size_t[]){(size_t)rows * lanes}, (size_t[]){lanes});
    l.bytes = 4.0 * (double)rows * (double)count * 6 * (double)most;
    return nt_launch_append(&l);
}
