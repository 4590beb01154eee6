/* SPDX-License-Identifier: MIT
 *
 * Depthwise convolution for GPUs, each channel a group of its own. Serves forward and, with other
 * strides, backward by data (conv.h tells how). `packed` has the weights as [tap][channel];
 * w_start, w_t, w_r and w_s count taps.
 *
 * A work-item computes NT_RUN pixels of a row for NT_Y_WIDE channels (group.clh): they share the
 * loads of weights, and neighbours read neighbouring channels. Columns outside the picture are read
 * as the nearest one inside, as a branch for each would take longer.
 * Work-items: channels, runs of a row, rows of all images, in this order.
 */
#include "prelude.clh"
#include "group.clh"

#define NT_EPILOGUE_READ(p) NT_GROUP_READ(Y, p)

NT_KERNEL_LINE(conv_depthwise_group)
(__global const float *x, int x_offset, __global const float *packed, __global float *y,
    int y_offset, int images, int depth, int height, int width, int c, int groups, int k, int out_d,
    int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w, int pad_d,
    int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h, int x_w,
    int y_start, int y_n, int y_d, int y_h, int y_w, int w_start, int w_g, int w_k, int w_c,
    int w_t, int w_r, int w_s NT_EPILOGUE_PARAMS)
{
    int item = get_global_id(0), vectors = groups / NT_Y_WIDE;
    int runs = (out_w + NT_RUN - 1) / NT_RUN, channel = item % vectors * NT_Y_WIDE;
    int ox = item / vectors % runs * NT_RUN, row = item / vectors / runs;
    int oy = row % out_h, oz = row / out_h % out_d, image = row / out_h / out_d;
    int front = oz * stride_d - pad_d, top = oy * stride_h - pad_h, side = ox * stride_w - pad_w;
    if (image >= images)
        return;
    x += x_offset + (size_t)image * x_n + channel;
    packed += (size_t)w_start * groups + channel;
    NT_GROUP_V(Y) acc[NT_RUN];
    NT_GROUP_UNROLL for (int i = 0; i < NT_RUN; i++) acc[i] = NT_GROUP_ZERO(Y);
    for (int a = 0; a < t; a++)
        for (int b = 0; b < r; b++) {
            int plane = front + a * dil_d, line = top + b * dil_h;
            if (!NT_WITHIN(plane, depth) || !NT_WITHIN(line, height))
                continue;
            __global const float *from = x + plane * x_d + line * x_h;
            __global const float *taps = packed + (a * w_t + b * w_r) * groups;
            for (int tap = 0; tap < s; tap++) {
                NT_GROUP_V(Y) weight = NT_GROUP_READ(Y, taps + tap * w_s * groups);
                NT_GROUP_UNROLL for (int i = 0; i < NT_RUN; i++)
                {
                    int column = side + i * stride_w + tap * dil_w;
                    NT_GROUP_V(Y) value =
                        NT_GROUP_READ(Y, from + clamp(column, 0, width - 1) * x_w);
                    acc[i] += weight * (NT_WITHIN(column, width) ? value : NT_GROUP_ZERO(Y));
                }
            }
        }
    int place = y_start + image * y_n + oz * y_d + oy * y_h + ox * y_w + channel;
    NT_GROUP_UNROLL for (int i = 0; i < NT_RUN; i++)
    {
        if (ox + i < out_w) {
            int at = place + i * y_w;
            NT_GROUP_V(Y) value = acc[i];
            NT_EPILOGUE_APPLY(value, at, channel);
            NT_GROUP_WRITE(y + y_offset + at, value);
        }
    }
}
