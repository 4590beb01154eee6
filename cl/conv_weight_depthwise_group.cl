/* SPDX-License-Identifier: MIT
 *
 * Backward pass by its weights of a depthwise convolution, for GPUs:
 *
 *   partial[split][tap][channel] = sum over the split's rows of
 *       x[channel, pixel at tap] dy[channel, pixel]
 *
 * A work-item takes the rows of a split, NT_Y_WIDE channels (group.clh) and NT_TAPS neighbouring
 * taps: `pieces` times as many have a line of taps. Columns outside the picture are read as the
 * nearest one inside.
 * Work-items: channels, pieces of lines, lines of taps, splits, in this order.
 */
#include "prelude.clh"
#include "group.clh"

NT_KERNEL_LINE(conv_weight_depthwise_group)
(__global const float *x, int x_offset, __global const float *dy, int dy_offset,
    __global float *partial, int images, int depth, int height, int width, int c, int groups, int k,
    int out_d, int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w,
    int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h,
    int x_w, int y_n, int y_d, int y_h, int y_w, int pieces, int splits)
{
    int item = get_global_id(0), vectors = groups / NT_Y_WIDE;
    int channel = item % vectors * NT_Y_WIDE, tap0 = item / vectors % pieces * NT_TAPS;
    int line = item / vectors / pieces % (t * r), split = item / vectors / pieces / (t * r);
    int down = line % r * dil_h - pad_h, in = line / r * dil_d - pad_d;
    int side = tap0 * dil_w - pad_w, rows = images * out_d * out_h;
    if (split >= splits)
        return;
    int last = (int)((long)rows * (split + 1) / splits);
    x += x_offset + channel;
    dy += dy_offset + channel;
    NT_GROUP_V(Y) sum[NT_TAPS];
    NT_GROUP_UNROLL for (int i = 0; i < NT_TAPS; i++) sum[i] = NT_GROUP_ZERO(Y);
    for (int row = (int)((long)rows * split / splits); row < last; row++) {
        int oy = row % out_h, oz = row / out_h % out_d, image = row / out_h / out_d;
        int plane = oz * stride_d + in, at = oy * stride_h + down;
        if (!NT_WITHIN(plane, depth) || !NT_WITHIN(at, height))
            continue;
        __global const float *from = x + (size_t)image * x_n + plane * x_d + at * x_h;
        __global const float *to = dy + (size_t)image * y_n + oz * y_d + oy * y_h;
        for (int ox = 0; ox < out_w; ox++) {
            NT_GROUP_V(Y) gradient = NT_GROUP_READ(Y, to + ox * y_w);
            NT_GROUP_UNROLL for (int i = 0; i < NT_TAPS; i++)
            {
                int column = side + ox * stride_w + i * dil_w;
                NT_GROUP_V(Y) value = NT_GROUP_READ(Y, from + clamp(column, 0, width - 1) * x_w);
                sum[i] += gradient * (NT_WITHIN(column, width) ? value : NT_GROUP_ZERO(Y));
            }
        }
    }
    partial += ((size_t)split * t * r * s + line * s + tap0) * groups + channel;
    NT_GROUP_UNROLL for (int i = 0; i < NT_TAPS; i++)
    {
        if (tap0 + i < s)
            NT_GROUP_WRITE(partial + i * groups, sum[i]);
    }
}
