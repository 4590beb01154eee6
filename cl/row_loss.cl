/* SPDX-License-Identifier: MIT
 *
 * Losses by row and their gradients, computed from the logits x alone. Rows _r elements apart,
 * classes _c apart. With top the row's maximum and s the smoothing, the cross-entropy is
 *
 *   log(sum exp(x - top)) + (1 - s) (top - x[target]) + s/C sum(top - x)
 *
 * where no term is negative, so nothing cancels.
 *
 * Work-items: _tile: one per work-group, takes `split` rows in order. _group: 1 << split lanes
 * to a row (cl/row.clh); local memory 1 KiB.
 *
 * NT_MARGIN: 1 multi-margin, 0 cross-entropy. NT_TILE: 1 _tile, 0 _group.
 */
#include "prelude.clh"
#include "row.clh"

#ifndef NT_MARGIN
#define NT_MARGIN 0
#endif
#ifndef NT_TILE
#define NT_TILE 0
#endif

#define FORWARD                                                                                    \
    __global const float *x, int x_offset, __global const int *target, int target_offset,          \
        __global float *loss, int loss_offset, __global float *valid, int valid_offset, int x_r,   \
        int x_c, int target_r, int loss_r, int valid_r, int ignore, float smoothing, float margin, \
        int R, int C, int split
#define BACKWARD                                                                                   \
    __global const float *x, int x_offset, __global const int *target, int target_offset,          \
        __global const float *scale, int scale_offset, __global const float *items,                \
        int items_offset, __global float *dx, int dx_offset, int x_r, int x_c, int target_r,       \
        int dx_r, int dx_c, int ignore, float smoothing, float margin, int R, int C, int split

/* Gradient of a class whose distance beyond the margin is z: 1, 0 or NaN. */
static inline float NT_NAME(slope)(float z)
{
    return z > 0 ? 1.0f : z <= 0 ? 0.0f : z;
}

#if NT_TILE

#define LANES ((int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))

NT_OUTLINE float NT_NAME(row)(
    __global const float *x, int step, int C, int t, float smoothing, float margin)
{
    const float at = x[t * step];
    float16 sum = 0;
#if NT_MARGIN
    ROW_EACH(row_whole(C, step), C, {
        const float16 z = row_load(inside, x, step, c, C, -INFINITY) - at + margin;
        sum += select(z, (float16)0, (z <= 0) | (c + LANES == t) | (c + LANES >= C));
    });
    return row_sum_lanes(sum) / C;
#else
    const float top = row_max(x, step, C);
    float value = log(row_sum_exp(x, step, C, top)) + (1 - smoothing) * (top - at);
    if (smoothing > 0) {
        ROW_EACH(
            row_whole(C, step), C, sum += top - row_load(inside, x, step, c, C, top););
        value += smoothing * (row_sum_lanes(sum) / C);
    }
    return value;
#endif
}

NT_KERNEL_SINGLE(row_loss_tile)(FORWARD)
{
    const int first = (int)get_group_id(0) * split, stop = min(first + split, R);
    for (int r = first; r < stop; r++) {
        const int t = target[target_offset + r * target_r];
        float value = 0;
        if (t != ignore)
            value = t >= 0 && t < C
                        ? NT_NAME(row)(x + x_offset + r * x_r, x_c, C, t, smoothing, margin)
                        : NAN;
        loss[loss_offset + r * loss_r] = value;
        valid[valid_offset + r * valid_r] = t != ignore;
    }
}

NT_OUTLINE void NT_NAME(gradient)(__global const float *x, int step, __global float *dx,
    int dx_step, int C, int t, float scale, float smoothing, float margin)
{
    const int whole = min(row_whole(C, step), row_whole(C, dx_step));
#if NT_MARGIN
    const float at = x[t * step];
    float16 count = 0;
    ROW_EACH(whole, C, {
        const float16 z = row_load(inside, x, step, c, C, -INFINITY) - at + margin;
        const int16 none = (z <= 0) | (c + LANES == t) | (c + LANES >= C);
        const float16 slope = select(select(z, (float16)1, z > 0), (float16)0, none);
        count += slope;
        row_store(inside, slope * (scale / C), dx, dx_step, c, C);
    });
    dx[t * dx_step] = -row_sum_lanes(count) * (scale / C);
#else
    const float top = row_max(x, step, C);
    const float factor = 1 / row_sum_exp(x, step, C, top);
    ROW_EACH(whole, C, {
        const float16 p = row_exp(row_load(inside, x, step, c, C, -INFINITY) - top) * factor;
        const float16 wanted = select((float16)0, (float16)(1 - smoothing), c + LANES == t);
        row_store(inside, (p - wanted - smoothing / C) * scale, dx, dx_step, c, C);
    });
#endif
}

NT_KERNEL_SINGLE(row_loss_backward_tile)(BACKWARD)
{
    const int first = (int)get_group_id(0) * split, stop = min(first + split, R);
    const float factor = scale[scale_offset] / items[items_offset];
    for (int r = first; r < stop; r++) {
        const int t = target[target_offset + r * target_r];
        __global float *to = dx + dx_offset + r * dx_r;
        if (t != ignore && t >= 0 && t < C) {
            NT_NAME(gradient)
            (x + x_offset + r * x_r, x_c, to, dx_c, C, t, factor, smoothing, margin);
            continue;
        }
        for (int c = 0; c < C; c += 16)
            row_scatter((float16)(t == ignore ? 0.0f : NAN), to, dx_c, c, C);
    }
}

#else

NT_KERNEL_LINE(row_loss_group)(FORWARD)
{
    __local float scratch[NT_LOCAL];
    const int lanes = 1 << split, lane = (int)get_local_id(0) & (lanes - 1);
    const int r = (int)(get_global_id(0) >> split);
    const int t = r < R ? target[target_offset + r * target_r] : ignore;
    const int usable = t != ignore && t >= 0 && t < C, n = usable ? C : 0;
    __global const float *from = x + x_offset + r * x_r;
    const float at = usable ? from[t * x_c] : 0;
    float sum = 0, value;
#if NT_MARGIN
    for (int c = lane; c < n; c += lanes) {
        const float z = from[c * x_c] - at + margin;
        sum += c == t || z <= 0 ? 0 : z;
    }
    value = row_join_sum(scratch, lanes, sum) / C;
#else
    const float top = row_lanes_max(scratch, lanes, from, x_c, n);
    const float total = row_lanes_sum_exp(scratch, lanes, from, x_c, n, top);
    value = log(total) + (1 - smoothing) * (top - at);
    if (smoothing > 0) {
        for (int c = lane; c < n; c += lanes)
            sum += top - from[c * x_c];
        value += smoothing * (row_join_sum(scratch, lanes, sum) / C);
    }
#endif
    if (r < R && lane == 0) {
        loss[loss_offset + r * loss_r] = usable ? value : t == ignore ? 0.0f : NAN;
        valid[valid_offset + r * valid_r] = t != ignore;
    }
}

NT_KERNEL_LINE(row_loss_backward_group)(BACKWARD)
{
    __local float scratch[NT_LOCAL];
    const int lanes = 1 << split, lane = (int)get_local_id(0) & (lanes - 1);
    const int r = (int)(get_global_id(0) >> split);
    const int t = r < R ? target[target_offset + r * target_r] : ignore;
    const int usable = t != ignore && t >= 0 && t < C, n = usable ? C : 0;
    const float factor = scale[scale_offset] / items[items_offset];
    __global const float *from = x + x_offset + r * x_r;
    __global float *to = dx + dx_offset + r * dx_r;
#if NT_MARGIN
    const float at = usable ? from[t * x_c] : 0;
    float count = 0;
    for (int c = lane; c < n; c += lanes) {
        if (c != t)
            count += NT_NAME(slope)(from[c * x_c] - at + margin);
    }
    count = row_join_sum(scratch, lanes, count);
    for (int c = lane; c < n; c += lanes)
        to[c * dx_c] =
            (c == t ? -count : NT_NAME(slope)(from[c * x_c] - at + margin)) * (factor / C);
#else
    const float top = row_lanes_max(scratch, lanes, from, x_c, n);
    const float inverse = 1 / row_lanes_sum_exp(scratch, lanes, from, x_c, n, top);
    for (int c = lane; c < n; c += lanes) {
        const float p = exp(from[c * x_c] - top) * inverse;
        to[c * dx_c] = (p - (c == t ? 1 - smoothing : 0.0f) - smoothing / C) * factor;
    }
#endif
    if (r < R && !usable)
        for (int c = lane; c < C; c += lanes)
            to[c * dx_c] = t == ignore ? 0.0f : NAN;
}

#endif
