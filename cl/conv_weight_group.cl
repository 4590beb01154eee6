/* SPDX-License-Identifier: MIT
 *
 * Backward pass of a convolution by its weights, for GPUs, as an implicit matrix product
 * (group.clh): rows are taps x input channels, columns output channels, steps the pixels of a
 * split. Writes partial[split][group][k][tap][c], which conv_weight_sum adds.
 * Grid: columns, rows, splits * groups.
 */
#include "prelude.clh"
#include "group.clh"

NT_KERNEL_GROUP(conv_weight_group)
(__global const float *x, int x_offset, __global const float *dy, int dy_offset,
    __global float *partial, int images, int depth, int height, int width, int c, int groups, int k,
    int out_d, int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w,
    int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h,
    int x_w, int y_n, int y_d, int y_h, int y_w, int splits)
{
    NT_GROUP_DECLARE;
    int row0 = NT_GROUP_FIRST(1), column0 = NT_GROUP_FIRST(0);
    int item = NT_GROUP_ITEM, group = (int)get_global_id(2) % groups;
    int split = (int)get_global_id(2) / groups;
    int all = images * out_d * out_h * out_w, rows = t * r * s * c;
    int first = (int)((long)all * split / splits), last = (int)((long)all * (split + 1) / splits);
    /* A work-item always fills the same row of a_tile and the same column of b_tile. */
    int row = row0 + item % NT_SPAN, column = column0 + item % NT_SPAN;
    int tap = row / c, in = tap / s / r * dil_d - pad_d;
    int down = tap / s % r * dil_h - pad_h, right = tap % s * dil_w - pad_w;
    x += x_offset + group * c + row % c;
    dy += dy_offset + group * k + column;
    for (int p0 = first; p0 < last; p0 += NT_STEP) {
        for (int i = 0; i < NT_GROUP_EACH; i++) {
            int step = (item + i * NT_GROUP_ITEMS) / NT_SPAN, pixel = p0 + step;
            int u = pixel % out_w, v = pixel / out_w % out_h;
            int z = pixel / out_w / out_h % out_d, n = pixel / out_w / out_h / out_d;
            int plane = z * stride_d + in, vertical = v * stride_h + down;
            int horizontal = u * stride_w + right;
            bool inside = pixel < last && row < rows && plane >= 0 && plane < depth &&
                          vertical >= 0 && vertical < height && horizontal >= 0 &&
                          horizontal < width;
            a_tile[step][item % NT_SPAN] =
                inside ? x[n * x_n + plane * x_d + vertical * x_h + horizontal * x_w] : 0.0f;
            b_tile[step][item % NT_SPAN] =
                pixel < last && column < k ? dy[n * y_n + z * y_d + v * y_h + u * y_w] : 0.0f;
        }
        NT_GROUP_MULTIPLY;
    }
    partial += (size_t)(split * groups + group) * k * rows;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            int m = row0 + NT_GROUP_ROW + i, n = column0 + NT_GROUP_COLUMN + j;
            if (m < rows && n < k)
                partial[(size_t)n * rows + m] = NT_GROUP_RESULT(i, j);
        }
}
