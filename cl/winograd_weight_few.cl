/* SPDX-License-Identifier: MIT
 *
 * Winograd's weight gradient where there are few tiles, so that the sums before their transform
 * would be many times what they are made of, and a way through memory longer than the work:
 *
 *   dw[k][c] = G' m G, m[p] = sum over tiles of dy[p][tile][k] x[p][tile][c]
 *
 * of transforms x and dy of all tiles (winograd_take.cl). A work-item takes a range of blocks of
 * `high` output channels, a multiple of NT_MR, x `wide` input channels, a multiple of NT_NR, whose
 * sums lie in its scratch slot in 36 planes of rows of `wide`.
 *
 * NT_MR, NT_NV, NT_VW: the register tile; NT_WINOGRAD_TAPS: 3 or 5, along each dimension.
 */
#include "prelude.clh"
#include "tile.clh"
#include "winograd.clh"
#include "winograd_weight.clh"

NT_DEFINE_WINOGRAD_WEIGHT_BACK

NT_OUTLINE void NT_NAME(sum_panel)(__global const float *x, __global const float *dy,
    __global float *sums, int tiles, int rows, int x_row, int dy_row, int wide)
{
    for (int first = 0; first < rows; first += NT_MR) {
        __global float *to = sums + first * wide;
        NT_V acc[NT_MR][NT_NV];
        NT_TILE_ZERO(acc);
        NT_TILE_COLUMNS(acc, dy + first, dy_row, x, x_row, tiles);
        NT_UNROLL for (int i = 0; i < NT_MR; i++)
        {
            NT_UNROLL for (int j = 0; j < NT_NV; j++)
                NT_VSTORE(acc[i][j], to + i * wide + j * NT_VW);
        }
    }
}

NT_KERNEL_SINGLE(winograd_weight_few)
(__global const float *x, __global const float *dy, __global float *dw, int dw_offset,
    __global float *scratch, int tiles, int k, int c, int x_row, int x_plane, int dy_row,
    int dy_plane, int high, int wide)
{
    int item = get_global_id(0), items = get_global_size(0), across = (c + wide - 1) / wide;
    int blocks = (k + high - 1) / high * across, plane = high * wide + 16;
    int end = (int)((long)blocks * (item + 1) / items);
    __global float *sums = scratch + (size_t)item * 36 * plane;
    for (int block = (int)((long)blocks * item / items); block < end; block++) {
        int k0 = block / across * high, c0 = block % across * wide;
        int rows = min(high, k - k0), columns = min(wide, c - c0);
        for (int p = 0; p < 36; p++)
            for (int j = 0; j < columns; j += NT_NR)
                NT_NAME(sum_panel)(x + (size_t)p * x_plane + c0 + j,
                    dy + (size_t)p * dy_plane + k0, sums + p * plane + j, tiles, rows, x_row,
                    dy_row, wide);
        for (int i = 0; i < rows; i++)
            NT_NAME(give_row)(sums + i * wide, plane, 1,
                dw + dw_offset + ((size_t)(k0 + i) * c + c0) * NT_WINOGRAD_AREA, columns);
    }
}
