/* SPDX-License-Identifier: MIT
 *
 * Winograd's products where there are few tiles, so that transformed weights would be used too
 * rarely to be worth a way through memory: out[p][tile][k] = sum over c of x[p][tile][c]
 * (G w G')[p][c][k]. A work-item takes a range of panels of NT_NR output channels, and transforms
 * the weights of `depth` input channels at a time into its scratch slot, in planes of slot / 36.
 * Between them out holds the partial sums. Rows of x and out up to a whole tile may be touched.
 *
 * NT_MR, NT_NV, NT_VW: the register tile.
 */
#include "prelude.clh"
#include "tile.clh"
#include "winograd.clh"
#include "winograd_weight.clh"

NT_DEFINE_WINOGRAD_WEIGHT

NT_OUTLINE void NT_NAME(add_rows)(__global const float *x, __global const float *w,
    __global float *out, int rows, int channels, int x_row, int out_row, int add)
{
    for (int row = 0; row < rows; row += NT_MR) {
        __global float *to = out + (size_t)row * out_row;
        NT_V acc[NT_MR][NT_NV];
        if (add) {
            NT_UNROLL for (int i = 0; i < NT_MR; i++)
            {
                NT_UNROLL for (int j = 0; j < NT_NV; j++)
                    acc[i][j] = NT_VLOAD(to + i * out_row + j * NT_VW);
            }
        } else {
            NT_TILE_ZERO(acc);
        }
        NT_TILE_ROWS(acc, x + (size_t)row * x_row, x_row, w, NT_NR, channels);
        NT_UNROLL for (int i = 0; i < NT_MR; i++)
        {
            NT_UNROLL for (int j = 0; j < NT_NV; j++)
                NT_VSTORE(acc[i][j], to + i * out_row + j * NT_VW);
        }
    }
}

NT_KERNEL_SINGLE(winograd_few)
(__global const float *x, __global const float *w, int w_offset, __global float *out,
    __global float *scratch, int rows, int k, int c, int w_start, int w_k, int w_c, int w_r,
    int w_s, int x_row, int x_plane, int out_row, int out_plane, int depth, int slot)
{
    int item = get_global_id(0), items = get_global_size(0), panels = (k + NT_NR - 1) / NT_NR;
    int plane = slot / 36, end = panels * (item + 1) / items;
    __global float *weights = scratch + (size_t)item * slot;
    for (int panel = panels * item / items; panel < end; panel++)
        for (int c0 = 0; c0 < c; c0 += depth) {
            int channels = min(depth, c - c0);
            for (int j = 0; j < NT_NV; j++)
                for (int i = 0; i < channels; i += NT_WINOGRAD_BLOCK) {
                    int k0 = panel * NT_NR + j * NT_VW;
                    NT_NAME(weight_block)(w + w_offset + w_start + (k0 < k ? k0 : 0) * w_k +
                                              (c0 + i) * w_c,
                        w_k, w_c, w_r, w_s, k - k0, min(NT_WINOGRAD_BLOCK, channels - i),
                        weights + i * NT_NR + j * NT_VW, plane);
                }
            for (int p = 0; p < 36; p++)
                NT_NAME(add_rows)(x + (size_t)p * x_plane + c0, weights + p * plane,
                    out + (size_t)p * out_plane + panel * NT_NR, rows, channels, x_row, out_row,
                    c0 > 0);
        }
}
