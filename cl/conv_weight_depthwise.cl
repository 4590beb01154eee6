/* SPDX-License-Identifier: MIT
 *
 * Backward pass of a depthwise convolution by its weights:
 *
 *   partial[split][tap][channel] = sum over the split's rows of x[pixel at tap] dy[pixel]
 *
 * conv_weight_sum adds the splits. A work-item takes `vectors` vectors of NT_VW neighbouring
 * channels and the rows of one split: NT_MANY pixels, then their next channels, so that memory is
 * read in its order; the sums wait in `partial`, which stays in a cache.
 * Global size: blocks of vectors, splits.
 */
#include "prelude.clh"
#include "tile.clh"
#include "taps.clh"

/* Pixels that share the loads of sums; few, so that memory is read nearly in its order. */
#define NT_MANY 2

/* sum[j] += sum over pixels i of g[i] times its neighbour j of three; each neighbour is loaded
 * once. Column j is zero where inside[j] is. */
static inline void NT_NAME(weight_three)(__global float *sum, int sum_step, const NT_V *g,
    __global const float *from, int step, int left, const int *inside)
{
    NT_V a = NT_READ_PART(sum, left), b = NT_READ_PART(sum + sum_step, left);
    NT_V c = NT_READ_PART(sum + 2 * sum_step, left);
    NT_UNROLL for (int j = 0; j < NT_MANY + 2; j++)
    {
        NT_V value = NT_READ_PART(from + j * step, inside ? min(left, inside[j]) : left);
        if (j < NT_MANY)
            a += g[j] * value;
        if (j > 0 && j <= NT_MANY)
            b += g[j - 1] * value;
        if (j > 1)
            c += g[j - 2] * value;
    }
    NT_WRITE_PART(a, sum, left);
    NT_WRITE_PART(b, sum + sum_step, left);
    NT_WRITE_PART(c, sum + 2 * sum_step, left);
}

/* sum[j] += sum over `count` pixels of dy, `to_step` apart, times x at tap j; columns of x that are
 * not below `width` are zero. */
static inline void NT_NAME(weight_any)(__global float *sum, int sum_step, const NT_V *g,
    __global const float *to, int to_step, __global const float *from, int step, int left, int taps,
    int stride, int dilation, int count, int start, int width, bool whole)
{
    for (int j = 0; j < taps; j++, sum += sum_step) {
        NT_V total = NT_READ_PART(sum, left);
        if (whole) {
            NT_UNROLL for (int i = 0; i < NT_MANY; i++) total += g[i] *
                NT_READ_PART(from + (j * dilation + i * stride) * step, left);
        } else {
            NT_SLOWLY for (int i = 0; i < count; i++)
            {
                int at = j * dilation + i * stride;
                if (start + at >= 0 && start + at < width)
                    total += NT_READ_PART(to + i * to_step, left) *
                             NT_READ_PART(from + at * step, left);
            }
        }
        NT_WRITE_PART(total, sum, left);
    }
}

/* `count` pixels from ox on, all channels of the work-item; TAPS adds what a row of taps, at
 * `from`, has to `sum`. */
#define NT_PIXELS(PRESENT, TAPS)                                                                   \
    for (int channel = first; channel < end; channel += NT_VW) {                                   \
        int left = groups - channel;                                                               \
        __global const float *to = line + ox * y_w + channel;                                      \
        NT_V g[NT_MANY];                                                                           \
        NT_UNROLL for (int i = 0; i < NT_MANY; i++) g[i] =                                         \
            NT_READ_PART(to + i * y_w, PRESENT ? left : 0);                                        \
        for (int a = t0; a < t1; a++) {                                                            \
            __global const float *from = corner + a * dil_d * x_d + channel;                       \
            __global float *sum = partial + (a * r + r0) * s * groups + channel;                   \
            for (int b = r0; b < r1; b++, from += dil_h * x_h, sum += s * groups)                  \
                TAPS;                                                                              \
        }                                                                                          \
    }

NT_OUTLINE void NT_NAME(depthwise_taps)(int column, int split, __global const float *x,
    int x_offset, __global const float *dy, int dy_offset, __global float *partial, int images,
    int depth, int height, int width, int c, int groups, int k, int out_d, int out_h, int out_w,
    int t, int r, int s, int stride_d, int stride_h, int stride_w, int pad_d, int pad_h, int pad_w,
    int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h, int x_w, int y_n, int y_d, int y_h,
    int y_w, int splits, int vectors)
{
    int rows = images * out_d * out_h, taps = t * r * s, inside[NT_MANY + 2];
    int first = column * vectors * NT_VW, end = min(groups, first + vectors * NT_VW);
    int last_row = (int)((long)rows * (split + 1) / splits);
    bool three = s == 3 && stride_w == 1 && dil_w == 1;
    partial += (size_t)split * taps * groups;
    for (int tap = 0; tap < taps; tap++)
        for (int channel = first; channel < end; channel += NT_VW)
            NT_WRITE_PART((NT_V)(0.0f), partial + tap * groups + channel, groups - channel);
    for (int row = (int)((long)rows * split / splits); row < last_row; row++) {
        int oy = row % out_h, oz = row / out_h % out_d, image = row / out_h / out_d;
        int front = oz * stride_d - pad_d, top = oy * stride_h - pad_h;
        int t0 = NT_FIRST(front, dil_d), t1 = NT_END(front, dil_d, depth, t);
        int r0 = NT_FIRST(top, dil_h), r1 = NT_END(top, dil_h, height, r);
        __global const float *picture = x + x_offset + (size_t)image * x_n;
        __global const float *line =
            dy + dy_offset + (size_t)image * y_n + oz * y_d + oy * y_h;
        for (int ox = 0; ox < out_w; ox += NT_MANY) {
            int start = ox * stride_w - pad_w, count = min(NT_MANY, out_w - ox);
            bool whole = count == NT_MANY && start >= 0 &&
                         start + (NT_MANY - 1) * stride_w + (s - 1) * dil_w < width;
            __global const float *corner =
                picture + front * x_d + (top + r0 * dil_h) * x_h + start * x_w;
            if (three && whole) {
                NT_PIXELS(1, NT_NAME(weight_three)(sum, groups, g, from, x_w, left, 0))
            } else if (three) {
                NT_SLOWLY for (int j = 0; j < NT_MANY + 2; j++) inside[j] =
                    start + j >= 0 && start + j < width ? NT_VW : 0;
                NT_PIXELS(i < count, NT_NAME(weight_three)(sum, groups, g, from, x_w, left, inside))
            } else {
                NT_PIXELS(i < count, NT_NAME(weight_any)(sum, groups, g, to, y_w, from, x_w, left,
                    s, stride_w, dil_w, count, start, width, whole))
            }
        }
    }
}

NT_KERNEL(conv_weight_depthwise)
(__global const float *x, int x_offset, __global const float *dy, int dy_offset,
    __global float *partial, int images, int depth, int height, int width, int c, int groups, int k,
    int out_d, int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w,
    int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h,
    int x_w, int y_n, int y_d, int y_h, int y_w, int splits, int vectors)
{
    NT_NAME(depthwise_taps)(get_global_id(0), get_global_id(1), x, x_offset, dy, dy_offset, partial,
        images, depth, height, width, c, groups, k, out_d, out_h, out_w, t, r, s, stride_d,
        stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w, x_n, x_d, x_h, x_w, y_n, y_d,
        y_h, y_w, splits, vectors);
}

#undef NT_MANY
#undef NT_PIXELS
