/* SPDX-License-Identifier: MIT
 *
 * Depthwise convolution: each channel is a group of its own. Serves the forward pass and, with
 * other strides, the backward pass by data (conv.h tells how). Channels-last, so NT_VW neighbouring
 * channels are a vector. `packed` has the weights as [tap][channel]; w_start, w_t, w_r and w_s
 * count taps.
 *
 * A work-item computes `run` pixels of a row for one vector of channels.
 * Global size: vectors, runs of a row, rows of all images.
 */
#include "prelude.clh"
#include "tile.clh"

#define NT_EPILOGUE_READ(p) NT_READ_PART(p, left)

/* The first tap whose position start + tap * dilation is not negative; one past the last tap
 * inside the extent. */
#define NT_FIRST(start, dilation) ((start) < 0 ? (-(start) + (dilation)-1) / (dilation) : 0)
#define NT_END(start, dilation, extent, taps)                                                      \
    ((start) >= (extent) ? 0 : min(taps, ((extent)-1 - (start)) / (dilation) + 1))
#define NT_MANY 4 /* pixels that share the loads of weights */

NT_OUTLINE void NT_NAME(depthwise_run)(int column, int part, int row, __global const float *x,
    int x_offset, __global const float *packed, __global float *y, int y_offset, int images,
    int depth, int height, int width, int c, int groups, int k, int out_d, int out_h, int out_w,
    int t, int r, int s, int stride_d, int stride_h, int stride_w, int pad_d, int pad_h, int pad_w,
    int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h, int x_w, int y_start, int y_n,
    int y_d, int y_h, int y_w, int w_start, int w_g, int w_k, int w_c, int w_t, int w_r, int w_s,
    int run NT_EPILOGUE_PARAMS)
{
    int channel = column * NT_VW, left = groups - channel;
    if (left <= 0 || row >= images * out_d * out_h)
        return;
    int oy = row % out_h, oz = row / out_h % out_d, image = row / out_h / out_d;
    int front = oz * stride_d - pad_d, top = oy * stride_h - pad_h;
    int t0 = NT_FIRST(front, dil_d), t1 = NT_END(front, dil_d, depth, t);
    int r0 = NT_FIRST(top, dil_h), r1 = NT_END(top, dil_h, height, r);
    int place = y_start + image * y_n + oz * y_d + oy * y_h + channel;
    int last = min(out_w, (part + 1) * run), count;
    x += x_offset + (size_t)image * x_n + channel;
    packed += (size_t)w_start * groups + channel;
    for (int ox = part * run; ox < last; ox += count) {
        int start = ox * stride_w - pad_w, s0 = 0, s1 = s;
        count = NT_MANY;
        if (ox + NT_MANY > last || start < 0 ||
            start + (NT_MANY - 1) * stride_w + (s - 1) * dil_w >= width) {
            count = 1;
            s0 = NT_FIRST(start, dil_w);
            s1 = NT_END(start, dil_w, width, s);
        }
        NT_V acc[NT_MANY];
        NT_UNROLL for (int i = 0; i < NT_MANY; i++) acc[i] = (NT_V)(0.0f);
        for (int a = t0; a < t1; a++)
            for (int b = r0; b < r1; b++) {
                __global const float *from = x + (front + a * dil_d) * x_d +
                                             (top + b * dil_h) * x_h + (start + s0 * dil_w) * x_w;
                __global const float *w = packed + (a * w_t + b * w_r + s0 * w_s) * groups;
                for (int j = s0; j < s1; j++, from += dil_w * x_w, w += w_s * groups) {
                    NT_V weight = NT_READ_PART(w, left);
                    acc[0] += weight * NT_READ_PART(from, left);
                    if (count == 1)
                        continue;
                    NT_UNROLL for (int i = 1; i < NT_MANY; i++) acc[i] +=
                        weight * NT_READ_PART(from + i * stride_w * x_w, left);
                }
            }
        NT_UNROLL for (int i = 0; i < NT_MANY; i++)
        {
            if (i < count) {
                int at = place + (ox + i) * y_w;
                NT_V value = acc[i];
                NT_EPILOGUE_APPLY(value, at, channel);
                NT_WRITE_PART(value, y + y_offset + at, left);
            }
        }
    }
}

NT_KERNEL(conv_depthwise)
(__global const float *x, int x_offset, __global const float *packed, __global float *y,
    int y_offset, int images, int depth, int height, int width, int c, int groups, int k, int out_d,
    int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w, int pad_d,
    int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h, int x_w,
    int y_start, int y_n, int y_d, int y_h, int y_w, int w_start, int w_g, int w_k, int w_c,
    int w_t, int w_r, int w_s, int run NT_EPILOGUE_PARAMS)
{
    NT_NAME(depthwise_run)(get_global_id(0), get_global_id(1), get_global_id(2), x, x_offset,
        packed, y, y_offset, images, depth, height, width, c, groups, k, out_d, out_h, out_w, t, r,
        s, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w, x_n, x_d, x_h,
        x_w, y_start, y_n, y_d, y_h, y_w, w_start, w_g, w_k, w_c, w_t, w_r, w_s,
        run NT_EPILOGUE_PASS);
}

#undef NT_FIRST
#undef NT_END
#undef NT_MANY
