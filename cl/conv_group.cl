/* SPDX-License-Identifier: MIT
 *
 * Convolution for GPUs as an implicit matrix product (group.clh): rows are the pixels of all
 * images, columns the output channels of a group, steps the taps x input channels, channels
 * fastest. Serves forward and, with other strides, backward by data (conv.h tells how).
 * `packed` has the weights as [group][tap][c][k]. With several splits of the steps each writes
 * sums of its own, y_split apart.
 * Grid: columns, rows, groups x splits.
 */
#include "prelude.clh"
#include "group.clh"

#define NT_EPILOGUE_READ(p) NT_GROUP_READ(Y, p)

NT_KERNEL_GROUP(conv_group)
(__global const float *x, int x_offset, __global const float *packed, __global float *y,
    int y_offset, int images, int depth, int height, int width, int c, int groups, int k,
    int out_d, int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w,
    int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h,
    int x_w, int y_start, int y_n, int y_d, int y_h, int y_w, int splits,
    int y_split NT_EPILOGUE_PARAMS)
{
    NT_GROUP_DECLARE;
    NT_GROUP_V(A) a_next[NT_GROUP_READS(A)];
    NT_GROUP_V(B) b_next[NT_GROUP_READS(B)];
    int row0 = NT_GROUP_FIRST(1), column0 = NT_GROUP_FIRST(0);
    int group = (int)get_global_id(2) / splits, split = (int)get_global_id(2) % splits;
    int pixels = images * out_d * out_h * out_w, steps = t * r * s * c;
    int begin = (int)((long)(steps / 4) * split / splits) * 4;
    int end = split + 1 < splits ? (int)((long)(steps / 4) * (split + 1) / splits) * 4 : steps;
    int count = end - begin, step = NT_ACROSS_STEP(A);
    /* A work-item always fills the same steps and rows of A. Rows and columns beyond the last are
     * read as the last: their results are not written. */
    int start[NT_GROUP_READS(A)], front[NT_GROUP_READS(A)];
    int top[NT_GROUP_READS(A)], side[NT_GROUP_READS(A)];
    NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(A); i++)
    {
        int pixel = min(row0 + NT_ACROSS_PLACE(A, i), pixels - 1);
        int u = pixel % out_w, v = pixel / out_w % out_h;
        int z = pixel / out_w / out_h % out_d, n = pixel / out_w / out_h / out_d;
        front[i] = z * stride_d - pad_d;
        top[i] = v * stride_h - pad_h;
        side[i] = u * stride_w - pad_w;
        start[i] = x_offset + n * x_n + group * c + front[i] * x_d + top[i] * x_h + side[i] * x_w;
    }
    /* The tap and channel of its step, in the next steps, too. */
    int channel = (begin + step) % c, tap = (begin + step) / c;
    int right = tap % s, down = tap / s % r, in = tap / s / r;
    /* Of B it always fills the same columns. */
    int column = NT_ALONG_PLACE(B), b_step = NT_ALONG_STEP(B, 0);
    packed += ((size_t)group * steps + begin + b_step) * k + min(column0 + column, k - NT_B_WIDE);
    for (int k0 = -NT_STEP; k0 < count; k0 += NT_STEP) {
        int left = count - k0 - NT_STEP;
        if (left > 0) {
            int plane = in * dil_d, row = down * dil_h, across = right * dil_w;
            int at = plane * x_d + row * x_h + across * x_w + channel;
            NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(A); i++)
            {
                int inside = (step < left) & NT_WITHIN(front[i] + plane, depth) &
                             NT_WITHIN(top[i] + row, height) & NT_WITHIN(side[i] + across, width);
                NT_GROUP_V(A) value = NT_GROUP_READ(A, x + (inside ? start[i] + at : x_offset));
                a_next[i] = inside ? value : NT_GROUP_ZERO(A);
            }
            NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(B); i++)
            {
                int ahead = NT_ALONG_STEP(B, i) - b_step, there = b_step + ahead < left;
                NT_GROUP_V(B) value =
                    NT_GROUP_READ(B, packed + min(ahead, left - 1 - b_step) * k);
                b_next[i] = there ? value : NT_GROUP_ZERO(B);
            }
            packed += (size_t)NT_STEP * k;
            for (channel += NT_STEP; channel >= c; channel -= c)
                if (++right == s) {
                    right = 0;
                    if (++down == r) {
                        down = 0;
                        in++;
                    }
                }
        }
        NT_GROUP_MULTIPLY(k0);
        if (left > 0) {
            NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(A); i++)
                NT_GROUP_ACROSS(A, a_quads, step, NT_ACROSS_PLACE(A, i), a_next[i]);
            NT_GROUP_UNROLL for (int i = 0; i < NT_GROUP_READS(B); i++)
                NT_GROUP_ALONG(B, b_quads, NT_ALONG_STEP(B, i), column, b_next[i]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    NT_GROUP_UNROLL for (int i = 0; i < NT_MINE; i++)
    {
        int pixel = row0 + NT_GROUP_ROW(i);
        int u = pixel % out_w, v = pixel / out_w % out_h;
        int z = pixel / out_w / out_h % out_d, n = pixel / out_w / out_h / out_d;
        int place = split * y_split + y_start + n * y_n + z * y_d + v * y_h + u * y_w + group * k;
        NT_GROUP_UNROLL for (int j = 0; j < NT_MINE; j += NT_Y_WIDE)
        {
            int own = column0 + NT_GROUP_COLUMN(j), at = place + own;
            if (pixel < pixels && own < k) {
                NT_GROUP_V(Y) value = NT_GROUP_RESULT(i, j);
                NT_EPILOGUE_APPLY(value, at, group * k + own);
                NT_GROUP_WRITE(y + y_offset + at, value);
            }
        }
    }
}
