/* SPDX-License-Identifier: MIT
 *
 * Convolution for CPU devices with few output channels: a vector holds one channel of one pixel of
 * NT_VW images, so no lane is idle however few the channels are. The formula is conv.h's.
 *
 * A work-item takes units of NT_VW images x `rows` rows of one plane of y. It packs the weights as
 * [group][panel][t tap][r tap][s tap][channel][NT_CHANNELS], zeros beyond k, then for each unit
 * turns the rows of x that it needs to
 *
 *   taken[(t tap * lines + line) * columns + column][channel at `pitch`][image]
 *
 * with zeros for what is outside, works out NT_DOWN rows of y, NT_DOWN x 2 pixels of NT_CHANNELS
 * vectors at a time,
 *
 *   given[row][pixel][group][panel * NT_CHANNELS + channel][image]
 *
 * and turns them back. NT_EPILOGUE_BY_CHANNEL: the epilogue reads nothing that differs between
 * images, so it is applied before that, to NT_VW images at once; else afterwards.
 */
#include "prelude.clh"
#include "tile.clh"
#include "gather.clh"
#include "panels.clh"
#include "taps.clh"

NT_DEFINE_COPIES

#define NT_CHANNELS 6
#define NT_DOWN (NT_VW == 16 ? 2 : 1) /* 12 or 24 accumulators of 16 or 32 registers */
#define NT_PIXELS (NT_DOWN * 2)

/* Exchanges rows and columns of NT_VW x NT_VW floats. */
static inline void NT_NAME(turn)(NT_V *rows)
{
#if NT_VW == 16 && defined(NT_MASKED)
    NT_TURN16_(rows);
#else
    float *at = (float *)rows;
    NT_SLOWLY for (int i = 1; i < NT_VW; i++)
        NT_SLOWLY for (int j = 0; j < i; j++) {
            float low = at[i * NT_VW + j];
            at[i * NT_VW + j] = at[j * NT_VW + i];
            at[j * NT_VW + i] = low;
        }
#endif
}

/* to[i * NT_VW + image] = from[image * step + i], i < length; the last image in lanes that have
 * none. */
NT_OUTLINE void NT_NAME(take)(
    __global const float *from, int step, int images, int length, __global float *to)
{
    for (int e = 0; e < length; e += NT_VW, to += NT_VW * NT_VW) {
        NT_V rows[NT_VW];
        NT_UNROLL for (int i = 0; i < NT_VW; i++) rows[i] =
            NT_READ_PART(from + (size_t)min(i, images - 1) * step + e, length - e);
        NT_NAME(turn)(rows);
        if (e + NT_VW <= length)
            NT_UNROLL for (int i = 0; i < NT_VW; i++) NT_VSTORE(rows[i], to + i * NT_VW);
        else
            NT_SLOWLY for (int i = 0; i < length - e; i++) NT_VSTORE(rows[i], to + i * NT_VW);
    }
}

/* A row of `count` pixels. */
static void NT_NAME(take_row)(__global const float *from, int x_n, int x_w, int images,
    int channels, int pitch, int count, __global float *to)
{
    if (pitch == x_w && count > 0)
        NT_NAME(take)(from, x_n, images, (count - 1) * x_w + channels, to);
    else
        NT_SLOWLY for (int i = 0; i < count; i++)
            NT_NAME(take)(from + i * x_w, x_n, images, channels, to + i * pitch * NT_VW);
}

/* The reverse of take: y[at + image * y_n + i] = from[i * NT_VW + image]. */
#define NT_EPILOGUE_READ(p) NT_READ_PART(p, left)
NT_OUTLINE void NT_NAME(give)(__global const float *from, __global float *y, int y_offset, int at,
    int y_n, int images, int length, int channel, int apply NT_EPILOGUE_PARAMS)
{
    NT_V rows[NT_VW];
    for (int done = 0; done < length; done += NT_VW) {
        int left = length - done;
        NT_UNROLL for (int i = 0; i < NT_VW; i++) rows[i] = NT_VLOAD(from + (done + i) * NT_VW);
        NT_NAME(turn)(rows);
        NT_SLOWLY for (int i = 0; i < images; i++)
        {
            NT_V value = rows[i];
            int place = at + i * y_n + done;
            if (apply)
                NT_EPILOGUE_APPLY(value, place, channel + done);
            NT_WRITE_PART(value, y + y_offset + place, left);
        }
    }
}
#undef NT_EPILOGUE_READ

#define NT_EPILOGUE_READ(p) ((NT_V)(*(p)))
static void NT_NAME(apply_by_channel)(
    __global float *given, int pixels, int groups, int k, int padded NT_EPILOGUE_PARAMS)
{
    for (int i = 0; i < pixels * groups; i++, given += padded * NT_VW)
        NT_SLOWLY for (int channel = 0; channel < k; channel++)
        {
            NT_V value = NT_VLOAD(given + channel * NT_VW);
            NT_EPILOGUE_APPLY(value, 0, i % groups * k + channel);
            NT_VSTORE(value, given + channel * NT_VW);
        }
}
#undef NT_EPILOGUE_READ

static void NT_NAME(pack)(__global const float *w, int w_g, int w_k, int w_c, int w_t, int w_r,
    int w_s, int groups, int k, int c, int t, int r, int s, int panels, __global float *to)
{
    int step = t * r * s * c * NT_CHANNELS;
    for (int i = 0; i < groups * panels * NT_CHANNELS; i++) {
        int part = i / NT_CHANNELS, column = i % (panels * NT_CHANNELS);
        __global const float *from = w + part / panels * w_g + column * w_k;
        __global float *row = to + part * step + i % NT_CHANNELS;
        for (int tap = 0; tap < t * r * s; tap++) {
            __global const float *at =
                from + tap / s / r * w_t + tap / s % r * w_r + tap % s * w_s;
            NT_SLOWLY for (int e = 0; e < c; e++, row += NT_CHANNELS, at += w_c)
                *row = column < k ? *at : 0.0f;
        }
    }
}

#define NT_IMAGES_STEP_(x, w)                                                                      \
    do {                                                                                           \
        NT_V pixel_[NT_PIXELS];                                                                    \
        NT_UNROLL for (int p_ = 0; p_ < NT_PIXELS; p_++) pixel_[p_] = NT_VLOAD(                    \
            (x) + p_ / 2 * down_step + p_ % 2 * step);                                             \
        NT_UNROLL for (int q_ = 0; q_ < NT_CHANNELS; q_++)                                         \
        {                                                                                          \
            NT_V weight_ = (NT_V)((w)[q_]);                                                        \
            NT_UNROLL for (int p_ = 0; p_ < NT_PIXELS; p_++) acc[p_][q_] += pixel_[p_] * weight_;  \
        }                                                                                          \
    } while (0)

NT_OUTLINE void NT_NAME(images_units)(int item, int items, __global const float *x, int x_offset,
    __global const float *w, int w_offset, __global float *y, int y_offset, __global float *scratch,
    int images, int depth, int height, int width, int c, int groups, int k, int out_d, int out_h,
    int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w, int pad_d, int pad_h,
    int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h, int x_w, int y_start,
    int y_n, int y_d, int y_h, int y_w, int w_start, int w_g, int w_k, int w_c, int w_t, int w_r,
    int w_s, int rows, int lines, int columns, int pitch, int units, int packed,
    int slot NT_EPILOGUE_PARAMS)
{
    int panels = (k + NT_CHANNELS - 1) / NT_CHANNELS, padded = panels * NT_CHANNELS;
    int strips = (out_h + rows - 1) / rows, line_step = columns * pitch * NT_VW;
    __global float *weights = scratch + (size_t)item * slot, *taken = weights + packed;
    __global float *given = taken + (size_t)t * lines * line_step;
    int before = clamp(pad_w, 0, columns), inside = clamp(width + pad_w, before, columns) - before;
    int given_step = (out_w + 1) / 2 * 2 * groups * padded * NT_VW;
    int by_channel = NT_EPILOGUE_BY_CHANNEL, apply = by_channel ? !NT_EPILOGUE_NONE : 0;
    bool in_line = by_channel && groups == 1 && padded == k && y_w == k;
    bool merged = dil_w == 1 && pitch == c;
    int step = stride_w * pitch * NT_VW, down_step = stride_h * line_step;
    NT_NAME(pack)(w + w_offset + w_start, w_g, w_k, w_c, w_t, w_r, w_s, groups, k, c, t, r, s,
        panels, weights);
    for (int i = 0; i < t * lines; i++) {
        int outside = before + inside;
        NT_NAME(zero)(taken + (size_t)i * line_step, before * pitch * NT_VW);
        NT_NAME(zero)(taken + (size_t)i * line_step + outside * pitch * NT_VW,
            (columns - outside) * pitch * NT_VW);
    }
    int end = (int)((long)units * (item + 1) / items);
    for (int unit = (int)((long)units * item / items); unit < end; unit++) {
        int v0 = unit % strips * rows, v1 = min(out_h, v0 + rows), z = unit / strips % out_d;
        int image = unit / strips / out_d * NT_VW, here = min(images - image, NT_VW);
        int front = z * stride_d - pad_d, top = v0 * stride_h - pad_h;
        int t0 = NT_FIRST(front, dil_d), t1 = NT_END(front, dil_d, depth, t);
        /* Rows outside are read where they are inside for another row of the tile. */
        int j0 = max(0, -stride_h - top), j1 = min(lines, height + stride_h - top);
        for (int i = t0; i < t1; i++)
            for (int j = j0; j < j1; j++) {
                __global float *to = taken + (size_t)(i * lines + j) * line_step;
                if (top + j < 0 || top + j >= height)
                    NT_NAME(zero)(to, line_step);
                else
                    NT_NAME(take_row)(x + x_offset + (size_t)image * x_n +
                                          (front + i * dil_d) * x_d + (top + j) * x_h +
                                          (before - pad_w) * x_w,
                        x_n, x_w, here, groups * c, pitch, inside, to + before * pitch * NT_VW);
            }
        for (int v = v0; v < v1; v += NT_DOWN) {
            /* Taps outside for all pixels of a tile are left out. */
            int down = v * stride_h - pad_h;
            int r0 = NT_FIRST(down + (NT_DOWN - 1) * stride_h, dil_h);
            int r1 = NT_END(down, dil_h, height, r);
            for (int part = 0; part < groups * panels; part++)
                for (int u = 0; u < out_w; u += 2) {
                    int left = u * stride_w - pad_w;
                    int s0 = NT_FIRST(left + stride_w, dil_w), s1 = NT_END(left, dil_w, width, s);
                    int runs = s1 > s0 ? merged ? 1 : s1 - s0 : 0;
                    int length = merged ? (s1 - s0) * c : c;
                    NT_V acc[NT_PIXELS][NT_CHANNELS];
                    NT_UNROLL for (int p = 0; p < NT_PIXELS; p++)
                        NT_UNROLL for (int q = 0; q < NT_CHANNELS; q++) acc[p][q] = (NT_V)(0.0f);
                    for (int i = t0; i < t1; i++) {
                        __global const float *line =
                            taken + (size_t)(i * lines + down - top + r0 * dil_h) * line_step +
                            ((u * stride_w + s0 * dil_w) * pitch + part / panels * c) * NT_VW;
                        __global const float *weight =
                            weights + (((part * t + i) * r + r0) * s + s0) * c * NT_CHANNELS;
                        for (int j = r0; j < r1; j++) {
                            for (int run = 0; run < runs; run++) {
                                __global const float *from = line + run * dil_w * pitch * NT_VW;
                                __global const float *by = weight + run * c * NT_CHANNELS;
                                int e = length;
                                _Pragma("nounroll") for (; e >= 2; e -= 2)
                                {
                                    NT_IMAGES_STEP_(from, by);
                                    NT_IMAGES_STEP_(from + NT_VW, by + NT_CHANNELS);
                                    from += 2 * NT_VW;
                                    by += 2 * NT_CHANNELS;
                                }
                                if (e)
                                    NT_IMAGES_STEP_(from, by);
                            }
                            line += dil_h * line_step;
                            weight += s * c * NT_CHANNELS;
                        }
                    }
                    __global float *to = given + (u * groups * panels + part) * NT_CHANNELS * NT_VW;
                    NT_UNROLL for (int p = 0; p < NT_PIXELS; p++)
                        NT_UNROLL for (int q = 0; q < NT_CHANNELS; q++) NT_VSTORE(acc[p][q],
                            to + p / 2 * given_step + (p % 2 * groups * padded + q) * NT_VW);
                }
            for (int row = v; row < min(v1, v + NT_DOWN); row++) {
                __global float *from = given + (row - v) * given_step;
                int place = y_start + image * y_n + z * y_d + row * y_h;
                if (apply)
                    NT_NAME(apply_by_channel)(from, out_w, groups, k, padded NT_EPILOGUE_PASS);
                if (in_line)
                    NT_NAME(give)(from, y, y_offset, place, y_n, here, out_w * k, 0,
                        0 NT_EPILOGUE_PASS);
                else
                    for (int i = 0; i < out_w * groups; i++)
                        NT_NAME(give)(from + i * padded * NT_VW, y, y_offset,
                            place + i / groups * y_w + i % groups * k, y_n, here, k,
                            i % groups * k, !by_channel NT_EPILOGUE_PASS);
            }
        }
    }
}

NT_KERNEL_SINGLE(conv_images)
(__global const float *x, int x_offset, __global const float *w, int w_offset, __global float *y,
    int y_offset, __global float *scratch, int images, int depth, int height, int width, int c,
    int groups, int k, int out_d, int out_h, int out_w, int t, int r, int s, int stride_d,
    int stride_h, int stride_w, int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w,
    int x_n, int x_d, int x_h, int x_w, int y_start, int y_n, int y_d, int y_h, int y_w,
    int w_start, int w_g, int w_k, int w_c, int w_t, int w_r, int w_s, int rows, int lines,
    int columns, int pitch, int units, int packed, int slot NT_EPILOGUE_PARAMS)
{
    NT_NAME(images_units)(get_global_id(0), get_global_size(0), x, x_offset, w, w_offset, y,
        y_offset, scratch, images, depth, height, width, c, groups, k, out_d, out_h, out_w, t, r, s,
        stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w, x_n, x_d, x_h, x_w,
        y_start, y_n, y_d, y_h, y_w, w_start, w_g, w_k, w_c, w_t, w_r, w_s, rows, lines, columns,
        pitch, units, packed, slot NT_EPILOGUE_PASS);
}
