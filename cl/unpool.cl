/* SPDX-License-Identifier: MIT
 *
 * Elements to the places in their channel that an index names, and back. Channels-last tensors
 * whose pixels follow each other with one step: stride 1 from channel to channel, _p from pixel to
 * pixel, _n from image to image (elements). x and index have P pixels, y has Q. An index outside
 * y names no place.
 *
 * unpool_forward adds x to y, in the order of x's pixels. Work-items: _tile: one per work-group,
 * takes `chunk` blocks of 16 channels of an image; _group: one per channel of an image; grid C, N.
 * unpool_backward reads x (the gradient) from y. Work-items: _tile: one per work-group, takes
 * `chunk` pixels of x; _group: one per element; grid C*P, N. No local memory.
 */
#include "prelude.clh"

#define ARGUMENTS                                                                                  \
    __global const int *index, int index_offset, int x_n, int x_p, int i_n, int i_p, int y_n,      \
        int y_p, int N, int C, int P, int Q, int chunk

NT_KERNEL_SINGLE(unpool_forward_tile)
(__global const float *x, int x_offset, __global float *y, int y_offset, ARGUMENTS)
{
    const int blocks = (C + 15) / 16, begin = (int)get_group_id(0) * chunk;
    const int end = min(begin + chunk, N * blocks);
    for (int block = begin; block < end; block++) {
        const int n = block / blocks, first = (block - n * blocks) * 16, last = min(C, first + 16);
        for (int p = 0; p < P; p++) {
            for (int c = first; c < last; c++) {
                const int at = index[index_offset + n * i_n + p * i_p + c];
                if (at >= 0 && at < Q)
                    y[y_offset + n * y_n + at * y_p + c] += x[x_offset + n * x_n + p * x_p + c];
            }
        }
    }
}

NT_KERNEL(unpool_forward_group)
(__global const float *x, int x_offset, __global float *y, int y_offset, ARGUMENTS)
{
    const int c = (int)get_global_id(0);
    if (c >= C)
        return;
    const int n = (int)get_global_id(1);
    for (int p = 0; p < P; p++) {
        const int at = index[index_offset + n * i_n + p * i_p + c];
        if (at >= 0 && at < Q)
            y[y_offset + n * y_n + at * y_p + c] += x[x_offset + n * x_n + p * x_p + c];
    }
}

NT_KERNEL_SINGLE(unpool_backward_tile)
(__global float *x, int x_offset, __global const float *y, int y_offset, ARGUMENTS)
{
    const int begin = (int)get_group_id(0) * chunk, end = min(begin + chunk, N * P);
    for (int pixel = begin; pixel < end; pixel++) {
        const int n = pixel / P, p = pixel - n * P;
        for (int c = 0; c < C; c++) {
            const int at = index[index_offset + n * i_n + p * i_p + c];
            x[x_offset + n * x_n + p * x_p + c] =
                at >= 0 && at < Q ? y[y_offset + n * y_n + at * y_p + c] : 0.0f;
        }
    }
}

NT_KERNEL(unpool_backward_group)
(__global float *x, int x_offset, __global const float *y, int y_offset, ARGUMENTS)
{
    const int item = (int)get_global_id(0), p = item / C, c = item - p * C;
    if (p >= P)
        return;
    const int n = (int)get_global_id(1), at = index[index_offset + n * i_n + p * i_p + c];
    x[x_offset + n * x_n + p * x_p + c] =
        at >= 0 && at < Q ? y[y_offset + n * y_n + at * y_p + c] : 0.0f;
}
