/* SPDX-License-Identifier: MIT
 *
 * Winograd's transform of pictures, channels-last, of NT_WINOGRAD_SIDE x NT_WINOGRAD_SIDE pixels
 * from (step ty - pad_h, step tx - pad_w) on (winograd_tile.clh):
 *
 *   to[(i * 6 + j) * plane + tile * row + channel]
 *
 * for `count` tiles from tile0 on, counted over images, rows and columns of tiles. A work-item
 * takes a range of tiles.
 */
#include "prelude.clh"
#include "tile.clh"
#include "winograd.clh"
#include "winograd_tile.clh"

#if NT_WINOGRAD_SIDE == 6
NT_DEFINE_WINOGRAD_TAKE(take_tile, 6)
#elif NT_WINOGRAD_SIDE == 4
NT_DEFINE_WINOGRAD_TAKE(take_tile, 4)
#else
NT_DEFINE_WINOGRAD_TAKE(take_tile, 2)
#endif

NT_KERNEL_SINGLE(winograd_take)
(__global const float *x, int x_offset, __global float *to, int tile0, int count, int step,
    int tiles_h, int tiles_w, int height, int width, int channels, int pad_h, int pad_w, int x_n,
    int x_h, int x_w, int row, int plane)
{
    int item = get_global_id(0), items = get_global_size(0);
    int end = (int)((long)count * (item + 1) / items);
    for (int i = (int)((long)count * item / items); i < end; i++) {
        int tile = tile0 + i, image = tile / tiles_w / tiles_h;
        NT_NAME(take_tile)(x + x_offset + (size_t)image * x_n,
            tile / tiles_w % tiles_h * step - pad_h, tile % tiles_w * step - pad_w, height, width,
            x_h, x_w, channels, to + (size_t)i * row, plane, NT_VW);
    }
}
