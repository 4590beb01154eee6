/* SPDX-License-Identifier: MIT */
#include "engine/op/conv.h"
#include "engine/op/epilogue.h"
#include "engine/op/tile.h"
#include "engine/variant.h"

#define CHANNELS 6 /* NT_CHANNELS of the kernel */
#define SIDE 2     /* pixels of its tile across, and down at most */
/* With more output channels the vectors of a register tile are as full; with few input channels,
 * unless most of the time goes into memory, its bookkeeping there costs more. */
#define MOST_CHANNELS 16
#define FEW_INPUTS 4
#define MOST_OF_FEW 32
/* Floats of the rows that a work-item has taken: half of a second-level cache. */
#define MOST_TAKEN (1 << 17)

struct cutting {
    int64_t rows, lines, columns, pitch; /* see the kernel */
    int64_t units, items, packed, slot;
};

static int64_t even(int64_t count)
{
    return nt_divide_up(count, SIDE) * SIDE;
}

static int64_t lines_of(const struct nt_conv_pass *pass, int64_t rows)
{
    return (rows - 1) * pass->stride[1] + nt_most(pass->taps[1] - 1, 0) * pass->dilation[1] + 1;
}

static struct cutting cut(
    const struct nt_device *dev, const struct nt_tile *tile, const struct nt_conv_pass *pass)
{
    int64_t across = even(pass->out[2]), lanes = tile->width;
    int64_t padded = nt_divide_up(pass->k, CHANNELS) * CHANNELS, step = pass->x_step[2];
    int64_t all = nt_divide_up(pass->images, lanes) * pass->out[0];
    int64_t strips = nt_divide_up(nt_tile_pieces(dev), all), channels = pass->groups * pass->c;
    struct cutting c = {.rows = even(nt_divide_up(pass->out[1], nt_least(strips, pass->out[1])))};
    c.columns =
        (across - 1) * pass->stride[2] + nt_most(pass->taps[2] - 1, 0) * pass->dilation[2] + 1;
    c.pitch = step >= channels && step <= 2 * channels ? step : channels;
    int64_t line = pass->taps[0] * c.columns * c.pitch * lanes;
    while (c.rows > SIDE && line * lines_of(pass, c.rows) > MOST_TAKEN)
        c.rows = even(nt_divide_up(c.rows, 2));
    c.lines = lines_of(pass, c.rows);
    c.units = all * nt_divide_up(pass->out[1], c.rows);
    c.items = nt_least(c.units, nt_tile_pieces(dev));
    c.packed = nt_divide_up(pass->groups * padded * nt_conv_product(pass->taps) * pass->c, 16) * 16;
    c.slot = c.packed + line * c.lines + (SIDE * across * pass->groups * padded + lanes) * lanes;
    return c;
}

enum nt_status nt_conv_images(struct nt_tape *tape, const struct nt_conv_pass *pass)
{
    const struct nt_device *dev = nt_tape_device(tape);
    struct nt_tile tile = nt_tile_choose(dev, 1);
    struct cutting c = cut(dev, &tile, pass);
    int32_t scratch = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)(c.slot * c.items) * sizeof(float), "conv rows");
    struct nt_launch l;
    nt_launch_init(&l, tape, "conv_images", "conv_images", "images", pass->reason);
    nt_launch_define(&l, "NT_VW", "%d", tile.width);
    nt_launch_define(&l, "NT_MR", "1");
    nt_launch_define(&l, "NT_NV", "1");
    nt_epilogue_define(&l, pass->y, pass->epilogue, tile.width);
    nt_launch_tensor(&l, pass->x, NT_ACCESS_READ);
    nt_launch_tensor(&l, pass->w, NT_ACCESS_READ);
    nt_launch_tensor(&l, pass->y, NT_ACCESS_WRITE);
    nt_launch_buffer(&l, scratch, NT_ACCESS_WRITE);
    nt_conv_pass_args(&l, pass);
    const int64_t args[] = {c.rows, c.lines, c.columns, c.pitch, c.units, c.packed, c.slot};
    nt_launch_ints(&l, sizeof args / sizeof *args, args);
    nt_epilogue_args(&l, pass->epilogue);
    nt_launch_grid(&l, 1, (size_t[]){(size_t)c.items}, NULL);
    nt_conv_pass_cost(&l, pass);
    return nt_launch_append(&l);
}

bool nt_conv_images_pays(
    const struct nt_device *dev, const struct nt_conv_problem *p, bool backward)
{
    int64_t lanes = nt_tile_choose(dev, 1).width;
    int64_t c = backward ? p->k : p->c, k = backward ? p->c : p->k;
    int64_t width = (backward ? p->out[2] : p->in[2]) + p->pad[2] + p->taps[2];
    int64_t high = p->taps[0] * ((p->taps[1] - 1) * p->dilation[1] + SIDE);
    bool few = c <= FEW_INPUTS && p->stride[2] == 1;
    bool filled = 4 * p->images >= 3 * nt_divide_up(p->images, lanes) * lanes;
    return nt_prefers_tiles(dev) && filled && p->filter > 1 &&
           k <= (few ? MOST_OF_FEW : MOST_CHANNELS) &&
           width * high * p->groups * c * lanes <= 2 * MOST_TAKEN;
}
