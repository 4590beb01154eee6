/* SPDX-License-Identifier: MIT */
#include "engine/op/conv.h"
#include "engine/op/epilogue.h"
#include "engine/op/tile.h"
#include "engine/variant.h"

/* Floats of a row, six of which the second-level cache holds; pixels of its shortest part. */
#define ROW 24576
#define LEAST_RUN 16
#define LEAST_PIXELS 64
#define LEAST_VECTORS 4
/* Rows that are worth a partial sum; work-items per core, so that all cores end together. */
#define LEAST_ROWS 4
#define ITEMS_PER_CORE 8

/* Channels of a vector, which a work-item takes. */
static int vector_width(struct nt_tape *tape)
{
    return nt_tile_choose(nt_tape_device(tape), 1).width;
}

static int64_t wanted_items(struct nt_tape *tape)
{
    return (int64_t)nt_device_get_info(nt_tape_device(tape))->compute_units * ITEMS_PER_CORE;
}

/* Of `all` vectors so many, in equal parts, that a row of so many pixels stays in a cache. */
static int64_t row_vectors(int64_t all, int width, int64_t pixels)
{
    int64_t most = nt_most(LEAST_VECTORS, ROW / width / nt_most(pixels, LEAST_PIXELS));
    return nt_equal_piece(all, most);
}

bool nt_conv_is_depthwise(const struct nt_device *dev, const struct nt_conv_problem *p)
{
    if (p->c == 1 && p->k == 1)
        return true;
    int width = nt_tile_choose(dev, 1).width;
    return nt_prefers_tiles(dev) && p->c == p->k && (p->c == 2 || p->c == 4 || p->c == 8) &&
           width % p->c == 0 && p->groups * p->c >= width;
}

enum nt_status nt_conv_depthwise_pack(
    struct nt_tape *tape, const struct nt_conv_problem *p, bool backward, int32_t *packed)
{
    struct nt_shape shape = {4, {p->filter, p->c, p->groups, p->c}};
    *packed = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
        (size_t)nt_shape_count(&shape) * sizeof(float), "packed weights");
    struct nt_tensor to = nt_tensor_make(*packed, NT_F32, &shape, NT_ROW_MAJOR), from = to;
    from.buffer = p->w.buffer;
    from.offset = p->w.offset;
    from.stride[0] = 1;
    from.stride[1] = p->filter * (backward ? p->c : 1);
    from.stride[2] = p->filter * p->c * p->c;
    from.stride[3] = p->filter * (backward ? 1 : p->c);
    return nt_move(tape, &from, &to);
}

enum nt_status nt_conv_depthwise(
    struct nt_tape *tape, const struct nt_conv_pass *pass, int32_t packed)
{
    int width = vector_width(tape);
    int64_t channels = pass->groups * pass->c, items = wanted_items(tape);
    int64_t run = nt_least(pass->out[2], nt_most(LEAST_RUN, ROW / channels));
    int64_t rows = pass->images * pass->out[0] * pass->out[1];
    int64_t lines = nt_divide_up(rows, nt_least(rows, items));
    int64_t all = nt_divide_up(channels, width), blocks = nt_divide_up(rows, lines);
    int64_t vectors = nt_divide_up(all, nt_least(nt_divide_up(items, blocks), all));
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_depthwise", "conv_depthwise", "depthwise", pass->reason);
    nt_launch_define(&l, "NT_VW", "%d", width);
    nt_launch_define(&l, "NT_JOINED", "%d", (int)pass->c);
    nt_epilogue_define(&l, pass->y, pass->epilogue, width);
    nt_launch_tensor(&l, pass->x, NT_ACCESS_READ);
    nt_launch_buffer(&l, packed, NT_ACCESS_READ);
    nt_launch_tensor(&l, pass->y, NT_ACCESS_WRITE);
    nt_conv_pass_args(&l, pass);
    nt_launch_int(&l, run);
    nt_launch_int(&l, vectors);
    nt_launch_int(&l, lines);
    nt_epilogue_args(&l, pass->epilogue);
    nt_launch_grid(&l, 3,
        (size_t[]){(size_t)nt_divide_up(all, vectors), (size_t)nt_divide_up(pass->out[2], run),
            (size_t)blocks},
        NULL);
    l.flops = pass->flops;
    l.bytes = 4.0 * (double)(nt_shape_count(&pass->x->shape) + nt_shape_count(&pass->y->shape));
    return nt_launch_append(&l);
}

bool nt_conv_takes_depthwise_back(const struct nt_device *dev, const struct nt_conv_problem *p)
{
    bool flat = p->in[0] == 1 && p->out[0] == 1 && p->pad[0] == 0;
    bool taps = p->taps[0] == 1 && p->taps[1] == 3 && p->taps[2] == 3;
    return nt_prefers_tiles(dev) && p->c == 1 && flat && taps && p->stride[1] == 2 &&
           p->stride[2] == 2 && p->dilation[1] == 1 && p->dilation[2] == 1;
}

enum nt_status nt_conv_depthwise_back(struct nt_tape *tape, const struct nt_conv_problem *p,
    const struct nt_epilogue *epilogue, int32_t packed, double flops, const char *reason)
{
    int width = vector_width(tape);
    int64_t all = nt_divide_up(p->groups, width), rows = p->images * p->in[1];
    int64_t vectors = row_vectors(all, width, p->in[2]), columns = nt_divide_up(all, vectors);
    int64_t items = nt_divide_up(wanted_items(tape), columns);
    int64_t lines = nt_divide_up(rows, nt_least(rows, items));
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_depthwise_back", "conv_depthwise_back", "depthwise", reason);
    nt_launch_define(&l, "NT_VW", "%d", width);
    nt_epilogue_define(&l, &p->x, epilogue, width);
    nt_launch_tensor(&l, &p->y, NT_ACCESS_READ);
    nt_launch_buffer(&l, packed, NT_ACCESS_READ);
    nt_launch_tensor(&l, &p->x, NT_ACCESS_WRITE);
    nt_conv_problem_args(&l, p);
    nt_launch_int(&l, vectors);
    nt_launch_int(&l, lines);
    nt_epilogue_args(&l, epilogue);
    nt_launch_grid(&l, 2, (size_t[]){(size_t)columns, (size_t)nt_divide_up(rows, lines)}, NULL);
    l.flops = flops;
    l.bytes = 4.0 * (double)(nt_shape_count(&p->x.shape) + nt_shape_count(&p->y.shape));
    return nt_launch_append(&l);
}

/* The sums [tap][j][channel] become weights [channel][j][tap]. */
static enum nt_status sum_splits(struct nt_tape *tape, const struct nt_conv_problem *p,
    int32_t partial, int64_t splits, const char *reason)
{
    struct nt_conv_problem sum = *p; /* of one group of many channels */
    sum.c = p->groups * p->c * p->c;
    sum.groups = sum.k = 1;
    if (p->c == 1)
        return nt_conv_weight_sum(tape, &sum, partial, splits, 1, "depthwise", reason);
    struct nt_shape shape = {3, {p->groups * p->k, p->c, p->filter}};
    struct nt_tensor from =
        nt_tensor_make(nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
                           (size_t)nt_shape_count(&shape) * sizeof(float), "sums"),
            NT_F32, &shape, NT_ROW_MAJOR);
    struct nt_tensor to = nt_tensor_make(p->w.buffer, NT_F32, &shape, NT_ROW_MAJOR);
    to.offset = p->w.offset;
    sum.w = from;
    enum nt_status status = nt_conv_weight_sum(tape, &sum, partial, splits, 1, "depthwise", reason);
    from.stride[0] = p->filter;
    from.stride[1] = p->groups * p->k * p->filter;
    return status == NT_OK ? nt_move(tape, &from, &to) : status;
}

enum nt_status nt_conv_weight_depthwise(
    struct nt_tape *tape, const struct nt_conv_problem *p, double flops, const char *reason)
{
    int width = vector_width(tape);
    int64_t all = nt_divide_up(p->groups * p->c, width), rows = p->images * p->out[0] * p->out[1];
    int64_t vectors = row_vectors(all, width, p->in[2]);
    int64_t lines = nt_most(1, ROW / (p->in[2] * vectors * width));
    int64_t splits = nt_divide_up(wanted_items(tape), nt_divide_up(all, vectors));
    splits = nt_most(1, nt_least(splits, nt_divide_up(rows, LEAST_ROWS)));
    int32_t partial = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
        (size_t)(splits * nt_shape_count(&p->w.shape)) * sizeof(float), "partial weights");
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_weight_depthwise", "conv_weight_depthwise", "depthwise", reason);
    nt_launch_define(&l, "NT_VW", "%d", width);
    nt_launch_define(&l, "NT_JOINED", "%d", (int)p->c);
    nt_launch_tensor(&l, &p->x, NT_ACCESS_READ);
    nt_launch_tensor(&l, &p->y, NT_ACCESS_READ);
    nt_launch_buffer(&l, partial, NT_ACCESS_WRITE);
    nt_conv_problem_args(&l, p);
    nt_launch_int(&l, splits);
    nt_launch_int(&l, vectors);
    nt_launch_int(&l, lines);
    nt_launch_grid(&l, 2, (size_t[]){1, (size_t)(nt_divide_up(all, vectors) * splits)}, NULL);
    l.flops = flops;
    l.bytes = 4.0 * (double)(nt_shape_count(&p->x.shape) + nt_shape_count(&p->y.shape));
    enum nt_status status = nt_launch_append(&l);
    return status == NT_OK ? sum_splits(tape, p, partial, splits, reason) : status;
}
