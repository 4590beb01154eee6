/* SPDX-License-Identifier: MIT
 *
 * Backward pass of a convolution by its weights, for CPU devices:
 *
 *   partial[split][group][tap][c][k] =
 *       sum over the split's pixels of x[pixel at tap][c] dy[pixel][k]
 *
 * conv_weight_sum adds the splits. A work-item takes a range of blocks of split x panels of NT_NR
 * output channels x block_c input channels with all taps. For some pixels at a time it gathers
 * their inputs as rows [pixel][tap][c] in its scratch slot, and multiplies the transposed rows
 * with dy, which is read where it lies when its pixels are evenly spaced (dense).
 *
 * NT_MR, NT_NV, NT_VW: the register tile.
 */
#include "prelude.clh"
#include "tile.clh"
#include "gather.clh"

NT_DEFINE_GATHER

/* Whether panel p of dy is copied: not where its last row may be read to its end; what a row
 * holds beyond k stays in lanes that are never stored. */
#define PACKED(p) (!dense || b + (size_t)(p0 + pixels - 1) * y_w + (p) + NT_NR > dy_end)

NT_OUTLINE void NT_NAME(conv_weight_blocks)(int item, int items,
    __global const float *x, int x_offset, __global const float *dy, int dy_offset,
    __global float *partial, __global float *scratch, int images, int depth, int height, int width, int c, int groups, int k,
    int out_d, int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w,
    int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h,
    int x_w, int y_n, int y_d, int y_h, int y_w,
    int dense, int block_c, int panels, int run, int splits, int blocks, int slot)
{
    int all = images * out_d * out_h * out_w, taps = t * r * s;
    int step = (taps * block_c + 15) / 16 * 16 + 16;
    int across = (k + panels * NT_NR - 1) / (panels * NT_NR), deep = (c + block_c - 1) / block_c;
    __global float *b_packed = scratch + (size_t)item * slot;
    __global float *a_packed = b_packed + (size_t)panels * run * NT_NR;
    __global const float *x_end = x + x_offset + (size_t)(images - 1) * x_n + (depth - 1) * x_d +
                                  (height - 1) * x_h + (width - 1) * x_w + groups * c;
    __global const float *dy_end = dy + dy_offset + (size_t)(all - 1) * y_w + groups * k;
    NT_V tile[NT_MR * NT_NV];
    int place[NT_MR];
    int end = (int)((long)blocks * (item + 1) / items);
    for (int block = (int)((long)blocks * item / items); block < end; block++) {
        int k0 = block % across * (panels * NT_NR), k1 = min(k, k0 + panels * NT_NR);
        int c0 = block / across % deep * block_c, channels = min(block_c, c - c0);
        int group = block / across / deep % groups, split = block / across / deep / groups;
        int first = (int)((long)all * split / splits);
        int last = (int)((long)all * (split + 1) / splits);
        int rows = taps * channels;
        bool merged = dil_w == 1 && channels == x_w;
        __global float *out = partial + (size_t)(split * groups + group) * taps * c * k;
        for (int p0 = first; p0 == first || p0 < last; p0 += run) {
            int pixels = min(run, last - p0);
            int u = p0 % out_w, v = p0 / out_w % out_h;
            int z = p0 / out_w / out_h % out_d, n = p0 / out_w / out_h / out_d;
            __global const float *b = dy + dy_offset + group * k;
            for (int i = 0; i < pixels; i++) {
                NT_NAME(gather)(x + x_offset + group * c + c0 + (size_t)n * x_n, x_end,
                    z * stride_d - pad_d, v * stride_h - pad_h, u * stride_w - pad_w, depth, height,
                    width, t, r, s, dil_d, dil_h, dil_w, x_d, x_h, x_w, channels, merged,
                    a_packed + i * step);
                __global const float *from =
                    b + (size_t)n * y_n + z * y_d + v * y_h + u * y_w;
                for (int p = k0; p < k1; p += NT_NR)
                    if (PACKED(p))
                        for (int j = 0; j < NT_NV; j++)
                            NT_VSTORE(NT_READ_PART(from + p + j * NT_VW, k - p - j * NT_VW),
                                b_packed + (size_t)(p - k0) * run + i * NT_NR + j * NT_VW);
                bool wraps = ++u == out_w;
                u = wraps ? 0 : u;
                v += wraps;
                wraps = v == out_h;
                v = wraps ? 0 : v;
                z += wraps;
                wraps = z == out_d;
                z = wraps ? 0 : z;
                n += wraps;
            }
            for (int m = 0; m < rows; m += NT_MR) {
                int count = min(NT_MR, rows - m);
                for (int i = 0; i < count; i++)
                    place[i] = ((m + i) / channels * c + c0 + (m + i) % channels) * k;
                for (int p = k0; p < k1; p += NT_NR) {
                    NT_V acc[NT_MR][NT_NV];
                    if (p0 == first) {
                        NT_TILE_ZERO(acc);
                    } else {
                        for (int i = 0; i < count; i++)
                            for (int j = 0; j < NT_NV; j++)
                                tile[i * NT_NV + j] = NT_READ_PART(
                                    out + place[i] + p + j * NT_VW, k - p - j * NT_VW);
                        NT_TILE_LOAD(acc, tile);
                    }
                    bool packed = PACKED(p);
                    __global const float *from =
                        packed ? b_packed + (size_t)(p - k0) * run : b + (size_t)p0 * y_w + p;
                    int b_step = packed ? NT_NR : y_w;
                    NT_TILE_COLUMNS(acc, a_packed + m, step, from, b_step, pixels);
                    NT_TILE_STORE(acc, tile);
                    for (int i = 0; i < count; i++)
                        for (int j = 0; j < NT_NV; j++)
                            if (k - p - j * NT_VW > 0)
                                NT_WRITE_PART(tile[i * NT_NV + j],
                                    out + place[i] + p + j * NT_VW, k - p - j * NT_VW);
                }
            }
        }
    }
}

NT_KERNEL_SINGLE(conv_weight_tile)
(__global const float *x, int x_offset, __global const float *dy, int dy_offset,
    __global float *partial, __global float *scratch, int images, int depth, int height, int width, int c, int groups, int k,
    int out_d, int out_h, int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w,
    int pad_d, int pad_h, int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h,
    int x_w, int y_n, int y_d, int y_h, int y_w,
    int dense, int block_c, int panels, int run, int splits, int blocks, int slot)
{
    NT_NAME(conv_weight_blocks)(get_global_id(0), get_global_size(0), x, x_offset, dy, dy_offset,
        partial, scratch, images, depth, height, width, c, groups, k, out_d, out_h, out_w, t, r,
        s, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w, x_n, x_d, x_h,
        x_w, y_n, y_d, y_h, y_w, dense, block_c, panels, run, splits, blocks, slot);
}
