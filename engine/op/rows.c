/* SPDX-License-Identifier: MIT */
#include "engine/op/rows.h"
#include "engine/op/chunk.h"
#include "engine/op/group.h"

#include <string.h>

enum nt_status nt_rows_check(struct nt_tape *tape, const char *primitive, const struct nt_tensor *x)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    char shape[128];
    nt_shape_text(&x->shape, shape, sizeof shape);
    if (x->dtype != NT_F32)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "%s: rows of %s: must be float32", primitive,
            nt_dtype_name(x->dtype));
    if (x->shape.rank != 2 || x->shape.dim[0] < 0 || x->shape.dim[1] < 1)
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: shape %s: must be rows x classes, 1 class at least",
            primitive, shape);
    return NT_OK;
}

enum nt_status nt_rows_check_like(struct nt_tape *tape, const char *primitive, const char *name,
    const struct nt_tensor *t, enum nt_dtype dtype, int rank, const struct nt_tensor *x)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    struct nt_shape want = {.rank = rank};
    char got_text[128], want_text[128];
    memcpy(want.dim, x->shape.dim, sizeof want.dim);
    if (t->dtype != dtype)
        return nt_fail(ctx, NT_ERR_UNSUPPORTED, "%s: %s of %s: must be %s", primitive, name,
            nt_dtype_name(t->dtype), nt_dtype_name(dtype));
    if (!nt_shape_equal(&t->shape, &want))
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: %s of shape %s: must be %s", primitive, name,
            nt_shape_text(&t->shape, got_text, sizeof got_text),
            nt_shape_text(&want, want_text, sizeof want_text));
    return NT_OK;
}

void nt_rows_grid(
    struct nt_launch *launch, const struct nt_tensor *x, const char *variant, int passes)
{
    int64_t rows = x->shape.dim[0], classes = x->shape.dim[1];
    bool tile = strcmp(variant, "tile") == 0;
    nt_launch_define(launch, "NT_TILE", "%d", tile);
    nt_launch_int(launch, rows);
    nt_launch_int(launch, classes);
    launch->bytes = 4.0 * passes * (double)rows * (double)classes;
    if (tile) {
        int64_t chunk = nt_chunk(launch->tape, rows, 8 * passes * classes);
        nt_launch_int(launch, chunk);
        nt_launch_grid(launch, 1, (size_t[]){(size_t)((rows + chunk - 1) / chunk)}, NULL);
        return;
    }
    size_t most = nt_group_items(nt_tape_device(launch->tape), 256);
    int shift = 0;
    while (((int64_t)1 << shift) < classes && ((size_t)2 << shift) <= most)
        shift++;
    nt_launch_int(launch, shift);
    nt_group_line(launch, rows << shift, shift > 6 ? (size_t)1 << shift : 64);
}
