/* SPDX-License-Identifier: MIT */
#include "engine/op/conv.h"
#include "engine/op/epilogue.h"
#include "engine/op/tile.h"

/* Steps (taps x channels) from which on channels go in blocks, and how long blocks then are:
 * long enough that loading and storing y in between is little. */
#define MANY_STEPS 1152
#define BLOCK_STEPS 768
/* Floats of the packed weights of one work-item: 256 KiB of the second-level cache. */
#define PACKED 65536

enum mode { MODE_COPY, MODE_SEQUENCE, MODE_IMAGES };

struct blocking {
    enum mode mode;
    int64_t channels, panels, tiles, blocks, items;
};

/* Part of the rows of tiles that are pixels, when `count` of them are cut into tiles. */
static double filled(int64_t count, int64_t rows)
{
    return (double)count / (double)(nt_divide_up(count, rows) * rows);
}

/* Images side by side need no copies at the borders and suit small pictures; pixels in sequence
 * are nearer to each other in memory. */
static enum mode choose_mode(const struct nt_conv_pass *pass, const struct nt_tile *tile)
{
    int64_t step = pass->stride[2] * pass->x_step[2];
    bool taps = nt_conv_product(pass->taps) > 1;
    double images = pass->images < tile->rows || nt_tile_conflicts(pass->x_n)
                        ? 0
                        : filled(pass->images, tile->rows);
    double sequence = nt_tile_conflicts(step) ? 0 : filled(pass->out[2], tile->rows);
    if (images > 0 && images >= sequence * (taps ? 0.9 : 1))
        return MODE_IMAGES;
    return sequence > 0 ? MODE_SEQUENCE : MODE_COPY;
}

static struct blocking block(
    const struct nt_device *dev, const struct nt_tile *tile, const struct nt_conv_pass *pass)
{
    int64_t nr = nt_tile_columns(tile), all_panels = nt_divide_up(pass->k, nr);
    int64_t pieces = nt_tile_pieces(dev), taps = nt_conv_product(pass->taps);
    int64_t pixels = nt_conv_product(pass->out);
    struct blocking b = {.mode = choose_mode(pass, tile), .channels = pass->c};
    if (taps * pass->c > MANY_STEPS && !nt_epilogue_reads(pass->epilogue, pass->y)) {
        int64_t most = taps > BLOCK_STEPS / 16 ? 16 : BLOCK_STEPS / taps / 16 * 16;
        b.channels = pass->c < most ? pass->c : most;
    }
    int64_t steps = taps * b.channels > 0 ? taps * b.channels : 1;
    b.panels = PACKED / (steps * nr);
    b.panels = b.panels < 1 ? 1 : b.panels > all_panels ? all_panels : b.panels;
    int64_t all = b.mode == MODE_IMAGES ? pixels * nt_divide_up(pass->images, tile->rows)
                                        : nt_divide_up(pass->images * pixels, tile->rows);
    b.tiles = all;
    for (;;) {
        int64_t across = nt_divide_up(all_panels, b.panels), down = nt_divide_up(all, b.tiles);
        b.blocks = across * down * pass->groups;
        if (b.blocks >= pieces)
            break;
        if (b.tiles >= 32 || (b.panels == 1 && b.tiles > 1))
            b.tiles = nt_divide_up(b.tiles, 2);
        else if (b.panels > 1)
            b.panels = nt_divide_up(b.panels, 2);
        else
            break;
    }
    b.items = b.blocks < pieces ? b.blocks : pieces;
    return b;
}

enum nt_status nt_conv_tile(struct nt_tape *tape, const struct nt_conv_pass *pass)
{
    const struct nt_device *dev = nt_tape_device(tape);
    struct nt_tile tile = nt_tile_choose(dev, pass->k);
    struct blocking b = block(dev, &tile, pass);
    int64_t steps = nt_conv_product(pass->taps) * b.channels;
    int64_t rows = tile.rows * (nt_divide_up(steps, tile.width) * tile.width + 16) + tile.width;
    int64_t slot = nt_divide_up(b.panels * steps * nt_tile_columns(&tile) + rows, 16) * 16;
    int32_t scratch = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)(slot * b.items) * sizeof(float), "conv panels");
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_tile", "conv_tile", "tile", pass->reason);
    nt_tile_define(&l, &tile);
    nt_epilogue_define(&l, pass->y, pass->epilogue, tile.width);
    nt_launch_tensor(&l, pass->x, NT_ACCESS_READ);
    nt_launch_tensor(&l, pass->w, NT_ACCESS_READ);
    nt_launch_tensor(&l, pass->y, NT_ACCESS_WRITE); /* reads back nothing but its own sums */
    nt_launch_buffer(&l, scratch, NT_ACCESS_WRITE);
    nt_conv_pass_args(&l, pass);
    const int64_t args[] = {b.channels, b.panels, b.tiles, b.mode, b.blocks, slot};
    for (size_t i = 0; i < sizeof args / sizeof *args; i++)
        nt_launch_int(&l, args[i]);
    nt_epilogue_args(&l, pass->epilogue);
    nt_launch_grid(&l, 1, (size_t[]){(size_t)b.items}, NULL);
    nt_conv_pass_cost(&l, pass);
    return nt_launch_append(&l);
}
