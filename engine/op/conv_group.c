/* SPDX-License-Identifier: MIT */
#include "engine/op/conv.h"
#include "engine/op/epilogue.h"
#include "engine/op/group.h"
#include "engine/op/tile.h"

/* Work-groups per compute unit that hide latencies, and pixels of a split worth its sum. */
#define GROUPS_PER_UNIT 4
#define LEAST_PIXELS 256
#define MOST_PARTIAL (16 << 20) /* floats */

enum nt_status nt_conv_group(struct nt_tape *tape, const struct nt_conv_pass *pass)
{
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_group", "conv_group", "group", pass->reason);
    nt_epilogue_define(&l, pass->y, pass->epilogue, 1);
    nt_launch_tensor(&l, pass->x, NT_ACCESS_READ);
    nt_launch_tensor(&l, pass->w, NT_ACCESS_READ);
    nt_launch_tensor(&l, pass->y, NT_ACCESS_WRITE);
    const int64_t args[] = {pass->images, pass->in[0], pass->in[1], pass->c, pass->k, pass->out[0],
        pass->out[1], pass->taps[0], pass->taps[1], pass->stride[0], pass->stride[1], pass->pad[0],
        pass->pad[1], pass->dilation[0], pass->dilation[1], pass->x_n, pass->x_step[0],
        pass->x_step[1], pass->y_start, pass->y_n, pass->y_step[0], pass->y_step[1], pass->w_start,
        pass->w_g, pass->w_k, pass->w_c, pass->w_step[0], pass->w_step[1]};
    for (size_t i = 0; i < sizeof args / sizeof *args; i++)
        nt_launch_int(&l, args[i]);
    nt_epilogue_args(&l, pass->epilogue);
    nt_group_grid(&l, pass->images * pass->out[0] * pass->out[1], pass->k, pass->groups);
    l.flops = pass->flops;
    l.bytes = 4.0 * (double)(nt_shape_count(&pass->x->shape) + nt_shape_count(&pass->w->shape) +
                             nt_shape_count(&pass->y->shape));
    return nt_launch_append(&l);
}

/* Splits of the pixels, so that all compute units have work. */
static int64_t choose_splits(const struct nt_device *dev, const struct nt_conv_problem *p)
{
    int64_t span = nt_group_span(dev), pixels = p->images * p->out[0] * p->out[1];
    int64_t groups =
        nt_divide_up(p->taps[0] * p->taps[1] * p->c, span) * nt_divide_up(p->k, span) * p->groups;
    int64_t wanted =
        nt_divide_up(GROUPS_PER_UNIT * (int64_t)nt_device_get_info(dev)->compute_units, groups);
    int64_t most = nt_divide_up(pixels, LEAST_PIXELS);
    int64_t room = MOST_PARTIAL / nt_shape_count(&p->w->shape);
    most = most < room ? most : room;
    wanted = wanted < most ? wanted : most;
    return wanted < 1 ? 1 : wanted;
}

enum nt_status nt_conv_weight_group(
    struct nt_tape *tape, const struct nt_conv_problem *p, double flops, const char *reason)
{
    const struct nt_tensor *x = p->x, *dy = p->y;
    int64_t splits = choose_splits(nt_tape_device(tape), p);
    int64_t count = nt_shape_count(&p->w->shape);
    int32_t partial = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)(count * splits) * sizeof(float), "partial weights");
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_weight_group", "conv_weight_group", "group", reason);
    nt_launch_tensor(&l, x, NT_ACCESS_READ);
    nt_launch_tensor(&l, dy, NT_ACCESS_READ);
    nt_launch_buffer(&l, partial, NT_ACCESS_WRITE);
    const int64_t args[] = {p->images, p->in[0], p->in[1], p->c, p->groups, p->k, p->out[0],
        p->out[1], p->taps[0], p->taps[1], p->stride[0], p->stride[1], p->pad[0], p->pad[1],
        p->dilation[0], p->dilation[1], x->stride[0], x->stride[2], x->stride[3], dy->stride[0],
        dy->stride[2], dy->stride[3], splits};
    for (size_t i = 0; i < sizeof args / sizeof *args; i++)
        nt_launch_int(&l, args[i]);
    nt_group_grid(&l, p->taps[0] * p->taps[1] * p->c, p->k, splits * p->groups);
    l.flops = flops;
    l.bytes =
        4.0 * (double)(nt_shape_count(&x->shape) + nt_shape_count(&dy->shape) + splits * count);
    enum nt_status status = nt_launch_append(&l);
    return status == NT_OK ? nt_conv_weight_sum(tape, p, partial, splits, "group", reason) : status;
}
