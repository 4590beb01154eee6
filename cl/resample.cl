/* SPDX-License-Identifier: MIT
 *
 * y = x resampled along up to three spatial dimensions: every element of y is a weighted sum of
 * elements of x, the weight a product of one per dimension. Channels-last tensors: stride 1 from
 * channel to channel, any other strides (x_n, x_d, x_h, x_w; elements).
 *
 * table: for each dimension, from at_d, at_h or at_w on, three ints per index of y: the first index
 * of x, how many, and where in table their weights stand (the bits of floats).
 *
 * Work-items: _tile: one per work-group, takes `chunk` pixels of y in order, NT_VEC channels at a
 * time; the last vector of a pixel is moved back to end at C, so NT_VEC <= C. _group: one per
 * element; grid W*C, H, N*D of y, NT_VEC is 1. No local memory.
 *
 * NT_VEC: 1, 4, 8 or 16. NT_TILE: 1 _tile, 0 _group.
 */
#include "prelude.clh"

#ifndef NT_VEC
#define NT_VEC 1
#endif
#ifndef NT_TILE
#define NT_TILE 0
#endif

#define VF NT_VECTOR(float, NT_VEC)
#define LOAD(p) NT_GET(float, NT_VEC, p)
#define STORE(v, p) NT_PUT(v, float, NT_VEC, p)

#define ARGUMENTS                                                                                  \
    __global const int *table, int x_n, int x_d, int x_h, int x_w, int y_n, int y_d, int y_h,      \
        int y_w, int N, int C, int OD, int OH, int OW, int at_d, int at_h, int at_w, int chunk

/* NT_VEC channels of one element; d, h, w: its entries of the table; x: its image. */
static inline VF NT_NAME(element)(__global const float *x, __global const int *table,
    __global const int *d, __global const int *h, __global const int *w, int x_d, int x_h, int x_w)
{
    VF sum = 0;
    for (int t = 0; t < d[1]; t++) {
        for (int i = 0; i < h[1]; i++) {
            __global const float *from = x + (d[0] + t) * x_d + (h[0] + i) * x_h + w[0] * x_w;
            VF row = 0;
            for (int j = 0; j < w[1]; j++)
                row += LOAD(from + j * x_w) * as_float(table[w[2] + j]);
            sum += row * (as_float(table[d[2] + t]) * as_float(table[h[2] + i]));
        }
    }
    return sum;
}

#if NT_TILE

NT_OUTLINE void NT_NAME(pixels)(
    int pixel, __global const float *x, __global float *y, ARGUMENTS)
{
    const int stop = min(pixel + chunk, N * OD * OH * OW);
    while (pixel < stop) {
        const int row = pixel / OW, slice = row / OH, n = slice / OD;
        const int first = pixel - row * OW, last = min(OW, first + stop - pixel);
        const int d = slice - n * OD, h = row - slice * OH;
        for (int w = first; w < last; w++) {
            __global float *to = y + n * y_n + d * y_d + h * y_h + w * y_w;
            for (int k = 0; k < C; k += NT_VEC) {
                const int c = min(k, C - NT_VEC);
                STORE(NT_NAME(element)(x + n * x_n + c, table, table + at_d + 3 * d,
                          table + at_h + 3 * h, table + at_w + 3 * w, x_d, x_h, x_w),
                    to + c);
            }
        }
        pixel += last - first;
    }
}

NT_KERNEL_SINGLE(resample_tile)
(__global const float *x, int x_offset, __global float *y, int y_offset, ARGUMENTS)
{
    NT_NAME(pixels)((int)get_group_id(0) * chunk, x + x_offset, y + y_offset, table, x_n, x_d, x_h,
        x_w, y_n, y_d, y_h, y_w, N, C, OD, OH, OW, at_d, at_h, at_w, chunk);
}

#else

NT_KERNEL(resample_group)
(__global const float *x, int x_offset, __global float *y, int y_offset, ARGUMENTS)
{
    const int item = (int)get_global_id(0), w = item / C, c = item - w * C;
    if (w >= OW)
        return;
    const int slice = (int)get_global_id(2), n = slice / OD, d = slice - n * OD;
    const int h = (int)get_global_id(1);
    y[y_offset + n * y_n + d * y_d + h * y_h + w * y_w + c] =
        NT_NAME(element)(x + x_offset + n * x_n + c, table, table + at_d + 3 * d,
            table + at_h + 3 * h, table + at_w + 3 * w, x_d, x_h, x_w);
}

#endif
