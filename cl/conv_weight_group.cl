/* SPDX-License-Identifier: MIT
 *
 * Backward pass of a convolution by its weights, for GPUs, as an implicit matrix product
 * (group.clh): rows are output channels, columns taps x input channels, steps the pixels of a
 * split. Writes partial[split][group][k][tap][c], which conv_weight_sum adds.
 * Grid: columns, rows, splits * groups.
 */
#include "prelude.clh"
#include "group.clh"

/* Where a pixel's first tap lies: plane, row, column and element of x; and its element of dy. */
struct NT_NAME(pixel) {
    int plane, row, column, x, dy;
};

NT_KERNEL_GROUP(conv_weight_group)
(__global const float *x, int x_offset, __global const float *dy, int dy_offset,
    __global float *partial, int images, int depth, int height, int width, int c, int groups, int k,
    int out_d, int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w,
    int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h,
    int x_w, int y_n, int y_d, int y_h, int y_w, int splits)
{
    NT_GROUP_DECLARE;
    __local struct NT_NAME(pixel) at[NT_STEP];
    NT_GROUP_V(A) a_next[NT_GROUP_READS(A)];
    NT_GROUP_V(B) b_next[NT_GROUP_READS(B)];
    int row0 = NT_GROUP_FIRST(1), column0 = NT_GROUP_FIRST(0);
    int item = NT_GROUP_ITEM, group = (int)get_global_id(2) % groups;
    int split = (int)get_global_id(2) / groups;
    int all = images * out_d * out_h * out_w, columns = t * r * s * c;
    int first = (int)((long)all * split / splits), last = (int)((long)all * (split + 1) / splits);
    /* A work-item always fills the same rows of A and columns of B. Those beyond the last are read
     * as the last: their results are not written. */
    int row = min(row0 + NT_ALONG_PLACE(A), k - NT_A_WIDE);
    int column = min(column0 + NT_ALONG_PLACE(B), columns - NT_B_WIDE);
    int tap = column / c, in = tap / s / r * dil_d;
    int down = tap / s % r * dil_h, right = tap % s * dil_w;
    x += x_offset + group * c + column % c;
    dy += dy_offset + group * k + row;
    int shift = in * x_d + down * x_h + right * x_w;
    for (int p0 = first - NT_STEP; first < last && p0 < last; p0 += NT_STEP) {
        int left = last - p0 - NT_STEP;
        /* Where the next pixels are, found by one work-item each. */
        if (item < NT_STEP) {
            int pixel = min(p0 + NT_STEP + item, last - 1);
            int u = pixel % out_w, v = pixel / out_w % out_h;
            int z = pixel / out_w / out_h % out_d, n = pixel / out_w / out_h / out_d;
            struct NT_NAME(pixel) p = {
                z * stride_d - pad_d, v * stride_h - pad_h, u * stride_w - pad_w, 0, 0};
            p.x = n * x_n + p.plane * x_d + p.row * x_h + p.column * x_w;
            p.dy = n * y_n + z * y_d + v * y_h + u * y_w;
            at[item] = p;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(A); i++)
        {
            int own = NT_ALONG_STEP(A, i);
            NT_GROUP_V(A) value = NT_GROUP_READ(A, dy + at[own].dy);
            a_next[i] = own < left ? value : NT_GROUP_ZERO(A);
        }
        NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(B); i++)
        {
            int own = NT_ALONG_STEP(B, i);
            int inside = (own < left) & NT_WITHIN(at[own].plane + in, depth) &
                         NT_WITHIN(at[own].row + down, height) &
                         NT_WITHIN(at[own].column + right, width);
            NT_GROUP_V(B) value = NT_GROUP_READ(B, x + (inside ? at[own].x + shift : 0));
            b_next[i] = inside ? value : NT_GROUP_ZERO(B);
        }
        NT_GROUP_MULTIPLY(p0 - first);
        NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(A); i++)
            NT_GROUP_ALONG(A, a_quads, NT_ALONG_STEP(A, i), NT_ALONG_PLACE(A), a_next[i]);
        NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(B); i++)
            NT_GROUP_ALONG(B, b_quads, NT_ALONG_STEP(B, i), NT_ALONG_PLACE(B), b_next[i]);
    }
    partial += (size_t)(split * groups + group) * k * columns;
    NT_GROUP_UNROLL for (int i = 0; i < NT_MINE; i++)
    {
        int m = row0 + NT_GROUP_ROW(i);
        NT_GROUP_UNROLL for (int j = 0; j < NT_MINE; j += NT_Y_WIDE)
        {
            int n = column0 + NT_GROUP_COLUMN(j);
            if (m < k && n < columns)
                NT_GROUP_WRITE(partial + (size_t)m * columns + n, NT_GROUP_RESULT(i, j));
        }
    }
}
