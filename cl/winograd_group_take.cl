/* SPDX-License-Identifier: MIT
 *
 * Winograd's transform of pictures for GPUs, B' x B of 6 x 6 pixels (NT_WINOGRAD_SIDE), A x A' of
 * 4 x 4 (of 3 taps) or 2 x 2 (of 5), those from (step ty - pad_h, step tx - pad_w) on:
 *
 *   to[(i * 6 + j) * count * channels + tile * channels + channel]
 *
 * for `count` tiles from tile0 on, counted over images, rows and columns of tiles; zeros from tile
 * `tiles` on. A work-item takes a channel of a tile: neighbours read and write neighbouring floats.
 * For a pixel outside it reads the nearest one inside, as a branch for each would take longer.
 */
#include "prelude.clh"
#include "winograd.clh"

#if NT_WINOGRAD_SIDE == 6
#define NT_TRANSFORM NT_WINOGRAD_INPUT
#elif NT_WINOGRAD_SIDE == 4
#define NT_TRANSFORM NT_WINOGRAD_OUTPUT_BACK_3
#else
#define NT_TRANSFORM NT_WINOGRAD_OUTPUT_BACK_5
#endif
#define NT_PIXEL(i) pixel[i]
#define NT_HALF(i) half_way[line * NT_WINOGRAD_SIDE + (i)]

NT_KERNEL_LINE(winograd_group_take)
(__global const float *x, int x_offset, __global float *to, int tile0, int count, int tiles,
    int step, int tiles_h, int tiles_w, int height, int width, int channels, int pad_h, int pad_w,
    int x_n, int x_h, int x_w)
{
    int item = get_global_id(0), plane = count * channels;
    if (item >= plane)
        return;
    int number = tile0 + item / channels, tile = min(number, tiles - 1), row = tile / tiles_w;
    int top = row % tiles_h * step - pad_h, left = (tile - row * tiles_w) * step - pad_w;
    int down[NT_WINOGRAD_SIDE], valid[NT_WINOGRAD_SIDE];
    float pixel[NT_WINOGRAD_SIDE], half_way[6 * NT_WINOGRAD_SIDE], out[6];
    x += x_offset + (size_t)(row / tiles_h) * x_n + item % channels;
    NT_UNROLL for (int i = 0; i < NT_WINOGRAD_SIDE; i++)
    {
        down[i] = clamp(top + i, 0, height - 1);
        valid[i] = down[i] == top + i && number < tiles;
        down[i] *= x_h;
    }
    NT_UNROLL for (int line = 0; line < NT_WINOGRAD_SIDE; line++)
    {
        int across = clamp(left + line, 0, width - 1), within = across == left + line;
        NT_UNROLL for (int i = 0; i < NT_WINOGRAD_SIDE; i++)
        {
            float value = x[down[i] + across * x_w];
            pixel[i] = within & valid[i] ? value : 0.0f;
        }
        NT_TRANSFORM(float, half_way + line, NT_WINOGRAD_SIDE, NT_PIXEL);
    }
    to += item;
    NT_UNROLL for (int line = 0; line < 6; line++)
    {
        NT_TRANSFORM(float, out, 1, NT_HALF);
        NT_UNROLL for (int i = 0; i < 6; i++) to[(line * 6 + i) * plane] = out[i];
    }
}
