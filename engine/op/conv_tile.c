/* SPDX-License-Identifier: MIT */
#include "engine/op/conv.h"
#include "engine/op/epilogue.h"
#include "engine/op/tile.h"

/* Floats of the packed weights of one work-item: 672 KiB of the second-level cache. */
#define PACKED 172032
/* Steps (taps x channels) whose inputs are copied: 13 rows of them are 40 KiB. */
#define COPIED_STEPS 768
/* What reading an input from memory costs, in multiply-adds, and packing a weight beside that: in
 * the order of memory, and where the next weight is a filter away. */
#define FETCH 32
#define TURN 1
#define TURN_APART 8
/* Pixels of a block up to which weights are packed once where they are derived: for more, packing
 * them again is little. */
#define FEW_PIXELS 512
/* Inputs of fewer channels are copied unless whole lines of taps can be read. */
#define FEW_CHANNELS 16

enum mode { MODE_COPY, MODE_SEQUENCE, MODE_IMAGES };

struct blocking {
    enum mode mode;
    int64_t channels, panels, tiles, blocks, items;
};

/* Part of the taps along a dimension that are inside for any of `span` neighbouring pixels. */
static double used(const struct nt_conv_pass *pass, int i, int64_t span)
{
    int64_t sum = 0, count = nt_most(pass->out[i] - span + 1, 1);
    int64_t reach = (nt_least(span, pass->out[i]) - 1) * pass->stride[i];
    for (int64_t o = 0; o < count; o++)
        for (int64_t tap = 0; tap < pass->taps[i]; tap++) {
            int64_t at = o * pass->stride[i] - pass->pad[i] + tap * pass->dilation[i];
            sum += at + reach >= 0 && at < pass->in[i];
        }
    return pass->taps[i] > 0 ? (double)sum / (double)(count * pass->taps[i]) : 1;
}

/* The same pixel of many images has the same taps inside; pixels in sequence are nearer to each
 * other in memory. */
static enum mode choose_mode(const struct nt_conv_pass *pass, const struct nt_tile *tile)
{
    int64_t high = nt_divide_up(tile->rows, pass->out[2]);
    int64_t span = nt_divide_up(tile->rows, pass->images);
    double sequence = used(pass, 2, tile->rows) * used(pass, 1, high);
    double images = used(pass, 2, span) * used(pass, 1, 1);
    if (images < 0.96 * sequence && !nt_tile_rows_conflict(pass->x_n))
        return MODE_IMAGES;
    return nt_tile_rows_conflict(pass->stride[2] * pass->x_step[2]) ? MODE_COPY : MODE_SEQUENCE;
}

/* Of the ways to cut panels and tiles into enough blocks the one with the least to compute, to
 * read and to pack: inputs are read once per block of panels, weights packed once per block of
 * tiles. */
static struct blocking block(const struct nt_device *dev, const struct nt_tile *tile,
    const struct nt_conv_pass *pass, bool packed)
{
    int64_t nr = nt_tile_columns(tile), all_panels = nt_divide_up(pass->k, nr);
    int64_t pieces = nt_tile_pieces(dev), units = nt_device_get_info(dev)->compute_units;
    int64_t taps = nt_conv_product(pass->taps);
    int64_t all = nt_divide_up(pass->images * nt_conv_product(pass->out), tile->rows);
    struct blocking b = {.mode = choose_mode(pass, tile), .channels = pass->c};
    int64_t most = (b.mode == MODE_COPY ? COPIED_STEPS : PACKED / nr) / nt_most(taps, 1);
    if (most < pass->c && !nt_epilogue_reads(pass->epilogue, pass->y))
        b.channels = nt_equal_piece(nt_divide_up(pass->c, 16), nt_most(most / 16, 1)) * 16;
    double inputs = (double)(pass->images * pass->c);
    for (int i = 0; i < 3; i++) {
        int64_t read = pass->out[i] * pass->taps[i];
        inputs *= (double)(b.mode == MODE_COPY ? read : nt_least(read, pass->in[i]));
    }
    double weights = (double)(taps * pass->c * pass->k), least = 0;
    double turn = pass->w_k == 1 || pass->w_c == taps ? TURN : TURN_APART;
    if (packed)
        turn = 0;
    double sums = (double)(tile->rows * nr * taps * pass->c * units);
    int64_t limit = PACKED / nt_most(taps * b.channels * nr, 1);
    for (limit = nt_least(nt_most(limit, 1), all_panels); limit > 0; limit--) {
        int64_t panels = nt_equal_piece(all_panels, limit);
        int64_t across = nt_divide_up(all_panels, panels) * pass->groups;
        int64_t tiles = nt_divide_up(all, nt_divide_up(pieces, across));
        int64_t down = nt_divide_up(all, tiles);
        double cost =
            sums * (double)(nt_divide_up(across * down, units) * panels * tiles) +
            FETCH * ((double)across * inputs + (double)(down * pass->groups) * turn * weights);
        if (least == 0 || cost < least) {
            least = cost;
            b.panels = panels;
            b.tiles = tiles;
            b.blocks = across * down;
        }
    }
    b.items = b.blocks < pieces ? b.blocks : pieces;
    return b;
}

/* Whether work-items pack their weights, or a launch before packs them all. */
enum prepare { PACK_OWN, PACK_ALL, PACKED_ALL };

static int64_t slot_floats(
    const struct nt_conv_pass *pass, const struct nt_tile *tile, const struct blocking *b)
{
    int64_t taps = nt_conv_product(pass->taps), steps = taps * b->channels;
    /* Weights, zeros, the list of taps (up to 18 long each), copies. */
    int64_t slot = b->panels * steps * nt_tile_columns(tile) + nt_divide_up(b->channels, 16) * 16;
    slot += 36 * taps + 16 + tile->width;
    if (b->mode == MODE_COPY || (b->mode == MODE_SEQUENCE && b->channels < FEW_CHANNELS))
        slot += tile->rows * (nt_divide_up(steps, tile->width) * tile->width + 16);
    return nt_divide_up(slot, 16) * 16;
}

/* The launch that packs all reads nothing but weights: its other operands stand for those of the
 * kernel. */
static enum nt_status launch(struct nt_tape *tape, const struct nt_conv_pass *pass,
    const struct nt_tile *tile, const struct blocking *b, int32_t ready, enum prepare prepare)
{
    bool pack = prepare == PACK_ALL;
    int64_t slot = slot_floats(pass, tile, b);
    int32_t scratch = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)(slot * b->items) * sizeof(float), "conv panels");
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_tile", "conv_tile", "tile", pass->reason);
    nt_tile_define(&l, tile);
    nt_launch_define(&l, "NT_FEW", "%d", FEW_CHANNELS);
    nt_epilogue_define(&l, pass->y, pass->epilogue, tile->width);
    nt_launch_tensor(&l, pack ? pass->w : pass->x, NT_ACCESS_READ);
    nt_launch_tensor(&l, pass->w, NT_ACCESS_READ);
    if (pack)
        nt_launch_tensor(&l, pass->w, NT_ACCESS_READ);
    else
        nt_launch_tensor(&l, pass->y, NT_ACCESS_WRITE); /* reads back nothing but its own sums */
    nt_launch_buffer(&l, scratch, NT_ACCESS_WRITE);
    nt_conv_pass_args(&l, pass);
    const int64_t args[] = {b->channels, b->panels, b->tiles, b->mode, b->blocks, slot};
    nt_launch_ints(&l, sizeof args / sizeof *args, args);
    nt_conv_ints(&l, pass->rest);
    nt_conv_ints(&l, pass->rest_step);
    nt_conv_ints(&l, pass->every);
    nt_conv_ints(&l, pass->taken);
    nt_launch_buffer(&l, ready, pack ? NT_ACCESS_WRITE : NT_ACCESS_READ);
    nt_launch_int(&l, prepare);
    struct nt_tensor stand_in[4] = {*pass->w, *pass->w, *pass->w, *pass->w};
    struct nt_epilogue epilogue = pass->epilogue ? *pass->epilogue : (struct nt_epilogue){0};
    epilogue.in = pack ? stand_in : epilogue.in;
    nt_epilogue_args(&l, &epilogue);
    nt_launch_grid(&l, 1, (size_t[]){(size_t)b->items}, NULL);
    if (pack)
        l.bytes = 8.0 * (double)nt_shape_count(&pass->w->shape);
    else
        nt_conv_pass_cost(&l, pass);
    return nt_launch_append(&l);
}

enum nt_status nt_conv_tile(struct nt_tape *tape, const struct nt_conv_pass *pass)
{
    const struct nt_device *dev = nt_tape_device(tape);
    struct nt_tile tile = nt_tile_choose(dev, pass->k);
    bool follows = nt_tape_follows(tape, pass->w->buffer);
    struct blocking b = block(dev, &tile, pass, follows), all = b;
    if (follows && b.tiles * tile.rows > FEW_PIXELS) {
        follows = false;
        b = block(dev, &tile, pass, false);
    }
    if (!follows)
        return launch(tape, pass, &tile, &b, pass->w->buffer, PACK_OWN);
    int64_t nr = nt_tile_columns(&tile), deep = nt_divide_up(pass->c, nt_most(b.channels, 1));
    all.panels = 1;
    all.tiles = nt_most(nt_divide_up(pass->images * nt_conv_product(pass->out), tile.rows), 1);
    all.blocks = nt_divide_up(pass->k, nr) * pass->groups;
    all.items = nt_least(all.blocks, nt_tile_pieces(dev));
    int64_t floats = all.blocks * deep * nt_conv_product(pass->taps) * b.channels * nr;
    int32_t ready =
        nt_tape_buffer(tape, NT_BUFFER_TRANSIENT, (size_t)floats * sizeof(float), "packed weights");
    enum nt_status status = launch(tape, pass, &tile, &all, ready, PACK_ALL);
    return status == NT_OK ? launch(tape, pass, &tile, &b, ready, PACKED_ALL) : status;
}
