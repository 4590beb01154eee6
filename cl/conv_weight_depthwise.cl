/* SPDX-License-Identifier: MIT
 *
 * Backward pass of a depthwise convolution by its weights:
 *
 *   partial[split][tap][channel] = sum over the split's rows of x[pixel at tap] dy[pixel]
 *
 * conv_weight_sum adds the splits. A work-item takes `vectors` vectors of NT_VW neighbouring
 * channels and the rows of one split. With 3 x 3 taps and stride 1 or 2 along a row a vector goes
 * through `lines` rows with its sums in registers, else NT_MANY pixels, then their next channels,
 * so that memory is read in its order; the sums wait in `partial`, which stays in a cache.
 * Global size: blocks of vectors, splits; or 1, splits of the first block, of the next, ..., so that
 * a work-item fetches ahead what the next one reads.
 */
#include "prelude.clh"
#include "tile.clh"
#include "taps.clh"
#include "ahead.clh"

/* Pixels that share the loads of sums; few, so that memory is read nearly in its order. */
#define NT_MANY 2

/* A column of three rows of inputs, row i with part(i) channels; what the taps s get of it. */
#define NT_COLUMN(v, from, part)                                                                   \
    NT_V v[3];                                                                                     \
    NT_UNROLL for (int i = 0; i < 3; i++) v[i] = NT_READ_PART((from) + i * x_line, part)
#define NT_MEET(s, g, v)                                                                           \
    NT_UNROLL for (int i = 0; i < 3; i++) sum[3 * i + s] += (g)*v[i]

/* The gradient g of a pixel and the columns that come with it: with stride 1 its first one, which
 * is also the second of the pixel before and the third of that before it; with stride 2 its first,
 * which is also the third of the pixel before, and its second. */
#define NT_PIXEL_1(first)                                                                          \
    do {                                                                                           \
        NT_COLUMN(v, from, first);                                                                 \
        NT_MEET(0, g, v);                                                                          \
        NT_MEET(1, before, v);                                                                     \
        NT_MEET(2, earlier, v);                                                                    \
        earlier = before;                                                                          \
        before = g;                                                                                \
    } while (0)
#define NT_PIXEL_2(first, second)                                                                  \
    do {                                                                                           \
        NT_COLUMN(v, from, first);                                                                 \
        NT_MEET(0, g, v);                                                                          \
        NT_MEET(2, before, v);                                                                     \
        NT_COLUMN(u, from + x_w, second);                                                          \
        NT_MEET(1, g, u);                                                                          \
        before = g;                                                                                \
    } while (0)

/* A row of gradients, at `to`, and the three rows of x that it meets, of which row i has inside[i]
 * channels; their first column is `start`. Pixels from low to high have their columns inside x.
 * The next rows are fetched in their order meanwhile. */
static inline void NT_NAME(weight_row)(NT_V *sum, __global const float *from, int x_line, int x_w,
    const int *inside, __global const float *to, int y_w, int start, int width, int out_w,
    int stride, int left, __global const float *x, struct nt_ahead *next_x,
    __global const float *dy, struct nt_ahead *next_y)
{
    NT_V before = (NT_V)(0.0f), earlier = before;
    int total = min(out_w + 3 - stride, (width - start + stride - 1) / stride);
    int low = max(0, (stride - 1 - start) / stride), high = min(out_w, (width - start) / stride);
    for (int ox = 0; ox < total;) {
        if (ox != low || low >= high) {
            int column = start + ox * stride;
            int one = column >= 0 && column < width ? NT_VW : 0;
            int two = column + 1 >= 0 && column + 1 < width ? NT_VW : 0;
            NT_V g = NT_READ_PART(to, ox < out_w ? left : 0);
            if (stride == 1)
                NT_PIXEL_1(min(one, inside[i]));
            else
                NT_PIXEL_2(min(one, inside[i]), min(two, inside[i]));
            ox++, from += stride * x_w, to += y_w;
        } else if (stride == 1) {
            for (; ox < high; ox++, from += x_w, to += y_w) {
                NT_V g = NT_READ_PART(to, left);
                NT_PREFETCH(x + nt_ahead_next(next_x, NT_VW));
                NT_PREFETCH(dy + nt_ahead_next(next_y, NT_VW));
                NT_PIXEL_1(inside[i]);
            }
        } else {
            for (; ox < high; ox++, from += 2 * x_w, to += y_w) {
                NT_V g = NT_READ_PART(to, left);
                NT_UNROLL for (int i = 0; i < 4; i++) NT_PREFETCH(x + nt_ahead_next(next_x, NT_VW));
                NT_PREFETCH(dy + nt_ahead_next(next_y, NT_VW));
                NT_PIXEL_2(inside[i], inside[i]);
            }
        }
    }
}

/* Rows first_row to last_row of 3 x 3 taps, stride 1 or 2 along a row. */
NT_OUTLINE void NT_NAME(weight_nine)(__global const float *x, __global const float *dy,
    __global float *partial, int first_row, int last_row, int height, int width, int groups,
    int first, int end, int out_h, int out_w, int stride_h, int stride_w, int pad_h, int pad_w,
    int dil_h, int x_n, int x_h, int x_w, int y_n, int y_h, int y_w)
{
    int first_image = first_row / out_h, first_oy = first_row % out_h;
    int next_image = last_row / out_h, next_oy = last_row % out_h, span = end - first;
    struct nt_ahead next_x = nt_ahead_from(first, span, x_w, NT_VW);
    struct nt_ahead next_y = nt_ahead_from(first, span, y_w, NT_VW);
    __global const float *ahead_x =
        x + (size_t)next_image * x_n + (long)(next_oy * stride_h - pad_h + 2) * x_h;
    __global const float *ahead_y = dy + (size_t)next_image * y_n + next_oy * y_h;
    for (int channel = first; channel < end; channel += NT_VW) {
        int left = min(NT_VW, groups - channel), image = first_image, oy = first_oy;
        __global float *to = partial + channel;
        NT_V sum[9];
        NT_UNROLL for (int i = 0; i < 9; i++) sum[i] = NT_READ_PART(to + i * groups, left);
        for (int row = first_row; row < last_row; row++) {
            int top = oy * stride_h - pad_h, inside[3];
            NT_UNROLL for (int i = 0; i < 3; i++) inside[i] =
                top + i * dil_h >= 0 && top + i * dil_h < height ? left : 0;
            NT_NAME(weight_row)(sum,
                x + (size_t)image * x_n + (long)top * x_h - (long)pad_w * x_w + channel,
                dil_h * x_h, x_w, inside, dy + (size_t)image * y_n + oy * y_h + channel, y_w,
                -pad_w, width, out_w, stride_w, left, ahead_x, &next_x, ahead_y, &next_y);
            if (++oy == out_h) {
                oy = 0;
                image++;
            }
        }
        NT_UNROLL for (int i = 0; i < 9; i++) NT_WRITE_PART(sum[i], to + i * groups, left);
    }
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
    int y_w, int splits, int vectors, int lines)
{
    int rows = images * out_d * out_h, taps = t * r * s;
    int first = column * vectors * NT_VW, end = min(groups, first + vectors * NT_VW);
    int last_row = (int)((long)rows * (split + 1) / splits);
    partial += (size_t)split * taps * groups;
    for (int tap = 0; tap < taps; tap++)
        for (int channel = first; channel < end; channel += NT_VW)
            NT_WRITE_PART((NT_V)(0.0f), partial + tap * groups + channel, groups - channel);
    int first_row = (int)((long)rows * split / splits);
    bool flat = t == 1 && depth == 1 && out_d == 1 && pad_d == 0;
    if (flat && r == 3 && s == 3 && stride_w <= 2 && dil_w == 1) {
        for (int row = first_row; row < last_row; row += lines)
            NT_NAME(weight_nine)(x + x_offset, dy + dy_offset, partial, row,
                min(row + lines, last_row), height, width, groups, first, end, out_h, out_w,
                stride_h, stride_w, pad_h, pad_w, dil_h, x_n, x_h, x_w, y_n, y_h, y_w);
        return;
    }
    for (int row = first_row; row < last_row; row++) {
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
            NT_PIXELS(i < count, NT_NAME(weight_any)(sum, groups, g, to, y_w, from, x_w, left, s,
                stride_w, dil_w, count, start, width, whole))
        }
    }
}

NT_KERNEL(conv_weight_depthwise)
(__global const float *x, int x_offset, __global const float *dy, int dy_offset,
    __global float *partial, int images, int depth, int height, int width, int c, int groups, int k,
    int out_d, int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w,
    int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h,
    int x_w, int y_n, int y_d, int y_h, int y_w, int splits, int vectors, int lines)
{
    int item = get_global_id(1);
    NT_NAME(depthwise_taps)(get_global_id(0) + item / splits, item % splits, x, x_offset, dy,
        dy_offset, partial, images, depth, height, width, c, groups, k, out_d, out_h, out_w, t, r,
        s, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w, x_n, x_d, x_h,
        x_w, y_n, y_d, y_h, y_w, splits, vectors, lines);
}

#undef NT_MANY
#undef NT_COLUMN
#undef NT_MEET
#undef NT_PIXEL_1
#undef NT_PIXEL_2
#undef NT_PIXELS
