/* SPDX-License-Identifier: MIT
 *
 * Winograd's transform back to weights: dw[k][channel] = G' m G for
 * m[i][j] = from[(i * 6 + j) * plane + k * row + channel]. dw is row-major. A work-item takes a
 * range of the output channels.
 *
 * NT_WINOGRAD_TAPS: 3 or 5, along each dimension.
 */
#include "prelude.clh"
#include "tile.clh"
#include "winograd.clh"

#define NT_TAPS (NT_WINOGRAD_TAPS * NT_WINOGRAD_TAPS)
#define PRODUCT(i) NT_VLOAD(from + (size_t)((i) * 6 + line) * plane + channel)
#define HALF(i) half_way[line * 6 + (i)]

NT_OUTLINE void NT_NAME(give_row)(
    __global const float *from, int plane, __global float *dw, int c)
{
    NT_V half_way[6 * NT_WINOGRAD_TAPS], out[NT_WINOGRAD_TAPS];
    float taps[NT_TAPS * NT_VW] __attribute__((aligned(64)));
    for (int channel = 0; channel < c; channel += NT_VW) {
        for (int line = 0; line < 6; line++)
            NT_WINOGRAD(WEIGHT_BACK)(NT_V, half_way + line, 6, PRODUCT);
        for (int line = 0; line < NT_WINOGRAD_TAPS; line++) {
            NT_WINOGRAD(WEIGHT_BACK)(NT_V, out, 1, HALF);
            for (int i = 0; i < NT_WINOGRAD_TAPS; i++)
                *(NT_V *)(taps + (line * NT_WINOGRAD_TAPS + i) * NT_VW) = out[i];
        }
        for (int lane = 0; lane < min(NT_VW, c - channel); lane++)
            NT_UNROLL for (int i = 0; i < NT_TAPS; i++) dw[(channel + lane) * NT_TAPS + i] =
                taps[i * NT_VW + lane];
    }
}

NT_KERNEL_SINGLE(winograd_weight_give)
(__global const float *from, __global float *dw, int dw_offset, int k, int c, int row, int plane)
{
    int item = get_global_id(0), items = get_global_size(0);
    int end = (int)((long)k * (item + 1) / items);
    for (int i = (int)((long)k * item / items); i < end; i++)
        NT_NAME(give_row)(from + (size_t)i * row, plane, dw + dw_offset + (size_t)i * c * NT_TAPS,
            c);
}

#undef NT_TAPS
#undef PRODUCT
#undef HALF
