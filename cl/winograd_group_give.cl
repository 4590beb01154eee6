/* SPDX-License-Identifier: MIT
 *
 * Winograd's transform back to pictures for GPUs, with the epilogue: tile t's pixels = A' m A of
 *
 *   m[i][j] = from[(i * 6 + j) * count * k + (t - tile0) * k + channel]
 *
 * for `count` tiles from tile0 on, counted over images, rows and columns of tiles. A work-item
 * takes a channel of a tile. NT_WINOGRAD_TAPS: 3 or 5, along each dimension.
 */
#include "prelude.clh"
#include "winograd.clh"

#define NT_EPILOGUE_READ(p) (*(p))
#define NT_PRODUCT(i) product[i]
#define NT_HALF(i) half_way[line * 6 + (i)]

NT_KERNEL_LINE(winograd_group_give)
(__global const float *from, __global float *y, int y_offset, int tile0, int count, int tiles_h,
    int tiles_w, int out_h, int out_w, int k, int y_start, int y_n, int y_h,
    int y_w NT_EPILOGUE_PARAMS)
{
    int item = get_global_id(0), plane = count * k, channel = item % k;
    if (item >= plane)
        return;
    int tile = tile0 + item / k, row = tile / tiles_w;
    int v = row % tiles_h * NT_WINOGRAD_OUTPUTS, u = (tile - row * tiles_w) * NT_WINOGRAD_OUTPUTS;
    int place = y_start + row / tiles_h * y_n + v * y_h + u * y_w + channel;
    float product[6], half_way[6 * NT_WINOGRAD_OUTPUTS], out[NT_WINOGRAD_OUTPUTS];
    from += item;
    NT_UNROLL for (int line = 0; line < 6; line++)
    {
        NT_UNROLL for (int i = 0; i < 6; i++) product[i] = from[(i * 6 + line) * plane];
        NT_WINOGRAD(OUTPUT)(float, half_way + line, 6, NT_PRODUCT);
    }
    NT_UNROLL for (int line = 0; line < NT_WINOGRAD_OUTPUTS; line++)
    {
        NT_WINOGRAD(OUTPUT)(float, out, 1, NT_HALF);
        NT_UNROLL for (int i = 0; i < NT_WINOGRAD_OUTPUTS; i++)
        {
            int at = place + line * y_h + i * y_w;
            float value = out[i];
            if (v + line < out_h && u + i < out_w) {
                NT_EPILOGUE_APPLY(value, at, channel);
                y[y_offset + at] = value;
            }
        }
    }
}
