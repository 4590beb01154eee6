/* SPDX-License-Identifier: MIT */
#include "engine/launch.h"
#include "engine/op/chunk.h"
#include "engine/op/group.h"
#include "engine/primitives.h"
#include "engine/variant.h"

#include <string.h>

#define GROUP_SIZE 64

const char *const nt_sort_variants[] = {"tile", "group", NULL};

static enum nt_status check(
    struct nt_context *ctx, const struct nt_tensor *x, const struct nt_tensor *index)
{
    const struct nt_shape *s = &x->shape, *i = &index->shape;
    char st[128], it[128];
    if ((x->dtype != NT_F32 && x->dtype != NT_I32) || index->dtype != NT_I32)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED,
            "sort: rows of %s, index of %s: must be float32 or int32, and int32",
            nt_dtype_name(x->dtype), nt_dtype_name(index->dtype));
    if (s->rank != 2 || i->rank != 2 || s->dim[0] != i->dim[0] || i->dim[1] > s->dim[1])
        return nt_fail(ctx, NT_ERR_SHAPE,
            "sort: rows %s, index %s: must be r x c, and r x c at most",
            nt_shape_text(s, st, sizeof st), nt_shape_text(i, it, sizeof it));
    return NT_OK;
}

/* The steps of merging that a row of so many elements takes, about. */
static int64_t merges(int64_t count)
{
    int64_t steps = 1;
    while ((int64_t)1 << steps < count)
        steps++;
    return steps;
}

enum nt_status nt_sort(
    struct nt_tape *tape, bool descending, const struct nt_tensor *x, const struct nt_tensor *index)
{
    const char *variant, *reason;
    enum nt_status status = check(nt_device_context(nt_tape_device(tape)), x, index);
    if (status == NT_OK)
        status = nt_choose(tape, "sort", nt_sort_variants, NULL, &variant, &reason);
    int64_t rows = x->shape.dim[0], columns = x->shape.dim[1];
    if (status != NT_OK || rows == 0 || index->shape.dim[1] == 0)
        return status;
    struct nt_launch l;
    bool tile = strcmp(variant, "tile") == 0;
    int64_t split = nt_chunk(tape, rows, 8 * columns * merges(columns));
    int64_t groups = (rows + split - 1) / split;
    nt_launch_init(&l, tape, "sort", tile ? "sort_tile" : "sort_group", variant, reason);
    nt_launch_define(&l, "NT_TILE", "%d", tile);
    nt_launch_define(&l, "NT_DESCENDING", "%d", descending);
    nt_launch_define(&l, "NT_INTEGERS", "%d", x->dtype == NT_I32);
    l.bytes = 4.0 * (double)(rows * columns + rows * index->shape.dim[1]);
    l.flops = (double)(rows * columns) * (double)(tile ? merges(columns) : columns);
    nt_launch_tensor(&l, x, NT_ACCESS_READ);
    nt_launch_tensor(&l, index, NT_ACCESS_WRITE);
    if (tile) {
        struct nt_shape shape = {1, {groups * 2 * columns}};
        int32_t buffer = nt_tape_buffer(
            tape, NT_BUFFER_TRANSIENT, sizeof(int32_t) * (size_t)shape.dim[0], "columns in order");
        struct nt_tensor scratch = nt_tensor_make(buffer, NT_I32, &shape, NT_ROW_MAJOR);
        nt_launch_tensor(&l, &scratch, NT_ACCESS_WRITE);
    }
    const int64_t numbers[] = {x->stride[0], x->stride[1], index->stride[0], index->stride[1], rows,
        columns, index->shape.dim[1]};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        nt_launch_int(&l, numbers[i]);
    if (tile) {
        nt_launch_int(&l, split);
        nt_launch_grid(&l, 1, (size_t[]){(size_t)groups}, NULL);
    } else {
        nt_group_line(&l, rows * columns, GROUP_SIZE);
    }
    return nt_launch_append(&l);
}
