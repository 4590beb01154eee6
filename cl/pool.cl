/* SPDX-License-Identifier: MIT
 *
 * Pooling over channels-last tensors of one to three spatial dimensions (D, H, W; those that a
 * tensor lacks are 1): stride 1 from channel to channel, any other strides (x_n, x_d, x_h, x_w;
 * elements). index holds (d*H+h)*W+w of each maximum, -1 where a window covers nothing.
 *
 * Work-items: _tile: one per work-group, takes `chunk` pixels of the result in order, NT_VEC
 * channels at a time. Of the last vector of a pixel the first lanes count, where vectors are of 16;
 * narrower ones are moved back to end at C, so NT_VEC <= C.
 * _group: one per element; grid W*C, H, N*D of the result, NT_VEC is 1. No local memory.
 *
 * NT_MAX: 1 maximum, 0 average. NT_VEC: 1, 4, 8 or 16. NT_TILE: 1 _tile, 0 _group.
 * NT_DEPTH: 0 when D is 1 and so is every window's depth. NT_ADAPTIVE: 1 when window o of O over
 * I elements is [o I / O, (o + 1) I / O), rounded outwards; the rest of the window is then unused.
 * NT_KH, NT_KW: 0, or the size of the windows when it is small.
 * NT_CLIPPED: 0 when all windows lie inside x.
 * NT_SH, NT_SW: 0, or their stride when it is small and the dilation 1: the gradient then goes cell
 * by cell, a cell being the pixels from the start of one window to that of the next.
 */
#include "prelude.clh"
#include "tile.clh"
#include "pool.clh"

#ifndef NT_MAX
#define NT_MAX 1
#endif
#ifndef NT_VEC
#define NT_VEC 1
#endif
#ifndef NT_TILE
#define NT_TILE 0
#endif
#ifndef NT_DEPTH
#define NT_DEPTH 0
#endif
#ifndef NT_ADAPTIVE
#define NT_ADAPTIVE 0
#endif
#ifndef NT_KH
#define NT_KH 0
#define NT_KW 0
#endif
#ifndef NT_CLIPPED
#define NT_CLIPPED 1
#endif
#ifndef NT_SH
#define NT_SH 0
#define NT_SW 0
#endif

#define VF NT_VECTOR(float, NT_VEC)
#define VI NT_VECTOR(int, NT_VEC)

/* Vector k of the channels starts at PLACE(k); `lanes` of it count. */
#if NT_VEC == 16
#define PLACE(k) (k)
#define LOAD(p) nt_read_part16(p, lanes)
#define STORE(v, p) nt_write_part16(v, p, lanes)
#define LOAD_INDEX(p) as_int16(nt_read_part16((__global const float *)(p), lanes))
#define STORE_INDEX(v, p) nt_write_part16(as_float16(v), (__global float *)(p), lanes)
#else
#define PLACE(k) min(k, C - NT_VEC)
#define LOAD(p) NT_GET(float, NT_VEC, p)
#define STORE(v, p) NT_PUT(v, float, NT_VEC, p)
#define LOAD_INDEX(p) NT_GET(int, NT_VEC, p)
#define STORE_INDEX(v, p) NT_PUT(v, int, NT_VEC, p)
#endif

/* Along one dimension of extent `in` with `out` windows: where window o starts, its taps
 * [FIRST_TAP, END_TAP), the taps an average counts, and the windows that reach an element. */
#if NT_ADAPTIVE
#define START(o, s, p, in, out) ((o) * (in) / (out))
#define FIRST_TAP(start, k, d) 0
#define END_TAP(start, o, k, d, in, out) (pool_divide_up(((o) + 1) * (in), out) - (start))
#define COUNT(start, o, k, d, in, out, edge) END_TAP(start, o, k, d, in, out)
#define FIRST_WINDOW(at, k, d, s, p, in, out) ((at) * (out) / (in))
#define END_WINDOW(at, s, p, in, out) pool_divide_up(((at) + 1) * (out), in)
#else
#define START(o, s, p, in, out) ((o) * (s) - (p))
#define FIRST_TAP(start, k, d) pool_first_tap(start, k, d)
#define END_TAP(start, o, k, d, in, out) pool_end_tap(start, k, d, in)
#define COUNT(start, o, k, d, in, out, edge) pool_count(start, k, d, in, edge)
#define FIRST_WINDOW(at, k, d, s, p, in, out) pool_first_window((at) + (p), k, d, s)
#define END_WINDOW(at, s, p, in, out) pool_end_window((at) + (p), s, out)
#endif

#if NT_DEPTH
#define START_D(o) START(o, sd, pd, D, OD)
#define TAPS_D const int front = FIRST_TAP(d0, kd, dd), back = END_TAP(d0, od, kd, dd, D, OD)
#define COUNT_D(start, o) COUNT(start, o, kd, dd, D, OD, edge_d)
#define WINDOWS_D                                                                                  \
    const int front = FIRST_WINDOW(d, kd, dd, sd, pd, D, OD), back = END_WINDOW(d, sd, pd, D, OD)
#else
#define START_D(o) 0
#define TAPS_D const int front = 0, back = 1
#define COUNT_D(start, o) 1
#define WINDOWS_D const int front = 0, back = 1
#endif
#if NT_CLIPPED
#define TAPS_H const int top = FIRST_TAP(h0, kh, dh), bottom = END_TAP(h0, oh, kh, dh, H, OH)
#define TAPS_W const int left = FIRST_TAP(w0, kw, dw), right = END_TAP(w0, ow, kw, dw, W, OW)
#else
#define TAPS_H const int top = 0, bottom = NT_KH
#define TAPS_W const int left = 0, right = NT_KW
#endif
#define START_H(o) START(o, sh, ph, H, OH)
#define START_W(o) START(o, sw, pw, W, OW)
#define COUNT_H(start, o) COUNT(start, o, kh, dh, H, OH, edge_h)
#define COUNT_W(start, o) COUNT(start, o, kw, dw, W, OW, edge_w)

/* Division by D or OD, which often is 1. */
#define OVER_DEPTH(at, depth) (NT_DEPTH ? (at) / (depth) : (at))

/* The shapes and the window, in the order of the host's list. edge: see pool_count. fixed: 0, or 1
 * over what every sum is divided by. */
#define WINDOW                                                                                     \
    int N, int C, int D, int H, int W, int OD, int OH, int OW, int kd, int kh, int kw, int sd,     \
        int sh, int sw, int dd, int dh, int dw, int pd, int ph, int pw, int edge_d, int edge_h,    \
        int edge_w, float fixed, int chunk
#define WINDOW_ARGUMENTS                                                                           \
    N, C, D, H, W, OD, OH, OW, kd, kh, kw, sd, sh, sw, dd, dh, dw, pd, ph, pw, edge_d, edge_h,     \
        edge_w, fixed, chunk
#define STRIDES                                                                                    \
    int y_n, int y_d, int y_h, int y_w, int i_n, int i_d, int i_h, int i_w, int x_n, int x_d,      \
        int x_h, int x_w
#define STRIDES_ARGUMENTS y_n, y_d, y_h, y_w, i_n, i_d, i_h, i_w, x_n, x_d, x_h, x_w

/* What the sum of a window of so many taps is multiplied by. */
static inline float NT_NAME(share)(int count_d, int count_h, int count_w, float fixed)
{
    if (fixed > 0)
        return fixed;
    return count_d > 0 && count_h > 0 && count_w > 0
               ? 1.0f / ((float)count_d * (float)count_h * (float)count_w)
               : 0.0f;
}

/* NT_VEC channels of one window, of its taps [front, back) by [top, bottom) by [left, right). x and
 * position (of the index) are those of tap 0, 0, 0, which may lie outside; steps lead from tap to
 * tap. EACH stands before the loops. */
#if NT_MAX
#define WINDOW_TAPS(EACH, top, bottom, left, right)                                                \
    VF best = -INFINITY;                                                                           \
    VI where = front < back && (top) < (bottom) && (left) < (right)                                \
                   ? position + front * plane + (top)*line + (left)*column                         \
                   : -1;                                                                           \
    for (int t = front; t < back; t++) {                                                           \
        EACH for (int i = top; i < (bottom); i++)                                                  \
        {                                                                                          \
            EACH for (int j = left; j < (right); j++)                                              \
            {                                                                                      \
                const VF v = LOAD(x + t * step_d + i * step_h + j * step_w);                       \
                const VI take = !(v <= best) & (best == best);                                     \
                best = select(best, v, take);                                                      \
                where = select(where, (VI)(position + t * plane + i * line + j * column), take);   \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    *index = where;                                                                                \
    return best
#else
#define WINDOW_TAPS(EACH, top, bottom, left, right)                                                \
    VF sum = 0;                                                                                    \
    for (int t = front; t < back; t++) {                                                           \
        EACH for (int i = top; i < (bottom); i++)                                                  \
        {                                                                                          \
            VF row = 0;                                                                            \
            EACH for (int j = left; j < (right); j++) row +=                                       \
                LOAD(x + t * step_d + i * step_h + j * step_w);                                    \
            sum += row;                                                                            \
        }                                                                                          \
    }                                                                                              \
    return sum * share
#endif

static inline VF NT_NAME(window)(__global const float *x, int step_d, int step_h, int step_w,
    int position, int plane, int line, int column, int front, int back, int top, int bottom,
    int left, int right, float share, int lanes, VI *index)
{
#if NT_KH
    if (!NT_CLIPPED || (bottom - top == NT_KH && right - left == NT_KW)) {
        WINDOW_TAPS(NT_UNROLL, 0, NT_KH, 0, NT_KW);
    }
#endif
#if NT_CLIPPED
    WINDOW_TAPS(NT_SLOWLY, top, bottom, left, right);
#endif
}

/* NT_VEC channels of dx at pixel (d, h, w), from the windows [front, back) by [top, bottom) by
 * [left, right). */
static inline VF NT_NAME(gather)(__global const float *dy, __global const int *index, int lanes,
    int d, int h, int w, int front, int back, int top, int bottom, int left, int right, STRIDES,
    WINDOW)
{
    VF sum = 0;
    for (int t = front; t < back; t++) {
        for (int i = top; i < bottom; i++) {
            for (int j = left; j < right; j++) {
                const VF g = LOAD(dy + t * y_d + i * y_h + j * y_w);
#if NT_MAX
                const VI here =
                    LOAD_INDEX(index + t * i_d + i * i_h + j * i_w) == (d * H + h) * W + w;
                sum += select((VF)0, g, here);
#else
                const int d0 = START_D(t), h0 = START_H(i), w0 = START_W(j);
#if !NT_ADAPTIVE
                if ((dd > 1 && (d - d0) % dd) || (dh > 1 && (h - h0) % dh) ||
                    (dw > 1 && (w - w0) % dw))
                    continue;
#endif
                sum += g * NT_NAME(share)(COUNT_D(d0, t), COUNT_H(h0, i), COUNT_W(w0, j), fixed);
#endif
            }
        }
    }
    return sum;
}

#if NT_TILE

/* For each vector of a window or cell fetches as many of x, or dx, as it is the first to touch, but
 * from the rows of the next windows, and in the order of memory: that of windows is none which the
 * processor would follow. Pixels that do not lie one after the other are not fetched. */
#define FETCH                                                                                      \
    do {                                                                                           \
        const int step = x_w == C ? NT_VEC : 0;                                                    \
        NT_UNROLL for (int i = 0; i < NT_SH * NT_SW; i++) NT_PREFETCH(next + i * step);            \
        next += NT_SH * NT_SW * step;                                                              \
    } while (0)

NT_OUTLINE void NT_NAME(forward)(int pixel, __global const float *x, __global float *y,
    __global int *index, STRIDES, WINDOW, int has_index)
{
    const int stop = min(pixel + chunk, N * OD * OH * OW);
    while (pixel < stop) {
        const int row = pixel / OW, slice = row / OH, oh = row - slice * OH;
        const int n = OVER_DEPTH(slice, OD), od = slice - n * OD;
        const int first = pixel - row * OW, last = min(OW, first + stop - pixel);
        const int d0 = START_D(od), h0 = START_H(oh);
        TAPS_D;
        TAPS_H;
        __global const float *next =
            x + n * x_n + d0 * x_d + (h0 + NT_KH) * x_h + START_W(first) * x_w;
        for (int ow = first; ow < last; ow++) {
            const int w0 = START_W(ow);
            TAPS_W;
            const float share =
                NT_MAX ? 0.0f
                       : NT_NAME(share)(COUNT_D(d0, od), COUNT_H(h0, oh), COUNT_W(w0, ow), fixed);
            __global const float *from = x + n * x_n + d0 * x_d + h0 * x_h + w0 * x_w;
            __global float *to = y + n * y_n + od * y_d + oh * y_h + ow * y_w;
            __global int *to_index = index + n * i_n + od * i_d + oh * i_h + ow * i_w;
            for (int k = 0; k < C; k += NT_VEC) {
                const int c = PLACE(k), lanes = C - c;
                VI where = 0;
                const VF value = NT_NAME(window)(from + c, dd * x_d, dh * x_h, dw * x_w,
                    (d0 * H + h0) * W + w0, dd * H * W, dh * W, dw, front, back, top, bottom, left,
                    right, share, lanes, &where);
                FETCH;
                STORE(value, to + c);
                if (has_index)
                    STORE_INDEX(where, to_index + c);
            }
        }
        pixel += last - first;
    }
}

NT_KERNEL_SINGLE(pool_forward_tile)
(__global const float *x, int x_offset, __global float *y, int y_offset, __global int *index,
    int index_offset, STRIDES, WINDOW, int has_index)
{
    NT_NAME(forward)((int)get_group_id(0) * chunk, x + x_offset, y + y_offset,
        index + index_offset, STRIDES_ARGUMENTS, WINDOW_ARGUMENTS, has_index);
}

#if NT_SH

/* How many windows reach a cell, by rows and columns. */
#define REACH_H ((NT_KH + NT_SH - 1) / NT_SH)
#define REACH_W ((NT_KW + NT_SW - 1) / NT_SW)

/* NT_VEC channels of the cell of window (oh, ow), which lies inside dx as all windows do that reach
 * it. dy and index are those of that window. */
static inline void NT_NAME(cell)(__global const float *dy, __global const int *index,
    __global float *dx, int lanes, int oh, int ow, STRIDES, WINDOW)
{
    VF g[REACH_H][REACH_W];
    VI where[REACH_H][REACH_W];
    NT_UNROLL for (int a = 0; a < REACH_H; a++)
    {
        NT_UNROLL for (int b = 0; b < REACH_W; b++)
        {
            g[a][b] = LOAD(dy - a * y_h - b * y_w);
#if NT_MAX
            where[a][b] = LOAD_INDEX(index - a * i_h - b * i_w) - START_H(oh) * W - START_W(ow);
#else
            g[a][b] *=
                NT_NAME(share)(1, NT_CLIPPED ? COUNT_H(START_H(oh - a), oh - a) : NT_KH,
                    NT_CLIPPED ? COUNT_W(START_W(ow - b), ow - b) : NT_KW, fixed);
#endif
        }
    }
    NT_UNROLL for (int i = 0; i < NT_SH; i++)
    {
        NT_UNROLL for (int j = 0; j < NT_SW; j++)
        {
            VF sum = 0;
            NT_UNROLL for (int a = 0; a < REACH_H; a++)
            {
                NT_UNROLL for (int b = 0; b < REACH_W; b++)
                {
                    if (a * NT_SH + i < NT_KH && b * NT_SW + j < NT_KW)
                        sum += NT_MAX ? select((VF)0, g[a][b], where[a][b] == i * W + j) : g[a][b];
                }
            }
            STORE(sum, dx + i * x_h + j * x_w);
        }
    }
}

/* Cells may reach beyond dx, as far as windows do, and lie past the last window. */
NT_OUTLINE void NT_NAME(backward)(int cell, __global const float *dy, __global const int *index,
    __global float *dx, STRIDES, WINDOW)
{
    const int rows = (H + ph + NT_SH - 1) / NT_SH, columns = (W + pw + NT_SW - 1) / NT_SW;
    const int stop = min(cell + chunk, N * rows * columns);
    while (cell < stop) {
        const int row = cell / columns, n = row / rows, oh = row - n * rows;
        const int first = cell - row * columns, last = min(columns, first + stop - cell);
        const int h = START_H(oh);
        __global const float *next = dx + n * x_n + (h + NT_SH) * x_h + START_W(first) * x_w;
        for (int ow = first; ow < last; ow++) {
            const int w = START_W(ow);
            const int whole = min(h, w) >= 0 && h + NT_SH <= H && w + NT_SW <= W && oh < OH &&
                              ow < OW && oh >= REACH_H - 1 && ow >= REACH_W - 1;
            __global const float *from = dy + n * y_n + oh * y_h + ow * y_w;
            __global const int *from_index = index + n * i_n + oh * i_h + ow * i_w;
            __global float *to = dx + n * x_n + h * x_h + w * x_w;
            for (int k = 0; k < C; k += NT_VEC) {
                const int c = PLACE(k), lanes = C - c;
                if (whole) {
                    NT_NAME(cell)(from + c, from_index + c, to + c, lanes, oh, ow,
                        STRIDES_ARGUMENTS, WINDOW_ARGUMENTS);
                    FETCH;
                    NT_PREFETCH(from + y_h + k);
#if NT_MAX
                    NT_PREFETCH(from_index + i_h + k);
#endif
                    continue;
                }
                NT_SLOWLY for (int i = max(0, -h); i < min(NT_SH, H - h); i++)
                {
                    NT_SLOWLY for (int j = max(0, -w); j < min(NT_SW, W - w); j++)
                    {
                        const int top = oh + 1 - (NT_KH - i + NT_SH - 1) / NT_SH;
                        const int left = ow + 1 - (NT_KW - j + NT_SW - 1) / NT_SW;
                        STORE(NT_NAME(gather)(dy + n * y_n + c, index + n * i_n + c, lanes, 0,
                                  h + i, w + j, 0, 1, max(0, top), min(oh + 1, OH), max(0, left),
                                  min(ow + 1, OW), STRIDES_ARGUMENTS, WINDOW_ARGUMENTS),
                            to + i * x_h + j * x_w + c);
                    }
                }
            }
        }
        cell += last - first;
    }
}

#else

#define GATHER(channel, count)                                                                     \
    do {                                                                                           \
        const int c = channel, lanes = count;                                                      \
        STORE(NT_NAME(gather)(dy + n * y_n + c, index + n * i_n + c, lanes, d, h, w, front, back,  \
                  top, bottom, left, right, STRIDES_ARGUMENTS, WINDOW_ARGUMENTS),                  \
            to + c);                                                                               \
    } while (0)

/* The window range of a column moves on by counting: a division per pixel would cost more than
 * the pixel. */
NT_OUTLINE void NT_NAME(backward)(int pixel, __global const float *dy, __global const int *index,
    __global float *dx, STRIDES, WINDOW)
{
    const int stop = min(pixel + chunk, N * D * H * W);
    while (pixel < stop) {
        const int row = pixel / W, slice = row / H, h = row - slice * H;
        const int n = OVER_DEPTH(slice, D), d = slice - n * D;
        const int first = pixel - row * W, last = min(W, first + stop - pixel);
        WINDOWS_D;
        const int top = FIRST_WINDOW(h, kh, dh, sh, ph, H, OH);
        const int bottom = END_WINDOW(h, sh, ph, H, OH);
#if !NT_ADAPTIVE
        int left = FIRST_WINDOW(first, kw, dw, sw, pw, W, OW), end = (first + pw) / sw + 1;
        int next_begin = left * sw + (kw - 1) * dw + 1, next_end = end * sw;
#endif
        for (int w = first; w < last; w++) {
#if NT_ADAPTIVE
            const int left = FIRST_WINDOW(w, kw, dw, sw, pw, W, OW);
            const int right = END_WINDOW(w, sw, pw, W, OW);
#else
            if (w + pw == next_begin) {
                left++;
                next_begin += sw;
            }
            if (w + pw == next_end) {
                end++;
                next_end += sw;
            }
            const int right = min(end, OW);
#endif
            __global float *to = dx + n * x_n + d * x_d + h * x_h + w * x_w;
            int k = 0;
            for (; k + NT_VEC <= C; k += NT_VEC) GATHER(k, NT_VEC);
            if (k < C)
                GATHER(PLACE(k), C - PLACE(k));
        }
        pixel += last - first;
    }
}

#undef GATHER
#endif

NT_KERNEL_SINGLE(pool_backward_tile)
(__global const float *dy, int dy_offset, __global const int *index, int index_offset,
    __global float *dx, int dx_offset, STRIDES, WINDOW)
{
    NT_NAME(backward)((int)get_group_id(0) * chunk, dy + dy_offset, index + index_offset,
        dx + dx_offset, STRIDES_ARGUMENTS, WINDOW_ARGUMENTS);
}

#else

NT_KERNEL(pool_forward_group)
(__global const float *x, int x_offset, __global float *y, int y_offset, __global int *index,
    int index_offset, STRIDES, WINDOW, int has_index)
{
    const int item = (int)get_global_id(0), ow = item / C, c = item - ow * C;
    if (ow >= OW)
        return;
    const int w0 = START_W(ow);
    TAPS_W;
    const int slice = (int)get_global_id(2), oh = (int)get_global_id(1);
    const int n = OVER_DEPTH(slice, OD), od = slice - n * OD, d0 = START_D(od), h0 = START_H(oh);
    TAPS_D;
    TAPS_H;
    const float share =
        NT_MAX ? 0.0f : NT_NAME(share)(COUNT_D(d0, od), COUNT_H(h0, oh), COUNT_W(w0, ow), fixed);
    int where = 0;
    const float value = NT_NAME(window)(x + x_offset + n * x_n + d0 * x_d + h0 * x_h + w0 * x_w + c,
        dd * x_d, dh * x_h, dw * x_w, (d0 * H + h0) * W + w0, dd * H * W, dh * W, dw, front, back,
        top, bottom, left, right, share, 1, &where);
    y[y_offset + n * y_n + od * y_d + oh * y_h + ow * y_w + c] = value;
    if (has_index)
        index[index_offset + n * i_n + od * i_d + oh * i_h + ow * i_w + c] = where;
}

NT_KERNEL(pool_backward_group)
(__global const float *dy, int dy_offset, __global const int *index, int index_offset,
    __global float *dx, int dx_offset, STRIDES, WINDOW)
{
    const int item = (int)get_global_id(0), w = item / C, c = item - w * C;
    if (w >= W)
        return;
    const int left = FIRST_WINDOW(w, kw, dw, sw, pw, W, OW), right = END_WINDOW(w, sw, pw, W, OW);
    const int slice = (int)get_global_id(2), n = OVER_DEPTH(slice, D), d = slice - n * D;
    const int h = (int)get_global_id(1), top = FIRST_WINDOW(h, kh, dh, sh, ph, H, OH);
    const int bottom = END_WINDOW(h, sh, ph, H, OH);
    WINDOWS_D;
    dx[dx_offset + n * x_n + d * x_d + h * x_h + w * x_w + c] =
        NT_NAME(gather)(dy + dy_offset + n * y_n + c, index + index_offset + n * i_n + c, 1, d, h,
            w, front, back, top, bottom, left, right, STRIDES_ARGUMENTS, WINDOW_ARGUMENTS);
}

#endif
