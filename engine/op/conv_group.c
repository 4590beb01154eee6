/* SPDX-License-Identifier: MIT */
#include "engine/op/conv.h"
#include "engine/op/epilogue.h"
#include "engine/op/group.h"
#include "engine/op/tile.h"

/* The weights of a pass as [group][tap][c][k]. */
static enum nt_status pack(struct nt_tape *tape, const struct nt_conv_pass *pass, int32_t *packed)
{
    struct nt_shape shape = {
        6, {pass->groups, pass->taps[0], pass->taps[1], pass->taps[2], pass->c, pass->k}};
    int64_t count = nt_shape_count(&shape);
    *packed = pass->w->buffer; /* of a phase without taps: not read */
    if (count == 0)
        return NT_OK;
    *packed =
        nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, (size_t)count * sizeof(float), "packed weights");
    struct nt_tensor to = nt_tensor_make(*packed, NT_F32, &shape, NT_ROW_MAJOR), from = to;
    from.buffer = pass->w->buffer;
    from.offset = pass->w->offset + pass->w_start;
    from.stride[0] = pass->w_g;
    for (int i = 0; i < 3; i++)
        from.stride[1 + i] = pass->w_step[i];
    from.stride[4] = pass->w_c;
    from.stride[5] = pass->w_k;
    return nt_move(tape, &from, &to);
}

/* Whether a pass writes all of y: no other phase does. */
static bool is_whole(const struct nt_conv_pass *pass)
{
    bool whole = true;
    for (int i = 0; i < 3; i++)
        whole = whole && pass->out[i] == pass->y->shape.dim[2 + i];
    return whole;
}

/* Sums of parts of the steps, to be joined, take the place of a pass's results. */
static struct nt_tensor make_partial(
    struct nt_tape *tape, struct nt_conv_pass *pass, int64_t splits)
{
    struct nt_shape shape = {6, {splits}};
    for (int i = 0; i < 5; i++)
        shape.dim[1 + i] = pass->y->shape.dim[i];
    int32_t buffer = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)nt_shape_count(&shape) * sizeof(float), "partial sums");
    struct nt_tensor partial = nt_tensor_make(buffer, NT_F32, &shape, NT_ROW_MAJOR);
    partial.stride[2] = 1; /* channels-last */
    int64_t step = shape.dim[2];
    for (int i = 5; i > 2; i--) {
        partial.stride[i] = step;
        step *= shape.dim[i];
    }
    pass->y_start = 0;
    pass->y_n = partial.stride[1];
    for (int i = 0; i < 3; i++)
        pass->y_step[i] = partial.stride[3 + i];
    return partial;
}

enum nt_status nt_conv_group(struct nt_tape *tape, const struct nt_conv_pass *whole)
{
    struct nt_conv_pass pass = *whole;
    if (nt_shape_count(&pass.x->shape) == 0) /* the kernel reads x where a tap is outside, too */
        pass.taps[0] = 0;
    int64_t pixels = pass.images * nt_conv_product(pass.out);
    int64_t steps = nt_conv_product(pass.taps) * pass.c;
    struct nt_group group = nt_group_choose(
        nt_tape_device(tape), pixels, pass.k, pass.groups, is_whole(whole) ? steps : 0);
    struct nt_tensor partial = *pass.y;
    bool split = group.splits > 1;
    if (split)
        partial = make_partial(tape, &pass, group.splits);
    int32_t packed;
    enum nt_status status = pack(tape, &pass, &packed);
    if (status != NT_OK)
        return status;
    const struct nt_epilogue *epilogue = split ? NULL : pass.epilogue;
    int channel = split ? 2 : 1;
    int wide = pass.k % 4 ? 1 : nt_group_wide_result(&partial, channel, epilogue);
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_group", "conv_group", "group", pass.reason);
    nt_launch_define(&l, "NT_A_WIDE", "%d", pass.c % 4 ? 1 : nt_group_wide(pass.x, 1));
    nt_launch_define(&l, "NT_B_WIDE", "%d", pass.k % 4 ? 1 : 4);
    nt_launch_define(&l, "NT_Y_WIDE", "%d", wide);
    nt_epilogue_define(&l, pass.y, epilogue, wide);
    nt_launch_tensor(&l, pass.x, NT_ACCESS_READ);
    nt_launch_buffer(&l, packed, NT_ACCESS_READ);
    nt_launch_tensor(&l, &partial, NT_ACCESS_WRITE);
    nt_conv_picture_args(&l, &pass);
    nt_launch_int(&l, group.splits);
    nt_launch_int(&l, split ? partial.stride[0] : 0);
    nt_epilogue_args(&l, epilogue);
    nt_group_grid(&l, &group, pixels, pass.k, pass.groups * group.splits);
    nt_conv_pass_cost(&l, &pass);
    status = nt_launch_append(&l);
    return status == NT_OK && split ? nt_group_join(tape, &partial, pass.y, pass.epilogue) : status;
}

enum nt_status nt_conv_weight_group(
    struct nt_tape *tape, const struct nt_conv_problem *p, double flops, const char *reason)
{
    const struct nt_tensor *x = &p->x, *dy = &p->y;
    int64_t count = nt_shape_count(&p->w.shape), columns = p->filter * p->c;
    struct nt_group group =
        nt_group_choose(nt_tape_device(tape), p->k, columns, p->groups, p->images * p->pixels);
    int64_t splits = group.splits;
    struct nt_shape shape = {5, {splits, p->groups, p->k, p->filter, p->c}};
    struct nt_tensor partial =
        nt_tensor_make(nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
                           (size_t)(count * splits) * sizeof(float), "partial weights"),
            NT_F32, &shape, NT_ROW_MAJOR);
    struct nt_tensor to = p->w;
    to.shape = (struct nt_shape){4, {p->groups, p->k, p->filter, p->c}};
    to.stride[0] = p->k * p->c * p->filter;
    to.stride[1] = p->c * p->filter;
    to.stride[2] = 1;
    to.stride[3] = p->filter;
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_weight_group", "conv_weight_group", "group", reason);
    nt_launch_define(&l, "NT_A_WIDE", "%d", p->k % 4 ? 1 : nt_group_wide(dy, 1));
    nt_launch_define(&l, "NT_B_WIDE", "%d", p->c % 4 ? 1 : nt_group_wide(x, 1));
    nt_launch_define(&l, "NT_Y_WIDE", "%d", columns % 4 ? 1 : 4);
    nt_launch_tensor(&l, x, NT_ACCESS_READ);
    nt_launch_tensor(&l, dy, NT_ACCESS_READ);
    nt_launch_buffer(&l, partial.buffer, NT_ACCESS_WRITE);
    struct nt_conv_problem args = *p;
    if (nt_shape_count(&x->shape) == 0) /* the kernel reads x where a tap is outside, too */
        args.images = 0;
    nt_conv_problem_args(&l, &args);
    nt_launch_int(&l, splits);
    nt_group_grid(&l, &group, p->k, columns, splits * p->groups);
    l.flops = flops;
    l.bytes =
        4.0 * (double)(nt_shape_count(&x->shape) + nt_shape_count(&dy->shape) + splits * count);
    enum nt_status status = nt_launch_append(&l);
    return status == NT_OK ? nt_group_join(tape, &partial, &to, NULL) : status;
}
