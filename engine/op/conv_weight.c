/* SPDX-License-Identifier: MIT */
#include "engine/op/conv.h"
#include "engine/op/tile.h"

/* Rows (taps x channels) of dw that a work-item computes together, and floats of the inputs it
 * gathers for them: 256 KiB of the second-level cache. */
#define MANY_ROWS 512
#define GATHERED 65536
#define LONGEST_RUN 512
/* Fewer pixels than this in a split would cost more to add than to compute. */
#define LEAST_PIXELS 64
/* Floats of all partial sums. */
#define MOST_PARTIAL (16 << 20)

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

enum nt_status nt_conv_weight_sum(struct nt_tape *tape, const struct nt_conv_problem *p,
    int32_t partial, int64_t splits, const char *variant, const char *reason)
{
    const struct nt_device_info *info = nt_device_get_info(nt_tape_device(tape));
    bool single = info->type == NT_DEVICE_CPU;
    int width = !single ? 1 : nt_tile_choose(nt_tape_device(tape), 1).width;
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_weight_sum", "conv_weight_sum", variant, reason);
    nt_launch_define(&l, "NT_VW", "%d", width);
    nt_launch_buffer(&l, partial, NT_ACCESS_READ);
    nt_launch_tensor(&l, &p->w, NT_ACCESS_WRITE);
    nt_launch_int(&l, splits);
    nt_launch_int(&l, p->groups);
    nt_launch_int(&l, p->k);
    nt_launch_int(&l, p->c);
    nt_launch_int(&l, p->filter);
    size_t global[] = {(size_t)(p->groups * nt_divide_up(p->k, width)), (size_t)p->c};
    nt_launch_grid(&l, 2, global, single ? NULL : (size_t[]){64, 1});
    l.flops = (double)(splits - 1) * (double)nt_shape_count(&p->w.shape);
    l.bytes = 4.0 * (double)(splits + 1) * (double)nt_shape_count(&p->w.shape);
    return nt_launch_append(&l);
}

struct blocking {
    int64_t channels, panels, run, splits, blocks, items, slot;
};

static struct blocking block(
    const struct nt_device *dev, const struct nt_tile *tile, const struct nt_conv_problem *p)
{
    int64_t taps = p->filter, nr = nt_tile_columns(tile);
    int64_t pixels = p->images * p->pixels, pieces = nt_tile_pieces(dev);
    struct blocking b = {.channels = p->c, .panels = least(nt_divide_up(p->k, nr), 4)};
    if (taps * p->c > MANY_ROWS)
        b.channels = least(p->c, most(MANY_ROWS / taps / 16 * 16, 16));
    int64_t step = nt_divide_up(taps * b.channels, 16) * 16 + 16;
    int64_t base = nt_divide_up(p->k, b.panels * nr) * nt_divide_up(p->c, b.channels) * p->groups;
    int64_t limit =
        least(nt_divide_up(pixels, LEAST_PIXELS), MOST_PARTIAL / nt_shape_count(&p->w.shape));
    b.splits = most(least(nt_divide_up(pieces, base), limit), 1);
    b.run = most(least(GATHERED / step, least(LONGEST_RUN, nt_divide_up(pixels, b.splits))), 16);
    b.blocks = base * b.splits;
    b.items = least(b.blocks, pieces);
    b.slot = b.run * (b.panels * nr + step) + 16;
    return b;
}

enum nt_status nt_conv_weight_tile(
    struct nt_tape *tape, const struct nt_conv_problem *p, double flops, const char *reason)
{
    const struct nt_device *dev = nt_tape_device(tape);
    const struct nt_tensor *x = &p->x, *dy = &p->y;
    struct nt_tile tile = nt_tile_choose(dev, p->k);
    struct blocking b = block(dev, &tile, p);
    size_t count = (size_t)nt_shape_count(&p->w.shape);
    bool dense = (dy->stride[3] == p->out[2] * dy->stride[4] || p->out[1] == 1) &&
                 (dy->stride[2] == p->out[1] * dy->stride[3] || p->out[0] == 1) &&
                 (dy->stride[0] == p->pixels * dy->stride[4] || p->images == 1);
    int32_t partial = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, count * (size_t)b.splits * sizeof(float), "partial weights");
    int32_t scratch = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)(b.slot * b.items) * sizeof(float), "gathered inputs");
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_weight_tile", "conv_weight_tile", "tile", reason);
    nt_tile_define(&l, &tile);
    nt_launch_tensor(&l, x, NT_ACCESS_READ);
    nt_launch_tensor(&l, dy, NT_ACCESS_READ);
    nt_launch_buffer(&l, partial, NT_ACCESS_WRITE);
    nt_launch_buffer(&l, scratch, NT_ACCESS_WRITE);
    nt_conv_problem_args(&l, p);
    const int64_t args[] = {dense, b.channels, b.panels, b.run, b.splits, b.blocks, b.slot};
    for (size_t i = 0; i < sizeof args / sizeof *args; i++)
        nt_launch_int(&l, args[i]);
    nt_launch_grid(&l, 1, (size_t[]){(size_t)b.items}, NULL);
    l.flops = flops;
    l.bytes = 4.0 * (double)(nt_shape_count(&x->shape) + nt_shape_count(&dy->shape) +
                             b.splits * (int64_t)count);
    enum nt_status status = nt_launch_append(&l);
    return status == NT_OK ? nt_conv_weight_sum(tape, p, partial, b.splits, "tile", reason)
                           : status;
}
