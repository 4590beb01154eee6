/* SPDX-License-Identifier: MIT
 *
 * Backward pass by its weights of a depthwise convolution, whose groups have NT_JOINED channels:
 *
 *   partial[split][tap][j][channel] = sum over the split's rows of
 *       x[channel j of the group, pixel at tap] dy[channel, pixel]
 *
 * conv_weight_sum adds the splits. A work-item takes `vectors` vectors of NT_VW neighbouring
 * channels and the rows of one split. A vector goes along the whole row, with sums in registers:
 * those of 3 x 3 taps of stride 1 or 2, through `lines` rows, or those of one tap. The next rows
 * are fetched in their order meanwhile.
 * Global size: 1, the splits of one block of vectors after those of another, so that a work-item
 * fetches ahead what the next one reads.
 */
#include "prelude.clh"
#include "tile.clh"
#include "taps.clh"
#include "ahead.clh"
#include "joined.clh"

/* Pixels that have sums of their own, so that additions need not wait. */
#define NT_MANY (NT_JOINED > 4 ? 1 : NT_JOINED > 2 ? 2 : 4)

NT_SPREAD_FUNCTION

/* What the taps s get of a column. */
#define NT_MEET(s, g, v)                                                                           \
    NT_UNROLL for (int i = 0; i < 3; i++) sum[3 * i + s] += (g)*v[i]

/* The gradient g of a pixel and the columns that come with it, as far as there are any: with stride
 * 1 its first one, which is also the second of the pixel before and the third of that before it;
 * with stride 2 its first, which is also the third of the pixel before, and its second. */
#define NT_PIXEL_1(has)                                                                            \
    if (has) {                                                                                     \
        NT_COLUMN(v, from);                                                                        \
        NT_MEET(0, g, v);                                                                          \
        NT_MEET(1, before, v);                                                                     \
        NT_MEET(2, earlier, v);                                                                    \
    }                                                                                              \
    earlier = before;                                                                              \
    before = g
#define NT_PIXEL_2(has, more)                                                                      \
    if (has) {                                                                                     \
        NT_COLUMN(v, from);                                                                        \
        NT_MEET(0, g, v);                                                                          \
        NT_MEET(2, before, v);                                                                     \
    }                                                                                              \
    if (more) {                                                                                    \
        NT_COLUMN(v, from + x_w);                                                                  \
        NT_MEET(1, g, v);                                                                          \
    }                                                                                              \
    before = g

/* A row of gradients, at `to`, and the three rows of x that it meets, of which row i has inside[i]
 * channels; their first column is `start`. Pixels from low to high have their columns inside x. */
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
            bool has = column >= 0 && column < width;
            NT_V g = NT_READ_PART(to, ox < out_w ? left : 0);
            if (stride == 1) {
                NT_PIXEL_1(has);
            } else {
                NT_PIXEL_2(has, column + 1 >= 0 && column + 1 < width);
            }
            ox++, from += stride * x_w, to += y_w;
        } else if (stride == 1) {
            for (; ox < high; ox++, from += x_w, to += y_w) {
                NT_V g = NT_READ_PART(to, left);
                NT_PREFETCH(x + nt_ahead_next(next_x, NT_VW));
                NT_PREFETCH(dy + nt_ahead_next(next_y, NT_VW));
                NT_PIXEL_1(true);
            }
        } else {
            for (; ox < high; ox++, from += 2 * x_w, to += y_w) {
                NT_V g = NT_READ_PART(to, left);
                NT_UNROLL for (int i = 0; i < 4; i++) NT_PREFETCH(x + nt_ahead_next(next_x, NT_VW));
                NT_PREFETCH(dy + nt_ahead_next(next_y, NT_VW));
                NT_PIXEL_2(true, true);
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

/* A row of gradients, at `to`, and any taps; those from t0 to t1 and r0 to r1 lie inside x along
 * depth and height. `fetched` vectors of x are fetched for a pixel. */
NT_OUTLINE void NT_NAME(weight_any)(__global const float *corner, int start, int width, int stride,
    int dilation, int x_plane, int x_line, int x_w, int x_next, int fetched,
    __global const float *to, int y_w, int y_next, int out_w, __global float *partial,
    int channels, int first, int end, int t0, int t1, int r0, int r1, int r, int s)
{
    struct nt_ahead next_x = nt_ahead_from(x_next + first, end - first, x_w, NT_VW);
    struct nt_ahead next_y = nt_ahead_from(y_next + first, end - first, y_w, NT_VW);
    for (int channel = first; channel < end; channel += NT_VW) {
        int left = channels - channel;
        for (int i = 0; i < out_w; i++) {
            for (int j = 0; j < fetched; j++)
                NT_PREFETCH(corner + nt_ahead_next(&next_x, NT_VW));
            NT_PREFETCH(to + nt_ahead_next(&next_y, NT_VW));
        }
        for (int a = t0; a < t1; a++)
            for (int i = r0 * s; i < r1 * s; i++) {
                int at = i % s * dilation, column = start + at;
                int ox = NT_FIRST(column, stride), last = NT_END(column, stride, width, out_w);
                __global const float *from =
                    corner + a * x_plane + i / s * x_line + (at + ox * stride) * x_w + channel;
                __global const float *g = to + ox * y_w + channel;
                __global float *give = partial + (a * r * s + i) * NT_JOINED * channels + channel;
                NT_V sum[NT_JOINED][NT_MANY];
                NT_UNROLL for (int j = 0; j < NT_JOINED * NT_MANY; j++)
                    sum[j / NT_MANY][j % NT_MANY] = (NT_V)(0.0f);
                for (; ox + NT_MANY <= last; ox += NT_MANY) {
                    NT_UNROLL for (int m = 0; m < NT_MANY; m++)
                    {
                        NT_V value = NT_READ_PART(from + m * stride * x_w, left);
                        NT_V gradient = NT_READ_PART(g + m * y_w, left);
                        NT_UNROLL for (int j = 0; j < NT_JOINED; j++)
                            sum[j][m] += gradient * NT_NAME(spread)(value, j);
                    }
                    from += NT_MANY * stride * x_w;
                    g += NT_MANY * y_w;
                }
                NT_SLOWLY for (; ox < last; ox++, from += stride * x_w, g += y_w)
                {
                    NT_V value = NT_READ_PART(from, left), gradient = NT_READ_PART(g, left);
                    NT_UNROLL for (int j = 0; j < NT_JOINED; j++)
                        sum[j][0] += gradient * NT_NAME(spread)(value, j);
                }
                NT_UNROLL for (int j = 0; j < NT_JOINED; j++, give += channels)
                {
                    NT_V total = NT_READ_PART(give, left);
                    NT_UNROLL for (int m = 0; m < NT_MANY; m++) total += sum[j][m];
                    NT_WRITE_PART(total, give, left);
                }
            }
    }
}

NT_OUTLINE void NT_NAME(depthwise_taps)(int column, int split, __global const float *x,
    __global const float *dy, __global float *partial, int images, int depth, int height, int width,
    int channels, int out_d, int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h,
    int stride_w, int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n,
    int x_d, int x_h, int x_w, int y_n, int y_d, int y_h, int y_w, int splits, int vectors,
    int lines)
{
    int rows = images * out_d * out_h, sums = t * r * s * NT_JOINED;
    int first = column * vectors * NT_VW, end = min(channels, first + vectors * NT_VW);
    int first_row = (int)((long)rows * split / splits);
    int last_row = (int)((long)rows * (split + 1) / splits);
    partial += (size_t)split * sums * channels;
    for (int i = 0; i < sums; i++)
        for (int channel = first; channel < end; channel += NT_VW)
            NT_WRITE_PART((NT_V)(0.0f), partial + i * channels + channel, channels - channel);
    bool flat = t == 1 && depth == 1 && out_d == 1 && pad_d == 0;
    if (NT_JOINED == 1 && flat && r == 3 && s == 3 && stride_w <= 2 && dil_w == 1) {
        for (int row = first_row; row < last_row; row += lines)
            NT_NAME(weight_nine)(x, dy, partial, row, min(row + lines, last_row), height, width,
                channels, first, end, out_h, out_w, stride_h, stride_w, pad_h, pad_w, dil_h, x_n,
                x_h, x_w, y_n, y_h, y_w);
        return;
    }
    for (int row = first_row; row < last_row; row++) {
        int oy = row % out_h, oz = row / out_h % out_d, image = row / out_h / out_d;
        int front = oz * stride_d - pad_d, top = oy * stride_h - pad_h;
        int t0 = NT_FIRST(front, dil_d), t1 = NT_END(front, dil_d, depth, t);
        int r0 = NT_FIRST(top, dil_h), r1 = NT_END(top, dil_h, height, r);
        NT_NAME(weight_any)(
            x + (size_t)image * x_n + front * x_d + (long)top * x_h - (long)pad_w * x_w, -pad_w,
            width, stride_w, dil_w, dil_d * x_d, dil_h * x_h, x_w, ((r - 1) * dil_h + 1) * x_h,
            stride_h * stride_w, dy + (size_t)image * y_n + oz * y_d + oy * y_h, y_w, y_h, out_w,
            partial, channels, first, end, t0, t1, r0, r1, r, s);
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
    NT_NAME(depthwise_taps)(item / splits, item % splits, x + x_offset,
        dy + dy_offset, partial, images, depth, height, width, groups * NT_JOINED, out_d, out_h,
        out_w, t, r, s, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w, x_n,
        x_d, x_h, x_w, y_n, y_d, y_h, y_w, splits, vectors, lines);
}

#undef NT_MANY
#undef NT_MEET
#undef NT_PIXEL_1
#undef NT_PIXEL_2
