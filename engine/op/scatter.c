/* SPDX-License-Identifier: MIT */
#include "engine/op/gather.h"
#include "engine/op/group.h"
#include "engine/primitives.h"
#include "engine/variant.h"

#include <string.h>

#define GROUP_SIZE 64
#define ITEMS_PER_UNIT 512 /* work-items that keep a compute unit of a GPU busy */

const char *const nt_scatter_variants[] = {"tile", "group", NULL};

static const char *const names[] = {"replace", "sum", "product", "largest", "smallest"};

/* A tensor without its extent along the axis. */
static struct nt_tensor flat(const struct nt_tensor *t, int axis)
{
    struct nt_tensor view = *t;
    view.shape.dim[axis] = 1;
    return view;
}

static int64_t up(int64_t count, int64_t by)
{
    return (count + by - 1) / by;
}

/* Rows come first; what they leave idle works on ranges of the axis. */
static void divide_tile(struct nt_launch *l, int64_t n, int64_t rows, int64_t count)
{
    int64_t groups = nt_loop_groups(l->tape, l->bytes / 4);
    int64_t blocks = rows < groups ? rows : groups, parts = groups / blocks;
    int64_t range = up(count, parts < count ? parts : count), block = up(rows, blocks);
    nt_launch_define(l, "NT_TILE", "1");
    nt_launch_int(l, n);
    nt_launch_int(l, range);
    nt_launch_int(l, rows);
    nt_launch_int(l, block);
    nt_launch_grid(l, 2, (size_t[]){(size_t)up(count, range), (size_t)up(rows, block)}, NULL);
}

static void divide_group(struct nt_launch *l, int64_t n, int64_t rows, int64_t count)
{
    int64_t units = nt_device_get_info(nt_tape_device(l->tape))->compute_units;
    int64_t places = n * rows, parts = ITEMS_PER_UNIT * units / places;
    parts = parts < 1 ? 1 : parts > count ? count : parts;
    int64_t range = up(count, parts);
    parts = up(count, range);
    l->flops *= (double)parts; /* each looks at every index */
    nt_launch_int(l, n);
    nt_launch_int(l, range);
    nt_launch_int(l, places);
    nt_launch_int(l, places * parts);
    nt_group_line(l, places * parts, GROUP_SIZE);
}

enum nt_status nt_scatter(struct nt_tape *tape, enum nt_scatter how, const struct nt_tensor *x,
    int axis, const struct nt_tensor *index, const struct nt_tensor *y)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    const char *variant, *reason;
    enum nt_status status = nt_gather_check(ctx, "scatter", axis, y, index, x);
    if (status == NT_OK && x->dtype != NT_F32 && x->dtype != NT_I32)
        status = nt_fail(ctx, NT_ERR_UNSUPPORTED, "scatter: %s: must be float32 or int32",
            nt_dtype_name(x->dtype));
    if (status == NT_OK)
        status = nt_choose(tape, "scatter", nt_scatter_variants, NULL, &variant, &reason);
    if (status != NT_OK || nt_shape_count(&x->shape) == 0 || nt_shape_count(&y->shape) == 0)
        return status;
    struct nt_tensor by = nt_tensor_broadcast(index, &x->shape);
    struct nt_tensor view[3] = {flat(y, axis), flat(x, axis), flat(&by, axis)};
    struct nt_loop loop = nt_loop_make(&view[1].shape);
    for (int k = 0; k < 3; k++)
        nt_loop_add(&loop, &view[k]);
    nt_loop_collapse(&loop, 1);
    int64_t inner[NT_LOOP_OPERANDS], n = nt_loop_pop(&loop, inner), rows = nt_loop_count(&loop);
    int64_t count = y->shape.dim[axis];
    bool tile = !strcmp(variant, "tile");
    struct nt_launch l;
    nt_launch_init(&l, tape, "scatter", tile ? "scatter_tile" : "scatter_group", variant, reason);
    nt_launch_define(&l, "NT_OUTER", "%d", loop.rank);
    nt_launch_define(&l, "NT_HOW", "%s", names[how]);
    nt_launch_define(&l, "NT_TYPE", "%s", x->dtype == NT_I32 ? "int" : "float");
    l.bytes = 16.0 * (double)nt_shape_count(&x->shape);
    l.flops = (double)nt_shape_count(&x->shape);
    if (tile && inner[2] == 0)
        nt_launch_define(&l, "NT_WHOLE", "1");
    if (tile)
        divide_tile(&l, n, rows, count);
    else
        divide_group(&l, n, rows, count);
    const struct nt_tensor *operands[] = {y, x, &by};
    nt_gather_operands(&l, &loop, inner, operands, NT_ACCESS_READ_WRITE);
    nt_launch_int(&l, y->stride[axis]);
    nt_launch_int(&l, x->stride[axis]);
    nt_launch_int(&l, by.stride[axis]);
    nt_launch_int(&l, x->shape.dim[axis]);
    nt_launch_int(&l, count);
    nt_loop_extents(&l, &loop);
    return nt_launch_append(&l);
}
