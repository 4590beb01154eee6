/* SPDX-License-Identifier: MIT
 *
 * Windows of regions: each of K rows (image, x1, y1, x2, y2) of `regions`, r_k elements apart, is
 * divided into PH x PW bins. Channels-last tensors: x is N,C,H,W, y is K,C,PH,PW; stride 1 from
 * channel to channel, any other strides. A row whose image is none of the N gives zeros.
 *
 * NT_KIND 0, as He et al., Mask R-CNN, 2017: the mean of samples_h x samples_w points of each bin,
 * taken bilinearly. NT_KIND 1, as Girshick, Fast R-CNN, 2015: the maximum of each bin, rounded
 * outwards to elements; index holds h*W+w of each maximum. NT_KIND 2, as ONNX's RoiAlign: the
 * maximum of the elements beside the points, each multiplied by its bilinear weight; index holds
 * 4 * point + corner. An empty bin has the value 0, the index -1.
 *
 * Work-items of forward: _tile: one per work-group, takes `chunk` bins, all channels; _group: one
 * per element of y; grid C*PW, PH, K. Of backward, which gathers: _tile: `chunk` pixels of x, all
 * channels; _group: one per element of x; grid W*C, H, N. No local memory. NT_TILE: 1 _tile.
 */
#include "prelude.clh"
#include "roi.clh"

#ifndef NT_KIND
#define NT_KIND 0
#endif
#ifndef NT_TILE
#define NT_TILE 0
#endif

#define ARGUMENTS                                                                                  \
    __global const float *regions, int regions_offset, __global int *index, int index_offset,      \
        int r_k, int x_n, int x_h, int x_w, int y_k, int y_h, int y_w, int i_k, int i_h, int i_w,  \
        int N, int C, int H, int W, int K, int PH, int PW, float scale, int sampling, int aligned, \
        int chunk
#define PASSED                                                                                     \
    regions, regions_offset, index, index_offset, r_k, x_n, x_h, x_w, y_k, y_h, y_w, i_k, i_h,     \
        i_w, N, C, H, W, K, PH, PW, scale, sampling, aligned, chunk

/* Channels [c, end) of one bin. */
static inline void NT_NAME(bin)(
    int k, int ph, int pw, int c, int end, __global const float *x, __global float *y, ARGUMENTS)
{
    __global const float *region = regions + regions_offset + k * r_k;
    const int n = roi_image(region, N);
    __global const float *from = x + n * x_n;
    __global float *to = y + k * y_k + ph * y_h + pw * y_w;
#if NT_KIND == 1
    const struct roi_span h = roi_span(region[2], region[4], scale, ph, PH, n < 0 ? 0 : H);
    const struct roi_span w = roi_span(region[1], region[3], scale, pw, PW, W);
    for (; c < end; c++) {
        float best = -INFINITY;
        int where = -1;
        for (int i = h.first; i < h.end; i++) {
            for (int j = w.first; j < w.end; j++) {
                const float v = from[i * x_h + j * x_w + c];
                if (where < 0 || v > best || (v != v && best == best)) {
                    best = v;
                    where = i * W + j;
                }
            }
        }
        to[c] = where < 0 ? 0.0f : best;
        index[index_offset + k * i_k + ph * i_h + pw * i_w + c] = where;
    }
#else
    const struct roi_axis h = roi_axis(region[2], region[4], scale, PH, sampling, aligned);
    const struct roi_axis w = roi_axis(region[1], region[3], scale, PW, sampling, aligned);
#if NT_KIND == 2
    for (; c < end; c++) {
        float best = -INFINITY;
        int where = -1;
        for (int i = 0; n >= 0 && i < h.samples; i++) {
            const struct roi_point p = roi_point(roi_sample(h, ph, i), H);
            for (int j = 0; j < w.samples; j++) {
                const struct roi_point q = roi_point(roi_sample(w, pw, j), W);
                for (int corner = 0; corner < 4; corner++) {
                    const int row = corner & 2 ? p.high : p.low;
                    const int column = corner & 1 ? q.high : q.low;
                    const float v = roi_share(p, q, corner) * from[row * x_h + column * x_w + c];
                    if (where < 0 || v > best || (v != v && best == best)) {
                        best = v;
                        where = (i * w.samples + j) * 4 + corner;
                    }
                }
            }
        }
        to[c] = where < 0 ? 0.0f : best;
        index[index_offset + k * i_k + ph * i_h + pw * i_w + c] = where;
    }
#else
    const float share = 1.0f / (float)max(1, h.samples * w.samples);
    for (; c < end; c++) {
        float sum = 0;
        for (int i = 0; n >= 0 && i < h.samples; i++) {
            const struct roi_point p = roi_point(roi_sample(h, ph, i), H);
            for (int j = 0; j < w.samples; j++) {
                const struct roi_point q = roi_point(roi_sample(w, pw, j), W);
                __global const float *low = from + p.low * x_h + c, *high = from + p.high * x_h + c;
                sum += p.low_weight *
                           (q.low_weight * low[q.low * x_w] + q.high_weight * low[q.high * x_w]) +
                       p.high_weight *
                           (q.low_weight * high[q.low * x_w] + q.high_weight * high[q.high * x_w]);
            }
        }
        to[c] = sum * share;
    }
#endif
#endif
}

/* Adds to channels [c, end) of dx at (n, h, w) what region k gives. */
static inline void NT_NAME(gather)(int k, int n, int h, int w, int first, int end,
    __global float *x, __global const float *y, ARGUMENTS)
{
    __global const float *region = regions + regions_offset + k * r_k;
    if (roi_image(region, N) != n)
        return;
    __global float *to = x + n * x_n + h * x_h + w * x_w;
#if NT_KIND == 1
    for (int ph = 0; ph < PH; ph++) {
        const struct roi_span rows = roi_span(region[2], region[4], scale, ph, PH, H);
        for (int pw = 0; h >= rows.first && h < rows.end && pw < PW; pw++) {
            const struct roi_span columns = roi_span(region[1], region[3], scale, pw, PW, W);
            if (w < columns.first || w >= columns.end)
                continue;
            __global const float *from = y + k * y_k + ph * y_h + pw * y_w;
            __global const int *where = index + index_offset + k * i_k + ph * i_h + pw * i_w;
            for (int c = first; c < end; c++)
                to[c] += where[c] == h * W + w ? from[c] : 0.0f;
        }
    }
#else
    const struct roi_axis rows = roi_axis(region[2], region[4], scale, PH, sampling, aligned);
    const struct roi_axis columns = roi_axis(region[1], region[3], scale, PW, sampling, aligned);
    if (!roi_reaches(rows, 0, PH, h, H) || !roi_reaches(columns, 0, PW, w, W))
        return;
#if NT_KIND == 2
    for (int ph = 0; ph < PH; ph++) {
        for (int pw = 0; roi_reaches(rows, ph, ph + 1, h, H) && pw < PW; pw++) {
            if (!roi_reaches(columns, pw, pw + 1, w, W))
                continue;
            __global const float *from = y + k * y_k + ph * y_h + pw * y_w;
            __global const int *where = index + index_offset + k * i_k + ph * i_h + pw * i_w;
            for (int c = first; c < end; c++)
                to[c] += roi_chosen(where[c], rows, columns, ph, pw, h, w, H, W) * from[c];
        }
    }
#else
    const float share = 1.0f / (float)max(1, rows.samples * columns.samples);
    for (int ph = 0; ph < PH; ph++) {
        const float a = roi_weight(rows, ph, h, H) * share;
        for (int pw = 0; a != 0 && pw < PW; pw++) {
            const float b = a * roi_weight(columns, pw, w, W);
            __global const float *from = y + k * y_k + ph * y_h + pw * y_w;
            for (int c = first; b != 0 && c < end; c++)
                to[c] += b * from[c];
        }
    }
#endif
#endif
}

#if NT_TILE

NT_KERNEL_SINGLE(roi_forward_tile)
(__global const float *x, int x_offset, __global float *y, int y_offset, ARGUMENTS)
{
    const int begin = (int)get_group_id(0) * chunk, stop = min(begin + chunk, K * PH * PW);
    for (int bin = begin; bin < stop; bin++) {
        const int row = bin / PW, k = row / PH;
        NT_NAME(bin)(k, row - k * PH, bin - row * PW, 0, C, x + x_offset, y + y_offset, PASSED);
    }
}

NT_KERNEL_SINGLE(roi_backward_tile)
(__global float *x, int x_offset, __global const float *y, int y_offset, ARGUMENTS)
{
    const int begin = (int)get_group_id(0) * chunk, stop = min(begin + chunk, N * H * W);
    for (int pixel = begin; pixel < stop; pixel++) {
        const int row = pixel / W, n = row / H, h = row - n * H, w = pixel - row * W;
        for (int c = 0; c < C; c++)
            x[x_offset + n * x_n + h * x_h + w * x_w + c] = 0;
        for (int k = 0; k < K; k++)
            NT_NAME(gather)(k, n, h, w, 0, C, x + x_offset, y + y_offset, PASSED);
    }
}

#else

NT_KERNEL(roi_forward_group)
(__global const float *x, int x_offset, __global float *y, int y_offset, ARGUMENTS)
{
    const int item = (int)get_global_id(0), pw = item / C, c = item - pw * C;
    if (pw >= PW)
        return;
    NT_NAME(bin)((int)get_global_id(2), (int)get_global_id(1), pw, c, c + 1, x + x_offset,
        y + y_offset, PASSED);
}

NT_KERNEL(roi_backward_group)
(__global float *x, int x_offset, __global const float *y, int y_offset, ARGUMENTS)
{
    const int item = (int)get_global_id(0), w = item / C, c = item - w * C;
    if (w >= W)
        return;
    const int n = (int)get_global_id(2), h = (int)get_global_id(1);
    x[x_offset + n * x_n + h * x_h + w * x_w + c] = 0;
    for (int k = 0; k < K; k++)
        NT_NAME(gather)(k, n, h, w, c, c + 1, x + x_offset, y + y_offset, PASSED);
}

#endif
