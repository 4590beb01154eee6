/* SPDX-License-Identifier: MIT
 *
 * Backward pass of a depthwise convolution by its weights:
 *
 *   partial[split][channel][tap] = sum over the split's rows of x[pixel at tap] dy[pixel]
 *
 * conv_weight_sum adds the splits. A work-item takes NT_VW neighbouring channels, NT_TAPS taps and
 * the rows of one split.
 * Global size: vectors, blocks of taps, splits.
 */
#include "prelude.clh"
#include "tile.clh"

#define NT_TAPS 9 /* a kernel of 3 x 3 reads dy once */

NT_OUTLINE void NT_NAME(depthwise_taps)(int column, int block, int split, __global const float *x,
    int x_offset, __global const float *dy, int dy_offset, __global float *partial, int images,
    int depth, int height, int width, int c, int groups, int k, int out_d, int out_h, int out_w,
    int t, int r, int s, int stride_d, int stride_h, int stride_w, int pad_d, int pad_h, int pad_w,
    int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h, int x_w, int y_n, int y_d, int y_h,
    int y_w, int splits)
{
    int channel = column * NT_VW, left = min(NT_VW, groups - channel), rows = images * out_d * out_h;
    int taps = t * r * s, tap = block * NT_TAPS, count = min(NT_TAPS, taps - tap);
    if (left <= 0)
        return;
    NT_V acc[NT_TAPS];
    int move[NT_TAPS], first[NT_TAPS], inside[NT_TAPS];
    NT_UNROLL for (int i = 0; i < NT_TAPS; i++) acc[i] = (NT_V)(0.0f);
    int end = (int)((long)rows * (split + 1) / splits);
    for (int row = (int)((long)rows * split / splits); row < end; row++) {
        int oy = row % out_h, oz = row / out_h % out_d, image = row / out_h / out_d;
        /* The tap of pixel ox lies in column first + ox stride, at move + ox stride x_w. */
        for (int i = 0; i < NT_TAPS; i++) {
            int plane = oz * stride_d - pad_d + (tap + i) / s / r * dil_d;
            int line = oy * stride_h - pad_h + (tap + i) / s % r * dil_h;
            bool reached = i < count && plane >= 0 && plane < depth && line >= 0 && line < height;
            first[i] = (tap + i) % s * dil_w - pad_w;
            inside[i] = reached ? width : 0;
            move[i] = plane * x_d + line * x_h + first[i] * x_w;
        }
        __global const float *from = x + x_offset + (size_t)image * x_n + channel;
        __global const float *to = dy + dy_offset + (size_t)image * y_n + oz * y_d + oy * y_h + channel;
        for (int ox = 0; ox < out_w; ox++) {
            NT_V value = NT_READ_PART(to + ox * y_w, left);
            int step = ox * stride_w;
            NT_UNROLL for (int i = 0; i < NT_TAPS; i++)
            {
                if (first[i] + step >= 0 && first[i] + step < inside[i])
                    acc[i] += value * NT_READ_PART(from + move[i] + step * x_w, left);
            }
        }
    }
    partial += ((size_t)split * groups + channel) * taps + tap;
    NT_UNROLL for (int i = 0; i < NT_TAPS; i++)
    {
        union {
            NT_V v;
            float f[NT_VW];
        } lanes;
        lanes.v = acc[i];
        if (i < count)
            NT_SLOWLY for (int j = 0; j < left; j++) partial[j * taps + i] = lanes.f[j];
    }
}

NT_KERNEL(conv_weight_depthwise)
(__global const float *x, int x_offset, __global const float *dy, int dy_offset,
    __global float *partial, int images, int depth, int height, int width, int c, int groups, int k,
    int out_d, int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w,
    int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h,
    int x_w, int y_n, int y_d, int y_h, int y_w, int splits)
{
    NT_NAME(depthwise_taps)(get_global_id(0), get_global_id(1), get_global_id(2), x, x_offset, dy,
        dy_offset, partial, images, depth, height, width, c, groups, k, out_d, out_h, out_w, t, r,
        s, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w, x_n, x_d, x_h,
        x_w, y_n, y_d, y_h, y_w, splits);
}

#undef NT_TAPS
