/* SPDX-License-Identifier: MIT
 *
 * A convolution by Winograd's filtering with weights that are transformed (winograd_weight.cl).
 * A work-item takes a range of tiles, `chunk` of them at a time, in its scratch slot: their
 * transforms stay in the caches of one processor, from the pictures to the pictures.
 *
 * A slot has the transforms of a tile in one piece of `row` floats, NT_VW channels after another
 * (winograd_tile.clh): so they are written and read one after the other, not to and from 36 places
 * far apart. Of NT_VW channels there are 37 vectors: the products p are put where the numbers p - 1
 * were, which are used up. Rows of x and products up to NT_MR may be touched.
 *
 * NT_MR, NT_NV, NT_VW: the register tile; NT_WINOGRAD_TAPS: 3 or 5, along each dimension.
 */
#include "prelude.clh"
#include "tile.clh"
#include "winograd.clh"
#include "winograd_tile.clh"

#define NT_BLOCK (37 * NT_VW)
#define NT_EPILOGUE_READ(p) NT_READ_PART(p, left)
NT_DEFINE_WINOGRAD_TAKE(take_tile, 6)
NT_DEFINE_WINOGRAD_GIVE(give_tile)

NT_OUTLINE void NT_NAME(multiply_panel)(__global const float *x, __global const float *w,
    __global float *out, int rows, int c, int row)
{
    for (int first = 0; first < rows; first += NT_MR) {
        size_t start = (size_t)max(min(first, rows - NT_MR), 0) * row;
        NT_V acc[NT_MR][NT_NV];
        NT_TILE_ZERO(acc);
        NT_TILE_BLOCKS(acc, x + start, row, NT_BLOCK, w, NT_NR, c);
        NT_UNROLL for (int i = 0; i < NT_MR; i++)
        {
            NT_UNROLL for (int j = 0; j < NT_NV; j++)
                NT_VSTORE(acc[i][j], out + start + i * row + j * NT_BLOCK);
        }
    }
}

NT_KERNEL_SINGLE(winograd)
(__global const float *x, int x_offset, __global const float *w, __global float *y, int y_offset,
    __global float *scratch, int tiles, int chunk, int tiles_h, int tiles_w, int height, int width,
    int c, int pad_h, int pad_w, int x_n, int x_h, int x_w, int out_h, int out_w, int k,
    int y_start, int y_n, int y_h, int y_w, int panel, int w_plane, int row NT_EPILOGUE_PARAMS)
{
    int item = get_global_id(0), items = get_global_size(0);
    int end = (int)((long)tiles * (item + 1) / items);
    __global float *out = scratch + (size_t)item * chunk * row, *in = out + NT_VW;
    for (int first = (int)((long)tiles * item / items); first < end; first += chunk) {
        int count = min(chunk, end - first);
        for (int i = 0; i < count; i++) {
            int tile = first + i, image = tile / tiles_w / tiles_h;
            NT_NAME(take_tile)(x + x_offset + (size_t)image * x_n,
                tile / tiles_w % tiles_h * NT_WINOGRAD_OUTPUTS - pad_h,
                tile % tiles_w * NT_WINOGRAD_OUTPUTS - pad_w, height, width, x_h, x_w, c,
                in + (size_t)i * row, NT_VW, NT_BLOCK);
        }
        for (int p = 0; p < 36; p++)
            for (int j = 0; j * NT_NR < k; j++)
                NT_NAME(multiply_panel)(in + p * NT_VW,
                    w + (size_t)p * w_plane + (size_t)j * panel,
                    out + p * NT_VW + j * NT_NV * NT_BLOCK, count, c, row);
        for (int i = 0; i < count; i++) {
            int tile = first + i, image = tile / tiles_w / tiles_h;
            int v = tile / tiles_w % tiles_h * NT_WINOGRAD_OUTPUTS;
            int u = tile % tiles_w * NT_WINOGRAD_OUTPUTS;
            NT_NAME(give_tile)(out + (size_t)i * row, NT_VW, NT_BLOCK, y, y_offset,
                y_start + image * y_n + v * y_h + u * y_w, 0, min(NT_WINOGRAD_OUTPUTS, out_h - v),
                min(NT_WINOGRAD_OUTPUTS, out_w - u), y_h, y_w, k NT_EPILOGUE_PASS);
        }
    }
}
