/* SPDX-License-Identifier: MIT
 *
 * The sums of Winograd's weight gradient, before their transform (winograd_weight_give.cl):
 *
 *   sums[part][p][output channel][c] =
 *       sum over the part's tiles of (A dy A')[p][tile][output channel] (B' x B)[p][tile][c]
 *
 * A work-item takes a part of the tiles and a `block` of the output channels, a multiple of NT_MR,
 * and walks the tiles `chunk` at a time; their transforms lie in its scratch slot.
 *
 * NT_MR, NT_NV, NT_VW: the register tile; NT_WINOGRAD_TAPS: 3 or 5, along each dimension.
 */
#include "prelude.clh"
#include "tile.clh"
#include "winograd.clh"
#include "winograd_tile.clh"

NT_DEFINE_WINOGRAD_TAKE(take_input, 6)
#if NT_WINOGRAD_TAPS == 3
NT_DEFINE_WINOGRAD_TAKE(take_gradient, 4)
#else
NT_DEFINE_WINOGRAD_TAKE(take_gradient, 2)
#endif

NT_OUTLINE void NT_NAME(add_panel)(__global const float *x, __global const float *dy,
    __global float *sums, int tiles, int k, int x_row, int dy_row, int row, int add)
{
    for (int first = 0; first < k; first += NT_MR) {
        __global float *to = sums + (size_t)first * row;
        NT_V acc[NT_MR][NT_NV];
        NT_UNROLL for (int i = 0; i < NT_MR; i++)
        {
            NT_UNROLL for (int j = 0; j < NT_NV; j++) NT_PREFETCH(to + i * row + j * NT_VW);
        }
        NT_TILE_ZERO(acc);
        NT_TILE_COLUMNS(acc, dy + first, dy_row, x, x_row, tiles);
        if (add)
            NT_UNROLL for (int i = 0; i < NT_MR; i++)
            {
                NT_UNROLL for (int j = 0; j < NT_NV; j++)
                    acc[i][j] += NT_VLOAD(to + i * row + j * NT_VW);
            }
        NT_UNROLL for (int i = 0; i < NT_MR; i++)
        {
            NT_UNROLL for (int j = 0; j < NT_NV; j++)
                NT_VSTORE(acc[i][j], to + i * row + j * NT_VW);
        }
    }
}

NT_KERNEL_SINGLE(winograd_weight_sums)
(__global const float *x, int x_offset, __global const float *dy, int dy_offset,
    __global float *sums, __global float *scratch, int tiles, int chunk, int tiles_h, int tiles_w,
    int height, int width, int c, int pad_h, int pad_w, int x_n, int x_h, int x_w, int out_h,
    int out_w, int k, int y_n, int y_h, int y_w, int parts, int block, int row, int plane,
    int dy_row, int slot)
{
    int item = get_global_id(0), part = item % parts;
    int k0 = item / parts * block, channels = min(block, k - k0);
    int begin = (int)((long)tiles * part / parts), end = (int)((long)tiles * (part + 1) / parts);
    int x_plane = chunk * row + 16, dy_plane = chunk * dy_row + 16;
    __global float *in = scratch + (size_t)item * slot, *out = in + 36 * x_plane;
    sums += (size_t)part * 36 * plane + (size_t)k0 * row;
    for (int first = begin; first < end; first += chunk) {
        int count = min(chunk, end - first);
        for (int i = 0; i < count; i++) {
            int tile = first + i, image = tile / tiles_w / tiles_h;
            int v = tile / tiles_w % tiles_h * NT_WINOGRAD_OUTPUTS;
            int u = tile % tiles_w * NT_WINOGRAD_OUTPUTS;
            NT_NAME(take_input)(x + x_offset + (size_t)image * x_n, v - pad_h, u - pad_w, height,
                width, x_h, x_w, c, in + i * row, x_plane, NT_VW);
            NT_NAME(take_gradient)(dy + dy_offset + (size_t)image * y_n + k0, v, u, out_h, out_w,
                y_h, y_w, channels, out + i * dy_row, dy_plane, NT_VW);
        }
        for (int p = 0; p < 36; p++)
            for (int j = 0; j < c; j += NT_NR)
                NT_NAME(add_panel)(in + p * x_plane + j, out + p * dy_plane,
                    sums + (size_t)p * plane + j, count, channels, row, dy_row, row,
                    first > begin);
    }
}
