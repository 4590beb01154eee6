/* SPDX-License-Identifier: MIT */
#include "engine/op/group.h"
#include "engine/op/loop.h"
#include "engine/primitives.h"
#include "engine/variant.h"

#include <math.h>
#include <string.h>

#define GROUP_SIZE 128
#define SQUARE 16 /* NT_SIDE of cl/move.cl, for work-groups as large as the device allows */

const char *const nt_move_variants[] = {"tile", "group", NULL};

/* Into y from x, or from the bits of a value when x is NULL. */
struct move {
    const struct nt_tensor *x, *y;
    uint64_t bits;
    struct nt_loop outer;
    int64_t n, inner[NT_LOOP_OPERANDS];
    bool tile;
};

static const char *from_kind(const struct move *move)
{
    return move->x ? nt_loop_kind(move->inner[1], false) : "V";
}

static bool is_dense(const struct move *move)
{
    return move->inner[0] == 1 && (!move->x || move->inner[1] == 1 || move->inner[1] == 0);
}

static void define(struct nt_launch *l, const struct move *move, const char *kernel, int vector)
{
    nt_launch_define(l, kernel, "1");
    nt_launch_define(l, "NT_SIZE", "%d", (int)nt_dtype_size(move->y->dtype));
    nt_launch_define(l, "NT_OUTER", "%d", move->outer.rank);
    nt_launch_define(l, "NT_FROM", "%s", from_kind(move));
    nt_launch_define(l, "NT_INTO", "%s", nt_loop_kind(move->inner[0], true));
    if (vector)
        nt_launch_define(l, "NT_VEC", "%d", vector);
    if (vector && is_dense(move))
        nt_launch_define(l, "NT_VECTORS", "1");
    if (vector && move->n % vector)
        nt_launch_define(l, "NT_PARTS", "1");
}

static void add_operands(struct nt_launch *l, const struct move *move)
{
    nt_loop_extents(l, &move->outer);
    nt_launch_tensor(l, move->y, NT_ACCESS_WRITE);
    nt_loop_strides(l, &move->outer, 0);
    if (!strcmp(nt_loop_kind(move->inner[0], true), "G"))
        nt_launch_int(l, move->inner[0]);
    if (move->x) {
        nt_launch_tensor(l, move->x, NT_ACCESS_READ);
        nt_loop_strides(l, &move->outer, 1);
        if (!strcmp(from_kind(move), "G"))
            nt_launch_int(l, move->inner[1]);
    } else {
        nt_launch_int(l, (int32_t)move->bits);
        nt_launch_int(l, (int32_t)(move->bits >> 32));
    }
}

static bool is_aligned(const struct move *move)
{
    bool aligned = move->n % 4 == 0 && move->y->offset % 4 == 0;
    bool loads = move->x && move->inner[1] == 1;
    aligned = aligned && (!loads || move->x->offset % 4 == 0);
    for (int d = 0; d < move->outer.rank; d++)
        aligned = aligned && move->outer.stride[0][d] % 4 == 0 &&
                  (!loads || move->outer.stride[1][d] % 4 == 0);
    return aligned;
}

static enum nt_status copy(struct nt_launch *l, struct move *move)
{
    int width = (int)nt_device_get_info(nt_tape_device(l->tape))->vector_width;
    int size = (int)nt_dtype_size(move->y->dtype);
    int64_t rows = nt_loop_count(&move->outer);
    l->entry = move->tile ? "copy_tile" : "copy_group";
    if (move->tile) {
        int vector = is_dense(move) ? nt_loop_vector(width * 4 / size, move->n) : 1;
        define(l, move, "NT_COPY_TILE", vector);
        nt_loop_divide(l, rows, move->n, vector, nt_loop_groups(l->tape, l->bytes / 4));
    } else {
        int vector = is_dense(move) && is_aligned(move) ? 4 : 1;
        int64_t count = rows * (move->n / vector);
        define(l, move, "NT_COPY_GROUP", vector);
        nt_launch_int(l, move->n / vector);
        nt_launch_int(l, count);
        nt_group_line(l, count, GROUP_SIZE);
    }
    add_operands(l, move);
    return nt_launch_append(l);
}

/* The outer dimension along which the source is dense, where the result is dense along the
 * innermost one: -1 when a transpose would not help. */
static int transposed_dim(const struct move *move)
{
    if (!move->x || move->inner[0] != 1 || move->inner[1] == 1 || move->inner[1] == 0)
        return -1;
    for (int d = 0; d < move->outer.rank; d++)
        if (move->outer.stride[1][d] == 1 && move->outer.extent[d] > 2)
            return d;
    return -1;
}

static enum nt_status transpose(struct nt_launch *l, struct move *move, int dim)
{
    struct nt_loop *outer = &move->outer;
    int64_t m = outer->extent[dim], n = move->n;
    int64_t x_step = move->inner[1], y_step = outer->stride[0][dim];
    nt_loop_remove(outer, dim);
    move->inner[1] = 1;
    int64_t rows = nt_loop_count(outer);
    l->entry = move->tile ? "transpose_tile" : "transpose_group";
    define(l, move, move->tile ? "NT_TRANSPOSE_TILE" : "NT_TRANSPOSE_GROUP", 0);
    nt_launch_int(l, m);
    nt_launch_int(l, n);
    int64_t side = move->tile ? SQUARE : nt_group_side(nt_tape_device(l->tape));
    int64_t squares_m = (m + side - 1) / side, squares_n = (n + side - 1) / side;
    nt_launch_define(l, "NT_SIDE", "%d", (int)side);
    if (move->tile) {
        int64_t chunks = nt_loop_groups(l->tape, l->bytes / 4) / rows;
        int64_t chunk = (squares_m + chunks) / (chunks + 1) * side;
        nt_launch_int(l, chunk);
        nt_launch_grid(l, 2, (size_t[]){(size_t)((m + chunk - 1) / chunk), (size_t)rows}, NULL);
    } else {
        nt_launch_int(l, squares_m);
        nt_launch_int(l, squares_n);
        nt_group_line(l, squares_m * squares_n * rows * side * side, (size_t)(side * side));
    }
    nt_launch_int(l, x_step);
    nt_launch_int(l, y_step);
    add_operands(l, move);
    return nt_launch_append(l);
}

static enum nt_status append(struct nt_tape *tape, struct move *move)
{
    struct nt_launch l;
    const char *variant, *reason;
    enum nt_status status = nt_choose(tape, "move", nt_move_variants, NULL, &variant, &reason);
    int64_t count = nt_shape_count(&move->y->shape);
    if (status != NT_OK || count == 0)
        return status;
    move->tile = !strcmp(variant, "tile");
    move->outer = nt_loop_make(&move->y->shape);
    nt_loop_add(&move->outer, move->y);
    if (move->x)
        nt_loop_add(&move->outer, move->x);
    nt_loop_collapse(&move->outer, 0);
    move->n = nt_loop_pop(&move->outer, move->inner);
    if (move->n == 1)
        move->inner[0] = move->inner[1] = 1;
    nt_launch_init(&l, tape, "move", "", variant, reason);
    l.bytes = (double)count * (double)nt_dtype_size(move->y->dtype) * (move->x ? 2 : 1);
    int dim = transposed_dim(move);
    return dim < 0 ? copy(&l, move) : transpose(&l, move, dim);
}

/* Whether every element of y has its own place, as far as zero strides tell. */
static enum nt_status check_result(
    struct nt_context *ctx, const char *primitive, const struct nt_tensor *y)
{
    char text[128];
    if (nt_shape_count(&y->shape) == 0)
        return NT_OK;
    for (int d = 0; d < y->shape.rank; d++)
        if (y->shape.dim[d] > 1 && y->stride[d] == 0)
            return nt_fail(ctx, NT_ERR_SHAPE,
                "%s: result of %s repeats along dimension %d: cannot be written", primitive,
                nt_shape_text(&y->shape, text, sizeof text), d);
    return NT_OK;
}

enum nt_status nt_move(
    struct nt_tape *tape, const struct nt_tensor *in, const struct nt_tensor *out)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    char a[128], b[128];
    if (!nt_shape_equal(&in->shape, &out->shape))
        return nt_fail(ctx, NT_ERR_SHAPE, "move: from %s to %s: must be equal",
            nt_shape_text(&in->shape, a, sizeof a), nt_shape_text(&out->shape, b, sizeof b));
    if (in->dtype != out->dtype)
        return nt_fail(ctx, NT_ERR_ARGUMENT, "move: from %s to %s: must be equal",
            nt_dtype_name(in->dtype), nt_dtype_name(out->dtype));
    enum nt_status status = check_result(ctx, "move", out);
    return status == NT_OK ? append(tape, &(struct move){.x = in, .y = out}) : status;
}

/* The bits of an integer that must lie within limits. */
static bool integer_bits(double value, double low, double high, uint64_t *bits)
{
    if (!(value >= low && value <= high))
        return false;
    *bits = (uint64_t)(int64_t)value;
    return true;
}

static bool value_bits(enum nt_dtype dtype, double value, uint64_t *bits)
{
    float narrow = (float)value;
    uint32_t narrow_bits;
    switch (dtype) {
    case NT_F32:
        memcpy(&narrow_bits, &narrow, sizeof narrow);
        *bits = narrow_bits;
        return true;
    case NT_F64:
        memcpy(bits, &value, sizeof value);
        return true;
    case NT_I32:
        return integer_bits(value, INT32_MIN, INT32_MAX, bits);
    case NT_U8:
        return integer_bits(value, 0, UINT8_MAX, bits);
    case NT_I64:
        return integer_bits(value, -0x1p63, 0x1.fffffffffffffp62, bits);
    default:
        *bits = value != 0;
        return true;
    }
}

enum nt_status nt_fill(struct nt_tape *tape, double value, const struct nt_tensor *out)
{
    struct nt_context *ctx = nt_device_context(nt_tape_device(tape));
    struct move move = {.y = out};
    if (!value_bits(out->dtype, value, &move.bits))
        return nt_fail(
            ctx, NT_ERR_ARGUMENT, "fill: %g does not fit %s", value, nt_dtype_name(out->dtype));
    enum nt_status status = check_result(ctx, "fill", out);
    return status == NT_OK ? append(tape, &move) : status;
}
