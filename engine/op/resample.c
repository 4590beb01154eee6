/* SPDX-License-Identifier: MIT */
#include "engine/op/resample_axis.h"
#include "engine/op/spatial.h"
#include "engine/variant.h"

#include <stdlib.h>
#include <string.h>

const char *const nt_resample_variants[] = {"tile", "group", NULL};

static enum nt_status check(struct nt_tape *tape, const char *name, const struct nt_resample *how,
    const struct nt_tensor *x, const struct nt_tensor *y)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    char x_text[128], y_text[128];
    enum nt_status status = nt_spatial_check(ctx, name, "x", x, NT_F32);
    if (status == NT_OK)
        status = nt_spatial_check(ctx, name, "y", y, NT_F32);
    if (status != NT_OK)
        return status;
    if (x->shape.rank != y->shape.rank || x->shape.dim[0] != y->shape.dim[0] ||
        x->shape.dim[1] != y->shape.dim[1] || nt_shape_count(&x->shape) == 0 ||
        nt_shape_count(&y->shape) == 0)
        return nt_fail(ctx, NT_ERR_SHAPE, "%s: %s to %s: must keep N and C, and not be empty", name,
            nt_shape_text(&x->shape, x_text, sizeof x_text),
            nt_shape_text(&y->shape, y_text, sizeof y_text));
    for (int i = 0; i < x->shape.rank - 2; i++)
        if (!(how->scale[i] >= 0))
            return nt_fail(
                ctx, NT_ERR_ARGUMENT, "%s: scale %g: must not be negative", name, how->scale[i]);
    return NT_OK;
}

/* The tables of three dimensions as the kernels read them; at[i]: where dimension i begins. */
static int32_t *pack(const struct nt_resample_axis *axis, int64_t *at, size_t *bytes)
{
    int64_t count = 0;
    for (int i = 0; i < 3; i++)
        count += 3 * axis[i].out + axis[i].start[axis[i].out];
    *bytes = (size_t)count * sizeof(int32_t);
    int32_t *table = malloc(*bytes), *to = table;
    for (int i = 0; table && i < 3; i++) {
        int64_t out = axis[i].out, weights = axis[i].start[out];
        at[i] = to - table;
        int32_t base = (int32_t)(at[i] + 3 * out);
        for (int64_t o = 0; o < out; o++) {
            *to++ = axis[i].first[o];
            *to++ = axis[i].start[o + 1] - axis[i].start[o];
            *to++ = base + axis[i].start[o];
        }
        for (int64_t k = 0; k < weights; k++) {
            float weight = (float)axis[i].weight[k];
            memcpy(to++, &weight, sizeof weight);
        }
    }
    return table;
}

/* The tables as a buffer of the tape. x and y: views of the forward pass. */
static enum nt_status make_table(struct nt_tape *tape, const struct nt_resample *how, bool backward,
    const struct nt_tensor *x, const struct nt_tensor *y, int dims, int32_t *buffer, int64_t *at)
{
    struct nt_resample_axis forward[3] = {{0}}, transposed[3] = {{0}};
    static const struct nt_resample same = {.filter = NT_RESAMPLE_NEAREST};
    bool ok = true;
    for (int i = 0; ok && i < 3; i++) {
        int from = i - (3 - dims);
        ok = nt_resample_axis_make(&forward[i], from < 0 ? &same : how, from < 0 ? 0 : from,
            x->shape.dim[2 + i], y->shape.dim[2 + i]);
        if (ok && backward)
            ok = nt_resample_axis_transpose(&transposed[i], &forward[i]);
    }
    size_t bytes = 0;
    int32_t *table = ok ? pack(backward ? transposed : forward, at, &bytes) : NULL;
    if (table)
        *buffer = nt_tape_constant(tape, table, bytes, "resampling weights");
    free(table);
    for (int i = 0; i < 3; i++) {
        nt_resample_axis_free(&forward[i]);
        nt_resample_axis_free(&transposed[i]);
    }
    if (table)
        return NT_OK;
    return nt_fail(nt_device_context(nt_tape_device(tape)), NT_ERR_MEMORY,
        "resample: host memory is exhausted");
}

/* from and to have rank 5. */
static enum nt_status append(struct nt_tape *tape, const struct nt_tensor *from,
    const struct nt_tensor *to, int32_t table, const int64_t *at)
{
    const char *variant, *reason;
    enum nt_status status =
        nt_choose(tape, "resample", nt_resample_variants, NULL, &variant, &reason);
    if (status != NT_OK)
        return status;
    struct nt_launch l;
    const int64_t *dim = to->shape.dim;
    bool tile = strcmp(variant, "tile") == 0;
    int width = tile ? nt_spatial_width(tape, dim[1]) : 1;
    double share = (double)nt_shape_count(&from->shape) / (double)nt_shape_count(&to->shape);
    nt_launch_init(
        &l, tape, "resample", tile ? "resample_tile" : "resample_group", variant, reason);
    nt_launch_tensor(&l, from, NT_ACCESS_READ);
    nt_launch_tensor(&l, to, NT_ACCESS_WRITE);
    nt_launch_buffer(&l, table, NT_ACCESS_READ);
    nt_spatial_strides(&l, from);
    nt_spatial_strides(&l, to);
    nt_launch_int(&l, dim[0]);
    nt_launch_int(&l, dim[1]);
    for (int i = 0; i < 3; i++)
        nt_launch_int(&l, dim[2 + i]);
    for (int i = 0; i < 3; i++)
        nt_launch_int(&l, at[i]);
    nt_launch_define(&l, "NT_VEC", "%d", width);
    nt_launch_define(&l, "NT_TILE", "%d", tile);
    if (tile) {
        nt_spatial_chunks(&l, dim[0] * dim[2] * dim[3] * dim[4],
            (int64_t)(4 * (2 + share)) * ((dim[1] + width - 1) / width));
    } else {
        nt_launch_int(&l, 0);
        nt_spatial_grid(&l, to);
    }
    l.bytes = 4.0 * (1 + share) * (double)nt_shape_count(&to->shape);
    return nt_launch_append(&l);
}

enum nt_status nt_resample(struct nt_tape *tape, const struct nt_resample *how,
    const struct nt_tensor *x, const struct nt_tensor *y)
{
    int32_t table = -1;
    int64_t at[3];
    enum nt_status status = check(tape, "resample", how, x, y);
    if (status != NT_OK)
        return status;
    struct nt_tensor from = nt_spatial_view(x), to = nt_spatial_view(y);
    status = make_table(tape, how, false, &from, &to, x->shape.rank - 2, &table, at);
    return status == NT_OK ? append(tape, &from, &to, table, at) : status;
}

enum nt_status nt_resample_backward(struct nt_tape *tape, const struct nt_resample *how,
    const struct nt_tensor *dy, const struct nt_tensor *dx)
{
    int32_t table = -1;
    int64_t at[3];
    enum nt_status status = check(tape, "resample_backward", how, dx, dy);
    if (status != NT_OK)
        return status;
    struct nt_tensor from = nt_spatial_view(dy), to = nt_spatial_view(dx);
    status = make_table(tape, how, true, &to, &from, dx->shape.rank - 2, &table, at);
    return status == NT_OK ? append(tape, &from, &to, table, at) : status;
}
