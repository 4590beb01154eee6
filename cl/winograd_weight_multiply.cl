/* SPDX-License-Identifier: MIT
 *
 * The 36 matrix products of Winograd's weight gradient: out[p][k][c] is, or with `add` receives,
 * the sum over tiles of dy[p][tile][k] x[p][tile][c]. A
 * work-item takes a range of the products' panels of NT_NR input channels c.
 *
 * NT_MR, NT_NV, NT_VW: the register tile.
 */
#include "prelude.clh"
#include "tile.clh"

NT_OUTLINE void NT_NAME(weight_panel)(__global const float *x, __global const float *dy,
    __global float *out, int tiles, int k, int x_row, int dy_row, int out_row, int add)
{
    for (int first = 0; first < k; first += NT_MR) {
        int rows = min(NT_MR, k - first);
        __global float *to = out + (size_t)first * out_row;
        NT_V acc[NT_MR][NT_NV], tile[NT_MR * NT_NV];
        NT_TILE_ZERO(acc);
        NT_TILE_COLUMNS(acc, dy + first, dy_row, x, x_row, tiles);
        NT_TILE_STORE(acc, tile);
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < NT_NV; j++) {
                __global float *at = to + i * out_row + j * NT_VW;
                NT_VSTORE(add ? tile[i * NT_NV + j] + NT_VLOAD(at) : tile[i * NT_NV + j], at);
            }
    }
}

NT_KERNEL_SINGLE(winograd_weight_multiply)
(__global const float *x, __global const float *dy, __global float *out, int tiles, int k,
    int panels, int x_row, int x_plane, int dy_row, int dy_plane, int out_row, int out_plane, int add)
{
    int item = get_global_id(0), items = get_global_size(0), all = 36 * panels;
    int end = all * (item + 1) / items;
    for (int i = all * item / items; i < end; i++)
        NT_NAME(weight_panel)(x + (size_t)(i / panels) * x_plane + i % panels * NT_NR,
            dy + (size_t)(i / panels) * dy_plane,
            out + (size_t)(i / panels) * out_plane + i % panels * NT_NR, tiles, k, x_row, dy_row,
            out_row, add);
}
