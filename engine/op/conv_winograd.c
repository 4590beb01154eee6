/* SPDX-License-Identifier: MIT
 *
 * Convolutions of stride 1 with 3 x 3 or 5 x 5 taps by Winograd's minimal filtering
 * (cl/winograd.clh): the transformed pictures and weights are operands of 36 matrix products.
 * Pictures go in chunks of tiles whose transforms stay in the processor's second-level caches.
 */
#include "engine/op/conv.h"
#include "engine/op/epilogue.h"
#include "engine/op/tile.h"
#include "engine/variant.h"

#define SIDE 6 /* inputs of a tile along a dimension; its outputs are SIDE + 1 - taps */
#define PRODUCTS (SIDE * SIDE)
/* Floats of the transforms of a chunk of tiles: little enough for a second-level cache, but not so
 * little that the weights, which each chunk reads, are more than four times as many. */
#define CHUNK (1 << 16)
/* The same of both operands of a weight gradient. */
#define WEIGHT_CHUNK (1 << 17)
/* Floats of the sums of a weight gradient that parts of the tiles may have together. */
#define MOST_SUMS (1 << 20)
#define WEIGHT_BLOCK 16 /* NT_WINOGRAD_BLOCK: input channels that are transformed together */
/* More transformed weights than these, for few tiles, are not kept but made in parts of so many
 * input channels, which stay in the second-level cache. */
#define MANY_WEIGHTS (1 << 18)
#define FEW_DEPTH 64
/* Register tiles of a block of the weights' gradient, whose sums stay there too. */
#define FEW_STRIPS 2
#define FEW_PANELS 4
/* With fewer channels the pictures' transforms, with fewer tiles the weights', cost more than the
 * products that they save. */
#define LEAST_CHANNELS 32
#define LEAST_TILES 64
#define LEAST_FEW 16     /* tiles, where they are `few` */
#define LEAST_FEW_SUMS 4 /* the same of a weight gradient */

/* A transform: PRODUCTS planes of rows. The odd line at the end of each keeps them from falling on
 * the same cache sets. */
struct planes {
    int32_t buffer;
    int64_t row, plane;
};

static struct planes make_planes(
    struct nt_tape *tape, int64_t rows, int64_t columns, const char *name)
{
    struct planes p = {.row = nt_divide_up(columns, 16) * 16 + 16};
    p.plane = rows * p.row + 16;
    p.buffer = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)(PRODUCTS * p.plane) * sizeof(float), name);
    return p;
}

/* How pictures with `high` x `wide` outputs are cut into tiles of `side` x `side`. */
struct tiling {
    int64_t side, down, across, all;
    int64_t rows; /* of register tiles that all take */
};

static struct tiling cut(
    const struct nt_tile *tile, int64_t taps, int64_t images, int64_t high, int64_t wide)
{
    struct tiling t = {.side = SIDE + 1 - taps};
    t.down = nt_divide_up(high, t.side);
    t.across = nt_divide_up(wide, t.side);
    t.all = images * t.down * t.across;
    t.rows = nt_divide_up(t.all, tile->rows) * tile->rows;
    return t;
}

/* Whether tiles are few in relation to the weights. */
static bool few(int64_t tiles, int64_t c, int64_t k)
{
    return PRODUCTS * c * k > MANY_WEIGHTS && 2 * tiles * (c + k) <= c * k;
}

static void set_grid(struct nt_launch *l, int64_t items)
{
    int64_t pieces = 2 * nt_tile_pieces(nt_tape_device(l->tape));
    nt_launch_grid(l, 1, (size_t[]){(size_t)nt_least(items, pieces)}, NULL);
}

/* The picture of one transform: its extents and distances, and the tap before its first pixel. */
struct picture {
    const struct nt_tensor *t;
    int64_t channels, height, width, pad_h, pad_w, n, h, w;
};

/* side: of the pixels of a tile: SIDE for B' x B, t->side for A x A'. */
static enum nt_status take(struct nt_tape *tape, const char *reason, int64_t side,
    const struct picture *x, const struct tiling *t, int64_t tile0, int64_t count,
    const struct planes *to, int width)
{
    struct nt_launch l;
    nt_launch_init(&l, tape, "winograd_take", "winograd_take", "winograd", reason);
    nt_launch_define(&l, "NT_VW", "%d", width);
    nt_launch_define(&l, "NT_WINOGRAD_SIDE", "%d", (int)side);
    nt_launch_tensor(&l, x->t, NT_ACCESS_READ);
    nt_launch_buffer(&l, to->buffer, NT_ACCESS_WRITE);
    nt_launch_ints(&l, 15,
        (int64_t[]){tile0, count, t->side, t->down, t->across, x->height, x->width, x->channels,
            x->pad_h, x->pad_w, x->n, x->h, x->w, to->row, to->plane});
    set_grid(&l, count);
    l.bytes = 4.0 * (double)(count * x->channels) * (double)(PRODUCTS + t->side * t->side);
    return nt_launch_append(&l);
}

/* Here a row is a panel of all input channels. */
static enum nt_status transform_weights(struct nt_tape *tape, const struct nt_conv_pass *pass,
    const struct nt_tile *tile, struct planes *to)
{
    int64_t nr = nt_tile_columns(tile), panels = nt_divide_up(pass->k, nr), panel = nr * pass->c;
    int64_t blocks = panels * nt_divide_up(pass->c, WEIGHT_BLOCK);
    int64_t items = nt_least(blocks, nt_tile_pieces(nt_tape_device(tape)));
    struct nt_launch l;
    *to = make_planes(tape, panels, panel, "transformed weights");
    int32_t scratch = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
        (size_t)(items * PRODUCTS * WEIGHT_BLOCK * nr) * sizeof(float), "a block of them");
    nt_launch_init(&l, tape, "winograd_weight", "winograd_weight", "winograd", pass->reason);
    nt_tile_define(&l, tile);
    nt_launch_define(&l, "NT_WINOGRAD_TAPS", "%d", (int)pass->taps[1]);
    nt_launch_tensor(&l, pass->w, NT_ACCESS_READ);
    nt_launch_buffer(&l, to->buffer, NT_ACCESS_WRITE);
    nt_launch_buffer(&l, scratch, NT_ACCESS_WRITE);
    nt_launch_ints(&l, 9,
        (int64_t[]){pass->k, pass->c, pass->w_start, pass->w_k, pass->w_c, pass->w_step[1],
            pass->w_step[2], to->row, to->plane});
    nt_launch_grid(&l, 1, (size_t[]){(size_t)items}, NULL);
    l.bytes = 4.0 * (double)(panels * panel) * (double)(PRODUCTS + nt_conv_product(pass->taps));
    return nt_launch_append(&l);
}

/* Where a pass's results go: the arguments from out_h to y_w. */
static void output_args(struct nt_launch *l, const struct nt_conv_pass *pass)
{
    nt_launch_ints(l, 7,
        (int64_t[]){pass->out[1], pass->out[2], pass->k, pass->y_start, pass->y_n, pass->y_step[1],
            pass->y_step[2]});
}

/* All tiles in one launch, with transformed weights. */
static enum nt_status convolve(struct nt_tape *tape, const struct nt_conv_pass *pass,
    const struct nt_tile *tile, const struct tiling *t, const struct planes *w)
{
    int64_t nr = nt_tile_columns(tile), pieces = nt_tile_pieces(nt_tape_device(tape));
    int64_t units = nt_device_get_info(nt_tape_device(tape))->compute_units;
    int64_t widest = nt_most(pass->c, nt_divide_up(pass->k, nr) * nr);
    int64_t most =
        nt_divide_up(nt_most(CHUNK, PRODUCTS * pass->c * pass->k / 4), PRODUCTS * widest);
    int64_t chunk = nt_divide_up(most, tile->rows) * tile->rows;
    int64_t items = nt_least(t->all, nt_least(pieces, nt_most(t->all / chunk / units, 1) * units));
    chunk = nt_least(chunk, nt_divide_up(nt_divide_up(t->all, items), tile->rows) * tile->rows);
    int64_t row = (nt_divide_up(widest, tile->width) * (PRODUCTS + 1) + 1) * tile->width;
    int32_t scratch = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
        (size_t)(items * chunk * row) * sizeof(float), "transformed pictures");
    struct nt_launch l;
    nt_launch_init(&l, tape, "winograd", "winograd", "winograd", pass->reason);
    nt_tile_define(&l, tile);
    nt_launch_define(&l, "NT_WINOGRAD_TAPS", "%d", (int)pass->taps[1]);
    nt_epilogue_define(&l, pass->y, pass->epilogue, tile->width);
    nt_launch_tensor(&l, pass->x, NT_ACCESS_READ);
    nt_launch_buffer(&l, w->buffer, NT_ACCESS_READ);
    nt_launch_tensor(&l, pass->y, NT_ACCESS_WRITE);
    nt_launch_buffer(&l, scratch, NT_ACCESS_WRITE);
    nt_launch_ints(&l, 12,
        (int64_t[]){t->all, chunk, t->down, t->across, pass->in[1], pass->in[2], pass->c,
            pass->pad[1], pass->pad[2], pass->x_n, pass->x_step[1], pass->x_step[2]});
    output_args(&l, pass);
    nt_launch_ints(&l, 3, (int64_t[]){w->row, w->plane, row});
    nt_epilogue_args(&l, pass->epilogue);
    nt_launch_grid(&l, 1, (size_t[]){(size_t)items}, NULL);
    l.flops = pass->flops;
    l.bytes = 4.0 * (double)(nt_shape_count(&pass->x->shape) + nt_shape_count(&pass->y->shape) +
                             PRODUCTS * pass->c * pass->k);
    return nt_launch_append(&l);
}

/* The products of all tiles with weights that are transformed on the way, and their transform. */
static enum nt_status convolve_few(struct nt_tape *tape, const struct nt_conv_pass *pass,
    const struct nt_tile *tile, const struct tiling *t, const struct planes *x)
{
    int64_t nr = nt_tile_columns(tile);
    int64_t items = nt_least(nt_divide_up(pass->k, nr), nt_tile_pieces(nt_tape_device(tape)));
    int64_t depth = nt_least(FEW_DEPTH, nt_divide_up(pass->c, WEIGHT_BLOCK) * WEIGHT_BLOCK);
    int64_t w_plane = depth * nr + 16, plane = t->rows * nr + 16;
    int32_t scratch = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
        (size_t)(items * PRODUCTS * (w_plane + plane)) * sizeof(float), "transformed weights");
    struct nt_launch l;
    nt_launch_init(&l, tape, "winograd_few", "winograd_few", "winograd", pass->reason);
    nt_tile_define(&l, tile);
    nt_launch_define(&l, "NT_WINOGRAD_TAPS", "%d", (int)pass->taps[1]);
    nt_epilogue_define(&l, pass->y, pass->epilogue, tile->width);
    nt_launch_buffer(&l, x->buffer, NT_ACCESS_READ);
    nt_launch_tensor(&l, pass->w, NT_ACCESS_READ);
    nt_launch_tensor(&l, pass->y, NT_ACCESS_WRITE);
    nt_launch_buffer(&l, scratch, NT_ACCESS_WRITE);
    nt_launch_ints(&l, 3, (int64_t[]){t->all, t->down, t->across});
    output_args(&l, pass);
    nt_launch_ints(&l, 11,
        (int64_t[]){pass->c, pass->w_start, pass->w_k, pass->w_c, pass->w_step[1], pass->w_step[2],
            x->row, x->plane, depth, w_plane, plane});
    nt_epilogue_args(&l, pass->epilogue);
    nt_launch_grid(&l, 1, (size_t[]){(size_t)items}, NULL);
    l.flops = pass->flops;
    l.bytes = 4.0 * (double)(PRODUCTS * t->all * pass->c + nt_shape_count(&pass->w->shape) +
                             nt_shape_count(&pass->y->shape));
    return nt_launch_append(&l);
}

const char *nt_conv_winograd_rule(const struct nt_conv_problem *p)
{
    bool square = p->taps[1] == p->taps[2] && (p->taps[1] == 3 || p->taps[1] == 5);
    for (int i = 0; i < 3; i++)
        if (!square || p->stride[i] != 1 || p->dilation[i] != 1)
            return "must have 3x3 or 5x5 taps, stride 1 and dilation 1";
    if (p->taps[0] != 1 || p->in[0] != 1 || p->out[0] != 1 || p->pad[0] != 0 || p->groups != 1)
        return "must be two-dimensional with one group";
    if (nt_shape_count(&p->x.shape) == 0 || nt_shape_count(&p->y.shape) == 0)
        return "must have pixels";
    return NULL;
}

bool nt_conv_winograd_pays(
    const struct nt_device *dev, const struct nt_conv_problem *p, bool weights)
{
    if (!nt_prefers_tiles(dev) || nt_conv_winograd_rule(p))
        return false;
    int64_t side = SIDE + 1 - p->taps[1], least = LEAST_TILES;
    int64_t tiles = p->images * nt_divide_up(p->out[1], side) * nt_divide_up(p->out[2], side);
    if (weights && few(tiles, p->c, p->k))
        least = LEAST_FEW_SUMS;
    else if (!weights && PRODUCTS * p->c * p->k > MANY_WEIGHTS)
        least = LEAST_FEW;
    return p->c >= LEAST_CHANNELS && p->k >= LEAST_CHANNELS && tiles >= least;
}

enum nt_status nt_conv_winograd(struct nt_tape *tape, const struct nt_conv_pass *pass)
{
    struct nt_tile tile = nt_tile_choose(nt_tape_device(tape), pass->k);
    struct tiling t = cut(&tile, pass->taps[1], pass->images, pass->out[1], pass->out[2]);
    struct planes planes;
    enum nt_status status;
    if (!few(t.all, pass->c, pass->k)) {
        status = transform_weights(tape, pass, &tile, &planes);
        return status == NT_OK ? convolve(tape, pass, &tile, &t, &planes) : status;
    }
    struct picture x = {pass->x, pass->c, pass->in[1], pass->in[2], pass->pad[1], pass->pad[2],
        pass->x_n, pass->x_step[1], pass->x_step[2]};
    tile = nt_tile_fit(&tile, t.all);
    t = cut(&tile, pass->taps[1], pass->images, pass->out[1], pass->out[2]);
    planes = make_planes(tape, t.rows, pass->c, "transformed inputs");
    status = take(tape, pass->reason, SIDE, &x, &t, 0, t.all, &planes, tile.width);
    return status == NT_OK ? convolve_few(tape, pass, &tile, &t, &planes) : status;
}

/* ---- weights ---- */

/* How a weight gradient is divided: parts of the tiles, whose sums are added in the end, times
 * blocks of output channels, each of which transforms all inputs. */
struct division {
    int64_t parts, blocks, block, chunk, row, plane, dy_row, slot;
};

static struct division divide(const struct nt_device *dev, const struct nt_tile *tile,
    const struct nt_conv_problem *p, const struct tiling *t)
{
    int64_t nr = nt_tile_columns(tile), units = nt_device_get_info(dev)->compute_units;
    int64_t strips = nt_divide_up(p->k, tile->rows);
    struct division d = {.row = nt_divide_up(p->c, nr) * nr + 16};
    d.plane = strips * tile->rows * d.row + 16;
    d.parts = nt_most(nt_least(units, MOST_SUMS / (PRODUCTS * d.plane)), 1);
    d.parts = nt_least(d.parts, nt_divide_up(t->all, tile->rows));
    d.block = nt_divide_up(strips, nt_divide_up(units, d.parts)) * tile->rows;
    d.blocks = nt_divide_up(p->k, d.block);
    d.dy_row = nt_divide_up(d.block, 16) * 16 + 16;
    int64_t floats = nt_most(WEIGHT_CHUNK, PRODUCTS * p->c * d.block / 2);
    d.chunk = nt_divide_up(nt_divide_up(floats, PRODUCTS * (d.row + d.dy_row)), 4) * 4;
    d.chunk = nt_least(d.chunk, nt_divide_up(t->all, d.parts));
    d.slot = PRODUCTS * (d.chunk * (d.row + d.dy_row) + 32);
    return d;
}

static enum nt_status sum_weights(struct nt_tape *tape, const struct nt_conv_problem *p,
    const struct nt_tile *tile, const struct tiling *t, const struct division *d, int32_t sums,
    double flops, const char *reason)
{
    int32_t scratch = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
        (size_t)(d->parts * d->blocks * d->slot) * sizeof(float), "transformed pictures");
    struct nt_launch l;
    nt_launch_init(&l, tape, "winograd_weight_sums", "winograd_weight_sums", "winograd", reason);
    nt_tile_define(&l, tile);
    nt_launch_define(&l, "NT_WINOGRAD_TAPS", "%d", (int)p->taps[1]);
    nt_launch_tensor(&l, &p->x, NT_ACCESS_READ);
    nt_launch_tensor(&l, &p->y, NT_ACCESS_READ);
    nt_launch_buffer(&l, sums, NT_ACCESS_WRITE); /* reads back nothing but its own sums */
    nt_launch_buffer(&l, scratch, NT_ACCESS_WRITE);
    nt_launch_ints(&l, 12,
        (int64_t[]){t->all, d->chunk, t->down, t->across, p->in[1], p->in[2], p->c, p->pad[1],
            p->pad[2], p->x.stride[0], p->x.stride[3], p->x.stride[4]});
    nt_launch_ints(&l, 12,
        (int64_t[]){p->out[1], p->out[2], p->k, p->y.stride[0], p->y.stride[3], p->y.stride[4],
            d->parts, d->block, d->row, d->plane, d->dy_row, d->slot});
    nt_launch_grid(&l, 1, (size_t[]){(size_t)(d->parts * d->blocks)}, NULL);
    l.flops = flops;
    l.bytes = 4.0 * (double)(nt_shape_count(&p->x.shape) + nt_shape_count(&p->y.shape) +
                             d->parts * PRODUCTS * p->c * p->k);
    return nt_launch_append(&l);
}

static enum nt_status sum_few_weights(struct nt_tape *tape, const struct nt_conv_problem *p,
    const struct nt_tile *tile, const struct tiling *t, double flops, const char *reason)
{
    int64_t nr = nt_tile_columns(tile), high = FEW_STRIPS * tile->rows, wide = FEW_PANELS * nr;
    int64_t blocks = nt_divide_up(p->k, high) * nt_divide_up(p->c, wide);
    int64_t items = nt_least(blocks, nt_tile_pieces(nt_tape_device(tape)));
    struct picture x = {&p->x, p->c, p->in[1], p->in[2], p->pad[1], p->pad[2], p->x.stride[0],
        p->x.stride[3], p->x.stride[4]};
    struct picture dy = {
        &p->y, p->k, p->out[1], p->out[2], 0, 0, p->y.stride[0], p->y.stride[3], p->y.stride[4]};
    struct planes in = make_planes(tape, t->all, nt_divide_up(p->c, nr) * nr, "transformed inputs");
    struct planes out = make_planes(tape, t->all, p->k, "transformed gradients");
    int32_t scratch = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
        (size_t)(items * PRODUCTS * (high * wide + 16)) * sizeof(float), "transformed weights");
    enum nt_status status = take(tape, reason, SIDE, &x, t, 0, t->all, &in, tile->width);
    if (status == NT_OK)
        status = take(tape, reason, t->side, &dy, t, 0, t->all, &out, tile->width);
    if (status != NT_OK)
        return status;
    struct nt_launch l;
    nt_launch_init(&l, tape, "winograd_weight_few", "winograd_weight_few", "winograd", reason);
    nt_tile_define(&l, tile);
    nt_launch_define(&l, "NT_WINOGRAD_TAPS", "%d", (int)p->taps[1]);
    nt_launch_buffer(&l, in.buffer, NT_ACCESS_READ);
    nt_launch_buffer(&l, out.buffer, NT_ACCESS_READ);
    nt_launch_tensor(&l, &p->w, NT_ACCESS_WRITE);
    nt_launch_buffer(&l, scratch, NT_ACCESS_WRITE);
    nt_launch_ints(
        &l, 9, (int64_t[]){t->all, p->k, p->c, in.row, in.plane, out.row, out.plane, high, wide});
    nt_launch_grid(&l, 1, (size_t[]){(size_t)items}, NULL);
    l.flops = flops;
    l.bytes = 4.0 * (double)(PRODUCTS * t->all * (p->c + p->k) + nt_shape_count(&p->w.shape));
    return nt_launch_append(&l);
}

enum nt_status nt_conv_weight_winograd(
    struct nt_tape *tape, const struct nt_conv_problem *p, double flops, const char *reason)
{
    struct nt_tile tile = nt_tile_choose(nt_tape_device(tape), p->c);
    struct tiling t = cut(&tile, p->taps[1], p->images, p->out[1], p->out[2]);
    if (few(t.all, p->c, p->k))
        return sum_few_weights(tape, p, &tile, &t, flops, reason);
    struct division d = divide(nt_tape_device(tape), &tile, p, &t);
    int32_t sums = nt_tape_buffer(tape, NT_BUFFER_TRANSIENT,
        (size_t)(d.parts * PRODUCTS * d.plane) * sizeof(float), "transformed weights");
    enum nt_status status = sum_weights(tape, p, &tile, &t, &d, sums, flops, reason);
    if (status != NT_OK)
        return status;
    struct nt_launch l;
    nt_launch_init(&l, tape, "winograd_weight_give", "winograd_weight_give", "winograd", reason);
    nt_launch_define(&l, "NT_VW", "%d", tile.width);
    nt_launch_define(&l, "NT_WINOGRAD_TAPS", "%d", (int)p->taps[1]);
    nt_launch_buffer(&l, sums, NT_ACCESS_READ);
    nt_launch_tensor(&l, &p->w, NT_ACCESS_WRITE);
    nt_launch_ints(&l, 5, (int64_t[]){p->k, p->c, d.row, d.plane, d.parts});
    set_grid(&l, p->k);
    l.bytes = 4.0 * (double)(p->k * p->c) * (double)(d.parts * PRODUCTS + p->filter);
    return nt_launch_append(&l);
}
