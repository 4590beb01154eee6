/* SPDX-License-Identifier: MIT
 *
 * Winograd's 36 matrix products: out[p][tile][k] = sum over c of x[p][tile][c] w[p][c][k]; x and
 * out with rows of x_row and out_row floats, w in panels (winograd_weight.cl). A work-item takes
 * a range of the products' panels. Rows of x and out up to NT_MR may be touched.
 *
 * NT_MR, NT_NV, NT_VW: the register tile.
 */
#include "prelude.clh"
#include "tile.clh"

NT_OUTLINE void NT_NAME(multiply_panel)(__global const float *x, __global const float *w,
    __global float *out, int rows, int c, int x_row, int out_row)
{
    for (int row = 0; row < rows; row += NT_MR) {
        int start = max(min(row, rows - NT_MR), 0);
        __global float *to = out + (size_t)start * out_row;
        NT_V acc[NT_MR][NT_NV];
        NT_TILE_ZERO(acc);
        NT_TILE_ROWS(acc, x + (size_t)start * x_row, x_row, w, NT_NR, c);
        NT_UNROLL for (int i = 0; i < NT_MR; i++)
        {
            NT_UNROLL for (int j = 0; j < NT_NV; j++)
                NT_VSTORE(acc[i][j], to + i * out_row + j * NT_VW);
        }
    }
}

NT_KERNEL_SINGLE(winograd_multiply)
(__global const float *x, __global const float *w, __global float *out, int rows, int c, int panels,
    int x_row, int x_plane, int w_row, int w_plane, int out_row, int out_plane)
{
    int item = get_global_id(0), items = get_global_size(0), all = 36 * panels;
    int end = all * (item + 1) / items;
    for (int i = all * item / items; i < end; i++)
        NT_NAME(multiply_panel)(x + (size_t)(i / panels) * x_plane, 
            w + (size_t)(i / panels) * w_plane + (size_t)(i % panels) * w_row,
            out + (size_t)(i / panels) * out_plane + i % panels * NT_NR, rows, c, x_row, out_row);
}
