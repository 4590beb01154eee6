/* SPDX-License-Identifier: MIT
 *
 * Backward pass of a convolution by its weights, for CPU devices:
 *
 *   partial[split][group][k][tap][c] =
 *       sum over the split's pixels of dy[pixel][k] x[pixel at tap][c]
 *
 * conv_weight_sum adds the splits. A work-item takes a range of blocks of split x `strips` of NT_MR
 * output channels x `panels` of NT_NR columns (tap, c). For `run` pixels at a time it multiplies
 * every strip of dy with every panel of x, and adds the products to the partial sums, which stay
 * in the second-level cache meanwhile.
 *
 * dy is read in place (`direct`) or copied as [strip][pixel][NT_STRIP]. A panel of x is
 * [pixel][NT_NR] in the work-item's scratch slot: its vectors are channels of one tap, with zeros
 * for pixels outside and after the last channel. Where there are few channels (rows > 0) all taps
 * are gathered as rows [pixel][tap][c] instead, which have the panels side by side.
 *
 * NT_MR, NT_NV, NT_VW: the register tile.
 */
#include "prelude.clh"
#include "tile.clh"
#include "gather.clh"

#define NT_STRIP ((NT_MR + NT_VW - 1) / NT_VW * NT_VW)
/* Strips are this much longer than their pixels, to use all sets of a cache. */
#define NT_GAP 16
/* Floats of a cache line. */
#define NT_LINE 16

NT_DEFINE_COPIES

/* A part of a picture, with zeros for what lies outside: to[plane][line][column][c] of `t` planes
 * dil_d apart, `high` lines and `wide` columns, from (z0, y0, x0) on. */
NT_OUTLINE void NT_NAME(frame)(__global const float *x, __global const float *end, int z0, int y0,
    int x0, int t, int dil_d, int high, int wide, int depth, int height, int width, int c, int x_d,
    int x_h, int x_w, __global float *to)
{
    int left = clamp(-x0, 0, wide), right = clamp(width - x0, left, wide);
    for (int plane = z0; t > 0; t--, plane += dil_d)
        for (int line = y0; line < y0 + high; line++, to += wide * c) {
            if (plane < 0 || plane >= depth || line < 0 || line >= height || left == right) {
                NT_NAME(zero)(to, wide * c);
                continue;
            }
            __global const float *from =
                x + (long)plane * x_d + (long)line * x_h + (long)(x0 + left) * x_w;
            NT_NAME(zero)(to, left * c);
            if (c == x_w)
                NT_NAME(copy)(to + left * c, from, (right - left) * c, end);
            else
                for (int j = left; j < right; j++, from += x_w)
                    NT_NAME(copy)(to + j * c, from, c, end);
            NT_NAME(zero)(to + right * c, (wide - right) * c);
        }
}

/* The inputs of `lines` x `count` output pixels as rows: to[pixel] has a x b x d pieces of so many
 * consecutive floats, which are a_step, b_step and d_step apart. Reads and writes up to NT_VW - 1
 * floats more. */
NT_OUTLINE void NT_NAME(unfold)(__global const float *from, int lines, int line_step, int count,
    int pixel_step, int a, int a_step, int b, int b_step, int d, int d_step, int piece,
    __global float *to, int to_step)
{
    for (; lines > 0; lines--, from += line_step)
        for (int u = 0; u < count; u++, to += to_step) {
            __global float *row = to;
            for (int i = 0; i < a; i++)
                for (int j = 0; j < b; j++) {
                    __global const float *at = from + u * pixel_step + i * a_step + j * b_step;
                    NT_NAME(copy_columns)(at, d_step, row, piece, piece, d);
                    row += d * piece;
                }
        }
}

/* The inputs of output pixels p0, p0 + 1, ... as rows to[pixel][t][r][s][c], to_step floats apart;
 * x is the group's first channel. Where the pictures have a border of zeros, or channels of other
 * groups between, `picture` gets the part of them that is needed, without. */
NT_OUTLINE void NT_NAME(rows_of)(__global const float *x, __global const float *end, int p0,
    int pixels, int depth, int height, int width, int c, int out_d, int out_h, int out_w, int t,
    int r, int s, int stride_d, int stride_h, int stride_w, int pad_d, int pad_h, int pad_w,
    int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h, int x_w, __global float *picture,
    __global float *to, int to_step)
{
    int u = p0 % out_w, v = p0 / out_w % out_h, z = p0 / out_w / out_h % out_d;
    int n = p0 / out_w / out_h / out_d;
    bool joined = dil_w == 1;
    while (pixels > 0) {
        bool full = u == 0 && pixels >= out_w;
        int lines = full ? min(pixels / out_w, out_h - v) : 1;
        int count = full ? out_w : min(pixels, out_w - u);
        int z0 = z * stride_d - pad_d, y0 = v * stride_h - pad_h, x0 = u * stride_w - pad_w;
        int high = (lines - 1) * stride_h + (r - 1) * dil_h + 1;
        int wide = (count - 1) * stride_w + (s - 1) * dil_w + 1;
        __global const float *image = x + (size_t)n * x_n;
        __global const float *from = image + (long)z0 * x_d + (long)y0 * x_h + (long)x0 * x_w;
        long last = (long)(t - 1) * dil_d * x_d + (long)(high - 1) * x_h + (long)wide * x_w;
        int plane = dil_d * x_d, line = x_h;
        if (c != x_w || z0 < 0 || y0 < 0 || x0 < 0 || z0 + (t - 1) * dil_d >= depth ||
            y0 + high > height || x0 + wide > width || from + last + NT_VW > end) {
            NT_NAME(frame)(image, end, z0, y0, x0, t, dil_d, high, wide, depth, height, width, c,
                x_d, x_h, x_w, picture);
            from = picture;
            line = wide * c;
            plane = high * line;
        }
        NT_NAME(unfold)(from, lines, stride_h * line, count, stride_w * c, joined ? 1 : t, plane,
            joined ? t : r, joined ? plane : dil_h * line, joined ? r : s,
            joined ? dil_h * line : dil_w * c, joined ? s * c : c, to, to_step);
        to += (size_t)lines * count * to_step;
        pixels -= lines * count;
        u = full ? 0 : (u + count) % out_w;
        v += full ? lines : u == 0;
        NT_CARRY(n, z, v);
    }
}

NT_OUTLINE void NT_NAME(pack_strips)(__global const float *dy, __global const float *end, int p0,
    int pixels, int out_d, int out_h, int out_w, int y_n, int y_d, int y_h, int y_w, int columns,
    int strip_step, __global float *to)
{
    int u = p0 % out_w, v = p0 / out_w % out_h, z = p0 / out_w / out_h % out_d;
    int n = p0 / out_w / out_h / out_d;
    for (int i = 0; i < pixels; i++, to += NT_STRIP) {
        __global const float *from = dy + (size_t)n * y_n + z * y_d + v * y_h + u * y_w;
        __global float *strip = to;
        for (int m = 0; m < columns; m += NT_MR, strip += strip_step)
            for (int j = 0; j < NT_STRIP; j += NT_VW)
                NT_VSTORE(from + m + j + NT_VW <= end ? NT_VLOAD(from + m + j)
                                                      : NT_READ_PART(from + m + j, columns - m - j),
                    strip + j);
        NT_NEXT_PIXEL(n, z, v, u);
    }
}

/* A panel whose vectors may be of several taps, from vector `first` of the columns on; x is the
 * group's first channel. */
NT_OUTLINE void NT_NAME(pack_panel)(__global const float *x, __global const float *end, int p0,
    int pixels, int depth, int height, int width, int c, int out_d, int out_h, int out_w, int t,
    int r, int s, int stride_d, int stride_h, int stride_w, int pad_d, int pad_h, int pad_w,
    int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h, int x_w, int first,
    __global float *to)
{
    int per_tap = (c + NT_VW - 1) / NT_VW;
    for (int j = 0; j < NT_NV; j++) {
        int tap = (first + j) / per_tap, channel = (first + j) % per_tap * NT_VW;
        int z0 = tap / s / r * dil_d - pad_d, y0 = tap / s % r * dil_h - pad_h;
        int x0 = tap % s * dil_w - pad_w;
        int u = p0 % out_w, v = p0 / out_w % out_h, z = p0 / out_w / out_h % out_d;
        int n = p0 / out_w / out_h / out_d;
        for (int i = 0; i < pixels; i++) {
            int plane = z * stride_d + z0, row = v * stride_h + y0, column = u * stride_w + x0;
            NT_V value = (NT_V)(0.0f);
            if (tap < t * r * s && plane >= 0 && plane < depth && row >= 0 && row < height &&
                column >= 0 && column < width) {
                __global const float *at =
                    x + (size_t)n * x_n + plane * x_d + row * x_h + column * x_w + channel;
                value = at + NT_VW <= end ? NT_VLOAD(at) : NT_READ_PART(at, c - channel);
            }
            NT_VSTORE(value, to + i * NT_NR + j * NT_VW);
            NT_NEXT_PIXEL(n, z, v, u);
        }
    }
}

/* Steps of k that operands are fetched ahead. */
#define EARLY 8

/* NT_TILE_COLUMNS for operands that come from the second-level cache; `also` sees B's row_. */
#define PIXELS(acc, a, a_step, b, b_step, count, also)                                             \
    do {                                                                                           \
        __global const float *a_ = (a), *b_ = (b);                                                 \
        _Pragma("nounroll") for (int k_ = (count); k_ > 0; k_--)                                   \
        {                                                                                          \
            NT_V row_[NT_NV];                                                                      \
            NT_UNROLL for (int j_ = 0; j_ < NT_NV; j_++) row_[j_] = NT_VLOAD(b_ + j_ * NT_VW);     \
            NT_PREFETCH(a_ + (a_step)*EARLY + NT_MR - 1);                                          \
            also;                                                                                  \
            NT_UNROLL for (int i_ = 0; i_ < NT_MR; i_++)                                           \
            {                                                                                      \
                NT_V x_ = (NT_V)(a_[i_]);                                                          \
                NT_UNROLL for (int j_ = 0; j_ < NT_NV; j_++) acc[i_][j_] += x_ * row_[j_];         \
            }                                                                                      \
            a_ += (a_step);                                                                        \
            b_ += (b_step);                                                                        \
        }                                                                                          \
    } while (0)

#define ROWS_PREFETCH(row)                                                                         \
    for (int i = 0; i < NT_MR; i++)                                                                \
        for (int j = 0; j < NT_NV; j++)                                                            \
            NT_PREFETCH(row + (size_t)(i < count ? i : 0) * out_step + place[j]);

/* out[k][place] += acc; at the first pixels =. */
#define ROWS_ADD(acc, row)                                                                         \
    do {                                                                                           \
        if (whole && skip == 0 && count == NT_MR) {                                                \
            if (!fresh)                                                                            \
                NT_UNROLL for (int i_ = 0; i_ < NT_MR; i_++)                                       \
                {                                                                                  \
                    NT_UNROLL for (int j_ = 0; j_ < NT_NV; j_++)                                   \
                        acc[i_][j_] += NT_VLOAD(row + (size_t)i_ * out_step + place[j_]);          \
                }                                                                                  \
            NT_UNROLL for (int i_ = 0; i_ < NT_MR; i_++)                                           \
            {                                                                                      \
                NT_UNROLL for (int j_ = 0; j_ < NT_NV; j_++)                                       \
                    NT_VSTORE(acc[i_][j_], row + (size_t)i_ * out_step + place[j_]);               \
            }                                                                                      \
        } else {                                                                                   \
            NT_TILE_STORE(acc, tile);                                                              \
            NT_SLOWLY for (int i_ = skip; i_ < count; i_++)                                        \
                NT_SLOWLY for (int j_ = 0; j_ < NT_NV; j_++)                                       \
                {                                                                                  \
                    __global float *to_ = row + (size_t)i_ * out_step + place[j_];                 \
                    if (left[j_] <= 0)                                                             \
                        continue;                                                                  \
                    NT_V sum_ = tile[i_ * NT_NV + j_];                                             \
                    if (!fresh)                                                                    \
                        sum_ += NT_READ_PART(to_, left[j_]);                                       \
                    NT_WRITE_PART(sum_, to_, left[j_]);                                            \
                }                                                                                  \
        }                                                                                          \
    } while (0)

/* The strips of a panel from output channel `m` on: those before are done. Meanwhile a line of
 * what comes next, from `next` to `next_end`, is fetched per pixel. */
NT_OUTLINE void NT_NAME(multiply)(__global const float *a, int a_step, int strip_step, int direct,
    int m, int k, __global const float *b, int b_step, int pixels, __global float *out,
    int out_step, const int *place, const int *left, int fresh, __global const float *next,
    __global const float *next_end)
{
    NT_V tile[NT_MR * NT_NV];
    bool whole = true;
    for (int j = 0; j < NT_NV; j++) whole = whole && left[j] >= NT_VW;
    for (; m < k; m += NT_MR) {
        long line = next < next_end ? NT_LINE : 0;
        /* Where dy is read in place, the last strip reaches back instead of beyond. */
        int start = direct ? clamp(k - NT_MR, 0, m) : m, skip = m - start;
        int count = min(NT_MR, k - start);
        __global float *row = out + (size_t)start * out_step;
        __global const float *strip = direct ? a + start : a + m / NT_MR * strip_step;
        NT_V acc[NT_MR][NT_NV];
        ROWS_PREFETCH(row);
        NT_TILE_ZERO(acc);
        PIXELS(acc, strip, a_step, b, b_step, pixels, {
            NT_PREFETCH_FAR(next);
            next += line;
        });
        ROWS_ADD(acc, row);
    }
}

/* The first strip of a panel that lies in one tap, which is at (z0, y0, x0) for the first output
 * pixel; copies the panel as it goes. */
NT_OUTLINE void NT_NAME(multiply_first)(__global const float *a, int a_step, int k,
    __global const float *x, int p0, int pixels, int depth, int height, int width, int out_d,
    int out_h, int out_w, int stride_d, int stride_h, int stride_w, int z0, int y0, int x0,
    int x_n, int x_d, int x_h, int x_w, __global float *b, __global float *out, int out_step,
    const int *place, const int *left, int fresh)
{
    NT_V tile[NT_MR * NT_NV];
    int u = p0 % out_w, v = p0 / out_w % out_h, z = p0 / out_w / out_h % out_d;
    int n = p0 / out_w / out_h / out_d, skip = 0, count = min(NT_MR, k), length;
    int b_step = stride_w * x_w;
    bool whole = true;
    for (int j = 0; j < NT_NV; j++) whole = whole && left[j] >= NT_VW;
    /* Outputs whose tap is inside the width. */
    int low = x0 < 0 ? (-x0 + stride_w - 1) / stride_w : 0;
    int high = x0 < width ? (width - 1 - x0) / stride_w + 1 : 0;
    NT_V acc[NT_MR][NT_NV];
    ROWS_PREFETCH(out);
    NT_TILE_ZERO(acc);
    for (int i = 0; i < pixels; i += length) {
        length = min(pixels - i, out_w - u);
        int plane = z * stride_d + z0, row = v * stride_h + y0;
        bool inside = plane >= 0 && plane < depth && row >= 0 && row < height;
        int from = inside ? clamp(low - u, 0, length) : length;
        int to = inside ? clamp(high - u, from, length) : length;
        __global const float *at = x + (size_t)n * x_n + plane * x_d + row * x_h +
                                   (x0 + (u + from) * stride_w) * x_w;
        __global float *copy = b + (size_t)i * NT_NR;
        for (int j = 0; j < from * NT_NR; j += NT_VW) NT_VSTORE((NT_V)(0.0f), copy + j);
        for (int j = to * NT_NR; j < length * NT_NR; j += NT_VW)
            NT_VSTORE((NT_V)(0.0f), copy + j);
        copy += from * NT_NR;
        PIXELS(acc, a + (size_t)(i + from) * a_step, a_step, at, b_step, to - from, {
            NT_UNROLL for (int j_ = 0; j_ < NT_NV; j_++)
            {
                NT_PREFETCH(b_ + b_step * EARLY + j_ * NT_VW);
                NT_VSTORE(row_[j_], copy + j_ * NT_VW);
            }
            copy += NT_NR;
        });
        u = 0;
        v++;
        NT_CARRY(n, z, v);
    }
    ROWS_ADD(acc, out);
}

NT_OUTLINE void NT_NAME(conv_weight_blocks)(int item, int items, __global const float *x,
    int x_offset, __global const float *dy, int dy_offset, __global float *partial,
    int partial_offset, __global float *scratch, int images, int depth, int height, int width,
    int c, int groups, int k, int out_d, int out_h, int out_w, int t, int r, int s, int stride_d,
    int stride_h, int stride_w, int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w,
    int x_n, int x_d, int x_h, int x_w, int y_n, int y_d, int y_h, int y_w, int direct, int rows,
    int strips, int panels, int run, int unit, int packed, int splits, int blocks, int slot)
{
    int all = images * out_d * out_h * out_w, taps = t * r * s, columns = taps * c;
    int per_tap = rows > 0 ? (columns + NT_VW - 1) / NT_VW : (c + NT_VW - 1) / NT_VW;
    int vectors = rows > 0 ? per_tap : taps * per_tap;
    int across = (vectors + panels * NT_NV - 1) / (panels * NT_NV);
    int deep = (k + strips * NT_MR - 1) / (strips * NT_MR);
    int strip_step = run * NT_STRIP + NT_GAP;
    __global float *b = scratch + (size_t)item * slot;
    __global float *a = b + (size_t)run * (rows > 0 ? rows : NT_NR) + NT_GAP;
    __global float *picture = a + packed;
    __global const float *x_end = x + x_offset + (size_t)(images - 1) * x_n + (depth - 1) * x_d +
                                  (height - 1) * x_h + (width - 1) * x_w + groups * c;
    __global const float *dy_end = dy + dy_offset + (size_t)(images - 1) * y_n +
                                   (out_d - 1) * y_d + (out_h - 1) * y_h + (out_w - 1) * y_w +
                                   groups * k;
    int end = (int)((long)blocks * (item + 1) / items);
    for (int block = (int)((long)blocks * item / items); block < end; block++) {
        int q0 = block % across * panels * NT_NV, q1 = min(q0 + panels * NT_NV, vectors);
        int k0 = block / across % deep * strips * NT_MR, ks = min(strips * NT_MR, k - k0);
        int group = block / across / deep % groups, split = block / across / deep / groups;
        int first = (int)((long)(all / unit) * split / splits) * unit;
        int last = (int)((long)(all / unit) * (split + 1) / splits) * unit;
        __global const float *from = x + x_offset + group * c;
        __global const float *gradient = dy + dy_offset + group * k + k0;
        __global float *out = partial + partial_offset +
                              ((size_t)(split * groups + group) * k + k0) * columns;
        for (int p0 = first; p0 == first || p0 < last; p0 += run) {
            int pixels = min(run, last - p0);
            /* A strip of few channels reads those of the next pixel, too. */
            bool in_place = direct && (ks >= NT_MR || gradient + (size_t)(p0 + pixels - 1) * y_w +
                                                              NT_MR <= dy_end);
            if (!in_place)
                NT_NAME(pack_strips)(gradient, dy_end, p0, pixels, out_d, out_h, out_w, y_n, y_d,
                    y_h, y_w, ks, strip_step, a);
            if (rows > 0)
                NT_NAME(rows_of)(from, x_end, p0, pixels, depth, height, width, c, out_d, out_h,
                    out_w, t, r, s, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d,
                    dil_h, dil_w, x_n, x_d, x_h, x_w, picture, b, rows);
            __global const float *strip = in_place ? gradient + (size_t)p0 * y_w : a;
            int a_step = in_place ? y_w : NT_STRIP;
            /* dy of the next pixels, unless most of it belongs to other blocks. */
            __global const float *next = gradient + (size_t)(p0 + pixels) * y_w;
            __global const float *next_end =
                direct && y_w < 2 * ks ? next + (size_t)min(run, last - p0 - pixels) * y_w : next;
            for (int q = q0; q < q1; q += NT_NV) {
                int place[NT_NV], left[NT_NV], m = 0, in_tap = rows > 0 ? columns : c;
                for (int j = 0; j < NT_NV; j++) {
                    int tap = (q + j) / per_tap, channel = (q + j) % per_tap * NT_VW;
                    place[j] = tap * in_tap + channel;
                    left[j] = q + j < vectors ? in_tap - channel : 0;
                }
                int tap = q / per_tap, channel = q % per_tap * NT_VW;
                if (rows == 0 && channel + NT_NR <= c) {
                    NT_NAME(multiply_first)(strip, a_step, ks, from + channel, p0, pixels, depth,
                        height, width, out_d, out_h, out_w, stride_d, stride_h, stride_w,
                        tap / s / r * dil_d - pad_d, tap / s % r * dil_h - pad_h,
                        tap % s * dil_w - pad_w, x_n, x_d, x_h, x_w, b, out, columns, place, left,
                        p0 == first);
                    m = NT_MR;
                } else if (rows == 0) {
                    NT_NAME(pack_panel)(from, x_end, p0, pixels, depth, height, width, c, out_d,
                        out_h, out_w, t, r, s, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w,
                        dil_d, dil_h, dil_w, x_n, x_d, x_h, x_w, q, b);
                }
                NT_NAME(multiply)(strip, a_step, strip_step, in_place, m, ks,
                    rows > 0 ? b + q * NT_VW : b, rows > 0 ? rows : NT_NR, pixels, out, columns,
                    place, left, p0 == first, next, next_end);
                next += (ks - m + NT_MR - 1) / NT_MR * pixels * NT_LINE;
            }
        }
    }
}

NT_KERNEL_SINGLE(conv_weight_tile)
(__global const float *x, int x_offset, __global const float *dy, int dy_offset,
    __global float *partial, int partial_offset, __global float *scratch, int images, int depth,
    int height, int width, int c, int groups, int k, int out_d, int out_h, int out_w, int t, int r,
    int s, int stride_d, int stride_h, int stride_w, int pad_d, int pad_h, int pad_w, int dil_d,
    int dil_h, int dil_w, int x_n, int x_d, int x_h, int x_w, int y_n, int y_d, int y_h, int y_w,
    int direct, int rows, int strips, int panels, int run, int unit, int packed, int splits,
    int blocks, int slot)
{
    NT_NAME(conv_weight_blocks)(get_global_id(0), get_global_size(0), x, x_offset, dy, dy_offset,
        partial, partial_offset, scratch, images, depth, height, width, c, groups, k, out_d, out_h,
        out_w, t, r, s, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w,
        x_n, x_d, x_h, x_w, y_n, y_d, y_h, y_w, direct, rows,
        strips, panels, run, unit, packed, splits, blocks, slot);
}

#undef NT_STRIP
#undef NT_GAP
#undef NT_LINE
#undef PIXELS
#undef EARLY
#undef ROWS_PREFETCH
#undef ROWS_ADD
