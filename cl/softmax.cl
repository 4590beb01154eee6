/* SPDX-License-Identifier: MIT
 *
 * Softmax by row, or its logarithm, and the gradient. Rows _r elements apart, classes _c apart.
 * The result may lie over an input.
 *
 * Work-items: _tile: one per work-group, takes `split` rows in order. _group: 1 << split lanes
 * to a row (cl/row.clh); local memory 1 KiB.
 *
 * NT_LOG: 1 the logarithm. NT_TILE: 1 _tile, 0 _group.
 */
#include "prelude.clh"
#include "row.clh"

#ifndef NT_LOG
#define NT_LOG 0
#endif
#ifndef NT_TILE
#define NT_TILE 0
#endif

#if NT_TILE

NT_KERNEL_SINGLE(softmax_tile)
(__global const float *x, int x_offset, __global float *y, int y_offset, int x_r, int x_c, int y_r,
    int y_c, int R, int C, int split)
{
    const int first = (int)get_group_id(0) * split, stop = min(first + split, R);
    const int whole = min(row_whole(C, x_c), row_whole(C, y_c));
    for (int r = first; r < stop; r++) {
        __global const float *from = x + x_offset + r * x_r;
        __global float *to = y + y_offset + r * y_r;
        const float top = row_max(from, x_c, C);
#if NT_LOG
        const float log_sum = log(row_sum_exp(from, x_c, C, top));
        ROW_EACH(whole, C, {
            const float16 v = row_load(inside, from, x_c, c, C, 0);
            row_store(inside, v - top - log_sum, to, y_c, c, C);
        });
#else
        float16 sum = 0;
        ROW_EACH(whole, C, {
            const float16 e = row_exp(row_load(inside, from, x_c, c, C, -INFINITY) - top);
            NT_PREFETCH(from + x_r + c);
            NT_PREFETCH(to + y_r + c);
            row_store(inside, e, to, y_c, c, C);
            sum += e;
        });
        const float factor = 1 / row_sum_lanes(sum);
        ROW_EACH(whole, C, {
            const float16 e = row_load(inside, to, y_c, c, C, 0);
            row_store(inside, e * factor, to, y_c, c, C);
        });
#endif
    }
}

NT_KERNEL_SINGLE(softmax_backward_tile)
(__global const float *y, int y_offset, __global const float *dy, int dy_offset, __global float *dx,
    int dx_offset, int y_r, int y_c, int dy_r, int dy_c, int dx_r, int dx_c, int R, int C,
    int split)
{
    const int first = (int)get_group_id(0) * split, stop = min(first + split, R);
    const int known = min(row_whole(C, y_c), row_whole(C, dy_c));
    const int whole = min(known, row_whole(C, dx_c));
    for (int r = first; r < stop; r++) {
        __global const float *out = y + y_offset + r * y_r, *d = dy + dy_offset + r * dy_r;
        __global float *to = dx + dx_offset + r * dx_r;
        float16 lanes = 0;
        ROW_EACH(known, C, {
            const float16 v = row_load(inside, d, dy_c, c, C, 0);
            lanes += NT_LOG ? v : v * row_load(inside, out, y_c, c, C, 0);
        });
        const float sum = row_sum_lanes(lanes);
        ROW_EACH(whole, C, {
            const float16 p = row_load(inside, out, y_c, c, C, 0);
            const float16 v = row_load(inside, d, dy_c, c, C, 0);
            row_store(inside, NT_LOG ? v - exp(p) * sum : p * (v - sum), to, dx_c, c, C);
        });
    }
}

#else

NT_KERNEL_LINE(softmax_group)
(__global const float *x, int x_offset, __global float *y, int y_offset, int x_r, int x_c, int y_r,
    int y_c, int R, int C, int split)
{
    __local float scratch[NT_LOCAL];
    const int lanes = 1 << split, lane = (int)get_local_id(0) & (lanes - 1);
    const int r = (int)(get_global_id(0) >> split), n = r < R ? C : 0;
    __global const float *from = x + x_offset + r * x_r;
    __global float *to = y + y_offset + r * y_r;
    const float top = row_lanes_max(scratch, lanes, from, x_c, n);
    const float sum = row_lanes_sum_exp(scratch, lanes, from, x_c, n, top);
    const float last = NT_LOG ? log(sum) : 1 / sum;
    for (int c = lane; c < n; c += lanes) {
        const float v = from[c * x_c] - top;
        to[c * y_c] = NT_LOG ? v - last : exp(v) * last;
    }
}

NT_KERNEL_LINE(softmax_backward_group)
(__global const float *y, int y_offset, __global const float *dy, int dy_offset, __global float *dx,
    int dx_offset, int y_r, int y_c, int dy_r, int dy_c, int dx_r, int dx_c, int R, int C,
    int split)
{
    __local float scratch[NT_LOCAL];
    const int lanes = 1 << split, lane = (int)get_local_id(0) & (lanes - 1);
    const int r = (int)(get_global_id(0) >> split), n = r < R ? C : 0;
    __global const float *out = y + y_offset + r * y_r, *d = dy + dy_offset + r * dy_r;
    __global float *to = dx + dx_offset + r * dx_r;
    float sum = 0;
    for (int c = lane; c < n; c += lanes)
        sum += NT_LOG ? d[c * dy_c] : d[c * dy_c] * out[c * y_c];
    sum = row_join_sum(scratch, lanes, sum);
    for (int c = lane; c < n; c += lanes) {
        const float p = out[c * y_c], v = d[c * dy_c];
        to[c * dx_c] = NT_LOG ? v - exp(p) * sum : p * (v - sum);
    }
}

#endif
