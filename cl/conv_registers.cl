/* SPDX-License-Identifier: MIT
 *
 * Convolution for GPUs without local memory, as an implicit matrix product (registers.clh): rows
 * are the pixels of all images, columns the output channels of a group, steps the taps x input
 * channels, channels fastest. Serves forward and, with other strides, backward by data (conv.h
 * tells how). w: packed as [group][tap][channel][column]; w_start, w_t, w_r and w_s count taps, of
 * which a group has `filter`. Grid: columns, rows, groups.
 */
#include "prelude.clh"
#include "registers.clh"

#define NT_EPILOGUE_READ(p) (*(p))

/* Of the tap whose pixels begin at from[]. */
#define A(i, step) (from[i] < 0 ? 0.0f : x[from[i] + (step)])
#define A4(i, step) (from[i] < 0 ? (float4)(0.0f) : NT_GET(float, 4, x + from[i] + (step)))
#define B(step) NT_VLOAD(b + (step)*k)
#define B4(to, step)                                                                               \
    do {                                                                                           \
        __global const float *from_ = b + (step)*k;                                                \
        NT_UNROLL for (int j_ = 0; j_ < 4; j_++) to[j_] = NT_VLOAD(from_ + j_ * k);                \
    } while (0)

/* The pixel (u, v, z) of image n that comes next. */
#define NEXT_PIXEL                                                                                 \
    do {                                                                                           \
        bool row_ends = ++u == out_w, plane_ends = row_ends && v + 1 == out_h;                     \
        bool image_ends = plane_ends && z + 1 == out_d;                                            \
        u = row_ends ? 0 : u;                                                                      \
        v = plane_ends ? 0 : v + row_ends;                                                         \
        z = image_ends ? 0 : z + plane_ends;                                                       \
        n += image_ends;                                                                           \
    } while (0)

NT_KERNEL_REGISTERS(conv_registers)
(__global const float *x, int x_offset, __global const float *w, __global float *y, int y_offset,
    int images, int depth, int height, int width, int c, int groups, int k, int out_d, int out_h,
    int out_w, int t, int r, int s, int stride_d, int stride_h, int stride_w, int pad_d, int pad_h,
    int pad_w, int dil_d, int dil_h, int dil_w, int x_n, int x_d, int x_h, int x_w, int y_start,
    int y_n, int y_d, int y_h, int y_w, int w_start, int w_g, int w_k, int w_c, int w_t, int w_r,
    int w_s, int filter NT_EPILOGUE_PARAMS)
{
    int group = NT_REGISTERS_PLACE(2), pixel = NT_REGISTERS_PLACE(1) * NT_MR;
    int column = (int)get_global_id(0) * NT_VW;
    int pixel0 = min(pixel, images * out_d * out_h * out_w - NT_MR);
    int column0 = min(column, k - NT_VW);
    int u0 = pixel0 % out_w, v0 = pixel0 / out_w % out_h;
    int z0 = pixel0 / out_w / out_h % out_d, n0 = pixel0 / out_w / out_h / out_d;
    x += x_offset + group * c;
    w += (size_t)group * filter * c * k + column0;
    NT_REGISTERS_DECLARE;
    for (int in = 0; in < t; in++)
        for (int down = 0; down < r; down++) {
            int first[NT_MR], left[NT_MR], u = u0, v = v0, z = z0, n = n0;
            NT_UNROLL for (int i = 0; i < NT_MR; i++)
            {
                int plane = z * stride_d - pad_d + in * dil_d;
                int row = v * stride_h - pad_h + down * dil_h;
                bool inside = plane >= 0 && plane < depth && row >= 0 && row < height;
                left[i] = u * stride_w - pad_w;
                first[i] = n * x_n + plane * x_d + row * x_h + left[i] * x_w;
                left[i] = inside ? left[i] : width; /* then no tap is inside */
                NEXT_PIXEL;
            }
            for (int right = 0; right < s; right++) {
                int from[NT_MR], tap = w_start + in * w_t + down * w_r + right * w_s;
                int across = right * dil_w, along = across * x_w;
                bool any = false;
                NT_UNROLL for (int i = 0; i < NT_MR; i++)
                {
                    bool inside = (uint)(left[i] + across) < (uint)width;
                    from[i] = inside ? first[i] + along : -1;
                    any = any || inside;
                }
                __global const float *b = w + tap * c * k;
                if (any)
                    NT_REGISTERS_ADD(c, A, A4, B, B4);
            }
        }
    int u = u0, v = v0, z = z0, n = n0;
    NT_UNROLL for (int i = 0; i < NT_MR; i++)
    {
        int at = y_start + n * y_n + z * y_d + v * y_h + u * y_w + group * k + column0;
        if (pixel0 + i >= pixel)
            NT_REGISTERS_WRITE(i, y, y_offset, at, group * k + column0, group * k + column);
        NEXT_PIXEL;
    }
}
