/* SPDX-License-Identifier: MIT */
#include "engine/op/conv.h"
#include "engine/op/group.h"
#include "engine/op/tile.h"

/* A block: strips of output channels, panels of columns (tap, channel) and pixels at a time that
 * the second-level cache holds together with their products. */
#define MOST_STRIPS 20
#define MOST_PANELS 8
#define LONGEST_RUN 208
#define LEAST_RUN 16
/* Pixels of dy so many floats apart share 8 sets of a second-level cache of 1024. */
#define FAR 2048
/* Floats of the inputs gathered as rows. */
#define GATHERED 65536
/* What copied strips are longer than their pixels: NT_GAP. */
#define GAP 16
/* Fewer pixels than this in a split would cost more to add than to compute. */
#define LEAST_PIXELS 64
/* Operations that take a quarter of a millisecond. */
#define SMALL 5e7
/* Output channels that are few. */
#define FEW 16
/* Floats of all partial sums. */
#define MOST_PARTIAL (16 << 20)

enum nt_status nt_conv_weight_sum(struct nt_tape *tape, const struct nt_conv_problem *p,
    int32_t partial, int64_t splits, int64_t joined, const char *variant, const char *reason)
{
    const struct nt_device_info *info = nt_device_get_info(nt_tape_device(tape));
    bool single = info->type == NT_DEVICE_CPU, plain = joined == 1 && (p->filter == 1 || p->c == 1);
    int width = !single ? 1 : nt_tile_choose(nt_tape_device(tape), 1).width;
    int64_t rows = p->groups * p->k, columns = p->c, taps = p->filter, s = p->taps[2];
    int64_t wide = s + (joined - 1) * p->stride[2];
    int64_t row = taps / s * wide * p->c, part = rows * row + p->stride[2] * p->c;
    if (plain) { /* the order of elements does not change */
        columns = row = nt_shape_count(&p->w.shape);
        rows = taps = s = wide = 1;
    } else if (p->c == 1) { /* a line of taps is as good as channels */
        rows *= taps / s;
        columns = s;
        row = wide;
        taps = s = wide = 1;
    }
    int64_t args[] = {splits, joined, rows, columns, taps, s, wide, row, part};
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_weight_sum", "conv_weight_sum", variant, reason);
    nt_launch_define(&l, "NT_VW", "%d", width);
    if (taps > 1 && taps <= 16)
        nt_launch_define(&l, "NT_TURNED", "1");
    nt_launch_buffer(&l, partial, NT_ACCESS_READ);
    nt_launch_tensor(&l, &p->w, NT_ACCESS_WRITE);
    nt_launch_ints(&l, sizeof args / sizeof *args, args);
    size_t global[] = {(size_t)nt_divide_up(columns, width), (size_t)rows};
    nt_launch_grid(
        &l, 2, global, single ? NULL : (size_t[]){nt_group_items(nt_tape_device(tape), 64), 1});
    l.flops = (double)(splits * joined - 1) * (double)nt_shape_count(&p->w.shape);
    l.bytes = 4.0 * (double)(splits * joined + 1) * (double)nt_shape_count(&p->w.shape);
    return nt_launch_append(&l);
}

/* Floats of all weights. */
static int64_t weights(const struct nt_conv_problem *p)
{
    return p->groups * p->k * p->filter * p->c;
}

/* `count` neighbouring pixels as one: its channels are those of all, and its taps reach as far as
 * those of all do. The sums for pixel i of the `count` then lie i strides further on. */
static struct nt_conv_problem join(const struct nt_conv_problem *p, int64_t count)
{
    struct nt_conv_problem joined = *p;
    joined.k *= count;
    joined.taps[2] += (count - 1) * p->stride[2];
    joined.stride[2] *= count;
    joined.dilation[2] = count > 1 ? 1 : p->dilation[2];
    joined.out[2] /= count;
    joined.y.stride[4] *= count;
    joined.filter = nt_conv_product(joined.taps);
    joined.pixels = nt_conv_product(joined.out);
    return joined;
}

/* How many pixels to join so that few output channels fill a tile. */
static int64_t choose_joined(const struct nt_tile *tile, const struct nt_conv_problem *p)
{
    int64_t nr = nt_tile_columns(tile), best = 1;
    double least = 0;
    if (p->groups > 1 || p->y.stride[4] != p->k || (p->dilation[2] > 1 && p->taps[2] > 1))
        return 1;
    for (int64_t i = 1; i * p->k <= tile->rows && i <= p->out[2]; i++) {
        if (p->out[2] % i)
            continue;
        struct nt_conv_problem joined = join(p, i);
        double cost = (double)nt_divide_up(joined.filter * p->c, nr) / (double)i;
        if (i == 1 || cost < least) {
            least = cost;
            best = i;
        }
    }
    return best;
}

/* Few output channels share a tile, however many they and their columns are. */
static struct nt_tile choose_tile(
    const struct nt_device *dev, const struct nt_conv_problem *p, double flops)
{
    if (p->k <= FEW)
        return nt_tile_choose_for(dev, FEW, FEW * FEW, false);
    struct nt_tile tile = nt_tile_choose_for(dev, p->k, p->filter * p->c, flops < SMALL);
    return flops < SMALL ? tile : nt_tile_fit(&tile, p->k);
}

struct blocking {
    bool direct;  /* dy is read in place, where enough of it follows */
    int64_t rows; /* floats from one gathered row to the next; 0: panels */
    int64_t strips, panels;
    int64_t run;    /* pixels at a time */
    int64_t unit;   /* splits are multiples of so many pixels */
    int64_t packed; /* floats of the strips of dy that are copied */
    int64_t splits, blocks, items, slot;
};

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

/* Floats of the part of the pictures that `run` pixels see, at most. */
static int64_t framed(const struct nt_conv_problem *p, int64_t run)
{
    int64_t lines = nt_most(1, nt_least(run / p->out[2], p->out[1]));
    int64_t count = nt_least(run, p->out[2]);
    return p->taps[0] * ((lines - 1) * p->stride[1] + (p->taps[1] - 1) * p->dilation[1] + 1) *
           ((count - 1) * p->stride[2] + (p->taps[2] - 1) * p->dilation[2] + 1) * p->c;
}

static struct blocking block(
    const struct nt_device *dev, const struct nt_tile *tile, const struct nt_conv_problem *p)
{
    int64_t nr = nt_tile_columns(tile), pieces = nt_tile_pieces(dev), columns = p->filter * p->c;
    int64_t pixels = p->images * p->pixels, vectors = padded_vectors(p, tile->width);
    int64_t strips = nt_divide_up(p->k, tile->rows);
    int64_t strip = nt_divide_up(tile->rows, tile->width) * tile->width;
    bool few = p->c < tile->width && pixels > 0 && p->c > 0;
    struct blocking b = {.strips = nt_equal_piece(strips, MOST_STRIPS),
        .direct = dense(p) && p->y.stride[4] % FAR,
        .unit = 1};
    int64_t panels = nt_divide_up(few ? columns : vectors * tile->width, nr);
    if (few)
        b.rows = panels * nr + (panels > 1 ? GAP : 0);
    int64_t across = nt_divide_up(strips, b.strips) * p->groups;
    b.panels =
        few ? panels : nt_tile_even(dev, panels, across, nt_equal_piece(panels, MOST_PANELS));
    int64_t base = across * nt_divide_up(panels, b.panels);
    int64_t limit = nt_least(nt_divide_up(pixels, LEAST_PIXELS), MOST_PARTIAL / weights(p));
    int64_t longest = few ? nt_least(GATHERED / b.rows, LONGEST_RUN) : LONGEST_RUN;
    longest = nt_most(longest, LEAST_RUN);
    if (few && p->out[2] <= longest) {
        b.unit = p->out[2];
        limit = nt_least(limit, pixels / b.unit);
    }
    b.splits = nt_most(nt_least(nt_divide_up(pieces, base), limit), 1);
    b.run = nt_equal_piece(nt_most(nt_divide_up(pixels, b.splits), 1), longest);
    b.run = nt_divide_up(b.run, b.unit) * b.unit;
    b.blocks = base * b.splits;
    b.items = nt_least(b.blocks, pieces);
    b.packed = b.strips * (b.run * strip + GAP);
    b.slot = b.run * (few ? b.rows : nr) + GAP + b.packed + (few ? framed(p, b.run) + GAP : 0);
    b.slot = nt_divide_up(b.slot, 16) * 16;
    return b;
}

enum nt_status nt_conv_weight_tile(
    struct nt_tape *tape, const struct nt_conv_problem *p, double flops, const char *reason)
{
    const struct nt_device *dev = nt_tape_device(tape);
    struct nt_tile tile = choose_tile(dev, p, flops);
    int64_t count = choose_joined(&tile, p);
    struct nt_conv_problem joined = join(p, count);
    struct blocking b = block(dev, &tile, &joined);
    bool summed = b.splits > 1 || count > 1 || (p->filter > 1 && p->c > 1);
    struct nt_shape shape = {1, {b.splits * weights(&joined)}};
    struct nt_tensor partial = p->w;
    if (summed)
        partial = nt_tensor_make(nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
                                     (size_t)shape.dim[0] * sizeof(float), "partial weights"),
            NT_F32, &shape, NT_ROW_MAJOR);
    int32_t scratch = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)(b.slot * b.items) * sizeof(float), "gathered inputs");
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_weight_tile", "conv_weight_tile", "tile", reason);
    nt_tile_define(&l, &tile);
    nt_launch_tensor(&l, &p->x, NT_ACCESS_READ);
    nt_launch_tensor(&l, &p->y, NT_ACCESS_READ);
    nt_launch_tensor(&l, &partial, NT_ACCESS_WRITE);
    nt_launch_buffer(&l, scratch, NT_ACCESS_WRITE);
    nt_conv_problem_args(&l, &joined);
    const int64_t args[] = {
        b.direct, b.rows, b.strips, b.panels, b.run, b.unit, b.packed, b.splits, b.blocks, b.slot};
    nt_launch_ints(&l, sizeof args / sizeof *args, args);
    nt_launch_grid(&l, 1, (size_t[]){(size_t)b.items}, NULL);
    l.flops = flops;
    l.bytes =
        4.0 * (double)(nt_shape_count(&p->x.shape) + nt_shape_count(&p->y.shape) + shape.dim[0]);
    enum nt_status status = nt_launch_append(&l);
    return status == NT_OK && summed
               ? nt_conv_weight_sum(tape, p, partial.buffer, b.splits, count, "tile", reason)
               : status;
}
