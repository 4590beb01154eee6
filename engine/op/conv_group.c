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
    nt_conv_pass_args(&l, pass);
    nt_epilogue_args(&l, pass->epilogue);
    nt_group_grid(&l, pass->images * nt_conv_product(pass->out), pass->k, pass->groups);
    nt_conv_pass_cost(&l, pass);
    return nt_launch_append(&l);
}

/* Splits of the pixels, so that all compute units have work. */
static int64_t choose_splits(const struct nt_device *dev, const struct nt_conv_problem *p)
{
    int64_t span = nt_group_span(dev), pixels = p->images * p->pixels;
    int64_t groups = nt_divide_up(p->filter * p->c, span) * nt_divide_up(p->k, span) * p->groups;
    int64_t wanted =
        nt_divide_up(GROUPS_PER_UNIT * (int64_t)nt_device_get_info(dev)->compute_units, groups);
    int64_t most = nt_divide_up(pixels, LEAST_PIXELS);
    int64_t room = MOST_PARTIAL / nt_shape_count(&p->w.shape);
    most = most < room ? most : room;
    wanted = wanted < most ? wanted : most;
    return wanted < 1 ? 1 : wanted;
}

enum nt_status nt_conv_weight_group(
    struct nt_tape *tape, const struct nt_conv_problem *p, double flops, const char *reason)
{
    const struct nt_tensor *x = &p->x, *dy = &p->y;
    int64_t splits = choose_splits(nt_tape_device(tape), p);
    int64_t count = nt_shape_count(&p->w.shape);
    int32_t partial = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)(count * splits) * sizeof(float), "partial weights");
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_weight_group", "conv_weight_group", "group", reason);
    nt_launch_tensor(&l, x, NT_ACCESS_READ);
    nt_launch_tensor(&l, dy, NT_ACCESS_READ);
    nt_launch_buffer(&l, partial, NT_ACCESS_WRITE);
    nt_conv_problem_args(&l, p);
    nt_launch_int(&l, splits);
    nt_group_grid(&l, p->filter * p->c, p->k, splits * p->groups);
    l.flops = flops;
    l.bytes =
        4.0 * (double)(nt_shape_count(&x->shape) + nt_shape_count(&dy->shape) + splits * count);
    enum nt_status status = nt_launch_append(&l);
    return status == NT_OK ? nt_conv_weight_sum(tape, p, partial, splits, 1, "group", reason)
                           : status;
}
