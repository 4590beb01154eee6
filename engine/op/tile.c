/* SPDX-License-Identifier: MIT */
#include "engine/op/tile.h"

#include <unistd.h>

#define LEAST_ACCUMULATORS 8 /* hide the latency of two multiply-add units */
/* As many accumulators as the vector registers hold beside a row of B and a broadcast value.
 * Narrow tiles have one vector per row; they need a load per multiply-add, so wide ones are better
 * where both fit. */
static const struct {
    struct nt_tile wide, narrow;
} tiles[] = {
    {{16, 13, 2}, {16, 16, 1}}, /* 32 registers: AVX-512 */
    {{8, 6, 2}, {8, 12, 1}},    /* 16 registers: AVX */
    {{4, 4, 2}, {4, 8, 1}},     /* 16 registers, separate multiply and add: SSE */
};
#define NARROW_COST 1.2
/* Compiling a tile takes longer than a thousand runs of small work save by a better one. */
#define SMALL_GAIN 2
/* A tile with other rows is compiled for a twentieth less instructions, not for fewer. */
#define FIT_GAIN 1.05

int64_t nt_divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

int64_t nt_equal_piece(int64_t count, int64_t limit)
{
    return count > 0 ? nt_divide_up(count, nt_divide_up(count, limit)) : 1;
}

int64_t nt_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t nt_most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int nt_tile_columns(const struct nt_tile *tile)
{
    return tile->width * tile->vectors;
}

static int64_t padded(const struct nt_tile *tile, int64_t columns)
{
    int nr = nt_tile_columns(tile);
    return nt_divide_up(columns, nr) * nr;
}

/* The cost of rows x columns outputs; of one row of them where rows is 0. */
static double cost(const struct nt_tile *tile, int64_t rows, int64_t columns)
{
    double across = (double)padded(tile, columns) * (tile->vectors == 1 ? NARROW_COST : 1);
    return rows > 0 ? across * (double)(nt_divide_up(rows, tile->rows) * tile->rows) : across;
}

struct nt_tile nt_tile_choose_for(
    const struct nt_device *dev, int64_t rows, int64_t columns, bool small)
{
    unsigned width = nt_device_get_info(dev)->vector_width;
    int i = width >= 16 ? 0 : width >= 8 ? 1 : 2;
    const struct nt_tile *wide = &tiles[i].wide, *narrow = &tiles[i].narrow;
    double gain = cost(wide, rows, columns) / cost(narrow, rows, columns);
    return gain > (small ? SMALL_GAIN : 1) ? *narrow : *wide;
}

struct nt_tile nt_tile_choose(const struct nt_device *dev, int64_t columns)
{
    return nt_tile_choose_for(dev, 0, columns, false);
}

/* Of a step of k: a broadcast and the multiply-adds of each row, B's loads and their fetching. */
static int64_t instructions(const struct nt_tile *tile, int64_t rows)
{
    return nt_divide_up(rows, tile->rows) * (tile->rows * (1 + tile->vectors) + 2 * tile->vectors);
}

struct nt_tile nt_tile_fit(const struct nt_tile *tile, int64_t rows)
{
    struct nt_tile best = *tile, other = *tile;
    const int candidates[] = {tile->rows - 1, tile->rows * 5 / 6 + 1, tile->rows * 5 / 8};
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        other.rows = candidates[i];
        if (other.rows * other.vectors >= LEAST_ACCUMULATORS &&
            FIT_GAIN * (double)instructions(&other, rows) < (double)instructions(&best, rows))
            best = other;
    }
    return best;
}

void nt_tile_define(struct nt_launch *launch, const struct nt_tile *tile)
{
    nt_launch_define(launch, "NT_VW", "%d", tile->width);
    nt_launch_define(launch, "NT_MR", "%d", tile->rows);
    nt_launch_define(launch, "NT_NV", "%d", tile->vectors);
}

bool nt_tile_rows_conflict(int64_t step)
{
    long ways = 0;
#ifdef _SC_LEVEL1_DCACHE_ASSOC
    ways = sysconf(_SC_LEVEL1_DCACHE_ASSOC);
#endif
    return ways < 12 && step % 512 == 0; /* 2 KiB: 14 rows on two of 64 sets of eight lines */
}

int64_t nt_tile_pieces(const struct nt_device *dev)
{
    return 4 * (int64_t)nt_device_get_info(dev)->compute_units;
}

int64_t nt_tile_even(const struct nt_device *dev, int64_t count, int64_t across, int64_t most)
{
    int64_t units = nt_device_get_info(dev)->compute_units, best = most, least = 0;
    for (int64_t each = most; each > most / 2; each--) {
        int64_t blocks = nt_divide_up(count, each) * across;
        int64_t load = nt_divide_up(blocks, units) * each;
        if (least == 0 || load < least)
            least = load, best = each;
    }
    return best;
}
