/* SPDX-License-Identifier: MIT */
#include "engine/op/conv.h"
#include "engine/op/tile.h"

/* A block: strips of output channels, panels of columns (tap, channel) and pixels at a time that
 * the second-level cache holds together with their products. */
#define MOST_STRIPS 20
#define MOST_PANELS 8
#define LONGEST_RUN 192
#define LEAST_RUN 16
/* Floats of the inputs gathered as rows. */
#define GATHERED 65536
/* What copied strips are longer than their pixels: NT_GAP. */
#define GAP 16
/* Fewer pixels than this in a split would cost more to add than to compute. */
#define LEAST_PIXELS 64
/* Operations that take a quarter of a millisecond. */
#define SMALL 5e7
/* Floats of all partial sums. */
#define MOST_PARTIAL (16 << 20)

enum nt_status nt_conv_weight_sum(struct nt_tape *tape, const struct nt_conv_problem *p,
    int32_t partial, int64_t splits, const char *variant, const char *reason)
{
    const struct nt_device_info *info = nt_device_get_info(nt_tape_device(tape));
    bool single = info->type == NT_DEVICE_CPU;
    int width = !single ? 1 : nt_tile_choose(nt_tape_device(tape), 1).width;
    bool flat = p->filter == 1 || p->c == 1; /* the order of elements does not change */
    int64_t rows = flat ? 1 : p->groups * p->k;
    int64_t columns = flat ? nt_shape_count(&p->w.shape) : p->c;
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_weight_sum", "conv_weight_sum", variant, reason);
    nt_launch_define(&l, "NT_VW", "%d", width);
    nt_launch_buffer(&l, partial, NT_ACCESS_READ);
    nt_launch_tensor(&l, &p->w, NT_ACCESS_WRITE);
    nt_launch_int(&l, splits);
    nt_launch_int(&l, rows);
    nt_launch_int(&l, columns);
    nt_launch_int(&l, flat ? 1 : p->filter);
    size_t global[] = {(size_t)nt_divide_up(columns, width), (size_t)rows};
    nt_launch_grid(&l, 2, global, single ? NULL : (size_t[]){64, 1});
    l.flops = (double)(splits - 1) * (double)nt_shape_count(&p->w.shape);
    l.bytes = 4.0 * (double)(splits + 1) * (double)nt_shape_count(&p->w.shape);
    return nt_launch_append(&l);
}

struct blocking {
    bool direct;  /* dy is read in place */
    int64_t rows; /* floats from one gathered row to the next; 0: panels */
    int64_t strips, panels, run, splits, blocks, items, slot;
};

/* `count` in equal pieces of at most `limit`. */
static int64_t piece(int64_t count, int64_t limit)
{
    return nt_divide_up(count, nt_divide_up(count, limit));
}

/* Vectors of columns where every tap's channels are padded to whole ones. */
static int64_t padded_vectors(const struct nt_conv_problem *p, int width)
{
    return p->filter * nt_divide_up(p->c, width);
}

/* Whether the pixels of dy are evenly spaced. */
static bool dense(const struct nt_conv_problem *p)
{
    const struct nt_tensor *dy = &p->y;
    return (dy->stride[3] == p->out[2] * dy->stride[4] || p->out[1] == 1) &&
           (dy->stride[2] == p->out[1] * dy->stride[3] || p->out[0] == 1) &&
           (dy->stride[0] == p->pixels * dy->stride[4] || p->images == 1);
}

static struct blocking block(
    const struct nt_device *dev, const struct nt_tile *tile, const struct nt_conv_problem *p)
{
    int64_t nr = nt_tile_columns(tile), pieces = nt_tile_pieces(dev), columns = p->filter * p->c;
    int64_t pixels = p->images * p->pixels, vectors = padded_vectors(p, tile->width);
    int64_t strips = nt_divide_up(p->k, tile->rows);
    int64_t strip = nt_divide_up(tile->rows, tile->width) * tile->width;
    bool few = p->c < tile->width && p->c > 0;
    struct blocking b = {.strips = piece(strips, MOST_STRIPS)};
    b.direct = dense(p) &&
               p->k - (nt_divide_up(strips, b.strips) - 1) * b.strips * tile->rows >= tile->rows;
    int64_t panels = nt_divide_up(few ? columns : vectors * tile->width, nr);
    if (few)
        b.rows = nt_divide_up(columns, nr) * nr + 16;
    b.panels = few ? panels : piece(panels, MOST_PANELS);
    int64_t base = nt_divide_up(strips, b.strips) * nt_divide_up(panels, b.panels) * p->groups;
    int64_t limit =
        nt_least(nt_divide_up(pixels, LEAST_PIXELS), MOST_PARTIAL / nt_shape_count(&p->w.shape));
    b.splits = nt_most(nt_least(nt_divide_up(pieces, base), limit), 1);
    int64_t longest = few ? nt_least(GATHERED / b.rows, LONGEST_RUN) : LONGEST_RUN;
    b.run = piece(nt_most(nt_divide_up(pixels, b.splits), 1), nt_most(longest, LEAST_RUN));
    b.blocks = base * b.splits;
    b.items = nt_least(b.blocks, pieces);
    b.slot = b.run * (few ? b.rows : nr) + GAP + (b.direct ? 0 : b.strips * (b.run * strip + GAP));
    b.slot = nt_divide_up(b.slot, 16) * 16;
    return b;
}

enum nt_status nt_conv_weight_tile(
    struct nt_tape *tape, const struct nt_conv_problem *p, double flops, const char *reason)
{
    const struct nt_device *dev = nt_tape_device(tape);
    const struct nt_tensor *x = &p->x, *dy = &p->y;
    struct nt_tile tile = nt_tile_choose_for(dev, p->k, p->filter * p->c, flops < SMALL);
    struct blocking b = block(dev, &tile, p);
    int64_t count = nt_shape_count(&p->w.shape);
    bool summed = b.splits > 1 || (p->filter > 1 && p->c > 1);
    struct nt_shape shape = {1, {b.splits * count}};
    struct nt_tensor partial = p->w;
    if (summed)
        partial = nt_tensor_make(nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
                                     (size_t)(b.splits * count) * sizeof(float), "partial weights"),
            NT_F32, &shape, NT_ROW_MAJOR);
    int32_t scratch = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)(b.slot * b.items) * sizeof(float), "gathered inputs");
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_weight_tile", "conv_weight_tile", "tile", reason);
    nt_tile_define(&l, &tile);
    nt_launch_tensor(&l, x, NT_ACCESS_READ);
    nt_launch_tensor(&l, dy, NT_ACCESS_READ);
    nt_launch_tensor(&l, &partial, NT_ACCESS_WRITE);
    nt_launch_buffer(&l, scratch, NT_ACCESS_WRITE);
    nt_conv_problem_args(&l, p);
    const int64_t args[] = {
        b.direct, b.rows, b.strips, b.panels, b.run, b.splits, b.blocks, b.slot};
    for (size_t i = 0; i < sizeof args / sizeof *args; i++)
        nt_launch_int(&l, args[i]);
    nt_launch_grid(&l, 1, (size_t[]){(size_t)b.items}, NULL);
    l.flops = flops;
    l.bytes =
        4.0 * (double)(nt_shape_count(&x->shape) + nt_shape_count(&dy->shape) + b.splits * count);
    enum nt_status status = nt_launch_append(&l);
    return status == NT_OK && summed
               ? nt_conv_weight_sum(tape, p, partial.buffer, b.splits, "tile", reason)
               : status;
}
