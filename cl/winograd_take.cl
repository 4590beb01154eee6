/* SPDX-License-Identifier: MIT
 *
 * Winograd's transform of pictures, channels-last:
 *
 *   to[(i * 6 + j) * plane + tile * row + channel]
 * which is, of NT_WINOGRAD_SIDE x NT_WINOGRAD_SIDE pixels from (step ty - pad_h, step tx - pad_w) on,
 *
 *       B' x B where the side is 6, A x A' where it is 4 (of 3 taps) or 2 (of 5)
 *
 * for `count` tiles from tile0 on, counted over images, rows and columns of tiles; zeros for
 * pixels outside. A work-item takes a range of tiles.
 */
#include "prelude.clh"
#include "tile.clh"
#include "winograd.clh"

#if NT_WINOGRAD_SIDE == 6
#define TRANSFORM NT_WINOGRAD_INPUT
#elif NT_WINOGRAD_SIDE == 4
#define TRANSFORM NT_WINOGRAD_OUTPUT_BACK_3
#else
#define TRANSFORM NT_WINOGRAD_OUTPUT_BACK_5
#endif
#define PIXEL(i) pixel[i]
#define HALF(i) half_way[line * NT_WINOGRAD_SIDE + (i)]

NT_OUTLINE void NT_NAME(take_tile)(__global const float *x, int top, int left, int height,
    int width, int x_h, int x_w, int channels, __global float *to, int plane)
{
    NT_V pixel[NT_WINOGRAD_SIDE], half_way[6 * NT_WINOGRAD_SIDE], out[6];
    for (int c = 0; c < channels; c += NT_VW) {
        for (int line = 0; line < NT_WINOGRAD_SIDE; line++) {
            int u = left + line;
            for (int i = 0; i < NT_WINOGRAD_SIDE; i++) {
                int v = top + i;
                pixel[i] = (NT_V)(0.0f);
                if (v >= 0 && v < height && u >= 0 && u < width)
                    pixel[i] = NT_READ_PART(x + v * x_h + u * x_w + c, channels - c);
            }
            TRANSFORM(NT_V, half_way + line, NT_WINOGRAD_SIDE, PIXEL);
        }
        for (int line = 0; line < 6; line++) {
            TRANSFORM(NT_V, out, 1, HALF);
            for (int i = 0; i < 6; i++)
                NT_VSTORE(out[i], to + (size_t)(line * 6 + i) * plane + c);
        }
    }
}

NT_KERNEL_SINGLE(winograd_take)
(__global const float *x, int x_offset, __global float *to, int tile0, int count, int step,
    int tiles_h, int tiles_w, int height, int width, int channels, int pad_h, int pad_w, int x_n, int x_h,
    int x_w, int row, int plane)
{
    int item = get_global_id(0), items = get_global_size(0);
    int end = (int)((long)count * (item + 1) / items);
    for (int i = (int)((long)count * item / items); i < end; i++) {
        int tile = tile0 + i, image = tile / tiles_w / tiles_h;
        NT_NAME(take_tile)(x + x_offset + (size_t)image * x_n, tile / tiles_w % tiles_h * step - pad_h,
            tile % tiles_w * step - pad_w, height, width, x_h, x_w, channels, to + (size_t)i * row,
            plane);
    }
}

#undef TRANSFORM
#undef PIXEL
#undef HALF
