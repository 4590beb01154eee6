/* SPDX-License-Identifier: MIT */
#include "engine/op/conv.h"
#include "engine/op/epilogue.h"
#include "engine/op/group.h"
#include "engine/op/tile.h"

#define GROUP_SIZE 128
#define RUN 4       /* pixels of a work-item */
#define MOST_TAPS 8 /* of a work-item */
/* Work-items per compute unit that hide latencies. */
#define ITEMS_PER_UNIT 1024

const char *nt_conv_depthwise_group_rule(const struct nt_conv_problem *p)
{
    return p->c == 1 && p->k == 1 ? NULL : "must have one channel in and out of each group";
}

enum nt_status nt_conv_depthwise_group(
    struct nt_tape *tape, const struct nt_conv_pass *pass, int32_t packed)
{
    struct nt_conv_pass args = *pass;
    if (nt_shape_count(&pass->x->shape) == 0) /* the kernel reads x where a tap is outside, too */
        args.taps[0] = 0;
    bool fours = nt_group_wide(pass->x, 1) == 4;
    int wide = fours ? nt_group_wide_result(pass->y, 1, pass->epilogue) : 1;
    int64_t rows = pass->images * pass->out[0] * pass->out[1];
    struct nt_launch l;
    nt_launch_init(
        &l, tape, "conv_depthwise_group", "conv_depthwise_group", "depthwise_group", pass->reason);
    nt_launch_define(&l, "NT_RUN", "%d", RUN);
    nt_launch_define(&l, "NT_Y_WIDE", "%d", wide);
    nt_epilogue_define(&l, pass->y, pass->epilogue, wide);
    nt_launch_tensor(&l, pass->x, NT_ACCESS_READ);
    nt_launch_buffer(&l, packed, NT_ACCESS_READ);
    nt_launch_tensor(&l, pass->y, NT_ACCESS_WRITE);
    nt_conv_pass_args(&l, &args);
    nt_epilogue_args(&l, pass->epilogue);
    nt_group_line(&l, pass->groups / wide * nt_divide_up(pass->out[2], RUN) * rows, GROUP_SIZE);
    nt_conv_pass_cost(&l, pass);
    return nt_launch_append(&l);
}

/* Enough work-items, whose sums are no more than what they read. */
static int64_t choose_splits(struct nt_tape *tape, const struct nt_conv_problem *p, int64_t items)
{
    int64_t units = (int64_t)nt_device_get_info(nt_tape_device(tape))->compute_units;
    int64_t rows = p->images * p->out[0] * p->out[1], pixels = p->images * p->pixels;
    int64_t wanted = nt_divide_up(units * ITEMS_PER_UNIT, items);
    return nt_most(nt_least(nt_least(wanted, rows), pixels / p->filter), 1);
}

enum nt_status nt_conv_weight_depthwise_group(
    struct nt_tape *tape, const struct nt_conv_problem *p, double flops, const char *reason)
{
    int wide = nt_group_wide(&p->x, 1) == 4 ? nt_group_wide(&p->y, 1) : 1;
    int64_t pieces = nt_divide_up(p->taps[2], MOST_TAPS);
    int64_t items = p->groups / wide * pieces * p->taps[0] * p->taps[1];
    int64_t splits = choose_splits(tape, p, items);
    struct nt_shape shape = {3, {splits, p->filter, p->groups}}, one = {2, {p->filter, p->groups}};
    struct nt_tensor partial =
        nt_tensor_make(nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
                           (size_t)nt_shape_count(&shape) * sizeof(float), "partial weights"),
            NT_F32, &shape, NT_ROW_MAJOR);
    struct nt_tensor to = p->w;
    to.shape = one;
    to.stride[0] = 1;
    to.stride[1] = p->filter;
    struct nt_conv_problem args = *p;
    if (nt_shape_count(&p->x.shape) == 0) /* the kernel reads x where a tap is outside, too */
        args.images = 0;
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_weight_depthwise_group", "conv_weight_depthwise_group",
        "depthwise_group", reason);
    nt_launch_define(&l, "NT_TAPS", "%d", (int)nt_divide_up(p->taps[2], pieces));
    nt_launch_define(&l, "NT_Y_WIDE", "%d", wide);
    nt_launch_tensor(&l, &p->x, NT_ACCESS_READ);
    nt_launch_tensor(&l, &p->y, NT_ACCESS_READ);
    nt_launch_buffer(&l, partial.buffer, NT_ACCESS_WRITE);
    nt_conv_problem_args(&l, &args);
    nt_launch_ints(&l, 2, (int64_t[]){pieces, splits});
    nt_group_line(&l, items * splits, GROUP_SIZE);
    l.flops = flops;
    l.bytes = 4.0 * (double)(nt_shape_count(&p->x.shape) + nt_shape_count(&p->y.shape));
    enum nt_status status = nt_launch_append(&l);
    return status == NT_OK ? nt_group_join(tape, &partial, &to, NULL) : status;
}
