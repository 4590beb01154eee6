/* SPDX-License-Identifier: MIT
 *
 * The register tile of a device's CPU kernels (cl/tile.clh). Private to engine/.
 */
#ifndef NT_ENGINE_OP_TILE_H
#define NT_ENGINE_OP_TILE_H

#include "engine/launch.h"

struct nt_tile {
    int width;   /* NT_VW: floats of a vector */
    int rows;    /* NT_MR */
    int vectors; /* NT_NV: vectors of a row */
};

/* The tile that wastes least on outputs of `columns` channels. */
struct nt_tile nt_tile_choose(const struct nt_device *dev, int64_t columns);
/* The same where the rows are few as well (0: many). Work that is small takes the tile that large
 * work takes too, unless another saves half. */
struct nt_tile nt_tile_choose_for(
    const struct nt_device *dev, int64_t rows, int64_t columns, bool small);

/* The same tile with the number of rows that takes the fewest instructions for `rows`, of few
 * numbers: each is compiled of its own. */
struct nt_tile nt_tile_fit(const struct nt_tile *tile, int64_t rows);

/* Floats of a row. */
int nt_tile_columns(const struct nt_tile *tile);

void nt_tile_define(struct nt_launch *launch, const struct nt_tile *tile);

/* Whether rows of A this far apart push each other out of the first-level cache while the tile
 * reads them. A CPU device's is the host's; with twelve lines in a set they stay. */
bool nt_tile_rows_conflict(int64_t step);

/* How many equal pieces of work keep all compute units busy. */
int64_t nt_tile_pieces(const struct nt_device *dev);

/* `count` pieces of work, `across` times, in blocks of at most `most` >= 1 pieces: how many each
 * block takes, of most down to its half, so that compute units which get equally many blocks have
 * the least to do. */
int64_t nt_tile_even(const struct nt_device *dev, int64_t count, int64_t across, int64_t most);

int64_t nt_divide_up(int64_t a, int64_t b);
/* `count` in equal pieces of at most `limit` >= 1: the size of one, at least 1. */
int64_t nt_equal_piece(int64_t count, int64_t limit);
int64_t nt_least(int64_t a, int64_t b);
int64_t nt_most(int64_t a, int64_t b);

#endif
