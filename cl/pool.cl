/* SPDX-License-Identifier: MIT
 *
 * Two-dimensional pooling over channels-last tensors: stride 1 from channel to channel, any
 * other strides (x_n, x_h, x_w; elements). index holds h*W+w of each maximum, -1 where a window
 * covers nothing.
 *
 * Work-items: _tile: one per work-group, takes `chunk` pixels of the result in order, NT_VEC
 * channels at a time; the last vector of a pixel is moved back to end at C, so NT_VEC <= C.
 * _group: one per element; grid W*C, H, N of the result, NT_VEC is 1. No local memory.
 *
 * NT_MAX: 1 maximum, 0 average. NT_VEC: 1, 4, 8 or 16. NT_TILE: 1 _tile, 0 _group.
 * NT_KH, NT_KW: 0, or the size of the windows when all of them lie inside x.
 * NT_CELLS: 1 when besides no two windows touch one pixel, nor leave one out between them: the
 * gradient then goes cell by cell, a cell being the pixels of one window.
 */
#include "prelude.clh"
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
#ifndef NT_KH
#define NT_KH 0
#define NT_KW 0
#endif
#ifndef NT_CELLS
#define NT_CELLS 0
#endif

#define VF NT_VECTOR(float, NT_VEC)
#define VI NT_VECTOR(int, NT_VEC)
#if NT_VEC == 1
#define LOAD(p) (*(p))
#define STORE(v, p) (*(p) = (v))
#else
#define LOAD(p) NT_VECTOR(vload, NT_VEC)(0, p)
#define STORE(v, p) NT_VECTOR(vstore, NT_VEC)(v, 0, p)
#endif

#if NT_KH
#define TAPS_H const int top = 0, bottom = NT_KH
#define TAPS_W const int left = 0, right = NT_KW
#else
#define TAPS_H const int top = pool_first_tap(h0, kh, dh), bottom = pool_end_tap(h0, kh, dh, H)
#define TAPS_W const int left = pool_first_tap(w0, kw, dw), right = pool_end_tap(w0, kw, dw, W)
#endif

/* The shapes and the window, in the order of the host's list. edge: see pool_count. */
#define WINDOW                                                                                     \
    int N, int H, int W, int C, int OH, int OW, int kh, int kw, int sh, int sw, int dh, int dw,    \
        int ph, int pw, int edge_h, int edge_w, int chunk
#define WINDOW_ARGUMENTS                                                                           \
    N, H, W, C, OH, OW, kh, kw, sh, sw, dh, dw, ph, pw, edge_h, edge_w, chunk
#define STRIDES_ARGUMENTS y_n, y_h, y_w, i_n, i_h, i_w, x_n, x_h, x_w
#define STRIDES int y_n, int y_h, int y_w, int i_n, int i_h, int i_w, int x_n, int x_h, int x_w

/* 1 over the number of taps the average of window (oh, ow) divides by. */
static inline float NT_NAME(share)(int count_h, int count_w)
{
    return count_h > 0 && count_w > 0 ? 1.0f / ((float)count_h * (float)count_w) : 0.0f;
}

/* NT_VEC channels of one window, of its taps [top, bottom) by [left, right). x and position (of
 * the index) are those of tap 0, 0, which may lie outside; steps lead from tap to tap. */
static inline VF NT_NAME(window)(__global const float *x, int step_h, int step_w, int position,
    int line, int column, int top, int bottom, int left, int right, float share, VI *index)
{
#if NT_MAX
    VF best = -INFINITY;
    VI where = top < bottom && left < right ? position + top * line + left * column : -1;
    for (int i = top; i < bottom; i++) {
        for (int j = left; j < right; j++) {
            const VF v = LOAD(x + i * step_h + j * step_w);
            const VI take = !(v <= best) & (best == best);
            best = select(best, v, take);
            where = select(where, (VI)(position + i * line + j * column), take);
        }
    }
    *index = where;
    return best;
#else
    VF sum = 0;
    for (int i = top; i < bottom; i++) {
        VF row = 0;
        for (int j = left; j < right; j++)
            row += LOAD(x + i * step_h + j * step_w);
        sum += row;
    }
    return sum * share;
#endif
}

/* NT_VEC channels of dx at pixel (h, w), from the windows [top, bottom) by [left, right). */
static inline VF NT_NAME(gather)(__global const float *dy, int y_h, int y_w,
    __global const int *index, int i_h, int i_w, int h, int w, int H, int W, int top, int bottom,
    int left, int right, int kh, int kw, int sh, int sw, int dh, int dw, int ph, int pw, int edge_h,
    int edge_w)
{
    VF sum = 0;
    for (int i = top; i < bottom; i++) {
        for (int j = left; j < right; j++) {
            const VF d = LOAD(dy + i * y_h + j * y_w);
#if NT_MAX
            const VI here = LOAD(index + i * i_h + j * i_w) == h * W + w;
            sum += select((VF)0, d, here);
#else
            const int h0 = i * sh - ph, w0 = j * sw - pw;
            if ((dh > 1 && (h - h0) % dh) || (dw > 1 && (w - w0) % dw))
                continue;
            sum += d * NT_NAME(share)(
                           pool_count(h0, kh, dh, H, edge_h), pool_count(w0, kw, dw, W, edge_w));
#endif
        }
    }
    return sum;
}

#if NT_TILE

NT_OUTLINE void NT_NAME(forward)(int pixel, __global const float *x, __global float *y,
    __global int *index, STRIDES, WINDOW, int has_index)
{
    const int stop = min(pixel + chunk, N * OH * OW);
    while (pixel < stop) {
        const int row = pixel / OW, n = row / OH, oh = row - n * OH, first = pixel - row * OW;
        const int last = min(OW, first + stop - pixel);
        const int h0 = oh * sh - ph;
        TAPS_H;
        for (int ow = first; ow < last; ow++) {
            const int w0 = ow * sw - pw;
            TAPS_W;
            const float share = NT_MAX ? 0.0f
                                       : NT_NAME(share)(pool_count(h0, kh, dh, H, edge_h),
                                             pool_count(w0, kw, dw, W, edge_w));
            __global const float *from = x + n * x_n + h0 * x_h + w0 * x_w;
            __global float *to = y + n * y_n + oh * y_h + ow * y_w;
            __global int *to_index = index + n * i_n + oh * i_h + ow * i_w;
            for (int k = 0; k < C; k += NT_VEC) {
                const int c = min(k, C - NT_VEC);
                VI where = 0;
                const VF value = NT_NAME(window)(from + c, dh * x_h, dw * x_w, h0 * W + w0, dh * W,
                    dw, top, bottom, left, right, share, &where);
                STORE(value, to + c);
                if (has_index)
                    STORE(where, to_index + c);
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

#if NT_CELLS

/* Cells past the last window hold what is left of a row or column: zeros. */
NT_OUTLINE void NT_NAME(backward)(int cell, __global const float *dy, __global const int *index,
    __global float *dx, STRIDES, WINDOW)
{
    const int rows = (H + NT_KH - 1) / NT_KH, columns = (W + NT_KW - 1) / NT_KW;
    const int stop = min(cell + chunk, N * rows * columns);
    while (cell < stop) {
        const int row = cell / columns, n = row / rows, oh = row - n * rows;
        const int first = cell - row * columns, last = min(columns, first + stop - cell);
        const int h = oh * NT_KH, bottom = min(NT_KH, H - h);
        for (int ow = first; ow < last; ow++) {
            const int w = ow * NT_KW, right = min(NT_KW, W - w), inside = oh < OH && ow < OW;
            __global float *to = dx + n * x_n + h * x_h + w * x_w;
            for (int k = 0; k < C; k += NT_VEC) {
                const int c = min(k, C - NT_VEC);
                VF d = 0;
                VI where = -1;
                if (inside) {
                    d = LOAD(dy + n * y_n + oh * y_h + ow * y_w + c);
#if NT_MAX
                    where = LOAD(index + n * i_n + oh * i_h + ow * i_w + c);
#else
                    d *= 1.0f / (NT_KH * NT_KW);
#endif
                }
                for (int i = 0; i < NT_KH; i++)
                    for (int j = 0; j < NT_KW; j++) {
                        if (i >= bottom || j >= right)
                            continue;
                        const VI here = where == (h + i) * W + w + j;
                        STORE(NT_MAX ? select((VF)0, d, here) : d, to + i * x_h + j * x_w + c);
                    }
            }
        }
        cell += last - first;
    }
}

#else

/* The window range of a column moves on by counting: a division per pixel would cost more than
 * the pixel. */
NT_OUTLINE void NT_NAME(backward)(int pixel, __global const float *dy, __global const int *index,
    __global float *dx, STRIDES, WINDOW)
{
    const int stop = min(pixel + chunk, N * H * W);
    while (pixel < stop) {
        const int row = pixel / W, n = row / H, h = row - n * H, first = pixel - row * W;
        const int last = min(W, first + stop - pixel);
        const int top = pool_first_window(h + ph, kh, dh, sh);
        const int bottom = pool_end_window(h + ph, sh, OH);
        int left = pool_first_window(first + pw, kw, dw, sw), end = (first + pw) / sw + 1;
        int next_begin = left * sw + (kw - 1) * dw + 1, next_end = end * sw;
        for (int w = first; w < last; w++) {
            if (w + pw == next_begin) {
                left++;
                next_begin += sw;
            }
            if (w + pw == next_end) {
                end++;
                next_end += sw;
            }
            const int right = min(end, OW);
            __global float *to = dx + n * x_n + h * x_h + w * x_w;
            for (int k = 0; k < C; k += NT_VEC) {
                const int c = min(k, C - NT_VEC);
                STORE(NT_NAME(gather)(dy + n * y_n + c, y_h, y_w, index + n * i_n + c, i_h, i_w, h,
                          w, H, W, top, bottom, left, right, kh, kw, sh, sw, dh, dw, ph, pw, edge_h,
                          edge_w),
                    to + c);
            }
        }
        pixel += last - first;
    }
}

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
    const int w0 = ow * sw - pw;
    TAPS_W;
    for (int n = (int)get_global_id(2); n < N; n += (int)get_global_size(2)) {
        for (int oh = (int)get_global_id(1); oh < OH; oh += (int)get_global_size(1)) {
            const int h0 = oh * sh - ph;
            TAPS_H;
            const float share = NT_MAX ? 0.0f
                                       : NT_NAME(share)(pool_count(h0, kh, dh, H, edge_h),
                                             pool_count(w0, kw, dw, W, edge_w));
            int where = 0;
            const float value =
                NT_NAME(window)(x + x_offset + n * x_n + h0 * x_h + w0 * x_w + c, dh * x_h,
                    dw * x_w, h0 * W + w0, dh * W, dw, top, bottom, left, right, share, &where);
            y[y_offset + n * y_n + oh * y_h + ow * y_w + c] = value;
            if (has_index)
                index[index_offset + n * i_n + oh * i_h + ow * i_w + c] = where;
        }
    }
}

NT_KERNEL(pool_backward_group)
(__global const float *dy, int dy_offset, __global const int *index, int index_offset,
    __global float *dx, int dx_offset, STRIDES, WINDOW)
{
    const int item = (int)get_global_id(0), w = item / C, c = item - w * C;
    if (w >= W)
        return;
    const int left = pool_first_window(w + pw, kw, dw, sw);
    const int right = pool_end_window(w + pw, sw, OW);
    for (int n = (int)get_global_id(2); n < N; n += (int)get_global_size(2)) {
        for (int h = (int)get_global_id(1); h < H; h += (int)get_global_size(1)) {
            const int top = pool_first_window(h + ph, kh, dh, sh);
            const int bottom = pool_end_window(h + ph, sh, OH);
            dx[dx_offset + n * x_n + h * x_h + w * x_w + c] =
                NT_NAME(gather)(dy + dy_offset + n * y_n + c, y_h, y_w,
                    index + index_offset + n * i_n + c, i_h, i_w, h, w, H, W, top, bottom, left,
                    right, kh, kw, sh, sw, dh, dw, ph, pw, edge_h, edge_w);
        }
    }
}

#endif
