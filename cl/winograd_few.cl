/* SPDX-License-Identifier: MIT
 *
 * Winograd's products and their transform back where there are few tiles, so that transformed
 * weights would be used too rarely to be worth a way through memory. x has transforms of all
 * tiles, x[p][tile][c]. A work-item takes a range of panels of NT_NR output channels, and
 * transforms the weights of `depth` input channels at a time into its scratch slot, in planes of
 * w_plane floats; after them the slot has the products, 36 planes of rows of NT_NR. Rows of x and
 * products up to a whole tile may be touched.
 *
 * NT_MR, NT_NV, NT_VW: the register tile; NT_WINOGRAD_TAPS: 3 or 5, along each dimension.
 */
#include "prelude.clh"
#include "tile.clh"
#include "winograd.clh"
#include "winograd_tile.clh"
#include "winograd_weight.clh"

#define NT_EPILOGUE_READ(p) NT_READ_PART(p, left)
NT_DEFINE_WINOGRAD_WEIGHT
NT_DEFINE_WINOGRAD_GIVE(give_tile)

NT_OUTLINE void NT_NAME(add_rows)(__global const float *x, __global const float *w,
    __global float *out, int rows, int channels, int x_row, int add)
{
    for (int row = 0; row < rows; row += NT_MR) {
        __global float *to = out + (size_t)row * NT_NR;
        NT_V acc[NT_MR][NT_NV];
        if (add) {
            NT_UNROLL for (int i = 0; i < NT_MR; i++)
            {
                NT_UNROLL for (int j = 0; j < NT_NV; j++)
                    acc[i][j] = NT_VLOAD(to + i * NT_NR + j * NT_VW);
            }
        } else {
            NT_TILE_ZERO(acc);
        }
        NT_TILE_ROWS(acc, x + (size_t)row * x_row, x_row, w, NT_NR, channels);
        NT_UNROLL for (int i = 0; i < NT_MR; i++)
        {
            NT_UNROLL for (int j = 0; j < NT_NV; j++)
                NT_VSTORE(acc[i][j], to + i * NT_NR + j * NT_VW);
        }
    }
}

NT_KERNEL_SINGLE(winograd_few)
(__global const float *x, __global const float *w, int w_offset, __global float *y, int y_offset,
    __global float *scratch, int tiles, int tiles_h, int tiles_w, int out_h, int out_w, int k,
    int y_start, int y_n, int y_h, int y_w, int c, int w_start, int w_k, int w_c, int w_r, int w_s,
    int x_row, int x_plane, int depth, int w_plane, int plane NT_EPILOGUE_PARAMS)
{
    int item = get_global_id(0), items = get_global_size(0), panels = (k + NT_NR - 1) / NT_NR;
    int end = panels * (item + 1) / items;
    __global float *weights = scratch + (size_t)item * 36 * (w_plane + plane);
    __global float *out = weights + 36 * w_plane;
    for (int panel = panels * item / items; panel < end; panel++) {
        int first = panel * NT_NR;
        for (int c0 = 0; c0 < c; c0 += depth) {
            int channels = min(depth, c - c0);
            for (int j = 0; j < NT_NV; j++)
                for (int i = 0; i < channels; i += NT_WINOGRAD_BLOCK) {
                    int k0 = first + j * NT_VW;
                    NT_NAME(weight_block)(w + w_offset + w_start + (k0 < k ? k0 : 0) * w_k +
                                              (c0 + i) * w_c,
                        w_k, w_c, w_r, w_s, k - k0, min(NT_WINOGRAD_BLOCK, channels - i),
                        weights + i * NT_NR + j * NT_VW, w_plane);
                }
            for (int p = 0; p < 36; p++)
                NT_NAME(add_rows)(x + (size_t)p * x_plane + c0, weights + p * w_plane,
                    out + p * plane, tiles, channels, x_row, c0 > 0);
        }
        for (int i = 0; i < tiles; i++) {
            int v = i / tiles_w % tiles_h * NT_WINOGRAD_OUTPUTS;
            int u = i % tiles_w * NT_WINOGRAD_OUTPUTS;
            NT_NAME(give_tile)(out + i * NT_NR, plane, NT_VW, y, y_offset,
                y_start + i / tiles_w / tiles_h * y_n + v * y_h + u * y_w, first,
                min(NT_WINOGRAD_OUTPUTS, out_h - v), min(NT_WINOGRAD_OUTPUTS, out_w - u), y_h, y_w,
                min(NT_NR, k - first) NT_EPILOGUE_PASS);
        }
    }
}
