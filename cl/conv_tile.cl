/* SPDX-License-Identifier: MIT
 *
 * Convolution for CPU devices: y[pixel][k] = sum over taps and channels of x * w, channels-last.
 * Serves the forward pass and, with other strides, the backward pass by data (conv.h tells how).
 *
 * A work-item takes a range of blocks of tiles x panels of NT_NR output channels. It packs the
 * panels' weights as [t tap][r tap][s tap][channel][NT_NR] into its scratch slot, then walks its
 * tiles of NT_MR pixels, which are
 *   mode 2: the same pixel of NT_MR images: taps outside the picture are left out,
 *   mode 1: NT_MR pixels in sequence; read where they lie when they are of one row and none of
 *           their taps is outside; else copied to scratch with zeros for what is outside,
 *   mode 0: NT_MR pixels in sequence, always copied (their distance would use few cache sets).
 * Channels go in blocks of `block_c`; between blocks y holds the partial sums.
 *
 * NT_MR, NT_NV, NT_VW: the register tile.
 */
#include "prelude.clh"
#include "tile.clh"
#include "gather.clh"
#include "panels.clh"
#include "taps.clh"

NT_DEFINE_GATHER

/* Rows of weights that are fetched ahead. */
#define NT_ROWS_AHEAD 4

#if NT_VW == 16 && defined(NT_MASKED)
/* from[0], from[step], ... from[15 * step] where step <= 16: permutes 32 consecutive floats at a
 * time. */
static inline float16 NT_NAME(read_apart)(__global const float *from, int step)
{
    int16 at = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) * step;
    float16 value = (float16)(0.0f);
    int last = 15 * step - 31;
    if (last < 0)
        return __builtin_ia32_vpermi2varps512(
            NT_READ_PART(from, last + 32), at, NT_READ_PART(from + 16, last + 16));
    NT_SLOWLY for (int first = 0; first < last + 32; first += 32)
    {
        int start = min(first, last);
        int16 in = at - start;
        float16 here = __builtin_ia32_vpermi2varps512(
            NT_GET(float, 16, from + start), in, NT_GET(float, 16, from + start + 16));
        value = as_uint16(in) < 32u ? here : value;
    }
    return value;
}

/* 16 columns, each of `count` consecutive floats whose order is [channel][tap]. */
static void NT_NAME(pack_turned)(
    __global const float *w, int w_k, int taps, int channels, int count, __global float *to)
{
    int tap = 0, c = 0, e = 0;
    for (; e + 16 <= count; e += 16) {
        float16 rows[16];
        NT_UNROLL for (int i = 0; i < 16; i++)
        {
            rows[i] = NT_GET(float, 16, w + i * w_k + e);
            NT_PREFETCH(w + i * w_k + e + 64);
        }
        NT_TURN16_(rows);
        NT_UNROLL for (int i = 0; i < 16; i++)
        {
            NT_PUT(rows[i], float, 16, to + (tap * channels + c) * NT_NR);
            bool wraps = ++tap == taps;
            tap = wraps ? 0 : tap;
            c += wraps;
        }
    }
    NT_SLOWLY for (; e < count; e++)
        NT_SLOWLY for (int i = 0; i < 16; i++)
            to[(e % taps * channels + e / taps) * NT_NR + i] = w[i * w_k + e];
}
#endif

/* One panel: to[(tap * channels + channel) * NT_NR + column], zeros beyond `columns`. */
static void NT_NAME(pack_weights)(__global const float *w, int w_k, int w_c, int w_t, int w_r,
    int w_s, int t, int r, int s, int channels, int columns, __global float *to)
{
    int taps = t * r * s, done = 0, deep = channels * taps / 4 * 4;
    bool in_line = w_s == 1 && w_r == s && w_t == r * s && w_c == taps;
#if NT_VW == 16 && defined(NT_MASKED)
    for (; in_line && w_k > 1 && done + 16 <= columns; done += 16)
        NT_NAME(pack_turned)(w + done * w_k, w_k, taps, channels, deep, to + done);
#endif
    /* Four by four where a column's weights are consecutive. */
    for (; in_line && w_k > 1 && done + 4 <= columns; done += 4) {
        __global const float *from = w + done * w_k;
        int tap = 0, c = 0;
        NT_SLOWLY for (int e = 0; e < deep; e += 4)
        {
            float4 r0 = NT_GET(float, 4, from + e), r1 = NT_GET(float, 4, from + w_k + e);
            float4 r2 = NT_GET(float, 4, from + 2 * w_k + e);
            float4 r3 = NT_GET(float, 4, from + 3 * w_k + e);
            float4 low = (float4)(r0.lo, r1.lo), below = (float4)(r2.lo, r3.lo);
            float4 high = (float4)(r0.hi, r1.hi), under = (float4)(r2.hi, r3.hi);
            float4 turned[4] = {(float4)(low.even, below.even), (float4)(low.odd, below.odd),
                (float4)(high.even, under.even), (float4)(high.odd, under.odd)};
            NT_UNROLL for (int i = 0; i < 4; i++)
            {
                NT_PUT(turned[i], float, 4, to + (tap * channels + c) * NT_NR + done);
                bool wraps = ++tap == taps;
                tap = wraps ? 0 : tap;
                c += wraps;
            }
        }
    }
    for (int c = done == NT_NR ? deep / taps : 0; c < channels; c++) {
        __global const float *ahead = w + (c + NT_ROWS_AHEAD) * w_c;
        NT_SLOWLY for (int k = 0; k < columns * w_k; k += 16) NT_PREFETCH(ahead + k);
        for (int i = 0; i < t * r; i++)
            for (int j = 0; j < s; j++) {
                __global const float *from = w + c * w_c + i / r * w_t + i % r * w_r + j * w_s;
                __global float *row = to + ((i * s + j) * channels + c) * NT_NR;
                int first = c * taps + i * s + j < deep ? done : 0;
                if (w_k == 1) {
                    for (int k = 0; k < NT_NR; k += NT_VW)
                        NT_VSTORE(NT_READ_PART(from + k, columns - k), row + k);
                    continue;
                }
#if NT_VW == 16 && defined(NT_MASKED)
                for (; w_k <= 16 && first + 16 <= columns; first += 16)
                    NT_VSTORE(NT_NAME(read_apart)(from + first * w_k, w_k), row + first);
#endif
                NT_SLOWLY for (int k = first; k < NT_NR; k++) row[k] =
                    k < columns ? from[k * w_k] : 0.0f;
            }
    }
}
#undef NT_ROWS_AHEAD

#define NT_EPILOGUE_READ(p) NT_READ_PART(p, left)

/* A whole tile's way from the registers to memory: no masks. */
static void NT_NAME(write_whole)(const NT_V *tile, __global float *y, int y_offset,
    const int *place, int first_channel NT_EPILOGUE_PARAMS)
{
    const int left = NT_VW;
    for (int i = 0; i < NT_MR; i++)
        NT_UNROLL for (int j = 0; j < NT_NV; j++)
        {
            int channel = first_channel + j * NT_VW, at = place[i] + channel;
            NT_V value = tile[i * NT_NV + j];
            NT_EPILOGUE_APPLY(value, at, channel);
            NT_VSTORE(value, y + y_offset + at);
        }
}

static void NT_NAME(write_tile)(const NT_V *tile, __global float *y, int y_offset, const int *place,
    int first, int rows, int column, int columns, int group, int last NT_EPILOGUE_PARAMS)
{
    for (int i = first; i < rows; i++)
        for (int j = 0; j < NT_NV; j++) {
            int left = columns - column - j * NT_VW;
            if (left <= 0)
                break;
            int channel = group * columns + column + j * NT_VW, at = place[i] + channel;
            NT_V value = tile[i * NT_NV + j];
            if (last)
                NT_EPILOGUE_APPLY(value, at, channel);
            NT_WRITE_PART(value, y + y_offset + at, left);
        }
}

NT_OUTLINE void NT_NAME(conv_blocks)(int item, int items,
    __global const float *x, int x_offset, __global const float *w, int w_offset, __global float *y,
    int y_offset, __global float *scratch, int images, int depth, int height, int width, int c, int groups, int k,
    int out_d, int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w,
    int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h,
    int x_w, int y_start, int y_n, int y_d, int y_h, int y_w, int w_start, int w_g, int w_k,
    int w_c, int w_t, int w_r, int w_s, int block_c, int panels, int tiles,
    int mode, int blocks, int slot NT_EPILOGUE_PARAMS)
{
    int pixels = out_d * out_h * out_w, packed = t * r * s * block_c;
    int packed_step = (packed + NT_VW - 1) / NT_VW * NT_VW + 16;
    int across = (k + panels * NT_NR - 1) / (panels * NT_NR);
    int per_pixel = (images + NT_MR - 1) / NT_MR;
    int all = mode == 2 ? pixels * per_pixel : (images * pixels + NT_MR - 1) / NT_MR;
    int down = (all + tiles - 1) / tiles;
    __global float *b_packed = scratch + (size_t)item * slot;
    __global float *a_packed = b_packed + (size_t)panels * packed * NT_NR;
    __global const float *x_end = x + x_offset + (size_t)(images - 1) * x_n + (depth - 1) * x_d +
                                  (height - 1) * x_h + (width - 1) * x_w + groups * c;
    NT_V tile[NT_MR * NT_NV];
    int place[NT_MR];
    int end = (int)((long)blocks * (item + 1) / items);
    for (int block = (int)((long)blocks * item / items); block < end; block++) {
        int k0 = block % across * (panels * NT_NR), k1 = min(k, k0 + panels * NT_NR);
        int i0 = block / across % down * tiles, i1 = min(all, i0 + tiles);
        int group = block / across / down;
        for (int c0 = 0; c0 == 0 || c0 < c; c0 += block_c) {
            int channels = min(block_c, c - c0), last = c0 + block_c >= c;
            bool merged = dil_w == 1 && channels == x_w;
            for (int p = k0; p < k1; p += NT_NR)
                NT_NAME(pack_weights)(w + w_offset + w_start + group * w_g + p * w_k + c0 * w_c,
                    w_k, w_c, w_t, w_r, w_s, t, r, s, channels, min(NT_NR, k - p),
                    b_packed + (size_t)(p - k0) * packed);
            for (int index = i0; index < i1; index++) {
                int first = 0, count = NT_MR, step, rows, runs, length;
                int planes = 1, a_plane = 0, a_row = 0, a_run = 0;
                int b_plane = 0, b_row = 0, b_run = 0, b_start = 0;
                bool direct = true;
                int image, oz, oy, ox;
                if (mode == 2) {
                    int from = index % per_pixel * NT_MR, pixel = index / per_pixel;
                    image = min(from, images - NT_MR);
                    first = from - image;
                    oz = pixel / out_w / out_h;
                    oy = pixel / out_w % out_h;
                    ox = pixel % out_w;
                    for (int i = 0; i < NT_MR; i++)
                        place[i] =
                            y_start + (image + i) * y_n + oz * y_d + oy * y_h + ox * y_w;
                    step = x_n;
                } else {
                    int pixel = index * NT_MR;
                    count = min(NT_MR, images * pixels - pixel);
                    image = pixel / pixels;
                    oz = pixel / out_w / out_h % out_d;
                    oy = pixel / out_w % out_h;
                    ox = pixel % out_w;
                    int left = ox * stride_w - pad_w;
                    int right = left + (NT_MR - 1) * stride_w + (s - 1) * dil_w;
                    direct = mode == 1 && ox + NT_MR <= out_w && count == NT_MR && left >= 0 &&
                             right < width;
                    step = stride_w * x_w;
                }
                __global const float *a = x + x_offset + group * c + c0;
                if (direct) {
                    int front = oz * stride_d - pad_d, top = oy * stride_h - pad_h;
                    int left = ox * stride_w - pad_w;
                    int t0 = NT_FIRST(front, dil_d), t1 = NT_END(front, dil_d, depth, t);
                    int r0 = NT_FIRST(top, dil_h), r1 = NT_END(top, dil_h, height, r);
                    int s0 = NT_FIRST(left, dil_w), s1 = NT_END(left, dil_w, width, s);
                    a += (size_t)image * x_n + (front + t0 * dil_d) * x_d +
                         (top + r0 * dil_h) * x_h + (left + s0 * dil_w) * x_w;
                    a_plane = dil_d * x_d;
                    a_row = dil_h * x_h;
                    a_run = dil_w * x_w;
                    b_run = channels * NT_NR;
                    b_row = s * b_run;
                    b_plane = r * b_row;
                    b_start = t0 * b_plane + r0 * b_row + s0 * b_run;
                    planes = t1 - t0;
                    rows = s1 > s0 ? r1 - r0 : 0;
                    runs = merged ? 1 : s1 - s0;
                    length = merged ? (s1 - s0) * channels : channels;
                }
                if (mode != 2) {
                    int n = image, z = oz, v = oy, u = ox;
                    for (int i = 0; i < NT_MR; i++) {
                        place[i] = y_start + n * y_n + z * y_d + v * y_h + u * y_w;
                        NT_NEXT_PIXEL(n, z, v, u);
                    }
                }
                if (!direct) {
                    /* Of a tile within one plane without the lines of taps that are outside for
                     * all of its pixels. */
                    int end_pixel = index * NT_MR + count - 1, r0 = 0, r1 = r;
                    if (t == 1 && end_pixel / (out_h * out_w) == index * NT_MR / (out_h * out_w)) {
                        r0 = NT_FIRST(end_pixel / out_w % out_h * stride_h - pad_h, dil_h);
                        r1 = NT_END(oy * stride_h - pad_h, dil_h, height, r);
                        r1 = max(r0, r1);
                    }
                    NT_NAME(gather)(a, x_end, index * NT_MR, count, depth, height, width, out_d,
                        out_h, out_w, t, r1 - r0, s, stride_d, stride_h, stride_w, pad_d,
                        pad_h - r0 * dil_h, pad_w, dil_d, dil_h, dil_w, x_n, x_d, x_h, x_w,
                        channels, merged, a_packed, packed_step);
                    length = t * (r1 - r0) * s * channels;
                    for (int i = count; i < NT_MR; i++)
                        NT_NAME(zero)(a_packed + i * packed_step, length);
                    a = a_packed;
                    step = packed_step;
                    rows = runs = 1;
                    b_start = r0 * s * channels * NT_NR;
                }
                for (int p = k0; p < k1; p += NT_NR) {
                    int channel = group * k + p;
                    bool whole = first == 0 && count == NT_MR && p + NT_NR <= k;
                    NT_V acc[NT_MR][NT_NV];
                    for (int i = 0; i < NT_MR; i++)
                        for (int j = 0; j < NT_NR; j += 16) {
                            NT_PREFETCH(y + y_offset + place[i] + channel + j);
                            if (last)
                                NT_EPILOGUE_FETCH(place[i] + channel + j);
                        }
                    if (c0 == 0) {
                        NT_TILE_ZERO(acc);
                    } else if (whole) {
                        NT_UNROLL for (int i = 0; i < NT_MR; i++)
                        {
                            NT_UNROLL for (int j = 0; j < NT_NV; j++)
                                acc[i][j] =
                                    NT_VLOAD(y + y_offset + place[i] + channel + j * NT_VW);
                        }
                    } else {
                        for (int i = first; i < count; i++)
                            for (int j = 0; j < NT_NV; j++)
                                tile[i * NT_NV + j] =
                                    NT_READ_PART(y + y_offset + place[i] + channel + j * NT_VW,
                                        k - p - j * NT_VW);
                        NT_TILE_LOAD(acc, tile);
                    }
                    __global const float *b = b_packed + (size_t)(p - k0) * packed + b_start;
                    for (int h = 0; h < planes; h++)
                        for (int i = 0; i < rows; i++)
                            for (int j = 0; j < runs; j++)
                                NT_TILE_ROWS(acc, a + h * a_plane + i * a_row + j * a_run, step,
                                    b + h * b_plane + i * b_row + j * b_run, NT_NR, length);
                    if (whole && (!last || NT_EPILOGUE_NONE)) {
                        NT_UNROLL for (int i = 0; i < NT_MR; i++)
                        {
                            NT_UNROLL for (int j = 0; j < NT_NV; j++)
                                NT_VSTORE(acc[i][j],
                                    y + y_offset + place[i] + channel + j * NT_VW);
                        }
                        continue;
                    }
                    NT_TILE_STORE(acc, tile);
                    if (whole)
                        NT_NAME(write_whole)(
                            tile, y, y_offset, place, channel NT_EPILOGUE_PASS);
                    else
                        NT_NAME(write_tile)(tile, y, y_offset, place, first, count, p, k, group,
                            last NT_EPILOGUE_PASS);
                }
            }
        }
    }
}

NT_KERNEL_SINGLE(conv_tile)
(__global const float *x, int x_offset, __global const float *w, int w_offset, __global float *y,
    int y_offset, __global float *scratch, int images, int depth, int height, int width, int c, int groups, int k,
    int out_d, int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w,
    int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h,
    int x_w, int y_start, int y_n, int y_d, int y_h, int y_w, int w_start, int w_g, int w_k,
    int w_c, int w_t, int w_r, int w_s, int block_c, int panels, int tiles,
    int mode, int blocks, int slot NT_EPILOGUE_PARAMS)
{
    NT_NAME(conv_blocks)(get_global_id(0), get_global_size(0), x, x_offset, w, w_offset, y,
        y_offset, scratch, images, depth, height, width, c, groups, k, out_d, out_h, out_w, t, r,
        s, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w, x_n, x_d, x_h,
        x_w, y_start, y_n, y_d, y_h, y_w, w_start, w_g, w_k, w_c, w_t, w_r, w_s, block_c, panels,
        tiles, mode, blocks, slot NT_EPILOGUE_PASS);
}
