/* SPDX-License-Identifier: MIT */
#include "engine/op/recurrent.h"
#include "engine/op/tile.h"

/* Accumulators and a step's operands fill the registers: 32 of AVX-512, 16 otherwise. */
static int most_rows(int width, int vectors)
{
    return ((width >= 16 ? 32 : 16) - vectors - 1) / vectors;
}

/* A work-item has at least so many items of the batch as its tile has rows, so a small batch has
 * small tiles: as few kernels as will do. */
static struct nt_tile choose_tile(
    const struct nt_device *dev, const struct nt_recurrent_problem *p, int vectors)
{
    static const int rows[] = {12, 8, 6, 4, 3, 2};
    const struct nt_device_info *info = nt_device_get_info(dev);
    struct nt_tile tile = {.width = info->vector_width >= 16  ? 16
                                    : info->vector_width >= 8 ? 8
                                                              : 4,
        .rows = 1,
        .vectors = vectors};
    int64_t share = nt_divide_up(p->items, (int64_t)info->compute_units);
    int64_t most = most_rows(tile.width, vectors);
    for (size_t i = 0; i < sizeof rows / sizeof *rows && tile.rows == 1; i++)
        if (rows[i] <= most && rows[i] <= share)
            tile.rows = rows[i];
    return tile;
}

/* Moves part of the weight: `count` units of every block from `first` on. */
static enum nt_status pack_blocks(struct nt_tape *tape, const struct nt_tensor *packed,
    const struct nt_tensor *weight, int64_t block, int64_t first, int64_t blocks, int64_t count,
    int64_t gates, bool backward)
{
    int64_t units = weight->shape.dim[1];
    struct nt_tensor in = *weight, out = *packed;
    if (backward) { /* [block][G*H][unit] = weight[G*H][unit] */
        in.shape = (struct nt_shape){3, {blocks, gates * units, count}};
        in.stride[0] = block;
        in.stride[1] = units;
        in.stride[2] = 1;
        in.offset += first * block;
        out.shape = in.shape;
        out.stride[0] = block * gates * units;
        out.stride[1] = block;
        out.stride[2] = 1;
    } else { /* [block][k][gate][unit] = weight[gate * H + unit][k] */
        in.shape = (struct nt_shape){4, {blocks, units, gates, count}};
        in.stride[0] = block * units;
        in.stride[1] = 1;
        in.stride[2] = units * units;
        in.stride[3] = units;
        in.offset += first * block * units;
        out.shape = in.shape;
        out.stride[0] = units * gates * block;
        out.stride[1] = gates * block;
        out.stride[2] = block;
        out.stride[3] = 1;
    }
    out.offset += first * out.stride[0];
    return nt_move(tape, &in, &out);
}

/* The weight in blocks of units; a last block that is not full ends in zeros. */
static enum nt_status pack(struct nt_tape *tape, const struct nt_recurrent_problem *p,
    int64_t block, bool backward, int32_t *buffer)
{
    int64_t blocks = nt_divide_up(p->units, block), full = p->units / block;
    int64_t elements = blocks * block * p->gates * p->units;
    *buffer = nt_tape_buffer(
        tape, NT_BUFFER_TRANSIENT, (size_t)elements * sizeof(float), "recurrent weight");
    struct nt_tensor packed =
        nt_tensor_make(*buffer, NT_F32, &(struct nt_shape){1, {elements}}, NT_ROW_MAJOR);
    enum nt_status status = full < blocks ? nt_fill(tape, 0, &packed) : NT_OK;
    if (status == NT_OK && full > 0)
        status =
            pack_blocks(tape, &packed, p->layer->weight, block, 0, full, block, p->gates, backward);
    if (status == NT_OK && full < blocks)
        status = pack_blocks(tape, &packed, p->layer->weight, block, full, 1,
            p->units - full * block, p->gates, backward);
    return status;
}

static void start(struct nt_launch *l, struct nt_tape *tape, const struct nt_recurrent_problem *p,
    const char *entry, const struct nt_tile *tile, bool backward)
{
    nt_launch_init(l, tape, "recurrent_tile", entry, "tile", p->reason);
    nt_launch_define(l, "NT_CELL", "%d", (int)p->layer->cell);
    nt_launch_define(l, "NT_BACK", "%d", backward);
    nt_tile_define(l, tile);
}

static void set_grid(
    struct nt_launch *l, const struct nt_recurrent_problem *p, const struct nt_tile *tile)
{
    int64_t most = (int64_t)nt_device_get_info(nt_tape_device(l->tape))->compute_units;
    int64_t groups = p->items / tile->rows;
    nt_launch_grid(l, 1, (size_t[]){(size_t)(groups < most ? groups : most)}, NULL);
}

enum nt_status nt_recurrent_tile_forward(struct nt_tape *tape, const struct nt_recurrent_problem *p)
{
    struct nt_tile tile = choose_tile(nt_tape_device(tape), p, (int)p->gates);
    int32_t packed;
    enum nt_status status = pack(tape, p, tile.width, false, &packed);
    if (status != NT_OK)
        return status;
    struct nt_launch l;
    start(&l, tape, p, "recurrent_tile_forward", &tile, false);
    nt_launch_tensor(&l, p->a, NT_ACCESS_READ);
    nt_launch_buffer(&l, packed, NT_ACCESS_READ);
    nt_recurrent_forward_args(&l, p);
    set_grid(&l, p, &tile);
    return nt_launch_append(&l);
}

enum nt_status nt_recurrent_tile_backward(
    struct nt_tape *tape, const struct nt_recurrent_problem *p)
{
    struct nt_tile tile = choose_tile(nt_tape_device(tape), p, 2);
    int32_t packed;
    enum nt_status status = pack(tape, p, nt_tile_columns(&tile), true, &packed);
    if (status != NT_OK)
        return status;
    struct nt_launch l;
    start(&l, tape, p, "recurrent_tile_backward", &tile, true);
    nt_launch_tensor(&l, p->layer->gates, NT_ACCESS_READ);
    nt_launch_buffer(&l, packed, NT_ACCESS_READ);
    nt_recurrent_backward_args(&l, p);
    set_grid(&l, p, &tile);
    return nt_launch_append(&l);
}
