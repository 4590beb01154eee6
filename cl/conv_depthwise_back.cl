/* SPDX-License-Identifier: MIT
 *
 * Backward pass by data of a depthwise convolution of 3 x 3 taps and stride 2, all four phases of
 * the stride at once: dx is written in its order, and two pixels of a row read the same gradients.
 * With j = pixel + padding along either dimension,
 *
 *   j = 2 m:     dx = w[0] dy[m] + w[2] dy[m - 1]
 *   j = 2 m + 1: dx = w[1] dy[m]
 *
 * `packed` has the weights as [tap][channel]. A work-item computes `lines` rows of dx for `vectors`
 * vectors of NT_VW channels, each of which goes along the whole row.
 * Global size: blocks of vectors, blocks of the rows of all images.
 */
#include "prelude.clh"
#include "tile.clh"
#include "ahead.clh"

#define NT_EPILOGUE_READ(p) NT_READ_PART(p, left)

#define NT_GIVE_PIXEL(result, place)                                                               \
    do {                                                                                           \
        NT_V value = result;                                                                       \
        int at = place;                                                                            \
        NT_EPILOGUE_APPLY(value, at, channel);                                                     \
        NT_WRITE_PART(value, dx + at, left);                                                       \
    } while (0)
#define NT_EVEN                                                                                    \
    (weight[0] * one + weight[2] * before_one + weight[3] * two + weight[5] * before_two)
#define NT_ODD (weight[1] * one + weight[4] * two)

/* Row j of dx, which begins at place; dy is the row m of the gradients, that before it y_h less. */
NT_OUTLINE void NT_NAME(depthwise_back_row)(int j, __global const float *dy, int m, int out_h,
    int out_w, int y_h, int y_w, __global const float *packed, int groups, int first, int end,
    int width, int pad_w, __global float *dx, int place, int x_h,
    int x_w NT_EPILOGUE_PARAMS)
{
    struct nt_ahead next_x = nt_ahead_from(place + x_h + first, end - first, x_w, NT_VW);
    struct nt_ahead next_y = nt_ahead_from(first, end - first, y_w, NT_VW);
    __global const float *next = dy + y_h;
    int begin = pad_w >> 1, last = (width - 1 + pad_w) >> 1;
    int low = max(max(begin, 0), (pad_w + 1) >> 1), high = min(out_w, (width + pad_w) >> 1);
    for (int channel = first; channel < end; channel += NT_VW) {
        int left = groups - channel;
        int left_one = m >= 0 && m < out_h ? left : 0;
        int left_two = j % 2 == 0 && m >= 1 && m <= out_h ? left : 0;
        __global const float *from = dy + channel + begin * y_w;
        NT_V weight[6], one, two, before_one, before_two;
        NT_UNROLL for (int i = 0; i < 3; i++)
        {
            weight[i] = NT_READ_PART(packed + (j % 2 * 3 + i) * groups + channel, left);
            weight[3 + i] = NT_READ_PART(packed + (6 + i) * groups + channel, left_two);
        }
        bool present = begin > 0 && begin <= out_w;
        before_one = NT_READ_PART(from - y_w, present ? left_one : 0);
        before_two = NT_READ_PART(from - y_w - y_h, present ? left_two : 0);
        for (int n = begin, to = place + channel + (2 * begin - pad_w) * x_w; n <= last;) {
            if (n != low || low >= high) {
                present = n >= 0 && n < out_w;
                one = NT_READ_PART(from, present ? left_one : 0);
                two = NT_READ_PART(from - y_h, present ? left_two : 0);
                if (2 * n - pad_w >= 0)
                    NT_GIVE_PIXEL(NT_EVEN, to);
                if (2 * n - pad_w + 1 < width)
                    NT_GIVE_PIXEL(NT_ODD, to + x_w);
                before_one = one;
                before_two = two;
                n++, from += y_w, to += 2 * x_w;
                continue;
            }
            for (; n < high; n++, from += y_w, to += 2 * x_w) {
                one = NT_READ_PART(from, left_one);
                two = NT_READ_PART(from - y_h, left_two);
                NT_PREFETCH(next + nt_ahead_next(&next_y, NT_VW));
                NT_UNROLL for (int i = 0; i < 2; i++)
                {
                    int ahead = nt_ahead_next(&next_x, NT_VW);
                    NT_PREFETCH(dx + ahead);
                    NT_EPILOGUE_FETCH(ahead);
                }
                NT_GIVE_PIXEL(NT_EVEN, to);
                NT_GIVE_PIXEL(NT_ODD, to + x_w);
                before_one = one;
                before_two = two;
            }
        }
    }
}

NT_KERNEL(conv_depthwise_back)
(__global const float *dy, int dy_offset, __global const float *packed, __global float *dx,
    int dx_offset, int images, int depth, int height, int width, int c, int groups, int k,
    int out_d, int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w,
    int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h,
    int x_w, int y_n, int y_d, int y_h, int y_w, int vectors, int lines NT_EPILOGUE_PARAMS)
{
    int block = get_global_id(1), last = min(images * height, (block + 1) * lines);
    int first = get_global_id(0) * vectors * NT_VW, end = min(groups, first + vectors * NT_VW);
    for (int row = block * lines; row < last; row++) {
        int image = row / height, y = row % height, j = y + pad_h, m = j >> 1;
        NT_NAME(depthwise_back_row)(j & 1, dy + dy_offset + (size_t)image * y_n + (long)m * y_h, m,
            out_h, out_w, y_h, y_w, packed, groups, first, end, width, pad_w, dx + dx_offset,
            image * x_n + y * x_h, x_h, x_w NT_EPILOGUE_PASS);
    }
}

#undef NT_GIVE_PIXEL
#undef NT_EVEN
#undef NT_ODD
