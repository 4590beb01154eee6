/* SPDX-License-Identifier: MIT
 *
 * Depthwise convolution: each channel is a group of its own, or NT_JOINED channels are. Serves the
 * forward pass and, with other strides, the backward pass by data (conv.h tells how).
 * Channels-last, so NT_VW neighbouring channels are a vector. `packed` has the weights as
 * [tap][channel of the group it reads][channel]; w_start, w_t, w_r and w_s count taps.
 *
 * A work-item computes `lines` rows of outputs, of each `run` pixels, for `vectors` vectors of
 * channels. A vector goes along the whole row, while the next rows are fetched in their order.
 * Global size: blocks of vectors, runs of a row, blocks of the rows of all images.
 */
#include "prelude.clh"
#include "tile.clh"
#include "taps.clh"
#include "ahead.clh"
#include "joined.clh"

#define NT_EPILOGUE_READ(p) NT_READ_PART(p, left)
/* Pixels that share the loads of weights; sums of a pixel, so that additions need not wait. */
#define NT_MANY 4
#define NT_SUMS (NT_JOINED > 1 ? 2 : 1)

NT_SPREAD_FUNCTION

/* What the taps s give of a column. */
#define NT_TAPS(s, v) weight[s] * v[0] + weight[3 + s] * v[1] + weight[6 + s] * v[2]

/* The next pixel's value, of the columns that there are. With stride 1 a column ends one pixel's
 * sum and is part of those of the next two, with stride 2 every other column begins a sum. */
#define NT_PIXEL_1(has)                                                                            \
    value = one;                                                                                   \
    one = two;                                                                                     \
    two = (NT_V)(0.0f);                                                                            \
    if (has) {                                                                                     \
        NT_COLUMN(v, from);                                                                        \
        value = value + NT_TAPS(2, v);                                                             \
        one = one + NT_TAPS(1, v);                                                                 \
        two = NT_TAPS(0, v);                                                                       \
    }
#define NT_PIXEL_2(has, more)                                                                      \
    value = one;                                                                                   \
    one = (NT_V)(0.0f);                                                                            \
    if (has) {                                                                                     \
        NT_COLUMN(v, from);                                                                        \
        value = value + NT_TAPS(1, v);                                                             \
    }                                                                                              \
    if (more) {                                                                                    \
        NT_COLUMN(v, from + x_w);                                                                  \
        value = value + NT_TAPS(2, v);                                                             \
        one = NT_TAPS(0, v);                                                                       \
    }

#define NT_GIVE_PIXEL                                                                              \
    NT_EPILOGUE_APPLY(value, at, channel);                                                         \
    NT_WRITE_PART(value, y + at, left);                                                            \
    at += y_w
#define NT_FETCH_PIXEL(lines)                                                                      \
    NT_UNROLL for (int i = 0; i < lines; i++)                                                      \
        NT_PREFETCH(next + nt_ahead_next(&next_x, NT_VW));                                         \
    int ahead = nt_ahead_next(&next_y, NT_VW);                                                     \
    NT_PREFETCH(y + ahead);                                                                        \
    NT_EPILOGUE_FETCH(ahead)

/* `count` pixels of 3 x 3 taps whose rows are x_line apart, stride 1 or 2 along the row; their
 * first column is `column`. A vector goes along the whole row, with its weights in registers,
 * while the next rows are fetched in their order. */
NT_OUTLINE void NT_NAME(depthwise_nine)(__global const float *corner, int column, int width,
    int stride, int x_line, int x_w, __global const float *next, __global const float *packed,
    int w_r, int w_s, int groups, int first, int end, int r0, int r1, __global float *y, int place,
    int y_w, int y_next, int count NT_EPILOGUE_PARAMS)
{
    struct nt_ahead next_x = nt_ahead_from(first, end - first, x_w, NT_VW);
    struct nt_ahead next_y = nt_ahead_from(y_next + first, end - first, y_w, NT_VW);
    /* Steps before the first pixel has all of its sum; those from low to high have their columns
     * inside the picture. */
    int head = 3 - stride, start = column + 1 - stride, total = count + head;
    int low = max(head, (stride - 1 - start) / stride);
    int high = min(total, (width - start) / stride);
    for (int channel = first; channel < end; channel += NT_VW) {
        int left = groups - channel, at = place + channel, inside[3];
        __global const float *from = corner + channel - (stride - 1) * x_w;
        NT_V weight[9], value, one = (NT_V)(0.0f), two = (NT_V)(0.0f);
        NT_UNROLL for (int i = 0; i < 9; i++) weight[i] =
            NT_READ_PART(packed + (i / 3 * w_r + i % 3 * w_s) * groups + channel, left);
        NT_UNROLL for (int i = 0; i < 3; i++) inside[i] = i >= r0 && i < r1 ? left : 0;
        for (int step = 0; step < total;) {
            if (step != low || low >= high) {
                int here = start + step * stride;
                bool has = here >= 0 && here < width;
                if (stride == 1) {
                    NT_PIXEL_1(has);
                } else {
                    NT_PIXEL_2(has, here + 1 >= 0 && here + 1 < width);
                }
                if (step++ >= head) {
                    NT_GIVE_PIXEL;
                }
                from += stride * x_w;
            } else if (stride == 1) {
                for (; step < high; step++, from += x_w) {
                    NT_PIXEL_1(true);
                    NT_FETCH_PIXEL(1);
                    NT_GIVE_PIXEL;
                }
            } else {
                for (; step < high; step++, from += 2 * x_w) {
                    NT_PIXEL_2(true, true);
                    NT_FETCH_PIXEL(4);
                    NT_GIVE_PIXEL;
                }
            }
        }
    }
}

/* The same for any taps, from t0 to t1 and r0 to r1 of which lie inside the picture along depth
 * and height. The w_... count floats here, and `fetched` vectors of x are fetched for a pixel. */
NT_OUTLINE void NT_NAME(depthwise_any)(__global const float *corner, int column, int width,
    int stride, int dilation, int x_plane, int x_line, int x_w, __global const float *next,
    int fetched, __global const float *packed, int w_t, int w_r, int w_s, int channels, int first,
    int end, int t0, int t1, int r0, int r1, int s, __global float *y, int place, int y_w,
    int y_next, int count NT_EPILOGUE_PARAMS)
{
    struct nt_ahead next_x = nt_ahead_from(first, end - first, x_w, NT_VW);
    struct nt_ahead next_y = nt_ahead_from(y_next + first, end - first, y_w, NT_VW);
    for (int channel = first; channel < end; channel += NT_VW) {
        int left = channels - channel, at = place + channel;
        for (int i = 0; i < count; i++) {
            for (int j = 0; j < fetched; j++)
                NT_PREFETCH(next + nt_ahead_next(&next_x, NT_VW));
            int ahead = nt_ahead_next(&next_y, NT_VW);
            NT_PREFETCH(y + ahead);
            NT_EPILOGUE_FETCH(ahead);
        }
        for (int ox = 0; ox < count; ox += NT_MANY) {
            int begin = ox * stride, some = count - ox, here = column + begin;
            bool whole = some >= NT_MANY && here >= 0 &&
                         here + (NT_MANY - 1) * stride + (s - 1) * dilation < width;
            NT_V acc[NT_MANY][NT_SUMS];
            NT_UNROLL for (int i = 0; i < NT_MANY * NT_SUMS; i++)
                acc[i / NT_SUMS][i % NT_SUMS] = (NT_V)(0.0f);
            for (int a = t0; a < t1; a++)
                for (int b = r0; b < r1; b++) {
                    __global const float *from =
                        corner + a * x_plane + b * x_line + begin * x_w + channel;
                    __global const float *w = packed + a * w_t + b * w_r + channel;
                    for (int tap = 0; tap < s; tap++, from += dilation * x_w, w += w_s) {
                        NT_V weight[NT_JOINED];
                        NT_UNROLL for (int j = 0; j < NT_JOINED; j++) weight[j] =
                            NT_READ_PART(w + j * channels, left);
                        NT_UNROLL for (int i = 0; i < NT_MANY; i++)
                        {
                            int at_x = here + tap * dilation + i * stride;
                            if (whole || (i < some && at_x >= 0 && at_x < width)) {
                                NT_V value = NT_READ_PART(from + i * stride * x_w, left);
                                NT_UNROLL for (int j = 0; j < NT_JOINED; j++)
                                    acc[i][j % NT_SUMS] += weight[j] * NT_NAME(spread)(value, j);
                            }
                        }
                    }
                }
            NT_UNROLL for (int i = 0; i < NT_MANY; i++)
            {
                if (i < some) {
                    NT_V value = acc[i][0];
                    if (NT_SUMS > 1)
                        value += acc[i][NT_SUMS - 1];
                    NT_GIVE_PIXEL;
                }
            }
        }
    }
}

NT_OUTLINE void NT_NAME(depthwise_rows)(int block_c, int part, int block, __global const float *x,
    __global const float *packed, __global float *y, int images, int depth, int height, int width,
    int channels, int out_d, int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h,
    int stride_w, int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n,
    int x_d, int x_h, int x_w, int y_start, int y_n, int y_d, int y_h, int y_w, int w_t, int w_r,
    int w_s, int run, int vectors, int lines NT_EPILOGUE_PARAMS)
{
    int last_row = min(images * out_d * out_h, (block + 1) * lines);
    int first = block_c * vectors * NT_VW, end = min(channels, first + vectors * NT_VW);
    int ox = part * run, column = ox * stride_w - pad_w, count = min(run, out_w - ox);
    int tap = NT_JOINED * channels;
    bool nine = t == 1 && r == 3 && s == 3 && stride_w <= 2 && dil_w == 1;
    for (int row = block * lines; row < last_row; row++) {
        int oy = row % out_h, oz = row / out_h % out_d, image = row / out_h / out_d;
        int front = oz * stride_d - pad_d, top = oy * stride_h - pad_h;
        int t0 = NT_FIRST(front, dil_d), t1 = NT_END(front, dil_d, depth, t);
        int r0 = NT_FIRST(top, dil_h), r1 = NT_END(top, dil_h, height, r);
        int place = y_start + image * y_n + oz * y_d + oy * y_h + ox * y_w;
        __global const float *corner =
            x + (size_t)image * x_n + front * x_d + (long)top * x_h + (long)column * x_w;
        __global const float *next = corner + ((r - 1) * dil_h + 1) * x_h;
        if (NT_JOINED == 1 && nine && t0 < t1)
            NT_NAME(depthwise_nine)(corner, column, width, stride_w, dil_h * x_h, x_w, next, packed,
                w_r, w_s, channels, first, end, r0, r1, y, place, y_w, place + y_h,
                count NT_EPILOGUE_PASS);
        else
            NT_NAME(depthwise_any)(corner, column, width, stride_w, dil_w, dil_d * x_d, dil_h * x_h,
                x_w, next, stride_h * stride_w, packed, w_t * tap, w_r * tap, w_s * tap, channels,
                first, end, t0, t1, r0, r1, s, y, place, y_w, place + y_h, count NT_EPILOGUE_PASS);
    }
}

NT_KERNEL(conv_depthwise)
(__global const float *x, int x_offset, __global const float *packed, __global float *y,
    int y_offset, int images, int depth, int height, int width, int c, int groups, int k, int out_d,
    int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w, int pad_d,
    int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h, int x_w,
    int y_start, int y_n, int y_d, int y_h, int y_w, int w_start, int w_g, int w_k, int w_c,
    int w_t, int w_r, int w_s, int run, int vectors, int lines NT_EPILOGUE_PARAMS)
{
    NT_NAME(depthwise_rows)(get_global_id(0), get_global_id(1), get_global_id(2), x + x_offset,
        packed + (size_t)w_start * groups * NT_JOINED * NT_JOINED, y + y_offset, images, depth,
        height, width, groups * NT_JOINED, out_d, out_h, out_w, t, r, s, stride_d, stride_h,
        stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w, x_n, x_d, x_h, x_w, y_start, y_n, y_d,
        y_h, y_w, w_t, w_r, w_s, run, vectors, lines NT_EPILOGUE_PASS);
}

#undef NT_MANY
#undef NT_SUMS
#undef NT_TAPS
#undef NT_PIXEL_1
#undef NT_PIXEL_2
#undef NT_GIVE_PIXEL
#undef NT_FETCH_PIXEL
