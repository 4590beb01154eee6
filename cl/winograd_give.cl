/* SPDX-License-Identifier: MIT
 *
 * Winograd's transform back to pictures: y's NT_WINOGRAD_OUTPUTS x NT_WINOGRAD_OUTPUTS pixels of a
 * tile are A' m A, for m[i][j] = from[(i * 6 + j) * plane + tile * row + channel]. Channels-last;
 * `count` tiles from tile0 on. A work-item takes a range of tiles.
 *
 * NT_WINOGRAD_TAPS: 3 or 5, along each dimension.
 */
#include "prelude.clh"
#include "tile.clh"
#include "winograd.clh"

#define NT_EPILOGUE_READ(p) NT_READ_PART(p, left)
#define PRODUCT(i) NT_VLOAD(from + (size_t)((i) * 6 + line) * plane + c)
#define HALF(i) half_way[line * 6 + (i)]

NT_OUTLINE void NT_NAME(give_tile)(__global const float *from, int plane, __global float *y,
    int y_offset, int place, int high, int wide, int y_h, int y_w, int channels NT_EPILOGUE_PARAMS)
{
    NT_V half_way[6 * NT_WINOGRAD_OUTPUTS], out[NT_WINOGRAD_OUTPUTS];
    for (int c = 0; c < channels; c += NT_VW) {
        int left = channels - c;
        for (int line = 0; line < 6; line++)
            NT_WINOGRAD(OUTPUT)(NT_V, half_way + line, 6, PRODUCT);
        for (int line = 0; line < high; line++) {
            NT_WINOGRAD(OUTPUT)(NT_V, out, 1, HALF);
            for (int i = 0; i < wide; i++) {
                int at = place + line * y_h + i * y_w + c;
                NT_V value = out[i];
                NT_EPILOGUE_APPLY(value, at, c);
                NT_WRITE_PART(value, y + y_offset + at, left);
            }
        }
    }
}

NT_KERNEL_SINGLE(winograd_give)
(__global const float *from, __global float *y, int y_offset, int tile0, int count, int tiles_h,
    int tiles_w, int height, int width, int channels, int y_start, int y_n, int y_h, int y_w,
    int row, int plane NT_EPILOGUE_PARAMS)
{
    int item = get_global_id(0), items = get_global_size(0);
    int end = (int)((long)count * (item + 1) / items);
    for (int i = (int)((long)count * item / items); i < end; i++) {
        int tile = tile0 + i, image = tile / tiles_w / tiles_h;
        int v = tile / tiles_w % tiles_h * NT_WINOGRAD_OUTPUTS, u = tile % tiles_w * NT_WINOGRAD_OUTPUTS;
        NT_NAME(give_tile)(from + (size_t)i * row, plane, y, y_offset,
            y_start + image * y_n + v * y_h + u * y_w, min(NT_WINOGRAD_OUTPUTS, height - v),
            min(NT_WINOGRAD_OUTPUTS, width - u), y_h, y_w, channels NT_EPILOGUE_PASS);
    }
}

#undef PRODUCT
#undef HALF
