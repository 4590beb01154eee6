/* SPDX-License-Identifier: MIT
 *
 * Convolution for CPU devices: y[pixel][k] = sum over taps and channels of x * w, channels-last.
 * Serves the forward pass and, with other strides, the backward pass by data (conv.h tells how).
 *
 * A work-item takes a range of blocks of tiles x panels of NT_NR output channels. It packs the
 * panels' weights as [t tap][r tap][s tap][channel][NT_NR] into its scratch slot, then walks its
 * tiles of NT_MR pixels. Pixels are counted along rows, then images (mode 0 and 1), or image by
 * image at the same place (mode 2), where taps that lie outside are outside for most of a tile.
 * An even tile's pixels are equally far apart and have the same taps inside. For another the taps
 * that are inside for any pixel are listed, with pointers to what each pixel reads: to zeros where
 * the tap is outside.
 * Inputs are copied together before in mode 0 (their distance would use few cache sets) and, in
 * mode 1, where a tile is not even and has fewer than NT_FEW channels.
 * Channels go in blocks of `block_c`; between blocks y holds the partial sums.
 * With prepare 1 nothing but the panels of all blocks are packed, into `ready`; with 2 they are
 * taken from there, with 0 each work-item packs its own.
 * Phases of a strided backward pass that have no taps are filled between the tiles of another
 * phase: rest is the extent of all of y, all its steps, every the strides, taken the bits of the
 * phases that have taps.
 *
 * NT_MR, NT_NV, NT_VW: the register tile. NT_FEW: see above.
 */
#include "prelude.clh"
#include "tile.clh"
#include "gather.clh"
#include "panels.clh"
#include "taps.clh"

NT_DEFINE_GATHER

/* The rows of a register tile as lanes of integers. */
#if NT_MR > 8
#define NT_LANES 16
#define NT_IOTA (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#elif NT_MR > 4
#define NT_LANES 8
#define NT_IOTA (int8)(0, 1, 2, 3, 4, 5, 6, 7)
#else
#define NT_LANES 4
#define NT_IOTA (int4)(0, 1, 2, 3)
#endif
#define NT_INTS NT_VECTOR(int, NT_LANES)
#define NT_LANE_UNION                                                                              \
    union {                                                                                        \
        NT_INTS all;                                                                               \
        int of[NT_LANES];                                                                          \
    }
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
    int rows, int column, int columns, int group, int last NT_EPILOGUE_PARAMS)
{
    for (int i = 0; i < rows; i++)
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

/* A tap in a work-item's list: where in a panel its weights are, its steps, and the addresses of
 * its inputs for NT_MR rows. */
#define NT_TAP (2 + NT_MR)

/* Lists the taps of a tile whose pixels have their first taps at front, top, left, and in x at
 * `rows`. Returns how many. */
static int NT_NAME(list_taps)(__global long *list, __global const float *x, NT_INTS rows,
    NT_INTS front, NT_INTS top, NT_INTS left, const struct nt_filter *f, int channels,
    __global const float *zeros)
{
    int count = 0;
    for (int h = 0; h < f->taps.x; h++)
        for (int i = 0; i < f->taps.y; i++) {
            NT_INTS z = front + h * f->dilation.x, v = top + i * f->dilation.y;
            NT_INTS line = (z >= 0) & (z < f->extent.x) & (v >= 0) & (v < f->extent.y);
            for (int j = 0; j < f->taps.z; j++) {
                NT_INTS u = left + j * f->dilation.z;
                NT_INTS inside = line & (u >= 0) & (u < f->extent.z);
                NT_LANE_UNION at;
                int any = 0;
                at.all = inside ? rows + (h * f->step.x + i * f->step.y + j * f->step.z) : -1;
                for (int l = 0; l < NT_MR; l++) {
                    list[2 + l] = (long)(size_t)(at.of[l] < 0 ? zeros : x + at.of[l]);
                    any |= at.of[l] >= 0;
                }
                if (!any)
                    continue;
                list[0] = ((h * f->taps.y + i) * f->taps.z + j) * channels * NT_NR;
                list[1] = channels;
                list += NT_TAP;
                count++;
            }
        }
    return count;
}

/* Of a `whole` tile the sums go to y, else to `tile`; where there are `more`, they are added to
 * those there. */
static inline void NT_NAME(begin)(NT_V acc[NT_MR][NT_NV], __global const float *y,
    const int *place, const NT_V *tile, bool more, bool whole)
{
    if (!more) {
        NT_TILE_ZERO(acc);
    } else if (whole) {
        NT_UNROLL for (int i = 0; i < NT_MR; i++)
        {
            NT_UNROLL for (int j = 0; j < NT_NV; j++)
                acc[i][j] = NT_VLOAD(y + place[i] + j * NT_VW);
        }
    } else {
        NT_TILE_LOAD(acc, tile);
    }
}

static inline void NT_NAME(end)(
    NT_V acc[NT_MR][NT_NV], __global float *y, const int *place, NT_V *tile, bool whole)
{
    if (whole) {
        NT_UNROLL for (int i = 0; i < NT_MR; i++)
        {
            NT_UNROLL for (int j = 0; j < NT_NV; j++)
                NT_VSTORE(acc[i][j], y + place[i] + j * NT_VW);
        }
    } else {
        NT_TILE_STORE(acc, tile);
    }
}

/* The sums of a tile over `count` taps of a list. */
NT_OUTLINE void NT_NAME(sum_taps)(__global const long *list, int count, __global const float *b,
    __global float *y, const int *place, NT_V *tile, bool more, bool whole)
{
    NT_V acc[NT_MR][NT_NV];
    NT_NAME(begin)(acc, y, place, tile, more, whole);
    for (; count > 0; count--, list += NT_TAP)
        NT_TILE_POINTERS(acc, list + 2, b + list[0], NT_NR, list[1]);
    NT_NAME(end)(acc, y, place, tile, whole);
}

/* Zeros, or what the epilogue makes of them, for those of the pixels p0 to p1 of all of y,
 * out_d x out_h x out_w, whose phase has no taps. */
NT_OUTLINE void NT_NAME(fill)(long p0, long p1, __global float *y, int channels, int y_n, int y_d,
    int y_h, int y_w, int out_d, int out_h, int out_w, int every_d, int every_h, int every_w,
    int taken_d, int taken_h, int taken_w NT_EPILOGUE_PARAMS)
{
    int u = p0 % out_w, v = p0 / out_w % out_h, z = p0 / out_w / out_h % out_d;
    int n = p0 / out_w / out_h / out_d;
    while (p0 < p1) {
        int end = (int)min((long)out_w, u + p1 - p0), phase = u % every_w;
        int line = (taken_d >> z % every_d) & (taken_h >> v % every_h) & 1;
        int at = n * y_n + z * y_d + v * y_h + u * y_w;
        p0 += end - u;
        for (; u < end; u++, at += y_w) {
            int taken = line & (taken_w >> phase);
            phase = phase + 1 == every_w ? 0 : phase + 1;
            for (int j = taken ? channels : 0; j < channels; j += NT_VW) {
                int left = channels - j;
                NT_V value = (NT_V)(0.0f);
                NT_EPILOGUE_APPLY(value, at + j, j);
                NT_WRITE_PART(value, y + at + j, left);
            }
        }
        NT_CARRY_ROW(n, z, v, u);
    }
}

NT_OUTLINE void NT_NAME(conv_blocks)(int item, int items, __global const float *x, int x_offset,
    __global const float *w, int w_offset, __global float *y, int y_offset, __global float *scratch,
    int images, int depth, int height, int width, int c, int groups, int k, int out_d, int out_h,
    int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w, int pad_d, int pad_h,
    int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h, int x_w, int y_start,
    int y_n, int y_d, int y_h, int y_w, int w_start, int w_g, int w_k, int w_c, int w_t, int w_r,
    int w_s, int block_c, int panels, int tiles, int mode, int blocks, int slot, int rest_d,
    int rest_h, int rest_w, int all_d, int all_h, int all_w, int every_d, int every_h, int every_w,
    int taken_d, int taken_h, int taken_w, __global float *ready, int prepare NT_EPILOGUE_PARAMS)
{
    int pixels = out_d * out_h * out_w, packed = t * r * s * block_c;
    int packed_step = (packed + NT_VW - 1) / NT_VW * NT_VW + 16;
    int across = (k + panels * NT_NR - 1) / (panels * NT_NR);
    int total = (images * pixels + NT_MR - 1) / NT_MR;
    int down = (total + tiles - 1) / tiles;
    int all_panels = (k + NT_NR - 1) / NT_NR, deep = (c + block_c - 1) / block_c;
    __global float *b_packed = scratch + (size_t)item * slot;
    __global float *zeros = b_packed + (size_t)panels * packed * NT_NR;
    __global long *list = (__global long *)(zeros + (block_c + 15) / 16 * 16);
    __global float *a_packed = (__global float *)(list + (t * r * s * NT_TAP + 7) / 8 * 8);
    __global const float *x_end = x + x_offset + (size_t)(images - 1) * x_n + (depth - 1) * x_d +
                                  (height - 1) * x_h + (width - 1) * x_w + groups * c;
    int a_plane = dil_d * x_d, a_line = dil_h * x_h, a_run = dil_w * x_w;
    const struct nt_filter filter = {(int3)(depth, height, width), (int3)(t, r, s),
        (int3)(dil_d, dil_h, dil_w), (int3)(a_plane, a_line, a_run)};
    int3 pad = (int3)(pad_d, pad_h, pad_w);
    int x_step = mode == 2 ? x_n : stride_w * x_w, y_step = mode == 2 ? y_n : y_w;
    NT_V tile[NT_MR * NT_NV];
    int end = (int)((long)blocks * (item + 1) / items);
    NT_NAME(zero)(zeros, block_c);
    for (int block = (int)((long)blocks * item / items); block < end; block++) {
        int k0 = block % across * (panels * NT_NR), k1 = min(k, k0 + panels * NT_NR);
        int i0 = block / across % down * tiles, i1 = min(total, i0 + tiles);
        int group = block / across / down;
        for (int c0 = 0; c0 == 0 || c0 < c; c0 += block_c) {
            int channels = min(block_c, c - c0), last = c0 + block_c >= c;
            bool merged = dil_w == 1 && channels == x_w;
            size_t part = (size_t)(group * deep + c0 / block_c) * all_panels + k0 / NT_NR;
            __global float *b_panels = prepare ? ready + part * packed * NT_NR : b_packed;
            for (int p = k0; p < k1 && prepare < 2; p += NT_NR)
                NT_NAME(pack_weights)(w + w_offset + w_start + group * w_g + p * w_k + c0 * w_c,
                    w_k, w_c, w_t, w_r, w_s, t, r, s, channels, min(NT_NR, k - p),
                    b_panels + (size_t)(p - k0) * packed);
            if (prepare == 1)
                continue;
            __global const float *a = x + x_offset + group * c + c0;
            for (int index = i0; index < i1; index++) {
                int first = index * NT_MR, count = min(NT_MR, images * pixels - first);
                int pixel = mode == 2 ? first / images : first % pixels;
                int n = mode == 2 ? first % images : first / pixels;
                int z = pixel / out_w / out_h, v = pixel / out_w % out_h, u = pixel % out_w;
                int3 at = (int3)(z * stride_d, v * stride_h, u * stride_w) - pad;
                __global const float *from =
                    a + (long)n * x_n + at.x * x_d + at.y * x_h + at.z * x_w;
                int right = at.z + (NT_MR - 1) * stride_w + (s - 1) * dil_w;
                bool even = mode == 2 ? n + NT_MR <= images
                                      : u + NT_MR <= out_w && at.z >= 0 && right < width;
                even = even && count == NT_MR;
                int step = x_step, taps = 0, planes = 1, lines = 1, runs = 1, length = 0;
                int b_start = 0;
                NT_LANE_UNION place;
                place.all = y_start + n * y_n + z * y_d + v * y_h + u * y_w + NT_IOTA * y_step;
                if (even && mode != 0) {
                    int t0 = NT_FIRST(at.x, dil_d), t1 = NT_END(at.x, dil_d, depth, t);
                    int r0 = NT_FIRST(at.y, dil_h), r1 = NT_END(at.y, dil_h, height, r);
                    int s0 = NT_FIRST(at.z, dil_w), s1 = NT_END(at.z, dil_w, width, s);
                    from += t0 * a_plane + r0 * a_line + s0 * a_run;
                    b_start = ((t0 * r + r0) * s + s0) * channels * NT_NR;
                    planes = t1 - t0;
                    lines = s1 > s0 ? r1 - r0 : 0;
                    runs = merged ? 1 : s1 - s0;
                    length = merged ? (s1 - s0) * channels : channels;
                } else if (mode == 2 || (mode == 1 && channels >= NT_FEW)) {
                    NT_INTS front, top, left, rows;
                    /* Lanes beyond the last pixel are like it. */
                    NT_INTS lane = min(NT_IOTA, (NT_INTS)(count - 1));
                    for (int i = 0; i < count;) {
                        NT_INTS along = lane - i, here = along >= 0;
                        at = (int3)(z * stride_d, v * stride_h, u * stride_w) - pad;
                        int start = n * x_n + at.x * x_d + at.y * x_h + at.z * x_w;
                        int to = y_start + n * y_n + z * y_d + v * y_h + u * y_w;
                        rows = here ? start + along * x_step : rows;
                        place.all = here ? to + along * y_step : place.all;
                        front = here ? at.x : front;
                        top = here ? at.y : top;
                        left = here ? at.z + along * (mode == 2 ? 0 : stride_w) : left;
                        i += mode == 2 ? images - n : out_w - u;
                        n = mode == 2 ? 0 : n;
                        u = mode == 2 ? u + 1 : out_w;
                        NT_CARRY_ROW(n, z, v, u);
                    }
                    taps = NT_NAME(list_taps)(
                        list, a, rows, front, top, left, &filter, channels, zeros);
                } else {
                    /* Of a tile within one plane without the lines of taps that are outside for
                     * all of its pixels. */
                    int end_pixel = first + count - 1, r0 = 0, r1 = r;
                    if (t == 1 && end_pixel / (out_h * out_w) == first / (out_h * out_w)) {
                        r0 = NT_FIRST(end_pixel / out_w % out_h * stride_h - pad_h, dil_h);
                        r1 = NT_END(at.y, dil_h, height, r);
                        r1 = max(r0, r1);
                    }
                    NT_NAME(gather)(a, x_end, first, count, depth, height, width, out_d,
                        out_h, out_w, t, r1 - r0, s, stride_d, stride_h, stride_w, pad_d,
                        pad_h - r0 * dil_h, pad_w, dil_d, dil_h, dil_w, x_n, x_d, x_h, x_w,
                        channels, merged, a_packed, packed_step);
                    b_start = r0 * s * channels * NT_NR;
                    length = t * (r1 - r0) * s * channels;
                    for (int i = count; i < NT_MR; i++)
                        NT_NAME(zero)(a_packed + i * packed_step, length);
                    for (int i = 0; i < NT_MR; i++) {
                        place.of[i] = y_start + n * y_n + z * y_d + v * y_h + u * y_w;
                        NT_NEXT_PIXEL(n, z, v, u);
                    }
                    from = a_packed;
                    step = packed_step;
                    even = true;
                }
                const int *to = place.of;
                for (int p = k0; p < k1; p += NT_NR) {
                    int channel = group * k + p;
                    bool whole = count == NT_MR && p + NT_NR <= k;
                    bool plain = whole && (!last || NT_EPILOGUE_NONE);
                    for (int i = 0; i < NT_MR; i++)
                        for (int j = 0; j < NT_NR; j += 16) {
                            NT_PREFETCH(y + y_offset + to[i] + channel + j);
                            if (last)
                                NT_EPILOGUE_FETCH(to[i] + channel + j);
                        }
                    for (int i = 0; i < count && c0 > 0 && !plain; i++)
                        for (int j = 0; j < NT_NV; j++)
                            tile[i * NT_NV + j] =
                                NT_READ_PART(y + y_offset + to[i] + channel + j * NT_VW,
                                    k - p - j * NT_VW);
                    __global const float *b = b_panels + (size_t)(p - k0) * packed;
                    if (even) {
                        NT_V acc[NT_MR][NT_NV];
                        NT_NAME(begin)(acc, y + y_offset + channel, to, tile, c0 > 0, plain);
                        for (int h = 0; h < planes; h++)
                            for (int i = 0; i < lines; i++)
                                for (int j = 0; j < runs; j++)
                                    NT_TILE_ROWS(acc, from + h * a_plane + i * a_line + j * a_run,
                                        step,
                                        b + b_start + ((h * r + i) * s + j) * channels * NT_NR,
                                        NT_NR, length);
                        NT_NAME(end)(acc, y + y_offset + channel, to, tile, plain);
                    } else {
                        NT_NAME(sum_taps)(list, taps, b, y + y_offset + channel, to, tile, c0 > 0,
                            plain);
                    }
                    if (last && rest_w > 0) {
                        long parts = (long)all_panels * groups * total;
                        long part = ((long)group * all_panels + p / NT_NR) * total + index;
                        long rest = (long)images * rest_d * rest_h * rest_w;
                        NT_NAME(fill)(rest * part / parts, rest * (part + 1) / parts, y + y_offset,
                            groups * k, y_n, all_d, all_h, all_w, rest_d, rest_h, rest_w, every_d,
                            every_h, every_w, taken_d, taken_h, taken_w NT_EPILOGUE_PASS);
                    }
                    if (plain)
                        continue;
                    if (whole)
                        NT_NAME(write_whole)(
                            tile, y, y_offset, to, channel NT_EPILOGUE_PASS);
                    else
                        NT_NAME(write_tile)(tile, y, y_offset, to, count, p, k, group,
                            last NT_EPILOGUE_PASS);
                }
            }
        }
    }
}

NT_KERNEL_SINGLE(conv_tile)
(__global const float *x, int x_offset, __global const float *w, int w_offset, __global float *y,
    int y_offset, __global float *scratch, int images, int depth, int height, int width, int c,
    int groups, int k, int out_d, int out_h, int out_w, int t, int r, int s, int stride_d,
    int stride_h, int stride_w, int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w,
    int x_n, int x_d, int x_h, int x_w, int y_start, int y_n, int y_d, int y_h, int y_w,
    int w_start, int w_g, int w_k, int w_c, int w_t, int w_r, int w_s, int block_c, int panels,
    int tiles, int mode, int blocks, int slot, int rest_d, int rest_h, int rest_w, int all_d,
    int all_h, int all_w, int every_d, int every_h, int every_w, int taken_d, int taken_h,
    int taken_w, __global float *ready, int prepare NT_EPILOGUE_PARAMS)
{
    NT_NAME(conv_blocks)(get_global_id(0), get_global_size(0), x, x_offset, w, w_offset, y,
        y_offset, scratch, images, depth, height, width, c, groups, k, out_d, out_h, out_w, t, r,
        s, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w, x_n, x_d, x_h,
        x_w, y_start, y_n, y_d, y_h, y_w, w_start, w_g, w_k, w_c, w_t, w_r, w_s, block_c, panels,
        tiles, mode, blocks, slot, rest_d, rest_h, rest_w, all_d, all_h, all_w, every_d, every_h,
        every_w, taken_d, taken_h, taken_w, ready, prepare NT_EPILOGUE_PASS);
}

#undef NT_LANES
#undef NT_IOTA
#undef NT_TAP
