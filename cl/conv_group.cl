/* SPDX-License-Identifier: MIT
 *
 * Convolution for GPUs as an implicit matrix product (group.clh): rows are the pixels of all
 * images, columns the output channels of a group, steps the taps x input channels, channels
 * fastest. Serves forward and, with other strides, backward by data (conv.h tells how).
 * Grid: columns, rows, groups.
 */
#include "prelude.clh"
#include "group.clh"

#define NT_EPILOGUE_READ(p) (*(p))

NT_KERNEL_GROUP(conv_group)
(__global const float *x, int x_offset, __global const float *w, int w_offset, __global float *y,
    int y_offset, int images, int depth, int height, int width, int c, int groups, int k,
    int out_d, int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w,
    int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h,
    int x_w, int y_start, int y_n, int y_d, int y_h, int y_w, int w_start, int w_g, int w_k,
    int w_c, int w_t, int w_r, int w_s NT_EPILOGUE_PARAMS)
{
    NT_GROUP_DECLARE;
    int row0 = NT_GROUP_FIRST(1), column0 = NT_GROUP_FIRST(0);
    int item = NT_GROUP_ITEM, group = get_global_id(2), pixels = images * out_d * out_h * out_w;
    int steps = t * r * s * c, step = item % NT_STEP;
    /* A work-item always fills the same step and the same rows of a_tile. */
    int start[NT_GROUP_EACH], front[NT_GROUP_EACH], top[NT_GROUP_EACH], left[NT_GROUP_EACH];
    for (int i = 0; i < NT_GROUP_EACH; i++) {
        int pixel = row0 + (item + i * NT_GROUP_ITEMS) / NT_STEP;
        int u = pixel % out_w, v = pixel / out_w % out_h;
        int z = pixel / out_w / out_h % out_d, n = pixel / out_w / out_h / out_d;
        front[i] = pixel < pixels ? z * stride_d - pad_d : depth;
        top[i] = v * stride_h - pad_h;
        left[i] = u * stride_w - pad_w;
        start[i] = x_offset + n * x_n + group * c;
    }
    w += w_offset + w_start + (size_t)group * w_g;
    for (int k0 = 0; k0 < steps; k0 += NT_STEP) {
        int tap = (k0 + step) / c, channel = (k0 + step) % c;
        int in = tap / s / r, down = tap / s % r, right = tap % s;
        bool valid = k0 + step < steps;
        for (int i = 0; i < NT_GROUP_EACH; i++) {
            int plane = front[i] + in * dil_d, row = top[i] + down * dil_h;
            int column = left[i] + right * dil_w;
            bool inside = valid && plane >= 0 && plane < depth && row >= 0 && row < height &&
                          column >= 0 && column < width;
            a_tile[step][(item + i * NT_GROUP_ITEMS) / NT_STEP] =
                inside ? x[start[i] + plane * x_d + row * x_h + column * x_w + channel] : 0.0f;
        }
        for (int i = 0; i < NT_GROUP_EACH; i++) {
            int column = (item + i * NT_GROUP_ITEMS) / NT_STEP;
            b_tile[step][column] = valid && column0 + column < k
                                       ? w[(column0 + column) * w_k + channel * w_c + in * w_t +
                                             down * w_r + right * w_s]
                                       : 0.0f;
        }
        NT_GROUP_MULTIPLY;
    }
    for (int i = 0; i < 4; i++) {
        int pixel = row0 + NT_GROUP_ROW + i;
        int u = pixel % out_w, v = pixel / out_w % out_h;
        int z = pixel / out_w / out_h % out_d, n = pixel / out_w / out_h / out_d;
        for (int j = 0; j < 4; j++) {
            int column = column0 + NT_GROUP_COLUMN + j, channel = group * k + column;
            if (pixel < pixels && column < k) {
                int at = y_start + n * y_n + z * y_d + v * y_h + u * y_w + channel;
                float value = NT_GROUP_RESULT(i, j);
                NT_EPILOGUE_APPLY(value, at, channel);
                y[y_offset + at] = value;
            }
        }
    }
}
